"""Why an EVSE got what it got at a decision: one plain sentence, and everything behind it.

Made from a recorded decision done again (`controller.replaying`), so it says what held then, not what is known now. Texts hold names and
reasons as they were recorded: whoever shows them escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chargekit.controller.allocator import PHASE, Allocation, Demand
from chargekit.controller.binding import EPS, HELD, OUT_OF_TURN, Binding, Part, Use, binding_of, clock, figure, held_words, row_of
from chargekit.controller.feedback import LAST, RESTS, TRIED, WAKES
from chargekit.controller.holds import CAPS, Kind
from chargekit.controller.replaying import Line, Responded, Seated, Situation, through
from chargekit.controller.what_if import Change, best
from chargekit.model.located import Source

GOES_TO: Final[dict[Use, str]] = {
    "above": "of a higher rank", "peer": "of its own rank", "below": "of a lower rank, by a protected floor",
}  # fmt: skip
SERVED: Final[dict[Use, str]] = {
    "above": "(served before it)", "peer": "(served with it)", "below": "(served after it, by a protected floor)",
}  # fmt: skip
"""The same, where the order of service is not that of the ranks."""
SHOWN: Final = 3
"""So many names stand in a sentence; all of them in the details."""
_TURNS: Final = re.compile(r", behind (?:its peers|peers with fewer turns): (had (\d{1,6}) turn[^()]{1,80} \([^()]{1,400}\))", re.ASCII)
HOLD_ENDS: Final[Mapping[Kind, str]] = {
    "off": "its time off is over", "overcurrent": "the wait after an overcurrent is over", "ramp": "its rise is free again",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """What keeps a raise from being sent: what could still flow on a phase of a circuit, and who could draw more than granted:
    (EVSE, A it could draw, A granted)."""

    circuit: str
    phase: str
    room_a: float
    by: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`sentence` says it all; the rest is what it follows from. A None figure: it does not apply. Times in run seconds."""

    evse: str
    decision: int
    t: float
    rules: str
    sentence: str
    state: str
    session: Seated | None = None
    granted_a: float | None = None
    least_a: float | None = None
    most_a: float | None = None
    rating_a: float | None = None
    rank: str = ""
    bound_by: str = ""
    binding: Binding | None = None
    in_force_a: float | None = None
    on_the_wire: str = ""
    overrides: tuple[str, ...] = ()
    response: str = ""
    next_changes: tuple[tuple[float, str], ...] = ()
    instead: Change | None = None
    hold: str = ""


def layer_of(source: Source) -> str:
    """The layer of the rules a file belongs to."""
    if source.line == 0:
        return "built in"
    if source.file.endswith("portfolio.yaml"):
        return "portfolio"
    return "site type" if "site_types/" in source.file else "site"


def explain(one: Situation, allocation: Allocation, evse: str) -> Explanation:
    """The explanation for an EVSE, `STATION/EVSE`, by a decision and what the allocator made of it. KeyError for one that is not there."""
    line, session = one.lines[evse], one.sessions.get(evse)
    demand = next((d for d in one.given.demands if d.id == evse), None)
    rating = one.places[evse].rating_a
    if demand is None:
        return Explanation(
            evse, one.number, one.t, one.rules, _nothing(one, evse, line, session), line.state, session, rating_a=rating,
            in_force_a=line.in_force_a, next_changes=_next(one, evse),
        )  # fmt: skip
    grant = allocation.grants[evse]
    binding = binding_of(one, allocation, demand)
    wire = _wire(one, allocation, demand, line)
    hold, response = held_words(one, evse), one.responses.get(evse)
    capped = hold if _caps(one, evse) else ""
    got = _got(demand, grant.amps, rating, binding, grant.bound_by, capped, planned=one.planned(demand), response=response)
    if RESTS in demand.because or TRIED in demand.because:
        got = _resting(demand, grant.amps, got, rating)
    got += _given_up(demand) + _turned(demand, binding) if grant.amps < demand.most_a - EPS else ""
    if hold and not capped and grant.amps <= demand.least_a + EPS < demand.most_a:
        got = f"{got}; {hold}"
    if wire and grant.amps > 0:
        got = got.replace("gets", "is granted", 1)
    instead = best(one, allocation, demand, row_of(one, demand, grant.bound_by))
    return Explanation(
        evse, one.number, one.t, one.rules, f"{evse} {f'{got}; {wire}' if wire else got}.", line.state, session, grant.amps, demand.least_a,
        demand.most_a, rating, demand.because or f"rank {demand.rank}", grant.bound_by, binding, line.in_force_a, wire,
        _overridden(one, demand), _responding(response, rating), _next(one, evse), instead, hold,
    )  # fmt: skip


