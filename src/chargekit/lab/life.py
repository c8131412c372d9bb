"""A site that lives: its visitors come and go under the reference controller, in virtual time, and what became of them is counted.

What is shown comes from the plant's own figures (`truth`): this is a simulation to look at, not a judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from chargekit.emulator.visits import Outcome, played
from chargekit.lab.assemble import CSMS, PLANT, PRESENTS_S, Lab, Plan
from chargekit.lab.sitefile import SiteBundle
from chargekit.model.limit import worst
from chargekit.model.located import BadInput
from chargekit.model.site import Arrival
from chargekit.model.visits import Day

BIN_S = 300.0
"""Power is averaged over so long, from registers; currents are looked at every `LOOK_S`."""
LOOK_S = 60.0
MILD_C = 10.0
"""A colder day than this meets cold batteries."""
MET_KWH = 0.25
"""A need is met when no more than this is missing."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One visit as it went. Times in run s; energies in kWh at the EVSE's meter."""

    arrival: Arrival
    delivered_kwh: float
    full: bool

    @property
    def unmet_kwh(self) -> float:
        """What the driver needed and did not get; a full battery needs nothing."""
        needed = self.arrival.needs_kwh or 0.0
        return 0.0 if self.full else max(0.0, needed - self.delivered_kwh)


@dataclass(frozen=True, slots=True)
class Bin:
    """`BIN_S` of the site from `t` on: mean power at the grid and of its buildings (kW), the highest phase current (A), and how many
    vehicles were plugged in and charging."""

    t: float
    grid_kw: float
    building_kw: float
    highest_a: float
    plugged: int
    charging: int


@dataclass(slots=True)
class Life:
    """What became of a site in so many days. `cap_a`: what its rules allow at the grid; `used`: by circuit, the highest share of its
    rating and when; `over_s`: seconds any circuit was seen over its rating."""

    site: str
    stations: int
    first_day: date
    days: int
    day: str
    cap_a: float
    rating_a: float
    bins: list[Bin] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    used: dict[str, tuple[float, float]] = field(default_factory=dict)
    over_s: float = 0.0
    trips: list[tuple[float, str, str]] = field(default_factory=list)
    incidents: dict[str, int] = field(default_factory=dict)
    visits: Outcome = field(default_factory=Outcome)
    messages: int = 0


def live(bundle: SiteBundle, days: int, seed: int, day: Day | None = None, progress: Callable[[float], None] = lambda share: None) -> Life:
    """Let a site live for so many days. BadInput for one without visits."""
    if bundle.site.visits is None:
        raise BadInput(bundle.site.source, f"{bundle.site.id} says nothing of its visitors", "a `visits:` section lets it live")
    plan = Plan(
        seed=str(seed), operate=True, keep=False, sample_s=60, grid_every_s=15.0, meter_every_s=300.0, start_spread_s=20.0,
        mean_c=day.ambient_c if day is not None and day.ambient_c < MILD_C else None,
    )  # fmt: skip
    lab = Lab(bundle, plan)
    try:
        return _Living(lab, days, seed, day).run(progress)
    finally:
        lab.close()


