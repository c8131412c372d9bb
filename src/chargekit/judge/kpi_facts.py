"""What the shared figures are made of: one run's records folded into visits, transactions, states of ports and readings of the grid meter.

Only witnesses count: the wire, the meters, the rig's hands and what the controller noted; never `truth`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final
from zoneinfo import ZoneInfo

from chargekit.judge.kpi_spans import Spans
from chargekit.model.calendar import Calendar
from chargekit.policy.review import Review, review_of
from chargekit.wire import VERSIONS, Unreadable, codec
from chargekit.wire.messages import (
    AuthorizeAsked,
    ChargingStateChanged,
    Fact,
    Metered,
    Status,
    StatusChanged,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
)
from chargekit.world.history import Record

Port = tuple[str, int]
FLOWS_W: Final = 0.9 * 6.0 * 230.0
"""A port that shows so much charges: six amperes on one phase, less a tenth for the meter and the grid's voltage."""
LATE_S: Final = 60.0
"""What is told so much after it happened was told late, and counts from when it happened."""
FINE: Final = {Status.OCCUPIED, Status.PREPARING}
"""2.x says no more of a port that is taken than `Occupied`: the finer state told before holds."""


class NoHead(ValueError):
    """The records don't begin with the site they are of, or its figures can't be used."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a run's head says of its site. `ports`: kW each may give. `limit_kw`: the grid connection's rating."""

    site: str
    type: str
    calendar: Calendar
    ports: Mapping[Port, float]
    root: str
    rating_kw: float
    grid_meters: frozenset[str]
    tokens: tuple[tuple[str, str], ...]
    default_class: str
    review: Review
    policy: str = ""
    seed: str = ""
    days: float = 0.0
    above: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By station, its circuit and all above it."""

    def class_of(self, token: str) -> str:
        """The class the rules give a token; empty for none."""
        for pattern, name in self.tokens:
            if pattern == token:
                return name
        return next((name for pattern, name in self.tokens if fnmatchcase(token, pattern)), self.default_class)


def head_from(body: Mapping[str, Any]) -> Head:
    """The head from the body of a `site` record. NoHead says what is missing."""
    try:
        circuits = body["circuits"]
        root = next(name for name, one in circuits.items() if one["parent"] is None)
        volts = float(body["voltage_v"])
        zone = str(body["zone"])
        ZoneInfo(zone)
        ports = {
            (str(name), int(number)): float(evse["kw"]) for name, one in body["stations"].items() for number, evse in one["evses"].items()
        }
        grid = frozenset(str(name) for name, one in body["meters"].items() if one["circuit"] == root)
        return Head(
            str(body["site"]), str(body["type"]), Calendar(datetime.fromisoformat(body["epoch"]), zone), ports, str(root),
            float(circuits[root]["rating_a"]) * 3 * volts / 1000.0, grid,
            tuple((str(pattern), str(name)) for pattern, name in body["tokens"]), str(body["default_class"] or ""),
            review_of(body["review"]), str(body.get("policy", "")), str(body.get("seed", "")), float(body.get("days", 0.0)),
            {str(name): _path(circuits, one.get("circuit")) for name, one in body["stations"].items()},
        )  # fmt: skip
    except StopIteration:
        raise NoHead("no circuit is the grid connection") from None
    except (KeyError, TypeError, ValueError, AttributeError) as why:
        raise NoHead(f"{type(why).__name__}: {why}") from None


def _path(circuits: Mapping[str, Any], name: Any) -> tuple[str, ...]:
    path: list[str] = []
    while isinstance(name, str) and name in circuits and name not in path:
        path.append(name)
        name = circuits[name]["parent"]
    return tuple(path)


@dataclass(slots=True)
class Tx:
    """A transaction as the wire told it. `curve`: (run s, register Wh), in order. `refused`: its token was not accepted."""

    port: Port
    token: str
    began: float
    curve: list[tuple[float, float]]
    seq: int
    ended: float | None = None
    reason: str = ""
    refused: bool = False

    def wh_at(self, t: float) -> float:
        """The register at a moment, straight between two readings."""
        place = bisect_right(self.curve, (t, math.inf))
        if place == 0 or place == len(self.curve):
            return self.curve[0 if place == 0 else -1][1]
        (t0, a), (t1, b) = self.curve[place - 1], self.curve[place]
        return a + (b - a) * (t - t0) / (t1 - t0)

    @property
    def kwh(self) -> float:
        return (self.curve[-1][1] - self.curve[0][1]) / 1000.0


@dataclass(slots=True)
class Visit:
    """A vehicle at a port. `joined`: when it came to the site, `began`: when it was plugged in, `left`: None while it is there.
    `requested_kwh`, `stated`: what the driver came for and when they said they'd leave; None if they said nothing."""

    port: Port
    joined: float
    began: float
    seq: int
    token: str = ""
    user_class: str = ""
    requested_kwh: float | None = None
    stated: float | None = None
    presented: float | None = None
    accepted: bool | None = None
    left: float | None = None
    left_seq: int | None = None
    txs: list[Tx] = field(default_factory=list)

    @property
    def kwh(self) -> float:
        """What the port's own meter counted in its transactions."""
        return sum(tx.kwh for tx in self.txs)

    @property
    def refused(self) -> bool:
        """The rules did not admit it: an access decision, no failed charge."""
        return self.accepted is False and not any(not tx.refused for tx in self.txs)


