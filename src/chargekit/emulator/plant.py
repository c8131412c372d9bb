"""The plant: one machine that owns vehicles, contactor loads, circuits, breakers and building load.

Exact between events: currents are constant, or follow the vehicle's curve or ramp in closed form. Grid voltage, building load, battery
temperature and the split of shared DC modules are held between events and ticks (`SPLIT_S`, `supplies.SITE_TICK_S`, `car.THERMAL_S`),
which is a declared part of the model.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from heapq import heappop, heappush

from chargekit.emulator.bay import Bay
from chargekit.emulator.building import Surroundings
from chargekit.emulator.car import THERMAL_S, WARM_C, Car
from chargekit.emulator.modules import split_w
from chargekit.emulator.network import NOMINAL_V, Flow
from chargekit.emulator.reading import Reading
from chargekit.emulator.supplies import Key
from chargekit.model.limit import PhaseAmps
from chargekit.model.pilot import ControlPilot, moved
from chargekit.model.points import point
from chargekit.model.site import Site
from chargekit.world.events import Effect, Event, Feed, Hand, Load, Note, Supply, Wake

Entry = tuple[float, int, str, Key | str]
"""A wake-up: when, a count, of what kind, and whose."""

SPLIT_S = 10.0
"""The split of shared DC modules is held for so long."""
PAUSED_S = 0.5
"""From no current to the vehicle's turn to state B."""


