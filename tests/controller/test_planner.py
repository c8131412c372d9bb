"""The planner against days worked out by hand, against another formulation of the same question, and against what it must never do."""

from __future__ import annotations

import math
from dataclasses import replace

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargekit.controller import planner as planner_module
from chargekit.controller import planner_matrix
from chargekit.controller.forecast import Forecast
from chargekit.controller.planner import Planner
from chargekit.controller.planner_matrix import Matrix
from chargekit.controller.planner_model import BANDS, SLOT_H, SLOT_S, Outlook, Program, Wish
from chargekit.model.site import Circuit

L123 = (0, 1, 2)
TREE = {"grid": Circuit("grid", None, 1000.0), "side": Circuit("side", "grid", 32.0)}
H = 3600.0


def wish(name, needs, departs, *, a=16.0, rank=0, circuit="grid", phases=L123):
    return Wish.ac(name, circuit, phases, a, needs, departs, rank=rank)


def plan(wishes, *, tree=TREE, slots=8, now=0.0, **outlook):
    return Planner(tree).plan(wishes, Outlook(now, 0.0, slots=slots, **outlook))


def kwh(found, name):
    return [round(float(e), 3) for e in found.energy_kwh[name]]


def test_the_price_valley_is_filled():
    """16 A on three phases at 230 V are 11.04 kW: 2.76 kWh a slot. 5.52 kWh are the two cheap slots, at 0.10: 0.552."""
    found = plan([wish("a", 5.52, 2 * H)], price=[0.3, 0.3, 0.3, 0.1, 0.1, 0.3, 0.3, 0.3])
    assert kwh(found, "a") == [0, 0, 0, 2.76, 2.76, 0, 0, 0]
    assert (round(found.cost, 4), found.missing, found.how) == (0.552, (), "optimal")
    assert (found.guides["a"].most_a, found.guides["a"].floor_a) == (0.0, 0.0)
    assert found.guides["a"].urgency_s == pytest.approx(5400.0)


def test_the_departure_goes_before_the_price():
    """It leaves after three slots, and needs all of them: 3 × 2.76 kWh, though the fourth is free."""
    found = plan([wish("a", 8.28, 0.75 * H)], price=[9, 9, 9, 0, 0, 0, 0, 0])
    assert kwh(found, "a") == [2.76, 2.76, 2.76, 0, 0, 0, 0, 0]
    guide = found.guides["a"]
    assert (guide.planned_a, guide.floor_a, guide.most_a) == (pytest.approx(16.0), 16.0, 16.0)


def test_the_demand_charge_levels_the_peak():
    """8 kWh in two hours under a demand charge: 4 kW throughout, on top of nothing; at 10 per kW that is 40."""
    found = plan([wish("a", 8.0, 2 * H)], demand_charge=10.0)
    assert kwh(found, "a") == [1.0] * 8
    assert (round(found.peak_kw, 3), round(found.peak_cost, 2)) == (4.0, 40.0)


def test_a_peak_that_was_paid_for_is_used():
    """Up to the 8 kW of before nothing more is due: 2 kWh a slot, as soon as possible."""
    found = plan([wish("a", 8.0, 2 * H)], demand_charge=10.0, peak_kw=8.0)
    assert kwh(found, "a") == [2.0] * 4 + [0.0] * 4
    assert found.peak_cost == pytest.approx(0.0)


def test_the_building_counts_in_the_peak():
    """10 A on three phases are 6.9 kW in the first hour: the session takes the second, 2 kW under the 6.9."""
    base = np.repeat([[10.0] * 3, [0.0] * 3], 4, axis=0)
    found = plan([wish("a", 6.0, 2 * H)], base_a={"grid": base}, demand_charge=10.0)
    assert kwh(found, "a") == [0, 0, 0, 0, 1.725, 1.725, 1.725, 0.825]
    assert found.peak_kw == pytest.approx(6.9)


