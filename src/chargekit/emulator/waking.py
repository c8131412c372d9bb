"""What a station does with its outlets beside obeying limits: wake-up pulses, one supply for two outlets, and what DC may put out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.modules import split_w
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


HEADROOM = 0.97
"""A DC outlet draws power, not current: what it leaves for a grid below its nominal voltage."""
ROOM_S = 8.0
"""Before an outlet rises, the vehicle beside it has so long to come down."""


class Waking:
    """Mixed into Station."""

    @point("station.supply")
    def supply_a(self: Station, outlet: Outlet) -> float:  # type: ignore[misc]
        """What this outlet may offer of the supply it shares, A per phase: equal parts, what a neighbour leaves is free.

        Where equal parts would be less than 6 A, who started first goes first.
        """
        total = self.spec.model.supply_a
        if total is None or outlet.evse.dc:
            return float("inf")
        busy = sorted((o for o in self.outlets.values() if o.tx is not None and o.limit_a >= 6.0), key=lambda o: (o.tx.started, o.evse.id))  # type: ignore[union-attr]
        busy = busy[: max(1, int(total / 6.0))]
        if outlet not in busy:
            return 0.0
        return split_w({o.evse.id: o.limit_a for o in busy}, total)[outlet.evse.id]

    def room_s(self: Station, outlet: Outlet, target: float) -> float:  # type: ignore[misc]
        """How long a rise waits for the outlets beside it."""
        total = self.spec.model.supply_a
        if total is None or outlet.evse.dc or target <= outlet.offer_a:
            return 0.0
        others = sum(o.offer_a for o in self.outlets.values() if o is not outlet and o.tx is not None)
        return ROOM_S if target + others > total + 1e-9 else 0.0

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
            out.append(Load(outlet.evse.id, False, 0.0, 0.0, phases=outlet.wired[0], phase=outlet.wired[1]))
            self.timers[f"pulsed/{outlet.evse.id}"] = now + PULSE_S

    def _pulsed(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self._load(outlet, outlet.closed, outlet.offer_a, out)
        after = self.spec.model.pulse_after_s
        if after is not None:
            self.timers[f"pulse/{outlet.evse.id}"] = now + after

    @point("station.dc_output")
    def output_w(self: Station, outlet: Outlet, limit_a: float) -> float:  # type: ignore[misc]
        """DC output for a limit on the supply side: the grid's current is what a limit in amperes protects."""
        watts = limit_a * 3 * self.spec.model.voltage_v * HEADROOM
        return watts * at(self.spec.model.efficiency, watts / 1000.0 / (outlet.evse.max_kw or 1.0))
