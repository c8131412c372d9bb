"""Who gets which EVSE, who waits or leaves, and that nothing reshuffles what was drawn: on a small site with known visits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random

import pytest

from chargekit.emulator.visits import arrivals_for, draw, epoch_of, played
from chargekit.emulator.visits_days import day, weekday_of
from chargekit.emulator.visits_draw import normal, poisson
from chargekit.lab.sitefile import load_site, parse_site
from chargekit.lab.yamlfile import parse
from chargekit.model.site import Site
from chargekit.model.visits import Day, Marginals, Normal, Shift, Statistics, Stream, VisitPlan

TEXT = """\
site: yard
type: mixed_use
zone: Europe/Amsterdam
epoch: 2026-03-02
circuits: {grid: {limit: 100 A}}
stations:
  - {id: "ac-{1..2}", model: generic-ac-22, circuit: grid}
  - {id: dc-1, model: toy-dc-dual-100, circuit: grid}
"""
SITE = parse_site(parse(TEXT, "fleet.yaml"))
MONDAY = date(2026, 3, 2)
AC = (("ac-1", 1), ("ac-2", 1))
DC = (("dc-1", 1), ("dc-1", 2))
NO_DC = "bmw-330e-2016"
"""A plug-in hybrid without a DC inlet."""


def sharp(arrival_h: float, dwell_h: float, kwh: float, **more: object) -> Statistics:
    """Every visit alike, on every day."""
    return Statistics("sharp", Marginals(Normal(arrival_h, 0), Normal(dwell_h, 0), Normal(kwh, 0)), **more)  # type: ignore[arg-type]


def stream(statistics: Statistics, evses: tuple[tuple[str, int], ...] = AC, **more: object) -> Stream:
    given = {"per_evse": 1.0, "people": 1, "regular": True, "vehicles": (("compact-3ph", 1.0),), "waits_s": 600.0, "name": "s", **more}
    return Stream(user_class="guest", token="GST", statistics=statistics, evses=evses, **given)  # type: ignore[arg-type]


def plan(*streams: Stream, early: float = 0.0, sd: float = 0.0) -> VisitPlan:
    return VisitPlan(streams, sd, early)


def test_one_visit_in_full() -> None:
    (one,) = arrivals_for(SITE, plan(stream(sharp(8.0, 2.0, 11.6), AC[:1])), MONDAY, 1, 1)
    battery = SITE.vehicles["compact-3ph"]
    assert (one.station, one.evse, one.vehicle, one.token, one.user_class) == ("ac-1", 1, "compact-3ph", "GST-001", "guest")
    assert (one.at, one.leaves, one.leaves_stated, one.needs_kwh) == (8 * 3600.0, 10 * 3600.0, 10 * 3600.0, 11.6)
    stored = 11.6 * 0.92 / battery.usable_kwh * 100.0
    assert one.soc_percent == pytest.approx(100.0 - stored, abs=0.5)


def test_ones_own_bay_then_the_first_free_one() -> None:
    found = arrivals_for(SITE, plan(stream(sharp(8.0, 2.0, 5.0))), MONDAY, 1, 1)
    assert {(a.station, a.token) for a in found} == {("ac-1", "GST-001"), ("ac-2", "GST-002")}
    wanderers = replace(stream(sharp(9.0, 1.0, 5.0), (AC[1], AC[0])), name="t", token="EMP")
    early = replace(stream(sharp(8.0, 4.0, 5.0), AC[1:]), waits_s=0.0)
    outcome = played(SITE, plan(early, wanderers), MONDAY, 1, 1)
    first, second = outcome.arrivals
    assert (first.station, first.token) == ("ac-2", "GST-001") and second.station == "ac-1"
    assert {second.token, outcome.turned_away[0].token} == {"EMP-001", "EMP-002"}


@pytest.mark.parametrize(("waits_s", "waited", "away"), [(0.0, 0, 1), (1800.0, 0, 1), (7200.0, 1, 0)])
def test_who_finds_none_waits_or_leaves(waits_s: float, waited: int, away: int) -> None:
    first = stream(sharp(8.0, 2.0, 5.0), AC[:1])
    second = replace(stream(sharp(8.5, 1.0, 5.0), AC[:1], waits_s=waits_s), name="t", token="EMP")
    outcome = played(SITE, plan(first, second), MONDAY, 1, 1)
    assert (outcome.visits, outcome.waited, len(outcome.turned_away)) == (2, waited, away)
    if waited:
        late = outcome.arrivals[1]
        assert late.token == "EMP-001" and late.at > 10 * 3600.0 and outcome.waited_s == pytest.approx(late.at - 8.5 * 3600.0)
        assert (late.leaves or 0.0) - late.at == pytest.approx(3600.0)
    else:
        gone = outcome.turned_away[0]
        assert (gone.at, gone.stream, gone.token) == (8.5 * 3600.0, "t", "EMP-001")


def test_a_vehicle_without_a_dc_inlet_never_stands_at_dc() -> None:
    both = stream(sharp(8.0, 3.0, 2.0), (*DC, AC[0]), vehicles=((NO_DC, 1.0),), regular=False, per_evse=2.0, people=9)
    assert SITE.vehicles[NO_DC].dc_max_kw == 0.0
    outcome = played(SITE, plan(both), MONDAY, 3, 1)
    assert {a.station for a in outcome.arrivals} == {"ac-1"} and outcome.turned_away
    able = played(SITE, plan(replace(both, vehicles=(("compact-3ph", 1.0),))), MONDAY, 3, 1)
    assert {(a.station, a.evse) for a in able.arrivals} == {*DC, AC[0]}


def test_a_visitor_comes_in_a_vehicle_whose_battery_takes_it() -> None:
    mix = (("bmw-330e-2016", 1.0), ("compact-3ph", 1.0))
    many = stream(sharp(8.0, 9.0, 30.0), AC, vehicles=mix, regular=False, per_evse=1.0, people=30)
    outcome = played(SITE, plan(many), MONDAY, 10, 1)
    assert {a.vehicle for a in outcome.arrivals} == {"compact-3ph"} and outcome.clamped == 0
    small = played(SITE, plan(replace(many, vehicles=mix[:1])), MONDAY, 10, 1)
    assert small.clamped == len(small.arrivals) > 3
    assert all(5.0 <= a.soc_percent < 15.0 and (a.needs_kwh or 0.0) < SITE.vehicles[NO_DC].usable_kwh * 1.1 for a in small.arrivals)


def test_nobody_wants_more_than_the_stay_allows() -> None:
    outcome = played(SITE, plan(stream(sharp(8.0, 0.5, 30.0), AC[:1])), MONDAY, 1, 1)
    (one,) = outcome.arrivals
    assert outcome.clamped == 1 and one.needs_kwh == pytest.approx(3 * 16 * 230 / 1000 * 0.5 * 0.9, abs=0.01)


def test_a_token_is_not_in_two_places() -> None:
    outcome = played(SITE, plan(stream(sharp(8.0, 30.0, 20.0), AC[:1], waits_s=1e6)), MONDAY, 2, 1)
    assert outcome.still_here > 0
    tokens = sorted((a.at, a.leaves or 0.0) for a in outcome.arrivals)
    assert all(left <= came for (_, left), (came, _) in pairwise(tokens))


def test_soc_of_dc_visits_is_drawn_and_leaves_room_for_the_need() -> None:
    quick = stream(sharp(8.0, 0.5, 20.0, arrival_soc=(1.7, 3.4)), DC[:1], regular=False, per_evse=1.0, people=50)
    found = arrivals_for(SITE, plan(quick), MONDAY, 120, 1)
    socs = [a.soc_percent for a in found]
    assert len(found) > 40 and max(socs) <= 100.0 - 20.0 / 58.0 * 100.0 + 0.01
    assert 24.0 < sum(socs) / len(socs) < 38.0 and min(socs) >= 5.0


def test_who_came_before_the_run_is_there_when_it_begins() -> None:
    night = plan(stream(sharp(20.0, 8.0, 16.0), AC[:1]))
    first, second = arrivals_for(SITE, night, MONDAY, 1, 1)
    assert 60.0 <= first.at <= 600.0 and first.leaves == 4 * 3600.0
    assert first.needs_kwh == pytest.approx(16.0 * 4 / 8, abs=0.01)
    assert (second.at, second.needs_kwh) == (20 * 3600.0, 16.0)
    assert played(SITE, night, MONDAY, 1, 1).visits == 1


def test_a_run_that_begins_in_the_morning() -> None:
    """With the epoch at 07:00 UTC, 08:00 local time, nothing happens before 0."""
    site = replace(SITE, calendar=replace(SITE.calendar, epoch=datetime(2026, 3, 2, 7, 0, tzinfo=UTC)))
    here = plan(stream(sharp(7.0, 3.0, 5.0), AC[:1]), replace(stream(sharp(9.0, 3.0, 5.0), AC[1:]), name="t", token="EMP"))
    before, after = arrivals_for(site, here, MONDAY, 1, 1)
    assert 60.0 <= before.at <= 600.0 and before.leaves == 2 * 3600.0
    assert after.at == 3600.0


def test_clocks_that_change_move_arrivals_not_stays() -> None:
    """On 29 March 2026 the clock in Amsterdam jumps from two to three: eight o'clock is seven hours after midnight."""
    site = replace(SITE, calendar=replace(SITE.calendar, epoch=epoch_of(date(2026, 3, 29), "Europe/Amsterdam")))
    found = arrivals_for(site, plan(stream(sharp(8.0, 2.0, 5.0), AC[:1])), date(2026, 3, 29), 2, 1)
    assert [a.at for a in found] == [7 * 3600.0, 31 * 3600.0]
    assert [(a.leaves or 0.0) - a.at for a in found] == [7200.0, 7200.0]


