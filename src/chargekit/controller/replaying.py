"""Recorded decisions put together again, and done again: the allocator's very input, and whether it gives what was recorded.

What is read may have been altered by anybody, so every figure and name is checked before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from chargekit.controller.allocator import PHASE, Allocation, Budget, Concurrent, Demand, allocate
from chargekit.controller.decisions_log import ENDLESS, FIXED, KEYED, WHOLE, chained, digest_of
from chargekit.controller.holds import CAPS, RULES
from chargekit.controller.holds import Standing as Held
from chargekit.controller.room import STATION, Room
from chargekit.controller.upcoming import Change
from chargekit.model.calendar import Calendar
from chargekit.model.limit import NO_AMPS, Limit, PhaseAmps, add
from chargekit.model.located import Source
from chargekit.model.site import Circuit
from chargekit.policy.overrides import Override

MOST: Final = 1e9
NEWER: Final = ("responses", "holds")
"""What older records do not hold."""
FAULTS: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


class Malformed(ValueError):
    """A record that no operator wrote: `line` of the file, and what was expected."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


class Recorded(NamedTuple):
    """One `decided` record as read: its line in the file, run seconds, body."""

    line: int
    t: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """How an EVSE stood. `state`: led, idle, unconfirmed (its default), unruly, offline, unseen. `could_a`: what it could draw.
    `in_force_a`: the newest limit it accepted. `said_a`, `answer` (accepted, pending, lost), `until_s`: the newest one sent, and its
    lease's end."""

    state: str
    could_a: float
    in_force_a: float | None
    said_a: float | None
    answer: str
    until_s: float | None


@dataclass(frozen=True, slots=True)
class Seated:
    """A session. With an override in force for it: `override`, and the rank it would have without."""

    token: str
    user_class: str
    source: str
    started: float
    override: str
    own_rank: int | None
    own_because: str


@dataclass(frozen=True, slots=True)
class Responded:
    """An incident that changed a demand, how, by which rule, and the demand's rank, floor (A), most (A) and weight without it."""

    incident: str
    kind: str
    subject: str
    how: str
    source: Source
    rank: int
    floor_a: float
    most_a: float
    weight: float


@dataclass(frozen=True, slots=True)
class Standing:
    """An EVSE's circuit, its site phases and its outlet's rating."""

    circuit: str
    phases: tuple[int, ...]
    rating_a: float


@dataclass(frozen=True, slots=True)
class Holding:
    """A hold in force, and the rule it follows from."""

    standing: Held
    rule: str
    source: Source


@dataclass(frozen=True, slots=True)
class Shared:
    """What the allocator was given."""

    tree: Mapping[str, Circuit]
    limits: tuple[Limit, ...]
    demands: tuple[Demand, ...]
    reserved: Mapping[str, PhaseAmps]
    concurrent: tuple[Concurrent, ...] = ()
    budgets: tuple[Budget, ...] = ()
    reserved_by: Mapping[tuple[str, str], PhaseAmps] = field(default_factory=dict)

    def allocate(self) -> Allocation:
        return allocate(
            self.tree, self.limits, self.demands, self.reserved, self.concurrent, self.budgets, reserved_by=self.reserved_by
        )  # fmt: skip

    def room(self) -> Room:
        """What the limits leave before anybody is served."""
        return Room(
            self.tree, self.limits, self.reserved, self.concurrent, budgets=self.budgets, reserved_by=self.reserved_by
        )  # fmt: skip

    def path(self, circuit: str) -> tuple[str, ...]:
        """The circuit and all above it."""
        path, at = [], self.tree.get(circuit)
        while at is not None:
            path.append(at.name)
            at = self.tree.get(at.parent) if at.parent is not None else None
        return tuple(path)


