"""Caps on sessions at a time, and weights within a rank: read, refused, and carried out in a running site."""

import pytest

from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput

SITE = """site: small
type: workplace
circuits:
  grid: {limit: 100 A}
  east: {parent: grid, limit: 40 A}
stations:
  - {id: "e-{1..3}", model: generic-ac-22, circuit: east, ocpp: "2.0.1"}
"""
TOKENS = 'access: {tokens: {"EMP-*": employee, "GST-*": guest}}\n'


def loaded(folder, power):
    (folder / "fleet.yaml").write_text(SITE)
    (folder / "policy.yaml").write_text(TOKENS + power)
    return load_site(str(folder))


@pytest.mark.parametrize(
    ("power", "what"),
    [
        ("power: {sessions: [{circuit: west, most: 1}]}", r"policy.yaml:2: circuit 'west' is not known"),
        ("power: {sessions: [{circuit: east, most: -1}]}", r"policy.yaml:2: most: 0 or more sessions expected"),
        ("power: {sessions: [{most: 1, classes: [visitor]}]}", r"policy.yaml:2: user class 'visitor' is defined nowhere"),
        ("power: {weights: {visitor: 2}}", r"policy.yaml:2: user class 'visitor' is defined nowhere"),
        ("power: {weights: {guest: 0}}", r"policy.yaml:2: a weight above 0 expected"),
    ],
)
def test_what_can_not_be_is_refused_with_its_line(tmp_path, power, what):
    with pytest.raises(BadInput, match=what):
        loaded(tmp_path, power)


def drawn(tmp_path, power, tokens):
    lab = build(loaded(tmp_path, power), Plan(seed="sharing", operate=True))
    for number, token in enumerate(tokens, 1):
        at = 20.0 + 10.0 * number
        lab._later(at, PLANT, "plug", {"station": f"e-{number}", "evse": 1, "vehicle": "small-22kw", "soc_percent": 20.0})
        lab._later(at + 2.0, f"e-{number}", "present", {"token": token, "evse": 1})
    lab.world.run_until(600.0)
    return [round(max(lab.plant.bays[f"e-{n}", 1].current_a(600.0))) for n in (1, 2, 3)]


def test_at_most_so_many_sessions_have_current(tmp_path):
    """40 A less 1 A margin; without the cap all three share, with it two do, and guests alone are held to one."""
    who = ["EMP-1", "GST-2", "GST-3"]
    assert all(amps > 5 for amps in drawn(tmp_path, "", ["EMP-1", "EMP-2", "EMP-3"]))
    assert [amps > 5 for amps in drawn(tmp_path, "power: {sessions: [{circuit: east, most: 2}]}", ["EMP-1", "EMP-2", "EMP-3"])] == [1, 1, 0]
    assert [amps > 5 for amps in drawn(tmp_path, "power: {floors: {guest: 6 A}, sessions: [{most: 1, classes: [guest]}]}", who)] == [
        1,
        1,
        0,
    ]


def test_a_surplus_is_shared_by_weight(tmp_path):
    """39 A: minima of 6 A, and 27 A in the proportion 1 to 1 to 1; two classes on one rank are not possible, so a class shares evenly."""
    assert drawn(tmp_path, "power: {weights: {employee: 2}}", ["EMP-1", "EMP-2", "EMP-3"]) == [13, 13, 13]
