"""Costs as they hold sessions back: caps and pauses while energy is dear, and the mean of a quarter-hour kept below its target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from chargekit.controller.places import Place
from chargekit.model.limit import Limit
from chargekit.policy.costs import DemandTarget, Held

if TYPE_CHECKING:
    from chargekit.controller.steering import Steering

QUARTER_S: Final = 900.0
STEP_KW: Final = 0.5
NOMINAL_V: Final = 230.0


class CostDesk:
    """`mean`: (which quarter-hour, kWh so far at the grid connection, until when)."""

    def __init__(self, operator: Steering) -> None:
        self.operator, self.rules = operator, operator.rules.costing
        self._ahead_s = operator.site.calendar.epoch.timestamp() % QUARTER_S
        self._mean: tuple[int, float, float] = (-1, 0.0, 0.0)
        self._price: float | None = None

    def tick(self, now: float) -> bool:
        """Count what the grid meter shows; True if a price or a departure may hold somebody else now."""
        self._count(now)
        if not self.rules.classes and self.rules.target is None:
            return False
        price, before = self.price(now), self._price
        self._price = price
        # A class that is only shifted is held by its plan, and by no price.
        held = [one for one in self.rules.classes.values() if one.pause_above is not None or one.cap_a is not None]
        dear = any(price > (one.pause_above if one.pause_above is not None else one.above) for one in held)
        return price != before or dear or self.rules.target is not None

    def minute(self, now: float) -> int:
        local = self.operator.site.calendar.local(now)
        return local.hour * 60 + local.minute

    def price(self, now: float) -> float:
        """Of a kWh now."""
        return self.operator.rules.cost.price_at(self.minute(now))

    def held(self, place: Place, user_class: str, now: float) -> Held | None:
        """What the price holds a session to."""
        session = place.session
        planned = self.operator.desk.planned.get(session.token) if session is not None else None
        leaves_s = planned[0] - now if planned is not None else None
        return self.rules.held(self.operator.rules.cost, user_class, self.minute(now), leaves_s)

    # --- the quarter-hour ---------------------------------------------------------------------------------------

    def _quarter(self, now: float) -> int:
        return int((now + self._ahead_s) // QUARTER_S)

    def _count(self, now: float) -> None:
        quarter, kwh, at = self._mean
        this = self._quarter(now)
        if this != quarter:
            kwh, at = 0.0, this * QUARTER_S - self._ahead_s
        shown = self.operator.meters.shown.get(self.operator.site.root.name)
        self._mean = this, kwh + max(0.0, shown[0] if shown else 0.0) / 1000.0 * (now - at) / 3600.0, now

    def target(self, now: float) -> DemandTarget | None:
        """The target in force."""
        return self.rules.target_at(self.operator.desk.when(now))

    def limits(self, now: float) -> list[Limit]:
        """The target as a limit: no more than it at any time, and less for the rest of a quarter-hour that began above it. What protected
        classes can use is not held back."""
        target = self.target(now)
        if target is None:
            return []
        _, kwh, at = self._mean
        left_s = max(60.0, QUARTER_S - (at + self._ahead_s) % QUARTER_S)
        passed_s = QUARTER_S - left_s
        rest_kw = max(0.0, (target.limit_kw * QUARTER_S / 3600.0 - kwh) * 3600.0 / left_s)
        limit_kw, rule = target.limit_kw, f"demand target of {target.limit_kw:g} kW"
        if rest_kw < target.limit_kw - STEP_KW:
            limit_kw = math.floor(rest_kw / STEP_KW) * STEP_KW
            rule += f", {kwh * 3600.0 / max(passed_s, 1.0):.0f} kW so far in this quarter of an hour"
        protected_kw = self._protected_kw()
        if protected_kw > limit_kw:
            limit_kw, rule = protected_kw, f"{rule}, what protected classes and the building need"
        root = self.operator.site.root
        return [Limit(root.name, root.rating_a, target.source, round(limit_kw, 3), rule)]

    def _protected_kw(self) -> float:
        """What sessions of protected classes can use, with what flows beside all sessions; 0 where nobody is protected."""
        operator = self.operator
        watts = 0.0
        for place in operator.places.values():
            if place.session is not None and operator.protected(operator.class_name(place.session.token) or ""):
                watts += operator.most_a(place) * len(place.phases) * NOMINAL_V
        if not watts:
            return 0.0
        beside = sum(sum(amps) for amps in operator.meters.unexplained().values())
        return (watts + beside * NOMINAL_V) / 1000.0
