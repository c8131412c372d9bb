"""The control pilot of IEC 61851-1: states, allowed transitions, duty cycle and current."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ControlPilot(StrEnum):
    """State seen on the pilot (IEC 61851-1, Annex A): A no vehicle, B connected, C charging, D charging with
    ventilation, E fault (no pilot or shorted), F charger not available."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"

    @property
    def connected(self) -> bool:
        return self in (ControlPilot.B, ControlPilot.C, ControlPilot.D)

    @property
    def wants_energy(self) -> bool:
        return self in (ControlPilot.C, ControlPilot.D)


P = ControlPilot
TRANSITIONS: Final[dict[ControlPilot, frozenset[ControlPilot]]] = {
    P.A: frozenset({P.B, P.E, P.F}),
    P.B: frozenset({P.A, P.C, P.D, P.E, P.F}),
    P.C: frozenset({P.A, P.B, P.D, P.E, P.F}),
    P.D: frozenset({P.A, P.B, P.C, P.E, P.F}),
    P.E: frozenset({P.A, P.B, P.F}),
    P.F: frozenset({P.A, P.B, P.E}),
}


def moved(old: ControlPilot, new: ControlPilot) -> ControlPilot:
    """`new`, if the table allows the step from `old`; staying is allowed. ValueError otherwise."""
    if new is not old and new not in TRANSITIONS[old]:
        raise ValueError(f"control pilot can't go from {old} to {new} (IEC 61851-1)")
    return new


def duty_percent(limit_a: float) -> float:
    """Duty cycle that signals `limit_a` amperes per phase: 6 to 51 A as 10 to 85 %, to 80 A as 85 to 96 %.

    Below 6 A nothing can be signalled: returns 100 (steady 12 V, no current allowed).
    """
    if limit_a < 6.0:
        return 100.0
    return limit_a / 0.6 if limit_a <= 51.0 else min(limit_a, 80.0) / 2.5 + 64.0


def current_of_duty(duty: float) -> float:
    """Amperes per phase that a duty cycle in percent allows (IEC 61851-1, table A.8); 5 % (digital) counts as 0."""
    if 8.0 <= duty < 10.0:
        return 6.0
    if 10.0 <= duty <= 85.0:
        return duty * 0.6
    if 85.0 < duty <= 96.0:
        return (duty - 64.0) * 2.5
    return 80.0 if 96.0 < duty <= 97.0 else 0.0
