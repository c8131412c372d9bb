"""Layers: provenance of every value, what is fixed from above, the schemas for editors, and what differs between sites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from typer.testing import CliRunner

from chargekit.faces.cli import app
from chargekit.lab.bundled import bundled_sites, fleets_folder
from chargekit.lab.policies import circuit_rows, differences, drift, locked_rows, schema_files, schemas_folder
from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.lab.yamlfile import parse
from chargekit.model.located import BadInput
from chargekit.policy.layers import Layers
from chargekit.policy.schema import BY_PATH, KEYS, LAYERS

FLEET = """site: one
type: mixed_use
circuits: {grid: {limit: 63 A}}
stations: [{id: "a-{1..3}", model: generic-ac-22, circuit: grid}]
"""
PORTFOLIO = """access:
  classes: {first: {goal: a}, second: {goal: b}}
"""
TYPE = """priority:
  ranks: [first, second]
power: {margin: 2 A}
fixed: [power.margin]
"""


def made(tmp_path: Path, policy: str, *, portfolio: str = PORTFOLIO, site_type: str = TYPE, name: str = "one") -> SiteBundle:
    (tmp_path / "site_types").mkdir(exist_ok=True)
    (tmp_path / "portfolio.yaml").write_text(portfolio)
    (tmp_path / "site_types/mixed_use.yaml").write_text(site_type)
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / name / "fleet.yaml").write_text(FLEET.replace("site: one", f"site: {name}"))
    (tmp_path / name / "policy.yaml").write_text(policy)
    return load_site(str(tmp_path / name))


def test_every_effective_value_knows_its_layer_and_line(tmp_path: Path) -> None:
    rows = {r.key: r for r in made(tmp_path, "access:\n  tokens:\n    A-*: first\npower:\n  lease: 5 min\n").rulebook.effective}
    told = {k: (r.value, r.layer, str(r.source).rpartition("/")[2]) for k, r in rows.items()}
    assert told["access.classes.first.goal"] == ("a", "portfolio", "portfolio.yaml:2")
    assert told["access.tokens.A-*"] == ("first", "site", "policy.yaml:3")
    assert told["priority.ranks"] == ("[first, second]", "site type", "mixed_use.yaml:2")
    assert told["power.margin"] == ("2 A", "site type", "mixed_use.yaml:3")
    assert told["power.lease"] == ("5 min", "site", "policy.yaml:5")
    assert told["incidents.fallback"] == ("6 A", "built-in", "built-in:0")


@pytest.mark.parametrize(
    ("policy", "upper", "lower"),
    [
        ("access: {classes: {third: {goal: c}}}", "portfolio.yaml:2", "policy.yaml:1"),
        ("# a site that\n# wants less\npower: {margin: 1 A}", "mixed_use.yaml:4", "policy.yaml:3"),
    ],
)
def test_what_an_upper_layer_fixed_is_an_error_naming_both_lines(tmp_path: Path, policy: str, upper: str, lower: str) -> None:
    with pytest.raises(BadInput) as told:
        made(tmp_path, policy + "\n")
    assert upper in str(told.value) and lower in str(told.value.source)
    assert "is fixed by the" in str(told.value)


def test_a_portfolio_fixes_for_site_types_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"mixed_use.yaml:3: power.margin is fixed by the portfolio at .*portfolio.yaml:3"):
        made(tmp_path, "{}\n", portfolio=PORTFOLIO + "fixed: [power.margin]\n")
    with pytest.raises(BadInput, match=r"no rule is named 'power\.margn'"):
        made(tmp_path, "{}\n", portfolio=PORTFOLIO + "fixed: [power.margn]\n")


def layered(texts: dict[str, str]) -> Layers:
    """The layers as the table of keys sees them, before anything is made of their values."""
    trees = [parse(texts.get(layer, "{}"), f"{layer.replace(' ', '_')}.yaml") for layer in LAYERS]
    return Layers(trees[0], trees[1], trees[2])


PAIRS = [(upper, lower) for n, upper in enumerate(LAYERS) for lower in LAYERS[n + 1 :]]
EVERY_KEY = [f"{key.domain}.{key.name}" for key in KEYS]


def saying(path: str, value: str = "1") -> str:
    domain, _, name = path.partition(".")
    return f"# rules\n{domain}:\n  {name}: {value}\n"


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
@pytest.mark.parametrize("path", EVERY_KEY)
def test_no_key_that_an_upper_layer_locked_can_be_touched_below(path: str, upper: str, lower: str) -> None:
    """Of every key and pair of layers; not even with nothing. Both lines are named."""
    locked = f"# locked\n\nfixed: [{path}]\n"
    for value in ("1", "null", "{}", "[]"):
        with pytest.raises(BadInput) as told:
            layered({upper: locked, lower: saying(path, value)})
        assert f"{path} is fixed by the {upper} at {upper.replace(' ', '_')}.yaml:3" in str(told.value)
        assert str(told.value.source) == f"{lower.replace(' ', '_')}.yaml:3"
    # Unlocked it may be said by whom the table names.
    if lower in BY_PATH[tuple(path.split("."))].layers:
        assert [(layer, node.value) for layer, node in layered({lower: saying(path)}).said(*path.split("."))] == [(lower, 1)]


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
@pytest.mark.parametrize("path", EVERY_KEY)
def test_no_key_can_be_said_by_a_layer_that_may_not(path: str, upper: str, lower: str) -> None:
    """What belongs to an upper layer alone is fixed by what that one says; what belongs below is for those to say."""
    allowed = BY_PATH[tuple(path.split("."))].layers
    texts = {layer: saying(path) for layer in (upper, lower)}
    if lower not in allowed and upper in allowed:
        with pytest.raises(BadInput, match=f"{path} is fixed by the {upper} at {upper.replace(' ', '_')}.yaml:3") as told:
            layered(texts)
        assert str(told.value.source) == f"{lower.replace(' ', '_')}.yaml:3"
    elif upper not in allowed:
        with pytest.raises(BadInput, match=f"{path} is (for|fixed by) the {allowed[0]}") as told:
            layered(texts)
        assert str(told.value.source) == f"{upper.replace(' ', '_')}.yaml:3"
    else:
        leading = [(layer, str(node.source)) for layer, node in layered(texts).said(*path.split("."))]
        assert leading == [(one, f"{one.replace(' ', '_')}.yaml:3") for one in (lower, upper)]


def plain(value: Any) -> Any:
    """YAML as JSON has it: dates as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool) or value is None else value.isoformat()


