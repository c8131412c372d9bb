"""What readings teach of a vehicle: table tests on the pure state."""

import pytest

from chargekit.controller.appetite import AGAIN_S, PULSE_S, Appetite


def fed(appetite, *readings):
    """Readings (drawn, limit) ten seconds apart, the last one repeated for 70 s."""
    at = 0.0
    for drawn_a, limit_a in readings:
        for _ in range(8):
            appetite.sees(drawn_a, limit_a, at)
            at += 10.0
    return at


@pytest.mark.parametrize(
    ("readings", "least_a", "most_a", "mood"),
    [
        ([(16.0, 16.0)], 6.0, 32.0, "asks"),
        ([(15.2, 16.0)], 6.0, 32.0, "asks"),  # real ones draw 95 % of the pilot
        ([(16.0, 32.0)], 6.0, 18.0, "asks"),  # a vehicle that can't take more
        ([(16.0, 32.0), (18.0, 18.0)], 6.0, 32.0, "asks"),  # and one that now can
        ([(16.0, 32.0), (9.0, 18.0)], 6.0, 11.0, "asks"),
        ([(16.0, 32.0), (9.0, 18.0), (11.0, 11.0)], 6.0, 32.0, "asks"),
        ([(3.0, 16.0)], 6.0, 6.0, "asks"),
        ([(0.0, 6.0)], 8.0, 32.0, "asks"),  # never drew anything: perhaps 6 A are too little
        ([(0.0, 6.0), (0.0, 8.0)], 10.0, 32.0, "asks"),
        ([(0.0, 6.0), (0.0, 8.0), (10.0, 10.0)], 10.0, 32.0, "asks"),
        ([(12.0, 12.0), (0.0, 6.0)], 8.0, 32.0, "asks"),
        ([(12.0, 12.0), (0.0, 6.0), (0.0, 8.0), (0.0, 10.0)], 12.0, 32.0, "asks"),
        ([(6.0, 6.0), (0.0, 6.0)], 6.0, 0.0, "pulsed"),  # it drew at 6 A before: it is full, or asleep
        ([(12.0, 12.0), (0.0, 12.0)], 6.0, 0.0, "pulsed"),
        ([(0.0, 16.0)], 6.0, 32.0, "asks"),  # it may be about to start
        ([(0.0, 16.0), (0.0, 16.0), (0.0, 16.0)], 6.0, 0.0, "pulsed"),  # every vehicle starts at 16 A
        ([(0.0, 0.0)], 6.0, 32.0, "asks"),  # nothing offered, nothing learned
    ],
)
def test_what_readings_make_of_a_demand(readings, least_a, most_a, mood):
    appetite = Appetite(32.0)
    fed(appetite, *readings)
    assert (appetite.least_a, appetite.most_a, appetite.mood) == (least_a, most_a, mood)


def test_one_that_takes_nothing_is_pulsed_then_tried_at_growing_intervals_and_comes_back_at_once():
    appetite = Appetite(16.0)
    at, waits = fed(appetite, (16.0, 16.0), (0.0, 16.0)), []
    assert appetite.mood == "pulsed" and appetite.last and not appetite.tick(appetite.until - 0.1)
    assert appetite.until <= at + PULSE_S
    for _ in range(6):
        assert appetite.tick(appetite.until) and appetite.mood == "tried" and not appetite.last and appetite.most_a == 6.0
        began = at
        while appetite.mood == "tried":
            # It drew at 16 A only: what it takes at 6 A is not known before that has been tried, too.
            appetite.sees(0.0, appetite.most_a, at)
            at += 10.0
        assert appetite.mood == "rests" and appetite.last and at - began < 180.0
        waits.append(appetite.until - at + 10.0)
        at = appetite.until
    assert waits == [*AGAIN_S, AGAIN_S[-1], AGAIN_S[-1]]
    assert appetite.sees(5.5, 6.0, at)
    assert (appetite.mood, appetite.most_a, appetite.rested) == ("asks", 16.0, 0)


def test_a_reading_counts_only_when_it_lasts():
    appetite = Appetite(32.0)
    assert not any(appetite.sees(a, 32.0, 10.0 * n) for n, a in enumerate((16.0, 16.0, 32.0, 16.0, 16.0, 16.0, 31.0)))
    assert appetite.most_a == 32.0


def test_a_dc_session_is_never_offered_nothing():
    appetite = Appetite(200.0, dc=True)
    fed(appetite, (150.0, 150.0), (0.0, 150.0))
    assert (appetite.mood, appetite.most_a) == ("asks", 6.0)


@pytest.mark.parametrize("share", [0.95, 0.97, 1.0])
def test_one_held_by_its_limit_is_never_worn_down(share):
    appetite = Appetite(200.0, dc=True)
    limit_a, at = 200.0, 0.0
    for _ in range(200):
        at += 30.0
        appetite.sees(limit_a * share, limit_a, at)
        limit_a = min(200.0, appetite.most_a)
    assert limit_a == 200.0
