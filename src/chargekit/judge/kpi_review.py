"""The five review triggers: whether a policy still does its job, from the days of one or several runs of a site.

Thresholds come from the portfolio (`policy.review`), by way of the runs' heads. Each trigger says what it measured and shows the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from chargekit.judge.kpi import missed, off_peak_kwh, off_peak_spans, quarter_hours, wait_s
from chargekit.judge.kpi_facts import Facts
from chargekit.model.calendar import Calendar
from chargekit.policy.review import Review

SHOWN: Final = 12
"""Records shown of each trigger's evidence."""

Proof = tuple[str, int]
"""A record file and the seq of a record in it."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger on one site. `because`: in a sentence, with the figures; `threshold`: the portfolio's, with file and line;
    `evidence`: the records that speak for it, the first of them."""

    name: str
    site: str
    fired: bool
    because: str
    threshold: str
    figures: tuple[tuple[str, float], ...] = ()
    evidence: tuple[Proof, ...] = ()

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.name, "site": self.site, "fired": self.fired, "because": self.because, "threshold": self.threshold,
            "figures": {name: round(value, 6) for name, value in self.figures}, "evidence": [list(one) for one in self.evidence],
        }  # fmt: skip


@dataclass(slots=True)
class Day:
    """One local day of a site."""

    visits: Counter[str] = field(default_factory=Counter)
    conflicts: list[Proof] = field(default_factory=list)
    came: int = 0
    peak_kw: float = 0.0
    overrides: list[tuple[str, Proof]] = field(default_factory=list)
    kwh: float = 0.0
    off_peak: float = 0.0
    possible: float = 0.0


def days_of(runs: Sequence[tuple[str, Facts]]) -> dict[date, Day]:
    """The local days of runs of one site, in order; each run with its file. A visit counts on the day it joined."""
    days: dict[date, Day] = {}
    for file, facts in runs:
        calendar = facts.head.calendar
        review, spans = facts.head.review, off_peak_spans(facts)

        def on(t: float, calendar: Calendar = calendar) -> Day:
            return days.setdefault(calendar.local(t).date(), Day())

        for visit in facts.visits:
            if visit.refused:
                continue
            day = on(visit.joined)
            day.came += 1
            day.visits[visit.user_class or "(none)"] += 1
            if wait_s(facts, visit) > review.queue_wait_s or missed(facts, visit):
                day.conflicts.append((file, visit.left_seq or visit.seq))
            got, could = off_peak_kwh(facts, visit, spans)
            day.kwh, day.off_peak, day.possible = day.kwh + visit.kwh, day.off_peak + got, day.possible + could
        for away in facts.turned_away:
            day = on(away.t)
            day.came += 1
            day.visits[away.who or "(none)"] += 1
            day.conflicts.append((file, away.seq))
        for one in facts.overrides:
            on(one.t).overrides.append((one.who, (file, one.seq)))
        for t, kw in quarter_hours(facts):
            day = on(t)
            day.peak_kw = max(day.peak_kw, kw)
        # A day on which nobody came is a day, too.
        t = 0.0
        while t < facts.end:
            on(t)
            t += 43_200.0
    return dict(sorted(days.items()))


def triggers(runs: Sequence[tuple[str, Facts]], name: str = "") -> tuple[Trigger, ...]:
    """The five triggers for runs of one site that follow each other, with the thresholds of the last one's head. `name`: what to call
    them, the site's own name if empty."""
    if not runs:
        return ()
    head = runs[-1][1].head
    days = days_of(runs)
    found = (_queue, _peak, _overrides, _off_peak, _growth)
    return tuple(one(name or head.site, head.review, days) for one in found)


def _shown(proofs: Sequence[Proof]) -> tuple[Proof, ...]:
    return tuple(proofs[:SHOWN])


def _queue(site: str, review: Review, days: dict[date, Day]) -> Trigger:
    bad = {when: day for when, day in days.items() if day.came and len(day.conflicts) / day.came > review.queue_share}
    worst = max(((len(day.conflicts) / day.came, when) for when, day in bad.items()), default=None)
    fired = len(bad) >= review.queue_days
    said = f"on {len(bad)} of {len(days)} days more than {review.queue_share:.0%} of the visits waited longer than "
    said += f"{review.queue_wait_s / 60:g} min, were turned away or left short"
    said += f"; most on {worst[1]}: {worst[0]:.0%}" if worst else ""
    proofs = [proof for day in bad.values() for proof in day.conflicts]
    return Trigger(
        "queue conflicts or missed windows", site, fired, said, f"{review.queue_days} days ({review.source('queue')})",
        (("days", float(len(bad))), ("highest share", worst[0] if worst else 0.0)), _shown(proofs) if fired else (),
    )  # fmt: skip


