"""Strict-priority allocation over the whole circuit tree, by phase, in whole deci-amperes.

A session gets 0, or at least its minimum. Within a rank, minima are admitted in order, then the surplus is shared max-min; then the
next rank. Priority is resolved over the whole tree at once: scaling per leaf afterwards would invert it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.site import Circuit

NOMINAL_V: Final = 230.0
PHASE: Final = ("L1", "L2", "L3")
_NO_CAP: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Demand:
    """Who wants how much, A per phase: nothing, or `least_a`..`most_a`, on these site phases. Rank 0 comes first."""

    id: str
    circuit: str
    rank: int
    tie: tuple[Any, ...]
    phases: tuple[int, ...]
    least_a: float
    most_a: float
    because: str = ""


class Grant(NamedTuple):
    """What one gets, A per phase, what bound it, and why in a sentence."""

    id: str
    amps: float
    bound_by: str
    because: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """Every demand's grant, and what is left on each circuit by phase."""

    grants: Mapping[str, Grant]
    left: Mapping[str, PhaseAmps]


Rows = tuple[tuple[int, int], ...]
"""The rows a demand uses, and how often per ampere."""


class _Room:
    """What is left, in deci-amperes: row 4 n + p is phase p of the n-th circuit, row 4 n + 3 its kW cap, if it has one.

    Rows are numbers and names are made only when somebody is told: this is gone through for every demand of a large site."""

    def __init__(self, tree: Mapping[str, Circuit], limits: Sequence[Limit], reserved: Mapping[str, PhaseAmps]) -> None:
        self.at = {name: number * 4 for number, name in enumerate(tree)}
        self.paths = {name: tuple(_path(tree, name)) for name in tree}
        self.left = [_NO_CAP] * (4 * len(tree))
        self.by: list[Limit | None] = [None] * (4 * len(tree))
        self.known: dict[tuple[str, tuple[int, ...]], Rows] = {}
        self.names: dict[int, str] = {}
        held: dict[str, list[float]] = {name: [0.0, 0.0, 0.0] for name in tree}
        for name, amps in reserved.items():
            for above in self.paths[name]:
                for phase in range(3):
                    held[above][phase] += amps[phase]
        for limit in [*(Limit(c.name, c.rating_a, c.source, c.limit_kw) for c in tree.values()), *limits]:
            row, taken = self.at[limit.circuit], held[limit.circuit]
            for phase in range(3):
                self._cap(row + phase, _deci(limit.limit_a - taken[phase]), limit)
            if limit.limit_kw is not None:
                self._cap(row + 3, _deci(limit.limit_kw * 1000 / NOMINAL_V - sum(taken)), limit)

    def _cap(self, row: int, room: int, limit: Limit) -> None:
        if room < self.left[row]:
            self.left[row], self.by[row] = room, limit

    def name(self, row: int) -> str:
        """Which limit made this row, in words."""
        if row not in self.names:
            limit = self.by[row]
            assert limit is not None
            if row % 4 == 3:
                self.names[row] = f"circuit {limit.circuit} {limit.limit_kw:g} kW ({limit.source})"
            else:
                what = f"circuit {limit.circuit} {limit.limit_a:g} A ({limit.source}, {limit.rule})"
                self.names[row] = f"{what}, phase {PHASE[row % 4]}"
        return self.names[row]

    def rows(self, circuit: str, phases: tuple[int, ...]) -> Rows:
        """The rows a demand there uses, phases first."""
        found = self.known.get((circuit, phases))
        if found is None:
            path = [self.at[name] for name in self.paths[circuit]]
            both = [(row + phase, 1) for row in path for phase in phases]
            both += [(row + 3, len(phases)) for row in path if self.by[row + 3] is not None]
            found = self.known[(circuit, phases)] = tuple(both)
        return found

    def short(self, rows: Rows, amps: int) -> int | None:
        """The first row that does not have so much left."""
        left = self.left
        for row, times in rows:
            if left[row] < amps * times:
                return row
        return None

    def take(self, rows: Rows, amps: int) -> None:
        left = self.left
        for row, times in rows:
            left[row] -= amps * times


def _deci(amps: float) -> int:
    return max(0, math.floor(amps * 10 + 1e-6))


def _path(tree: Mapping[str, Circuit], name: str) -> Sequence[str]:
    path = []
    at: str | None = name
    while at is not None:
        path.append(at)
        at = tree[at].parent
    return path


def in_order(demand: Demand) -> tuple[Any, ...]:
    """The key demands are served by."""
    return (demand.rank, demand.tie, demand.id)


def allocate(
    tree: Mapping[str, Circuit], limits: Sequence[Limit], demands: Sequence[Demand], reserved: Mapping[str, PhaseAmps] | None = None
) -> Allocation:
    """Share what the limits leave. `reserved`: amps by phase already taken at a circuit, counted there and at all above it.

    Circuit ratings always hold; `limits` only tighten them. Deterministic: the order of `demands` does not matter.
    """
    room = _Room(tree, limits, reserved or {})
    grants: dict[str, Grant] = {}
    above = 0
    for rank, group in groupby(sorted(demands, key=in_order), key=lambda d: d.rank):
        peers = list(group)
        result = _Result([0] * len(peers), [""] * len(peers))
        _share(_admit(peers, room, result), room, result)
        held = f"; {above / 10:.1f} A held by ranks above"
        for demand, amps, bound in zip(peers, result.amps, result.bound, strict=True):
            grants[demand.id] = Grant(demand.id, amps / 10, bound, (demand.because or f"rank {rank}") + held)
        above += sum(result.amps)
    left = {name: (room.left[row] / 10, room.left[row + 1] / 10, room.left[row + 2] / 10) for name, row in room.at.items()}
    return Allocation(grants, left)


