"""What stopped a demand, and what that constraint's cap goes into; with the words that need nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from chargekit.controller.allocator import NOMINAL_V, PHASE, Allocation, Budget, Demand
from chargekit.controller.feedback import RESTS
from chargekit.controller.replaying import Situation
from chargekit.model.located import Source

Use = Literal["margin", "base", "reserved", "above", "peer", "below", "own"]
EPS: Final = 0.05
HELD: Final = "; held to "
"""What begins the clause of a demand's reason that says by which rule it may have less than it can use (`controller.steering`)."""
OUT_OF_TURN: Final = ("; throttled ", "; gives first while ")
"""What begins the clause of a demand's reason that says that it gives up what is above its minimum before others."""
STATES: Final = {
    "offline": "offline", "unseen": "not seen in this run", "unruly": "drawing more than it was told", "idle": "its default",
    "unconfirmed": "its default is not confirmed",
}  # fmt: skip
_UNBALANCE: Final = re.compile(r", unbalance of at most ([0-9.e+]+) A\), phase (L[123])$")


@dataclass(frozen=True, slots=True)
class Part:
    """A share of what the binding constraint allows: whose, how much (in the constraint's unit), why."""

    use: Use
    who: str
    amount: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """The constraint that stopped it. `what`: phase of circuit, kW cap, or cap on sessions; `cap`, `left` and all parts are in `unit`.
    `turned`: somebody is throttled out of turn, or it comes last as it draws nothing: the order of service is not that of the ranks."""

    circuit: str
    what: str
    unit: Literal["A", "kW", "sessions"]
    rule: str
    source: Source
    cap: float
    parts: tuple[Part, ...]
    left: float
    turned: bool = False

    def sum(self, *uses: Use) -> float:
        return sum(part.amount for part in self.parts if part.use in uses)

    def of(self, *uses: Use) -> list[Part]:
        return [part for part in self.parts if part.use in uses]


def row_of(one: Situation, demand: Demand, bound_by: str) -> int | None:
    """The row of the allocator's table whose name this is; None for what is no row of its own (served, unbalance)."""
    room = one.given.room()
    rows, _ = room.rows(demand.circuit, demand.phases, demand.current, demand.id)
    return next((row for row in (*rows, *room.gates(demand.circuit, demand.group)) if room.name(row) == bound_by), None)


def binding_of(one: Situation, allocation: Allocation, demand: Demand) -> Binding | None:
    """What stopped a demand, and what its cap goes into. None when it got all it wanted."""
    found = _binding(one, allocation, demand)
    turned = RESTS in demand.because or any(clause in other.because for other in one.given.demands for clause in OUT_OF_TURN)
    return replace(found, turned=True) if found is not None and turned else found


def _binding(one: Situation, allocation: Allocation, demand: Demand) -> Binding | None:
    bound_by, room = allocation.grants[demand.id].bound_by, one.given.room()
    row = row_of(one, demand, bound_by)
    if row is None:
        return _unbalance(one, allocation, demand, bound_by)
    if row >= len(room.by):
        gate = one.given.concurrent[row - len(room.by)]
        groups = f" of {', '.join(sorted(gate.groups))}" if gate.groups else ""
        parts = _users(one, allocation, demand, lambda d, amps: float(amps > 0 and row in room.gates(d.circuit, d.group)))
        left = gate.most - sum(part.amount for part in parts)
        what = f"the cap on sessions{groups} of circuit {gate.circuit}"
        return Binding(gate.circuit, what, "sessions", "sessions at a time", gate.source, float(gate.most), parts, left)
    limit = room.by[row]
    assert limit is not None
    name, phase = limit.circuit, row % 4
    budget = room.budget(row)
    if budget is not None:
        return _budgeted(one, allocation, demand, budget, phase)
    if phase < 3:
        cap = one.before_margin(limit)
        parts = _parts(one, allocation, demand, name, (phase,), 1.0, cap - limit.limit_a)
        left = cap - sum(part.amount for part in parts)
        return Binding(name, f"phase {PHASE[phase]} of circuit {name}", "A", limit.rule, limit.source, cap, parts, left)
    parts = _parts(one, allocation, demand, name, (0, 1, 2), NOMINAL_V / 1000.0)
    cap = limit.limit_kw or 0.0
    left = cap - sum(part.amount for part in parts)
    return Binding(name, f"the kW cap of circuit {name}", "kW", limit.rule, limit.source, cap, parts, left)


def _budgeted(one: Situation, allocation: Allocation, demand: Demand, budget: Budget, phase: int) -> Binding:
    name, kw = budget.circuit, budget.limit_kw if phase == 3 else None
    phases, scale, cap = ((phase,), 1.0, budget.limit_a) if kw is None else ((0, 1, 2), NOMINAL_V / 1000.0, kw)
    parts = _parts(one, allocation, demand, name, phases, scale, budget=budget)
    left = cap - sum(part.amount for part in parts)
    if kw is not None:
        return Binding(name, budget.what, "kW", budget.rule, budget.source, cap, parts, left)
    return Binding(name, f"phase {PHASE[phase]} of {budget.what}", "A", budget.rule, budget.source, cap, parts, left)