def _halves(days: dict[date, Day], count: int) -> tuple[list[Day], list[Day]] | None:
    """The last `count` days and the `count` days before, by the calendar; None where there aren't as many."""
    if not days:
        return None
    last = max(days)
    late = [last - timedelta(days=n) for n in range(count)]
    early = [last - timedelta(days=count + n) for n in range(count)]
    if any(one not in days for one in (*late, *early)):
        return None
    return [days[one] for one in early], [days[one] for one in late]


def _too_few(name: str, site: str, count: int, threshold: str) -> Trigger:
    return Trigger(name, site, False, f"needs {2 * count} days in a row to compare", threshold)


def _peak(site: str, review: Review, days: dict[date, Day]) -> Trigger:
    name = "rise in peak-demand exposure"
    threshold = f"{review.peak_rise:.0%} over {review.peak_days} days ({review.source('peak_demand')})"
    halves = _halves(days, review.peak_days)
    if halves is None:
        return _too_few(name, site, review.peak_days, threshold)
    before, after = (sum(day.peak_kw for day in half) / len(half) for half in halves)
    # Sustained: not one day's peak, but most of them.
    above = sum(day.peak_kw > before for day in halves[1])
    rise = after / before - 1.0 if before > 0 else 0.0
    fired = rise > review.peak_rise and above * 2 > len(halves[1])
    said = f"the daily peaks (15-minute means) rose from {before:.1f} to {after:.1f} kW on average, {rise:+.0%}; "
    said += f"{above} of {len(halves[1])} days were above the average of the days before"
    return Trigger(name, site, fired, said, threshold, (("before kW", before), ("after kW", after), ("days above", float(above))))


def _overrides(site: str, review: Review, days: dict[date, Day]) -> Trigger:
    most: list[tuple[str, Proof]] = []
    for first in days:
        within = [one for when, day in days.items() if 0 <= (when - first).days < review.overrides_days for one in day.overrides]
        most = within if len(within) > len(most) else most
    by = Counter(who for who, _ in most)
    fired = len(most) >= review.overrides_count
    said = f"{len(most)} overrides within {review.overrides_days} days"
    said += ": " + ", ".join(f"{count} by {who}" for who, count in sorted(by.items(), key=lambda one: (-one[1], one[0]))) if by else ""
    threshold = f"{review.overrides_count} within {review.overrides_days} days ({review.source('overrides')})"
    proofs = _shown([proof for _, proof in most]) if fired else ()
    return Trigger("chronic manual overrides", site, fired, said, threshold, (("overrides", float(len(most))),), proofs)


def _off_peak(site: str, review: Review, days: dict[date, Day]) -> Trigger:
    total = sum(day.kwh for day in days.values())
    share = sum(day.off_peak for day in days.values()) / total if total > 0 else 0.0
    possible = sum(day.possible for day in days.values()) / total if total > 0 else 0.0
    fired = total > 0 and share < review.off_peak_share and possible >= review.off_peak_possible
    said = f"{share:.0%} of {total:.1f} kWh were delivered off-peak; the stays had room for {possible:.0%}"
    threshold = f"less than {review.off_peak_share:.0%} where {review.off_peak_possible:.0%} is possible ({review.source('off_peak')})"
    return Trigger(
        "low off-peak share despite dwell", site, fired, said, threshold, (("kWh", total), ("share", share), ("possible", possible))
    )


def _growth(site: str, review: Review, days: dict[date, Day]) -> Trigger:
    name = "growth of a user group"
    threshold = f"{review.growth_share:.0%} over {review.growth_days} days, from {review.growth_least} visits ({review.source('growth')})"
    halves = _halves(days, review.growth_days)
    if halves is None:
        return _too_few(name, site, review.growth_days, threshold)
    before, after = (sum((day.visits for day in half), Counter[str]()) for half in halves)
    grown = {
        one: (before[one], after[one]) for one in sorted(after)
        if after[one] >= review.growth_least and after[one] - before[one] > review.growth_share * before[one]
    }  # fmt: skip
    said = "; ".join(f"{one}: {a} visits, then {b}" for one, (a, b) in grown.items()) if grown else "no class grew so much"
    figures = tuple((f"{one} {when}", float(n)) for one, both in grown.items() for when, n in zip(("before", "after"), both, strict=True))
    return Trigger(name, site, bool(grown), said, threshold, figures)
