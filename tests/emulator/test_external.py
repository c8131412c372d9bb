"""Limits from outside OCPP over every version: they bind, are told, are released (K11, K12, K13, K29). Each test cites its clause."""

import pytest
from tests.emulator.kit import TWO, Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
WITH_SCHEDULES = "SmartChargingCtrlr.NotifyChargingLimitWithSchedules"


def charging(version: str, evse: int = 1) -> Talk:
    talk = Talk(version)
    talk.plug(evse, "small-22kw")
    talk.present("TOK", evse, run_s=60)
    assert amps(talk, evse) == pytest.approx(32.0, abs=0.1)
    return talk


def amps(talk: Talk, evse: int = 1) -> float:
    return talk.plant.bays[("s", evse)].current_a(talk.world.now)[0]


def limit(talk: Talk, amps: float | None, evse: int = 0, source: str = "EMS", run_s: float = 30.0, **more: bool) -> float:
    """Set or release a limit; when."""
    at = talk.world.now
    talk.hand("s", "external_limit", evse=evse, limit_a=amps, source=source, **more)
    talk.run(run_s)
    return at


def composite(talk: Talk, evse: int = 1) -> list[float]:
    named = {"connectorId": evse} if talk.version == "1.6" else {"evseId": evse}
    answer = talk.ask("GetCompositeSchedule", {**named, "duration": 600, "chargingRateUnit": "A"})
    schedule = answer["chargingSchedule" if talk.version == "1.6" else "schedule"]
    return [p["limit"] for p in schedule["chargingSchedulePeriod"]]


@ALL
@pytest.mark.parametrize("evse", [0, 1])
def test_a_limit_binds_and_its_release_frees(version: str, evse: int) -> None:
    """K11.FR.01, K12.FR.01, K13.FR.01: what flows and what the composite tells."""
    talk = charging(version)
    limit(talk, 10.0, evse)
    assert amps(talk) == pytest.approx(10.0, abs=0.1)
    assert composite(talk) == [10.0]
    limit(talk, None, evse)
    assert amps(talk) == pytest.approx(32.0, abs=0.1)
    assert composite(talk) == [32.0]


@ALL
def test_the_stations_limit_is_for_its_outlets_together(version: str) -> None:
    """K12.FR.01: the total load of all EVSEs stays within it."""
    talk = Talk(version)
    limit(talk, 20.0)
    for evse in (1, 2):
        talk.plug(evse, "small-22kw")
        talk.present(f"T{evse}", evse, run_s=60)
    assert amps(talk, 1) == pytest.approx(10.0, abs=0.1)
    assert amps(talk, 2) == pytest.approx(10.0, abs=0.1)
    assert composite(talk, 0) == [20.0]


@ALL
def test_the_lowest_of_two_sources_counts(version: str) -> None:
    """K11.FR.01: each source's limit holds; releasing one leaves the other."""
    talk = charging(version)
    limit(talk, 12.0, source="SO")
    limit(talk, 16.0, source="EMS")
    assert amps(talk) == pytest.approx(12.0, abs=0.1)
    limit(talk, None, source="SO")
    assert amps(talk) == pytest.approx(16.0, abs=0.1)


@ALL
def test_a_limit_below_the_least_current_pauses(version: str) -> None:
    """IEC 61851-1: nothing below 6 A can be signalled."""
    talk = charging(version)
    limit(talk, 4.0)
    assert amps(talk) == 0.0


@ALL
def test_a_limit_outlives_a_power_cut(version: str) -> None:
    """2.1 SmartChargingCtrlr.ChargingProfilePersistence[ChargingStationExternalConstraints] is true."""
    talk = charging(version)
    limit(talk, 9.0)
    talk.power_cut(run_s=60)
    talk.unplug()
    talk.plug(1, "small-22kw")
    talk.present("TOK", run_s=60)
    assert amps(talk) == pytest.approx(9.0, abs=0.1)
    assert composite(talk) == [9.0]
    limit(talk, None)
    assert composite(talk) == [32.0]


@SECOND
def test_the_csms_is_told(version: str) -> None:
    """K11.FR.02, FR.04, FR.05; K13.FR.02, FR.03: the limit with its source, the new rate of the transaction, the release."""
    talk = charging(version)
    at = limit(talk, 10.0, 1, "SO")
    assert talk.of("NotifyChargingLimit", at) == [{"chargingLimit": {"chargingLimitSource": "SO"}, "evseId": 1}]
    assert [trigger for _, trigger in talk.events(at)].count("ChargingRateChanged") == 1
    at = limit(talk, None, 1, "SO")
    assert talk.of("ClearedChargingLimit", at) == [{"chargingLimitSource": "SO", "evseId": 1}]
    assert talk.of("NotifyChargingLimit", at) == []
    assert [trigger for _, trigger in talk.events(at)].count("ChargingRateChanged") == 1


