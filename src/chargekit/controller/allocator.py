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


class _Room:
    """What is left, in deci-amperes: one row per circuit and phase, and one per kW cap."""

    def __init__(self, tree: Mapping[str, Circuit], limits: Sequence[Limit], reserved: Mapping[str, PhaseAmps]) -> None:
        self.tree = tree
        self.paths = {name: tuple(_path(tree, name)) for name in tree}
        self.left: dict[tuple[str, int], int] = {}
        self.name: dict[tuple[str, int], str] = {}
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

    def rows(self, demand: Demand) -> list[tuple[tuple[str, int], int]]:
        """The rows a demand uses, and how often per ampere."""
        found = [((name, phase), 1) for name in self.paths[demand.circuit] for phase in demand.phases]
        found += [((name, 3), len(demand.phases)) for name in self.paths[demand.circuit] if (name, 3) in self.left]
        return found


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
        for demand in peers:
            told[demand.id] = f"{demand.because or f'rank {demand.rank}'}; {above:.1f} A held by ranks above"
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
        rows = room.rows(demand)
        full = next((row for row, times in rows if room.left[row] < least * times), None)
        if full is not None or demand.most_a * 10 < least - 1e-6:
            given[demand.id] = 0
            bound[demand.id] = room.name[full] if full is not None else "its own most is below its least"
            continue
        for row, times in rows:
            room.left[row] -= least * times
        given[demand.id], bound[demand.id] = least, "demand"
        admitted.append(demand)
    return admitted


def _share(admitted: Sequence[Demand], room: _Room, given: dict[str, int], bound: dict[str, str]) -> None:
    """The surplus, max-min: all that can still grow grow together until something binds; the last deci-amperes go in order."""
    growing = {d.id: (d, _deci(d.most_a)) for d in admitted if _deci(d.most_a) > given[d.id]}
    rows = {ident: room.rows(demand) for ident, (demand, _) in growing.items()}
    while growing:
        uses: dict[tuple[str, int], int] = {}
        for ident in growing:
            for row, times in rows[ident]:
                uses[row] = uses.get(row, 0) + times
        step = min(min(room.left[row] // count for row, count in uses.items()), min(m - given[i] for i, (_, m) in growing.items()))
        if step == 0:
            tight = {row for row, count in uses.items() if room.left[row] < count}
            _last({i: g for i, g in growing.items() if any(row in tight for row, _ in rows[i])}, rows, room, given, bound, growing)
            continue
        for ident in growing:
            given[ident] += step
            for row, times in rows[ident]:
                room.left[row] -= step * times
        for ident, (_, most) in list(growing.items()):
            full = next((row for row, times in rows[ident] if room.left[row] < times), None)
            if given[ident] >= most or full is not None:
                bound[ident] = "demand" if given[ident] >= most else room.name[full]  # type: ignore[index]
                del growing[ident]


def _last(
    scarce: Mapping[str, tuple[Demand, int]],
    rows: Mapping[str, list[tuple[tuple[str, int], int]]],
    room: _Room,
    given: dict[str, int],
    bound: dict[str, str],
    growing: dict[str, tuple[Demand, int]],
) -> None:
    """Less than a deci-ampere each is left on a row these share: one each, in order, as long as it fits; then they are done."""
    for ident, (_, most) in scarce.items():
        full = next((row for row, times in rows[ident] if room.left[row] < times), None)
        if full is None and given[ident] < most:
            given[ident] += 1
            for row, times in rows[ident]:
                room.left[row] -= times
            full = next((row for row, times in rows[ident] if room.left[row] < times), None)
        bound[ident] = "demand" if given[ident] >= most else room.name[full or rows[ident][0][0]]
        del growing[ident]
