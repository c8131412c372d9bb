"""What readings of sessions teach the operator: who is unruly, what came free, and who draws less than it may."""

from __future__ import annotations

import math
from typing import Final

from chargekit.controller.operating import Operating
from chargekit.controller.peer import Peer
from chargekit.controller.places import Place
from chargekit.model.metering import MeterSample
from chargekit.wire.messages import Metered
from chargekit.world.events import Effect

LEARN_S: Final = 60.0


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
        learned = place.sees(known.sample) | self._learn(place, known.sample, now)
        if learned or was != outgoing.unruly:
            self._changed[place.key] = place
        if outgoing.unruly and not was:
            self.look(now, out)
        if learned or freed or was != outgoing.unruly:
            self._soon(now)

    def _learn(self, place: Place, sample: MeterSample, now: float) -> bool:
        """A vehicle that has drawn well below its limit for a minute is given what it uses; reversible."""
        lead, key = place.outgoing.leading, place.key
        if lead is None:
            return False
        drawn, limit = max(sample.current_a), lead.most_a(now)
        if drawn >= limit - 1.6:
            self.low_since.pop(key, None)
            if key in self.learned and drawn >= self.learned[key] - 1.6:
                return self.learned.pop(key, None) is not None
            return False
        since = self.low_since.setdefault(key, now)
        if now - since < LEARN_S:
            return False
        wanted = max(6.0, math.ceil(drawn + 1.5))
        changed = self.learned.get(key) != wanted
        self.learned[key] = wanted
        return changed
