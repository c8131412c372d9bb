"""A site that lives: its visitors come and go under the reference controller, in virtual time, and everything is recorded.

The plots come from the plant's own figures (`truth`): a simulation to look at, not a judgement. What became of the visitors is counted
from the records alone, by the definitions every run is measured by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from chargekit.emulator.visits import Outcome, TurnedAway, Visiting, Wish
from chargekit.lab.assemble import CSMS, PLANT, PRESENTS_S, Lab, Plan
from chargekit.lab.head import head_of
from chargekit.lab.recorder import Recorder
from chargekit.lab.sitefile import SiteBundle
from chargekit.model.limit import worst
from chargekit.model.located import BadInput
from chargekit.model.site import Arrival
from chargekit.model.visits import Day
from chargekit.world.history import Record

BIN_S = 300.0
"""Power is averaged over so long, from registers; currents are looked at every `LOOK_S`."""
LOOK_S = 60.0
MILD_C = 10.0
"""A colder day than this meets cold batteries."""
UNRECORDED = frozenset({"Heartbeat", "GetVariables", "SetVariables", "ChangeConfiguration"})
"""Messages left out of a simulation's record: nothing is made of them."""


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
    used: dict[str, tuple[float, float]] = field(default_factory=dict)
    over_s: float = 0.0
    trips: list[tuple[float, str, str]] = field(default_factory=list)
    incidents: dict[str, int] = field(default_factory=dict)
    visits: Outcome = field(default_factory=Outcome)
    messages: int = 0


def live(
    bundle: SiteBundle,
    days: int,
    seed: int,
    day: Day | None = None,
    progress: Callable[[float], None] = lambda share: None,
    *,
    grid_every_s: float = 15.0,
    record: Path | None = None,
    hear: Callable[[Record], None] | None = None,
) -> Life:
    """Let a site live for so many days. BadInput for one without visits.

    `grid_every_s`: how often the circuits' meters are read; weeks of several policies are compared on a minute.
    `record`: a file for what was witnessed, its head first; no truth, no meters of single stations. `hear` gets the same.
    """
    if bundle.site.visits is None:
        raise BadInput(bundle.site.source, f"{bundle.site.id} says nothing of its visitors", "a `visits:` section lets it live")
    plan = Plan(
        seed=str(seed), operate=True, keep=False, sample_s=60, grid_every_s=grid_every_s, meter_every_s=300.0, start_spread_s=20.0,
        mean_c=day.ambient_c if day is not None and day.ambient_c < MILD_C else None,
    )  # fmt: skip
    lab = Lab(bundle, plan)
    recorder = Recorder(record, lab.history, witnessed(lab)) if record is not None else None
    if hear is not None:
        heard, keeps = hear, witnessed(lab)
        lab.history.subscribe(lambda one: heard(one) if keeps(one) else None)
    try:
        life = _Living(lab, days, seed, day).run(progress)
        if recorder is not None:
            recorder.end({"simulated": {"days": days, "seed": seed}})
        return life
    finally:
        lab.close()


