"""What holds for every decision, from the YAML of the policy to the amperes: rank, expiry, order.

A lower rank takes nothing from a higher one, but for one thing, which is meant so: a floor (`power.floors`) is promised, and comes before
any rank's surplus. What a lower session's floor takes is as if it had been reserved beforehand, and not an ampere more.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.controller.headless import Led, rules_of, site_of

from chargekit.controller.allocator import allocate
from chargekit.model.calendar import Calendar
from chargekit.model.limit import add
from chargekit.model.located import BUILT_IN
from chargekit.policy.priority import Fairness, Order, PriorityRules, SessionFacts, SiteFacts, rank
from chargekit.policy.windows import moment
from chargekit.world.events import Hand

CLASSES = ("route_critical", "resident", "employee", "guest")
TOKEN = {"route_critical": "FLT", "resident": "RES", "employee": "EMP", "guest": "GST"}
MODELS = ("generic-ac-22", "generic-ac-11", "generic-ac-7")
NOW, UNTIL = 7200.0, 7800.0

amps = st.integers(6, 80)
trees = st.fixed_dictionaries(
    {"grid": amps, "feeders": st.lists(st.tuples(amps, st.none() | amps), min_size=1, max_size=3)},
    optional={"unbalance": st.integers(4, 20), "limit_kw": st.integers(4, 40)},
)
stations = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(MODELS), st.sampled_from(["L1L2L3", "L2L3L1", "L3L1L2"])), min_size=2, max_size=8
)


def of_classes(values):
    return st.dictionaries(st.sampled_from(CLASSES), values, max_size=3)


def some_classes():
    return st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)


priority = st.fixed_dictionaries(
    {"ranks": st.permutations(CLASSES)},
    optional={
        "windows": st.lists(st.fixed_dictionaries({"from": st.just("07:00"), "ranks": st.permutations(CLASSES)}), max_size=1),
        "near_departure": st.fixed_dictionaries({"within": st.just("1 h"), "classes": some_classes()}, optional={
            "below_soc": st.just("60 %"), "as": st.sampled_from(CLASSES)}),
        "rotation": st.fixed_dictionaries({"after": st.just("10 min"), "classes": some_classes()}),
        "fairness": st.fixed_dictionaries({"days": st.just(3), "classes": some_classes()}),
        "contracts": st.just([{"tokens": ["GST-1*"], "as": "resident", "until": "2026-03-03"}]),
    },
)  # fmt: skip
power = st.fixed_dictionaries(
    {"margin": st.integers(0, 2)},
    optional={
        "floors": of_classes(st.integers(0, 16)),
        "weights": of_classes(st.integers(1, 3)),
        "sessions": st.lists(st.fixed_dictionaries({"most": st.integers(0, 4)}, optional={"classes": some_classes()}), max_size=2),
        "limits": st.fixed_dictionaries({"grid": amps}),
    },
)
policies = st.fixed_dictionaries(
    {
        "access": st.just({"tokens": {"FLT-*": "route_critical", "RES-*": "resident", "EMP-*": "employee", "GST-*": "guest"}}),
        "priority": priority,
        "power": power,
        "incidents": st.just({"fallback": 0}),
    }
)
drivers = st.fixed_dictionaries(
    {"class": st.sampled_from(CLASSES), "started": st.integers(0, 3).map(float)},
    optional={
        "departs": st.sampled_from([NOW + 600.0, NOW + 3000.0, NOW + 9000.0]),
        "soc_percent": st.sampled_from([20.0, 80.0]),
        "served_s": st.sampled_from([0.0, 700.0]),
        "past": st.lists(st.sampled_from([(100.0, 400.0), (200.0, 5000.3), (200.0, 0.1)]), max_size=3),
    },
)


def fleet_of(tree, placed):
    """A fleet's plain data: a grid connection, feeders below it, feeders below those."""
    grid = {"limit": tree["grid"], **{key: tree[key] for key in ("unbalance", "limit_kw") if key in tree}}
    circuits = {"grid": grid}
    for number, (limit, below) in enumerate(tree["feeders"]):
        circuits[f"f{number}"] = {"parent": "grid", "limit": limit}
        if below is not None:
            circuits[f"f{number}-b"] = {"parent": f"f{number}", "limit": below}
    names = list(circuits)
    return {
        "site": "any", "type": "mixed_use", "circuits": circuits,
        "stations": [
            {"id": f"s{n}", "model": model, "circuit": names[at % len(names)], "rotation": turn, "ocpp": "2.0.1"}
            for n, (at, model, turn) in enumerate(placed)
        ],
    }  # fmt: skip


def led(fleet, policy, seats):
    """The operator with sessions: (station's number, driver) in the order they are told of."""
    site = site_of(fleet)
    made = Led(site, rules_of(site, policy))
    for number, driver in seats:
        more = {key: value for key, value in driver.items() if key != "class"}
        made.seat(f"s{number}", f"{TOKEN[driver['class']]}-{number}", **more)
    return made


