"""What one call costs through the whole path: written, parsed, validated and handled on both sides, answered and understood. The same
payloads go through the `ocpp` package's ChargePoint in the same run: compare the two, not runs of different machines."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ocpp.charge_point import camel_to_snake_case
from ocpp.routing import on

from chargekit.lab.sitefile import load_site
from chargekit.model.metering import MeterSample
from chargekit.wire import VERSIONS, codec
from chargekit.wire.messages import Alive, AliveAnswer, Metered
from chargekit.wire.session import Answered, Called, Session

PACKAGES = {"1.6": "ocpp.v16", "2.0.1": "ocpp.v201", "2.1": "ocpp.v21"}
OURS, THEIRS = 6000, 300


def metered() -> Metered:
    """A reading as a station tells it once a minute: energy, power, three currents and voltages."""
    return Metered(1, (MeterSample(60.0, (16.0, 16.0, 16.0), (230.0, 230.0, 230.0), 11040.0, 123456.0),), None, "Sample.Periodic")


def ours(version: str, fact: Alive | Metered, count: int) -> float:
    """µs a call between two of our sessions, with the translation to and from the neutral vocabulary on both sides."""
    calendar, words = load_site("mixed-use").site.calendar, codec(version)
    station, csms = Session("station", version, prefix="s-"), Session("csms", version, prefix="c-")
    began = time.perf_counter()
    for n in range(count):
        station.call(*words.write_fact(fact, calendar), float(n))
        for frame in station.outgoing():
            for called in csms.receive(frame, float(n)):
                assert isinstance(called, Called)
                read = words.read_fact(called.action, called.payload, calendar)
                answer = AliveAnswer(float(n)) if isinstance(read, Alive) else None
                csms.answer(called.id, words.write_answer(read, answer, calendar) if answer else {})
        for frame in csms.outgoing():
            for told in station.receive(frame, float(n)):
                assert isinstance(told, Answered)
                words.read_answer(told.action, told.payload, calendar)
    return (time.perf_counter() - began) / count * 1e6


class Pipe:
    """Two ends of a connection in memory, as the package wants them."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[str] = asyncio.Queue()
        self.far: Pipe = self

    async def recv(self) -> str:
        return await self.inbox.get()

    async def send(self, text: str) -> None:
        self.far.inbox.put_nowait(text)


def theirs(version: str, action: str, payload: dict[str, Any], count: int) -> float:
    """µs a call between two ChargePoints of the package."""
    package: Any = import_module(PACKAGES[version])

    def answer(self: object, **more: object) -> Any:
        return package.call_result.Heartbeat("2026-03-02T07:00:00Z") if action == "Heartbeat" else package.call_result.MeterValues()

    answer.__name__ = f"on_{action}"
    foreign = type("Foreign", (package.ChargePoint,), {answer.__name__: on(action)(answer)})

    async def drive() -> float:
        near, far = Pipe(), Pipe()
        near.far, far.far = far, near
        station, csms = foreign("s", near, 30), foreign("c", far, 30)
        running = [asyncio.ensure_future(one.start()) for one in (station, csms)]
        request = getattr(package.call, action)(**camel_to_snake_case(payload))
        await station.call(request)
        began = time.perf_counter()
        for _ in range(count):
            await station.call(request)
        took = time.perf_counter() - began
        for one in running:
            one.cancel()
        return took / count * 1e6

    return asyncio.run(drive())


def report(say: Callable[[str], None] = print) -> None:
    calendar = load_site("mixed-use").site.calendar
    for version in VERSIONS:
        for fact in (Alive(), metered()):
            action, payload = codec(version).write_fact(fact, calendar)
            ours(version, fact, 300)
            gc.collect()
            here, there = ours(version, fact, OURS), theirs(version, action, payload, THEIRS)
            say(
                f"OCPP {version:>5} {action:<12} {here:6.1f} µs a call, both sides; the ocpp package {there:8.1f} µs: "
                f"{there / here:5.0f} × as much"
            )


if __name__ == "__main__":
    report()
