"""The planner: a rolling look-ahead over the day in quarter-hours, as a linear program solved with HiGHS.

What it seeks, in this order: (1) by rank, highest first, the least missing energy, kWh; (2) within a rank, that nobody lacks more of its
target than others have to; (3) the least cost, in the tariff's currency: energy from the grid times its price, and the demand charge on
what the period's highest quarter-hour rises; (4) what costs the same, sooner rather than later.

It never fails: what can't be had is reported per session with what it lacks and why, and where the solver gives no optimum the plan is "as
soon as possible by rank". A plan only guides: the allocator shares out what there is, and knows floors and mosts as demands. Power is
continuous here, from 0 to a session's most; that it draws nothing or its minimum is put right in what is suggested for now: those
planned below their minimum take turns at it, so that together they draw what was planned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import highspy
import numpy as np

from chargekit.controller.planner_matrix import Matrix, promising, start
from chargekit.controller.planner_model import BANDS, OPEN, SLOT_S, Bools, Floats, Ints, Outlook, Program, Row, Wish, amps
from chargekit.model.site import Circuit

SEPARATION: Final = 8.0
"""How much dearer a kWh missing in a rank is than in the next. A start only, quick to solve: where nothing is missing, it will do."""
WIDE: Final = 64.0
"""The same where something is missing: nearly always enough to put the ranks in order; where not, they are solved one by one."""
SPREAD: Final = 10.0
"""How far the solver takes like costs apart while it works, where a plan will be spread out or fall short: prices differ by more there."""
SPARE: Final = 4
"""Slots that may go by before the program is made anew: until then its day ends up to an hour early."""
HANDFUL: Final = 30
"""So many new columns or less are best taken in by the primal simplex, from the plan there is; with more the dual is done sooner."""
MISSING_KWH: Final = 1e-3
SLACK_KWH: Final = 1e-6
_STATUS: Final = tuple(highspy.HighsBasisStatus(n) for n in range(4))
"""At the lower bound, basic, at the upper, neither though not basic."""
_LOWER, _BASIC, _, _ = _STATUS
_DUAL: Final = 1
_PRIMAL: Final = 4
"""HiGHS's `simplex_strategy`."""
_OPTIMAL = highspy.HighsModelStatus.kOptimal


class _Silent(highspy.Highs):
    """A solver that prints nothing: its first word would be out before an option could be set."""

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Guide:
    """What the plan means for a session now, A per phase: the `planned_a` mean of this slot; `most_a`, no more than which is useful;
    `floor_a`, what it can't do without if it is to have its energy in time. `urgency_s`: the time it could still wait at its most."""

    planned_a: float
    floor_a: float
    most_a: float
    urgency_s: float


@dataclass(frozen=True, slots=True)
class Missing:
    """What a session will lack at its departure, Wh, and why: the circuits that are full while it could take more, with how many of
    its slots; none: its own power is too low for its stay."""

    id: str
    rank: int
    missing_wh: float
    bound_by: tuple[tuple[Row, int], ...]
    because: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`energy_kwh` by session and slot, on the grid side, slot 0 being what is left of it; `hours` the lengths. `cost`: of our sessions'
    energy; `peak_kw` the highest quarter-hour with all the site, `peak_cost` what it costs above the one so far. `how`: "optimal", or what
    the plan is instead and why. `warm`: solved from the last plan's structure."""

    starts: float
    hours: Floats
    energy_kwh: Mapping[str, Floats]
    guides: Mapping[str, Guide]
    missing: tuple[Missing, ...]
    cost: float
    peak_kw: float
    peak_cost: float
    how: str
    warm: bool

    def power_kw(self, id: str) -> Floats:
        """A session's mean power in each slot."""
        return np.divide(self.energy_kwh[id], self.hours, out=np.zeros_like(self.hours), where=self.hours > 0.0)


