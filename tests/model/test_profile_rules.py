"""Why a profile is refused, by version: one row per clause of OCPP 2.1 part 2 (1.6: sections 3.13, 5.16)."""

import random
from dataclasses import replace

import pytest

from chargekit.model.profile import ChargingProfile, Kind, Mode, Period, Purpose, V2x
from chargekit.model.profile_rules import EVERY_MODE, rules_of
from chargekit.model.profile_store import ProfileStore, Running
from chargekit.model.schedule import share_a

MAX, DEFAULT, TX, EXTERNAL = Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX, Purpose.EXTERNAL
OLD, NEW, ALL = ("1.6",), ("2.0.1", "2.1"), ("1.6", "2.0.1", "2.1")
TEN = (Period(0.0, 10.0),)
MANY = tuple(Period(60.0 * n, 10.0) for n in range(25))
AT_FIVE = V2x(Mode.CENTRAL_SETPOINT, (5.0, None, None))


def profile(purpose: Purpose, periods: tuple[Period, ...] = TEN, **more: object) -> ChargingProfile:
    tx = {"transaction": "t"} if purpose is TX else {}
    start = {"start": 0.0} if more.get("kind") not in (Kind.RELATIVE, Kind.DYNAMIC) else {}
    return ChargingProfile(1, purpose, periods, **{**tx, **start, **more})  # type: ignore[arg-type]


def store(version: str, switching: bool = False) -> ProfileStore:
    return ProfileStore([1, 2], 230.0, ("A", "W"), rules_of(version, {1: 3, 2: 3}, switching))


