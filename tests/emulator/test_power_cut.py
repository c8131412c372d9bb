"""The power goes between any two effects of a station: what it had accepted holds afterwards, and what it had begun is told to its end.

Every cut is its own station: it is dark for ten seconds, starts from what it had saved, and is asked again what it knows.
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.emulator.kit import Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
DARK_S = 10.0
PASSWORD = {"1.6": "00112233445566778899AABBCCDDEEFF00112233", "2.0.1": "correct-horse-battery", "2.1": "correct-horse-battery"}
Answers = dict[str, Any]
Script = Callable[[Talk, Answers], None]


def run(version: str, script: Script, cut_after: int) -> tuple[Talk, Answers, int]:
    """The script with the power cut after the station's effect number `cut_after`; what was answered, and the effects counted."""
    talk, count, answers = Talk(version), 0, {}
    world = talk.world

    def after(machine: str, effect: object) -> None:
        nonlocal count
        if machine == "s":
            count += 1
            if count == cut_after:
                world.cut("s")
                world.call(world.now + DARK_S, lambda: world.restore("s"))

    world.after_effect = after
    script(talk, answers)
    world.after_effect = None
    return talk, answers, count


def iso(talk: Talk, after_s: float) -> str:
    return talk.calendar.iso(talk.world.now + after_s)


def status(answer: Any) -> str:
    """The word an answer says; empty when none came."""
    if not isinstance(answer, dict):
        return ""
    for rows, word in (("setVariableResult", "attributeStatus"), ("setMonitoringResult", "status")):
        if rows in answer:
            return answer[rows][0][word]
    return answer.get("status", "")


def variable(component: str, name: str, **more: Any) -> dict[str, Any]:
    return {"component": {"name": component}, "variable": {"name": name}, **more}


# --- what the CSMS sets -----------------------------------------------------------------------------------------


