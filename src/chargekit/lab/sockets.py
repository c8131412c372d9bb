"""WebSocket shells: a server for a controller in this process, a client for each emulated station in this process.

They carry text frames and nothing else; every time-out is real seconds, whatever the loop's rate (`patience`).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargekit.controller.admission import Caller, Doors
from chargekit.lab.entrance import Entrance
from chargekit.lab.links import DIAL_TIMEOUT_S
from chargekit.lab.loop import SocketLoop
from chargekit.lab.tap import WireTap
from chargekit.lab.tls import client_context, diagnosis, subject_of
from chargekit.lab.ws import Wire
from chargekit.model.located import BadInput
from chargekit.model.security import Access
from chargekit.model.site import ChargingStation
from chargekit.wire import SUBPROTOCOLS
from chargekit.world.driver import World
from chargekit.world.events import Closed, Dial, Fault, Frame, Hangup, Opened, Poll, Send

VERSIONS: Final[Mapping[str, str]] = {name: version for version, name in SUBPROTOCOLS.items()}
"""The OCPP version of each WebSocket subprotocol."""
LONGEST_IDENTITY: Final = 48
MOST_BYTES: Final = 1 << 20
OPEN_S, PING_S, CLOSE_S = 10.0, 20.0, 5.0
QUIET = logging.getLogger("chargekit.websockets")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


def patience(rate: float) -> dict[str, Any]:
    """The library's settings, its time-outs in loop seconds."""
    return {
        "open_timeout": OPEN_S * rate, "ping_interval": PING_S * rate, "ping_timeout": PING_S * rate,
        "close_timeout": CLOSE_S * rate, "max_size": MOST_BYTES, "max_queue": 16, "logger": QUIET,
    }  # fmt: skip


def identity_of(path: str) -> str | None:
    """The station a request is for: the last part of its path, percent-decoded, at most 48 characters. None if there is none."""
    last = path.partition("?")[0].removesuffix("/").rpartition("/")[2]
    try:
        name = unquote(last, errors="strict")
    except UnicodeDecodeError:
        return None
    return name if 0 < len(name) <= LONGEST_IDENTITY else None


