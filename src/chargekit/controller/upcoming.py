"""What the clock alone will change next: the window of the ranks, the price of energy, the demand target, and signals that end.

Recorded with each decision, so that an explanation can say when it may be another. Each is looked for once and kept until it is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chargekit.policy.windows import KINDS, Span, next_change

if TYPE_CHECKING:
    from chargekit.controller.planner import Plan
    from chargekit.controller.steering import Steering

LOOKS: Final = 64
"""Bounds looked at for one that changes anything: more than a week of them, where a window is of one day."""


class Change(NamedTuple):
    """At `t` (run s) something changes, in words; for what is on a circuit or at a station (or its EVSE), and for sessions of these
    classes, only, where any is named."""

    t: float
    what: str
    circuit: str = ""
    station: str = ""
    classes: tuple[str, ...] = ()


class Upcoming:
    """`rows`: what lies ahead at a moment, as it is recorded, soonest first."""

    def __init__(self, operator: Steering) -> None:
        self.operator = operator
        self._kept: dict[str, tuple[float, Change | None]] = {}
        self._made: tuple[tuple[Change, ...], Plan | None, list[list[Any]]] = ((), None, [])

    def rows(self, now: float) -> list[list[Any]]:
        found = [self._known(name, look, now) for name, look in (("ranks", self._ranks), ("price", self._price), ("target", self._target))]
        few, plan = (*(one for one in found if one is not None), *self._signals(now)), self.operator.planning.plan
        if self._made[0] != few or self._made[1] is not plan:
            # Of a plan for thousands there are as many.
            changes = sorted([*few, *self._plans()])
            self._made = few, plan, [[round(one.t, 3), one.what, one.circuit, one.station, list(one.classes)] for one in changes]
        return self._made[2]

    def _known(self, name: str, look: Callable[[float], tuple[float, Change | None]], now: float) -> Change | None:
        until, change = self._kept.get(name, (-math.inf, None))
        if now >= until:
            until, change = self._kept[name] = look(now)
        return change

    def _bound(self, spans: Iterable[Span], now: float, other: Callable[[float], bool]) -> tuple[float, bool]:
        """The next bound of one of these at which something is other than now, and True; or how far was looked."""
        at = now
        for _ in range(LOOKS):
            at = next_change(spans, self.operator.site.calendar, at)
            if other(at):
                return at, True
        return at, False

    def _ranks(self, now: float) -> tuple[float, Change | None]:
        desk, priority = self.operator.desk, self.operator.rules.priority
        spans = [one.span for one in priority.windows if one.span is not None]
        order = priority.order_at(desk.moment_at(now))
        if not spans:
            return math.inf, None
        at, found = self._bound(spans, now, lambda t: priority.order_at(desk.moment_at(t)) is not order)
        if not found:
            return at, None
        then = priority.order_at(desk.moment_at(at))
        which = f"window {then.span} begins" if then.span is not None else f"window {order.span} ends"
        return at, Change(at, f"{which}: {', then '.join(then.classes)} ({then.source})")

    def _price(self, now: float) -> tuple[float, Change | None]:
        costing, cost = self.operator.rules.costing, self.operator.rules.cost
        moved = tuple(name for name in costing.classes if name not in costing.opt_out)
        spans = [Span(KINDS, band.begins_min, band.ends_min, band.source) for band in cost.bands]
        desk = self.operator.costing
        if not spans or not moved:
            return math.inf, None
        at, found = self._bound(spans, now, lambda t: desk.price(t) != desk.price(now))
        if not found:
            return at, None
        band = next((band for band in cost.bands if band.holds(desk.minute(at))), None)
        source = f" ({band.source})" if band is not None else ""
        return at, Change(at, f"a kWh costs {desk.price(at):g} from then on{source}, {desk.price(now):g} till then", classes=moved)

    def _target(self, now: float) -> tuple[float, Change | None]:
        costing, desk = self.operator.rules.costing, self.operator.desk
        target, held = costing.target, costing.target_at(desk.moment_at(now)) is not None
        if target is None:
            return math.inf, None
        at, found = self._bound([target.span], now, lambda t: (costing.target_at(desk.moment_at(t)) is not None) is not held)
        if not found:
            return at, None
        return at, Change(at, f"the demand target of {target.limit_kw:g} kW {'ends' if held else 'begins'} ({target.source})")

    def _plans(self) -> list[Change]:
        return [
            Change(t, f"its plan goes from {now_a:.1f} to {then_a:.1f} A, unless it is made anew before", station=evse)
            for evse, t, now_a, then_a in self.operator.planning.ahead()
        ]

    def _signals(self, now: float) -> list[Change]:
        found = []
        for one, rule in self.operator.signals.leading(now):
            whom = f" of {one.who}" if one.who else ""
            what = f"{one.kind} {one.id}{whom} to {one.asks}"
            if one.station:
                what = f"the limit{whom} on {one.station}{f'/{one.evse}' if one.evse else ''} to {one.asks}"
            found.append(Change(one.until, f"{what} ends, unless it ended before ({rule.source})", one.circuit, one.station))
        return found
