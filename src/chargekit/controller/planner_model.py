"""The look-ahead as a sparse linear program, built from arrays. Energies are kWh in a slot, so that no coefficient depends on time.

Columns: for every session the energy of each slot it is present in; what it goes short of, in four equal parts of its target; the sun used
in each slot that has some to spare; the peak, kW. Rows: the energy of every session, the missing energy of every rank, the sun, the peak,
and of circuits and slots by phase (and their kW caps) those that probably bind or that a solution would otherwise overfill: few ever do.
Sessions are ordered by what they are, never by who asked first. `planner_matrix` is the part of it the solver has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chargekit.controller.allocator import NOMINAL_V, PHASE
from chargekit.model.site import Circuit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
SLOT_S: Final = 900.0
SLOT_H: Final = SLOT_S / 3600.0
SLOTS: Final = 96
BANDS: Final = 4
"""Parts a target is cut into: the last quarter of everybody's is missing before anybody's first."""
EARLY: Final = 1e-4
"""What a kWh an hour later costs beside the tariff: enough to order what costs the same, too little to outweigh a price."""
LIKELY: Final = 3.0
"""Where all who are there could fill a circuit so many times over, and more often than those above it, it has a row from the start."""
MOVED: Final = 4.0
"""What a kWh missing in the next quarter of a target costs more, in what moving a kWh about can cost at most."""
SHORT: Final = 32.0
"""What a kWh missing in the last rank costs, in what the next quarter of a target costs more."""
DEAREST: Final = 1e8
"""What a kWh missing in the first rank costs at most: with more the solver's figures are no longer good."""
OVER_KWH: Final = 1e-6
"""A circuit this much over its capacity in a slot gets a row there."""
OPEN: Final = math.inf
LEAST_S: Final = 60.0
"""Less than this of the slot somebody leaves in is nothing to plan with."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A session as it is planned, on the grid side: `most_kw` and, once it draws at all, `least_kw`, spread evenly over these site phases;
    `needs_kwh` still wanted until `departs` (run s; infinite: unknown). Rank 0 comes first. ValueError for figures that are none."""

    id: str
    circuit: str
    phases: tuple[int, ...]
    most_kw: float
    least_kw: float
    needs_kwh: float
    departs: float = math.inf
    rank: int = 0

    def __post_init__(self) -> None:
        figures = (self.most_kw, self.least_kw, self.needs_kwh)
        if not all(math.isfinite(f) and f >= 0.0 for f in figures) or math.isnan(self.departs) or not self.phases:
            raise ValueError(f"{self.id}: powers and energy are figures of at least 0, on at least one phase")

    @classmethod
    def ac(
        cls, id: str, circuit: str, phases: tuple[int, ...], most_a: float, needs_kwh: float, departs: float = math.inf,
        *, least_a: float = 6.0, rank: int = 0,
    ) -> Wish:  # fmt: skip
        """An AC session by its A per phase."""
        return cls(id, circuit, phases, kw(most_a, phases), kw(least_a, phases), needs_kwh, departs, rank)

    @classmethod
    def dc(
        cls, id: str, circuit: str, most_kw: float, needs_kwh: float, departs: float = math.inf,
        *, least_kw: float = 0.0, efficiency: float = 1.0, rank: int = 0,
    ) -> Wish:  # fmt: skip
        """A DC session by its output: kW and kWh are turned to the grid side."""
        return cls(
            id, circuit, (0, 1, 2), most_kw / efficiency, least_kw / efficiency, needs_kwh / efficiency, departs, rank
        )  # fmt: skip

    @property
    def kind(self) -> tuple[str, tuple[int, ...]]:
        return self.circuit, self.phases


def kw(amps: float, phases: tuple[int, ...]) -> float:
    """A per phase as kW at the nominal voltage."""
    return amps * len(phases) * NOMINAL_V / 1000.0


