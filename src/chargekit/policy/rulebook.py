"""The rulebook: portfolio, site type and site as one set of rules, every value with the file and line it came from.

Five domains: access, priority, power, cost, incidents. A lower layer that touches what an upper one fixed is an error naming both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from chargekit.model.limit import Limit
from chargekit.model.located import BUILT_IN, BadInput, Located, Source, nearest
from chargekit.model.site import Site
from chargekit.policy.access import AccessRules, parse_access
from chargekit.policy.costs import Costing, parse_costing
from chargekit.policy.holds import Holds, parse_holds
from chargekit.policy.incidents import IncidentRules, parse_incidents
from chargekit.policy.layers import DEFAULTS, Effective, Layers, Lock, Sourced
from chargekit.policy.override_rules import GENERAL, OverrideRule, parse_overrides
from chargekit.policy.people import a_pattern, narrowness, one_class
from chargekit.policy.power import PowerRules, parse_power
from chargekit.policy.priority import Order, PriorityRules
from chargekit.policy.ranking import parse_priority, ranked
from chargekit.policy.sharing import SessionCap, parse_sessions, parse_weights
from chargekit.policy.tariff import CostRules, cost_rules

COST: Final = ("plan", "price", "tariff", "demand_charge")
COSTING: Final = ("classes", "demand_target", "opt_out")
LONGEST_GROUP: Final = 20
"""Characters every OCPP version has room for in a group's id (1.6 section 7.28)."""


@dataclass(frozen=True, slots=True)
class ClassRule:
    """A user class with its rank, 0 first."""

    name: str
    goal: str
    rank: int
    class_source: Source
    rank_source: Source


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of one site. `fallback_a` is what a station cut off may draw per EVSE, `default_a` what one may draw before it
    was told anything; both in A per phase."""

    classes: Mapping[str, ClassRule]
    tokens: tuple[tuple[str, str], ...]
    default_class: str | None
    limits: tuple[Limit, ...]
    override_rule: OverrideRule
    lease_s: Sourced
    margin_a: Sourced
    fallback_a: Sourced
    default_a: Sourced
    meter_stale_s: Sourced
    revision: str
    groups: tuple[tuple[str, str], ...] = ()
    """Token and group, whatever the token's case: tokens of a group may stop each other's transactions."""
    effective: tuple[Effective, ...] = ()
    """Every value in force with its layer and source."""
    locks: tuple[Lock, ...] = ()
    """The keys the site may not touch."""
    access: AccessRules = field(default_factory=AccessRules)
    priority: PriorityRules = field(default_factory=lambda: PriorityRules(Order((), BUILT_IN)))
    floors: Mapping[str, Sourced] = field(default_factory=dict)
    """What a session of a class is promised at least, A per phase."""
    cost: CostRules = field(default_factory=CostRules)
    sessions: tuple[SessionCap, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    """A class's share of a surplus against its peers'; 1 where none is said."""
    overrides: Mapping[str, OverrideRule] = field(default_factory=dict)
    """By category, the general one (`override_rule`) first."""
    incidents: IncidentRules = field(default_factory=IncidentRules)
    power: PowerRules = field(default_factory=PowerRules)
    costing: Costing = field(default_factory=Costing)
    holds: Holds = field(default_factory=Holds)
    writes: Sourced = field(default_factory=lambda: Sourced(DEFAULTS["writes"], BUILT_IN))
    """How many profiles a day an EVSE is sent, before renewals and raises get rarer."""

    @property
    def narrow_first(self) -> tuple[tuple[str, str], ...]:
        """Token patterns and their classes, the narrowest first: the order of keys in a file means nothing."""
        return tuple(sorted(self.tokens, key=lambda one: narrowness(one[0])))

    def class_of(self, token: str) -> ClassRule | None:
        """The class of a token: an exact entry first, then the narrowest pattern, then the default; None: not admitted."""
        for pattern, name in self.tokens:
            if pattern == token:
                return self.classes[name]
        for pattern, name in self.narrow_first:
            if fnmatchcase(token, pattern):
                return self.classes[name]
        return self.classes[self.default_class] if self.default_class else None

    def rank_of(self, user_class: str) -> int:
        """0 is highest. KeyError for a class nobody defined."""
        return self.classes[user_class].rank

    def because_rank(self, user_class: str) -> str:
        """One plain clause: rank, class and where it stands."""
        rule = self.classes[user_class]
        return f"rank {rule.rank + 1} of {len(self.classes)}: class {user_class} ({rule.rank_source})"


def rulebook(portfolio: Located, site_type: Located, site_policy: Located | None, site: Site) -> Rulebook:
    """The rules in force at a site. BadInput, with file and line, for anything that can't be."""
    layers = Layers(portfolio, site_type, site_policy)
    classes = _classes(layers, portfolio)
    tokens_node = layers.find("access", "tokens", "site")
    tokens = tuple((p, one_class(n, classes)) for p, n in tokens_node.table().items()) if tokens_node else ()
    default = layers.lowest("access", "default_class")
    overrides = parse_overrides(layers)
    rules = Rulebook(
        classes, tokens, one_class(default, classes) if default else (None if tokens else list(classes)[-1]),
        _limits(layers, site), overrides[GENERAL],
        layers.figure("power", "lease", "s"), layers.figure("power", "margin", "A"),
        layers.figure("incidents", "fallback", "A"), layers.figure("incidents", "default", "A"),
        layers.figure("incidents", "meter_stale", "s"), "", _groups(layers), layers.effective(), layers.locks(),
        parse_access(layers, classes), _priority(layers, classes, site), _floors(layers, classes),
        cost_rules(*(layers.lowest("cost", key) for key in COST)),
        parse_sessions(layers.lowest("power", "sessions"), classes, site), parse_weights(layers.lowest("power", "weights"), classes),
        overrides, parse_incidents(layers, classes), parse_power(layers, classes, site),
        parse_costing(classes, *(layers.lowest("cost", key) for key in COSTING)),
        parse_holds(layers.lowest("power", "holds")), _writes(layers),
    )  # fmt: skip
    _lint(rules, site)
    said = sorted((row.key, row.value) for row in rules.effective)
    canonical = repr((said, sorted(tokens), sorted((o.circuit, o.limit_a, repr(o.limit_kw), o.rule) for o in rules.limits)))
    return replace(rules, revision=hashlib.sha256(canonical.encode()).hexdigest()[:12])


