"""Charging station firmware: one machine for every OCPP generation.

The core speaks the neutral vocabulary; the codec and one table (`generation`) make it 1.6, 2.0.1 or 2.1. What must survive a power cut is
saved before it is sent. Methods marked `point` are where real firmware goes wrong: defects override them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chargekit.emulator.decisions import Decisions
from chargekit.emulator.generation import GENERATIONS, KEYS
from chargekit.emulator.offering import Offering
from chargekit.emulator.orders import Orders
from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.queue import MessageQueue, Queued
from chargekit.emulator.securing import Securing
from chargekit.emulator.services import JOBS, offered, remembered
from chargekit.emulator.services_security import ask_ev_certificate
from chargekit.emulator.serving import Serving
from chargekit.emulator.telling import Telling
from chargekit.emulator.waking import Waking
from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.model.profile_rules import rules_of
from chargekit.model.profile_store import ProfileStore
from chargekit.model.site import ChargingStation
from chargekit.wire import Unreadable, codec
from chargekit.wire.messages import (
    Alive,
    AliveAnswer,
    AuthorizeAsked,
    BootAnswer,
    Fact,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
    Trigger,
)  # fmt: skip
from chargekit.wire.session import Answered, Called, Happening, Refused, Session, Unanswered
from chargekit.world.events import (
    Closed,
    Effect,
    Event,
    Frame,
    Hand,
    Hangup,
    Load,
    Opened,
    Save,
    Send,
    Supply,
    Wake,
)

CSMS = "csms"


class Tap(Protocol):
    """A station's own meter at one EVSE. Reading moves nothing."""

    def read(self, now: float) -> MeterSample: ...


