"""Spans of run time and the few statistics that the shared figures need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from chargekit.model.calendar import Calendar

Spans = list[tuple[float, float]]
"""(from, to) in run s."""
DAY_S: Final = 86_400.0


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest rank: the smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] if ordered else None


def jain(shares: Sequence[float]) -> float | None:
    """Jain's index, (sum x)^2 / (n sum x^2): 1 when all get the same, 1/n when one gets all."""
    squares = sum(x * x for x in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares > 0 else None


def seconds(spans: Spans) -> float:
    """How long they last together."""
    return sum(high - low for low, high in spans)


def overlap(spans: Spans, others: Spans) -> float:
    """How long two sets of spans hold at once, s."""
    return sum(max(0.0, min(b, d) - max(a, c)) for a, b in spans for c, d in others)


def union(spans: Iterable[tuple[float, float]]) -> Spans:
    """The same times, none twice."""
    merged: Spans = []
    for low, high in sorted(s for s in spans if s[1] > s[0]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def windows(calendar: Calendar, begin: float, end: float, from_s: float, to_s: float) -> Spans:
    """The off-peak spans of the site's wall clock between two moments; `to_s` before `from_s` is on the next morning."""
    spans: Spans = []
    zone = ZoneInfo(calendar.zone)
    day, last = calendar.local(begin).date() - timedelta(days=1), calendar.local(end).date()

    def at(seconds: float) -> float:
        """A wall-clock moment of this day, whatever the clock did in between."""
        return calendar.now_of((datetime.combine(day, time()) + timedelta(seconds=seconds)).replace(tzinfo=zone))

    while day <= last:
        low, high = at(from_s), at(to_s if to_s > from_s else to_s + DAY_S)
        if high > begin and low < end:
            spans.append((max(low, begin), min(high, end)))
        day += timedelta(days=1)
    return union(spans)
