"""Strict-priority allocation over the whole circuit tree, by phase, in whole deci-amperes.

A session gets 0, or at least its minimum. Within a rank, minima are admitted in order, then the surplus is shared max-min; then the
next rank. Priority is resolved over the whole tree at once: scaling per leaf afterwards would invert it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.site import Circuit

NOMINAL_V: Final = 230.0
PHASE: Final = ("L1", "L2", "L3")


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


@dataclass(frozen=True, slots=True)
class Grant:
    """What one gets, what bound it, and why in a sentence."""

    id: str
    amps: float
    bound_by: str
    because: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """Every demand's grant, and what is left on each circuit by phase."""

    grants: Mapping[str, Grant]
    left: Mapping[str, PhaseAmps]


Row = tuple[str, int]
Rows = tuple[tuple[Row, int], ...]


class _Room:
    """What is left, in deci-amperes: one row per circuit and phase, and one per kW cap."""

    def __init__(self, tree: Mapping[str, Circuit], limits: Sequence[Limit], reserved: Mapping[str, PhaseAmps]) -> None:
        self.tree = tree
        self.paths = {name: tuple(_path(tree, name)) for name in tree}
        self.left: dict[tuple[str, int], int] = {}
        self.name: dict[tuple[str, int], str] = {}
        self.known: dict[tuple[str, tuple[int, ...]], Rows] = {}
        held: dict[str, list[float]] = {name: [0.0, 0.0, 0.0] for name in tree}
        for name, amps in reserved.items():
            for above in self.paths[name]:
                for phase in range(3):
                    held[above][phase] += amps[phase]
        for limit in [*(Limit(c.name, c.rating_a, c.source, c.limit_kw) for c in tree.values()), *limits]:
            for phase in range(3):
                row, room = (limit.circuit, phase), _deci(limit.limit_a - held[limit.circuit][phase])
                if room < self.left.get(row, 1 << 40):
                    self.left[row] = room
                    self.name[row] = f"circuit {limit.circuit} {limit.limit_a:g} A ({limit.source}, {limit.rule}), phase {PHASE[phase]}"
            if limit.limit_kw is not None:
                row, room = (limit.circuit, 3), _deci(limit.limit_kw * 1000 / NOMINAL_V - sum(held[limit.circuit]))
                if room < self.left.get(row, 1 << 40):
                    self.left[row] = room
                    self.name[row] = f"circuit {limit.circuit} {limit.limit_kw:g} kW ({limit.source})"

    def rows(self, circuit: str, phases: tuple[int, ...]) -> Rows:
        """The rows a demand there uses, and how often per ampere."""
        found = self.known.get((circuit, phases))
        if found is None:
            both = [((name, phase), 1) for name in self.paths[circuit] for phase in phases]
            both += [((name, 3), len(phases)) for name in self.paths[circuit] if (name, 3) in self.left]
            found = self.known[(circuit, phases)] = tuple(both)
        return found

    def short(self, rows: Rows, amps: int) -> Row | None:
        """The first row that does not have so much left."""
        left = self.left
        for row, times in rows:
            if left[row] < amps * times:
                return row
        return None

    def take(self, rows: Rows, amps: int) -> None:
        for row, times in rows:
            self.left[row] -= amps * times


def _deci(amps: float) -> int:
    return max(0, math.floor(amps * 10 + 1e-6))


def _path(tree: Mapping[str, Circuit], name: str) -> Sequence[str]:
    path = []
    at: str | None = name
    while at is not None:
        path.append(at)
        at = tree[at].parent
    return path


