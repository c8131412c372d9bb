"""One EVSE of the firmware: what it senses, offers and reports, and its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from chargekit.model.pilot import ControlPilot
from chargekit.model.profile import ChargingProfile, Mode
from chargekit.model.site import Evse
from chargekit.wire.messages import Status


@dataclass(slots=True)
class Transaction:
    """A transaction as the firmware keeps it, also through a power cut. `started` on the station's own clock.

    `seq`: how many messages it has had. `told`: its start is told (with TxStartPoint EnergyTransfer, not before energy flows).
    `stopped`: why its authorisation ended, where that does not end it (TxStopPoint). `held`: it goes on without energy.
    `cap_wh`: an invalid token gets no more. `limits`: what the CSMS set (E16: Wh, s, percent, money), `reached` the one that stopped
    the energy. `kept`: meter values for its last message, as the version writes them.
    """

    ref: str
    token: str
    started: float
    begin_wh: float
    id: str | None = None
    seq: int = 0
    remote_start_id: int | None = None
    group: str = ""
    authorised: bool = True
    told: bool = True
    stopped: str = ""
    held: bool = False
    cap_wh: float | None = None
    reservation: int | None = None
    cost: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    reached: str = ""
    kept: list[dict[str, Any]] = field(default_factory=list)

    @property
    def delivers(self) -> bool:
        """Whether energy may flow at all."""
        return self.authorised and not self.held and not self.reached

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if name == "kept" else value for name in _TX_NAMES if (value := getattr(self, name)) is not None}

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Transaction:
        return cls(**{**saved, "kept": list(saved.get("kept", ()))})


_TX_NAMES = tuple(f.name for f in fields(Transaction))


@dataclass(slots=True)
class Outlet:
    """`aim` is a change of the pilot still to come, (time, A). `ended`: a transaction ended and the cable is still in. `token` to
    `profile` wait for the cable, and then belong to the transaction. `operative`: what it lives by now, which during a transaction is not
    yet what it was set to. `shown`: the statuses told last, by connector. `flowed`: energy flowed in this transaction.
    `connector`: the one used last, 0 before any was. `external`: somebody beside the CSMS limits it, or did until now; `led_by`: the
    profiles in force. `wired`: (how many phases feed it, which where it is one), `wanted`: what that is to become."""

    evse: Evse
    pilot: ControlPilot = ControlPilot.A
    live: bool = True
    closed: bool = False
    offer_a: float = 0.0
    aim: tuple[float, float] | None = None
    tx: Transaction | None = None
    token: str | None = None
    group: str = ""
    remote_start_id: int | None = None
    profile: ChargingProfile | None = None
    connector: int = 0
    reservation: int | None = None
    ended: bool = False
    operative: bool = True
    resetting: bool = False
    shown: dict[int, str] = field(default_factory=dict)
    flowed: bool = False
    charging_shown: Status | None = None
    limit_a: float = 0.0
    external: bool = False
    led_by: tuple[ChargingProfile, ...] = ()
    mode: Mode = Mode.CHARGING_ONLY
    wired: tuple[int, int] = (3, 1)
    wanted: tuple[int, int] = (3, 1)
    pulses: int = 0
    marks: dict[str, Any] = field(default_factory=dict)
    """What a defect wants to remember."""

    def status(self) -> Status:
        """The connector's status in 1.6's words; a reservation is not looked at."""
        if self.pilot in (ControlPilot.E, ControlPilot.F):
            return Status.FAULTED
        if self.tx is None and not self.operative:
            return Status.UNAVAILABLE
        if not self.pilot.connected:
            if self.tx is not None:
                return Status.SUSPENDED_EV if self.tx.authorised else Status.PREPARING
            return Status.PREPARING if self.token else Status.AVAILABLE
        if self.tx is None:
            return Status.FINISHING if self.ended else Status.PREPARING
        if not self.tx.authorised:
            return Status.FINISHING if self.tx.stopped else Status.PREPARING
        if self.offer_a <= 0.0:
            return Status.SUSPENDED_EVSE
        return Status.CHARGING if self.pilot.wants_energy and self.closed else Status.SUSPENDED_EV

    @property
    def charging_state(self) -> str:
        """chargingState of 2.x (ChargingStateEnumType)."""
        if not self.pilot.connected:
            return "Idle"
        return _STATES.get(self.status(), "EVConnected")


_STATES = {Status.CHARGING: "Charging", Status.SUSPENDED_EV: "SuspendedEV", Status.SUSPENDED_EVSE: "SuspendedEVSE"}
