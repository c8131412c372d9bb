"""Charging station firmware: one machine for every OCPP generation.

The core speaks the neutral vocabulary; the codec and one table (`generation`) make it 1.6, 2.0.1 or 2.1. What must survive a power cut is
saved before it is sent. Methods marked `point` are where real firmware goes wrong: defects override them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from chargekit.emulator.authorising import Authorising
from chargekit.emulator.availability import Availability
from chargekit.emulator.capabilities import answered
from chargekit.emulator.configuration import factory
from chargekit.emulator.decisions import Decisions
from chargekit.emulator.delivering import Delivering
from chargekit.emulator.external import External
from chargekit.emulator.generation import GENERATIONS, KEYS
from chargekit.emulator.limiting import Limiting
from chargekit.emulator.linking import BOOT_RETRY_S, CSMS, Linking
from chargekit.emulator.offering import Offering
from chargekit.emulator.orders import Orders
from chargekit.emulator.outlet import Outlet
from chargekit.emulator.reserving import Reserving
from chargekit.emulator.securing import Securing
from chargekit.emulator.services import JOBS, remembered
from chargekit.emulator.services_security import ask_ev_certificate
from chargekit.emulator.serving import Serving
from chargekit.emulator.telling import Telling
from chargekit.emulator.tokens import TokenBook
from chargekit.emulator.transacting import Transacting
from chargekit.emulator.triggering import Triggering
from chargekit.emulator.waking import Waking
from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.model.profile_rules import rules_of
from chargekit.model.profile_store import ProfileStore
from chargekit.model.site import ChargingStation
from chargekit.wire import Unreadable, codec
from chargekit.wire.messages import AliveAnswer, BootAnswer, TokenAnswer, Trigger
from chargekit.wire.session import Answered, Called, Happening, Refused, Session, Unanswered
from chargekit.world.events import Closed, Effect, Event, Frame, Hand, Opened, Save, Send, Supply, Wake


class Tap(Protocol):
    """A station's own meter at one EVSE. Reading moves nothing."""

    def read(self, now: float) -> MeterSample: ...


