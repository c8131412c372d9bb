"""What of the domain power goes beyond limits, floors and caps on sessions: who is throttled first, guarantees, AC and DC apart, idle
sessions and signals from the grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from chargekit.model.located import BadInput, Located, Source, nearest
from chargekit.model.site import Site
from chargekit.policy.idle import IdleRule, parse_idle
from chargekit.policy.layers import Layers
from chargekit.policy.people import named_classes, one_class
from chargekit.policy.signals import SignalRule, parse_signals

CURRENTS: Final = ("ac", "dc")
STRICT: Final = "strict"


@dataclass(frozen=True, slots=True)
class Throttle:
    """Who gives up what is above its minimum first, second, and so on; all other classes after them, by rank."""

    classes: tuple[str, ...]
    source: Source

    def turn(self, user_class: str) -> int:
        """The higher the earlier it gives; 0 for who is not named."""
        return len(self.classes) - self.classes.index(user_class) if user_class in self.classes else 0


@dataclass(frozen=True, slots=True)
class MinFirst:
    """These classes have their minimum before anybody has more. Without it the guarantee is strict: who ranks higher is served in full."""

    classes: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """What sessions of one kind of current may have at a circuit together, A per phase."""

    circuit: str
    current: str
    limit_a: float
    source: Source


@dataclass(frozen=True, slots=True)
class PowerRules:
    """`throttle`, `min_first`: None where nothing is said."""

    idle: IdleRule | None = None
    signals: Mapping[str, SignalRule] = field(default_factory=dict)
    budgets: tuple[BudgetRule, ...] = ()
    throttle: Throttle | None = None
    min_first: MinFirst | None = None


def parse_power(layers: Layers, classes: Collection[str], site: Site) -> PowerRules:
    """From the layers, the lowest that says something leading. BadInput with file and line."""
    throttle = layers.lowest("power", "throttle")
    return PowerRules(
        parse_idle(layers.lowest("power", "idle"), classes), parse_signals(layers.lowest("power", "signals"), classes),
        _budgets(layers.lowest("power", "budgets"), site), _throttle(throttle, classes) if throttle is not None else None,
        _guarantee(layers.lowest("power", "guarantee"), classes),
    )  # fmt: skip


def _throttle(node: Located, classes: Collection[str]) -> Throttle:
    named: dict[str, Source] = {}
    for one in node.items():
        name = one_class(one, classes)
        if name in named:
            raise BadInput(one.source, f"{name} is throttled twice", f"first at {named[name]}")
        named[name] = one.source
    if not named:
        raise BadInput(node.source, "nobody is throttled first", "throttle: [guest, employee]")
    return Throttle(tuple(named), node.source)


def _guarantee(node: Located | None, classes: Collection[str]) -> MinFirst | None:
    if node is None or node.value == STRICT:
        return None
    if not isinstance(node.value, dict):
        raise BadInput(node.source, f"strict or min_first expected, found {str(node.value)[:20]!r}", "guarantee: {min_first: [guest]}")
    named = named_classes(node.only("min_first").need("min_first"), classes)
    return MinFirst(named, node.source)


def _budgets(node: Located | None, site: Site) -> tuple[BudgetRule, ...]:
    found = []
    for name, one in (node.table() if node is not None else {}).items():
        if name not in site.circuits:
            raise BadInput(one.source, f"circuit {name!r} is not known", nearest(name, site.circuits))
        for current, amps in one.only(*CURRENTS).table().items():
            found.append(BudgetRule(name, current, amps.as_number("A", least=0), amps.source))
    return tuple(sorted(found, key=lambda one: (one.circuit, one.current)))
