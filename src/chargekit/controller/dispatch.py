"""Claims: what each EVSE could still draw, whatever was lost on the way. The one reserve table.

One claim per profile sent. It goes when a newer profile was accepted and a reading taken after the vehicle's reaction shows the new
limit; a rejected one goes at once; one without a reply stays until its lease ended and the vehicle reacted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from chargekit.model.metering import MeterSample

REACTION_S = 6.0
"""From an accepted limit to what a meter shows: pilot change and vehicle."""
SEEN_A = 0.6
"""A reading this much above a limit still shows it."""
NEAR_A = 1.6
"""A vehicle this close to its limit is held by it: nothing more is to come."""
UNRULY_SAMPLES = 2


@dataclass(slots=True)
class Claim:
    """`amps` per phase may be drawn until `until` (the lease's end on the slowest clock), then `after_a`. `gone_after`: a reading
    later than this that is low enough ends it. `lost`: no reply came in time; it may lead or not, so it stays, and is said anew."""

    amps: float
    until: float
    after_a: float
    accepted: bool | None = None
    gone_after: float | None = None
    lost: bool = False

    def most_a(self, now: float) -> float:
        return max(self.amps, self.after_a) if now < self.until + REACTION_S else self.after_a


def _nobody() -> None:
    """Whom a change is told to, until somebody wants to know."""


@dataclass(slots=True)
class Outgoing:
    """One EVSE's reserve. `default_a` None: its default is not confirmed, so its rating counts.

    `leading`: the newest claim the station accepted. `stamp` counts the changes of what may be drawn, `ends` is when the first claim that
    does not lead is over. `tell` is called at every change: so that a large site looks again only where something changed.
    """

    rating_a: float
    default_a: float | None = None
    claims: list[Claim] = field(default_factory=list)
    running: bool = False
    high: int = 0
    read_at: float = -math.inf
    unruly: bool = False
    settled_at: float = 0.0
    leading: Claim | None = None
    stamp: int = 0
    ends: float = math.inf
    tell: Callable[[], None] = _nobody
    _known: tuple[float, float, float] = (math.inf, -math.inf, 0.0)

    def could_draw(self, now: float) -> float:
        """A per phase that may flow at any moment from now until something else is known."""
        since, until, amps = self._known
        if not since <= now < until:
            amps = self._could_draw(now)
            self._known = now, self.steady_until(now), amps
        return amps

    def _could_draw(self, now: float) -> float:
        return self.rating_a if self.unruly else self._allowed(now)

    def _allowed(self, now: float) -> float:
        """What one that does as it is told may draw: the most that any claim, or the default, lets it."""
        default = self.rating_a if self.default_a is None else self.default_a
        live = max((claim.most_a(now) for claim in self.claims), default=0.0)
        # Until a claim is accepted the default may lead.
        lead = default if self.leading is None else 0.0
        return min(self.rating_a, max(live, lead))

    def told_least(self, now: float) -> float:
        """The least it may have been told: what explains no more than that is no proof that it draws more."""
        return math.inf if self.unruly or not self.claims else min(claim.most_a(now) for claim in self.claims)

    def expects(self, drawn_a: float, read_at: float, now: float, *, steady: bool) -> float:
        """What a vehicle that drew so much at `read_at` draws now, as far as can be told: its limit, if that was raised since or nobody
        knows why it drew less; what it was lowered to, once it had the time to follow; else what it drew. `steady`: it is known to draw
        less than it may."""
        lead = self.leading
        if self.unruly or lead is None:
            return min(drawn_a, self.could_draw(now))
        bound = lead.most_a(now)
        if bound > drawn_a and (read_at < self.settled_at or (drawn_a < bound - NEAR_A and not steady)):
            return bound
        return min(drawn_a, self.could_draw(now) if now < self.settled_at else bound)

    def steady_until(self, now: float) -> float:
        """When `could_draw` will be another by itself."""
        return min((c.until + REACTION_S for c in self.claims if now < c.until + REACTION_S), default=math.inf)

    def confirmed(self, default_a: float) -> None:
        """The station took its default profile."""
        self.default_a = default_a
        self._moved()

    def recalled(self, claims: list[Claim], default_a: float | None, unruly: bool) -> None:
        """What was known of it in an earlier life."""
        self.claims, self.default_a, self.unruly = claims, default_a, unruly
        self.high = UNRULY_SAMPLES if unruly else 0
        self._moved()

    def sent(self, claim: Claim) -> None:
        self.claims.append(claim)
        self._moved()

    def accepted(self, claim: Claim, now: float) -> None:
        place = self._find(claim)
        if place is None:
            return
        claim.accepted = True
        self.settled_at = now + REACTION_S
        for older in self.claims[:place]:
            older.gone_after = now + REACTION_S
        self._moved()

    def unanswered(self, claim: Claim) -> None:
        """No reply came: it goes on counting, and no longer keeps anything else from being sent."""
        if self._find(claim) is not None:
            claim.lost = True
            self._moved()

    def rejected(self, claim: Claim) -> None:
        place = self._find(claim)
        if place is not None:
            del self.claims[place]
            self._moved()

    def ended(self) -> None:
        """The transaction ended: the contactor is open and its profiles are gone."""
        self.claims.clear()
        self.running, self.high, self.unruly = False, 0, False
        self._moved()

    def read(self, sample: MeterSample, read_at: float, now: float) -> bool:
        """Take a reading; True if amps came free."""
        if read_at < self.read_at:
            # It came out of order: nothing is proved by what was overtaken.
            return False
        self.read_at = read_at
        lead = self.leading
        most, allowed = max(sample.current_a), self._allowed(read_at)
        bound = allowed if lead is None else lead.most_a(read_at)
        # Above all it might have been told counts at once, above what leads only when it had the time to obey.
        late = lead is not None and read_at > self.settled_at + 5.0
        self.high = self.high + 1 if most > (bound if late else allowed) * 1.03 + SEEN_A else 0
        unruly = self.high >= UNRULY_SAMPLES
        if unruly == self.unruly and (lead is None or (len(self.claims) == 1 and lead.gone_after is None)):
            # Only the one that leads is there: nothing can go.
            return False
        before = self.could_draw(now)
        self.unruly = unruly
        self.claims = [
            c
            for c in self.claims
            if c.gone_after is None or read_at <= c.gone_after or most > bound + SEEN_A or (c.accepted is None and not c.lost)
        ]
        self._moved()
        return self.could_draw(now) < before - 1e-9

    def expire(self, now: float) -> None:
        """Unanswered claims whose lease is over hold nothing but their safe value; an accepted one keeps leading."""
        if now >= self.ends:
            self.claims = [c for c in self.claims if c is self.leading or now < c.until + REACTION_S]
            self._moved()

    def _find(self, claim: Claim) -> int | None:
        return next((n for n, one in enumerate(self.claims) if one is claim), None)

    def _moved(self) -> None:
        self.leading = next((c for c in reversed(self.claims) if c.accepted), None)
        self.ends = min((c.until + REACTION_S for c in self.claims if c is not self.leading), default=math.inf)
        self.stamp += 1
        self._known = (math.inf, -math.inf, 0.0)
        self.tell()
