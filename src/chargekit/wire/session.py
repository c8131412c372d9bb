"""OCPP-J as a sans-I/O session: framing and correlation for one station's link, either role.

Clauses: "J" is the OCPP-J 1.6 specification, "P4" part 4 of OCPP 2.0.1 and 2.1; all number their sections alike.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from . import schemas
from .happenings import Answered, AnswerRefused, Called, Garbled, Happening, Refused, Sent, Strange, Unanswered
from .schemas import Problem

__all__ = [
    "AnswerRefused",
    "Answered",
    "Called",
    "Garbled",
    "Happening",
    "Problem",
    "Refused",
    "Sent",
    "Session",
    "Strange",
    "Unanswered",
]

Role = Literal["station", "csms"]

_CODES_OF_2: Final = {
    "formation": "FormatViolation",
    "occurrence": "OccurrenceConstraintViolation",
    "property": "PropertyConstraintViolation",
    "type": "TypeConstraintViolation",
    "frame": "RpcFrameworkError",
}
CODES: Final[dict[str, dict[str, str]]] = {
    "1.6": {
        "formation": "FormationViolation",
        "occurrence": "OccurenceConstraintViolation",  # sic: the wire's spelling
        "property": "PropertyConstraintViolation",
        "type": "TypeConstraintViolation",
        "frame": "FormationViolation",
    },
    "2.0.1": _CODES_OF_2,
    "2.1": _CODES_OF_2,
}
"""Neutral problem code to the error code each version writes (J and P4 §4.2.3, §4.3)."""

_COMMON_CODES: Final = frozenset({"NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "GenericError"})
_CODES_OF_RPC: Final = frozenset({"RpcFrameworkError", "MessageTypeNotSupported"})
_EXTRA_CODES: Final = {"1.6": frozenset[str](), "2.0.1": _CODES_OF_RPC, "2.1": _CODES_OF_RPC}
_WITH_MORE_TYPES: Final = frozenset({"2.1"})
"""The versions that know CALLRESULTERROR (5) and SEND (6)."""

LONGEST_FRAME: Final = 1 << 20
"""Characters; a longer frame is not parsed."""
DEEPEST: Final = 50
"""Levels of nesting; OCPP needs about ten, and whoever stores a payload must be able to write it again."""
LONGEST_ID: Final = 36
_LONGEST_ECHO: Final = 255
_LONGEST_NOTE: Final = 500
_REMEMBERED: Final = 32
_UNREADABLE_ID: Final = "-1"


@dataclass(slots=True)
class _Call:
    id: str
    action: str
    frame: str
    context: object
    deadline: float = 0.0


class Session:
    """One link's calls, both ways. One call of ours is in flight at a time; more wait in order.

    `prefix` starts every message id; ids must never repeat for a station, so give each life (power cycle) its own,
    at most 24 characters. A Session may outlive its connection: `lost` clears it, ids go on counting. The strict side
    (default for a station) refuses an invalid call by itself, in 2.1 an invalid answer too; the lenient side (default
    for a csms) delivers whatever is an object for a known action, with its problems. `supported`: the known actions not
    in it are refused with NotSupported (default: all are delivered).
    """

    def __init__(
        self,
        role: Role,
        version: str,
        *,
        prefix: str = "",
        call_timeout_s: float = 30.0,
        lenient: bool | None = None,
        supported: frozenset[str] | None = None,
    ) -> None:
        if version not in CODES:
            raise ValueError(f"OCPP version {version!r} is not known here (known: {', '.join(CODES)})")
        if len(prefix) > 24:
            raise ValueError(f"message id prefix {prefix!r} is longer than 24 characters")
        self.role, self.version = role, version
        self.lenient = role == "csms" if lenient is None else lenient
        self._prefix, self._timeout_s, self._supported = prefix, call_timeout_s, supported
        self._sends = schemas.sends(version)
        self._known = schemas.actions(version) - self._sends
        self._more_types = version in _WITH_MORE_TYPES
        self._clause = "J" if version == "1.6" else "P4"
        self._count = 0
        self._in_flight: _Call | None = None
        self._waiting: deque[_Call] = deque()
        self._asked: dict[str, str] = {}
        self._given_up: deque[str] = deque(maxlen=_REMEMBERED)
        self._replies: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._told: deque[str] = deque(maxlen=_REMEMBERED)
        self._out: list[str] = []

    # --- ours -------------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """No call of ours in flight or waiting."""
        return self._in_flight is None and not self._waiting

    @property
    def due(self) -> float | None:
        """When the call in flight times out."""
        return self._in_flight.deadline if self._in_flight else None

    def outgoing(self) -> list[str]:
        """The frames to send now, in order; each is given once."""
        if not self._out:
            return []
        frames, self._out = self._out, []
        return frames

    def call(self, action: str, payload: dict[str, Any], now: float, context: object = None) -> None:
        """Call the peer, when the calls before it are done (§4.1.1). `context` comes back with the outcome.

        ValueError names the problem if the payload breaks its schema: what we send is always valid.
        """
        if action in self._sends:
            raise ValueError(f"{action} of OCPP {self.version} is no call: send it")
        self._insist(action, "req", payload)
        self._count += 1
        ident = f"{self._prefix}{self._count}"
        self._waiting.append(_Call(ident, action, _encode([2, ident, action, payload]), context))
        self._send_next(now)

    def send(self, action: str, payload: dict[str, Any]) -> None:
        """Tell the peer something that nothing answers (2.1 SEND, P4 §4.2.4), at once whatever is in flight.

        ValueError if the payload breaks its schema or the version has no such SEND.
        """
        if action not in self._sends:
            raise ValueError(f"OCPP {self.version} has no {action!r} that goes as SEND")
        self._insist(action, "req", payload)
        self._count += 1
        self._out.append(_encode([6, f"{self._prefix}{self._count}", action, payload]))

    def answer(self, id: str, payload: dict[str, Any]) -> None:
        """Answer the peer's call. ValueError if the payload breaks its schema or no such call is open."""
        action = self._open(id)
        self._insist(action, "conf", payload)
        frame = _encode([3, id, payload])
        del self._asked[id]
        if self._more_types:
            self._replies.append((id, action))
        self._out.append(frame)

    def refuse(self, id: str, code: str, description: str = "") -> None:
        """Answer the peer's call with a CALLERROR. `code`: an error code of this version, or a neutral one
        (`formation`, `property`, `occurrence`, `type`). ValueError for another code or if no such call is open."""
        spelled = CODES[self.version].get(code, code)
        if spelled not in _COMMON_CODES | _EXTRA_CODES[self.version] | set(CODES[self.version].values()):
            raise ValueError(f"OCPP {self.version} has no error code {code!r}")
        self._open(id)
        del self._asked[id]
        self._error(id, spelled, description)

    def expire(self, now: float) -> list[Happening]:
        """Give up the call in flight if its time is over, and send the next."""
        call = self._in_flight
        if call is None or now < call.deadline:
            return []
        self._given_up.append(call.id)
        self._in_flight = None
        self._send_next(now)
        return [Unanswered(call.context, call.action, "timeout")]

    def lost(self, now: float) -> list[Happening]:
        """The connection is gone: every call of ours comes back, oldest first; the peer's open calls are forgotten."""
        sent = [self._in_flight] if self._in_flight else []
        gone: list[Happening] = [Unanswered(call.context, call.action, "lost") for call in sent]
        gone += [Unanswered(call.context, call.action, "lost", sent=False) for call in self._waiting]
        self._given_up.extend(call.id for call in sent)
        self._in_flight = None
        for kept in (self._waiting, self._asked, self._replies, self._told, self._out):
            kept.clear()
        return gone

    # --- the peer's -------------------------------------------------------------------------------------------------

    def receive(self, text: str, now: float) -> list[Happening]:
        """Take one text frame. Never raises, whatever the peer sends."""
        if len(text) > LONGEST_FRAME:
            return self._unreadable(text, f"longer than {LONGEST_FRAME} characters")
        try:
            frame = orjson.loads(text)
        except ValueError as why:
            return self._unreadable(text, f"not JSON: {why}")
        if text.count("{") + text.count("[") > DEEPEST and _depth_over(frame, DEEPEST):
            if self._more_types and isinstance(frame, list) and frame[0] == 6:
                return [self._garbled(text, f"nested deeper than {DEEPEST}", "4.2.4")]
            return self._unreadable(text, f"nested deeper than {DEEPEST}")
        if not isinstance(frame, list) or not frame:
            return self._unreadable(text, "not a JSON array with a message type")
        kind = frame[0]
        if kind == 2:
            return self._called(frame, text)
        if kind == 3:
            return self._answered(frame, text, now)
        if kind == 4:
            return self._refused(frame, text, now)
        if self._more_types and kind == 6:
            return self._sent(frame, text)
        if self._more_types and kind == 5:
            return self._answer_refused(frame, text)
        return self._unknown_type(frame, text)

    def _called(self, frame: list[Any], text: str) -> list[Happening]:
        ident = frame[1] if len(frame) > 1 else None
        if not isinstance(ident, str) or not 0 < len(ident) <= _LONGEST_ECHO:
            return self._unreadable(text, "a call without a readable message id")
        fault = _call_fault(frame)
        if fault and (len(frame) < 4 or not self.lenient or not isinstance(frame[2], str)):
            return self._garbled_call(ident, text, fault)
        action, payload = frame[2], {} if frame[3] is None else frame[3]  # §4.2.1: null is an empty payload
        if ident in self._asked:
            return self._repeated(ident, action)
        if action not in self._known:
            what = "goes as SEND in" if action in self._sends else "is not an action of"
            return self._turn_down(ident, action, "NotImplemented", f"{action[:60]} {what} OCPP {self.version}")
        if self._supported is not None and action not in self._supported:
            return self._turn_down(ident, action, "NotSupported", f"{action} is not supported")
        if not isinstance(payload, dict):
            return self._garbled_call(ident, text, "the payload is not a JSON object", "formation")
        problems = schemas.check(self.version, action, "req", payload)
        if fault:
            problems.insert(0, Problem("formation", "$", fault))
        if problems and not self.lenient:
            return self._turn_down(ident, action, problems[0].code, str(problems[0]), tuple(problems))
        notes: list[Happening] = []
        if self._asked:
            notes.append(self._strange(ident, action, "called before its last call was answered", "4.1.1"))
        self._asked[ident] = action
        return [*notes, Called(ident, action, payload, tuple(problems))]

    def _answered(self, frame: list[Any], text: str, now: float) -> list[Happening]:
        call = self._replied(frame)
        if isinstance(call, Strange):
            return [call]
        if call is None:
            return [self._garbled(text, "a result without a readable message id", "4.2.2")]
        payload: object = frame[2] if len(frame) > 2 else "missing"
        problems = [] if len(frame) == 3 else [Problem("formation", "$", f"{len(frame)} elements, not 3")]
        payload = {} if payload is None else payload
        problems += schemas.check(self.version, call.action, "conf", payload)
        if problems and self._more_types and not self.lenient:
            code = problems[0].code if len(frame) == 3 else "frame"
            self._error(call.id, CODES[self.version][code], str(problems[0]), 5)
        self._finish(now)
        return [Answered(call.context, call.action, payload if isinstance(payload, dict) else {}, tuple(problems))]

    def _refused(self, frame: list[Any], text: str, now: float) -> list[Happening]:
        call = self._replied(frame)
        if isinstance(call, Strange):
            return [call]
        if call is None:
            return [self._garbled(text, "an error without a readable message id", "4.2.3")]
        self._finish(now)
        return [Refused(call.context, call.action, *_reasons(frame))]

    def _sent(self, frame: list[Any], text: str) -> list[Happening]:
        """A SEND, whatever is wrong with it, is never answered (P4 §4.2.4); what can't be used is ignored."""
        ident = frame[1] if len(frame) > 1 else None
        if not isinstance(ident, str) or not 0 < len(ident) <= _LONGEST_ECHO:
            return [self._garbled(text, "a SEND without a readable message id", "4.2.4")]
        fault = _call_fault(frame, "SEND")
        if fault and (len(frame) < 4 or not self.lenient or not isinstance(frame[2], str)):
            return [self._garbled(text, fault, "4.2.4")]
        action, payload = frame[2], {} if frame[3] is None else frame[3]
        if ident in self._told:
            return [self._strange(ident, action, "ignored: the message id of an earlier SEND", "4.1.4")]
        if action not in self._sends:
            return [self._strange(ident, action, f"ignored: {action[:60]} is no SEND of OCPP {self.version}", "4.2.4")]
        if self._supported is not None and action not in self._supported:
            return [self._strange(ident, action, f"ignored: {action} is not supported", "4.2.4")]
        problems = tuple(schemas.check(self.version, action, "req", payload))
        if fault:
            problems = (Problem("formation", "$", fault), *problems)
        if not isinstance(payload, dict) or (problems and not self.lenient):
            return [Strange(ident[:_LONGEST_ECHO], action, f"ignored: {problems[0]}", f"{self._clause} §4.2.4", problems)]
        self._told.append(ident)
        return [Sent(ident, action, payload, problems)]

    def _answer_refused(self, frame: list[Any], text: str) -> list[Happening]:
        """A CALLRESULTERROR is for an answer of ours, and never answered itself (P4 §4.2.3)."""
        ident = frame[1] if len(frame) > 1 else None
        if not isinstance(ident, str):
            return [self._garbled(text, "an error without a readable message id", "4.2.3")]
        for reply in self._replies:
            if reply[0] == ident:
                self._replies.remove(reply)
                return [AnswerRefused(ident, reply[1], *_reasons(frame))]
        return [self._strange(ident, "", "an error about no answer of ours", "4.1.4")]

    def _replied(self, frame: list[Any]) -> _Call | Strange | None:
        """The call a reply is for; Strange when it is for none; None when that cannot be read."""
        ident = frame[1] if len(frame) > 1 else None
        if not isinstance(ident, str):
            return None
        if self._in_flight and self._in_flight.id == ident:
            return self._in_flight
        if ident in self._given_up:
            return self._strange(ident, "", "a reply to a call given up before", "4.1.1")
        if frame[0] == 4 and ident == _UNREADABLE_ID:
            code = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else ""
            return self._strange(ident, "", f"the peer could not read a frame of ours: {code[:60]}", "4.2.3")
        return self._strange(ident, "", "a reply to no call of ours", "4.1.4")

    # --- faults -----------------------------------------------------------------------------------------------------

    def _unreadable(self, text: str, why: str) -> list[Happening]:
        """2.x answers with message id "-1" (P4 §4.2.3); 1.6 knows no such id, so silence."""
        if self.version != "1.6":
            self._error(_UNREADABLE_ID, "RpcFrameworkError", why)
        return [self._garbled(text, why, "4.2.3" if self.version != "1.6" else "4.2")]

    def _unknown_type(self, frame: list[Any], text: str) -> list[Happening]:
        """1.6 ignores it (J §4.1.3); 2.x says so (P4 §4.4 of 2.0.1; 2.1 keeps the code in §4.3)."""
        kind = frame[0] if isinstance(frame[0], (int, float)) else "that is no number"
        ident = frame[1] if len(frame) > 1 and isinstance(frame[1], str) and len(frame[1]) <= _LONGEST_ECHO else ""
        why = f"message type {kind} is unknown"
        if self.version == "1.6":
            return [self._garbled(text, why, "4.1.3")]
        self._error(ident or _UNREADABLE_ID, "MessageTypeNotSupported", why)
        return [self._garbled(text, why, "4.4")]

    def _garbled_call(self, ident: str, text: str, why: str, code: str = "frame") -> list[Happening]:
        if ident not in self._asked:
            self._error(ident, CODES[self.version][code], why)
        return [self._garbled(text, why, "4.2.1")]

    def _repeated(self, ident: str, action: str) -> list[Happening]:
        """The lenient side lets one answer serve both (a 1.6 retry may keep its id, J errata 3.1)."""
        if not self.lenient:
            self._error(ident, "GenericError" if self.version == "1.6" else "RpcFrameworkError", "message id in use")
        return [self._strange(ident, action, "the message id of a call still being handled", "4.2.3")]

    def _turn_down(self, ident: str, action: str, code: str, why: str, problems: tuple[Problem, ...] = ()) -> list[Happening]:
        spelled = CODES[self.version].get(code, code)
        self._error(ident, spelled, why)
        return [Strange(ident[:_LONGEST_ECHO], action[:60], f"refused with {spelled}: {why}", f"{self._clause} §4.2.3", problems)]

    def _strange(self, ident: str, action: str, why: str, section: str) -> Strange:
        return Strange(ident[:_LONGEST_ECHO], action[:60], why, f"{self._clause} §{section}")

    def _garbled(self, text: str, why: str, section: str) -> Garbled:
        return Garbled(_printable(text), why, f"{self._clause} §{section}")

    # --- inside -----------------------------------------------------------------------------------------------------

    def _insist(self, action: str, kind: schemas.Kind, payload: dict[str, Any]) -> None:
        problems = schemas.check(self.version, action, kind, payload)
        if problems:
            raise ValueError(f"our own {action}.{kind} breaks its OCPP {self.version} schema: {problems[0]}")

    def _open(self, ident: str) -> str:
        action = self._asked.get(ident)
        if action is None:
            raise ValueError(f"no call {ident[:LONGEST_ID]!r} of the peer is open")
        return action

    def _error(self, ident: str, code: str, description: str, kind: Literal[4, 5] = 4) -> None:
        self._out.append(_encode([kind, ident, code, _printable(description)[:255], {}]))

    def _finish(self, now: float) -> None:
        self._in_flight = None
        self._send_next(now)

    def _send_next(self, now: float) -> None:
        if self._in_flight is None and self._waiting:
            call = self._in_flight = self._waiting.popleft()
            call.deadline = now + self._timeout_s
            self._out.append(call.frame)