@SECOND
def test_the_source_is_never_the_operator(version: str) -> None:
    """K11.FR.05, K12.FR.02, FR.04: told with nobody charging, too."""
    talk = Talk(version)
    at = limit(talk, 10.0, 0, "CSO")
    assert talk.of("NotifyChargingLimit", at) == [{"chargingLimit": {"chargingLimitSource": "Other"}}]


def test_1_6_has_no_word_for_it() -> None:
    talk = charging("1.6")
    at = limit(talk, 10.0)
    limit(talk, None)
    assert not {"NotifyChargingLimit", "ClearedChargingLimit", "DataTransfer"} & set(talk.actions(at))


@SECOND
def test_small_changes_are_not_told_until_they_add_up(version: str) -> None:
    """K11.FR.02, FR.04, SC.02, SC.03 with LimitChangeSignificance 10 %: 20 to 19 A is nothing to tell, 20 to 17.5 A is."""
    talk = charging(version)
    talk.set("", "SmartChargingCtrlr.LimitChangeSignificance", "10")
    limit(talk, 20.0)
    at = limit(talk, 19.0)
    assert amps(talk) == pytest.approx(19.0, abs=0.1)
    assert talk.of("NotifyChargingLimit", at) == []
    assert "ChargingRateChanged" not in [trigger for _, trigger in talk.events(at)]
    at = limit(talk, 17.5)
    assert len(talk.of("NotifyChargingLimit", at)) == 1


@SECOND
def test_a_limit_that_changes_no_rate_is_told_without_one(version: str) -> None:
    """K11.FR.04: the transaction runs on 8 A already."""
    talk = charging(version)
    talk.ask("SetChargingProfile", {"evseId": 1, "chargingProfile": default(8.0)})
    talk.run(30)
    at = limit(talk, 16.0)
    assert amps(talk) == pytest.approx(8.0, abs=0.1)
    assert len(talk.of("NotifyChargingLimit", at)) == 1
    assert "ChargingRateChanged" not in [trigger for _, trigger in talk.events(at)]


def default(amps: float, **more: object) -> dict:
    schedule = {"id": 1, "chargingRateUnit": "A", "startSchedule": "2026-03-02T00:00:00Z"}
    return {
        "id": 5, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule | {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}]}],
    }  # fmt: skip