def test_the_sun_is_used_where_nothing_has_to_be_bought():
    """6.9 kW of sun in slots 4 and 5: 1.725 kWh each for nothing, the other 1.55 kWh at 0.20 at once."""
    found = plan([wish("a", 5.0, 2 * H)], pv_kw={"grid": [0, 0, 0, 0, 6.9, 6.9, 0, 0]}, price=0.20)
    assert kwh(found, "a") == [1.55, 0, 0, 0, 1.725, 1.725, 0, 0]
    assert found.cost == pytest.approx(0.31)


def test_the_sun_makes_room_on_a_circuit():
    """10 A of limit and 10 A of sun a phase (6.9 kW) are 20 A: 3.45 kWh a slot instead of 1.725."""
    tree = {"grid": Circuit("grid", None, 10.0)}
    found = plan([wish("a", 6.9, 2 * H, a=32.0)], tree=tree, pv_kw={"grid": 6.9})
    assert kwh(found, "a") == [3.45, 3.45] + [0] * 6


def test_a_circuit_binds_and_what_is_missing_says_so_in_class_order():
    """32 A at 230 V, three phases: 5.52 kWh a slot, 11.04 kWh in two. The first class has its 10, the second 1.04 of 10."""
    wishes = [wish("b", 10.0, 0.5 * H, a=32.0, rank=1, circuit="side"), wish("a", 10.0, 0.5 * H, a=32.0, circuit="side")]
    found = plan(wishes)
    assert sum(kwh(found, "a")) == pytest.approx(10.0)
    assert sum(kwh(found, "b")) == pytest.approx(1.04)
    (lacks,) = found.missing
    assert (lacks.id, lacks.rank, round(lacks.missing_wh)) == ("b", 1, 8960)
    assert lacks.because == "circuit side L1/L2/L3 is full in 2 of its 2 slots"


def test_the_highest_class_goes_first_even_at_the_expense_of_many():
    """A three-phase car of rank 0 stands in the way of three one-phase cars of rank 1, and of ten classes below: it has all it needs."""
    tree = {"grid": Circuit("grid", None, 16.0)}
    low = [wish(f"{rank}-{p}", 0.92, 0.25 * H, phases=(p,), rank=rank) for rank in range(1, 11) for p in range(3)]
    found = plan([wish("a", 2.76, 0.25 * H), *low], tree=tree)
    assert sum(kwh(found, "a")) == pytest.approx(2.76, abs=1e-3)
    assert {one.id for one in found.missing} == {one.id for one in low}


def test_in_a_class_the_missing_is_spread_by_quarters_of_the_target():
    """Two of one class want 4 kWh each where 4 are to be had: each lacks half, not one everything."""
    tree = {"grid": Circuit("grid", None, 4000.0 / 690.0 / 0.5)}
    found = plan([wish("a", 4.0, 0.5 * H, a=32.0), wish("b", 4.0, 0.5 * H, a=32.0)], tree=tree)
    assert [round(one.missing_wh) for one in found.missing] == [2000, 2000]


def test_too_short_a_stay_is_its_own_fault():
    (lacks,) = plan([wish("a", 10.0, 0.5 * H)]).missing
    assert round(lacks.missing_wh) == 4480
    assert lacks.because == "its own 11.0 kW are too little for its 2 slots"
    (late,) = plan([wish("a", 1.0, -5.0)]).missing
    assert (late.missing_wh, late.because) == (1000.0, "its departure has passed")


def test_a_slot_that_has_begun_holds_only_what_is_left_of_it():
    """Ten minutes in, five are left: 0.92 kWh at 11.04 kW."""
    found = plan([wish("a", 2.0, 2 * H)], now=600.0)
    assert kwh(found, "a")[:2] == [0.92, 1.08]
    assert found.power_kw("a")[0] == pytest.approx(11.04)


def test_below_the_minimum_sessions_take_turns():
    """Two sessions levelled to 2.07 kW, 3 A each: an EVSE gives 6 A or nothing, so one has 6 A and the other waits, and together they
    draw what was planned."""
    found = plan([wish("a", 4.14, 2 * H), wish("b", 4.14, 2 * H)], demand_charge=10.0)
    assert sum(guide.planned_a for guide in found.guides.values()) == pytest.approx(6.0)
    assert sorted(guide.most_a for guide in found.guides.values()) == [0.0, 6.0]


