"""Modbus register maps of meters: which blocks to read, and the words of a reading both ways.

Addresses are as sent on the wire (0-based). SDM630: input registers (function 4), IEEE 754 float32, most significant word first
(Eastron SDM630 Modbus protocol document).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chargekit.model.limit import PhaseAmps
from chargekit.model.metering import MeterSample
from chargekit.wire.modbus import Block

FREQUENCY_HZ = 50.0


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A meter whose quantities are float32 in input registers, at `addresses` (quantity to first address)."""

    model: str
    addresses: Mapping[str, int]
    spans: tuple[tuple[int, int], ...]
    fc: int = 4

    def blocks(self, unit: int) -> tuple[Block, ...]:
        """The requests that bring one whole reading."""
        return tuple(Block(self.fc, addr, words, unit) for addr, words in self.spans)

    def words(self, block: Block, sample: MeterSample) -> list[int] | None:
        """The registers of a block while the meter shows `sample`; gaps read 0. None for a function it does not know."""
        if block.fc != self.fc or not 1 <= block.words <= 125:
            return None
        image: dict[int, int] = {}
        for quantity, value in _quantities(sample).items():
            addr = self.addresses.get(quantity)
            if addr is not None:
                image[addr], image[addr + 1] = struct.unpack(">HH", struct.pack(">f", value))
        return [image.get(addr, 0) for addr in range(block.addr, block.addr + block.words)]

    def decode(self, replies: Mapping[Block, Sequence[int]], t: float) -> MeterSample:
        """A reading from the words of all blocks. ValueError when words are missing or a figure is not finite."""
        image: dict[int, int] = {}
        for block, words in replies.items():
            if len(words) != block.words or not all(isinstance(w, int) and 0 <= w <= 0xFFFF for w in words):
                raise ValueError(f"{self.model}: {block.words} registers expected at {block.addr}, found {len(words)}")
            image.update(zip(range(block.addr, block.addr + block.words), words, strict=True))

        def figure(quantity: str) -> float:
            addr = self.addresses[quantity]
            if addr not in image or addr + 1 not in image:
                raise ValueError(f"{self.model}: no reply holds {quantity} at {addr}")
            value: float = struct.unpack(">f", struct.pack(">HH", image[addr], image[addr + 1]))[0]
            if not math.isfinite(value):
                raise ValueError(f"{self.model}: {quantity} at {addr} is {value}, no figure")
            return value

        def three(name: str) -> PhaseAmps:
            return (figure(f"{name}_l1"), figure(f"{name}_l2"), figure(f"{name}_l3"))

        return MeterSample(t, three("current"), three("voltage"), figure("power"), figure("energy_import") * 1000.0)


def _quantities(sample: MeterSample) -> dict[str, float]:
    out = {"power": sample.power_w, "apparent_power": sample.power_w, "power_factor": 1.0, "frequency": FREQUENCY_HZ}
    out |= {"energy_import": sample.energy_wh / 1000.0, "energy_total": sample.energy_wh / 1000.0, "energy_export": 0.0}
    for n in range(3):
        out[f"voltage_l{n + 1}"] = sample.voltage_v[n]
        out[f"current_l{n + 1}"] = sample.current_a[n]
        out[f"power_l{n + 1}"] = sample.current_a[n] * sample.voltage_v[n]
    return out


_SDM630 = {
    "voltage_l1": 0, "voltage_l2": 2, "voltage_l3": 4,
    "current_l1": 6, "current_l2": 8, "current_l3": 10,
    "power_l1": 12, "power_l2": 14, "power_l3": 16,
    "power": 52, "apparent_power": 56, "power_factor": 62, "frequency": 70,
    "energy_import": 72, "energy_export": 74, "energy_total": 342,
}  # fmt: skip

MAPS: Mapping[str, RegisterMap] = {
    "eastron-sdm630": RegisterMap("eastron-sdm630", _SDM630, ((0, 12), (52, 22))),
}


def register_map(model: str) -> RegisterMap:
    """The map of a meter model; KeyError if it is not known."""
    return MAPS[model]
