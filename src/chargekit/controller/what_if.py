"""The one change that would have helped a session most: the decision made again with one input changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from chargekit.controller.allocator import Allocation, Demand
from chargekit.controller.binding import HELD
from chargekit.controller.holds import CAPS
from chargekit.controller.replaying import FAULTS, Shared, Situation
from chargekit.controller.room import NOMINAL_V
from chargekit.model.limit import Limit
from chargekit.policy.schema import SIGNALS

MORE_A: Final = 6.0
LEAST_A: Final = 6.0
STEP_A: Final = 0.05
_HELD: Final = re.compile(re.escape(HELD) + r"(\d{1,9}(?:\.\d{1,9})?) A: ([^;]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Change:
    """`what` if, in words; the session's limit then, and how much more that is."""

    what: str
    limit_a: float
    gain_a: float

    def __str__(self) -> str:
        return f"{self.what} → up to +{self.gain_a:.1f}".removesuffix(".0") + " A"


def best(one: Situation, allocation: Allocation, demand: Demand, row: int | None) -> Change | None:
    """The largest gain of those looked at, the first of equals; None if none gives it more. `row`: what bound it, in the
    allocator's table."""
    had, found = allocation.grants[demand.id].amps, list[Change]()
    for what, given in changes(one, demand, row):
        try:
            now = given.allocate().grants[demand.id].amps
        except FAULTS:
            continue
        if now > had + STEP_A:
            found.append(Change(what, now, round(now - had, 1)))
    return max(found, key=lambda change: change.gain_a, default=None)


def changes(one: Situation, demand: Demand, row: int | None) -> Iterator[tuple[str, Shared]]:
    """What is looked at: stations back, overrides gone, limits gone that no rule set, the binding limit raised, a plan that
    asks for more, a vehicle that takes all its outlet gives."""
    yield from _back(one)
    yield from _without_overrides(one)
    yield from _without_responses(one)
    if row is not None:
        yield from _wider(one, row)
    own, rating = one.own_most_a.get(demand.id, demand.most_a), one.places[demand.id].rating_a
    hold = one.holds.get(demand.id)
    if hold is not None and hold.standing.kind in CAPS:
        yield "its hold over", replace(one.given, demands=_with(one, demand, own))
    elif (held := _HELD.findall(demand.because)) and demand.most_a <= float(held[-1][0]) + STEP_A:
        # Of several rules the last said holds it lowest; without it the one before it does.
        most = min(own, float(held[-2][0])) if len(held) > 1 else own
        yield f"no longer held to {held[-1][0]} A: {held[-1][1]}", replace(one.given, demands=_with(one, demand, most))
    elif one.planned(demand):
        yield f"its plan asking for {own:g} A now", replace(one.given, demands=_with(one, demand, own))
    elif demand.most_a < rating - STEP_A:
        yield f"its vehicle taking the outlet's {rating:g} A", replace(one.given, demands=_with(one, demand, rating))


def _with(one: Situation, demand: Demand, most_a: float) -> tuple[Demand, ...]:
    return tuple(replace(d, most_a=most_a) if d is demand else d for d in one.given.demands)


def _back(one: Situation) -> Iterator[tuple[str, Shared]]:
    """Each station that can't be led: what it would need to have reserved if it could."""
    stations: dict[str, list[str]] = {}
    for key, line in one.lines.items():
        if line.state != "led" and line.could_a > 0.0:
            stations.setdefault(key.rpartition("/")[0], []).append(key)
    for station, keys in stations.items():
        reserved = dict(one.given.reserved)
        seated, freed, state = False, 0.0, ""
        for key in keys:
            line, at = one.lines[key], one.places[key]
            least = min(LEAST_A if key in one.sessions else one.figure("default"), line.could_a)
            seated, state, freed = seated or key in one.sessions, line.state, freed + line.could_a - least
            if at.circuit in reserved:
                amps = [a - (line.could_a - least) * (p in at.phases) for p, a in enumerate(reserved[at.circuit])]
                reserved[at.circuit] = (max(0.0, amps[0]), max(0.0, amps[1]), max(0.0, amps[2]))
        if freed <= 0.0:
            continue
        how = {"unruly": "doing as it is told", "unconfirmed": "with its default confirmed"}.get(state, "online")
        yield f"{station} {how}{f' at {LEAST_A:g} A' if seated else ''}", replace(one.given, reserved=reserved)


