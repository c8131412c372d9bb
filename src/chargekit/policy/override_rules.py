"""Categories of overrides: who may authorise one, for whom, for how long. The portfolio is the bound: a site adds or narrows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chargekit.model.located import BUILT_IN, BadInput, Located, Source, nearest, shown
from chargekit.policy.layers import Layers
from chargekit.policy.people import a_name
from chargekit.policy.schema import SCOPES, SITE

GENERAL: Final = "general"
"""The category of what names none: the flat form."""
KEYS: Final = ("may_authorise", "max_duration", "scope", "holds")
USUAL_S: Final = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class OverrideRule:
    """Who may authorise an override of a category (anybody, if none is named), for how long at most, and for what: a token, a station, a
    circuit or the whole site. `holds`: it goes on leading while capacity is lost, whatever the response."""

    who: tuple[str, ...]
    max_duration_s: float
    source: Source
    name: str = GENERAL
    scope: tuple[str, ...] = ("token", "station")
    holds: bool = False


def parse_overrides(layers: Layers) -> dict[str, OverrideRule]:
    """Every category by name, the general one first. BadInput, with file and line, for what can't be and for what goes beyond its bound,
    naming both lines."""
    found = {GENERAL: OverrideRule((), USUAL_S, BUILT_IN)}
    node = layers.find("incidents", "overrides", "portfolio")
    if node is not None:
        _only(node)
        if not node.has("max_duration"):
            raise BadInput(node.source, "overrides without expiry: one that is forgotten would lead for ever", "max_duration: 12 h")
        found[GENERAL] = _rule(GENERAL, node, found[GENERAL], node.source)
        for name, one in _categories(node):
            if not one.only(*KEYS).has("max_duration"):
                raise BadInput(
                    one.source, f"{name} overrides without expiry: one that is forgotten would lead for ever", "max_duration: 4 h"
                )
            found[name] = _rule(name, one, found[GENERAL], one.source)
    site, above = layers.find("incidents", "overrides", SITE), dict(found)
    if site is not None:
        _only(site)
        flat = {key: one for key, one in site.table().items() if key in KEYS}
        if flat:
            found[GENERAL] = _within(found[GENERAL], _rule(GENERAL, Located(flat, site.source), found[GENERAL], site.source), site)
        for name, one in _categories(site):
            bound = above.get(name) or _bound(above, one.only(*KEYS).flag("holds"), one)
            found[name] = _within(bound, _rule(name, one.only(*KEYS), bound, one.source), one)
    return {name: found[name] for name in (GENERAL, *sorted(found.keys() - {GENERAL}))}


def _bound(above: Mapping[str, OverrideRule], holds: bool, node: Located) -> OverrideRule:
    """What a site's own category may not go beyond: the portfolio's general one, or, where it holds, its widest that does."""
    if not holds:
        return above[GENERAL]
    found = [one for one in above.values() if one.holds]
    if not found:
        raise BadInput(node.need("holds").source, f"no override of the portfolio holds ({above[GENERAL].source})", "remove it here")
    return max(found, key=lambda one: (one.max_duration_s, one.name))


def _only(node: Located) -> None:
    for key, one in node.table().items():
        if key not in KEYS and not isinstance(one.value, dict):
            raise BadInput(one.source, f"unknown key {shown(key)}", f"{nearest(key, KEYS)}; a category is a table")
        if key == GENERAL:
            raise BadInput(one.source, f"{GENERAL} overrides are those of no category", "write its keys one level up")


def _categories(node: Located) -> Iterator[tuple[str, Located]]:
    yield from ((name, one) for name, one in node.table().items() if name not in KEYS)


def _rule(name: str, node: Located, usual: OverrideRule, source: Source) -> OverrideRule:
    """What a layer says of a category, and the usual for what it leaves out."""
    scope = tuple(one.as_text() for one in node.list("scope")) or usual.scope
    if node.has("scope") and not node.list("scope"):
        raise BadInput(node.need("scope").source, "a list of at least one scope expected, found none", "leave the key out")
    for one in node.list("scope"):
        if one.as_text() not in SCOPES:
            raise BadInput(one.source, f"no override is for a {shown(one.as_text())}", nearest(one.as_text(), SCOPES))
    who = tuple(a_name(one) for one in node.list("may_authorise")) or usual.who
    lasts_s = node.number("max_duration", "s", usual.max_duration_s, least=1, most=366 * 86_400.0)
    # Who leads through a loss of capacity is said of a category, never taken over from another.
    return OverrideRule(who, lasts_s, source, name, scope, node.flag("holds", usual.holds if usual.name == name else False))


def _within(bound: OverrideRule, mine: OverrideRule, node: Located) -> OverrideRule:
    """The site's rule, if the portfolio's allows all of it."""
    at, found = f"the portfolio allows ({bound.source})", node.table()

    def where(key: str) -> Source:
        return found[key].source if key in found else node.source

    if mine.max_duration_s > bound.max_duration_s:
        text = f"{mine.name} overrides of {mine.max_duration_s / 3600:g} h last longer than the {bound.max_duration_s / 3600:g} h {at}"
        raise BadInput(where("max_duration"), text, "shorten it here")
    wider = [one for one in mine.who if bound.who and one not in bound.who]
    if wider:
        raise BadInput(
            where("may_authorise"), f"{wider[0]} may not authorise {mine.name} overrides: {at} {', '.join(bound.who)}", "remove it here"
        )
    beyond = [one for one in mine.scope if one not in bound.scope]
    if beyond:
        raise BadInput(where("scope"), f"{mine.name} overrides are not for a {beyond[0]}: {at} {', '.join(bound.scope)}", "remove it here")
    if mine.holds and not bound.holds:
        raise BadInput(where("holds"), f"{mine.name} overrides give way while capacity is lost: {at} no other", "remove it here")
    return mine


def scope_of(rules: Mapping[str, OverrideRule], category: str) -> OverrideRule:
    """The rule of a category. ValueError for one nobody defined, saying which there are."""
    if category not in rules:
        raise ValueError(f"no override is of category {category[:40]!r}: {', '.join(rules)}")
    return rules[category]
