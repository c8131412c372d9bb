"""The supply side of the plant: circuits and their breakers, buildings, the stations' own consumption, and the plant's alarm clock."""

from __future__ import annotations

from heapq import heappush

from chargekit.emulator.building import Surroundings
from chargekit.emulator.network import NOMINAL_V, Branch, Flow, Network
from chargekit.model.limit import NO_AMPS, PhaseAmps
from chargekit.model.metering import MeterSample
from chargekit.model.points import point
from chargekit.model.site import ChargingStation, Site
from chargekit.world.events import Effect, Note, Power

SITE_TICK_S = 300.0
"""Building load, sun and grid voltage are held for so long."""
Key = tuple[str, int]


class Supplies:
    """What stands between the grid and the EVSEs."""

    def __init__(self, site: Site, surroundings: Surroundings | None) -> None:
        self.site = site
        self.around = surroundings
        self.stations: dict[str, ChargingStation] = {s.id: s for s in site.stations}
        self.network = Network(site, surroundings.feeding_in() if surroundings else ())
        self.building_a: dict[str, PhaseAmps] = {}
        self.powered: dict[str, Flow] = {}
        self.stood_wh: dict[str, float] = {}
        self.built_wh = 0.0
        self._ticking: dict[str, float] = {}
        self._wakes: list[tuple[float, int, str, Key | str]] = []
        self._count = 0

    # --- circuits -----------------------------------------------------------------------------------------------

    def _put(self, key: object, circuit: str, flow: Flow | None, now: float, effects: list[Effect]) -> None:
        for name in self.network.set(key, circuit, flow, now):
            branch = self.network.branches[name]
            if max(branch.bound_a) > branch.circuit.rating_a:
                at = self.breaker_opens_at(branch)
                if at is not None:
                    self._count += 1
                    heappush(self._wakes, (max(at, now), self._count, "breaker", name))

    @point("plant.breaker")
    def breaker_opens_at(self, branch: Branch) -> float | None:
        """When this breaker opens if nothing changes."""
        return branch.breaker.opens_at(max(branch.held_a))

    def _hot(self, name: str, now: float, effects: list[Effect]) -> None:
        branch = self.network.branches[name]
        at = self.breaker_opens_at(branch)
        if at is None:
            return
        if at <= now + 1e-6:
            why = f"overload: {max(branch.held_a):.1f} A on a rating of {branch.circuit.rating_a:g} A"
            self._open(name, why, now, effects)
        else:
            self._count += 1
            heappush(self._wakes, (at, self._count, "breaker", name))

    def _open(self, name: str, why: str, now: float, effects: list[Effect]) -> None:
        branch = self.network.branches[name]
        if not branch.breaker.closed:
            return
        branch.breaker.closed = False
        effects.append(Note("truth", name, "breaker", {"closed": False, "because": why}))
        for below in self.network.below(name):
            self._build(below, now, effects)
        for station in self.site.below(name):
            effects.append(Power(station.id, False))

    def _close(self, name: str, now: float, effects: list[Effect]) -> None:
        branch = self.network.branches[name]
        if branch.breaker.closed:
            return
        branch.breaker.closed, branch.breaker.heat_s, branch.breaker.since = True, 0.0, now
        effects.append(Note("truth", name, "breaker", {"closed": True, "because": "by hand"}))
        for below in self.network.below(name):
            self._build(below, now, effects)
        for station in self.site.below(name):
            if self._live(station.id):
                effects.append(Power(station.id, True))

    def _live(self, station: str) -> bool:
        return self.network.fed(self.stations[station].circuit)

    def _rotated(self, station: ChargingStation, amps: PhaseAmps) -> PhaseAmps:
        """Terminal currents as currents on the site's phases."""
        site = [0.0, 0.0, 0.0]
        for terminal, phase in enumerate(station.rotation):
            site[phase] = amps[terminal]
        return (site[0], site[1], site[2])

    def _standby(self, station: str, on: bool, now: float, effects: list[Effect]) -> None:
        """The station's own consumption, on its first terminal."""
        if (station in self.powered) == on:
            return
        spec = self.stations[station]
        if on:
            per_watt = self._rotated(spec, (1.0 / spec.model.voltage_v, 0.0, 0.0))
            flow = self.powered[station] = Flow(per_watt, spec.model.standby_w, now)
        else:
            self.stood_wh[station] = self.stood_wh.get(station, 0.0) + self.powered.pop(station).energy_wh(now)
            flow = None
        self._put(("standby", station), spec.circuit, flow, now, effects)

    # --- surroundings -------------------------------------------------------------------------------------------

    def _build(self, circuit: str, now: float, effects: list[Effect]) -> None:
        """The building load on a circuit, while it is fed."""
        amps = self.building_a.get(circuit, NO_AMPS)
        on = any(amps) and self.network.fed(circuit)
        flow = Flow(NO_AMPS, sum(amps) * NOMINAL_V, now, fixed_a=amps) if on else None
        old = self.network.flows.get(("building", circuit))
        self.built_wh += old[1].energy_wh(now) if old else 0.0
        self._put(("building", circuit), circuit, flow, now, effects)

    def _volts(self, volts: PhaseAmps, now: float, effects: list[Effect]) -> None:
        """A new grid voltage."""
        self.network.volts = volts

    def _surround(self, now: float, effects: list[Effect]) -> None:
        around = self.around
        if around is None:
            return
        for circuit, amps in around.building_a(now).items():
            if self.building_a.get(circuit) != amps:
                self.building_a[circuit] = amps
                self._build(circuit, now, effects)
        self._volts(around.volts(now), now, effects)
        self._tick("site", "site", (int(now / SITE_TICK_S + 1e-9) + 1) * SITE_TICK_S)

    def _tick(self, kind: str, what: str, at: float) -> None:
        self._ticking[what] = at
        self._count += 1
        heappush(self._wakes, (at, self._count, kind, what))

    # --- reading ------------------------------------------------------------------------------------------------

    def read_circuit(self, name: str, now: float) -> MeterSample:
        """A circuit: the sum of all below it, by site phase, with building load and losses."""
        return self.network.read(name, now)

    def building_wh(self, now: float) -> float:
        """What the buildings used, less what their panels gave."""
        live = sum(flow.energy_wh(now) for key, (_, flow) in self.network.flows.items() if isinstance(key, tuple) and key[0] == "building")
        return self.built_wh + live

    def _terminal_v(self, station: str) -> PhaseAmps:
        spec = self.stations[station]
        if not self._live(station):
            return NO_AMPS
        scale = spec.model.voltage_v / NOMINAL_V
        a, b, c = (self.network.volts[phase] * scale for phase in spec.rotation)
        return (a, b, c)
