"""Visits of a site as arrivals: who comes, in what vehicle, to which EVSE, and who finds none.

Every visit has a generator of its own, seeded by (seed, site, date, stream, EVSE number, count): more stations or more days add
visits and leave the others as they were. Which EVSE a visit gets depends on who is there, so that can change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from chargekit.emulator.visits_days import DAYS, day, weekday_of
from chargekit.emulator.visits_draw import Visit, centre_h, draw, draw_one, normal, poisson, returned
from chargekit.model.calendar import Calendar
from chargekit.model.site import Arrival, ChargingStation, Site
from chargekit.model.vehicle import Vehicle
from chargekit.model.visits import Day, Shift, Stream, VisitPlan

__all__ = ["DAYS", "Outcome", "TurnedAway", "Visit", "arrivals_for", "day", "draw", "draw_one", "epoch_of", "played"]

WARM_UP_DAYS: Final = 3
"""Who stays over a weekend is there on Monday."""
TURN_S: Final = 180.0
"""From one vehicle leaving to the next one plugged in."""
SETTLE_S: Final = 600.0
"""Vehicles that are there when the run begins are plugged in over its first minutes."""
FULLEST: Final = 98.0
EMPTIEST: Final = 5.0
STAY_S: Final = 180.0
MOVES_S: Final = (60.0, 600.0)
"""Who makes room when asked goes within this time."""
DERATED: Final = 0.9


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A visit that found no EVSE in time. `at` in run s."""

    at: float
    stream: str
    token: str
    user_class: str = ""


@dataclass(slots=True)
class Outcome:
    """Arrivals in order of time, and what became of the rest: `waited` found a place late (`waited_s` together), `turned_away`
    found none, `still_here` would have come while they were still plugged in, `clamped` wanted more than the battery or the stay
    allows. `visits` counts them all."""

    arrivals: list[Arrival] = field(default_factory=list)
    turned_away: list[TurnedAway] = field(default_factory=list)
    visits: int = 0
    waited: int = 0
    waited_s: float = 0.0
    still_here: int = 0
    clamped: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """A visit before it has a place. Times in run s; `leaves` is fixed for who has to go at a certain time."""

    at: float
    dwell_s: float
    leaves: float | None
    needs_kwh: float
    early: float | None
    stated_off_s: float
    stream: Stream
    unit: int
    token: str
    vehicle: str
    soc: float | None
    entered: float


def arrivals_for(site: Site, plan: VisitPlan, first_day: date, days: int, seed: int | str, day: Day | None = None) -> tuple[Arrival, ...]:
    """Arrivals of so many days from local midnight of `first_day`, in run seconds of the site's calendar, in order of time.
    None is before 0, so a site whose epoch is in the morning of that day begins there.

    Vehicles that came on the days before and are still there begin in the first minutes, less what an even charge gave them.
    `day` makes all the days of one kind; those before are ordinary.
    """
    return tuple(played(site, plan, first_day, days, seed, day).arrivals)


def played(site: Site, plan: VisitPlan, first_day: date, days: int, seed: int | str, day: Day | None = None) -> Outcome:
    """As `arrivals_for`, with what happened to those who found no place. Visits that began before the first day are not counted."""
    visiting = Visiting(site, plan, first_day, days, seed, day)
    return visiting.places.filled(visiting.wishes)