def witnessed(lab: Lab) -> Callable[[Record], bool]:
    """Whether a record is one that a simulation leaves behind."""
    single = {meter.id for meter in lab.meters if meter.circuit is None}

    def keeps(one: Record) -> bool:
        if one.witness == "wire":
            return one.kind.partition(".")[0] not in UNRECORDED and one.kind != "MeterValues.conf"
        return one.witness != "truth" and not (one.witness == "meter" and one.subject in single)

    return keeps


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
        self.visiting = Visiting(site, plan, first, days, seed, day)
        self.life.visits = self.visiting.outcome
        self.here: dict[tuple[str, int], Arrival] = {}
        self.bin_from, self.bin_wh, self.bin_top = 0.0, (0.0, 0.0), 0.0
        lab.history.subscribe(self._noted)
        about = {"seed": str(seed), "days": days, "first_day": first.isoformat(), "day": self.life.day}
        lab.history.add(0.0, "rig", site.id, "site", head_of(lab.bundle, lab.meters, whole=True) | about)

    def run(self, progress: Callable[[float], None]) -> Life:
        world = self.lab.world
        for wish in self.visiting.wishes:
            if wish.at < self.visiting.begin:
                self._comes(wish)
            elif wish.at < self.end:
                world.call(wish.at, partial(self._comes, wish))
        self.bin_wh = self._registers()
        looks = int(self.end / LOOK_S)
        for look in range(1, looks + 1):
            world.run_until(look * LOOK_S)
            self._look(world.now)
            if look % 5 == 0:
                self._close_bin(world.now)
                progress(look / looks)
        world.history.add(self.end, "rig", self.lab.site.id, "end", {})
        return self.life

    # --- visitors -----------------------------------------------------------------------------------------------

    def _later(self, at: float, subject: str, kind: str, body: dict[str, Any]) -> None:
        """What the driveway shows, recorded when it happens."""
        world = self.lab.world
        world.call(at, lambda: world.history.add(world.now, "rig", subject, kind, body) and None)

    def _comes(self, wish: Wish) -> None:
        """Somebody comes to the site."""
        found = self.visiting.comes(wish)
        if isinstance(found, TurnedAway):
            said = {"at": found.at, "token": found.token, "class": found.user_class}
            self._later(max(found.at, 0.0), self.lab.site.id, "turned_away", said)
        elif found is not None and found.at < self.end:
            self._schedule(found)

    def _leaves(self, one: Arrival) -> None:
        """Whoever is still there goes."""
        where = (one.station, one.evse)
        if self.here.get(where) is one:
            del self.here[where]
            self.lab.rig.act(PLANT, "unplug", {"station": one.station, "evse": one.evse})

    def _asked(self, station: str, evse: int, now: float) -> None:
        """The controller asks who has finished to make room."""
        one = self.here.get((station, evse))
        goes = self.visiting.asked(one, now) if one is not None else None
        if one is not None and goes is not None and goes < self.end:
            self.lab.world.call(goes, partial(self._leaves, one))

    def _refused(self, station: str, token: str, now: float) -> None:
        """The controller lets somebody not charge."""
        for (name, _), one in list(self.here.items()):
            if name == station and one.token == token:
                goes = self.visiting.refused(one, now)
                if goes is not None and goes < self.end:
                    self.lab.world.call(goes, partial(self._leaves, one))

    def _schedule(self, one: Arrival) -> None:
        world, rig = self.lab.world, self.lab.rig
        where = {"station": one.station, "evse": one.evse}
        said = {
            "evse": one.evse, "token": one.token, "class": one.user_class, "requested_kwh": one.needs_kwh,
            "joined": one.at if one.joined is None else one.joined, "stated": one.leaves_stated,
        }  # fmt: skip
        self._later(one.at, one.station, "arrival", said)
        world.call(one.at, lambda: self.here.__setitem__((one.station, one.evse), one))
        world.call(one.at, lambda: rig.act(PLANT, "plug", {**where, "vehicle": one.vehicle, "soc_percent": one.soc_percent}))
        rules = self.lab.bundle.rulebook
        if one.leaves_stated is not None and (rules.priority.by_departure or rules.cost.plan):
            # Who said when it leaves is known to whoever leads the site.
            says = {"token": one.token, "departs": one.leaves_stated}
            says |= {} if one.needs_kwh is None else {"needs_kwh": one.needs_kwh}
            world.call(one.at, lambda: rig.act(CSMS, "set_departure", says))
        world.call(one.at + PRESENTS_S, lambda: rig.act(one.station, "present", {"token": one.token, "evse": one.evse}))
        if one.leaves is not None and one.leaves < self.end:
            world.call(one.leaves, partial(self._leaves, one))

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

    def _noted(self, record: Record) -> None:
        witness, kind = record.witness, record.kind
        if witness == "wire":
            self.life.messages += 1
        elif kind == "breaker" and not record.body["closed"]:
            self.life.trips.append((record.t, record.subject, str(record.body["because"])))
        elif kind == "idle" and record.body["what"] == "asked":
            self._asked(record.subject, int(record.body["evse"]), record.t)
        elif kind == "access":
            self._refused(record.subject, str(record.body["token"]), record.t)
        elif kind == "incident" and not record.body.keys() & {"ended", "again"}:
            name = str(record.body["kind"])
            self.life.incidents[name] = self.life.incidents.get(name, 0) + 1
