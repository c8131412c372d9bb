"""Modbus TCP shells (pymodbus): a server that shows emulated meters by unit id, and a bus that reads meters for a machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from chargekit.lab.links import METER_TIMEOUT_S, Slowed
from chargekit.lab.loop import SocketLoop
from chargekit.wire.modbus import Block
from chargekit.world.driver import World
from chargekit.world.events import Dial, Hangup, MeterSource, Poll, Send, Words

REGISTERS: Final = 1024
Framing = Literal["tcp", "rtu-over-tcp"]
FRAMERS: Final = {"tcp": FramerType.SOCKET, "rtu-over-tcp": FramerType.RTU}
TIMEOUT_S: Final = 3.0
"""How long a meter may take, site seconds; but never less than `LEAST_S` real ones."""
LEAST_S: Final = 0.5
REST_S: Final = 15.0
"""How long a meter that did not answer is left alone, so that it does not hold up the others on its connection."""

# The library reports what we turn into `Words(None)`.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class MeterServer:
    """Serves many meters on one port, each as its unit id, over Modbus TCP or with RTU frames over TCP, as gateways do it.

    `silent`: units that do not answer.
    """

    def __init__(
        self, loop: SocketLoop, world: World, sources: Mapping[int, MeterSource], listen: tuple[str, int], framing: Framing = "tcp"
    ) -> None:
        self.loop, self.world, self.sources, self.listen, self.framing = loop, world, dict(sources), listen, framing
        self.silent: dict[int, None] = {}
        self.address = listen
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        """Listen. OSError when the address can't be had."""
        devices = [
            SimDevice(unit, SimData(first, count=count, datatype=DataType.REGISTERS), action=partial(self._show, unit))
            for unit, (first, count) in ((unit, _span(source)) for unit, source in self.sources.items())
        ]
        self._server = ModbusTcpServer(
            devices, address=self.listen, framer=FRAMERS[self.framing], ignore_missing_devices=True, trace_packet=self._pass
        )
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"meters can't be served at {self.listen[0]}:{self.listen[1]}: {error}") from None
        listener: Any = self._server.transport
        self.address = tuple(listener.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]

    async def _show(
        self, unit: int, fc: int, start: int, addr: int, count: int, registers: list[int], values: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        """Put the meter's words where the library reads them."""
        try:
            words = None if values is not None else self.sources[unit].words(Block(fc, addr, count, unit), self.world.now)
        except Exception as error:
            # The library would answer "device failure" and go on.
            self.loop.fail(error)
            raise
        delay = self._delay_s(unit)
        if delay:
            await asyncio.sleep(delay)
        if words is None:
            return ExcCodes.ILLEGAL_FUNCTION
        registers[addr - start : addr - start + count] = words
        return None

    def _pass(self, sending: bool, data: bytes) -> bytes:
        """What goes out, less the answers of silent units (the unit id is byte 6 of a Modbus TCP frame, the first of an RTU one)."""
        at = 6 if self.framing == "tcp" else 0
        if sending and len(data) > at and (data[at] in self.silent or self._delay_s(data[at]) is None):
            return b""
        return data

    def _delay_s(self, unit: int) -> float | None:
        source = self.sources.get(unit)
        return source.delay_s(self.world.now) if isinstance(source, Slowed) else 0.0


def _span(source: MeterSource) -> tuple[int, int]:
    """The addresses a meter has: its first, and how many; a source that does not say has the lowest thousand."""
    registers = getattr(source, "registers", None)
    if registers is None:
        return 0, REGISTERS
    first = registers.first // 100 * 100
    return first, max(REGISTERS if first == 0 else 0, registers.last + 1 - first + 100)


class MeterBus:
    """Reads meters at one address for one machine: one connection, one request at a time, as gateways want it.

    A request that waits already is not asked twice, so a slow bus thins readings out instead of piling them up.
    """

    def __init__(self, loop: SocketLoop, world: World, reader: str, at: tuple[str, int] | MeterServer, framing: Framing = "tcp") -> None:
        self.loop, self.world, self.reader, self.at, self.framing = loop, world, reader, at, framing
        self._waiting: dict[tuple[str, Block], None] = {}
        self._resting: dict[int, float] = {}
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._client: AsyncModbusTcpClient | None = None

    def line(self, meter: str) -> MeterLine:
        """The machine's Port to a meter on this bus."""
        return MeterLine(self, meter)

    def ask(self, meter: str, block: Block) -> None:
        self._waiting.setdefault((meter, block), None)
        self._more.set()

    async def start(self) -> None:
        host, port = self.at.address if isinstance(self.at, MeterServer) else self.at
        patience = max(TIMEOUT_S, LEAST_S * self.loop.rate)
        self._client = AsyncModbusTcpClient(host, port=port, framer=FRAMERS[self.framing], timeout=patience, retries=0, reconnect_delay=0)
        self._task = self.loop.create_task(self._work())

    async def stop(self) -> None:
        self._stopped = True
        self._more.set()
        while self._task is not None and not self._task.done():
            # A cancel that meets a reply is swallowed by wait_for in Python 3.11.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=0.05 * self.loop.rate)
        if self._client is not None:
            self._client.close()

    async def _work(self) -> None:
        try:
            while not self._stopped:
                if not self._waiting:
                    self._more.clear()
                    await self._more.wait()
                    continue
                meter, block = key = next(iter(self._waiting))
                words = await self._read(block)
                del self._waiting[key]
                self.world.post(self.reader, Words(meter, block, words))
        except Exception as error:
            self.loop.fail(error)

    async def _read(self, block: Block) -> tuple[int, ...] | None:
        """The words, or None for a meter that does not answer, or answers something else."""
        client = self._client
        assert client is not None
        if self._resting.get(block.unit, 0.0) > self.world.now:
            return None
        ask = client.read_input_registers if block.fc == 4 else client.read_holding_registers
        try:
            if not client.connected and not await client.connect():
                raise ConnectionError
            reply = await ask(block.addr, count=block.words, device_id=block.unit)
        except (ModbusException, OSError, TimeoutError):
            self._resting[block.unit] = self.world.now + REST_S
            return None
        words = tuple(reply.registers) if not reply.isError() else ()
        return words if len(words) == block.words else None


class MeterLine:
    """A machine's line to one meter, as the World's Port. `silent`: nothing gets through."""

    def __init__(self, bus: MeterBus, meter: str) -> None:
        self.bus, self.meter = bus, meter
        self.silent = False
        bus.world.connect(bus.reader, meter, self)

    def take(self, effect: Dial | Hangup | Send | Poll, now: float) -> None:
        if not isinstance(effect, Poll):
            raise TypeError(f"a meter's line can't carry {effect!r}")
        if self.silent:
            self.bus.world.post(self.bus.reader, Words(self.meter, effect.block, None), now + METER_TIMEOUT_S)
        else:
            self.bus.ask(self.meter, effect.block)

    def cut(self, now: float) -> None:
        pass


class NoMeter:
    """A line to a meter nobody told where to read: it never answers."""

    def __init__(self, world: World, reader: str, meter: str) -> None:
        self.world, self.reader, self.meter = world, reader, meter
        world.connect(reader, meter, self)

    def take(self, effect: Dial | Hangup | Send | Poll, now: float) -> None:
        if isinstance(effect, Poll):
            self.world.post(self.reader, Words(self.meter, effect.block, None), now + METER_TIMEOUT_S)

    def cut(self, now: float) -> None:
        pass