ROWS = [
    # clause, versions, EVSE, profile, running transaction, reason
    ("K01.FR.28", ALL, 9, profile(DEFAULT), None, "UnknownEvse"),
    ("K01.FR.22", ALL, 1, profile(EXTERNAL), None, "InvalidValue"),
    ("K04.FR.03", ALL, 1, profile(MAX), None, "InvalidProfile"),
    ("K01.FR.16", ALL, 0, profile(TX), "t", "InvalidProfile"),
    ("K01.FR.09", ALL, 1, profile(TX), None, "TxNotFound"),
    ("K01.FR.33", ALL, 1, profile(TX), "other", "TxNotFound"),
    ("K01.FR.03", NEW, 1, profile(TX, transaction=None), "t", "MissingParam"),
    ("1.6 5.16: MAY name it", OLD, 1, profile(TX, transaction=None), "t", ""),
    ("K01.FR.31", ALL, 0, profile(DEFAULT, (Period(5.0, 10.0),)), None, "InvalidSchedule"),
    ("K01.FR.35", ALL, 0, profile(DEFAULT, (Period(0.0, 10.0), Period(0.0, 9.0))), None, "InvalidSchedule"),
    ("K01.FR.40", ALL, 0, profile(DEFAULT, kind=Kind.RECURRING, recurrency="Daily", start=None), None, "InvalidSchedule"),
    ("K01.FR.40", NEW, 0, profile(DEFAULT, start=None), None, "InvalidSchedule"),
    ("1.6 7.13", OLD, 0, profile(DEFAULT, start=None), None, ""),
    ("K01.FR.41", ALL, 0, profile(DEFAULT, kind=Kind.RELATIVE, start=5.0), None, "InvalidSchedule"),
    ("K01.FR.38", NEW, 0, profile(MAX, kind=Kind.RELATIVE), None, "InvalidProfile"),
    ("K01.FR.19", NEW, 1, profile(DEFAULT, (Period(0.0, 10.0, 3, 1),)), None, "InvalidSchedule"),
    ("K01.FR.43", NEW, 1, profile(DEFAULT, (Period(0.0, 10.0, 1),)), None, "InvalidSchedule"),
    ("K01.FR.121", ("2.0.1",), 1, profile(DEFAULT, kind=Kind.DYNAMIC), None, "UnsupportedKind"),
    ("K28.FR.03", ("2.1",), 1, profile(DEFAULT, (*TEN, Period(60.0, 5.0)), kind=Kind.DYNAMIC), None, "InvalidSchedule"),
    ("K28.FR.04", ("2.1",), 1, profile(DEFAULT, dyn_interval_s=60.0), None, "InvalidProfile"),
    ("K01.FR.120", ("1.6", "2.0.1"), 1, profile(Purpose.PRIORITY), None, "UnsupportedPurpose"),
    ("K01.FR.70", ("2.1",), 1, profile(Purpose.PRIORITY, duration_s=60.0), None, "InvalidSchedule"),
    ("K01.FR.95", ("2.1",), 0, profile(MAX, random_delay_s=60.0), None, "InvalidSchedule"),
    ("K01.FR.124", ("2.0.1",), 0, profile(DEFAULT, random_delay_s=60.0), None, "InvalidSchedule"),
    ("K01.FR.143", ("2.1",), 1, profile(DEFAULT, (Period(0.0, 10.0, limit_l2=5.0),)), None, "PhaseConflict"),
    ("K01.FR.114", ("2.1",), 0, profile(MAX, (Period(0.0, v2x=V2x(Mode.IDLE)),)), None, "InvalidOperationMode"),
    ("Q09.FR.01", ("2.1",), 1, profile(DEFAULT, (Period(0.0, v2x=V2x(Mode.LOCAL_BALANCING)),)), None, "UnsupportedParam"),
    ("V2X.05", ("2.1",), 1, profile(TX, (Period(0.0, 8.0, v2x=V2x(Mode.CENTRAL_SETPOINT, (9.0, None, None))),)), "t", "InvalidSchedule"),
    ("Q03", ("2.1",), 1, profile(TX, (Period(0.0, 8.0, v2x=V2x(Mode.CENTRAL_SETPOINT, (7.0, None, None))),)), "t", ""),
    ("K01.FR.45: more phases than there are", NEW, 2, profile(DEFAULT, (Period(0.0, 10.0, 3),)), None, ""),
    ("K01.FR.46", NEW, 1, profile(DEFAULT, (Period(0.0, 10.0, 1, 2),)), None, "InvalidSchedule"),
    ("K28.FR.01, FR.02", ("2.1",), 1, profile(DEFAULT, (Period(5.0, 10.0),), kind=Kind.DYNAMIC), None, "InvalidSchedule"),
    ("K28.FR.01", ("2.1",), 1, profile(DEFAULT, TEN, kind=Kind.DYNAMIC), None, ""),
    ("K01.FR.122", ("2.1",), 1, profile(DEFAULT, dyn_updated=5.0), None, "InvalidProfile"),
    ("K01.FR.71", ("2.1",), 1, profile(Purpose.PRIORITY, (Period(0.0, v2x=V2x(Mode.IDLE)),)), None, "InvalidSchedule"),
    ("K01.FR.123", OLD, 1, profile(DEFAULT, local_time=True), None, "InvalidSchedule"),
    ("K01.FR.123", ("2.0.1",), 1, profile(DEFAULT, local_time=True), None, "InvalidSchedule"),
    ("K01.FR.125", ("2.0.1",), 1, profile(DEFAULT, limit_at_soc=(80.0, 8.0)), None, "InvalidSchedule"),
    ("K01.FR.126", ("2.1",), 1, profile(TX, (Period(0.0, 9.0, v2x=V2x(sleep=True)),)), "t", "InvalidSchedule"),
    ("K01.FR.126, Q10.FR.03", ("2.1",), 1, profile(TX, (Period(0.0, v2x=V2x(Mode.IDLE, sleep=True)),)), "t", ""),
    ("K01.FR.115", ("2.1",), 1, profile(TX, (Period(0.0, v2x=V2x(Mode.LOCAL_FREQUENCY)),)), "t", "InvalidOperationMode"),
    ("K01.FR.144", ("2.1",), 1, profile(DEFAULT, (Period(0.0, 10.0, limit_l3=5.0),)), None, "PhaseConflict"),
    ("K01.FR.144: in a TxProfile", ("2.1",), 1, profile(TX, (Period(0.0, 10.0, limit_l2=8.0, limit_l3=5.0),)), "t", ""),
    ("K01.FR.145, FR.146", ("2.1",), 1, profile(TX, (Period(0.0, limit_l2=5.0, v2x=AT_FIVE),)), "t", "PhaseConflict"),
    ("V2X.07", ("2.1",), 1, profile(TX, (Period(0.0, 9.0, v2x=V2x(Mode.CENTRAL_SETPOINT, (None, 5.0, None))),)), "t", "PhaseConflict"),
    ("V2X.08", ("2.1",), 1, profile(TX, (Period(0.0, 9.0, v2x=replace(AT_FIVE, discharge=(None, -5.0, None))),)), "t", "PhaseConflict"),
    ("V2X.09", ("2.1",), 1, profile(TX, (Period(0.0, 9.0, v2x=replace(AT_FIVE, reactive=(None, None, 2.0))),)), "t", "PhaseConflict"),
    ("V2X.10", ("2.1",), 1, profile(DEFAULT, (Period(0.0, 9.0, v2x=replace(AT_FIVE, setpoint=(5.0, 4.0, 4.0))),)), None, "PhaseConflict"),
    ("V2X.10: in a TxProfile", ("2.1",), 1, profile(TX, (Period(0.0, 9.0, v2x=replace(AT_FIVE, setpoint=(5.0, 4.0, 4.0))),)), "t", ""),
    (
        "a discharge limit above 0",
        ("2.1",),
        1,
        profile(TX, (Period(0.0, 9.0, v2x=replace(AT_FIVE, discharge=(1.0, None, None))),)),
        "t",
        "InvalidSchedule",
    ),
    (
        "Q03.FR.02, Q07.FR.03: both are taken",
        ("2.1",),
        1,
        profile(TX, (Period(0.0, 9.0, v2x=V2x(Mode.CENTRAL_FREQUENCY, (5.0, None, None), (-5.0, None, None))),)),
        "t",
        "",
    ),
    ("E3.45, E3.70", OLD, 0, profile(DEFAULT, (Period(1.0, 10.0), Period(60.0, 9.0))), None, "InvalidSchedule"),
    ("E3.65, E3.66", ALL, 1, profile(TX, valid_from=5.0, valid_to=50.0), "t", ""),
    ("16 §3.13.1: no TxProfile for all", OLD, 0, profile(TX), "t", "InvalidProfile"),
    ("ChargeProfileMaxStackLevel, ProfileStackLevel", ALL, 0, profile(DEFAULT, stack_level=65), None, "InvalidStackLevel"),
    ("ChargeProfileMaxStackLevel: the highest", ALL, 0, profile(DEFAULT, stack_level=64), None, ""),
    ("ChargingScheduleMaxPeriods, PeriodsPerSchedule", ALL, 0, profile(DEFAULT, MANY[:25]), None, "TooManyElements"),
    ("ChargingScheduleMaxPeriods: the most", ALL, 0, profile(DEFAULT, MANY[:24]), None, ""),
    ("a good default", ALL, 0, profile(DEFAULT), None, ""),
    ("a good maximum", ALL, 0, profile(MAX), None, ""),
    ("a good TxProfile", ALL, 1, profile(TX), "t", ""),
]


