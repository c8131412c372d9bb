"""What a version's module offers: the translation between the neutral vocabulary and payloads, for both roles."""

from __future__ import annotations

from typing import Any, Protocol

from chargekit.model.calendar import Calendar

from .messages import Answer, Command, CommandReply, Fact

Payload = dict[str, Any]


class Unreadable(Exception):
    """A payload that cannot be understood. `code` is the neutral problem code (see `schemas.Problem`) a refusal
    would carry, `text` says what is wrong with which field."""

    def __init__(self, code: str, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(text)


class Codec(Protocol):
    """One OCPP version. `cal` maps the caller's own clock: a station with a wrong clock passes a shifted one.

    What is written always satisfies the version's schema; a neutral value that has no place on the wire raises
    ValueError. What is read may break its schema: Unreadable only where it cannot be understood.
    """

    VERSION: str
    TELLS_OFFLINE: bool
    """Whether messages of a transaction say that they tell of something that happened offline."""
    FACTS: frozenset[str]
    """Actions that `read_fact` understands; the rest are Other."""
    LACKS: frozenset[type]
    """Facts of the vocabulary this version has no message for."""
    COMMANDS: frozenset[str]
    """Actions that `read_command` understands: what a station's Session may take as `supported`."""

    def write_fact(self, fact: Fact, cal: Calendar) -> tuple[str, Payload]:
        """Station: action and request payload."""

    def read_answer(self, action: str, payload: Payload, cal: Calendar) -> Answer:
        """Station: what the CSMS answered to a fact sent as `action`."""

    def read_command(self, action: str, payload: Payload, cal: Calendar) -> Command:
        """Station: what the CSMS wants. OtherCommand for actions outside the vocabulary."""

    def write_reply(self, command: Command, reply: CommandReply, cal: Calendar) -> Payload:
        """Station: response payload."""

    def read_fact(self, action: str, payload: Payload, cal: Calendar) -> Fact:
        """CSMS: what a station tells. Other for actions outside the vocabulary."""

    def write_answer(self, fact: Fact, answer: Answer, cal: Calendar, payload: Payload | None = None) -> Payload:
        """CSMS: response payload. `payload` given (for Other) is used as it stands."""

    def write_command(self, command: Command, cal: Calendar) -> tuple[str, Payload]:
        """CSMS: action and request payload."""

    def read_reply(self, command: Command, payload: Payload, cal: Calendar) -> CommandReply:
        """CSMS: what the station answered to a command."""
