"""The profile resolver: a row per clause with literal amperes, and a second-by-second evaluation written from the rules alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargekit.model.profile import ChargingProfile, Kind, Period, Purpose
from chargekit.model.profile_store import ProfileStore

HOUR, DAY = 3600.0, 86_400.0
TX, DEFAULT, MOST, EXTERNAL = Purpose.TX, Purpose.TX_DEFAULT, Purpose.STATION_MAX, Purpose.EXTERNAL


def made(purpose: Purpose, *periods: tuple[float, float], id: int = 1, **more: Any) -> ChargingProfile:
    return ChargingProfile(id, purpose, tuple(Period(s, a) for s, a in periods), **{"start": 0.0, **more})


def store(*installed: tuple[int, ChargingProfile]) -> ProfileStore:
    found = ProfileStore([1, 2])
    for number, (evse, profile) in enumerate(installed):
        found.set(evse, ChargingProfile(**{**{n: getattr(profile, n) for n in ChargingProfile.__slots__}, "id": number + 1}))
    return found


UNLIMITED = math.inf
DAILY: dict[str, Any] = {"kind": Kind.RECURRING, "recurrency": "Daily"}
ROWS: list[tuple[str, ProfileStore, float, float, str | None]] = [
    # clause, store, at, amperes, transaction
    ("nothing installed limits nothing", store(), 10, UNLIMITED, "t"),
    ("K01.FR.30 nothing before startSchedule", store((1, made(TX, (0, 9), start=100.0))), 99, UNLIMITED, "t"),
    ("K01.FR.30 in force at startSchedule", store((1, made(TX, (0, 9), start=100.0))), 100, 9, "t"),
    ("K01.FR.12 a period lasts until the next", store((1, made(TX, (0, 9), (60, 12)))), 59, 9, "t"),
    ("K01.FR.12 the next begins on time", store((1, made(TX, (0, 9), (60, 12)))), 60, 12, "t"),
    ("K01.FR.12 the last goes on without a duration", store((1, made(TX, (0, 9)))), 1e7, 9, "t"),
    ("K01.FR.13 the duration ends it", store((1, made(TX, (0, 9), duration_s=60.0))), 60, UNLIMITED, "t"),
    ("K01.FR.36 not before validFrom", store((1, made(TX, (0, 9), valid_from=50.0))), 49, UNLIMITED, "t"),
    ("K01.FR.36 from validFrom on", store((1, made(TX, (0, 9), valid_from=50.0))), 50, 9, "t"),
    ("K01.FR.37 not at validTo", store((1, made(TX, (0, 9), valid_to=50.0))), 50, UNLIMITED, "t"),
    ("K01.FR.17 the highest stack level leads", store((1, made(TX, (0, 9))), (1, made(TX, (0, 14), stack_level=3))), 1, 14, "t"),
    ("3.6 a level without a period gives way",
     store((1, made(TX, (0, 9))), (1, made(TX, (0, 14), stack_level=3, duration_s=60.0))), 61, 9, "t"),
    ("K02.FR.04 a TxProfile overrules the default", store((1, made(DEFAULT, (0, 6))), (1, made(TX, (0, 14)))), 1, 14, "t"),
    ("K02.FR.08 the default leads again after it", store((1, made(DEFAULT, (0, 6))), (1, made(TX, (0, 14), duration_s=60.0))), 60, 6, "t"),
    ("K01.FR.33 another transaction's profile does not count", store((1, made(TX, (0, 14), transaction="u"))), 1, UNLIMITED, "t"),
    ("K02 without a transaction no TxProfile", store((1, made(DEFAULT, (0, 6))), (1, made(TX, (0, 14)))), 1, 6, None),
    ("K01.FR.14 a default for all EVSEs", store((0, made(DEFAULT, (0, 6)))), 1, 6, "t"),
    ("K01.FR.15 an EVSE's own default hides it", store((0, made(DEFAULT, (0, 6))), (1, made(DEFAULT, (0, 11)))), 1, 11, "t"),
    ("K01.FR.15 and not that of another EVSE", store((0, made(DEFAULT, (0, 6))), (2, made(DEFAULT, (0, 11)))), 1, 6, "t"),
    ("K04 the station's maximum holds", store((0, made(MOST, (0, 8))), (1, made(TX, (0, 14)))), 1, 8, "t"),
    ("K04 and does not raise", store((0, made(MOST, (0, 20))), (1, made(TX, (0, 14)))), 1, 14, "t"),
    ("K12 external constraints hold too", store((0, made(EXTERNAL, (0, 7))), (0, made(MOST, (0, 9))), (1, made(TX, (0, 14)))), 1, 7, "t"),
    ("K01.FR.13 daily, inside", store((1, made(DEFAULT, (0, 6), (HOUR, 10), **DAILY))), 3 * DAY + HOUR, 10, "t"),
    ("K01.FR.13 daily, from the start again", store((1, made(DEFAULT, (0, 6), (HOUR, 10), **DAILY))), 4 * DAY, 6, "t"),
    ("K01.FR.13 daily, over for the day",
     store((1, made(DEFAULT, (0, 6), duration_s=HOUR, **DAILY))), DAY + HOUR, UNLIMITED, "t"),
    ("K01.FR.13 weekly", store((1, made(DEFAULT, (0, 6), (DAY, 10), kind=Kind.RECURRING, recurrency="Weekly"))), 8 * DAY, 10, "t"),
    ("3.12 relative counts from the transaction",
     store((1, made(DEFAULT, (0, 6), (60, 10), kind=Kind.RELATIVE, start=None))), 1060, 10, "t"),
    ("3.12 and not from the installation", store((1, made(DEFAULT, (0, 6), (60, 10), kind=Kind.RELATIVE, start=None))), 1059, 6, "t"),
    ("K01.FR.49 W without phases are three", store((1, made(TX, (0, 6900), unit="W"))), 1, 10, "t"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "installed", "at", "limit", "tx"), ROWS, ids=[r[0] for r in ROWS])
def test_a_clause(clause: str, installed: ProfileStore, at: float, limit: float, tx: str | None) -> None:
    assert installed.limit_at(1, at, transaction=tx, started=1000.0).limit_a == pytest.approx(limit)


def test_w_on_one_phase_are_all_on_that_phase() -> None:
    """K01.FR.50."""
    profile = ChargingProfile(1, TX, (Period(0.0, 2300.0, 1),), unit="W", start=0.0)
    assert store((1, profile)).limit_at(1, 1.0, transaction="t", started=0.0).limit_a == pytest.approx(10.0)


REFUSED = [
    (3, made(TX, (0, 9)), "t", "UnknownEvse"),
    (1, made(EXTERNAL, (0, 9)), "t", "InvalidValue"),
    (1, made(MOST, (0, 9)), "t", "InvalidProfile"),
    (0, made(TX, (0, 9)), "t", "InvalidProfile"),
    (1, made(TX, (0, 9)), None, "TxNotFound"),
    (1, made(TX, (0, 9), transaction="u"), "t", "TxNotFound"),
    (1, made(TX), "t", "InvalidSchedule"),
    (1, made(TX, (5, 9)), "t", "InvalidSchedule"),
    (1, made(TX, (0, 9), (60, 8), (60, 7)), "t", "InvalidSchedule"),
    (1, made(TX, (0, -1)), "t", "InvalidSchedule"),
    (1, made(TX, (0, math.nan)), "t", "InvalidSchedule"),
    (1, made(TX, (0, 9), kind=Kind.RELATIVE), "t", "InvalidSchedule"),
    (1, made(TX, (0, 9), kind=Kind.RECURRING, start=None, recurrency="Daily"), "t", "InvalidSchedule"),
    (1, made(TX, (0, 9), stack_level=65), "t", "InvalidStackLevel"),
    (1, made(TX, (0, 9)), "t", ""),
    (0, made(DEFAULT, (0, 9)), None, ""),
]


@pytest.mark.parametrize(("evse", "profile", "tx", "why"), REFUSED)
def test_what_can_be_set(evse: int, profile: ChargingProfile, tx: str | None, why: str) -> None:
    assert ProfileStore([1, 2]).refusal(evse, profile, tx) == why


def test_what_replaces_what() -> None:
    found = ProfileStore([1, 2])
    found.set(1, made(DEFAULT, (0, 9), id=1))
    found.set(1, made(DEFAULT, (0, 8), id=2))
    assert [one.profile.id for one in found.installed] == [2], "the same purpose and level on the same EVSE"
    found.set(2, made(DEFAULT, (0, 7), id=3))
    found.set(1, made(DEFAULT, (0, 6), id=4, stack_level=1))
    assert [one.profile.id for one in found.installed] == [2, 3, 4]
    found.set(1, made(TX, (0, 5), id=3))
    assert [one.profile.id for one in found.installed] == [2, 4, 3], "the same id, wherever it was"
    found.end_transaction(1)
    assert [one.profile.id for one in found.installed] == [2, 4]


@pytest.mark.parametrize(
    ("criteria", "left"),
    [({"id": 2}, [1, 3]), ({"purpose": DEFAULT}, [3]), ({"evse": 1, "stack_level": 0}, [2]), ({}, []), ({"id": 9}, [1, 2, 3])],
)
def test_clearing(criteria: dict[str, Any], left: list[int]) -> None:
    """K10.FR.03, K10.FR.04."""
    found = store((1, made(DEFAULT, (0, 9))), (2, made(DEFAULT, (0, 9), stack_level=2)), (1, made(TX, (0, 9))))
    assert found.clear(**criteria) == 3 - len(left)
    assert [one.profile.id for one in found.installed] == left


# --- the oracle -----------------------------------------------------------------------------------------------------


def period_of(profile: ChargingProfile, t: int, started: int) -> Period | None:
    """Which period is in force, by walking through the seconds since the schedule began."""
    if profile.valid_from is not None and t < profile.valid_from:
        return None
    if profile.valid_to is not None and t >= profile.valid_to:
        return None
    begin = started if profile.start is None else int(profile.start)
    into = t - begin
    if into < 0:
        return None
    if profile.kind is Kind.RECURRING:
        cycle = 86_400 if profile.recurrency == "Daily" else 604_800
        while into >= cycle:
            into -= cycle
    if profile.duration_s is not None and into >= profile.duration_s:
        return None
    found = None
    for period in profile.periods:
        if into >= period.start_s:
            found = period
    return found


def watched(profiles: list[ChargingProfile], t: int, started: int) -> float | None:
    """Amperes of the highest level that has a period."""
    for profile in sorted(profiles, key=lambda p: -p.stack_level):
        period = period_of(profile, t, started)
        if period is not None:
            return period.limit if profile.unit == "A" else period.limit / 230.0 / (period.number_phases or 3)
    return None


def oracle(installed: list[tuple[int, ChargingProfile]], evse: int, t: int, started: int) -> float:
    transaction = [p for e, p in installed if e == evse and p.purpose is TX]
    own = [p for e, p in installed if e == evse and p.purpose is DEFAULT]
    wide = [p for e, p in installed if e == 0 and p.purpose is DEFAULT and p.stack_level not in [o.stack_level for o in own]]
    limit = watched(transaction, t, started)
    if limit is None:
        limit = watched(own + wide, t, started)
    limit = math.inf if limit is None else limit
    for purpose in (MOST, EXTERNAL):
        most = watched([p for e, p in installed if e == 0 and p.purpose is purpose], t, started)
        limit = limit if most is None else min(limit, most)
    return limit


@st.composite
def profiles(draw: Any, id: int) -> tuple[int, ChargingProfile]:
    purpose = draw(st.sampled_from((TX, DEFAULT, DEFAULT, MOST)))
    kind = draw(st.sampled_from((Kind.ABSOLUTE, Kind.RECURRING, Kind.RELATIVE)))
    starts = [0, *sorted(draw(st.sets(st.integers(1, 7000), max_size=3)))]
    unit = draw(st.sampled_from(("A", "W")))
    periods = tuple(
        Period(float(s), draw(st.integers(0, 32)) * (230.0 if unit == "W" else 1.0), draw(st.sampled_from((None, 1, 3)))) for s in starts
    )
    maybe = st.one_of(st.none(), st.integers(0, 200_000).map(float))
    return draw(st.sampled_from((1,) if purpose is TX else (0,) if purpose is MOST else (0, 1, 2))), ChargingProfile(
        id, purpose, periods, draw(st.integers(0, 3)), kind, unit,
        None if kind is Kind.RELATIVE else float(draw(st.integers(0, 100_000))),
        draw(st.one_of(st.none(), st.integers(1, 90_000).map(float))), draw(maybe), draw(maybe),
        draw(st.sampled_from(("Daily", "Weekly"))) if kind is Kind.RECURRING else None,
    )  # fmt: skip


@given(st.data(), st.integers(1, 6), st.integers(0, 150_000), st.lists(st.integers(0, 700_000), min_size=4, max_size=8))
def test_the_resolver_is_the_rules_second_by_second(data: st.DataObject, count: int, started: int, times: list[int]) -> None:
    found = ProfileStore([1, 2])
    for number in range(count):
        evse, profile = data.draw(profiles(number + 1))
        found.set(evse, profile)
    kept = [(one.evse, one.profile) for one in found.installed]
    for t in (t for t in times if t >= started):
        force = found.limit_at(1, float(t), transaction="t", started=float(started))
        assert force.limit_a == pytest.approx(oracle(kept, 1, t, started))
        # What it says of the future holds up to the last second before.
        assert force.until > t
        if math.isfinite(force.until):
            for later in (t + 1, (t + math.ceil(force.until)) // 2, math.ceil(force.until) - 1):
                if t < later < force.until:
                    assert oracle(kept, 1, later, started) == pytest.approx(force.limit_a)
        else:
            assert oracle(kept, 1, t + 10_000_000, started) == pytest.approx(force.limit_a)


@given(st.data(), st.integers(1, 5))
def test_a_composite_schedule_is_the_limit_at_every_second(data: st.DataObject, count: int) -> None:
    """K08: literal limits at the seconds of an hour, hardware included."""
    found = ProfileStore([1, 2])
    for number in range(count):
        evse, profile = data.draw(profiles(number + 1))
        found.set(evse, profile)
    kept = [(one.evse, one.profile) for one in found.installed]
    now = data.draw(st.integers(0, 200_000))
    schedule = found.composite(1, float(now), 3600.0, transaction="t", started=0.0, hardware_a=32.0)
    assert schedule[0].start_s == 0.0
    for into in range(0, 3600, 97):
        told = [p.limit for p in schedule if p.start_s <= into][-1]
        assert told == pytest.approx(min(32.0, oracle(kept, 1, now + into, 0)))
