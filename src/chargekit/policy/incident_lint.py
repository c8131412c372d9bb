"""Lint of incidents: categories nothing falls into, people who are never told, overrides nobody can give, responses that help nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from chargekit.model.located import BUILT_IN
from chargekit.model.site import Site
from chargekit.policy.findings import Finding, people
from chargekit.policy.incidents import DEFAULT, NONE, PROTECT, SUSPEND, Category, Response
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.schema import CAPACITY, KINDS, LASTS_S

LEAST_A: Final = 6.0
"""The least a vehicle takes (IEC 61851-1)."""


def incident_faults(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Everything that is wrong with a site's rules of incidents."""
    yield from _categories(rules)
    yield from _told(rules)
    yield from _authorised(rules)
    yield from _responses(rules, site)


def _categories(rules: Rulebook) -> Iterator[Finding]:
    """A kind belongs to one category: of two, the graver leads."""
    categories, owner = rules.incidents.categories, dict[str, Category]()
    for one in categories:
        taken = [kind for kind in one.kinds if kind in owner]
        for kind in one.kinds:
            owner.setdefault(kind, one)
        if len(taken) == len(one.kinds):
            first = owner[taken[0]]
            text = f"no incident is ever of category {one.name}: {', '.join(taken)} are {first.name} already ({first.source})"
            yield Finding("unreachable", one.source, f"{text}, and whom it names is told of none")
        elif taken:
            first = owner[taken[0]]
            text = f"{taken[0]} is in two categories: it is handled as {first.name} ({first.source}), and whom {one.name} names is not told"
            yield Finding("unreachable", one.source, text)
    missing = [kind for kind in KINDS if kind not in owner]
    if categories and missing:
        yield Finding("gap", categories[-1].source, f"nobody is ever told of {', '.join(missing)}: no category holds them")


def _told(rules: Rulebook) -> Iterator[Finding]:
    roles = rules.incidents.roles
    for one in rules.incidents.categories:
        longest = max((LASTS_S.get(kind, float("inf")) for kind in one.kinds), default=0.0)
        seen: dict[str, float] = {}
        for step in one.steps:
            if step.after_s > longest:
                text = (
                    f"{step.to} is never told: {', '.join(one.kinds)} lasts {longest:g} s at most, this is after {step.after_s / 60:g} min"
                )
                yield Finding("never", step.source, text)
            elif step.to in seen:
                yield Finding(
                    "unreachable",
                    step.source,
                    f"{step.to} was told of {one.name} incidents {seen[step.to] / 60:g} min in: this tells nobody new",
                )
            seen.setdefault(step.to, step.after_s)
            if roles and not roles.get(step.to):
                text = f"nobody is {step.to}: {step.after_s / 60:g} min into a {one.name} incident nobody is told (incidents: roles:)"
                yield Finding("nobody", step.source, text)


def _authorised(rules: Rulebook) -> Iterator[Finding]:
    roles = rules.incidents.roles
    for rule in rules.overrides.values():
        if rule.source == BUILT_IN:
            continue
        if not rule.who:
            yield Finding("gap", rule.source, f"anybody may put anybody first: {rule.name} overrides name nobody who may authorise them")
        absent = [role for role in rule.who if roles and not roles.get(role)]
        if absent and len(absent) == len(rule.who):
            yield Finding(
                "nobody",
                rule.source,
                f"nobody can authorise {rule.name} overrides here: nobody is {' or '.join(absent)} (incidents: roles:)",
            )
        elif absent:
            yield Finding(
                "nobody",
                rule.source,
                f"nobody at this site is {' or '.join(absent)}, who may authorise {rule.name} overrides (incidents: roles:)",
            )


def _responses(rules: Rulebook, site: Site) -> Iterator[Finding]:
    responses, there = rules.incidents.responses, people(rules)
    if DEFAULT in responses and all(kind in responses for kind in CAPACITY):
        yield Finding(
            "unreachable", responses[DEFAULT].source, "this default answers nothing: every kind of fault has a response of its own"
        )
    for one in responses.values():
        when = "while capacity is lost" if one.kind == DEFAULT else f"while {one.kind} is open"
        if one.how == PROTECT:
            yield from _protects(rules, one, there, when)
        elif one.how == SUSPEND:
            yield from _suspends(rules, one, there, when)
        if one.how != NONE:
            yield from _never(one, site)


def _protects(rules: Rulebook, one: Response, there: set[str], when: str) -> Iterator[Finding]:
    names, critical = ", ".join(one.critical), there & set(one.critical)
    if not critical:
        text = f"nobody is protected {when}: no token of this site gets class {names}, and all go on by the everyday ranks"
        yield Finding("nobody", one.source, text)
    elif critical == there and len(there) > 1:
        yield Finding(
            "response",
            one.source,
            f"all are critical {when}: {', '.join(sorted(there))} come first alike, so nobody is protected from anybody",
        )
    for name, floor in rules.floors.items():
        if name in there and name not in one.critical and floor.value > 0 and critical:
            text = f"{name} is promised {floor.value:g} A ({floor.source}), and {when} that is not kept: {names} come first"
            yield Finding("response", one.source, text)


def _suspends(rules: Rulebook, one: Response, there: set[str], when: str) -> Iterator[Finding]:
    suspended = there & set(one.suspend)
    if not suspended:
        yield Finding("nobody", one.source, f"nobody is suspended {when}: no token of this site gets class {', '.join(one.suspend)}")
    elif suspended == there:
        left = f"{one.keep_a:g} A each" if one.keep_a >= LEAST_A else "nothing"
        yield Finding(
            "response", one.source, f"everybody is suspended {when}: {', '.join(sorted(there))} get {left}, and nobody uses what is left"
        )
    if 0 < one.keep_a < LEAST_A:
        text = f"{one.keep_a:g} A are less than the {LEAST_A:g} A a vehicle takes: {', '.join(one.suspend)} get nothing {when}"
        yield Finding("never", one.source, text)
    for name in one.suspend:
        floor = rules.floors.get(name)
        if name in there and floor is not None and floor.value > one.keep_a:
            text = f"{name} is promised {floor.value:g} A ({floor.source}), and {when} it gets {one.keep_a:g} A"
            yield Finding("response", one.source, text)


def _never(one: Response, site: Site) -> Iterator[Finding]:
    """A response that waits for more faults at a time than there can be."""
    if one.subjects == 1:
        return
    own = {
        "communications_lost": [s.circuit for s in site.stations], "unruly": [s.circuit for s in site.stations],
        "meter_silent": [m.circuit for m in site.meters if m.circuit], "meter_implausible": [m.circuit for m in site.meters if m.circuit],
        "circuit_lost": [c.parent or c.name for c in site.circuits.values()], "infeasible": list(site.circuits),
    }.get(one.kind)  # fmt: skip
    if own is None:
        return
    most = len(own) if one.site_wide else max(Counter(own).values(), default=0)
    if one.subjects > most:
        where = "at this site" if one.site_wide else "on one circuit"
        text = f"{one.how} never comes: it waits for {one.subjects} of {one.kind} at a time, and {most} are possible {where}"
        yield Finding("never", one.source, text)
