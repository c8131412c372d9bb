"""The conduct of a link in one table: what stands, what comes in, and for each version what goes out and what is reported.

An answer is written `id code` (a CALLERROR), `5 id code` (a CALLRESULTERROR) or "" (silence). `lenient` is what the lenient
side answers and reports where it differs from the strict one. Call ids of ours are "1", "2", ...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chargekit.wire.session import LONGEST_FRAME

State = Literal["fresh", "asked", "answered", "calling", "given up", "done", "told", "narrow"]
"""fresh: nothing happened. asked: the peer's call "a" (Heartbeat) is open. answered: it was answered. calling: our call "1" of a
DataTransfer is in flight. given up: it was, and timed out. done: it was answered. told: the peer sent a SEND "a" (2.1). narrow:
as fresh, with nothing but Heartbeat supported."""


@dataclass(frozen=True)
class Expected:
    """`happened`: kinds of happenings, in order; `why`: how the first one's reason, code or problem begins."""

    answer: str
    happened: str
    why: str = ""


@dataclass(frozen=True)
class Row:
    """A frame that comes in while `state` holds, and what is expected of each version; `lenient` by version, where it differs."""

    name: str
    state: State
    text: str
    in_16: Expected
    in_201: Expected
    in_21: Expected
    lenient: dict[str, Expected]

    def expected(self, version: str, lenient: bool) -> Expected:
        if lenient and version in self.lenient:
            return self.lenient[version]
        return {"1.6": self.in_16, "2.0.1": self.in_201, "2.1": self.in_21}[version]


E = Expected
SILENT = ""
LONG = "i" * 37
DEEP = '{"x":' * 60 + "1" + "}" * 60
TELLS = '{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z","data":[{"t":0.5,"v":"230.4"}]}'
RPC = "-1 RpcFrameworkError"


def row(
    name: str, text: str, in_16: Expected, in_201: Expected, in_21: Expected | None = None, *,
    state: State = "fresh", lenient: Expected | dict[str, Expected] | None = None,
) -> Row:  # fmt: skip
    if isinstance(lenient, Expected):
        lenient = dict.fromkeys(("1.6", "2.0.1", "2.1"), lenient)
    return Row(name, state, text, in_16, in_201, in_21 or in_201, lenient or {})


def unreadable(name: str, text: str, why: str) -> Row:
    """1.6 knows no id to answer with; 2.x has "-1" (P4 §4.2.3)."""
    return row(name, text, E(SILENT, "Garbled", why), E(RPC, "Garbled", why))


def of_21(name: str, text: str, in_21: Expected, state: State = "fresh", lenient: Expected | None = None, ident: str = "a") -> Row:
    """Types 5 and 6, which 1.6 ignores (J §4.1.3) and 2.0.1 does not support (P4 §4.4)."""
    kind = f"message type {text[1]} is unknown"
    in_201 = E(f"{ident} MessageTypeNotSupported", "Garbled", kind)
    return row(name, text, E(SILENT, "Garbled", kind), in_201, in_21, state=state, lenient={"2.1": lenient} if lenient else None)


def refused(name: str, text: str, codes: tuple[str, str], why: str, kind: str = "Strange", lenient: Expected | None = None) -> Row:
    """A call that gets a CALLERROR: its code in 1.6, and in 2.x."""
    old, new = (E(f"a {code}", kind, f"refused with {code}: {why}" if kind == "Strange" else why) for code in codes)
    return row(name, text, old, new, lenient=lenient)


FORMATION = ("FormationViolation", "FormatViolation")
OCCURRENCE = ("OccurenceConstraintViolation", "OccurrenceConstraintViolation")
FRAME = ("FormationViolation", "RpcFrameworkError")
TYPE = ("TypeConstraintViolation", "TypeConstraintViolation")
PROPERTY = ("PropertyConstraintViolation", "PropertyConstraintViolation")
UNKNOWN = ("NotImplemented", "NotImplemented")
NO_BODY = "a call without a readable message id"
DELIVERED = E(SILENT, "Called")
LATE = E(SILENT, "Strange", "a reply to a call given up before")
NOBODYS = E(SILENT, "Strange", "a reply to no call of ours")

