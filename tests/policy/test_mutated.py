"""Broken policy files by the hundred: each means what it says, or is refused with file, line and what was expected.

Every line of every bundled layer is broken in many ways, and hostile texts are put at every value. `test_broken_keys.py` does the same for
every key of the table, with data instead of text.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from chargekit.faces.cli import app
from chargekit.lab.bundled import bundled_sites, fleets_folder
from chargekit.lab.sitefile import load_site
from chargekit.lab.yamlfile import load, parse
from chargekit.model.located import BadInput, Located
from chargekit.model.site import Site
from chargekit.policy.layers import MERGED, TOGETHER
from chargekit.policy.lint import lint
from chargekit.policy.rulebook import Rulebook, rulebook

VALUES = ("[]", "{}", "null", "-1", "1e999", ".nan", "true", "''", "x", "[x]", "{x: y}", "99999999999 A", "2026-02-29", "24:01", "mon-fri")


@cache
def site(name: str) -> Site:
    return load_site(name).site


def texts(name: str) -> dict[str, str]:
    """The three layers' texts."""
    base = fleets_folder()
    paths = {"portfolio": base / "portfolio.yaml", "type": base / f"site_types/{site(name).type}.yaml", "site": base / name / "policy.yaml"}
    return {layer: Path(path).read_text() for layer, path in paths.items()}


def loaded(name: str, layers: dict[str, str]) -> Rulebook:
    trees = [parse(layers[layer], f"{layer}.yaml") for layer in ("portfolio", "type", "site")]
    return rulebook(trees[0], trees[1], trees[2], site(name))


def mutants(text: str, rng: random.Random) -> Iterator[str]:
    """The text with a line gone, a line twice, a key misspelt, a value replaced, a line moved in."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        before, after = lines[:number], lines[number + 1 :]
        yield "\n".join([*before, *after])
        yield "\n".join([*before, line, line, *after])
        yield "\n".join([*before, re.sub(r"(\w)(\w)(\w*):", r"\2\1\3:", line, count=1), *after])
        yield "\n".join([*before, "  " + line, *after])
        for value in rng.sample(VALUES, 4):
            yield "\n".join([*before, re.sub(r": .*$", f": {value}", line, count=1), *after])
            yield "\n".join([*before, re.sub(r": ([^{},\[\]]+)([,}\]]|$)", rf": {value}\2", line, count=1), *after])


def said_in(text: str, rules: Rulebook, layer: str) -> None:
    """What is in force of a layer is what YAML itself reads in its file, with nothing left out and nothing added."""
    told = {(row.key, row.value) for row in rules.effective if row.source.file == f"{layer}.yaml"}
    lower = {"portfolio": ("type", "site"), "type": ("site",), "site": ()}[layer]
    hidden = {".".join(row.key.split(".")[:2]) for row in rules.effective if row.source.file in [f"{one}.yaml" for one in lower]}
    wanted = set()
    for domain, part in (yaml.safe_load(text) or {}).items():
        for key, value in (part or {}).items() if domain != "fixed" else ():
            path = f"{domain}.{key}"
            if value is not None and path in MERGED and path in hidden:
                # Entries of several layers, the lowest that names one leading: what is in force of this layer stands in its file.
                said = set(rows(path, value))
                assert {row for row in told if row[0].startswith(f"{path}.")} <= said
                wanted |= {row for row in told if row[0].startswith(f"{path}.")}
            elif value is not None and (path not in hidden or path in TOGETHER):
                wanted |= set(rows(path, value))
    assert told == wanted


def rows(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Rows of `policy show`, made from plain data."""
    if isinstance(value, dict):
        for key, one in ((key, one) for key, one in value.items() if one is not None):
            yield from rows(f"{path}.{key}", one)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        yield from ((f"{path}.{number}", line_of(one)) for number, one in enumerate(value, 1))
    else:
        yield path, line_of(value)