@dataclass(frozen=True, slots=True)
class Situation:
    """A decision with everything it followed from. `nominal_a`: its limits before the margin. `faults`: why the records can't be
    believed; empty if they can. `own_most_a`: by demand, the most it can use, whatever its plan says."""

    number: int
    t: float
    rules: str
    given: Shared
    nominal_a: tuple[float, ...]
    base: Mapping[str, PhaseAmps]
    overrides: tuple[Override, ...]
    sessions: Mapping[str, Seated]
    lines: Mapping[str, Line]
    grants: Mapping[str, tuple[float, str]]
    places: Mapping[str, Standing]
    figures: Mapping[str, tuple[float, Source]]
    site: str
    calendar: Calendar
    out: str
    faults: tuple[str, ...] = ()
    own_most_a: Mapping[str, float] = field(default_factory=dict)
    holds: Mapping[str, Holding] = field(default_factory=dict)
    responses: Mapping[str, Responded] = field(default_factory=dict)
    upcoming: tuple[Change, ...] = ()

    def figure(self, name: str) -> float:
        return self.figures[name][0]

    def planned(self, demand: Demand) -> bool:
        """Whether its plan keeps it below what it can use."""
        hold, response = self.holds.get(demand.id), self.responses.get(demand.id)
        if hold is not None and hold.standing.kind in CAPS:
            return False
        return (demand.most_a if response is None else response.most_a) < self.own_most_a.get(demand.id, demand.most_a) - 0.05

    def before_margin(self, limit: Limit) -> float:
        """What a limit given to the allocator was before the margin was taken off, A."""
        return self.nominal_a[self.given.limits.index(limit)] if limit in self.given.limits else limit.limit_a


def situation_at(records: Iterable[Recorded], at: float) -> Situation | None:
    """The last decision at or before `at`; None if there is none. Malformed for a record that can't be one."""
    last: list[Recorded] = []
    for one in records:
        if one.t > at:
            break
        if one.body.get("full") is True:
            last = []
        last.append(one)
    if not last:
        return None
    if last[0].body.get("full") is not True:
        raise Malformed(last[0].line, "the first decision of a file stands in full; this one is a difference to one that is missing")
    return _situation(last)


def _situation(records: Sequence[Recorded]) -> Situation:
    state: dict[str, Any] = {}
    faults: list[str] = []
    chain, expected = "", records[0].body.get("id")
    for one in records:
        body = one.body
        if body.get("id") != expected and not faults:
            faults.append(f"line {one.line}: decision {expected} is missing")
        chain = chained(chain, one.t, body)
        if body.get("sum") != chain and not faults:
            faults.append(f"line {one.line}: decision {body.get('id')} was altered, or one before it: its digest does not fit")
        try:
            expected = int(body["id"]) + 1
            _merge(state, body)
        except FAULTS as error:
            raise Malformed(one.line, f"a decision expected: {type(error).__name__}: {error}") from None
    try:
        return _typed(state, records[-1], tuple(faults))
    except FAULTS:
        raise _first_malformed(records) from None


def _first_malformed(records: Sequence[Recorded]) -> Malformed:
    """Which of these the error stands in: the first that makes no situation with those before it."""
    state: dict[str, Any] = {}
    for one in records:
        try:
            _merge(state, one.body)
            _typed(state, one, ())
        except FAULTS as error:
            return Malformed(one.line, f"a decision expected: {type(error).__name__}: {error}")
    return Malformed(records[-1].line, "a decision expected")


def _merge(state: dict[str, Any], body: Mapping[str, Any]) -> None:
    if body["full"]:
        state.clear()
        state.update(
            {name: body[name] for name in FIXED}, **{name: dict(body.get(name, {}) if name in NEWER else body[name]) for name in KEYED}
        )
    for name in WHOLE:
        if name in body:
            state[name] = body[name]
    for name in () if body["full"] else KEYED:
        for key, row in body.get(name, {}).items():
            if row is None:
                state[name].pop(key, None)
            else:
                state[name][key] = row


# --- typed and checked ------------------------------------------------------------------------------------------


