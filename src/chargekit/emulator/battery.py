"""Charging a battery in closed form.

The battery takes `min(cap, curve(SoC))`. The curve is piecewise linear in SoC, so on each piece the power is constant or
changes linearly with the energy stored, which makes it exponential in time. Nothing is stepped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from chargekit.model.vehicle import Vehicle

_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Piece:
    """From `stored_wh` at its start for `seconds`: power `p0_w`, changing by `slope_w_per_wh` per Wh stored."""

    seconds: float
    stored_wh: float
    p0_w: float
    slope_w_per_wh: float

    def energy_wh(self, dt: float) -> float:
        """Wh stored in the first `dt` seconds of the piece."""
        rate = self.slope_w_per_wh / 3600.0
        if abs(rate * dt) < _TINY:
            return self.p0_w * dt / 3600.0
        return self.p0_w / self.slope_w_per_wh * math.expm1(rate * dt)

    def power_w(self, dt: float) -> float:
        return self.p0_w * math.exp(self.slope_w_per_wh / 3600.0 * dt)


def pieces(vehicle: Vehicle, stored_wh: float, cap_w: float, *, dc: bool) -> Iterator[Piece]:
    """The pieces of a charge from `stored_wh` under a battery-side power cap until full; ends when full or at no power.

    AC is bounded by the cap alone; DC by the vehicle's curve as well. The end of the last piece is when it is full.
    """
    full_wh = vehicle.usable_kwh * 1000.0
    if cap_w <= 0.0 or stored_wh >= full_wh * (1 - 1e-12):
        return
    if not dc or not vehicle.dc_curve:
        cap = min(cap_w, vehicle.dc_max_kw * 1000.0) if dc and vehicle.dc_max_kw else cap_w
        yield Piece((full_wh - stored_wh) / cap * 3600.0, stored_wh, cap, 0.0)
        return
    points = [(soc / 100.0 * full_wh, kw * 1000.0) for soc, kw in vehicle.dc_curve]
    for (e0, w0), (e1, w1) in itertools.pairwise(points):
        if e1 <= stored_wh or e1 <= e0:
            continue
        slope = (w1 - w0) / (e1 - e0)
        stops = [e1]
        if abs(slope) > _TINY:
            crossing = e0 + (cap_w - w0) / slope
            if max(e0, stored_wh) * (1 + 1e-12) < crossing < e1 * (1 - 1e-12):
                stops.insert(0, crossing)
        for stop in stops:
            start = max(stored_wh, e0)
            if stop <= start:
                continue
            middle = w0 + slope * ((start + stop) / 2 - e0)
            if middle >= cap_w:
                yield Piece((stop - start) / cap_w * 3600.0, start, cap_w, 0.0)
            else:
                power = max(w0 + slope * (start - e0), 1.0)
                ratio = max(w0 + slope * (stop - e0), 1.0) / power
                flat = abs(slope) <= _TINY or abs(ratio - 1.0) < _TINY
                seconds = (stop - start) / power * 3600.0 if flat else math.log(ratio) / slope * 3600.0
                yield Piece(seconds, start, power, 0.0 if flat else slope)
            stored_wh = stop
