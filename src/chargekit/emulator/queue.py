"""Transaction messages that must not be lost: kept in non-volatile memory, sent in order, one at a time."""

from __future__ import annotations

import math
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


More = dict[str, Any]
"""What a version writes beyond the neutral fact: payload fields, laid over the ones the codec writes (None takes one away)."""


def to_json(ref: str, fact: Queued, more: More | None = None) -> dict[str, Any]:
    """A fact as plain data; by hand, for it is done for every message."""
    body = {name: getattr(fact, name) for name in _NAMES[type(fact)]}
    if isinstance(fact, Metered):
        body["samples"] = [_sample_json(s) for s in fact.samples]
    elif (sample := body.get("sample")) is not None:
        body["sample"] = _sample_json(sample)
    return {"ref": ref, "kind": type(fact).__name__, "fact": body} | ({"more": more} if more else {})


def overlaid(payload: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with more laid over it, tables merged; None takes a field away."""
    merged = dict(payload)
    for name, value in more.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(name), dict):
            merged[name] = overlaid(merged[name], value)
        else:
            merged[name] = overlaid({}, value) if isinstance(value, Mapping) else value
    return merged


def from_json(saved: Mapping[str, Any]) -> tuple[str, Queued, More]:
    data = dict(saved["fact"])
    if saved["kind"] == "Metered":
        data["samples"] = tuple(_sample(s) for s in data["samples"])
    if data.get("sample") is not None:
        data["sample"] = _sample(data["sample"])
    if "status" in data:
        data["status"] = Status(data["status"])
    return saved["ref"], KINDS[saved["kind"]](**data), dict(saved.get("more", {}))


def _sample_json(sample: MeterSample) -> dict[str, Any]:
    """A figure that was left out (NaN) is None: memory holds plain JSON."""
    return {name: _plain(getattr(sample, name)) for name in _NAMES[MeterSample]}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return value if value[0] == value[0] else [None] * len(value)
    return value if value == value else None


def _sample(data: Mapping[str, Any]) -> MeterSample:
    figures = {name: math.nan if data[name] is None else data[name] for name in ("power_w", "energy_wh")}
    lines = {name: tuple(math.nan if v is None else v for v in data[name]) for name in ("current_a", "voltage_v")}
    return MeterSample(**{**data, **figures, **lines})


class MessageQueue:
    """Entries (number, transaction ref, fact, more), oldest first. Every change is also an effect."""

    def __init__(self, saved: Mapping[str, Any]) -> None:
        numbers = sorted(int(key[2:]) for key in saved if key.startswith("q/"))
        self.entries: deque[tuple[int, str, Queued, More]] = deque((n, *from_json(saved[f"q/{n}"])) for n in numbers)
        self._next = int(saved.get("q", numbers[-1] + 1 if numbers else 0))
        self.first = self._next
        """The first number of this power cycle."""
        self.tries = 0

    def put(self, ref: str, fact: Queued, more: More | None = None) -> Iterator[Effect]:
        number, self._next = self._next, self._next + 1
        self.entries.append((number, ref, fact, more or {}))
        yield Save(f"q/{number}", to_json(ref, fact, more))

    def done(self) -> Iterator[Effect]:
        """The head was delivered, or is given up."""
        number, *_ = self.entries.popleft()
        self.tries = 0
        yield Save("q", self._next)
        yield Save(f"q/{number}", None)

    def about(self, ref: str) -> list[Queued]:
        """What waits of one transaction."""
        return [fact for _, of, fact, _ in self.entries if of == ref]

    def shift(self, seconds: float) -> Iterator[Effect]:
        """The clock these messages of this power cycle were stamped by was wrong by so much."""
        for i, (number, ref, fact, more) in enumerate(self.entries):
            if number >= self.first:
                if isinstance(fact, Metered):
                    fact = replace(fact, samples=tuple(replace(s, t=s.t + seconds) for s in fact.samples))
                else:
                    fact = replace(fact, at=fact.at + seconds)
                    if isinstance(fact, TransactionStarted | TransactionEnded) and fact.sample is not None:
                        fact = replace(fact, sample=replace(fact.sample, t=fact.sample.t + seconds))
                self.entries[i] = (number, ref, fact, more)
                yield Save(f"q/{number}", to_json(ref, fact, more))

    def mark_offline(self, fact: Queued) -> Queued:
        return replace(fact, offline=True)

    def named(self, fact: Queued, tx: str | None) -> Queued:
        """The fact with the transaction id the wire wants."""
        return fact if fact.tx == tx else replace(fact, tx=tx)  # type: ignore[arg-type]
