"""What the circuits' meters show, less what the sessions below them explain: the base load the allocator must leave alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from chargekit.controller.dispatch import Outgoing
from chargekit.controller.peer import Peer
from chargekit.model.limit import NO_AMPS, Limit, PhaseAmps, add
from chargekit.model.metering import MeterSample
from chargekit.model.site import MeterPoint, Site
from chargekit.wire.modbus import Block
from chargekit.wire.registers import register_map
from chargekit.world.events import Poll, Words

AGREE = 2
"""So many readings at least must agree before the base load reckoned with changes, however often stations tell."""
ANSWERED_S = 12.0
"""By then vehicles have followed what was decided on a reading: the message, the pilot, the vehicle's delay and its ramp."""
NOISE_A = 1.0
DOUBTS = 6
"""So many implausible readings in a row and a meter is not believed any more; as many proofs in a row and it is again."""
PROOF_A = 6.0
"""What the sessions must draw at least for a reading to prove anything."""


class CircuitMeters:
    """The meters at circuits. `base`: A by phase at each circuit beside our sessions, in whole amperes."""

    def __init__(self, site: Site, peers: Mapping[str, Peer], plausible: Callable[[str, PhaseAmps, PhaseAmps, float], bool]) -> None:
        self.site, self.peers, self._plausible = site, peers, plausible
        self.outgoing: Callable[[str, int], Outgoing] = lambda station, evse: Outgoing(math.inf)
        self.steady: Callable[[str, int], bool] = lambda station, evse: False
        """Whether a vehicle is known to draw less than it may."""
        self.told_every_s = 0.0
        """How long a station's reading may be old, s."""
        self.doubted: dict[str, int] = {}
        self.points = {m.id: m for m in site.meters if m.circuit is not None}
        self.base: dict[str, PhaseAmps] = {}
        self.newest: dict[str, PhaseAmps] = {}
        """What the last reading alone says of the base load: nobody is raised against it."""
        self.bounds: dict[str, float] = {}
        """What each circuit may carry, A; its rating if not told."""
        self.flows: dict[str, PhaseAmps] = {}
        """A by phase that a meter showed last, believed or not."""
        self.supply: dict[str, tuple[PhaseAmps, PhaseAmps]] = {}
        """V and A by phase that a circuit's meter showed last, believed or not."""
        self.shown: dict[str, tuple[float, PhaseAmps]] = {}
        """What a believed meter showed last: W, and A by phase beside our sessions, negative where the sun gives more than is used."""
        self._maps = {m.id: register_map(m.model) for m in self.points.values()}
        self._below = {m.circuit: site.below(m.circuit) for m in self.points.values() if m.circuit is not None}
        self._replies: dict[str, dict[Block, tuple[int, ...]]] = {}
        self._seen_at: dict[str, float] = {}
        self._last: dict[str, list[tuple[float, PhaseAmps]]] = {}
        self._moved: dict[str, int] = {}
        self._over: dict[tuple[str, int], float] = {}
        """Since when a phase of a circuit carries more than it may, or when that was last answered."""
        self._proofs: dict[str, int] = {}
        self._counted: dict[str, tuple[float, float, float]] = {}

    def polls(self) -> Iterator[Poll]:
        """Ask every meter anew; what is still out from the last time counts no more."""
        self._replies = {}
        for name, point in self.points.items():
            for block in self._maps[name].blocks(point.unit):
                yield Poll(name, block)

    def over(self, meter: str) -> bool:
        """Whether a meter's last reading was over the rating of its circuit."""
        circuit = self.points[meter].circuit if meter in self.points else None
        return circuit is not None and max(self.flows.get(circuit, NO_AMPS)) > self.site.circuits[circuit].rating_a

    def pressing(self, meter: str, could_flow: PhaseAmps) -> bool:
        """Whether a meter's last reading leaves a circuit no room for what could flow through it, and that is news: act at once."""
        circuit = self.points[meter].circuit
        assert circuit is not None
        bound = self._bound(circuit) + 0.05
        return max(could_flow) > bound and (self._moved.get(circuit, 0) > 0 or max(self.flows[circuit]) > bound)

    def keep_within(self, limits: Iterable[Limit]) -> None:
        """What circuits may carry from now on."""
        self.bounds = {}
        for limit in limits:
            self.bounds[limit.circuit] = min(limit.limit_a, self.bounds.get(limit.circuit, math.inf))

    def highest(self) -> dict[str, PhaseAmps]:
        """The base load, or what the last reading alone says of it where that is clearly more."""
        found = {}
        for circuit, base in self.base.items():
            one, two, three = (n if n > b + NOISE_A else b for b, n in zip(base, self.newest.get(circuit, NO_AMPS), strict=True))
            found[circuit] = one, two, three
        return found

    def moved(self, meter: str) -> bool:
        """Whether its last reading changed the base load reckoned with."""
        return self._moved.get(self.points[meter].circuit or "", 0) != 0

    def _bound(self, circuit: str) -> float:
        return self.bounds.get(circuit, self.site.circuits[circuit].rating_a)

    def stale(self, now: float, after_s: float) -> list[MeterPoint]:
        """The meters that have shown nothing for so long."""
        return [m for m in self.points.values() if now - self._seen_at.get(m.id, 0.0) > after_s]

    def take(self, words: Words, now: float) -> bool:
        """One block of registers; True with the last, when the reading is complete."""
        meter = self.points.get(words.peer)
        if meter is None or meter.circuit is None or words.words is None:
            return False
        got = self._replies.setdefault(meter.id, {})
        got[words.block] = words.words
        if len(got) < len(self._maps[meter.id].blocks(meter.unit)):
            return False
        del self._replies[meter.id]
        try:
            sample = self._maps[meter.id].decode(got, now)
        except ValueError:
            return False
        ours, expected, most = self._ours(meter.circuit, now)
        # A few readings in a row: what the stations tell is older than what the meter shows.
        believed = self._plausible(meter.circuit, sample.current_a, ours, self._uncounted_wh(meter.id, sample))
        if believed and self.doubted.get(meter.id, 0) >= DOUBTS:
            believed = self._proven(meter.id, sample.current_a, ours)
        self.doubted[meter.id] = 0 if believed else min(DOUBTS, self.doubted.get(meter.id, 0) + 1)
        if self.doubted[meter.id] < DOUBTS:
            self._seen_at[meter.id] = now
            way = -1.0 if sample.power_w < 0.0 else 1.0
            one, two, three = (way * s - o for s, o in zip(sample.current_a, ours, strict=True))
            if all(map(math.isfinite, (sample.power_w, one, two, three))):
                self.shown[meter.circuit] = sample.power_w, (one, two, three)
        self.flows[meter.circuit] = sample.current_a
        self.supply[meter.circuit] = sample.voltage_v, sample.current_a
        self._take(meter.circuit, sample.current_a, ours, expected, most, now)
        return True

    def _proven(self, meter: str, shown: PhaseAmps, ours: PhaseAmps) -> bool:
        """Whether a meter once doubted has shown, often enough, all that the sessions draw: what the sun may explain is no proof."""
        shows = max(ours) >= PROOF_A and all(s >= o * 0.9 - 1.0 for s, o in zip(shown, ours, strict=True))
        self._proofs[meter] = self._proofs.get(meter, 0) + 1 if shows else 0
        if self._proofs[meter] < DOUBTS:
            return False
        self._proofs[meter] = 0
        return True

    def _uncounted_wh(self, meter: str, sample: MeterSample) -> float:
        """The energy a meter has shown as power since its import register moved last."""
        register, at, missing = self._counted.get(meter, (math.nan, sample.t, 0.0))
        if sample.energy_wh != register:
            missing = 0.0
        else:
            missing += max(0.0, sample.power_w) * (sample.t - at) / 3600.0
        self._counted[meter] = (sample.energy_wh, sample.t, missing)
        return missing

    def _ours(self, circuit: str, now: float) -> tuple[PhaseAmps, PhaseAmps, PhaseAmps]:
        """What the sessions below a circuit draw at least, what they are expected to, and the most they may. At least: what their stations
        told last, and no more than they were told at the least: one that was lowered, or fell to its safe value, may have obeyed since,
        and what it drew then would hide as much base load."""
        ours, expected, highest = NO_AMPS, NO_AMPS, NO_AMPS
        for station in self._below[circuit]:
            for known in self.peers[station.id].evses.values():
                if known.session is None:
                    continue
                outgoing = self.outgoing(station.id, known.evse.id)
                most = outgoing.could_draw(now)
                wired = [1.0 if n < known.evse.phases else 0.0 for n in range(3)]
                three = (most * wired[0], most * wired[1], most * wired[2])
                highest = add(highest, rotated(station.rotation, three))
                if known.sample is None:
                    expected = add(expected, rotated(station.rotation, three))
                    continue
                a, b, c = known.sample.current_a
                told = min(most, outgoing.told_least(now))
                ours = add(ours, rotated(station.rotation, (min(a, told), min(b, told), min(c, told))))
                drawn = max(a, b, c)
                due = outgoing.expects(drawn, known.read_at, now, steady=self.steady(station.id, known.evse.id))
                now_a = [
                    min(one, due) if due <= drawn else due * on if drawn < 1.0 or one > 0.5 else one
                    for one, on in zip((a, b, c), wired, strict=True)
                ]
                expected = add(expected, rotated(station.rotation, (now_a[0], now_a[1], now_a[2])))
        return ours, expected, highest

    def _take(self, circuit: str, shown: PhaseAmps, ours: PhaseAmps, expected: PhaseAmps, most: PhaseAmps, now: float) -> None:
        """What flows through a circuit beside our sessions. At once as much as all they may draw does not explain; on a phase that carries
        more than it may, all that they are not expected to draw. Else up when it has lasted for as long as stations take to tell what they
        draw, so that a vehicle that begins is not taken for base load; by as much as a phase is still over once vehicles had the time to
        follow, as they draw less than was reckoned with; down when all readings of such a time agree, so that one that draws
        less and less until its station tells it again is not taken for less base load."""
        one, two, three = (max(0.0, s - o) for s, o in zip(shown, ours, strict=True))
        last = self._last.setdefault(circuit, [])
        last.append((now, (one, two, three)))
        old = sum(1 for at, _ in last if at < now - self.told_every_s)
        del last[: max(0, min(old, len(last) - AGREE))]
        held, bound = self.base.get(circuit, NO_AMPS), self._bound(circuit)
        newest = [max(0.0, s - e) for s, e in zip(shown, expected, strict=True)]
        self.newest[circuit] = newest[0], newest[1], newest[2]
        found = []
        for i in range(3):
            floor = max(0.0, shown[i] - most[i], newest[i] if shown[i] > bound else 0.0)
            if self._persists((circuit, i), shown[i] > bound, now):
                floor = max(floor, min(last[-1][1][i], held[i] + shown[i] - bound))
            lasting, agreed = min(r[i] for _, r in last), max(r[i] for _, r in last)
            found.append(max(floor, lasting if lasting > held[i] else min(held[i], agreed)))
        self._hold(circuit, found)
        base = self.base[circuit]
        self._moved[circuit] = 0 if base == held else 1 if any(new > was for new, was in zip(base, held, strict=True)) else -1

    def _persists(self, phase: tuple[str, int], over: bool, now: float) -> bool:
        """Whether a phase is over although what was decided on an earlier reading has been done; it counts anew from here."""
        if not over:
            self._over.pop(phase, None)
        elif now - self._over.setdefault(phase, now) >= ANSWERED_S:
            self._over[phase] = now
            return True
        return False

    def _hold(self, circuit: str, least: list[float]) -> None:
        """Base load in whole amperes, up at once and down only by two: a tenth more or less must not move every session."""
        held = self.base.get(circuit, NO_AMPS)
        new = [h if h - 2.0 < v <= h else float(math.ceil(v)) if v > 0.5 else 0.0 for h, v in zip(held, least, strict=True)]
        self.base[circuit] = (new[0], new[1], new[2])

    def recall(self, base: Mapping[str, PhaseAmps], now: float) -> None:
        """What flowed beside the sessions in an earlier life, as a first reading: until stations have told what they draw, all of it would
        be taken for base load. What even all they may draw does not explain counts at once, as ever."""
        for circuit, amps in base.items():
            if circuit in self._below:
                self.base[circuit] = amps
                self._last[circuit] = [(now, amps)]

    def unexplained(self) -> dict[str, PhaseAmps]:
        """The base load by the circuit it hangs on: a meter shows what its children show, too; only what they don't explain counts."""
        found: dict[str, PhaseAmps] = {}
        for circuit, base in self.base.items():
            parts = [self.base[c.name] for c in self.site.circuits.values() if c.parent == circuit and c.name in self.base]
            own = [max(0.0, base[i] - sum(part[i] for part in parts)) for i in range(3)]
            found[circuit] = (own[0], own[1], own[2])
        return found


def rotated(rotation: tuple[int, int, int], amps: PhaseAmps) -> PhaseAmps:
    """Currents on a station's terminals as currents on the site's phases."""
    site = [0.0, 0.0, 0.0]
    for terminal, phase in enumerate(rotation):
        site[phase] = amps[terminal]
    return (site[0], site[1], site[2])
