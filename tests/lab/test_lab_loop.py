import asyncio
import socket
import time
from collections.abc import Sequence

import pytest

from chargekit.lab.loop import Deadlock, PacedLoop, SocketLoop, make_loop
from chargekit.world.driver import World
from chargekit.world.events import Effect, Event, Note


class Ticker:
    """Wakes on a grid and notes it."""

    def __init__(self, every_s: float, fails_at: float | None = None) -> None:
        self.every_s, self.fails_at = every_s, fails_at
        self.due: float | None = 0.0

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        if self.fails_at is not None and now >= self.fails_at:
            raise ValueError("a machine broke")
        self.due = (int(now / self.every_s + 1e-9) + 1) * self.every_s
        return [Note("truth", "ticker", "tick")]


def ticking(every_s: float = 1.0, fails_at: float | None = None) -> World:
    world = World()
    world.add("ticker", Ticker(every_s, fails_at))
    return world


def test_virtual_time_is_the_worlds_and_costs_none():
    world = ticking()
    loop = make_loop(world)

    async def work() -> list[float]:
        seen = []
        for seconds in (0.5, 3599.5, 0.25):
            await asyncio.sleep(seconds)
            seen.append(loop.time())
        return seen

    began = time.monotonic()
    assert loop.carry_out(work()) == [0.5, 3600.0, 3600.25]
    assert time.monotonic() - began < 2.0
    assert world.now == 3600.25
    assert [r.t for r in world.history.records] == [float(n) for n in range(3601)]
    loop.wind_up()


def test_machines_come_before_timers_of_the_same_instant():
    world = ticking()
    loop = make_loop(world)

    async def work() -> int:
        await asyncio.sleep(5.0)
        return len(world.history.records)

    assert loop.carry_out(work()) == 6
    loop.wind_up()


def test_what_the_world_does_wakes_who_waits_at_that_very_time():
    world = ticking(10.0)
    loop = make_loop(world)

    async def work() -> float:
        heard = loop.create_future()
        world.history.subscribe(lambda r: heard.set_result(r.t) if r.t >= 20 and not heard.done() else None)
        async with asyncio.timeout(60.0):
            await heard
        return loop.time()

    assert loop.carry_out(work()) == 20.0
    loop.wind_up()


def test_a_timer_set_by_the_world_is_kept():
    world = World()
    loop = make_loop(world)
    fired = []
    world.call(1.0, lambda: loop.call_later(0.5, lambda: fired.append(loop.time())))
    world.call(5.0, lambda: None)
    loop.carry_out(asyncio.sleep(10.0))
    assert fired == [1.5]
    loop.wind_up()


def test_waiting_for_nothing_is_a_deadlock():
    loop = make_loop(World())

    async def work() -> None:
        await loop.create_future()

    with pytest.raises(Deadlock, match="everything waits, and no machine and no timer is left to go on"):
        loop.carry_out(work())
    loop.wind_up()


async def _address(loop: asyncio.AbstractEventLoop) -> None:
    await loop.getaddrinfo("localhost", 80)


async def _server(loop: asyncio.AbstractEventLoop) -> None:
    await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)


async def _connection(loop: asyncio.AbstractEventLoop) -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def _thread(loop: asyncio.AbstractEventLoop) -> None:
    await asyncio.to_thread(time.sleep, 0)


@pytest.mark.parametrize(
    ("work", "name"),
    [(_address, "getaddrinfo"), (_server, "create_server"), (_connection, "create_connection"), (_thread, "run_in_executor")],
)
def test_no_sockets_and_threads_in_virtual_time(work, name: str):
    loop = make_loop(World())
    with pytest.raises(RuntimeError, match=f"{name} does not work in virtual time"):
        loop.carry_out(work(loop))
    loop.wind_up()


@pytest.mark.parametrize("rate", [float("inf"), 600.0])
def test_an_error_in_a_callback_is_raised_once(rate: float):
    world = ticking()
    loop = make_loop(world, rate, sockets=rate != float("inf"))

    async def work() -> None:
        loop.call_later(2.0, lambda: 1 / 0)
        await asyncio.sleep(1000.0)

    with pytest.raises(ZeroDivisionError):
        loop.carry_out(work())
    assert world.now < 100.0
    loop.carry_out(asyncio.sleep(1.0))
    loop.wind_up()


@pytest.mark.parametrize("rate", [float("inf"), 600.0])
def test_an_error_of_a_machine_ends_the_run(rate: float):
    loop = make_loop(ticking(fails_at=3.0), rate, sockets=rate != float("inf"))
    with pytest.raises(ValueError, match="a machine broke"):
        loop.carry_out(asyncio.sleep(1000.0))
    loop.wind_up()
    assert loop.is_closed()


@pytest.mark.parametrize("rate", [float("inf"), 600.0])
def test_an_interrupt_gets_through(rate: float):
    loop = make_loop(ticking(), rate, sockets=rate != float("inf"))

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def work() -> None:
        loop.call_later(2.0, interrupt)
        await asyncio.sleep(1000.0)

    with pytest.raises(KeyboardInterrupt):
        loop.carry_out(work())
    loop.wind_up()


def test_winding_up_cancels_even_who_swallows_a_cancel():
    loop = make_loop(ticking())
    said = []

    async def stubborn() -> None:
        for n in range(3):
            try:
                await loop.create_future()
            except asyncio.CancelledError:
                said.append(n)

    async def work() -> None:
        loop.create_task(stubborn())
        await asyncio.sleep(1.0)

    loop.carry_out(work())
    loop.wind_up()
    assert said == [0, 1, 2]
    loop.wind_up()


def test_scaled_time_runs_at_its_rate_with_sockets():
    world = ticking()
    loop = make_loop(world, 100.0, sockets=True)
    assert isinstance(loop, SocketLoop)
    time.sleep(0.05)

    async def work() -> float:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            reader, _ = await asyncio.open_connection(sock=ours)
            loop.call_later(10.0, theirs.send, b"x")
            assert await reader.readexactly(1) == b"x"
            heard = loop.time()
            await asyncio.sleep(10.0)
        return heard

    began = time.monotonic()
    heard = loop.carry_out(work())
    took = time.monotonic() - began
    assert 10.0 <= heard < 19.0
    assert 0.19 < took < 1.0
    assert world.now == pytest.approx(took * 100, rel=0.2)
    loop.wind_up()


def test_a_long_wait_for_the_world_alone_is_not_polled():
    world = ticking(1.0)
    loop = make_loop(world, 100.0)
    spent = time.process_time()
    loop.carry_out(asyncio.sleep(20.0))
    assert time.process_time() - spent < 0.1
    assert [r.t for r in world.history.records] == [float(n) for n in range(21)]
    loop.wind_up()


def test_which_loop():
    assert isinstance(make_loop(World()), PacedLoop)
    with pytest.raises(ValueError, match="sockets need a finite rate"):
        make_loop(World(), sockets=True)
