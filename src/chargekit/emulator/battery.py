"""Charging a battery in closed form.

A vehicle takes `min(cap, curve(SoC))`, and moves there no faster than its ramp. The curve is piecewise linear in SoC, so on each piece
power is constant, or linear in time (a ramp), or linear in the energy stored, which makes it exponential in time. Nothing is stepped.
Efficiency is held over a piece; curves are cut finely enough (`FINE`) that this moves energy by less than 0.05 %.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chargekit.model.vehicle import Points, at

FINE = 1.2
"""Within one segment power changes by at most this ratio."""
LEAST_SHARE = 0.002
"""A curve that ends at nothing ends at this share of its peak: a battery fills up in finite time."""
JUMP_W = 1.0
_TINY = 1e-9

Share = Callable[[float], float]
"""Battery Wh stored per Wh at the EVSE's meter, at so many W."""


@dataclass(frozen=True, slots=True)
class Piece:
    """For `seconds`: power at the EVSE's meter starts at `watts` and grows by `growth_per_s` (exponential) or by `ramp_w_per_s`.

    `efficiency`: Wh stored per Wh at the meter; 0 for what the vehicle uses up.
    """

    seconds: float
    watts: float
    efficiency: float
    growth_per_s: float = 0.0
    ramp_w_per_s: float = 0.0

    @property
    def steady(self) -> bool:
        return self.growth_per_s == 0.0 and self.ramp_w_per_s == 0.0

    def power_w(self, dt: float) -> float:
        """Power after `dt` seconds; beyond the end as at the end."""
        dt = min(max(dt, 0.0), self.seconds)
        if self.growth_per_s:
            return self.watts * math.exp(self.growth_per_s * dt)
        return self.watts + self.ramp_w_per_s * dt

    def energy_wh(self, dt: float) -> float:
        """Wh at the meter in the first `dt` seconds."""
        dt = max(dt, 0.0)
        if self.growth_per_s:
            return self.watts / self.growth_per_s * math.expm1(self.growth_per_s * dt) / 3600.0
        return (self.watts + self.ramp_w_per_s * dt / 2.0) * dt / 3600.0


class Segment(NamedTuple):
    """From `wh0` to `wh1` stored, power at the meter goes from `w0` to `w1` in a straight line; `share` of it is stored."""

    wh0: float
    w0: float
    wh1: float
    w1: float
    share: float

    @property
    def slope(self) -> float:
        return (self.w1 - self.w0) / (self.wh1 - self.wh0)

    def power_w(self, stored_wh: float) -> float:
        return self.w0 + self.slope * (stored_wh - self.wh0)


def lower(a: Points, b: Points) -> Points:
    """The lower of two piecewise-linear curves, with a point at each crossing."""
    xs = sorted({x for x, _ in (*a, *b)})
    out: list[tuple[float, float]] = []
    for x0, x1 in itertools.pairwise(xs):
        a0, a1, b0, b1 = at(a, x0), at(a, x1), at(b, x0), at(b, x1)
        out.append((x0, min(a0, b0)))
        if (a0 - b0) * (a1 - b1) < 0:
            part = (a0 - b0) / ((a0 - b0) - (a1 - b1))
            out.append((x0 + part * (x1 - x0), a0 + part * (a1 - a0)))
    out.append((xs[-1], min(at(a, xs[-1]), at(b, xs[-1]))))
    return tuple(out)


def segments(capacity_wh: float, watts: Points, share: Share) -> tuple[Segment, ...]:
    """A curve over SoC (%, W at the meter) as segments over the energy stored, cut so that none changes by more than `FINE`."""
    least = max(JUMP_W, max(w for _, w in watts) * LEAST_SHARE)
    points = [(0.0, watts[0][1]), *((s, w) for s, w in watts if 0.0 < s < 100.0), (100.0, at(watts, 100.0))]
    found = []
    for (s0, w0), (s1, w1) in itertools.pairwise([(s, max(w, least)) for s, w in points]):
        parts = max(1, math.ceil(abs(math.log(w1 / w0)) / math.log(FINE)))
        cuts = [w0 * (w1 / w0) ** (n / parts) for n in range(parts + 1)]
        for low, high in itertools.pairwise(cuts):
            p0 = s0 + (s1 - s0) * ((low - w0) / (w1 - w0) if w1 != w0 else 0.0)
            p1 = s0 + (s1 - s0) * ((high - w0) / (w1 - w0) if w1 != w0 else 1.0)
            found.append(Segment(p0 * capacity_wh / 100, low, p1 * capacity_wh / 100, high, share((low + high) / 2)))
    return tuple(s for s in found if s.wh1 - s.wh0 > capacity_wh * 1e-12)