@SECOND
def test_the_schedule_comes_along_where_it_is_wanted(version: str) -> None:
    """K11.FR.03, K12.FR.03: NotifyChargingLimitWithSchedules."""
    talk = Talk(version)
    talk.set("", WITH_SCHEDULES, "true")
    at = limit(talk, 10.0, 2)
    (told,) = talk.of("NotifyChargingLimit", at)
    (period,) = told["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert (told["evseId"], told["chargingSchedule"][0]["chargingRateUnit"], period["limit"]) == (2, "A", 10.0)


@SECOND
def test_it_is_reported_and_the_csms_can_neither_clear_nor_replace_it(version: str) -> None:
    """K11.FR.06, K12.FR.05, K10.FR.06, K01.FR.05, K29.FR.04: purpose ChargingStationExternalConstraints, with its source, a negative id."""
    talk = Talk(version)
    limit(talk, 10.0)
    at = talk.world.now
    criteria = {"chargingProfilePurpose": "ChargingStationExternalConstraints"}
    assert talk.ask("GetChargingProfiles", {"requestId": 1, "chargingProfile": criteria})["status"] == "Accepted"
    talk.run(5)
    (report,) = talk.of("ReportChargingProfiles", at)
    (found,) = report["chargingProfile"]
    assert (report["evseId"], report["chargingLimitSource"], found["id"]) == (0, "EMS", -1)
    assert found["chargingProfileKind"] == ("Dynamic" if version == "2.1" else "Relative")
    assert talk.ask("ClearChargingProfile", {"chargingProfileCriteria": criteria})["status"] == "Unknown"
    assert talk.ask("SetChargingProfile", {"evseId": 0, "chargingProfile": default(16.0) | {"id": -1}})["status"] == "Rejected"
    if version == "2.1":
        update = {"chargingProfileId": -1, "scheduleUpdate": {"limit": 16.0}}
        assert talk.ask("UpdateDynamicSchedule", update)["status"] == "Rejected"
    talk.plug(1, "small-22kw")
    talk.present("TOK", run_s=60)
    assert amps(talk) == pytest.approx(10.0, abs=0.1)


@SECOND
def test_what_happens_without_a_link_is_told_afterwards(version: str) -> None:
    """K11.FR.02, K13.FR.02: once there is a link, the state that holds then."""
    talk = charging(version)
    talk.offline()
    at = limit(talk, 10.0)
    limit(talk, 12.0)
    assert amps(talk) == pytest.approx(12.0, abs=0.1)
    talk.online()
    assert len(talk.of("NotifyChargingLimit", at)) == 1
    talk.offline()
    at = limit(talk, None)
    talk.online()
    assert talk.of("ClearedChargingLimit", at) == [{"chargingLimitSource": "EMS"}]
    assert "external" not in talk.station.memory


def test_2_1_may_disallow_it() -> None:
    """K11.FR.07: with ExternalConstraintsProfileDisallowed nothing from outside counts."""
    talk = charging("2.1")
    talk.set("", "SmartChargingCtrlr.ExternalConstraintsProfileDisallowed", "true")
    at = limit(talk, 10.0)
    assert amps(talk) == pytest.approx(32.0, abs=0.1)
    assert talk.of("NotifyChargingLimit", at) == []


def test_2_1_a_dynamic_profile_may_take_its_limit_from_outside() -> None:
    """K29.FR.03, FR.05: the limit becomes that of the CSMS' own profile, and there is no other."""
    talk = charging("2.1")
    period = {"startPeriod": 0, "operationMode": "ExternalLimits"}
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    dynamic = default(0.0) | {"chargingProfileKind": "Dynamic", "chargingSchedule": [schedule]}
    limit(talk, 11.0)
    assert talk.ask("SetChargingProfile", {"evseId": 1, "chargingProfile": dynamic})["status"] == "Accepted"
    talk.run(30)
    assert amps(talk) == pytest.approx(11.0, abs=0.1)
    at = limit(talk, 14.0)
    assert amps(talk) == pytest.approx(14.0, abs=0.1)
    assert talk.station.store.installed[0].profile.dyn_updated == pytest.approx(at), "K29.FR.06"
    assert [one.profile.id for one in talk.station.store.installed] == [5]
    limit(talk, None)
    assert amps(talk) == pytest.approx(32.0, abs=0.1)


@pytest.mark.parametrize("evse", [7, -1])
def test_a_limit_for_an_evse_it_does_not_have_is_none(evse: int) -> None:
    talk = Talk("2.0.1", TWO)
    at = limit(talk, 10.0, evse)
    assert talk.station.store.installed == []
    assert talk.of("NotifyChargingLimit", at) == []


def test_2_1_what_is_generated_on_the_spot_comes_on_top() -> None:
    """K27.FR.01 to FR.05: 10 A of a default and 4 A of the sun are 14 A; told and read back as LocalGeneration, apart from limits."""
    talk = charging("2.1")
    talk.set("", WITH_SCHEDULES, "true")
    talk.ask("SetChargingProfile", {"evseId": 1, "chargingProfile": default(10.0)})
    at = limit(talk, 4.0, source="SO", generated=True)
    assert amps(talk) == pytest.approx(14.0, abs=0.1)
    assert composite(talk) == [14.0]
    (told,) = talk.of("NotifyChargingLimit", at)
    assert told["chargingLimit"] == {"chargingLimitSource": "Other", "isLocalGeneration": True}
    assert told["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 4.0
    limit(talk, 12.0)
    assert amps(talk) == pytest.approx(14.0, abs=0.1), "a limit above the default"
    limit(talk, 8.0)
    assert amps(talk) == pytest.approx(12.0, abs=0.1)
    at = talk.world.now
    assert talk.ask("GetChargingProfiles", {"requestId": 1, "chargingProfile": {}})["status"] == "Accepted"
    talk.run(5)
    found = {p["id"]: p["chargingProfilePurpose"] for part in talk.of("ReportChargingProfiles", at) for p in part["chargingProfile"]}
    assert found == {-1: "ChargingStationExternalConstraints", -1001: "LocalGeneration", 5: "TxDefaultProfile"}
    limit(talk, None, source="SO", generated=True)
    assert amps(talk) == pytest.approx(8.0, abs=0.1)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_before_2_1_nothing_is_generated_on_the_spot(version: str) -> None:
    talk = Talk(version)
    limit(talk, 4.0, generated=True)
    assert talk.station.store.installed == []


def test_2_1_whose_setpoint_goes_first() -> None:
    """Q06.FR.21, FR.22: SetpointPriority; it is kept over a power cut."""
    talk = Talk("2.1")
    assert talk.station.store.csms_first is False
    talk.set("", "SmartChargingCtrlr.SetpointPriority", "CSMS")
    assert talk.station.store.csms_first is True
    talk.power_cut(run_s=60)
    assert talk.station.store.csms_first is True
    talk.set("", "SmartChargingCtrlr.SetpointPriority", "ExternalSystem")
    assert talk.station.store.csms_first is False
