"""What the controller knows of one station: only what came over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.controller.answers import Told
from chargekit.model.metering import MeterSample
from chargekit.model.session import Session as ChargingSession
from chargekit.model.site import ChargingStation, Evse
from chargekit.wire.messages import Status
from chargekit.wire.session import Session


@dataclass(slots=True)
class EvseKnown:
    """One EVSE: status, running session and the last reading. `read_at` is when the reading was taken, run time."""

    evse: Evse
    status: Status = Status.AVAILABLE
    session: ChargingSession | None = None
    sample: MeterSample | None = None
    read_at: float = -1.0


@dataclass(slots=True)
class Peer:
    """One station. `offset_s`: how far its clock is ahead, as measured on its last live stamp; `started`: the ids given to its last
    transactions, for a start told again."""

    spec: ChargingStation
    evses: dict[int, EvseKnown]
    session: Session | None = None
    version: str = ""
    booted: bool = False
    offset_s: float = 0.0
    lives: int = 0
    found: dict[str, None] = field(default_factory=dict)
    started: dict[tuple[object, ...], str] = field(default_factory=dict)
    told: Told = field(default_factory=Told)

    @property
    def online(self) -> bool:
        return self.session is not None
