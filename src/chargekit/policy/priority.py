"""Priority: who comes first, by class and time, departure and charge, contract, turns had and energy got. Never who came first.

A rank is a class's place in the order in force, 0 first, or `AHEAD`: before every class. Inside a rank the order is by `tie`: who was put
forward (earliest departure first), then who had fewer turns, then who got less energy in the last days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from chargekit.model.located import Source
from chargekit.policy.access import fits
from chargekit.policy.windows import Moment, Span

AHEAD: Final = -1
DAY_S: Final = 86_400.0


NEVER: Final = 1e12
"""A departure nobody told, run seconds: a figure, for ties are recorded."""


@dataclass(frozen=True, slots=True)
class Order:
    """All classes, first to last. `span` None: whenever no window holds."""

    classes: tuple[str, ...]
    source: Source
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class NearDeparture:
    """A session of these classes that leaves within `within_s` and is below `below_soc` (a charge nobody told counts as below) is
    ranked as `promote`, before its peers there; before every class if empty."""

    within_s: float
    below_soc: float | None
    classes: tuple[str, ...]
    promote: str
    source: Source


@dataclass(frozen=True, slots=True)
class Contract:
    """Tokens ranked as another class, up to and including a day."""

    tokens: tuple[str, ...]
    promote: str
    until: date | None
    source: Source


@dataclass(frozen=True, slots=True)
class Rotation:
    """A turn is `after_s` of charging; who had more turns goes behind its peers."""

    after_s: float
    classes: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Fairness:
    """Who got less energy in the last `days` goes first within its class."""

    days: int
    classes: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Trigger:
    """What puts a class forward, with its threshold and its end.

    `dispatch_risk`: from `within_s` before departure until `lasts_s` after it. `under_allocation`: a token that came in the last `days`
    and got less than `below_wh` together; `few_free_chargers`: on each of the last `days` at some time fewer than `free_below` EVSEs
    were free; both for `lasts_s` from a session's start. `event`: from `begin` to `end`.
    """

    kind: str
    classes: tuple[str, ...]
    promote: str
    source: Source
    lasts_s: float = 0.0
    within_s: float = 0.0
    below_wh: float = 0.0
    free_below: int = 0
    days: int = 0
    name: str = ""
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class PriorityRules:
    """The domain priority at one site. `windows`: the first that holds leads."""

    order: Order
    windows: tuple[Order, ...] = ()
    near: NearDeparture | None = None
    contracts: tuple[Contract, ...] = ()
    rotation: Rotation | None = None
    fairness: Fairness | None = None
    triggers: tuple[Trigger, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether a session's rank may change while nothing happens to it."""
        return bool(self.windows or self.near or self.rotation or self.triggers or any(c.until for c in self.contracts))

    @property
    def by_departure(self) -> bool:
        """Whether a rule looks at when vehicles leave."""
        return self.near is not None or any(one.kind == "dispatch_risk" for one in self.triggers)

    def order_at(self, when: Moment) -> Order:
        """The order in force."""
        return next((one for one in self.windows if one.span is not None and one.span.holds(when)), self.order)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What is known of a session. `served_s`: how long it was given current; `departs`: run seconds; `soc_percent`: None untold.
    `past`: (run seconds of the end, Wh) of this token's earlier sessions."""

    token: str
    user_class: str
    started: float = 0.0
    departs: float | None = None
    soc_percent: float | None = None
    served_s: float = 0.0
    past: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What is known of the site: the least number of free EVSEs on each day before today, yesterday first."""

    least_free: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A session's rank (0 first, `AHEAD` before all), its order inside the rank, why in a clause, and the rule that decided."""

    rank: int
    tie: tuple[Any, ...]
    because: str
    source: Source


def rank(rules: PriorityRules, facts: SessionFacts, when: Moment, site: SiteFacts) -> Ranked:
    """Where a session stands now."""
    order = rules.order_at(when)
    name, source, why = facts.user_class, order.source, ""
    contract = next((c for c in rules.contracts if fits(facts.token, c.tokens) and (c.until is None or when.local.date() <= c.until)), None)
    if contract is not None:
        name, source, why = contract.promote, contract.source, f", by contract as {contract.promote} ({contract.source})"
    place = order.classes.index(name)
    put = _put_forward(rules, facts, when, site)
    if put is not None:
        to, reason, source = put
        promoted = order.classes.index(to) if to else AHEAD
        if promoted <= place:
            place, why = promoted, f"{why}, put forward{f' to {to}' if to else ' before every class'}: {reason} ({source})"
        else:
            put = None
    turns = got = 0
    if rules.rotation is not None and facts.user_class in rules.rotation.classes:
        turns = int(facts.served_s / rules.rotation.after_s)
        if turns:
            had = f"{turns} turn{'s' if turns > 1 else ''} of {rules.rotation.after_s / 60:g} min"
            why += f", behind its peers: had {had} ({rules.rotation.source})"
    if rules.fairness is not None and facts.user_class in rules.fairness.classes:
        got = round(_recent_wh(facts, rules.fairness.days, when.now) / 1000.0)
        why += f", got {got} kWh in {rules.fairness.days} days ({rules.fairness.source})"
    leaves = facts.departs if put is not None and facts.departs is not None else NEVER
    at = f" {order.span}" if order.span else ""
    because = f"rank {place + 1} of {len(order.classes)}{at}: class {facts.user_class} ({order.source}){why}"
    return Ranked(place, (0 if put is not None else 1, leaves, turns, got), because, source)


def _recent_wh(facts: SessionFacts, days: int, now: float) -> float:
    return math.fsum(wh for at, wh in facts.past if at >= now - days * DAY_S)


def _put_forward(rules: PriorityRules, facts: SessionFacts, when: Moment, site: SiteFacts) -> tuple[str, str, Source] | None:
    """(class to be ranked as, why, where written) of the rule that puts a session forward."""
    near, left_s = rules.near, facts.departs - when.now if facts.departs is not None else math.inf
    low = near is None or near.below_soc is None or facts.soc_percent is None or facts.soc_percent < near.below_soc
    if near is not None and facts.user_class in near.classes and 0.0 <= left_s <= near.within_s and low:
        charge = f" at {facts.soc_percent:g} %" if facts.soc_percent is not None else ""
        return near.promote, f"leaves in {left_s / 60:.0f} min{charge}", near.source
    for one in rules.triggers:
        if facts.user_class in one.classes and (why := _fires(one, facts, when, site)):
            return one.promote, why, one.source
    return None


def _fires(one: Trigger, facts: SessionFacts, when: Moment, site: SiteFacts) -> str:
    """Why a trigger holds for a session now; empty if it does not."""
    if one.kind == "event":
        held = one.begin is not None and one.end is not None and one.begin <= when.local < one.end
        return f"event {one.name}" if held else ""
    if one.kind == "dispatch_risk":
        held = facts.departs is not None and facts.departs - one.within_s <= when.now < facts.departs + one.lasts_s
        return "its dispatch is at risk" if held else ""
    if when.now >= facts.started + one.lasts_s:
        return ""
    if one.kind == "under_allocation":
        came = [wh for at, wh in facts.past if at >= when.now - one.days * DAY_S]
        short = bool(came) and math.fsum(came) < one.below_wh
        return f"got {sum(came) / 1000:.1f} kWh in {one.days} days, below {one.below_wh / 1000:g} kWh" if short else ""
    last = site.least_free[: one.days]
    few = len(last) == one.days and all(free < one.free_below for free in last)
    return f"fewer than {one.free_below} chargers were free on each of the last {one.days} days" if few else ""
