"""The reference CSMS: the machine `csms`. Boots, authorises, keeps transactions, sends commands.

With an `operator` it also runs the site by its rulebook; without, it is the plain CSMS a conformance case needs. It knows only what
stations tell and what meters show.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from chargekit.controller import answers
from chargekit.controller.admission import Doors
from chargekit.controller.peer import EvseKnown, Peer
from chargekit.controller.recovery import Memory
from chargekit.controller.security_desk import Certify, certificate_for
from chargekit.model.calendar import Calendar
from chargekit.model.profile import ChargingProfile, Purpose, profile_of
from chargekit.model.session import Session as ChargingSession
from chargekit.model.site import Site
from chargekit.wire import VERSIONS, Unreadable, codec
from chargekit.wire.messages import (
    Alive,
    AliveAnswer,
    Answer,
    AuthorizeAsked,
    BootAnswer,
    Booted,
    ChargingStateChanged,
    ClearProfile,
    Command,
    CommandReply,
    CompositeReply,
    Done,
    Fact,
    KeysReply,
    ListedToken,
    ListVersionReply,
    Metered,
    Other,
    RemoteStart,
    RemoteStop,
    Reply,
    SendLocalList,
    SetProfile,
    StatusChanged,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
)  # fmt: skip
from chargekit.wire.session import Answered, AnswerRefused, Called, Garbled, Happening, Refused, Sent, Session, Strange, Unanswered
from chargekit.world.events import Closed, Effect, Event, Frame, Hand, Hangup, Note, Opened, Send, Wake, Words

CALL_TIMEOUT_S = 15.0
Asked = tuple[Command, object]
"""What a call carries along: the command, and for whom it was sent."""
HEARTBEAT_S = 300
MOST_STARTED, MOST_HELD = 256, 32
"""Of one station: transactions whose ids are kept, authorisations held back at a time."""


class Leading(Protocol):
    """What an operator is to the CSMS. Each call may add effects and send commands through it."""

    @property
    def due(self) -> float | None: ...

    def linked(self, peer: Peer, up: bool, now: float, out: list[Effect]) -> None: ...
    def told(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> None: ...
    def replied(self, peer: Peer, context: object, reply: CommandReply | None, now: float, out: list[Effect]) -> None: ...
    def measured(self, words: Words, now: float, out: list[Effect]) -> None: ...
    def hand(self, hand: Hand, now: float, out: list[Effect]) -> bool: ...
    def token_answer(self, peer: Peer, token: str, now: float) -> TokenAnswer | None: ...
    def wake(self, now: float, out: list[Effect]) -> None: ...


class Controller:
    """Events in, effects out. A peer's input never raises; what it says wrong is noted once per station and kind."""

    def __init__(self, site: Site, calendar: Calendar, rng: random.Random, back_at: float | None = None) -> None:
        self.site, self.calendar, self.rng = site, calendar, rng
        self.reached: dict[str, None] = {}
        self.peers = {s.id: Peer(s, {e.id: EvseKnown(e) for e in s.model.evses}) for s in site.stations}
        self.back_at = back_at
        self.operator: Leading | None = None
        self.memory: Memory | None = None
        self.doors: Doors | None = None
        self.certify: Certify | None = None
        self.statuses: dict[str, TokenAnswer] = {}
        self.held: list[tuple[float, str, str, AuthorizeAsked]] = []
        self.refusals: dict[tuple[str, str], int] = {}
        """How many more messages of a kind of `wire.messages` a station's are answered with an error."""
        self._deadlines: deque[tuple[float, str]] = deque()
        self.next_tx = 1

    @property
    def due(self) -> float | None:
        first = self._deadlines[0][0] if self._deadlines else math.inf
        leading = self.operator.due if self.operator is not None else None
        if leading is not None and leading < first:
            first = leading
        for until, *_ in self.held:
            first = min(first, until)
        return first if first < math.inf else None

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        out: list[Effect] = []
        match event:
            case Frame():
                peer = self.peers.get(event.peer)
                if peer is not None and peer.session is not None:
                    self._happened(peer, peer.session.receive(event.text, now), now, out)
                    self._flush(peer, out)
            case Words():
                if self.operator is not None:
                    self.operator.measured(event, now, out)
            case Opened():
                self._opened(event, now, out)
            case Closed():
                self._closed(event, now, out)
            case Hand():
                self._hand(event, now, out)
            case Wake():
                self._wake(now, out)
            case _:
                pass
        if self.memory is not None:
            out[:0] = self.memory.saves(event)
        return out

    # --- links --------------------------------------------------------------------------------------------------

    def _opened(self, event: Opened, now: float, out: list[Effect]) -> None:
        peer = self.peers.get(event.peer)
        if peer is None or event.version not in VERSIONS:
            out.append(Hangup(event.peer, 1002, "not known here"))
            return
        if peer.session is not None:
            self._happened(peer, peer.session.lost(now), now, out)
        peer.lives += 1
        peer.version = event.version
        # Message ids never repeat for a station (OCPP-J 4.1.4): not over a life of this controller either.
        prefix = f"c{peer.lives}-" if self.back_at is None else f"c{int(self.back_at * 1000)}.{peer.lives}-"
        peer.session = Session(
            "csms", event.version, prefix=prefix, call_timeout_s=CALL_TIMEOUT_S, supported=answers.answered(event.version)
        )
        if self.operator is not None:
            self.operator.linked(peer, True, now, out)
            if self.memory is not None:
                self.memory.linked(peer, now, out)
            self._flush(peer, out)

    def _closed(self, event: Closed, now: float, out: list[Effect]) -> None:
        peer = self.peers.get(event.peer)
        if peer is None or peer.session is None:
            return
        session, peer.session = peer.session, None
        self.held = [h for h in self.held if h[1] != event.peer]
        self._happened(peer, session.lost(now), now, out)
        if self.operator is not None:
            self.operator.linked(peer, False, now, out)

    def _flush(self, peer: Peer, out: list[Effect]) -> None:
        if peer.session is not None:
            for text in peer.session.outgoing():
                out.append(Send(peer.spec.id, text))

    def _wake(self, now: float, out: list[Effect]) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            peer = self.peers[self._deadlines.popleft()[1]]
            if peer.session is not None:
                self._happened(peer, peer.session.expire(now), now, out)
                self._flush(peer, out)
                if peer.session.due is not None and not any(n == peer.spec.id for _, n in self._deadlines):
                    self._deadlines.append((max(peer.session.due, now + 0.001), peer.spec.id))
        for until, name, ident, fact in [h for h in self.held if h[0] <= now]:
            self.held.remove((until, name, ident, fact))
            self._answer_token(self.peers[name], ident, fact, TokenAnswer("Blocked"), out)
        if self.operator is not None and self.operator.due is not None and self.operator.due <= now:
            self.operator.wake(now, out)

    # --- what comes over the wire -------------------------------------------------------------------------------

    def _happened(self, peer: Peer, happenings: Sequence[Happening], now: float, out: list[Effect]) -> None:
        for one in happenings:
            match one:
                case Called():
                    self._called(peer, one, now, out)
                case Answered():
                    self._answered(peer, one, now, out)
                case Refused():
                    self._unmet(peer, one.context, f"{one.code}", now, out)
                case Unanswered():
                    self._unmet(peer, one.context, one.why, now, out)
                case Sent():
                    for problem in one.problems[:1]:
                        self.finding(peer, f"{one.action}: {problem.code}", f"{problem.path}: {problem.message}", out)
                    wrong = answers.hear_stream(self._asked(peer, one.payload, now)) if not one.problems else ""
                    if wrong:
                        self.finding(peer, f"{one.action}: unusable", wrong, out)
                case AnswerRefused():
                    self.finding(peer, f"{one.action} answer refused", f"{one.code}: {one.description}", out)
                case Garbled():
                    self.finding(peer, "garbled frame", one.why, out)
                case Strange():
                    self.finding(peer, "stray frame", one.why, out)

    def finding(self, peer: Peer, kind: str, detail: str, out: list[Effect]) -> None:
        """Note what a station says wrong, once per station and kind."""
        if kind not in peer.found:
            peer.found[kind] = None
            out.append(Note("controller", peer.spec.id, "finding", {"kind": kind, "detail": detail[:300]}))

    def _called(self, peer: Peer, called: Called, now: float, out: list[Effect]) -> None:
        assert peer.session is not None
        for problem in called.problems[:1]:
            self.finding(peer, f"{called.action}: {problem.code}", f"{problem.path}: {problem.message}", out)
        reader = codec(peer.version)
        try:
            fact = reader.read_fact(called.action, called.payload, self.calendar)
        except Unreadable as why:
            self.finding(peer, f"{called.action}: {why.code}", why.text, out)
            peer.session.refuse(called.id, why.code, why.text[:200])
            return
        ordered = (peer.spec.id, type(fact).__name__)
        if self.refusals.get(ordered, 0) > 0:
            self.refusals[ordered] -= 1
            peer.session.refuse(called.id, "InternalError", "refused by order of the bench")
            return
        if isinstance(fact, AuthorizeAsked):
            said = self._token_answer(peer, fact.token, now)
            if said is None and sum(held[1] == peer.spec.id for held in self.held) >= MOST_HELD:
                said = TokenAnswer("Blocked")
            if said is None:
                self.held.append((now + 10.0, peer.spec.id, called.id, fact))
            else:
                self._answer_token(peer, called.id, fact, said, out)
            return
        answer = self._learn(peer, fact, now, out)
        try:
            told = answers.answer_to(fact.action, self._asked(peer, fact.payload, now)) if isinstance(fact, Other) else None
            peer.session.answer(called.id, reader.write_answer(fact, answer, self.calendar, told))
        except ValueError as why_not:
            # No valid answer can be made of what it left out or got wrong.
            peer.session.refuse(called.id, called.problems[0].code if called.problems else "InternalError", str(why_not)[:200])
        if isinstance(fact, Other):
            self._flush(peer, out)
            self._secure(peer, fact, now, out)
        if self.operator is not None:
            self._flush(peer, out)
            self.operator.told(peer, fact, now, out)
            if self.memory is not None:
                self.memory.told(peer, fact, now, out)

    def _asked(self, peer: Peer, payload: dict[str, Any], now: float) -> answers.Asked:
        return answers.Asked(peer.version, payload, peer.told, now, self.calendar, certifies=self.certify is not None)

    def _secure(self, peer: Peer, fact: Other, now: float, out: list[Effect]) -> None:
        """A security event is noted; a request for a certificate is signed and sent back, where we have somebody who signs."""
        if fact.action == "SecurityEventNotification":
            body = {"event": str(fact.payload.get("type", ""))[:50], "info": str(fact.payload.get("techInfo", ""))[:255]}
            out.append(Note("controller", peer.spec.id, "security_event", body))
        elif fact.action == "SignCertificate" and self.certify is not None:
            command = certificate_for(peer.spec.id, peer.version, fact, self.certify, now)
            if command is not None:
                self.command(peer, command, now, out)

    def _answer_token(self, peer: Peer, ident: str, fact: AuthorizeAsked, said: TokenAnswer, out: list[Effect]) -> None:
        if peer.session is None:
            return
        peer.session.answer(ident, codec(peer.version).write_answer(fact, said, self.calendar))
        self._flush(peer, out)

    def release(self, peer: Peer, now: float, out: list[Effect]) -> None:
        """Answer the authorisations that were held back for this station."""
        for held in [h for h in self.held if h[1] == peer.spec.id]:
            said = self._token_answer(peer, held[3].token, now)
            if said is not None:
                self.held.remove(held)
                self._answer_token(peer, held[2], held[3], said, out)

    def _token_answer(self, peer: Peer, token: str, now: float) -> TokenAnswer | None:
        """What a token is answered; None: hold the answer back for a moment."""
        if token in self.statuses:
            return self.statuses[token]
        return self.operator.token_answer(peer, token, now) if self.operator is not None else TokenAnswer("Accepted")

    def _learn(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> Answer:
        match fact:
            case Booted():
                peer.booted = True
                return BootAnswer("Accepted", now, HEARTBEAT_S)
            case Alive():
                return AliveAnswer(now)
            case StatusChanged():
                if fact.evse in peer.evses:
                    peer.evses[fact.evse].status = fact.status
                if fact.at is not None:
                    peer.offset_s = fact.at - now
                return Done()
            case TransactionStarted():
                return self._started_tx(peer, fact, now)
            case TransactionEnded():
                return self._ended_tx(peer, fact, now)
            case Metered():
                self._metered(peer, fact, now)
                return Done()
            case ChargingStateChanged():
                if fact.evse in peer.evses:
                    peer.evses[fact.evse].status = fact.status
                return Done()
            case _:
                return Done()

    def _started_tx(self, peer: Peer, fact: TransactionStarted, now: float) -> TokenAnswer:
        said = self._token_answer(peer, fact.token, now) or TokenAnswer("Accepted")
        key = (
            fact.evse,
            fact.token,
            round(fact.at, 3),
            fact.register_wh if fact.register_wh == fact.register_wh else None,
        )
        tx = fact.tx or peer.started.get(key)
        if tx is None:
            tx, self.next_tx = str(self.next_tx), self.next_tx + 1
        peer.started[key] = tx
        if len(peer.started) > MOST_STARTED:
            del peer.started[next(iter(peer.started))]
        known = peer.evses.get(fact.evse)
        if known is not None:
            began = 0.0 if fact.register_wh != fact.register_wh else fact.register_wh
            known.session = ChargingSession(peer.spec.id, fact.evse, fact.token, tx, fact.at, began)
        if not fact.offline and abs(fact.at - now) < 3600.0:
            peer.offset_s = fact.at - now
        return replace(said, tx=tx)

    def _ended_tx(self, peer: Peer, fact: TransactionEnded, now: float) -> Answer:
        """A station keeps what it is told of the token that ended a transaction (C10.FR.04): it is told how things stand."""
        if self.memory is not None:
            self.memory.ended(peer, fact)
        for known in peer.evses.values():
            if known.session is not None and known.session.tx == fact.tx:
                known.session, known.sample = None, None
        return Done() if fact.token is None else self._token_answer(peer, fact.token, now) or TokenAnswer("Accepted")

    def _metered(self, peer: Peer, fact: Metered, now: float) -> None:
        known = peer.evses.get(fact.evse)
        if known is None or not fact.samples:
            return
        sample = fact.samples[-1]
        if all(math.isfinite(a) for a in sample.current_a):
            known.sample, known.read_at = sample, sample.t - peer.offset_s

    # --- commands -----------------------------------------------------------------------------------------------

    def command(self, peer: Peer, command: Command, now: float, out: list[Effect], context: object = None) -> bool:
        """Send a command; its outcome reaches the operator, or the History for a case, under `context`. False: no link."""
        if peer.session is None:
            return False
        action, payload = codec(peer.version).write_command(command, self.calendar)
        peer.session.call(action, payload, now, (command, context))
        if self.doors is not None:
            self.doors.asked(peer.spec.id, command)
        self._deadlines.append((now + CALL_TIMEOUT_S, peer.spec.id))
        self._flush(peer, out)
        return True

    def _answered(self, peer: Peer, one: Answered, now: float, out: list[Effect]) -> None:
        command, context = cast(Asked, one.context)
        for problem in one.problems[:1]:
            self.finding(peer, f"{one.action} reply: {problem.code}", f"{problem.path}: {problem.message}", out)
        try:
            reply = codec(peer.version).read_reply(command, one.payload, self.calendar)
        except Unreadable as why:
            self.finding(peer, f"{one.action} reply: {why.code}", why.text, out)
            self._unmet(peer, one.context, why.text, now, out)
            return
        self._tell(peer, command, context, reply, "", now, out)

    def _unmet(self, peer: Peer, context: object, why: str, now: float, out: list[Effect]) -> None:
        command, mine = cast(Asked, context)
        self._tell(peer, command, mine, None, why, now, out)

    def _tell(
        self, peer: Peer, command: Command, context: object, reply: CommandReply | None, why: str, now: float, out: list[Effect]
    ) -> None:
        if self.doors is not None:
            self.doors.told(peer.spec.id, command, reply)
        if isinstance(reply, Reply) and reply.accepted:
            peer.told.taken(command, peer.version, self.calendar)
        if isinstance(context, str):
            body = {"ask": context, "command": type(command).__name__, "why": why, **reply_body(reply)}
            out.append(Note("controller", peer.spec.id, "reply", body))
        elif self.memory is not None and isinstance(context, tuple) and context[0] == "recover":
            self.memory.replied(peer, context[1], context[2], reply, now, out)
        elif self.operator is not None:
            self.operator.replied(peer, context, reply, now, out)

    # --- hands --------------------------------------------------------------------------------------------------

    def _hand(self, hand: Hand, now: float, out: list[Effect]) -> None:
        args = hand.args
        if self.operator is not None and self.operator.hand(hand, now, out):
            return
        if hand.verb == "authorise":
            self.statuses[str(args["token"])] = TokenAnswer(
                str(args.get("status", "Accepted")), group=str(args.get("group", "")), until=args.get("until")
            )
        elif hand.verb == "send_raw":
            if self.peers[str(args["station"])].session is not None:
                out.append(Send(str(args["station"]), str(args["text"])))
        elif hand.verb == "refuse":
            self.refusals[str(args["station"]), str(args["message"])] = int(args["times"])
        elif hand.verb == "command":
            peer = self.peers[str(args["station"])]
            ask = str(args["ask"])
            command = command_of(args["command"], peer)
            try:
                sent = command is not None and self.command(peer, command, now, out, ask)
            except ValueError as unsaid:
                body = {"ask": ask, "why": str(unsaid), "unsaid": True, **reply_body(None)}
                out.append(Note("controller", peer.spec.id, "reply", body))
                return
            if not sent:
                why = "no link" if command is not None else "no transaction"
                out.append(Note("controller", peer.spec.id, "reply", {"ask": ask, "why": why, **reply_body(None)}))


def reply_body(reply: CommandReply | None) -> dict[str, Any]:
    """A reply as plain data."""
    match reply:
        case None:
            return {"status": ""}
        case Reply():
            return {"status": reply.status, "reason": reply.reason}
        case CompositeReply():
            periods = [[p.start_s, p.limit] for p in reply.periods]
            return {"status": reply.status, "periods": periods, "unit": reply.unit}
        case KeysReply():
            return {"status": "Accepted", "values": reply.values, "unknown": list(reply.unknown)}
        case ListVersionReply():
            return {"status": "Accepted", "version": reply.version}


def command_of(data: Mapping[str, Any], peer: Peer) -> Command | None:
    """A command from plain data: `kind` and its fields. A profile for the running transaction says `transaction: current`;
    None when there is none."""
    from chargekit.wire import messages

    fields = {k: v for k, v in data.items() if k != "kind"}
    kind: type[Any] = getattr(messages, data["kind"])
    evse = peer.evses.get(int(fields.get("evse") or 1))
    tx = evse.session.tx if evse and evse.session else None
    if kind is RemoteStop and fields.get("tx") == "current":
        fields.pop("evse", None)
        if tx is None:
            return None
        fields["tx"] = tx
    if fields.get("profile") is not None:
        fields["profile"] = _profile(fields["profile"], tx if kind is SetProfile else None)
        if fields["profile"] is None:
            return None
    if kind is ClearProfile and fields.get("purpose") is not None:
        fields["purpose"] = Purpose(fields["purpose"])
    if kind is SendLocalList:
        fields["tokens"] = tuple(ListedToken(**one) for one in fields.get("tokens", ()))
    if kind is RemoteStart:
        fields.setdefault("remote_start_id", 1)
    return kind(**fields)  # type: ignore[no-any-return]


def _profile(data: Mapping[str, Any], tx: str | None) -> ChargingProfile | None:
    wanted = data.get("transaction")
    if wanted == "current":
        if tx is None:
            return None
        data = {**data, "transaction": tx}
    return profile_of(data)