def test_a_dc_session_is_planned_on_the_grid_side():
    """10 kWh into the vehicle at 96 % are 10.4167 kWh from the grid; 48 kW out are 50 kW in, 12.5 kWh a slot."""
    found = plan([Wish.dc("a", "grid", 48.0, 10.0, 2 * H, efficiency=0.96)])
    assert kwh(found, "a")[0] == 10.417
    assert found.guides["a"].planned_a == pytest.approx(10.4167 / 0.25 * 1000 / 690, rel=1e-4)


def test_whoever_leaves_within_a_slot_has_no_more_power_for_it():
    """32 A are 22.08 kW: with a third of the slot to stay, 1.84 kWh; not what the circuit would carry in the whole of it, 5.52 kWh."""
    found = plan([wish("a", 20.0, 300.0, a=63.0, circuit="side")])
    assert kwh(found, "a")[0] == 1.84
    assert found.missing[0].because == "circuit side L1/L2/L3 is full in 1 of its 1 slots"


def test_a_kw_cap_binds():
    found = plan([wish("a", 5.0, 2 * H)], limits_kw={"grid": 4.0})
    assert kwh(found, "a") == [1.0] * 5 + [0.0] * 3


def test_no_solution_in_time_is_a_plan_all_the_same():
    """Without time for a single pivot: as soon as possible by rank, within every circuit."""
    planner = Planner(TREE)
    planner.solver.setOptionValue("simplex_iteration_limit", 0)
    wishes = [wish("b", 5.0, H, a=32.0, rank=1, circuit="side"), wish("a", 5.0, H, a=32.0, circuit="side")]
    found = planner.plan(wishes, Outlook(0.0, 0.0, slots=8, price=[9, 1, 1, 1, 1, 1, 1, 1]))
    assert found.how.startswith("as soon as possible by rank: the solver says iteration limit")
    assert kwh(found, "a")[:2] == [5.0, 0.0]
    assert kwh(found, "b")[:2] == [0.52, 4.48]
    planner.solver.setOptionValue("simplex_iteration_limit", 100_000)
    assert planner.plan(wishes, Outlook(0.0, 0.0, slots=8)).how == "optimal"


def test_figures_that_are_none_are_refused():
    with pytest.raises(ValueError, match="figures of at least 0"):
        wish("a", math.nan, H)


def test_nobody_there_is_an_empty_plan():
    assert (plan([]).energy_kwh, plan([]).missing, plan([]).how) == ({}, (), "optimal")


def test_planned_again_from_what_was_there_as_well_as_anew():
    """A quarter-hour later, with another price, target and cap: the kept solver finds what a new one does."""
    wishes = [wish(f"s{n}", 4.0 + n, 6 * H, rank=n % 3, circuit="side") for n in range(6)]
    planner = Planner(TREE)
    first = planner.plan(wishes, Outlook(0.0, 0.0, slots=32, price=np.linspace(0.4, 0.1, 32), demand_charge=5.0))
    assert not first.warm
    later = [wish(w.id, w.needs_kwh * 0.9, 6 * H, rank=w.rank, circuit="side") for w in wishes]
    outlook = Outlook(SLOT_S + 60, SLOT_S, {"side": 20.0}, slots=32, price=np.linspace(0.1, 0.3, 32), demand_charge=5.0)
    warm, cold = planner.plan(later, outlook), Planner(TREE).plan(later, outlook)
    assert warm.warm
    assert not cold.warm
    assert warm.cost + warm.peak_cost == pytest.approx(cold.cost + cold.peak_cost, abs=1e-4)
    another = [*later[1:], wish("new", 3.0, 3 * H, circuit="side")]
    carried, cold = planner.plan(another, outlook), Planner(TREE).plan(another, outlook)
    assert not carried.warm
    assert carried.cost + carried.peak_cost == pytest.approx(cold.cost + cold.peak_cost, abs=1e-4)