situations = st.tuples(trees, stations, policies, st.lists(drivers, min_size=8, max_size=8))


def situated(drawn):
    tree, placed, policy, people = drawn
    return fleet_of(tree, placed), policy, list(enumerate(people[: len(placed)]))


# --- ranks ------------------------------------------------------------------------------------------------------


@given(situations)
def test_a_lower_ranked_session_takes_nothing_from_a_higher_one(drawn):
    """The last to come promised no floor: whoever ranks above it keeps every ampere, and loses none where phases are balanced."""
    fleet, policy, seats = situated(drawn)
    floors = policy["power"].get("floors", {})
    floors.pop(seats[-1][1]["class"], None)
    demands, _, _, after = led(fleet, policy, seats).decide(NOW)
    before = led(fleet, policy, seats[:-1]).decide(NOW)[3].grants
    rank = {one.id: one.rank for one in demands}
    new = f"s{seats[-1][0]}/1"
    above = [name for name in before if rank[name] < rank[new]]
    for name in above:
        if "unbalance" in fleet["circuits"]["grid"]:
            assert after.grants[name].amps >= before[name].amps - 1e-9, name
        else:
            assert after.grants[name].amps == before[name].amps, name


@given(situations)
def test_a_lower_ranked_floor_takes_what_was_promised_and_no_more(drawn):
    """The one border: those above are served as if the newcomer's floor had been reserved beforehand."""
    fleet, policy, seats = situated(drawn)
    fleet["circuits"]["grid"].pop("unbalance", None)
    policy["power"].setdefault("floors", {})[seats[-1][1]["class"]] = 9
    demands, tight, reserved, found = (one := led(fleet, policy, seats)).decide(NOW)
    caps = one.operator.concurrent
    new = next(d for d in demands if d.id == f"s{seats[-1][0]}/1")
    others = [d for d in demands if d is not new]
    if any(d.rank == new.rank for d in others):
        # Peers share: what one of them would get alone is another question.
        demands = others = [d for d in others if d.rank != new.rank]
        demands = [*others, new]
        found = allocate(one.operator.tree(), tight, demands, reserved, caps)
    only = [replace(d, most_a=min(d.most_a, max(d.least_a, d.floor_a))) for d in demands if d.floor_a > 0]
    promised = allocate(one.operator.tree(), tight, only, reserved, caps).grants
    got = promised[new.id].amps
    held = {**reserved, new.circuit: add(_on(new, got), reserved.get(new.circuit, (0.0, 0.0, 0.0)))}
    path = {c.name for c in one.site.path(new.circuit)}
    fewer = [
        replace(cap, most=cap.most - 1) if got and cap.circuit in path and new.group in (cap.groups or {new.group}) else cap for cap in caps
    ]
    without = allocate(one.operator.tree(), tight, others, held, fewer).grants
    for d in others:
        if d.rank < new.rank:
            assert found.grants[d.id].amps == without[d.id].amps, d.id
        # Nobody's own floor is touched by one that ranks lower.
        if d.floor_a > 0 and d.rank < new.rank:
            assert found.grants[d.id].amps >= promised[d.id].amps
    assert found.grants[new.id].amps >= got


def _on(demand, amperes):
    return tuple(amperes if phase in demand.phases else 0.0 for phase in range(3))


def test_the_border_in_figures():
    """18 A: the guest's floor of 9 A leaves the resident 9 A; without a floor the resident has 16 A and the guest, below 6 A, nothing."""
    fleet = fleet_of({"grid": 18, "feeders": [(18, None)]}, [(1, "generic-ac-11", "L1L2L3")] * 2)
    policy = {"access": {"tokens": {"RES-*": "resident", "GST-*": "guest"}}, "priority": {"ranks": list(CLASSES)}, "power": {"margin": 0}}
    seats = [(0, {"class": "resident"}), (1, {"class": "guest"})]
    assert led(fleet, policy, seats).amps(NOW) == {"s0/1": 16.0, "s1/1": 0.0}
    policy["power"] = {"margin": 0, "floors": {"guest": 9}}
    assert led(fleet, policy, seats).amps(NOW) == {"s0/1": 9.0, "s1/1": 9.0}


# --- overrides --------------------------------------------------------------------------------------------------

overrides = st.fixed_dictionaries(
    {"who": st.just("dispatcher"), "why": st.just("a ferry"), "until": st.just(UNTIL)},
    optional={"user_class": st.sampled_from(CLASSES)},
)