@dataclass(slots=True)
class Event:
    """Something that counts by itself: a visitor turned away, an override. `who`: its class, or who did it."""

    t: float
    who: str
    seq: int
    what: str = ""


@dataclass(slots=True)
class IncidentSeen:
    """An incident as the controller noted it: of a subject and kind, from `began` to `over` (None: not over). What came back within its
    time is the same one."""

    subject: str
    kind: str
    category: str
    severity: str
    began: float
    seqs: list[int]
    over: float | None = None


@dataclass(slots=True)
class PortSeen:
    """One port: its states in order, its visits."""

    states: list[tuple[float, Status, int]] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    running: Tx | None = None

    def put(self, t: float, status: Status, seq: int) -> None:
        was = self.states[-1][1] if self.states else None
        fine = was in (Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE)
        if status is not was and not (fine and status in FINE and self.running is not None):
            self.states.append((max(t, self.states[-1][0] if self.states else 0.0), status, seq))

    def spans(self, of: frozenset[Status], begin: float, end: float) -> Spans:
        """When its state was one of these, within the bounds."""
        found: Spans = []
        for n in range(max(0, bisect_right(self.states, begin, key=lambda s: s[0]) - 1), len(self.states)):
            t, status, _ = self.states[n]
            if t >= end:
                break
            till = self.states[n + 1][0] if n + 1 < len(self.states) else end
            low, high = max(t, begin), min(till, end)
            if status in of and high > low:
                found.append((low, high))
        return found

    def at(self, t: float) -> Status | None:
        """Its state just before a moment."""
        return next((status for when, status, _ in reversed(self.states) if when < t), None)


