"""What a station tells by itself: connector and charging states, and meter values on a grid of time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chargekit.emulator.outlet import Outlet
from chargekit.wire.messages import ChargingStateChanged, Metered, StatusChanged
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


class Telling:
    """The reports of a Station; mixed into it."""

    def _show(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Report the outlet's status where it changed."""
        status = outlet.status()
        if outlet.tx is not None and self.generation.charging_state and status is not outlet.charging_shown:
            outlet.charging_shown = status
            tx = outlet.tx
            fact = ChargingStateChanged(outlet.evse.id, tx.id or tx.ref, status, self.own(now), seq=tx.seq)
            tx.seq += 1
            out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))
            self.enqueue(tx.ref, fact, now, out)
        told = self.generation.connector(status)
        if told is outlet.shown or not (self.online and self.accepted):
            return
        outlet.shown = told
        self.call(StatusChanged(outlet.evse.id, 1, told, self.own(now)), now, "status")

    def show_all(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        for outlet in self.outlets.values():
            outlet.shown = None
            self._show(outlet, now, out)

    def _plan_meter(self: Station, now: float) -> None:  # type: ignore[misc]
        every = self.meter_interval_s()
        if every > 0:
            self.timers.setdefault("meter", (now // every + 1) * every)

    def _meter(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        active = [o for o in self.outlets.values() if o.tx is not None]
        for outlet in active:
            tx = outlet.tx
            assert tx is not None
            sample = self.reported(outlet, self.taps[outlet.evse.id].read(now))
            if sample.t != self.own(now):
                sample = replace(sample, t=self.own(now))
            fact = Metered(outlet.evse.id, (sample,), tx.id or tx.ref, seq=tx.seq)
            if self.generation.charging_state:
                tx.seq += 1
                out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))
            self.enqueue(tx.ref, fact, now, out)
        if active:
            self._plan_meter(now)
