"""The part of a program the solver has: the circuits and slots with a row, and of the energies those a plan could want.

A session takes a tenth of the slots it is there in, yet the simplex looks at all of them at every pivot. So the solver begins with those
that are `promising`; what its prices say of all others (`reduced`) tells which would make the plan better. They are added until there are
none: the optimum is that of the whole program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from chargekit.controller.planner_model import BANDS, OVER_KWH, SLOT_H, Bools, Floats, Ints, Outlook, Program

WHOLE: Final = 6000
"""A program with no more energies than that goes to the solver whole."""
CHEAPEST: Final = 1.2
LAST: Final = 1.5
EVERY: Final = 4
"""What promises: a session's cheapest slots up to so many times its target, its last ones likewise (others have none so late), every so
many-th of the rest."""
NEAR: Final = 12
"""And, in the order of what they cost, so many slots before and after the one where everybody's targets will be met. Under a demand charge
there is no such slot: what is drawn is spread over the day."""
FEW: Final = 8
"""How many energies of a session are added at a time."""
PRICE: Final = 1e-7
"""The solver's own tolerance for prices."""
Transposed = Callable[[Floats], Floats]
"""The rows' prices for costs of the basic columns, in their order."""
Entries = tuple[Ints, Ints, Floats]
"""Where each column (or row) starts, one start more than there are; row (or column) indices; values."""