class Planner:
    """Plans one site again and again. The same wishes and outlooks in the same order give the same plans, in whatever order wishes stand.

    `time_s` is the solver's limit for one plan. A slot's solver state is kept: figures that change cost a few pivots.
    """

    def __init__(self, tree: Mapping[str, Circuit], *, time_s: float = 10.0, separation: float = SEPARATION) -> None:
        self.tree, self.time_s, self.separation = tree, time_s, separation
        self.solver: Any = _Silent()  # type: ignore[no-untyped-call]
        # All figures are kWh within a slot: scaling them anew only costs pivots. No number of threads: HiGHS has one pool for all.
        options: dict[str, Any] = {"simplex_scale_strategy": 0, "parallel": "off", "solver": "simplex"}
        for name, value in options.items():
            self.solver.setOptionValue(name, value)
        self.matrix: Matrix | None = None
        self._first: Any = None

    @property
    def program(self) -> Program | None:
        """The structure the solver has; none before the first plan, and where there is nothing to plan."""
        return None if self.matrix is None else self.matrix.program

    def plan(self, wishes: Sequence[Wish], outlook: Outlook) -> Plan:
        """The plan for these sessions. KeyError for a circuit the site has not; never an error for what can't be met."""
        named = {wish.id: wish for wish in wishes}
        program, warm = self.program, True
        if program is None or not program.fits(named, outlook, SPARE):
            program, warm = self._anew(named, outlook), False
        present = program.present(named)
        low, high, row_low, row_high = program.bounds(present, outlook)
        if self.matrix is None:
            energy, how = np.zeros(0), "optimal"
        else:
            solved, how = self._solve(self.matrix, outlook, (low, high, row_low, row_high))
            if solved is None:
                self.matrix, self._first = None, None
                energy = _at_once(program, present, outlook, high)
                how = f"as soon as possible by rank: {how}"
            else:
                energy = _within(program, outlook, solved[: program.energies], high)
        return _told(program, present, outlook, energy, high, how, warm)

    # --- solving ------------------------------------------------------------------------------------------------

    def _anew(self, named: Mapping[str, Wish], outlook: Outlook) -> Program:
        """A new structure, given to the solver with what the last solution says about the sessions and slots both have."""
        old, basis = self.matrix, None if self.matrix is None else self._basis(self.matrix)
        program = Program(self.tree, list(named.values()), outlook)
        self.matrix, self._first = None, None
        if not program.energies:
            return program
        matrix = Matrix(program)
        low, high, row_low, row_high = program.bounds(program.wishes, outlook)
        costs = program.costs(outlook, self.separation)
        col, row = start(program, high, costs, row_low[: program.count])
        wanted, scarce = promising(program, outlook, costs, high, (row_low, row_high))
        matrix.keep(program.likely(outlook) if old is None else program.kept_of(old.program))
        row = np.concatenate((row, np.ones(program.row_count - program.count, dtype=np.int64)))
        if old is not None and basis is not None and basis.valid:
            _carried(old, basis, program, col, row)
        _, _, row_low, row_high = program.bounds(program.wishes, outlook)
        others, taken = matrix.others(), matrix.take(np.flatnonzero(wanted | (col[: program.energies] > 0)))
        columns = matrix.columns
        starts = np.concatenate((others[0][:-1], others[0][-1] + taken[0]))
        index, value = np.concatenate((others[1], taken[1])), np.concatenate((others[2], taken[2]))
        self.solver.clearModel()
        self.solver.passModel(
            len(columns), program.row_count, len(index), highspy.MatrixFormat.kColwise.value, highspy.ObjSense.kMinimize.value, 0.0,
            costs[columns], low[columns], high[columns], row_low, row_high,
            starts[:-1].astype(np.int32), index.astype(np.int32), value, np.zeros(len(columns), dtype=np.int32),
        )  # fmt: skip
        self.solver.setOptionValue("dual_simplex_cost_perturbation_multiplier", SPREAD if scarce or program.peaks else 1.0)
        made = highspy.HighsBasis()
        made.col_status, made.row_status = [_STATUS[n] for n in col[columns].tolist()], [_STATUS[n] for n in row.tolist()]
        made.valid = made.alien = True
        self.solver.setBasis(made)
        self.matrix = matrix
        return program

    def _solve(self, matrix: Matrix, outlook: Outlook, bounds: tuple[Floats, ...]) -> tuple[Floats | None, str]:
        """The columns' values, or None and why not. Ranks one after another only where something is missing and not in order already."""
        program = matrix.program
        low, high, row_low, row_high = bounds
        costs, columns = program.costs(outlook, self.separation), matrix.columns
        # The solver's clock goes on over all plans.
        self.solver.setOptionValue("time_limit", self.solver.getRunTime() + self.time_s)
        if self._first is not None:
            self.solver.setBasis(self._basis(matrix))
            self._first = None
        self.solver.changeColsBounds(len(columns), np.arange(len(columns), dtype=np.int32), low[columns], high[columns])
        self.solver.changeRowsBounds(program.row_count, np.arange(program.row_count, dtype=np.int32), row_low, row_high)
        found, why = self._optimum(matrix, outlook, bounds, costs, _DUAL)
        if found is None or found[program.short0 : program.sun0].sum() <= MISSING_KWH:
            return found, why
        # From here on only the objective changes: what was found stays feasible, so the primal simplex goes on from it.
        self._first = self.solver.getBasis()
        wide, why = self._optimum(matrix, outlook, bounds, program.costs(outlook, WIDE), _PRIMAL)
        in_order = self._in_order(matrix, bounds, wide) if wide is not None else 0
        if in_order == len(program.ranks):
            return wide, why
        if wide is not None:
            found = wide
        else:
            self.solver.setBasis(self._basis(matrix))
        for rank in range(len(program.ranks)):
            goal = program.missing_only(rank)
            if rank >= in_order and float(goal @ found) > SLACK_KWH:
                found, why = self._optimum(matrix, outlook, bounds, goal, _PRIMAL)
                if found is None:
                    return None, why
            self.solver.changeRowBounds(program.rank_row0 + rank, -OPEN, float(goal @ found) * (1.0 + 1e-9) + SLACK_KWH)
        return self._optimum(matrix, outlook, bounds, costs, _PRIMAL)

    def _optimum(
        self, matrix: Matrix, outlook: Outlook, bounds: tuple[Floats, ...], costs: Floats, strategy: int
    ) -> tuple[Floats | None, str]:  # fmt: skip
        """Solve for these costs; circuits that this overfills get their rows, and energies that would make it better their columns, and
        the solver goes on from there, until there are none."""
        program, columns = matrix.program, matrix.columns
        self.solver.changeColsCost(len(columns), np.arange(len(columns), dtype=np.int32), costs[columns])
        while True:
            self.solver.setOptionValue("simplex_strategy", strategy)
            self.solver.run()
            status = self.solver.getModelStatus()
            if status != _OPTIMAL:
                return None, f"the solver says {self.solver.modelStatusToString(status).lower()}"
            solution = self.solver.getSolution()
            found = matrix.full(np.array(solution.col_value))
            over = program.over(outlook, found[: program.energies])
            if over.any():
                self._keep(matrix, outlook, over)
                strategy = _DUAL
                continue
            better = matrix.better(costs, np.array(solution.row_dual), bounds[1])
            if not len(better):
                return found, "optimal"
            if len(better) <= HANDFUL:
                strategy = _PRIMAL
            starts, index, value = matrix.take(better)
            self.solver.addCols(
                len(better), costs[better], bounds[0][better], bounds[1][better],
                len(index), starts[:-1].astype(np.int32), index.astype(np.int32), value,
            )  # fmt: skip

    def _keep(self, matrix: Matrix, outlook: Outlook, rows: Bools) -> None:
        program, before = matrix.program, len(matrix.program.kept_rows)
        starts, index, value = matrix.keep(rows)
        most = program.capacity(outlook)[program.kept_rows[before:], program.kept_slots[before:]]
        self.solver.addRows(
            len(most), np.full(len(most), -OPEN), most, len(index), starts[:-1].astype(np.int32), index.astype(np.int32), value
        )  # fmt: skip

    def _in_order(self, matrix: Matrix, bounds: tuple[Floats, ...], found: Floats) -> int:
        """How many ranks, from the first on, the solution at hand is known to be best for."""
        row_high = np.concatenate((bounds[3], np.zeros(matrix.program.row_count - len(bounds[3]))))
        _, basic = self.solver.getBasicVariables()

        def prices(costs: Floats) -> Floats:
            return np.array(self.solver.getBasisTransposeSolve(costs)[1])

        return matrix.in_order(np.array(basic, dtype=np.int64), found, (*bounds[:3], row_high), prices)

    def _basis(self, matrix: Matrix) -> Any:
        """Where the solver stands; where it went on to put ranks in order, where it stood before, with what came since as it comes."""
        if self._first is None:
            return self.solver.getBasis()
        col, row = list(self._first.col_status), list(self._first.row_status)
        self._first.col_status = col + [_LOWER] * (len(matrix.columns) - len(col))
        self._first.row_status = row + [_BASIC] * (matrix.program.row_count - len(row))
        return self._first


