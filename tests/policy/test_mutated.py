"""Broken policies by the hundred: each loads, or is refused with file and line. The order of keys says nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from chargekit.lab.bundled import bundled_sites, fleets_folder
from chargekit.lab.sitefile import load_site
from chargekit.lab.yamlfile import load, parse
from chargekit.model.located import BadInput
from chargekit.model.site import Site
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


@pytest.mark.parametrize("name", bundled_sites())
def test_a_broken_policy_loads_or_is_refused_with_its_line(name: str) -> None:
    rng, good = random.Random(name), texts(name)
    refused: list[int] = []
    taken = 0
    for layer, text in good.items():
        for mutant in mutants(text, rng):
            try:
                rules = loaded(name, {**good, layer: mutant})
            except BadInput as why:
                refused.append(why.source.line if why.source else 0)
            else:
                lint(rules, site(name))
                assert sorted(rule.rank for rule in rules.classes.values()) == list(range(len(rules.classes)))
                taken += 1
    assert min(refused) >= 1
    assert len(refused) >= 150 and taken >= 20, (len(refused), taken)


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