ROWS = [
    # malformed
    unreadable("nothing", "", "not JSON"),
    unreadable("no JSON", "hello", "not JSON"),
    unreadable("cut short", '[2,"a","Heartbeat",{}', "not JSON"),
    unreadable("not a number", '[2,"a","Heartbeat",{"x":NaN}]', "not JSON"),
    unreadable("half a surrogate", '[2,"a","Heartbeat",{"x":"\ud800"}]', "not JSON"),
    unreadable("an object", '{"2":"a"}', "not a JSON array with a message type"),
    unreadable("an empty list", "[]", "not a JSON array with a message type"),
    unreadable("a type alone", "[2]", NO_BODY),
    unreadable("an id that is a number", '[2,5,"Heartbeat",{}]', NO_BODY),
    unreadable("an empty id", '[2,"","Heartbeat",{}]', NO_BODY),
    unreadable("an id beyond echo", f'[2,"{"i" * 256}","Heartbeat",{{}}]', NO_BODY),
    refused("a call without its payload", '[2,"a","Heartbeat"]', FRAME, "a call has 4 elements, this has 3", "Garbled"),
    refused("an action that is no text", '[2,"a",7,{}]', FRAME, "the action is not text", "Garbled"),
    refused("a payload that is a list", '[2,"a","Heartbeat",[]]', FORMATION, "the payload is not a JSON object", "Garbled"),
    refused("a fifth element", '[2,"a","Heartbeat",{},1]', FRAME, "a call has 4 elements, this has 5", "Garbled", DELIVERED),
    row("an id of 37", f'[2,"{LONG}","Heartbeat",{{}}]',
        E(f"{LONG} FormationViolation", "Garbled", "the message id is longer than 36"),
        E(f"{LONG} RpcFrameworkError", "Garbled", "the message id is longer than 36"), lenient=DELIVERED),
    # oversized
    unreadable("a frame of a mebibyte", "[" + " " * LONGEST_FRAME + "]", "longer than"),
    unreadable("an abyss", f'[2,"a","Heartbeat",{DEEP}]', "nested deeper than 50"),
    row("an abyss to SEND", f'[6,"a","NotifyPeriodicEventStream",{DEEP}]', E(SILENT, "Garbled", "nested deeper than 50"),
        E(RPC, "Garbled", "nested deeper than 50"), E(SILENT, "Garbled", "nested deeper than 50")),
    # unknown types and actions
    row("type 1", '[1,"a","Heartbeat",{}]', E(SILENT, "Garbled", "message type 1"), E("a MessageTypeNotSupported", "Garbled", "message")),
    row("type 7", "[7]", E(SILENT, "Garbled", "message type 7"), E("-1 MessageTypeNotSupported", "Garbled", "message type 7")),
    row("type true", "[true]", E(SILENT, "Garbled", "message type"), E("-1 MessageTypeNotSupported", "Garbled", "message type")),
    row("a type in text", '["2","a"]', E(SILENT, "Garbled", "message type"), E("a MessageTypeNotSupported", "Garbled", "message type")),
    refused("no action", '[2,"a","Nonsense",{}]', UNKNOWN, "Nonsense is not an action of OCPP"),
    refused("an action in small letters", '[2,"a","heartbeat",{}]', UNKNOWN, "heartbeat is not an action of OCPP"),
    row("an action of 1.6", '[2,"a","GetConfiguration",{}]', DELIVERED, E("a NotImplemented", "Strange", "refused with NotImplemented")),
    row("an action of 2.x", '[2,"a","GetBaseReport",{"requestId":1,"reportBase":"FullInventory"}]',
        E("a NotImplemented", "Strange", "refused with NotImplemented"), DELIVERED),
    row("an action of 2.1", '[2,"a","ClosePeriodicEventStream",{"id":1}]', E("a NotImplemented", "Strange", "refused with"),
        E("a NotImplemented", "Strange", "refused with"), DELIVERED),
    row("what goes as SEND, called", f'[2,"a","NotifyPeriodicEventStream",{TELLS}]', E("a NotImplemented", "Strange", "refused with"),
        E("a NotImplemented", "Strange", "refused with"),
        E("a NotImplemented", "Strange", "refused with NotImplemented: NotifyPeriodicEventStream goes as SEND in OCPP 2.1")),
    row("what is not supported", '[2,"a","Reset",{"type":"x"}]', E("a NotSupported", "Strange", "refused with NotSupported: Reset is"),
        E("a NotSupported", "Strange", "refused with NotSupported: Reset is"), state="narrow"),
    # mistyped
    refused("a field missing", '[2,"a","Reset",{}]', OCCURRENCE, '$: "type" is a required', lenient=DELIVERED),
    refused("a number for a word", '[2,"a","Reset",{"type":7}]', TYPE, "$.type: 7 is not of type", lenient=DELIVERED),
    refused("a word nobody knows", '[2,"a","Reset",{"type":"x"}]', PROPERTY, '$.type: "x" is not one of', lenient=DELIVERED),
    refused("a field nobody knows", '[2,"a","Heartbeat",{"x":1}]', FORMATION, "$: Additional properties", lenient=DELIVERED),
    row("null for nothing", '[2,"a","Heartbeat",null]', DELIVERED, DELIVERED),
    # duplicated
    row("an id in use", '[2,"a","Heartbeat",{}]', E("a GenericError", "Strange", "the message id of a call still being"),
        E("a RpcFrameworkError", "Strange", "the message id of a call still being"), state="asked",
        lenient=E(SILENT, "Strange", "the message id of a call still being")),
    row("a second call", '[2,"b","Heartbeat",{}]', E(SILENT, "Strange Called", "called before its last call was answered"),
        E(SILENT, "Strange Called", "called before"), state="asked"),
    row("a call under the id of ours", '[2,"1","Heartbeat",{}]', DELIVERED, DELIVERED, state="calling"),
    row("an id once more", '[2,"a","Heartbeat",{}]', DELIVERED, DELIVERED, state="answered"),
    row("a result twice", '[3,"1",{"status":"Accepted"}]', NOBODYS, NOBODYS, state="done"),
    row("a result under the peer's own id", '[3,"a",{}]', NOBODYS, NOBODYS, state="asked"),
    # late
    row("a late result", '[3,"1",{"status":"Accepted"}]', LATE, LATE, state="given up"),
    row("a late result that is wrong", '[3,"1",{}]', LATE, LATE, state="given up"),
    row("a late error", '[4,"1","InternalError","",{}]', LATE, LATE, state="given up"),
    # unsolicited
    row("a result for nobody", '[3,"x",{}]', NOBODYS, NOBODYS),
    row("an error for nobody", '[4,"x","InternalError","",{}]', NOBODYS, NOBODYS),
    row("an error about what was unreadable", '[4,"-1","RpcFrameworkError","",{}]', E(SILENT, "Strange", "the peer could not read"),
        E(SILENT, "Strange", "the peer could not read a frame of ours: RpcFrameworkError")),
    row("a result for what is no id", '[3,{},{}]', E(SILENT, "Garbled", "a result without"), E(SILENT, "Garbled", "a result without")),
    row("an error for nothing", "[4]", E(SILENT, "Garbled", "an error without"), E(SILENT, "Garbled", "an error without")),
    # answers
    row("a result", '[3,"1",{"status":"Accepted"}]', E(SILENT, "Answered"), E(SILENT, "Answered"), state="calling"),
    row("a result without its field", '[3,"1",{}]', E(SILENT, "Answered", '$: "status"'), E(SILENT, "Answered", '$: "status"'),
        E("5 1 OccurrenceConstraintViolation", "Answered", '$: "status"'), state="calling",
        lenient=E(SILENT, "Answered", '$: "status" is a required')),
    row("a result of the wrong type", '[3,"1",[]]', E(SILENT, "Answered", "$: [] is"), E(SILENT, "Answered", "$: [] is"),
        E("5 1 TypeConstraintViolation", "Answered", "$: [] is not"), state="calling", lenient=E(SILENT, "Answered", "$: [] is not")),
    row("a result with an odd word", '[3,"1",{"status":"x"}]', E(SILENT, "Answered", "$.status"), E(SILENT, "Answered", "$.status"),
        E("5 1 PropertyConstraintViolation", "Answered", "$.status"), state="calling", lenient=E(SILENT, "Answered", "$.status")),
    row("a result of two elements", '[3,"1"]', E(SILENT, "Answered", "$: 2 elements"), E(SILENT, "Answered", "$: 2 elements"),
        E("5 1 RpcFrameworkError", "Answered", "$: 2 elements, not 3"), state="calling", lenient=E(SILENT, "Answered", "$: 2 elements")),
    row("an error", '[4,"1","InternalError","no",{}]', E(SILENT, "Refused", "InternalError"), E(SILENT, "Refused", "InternalError"),
        state="calling"),
    row("an error without a code", '[4,"1"]', E(SILENT, "Refused", "GenericError"), E(SILENT, "Refused", "GenericError"), state="calling"),
    # CALLRESULTERROR
    of_21("an error about our answer", '[5,"a","FormatViolation","no",{}]', E(SILENT, "AnswerRefused", "FormatViolation"), "answered"),
    of_21("an error about our answer, and no more", '[5,"a"]', E(SILENT, "AnswerRefused", "GenericError"), "answered"),
    of_21("an error about what was not answered yet", '[5,"a","FormatViolation","",{}]',
          E(SILENT, "Strange", "an error about no answer of ours"), "asked"),
    of_21("an error about no answer", '[5,"x","FormatViolation","",{}]', E(SILENT, "Strange", "an error about no answer"), ident="x"),
    of_21("an error about our own call", '[5,"1","FormatViolation","",{}]', E(SILENT, "Strange", "an error about no answer"), "calling",
          ident="1"),
    of_21("an error about something that is no id", '[5,7,"FormatViolation","",{}]', E(SILENT, "Garbled", "an error without"), ident="-1"),
    # SEND
    of_21("a SEND", f'[6,"a","NotifyPeriodicEventStream",{TELLS}]', E(SILENT, "Sent")),
    of_21("a SEND while we call", f'[6,"a","NotifyPeriodicEventStream",{TELLS}]', E(SILENT, "Sent"), "calling"),
    of_21("a SEND while the peer's call is open", f'[6,"b","NotifyPeriodicEventStream",{TELLS}]', E(SILENT, "Sent"), "asked", ident="b"),
    of_21("a SEND twice", f'[6,"a","NotifyPeriodicEventStream",{TELLS}]', E(SILENT, "Strange", "ignored: the message id of"), "told"),
    of_21("a SEND without its fields", '[6,"a","NotifyPeriodicEventStream",{}]', E(SILENT, "Strange", 'ignored: $: "id" is a required'),
          lenient=E(SILENT, "Sent", '$: "id" is a required')),
    of_21("a SEND of a list", '[6,"a","NotifyPeriodicEventStream",[]]', E(SILENT, "Strange", "ignored: $: [] is not of type")),
    of_21("a SEND of an unknown action", '[6,"a","Nonsense",{}]', E(SILENT, "Strange", "ignored: Nonsense is no SEND of OCPP 2.1")),
    of_21("a SEND of what is called", '[6,"a","Heartbeat",{}]', E(SILENT, "Strange", "ignored: Heartbeat is no SEND of OCPP 2.1")),
    of_21("a SEND that is not supported", f'[6,"a","NotifyPeriodicEventStream",{TELLS}]',
          E(SILENT, "Strange", "ignored: NotifyPeriodicEventStream is not supported"), "narrow"),
    of_21("a SEND without an id", '[6,null,"NotifyPeriodicEventStream",{}]', E(SILENT, "Garbled", "a SEND without a readable"), ident="-1"),
    of_21("a SEND without its payload", '[6,"a","NotifyPeriodicEventStream"]', E(SILENT, "Garbled", "a SEND has 4 elements, this has 3")),
    of_21("a SEND of a fifth element", f'[6,"a","NotifyPeriodicEventStream",{TELLS},0]', E(SILENT, "Garbled", "a SEND has 4 elements"),
          lenient=E(SILENT, "Sent", "$: a SEND has 4 elements, this has 5")),
]  # fmt: skip