@pytest.mark.parametrize(("clause", "versions", "evse", "one", "tx", "why"), ROWS, ids=[f"{r[0]} {r[5]}" for r in ROWS])
def test_refusals(clause, versions, evse, one, tx, why):
    for version in versions:
        assert store(version).refusal(evse, one, tx) == why, (clause, version)


@pytest.mark.parametrize("version", ALL)
def test_the_same_purpose_and_level_is_replaced_in_1_6_and_refused_in_2(version):
    """1.6 section 5.16.3; K01.FR.06, K01.FR.52, K01.FR.53; K01.FR.05 for the same id."""
    found = store(version)
    found.set(1, profile(DEFAULT))
    other = replace(profile(DEFAULT, (Period(0.0, 7.0),)), id=2)
    refused = "" if version == "1.6" else "DuplicateProfile"
    assert found.refusal(1, other, None) == refused
    assert found.refusal(0, other, None) == refused
    assert found.refusal(1, replace(other, id=1), None) == ""
    found.set(1, replace(other, id=1))
    assert found.limit_at(1, 5.0, transaction="t", started=0.0).limit_a == 7.0


def test_units_it_does_not_know():
    """K01.FR.26: UnsupportedRateUnit."""
    for version in ALL:
        found = ProfileStore([1], 230.0, ("A",), rules_of(version, {1: 3}, False))
        assert found.refusal(0, profile(DEFAULT, unit="W"), None) == "UnsupportedRateUnit"
        assert found.refusal(0, profile(DEFAULT), None) == ""


def test_phases_on_dc():
    """K01.FR.44: 2.0.1 may ignore them, 2.1 refuses; K01.FR.54: unless DCInputPhaseControl selects phases of the grid."""
    one = profile(DEFAULT, (Period(0.0, 10.0, 1),))
    for version, controls, why in (("2.0.1", False, ""), ("2.1", False, "NoPhaseForDC"), ("2.1", True, "")):
        rules = replace(rules_of(version, {}, False, dc=[1, 2]), dc_phase_control=controls)
        assert ProfileStore([1, 2], rules=rules).refusal(1, one, None) == why, (version, controls)


