"""Who may charge and who comes first: the operator's decisions on sessions, each by the rulebook, a hand's class or an override."""

from __future__ import annotations

from typing import Any

from chargekit.controller.overriding import Overriding
from chargekit.controller.peer import Peer
from chargekit.model.points import point
from chargekit.policy.access import Access
from chargekit.policy.overrides import Override
from chargekit.policy.priority import Ranked
from chargekit.wire.messages import TokenAnswer

FIRST = -2
"""The rank of an override without a class: before all that rules put forward."""


class Precedence(Overriding):
    """The part of the operator that looks at people."""

    def token_answer(self, peer: Peer, token: str, now: float) -> TokenAnswer | None:
        """A token's answer; held back until the station's defaults are confirmed."""
        said = self.admitted(peer.spec.id, token, now)
        if not said.accepted:
            return TokenAnswer(said.status)
        if any(self.places[(peer.spec.id, n)].outgoing.default_a is None for n in peer.evses):
            return None
        return self.tokens.accepted(token)

    @point("controller.access")
    def admitted(self, station: str, token: str, now: float) -> Access:
        """Whether a token may charge at a station now, by the rules of access."""
        return self.desk.admitted(station, token, self.class_name(token), self.limits_at(now), now, incident=self.incidents.grave)

    def class_name(self, token: str) -> str | None:
        if token in self.classes:
            return self.classes[token]
        return self.desk.class_of(token)

    @point("controller.rank")
    def rank_of(self, station: str, token: str, now: float) -> tuple[int, str]:
        """A session's rank, 0 first, and why. An override in force leads."""
        one = self.leading(station, token, now)
        if one is not None:
            if one.user_class:
                return self.desk.place_of(one.user_class, now), f"override {one.id} by {one.by}: class {one.user_class}"
            return FIRST, f"override {one.id} by {one.by}: {one.why}"
        stands = self.standing(station, token, now)
        return (stands.rank, stands.because) if stands is not None else (99, "class unknown")

    def leading(self, station: str, token: str, now: float) -> Override | None:
        """The override that leads a session: of several in force the narrowest, then the oldest."""
        if not self.overrides:
            return None
        path = tuple(c.name for c in self.site.path(self.csms.peers[station].spec.circuit))
        found = (one for one in self.overrides if one.covers(station, token, path) and self.override_leads(one, now))
        return min(found, key=lambda one: one.precedes, default=None)

    @point("controller.holds")
    def held_first(self, station: str, token: str, now: float) -> bool:
        """Whether an override that holds leads a session, whatever capacity is lost."""
        one = self.leading(station, token, now)
        return one is not None and one.holds

    @point("controller.standing")
    def standing(self, station: str, token: str, now: float) -> Ranked | None:
        """Where the rules put a session among all; None for a token of no class."""
        return self.desk.standing(station, token, self.class_name(token), now)

    @point("controller.tie")
    def tie(self, started: float, name: str, number: int) -> tuple[Any, ...]:
        """Order inside a rank: who came first."""
        return (round(started, 3), name, number)
