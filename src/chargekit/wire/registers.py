"""Modbus register maps of meters: which blocks to read, and the words of a reading both ways.

Addresses are as sent on the wire (0-based). A map is a table of cells; one class works with them all. Sources, each device by its vendor's
protocol document: Eastron SDM630, Carlo Gavazzi EM24 (RS-485 and E1) and EM340, Schneider iEM3155 (register numbers less one), SunSpec
information models 203 and 213.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from chargekit.model.limit import PhaseAmps
from chargekit.model.metering import MeterSample
from chargekit.wire.modbus import Block

FREQUENCY_HZ: Final = 50.0
MOST_WORDS: Final = 125
Kind = Literal["float32", "int16", "uint16", "int32", "uint32", "int64"]
FORMATS: Final[Mapping[str, str]] = {"float32": ">f", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q"}
WIDTH: Final[Mapping[str, int]] = {"float32": 2, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4}
WRAPS: Final = frozenset({"energy_import", "energy_export", "energy_total"})
"""What counts up wraps at its register's width; everything else stops there."""


class Cell(NamedTuple):
    """A quantity at an address. `unit`: what one count is worth in V, A, W, Wh or Hz. `power_of`: the cell with its power of ten."""

    addr: int
    kind: Kind
    quantity: str
    unit: float = 1.0
    power_of: str = ""


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A meter's registers. `spans`: (address, words) that bring one whole reading; `fixed`: words that never change; those at
    `identity` tell the model.
    """

    model: str
    cells: tuple[Cell, ...]
    spans: tuple[tuple[int, int], ...]
    fc: int = 4
    little: bool = False
    fixed: Mapping[int, int] = field(default_factory=dict)
    identity: tuple[int, ...] = ()

    @property
    def first(self) -> int:
        """The lowest address it has."""
        return min([c.addr for c in self.cells] + list(self.fixed))

    @property
    def last(self) -> int:
        return max([c.addr + WIDTH[c.kind] - 1 for c in self.cells] + list(self.fixed))

    def blocks(self, unit: int) -> tuple[Block, ...]:
        """The requests that bring one whole reading."""
        return tuple(Block(self.fc, addr, words, unit) for addr, words in self.spans)

    def words(self, block: Block, sample: MeterSample, *, swapped: bool = False) -> list[int] | None:
        """The registers of a block while the meter shows `sample`; gaps read 0. None for a function it does not know.

        `swapped`: with the words of each figure the wrong way round.
        """
        if block.fc != self.fc or not 1 <= block.words <= MOST_WORDS:
            return None
        shown, image = _quantities(sample), dict(self.fixed)
        end = block.addr + block.words
        for cell in self.cells:
            if cell.addr < end and cell.addr + WIDTH[cell.kind] > block.addr:
                for n, word in enumerate(self._encoded(cell, shown[cell.quantity], swapped)):
                    image[cell.addr + n] = word
        return [image.get(addr, 0) for addr in range(block.addr, end)]

    def _encoded(self, cell: Cell, value: float, swapped: bool) -> Sequence[int]:
        counts = value / self._worth(cell, self.fixed)
        if cell.kind == "float32":
            raw = struct.pack(">f", counts)
        else:
            raw = struct.pack(FORMATS[cell.kind], _fitted(round(counts), cell))
        words = struct.unpack(f">{len(raw) // 2}H", raw)
        return words[::-1] if self.little != swapped else words

    def _worth(self, cell: Cell, words: Mapping[int, int]) -> float:
        """What a count of a cell is worth, by its own scale factor where it has one."""
        if not cell.power_of:
            return cell.unit
        power = struct.unpack(">h", struct.pack(">H", words[SCALE_AT[self.model][cell.power_of]]))[0]
        return cell.unit * float(10.0**power)

    def decode(self, replies: Mapping[Block, Sequence[int]], t: float) -> MeterSample:
        """A reading from the words of all blocks. ValueError when words are missing or a figure is not finite."""
        image: dict[int, int] = {}
        for block, words in replies.items():
            if len(words) != block.words or not all(isinstance(w, int) and 0 <= w <= 0xFFFF for w in words):
                raise ValueError(f"{self.model}: {block.words} registers expected at {block.addr}, found {len(words)}")
            image.update(zip(range(block.addr, block.addr + block.words), words, strict=True))
        for addr in self.identity:
            if addr in image and image[addr] != self.fixed[addr]:
                raise ValueError(f"{self.model}: {self.fixed[addr]:#06x} expected at {addr}, found {image[addr]:#06x}: another meter?")
        known = {c.quantity: c for c in self.cells}

        def figure(quantity: str, default: float | None = None) -> float:
            cell = known.get(quantity)
            if cell is None or any(cell.addr + n not in image for n in range(WIDTH[cell.kind])):
                if default is not None:
                    return default
                raise ValueError(f"{self.model}: no reply holds {quantity}")
            words = [image[cell.addr + n] for n in range(WIDTH[cell.kind])]
            raw = struct.pack(f">{len(words)}H", *(words[::-1] if self.little else words))
            value = float(struct.unpack(FORMATS[cell.kind], raw)[0]) * self._worth(cell, image)
            if not math.isfinite(value):
                raise ValueError(f"{self.model}: {quantity} at {cell.addr} is {value}, no figure")
            return value

        def three(name: str) -> PhaseAmps:
            return (figure(f"{name}_l1"), figure(f"{name}_l2"), figure(f"{name}_l3"))

        volts, gained = three("voltage"), figure("energy_import")
        return MeterSample(t, three("current"), volts, figure("power"), gained, export_wh=figure("energy_export", 0.0))


def _fitted(count: int, cell: Cell) -> int:
    bits: int = WIDTH[cell.kind] * 16
    low, high = (0, int(2**bits) - 1) if cell.kind.startswith("u") else (-int(2 ** (bits - 1)), int(2 ** (bits - 1)) - 1)
    if cell.quantity in WRAPS:
        return count % (high + 1)
    return min(max(count, low), high)


def _quantities(sample: MeterSample) -> dict[str, float]:
    """Everything a cell may show. Loads are taken as resistive: their apparent power is their power."""
    out = {
        "power": sample.power_w, "apparent_power": abs(sample.power_w), "power_factor": 1.0, "frequency": FREQUENCY_HZ,
        "energy_import": sample.energy_wh, "energy_export": sample.export_wh, "energy_total": sample.energy_wh + sample.export_wh,
        "current_sum": sum(sample.current_a), "current_avg": sum(sample.current_a) / 3, "voltage_avg": sum(sample.voltage_v) / 3,
    }  # fmt: skip
    for n in range(3):
        out[f"voltage_l{n + 1}"] = sample.voltage_v[n]
        out[f"current_l{n + 1}"] = sample.current_a[n]
        out[f"power_l{n + 1}"] = sample.current_a[n] * sample.voltage_v[n]
        out[f"power_factor_l{n + 1}"] = 1.0
    return out


def _three(start: int, step: int, kind: Kind, quantity: str, unit: float = 1.0, power_of: str = "") -> Iterator[Cell]:
    return (Cell(start + n * step, kind, f"{quantity}_l{n + 1}", unit, power_of) for n in range(3))


def _sdm630() -> RegisterMap:
    cells = (
        *_three(0, 2, "float32", "voltage"), *_three(6, 2, "float32", "current"), *_three(12, 2, "float32", "power"),
        *_three(30, 2, "float32", "power_factor"), Cell(52, "float32", "power"), Cell(56, "float32", "apparent_power"),
        Cell(62, "float32", "power_factor"), Cell(70, "float32", "frequency"), Cell(72, "float32", "energy_import", 1000.0),
        Cell(74, "float32", "energy_export", 1000.0), Cell(342, "float32", "energy_total", 1000.0),
    )  # fmt: skip
    return RegisterMap("eastron-sdm630", cells, ((0, 12), (52, 24)))


def _gavazzi(model: str, factors: int, frequency: int, energy: int, export: int) -> RegisterMap:
    """Carlo Gavazzi: int32, least significant word first."""
    cells = (
        *_three(0, 2, "int32", "voltage", 0.1), *_three(12, 2, "int32", "current", 0.001), *_three(18, 2, "int32", "power", 0.1),
        Cell(40, "int32", "power", 0.1), *_three(factors, 1, "int16", "power_factor", 0.001),
        Cell(factors + 3, "int16", "power_factor", 0.001), Cell(frequency, "int16", "frequency", 0.1),
        Cell(energy, "int32", "energy_import", 100.0), Cell(export, "int32", "energy_export", 100.0),
    )  # fmt: skip
    return RegisterMap(model, cells, ((0, 42), (energy, export + 2 - energy)), little=True)


def _iem3155() -> RegisterMap:
    cells = (
        *_three(2999, 2, "float32", "current"), Cell(3009, "float32", "current_avg"), *_three(3027, 2, "float32", "voltage"),
        Cell(3035, "float32", "voltage_avg"), *_three(3053, 2, "float32", "power", 1000.0), Cell(3059, "float32", "power", 1000.0),
        Cell(3075, "float32", "apparent_power", 1000.0), Cell(3109, "float32", "frequency"),
        Cell(3203, "int64", "energy_import"), Cell(3207, "int64", "energy_export"),
    )  # fmt: skip
    return RegisterMap("schneider-iem3155", cells, ((2999, 62), (3203, 8)), fc=3)


SUNSPEC_AT: Final = 40_000
_COMMON: Final = 68
"""Words of the common model: its id, its length of 66, and those."""


def _text(value: str, words: int) -> list[int]:
    raw = value.encode("ascii").ljust(words * 2, b"\0")
    return list(struct.unpack(f">{words}H", raw))


def _sunspec(model: str, number: int, length: int, cells: tuple[Cell, ...], scales: Mapping[int, int]) -> RegisterMap:
    """`SunS`, the common model, a meter model and the end marker. `cells` and `scales` count from the meter model's id."""
    base = SUNSPEC_AT + 2 + _COMMON
    about = [0x5375, 0x6E53, 1, 66, *_text("chargekit", 16), *_text(model, 16), *_text("", 8), *_text("1", 8), *_text("emulated", 16), 1, 0]
    fixed = {SUNSPEC_AT + n: word for n, word in enumerate(about)}
    fixed |= {base: number, base + 1: length, base + 2 + length: 0xFFFF, base + 3 + length: 0}
    fixed |= {base + offset: power & 0xFFFF for offset, power in scales.items()}
    moved = tuple(cell._replace(addr=cell.addr + base) for cell in cells)
    end = max(c.addr + WIDTH[c.kind] for c in moved if c.quantity in WRAPS)
    if scales:
        end = max(end, base + max(scales) + 1)
    identity = (SUNSPEC_AT, SUNSPEC_AT + 1, base)
    return RegisterMap(model, moved, ((SUNSPEC_AT, 4), (base, end - base)), fc=3, fixed=fixed, identity=identity)


