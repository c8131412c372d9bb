"""The World: machines on one heap of (time, late, sequence). Synchronous, deterministic, no I/O.

A machine's effects are carried out in order, each before the next is looked at, so that a power cut can fall between
any two (`after_effect`). Everything a machine does is a consequence of an event delivered here.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Any

from .events import Dial, Effect, Event, Feed, Hangup, Json, Load, Machine, Note, Poll, Port, Power, Save, Send, Wake
from .history import History

Rebuild = Callable[[Mapping[str, Json]], Machine]
_WAKE = Wake()
_NO_PORTS: dict[str, Port] = {}


class NotAdvancing(RuntimeError):
    """A machine was woken and wants to be woken again at once: it would never let time pass."""


class World:
    """Drives machines through time. `now` starts at 0 and never goes back."""

    def __init__(self, history: History | None = None, *, plant: str = "plant") -> None:
        self.now = 0.0
        self.history = history if history is not None else History()
        self.saved: dict[str, dict[str, Json]] = {}
        self.machines: dict[str, Machine] = {}
        self.after_effect: Callable[[str, Effect], None] | None = None
        self.delivered = 0
        self._plant = plant
        self._rebuild: dict[str, Rebuild] = {}
        self._ports: dict[str, dict[str, Port]] = {}
        self._heap: list[tuple[float, int, int, str | None, Event | Callable[[], None]]] = []
        self._instant: deque[tuple[str | None, Event | Callable[[], None]]] = deque()
        """What was posted for the present instant, in order: after what the heap holds for it, before what is late."""
        self._armed: dict[str, float] = {}
        self._seq = 0

    # --- building -----------------------------------------------------------------------------------------------

    def add(self, name: str, machine: Machine, rebuild: Rebuild | None = None) -> None:
        """Add a machine. With `rebuild`, it can lose power: it is then built anew from what it saved."""
        if name in self.machines:
            raise ValueError(f"there is a machine named {name!r} already")
        self.machines[name] = machine
        self.saved.setdefault(name, {})
        if rebuild is not None:
            self._rebuild[name] = rebuild
        self._arm(name, machine.due)

    def connect(self, name: str, peer: str, port: Port) -> None:
        """Give machine `name` its port to `peer`; it outlives power cuts."""
        self._ports.setdefault(name, {})[peer] = port

    # --- time ---------------------------------------------------------------------------------------------------

    def post(self, to: str, event: Event, at: float | None = None) -> None:
        """Deliver `event` to a machine at `at` (default: now). Dropped if the machine has no power then."""
        self._push(self.now if at is None else max(at, self.now), 0, to, event)

    def call(self, at: float, what: Callable[[], None], *, late: bool = False) -> None:
        """Run `what` at a time; `late`: after everything else of that instant, so that a deadline is inclusive."""
        self._push(max(at, self.now), 1 if late else 0, None, what)

    def next(self) -> float:
        """When the next thing happens; infinity if nothing will."""
        if self._instant:
            return self.now
        return self._heap[0][0] if self._heap else math.inf

    def run_until(self, t: float) -> None:
        """Deliver everything due up to and including `t`; then `now` is `t`."""
        heap, instant, step = self._heap, self._instant, self.step
        while (heap and heap[0][0] <= t) or (instant and self.now <= t):
            step()
        self.now = max(self.now, t)

    def step(self) -> None:
        """Deliver the next thing."""
        heap = self._heap
        if self._instant and not (heap and heap[0][0] <= self.now and heap[0][1] == 0):
            to, what = self._instant.popleft()
        else:
            self.now, _, _, to, what = heappop(heap)
        if to is None:
            what()  # type: ignore[operator]
            return
        machine = self.machines.get(to)
        if machine is None:
            return
        if what is not _WAKE:
            self._deliver(to, machine, what)  # type: ignore[arg-type]
            return
        when = self.now
        if self._armed.get(to) == when:
            del self._armed[to]
        due = machine.due
        if due is None or due > when:
            self._arm(to, due)
            return
        due = self._deliver(to, machine, _WAKE)
        if due is not None and due <= when:
            raise NotAdvancing(f"{to} was woken at {when} and wants to be woken at {due}")

    # --- power --------------------------------------------------------------------------------------------------

    def cut(self, name: str) -> None:
        """Drop a machine at once: its links go without a goodbye, the plant sees its contactors open."""
        if self.machines.pop(name, None) is None:
            return
        self._armed.pop(name, None)
        for port in self._ports.get(name, {}).values():
            port.cut(self.now)
        if self._plant in self.machines:
            self.post(self._plant, Load(0, False, 0.0, None, name))

    def restore(self, name: str) -> None:
        """Build a machine that lost power anew from what it saved."""
        if name in self.machines:
            return
        machine = self._rebuild[name](self.saved[name])
        self.machines[name] = machine
        self._arm(name, machine.due)

    # --- inside -----------------------------------------------------------------------------------------------

    def _push(self, when: float, late: int, to: str | None, what: Event | Callable[[], None]) -> None:
        if when == self.now and not late:
            self._instant.append((to, what))
            return
        self._seq += 1
        heappush(self._heap, (when, late, self._seq, to, what))

    def _arm(self, name: str, due: float | None) -> None:
        if due is None:
            return
        armed = self._armed.get(name)
        if armed is None or due < armed:
            due = max(due, self.now)
            if armed is None or due < armed:
                self._armed[name] = due
                self._push(due, 0, name, _WAKE)

    def _deliver(self, name: str, machine: Machine, event: Event) -> float | None:
        """Let a machine have an event and carry out what it wants; when it wants to be woken, None if it is gone."""
        self.delivered += 1
        for effect in machine.on(event, self.now):
            self._do(name, effect)
            if self.after_effect is not None:
                self.after_effect(name, effect)
            if self.machines.get(name) is not machine:
                return None
        due = machine.due
        self._arm(name, due)
        return due

    def _do(self, name: str, effect: Effect) -> None:
        # By class and by frequency: this is done for every effect there is.
        kind = type(effect)
        if kind is Save:
            if effect.value is None:  # type: ignore[union-attr]
                self.saved[name].pop(effect.key, None)  # type: ignore[union-attr]
            else:
                self.saved[name][effect.key] = effect.value  # type: ignore[union-attr]
        elif kind is Note:
            self.history.add(self.now, effect.witness, effect.subject, effect.kind, effect.body)  # type: ignore[union-attr]
        else:
            _CARRY[kind](self, name, effect)

    def _out(self, name: str, effect: Send | Poll | Dial | Hangup) -> None:
        port = self._ports.get(name, _NO_PORTS).get(effect.peer)
        if port is None:
            raise LookupError(f"{name} has no port to {effect.peer!r} for {type(effect).__name__}")
        port.take(effect, self.now)

    def _load(self, name: str, effect: Load) -> None:
        self.post(self._plant, Load(effect.evse, effect.closed, effect.offer_a, effect.offer_w, name, effect.phases, effect.phase))

    def _feed(self, name: str, effect: Feed) -> None:
        self.post(effect.to, effect.supply)

    def _power(self, name: str, effect: Power) -> None:
        if effect.on:
            self.restore(effect.to)
        else:
            self.cut(effect.to)


_CARRY: dict[type, Callable[[World, str, Any], None]] = {
    **dict.fromkeys((Send, Poll, Dial, Hangup), World._out), Load: World._load, Feed: World._feed, Power: World._power,
}  # fmt: skip