# --- any day ------------------------------------------------------------------------------------------------------

SLOTS = 6
CIRCUITS = {"grid": None, "a": "grid", "b": "grid", "a1": "a"}
wants = st.builds(
    lambda circuit, phases, amps, needs, departs, rank: (circuit, phases, amps, needs, departs, rank),
    st.sampled_from(list(CIRCUITS)), st.sampled_from([L123, (0,), (1,), (2,)]), st.sampled_from([10.0, 16.0, 32.0]),
    st.floats(0.0, 12.0), st.floats(60.0, SLOTS * SLOT_S), st.integers(0, 2),
)  # fmt: skip
days = st.fixed_dictionaries(
    {
        "ratings": st.lists(st.floats(5.0, 80.0), min_size=4, max_size=4),
        "wants": st.lists(wants, min_size=1, max_size=7),
        "base": st.lists(st.floats(-10.0, 30.0), min_size=SLOTS, max_size=SLOTS),
        "price": st.lists(st.floats(0.0, 0.5), min_size=SLOTS, max_size=SLOTS),
        "charge": st.sampled_from([0.0, 3.0]),
        "now": st.floats(0.0, 850.0),
    }
)


def made(day):
    tree = {name: Circuit(name, up, rating) for (name, up), rating in zip(CIRCUITS.items(), day["ratings"], strict=True)}
    wishes = [Wish.ac(f"s{n}", c, p, a, needs, leaves, rank=rank) for n, (c, p, a, needs, leaves, rank) in enumerate(day["wants"])]
    return tree, wishes, Outlook(
        day["now"], 0.0, base_a={"grid": np.array(day["base"])[:, None]}, price=day["price"], demand_charge=day["charge"], slots=SLOTS
    )  # fmt: skip


def below(tree, circuit):
    return {n for n in tree if circuit in [n, tree[n].parent, tree.get(tree[n].parent or "", tree[n]).parent]}


def missing_by_rank(tree, wishes, outlook):
    """Another formulation: kW as variables, a row for every circuit, phase and slot written out one by one, ranks solved in turn."""
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    hours = [max(0.0, (n + 1) * SLOT_S - max(outlook.now, n * SLOT_S)) / H for n in range(SLOTS)]
    power, short, burst = {}, {}, {}
    for w in wishes:
        for n in range(SLOTS):
            here = max(0.0, min(w.departs, (n + 1) * SLOT_S) - max(outlook.now, n * SLOT_S)) / H
            here = 0.0 if here < 60 / H and w.departs < (n + 1) * SLOT_S else here
            power[w.id, n] = h.addVariable(0.0, w.most_kw * here / hours[n])
            # While it is there it draws so much more than the slot's mean.
            burst[w.id, n] = hours[n] / here if here else 1.0
        short[w.id] = h.addVariable(0.0, w.needs_kwh)
        h.addConstr(sum(power[w.id, n] * hours[n] for n in range(SLOTS)) + short[w.id] == w.needs_kwh)
    for name, circuit in tree.items():
        for p in range(3):
            for n in range(SLOTS):
                room = max(0.0, circuit.rating_a - (float(outlook.base_a["grid"][n, 0]) if name == "grid" else 0.0))
                on = [
                    power[w.id, n] * (burst[w.id, n] * 1000 / 230 / len(w.phases))
                    for w in wishes
                    if w.circuit in below(tree, name) and p in w.phases
                ]
                if on:
                    h.addConstr(sum(on) <= room)
    found = []
    for rank in sorted({w.rank for w in wishes}):
        goal = sum(short[w.id] for w in wishes if w.rank == rank)
        h.minimize(goal)
        found.append(h.getInfo().objective_function_value)
        h.addConstr(goal <= found[-1] + 1e-7)
    return found


