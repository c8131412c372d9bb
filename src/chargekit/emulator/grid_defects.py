"""Flaws of real stations towards limits from outside OCPP and in switching phases, each as an override of one decision point."""

from __future__ import annotations

from dataclasses import replace

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.model.profile import Purpose
from chargekit.model.schedule import InForce

_Base = Station


class IgnoresExternal(Defect, _Base):
    name = "ignores-external-limit"
    seen = "takes an external limit, tells it, and goes on charging by its profiles alone"
    area, point = "external", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        kept = self.store.installed
        self.store.installed = [one for one in kept if one.profile.purpose is not Purpose.EXTERNAL]
        try:
            return super().limit_in_force(outlet, now)
        finally:
            self.store.installed = kept


class KeepsExternal(Defect, _Base):
    name = "external-limit-never-released"
    seen = "an external limit goes on binding after its release, until the next power cut"
    area, point = "external", "station.external_limits"
    _kept: dict[int, list[tuple[float, str]]] | None = None

    def external_limits(self, evse: int) -> list[tuple[float, str]]:
        good = super().external_limits(evse)
        self._kept = self._kept or {}
        if good:
            self._kept[evse] = good
        return good or self._kept.get(evse, [])


class ExternalLeads(Defect, _Base):
    name = "external-limit-raises"
    seen = "lets an external limit lead alone: it also raises what a profile holds down"
    area, point = "external", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        outside = [a for evse in (0, outlet.evse.id) for a, _ in self.external_limits(evse)]
        return replace(good, limit_a=min(outside)) if outside else good


class ExternalNextTime(Defect, _Base):
    name = "external-limit-only-while-charging"
    seen = "minds an external limit only where it comes during a transaction; the next one starts without it"
    area, point = "external", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        outside = [a for evse in (0, outlet.evse.id) for a, _ in self.external_limits(evse)]
        began = outlet.tx.ref if outlet.tx is not None else ""
        if outlet.marks.get("began") != began:
            outlet.marks["began"], outlet.marks["before"] = began, outside
        return replace(good, limit_a=outlet.evse.max_a) if outside and outside == outlet.marks["before"] else good


class HushesExternal(Defect, _Base):
    name = "external-limit-not-told"
    seen = "obeys an external limit without a word to the CSMS"
    area, point = "external", "station.tell_limit"

    def tell_limit(self, evse: int, source: str, more: str, limit_a: float | None, now: float) -> bool:
        return True


class PhaseArithmetic(Defect, _Base):
    name = "phase-arithmetic"
    seen = "divides a limit in watts by three also where numberPhases is 1"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        watts = bool(good.leading) and good.leading[0].unit == "W"
        return replace(good, limit_a=good.limit_a * good.phases / 3.0) if watts and good.phases else good


class AllPhases(Defect, _Base):
    name = "ignores-number-of-phases"
    seen = "takes a limit for one phase and draws it on each of three"
    area, point = "profiles", "station.phases"

    def phases_of(self, outlet: Outlet, force: InForce) -> tuple[int, int]:
        super().phases_of(outlet, force)
        return outlet.evse.phases, 1


class SwitchesUnderLoad(Defect, _Base):
    name = "switches-phases-under-load"
    seen = "switches from three phases to one while the vehicle draws"
    area, point = "profiles", "station.phases"

    def phases_of(self, outlet: Outlet, force: InForce) -> tuple[int, int]:
        outlet.wired = super().phases_of(outlet, force)
        return outlet.wired


GRID_DEFECTS: tuple[type[Defect], ...] = (
    IgnoresExternal, KeepsExternal, ExternalLeads, ExternalNextTime, HushesExternal, PhaseArithmetic, AllPhases, SwitchesUnderLoad,
)  # fmt: skip
