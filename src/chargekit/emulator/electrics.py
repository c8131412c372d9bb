"""Breakers as heat."""

from __future__ import annotations

from dataclasses import dataclass

TRIP_HEAT_S = 1700.0
"""Heat at which a breaker opens. Heat grows by (I/In)^3 - 1 per second above rating. With this figure the curve keeps
IEC 60898-1: 1.13 In holds for an hour, 1.45 In opens within one, 2.55 In within 120 s."""

MAGNETIC = 7.5
"""Times rated current at which it opens at once (type C: 5 to 10)."""

COOL_PER_S = 5.0


@dataclass(slots=True)
class Breaker:
    """Closed or open, and how hot. Only the current above its rating heats it."""

    rating_a: float
    closed: bool = True
    heat_s: float = 0.0
    since: float = 0.0

    def settle(self, now: float, amps: float) -> None:
        """Bring the heat up to `now`, at the current that flowed since."""
        if self.heat_s or amps > self.rating_a:
            self.heat_s = self.heat_at(now, amps)
        self.since = now

    def heat_at(self, now: float, amps: float) -> float:
        over, passed = amps / self.rating_a, now - self.since
        if over > 1.0 + 1e-9:
            return self.heat_s + (over**3 - 1.0) * passed
        return max(0.0, self.heat_s - COOL_PER_S * passed)

    def opens_at(self, amps: float) -> float | None:
        """When it will open if the current stays."""
        over = amps / self.rating_a
        if not self.closed or over <= 1.0 + 1e-9:
            return None
        if over >= MAGNETIC:
            return self.since
        return self.since + max(0.0, TRIP_HEAT_S - self.heat_s) / (over**3 - 1.0)
