"""The allocator against an exact optimiser (HiGHS, mixed-integer) on random trees.

Ranks that can all have what they want get it, as in the lexicographic optimum. In the marginal rank the allocator serves in order, and of
that it is exact: no other set of sessions that fits comes before it in the order of service, and the surplus is max-min. It does not go for
the greatest sum; what that costs is bounded: a session stuck has a row without a usable step, and nobody is in more than three of them
that lie beside each other (one for each of its phases; twice that where there are budgets), so the optimum is at most that many times the
sum served, and a minimum for each row that refused somebody. `make deep` prints the gap over many trees.
"""

import itertools
import math
import random
import statistics
from collections import Counter
from dataclasses import replace

import highspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargekit.controller.allocator import Budget, Demand, allocate
from chargekit.model.site import Circuit

PHASES = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0,), (1,), (2,))
STEP = 0.1


def tree_of(rng, feeders):
    tree = {"grid": Circuit("grid", None, round(rng.uniform(20, 40 * feeders), 1))}
    for n in range(feeders):
        tree[f"f{n}"] = Circuit(f"f{n}", "grid", round(rng.uniform(10, 80), 1))
        for m in range(rng.randint(0, 2)):
            tree[f"f{n}/{m}"] = Circuit(f"f{n}/{m}", f"f{n}", round(rng.uniform(10, 40), 1))
    return tree


def random_case(seed, phases=PHASES, ranks=3):
    rng = random.Random(seed)
    tree = tree_of(rng, rng.randint(1, 3))
    demands = [
        Demand(
            f"d{n}", rng.choice([*tree]), rng.randrange(ranks), (n,), rng.choice(phases), rng.choice([6.0, 8.0]),
            rng.choice([10.0, 16.0, 32.0]), weight=rng.choice([1.0, 1.0, 2.0]),
        )
        for n in range(rng.randint(2, 12))
    ]  # fmt: skip
    return tree, demands


def random_budgets(seed, tree, demands):
    """Half of the demands on DC, and up to three budgets."""
    rng = random.Random(-1 - seed)
    demands = [replace(d, current=rng.choice(["ac", "dc"])) for d in demands]
    budgets = [Budget(rng.choice([*tree]), round(rng.uniform(6, 60), 1), rng.choice(["ac", "dc"])) for _ in range(rng.randint(1, 3))]
    return demands, budgets


def rows_of(tree, demand, budgets=()):
    """(circuit, phase) on the way up, (number of the budget, phase)."""
    found, at = [], demand.circuit
    while at is not None:
        found += [(at, p) for p in demand.phases]
        found += [(n, p) for n, one in enumerate(budgets) if (one.circuit, one.current) == (at, demand.current) for p in demand.phases]
        at = tree[at].parent
    return found


class Exact:
    """Semi-continuous amps under the rows of the tree and the budgets; `best(rank)` maximises the sum of one rank and then holds it."""

    def __init__(self, tree, demands, budgets=()):
        self.demands, self.solver = demands, highspy.Highs()
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("mip_rel_gap", 0.0)
        self.amps = [self.solver.addVariable(0.0, d.most_a) for d in demands]
        on = [self.solver.addBinary() for _ in demands]
        for d, x, y in zip(demands, self.amps, on, strict=True):
            self.solver.addConstr(x <= d.most_a * y)
            self.solver.addConstr(x >= d.least_a * y)
        users = {}
        for d, x in zip(demands, self.amps, strict=True):
            for row in rows_of(tree, d, budgets):
                users.setdefault(row, []).append(x)
        for row, among in users.items():
            self.solver.addConstr(sum(among) <= (tree[row[0]].rating_a if row[0] in tree else budgets[row[0]].limit_a))

    def best(self, rank, by_phase=False):
        """The greatest sum of a rank, of A per session or, `by_phase`, of A on all its phases: what it draws."""
        many = zip(self.demands, self.amps, strict=True)
        mine = [x * (len(d.phases) if by_phase else 1) for d, x in many if d.rank == rank]
        if not mine:
            return 0.0
        self.solver.maximize(sum(mine))
        assert self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        found = self.solver.getInfo().objective_function_value
        self.solver.addConstr(sum(mine) >= found - 1e-4)
        return found


def served(demands, found, rank):
    return sum(found.grants[d.id].amps for d in demands if d.rank == rank)


def left_of(found, tree, demands, budgets, row):
    """What is left of a row, A."""
    if row[0] in tree:
        return found.left[row[0]][row[1]]
    return budgets[row[0]].limit_a - sum(found.grants[d.id].amps for d in demands if row in rows_of(tree, d, budgets))


def gap(tree, demands, budgets=()):
    """(rank, exact, served, bound) of the marginal rank; None when everybody gets all there is to want. Asserts what holds above it."""
    found, exact = allocate(tree, [], demands, budgets=budgets), Exact(tree, demands, budgets)
    for rank in sorted({d.rank for d in demands}):
        best, got = exact.best(rank), served(demands, found, rank)
        wanted = sum(d.most_a for d in demands if d.rank == rank)
        if got > wanted - 1e-6:
            assert best == pytest.approx(wanted, abs=1e-3)
            continue
        assert best < wanted - 1e-3, "the optimum serves a rank in full that the allocator does not"
        stuck = [d for d in demands if d.rank == rank and found.grants[d.id].amps < d.most_a - 1e-6]
        tight = {
            row
            for d in stuck
            for row in rows_of(tree, d, budgets)
            if left_of(found, tree, demands, budgets, row) < (d.least_a if not found.grants[d.id].amps else STEP) - 1e-9
        }
        beside = max(len(d.phases) for d in demands if d.rank == rank) * (2 if budgets else 1)
        return rank, best, got, got * beside + len(tight) * max(d.least_a for d in demands)
    return None