def next_piece(
    curve: Sequence[Segment], stored_wh: float, cap_w: float, from_w: float, up_w_per_s: float, down_w_per_s: float, share: Share
) -> Piece | None:
    """What flows next, from `from_w` towards the lower of cap and curve. None when full or at no cap."""
    full = curve[-1].wh1
    if cap_w <= 0.0 or stored_wh >= full * (1 - 1e-9):
        return None
    here = next(s for s in curve if stored_wh < s.wh1 - full * 1e-12 or s.wh1 >= full)
    target = min(cap_w, here.power_w(stored_wh))
    gap = target - from_w
    if abs(gap) > max(JUMP_W, 1e-6 * target):
        return _ramp(here, stored_wh, cap_w, from_w, up_w_per_s if gap > 0 else -down_w_per_s)
    if here.power_w(stored_wh) >= cap_w - 1e-6:
        return _capped(curve, here, stored_wh, cap_w, share)
    return _curved(here, stored_wh, cap_w, target)


def _ramp(here: Segment, stored_wh: float, cap_w: float, from_w: float, rate: float) -> Piece:
    """A straight line in time until it meets the cap or the curve, or leaves the segment."""
    share = here.share
    grows = here.slope * share / 3600.0
    times = [*_roots(rate / 2 * share / 3600.0, from_w * share / 3600.0, -(here.wh1 - stored_wh))]
    if (cap_w - from_w) / rate > 0 and (rate > 0 or cap_w < here.power_w(stored_wh)):
        times.append((cap_w - from_w) / rate)
    if rate > 0 or cap_w >= here.power_w(stored_wh):
        times += _roots(grows * rate / 2, grows * from_w - rate, here.power_w(stored_wh) - from_w)
    if rate < 0:
        times.append(from_w / -rate)
    return Piece(max(min(times), 1e-6), from_w, share, ramp_w_per_s=rate)


def _capped(curve: Sequence[Segment], here: Segment, stored_wh: float, cap_w: float, share: Share) -> Piece:
    """At the cap for as long as the curve stays above it."""
    end = here.wh1
    for segment in itertools.dropwhile(lambda s: s is not here, curve):
        end = segment.wh1
        if segment.w1 < cap_w:
            end = segment.wh0 + (cap_w - segment.w0) / segment.slope if segment.w0 >= cap_w else segment.wh0
            break
    stored = share(cap_w)
    return Piece(max((end - stored_wh) / (cap_w * stored) * 3600.0, 1e-6), cap_w, stored)


def _curved(here: Segment, stored_wh: float, cap_w: float, power_w: float) -> Piece:
    """Along the curve to the end of the segment, or to where a rising curve meets the cap."""
    end = here.wh1
    if here.w1 > cap_w:
        end = here.wh0 + (cap_w - here.w0) / here.slope
    at_end = max(here.power_w(end), JUMP_W)
    rate = here.slope * here.share / 3600.0
    if abs(at_end / power_w - 1.0) < _TINY or rate == 0.0:
        return Piece(max((end - stored_wh) / (power_w * here.share) * 3600.0, 1e-6), power_w, here.share)
    return Piece(max(math.log(at_end / power_w) / rate, 1e-6), power_w, here.share, growth_per_s=rate)


def _roots(a: float, b: float, c: float) -> Iterator[float]:
    """Positive roots of a t² + b t + c."""
    if abs(a) < 1e-300:
        if b and -c / b > 0:
            yield -c / b
        return
    under = b * b - 4 * a * c
    if under < 0:
        return
    q = -(b + math.copysign(math.sqrt(under), b)) / 2
    for root in ((q / a) if a else None, (c / q) if q else None):
        if root is not None and root > 0:
            yield root
