"""Availability, resets, triggers and unlocking over every version. Each test cites its clause."""

import pytest
from tests.emulator.kit import Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def change(talk: Talk, evse: int, operative: bool) -> str:
    word = "Operative" if operative else "Inoperative"
    if talk.version == "1.6":
        return talk.ask("ChangeAvailability", {"connectorId": evse, "type": word})["status"]
    return talk.ask("ChangeAvailability", {"operationalStatus": word} | ({"evse": {"id": evse}} if evse else {}))["status"]


@ALL
def test_a_change_waits_for_the_transaction(version: str) -> None:
    """1.6 section 5.2; G03.FR.05, FR.06: Scheduled, then Unavailable once the transaction is over."""
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    assert change(talk, 1, False) == "Scheduled"
    talk.run(5)
    assert "Unavailable" not in talk.statuses(1)
    talk.press_stop(1)
    talk.unplug(1)
    talk.run(5)
    assert talk.statuses(1)[-1] == "Unavailable"
    assert change(talk, 1, True) == "Accepted"
    talk.run(2)
    assert talk.statuses(1)[-1] == "Available"


@ALL
def test_the_whole_station_out_of_service_survives_a_power_cut(version: str) -> None:
    """1.6 section 4.9; G04.FR.09."""
    talk = Talk(version)
    assert change(talk, 0, False) == "Accepted"
    talk.power_cut()
    talk.run(30)
    assert talk.statuses(1)[-1] == talk.statuses(2)[-1] == "Unavailable"
    talk.plug(2)
    talk.present("A", 2, run_s=20)
    assert talk.started() == 0


@ALL
def test_a_hard_reset_ends_what_runs(version: str) -> None:
    """1.6 section 5.14; B12.FR.04: the end is told with its reason, then it boots."""
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    since = talk.world.now
    asked = {"type": "Hard"} if version == "1.6" else {"type": "Immediate"}
    assert talk.ask("Reset", asked)["status"] == "Accepted"
    talk.run(60)
    assert [kind for kind, _ in talk.events(since)] == ["Ended"]
    assert talk.reasons()[-1] == ("HardReset" if version == "1.6" else "ImmediateReset")
    assert talk.of("BootNotification", since)


@SECOND
def test_a_reset_when_idle_waits(version: str) -> None:
    """B12.FR.01, FR.03: Scheduled with a transaction, carried out when it has ended."""
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    since = talk.world.now
    assert talk.ask("Reset", {"type": "OnIdle"})["status"] == "Scheduled"
    talk.run(60)
    assert not talk.of("BootNotification", since)
    talk.press_stop(1)
    talk.run(60)
    assert talk.of("BootNotification", since)


@SECOND
def test_one_evse_is_reset_alone(version: str) -> None:
    """B11.FR.08, B12.FR.08: no boot, and the other EVSE goes on."""
    talk = Talk(version)
    for evse in (1, 2):
        talk.plug(evse)
        talk.present(f"T{evse}", evse, run_s=20)
    since = talk.world.now
    assert talk.ask("Reset", {"type": "Immediate", "evseId": 1})["status"] == "Accepted"
    talk.run(60)
    assert not talk.of("BootNotification", since)
    ended = [p["transactionInfo"] for p in talk.of("TransactionEvent", since) if p["eventType"] == "Ended"]
    assert [one.get("stoppedReason") for one in ended] == ["ImmediateReset"]
    assert talk.station.outlets[2].tx is not None
    assert talk.ask("Reset", {"type": "Immediate", "evseId": 9})["status"] == "Rejected"


@ALL
@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("Heartbeat", "Heartbeat"),
        ("StatusNotification", "StatusNotification"),
        ("MeterValues", "MeterValues"),
        ("FirmwareStatusNotification", "FirmwareStatusNotification"),
    ],
)
def test_a_trigger_is_answered_and_then_obeyed(version: str, message: str, sent: str) -> None:
    """1.6 section 5.17; F06.FR.04."""
    talk = Talk(version)
    talk.run(30)
    since = talk.world.now
    assert talk.ask("TriggerMessage", {"requestedMessage": message})["status"] == "Accepted"
    talk.run(2)
    assert talk.of(sent, since)


@SECOND
def test_what_can_not_be_triggered_now(version: str) -> None:
    """F06.FR.05, FR.08, FR.17."""
    talk = Talk(version)
    for asked in ({"requestedMessage": "BootNotification"}, {"requestedMessage": "TransactionEvent"},
                  {"requestedMessage": "MeterValues", "evse": {"id": 9}}):  # fmt: skip
        assert talk.ask("TriggerMessage", asked)["status"] == "Rejected", asked
