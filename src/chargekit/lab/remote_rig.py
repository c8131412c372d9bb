"""Hands over a socket: a rig in this process for a judge in another. JSON `{"to", "verb", "args"}` → `{"done", "why"}`.

On connecting, the server says what it can: `{"can": [verbs]}`. Pages of a browser are not let in (they carry an Origin).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException

from chargekit.lab.loop import SocketLoop
from chargekit.lab.rig import LocalRig
from chargekit.lab.sockets import patience
from chargekit.world.driver import World

NOT_REMOTE: Final = frozenset({"command"})
"""What a command brings is told in this process's records, so it can't be given from another."""
REPLY_S: Final = 10.0

Complain = Callable[[str, str, Mapping[str, Any]], str | None]


class RigServer:
    """Lets others use this process's hands. `address` is where, once started."""

    def __init__(self, loop: SocketLoop, rig: LocalRig, listen: tuple[str, int], complain: Complain) -> None:
        self.loop, self.rig, self.listen, self.complain = loop, rig, listen, complain
        self.address = listen
        self._server: Server | None = None

    async def start(self) -> None:
        """Listen. OSError when the address can't be had."""
        self._server = await serve(self._serve, *self.listen, origins=[None], compression=None, **patience(self.loop.rate))
        self.address = tuple(self._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        if self._server is not None:
            for ws in self._server.connections:
                ws.transport.abort()
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, ws: ServerConnection) -> None:
        try:
            await ws.send(orjson.dumps({"can": sorted(self.rig.can - NOT_REMOTE)}).decode())
            async for message in ws:
                why = self._act(message)
                await ws.send(orjson.dumps({"done": why is None, "why": why or ""}).decode())
        except (ConnectionClosed, OSError):
            pass
        except Exception as error:
            # The library would only log it.
            self.loop.fail(error)

    def _act(self, message: str | bytes) -> str | None:
        """Do it; what is wrong with it, if anything."""
        try:
            asked = orjson.loads(message)
        except ValueError:
            return "JSON expected"
        match asked:
            case {"to": str(to), "verb": str(verb), "args": dict(args)} if len(asked) == 3:
                why = self.complain(to, verb, args)
                if why is not None:
                    return why
            case _:
                return 'an object with "to", "verb" and "args" expected'
        try:
            self.rig.act(to, verb, args)
        except LookupError as error:
            return str(error)
        return None


class RigClient:
    """Hands in another process. What is done is recorded here too, by witness `rig`. LookupError says why it was not done."""

    def __init__(self, loop: SocketLoop, world: World, at: tuple[str, int]) -> None:
        self.loop, self.world, self.at = loop, world, at
        self.can: frozenset[str] = frozenset()
        self._ws: ClientConnection | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Connect, and learn what the other side can. OSError when nobody is there."""
        host, port = self.at
        shown = f"[{host}]" if ":" in host else host
        try:
            self._ws = await connect(f"ws://{shown}:{port}/", proxy=None, compression=None, **patience(self.loop.rate))
            hello = orjson.loads(await asyncio.wait_for(self._ws.recv(), REPLY_S * self.loop.rate))
            self.can = frozenset(str(verb) for verb in hello["can"])
        except (WebSocketException, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise OSError(f"no rig answers at {host}:{port}: {error}") from None

    async def stop(self) -> None:
        if self._ws is not None:
            self._ws.transport.abort()

    async def do(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        if verb not in self.can:
            raise LookupError(f"this rig can't {verb}")
        self.world.history.add(self.world.now, "rig", to, verb, args)
        async with self._turn:
            reply = await self._ask({"to": to, "verb": verb, "args": dict(args)})
        if reply.get("done") is not True:
            raise LookupError(f"{verb}: {reply.get('why', 'no reason given')}")

    async def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._ws is not None
        try:
            await self._ws.send(orjson.dumps(asked).decode())
            found = orjson.loads(await asyncio.wait_for(self._ws.recv(), REPLY_S * self.loop.rate))
        except (WebSocketException, TimeoutError, ValueError) as error:
            self.can = frozenset()
            raise ConnectionError(f"the rig at {self.at[0]}:{self.at[1]} is gone: {error}") from None
        return found if isinstance(found, dict) else {}
