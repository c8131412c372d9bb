"""The allocator in fractions and plain loops, one demand after another: slow, and plain to read. It shares no code with the real one."""

import math
from fractions import Fraction
from itertools import groupby

NOMINAL_V = 230


def deci(amps):
    return math.floor(amps * 10 + 1e-6)


class Rows:
    """What is left by (circuit, phase) in deci-amperes, phase 3 for kW, ("gate", n) for the n-th cap on sessions,
    ("budget", n, phase or 3) for the n-th budget."""

    def __init__(self, tree, limits, reserved, concurrent, budgets, reserved_by):
        self.tree, self.left, self.concurrent, self.budgets = tree, {}, concurrent, budgets
        for name, circuit in tree.items():
            self.cap(name, circuit.rating_a, circuit.limit_kw, reserved)
        for limit in limits:
            self.cap(limit.circuit, limit.limit_a, limit.limit_kw, reserved)
        for n, one in enumerate(concurrent):
            self.left[("gate", n)] = one.most
        for n, one in enumerate(budgets):
            for p in range(3):
                if one.limit_a < math.inf:
                    self.least(("budget", n, p), one.limit_a - self.spent(one, reserved_by)[p])
            if one.limit_kw is not None:
                self.least(("budget", n, 3), one.limit_kw * 1000 / NOMINAL_V - sum(self.spent(one, reserved_by)))

    def spent(self, one, reserved_by):
        mine = [a for (at, kind), a in reserved_by.items() if kind == one.current and one.circuit in self.path(at)]
        return [sum(a[p] for a in mine) for p in range(3)]

    def path(self, name):
        return [name, *(self.path(self.tree[name].parent) if self.tree[name].parent else [])]

    def cap(self, name, amps, kw, reserved):
        held = [sum(a[p] for at, a in reserved.items() if name in self.path(at)) for p in range(3)]
        for p in range(3):
            self.least((name, p), amps - held[p])
        if kw is not None:
            self.least((name, 3), kw * 1000 / NOMINAL_V - sum(held))

    def least(self, row, amps):
        self.left[row] = min(self.left.get(row, math.inf), max(0, deci(amps)))

    def uses(self, demand):
        path = self.path(demand.circuit)
        by_phase = [((name, p), 1) for name in path for p in demand.phases]
        for n, one in enumerate(self.budgets):
            counts = demand.id in one.members if one.members else one.current == demand.current
            if counts and one.circuit in path:
                by_phase += [(("budget", n, p), 1) for p in demand.phases if ("budget", n, p) in self.left]
                by_phase += [(("budget", n, 3), len(demand.phases))] if ("budget", n, 3) in self.left else []
        return by_phase + [((name, 3), len(demand.phases)) for name in path if (name, 3) in self.left]

    def gates(self, demand):
        path = self.path(demand.circuit)
        return [("gate", n) for n, c in enumerate(self.concurrent) if c.circuit in path and (not c.groups or demand.group in c.groups)]

    def fits(self, demand, amps):
        return all(self.left[row] >= amps * times for row, times in self.uses(demand))

    def take(self, demand, amps):
        for row, times in self.uses(demand):
            self.left[row] -= amps * times


class One:
    def __init__(self, demand):
        self.demand, self.step = demand, max(1, round(demand.step_a * 10))
        self.least = -(-math.ceil(demand.least_a * 10 - 1e-6) // self.step) * self.step
        self.most = deci(demand.most_a) // self.step * self.step
        up = math.ceil(demand.floor_a * 10 - 1e-6)
        self.floors = up // self.step * self.step, -(-up // self.step) * self.step
        self.weight = Fraction(demand.weight)
        self.level = 0


def plainly(tree, limits, demands, reserved, concurrent=(), budgets=(), reserved_by=None):
    """Amps by id."""
    rows = Rows(tree, limits, reserved, concurrent, budgets, reserved_by or {})
    ordered = [One(d) for d in sorted(demands, key=lambda d: (d.rank, d.tie, d.id))]
    ranks = [list(group) for _, group in groupby(ordered, key=lambda o: o.demand.rank)]
    for n in range(2):
        for rank in ranks:
            serve(rows, [(o, min(o.most, max(o.least, o.floors[n]))) for o in rank if o.floors[1] > 0])
    for rank in ranks:
        serve(rows, [(o, o.most) for o in rank])
    return {o.demand.id: o.level / 10 for o in ordered}


def serve(rows, wanted):
    for o, target in wanted:
        gates = rows.gates(o.demand)
        if o.level == 0 and target >= o.least and all(rows.left[g] >= 1 for g in gates) and rows.fits(o.demand, o.least):
            o.level = o.least
            rows.take(o.demand, o.least)
            for g in gates:
                rows.left[g] -= 1
    share(rows, [(o, target - o.level) for o, target in wanted if o.level and target > o.level])
    again = True
    while again:
        again = False
        for o, target in wanted:
            if o.level and o.level + o.step <= target and rows.fits(o.demand, o.step):
                o.level += o.step
                rows.take(o.demand, o.step)
                again = True


def share(rows, growing):
    """All rise together, each by its weight, until a row is full or one has all it wants."""
    got = {o: Fraction(0) for o, _ in growing}
    left = {row: Fraction(n) for row, n in rows.left.items()}
    active = list(growing)
    while active:
        pull = {}
        for o, _ in active:
            for row, times in rows.uses(o.demand):
                pull[row] = pull.get(row, 0) + times * o.weight
        rise = min([left[row] / p for row, p in pull.items()] + [(want - got[o]) / o.weight for o, want in active])
        for o, _ in active:
            got[o] += rise * o.weight
            for row, times in rows.uses(o.demand):
                left[row] -= rise * o.weight * times
        active = [(o, want) for o, want in active if got[o] < want and all(left[row] > 0 for row, _ in rows.uses(o.demand))]
    for o, _ in growing:
        gained = max(0, (o.level + math.floor(got[o])) // o.step * o.step - o.level)
        o.level += gained
        rows.take(o.demand, gained)
