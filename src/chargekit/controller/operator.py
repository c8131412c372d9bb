"""The operator: runs the site by its rulebook. Decide, allocate, dispatch; decreases first, every profile a claim.

A TxProfile is a lease of two absolute periods, `[(0, L), (lease, fallback)]`, without duration: it means the same in every version and
falls to its safe value by itself. Its start is backdated by the measured clock offset.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chargekit.controller.allocator import Allocation, Demand, allocate
from chargekit.controller.csms import Controller
from chargekit.controller.decisions_log import DecisionLog
from chargekit.controller.demanding import Demanding
from chargekit.controller.dispatch import Claim, Outgoing
from chargekit.controller.feedback import Feedback
from chargekit.controller.holding import Holding
from chargekit.controller.incidents import Incidents
from chargekit.controller.infeasible import Infeasible
from chargekit.controller.leasing import DEFAULT_ID, Leasing
from chargekit.controller.meters import CircuitMeters
from chargekit.controller.peer import Peer
from chargekit.controller.places import Key, Place, Reserves
from chargekit.controller.planning import Planning
from chargekit.controller.rules_desk import RulesDesk
from chargekit.controller.steering import Steering
from chargekit.controller.token_desk import TokenDesk
from chargekit.controller.watching import Watched, Watching
from chargekit.model.limit import NO_AMPS, Limit, PhaseAmps, add
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Period, Purpose
from chargekit.model.site import Circuit, Site
from chargekit.policy.overrides import Override
from chargekit.policy.rulebook import Rulebook
from chargekit.wire.messages import (
    CommandReply,
    Fact,
    Metered,
    Reply,
    SetKey,
    SetProfile,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
)  # fmt: skip
from chargekit.world.events import Effect, Hand, Json, Words

UNCOUNTED_WH = 250.0
"""Energy after which a register that stands still is not believed: the coarsest count 100 Wh."""
EVERY_S = 15.0
RISE_S = 10.0
"""A reading taken while a vehicle rises to its limit tells less than it draws until the next one."""
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
"""Its multiples, modulo 1, are as far apart as so many numbers can be (three-distance theorem)."""
_INTERVAL = "SampledDataCtrlr.TxUpdatedInterval"
SAMPLE_KEY = {"1.6": "MeterValueSampleInterval", "2.0.1": _INTERVAL, "2.1": _INTERVAL}


class Operator(Steering, Feedback, Demanding, Leasing, Holding, Watching):
    """Leads one site. Knows the stations through its CSMS and the circuits through their meters."""

    def __init__(self, site: Site, rules: Rulebook, csms: Controller, *, every_s: float = 5.0, sample_s: int = 10) -> None:
        self.site, self.rules, self.csms = site, rules, csms
        self.reached: dict[str, None] = {}
        self.every_s, self.sample_s = every_s, sample_s
        paths = {name: tuple(c.name for c in site.path(name)) for name in site.circuits}
        self.places: dict[Key, Place] = {
            (p.spec.id, n): Place(
                (p.spec.id, n), p, k, Outgoing(k.evse.max_a), paths[p.spec.circuit], tuple(p.spec.rotation[: k.evse.phases])
            )
            for p in csms.peers.values()
            for n, k in p.evses.items()
        }
        for number, place in enumerate(self.places.values()):
            place.spread = number * GOLDEN % 1.0
        self._renewals, self._renewals_made = [], 0
        self.reserves = Reserves(site.circuits, self.places.values())
        self.sun_a = {
            name: sum(b.pv_kwp for b in site.buildings if name in paths[b.circuit]) * 1000.0 / 3.0 / 230.0 for name in site.circuits
        }
        self.meters = CircuitMeters(site, csms.peers, self.plausible)
        self.meters.outgoing = lambda station, evse: self.places[station, evse].outgoing
        self.meters.steady = lambda station, evse: self.places[station, evse].appetite.known
        self.meters.told_every_s = sample_s + every_s + RISE_S
        self.caps: dict[str, Limit] = {}
        self.overrides: list[Override] = []
        self.classes: dict[str, str] = {}
        self.tokens = TokenDesk(rules, csms, self.classes)
        self.notebook: dict[str, Json] = {}
        self.desk = RulesDesk(site, rules, csms, self.meters, self.places, self.notebook)
        self.told_limits: dict[Key, tuple[float, str]] = {}
        self.greeted: dict[str, int] = {}
        self.poll_at = 0.0
        self.decide_at = 1.0
        self.returned, self.hold_until = False, 0.0
        # After a restart nothing is decided before then, unless a circuit is over its rating.
        self.gather_s = min(5.0, max(0.5, len(self.places) / 200.0))
        self.infeasible = Infeasible()
        below: dict[str, list[str]] = {name: [] for name in site.circuits}
        for spec in site.stations:
            for name in paths[spec.circuit]:
                below[name].append(spec.id)
        self.incidents, self.watched, self.answers = Incidents(rules.incidents), Watched(below), ()
        self.watched_from = csms.back_at or 0.0
        self.planning = Planning(self)
        self.concurrent = self.session_caps()
        self.shares = bool(self.concurrent or rules.weights)
        self._changed: dict[Key, Place] = dict(self.places)
        self._demands: list[Demand] = []
        self._by_id: dict[str, Place] = {}
        self._last: tuple[Sequence[Demand], list[Limit], dict[str, PhaseAmps], Allocation] | None = None
        self._asked_for: list[Demand] | None = None
        self._steer()
        self.log = DecisionLog(self)
        self._begin_holds()

    @property
    def due(self) -> float | None:
        first = min(self.decide_at, self.watched.at)
        first = min(first, self._renewals[0][0]) if self._renewals else first
        return min(self.poll_at, first) if self.meters.points else first

    # --- events of the CSMS -------------------------------------------------------------------------------------

    def linked(self, peer: Peer, up: bool, now: float, out: list[Effect]) -> None:
        """Defaults are checked on every connect: 1.6 sends no BootNotification on a plain reconnect."""
        self._change(peer)
        self._link(peer, up, now)
        if not up:
            self._soon(now)

    def _greet(self, peer: Peer, now: float, out: list[Effect]) -> None:
        for number in peer.evses:
            profile = ChargingProfile(
                DEFAULT_ID + number, Purpose.TX_DEFAULT, (Period(0.0, self.rules.default_a.value),), start=self._start(peer, now)
            )
            self.csms.command(peer, SetProfile(number, profile), now, out, ("default", number))
        key = SAMPLE_KEY[peer.version]
        self.csms.command(peer, SetKey(key, str(self.sample_s)), now, out, ("key", key))
        self.tokens.greet(peer, now, out)
        self._ask_limits(peer, now, out)

    def told(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> None:
        name = peer.spec.id
        if name not in self.greeted or self.greeted[name] != peer.lives:
            self.greeted[name] = peer.lives
            self._greet(peer, now, out)
        match fact:
            case TransactionStarted():
                if (name, fact.evse) in self.places:
                    self.places[(name, fact.evse)].outgoing.running = True
                    self.places[(name, fact.evse)].forget()
                self._change(peer)
                self._soon(now)
            case TransactionEnded():
                self.desk.ended(name, fact, now)
                for number, known in peer.evses.items():
                    outgoing = self.places[(name, number)].outgoing
                    if known.session is None and outgoing.running:
                        outgoing.ended()
                        self.places[(name, number)].forget()
                self._change(peer)
                self._soon(now)
            case Metered():
                self._read(peer, fact, now, out)
            case StatusChanged():
                self._status(peer, fact.status, fact.evse, now, out)
            case _ if self.heard(peer, fact, now, out):
                self._changed = dict(self.places)
                self._soon(now)
            case _:
                pass

    def replied(self, peer: Peer, context: object, reply: CommandReply | None, now: float, out: list[Effect]) -> None:
        match context:
            case ("default", int(number)):
                place = self.places[(peer.spec.id, number)]
                if reply is not None and isinstance(reply, Reply) and reply.accepted:
                    place.outgoing.confirmed(self.rules.default_a.value)
                    self.watched.refused.pop(("default_refused", peer.spec.id), None)
                    self.csms.release(peer, now, out)
                elif reply is not None:
                    self._incident(peer.spec.id, "default_refused", "its rating stays reserved", out, now)
            case ("lease", int(number), Claim() as claim):
                place = self.places[(peer.spec.id, number)]
                if reply is None:
                    place.outgoing.unanswered(claim)
                    self._soon(now)
                elif isinstance(reply, Reply) and reply.accepted:
                    place.outgoing.accepted(claim, now)
                    self.watched.refused.pop(("profile_refused", peer.spec.id), None)
                else:
                    place.outgoing.rejected(claim)
                    self.told_limits.pop((peer.spec.id, number), None)
                    self._incident(peer.spec.id, "profile_refused", f"it answered {getattr(reply, 'status', '')[:40]}", out, now)
            case ("reading", int(number)) if reply is not None and not (isinstance(reply, Reply) and reply.accepted):
                # Not asked again: its readings come when they come.
                self.places[(peer.spec.id, number)].asked_at = math.inf
            case ("list", int(number)):
                self.tokens.replied(peer, number, reply, now, out)
            case ("display" | "release", *_):
                self.idle.replied(peer, context, reply, now, out)
            case _:
                pass

    def demanding(self, name: str) -> Place:
        """The EVSE that makes a demand, by the demand's id."""
        return self._by_id[name]

    # --- levers -------------------------------------------------------------------------------------------------

    def hand(self, hand: Hand, now: float, out: list[Effect]) -> bool:
        args = hand.args
        match hand.verb:
            case "set_cap":
                circuit = str(args["circuit"])
                self.caps[circuit] = Limit(circuit, float(args["limit_a"]), rule="cap set by hand")
            case "create_override":
                if not self._create_override(args, now, out):
                    return True
            case "revoke_override":
                if not self._revoke_override(args, now, out):
                    return True
            case "list_overrides":
                self._list_overrides(now, out)
                return True
            case "report_fault":
                self.report(args, now, out)
            case "clear_fault":
                self.clear(args, now, out)
            case "set_class":
                self.classes[str(args["token"])] = str(args["user_class"])
                self.tokens.changed(now, out)
                self._changed = dict(self.places)
            case "set_departure":
                self._departs(args, now, out)
            case "signal":
                if self.signals.take(args, now, out):
                    self._changed = dict(self.places)
            case _:
                return False
        self.decide_at = now
        self._decide(now, out)
        return True

    def _departs(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> None:
        """Somebody says when a vehicle leaves: the rules may rank by it, the plan may count on it where an energy is named."""
        departs = args.get("departs")
        if args.get("token") and isinstance(departs, int | float) and math.isfinite(departs):
            self.desk.departs(args)
            self._changed = dict(self.places)
        if "needs_kwh" in args:
            self.planning.promised(args, now, out)

    def measured(self, words: Words, now: float, out: list[Effect]) -> None:
        if self.meters.take(words, now):
            self.look(now, out)
            if self.meters.moved(words.peer):
                self._soon(now)
            if self.meters.pressing(words.peer, self.could_flow()[self.meters.points[words.peer].circuit or ""]):
                self.decide_at = min(self.decide_at, max(self.hold_until, now))
        if self.meters.over(words.peer):
            self.over_at[self.meters.points[words.peer].circuit or ""] = now
            self.hold_until = min(self.hold_until, now)
            self._soon(now)

    # --- deciding -----------------------------------------------------------------------------------------------

    def _soon(self, now: float) -> None:
        """Decide soon. A large site gathers what happens within a few seconds into one decision."""
        self.decide_at = max(self.hold_until, min(self.decide_at, now + self.gather_s))

    def stir(self, peer: Peer | None, now: float) -> None:
        """Something was learned from outside, of this station or of all: decide soon."""
        if peer is not None:
            self._change(peer)
        self._soon(now)

    def wake(self, now: float, out: list[Effect]) -> None:
        if self.meters.points and self.poll_at <= now:
            self.poll_at = (int(now / self.every_s + 1e-9) + 1) * self.every_s
            out.extend(self.meters.polls())
        self._renew(now, out)
        if self.watched.at <= now and now < self.decide_at:
            self.watch(now, out)
            if self.answering(now):
                self._changed = dict(self.places)
                self._soon(now)
        if self.decide_at <= now:
            self._decide(now, out)

    def _change(self, peer: Peer) -> None:
        """A station came, went, started or ended something: look at its EVSEs again."""
        for number in peer.evses:
            place = self.places[(peer.spec.id, number)]
            self._changed[place.key] = place
            self.reserves.changed(place)

    def _decide(self, now: float, out: list[Effect]) -> None:
        self.decide_at = now + EVERY_S
        self.desk.tick(now, out)
        self._tried_again(now)
        steered = self._steering(now, out)
        self._look_back(now)
        if self.desk.again(now) or self.overrides or steered:
            # A rank is a matter of time then: every session is asked again.
            self._changed = dict(self.places)
        self.decide_at = min(self.decide_at, self._run_out(now, out), self.signals.due(now))
        self.watch(now, out)
        if self.answering(now):
            self._changed = dict(self.places)
        self._changed |= self.planning.look(now, out)
        self._dispatch(self._allocate(now), now, out)
        if self._last is not None:
            self.log.decided(now, *self._last, out, self.concurrent)
        self.look(now, out)

    def look(self, now: float, out: list[Effect]) -> None:
        """Record what no decision can keep within the limits."""
        self.reserves.refresh(self.reserve, now)
        self.infeasible.look(self.could_flow(), self.limits_at(now), self.reserves.why, now, out)

    def could_flow(self) -> dict[str, PhaseAmps]:
        """What could flow through every circuit: all reserves below it, and what its meter shows beside them."""
        return {name: add(held, self.meters.base.get(name, NO_AMPS)) for name, held in self.reserves.through().items()}

    def at_worst(self) -> dict[str, PhaseAmps]:
        """The same with all that the last readings show, whether it lasts or not."""
        highest = self.meters.highest()
        return {name: add(held, highest.get(name, NO_AMPS)) for name, held in self.reserves.through().items()}

    def _allocate(self, now: float) -> Allocation:
        """Share out what there is; what was shared before, as long as nothing it follows from changed."""
        tight, demands = self._tight(now), self._demanded(now)
        self.meters.keep_within(tight)
        self.reserves.refresh(self.reserve, now)
        reserved = self._reserved(now)
        shared, self.budgets = self.budgets, (*self.ruled, *self.station_limits(now))
        before, self.spent_by = self.spent_by, self._spent(now, led=False)
        same = (
            self._last is not None
            and shared == self.budgets
            and self._asked_for is demands
            and self._last[1] == tight
            and self._last[2] == reserved
        )
        if self._last is None or not same or before != self.spent_by:
            more: dict[str, Any] = {"concurrent": self.concurrent, "budgets": self.budgets, "reserved_by": self.spent_by}
            steered, self._asked_for = self.throttled(demands, tight, reserved, now, **more), demands
            self._last = steered, tight, reserved, allocate(self.tree(), tight, steered, reserved, **more)
        return self._last[3]

    @point("controller.tree")
    def tree(self) -> Mapping[str, Circuit]:
        """The circuits with their ratings: what holds whatever else is allowed."""
        return self.site.circuits

    @point("controller.limits")
    def limits_at(self, now: float) -> Sequence[Limit]:
        """Every cap in force, with its source. A circuit whose meter went silent is held to what needs no feedback."""
        limits = [*self.rules.limits, *self.caps.values(), *self._limited(now)]
        for meter in self.meters.stale(now, max(self.rules.meter_stale_s.value, 2.5 * self.every_s)):
            assert meter.circuit is not None
            safe = self.rules.fallback_a.value * sum(len(s.model.evses) for s in self.site.below(meter.circuit))
            limits.append(Limit(meter.circuit, safe, rule=f"{meter.id} is silent or not believed"))
        return limits

    @point("controller.plausible")
    def plausible(self, circuit: str, shown: PhaseAmps, ours: PhaseAmps, uncounted_wh: float) -> bool:
        """Whether a meter can be believed: its circuit carries at least what the sessions draw, less what the sun may give, give or take
        the meters' classes and the age of what was told; and its register counts the power it shows."""
        sun = self.sun_a[circuit]
        return uncounted_wh < UNCOUNTED_WH and all(s >= o * 0.85 - 3.0 - sun for s, o in zip(shown, ours, strict=True))

    def _tight(self, now: float) -> list[Limit]:
        """The limits less the margin kept at every level for what no session explains, standby among it."""
        margin = self.rules.margin_a.value
        return [replace(one, limit_a=max(0.0, one.limit_a - margin)) for one in self.limits_at(now)]