# --- sentences --------------------------------------------------------------------------------------------------


def _nothing(one: Situation, evse: str, line: Line, session: Seated | None) -> str:
    could = figure(line.could_a)
    stays = f"; {could} A stay reserved for it on {', '.join(one.given.path(one.places[evse].circuit))}" if line.could_a else ""
    runs = "its session goes on without us" if session else "no session is known there"
    match line.state:
        case "offline":
            return f"{evse} is told nothing: its station is offline and {runs}{stays}."
        case "unseen":
            return f"{evse} is told nothing: its station was not seen in this run yet{stays}."
        case "unruly":
            return f"{evse} is not led: it draws more than it was told{stays}."
        case "unconfirmed":
            return f"{evse} gets nothing: no session runs there, and its default is not confirmed{stays}."
        case _:
            return f"{evse} gets nothing: no session runs there{stays}."


def _caps(one: Situation, evse: str) -> bool:
    hold = one.holds.get(evse)
    return hold is not None and hold.standing.kind in CAPS


def _responding(response: Responded | None, rating: float) -> str:
    """What an open incident changed of a demand, and what it was."""
    if response is None:
        return ""
    rank = f"rank {response.rank + 1}" if 0 <= response.rank < LAST else "before every class" if response.rank < 0 else "behind all"
    before = f"{rank}, {figure(response.floor_a)} A promised, {figure(min(rating, response.most_a))} A at most"
    return (
        f"{response.how} ({response.source}), while {response.incident} is open: {response.kind} of {response.subject}; without it {before}"
    )


def _got(
    demand: Demand,
    amps: float,
    rating: float,
    binding: Binding | None,
    bound_by: str,
    hold: str,
    *,
    planned: bool,
    response: Responded | None = None,
) -> str:
    if response is not None and demand.most_a < response.most_a:
        by = f"{response.how} ({response.source}) while {response.incident} is open: {response.kind} of {response.subject}"
        if demand.most_a < demand.least_a:
            return f"gets nothing: suspended by {by}"
        if amps >= demand.most_a - EPS:
            return f"gets {figure(amps)} A, all that is kept for it by {by}"
    if said := _kept_back(demand, amps, hold):
        return said
    if planned and demand.most_a < demand.least_a:
        return "gets nothing: its plan has it wait"
    if amps >= demand.most_a - EPS:
        if planned:
            return f"gets {figure(amps)} A, all its plan asks for now"
        if demand.most_a >= rating - EPS:
            return f"gets {figure(amps)} A, all its outlet gives"
        return f"gets {figure(amps)} A, all its vehicle was seen to use (the outlet gives {figure(rating)} A)"
    least, most = figure(max(demand.least_a, demand.floor_a)), figure(demand.most_a)
    if demand.most_a < demand.least_a:
        return f"gets nothing: it can use {most} A at most, and {figure(demand.least_a)} A is the least a vehicle takes"
    if binding is None:
        return f"gets {figure(amps)} A of {most} A: bound by {bound_by}"
    if amps > 0:
        return f"gets {figure(amps)} A of {most} A: {binding.what} is full: {_spent(binding)}"
    if binding.unit == "sessions":
        return f"gets nothing: {binding.what} is full: {_spent(binding)}"
    left = f"{figure(max(0.0, binding.left))} {binding.unit} left"
    return f"gets nothing: {least} A, the least it takes, do not fit on {binding.what} with {left}: {_spent(binding)}"


