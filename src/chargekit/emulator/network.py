"""The circuits as running sums: what flows where, by phase, and what every meter on them would show.

A load is a `Flow`, constant or along one piece. Constant ones are kept as sums, so that an event costs the depth of the tree, whatever the
number of stations; varying ones are added when somebody reads. Currents that vary count at their value when they last changed
for heat and losses, and at their highest for whether a breaker is near its rating at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chargekit.emulator.battery import Piece
from chargekit.emulator.electrics import Breaker
from chargekit.model.limit import NO_AMPS, PhaseAmps, add
from chargekit.model.metering import MeterSample
from chargekit.model.site import Circuit, Site

NOMINAL_V: Final = 230.0


@dataclass(frozen=True, slots=True)
class Flow:
    """What one load takes from the grid from `since` on: `watts`, and amperes per phase for each of them. Negative: it feeds in.

    `fixed_a`: the amperes of a constant load as they are, whatever their sum.
    """

    per_watt: PhaseAmps
    watts: float
    since: float
    piece: Piece | None = None
    factor: float = 1.0
    fixed_a: PhaseAmps | None = None

    def watts_at(self, now: float) -> float:
        return self.watts if self.piece is None else self.piece.power_w(now - self.since) * self.factor

    def energy_wh(self, now: float) -> float:
        if self.piece is None:
            return self.watts * (now - self.since) / 3600.0
        return self.piece.energy_wh(now - self.since) * self.factor

    def amps(self, watts: float) -> PhaseAmps:
        if self.fixed_a is not None:
            return self.fixed_a
        a, b, c = self.per_watt
        return (a * watts, b * watts, c * watts)

    def most_w(self) -> float:
        return self.watts if self.piece is None else max(self.watts, self.piece.power_w(self.piece.seconds) * self.factor)


@dataclass(slots=True)
class Branch:
    """A circuit's state. `watts`, `amps`: sums of constant loads; `held_a`: of all at their last change, `bound_a`: at their highest."""

    circuit: Circuit
    breaker: Breaker
    path: tuple[str, ...]
    feeds_in: bool
    amps: PhaseAmps = NO_AMPS
    watts: float = 0.0
    held_a: PhaseAmps = NO_AMPS
    bound_a: PhaseAmps = NO_AMPS
    net_wh: float = 0.0
    import_wh: float = 0.0
    export_wh: float = 0.0
    since: float = 0.0
    loads: int = 0
    varying: dict[object, Flow] = field(default_factory=dict)

    def settle(self, now: float) -> None:
        """Bring the registers up to `now` at what flowed since."""
        if self.feeds_in:
            gained, given = self.both_ways(now)
            self.import_wh += gained
            self.export_wh += given
        else:
            self.import_wh += self.watts * (now - self.since) / 3600.0
        self.since = now

    def watts_at(self, now: float) -> float:
        return self.watts + sum(f.watts_at(now) for f in self.varying.values())

    def amps_at(self, now: float) -> PhaseAmps:
        amps = self.amps
        for flow in self.varying.values():
            amps = add(amps, flow.amps(flow.watts_at(now)))
        return amps

    def gained_wh(self, now: float) -> float:
        """Net energy since the registers were last settled."""
        wh = self.watts * (now - self.since) / 3600.0
        return wh + sum(f.energy_wh(now) - f.energy_wh(max(self.since, f.since)) for f in self.varying.values())

    def both_ways(self, now: float) -> tuple[float, float]:
        """(import, export) since the registers were last settled; where the direction turned between, at the very moment."""
        whole = self.gained_wh(now)
        first, last = self.watts_at(self.since), self.watts_at(now)
        if first * last >= 0.0:
            return (whole, 0.0) if whole >= 0.0 else (0.0, -whole)
        low, high = self.since, now
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.watts_at(middle) * first > 0.0 else (low, middle)
        part = self.gained_wh(low)
        return (part, part - whole) if first > 0.0 else (whole - part, -part)

    def registers(self, now: float) -> tuple[float, float]:
        """(import, export) in Wh."""
        if self.feeds_in:
            gained, given = self.both_ways(now)
            return self.import_wh + gained, self.export_wh + given
        live = self.watts * (now - self.since) / 3600.0
        return self.import_wh + live + sum(f.energy_wh(now) for f in self.varying.values()), self.export_wh

    def put(self, key: object, flow: Flow, sign: float) -> None:
        """Add a flow, or take it away."""
        self.loads += 1 if sign > 0 else -1
        self.held_a = _plus(self.held_a, flow.amps(flow.watts), sign)
        self.bound_a = _plus(self.bound_a, flow.amps(flow.most_w()), sign)
        if flow.piece is None:
            self.watts += sign * flow.watts
            self.amps = _plus(self.amps, flow.amps(flow.watts), sign)
        elif sign > 0:
            self.varying[key] = flow
        else:
            del self.varying[key]
        if not self.loads:
            # What is left of a sum whose parts are gone is rounding.
            self.watts, self.amps, self.held_a, self.bound_a = 0.0, NO_AMPS, NO_AMPS, NO_AMPS


