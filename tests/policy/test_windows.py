"""Times on the site's own clock: overnight windows, holidays, and the two nights a year that have another length."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chargekit.lab.yamlfile import parse
from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput
from chargekit.policy.windows import Span, clock, moment, next_change, parse_date, parse_span

ZONE = "Europe/Amsterdam"
CALENDAR = Calendar(datetime(2026, 3, 2, tzinfo=UTC), ZONE)


def span(text: str) -> Span:
    return parse_span(parse(text, "w.yaml"))


def at(text: str) -> float:
    """Run time of an instant in UTC."""
    return CALENDAR.now_of(datetime.fromisoformat(text))


def holds(one: Span, utc: str, *holidays: str) -> bool:
    return one.holds(moment(CALENDAR, at(utc), holidays))


WORK = '{days: [mon-fri], from: "07:00", to: "19:00"}'
NIGHT = '{days: [fri], from: "22:00", to: "06:00"}'


@pytest.mark.parametrize(
    ("text", "utc", "found"),
    [
        (WORK, "2026-03-02T05:59:59", False),
        (WORK, "2026-03-02T06:00:00", True),
        (WORK, "2026-03-02T17:59:59", True),
        (WORK, "2026-03-02T18:00:00", False),
        (WORK, "2026-03-07T10:00:00", False),
        # Summer time: an hour earlier in UTC.
        (WORK, "2026-03-30T04:59:59", False),
        (WORK, "2026-03-30T05:00:00", True),
        (WORK, "2026-10-26T05:59:59", False),
        # A window belongs to the day it begins on.
        (NIGHT, "2026-03-06T21:00:00", True),
        (NIGHT, "2026-03-07T04:59:00", True),
        (NIGHT, "2026-03-07T05:00:00", False),
        (NIGHT, "2026-03-06T04:00:00", False),
        # Unquoted times are numbers in YAML.
        ("{days: all, from: 7:00, to: 19:00}", "2026-03-07T06:00:00", True),
        ("{days: [sat-mon]}", "2026-03-08T12:00:00", True),
        ("{days: [sat-mon]}", "2026-03-03T12:00:00", False),
        ('{from: "00:00", to: "24:00"}', "2026-03-03T22:59:59", True),
    ],
)
def test_a_window_holds(text: str, utc: str, found: bool) -> None:
    assert holds(span(text), utc) is found


def test_a_holiday_is_no_weekday() -> None:
    friday = "2026-12-25T10:00:00"
    assert holds(span(WORK), friday) and not holds(span(WORK), friday, "2026-12-25")
    assert holds(span("{days: holidays}"), friday, "2026-12-25") and not holds(span("{days: holidays}"), friday)
    assert holds(span("{days: all}"), friday, "2026-12-25")
    # The night of the holiday goes on into the next day, that of the day before into the holiday.
    eve, night = span('{days: [thu], from: "22:00", to: "06:00"}'), span('{days: holidays, from: "22:00", to: "06:00"}')
    assert holds(eve, "2026-12-25T03:00:00", "2026-12-25") and holds(night, "2026-12-26T03:00:00", "2026-12-25")


def test_the_hour_that_comes_twice_is_open_twice_and_the_one_that_is_missing_never() -> None:
    two = span('{from: "02:00", to: "03:00"}')
    # 25 October 2026: 02:00 to 03:00 on the clock is 00:00 to 02:00 UTC.
    assert [holds(two, f"2026-10-25T0{h}:30:00") for h in (0, 1)] == [True, True]
    assert not holds(two, "2026-10-25T02:00:00") and not holds(two, "2026-10-24T23:59:59")
    # 29 March 2026: after 01:59:59 comes 03:00.
    assert not any(holds(two, f"2026-03-29T{h:02}:{m:02}:00") for h in range(3) for m in (0, 30, 59))


def test_the_next_change_is_a_bound_of_a_window_or_a_shift_of_the_clock() -> None:
    work = span(WORK)
    assert next_change([work], CALENDAR, at("2026-03-02T07:00")) == at("2026-03-02T18:00")
    assert next_change([work], CALENDAR, at("2026-03-02T18:00")) == at("2026-03-02T23:00")
    assert next_change([work], CALENDAR, at("2026-03-29T00:30")) == at("2026-03-29T01:00")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{days: [mon-son]}", "'mon-son' is no day"),
        ("{days: []}", "without days never holds"),
        ('{from: "07:00", to: "07:00"}', "from 07:00 to 07:00 never holds"),
        ('{from: "24:00"}', "from 24:00 to 24:00 never holds"),
        ('{from: "25:00"}', "a time of day expected, found '25:00'"),
        ('{from: "7 am"}', "a time of day expected"),
        ("{from: 1500}", "a time of day expected"),
        ("{days: {mon: 1}}", "text expected"),
    ],
)
def test_what_is_no_window_says_where(text: str, why: str) -> None:
    with pytest.raises(BadInput) as told:
        span(text)
    assert why in str(told.value) and "w.yaml:1" in str(told.value)


def test_a_window_reads_as_people_say_it() -> None:
    said = [str(span(x)) for x in (WORK, NIGHT, "{days: [sat, sun, holidays]}", "{days: all}")]
    assert said == ["mon-fri 07:00-19:00", "fri 22:00-06:00", "sat-sun, holidays 00:00-24:00", "every day 00:00-24:00"]
    assert clock(75) == "01:15"


@pytest.mark.parametrize("text", ["31.12.2026", "soon", "2026-03-01T10:00:00"])
def test_a_date_is_a_date(text: str) -> None:
    with pytest.raises(BadInput, match=r"w.yaml:1: a date"):
        parse_date(parse(text, "w.yaml"))


def test_a_time_in_the_zone_of_the_epoch_counts_real_seconds_over_a_shift_of_the_clock() -> None:
    zone = ZoneInfo(ZONE)
    calendar = Calendar(datetime(2026, 3, 28, tzinfo=zone), ZONE)
    assert calendar.now_of(datetime(2026, 3, 30, tzinfo=zone)) == 47 * 3600.0
    assert calendar.now_of(datetime(2026, 3, 30, tzinfo=UTC)) == 49 * 3600.0


def week(text: str) -> list[Any]:
    return span(text).week()


def test_the_minutes_of_a_week() -> None:
    assert week('{days: [mon], from: "01:00", to: "02:00"}') == [(60, 120)]
    assert week('{days: [sun], from: "23:00", to: "01:00"}') == [(10020, 10080), (0, 60)]