class Plant(Reading):
    """The machine named `plant`. Answers every Load with the Supply the station feels; reads come from outside and move nothing."""

    def __init__(self, site: Site, rng: random.Random, surroundings: Surroundings | None = None) -> None:
        super().__init__(site, surroundings)
        self.seed = rng.getrandbits(64)
        self.reached: dict[str, None] = {}
        self.due: float | None = None
        self._visits: dict[Key, int] = {}
        quiet: list[Effect] = []
        for station in site.stations:
            self._standby(station.id, True, 0.0, quiet)
        self._surround(0.0, quiet)
        self.due = self._wakes[0][0] if self._wakes else None

    # --- events -------------------------------------------------------------------------------------------------

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        effects: list[Effect] = []
        self.moved += 1
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
            self._popped()
        self.due = self._wakes[0][0] if self._wakes else None
        return effects

    def _loaded(self, load: Load, now: float, effects: list[Effect]) -> None:
        if load.station not in self.stations:
            return
        if load.evse == 0:
            self._standby(load.station, False, now, effects)
            for key in self._keys(load.station):
                bay = self.bays[key]
                bay.closed, bay.offer = False, 0.0
                self._aim(key, now, effects)
            return
        self._standby(load.station, True, now, effects)
        key = (load.station, load.evse)
        bay = self.bays[key]
        before, phases, on, level = bay.offer, bay.phases, bay.terminals, bay.output_w(now)
        bay.closed, bay.offer, bay.supply = load.closed, (load.offer_w or 0.0) if bay.evse.dc else load.offer_a, load.phases
        bay.phase = load.phase
        if bay.car is not None:
            if bay.car.pilot(bay.offer, before, now):
                effects.append(Note("truth", key[0], "woken", {"evse": key[1]}))
            bay.car.switched(min(bay.evse.phases, bay.supply), bay.piece is not None)
            if bay.terminals != on:
                self._rephase(key, level * bay.phases / phases, now, effects)
        self._aim(key, now, effects)
        effects.append(Feed(load.station, Supply(load.evse, bay.pilot, self._live(load.station), bay.connector)))

    def _rephase(self, key: Key, level_w: float, now: float, effects: list[Effect]) -> None:
        """Phases came or went under the vehicle: what flowed on the others goes on."""
        bay = self.bays[key]
        self._reshape(bay, now)
        if bay.piece is not None and bay.drawn > 0.0:
            self._flow(key, bay.drawn, now, effects, from_w=level_w)
        elif bay.piece is not None:
            self._use(key, level_w, now, effects)

    def _hand(self, hand: Hand, now: float, effects: list[Effect]) -> None:
        args = hand.args
        match hand.verb:
            case "plug":
                self._plug(
                    (args["station"], int(args["evse"])), args["vehicle"], float(args.get("soc_percent", 20.0)),
                    float(args.get("battery_c", self._battery_c(now))), int(args.get("connector", 0)), now, effects,
                )  # fmt: skip
            case "unplug":
                self._unplug((args["station"], int(args["evse"])), now, effects)
            case "set_cp_state":
                self._pilot_fault((args["station"], int(args["evse"])), args["state"] == "E", now, effects)
            case "set_building_a":
                a, b, c = (float(x) for x in args["amps"])
                self.building_a[args["circuit"]] = (a, b, c)
                self._build(args["circuit"], now, effects)
            case "set_voltage":
                a, b, c = (float(x) for x in args["volts"])
                self._volts((a, b, c), now, effects)
            case "meter_fault":
                given = {k: float(v) for k, v in args.items() if k not in ("meter", "fault")}
                self._fault(args["meter"], args["fault"], given, now, effects)
            case "open_breaker":
                self._open(args["circuit"], "by hand", now, effects)
            case "close_breaker":
                self._close(args["circuit"], now, effects)
            case _:
                pass

    def _battery_c(self, now: float) -> float:
        return WARM_C if self.around is None else self.around.battery_c(now)

    def _plug(self, key: Key, vehicle: str, soc: float, battery_c: float, connector: int, now: float, effects: list[Effect]) -> None:
        bay, kind = self.bays[key], self.site.vehicles[vehicle]
        if bay.car is not None:
            return
        fitting = bay.evse.connector_for(kind)
        if fitting is None or (connector and bay.evse.dc and bay.evse.connector(connector).type != kind.dc_inlet):
            effects.append(Note("truth", key[0], "does not fit", {"evse": key[1], "vehicle": vehicle, "connector": connector}))
            return
        bay.anchor(now)
        bay.connector = connector or fitting.id
        visit = self._visits[key] = self._visits.get(key, 0) + 1
        delay = random.Random(f"{self.seed}/{key[0]}/{key[1]}/{visit}").uniform(*kind.start_delay_s)
        car = Car(kind, kind.capacity_wh * min(max(soc, 0.0), 100.0) / 100.0, delay, kind.cable_a, battery_c, warmed_at=now)
        car.ambient_c = self.around.ambient_c(now) if self.around is not None else car.ambient_c
        car.phases_seen, car.paused_since = min(bay.evse.phases, bay.supply), now
        bay.car = car
        bay.volts = self._bay_volts(bay)
        self.request(bay)
        self._rest(car, now)
        self._turn(key, ControlPilot.B, now, effects)
        self._aim(key, now, effects)

    def _unplug(self, key: Key, now: float, effects: list[Effect]) -> None:
        bay = self.bays[key]
        if bay.car is None:
            return
        bay.steps.clear()
        self._flow(key, 0.0, now, effects)
        bay.car, bay.turns_b, bay.turns_c, bay.piece = None, None, None, None
        self._turn(key, ControlPilot.A, now, effects)

    def _pilot_fault(self, key: Key, fault: bool, now: float, effects: list[Effect]) -> None:
        """The vehicle's side of the control pilot fails (state E, IEC 61851-1), or is mended. Without a vehicle nothing can."""
        bay = self.bays[key]
        if bay.car is None or (bay.pilot is ControlPilot.E) is fault:
            return
        bay.turns_b, bay.turns_c = None, None
        if fault:
            bay.steps.clear()
            self._flow(key, 0.0, now, effects)
        self._turn(key, ControlPilot.E if fault else ControlPilot.B, now, effects)

    def _wake(self, now: float, effects: list[Effect]) -> None:
        while self._wakes and self._wakes[0][0] <= now:
            entry = self._popped()
            if self._stale(entry):
                continue
            _, _, kind, what = entry
            if kind == "breaker":
                self._hot(str(what), now, effects)
            elif kind == "split":
                self._split(str(what), now, effects)
            elif kind == "site":
                self._surround(now, effects)
            elif kind == "fault":
                fault = self.faults_due.pop(str(what))
                self._fault(str(what), fault.name, dict(fault.parameters), now, effects)
            else:
                self._happen(what, now, effects)  # type: ignore[arg-type]

    def _happen(self, key: Key, now: float, effects: list[Effect]) -> None:
        """What is due at a bay by itself, each at its own exact time."""
        bay = self.bays[key]
        if bay.ends is not None and bay.ends <= now:
            at, bay.ends = bay.ends, None
            level = bay.output_w(at)
            bay.anchor(at)
            if bay.full:
                self._filled(key, at, effects)
            else:
                self._flow(key, bay.drawn, at, effects, from_w=level)
        while bay.steps and bay.steps[0][0] <= now:
            at, target = bay.steps.pop(0)
            self._flow(key, target, at, effects)
        if bay.turns_c is not None and bay.turns_c <= now:
            bay.turns_c = None
            if bay.pilot is ControlPilot.B:
                self._begin(key, now, effects)
        if bay.turns_b is not None and bay.turns_b <= now:
            bay.turns_b = None
            if bay.pilot is ControlPilot.C:
                self._turn(key, ControlPilot.B, now, effects)
        if bay.car is not None:
            for name in [n for n, at in bay.car.timers.items() if at <= now]:
                del bay.car.timers[name]
                self._timer(key, bay, bay.car, name, now, effects)
        self._aim(key, now, effects)

    # --- vehicles -----------------------------------------------------------------------------------------------

    def _begin(self, key: Key, now: float, effects: list[Effect]) -> None:
        """The vehicle asks for energy."""
        bay = self.bays[key]
        car = bay.car
        if car is None:
            return
        quirks = car.vehicle.quirks
        car.paused_since = None
        car.timers.pop("sleep", None)
        if quirks.second_module_a is not None and not car.second_in:
            car.timers.setdefault("module", now + quirks.second_module_s)
        if quirks.cools_every_s is not None:
            car.timers["cool"] = now + quirks.cools_every_s
        if car.warms and bay.evse.dc:
            car.warmed_at = now
            car.timers["warm"] = now + THERMAL_S
        self._turn(key, ControlPilot.C, now, effects)

    def _timer(self, key: Key, bay: Bay, car: Car, name: str, now: float, effects: list[Effect]) -> None:
        """A quirk's time has come."""
        quirks = car.vehicle.quirks
        match name:
            case "module":
                car.second_in = True
            case "cool" if bay.pilot is ControlPilot.C and quirks.cools_every_s is not None:
                car.cooling = True
                car.timers["cooled"] = now + quirks.cools_for_s
            case "cooled":
                car.cooling = False
                car.timers["cool"] = now + (quirks.cools_every_s or 0.0)
            case "sleep" if car.paused_since is not None:
                car.asleep, car.slept_at = True, now
                effects.append(Note("truth", key[0], "asleep", {"evse": key[1]}))
            case "warm":
                car.warm(bay.output_w(now), now)
                if bay.pilot is ControlPilot.C and car.warms:
                    car.timers["warm"] = now + THERMAL_S
            case "balanced" | "preheated":
                self._rested(key, now, effects)
            case "preheat" if car.full and bay.closed:
                self._turn(key, ControlPilot.C, now, effects)
                self._use(key, quirks.preheats_w, now, effects)
                car.timers["preheated"] = now + quirks.preheats_s
            case _:
                pass

    def _filled(self, key: Key, now: float, effects: list[Effect]) -> None:
        """Full: some go on to balance, preheat or draw a little; the others turn to B."""
        bay = self.bays[key]
        car = bay.car
        if car is None:
            return
        quirks = car.vehicle.quirks
        car.stored_wh = car.vehicle.capacity_wh
        bay.steps.clear()
        effects.append(Note("truth", key[0], "full", {"evse": key[1]}))
        if quirks.preheats_w:
            car.timers["preheat"] = now + quirks.preheats_later_s
        if quirks.balances_w and bay.pilot is ControlPilot.C:
            self._use(key, quirks.balances_w, now, effects)
            car.timers["balanced"] = now + quirks.balances_s
            return
        self._rested(key, now, effects)

    def _rested(self, key: Key, now: float, effects: list[Effect]) -> None:
        """Nothing more is stored: what it draws from here on, if anything."""
        bay = self.bays[key]
        asleep_a = bay.car.vehicle.quirks.asleep_a if bay.car else 0.0
        self._use(key, asleep_a * bay.volts * bay.phases if not bay.evse.dc else 0.0, now, effects)
        if not asleep_a and bay.pilot is ControlPilot.C:
            self._turn(key, ControlPilot.B, now, effects)

    def _rest(self, car: Car, now: float) -> None:
        """It waits for energy; some fall asleep over it."""
        if car.vehicle.quirks.sleeps_after_s is not None and not car.full:
            car.timers["sleep"] = now + car.vehicle.quirks.sleeps_after_s

    def _aim(self, key: Key, now: float, effects: list[Effect]) -> None:
        """Let the vehicle react to what is offered now."""
        bay = self.bays[key]
        car = bay.car
        if car is None:
            return
        least = 1.0 if bay.evse.dc else car.vehicle.least_a(bay.phases)
        offered = bay.offer >= least - 1e-9 and self._live(key[0])
        wanted = offered and car.willing
        if wanted and bay.pilot is ControlPilot.B and bay.turns_c is None:
            bay.turns_c = now + car.start_delay_s
        if not wanted:
            bay.turns_c = None
        busy = car.full and (bay.piece is not None) and offered
        if not wanted and not busy and bay.pilot is ControlPilot.C and bay.turns_b is None:
            bay.turns_b = now + self._delay(bay, car) + PAUSED_S
            if not offered and not car.full:
                car.interrupted()
                car.paused_since = now
                self._rest(car, now)
        if wanted:
            bay.turns_b = None
        if self.opened(bay):
            bay.steps.clear()
            if bay.drawn > 0.0 or bay.piece is not None:
                self._flow(key, 0.0, now, effects)
        elif not car.full:
            target = self.drawn(bay)
            if target != (bay.steps[-1][1] if bay.steps else bay.drawn):
                bay.steps.append((now + self._delay(bay, car), target))
                self._shared(key[0], bay, now)
        self._rearm(key)

    @staticmethod
    def _delay(bay: Bay, car: Car) -> float:
        return (car.vehicle.dc_ramp if bay.evse.dc else car.vehicle.ac_ramp).delay_s

    @point("plant.contactor_open")
    def opened(self, bay: Bay) -> bool:
        """True while nothing can flow: the contactor is open or the circuit is dead."""
        return not bay.closed or not self._live(bay.station.id)

    @point("plant.drawn")
    def drawn(self, bay: Bay) -> float:
        """What the vehicle heads for: A per phase (AC), or W of output (DC)."""
        car = bay.car
        if car is None or bay.pilot is not ControlPilot.C or not bay.closed or not car.willing:
            return 0.0
        if bay.evse.dc:
            return min(bay.offer, (bay.evse.max_kw or 0.0) * 1000.0, car.dc_w(), self.share_w(bay))
        return car.ac_a(min(bay.offer, bay.evse.max_a), bay.phases)

    @point("plant.modules")
    def share_w(self, bay: Bay) -> float:
        """The output this outlet may take of the modules it shares."""
        model = bay.station.model
        if model.shared_kw is None:
            return float("inf")
        wants = {}
        for number in (e.id for e in model.evses):
            other = self.bays[(bay.station.id, number)]
            if other.closed and other.pilot is ControlPilot.C and other.car is not None and other.car.willing:
                wants[number] = min(other.offer, (other.evse.max_kw or 0.0) * 1000.0, other.car.dc_w(), self._curve_w(other))
        return split_w(wants, model.shared_kw * 1000.0, model.module_kw * 1000.0).get(bay.evse.id, model.shared_kw * 1000.0)

    @staticmethod
    def _curve_w(bay: Bay) -> float:
        """What the vehicle's curve asks for at its state of charge when last anchored."""
        car = bay.car
        if car is None or not car.curve:
            return 0.0
        return next(s for s in car.curve if car.stored_wh < s.wh1 or s is car.curve[-1]).power_w(car.stored_wh)

    def _shared(self, station: str, bay: Bay, now: float) -> None:
        """Outlets of one set of modules are looked at again soon, and then on a grid."""
        if bay.station.model.shared_kw is not None and station not in self._ticking:
            self._tick("split", station, now + 1.0)

    def _split(self, station: str, now: float, effects: list[Effect]) -> None:
        del self._ticking[station]
        active = [key for key in self._keys(station) if self.bays[key].pilot is ControlPilot.C]
        for key in active:
            if self.bays[key].piece is not None:
                self._flow(key, self.bays[key].drawn, now, effects)
        for key in active:
            self._aim(key, now, effects)
        if active and station not in self._ticking:
            self._tick("split", station, now + SPLIT_S)

    def _turn(self, key: Key, pilot: ControlPilot, now: float, effects: list[Effect]) -> None:
        bay = self.bays[key]
        if bay.pilot is not pilot:
            bay.pilot = moved(bay.pilot, pilot)
            effects.append(Note("truth", key[0], "pilot", {"evse": key[1], "state": str(pilot)}))
        effects.append(Feed(key[0], Supply(key[1], pilot, self._live(key[0]), bay.connector)))
        self._aim(key, now, effects)

    # --- currents -----------------------------------------------------------------------------------------------

    def _flow(self, key: Key, drawn: float, now: float, effects: list[Effect], *, from_w: float | None = None) -> None:
        self.bays[key].flow(drawn, now, from_w=from_w)
        self._load(key, now, effects)

    def _use(self, key: Key, watts: float, now: float, effects: list[Effect]) -> None:
        self.bays[key].use(watts, now)
        self._load(key, now, effects)

    def _load(self, key: Key, now: float, effects: list[Effect]) -> None:
        """Tell the network what flows at this bay."""
        bay = self.bays[key]
        flow = None
        if bay.piece is not None:
            factor = bay.grid_factor()
            per_watt = self._rotated(bay.station, bay.per_watt())
            flow = Flow(per_watt, bay.piece.watts * factor, now, None if bay.piece.steady else bay.piece, factor)
        self._put(key, bay.station.circuit, flow, now, effects)
        self._rearm(key)

    def _volts(self, volts: PhaseAmps, now: float, effects: list[Effect]) -> None:
        """A new grid voltage: currents stay (a pilot is in amperes), power follows."""
        super()._volts(volts, now, effects)
        for key, bay in self.bays.items():
            if bay.car is None:
                continue
            level = bay.output_w(now)
            before, new = bay.volts, self._bay_volts(bay)
            if new == before:
                continue
            self._reshape(bay, now, volts=new)
            if bay.piece is not None and bay.drawn > 0.0:
                self._flow(key, bay.drawn, now, effects, from_w=level if bay.evse.dc else level * new / before)

    def _reshape(self, bay: Bay, now: float, *, volts: float | None = None) -> None:
        bay.anchor(now)
        bay.volts = volts if volts is not None else self._bay_volts(bay)
        if volts is None or not bay.evse.dc:
            self.request(bay)

    @point("plant.request")
    def request(self, bay: Bay) -> None:
        """Work out what the vehicle asks this outlet for over its state of charge."""
        if bay.car is not None:
            bay.car.shape(bay.evse, bay.volts, bay.phases)

    def _bay_volts(self, bay: Bay) -> float:
        """The mean voltage of the phases this bay is on."""
        used = [bay.station.rotation[terminal] for terminal in bay.terminals]
        return sum(self.network.volts[p] for p in used) / len(used) * bay.station.model.voltage_v / NOMINAL_V

    # --- wake-ups -----------------------------------------------------------------------------------------------

    def _rearm(self, key: Key) -> None:
        bay = self.bays[key]
        at = bay.wakes()
        if at is not None and at != bay.armed:
            bay.armed = at
            self._count += 1
            heappush(self._wakes, (at, self._count, "bay", key))

    def _popped(self) -> Entry:
        """The next wake-up, now no longer waiting."""
        entry = heappop(self._wakes)
        if entry[2] == "bay":
            bay = self.bays[entry[3]]  # type: ignore[index]
            bay.armed = None if bay.armed == entry[0] else bay.armed
        return entry

    def _stale(self, entry: Entry) -> bool:
        at, _, kind, what = entry
        if kind == "breaker":
            return self.breaker_opens_at(self.network.branches[str(what)]) is None
        if kind == "bay":
            return self.bays[what].wakes() != at  # type: ignore[index]
        return self._ticking.get(str(what)) != at
