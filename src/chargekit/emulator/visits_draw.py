"""Drawing visits from their statistics. Every function takes the generator it may use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from random import Random
from statistics import NormalDist
from typing import Final

from chargekit.model.visits import Component, Marginal, Marginals, Mixture, Normal, Pattern, Shift, Statistics

STANDARD: Final = NormalDist()
FIRST_H, LAST_H = 4.0, 28.0
DWELL_H: Final = (0.05, 72.0)
ENERGY_KWH: Final = (0.1, 400.0)
TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit: when it begins (s from local midnight of its day), how long it stays plugged in, what it takes at the meter."""

    at: float
    dwell_s: float
    energy_wh: float


def draw(statistics: Statistics, day: date | int, sessions: float, rng: Random) -> list[Visit]:
    """The visits of one day (a date, or 0 for Monday), in the order drawn; `sessions` are expected on an average weekday.

    Their number is Poisson. None on a day without a pattern of its own and a share of nothing.
    """
    weekday = day if isinstance(day, int) else day.weekday()
    pattern = statistics.pattern(weekday)
    return [draw_one(pattern, rng) for _ in range(poisson(sessions * statistics.day_factor(weekday), rng))]


def draw_one(pattern: Pattern, rng: Random) -> Visit:
    """One visit. A shift's stays until a departure drawn for the next day."""
    match pattern:
        case Mixture():
            hours, dwell_h, kwh = _of_mixture(pattern, rng)
        case Marginals():
            hours, dwell_h, kwh = _of_marginals(pattern, rng)
        case Shift():
            hours, kwh = returned(pattern, normal(pattern.depart_h, rng), rng)
            dwell_h = 24.0 + normal(pattern.depart_h, rng) - hours
    return Visit(hours * 3600.0, min(max(dwell_h, DWELL_H[0]), DWELL_H[1]) * 3600.0, min(max(kwh, ENERGY_KWH[0]), ENERGY_KWH[1]) * 1000.0)


def returned(shift: Shift, departed_h: float, rng: Random) -> tuple[float, float]:
    """Hour of return and kWh used, after a departure."""
    away = normal(shift.away_h, rng)
    return departed_h + away, normal(shift.distance_km, rng) * shift.kwh_per_km


def poisson(mean: float, rng: Random) -> int:
    """A Poisson number; large means are split, for e**-mean to stay a number."""
    count = 0
    while mean > 0.0:
        part = min(mean, 50.0)
        mean -= part
        least, product = math.exp(-part), rng.random()
        while product > least:
            count += 1
            product *= rng.random()
    return count


def normal(what: Normal, rng: Random) -> float:
    """A draw within the bounds; the nearest bound when they are too narrow to be hit."""
    for _ in range(TRIES):
        found = rng.gauss(what.mean, what.sd)
        if what.least <= found <= what.most:
            return found
    return min(max(what.mean, what.least), what.most)


def inverse(what: Marginal, score: float) -> float:
    """The value at a normal score (0 is the median)."""
    if isinstance(what, Normal):
        return min(max(what.mean + what.sd * score, what.least), what.most)
    knots = [(STANDARD.inv_cdf(p), math.log(x) if what.log else x) for p, x in what.points]
    index = sum(1 for z, _ in knots[1:-1] if z <= score)
    (z0, x0), (z1, x1) = knots[index], knots[index + 1]
    found = x0 + (x1 - x0) * (score - z0) / (z1 - z0)
    return min(max(math.exp(found) if what.log else found, what.least), what.most)


def centre_h(pattern: Pattern) -> float:
    """The hour around which visits begin."""
    match pattern:
        case Mixture():
            return sum(c.weight * c.mean[0] for c in pattern.components)
        case Marginals():
            return inverse(pattern.arrival_h, 0.0)
        case Shift():
            return pattern.depart_h.mean + pattern.away_h.mean


def _of_mixture(mixture: Mixture, rng: Random) -> tuple[float, float, float]:
    """Drawn again when it falls outside the day, where nothing was observed."""
    weights = [c.weight for c in mixture.components]
    for _ in range(TRIES):
        hours, ln_dwell, ln_kwh = _of_component(rng.choices(mixture.components, weights)[0], rng)
        if FIRST_H <= hours < LAST_H:
            break
    return min(max(hours, FIRST_H), LAST_H - 0.01), math.exp(ln_dwell), math.exp(ln_kwh)


def _of_component(one: Component, rng: Random) -> tuple[float, float, float]:
    scores = [rng.gauss(0.0, 1.0) for _ in range(3)]
    a, b, c = (m + sum(k * z for k, z in zip(row, scores, strict=False)) for m, row in zip(one.mean, one.root, strict=True))
    return a, b, c


def _of_marginals(what: Marginals, rng: Random) -> tuple[float, float, float]:
    first, second, third = (rng.gauss(0.0, 1.0) for _ in range(3))
    linked = what.dwell_energy * second + math.sqrt(1.0 - what.dwell_energy**2) * third
    return inverse(what.arrival_h, first), inverse(what.dwell_h, second), inverse(what.energy_kwh, linked)