def _typed(state: Mapping[str, Any], last: Recorded, faults: tuple[str, ...]) -> Situation:
    about = state["about"]
    tree = _tree(state["tree"])
    texts = {int(number): _text(row[0]) for number, row in state["bounds"].items()}
    given = Shared(
        tree,
        tuple(_limit(row, tree) for row in state["limits"]),
        tuple(_demand(key, row, tree) for key, row in state["demands"].items()),
        {_in(row[0], tree): _amps(row[1:]) for row in state["reserved"]},
        tuple(Concurrent(_in(c, tree), _whole(m), _source(f, n), frozenset(map(_text, g))) for c, m, f, n, g in state["concurrent"]),
        tuple(_budget(row, tree) for row in state.get("budgets", ())),
        {(_in(row[0], tree), _kind(row[1])): _amps(row[2:]) for row in state.get("reserved_by", ())},
    )  # fmt: skip
    return Situation(
        _whole(last.body["id"]), last.t, _text(last.body["rules"]), given, tuple(_number(row[6]) for row in state["limits"]),
        {_in(row[0], tree): _amps(row[1:]) for row in state["base"]},
        tuple(map(_override, state["overrides"])),
        {key: _seated(row) for key, row in state["sessions"].items()},
        {key: _line(row) for key, row in state["lines"].items()},
        {key: (_number(row[0]), texts[_whole(row[1])]) for key, row in state["grants"].items()},
        {key: Standing(_in(row[0], tree), _phases(row[1]), _number(row[2])) for key, row in state["places"].items()},
        {name: (_number(about[name][0]), _source(*about[name][1:])) for name in ("margin", "fallback", "default", "lease")},
        _text(about["site"]), calendar_of(about), _text(last.body["out"]), faults,
        {key: _number(row[11]) for key, row in state["demands"].items()},
        {key: _hold(row) for key, row in state["holds"].items()},
        {key: _responded(row) for key, row in state["responses"].items() if key in state["demands"]},
        tuple(_change(row) for row in state.get("next", ())),
    )  # fmt: skip


def calendar_of(about: Mapping[str, Any]) -> Calendar:
    """The clock a run was recorded by."""
    made = Calendar(datetime.fromisoformat(_text(about["epoch"])), _text(about["zone"]))
    try:
        made.local(0.0)
    except OSError as error:
        # A folder of zones is no zone.
        raise ValueError(str(error)) from None
    return made


def _tree(rows: Sequence[Any]) -> dict[str, Circuit]:
    tree: dict[str, Circuit] = {}
    for name, parent, rating, kw, unbalance, file, line in rows:
        if parent is not None and parent not in tree:
            raise ValueError(f"circuit {name!r} stands before its parent")
        cap, apart = (None if one is None else _number(one) for one in (kw, unbalance))
        tree[_text(name)] = Circuit(_text(name), parent, _number(rating), limit_kw=cap, source=_source(file, line), unbalance_a=apart)
    return tree


def _limit(row: Sequence[Any], tree: Mapping[str, Circuit]) -> Limit:
    circuit, amps, kw, file, line, rule, _ = row
    return Limit(_in(circuit, tree), _number(amps), _source(file, line), None if kw is None else _number(kw), _text(rule))


def _budget(row: Sequence[Any], tree: Mapping[str, Circuit]) -> Budget:
    circuit, amps, kind, file, line, rule, *more = row
    if not more:
        return Budget(_in(circuit, tree), _number(amps), _current(kind), _source(file, line), _text(rule))
    members, kw = more
    if not members or not str(kind).startswith(STATION):
        raise ValueError(f"a station and its EVSEs expected, found {str(kind)[:40]!r}")
    limit_a, limit_kw = math.inf if amps is None else _number(amps), None if kw is None else _number(kw)
    return Budget(_in(circuit, tree), limit_a, _text(kind), _source(file, line), _text(rule), frozenset(map(_text, members)), limit_kw)


def _demand(key: str, row: Sequence[Any], tree: Mapping[str, Circuit]) -> Demand:
    circuit, rank, tie, phases, least, most, because, weight, floor, step, group, _, *more = row
    weight_, step_ = _number(weight), _number(step)
    if weight_ <= 0 or step_ <= 0:
        raise ValueError(f"weight and step of {key!r} must be above 0")
    return Demand(
        key, _in(circuit, tree), _whole(rank), _tuples(tie), _phases(phases), _number(least), _number(most), _text(because), weight_,
        _number(floor), step_, _text(group), _current(more[0]) if more else "ac",
    )  # fmt: skip


def _override(row: Sequence[Any]) -> Override:
    ident, who, why, at, until, token, station, user_class, *more = row
    role, category, circuit, holds = more or ("", "", "", False)
    return Override(
        _text(ident), _text(who), _text(why), _number(at), _number(until), _text(token), _text(station), _text(user_class), _text(role),
        _text(category), _text(circuit), holds is True,
    )  # fmt: skip


def _responded(row: Sequence[Any]) -> Responded:
    incident, kind, subject, how, file, line, rank, floor, most, weight = row
    before = _whole(rank), _number(floor), _number(most), _number(weight)
    return Responded(_text(incident), _text(kind), _text(subject), _text(how), _source(file, line), *before)