def _plus(a: PhaseAmps, b: PhaseAmps, sign: float) -> PhaseAmps:
    return (a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2])


class Network:
    """The circuit tree under load."""

    def __init__(self, site: Site, feeding_in: Sequence[str] = ()) -> None:
        paths = {name: tuple(c.name for c in site.path(name)) for name in site.circuits}
        both = {above for name in feeding_in for above in paths[name]}
        self.branches = {name: Branch(c, Breaker(c.rating_a), paths[name], name in both) for name, c in site.circuits.items()}
        self.flows: dict[object, tuple[str, Flow]] = {}
        self.volts: PhaseAmps = (NOMINAL_V, NOMINAL_V, NOMINAL_V)
        self._lossy = any(c.resistance_ohm > 0.0 for c in site.circuits.values())

    def set(self, key: object, circuit: str, flow: Flow | None, now: float) -> tuple[str, ...]:
        """Put a load's new flow on its circuit and all above; the path. A flow of None is a load that is gone."""
        path = self.branches[circuit].path
        old = self.flows.pop(key, None)
        for name in path:
            branch = self.branches[name]
            branch.settle(now)
            branch.breaker.settle(now, max(branch.held_a))
            if old is not None:
                if old[1].piece is not None and not branch.feeds_in:
                    branch.import_wh += old[1].energy_wh(now)
                branch.put(key, old[1], -1.0)
            if flow is not None:
                branch.put(key, flow, 1.0)
        if flow is not None:
            self.flows[key] = (circuit, flow)
        if self._lossy and not (isinstance(key, tuple) and key[0] == "loss"):
            for name in path:
                self._lose(self.branches[name], now)
        return path

    def _lose(self, branch: Branch, now: float) -> None:
        watts = branch.circuit.resistance_ohm * sum(a * a for a in branch.held_a)
        old = self.flows.get(("loss", branch.circuit.name))
        if (old[1].watts if old else 0.0) != watts:
            self.set(("loss", branch.circuit.name), branch.circuit.name, Flow(NO_AMPS, watts, now) if watts else None, now)

    def fed(self, circuit: str) -> bool:
        """Is every breaker above closed, and its own?"""
        return all(self.branches[name].breaker.closed for name in self.branches[circuit].path)

    def below(self, circuit: str) -> Iterator[str]:
        """The circuit and all beneath it."""
        return (name for name, branch in self.branches.items() if circuit in branch.path)

    def read(self, circuit: str, now: float) -> MeterSample:
        """What a meter on this circuit shows, by site phase."""
        branch = self.branches[circuit]
        volts = self.volts if self.fed(circuit) else NO_AMPS
        gained, given = branch.registers(now)
        return MeterSample(now, branch.amps_at(now), volts, branch.watts_at(now), gained, export_wh=given)

    def loads(self) -> Mapping[object, tuple[str, Flow]]:
        """Every load with its circuit."""
        return self.flows
