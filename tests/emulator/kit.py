"""A plant on its own: vehicles, one charger of each kind, and a clock."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime

from chargekit.emulator.building import Surroundings
from chargekit.emulator.plant import Plant
from chargekit.lab.sitefile import catalogue_vehicles
from chargekit.model.calendar import Calendar
from chargekit.model.site import ChargingStation, Circuit, Evse, Site, StationModel
from chargekit.model.vehicle import Vehicle
from chargekit.world.driver import World
from chargekit.world.events import Hand, Load

AC = StationModel("ac", "v", "m", (Evse(1, max_a=80.0),), standby_w=0.0)
DC = StationModel("dc", "v", "m", (Evse(1, max_a=8000.0, max_kw=4000.0),), standby_w=0.0)


class Kit:
    """A World with nothing but a plant in it."""

    def __init__(
        self,
        stations: dict[str, StationModel] | None = None,
        vehicles: dict[str, Vehicle] | None = None,
        circuits: dict[str, Circuit] | None = None,
        rotation: dict[str, tuple[int, int, int]] | None = None,
        circuit_of: dict[str, str] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        turns, on = rotation or {}, circuit_of or {}
        tree = circuits or {"grid": Circuit("grid", None, 20_000.0)}
        root = next(iter(tree))
        made = tuple(
            ChargingStation(name, model, on.get(name, root), rotation=turns.get(name, (0, 1, 2)))
            for name, model in (stations or {"ac": AC, "dc": DC}).items()
        )
        self.site = Site("kit", "t", Calendar(datetime(2026, 3, 2, tzinfo=UTC)), tree, made, vehicles=vehicles or catalogue_vehicles())
        self.world = World()
        self.plant = Plant(self.site, random.Random(1), surroundings)
        self.world.add("plant", self.plant)
        for station in made:
            self.world.add(station.id, _Deaf(), lambda saved: _Deaf())

    def plug(self, station: str, vehicle: str, soc: float, evse: int = 1, **more: float) -> None:
        self.hand("plug", station=station, evse=evse, vehicle=vehicle, soc_percent=soc, **more)

    def hand(self, verb: str, **args: object) -> None:
        self.world.post("plant", Hand(verb, args))
        self.world.run_until(self.world.now)

    def offer(self, station: str, amps: float = 0.0, *, kw: float = 0.0, evse: int = 1, closed: bool = True, phases: int = 3) -> None:
        self.world.post("plant", Load(evse, closed, amps, kw * 1000.0, station, phases))
        self.world.run_until(self.world.now)

    def run(self, seconds: float) -> None:
        self.world.run_until(self.world.now + seconds)

    def until_full(self, station: str, most_s: float = 400_000.0) -> float:
        """Runs until the vehicle is full; when that was."""
        bay = self.plant.bays[(station, 1)]
        end = self.world.now + most_s
        while not bay.full and self.world.now < end and self.world.next() < math.inf:
            self.world.step()
        assert bay.full, f"{station}: not full after {most_s} s, {bay.soc_percent(self.world.now)} %"
        return self.world.now

    def power_w(self, station: str, evse: int = 1) -> float:
        return self.plant.bays[(station, evse)].output_w(self.world.now)

    def amps(self, station: str, evse: int = 1) -> tuple[float, float, float]:
        return self.plant.bays[(station, evse)].current_a(self.world.now)


class _Deaf:
    """A station nobody asks anything of."""

    due = None

    def on(self, event: object, now: float) -> tuple[()]:
        return ()


def swift(vehicle: Vehicle, **more: object) -> Vehicle:
    """The vehicle without delays, for tests of everything else."""
    return replace(vehicle, start_delay_s=(0.1, 0.1), **more)  # type: ignore[arg-type]
