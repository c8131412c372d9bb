"""The cost domain of the rulebook: bands of local time, each with its file and line, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.policy.test_rulebook import site

from chargekit.model.located import BadInput

POLICY = """cost:
  plan: true
  price: 0.25
  demand_charge: 12
  tariff:
    - {from: "17:00", to: "20:00", price: 0.40}
    - {from: "22:00", to: "06:00", price: 0.15}
    - {from: 12:00, to: "13:15", price: -0.05}
"""


def test_prices_by_local_time(tmp_path: Path) -> None:
    cost = site(tmp_path, POLICY).rulebook.cost
    assert (cost.plan, cost.demand_charge, str(cost.source).rpartition("/")[2]) == (True, 12.0, "policy.yaml:2")
    hours = {0: 0.15, 5: 0.15, 6: 0.25, 12: -0.05, 14: 0.25, 17: 0.40, 19: 0.40, 20: 0.25, 22: 0.15, 23: 0.15}
    assert {hour: cost.price_at(hour * 60) for hour in hours} == hours
    assert (cost.price_at(13 * 60), cost.price_at(13 * 60 + 15)) == (-0.05, 0.25)


def test_nothing_said_plans_nothing_and_leaves_the_revision(tmp_path: Path) -> None:
    silent, planned = site(tmp_path).rulebook, site(tmp_path, POLICY).rulebook
    assert (silent.cost.plan, silent.cost.price_at(600)) == (False, 0.0)
    assert planned.revision != site(tmp_path, POLICY.replace("0.40", "0.41")).rulebook.revision


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("cost: {tarif: []}", "policy.yaml:1: unknown key 'tarif' (did you mean 'tariff'?)"),
        ("cost: {plan: soon}", "policy.yaml:1: true or false expected, found text"),
        ("cost: {demand_charge: -1}", "policy.yaml:1: -1 is out of range"),
        ("cost: {tariff: {from: 1}}", "policy.yaml:1: a list expected, found a table"),
        ('cost:\n  tariff:\n    - {from: "17:00", price: 1}', "policy.yaml:3: 'to' is missing here"),
        ('cost:\n  tariff:\n    - {from: "17:00", to: "five", price: 1}', "policy.yaml:3: a local time expected, found 'five'"),
        ('cost:\n  tariff:\n    - {from: "17:07", to: "18:00", price: 1}', "policy.yaml:3: a quarter-hour of the day expected"),
        ('cost:\n  tariff:\n    - {from: "17:00", to: "25:00", price: 1}', "policy.yaml:3: a quarter-hour of the day expected"),
        ('cost:\n  tariff:\n    - {from: "17:00", to: "17:00", price: 1}', "policy.yaml:3: a band ends when it begins"),
        (
            'cost:\n  tariff:\n    - {from: "17:00", to: "20:00", price: 1}\n    - {from: "19:45", to: "21:00", price: 2}',
            "policy.yaml:4: two bands hold at the same time (the other is at ",
        ),
    ],
)
def test_what_can_not_be_says_where(tmp_path: Path, policy: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        site(tmp_path, policy + "\n")
    assert text in str(told.value)
