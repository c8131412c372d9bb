"""The EVSEs as the operator leads them, and what each circuit's EVSEs could draw together, kept until something there changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from chargekit.controller.allocator import Demand
from chargekit.controller.appetite import Appetite
from chargekit.controller.dispatch import Outgoing
from chargekit.controller.peer import EvseKnown, Peer
from chargekit.model.limit import NO_AMPS, PhaseAmps
from chargekit.model.located import Source
from chargekit.model.metering import MeterSample
from chargekit.model.session import Session as ChargingSession
from chargekit.model.site import Circuit

PHASE_READINGS = 2
PHASE_A, QUIET_A = 5.0, 0.5
"""A vehicle drawing this much shows which phases it uses; less than that much on one is none."""
DAY_S = 86_400.0
Key = tuple[str, int]
"""Station id and EVSE number."""


def id_of(key: Key) -> str:
    """The id of an EVSE's demand."""
    return f"{key[0]}/{key[1]}"


class Answered(NamedTuple):
    """Which incident changes a demand, what the rules say to it and where, and what the demand was: rank, floor, most (A), weight."""

    incident: str
    kind: str
    subject: str
    how: str
    source: Source
    before: tuple[int, float, float, float]


@dataclass(slots=True, eq=False)
class Place:
    """One EVSE: what is known of it, what was sent to it, and where it stands in the site. `wired`: site phases by terminal.

    `demand` is kept until the operator says it changed, and `answered` with it. Nothing needs to be sent up to and including
    `quiet_until`, as long as it is granted `granted_a` and `stamp` is still that of what was sent. `told_at`: when a profile was sent
    last; `asked_at`: a reading. `spread`: its own place between 0 and 1, evenly apart from the others'; `renews_at`: when its
    lease is to be renewed. `day`, `count`: how many profiles it was sent on the day of the run that was seen last.
    """

    key: Key
    peer: Peer
    known: EvseKnown
    outgoing: Outgoing
    path: tuple[str, ...]
    wired: tuple[int, ...]
    demand: Demand | None = None
    answered: Answered | None = None
    quiet_until: float = -math.inf
    granted_a: float = -1.0
    stamp: int = -1
    active: tuple[int, ...] = ()
    alike: int = 0
    of_tx: str = ""
    appetite: Appetite = field(init=False)
    told_at: float = -math.inf
    asked_at: float = -math.inf
    spread: float = 0.0
    renews_at: float = -math.inf
    day: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another vehicle: nothing is known of it."""
        self.appetite = Appetite(self.outgoing.rating_a, self.known.evse.dc)

    def written(self, now: float) -> int:
        """How many profiles it was sent today."""
        return self.count if self.day == int(now // DAY_S) else 0

    def writes(self, now: float) -> None:
        """One more."""
        self.count, self.day = self.written(now) + 1, int(now // DAY_S)

    @property
    def phases(self) -> tuple[int, ...]:
        """The site phases its session uses: all that are wired, until its readings show otherwise."""
        session = self.known.session
        return self.active if self.alike >= PHASE_READINGS and session is not None and session.tx == self.of_tx else self.wired

    def sees(self, sample: MeterSample) -> bool:
        """Learn from a reading which phases the vehicle uses; True if that is another set now. A vehicle that charges on one phase
        leaves the other two to others; current on any other phase counts at once."""
        session = self.known.session
        if session is None or max(sample.current_a) < PHASE_A:
            return False
        before = self.phases
        # Current on lines it has not been wired to says nothing of which it uses: then it may be any of them.
        used = tuple(phase for phase, amps in zip(self.wired, sample.current_a, strict=False) if amps > QUIET_A) or self.wired
        same = used == self.active and session.tx == self.of_tx
        self.active, self.alike, self.of_tx = used, self.alike + 1 if same else 1, session.tx
        if self.phases == before:
            return False
        self.outgoing.tell()
        return True

    @property
    def circuit(self) -> str:
        return self.path[0]

    @property
    def step_a(self) -> float:
        """The steps its station knows, A; a tenth is what a profile can say."""
        return max(0.1, round(self.peer.spec.model.pwm_step_a, 1))

    @property
    def session(self) -> ChargingSession | None:
        """The session that can be led: running, at a station that is online and does as it is told."""
        return self.known.session if self.peer.session is not None and not self.outgoing.unruly else None

    def on(self, amps: float) -> PhaseAmps:
        """Amperes on its terminals as amperes on the site's phases."""
        return (amps if 0 in self.phases else 0.0, amps if 1 in self.phases else 0.0, amps if 2 in self.phases else 0.0)


@dataclass(slots=True)
class _Held:
    """The reserves at one circuit by phase: of all its EVSEs, and of those nobody leads. True before `until`."""

    until: float = -math.inf
    every: PhaseAmps = NO_AMPS
    unled: PhaseAmps = NO_AMPS


class Reserves:
    """Sums of reserves. A circuit's are made anew when one of its EVSEs changed, or a lease there ran out; never corrected by
    differences, so that they are what a plain sum would be, to the last bit."""

    def __init__(self, circuits: Mapping[str, Circuit], places: Iterable[Place]) -> None:
        self.circuits = circuits
        self.at: dict[str, list[Place]] = {name: [] for name in circuits}
        for place in places:
            self.at[place.circuit].append(place)
            place.outgoing.tell = partial(self.changed, place)
        self._held = {name: _Held() for name in circuits}

    def changed(self, place: Place) -> None:
        """What this EVSE could draw, or whether it is led, may be another now. Claims tell of their changes by themselves."""
        self._held[place.circuit].until = -math.inf

    def refresh(self, reserve: Callable[[Outgoing, Peer, float], float], now: float) -> None:
        for name, held in self._held.items():
            if now >= held.until:
                self._held[name] = self._sum(self.at[name], reserve, now)

    def held(self, circuit: str) -> object:
        """A token for what was summed there last: another object whenever it was summed anew."""
        return self._held[circuit]

    def _sum(self, places: list[Place], reserve: Callable[[Outgoing, Peer, float], float], now: float) -> _Held:
        every, unled, until = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], math.inf
        for place in places:
            amps = reserve(place.outgoing, place.peer, now)
            until = min(until, place.outgoing.steady_until(now))
            if amps > 0.0:
                led = place.session is not None
                for phase in place.phases:
                    every[phase] += amps
                    if not led:
                        unled[phase] += amps
        return _Held(until, (every[0], every[1], every[2]), (unled[0], unled[1], unled[2]))

    def unled(self) -> dict[str, PhaseAmps]:
        """At each circuit what those could draw that can't be led: idle, cut off or unruly."""
        return {name: held.unled for name, held in self._held.items() if held.unled != NO_AMPS}

    def why(self) -> dict[str, str]:
        """By circuit, in words, who hangs there and can't be led."""
        found = {}
        for name, places in self.at.items():
            loose = [place for place in places if place.peer.session is None or place.outgoing.unruly or place.outgoing.default_a is None]
            if loose:
                more = f" and {len(loose) - 3} more" if len(loose) > 3 else ""
                found[name] = "not led: " + ", ".join(id_of(p.key) for p in loose[:3]) + more
        return found

    def through(self) -> dict[str, PhaseAmps]:
        """What could flow through every circuit, itself and all below."""
        own = {name: list(held.every) for name, held in self._held.items()}
        for circuit in reversed(tuple(self.circuits.values())):
            if circuit.parent is not None:
                above, below = own[circuit.parent], own[circuit.name]
                for phase in range(3):
                    above[phase] += below[phase]
        return {name: (on[0], on[1], on[2]) for name, on in own.items()}