class CsmsServer:
    """Takes stations' connections for the machine `csms`. `address` is where, once started; port 0 takes a free one.

    `doors` says who is let in. With `tls`, it listens for TLS at `listen_tls` (`secure_address`), and for plain WebSockets at
    `listen` if that is given: a profile below 2 and one above never share a port.
    """

    def __init__(
        self, loop: SocketLoop, world: World, csms: str, stations: Sequence[ChargingStation], taps: Mapping[str, WireTap],
        listen: tuple[str, int] | None, *, compression: bool = False, doors: Doors | None = None,
        tls: ssl.SSLContext | None = None, listen_tls: tuple[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.loop, self.world, self.csms, self.listen = loop, world, csms, listen
        self.compression = compression
        self.doors, self.tls, self.listen_tls = doors or Doors(), tls, listen_tls
        self.secure_address = listen_tls
        self.entrance: Entrance | None = None
        self._refused: dict[str, str] = {}
        self.lines = {s.id: CsmsLine(self, s, taps[s.id]) for s in stations}
        self.address = listen or listen_tls or ("", 0)
        self._servers: list[Server] = []

    async def start(self) -> None:
        """Listen. OSError when the address can't be had."""
        if self.listen is not None:
            self.address = await self._listen(self.listen, None)
        if self.tls is not None and self.listen_tls is not None:
            self.secure_address = await self._listen(self.listen_tls, self.tls)
            if self.listen is None:
                self.address = self.secure_address

    async def _listen(self, at: tuple[str, int], tls: ssl.SSLContext | None) -> tuple[str, int]:
        patient = patience(self.loop.rate)
        if tls is not None:
            patient |= {"ssl_handshake_timeout": OPEN_S * self.loop.rate, "ssl_shutdown_timeout": CLOSE_S * self.loop.rate}
        server = await serve(
            self._serve, *at, ssl=tls,
            create_connection=self.entrance.line if tls is not None and self.entrance is not None else None,  # type: ignore[arg-type]
            process_request=self._admit, subprotocols=[Subprotocol(n) for n in VERSIONS], select_subprotocol=self._agree,
            compression="deflate" if self.compression else None, server_header=None, **patient,
        )  # fmt: skip
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        for line in self.lines.values():
            if line.wire is not None:
                line.wire.abort()
        for server in self._servers:
            server.close()
            await server.wait_closed()

    def _admit(self, ws: ServerConnection, request: Request) -> Response | None:
        name = identity_of(request.path)
        line = self.lines.get(name) if name is not None else None
        if line is None:
            return ws.respond(404, "no such charging station\n")
        if not line.up:
            line.tap.refused(self.world.now)
            return ws.respond(503, "not now\n")
        return self._judge(ws, request, line.station.id)

    def _judge(self, ws: ServerConnection, request: Request, name: str) -> Response | None:
        """Let the station in, or refuse it by its security profile; a refusal is noted once until it is let in."""
        given = request.headers.get_all("Authorization")
        peer = ws.transport.get_extra_info("peercert")
        shaken = ws.transport.get_extra_info("ssl_object")
        caller = Caller(name, shaken is not None, given[0] if len(given) == 1 else None, subject_of(peer))
        found = self.doors.admit(caller)
        if found.admitted:
            self._refused.pop(name, None)
            self.lines[name].dialled = request.headers.get("Host", ""), request.path
            if self.entrance is not None:
                tls = (shaken.version() or "", bool(shaken.session_reused)) if shaken is not None else ("", False)
                self.entrance.admitted(caller, *tls)
            return None
        if self._refused.get(name) != found.reason:
            self._refused[name] = found.reason
            body = {"event": found.event, "reason": found.reason, "status": found.status}
            self.world.history.add(self.world.now, "controller", name, "refused", body)
        # Only the owner of the credentials needs to know what is wrong with them: the answer stays general.
        answer = ws.respond(found.status, "not these credentials\n" if found.status == 401 else "not with this security profile\n")
        if found.status == 401:
            answer.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        return answer

    def _agree(self, ws: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The station's declared version if offered, else the first we speak; None: a handshake without one (OCPP-J 3.1.2)."""
        name = identity_of(ws.request.path) if ws.request is not None else None
        line = self.lines.get(name or "")
        wanted = SUBPROTOCOLS[line.station.ocpp] if line is not None else ""
        known = [one for one in offered if one in VERSIONS]
        return next((one for one in known if one == wanted), known[0] if known else None)

    async def _serve(self, ws: ServerConnection) -> None:
        try:
            line = self.lines[identity_of(ws.request.path) or ""]  # type: ignore[union-attr]
            if ws.subprotocol is None:
                await ws.close(1002, "no common subprotocol")
                return
            await line.serve(ws, VERSIONS[ws.subprotocol])
        except (ConnectionClosed, OSError):
            pass
        except Exception as error:
            # The library would only log it.
            self.loop.fail(error)


class CsmsLine:
    """The controller's end of one station's link, as the World's Port. A new connection takes the place of the old."""

    def __init__(self, server: CsmsServer, station: ChargingStation, tap: WireTap) -> None:
        self.server, self.station, self.tap = server, station, tap
        self.up = True
        self.dialled = ("", "")
        """Host and path it last asked for."""
        self.wire: Wire | None = None
        server.world.connect(server.csms, station.id, _Port(self))

    @property
    def half_open(self) -> bool:
        return self.wire is not None and self.wire.half_open

    @half_open.setter
    def half_open(self, on: bool) -> None:
        if self.wire is not None:
            self.wire.half_open = on

    async def serve(self, ws: ServerConnection, version: str) -> None:
        world, peer, csms = self.server.world, self.station.id, self.server.csms
        if self.wire is not None:
            self._gone(1006, "replaced")
        wire = self.wire = Wire(self.server.loop, ws, self._heard)
        self.tap.opened(world.now, version)
        world.post(csms, Opened(peer, version))
        code, reason = await wire.carry()
        if self.wire is wire:
            self._gone(code, reason)

    def _heard(self, text: str) -> None:
        world = self.server.world
        self.tap.frame(world.now, "up", text)
        world.post(self.server.csms, Frame(self.station.id, text))

    def _gone(self, code: int, reason: str) -> None:
        if self.wire is None:
            return
        wire, self.wire = self.wire, None
        wire.abort()
        world = self.server.world
        self.tap.closed(world.now, code, reason)
        world.post(self.server.csms, Closed(self.station.id, code, reason))

    def cut(self) -> None:
        """The network goes: the connection is lost, and new ones are refused until `mend`."""
        self.up = False
        self._gone(1006, "")

    def mend(self) -> None:
        self.up, self.half_open = True, False

    def send(self, text: str, now: float) -> None:
        if self.wire is not None:
            self.tap.frame(now, "down", text)
            self.wire.send(text)

    def dial(self, now: float, access: Access | None = None) -> None:
        raise TypeError("a CSMS does not dial its stations")

    def hangup(self, code: int, reason: str) -> None:
        if self.wire is not None:
            self.wire.close(code, reason)

    def lost_power(self) -> None:
        self._gone(1006, "")


class _Connect(connect):
    """A client that follows no redirect: the address a station was given is the address it calls."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Heard(ClientConnection):
    """Remembers why it was lost: with TLS 1.3 a refused client certificate shows only after the station's handshake is done."""

    lost: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        super().connection_lost(exc)


class StationLink:
    """A station's end of its link over a real socket, as the World's Port. `tap` where this end is the one that records."""

    def __init__(
        self, loop: SocketLoop, world: World, station: str, csms: str, version: str, url: Callable[[], str], tap: WireTap | None,
        *, compression: bool = False, secure_url: Callable[[], str] | None = None,
    ) -> None:  # fmt: skip
        self.loop, self.world, self.station, self.csms, self.version = loop, world, station, csms, version
        self.url, self.tap, self.compression = url, tap, compression
        self.secure_url = secure_url
        self._context: tuple[Access, ssl.SSLContext] | None = None
        self.up = True
        self.half_open = False
        self.wire: Wire | None = None
        self._life = 0
        self._dialling = False
        self._tasks: dict[asyncio.Task[None], None] = {}
        world.connect(station, csms, _Port(self))

    # --- as a link ----------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """The network goes: the connection is lost, and dialling fails until `mend`."""
        self.up = False
        self._gone(1006, "")

    def mend(self) -> None:
        self.up, self.half_open = True, False
        if self.wire is not None:
            self.wire.half_open = False

    async def start(self) -> None:
        """Nothing to start: the station dials."""

    async def stop(self) -> None:
        self._life += 1
        if self.wire is not None:
            self.wire.abort()
        for task in list(self._tasks):
            task.cancel()

    # --- as a port ----------------------------------------------------------------------------------------------

    def dial(self, now: float, access: Access | None = None) -> None:
        if not self.up:
            self.world.history.add(now, "wire", self.station, "refused", {})
            self.world.post(self.station, Closed(self.csms, 1006, "no route"), now + DIAL_TIMEOUT_S)
            return
        if self.wire is not None:
            self.wire.abort()
            self.wire = None
        self._life += 1
        self._dialling = True
        task = self.loop.create_task(self._connect(self._life, access or Access()))
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.loop.fail(error)

    def _how(self, access: Access) -> tuple[str, dict[str, Any]]:
        """Where to connect, and with which credentials. BadInput for certificates that can't be used."""
        base = access.url or (self.secure_url() if access.secure and self.secure_url is not None else self.url())
        more: dict[str, Any] = {}
        if access.secure and not access.url:
            base = "wss://" + base.removeprefix("ws://").removeprefix("wss://")
        if base.startswith("wss://"):
            if self._context is None or self._context[0] != access:
                self._context = access, client_context(access)
            patient = self.loop.rate
            more = {"ssl": self._context[1], "ssl_handshake_timeout": OPEN_S * patient, "ssl_shutdown_timeout": CLOSE_S * patient}
        if access.profile in (1, 2):
            user = f"{self.station}:".encode()
            more["additional_headers"] = {"Authorization": "Basic " + b64encode(user + access.password).decode()}
        return f"{base.rstrip('/')}/{quote(self.station, safe='')}", more

    async def _connect(self, life: int, access: Access) -> None:
        made: list[_Heard] = []

        def connection(*args: Any, **kwargs: Any) -> _Heard:
            made.append(_Heard(*args, **kwargs))
            return made[-1]

        try:
            address, more = self._how(access)
            ws = await _Connect(
                address, subprotocols=[Subprotocol(SUBPROTOCOLS[self.version])], proxy=None,
                compression="deflate" if self.compression else None, user_agent_header=None, create_connection=connection,  # type: ignore[arg-type]
                **patience(self.loop.rate), **more,
            )  # fmt: skip
        except (OSError, WebSocketException, TimeoutError, ValueError, BadInput) as why:
            if life == self._life:
                lost = made[-1].lost if made else None
                self._gone(1006, *diagnosis(lost if isinstance(lost, ssl.SSLError) else why))
            return
        if life != self._life:
            ws.transport.abort()
        elif ws.subprotocol is None:
            await ws.close(1002, "no common subprotocol")
            if life == self._life:
                self._gone(1002, "no common subprotocol")
        else:
            await self._carry(ws, life)

    async def _carry(self, ws: ClientConnection, life: int) -> None:
        wire = self.wire = Wire(self.loop, ws, self._heard)
        self._dialling = False
        if self.tap is not None:
            self.tap.opened(self.world.now, self.version)
        self.world.post(self.station, Opened(self.csms, self.version))
        code, reason = await wire.carry()
        if life == self._life:
            self._gone(code, reason)

    def _heard(self, text: str) -> None:
        if self.half_open:
            return
        if self.tap is not None:
            self.tap.frame(self.world.now, "down", text)
        self.world.post(self.station, Frame(self.csms, text))

    def _gone(self, code: int, reason: str, fault: Fault = "") -> None:
        """The link is no more, or what was dialling gives up: the station hears of it."""
        self._life += 1
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.abort()
            if self.tap is not None:
                self.tap.closed(self.world.now, code, reason)
        if wire is not None or self._dialling:
            self._dialling = False
            self.world.post(self.station, Closed(self.csms, code, reason, fault))

    def send(self, text: str, now: float) -> None:
        if self.wire is not None and not self.half_open:
            if self.tap is not None:
                self.tap.frame(now, "up", text)
            self.wire.send(text)

    def hangup(self, code: int, reason: str) -> None:
        if self.wire is not None:
            self.wire.close(code, reason)

    def lost_power(self) -> None:
        """The station is dark: no goodbye, nobody left here to tell."""
        self._life += 1
        self._dialling = False
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.abort()
            if self.tap is not None:
                self.tap.closed(self.world.now, 1006, "")


class _Port:
    """An end of a link as the World knows it."""

    def __init__(self, end: CsmsLine | StationLink) -> None:
        self.end = end

    def take(self, effect: Dial | Hangup | Send | Poll, now: float) -> None:
        match effect:
            case Send():
                self.end.send(effect.text, now)
            case Dial():
                self.end.dial(now, effect.access)
            case Hangup():
                self.end.hangup(effect.code, effect.reason)
            case _:
                raise TypeError(f"an OCPP link can't carry {effect!r}")

    def cut(self, now: float) -> None:
        self.end.lost_power()
