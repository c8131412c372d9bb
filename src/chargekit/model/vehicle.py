"""Vehicles as a charger meets them: what they ask for, how fast they move, and how they misbehave."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

Points = tuple[tuple[float, float], ...]
Kind = Literal["car", "van", "truck", "bus", "phev"]


@dataclass(frozen=True, slots=True)
class Ramp:
    """How fast power moves: kW/s up and down, after a delay of so many seconds."""

    delay_s: float
    up_kw_per_s: float
    down_kw_per_s: float


AC_RAMP = Ramp(2.0, 2.0, 3.0)
DC_RAMP = Ramp(0.1, 25.0, 25.0)
"""Caldera_ICM's transitions (up, down); an AC car's delay is that of measured cars, a DC session's that of its digital link."""


@dataclass(frozen=True, slots=True)
class Thermal:
    """What a cold or hot battery takes: DC power by battery temperature, (°C, kW), and the band it rests in once hot."""

    power_kw: Points
    hot_from_c: float | None = None
    hot_until_c: float = 39.0
    hot_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class Quirks:
    """Ways in which real cars surprise a charger. All off by default; seconds, amperes per phase and percent.

    pilot_fraction            draws this share of the pilot
    sleeps_after_s            paused this long it sleeps, and asks for nothing until woken
    wakes_by                  what wakes it: `pulse` (the pilot off for 3 s and on again) or only a `replug`
    gives_up_after            interruptions after which it asks for nothing until replugged
    second_module_a, _s       above this current its second on-board module joins, so many seconds late
    faults_on_phase_switch    goes to fault when the number of phases changes under load
    stuck_on_one_phase        after three phases went to one it stays on one until replugged
    cools_every_s, cools_for_s    stops this long to cool, this often
    preheats_w, preheats_s    draws so much for so long after it is full (cabin, battery care)
    asleep_a                  draws this while paused or full, with the contactor closed
    balances_w, balances_s    balances its cells at the end
    """

    pilot_fraction: float = 1.0
    sleeps_after_s: float | None = None
    wakes_by: Literal["pulse", "replug"] = "pulse"
    gives_up_after: int | None = None
    second_module_a: float | None = None
    second_module_s: float = 180.0
    faults_on_phase_switch: bool = False
    stuck_on_one_phase: bool = False
    cools_every_s: float | None = None
    cools_for_s: float = 30.0
    preheats_w: float = 0.0
    preheats_s: float = 0.0
    preheats_later_s: float = 600.0
    asleep_a: float = 0.0
    balances_w: float = 0.0
    balances_s: float = 0.0


NO_QUIRKS = Quirks()


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A catalogue vehicle. Currents are amperes per phase; curves are piecewise linear over (SoC %, kW at the DC connector).

    `ac_efficiency`: battery Wh per Wh at the AC inlet over (A per phase, fraction). `battery_efficiency` (a, b): stored per
    Wh at the terminals is `a * C + b`, C the rate in 1/h. `tail`: share of AC power over SoC near the end.
    `dc_inlet`: the connector it takes, by ConnectorEnumType.
    `start_delay_s`: from an offer to the vehicle's answer, drawn between the two for every session.
    """

    id: str
    usable_kwh: float
    ac_phases: int
    ac_max_a: float
    ac_min_a: float = 6.0
    ac_min_3ph_a: float = 6.0
    ac_efficiency: Points = ((0.0, 0.92),)
    tail: Points = ((0.0, 1.0), (100.0, 1.0))
    cable_a: float = 32.0
    start_delay_s: tuple[float, float] = (5.0, 5.0)
    ac_ramp: Ramp = AC_RAMP
    dc_max_kw: float = 0.0
    dc_inlet: str = "cCCS2"
    dc_curve: Points = ()
    pack_v: tuple[float, float] = (330.0, 410.0)
    dc_ramp: Ramp = DC_RAMP
    battery_efficiency: tuple[float, float] = (0.0, 1.0)
    thermal: Thermal | None = None
    quirks: Quirks = NO_QUIRKS
    kind: Kind = "car"
    name: str = ""
    wh_per_km: float = 0.0
    source: str = ""
    licence: str = ""

    @property
    def capacity_wh(self) -> float:
        return self.usable_kwh * 1000.0

    def least_a(self, phases: int) -> float:
        """Below this current it draws nothing."""
        return self.ac_min_3ph_a if phases == 3 else self.ac_min_a

    def ac_share(self, amps: float) -> float:
        """Battery Wh per Wh at the inlet at this current."""
        return at(self.ac_efficiency, amps)

    def stored_share(self, watts: float) -> float:
        """Battery Wh stored per Wh at the battery's terminals."""
        a, b = self.battery_efficiency
        return a * watts / self.capacity_wh + b


def at(points: Points, x: float) -> float:
    """A piecewise-linear function's value; flat beyond its ends."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]
