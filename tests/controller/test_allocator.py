"""The allocator: feasible by phase at every level, strictly by rank, deterministic, and close to all there is."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.controller.plain import plainly

from chargekit.controller.allocator import Budget, Concurrent, Demand, allocate
from chargekit.model.limit import Limit
from chargekit.model.located import Source
from chargekit.model.site import Circuit

TREE = {
    "grid": Circuit("grid", None, 60.0),
    "a": Circuit("a", "grid", 40.0),
    "b": Circuit("b", "grid", 32.0),
}
PHASES = ((0, 1, 2), (0,), (1,), (2,), (1, 2, 0))


def demand(name, circuit="a", rank=0, phases=(0, 1, 2), least=6.0, most=32.0, tie=()):
    return Demand(name, circuit, rank, tie, phases, least, most)


def given_to(demands, limits=(), reserved=None):
    return {k: g.amps for k, g in allocate(TREE, limits, demands, reserved).grants.items()}


def test_one_gets_what_it_asks_within_its_path():
    assert given_to([demand("x")]) == {"x": 32.0}
    assert given_to([demand("x")], [Limit("grid", 20.0)]) == {"x": 20.0}


def test_a_rank_shares_its_surplus_evenly_after_minima():
    assert given_to([demand("x"), demand("y")]) == {"x": 20.0, "y": 20.0}


def test_the_higher_rank_is_filled_first():
    assert given_to([demand("low", rank=1), demand("high", rank=0)]) == {"high": 32.0, "low": 8.0}


def test_below_its_minimum_one_gets_nothing():
    assert given_to([demand("low", rank=1), demand("high")], [Limit("a", 37.9)]) == {"high": 32.0, "low": 0.0}


def test_single_phases_do_not_stand_in_each_others_way():
    found = given_to([demand("x", phases=(0,)), demand("y", phases=(1,)), demand("z", phases=(2,))], [Limit("a", 16.0)])
    assert found == {"x": 16.0, "y": 16.0, "z": 16.0}


def test_what_is_reserved_counts_at_its_circuit_and_above():
    assert given_to([demand("x", most=63.0)], reserved={"a": (10.0, 0.0, 0.0)}) == {"x": 30.0}
    assert given_to([demand("x", "b", most=63.0)], [Limit("grid", 40.0)], {"a": (20.0, 0.0, 0.0)}) == {"x": 20.0}


def test_tenths_that_cannot_be_shared_go_in_order():
    assert given_to([demand("x"), demand("y"), demand("z")], [Limit("a", 20.0)]) == {"x": 6.7, "y": 6.7, "z": 6.6}


def test_a_grant_says_what_bound_it():
    found = allocate(TREE, [Limit("grid", 20.0, rule="import limit")], [demand("x")]).grants["x"]
    assert found.bound_by == "circuit grid 20 A (built-in:0, import limit), phase L1"


some = st.builds(
    lambda i, c, r, p, m: Demand(f"d{i}", c, r, (i,), PHASES[p], 6.0, m),
    st.integers(0, 10_000),
    st.sampled_from(["a", "b"]),
    st.integers(0, 2),
    st.integers(0, 4),
    st.sampled_from([6.0, 10.0, 16.0, 32.0]),
)


@given(st.lists(some, max_size=12, unique_by=lambda d: d.id), st.integers(0, 600), st.randoms(use_true_random=False))
def test_any_allocation_is_feasible_strict_and_leaves_nothing_usable(demands, cap, rng):
    limits = [Limit("grid", cap / 10)]
    found = allocate(TREE, limits, demands)
    for circuit in TREE:
        bound = min(TREE[circuit].rating_a, *(x.limit_a for x in limits if x.circuit == circuit), 1e9)
        for phase in range(3):
            total = sum(found.grants[d.id].amps for d in demands if phase in d.phases and (circuit == "grid" or d.circuit == circuit))
            assert total <= bound + 1e-6
    for d in demands:
        amps = found.grants[d.id].amps
        assert amps == 0.0 or d.least_a - 1e-9 <= amps <= d.most_a + 1e-9
        spare = min(found.left[c][p] for c in (d.circuit, "grid") for p in d.phases)
        assert amps >= d.most_a - 1e-9 or spare < (0.1 - 1e-9 if amps else 6.0)
    shuffled = list(demands)
    rng.shuffle(shuffled)
    assert allocate(TREE, limits, shuffled).grants == found.grants


@given(st.lists(some, max_size=10, unique_by=lambda d: d.id), st.integers(0, 600))
def test_lower_ranks_take_nothing_from_higher_ones(demands, cap):
    limits = [Limit("grid", cap / 10)]
    top = [d for d in demands if d.rank == 0]
    alone = allocate(TREE, limits, top).grants
    assert {k: g.amps for k, g in alone.items()} == {d.id: allocate(TREE, limits, demands).grants[d.id].amps for d in top}


# --- floors, weights, steps, caps on sessions, unbalance --------------------------------------------------------


def test_a_protected_floor_comes_before_a_higher_ranks_surplus():
    low, high = demand("low", rank=1), demand("high", most=40.0)
    assert given_to([low, high]) == {"high": 40.0, "low": 0.0}
    assert given_to([replace(low, floor_a=10.0), high]) == {"high": 30.0, "low": 10.0}


def test_floors_go_in_order_of_rank():
    found = [demand("low", rank=1, tie=(0,)), demand("high", rank=0)]
    assert given_to([replace(d, floor_a=25.0) for d in found]) == {"high": 25.0, "low": 15.0}


@pytest.mark.parametrize(
    ("floor_a", "step_a", "amps"), [(6.087, 0.1, 6.1), (6.1, 0.5, 6.5), (6.1, 1.0, 7.0), (7.0, 1.0, 7.0), (18.3, 1.0, 19.0)]
)
def test_a_floor_is_kept_up_to_the_stations_next_step(floor_a, step_a, amps):
    low, high = replace(demand("low", rank=1), floor_a=floor_a, step_a=step_a), demand("high", most=40.0)
    assert given_to([low, high])["low"] == amps
    # Where the step above does not fit, the one below is had.
    assert given_to([low, high], [Limit("a", amps - 0.05)])["low"] == pytest.approx(max(0.0, amps - step_a if amps - step_a >= 6 else 0.0))


@pytest.mark.parametrize(("limit_a", "amps"), [(12.4, (6.0, 6.0)), (12.5, (6.5, 6.0)), (13.0, (6.5, 6.5))])
def test_nobody_loses_its_floor_to_anothers_step(limit_a, amps):
    """Two floors of 6.1 A at steps of half an ampere, one ranked higher: the step above is taken once both have the one below."""
    found = [replace(demand(ident, rank=n, most=6.5), floor_a=6.1, step_a=0.5) for n, ident in enumerate(("high", "low"))]
    assert tuple(given_to(found, [Limit("a", limit_a)]).values()) == amps


def test_a_surplus_is_shared_by_weight_above_the_minima():
    """40 A less two minima of 6 A are 28 A: 21 and 7."""
    assert given_to([replace(demand("x"), weight=3.0), demand("y")]) == {"x": 27.0, "y": 13.0}


def test_a_station_that_knows_whole_amperes_is_rounded_down_and_the_rest_goes_on():
    found = given_to([replace(demand("x"), step_a=1.0), demand("y"), demand("z")], [Limit("a", 20.0)])
    assert found == {"x": 6.0, "y": 7.0, "z": 7.0}


def test_at_most_so_many_sessions_at_a_time():
    demands = [replace(demand(n, rank=r), group=g) for n, r, g in (("u", 0, "fleet"), ("v", 1, "guest"), ("w", 2, "guest"))]
    found = allocate(TREE, [], demands, None, [Concurrent("a", 1, groups=frozenset({"guest"}))])
    assert {k: g.amps for k, g in found.grants.items()} == {"u": 32.0, "v": 8.0, "w": 0.0}
    assert found.grants["w"].bound_by == "at most 1 sessions of guest on circuit a (built-in:0)"
    assert {k: g.amps for k, g in allocate(TREE, [], demands, None, [Concurrent("grid", 2)]).grants.items()} == {
        "u": 32.0,
        "v": 8.0,
        "w": 0.0,
    }


def kinds(*names, **more):
    return [replace(demand(f"{n}{kind}", **more), current=kind) for n, kind in enumerate(names)]


def test_a_budget_bounds_the_demands_of_one_kind_of_current_below_a_circuit():
    found = allocate(TREE, [], kinds("ac", "dc", "dc", most=16.0), budgets=[Budget("grid", 20.0, "dc", Source("policy.yaml", 12))]).grants
    assert {k: g.amps for k, g in found.items()} == {"0ac": 16.0, "1dc": 10.0, "2dc": 10.0}
    assert found["1dc"].bound_by == "circuit grid 20 A for DC (policy.yaml:12), phase L1"
    assert found["0ac"].bound_by == "demand"


def test_what_one_leaves_of_its_budget_the_other_does_not_get():
    found = allocate(TREE, [], kinds("dc", "dc", phases=(1,)), budgets=[Budget("a", 14.0, "dc", rule="share"), Budget("b", 0.0, "dc")])
    assert [g.amps for g in found.grants.values()] == [7.0, 7.0] and found.left["a"] == (40.0, 26.0, 40.0)
    assert found.grants["0dc"].bound_by == "circuit a 14 A for DC (built-in:0, share), phase L2"


def test_a_budget_too_small_for_a_minimum_gives_nothing():
    found = allocate(TREE, [], kinds("ac"), budgets=[Budget("a", 5.9, "ac")]).grants["0ac"]
    assert (found.amps, found.bound_by) == (0.0, "circuit a 5.9 A for AC (built-in:0), phase L1")


@pytest.mark.parametrize(
    ("reserved_by", "amps"),
    [
        ({("a", "dc"): (0.0, 3.0, 0.0)}, 17.0),
        ({("a", "ac"): (9.0, 9.0, 9.0)}, 20.0),
        ({("grid", "dc"): (9.0, 9.0, 9.0)}, 20.0),
        ({("a", "dc"): (30.0, 0.0, 0.0)}, 0.0),
    ],
)
def test_what_is_reserved_for_a_kind_counts_in_its_budgets_there_and_above(reserved_by, amps):
    budgets = [Budget("a", 20.0, "dc")]
    assert allocate(TREE, [], kinds("dc"), budgets=budgets, reserved_by=reserved_by).grants["0dc"].amps == amps


def station(limit_a, *members, limit_kw=None):
    return Budget("a", limit_a, "station s", Source("policy.yaml", 9), "EMS limits it", frozenset(members), limit_kw)


def test_a_stations_limit_bounds_the_sum_of_its_evses_and_no_other():
    demands = [demand("s/1", most=16.0), demand("s/2", most=16.0), demand("t/1", most=8.0)]
    found = allocate(TREE, [], demands, budgets=[station(16.0, "s/1", "s/2")]).grants
    assert {k: g.amps for k, g in found.items()} == {"s/1": 8.0, "s/2": 8.0, "t/1": 8.0}
    assert found["s/1"].bound_by == "station s 16 A (policy.yaml:9, EMS limits it), phase L1"
    ranked = [demands[0], replace(demands[1], rank=1), demands[2]]
    found = allocate(TREE, [], ranked, budgets=[station(20.0, "s/1", "s/2")]).grants
    # The first takes its 16 A; the 4 A left are no minimum.
    assert {k: g.amps for k, g in found.items()} == {"s/1": 16.0, "s/2": 0.0, "t/1": 8.0}


def test_a_stations_limit_in_kw_counts_every_phase():
    demands = [demand("s/1"), demand("s/2", phases=(1,), rank=1)]
    found = allocate(TREE, [], demands, budgets=[station(math.inf, "s/1", "s/2", limit_kw=9.2)]).grants
    assert {k: g.amps for k, g in found.items()} == {"s/1": 13.3, "s/2": 0.0}
    found = allocate(TREE, [], demands, budgets=[station(math.inf, "s/1", "s/2", limit_kw=9.2), station(9.0, "s/1", "s/2")]).grants
    assert {k: g.amps for k, g in found.items()} == {"s/1": 9.0, "s/2": 0.0}
    assert found["s/2"].bound_by == "station s 9 A (policy.yaml:9, EMS limits it), phase L2"


def test_what_nobody_leads_at_a_station_counts_in_its_limit():
    found = allocate(TREE, [], [demand("s/1")], budgets=[station(16.0, "s/1", "s/2")], reserved_by={("a", "station s"): (6.0,) * 3})
    assert found.grants["s/1"].amps == 10.0


@given(
    st.lists(some, max_size=10, unique_by=lambda d: d.id),
    st.lists(st.tuples(st.integers(60, 400), st.booleans()), min_size=1, max_size=3),
    st.sampled_from(["ac", "dc"]),
)
def test_limits_of_stations_share_as_plain_fractions_do(demands, limits, current):
    """Every third demand is of the same station; beside them a budget of a kind of current."""
    budgets = [Budget("grid", 30.0, current)]
    for n, (deci, in_kw) in enumerate(limits):
        members = frozenset(d.id for k, d in enumerate(demands) if k % 3 == n and d.circuit == "a")
        if members:
            amps, kw = (math.inf, deci / 20) if in_kw else (deci / 10, None)
            budgets.append(Budget("a", amps, f"station {n}", members=members, limit_kw=kw))
    found = allocate(TREE, [], demands, budgets=budgets).grants
    assert {k: g.amps for k, g in found.items()} == plainly(TREE, [], demands, {}, budgets=budgets)


def test_a_budget_on_no_circuit_is_an_error():
    with pytest.raises(KeyError, match="nowhere"):
        allocate(TREE, [], [], budgets=[Budget("nowhere", 1.0, "ac")])


def test_a_budget_holds_where_phases_are_levelled():
    demands = [replace(demand("x", "grid", phases=(0,)), current="dc"), demand("y", "grid")]
    found = allocate(UNEVEN, [], demands, budgets=[Budget("grid", 12.0, "dc"), Budget("grid", 25.0, "ac")])
    assert {k: g.amps for k, g in found.grants.items()} == {"x": 12.0, "y": 25.0}


UNEVEN = {"grid": Circuit("grid", None, 60.0, unbalance_a=20.0)}


@pytest.mark.parametrize(
    ("demands", "reserved", "expected"),
    [
        ([("x", (0,))], {}, {"x": 20.0}),
        ([("x", (0,)), ("y", (1,))], {}, {"x": 20.0, "y": 20.0}),
        ([("x", (0,)), ("y", (1,)), ("z", (2,))], {}, {"x": 32.0, "y": 32.0, "z": 32.0}),
        ([("x", (0,)), ("y", (0, 1, 2))], {}, {"x": 20.0, "y": 32.0}),
        ([("x", (0,)), ("y", (0, 1, 2))], {"grid": (0.0, 0.0, 30.0)}, {"x": 20.0, "y": 30.0}),
        ([("x", (2,)), ("y", (0, 1, 2))], {"grid": (0.0, 0.0, 30.0)}, {"x": 0.0, "y": 30.0}),
    ],
)
def test_phases_differ_by_no_more_than_the_unbalance(demands, reserved, expected):
    """Only who draws on some phases is held back by it; a base load may already be uneven."""
    found = allocate(UNEVEN, [], [Demand(n, "grid", 0, (), p, 6.0, 32.0) for n, p in demands], reserved)
    assert {k: g.amps for k, g in found.grants.items()} == expected


# --- against a plain allocator ----------------------------------------------------------------------------------

deci = st.integers(0, 400).map(lambda n: n / 10)
caps = st.builds(Limit, st.sampled_from(["grid", "a", "b"]), deci, limit_kw=st.none() | st.integers(1, 30).map(float), rule=st.just("cap"))
any_demand = st.builds(
    lambda i, c, r, t, p, least, m, more: Demand(f"d{i}", c, r, (t,), PHASES[p], least, m, **more),
    st.integers(0, 10_000),
    st.sampled_from(["a", "b", "grid"]),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 4),
    st.sampled_from([1.0, 6.0, 8.05]),
    st.sampled_from([0.5, 6.0, 7.3, 16.0, 32.0]),
    st.fixed_dictionaries(
        {},
        optional={
            "weight": st.sampled_from([0.5, 2.0, 3.0]),
            "step_a": st.sampled_from([0.5, 1.0]),
            "floor_a": st.sampled_from([6.0, 9.7]),
            "group": st.sampled_from(["x", "y"]),
            "current": st.just("dc"),
        },
    ),
)
held_by = st.dictionaries(st.sampled_from(["grid", "a", "b"]), st.tuples(deci, deci, deci))
sessions_at_most = st.lists(
    st.builds(
        Concurrent,
        st.sampled_from(["grid", "a"]),
        st.integers(0, 6),
        groups=st.sampled_from([frozenset(), frozenset({"x"}), frozenset("xy")]),
    ),
    max_size=2,
)
budgets_on = st.lists(st.builds(Budget, st.sampled_from(["grid", "a"]), deci, st.sampled_from(["ac", "dc"])), max_size=3)
held_by_kind = st.dictionaries(st.tuples(st.sampled_from(["grid", "a"]), st.sampled_from(["ac", "dc"])), st.tuples(deci, deci, deci))


@given(
    st.lists(any_demand, max_size=14, unique_by=lambda d: d.id), st.lists(caps, max_size=4), held_by, sessions_at_most, budgets_on,
    held_by_kind,
)  # fmt: skip
def test_sharing_on_arrays_is_sharing_one_by_one(demands, limits, reserved, concurrent, budgets, kinds):
    found = allocate(TREE, limits, demands, reserved, concurrent, budgets, reserved_by=kinds)
    assert {k: g.amps for k, g in found.grants.items()} == plainly(TREE, limits, demands, reserved, concurrent, budgets, kinds)


@pytest.mark.parametrize("cap", [3.0, 20.0, 47.3])
def test_many_share_like_few(cap):
    """A rank whose minima do not all fit, and one whose last deci-amperes do not, on two hundred demands."""
    demands = [demand(f"d{n:03}", "ab"[n % 2], n % 2, most=6.0 + n % 5, least=1.0, tie=(n % 7,)) for n in range(200)]
    found = allocate(TREE, [Limit("grid", cap)], demands)
    assert {k: g.amps for k, g in found.grants.items()} == plainly(TREE, [Limit("grid", cap)], demands, {})


@given(st.lists(any_demand, max_size=14, unique_by=lambda d: d.id), st.lists(caps, max_size=4), held_by, sessions_at_most)
def test_what_bound_a_grant_is_what_has_nothing_left(demands, limits, reserved, concurrent):
    """The row named holds less than one more step (or, of who got nothing, less than its minimum did when its turn came)."""
    found = allocate(TREE, limits, demands, reserved, concurrent)
    for d in demands:
        grant = found.grants[d.id]
        named = re.match(r"circuit (\w+) .* phase L(\d)$", grant.bound_by)
        if grant.amps and named:
            assert found.left[named[1]][int(named[2]) - 1] < d.step_a - 1e-9
        if grant.bound_by == "demand":
            assert grant.amps > d.most_a - d.step_a - 1e-9
        if grant.amps and grant.amps <= d.most_a - d.step_a + 1e-9:
            assert grant.bound_by.startswith("circuit ")


# --- unbalance, at random ---------------------------------------------------------------------------------------


@given(st.lists(some, max_size=10, unique_by=lambda d: d.id), st.integers(0, 30), held_by)
def test_unbalance_holds_and_nothing_usable_is_left(demands, most, reserved):
    tree = {name: replace(one, unbalance_a=float(most)) if name == "grid" else one for name, one in TREE.items()}
    found = allocate(tree, [], demands, reserved)
    base = [sum(amps[p] for amps in reserved.values()) for p in range(3)]
    flows = [base[p] + sum(found.grants[d.id].amps for d in demands if p in d.phases) for p in range(3)]
    for p in range(3):
        if flows[p] > base[p] + 1e-9:
            assert all(flows[p] - flows[q] <= max(most, base[p] - base[q]) + 1e-6 for q in range(3))
    for d in demands:
        amps = found.grants[d.id].amps
        others = [flows[q] for q in range(3) if q not in d.phases]
        headroom = min(others) + most - max(flows[p] for p in d.phases) if others else 1e9
        spare = min(headroom, *(found.left[c][p] for c in (d.circuit, "grid") for p in d.phases))
        assert amps >= d.most_a - 1e-9 or spare < (0.1 - 1e-9 if amps else 6.0)
