"""Every message of every version, generated from its official schema: accepted, delivered or refused, read, written again.

`HYPOTHESIS_PROFILE=deep` tries a hundred payloads of each.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.payloads import least, payloads

from chargekit.model.calendar import Calendar
from chargekit.wire import VERSIONS, Codec, Unreadable, codec, schemas
from chargekit.wire.messages import Answer, Command, CommandReply, Fact, Other, OtherCommand
from chargekit.wire.session import Answered, Called, Sent, Session, Strange

CAL = Calendar(datetime(2026, 1, 1, tzinfo=UTC))
MESSAGES = [(version, action) for version in VERSIONS for action in sorted(schemas.actions(version))]
CALLS = [(version, action) for version, action in MESSAGES if action not in schemas.sends(version)]
some = settings(derandomize=True, deadline=None, max_examples=max(8, settings().max_examples // 15), database=None)

NOT_WRITTEN = re.compile(
    r"""meter\ values\ without\ a\ figure              # all that was told is outside the vocabulary
    | a\ metered\ figure\ of\ nan                      # a start or end without its register
    | 1\.6\ has\ no\ status\ Occupied                  # Reserved
    | run\ time\ \S+\ has\ no\ date                    # beyond the years 1 to 9999
    | transaction\ ''\ is\ not\ 1\ to\ 36              # named by nothing
    """,
    re.VERBOSE,
)


@cache
def strategy(version: str, action: str, kind: schemas.Kind) -> st.SearchStrategy[dict[str, Any]]:
    return payloads(version, action, kind)


def frame(*elements: object) -> str:
    return orjson.dumps(elements).decode()


def read(reader: Any, *given: object) -> Any:
    """What is read; None where it is Unreadable, with a code and a text that can be sent."""
    unread = Unreadable("", "")
    try:
        return reader(*given, CAL)
    except Unreadable as why:
        unread = why
    assert unread.code in ("formation", "occurrence", "property", "type")
    assert 0 < len(unread.text) < 400
    return None


def written(write: Any, *given: object) -> Any:
    """What is written; None where the vocabulary holds something that this version has no place for."""
    said = ""
    try:
        return write(*given, CAL)
    except ValueError as why:
        said = str(why)
    assert NOT_WRITTEN.match(said), said
    return None


@pytest.mark.parametrize(("version", "action"), MESSAGES)
@some
@given(data=st.data())
def test_a_valid_request_is_taken(version: str, action: str, data: Any) -> None:
    payload = orjson.loads(orjson.dumps(data.draw(strategy(version, action, "req"))))
    assert schemas.check(version, action, "req", payload) == []
    module = codec(version)
    sent = action in schemas.sends(version)
    for role, supported in (("station", module.COMMANDS), ("csms", None)):
        session = Session(role, version, lenient=False, supported=supported)  # type: ignore[arg-type]
        (got,) = session.receive(frame(6 if sent else 2, "a", action, payload), 0.0)
        if supported is None or action in supported:
            assert got == (Sent if sent else Called)("a", action, payload)
            assert session.outgoing() == []
        else:
            assert isinstance(got, Strange) and got.why.endswith(f"{action} is not supported")
            refused = [] if sent else [[4, "a", "NotSupported", f"{action} is not supported", {}]]
            assert [orjson.loads(text) for text in session.outgoing()] == refused
    again(version, action, module.read_fact, module.write_fact, payload, get_args(Fact), Other)
    again(version, action, module.read_command, module.write_command, payload, get_args(Command), OtherCommand)


def again(version: str, action: str, reader: Any, writer: Any, payload: Any, kinds: Any, other: type) -> None:
    """Read, written, and read once more: it stays what it was, but for figures that are rounded the first time."""
    fact = read(reader, action, payload)
    if fact is None:
        return
    assert isinstance(fact, kinds)
    if isinstance(fact, other):
        assert fact == other(action, payload)
        return
    told = written(writer, fact)
    if told is None:
        return
    assert schemas.check(version, told[0], "req", told[1]) == []
    once_more = reader(told[0], orjson.loads(orjson.dumps(told[1])), CAL)
    assert writer(once_more, CAL) == told


@pytest.mark.parametrize(("version", "action"), CALLS)
@some
@given(data=st.data())
def test_a_valid_response_is_taken(version: str, action: str, data: Any) -> None:
    payload = orjson.loads(orjson.dumps(data.draw(strategy(version, action, "conf"))))
    assert schemas.check(version, action, "conf", payload) == []
    asked = least(version, action, "req")
    for role in ("station", "csms"):
        session, peer = Session(role, version, lenient=False), Session("csms", version)  # type: ignore[arg-type]
        session.call(action, asked, 0.0, "mine")
        (text,) = session.outgoing()
        (called,) = peer.receive(text, 0.0)
        assert isinstance(called, Called) and called.problems == ()
        peer.answer(called.id, payload)
        (text,) = peer.outgoing()
        assert session.receive(text, 0.0) == [Answered("mine", action, payload)]
        assert session.idle and session.outgoing() == []
    module = codec(version)
    answers_again(module, action, asked, payload)
    replies_again(module, action, asked, payload)


def answers_again(module: Codec, action: str, asked: dict[str, Any], payload: dict[str, Any]) -> None:
    answer, fact = read(module.read_answer, action, payload), read(module.read_fact, action, asked)
    if answer is None or fact is None or isinstance(fact, Other):
        return
    assert isinstance(answer, get_args(Answer))
    told = written(module.write_answer, fact, answer)
    if told is not None:
        assert schemas.check(module.VERSION, action, "conf", told) == []
        assert module.write_answer(fact, module.read_answer(action, told, CAL), CAL) == told


def replies_again(module: Codec, action: str, asked: dict[str, Any], payload: dict[str, Any]) -> None:
    command = read(module.read_command, action, asked)
    if command is None:
        return
    reply = read(module.read_reply, command, payload)
    if reply is None or isinstance(command, OtherCommand):
        return
    assert isinstance(reply, get_args(CommandReply))
    told = written(module.write_reply, command, reply)
    if told is not None:
        assert schemas.check(module.VERSION, action, "conf", told) == []
        once_more = module.read_reply(command, told, CAL)
        assert written(module.write_reply, command, once_more) == told


def test_the_least_payload_of_every_message_is_valid() -> None:
    for version, action in CALLS:
        for kind in ("req", "conf"):
            assert schemas.check(version, action, kind, least(version, action, kind)) == [], (version, action, kind)