@settings(max_examples=60, deadline=None)
@given(days)
def test_no_circuit_no_target_is_exceeded_and_ranks_lack_as_little_as_can_be(day):
    tree, wishes, outlook = made(day)
    found = Planner(tree).plan(wishes, outlook)
    assert found.how == "optimal"
    for w in wishes:
        energy = found.energy_kwh[w.id]
        assert energy.min() >= 0.0
        assert energy.sum() <= w.needs_kwh + 1e-6
    for name, circuit in tree.items():
        base = np.array(day["base"]) if name == "grid" else np.zeros(SLOTS)
        for p in range(3):
            used = sum(found.energy_kwh[w.id] / len(w.phases) for w in wishes if w.circuit in below(tree, name) and p in w.phases)
            room = np.maximum(0.0, circuit.rating_a - base) * 0.23 * found.hours
            assert (used <= room + 1e-9).all(), (name, p)
    lacks = {one.id: one.missing_wh / 1000 for one in found.missing}
    ours = [sum(lacks.get(w.id, 0.0) for w in wishes if w.rank == rank) for rank in sorted({w.rank for w in wishes})]
    assert ours == pytest.approx(missing_by_rank(tree, wishes, outlook), abs=0.01)


@settings(max_examples=40, deadline=None)
@given(days, st.floats(0.3, 1.0))
def test_rows_as_they_are_needed_are_as_good_as_all_of_them(day, sinks):
    """Cold and, with limits that sink, warm: as with a row for every circuit and slot from the start."""
    tree, wishes, outlook = made(day)
    lower = replace(outlook, limits_a={name: circuit.rating_a * sinks for name, circuit in tree.items()})
    few, all_rows = Planner(tree), Planner(tree)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Program, "likely", lambda self, outlook: np.ones_like(self.kept))
        dense = [all_rows.plan(wishes, one) for one in (outlook, lower)]
    for one, other in zip([few.plan(wishes, one) for one in (outlook, lower)], dense, strict=True):
        assert (one.how, one.warm) == ("optimal", other.warm)
        assert sum(m.missing_wh for m in one.missing) == pytest.approx(sum(m.missing_wh for m in other.missing), abs=5.0)
        assert one.cost + one.peak_cost == pytest.approx(other.cost + other.peak_cost, abs=0.01)


def few_at_first(patch):
    """The solver has no energies to begin with but those everybody would take alone."""
    patch.setattr(planner_matrix, "WHOLE", -1)
    patch.setattr(planner_matrix, "CHEAPEST", 0.0)
    patch.setattr(planner_matrix, "LAST", 0.0)
    patch.setattr(planner_matrix, "EVERY", 10**6)
    patch.setattr(planner_matrix, "NEAR", -1)


def spread_kwh(wishes, plan):
    """By rank: the missing kWh, and how many quarters of a target come before them."""
    found = {}
    for w in wishes:
        left = next((one.missing_wh for one in plan.missing if one.id == w.id), 0.0) / 1000
        for band in range(BANDS):
            part = min(left, w.needs_kwh / BANDS)
            total, before = found.get(w.rank, (0.0, 0.0))
            found[w.rank] = total + part, before + band * part
            left -= part
    return [figure for rank in sorted(found) for figure in found[rank]]


@settings(max_examples=60, deadline=None)
@given(days, st.floats(0.3, 1.0))
def test_energies_as_they_are_wanted_are_as_good_as_all_of_them(day, sinks):
    """Cold, warm with limits that sink, and for another structure: what is missing, how it is spread and what is paid, as with every
    column from the start."""
    tree, wishes, outlook = made(day)
    lower = replace(outlook, limits_a={name: circuit.rating_a * sinks for name, circuit in tree.items()})
    another = [replace(w, rank=2 - w.rank) for w in wishes[1:]]
    few, whole = Planner(tree), Planner(tree)
    asked = [(wishes, outlook), (wishes, lower), (another, lower)]
    full = [whole.plan(*one) for one in asked]
    with pytest.MonkeyPatch.context() as patch:
        few_at_first(patch)
        sparse = [few.plan(*one) for one in asked]
    for (of, _), one, other in zip(asked, sparse, full, strict=True):
        assert (one.how, one.warm) == ("optimal", other.warm)
        assert spread_kwh(of, one) == pytest.approx(spread_kwh(of, other), abs=0.005)
        assert one.cost + one.peak_cost == pytest.approx(other.cost + other.peak_cost, abs=0.01)


