"""Every key of the table, in every layer that may say it, with every wrong value at every place: refused at its line, or meant.

All is made from `chargekit.policy.schema.KEYS`, so that a new key is tried with the others. What its JSON Schema refuses, loading has to
refuse; what loads is in force as it was written, can be linted, and a decision can be made by it.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from tests.controller.headless import Led, site_of

from chargekit.faces.plain import one_line
from chargekit.lab.bundled import fleets_folder
from chargekit.lab.yamlfile import load
from chargekit.model.located import BadInput, Located, Source
from chargekit.model.site import Site
from chargekit.policy.lint import lint
from chargekit.policy.review import parse_review
from chargekit.policy.rulebook import Rulebook, rulebook
from chargekit.policy.schema import KEYS, LAYERS, PORTFOLIO, SITE, TYPE, Key, Shape

Path = tuple[str | int, ...]
FLEET: dict[str, Any] = {
    "site": "any", "type": "mixed_use", "circuits": {"grid": {"limit": 100}, "side": {"parent": "grid", "limit": 63}},
    "stations": [{"id": f"s-{n}", "model": "generic-ac-11", "circuit": "side", "ocpp": "2.0.1"} for n in (1, 2)],
}  # fmt: skip
RANKS = ["route_critical", "resident", "employee", "guest"]
BASE: dict[str, dict[str, Any]] = {
    PORTFOLIO: {},
    TYPE: {"priority": {"ranks": RANKS}, "incidents": {"fallback": "6 A"}},
    SITE: {"access": {"tokens": {"RES-*": "resident", "GST-*": "guest"}}},
}
NAMES: dict[str, tuple[Any, ...]] = {
    "circuit": ("side",), "stations": (["s-*"],), "tokens": (["RES-*"],), "ranks": (RANKS,), "goal": ("to charge",),
    "classes": (["guest"],), "may_authorise": (["site_manager"],), "most": (3,), "days": (3, "all"), "from": ("07:00",), "to": ("19:00",),
}  # fmt: skip
"""Values of keys whose shape alone does not say what may stand there."""
WHOLE: dict[str, Any] = {
    "access.classes": {name: {"goal": "to charge"} for name in RANKS}, "access.blocked": ["RES-9"], "access.default_class": "guest",
    "access.tokens": {"RES-*": "resident", "*": "guest"}, "access.groups": {"FLAT": ["RES-1", "RES-2"]}, "priority.ranks": RANKS,
    "power.limits": {"grid": "80 A"}, "power.guarantee": {"min_first": ["guest"]}, "power.budgets": {"side": {"ac": "50 A"}},
    "power.signals": {
        "dimming": {"longest": "2 h", "floor": "4.2 kW", "exempt": ["resident"]}, "external": {"longest": "12 h"},
        "level": {"longest": "4 h", "shares": ["100 %", "50 %"], "first": ["guest"]},
    },
    "cost.classes": {"guest": {"cap": "8 A", "above": 0.35}, "resident": {"pause_above": 0.4, "unless_departs_within": "1 h"}},
    "priority.triggers": [{"when": "dispatch_risk", "classes": ["guest"], "within": "1 h", "lasts": "1 h"}],
    "incidents.overrides": {
        "may_authorise": ["site_manager"], "max_duration": "3 h", "scope": ["token"],
        "emergency": {"may_authorise": ["site_manager"], "max_duration": "2 h", "scope": ["site"], "holds": True},
    },
    "review.guarantee": {"class": "resident", "energy": "8 kWh"}, "review.queue": {"share": "10 %", "wait": "15 min", "days": 3},
    "review.peak_demand": {"above": "80 %", "rise": "15 %", "days": 7}, "review.overrides": {"count": 5, "days": 7},
    "review.off_peak": {"from": "22:00", "to": "06:00", "share": "30 %", "possible": "60 %"},
    "review.growth": {"share": "50 %", "least": 10, "days": 7},
}  # fmt: skip
TOGETHER = frozenset({"incidents.overrides", "incidents.responses", "incidents.roles"})
"""What is of all layers together: beside what one says stands what others do."""
POOL = (
    "5 A", "5 min", "2 kWh", "50 %", "07:00", "19:00", "2026-12-25", "2026-03-02T07:00", "mon-fri", "5 kW", "1 h", "guest", "x",
)  # fmt: skip
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1e999, -math.inf, math.nan, 10**400, 10**30, "", "x", "\x1b[31mred\x07", "\u202eevil", "12 parsecs", "-3 A",
    "9" * 400, "9" * 400 + " A", "1e999", ".5", "²", "٣ A", date(2026, 2, 28), "24:01", "2026-02-30", [], {}, [[]], [None], {"x": 1},
    [{"x": 1}], "null", "*", "[", "guest", ["guest", "guest"],
)  # fmt: skip


# --- from shapes to values ----------------------------------------------------------------------------------------


def example(shape: Shape, name: str = "") -> Any:
    """A value of a shape. A shape that needs a word of its own wants a row in `NAMES` or `WHOLE`."""
    for one in NAMES.get(name, ()):
        if jsonschema_rs.is_valid(shape, one):
            return one
    if "enum" in shape:
        return shape["enum"][0]
    if "anyOf" in shape:
        found = [one for one in POOL if jsonschema_rs.is_valid(shape, one)]
        return found[0] if found else example(shape["anyOf"][0], name)
    kind = shape["type"]
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        inner = shape.get("additionalProperties")
        table = {key: example(one, key) for key, one in shape.get("properties", {}).items()}
        return table or {"guest": example(inner, "guest")}
    if kind == "array":
        return [example(shape["items"], name)]
    if kind == "string":
        found = [one for one in ("guest", *POOL) if jsonschema_rs.is_valid(shape, one)]
        assert found, f"no example fits {shape}: add a word to POOL"
        return found[0]
    return {"boolean": True, "integer": max(1, shape.get("minimum", 1)), "number": 1}[kind]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a value, the whole first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def put(value: Any, path: Path, wrong: Any) -> Any:
    if not path:
        return wrong
    made = copy.deepcopy(value)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = wrong
    return made


# --- loading ------------------------------------------------------------------------------------------------------


class Lined:
    """Data as a tree in which every node stands on a line of its own; `lines` has the line of each place."""

    def __init__(self, file: str) -> None:
        self.file, self.lines, self.last = file, dict[Path, int](), 0

    def tree(self, value: Any, path: Path = ()) -> Located:
        self.last += 1
        at = Source(self.file, self.last)
        self.lines[path] = self.last
        if isinstance(value, dict):
            return Located({key: self.tree(one, (*path, key)) for key, one in value.items()}, at)
        return Located([self.tree(one, (*path, n)) for n, one in enumerate(value)] if isinstance(value, list) else value, at)


@cache
def site() -> Site:
    return site_of(FLEET)


@cache
def portfolio() -> Located:
    return load(fleets_folder() / "portfolio.yaml")


def document(key: Key, layer: str, value: Any) -> dict[str, Any]:
    """The layer's file as it is, with the key in it."""
    made = copy.deepcopy(BASE[layer])
    if layer == PORTFOLIO:
        made["access"] = {"classes": WHOLE["access.classes"]}
    made.setdefault(key.domain, {})[key.name] = value
    return made