class Visiting:
    """The same visits, to be placed one by one while time goes by: whoever leaves early makes room for whoever comes later. `wishes` in
    the order they come; those before `begin` are there when the run begins."""

    def __init__(self, site: Site, plan: VisitPlan, first_day: date, days: int, seed: int | str, day: Day | None = None) -> None:
        dates = [first_day + timedelta(days=n) for n in range(-WARM_UP_DAYS, days)]
        kinds = dict.fromkeys(dates[WARM_UP_DAYS:], day)
        drawing = _Drawing(site, plan, kinds, f"{seed}/{site.id}")
        self.wishes = sorted((w for d in dates for w in drawing.of(d)), key=lambda w: (w.at, w.stream.name, w.unit, w.entered))
        self.begin = max(0.0, _moment(site.calendar, first_day, 0.0))
        self.places = _Places(site, self.begin)
        self.outcome, self._share, self._seed = self.places.outcome, plan.moves_share, f"{seed}/{site.id}/moves"

    def comes(self, wish: Wish) -> Arrival | TurnedAway | None:
        """Somebody comes: where and when it is plugged in, or that it found nothing; None for who is still there, or gone by the start."""
        return self.places.comes(wish)

    def asked(self, one: Arrival, now: float) -> float | None:
        """Somebody is asked to make room: when it goes, earlier than it meant to; None if it stays."""
        rng = Random(f"{self._seed}/{one.token}/{one.at}")
        stays, goes = rng.random() >= self._share, now + rng.uniform(*MOVES_S)
        if stays or one.leaves is None or goes >= one.leaves:
            return None
        self.places.left(one, goes)
        return goes

    def refused(self, one: Arrival, now: float) -> float | None:
        """Somebody's token is refused: when it goes, as nobody parks where they get nothing; None if it was about to."""
        goes = now + Random(f"{self._seed}/{one.token}/{one.at}/refused").uniform(*MOVES_S)
        if one.leaves is None or goes >= one.leaves:
            return None
        self.places.left(one, goes)
        return goes


def epoch_of(first_day: date, zone: str) -> datetime:
    """The instant of local midnight: the epoch of a run that begins with this day."""
    return datetime.combine(first_day, time(), ZoneInfo(zone)).astimezone(UTC)


def _moment(calendar: Calendar, day: date, hours: float) -> float:
    """Run seconds of a wall-clock hour; 25 is one in the night after."""
    local = datetime.combine(day, time()) + timedelta(hours=hours)
    return calendar.now_of(local.replace(tzinfo=ZoneInfo(calendar.zone)).astimezone(UTC))


