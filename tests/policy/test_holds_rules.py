"""`power.holds` and `power.writes` as they are read: defaults, layers, refusals with file and line."""

import pytest

from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput
from chargekit.policy.holds import Holds

SITE = """site: small
type: workplace
circuits: {grid: {limit: 100 A}}
stations:
  - {id: "e-{1..3}", model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
"""


def loaded(folder, power=""):
    (folder / "fleet.yaml").write_text(SITE)
    (folder / "policy.yaml").write_text('access: {tokens: {"EMP-*": employee}}\n' + power)
    return load_site(str(folder)).rulebook


def test_what_nobody_says_is_built_in(tmp_path):
    rules = loaded(tmp_path)
    assert rules.holds == Holds(600.0, 300.0, 60.0, 1800.0, 3, "peers")
    assert rules.writes.value == 200.0
    told = {row.key: (row.value, row.layer) for row in rules.effective if row.key.startswith(("power.holds", "power.writes"))}
    assert told["power.holds.on"] == ("600 s", "built-in") and told["power.writes"] == ("200 a day", "built-in")
    assert len(told) == 7


def test_what_is_said_leads_and_the_rest_stays_built_in(tmp_path):
    rules = loaded(tmp_path, "power:\n  holds: {on: 40 min, off: 2 min, pauses: 5, against: all}\n  writes: 90\n")
    holds = rules.holds
    assert (holds.on_s, holds.off_s, holds.pauses, holds.against) == (2400.0, 120.0, 5, "all")
    assert holds.turn_s == 2400.0, "a turn is no shorter than what is kept"
    assert str(holds.source("off")).endswith("policy.yaml:3") and str(holds.source("turn")) == "built-in:0"
    told = {row.key: (row.value, row.layer) for row in rules.effective}
    assert told["power.holds.off"] == ("2 min", "site") and told["power.holds.overcurrent"] == ("60 s", "built-in")
    assert rules.revision != loaded(tmp_path, "power:\n  holds: {on: 40 min}\n").revision


@pytest.mark.parametrize(
    ("power", "what"),
    [
        ("power: {holds: {onn: 5 min}}", r"policy.yaml:2: unknown key 'onn' \(did you mean 'on'\?\)"),
        ("power: {holds: {on: soon}}", r"policy.yaml:2: a figure in .* expected, found 'soon'"),
        ("power: {holds: {on: 2 d}}", r"policy.yaml:2: 172800 s is out of range: at least 0 and at most 86400 expected"),
        ("power: {holds: {pauses: -1}}", r"policy.yaml:2: pauses: 0 to 1000 expected, found -1"),
        ("power: {holds: {pauses: many}}", r"policy.yaml:2: a whole number expected, found text"),
        ("power: {holds: {against: nobody}}", r"policy.yaml:2: against: 'nobody' is not known \(known: all, peers\)"),
        ("power: {holds: {turn: 5 min}}", r"policy.yaml:2: a turn of 5 min is shorter than the 10 min a session keeps what it was given"),
        ("power: {holds: [1]}", r"policy.yaml:2: a table expected, found a list"),
        ("power: {writes: 0}", r"policy.yaml:2: writes: 1 or more a day expected, found 0"),
        ("power: {writes: 1.5}", r"policy.yaml:2: a whole number expected"),
    ],
)
def test_what_can_not_be_is_refused_with_its_line(tmp_path, power, what):
    with pytest.raises(BadInput, match=what):
        loaded(tmp_path, power)