class _Living:
    """The lab with its visitors, and the counting."""

    def __init__(self, lab: Lab, days: int, seed: int, day: Day | None) -> None:
        self.lab, self.end = lab, days * 86_400.0
        site, plan = lab.site, lab.site.visits
        assert lab.plant is not None and plan is not None
        self.plant = lab.plant
        first = site.calendar.local(0.0).date()
        root = site.root
        caps = [one.limit_a for one in lab.bundle.rulebook.limits if one.circuit == root.name]
        self.life = Life(site.id, len(site.stations), first, days, day.name if day else "", min([root.rating_a, *caps]), root.rating_a)
        self.life.visits = played(site, plan, first, days, seed, day)
        self.begun: dict[tuple[str, int], float] = {}
        self.bin_from, self.bin_wh, self.bin_top = 0.0, (0.0, 0.0), 0.0
        lab.history.subscribe(self._noted)

    def run(self, progress: Callable[[float], None]) -> Life:
        world = self.lab.world
        for arrival in self.life.visits.arrivals:
            if arrival.at < self.end:
                self._schedule(arrival)
        self.bin_wh = self._registers()
        looks = int(self.end / LOOK_S)
        for look in range(1, looks + 1):
            world.run_until(look * LOOK_S)
            self._look(world.now)
            if look % 5 == 0:
                self._close_bin(world.now)
                progress(look / looks)
        for arrival in self.life.visits.arrivals:
            if (arrival.station, arrival.evse) in self.begun and arrival.at < self.end <= (arrival.leaves or 0.0):
                self._count(arrival)
        return self.life

    # --- visitors -----------------------------------------------------------------------------------------------

    def _schedule(self, one: Arrival) -> None:
        world, key = self.lab.world, (one.station, one.evse)

        def comes() -> None:
            self.begun[key] = self.plant.bays[key].output_wh(world.now)
            self.lab.rig.act(
                PLANT, "plug", {"station": one.station, "evse": one.evse, "vehicle": one.vehicle, "soc_percent": one.soc_percent}
            )

        def leaves() -> None:
            self._count(one)
            self.lab.rig.act(PLANT, "unplug", {"station": one.station, "evse": one.evse})

        def says() -> None:
            """Who said when it leaves is known to whoever leads the site."""
            self.lab.rig.act(CSMS, "plan_departure", {"token": one.token, "departs": one.leaves_stated})

        world.call(one.at, comes)
        if one.leaves_stated is not None and self.lab.bundle.rulebook.priority.by_departure:
            world.call(one.at, says)
        world.call(one.at + PRESENTS_S, lambda: self.lab.rig.act(one.station, "present", {"token": one.token, "evse": one.evse}))
        if one.leaves is not None and one.leaves < self.end:
            world.call(one.leaves, leaves)

    def _count(self, one: Arrival) -> None:
        bay = self.plant.bays[(one.station, one.evse)]
        before = self.begun.pop((one.station, one.evse), None)
        if before is not None:
            delivered = (bay.output_wh(self.lab.world.now) - before) / 1000.0
            self.life.stays.append(Stay(one, delivered, bay.full))

    # --- the site -----------------------------------------------------------------------------------------------

    def _registers(self) -> tuple[float, float]:
        sample = self.plant.read_circuit(self.lab.site.root.name, self.lab.world.now)
        return sample.energy_wh - sample.export_wh, self.plant.building_wh(self.lab.world.now)

    def _look(self, now: float) -> None:
        for name, circuit in self.lab.site.circuits.items():
            top = worst(self.plant.network.branches[name].amps_at(now))
            share = top / circuit.rating_a
            if share > self.life.used.get(name, (0.0, 0.0))[0]:
                self.life.used[name] = (share, now)
            if share > 1.0 + 1e-6:
                self.life.over_s += LOOK_S
            if circuit.parent is None:
                self.bin_top = max(self.bin_top, top)

    def _close_bin(self, now: float) -> None:
        wh, old, passed = self._registers(), self.bin_wh, (now - self.bin_from) / 3600.0
        bays = self.plant.bays.values()
        plugged, charging = sum(b.car is not None for b in bays), sum(b.drawn > 0.0 for b in bays)
        kw = [(a - b) / passed / 1000.0 for a, b in zip(wh, old, strict=True)]
        self.life.bins.append(Bin(self.bin_from, kw[0], kw[1], self.bin_top, plugged, charging))
        self.bin_from, self.bin_wh, self.bin_top = now, wh, 0.0

    def _noted(self, record: object) -> None:
        witness, kind = record.witness, record.kind  # type: ignore[attr-defined]
        if witness == "wire":
            self.life.messages += 1
        elif kind == "breaker" and not record.body["closed"]:  # type: ignore[attr-defined]
            self.life.trips.append((record.t, record.subject, str(record.body["because"])))  # type: ignore[attr-defined]
        elif kind == "incident":
            name = str(record.body["kind"])  # type: ignore[attr-defined]
            self.life.incidents[name] = self.life.incidents.get(name, 0) + 1
