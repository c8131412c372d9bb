"""Modbus register maps of meters: which blocks to read, and the words of a reading both ways.

Addresses are as sent on the wire (0-based). A map is a table of cells; one class works with them all. Sources, each device by its vendor's
protocol document: Eastron SDM630, Carlo Gavazzi EM24 (RS-485 and E1) and EM340, Schneider iEM3155 (register numbers less one), SunSpec
information models 203 and 213.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeVar

from chargekit.model.metering import MeterSample
from chargekit.wire.modbus import Block

K = TypeVar("K")
V = TypeVar("V")
FREQUENCY_HZ: Final = 50.0
MOST_WORDS: Final = 125
Kind = Literal["float32", "int16", "uint16", "int32", "uint32", "int64"]
FORMATS: Final[Mapping[str, str]] = {"float32": ">f", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q"}
WIDTH: Final[Mapping[str, int]] = {"float32": 2, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4}
CODERS: Final = {kind: struct.Struct(code) for kind, code in FORMATS.items()}
LIMITS: Final[Mapping[str, tuple[int, int]]] = {
    kind: (0, 2 ** (16 * wide) - 1) if kind.startswith("u") else (-(2 ** (16 * wide - 1)), 2 ** (16 * wide - 1) - 1)
    for kind, wide in WIDTH.items()
}
SHOWN: Final = (
    "voltage_l1", "voltage_l2", "voltage_l3", "energy_import", "current_l1", "current_l2", "current_l3", "power",
)  # fmt: skip
"""What every reading has."""
MOST_KEPT: Final = 256
MOST_POWER: Final = 10
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
    _shown: dict[Block, _Showing] = field(default_factory=dict, init=False, repr=False, compare=False)
    _read: dict[tuple[Block, ...], _Reading] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        return _kept(self._shown, block, self._showing).words(_quantities(sample), self.little != swapped)

    def _showing(self, block: Block) -> _Showing:
        end = block.addr + block.words
        cells = [c for c in self.cells if c.addr < end and c.addr + WIDTH[c.kind] > block.addr]
        # Words of a figure that the block cuts are made, and then left out.
        first = min([block.addr, *(c.addr for c in cells)])
        last = max([end, *(c.addr + WIDTH[c.kind] for c in cells)])
        base = bytearray(2 * (last - first))
        for addr, word in self.fixed.items():
            if first <= addr < last:
                struct.pack_into(">H", base, 2 * (addr - first), word)
        order = list(range(last - first))
        rows = []
        for cell in cells:
            at, wide = cell.addr - first, WIDTH[cell.kind]
            order[at : at + wide] = order[at : at + wide][::-1]
            worth = cell.unit * _power(self.fixed[SCALE_AT[self.model][cell.power_of]]) if cell.power_of else cell.unit
            rows.append((2 * at, CODERS[cell.kind], cell, worth))
        return _Showing(bytes(base), struct.Struct(f">{last - first}H"), rows, order, block.addr - first, end - first)

    def decode(self, replies: Mapping[Block, Sequence[int]], t: float) -> MeterSample:
        """A reading from the words of all blocks. ValueError when words are missing or a figure is not finite."""
        read = _kept(self._read, tuple(replies), self._reading)
        raw = bytearray(2 * read.words)
        for (block, words), (at, coder) in zip(replies.items(), read.parts, strict=True):
            try:
                coder.pack_into(raw, at, *words)
            except struct.error as why:
                raise ValueError(f"{self.model}: {block.words} registers expected at {block.addr}, found {len(words)}") from why
        for at, addr in read.identity:
            found = int.from_bytes(raw[at : at + 2])
            if found != self.fixed[addr]:
                raise ValueError(f"{self.model}: {self.fixed[addr]:#06x} expected at {addr}, found {found:#06x}: another meter?")
        figures = []
        for at, end, coder, cell, power_at in read.figures:
            part = raw[at:end]
            if self.little:
                part[0::2], part[1::2] = part[-2::-2], part[-1::-2]
            worth = cell.unit if power_at is None else cell.unit * _power(int.from_bytes(raw[power_at : power_at + 2]))
            value = float(coder.unpack(part)[0]) * worth
            if not math.isfinite(value):
                raise ValueError(f"{self.model}: {cell.quantity} at {cell.addr} is {value}, no figure")
            figures.append(value)
        u1, u2, u3, gained, i1, i2, i3, power, *export = figures
        return MeterSample(t, (i1, i2, i3), (u1, u2, u3), power, gained, export_wh=export[0] if export else 0.0)

    def _reading(self, blocks: tuple[Block, ...]) -> _Reading:
        at: dict[int, int] = {}
        parts, words = [], 0
        for block in blocks:
            parts.append((2 * words, struct.Struct(f">{block.words}H")))
            at.update({block.addr + n: 2 * (words + n) for n in range(block.words)})
            words += block.words
        known, figures = {c.quantity: c for c in self.cells}, []
        for quantity in (*SHOWN, "energy_export"):
            cell = known.get(quantity)
            places = [at.get(cell.addr + n, -1) for n in range(WIDTH[cell.kind])] if cell is not None else []
            power = at.get(SCALE_AT[self.model][cell.power_of], -1) if cell is not None and cell.power_of else None
            if cell is None or power == -1 or places != list(range(places[0], places[0] + 2 * len(places), 2)) or -1 in places:
                if quantity not in SHOWN:
                    continue
                raise ValueError(f"{self.model}: no reply holds {quantity}")
            figures.append((places[0], places[-1] + 2, CODERS[cell.kind], cell, power))
        return _Reading(words, parts, [(at[addr], addr) for addr in self.identity if addr in at], figures)


@dataclass(frozen=True, slots=True)
class _Showing:
    """How one block is written: the bytes of what never changes; of each cell the byte, coder and worth of a count; the order of words
    when those of each figure are turned round; and which words were asked for."""

    base: bytes
    unpacked: struct.Struct
    rows: Sequence[tuple[int, struct.Struct, Cell, float]]
    turned: Sequence[int]
    first: int
    end: int

    def words(self, shown: Mapping[str, float], turned: bool) -> list[int]:
        raw = bytearray(self.base)
        for at, coder, cell, worth in self.rows:
            counts = shown[cell.quantity] / worth
            coder.pack_into(raw, at, counts if cell.kind == "float32" else _fitted(round(counts), cell))
        found = self.unpacked.unpack(raw)
        if turned:
            return [found[n] for n in self.turned[self.first : self.end]]
        return list(found[self.first : self.end])


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the replies of some blocks are read, laid end to end: of each block its first byte and coder; the bytes and addresses of words
    that tell the model; of each figure, in the order of `SHOWN`, its bytes, coder, cell and the byte of its power of ten."""

    words: int
    parts: Sequence[tuple[int, struct.Struct]]
    identity: Sequence[tuple[int, int]]
    figures: Sequence[tuple[int, int, struct.Struct, Cell, int | None]]