class Station(
    Orders, Serving, Securing, Linking, Authorising, Transacting, Delivering, Reserving, Availability, Triggering, Offering, Telling,
    Limiting, Waking, External, Decisions,
):  # fmt: skip
    """A charging station. `saved` is its non-volatile memory; `clock_offset_s` how far its clock is ahead of UTC until the
    CSMS sets it (never, with `keeps_clock`)."""

    keys: dict[str, str]
    left: dict[int, Mapping[str, Any]]
    flags: dict[str, bool]
    online: bool
    accepted: bool
    sending: bool
    closing: bool
    clock_set: bool
    boot_at: float
    offline_since: float
    offset: float
    dialled: int
    reason: str
    registration: str
    later_reset: int | None
    timers: dict[str, float]

    def __init__(
        self, spec: ChargingStation, taps: Mapping[int, Tap], calendar: Calendar, rng: random.Random,
        saved: Mapping[str, Any], *, clock_offset_s: float = 0.0, keeps_clock: bool = False, start_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.spec, self.taps, self.calendar, self.rng = spec, taps, calendar, rng
        self.reached: dict[str, None] = {}
        self.keeps_clock = keeps_clock
        self.offset, self.clock_set = self.clock_at_start(saved, clock_offset_s)
        self.boots = int(saved.get("boots", 0)) + 1
        self.generation = GENERATIONS[spec.ocpp]
        self.codec = codec(spec.ocpp)
        self.session = Session("station", spec.ocpp, prefix=f"{self.boots:x}-", supported=answered(spec.ocpp))
        self.dc = any(e.dc for e in spec.model.evses)
        self.factory = factory(KEYS, dc=self.dc)
        self.keys = {**self.factory, **saved.get("keys", {})}
        self.memory: dict[str, Any] = remembered(saved)
        self.tokens = TokenBook(saved.get("cache", {}), self.memory.get("list", {}))
        self.reservations = self.reservations_at_start()
        self.queue = self.queue_at_start(saved)
        self.txids: dict[str, str] = {k[3:]: v for k, v in saved.items() if k.startswith("id/")}
        self.store = ProfileStore(
            [e.id for e in spec.model.evses], spec.model.voltage_v, spec.model.rate_units,
            rules_of(
                spec.ocpp, {e.id: e.phases for e in spec.model.evses if not e.dc}, spec.model.phase_switching,
                dc=[e.id for e in spec.model.evses if e.dc],
            ), calendar,
            fixed=[e.id for e in spec.model.evses if e.dc or (e.phases == 3 and not spec.model.phase_switching)],
        )  # fmt: skip
        self.store.load(self.profiles_at_start(saved.get("profiles", ())))
        self.flags = self.flags_at_start(saved)
        self.later_reset = None
        self.outlets = {e.id: Outlet(e) for e in spec.model.evses}
        for outlet in self.outlets.values():
            outlet.operative = self.operative(outlet)
            outlet.wired = outlet.wanted = (outlet.evse.phases, 1)
        self.left = {e.id: saved[f"tx/{e.id}"] for e in spec.model.evses if f"tx/{e.id}" in saved}
        self.online = False
        self.accepted = False
        self.registration = ""
        self.boot_at = 0.0
        self.offline_since = start_s
        self.closing = False
        self.soon: list[Callable[[float, list[Effect]], None]] = []
        self.in_flight: dict[str, None] = {}
        self.dialled = 0
        self.reason = str(saved.get("reason", "PowerUp"))
        self.timers = {"power": start_s}
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
                if self.online and (text := self.first_look(event.text, now, out)) is not None:
                    self._happened(self.session.receive(text, now), now, out)
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
        if self.later_reset is not None:
            self.reset_when_idle(now, out)
        if self.closing and self.drained():
            self._restart(now, out)
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
            case "dial":
                self.dial_out(now, out)
            case "job":
                JOBS[which](self, now, out)
            case _ if which:
                getattr(self, _OF_OUTLET[what])(self.outlets[int(which)], now, out)
            case _:
                getattr(self, _OF_STATION[what])(now, out)

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
            case ("auth", *_) if isinstance(answer, TokenAnswer):
                self._authorised(tuple(one.context), one.payload, now, out)
            case ("tx", int(number)) if self.queue.entries and self.queue.entries[0][0] == number:
                self._delivered(answer, one.payload, now, out)
            case _:
                pass

    def _failed(self, one: Refused | Unanswered, now: float, out: list[Effect]) -> None:
        if self.told_service(one.context, None, now, out):
            return
        lost = isinstance(one, Unanswered) and one.why == "lost"
        match one.context:
            case "boot" if not lost:
                self.timers["boot"] = now + BOOT_RETRY_S
            case ("tx", _):
                self._undelivered(lost, now, out)
            case ("auth", *_):
                self._unasked(tuple(one.context), now, out)
            case ("status", int(number), int(connector)):
                self.outlets[number].shown.pop(connector, None)
            case _:
                pass

    # --- hands --------------------------------------------------------------------------------------------------

    def _hand(self, hand: Hand, now: float, out: list[Effect]) -> None:
        if self.closing or "power" in self.timers or "up" in self.timers:
            return
        if hand.verb == "external_limit":
            self.limited(hand, now, out)
            return
        outlet = self.outlets.get(int(hand.args.get("evse", 1)))
        if outlet is None:
            return
        if hand.verb == "press_stop" and outlet.tx is not None:
            self.stop(outlet, "Local", "StopAuthorized", now, out)
        elif hand.verb == "present":
            self._presented(outlet, str(hand.args["token"]), now, out)
        elif hand.verb == "ev_certificate":
            action, exi, schema = (str(hand.args.get(k, "")) for k in ("action", "exi", "schema"))
            ask_ev_certificate(self, action, exi, schema, now)


_OF_OUTLET = {
    "aim": "_apply", "limit": "refresh", "pulse": "_pulse", "pulsed": "_pulsed", "token": "_no_cable", "cap": "_capped",
    "evse": "_evse_back", "most": "look_at_limits", "switch": "_switched",
}  # fmt: skip
"""Timers of an outlet, written `aim/1`: what is done when they are due."""

_OF_STATION = {
    "up": "_up", "boot": "_boot", "beat": "_beat", "meter": "_meter", "retry": "_next_message", "reserve": "_expire_reservations",
    "clock": "_aligned", "reboot": "_restart",
}  # fmt: skip
