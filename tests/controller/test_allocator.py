"""The allocator: feasible by phase at every level, strictly by rank, deterministic, and close to all there is."""

from hypothesis import given
from hypothesis import strategies as st
from tests.controller.plain import plainly

from chargekit.controller.allocator import Demand, allocate
from chargekit.model.limit import Limit
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


# --- against a plain allocator ----------------------------------------------------------------------------------

deci = st.integers(0, 400).map(lambda n: n / 10)
caps = st.builds(Limit, st.sampled_from(["grid", "a", "b"]), deci, limit_kw=st.none() | st.integers(1, 30).map(float), rule=st.just("cap"))
any_demand = st.builds(
    lambda i, c, r, t, p, least, m: Demand(f"d{i}", c, r, (t,), PHASES[p], least, m),
    st.integers(0, 10_000),
    st.sampled_from(["a", "b", "grid"]),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 4),
    st.sampled_from([1.0, 6.0, 8.05]),
    st.sampled_from([0.5, 6.0, 7.3, 16.0, 32.0]),
)
held_by = st.dictionaries(st.sampled_from(["grid", "a", "b"]), st.tuples(deci, deci, deci))


@given(st.lists(any_demand, max_size=14, unique_by=lambda d: d.id), st.lists(caps, max_size=4), held_by)
def test_sharing_in_groups_is_sharing_one_by_one(demands, limits, reserved):
    found = allocate(TREE, limits, demands, reserved)
    assert {k: (g.amps, g.bound_by) for k, g in found.grants.items()} == plainly(TREE, limits, demands, reserved)


def test_many_alike_share_like_few():
    """A rank whose minima do not all fit, and one whose last deci-amperes do not, on two hundred demands."""
    demands = [demand(f"d{n:03}", "ab"[n % 2], n % 2, most=6.0 + n % 5, least=1.0, tie=(n % 7,)) for n in range(200)]
    for cap in (3.0, 20.0, 47.3):
        found = allocate(TREE, [Limit("grid", cap)], demands)
        assert {k: (g.amps, g.bound_by) for k, g in found.grants.items()} == plainly(TREE, [Limit("grid", cap)], demands, {})
