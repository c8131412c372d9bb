"""Access: who may charge, at which stations, when, and in which state of the site. A pure answer with its reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from chargekit.model.located import BadInput, Located, Source
from chargekit.policy.layers import Layers
from chargekit.policy.people import a_pattern, named_classes, patterns
from chargekit.policy.windows import Moment, Span, parse_date, parse_span

ACCEPTED: Final = "Accepted"


@dataclass(frozen=True, slots=True)
class AccessWindow:
    """A time at which classes, or tokens, may charge. Windows that name a token lead over those of its class."""

    span: Span
    classes: tuple[str, ...]
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Classes, or tokens, that may charge at stations of these patterns and nowhere else."""

    stations: tuple[str, ...]
    classes: tuple[str, ...]
    tokens: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Guests:
    """Classes kept out while the site is in trouble: during an incident, or over a share of its limit. `restricted` False: never."""

    classes: tuple[str, ...]
    restricted: bool
    on_incident: bool
    load_above: float | None
    source: Source


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The domain access at one site. `holidays`: ISO dates. `blocked`: token patterns and where each is written."""

    windows: tuple[AccessWindow, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    guests: Guests | None = None
    blocked: tuple[tuple[str, Source], ...] = ()
    holidays: tuple[str, ...] = ()

    def windows_of(self, token: str, user_class: str) -> list[AccessWindow]:
        """The windows that bind a token: those naming it, else those naming its class. None: it may charge at any time."""
        mine = [w for w in self.windows if fits(token, w.tokens)]
        return mine or [w for w in self.windows if user_class in w.classes]

    def entitlements_of(self, token: str, user_class: str) -> list[Entitlement]:
        """What binds a token to stations: rules naming it, else those naming its class."""
        mine = [e for e in self.entitlements if fits(token, e.tokens)]
        return mine or [e for e in self.entitlements if user_class in e.classes]


@dataclass(frozen=True, slots=True)
class SiteState:
    """How the site is: whether an incident is open, and what it draws as a share of its lowest limit at the grid connection."""

    incident: bool = False
    load_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Access:
    """The answer: an OCPP 2.0.1 AuthorizationStatusEnumType word, which rule gave it (`class`, `blocked`, `place`, `window`,
    `guests`), a plain sentence, and where the rule is written; None for what nobody wrote."""

    status: str
    rule: str
    because: str
    source: Source | None

    @property
    def accepted(self) -> bool:
        return self.status == ACCEPTED


def fits(word: str, wanted: Collection[str]) -> bool:
    """Whether a word fits one of the patterns."""
    return any(fnmatchcase(word, pattern) for pattern in wanted)


def decide(rules: AccessRules, token: str, user_class: str | None, station: str, when: Moment, state: SiteState) -> Access:
    """Whether a token may begin to charge at a station now. The first reason against it is the answer."""
    for pattern, written in rules.blocked:
        if fnmatchcase(token, pattern):
            return Access("Blocked", "blocked", f"{token} is blocked ({written})", written)
    if user_class is None:
        return Access("Invalid", "class", f"{token} fits no token pattern of this site and there is no default class", None)
    places = rules.entitlements_of(token, user_class)
    if places and not any(fits(station, one.stations) for one in places):
        at = ", ".join(p for one in places for p in one.stations)
        rule = places[0].source
        return Access("NotAtThisLocation", "place", f"{token} of class {user_class} may charge at {at}, not at {station} ({rule})", rule)
    windows = rules.windows_of(token, user_class)
    open_now = next((one for one in windows if one.span.holds(when)), None)
    if windows and open_now is None:
        at = "; ".join(f"{one.span} ({one.span.source})" for one in windows)
        return Access("NotAtThisTime", "window", f"{token} of class {user_class} may charge {at}; it is {when}", windows[0].span.source)
    kept_out = _kept_out(rules.guests, user_class, state)
    if kept_out is not None:
        return kept_out
    source = open_now.span.source if open_now else (places[0].source if places else None)
    words = f"{open_now.span} ({open_now.span.source})" if open_now else "at any time"
    return Access(ACCEPTED, "class", f"{token} of class {user_class} may charge {words}", source)


def _kept_out(guests: Guests | None, user_class: str, state: SiteState) -> Access | None:
    if guests is None or not guests.restricted or user_class not in guests.classes:
        return None
    why = ""
    if guests.on_incident and state.incident:
        why = "while an incident is open"
    elif guests.load_above is not None and state.load_share > guests.load_above:
        why = f"while the site draws {state.load_share:.0%} of its limit, more than {guests.load_above:.0%}"
    elif not guests.on_incident and guests.load_above is None:
        why = "at this site for now"
    if not why:
        return None
    return Access("NotAtThisTime", "guests", f"class {user_class} may not begin to charge {why} ({guests.source})", guests.source)


# --- reading ----------------------------------------------------------------------------------------------------


def parse_access(layers: Layers, classes: Collection[str]) -> AccessRules:
    """The domain from its layers. BadInput with file and line."""
    windows = []
    for one in _rows(layers, "windows"):
        one.only("classes", "tokens", "days", "from", "to")
        windows.append(AccessWindow(parse_span(one), *_whom(one, classes)))
    entitlements = []
    for one in _rows(layers, "entitlements"):
        one.only("classes", "tokens", "stations")
        entitlements.append(Entitlement(patterns(one.need("stations")), *_whom(one, classes), one.source))
    blocked = [(a_pattern(n), n.source) for layer, node in layers.said("access", "blocked") for n in node]
    holidays = layers.lowest("access", "holidays")
    days = tuple(sorted({parse_date(one).isoformat() for one in holidays})) if holidays else ()
    return AccessRules(tuple(windows), tuple(entitlements), _guests(layers.lowest("access", "guests"), classes), tuple(blocked), days)


def _rows(layers: Layers, name: str) -> list[Located]:
    node = layers.lowest("access", name)
    return node.items() if node else []


def _whom(node: Located, classes: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Classes and token patterns of a rule; at least one of both."""
    named, tokens = named_classes(node.get("classes"), classes), patterns(node.get("tokens"))
    if not named and not tokens:
        raise BadInput(node.source, "this rule is for nobody", "classes: [...] or tokens: [...]")
    return named, tokens


def _guests(node: Located | None, classes: Collection[str]) -> Guests | None:
    if node is None:
        return None
    node.only("classes", "when", "on_incident", "load_above")
    load = node.number("load_above", "%", least=0, most=1000) / 100.0 if node.has("load_above") else None
    restricted = node.one_of("when", ("normal", "restricted")) == "restricted"
    return Guests(named_classes(node.need("classes"), classes), restricted, node.flag("on_incident"), load, node.source)
