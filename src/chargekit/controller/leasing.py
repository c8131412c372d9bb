"""From grants to profiles: decreases first, increases as far as there is room, every one a claim with a safe value behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from chargekit.controller.allocator import Allocation, Grant
from chargekit.controller.dispatch import Claim
from chargekit.controller.operating import Operating
from chargekit.controller.peer import Peer
from chargekit.controller.places import Place
from chargekit.model.limit import add
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Period, Purpose
from chargekit.wire.messages import SetProfile, Trigger
from chargekit.world.events import Effect, Note

BACKDATE_S: Final = 2.0
SKEW_S: Final = 3.0
ASK_S: Final = 5.0
"""A reading that comes sooner by itself is not asked for."""
RAISE_A: Final = 1.0
"""A smaller raise is not worth a message, nor a write to the station's flash, before `SMALL_S` have passed."""
SMALL_A: Final = 0.2
SMALL_S: Final = 120.0
LATER_S: Final = 15.0
DEFAULT_ID: Final = 100
LEASE_ID: Final = 1000


class Leasing(Operating):
    """The part of the operator that sends."""

    def _dispatch(self, allocation: Allocation, now: float, out: list[Effect]) -> None:
        for place in self.places.values():
            if now >= place.outgoing.ends:
                place.outgoing.expire(now)
        ups = []
        for name, grant in allocation.grants.items():
            place, amps = self._by_id[name], grant.amps
            if now <= place.quiet_until and amps == place.granted_a and place.stamp == place.outgoing.stamp:
                continue
            outgoing = place.outgoing
            current = outgoing.leading
            newest = outgoing.claims[-1] if outgoing.claims else None
            if newest is not None and newest.accepted is None and not newest.lost:
                self._rest(place, amps, math.inf)
                continue
            held = current.amps if current else -1.0
            if newest is not None and newest.lost and amps <= self.reserve(outgoing, place.peer, now) + 1e-9:
                # Nobody knows which of the two leads: say what is wanted again.
                self._lease(place, amps, grant, now, out)
            elif amps < held - 1e-9 or (current is None and amps <= self.rules.default_a.value):
                self._lease(place, amps, grant, now, out)
            elif amps > held + RAISE_A - 1e-9 or (amps > held + 1e-9 and held < 6.0):
                ups.append((amps, place, grant))
            elif current is not None:
                due = self.renewal(current)
                if now > due:
                    # What it has is renewed in any case; a little more must find room like every raise.
                    self._lease(place, min(amps, held), grant, now, out)
                elif amps >= held + SMALL_A - 1e-9 and now >= place.told_at + SMALL_S:
                    ups.append((amps, place, grant))
                else:
                    self._rest(place, amps, min(due, place.told_at + SMALL_S) if amps >= held + SMALL_A - 1e-9 else due)
        if ups:
            self.reserves.refresh(self.reserve, now)
        self._raise(ups, now, out)

    def _rest(self, place: Place, amps: float, until: float) -> None:
        """Nothing is to be sent to an EVSE up to then, unless it is granted something else or its claims change."""
        place.quiet_until, place.granted_a, place.stamp = until, amps, place.outgoing.stamp

    @point("controller.raise")
    def _raise(self, ups: list[tuple[float, Place, Grant]], now: float, out: list[Effect]) -> None:
        """Increases, highest rank first, as far as what could still flow leaves room for them."""
        if not ups:
            return
        held, limits = self.at_worst(), self.meters.bounds
        short: dict[str, None] = {}
        for amps, place, because in ups:
            mine = self.reserve(place.outgoing, place.peer, now)
            room = [limits[name] - held[name][phase] for name in place.path if name in limits for phase in place.phases]
            target = math.floor(min(amps, mine + max(0.0, min(room, default=math.inf))) * 10 + 1e-6) / 10
            current = place.outgoing.leading
            if target < 6.0 or (current is not None and target <= current.amps + (0.0 if target >= amps else 0.5)):
                if current is None and not place.outgoing.claims:
                    self._lease(place, 0.0, because, now, out, "waiting for room; ")
                elif current is not None and now > self.renewal(current):
                    self._lease(place, current.amps, because, now, out)
                if current is not None and current.amps >= 6.0 and amps < current.amps + RAISE_A:
                    # A little more is not worth looking every second.
                    self._rest(place, amps, min(self.renewal(current), now + LATER_S))
                else:
                    short.update(dict.fromkeys(place.path))
                continue
            self._lease(place, target, because, now, out)
            grown = place.on(max(0.0, target - mine))
            for name in place.path:
                held[name] = add(held[name], grown)
            if target < amps:
                short.update(dict.fromkeys(place.path))
        if short:
            self._soon(now + 1.0)
            self._ask_readings(short, now, out)

    def _ask_readings(self, circuits: Iterable[str], now: float, out: list[Effect]) -> None:
        """Somebody waits there for amperes that others were told to leave: ask those for a reading, where none is due."""
        for name in circuits:
            for other in self.reserves.at[name]:
                outgoing = other.outgoing
                if len(outgoing.claims) < 2 or other.known.session is None or not other.peer.online:
                    continue
                settled = outgoing.settled_at
                due = other.known.read_at + self.sample_s
                if outgoing.read_at < settled <= now and other.asked_at < settled and due > now + ASK_S:
                    other.asked_at = now
                    what = "MeterValues" if other.peer.version == "1.6" else "TransactionEvent"
                    self.csms.command(other.peer, Trigger(what, other.key[1]), now, out, ("reading", other.key[1]))

    @point("controller.renewal")
    def renewal(self, claim: Claim) -> float:
        """After when a lease is to be renewed; infinity for one that does not end."""
        return claim.until - self.rules.lease_s.value / 3 if claim.amps > claim.after_a else math.inf

    def _start(self, peer: Peer, now: float) -> float:
        """A profile's start on the station's clock, a little in the past (1.6 section 3.13.2)."""
        return now + peer.offset_s - BACKDATE_S

    @point("controller.periods")
    def periods(self, amps: float) -> tuple[Period, ...]:
        """The lease: its limit, then the safe value."""
        fallback = self.rules.fallback_a.value
        if amps <= fallback:
            return (Period(0.0, amps),)
        return (Period(0.0, amps), Period(self.rules.lease_s.value + BACKDATE_S, fallback))

    def _lease(self, place: Place, amps: float, grant: Grant, now: float, out: list[Effect], why: str = "") -> None:
        key, peer, session = place.key, place.peer, place.known.session
        if session is None or not peer.online:
            return
        fallback = self.rules.fallback_a.value
        lasts = math.inf if amps <= fallback else now + self.rules.lease_s.value + SKEW_S
        claim = Claim(amps, lasts, min(amps, fallback))
        profile = ChargingProfile(LEASE_ID + key[1], Purpose.TX, self.periods(amps), start=self._start(peer, now), transaction=session.tx)
        place.outgoing.sent(claim)
        place.told_at = now
        self.csms.command(peer, SetProfile(key[1], profile), now, out, ("lease", key[1], claim))
        because = f"{why}{grant.because}; bound by {grant.bound_by}"
        told = (amps, because)
        if self.told_limits.get(key) != told:
            self.told_limits[key] = told
            body = {"evse": key[1], "limit_a": amps, "token": session.token, "because": because, "rules": self.rules.revision}
            out.append(Note("controller", key[0], "decision", body))
