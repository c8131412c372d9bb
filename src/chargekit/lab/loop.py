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
from contextlib import suppress
from typing import Any, TypeVar

from chargekit.world.driver import World

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Somebody waits, and nothing is left that could happen."""


class _Fatal:
    """Collects the first error of any callback and stops the loop. `halted`: the World stands still, only tasks run out."""

    fatal: BaseException | None = None
    halted = False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) or self.halted:
            # A peer's connection that broke is no error of ours; neither is what closing leaves behind.
            return
        self.fail(error or RuntimeError(str(context.get("message"))))

    def fail(self, error: BaseException) -> None:
        """End the run with this error: for places where a library would swallow it."""
        if self.fatal is None:
            self.fatal = error
        self.stop()  # type: ignore[attr-defined]

    def wind_up(self) -> None:
        """Stop the World, cancel whatever still runs, close the loop. A cancel may be swallowed, so more than once."""
        loop: Any = self
        if loop.is_closed():
            return
        self.halted = True
        for _ in range(5):
            tasks = [t for t in asyncio.all_tasks(loop) if not t.done()]
            if not tasks:
                break
            for task in sorted(tasks, key=lambda t: t.get_name()):
                task.cancel()
            with suppress(Deadlock):
                loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def begin(self) -> None:
        """Time starts, if it has not."""

    def carry_out(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end; an error of a callback, or of the World, is raised here, once."""
        self.begin()
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
        loop, world = self.loop, self.loop.world
        if loop.halted:
            if not loop._ready:
                raise Deadlock("a task that was cancelled waits on")
            return []
        while not loop._ready:
            # Whatever the World does may set or cancel timers: look again each time.
            timers = loop._scheduled
            target = timers[0]._when if timers else math.inf
            following = world.next()
            if following <= target and following != math.inf:
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

    _ready: Any
    _scheduled: Any

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

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
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
        wait = math.inf if timeout is None else timeout
        if loop._ready:
            wait = 0.0
        elif not loop.halted:
            # What the World just did may have set a timer.
            timer = loop._scheduled[0]._when if loop._scheduled else math.inf
            wait = min(wait, min(timer, loop.world.next()) - loop.time())
        found = self.inner.select(None if wait == math.inf else max(0.0, wait) / loop.rate)
        loop.catch_up()
        return found


class SocketLoop(_Fatal, asyncio.SelectorEventLoop):
    """`rate` times real time, with real sockets."""

    _ready: Any
    _scheduled: Any

    def __init__(self, world: World, rate: float) -> None:
        self.world, self.rate = world, rate
        self._began: float | None = None
        super().__init__(_Scaled(self))  # type: ignore[arg-type]
        self._clock_resolution = 1e-6

    def _make_ssl_transport(self, *args: Any, **kwargs: Any) -> Any:
        """asyncio closes on a failed handshake without sending the alert that tells the peer why; here it goes out first."""
        transport = super()._make_ssl_transport(*args, **kwargs)  # type: ignore[misc]
        shaking = transport._ssl_protocol
        complete = shaking._on_handshake_complete

        def told(error: BaseException | None) -> None:
            if error is not None:
                shaking._process_outgoing()
            complete(error)

        shaking._on_handshake_complete = told
        return transport

    def begin(self) -> None:
        if self._began is None:
            self._began = time.monotonic() - self.world.now / self.rate

    def time(self) -> float:
        """Scaled seconds; the clock starts with the first run."""
        return self.world.now if self._began is None else (time.monotonic() - self._began) * self.rate

    def catch_up(self) -> None:
        """Bring the World to now."""
        if not self.halted and self._began is not None:
            self.world.run_until(max(self.world.now, self.time()))


def make_loop(world: World, rate: float = math.inf, *, sockets: bool = False) -> PacedLoop | SocketLoop:
    """The loop for a rate: virtual when it is infinite. ValueError for sockets at an infinite rate."""
    if math.isinf(rate):
        if sockets:
            raise ValueError("sockets need a finite rate: 60 or 1")
        return PacedLoop(world)
    return SocketLoop(world, rate)
