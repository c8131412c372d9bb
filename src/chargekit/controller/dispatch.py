"""Claims: what each EVSE could still draw, whatever was lost on the way. The one reserve table.

One claim per profile sent. It goes when a newer profile was accepted and a reading taken after the vehicle's reaction shows the new
limit; a rejected one goes at once; one without a reply stays until its lease ended and the vehicle reacted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.model.metering import MeterSample

REACTION_S = 6.0
"""From an accepted limit to what a meter shows: pilot change and vehicle."""
SEEN_A = 0.6
"""A reading this much above a limit still shows it."""
UNRULY_SAMPLES = 2


@dataclass(slots=True)
class Claim:
    """`amps` per phase may be drawn until `until` (the lease's end on the slowest clock), then `after_a`. `gone_after`: a reading
    later than this that is low enough ends it."""

    amps: float
    until: float
    after_a: float
    accepted: bool | None = None
    gone_after: float | None = None

    def most_a(self, now: float) -> float:
        return max(self.amps, self.after_a) if now < self.until + REACTION_S else self.after_a


@dataclass(slots=True)
class Outgoing:
    """One EVSE's reserve. `default_a` None: its default is not confirmed, so its rating counts."""

    rating_a: float
    default_a: float | None = None
    claims: list[Claim] = field(default_factory=list)
    running: bool = False
    high: int = 0
    unruly: bool = False
    settled_at: float = 0.0

    def could_draw(self, now: float) -> float:
        """A per phase that may flow at any moment from now until something else is known."""
        if self.unruly:
            return self.rating_a
        default = self.rating_a if self.default_a is None else self.default_a
        if not self.claims:
            return min(self.rating_a, default)
        if len(self.claims) == 1:
            only = self.claims[0]
            return min(self.rating_a, max(only.most_a(now), 0.0 if only.accepted else default))
        live = max(claim.most_a(now) for claim in self.claims)
        # Until a claim is accepted the default may lead.
        lead = default if not any(c.accepted for c in self.claims) else 0.0
        return min(self.rating_a, max(live, lead))

    @property
    def leading(self) -> Claim | None:
        """The newest claim the station accepted."""
        return next((c for c in reversed(self.claims) if c.accepted), None)

    def sent(self, claim: Claim) -> None:
        self.claims.append(claim)

    def accepted(self, claim: Claim, now: float) -> None:
        if claim not in self.claims:
            return
        claim.accepted = True
        self.settled_at = now + REACTION_S
        for older in self.claims[: self.claims.index(claim)]:
            older.gone_after = now + REACTION_S

    def rejected(self, claim: Claim) -> None:
        if claim in self.claims:
            self.claims.remove(claim)

    def ended(self) -> None:
        """The transaction ended: the contactor is open and its profiles are gone."""
        self.claims.clear()
        self.running, self.high, self.unruly = False, 0, False

    def read(self, sample: MeterSample, read_at: float, now: float) -> bool:
        """Take a reading; True if amps came free."""
        before = self.could_draw(now)
        most = max(sample.current_a)
        lead = self.leading
        if lead is not None:
            bound = lead.most_a(read_at)
            late = read_at > self.settled_at + 5.0
            self.high = self.high + 1 if late and most > bound * 1.03 + SEEN_A else 0
            self.unruly = self.high >= UNRULY_SAMPLES
            self.claims = [
                c for c in self.claims if c.gone_after is None or read_at <= c.gone_after or most > bound + SEEN_A or c.accepted is None
            ]
        return self.could_draw(now) < before - 1e-9

    def expire(self, now: float) -> None:
        """Unanswered claims whose lease is over hold nothing but their safe value; an accepted one keeps leading."""
        lead = self.leading
        self.claims = [c for c in self.claims if c is lead or now < c.until + REACTION_S]
