"""Event loops that advance a World between their own timers.

`PacedLoop` runs in virtual time, with no sockets at all; `SocketLoop` at a rate times real time, with them. In both,
`loop.time()` is the World's time, machines come before timers of the same instant, and an error in a callback ends the run.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from chargekit.world.driver import World

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Somebody waits, and nothing is left that could happen."""


class _Fatal:
    """Collects the first error of any callback and stops the loop."""

    fatal: BaseException | None = None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.fatal is None:
            self.fatal = context.get("exception") or RuntimeError(str(context.get("message")))
        self.stop()  # type: ignore[attr-defined]

    def carry_out(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end; an error of a callback, or of the World, is raised here, once."""
        try:
            result = self.run_until_complete(work)  # type: ignore[attr-defined]
        except BaseException:
            if self.fatal is not None:
                fatal, self.fatal = self.fatal, None
                raise fatal from None
            raise
        if self.fatal is not None:
            fatal, self.fatal = self.fatal, None
            raise fatal
        return result  # type: ignore[no-any-return]


class _Jump:
    """Stands where a selector would: instead of waiting, it lets the World go on."""

    def __init__(self, loop: PacedLoop) -> None:
        self.loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        loop = self.loop
        if timeout is not None and timeout <= 0 and loop._ready:
            return []
        scheduled = loop._scheduled
        while scheduled and scheduled[0]._cancelled:
            loop._timer_cancelled_count -= 1
            timer = asyncio.base_events.heapq.heappop(scheduled)  # type: ignore[attr-defined]
            timer._scheduled = False
        target = scheduled[0]._when if scheduled else math.inf
        world = loop.world
        while not loop._ready:
            following = world.next()
            if following <= target and following != math.inf:
                world.now = max(world.now, following)
                world.step()
            elif target == math.inf:
                raise Deadlock("everything waits, and no machine and no timer is left to go on")
            else:
                world.run_until(target)
                break
        return []

    def close(self) -> None:
        pass


class PacedLoop(_Fatal, asyncio.BaseEventLoop):
    """Virtual time: nothing waits, everything happens at its own instant."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self._selector = _Jump(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.world.now

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def _no(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what} does not work in virtual time: use --sockets, or a link in memory")

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        raise self._no("getaddrinfo")

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        raise self._no("create_server")

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        raise self._no("create_connection")

    def run_in_executor(self, *args: Any, **kwargs: Any) -> Any:
        raise self._no("run_in_executor")


class _Scaled:
    """A selector that waits real seconds for scaled ones, and lets the World go on before and after."""

    def __init__(self, loop: SocketLoop) -> None:
        self.loop = loop
        self.inner = selectors.DefaultSelector()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def select(self, timeout: float | None = None) -> Any:
        loop = self.loop
        loop.catch_up()
        if loop._ready:
            timeout = 0
        wait = min(math.inf if timeout is None else timeout, loop.world.next() - loop.time())
        found = self.inner.select(None if wait == math.inf else max(0.0, wait) / loop.rate)
        loop.catch_up()
        return found


class SocketLoop(_Fatal, asyncio.SelectorEventLoop):
    """`rate` times real time, with real sockets."""

    def __init__(self, world: World, rate: float) -> None:
        self.world, self.rate = world, rate
        self._began: float | None = None
        super().__init__(_Scaled(self))  # type: ignore[arg-type]
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Scaled seconds since the loop first looked at the clock; the World starts with it."""
        clock = time.monotonic()
        if self._began is None:
            self._began = clock - self.world.now / self.rate
        return (clock - self._began) * self.rate

    def catch_up(self) -> None:
        """Bring the World to now."""
        self.world.run_until(max(self.world.now, self.time()))


def make_loop(world: World, rate: float = math.inf, *, sockets: bool = False) -> PacedLoop | SocketLoop:
    """The loop for a rate: virtual when it is infinite. ValueError for sockets at an infinite rate."""
    if math.isinf(rate):
        if sockets:
            raise ValueError("sockets need a finite rate: 60 or 1")
        return PacedLoop(world)
    return SocketLoop(world, rate)