class Station(Orders, Serving, Securing, Offering, Telling, Waking, Decisions):
    """A charging station. `saved` is its non-volatile memory; `clock_offset_s` how far its clock is ahead of UTC until the
    CSMS sets it (never, with `keeps_clock`)."""

    def __init__(
        self, spec: ChargingStation, taps: Mapping[int, Tap], calendar: Calendar, rng: random.Random,
        saved: Mapping[str, Any], *, clock_offset_s: float = 0.0, keeps_clock: bool = False, start_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.spec, self.taps, self.calendar, self.rng = spec, taps, calendar, rng
        self.reached: dict[str, None] = {}
        self.keeps_clock = keeps_clock
        self.offset = float(saved.get("offset", clock_offset_s))
        self.boots = int(saved.get("boots", 0)) + 1
        self.generation = GENERATIONS[spec.ocpp]
        self.codec = codec(spec.ocpp)
        self.session = Session("station", spec.ocpp, prefix=f"{self.boots:x}-", supported=self.codec.COMMANDS | offered(spec.ocpp))
        self.keys = {**KEYS, **saved.get("keys", {})}
        self.memory: dict[str, Any] = remembered(saved)
        self.cache: dict[str, str] = dict(saved.get("cache", {}))
        self.queue = MessageQueue(saved)
        self.txids: dict[str, str] = {k[3:]: v for k, v in saved.items() if k.startswith("id/")}
        self.store = ProfileStore(
            [e.id for e in spec.model.evses], spec.model.voltage_v, spec.model.rate_units,
            rules_of(spec.ocpp, {e.id: e.phases for e in spec.model.evses if not e.dc}, spec.model.phase_switching), calendar,
        )  # fmt: skip
        self.store.load(self.profiles_at_start(saved.get("profiles", ())))
        self.outlets = {e.id: Outlet(e, operative=bool(saved.get(f"operative/{e.id}", True))) for e in spec.model.evses}
        self.left = {e.id: saved[f"tx/{e.id}"] for e in spec.model.evses if f"tx/{e.id}" in saved}
        self.online = False
        self.accepted = False
        self.dialled = 0
        self.reason = str(saved.get("reason", "PowerUp"))
        self.timers: dict[str, float] = {"power": start_s}
        self.count = 0
        self.sending = False
        self.telling: bool = False
        self.on_fallback: bool = False
        self.triggered: Trigger | None = None

    @property
    def due(self) -> float | None:
        wait = self.session.due
        if not self.timers:
            return wait
        first = min(self.timers.values())
        return first if wait is None or first < wait else wait

    def own(self, now: float) -> float:
        """What its own clock shows, as run seconds."""
        return now + self.offset

    # --- events -------------------------------------------------------------------------------------------------

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        out: list[Effect] = []
        match event:
            case Frame():
                if self.online:
                    self._happened(self.session.receive(event.text, now), now, out)
            case Wake():
                self._woken(now, out)
            case Supply():
                self._sensed(event, now, out)
            case Opened():
                self._opened(now, out)
            case Closed():
                self._closed(event, now, out)
            case Hand():
                self._hand(event, now, out)
            case _:
                pass
        if self.memory:
            self.watch(now, out)
        self._flush(out)
        return out

    def _flush(self, out: list[Effect]) -> None:
        if self.online:
            for text in self.session.outgoing():
                out.append(Send(CSMS, self.frame(text)))

    def _woken(self, now: float, out: list[Effect]) -> None:
        self._happened(self.session.expire(now), now, out)
        for name in [n for n, t in self.timers.items() if t <= now]:
            if self.timers.get(name, now + 1) > now:
                continue
            del self.timers[name]
            self._timer(name, now, out)

    def _timer(self, name: str, now: float, out: list[Effect]) -> None:
        what, _, which = name.partition("/")
        match what:
            case "power":
                out.append(Save("boots", self.boots))
                self.timers["up"] = now + self.spec.model.power_up_s
            case "up":
                self._up(now, out)
            case "dial":
                self.dial_out(now, out)
            case "boot":
                self._boot(now, out)
            case "beat":
                self._beat(now, out)
            case "meter":
                self._meter(now, out)
            case "aim":
                self._apply(self.outlets[int(which)], now, out)
            case "limit":
                self.refresh(self.outlets[int(which)], now, out)
            case "pulse":
                self._pulse(self.outlets[int(which)], now, out)
            case "pulsed":
                self._pulsed(self.outlets[int(which)], now, out)
            case "token":
                self.outlets[int(which)].token = None
                self._show(self.outlets[int(which)], now, out)
            case "retry":
                self._next_message(now, out)
            case "job":
                JOBS[which](self, now, out)
            case _:
                raise AssertionError(f"no timer is named {name!r}")

    def _up(self, now: float, out: list[Effect]) -> None:
        """Powered and awake: sense every outlet, end what a power cut interrupted, call the CSMS."""
        for number, saved in self.left.items():
            tx = self.interrupted(Transaction.load(saved))
            if tx is not None:
                self.outlets[number].tx = tx
                self.end(self.outlets[number], "PowerLoss", now, out)
        self.left = {}
        for number in self.outlets:
            out.append(Load(number, False, 0.0))
        if "security" in self.memory:
            self.security_event("StartupOfTheDevice" if self.reason == "PowerUp" else "ResetOrReboot", "", now, out)
            self.choose_network(out)
        self.dial_out(now, out)

    # --- link ---------------------------------------------------------------------------------------------------

    def _opened(self, now: float, out: list[Effect]) -> None:
        self.online, self.dialled, self.sending = True, 0, False
        self.timers.pop("dial", None)
        self._aged(self.store.online(self.own(now)), now, out)
        self.came_through(now, out)
        if not self.accepted:
            self._boot(now, out)
        else:
            self._greet(now, out)

    def _greet(self, now: float, out: list[Effect]) -> None:
        for outlet in self.outlets.values():
            outlet.shown = None
            self._show(outlet, now, out)
        self._next_message(now, out)
        self._plan_beat(now)
        self.resume(now)

    def _closed(self, event: Closed, now: float, out: list[Effect]) -> None:
        if not self.online:
            self.not_reached(event, now, out)
        else:
            self.online = False
            self._happened(self.session.lost(now), now, out)
            self.sending = False
            self.timers.pop("beat", None)
            self.timers.pop("boot", None)
            self.timers.pop("retry", None)
            self.link_lost(now, out)
            self.store.offline(self.own(now))
            self._aged(False, now, out)
        self.timers["dial"] = now + self.dial_wait_s()
        self.dialled += 1

    def _boot(self, now: float, out: list[Effect]) -> None:
        if not self.online:
            return
        fact = self.boot_fact(self.reason)
        if fact is None:
            self.accepted = True
            self._greet(now, out)
            return
        self.call(fact, now, "boot")

    def _beat(self, now: float, out: list[Effect]) -> None:
        if self.online and self.accepted:
            self.call(Alive(), now, "beat")
            self._plan_beat(now)

    def _plan_beat(self, now: float) -> None:
        self.timers["beat"] = now + max(1.0, float(self.keys["HeartbeatInterval"]))

    def call(self, fact: Fact, now: float, context: object) -> None:
        """Send a fact that need not survive."""
        action, payload = self.codec.write_fact(fact, self.calendar)
        self.session.call(action, payload, now, context)

    # --- what the session brings --------------------------------------------------------------------------------

    def _happened(self, happenings: Sequence[Happening], now: float, out: list[Effect]) -> None:
        for one in happenings:
            match one:
                case Called():
                    self.obey(one, now, out)
                case Answered():
                    self._answered(one, now, out)
                case Refused() | Unanswered():
                    self._failed(one, now, out)
                case _:
                    pass

    def _answered(self, one: Answered, now: float, out: list[Effect]) -> None:
        if self.told_service(one.context, one.payload, now, out):
            return
        try:
            answer = self.codec.read_answer(one.action, one.payload, self.calendar)
        except Unreadable:
            self._failed(Refused(one.context, one.action, "FormationViolation", ""), now, out)
            return
        match one.context:
            case "boot" if isinstance(answer, BootAnswer):
                self._booted(answer, now, out)
            case "beat" if isinstance(answer, AliveAnswer):
                self._set_clock(answer.at, now, out)
            case ("auth", int(number), str(token)) if isinstance(answer, TokenAnswer):
                self._remember(token, answer.accepted, out)
                if self.may_start(token, answer.accepted):
                    self.admit(self.outlets[number], token, now, out)
            case ("tx", int(number)) if self.queue.entries and self.queue.entries[0][0] == number:
                self._delivered(answer, now, out)
            case _:
                pass

    def _failed(self, one: Refused | Unanswered, now: float, out: list[Effect]) -> None:
        if self.told_service(one.context, None, now, out):
            return
        lost = isinstance(one, Unanswered) and one.why == "lost"
        if one.context == "boot" and not lost:
            self.timers["boot"] = now + 30.0
        if isinstance(one.context, tuple) and one.context[0] == "tx":
            self.sending = False
            if lost:
                return
            self.queue.tries += 1
            if self.queue.tries >= int(self.keys["TransactionMessageAttempts"]):
                out.extend(self.queue.done())
                self._next_message(now, out)
            else:
                self.timers["retry"] = now + float(self.keys["TransactionMessageRetryInterval"]) * self.queue.tries

    def _booted(self, answer: BootAnswer, now: float, out: list[Effect]) -> None:
        self._set_clock(answer.at, now, out)
        if answer.status != "Accepted":
            self.timers["boot"] = now + max(1, answer.interval_s or 60)
            return
        if answer.interval_s > 0:
            self.keys["HeartbeatInterval"] = str(answer.interval_s)
        self.accepted = True
        self.reason = "PowerUp"
        out.append(Save("reason", None))
        self._greet(now, out)
        self.readied(now, out)

    def _set_clock(self, at: float, now: float, out: list[Effect]) -> None:
        if not self.keeps_clock and abs(at - self.own(now)) > 1.0:
            self.offset = at - now
            out.append(Save("offset", self.offset))
            for outlet in self.outlets.values():
                self.refresh(outlet, now, out)

    def _remember(self, token: str, accepted: bool, out: list[Effect]) -> None:
        if accepted:
            self.cache[token] = "Accepted"
        elif token in self.cache:
            del self.cache[token]
        else:
            return
        out.append(Save("cache", dict(self.cache)))

    # --- transaction messages -----------------------------------------------------------------------------------

    def enqueue(self, ref: str, fact: Queued, now: float, out: list[Effect]) -> None:
        """Keep a transaction message, then send it as soon as its turn comes."""
        if not (self.online and self.accepted):
            fact = self.queue.mark_offline(fact)
        out.extend(self.queue.put(ref, fact))
        self._next_message(now, out)

    def _next_message(self, now: float, out: list[Effect]) -> None:
        if self.sending or not (self.online and self.accepted and self.queue.entries) or "retry" in self.timers:
            return
        number, ref, fact = self.queue.entries[0]
        tx: str | None = self.txids.get(ref, "0") if self.generation.assigned else ref
        if self.generation.assigned and isinstance(fact, TransactionStarted):
            tx = None
        self.sending = True
        self.call(self.queue.named(fact, tx), now, ("tx", number))

    def _delivered(self, answer: object, now: float, out: list[Effect]) -> None:
        _, ref, fact = self.queue.entries[0]
        self.sending = False
        if isinstance(fact, TransactionStarted) and isinstance(answer, TokenAnswer):
            if self.generation.assigned and answer.tx is not None:
                self.txids[ref] = answer.tx
                out.append(Save(f"id/{ref}", answer.tx))
            outlet = self.outlets.get(fact.evse)
            if outlet is not None and outlet.tx is not None and outlet.tx.ref == ref:
                outlet.tx.id = self.txids.get(ref, ref)
                out.append(Save(f"tx/{fact.evse}", outlet.tx.to_json()))
                if not answer.accepted and not self.may_start(fact.token, False) and self.keys["StopTransactionOnInvalidId"] == "true":
                    self.end(outlet, "DeAuthorized", now, out)
        if isinstance(fact, TransactionEnded) and ref in self.txids:
            del self.txids[ref]
            out.append(Save(f"id/{ref}", None))
        out.extend(self.queue.done())
        self._next_message(now, out)

    # --- hands and sensors --------------------------------------------------------------------------------------

    def _hand(self, hand: Hand, now: float, out: list[Effect]) -> None:
        outlet = self.outlets.get(int(hand.args.get("evse", 1)))
        if outlet is None or "power" in self.timers or "up" in self.timers:
            return
        if hand.verb == "press_stop" and outlet.tx is not None:
            self.end(outlet, "Local", now, out)
        elif hand.verb == "present":
            self._presented(outlet, str(hand.args["token"]), now, out)
        elif hand.verb == "ev_certificate":
            action, exi, schema = (str(hand.args.get(k, "")) for k in ("action", "exi", "schema"))
            ask_ev_certificate(self, action, exi, schema, now)

    def _presented(self, outlet: Outlet, token: str, now: float, out: list[Effect]) -> None:
        if outlet.tx is not None:
            if outlet.tx.token == token:
                self.end(outlet, "Local", now, out)
            return
        if self.online and self.accepted:
            self.call(AuthorizeAsked(token), now, ("auth", outlet.evse.id, token))
            return
        known = self.keys["LocalAuthorizeOffline"] == "true" and self.cache.get(token) == "Accepted"
        if self.may_start(token, known):
            self.admit(outlet, token, now, out)

    def admit(self, outlet: Outlet, token: str, now: float, out: list[Effect], remote: int | None = None) -> None:
        """The token may charge here: start when the cable is in, within ConnectionTimeOut."""
        if outlet.tx is not None or not outlet.operative:
            return
        outlet.token, outlet.remote_start_id = token, remote
        self.timers[f"token/{outlet.evse.id}"] = now + float(self.keys["ConnectionTimeOut"])
        self._start(outlet, now, out)
        self._show(outlet, now, out)

    def _start(self, outlet: Outlet, now: float, out: list[Effect]) -> None:
        if outlet.token is None or outlet.tx is not None or not outlet.pilot.connected or outlet.ended:
            return
        number = outlet.evse.id
        self.count += 1
        ref = f"{self.boots}-{self.count}-{self.spec.id}"[:36]
        begin = self.reported(outlet, self.taps[number].read(now)).energy_wh
        tx = Transaction(ref, outlet.token, self.own(now), begin, remote_start_id=outlet.remote_start_id)
        tx.id = None if self.generation.assigned else ref
        outlet.tx, outlet.token, outlet.ended = tx, None, False
        self.timers.pop(f"token/{number}", None)
        fact = TransactionStarted(number, tx.token, ref, tx.started, begin, tx=tx.id, remote_start_id=tx.remote_start_id, seq=tx.seq)
        tx.seq += 1
        out.append(Save(f"tx/{number}", tx.to_json()))
        self.enqueue(ref, fact, now, out)
        self._plan_meter(now)
        self.refresh(outlet, now, out)

    def end(self, outlet: Outlet, reason: str, now: float, out: list[Effect]) -> None:
        """End the transaction: no more energy first, then its last message, then forget it."""
        tx = outlet.tx
        if tx is None:
            return
        number = outlet.evse.id
        outlet.tx, outlet.ended = None, outlet.pilot.connected
        self._load(outlet, False, 0.0, out)
        outlet.aim = None
        self.timers.pop(f"aim/{number}", None)
        self.timers.pop(f"limit/{number}", None)
        wh = self.reported(outlet, self.taps[number].read(now)).energy_wh
        fact = TransactionEnded(number, tx.id or "", self.own(now), wh, reason, tx.token, seq=tx.seq)
        if self.tells_end(tx):
            self.enqueue(tx.ref, fact, now, out)
        out.append(Save(f"tx/{number}", None))
        self.store.end_transaction(number)
        if self.spec.model.supply_a is not None:
            self.refresh(outlet, now, out)
        out.append(Save("profiles", self.store.to_json()))
        self._show(outlet, now, out)

    def _sensed(self, supply: Supply, now: float, out: list[Effect]) -> None:
        outlet = self.outlets.get(supply.evse)
        if outlet is None:
            return
        was, outlet.pilot, outlet.live = outlet.pilot, supply.pilot, supply.live
        if was is outlet.pilot:
            return
        if not outlet.pilot.connected:
            outlet.ended = False
            if outlet.tx is not None:
                self.end(outlet, "EVDisconnected", now, out)
        else:
            self._start(outlet, now, out)
        self._contactor(outlet, now, out)
        self._show(outlet, now, out)

    def reboot(self, reason: str, now: float, out: list[Effect]) -> None:
        """Restart by command: transactions end, the link closes, then everything starts anew."""
        for outlet in self.outlets.values():
            self.end(outlet, reason, now, out)
        self._flush(out)
        self.session.lost(now)
        self.online = self.accepted = self.sending = False
        self.reason = "RemoteReset"
        out += [Save("reason", self.reason), Hangup(CSMS, 1001, "restart")]
        self.timers = {"up": now + self.spec.model.power_up_s}
