"""What was witnessed so far, in neutral words: a fold of wire, meter, rig and controller records. Never of truth."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chargekit.judge.doorway import Doorway
from chargekit.lab.assemble import Lab
from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.wire import Unreadable, codec, schemas
from chargekit.wire.messages import (
    AuthorizeAsked,
    Booted,
    ChargingStateChanged,
    Fact,
    LimitImposed,
    LimitReleased,
    Metered,
    ReservationEnded,
    Status,
    StatusChanged,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
)  # fmt: skip
from chargekit.world.history import Record

NOTED = ("incident", "escalation", "override")
"""What the controller notes that cases look at, where it is ours."""
OfTransaction = TransactionStarted | Metered | ChargingStateChanged | TransactionEnded


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a transaction: when it says it happened, whether it says that it was offline (None: the version has no word for
    it), and its record."""

    what: str
    at: float
    offline: bool | None
    record: int


@dataclass(slots=True)
class TxSeen:
    """A transaction as the wire told it. Times are when it was told; `*_seq` the records."""

    evse: int
    token: str
    began_wh: float
    tx: str | None = None
    ended_wh: float | None = None
    reason: str = ""
    readings: int = 0
    began_seq: int = 0
    ended_seq: int = 0
    accepted: bool | None = None
    at: float = 0.0
    ended_at: float | None = None
    told: list[Told] = field(default_factory=list)
    """Its messages in the order they came, repeated starts left out."""

    @property
    def over(self) -> bool:
        return self.ended_wh is not None


@dataclass(slots=True)
class Message:
    """A message of a station, when it was witnessed, and what it was answered: `answered`, `refused` or nothing yet."""

    seq: int
    t: float
    fact: Fact
    outcome: str = ""


@dataclass(slots=True)
class StationSeen:
    """One station."""

    version: str = ""
    online: bool = False
    boots: int = 0
    last_boot: Booted | None = None
    boot_accepted: bool = False
    status: dict[int, Status] = field(default_factory=dict)
    transactions: list[TxSeen] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The tokens it asked about, in order, answered or not."""
    told: dict[int, MeterSample] = field(default_factory=dict)
    """The last meter values it told, by EVSE."""
    facts: list[Message] = field(default_factory=list)
    """Every message that could be read, in the order of the wire."""
    dials: list[tuple[float, int]] = field(default_factory=list)
    """When it asked for a connection and got none, with the record."""
    limits: dict[int, str] = field(default_factory=dict)
    """Who limits it from outside, as it told last, by EVSE (0: the station); empty once it told the release."""

    shown: list[tuple[float, str]] = field(default_factory=list)
    """What it was told to show on its display, and when."""
    reservations: dict[int, str] = field(default_factory=dict)
    """How reservations ended, as it told, by their ids."""

    def tells(self, fact: type) -> bool:
        """Whether its version has a message for such a fact."""
        return bool(self.version) and fact not in codec(self.version).LACKS

    @property
    def shows_messages(self) -> bool:
        """Whether its version has messages for a display (2.x, O01)."""
        return bool(self.version) and "SetDisplayMessage" in schemas.actions(self.version)

    def running(self, evse: int = 1) -> TxSeen | None:
        return next((t for t in reversed(self.transactions) if t.evse == evse and not t.over), None)


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample of an independent meter."""

    seq: int
    t: float
    current_a: tuple[float, float, float]
    power_w: float
    energy_wh: float

    @property
    def most_a(self) -> float:
        return max(self.current_a)