def _carried(old: Matrix, basis: Any, new: Program, col: Ints, row: Ints) -> None:
    """Into a basis to start from, by column and row: the sessions, slots and rows the last structure had, as they were there."""
    was, shift = old.program, new.shift_from(old.program)
    columns, rows = np.zeros(was.column_count, dtype=np.int64), np.array([int(one) for one in basis.row_status])
    columns[old.columns] = [int(one) for one in basis.col_status]
    for n, wish in enumerate(new.wishes):
        before = was.at.get(wish.id)
        if before is None:
            continue
        row[n] = rows[before]
        took = columns[int(was.offsets[before]) + max(0, shift) : int(was.offsets[before + 1])][: int(new.lengths[n])]
        at = int(new.offsets[n])
        col[at : at + int(new.lengths[n])] = 0
        col[at : at + len(took)] = took
        bands = new.short0 + n * BANDS, was.short0 + before * BANDS
        col[bands[0] : bands[0] + BANDS] = columns[bands[1] : bands[1] + BANDS]
    known = dict(zip(was.row_keys(), rows[was.count :].tolist(), strict=True))
    row[new.count :] = [known.get(key, 1) for key in new.row_keys()]
    suns = {int(t) - shift: int(columns[was.sun0 + i]) for i, t in enumerate(was.suns)}
    col[new.sun0 : -1] = [suns.get(int(t), 0) for t in new.suns]
    col[-1] = columns[-1]


