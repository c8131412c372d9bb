"""One EVSE of the firmware: what it senses, offers and reports, and its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chargekit.model.pilot import ControlPilot
from chargekit.model.site import Evse
from chargekit.wire.messages import Status


@dataclass(slots=True)
class Transaction:
    """A transaction as the firmware keeps it, also through a power cut. `started` on the station's own clock."""

    ref: str
    token: str
    started: float
    begin_wh: float
    id: str | None = None
    seq: int = 0
    remote_start_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "ref": self.ref, "token": self.token, "started": self.started, "begin_wh": self.begin_wh,
            "id": self.id, "seq": self.seq, "remote_start_id": self.remote_start_id,
        }  # fmt: skip

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Transaction:
        return cls(**saved)


@dataclass(slots=True)
class Outlet:
    """`aim` is a change of the pilot still to come, (time, A). `ended`: a transaction ended and the cable is still in."""

    evse: Evse
    pilot: ControlPilot = ControlPilot.A
    live: bool = True
    closed: bool = False
    offer_a: float = 0.0
    aim: tuple[float, float] | None = None
    tx: Transaction | None = None
    token: str | None = None
    remote_start_id: int | None = None
    ended: bool = False
    operative: bool = True
    shown: Status | None = None
    charging_shown: Status | None = None
    limit_a: float = 0.0
    pulses: int = 0
    marks: dict[str, Any] = field(default_factory=dict)
    """What a defect wants to remember."""

    def status(self) -> Status:
        """The connector's status in 1.6's words."""
        if self.pilot in (ControlPilot.E, ControlPilot.F):
            return Status.FAULTED
        if not self.pilot.connected:
            if not self.operative:
                return Status.UNAVAILABLE
            return Status.PREPARING if self.token else Status.AVAILABLE
        if self.tx is None:
            return Status.FINISHING if self.ended else Status.PREPARING
        if self.offer_a <= 0.0:
            return Status.SUSPENDED_EVSE
        return Status.CHARGING if self.pilot.wants_energy and self.closed else Status.SUSPENDED_EV
