"""Admission and max-min filling of one rank, on arrays: what a site of ten thousand sessions needs within milliseconds.

Filling finds, for every scarce row, the level its users could rise to if no other row held them; a row that holds all its users is final
at its level, and takes from the others only what its users got. Levels only rise from round to round, so whoever reaches all it wants
below its rows' levels is final too. (Bertsekas and Gallager, Data Networks, section 6.5.2: every session has a bottleneck.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from chargekit.controller.room import Ints, Room, Rows

if TYPE_CHECKING:
    from chargekit.controller.allocator import Demand

EPS: Final = 1e-6
SERVED, UNWILLING, OPEN = -1, -2, -3
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Work:
    """The demands in the order of service as arrays, in deci-amperes. `level`: what each has so far; `bound`: the row that stopped it, or
    SERVED, UNWILLING. `rows[i]`, `times[i]`: the rows of demand i and how often it uses each; nobody's row, 0 times, fills them up."""

    def __init__(self, room: Room, ordered: Sequence[Demand]) -> None:
        self.room = room
        count = len(ordered)
        # A list made in one go is what Python and numpy are quickest at.
        step = np.array([d.step_a for d in ordered], dtype=float) * 10
        least = np.array([d.least_a for d in ordered], dtype=float) * 10
        most = np.array([d.most_a for d in ordered], dtype=float) * 10
        floors = np.array([d.floor_a for d in ordered], dtype=float) * 10
        self.weight: Floats = np.array([d.weight for d in ordered], dtype=float)
        self.step: Ints = np.maximum(1, np.rint(step)).astype(np.int64)
        self.least: Ints = _up(np.ceil(least - EPS).astype(np.int64), self.step)
        self.most: Ints = _down(np.floor(most + EPS).astype(np.int64), self.step)
        # What is promised is kept, not nearly: up, once everybody has had the step below.
        up = np.ceil(floors - EPS).astype(np.int64)
        self.floors: tuple[Ints, Ints] = _down(up, self.step), _up(up, self.step)
        self.level: Ints = np.zeros(count, dtype=np.int64)
        self.bound: Ints = np.full(count, OPEN, dtype=np.int64)
        self.rows, self.times = room.table(ordered)
        self._gates: list[tuple[int, ...]] = []
        if room.concurrent:
            known: dict[tuple[str, str], tuple[int, ...]] = {(d.circuit, d.group): () for d in ordered}
            known = {key: room.gates(*key) for key in known}
            self._gates = [known[d.circuit, d.group] for d in ordered]
        self.gated = any(self._gates)

    def of(self, place: int) -> Rows:
        """The rows of a demand, and how often it uses each."""
        return tuple([use for use in zip(self.rows[place].tolist(), self.times[place].tolist(), strict=True) if use[1]])

    def gates(self, place: int) -> tuple[int, ...]:
        """The caps on sessions it counts in."""
        return self._gates[place] if self.gated else ()

    def among(self, places: Ints, some: Bools) -> list[list[tuple[int, int]]]:
        """`of` these demands, only what is among some rows."""
        found: list[list[tuple[int, int]]] = [[] for _ in places]
        rows = self.rows[places]
        line, column = np.nonzero(some[rows])
        for n, row, often in zip(line.tolist(), rows[line, column].tolist(), self.times[places][line, column].tolist(), strict=True):
            found[n].append((row, often))
        return found

    def take(self, rows: Ints, amounts: Ints) -> None:
        self.room.left -= self.uses(rows, amounts)

    def uses(self, rows: Ints, amounts: Ints) -> Ints:
        """By row, what so many deci-amperes at these rows come to."""
        return np.bincount(rows.ravel(), weights=amounts.ravel(), minlength=len(self.room.left)).astype(np.int64)


