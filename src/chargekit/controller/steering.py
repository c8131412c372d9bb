"""What rules beside the ranks make of a demand and of the limits: signals, costs, guarantees, who is throttled first, idle sessions.

Each is a decision point of its own. What holds a session below what it can use is said in its demand's reason as a clause that begins with
`held to`, with the rule's file and line: that is what `explain` tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from chargekit.controller.allocator import Budget, Demand, allocate
from chargekit.controller.costing import CostDesk
from chargekit.controller.headroom import Headroom, by_current, current_of
from chargekit.controller.idle import IdleDesk, Stay
from chargekit.controller.peer import Peer
from chargekit.controller.places import Place
from chargekit.controller.precedence import Precedence
from chargekit.controller.signals import SignalDesk
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.points import point
from chargekit.policy.costs import Held
from chargekit.policy.signals import Signal, SignalRule, floor_a, taken
from chargekit.wire.messages import Fact, LimitImposed, LimitReleased, SetKey
from chargekit.world.events import Effect

OUT: Final = 10_000
"""The turn of who is not admitted at all: served with what is left."""
WITH_SCHEDULES: Final = "SmartChargingCtrlr.NotifyChargingLimitWithSchedules"


class Steering(Precedence):
    """The part of the operator that takes from some and keeps for others."""

    signals: SignalDesk
    idle: IdleDesk
    costing: CostDesk

    def _steer(self) -> None:
        """Set up, once the rest of the operator stands."""
        self.signals, self.idle, self.costing = SignalDesk(self), IdleDesk(self), CostDesk(self)
        self.ruled = self.budgets = self.budgeted()
        self.spent_by = {}

    def _steering(self, now: float, out: list[Effect]) -> bool:
        """Time went by: what is over ends, who is idle is asked. True if every session is to be asked again."""
        self.idle.tick(now, out)
        signals, costs = self.signals.tick(now, out), self.costing.tick(now)
        return signals or costs

    def _limited(self, now: float) -> list[Limit]:
        """The limits that signals and costs come to."""
        return [*self.signal_limits(now), *self.demand_limits(now)]

    def steered(self, place: Place, demand: Demand, now: float) -> Demand:
        """A demand as all these rules leave it."""
        session = place.session
        if session is None:
            return demand
        user_class = self.class_name(session.token) or ""
        demand = replace(demand, current="dc") if current_of(place) == "dc" else demand
        # Who draws nothing keeps nothing from others.
        demand = demand if place.appetite.last else self.guaranteed(user_class, demand)
        demand = self._priced(place, user_class, demand, now)
        for one, rule in self.signals.at(place, now):
            demand = self.signalled(place, user_class, demand, one, rule)
        return demand

    @point("controller.heard")
    def heard(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> bool:
        """What a station tells of limits from outside. True if every session is to be asked again."""
        match fact:
            case LimitImposed():
                return self.signals.imposed(peer, fact, now, out)
            case LimitReleased():
                return self.signals.released(peer, fact.evse, fact.source, out)
            case _:
                return False

    def _ask_limits(self, peer: Peer, now: float, out: list[Effect]) -> None:
        """Where limits from outside are signals, stations are asked to tell how much they are."""
        if "external" in self.rules.power.signals and peer.version != "1.6":
            self.csms.command(peer, SetKey(WITH_SCHEDULES, "true"), now, out, ("key", WITH_SCHEDULES))

    # --- signals ------------------------------------------------------------------------------------------------

    @point("controller.signal_taken")
    def signal_taken(self, args: Mapping[str, Any], now: float) -> Signal:
        """A signal as the rules take it; ValueError says why not."""
        return taken(self.rules.power.signals, args, now, self.site.circuits, self.site.root.name)

    @point("controller.signal_leads")
    def signal_leads(self, one: Signal, now: float) -> bool:
        """A signal leads until its end, and not at it."""
        return now < one.until

    @point("controller.signal_limits")
    def signal_limits(self, now: float) -> list[Limit]:
        """What the signals in force leave of their circuits."""
        return self.signals.limits(now)

    @point("controller.dimmed")
    def dimmed_kw(self, asked_kw: float, least_kw: float) -> float:
        """What a dimming leaves those it means together: what is asked, but their floors at least."""
        return max(asked_kw, least_kw)

    @point("controller.exempt")
    def exempt(self, user_class: str, rule: SignalRule) -> bool:
        """Whether a signal takes nothing from a class."""
        return user_class in rule.exempt

    @point("controller.signalled")
    def signalled(self, place: Place, user_class: str, demand: Demand, one: Signal, rule: SignalRule) -> Demand:
        """What a signal makes of a demand: an external limit bounds it; from others exempt sessions keep all and the rest their floor,
        as far as the circuits carry it."""
        if one.station:
            most = one.limit_a if one.limit_a is not None else (one.limit_kw or 0.0) * 1000.0 / (230.0 * len(place.phases))
            return held_to(demand, most, f"{one.who or 'somebody'} limits {one.station} ({rule.source})")
        if one.kind == "external" or place.appetite.last:
            return demand
        if self.exempt(user_class, rule):
            return _keeps(demand, demand.most_a, f"exempt from {one.kind} {one.id} ({rule.source})")
        return _keeps(demand, floor_a(rule, len(place.phases)), f"through {one.kind} {one.id} ({rule.source})") if rule.floor_kw else demand

    # --- costs --------------------------------------------------------------------------------------------------

    @point("controller.opt_out")
    def protected(self, user_class: str) -> bool:
        """Whether no rule of cost may touch a class."""
        return user_class in self.rules.costing.opt_out

    @point("controller.priced")
    def priced(self, place: Place, user_class: str, now: float) -> Held | None:
        """What the price of energy holds a session to; None: nothing."""
        return self.costing.held(place, user_class, now)

    @point("controller.shift")
    def shifts(self, user_class: str) -> bool:
        """Whether the plan may move a class into cheap hours."""
        return self.rules.costing.shifts(user_class)

    def _priced(self, place: Place, user_class: str, demand: Demand, now: float) -> Demand:
        held = self.priced(place, user_class, now)
        if held is not None:
            demand = held_to(demand, held.most_a, held.because)
        if self.protected(user_class) and not place.appetite.last and self.costing.target(now) is not None:
            return _keeps(demand, demand.most_a, f"no rule of cost touches it ({self.rules.costing.source})")
        return demand

    @point("controller.demand_target")
    def demand_limits(self, now: float) -> list[Limit]:
        """What keeps the mean of the quarter-hour below its target."""
        return self.costing.limits(now)

    # --- AC and DC apart ----------------------------------------------------------------------------------------

    @point("controller.budgets")
    def budgeted(self) -> tuple[Budget, ...]:
        """What sessions of each kind of current may have together, and where."""
        return tuple(
            Budget(one.circuit, one.limit_a, "dc" if one.current == "dc" else "ac", one.source, "budget")
            for one in self.rules.power.budgets
        )

    @point("controller.station_limits")
    def station_limits(self, now: float) -> tuple[Budget, ...]:
        """What limits from outside leave the EVSEs of a whole station together."""
        return self.signals.stations(now)

    def _spent(self, now: float, *, led: bool) -> dict[tuple[str, str], PhaseAmps]:
        """What EVSEs could draw, by circuit and kind of current: all, or those nobody leads."""
        return by_current(self.budgets, self.places.values(), lambda place: self.reserve(place.outgoing, place.peer, now), led=led)

    def headroom(self, flows: Mapping[str, PhaseAmps], now: float) -> Headroom:
        """What kW caps and budgets leave for raises."""
        above = {name: {c.name for c in self.site.path(name)} for name in self.site.circuits} if self.budgets else {}
        limits = self._tight(now)
        return Headroom(limits, flows, self.budgets, self._spent(now, led=True), lambda name, over: over in above[name])

    # --- guarantees and throttling ------------------------------------------------------------------------------

    @point("controller.guarantee")
    def guaranteed(self, user_class: str, demand: Demand) -> Demand:
        """Whether its minimum comes before anybody's surplus."""
        first = self.rules.power.min_first
        if first is None or user_class not in first.classes:
            return demand
        return _keeps(demand, demand.least_a, f"its minimum comes first ({first.source})")

    @point("controller.throttle")
    def turn(self, user_class: str, now: float) -> tuple[int, str]:
        """When a class gives up what is above its minimum: the higher the earlier, 0 for who is not named; and by which rule."""
        for one, rule in self.signals.leading(now):
            if user_class in rule.first and one.kind != "external":
                return 1000, f"gives first while {one.kind} {one.id} lasts ({rule.source})"
        throttle = self.rules.power.throttle
        turn = throttle.turn(user_class) if throttle is not None else 0
        return turn, f"throttled {_th(len(throttle.classes) - turn + 1)} ({throttle.source})" if throttle is not None and turn else ""

    def throttled(
        self, demands: Sequence[Demand], tight: Sequence[Limit], reserved: Mapping[str, PhaseAmps], now: float, **more: Any
    ) -> Sequence[Demand]:
        """The demands as the order of throttling has them: who is admitted is decided by rank alone; those keep their minima, and of what
        is above them, who is throttled first is served last. The very same where nobody who is there is throttled out of turn."""
        turns = {d.id: self._turn_of(d, now) for d in demands} if self._throttles(now) else {}
        if not any(turn for turn, _ in turns.values()):
            return demands
        grants = allocate(self.tree(), tight, demands, reserved, **more).grants
        places = {d.id: (turns[d.id][0] if grants[d.id].amps else OUT, d.rank) for d in demands}
        ranks = {pair: n for n, pair in enumerate(sorted(set(places.values())))}
        found = []
        for d in demands:
            _, why = turns[d.id]
            floor = min(grants[d.id].amps, max(d.least_a, d.floor_a))
            because = f"{d.because}; {why}" if why else d.because
            found.append(replace(d, rank=ranks[places[d.id]], floor_a=floor, because=because))
        return found

    def _throttles(self, now: float) -> bool:
        return self.rules.power.throttle is not None or any(rule.first for _, rule in self.signals.leading(now))

    def _turn_of(self, demand: Demand, now: float) -> tuple[int, str]:
        session = self._by_id[demand.id].session
        return self.turn(self.class_name(session.token) or "" if session is not None else "", now)

    # --- idle sessions ------------------------------------------------------------------------------------------

    @point("controller.over")
    def over_since(self, place: Place, stay: Stay, now: float) -> float | None:
        """Since when a session has been over of its own accord."""
        return self.idle.over_since(place, stay, now)

    @point("controller.idle")
    def idle_due(self, user_class: str, idle_s: float, leaves_s: float | None) -> str:
        """What is due for a session that has been idle so long: `asked`, `released` or nothing."""
        rule = self.rules.power.idle
        return rule.due(user_class, idle_s, leaves_s=leaves_s) if rule is not None else ""


def held_to(demand: Demand, most_a: float, why: str) -> Demand:
    """A demand that may have no more than this for a rule's sake. The reason is only said where it binds, also of one that
    waits already: it would not get more."""
    if most_a >= max(demand.most_a, demand.least_a):
        return demand
    because = f"{demand.because}; held to {most_a:g} A: {why}"
    most_a = min(most_a, demand.most_a)
    return replace(demand, most_a=most_a, floor_a=min(demand.floor_a, most_a), because=because)


def _keeps(demand: Demand, least_a: float, why: str) -> Demand:
    """A demand with a protected floor, as far as it can use it."""
    floor = min(demand.most_a, least_a)
    if floor <= demand.floor_a:
        return demand
    return replace(demand, floor_a=floor, because=f"{demand.because}; keeps {floor:g} A: {why}")


def _th(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