class _Drawing:
    """Draws the wishes of dates."""

    def __init__(self, site: Site, plan: VisitPlan, kinds: Mapping[date, Day | None], seed: str) -> None:
        self.site, self.plan, self.kinds, self.seed = site, plan, kinds, seed
        busiest = max(plan.streams, key=lambda s: len(s.evses) * s.per_evse, default=None)
        self.rush_h = centre_h(busiest.statistics.weekday) if busiest else 12.0
        self._vehicles: dict[tuple[str, int], str] = {}

    def of(self, day: date) -> Iterator[Wish]:
        for stream in self.plan.streams:
            for unit in range(len(stream.evses)):
                yield from self._unit(stream, unit, day)

    def _rng(self, *parts: object) -> Random:
        return Random("/".join([self.seed, *map(str, parts)]))

    def _weekday(self, day: date) -> int:
        return weekday_of(day.weekday(), self.kinds.get(day))

    def _unit(self, stream: Stream, unit: int, day: date) -> Iterator[Wish]:
        """The visits that one EVSE stands for."""
        kind, weekday = self.kinds.get(day), self._weekday(day)
        mean = stream.per_evse * stream.statistics.day_factor(weekday) * (kind.visit_factor if kind else 1.0)
        rng = self._rng(day, stream.name, unit)
        if stream.regular:
            chosen = [p for p in range(stream.people) if rng.random() < mean / stream.people]
            persons = chosen or ([0] if kind and kind.fills else [])
        else:
            count = max(poisson(mean, rng), 1 if kind and kind.fills else 0)
            start = rng.randrange(stream.people)
            persons = [(start + n) % stream.people for n in range(count)]
        for n, person in enumerate(persons):
            yield self._wish(stream, unit, person, day, self._rng(day, stream.name, unit, n))

    def _wish(self, stream: Stream, unit: int, person: int, day: date, rng: Random) -> Wish:
        kind, pattern = self.kinds.get(day), stream.statistics.pattern(self._weekday(day))
        visit, leaves = draw_one(pattern, rng), None
        if isinstance(pattern, Shift):
            visit, leaves = self._back(pattern, stream, unit, person, day, rng)
        hours = visit.at / 3600.0
        if kind and kind.within_s is not None:
            hours = self.rush_h + rng.uniform(-0.5, 0.5) * kind.within_s / 3600.0
        needs = visit.energy_wh / 1000.0 * (kind.energy_factor if kind else 1.0)
        share = kind.early_share if kind and kind.early_share is not None else self.plan.early_share
        early = rng.uniform(0.2, 0.7) if rng.random() < share else None
        off = rng.gauss(0.0, min(self.plan.stated_sd_s, visit.dwell_s / 4))
        soc = 100.0 * rng.betavariate(*stream.statistics.arrival_soc) if stream.statistics.arrival_soc else None
        at = _moment(self.site.calendar, day, hours)
        person, vehicle = self._person(stream, unit, person, needs)
        number = unit * stream.people + person + 1
        token = f"{stream.token}-{number:03}"
        return Wish(at, visit.dwell_s, leaves, needs, early, off, stream, unit, token, vehicle, soc, rng.random())

    def _back(self, shift: Shift, stream: Stream, unit: int, person: int, day: date, rng: Random) -> tuple[Visit, float]:
        """A working vehicle's return, and the run time of its next departure: both days draw the same departure."""

        def departs(on: date) -> float:
            return normal(shift.depart_h, self._rng(on, stream.name, unit, person, "departs"))

        hours, kwh = returned(shift, departs(day), rng)
        following = day + timedelta(days=1)
        while stream.statistics.day_factor(self._weekday(following)) <= 0.0:
            following += timedelta(days=1)
        leaves = _moment(self.site.calendar, following, departs(following))
        at = _moment(self.site.calendar, day, hours)
        return Visit(hours * 3600.0, leaves - at, kwh * 1000.0), leaves

    def _person(self, stream: Stream, unit: int, person: int, needs_kwh: float) -> tuple[int, str]:
        """Who comes: the person drawn, or of the visitors the next one whose battery takes that much."""
        first = person, self._vehicle(stream, unit, person)
        if stream.regular:
            return first
        found = [(p, self._vehicle(stream, unit, p)) for p in ((person + n) % stream.people for n in range(stream.people))]
        fits = (f for f in found if self.site.vehicles[f[1]].usable_kwh * (FULLEST - EMPTIEST) / 100.0 >= needs_kwh)
        return next(fits, max(found, key=lambda f: self.site.vehicles[f[1]].usable_kwh))

    def _vehicle(self, stream: Stream, unit: int, person: int) -> str:
        """A person drives one vehicle, whatever the day."""
        number = unit * stream.people + person
        key = stream.name, number
        if key not in self._vehicles:
            names, weights = zip(*stream.vehicles, strict=True)
            self._vehicles[key] = self._rng(stream.name, "vehicle", number).choices(names, weights)[0]
        return self._vehicles[key]


