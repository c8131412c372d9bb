"""Flaws of controllers in what they do about overrides, incidents and lost capacity, each as an override of one decision point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chargekit.controller.allocator import Demand
from chargekit.controller.incidents import Incident
from chargekit.controller.operator import Operator
from chargekit.controller.places import Place
from chargekit.model.points import Defect
from chargekit.policy.overrides import Override
from chargekit.world.events import Effect


class RevokedInWord(Defect, Operator):
    name = "revoked-in-word-only"
    seen = "notes that an override was revoked, and goes on by it"
    area, point, part = "overrides", "controller.revocation", "controller"

    def revokes(self, one: Override) -> None:
        kept = self.overrides
        super().revokes(one)
        self.overrides = kept


class BeyondBounds(Defect, Operator):
    name = "overrides-without-bound"
    seen = "grants an override for as long as it is asked for"
    area, point, part = "overrides", "controller.override", "controller"

    def overriding(self, args: Mapping[str, Any], now: float) -> Override:
        made = super().overriding({**args, "until": now + 1.0}, now)
        return replace(made, until=float(args["until"]))


class OffTheRecord(Defect, Operator):
    name = "overrides-off-the-record"
    seen = "puts on record that there is an override, and not whose: nobody sees that they became a habit"
    area, point, part = "figures", "controller.override_record", "controller"

    def on_record(self, made: Override) -> dict[str, Any]:
        return {name: value for name, value in super().on_record(made).items() if name not in ("who", "why", "role")}


class AnybodyOverrides(Defect, Operator):
    name = "anybody-overrides"
    seen = "takes an override from whoever asks"
    area, point, part = "overrides", "controller.override", "controller"

    def overriding(self, args: Mapping[str, Any], now: float) -> Override:
        who = self.rules.overrides[str(args.get("category") or "general")].who
        return super().overriding({**args, "who": who[0] if who else args.get("who")}, now)


class RestartsOverrides(Defect, Operator):
    name = "overrides-begin-anew"
    seen = "gives an override its whole time again when the controller restarts"
    area, point, part = "overrides", "controller.override_recalled", "controller"

    def recalled(self, one: Override) -> Override:
        one = super().recalled(one)
        return replace(one, until=(self.csms.back_at or 0.0) + one.until - one.created)


class EmergenciesGiveWay(Defect, Operator):
    name = "emergencies-give-way"
    seen = "lets an emergency stand back while capacity is lost"
    area, point, part = "overrides", "controller.holds", "controller"

    def held_first(self, station: str, token: str, now: float) -> bool:
        super().held_first(station, token, now)
        return False


class _Unanswered(Defect, Operator):
    """Goes on as if one response were none."""

    area, point, part = "responses", "controller.response", "controller"
    how = ""

    def response(self, place: Place, demand: Demand, now: float) -> Demand:
        changed = super().response(place, demand, now)
        if place.answered is None or place.answered.how != self.how:
            return changed
        place.answered = None
        return demand


class ProtectsNobody(_Unanswered):
    name = "protects-nobody"
    seen = "serves by the everyday ranks when capacity is lost, and forgets who is critical"
    how = "protect_critical"


class ReducesByRank(_Unanswered):
    name = "reduces-by-rank"
    seen = "takes lost capacity from the lower ranks alone, where all should have a little less"
    how = "reduce_evenly"


class SuspendsNobody(_Unanswered):
    name = "suspends-nobody"
    seen = "goes on serving those who are to make room when capacity is lost"
    how = "suspend_lower"


class NeverCloses(Defect, Operator):
    name = "incidents-never-close"
    seen = "keeps an incident open after its cause is gone"
    area, point, part = "incidents", "controller.incident_over", "controller"

    def incident_over(self, one: Incident, now: float) -> str:
        super().incident_over(one, now)
        return ""


class TellsNobody(Defect, Operator):
    name = "escalates-to-nobody"
    seen = "opens incidents and tells nobody, however long they last"
    area, point, part = "incidents", "controller.escalation", "controller"

    def escalates(self, one: Incident, now: float, out: list[Effect]) -> None:
        super().escalates(one, now, [])


class NewEachTime(Defect, Operator):
    name = "an-incident-each-time"
    seen = "opens another incident whenever a link fails again: the real ones drown"
    area, point, part = "incidents", "controller.incident", "controller"

    def incident_begins(self, kind: str, subject: str, circuit: str, why: str, now: float, out: list[Effect], by: str = "") -> None:
        self.incidents.forget()
        super().incident_begins(kind, subject, circuit, why, now, out, by)


INCIDENT_DEFECTS: tuple[type[Defect], ...] = (
    RevokedInWord, BeyondBounds, OffTheRecord, AnybodyOverrides, RestartsOverrides, EmergenciesGiveWay, ProtectsNobody, ReducesByRank,
    SuspendsNobody, NeverCloses, TellsNobody, NewEachTime,
)  # fmt: skip