class Matrix:
    """Columns in the solver's order: all that are no energies first, then energies as they were `taken`; `place`: where an energy is, or
    -1."""

    def __init__(self, program: Program) -> None:
        self.program, self.fixed = program, program.column_count - program.energies
        self.taken: Ints = np.zeros(0, dtype=np.int64)
        self.place = np.full(program.energies, -1)
        width = max((len(uses) for uses in program.uses), default=0)
        self._row, self._share = np.full((program.count, width), -1), np.zeros((program.count, width))
        using: list[list[int]] = [[] for _ in program.rows]
        for n, uses in enumerate(program.uses):
            self._row[n, : len(uses)], self._share[n, : len(uses)] = [row for row, _ in uses], [share for _, share in uses]
            for row, _ in uses:
                using[row].append(n)
        self._users = [np.array(one, dtype=np.int64) for one in using]

    @property
    def columns(self) -> Ints:
        """The program's column by the solver's."""
        return np.concatenate((np.arange(self.program.energies, self.program.column_count), self.taken))

    def full(self, values: Floats) -> Floats:
        """The solver's values by the program's columns; 0 for what it has not."""
        found = np.zeros(self.program.column_count)
        found[self.columns] = values
        return found

    # --- what is given to the solver ----------------------------------------------------------------------------

    def others(self) -> Entries:
        """The columns that are no energies."""
        program, suns = self.program, len(self.program.suns)
        owners = np.repeat(np.arange(program.count), BANDS)
        missing = np.stack([owners, program.rank_row0 + program.rank_of[owners]], axis=1).ravel()
        peak = program.peak_row0 + np.arange(program.slots if program.peaks else 0)
        index = np.concatenate((missing, program.sun_row0 + np.arange(suns), peak))
        value = np.concatenate((np.ones(len(missing) + suns), np.full(len(peak), -SLOT_H)))
        counts = np.concatenate((np.full(len(owners), 2), np.ones(suns, dtype=np.int64), [len(peak)]))
        return np.concatenate(([0], np.cumsum(counts))), index, value

    def take(self, energies: Ints) -> Entries:
        """These energies from now on, after all there are."""
        program = self.program
        self.place[energies] = len(self.taken) + np.arange(len(energies))
        self.taken = np.concatenate((self.taken, energies))
        owner, slot = program.owner[energies], program.slot[energies]
        sun_row, row_of = np.full(program.slots, -1), np.full((len(program.rows), program.slots), -1)
        sun_row[program.suns] = program.sun_row0 + np.arange(len(program.suns))
        row_of[program.kept_rows, program.kept_slots] = program.circuit_row0 + np.arange(len(program.kept_rows))
        peak = program.peak_row0 + slot if program.peaks else np.full(len(slot), -1)
        circuits = np.where(self._row[owner] >= 0, row_of[self._row[owner], slot[:, None]], -1)
        rows = np.column_stack((owner, sun_row[slot], peak, circuits))
        one = np.ones(len(owner))
        value = np.column_stack((one, -one, one, self._share[owner] * program.dense[energies][:, None]))
        there = rows >= 0
        return np.concatenate(([0], np.cumsum(there.sum(axis=1)))), rows[there], value[there]

    def keep(self, wanted: Bools) -> Entries:
        """These circuits and slots have a row from now on, after all there are."""
        program = self.program
        new = program.keep(wanted)
        counts, index, value = [0], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
        kept = zip(program.kept_rows.tolist(), program.kept_slots.tolist(), strict=True)
        for row, slot in list(kept)[len(program.kept_rows) - new :]:
            who = self._users[row][program.lengths[self._users[row]] > slot]
            energies = program.offsets[:-1][who] + slot
            who, energies = who[self.place[energies] >= 0], energies[self.place[energies] >= 0]
            counts.append(len(who))
            index.append(self.fixed + self.place[energies])
            value.append(self._share[who][self._row[who] == row] * program.dense[energies])
        return np.cumsum(counts), np.concatenate(index), np.concatenate(value)

    # --- what the solver's prices say ---------------------------------------------------------------------------

    def reduced(self, costs: Floats, prices: Floats) -> Floats:
        """What one more of each column would cost in all, with the rows at these prices."""
        program, found = self.program, costs.copy()
        by_row = np.zeros((len(program.rows), program.slots))
        by_row[program.kept_rows, program.kept_slots] = prices[program.circuit_row0 :]
        by_slot = np.zeros(program.slots)
        by_slot[program.suns] = -prices[program.sun_row0 : program.peak_row0]
        if program.peaks:
            by_slot += prices[program.peak_row0 : program.circuit_row0]
            found[-1] += SLOT_H * prices[program.peak_row0 : program.circuit_row0].sum()
        found[: program.energies] -= prices[program.owner] + by_slot[program.slot]
        for first, last, uses in program.alike:
            span = slice(int(program.offsets[first]), int(program.offsets[last]))
            circuits = np.sum([share * by_row[row] for row, share in uses], axis=0)
            found[span] -= circuits[program.slot[span]] * program.dense[span]
        owners = np.repeat(np.arange(program.count), BANDS)
        found[program.short0 : program.sun0] -= prices[owners] + prices[program.rank_row0 + program.rank_of[owners]]
        found[program.sun0 : -1] -= prices[program.sun_row0 : program.peak_row0]
        return found

    def better(self, costs: Floats, prices: Floats, high: Floats) -> Ints:
        """The energies the solver has not that would make the plan better; of each session's the best few, the others are seen again."""
        energies = self.program.energies
        if len(self.taken) == energies:
            return np.zeros(0, dtype=np.int64)
        reduced = self.reduced(costs, prices)[:energies]
        found = np.flatnonzero((reduced < -PRICE) & (self.place < 0) & (high[:energies] > 0.0))
        found = found[np.lexsort((reduced[found], self.program.owner[found]))]
        owner = self.program.owner[found]
        return np.sort(found[np.arange(len(found)) - np.searchsorted(owner, owner) < FEW])

    def in_order(self, basic: Ints, values: Floats, bounds: tuple[Floats, ...], solve: Transposed) -> int:
        """How many ranks, from the first on, certainly lack as little as they can after those before them have their due.

        Where a basis leaves nothing to gain for the first rank's missing kWh, and what costs this nothing gains nothing for the second's,
        and so on, no plan is better in that order. False alarms are possible where a solution has more than one basis.
        """
        program, columns = self.program, self.columns
        low, high, _, row_high = bounds
        is_basic = np.zeros(program.column_count, dtype=bool)
        is_basic[columns[basic[basic >= 0]]] = True
        free = ~is_basic & (high > low)
        at_high = values - low > high - values
        binding = np.ones(program.row_count, dtype=bool)
        binding[-1 - basic[basic < 0]] = False
        binding[: program.rank_row0] = False
        unbound = binding & ~np.isfinite(row_high)
        for rank in range(len(program.ranks)):
            goal = program.missing_only(rank)
            prices = solve(np.where(basic >= 0, goal[columns[np.maximum(basic, 0)]], 0.0))
            reduced = self.reduced(goal, prices)
            gains = np.where(at_high, reduced, -reduced)
            if (gains[free] > PRICE).any() or (prices[binding] > PRICE).any() or (prices[unbound] < -PRICE).any():
                return rank
            free &= gains >= -PRICE
            binding &= prices >= -PRICE
        return len(program.ranks)