# --- what the figures mean ----------------------------------------------------------------------------------------


def _within(program: Program, outlook: Outlook, energy: Floats, high: Floats) -> Floats:
    """The solver keeps bounds to a tolerance; a plan keeps them: what is a hair over comes down in proportion."""
    energy = np.clip(energy, 0.0, high[: program.energies])
    caps = program.capacity(outlook)
    for _ in range(2):
        full = program.filled(energy)
        share = np.divide(caps, full, out=np.ones_like(full), where=full > caps)
        if (share >= 1.0).all():
            break
        for first, last, uses in program.alike:
            span = slice(int(program.offsets[first]), int(program.offsets[last]))
            least = np.min([share[n] for n, _ in uses], axis=0)
            energy[span] *= least[program.slot[span]]
    return energy


def _at_once(program: Program, present: Sequence[Wish | None], outlook: Outlook, high: Floats) -> Floats:
    """As soon as possible by rank, then by how urgent it is: what is planned when the solver gives nothing."""
    left, energy = program.capacity(outlook).copy(), np.zeros(program.energies)
    known = [(wish.rank, _laxity_s(wish, outlook), wish.id, n, wish) for n, wish in enumerate(present) if wish is not None]
    for _, _, _, n, wish in sorted(known, key=lambda one: one[:3]):
        span = slice(int(program.offsets[n]), int(program.offsets[n + 1]))
        length, uses = int(program.lengths[n]), program.uses[n]
        room = np.minimum(high[span], np.min([left[row, :length] / share for row, share in uses], axis=0) / program.dense[span])
        before = np.concatenate(([0.0], np.cumsum(room)))[:-1]
        taken = np.clip(wish.needs_kwh - before, 0.0, room)
        energy[span] = taken
        for row, share in uses:
            left[row, :length] = np.maximum(0.0, left[row, :length] - share * taken * program.dense[span])
    return energy


def _laxity_s(wish: Wish, outlook: Outlook) -> float:
    """How long a session could wait and still have its energy at its most; infinite where nothing is known or wanted."""
    if wish.needs_kwh <= 0.0 or wish.departs == math.inf:
        return math.inf
    return wish.departs - outlook.now - (wish.needs_kwh / wish.most_kw * 3600.0 if wish.most_kw > 0.0 else math.inf)


