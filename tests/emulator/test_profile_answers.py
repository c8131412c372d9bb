"""What a station answers about profiles, and what follows on the meter: refusals, clearing, composites, offline, modes. Each test cites
its clause; amperes are literal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.emulator.kit import TWO, Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def raw(talk: Talk, action: str, payload: dict[str, Any]) -> list[Any]:
    """Ask whatever the schema says; the frame that comes back."""
    talk.count += 1
    ident = f"raw{talk.count}"
    talk.post([2, ident, action, payload])
    talk.run(0.1)
    return next(frame for frame in talk.heard if frame[1] == ident)


def profile(
    version: str, amps: float, id: int = 5, purpose: str = "TxDefaultProfile", level: int = 0, unit: str = "A", **more: Any
) -> dict[str, Any]:  # fmt: skip
    if version == "1.6":
        purpose = purpose.replace("ChargingStation", "ChargePoint")
    schedule = {
        "chargingRateUnit": unit, "startSchedule": "2026-03-02T00:00:00Z", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
    }  # fmt: skip
    made = {"stackLevel": level, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute", **more}
    if version == "1.6":
        return made | {"chargingProfileId": id, "chargingSchedule": schedule}
    return made | {"id": id, "chargingSchedule": [schedule | {"id": 1}]}


def install(talk: Talk, evse: int, one: dict[str, Any]) -> str:
    named = {"connectorId": evse, "csChargingProfiles": one} if talk.version == "1.6" else {"evseId": evse, "chargingProfile": one}
    status: str = talk.ask("SetChargingProfile", named)["status"]
    return status


def composite(talk: Talk, evse: int = 1, unit: str = "A") -> dict[str, Any]:
    where = {"connectorId": evse} if talk.version == "1.6" else {"evseId": evse}
    return talk.ask("GetCompositeSchedule", {**where, "duration": 300, "chargingRateUnit": unit})  # type: ignore[no-any-return]


def told(talk: Talk, evse: int = 1) -> list[float]:
    answer = composite(talk, evse)
    return [p["limit"] for p in answer["chargingSchedule" if talk.version == "1.6" else "schedule"]["chargingSchedulePeriod"]]


def amps(talk: Talk, evse: int = 1) -> float:
    return round(talk.plant.bays[("s", evse)].current_a(talk.world.now)[0], 1)


def charging(version: str, model: Any = TWO) -> Talk:
    talk = Talk(version, model)
    talk.plug(1, "small-22kw")
    talk.present("TOK", 1, run_s=60)
    assert amps(talk) == 32.0
    return talk


def transaction(talk: Talk) -> str:
    return str(talk.of("TransactionEvent")[0]["transactionInfo"]["transactionId"])


# --- refusals on the wire -------------------------------------------------------------------------------------------


@ALL
def test_an_evse_that_is_not_there(version: str) -> None:
    """K01.FR.28: Rejected; E3.39: in 1.6 a CALLERROR PropertyConstraintViolation."""
    talk = Talk(version)
    one = profile(version, 10.0)
    if version == "1.6":
        for connector in (3, 99):
            frame = raw(talk, "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": one})
            assert (frame[0], frame[2]) == (4, "PropertyConstraintViolation")
        assert install(talk, 2, one) == "Accepted"
        return
    assert talk.ask("SetChargingProfile", {"evseId": 3, "chargingProfile": one})["status"] == "Rejected"


@ALL
def test_a_word_that_is_none(version: str) -> None:
    """E3.38, E3.24: CALLERROR PropertyConstraintViolation for a unit, a purpose or a kind that does not exist."""
    talk = Talk(version)
    where = "connectorId" if version == "1.6" else "evseId"
    named = "csChargingProfiles" if version == "1.6" else "chargingProfile"
    for wrong in (profile(version, 9.0, unit="kW"), profile(version, 9.0, purpose="Nonsense")):
        frame = raw(talk, "SetChargingProfile", {where: 1, named: wrong})
        assert (frame[0], frame[2]) == (4, "PropertyConstraintViolation")
    frame = raw(talk, "GetCompositeSchedule", {where: 1, "duration": 60, "chargingRateUnit": "kW"})
    assert (frame[0], frame[2]) == (4, "PropertyConstraintViolation")
    assert told(talk) == [32.0]


@SECOND
def test_more_than_one_schedule_needs_iso_15118(version: str) -> None:
    """K01.FR.34."""
    talk = Talk(version)
    one = profile(version, 9.0)
    one["chargingSchedule"] *= 2
    frame = raw(talk, "SetChargingProfile", {"evseId": 1, "chargingProfile": one})
    assert (frame[0], frame[2]) == (4, "PropertyConstraintViolation")
    assert told(talk) == [32.0]


@ALL
def test_a_unit_this_station_does_not_take(version: str) -> None:
    """K01.FR.26, K08.FR.07: Rejected, for profiles and composites."""
    talk = Talk(version, replace(TWO, rate_units=("A",)))
    assert install(talk, 1, profile(version, 6900.0, unit="W")) == "Rejected"
    answer = composite(talk, unit="W")
    assert answer["status"] == "Rejected"
    assert not {"schedule", "chargingSchedule", "scheduleStart"} & set(answer), "E3.51"
    assert composite(talk)["status"] == "Accepted"


@ALL
def test_a_composite_of_an_evse_that_is_not_there(version: str) -> None:
    """K08.FR.05, E3.51."""
    assert composite(Talk(version), evse=7)["status"] == "Rejected"


def test_the_start_of_a_composite_is_told_once() -> None:
    """E3.57: scheduleStart, and no startSchedule inside."""
    talk = Talk("1.6")
    answer = composite(talk)
    assert abs(talk.calendar.parse(answer["scheduleStart"]) - talk.world.now) < 1.0
    assert set(answer["chargingSchedule"]) == {"duration", "chargingRateUnit", "chargingSchedulePeriod"}
    assert answer["chargingSchedule"]["duration"] == 300


@SECOND
def test_a_remote_start_with_a_wrong_profile_is_rejected(version: str) -> None:
    """K05.FR.05, 16 §5.11: purpose TxProfile, no transaction, a schedule that can be followed."""
    talk = Talk(version)
    talk.plug(1)
    good = profile(version, 9.0, purpose="TxProfile")
    late = profile(version, 9.0, purpose="TxProfile")
    late["chargingSchedule"][0]["chargingSchedulePeriod"][0]["startPeriod"] = 30
    token = {"idToken": "TOK", "type": "ISO14443"}
    for wrong in (profile(version, 9.0), good | {"transactionId": "x"}, late):
        asked = {"evseId": 1, "remoteStartId": 1, "idToken": token, "chargingProfile": wrong}
        assert talk.ask("RequestStartTransaction", asked)["status"] == "Rejected"
    asked = {"evseId": 1, "remoteStartId": 1, "idToken": token, "chargingProfile": good}
    assert talk.ask("RequestStartTransaction", asked)["status"] == "Accepted"
    talk.run(60)
    assert amps(talk) == 9.0, "K05.FR.02"


# --- setting and clearing -------------------------------------------------------------------------------------------


@ALL
def test_a_default_counts_for_running_transactions_at_once(version: str) -> None:
    """K01.FR.07, K01.FR.32, E3.8: a new one, an updated one, and its removal."""
    talk = charging(version)
    for value in (10.0, 14.0):
        assert install(talk, 1, profile(version, value)) == "Accepted"
        talk.run(20)
        assert amps(talk) == value
    talk.ask("ClearChargingProfile", {"id": 5} if version == "1.6" else {"chargingProfileId": 5})
    talk.run(20)
    assert amps(talk) == 32.0


@ALL
def test_what_clearing_matches(version: str) -> None:
    """E3.25, E3.26, K10.FR.01 to FR.04: an id alone; other criteria together; Unknown for nothing."""
    talk = Talk(version)

    def clear(id: int | None = None, **criteria: Any) -> str:
        named = {} if id is None else {"id" if version == "1.6" else "chargingProfileId": id}
        if version == "1.6":
            names = {"evse": "connectorId", "level": "stackLevel", "purpose": "chargingProfilePurpose"}
            return str(talk.ask("ClearChargingProfile", named | {names[k]: v for k, v in criteria.items()})["status"])
        names = {"evse": "evseId", "level": "stackLevel", "purpose": "chargingProfilePurpose"}
        wanted = {names[k]: v for k, v in criteria.items()}
        return str(talk.ask("ClearChargingProfile", named | ({"chargingProfileCriteria": wanted} if wanted else {}))["status"])

    def left() -> list[int]:
        return [one.profile.id for one in talk.station.store.installed]

    for number, (evse, level) in enumerate([(0, 0), (1, 1), (1, 2), (2, 1)]):
        assert install(talk, evse, profile(version, 10.0, id=number, level=level)) == "Accepted"
    assert clear(9) == "Unknown"
    assert clear(evse=2, level=2) == "Unknown"
    assert left() == [0, 1, 2, 3]
    assert clear(evse=1, level=1) == "Accepted"
    assert left() == [0, 2, 3]
    assert clear(3, evse=1, level=2) == "Accepted", "with an id nothing else counts"
    assert left() == [0, 2]
    assert clear(purpose="TxDefaultProfile", evse=0) == "Accepted"
    assert left() == [2]
    assert clear(purpose="TxProfile") == "Unknown"
    if version == "1.6":
        assert clear() == "Accepted", "E3.25: no fields clear all"
        assert left() == []


@ALL
def test_profiles_outlive_a_power_cut(version: str) -> None:
    """E3.37, K01.FR.27; K01.FR.55: 2.1 tells which purposes do."""
    talk = Talk(version)
    assert install(talk, 1, profile(version, 9.0)) == "Accepted"
    assert install(talk, 0, profile(version, 12.0, id=6, purpose="ChargingStationMaxProfile")) == "Accepted"
    talk.power_cut(run_s=60)
    assert (told(talk, 1), told(talk, 2)) == ([9.0], [12.0])
    if version == "2.1":
        for purpose in ("TxProfile", "LocalGeneration", "ChargingStationExternalConstraints"):
            variable = {"name": "ChargingProfilePersistence", "instance": purpose}
            asked = {"component": {"name": "SmartChargingCtrlr"}, "variable": variable}
            assert talk.ask("GetVariables", {"getVariableData": [asked]})["getVariableResult"][0]["attributeValue"] == "true"


@SECOND
def test_a_long_report_comes_in_parts(version: str) -> None:
    """K09.FR.01, FR.02: the request's id on each, tbc on all but the last."""
    talk = Talk(version)
    for number in range(23):
        assert install(talk, 1, profile(version, 10.0, id=number, level=number)) == "Accepted"
    assert talk.ask("GetChargingProfiles", {"requestId": 77, "chargingProfile": {}})["status"] == "Accepted"
    talk.run(5)
    parts = talk.of("ReportChargingProfiles")
    assert [len(part["chargingProfile"]) for part in parts] == [10, 10, 3]
    assert [part.get("tbc", False) for part in parts] == [True, True, False]
    assert {part["requestId"] for part in parts} == {77}
    assert sorted(p["id"] for part in parts for p in part["chargingProfile"]) == list(range(23))