def _up(amps: Ints, step: Ints) -> Ints:
    return -(-amps // step) * step


def _down(amps: Ints, step: Ints) -> Ints:
    return amps // step * step


def fill(work: Work, start: int, end: int, target: Ints) -> None:
    """Serve the demands `start`..`end` (one rank) up to `target`: those not yet admitted first, then the surplus of all."""
    if end - start == 1:
        _one(work, start, int(target[0]))
        return
    span = slice(start, end)
    rows, times = work.rows[span], work.times[span]
    _admit(work, span, rows, times, target)
    _rise(work, span, rows, times, target)
    _leftovers(work, span, rows, times, target)
    _bind(work, span, rows, times)


def _one(work: Work, place: int, target: int) -> None:
    """A rank of one needs no arrays."""
    left = work.room.left
    level, least, step = int(work.level[place]), int(work.least[place]), int(work.step[place])
    if level == 0 and work.most[place] < least:
        work.bound[place] = UNWILLING
    if target <= level or target < least:
        return
    rows, gates = work.of(place), work.gates(place) if level == 0 else ()
    full = next((gate for gate in gates if left[gate] < 1), None)
    if full is None and level == 0:
        full = next((row for row, often in rows if left[row] < least * often), None)
    if full is not None:
        work.bound[place] = full
        return
    for gate in gates:
        left[gate] -= 1
    most = min(target - level, *(int(left[row]) // often for row, often in rows))
    gained = (level + most) // step * step - level
    for row, often in rows:
        left[row] -= gained * often
    work.level[place] = level = level + gained
    short = next((row for row, often in rows if left[row] < step * often), SERVED)
    work.bound[place] = SERVED if level >= work.most[place] else short


# --- admission --------------------------------------------------------------------------------------------------


def _admit(work: Work, span: slice, rows: Ints, times: Ints, target: Ints) -> None:
    """Minima, in order; who does not fit gets nothing and is told by what."""
    level, least, bound = work.level[span], work.least[span], work.bound[span]
    bound[(level == 0) & (work.most[span] < least)] = UNWILLING
    new = (level == 0) & (target >= least) & (target > 0)
    if not new.any():
        return
    uses = _minima(work, span, rows, times, new)
    if (uses > work.room.left).any():
        _one_by_one(work, span, new, uses > work.room.left)
        uses = _minima(work, span, rows, times, new)
    level[new] = least[new]
    work.room.left -= uses


def _minima(work: Work, span: slice, rows: Ints, times: Ints, new: Bools) -> Ints:
    """By row, what the minima of these come to; by cap on sessions, how many they are."""
    uses = work.uses(rows, times * (work.least[span] * new)[:, None])
    if work.gated:
        for place in np.flatnonzero(new).tolist():
            for gate in work.gates(span.start + place):
                uses[gate] += 1
    return uses


def _one_by_one(work: Work, span: slice, new: Bools, scarce: Bools) -> None:
    """Who of these fits, in order. Only rows that can't hold all of them need a look."""
    least, bound = work.least[span], work.bound[span]
    spare = {int(row): int(work.room.left[row]) for row in np.flatnonzero(scarce)}
    places = np.flatnonzero(new)
    uses = work.among(span.start + places, scarce)
    for place, amps, mine in zip(places.tolist(), least[places].tolist(), uses, strict=True):
        gates = [gate for gate in work.gates(span.start + place) if gate in spare] if work.gated else ()
        full = next((gate for gate in gates if spare[gate] < 1), None) if gates else None
        if full is None:
            for row, often in mine:
                if spare[row] < amps * often:
                    full = row
                    break
        if full is not None:
            bound[place], new[place] = full, False
            continue
        for gate in gates:
            spare[gate] -= 1
        for row, often in mine:
            spare[row] -= amps * often


# --- the surplus ------------------------------------------------------------------------------------------------


def _rise(work: Work, span: slice, rows: Ints, times: Ints, target: Ints) -> None:
    """The surplus of those admitted, max-min in proportion to the weights, rounded down to each one's step."""
    level, weight, step = work.level[span], work.weight[span], work.step[span]
    wanted = np.where(level > 0, np.maximum(0, target - level), 0)
    scarce = work.uses(rows, times * wanted[:, None]) > work.room.left
    held = scarce[rows].any(axis=1) & (wanted > 0)
    gained = np.where(held, 0, wanted)
    if held.any():
        free = work.uses(rows, times * gained[:, None])
        places = np.flatnonzero(held)
        gained[places] = _levels(
            rows[places], times[places], scarce, (work.room.left - free).astype(float), wanted[places].astype(float), weight[places]
        )
    gained = (level + gained) // step * step - level
    np.maximum(gained, 0, out=gained)
    level += gained
    work.take(rows, times * gained[:, None])


def _levels(rows: Ints, times: Ints, scarce: Bools, left: Floats, wanted: Floats, weight: Floats) -> Ints:
    """What each gets of the surplus, whole deci-amperes, where some rows can't give all."""
    count = len(wanted)
    reach = wanted / weight
    order = np.argsort(reach, kind="stable")
    who, column = np.nonzero(scarce[rows[order]])
    who = order[who]
    row, often = rows[who, column], times[who, column].astype(float)
    by_row = np.argsort(row.astype(np.uint16) if len(left) < 1 << 16 else row, kind="stable")
    who, row, often = who[by_row], row[by_row], often[by_row]
    share = np.zeros(count)
    while len(row):
        begins = np.ones(len(row), dtype=bool)
        np.not_equal(row[1:], row[:-1], out=begins[1:])
        starts, segment = np.flatnonzero(begins), np.cumsum(begins) - 1
        mine = reach[who]
        use, pull = often * wanted[who], often * weight[who]
        before = np.cumsum(use) - use
        before -= before[starts][segment]
        behind = np.cumsum(pull) - pull
        ahead = np.add.reduceat(pull, starts)[segment] - (behind - behind[starts][segment])
        # `before`: what those that want less come to; `ahead`: the weights of the others. Where does the row end?
        over = before + mine * ahead > left[row] + EPS
        first = np.minimum.reduceat(np.where(over, np.arange(len(row)), len(row)), starts)
        short = first < len(row)
        at = first[short]
        height = np.full(len(starts), np.inf)
        height[short] = np.maximum(0.0, (left[row[starts[short]]] - before[at]) / ahead[at])
        lowest = np.full(count, np.inf)
        np.minimum.at(lowest, who, height[segment])
        got = np.minimum(reach, lowest)
        # A row that holds all its users is final, and so is who gets all it wants.
        holds = np.logical_and.reduceat(got[who] >= np.minimum(mine, height[segment]) - 1e-9, starts) & short
        final = reach <= lowest
        final[who[holds[segment]]] = True
        done = final[who]
        there = np.unique(who[done])
        share[there] = got[there] * weight[there]
        left -= np.bincount(row[done], weights=(often * share[who])[done], minlength=len(left))
        who, row, often = who[~done], row[~done], often[~done]
    return np.floor(share + EPS).astype(np.int64)


def _leftovers(work: Work, span: slice, rows: Ints, times: Ints, target: Ints) -> None:
    """Less than a step each is left on scarce rows: one step each, in order, as long as it fits."""
    level, step, left = work.level[span], work.step[span], work.room.left
    places = np.flatnonzero((level > 0) & (level + step <= target))
    while len(places):
        # Who does not fit now never will: there is only less.
        need = times[places] * step[places][:, None]
        fits = (left[rows[places]] >= need).all(axis=1)
        places, need = places[fits], need[fits]
        mine = rows[places]
        scarce = work.uses(mine, need) > left
        doubtful = np.flatnonzero(scarce[mine].any(axis=1))
        gets = np.ones(len(places), dtype=bool)
        spare = {int(row): int(left[row]) for row in np.flatnonzero(scarce)}
        uses = work.among(span.start + places[doubtful], scarce)
        for n, amps, used in zip(doubtful.tolist(), step[places[doubtful]].tolist(), uses, strict=True):
            if any(spare[row] < amps * often for row, often in used):
                gets[n] = False
                continue
            for row, often in used:
                spare[row] -= amps * often
        places = places[gets]
        level[places] += step[places]
        work.take(mine[gets], need[gets])
        places = places[level[places] + step[places] <= target[places]]


def _bind(work: Work, span: slice, rows: Ints, times: Ints) -> None:
    """What stopped each of those admitted."""
    level, bound = work.level[span], work.bound[span]
    short = work.room.left[rows] < times * work.step[span][:, None]
    first = rows[np.arange(len(rows)), short.argmax(axis=1)]
    admitted = level > 0
    bound[admitted] = np.where(level >= work.most[span], SERVED, np.where(short.any(axis=1), first, SERVED))[admitted]
