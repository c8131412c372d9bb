"""The plant: one machine that owns vehicles, contactor loads, circuits, breakers and building load.

Exact between events: AC currents are constant, DC follows the vehicle's curve in closed form. The split of shared DC modules
is held between events and ticks of `SPLIT_S` seconds, which is a declared part of the model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from chargekit.emulator.bay import Bay
from chargekit.emulator.electrics import Branch
from chargekit.emulator.meters import CircuitMeter, StationMeter, Tap
from chargekit.model.limit import NO_AMPS, PhaseAmps, add
from chargekit.model.metering import MeterSample
from chargekit.model.pilot import ControlPilot, moved
from chargekit.model.points import point
from chargekit.model.site import ChargingStation, MeterPoint, Site
from chargekit.wire.registers import register_map
from chargekit.world.events import Effect, Event, Feed, Hand, Load, MeterSource, Note, Power, Supply, Wake

SPLIT_S = 10.0
VOLTS = 230.0
Key = tuple[str, int]


class Plant:
    """The machine named `plant`. Answers every Load with the Supply the station feels; reads come from outside and move nothing."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        self.site = site
        self.rng = rng
        self.reached: dict[str, None] = {}
        self.due: float | None = None
        self.bays: dict[Key, Bay] = {(s.id, e.id): Bay(s, e, s.model.voltage_v) for s in site.stations for e in s.model.evses}
        self.branches = {name: Branch(circuit) for name, circuit in site.circuits.items()}
        self.stations: dict[str, ChargingStation] = {s.id: s for s in site.stations}
        self._paths = {s.id: tuple(c.name for c in site.path(s.circuit)) for s in site.stations}
        self._flows: dict[Key, PhaseAmps] = dict.fromkeys(self.bays, NO_AMPS)
        self._alive: dict[str, tuple[float, float]] = {}
        self._standby_w: dict[str, float] = {}
        self._wakes: list[tuple[float, int, Key | str]] = []
        self._count = 0
        for branch in self.branches.values():
            if branch.circuit.parent is not None:
                self.branches[branch.circuit.parent].children.append(branch.circuit.name)
        for station in site.stations:
            self._standby(station.id, True, 0.0)

    # --- events -------------------------------------------------------------------------------------------------

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        effects: list[Effect] = []
        match event:
            case Load():
                self._loaded(event, now, effects)
            case Hand():
                self._hand(event, now, effects)
            case Wake():
                self._wake(now, effects)
            case _:
                pass
        while self._wakes and self._stale(self._wakes[0]):
            heappop(self._wakes)
        self.due = self._wakes[0][0] if self._wakes else None
        return effects

    def _loaded(self, load: Load, now: float, effects: list[Effect]) -> None:
        if load.station not in self.stations:
            return
        if load.evse == 0:
            self._standby(load.station, False, now)
            for key in self._keys(load.station):
                bay = self.bays[key]
                bay.closed, bay.offer = False, 0.0
                self._aim(key, now, effects, tell=False)
            return
        self._standby(load.station, True, now)
        key = (load.station, load.evse)
        bay = self.bays[key]
        bay.closed, bay.offer = load.closed, (load.offer_w or 0.0) if bay.evse.dc else load.offer_a
        self._aim(key, now, effects)
        effects.append(Feed(load.station, Supply(load.evse, bay.pilot, self._live(load.station))))

    def _hand(self, hand: Hand, now: float, effects: list[Effect]) -> None:
        args = hand.args
        match hand.verb:
            case "plug":
                self._plug(
                    (args["station"], int(args["evse"])),
                    args["vehicle"],
                    float(args.get("soc_percent", 20.0)),
                    now,
                    effects,
                )
            case "unplug":
                self._unplug((args["station"], int(args["evse"])), now, effects)
            case "set_building_a":
                branch = self.branches[args["circuit"]]
                branch.building_wh = branch.building_energy_wh(now, VOLTS)
                old, branch.building_since = branch.building_a, now
                a, b, c = (float(x) for x in args["amps"])
                branch.building_a = (a, b, c)
                delta = (a - old[0], b - old[1], c - old[2])
                self._push(tuple(x.name for x in self.site.path(args["circuit"])), delta, now, effects)
            case "open_breaker":
                self._open(args["circuit"], "by hand", now, effects)
            case "close_breaker":
                self._close(args["circuit"], now, effects)
            case _:
                pass

    def _plug(self, key: Key, vehicle: str, soc: float, now: float, effects: list[Effect]) -> None:
        bay = self.bays[key]
        if bay.vehicle is not None:
            return
        bay.anchor(now)
        bay.vehicle = self.site.vehicles[vehicle]
        bay.stored_wh = bay.vehicle.usable_kwh * 10.0 * min(max(soc, 0.0), 100.0)
        self._turn(key, ControlPilot.B, now, effects)
        self._aim(key, now, effects)

    def _unplug(self, key: Key, now: float, effects: list[Effect]) -> None:
        bay = self.bays[key]
        if bay.vehicle is None:
            return
        bay.steps.clear()
        self._flow(key, 0.0, now, effects)
        bay.vehicle, bay.turns_b, bay.turns_c = None, None, None
        self._turn(key, ControlPilot.A, now, effects)

    def _wake(self, now: float, effects: list[Effect]) -> None:
        while self._wakes and self._wakes[0][0] <= now:
            entry = heappop(self._wakes)
            if self._stale(entry):
                continue
            if isinstance(entry[2], str):
                self._hot(entry[2], now, effects)
            else:
                self._happen(entry[2], now, effects)

    def _happen(self, key: Key, now: float, effects: list[Effect]) -> None:
        """What is due at a bay by itself, each at its own exact time."""
        bay = self.bays[key]
        if bay.ends is not None and bay.ends <= now:
            at, bay.ends = bay.ends, None
            bay.anchor(at)
            if bay.full or bay.soc_percent(at) == 100.0:
                bay.stored_wh = bay.vehicle.usable_kwh * 1000.0 if bay.vehicle else 0.0
                bay.steps.clear()
                self._flow(key, 0.0, at, effects)
                effects.append(Note("truth", key[0], "full", {"evse": key[1]}))
                if bay.pilot is ControlPilot.C:
                    self._turn(key, ControlPilot.B, at, effects)
            else:
                self._flow(key, bay.drawn, at, effects)
        while bay.steps and bay.steps[0][0] <= now:
            at, target = bay.steps.pop(0)
            self._flow(key, target, at, effects)
        if bay.turns_c is not None and bay.turns_c <= now:
            bay.turns_c = None
            if bay.pilot is ControlPilot.B:
                self._turn(key, ControlPilot.C, now, effects)
        if bay.turns_b is not None and bay.turns_b <= now:
            bay.turns_b = None
            if bay.pilot is ControlPilot.C:
                self._turn(key, ControlPilot.B, now, effects)
        self._aim(key, now, effects)

    # --- vehicles -----------------------------------------------------------------------------------------------

    def _aim(self, key: Key, now: float, effects: list[Effect], *, tell: bool = True) -> None:
        """Let the vehicle react to what is offered now."""
        bay = self.bays[key]
        if bay.vehicle is None:
            return
        least = 1.0 if bay.evse.dc else bay.vehicle.ac_min_a
        offered = bay.offer >= least - 1e-9 and not bay.full and self._live(key[0])
        if offered and bay.pilot is ControlPilot.B and bay.turns_c is None:
            bay.turns_c = now + bay.vehicle.start_delay_s
        if not offered:
            bay.turns_c = None
        if not offered and bay.pilot is ControlPilot.C and bay.turns_b is None:
            bay.turns_b = now + bay.vehicle.reaction_s + 0.5
        if offered:
            bay.turns_b = None
        target = self.drawn(bay)
        aimed = bay.steps[-1][1] if bay.steps else bay.drawn
        if self.opened(bay):
            bay.steps.clear()
            if bay.drawn > 0.0:
                self._flow(key, 0.0, now, effects)
        elif target != aimed:
            bay.steps.append((now + bay.vehicle.reaction_s, target))
        if bay.evse.dc and bay.drawn > 0.0 and bay.station.model.shared_kw is not None and not bay.steps:
            bay.steps.append((now + SPLIT_S, target))
        self._rearm(key)

    @point("plant.contactor_open")
    def opened(self, bay: Bay) -> bool:
        """True while nothing can flow: the contactor is open or the circuit is dead."""
        return not bay.closed or not self._live(bay.station.id)

    @point("plant.drawn")
    def drawn(self, bay: Bay) -> float:
        """What the vehicle aims at: A per phase (AC), or W of output (DC)."""
        vehicle = bay.vehicle
        if vehicle is None or bay.pilot is not ControlPilot.C or not bay.closed or bay.full:
            return 0.0
        if bay.evse.dc:
            return min(bay.offer, (bay.evse.max_kw or 0.0) * 1000.0, vehicle.dc_max_kw * 1000.0, self._share(bay))
        offer = min(bay.offer, bay.evse.max_a)
        return min(offer * vehicle.pilot_fraction, vehicle.ac_max_a) if offer >= vehicle.ac_min_a - 1e-9 else 0.0

    def _share(self, bay: Bay) -> float:
        """The output this outlet may take of modules it shares: equal parts, what a neighbour leaves is free."""
        total_kw = bay.station.model.shared_kw
        if total_kw is None:
            return float("inf")
        active = [b for b in (self.bays[k] for k in self._keys(bay.station.id)) if b.closed and b.pilot is ControlPilot.C and not b.full]
        part = total_kw * 1000.0 / max(1, len(active))
        others = sum(min(part, b.offer, (b.vehicle.dc_max_kw if b.vehicle else 0.0) * 1000.0) for b in active if b is not bay)
        return max(part, total_kw * 1000.0 - others) if active else total_kw * 1000.0

    def _turn(self, key: Key, pilot: ControlPilot, now: float, effects: list[Effect]) -> None:
        bay = self.bays[key]
        bay.pilot = moved(bay.pilot, pilot)
        effects.append(Feed(key[0], Supply(key[1], pilot, self._live(key[0]))))
        effects.append(Note("truth", key[0], "pilot", {"evse": key[1], "state": str(pilot)}))
        self._aim(key, now, effects)

    # --- currents -----------------------------------------------------------------------------------------------

    def _flow(self, key: Key, drawn: float, now: float, effects: list[Effect]) -> None:
        bay = self.bays[key]
        bay.flow(drawn, now)
        new = self._rotated(bay.station, bay.current_a(now))
        old = self._flows[key]
        self._flows[key] = new
        self._push(self._paths[key[0]], (new[0] - old[0], new[1] - old[1], new[2] - old[2]), now, effects)
        self._rearm(key)

    def _push(self, path: Sequence[str], delta: PhaseAmps, now: float, effects: list[Effect]) -> None:
        for name in path:
            branch = self.branches[name]
            branch.settle(now)
            branch.amps = add(branch.amps, delta)
            at = self.breaker_opens_at(branch)
            if at is not None:
                self._count += 1
                heappush(self._wakes, (max(at, now), self._count, name))

    @point("plant.breaker")
    def breaker_opens_at(self, branch: Branch) -> float | None:
        """When this breaker opens if nothing changes."""
        return branch.opens_at()

    def _hot(self, name: str, now: float, effects: list[Effect]) -> None:
        branch = self.branches[name]
        at = self.breaker_opens_at(branch)
        if at is None:
            return
        if at <= now + 1e-6:
            self._open(name, f"overload: {max(branch.amps):.1f} A on a rating of {branch.circuit.rating_a:g} A", now, effects)
        else:
            self._count += 1
            heappush(self._wakes, (at, self._count, name))

    def _open(self, name: str, why: str, now: float, effects: list[Effect]) -> None:
        branch = self.branches[name]
        if not branch.closed:
            return
        branch.building_wh = branch.building_energy_wh(now, VOLTS)
        branch.building_since, branch.closed = now, False
        effects.append(Note("truth", name, "breaker", {"closed": False, "because": why}))
        for station in self.site.below(name):
            effects.append(Power(station.id, False))

    def _close(self, name: str, now: float, effects: list[Effect]) -> None:
        branch = self.branches[name]
        if branch.closed:
            return
        branch.building_since, branch.closed, branch.heat_s, branch.heat_since = now, True, 0.0, now
        effects.append(Note("truth", name, "breaker", {"closed": True, "because": "by hand"}))
        for station in self.site.below(name):
            if self._live(station.id):
                effects.append(Power(station.id, True))

    def _live(self, station: str) -> bool:
        return all(self.branches[name].closed for name in self._paths[station])

    def _rotated(self, station: ChargingStation, amps: PhaseAmps) -> PhaseAmps:
        """Terminal currents as currents on the site's phases."""
        site = [0.0, 0.0, 0.0]
        for terminal, phase in enumerate(station.rotation):
            site[phase] = amps[terminal]
        return (site[0], site[1], site[2])

    def _standby(self, station: str, on: bool, now: float) -> None:
        energy, since = self._alive.get(station, (0.0, now))
        old = self._standby_w.get(station, 0.0)
        self._alive[station] = (energy + old * (now - since) / 3600.0, now)
        self._standby_w[station] = self.stations[station].model.standby_w if on else 0.0

    # --- wake-ups -----------------------------------------------------------------------------------------------

    def _rearm(self, key: Key) -> None:
        at = self.bays[key].wakes()
        if at is not None:
            self._count += 1
            heappush(self._wakes, (at, self._count, key))

    def _stale(self, entry: tuple[float, int, Key | str]) -> bool:
        if isinstance(entry[2], str):
            return self.breaker_opens_at(self.branches[entry[2]]) is None
        return self.bays[entry[2]].wakes() != entry[0]

    def _keys(self, station: str) -> Iterator[Key]:
        return ((station, e.id) for e in self.stations[station].model.evses)

    # --- reading: nothing below moves anything ------------------------------------------------------------------

    @point("plant.register")
    def register_wh(self, bay: Bay, now: float) -> float:
        """The EVSE meter's import register."""
        return bay.output_wh(now)

    def read_evse(self, station: str, evse: int, now: float) -> MeterSample:
        """The EVSE's own meter, on the station's terminals (DC: grid-side current, output energy)."""
        bay = self.bays[(station, evse)]
        volts = three(bay.volts if self._live(station) else 0.0)
        soc = bay.soc_percent(now) if bay.evse.dc else None
        return MeterSample(now, bay.current_a(now), volts, bay.output_w(now), self.register_wh(bay, now), soc)

    def read_station(self, station: str, now: float) -> MeterSample:
        """The station's supply with its standby load, on its own terminals."""
        spec = self.stations[station]
        live = self._live(station)
        standby = self._standby_w[station] if live else 0.0
        amps = (standby / spec.model.voltage_v, 0.0, 0.0)
        power, (energy, since) = standby, self._alive[station]
        energy += standby * (now - since) / 3600.0
        for key in self._keys(station):
            bay = self.bays[key]
            amps = add(amps, bay.current_a(now))
            power += bay.output_w(now) * bay.grid_factor()
            energy += bay.output_wh(now) * bay.grid_factor()
        volts = three(spec.model.voltage_v if live else 0.0)
        return MeterSample(now, amps, volts, power, energy)

    def read_circuit(self, name: str, now: float) -> MeterSample:
        """A circuit: the sum of all below it, by site phase, with building load."""
        amps, power, energy = NO_AMPS, 0.0, 0.0
        for below in self._subtree(name):
            branch = self.branches[below]
            if self._fed(below):
                amps = add(amps, branch.building_a)
                power += sum(branch.building_a) * VOLTS
            energy += branch.building_energy_wh(now, VOLTS)
        for station in self.site.below(name):
            sample = self.read_station(station.id, now)
            amps = add(amps, self._rotated(station, sample.current_a))
            power += sample.power_w
            energy += sample.energy_wh
        volts = three(VOLTS if self._fed(name) else 0.0)
        return MeterSample(now, amps, volts, power, energy)

    def _subtree(self, name: str) -> Iterator[str]:
        yield name
        for child in self.branches[name].children:
            yield from self._subtree(child)

    def _fed(self, circuit: str) -> bool:
        return all(self.branches[c.name].closed for c in self.site.path(circuit))

    def tap(self, station: str, evse: int) -> Tap:
        """A read-only view of one EVSE's meter."""
        return Tap(self, station, evse)

    def meter_source(self, meter: MeterPoint) -> MeterSource:
        """An emulated Modbus meter at this point."""
        registers = register_map(meter.model)
        if meter.station is not None:
            return StationMeter(self, meter.station, meter.unit, registers)
        return CircuitMeter(self, meter.circuit or self.site.root.name, meter.unit, registers)


def three(value: float) -> PhaseAmps:
    """The same figure on every phase."""
    return (value, value, value)
