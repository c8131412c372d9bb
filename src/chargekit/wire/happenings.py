"""What a `Session` reports to its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .schemas import Problem


@dataclass(frozen=True, slots=True)
class Called:
    """The peer calls: answer or refuse it by `id`. `problems` is empty on the strict side, which refuses by itself."""

    id: str
    action: str
    payload: dict[str, Any]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to our call. With problems it may not be what `action` promises; a payload that is no object is {}."""

    context: object
    action: str
    payload: dict[str, Any]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A CALLERROR for our call."""

    context: object
    action: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The peer tells something that nothing answers (2.1 SEND). `problems` is empty on the strict side."""

    id: str
    action: str
    payload: dict[str, Any]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRefused:
    """The peer could not use our answer to its call (2.1 CALLRESULTERROR). Nothing answers it, and nothing is open any more."""

    id: str
    action: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Our call got no answer in time, or the link went before it did (or before the call was sent: `sent` False)."""

    context: object
    action: str
    why: Literal["timeout", "lost"]
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Garbled:
    """A frame that is no OCPP-J message. `text` is its start, safe to print and store."""

    text: str
    why: str
    clause: str


@dataclass(frozen=True, slots=True)
class Strange:
    """A well-formed frame that breaks a rule: a reply to nothing, a message id in use, a call the session refused."""

    id: str
    action: str
    why: str
    clause: str
    problems: tuple[Problem, ...] = ()


Happening = Called | Answered | Refused | Sent | AnswerRefused | Unanswered | Garbled | Strange
