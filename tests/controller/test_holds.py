"""Holds as plain figures: what becomes of a session's past with each thing seen, and which hold stands when."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from chargekit.controller.holds import (
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


def seen(given=True, drawn_a=None, lead_a=16.0, over_at=float("-inf"), fresh=True):
    return Seen(given, drawn_a, lead_a if given else 0.0, 32.0, over_at, fresh)


def charging(at=0.0):
    hold = Hold("tx")
    moved(hold, seen(), RULES, at)
    moved(hold, seen(drawn_a=15.0), RULES, at + 20.0)
    return hold


def kind(hold, now, rules=RULES, over=NEVER, **more):
    found = standing(hold, rules, rules.on_s, over, now, **more)
    return (found.kind, found.until) if found else None


def test_who_was_given_current_keeps_its_minimum_for_ten_minutes():
    hold = charging(100.0)
    assert kind(hold, 100.0) == kind(hold, 699.9) == ("on", 700.0)
    assert kind(hold, 700.0) is None
    assert kind(hold, 100.0, Holds(on_s=0.0)) is None


def test_who_was_paused_again_waits_and_longer_with_each_pause():
    hold = charging()
    moved(hold, seen(given=False), RULES, 1000.0)
    assert hold.pauses == 1
    assert kind(hold, 1000.0) is None, "one pause is no flapping"
    for count, waits_s in ((2, 300.0), (3, 600.0), (4, 900.0), (5, 900.0)):
        at = 10_000.0 * count
        moved(hold, seen(), RULES, at)
        moved(hold, seen(drawn_a=10.0), RULES, at + 20)
        moved(hold, seen(given=False), RULES, at + 100)
        assert hold.pauses == count
        assert kind(hold, at + 100) == ("off", at + 100 + waits_s)
        assert kind(hold, at + 100 + waits_s) is None
        assert kind(hold, at + 100, led=True) is None, "an override waits for no timer"


def test_after_its_pauses_it_keeps_its_minimum():
    hold = charging()
    hold.pauses = 3
    assert kind(hold, 5000.0) == ("pauses", None)
    hold.pauses = 2
    assert kind(hold, 5000.0) is None


def test_a_vehicle_that_drew_nothing_was_not_interrupted():
    hold = Hold("tx")
    moved(hold, seen(), RULES, 0.0)
    moved(hold, seen(drawn_a=0.3), RULES, 25.0)
    moved(hold, seen(given=False), RULES, 30.0)
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


def test_turns_double():
    assert [turns_had(60.0 * minutes, 1800.0) for minutes in (0, 29.9, 30, 89, 90, 209, 210, 450)] == [0, 0, 1, 1, 2, 2, 3, 4]
    assert turns_had(1e6, 0.0) == 0


@given(st.floats(0, 1e6), st.floats(60, 7200))
def test_the_turns_had_are_what_the_time_makes(served_s, turn_s):
    turns = turns_had(served_s, turn_s)
    assert turn_s * (2**turns - 1) <= served_s < turn_s * (2 ** (turns + 1) - 1)


def test_a_hold_comes_back_from_plain_data():
    hold = Hold("tx", 1.0, None, 2, True, 12.5)
    assert hold_of(hold_data(hold)) == hold
    assert hold_of({**asdict(hold), "later": 1}) == hold