def test_the_schemas_are_current_and_every_bundled_policy_fits_its_own() -> None:
    assert {p.name: p.read_text() for p in schemas_folder().glob("*.json")} == schema_files()
    checked = 0
    for pattern, schema in (("portfolio.yaml", "portfolio"), ("site_types/*.yaml", "site_type"), ("*/policy.yaml", "site")):
        checker = jsonschema_rs.Draft202012Validator(json.loads((schemas_folder() / f"{schema}.schema.json").read_text()))
        for path in fleets_folder().glob(pattern):
            found = [e.message for e in checker.iter_errors(plain(yaml.safe_load(path.read_text())))]
            assert not found, (path, found)
            checked += 1
    assert checked == 1 + 5 + len(bundled_sites())


@pytest.mark.parametrize(
    "wrong",
    [
        {"access": {"tokens": {"A": 3}}}, {"acces": {}}, {"access": {"classes": {}}}, {"power": {"lease": "5 A"}}, {"fixed": []},
        {"access": {"windows": [{"days": ["mon-son"]}]}}, {"access": {"windows": [{"from": "7 am"}]}}, {"access": {"guests": {}}},
        {"priority": {"rotation": {"after": "2 h"}}},
    ],
)  # fmt: skip
def test_the_site_schema_refuses(wrong: dict[str, Any]) -> None:
    checker = jsonschema_rs.Draft202012Validator(json.loads((schemas_folder() / "site.schema.json").read_text()))
    assert not checker.is_valid(wrong)


def test_what_is_shown_names_who_locked_a_key(tmp_path: Path) -> None:
    """Locked by an upper layer's list, or for an upper layer alone to say; also what was locked at nothing or at a built-in value."""
    upper = PORTFOLIO + "fixed:\n  - power.lease\n  - power.floors\n"
    rows = locked_rows(made(tmp_path, "access:\n  tokens: {A: first}\n", portfolio=upper).rulebook)
    told = {key: (value, layer, lock.replace(f"{tmp_path}/", "")) for key, value, layer, _, lock in rows}
    assert told["access.classes.first.goal"] == ("a", "portfolio", "portfolio (portfolio.yaml:2)")
    assert told["power.margin"] == ("2 A", "site type", "site type (site_types/mixed_use.yaml:4)")
    assert told["power.lease"] == ("900 s", "built-in", "portfolio (portfolio.yaml:4)")
    assert told["power.floors"] == ("(nothing)", "-", "portfolio (portfolio.yaml:5)")
    assert {key for key, (*_, lock) in told.items() if lock == "-"} >= {"access.tokens.A", "priority.ranks", "power.writes"}
    assert "incidents.categories" not in told


