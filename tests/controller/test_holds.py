"""Holds as plain figures: what becomes of a session's past with each thing seen, and which hold stands when."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargekit.controller.holds import (
    AGAIN_S,
    ANSWER_S,
    IDLE_S,
    PULSE_S,
    TRIES,
    WAKE_A,
    Hold,
    Seen,
    hold_data,
    hold_of,
    moved,
    standing,
    turns_had,
)
from chargekit.policy.holds import Holds

RULES = Holds()
NEVER = (float("-inf"), "")


def seen(given=True, drawn_a=None, lead_a=16.0, over_at=float("-inf"), fresh=True, dc=False):
    return Seen(given, drawn_a, lead_a if given else 0.0, 32.0, over_at, fresh, dc)


def charging(at=0.0):
    hold = Hold("tx")
    assert moved(hold, seen(), RULES, at) == ""
    assert moved(hold, seen(drawn_a=15.0), RULES, at + 20.0) == ""
    return hold


def kind(hold, now, rules=RULES, over=NEVER, **more):
    found = standing(hold, rules, rules.on_s, over, now, **more)
    return (found.kind, found.until) if found else None


def test_who_was_given_current_keeps_its_minimum_for_ten_minutes():
    hold = charging(100.0)
    assert kind(hold, 100.0) == kind(hold, 699.9) == ("on", 700.0)
    assert kind(hold, 700.0) is None
    assert kind(hold, 100.0, Holds(on_s=0.0)) is None


def test_who_was_paused_waits_and_longer_with_each_pause():
    hold = charging()
    assert moved(hold, seen(given=False), RULES, 1000.0) == "paused"
    assert kind(hold, 1000.0) == ("off", 1300.0)
    assert kind(hold, 1300.0) is None
    assert kind(hold, 1000.0, led=True) is None, "an override waits for no timer"
    for count, waits_s in ((2, 600.0), (3, 900.0), (4, 900.0)):
        at = 10_000.0 * count
        moved(hold, seen(), RULES, at)
        moved(hold, seen(drawn_a=10.0), RULES, at + 20)
        moved(hold, seen(given=False), RULES, at + 100)
        assert hold.pauses == count
        assert kind(hold, at + 100) == ("off", at + 100 + waits_s)


def test_after_its_pauses_it_keeps_its_minimum():
    hold = charging()
    hold.pauses = 3
    assert kind(hold, 5000.0) == ("pauses", None)
    hold.pauses = 2
    assert kind(hold, 5000.0) is None


def test_a_vehicle_that_drew_nothing_was_not_interrupted():
    hold = Hold("tx")
    moved(hold, seen(), RULES, 0.0)
    assert moved(hold, seen(given=False), RULES, 30.0) == ""
    assert (hold.pauses, hold.off_since, kind(hold, 30.0)) == (0, None, None)


def test_nobody_is_admitted_within_a_minute_of_an_overcurrent_and_rises_go_by_quarters():
    waits, hold, over = Hold("tx"), charging(), (2000.0, "grid")
    assert kind(waits, 2030.0, over=over) == ("overcurrent", 2060.0)
    assert kind(waits, 2060.0, over=over) is None
    moved(hold, seen(drawn_a=7.0, lead_a=8.0, over_at=2000.0), RULES, 2005.0)
    found = standing(hold, RULES, 600.0, over, 2005.0)
    assert (found.kind, found.until, found.figure, found.about) == ("ramp", 2120.0, 14.0, "grid")
    moved(hold, seen(drawn_a=7.0, lead_a=14.0, over_at=2000.0, fresh=False), RULES, 2010.0)
    assert standing(hold, RULES, 600.0, over, 2010.0).figure == 14.0, "the same reading raises nobody"
    moved(hold, seen(drawn_a=13.0, lead_a=14.0, over_at=2000.0), RULES, 2015.0)
    assert standing(hold, RULES, 600.0, over, 2015.0).figure == 18.5
    moved(hold, seen(drawn_a=13.0, lead_a=18.0, over_at=2000.0), RULES, 2120.0)
    assert kind(hold, 2120.0, over=over) is None


def test_a_vehicle_that_draws_nothing_is_woken_then_released_then_tried_again():
    hold, now, came_to = Hold("tx"), 0.0, []
    moved(hold, seen(), RULES, now)
    while now < 1000.0:
        now += 5.0
        was = moved(hold, seen(given=not hold.pulsing(now), drawn_a=0.0), RULES, now)
        came_to += [(now, was)] if was else []
    assert [what for _, what in came_to] == ["wake", "wake", "asleep"]
    assert came_to[0][0] == ANSWER_S and came_to[2][0] - came_to[1][0] >= ANSWER_S
    assert hold.pauses == 0 and kind(hold, now)[0] == "released"
    moved(hold, seen(given=False), RULES, now)
    tries = []
    for _ in range(100):
        now += AGAIN_S / 4
        if moved(hold, seen(given=False), RULES, now) == "again":
            tries.append(now)
            moved(hold, seen(), RULES, now)
            for later in range(1, 400, 5):
                moved(hold, seen(given=not hold.pulsing(now + later), drawn_a=0.0), RULES, now + later)
            now += 400
            moved(hold, seen(given=False), RULES, now)
    assert len(tries) == TRIES, "it is not tried for ever"


def test_it_is_back_as_soon_as_it_draws():
    hold = Hold("tx")
    moved(hold, seen(), RULES, 0.0)
    for now in range(5, 600, 5):
        moved(hold, seen(given=not hold.pulsing(now), drawn_a=0.0), RULES, now)
    assert hold.released_at is not None
    assert moved(hold, seen(drawn_a=6.0), RULES, 700.0) == "awake"
    assert (hold.released_at, hold.wakes, hold.tries) == (None, 0, 0)
    assert kind(hold, 700.0) is None


def test_the_last_time_it_is_offered_more_for_those_that_take_nothing_at_6_a():
    hold, least = Hold("tx"), []
    moved(hold, seen(), RULES, 0.0)
    for now in range(5, 300, 5):
        if moved(hold, seen(given=not hold.pulsing(now), drawn_a=0.0), RULES, now) == "wake":
            least.append(hold.least_a)
    assert least == [6.0, WAKE_A]
    assert moved(hold, seen(drawn_a=9.5), RULES, 300.0) == "awake"
    assert hold.least_a == WAKE_A, "and keeps it, as less may be nothing to it"


def test_who_stops_by_itself_is_released_without_being_woken():
    hold = charging()
    assert moved(hold, seen(drawn_a=0.2), RULES, 100.0) == ""
    assert moved(hold, seen(drawn_a=0.2), RULES, 99.0 + IDLE_S) == ""
    assert moved(hold, seen(drawn_a=0.2), RULES, 100.0 + IDLE_S) == "idle"
    assert hold.wakes == 0


@pytest.mark.parametrize("more", [{"dc": True}, {"drawn_a": None}])
def test_no_dc_session_and_nobody_without_readings_is_woken(more):
    hold = Hold("tx")
    for now in range(0, 1000, 10):
        assert moved(hold, seen(**{"drawn_a": 0.0, **more}), RULES, now) == ""
    assert hold.wakes == 0 and hold.released_at is None


def test_a_pulse_is_one_a_vehicle_notices():
    """IEC 61851-1 A.5.3: about four seconds; the way to the station and its pilot add to what stands here."""
    assert 3.0 < PULSE_S < 30.0


def test_turns_double():
    assert [turns_had(60.0 * minutes, 1800.0) for minutes in (0, 29.9, 30, 89, 90, 209, 210, 450)] == [0, 0, 1, 1, 2, 2, 3, 4]
    assert turns_had(1e6, 0.0) == 0


@given(st.floats(0, 1e6), st.floats(60, 7200))
def test_the_turns_had_are_what_the_time_makes(served_s, turn_s):
    turns = turns_had(served_s, turn_s)
    assert turn_s * (2**turns - 1) <= served_s < turn_s * (2 ** (turns + 1) - 1)


def test_a_hold_comes_back_from_plain_data():
    hold = Hold("tx", 1.0, None, 2, True, True, None, 1, 3.0, None, 1, 4.0, 10.0, 18.0)
    assert hold_of(hold_data(hold)) == hold
    assert hold_of({**asdict(hold), "later": 1}) == hold
