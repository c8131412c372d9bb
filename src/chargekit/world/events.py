"""What happens to machines (events), what machines want (effects), and what a machine is. All of it data.

This room stands below `emulator/` and `controller/` because their machines are written in these words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chargekit.model.pilot import ControlPilot
from chargekit.model.security import Access
from chargekit.wire.modbus import Block

Json = Any
"""Whatever orjson can write: dict, list, str, int, float, bool, None."""

Witness = Literal["wire", "meter", "rig", "controller", "truth"]
WITNESSES: tuple[Witness, ...] = ("wire", "meter", "rig", "controller", "truth")

Fault = Literal["", "certificate", "version", "cipher", "credentials"]
"""Why security kept a link from being opened: the peer's certificate, its TLS version or cipher suites; or the peer refused ours."""


# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The link to `peer` is up. `version` is the OCPP version agreed for it, where it is an OCPP link."""

    peer: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """The link to `peer` is down, or could not be opened. `code` as in WebSocket close codes."""

    peer: str
    code: int = 1006
    reason: str = ""
    fault: Fault = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One text frame from `peer`."""

    peer: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A meter's reply to `Poll(peer, block)`; None when it did not answer in time."""

    peer: str
    block: Block
    words: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody's hand, or a lever of a policy adapter: a verb with arguments (see `docs/architecture.md`, Hands)."""

    verb: str
    args: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """What a station's power electronics offer on one EVSE; an effect of the station, an event at the plant.

    `closed`: contactor. `offer_a`: amperes per phase on the pilot (AC), 0 when none may be drawn. `offer_w`: DC output cap.
    `station` is filled in by the World. `evse` 0 with closed False: the whole station went dark. `phases`: how many feed the vehicle; with
    one, `phase` (1 to 3) says which of the station's own.
    """

    evse: int
    closed: bool
    offer_a: float
    offer_w: float | None = None
    station: str = ""
    phases: int = 3
    phase: int = 1


@dataclass(frozen=True, slots=True)
class Supply:
    """What a station's sensors feel on one EVSE: pilot state and whether its supply is live. Answered to every Load, and
    sent whenever it changes. `connector`: the one a cable is at, 0 where none is or its lock tells nothing."""

    evse: int
    pilot: ControlPilot
    live: bool = True
    connector: int = 0


@dataclass(frozen=True, slots=True)
class Wake:
    """The time a machine asked for has come."""


Event = Opened | Closed | Frame | Words | Hand | Load | Supply | Wake


# --- effects ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dial:
    """Open the link to `peer`; `access`: where and with what, None for the address its port knows and no security."""

    peer: str
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Hangup:
    peer: str
    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    peer: str
    text: str


@dataclass(frozen=True, slots=True)
class Poll:
    """Read a meter."""

    peer: str
    block: Block


@dataclass(frozen=True, slots=True)
class Feed:
    """The plant tells a station what its sensors feel."""

    to: str
    supply: Supply


@dataclass(frozen=True, slots=True)
class Power:
    """The plant takes a station's supply away (`on` False: the machine is dropped) or gives it back (rebuilt)."""

    to: str
    on: bool


@dataclass(frozen=True, slots=True)
class Save:
    """Write to the machine's own non-volatile memory; None erases. Holds from the moment it is carried out."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class Note:
    """Append to the History, as `witness`, about `subject`."""

    witness: Witness
    subject: str
    kind: str
    body: Mapping[str, Json] = field(default_factory=dict)


Effect = Dial | Hangup | Send | Poll | Load | Feed | Power | Save | Note


class Machine(Protocol):
    """A pure machine. `due` is when it wants a Wake (None: never); a peer's input never raises."""

    @property
    def due(self) -> float | None: ...

    def on(self, event: Event, now: float) -> Sequence[Effect]: ...


class MeterSource(Protocol):
    """Something that can be read over Modbus. Reading never moves its state."""

    def words(self, block: Block, now: float) -> Sequence[int] | None: ...


class Port(Protocol):
    """The outside end of a machine's link to one peer: carries Dial, Hangup, Send and Poll; posts Opened, Closed, Frame, Words."""

    def take(self, effect: Dial | Hangup | Send | Poll, now: float) -> None: ...

    def cut(self, now: float) -> None:
        """The machine lost power: the link is gone without a goodbye."""
