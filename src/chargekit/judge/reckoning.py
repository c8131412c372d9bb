"""The shared figures of a running case: what `chargekit kpi` would make of the records up to now."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import timedelta

from chargekit.judge.bench import Bench
from chargekit.judge.kpi import by_key, figures
from chargekit.judge.kpi_facts import Facts, head_from
from chargekit.judge.kpi_figure import Figure
from chargekit.judge.kpi_review import Trigger, triggers
from chargekit.judge.verdict import Unclear


def facts_of(bench: Bench) -> Facts:
    """The fold of what was witnessed since the case began. Unclear where the site was not put on record."""
    records = bench.lab.history.records
    begins = next((n for n in range(len(records) - 1, -1, -1) if (records[n].witness, records[n].kind) == ("rig", "site")), None)
    if begins is None:
        raise Unclear("the records do not say which site they are of")
    facts = Facts(head_from(records[begins].body))
    for record in records[begins + 1 :]:
        facts.take(record)
    return facts


def reckoned(bench: Bench) -> dict[str, Figure]:
    """Every shared figure by its key."""
    return by_key(figures(facts_of(bench)))


def reviewed(name: str, *days: Facts) -> Trigger:
    """What a review trigger says of a site whose days were like these, one after the other: a case has an hour, not weeks. StopIteration
    for a name that is none."""
    return next(one for one in triggers([("", _later(facts, number)) for number, facts in enumerate(days)]) if one.name == name)


def _later(facts: Facts, days: int) -> Facts:
    """The same as if it had been so many days later."""
    calendar = facts.head.calendar
    moved = copy(facts)
    moved.head = replace(facts.head, calendar=replace(calendar, epoch=calendar.epoch + timedelta(days=days)))
    return moved