def _resting(demand: Demand, amps: float, got: str, rating: float) -> str:
    """What is to be said of a session whose vehicle draws, or drew, nothing."""
    all_of_it, tried = 0 < amps >= demand.most_a - EPS, TRIED in demand.because
    if WAKES in demand.because:
        return "gets nothing for a moment, to wake its vehicle: it draws nothing"
    outlet = f"(the outlet gives {figure(rating)} A)"
    if tried and all_of_it:
        return f"gets {figure(amps)} A, to see whether its vehicle draws again: it drew nothing before {outlet}"
    if all_of_it:
        least = f"gets {figure(amps)} A, the least its vehicle was seen to take"
        return f"{least}, for when it draws again: now it draws nothing {outlet}"
    return got if tried else f"{got}; as its vehicle draws nothing, it comes behind all that draw"


def _given_up(demand: Demand) -> str:
    """Why it gives up what is above its minimum before others, as a clause; "" where it does not."""
    begin = next((one for one in OUT_OF_TURN if one in demand.because), "")
    verb = "is " if begin == OUT_OF_TURN[0] else ""
    return f"; it {verb}{begin[2:]}{_clause(demand, begin)}" if begin else ""


def _turned(demand: Demand, binding: Binding | None) -> str:
    """That its turns put it behind those of its rank that have what it lacks, as a clause."""
    peers, mine = binding.of("peer") if binding is not None else [], _TURNS.search(demand.because)
    if mine is None or not peers or any(int(found[2]) >= int(mine[2]) for part in peers if (found := _TURNS.search(part.why))):
        return ""
    return f"; it stands behind its peers, as it {mine[1]}"


def _clause(demand: Demand, begin: str) -> str:
    return demand.because.rpartition(begin)[2].partition("; ")[0]


def _kept_back(demand: Demand, amps: float, hold: str) -> str:
    """What a rule that steers, or a hold, leaves of a demand; "" where neither does."""
    rule = _clause(demand, HELD) if HELD in demand.because else ""
    nothing, all_of_it = demand.most_a < demand.least_a, amps >= demand.most_a - EPS
    if rule and nothing:
        return f"gets nothing: held to {rule}"
    if rule and all_of_it:
        return f"gets {figure(amps)} A, all a rule allows it now: {rule.partition(': ')[2]}"
    if hold and nothing:
        return f"gets nothing: {hold}"
    return f"gets {figure(amps)} A: {hold}" if hold and all_of_it else ""


def _spent(binding: Binding) -> str:
    """What the cap goes into, in a clause."""
    of = "" if binding.unit == "sessions" else f" {binding.unit}"
    where = f"{binding.rule}, {binding.source}" if binding.source.line else binding.rule
    margin, base, reserved = binding.sum("margin"), binding.sum("base"), binding.of("reserved")
    words = []
    if margin > EPS:
        words.append(f"{figure(margin)}{of} are kept as margin")
    if base > EPS:
        words.append(f"{figure(base)}{of} flow beside the sessions")
    if reserved:
        words.append(f"{figure(sum(p.amount for p in reserved))}{of} are reserved for {_names(reserved, why=True)}")
    for use, text in (SERVED if binding.turned else GOES_TO).items():
        found = binding.of(use)
        if found:
            words.append(f"{figure(sum(p.amount for p in found))}{of} go to {_names(found)} {text}")
    cap = f"{figure(binding.cap)}{of} ({where})"
    return f"of {cap}, {', '.join(words)}" if words else f"it has {cap}"


def _names(parts: Sequence[Part], *, why: bool = False) -> str:
    names = [f"{part.who} ({part.why})" if why and part.why else part.who for part in parts]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


# --- on the wire ------------------------------------------------------------------------------------------------


