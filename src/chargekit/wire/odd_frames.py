"""Frames a peer should not send, and what a station may answer them: by version, for those who judge stations.

Clauses: "J" is the OCPP-J 1.6 specification, "P4" part 4 of OCPP 2.0.1 and 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import orjson

Odd = Literal["unreadable", "unknown action", "mistyped", "unasked result", "unknown type"]
KNOWN_TO_NOBODY: Final = "ChargekitProbe"
TYPE_OF_NOTHING: Final = 9
UNREADABLE_ID: Final = "-1"
_ASKS: Final = {
    "1.6": ("GetConfiguration", {"key": ["HeartbeatInterval"]}, {"key": 7}),
    "2.x": (
        "GetVariables",
        {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]},
        {"getVariableData": 7},
    ),
}  # fmt: skip
"""A call that every station answers and that changes nothing: right, and with a number where there is none."""
_TURNED_DOWN: Final = frozenset({"NotImplemented", "NotSupported"})
_MALFORMED: Final = frozenset(
    {"FormationViolation", "FormatViolation", "TypeConstraintViolation", "PropertyConstraintViolation", "ProtocolError"}
)  # fmt: skip
_NO_MESSAGE: Final = frozenset({"RpcFrameworkError", "FormatViolation", "ProtocolError", "GenericError", "InternalError"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What may come back: an error with one of `codes`, under one of `ids`; `silence` where no answer is an answer, too."""

    codes: frozenset[str]
    ids: frozenset[str]
    silence: bool = False


def call(version: str, ident: str) -> str:
    """A good call: every station has a result for it."""
    action, payload, _ = _ASKS["1.6" if version == "1.6" else "2.x"]
    return _text([2, ident, action, payload])


def odd(version: str, kind: Odd, ident: str) -> str:
    """The frame, under this message id."""
    action, _, mistyped = _ASKS["1.6" if version == "1.6" else "2.x"]
    if kind == "unreadable":
        return call(version, ident)[:-6]
    if kind == "unknown type":
        return _text([TYPE_OF_NOTHING, ident, {}])
    if kind == "unknown action":
        return _text([2, ident, KNOWN_TO_NOBODY, {}])
    return _text([2, ident, action, mistyped] if kind == "mistyped" else [3, ident, {}])


def wanted(version: str, kind: Odd, ident: str) -> Wanted:
    """What a station should answer. 1.6 has no id for what it can't read, so it may be silent (J 4.2.3); 2.x writes "-1" (P4 4.2.3)."""
    mine = frozenset({ident})
    if kind == "unreadable":
        codes = _NO_MESSAGE | _MALFORMED if version == "1.6" else _NO_MESSAGE
        return Wanted(codes, mine | {UNREADABLE_ID}, silence=version == "1.6")
    if kind == "unknown type":
        # 2.0.1 has to say so (P4 4.4); J 4.1.3 and 2.1's P4 4.1.3 have it ignored.
        return Wanted(frozenset({"MessageTypeNotSupported"}), mine | {UNREADABLE_ID}, silence=version != "2.0.1")
    if kind == "unasked result":
        return Wanted(frozenset(), frozenset(), silence=True)
    return Wanted(_TURNED_DOWN if kind == "unknown action" else _MALFORMED, mine)


def _text(frame: list[object]) -> str:
    return orjson.dumps(frame).decode()
