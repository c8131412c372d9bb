"""How far a raise may go beside the amperes of the circuits: what kW caps and the budgets of AC and DC leave of what could flow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from chargekit.controller.places import Place, id_of
from chargekit.controller.room import NOMINAL_V, Budget
from chargekit.model.limit import Limit, PhaseAmps


def current_of(place: Place) -> str:
    """Which budgets count an EVSE."""
    return "dc" if place.known.evse.dc else "ac"


def by_current(
    budgets: Sequence[Budget], places: Iterable[Place], reserve: Callable[[Place], float], *, led: bool
) -> dict[tuple[str, str], PhaseAmps]:
    """Reserves by circuit and kind of current (or the station whose limit counts them), A by phase: of all EVSEs, or only of those nobody
    leads; none where none is budgeted."""
    found: dict[tuple[str, str], list[float]] = {}
    kinds = any(not one.members for one in budgets)
    stations = {ident: one.current for one in budgets for ident in one.members}
    for place in places if budgets else ():
        amps = reserve(place) if led or place.session is None else 0.0
        for kind in (current_of(place) if kinds else "", stations.get(id_of(place.key), "")) if amps > 0.0 else ():
            row = found.setdefault((place.circuit, kind), [0.0, 0.0, 0.0]) if kind else [0.0, 0.0, 0.0]
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
        self.budgets: list[tuple[Budget, list[float]]] = []
        for one in budgets:
            taken = [amps for (name, current), amps in spent.items() if current == one.current and below(name, one.circuit)]
            kw = math.inf if one.limit_kw is None else one.limit_kw * 1000.0 / NOMINAL_V - sum(map(sum, taken))
            self.budgets.append((one, [*(one.limit_a - sum(amps[p] for amps in taken) for p in range(3)), kw]))

    def room(self, place: Place) -> float:
        """What is left for it; infinite where nothing but amperes bounds it."""
        kw = [left / max(1, len(place.phases)) for name, left in self.kw.items() if name in place.path]
        rows = [left[p] for _, left in self._mine(place) for p in place.phases]
        rows += [left[3] / max(1, len(place.phases)) for _, left in self._mine(place)]
        return min((*kw, *rows), default=math.inf)

    def took(self, place: Place, amps: float) -> None:
        """That much more may flow there now."""
        for name in self.kw:
            if name in place.path:
                self.kw[name] -= amps * len(place.phases)
        for _, left in self._mine(place):
            for phase in place.phases:
                left[phase] -= amps
            left[3] -= amps * len(place.phases)

    def _mine(self, place: Place) -> list[tuple[Budget, list[float]]]:
        ident, current = id_of(place.key), current_of(place)
        return [(one, left) for one, left in self.budgets if one.circuit in place.path and one.counts(ident, current)]
