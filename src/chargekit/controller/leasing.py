"""From grants to profiles: decreases first, increases as far as there is room, every one a claim with a safe value behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

from chargekit.controller.allocator import Allocation, Grant
from chargekit.controller.dispatch import Claim
from chargekit.controller.operating import Operating
from chargekit.controller.peer import Peer
from chargekit.controller.places import DAY_S, Place
from chargekit.model.limit import add
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Period, Purpose
from chargekit.wire.messages import SetProfile, Trigger
from chargekit.world.events import Effect, Note

BACKDATE_S: Final = 2.0
SKEW_S: Final = 3.0
RENEW_LEFT: Final = (0.2, 0.4)
"""What is left of a lease when it is renewed, as a share of what the rules say it lasts."""
LONGEST_S: Final = 3600.0
"""No lease is made longer than that to save writes."""
SPARING_A: Final = 6.0
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
    """The part of the operator that sends. `_renewals`: (when, a count, EVSE) of leases at rest; those replaced stay in it."""

    _renewals: list[tuple[float, int, Place]]
    _renewals_made: int

    def _dispatch(self, allocation: Allocation, now: float, out: list[Effect]) -> None:
        for place in self.places.values():
            if now >= place.outgoing.ends:
                place.outgoing.expire(now)
        ups = []
        for name, grant in allocation.grants.items():
            place = self._by_id[name]
            amps = grant.amps
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
            elif amps > held + self.worth_a(place, now) - 1e-9 or (amps > held + 1e-9 and held < 6.0):
                ups.append((amps, place, grant))
            elif current is not None:
                due = self.renewal(place, current)
                self._renews(place, due, now)
                if now > due:
                    # What it has is renewed in any case; a little more must find room like every raise.
                    self._lease(place, min(amps, held), grant, now, out)
                elif amps >= held + SMALL_A - 1e-9 and now >= place.told_at + SMALL_S and not self.spares(place, now):
                    ups.append((amps, place, grant))
                else:
                    self._rest(place, amps, min(due, place.told_at + SMALL_S) if amps >= held + SMALL_A - 1e-9 else due)
        if ups:
            self.reserves.refresh(self.reserve, now)
        self._raise(ups, now, out)

    def _rest(self, place: Place, amps: float, until: float) -> None:
        """Nothing is to be sent to an EVSE up to then, unless it is granted something else or its claims change."""
        place.quiet_until, place.granted_a, place.stamp = until, amps, place.outgoing.stamp

    def _renews(self, place: Place, due: float, now: float) -> None:
        """The lease of an EVSE at rest is to be renewed then; one that is due already is renewed by the decision, or once it is back."""
        if now < due < math.inf and due != place.renews_at:
            place.renews_at = due
            self._renewals_made += 1
            heappush(self._renewals, (due, self._renewals_made, place))

    def _renew(self, now: float, out: list[Effect]) -> None:
        """Renew the leases whose time has come, between decisions: what leads is said again, no more and no less."""
        while self._renewals and self._renewals[0][0] <= now:
            due, _, place = heappop(self._renewals)
            lead, demand, last = place.outgoing.leading, place.demand, self._last
            if lead is None or due != self.renewal(place, lead) or demand is None or last is None or now < self.hold_until:
                continue
            grant = last[3].grants.get(demand.id)
            settled = all(one.accepted is not None or one.lost for one in place.outgoing.claims)
            if grant is not None and settled and grant.amps >= lead.amps and place.session is not None:
                self._lease(place, lead.amps, grant, now, out)

    @point("controller.raise")
    def _raise(self, ups: list[tuple[float, Place, Grant]], now: float, out: list[Effect]) -> None:
        """Increases, highest rank first, as far as what could still flow leaves room for them."""
        if not ups:
            return
        held, limits = self.at_worst(), self.meters.bounds
        beside = self.headroom(held, now)
        short: dict[str, None] = {}
        for amps, place, because in ups:
            mine = self.reserve(place.outgoing, place.peer, now)
            room = [limits[name] - held[name][phase] for name in place.path if name in limits for phase in place.phases]
            room.append(beside.room(place))
            target = math.floor(min(amps, mine + max(0.0, min(room))) * 10 + 1e-6) / 10
            current = place.outgoing.leading
            if target < 6.0 or (current is not None and target <= current.amps + (0.0 if target >= amps else 0.5)):
                if current is None and not place.outgoing.claims:
                    self._lease(place, 0.0, because, now, out, "waiting for room; ")
                elif current is not None and now > self.renewal(place, current):
                    self._lease(place, current.amps, because, now, out)
                if current is not None and current.amps >= 6.0 and amps < current.amps + RAISE_A:
                    # A little more is not worth looking every second.
                    self._rest(place, amps, min(self.renewal(place, current), now + LATER_S))
                else:
                    short.update(dict.fromkeys(place.path))
                continue
            self._lease(place, target, because, now, out)
            grown = place.on(max(0.0, target - mine))
            beside.took(place, max(0.0, target - mine))
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
    def renewal(self, place: Place, claim: Claim) -> float:
        """After when a lease is to be renewed; infinity for one that does not end. Each EVSE has its own moment between 60 and 80 % of it,
        so that leases of one second are not all renewed in one."""
        if claim.amps <= claim.after_a:
            return math.inf
        left = RENEW_LEFT[0] + (RENEW_LEFT[1] - RENEW_LEFT[0]) * place.spread
        return claim.until - SKEW_S - self.rules.lease_s.value * left

    @point("controller.lease")
    def lease_s(self, place: Place, now: float) -> float:
        """How long a limit is to stand: as the rules say, and longer once it was sent more than half of what it may be in a day."""
        usual, most = self.rules.lease_s.value, self.rules.writes.value
        used, day_s = place.written(now), DAY_S - now % DAY_S
        if used <= most / 2:
            return usual
        return max(usual, min(LONGEST_S, day_s / max(1.0, most - used) + usual * RENEW_LEFT[1]))

    def spares(self, place: Place, now: float) -> bool:
        """Whether writes are to be saved: it has had more than half of a day's, and more than its share of the day."""
        used, most = place.written(now), self.rules.writes.value
        return used > most / 2 and used / most > now % DAY_S / DAY_S

    def worth_a(self, place: Place, now: float) -> float:
        """What a raise must bring to be worth a message and a write to the station's flash at once."""
        used, most = place.written(now), self.rules.writes.value
        if not self.spares(place, now):
            return RAISE_A
        return RAISE_A + (SPARING_A - RAISE_A) * min(1.0, (used / most - 0.5) * 2.0)

    def _start(self, peer: Peer, now: float) -> float:
        """A profile's start on the station's clock, a little in the past (1.6 section 3.13.2)."""
        return now + peer.offset_s - BACKDATE_S

    @point("controller.periods")
    def periods(self, amps: float, lasts_s: float) -> tuple[Period, ...]:
        """The lease: its limit, then the safe value."""
        fallback = self.rules.fallback_a.value
        if amps <= fallback:
            return (Period(0.0, amps),)
        return (Period(0.0, amps), Period(lasts_s + BACKDATE_S, fallback))

    def _lease(self, place: Place, amps: float, grant: Grant, now: float, out: list[Effect], why: str = "") -> None:
        key, peer, session = place.key, place.peer, place.known.session
        if session is None or not peer.online:
            return
        fallback = self.rules.fallback_a.value
        lasts_s = self.lease_s(place, now)
        claim = Claim(amps, math.inf if amps <= fallback else now + lasts_s + SKEW_S, min(amps, fallback))
        place.writes(now)
        profile = ChargingProfile(
            LEASE_ID + key[1], Purpose.TX, self.periods(amps, lasts_s), start=self._start(peer, now), transaction=session.tx
        )
        place.outgoing.sent(claim)
        place.told_at = now
        self.csms.command(peer, SetProfile(key[1], profile), now, out, ("lease", key[1], claim))
        because = f"{why}{grant.because}; bound by {grant.bound_by}"
        told = (amps, because)
        if self.told_limits.get(key) != told:
            self.told_limits[key] = told
            body = {"evse": key[1], "limit_a": amps, "token": session.token, "because": because, "rules": self.rules.revision}
            out.append(Note("controller", key[0], "decision", body))
