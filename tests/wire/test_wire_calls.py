"""Correlation: one call in flight, timeouts, late and lost replies; what we send is valid."""

from __future__ import annotations

import orjson
import pytest

from chargekit.wire.schemas import Problem
from chargekit.wire.session import Answered, Refused, Session, Strange, Unanswered

NOW = {"currentTime": "2026-01-01T00:00:00Z"}


def frames(session: Session) -> list[list[object]]:
    return [orjson.loads(frame) for frame in session.outgoing()]


def test_calls_go_one_at_a_time_in_order() -> None:
    session = Session("station", "1.6", prefix="b1-")
    session.call("Heartbeat", {}, 0.0, context="first")
    session.call("Authorize", {"idTag": "x"}, 0.0, context="second")
    assert frames(session) == [[2, "b1-1", "Heartbeat", {}]]
    assert session.due == 30.0 and not session.idle
    happened = session.receive(orjson.dumps([3, "b1-1", NOW]).decode(), 4.0)
    assert happened == [Answered("first", "Heartbeat", NOW)]
    assert frames(session) == [[2, "b1-2", "Authorize", {"idTag": "x"}]]
    assert session.due == 34.0
    assert session.receive('[4,"b1-2","InternalError","no",{}]', 5.0) == [Refused("second", "Authorize", "InternalError", "no")]
    assert session.idle and session.due is None


def test_a_timeout_frees_the_line_and_a_late_reply_is_strange() -> None:
    session = Session("station", "1.6", call_timeout_s=10.0)
    session.call("Heartbeat", {}, 0.0, context="a")
    session.call("Heartbeat", {}, 0.0, context="b")
    session.outgoing()
    assert session.expire(9.99) == []
    assert session.expire(10.0) == [Unanswered("a", "Heartbeat", "timeout")]
    assert frames(session) == [[2, "2", "Heartbeat", {}]]
    assert session.due == 20.0
    late = session.receive(orjson.dumps([3, "1", NOW]).decode(), 11.0)
    assert late == [Strange("1", "", "a reply to a call given up before", "J §4.1.1")]
    assert session.receive(orjson.dumps([3, "2", NOW]).decode(), 12.0) == [Answered("b", "Heartbeat", NOW)]
    again = session.receive(orjson.dumps([3, "2", NOW]).decode(), 12.0)
    assert again == [Strange("2", "", "a reply to no call of ours", "J §4.1.4")]


def test_a_lost_connection_gives_every_call_back_and_ids_go_on() -> None:
    session = Session("station", "2.0.1")
    session.receive('[2,"x","ClearCache",{}]', 0.0)
    session.call("Heartbeat", {}, 0.0, context="sent")
    session.call("Heartbeat", {}, 0.0, context="waiting")
    assert session.lost(1.0) == [
        Unanswered("sent", "Heartbeat", "lost"),
        Unanswered("waiting", "Heartbeat", "lost", sent=False),
    ]
    assert session.idle and session.outgoing() == [] and session.expire(99.0) == []
    with pytest.raises(ValueError, match="no call 'x' of the peer is open"):
        session.answer("x", {"status": "Accepted"})
    session.call("Heartbeat", {}, 2.0)
    assert frames(session) == [[2, "3", "Heartbeat", {}]]


@pytest.mark.parametrize(
    ("reply", "payload", "problem"),
    [
        ("[]", {}, Problem("type", "$", '[] is not of type "object"')),
        ("7", {}, Problem("type", "$", '7 is not of type "object"')),
        ("{}", {}, Problem("occurrence", "$", '"currentTime" is a required property')),
        ('{"currentTime":5}', {"currentTime": 5}, Problem("type", "$.currentTime", '5 is not of type "string"')),
    ],
)
def test_an_answer_that_breaks_its_schema_comes_with_its_problems(reply: str, payload: object, problem: object) -> None:
    session = Session("station", "1.6")
    session.call("Heartbeat", {}, 0.0)
    assert session.receive(f'[3,"1",{reply}]', 0.0) == [Answered(None, "Heartbeat", payload, (problem,))]  # type: ignore[arg-type]
    assert session.idle


