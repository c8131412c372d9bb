"""Flaws of real station firmware, each as an override of one decision point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.station import Station
from chargekit.model.metering import MeterSample
from chargekit.model.points import Defect
from chargekit.model.profile import ChargingProfile, Purpose
from chargekit.model.schedule import InForce
from chargekit.wire.messages import Booted
from chargekit.world.events import Effect

_Base = Station


class IgnoresLimit(Defect, _Base):
    name = "ignores-limit"
    seen = "accepts a charging profile and goes on at full current"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        return replace(super().limit_in_force(outlet, now), limit_a=float("inf"))


class FivePercentOver(Defect, _Base):
    name = "five-percent-over"
    seen = "signals 5 % more than the limit, at least 0.5 A"
    area, point = "profiles", "station.offered_a"

    def offered_a(self, outlet: Outlet, limit_a: float, now: float) -> float:
        good = super().offered_a(outlet, limit_a, now)
        return good if good <= 0 else min(outlet.evse.max_a, good + max(0.5, good * 0.05))


class LimitLate(Defect, _Base):
    name = "limit-late"
    seen = "changes the pilot 20 s after it accepted a limit"
    area, point = "profiles", "station.latency_s"

    def latency_s(self, outlet: Outlet) -> float:
        return 20.0


class LimitIsSum(Defect, _Base):
    name = "limit-is-sum-of-phases"
    seen = "takes W on one phase: amperes come out three times too high"
    area, point = "profiles", "station.offered_a"

    def offered_a(self, outlet: Outlet, limit_a: float, now: float) -> float:
        return super().offered_a(outlet, min(limit_a * 3, outlet.evse.max_a), now)


class ClampsToSix(Defect, _Base):
    name = "clamps-to-6"
    seen = "holds 6 A where the limit is 0 or below 6 A, instead of pausing"
    area, point = "profiles", "station.offered_a"

    def offered_a(self, outlet: Outlet, limit_a: float, now: float) -> float:
        return max(6.0, super().offered_a(outlet, limit_a, now))


class ResumeIgnoresLimit(Defect, _Base):
    name = "resume-ignores-limit"
    seen = "after a pause at 0 A the first limit is accepted but the pilot goes to its maximum"
    area, point = "profiles", "station.offered_a"

    def offered_a(self, outlet: Outlet, limit_a: float, now: float) -> float:
        good = super().offered_a(outlet, limit_a, now)
        paused = outlet.tx is not None and outlet.offer_a == 0.0 and outlet.marks.get("charged")
        if outlet.offer_a > 0.0:
            outlet.marks["charged"] = True
        return outlet.evse.max_a if paused and good > 0 else good


class ExpiryUnlimited(Defect, _Base):
    name = "expiry-unlimited"
    seen = "at the end of a profile it skips the default and goes to its maximum"
    area, point = "profiles", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        force = super().limit_in_force(outlet, now)
        led = any(p.purpose is Purpose.TX for p in force.leading)
        over = outlet.marks.get("led") and not led
        outlet.marks["led"] = led or outlet.marks.get("led", False)
        return replace(force, limit_a=float("inf")) if over else force


class ReconnectDropsTxProfile(Defect, _Base):
    name = "reconnect-drops-txprofile"
    seen = "a closed socket voids the TxProfile: full current until the next one"
    area, point = "fallback", "station.link_lost"

    def link_lost(self, now: float, out: list[Effect]) -> None:
        self.store.installed = []
        for outlet in self.outlets.values():
            self.refresh(outlet, now, out)


class IgnoresSecondPeriod(Defect, _Base):
    name = "ignores-second-period"
    seen = "stays at the first period of a schedule for ever, so a lease never falls to its safe value"
    area, point = "fallback", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        force = super().limit_in_force(outlet, now)
        lead = next((p for p in force.leading if p.purpose is Purpose.TX), None)
        if lead is None or lead.unit != "A":
            return force
        return replace(force, limit_a=lead.periods[0].limit)


class ChargesUnauthorised(Defect, _Base):
    name = "charges-on-invalid-token"
    seen = "starts although the CSMS answered Invalid"
    area, point = "authorise", "station.may_start"

    def may_start(self, token: str, accepted: bool) -> bool:
        return True


class NeverStarts(Defect, _Base):
    name = "refuses-valid-token"
    seen = "does not start although the token was accepted"
    area, point = "authorise", "station.may_start"

    def may_start(self, token: str, accepted: bool) -> bool:
        return False


class SkipsBoot(Defect, _Base):
    name = "skips-boot"
    seen = "sends no BootNotification after power-up"
    area, point = "boot", "station.boot_fact"

    def boot_fact(self, reason: str) -> Booted | None:
        return None


class BootLacksModel(Defect, _Base):
    name = "boot-lacks-model"
    seen = "its BootNotification lacks the model, which the schema requires"
    area, point = "always", "station.frame"

    def frame(self, text: str) -> str:
        return text.replace('"chargePointModel":', '"chargePointMdl":').replace('"model":', '"mdl":')


class AnswersWrongId(Defect, _Base):
    name = "answers-wrong-id"
    seen = "answers a call under another message id"
    area, point = "always", "station.frame"

    def frame(self, text: str) -> str:
        frame = orjson.loads(text)
        return orjson.dumps([3, f"{frame[1]}0", *frame[2:]]).decode() if frame[0] == 3 else text


class RegisterGoesBack(Defect, _Base):
    name = "register-goes-back"
    seen = "reports an energy register that starts again at zero within a transaction"
    area, point = "always", "station.reported"

    def reported(self, outlet: Outlet, sample: MeterSample) -> MeterSample:
        good = super().reported(outlet, sample)
        outlet.marks["first_wh"] = outlet.marks.get("first_wh", good.energy_wh)
        gone = good.energy_wh - outlet.marks["first_wh"]
        return replace(good, energy_wh=good.energy_wh + 500.0 if gone < 50.0 else good.energy_wh)


class ForgetsStop(Defect, _Base):
    name = "forgets-stop"
    seen = "never tells that a transaction ended"
    area, point = "transaction", "station.tells_end"

    def tells_end(self, tx: Transaction) -> bool:
        return False


class LosesTransaction(Defect, _Base):
    name = "loses-transaction-on-power-cut"
    seen = "after a power cut a running transaction is forgotten and never ended"
    area, point = "transaction", "station.interrupted"

    def interrupted(self, tx: Transaction) -> Transaction | None:
        return None


class SilentMeter(Defect, _Base):
    name = "no-meter-values"
    seen = "sends no MeterValues during a transaction"
    area, point = "transaction", "station.meter_interval_s"

    def meter_interval_s(self) -> float:
        return 0.0


class RejectsProfiles(Defect, _Base):
    name = "rejects-profiles"
    seen = "rejects every charging profile although it declares smart charging"
    area, point = "profiles", "station.refusal"

    def refusal(self, evse: int, profile: ChargingProfile) -> str:
        return "NotSupported"


class LosesProfiles(Defect, _Base):
    name = "loses-profiles-on-power-cut"
    seen = "its installed profiles are gone after a power cut"
    area, point = "profiles", "station.profiles_at_start"

    def profiles_at_start(self, saved: Any) -> Any:
        return ()


class EndWaitsForLink(Defect, _Base):
    name = "end-waits-for-the-link"
    seen = "while its link is down no limit ends: it goes on with what led when the link went"
    area, point = "fallback", "station.limit_in_force"

    def limit_in_force(self, outlet: Outlet, now: float) -> InForce:
        force = super().limit_in_force(outlet, now)
        if self.online:
            outlet.marks["last"] = force.limit_a
        kept = outlet.marks.get("last")
        return force if self.online or kept is None else replace(force, limit_a=kept)


class ForgetsEnds(Defect, _Base):
    name = "validity-lost-on-power-cut"
    seen = "keeps its profiles over a power cut but not until when they are valid"
    area, point = "fallback", "station.profiles_at_start"

    def profiles_at_start(self, saved: Any) -> Any:
        return [{**one, "profile": {**one["profile"], "valid_to": None}} for one in super().profiles_at_start(saved)]


class StaysOffline(Defect, _Base):
    name = "stays-offline"
    seen = "once its link was lost it does not dial again for an hour"
    area, point = "boot", "station.dial_wait_s"

    def dial_wait_s(self) -> float:
        return super().dial_wait_s() + 3600.0


class AcceptsAnything(Defect, _Base):
    name = "accepts-any-profile"
    seen = "accepts a TxProfile although no transaction runs"
    area, point = "profiles", "station.refusal"

    def refusal(self, evse: int, profile: ChargingProfile) -> str:
        super().refusal(evse, profile)
        return ""


class TellsLess(Defect, _Base):
    name = "tells-five-percent-less"
    seen = "tells 5 % less energy than flowed: its meter's calibration is off"
    area, point = "metering", "station.reported"

    def reported(self, outlet: Outlet, sample: MeterSample) -> MeterSample:
        good = super().reported(outlet, sample)
        return replace(good, energy_wh=good.energy_wh * 0.95)


class TellsOnePhaseThrice(Defect, _Base):
    name = "tells-one-phase-thrice"
    seen = "tells the current of L1 on all three phases, also for a single-phase vehicle"
    area, point = "metering", "station.reported"

    def reported(self, outlet: Outlet, sample: MeterSample) -> MeterSample:
        good = super().reported(outlet, sample)
        return replace(good, current_a=(good.current_a[0],) * 3)


class ForgetsLosses(Defect, _Base):
    name = "dc-forgets-losses"
    seen = "takes a limit as its DC output: the grid sees the losses on top"
    area, point = "dc", "station.dc_output"

    def output_w(self, outlet: Outlet, limit_a: float) -> float:
        super().output_w(outlet, limit_a)
        return limit_a * 3 * self.spec.model.voltage_v


class OversellsSupply(Defect, _Base):
    name = "outlets-oversell-supply"
    seen = "offers each outlet the whole supply, also with a vehicle on both"
    area, point = "profiles", "station.supply"

    def supply_a(self, outlet: Outlet) -> float:
        super().supply_a(outlet)
        return float("inf")


STATION_DEFECTS: tuple[type[Defect], ...] = (
    IgnoresLimit, FivePercentOver, LimitLate, LimitIsSum, ClampsToSix, ResumeIgnoresLimit, ExpiryUnlimited,
    ReconnectDropsTxProfile, IgnoresSecondPeriod, ChargesUnauthorised, NeverStarts, SkipsBoot, BootLacksModel,
    AnswersWrongId, RegisterGoesBack, ForgetsStop, LosesTransaction, SilentMeter, RejectsProfiles, LosesProfiles,
    EndWaitsForLink, ForgetsEnds, StaysOffline, AcceptsAnything, TellsLess, TellsOnePhaseThrice, ForgetsLosses, OversellsSupply,
)  # fmt: skip
