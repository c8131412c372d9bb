"""Claims: what one EVSE could still draw after what was sent, answered, lost and read. Each case is a story, in steps of
(time, what happened, what could be drawn after it)."""

import math

import pytest

from chargekit.controller.dispatch import REACTION_S, Claim, Outgoing
from chargekit.model.metering import MeterSample

RATING, DEFAULT, FALLBACK = 32.0, 8.0, 6.0
LEASE_S = 240.0


class Story:
    """An EVSE whose claims go by a letter."""

    def __init__(self):
        self.evse = Outgoing(RATING)
        self.claims = {}
        self.freed = None

    def tell(self, now, what):
        verb, *rest = what.split()
        match verb, rest:
            case "default", []:
                self.evse.confirmed(DEFAULT)
            case "send", [name, amps]:
                amps = float(amps)
                until = math.inf if amps <= FALLBACK else now + LEASE_S
                self.claims[name] = Claim(amps, until, min(amps, FALLBACK))
                self.evse.sent(self.claims[name])
            case "accept", [name]:
                self.evse.accepted(self.claims[name], now)
            case "reject", [name]:
                self.evse.rejected(self.claims[name])
            case "read", [amps]:
                amps = float(amps)
                self.freed = self.evse.read(MeterSample(now, (amps, amps, 0.0), (230.0,) * 3, 0.0, 0.0), now, now)
            case "expire", []:
                self.evse.expire(now)
            case "end", []:
                self.evse.ended()
            case "wait", []:
                pass
            case _:
                raise AssertionError(what)


STORIES = {
    "nothing is confirmed: the rating counts": [(0, "wait", 32)],
    "a confirmed default": [(0, "default", 8), (9999, "wait", 8)],
    "a raise counts from when it is sent, and lasts for its lease": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (255.9, "wait", 16), (256, "wait", 6),
    ],
    "before anything is accepted the default may lead": [(0, "default", 8), (10, "send a 6", 8), (11, "accept a", 6)],
    "a decrease frees nothing until a reading after the reaction shows it": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (20, "send b 10", 16), (21, "accept b", 16),
        (24, "read 10", 16), (27, "read 10", 16), (28, "read 10", 10),
    ],
    "a reading still at the old limit frees nothing": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (20, "send b 10", 16), (21, "accept b", 16),
        (28, "read 15.9", 16), (31, "read 10.5", 10),
    ],
    "a rejected raise goes at once": [
        (0, "default", 8), (10, "send a 10", 10), (11, "accept a", 10), (20, "send b 20", 20), (21, "reject b", 10),
    ],
    "a rejected first profile leaves the default": [(0, "default", 8), (10, "send a 20", 20), (11, "reject a", 8)],
    "an unanswered raise stays for its lease and the reaction": [
        (0, "default", 8), (10, "send a 10", 10), (11, "accept a", 10), (20, "send b 20", 20), (100, "read 9", 20),
        (265.9, "expire", 20), (266, "expire", 6),
    ],
    "an unanswered first profile leaves the default when it is over": [
        (0, "default", 8), (10, "send a 20", 20), (256, "wait", 8), (256, "expire", 8), (257, "send b 7", 8), (258, "accept b", 7),
    ],
    "renewed in time the limit goes on": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (170, "send b 16", 16), (171, "accept b", 16),
        (180, "read 16", 16), (300, "expire", 16), (415.9, "wait", 16), (416, "wait", 6),
    ],
    "after its lease the accepted one still leads, at its safe value": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (9999, "expire", 6),
    ],
    "who draws more than told twice is unruly: its rating counts, until it obeys": [
        (0, "default", 8), (10, "send a 10", 10), (11, "accept a", 10), (20, "read 16", 10), (23, "read 16", 32),
        (26, "read 16", 32), (29, "read 10", 10),
    ],
    "who draws more than its default and takes no profile is unruly, too": [
        (0, "default", 8), (10, "send a 6", 8), (11, "reject a", 8), (20, "read 16", 8), (30, "read 16", 32), (40, "read 7", 8),
    ],
    "a reading that was overtaken proves nothing": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (20, "send b 10", 16), (21, "accept b", 16),
        (30, "read 10", 10), (29, "read 16", 10), (29, "read 16", 10), (40, "read 10", 10),
    ],
    "the end of the transaction takes every claim along": [
        (0, "default", 8), (10, "send a 16", 16), (11, "accept a", 16), (12, "send b 20", 20), (13, "end", 8), (14, "accept b", 8),
    ],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_what_could_be_drawn(story):
    told = Story()
    for now, what, could_draw in STORIES[story]:
        told.tell(now, what)
        assert told.evse.could_draw(now) == could_draw, f"after {what!r} at {now} s"


@pytest.mark.parametrize("story", STORIES)
def test_what_is_kept_is_what_is_worked_out(story):
    """`could_draw` remembers its answer while nothing changes: at no moment may that be another than the answer worked out anew."""
    steps = STORIES[story]
    told = Story()
    for (now, what, _), following in zip(steps, [t for t, _, _ in steps[1:]] + [steps[-1][0] + 2 * LEASE_S], strict=True):
        told.tell(now, what)
        for at in (now, *(now + (following - now) * n / 50 for n in range(51))):
            assert told.evse.could_draw(at) == told.evse._could_draw(at)


def test_a_reading_says_whether_amps_came_free():
    story = Story()
    for now, what in ((0, "default"), (1, "send a 16"), (2, "accept a"), (20, "send b 10"), (21, "accept b"), (25, "read 10")):
        story.tell(now, what)
    assert story.freed is False
    story.tell(30, "read 10")
    assert story.freed is True
    assert [c.amps for c in story.evse.claims] == [10.0]


def test_the_newest_accepted_leads_and_the_stamp_tells_of_every_change():
    story = Story()
    stamps = [story.evse.stamp]
    for now, what in (
        (0, "default"),
        (1, "send a 16"),
        (2, "accept a"),
        (3, "send b 10"),
        (4, "reject b"),
        (5, "send c 12"),
        (6, "accept c"),
    ):
        story.tell(now, what)
        stamps.append(story.evse.stamp)
    assert sorted(set(stamps)) == stamps
    assert story.evse.leading is story.claims["c"]
    assert story.evse.ends == story.claims["a"].until + REACTION_S
    story.tell(20, "read 3")
    assert story.evse.ends == math.inf
    assert story.evse.stamp > stamps[-1]
    stamp = story.evse.stamp
    story.tell(40, "read 3")
    story.tell(41, "expire")
    assert story.evse.stamp == stamp