@dataclass(slots=True)
class _Result:
    """Deci-amperes and what bound them, by place in the order of service."""

    amps: list[int]
    bound: list[str]


@dataclass(slots=True, eq=False)
class _Alike:
    """Demands that use the same rows and want the same: they are admitted at the same least and rise as one.

    `order`: all of them; `members`: those admitted, both by place in the order of service. `shut`: a position in `rows` known to be short.
    """

    rows: Rows
    least: int
    most: int
    willing: bool
    order: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    level: int = 0
    shut: int | None = None


def _admit(peers: Sequence[Demand], room: _Room, result: _Result) -> list[_Alike]:
    """Minima, in order; who does not fit gets nothing and is told by what."""
    found: dict[tuple[str, tuple[int, ...], float, float], _Alike] = {}
    kinds = []
    for place, demand in enumerate(peers):
        key = (demand.circuit, demand.phases, demand.least_a, demand.most_a)
        kind = found.get(key)
        if kind is None:
            least = math.ceil(demand.least_a * 10 - 1e-6)
            willing = demand.most_a * 10 >= least - 1e-6
            kind = found[key] = _Alike(room.rows(demand.circuit, demand.phases), least, _deci(demand.most_a), willing, level=least)
        kind.order.append(place)
        kinds.append(kind)
    if _all_fit(found.values(), room):
        for kind in found.values():
            kind.members = kind.order if kind.willing else []
            room.take(kind.rows, kind.least * len(kind.members))
    else:
        for place, kind in enumerate(kinds):
            full = _shut(kind, room, kind.least)
            if full is not None:
                result.bound[place] = room.name(full)
            elif kind.willing:
                room.take(kind.rows, kind.least)
                kind.members.append(place)
    for kind in found.values():
        for place in kind.members:
            result.amps[place], result.bound[place] = kind.level, "demand"
        if not kind.willing:
            for place in kind.order:
                result.bound[place] = result.bound[place] or "its own most is below its least"
    return list(found.values())


def _all_fit(kinds: Iterable[_Alike], room: _Room) -> bool:
    """Is there room for every minimum? Then the order of service does not matter."""
    uses: dict[int, int] = {}
    for kind in kinds:
        for row, times in kind.rows:
            uses[row] = uses.get(row, 0) + times * kind.least * len(kind.order)
    return all(room.left[row] >= used for row, used in uses.items())


def _shut(kind: _Alike, room: _Room, amps: int) -> int | None:
    """The first row short of `amps`. What is left only falls, so behind a row once found short nothing needs a look."""
    left = room.left
    for position, (row, times) in enumerate(kind.rows):
        if position == kind.shut or left[row] < amps * times:
            kind.shut = position
            return row
    return None


def _share(kinds: Sequence[_Alike], room: _Room, result: _Result) -> None:
    """The surplus, max-min: all that can still grow grow together until something binds; the last deci-amperes go in order."""
    growing = [kind for kind in kinds if kind.members and kind.most > kind.level]
    left = room.left
    uses: dict[int, int] = {}
    for kind in growing:
        for row, times in kind.rows:
            uses[row] = uses.get(row, 0) + times * len(kind.members)
    while growing:
        step = min(min(left[row] // count for row, count in uses.items()), min(k.most - k.level for k in growing))
        if step == 0:
            tight = {row for row, count in uses.items() if left[row] < count}
            scarce = [k for k in growing if any(row in tight for row, _ in k.rows)]
            growing = [k for k in growing if not any(row in tight for row, _ in k.rows)]
            _leave(uses, scarce)
            _last(scarce, room, result)
            continue
        for kind in growing:
            kind.level += step
            room.take(kind.rows, step * len(kind.members))
        rest, done = [], []
        for kind in growing:
            full = room.short(kind.rows, 1)
            if kind.level < kind.most and full is None:
                rest.append(kind)
                continue
            done.append(kind)
            bound = "demand" if full is None or kind.level >= kind.most else room.name(full)
            for place in kind.members:
                result.amps[place], result.bound[place] = kind.level, bound
        _leave(uses, done)
        growing = rest


def _leave(uses: dict[int, int], gone: Sequence[_Alike]) -> None:
    """Demands that grow no more use no row any more."""
    for kind in gone:
        for row, times in kind.rows:
            uses[row] -= times * len(kind.members)
            if not uses[row]:
                del uses[row]


def _last(scarce: Sequence[_Alike], room: _Room, result: _Result) -> None:
    """Less than a deci-ampere each is left on a row these share: one each, in order, as long as it fits; then they are done."""
    for one in scarce:
        one.shut = None
    for place, kind in sorted(((place, one) for one in scarce for place in one.members), key=itemgetter(0)):
        level, full = kind.level, _shut(kind, room, 1)
        if full is None:
            level += 1
            room.take(kind.rows, 1)
            full = _shut(kind, room, 1)
        result.amps[place] = level
        result.bound[place] = "demand" if level >= kind.most else room.name(kind.rows[0][0] if full is None else full)
