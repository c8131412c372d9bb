"""The domain incidents: categories with escalation, responses by kind of fault, overrides by category and role, in three layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.model.located import BadInput
from chargekit.policy.incidents import CAPACITY, KINDS
from chargekit.policy.lint import lint
from chargekit.policy.overrides import Override, create

FLEET = """site: one
type: other
circuits: {grid: {limit: 100 A}, side: {parent: grid, limit: 32 A}}
stations: [{id: "a-{1..3}", model: generic-ac-22, circuit: side}]
meters: [{id: gm, circuit: grid, model: eastron-sdm630, unit: 1}]
"""
PORTFOLIO = """access:
  classes: {resident: {goal: a}, employee: {goal: b}, guest: {goal: c}}
incidents:
  categories:
    supply:  {severity: critical, kinds: [circuit_lost, meter_silent], escalate: [{after: 5 min, to: manager}, {after: 30 min, to: desk}]}
    rest:
      severity: minor
      kinds:
        [communications_lost, meter_implausible, unruly, controller_restart, profile_refused, default_refused, infeasible, station_fault]
  responses: {default: reduce_evenly}
  roles: {manager: [ann], desk: [bob]}
  overrides:
    may_authorise: [manager, desk]
    max_duration: 12 h
    emergency: {may_authorise: [manager], max_duration: 4 h, scope: [token, circuit, site], holds: true}