def amps(power_kw: float, phases: tuple[int, ...]) -> float:
    """kW as A per phase at the nominal voltage."""
    return power_kw * 1000.0 / NOMINAL_V / len(phases)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the site expects. `starts` is the run second the first slot began at, not after `now`.

    By circuit, for all that flows through it beside our sessions: `limits_a` (A per phase), `base_a` (A per phase, of buildings), `pv_kw`
    (given by the sun, even over the phases), `limits_kw`; each a figure, one per slot, or one per slot and phase. `price` is per kWh by
    slot, `demand_charge` per kW of the period's highest quarter-hour mean, `peak_kw` the highest so far, all in the tariff's currency.
    """

    now: float
    starts: float
    limits_a: Mapping[str, ArrayLike] = field(default_factory=dict)
    base_a: Mapping[str, ArrayLike] = field(default_factory=dict)
    pv_kw: Mapping[str, ArrayLike] = field(default_factory=dict)
    limits_kw: Mapping[str, ArrayLike] = field(default_factory=dict)
    price: ArrayLike = 0.0
    demand_charge: float = 0.0
    peak_kw: float = 0.0
    slots: int = SLOTS

    def by_phase(self, given: ArrayLike) -> Floats:
        """(slots, 3) of a figure, one figure per phase, one per slot, or both."""
        array = np.asarray(given, dtype=float)
        if array.ndim == 1 and array.shape != (3,):
            array = array[:, None]
        return np.array(np.broadcast_to(array, (self.slots, 3)))

    def by_slot(self, given: ArrayLike) -> Floats:
        return np.broadcast_to(np.asarray(given, dtype=float), (self.slots,)).astype(float)

    def hours(self) -> Floats:
        """What is left of each slot, h."""
        begins = self.starts + SLOT_S * np.arange(self.slots)
        return np.asarray(np.clip(begins + SLOT_S - np.maximum(begins, self.now), 0.0, SLOT_S) / 3600.0)

    def beside_a(self, circuit: str) -> Floats:
        """(slots, 3) A: what the circuit carries beside our sessions; negative where the sun gives more than is used."""
        return self.by_phase(self.base_a.get(circuit, 0.0)) - self.by_phase(self.pv_kw.get(circuit, 0.0)) * 1000.0 / 3.0 / NOMINAL_V


@dataclass(frozen=True, slots=True)
class Row:
    """A circuit's rows, one per slot: its phases (those whose sessions are the same ones share one, the tightest), or its kW cap."""

    circuit: str
    phases: tuple[int, ...]

    def __str__(self) -> str:
        return f"circuit {self.circuit} " + ("kW cap" if not self.phases else "/".join(PHASE[p] for p in self.phases))