def _without_overrides(one: Situation) -> Iterator[tuple[str, Shared]]:
    for override in one.overrides:
        own = {key: seat for key, seat in one.sessions.items() if seat.override == override.id and seat.own_rank is not None}
        if any(demand.id in own for demand in one.given.demands):
            demands = tuple(replace(d, rank=own[d.id].own_rank or 0) if d.id in own else d for d in one.given.demands)
            yield f"override {override.id} gone", replace(one.given, demands=demands)


def _without_responses(one: Situation) -> Iterator[tuple[str, Shared]]:
    """Each incident over, for the demands it changes: what it takes away beside is looked at where a station or a limit is."""
    for incident in dict.fromkeys(answer.incident for answer in one.responses.values()):
        mine = {key: answer for key, answer in one.responses.items() if answer.incident == incident}
        demands = tuple(
            replace(d, rank=was.rank, floor_a=was.floor_a, most_a=was.most_a, weight=was.weight) if (was := mine.get(d.id)) else d
            for d in one.given.demands
        )
        first = next(iter(mine.values()))
        yield f"{incident} ({first.kind} of {first.subject}) over, and no {first.how}", replace(one.given, demands=demands)


def _wider(one: Situation, row: int) -> Iterator[tuple[str, Shared]]:
    """The binding limit gone, where it is neither a rating nor a rule's; else, or as well, a little higher."""
    given = one.given
    room = given.room()
    if row >= len(room.by):
        number = row - len(room.by)
        gate = given.concurrent[number]
        gates = tuple(replace(c, most=c.most + 1) if n == number else c for n, c in enumerate(given.concurrent))
        yield f"one more session at a time on {gate.circuit}", replace(given, concurrent=gates)
        return
    limit = room.by[row]
    assert limit is not None
    if limit.rule.startswith(tuple(f"{kind} " for kind in SIGNALS)) and limit in given.limits:
        others = tuple(other for other in given.limits if other is not limit)
        yield f"{limit.rule.partition(',')[0]} withdrawn", replace(given, limits=others)
    budget = room.budget(row)
    if budget is not None:
        if budget.members:
            without = tuple(b for b in given.budgets if b is not budget)
            yield f"the limit on {budget.current} released ({budget.rule})", replace(given, budgets=without)
            return
        wider = tuple(replace(b, limit_a=b.limit_a + MORE_A) if b is budget else b for b in given.budgets)
        yield f"a {budget.current.upper()} budget of {MORE_A:g} A more on {budget.circuit}", replace(given, budgets=wider)
        return
    if limit.source.line == 0 and limit.rule != "rating" and limit in given.limits:
        others = tuple(other for other in given.limits if other != limit)
        nominal = f"{one.before_margin(limit):.1f}".removesuffix(".0")
        what = f"without the limit of {nominal} A on {limit.circuit} ({limit.rule})"
        yield what, replace(given, limits=others)
    if row % 4 == 3:
        more = MORE_A * 3 * NOMINAL_V / 1000.0
        yield f"{limit.circuit} with {more:.1f} kW more", _raised(given, limit, 0.0, more)
    else:
        yield f"{limit.circuit} with {MORE_A:g} A more", _raised(given, limit, MORE_A, 0.0)


def _raised(given: Shared, limit: Limit, more_a: float, more_kw: float) -> Shared:
    """Every limit of that circuit as high as the binding one a little higher."""
    amps = limit.limit_a + more_a if more_a else 0.0
    kw = limit.limit_kw + more_kw if more_kw and limit.limit_kw is not None else None

    def wider(a: float, k: float | None) -> tuple[float, float | None]:
        return max(a, amps), max(k, kw) if k is not None and kw is not None else k

    limits = []
    for one in given.limits:
        a, k = wider(one.limit_a, one.limit_kw) if one.circuit == limit.circuit else (one.limit_a, one.limit_kw)
        limits.append(replace(one, limit_a=a, limit_kw=k))
    circuit = given.tree[limit.circuit]
    a, k = wider(circuit.rating_a, circuit.limit_kw)
    return replace(given, limits=tuple(limits), tree={**given.tree, limit.circuit: replace(circuit, rating_a=a, limit_kw=k)})
