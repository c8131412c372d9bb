"""Flaws of controllers, each as an override of one decision point of the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chargekit.controller.allocator import Demand
from chargekit.controller.operator import Operator
from chargekit.controller.places import Place
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.points import Defect
from chargekit.model.profile import Period
from chargekit.model.session import Session
from chargekit.model.site import Circuit
from chargekit.policy.overrides import Override


class FirstComeFirstServed(Defect, Operator):
    name = "first-come-first-served"
    seen = "whoever plugged in first keeps the power, whatever the classes' ranks"
    area, point, part = "priority", "controller.rank", "controller"

    def rank_of(self, station: str, token: str, now: float) -> tuple[int, str]:
        super().rank_of(station, token, now)
        return 0, "all alike"


class OverTheCap(Defect, Operator):
    name = "cap-ten-percent-over"
    seen = "allocates 10 % more than the import cap"
    area, point, part = "caps", "controller.limits", "controller"

    def limits_at(self, now: float) -> Sequence[Limit]:
        return [replace(one, limit_a=one.limit_a * 1.1) for one in super().limits_at(now)]


class IgnoresCap(Defect, Operator):
    name = "ignores-circuit-limits"
    seen = "gives every session its full current, whatever the circuits carry"
    area, point, part = "caps", "controller.limits", "controller"

    def limits_at(self, now: float) -> Sequence[Limit]:
        return [replace(one, limit_a=100_000.0) for one in super().limits_at(now)]

    def tree(self) -> Mapping[str, Circuit]:
        return {name: replace(one, rating_a=100_000.0) for name, one in super().tree().items()}


class GivesNothing(Defect, Operator):
    name = "gives-nothing"
    seen = "keeps every cap by giving hardly any current at all"
    area, point, part = "caps", "controller.limits", "controller"

    def limits_at(self, now: float) -> Sequence[Limit]:
        return [replace(one, limit_a=one.limit_a * 0.5) for one in super().limits_at(now)]


class OverrideForEver(Defect, Operator):
    name = "override-never-ends"
    seen = "an override goes on leading after its expiry"
    area, point, part = "overrides", "controller.override_leads", "controller"

    def override_leads(self, one: Override, now: float) -> bool:
        super().override_leads(one, now)
        return True


class NoFallbackInLease(Defect, Operator):
    name = "lease-without-fallback"
    seen = "sends limits without a second period, so a station cut off keeps its last limit for ever"
    area, point, part = "fallback", "controller.periods", "controller"

    def periods(self, amps: float, lasts_s: float) -> tuple[Period, ...]:
        return super().periods(amps, lasts_s)[:1]


class TrustsSilentMeter(Defect, Operator):
    name = "trusts-a-silent-meter"
    seen = "goes on with the last reading of a grid meter that does not answer any more"
    area, point, part = "metering", "controller.limits", "controller"

    def limits_at(self, now: float) -> Sequence[Limit]:
        return [one for one in super().limits_at(now) if "silent" not in one.rule]


class BelievesAnything(Defect, Operator):
    name = "believes-an-implausible-meter"
    seen = "takes a grid meter at its word that shows less than the sessions draw"
    area, point, part = "metering", "controller.plausible", "controller"

    def plausible(self, circuit: str, shown: PhaseAmps, ours: PhaseAmps, uncounted_wh: float) -> bool:
        super().plausible(circuit, shown, ours, uncounted_wh)
        return True


class NeverLearns(Defect, Operator):
    name = "keeps-what-nobody-draws"
    seen = "goes by the outlets' ratings: what a vehicle or its station can't use is kept from the others"
    area, point, part = "external", "controller.demand", "controller"

    def most_a(self, place: Place) -> float:
        super().most_a(place)
        return place.outgoing.rating_a


class LeadsNobodyItFinds(Defect, Operator):
    name = "leads-nobody-it-finds"
    seen = "after a restart it leads new sessions only: those that were running keep what they had, whatever the cap"
    area, point, part = "fallback", "controller.leads", "controller"

    def leads(self, place: Place) -> Session | None:
        session = super().leads(place)
        back_at = self.csms.back_at
        return None if session is not None and back_at is not None and session.started < back_at else session


class BaseLags(Defect, Operator):
    name = "base-load-lags"
    seen = "reckons with what the building drew three minutes ago"
    area, point, part = "caps", "controller.base", "controller"

    def base_load(self, now: float) -> Mapping[str, PhaseAmps]:
        past: list[tuple[float, Mapping[str, PhaseAmps]]] = self.__dict__.setdefault("_past", [])
        past.append((now, super().base_load(now)))
        while len(past) > 1 and past[1][0] <= now - 180.0:
            del past[0]
        return past[0][1]


class NeverTries(Defect, Operator):
    name = "six-amperes-are-enough"
    seen = "goes on offering 6 A to a vehicle that takes nothing below 10 A"
    area, point, part = "caps", "controller.appetite", "controller"

    def wanting(self, place: Place, demand: Demand) -> Demand:
        super().wanting(place, demand)
        return replace(demand, most_a=demand.least_a) if place.appetite.least_a > demand.least_a else demand


CONTROLLER_DEFECTS: tuple[type[Defect], ...] = (
    FirstComeFirstServed, OverTheCap, IgnoresCap, GivesNothing, OverrideForEver, NoFallbackInLease, TrustsSilentMeter,
    BelievesAnything, NeverLearns, LeadsNobodyItFinds, BaseLags, NeverTries,
)  # fmt: skip