def loaded(layer: str, made: Located) -> Rulebook:
    trees = [
        made if one == layer else portfolio() if one == PORTFOLIO else Lined(f"{one}.yaml").tree(BASE[one]) for one in LAYERS
    ]  # fmt: skip
    rules = rulebook(trees[0], trees[1], trees[2], site())
    parse_review(trees[0])
    return rules


CASES = [(f"{key.domain}.{key.name}", layer) for key in KEYS for layer in key.layers]
BY_NAME = {f"{key.domain}.{key.name}": key for key in KEYS}


def good(name: str) -> Any:
    return WHOLE[name] if name in WHOLE else example(BY_NAME[name].shape, BY_NAME[name].name)


@pytest.mark.parametrize(("name", "layer"), CASES)
def test_an_example_of_every_key_loads_and_is_in_force(name: str, layer: str) -> None:
    key, value = BY_NAME[name], good(name)
    assert jsonschema_rs.is_valid(key.shape, value), value
    rules = loaded(layer, Lined("it.yaml").tree(document(key, layer, value)))
    rows = [row for row in rules.effective if row.key == name or row.key.startswith(f"{name}.")]
    mine = [row for row in rows if row.layer == layer and row.source.file == "it.yaml"]
    assert mine and (mine == rows or name in TOGETHER)