def _call_fault(frame: list[Any], what: str = "call") -> str:
    """What is wrong with the frame of a call or SEND apart from its payload (§4.2.1, §4.2.4)."""
    if len(frame) < 4:
        return f"a {what} has 4 elements, this has {len(frame)}"
    if not isinstance(frame[2], str):
        return "the action is not text"
    if len(frame) > 4:
        return f"a {what} has 4 elements, this has {len(frame)}"
    return f"the message id is longer than {LONGEST_ID} characters" if len(frame[1]) > LONGEST_ID else ""


def _reasons(frame: list[Any]) -> tuple[str, str]:
    """The code and description of a CALLERROR or CALLRESULTERROR, cut short; GenericError where there is no code."""
    code = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else ""
    description = frame[3] if len(frame) > 3 and isinstance(frame[3], str) else ""
    return code[:_LONGEST_ECHO] or "GenericError", description[:_LONGEST_ECHO]


def _depth_over(value: object, most: int) -> bool:
    """Whether lists and objects are nested deeper than `most`."""
    level: list[object] = [value]
    for _ in range(most + 1):
        inner: list[object] = []
        for node in level:
            if isinstance(node, list):
                inner += [child for child in node if isinstance(child, (list, dict))]
            elif isinstance(node, dict):
                inner += [child for child in node.values() if isinstance(child, (list, dict))]
        if not inner:
            return False
        level = inner
    return True


def _encode(frame: list[Any]) -> str:
    try:
        return orjson.dumps(frame).decode()
    except (TypeError, RecursionError) as why:
        raise ValueError(f"our own frame is not JSON: {why}") from None


def _printable(text: str) -> str:
    """The start of a text, lone surrogates replaced, so that it can be stored as JSON."""
    return text[:_LONGEST_NOTE].encode("utf-8", "backslashreplace").decode()
