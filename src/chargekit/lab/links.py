"""Links in memory: between a station and its CSMS, and from a reader to a meter, with latency and faults. Pure."""

from __future__ import annotations

import random
from functools import partial
from typing import Protocol, runtime_checkable

from chargekit.lab.tap import Direction, WireTap
from chargekit.model.security import Access
from chargekit.world.driver import World
from chargekit.world.events import Closed, Dial, Fault, Frame, Hangup, MeterSource, Opened, Poll, Send, Words

LATENCY_S = (0.005, 0.05)
_SPREAD_S = LATENCY_S[1] - LATENCY_S[0]
DETECT_S = 5.0
"""How long the far end takes to notice that a peer went without a goodbye (its ping)."""
DIAL_TIMEOUT_S = 3.0
ASTRAY_S = 5.0
METER_LATENCY_S = 0.02
METER_TIMEOUT_S = 1.0


class Knocked(Protocol):
    """A CSMS end with security (`lab.entrance`): None lets a station in, else what it hears."""

    def knock(self, station: str, access: Access) -> tuple[str, Fault] | None: ...


class MemoryLink:
    """A station's link to its CSMS. Frames keep their order; latency is drawn from the link's own generator.

    Faults: `cut` and `mend`; `half_open`, where frames vanish and nobody notices; `delay_s` on top of latency; `loss`, the share of
    frames that never arrive, `twice`, the share that arrive a second time, and `astray`, the share that come up to `ASTRAY_S` late
    and so out of order (TCP would do none of these; a property test wants them).
    """

    def __init__(self, world: World, station: str, csms: str, version: str, rng: random.Random, tap: WireTap) -> None:
        self.world, self.station, self.csms, self.version, self.rng, self.tap = world, station, csms, version, rng, tap
        self.up = True
        self.half_open = False
        self.entrance: Knocked | None = None
        self.delay_s = self.loss = self.twice = self.astray = 0.0
        self.life = 0
        self._dialled = 0
        self.station_open = self.csms_open = False
        self._arrive = {"up": 0.0, "down": 0.0}
        world.connect(station, csms, _End(self, "up"))
        world.connect(csms, station, _End(self, "down"))

    # --- faults -------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """The network goes: both ends lose the connection, and dialling fails until `mend`."""
        self.up = False
        self._drop()

    def mend(self) -> None:
        self.up, self.half_open = True, False

    # --- carrying -----------------------------------------------------------------------------------------------

    def dial(self, now: float, access: Access | None = None) -> None:
        if not self.up:
            self.tap.refused(now)
            self.world.post(self.station, Closed(self.csms, 1006, "no route"), now + DIAL_TIMEOUT_S)
            return
        self.life += 1
        life = self._dialled = self.life
        self.world.call(now + self._latency() * 3, lambda: self._open(life, access or Access()))

    def _open(self, life: int, access: Access) -> None:
        if life != self._dialled or self.station not in self.world.machines:
            return
        self._dialled = 0
        now = self.world.now
        if not self.up or life != self.life or self.csms not in self.world.machines:
            self.world.post(self.station, Closed(self.csms, 1006, "no route"), now)
            return
        refusal = self.entrance.knock(self.station, access) if self.entrance is not None else None
        if refusal is not None:
            self.world.post(self.station, Closed(self.csms, 1006, *refusal), now)
            return
        if self.csms_open:
            self._csms_closes(1006, "replaced")
        self.station_open = self.csms_open = True
        self._arrive = {"up": now, "down": now}
        self.tap.opened(now, self.version)
        self.world.post(self.csms, Opened(self.station, self.version), now)
        self.world.post(self.station, Opened(self.csms, self.version), now)

    def send(self, way: Direction, text: str, now: float) -> None:
        if not (self.station_open if way == "up" else self.csms_open) or self.half_open:
            return
        at = max(self._arrive[way], now + self._latency())
        self._arrive[way] = at
        life = self.life
        if way == "down":
            self.tap.frame(now, way, text)
        if self.loss and self.rng.random() < self.loss:
            return
        if self.astray and self.rng.random() < self.astray:
            at += ASTRAY_S * self.rng.random()
        self.world.call(at, partial(self._deliver, way, text, life))
        if self.twice and self.rng.random() < self.twice:
            self.world.call(at + ASTRAY_S * self.rng.random(), partial(self._deliver, way, text, life))

    def _deliver(self, way: Direction, text: str, life: int) -> None:
        if life != self.life or self.half_open:
            return
        if way == "up" and self.csms_open:
            self.tap.frame(self.world.now, way, text)
            self.world.post(self.csms, Frame(self.station, text))
        elif way == "down" and self.station_open:
            self.world.post(self.station, Frame(self.csms, text))

    def hangup(self, way: Direction, code: int, reason: str, now: float) -> None:
        """This end closes now, the far end once everything sent before has arrived."""
        later = max(now + self._latency(), self._arrive[way])
        life = self.life
        if way == "up" and self.station_open:
            self.station_open = False
            self.world.post(self.station, Closed(self.csms, code, reason), now)
        elif way == "down" and self.csms_open:
            self._csms_closes(code, reason)
        else:
            return
        self.world.call(later, lambda: self._drop(code, reason) if life == self.life else None)

    def lost_power(self, now: float) -> None:
        """The station is dark: its own end is gone at once, the CSMS notices later."""
        self.station_open = False
        self._dialled = 0
        life = self.life
        self.world.call(now + DETECT_S, lambda: self._drop() if life == self.life else None)

    def lost_csms(self, now: float) -> None:
        """The CSMS is gone without a goodbye: the station notices later, and nobody answers a dial until it is back."""
        if self.csms_open:
            self.csms_open = False
            self.tap.closed(now, 1006, "the controller went down")
        life = self.life
        self.world.call(now + DETECT_S, lambda: self._drop() if life == self.life else None)

    def _drop(self, code: int = 1006, reason: str = "") -> None:
        self.life += 1
        if self.station_open:
            self.station_open = False
            self.world.post(self.station, Closed(self.csms, code, reason))
        if self.csms_open:
            self._csms_closes(code, reason)

    def _csms_closes(self, code: int, reason: str) -> None:
        self.csms_open = False
        self.tap.closed(self.world.now, code, reason)
        self.world.post(self.csms, Closed(self.station, code, reason))

    def _latency(self) -> float:
        return LATENCY_S[0] + _SPREAD_S * self.rng.random() + self.delay_s