class _Places:
    """The EVSEs of a site and until when each is taken."""

    def __init__(self, site: Site, begin: float) -> None:
        self.site, self.begin = site, begin
        self.stations: dict[str, ChargingStation] = {s.id: s for s in site.stations}
        self.free_at: dict[tuple[str, int], float] = {}
        self.away_at: dict[str, float] = {}
        self.outcome, self.before = Outcome(), Outcome()

    def filled(self, wishes: Sequence[Wish]) -> Outcome:
        for wish in wishes:
            self._place(wish)
        self.outcome.arrivals += self.before.arrivals
        self.outcome.arrivals.sort(key=lambda a: (a.at, a.station, a.evse))
        return self.outcome

    def comes(self, wish: Wish) -> Arrival | TurnedAway | None:
        """Place one visit; its arrival, or that it is turned away."""
        found = self.outcome.arrivals, self.before.arrivals
        counts, turned = [len(rows) for rows in found], len(self.outcome.turned_away)
        self._place(wish)
        if len(self.outcome.turned_away) > turned:
            return self.outcome.turned_away[-1]
        new = [row for rows, count in zip(found, counts, strict=True) for row in rows[count:]]
        self.outcome.arrivals += self.before.arrivals[counts[1] :]
        return new[0] if new else None

    def left(self, one: Arrival, at: float) -> None:
        """Somebody left before its time: unless the next one waits for its place already, that is free."""
        place = (one.station, one.evse)
        if one.leaves is not None and abs(self.free_at.get(place, -math.inf) - one.leaves - TURN_S) < 1.0:
            self.free_at[place] = at + TURN_S
        self.away_at[one.token] = min(at + TURN_S, self.away_at.get(one.token, math.inf))

    def _place(self, wish: Wish) -> None:
        vehicle = self.site.vehicles[wish.vehicle]
        out = self.outcome if wish.at >= self.begin else self.before
        out.visits += 1
        if self.away_at.get(wish.token, -math.inf) > wish.at:
            out.still_here += 1
            return
        place = self._free(wish, vehicle)
        if place is None:
            out.turned_away.append(TurnedAway(wish.at, wish.stream.name, wish.token, wish.stream.user_class))
            return
        at = max(wish.at, self.free_at.get(place, -math.inf))
        if at > wish.at:
            out.waited += 1
            out.waited_s += at - wish.at
        stated = wish.leaves if wish.leaves is not None else at + wish.dwell_s
        stated = max(stated, at + STAY_S)
        leaves = max(at + STAY_S, at + (stated - at) * wish.early) if wish.early is not None else stated
        stated = max(at + STAY_S, stated + wish.stated_off_s) if wish.leaves is None else stated
        self.free_at[place] = leaves + TURN_S
        self.away_at[wish.token] = leaves + TURN_S
        if at >= self.begin or leaves > self.begin + SETTLE_S + STAY_S:
            out.arrivals.append(self._arrival(wish, place, vehicle, at, leaves, stated))

    def _free(self, wish: Wish, vehicle: Vehicle) -> tuple[str, int] | None:
        """One's own bay first, then the first free one; else the one that is free first, if that is soon enough."""
        evses = wish.stream.evses
        order = (evses[wish.unit], *evses) if wish.stream.regular else evses
        soonest, when = None, math.inf
        for place in order:
            if self.stations[place[0]].evse(place[1]).connector_for(vehicle) is None:
                continue
            free = self.free_at.get(place, -math.inf)
            if free <= wish.at:
                return place
            if free < when:
                soonest, when = place, free
        return soonest if when <= wish.at + wish.stream.waits_s else None

    def _dc(self, place: tuple[str, int]) -> bool:
        return self.stations[place[0]].evse(place[1]).dc

    def _arrival(self, wish: Wish, place: tuple[str, int], vehicle: Vehicle, at: float, leaves: float, stated: float) -> Arrival:
        needs = wish.needs_kwh
        dc = self._dc(place)
        efficiency = 1.0 if dc else vehicle.ac_share(min(self.stations[place[0]].evse(place[1]).max_a, vehicle.ac_max_a))
        usable = vehicle.usable_kwh * (FULLEST - EMPTIEST) / 100.0 / efficiency
        most = min(usable, self._power_kw(place, vehicle) * DERATED * (stated - at) / 3600.0)
        if needs > most:
            needs = most
            (self.outcome if at >= self.begin else self.before).clamped += 1
        if at < self.begin:
            needs *= (leaves - self.begin) / (leaves - at)
            at = self.begin + 60.0 + wish.entered * (SETTLE_S - 60.0)
        lowest = 100.0 - 100.0 * needs * efficiency / vehicle.usable_kwh
        soc = min(max(wish.soc, EMPTIEST), lowest) if wish.soc is not None else min(lowest, FULLEST)
        stream = wish.stream
        return Arrival(
            round(at, 1), place[0], place[1], wish.vehicle, wish.token, round(soc, 2), round(leaves, 1), stream.source,
            round(needs, 3), stream.user_class, round(stated, 1), round(wish.at, 1) if at > wish.at >= self.begin else None,
        )  # fmt: skip

    def _power_kw(self, place: tuple[str, int], vehicle: Vehicle) -> float:
        """The most the pair can take at the meter."""
        station = self.stations[place[0]]
        evse = station.evse(place[1])
        if evse.max_kw is not None:
            return min(evse.max_kw, vehicle.dc_max_kw)
        return min(evse.phases, vehicle.ac_phases) * min(evse.max_a, vehicle.ac_max_a) * station.model.voltage_v / 1000.0
