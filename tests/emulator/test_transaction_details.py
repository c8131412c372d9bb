"""What a 2.x transaction says of itself: why each message is sent, and the limits a CSMS sets. Each test cites its clause."""

from typing import Any

import pytest
from tests.emulator.kit import DC, Talk

SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def charging(version: str, **more: Any) -> Talk:
    talk = Talk(version, **more)
    talk.plug(1)
    talk.present("A", 1, run_s=60)
    assert talk.charging(1)
    return talk


def answer_once(talk: Talk, payload: dict[str, Any]) -> None:
    """The next TransactionEvent is answered with this, later ones plainly."""
    left = [payload]
    talk.answers["TransactionEvent"] = lambda _: left.pop() if left else {}


def triggers(talk: Talk, since: float = 0.0) -> list[str]:
    return [reason for _, reason in talk.events(since)]


def set_limit(talk: Talk, **limit: float) -> float:
    """A limit in the answer to the next meter values; when it was confirmed."""
    since = talk.world.now
    answer_once(talk, {"transactionLimit": limit})
    talk.run(61)
    told = [(p, at) for name, p, at in talk.sent if name == "TransactionEvent" and at >= since and p["triggerReason"] == "LimitSet"]
    assert [p["transactionInfo"]["transactionLimit"] for p, _ in told] == [limit]  # E16.FR.03: once
    return told[0][1]


# --- limits of a transaction ------------------------------------------------------------------------------------


def test_an_energy_limit_suspends_the_energy() -> None:
    """E16.FR.03, FR.05, FR.19: confirmed with LimitSet, SuspendedEVSE at the limit and not a Wh beyond; the transaction goes on."""
    talk = charging("2.1")
    began = talk.energy_wh() - talk.station.taps[1].read(talk.world.now).energy_wh + talk.station.outlets[1].tx.begin_wh
    set_limit(talk, maxEnergy=900.0)
    talk.run(600)
    last = [p for p in talk.of("TransactionEvent") if p["triggerReason"] == "EnergyLimitReached"]
    assert len(last) == 1
    assert last[0]["transactionInfo"]["chargingState"] == "SuspendedEVSE" and last[0]["eventType"] == "Updated"
    assert not talk.charging(1)
    assert talk.energy_wh() - began == pytest.approx(900.0, abs=3.0)
    assert "Ended" not in [kind for kind, _ in talk.events()]


def test_a_raised_limit_lets_energy_flow_again() -> None:
    """E16.FR.14."""
    talk = charging("2.1")
    set_limit(talk, maxEnergy=100.0)  # less than has flowed: E16.FR.10
    assert not talk.charging(1)
    set_limit(talk, maxEnergy=50_000.0)
    talk.run(30)
    assert talk.charging(1)


@pytest.mark.parametrize("limit", [{"maxTime": 300}, {"maxTime": -5}])
def test_a_time_limit_counts_from_the_start(limit: dict[str, int]) -> None:
    """E16.FR.05, FR.09, FR.10: relative to the start of the transaction; a negative one at once."""
    talk = charging("2.1")
    started = next(at for name, p, at in talk.sent if name == "TransactionEvent" and p["eventType"] == "Started")
    confirmed = set_limit(talk, **limit)
    talk.run(600)
    reached = [at for name, p, at in talk.sent if name == "TransactionEvent" and p["triggerReason"] == "TimeLimitReached"]
    assert len(reached) == 1
    assert reached[0] == pytest.approx(max(started + limit["maxTime"], confirmed), abs=0.5)
    assert not talk.charging(1)


def test_a_cost_limit_follows_the_cost_the_csms_tells() -> None:
    """E16.FR.05, FR.11, FR.15: by CostUpdated and by totalCost in an answer."""
    talk = charging("2.1")
    set_limit(talk, maxCost=4.0)
    tx = talk.of("TransactionEvent")[0]["transactionInfo"]["transactionId"]
    talk.ask("CostUpdated", {"transactionId": tx, "totalCost": 3.9})
    talk.run(40)
    assert talk.charging(1)
    since = talk.world.now
    talk.ask("CostUpdated", {"transactionId": tx, "totalCost": 4.0})
    talk.run(5)
    assert "CostLimitReached" in triggers(talk, since) and not talk.charging(1)


def test_a_limit_on_the_state_of_charge_is_for_dc_alone() -> None:
    """E16.FR.05, FR.13: an AC station does not know it and does not confirm it."""
    talk = charging("2.1")
    since = talk.world.now
    answer_once(talk, {"transactionLimit": {"maxSoC": 31}})
    talk.run(120)
    assert "LimitSet" not in triggers(talk, since) and talk.charging(1)
    talk = Talk("2.1", DC)
    talk.plug(1, vehicle="hyundai-ioniq-5-2021", soc=30.0)
    talk.present("A", 1, run_s=60)
    set_limit(talk, maxSoC=35)
    talk.run(900)
    assert triggers(talk).count("SoCLimitReached") == 1
    assert talk.station.taps[1].read(talk.world.now).soc_percent == pytest.approx(35.0, abs=2.5)
    assert not talk.charging(1)