@pytest.mark.parametrize(("name", "layer"), CASES)
def test_a_wrong_value_anywhere_is_refused_at_its_line_or_meant(name: str, layer: str) -> None:
    key, value = BY_NAME[name], good(name)
    refused = 0
    for path in places(value):
        for wrong in WRONG:
            mutant = put(value, path, wrong)
            lined = Lined("it.yaml")
            tree = lined.tree(document(key, layer, mutant))
            try:
                rules = loaded(layer, tree)
            except BadInput as why:
                refused += 1
                told(why, lined, (key.domain, key.name), path, mutant)
            else:
                # None is a key that says nothing. What a schema can't take, loading may not either.
                fits = jsonschema_rs.is_valid(key.shape, plain(mutant))
                assert fits or wrong is None or wrong == "null" or lenient(key, path, wrong), (path, wrong)
                in_force(rules, name, layer, mutant)
    assert refused >= 10


def told(why: BadInput, lined: Lined, at: Path, path: Path, mutant: Any) -> None:
    """One line that says where, and holds nothing a terminal would obey."""
    assert why.source is not None, why
    assert str(why).isprintable(), str(why)
    assert len(str(why)) < 600, str(why)
    if why.source.file == "it.yaml":
        mine = {line for place, line in lined.lines.items() if place[: len(at)] == at or place == at[:1] or not place}
        assert why.source.line in mine, (path, str(why))


def plain(value: Any) -> Any:
    """As JSON has it; what JSON has no word for is a text that fits nothing."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > 10**9):
        return "too much"
    return value


def lenient(key: Key, path: Path, wrong: Any) -> bool:
    """A goal, and a role that may authorise, are taken as the text they are written as: a role nobody has lets nobody in."""
    free = path[-1:] == ("goal",) or (key.name == "overrides" and path[:1] == ("may_authorise",))
    return free and isinstance(wrong, int | float | date | str)


def leaf(value: Any, path: Path) -> bool:
    """Whether something that is not a table is said there."""
    for key in path:
        value = value[key]
    return value is not None and not isinstance(value, dict)


def in_force(rules: Rulebook, name: str, layer: str, mutant: Any) -> None:
    """What stands there is what counts; it is finite; it can be linted and decided by."""
    rows = {row.key: row for row in rules.effective if row.key == name or row.key.startswith(f"{name}.")}
    if name in TOGETHER:
        # What it says is its own, and only that; the rest is what the layers above say.
        said = {".".join((name, *map(str, path))) for path in places(mutant) if leaf(mutant, path)}
        for row in rows.values():
            assert (row.layer == layer) is (row.key in said) or row.layer == "built-in", row
    else:
        # What a table leaves out keeps its default.
        assert all(row.layer != layer if mutant is None else row.layer in (layer, "built-in") for row in rows.values())
    for finding in lint(rules, site()):
        assert one_line(finding, 1000).isprintable()
    for figure in (rules.lease_s, rules.margin_a, rules.fallback_a, rules.default_a, rules.meter_stale_s, *rules.floors.values()):
        assert math.isfinite(figure.value)
    made = Led(site(), rules)
    made.seat("s-1", "RES-1", departs=900.0, soc_percent=20.0)
    made.seat("s-2", "GST-1")
    amps = made.amps(700.0)
    assert all(0.0 <= one <= 16.0 for one in amps.values())
    assert re.fullmatch(r"[0-9a-f]{12}", rules.revision)
