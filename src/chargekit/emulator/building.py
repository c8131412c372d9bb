"""What surrounds the chargers: building load, sun, grid voltage and weather. Pure functions of time; held between ticks by the plant.

The shapes are typical days in the author's judgement, not measurements: they are there so that a controller meets a load that moves.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chargekit.emulator.car import WARM_C
from chargekit.model.calendar import Calendar
from chargekit.model.limit import PhaseAmps
from chargekit.model.site import Building

NOMINAL_V: Final = 230.0
PHASES: Final = (1.08, 0.99, 0.93)
"""Buildings load their phases unevenly."""

SHAPES: Final[Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    # Share of the peak at 0, 3, 6 ... 24 h: on a weekday, at the weekend.
    "office": ((0.25, 0.25, 0.40, 0.90, 1.00, 0.95, 0.55, 0.30, 0.25), (0.25, 0.24, 0.25, 0.30, 0.32, 0.30, 0.27, 0.25, 0.25)),
    "hotel": ((0.50, 0.40, 0.65, 0.80, 0.70, 0.70, 0.95, 0.90, 0.50), (0.55, 0.45, 0.60, 0.90, 0.75, 0.70, 1.00, 0.95, 0.55)),
    "retail": ((0.20, 0.20, 0.30, 0.85, 0.95, 1.00, 0.90, 0.35, 0.20), (0.20, 0.20, 0.25, 0.80, 1.00, 1.00, 0.60, 0.25, 0.20)),
    "residential": ((0.40, 0.30, 0.50, 0.55, 0.50, 0.60, 1.00, 0.85, 0.40), (0.45, 0.35, 0.45, 0.75, 0.75, 0.70, 1.00, 0.85, 0.45)),
    "warehouse": ((0.35, 0.40, 0.80, 1.00, 0.95, 0.90, 0.60, 0.40, 0.35), (0.30, 0.30, 0.35, 0.40, 0.40, 0.40, 0.35, 0.30, 0.30)),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`mean_c` is the day's mean temperature; None: mild, and batteries warm. `swing_percent`: grid voltage about its nominal."""

    calendar: Calendar
    buildings: Sequence[Building]
    seed: str
    mean_c: float | None = None
    swing_percent: float = 2.0

    def feeding_in(self) -> tuple[str, ...]:
        """Circuits on which power may flow backwards."""
        return tuple(b.circuit for b in self.buildings if b.pv_kwp > 0.0)

    def building_a(self, now: float) -> dict[str, PhaseAmps]:
        """Amperes by site phase on each circuit that has a building; negative where the sun gives more than is used."""
        found: dict[str, PhaseAmps] = {}
        hour, weekend = self._hour(now)
        for one in self.buildings:
            used = one.peak_kw * _shape(one.kind, hour, weekend) * (1.0 + 0.06 * self._noise(f"{one.circuit}/{one.kind}", now, 300.0))
            sun = one.pv_kwp * _sun(hour) * (0.75 + 0.25 * self._noise("cloud", now, 900.0))
            amps = [(used * part - sun) * 1000.0 / 3.0 / NOMINAL_V for part in PHASES]
            old = found.get(one.circuit, (0.0, 0.0, 0.0))
            found[one.circuit] = (old[0] + amps[0], old[1] + amps[1], old[2] + amps[2])
        return found

    def volts(self, now: float) -> PhaseAmps:
        """Grid voltage by phase: low in the evening, high at noon, a little different on each."""
        hour, _ = self._hour(now)
        swing = -math.cos((hour - 1.0) / 24.0 * 4.0 * math.pi) * 0.5
        a, b, c = (1.0 + self.swing_percent / 100.0 * (swing + 0.5 * self._noise(f"volts/{n}", now, 300.0)) for n in range(3))
        return (NOMINAL_V * a, NOMINAL_V * b, NOMINAL_V * c)

    def ambient_c(self, now: float) -> float:
        """Outside temperature: coldest at five, warmest at three in the afternoon."""
        mean = 15.0 if self.mean_c is None else self.mean_c
        return mean + 5.0 * math.sin((self._hour(now)[0] - 10.0) / 24.0 * 2.0 * math.pi)

    def battery_c(self, now: float) -> float:
        """Of a vehicle that arrives: somewhat warmer than outside from driving; on a mild day warm."""
        return WARM_C if self.mean_c is None else self.ambient_c(now) + 8.0

    def _hour(self, now: float) -> tuple[float, bool]:
        local = self.calendar.local(now)
        return local.hour + local.minute / 60.0 + local.second / 3600.0, local.weekday() >= 5

    def _noise(self, what: str, now: float, every_s: float) -> float:
        """-1 to 1, by (seed, what, time bucket): the same whoever asks, however often."""
        digest = hashlib.blake2b(f"{self.seed}/{what}/{int(now // every_s)}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") / 2**31 - 1.0


def _shape(kind: str, hour: float, weekend: bool) -> float:
    points = SHAPES[kind][1 if weekend else 0]
    at = min(int(hour // 3), 7)
    return points[at] + (points[at + 1] - points[at]) * (hour / 3.0 - at)


def _sun(hour: float) -> float:
    """Share of the panels' rating on a clear day between the seasons."""
    return 0.85 * max(0.0, math.sin((hour - 6.0) / 12.5 * math.pi)) ** 1.2 if 6.0 < hour < 18.5 else 0.0
