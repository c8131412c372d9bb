"""What a loss of capacity does to demands: while an incident is open that the rules answer, every session on its circuit is asked for anew.

`protect_critical`: who is critical comes before everybody, and what others were promised is not kept. `reduce_evenly`: nobody comes
first, and nobody's share counts for more; what was promised stays. `suspend_lower`: those below the line get what is kept for them, or
nothing. An override that holds is critical everywhere. With the incident all of it is gone: a demand is made from the rules each time,
never from the one before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from chargekit.controller.allocator import Demand
from chargekit.controller.incidents import Incident, Incidents
from chargekit.controller.operating import Operating
from chargekit.controller.places import Answered, Place
from chargekit.model.points import point
from chargekit.policy.incidents import Response
from chargekit.policy.schema import SEVERITIES

BEFORE: Final = 1000
"""So many ranks before everybody stands who is critical."""
NOBODY: Final = 99
"""The rank of a session of no class: evenly or not, it stays last."""


class Answer(NamedTuple):
    """An incident, and what the rules say to it."""

    incident: Incident
    response: Response

    @property
    def key(self) -> tuple[str, str, Response]:
        return self.incident.id, self.incident.circuit, self.response

    def on(self, path: tuple[str, ...]) -> bool:
        return self.response.site_wide or self.incident.circuit in path


def answered(demand: Demand, answer: Answer, user_class: str, *, holds: bool) -> tuple[Demand, Answered | None]:
    """A demand as the response leaves it, and what that was; None where it changes nothing. `holds`: an override that holds leads it."""
    incident, response = answer
    says = response.says(user_class, holds=holds)
    while_ = f"while {incident.id} is open: {incident.kind} of {incident.subject} ({response.how}, {response.source})"
    if says == "first":
        change = replace(demand, rank=demand.rank - BEFORE, because=f"{demand.because}; critical, before everybody {while_}")
    elif says == "behind" and demand.floor_a > 0:
        change = replace(demand, floor_a=0.0, because=f"{demand.because}; its {demand.floor_a:g} A are not kept {while_}")
    elif says == "even" and demand.rank < NOBODY:
        change = replace(demand, rank=0, weight=1.0, because=f"{demand.because}; shares evenly with all {while_}")
    elif says == "suspended":
        most = min(demand.most_a, response.keep_a)
        kept = f"held to {response.keep_a:g} A" if response.keep_a >= demand.least_a else "suspended"
        change = replace(demand, most_a=most, floor_a=min(demand.floor_a, most), because=f"{demand.because}; {kept} {while_}")
    else:
        return demand, None
    source, before = response.source, (demand.rank, demand.floor_a, demand.most_a, demand.weight)
    return change, Answered(incident.id, incident.kind, incident.subject, response.how, source, before)


class Responding(Operating):
    """The part of the operator that answers a loss of capacity."""

    incidents: Incidents
    answers: tuple[Answer, ...]

    def answering(self, now: float) -> bool:
        """See which incidents are answered now; True if they are others than before: then every session is asked for anew."""
        found = tuple(self._answers(now))
        moved = [one.key for one in found] != [one.key for one in self.answers]
        self.answers = found
        return moved

    def _answers(self, now: float) -> list[Answer]:
        """The gravest first, then the oldest."""
        rules, grouped = self.rules.incidents, dict[tuple[str, str], list[Incident]]()
        for one in self.incidents.open.values():
            response = rules.response_to(one.kind)
            if response is not None and now >= one.since + response.after_s and self._misses(one, now):
                grouped.setdefault((one.kind, "" if response.site_wide else one.circuit), []).append(one)
        found = []
        for (kind, _), ones in grouped.items():
            response = rules.response_to(kind)
            if response is not None and len(ones) >= response.subjects:
                found.append(Answer(min(ones, key=lambda one: one.since), response))
        return sorted(
            found, key=lambda a: (-SEVERITIES.index(rules.category_of(a.incident.kind).severity), a.incident.since, a.incident.id)
        )

    def _misses(self, one: Incident, now: float) -> bool:
        """Whether capacity is missed: what a station draws that nobody leads is, one that draws nothing is no loss to anybody."""
        peer = self.csms.peers.get(one.subject)
        if peer is None or one.by:
            return True
        return any(self.reserve(self.places[one.subject, n].outgoing, peer, now) > 0.0 for n in peer.evses)

    @point("controller.response")
    def response(self, place: Place, demand: Demand, now: float) -> Demand:
        """A demand as it is while capacity is lost."""
        place.answered = None
        answer = next((one for one in self.answers if one.on(place.path)), None)
        if answer is None:
            return demand
        session = place.known.session
        token = session.token if session is not None else ""
        changed, place.answered = answered(demand, answer, self.class_name(token) or "", holds=self.held_first(place.key[0], token, now))
        return changed
