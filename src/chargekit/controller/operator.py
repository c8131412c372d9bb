"""The operator: runs the site by its rulebook. Decide, allocate, dispatch; decreases first, every profile a claim.

A TxProfile is a lease of two absolute periods, `[(0, L), (lease, fallback)]`, without duration: it means the same in every version and
falls to its safe value by itself. Its start is backdated by the measured clock offset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chargekit.controller.allocator import Allocation, Demand, Grant, allocate
from chargekit.controller.csms import Controller
from chargekit.controller.dispatch import Claim, Outgoing
from chargekit.controller.peer import EvseKnown, Peer
from chargekit.model.limit import NO_AMPS, Limit, PhaseAmps, add
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Period, Purpose
from chargekit.model.site import MeterPoint, Site
from chargekit.policy.overrides import Override, create
from chargekit.policy.rulebook import Rulebook
from chargekit.wire.messages import (
    CommandReply,
    Fact,
    Metered,
    Reply,
    SetKey,
    SetProfile,
    TransactionEnded,
    TransactionStarted,
)  # fmt: skip
from chargekit.wire.modbus import Block
from chargekit.wire.registers import register_map
from chargekit.world.events import Effect, Hand, Note, Poll, Words

Key = tuple[str, int]
BACKDATE_S = 2.0
SKEW_S = 3.0
EVERY_S = 15.0
LEARN_S = 60.0
RAISE_A = 1.0
"""A smaller raise is not worth a message, nor a write to the station's flash."""
BASE_READINGS = 3
DEFAULT_ID, LEASE_ID = 100, 1000
SAMPLE_KEY = {"1.6": "MeterValueSampleInterval", "2.0.1": "SampledDataCtrlr.TxUpdatedInterval"}


