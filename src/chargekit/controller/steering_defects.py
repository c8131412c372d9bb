"""Flaws of controllers with idle sessions, signals from the grid, costs, budgets and who is throttled first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chargekit.controller.allocator import Budget, Demand
from chargekit.controller.idle import Stay
from chargekit.controller.operator import Operator
from chargekit.controller.peer import Peer
from chargekit.controller.places import Place
from chargekit.model.limit import Limit
from chargekit.model.points import Defect
from chargekit.policy.costs import Held
from chargekit.policy.signals import Signal, SignalRule
from chargekit.wire.messages import Fact
from chargekit.world.events import Effect


class EndsNobody(Defect, Operator):
    name = "ends-no-idle-session"
    seen = "asks idle drivers to move and leaves it at that: who stays, stays"
    area, point, part = "idle", "controller.idle", "controller"

    def idle_due(self, user_class: str, idle_s: float, leaves_s: float | None) -> str:
        return "asked" if super().idle_due(user_class, idle_s, leaves_s) else ""


class EndsEverybody(Defect, Operator):
    name = "ends-everybodys-session"
    seen = "ends idle sessions of classes its rule does not name"
    area, point, part = "idle", "controller.idle", "controller"

    def idle_due(self, user_class: str, idle_s: float, leaves_s: float | None) -> str:
        super().idle_due(user_class, idle_s, leaves_s)
        rule = self.rules.power.idle
        return replace(rule, classes=()).due(user_class, idle_s, leaves_s=leaves_s) if rule is not None else ""


class AsksNobody(Defect, Operator):
    name = "asks-nobody-to-move"
    seen = "ends idle sessions without a word: the display never asks to move"
    area, point, part = "idle", "controller.idle", "controller"

    def idle_due(self, user_class: str, idle_s: float, leaves_s: float | None) -> str:
        due = super().idle_due(user_class, idle_s, leaves_s)
        return "" if due == "asked" else due


class WaitingIsIdle(Defect, Operator):
    name = "takes-waiting-for-idle"
    seen = "takes a session that waits for power for one that is over, and ends it"
    area, point, part = "idle", "controller.over", "controller"

    def over_since(self, place: Place, stay: Stay, now: float) -> float | None:
        since, sample = stay.over, place.known.sample
        super().over_since(place, stay, now)
        if sample is None or max(sample.current_a) >= 1.0:
            return None
        return since if since is not None else now


class DeafToSignals(Defect, Operator):
    name = "deaf-to-signals"
    seen = "takes a signal from the grid, records it and changes nothing"
    area, point, part = "signals", "controller.signal_limits", "controller"

    def signal_limits(self, now: float) -> list[Limit]:
        super().signal_limits(now)
        return []


class DimsToNothing(Defect, Operator):
    name = "dims-below-the-floor"
    seen = "dims as far as it is asked to, below what every vehicle is to keep"
    area, point, part = "signals", "controller.dimmed", "controller"

    def dimmed_kw(self, asked_kw: float, least_kw: float) -> float:
        super().dimmed_kw(asked_kw, least_kw)
        return asked_kw


class SignalForEver(Defect, Operator):
    name = "signal-never-ends"
    seen = "goes on obeying a signal after its end"
    area, point, part = "signals", "controller.signal_leads", "controller"

    def signal_leads(self, one: Signal, now: float) -> bool:
        super().signal_leads(one, now)
        return True


class ExemptsNobody(Defect, Operator):
    name = "dims-the-exempt"
    seen = "dims classes the rule exempts"
    area, point, part = "signals", "controller.exempt", "controller"

    def exempt(self, user_class: str, rule: SignalRule) -> bool:
        super().exempt(user_class, rule)
        return False


class TakesAnySignal(Defect, Operator):
    name = "signals-without-end"
    seen = "takes signals that last longer than the rules allow"
    area, point, part = "signals", "controller.signal_taken", "controller"

    def signal_taken(self, args: Mapping[str, Any], now: float) -> Signal:
        longest = self.rules.power.signals[str(args["kind"])].longest_s
        signal = super().signal_taken({**args, "until": min(float(args.get("until", now)), now + longest)}, now)
        return replace(signal, until=float(args["until"]))


class DeafToOutside(Defect, Operator):
    name = "deaf-to-external-limits"
    seen = "does not listen when a station tells that somebody limits it: what it can't use is kept from the others"
    area, point, part = "signals", "controller.heard", "controller"

    def heard(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> bool:
        return False


class LimitsEachOutlet(Defect, Operator):
    name = "limits-each-outlet"
    seen = "takes a limit on a whole station for one on each of its outlets: together they draw it twice"
    area, point, part = "signals", "controller.station_limits", "controller"

    def station_limits(self, now: float) -> tuple[Budget, ...]:
        whole = super().station_limits(now)
        return tuple(replace(one, members=frozenset({member})) for one in whole for member in sorted(one.members))


class ThrottlesByRank(Defect, Operator):
    name = "throttles-by-rank"
    seen = "takes from the lowest rank first, whoever is to be throttled first"
    area, point, part = "throttling", "controller.throttle", "controller"

    def turn(self, user_class: str, now: float) -> tuple[int, str]:
        super().turn(user_class, now)
        return 0, ""


class StrictForAll(Defect, Operator):
    name = "guarantees-no-minimum"
    seen = "serves higher ranks in full before a class that is to have its minimum first"
    area, point, part = "throttling", "controller.guarantee", "controller"

    def guaranteed(self, user_class: str, demand: Demand) -> Demand:
        super().guaranteed(user_class, demand)
        return demand


class NoBudgets(Defect, Operator):
    name = "one-budget-for-all"
    seen = "lets AC and DC have all a circuit carries"
    area, point, part = "budgets", "controller.budgets", "controller"

    def budgeted(self) -> tuple[Budget, ...]:
        super().budgeted()
        return ()


class DeafToPrices(Defect, Operator):
    name = "deaf-to-prices"
    seen = "charges everybody at full power while energy is dear"
    area, point, part = "cost", "controller.priced", "controller"

    def priced(self, place: Place, user_class: str, now: float) -> Held | None:
        super().priced(place, user_class, now)
        return None


class PausesTheHurried(Defect, Operator):
    name = "pauses-who-has-to-leave"
    seen = "pauses a class above its price, although the vehicle has to leave soon"
    area, point, part = "cost", "controller.priced", "controller"

    def priced(self, place: Place, user_class: str, now: float) -> Held | None:
        super().priced(place, user_class, now)
        return self.rules.costing.held(self.rules.cost, user_class, self.costing.minute(now), None)


class NoDemandTarget(Defect, Operator):
    name = "overruns-the-demand-target"
    seen = "takes no notice of the mean of the quarter-hour"
    area, point, part = "cost", "controller.demand_target", "controller"

    def demand_limits(self, now: float) -> list[Limit]:
        super().demand_limits(now)
        return []


class ProtectsNobody(Defect, Operator):
    name = "opts-nobody-out"
    seen = "holds protected classes to the demand target like anybody"
    area, point, part = "cost", "controller.opt_out", "controller"

    def protected(self, user_class: str) -> bool:
        super().protected(user_class)
        return False


class ShiftsNobody(Defect, Operator):
    name = "charges-at-once"
    seen = "charges whoever comes at once, though it was said to be moved into cheap hours and stays long enough"
    area, point, part = "cost", "controller.shift", "controller"

    def shifts(self, user_class: str) -> bool:
        super().shifts(user_class)
        return False


class ShiftsWhateverTheDeparture(Defect, Operator):
    name = "waits-for-cheap-hours"
    seen = "holds who is moved into cheap hours until they come, although it has to leave before"
    area, point, part = "cost", "controller.priced", "controller"

    def priced(self, place: Place, user_class: str, now: float) -> Held | None:
        held, cost = super().priced(place, user_class, now), self.rules.cost
        cheapest = min((cost.price, *(band.price for band in cost.bands)))
        dear = self.costing.price(now) > cheapest
        told = place.session is not None and place.session.token in self.desk.planned
        return Held(0.0, "energy is dear", cost.source) if dear and told and self.shifts(user_class) else held


STEERING_DEFECTS: tuple[type[Defect], ...] = (
    EndsNobody, EndsEverybody, AsksNobody, WaitingIsIdle, DeafToSignals, DimsToNothing, SignalForEver, ExemptsNobody, TakesAnySignal,
    DeafToOutside, LimitsEachOutlet, ThrottlesByRank, StrictForAll, NoBudgets, DeafToPrices, PausesTheHurried, NoDemandTarget,
    ProtectsNobody, ShiftsNobody, ShiftsWhateverTheDeparture,
)  # fmt: skip