def _wire(one: Situation, allocation: Allocation, demand: Demand, line: Line) -> str:
    """What keeps what is in force from being what was granted; "" if nothing does."""
    amps = allocation.grants[demand.id].amps
    force, said = line.in_force_a, line.said_a
    old = f"{figure(force)} A" if force is not None else "its default"
    if line.answer == "pending" and said is not None:
        return f"a limit of {figure(said)} A was sent and is not answered yet, {old} holds till then"
    if line.answer == "lost" and said is not None:
        return f"a limit of {figure(said)} A was sent and no answer came, so {figure(line.could_a)} A count as drawn"
    if abs(amps - (force or 0.0)) <= EPS:
        return ""
    if force is not None and amps < force:
        return f"{old} holds until the decrease is sent"
    held = held_back(one, allocation, demand)
    if held is None:
        small = force is not None and force >= demand.least_a and amps - force < 1.0
        return f"{old} holds, as a raise of less than 1 A waits" if small else f"{old} holds until the raise is sent"
    names = [f"{key} ({figure(could)} A, granted {figure(granted)} A)" for key, could, granted in held.by[:SHOWN]]
    more = f" and {len(held.by) - SHOWN} more" if len(held.by) > SHOWN else ""
    by = f" while others may still draw more than they are granted: {', '.join(names)}{more}" if names else ""
    return f"{old} holds, waiting for room on phase {held.phase} of circuit {held.circuit}{by}"


def held_back(one: Situation, allocation: Allocation, demand: Demand) -> Held | None:
    """Where there is no room yet for a raise; None if there is."""
    flows, tightest = through(one), dict[str, float]()
    for limit in one.given.limits:
        tightest[limit.circuit] = min(limit.limit_a, tightest.get(limit.circuit, limit.limit_a))
    line = one.lines[demand.id]
    wanted = allocation.grants[demand.id].amps - line.could_a
    rooms = [(tightest[c] - flows[c][p], c, p) for c in one.given.path(demand.circuit) if c in tightest for p in demand.phases]
    room, circuit, phase = min(rooms, key=lambda row: row[0], default=(wanted, "", 0))
    if wanted <= EPS or room >= min(1.0, wanted) - EPS:
        return None
    by = []
    for key, other in one.lines.items():
        standing = one.places[key]
        granted = allocation.grants[key].amps if key in allocation.grants else 0.0
        if key != demand.id and phase in standing.phases and circuit in one.given.path(standing.circuit) and other.could_a > granted + EPS:
            by.append((key, other.could_a, granted))
    return Held(circuit, PHASE[phase], max(0.0, room), tuple(sorted(by, key=lambda row: (row[2] - row[1], row[0]))))


# --- overrides and what comes next ------------------------------------------------------------------------------


def _overridden(one: Situation, demand: Demand) -> tuple[str, ...]:
    """The overrides that set rules aside here, its own first, then of those that stand above by one."""
    found = []
    ranks = {d.id: d.rank for d in one.given.demands}
    seats = sorted(one.sessions.items(), key=lambda row: (row[0] != demand.id, row[0]))
    for key, seat in seats:
        override = next((o for o in one.overrides if o.id == seat.override), None)
        if override is None or key not in ranks or (key != demand.id and ranks[key] > demand.rank):
            continue
        found.append(
            f"{override.id} for {key}, by {override.who} until {clock(one, override.until)}: {override.why}; without it {seat.own_because}"
        )
    return tuple(found)


def _next(one: Situation, evse: str) -> tuple[tuple[float, str], ...]:
    """When this may be another by itself, soonest first: windows, prices, signals, leases, holds and overrides that begin or end. Any event
    on the site may change it sooner."""
    line, hold, seat = one.lines[evse], one.holds.get(evse), one.sessions.get(evse)
    found = [(o.until, f"override {o.id} ends") for o in one.overrides if o.until > one.t]
    path, station = one.given.path(one.places[evse].circuit), evse.rpartition("/")[0]
    for change in one.upcoming if seat is not None else ():
        here = change.circuit in ("", *path) and change.station in ("", station, evse)
        if here and change.t > one.t and (not change.classes or (seat is not None and seat.user_class in change.classes)):
            found.append((change.t, change.what))
    if line.until_s is not None and line.until_s > one.t and line.said_a is not None:
        least = min(line.said_a, one.figure("fallback"))
        found.append((line.until_s, f"its lease ends: {figure(least)} A, unless it is renewed before"))
    if hold is not None and hold.standing.kind in HOLD_ENDS and hold.standing.until is not None and hold.standing.until > one.t:
        found.append((hold.standing.until, HOLD_ENDS[hold.standing.kind]))
    return tuple(sorted(found))