class Facts:
    """The fold of one run. `take` records in their order; `end` is the moment of the last."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.ports: dict[Port, PortSeen] = {port: PortSeen() for port in head.ports}
        self.of: dict[str, list[Port]] = {}
        for port in head.ports:
            self.of.setdefault(port[0], []).append(port)
        self.links: dict[str, list[tuple[float, bool, int]]] = {name: [] for name in self.of}
        self.grid: list[tuple[float, float]] = []
        self.turned_away: list[Event] = []
        self.overrides: list[Event] = []
        self.idle: list[Event] = []
        """Users of idle sessions asked to move, and sessions ended for it: `what` is `asked` or `released`."""
        self.incidents: list[IncidentSeen] = []
        self._open: dict[tuple[str, str], IncidentSeen] = {}
        self.maintenance: set[tuple[str, int]] = set()
        self.end = 0.0
        self.records = 0
        self._version: dict[str, str] = {}
        self._asked: dict[tuple[str, str], Fact | Tx] = {}
        self._by_tx: dict[tuple[str, str], Tx] = {}
        self._coming: dict[Port, Mapping[str, Any]] = {}

    def take(self, record: Record) -> None:
        """Fold one record in. KeyError, TypeError or ValueError for a body that is not of its kind."""
        self.records += 1
        self.end = max(self.end, record.t)
        match record.witness:
            case "wire":
                if record.subject in self.of:
                    self._wire(record)
            case "rig":
                self._rig(record)
            case "meter":
                if record.kind == "sample" and record.subject in self.head.grid_meters:
                    wh = record.body["energy_wh"]
                    # A meter that shows no figure is recorded as null.
                    if wh is not None:
                        self.grid.append((record.t, float(wh)))
            case "controller":
                if record.kind == "override":
                    self._override(record)
                elif record.kind == "incident":
                    self._incident(record)
                elif record.kind == "idle":
                    self.idle.append(Event(record.t, str(record.body["class"]), record.seq, str(record.body["what"])))
            case _:
                pass

    @property
    def visits(self) -> Iterator[Visit]:
        """All visits, by the time they began."""
        yield from sorted((v for port in self.ports.values() for v in port.visits), key=lambda v: (v.began, v.port))

    # --- hands --------------------------------------------------------------------------------------------------

    def _rig(self, record: Record) -> None:
        body = record.body
        match record.kind:
            case "arrival":
                self._coming[record.subject, int(body["evse"])] = body
            case "plug":
                self._plugged((str(body["station"]), int(body["evse"])), record)
            case "unplug":
                port = (str(body["station"]), int(body["evse"]))
                self._left(port, record)
            case "turned_away":
                self.turned_away.append(Event(float(body["at"]), str(body["class"]), record.seq, str(body.get("token", ""))))
            case "present":
                visit = self._here((record.subject, int(body["evse"])))
                if visit is not None and visit.presented is None:
                    visit.presented, visit.token = record.t, str(body["token"])
                    visit.user_class = visit.user_class or self.head.class_of(visit.token)
            case _:
                pass

    def _plugged(self, port: Port, record: Record) -> None:
        if port not in self.ports:
            return
        said = self._coming.pop(port, {})
        visit = Visit(port, min(float(said.get("joined", record.t)), record.t), record.t, record.seq)
        if said:
            visit.user_class, visit.token = str(said["class"]), str(said["token"])
            for name in ("requested_kwh", "stated"):
                value = said.get(name)
                setattr(visit, name, None if value is None else float(value))
        self.ports[port].visits.append(visit)

    def _left(self, port: Port, record: Record) -> None:
        visit = self._here(port)
        if visit is not None:
            visit.left, visit.left_seq = record.t, record.seq

    def _here(self, port: Port) -> Visit | None:
        seen = self.ports.get(port)
        return seen.visits[-1] if seen is not None and seen.visits and seen.visits[-1].left is None else None

    def _there(self, port: Port, t: float) -> Visit | None:
        """Who was there at a moment: what a station tells late may be of a vehicle that has gone."""
        return next((v for v in reversed(self.ports[port].visits) if v.began <= t and (v.left is None or t <= v.left)), None)

    # --- the controller -----------------------------------------------------------------------------------------

    def _override(self, record: Record) -> None:
        if "who" in record.body:
            self.overrides.append(Event(record.t, str(record.body["who"]), record.seq, str(record.body.get("id", ""))))

    def _incident(self, record: Record) -> None:
        """One by subject and kind: opened, again, ended. A controller that comes back without memory opens anew what was never closed."""
        body = record.body
        about = (record.subject, str(body["kind"]))
        known = self._open.get(about)
        if known is None and "category" not in body:
            # Something noted in passing (a list refused, a session taken over): nobody is to mend it.
            return
        if body.get("ended"):
            if known is not None and known.over is None:
                known.over = record.t
                known.seqs.append(record.seq)
        elif known is not None and (body.get("again") or known.over is None):
            known.over = None
            known.seqs.append(record.seq)
        else:
            self._open[about] = IncidentSeen(*about, str(body["category"]), str(body["severity"]), record.t, [record.seq])
            self.incidents.append(self._open[about])

    # --- the wire -----------------------------------------------------------------------------------------------

    def _wire(self, record: Record) -> None:
        name = record.subject
        if record.kind == "opened":
            version = str(record.body["version"])
            if version not in VERSIONS:
                raise ValueError(f"version {version!r} is not known")
            self._version[name] = version
            self.links[name].append((record.t, True, record.seq))
            return
        if record.kind == "closed":
            self.links[name].append((record.t, False, record.seq))
            return
        action, _, form = record.kind.rpartition(".")
        way, ident, payload = record.body.get("dir"), str(record.body.get("id")), record.body.get("payload")
        if name not in self._version or not isinstance(payload, dict):
            return
        reader = codec(self._version[name])
        try:
            if form in ("req", "send") and way == "up":
                self._told(record, ident, reader.read_fact(action, payload, self.head.calendar))
            elif form == "conf" and way == "down" and (name, ident) in self._asked:
                self._answered(record, self._asked.pop((name, ident)), reader.read_answer(action, payload, self.head.calendar))
            elif form == "req" and action == "ChangeAvailability" and way == "down":
                self._ordered(name, payload)
        except (Unreadable, ValueError, OverflowError):
            # A station's nonsense is the cases' business; no figure is made of it.
            return

    def _ordered(self, name: str, payload: Mapping[str, Any]) -> None:
        """A port, or the station (0), is put out of service by order."""
        if "Inoperative" in (payload.get("type"), payload.get("operationalStatus")):
            evse = payload.get("evse")
            number = payload.get("connectorId", evse.get("id") if isinstance(evse, dict) else 0)
            self.maintenance.add((name, number if isinstance(number, int) else 0))

    def _told(self, record: Record, ident: str, fact: Fact) -> None:
        name = record.subject
        match fact:
            case AuthorizeAsked():
                self._asked[name, ident] = fact
            case StatusChanged():
                self._status(name, fact.evse, self._when(record, fact.at), fact.status, record.seq)
            case ChargingStateChanged():
                self._status(name, fact.evse, self._when(record, fact.at), fact.status, record.seq)
            case TransactionStarted():
                self._started(record, ident, fact)
            case Metered():
                self._metered(record, fact)
            case TransactionEnded():
                self._ended(record, fact)
            case _:
                pass

    def _when(self, record: Record, at: float | None) -> float:
        """When something happened: as witnessed, unless it was told late."""
        return at if at is not None and 0.0 <= at < record.t - LATE_S else record.t

    def _status(self, name: str, evse: int, t: float, status: Status, seq: int) -> None:
        if evse == 0 and status not in (Status.UNAVAILABLE, Status.FAULTED):
            return
        for port in [(name, evse)] if evse else self.of[name]:
            seen = self.ports.get(port)
            if seen is not None:
                seen.put(t, status, seq)
                visit = self._here(port)
                if status is Status.AVAILABLE and visit is not None and visit.seq in self._inferred(visit):
                    visit.left, visit.left_seq = t, seq

    def _inferred(self, visit: Visit) -> tuple[int, ...]:
        """A visit nobody's hand began is known by its transaction alone."""
        return tuple(tx.seq for tx in visit.txs[:1])

    def _started(self, record: Record, ident: str, fact: TransactionStarted) -> None:
        name, t = record.subject, self._when(record, fact.at)
        port = (name, fact.evse)
        if port not in self.ports:
            return
        known = self.ports[port].running
        if known is not None and (known.token, known.began) == (fact.token, t):
            self._asked[name, ident] = known
            return
        wh = fact.register_wh if math.isfinite(fact.register_wh) else 0.0
        tx = Tx(port, fact.token, t, [(t, wh)], record.seq)
        self.ports[port].running = tx
        self._asked[name, ident] = tx
        if fact.tx is not None:
            self._by_tx[name, fact.tx] = tx
        visit = self._there(port, t)
        if visit is not None and visit.left is None and visit.seq in self._inferred(visit):
            # Nobody's hands are recorded here: the vehicle before has gone.
            visit.left, visit.left_seq, visit = max(t, visit.began), record.seq, None
        if visit is None:
            visit = Visit(port, t, t, record.seq, fact.token, self.head.class_of(fact.token), presented=t)
            self.ports[port].visits.append(visit)
        if not visit.user_class:
            visit.token, visit.user_class = fact.token, self.head.class_of(fact.token)
        visit.txs.append(tx)

    def _answered(self, record: Record, asked: Fact | Tx, answer: object) -> None:
        if not isinstance(answer, TokenAnswer):
            return
        if isinstance(asked, Tx):
            if answer.tx is not None:
                self._by_tx[record.subject, answer.tx] = asked
            if answer.status:
                asked.refused = not answer.accepted
            return
        assert isinstance(asked, AuthorizeAsked)
        for port in self.of[record.subject]:
            visit = self._here(port)
            if visit is not None and visit.token == asked.token:
                visit.accepted = answer.accepted

    def _metered(self, record: Record, fact: Metered) -> None:
        port = (record.subject, fact.evse)
        seen = self.ports.get(port)
        tx = self._by_tx.get((record.subject, fact.tx)) if fact.tx is not None else seen.running if seen is not None else None
        for sample in fact.samples:
            t = self._when(record, sample.t)
            if tx is not None and math.isfinite(sample.energy_wh):
                self._curve(tx, t, sample.energy_wh)
            if seen is not None and seen.running is not None and sample.power_w >= FLOWS_W and seen.at(math.inf) in (None, *FINE):
                seen.put(t, Status.CHARGING, record.seq)

    def _curve(self, tx: Tx, t: float, wh: float) -> None:
        last_t, last_wh = tx.curve[-1]
        if tx.ended is None and t > last_t and wh >= last_wh:
            tx.curve.append((t, wh))

    def _ended(self, record: Record, fact: TransactionEnded) -> None:
        tx = self._by_tx.pop((record.subject, fact.tx), None)
        if tx is None or tx.ended is not None:
            return
        t = max(self._when(record, fact.at), tx.curve[-1][0])
        if math.isfinite(fact.register_wh) and fact.register_wh >= tx.curve[-1][1]:
            tx.curve.append((t + 1e-6, fact.register_wh))
        tx.ended, tx.reason = t, fact.reason
        if self.ports[tx.port].running is tx:
            self.ports[tx.port].running = None


def fold(head: Head, records: Iterable[Record]) -> Facts:
    """All of a run's records at once."""
    facts = Facts(head)
    for record in records:
        facts.take(record)
    return facts
