"""Where physics leaves no way: what could flow is more than a circuit carries, and nobody can be told to draw less any faster.

A cap lowered below what stations cut off may draw, a step of the building's load, a station that ignores its limit, the moments until a
decrease is seen. The record says so when it begins, and, when it is over, how much it was: ampere-seconds above the limit by what could
have flowed, which is no less than what did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chargekit.controller.allocator import PHASE
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.world.events import Effect, Note

NOTHING_A: Final = 0.05


@dataclass(slots=True)
class Excess:
    """One phase of one circuit over its limit since `since`: by `over_a` now, `most_a` at most, `over_as` A·s up to `at`."""

    since: float
    at: float
    over_a: float
    most_a: float
    over_as: float = 0.0

    def moved(self, over_a: float, now: float) -> None:
        self.over_as += self.over_a * (now - self.at)
        self.at, self.over_a, self.most_a = now, over_a, max(self.most_a, over_a)


class Infeasible:
    """What is recorded as infeasible at this moment, by circuit and phase."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], Excess] = {}

    def look(
        self, through: Mapping[str, PhaseAmps], limits: Sequence[Limit], why: Callable[[], Mapping[str, str]], now: float, out: list[Effect]
    ) -> None:
        """Hold what could flow through every circuit against its lowest limit. `why`: by circuit, who can't be led."""
        if not self.open and all(max(through[one.circuit]) <= one.limit_a + NOTHING_A for one in limits):
            return
        reasons, tightest = why(), dict[str, Limit]()
        for limit in limits:
            if limit.circuit not in tightest or limit.limit_a < tightest[limit.circuit].limit_a:
                tightest[limit.circuit] = limit
        for name, limit in tightest.items():
            for phase, amps in enumerate(through[name]):
                over = amps - limit.limit_a
                if over > NOTHING_A or (name, phase) in self.open:
                    self._moved((name, phase), max(0.0, over), limit, reasons.get(name, ""), now, out)

    def _moved(self, key: tuple[str, int], over_a: float, limit: Limit, why: str, now: float, out: list[Effect]) -> None:
        circuit, phase = key
        body: dict[str, object] = {"circuit": circuit, "phase": PHASE[phase]}
        known = self.open.get(key)
        if known is None:
            self.open[key] = Excess(now, now, over_a, over_a)
            because = f"{limit.limit_a:g} A ({limit.source}, {limit.rule})" + (f"; {why}" if why else "")
            out.append(Note("controller", circuit, "infeasible", body | {"over_a": round(over_a, 1), "because": because}))
            return
        known.moved(over_a, now)
        if over_a <= NOTHING_A:
            del self.open[key]
            body |= {
                "ended": True,
                "over_a": round(known.most_a, 1),
                "over_as": round(known.over_as, 1),
                "for_s": round(now - known.since, 1),
            }
            out.append(Note("controller", circuit, "infeasible", body))
