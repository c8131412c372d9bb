"""Flaws of vehicles, contactors, breakers and meters."""

from __future__ import annotations

from chargekit.emulator.battery import segments
from chargekit.emulator.bay import Bay
from chargekit.emulator.plant import Plant
from chargekit.model.points import Defect


class WeldedContactor(Defect, Plant):
    name = "welded-contactor"
    seen = "current goes on flowing after the contactor was told to open, with nobody authorised"
    area, point, part = "always", "plant.contactor_open", "plant"

    def opened(self, bay: Bay) -> bool:
        return super().opened(bay) and (bay.car is None or bay.drawn <= 0.0)

    def drawn(self, bay: Bay) -> float:
        return max(super().drawn(bay), bay.drawn if not bay.closed and bay.car else 0.0)


class CarIgnoresPilot(Defect, Plant):
    name = "car-ignores-pilot"
    seen = "the vehicle draws its own maximum whatever the pilot offers, and the charger does not cut it off"
    area, point, part = "profiles", "plant.drawn", "plant"

    def drawn(self, bay: Bay) -> float:
        good = super().drawn(bay)
        return min(bay.car.vehicle.ac_max_a, bay.evse.max_a) if good > 0 and bay.car and not bay.evse.dc else good


class RegisterResets(Defect, Plant):
    name = "register-resets"
    seen = "the energy register inside the station falls back to zero after 300 Wh"
    area, point, part = "always", "plant.register", "plant"

    def register_wh(self, bay: Bay, now: float) -> float:
        good = super().register_wh(bay, now)
        return good if good < 300.0 else good - 300.0


class ModulesOversold(Defect, Plant):
    name = "modules-oversold"
    seen = "each DC outlet delivers as if the shared modules were its own"
    area, point, part = "dc", "plant.modules", "plant"

    def share_w(self, bay: Bay) -> float:
        super().share_w(bay)
        return float("inf")


class HoldsItsPower(Defect, Plant):
    name = "dc-holds-its-power"
    seen = "a DC outlet goes on at full power when the vehicle asks for less towards the end of its charge"
    area, point, part = "dc", "plant.request", "plant"

    def request(self, bay: Bay) -> None:
        super().request(bay)
        car = bay.car
        if car is None or not bay.evse.dc:
            return
        most_w = car.vehicle.dc_max_kw * 1000.0
        car.curve = segments(car.vehicle.capacity_wh, ((0.0, most_w), (100.0, most_w)), car.share(bay.evse, bay.volts, bay.phases))


PLANT_DEFECTS: tuple[type[Defect], ...] = (WeldedContactor, CarIgnoresPilot, RegisterResets, ModulesOversold, HoldsItsPower)