def _told(
    program: Program, present: Sequence[Wish | None], outlook: Outlook, energy: Floats, high: Floats, how: str, warm: bool
) -> Plan:  # fmt: skip
    shift, hours = program.shift(outlook), outlook.hours()
    by_id: dict[str, Floats] = {}
    for n, wish in enumerate(present):
        if wish is not None:
            planned = np.zeros(outlook.slots)
            mine = energy[int(program.offsets[n]) : int(program.offsets[n + 1])][shift:]
            planned[: len(mine)] = mine
            by_id[wish.id] = planned
    price = outlook.by_slot(outlook.price)
    whole = np.sum(list(by_id.values()), axis=0) if by_id else np.zeros(outlook.slots)
    sun = np.zeros(outlook.slots)
    sun[: outlook.slots - shift] = program.surplus(outlook)[shift:]
    bought = np.where(price > 0.0, np.maximum(0.0, whole - sun), whole)
    net = np.zeros(outlook.slots)
    net[: outlook.slots - shift] = program.net_kw(outlook)[shift:]
    gone = (SLOT_S / 3600.0 - hours) * outlook.peak_kw
    top = max(outlook.peak_kw, float(((whole + net * hours + gone) / (SLOT_S / 3600.0)).max(initial=0.0)))
    return Plan(
        outlook.starts, hours, by_id, _guides(present, outlook, by_id, hours), _lacking(program, present, outlook, energy, high, by_id),
        float(price @ bought), top, outlook.demand_charge * (top - outlook.peak_kw), how, warm,
    )  # fmt: skip


def _guides(present: Sequence[Wish | None], outlook: Outlook, by_id: Mapping[str, Floats], hours: Floats) -> dict[str, Guide]:
    """What to do now. Those planned below their minimum draw it in turns, most urgent of the highest rank first."""
    guides: dict[str, Guide] = {}
    carried = 0.0
    order = [(w.rank, _laxity_s(w, outlook), w.id, w) for w in present if w is not None]
    for _, laxity, name, wish in sorted(order, key=lambda one: one[:3]):
        stays = min(max(0.0, wish.departs - outlook.now) / 3600.0, float(hours[0]))
        planned = float(by_id[name][0]) / stays if stays > 0.0 else 0.0
        later = wish.most_kw * max(0.0, min((wish.departs - outlook.now) / 3600.0, float(hours.sum())) - stays)
        must = min(planned, max(0.0, wish.needs_kwh - later) / stays) if stays > 0.0 else 0.0
        most, least = planned, min(wish.least_kw, wish.most_kw)
        if planned <= 1e-6:
            most = 0.0
        elif laxity < SLOT_S and wish.needs_kwh > 0.0:
            most = wish.most_kw
        elif planned < least - 1e-9:
            carried += planned
            most = least if must > 1e-6 or carried >= least * 0.5 else 0.0
            carried -= most
        floor = min(max(must, least), most) if must > 1e-6 else 0.0
        guides[name] = Guide(
            amps(planned, wish.phases), _tenths(amps(floor, wish.phases)), _tenths(amps(most, wish.phases)), laxity
        )  # fmt: skip
    return guides


def _tenths(figure: float) -> float:
    """Up to the next 0.1 A: the planned energy must fit."""
    return math.ceil(figure * 10.0 - 1e-6) / 10.0


def _lacking(
    program: Program, present: Sequence[Wish | None], outlook: Outlook, energy: Floats, high: Floats, by_id: Mapping[str, Floats]
) -> tuple[Missing, ...]:  # fmt: skip
    full = program.filled(energy) >= program.capacity(outlook) - 1e-4
    names = [str(row) for row in program.rows]
    found = []
    for n, wish in enumerate(present):
        lacks = wish.needs_kwh - float(by_id[wish.id].sum()) if wish is not None else 0.0
        if wish is None or lacks <= MISSING_KWH:
            continue
        span = slice(int(program.offsets[n]), int(program.offsets[n + 1]))
        open_slots = np.flatnonzero(energy[span] < high[span] - 1e-6)
        tight = [(row, int(full[row, open_slots].sum())) for row, _ in program.uses[n]]
        bound = sorted((one for one in tight if one[1]), key=lambda one: (-one[1], names[one[0]]))
        stays = int((high[span] > 0.0).sum())
        if not stays:
            because = "its departure has passed" if wish.departs <= outlook.now else "it can take no power"
        elif bound:
            because = "; ".join(f"{names[row]} is full in {slots} of its {stays} slots" for row, slots in bound)
        else:
            because = f"its own {wish.most_kw:.1f} kW are too little for its {stays} slots"
        found.append(Missing(wish.id, wish.rank, lacks * 1000.0, tuple((program.rows[row], slots) for row, slots in bound), because))
    return tuple(sorted(found, key=lambda one: (one.rank, one.id)))
