"""Circuits as currents and breakers as heat."""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.model.limit import NO_AMPS, PhaseAmps, worst
from chargekit.model.site import Circuit

TRIP_HEAT_S = 1700.0
"""Heat at which a breaker opens. Heat grows by (I/In)^3 - 1 per second above rating. With this figure the curve keeps
IEC 60898-1: 1.13 In holds for an hour, 1.45 In opens within one, 2.55 In within 120 s."""

MAGNETIC = 7.5
"""Times rated current at which it opens at once (type C: 5 to 10)."""

COOL_PER_S = 5.0


@dataclass(slots=True)
class Branch:
    """A circuit's state: current by phase from events, building load, and its breaker."""

    circuit: Circuit
    amps: PhaseAmps = NO_AMPS
    building_a: PhaseAmps = NO_AMPS
    building_wh: float = 0.0
    building_since: float = 0.0
    closed: bool = True
    heat_s: float = 0.0
    heat_since: float = 0.0
    children: list[str] = field(default_factory=list)

    def ratio(self) -> float:
        return worst(self.amps) / self.circuit.rating_a

    def settle(self, now: float) -> None:
        """Bring the heat up to `now` at the current that flowed since."""
        self.heat_s = self.heat_at(now)
        self.heat_since = now

    def heat_at(self, now: float) -> float:
        passed = now - self.heat_since
        over = self.ratio()
        if over > 1.0 + 1e-9:
            return self.heat_s + (over**3 - 1.0) * passed
        return max(0.0, self.heat_s - COOL_PER_S * passed)

    def opens_at(self) -> float | None:
        """When the breaker will open if the current stays."""
        over = self.ratio()
        if not self.closed or over <= 1.0 + 1e-9:
            return None
        if over >= MAGNETIC:
            return self.heat_since
        return self.heat_since + max(0.0, TRIP_HEAT_S - self.heat_s) / (over**3 - 1.0)

    def building_energy_wh(self, now: float, volts: float) -> float:
        live = sum(self.building_a) * volts if self.closed else 0.0
        return self.building_wh + live * (now - self.building_since) / 3600.0
