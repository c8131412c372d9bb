"""The allocator without any grouping: one deci-ampere after another, every row looked at every time. Slow, and plain to read."""

import math
from itertools import groupby

from chargekit.controller.allocator import NOMINAL_V, PHASE
from chargekit.model.limit import Limit


def deci(amps):
    return math.floor(amps * 10 + 1e-6)


class Rows:
    """What is left by (circuit, phase), phase 3 for kW, and which limit says so."""

    def __init__(self, tree, limits, reserved):
        self.tree, self.left, self.names = tree, {}, {}
        for limit in [*(Limit(c.name, c.rating_a, c.source, c.limit_kw) for c in tree.values()), *limits]:
            held = [sum(amps[p] for at, amps in reserved.items() if limit.circuit in self.path(at)) for p in range(3)]
            for p in range(3):
                name = f"circuit {limit.circuit} {limit.limit_a:g} A ({limit.source}, {limit.rule}), phase {PHASE[p]}"
                self.cap((limit.circuit, p), limit.limit_a - held[p], name)
            if limit.limit_kw is not None:
                name = f"circuit {limit.circuit} {limit.limit_kw:g} kW ({limit.source})"
                self.cap((limit.circuit, 3), limit.limit_kw * 1000 / NOMINAL_V - sum(held), name)

    def path(self, name):
        return [name, *(self.path(self.tree[name].parent) if self.tree[name].parent else [])]

    def cap(self, row, amps, name):
        room = max(0, deci(amps))
        if room < self.left.get(row, math.inf):
            self.left[row], self.names[row] = room, name

    def uses(self, demand):
        path = self.path(demand.circuit)
        by_phase = [((name, p), 1) for name in path for p in demand.phases]
        return by_phase + [((name, 3), len(demand.phases)) for name in path if (name, 3) in self.left]

    def short(self, demand, amps):
        return next((row for row, times in self.uses(demand) if self.left[row] < amps * times), None)

    def take(self, demand, amps):
        for row, times in self.uses(demand):
            self.left[row] -= amps * times


def plainly(tree, limits, demands, reserved):
    """Amps and what bound them, by id."""
    rows, amps, bound = Rows(tree, limits, reserved), {d.id: 0 for d in demands}, {}
    for _, group in groupby(sorted(demands, key=lambda d: (d.rank, d.tie, d.id)), key=lambda d: d.rank):
        growing = []
        for d in group:
            least = math.ceil(d.least_a * 10 - 1e-6)
            full = rows.short(d, least)
            if full is not None or d.most_a * 10 < least - 1e-6:
                bound[d.id] = rows.names[full] if full is not None else "its own most is below its least"
                continue
            rows.take(d, least)
            amps[d.id], bound[d.id] = least, "demand"
            if deci(d.most_a) > least:
                growing.append(d)
        while growing:
            growing = one_round(growing, rows, amps, bound)
    return {name: (given / 10, bound[name]) for name, given in amps.items()}


def one_round(growing, rows, amps, bound):
    """A deci-ampere for everybody; where a row has not enough for all who use it, for those it lasts for, and they are done."""
    asked = {}
    for d in growing:
        for row, times in rows.uses(d):
            asked[row] = asked.get(row, 0) + times
    scarce = [d for d in growing if any(rows.left[row] < asked[row] for row, _ in rows.uses(d))]
    for d in scarce or growing:
        if rows.short(d, 1) is None:
            rows.take(d, 1)
            amps[d.id] += 1
        if d in scarce:
            stop(d, rows, amps, bound)
    left = [d for d in growing if d not in scarce]
    if scarce:
        return left
    for d in left:
        if rows.short(d, 1) is not None or amps[d.id] >= deci(d.most_a):
            stop(d, rows, amps, bound)
    return [d for d in left if rows.short(d, 1) is None and amps[d.id] < deci(d.most_a)]


def stop(d, rows, amps, bound):
    bound[d.id] = "demand" if amps[d.id] >= deci(d.most_a) else rows.names[rows.short(d, 1) or rows.uses(d)[0][0]]
