"""The plant as its meters show it. Nothing here moves anything, except that a meter may be told to go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from chargekit.emulator.bay import Bay
from chargekit.emulator.building import Surroundings
from chargekit.emulator.meter_faults import FAULTS
from chargekit.emulator.meters import Meter, Tap
from chargekit.emulator.supplies import Key, Supplies
from chargekit.model.limit import PhaseAmps, add
from chargekit.model.metering import MeterSample
from chargekit.model.points import point
from chargekit.model.site import MeterFault, MeterPoint, Site
from chargekit.wire.registers import register_map
from chargekit.world.events import Effect, MeterSource, Note


class Reading(Supplies):
    """Supplies with EVSEs on them, and everything that measures."""

    def __init__(self, site: Site, surroundings: Surroundings | None) -> None:
        super().__init__(site, surroundings)
        self.bays: dict[Key, Bay] = {(s.id, e.id): Bay(s, e, s.model.voltage_v) for s in site.stations for e in s.model.evses}
        self._gains: dict[Key, float] = {}
        self.moved = 0
        self.faults_due: dict[str, MeterFault] = {}
        self.meters = {point.id: self._meter(point) for point in site.meters}
        for one in site.meters:
            if one.fault is not None:
                self.faults_due[one.id] = one.fault
                self._tick("fault", one.id, one.fault.after_s)

    def _keys(self, station: str) -> Iterator[Key]:
        return ((station, e.id) for e in self.stations[station].model.evses)

    @point("plant.register")
    def register_wh(self, bay: Bay, now: float) -> float:
        """The EVSE meter's import register."""
        return bay.output_wh(now)

    def read_evse(self, station: str, evse: int, now: float) -> MeterSample:
        """The EVSE's own meter, on the station's terminals (DC: grid-side current, output energy)."""
        bay = self.bays[(station, evse)]
        soc = bay.soc_percent(now) if bay.evse.dc else None
        amps, gain = bay.current_a(now), self._gain(station, evse)
        shown: PhaseAmps = (amps[0] * gain, amps[1] * gain, amps[2] * gain)
        return MeterSample(now, shown, self._terminal_v(station), bay.output_w(now) * gain, self.register_wh(bay, now) * gain, soc)

    def _gain(self, station: str, evse: int) -> float:
        """What this meter shows for one: within its class, the same all its life."""
        percent = self.stations[station].model.meter_class_percent
        if not percent:
            return 1.0
        if (station, evse) not in self._gains:
            error = random.Random(f"meter/{station}/{evse}").gauss(0.0, percent / 3.0)
            self._gains[(station, evse)] = 1.0 + min(max(error, -percent), percent) / 100.0
        return self._gains[(station, evse)]

    def read_station(self, station: str, now: float) -> MeterSample:
        """The station's supply with its standby load, on its own terminals."""
        spec, standby = self.stations[station], self.powered.get(station)
        power = standby.watts if standby else 0.0
        energy = self.stood_wh.get(station, 0.0) + (standby.energy_wh(now) if standby else 0.0)
        amps: PhaseAmps = (power / spec.model.voltage_v, 0.0, 0.0)
        for key in self._keys(station):
            bay = self.bays[key]
            amps = add(amps, bay.current_a(now))
            power += bay.output_w(now) * bay.grid_factor()
            energy += bay.input_wh(now)
        return MeterSample(now, amps, self._terminal_v(station), power, energy)

    def tap(self, station: str, evse: int) -> Tap:
        """A read-only view of one EVSE's meter."""
        return Tap(self, station, evse)

    def meter_source(self, meter: MeterPoint) -> MeterSource:
        """The emulated Modbus meter at this point: one, whoever reads it."""
        return self.meters[meter.id]

    def _meter(self, point: MeterPoint) -> Meter:
        registers, station, circuit = register_map(point.model), point.station, point.circuit or self.site.root.name
        if station is not None:
            return Meter(point.id, point.unit, registers, self._once(lambda now: self.read_station(station, now)))
        return Meter(point.id, point.unit, registers, self._once(lambda now: self.read_circuit(circuit, now)))

    def _once(self, read: Callable[[float], MeterSample]) -> Callable[[float], MeterSample]:
        """Until something happens in the plant, an instant has one reading: it is asked for block by block."""
        kept: tuple[int, float, MeterSample] | None = None

        def shown(now: float) -> MeterSample:
            nonlocal kept
            if kept is None or kept[0] != self.moved or kept[1] != now:
                kept = (self.moved, now, read(now))
            return kept[2]

        return shown

    def _fault(self, meter: str, name: str, parameters: Mapping[str, float], now: float, effects: list[Effect]) -> None:
        """A meter goes wrong, or (`none`) is mended."""
        if name == "none":
            self.meters[meter].mend()
        else:
            self.meters[meter].fail(FAULTS[name], now, **parameters)
        effects.append(Note("truth", meter, "fault", {"name": name}))
