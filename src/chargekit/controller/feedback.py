"""What readings of sessions teach the operator: who is unruly, what came free, and who draws less than it may."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chargekit.controller.allocator import Demand
from chargekit.controller.operating import Operating
from chargekit.controller.peer import Peer
from chargekit.controller.places import Place
from chargekit.model.points import point
from chargekit.wire.messages import Metered
from chargekit.world.events import Effect

LAST: Final = 1000
"""The rank of those that draw nothing: after all that do."""
RESTS: Final = "; behind all that draw, as it draws nothing"
WAKES: Final = "; offered nothing for a moment, to wake it"
TRIED: Final = "; tried again, as it drew nothing"
"""Clauses of a demand's reason about a vehicle at rest; `explain` goes by them."""


class Feedback(Operating):
    """The part of the operator that reads."""

    def _read(self, peer: Peer, fact: Metered, now: float, out: list[Effect]) -> None:
        known = peer.evses.get(fact.evse)
        if known is None or known.sample is None or known.session is None:
            return
        place = self.places[(peer.spec.id, fact.evse)]
        outgoing = place.outgoing
        was = outgoing.unruly
        freed = outgoing.read(known.sample, known.read_at, now)
        if outgoing.unruly and not was:
            lead = outgoing.leading
            bound = f"{lead.amps:g} A" if lead else "none"
            self._incident(peer.spec.id, "unruly", f"draws {max(known.sample.current_a):.1f} A on a limit of {bound}", out, now)
        learned = place.sees(known.sample) | self._learn(place, known.read_at, max(known.sample.current_a))
        if learned or was != outgoing.unruly:
            self._changed[place.key] = place
        if outgoing.unruly and not was:
            self.look(now, out)
        if learned or freed or was != outgoing.unruly:
            self._soon(now)

    def _learn(self, place: Place, read_at: float, drawn_a: float) -> bool:
        """What a reading says of the vehicle, taken when it had the time to follow its limit."""
        lead = place.outgoing.leading
        return lead is not None and read_at >= place.outgoing.settled_at and place.appetite.sees(drawn_a, lead.most_a(read_at), read_at)

    def _tried_again(self, now: float) -> None:
        """Those that took nothing for so long are asked once more."""
        for place in self.places.values():
            if place.appetite.tick(now):
                self._changed[place.key] = place

    @point("controller.appetite")
    def wanting(self, place: Place, demand: Demand) -> Demand:
        """What its readings make of a demand: no less than its vehicle takes, in its station's own steps; after all others, if it takes
        nothing."""
        appetite = place.appetite
        if appetite.last:
            because = demand.because + RESTS + (WAKES if appetite.mood == "pulsed" else "")
            return replace(demand, rank=LAST, least_a=appetite.lowest_a, floor_a=0.0, because=because)
        demand = replace(demand, because=demand.because + TRIED) if appetite.mood == "tried" else demand
        return replace(demand, least_a=appetite.lowest_a, step_a=place.step_a)