def _kept(kept: dict[K, V], key: K, made: Callable[[K], V]) -> V:
    """What was worked out for these blocks. A peer may ask for any: no more than some are kept."""
    found = kept.get(key)
    if found is None:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        found = kept[key] = made(key)
    return found


def _power(word: int) -> float:
    """ValueError for a scale factor SunSpec does not know (-10 to 10; 0x8000: there is none)."""
    power = word - 0x10000 if word & 0x8000 else word
    if not -MOST_POWER <= power <= MOST_POWER:
        raise ValueError(f"a scale factor of -{MOST_POWER} to {MOST_POWER} expected, found {power}")
    return float(10.0**power)


def _fitted(count: int, cell: Cell) -> int:
    low, high = LIMITS[cell.kind]
    if cell.quantity in WRAPS:
        return count % (high + 1)
    return min(max(count, low), high)


def _quantities(sample: MeterSample) -> dict[str, float]:
    """Everything a cell may show. Loads are taken as resistive: their apparent power is their power."""
    (i1, i2, i3), (u1, u2, u3), power = sample.current_a, sample.voltage_v, sample.power_w
    return {
        "power": power, "apparent_power": abs(power), "power_factor": 1.0, "frequency": FREQUENCY_HZ,
        "energy_import": sample.energy_wh, "energy_export": sample.export_wh, "energy_total": sample.energy_wh + sample.export_wh,
        "current_sum": sum(sample.current_a), "current_avg": sum(sample.current_a) / 3, "voltage_avg": sum(sample.voltage_v) / 3,
        "voltage_l1": u1, "voltage_l2": u2, "voltage_l3": u3, "current_l1": i1, "current_l2": i2, "current_l3": i3,
        "power_l1": i1 * u1, "power_l2": i2 * u2, "power_l3": i3 * u3,
        "power_factor_l1": 1.0, "power_factor_l2": 1.0, "power_factor_l3": 1.0,
    }  # fmt: skip


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
