"""`chargekit explain`: a recorded decision made again, as one sentence and what it follows from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargekit.controller.allocator import TOO_LITTLE
from chargekit.controller.binding import Binding, Part, clock, figure
from chargekit.controller.decisions_log import KIND
from chargekit.controller.explaining import Explanation, layer_of
from chargekit.controller.explaining import explain as explained
from chargekit.controller.replaying import FAULTS, MOST, Malformed, Recorded, Situation, calendar_of, replayed, situation_at
from chargekit.faces.errors import BENCH_ERROR, PASS, complain
from chargekit.faces.plain import one_line
from chargekit.lab.recorder import lines_of
from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput, Source, nearest

MARK: Final = b'"kind":"' + KIND.encode() + b'"'
LISTED: Final = 12
SLACK_S: Final = 60.0
"""A minute that was named without its seconds may be the one the record ends in."""
LONGEST: Final = 4000
USES: Final = {
    "margin": "margin", "base": "beside the sessions on", "reserved": "reserved for", "above": "to higher ranks:",
    "peer": "to its own rank:", "below": "to lower ranks, protected:", "own": "to itself:",
}  # fmt: skip
BOUND: Final = {"demand": "what it can use", TOO_LITTLE: "what it may have: less than the least it takes"}
SERVED: Final = USES | {"above": "served before it:", "peer": "served with it:", "below": "served after it, protected:"}
_WRITTEN: Final = re.compile(r"\(([^()\s]+):(\d{1,9})\)", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def explain(run: Path, at: str, station: str) -> int:
    """Print the explanation; the exit code."""
    path = record_file(run)
    records = _records(path)
    first = next(records, None)
    if first is None:
        raise BadInput(None, f"{path} holds no decisions", "the record of a site run by our controller expected")
    try:
        calendar = calendar_of(first.body["about"])
    except FAULTS:
        raise BadInput(Source(str(path), first.line), "the first decision stands in full: `about` with epoch and zone expected") from None
    t = moment(at, calendar, first.t)
    try:
        one = situation_at(chain([first], records), t)
    except Malformed as error:
        raise BadInput(Source(str(path), error.line), one_line(error)) from None
    if one is None:
        raise BadInput(
            None, f"--at: nothing was decided by {at}", f"the first decision is of {calendar.local(first.t):%H:%M:%S}, {first.t:g} s"
        )
    end = _end(path, one.t)
    still = f"unchanged up to {clock(one, t)}" if t >= one.t + 1.0 else ""
    if t > end + SLACK_S:
        still = f"the last before the record ends at {clock(one, end)}"
    again, faults = replayed(one)
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 160
    for number, evse in enumerate(_evses(one, station)):
        if again is None:
            continue
        try:
            shown = explained(one, again, evse)
        except FAULTS as error:
            # Only records that are not what an operator wrote come here.
            complain(f"{evse} can't be explained from these records: {type(error).__name__}: {error}")
            return BENCH_ERROR
        if number:
            console.print()
        show(console, one, shown, still, replay=not faults)
    for fault in faults:
        complain(f"{path}: {fault}")
    if faults:
        complain("the decision, made again from the record, is not the one recorded: this explains the replay, not what happened")
    return BENCH_ERROR if faults else PASS


# --- what is asked ----------------------------------------------------------------------------------------------


def record_file(run: Path) -> Path:
    """The record file meant: itself, or the only one of a run folder that holds decisions. BadInput names the choices."""
    if run.is_file():
        return run
    if not run.is_dir():
        raise BadInput(None, f"{run} is neither a record file nor a run folder")
    found = [path for path in sorted([*run.glob("*.jsonl"), *run.glob("*.jsonl.gz"), *run.glob("records/*.jsonl")]) if _holds(path)]
    if not found:
        raise BadInput(None, f"{run} holds no record with decisions", "a run of a site led by our controller expected")
    if len(found) > 1:
        names = ", ".join(str(path) for path in found[:LISTED])
        more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise BadInput(None, f"{run} holds {len(found)} records with decisions: name one", names + more)
    return found[0]


def _holds(path: Path) -> bool:
    try:
        return any(MARK in line for _, line, _ in lines_of(path))
    except OSError as error:
        raise _unread(path, error) from None


def _unread(path: Path, error: OSError) -> BadInput:
    return BadInput(None, f"{path} can't be read: {error.strerror or error}")


def moment(text: str, calendar: Calendar, begun: float) -> float:
    """Run seconds of what a user wrote: seconds, a time of day from the run's start on, or a date and time (the site's, without a zone).
    BadInput for anything else."""
    try:
        seconds = float(text)
        if -1e9 < seconds < 1e9:
            return seconds
    except ValueError:
        pass
    found, zone = _CLOCK.fullmatch(text.strip()), ZoneInfo(calendar.zone)
    try:
        if found:
            start = calendar.local(begun)
            asked = start.replace(hour=int(found[1]), minute=int(found[2]), second=int(found[3] or 0), microsecond=0)
            # Without seconds, the minute the run began in belongs to it.
            later = calendar.now_of(asked) + (59 if found[3] is None else 0.999)
            return calendar.now_of(asked if later >= begun else asked + timedelta(days=1))
        local = datetime.fromisoformat(text.strip())
        return calendar.now_of(local if local.tzinfo else local.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        hint = "for example 754, 08:15:30 or 2026-03-02T08:15"
        raise BadInput(None, f"--at: run seconds, HH:MM[:SS] or a date and time expected, found {text[:40]!r}", hint) from None


def _records(path: Path) -> Iterator[Recorded]:
    """The decisions of a record file, in order. A torn last line is left out."""
    try:
        for number, line, whole in lines_of(path):
            if MARK in line and whole:
                yield from _record(path, number, line)
    except OSError as error:
        raise _unread(path, error) from None


def _end(path: Path, t: float) -> float:
    """The last moment a record file tells of, from `t` on."""
    last, found = b"", t
    try:
        for _, line, whole in lines_of(path):
            last = line if whole and line.startswith(b"{") and b'"t":' in line else last
    except OSError as error:
        raise _unread(path, error) from None
    try:
        told = orjson.loads(last)["t"]
        found = float(told) if isinstance(told, int | float) and t <= told <= MOST else t
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    return found


def _record(path: Path, number: int, line: bytes) -> Iterator[Recorded]:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadInput(Source(str(path), number), f"a JSON record expected: {error}") from None
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("witness") != "controller":
        return
    t, body = data.get("t"), data.get("body")
    if isinstance(t, bool) or not isinstance(t, (int, float)) or not -MOST <= t <= MOST or not isinstance(body, dict):
        raise BadInput(Source(str(path), number), "a decision with `t` in run seconds and a table `body` expected")
    yield Recorded(number, float(t), body)


def _evses(one: Situation, station: str) -> list[str]:
    found = [station] if station in one.places else [key for key in one.places if key.rpartition("/")[0] == station]
    found = [key for key in found if key in one.lines]
    if not found:
        known = {key.rpartition("/")[0] for key in one.places} | set(one.places)
        raise BadInput(None, f"{station!r} is no station of {one_line(one.site)}", one_line(nearest(station, known)))
    return found


# --- shown ------------------------------------------------------------------------------------------------------


def show(console: Console, one: Situation, shown: Explanation, still: str, *, replay: bool) -> None:
    """One sentence, then what it follows from. Everything recorded is made harmless here."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in rows(one, shown, still, replay=replay):
        table.add_row(_safe(name), _safe(text))
    if shown.binding is not None:
        table.add_row("", _spent(shown.binding))
    for name, text in later_rows(one, shown):
        table.add_row(_safe(name), _safe(text))
    with console.capture() as made:
        console.print(_safe(shown.sentence), "", table, sep="\n")
    # Tables pad their lines.
    console.out("\n".join(line.rstrip() for line in made.get().splitlines()), highlight=False)