def line_of(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {line_of(one)}" for key, one in sorted(value.items()))
    if isinstance(value, list):
        return "[" + ", ".join(map(line_of, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def sound(why: BadInput, text: str, file: str) -> None:
    """The error stands at a line of a file that was given, says something, and has nothing a terminal would obey."""
    assert why.source is not None, why
    assert why.source.file in ("portfolio.yaml", "type.yaml", "site.yaml")
    if why.source.file == file:
        assert 1 <= why.source.line <= text.count("\n") + 1, why
    assert len(why.message) > 10 and len(str(why)) < 1000
    assert str(why).isprintable(), str(why)


def layers_once() -> list[tuple[str, str]]:
    """A site for every layer's file: the portfolio's and each type's once, each site's own."""
    types = {site(name).type: name for name in reversed(bundled_sites())}
    return [("mixed-use", "portfolio"), *((name, "type") for name in sorted(types.values())), *((name, "site") for name in bundled_sites())]


@cache
def tree(text: str, layer: str) -> Located:
    return parse(text, f"{layer}.yaml")


@pytest.mark.parametrize(("name", "layer"), layers_once())
def test_a_broken_policy_means_what_it_says_or_is_refused_with_its_line(name: str, layer: str) -> None:
    rng, good = random.Random(name), texts(name)
    refused = taken = 0
    for mutant in mutants(good[layer], rng):
        try:
            parsed = {one: parse(mutant, f"{one}.yaml") if one == layer else tree(text, one) for one, text in good.items()}
            rules = rulebook(parsed["portfolio"], parsed["type"], parsed["site"], site(name))
        except BadInput as why:
            sound(why, mutant, f"{layer}.yaml")
            refused += 1
        else:
            said_in(mutant, rules, layer)
            lint(rules, site(name))
            assert sorted(rule.rank for rule in rules.classes.values()) == list(range(len(rules.classes)))
            taken += 1
    lines = sum(bool(line.split("#")[0].strip()) for line in good[layer].splitlines())
    assert refused + taken == 12 * lines and refused >= 5 * lines and taken >= 2, (refused, taken)


def test_it_is_well_over_a_thousand_files() -> None:
    assert sum(1 for name, layer in layers_once() for _ in mutants(texts(name)[layer], random.Random(1))) > 1500


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
HOSTILE = {
    "tabs for indentation": "power:\n\tmargin: 1 A\n",
    "a tab after a key": "power:\n  margin:\t1 A\n",
    "broken indentation": "power:\n    lease: 5 min\n  margin: 1 A\n",
    "billion laughs": LAUGHS,
    "an alias of itself": "power: &p\n  floors: *p\n",
    "an unknown alias": "power: *nowhere\n",
    "a merge key": "x: &x {margin: 1 A}\npower: {<<: *x}\n",
    "two documents": "power: {margin: 1 A}\n---\npower: {margin: 2 A}\n",
    "a list": "- power\n",
    "a word": "power\n",
    "a tag of Python": "power: !!python/object/apply:os.system [x]\n",
    "a tag of somebody": "power: !secret {margin: 1 A}\n",
    "a set": "power: !!set {margin, lease}\n",
    "binary": "power: {margin: !!binary aGVsbG8=}\n",
    "a table as key": "power: {? {a: b} : 1}\n",
    "a list as key": "power: {? [a] : 1}\n",
    "no end of a quote": 'power: {margin: "1 A}\n',
    "no end of a table": "power: {margin: 1 A\n",
    "deep": "power: " + "[" * 500 + "]" * 500 + "\n",
    "a null byte": "power: {margin: 1 A}\0\n",
    "an escape, raw": "power: {\x1b[2J: 1 A}\n",
    "an escape in a key": 'power: {"\\e[2J\\x07": 1 A}\n',
    "an escape in a value": 'power: {margin: "\\e[2J"}\n',
    "an escape in a domain": '"\\e]0;x\\a": {margin: 1 A}\n',
    "right to left": 'power: {"\u202eegral": 1 A}\n',
    "a line separator": 'power: {"mar\u2028gin": 1 A}\n',
    "a lone surrogate": 'power: {margin: "\\ud800"}\n',
    "a very long key": f"power: {{{'m' * 5000}: 1 A}}\n",
    "a very long value": f"power: {{margin: {'9' * 5000} A}}\n",
    "a number of 5,000 digits": f"power: {{margin: {'9' * 5000}}}\n",
    "infinite": "power: {margin: .inf}\n",
    "not a number": "power: {margin: .nan}\n",
    "a date": "power: {margin: 2026-03-02}\n",
    "no such date": "access: {holidays: [2026-02-30]}\n",
    "a time of 61 minutes": 'access: {windows: [{classes: [guest], from: "07:61"}]}\n',
    "an octal token": "access: {blocked: [0123]}\n",
    "yes as a token": "access: {blocked: [yes]}\n",
    "a key twice": "power: {margin: 1 A, margin: 2 A}\n",
    "a domain twice": "power: {margin: 1 A}\npower: {margin: 2 A}\n",
    "a unit of something else": "power: {margin: 5 min}\n",
    "a class nobody defined": "power: {floors: {visitor: 6 A}}\n",
    "a circuit nobody has": "power: {sessions: [{circuit: nowhere, most: 1}]}\n",
    "the key of another domain": "cost: {margin: 1 A}\n",
    "a layer's own key elsewhere": "review: {queue: {days: 3}}\nincidents: {overrides: {max_duration: 1 h}}\n",
    "nothing but a comment": "# nothing\n",
    "nothing": "",
}


@pytest.mark.parametrize(
    ("what", "layer"),
    [(what, layer) for what in HOSTILE for layer in ("site", "portfolio", "type") if layer == "site" or what != "billion laughs"],
)
def test_a_hostile_file_is_refused_in_one_line(what: str, layer: str) -> None:
    text = HOSTILE[what]
    with pytest.raises(BadInput) as told:
        loaded("mixed-use", {**texts("mixed-use"), layer: text})
    sound(told.value, text, f"{layer}.yaml")


SAME = {
    "double quotes": lambda text: re.sub(r"^(\s+)(margin|lease|fallback|default|meter_stale): ([^#\n]+)$", r'\1\2: "\3"', text, flags=re.M),
    "quoted keys": lambda text: re.sub(r"^(\s+)(\w+):", r"\1'\2':", text, flags=re.M),
    "comments": lambda text: "# a\n" + text.replace("\n", "  # b\n") + "# c\n",
    "lines of Windows": lambda text: text.replace("\n", "\r\n"),
    "a mark of byte order": lambda text: "\ufeff" + text,
    "one line": lambda text: yaml.safe_dump(yaml.safe_load(text), default_flow_style=True, sort_keys=False, width=1 << 20),
    "one value a line": lambda text: yaml.safe_dump(yaml.safe_load(text), default_flow_style=False, sort_keys=False),
    "sorted": lambda text: yaml.safe_dump(yaml.safe_load(text), sort_keys=True),
    "domains that say nothing": lambda text: text + "".join(f"{d}:\n" for d in ("cost", "power", "access") if f"\n{d}:" not in f"\n{text}"),
    "a document's marks": lambda text: f"--- \n{text}...\n",
    "keys that say nothing": lambda text: re.sub(r"^power:$", "power:\n  weights:", text, flags=re.M),
}  # fmt: skip


@pytest.mark.parametrize("how", SAME)
@pytest.mark.parametrize("name", ["mixed-use", "workplace"])
def test_a_file_written_otherwise_means_the_same(name: str, how: str) -> None:
    good = texts(name)
    plain, other = loaded(name, good), loaded(name, {layer: SAME[how](text) for layer, text in good.items()})
    assert other.revision == plain.revision
    assert sorted((r.key, r.value) for r in other.effective) == sorted((r.key, r.value) for r in plain.effective)


@pytest.mark.parametrize(
    "what", ["an escape in a key", "an alias of itself", "tabs for indentation", "a number of 5,000 digits", "right to left"]
)
@pytest.mark.parametrize("command", [["policy", "show"], ["policy", "lint"], ["policy", "drift"], ["simulate"]])
def test_a_command_ends_with_64_and_one_harmless_line(tmp_path: Path, what: str, command: list[str]) -> None:
    folder = tmp_path / "mixed-use"
    shutil.copytree(fleets_folder() / "mixed-use", folder)
    (folder / "policy.yaml").write_text(HOSTILE[what])
    ended = CliRunner().invoke(app, [*command, str(folder)])
    assert ended.exit_code == 64, ended.output
    said = ended.stderr.strip()
    assert said.isprintable() and "\n" not in said and "policy.yaml:" in said and "Traceback" not in said
    assert not ended.stdout.strip()


def shuffled(value: object, rng: random.Random) -> object:
    """The same tables with their keys in another order."""
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(one, rng) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", bundled_sites())
def test_the_order_of_keys_says_nothing(name: str) -> None:
    good = texts(name)
    plain = loaded(name, good)
    for seed in range(5):
        rng = random.Random(seed)
        other = {layer: yaml.safe_dump(shuffled(yaml.safe_load(text), rng), sort_keys=False) for layer, text in good.items()}
        rules = loaded(name, other)
        assert {n: r.rank for n, r in rules.classes.items()} == {n: r.rank for n, r in plain.classes.items()}
        assert sorted((r.key, r.value) for r in rules.effective) == sorted((r.key, r.value) for r in plain.effective)
        assert rules.revision == plain.revision
        assert rules.narrow_first == plain.narrow_first and rules.access.holidays == plain.access.holidays


def test_every_bundled_layer_is_mutated() -> None:
    assert {"portfolio", "type", "site"} == set(texts("campus"))
    assert load(fleets_folder() / "portfolio.yaml").table()
