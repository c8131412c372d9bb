"""The three layers as one: which may say what, which value leads, and where it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chargekit.model.located import BUILT_IN, BadInput, Located, Source, nearest
from chargekit.policy.entries import about, meaning, words
from chargekit.policy.holds import AGAINST, COUNTS, TIMES
from chargekit.policy.schema import BY_PATH, DOMAINS, KEYS, LAYERS, PORTFOLIO, SITE, TYPE, keys_of

DEFAULTS: Final = {"lease": 900.0, "writes": 200.0, "margin": 1.0, "fallback": 6.0, "default": 0.0, "meter_stale": 20.0}
MERGED: Final = frozenset({"incidents.overrides", "incidents.responses"})
"""Tables whose entries are of all layers together, the lowest that names one leading."""
TOGETHER: Final = frozenset({"access.blocked", "incidents.roles"})
"""What every layer that says something adds to."""
UNITS: Final = {"lease": "s", "writes": "a day", "margin": "A", "fallback": "A", "default": "A", "meter_stale": "s"}
PARTS: Final = {
    "power.holds": {**{name: f"{s:g} s" for name, s in TIMES.items()}, **{n: str(c) for n, c in COUNTS.items()}, "against": AGAINST[0]}
}
"""Built-in values of keys that are tables: what a layer does not say of them."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """A figure and where it was written."""

    value: float
    source: Source


@dataclass(frozen=True, slots=True)
class Effective:
    """One effective value: its key, the value as text, the layer that said it and where. Of an entry of a list of tables also the list's
    key (`listed`) and what the entry is about; `meaning` is the same text for all ways to write the same."""

    key: str
    value: str
    layer: str
    source: Source
    listed: str = ""
    about: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """A key, `domain.name`, that the site may not touch: the layer that keeps it, and where it says so; None: nothing is said of it."""

    key: str
    layer: str
    source: Source | None


class Layers:
    """The layers' trees, highest first. BadInput for a key a layer may not say, and for one an upper layer fixed, naming both lines."""

    def __init__(self, portfolio: Located, site_type: Located, site: Located | None) -> None:
        self.trees = {PORTFOLIO: portfolio, TYPE: site_type}
        if site is not None:
            self.trees[SITE] = site
        self.fixed: dict[tuple[str, str], tuple[str, Source]] = {}
        for layer, tree in self.trees.items():
            self._check(layer, tree)
            self._fix(layer, tree)

    def _check(self, layer: str, tree: Located) -> None:
        tree.only(*DOMAINS, *(() if layer == SITE else ("fixed",)))
        for domain, part in tree.table().items():
            if domain == "fixed" or part.value is None:
                continue
            for key, node in part.table().items():
                if (domain, key) in self.fixed:
                    owner, source = self.fixed[domain, key]
                    raise BadInput(node.source, f"{domain}.{key} is fixed by the {owner} at {source}", "remove it here")
                if key in keys_of(layer, domain):
                    continue
                owners = [up for up in LAYERS if key in keys_of(up, domain)]
                if owners and LAYERS.index(owners[0]) > LAYERS.index(layer):
                    raise BadInput(node.source, f"{domain}.{key} is for the {' or the '.join(owners)} to say", "remove it here")
                if owners:
                    fixed = self.find(domain, key, owners[0])
                    at = f" at {fixed.source}" if fixed else ""
                    raise BadInput(node.source, f"{domain}.{key} is fixed by the {owners[0]}{at}", "remove it here")
                raise BadInput(node.source, f"unknown key {key!r}", nearest(key, keys_of(layer, domain) or ("(none)",)))

    def _fix(self, layer: str, tree: Located) -> None:
        """`fixed: [power.margin]`: no lower layer may touch these."""
        for one in tree.list("fixed"):
            domain, _, name = one.as_text().partition(".")
            if (domain, name) not in BY_PATH:
                raise BadInput(one.source, f"no rule is named {one.as_text()!r}", nearest(one.as_text(), (".".join(k) for k in BY_PATH)))
            self.fixed.setdefault((domain, name), (layer, one.source))

    def find(self, domain: str, key: str, layer: str) -> Located | None:
        tree = self.trees.get(layer)
        part = tree.get(domain) if tree is not None else None
        return part.get(key) if part is not None else None

    def lowest(self, domain: str, key: str) -> Located | None:
        """The value of the lowest layer that has one."""
        return next((node for _, node in self.said(domain, key)), None)

    def said(self, domain: str, key: str) -> Iterator[tuple[str, Located]]:
        """Every layer that says something, lowest first."""
        for layer in reversed(self.trees):
            node = self.find(domain, key, layer)
            if node is not None:
                yield layer, node

    def figure(self, domain: str, key: str, unit: str) -> Sourced:
        node = self.lowest(domain, key)
        if node is None:
            return Sourced(DEFAULTS[key], BUILT_IN)
        return Sourced(node.as_number(unit, least=0), node.source)

    def locks(self) -> tuple[Lock, ...]:
        """The keys a site may not touch, in the order of the table of keys: those in an upper layer's `fixed`, and those that are for
        upper layers alone to say."""
        found = []
        for key in KEYS:
            fixed = self.fixed.get((key.domain, key.name))
            if fixed is not None:
                found.append(Lock(f"{key.domain}.{key.name}", *fixed))
            elif SITE not in key.layers:
                said = next(self.said(key.domain, key.name), None)
                found.append(Lock(f"{key.domain}.{key.name}", said[0] if said else key.layers[-1], said[1].source if said else None))
        return tuple(found)

    def effective(self, without: str = "") -> tuple[Effective, ...]:
        """Every value in force, in the order of the table of keys; `without`: as if that layer said nothing."""
        found: list[Effective] = []
        for key in KEYS:
            path = f"{key.domain}.{key.name}"
            said = [(layer, node) for layer, node in self.said(key.domain, key.name) if layer != without]
            if path in MERGED:
                found += _merged(path, said)
                continue
            for layer, node in said if path in TOGETHER else said[:1]:
                found += _flat(path, node, layer)
            if not said and key.name in DEFAULTS:
                found.append(Effective(path, f"{DEFAULTS[key.name]:g} {UNITS[key.name]}", "built-in", BUILT_IN))
            spoken = {one.key for one in found}
            parts = {f"{path}.{name}": value for name, value in PARTS.get(path, {}).items()}
            found += [Effective(name, value, "built-in", BUILT_IN) for name, value in parts.items() if name not in spoken]
        return tuple(found)


def _merged(path: str, said: list[tuple[str, Located]]) -> Iterator[Effective]:
    """The entries of all layers: what a lower one says of an entry stands in place of it, or, of a category of overrides, beside it."""
    rows: dict[str, Effective] = {}
    for layer, node in reversed(said):
        for name in [name for name in node.table() if node.has(name)] if path == "incidents.responses" else ():
            rows = {key: row for key, row in rows.items() if key != f"{path}.{name}" and not key.startswith(f"{path}.{name}.")}
        rows.update({row.key: row for row in _flat(path, node, layer)})
    yield from rows.values()


def _flat(path: str, node: Located, layer: str) -> Iterator[Effective]:
    if isinstance(node.value, dict):
        for name, one in ((name, one) for name, one in node.table().items() if node.has(name)):
            yield from _flat(f"{path}.{name}", one, layer)
    elif isinstance(node.value, list) and any(isinstance(one.value, dict) for one in node.items()):
        for number, one in enumerate(node.items(), 1):
            yield Effective(f"{path}.{number}", words(one), layer, one.source, path, about(path, one), meaning(one))
    else:
        yield Effective(path, words(node), layer, node.source, meaning=meaning(node))
