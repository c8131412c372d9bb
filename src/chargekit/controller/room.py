"""What the limits leave: a row per circuit and phase, one per kW cap, one per budget and phase, one per cap on concurrent sessions. In
deci-amperes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import eq, is_
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from chargekit.model.limit import NO_AMPS, Limit, PhaseAmps
from chargekit.model.located import BUILT_IN, Source
from chargekit.model.site import Circuit

if TYPE_CHECKING:
    from chargekit.controller.allocator import Demand

NOMINAL_V: Final = 230.0
PHASE: Final = ("L1", "L2", "L3")
NO_CAP: Final = 1 << 40
STATION: Final = "station "
"""How the name of a budget of a station's EVSEs begins."""

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
    """On every phase of a circuit, the demands below it of one kind of current may come to at most `limit_a`, A at the grid side.

    Or, with `members`: the demands of these ids, whatever their current, also to at most `limit_kw` over all phases. Those of a station are
    `station <id>` in place of a kind of current; a demand is a member of two such budgets at most.
    """

    circuit: str
    limit_a: float
    current: str
    source: Source = BUILT_IN
    rule: str = ""
    members: frozenset[str] = frozenset()
    limit_kw: float | None = None

    def counts(self, ident: str, current: str) -> bool:
        """Whether it is about a demand, if that is at its circuit or below."""
        return ident in self.members if self.members else current == self.current

    @property
    def what(self) -> str:
        """Its name, in words."""
        return f"the limit on {self.current}" if self.members else f"the {self.current.upper()} budget of circuit {self.circuit}"


class Skeleton:
    """What a tree's rows are and what its ratings leave of them, whatever else is allowed. The last one made is kept: circuits are frozen,
    so as long as they are the same objects it is the same tree."""

    kept: Skeleton | None = None

    def __init__(self, tree: Mapping[str, Circuit]) -> None:
        self.names, self.circuits = tuple(tree), tuple(tree.values())
        self.at = {name: number * 4 for number, name in enumerate(tree)}
        self.paths = {name: _path(tree, name) for name in tree}
        self.left, self.by = [NO_CAP] * (4 * len(tree)), list[Limit | None]([None] * (4 * len(tree)))
        self.ratings = [Limit(c.name, c.rating_a, c.source, c.limit_kw) for c in self.circuits]
        for limit in self.ratings:
            tighten(self.left, self.by, self.at[limit.circuit], limit, NO_AMPS)
        self.told: dict[int, str] = {}

    @classmethod
    def of(cls, tree: Mapping[str, Circuit]) -> Skeleton:
        kept = cls.kept
        if (
            kept is None
            or len(tree) != len(kept.names)
            or not all(chain(map(is_, tree.values(), kept.circuits), map(eq, tree, kept.names)))
        ):
            kept = cls.kept = cls(tree)
        return kept

    @cached_property
    def above(self) -> Ints:
        """By circuit, the first rows of those on its path, itself first; -1 where it is shorter than others."""
        deepest = max(map(len, self.paths.values()))
        return np.array([[self.at[name] for name in path] + [-1] * (deepest - len(path)) for path in self.paths.values()], dtype=np.int64)

    def name(self, row: int) -> str:
        """What a rating's row is called."""
        if row not in self.told:
            limit = self.by[row]
            assert limit is not None
            self.told[row] = called(limit, row)
        return self.told[row]