@given(situations, overrides, st.integers(0, 7), st.booleans(), st.sampled_from(["expires", "revoked", "two"]))
def test_an_override_that_is_over_leaves_no_trace_in_the_next_decision(drawn, said, whose, by_station, end):
    """To the byte: demands, ranks, reasons, limits, reserves, grants and what bound them are those of a run in which it never was."""
    fleet, policy, seats = situated(drawn)
    number, driver = seats[whose % len(seats)]
    target = {"station": f"s{number}"} if by_station else {"token": f"{TOKEN[driver['class']]}-{number}"}
    plain, touched = led(fleet, policy, seats), led(fleet, policy, seats)
    before = touched.record(NOW)
    assert before == plain.record(NOW)
    out = []
    touched.operator.hand(Hand("create_override", {"id": "o", **target, **said}), NOW, out)
    assert [one.body["id"] for one in out if getattr(one, "kind", "") == "override"] == ["o"]
    plain.decide(NOW)
    assert touched.record(NOW + 1.0) != before
    plain.decide(NOW + 1.0)
    over = UNTIL
    if end == "revoked":
        over = NOW + 60.0
        touched.operator.hand(Hand("revoke_override", {"id": "o", "who": "dispatcher", "why": "it was cancelled"}), over, out)
        plain.decide(over)
    elif end == "two":
        touched.operator.hand(Hand("create_override", {"id": "p", "station": "s0", **said}), NOW + 60.0, out)
        plain.decide(NOW + 60.0)
    assert touched.record(over) == plain.record(over)


@given(situations, overrides)
def test_an_override_leads_up_to_its_end(drawn, said):
    """What the law above is about is not nothing: until the last moment the override stands in the record, and nowhere at its end."""
    fleet, policy, seats = situated(drawn)
    one = led(fleet, policy, seats)
    one.operator.hand(Hand("create_override", {"id": "o", "station": "s0", **said}), NOW, [])
    assert b"a ferry" in one.record(UNTIL - 0.001)
    assert b"a ferry" not in one.record(UNTIL)


# --- order ------------------------------------------------------------------------------------------------------


def shuffled(value, rng):
    """The same data, the keys of every table in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(one, rng) for one in value] if isinstance(value, list) else value


@given(situations, st.randoms(use_true_random=False))
def test_the_order_of_keys_never_changes_a_decision(drawn, rng):
    fleet, policy, seats = situated(drawn)
    policy["access"]["tokens"] |= {"*": "guest", "GST-?": "resident", "GST-1*": "employee", "*-2": "route_critical", "EMP-3": "guest"}
    plain, other = led(fleet, policy, seats), led(fleet, shuffled(policy, rng), seats)
    assert plain.record(NOW) == other.record(NOW)
    assert plain.operator.rules.revision == other.operator.rules.revision


@given(situations, st.randoms(use_true_random=False))
def test_the_order_in_which_equal_facts_come_never_changes_a_decision(drawn, rng):
    fleet, policy, seats = situated(drawn)
    for _, driver in seats:
        driver["started"] = 5.0
    other = list(seats)
    rng.shuffle(other)
    mixed = [(n, {**d, "past": rng.sample(d.get("past", []), len(d.get("past", [])))}) for n, d in other]
    assert led(fleet, policy, seats).record(NOW) == led(fleet, policy, mixed).record(NOW)


@pytest.mark.parametrize("order", [*itertools.permutations((0.1, 0.6, 0.8, 1498.5))])
def test_energy_of_earlier_sessions_adds_up_to_the_same_in_any_order(order):
    """A plain sum depends on its order in the last bit, and a kWh is rounded: no rank may follow from it."""
    facts = SessionFacts("RES-1", "resident", past=tuple((NOW, wh) for wh in order))
    rules = PriorityRules(Order(CLASSES, BUILT_IN), fairness=Fairness(3, ("resident",), BUILT_IN))
    assert rank(rules, facts, moment(Calendar(datetime(2026, 3, 2, tzinfo=UTC), "UTC"), NOW, ()), SiteFacts()).tie[-1] == 2


def test_who_draws_nothing_is_last_and_still_says_by_which_rule_it_stood_where():
    """The reason of a rank names class, rule and line, whatever else is said of it."""
    fleet = fleet_of({"grid": 18, "feeders": [(18, None)]}, [(1, "generic-ac-11", "L1L2L3")] * 2)
    policy = {"access": {"tokens": {"FLT-*": "route_critical", "GST-*": "guest"}}, "priority": {"ranks": list(CLASSES)}}
    one = led(fleet, policy, [(0, {"class": "route_critical"}), (1, {"class": "guest"})])
    appetite = one.operator.places["s0", 1].appetite
    appetite.mood, appetite.until = "rests", NOW + 600.0
    demand = next(d for d in one.decide(NOW)[0] if d.id == "s0/1")
    assert appetite.last and demand.because.startswith("rank 1 of 4: class route_critical (policy.yaml:1)")
    assert "as it draws nothing" in demand.because
