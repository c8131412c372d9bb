"""Vehicles as a charger meets them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A catalogue vehicle. Currents are amperes per phase; the DC curve is (SoC %, kW) points, piecewise linear.

    `pilot_fraction` is the share of the offered current it draws (real cars: about 0.95).
    """

    id: str
    usable_kwh: float
    ac_phases: int
    ac_max_a: float
    ac_min_a: float = 6.0
    pilot_fraction: float = 1.0
    ac_efficiency: float = 0.92
    start_delay_s: float = 5.0
    reaction_s: float = 2.0
    dc_max_kw: float = 0.0
    dc_curve: tuple[tuple[float, float], ...] = ()
    source: str = ""
    licence: str = ""
