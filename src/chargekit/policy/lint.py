"""Lint: rules that say less than they seem to, or more than the site can keep. Each finding says what will happen, and to whom.

What can't be carried out at all is refused when a policy is loaded; this is what can, and should not.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Final

from chargekit.model.located import Source
from chargekit.model.site import Site
from chargekit.policy.findings import Finding, people
from chargekit.policy.guarantees import guarantees
from chargekit.policy.incident_lint import incident_faults
from chargekit.policy.lint_power import lint_power, named_in_power
from chargekit.policy.mistakes import mistakes
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.schema import DAY_NAMES
from chargekit.policy.windows import DAY_MIN, HOLIDAY, Span, clock

SHORT_GAP_MIN: Final = 180
_WILD: Final = frozenset("*?[")


def lint(rules: Rulebook, site: Site) -> list[Finding]:
    """Everything that is wrong with a site's rules, in the order of the files."""
    found = [*_patterns(rules), *_covered(rules), *_never(rules, site), *_nobody(rules), *_gaps(rules), *_expiry(rules)]
    found += [*guarantees(rules, site), *mistakes(rules, site), *incident_faults(rules, site), *lint_power(rules, site)]
    return sorted(dict.fromkeys(found), key=lambda one: (one.source.file, one.source.line, one.kind, one.message))


def _source(rules: Rulebook, key: str) -> Source:
    return next(row.source for row in rules.effective if row.key == key)


# --- rules that never come to anything ----------------------------------------------------------------------------


def _patterns(rules: Rulebook) -> Iterator[Finding]:
    """A token pattern that a narrower one takes everything from, or that is blocked as a whole."""
    ordered = rules.narrow_first
    for number, (pattern, name) in enumerate(ordered):
        if not _WILD & set(pattern):
            continue
        source = _source(rules, f"access.tokens.{pattern}")
        for narrower, other in ordered[:number]:
            if not {"?", "["} & set(narrower) and fnmatchcase(pattern, narrower):
                text = f"tokens like {pattern} never become class {name}: {narrower} goes before it and makes them {other}"
                yield Finding("unreachable", source, text)
                break
    for pattern, name in ordered:
        for blocked, written in rules.access.blocked:
            if not {"?", "["} & set(blocked) and fnmatchcase(pattern, blocked):
                text = f"nobody with a token like {pattern} ever charges as {name}: {blocked} is blocked ({written})"
                yield Finding("unreachable", _source(rules, f"access.tokens.{pattern}"), text)
                break


def _minutes(span: Span) -> set[int]:
    """Minutes of the week and, beyond it, of a holiday."""
    found = {m for begin, end in span.week() for m in range(begin, end)}
    return found | {7 * DAY_MIN + m for begin, end in span.on_holidays() for m in range(begin, end)}


def _covered(rules: Rulebook) -> Iterator[Finding]:
    """Windows whose every minute belongs to windows above them."""
    taken: set[int] = set()
    for one in rules.priority.windows:
        assert one.span is not None
        mine = _minutes(one.span)
        if mine <= taken:
            yield Finding("unreachable", one.source, f"the ranks of {one.span} never apply: windows above it lead all that time")
        taken |= mine
    seen: dict[tuple[tuple[str, ...], tuple[str, ...]], set[int]] = {}
    for window in rules.access.windows:
        before = seen.setdefault((window.classes, window.tokens), set())
        mine = _minutes(window.span)
        if mine <= before:
            whose = ", ".join((*window.classes, *window.tokens))
            yield Finding("unreachable", window.span.source, f"the window {window.span} adds nothing: {whose} may charge then already")
        before |= mine


