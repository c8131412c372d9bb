"""From a site to a running lab: the World with its machines, their links and meters, the rig, and the loop they run on."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from chargekit.controller.csms import Controller
from chargekit.controller.operator import Operator
from chargekit.controller.recovery import Memory
from chargekit.emulator.building import Surroundings
from chargekit.emulator.plant import Plant
from chargekit.emulator.station import Station
from chargekit.lab.authority import HOST, own_security
from chargekit.lab.entrance import Entrance
from chargekit.lab.instruments import Instruments
from chargekit.lab.links import MemoryLink, MemoryMeter
from chargekit.lab.loop import PacedLoop, SocketLoop, make_loop
from chargekit.lab.rig import (
    BENCH_HANDS,
    CSMS_HANDS,
    CSMS_POWER,
    ENTRANCE_HANDS,
    LEVERS,
    LINK_HANDS,
    STATION_HANDS,
    VEHICLE_HANDS,
    JointRig,
    LocalRig,
)
from chargekit.lab.site_security import Settings, SiteSecurity, resolve
from chargekit.lab.sitefile import SiteBundle
from chargekit.lab.tap import WireTap
from chargekit.lab.tls import certifier
from chargekit.model.points import Defect, with_defects
from chargekit.model.site import Site
from chargekit.world.driver import World
from chargekit.world.events import Hand
from chargekit.world.history import History

T = TypeVar("T")
Transport = Literal["memory", "sockets"]
CSMS, PLANT, BENCH = "csms", "plant", "bench"
PRESENTS_S = 10.0
"""Between plugging in and presenting a token."""


@dataclass(slots=True)
class Plan:
    """How a lab is to be built. `stations` None: all. `meter_every_s` for the bench's own readings. `mean_c`: a cold day's mean
    temperature.

    `csms_url`: the stations dial an outside controller. `listen`: (host, port) where outside stations connect; then nothing is
    emulated. `meters_at`: where outside meters are read. `serve_meters`, `serve_rig`: where others read ours, and lend a hand here;
    `rigs_at`: where others lend us theirs. `security` goes over what the site file says; `listen_tls`: where stations connect over TLS
    when some connect without. Links in memory know no security but `secured`: all stations set up with this profile and credentials of
    the lab's own making, instead of any others, with real TLS on every kind of link. With anybody outside, or with security over
    sockets, the clock starts at the present, not at the site's epoch; else `starts_s` after it.
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
    serve_rig: tuple[str, int] | None = None
    rigs_at: tuple[tuple[str, int], ...] = ()
    compression: bool = False
    keep: bool = True
    start_spread_s: float = 0.0
    mean_c: float | None = None
    security: Settings | None = None
    listen_tls: tuple[str, int] | None = None
    secured: int | None = None
    starts_s: float = 0.0

    @property
    def outside(self) -> bool:
        """Is anybody on the other end of a wire who is not of this process?"""
        return self.csms_url is not None or self.listen is not None

    @property
    def sockets(self) -> bool:
        return self.transport == "sockets" or self.outside


