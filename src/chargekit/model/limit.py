"""A figure that constrains, with where it came from."""

from __future__ import annotations

from dataclasses import dataclass

from .located import BUILT_IN, Source

PhaseAmps = tuple[float, float, float]
"""Amperes on site phases L1, L2, L3."""

NO_AMPS: PhaseAmps = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on a circuit: amperes per phase and, if given, kW over all phases."""

    circuit: str
    limit_a: float
    source: Source = BUILT_IN
    limit_kw: float | None = None
    rule: str = "rating"


def add(a: PhaseAmps, b: PhaseAmps) -> PhaseAmps:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def worst(a: PhaseAmps) -> float:
    """The highest of three phase currents."""
    return max(a)
