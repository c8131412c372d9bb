"""From a site to a running lab: the World with its machines, their links and meters, the rig, and the loop they run on."""

from __future__ import annotations

import math
import random
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from chargekit.controller.csms import Controller
from chargekit.controller.operator import Operator
from chargekit.emulator.plant import Plant
from chargekit.emulator.station import Station
from chargekit.lab.instruments import Instruments
from chargekit.lab.links import MemoryLink, MemoryMeter
from chargekit.lab.loop import PacedLoop, SocketLoop, make_loop
from chargekit.lab.rig import BENCH_HANDS, CSMS_HANDS, LEVERS, LINK_HANDS, STATION_HANDS, VEHICLE_HANDS, LocalRig
from chargekit.lab.sitefile import SiteBundle
from chargekit.lab.tap import WireTap
from chargekit.model.points import Defect, with_defects
from chargekit.model.site import MeterPoint, Site
from chargekit.world.driver import World
from chargekit.world.history import History

T = TypeVar("T")
Transport = Literal["memory", "sockets"]
CSMS, PLANT, BENCH = "csms", "plant", "bench"


@dataclass(slots=True)
class Plan:
    """How a lab is to be built. `stations` None: all. `meter_every_s` for the bench's own readings.

    `csms_url`: the stations dial an outside controller. `listen`: (host, port) where outside stations connect; then nothing is
    emulated. `meters_at`: where outside meters are read.
    """

    seed: str = "1"
    rate: float = math.inf
    transport: Transport = "memory"
    operate: bool = False
    defects: tuple[type[Defect], ...] = ()
    defective: tuple[str, ...] | None = None
    stations: tuple[str, ...] | None = None
    meter_every_s: float = 1.0
    grid_every_s: float = 5.0
    sample_s: int = 10
    clock_offset_s: Mapping[str, float] = field(default_factory=dict)
    keeps_clock: bool = False
    csms_url: str | None = None
    listen: tuple[str, int] | None = None
    meters_at: tuple[str, int] | None = None
    serve_meters: tuple[str, int] | None = None
    keep: bool = True
    start_spread_s: float = 0.0


class Lab:
    """A built site. `run` a coroutine on its loop; `close` when done."""

    def __init__(self, bundle: SiteBundle, plan: Plan) -> None:
        self.bundle, self.plan = bundle, plan
        self.site: Site = bundle.site
        self.calendar = bundle.site.calendar
        self.history = History(keep=plan.keep)
        self.world = World(self.history, plant=PLANT)
        self.loop: PacedLoop | SocketLoop = make_loop(self.world, plan.rate, sockets=plan.transport == "sockets")
        self.links: dict[str, Any] = {}
        self.lines: dict[str, MemoryMeter] = {}
        self.plant: Plant | None = None
        self.controller: Controller | None = None
        self.shells: list[Any] = []
        names = plan.stations if plan.stations is not None else tuple(s.id for s in self.site.stations)
        self.stations = tuple(names)
        self.meters = tuple(m for m in self.site.meters if m.station is None or m.station in names)
        emulated = plan.listen is None
        if emulated:
            self._fleet()
        if plan.csms_url is None:
            self._csms()
        if plan.transport == "memory":
            self._memory()
        else:
            self._sockets()
        if self.meters and (emulated or plan.meters_at is not None):
            self.world.add(BENCH, Instruments(self.meters, plan.meter_every_s))
        self.rig = LocalRig(self.world, self.links, self.lines, self._hands())

    def rng(self, name: str) -> random.Random:
        """One generator per name, from the seed."""
        return random.Random(f"{self.plan.seed}/{name}")

    def _hands(self) -> frozenset[str]:
        can: frozenset[str] = frozenset()
        if self.plan.listen is None:
            can |= VEHICLE_HANDS | STATION_HANDS | BENCH_HANDS | LINK_HANDS
        if self.controller is not None:
            can |= CSMS_HANDS | (LEVERS if self.plan.operate else frozenset())
        return can

    # --- machines -----------------------------------------------------------------------------------------------

    def _mixed(self, machine: type[T], on: str, name: str = "") -> type[T]:
        chosen = [d for d in self.plan.defects if d.on == on]
        if name and self.plan.defective is not None and name not in self.plan.defective:
            chosen = []
        return with_defects(machine, chosen)

    def _fleet(self) -> None:
        self.plant = self._mixed(Plant, "plant")(self.site, self.rng(PLANT))
        self.world.add(PLANT, self.plant)
        for name in self.stations:
            self._station(name)

    def _station(self, name: str) -> None:
        spec, plant, plan = self.site.station(name), self.plant, self.plan
        assert plant is not None
        taps = {e.id: plant.tap(name, e.id) for e in spec.model.evses}
        make = self._mixed(Station, "station", name)
        offset = plan.clock_offset_s.get(name, 0.0)
        spread = self.rng(f"{name}/start").random() * plan.start_spread_s

        def build(saved: Mapping[str, Any], start_s: float | None = None) -> Station:
            rng = self.rng(f"{name}/{saved.get('boots', 0)}")
            start = self.world.now if start_s is None else start_s
            return make(spec, taps, self.calendar, rng, saved, clock_offset_s=offset, keeps_clock=plan.keeps_clock, start_s=start)

        self.world.add(name, build({}, spread), build)

    def _csms(self) -> None:
        controller = Controller(self.site, self.calendar, self.rng(CSMS))
        if self.plan.operate:
            leading = self._mixed(Operator, "controller")
            controller.operator = leading(
                self.site, self.bundle.rulebook, controller, every_s=self.plan.grid_every_s, sample_s=self.plan.sample_s
            )
        self.controller = controller
        self.world.add(CSMS, controller)

    # --- lines --------------------------------------------------------------------------------------------------

    def _memory(self) -> None:
        for name in self.stations:
            tap = WireTap(self.history, name)
            self.links[name] = MemoryLink(self.world, name, CSMS, self.site.station(name).ocpp, self.rng(f"{name}/link"), tap)
        assert self.plant is not None
        for meter in self.meters:
            source = self.plant.meter_source(meter)
            self.lines[meter.id] = MemoryMeter(self.world, BENCH, meter.id, source)
            if self.plan.operate and meter.circuit is not None:
                self.lines[f"csms/{meter.id}"] = MemoryMeter(self.world, CSMS, meter.id, source)

    def _sockets(self) -> None:
        from chargekit.lab.shells import plug_in

        plug_in(self)

    # --- running ------------------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the lab's loop, in its time."""
        return self.loop.carry_out(self._with_shells(work))

    async def _with_shells(self, work: Coroutine[Any, Any, T]) -> T:
        for shell in self.shells:
            await shell.start()
        return await work

    def close(self) -> None:
        """Close shells and loop."""
        if self.loop.is_closed():
            return
        for shell in reversed(self.shells):
            self.loop.run_until_complete(shell.stop())
        self.loop.close()


def circuit_meters(meters: Iterable[MeterPoint]) -> Sequence[MeterPoint]:
    return [m for m in meters if m.circuit is not None]


def build(bundle: SiteBundle, plan: Plan | None = None) -> Lab:
    """The lab of a site."""
    return Lab(bundle, plan or Plan())