def test_early_departures_and_what_was_stated() -> None:
    here = plan(stream(sharp(8.0, 4.0, 5.0), AC, regular=False, per_evse=1.0, people=50), early=0.0, sd=600.0)
    usual, early = (arrivals_for(SITE, here, MONDAY, 60, 1, day(name)) for name in ("weekday", "early-departures"))
    assert all((a.leaves or 0.0) - a.at == pytest.approx(4 * 3600.0) for a in usual)
    off = [abs((a.leaves_stated or 0.0) - (a.leaves or 0.0)) for a in usual]
    assert 200.0 < sum(off) / len(off) < 800.0
    gone = [a for a in early if (a.leaves or 0.0) - a.at < 3 * 3600.0]
    assert 0.25 < len(gone) / len(early) < 0.55
    assert all((a.leaves_stated or 0.0) - a.at > 3 * 3600.0 for a in gone)


def test_vans_leave_when_the_next_day_says_and_stay_over_the_weekend() -> None:
    works = Statistics(
        "works", Shift(Normal(8.25, 0.4, 6, 11), Normal(8.3, 1.35, 3, 13), Normal(47, 20, 3, 150), 0.4), None,
        (0.2, 0.2, 0.2, 0.2, 0.2, 0, 0),
    )  # fmt: skip
    found = [a for a in arrivals_for(SITE, plan(stream(works, AC[:1])), MONDAY, 7, 1) if a.at > 3600.0]
    days = [(int(a.at // 86_400), int((a.leaves or 0.0) // 86_400)) for a in found]
    assert days == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 7)]
    assert all(6.0 <= (a.leaves or 0.0) % 86_400 / 3600.0 <= 11.0 for a in found)
    resting = arrivals_for(SITE, plan(stream(works, AC[:1])), MONDAY, 2, 1, day("holiday"))
    assert [int((a.leaves or 0.0) // 86_400) for a in resting] == [2]


def drawn(site: Site, stations: int) -> dict[str, list[tuple[float, float | None]]]:
    """Token to (at, needs) of all visits with room enough for each."""
    many = replace(stream(sharp(8.0, 1.0, 5.0), tuple((s.id, 1) for s in site.stations[:stations])), name="w", regular=False, people=3)
    noisy = Marginals(Normal(12, 3, 4, 28), Normal(0.5, 0.1, 0.2, 1), Normal(5, 2, 1, 10))
    many = replace(many, statistics=Statistics("noisy", noisy), per_evse=0.5)
    out: dict[str, list[tuple[float, float | None]]] = {}
    for one in arrivals_for(site, plan(many), MONDAY, 2, 5):
        out.setdefault(one.token, []).append((one.at, one.needs_kwh))
    return out


def test_more_stations_add_visits_and_leave_the_others() -> None:
    site = load_site("workplace", stations=120).site
    few, more = drawn(site, 40), drawn(site, 80)
    same = [token for token in few if more.get(token) == few[token]]
    assert len(few) > 25 and len(same) >= 0.95 * len(few)
    assert len(more) > 1.5 * len(few)


def test_another_stream_leaves_the_first_as_it_was() -> None:
    one = stream(sharp(8.0, 1.0, 5.0), AC[:1], regular=False, per_evse=3.0, people=9)
    other = replace(one, name="other", token="EMP", evses=AC[1:])
    alone, joined = (arrivals_for(SITE, p, MONDAY, 3, 1) for p in (plan(one), plan(one, other)))
    assert [a for a in joined if a.token.startswith("GST")] == list(alone)


def test_everyone_at_once_brings_one_to_every_evse() -> None:
    rare = stream(sharp(8.0, 1.0, 5.0), AC, regular=False, per_evse=0.01, people=2)
    found = arrivals_for(SITE, plan(rare), MONDAY, 1, 1, day("everyone-at-once"))
    assert {a.station for a in found} == {"ac-1", "ac-2"}
    assert all(abs(a.at - 8 * 3600.0) <= 450.0 for a in found)


def test_draw_counts_by_the_day_of_the_week() -> None:
    shares = sharp(8.0, 1.0, 5.0, dow_share=(0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.0))
    rng = Random("counts")
    assert shares.day_factor(0) == pytest.approx(0.2 / 0.18)
    assert len(draw(shares, date(2026, 3, 8), 500.0, rng)) == 0
    assert 480 < len(draw(shares, MONDAY, 500.0, rng)) < 640
    assert 210 < len(draw(shares, 4, 500.0, rng)) < 345
    plain = sharp(8.0, 1.0, 5.0, weekend_factor=0.5)
    assert (plain.day_factor(4), plain.day_factor(5)) == (1.0, 0.5)


def test_poisson_numbers_and_bounded_normals() -> None:
    rng = Random("numbers")
    for mean in (0.3, 4.0, 130.0):
        found = [poisson(mean, rng) for _ in range(3000)]
        middle = sum(found) / len(found)
        assert middle == pytest.approx(mean, rel=0.06)
        assert sum((x - middle) ** 2 for x in found) / len(found) == pytest.approx(mean, rel=0.12)
    assert poisson(0.0, rng) == 0
    assert all(2.0 <= normal(Normal(3.0, 5.0, 2.0, 4.0), rng) <= 4.0 for _ in range(500))
    assert normal(Normal(9.0, 0.0, 0.0, 4.0), rng) == 4.0


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6]),
        (day("weekday"), [0, 1, 2, 3, 4, 2, 2]),
        (day("weekend"), [5, 5, 5, 5, 5, 5, 6]),
        (day("holiday"), [6] * 7),
        (Day("plain"), [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_what_weekday_a_day_counts_as(kind: Day | None, counts: list[int]) -> None:
    assert [weekday_of(n, kind) for n in range(7)] == counts


def test_days_say_how_cold_they_are() -> None:
    assert day("cold-morning").ambient_c == -8.0
    assert day("weekday").ambient_c > 10.0


def test_persons_keep_their_vehicles() -> None:
    site = load_site("multifamily").site
    assert site.visits is not None
    drives: dict[str, set[str]] = {}
    for one in arrivals_for(site, site.visits, MONDAY, 14, 2):
        drives.setdefault(one.token, set()).add(one.vehicle)
    assert set(Counter(len(v) for v in drives.values())) == {1}
    assert max(len(drives), 1) > 60
