"""What a session's readings say of its vehicle: the least it must be offered, the most it can use, and whether it wants anything at all.

Everything learned is reversible. A vehicle held by its limit gets its outlet's rating as demand again. One that takes nothing, at a limit
at which it took something before, or at 16 A, is tried anew: first after a pause long enough to be a wake-up pulse (IEC 61851-1 A.5.3),
then at growing intervals. In between it comes after all that want something, and with its least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from chargekit.controller.dispatch import NEAR_A

LEARN_S: Final = 60.0
"""A reading counts when it has lasted for so long; a tenth less, for stations' clocks are whole seconds."""
LEAST_A: Final = 6.0
"""IEC 61851-1, table A.8: no smaller current can be offered."""
SPARE_A, SPARE_SHARE = 1.5, 0.055
SLACK_A, SLACK_SHARE = NEAR_A, 0.05
"""A vehicle this close below its limit is held by it: real ones draw down to 95 % of what the pilot says, in whole amperes."""
STARTS_S: Final = 180.0
"""A vehicle that took nothing yet may still be about to."""
TAKES_A: Final = 1.0
"""Less than that is what electronics use, not a vehicle that charges."""
TRIES_A: Final = (8.0, 10.0, 13.0, 16.0)
"""Some vehicles take nothing below 8, 10 or 13 A (Renault's Zoe is known for it); every one starts at 16 A."""
PULSE_S: Final = 10.0
AGAIN_S: Final = (600.0, 1200.0, 2400.0, 3600.0)


@dataclass(slots=True)
class Appetite:
    """Of one session; amperes per phase.

    `mood`: it asks; or takes nothing, and is `pulsed` (offered nothing until `until`), `tried` at `try_a`, or `rests` until it is tried
    again. `took_a`: the lowest limit at which it took anything. `low_since`, `low_a`: since when it draws less than this limit.
    """

    rating_a: float
    dc: bool = False
    least_a: float = LEAST_A
    used_a: float = math.inf
    took_a: float = math.inf
    mood: Literal["asks", "pulsed", "tried", "rests"] = "asks"
    try_a: float = LEAST_A
    until: float = math.inf
    rested: int = 0
    low_since: float | None = None
    low_a: float = 0.0

    @property
    def most_a(self) -> float:
        """What it is to get at most."""
        match self.mood:
            case "asks":
                return min(self.rating_a, max(self.least_a, self.used_a))
            case "pulsed":
                return 0.0
            case "tried":
                return min(self.rating_a, self.try_a)
            case _:
                return min(self.rating_a, self.least_a)

    @property
    def lowest_a(self) -> float:
        """What it is to get at least, if anything."""
        return min(self.rating_a, self.try_a if self.mood == "tried" else self.least_a)

    @property
    def known(self) -> bool:
        """Whether it was seen to draw less than it may for long enough."""
        return self.mood != "asks" or self.used_a < math.inf

    @property
    def last(self) -> bool:
        """Whether all that want something come before it."""
        return self.mood in ("pulsed", "rests")

    def sees(self, drawn_a: float, limit_a: float, at: float) -> bool:
        """Take a reading made at `at` under a limit that the vehicle had the time to follow. True if it is to be offered something else."""
        before = self.mood, self.lowest_a, self.most_a
        if limit_a < LEAST_A:
            self.low_since = None
            return False
        if drawn_a >= TAKES_A:
            self._takes(drawn_a, limit_a)
        if drawn_a >= limit_a - max(SLACK_A, SLACK_SHARE * limit_a):
            self.low_since, self.used_a = None, math.inf if drawn_a >= self.used_a - SLACK_A else self.used_a
        elif self.low_since is None or limit_a > self.low_a + 0.1:
            self.low_since, self.low_a = at, limit_a
        elif at - self.low_since >= 0.9 * LEARN_S:
            self._little(drawn_a, limit_a, at)
        return before != (self.mood, self.lowest_a, self.most_a)

    def tick(self, now: float) -> bool:
        """Time went by: True if it is to be tried now."""
        if now < self.until:
            return False
        self.mood, self.until, self.low_since, self.try_a = "tried", math.inf, None, self.least_a
        return True

    def _takes(self, drawn_a: float, limit_a: float) -> None:
        self.took_a = min(self.took_a, limit_a)
        self.least_a = min(self.least_a, max(LEAST_A, self.took_a))
        if self.mood != "asks":
            self.mood, self.until, self.rested, self.low_since = "asks", math.inf, 0, None

    def _little(self, drawn_a: float, limit_a: float, at: float) -> None:
        """It has drawn less than its limit for long enough."""
        if drawn_a >= TAKES_A or self.dc:
            # A DC session ends for good when it is offered nothing.
            self.used_a = max(LEAST_A, math.ceil(drawn_a + max(SPARE_A, SPARE_SHARE * drawn_a)))
            return
        enough_a = min(self.took_a, TRIES_A[-1], self.rating_a)
        if limit_a < enough_a - 0.1:
            self.low_since = None
            if self.mood == "asks":
                self.least_a = min(enough_a, next(a for a in TRIES_A if a > limit_a + 0.1))
            else:
                self.try_a = enough_a
            return
        if math.isinf(self.took_a) and self.low_since is not None and at - self.low_since < STARTS_S:
            return
        self.low_since, self.used_a = None, math.inf
        if self.mood in ("asks", "tried"):
            self.rested += 1
            if self.rested == 1:
                self.mood, self.until = "pulsed", at + PULSE_S
            else:
                self.mood, self.until = "rests", at + AGAIN_S[min(self.rested - 2, len(AGAIN_S) - 1)]