# --- offline --------------------------------------------------------------------------------------------------------


@ALL
def test_offline_the_profiles_go_on(version: str) -> None:
    """16 §3.13.6, K06.FR.01, FR.02, K07.FR.01: a running transaction and one that starts offline; without profiles nothing limits."""
    talk = charging(version)
    assert install(talk, 1, profile(version, 10.0)) == "Accepted"
    talk.run(20)
    talk.offline(300.0)
    assert amps(talk) == 10.0
    talk.press_stop()
    talk.unplug()
    talk.plug(1, "small-22kw")
    talk.present("TOK", 1, run_s=60)
    assert amps(talk) == 10.0, "started offline, with a token the cache knows"
    bare = charging(version)
    bare.offline(300.0)
    assert amps(bare) == 32.0


# --- modes of 2.1 ---------------------------------------------------------------------------------------------------


def test_a_change_of_the_operation_mode_is_told() -> None:
    """K01.FR.110: OperationModeChanged with the new mode, at the period's start, and back."""
    talk = charging("2.1")
    rows = [
        {"startPeriod": 0, "limit": 10.0}, {"startPeriod": 60, "operationMode": "Idle"}, {"startPeriod": 120, "limit": 12.0},
    ]  # fmt: skip
    one = profile("2.1", 10.0, purpose="TxProfile", transactionId=transaction(talk))
    one["chargingSchedule"][0] |= {"chargingSchedulePeriod": rows, "startSchedule": talk.calendar.iso(talk.world.now)}
    since = talk.world.now
    assert install(talk, 1, one) == "Accepted"
    talk.run(30)
    assert "OperationModeChanged" not in [trigger for _, trigger in talk.events(since)]
    assert amps(talk) == 10.0
    talk.run(60)
    assert amps(talk) == 0.0
    talk.run(60)
    assert amps(talk) == 12.0
    changes = [p["transactionInfo"] for p in talk.of("TransactionEvent", since) if p["triggerReason"] == "OperationModeChanged"]
    assert [info["operationMode"] for info in changes] == ["Idle", "ChargingOnly"]


def test_before_2_1_there_are_no_modes() -> None:
    talk = charging("2.0.1")
    assert install(talk, 1, profile("2.0.1", 10.0)) == "Accepted"
    talk.run(60)
    assert all("operationMode" not in p["transactionInfo"] for p in talk.of("TransactionEvent"))