def _change(row: Sequence[Any]) -> Change:
    t, what, circuit, station, classes = row
    return Change(_number(t), _text(what), _text(circuit), _text(station), tuple(map(_text, classes)))


def _line(row: Sequence[Any]) -> Line:
    state, could, force, said, answer, until = row
    force_a, said_a, until_s = (None if one is None else _number(one) for one in (force, said, until))
    return Line(_text(state), _number(could), force_a, said_a, _text(answer), until_s)


def _seated(row: Sequence[Any]) -> Seated:
    token, user_class, source, started, override, rank, because = row
    own = None if rank is None else _whole(rank)
    return Seated(_text(token), _text(user_class), _text(source), _number(started), _text(override), own, _text(because))


def _hold(row: Sequence[Any]) -> Holding:
    kind, since, until, figure, about, rule, file, line = row
    if kind not in RULES:
        raise ValueError(f"a kind of hold expected, found {str(kind)[:40]!r}")
    end = None if until is None else _number(until)
    return Holding(Held(kind, _number(since), end, _number(figure), _text(about)), _text(rule), _source(file, line))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -MOST <= value <= MOST:
        raise ValueError(f"a number expected, found {str(value)[:40]!r}")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -MOST <= value <= MOST:
        raise ValueError(f"a whole number expected, found {str(value)[:40]!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text expected, found {str(value)[:40]!r}")
    return value


def _in(name: Any, tree: Mapping[str, Circuit]) -> str:
    if name not in tree:
        raise ValueError(f"circuit {str(name)[:40]!r} is not known")
    return _text(name)


def _amps(row: Sequence[Any]) -> PhaseAmps:
    one, two, three = row
    return (_number(one), _number(two), _number(three))


def _phases(row: Sequence[Any]) -> tuple[int, ...]:
    if not row or any(phase not in range(len(PHASE)) for phase in row) or len(set(row)) < len(row):
        raise ValueError(f"phases 0 to 2 expected, found {str(row)[:40]}")
    return tuple(_whole(phase) for phase in row)


def _kind(value: Any) -> str:
    return value if isinstance(value, str) and value.startswith(STATION) else _current(value)


def _current(value: Any) -> Literal["ac", "dc"]:
    if value not in ("ac", "dc"):
        raise ValueError(f"ac or dc expected, found {str(value)[:40]!r}")
    return "dc" if value == "dc" else "ac"


def _source(file: Any, line: Any) -> Source:
    return Source(_text(file), _whole(line))


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return math.copysign(math.inf, _number(value[ENDLESS]))
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


# --- again ------------------------------------------------------------------------------------------------------


def replayed(one: Situation) -> tuple[Allocation | None, tuple[str, ...]]:
    """The decision made again, and where it is not what was recorded, to the byte."""
    try:
        again = one.given.allocate()
    except FAULTS as error:
        return None, (*one.faults, f"the allocator can't be given this: {type(error).__name__}: {error}")
    found = list(one.faults)
    for key in sorted(one.grants.keys() | again.grants.keys()):
        was, now = one.grants.get(key), again.grants.get(key)
        if was is None or now is None or was != (now.amps, now.bound_by):
            recorded = f"{was[0]:g} A, {was[1]}" if was else "nothing"
            found.append(f"{key}: recorded {recorded}; replayed {f'{now.amps:g} A, {now.bound_by}' if now else 'nothing'}")
    if not found and digest_of(again) != one.out:
        found.append("what the allocator returned differs in its reasons or in what is left")
    return again, tuple(found)


def through(one: Situation) -> dict[str, PhaseAmps]:
    """What could flow through every circuit: all EVSEs below it by what they could draw, and what meters show beside them."""
    flows = dict.fromkeys(one.given.tree, NO_AMPS)
    for key, line in one.lines.items():
        standing = one.places[key]
        on = tuple(line.could_a if phase in standing.phases else 0.0 for phase in range(3))
        for name in one.given.path(standing.circuit):
            flows[name] = add(flows[name], (on[0], on[1], on[2]))
    for circuit, amps in one.base.items():
        for name in one.given.path(circuit):
            flows[name] = add(flows[name], amps)
    return flows
