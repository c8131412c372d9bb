"""Flaws of controllers in access and ranking, each as an override of one decision point."""

from __future__ import annotations

from dataclasses import replace

from chargekit.controller.operator import Operator
from chargekit.model.points import Defect
from chargekit.policy.access import Access
from chargekit.policy.priority import Ranked


class _Admits(Defect, Operator):
    """Takes no notice of one rule of access."""

    area, point, part = "access", "controller.access", "controller"
    rule = ""

    def admitted(self, station: str, token: str, now: float) -> Access:
        said = super().admitted(station, token, now)
        return replace(said, status="Accepted") if said.rule == self.rule else said


class OpenAllHours(_Admits):
    name = "open-all-hours"
    seen = "admits a token outside its access window"
    rule = "window"


class EveryBayForAll(_Admits):
    name = "every-bay-for-everybody"
    seen = "admits a token at stations it is not entitled to"
    rule = "place"


class BlockedPasses(_Admits):
    name = "blocked-tokens-pass"
    seen = "admits a blocked token because its class may charge"
    rule = "blocked"


class GuestsInTrouble(_Admits):
    name = "guests-whatever-happens"
    seen = "goes on admitting guests while an incident is open"
    rule = "guests"


class TakesStrangers(_Admits):
    name = "takes-in-strangers"
    seen = "admits tokens no rule knows"
    rule = "class"


class AlwaysInvalid(Defect, Operator):
    name = "always-says-invalid"
    seen = "refuses the right tokens, but calls all of them Invalid: stations and drivers can't tell a wrong hour from a wrong card"
    area, point, part = "access", "controller.access", "controller"

    def admitted(self, station: str, token: str, now: float) -> Access:
        said = super().admitted(station, token, now)
        return said if said.accepted else replace(said, status="Invalid")


class OneOfEachClass(Defect, Operator):
    name = "one-of-each-class"
    seen = "takes in one card of a class and answers Invalid to the next: of a group that grows the rest is in no figure"
    area, point, part = "figures", "controller.access", "controller"

    def admitted(self, station: str, token: str, now: float) -> Access:
        said, name = super().admitted(station, token, now), self.class_name(token)
        known: dict[str | None, str] = self.__dict__.setdefault("_known", {})
        return said if known.setdefault(name, token) == token else replace(said, status="Invalid")


class NeverRotates(Defect, Operator):
    name = "early-birds-keep"
    seen = "who plugged in first keeps the charger: turns are not counted"
    area, point, part = "priority", "controller.standing", "controller"

    def standing(self, station: str, token: str, now: float) -> Ranked | None:
        stands = super().standing(station, token, now)
        return replace(stands, tie=()) if stands is not None else None


class OneOrderAllDay(Defect, Operator):
    name = "one-order-all-day"
    seen = "ranks the classes as the base order says, whatever the hour"
    area, point, part = "priority", "controller.standing", "controller"

    def standing(self, station: str, token: str, now: float) -> Ranked | None:
        stands, name = super().standing(station, token, now), self.class_name(token)
        return replace(stands, rank=self.rules.rank_of(name)) if stands is not None and name is not None and stands.rank >= 0 else stands


class DeafToDepartures(Defect, Operator):
    name = "deaf-to-departures"
    seen = "takes no notice of when a vehicle has to leave"
    area, point, part = "priority", "controller.standing", "controller"

    def standing(self, station: str, token: str, now: float) -> Ranked | None:
        self.desk.planned.clear()
        return super().standing(station, token, now)


class RemembersNoSession(Defect, Operator):
    name = "remembers-no-session"
    seen = "starts every day from nothing: what a driver got before counts for nothing"
    area, point, part = "priority", "controller.standing", "controller"

    def standing(self, station: str, token: str, now: float) -> Ranked | None:
        self.desk.past.clear()
        return super().standing(station, token, now)


RULE_DEFECTS: tuple[type[Defect], ...] = (
    OpenAllHours, EveryBayForAll, BlockedPasses, GuestsInTrouble, TakesStrangers, AlwaysInvalid, OneOfEachClass, NeverRotates,
    OneOrderAllDay, DeafToDepartures, RemembersNoSession,
)  # fmt: skip
