"""Strict-priority allocation over the whole circuit tree, by phase, in whole deci-amperes.

A session gets 0, or at least its minimum. Protected floors come first, in order of rank. Then, rank by rank: minima are admitted in the
order of service, and the surplus above them is shared max-min in proportion to the weights, rounded down to each one's step; the steps
left over go in order. Priority is resolved over the whole tree at once: scaling per leaf afterwards would invert it.

In the one rank that does not get all it wants, the aim is the order of service, not the greatest sum: where a session on three phases comes
before three on one, it is served. Lower ranks then use what that leaves.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np

from chargekit.controller.filling import EPS, SERVED, UNWILLING, Work, fill
from chargekit.controller.room import NOMINAL_V, PHASE, Budget, Concurrent, Room
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.site import Circuit

__all__ = ["NOMINAL_V", "PHASE", "Allocation", "Budget", "Concurrent", "Demand", "Grant", "allocate", "in_order"]

UNBALANCE_ROUNDS: Final = 40
TOO_LITTLE: Final = "its own most is below its least"


@dataclass(frozen=True, slots=True)
class Demand:
    """Who wants how much, A per phase at the grid side: nothing, or `least_a`..`most_a`, on these site phases. Rank 0 comes first.

    `floor_a` is protected: it is served before any rank's surplus, up to the next step where that fits. `weight`: its share of a surplus
    against its peers'. `step_a`: the station's own step, at least 0.1 A. `group`: what caps on concurrent sessions may name. `current`:
    "ac" or "dc", whose budgets count it.
    """

    id: str
    circuit: str
    rank: int
    tie: tuple[Any, ...]
    phases: tuple[int, ...]
    least_a: float
    most_a: float
    because: str = ""
    weight: float = 1.0
    floor_a: float = 0.0
    step_a: float = 0.1
    group: str = ""
    current: str = "ac"


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


in_order: Final[Callable[[Demand], tuple[Any, ...]]] = attrgetter("rank", "tie", "id")
"""The key demands are served by."""


def allocate(
    tree: Mapping[str, Circuit],
    limits: Sequence[Limit],
    demands: Sequence[Demand],
    reserved: Mapping[str, PhaseAmps] | None = None,
    concurrent: Sequence[Concurrent] = (),
    budgets: Sequence[Budget] = (),
    *,
    reserved_by: Mapping[tuple[str, str], PhaseAmps] | None = None,
) -> Allocation:
    """Share what the limits leave. `reserved`: amps by phase already taken at a circuit, counted there and at all above it; `reserved_by`:
    what of that is of one kind of current, by circuit and kind, which the budgets count.

    Circuit ratings always hold; `limits` only tighten them. Deterministic: the order of `demands` does not matter. A circuit's
    `unbalance_a` bounds the difference between any two of its phases, counting what is reserved and what is granted.
    """
    ordered = sorted(demands, key=in_order)
    uneven = {name: circuit.unbalance_a for name, circuit in tree.items() if circuit.unbalance_a is not None}
    room = partial(Room, tree, limits, reserved or {}, concurrent, budgets=budgets, reserved_by=reserved_by)
    if not uneven:
        return _told(_share(room(), ordered), ordered)
    return _balanced(room, ordered, uneven)


def _share(room: Room, ordered: Sequence[Demand]) -> Work:
    work = Work(room, ordered)
    ranks = _ranks(ordered)
    below, above = work.floors
    if above.any():
        for one in (below, above) if (below < above).any() else (above,):
            floors = np.where(above > 0, np.minimum(work.most, np.maximum(work.least, one)), 0)
            for start, end in ranks:
                fill(work, start, end, floors[start:end])
    for start, end in ranks:
        fill(work, start, end, work.most[start:end])
    return work


def _ranks(ordered: Sequence[Demand]) -> list[tuple[int, int]]:
    """Where each rank begins and ends."""
    ranks, found = [d.rank for d in ordered], []
    end = 0
    while end < len(ranks):
        start, end = end, bisect_right(ranks, ranks[end], end)
        found.append((start, end))
    return found


def _told(work: Work, ordered: Sequence[Demand]) -> Allocation:
    room, levels = work.room, work.level.tolist()
    names = {SERVED: "demand", UNWILLING: TOO_LITTLE}
    names |= {row: room.name(row) for row in set(work.bound.tolist()) - names.keys()}
    given, becauses = [d.because for d in ordered], list[str]()
    above = 0
    for start, end in _ranks(ordered):
        held, rank = f"; {above / 10:.1f} A held by ranks above", f"rank {ordered[start].rank}"
        # Few texts for many: each is made once.
        texts = {because: (because or rank) + held for because in dict.fromkeys(given[start:end])}
        becauses += [texts[because] for because in given[start:end]]
        above += sum(levels[start:end])
    ids = [d.id for d in ordered]
    fields = zip(ids, (work.level / 10).tolist(), [names[row] for row in work.bound.tolist()], becauses, strict=True)
    left = (room.left / 10).tolist()
    rest = {name: (left[row], left[row + 1], left[row + 2]) for name, row in room.at.items()}
    # What Grant._make does, without a call of Python's for each.
    return Allocation(dict(zip(ids, map(partial(tuple.__new__, Grant), fields), strict=True)), rest)


# --- unbalance --------------------------------------------------------------------------------------------------


def _balanced(room: Callable[..., Room], ordered: Sequence[Demand], uneven: Mapping[str, float]) -> Allocation:
    """Phases that run too far ahead of the lowest are capped, and all is shared again, until none does; then what still fits is
    handed out step by step, in order."""
    caps: dict[tuple[str, int], float] = {}
    for _ in range(UNBALANCE_ROUNDS):
        work = _share(room(caps), ordered)
        flows = _flows(work, ordered)
        ahead = False
        for name, most in uneven.items():
            bound = min(flows[name]) + most
            for phase in range(3):
                cap = max(bound, work.room.held[name][phase])
                if flows[name][phase] > bound + EPS and cap < caps.get((name, phase), math.inf) - 0.05:
                    caps[(name, phase)], ahead = cap, True
        if not ahead:
            break
    _level_up(work, ordered, room(), uneven)
    return _told(work, ordered)


def _flows(work: Work, ordered: Sequence[Demand]) -> dict[str, list[float]]:
    """A by phase through every circuit: what is reserved and what is granted."""
    flows = {name: list(held) for name, held in work.room.held.items()}
    for demand, level in zip(ordered, work.level.tolist(), strict=True):
        for name in work.room.paths[demand.circuit] if level else ():
            for phase in demand.phases:
                flows[name][phase] += level / 10
    return flows


def _level_up(work: Work, ordered: Sequence[Demand], free: Room, uneven: Mapping[str, float]) -> None:
    """The caps on phases held three-phase sessions back, too, which unbalance nothing: hand out what fits without them, in order."""
    flows = _flows(work, ordered)
    for place in range(len(ordered)):
        _take(work, free, place, int(work.level[place]), new=work.level[place] > 0)
    moved = True
    while moved:
        moved = False
        for place, demand in enumerate(ordered):
            level, step = int(work.level[place]), int(work.step[place])
            most = min(int(work.most[place]) - level, *(int(free.left[row]) // often for row, often in work.of(place)))
            for name in free.paths[demand.circuit]:
                if name in uneven:
                    most = min(most, _headroom(flows[name], demand.phases, uneven[name]))
            gained = (level + most) // step * step - level
            shut = level == 0 and any(free.left[gate] < 1 for gate in work.gates(place))
            if gained <= 0 or level + gained < work.least[place] or shut:
                continue
            moved = True
            work.level[place] = level + gained
            work.bound[place] = SERVED if level + gained >= work.most[place] else work.bound[place]
            _take(work, free, place, gained, new=level == 0)
            for name in free.paths[demand.circuit]:
                for phase in demand.phases:
                    flows[name][phase] += gained / 10
    work.room.left = free.left


def _take(work: Work, free: Room, place: int, amps: int, *, new: bool) -> None:
    for row, often in work.of(place):
        free.left[row] -= often * amps
    for gate in work.gates(place) if new else ():
        free.left[gate] -= 1


def _headroom(flows: Sequence[float], phases: Sequence[int], most_a: float) -> int:
    """How far these phases may still rise together, deci-amperes, until one is `most_a` above one of the others."""
    others = [flows[phase] for phase in range(3) if phase not in phases]
    highest = max(flows[phase] for phase in phases)
    return math.floor((min(others) + most_a - highest) * 10 + EPS) if others else 1 << 30
