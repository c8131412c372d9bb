"""The bench's own reading of every meter: the machine `bench`. It notes what meters show and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from chargekit.model.site import MeterPoint
from chargekit.wire.modbus import Block
from chargekit.wire.registers import register_map
from chargekit.world.events import Effect, Event, Hand, Note, Poll, Wake, Words


class Instruments:
    """Polls meters each `every_s` seconds on a grid; notes a `sample`, or `silent` once when a meter stops answering.

    A meter is asked again once its last reading is complete: a slow one shows fewer readings, not torn ones. The hand `read_every`
    changes how often those of stations are read; those of circuits, where a rating is at stake, never rest.
    """

    def __init__(self, meters: Sequence[MeterPoint], every_s: float = 1.0) -> None:
        self.every_s = self.stations_s = every_s
        self._single = frozenset(m.id for m in meters if m.circuit is None)
        self.due: float | None = 0.0 if meters else None
        self._maps = {m.id: register_map(m.model) for m in meters}
        self._blocks = {m.id: self._maps[m.id].blocks(m.unit) for m in meters}
        self._replies: dict[str, dict[Block, tuple[int, ...] | None]] = {}
        self._silent: set[str] = set()

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        if isinstance(event, Wake):
            self.due = (int(now / self.every_s + 1e-9) + 1) * self.every_s
            turn = self.stations_s <= self.every_s or abs(now / self.stations_s - round(now / self.stations_s)) < 1e-6
            free = [meter for meter in self._blocks if meter not in self._replies and (turn or meter not in self._single)]
            self._replies |= {meter: {} for meter in free}
            return [Poll(meter, block) for meter in free for block in self._blocks[meter]]
        if isinstance(event, Hand) and event.verb == "read_every":
            self.stations_s = float(event.args["seconds"])
            return ()
        if not isinstance(event, Words) or event.peer not in self._replies:
            return ()
        return self._heard(event, now)

    def _heard(self, event: Words, now: float) -> Sequence[Effect]:
        meter = event.peer
        got = self._replies[meter]
        got[event.block] = event.words
        if len(got) < len(self._blocks[meter]):
            return ()
        del self._replies[meter]
        whole = {block: words for block, words in got.items() if words is not None}
        if len(whole) < len(got):
            return self._quiet(meter)
        try:
            sample = self._maps[meter].decode(whole, now)
        except ValueError:
            return self._quiet(meter)
        self._silent.discard(meter)
        body = {
            "current_a": [round(a, 4) for a in sample.current_a], "voltage_v": [round(v, 3) for v in sample.voltage_v],
            "power_w": round(sample.power_w, 3), "energy_wh": round(sample.energy_wh, 3),
        }  # fmt: skip
        return [Note("meter", meter, "sample", body)]

    def _quiet(self, meter: str) -> Sequence[Effect]:
        if meter in self._silent:
            return ()
        self._silent.add(meter)
        return [Note("meter", meter, "silent", {})]