class Lab:
    """A built site. `run` a coroutine on its loop; `close` when done."""

    def __init__(self, bundle: SiteBundle, plan: Plan) -> None:
        if plan.csms_url is not None and plan.listen is not None:
            raise ValueError("a lab plays the stations or the controller to somebody outside, not both")
        self.bundle, self.plan = bundle, plan
        self.site: Site = bundle.site
        start = self.site.calendar.utc(plan.starts_s)
        if plan.outside or (plan.sockets and (plan.secured is not None or (plan.security or bundle.security) is not None)):
            # Certificates are valid by the real date.
            start = datetime.now(UTC).replace(microsecond=0)
        if start != self.site.calendar.epoch:
            self.site = replace(bundle.site, calendar=replace(bundle.site.calendar, epoch=start))
        self.calendar = self.site.calendar
        self.history = History(keep=plan.keep)
        self.world = World(self.history, plant=PLANT)
        self.loop: PacedLoop | SocketLoop = make_loop(self.world, plan.rate, sockets=plan.sockets)
        self.links: dict[str, Any] = {}
        self.lines: dict[str, Any] = {}
        self.plant: Plant | None = None
        self.controller: Controller | None = None
        self.entrance: Entrance | None = None
        self.shells: list[Any] = []
        self.listening: dict[str, Any] = {}
        self._started: list[Any] = []
        names = plan.stations if plan.stations is not None else tuple(s.id for s in self.site.stations)
        self.stations = tuple(names)
        readable = plan.listen is None or plan.meters_at is not None
        self.security = self._security()
        self.meters = tuple(m for m in self.site.meters if (m.station is None or m.station in names) and (readable or m.port))
        if plan.listen is None:
            self._fleet()
        if plan.csms_url is None:
            self._csms()
        if plan.sockets:
            self._sockets()
        else:
            self._memory()
        if self.meters:
            self.world.add(BENCH, Instruments(self.meters, plan.meter_every_s))
        self.rig = JointRig(LocalRig(self.world, self.links, self._hands(), self.entrance), [])
        if plan.sockets:
            self._rigs()

    def _security(self) -> SiteSecurity | None:
        """The credentials of this lab, read or made; None without a word of security, or without sockets for what was read."""
        if self.plan.secured is not None:
            return own_security(self.plan.secured, [self.site.station(name) for name in self.stations], self.plan.seed)
        given = self.plan.security.over(self.bundle.security) if self.plan.security is not None else self.bundle.security
        if given is None or not self.plan.sockets:
            return None
        specs = [self.site.station(name) for name in self.stations]
        tls = self.plan.listen_tls is not None or bool(given.certificate and self.plan.listen is None)
        return resolve(given, specs, csms=self.plan.csms_url is None, fleet=self.plan.listen is None, tls=tls)

    def rng(self, name: str) -> random.Random:
        """One generator per name, from the seed."""
        return random.Random(f"{self.plan.seed}/{name}")

    def _hands(self) -> frozenset[str]:
        can: frozenset[str] = frozenset()
        if self.plan.listen is None:
            can |= VEHICLE_HANDS | STATION_HANDS | BENCH_HANDS
        if self.links:
            can |= LINK_HANDS
        if self.controller is not None:
            can |= CSMS_HANDS | (LEVERS if self.plan.operate else frozenset())
            if self.plan.operate and not self.plan.sockets:
                # Over sockets the server's ends would stay open while nobody is behind them.
                can |= CSMS_POWER
        if self.entrance is not None:
            can |= ENTRANCE_HANDS
        return can

    # --- machines -----------------------------------------------------------------------------------------------

    def _mixed(self, machine: type[T], part: str, name: str = "") -> type[T]:
        chosen = [d for d in self.plan.defects if d.part == part]
        if name and self.plan.defective is not None and name not in self.plan.defective:
            chosen = []
        return with_defects(machine, chosen)

    def _fleet(self) -> None:
        around = None
        if self.site.buildings or self.plan.mean_c is not None:
            around = Surroundings(self.calendar, self.site.buildings, f"{self.plan.seed}/around", self.plan.mean_c)
        self.plant = self._mixed(Plant, "plant")(self.site, self.rng(PLANT), around)
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

        def powered(saved: Mapping[str, Any], start: float) -> Station:
            rng = self.rng(f"{name}/{saved.get('boots', 0)}")
            return make(spec, taps, self.calendar, rng, saved, clock_offset_s=offset, keeps_clock=plan.keeps_clock, start_s=start)

        kept = self.security.memory(name) if self.security is not None else {}
        self.world.saved[name] = dict(kept)
        self.world.add(name, powered(kept, spread), lambda saved: powered(saved, self.world.now))

    def _csms(self) -> None:
        leading = self._mixed(Operator, "controller")

        def powered(saved: Mapping[str, Any], back_at: float | None) -> Controller:
            name = CSMS if back_at is None else f"{CSMS}/{back_at}"
            self.controller = controller = Controller(self.site, self.calendar, self.rng(name), back_at)
            if self.plan.operate:
                operator = leading(self.site, self.bundle.rulebook, controller, every_s=self.plan.grid_every_s, sample_s=self.plan.sample_s)
                controller.operator, controller.memory = operator, Memory(controller, operator, saved, back_at)
            self._admit(controller)
            return controller

        self.world.add(CSMS, powered({}, None), lambda saved: powered(saved, self.world.now))

    def _admit(self, controller: Controller) -> None:
        """Who may connect, and whose certificates it signs."""
        if self.security is not None:
            doors = controller.doors = self.security.doors(self.site.station(name) for name in self.stations)
            self.entrance = Entrance(self.security, doors, self.history, lambda: self.world.now, CSMS)
            if self.security.authority is not None:
                controller.certify = certifier(*self.security.authority, self.calendar)

    # --- lines --------------------------------------------------------------------------------------------------

    def _memory(self) -> None:
        for name in self.stations:
            tap = WireTap(self.history, name)
            link = MemoryLink(self.world, name, CSMS, self.site.station(name).ocpp, self.rng(f"{name}/link"), tap)
            link.entrance = self.entrance
            self.links[name] = link
        assert self.plant is not None
        for meter in self.meters:
            source = self.plant.meter_source(meter)
            self.lines[meter.id] = MemoryMeter(self.world, BENCH, meter.id, source)
            if self.plan.operate and meter.circuit is not None:
                self.lines[f"csms/{meter.id}"] = MemoryMeter(self.world, CSMS, meter.id, source)

    def _sockets(self) -> None:
        from chargekit.lab.shells import plug_in

        plug_in(self)

    def _rigs(self) -> None:
        from chargekit.lab.shells import plug_in_rigs

        plug_in_rigs(self)

    # --- running ------------------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the lab's loop, in its time, once what listens or connects is there. A machine's error is raised here."""
        return self.loop.carry_out(self._with_shells(work))

    async def start(self) -> None:
        """Start what listens or connects, once; `run` does it too. OSError when an address can't be had."""
        for shell in self.shells:
            if shell not in self._started:
                self._started.append(shell)
                await shell.start()

    async def _with_shells(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            await self.start()
        except BaseException:
            work.close()
            raise
        return await work

    def address(self, what: str) -> tuple[str, int]:
        """Where `csms`, `meters` or `rig` listens, once started. KeyError if it does not."""
        host, port = self.listening[what].address
        return host, port

    def url(self, station: str, *, secure: bool) -> str:
        """Where a station finds our CSMS, without its own name: by the host and path it last used. "" before it ever came."""
        scheme = "wss" if secure else "ws"
        server = self.listening.get("csms")
        if server is None:
            return f"{scheme}://{HOST}"
        host, path = server.lines[station].dialled
        name = re.match(r"\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+", host)
        port = (server.secure_address if secure and server.secure_address else server.address)[1]
        return f"{scheme}://{name[0] if name else ''}:{port}{path.partition('?')[0].removesuffix('/').rpartition('/')[0]}"

    async def stand(self, seconds: float | None = None) -> None:
        """Stay up for so many site seconds, or until interrupted."""
        await asyncio.sleep(seconds if seconds is not None else math.inf)

    def read_every(self, seconds: float) -> None:
        """From now on the bench reads its meters so often."""
        if self.meters:
            self.world.post(BENCH, Hand("read_every", {"seconds": seconds}))

    def play_arrivals(self) -> None:
        """Let the site file's vehicles come, present their tokens, and leave."""
        for one in self.site.arrivals:
            if one.station in self.stations:
                where = {"station": one.station, "evse": one.evse}
                plug = {**where, "vehicle": one.vehicle, "soc_percent": one.soc_percent}
                self._later(one.at, PLANT, "plug", plug)
                self._later(one.at + PRESENTS_S, one.station, "present", {"token": one.token, "evse": one.evse})
                if one.leaves is not None:
                    self._later(one.leaves, one.station, "press_stop", {"evse": one.evse})
                    self._later(one.leaves + PRESENTS_S, PLANT, "unplug", where)

    def _later(self, at: float, to: str, verb: str, args: dict[str, Any]) -> None:
        self.world.call(at, lambda: self.rig.act(to, verb, args))

    def close(self) -> None:
        """Close shells and loop."""
        if self.loop.is_closed():
            return
        self.loop.halted = True
        for shell in reversed(self._started):
            self.loop.run_until_complete(shell.stop())
        self.loop.wind_up()


def build(bundle: SiteBundle, plan: Plan | None = None) -> Lab:
    """The lab of a site."""
    return Lab(bundle, plan or Plan())
