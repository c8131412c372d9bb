"""How far a raise may go beside the amperes of the circuits: what kW caps and the budgets of AC and DC leave of what could flow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from chargekit.controller.places import Place
from chargekit.controller.room import NOMINAL_V, Budget
from chargekit.model.limit import Limit, PhaseAmps


def current_of(place: Place) -> str:
    """Which budgets count an EVSE."""
    return "dc" if place.known.evse.dc else "ac"


def by_current(
    budgets: Sequence[Budget], places: Iterable[Place], reserve: Callable[[Place], float], *, led: bool
) -> dict[tuple[str, str], PhaseAmps]:
    """Reserves by circuit and kind of current, A by phase: of all EVSEs, or only of those nobody leads; none where none is budgeted."""
    found: dict[tuple[str, str], list[float]] = {}
    for place in places if budgets else ():
        amps = reserve(place) if led or place.session is None else 0.0
        if amps > 0.0:
            row = found.setdefault((place.circuit, current_of(place)), [0.0, 0.0, 0.0])
            for phase in place.phases:
                row[phase] += amps
    return {key: (row[0], row[1], row[2]) for key, row in found.items()}


class Headroom:
    """`room` for a raise at an EVSE, A per phase; `took` what was raised."""

    def __init__(
        self,
        limits: Sequence[Limit],
        flows: Mapping[str, PhaseAmps],
        budgets: Sequence[Budget],
        spent: Mapping[tuple[str, str], PhaseAmps],
        below: Callable[[str, str], bool],
    ) -> None:
        self.kw: dict[str, float] = {}
        for limit in limits:
            if limit.limit_kw is not None:
                left = limit.limit_kw * 1000.0 / NOMINAL_V - sum(flows.get(limit.circuit, (0.0,)))
                self.kw[limit.circuit] = min(left, self.kw.get(limit.circuit, math.inf))
        self.budgets = [
            (one, [one.limit_a - sum(a[p] for (name, current), a in spent.items() if current == one.current and below(name, one.circuit))
                   for p in range(3)])
            for one in budgets
        ]  # fmt: skip

    def room(self, place: Place) -> float:
        """What is left for it; infinite where nothing but amperes bounds it."""
        kw = [left / max(1, len(place.phases)) for name, left in self.kw.items() if name in place.path]
        rows = [left[p] for _, left in self._mine(place) for p in place.phases]
        return min((*kw, *rows), default=math.inf)

    def took(self, place: Place, amps: float) -> None:
        """That much more may flow there now."""
        for name in self.kw:
            if name in place.path:
                self.kw[name] -= amps * len(place.phases)
        for _, left in self._mine(place):
            for phase in place.phases:
                left[phase] -= amps

    def _mine(self, place: Place) -> list[tuple[Budget, list[float]]]:
        return [(one, left) for one, left in self.budgets if one.circuit in place.path and one.current == current_of(place)]
