"""How transaction messages reach the CSMS: kept, in order, one at a time, tried again (1.6 section 3.7.1; E04, E13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chargekit.emulator.queue import MessageQueue, More, Queued, overlaid
from chargekit.emulator.tokens import found_info
from chargekit.model.points import point
from chargekit.wire.messages import Fact, TokenAnswer, TransactionEnded, TransactionStarted
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


class Delivering:
    """The message queue of a Station; mixed into it."""

    def call(self: Station, fact: Fact, now: float, context: object, more: More | None = None) -> None:  # type: ignore[misc]
        """Send a fact that need not survive, with `more` laid over what the codec writes."""
        action, payload = self.codec.write_fact(fact, self.calendar)
        self.session.call(action, overlaid(payload, more) if more else payload, now, context)

    def enqueue(self: Station, ref: str, fact: Queued, now: float, out: list[Effect], more: More | None = None) -> None:  # type: ignore[misc]
        """Keep a transaction message, then send it as soon as its turn comes."""
        if not (self.online and self.accepted):
            if not self.keeps_offline(fact):
                return
            if self.marks_offline(fact):
                fact = self.queue.mark_offline(fact)
        out.extend(self.queue.put(ref, fact, more))
        self._next_message(now, out)

    @point("station.marks_offline")
    def marks_offline(self: Station, fact: Queued) -> bool:  # type: ignore[misc]
        """Whether what happened offline says so (E04.FR.03, E12.FR.02)."""
        return True

    @point("station.keeps_offline")
    def keeps_offline(self: Station, fact: Queued) -> bool:  # type: ignore[misc]
        """Whether a message of a transaction is kept while there is no link: each of them (1.6 section 3.7; E04.FR.01)."""
        return True

    @point("station.queue_at_start")
    def queue_at_start(self: Station, saved: Mapping[str, Any]) -> MessageQueue:  # type: ignore[misc]
        """The messages found in memory after power-up (1.6 section 3.7; E04.FR.06)."""
        return MessageQueue(saved)

    @point("station.next_in_queue")
    def next_in_queue(self: Station) -> int:  # type: ignore[misc]
        """Which waiting message goes next: the oldest (1.6 section 3.7; E04.FR.02)."""
        return 0

    @point("station.as_sent")
    def as_sent(self: Station, fact: Queued, now: float) -> Queued:  # type: ignore[misc]
        """A kept message as it is sent: as it happened, with its own time (1.6 section 3.7; E04.FR.02, E12)."""
        return fact

    @point("station.retry_wait_s")
    def retry_wait_s(self: Station, tries: int) -> float | None:  # type: ignore[misc]
        """How long before a message that failed so often is sent again; None: it is given up (1.6 section 3.7.1; E13.FR.02 to FR.04)."""
        if tries >= int(self.keys["TransactionMessageAttempts"]):
            return None
        return float(self.keys["TransactionMessageRetryInterval"]) * tries

    def _next_message(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if self.sending or not (self.online and self.accepted and self.queue.entries) or "retry" in self.timers:
            return
        if ahead := self.next_in_queue():
            entry = self.queue.entries[ahead]
            del self.queue.entries[ahead]
            self.queue.entries.appendleft(entry)
        number, ref, fact, more = self.queue.entries[0]
        # The number of a transaction whose start was never answered (1.6 errata 4.0, 3.18).
        tx: str | None = self.txids.get(ref, "-1") if self.generation.assigned else ref
        if self.generation.assigned and isinstance(fact, TransactionStarted):
            tx = None
        self.sending = True
        self.call(self.queue.named(self.as_sent(fact, now), tx), now, ("tx", number), more)

    def _undelivered(self: Station, lost: bool, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The message in flight failed. A lost link is no failure to process it."""
        self.sending = False
        if lost or not self.queue.entries:
            return
        self.queue.tries += 1
        wait = self.retry_wait_s(self.queue.tries)
        if wait is None:
            out.extend(self.queue.done())
            self._next_message(now, out)
        else:
            self.timers["retry"] = now + wait

    def _delivered(self: Station, answer: object, payload: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        _, ref, fact, more = self.queue.entries[0]
        self.sending = False
        token = _token_of(fact, more)
        if token:
            self.learn_token(token, payload, now, out)
        outlet = self.outlets.get(fact.evse)
        running = outlet is not None and outlet.tx is not None and outlet.tx.ref == ref
        invalid = False
        if isinstance(fact, TransactionStarted) and isinstance(answer, TokenAnswer) and self.generation.assigned and answer.tx is not None:
            self.txids[ref] = answer.tx
            out.append(Save(f"id/{ref}", answer.tx))
        if running:
            assert outlet is not None and outlet.tx is not None
            tx, info = outlet.tx, found_info(payload, self.calendar, self.own(now))
            if isinstance(fact, TransactionStarted) or not self.generation.assigned:
                tx.id = self.txids.get(ref, ref)
            if info is not None and info.group:
                tx.group = info.group
            if isinstance(cost := payload.get("totalCost"), (int, float)):
                tx.cost = float(cost)
            out.append(Save(f"tx/{fact.evse}", tx.to_json()))
            invalid = bool(token) and info is not None and not info.accepted and not self.may_start(token, False)
        out.extend(self.queue.done())
        if isinstance(fact, TransactionEnded) and ref in self.txids:
            del self.txids[ref]
            out.append(Save(f"id/{ref}", None))
        if invalid and outlet is not None:
            self.invalidated(outlet, now, out)
        elif running and outlet is not None:
            self.take_limits(outlet, payload, now, out)
            self.look_at_limits(outlet, now, out)
        self._next_message(now, out)


def _token_of(fact: Queued, more: More) -> str:
    """Whose token the answer to a message speaks of."""
    bearer = more.get("idToken")
    if isinstance(bearer, Mapping):
        return str(bearer.get("idToken", ""))
    return (fact.token or "") if isinstance(fact, (TransactionStarted, TransactionEnded)) else ""
