"""Policy files of a portfolio: the schemas written from the table of keys, and what differs between sites and from their templates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chargekit.lab.bundled import fleets_folder
from chargekit.lab.sitefile import SiteBundle, layers_of, load_site, site_file
from chargekit.lab.yamlfile import load
from chargekit.model.located import BadInput
from chargekit.model.site import Site
from chargekit.policy.comparing import Difference
from chargekit.policy.comparing import differences as compared
from chargekit.policy.findings import Finding, people
from chargekit.policy.layers import Effective, Lock
from chargekit.policy.lint import lint
from chargekit.policy.proofs import Proof, prove
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.schema import KEYS, LAYERS, SITE, TYPE, json_schema


def schema_files() -> dict[str, str]:
    """File name to text, of each layer's JSON Schema."""
    return {f"{layer.replace(' ', '_')}.schema.json": json.dumps(json_schema(layer), indent=1, sort_keys=True) + "\n" for layer in LAYERS}


def schemas_folder() -> Path:
    """Where the schemas stand in a checkout or wheel."""
    return fleets_folder() / "schemas"


def differences(one: SiteBundle, other: SiteBundle) -> Iterator[Difference]:
    """What two sites' rules answer differently, in the order of the rulebook."""
    return compared(one.rulebook.effective, other.rulebook.effective)


def locked_rows(rules: Rulebook) -> list[tuple[str, str, str, str, str]]:
    """Rule, value, layer, where, and which upper layer keeps the site from saying otherwise. What is locked at nothing is there, too."""
    locks = {lock.key: lock for lock in rules.locks}
    rows = [(r.key, r.value, r.layer, str(r.source), _lock(locks.get(_rule(r.key)))) for r in rules.effective]
    said = {_rule(r.key) for r in rules.effective}
    unsaid = [lock for lock in rules.locks if lock.key not in said and lock.source is not None]
    return rows + [(lock.key, "(nothing)", "-", "-", _lock(lock)) for lock in unsaid]


def _lock(lock: Lock | None) -> str:
    return "-" if lock is None else f"{lock.layer} ({lock.source})"


def circuit_rows(rules: Rulebook, site: Site) -> list[tuple[str, ...]]:
    """Every circuit: what feeds it, the EVSEs below it, its rating and, where rules limit it further, that limit; each with its line."""
    rows: list[tuple[str, ...]] = []
    for circuit in site.circuits.values():
        evses = sum(len(station.model.evses) for station in site.below(circuit.name))
        limits = [one for one in rules.limits if one.circuit == circuit.name and one.rule != "rating"]
        lowest = min(limits, key=lambda one: one.limit_a, default=None)
        rated = f"{circuit.rating_a:g} A" + (f", {circuit.limit_kw:g} kW" if circuit.limit_kw is not None else "")
        said = (f"{lowest.limit_a:g} A", str(lowest.source)) if lowest is not None else ("-", "-")
        rows.append((circuit.name, circuit.parent or "-", str(evses), rated, str(circuit.source), *said))
    return rows


def plain(bundle: SiteBundle) -> dict[str, Any]:
    """The rules in force and the circuits as plain data: what `locked_rows` and `circuit_rows` show, figures in A and kW as numbers."""
    rules, site = bundle.rulebook, bundle.site
    locks = {lock.key: {"layer": lock.layer, "at": str(lock.source) if lock.source is not None else None} for lock in rules.locks}
    said = {_rule(row.key) for row in rules.effective}
    circuits = []
    for circuit in site.circuits.values():
        limits = [{"limit_a": o.limit_a, "rule": o.rule, "at": str(o.source)} for o in rules.limits if o.circuit == circuit.name]
        circuits.append({
            "circuit": circuit.name, "parent": circuit.parent, "evses": sum(len(s.model.evses) for s in site.below(circuit.name)),
            "rating_a": circuit.rating_a, "limit_kw": circuit.limit_kw, "at": str(circuit.source),
            "limits": [one for one in limits if one["rule"] != "rating"],
        })  # fmt: skip
    return {
        "site": site.id, "type": site.type, "revision": rules.revision, "circuits": circuits,
        "rules": [{"rule": row.key, **_plain(row), "locked_by": locks.get(_rule(row.key))} for row in rules.effective],
        "locked_unsaid": {key: lock for key, lock in locks.items() if key not in said},
    }  # fmt: skip


def plain_differences(one: SiteBundle, other: SiteBundle) -> list[dict[str, Any]]:
    """What two sites' rules answer differently, as plain data; None for the side that says nothing."""
    return [
        {"rule": d.key, "change": d.change, "one": d.one and _plain(d.one), "other": d.other and _plain(d.other)}
        for d in differences(one, other)
    ]


def _plain(row: Effective) -> dict[str, str]:
    return {"value": row.value, "layer": row.layer, "at": str(row.source)}


def drift(bundle: SiteBundle) -> Iterator[Difference]:
    """Where a site says otherwise than its site type's template, or what the template left out: (template's value, the site's).
    What only a site can say, as its tokens and limits, is no drift."""
    mine = bundle.rulebook.effective
    touched = {_rule(row.key) for row in mine if row.layer == SITE}
    ruled = {f"{key.domain}.{key.name}" for key in KEYS if TYPE in key.layers} & touched
    template = [row for row in layers_of(bundle.name).effective(without=SITE) if _rule(row.key) in ruled]
    return compared(template, [row for row in mine if _rule(row.key) in ruled])


def _rule(key: str) -> str:
    return ".".join(key.split(".")[:2])


def proofs_file(name: str) -> Path:
    """The policy test file of a site, beside its policy; it need not be there."""
    return site_file(name).parent / "policy_test.yaml"


def proved(name: str) -> list[Proof]:
    """Every expectation of a site's policy tests. BadInput where there is no such file."""
    path = proofs_file(name)
    if not path.is_file():
        raise BadInput(None, f"site {name} has no policy tests", f"{path.name} beside its policy")
    bundle = load_site(name)
    return list(prove(bundle.rulebook, bundle.site, load(path)))


def findings(names: Sequence[str]) -> list[Finding]:
    """What lint finds at these sites; of several, also which classes nobody can be at any of them."""
    bundles = [load_site(name) for name in names]
    found = [one for bundle in bundles for one in lint(bundle.rulebook, bundle.site)]
    if len(bundles) > 1:
        there = {name for bundle in bundles for name in people(bundle.rulebook)}
        for name, rule in {n: r for bundle in bundles for n, r in bundle.rulebook.classes.items()}.items():
            if name not in there:
                text = f"nobody can be {name} at any of {len(bundles)} sites: no token gets this class"
                found.append(Finding("nobody", rule.class_source, text))
    return list(dict.fromkeys(found))
