"""What a station tells by itself: connector and charging states, and meter values, sampled or on a grid of the clock."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from chargekit.emulator.configuration import MEASURANDS, REGISTER
from chargekit.emulator.outlet import Outlet
from chargekit.emulator.queue import More
from chargekit.model.metering import MeterSample
from chargekit.model.points import point
from chargekit.wire.messages import Metered, Status, StatusChanged
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

DAY_S = 86_400.0
_METERED = frozenset(MEASURANDS.split(","))
_NOTHING = (math.nan, math.nan, math.nan)
MOST_KEPT = 200


class Telling:
    """The reports of a Station; mixed into it."""

    # --- status -------------------------------------------------------------------------------------------------

    def connector_of(self: Station, outlet: Outlet) -> int:  # type: ignore[misc]
        """The connector in use or used last; the first before any was. 1.6 knows none below the EVSE."""
        return (outlet.connector or outlet.evse.connectors[0].id) if self.generation.charging_state else 1

    @point("station.connector_word")
    def connector_word(self: Station, outlet: Outlet, connector: int) -> str:  # type: ignore[misc]
        """What is told of a connector (1.6 section 4.9; ConnectorStatusEnumType). A connector beside the one in use can't be used."""
        status = outlet.status()
        if status in (Status.AVAILABLE, Status.PREPARING) and self.reserved(outlet):
            return "Reserved"
        if status is not Status.FAULTED and outlet.tx is None and not self.connector_operative(outlet, connector):
            return Status.UNAVAILABLE.value
        told = self.generation.connector(status)
        return Status.UNAVAILABLE.value if told is Status.OCCUPIED and connector != self.connector_of(outlet) else told.value

    def _show(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Report the outlet's status where it changed."""
        self._watch_flow(outlet, now, out)
        if outlet.tx is not None and self.generation.charging_state and outlet.status() is not outlet.charging_shown:
            self.event(outlet, "ChargingStateChanged", now, out)
        for connector in outlet.evse.connectors if self.generation.charging_state else outlet.evse.connectors[:1]:
            word = self.connector_word(outlet, connector.id)
            if word != outlet.shown.get(connector.id) and self.online and self.accepted:
                self.tell_status(outlet, connector.id, now)

    def tell_status(self: Station, outlet: Outlet, connector: int, now: float) -> None:  # type: ignore[misc]
        word = self.connector_word(outlet, connector)
        outlet.shown[connector] = word
        number = connector if self.generation.charging_state else 1
        fact = StatusChanged(outlet.evse.id, number, _WRITTEN.get(word, Status.AVAILABLE), self.own(now))
        more: More | None = None
        if word == "Reserved":
            more = {"connectorStatus" if self.generation.charging_state else "status": word}
        self.call(fact, now, ("status", outlet.evse.id, connector), more)

    def tell_station(self: Station, now: float) -> None:  # type: ignore[misc]
        """Connector 0, which only 1.6 has: Available or Unavailable."""
        if self.generation.assigned:
            self.call(StatusChanged(0, 0, Status.AVAILABLE if self.flag("0") else Status.UNAVAILABLE, self.own(now)), now, "status")

    def show_changed(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        for outlet in self.outlets.values():
            self._show(outlet, now, out)

    # --- meter values -------------------------------------------------------------------------------------------

    def _plan_meter(self: Station, now: float) -> None:  # type: ignore[misc]
        every = self.meter_interval_s()
        if every > 0:
            self.timers.setdefault("meter", (now // every + 1) * every)

    def _sample(self: Station, outlet: Outlet, now: float) -> MeterSample:  # type: ignore[misc]
        sample = self.reported(outlet, self.taps[outlet.evse.id].read(now))
        return sample if sample.t == self.own(now) else replace(sample, t=self.own(now))

    def chosen(self: Station, outlet: Outlet, key: str, now: float) -> MeterSample | None:  # type: ignore[misc]
        """A reading with what the setting `key` names, the rest NaN; None where that leaves nothing (1.6 sections 9.1.16 to 9.1.19;
        SampledDataCtrlr and AlignedDataCtrlr, J01.FR.11, J02.FR.11, E01.FR.09, E06.FR.11)."""
        sample, named = self._sample(outlet, now), self.measurands(key)
        if named >= _METERED and (sample.soc_percent is None or "SoC" in named):
            return sample
        return picked(sample, named)

    @point("station.measurands")
    def measurands(self: Station, key: str) -> frozenset[str]:  # type: ignore[misc]
        """What a list of measurands names."""
        return words_of(self.keys[key])

    def _meter(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        active = [o for o in self.outlets.values() if o.tx is not None]
        for outlet in active:
            self._tell_values(outlet, "Sample.Periodic", now, out)
        if active:
            self._plan_meter(now)

    def _tell_values(  # type: ignore[misc]
        self: Station, outlet: Outlet, context: str, now: float, out: list[Effect], more: More | None = None
    ) -> None:
        """Meter values of a running transaction; they are queued like all its messages."""
        tx = outlet.tx
        if tx is None or not tx.told:
            return
        self._keep_values(outlet, context, now)
        sample = self.chosen(outlet, "MeterValuesAlignedData" if context == "Sample.Clock" else "MeterValuesSampledData", now)
        if sample is None:
            if context == "Trigger":
                self.event(outlet, context, now, out)
            return
        seq = self.next_seq(tx) if self.generation.charging_state else tx.seq
        fact = Metered(outlet.evse.id, (sample,), tx.id or tx.ref, context, seq=seq)  # type: ignore[arg-type]
        self.enqueue(tx.ref, fact, now, out, more)
        if self.generation.charging_state or tx.kept:
            out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))

    def _keep_values(self: Station, outlet: Outlet, context: str, now: float) -> None:  # type: ignore[misc]
        """What 1.6 puts into StopTransaction.transactionData (section 4.10; StopTxnSampledData, StopTxnAlignedData). When there is too
        much, every second one between goes."""
        key = "StopTxnAlignedData" if context == "Sample.Clock" else "StopTxnSampledData"
        tx = outlet.tx
        sample = self.chosen(outlet, key, now) if tx is not None and self.generation.assigned and self.keys[key] else None
        if tx is None or sample is None:
            return
        fact = Metered(outlet.evse.id, (sample,), None, context)  # type: ignore[arg-type]
        _, payload = self.codec.write_fact(fact, self.calendar)
        tx.kept.extend(payload["meterValue"])
        if len(tx.kept) > MOST_KEPT:
            tx.kept[1:-1] = tx.kept[1:-1:2]

    # --- on a grid of the clock ---------------------------------------------------------------------------------

    @point("station.aligned_at")
    def aligned_at(self: Station, now: float) -> float | None:  # type: ignore[misc]
        """When the next clock-aligned values are due: intervals of the day from midnight (1.6 section 3.16.1; J01)."""
        every = float(self.keys["ClockAlignedDataInterval"])
        if every <= 0:
            return None
        own = self.own(now)
        at = self.calendar.utc(own)
        passed = at.hour * 3600.0 + at.minute * 60.0 + at.second + at.microsecond / 1e6
        step = min((passed // every + 1) * every, DAY_S) - passed
        return now + (step if step > 1e-3 else every)

    def plan_aligned(self: Station, now: float) -> None:  # type: ignore[misc]
        self.timers.pop("clock", None)
        at = self.aligned_at(now)
        if at is not None:
            self.timers["clock"] = at

    def _aligned(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Values of every outlet; within a transaction they belong to it. AlignedDataCtrlr.SendDuringIdle: only when nobody charges."""
        idle_only = self.keys["AlignedDataSendDuringIdle"] == "true" and self.generation.charging_state
        if not (idle_only and any(o.tx is not None for o in self.outlets.values())):
            for outlet in self.outlets.values():
                if outlet.tx is not None and outlet.tx.told:
                    self._tell_values(outlet, "Sample.Clock", now, out)
                elif self.online and self.accepted and (sample := self.chosen(outlet, "MeterValuesAlignedData", now)) is not None:
                    self.call(Metered(outlet.evse.id, (sample,), None, "Sample.Clock"), now, "meter")
        self.plan_aligned(now)


@lru_cache(maxsize=256)
def words_of(listed: str) -> frozenset[str]:
    """The words of a list of measurands; the same few lists come with every reading."""
    return frozenset(word for word in listed.split(",") if word)


def picked(sample: MeterSample, named: frozenset[str]) -> MeterSample | None:
    """The figures of a reading that are named; None where there is none."""
    found = replace(
        sample,
        energy_wh=sample.energy_wh if REGISTER in named else math.nan,
        power_w=sample.power_w if "Power.Active.Import" in named else math.nan,
        current_a=sample.current_a if "Current.Import" in named else _NOTHING,
        voltage_v=sample.voltage_v if "Voltage" in named else _NOTHING,
        soc_percent=sample.soc_percent if "SoC" in named else None,
    )
    figures = (found.energy_wh, found.power_w, *found.current_a, *found.voltage_v)
    return found if found.soc_percent is not None or any(f == f for f in figures) else None


_WRITTEN = {status.value: status for status in Status}