def test_the_solver_begins_with_few_energies_and_is_given_what_its_prices_ask_for():
    """Cars of 2 kWh on 16 A, alone all in the cheapest slot: one needs no other, ten need all eight."""
    wishes = [wish(f"s{n}", 2.0, 2 * H) for n in range(10)]
    planner, day = Planner({"grid": Circuit("grid", None, 16.0)}), Outlook(0.0, 0.0, slots=8, price=np.linspace(0.1, 0.2, 8))
    with pytest.MonkeyPatch.context() as patch:
        few_at_first(patch)
        assert kwh(planner.plan(wishes[:1], day), "s0") == [2.0] + [0.0] * 7
        assert (planner.matrix.taken.tolist(), planner.matrix.place.tolist()) == ([0], [0] + [-1] * 7)
        full = planner.plan(wishes, day)
    assert full.missing == ()
    assert sum(full.energy_kwh.values()).tolist() == pytest.approx([2.76] * 7 + [0.68])


@settings(max_examples=60, deadline=None)
@given(days)
def test_ranks_the_costs_do_not_put_in_order_are_solved_one_by_one(day):
    """All ranks' kWh as dear as each other: what the basis proves is true, and where it proves nothing, ranks are solved in turn."""
    tree, wishes, outlook = made(day)
    proven = []
    checked = Matrix.in_order

    def told(self, *args):
        proven.append((self.program, checked(self, *args), args[1].copy()))
        return proven[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner_module, "WIDE", 1.0)
        patch.setattr(Matrix, "in_order", told)
        found = Planner(tree, separation=1.0).plan(wishes, outlook)
    best = missing_by_rank(tree, wishes, outlook)
    for program, ranks, values in proven:
        for rank in range(ranks):
            assert float(program.missing_only(rank) @ values) == pytest.approx(best[rank], abs=1e-4)
    assert found.how == "optimal"
    assert spread_kwh(wishes, found)[::2] == pytest.approx(best, abs=0.01)


def test_what_is_in_order_is_known_and_what_is_not():
    """A three-phase car of rank 0 against three one-phase ones of rank 1, where there is enough for either: planned, both ranks are proven
    in order. Solved for the second rank first, not even the first is."""
    wishes = [wish("a", 2.76, 0.25 * H), *(wish(f"b{p}", 0.92, 0.25 * H, phases=(p,), rank=1) for p in range(3))]
    planner, day = Planner({"grid": Circuit("grid", None, 16.0)}), Outlook(0.0, 0.0, slots=8)
    assert [one.id for one in planner.plan(wishes, day).missing] == ["b0", "b1", "b2"]
    program, matrix, solver = planner.program, planner.matrix, planner.solver
    bounds = program.bounds(program.present({w.id: w for w in wishes}), day)
    found = matrix.full(np.array(solver.getSolution().col_value))
    assert planner._in_order(matrix, bounds, found) == 2
    turned = (program.missing_only(1) + 1e-3 * program.missing_only(0))[matrix.columns]
    solver.changeColsCost(len(turned), np.arange(len(turned), dtype=np.int32), turned)
    solver.run()
    found = matrix.full(np.array(solver.getSolution().col_value))
    assert (program.missing_only(0) @ found, program.missing_only(1) @ found) == pytest.approx((2.76, 0.0))
    assert planner._in_order(matrix, bounds, found) == 0