def test_the_phase_that_is_used_anyway_may_be_named():
    """K01.FR.46, FR.48: on an EVSE with one phase the first is no switch, the second is; K01.FR.47: the station chooses otherwise."""
    found = ProfileStore([1], 230.0, ("A", "W"), rules_of("2.1", {1: 1}, False))
    for phase, why in ((1, ""), (2, "InvalidSchedule"), (None, "")):
        assert found.refusal(1, profile(DEFAULT, (Period(0.0, 10.0, 1, phase),)), None) == why


def test_two_profiles_that_ask_for_different_phases():
    """K01.FR.141: PhaseConflict in 2.1, also with the one for all EVSEs; not where they are never valid together."""
    for version, why in (("2.0.1", ""), ("2.1", "PhaseConflict")):
        found = store(version, switching=True)
        found.set(0, profile(DEFAULT, (Period(0.0, 10.0, 1, 1),), valid_to=100.0))
        other = replace(profile(TX, (Period(0.0, 10.0, 1, 2),)), id=2)
        assert found.refusal(1, other, "t") == why
        assert found.refusal(1, replace(other, valid_from=100.0), "t") == ""
        assert found.refusal(1, replace(other, periods=(Period(0.0, 10.0, 1, 1),)), "t") == ""


def test_ids_kept_for_external_constraints():
    """K01.FR.80 to FR.82: with MaxExternalConstraintsId 100 the CSMS uses ids from 101 on."""
    found = ProfileStore([1], rules=replace(rules_of("2.1", {1: 3}, False), highest_external_id=100))
    assert found.refusal(0, replace(profile(DEFAULT), id=100), None) == "InvalidProfileId"
    assert found.refusal(0, replace(profile(DEFAULT), id=101), None) == ""


@pytest.mark.parametrize("version", NEW)
def test_an_external_limit_can_not_be_replaced(version):
    """K01.FR.05: nor its id taken by another purpose."""
    found = store(version)
    found.set(0, replace(profile(EXTERNAL), id=7), source="EMS")
    assert found.refusal(0, replace(profile(DEFAULT), id=7), None) == "InvalidProfileId"
    assert found.clear(id=7) == 0, "K10.FR.09"
    assert found.clear(purpose=EXTERNAL) == 0, "K10.FR.08"
    assert [one.profile.id for one in found.installed] == [7]