class _End:
    """One end of a MemoryLink, as the World's Port."""

    def __init__(self, link: MemoryLink, way: Direction) -> None:
        self.link, self.way = link, way

    def take(self, effect: Dial | Hangup | Send | Poll, now: float) -> None:
        match effect:
            case Send():
                self.link.send(self.way, effect.text, now)
            case Dial():
                self.link.dial(now, effect.access)
            case Hangup():
                self.link.hangup(self.way, effect.code, effect.reason, now)
            case _:
                raise TypeError(f"an OCPP link can't carry {effect!r}")

    def cut(self, now: float) -> None:
        if self.way == "up":
            self.link.lost_power(now)
        else:
            self.link.lost_csms(now)


@runtime_checkable
class Slowed(Protocol):
    """A meter that may take its time, or not answer at all (None)."""

    def delay_s(self, now: float) -> float | None: ...


class MemoryMeter:
    """A reader's line to an emulated meter, as the World's Port. `silent`: it does not answer."""

    def __init__(self, world: World, reader: str, meter: str, source: MeterSource) -> None:
        self.world, self.reader, self.meter, self.source = world, reader, meter, source
        self.slowed = source if isinstance(source, Slowed) else None
        self.silent = False
        world.connect(reader, meter, self)

    def take(self, effect: Dial | Hangup | Send | Poll, now: float) -> None:
        if not isinstance(effect, Poll):
            raise TypeError(f"a meter's line can't carry {effect!r}")
        delay = self.slowed.delay_s(now) if self.slowed is not None else 0.0
        if self.silent or delay is None or delay >= METER_TIMEOUT_S:
            self.world.post(self.reader, Words(self.meter, effect.block, None), now + METER_TIMEOUT_S)
            return
        words = self.source.words(effect.block, now)
        reply = None if words is None else tuple(words)
        self.world.post(self.reader, Words(self.meter, effect.block, reply), now + METER_LATENCY_S + delay)

    def cut(self, now: float) -> None:
        pass