def _sunspec_203() -> RegisterMap:
    """Integers with scale factors: tenths of amperes and volts, tens of watts, single watt-hours."""
    cells = (
        Cell(2, "int16", "current_sum", power_of="A"), *_three(3, 1, "int16", "current", power_of="A"),
        Cell(7, "int16", "voltage_avg", power_of="V"), *_three(8, 1, "int16", "voltage", power_of="V"),
        Cell(16, "int16", "frequency", power_of="Hz"), Cell(18, "int16", "power", power_of="W"),
        *_three(19, 1, "int16", "power", power_of="W"),
        Cell(38, "uint32", "energy_export", power_of="TotWh"), Cell(46, "uint32", "energy_import", power_of="TotWh"),
    )  # fmt: skip
    # Points it does not have read 0x8000.
    absent = dict.fromkeys((*range(11, 15), *range(23, 38)), -0x8000)
    return _sunspec("sunspec-203", 203, 105, cells, {**absent, 6: -1, 15: -1, 17: -2, 22: 1, 54: 0})


def _sunspec_213() -> RegisterMap:
    cells = (
        Cell(2, "float32", "current_sum"), *_three(4, 2, "float32", "current"), Cell(10, "float32", "voltage_avg"),
        *_three(12, 2, "float32", "voltage"), Cell(26, "float32", "frequency"), Cell(28, "float32", "power"),
        *_three(30, 2, "float32", "power"), Cell(36, "float32", "apparent_power"), Cell(52, "float32", "power_factor"),
        Cell(60, "float32", "energy_export"), Cell(68, "float32", "energy_import"),
    )  # fmt: skip
    return _sunspec("sunspec-213", 213, 124, cells, {})


_203 = SUNSPEC_AT + 2 + _COMMON
SCALE_AT: Final[Mapping[str, Mapping[str, int]]] = {
    "sunspec-203": {"A": _203 + 6, "V": _203 + 15, "Hz": _203 + 17, "W": _203 + 22, "TotWh": _203 + 54}
}
"""Where a model keeps its powers of ten."""

MAPS: Final[Mapping[str, RegisterMap]] = {
    one.model: one
    for one in (
        _sdm630(), _gavazzi("carlo-gavazzi-em24", 50, 55, 66, 92), _gavazzi("carlo-gavazzi-em24-e1", 46, 51, 52, 78),
        _gavazzi("carlo-gavazzi-em340", 46, 51, 52, 78), _iem3155(), _sunspec_203(), _sunspec_213(),
    )
}  # fmt: skip


def register_map(model: str) -> RegisterMap:
    """The map of a meter model; KeyError if it is not known."""
    return MAPS[model]
