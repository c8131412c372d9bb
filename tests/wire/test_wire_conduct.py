"""Each malformed, oversized, unknown, mistyped, duplicated, late or unsolicited frame has its answer, at both ends of every version."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.wire.frames import ROWS, TELLS, Row

from chargekit.wire import VERSIONS
from chargekit.wire.session import Called, Session

NOW = {"currentTime": "2026-01-01T00:00:00Z"}
ENDS = [("station", False), ("station", True), ("csms", False), ("csms", True)]


def standing(row: Row, role: Any, version: str, lenient: bool) -> Session:
    """A session in the state of the row, with nothing left to send."""
    session = Session(role, version, lenient=lenient, supported=frozenset({"Heartbeat"}) if row.state == "narrow" else None)
    if row.state in ("asked", "answered"):
        session.receive('[2,"a","Heartbeat",{}]', 0.0)
    if row.state == "answered":
        session.answer("a", NOW)
    if row.state in ("calling", "given up", "done"):
        session.call("DataTransfer", {"vendorId": "v"}, 0.0, "ours")
    if row.state == "given up":
        session.expire(30.0)
    if row.state == "done":
        session.receive('[3,"1",{"status":"Accepted"}]', 1.0)
    if row.state == "told":
        session.receive(f'[6,"a","NotifyPeriodicEventStream",{TELLS}]', 0.0)
    session.outgoing()
    return session


def answers(session: Session) -> str:
    """Every frame that goes out as the table writes it; each is a complete error."""
    found = []
    for text in session.outgoing():
        kind, ident, code, description, details = orjson.loads(text)
        assert kind in (4, 5) and len(description) <= 255 and details == {}
        found.append(f"{ident} {code}" if kind == 4 else f"5 {ident} {code}")
    return " ".join(found)


def reason(one: Any) -> str:
    problems = getattr(one, "problems", ())
    return getattr(one, "why", "") or getattr(one, "code", "") or "".join(str(problem) for problem in problems[:1])


@pytest.mark.parametrize(("role", "lenient"), ENDS, ids=lambda v: {True: "lenient", False: "strict"}.get(v, v))
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_frame_has_its_answer(row: Row, version: str, role: str, lenient: bool) -> None:
    session = standing(row, role, version, lenient)
    wanted = row.expected(version, lenient)
    happened = session.receive(row.text, 31.0)
    assert answers(session) == wanted.answer
    assert " ".join(type(one).__name__ for one in happened) == wanted.happened
    assert reason(happened[0]).startswith(wanted.why), reason(happened[0])
    for one in happened:
        clause = getattr(one, "clause", None)
        assert clause is None or clause.startswith("J §" if version == "1.6" else "P4 §")
        orjson.dumps(getattr(one, "text", ""))
    goes_on(session)


def goes_on(session: Session) -> None:
    """The link is as good as before: the peer's next call is answered, and ours too."""
    (called,) = (one for one in session.receive('[2,"next","Heartbeat",{}]', 32.0) if isinstance(one, Called))
    session.answer(called.id, NOW)
    session.expire(1e3)
    session.call("DataTransfer", {"vendorId": "v"}, 1e3, "again")
    mine = [orjson.loads(text) for text in session.outgoing()]
    assert mine[0] == [3, "next", NOW] and [frame[0] for frame in mine] == [3, 2]
    (answered,) = session.receive(orjson.dumps([3, mine[1][1], {"status": "Accepted"}]).decode(), 1001.0)
    assert (type(answered).__name__, answered.context) == ("Answered", "again")  # type: ignore[union-attr]
    assert session.idle


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_same_ids_at_another_station_are_its_own(row: Row, version: str) -> None:
    """Ids repeat across chargers: whatever comes over one link, a call under the same id stays open on another."""
    here, there = standing(row, "csms", version, True), Session("csms", version)
    for session in (here, there):
        session.call("DataTransfer", {"vendorId": "v"}, 0.0, session)
    mine = [orjson.loads(text) for text in there.outgoing()]
    there.receive('[2,"a","Heartbeat",{}]', 0.0)
    here.receive(row.text, 31.0)
    assert there.outgoing() == [] and not there.idle
    there.answer("a", NOW)
    assert [orjson.loads(text)[:2] for text in there.outgoing()] == [[3, "a"]]
    (answered,) = there.receive(orjson.dumps([3, mine[0][1], {"status": "Accepted"}]).decode(), 1.0)
    assert answered.context is there  # type: ignore[union-attr]


def test_sends_go_at_once_and_count_as_ids() -> None:
    """P4 §4.1.1 and §4.2.4: whatever is in flight, and under an id of their own."""
    session = Session("station", "2.1", prefix="b-")
    session.call("Heartbeat", {}, 0.0)
    session.call("Heartbeat", {}, 0.0)
    session.send("NotifyPeriodicEventStream", orjson.loads(TELLS))
    sent = [orjson.loads(text) for text in session.outgoing()]
    assert [frame[:3] for frame in sent] == [[2, "b-1", "Heartbeat"], [6, "b-3", "NotifyPeriodicEventStream"]]
    assert session.due == 30.0
    session.receive(orjson.dumps([3, "b-1", NOW]).decode(), 1.0)
    assert [orjson.loads(text)[:2] for text in session.outgoing()] == [[2, "b-2"]]


def test_what_we_send_unasked_is_valid_or_our_bug_is_named() -> None:
    session = Session("station", "2.1")
    with pytest.raises(ValueError, match=r"our own NotifyPeriodicEventStream.req breaks its OCPP 2.1 schema: \$: \"id\""):
        session.send("NotifyPeriodicEventStream", {})
    with pytest.raises(ValueError, match=r"OCPP 2\.1 has no 'Heartbeat' that goes as SEND"):
        session.send("Heartbeat", {})
    with pytest.raises(ValueError, match=r"OCPP 2\.0\.1 has no 'NotifyPeriodicEventStream' that goes as SEND"):
        Session("station", "2.0.1").send("NotifyPeriodicEventStream", {})
    with pytest.raises(ValueError, match=r"NotifyPeriodicEventStream of OCPP 2\.1 is no call: send it"):
        session.call("NotifyPeriodicEventStream", orjson.loads(TELLS), 0.0)
    assert session.idle and session.outgoing() == []


def test_a_new_connection_forgets_what_was_answered_and_told() -> None:
    session = Session("csms", "2.1")
    session.receive('[2,"a","Heartbeat",{}]', 0.0)
    session.answer("a", NOW)
    session.receive(f'[6,"e","NotifyPeriodicEventStream",{TELLS}]', 0.0)
    session.lost(1.0)
    (stray,) = session.receive('[5,"a","FormatViolation","",{}]', 2.0)
    (sent,) = session.receive(f'[6,"e","NotifyPeriodicEventStream",{TELLS}]', 2.0)
    assert (type(stray).__name__, type(sent).__name__) == ("Strange", "Sent")