@settings(max_examples=60, deadline=None)
@given(days)
def test_a_column_s_reduced_cost_is_what_the_solver_says(day):
    """Prices of rows to what each column would cost: HiGHS's own figures for those it has."""
    tree, wishes, outlook = made(day)
    planner = Planner(tree)
    planner.plan(wishes, outlook)
    program, matrix, solution = planner.program, planner.matrix, planner.solver.getSolution()
    if program is None or planner.matrix is None:
        return
    costs = np.zeros(program.column_count)
    costs[matrix.columns] = planner.solver.getLp().col_cost_
    reduced = matrix.reduced(costs, np.array(solution.row_dual))[matrix.columns]
    assert reduced == pytest.approx(np.array(solution.col_dual), rel=1e-6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(days)
def test_the_peak_that_is_guessed_is_one_no_plan_stays_below(day):
    tree, wishes, outlook = made({**day, "charge": 3.0})
    program = Program(tree, wishes, outlook)
    _, _, rows, row_high = program.bounds(program.wishes, outlook)
    least = planner_matrix._peak_kw(program, outlook, rows[: program.count], row_high[program.peak_row0 : program.circuit_row0])
    found = Planner(tree).plan(wishes, outlook)
    lacks = sum(one.missing_wh for one in found.missing) / 1000
    # What can't be had must not be counted: each missing kWh lowers it by no more than it is in one slot.
    assert found.peak_kw >= least - lacks / SLOT_H - 1e-6


def test_a_circuit_below_one_that_is_fuller_has_no_row_until_it_is_overfilled():
    """Eight cars could fill the grid eight times over and the side four times: the grid holds the side back."""
    tree = {"grid": Circuit("grid", None, 16.0), "side": Circuit("side", "grid", 32.0)}
    wishes = [wish(f"s{n}", 5.0, 2 * H, circuit="side") for n in range(8)]
    program = Program(tree, wishes, Outlook(0.0, 0.0, slots=8))
    kept = {program.rows[row].circuit for row, _ in zip(*np.nonzero(program.likely(Outlook(0.0, 0.0, slots=8))), strict=True)}
    assert kept == {"grid"}
    assert program.crowded(Outlook(0.0, 0.0, slots=8))[:, 0].tolist() == pytest.approx([8.0, 4.0])


@settings(max_examples=25, deadline=None)
@given(days, st.randoms(use_true_random=False))
def test_the_order_of_sessions_does_not_matter_and_twice_is_the_same(day, rng):
    tree, wishes, outlook = made(day)
    mixed = list(wishes)
    rng.shuffle(mixed)
    one, other = Planner(tree).plan(wishes, outlook), Planner(tree).plan(mixed, outlook)
    assert {name: list(e) for name, e in one.energy_kwh.items()} == {name: list(e) for name, e in other.energy_kwh.items()}
    assert (one.guides, one.missing, one.cost) == (other.guides, other.missing, other.cost)


# --- the forecast -------------------------------------------------------------------------------------------------


def test_before_anything_was_seen_nothing_is_expected_and_then_the_last_reading():
    forecast = Forecast()
    assert forecast.ahead("grid", 0.0, 0.0, 2).tolist() == [[0, 0, 0], [0, 0, 0]]
    forecast.take("grid", 10.0, (5.0, 6.0, 7.0))
    forecast.take("grid", 20.0, (math.nan, 6.0, 7.0))
    forecast.take("grid", 5.0, (99.0, 99.0, 99.0))
    assert forecast.ahead("grid", 30.0, 0.0, 2).tolist() == [[5, 6, 7], [5, 6, 7]]


def test_the_days_before_say_what_comes_and_now_fades():
    """Two days with 20 A at noon and 10 A else; on the third it is 4 A more than usual at eleven: an hour later e^-0.5 of it is left."""
    forecast = Forecast()
    for quarter in range(2 * 96 + 45):
        t = quarter * SLOT_S
        amps = 20.0 if 48 <= quarter % 96 < 52 else 10.0
        forecast.take("grid", t, (amps + (4.0 if quarter == 2 * 96 + 44 else 0.0), amps, amps))
    now = (2 * 96 + 44) * SLOT_S
    ahead = forecast.ahead("grid", now, now, 96)
    assert ahead[0].tolist() == pytest.approx([14.0, 10.0, 10.0])
    assert ahead[4].tolist() == pytest.approx([20.0 + 4.0 * math.exp(-0.5), 20.0, 20.0])
    assert ahead[95].tolist() == pytest.approx([10.0, 10.0, 10.0], abs=0.01)
