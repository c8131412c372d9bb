"""Transaction messages that must not be lost: kept in non-volatile memory, sent in order, one at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from chargekit.model.metering import MeterSample
from chargekit.wire.messages import ChargingStateChanged, Metered, Status, TransactionEnded, TransactionStarted
from chargekit.world.events import Effect, Save

KINDS = {k.__name__: k for k in (TransactionStarted, Metered, ChargingStateChanged, TransactionEnded)}
Queued = TransactionStarted | Metered | ChargingStateChanged | TransactionEnded


_NAMES = {k: tuple(f.name for f in fields(k)) for k in (*KINDS.values(), MeterSample)}


def to_json(ref: str, fact: Queued) -> dict[str, Any]:
    """A fact as plain data; by hand, for it is done for every message."""
    body = {name: getattr(fact, name) for name in _NAMES[type(fact)]}
    if isinstance(fact, Metered):
        body["samples"] = [{name: getattr(s, name) for name in _NAMES[MeterSample]} for s in fact.samples]
    return {"ref": ref, "kind": type(fact).__name__, "fact": body}


def from_json(saved: Mapping[str, Any]) -> tuple[str, Queued]:
    data = dict(saved["fact"])
    if saved["kind"] == "Metered":
        data["samples"] = tuple(_sample(s) for s in data["samples"])
    if "status" in data:
        data["status"] = Status(data["status"])
    return saved["ref"], KINDS[saved["kind"]](**data)


def _sample(data: Mapping[str, Any]) -> MeterSample:
    return MeterSample(**{**data, "current_a": tuple(data["current_a"]), "voltage_v": tuple(data["voltage_v"])})


class MessageQueue:
    """Entries (number, transaction ref, fact), oldest first. Every change is also an effect."""

    def __init__(self, saved: Mapping[str, Any]) -> None:
        numbers = sorted(int(key[2:]) for key in saved if key.startswith("q/"))
        self.entries: deque[tuple[int, str, Queued]] = deque((n, *from_json(saved[f"q/{n}"])) for n in numbers)
        self._next = int(saved.get("q", numbers[-1] + 1 if numbers else 0))
        self.tries = 0

    def put(self, ref: str, fact: Queued) -> Iterator[Effect]:
        number, self._next = self._next, self._next + 1
        self.entries.append((number, ref, fact))
        yield Save(f"q/{number}", to_json(ref, fact))

    def done(self) -> Iterator[Effect]:
        """The head was delivered, or is given up."""
        number, _, _ = self.entries.popleft()
        self.tries = 0
        yield Save("q", self._next)
        yield Save(f"q/{number}", None)

    def mark_offline(self, fact: Queued) -> Queued:
        return replace(fact, offline=True)

    def named(self, fact: Queued, tx: str | None) -> Queued:
        """The fact with the transaction id the wire wants."""
        return fact if fact.tx == tx else replace(fact, tx=tx)  # type: ignore[arg-type]
