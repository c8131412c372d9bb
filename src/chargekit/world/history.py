"""The one History: an append-only list of what was witnessed, with subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .events import Json, Witness


class Record(NamedTuple):
    """One thing witnessed. `t` in run seconds; `subject` a station, meter, circuit or the site; `kind` what it is."""

    seq: int
    t: float
    witness: Witness
    subject: str
    kind: str
    body: Mapping[str, Json]


class History:
    """Appends records, hands each to its subscribers at once, and keeps them unless `keep` is False."""

    def __init__(self, *, keep: bool = True) -> None:
        self.records: list[Record] = []
        self._keep = keep
        self._seq = 0
        self._all: tuple[Callable[[Record], None], ...] = ()

    def add(self, t: float, witness: Witness, subject: str, kind: str, body: Mapping[str, Json]) -> Record:
        record = Record(self._seq, t, witness, subject, kind, body)
        self._seq += 1
        if self._keep:
            self.records.append(record)
        for hear in self._all:
            hear(record)
        return record

    def subscribe(self, hear: Callable[[Record], None]) -> Callable[[], None]:
        """Call `hear` for each record from now on; returns the call that ends it."""
        self._all = (*self._all, hear)
        return lambda: self._forget(hear)

    def _forget(self, hear: Callable[[Record], None]) -> None:
        left = list(self._all)
        left.remove(hear)
        self._all = tuple(left)
