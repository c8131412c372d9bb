"""What circuits will carry beside the sessions, by quarter-hour: as it is now, fading into what it was at this time on the last days."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from chargekit.controller.planner_model import SLOT_S, Floats
from chargekit.model.limit import PhaseAmps

DAY_S: Final = 86_400.0
DAYS: Final = 7
FADES_S: Final = 7200.0
"""How long what is seen now, against other days, goes on: after so long a third of the difference is left."""


class Forecast:
    """Takes readings, A by phase, sun deducted; answers for any circuit. Before a day was seen the last reading goes on; before any
    reading, zero. `t` is run seconds; days are counted in them, so a change of the clocks shows an hour off for a day."""

    def __init__(self) -> None:
        self._means: dict[tuple[str, int], tuple[float, float, float, int]] = {}
        self._last: dict[str, tuple[float, PhaseAmps]] = {}

    def take(self, circuit: str, t: float, base_a: PhaseAmps) -> None:
        """One reading. Figures that are none, and readings older than the last, are left out."""
        if not all(math.isfinite(a) for a in base_a) or t < self._last.get(circuit, (-math.inf, base_a))[0]:
            return
        self._last[circuit] = t, base_a
        slot = int(t // SLOT_S)
        one, two, three, count = self._means.get((circuit, slot), (0.0, 0.0, 0.0, 0))
        if not count:
            self._means.pop((circuit, slot - (DAYS + 1) * int(DAY_S / SLOT_S)), None)
        n = count + 1
        a, b, c = base_a
        self._means[(circuit, slot)] = one + (a - one) / n, two + (b - two) / n, three + (c - three) / n, n

    def ahead(self, circuit: str, now: float, starts: float, slots: int) -> Floats:
        """(slots, 3) A expected in the slots from `starts` on: the mean of the last days at the time, where any was seen."""
        if circuit not in self._last:
            return np.zeros((slots, 3))
        last = np.array(self._last[circuit][1])
        usual_now = self._usual(circuit, now)
        off = last - usual_now if usual_now is not None else np.zeros(3)
        found = np.empty((slots, 3))
        for n in range(slots):
            at = starts + n * SLOT_S
            usual = self._usual(circuit, at)
            found[n] = last if usual is None else usual + off * math.exp(-max(0.0, at - now) / FADES_S)
        return found

    def _usual(self, circuit: str, at: float) -> Floats | None:
        """The mean of what was seen at this time on other days."""
        seen = [self._means.get((circuit, int((at - day * DAY_S) // SLOT_S))) for day in range(1, DAYS + 1)]
        known = [one[:3] for one in seen if one is not None]
        return np.array(known).mean(axis=0) if known else None
