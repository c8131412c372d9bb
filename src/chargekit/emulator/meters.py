"""Read-only views of the plant: the meter inside a charging station, and Modbus meters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chargekit.emulator.meter_faults import Fault
from chargekit.model.metering import MeterSample
from chargekit.wire.modbus import Block
from chargekit.wire.registers import RegisterMap


class Readable(Protocol):
    def read_evse(self, station: str, evse: int, now: float) -> MeterSample: ...


@dataclass(frozen=True, slots=True)
class Tap:
    """The meter inside a station, at one EVSE."""

    plant: Readable
    station: str
    evse: int

    def read(self, now: float) -> MeterSample:
        return self.plant.read_evse(self.station, self.evse, now)


class Meter:
    """An emulated Modbus meter: on a circuit its phases are the site's, at a station the terminals'. Faults are set by events;
    reading moves nothing."""

    def __init__(self, name: str, unit: int, registers: RegisterMap, shown: Callable[[float], MeterSample]) -> None:
        self.name, self.unit, self.registers, self.shown = name, unit, registers, shown
        self.faults: dict[str, Fault] = {}

    def fail(self, fault: type[Fault], now: float, **parameters: float) -> None:
        """From `now` on it has this fault."""
        self.faults[fault.name] = fault(self.name, now, self.sample(now), **parameters)

    def mend(self) -> None:
        self.faults.clear()

    def sample(self, now: float) -> MeterSample:
        """What it shows, with all that is wrong with it."""
        sample = self.shown(now)
        for fault in self.faults.values():
            sample = fault.sample(sample, now)
        return sample

    def words(self, block: Block, now: float) -> Sequence[int] | None:
        if block.unit != self.unit:
            return None
        return self.registers.words(block, self.sample(now), swapped=sum(f.swaps_words for f in self.faults.values()) % 2 == 1)

    def delay_s(self, now: float) -> float | None:
        """How long it takes to answer; None: it does not."""
        delay = 0.0
        for fault in self.faults.values():
            one = fault.delay_s
            if one is None:
                return None
            delay += one
        return delay