def _classes(layers: Layers, portfolio: Located) -> dict[str, ClassRule]:
    node = layers.find("access", "classes", "portfolio")
    if node is None:
        raise BadInput(portfolio.source, "the portfolio names no user classes", "access: {classes: {...}}")
    named = node.table()
    ranks = layers.lowest("priority", "ranks")
    if ranks is None:
        raise BadInput(portfolio.source, "no layer ranks the user classes", "priority: {ranks: [...]}")
    order = ranked(ranks, named)
    missing = [name for name in named if name not in order]
    if missing:
        raise BadInput(ranks.source, f"no rank for {', '.join(missing)}", f"defined at {named[missing[0]].source}")
    return {
        name: ClassRule(name, named[name].only("goal").text("goal", "-"), rank, named[name].source, source)
        for rank, (name, source) in enumerate(order.items())
    }


def _priority(layers: Layers, classes: Mapping[str, ClassRule], site: Site) -> PriorityRules:
    ranks = layers.lowest("priority", "ranks")
    assert ranks is not None
    return parse_priority(layers, classes, Order(tuple(classes), ranks.source), site.calendar)


def _floors(layers: Layers, classes: Mapping[str, ClassRule]) -> dict[str, Sourced]:
    """`power.floors`: by class, of the lowest layer that says anything."""
    node = layers.lowest("power", "floors")
    found: dict[str, Sourced] = {}
    for name, one in (node.table() if node else {}).items():
        if name not in classes:
            raise BadInput(one.source, f"user class {name!r} is defined nowhere", nearest(name, classes))
        found[name] = Sourced(one.as_number("A", least=0), one.source)
    return found


def _groups(layers: Layers) -> tuple[tuple[str, str], ...]:
    """`access.groups`: a group's id and its tokens, each in one group."""
    node = layers.find("access", "groups", "site")
    found: dict[str, tuple[str, str, Source]] = {}
    for name, tokens in (node.table() if node else {}).items():
        if not 0 < len(name) <= LONGEST_GROUP:
            raise BadInput(tokens.source, f"a group's id has 1 to {LONGEST_GROUP} characters, this one {len(name)}")
        for one in tokens.items():
            token = a_pattern(one)
            if token.upper() in found:
                _, other, source = found[token.upper()]
                raise BadInput(one.source, f"token {token!r} is in group {other!r} already", f"at {source}")
            found[token.upper()] = (token, name, one.source)
    return tuple((token, name) for token, name, _ in found.values())


def _writes(layers: Layers) -> Sourced:
    node = layers.lowest("power", "writes")
    if node is not None and node.as_int() < 1:
        raise BadInput(node.source, f"writes: 1 or more a day expected, found {node.as_int()}")
    return layers.figure("power", "writes", "")


def _limits(layers: Layers, site: Site) -> tuple[Limit, ...]:
    limits = [Limit(c.name, c.rating_a, c.source, c.limit_kw) for c in site.circuits.values()]
    node = layers.find("power", "limits", "site")
    for name, one in (node.table() if node else {}).items():
        if name not in site.circuits:
            raise BadInput(one.source, f"circuit {name!r} is not known", nearest(name, site.circuits))
        limits.append(Limit(name, one.as_number("A", least=0), one.source, rule="import limit"))
    return tuple(limits)


def _lint(rules: Rulebook, site: Site) -> None:
    """With every station cut off, the fallbacks together must keep every limit."""
    for limit in rules.limits:
        evses = sum(len(s.model.evses) for s in site.below(limit.circuit))
        for what in (rules.fallback_a, rules.default_a):
            if evses * what.value > limit.limit_a + 1e-9:
                total = f"{evses} × {what.value:g} A = {evses * what.value:g} A"
                raise BadInput(
                    what.source,
                    f"{total} is over the {limit.limit_a:g} A of {limit.circuit} ({limit.source})",
                    "lower it, or raise the limit",
                )
