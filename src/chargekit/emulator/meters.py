"""Read-only views of the plant: the meter inside a charging station, and Modbus meters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chargekit.model.metering import MeterSample
from chargekit.wire.modbus import Block
from chargekit.wire.registers import RegisterMap


class Readable(Protocol):
    def read_evse(self, station: str, evse: int, now: float) -> MeterSample: ...
    def read_station(self, station: str, now: float) -> MeterSample: ...
    def read_circuit(self, name: str, now: float) -> MeterSample: ...


@dataclass(frozen=True, slots=True)
class Tap:
    """The meter inside a station, at one EVSE."""

    plant: Readable
    station: str
    evse: int

    def read(self, now: float) -> MeterSample:
        return self.plant.read_evse(self.station, self.evse, now)


@dataclass(frozen=True, slots=True)
class StationMeter:
    """A Modbus meter in a station's supply; its phases are the station's terminals."""

    plant: Readable
    station: str
    unit: int
    registers: RegisterMap

    def words(self, block: Block, now: float) -> Sequence[int] | None:
        if block.unit != self.unit:
            return None
        return self.registers.words(block, self.plant.read_station(self.station, now))


@dataclass(frozen=True, slots=True)
class CircuitMeter:
    """A Modbus meter on a circuit; its phases are the site's."""

    plant: Readable
    circuit: str
    unit: int
    registers: RegisterMap

    def words(self, block: Block, now: float) -> Sequence[int] | None:
        if block.unit != self.unit:
            return None
        return self.registers.words(block, self.plant.read_circuit(self.circuit, now))
