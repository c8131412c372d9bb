"""Which shells a lab with real sockets needs, and how they are plugged into its World."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from chargekit.lab.hands import complaint
from chargekit.lab.links import MemoryMeter
from chargekit.lab.loop import SocketLoop
from chargekit.lab.modbus import Framing, MeterBus, MeterServer, NoMeter
from chargekit.lab.remote_rig import RigClient, RigServer
from chargekit.lab.site_security import fits
from chargekit.lab.sockets import CsmsServer, StationLink
from chargekit.lab.tap import WireTap
from chargekit.model.located import BadInput
from chargekit.model.site import MeterPoint
from chargekit.world.events import MeterSource

if TYPE_CHECKING:
    from chargekit.lab.assemble import Lab

LOOPBACK = ("127.0.0.1", 0)
HIGHEST_UNIT = 247


class Shell(Protocol):
    """Something that listens or connects while a lab runs."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def plug_in(lab: Lab) -> None:
    """Sockets between the machines of this lab, and to whoever is outside."""
    assert isinstance(lab.loop, SocketLoop)
    server = _controller_end(lab, lab.loop) if lab.controller is not None else None
    if lab.plant is not None:
        _station_ends(lab, lab.loop, server)
    _meters(lab, lab.loop)


def plug_in_rigs(lab: Lab) -> None:
    """Hands of others, and hands for others."""
    if isinstance(lab.loop, SocketLoop):
        for at in lab.plan.rigs_at:
            client = RigClient(lab.loop, lab.world, at)
            lab.rig.others.append(client)
            lab.shells.append(client)
        if lab.plan.serve_rig is not None:
            from chargekit.lab.assemble import CSMS, PLANT

            server = RigServer(
                lab.loop, lab.rig.local, lab.plan.serve_rig, lambda to, verb, args: complaint(lab.site, PLANT, CSMS, to, verb, args)
            )
            lab.shells.append(server)
            lab.listening["rig"] = server


def _controller_end(lab: Lab, loop: SocketLoop) -> CsmsServer:
    from chargekit.lab.assemble import CSMS

    stations = [lab.site.station(name) for name in lab.stations]
    taps = {name: WireTap(lab.history, name) for name in lab.stations}
    held, plain, secure, context = lab.security, lab.plan.listen or LOOPBACK, lab.plan.listen_tls, None
    if held is not None and held.pairs:
        context = lab.entrance.context if lab.entrance is not None else None
        only = min(held.profiles, default=2) >= 2
        fits(held, None, lab.plan.listen is not None, secure is not None)
        secure = secure or (plain if only else LOOPBACK)
        clear = None if only and lab.plan.listen_tls is None else plain
        server = CsmsServer(
            loop, lab.world, CSMS, stations, taps, clear, compression=lab.plan.compression,
            doors=lab.controller.doors if lab.controller else None, tls=context, listen_tls=secure,
        )  # fmt: skip
        server.entrance = lab.entrance
    else:
        doors = lab.controller.doors if lab.controller else None
        server = CsmsServer(loop, lab.world, CSMS, stations, taps, plain, compression=lab.plan.compression, doors=doors)
        server.entrance = lab.entrance
    lab.shells.append(server)
    lab.listening["csms"] = server
    if lab.plant is None:
        lab.links.update(server.lines)
    return server


def _station_ends(lab: Lab, loop: SocketLoop, server: CsmsServer | None) -> None:
    """Each station's own dialler; it records only where the controller is not ours."""
    from chargekit.lab.assemble import CSMS

    if lab.plan.csms_url is not None:
        try:
            parse_uri(lab.plan.csms_url)
        except (InvalidURI, ValueError):
            raise BadInput(None, f"no WebSocket address: {lab.plan.csms_url!r}", "for example ws://127.0.0.1:9000/ocpp") from None
        if lab.security is not None:
            fits(lab.security, lab.plan.csms_url, False, False)

    def url() -> str:
        if server is None:
            return lab.plan.csms_url or ""
        host, port = server.address
        return f"ws://{host}:{port}"

    def secure_url() -> str:
        host, port = server.secure_address or server.address if server is not None else ("", 0)
        return f"wss://{host}:{port}"

    for name in lab.stations:
        tap = WireTap(lab.history, name) if server is None else None
        version = lab.site.station(name).ocpp
        link = StationLink(loop, lab.world, name, CSMS, version, url, tap, compression=lab.plan.compression)
        link.secure_url = secure_url if server is not None else None
        lab.links[name] = link
        lab.shells.append(link)