class Program:
    """The structure of one linear program: who is in it and from which slot to which. Figures are put in by `bounds` and `costs`.

    `built` is the run second the first slot began at; a later outlook finds its slots by their times, and those gone by are closed.
    """

    def __init__(self, tree: Mapping[str, Circuit], wishes: Sequence[Wish], outlook: Outlook) -> None:
        self.tree, self.built, self.slots = tree, outlook.starts, outlook.slots
        self.wishes = sorted(wishes, key=lambda w: (w.circuit, w.phases, w.id))
        self.at = {w.id: n for n, w in enumerate(self.wishes)}
        self.count = len(self.wishes)
        self.ranks = sorted({w.rank for w in self.wishes})
        self.rank_of = np.array([self.ranks.index(w.rank) for w in self.wishes], dtype=np.int64)
        self.lengths = np.array([self._length(w, outlook.now) for w in self.wishes], dtype=np.int64)
        self.offsets = np.concatenate(([0], np.cumsum(self.lengths)))
        self.energies = int(self.offsets[-1])
        self.owner = np.repeat(np.arange(self.count), self.lengths)
        self.slot = np.arange(self.energies) - np.repeat(self.offsets[:-1], self.lengths)
        self.short0 = self.energies
        self.sun0 = self.short0 + BANDS * self.count
        self.rows = self._rows(outlook)
        by_kind = {kind: self._uses(kind) for kind in {w.kind: None for w in self.wishes}}
        self.uses = [by_kind[w.kind] for w in self.wishes]
        self.alike = self._alike()
        self._capacity: tuple[Outlook, Floats] | None = None
        self.dense = self._dense(outlook)
        self.kept = np.zeros((len(self.rows), self.slots), dtype=bool)
        self.kept_rows: Ints = np.zeros(0, dtype=np.int64)
        self.kept_slots: Ints = np.zeros(0, dtype=np.int64)
        surplus, price = self.surplus(outlook), outlook.by_slot(outlook.price)
        self.suns = np.flatnonzero((surplus > 0.0) & (price > 0.0))
        self.peaks = bool(outlook.demand_charge > 0.0)
        self.column_count = self.sun0 + len(self.suns) + 1
        self.rank_row0 = self.count
        self.sun_row0 = self.rank_row0 + len(self.ranks)
        self.peak_row0 = self.sun_row0 + len(self.suns)
        self.circuit_row0 = self.row_count = self.peak_row0 + (self.slots if self.peaks else 0)

    def _length(self, wish: Wish, now: float) -> int:
        if wish.departs <= now or wish.most_kw <= 0.0:
            return 0
        return int(min(self.slots, math.ceil((wish.departs - self.built) / SLOT_S - 1e-9))) if wish.departs < math.inf else self.slots

    def _dense(self, outlook: Outlook) -> Floats:
        """By energy column: a circuit carries power, so the energy of a slot somebody leaves in counts as if it went on to its end."""
        begins = self.built + SLOT_S * self.slot
        departs = np.array([w.departs for w in self.wishes])[self.owner] if self.count else np.zeros(0)
        whole = begins + SLOT_S - np.maximum(begins, outlook.now)
        here = np.minimum(begins + SLOT_S, departs) - np.maximum(begins, outlook.now)
        return np.asarray(np.divide(whole, here, out=np.ones_like(whole), where=(here >= LEAST_S) & (here < whole)))

    def _path(self, circuit: str) -> list[str]:
        found, at = [], self.tree[circuit]
        while True:
            found.append(at.name)
            if at.parent is None:
                return found
            at = self.tree[at.parent]

    def _rows(self, outlook: Outlook) -> list[Row]:
        """A row per circuit for its kW cap, if it has one, and per set of phases that always carry the same sessions alike."""
        kinds: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        for kind in dict.fromkeys(w.kind for w in self.wishes):
            for name in self._path(kind[0]):
                kinds.setdefault(name, []).append(kind)
        rows = []
        for name, below in sorted(kinds.items()):
            alike: dict[tuple[int, ...], list[int]] = {}
            for phase in range(3):
                users = tuple(n for n, kind in enumerate(below) if phase in kind[1])
                if users:
                    alike.setdefault(users, []).append(phase)
            rows += [Row(name, tuple(phases)) for phases in alike.values()]
            if name in outlook.limits_kw:
                rows.append(Row(name, ()))
        return rows

    def _uses(self, kind: tuple[str, tuple[int, ...]]) -> list[tuple[int, float]]:
        """Which rows a session of this kind uses, and how much of each kWh."""
        path = set(self._path(kind[0]))
        found = []
        for n, row in enumerate(self.rows):
            if row.circuit in path:
                if not row.phases:
                    found.append((n, 1.0))
                elif row.phases[0] in kind[1]:
                    found.append((n, 1.0 / len(kind[1])))
        return found

    # --- figures by slot ----------------------------------------------------------------------------------------

    def shift(self, outlook: Outlook) -> int:
        """How many of the slots have gone by."""
        return round((outlook.starts - self.built) / SLOT_S)

    def onto(self, outlook: Outlook, by_slot: Floats) -> Floats:
        """An outlook's figures by slot on this program's slots; 0 for those gone by."""
        shift = self.shift(outlook)
        found = np.zeros((self.slots, *by_slot.shape[1:]))
        found[shift:] = by_slot[: self.slots - shift]
        return found

    def hours(self, outlook: Outlook) -> Floats:
        return self.onto(outlook, outlook.hours())

    def most(self, outlook: Outlook, wishes: Sequence[Wish | None] | None = None) -> Floats:
        """By energy column: the most it can take, kWh."""
        now = self.wishes if wishes is None else wishes
        begins = self.built + SLOT_S * self.slot
        departs = np.array([w.departs if w is not None else -OPEN for w in now])[self.owner] if self.count else np.zeros(0)
        power = np.array([w.most_kw if w is not None else 0.0 for w in now])[self.owner] if self.count else np.zeros(0)
        here = np.minimum(begins + SLOT_S, departs) - np.maximum(begins, outlook.now)
        here[(here < LEAST_S) & (departs < begins + SLOT_S)] = 0.0
        return np.asarray(power * np.clip(here, 0.0, SLOT_S) / 3600.0)

    def capacity(self, outlook: Outlook) -> Floats:
        """(rows, slots) kWh: the limit less what flows beside our sessions, never below 0. Made once for an outlook: not to be changed."""
        if self._capacity is not None and self._capacity[0] is outlook:
            return self._capacity[1]
        found, hours = np.zeros((len(self.rows), self.slots)), outlook.hours()
        for n, row in enumerate(self.rows):
            beside = outlook.beside_a(row.circuit)
            if row.phases:
                given = outlook.limits_a.get(row.circuit, self.tree[row.circuit].rating_a)
                room = (outlook.by_phase(given) - beside)[:, list(row.phases)].min(axis=1) * NOMINAL_V / 1000.0
            else:
                room = outlook.by_slot(outlook.limits_kw[row.circuit]) - beside.sum(axis=1) * NOMINAL_V / 1000.0
            found[n] = self.onto(outlook, np.maximum(room, 0.0) * hours)
        self._capacity = outlook, found
        return found

    def filled(self, energy: Floats) -> Floats:
        """(rows, slots) kWh: what these energies of the columns put on each circuit."""
        found = np.zeros((len(self.rows), self.slots))
        for first, last, uses in self.alike:
            low, high = int(self.offsets[first]), int(self.offsets[last])
            if high > low:
                added = np.bincount(self.slot[low:high], energy[low:high] * self.dense[low:high], self.slots)
                for n, share in uses:
                    found[n] += share * added
        return found

    def _alike(self) -> list[tuple[int, int, list[tuple[int, float]]]]:
        """Runs of sessions of one kind: first, one past the last, and the rows they use."""
        found, first = [], 0
        for n in range(1, self.count + 1):
            if n == self.count or self.wishes[n].kind != self.wishes[first].kind:
                found.append((first, n, self.uses[first]))
                first = n
        return found

    def net_kw(self, outlook: Outlook) -> Floats:
        """By slot: what the site takes from the grid beside our sessions, kW."""
        root = next(name for name, circuit in self.tree.items() if circuit.parent is None)
        return self.onto(outlook, outlook.beside_a(root).sum(axis=1) * NOMINAL_V / 1000.0)

    def surplus(self, outlook: Outlook) -> Floats:
        """By slot: sun nobody uses, kWh."""
        return np.maximum(0.0, -self.net_kw(outlook)) * self.hours(outlook)

    # --- rows ---------------------------------------------------------------------------------------------------

    def crowded(self, outlook: Outlook) -> Floats:
        """(rows, slots): how many times over all who are there could fill a circuit."""
        caps = self.capacity(outlook)
        return np.asarray(self.filled(self.most(outlook)) / np.maximum(caps, OVER_KWH))

    def likely(self, outlook: Outlook) -> Bools:
        """The circuits and slots that probably bind: all who are there could fill them several times over, and the circuits above do not
        hold them back more. A demand charge spreads what is drawn so much that hardly any does."""
        if self.peaks:
            return np.zeros_like(self.kept)
        crowded = self.crowded(outlook)
        found = crowded > LIKELY
        number = {(row.circuit, phase): n for n, row in enumerate(self.rows) for phase in row.phases}
        for n, row in enumerate(self.rows):
            for name in self._path(row.circuit)[1:]:
                for above in {number[name, phase] for phase in row.phases}:
                    found[n] &= crowded[n] > crowded[above]
        return found

    def over(self, outlook: Outlook, energy: Floats) -> Bools:
        """The circuits and slots these energies overfill that have no row yet."""
        return (self.filled(energy) > self.capacity(outlook) + OVER_KWH) & ~self.kept

    def keep(self, wanted: Bools) -> int:
        """Give these circuits and slots a row each, after all there are; how many are new."""
        rows, slots = np.nonzero(wanted & ~self.kept)
        self.kept |= wanted
        self.kept_rows, self.kept_slots = np.concatenate((self.kept_rows, rows)), np.concatenate((self.kept_slots, slots))
        self.row_count = self.circuit_row0 + len(self.kept_rows)
        return len(rows)

    def kept_of(self, old: Program) -> Bools:
        """The rows another structure had, by what they are of."""
        number, shift = {row: n for n, row in enumerate(self.rows)}, self.shift_from(old)
        found = np.zeros_like(self.kept)
        for row, slot in zip(old.kept_rows.tolist(), old.kept_slots.tolist(), strict=True):
            n, at = number.get(old.rows[row]), slot - shift
            if n is not None and 0 <= at < self.slots:
                found[n, at] = True
        return found

    def fits(self, wishes: Mapping[str, Wish], outlook: Outlook, spare: int) -> bool:
        """Whether the same structure will do: nobody is new or another, no row is missing, not too many slots have gone by."""
        shift = self.shift(outlook)
        if not 0 <= shift <= spare or abs(self.built + shift * SLOT_S - outlook.starts) > 1e-6 or outlook.slots != self.slots:
            return False
        end = self.built + self.slots * SLOT_S
        for name, wish in wishes.items():
            n = self.at.get(name)
            if n is None or wish.kind != self.wishes[n].kind or wish.rank != self.wishes[n].rank:
                return False
            if min(wish.departs, end) != min(self.wishes[n].departs, end) or (wish.most_kw > 0.0 and not self.lengths[n]):
                return False
        if {row.circuit for row in self.rows if not row.phases} != {c for c in outlook.limits_kw if any(r.circuit == c for r in self.rows)}:
            return False
        surplus, price = self.surplus(outlook), self.onto(outlook, outlook.by_slot(outlook.price))
        sunny = np.flatnonzero((surplus > 0.0) & (price > 0.0))
        return bool(np.isin(sunny, self.suns).all()) and self.peaks == (outlook.demand_charge > 0.0)

    def present(self, wishes: Mapping[str, Wish]) -> list[Wish | None]:
        """The wishes by their place here; None for those who left."""
        return [wishes.get(w.id) for w in self.wishes]

    def bounds(self, present: Sequence[Wish | None], outlook: Outlook) -> tuple[Floats, Floats, Floats, Floats]:
        """Lower and upper bounds of the columns, and of the rows."""
        hours = self.hours(outlook)
        needs = np.array([w.needs_kwh if w is not None else 0.0 for w in present])
        low, high = np.zeros(self.column_count), np.zeros(self.column_count)
        high[: self.energies] = self.most(outlook, present)
        high[self.short0 : self.sun0] = np.repeat(needs / BANDS, BANDS)
        high[self.sun0 : -1] = self.surplus(outlook)[self.suns]
        low[-1], high[-1] = outlook.peak_kw, OPEN
        row_low, row_high = np.full(self.row_count, -OPEN), np.full(self.row_count, OPEN)
        row_low[: self.count] = row_high[: self.count] = needs
        row_high[self.circuit_row0 :] = self.capacity(outlook)[self.kept_rows, self.kept_slots]
        row_high[self.sun_row0 : self.peak_row0] = 0.0
        if self.peaks:
            # Of a quarter-hour that has begun, what is gone counts as the highest so far: it can't be undone.
            gone = np.where(hours > 0.0, SLOT_H - hours, 0.0) * outlook.peak_kw
            top = -(self.net_kw(outlook) * hours + gone)
            row_high[self.peak_row0 : self.circuit_row0] = np.where(hours > 0.0, top, OPEN)
        return low, high, row_low, row_high

    def costs(self, outlook: Outlook, separation: float) -> Floats:
        """The objective, per kWh of each column (the peak: per kW): price, later rather than sooner, and what is missing, by rank."""
        price = self.onto(outlook, outlook.by_slot(outlook.price))
        found = np.zeros(self.column_count)
        # The same for all: an order among sessions that cost the same costs thousands of pivots.
        later = EARLY * SLOT_H * np.maximum(self.slot - self.shift(outlook), 0)
        found[: self.energies] = price[self.slot] + later
        # A rank's kWh outweigh all quarters of those after it, and each quarter all that moving energy about can cost.
        moved = MOVED * (0.1 + float(np.abs(price).max(initial=0.0)) + outlook.demand_charge / SLOT_H)
        others = max(1, len(self.ranks) - 1)
        step = max(1.0, min(separation, (DEAREST / (moved * SHORT)) ** (1.0 / others)))
        by_rank = moved * SHORT * step ** (len(self.ranks) - 1 - self.rank_of)
        found[self.short0 : self.sun0] = np.add.outer(by_rank, moved * np.arange(BANDS)).ravel()
        found[self.sun0 : -1] = -np.maximum(price[self.suns], 0.0)
        found[-1] = outlook.demand_charge
        return found

    def missing_only(self, rank: int) -> Floats:
        """The objective of one rank's turn: its missing kWh, nothing else."""
        found = np.zeros(self.column_count)
        found[self.short0 : self.sun0] = np.repeat(self.rank_of == rank, BANDS)
        return found

    def shift_from(self, old: Program) -> int:
        """By how many slots this one begins later than another."""
        return round((self.built - old.built) / SLOT_S)

    def row_keys(self) -> list[Any]:
        """What each row after the sessions' is of, to carry a basis over to the next structure."""
        at = [round(self.built / SLOT_S, 3) + t for t in range(self.slots)]
        circuits = [(self.rows[n], at[t]) for n, t in zip(self.kept_rows, self.kept_slots, strict=True)]
        rows: list[Any] = [("rank", r) for r in self.ranks] + [("sun", at[t]) for t in self.suns]
        return rows + ([("peak", t) for t in at] if self.peaks else []) + circuits
