"""What the limits leave: a row per circuit and phase, one per kW cap, one per budget and phase, one per cap on concurrent sessions. In
deci-amperes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.located import BUILT_IN, Source
from chargekit.model.site import Circuit

NOMINAL_V: Final = 230.0
PHASE: Final = ("L1", "L2", "L3")
NO_CAP: Final = 1 << 40

Rows = tuple[tuple[int, int], ...]
"""The rows a demand uses, and how often per ampere (or, of a cap on sessions, per session)."""
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Concurrent:
    """At most `most` sessions at a time on a circuit; of these groups only, if any are named."""

    circuit: str
    most: int
    source: Source = BUILT_IN
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Budget:
    """On every phase of a circuit, the demands below it of one kind of current may come to at most `limit_a`, A at the grid side."""

    circuit: str
    limit_a: float
    current: Literal["ac", "dc"]
    source: Source = BUILT_IN
    rule: str = ""


class Room:
    """`left`: row 4 n + p is phase p of the n-th circuit, row 4 n + 3 its kW cap; then, four rows each, the budgets (their fourth row is
    unused); then the caps on sessions; the last is nobody's.

    `reserved_by`: by circuit and kind of current, what of `reserved` is of that kind; budgets count it there and at all above, too.

    Rows are numbers and names are made only when somebody is told: this is gone through for every demand of a large site."""

    def __init__(
        self,
        tree: Mapping[str, Circuit],
        limits: Sequence[Limit],
        reserved: Mapping[str, PhaseAmps],
        concurrent: Sequence[Concurrent] = (),
        phase_caps: Mapping[tuple[str, int], float] | None = None,
        budgets: Sequence[Budget] = (),
        reserved_by: Mapping[tuple[str, str], PhaseAmps] | None = None,
    ) -> None:
        self.at = {name: number * 4 for number, name in enumerate(tree)}
        self.paths = {name: _path(tree, name) for name in tree}
        self.concurrent, self.budgets = tuple(concurrent), tuple(budgets)
        self.first_budget = 4 * len(tree)
        first = self.first_budget + 4 * len(self.budgets)
        self.nobodys = first + len(self.concurrent)
        left = [NO_CAP] * (self.nobodys + 1)
        self.by: list[Limit | None] = [None] * first
        self._left = left
        held: dict[str, list[float]] = {name: [0.0, 0.0, 0.0] for name in tree}
        for name, amps in reserved.items():
            for above in self.paths[name]:
                for phase in range(3):
                    held[above][phase] += amps[phase]
        self.held = held
        for limit in [*(Limit(c.name, c.rating_a, c.source, c.limit_kw) for c in tree.values()), *limits]:
            row, taken = self.at[limit.circuit], held[limit.circuit]
            for phase in range(3):
                self._cap(row + phase, _deci(limit.limit_a - taken[phase]), limit)
            if limit.limit_kw is not None:
                self._cap(row + 3, _deci(limit.limit_kw * 1000 / NOMINAL_V - sum(taken)), limit)
        for (name, phase), most_a in (phase_caps or {}).items():
            circuit = tree[name]
            why = Limit(name, most_a, circuit.source, rule=f"unbalance of at most {circuit.unbalance_a:g} A")
            self._cap(self.at[name] + phase, _deci(most_a - held[name][phase]), why)
        for number, budget in enumerate(self.budgets):
            self._budget(self.first_budget + 4 * number, budget, reserved_by or {})
        for number, one in enumerate(self.concurrent):
            left[first + number] = one.most
        self.left: Ints = np.array(left, dtype=np.int64)

    def _cap(self, row: int, room: int, limit: Limit) -> None:
        if room < self._left[row]:
            self._left[row], self.by[row] = room, limit

    def _budget(self, row: int, one: Budget, reserved_by: Mapping[tuple[str, str], PhaseAmps]) -> None:
        if one.circuit not in self.at:
            raise KeyError(one.circuit)
        limit = Limit(one.circuit, one.limit_a, one.source, rule=one.rule)
        taken = [amps for (name, current), amps in reserved_by.items() if current == one.current and one.circuit in self.paths[name]]
        for phase in range(3):
            self._cap(row + phase, _deci(one.limit_a - sum(amps[phase] for amps in taken)), limit)

    def budget(self, row: int) -> Budget | None:
        """The budget this row is of, if any: its phase is row % 4."""
        if not self.first_budget <= row < len(self.by):
            return None
        return self.budgets[(row - self.first_budget) // 4]

    def name(self, row: int) -> str:
        """Which limit made this row, in words."""
        if row >= len(self.by):
            one = self.concurrent[row - len(self.by)]
            whose = f" of {', '.join(sorted(one.groups))}" if one.groups else ""
            return f"at most {one.most} sessions{whose} on circuit {one.circuit} ({one.source})"
        budget = self.budget(row)
        if budget is not None:
            why = f"{budget.source}, {budget.rule}" if budget.rule else f"{budget.source}"
            return f"circuit {budget.circuit} {budget.limit_a:g} A for {budget.current.upper()} ({why}), phase {PHASE[row % 4]}"
        limit = self.by[row]
        assert limit is not None
        if row % 4 == 3:
            return f"circuit {limit.circuit} {limit.limit_kw:g} kW ({limit.source})"
        return f"circuit {limit.circuit} {limit.limit_a:g} A ({limit.source}, {limit.rule}), phase {PHASE[row % 4]}"

    def rows(self, circuit: str, phases: tuple[int, ...], current: str = "ac") -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rows a demand there uses, those of its phases first, those of budgets last, and how often per ampere."""
        path = [self.at[name] for name in self.paths[circuit]]
        rows = tuple([row + phase for row in path for phase in phases])
        capped = tuple([row + 3 for row in path if self.by[row + 3] is not None])
        often = (1,) * len(rows) + (len(phases),) * len(capped)
        if self.budgets:
            mine = [n for n, one in enumerate(self.budgets) if one.current == current and one.circuit in self.paths[circuit]]
            budgeted = tuple([self.first_budget + 4 * n + phase for n in mine for phase in phases])
            return rows + capped + budgeted, often + (1,) * len(budgeted)
        return rows + capped, often

    def gates(self, circuit: str, group: str) -> tuple[int, ...]:
        """The caps on sessions one there counts in."""
        counted = [n for n, one in enumerate(self.concurrent) if one.circuit in self.paths[circuit] and group in (one.groups or {group})]
        return tuple(len(self.by) + n for n in counted)


def _deci(amps: float) -> int:
    return max(0, math.floor(amps * 10 + 1e-6))


def _path(tree: Mapping[str, Circuit], name: str) -> tuple[str, ...]:
    path = []
    at: str | None = name
    while at is not None:
        path.append(at)
        at = tree[at].parent
    return tuple(path)
