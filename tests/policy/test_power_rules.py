"""Power and cost beyond limits: what can't be is refused with its line; lint says what never comes to anything; the rules as functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput, Source
from chargekit.policy.costs import ClassCost, Costing
from chargekit.policy.idle import IdleRule
from chargekit.policy.lint import lint
from chargekit.policy.power import Throttle
from chargekit.policy.signals import SignalRule, floor_a, taken
from chargekit.policy.tariff import Band, CostRules

HERE = Source("p.yaml", 1)
FLEET = """site: one
type: other
zone: Europe/Amsterdam
epoch: 2026-03-02
circuits: {grid: {limit: 40 A}, side: {parent: grid, limit: 32 A}}
stations: [{id: "a-{1..3}", model: generic-ac-22, circuit: side}]
"""
PORTFOLIO = """access:
  classes: {resident: {goal: a}, employee: {goal: b}, guest: {goal: c}}
incidents:
  overrides: {may_authorise: [manager], max_duration: 2 h}
"""
TOKENS = 'access:\n  tokens: {"RES-*": resident, "EMP-*": employee}\n'
TARIFF = '  price: 0.2\n  tariff: [{from: "17:00", to: "20:00", price: 0.4}]\n'


def folder(tmp_path: Path, policy: str) -> str:
    (tmp_path / "site_types").mkdir()
    (tmp_path / "portfolio.yaml").write_text(PORTFOLIO)
    (tmp_path / "site_types/other.yaml").write_text("priority:\n  ranks: [resident, employee, guest]\n")
    (tmp_path / "one").mkdir()
    (tmp_path / "one/fleet.yaml").write_text(FLEET)
    (tmp_path / "one/policy.yaml").write_text(TOKENS + policy)
    return str(tmp_path / "one")


def power(text: str) -> str:
    return f"power:\n  {text}\n"


def cost(text: str) -> str:
    return f"cost:\n{TARIFF}  {text}\n"


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (
            power("idle: {grace: 20 min, release: 10 min}"),
            "policy.yaml:4: sessions would be ended 10 min after they are over, before anybody",
        ),
        (power("idle: {release: 10 min}"), "policy.yaml:4: 'grace' is missing here"),
        (power("idle: {grace: 20 min, classes: [gest]}"), "policy.yaml:4: user class 'gest' is defined nowhere (did you mean 'guest'?)"),
        (power("idle: {grace: 20 min, below: 6 A}"), "policy.yaml:4: 6 A is out of range"),
        (power("signals: {dimmed: {longest: 1 h}}"), "policy.yaml:4: no kind of signal is named 'dimmed' (did you mean 'dimming'?)"),
        (
            power("signals: {dimming: {floor: 4.2 kW}}"),
            "policy.yaml:4: dimming without 'longest': a signal whose end got lost would hold for ever",
        ),
        (power("signals: {external: {longest: 1 h, floor: 4.2 kW}}"), "policy.yaml:4: unknown key 'floor'"),
        (
            power("signals: {level: {longest: 1 h, shares: [50 %, 75 %]}}"),
            "policy.yaml:4: the shares of the levels, 0 first, from high to low",
        ),
        (
            power("signals: {dimming: {longest: 1 h, exempt: [guest], first: [guest]}}"),
            "policy.yaml:4: guest can't give first and be exempt",
        ),
        (power("throttle: [guest, guest]"), "policy.yaml:4: guest is throttled twice"),
        (power("throttle: []"), "policy.yaml:4: nobody is throttled first"),
        (power("guarantee: lax"), "policy.yaml:4: strict or min_first expected, found 'lax'"),
        (power("guarantee: {min_first: []}"), "policy.yaml:4: a list of at least one class expected, found none"),
        (power("budgets: {roof: {ac: 10 A}}"), "policy.yaml:4: circuit 'roof' is not known"),
        (power("budgets: {grid: {hvdc: 10 A}}"), "policy.yaml:4: unknown key 'hvdc'"),
        (cost("classes: {guest: {cap: 4 A, above: 0.3}}"), "policy.yaml:6: no vehicle charges with 4 A: below 6 A a cap is a pause"),
        (cost("classes: {guest: {cap: 8 A}}"), "policy.yaml:6: guest: a cap holds above a price"),
        (cost("classes: {guest: {unless_departs_within: 1 h}}"), "policy.yaml:6: nothing is said of guest"),
        (cost("classes: {visitor: {shift: true}}"), "policy.yaml:6: user class 'visitor' is defined nowhere"),
        (cost("opt_out: [visitor]"), "policy.yaml:6: user class 'visitor' is defined nowhere"),
        (cost("demand_target: {from: '08:00'}"), "policy.yaml:6: 'below' is missing here"),
        (cost("demand_target: ten"), "policy.yaml:6: a figure in kW or W or MW expected"),
    ],
)
def test_what_can_not_be_is_refused_with_its_line(tmp_path: Path, policy: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        load_site(folder(tmp_path, policy))
    assert text in str(told.value)


@pytest.mark.parametrize(
    ("policy", "kind", "text"),
    [
        (
            power("idle: {grace: 20 min, classes: [guest]}"),
            "nobody",
            "this idle rule is for nobody: no token of this site gets class guest",
        ),
        (power("throttle: [guest]"), "nobody", "this throttling is for nobody"),
        (power("guarantee: {min_first: [guest]}"), "nobody", "this guarantee is for nobody"),
        (power("signals: {dimming: {longest: 1 h, exempt: [guest]}}"), "nobody", "this exemption of a dimming is for nobody"),
        (cost("opt_out: [guest]"), "nobody", "this opt-out of costs is for nobody"),
        (power("throttle: [employee]"), "unreachable", "employee rank last anyway ("),
        (power("throttle: [resident]"), "contradiction", "site_types/other.yaml:2) and is throttled first"),
        (power("budgets: {side: {dc: 10 A}}"), "never", "no DC outlet hangs on side: this budget holds nobody"),
        (power("budgets: {side: {ac: 32 A}}"), "never", "32 A for AC on side never bind: the circuit has 32 A"),
        (power("budgets: {side: {ac: 5 A}}"), "guarantee", "5 A for AC on side let nobody charge there"),
        (power("signals: {dimming: {longest: 1 h, floor: 11 kW}}"), "guarantee", "3 outlets × 11 kW = 33 kW are over the 27.6 kW of grid"),
        (power("signals: {level: {longest: 1 h, shares: [90 %, 50 %]}}"), "contradiction", "level 0 means no restriction, and leaves 90 %"),
        (
            power("signals: {level: {longest: 1 h, shares: [100 %, 10 %]}}"),
            "guarantee",
            "from level 1 on 4 A are left on grid: every session stops",
        ),
        (cost("classes: {employee: {pause_above: 0.4}}"), "never", "class employee is never paused: no kWh costs more than 0.4"),
        (
            cost("classes: {employee: {cap: 8 A, above: 0.1}}"),
            "contradiction",
            "class employee is capped all day: every kWh costs more than 0.1",
        ),
        (
            cost("classes: {employee: {cap: 8 A, above: 0.35, pause_above: 0.3}}"),
            "unreachable",
            "paused above 0.3 before it is capped above 0.35",
        ),
        (cost("classes: {employee: {shift: true}}"), "never", "class employee is never shifted: the day is not planned"),
        (
            cost("classes: {employee: {cap: 8 A, above: 0.3, unless_departs_within: 1 h}}"),
            "never",
            "class employee is never paused, so nobody",
        ),
        (cost("classes: {employee: {pause_above: 0.3}}\n  opt_out: [employee]"), "unreachable", "class employee opts out of all costs"),
        (cost("demand_target: 30 kW"), "never", "a demand target of 30 kW never binds: grid carries 27.6 kW"),
        (cost("demand_target: 1 kW"), "guarantee", "a demand target of 1 kW lets nobody charge: 1.38 kW is the least"),
    ],
)
def test_a_policy_with_one_fault_has_one_finding(tmp_path: Path, policy: str, kind: str, text: str) -> None:
    bundle = load_site(folder(tmp_path, policy))
    rows = lint(bundle.rulebook, bundle.site)
    assert [one.kind for one in rows] == [kind], rows
    assert text in rows[0].message and "policy.yaml" in rows[0].source.file


@pytest.mark.parametrize(
    ("user_class", "idle_s", "leaves_s", "due"),
    [
        ("guest", 899.0, None, ""), ("guest", 900.0, None, "asked"), ("guest", 2699.0, None, "asked"), ("guest", 2700.0, None, "released"),
        ("guest", 1000.0, 900.0, ""), ("guest", 1000.0, 901.0, "asked"), ("guest", 1000.0, -1.0, "asked"),
        ("guest", 2700.0, 60.0, "released"),
        ("resident", 9999.0, None, ""),
    ],
)  # fmt: skip
def test_what_is_due_for_an_idle_session(user_class: str, idle_s: float, leaves_s: float | None, due: str) -> None:
    assert IdleRule(900.0, 2700.0, ("guest",), True, 1.0, HERE).due(user_class, idle_s, leaves_s=leaves_s) == due


@pytest.mark.parametrize(
    ("user_class", "minute", "leaves_s", "most"),
    [
        ("guest", 1019, None, None), ("guest", 1020, None, 8.0), ("guest", 1199, 60.0, 8.0), ("guest", 1200, None, None),
        ("employee", 1020, None, 0.0), ("employee", 1020, 7200.0, None), ("employee", 1020, 7201.0, 0.0), ("resident", 1020, None, None),
    ],
)  # fmt: skip
def test_what_a_price_holds_a_class_to(user_class: str, minute: int, leaves_s: float | None, most: float | None) -> None:
    tariff = CostRules(price=0.2, bands=(Band(1020, 1200, 0.41, HERE),))
    classes = {
        "guest": ClassCost(8.0, 0.35, None, 0.0, False, HERE), "employee": ClassCost(None, 0.0, 0.4, 7200.0, False, HERE),
        "resident": ClassCost(8.0, 0.35, None, 0.0, False, HERE),
    }  # fmt: skip
    held = Costing(classes, opt_out=("resident",)).held(tariff, user_class, minute, leaves_s)
    assert (None if held is None else held.most_a) == most


def test_only_named_classes_are_shifted_and_never_the_protected() -> None:
    shifting = {"guest": ClassCost(None, 0.0, None, 0.0, True, HERE), "employee": ClassCost(None, 0.0, 0.4, 0.0, False, HERE)}
    assert [Costing(shifting, opt_out=("resident",)).shifts(n) for n in ("guest", "employee", "resident")] == [True, False, False]
    assert [Costing({}, opt_out=("resident",)).shifts(n) for n in ("guest", "resident")] == [True, False]


def test_the_floor_of_a_dimming_is_never_rounded_below_it() -> None:
    rule = SignalRule("dimming", 3600.0, 4.2, (), (), (), HERE)
    assert [floor_a(rule, phases) for phases in (1, 2, 3)] == [18.3, 9.2, 6.1]
    assert all(floor_a(rule, n) * n * 0.23 >= 4.2 for n in (1, 2, 3))


def test_a_name_from_outside_adds_no_clause_to_a_reason() -> None:
    rules = {"external": SignalRule("external", 3600.0, 0.0, (), (), (), HERE)}
    args = {"id": "a/0/EMS", "kind": "external", "who": "x; held to 3 A: nobody limits it", "station": "a", "evse": None, "limit_a": 8.0}
    one = taken(rules, args | {"until": 900.0}, 0.0, ["grid"], "grid")
    assert (one.who, one.evse, one.limit_a) == ("x, held to 3 A: nobody limits it", 0, 8.0)


def test_the_first_named_gives_first() -> None:
    throttle = Throttle(("guest", "employee"), HERE)
    assert [throttle.turn(name) for name in ("guest", "employee", "resident")] == [2, 1, 0]