def _safe(text: str) -> str:
    return escape(one_line(text, LONGEST))


def rows(one: Situation, shown: Explanation, still: str, *, replay: bool) -> Iterator[tuple[str, str]]:
    """What stands in the table: name, text. `still`: how the decision stands to the moment that was asked for."""
    again = "made again, byte for byte the same" if replay else "NOT the same when made again"
    asked = f", {still}" if still else ""
    yield "decision", f"{shown.decision} of {clock(one, shown.t)} ({shown.t:g} s){asked}, rules {shown.rules}; {again}"
    if shown.session is not None:
        seat = shown.session
        yield "session", f"token {seat.token}, class {seat.user_class or 'unknown'}, since {clock(one, seat.started)}"
    if shown.granted_a is not None:
        yield "rank", _ranked(shown)
        least, most = shown.least_a or 0.0, shown.most_a or 0.0
        span = f"{figure(least)} to {figure(most)} A wanted"
        if most < least:
            span = f"{figure(most)} A at most, it takes no less than {figure(least)} A"
        span += f", the outlet gives {figure(shown.rating_a or 0.0)} A"
        force = "the default" if shown.in_force_a is None else f"{figure(shown.in_force_a)} A"
        yield "limit", f"{figure(shown.granted_a)} A granted; {span}; {force} in force"
    else:
        yield "state", shown.state
    if shown.on_the_wire:
        yield "on the wire", shown.on_the_wire
    if shown.bound_by:
        bound = shown.binding.what if shown.binding is not None else shown.bound_by
        yield "bound by", BOUND.get(bound, bound)


def later_rows(one: Situation, shown: Explanation) -> Iterator[tuple[str, str]]:
    """What stands below what the binding constraint's cap goes into."""
    for text in shown.overrides:
        yield "override", text
    if shown.response:
        yield "response", shown.response
    for t, what in shown.next_changes:
        yield "may change", f"{clock(one, t)}: {what}"
    if shown.granted_a is not None:
        yield "if", str(shown.instead) if shown.instead is not None else "nothing looked at would give it more"


def _ranked(shown: Explanation) -> str:
    """Its rank, with the layer it was written in beside the line; an override stands in none."""
    found = _WRITTEN.search(shown.rank) if shown.session is not None and not shown.session.override else None
    if found is None:
        return shown.rank
    layer = layer_of(Source(found[1], int(found[2])))
    return f"{shown.rank[: found.end(2)]}, {layer} layer{shown.rank[found.end(2) :]}"


def _spent(binding: Binding) -> Table:
    """The cap, what goes off it and what is left. Sessions of one rank and reason stand together."""
    unit = binding.unit
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    where = f" ({layer_of(binding.source)} layer, {binding.source})" if binding.source.line else ""
    table.add_row(f"{figure(binding.cap)} {unit}", _safe(f"{binding.rule}{where}"))
    uses = SERVED if binding.turned else USES
    together: dict[tuple[str, str], list[Part]] = {}
    for part in binding.parts:
        together.setdefault((part.use, part.why), []).append(part)
    for (use, why), parts in together.items():
        each = [part.who if len(parts) == 1 else f"{part.who} {figure(part.amount)}" for part in parts]
        who = "" if use == "margin" else f" {', '.join(each)}"
        table.add_row(f"− {figure(sum(p.amount for p in parts))} {unit}", _safe(f"{uses[use]}{who}{f': {why}' if why else ''}"))
    table.add_row(f"= {figure(binding.left)} {unit}", "left")
    return table
