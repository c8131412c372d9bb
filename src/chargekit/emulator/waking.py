"""How a station gets a vehicle going that does not answer its offer: wake-up pulses on the pilot. And what a DC outlet may put out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.outlet import Outlet
from chargekit.model.pilot import ControlPilot
from chargekit.model.points import point
from chargekit.model.vehicle import at
from chargekit.world.events import Effect, Load

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

PULSE_S = 4.0
PULSES = 3
"""A vehicle that does not answer so many pulses is let be."""


class Waking:
    """Mixed into Station."""

    def _await_vehicle(self: Station, outlet: Outlet, now: float) -> None:  # type: ignore[misc]
        """A new offer: from here on the vehicle has its time to answer."""
        after = self.spec.model.pulse_after_s
        if after is not None and outlet.offer_a > 0.0 and outlet.pilot is ControlPilot.B:
            outlet.pulses = 0
            self.timers[f"pulse/{outlet.evse.id}"] = now + after

    @point("station.pulses")
    def pulses(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Whether a vehicle that does not answer gets another pulse."""
        waits = outlet.tx is not None and outlet.offer_a > 0.0 and outlet.pilot is ControlPilot.B
        return waits and outlet.pulses < PULSES

    def _pulse(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The pilot goes off for four seconds."""
        if self.pulses(outlet):
            outlet.pulses += 1
            out.append(Load(outlet.evse.id, False, 0.0, 0.0))
            self.timers[f"pulsed/{outlet.evse.id}"] = now + PULSE_S

    def _pulsed(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self._load(outlet, outlet.closed, outlet.offer_a, out)
        after = self.spec.model.pulse_after_s
        if after is not None:
            self.timers[f"pulse/{outlet.evse.id}"] = now + after

    def output_w(self: Station, outlet: Outlet, limit_a: float) -> float:  # type: ignore[misc]
        """DC output for a limit on the supply side: the grid's current is what a limit in amperes protects."""
        watts = limit_a * 3 * self.spec.model.voltage_v
        return watts * at(self.spec.model.efficiency, watts / 1000.0 / (outlet.evse.max_kw or 1.0))
