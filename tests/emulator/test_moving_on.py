"""Visits placed one by one: the same as all at once as long as nobody moves; who moves when asked makes room for who comes later."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from chargekit.emulator.visits import MOVES_S, TurnedAway, Visiting, played
from chargekit.lab.sitefile import load_site
from chargekit.model.site import Arrival

MONDAY = date(2026, 3, 2)


def visiting(share: float = 0.6, stations: int = 8, busy: float = 1.0) -> Visiting:
    site = load_site("workplace", stations=stations).site
    assert site.visits is not None and site.visits.moves_share == 0.6
    streams = tuple(replace(one, per_evse=one.per_evse * busy) for one in site.visits.streams)
    return Visiting(site, replace(site.visits, moves_share=share, streams=streams), MONDAY, 2, 3)


def test_placed_one_by_one_the_visits_are_those_placed_at_once() -> None:
    one = visiting()
    found = [row for wish in one.wishes if (row := one.comes(wish)) is not None]
    site = load_site("workplace", stations=8).site
    assert site.visits is not None
    whole = played(site, site.visits, MONDAY, 2, 3)
    by_time = sorted((row for row in found if isinstance(row, Arrival)), key=lambda a: (a.at, a.station, a.evse))
    assert tuple(by_time) == tuple(whole.arrivals)
    assert [row for row in found if isinstance(row, TurnedAway)] == whole.turned_away
    assert (one.outcome.visits, one.outcome.waited) == (whole.visits, whole.waited)


def test_of_those_asked_the_share_that_moves_goes_within_ten_minutes() -> None:
    one = visiting(stations=40)
    arrivals = [row for wish in one.wishes if isinstance(row := one.comes(wish), Arrival)]
    goes = [(a, one.asked(a, a.at + 60.0)) for a in arrivals if a.leaves is not None and a.leaves > a.at + 7200.0]
    moved = [(a, at) for a, at in goes if at is not None]
    assert len(goes) > 20 and 0.3 < len(moved) / len(goes) < 0.9
    assert all(a.at + 60.0 + MOVES_S[0] <= at <= a.at + 60.0 + MOVES_S[1] for a, at in moved)
    assert [at for _, at in goes] == [one.asked(a, a.at + 60.0) for a, _ in goes], "asked again, the same person does the same"


def test_whoever_is_refused_drives_off_within_ten_minutes_and_makes_room() -> None:
    one = visiting(0.0)
    arrivals = [row for wish in one.wishes if isinstance(row := one.comes(wish), Arrival)]
    late = [a for a in arrivals if a.leaves is not None and a.leaves > a.at + 7200.0]
    goes = {a: one.refused(a, a.at) for a in late}
    assert len(late) > 5 and all(at is not None and a.at + MOVES_S[0] <= at <= a.at + MOVES_S[1] for a, at in goes.items())
    assert one.refused(replace(late[0], leaves=late[0].at + 30.0), late[0].at) is None, "it goes anyway"


def test_nobody_moves_where_nobody_is_said_to() -> None:
    one = visiting(0.0)
    arrivals = [row for wish in one.wishes if isinstance(row := one.comes(wish), Arrival)]
    assert all(one.asked(a, a.at + 60.0) is None for a in arrivals)


def test_who_moves_on_makes_room_for_who_comes_later() -> None:
    def turned_away(share: float) -> int:
        one = visiting(share, busy=2.0)
        for wish in one.wishes:
            found = one.comes(wish)
            if isinstance(found, Arrival):
                one.asked(found, found.at + 1800.0)
        return len(one.outcome.turned_away) + one.outcome.waited

    assert turned_away(1.0) < turned_away(0.0)