def _never(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Windows that never hold, and what is over before the site begins."""
    spans = [w.span for w in rules.access.windows] + [w.span for w in rules.priority.windows if w.span is not None]
    for span in spans:
        if span.days == (HOLIDAY,) and not rules.access.holidays:
            yield Finding("never", span.source, f"the window {span} never holds: no layer names a holiday (access: holidays:)")
    begins = site.calendar.utc(0.0)
    for one in rules.priority.contracts:
        if one.until is not None and one.until < site.calendar.local(0.0).date():
            yield Finding("never", one.source, f"this contract ended on {one.until}, before the site's first day: it ranks nobody")
    for trigger in rules.priority.triggers:
        if trigger.end is not None and trigger.end <= begins:
            yield Finding("never", trigger.source, f"event {trigger.name} is over before the site's first day: it puts nobody forward")
    names = [s.id for s in site.stations]
    for entitlement in rules.access.entitlements:
        missing = [p for p in entitlement.stations if not any(fnmatchcase(n, p) for n in names)]
        whose = ", ".join((*entitlement.classes, *entitlement.tokens))
        if len(missing) == len(entitlement.stations):
            yield Finding("never", entitlement.source, f"no station is named like {', '.join(missing)}: {whose} can charge nowhere")


def _nobody(rules: Rulebook) -> Iterator[Finding]:
    """Rules for classes nobody can be, and for tokens of no class."""
    there = people(rules)
    named: list[tuple[str, tuple[str, ...], tuple[str, ...], Source]] = []
    named += [("access window", w.classes, w.tokens, w.span.source) for w in rules.access.windows]
    named += [("entitlement", e.classes, e.tokens, e.source) for e in rules.access.entitlements]
    named += [("contract", (), c.tokens, c.source) for c in rules.priority.contracts]
    named += [(f"trigger {t.kind}", t.classes, (), t.source) for t in rules.priority.triggers]
    for what, rule in (("guest rule", rules.access.guests), ("departure rule", rules.priority.near), ("rotation", rules.priority.rotation)):
        named += [(what, rule.classes, (), rule.source)] if rule is not None else []
    if rules.priority.fairness is not None:
        named.append(("fairness", rules.priority.fairness.classes, (), rules.priority.fairness.source))
    named += [("floor", (name,), (), floor.source) for name, floor in rules.floors.items()]
    named += named_in_power(rules)
    for what, classes, tokens, source in named:
        absent = [name for name in classes if name not in there]
        strange = [p for p in tokens if rules.default_class is None and not any(_overlap(p, q) for q, _ in rules.tokens)]
        if len(absent) == len(classes) and len(strange) == len(tokens):
            who = " and ".join([*(f"class {name}" for name in absent), *(f"tokens like {p}" for p in strange)])
            yield Finding("nobody", source, f"this {what} is for nobody: no token of this site gets {who}" if absent else (
                f"this {what} is for nobody: {who} have no class here and are refused"
            ))  # fmt: skip


def _overlap(one: str, other: str) -> bool:
    """Whether a token could fit both patterns, by what stands before their first wildcard."""
    a, b = (p[: next((i for i, c in enumerate(p) if c in _WILD), len(p))] for p in (one, other))
    whole_a, whole_b = a == one, b == other
    if whole_a or whole_b:
        return fnmatchcase(one, other) if whole_a else fnmatchcase(other, one)
    return a.startswith(b) or b.startswith(a)


# --- windows with holes, things without an end --------------------------------------------------------------------


def _gaps(rules: Rulebook) -> Iterator[Finding]:
    """Short times between two windows of a class, and holidays nobody thought of."""
    for name in rules.classes:
        windows = [w for w in rules.access.windows if name in w.classes]
        if not windows:
            continue
        merged: list[list[int]] = []
        for begin, end in sorted(i for w in windows for i in w.span.week()):
            if merged and begin <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([begin, end])
        short = [(a[1], b[0]) for a, b in pairwise(merged) if b[0] - a[1] <= SHORT_GAP_MIN]
        if short:
            begin, end = short[0]
            at = f"{DAY_NAMES[begin // DAY_MIN]} {clock(begin % DAY_MIN)} to {clock(end % DAY_MIN)}"
            more = f" (and {len(short) - 1} more such gaps in a week)" if len(short) > 1 else ""
            source = next(w.span.source for w in windows if w.span.end % DAY_MIN == begin % DAY_MIN)
            yield Finding("gap", source, f"class {name} is refused from {at} between two of its windows{more}")
        days = {day for w in windows for day in w.span.days}
        if rules.access.holidays and set(DAY_NAMES) <= days and HOLIDAY not in days:
            text = f"class {name} may charge every day of the week, but is refused on holidays, as on {rules.access.holidays[0]}"
            yield Finding("gap", windows[0].span.source, text)


def _expiry(rules: Rulebook) -> Iterator[Finding]:
    for one in rules.priority.contracts:
        if one.until is None:
            whose = ", ".join(one.tokens)
            yield Finding(
                "expiry", one.source, f"this contract has no end: {whose} go on as {one.promote} when nobody pays for it any more"
            )