class Operator:
    """Leads one site. Knows the stations through its CSMS and the circuits through their meters."""

    def __init__(self, site: Site, rules: Rulebook, csms: Controller, *, every_s: float = 5.0, sample_s: int = 10) -> None:
        self.site, self.rules, self.csms = site, rules, csms
        self.reached: dict[str, None] = {}
        self.every_s, self.sample_s = every_s, sample_s
        self.out: dict[Key, Outgoing] = {(p.spec.id, n): Outgoing(k.evse.max_a) for p in csms.peers.values() for n, k in p.evses.items()}
        self.paths = {s.id: tuple(c.name for c in site.path(s.circuit)) for s in site.stations}
        self.meters = {m.id: m for m in site.meters if m.circuit is not None}
        self.maps = {m.id: register_map(m.model) for m in self.meters.values()}
        self.replies: dict[str, dict[Block, tuple[int, ...]]] = {}
        self.seen_at: dict[str, float] = {}
        self.bases: dict[str, list[PhaseAmps]] = {}
        self.held_base: dict[str, PhaseAmps] = {}
        self.below = {name: site.below(name) for name in site.circuits}
        self.caps: dict[str, Limit] = {}
        self.overrides: list[Override] = []
        self.classes: dict[str, str] = {}
        self.low_since: dict[Key, float] = {}
        self.learned: dict[Key, float] = {}
        self.told_limits: dict[Key, tuple[float, str]] = {}
        self.greeted: dict[str, int] = {}
        self.poll_at = 0.0
        self.decide_at = 1.0
        self.gather_s = min(5.0, max(0.5, len(self.out) / 200.0))
        self._ranks: dict[str, tuple[int, str]] = {}

    @property
    def due(self) -> float | None:
        return min(self.poll_at if self.meters else math.inf, self.decide_at)

    # --- events of the CSMS -------------------------------------------------------------------------------------

    def linked(self, peer: Peer, up: bool, now: float, out: list[Effect]) -> None:
        """Defaults are checked on every connect: 1.6 sends no BootNotification on a plain reconnect."""
        if not up:
            out.append(Note("controller", peer.spec.id, "incident", {"kind": "offline", "because": "the link closed"}))
            self._soon(now)

    def _greet(self, peer: Peer, now: float, out: list[Effect]) -> None:
        for number in peer.evses:
            profile = ChargingProfile(
                DEFAULT_ID + number, Purpose.TX_DEFAULT, (Period(0.0, self.rules.default_a.value),), start=self._start(peer, now)
            )
            self.csms.command(peer, SetProfile(number, profile), now, out, ("default", number))
        key = SAMPLE_KEY[peer.version]
        self.csms.command(peer, SetKey(key, str(self.sample_s)), now, out, ("key", key))

    def told(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> None:
        name = peer.spec.id
        if name not in self.greeted or self.greeted[name] != peer.lives:
            self.greeted[name] = peer.lives
            self._greet(peer, now, out)
        match fact:
            case TransactionStarted():
                if (name, fact.evse) in self.out:
                    self.out[(name, fact.evse)].running = True
                    self.learned.pop((name, fact.evse), None)
                self._soon(now)
            case TransactionEnded():
                for number, known in peer.evses.items():
                    if known.session is None and self.out[(name, number)].running:
                        self.out[(name, number)].ended()
                        self.learned.pop((name, number), None)
                        self.low_since.pop((name, number), None)
                self._soon(now)
            case Metered():
                self._read(peer, fact, now, out)
            case _:
                pass

    def token_status(self, peer: Peer, token: str, now: float) -> str | None:
        """A token's answer; held back until the station's defaults are confirmed."""
        if self._class_name(token) is None:
            return "Invalid"
        if any(self.out[(peer.spec.id, n)].default_a is None for n in peer.evses):
            return None
        return "Accepted"

    def replied(self, peer: Peer, context: object, reply: CommandReply | None, now: float, out: list[Effect]) -> None:
        match context:
            case ("default", int(number)):
                outgoing = self.out[(peer.spec.id, number)]
                if reply is not None and isinstance(reply, Reply) and reply.accepted:
                    outgoing.default_a = self.rules.default_a.value
                    self.csms.release(peer, now, out)
                elif reply is not None:
                    self._incident(peer.spec.id, "default refused", "its rating stays reserved", out)
            case ("lease", int(number), Claim() as claim):
                outgoing = self.out[(peer.spec.id, number)]
                if reply is None:
                    return
                if isinstance(reply, Reply) and reply.accepted:
                    outgoing.accepted(claim, now)
                else:
                    outgoing.rejected(claim)
                    self.told_limits.pop((peer.spec.id, number), None)
                    self._incident(peer.spec.id, "profile refused", getattr(reply, "status", ""), out)
            case _:
                pass

    def _read(self, peer: Peer, fact: Metered, now: float, out: list[Effect]) -> None:
        known = peer.evses.get(fact.evse)
        if known is None or known.sample is None or known.session is None:
            return
        key = (peer.spec.id, fact.evse)
        outgoing = self.out[key]
        was = outgoing.unruly
        freed = outgoing.read(known.sample, known.read_at, now)
        if outgoing.unruly and not was:
            lead = outgoing.leading
            bound = f"{lead.amps:g} A" if lead else "none"
            self._incident(key[0], "unruly", f"draws {max(known.sample.current_a):.1f} A on a limit of {bound}", out)
        if self._learn(key, known, outgoing, now) or freed or was != outgoing.unruly:
            self._soon(now)

    def _learn(self, key: Key, known: EvseKnown, outgoing: Outgoing, now: float) -> bool:
        """A vehicle that has drawn well below its limit for a minute is given what it uses; reversible."""
        lead = outgoing.leading
        if lead is None or known.sample is None:
            return False
        drawn, limit = max(known.sample.current_a), lead.most_a(now)
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

    def _incident(self, station: str, kind: str, why: str, out: list[Effect]) -> None:
        out.append(Note("controller", station, "incident", {"kind": kind, "because": why}))

    def _class_name(self, token: str) -> str | None:
        if token in self.classes:
            return self.classes[token]
        found = self.rules.class_of(token)
        return found.name if found else None

    # --- levers -------------------------------------------------------------------------------------------------

    def hand(self, hand: Hand, now: float, out: list[Effect]) -> bool:
        args = hand.args
        match hand.verb:
            case "set_cap":
                circuit = str(args["circuit"])
                self.caps[circuit] = Limit(circuit, float(args["limit_a"]), rule="cap set by hand")
            case "create_override":
                try:
                    made = create(self.rules, args, now)
                except ValueError as why:
                    out.append(Note("controller", self.site.id, "override", {"refused": str(why)}))
                    return True
                self.overrides = [o for o in self.overrides if o.id != made.id] + [made]
                body = {"id": made.id, "who": made.who, "why": made.why, "until": made.until}
                out.append(Note("controller", self.site.id, "override", body))
            case "revoke_override":
                self.overrides = [o for o in self.overrides if o.id != str(args["id"])]
            case "set_class":
                self.classes[str(args["token"])] = str(args["user_class"])
                self._ranks.clear()
            case _:
                return False
        self.decide_at = now
        self._decide(now, out)
        return True

    # --- meters -------------------------------------------------------------------------------------------------

    def measured(self, words: Words, now: float, out: list[Effect]) -> None:
        meter = self.meters.get(words.peer)
        if meter is None or words.words is None:
            return
        got = self.replies.setdefault(meter.id, {})
        got[words.block] = words.words
        if len(got) < len(self.maps[meter.id].blocks(meter.unit)):
            return
        del self.replies[meter.id]
        try:
            sample = self.maps[meter.id].decode(got, now)
        except ValueError:
            return
        self.seen_at[meter.id] = now
        self._base(meter, sample.current_a, now)

    def _base(self, meter: MeterPoint, shown: PhaseAmps, now: float) -> None:
        """What flows through a circuit beside our sessions: the least of the last readings, so that a ramp is not taken for it."""
        ours = NO_AMPS
        for station in self.below[meter.circuit or self.site.root.name]:
            for known in self.csms.peers[station.id].evses.values():
                if known.sample is not None and known.session is not None:
                    ours = add(ours, rotated(station.rotation, known.sample.current_a))
        base = tuple(max(0.0, s - o) for s, o in zip(shown, ours, strict=True))
        last = self.bases.setdefault(meter.circuit or self.site.root.name, [])
        last.append(base)  # type: ignore[arg-type]
        del last[:-BASE_READINGS]
        self._hold(meter.circuit or self.site.root.name, last)

    def _hold(self, circuit: str, readings: list[PhaseAmps]) -> None:
        """Base load in whole amperes, up at once and down only by two: a tenth more or less must not move every session."""
        held = self.held_base.get(circuit, NO_AMPS)
        least = [min(r[i] for r in readings) for i in range(3)]
        new = [h if h - 2.0 < v <= h else float(math.ceil(v)) if v > 0.5 else 0.0 for h, v in zip(held, least, strict=True)]
        self.held_base[circuit] = (new[0], new[1], new[2])

    # --- deciding -----------------------------------------------------------------------------------------------

    def _soon(self, now: float) -> None:
        """Decide soon. A large site gathers what happens within a few seconds into one decision."""
        self.decide_at = min(self.decide_at, now + self.gather_s)

    def wake(self, now: float, out: list[Effect]) -> None:
        if self.meters and self.poll_at <= now:
            self.poll_at = (int(now / self.every_s + 1e-9) + 1) * self.every_s
            self.replies = {}
            out.extend(Poll(m, b) for m, one in self.meters.items() for b in self.maps[m].blocks(one.unit))
        if self.decide_at <= now:
            self._decide(now, out)

    def _decide(self, now: float, out: list[Effect]) -> None:
        self.decide_at = now + EVERY_S
        ended = [o for o in self.overrides if o.until <= now]
        for one in ended:
            if not self.override_leads(one, now):
                self.overrides.remove(one)
                out.append(Note("controller", self.site.id, "override", {"id": one.id, "ended": True}))
        for one in self.overrides:
            if one.until > now:
                self.decide_at = min(self.decide_at, one.until)
        allocation = allocate(self.site.circuits, self._tight(now), self._demands(now), self._reserved(now))
        self._dispatch(allocation, now, out)

    @point("controller.limits")
    def limits_at(self, now: float) -> Sequence[Limit]:
        """Every cap in force, with its source. A circuit whose meter went silent is held to what needs no feedback."""
        limits = [*self.rules.limits, *self.caps.values()]
        for meter in self.meters.values():
            stale = now - self.seen_at.get(meter.id, 0.0) > max(self.rules.meter_stale_s.value, 2.5 * self.every_s)
            if stale and meter.circuit is not None:
                safe = self.rules.fallback_a.value * len(self.below[meter.circuit])
                limits.append(Limit(meter.circuit, safe, rule=f"{meter.id} is silent"))
        return limits

    def _tight(self, now: float) -> list[Limit]:
        """The limits less the margin kept at every level for what no session explains, standby among it."""
        margin = self.rules.margin_a.value
        return [replace(one, limit_a=max(0.0, one.limit_a - margin)) for one in self.limits_at(now)]

    @point("controller.rank")
    def rank_of(self, station: str, token: str, now: float) -> tuple[int, str]:
        """A session's rank, 0 first, and why. An override in force leads."""
        for one in self.overrides:
            if self.override_leads(one, now) and (one.token == token or one.station == station):
                if one.user_class:
                    return self.rules.rank_of(one.user_class), f"override {one.id} by {one.who}: class {one.user_class}"
                return -1, f"override {one.id} by {one.who}: {one.why}"
        if token not in self._ranks:
            name = self._class_name(token)
            known = (self.rules.rank_of(name), self.rules.because_rank(name)) if name is not None else (99, "class unknown")
            self._ranks[token] = known
        return self._ranks[token]

    @point("controller.override_leads")
    def override_leads(self, one: Override, now: float) -> bool:
        """An override leads until its expiry, and not at it."""
        return now < one.until

    def _demands(self, now: float) -> list[Demand]:
        demands = []
        for (name, number), outgoing in self.out.items():
            peer = self.csms.peers[name]
            session = peer.evses[number].session
            if session is None or not peer.online or outgoing.unruly:
                continue
            rank, because = self.rank_of(name, session.token, now)
            most = min(outgoing.rating_a, self.learned.get((name, number), outgoing.rating_a))
            tie = self.tie(session.started, name, number)
            demands.append(Demand(f"{name}/{number}", peer.spec.circuit, rank, tie, self._phases(peer, number), 6.0, most, because))
        return demands

    @point("controller.tie")
    def tie(self, started: float, name: str, number: int) -> tuple[Any, ...]:
        """Order inside a rank: who came first."""
        return (round(started, 3), name, number)

    def _phases(self, peer: Peer, number: int) -> tuple[int, ...]:
        return tuple(peer.spec.rotation[: peer.evses[number].evse.phases])

    def _reserved(self, now: float) -> dict[str, PhaseAmps]:
        """Amps nobody can be given: base load, stations that can't be led, defaults of idle ones."""
        reserved: dict[str, PhaseAmps] = {}
        for circuit, base in self.held_base.items():
            # A meter shows what its children show, too: count only what they don't explain.
            parts = [self.held_base[c.name] for c in self.site.circuits.values() if c.parent == circuit and c.name in self.held_base]
            own = [max(0.0, base[i] - sum(part[i] for part in parts)) for i in range(3)]
            if max(own) > 0.0:
                reserved[circuit] = (own[0], own[1], own[2])
        for name, circuit in ((s.id, s.circuit) for s in self.site.stations):
            peer = self.csms.peers[name]
            for number in peer.evses:
                outgoing = self.out[(name, number)]
                led = peer.online and peer.evses[number].session is not None and not outgoing.unruly
                if led:
                    continue
                held = self.reserve(outgoing, peer, now)
                if held > 0:
                    reserved[circuit] = add(reserved.get(circuit, NO_AMPS), self._on(peer, number, held))
        return reserved

    @point("controller.reserve")
    def reserve(self, outgoing: Outgoing, peer: Peer, now: float) -> float:
        """What an EVSE could draw, A per phase."""
        if peer.lives == 0:
            # Never seen in this run: its default is that of the last confirmed installation.
            return self.rules.default_a.value
        return outgoing.could_draw(now)

    def _on(self, peer: Peer, number: int, amps: float) -> PhaseAmps:
        phases = self._phases(peer, number)
        return (amps if 0 in phases else 0.0, amps if 1 in phases else 0.0, amps if 2 in phases else 0.0)

    # --- dispatching --------------------------------------------------------------------------------------------

    def _dispatch(self, allocation: Allocation, now: float, out: list[Effect]) -> None:
        for outgoing in self.out.values():
            if outgoing.claims:
                outgoing.expire(now)
        ups = []
        for name_number, grant in allocation.grants.items():
            name, _, number = name_number.rpartition("/")
            amps, key, because = grant.amps, (name, int(number)), grant
            current = self.out[key].leading
            asked = self.out[key].claims[-1] if self.out[key].claims else None
            if asked is not None and asked.accepted is None:
                continue
            held = current.amps if current else -1.0
            if amps < held - 1e-9 or (current is None and amps <= self.rules.default_a.value):
                self._lease(key, amps, because, now, out)
            elif amps > held + RAISE_A - 1e-9 or (amps > held + 1e-9 and held < 6.0):
                ups.append((amps, key, because))
            elif current is not None and self._renewal_due(current, now):
                self._lease(key, amps, because, now, out)
        self._raise(ups, now, out)

    @point("controller.raise")
    def _raise(self, ups: list[tuple[float, Key, Grant]], now: float, out: list[Effect]) -> None:
        """Increases, highest rank first, as far as what could still flow leaves room for them."""
        held, limits = self._held(now), self._tight(now) if ups else []
        for amps, key, because in ups:
            peer = self.csms.peers[key[0]]
            mine = self.reserve(self.out[key], peer, now)
            room = self._room(held, key, limits)
            target = math.floor(min(amps, mine + room) * 10 + 1e-6) / 10
            current = self.out[key].leading
            if target < 6.0 or (current is not None and target <= current.amps + (0.0 if target >= amps else 0.5)):
                if current is None and not self.out[key].claims:
                    self._lease(key, 0.0, because, now, out, "waiting for room; ")
                self._soon(now + 1.0)
                continue
            self._lease(key, target, because, now, out)
            grown = self._on(peer, key[1], max(0.0, target - mine))
            for circuit in self.paths[key[0]]:
                held[circuit] = add(held.get(circuit, NO_AMPS), grown)
            if target < amps:
                self._soon(now + 1.0)

    def _held(self, now: float) -> dict[str, PhaseAmps]:
        """What could flow on every circuit now: each station's reserve, and base load."""
        own: dict[str, list[float]] = {name: [0.0, 0.0, 0.0] for name in self.site.circuits}
        for (name, number), outgoing in self.out.items():
            peer = self.csms.peers[name]
            amps = self.reserve(outgoing, peer, now)
            if amps > 0.0:
                on = own[peer.spec.circuit]
                for phase in self._phases(peer, number):
                    on[phase] += amps
        for circuit in reversed(tuple(self.site.circuits.values())):
            if circuit.parent is not None:
                above, below = own[circuit.parent], own[circuit.name]
                for phase in range(3):
                    above[phase] += below[phase]
        held: dict[str, PhaseAmps] = {name: (on[0], on[1], on[2]) for name, on in own.items()}
        for name, base in self.held_base.items():
            held[name] = add(held[name], base)
        return held

    def _room(self, held: dict[str, PhaseAmps], key: Key, limits: Sequence[Limit]) -> float:
        room = math.inf
        peer = self.csms.peers[key[0]]
        for limit in limits:
            if limit.circuit in self.paths[key[0]]:
                on = held.get(limit.circuit, NO_AMPS)
                for phase in self._phases(peer, key[1]):
                    room = min(room, limit.limit_a - on[phase])
        return max(0.0, room)

    @point("controller.renewal")
    def _renewal_due(self, claim: Claim, now: float) -> bool:
        return claim.amps > claim.after_a and claim.until - now < self.rules.lease_s.value / 3

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

    def _lease(self, key: Key, amps: float, grant: Grant, now: float, out: list[Effect], why: str = "") -> None:
        peer = self.csms.peers[key[0]]
        session = peer.evses[key[1]].session
        if session is None or not peer.online:
            return
        fallback = self.rules.fallback_a.value
        lasts = math.inf if amps <= fallback else now + self.rules.lease_s.value + SKEW_S
        claim = Claim(amps, lasts, min(amps, fallback))
        profile = ChargingProfile(LEASE_ID + key[1], Purpose.TX, self.periods(amps), start=self._start(peer, now), transaction=session.tx)
        self.out[key].sent(claim)
        self.csms.command(peer, SetProfile(key[1], profile), now, out, ("lease", key[1], claim))
        because = f"{why}{grant.because}; bound by {grant.bound_by}"
        told = (amps, because)
        if self.told_limits.get(key) != told:
            self.told_limits[key] = told
            body = {"evse": key[1], "limit_a": amps, "token": session.token, "because": because, "rules": self.rules.revision}
            out.append(Note("controller", key[0], "decision", body))


def rotated(rotation: tuple[int, int, int], amps: PhaseAmps) -> PhaseAmps:
    """Currents on a station's terminals as currents on the site's phases."""
    site = [0.0, 0.0, 0.0]
    for terminal, phase in enumerate(rotation):
        site[phase] = amps[terminal]
    return (site[0], site[1], site[2])