"""
TYPE = "priority:\n  ranks: [resident, employee, guest]\n"
TOKENS = 'access:\n  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}\n'


def made(tmp_path: Path, policy: str = "", *, portfolio: str = PORTFOLIO, site_type: str = TYPE) -> SiteBundle:
    (tmp_path / "site_types").mkdir()
    (tmp_path / "portfolio.yaml").write_text(portfolio)
    (tmp_path / "site_types/other.yaml").write_text(site_type)
    (tmp_path / "one").mkdir()
    (tmp_path / "one/fleet.yaml").write_text(FLEET)
    (tmp_path / "one/policy.yaml").write_text(TOKENS + policy)
    return load_site(str(tmp_path / "one"))


def refused(tmp_path: Path, policy: str = "", **layers: str) -> str:
    with pytest.raises(BadInput) as told:
        made(tmp_path, policy, **layers)
    return str(told.value).replace(str(tmp_path), "")


# --- categories and responses -------------------------------------------------------------------------------------


def test_a_kind_has_a_category_with_its_steps(tmp_path: Path) -> None:
    rules = made(tmp_path).rulebook.incidents
    one = rules.category_of("meter_silent")
    assert (one.name, one.severity, one.grave, [(s.after_s, s.to) for s in one.steps]) == (
        "supply", "critical", True, [(300.0, "manager"), (1800.0, "desk")],
    )  # fmt: skip
    assert str(one.steps[0].source).endswith("portfolio.yaml:5")
    assert not rules.category_of("unruly").grave
    assert {kind for one in rules.categories for kind in one.kinds} == set(KINDS)


def test_without_categories_nobody_is_told_and_what_is_grave_stays_grave(tmp_path: Path) -> None:
    rules = made(tmp_path, portfolio="access: {classes: {resident: {goal: a}, employee: {goal: b}, guest: {goal: c}}}\n").rulebook.incidents
    assert [kind for kind in KINDS if rules.category_of(kind).grave] == ["meter_silent", "meter_implausible", "unruly", "circuit_lost"]
    assert not any(rules.category_of(kind).steps for kind in KINDS)
    assert all(rules.response_to(kind) is None for kind in KINDS)


def test_the_lowest_layer_that_names_a_fault_leads_and_the_default_answers_lost_capacity_alone(tmp_path: Path) -> None:
    site_type = TYPE + "incidents:\n  responses:\n    meter_silent: {response: protect_critical, critical: [employee]}\n    unruly: none\n"
    policy = (
        "incidents:\n  responses:\n    suspend: [guest, employee]\n    meter_silent: {response: suspend_lower, keep: 6 A, after: 1 min}\n"
    )
    rules = made(tmp_path, policy, site_type=site_type).rulebook.incidents
    found = rules.response_to("meter_silent")
    assert found is not None
    assert (found.how, found.suspend, found.keep_a, found.after_s) == ("suspend_lower", ("guest", "employee"), 6.0, 60.0)
    assert str(found.source).endswith("one/policy.yaml:6")
    assert rules.response_to("unruly") is None
    answered = {kind: one.how for kind in KINDS if (one := rules.response_to(kind)) is not None and kind != "meter_silent"}
    assert answered == {kind: "reduce_evenly" for kind in CAPACITY if kind not in ("meter_silent", "unruly")}


def test_what_becomes_of_a_class(tmp_path: Path) -> None:
    policy = "incidents:\n  responses: {critical: [resident], meter_silent: protect_critical, unruly: suspend_lower}\n"
    rules = made(tmp_path, policy).rulebook.incidents

    def says(kind: str, user_class: str, *, holds: bool = False) -> str:
        found = rules.response_to(kind)
        assert found is not None
        return found.says(user_class, holds=holds)

    assert [says("meter_silent", name) for name in ("resident", "employee", "guest")] == ["first", "behind", "behind"]
    assert [says("unruly", name) for name in ("resident", "employee", "guest")] == ["as before", "as before", "suspended"]
    assert [says("circuit_lost", name) for name in ("resident", "guest", "")] == ["even", "even", "as before"]
    assert [says(kind, "guest", holds=True) for kind in ("meter_silent", "unruly", "circuit_lost")] == ["first", "as before", "as before"]


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("incidents: {responses: {meter_mute: reduce_evenly}}", "policy.yaml:3: no kind of incident is named 'meter_mute'"),
        ("incidents: {responses: {meter_silent: reduce}}", "policy.yaml:3: response: 'reduce' is not known"),
        ("incidents: {responses: {meter_silent: {after: 5 min}}}", "policy.yaml:3: 'response' is missing here"),
        (
            "incidents: {responses: {meter_silent: {response: reduce_evenly, keep: 6 A}}}",
            "policy.yaml:3: keep says nothing here: it belongs to suspend_lower",
        ),
        ("incidents: {responses: {critical: [vip]}}", "policy.yaml:3: user class 'vip' is defined nowhere"),
        ("incidents: {responses: {unruly: {response: reduce_evenly, subjects: 0}}}", "policy.yaml:3: a count of at least 1 expected"),
        (
            "incidents: {categories: {mine: {severity: minor, kinds: [unruly]}}}",
            "incidents.categories is fixed by the portfolio at /portfolio.yaml",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_says_where(tmp_path: Path, policy: str, text: str) -> None:
    assert text in refused(tmp_path, policy + "\n")


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        ("severity: critical", "severity: awful", "severity: 'awful' is not known"),
        ("[circuit_lost, meter_silent]", "[circuit_lots]", "no kind of incident is named 'circuit_lots' (did you mean 'circuit_lost'?)"),
        ("[circuit_lost, meter_silent]", "[]", "category supply holds no kind of incident"),
        ("after: 30 min", "after: 5 min", "escalation goes on with time"),
        ("max_duration: 4 h, ", "", "emergency overrides without expiry"),
        ("scope: [token, circuit, site]", "scope: [planet]", "no override is for a 'planet'"),
    ],
)
def test_a_portfolio_that_can_not_be_says_where(tmp_path: Path, was: str, now: str, text: str) -> None:
    assert was in PORTFOLIO
    told = refused(tmp_path, portfolio=PORTFOLIO.replace(was, now))
    assert text in told and told.startswith("/portfolio.yaml:")


# --- overrides ----------------------------------------------------------------------------------------------------


def test_a_site_narrows_a_category_and_adds_its_own(tmp_path: Path) -> None:
    policy = "incidents:\n  overrides:\n    emergency: {max_duration: 1 h}\n    surgery: {max_duration: 2 h, scope: [token], holds: true}\n"
    found = made(tmp_path, policy).rulebook.overrides
    assert list(found) == ["general", "emergency", "surgery"]
    one, own = found["emergency"], found["surgery"]
    assert (one.who, one.max_duration_s, one.scope, one.holds) == (("manager",), 3600.0, ("token", "circuit", "site"), True)
    assert (own.who, own.max_duration_s, own.scope, own.holds) == (("manager",), 7200.0, ("token",), True)
    assert str(one.source).endswith("policy.yaml:5")


@pytest.mark.parametrize(
    ("policy", "lower", "upper"),
    [
        ("emergency: {max_duration: 5 h}", "policy.yaml:5: emergency overrides of 5 h last longer than the 4 h", "portfolio.yaml:15"),
        ("emergency: {may_authorise: [desk]}", "policy.yaml:5: desk may not authorise emergency overrides", "portfolio.yaml:15"),
        ("emergency: {scope: [station]}", "policy.yaml:5: emergency overrides are not for a station", "portfolio.yaml:15"),
        ("max_duration: 13 h", "policy.yaml:5: general overrides of 13 h last longer than the 12 h", "portfolio.yaml:12"),
        ("fire: {max_duration: 13 h}", "policy.yaml:5: fire overrides of 13 h last longer than the 12 h", "portfolio.yaml:12"),
        ("fire: {max_duration: 1 h, scope: [site]}", "policy.yaml:5: fire overrides are not for a site", "portfolio.yaml:12"),
        (
            "fire: {may_authorise: [porter], max_duration: 1 h}",
            "policy.yaml:5: porter may not authorise fire overrides",
            "portfolio.yaml:12",
        ),
        ("fire: {max_duration: 5 h, holds: true}", "policy.yaml:5: fire overrides of 5 h last longer than the 4 h", "portfolio.yaml:15"),
    ],
)
def test_beyond_the_portfolio_is_an_error_naming_both_lines(tmp_path: Path, policy: str, lower: str, upper: str) -> None:
    told = refused(tmp_path, f"incidents:\n  overrides:\n    {policy}\n")
    assert lower in told and upper in told


GOOD: dict[str, Any] = {"id": "o", "token": "GST-1", "until": 700.0, "who": "manager", "why": "ferry leaves"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"category": "party"}, "no override is of category 'party': general, emergency"),
        (
            {"category": "emergency", "until": 100.0 + 5 * 3600},
            r"an override of category emergency lasts at most 4 h \(.*portfolio.yaml:15\)",
        ),
        ({"category": "emergency", "who": "desk"}, r"desk may not authorise overrides \(.*portfolio.yaml:15\): manager may"),
        ({"category": "emergency", "token": "", "station": "a-1"}, "is not for a station"),
        ({"token": "", "circuit": "side"}, "an override of category general is not for a circuit"),
        ({"token": "", "scope": "site"}, "an override of category general is not for a site"),
        ({"who": "ann", "role": "desk"}, "ann is no desk"),
        ({"who": "carl", "role": "manager"}, "carl is no manager"),
        ({"who": "carl"}, "carl may not authorise"),
        ({"token": "", "station": "a-9"}, "no station is named 'a-9'"),
        ({"until": float("nan")}, "lasts at most 12 h"),
        ({"until": True}, "needs an expiry"),
        ({"id": "held"}, "override 'held' is in force"),
    ],
)
def test_an_override_the_rules_do_not_allow_is_refused_with_the_line(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    bundle = made(tmp_path)
    with pytest.raises(ValueError, match=why):
        create(bundle.rulebook, {**GOOD, **change}, 100.0, bundle.site, ["held"])


@pytest.mark.parametrize(
    ("who", "role", "by"), [("manager", "", "manager"), ("ann", "", "ann (manager)"), ("ann", "manager", "ann (manager)")]
)
def test_a_role_and_who_has_it_may(tmp_path: Path, who: str, role: str, by: str) -> None:
    bundle = made(tmp_path)
    one = create(bundle.rulebook, {**GOOD, "who": who, "role": role, "category": "emergency"}, 100.0, bundle.site)
    assert (one.by, one.role, one.category, one.holds) == (by, "manager", "emergency", True)


def test_the_narrowest_override_leads_then_the_oldest() -> None:
    def one(name: str, at: float, **what: str) -> Override:
        return Override(name, "m", "w", at, 900.0, **what)

    ones = [
        one("s", 1.0),
        one("c", 2.0, circuit="side"),
        one("p", 3.0, station="a-1"),
        one("t2", 5.0, token="T"),
        one("t1", 4.0, token="T"),
    ]
    assert [o.id for o in sorted(ones, key=lambda o: o.precedes)] == ["t1", "t2", "p", "c", "s"]
    assert [o.covers("a-1", "T", ("side", "grid")) for o in ones] == [True] * 5
    assert [o.covers("a-2", "U", ("main", "grid")) for o in ones] == [True, False, False, False, False]


# --- lint ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("portfolio", "policy", "kind", "text"),
    [
        (
            ("[communications_lost,", "[communications_lost, meter_silent,"), "", "unreachable",
            "meter_silent is in two categories: it is handled as supply",
        ),
        (("meter_implausible, unruly,", "meter_implausible,"), "", "gap", "nobody is ever told of unruly"),
        (
            ("      severity: minor\n", "      severity: minor\n      escalate: [{after: 9 min, to: porter}]\n"), "", "nobody",
            "nobody is porter: 9 min into a rest incident",
        ),
        (
            ("    rest:\n", "    again: {severity: major, kinds: [circuit_lost]}\n    rest:\n"), "", "unreachable",
            "no incident is ever of category again: circuit_lost are supply already",
        ),
        (
            ("    rest:\n", "    back: {severity: major, kinds: [controller_restart], escalate: [{after: 2 min, to: desk}]}\n    rest:\n"),
            "", "never",
            "desk is never told: controller_restart lasts 60 s at most",
        ),
        (("{after: 30 min, to: desk}", "{after: 30 min, to: manager}"), "", "unreachable", "manager was told of supply incidents 5 min in"),
        (("desk: [bob]", "desk: []"), "", "nobody", "nobody at this site is desk, who may authorise general overrides"),
        (("manager: [ann], ", ""), "", "nobody", "nobody can authorise emergency overrides here: nobody is manager"),
        (("may_authorise: [manager, desk]\n", "may_authorise: []\n"), "", "gap", "anybody may put anybody first"),
        (
            ("", ""), "responses: {meter_silent: {response: suspend_lower, suspend: [resident, employee, guest]}}", "response",
            "everybody is suspended while meter_silent is open: employee, guest, resident get nothing",
        ),
        (
            ("", ""), "responses: {meter_silent: {response: suspend_lower, keep: 4 A}}", "never",
            "4 A are less than the 6 A a vehicle takes: guest get nothing",
        ),
        (
            ("", ""), "responses: {meter_silent: {response: protect_critical, critical: [resident, employee, guest]}}", "response",
            "all are critical while meter_silent is open",
        ),
        (
            ("", ""), "responses: {communications_lost: {response: suspend_lower, subjects: 4}}", "never",
            "it waits for 4 of communications_lost at a time, and 3 are possible on one circuit",
        ),
    ],
)  # fmt: skip
def test_lint_says_what_will_happen_and_to_whom(tmp_path: Path, portfolio: tuple[str, str], policy: str, kind: str, text: str) -> None:
    was, now = portfolio
    assert was in PORTFOLIO
    bundle = made(tmp_path, f"incidents:\n  {policy}\n" if policy else "", portfolio=PORTFOLIO.replace(was, now, 1) if was else PORTFOLIO)
    found = [(one.kind, one.message) for one in lint(bundle.rulebook, bundle.site)]
    assert any(k == kind and text in message for k, message in found), found


def test_responses_that_break_a_promise_are_found_and_a_good_policy_has_no_fault(tmp_path: Path) -> None:
    floors = "power:\n  floors: {guest: 8 A}\nincidents:\n  responses:\n    meter_silent: suspend_lower\n    unruly: protect_critical\n"
    bundle = made(tmp_path, floors)
    found = [one.message for one in lint(bundle.rulebook, bundle.site) if one.kind == "response"]
    assert "guest is promised 8 A" in found[0] and "while meter_silent is open it gets 0 A" in found[0]
    assert "while unruly is open that is not kept: resident come first" in found[1]


def test_nobody_to_protect_and_nobody_to_suspend(tmp_path: Path) -> None:
    policy = "incidents:\n  responses: {unruly: protect_critical, meter_silent: suspend_lower}\n"
    bundle = made(tmp_path, policy)
    only = 'access:\n  tokens: {"EMP-*": employee}\n' + policy
    (tmp_path / "one/policy.yaml").write_text(only)
    bundle = load_site(str(tmp_path / "one"))
    found = [one.message for one in lint(bundle.rulebook, bundle.site) if one.kind == "nobody"]
    assert any("nobody is protected while unruly is open" in one for one in found)
    assert any("nobody is suspended while meter_silent is open" in one for one in found)


def test_the_small_site_has_no_fault(tmp_path: Path) -> None:
    bundle = made(tmp_path)
    assert lint(bundle.rulebook, bundle.site) == []
