"""Every malformed frame and its specified answer, per version and side; what 2.1 does otherwise is in test_wire_conduct."""

from __future__ import annotations

import orjson
import pytest

from chargekit.wire.session import LONGEST_FRAME, Called, Garbled, Session, Strange

SILENCE: list[object] = []


def answered(version: str, text: str, role: str = "station") -> tuple[list[tuple[str, str]], list[str]]:
    """(id, code) of each CALLERROR sent for a frame, and the kinds of happenings."""
    session = Session(role, version)  # type: ignore[arg-type]
    kinds = [type(h).__name__ for h in session.receive(text, 0.0)]
    errors = [orjson.loads(frame) for frame in session.outgoing()]
    assert all(len(e) == 5 and e[0] == 4 and len(e[3]) <= 255 and e[4] == {} for e in errors)
    return [(e[1], e[2]) for e in errors], kinds


LONG_ID = "i" * 37

# text, what 1.6 answers, what 2.0.1 answers (and 2.1, unless the type is 5 or 6)
UNREADABLE = [
    ("", [], [("-1", "RpcFrameworkError")]),
    ("hello", [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{}', [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{"x":NaN}]', [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{"x":1e999}]', [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{"x":' + "9" * 400 + "}]", [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{"x":"\\ud800"}]', [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{"x":"\ud800"}]', [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",' + "[" * 5000 + "]" * 5000 + "]", [], [("-1", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",' + '{"x":' * 60 + "1" + "}" * 60 + "]", [], [("-1", "RpcFrameworkError")]),
    ("[" + " " * LONGEST_FRAME + "]", [], [("-1", "RpcFrameworkError")]),
    ("null", [], [("-1", "RpcFrameworkError")]),
    ("{}", [], [("-1", "RpcFrameworkError")]),
    ("[]", [], [("-1", "RpcFrameworkError")]),
    ("[2]", [], [("-1", "RpcFrameworkError")]),
    ('[2,5,"Heartbeat",{}]', [], [("-1", "RpcFrameworkError")]),
    ('[2,null,"Heartbeat",{}]', [], [("-1", "RpcFrameworkError")]),
    ('[2,"","Heartbeat",{}]', [], [("-1", "RpcFrameworkError")]),
    (f'[2,"{"i" * 256}","Heartbeat",{{}}]', [], [("-1", "RpcFrameworkError")]),
]
TYPES = [
    ('[1,"a","Heartbeat",{}]', [], [("a", "MessageTypeNotSupported")]),
    ('[5,"a","FormatViolation","",{}]', [], [("a", "MessageTypeNotSupported")]),
    ('[6,"a","NotifyPeriodicEventStream",{}]', [], [("a", "MessageTypeNotSupported")]),
    ("[7]", [], [("-1", "MessageTypeNotSupported")]),
    ("[7,{}]", [], [("-1", "MessageTypeNotSupported")]),
    ("[true]", [], [("-1", "MessageTypeNotSupported")]),
    ('["2","a","Heartbeat",{}]', [], [("a", "MessageTypeNotSupported")]),
    ("[[[]]]", [], [("-1", "MessageTypeNotSupported")]),
]
CALLS = [  # refused by the strict and by the lenient side
    ('[2,"a"]', [("a", "FormationViolation")], [("a", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat"]', [("a", "FormationViolation")], [("a", "RpcFrameworkError")]),
    ('[2,"a",7,{}]', [("a", "FormationViolation")], [("a", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",[]]', [("a", "FormationViolation")], [("a", "FormatViolation")]),
    ('[2,"a","Heartbeat","{}"]', [("a", "FormationViolation")], [("a", "FormatViolation")]),
    ('[2,"a","Heartbeat",0]', [("a", "FormationViolation")], [("a", "FormatViolation")]),
    ('[2,"a","heartbeat",{}]', [("a", "NotImplemented")], [("a", "NotImplemented")]),
    ('[2,"a","Nonsense",{}]', [("a", "NotImplemented")], [("a", "NotImplemented")]),
    ('[2,"a","NotifyDERAlarm",{}]', [("a", "NotImplemented")], [("a", "NotImplemented")]),
]
STRICT = [  # refused by the strict side, delivered with problems by the lenient side
    (f'[2,"{LONG_ID}","Heartbeat",{{}}]', [(LONG_ID, "FormationViolation")], [(LONG_ID, "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{},1]', [("a", "FormationViolation")], [("a", "RpcFrameworkError")]),
    ('[2,"a","Heartbeat",{"x":1}]', [("a", "FormationViolation")], [("a", "FormatViolation")]),
    ('[2,"a","Reset",{}]', [("a", "OccurenceConstraintViolation")], [("a", "OccurrenceConstraintViolation")]),
    ('[2,"a","Reset",{"type":7}]', [("a", "TypeConstraintViolation")], [("a", "TypeConstraintViolation")]),
    ('[2,"a","Reset",{"type":"x"}]', [("a", "PropertyConstraintViolation")], [("a", "PropertyConstraintViolation")]),
    ('[2,"a","Reset",{"type":null}]', [("a", "TypeConstraintViolation")], [("a", "TypeConstraintViolation")]),
]
REPLIES = [  # never answered, whatever is wrong with them: no loops
    "[3]", "[4]", "[3,5,{}]", "[4,null]", '[3,"nobody",{}]', '[4,"nobody","GenericError","",{}]', '[4,"-1","X","",{}]',
    '[3,"nobody"]', '[3,"nobody",[],1,2]', '[4,"nobody"]', "[4,[]]",
]  # fmt: skip


@pytest.mark.parametrize("role", ["station", "csms"])
@pytest.mark.parametrize(("text", "in_16", "in_201"), UNREADABLE + TYPES + CALLS)
def test_a_malformed_frame_gets_its_answer(text: str, in_16: list[object], in_201: list[object], role: str) -> None:
    for version, expected in (("1.6", in_16), ("2.0.1", in_201), ("2.1", in_201)):
        if version == "2.1" and (text.startswith(("[5", "[6")) or "NotifyDERAlarm" in text):
            continue
        errors, kinds = answered(version, text, role)
        assert errors == expected, version
        assert len(kinds) == 1 and kinds[0] in ("Garbled", "Strange"), version


@pytest.mark.parametrize(("text", "in_16", "in_201"), STRICT)
def test_the_strict_side_refuses_and_the_lenient_side_delivers(text: str, in_16: object, in_201: object) -> None:
    for version, expected in (("1.6", in_16), ("2.0.1", in_201), ("2.1", in_201)):
        assert answered(version, text)[0] == expected, version
        lenient = Session("csms", version)
        (called,) = lenient.receive(text, 0.0)
        assert isinstance(called, Called) and called.problems, version
        assert lenient.outgoing() == [], version


@pytest.mark.parametrize("text", REPLIES)
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_bad_reply_is_never_answered(version: str, text: str) -> None:
    errors, kinds = answered(version, text)
    assert errors == SILENCE
    assert kinds in (["Garbled"], ["Strange"])


def test_a_null_payload_counts_as_empty() -> None:
    for version in ("1.6", "2.0.1", "2.1"):
        assert Session("station", version).receive('[2,"a","ClearCache",null]', 0.0) == [Called("a", "ClearCache", {})]


def test_known_but_unsupported_is_not_supported() -> None:
    session = Session("station", "1.6", supported=frozenset({"Reset"}))
    (strange,) = session.receive('[2,"a","ClearCache",{}]', 0.0)
    assert strange == Strange("a", "ClearCache", "refused with NotSupported: ClearCache is not supported", "J §4.2.3")
    assert session.outgoing() == ['[4,"a","NotSupported","ClearCache is not supported",{}]']


def test_the_words_name_fault_and_clause() -> None:
    (garbled,) = Session("csms", "2.0.1").receive("[2]", 0.0)
    assert garbled == Garbled("[2]", "a call without a readable message id", "P4 §4.2.3")
    (garbled,) = Session("csms", "1.6").receive('[6,"a"]', 0.0)
    assert garbled == Garbled('[6,"a"]', "message type 6 is unknown", "J §4.1.3")
    (refused,) = Session("station", "1.6").receive('[2,"a","Reset",{"type":"x"}]', 0.0)
    assert isinstance(refused, Strange)
    assert refused.why == 'refused with PropertyConstraintViolation: $.type: "x" is not one of "Hard" or "Soft"'


def test_a_garbled_text_can_be_stored() -> None:
    (garbled,) = Session("csms", "1.6").receive("\ud800" * 9999, 0.0)
    assert isinstance(garbled, Garbled)
    assert orjson.dumps(garbled.text) and len(garbled.text) <= 500 * 6


@pytest.mark.parametrize("role", ["station", "csms"])
def test_a_message_id_in_use(role: str) -> None:
    session = Session(role, "2.0.1")  # type: ignore[arg-type]
    session.receive('[2,"a","Heartbeat",{}]', 0.0)
    (strange,) = session.receive('[2,"a","Heartbeat",{}]', 1.0)
    assert isinstance(strange, Strange) and strange.why == "the message id of a call still being handled"
    expected = ['[4,"a","RpcFrameworkError","message id in use",{}]'] if role == "station" else []
    assert session.outgoing() == expected


def test_a_second_call_before_the_answer_is_delivered_and_noted() -> None:
    session = Session("csms", "2.0.1")
    session.receive('[2,"a","Heartbeat",{}]', 0.0)
    strange, called = session.receive('[2,"b","Heartbeat",{}]', 0.0)
    assert isinstance(strange, Strange) and strange.clause == "P4 §4.1.1"
    assert called == Called("b", "Heartbeat", {})
