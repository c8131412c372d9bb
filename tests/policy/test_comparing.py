"""What differs between rulebooks: entries of lists are compared by what they are about."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from chargekit.faces.cli import app
from chargekit.lab.yamlfile import parse
from chargekit.policy.comparing import differences
from chargekit.policy.layers import Effective, Layers


def effective(policy: str) -> tuple[Effective, ...]:
    return Layers(parse("{}", "portfolio.yaml"), parse("{}", "type.yaml"), parse(policy, "policy.yaml")).effective()


def told(one: str, other: str) -> list[tuple[str, str, str | None, str | None]]:
    """Key, change, and both values."""
    found = differences(effective(one), effective(other))
    return [(d.key, d.change, d.one.value if d.one else None, d.other.value if d.other else None) for d in found]


def windows(*lines: str) -> str:
    return "access:\n  windows:\n" + "".join(f"    - {{{line}}}\n" for line in lines)


A = "classes: [a], days: mon-fri, from: '08:00', to: '10:00'"
B = "classes: [b], from: '10:00', to: '12:00'"
C = "tokens: ['C-*'], days: sat"


def test_an_entry_that_comes_in_between_moves_no_other() -> None:
    assert told(windows(A, B), windows(C, A, B)) == [("access.windows[C-*]", "added", None, "days: sat, tokens: [C-*]")]
    assert told(windows(C, A, B), windows(A, B)) == [("access.windows[C-*]", "removed", "days: sat, tokens: [C-*]", None)]
    assert told(windows(A, B, C), windows(C, B, A)) == []


def test_an_entry_about_the_same_is_changed() -> None:
    later = B.replace("12:00", "13:00")
    assert told(windows(A, B), windows(C, A, later)) == [
        ("access.windows[b]", "changed", "classes: [b], from: 10:00, to: 12:00", "classes: [b], from: 10:00, to: 13:00"),
        ("access.windows[C-*]", "added", None, "days: sat, tokens: [C-*]"),
    ]
    # Two about the same: the one that stayed as it was is none of the change.
    assert told(windows(B, A, A.replace("mon-fri", "sun")), windows(B, A.replace("mon-fri", "sun"))) == [
        ("access.windows[a]", "removed", "classes: [a], days: mon-fri, from: 08:00, to: 10:00", None)
    ]


def test_other_words_for_the_same_are_no_difference() -> None:
    assert (
        told(windows("classes: [a, b], days: [mon, tue, wed], from: 8:00"), windows("days: mon-wed, classes: [b, a], from: '08:00'")) == []
    )
    assert told("power: {lease: 15 min}", "power: {lease: 900 s}") == []
    assert told("power: {lease: 15 min}", "{}") == []
    assert told("cost: {demand_target: {below: 50 kW}}", "cost: {demand_target: {below: 50000 W}}") == []


RANKS = "ranks: [a, b]"


@pytest.mark.parametrize(
    ("one", "other", "key", "change"),
    [
        ("priority: {windows: [{from: '09:00', ranks: [a, b]}]}", "priority: {windows: [{from: '09:00', ranks: [b, a]}]}",
         "priority.windows[every day 09:00-24:00]", "changed"),
        ("priority: {windows: [{days: sat, ranks: [a, b]}]}", "priority: {windows: [{days: sun, ranks: [a, b]}, "
         "{days: sat, ranks: [a, b]}]}",
         "priority.windows[sun 00:00-24:00]", "added"),
        ("priority: {triggers: [{when: event, name: fair, classes: [a], from: 2026-06-01, to: 2026-06-02}]}",
         "priority: {triggers: [{when: dispatch_risk, classes: [b], within: 1 h, lasts: 1 h},"
         " {when: event, name: fair, classes: [a], from: 2026-06-01, to: 2026-06-03}]}",
         "priority.triggers[event, fair, a]", "changed"),
        ("priority: {contracts: [{tokens: [T-1], as: a}]}", "priority: {contracts: [{tokens: [T-1], as: b}]}",
         "priority.contracts[T-1]", "changed"),
        ("power: {sessions: [{most: 4}]}", "power: {sessions: [{circuit: f, most: 2}, {most: 5}]}", "power.sessions[all]", "changed"),
        ("cost: {tariff: [{from: 1020, to: '20:00', price: 0.4}]}", "cost: {tariff: [{from: '17:00', to: '20:00', price: 0.5}]}",
         "cost.tariff[17:00-20:00]", "changed"),
        ("access: {entitlements: [{classes: [a], stations: [s-1]}]}", "{}", "access.entitlements[a]", "removed"),
    ],
)  # fmt: skip
def test_every_list_has_what_its_entries_are_about(one: str, other: str, key: str, change: str) -> None:
    assert (key, change) in [row[:2] for row in told(one, other)]
    if change == "changed":
        assert sum(row[0] == key for row in told(one, other)) == 1


def test_where_the_first_that_holds_leads_the_order_is_a_difference() -> None:
    one = "priority: {windows: [{days: sat, ranks: [a, b]}, {from: '09:00', ranks: [b, a]}]}"
    other = "priority: {windows: [{from: '09:00', ranks: [b, a]}, {days: sat, ranks: [a, b]}]}"
    saturday, day = "sat 00:00-24:00", "every day 09:00-24:00"
    assert told(one, other) == [("priority.windows (order)", "changed", f"{saturday}, then {day}", f"{day}, then {saturday}")]


def test_what_several_layers_say_together_is_one_value() -> None:
    upper, site = parse("access: {blocked: [A]}", "portfolio.yaml"), parse("access: {blocked: [B]}", "policy.yaml")
    alone = parse("access: {blocked: [C]}", "portfolio.yaml")
    both = Layers(upper, parse("{}", "t.yaml"), site).effective()
    other = Layers(alone, parse("{}", "t.yaml"), site).effective()
    found = [(d.key, d.one.value, d.other.value) for d in differences(both, other) if d.one and d.other]
    assert found == [("access.blocked", "[B] + [A]", "[B] + [C]")]


def test_the_command_says_what_becomes_of_each() -> None:
    run = CliRunner().invoke
    shown = run(app, ["policy", "diff", "mixed-use", "campus"]).output
    rows = {line.split()[0]: line.split()[1] for line in shown.splitlines()[1:] if line.strip()}
    assert rows["access.windows[CLN-*]"] == "removed" and rows["power.budgets.grid.dc"] == "added"
    assert rows["incidents.overrides.emergency.max_duration"] == "changed"
    assert run(app, ["policy", "diff", "campus", "campus"]).output == "no difference: campus and campus have the same rules\n"