@pytest.mark.parametrize("frame", ['[3,"1"]', '[3,"1",{"currentTime":"2026-01-01T00:00:00Z"},{}]'])
def test_an_answer_of_the_wrong_length_ends_the_call(frame: str) -> None:
    session = Session("station", "1.6")
    session.call("Heartbeat", {}, 0.0)
    (answered,) = session.receive(frame, 0.0)
    assert isinstance(answered, Answered) and answered.problems[0].code == "formation"
    assert session.idle


@pytest.mark.parametrize("frame", ['[4,"1"]', '[4,"1",5,{},[]]', '[4,"1","",null]'])
def test_an_error_without_its_parts_is_a_generic_error(frame: str) -> None:
    session = Session("csms", "1.6")
    session.call("ClearCache", {}, 0.0, context=7)
    assert session.receive(frame, 0.0) == [Refused(7, "ClearCache", "GenericError", "")]


def test_what_we_send_is_valid_or_our_bug_is_named() -> None:
    session = Session("station", "1.6")
    with pytest.raises(ValueError, match=r"our own Authorize.req breaks its OCPP 1.6 schema: \$: \"idTag\" is a req"):
        session.call("Authorize", {}, 0.0)
    with pytest.raises(ValueError, match=r"OCPP 1.6 has no action 'Nonsense'"):
        session.call("Nonsense", {}, 0.0)
    assert session.idle and session.outgoing() == []
    session.receive('[2,"x","Reset",{"type":"Hard"}]', 0.0)
    with pytest.raises(ValueError, match=r"our own Reset.conf breaks its OCPP 1.6 schema: \$.status"):
        session.answer("x", {"status": "Perhaps"})
    session.answer("x", {"status": "Accepted"})
    assert frames(session) == [[3, "x", {"status": "Accepted"}]]
    with pytest.raises(ValueError, match="no call 'x' of the peer is open"):
        session.answer("x", {"status": "Accepted"})


@pytest.mark.parametrize(
    ("version", "code", "written"),
    [
        ("1.6", "occurrence", "OccurenceConstraintViolation"),
        ("2.0.1", "occurrence", "OccurrenceConstraintViolation"),
        ("1.6", "formation", "FormationViolation"),
        ("2.0.1", "formation", "FormatViolation"),
        ("1.6", "NotSupported", "NotSupported"),
    ],
)
def test_refusing_spells_the_code_of_the_version(version: str, code: str, written: str) -> None:
    session = Session("station", version)
    session.receive('[2,"x","ClearCache",{}]', 0.0)
    session.refuse("x", code, "because")
    assert frames(session) == [[4, "x", written, "because", {}]]


def test_refusing_with_a_code_of_another_version_is_our_bug() -> None:
    session = Session("station", "1.6")
    session.receive('[2,"x","ClearCache",{}]', 0.0)
    with pytest.raises(ValueError, match=r"OCPP 1\.6 has no error code 'FormatViolation'"):
        session.refuse("x", "FormatViolation")


def test_two_sessions_talk() -> None:
    station, csms = Session("station", "2.0.1", prefix="s"), Session("csms", "2.0.1", prefix="c")
    station.call("Heartbeat", {}, 0.0, context="beat")
    csms.call("ClearCache", {}, 0.0, context="clear")
    for text in csms.outgoing():
        (called,) = station.receive(text, 0.1)
        station.answer(called.id, {"status": "Accepted"})  # type: ignore[union-attr]
    for text in station.outgoing():
        for happening in csms.receive(text, 0.2):
            if isinstance(happening, Answered):
                assert happening.context == "clear"
            else:
                csms.answer(happening.id, NOW)  # type: ignore[union-attr]
    (text,) = csms.outgoing()
    assert station.receive(text, 0.3) == [Answered("beat", "Heartbeat", NOW)]
    assert station.idle and csms.idle


def test_versions_and_prefixes_are_checked() -> None:
    with pytest.raises(ValueError, match="OCPP version '9' is not known here"):
        Session("csms", "9")
    with pytest.raises(ValueError, match="longer than 24 characters"):
        Session("csms", "1.6", prefix="p" * 25)