# --- where to start -----------------------------------------------------------------------------------------------


def _until(program: Program, key: Floats, share: Floats, needs: Floats) -> Bools:
    """By energy: whether a session that takes such shares in the order of a key still needs this one."""
    order = np.lexsort((np.arange(program.energies), key, program.owner))
    owner, total = program.owner[order], np.cumsum(share[order])
    before = total - share[order]
    found = np.zeros(program.energies, dtype=bool)
    found[order] = before - before[np.searchsorted(owner, owner)] < needs[owner]
    return found


def _peak_kw(program: Program, outlook: Outlook, needs: Floats, room: Floats) -> float:
    """What the peak can't stay below: whoever leaves by a slot has its energy by then, beside all else. `room`: kWh left at 0 kW."""
    open_ = np.isfinite(room)
    used = np.cumsum(np.bincount(program.lengths, needs, program.slots + 1)[1:]) - np.cumsum(np.where(open_, room, 0.0))
    least = np.divide(used, SLOT_H * np.cumsum(open_), out=np.zeros(program.slots), where=np.cumsum(open_) > 0)
    return max(outlook.peak_kw, float(least.max(initial=0.0)))


def promising(
    program: Program, outlook: Outlook, costs: Floats, high: Floats, rows: tuple[Floats, Floats]
) -> tuple[Bools, bool]:  # fmt: skip
    """By energy, whether a plan could want it, and whether there is too little for all."""
    energies, slots = program.energies, np.arange(program.slots)
    most, needs = high[:energies], rows[0][: program.count]
    crowded, by_energy = program.crowded(outlook), np.ones(energies)
    for first, last, uses in program.alike:
        span = slice(int(program.offsets[first]), int(program.offsets[last]))
        by_energy[span] = np.max([crowded[row] for row, _ in uses], axis=0)[program.slot[span]]
    if program.peaks:
        room = rows[1][program.peak_row0 : program.circuit_row0]
        room = np.maximum(_peak_kw(program, outlook, needs, room) * SLOT_H + room, OVER_KWH)
        by_energy = np.maximum(by_energy, (np.bincount(program.slot, most, program.slots) / room)[program.slot])
    share = most / np.maximum(by_energy, 1.0)
    cheap = np.full(program.slots, np.inf)
    np.minimum.at(cheap, program.slot, costs[:energies])
    order = np.argsort(cheap, kind="stable")
    enough = int(np.searchsorted(np.cumsum(np.bincount(program.slot, share, program.slots)[order]), needs.sum()))
    near = np.zeros(program.slots, dtype=bool)
    if not program.peaks:
        near[order[max(0, enough - NEAR) : enough + NEAR + 1]] = True
    found = near[program.slot] | ((program.slot + 7 * program.owner) % EVERY == 0)
    found |= _until(program, costs[:energies], most, CHEAPEST * needs)
    found |= _until(program, -slots[program.slot].astype(float), most, LAST * needs)
    return (found & (most > 0.0)) | (energies <= WHOLE), enough >= program.slots


def start(program: Program, high: Floats, costs: Floats, needs: Floats) -> tuple[Ints, Ints]:
    """Where to start from, by column and by session row (0 at the lower bound, 1 basic, 2 at the upper): everybody takes its cheapest
    slots, as if alone. Optimal but for what the circuits do not carry, so the dual simplex mends only that."""
    sun0, count = program.sun0, program.count
    mine = np.concatenate((program.owner, np.repeat(np.arange(count), BANDS)))
    order = np.lexsort((np.arange(sun0), costs[:sun0], mine))
    most = high[:sun0][order]
    total = np.cumsum(most)
    begins = np.searchsorted(mine[order], np.arange(count))
    before = total - most - (total - most)[begins][mine[order]]
    wanted = needs[mine[order]]
    marginal = (before < wanted) & (before + most >= wanted - 1e-9) & (most > 0.0)
    # Of several that reach it within a hair, the first.
    _, first = np.unique(mine[order][marginal], return_index=True)
    at = np.flatnonzero(marginal)[first]
    found = np.zeros(program.column_count, dtype=np.int64)
    found[order] = np.where(before + most < wanted - 1e-9, 2, 0)
    found[order[at]] = 1
    found[sun0:-1] = 2
    rows = np.ones(count, dtype=np.int64)
    rows[mine[order[at]]] = 0
    return found, rows
