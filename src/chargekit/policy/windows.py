"""Times of day and days of the week on the site's own clock: daylight saving and holidays included.

A window belongs to the day it begins on: `fri 22:00-06:00` goes on into Saturday. What counts is what a clock on the wall shows: in the
night that has an hour twice, a window that names it is open twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput, Located, Source, nearest
from chargekit.policy.schema import DAY_NAMES

HOLIDAY: Final = "holidays"
KINDS: Final = (*DAY_NAMES, HOLIDAY)
DAY_MIN: Final = 1440


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as the site's rules see it: `today` and `yesterday` are a weekday's name or `holidays`."""

    now: float
    local: datetime
    today: str
    yesterday: str

    @property
    def minute(self) -> float:
        """Minutes since midnight, by the clock on the wall."""
        return self.local.hour * 60 + self.local.minute + self.local.second / 60.0

    def __str__(self) -> str:
        return f"{self.today} {self.local:%H:%M}"


@dataclass(frozen=True, slots=True)
class Span:
    """Days, and minutes of the day from `begin` up to and without `end`; an `end` not after `begin` is on the next day."""

    days: tuple[str, ...]
    begin: int
    end: int
    source: Source

    def holds(self, when: Moment) -> bool:
        if self.begin < self.end:
            return when.today in self.days and self.begin <= when.minute < self.end
        return (when.today in self.days and when.minute >= self.begin) or (when.yesterday in self.days and when.minute < self.end)

    def __str__(self) -> str:
        return f"{_days_text(self.days)} {clock(self.begin)}-{clock(self.end)}"

    def week(self) -> list[tuple[int, int]]:
        """Minutes of an ordinary week (Monday 00:00 is 0) that it covers, holidays left out."""
        found = []
        for number, name in enumerate(DAY_NAMES):
            if name in self.days:
                begin, end = number * DAY_MIN + self.begin, number * DAY_MIN + self.end
                end += DAY_MIN if self.end <= self.begin else 0
                found.append((begin, min(end, 7 * DAY_MIN)))
                if end > 7 * DAY_MIN:
                    found.append((0, end - 7 * DAY_MIN))
        return found

    def on_holidays(self) -> list[tuple[int, int]]:
        """Minutes of a holiday that it covers, as far as it begins then."""
        return [(self.begin, self.end if self.end > self.begin else DAY_MIN)] if HOLIDAY in self.days else []


def _days_text(days: tuple[str, ...]) -> str:
    if set(days) == set(KINDS):
        return "every day"
    runs: list[list[int]] = []
    for number in (n for n, name in enumerate(DAY_NAMES) if name in days):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [DAY_NAMES[r[0]] if len(r) == 1 else f"{DAY_NAMES[r[0]]}-{DAY_NAMES[r[-1]]}" for r in runs]
    return ", ".join([*parts, *([HOLIDAY] if HOLIDAY in days else [])])


def clock(minute: int) -> str:
    """Minutes of the day as HH:MM."""
    return f"{minute // 60:02}:{minute % 60:02}"


def moment(calendar: Calendar, now: float, holidays: Iterable[str]) -> Moment:
    """Run time as the site's clock and calendar show it. `holidays`: ISO dates."""
    local = calendar.local(now)
    free = frozenset(holidays)
    return Moment(now, local, _kind(local.date(), free), _kind(local.date() - timedelta(days=1), free))


def _kind(day: date, holidays: frozenset[str]) -> str:
    return HOLIDAY if day.isoformat() in holidays else DAY_NAMES[day.weekday()]


def next_change(spans: Iterable[Span], calendar: Calendar, now: float) -> float:
    """The next run time at which one of the spans may begin or end: one of its clock times, midnight, or a shift of the clock."""
    minutes = {0} | {m % DAY_MIN for span in spans for m in (span.begin, span.end)}
    local, zone = calendar.local(now), ZoneInfo(calendar.zone)
    times = [calendar.next_shift(now)]
    for day in (local.date(), local.date() + timedelta(days=1)):
        for minute in minutes:
            for fold in (0, 1):
                at = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone)
                times.append(calendar.now_of(at))
    return min(t for t in times if t > now + 1e-6)


# --- reading ----------------------------------------------------------------------------------------------------


def parse_span(node: Located) -> Span:
    """`days`, `from` and `to` of a table. BadInput for days and times that are none, or that leave nothing."""
    days = _days(node.get("days"), node)
    begin = _minute(node.get("from"), 0)
    end = _minute(node.get("to"), DAY_MIN)
    if begin in (DAY_MIN, end):
        where = node.get("to") or node.get("from") or node
        raise BadInput(where.source, f"a window from {clock(begin)} to {clock(end)} never holds", "from before to, or over midnight")
    return Span(days, begin, end, node.source)


def _days(node: Located | None, around: Located) -> tuple[str, ...]:
    if node is None:
        return KINDS
    named = node.items() if isinstance(node.value, list) else [node]
    found: set[str] = set()
    for one in named:
        word = one.as_text()
        first, mark, last = word.partition("-")
        if word == "all":
            found |= set(KINDS)
        elif word == HOLIDAY:
            found.add(HOLIDAY)
        elif first in DAY_NAMES and (not mark or last in DAY_NAMES):
            begin, end = DAY_NAMES.index(first), DAY_NAMES.index(last if mark else first)
            found |= {DAY_NAMES[n % 7] for n in range(begin, end + 1 if end >= begin else end + 8)}
        else:
            raise BadInput(one.source, f"{word!r} is no day", nearest(word, (*KINDS, "all", "mon-fri")))
    if not found:
        raise BadInput((node or around).source, "a window without days never holds", "days: all")
    return tuple(k for k in KINDS if k in found)


def _minute(node: Located | None, default: int) -> int:
    """HH:MM. YAML takes an unquoted 19:00 for the number 1140, which is its minute."""
    if node is None:
        return default
    if isinstance(node.value, int) and not isinstance(node.value, bool) and 0 <= node.value <= DAY_MIN:
        return node.value
    hours, mark, minutes = str(node.value).strip().partition(":")
    if mark and hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and len(hours) <= 2:
        found = int(hours) * 60 + int(minutes)
        if found <= DAY_MIN and int(minutes) < 60:
            return found
    raise BadInput(node.source, f"a time of day expected, found {str(node.value)[:20]!r}", 'for example "07:00"')


def parse_date(node: Located) -> date:
    """A date, 2026-12-25."""
    if isinstance(node.value, datetime):
        raise BadInput(node.source, "a date without a time expected", "for example 2026-12-25")
    if isinstance(node.value, date):
        return node.value
    try:
        return date.fromisoformat(str(node.value))
    except ValueError:
        raise BadInput(node.source, f"a date expected, found {str(node.value)[:30]!r}", "for example 2026-12-25") from None


def parse_instant(node: Located, zone: str) -> datetime:
    """A date and time; without an offset it is on the site's clock, without a time it is midnight."""
    value = node.value
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise BadInput(node.source, f"a date and time expected, found {str(node.value)[:30]!r}", "for example 2026-06-01T18:00")
    return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))
