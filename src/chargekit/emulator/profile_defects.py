"""Flaws of real stations in resolving charging profiles, each as an override of one decision point."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.model.profile import ChargingProfile, Kind, Period, Purpose, RateUnit
from chargekit.model.schedule import InForce

_Base = Station
DAY_S = 86400.0


class _Resolves(Defect, _Base):
    """Resolves from another set of profiles than the installed one."""

    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        kept = self.store.installed
        self.store.installed = [replace(one, profile=self.taken_as(one.profile, outlet, now)) for one in kept if self.minds(one.profile)]
        try:
            return super().limit_in_force(outlet, now)
        finally:
            self.store.installed = kept

    def minds(self, profile: ChargingProfile) -> bool:
        """Whether it minds this profile at all."""
        return True

    def taken_as(self, profile: ChargingProfile, outlet: Outlet, now: float) -> ChargingProfile:
        """What it takes this profile for."""
        return profile


class IgnoresDefault(_Resolves):
    name = "ignores-default"
    seen = "accepts a TxDefaultProfile and minds only TxProfiles"

    def minds(self, profile: ChargingProfile) -> bool:
        return profile.purpose is not Purpose.TX_DEFAULT


class IgnoresMaximum(_Resolves):
    name = "ignores-station-maximum"
    seen = "accepts a ChargingStationMaxProfile and minds only the profiles of transactions"

    def minds(self, profile: ChargingProfile) -> bool:
        return profile.purpose is not Purpose.STATION_MAX


class LowestStack(_Resolves):
    name = "lowest-stack-leads"
    seen = "takes the lowest stack level for the leading one"

    def taken_as(self, profile: ChargingProfile, outlet: Outlet, now: float) -> ChargingProfile:
        return replace(profile, stack_level=64 - profile.stack_level)


class IgnoresValidity(_Resolves):
    name = "ignores-validity"
    seen = "follows a profile before its validFrom and after its validTo"

    def taken_as(self, profile: ChargingProfile, outlet: Outlet, now: float) -> ChargingProfile:
        return replace(profile, valid_from=None, valid_to=None)


class StartsAtOnce(_Resolves):
    name = "starts-schedule-at-once"
    seen = "takes a startSchedule that lies ahead for now"

    def taken_as(self, profile: ChargingProfile, outlet: Outlet, now: float) -> ChargingProfile:
        ahead = profile.start is not None and profile.start > self.own(now)
        return replace(profile, start=self.own(now)) if ahead else profile


class RecursOnce(_Resolves):
    name = "recurs-once"
    seen = "follows a daily schedule on its first day only and stays at its last period"

    def taken_as(self, profile: ChargingProfile, outlet: Outlet, now: float) -> ChargingProfile:
        return replace(profile, kind=Kind.ABSOLUTE, recurrency=None) if profile.kind is Kind.RECURRING else profile


class RelativeFromNow(_Resolves):
    name = "relative-never-moves-on"
    seen = "counts a relative schedule from now, always: its second period never comes"

    def taken_as(self, profile: ChargingProfile, outlet: Outlet, now: float) -> ChargingProfile:
        return replace(profile, kind=Kind.ABSOLUTE, start=self.own(now)) if profile.kind is Kind.RELATIVE else profile


class DropsStartProfile(Defect, _Base):
    name = "drops-remote-start-profile"
    seen = "starts by remote without the profile that came with it"
    area, point = "profiles", "station.start_profile"

    def start_profile(self, profile: ChargingProfile, tx: Transaction) -> ChargingProfile | None:
        super().start_profile(profile, tx)
        return None


class DefaultCapsAll(Defect, _Base):
    name = "default-caps-txprofile"
    seen = "takes the lower of TxDefaultProfile and TxProfile instead of letting the TxProfile overrule"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        kept = self.store.installed
        self.store.installed = [one for one in kept if one.profile.purpose is not Purpose.TX]
        try:
            other = super().limit_in_force(outlet, now)
        finally:
            self.store.installed = kept
        return replace(good, limit_a=min(good.limit_a, other.limit_a), until=min(good.until, other.until))


class DefaultWaits(Defect, _Base):
    name = "default-waits-for-next-transaction"
    seen = "a new TxDefaultProfile takes hold only with the next transaction"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        at_start = {one.profile.id for one in self.store.installed if one.profile.purpose is Purpose.TX_DEFAULT}
        known = outlet.marks.setdefault("defaults", sorted(at_start))
        waits = any(p.purpose is Purpose.TX_DEFAULT and p.id not in known for p in good.leading)
        return replace(good, limit_a=inf) if waits else good


class NeverRises(Defect, _Base):
    name = "raised-limit-not-applied"
    seen = "follows a lowered limit, but not one that replaces it and allows more"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        outlet.marks["least"] = min(float(outlet.marks.get("least", inf)), good.limit_a)
        return replace(good, limit_a=outlet.marks["least"])


class HoldsCleared(Defect, _Base):
    name = "cleared-profile-still-limits"
    seen = "accepts the clearing of a profile and goes on limiting"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        if good.leading:
            outlet.marks["held"] = good.limit_a
        return good if good.leading else replace(good, limit_a=float(outlet.marks.get("held", inf)))


class WattsPerPhase(Defect, _Base):
    name = "watts-per-phase"
    seen = "takes a limit in watts for each phase instead of all together"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        good = super().limit_in_force(outlet, now)
        watts = bool(good.leading) and good.leading[0].unit == "W"
        return replace(good, limit_a=good.limit_a * 3.0) if watts else good


class MaximumPerOutlet(Defect, _Base):
    name = "maximum-per-outlet"
    seen = "gives each outlet the whole ChargingStationMaxProfile instead of sharing it"
    area, point = "profiles", "station.station_share"

    def station_share_a(self, outlet: Outlet, now: float) -> float:
        super().station_share_a(outlet, now)
        return inf


class CompositeOfHardware(Defect, _Base):
    name = "composite-says-hardware"
    seen = "tells its hardware maximum as composite schedule whatever profiles are installed"
    area, point = "profiles", "station.composite"

    def composite(self, evse: int, now: float, duration_s: float, unit: RateUnit) -> tuple[Period, ...]:
        super().composite(evse, now, duration_s, unit)
        return (Period(0.0, max(o.evse.max_a for o in self.outlets.values())),)


class DefaultOfOneOnly(Defect, _Base):
    name = "ignores-default-of-station"
    seen = "accepts a TxDefaultProfile for the whole station and minds only those of a single EVSE"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        kept = self.store.installed
        self.store.installed = [one for one in kept if one.evse or one.profile.purpose is not Purpose.TX_DEFAULT]
        try:
            return super().limit_in_force(outlet, now)
        finally:
            self.store.installed = kept


PROFILE_DEFECTS: tuple[type[Defect], ...] = (
    DefaultOfOneOnly,
    IgnoresDefault, IgnoresMaximum, LowestStack, IgnoresValidity, StartsAtOnce, RecursOnce, RelativeFromNow, DropsStartProfile,
    DefaultCapsAll, DefaultWaits, NeverRises, HoldsCleared, WattsPerPhase, MaximumPerOutlet,
    CompositeOfHardware,
)  # fmt: skip