class Room:
    """`left`: row 4 n + p is phase p of the n-th circuit, row 4 n + 3 its kW cap; then, four rows each, the budgets in the same way; then
    the caps on sessions; the last is nobody's.

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
        self.skeleton = skeleton = Skeleton.of(tree)
        self.at, self.paths = skeleton.at, skeleton.paths
        self.concurrent, self.budgets = tuple(concurrent), tuple(budgets)
        self.first_budget, self.nobodys = 4 * len(tree), 4 * len(tree) + 4 * len(self.budgets) + len(self.concurrent)
        left, self.by = [*skeleton.left, *[NO_CAP] * (4 * len(self.budgets))], [*skeleton.by, *[None] * (4 * len(self.budgets))]
        self.held = held = {name: [0.0, 0.0, 0.0] for name in tree}
        touched: dict[str, None] = {}
        for name, amps in reserved.items():
            for above in self.paths[name]:
                touched[above] = None
                for phase in range(3):
                    held[above][phase] += amps[phase]
        for name in touched:
            row = self.at[name]
            left[row : row + 4], self.by[row : row + 4] = [NO_CAP] * 4, [None] * 4
            tighten(left, self.by, row, skeleton.ratings[row // 4], held[name])
        for limit in limits:
            tighten(left, self.by, self.at[limit.circuit], limit, held[limit.circuit])
        for (name, phase), most_a in (phase_caps or {}).items():
            circuit = tree[name]
            why = Limit(name, most_a, circuit.source, rule=f"unbalance of at most {circuit.unbalance_a:g} A")
            _cap(left, self.by, self.at[name] + phase, _deci(most_a - held[name][phase]), why)
        self.mine: dict[str, list[int]] = {}
        taken: dict[str, list[tuple[str, PhaseAmps]]] = {}
        for (name, current), amps in (reserved_by or {}).items():
            taken.setdefault(current, []).append((name, amps))
        for number, budget in enumerate(self.budgets):
            self._budget(left, self.first_budget + 4 * number, budget, taken.get(budget.current, ()))
            for ident in budget.members:
                self.mine.setdefault(ident, []).append(number)
        self.left: Ints = np.array([*left, *(one.most for one in self.concurrent), NO_CAP], dtype=np.int64)

    def _budget(self, left: list[int], row: int, one: Budget, reserved: Sequence[tuple[str, PhaseAmps]]) -> None:
        if one.circuit not in self.at:
            raise KeyError(one.circuit)
        limit = Limit(one.circuit, one.limit_a, one.source, one.limit_kw, one.rule)
        taken = [amps for name, amps in reserved if one.circuit in self.paths[name]]
        for phase in range(3) if one.limit_a < math.inf else ():
            _cap(left, self.by, row + phase, _deci(one.limit_a - sum(amps[phase] for amps in taken)), limit)
        if one.limit_kw is not None:
            _cap(left, self.by, row + 3, _deci(one.limit_kw * 1000 / NOMINAL_V - sum(map(sum, taken))), limit)

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
            if budget.members:
                amount = f"{budget.limit_kw:g} kW" if row % 4 == 3 else f"{budget.limit_a:g} A"
                return f"{budget.current} {amount} ({why})" + ("" if row % 4 == 3 else f", phase {PHASE[row % 4]}")
            return f"circuit {budget.circuit} {budget.limit_a:g} A for {budget.current.upper()} ({why}), phase {PHASE[row % 4]}"
        limit = self.by[row]
        assert limit is not None
        return self.skeleton.name(row) if limit is self.skeleton.by[row] else called(limit, row)

    def rows(self, circuit: str, phases: tuple[int, ...], current: str = "ac", ident: str = "") -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The rows a demand there uses, those of its phases first, those of budgets last, and how often per ampere."""
        path = [self.at[name] for name in self.paths[circuit]]
        rows = tuple([row + phase for row in path for phase in phases])
        capped = tuple([row + 3 for row in path if self.by[row + 3] is not None])
        often = (1,) * len(rows) + (len(phases),) * len(capped)
        if self.budgets:
            mine = [n for n, one in enumerate(self.budgets) if one.counts(ident, current) and one.circuit in self.paths[circuit]]
            budgeted = tuple([self.first_budget + 4 * n + phase for n in mine for phase in phases if self.budgets[n].limit_a < math.inf])
            shared = tuple([self.first_budget + 4 * n + 3 for n in mine if self.budgets[n].limit_kw is not None])
            return rows + capped + budgeted + shared, often + (1,) * len(budgeted) + (len(phases),) * len(shared)
        return rows + capped, often

    def table(self, demands: Sequence[Demand]) -> tuple[Ints, Ints]:
        """`rows` of many demands at once: two arrays, a line each; what one does not use is nobody's row, 0 times."""
        count = len(demands)
        kinds: dict[tuple[int, ...], int] = {}
        which = np.array([kinds.setdefault(d.phases, len(kinds)) for d in demands], dtype=np.int64)
        most = max(map(len, kinds), default=1)
        phases: Ints = np.array([one + (-1,) * (most - len(one)) for one in kinds], dtype=np.int64).reshape(-1, most)[which]
        above = self.skeleton.above[np.array([self.at[d.circuit] for d in demands], dtype=np.int64) // 4]
        rows = np.where(above[:, :, None] < 0, -1, above[:, :, None] + phases[:, None, :])
        if most > 1 and any(len(one) < most for one in kinds):
            rows = np.where(phases[:, None, :] < 0, -1, rows)
        parts = [(rows.reshape(count, rows.shape[1] * most), False)]
        capped = [limit is not None for limit in self.by[3 : self.first_budget : 4]]
        if any(capped):
            parts.append((np.where((above >= 0) & np.array(capped)[above // 4], above + 3, -1), True))
        for number, one in enumerate(self.budgets):
            if not one.members:
                counted = [d.current == one.current and one.circuit in self.paths[d.circuit] for d in demands]
                mine = np.array(counted, dtype=bool)[:, None] & (phases >= 0)
                parts.append((np.where(mine, self.first_budget + 4 * number + phases, -1), False))
        parts += self._shared(demands, phases)
        if len(parts) == 1:
            rows = parts[0][0]
            times: Ints = (rows >= 0).astype(np.int64)
        else:
            used = (phases >= 0).sum(axis=1)[:, None]
            rows = np.concatenate([part for part, _ in parts], axis=1)
            times = np.concatenate([(part >= 0) * (used if every else 1) for part, every in parts], axis=1).astype(np.int64)
        rows[rows < 0] = self.nobodys
        return rows, times

    def _shared(self, demands: Sequence[Demand], phases: Ints) -> list[tuple[Ints, bool]]:
        """The rows of budgets that name their members, and whether each phase counts in them. Few demands have any, and none has many: the
        budgets of all share columns."""
        parts: list[tuple[Ints, bool]] = []
        for place in range(max(map(len, self.mine.values()), default=0)):
            numbers = [self.mine[d.id][place] if len(self.mine.get(d.id, ())) > place else -1 for d in demands]
            first: Ints = np.array([self.first_budget + 4 * n if n >= 0 else -1 for n in numbers], dtype=np.int64)[:, None]
            amps = np.array([n >= 0 and self.budgets[n].limit_a < math.inf for n in numbers], dtype=bool)[:, None]
            kw = np.array([n >= 0 and self.budgets[n].limit_kw is not None for n in numbers], dtype=bool)[:, None]
            parts += [(np.where(amps & (phases >= 0), first + phases, -1), False), (np.where(kw, first + 3, -1), True)]
        return parts

    def gates(self, circuit: str, group: str) -> tuple[int, ...]:
        """The caps on sessions one there counts in."""
        counted = [n for n, one in enumerate(self.concurrent) if one.circuit in self.paths[circuit] and group in (one.groups or {group})]
        return tuple(len(self.by) + n for n in counted)


def tighten(left: list[int], by: list[Limit | None], row: int, limit: Limit, taken: Sequence[float]) -> None:
    """Tighten the rows of a circuit, from `row` on, to what a limit leaves beside what is taken, A by phase."""
    for phase in range(3):
        _cap(left, by, row + phase, _deci(limit.limit_a - taken[phase]), limit)
    if limit.limit_kw is not None:
        _cap(left, by, row + 3, _deci(limit.limit_kw * 1000 / NOMINAL_V - sum(taken)), limit)


def _cap(left: list[int], by: list[Limit | None], row: int, room: int, limit: Limit) -> None:
    if room < left[row]:
        left[row], by[row] = room, limit


def called(limit: Limit, row: int) -> str:
    """The name of a circuit's row that this limit made."""
    if row % 4 == 3:
        return f"circuit {limit.circuit} {limit.limit_kw:g} kW ({limit.source})"
    return f"circuit {limit.circuit} {limit.limit_a:g} A ({limit.source}, {limit.rule}), phase {PHASE[row % 4]}"


def _deci(amps: float) -> int:
    return max(0, math.floor(amps * 10 + 1e-6))


def _path(tree: Mapping[str, Circuit], name: str) -> tuple[str, ...]:
    path = []
    at: str | None = name
    while at is not None:
        path.append(at)
        at = tree[at].parent
    return tuple(path)