def test_a_full_store_takes_no_more():
    """MaxChargingProfilesInstalled, Entries(ChargingProfiles): 64; replacing one still works."""
    for version in ALL:
        found = store(version)
        for number in range(64):
            found.set(1 + number % 2, replace(profile(DEFAULT), id=number, stack_level=number // 2))
        assert found.refusal(0, replace(profile(MAX), id=99), None) == "OutOfStorage"
        assert found.refusal(1, replace(profile(DEFAULT), id=0), None) == ""


FREQUENCY = V2x(Mode.LOCAL_FREQUENCY, baseline=0.0, freq_watt=((49.8, 5000.0), (50.2, -5000.0)))
CURVES = [
    ("Q08.FR.02", Period(0.0, v2x=FREQUENCY), "W", ""),
    ("Q08.FR.03 one point", Period(0.0, v2x=replace(FREQUENCY, freq_watt=((50.0, 0.0),))), "W", "NoFreqWattCurve"),
    ("Q08.FR.03 no baseline", Period(0.0, v2x=replace(FREQUENCY, baseline=None)), "W", "NoFreqWattCurve"),
    ("Q08.FR.01, FR.04 a limit", Period(0.0, 5000.0, v2x=FREQUENCY), "W", "InvalidSchedule"),
    ("Q08.FR.04 a setpoint", Period(0.0, v2x=replace(FREQUENCY, setpoint=(5.0, None, None))), "W", "InvalidSchedule"),
    ("Q08.FR.05 amperes", Period(0.0, v2x=FREQUENCY), "A", "InvalidSchedule"),
    ("Q09.FR.02", Period(0.0, v2x=V2x(Mode.LOCAL_BALANCING)), "W", "MissingDevModelInfo"),
]


@pytest.mark.parametrize(("clause", "period", "unit", "why"), CURVES, ids=[r[0] for r in CURVES])
def test_local_control_where_a_station_has_it(clause, period, unit, why):
    rules = replace(rules_of("2.1", {1: 3}, False), modes=EVERY_MODE)
    found = ProfileStore([1], rules=rules)
    assert found.refusal(1, profile(TX, (period,), unit=unit), "t") == why
    balanced = ProfileStore([1], rules=replace(rules, balances_load=True))
    load = Period(0.0, 16.0, v2x=V2x(Mode.LOCAL_BALANCING))
    assert balanced.refusal(1, profile(TX, (load,)), "t") == "", "Q09.FR.05: a limit caps it"


def test_phases_can_be_asked_for_where_the_station_switches():
    """K01.FR.20, FR.43: one phase, and which."""
    one = profile(DEFAULT, (Period(0.0, 10.0, 1, 2),))
    assert store("2.0.1", switching=True).refusal(1, one, None) == ""
    assert store("2.0.1").refusal(1, one, None) == "InvalidSchedule"


@pytest.mark.parametrize(
    ("total", "wants", "least", "given"),
    [
        (20.0, {1: 32.0, 2: 32.0}, 6.0, {1: 10.0, 2: 10.0}),
        (20.0, {1: 7.0, 2: 32.0}, 6.0, {1: 7.0, 2: 13.0}),
        (40.0, {1: 16.0, 2: 16.0}, 6.0, {1: 16.0, 2: 16.0}),
        (10.0, {1: 32.0, 2: 32.0}, 6.0, {1: 10.0, 2: 0.0}),
        (5.0, {1: 32.0, 2: 32.0}, 6.0, {1: 0.0, 2: 0.0}),
        (0.0, {1: 32.0}, 0.0, {1: 0.0}),
    ],
)
def test_a_stations_maximum_is_shared(total, wants, least, given):
    """Section 3.6, K04.FR.05: equal parts, what one leaves is the other's, nobody below what can be signalled."""
    assert share_a(total, wants, least) == given


def test_the_shares_of_a_store_keep_its_maximum():
    found = store("2.0.1")
    found.set(0, profile(MAX, (Period(0.0, 24.0),)))
    found.set(1, replace(profile(TX, (Period(0.0, 8.0),)), id=2))
    running = {1: Running("t", 0.0), 2: Running("u", 0.0)}
    assert found.shares(10.0, running, {1: 32.0, 2: 32.0}, 6.0) == {1: 8.0, 2: 16.0}


def test_random_delays_are_drawn_once_and_stay_within_bounds():
    """K01.FR.92 to FR.94: the first period starts in time, the second up to so much late, the same however often it is asked."""
    found = store("2.1")
    late = profile(DEFAULT, (Period(0.0, 16.0), Period(600.0, 8.0)), random_delay_s=300.0)
    found.set(1, late, 0.0, random.Random(3))
    limits = [found.limit_at(1, float(t), transaction="t", started=0.0).limit_a for t in range(0, 1000, 10)]
    falls = limits.index(8.0) * 10
    assert limits[:60] == [16.0] * 60 and 600 <= falls <= 910 and limits[-1] == 8.0
    assert limits == [found.limit_at(1, float(t), transaction="t", started=0.0).limit_a for t in range(0, 1000, 10)]
    assert found.limit_at(1, 601.0, transaction=None, started=0.0, plain=True).limit_a == 8.0


def test_a_profile_ages_offline():
    """2.1 K01.FR.101 to FR.103: invalid after maxOfflineDuration, valid again on return, gone for good where it says so."""
    found = store("2.1")
    found.set(0, replace(profile(DEFAULT, (Period(0.0, 6.0),)), id=5))
    found.set(1, replace(profile(DEFAULT, (Period(0.0, 16.0),)), id=6, stack_level=2, max_offline_s=100.0))

    def limit(now: float) -> float:
        return found.limit_at(1, now, transaction="t", started=0.0).limit_a

    found.offline(1000.0)
    assert [limit(1099.0), limit(1101.0)] == [16.0, 6.0]
    assert found.online(1200.0) is False
    assert limit(1201.0) == 16.0
    found.set(1, replace(profile(DEFAULT, (Period(0.0, 16.0),)), id=6, stack_level=2, max_offline_s=100.0, invalid_after_offline=True))
    found.offline(2000.0)
    assert found.online(2200.0) is True
    assert limit(2201.0) == 6.0
