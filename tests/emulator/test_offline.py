"""What happens without a link, and how it is told afterwards, over every version. Each test cites its clause."""

import itertools

import pytest
from tests.emulator.kit import Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def began(payload: dict) -> str:
    return payload["timestamp"]


@ALL
def test_a_whole_transaction_offline_is_told_with_its_own_times(version: str) -> None:
    """TC_039_CS, E_43; E04.FR.02, FR.03, E12.FR.02: in order, with the times it happened at, marked as offline in 2.x."""
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=20)  # the token is known from now on
    talk.press_stop(1)
    talk.unplug(1)
    talk.offline(30)
    since, wall = talk.world.now, talk.calendar.utc(talk.world.now)
    talk.plug(1)
    talk.present("A", 1, run_s=200)
    talk.press_stop(1)
    talk.run(30)
    assert talk.of("StartTransaction", since) == talk.of("TransactionEvent", since) == []
    talk.online(240)
    kinds = [kind for kind, _ in talk.events(since)]
    assert kinds[0] == "Started" and kinds[-1] == "Ended" and kinds.count("Started") == kinds.count("Ended") == 1
    if version == "1.6":
        first = talk.of("StartTransaction", since)[0]
        assert talk.of("StopTransaction", since)[0]["transactionId"] == talk.txs
    else:
        told = talk.of("TransactionEvent", since)
        first = told[0]
        assert [p["seqNo"] for p in told] == list(range(len(told)))
        assert all(p["offline"] for p in told)
        assert [p["timestamp"] for p in told] == sorted(p["timestamp"] for p in told)
    assert abs((talk.calendar.parse(began(first))) - since) < 10, (began(first), wall)


@ALL
def test_a_token_nobody_knows_gets_nothing_offline(version: str) -> None:
    """1.6 section 3.5; C15.FR.02, TC C_26."""
    talk = Talk(version)
    talk.offline(10)
    talk.plug(1)
    talk.present("STRANGER", 1, run_s=60)
    assert talk.station.outlets[1].tx is None


@ALL
def test_what_waits_survives_a_power_cut(version: str) -> None:
    """1.6 section 3.7; E04.FR.06: the queue is kept."""
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    talk.offline(10)
    talk.press_stop(1)
    talk.run(5)
    since = talk.world.now
    talk.power_cut()
    talk.online(240)
    assert [kind for kind, _ in talk.events(since)].count("Ended") == 1


@ALL
def test_a_refused_message_is_tried_again_and_then_given_up(version: str) -> None:
    """1.6 section 3.7.1; E13.FR.02, FR.03: so many attempts, each after the interval times those made before."""
    talk = Talk(version)
    talk.set("TransactionMessageAttempts", "OCPPCommCtrlr.MessageAttempts.TransactionEvent", "3")
    talk.set("TransactionMessageRetryInterval", "OCPPCommCtrlr.MessageAttemptInterval.TransactionEvent", "20")
    action = "StartTransaction" if version == "1.6" else "TransactionEvent"
    talk.answers[action] = "InternalError"
    talk.plug(1)
    since = talk.world.now
    talk.present("A", 1, run_s=90)
    times = [at for name, payload, at in talk.sent if name == action and at >= since and (version == "1.6" or payload["seqNo"] == 0)]
    assert len(times) == 3
    assert [round(b - a) for a, b in itertools.pairwise(times)] == [20, 40]


@ALL
def test_dialling_backs_off(version: str) -> None:
    """Part 4 section 5.3: doubled up to RetryBackOffRepeatTimes, then held; a random part on top."""
    talk = Talk(version)
    talk.offline(900)
    gaps = [b - a for a, b in zip(talk.dials[1:], talk.dials[2:], strict=False)]
    for gap, low in zip(gaps, (10, 20, 40, 80, 80, 80), strict=False):
        assert low <= gap <= low + 6, gaps
    assert len(gaps) >= 5


@ALL
@pytest.mark.parametrize(("status", "quiet"), [("Pending", True), ("Rejected", True)])
def test_a_station_not_accepted_keeps_quiet_and_boots_again(version: str, status: str, quiet: bool) -> None:
    """1.6 section 4.2; B02.FR.04, B03.FR.04: nothing but BootNotification, again after the interval."""
    talk = Talk(version, up=False)
    talk.answers["BootNotification"] = lambda _: {"status": status, "currentTime": talk.calendar.iso(talk.world.now), "interval": 45}
    talk.online(130)
    assert set(talk.actions()) == {"BootNotification"}
    times = [at for name, _, at in talk.sent if name == "BootNotification"]
    assert [round(b - a) for a, b in itertools.pairwise(times)] == [45] * (len(times) - 1)
    assert len(times) >= 2
    del talk.answers["BootNotification"]
    talk.run(60)
    assert "StatusNotification" in talk.actions()


@ALL
@pytest.mark.parametrize(("seconds", "all_told"), [(20, False), (400, True)])
def test_statuses_after_an_outage(version: str, seconds: int, all_told: bool) -> None:
    """B04.FR.01, FR.02 (TC B_51, B_52): all of them after more than OfflineThreshold, else only what changed."""
    talk = Talk(version)
    talk.run(30)
    talk.offline(seconds)
    since = talk.world.now
    talk.online(120)
    assert bool(talk.of("StatusNotification", since)) is all_told


@SECOND
def test_the_status_of_a_transaction_is_told_with_what_still_waits(version: str) -> None:
    """E14.FR.01 to FR.08: while a CSMS leaves TransactionEvents unanswered, they are in the queue."""
    talk = Talk(version)

    def status(**asked: str) -> dict:
        return talk.ask("GetTransactionStatus", asked)

    assert status() == {"messagesInQueue": False}
    assert status(transactionId="nobody's") == {"ongoingIndicator": False, "messagesInQueue": False}
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    (tx,) = {p["transactionInfo"]["transactionId"] for p in talk.of("TransactionEvent")}
    assert status(transactionId=tx) == {"ongoingIndicator": True, "messagesInQueue": False}
    talk.answers["TransactionEvent"] = None
    talk.press_stop(1)
    talk.unplug(1)
    assert status(transactionId=tx) == {"ongoingIndicator": False, "messagesInQueue": True}
    assert status(transactionId="nobody's") == {"ongoingIndicator": False, "messagesInQueue": False}
    assert status() == {"messagesInQueue": True}
    del talk.answers["TransactionEvent"]
    talk.run(200)
    assert status(transactionId=tx) == {"ongoingIndicator": False, "messagesInQueue": False}
