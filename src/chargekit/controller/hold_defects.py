"""Flaws of controllers that forget what they gave and took, each as an override of one decision point."""

from __future__ import annotations

from dataclasses import replace

from chargekit.controller.allocator import Demand
from chargekit.controller.operator import Operator
from chargekit.controller.places import Place
from chargekit.model.points import Defect


class Flaps(Defect, Operator):
    name = "flaps"
    seen = "takes current away and gives it back as often as the room for it comes and goes: 60 s on, 20 s off, until vehicles give up"
    area, point, part = "stability", "controller.hold", "controller"

    def held(self, place: Place, demand: Demand, now: float) -> Demand:
        super().held(place, demand, now)
        return replace(demand, tie=(1, *demand.tie))


class StarvesTheLast(Defect, Operator):
    name = "starves-the-last"
    seen = "where not all can charge, who came last gets nothing as long as the others stay"
    area, point, part = "stability", "controller.turns", "controller"

    def turns(self, place: Place, user_class: str) -> int:
        super().turns(place, user_class)
        return 0


class KeepsForSleepers(Defect, Operator):
    name = "keeps-amps-for-sleepers"
    seen = "keeps the least a vehicle takes for one that draws nothing, full or asleep, while others wait"
    area, point, part = "stability", "controller.appetite", "controller"

    def wanting(self, place: Place, demand: Demand) -> Demand:
        found = super().wanting(place, demand)
        return replace(found, rank=demand.rank, floor_a=demand.floor_a, because=demand.because)


class LetsSleepersLie(Defect, Operator):
    name = "lets-sleepers-lie"
    seen = "offers current again after a pause and leaves it at that: a vehicle that fell asleep over it never charges again"
    area, point, part = "stability", "controller.demand", "controller"

    def most_a(self, place: Place) -> float:
        found = super().most_a(place)
        return found if found > 0.0 else place.appetite.lowest_a


HOLD_DEFECTS: tuple[type[Defect], ...] = (Flaps, StarvesTheLast, KeepsForSleepers, LetsSleepersLie)