def _meters(lab: Lab, loop: SocketLoop) -> None:
    """Emulated meters are served over Modbus where anybody reads them over it; outside meters are read where they are."""
    from chargekit.lab.assemble import BENCH, CSMS

    readers = [BENCH] + ([CSMS] if lab.controller is not None and lab.plan.operate else [])
    servers: dict[Framing, MeterServer] = {}
    if lab.plant is not None and lab.meters and (lab.controller is not None or lab.plan.serve_meters is not None):
        for framing in dict.fromkeys(m.framing for m in lab.meters):
            meters = tuple(m for m in lab.meters if m.framing == framing)
            sources = {m.id: lab.plant.meter_source(m) for m in meters}
            listen = lab.plan.serve_meters or LOOPBACK
            # One port is asked for: the second kind of framing takes the next one.
            at = (listen[0], listen[1] + 1 if listen[1] and servers else listen[1])
            servers[framing] = MeterServer(loop, lab.world, by_unit(meters, sources), at, framing)
            lab.shells.append(servers[framing])
            lab.listening["meters" if len(servers) == 1 else "meters-2"] = servers[framing]
    for reader in readers:
        _lines(lab, loop, reader, servers)


def _lines(lab: Lab, loop: SocketLoop, reader: str, servers: Mapping[Framing, MeterServer]) -> None:
    """One machine's lines to the meters it reads: the bench to all, the operator to those on circuits."""
    from chargekit.lab.assemble import BENCH

    buses: dict[tuple[tuple[str, int] | None, Framing], MeterBus] = {}
    wanted = lab.meters if reader == BENCH else [m for m in lab.site.meters if m.circuit is not None]
    for meter in wanted:
        name = meter.id if reader == BENCH else f"{reader}/{meter.id}"
        server = servers.get(meter.framing)
        if lab.plant is not None and lab.controller is None:
            # The fleet alone: the bench looks at its own plant.
            lab.lines[name] = MemoryMeter(lab.world, reader, meter.id, lab.plant.meter_source(meter))
        elif server is None and meter not in lab.meters:
            lab.lines[name] = NoMeter(lab.world, reader, meter.id)
        else:
            at = (meter.host, meter.port) if meter.port else lab.plan.meters_at
            key = (None if server is not None else at, meter.framing)
            if key not in buses:
                buses[key] = MeterBus(loop, lab.world, reader, server or at or LOOPBACK, meter.framing)
            lab.lines[name] = buses[key].line(meter.id)
    lab.shells.extend(buses.values())


def by_unit(meters: tuple[MeterPoint, ...], sources: dict[str, MeterSource]) -> dict[int, MeterSource]:
    """The meters that are to share one port, by unit id. BadInput when two have the same, or one is out of range."""
    out: dict[int, MeterSource] = {}
    names: dict[int, MeterPoint] = {}
    for meter in meters:
        if not 1 <= meter.unit <= HIGHEST_UNIT:
            raise BadInput(meter.source, f"meter {meter.id} has unit {meter.unit}", f"1 to {HIGHEST_UNIT} expected over Modbus")
        if meter.unit in names:
            other = names[meter.unit].id
            raise BadInput(meter.source, f"meters {other} and {meter.id} share unit {meter.unit}", "one of them needs another")
        out[meter.unit], names[meter.unit] = sources[meter.id], meter
    return out