@given(st.integers(0, 1 << 30))
def test_all_but_the_marginal_rank_is_optimal_and_that_ones_gap_is_bounded(seed):
    tree, demands = random_case(seed)
    found = gap(tree, demands)
    if found is not None:
        _, best, got, bound = found
        assert got <= best + 1e-3
        assert best <= bound + 1e-3


@given(st.integers(0, 1 << 30))
def test_budgets_are_held_to_the_same(seed):
    tree, demands = random_case(seed)
    demands, budgets = random_budgets(seed, tree, demands)
    found = gap(tree, demands, budgets)
    if found is not None:
        _, best, got, bound = found
        assert got <= best + 1e-3
        assert best <= bound + 1e-3


@given(st.integers(0, 1 << 30), st.sampled_from([((0, 1, 2),), ((0,),)]))
def test_where_all_use_the_same_phases_only_minima_cost_anything(seed, phases):
    """On one kind of phases the circuits are nested: any maximal sharing has the greatest sum, but for refused minima and last steps."""
    tree, demands = random_case(seed, phases)
    found, allocation = gap(tree, demands), allocate(tree, [], demands)
    if found is None:
        return
    rank, best, got, _ = found
    refused = [d for d in demands if d.rank == rank and not allocation.grants[d.id].amps]
    if not refused:
        assert best - got <= STEP * len(tree) + 1e-3


@given(st.integers(0, 1 << 30))
def test_who_is_admitted_is_the_first_set_by_order_that_fits(seed):
    """Of all sets whose minima fit, the one that has the first session, if any set has, then the second, and so on: by trying them all."""
    tree, demands = random_case(seed, ranks=1)
    demands = demands[:8]
    rows = [rows_of(tree, d) for d in demands]

    def fits(chosen):
        used = Counter()
        for d, mine, there in zip(demands, rows, chosen, strict=True):
            used.update({row: round(d.least_a * 10) * there for row in mine})
        return all(amps <= math.floor(tree[name].rating_a * 10 + 1e-6) for (name, _), amps in used.items())

    first = max(filter(fits, itertools.product([False, True], repeat=len(demands))))
    found = allocate(tree, [], demands).grants
    assert tuple(found[d.id].amps > 0 for d in demands) == first


@given(st.integers(0, 1 << 30))
def test_everybody_has_a_bottleneck(seed):
    """Weighted max-min: who is held below its most is on a row without a step left, and nobody of its rank there has more surplus
    by weight, but for a step (Bertsekas and Gallager, section 6.5.2)."""
    tree, demands = random_case(seed)
    found = allocate(tree, [], demands)
    surplus = {d.id: (found.grants[d.id].amps - d.least_a) / d.weight for d in demands if found.grants[d.id].amps}
    for d in demands:
        amps = found.grants[d.id].amps
        if not amps or amps > d.most_a - STEP + 1e-9:
            continue
        mine = set(rows_of(tree, d))
        bottlenecks = [
            (name, p)
            for name, p in mine
            if found.left[name][p] < len(demands) * STEP
            and all(
                surplus[e.id] <= surplus[d.id] + STEP / d.weight + STEP / e.weight + 1e-9
                for e in demands
                if e.rank == d.rank and e.id in surplus and (name, p) in rows_of(tree, e)
            )
        ]
        assert bottlenecks


def drawn_gap(tree, demands, rank):
    """What the marginal rank draws, A over all phases, as a share of the most it could."""
    found, exact = allocate(tree, [], demands), Exact(tree, demands)
    for above in sorted({d.rank for d in demands if d.rank < rank}):
        exact.best(above)
    best = exact.best(rank, by_phase=True)
    return sum(found.grants[d.id].amps * len(d.phases) for d in demands if d.rank == rank) / best


@pytest.mark.deep
def test_the_gap_over_many_trees(capsys):
    gaps, kept, drawn = [], 0, []
    for seed in range(3000):
        found = gap(*random_case(seed))
        if found is None or found[1] < 1e-6:
            continue
        _, best, got, _ = found
        gaps.append(1.0 - got / best)
        kept += got > best - 1.0
        drawn.append(drawn_gap(*random_case(seed), found[0]))
    with capsys.disabled():
        print(
            f"\nmarginal rank, {len(gaps)} trees: served in order gives {100 * (1 - statistics.mean(gaps)):.1f} % of the greatest sum on "
            f"average, {100 * (1 - float(np.quantile(gaps, 0.95))):.0f} % at the 5th percentile, {100 * (1 - max(gaps)):.0f} % at worst; "
            f"within 1 A of it in {100 * kept / len(gaps):.0f} %; of the most it could draw over all phases "
            f"{100 * statistics.mean(drawn):.1f} % on average, {100 * float(np.quantile(drawn, 0.05)):.0f} % at the 5th percentile, "
            f"{100 * min(drawn):.0f} % at worst"
        )
    assert statistics.mean(gaps) < 0.15