def test_what_is_shown_has_the_ratings_the_limits_stand_against() -> None:
    bundle = load_site("mixed-use")
    rows = circuit_rows(bundle.rulebook, bundle.site)
    assert rows == [
        ("grid", "-", "12", "100 A", "mixed-use/fleet.yaml:7", "90 A", "mixed-use/policy.yaml:23"),
        ("feeder-a", "grid", "6", "63 A", "mixed-use/fleet.yaml:8", "-", "-"),
        ("feeder-b", "grid", "6", "63 A", "mixed-use/fleet.yaml:9", "-", "-"),
    ]


def test_what_is_shown_is_written_as_plain_data(tmp_path: Path) -> None:
    run, path = CliRunner().invoke, tmp_path / "out.json"
    assert run(app, ["policy", "show", "mixed-use", "--json", str(path)]).exit_code == 0
    data = json.loads(path.read_text())
    rules = {row["rule"]: row for row in data["rules"]}
    assert rules["access.classes.guest.goal"]["locked_by"] == {"layer": "portfolio", "at": "portfolio.yaml:3"}
    assert rules["power.limits.grid"] == {
        "rule": "power.limits.grid", "value": "90 A", "layer": "site", "at": "mixed-use/policy.yaml:23", "locked_by": None
    }  # fmt: skip
    assert data["revision"] == load_site("mixed-use").rulebook.revision
    assert data["circuits"][0] == {
        "circuit": "grid", "parent": None, "evses": 12, "rating_a": 100.0, "limit_kw": None, "at": "mixed-use/fleet.yaml:7",
        "limits": [{"limit_a": 90.0, "rule": "import limit", "at": "mixed-use/policy.yaml:23"}],
    }  # fmt: skip
    assert run(app, ["policy", "diff", "mixed-use", "campus", "--json", str(path)]).exit_code == 0
    found = {row["rule"]: row for row in json.loads(path.read_text())["differences"]}
    assert found["access.windows[CLN-*]"]["change"] == "removed" and found["access.windows[CLN-*]"]["other"] is None
    refused = run(app, ["policy", "show", "mixed-use", "--json", str(tmp_path)])
    assert refused.exit_code == 64 and "can't be written" in refused.output


def test_two_sites_differ_where_their_values_do(tmp_path: Path) -> None:
    one = made(tmp_path, "access: {tokens: {A: first}}\npower: {lease: 5 min}\n")
    other = made(tmp_path, "access: {tokens: {A: second}}\n", name="two")
    found = [(d.key, d.one.value if d.one else None, d.other.value if d.other else None) for d in differences(one, other)]
    assert found == [("access.tokens.A", "first", "second"), ("power.lease", "5 min", "900 s")]


def test_drift_is_what_a_site_says_otherwise_than_its_template(tmp_path: Path) -> None:
    bundle = made(tmp_path, "access: {tokens: {A: first}}\npriority: {ranks: [second, first]}\n")
    found = [(d.key, d.one.value, d.other.value, d.other.layer) for d in drift(bundle) if d.one and d.other]
    assert found == [("priority.ranks", "[first, second]", "[second, first]", "site")]
    assert not list(drift(made(tmp_path, "priority: {ranks: [first, second]}\n")))
    # What the template left out is another rule all the same; what only a site can say is none of the template's.
    added = made(tmp_path, "access: {tokens: {A: first}}\npriority: {rotation: {after: 1 h, classes: [first]}}\npower: {lease: 5 min}\n")
    found = [(d.key, d.one.value if d.one else None, d.other.value if d.other else None) for d in drift(added)]
    assert found == [
        ("power.lease", "900 s", "5 min"), ("priority.rotation.after", None, "1 h"), ("priority.rotation.classes", None, "[first]")
    ]  # fmt: skip


def test_the_commands_show_compare_and_refuse(tmp_path: Path) -> None:
    made(tmp_path, "priority: {ranks: [second, first]}\n")
    run = CliRunner().invoke
    shown = run(app, ["policy", "show", "mixed-use"]).output
    assert "access.tokens.RES-*" in shown and "mixed-use/policy.yaml:" in shown and "site_types/mixed_use.yaml:" in shown
    assert load_site("mixed-use").rulebook.revision in shown
    assert any(line.split()[0] == "grid" and "100 A" in line and "90 A" in line for line in shown.splitlines() if line.strip())
    assert any("access.holidays" in line and "locked" not in line for line in shown.splitlines())
    assert "access.tokens.FLT*" in run(app, ["policy", "diff", "mixed-use", "depot"]).output
    assert "[second, first]" in run(app, ["policy", "drift", str(tmp_path / "one")]).output
    assert run(app, ["policy", "schema", "--check"]).exit_code == 0
    stale = run(app, ["policy", "schema", "--check", "--out", str(tmp_path)])
    assert stale.exit_code == 1 and "portfolio.schema.json is not current" in stale.output
    refused = run(app, ["policy", "show", "nowhere"])
    assert refused.exit_code == 64
