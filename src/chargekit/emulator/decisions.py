"""The decision points of the firmware: small methods where real firmware goes wrong. Defects override them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.services_device import firmware
from chargekit.model.metering import MeterSample
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile
from chargekit.model.profile_store import Running
from chargekit.model.schedule import InForce
from chargekit.wire.messages import Booted
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

SWITCH_S = 5.0
"""The pilot is off for longer than a vehicle takes to stop and open its own contactors."""


class Decisions:
    """What a good station decides; mixed into Station."""

    @point("station.frame")
    def frame(self: Station, text: str) -> str:  # type: ignore[misc]
        """The last look at a frame before it leaves."""
        return text

    @point("station.first_look")
    def first_look(self: Station, text: str, now: float, out: list[Effect]) -> str | None:  # type: ignore[misc]
        """The first look at a frame that came; None: it is not looked at any further."""
        return text

    @point("station.boot_fact")
    def boot_fact(self: Station, reason: str) -> Booted | None:  # type: ignore[misc]
        """How it presents itself; None: it says nothing and behaves as if accepted."""
        model = self.spec.model
        return Booted(model.vendor, model.model, firmware(self), self.spec.id[:25], reason)

    @point("station.may_start")
    def may_start(self: Station, token: str, accepted: bool) -> bool:  # type: ignore[misc]
        """Whether this token gets energy."""
        return accepted

    @point("station.may_close")
    def may_close(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Whether the contactor may close."""
        return outlet.tx is not None and outlet.offer_a >= 6.0

    @point("station.limit_in_force")
    def limit_in_force(self: Station, outlet: Outlet, now: float) -> InForce:  # type: ignore[misc]
        """The limit that applies to a running transaction."""
        tx = outlet.tx
        assert tx is not None
        return self.store.limit_at(outlet.evse.id, self.own(now), transaction=tx.id or tx.ref, started=tx.started)

    @point("station.start_profile")
    def start_profile(self: Station, profile: ChargingProfile, tx: Transaction) -> ChargingProfile | None:  # type: ignore[misc]
        """The profile of a remote start as that of the transaction it began (K05.FR.02); None: none."""
        return profile if self.generation.assigned else replace(profile, transaction=tx.ref)

    @point("station.station_share")
    def station_share_a(self: Station, outlet: Outlet, now: float) -> float:  # type: ignore[misc]
        """What an outlet may draw of what limits all outlets together, A per phase (K04.FR.05)."""
        running = {n: Running(o.tx.id or o.tx.ref, o.tx.started) for n, o in self.outlets.items() if o.tx is not None}
        most_a = {n: o.evse.max_a for n, o in self.outlets.items()}
        return self.store.shares(self.own(now), running, most_a, 0.0 if outlet.evse.dc else 6.0).get(outlet.evse.id, 0.0)

    @point("station.offered_a")
    def offered_a(self: Station, outlet: Outlet, limit_a: float, now: float) -> float:  # type: ignore[misc]
        """What the pilot signals for a limit: 0 below 6 A, otherwise down to its own grain (IEC 61851-1)."""
        step = self.spec.model.pwm_step_a
        return round(int(limit_a / step + 1e-6) * step, 6) if limit_a >= 6.0 - 1e-9 else 0.0

    @point("station.phases")
    def phases_of(self: Station, outlet: Outlet, force: InForce) -> tuple[int, int]:  # type: ignore[misc]
        """How many phases feed a vehicle under a limit, and which where it is one (K01.FR.20, FR.43, FR.45 to FR.48): all or one, where the
        station can switch. Two can't be had alone: one is no more than two."""
        most = outlet.evse.phases
        if outlet.evse.dc or not self.spec.model.phase_switching or force.phases is None or force.phases >= most:
            return most, 1
        return 1, force.phase_to_use or 1

    @point("station.switch_s")
    def switch_s(self: Station, outlet: Outlet) -> float:  # type: ignore[misc]
        """How long the pilot is off while phases are switched."""
        return SWITCH_S

    @point("station.latency_s")
    def latency_s(self: Station, outlet: Outlet) -> float:  # type: ignore[misc]
        """Time from a new limit to the pilot."""
        return self.spec.model.pilot_latency_s

    @point("station.reported")
    def reported(self: Station, outlet: Outlet, sample: MeterSample) -> MeterSample:  # type: ignore[misc]
        """What it reports of what its meter shows."""
        return sample

    @point("station.meter_interval_s")
    def meter_interval_s(self: Station) -> float:  # type: ignore[misc]
        return float(self.keys["MeterValueSampleInterval"])

    @point("station.link_lost")
    def link_lost(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """What changes when the link goes: nothing; the TxProfile stays (1.6 section 3.13.6, K06)."""

    @point("station.tells_end")
    def tells_end(self: Station, tx: Transaction) -> bool:  # type: ignore[misc]
        """Whether the end of a transaction is told."""
        return True

    @point("station.transaction_status")
    def transaction_status(self: Station, tx: str | None) -> dict[str, bool]:  # type: ignore[misc]
        """What GetTransactionStatus is answered (E14)."""
        if tx is None:
            return {"messagesInQueue": bool(self.queue.entries)}
        running = any(o.tx is not None and o.tx.told and o.tx.ref == tx for o in self.outlets.values())
        return {"ongoingIndicator": running, "messagesInQueue": bool(self.queue.about(tx))}

    @point("station.interrupted")
    def interrupted(self: Station, tx: Transaction) -> Transaction | None:  # type: ignore[misc]
        """What is left of a transaction after a power cut."""
        return tx

    @point("station.profiles_at_start")
    def profiles_at_start(self: Station, saved: Any) -> Any:  # type: ignore[misc]
        """The profiles found in memory after power-up (K01.FR.27)."""
        return saved
