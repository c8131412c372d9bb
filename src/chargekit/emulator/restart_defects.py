"""Flaws of real stations around losing: the link, the power, an answer; and around restarting on command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chargekit.emulator.outlet import Transaction
from chargekit.emulator.queue import MessageQueue, Queued
from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.wire.messages import Metered
from chargekit.world.events import Effect

_Base = Station


class IgnoresSoftReset(Defect, _Base):
    name = "ignores-soft-reset"
    seen = "accepts a soft (2.x: OnIdle) reset and does not restart"
    area, point = "availability", "station.obeys_reset"

    def obeys_reset(self, hard: bool) -> bool:
        return hard and super().obeys_reset(hard)


class ScheduledAtOnce(Defect, _Base):
    name = "scheduled-reset-at-once"
    seen = "answers Scheduled to a reset and ends the transactions for it all the same"
    area, point = "availability", "station.reset_is_due"

    def reset_is_due(self, evse: int) -> bool:
        super().reset_is_due(evse)
        return True


class ScheduledNever(Defect, _Base):
    name = "scheduled-reset-never"
    seen = "forgets a scheduled reset: the transactions end and it does not restart"
    area, point = "availability", "station.reset_is_due"

    def reset_is_due(self, evse: int) -> bool:
        super().reset_is_due(evse)
        return False


class EvseResetBoots(Defect, _Base):
    name = "evse-reset-boots-station"
    seen = "restarts the whole station for the reset of one EVSE"
    area, point = "availability", "station.reset_evse"

    def reset_evse(self, evse: int, now: float, out: list[Effect]) -> None:
        self.reboot("ImmediateReset", now, out)


class TellsOnlyChanges(Defect, _Base):
    name = "tells-only-changes"
    seen = "after a long outage tells only the connectors that changed"
    area, point = "boot", "station.tells_all_statuses"

    def tells_all_statuses(self, offline_s: float) -> bool:
        super().tells_all_statuses(offline_s)
        return False


class TellsAllAfterBlink(Defect, _Base):
    name = "tells-all-after-a-blink"
    seen = "tells every connector again however short the outage was"
    area, point = "boot", "station.tells_all_statuses"

    def tells_all_statuses(self, offline_s: float) -> bool:
        super().tells_all_statuses(offline_s)
        return True


class DialsInStorm(Defect, _Base):
    name = "dials-without-back-off"
    seen = "dials again every five seconds or so for as long as nobody answers"
    area, point = "boot", "station.dial_wait_s"

    def dial_wait_s(self) -> float:
        super().dial_wait_s()
        return 5.0 + self.rng.random()


class DialsInStep(Defect, _Base):
    name = "dials-in-step"
    seen = "backs off without a random part: a site's stations all dial at the same moment"
    area, point = "boot", "station.dial_wait_s"

    def dial_wait_s(self) -> float:
        super().dial_wait_s()
        return float(self.keys["RetryBackOffWaitMinimum"]) * 2.0 ** min(self.dialled, int(self.keys["RetryBackOffRepeatTimes"]))


class ClockAfterPowerCut(Defect, _Base):
    name = "clock-after-power-cut"
    seen = "after a power cut its clock stands at 1970 until the boot is accepted, and what it noted by then keeps that time"
    area, point = "boot", "station.clock_at_start"

    def clock_at_start(self, saved: Mapping[str, Any], factory_s: float) -> tuple[float, bool]:
        good = super().clock_at_start(saved, factory_s)
        return (-self.calendar.utc(0.0).timestamp(), True) if "boots" in saved else good


class RetriesForEver(Defect, _Base):
    name = "retries-without-end"
    seen = "sends a refused message again and again, whatever number of attempts was set"
    area, point = "transaction", "station.retry_wait_s"

    def retry_wait_s(self, tries: int) -> float | None:
        good = super().retry_wait_s(tries)
        return float(self.keys["TransactionMessageRetryInterval"]) * tries if good is None else good


class RetriesSteadily(Defect, _Base):
    name = "retries-at-a-steady-interval"
    seen = "waits as long before the third attempt as before the second"
    area, point = "transaction", "station.retry_wait_s"

    def retry_wait_s(self, tries: int) -> float | None:
        good = super().retry_wait_s(tries)
        return good if good is None else float(self.keys["TransactionMessageRetryInterval"])


class GivesUpAtOnce(Defect, _Base):
    name = "gives-up-at-once"
    seen = "drops a message after its first refusal"
    area, point = "transaction", "station.retry_wait_s"

    def retry_wait_s(self, tries: int) -> float | None:
        super().retry_wait_s(tries)
        return None


class QueuePoisoned(Defect, _Base):
    name = "queue-poisoned"
    seen = "one error for the oldest message it kept blocks all that wait behind it"
    area, point = "transaction", "station.retry_wait_s"

    def retry_wait_s(self, tries: int) -> float | None:
        super().retry_wait_s(tries)
        return 86_400.0


class StampsReplay(Defect, _Base):
    name = "stamps-replay-time"
    seen = "readings taken offline carry the time at which they were sent"
    area, point = "transaction", "station.as_sent"

    def as_sent(self, fact: Queued, now: float) -> Queued:
        good = super().as_sent(fact, now)
        if not isinstance(good, Metered):
            return good
        return replace(good, samples=tuple(replace(s, t=self.own(now)) for s in good.samples))


class DropsReadings(Defect, _Base):
    name = "drops-offline-readings"
    seen = "keeps starts and ends while offline, but none of the readings between"
    area, point = "transaction", "station.keeps_offline"

    def keeps_offline(self, fact: Queued) -> bool:
        return super().keeps_offline(fact) and not isinstance(fact, Metered)


class ForgetsOffline(Defect, _Base):
    name = "forgets-offline-flag"
    seen = "does not say that a message is of a time without a link"
    area, point = "transaction", "station.marks_offline"

    def marks_offline(self, fact: Queued) -> bool:
        super().marks_offline(fact)
        return False


class SkipsNumbers(Defect, _Base):
    name = "skips-sequence-numbers"
    seen = "numbers a transaction's messages with gaps: nobody can tell whether one was lost"
    area, point = "transaction", "station.next_seq"

    def next_seq(self, tx: Transaction) -> int:
        good = super().next_seq(tx)
        tx.seq += 1
        return good


class LosesQueue(Defect, _Base):
    name = "loses-queue-on-power-cut"
    seen = "a power cut empties its queue: what happened offline before it is never told"
    area, point = "transaction", "station.queue_at_start"

    def queue_at_start(self, saved: Mapping[str, Any]) -> MessageQueue:
        super().queue_at_start(saved)
        return MessageQueue({key: value for key, value in saved.items() if not key.startswith("q/")})


class CutToldAsLocal(Defect, _Base):
    name = "power-loss-told-as-local"
    seen = "says that the driver ended a transaction that a power cut ended"
    area, point = "transaction", "station.cut_reason"

    def cut_reason(self) -> str:
        super().cut_reason()
        return "Local"


class CutWithoutEnergy(Defect, _Base):
    name = "power-loss-without-energy"
    seen = "a transaction ended by a power cut is told with the register of its start: its energy is lost"
    area, point = "transaction", "station.end_wh"

    def end_wh(self, tx: Transaction, shown_wh: float, reason: str) -> float:
        good = super().end_wh(tx, shown_wh, reason)
        return tx.begin_wh if reason == "PowerLoss" else good


RESTART_DEFECTS: tuple[type[Defect], ...] = (
    IgnoresSoftReset, ScheduledAtOnce, ScheduledNever, EvseResetBoots, TellsOnlyChanges, TellsAllAfterBlink, DialsInStorm, DialsInStep,
    ClockAfterPowerCut, RetriesForEver, RetriesSteadily, GivesUpAtOnce, QueuePoisoned, StampsReplay, DropsReadings, ForgetsOffline,
    SkipsNumbers, LosesQueue, CutToldAsLocal, CutWithoutEnergy,
)  # fmt: skip