class Witnessed:
    """The fold, and awaitable conditions on it. Subscribes to the lab's History."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.calendar: Calendar = lab.calendar
        self.stations: dict[str, StationSeen] = {name: StationSeen() for name in lab.stations}
        self.meters: dict[str, Reading] = {}
        self.silent: dict[str, None] = {}
        self.replies: dict[str, dict[str, Any]] = {}
        self.doorway = Doorway()
        self.noted: dict[str, list[Record]] = {kind: [] for kind in NOTED}
        self.last_seq = 0
        self._asked: dict[tuple[str, str, str], Fact | None] = {}
        self._calls: dict[tuple[str, str], Message] = {}
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[bool]]] = []
        for record in lab.history.records:
            self.take(record)
        self._stop = lab.history.subscribe(self.take)

    def close(self) -> None:
        self._stop()

    # --- folding ------------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        """Fold one record in, then see who waited for it."""
        if record.witness == "truth":
            return
        self.last_seq = record.seq
        self.doorway.take(record)
        if record.witness == "meter":
            self._meter(record)
        elif record.witness == "wire":
            self._wire(record)
        elif record.witness == "controller" and record.kind == "reply":
            self.replies[str(record.body.get("ask"))] = dict(record.body)
        elif record.witness == "controller" and record.kind in self.noted:
            self.noted[record.kind].append(record)
        for entry in tuple(self._waiting):
            holds, future = entry
            if not future.done() and holds():
                future.set_result(True)
                self._waiting.remove(entry)

    def _meter(self, record: Record) -> None:
        if record.kind != "sample":
            self.silent[record.subject] = None
            return
        self.silent.pop(record.subject, None)
        body = record.body
        a, b, c = body["current_a"]
        self.meters[record.subject] = Reading(record.seq, record.t, (a, b, c), body["power_w"], body["energy_wh"])

    def _wire(self, record: Record) -> None:
        seen = self.stations.get(record.subject)
        if seen is None:
            return
        if record.kind == "opened":
            seen.version, seen.online = record.body["version"], True
            return
        if record.kind == "closed":
            seen.online = False
            return
        if record.kind == "refused":
            seen.dials.append((record.t, record.seq))
            return
        action, _, form = record.kind.rpartition(".")
        ident = str(record.body.get("id"))
        if record.body.get("dir") == "up" and form == "req":
            fact = self._fact(seen, action, record.body.get("payload"))
            self._asked[(record.subject, ident, action)] = fact
            self._learn(seen, fact, record.seq)
            if fact is not None:
                told = Message(record.seq, record.t, fact)
                seen.facts.append(told)
                self._calls[(record.subject, ident)] = told
            return
        if action == "SetDisplayMessage" and form == "req" and isinstance(record.body.get("payload"), dict):
            message = record.body["payload"].get("message", {}).get("message", {})
            seen.shown.append((record.t, str(message.get("content", ""))))
        asked_of = self._calls.pop((record.subject, ident), None) if record.body.get("dir") == "down" and form in ("conf", "err") else None
        if asked_of is not None:
            asked_of.outcome = "answered" if form == "conf" else "refused"
        if record.body.get("dir") == "down" and form == "conf":
            asked = self._asked.pop((record.subject, ident, action), None)
            if asked is not None:
                self._answer(seen, asked, action, record.body.get("payload"))

    def _fact(self, seen: StationSeen, action: str, payload: Any) -> Fact | None:
        try:
            return codec(seen.version).read_fact(action, payload if isinstance(payload, dict) else {}, self.calendar)
        except (Unreadable, ValueError):
            return None

    def _learn(self, seen: StationSeen, fact: Fact | None, seq: int) -> None:
        match fact:
            case Booted():
                seen.boots += 1
                seen.last_boot, seen.boot_accepted = fact, False
            case StatusChanged() if fact.evse:
                seen.status[fact.evse] = fact.status
            case AuthorizeAsked():
                seen.asked.append(fact.token)
            case TransactionStarted() | Metered() | ChargingStateChanged() | TransactionEnded():
                self._learn_transaction(seen, fact, seq)
            case LimitImposed() | LimitReleased():
                seen.limits[fact.evse] = fact.source if isinstance(fact, LimitImposed) else ""
            case ReservationEnded():
                seen.reservations[fact.id] = fact.why
            case _:
                pass

    def _learn_transaction(self, seen: StationSeen, fact: OfTransaction, seq: int) -> None:
        mine = [t for t in seen.transactions if t.tx == fact.tx and not t.over] if fact.tx is not None else []
        match fact:
            case TransactionStarted():
                if not any(_same(t, fact) for t in seen.transactions):
                    begun = TxSeen(fact.evse, fact.token, fact.register_wh, fact.tx, began_seq=seq, at=fact.at)
                    begun.told.append(self._told(seen, fact, fact.at, seq))
                    seen.transactions.append(begun)
            case Metered():
                if fact.samples:
                    seen.told[fact.evse] = fact.samples[-1]
                for one in mine[:1]:
                    one.readings += 1
                    one.told.extend(self._told(seen, fact, sample.t, seq) for sample in fact.samples[-1:])
            case ChargingStateChanged():
                seen.status[fact.evse] = fact.status
                for one in mine:
                    one.told.append(self._told(seen, fact, fact.at, seq))
            case TransactionEnded():
                for one in mine:
                    one.ended_wh = fact.register_wh if math.isfinite(fact.register_wh) else -1.0
                    one.reason, one.ended_seq, one.ended_at = fact.reason, seq, fact.at
                    one.told.append(self._told(seen, fact, fact.at, seq))

    def _told(self, seen: StationSeen, fact: OfTransaction, at: float, seq: int) -> Told:
        return Told(type(fact).__name__, at, fact.offline if codec(seen.version).TELLS_OFFLINE else None, seq)

    def _answer(self, seen: StationSeen, fact: Fact, action: str, payload: Any) -> None:
        try:
            answer = codec(seen.version).read_answer(action, payload if isinstance(payload, dict) else {}, self.calendar)
        except (Unreadable, ValueError):
            return
        if isinstance(fact, Booted):
            seen.boot_accepted = getattr(answer, "status", "") == "Accepted"
        elif isinstance(fact, AuthorizeAsked) and isinstance(answer, TokenAnswer):
            seen.tokens[fact.token] = answer.status
        elif isinstance(fact, TransactionStarted) and isinstance(answer, TokenAnswer):
            for one in seen.transactions:
                if one.token == fact.token and one.evse == fact.evse and not one.over and one.tx in (None, answer.tx, fact.tx):
                    one.tx = answer.tx or fact.tx
                    one.accepted = answer.accepted

    # --- waiting ------------------------------------------------------------------------------------------------

    async def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait until the condition holds; False when it still does not at the end of the last instant of `within_s`."""
        if holds():
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = (holds, future)
        self._waiting.append(entry)

        def late() -> None:
            if not future.done():
                future.set_result(False)
            if entry in self._waiting:
                self._waiting.remove(entry)

        self.lab.world.call(self.lab.world.now + within_s, late, late=True)
        return await future

    async def sleep(self, seconds: float) -> None:
        await self.until(lambda: False, seconds)

    def clock(self, t: float) -> str:
        """Local time of an instant, for people."""
        return self.calendar.local(t).strftime("%H:%M:%S")


def _same(one: TxSeen, fact: TransactionStarted) -> bool:
    """A start told again: after a lost answer a station repeats it, with the same time, token and EVSE."""
    if fact.tx is not None and one.tx == fact.tx:
        return True
    return (one.evse, one.token) == (fact.evse, fact.token) and abs(one.at - fact.at) < 0.5
