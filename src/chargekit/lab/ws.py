"""One open WebSocket, at whichever end: text frames out in order, frames in to whoever hears them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chargekit.lab.loop import SocketLoop

MOST_WAITING: Final = 1000
"""Frames that may wait for a peer that does not read; then the connection is dropped."""


def goodbye(code: int, reason: str) -> tuple[int, str]:
    """A close code and reason that may be sent (RFC 6455, 7.4 and 5.5)."""
    sendable = 1000 <= code <= 1003 or 1007 <= code <= 1013 or 3000 <= code <= 4999
    return code if sendable else 1000, reason.encode()[:120].decode(errors="ignore")


class Wire:
    """One open WebSocket: frames out in order, at once or by one writer while the peer is slow, frames in to `heard`."""

    def __init__(self, loop: SocketLoop, ws: Connection, heard: Callable[[str], None]) -> None:
        self.loop, self.ws, self.heard = loop, ws, heard
        self.half_open = False
        self._out: deque[str | tuple[int, str]] = deque()
        self._ready = asyncio.Event()

    def send(self, text: str) -> None:
        if self.half_open or (not self._out and self._at_once(text)):
            return
        self._out.append(text)
        self._ready.set()
        if len(self._out) > MOST_WAITING:
            self.abort()

    def _at_once(self, text: str) -> bool:
        """Write a frame where nothing waits before it: no task has to wake, and what is decided for a thousand stations is on its way to
        the first while it is written for the last."""
        protocol, transport = self.ws.protocol, self.ws.transport
        if protocol.state is not State.OPEN or transport.is_closing() or transport.get_write_buffer_size():
            return False
        try:
            protocol.send_text(text.encode())
        except UnicodeEncodeError:
            return False
        for data in protocol.data_to_send():
            transport.write(data)
        return True

    def close(self, code: int, reason: str) -> None:
        """Say goodbye once everything sent before is out."""
        self._out.append(goodbye(code, reason))
        self._ready.set()

    def abort(self) -> None:
        """Gone without a goodbye."""
        self.ws.transport.abort()

    async def carry(self) -> tuple[int, str]:
        """Carry frames until the connection ends; the close code and reason."""
        writer = self.loop.create_task(self._write())
        try:
            async for message in self.ws:
                if isinstance(message, bytes):
                    # OCPP-J 4.1.3: text frames only.
                    await self.ws.close(1003, "text frames expected")
                elif not self.half_open:
                    self.heard(message)
        except ConnectionClosed:
            pass
        finally:
            writer.cancel()
        return self.ws.close_code or 1006, self.ws.close_reason or ""

    async def _write(self) -> None:
        try:
            while True:
                while self._out:
                    one = self._out.popleft()
                    if isinstance(one, str):
                        await self.ws.send(one)
                    else:
                        await self.ws.close(*one)
                        return
                self._ready.clear()
                await self._ready.wait()
        except ConnectionClosed:
            pass