def settings(talk: Talk, said: Answers) -> None:
    """Everything a CSMS leaves in a station's memory, one after the other."""
    old = talk.version == "1.6"

    def ask(name: str, action: str, payload: dict[str, Any]) -> None:
        said[name] = talk.ask(action, payload)
        talk.run(20 if name == "profile" else 5)  # a new profile means a new connection

    talk.present("CACHED", 2, run_s=2)
    said["cache"] = bool(talk.of("Authorize")) and "CACHED" in talk.world.saved["s"].get("cache", {})
    if old:
        ask("list", "SendLocalList", {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [
            {"idTag": "L1", "idTagInfo": {"status": "Accepted"}}]})  # fmt: skip
        ask("reservation", "ReserveNow", {"connectorId": 1, "expiryDate": iso(talk, 7200), "idTag": "R1", "reservationId": 7})
        ask("availability", "ChangeAvailability", {"connectorId": 2, "type": "Inoperative"})
        ask("setting", "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "123"})
        ask("password", "ChangeConfiguration", {"key": "AuthorizationKey", "value": PASSWORD["1.6"]})
        ask("profile", "ChangeConfiguration", {"key": "SecurityProfile", "value": "1"})
        ask("log", "GetLog", {"requestId": 5, "logType": "SecurityLog", "log": {"remoteLocation": "https://host/"}})
        ask("firmware", "UpdateFirmware", {"location": "ftp://host/fw-1.2.3.bin", "retrieveDate": iso(talk, 0)})
    else:
        ask("list", "SendLocalList", {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [
            {"idToken": {"idToken": "L1", "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}]})  # fmt: skip
        ask("reservation", "ReserveNow", {
            "id": 7, "expiryDateTime": iso(talk, 7200), "idToken": {"idToken": "R1", "type": "ISO14443"}, "evseId": 1})  # fmt: skip
        ask("availability", "ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 2}})
        ask("setting", "SetVariables", {"setVariableData": [variable("SampledDataCtrlr", "TxUpdatedInterval", attributeValue="123")]})
        monitor = {"value": 1, "type": "Delta", "severity": 4}
        ask("monitor", "SetVariableMonitoring", {"setMonitoringData": [variable("ChargingStation", "Problem", **monitor)]})
        ask("password", "SetVariables", {"setVariableData": [
            variable("SecurityCtrlr", "BasicAuthPassword", attributeValue=PASSWORD[talk.version])]})  # fmt: skip
        network = {
            "ocppVersion": "OCPP20" if talk.version == "2.0.1" else "OCPP21", "ocppTransport": "JSON", "ocppCsmsUrl": "ws://csms/ocpp",
            "messageTimeout": 30, "securityProfile": 1, "ocppInterface": "Wired0",
        }  # fmt: skip
        ask("profile", "SetNetworkProfile", {"configurationSlot": 2, "connectionData": network})
        ask("log", "GetLog", {"requestId": 5, "logType": "SecurityLog", "log": {"remoteLocation": "https://host/"}})
        firmware = {"location": "ftp://host/fw-1.2.3.bin", "retrieveDateTime": iso(talk, 0)}
        ask("firmware", "UpdateFirmware", {"requestId": 6, "firmware": firmware})
    talk.run(150)


def read_back(talk: Talk, key: str, component: str, name: str) -> str:
    if talk.version == "1.6":
        return talk.ask("GetConfiguration", {"key": [key]})["configurationKey"][0]["value"]
    return talk.ask("GetVariables", {"getVariableData": [variable(component, name)]})["getVariableResult"][0]["attributeValue"]


def check_settings(talk: Talk, said: Answers, here: str) -> None:
    """Asked as a CSMS would ask, after the start."""
    old = talk.version == "1.6"
    assert talk.station.accepted, here
    if status(said["list"]) == "Accepted":
        told = talk.ask("GetLocalListVersion", {})
        assert told == ({"listVersion": 3} if old else {"versionNumber": 3}), here
    if status(said["availability"]) == "Accepted":
        assert talk.statuses(2)[-1] == "Unavailable", here
    if status(said["setting"]) == "Accepted":
        assert read_back(talk, "MeterValueSampleInterval", "SampledDataCtrlr", "TxUpdatedInterval") == "123", here
    if status(said.get("monitor")) == "Accepted":
        assert talk.ask("GetMonitoringReport", {"requestId": 1, "monitoringCriteria": ["DeltaMonitoring"]})["status"] == "Accepted", here
    if status(said["password"]) == "Accepted":
        assert talk.world.saved["s"]["m/security"]["password"] == PASSWORD[talk.version], here
    if status(said["profile"]) == "Accepted":
        held = talk.world.saved["s"]["m/security"]
        assert (held["profile"] if old else held["slots"]["2"]["securityProfile"]) == 1, here
    if status(said["log"]) == "Accepted":
        assert talk.of("LogStatusNotification")[-1] == {"status": "Uploaded", "requestId": 5}, here
        assert "m/log" not in talk.world.saved["s"], here
    if status(said["firmware"]) == "Accepted" or said["firmware"] == {}:
        assert talk.of("FirmwareStatusNotification")[-1]["status"] == "Installed", here
        assert talk.of("BootNotification")[-1].get("firmwareVersion", talk.of("BootNotification")[-1].get("chargingStation", {}).get(
            "firmwareVersion")) == "1.2.3", here  # fmt: skip
    if status(said["reservation"]) == "Accepted":
        assert talk.statuses(1)[-1] == "Reserved", here
        assert talk.ask("CancelReservation", {"reservationId": 7})["status"] == "Accepted", here
    assert not [key for key in talk.world.saved["s"] if key.startswith(("q/", "tx/"))], here


@ALL
def test_what_was_accepted_survives_a_cut_at_any_moment(version: str) -> None:
    """B01.FR.07, FR.13, D01, G03.FR.08, H01, L01, M05, N01, N04; 1.6 sections 3.5.1, 3.11, 4.9, 9."""
    talk, said, total = run(version, settings, 0)
    assert {name for name in said if name != "cache" and status(said[name]) != "Accepted"} <= ({"firmware"} if version == "1.6" else set())
    check_settings(talk, said, "no cut")
    assert total > 50
    for cut_after in range(1, total + 1):
        talk, said, _ = run(version, settings, cut_after)
        talk.run(150)
        if said["cache"]:
            assert "CACHED" in talk.world.saved["s"]["cache"], cut_after
        check_settings(talk, said, f"{version}, cut after effect {cut_after}")


# --- transactions -----------------------------------------------------------------------------------------------


def visits(talk: Talk, said: Answers) -> None:
    """A reserved, remotely started transaction that ends offline, and one that is all offline; then the link is back."""
    old = talk.version == "1.6"
    numbers: dict[str, int] = {}

    def started(payload: dict[str, Any]) -> dict[str, Any]:
        return {"idTagInfo": {"status": "Accepted"}, "transactionId": numbers.setdefault(payload["timestamp"], 70 + len(numbers))}

    talk.answers["StartTransaction"] = started
    bearer = {"idToken": "A", "type": "ISO14443"}
    if old:
        talk.ask("ReserveNow", {"connectorId": 1, "expiryDate": iso(talk, 7200), "idTag": "A", "reservationId": 7})
        said["start"] = talk.ask("RemoteStartTransaction", {"connectorId": 1, "idTag": "A"})
    else:
        talk.ask("ReserveNow", {"id": 7, "expiryDateTime": iso(talk, 7200), "idToken": bearer, "evseId": 1})
        said["start"] = talk.ask("RequestStartTransaction", {"evseId": 1, "idToken": bearer, "remoteStartId": 42})
    talk.run(2)
    talk.plug(1)
    talk.run(30)
    talk.offline(130)
    talk.press_stop(1)
    talk.unplug(1)
    talk.plug(2)
    talk.present("A", 2, run_s=70)
    talk.press_stop(2)
    talk.online(300)


def check_events(talk: Talk, here: str) -> int:
    """2.x: every transaction told whole, without gaps, each number once or again as it was; how many there were."""
    told: dict[str, dict[int, dict[str, Any]]] = {}
    for event in talk.of("TransactionEvent"):
        before = told.setdefault(event["transactionInfo"]["transactionId"], {}).setdefault(event["seqNo"], event)
        assert before == event, here
    for events in told.values():
        assert sorted(events) == list(range(len(events))), here
        kinds = [events[n]["eventType"] for n in range(len(events))]
        assert kinds == ["Started", *["Updated"] * (len(kinds) - 2), "Ended"], here
        times = [events[n]["timestamp"] for n in range(len(events))]
        assert times == sorted(times), here
        if events[0]["evse"]["id"] == 1 and events[0]["triggerReason"] == "RemoteStart":
            assert events[0]["transactionInfo"]["remoteStartId"] == 42, here
            assert events[0]["reservationId"] == 7, here
    return len(told)


def check_calls(talk: Talk, here: str) -> int:
    """1.6: each start has its stop under the number it was given, and no message a number nobody gave."""
    given = {payload["timestamp"]: 70 + n for n, payload in enumerate({p["timestamp"]: p for p in talk.of("StartTransaction")}.values())}
    stops = {payload["transactionId"] for payload in talk.of("StopTransaction")}
    assert stops == set(given.values()), here
    assert {p["transactionId"] for p in talk.of("MeterValues") if "transactionId" in p} <= stops, here
    return len(given)


@ALL
def test_transactions_are_told_whole_wherever_the_power_goes(version: str) -> None:
    """1.6 sections 3.7, 4.8; E01.FR.07, E04.FR.06, E12, F02.FR.05, H03.FR.09."""
    _, said, total = run(version, visits, 0)
    assert said["start"]["status"] == "Accepted" and total > 60
    seen = set()
    for cut_after in range(total + 1):
        talk, said, _ = run(version, visits, cut_after)
        talk.run(200)
        here = f"{version}, cut after effect {cut_after}"
        seen.add(check_calls(talk, here) if version == "1.6" else check_events(talk, here))
        assert talk.station.accepted and all(o.tx is None for o in talk.station.outlets.values()), here
        assert not [key for key in talk.world.saved["s"] if key.startswith(("q/", "tx/", "id/"))], here
    assert max(seen) >= 2


def scheduled(talk: Talk, said: Answers) -> None:
    """A reset that waits for the end of a transaction."""
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    said["reset"] = talk.ask("Reset", {"type": "OnIdle"})
    said["at"] = talk.world.now
    talk.run(30)
    talk.press_stop(1)
    talk.run(60)


@SECOND
def test_a_scheduled_reset_needs_no_second_restart(version: str) -> None:
    """B12.FR.01, FR.03: a cut ends the transactions and is a restart itself; the station is back in service and boots once."""
    talk, said, total = run(version, scheduled, 0)
    assert said["reset"]["status"] == "Scheduled"
    assert talk.of("BootNotification", said["at"])[0]["reason"] == "ScheduledReset"
    for cut_after in range(1, total + 1):
        talk, said, _ = run(version, scheduled, cut_after)
        talk.run(60)
        here = f"{version}, cut after effect {cut_after}"
        if status(said["reset"]) == "Scheduled":
            assert 1 <= len(talk.of("BootNotification", said["at"] - 0.1)) <= 2, here
        assert talk.station.accepted and talk.statuses(2)[-1] == "Available", here
        since = talk.world.now
        talk.run(300)
        assert not talk.of("BootNotification", since), here


def pulling(talk: Talk, said: Answers) -> None:
    talk.answers["PullDynamicScheduleUpdate"] = {"status": "Accepted", "scheduleUpdate": {"limit": 8.0}}
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 12.0}]}
    one = {
        "id": 4, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Dynamic",
        "chargingSchedule": [schedule], "dynUpdateInterval": 60,
    }  # fmt: skip
    said["profile"] = talk.ask("SetChargingProfile", {"evseId": 0, "chargingProfile": one})
    talk.run(200)


def test_a_dynamic_profile_asks_on_after_a_cut() -> None:
    """K28.FR.10, K01.FR.27: the profile is kept, and so is its asking."""
    talk, said, total = run("2.1", pulling, 0)
    assert len(talk.of("PullDynamicScheduleUpdate")) == 3
    for cut_after in range(1, total + 1):
        talk, said, _ = run("2.1", pulling, cut_after)
        since = talk.world.now
        talk.run(121)
        assert len(talk.of("PullDynamicScheduleUpdate", since)) >= (2 if status(said["profile"]) == "Accepted" else 0), cut_after