def allocate(
    tree: Mapping[str, Circuit], limits: Sequence[Limit], demands: Sequence[Demand], reserved: Mapping[str, PhaseAmps] | None = None
) -> Allocation:
    """Share what the limits leave. `reserved`: amps by phase already taken at a circuit, counted there and at all above it.

    Circuit ratings always hold; `limits` only tighten them. Deterministic: the order of `demands` does not matter.
    """
    room = _Room(tree, limits, reserved or {})
    given: dict[str, int] = {}
    bound: dict[str, str] = {}
    above = 0.0
    told: dict[str, str] = {}
    ordered = sorted(demands, key=lambda d: (d.rank, d.tie, d.id))
    for _, group in groupby(ordered, key=lambda d: d.rank):
        peers = list(group)
        held = f"; {above:.1f} A held by ranks above"
        for demand in peers:
            told[demand.id] = (demand.because or f"rank {demand.rank}") + held
        admitted = _admit(peers, room, given, bound)
        _share(admitted, room, given, bound)
        above += sum(given[d.id] for d in peers) / 10
    grants = {d.id: Grant(d.id, given[d.id] / 10, bound[d.id], told[d.id]) for d in ordered}
    left = {name: (room.left[(name, 0)] / 10, room.left[(name, 1)] / 10, room.left[(name, 2)] / 10) for name in tree}
    return Allocation(grants, left)


def _admit(peers: Sequence[Demand], room: _Room, given: dict[str, int], bound: dict[str, str]) -> list[Demand]:
    """Minima, in order; who does not fit gets nothing and is told by what."""
    admitted = []
    for demand in peers:
        least = math.ceil(demand.least_a * 10 - 1e-6)
        rows = room.rows(demand.circuit, demand.phases)
        full = room.short(rows, least)
        if full is not None or demand.most_a * 10 < least - 1e-6:
            given[demand.id] = 0
            bound[demand.id] = room.name[full] if full is not None else "its own most is below its least"
            continue
        room.take(rows, least)
        given[demand.id], bound[demand.id] = least, "demand"
        admitted.append(demand)
    return admitted


@dataclass(slots=True)
class _Alike:
    """Demands that use the same rows, stand at the same level and end at the same most: they rise as one."""

    rows: Rows
    level: int
    most: int
    members: list[tuple[int, Demand]]


def _share(admitted: Sequence[Demand], room: _Room, given: dict[str, int], bound: dict[str, str]) -> None:
    """The surplus, max-min: all that can still grow grow together until something binds; the last deci-amperes go in order."""
    alike: dict[tuple[str, tuple[int, ...], int, int], _Alike] = {}
    for order, demand in enumerate(admitted):
        level, most = given[demand.id], _deci(demand.most_a)
        if most > level:
            key = (demand.circuit, demand.phases, level, most)
            if key not in alike:
                alike[key] = _Alike(room.rows(demand.circuit, demand.phases), level, most, [])
            alike[key].members.append((order, demand))
    growing = list(alike.values())
    while growing:
        uses: dict[Row, int] = {}
        for group in growing:
            for row, times in group.rows:
                uses[row] = uses.get(row, 0) + times * len(group.members)
        step = min(min(room.left[row] // count for row, count in uses.items()), min(g.most - g.level for g in growing))
        if step == 0:
            tight = {row for row, count in uses.items() if room.left[row] < count}
            scarce = [g for g in growing if any(row in tight for row, _ in g.rows)]
            growing = [g for g in growing if g not in scarce]
            _last(scarce, room, given, bound)
            continue
        rest = []
        for group in growing:
            group.level += step
            room.take(group.rows, step * len(group.members))
        for group in growing:
            full = room.short(group.rows, 1)
            if group.level < group.most and full is None:
                rest.append(group)
                continue
            for _, demand in group.members:
                given[demand.id] = group.level
                bound[demand.id] = "demand" if group.level >= group.most else room.name[full]  # type: ignore[index]
        growing = rest


def _last(scarce: Sequence[_Alike], room: _Room, given: dict[str, int], bound: dict[str, str]) -> None:
    """Less than a deci-ampere each is left on a row these share: one each, in order, as long as it fits; then they are done."""
    for _, group, demand in sorted(((order, g, d) for g in scarce for order, d in g.members), key=lambda one: one[0]):
        level, full = group.level, room.short(group.rows, 1)
        if full is None and level < group.most:
            level += 1
            room.take(group.rows, 1)
            full = room.short(group.rows, 1)
        given[demand.id] = level
        bound[demand.id] = "demand" if level >= group.most else room.name[full or group.rows[0][0]]
