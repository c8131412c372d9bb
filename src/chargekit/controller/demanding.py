"""Who wants what: every session that can be led as a demand, and what is kept for those that can't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from chargekit.controller.allocator import Concurrent, Demand, in_order
from chargekit.controller.dispatch import Outgoing
from chargekit.controller.peer import Peer
from chargekit.controller.places import Place
from chargekit.controller.precedence import Precedence
from chargekit.controller.responses import Responding
from chargekit.model.limit import NO_AMPS, PhaseAmps, add
from chargekit.model.points import point
from chargekit.model.session import Session


class Demanding(Precedence, Responding):
    """The part of the operator that asks for amperes."""

    def _demanded(self, now: float) -> list[Demand]:
        """Who wants what, in the order of service. The very same list as long as nobody's demand changed."""
        moved = False
        for place in self._changed.values():
            demand = self._demand(place, now)
            if demand != place.demand:
                place.demand, moved = demand, True
        self._changed = {}
        if moved:
            standing = [place for place in self.places.values() if place.demand is not None]
            self._by_id = {place.demand.id: place for place in standing if place.demand is not None}
            self._demands = sorted((place.demand for place in standing if place.demand is not None), key=in_order)
        return self._demands

    def _demand(self, place: Place, now: float) -> Demand | None:
        session = self.leads(place)
        if session is None:
            return None
        name, number = place.key
        rank, because = self.rank_of(name, session.token, now)
        user_class = self.class_name(session.token) or ""
        stands, floor_a = self.standing(name, session.token, now), self.desk.floor_a(user_class)
        turns = self.turns(place, user_class)
        tie = (*(stands.tie if stands else ()), turns, *self.tie(session.started, name, number))
        because += self.turns_clause(turns)
        demand = Demand(f"{name}/{number}", place.circuit, rank, tie, place.phases, 6.0, self.most_a(place), because, floor_a=floor_a)
        demand = self.wanting(place, demand)
        weight = self.rules.weights.get(user_class, 1.0)
        demand = self.guided(place, replace(demand, group=user_class, weight=weight) if self.shares else demand)
        return self.response(place, self.steered(place, self.held(place, demand, now), now), now)

    @point("controller.leads")
    def leads(self, place: Place) -> Session | None:
        """The session of an EVSE that is to be led: every one that can be, whoever started it."""
        return place.session

    @point("controller.session_caps")
    def session_caps(self) -> tuple[Concurrent, ...]:
        """How many sessions may have current at a time, and where."""
        return tuple(Concurrent(one.circuit, one.most, one.source, one.classes) for one in self.rules.sessions)

    @point("controller.demand")
    def most_a(self, place: Place) -> float:
        """What a session can use at most, A per phase: what it was seen to draw of what it was given, else the outlet's rating."""
        return place.appetite.most_a

    @point("controller.plan")
    def guided(self, place: Place, demand: Demand) -> Demand:
        """What the plan makes of a demand: no more than is useful now, no less than it can't do without, the most urgent first."""
        return self.planning.guided(place, demand)

    @point("controller.base")
    def base_load(self, now: float) -> Mapping[str, PhaseAmps]:
        """What flows beside the sessions, by the circuit it hangs on."""
        return self.meters.unexplained()

    def _reserved(self, now: float) -> dict[str, PhaseAmps]:
        """Amps nobody can be given: base load, stations that can't be led, defaults of idle ones."""
        reserved = self.reserves.unled()
        for circuit, own in self.base_load(now).items():
            reserved[circuit] = add(own, reserved.get(circuit, NO_AMPS))
        return reserved

    @point("controller.reserve")
    def reserve(self, outgoing: Outgoing, peer: Peer, now: float) -> float:
        """What an EVSE could draw, A per phase."""
        if peer.lives == 0 and not self.returned:
            # Never seen in this run: its default is that of the last confirmed installation.
            return self.rules.default_a.value
        return outgoing.could_draw(now)
