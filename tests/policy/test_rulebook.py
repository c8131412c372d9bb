"""The rulebook: three layers as one, every value with its file and line; and overrides, always with a reason and an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.model.located import BadInput
from chargekit.policy.overrides import create
from chargekit.policy.people import narrowness

FLEET = """site: one
type: mixed_use
circuits:
  grid: {limit: 63 A}
  side: {parent: grid, limit: 32 A}
stations: [{id: "a-{1..3}", model: generic-ac-22, circuit: side}]
"""
POLICY = """access:
  tokens: {"RES-7": guest, "RES-*": resident, "EMP-*": employee}
priority:
  ranks: [employee, resident, route_critical, guest]
power:
  limits: {grid: 40 A}
  lease: 5 min
"""


def site(tmp_path: Path, policy: str = POLICY) -> SiteBundle:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "policy.yaml").write_text(policy)
    return load_site(str(tmp_path))


def test_the_lowest_layer_that_says_something_leads_and_says_where(tmp_path: Path) -> None:
    rules = site(tmp_path).rulebook
    assert [(c.name, c.rank) for c in sorted(rules.classes.values(), key=lambda c: c.rank)] == [
        ("employee", 0), ("resident", 1), ("route_critical", 2), ("guest", 3),
    ]  # fmt: skip
    assert (rules.lease_s.value, str(rules.lease_s.source).rpartition("/")[2]) == (300.0, "policy.yaml:7")
    assert (rules.margin_a.value, str(rules.margin_a.source).rpartition("/")[2]) == (1.0, "mixed_use.yaml:16")
    assert "policy.yaml:4" in rules.because_rank("employee")
    assert rules.because_rank("employee").startswith("rank 1 of 4: class employee")


def test_limits_are_ratings_and_what_the_site_says(tmp_path: Path) -> None:
    limits = [(one.circuit, one.limit_a, one.rule) for one in site(tmp_path).rulebook.limits]
    assert ("grid", 63.0) in [x[:2] for x in limits]
    assert ("side", 32.0) in [x[:2] for x in limits]
    assert ("grid", 40.0, "import limit") in limits


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("token", "name"), [("RES-7", "guest"), ("RES-8", "resident"), ("RES-71", "employee"), ("EMP-1", "employee"), ("XYZ", None)]
)
def test_an_exact_token_goes_before_a_pattern_and_the_narrower_before_the_wider(
    tmp_path: Path, token: str, name: str | None, order: int
) -> None:
    rows = ["RES-7: guest", '"RES-*": resident', '"RES-7*": employee', '"EMP-*": employee'][::order]
    found = site(tmp_path, f"access: {{tokens: {{{', '.join(rows)}}}}}\n").rulebook.class_of(token)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("narrow", "wide"), [("RES-7*", "RES-*"), ("RES-?", "RES-*"), ("RES-[12]*", "RES-*"), ("??", "*"), ("*-1", "A-*"), ("*-1", "?-*")]
)
def test_which_of_two_patterns_is_narrower(narrow: str, wide: str) -> None:
    assert narrowness(narrow) < narrowness(wide)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("power: {limit: {grid: 4 A}}", "policy.yaml:1: unknown key 'limit' (did you mean 'limits'?)"),
        ("power: {limits: {gird: 4 A}}", "policy.yaml:1: circuit 'gird' is not known (did you mean 'grid'?)"),
        ("access: {tokens: {A: vip}}", "policy.yaml:1: user class 'vip' is defined nowhere"),
        ("priority: {ranks: [guest, guest, employee, resident]}", "policy.yaml:1: user class 'guest' is ranked twice"),
        ("priority: {ranks: [guest]}", "policy.yaml:1: no rank for route_critical, resident, employee"),
        ("access: {classes: {vip: {goal: x}}}", "policy.yaml:1: access.classes is fixed by the portfolio at "),
        ("incidents: {fallback: 20 A}", "3 × 20 A = 60 A is over the 32 A of side"),
        ("incidents: {fallback: 16 V}", "policy.yaml:1: a figure in A expected, found '16 V'"),
    ],
)
def test_what_can_not_be_says_where(tmp_path: Path, policy: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        site(tmp_path, policy + "\n")
    assert text in str(told.value)


def test_the_revision_follows_the_rules(tmp_path: Path) -> None:
    first = site(tmp_path).rulebook.revision
    assert site(tmp_path).rulebook.revision == first
    assert site(tmp_path, POLICY.replace("5 min", "6 min")).rulebook.revision != first


GOOD: dict[str, Any] = {"id": "o", "token": "GST-1", "until": 700.0, "who": "dispatcher", "why": "ferry leaves"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"until": None}, "an override needs an expiry"),
        ({"until": 100.0}, "lasts at most 12 h"),
        ({"until": 100.0 + 13 * 3600}, "lasts at most 12 h"),
        ({"who": "passer-by"}, "passer-by may not authorise overrides"),
        ({"who": ""}, "nobody may not authorise overrides"),
        ({"why": ""}, "needs a reason"),
        ({"token": ""}, "for a token or a station"),
        ({"user_class": "vip"}, "'vip' is defined nowhere"),
    ],
)
def test_an_override_without_reason_or_end_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        create(site(tmp_path).rulebook, {**GOOD, **change}, 100.0)


def test_an_override_remembers_who_and_why(tmp_path: Path) -> None:
    made = create(site(tmp_path).rulebook, {**GOOD, "user_class": "resident"}, 100.0)
    assert (made.who, made.why, made.created, made.until, made.user_class) == ("dispatcher", "ferry leaves", 100.0, 700.0, "resident")