def _unbalance(one: Situation, allocation: Allocation, demand: Demand, bound_by: str) -> Binding | None:
    found = _UNBALANCE.search(bound_by)
    name = next((n for n in one.given.path(demand.circuit) if bound_by.startswith(f"circuit {n} ")), None)
    if found is None or name is None:
        return None
    phase, circuit = PHASE.index(found[2]), one.given.tree[name]
    cap_a = bound_by.removeprefix(f"circuit {name} ").partition(" A")[0]
    parts = _parts(one, allocation, demand, name, (phase,), 1.0)
    cap, rule = float(cap_a), f"phases at most {found[1]} A apart"
    left = cap - sum(part.amount for part in parts)
    return Binding(name, f"phase {found[2]} of circuit {name}", "A", rule, circuit.source, cap, parts, left)


def _parts(
    one: Situation, allocation: Allocation, demand: Demand, name: str, phases: tuple[int, ...], scale: float, margin: float = 0.0,
    budget: Budget | None = None,
) -> tuple[Part, ...]:  # fmt: skip
    """What goes through these phases of a circuit, in order: margin, base load, reserves, sessions; only what a budget counts, if one is
    given, which leaves out what flows beside the sessions."""
    parts: list[Part] = []
    if margin > 0:
        parts.append(Part("margin", "margin", margin, str(one.figures["margin"][1])))
    below = {c for c in one.given.tree if name in one.given.path(c)}
    base = {c: sum(amps[p] for p in phases) for c, amps in one.base.items() if c in below and budget is None}
    parts += [Part("base", circuit, amps * scale, "its meter shows it beside the sessions") for circuit, amps in base.items() if amps > EPS]
    unled = []
    for key, line in one.lines.items():
        amps = line.could_a * sum(p in one.places[key].phases for p in phases)
        if line.state != "led" and amps > EPS and one.places[key].circuit in below and budget is None:
            unled.append(Part("reserved", key, amps * scale, STATES.get(line.state, line.state)))
    by_kind = one.given.reserved_by.items()
    reserved = one.given.reserved.items() if budget is None else [(c, a) for (c, k), a in by_kind if k == budget.current]
    held = sum(amps[p] for circuit, amps in reserved if circuit in below for p in phases) * scale
    other = held - sum(base.values()) * scale - sum(part.amount for part in unled)
    parts += sorted(unled, key=lambda part: (-part.amount, part.who))
    if abs(other) > EPS:
        parts.append(Part("reserved", "others", other))

    def share(other: Demand, amps: float) -> float:
        counts = other.circuit in below and (budget is None or budget.counts(other.id, other.current))
        return amps * scale * sum(p in other.phases for p in phases) if counts else 0.0

    return (*parts, *_users(one, allocation, demand, share))


def _users(one: Situation, allocation: Allocation, demand: Demand, share: Callable[[Demand, float], float]) -> tuple[Part, ...]:
    """The sessions in the order of service, by how they stand to this one."""
    parts = []
    for other in sorted(one.given.demands, key=lambda d: (d.rank, d.tie, d.id)):
        amount = share(other, allocation.grants[other.id].amps)
        if amount > 0:
            use, why = _use(other, demand), other.because or f"rank {other.rank}"
            if use == "peer" and not allocation.grants[demand.id].amps and (hold := held_words(one, other.id)):
                why += f"; {hold}"
            parts.append(Part(use, other.id, amount, why))
    return tuple(parts)


def _use(other: Demand, demand: Demand) -> Use:
    if other is demand:
        return "own"
    return "above" if other.rank < demand.rank else "below" if other.rank > demand.rank else "peer"


# --- words ------------------------------------------------------------------------------------------------------


def figure(amount: float) -> str:
    """To a tenth, without a zero at the end."""
    return f"{amount:.1f}".removesuffix(".0")


def clock(one: Situation, t: float) -> str:
    """A moment of the run on the site's clock."""
    try:
        local = one.calendar.local(t)
    except (OverflowError, ValueError):
        return f"{t:g} s"
    same = local.date() == one.calendar.local(one.t).date()
    return f"{local:%H:%M:%S}" if same else f"{local:%Y-%m-%d %H:%M:%S}"


def held_words(one: Situation, evse: str) -> str:
    """What a hold makes of an EVSE's session at this moment, in a clause; "" without one."""
    hold = one.holds.get(evse)
    if hold is None:
        return ""
    kind, since, until, figure_, about = hold.standing
    ends = f" until {clock(one, until)}" if until is not None else ""
    of = f"{figure(max(0.0, one.t - since) / 60)} of {figure((until - since) / 60)} min" if until is not None else ""
    match kind:
        case "on":
            what = f"held at its minimum{ends}: on for {of}"
        case "pauses":
            what = f"held at its minimum: paused {figure_:g} times already"
        case "off":
            what = f"it waits{ends}: paused at {clock(one, since)}, off for {of}"
        case "overcurrent":
            what = f"it waits{ends}: circuit {about} was over its rating at {clock(one, since)}"
        case _:
            what = f"up by quarters{ends}: circuit {about} was over its rating at {clock(one, since)}"
    return f"{what} (power.holds.{hold.rule}, {hold.source})"