@pytest.mark.parametrize(
    ("limit", "trigger", "reason"),
    [({"maxEnergy": 300.0}, "EnergyLimitReached", "EnergyLimitReached"), ({"maxTime": 200}, "TimeLimitReached", "TimeLimitReached")],
)
def test_a_limit_ends_the_transaction_where_energy_does(limit: dict[str, float], trigger: str, reason: str) -> None:
    """E16.FR.06: with TxStopPoint EnergyTransfer."""
    talk = Talk("2.1", keys={"TxStopPoint": "EnergyTransfer"})
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    set_limit(talk, **limit)
    talk.run(400)
    ended = [p for p in talk.of("TransactionEvent") if p["eventType"] == "Ended"]
    assert [(p["triggerReason"], p["transactionInfo"]["stoppedReason"]) for p in ended] == [(trigger, reason)]


def test_a_limit_is_forgotten_with_its_transaction() -> None:
    """E16: limits are of one transaction; 2.0.1 knows none."""
    talk = charging("2.1")
    set_limit(talk, maxTime=200)
    talk.press_stop(1)
    talk.unplug(1)
    talk.plug(1)
    talk.present("A", 1, run_s=400)
    assert talk.charging(1)
    assert talk.station.outlets[1].tx.limits == {}


def test_cost_details_are_not_made_up() -> None:
    """TransactionEventRequest.costDetails: only of who calculates cost, which this station does not."""
    talk = charging("2.1")
    talk.press_stop(1)
    assert not [p for p in talk.of("TransactionEvent") if "costDetails" in p]


# --- why a message is sent --------------------------------------------------------------------------------------


def profile(amps: float, purpose: str = "TxDefaultProfile", ident: int = 1) -> dict[str, Any]:
    schedule = {
        "id": 1, "chargingRateUnit": "A", "startSchedule": "2026-03-01T00:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
    }  # fmt: skip
    return {
        "id": ident, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute", "chargingSchedule": [schedule]
    }  # fmt: skip


def test_a_changed_rate_is_told_in_201() -> None:
    """TriggerReasonEnumType of 2.0.1, E02.FR.17: beyond LimitChangeSignificance (5 %), else not."""
    talk = charging("2.0.1")
    for amps, told in ((10.0, 1), (10.3, 0), (8.0, 1)):
        since = talk.world.now
        assert talk.ask("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(amps)})["status"] == "Accepted"
        talk.run(10)
        assert triggers(talk, since).count("ChargingRateChanged") == told, amps


def test_a_rate_the_csms_changed_is_not_told_in_21() -> None:
    """TriggerReasonEnumType of 2.1: only what an external actor changes."""
    talk = charging("2.1")
    since = talk.world.now
    assert talk.ask("SetChargingProfile", {"evseId": 1, "chargingProfile": profile(10.0)})["status"] == "Accepted"
    talk.run(10)
    assert "ChargingRateChanged" not in triggers(talk, since)


@SECOND
def test_every_turn_of_a_visit_has_its_trigger(version: str) -> None:
    """E02.FR.17, E06.FR.15: what a driver, a vehicle and a CSMS can do, each told by its own word."""
    talk = Talk(version, keys={"TxStartPoint": "EVConnected", "TxStopPoint": "EVConnected", "ClockAlignedDataInterval": "900"})
    talk.plug(1)
    talk.present("A", 1, run_s=900)
    tx = talk.of("TransactionEvent")[0]["transactionInfo"]["transactionId"]
    talk.ask("TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}})
    talk.ask("RequestStopTransaction", {"transactionId": tx})
    talk.run(5)
    talk.unplug(1)
    told = triggers(talk)
    assert told[0] == "CablePluggedIn" and told[-1] == "EVCommunicationLost"
    wanted = {"Authorized", "ChargingStateChanged", "MeterValuePeriodic", "MeterValueClock", "Trigger", "RemoteStop"}
    assert wanted <= set(told), wanted - set(told)
    numbers = [p["seqNo"] for p in talk.of("TransactionEvent")]
    assert numbers == list(range(len(numbers)))


@SECOND
@pytest.mark.parametrize(
    ("stops", "trigger", "reason"),
    [("press", "StopAuthorized", "Local"), ("reset", "ResetCommand", "ImmediateReset"), ("token", "Deauthorized", "DeAuthorized"),
     ("timeout", "EVConnectTimeout", "Timeout"), ("power", "AbnormalCondition", "PowerLoss")],
)  # fmt: skip
def test_every_end_has_its_trigger_and_reason(version: str, stops: str, trigger: str, reason: str) -> None:
    """E06.FR.08, FR.15, E03.FR.05, B12.FR.04, C15.FR.04."""
    if stops == "timeout":
        talk = Talk(version, keys={"TxStartPoint": "Authorized", "TxStopPoint": "Authorized"})
        talk.present("A", 1, run_s=90)
    else:
        talk = Talk(version)
        if stops == "token":
            talk.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Invalid"}}
        talk.plug(1)
        talk.present("A", 1, run_s=20)
        if stops == "press":
            talk.press_stop(1)
        elif stops == "reset":
            talk.ask("Reset", {"type": "Immediate"})
        elif stops == "power":
            talk.power_cut()
        talk.run(20)
    ended = [p for p in talk.of("TransactionEvent") if p["eventType"] == "Ended"]
    found = [(p["triggerReason"], p["transactionInfo"].get("stoppedReason", "Local")) for p in ended]
    assert found == [(trigger, reason)]
