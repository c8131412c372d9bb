import asyncio
import logging
import time
from collections.abc import Sequence

import pytest
from pymodbus.client import AsyncModbusTcpClient

from chargekit.lab.assemble import BENCH, Lab, Plan, build
from chargekit.lab.modbus import REST_S, MeterBus, MeterServer
from chargekit.lab.shells import by_unit
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput
from chargekit.wire.modbus import Block
from chargekit.world.events import Poll, Words


class Source:
    def __init__(self, unit: int) -> None:
        self.unit = unit

    def words(self, block: Block, now: float) -> Sequence[int] | None:
        return [self.unit * 1000 + block.addr + n for n in range(block.words)] if block.fc == 4 else None


class Reader:
    """Keeps the words it is brought."""

    due: float | None = None

    def __init__(self) -> None:
        self.heard: list[tuple[float, Words]] = []

    def on(self, event, now: float):  # type: ignore[no-untyped-def]
        self.heard.append((now, event))
        return ()


def standing(rate: float = 60.0, at: tuple[str, int] | None = None) -> tuple[Lab, Reader, MeterServer, MeterBus]:
    """A loop and a World with meters 1 to 3 behind one port."""
    lab = build(load_site("mixed-use"), Plan(listen=("127.0.0.1", 0), rate=rate, stations=("ac-01",)))
    reader = Reader()
    lab.world.add("reader", reader)
    server = MeterServer(lab.loop, lab.world, {n: Source(n) for n in (1, 2, 3)}, ("127.0.0.1", 0))  # type: ignore[arg-type]
    bus = MeterBus(lab.loop, lab.world, "reader", at or server)  # type: ignore[arg-type]
    lab.shells += [server, bus]
    return lab, reader, server, bus


def test_words_come_from_the_unit_that_was_asked():
    lab, reader, _, bus = standing()
    lines = {n: bus.line(f"m{n}") for n in (1, 2, 3, 9)}

    async def work() -> None:
        for n, line in lines.items():
            line.take(Poll(f"m{n}", Block(4, 52, 2, n)), lab.world.now)
        lines[1].take(Poll("m1", Block(3, 0, 2, 1)), lab.world.now)
        lines[1].take(Poll("m1", Block(4, 2000, 2, 1)), lab.world.now)
        while len(reader.heard) < 6:
            await asyncio.sleep(1.0)

    lab.run(asyncio.wait_for(work(), 600.0))
    lab.close()
    assert [(w.peer, w.words) for _, w in reader.heard[:3]] == [("m1", (1052, 1053)), ("m2", (2052, 2053)), ("m3", (3052, 3053))]
    assert [w.words for _, w in reader.heard[3:]] == [None, None, None]


def test_a_silent_meter_is_given_up_and_holds_up_the_others_once(caplog: pytest.LogCaptureFixture):
    lab, reader, server, bus = standing(rate=20.0)
    lines = {n: bus.line(f"m{n}") for n in (1, 2)}
    server.silent[1] = None

    async def work() -> None:
        while lab.loop.time() < 30.0:
            for n, line in lines.items():
                line.take(Poll(f"m{n}", Block(4, 0, 2, n)), lab.world.now)
            await asyncio.sleep(1.0)
        server.silent.clear()
        while reader.heard[-1][1].peer != "m1" or reader.heard[-1][1].words is None:
            lines[1].take(Poll("m1", Block(4, 0, 2, 1)), lab.world.now)
            await asyncio.sleep(1.0)

    with caplog.at_level(logging.WARNING):
        lab.run(asyncio.wait_for(work(), 200.0))
    lab.close()
    dead = [t for t, w in reader.heard if w.peer == "m1" and w.words is None]
    alive = [w for t, w in reader.heard if w.peer == "m2" and w.words == (2000, 2001)]
    assert dead and len(alive) >= 8
    assert reader.heard[-1][1].words == (1000, 1001)
    assert lab.loop.time() < 30.0 + REST_S * 4
    assert not caplog.records


def test_nobody_there_is_no_answer():
    lab, reader, _, bus = standing(at=("127.0.0.1", 9))
    line = bus.line("m1")

    async def work() -> None:
        line.take(Poll("m1", Block(4, 0, 2, 1)), lab.world.now)
        while not reader.heard:
            await asyncio.sleep(1.0)

    lab.run(asyncio.wait_for(work(), 600.0))
    lab.close()
    assert [w.words for _, w in reader.heard] == [None]


def test_a_request_that_waits_is_not_piled_up():
    lab, reader, _server, bus = standing()
    line = bus.line("m1")

    async def work() -> None:
        for _ in range(500):
            line.take(Poll("m1", Block(4, 0, 2, 1)), lab.world.now)
        await asyncio.sleep(20.0)

    lab.run(work())
    lab.close()
    assert [w.words for _, w in reader.heard] == [(1000, 1001)]


def test_an_error_in_a_meter_ends_the_run():
    lab, _, server, bus = standing()
    line = bus.line("m1")

    class Broken:
        def words(self, block: Block, now: float) -> None:
            raise ZeroDivisionError("a meter broke")

    server.sources[1] = Broken()

    async def work() -> None:
        line.take(Poll("m1", Block(4, 0, 2, 1)), lab.world.now)
        await asyncio.sleep(600.0)

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="a meter broke"):
        lab.run(work())
    lab.close()
    assert time.monotonic() - began < 5.0


def test_a_users_own_client_reads_the_plant_and_can_not_write():
    lab = build(load_site("mixed-use"), Plan(rate=60.0, transport="sockets", stations=("ac-01",)))

    async def work() -> None:
        host, port = lab.address("meters")
        client = AsyncModbusTcpClient(host, port=port, timeout=180)
        await client.connect()
        reply = await client.read_input_registers(0, count=2, device_id=1)
        volts = client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32)
        assert volts == pytest.approx(230.0)
        assert (await client.write_register(0, 7, device_id=1)).isError()
        await asyncio.sleep(3.0)
        client.close()

    lab.run(work())
    assert any(r.subject == "m-01" and r.kind == "sample" for r in lab.history.records)
    assert BENCH in lab.world.machines
    lab.close()


def test_meters_on_one_port_need_units_of_their_own():
    meters = load_site("mixed-use").site.meters
    assert len(by_unit(meters, {m.id: Source(m.unit) for m in meters})) == len(meters)  # type: ignore[misc]
    with pytest.raises(BadInput, match=r"meters grid-meter and grid-meter share unit 100"):
        by_unit(meters[:1] * 2, {m.id: Source(1) for m in meters})  # type: ignore[misc]
