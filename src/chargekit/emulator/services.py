"""Services of a station beside charging: what it answers to actions outside the neutral vocabulary, one handler per action.

A handler takes payloads as the version writes them, for nothing above `wire/` asks for these messages in other words. It is registered for
the versions it serves; a version's Session refuses what neither the codec nor a service knows with NotSupported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A CALLERROR in place of an answer. `code`: of the version, or a neutral one (`formation`, `property`, `occurrence`, `type`)."""

    code: str
    text: str = ""


Service = Callable[["Station", Payload, float, list[Effect]], "Payload | Refusal"]
Job = Callable[["Station", float, list[Effect]], None]
Heard = Callable[["Station", "Payload | None", float, list[Effect]], None]

SERVICES: Final[dict[tuple[str, str], Service]] = {}
JOBS: Final[dict[str, Job]] = {}
HEARD: Final[dict[str, Heard]] = {}
SETTERS: Final[dict[str, list[Job]]] = {}
READY: Final[list[Job]] = []
WATCHERS: Final[list[tuple[str, Job]]] = []


def service(action: str, *versions: str) -> Callable[[Service], Service]:
    """Register the handler of an action for some versions. What it appends to `out` is carried out after the answer."""

    def register(handler: Service) -> Service:
        for version in versions:
            if (version, action) in SERVICES:
                raise ValueError(f"{action} of OCPP {version} has a handler already")
            SERVICES[version, action] = handler
        return handler

    return register


def job(name: str) -> Callable[[Job], Job]:
    """Register what is done when the timer `job/<name>` of a station is due (`station.timers["job/<name>"] = when`)."""

    def register(work: Job) -> Job:
        JOBS[name] = work
        return work

    return register


def heard(name: str) -> Callable[[Heard], Heard]:
    """Register who hears the answer to a message sent with `station.ask(action, payload, now, name)`; None: it was refused or lost."""

    def register(hearer: Heard) -> Heard:
        HEARD[name] = hearer
        return hearer

    return register


def setter(key: str) -> Callable[[Job], Job]:
    """Register what is done at once when the CSMS changed a setting (`station.keys[key]`)."""

    def register(work: Job) -> Job:
        SETTERS.setdefault(key, []).append(work)
        return work

    return register


def ready(work: Job) -> Job:
    """Register what is done each time the CSMS has accepted the station after a start: timers are lost with the power."""
    READY.append(work)
    return work


def watcher(name: str) -> Callable[[Job], Job]:
    """Register what is done after every event while the station keeps something as `name`."""

    def register(work: Job) -> Job:
        WATCHERS.append((name, work))
        return work

    return register


def offered(version: str) -> frozenset[str]:
    """The actions of a version that have a service."""
    return frozenset(action for spoken, action in SERVICES if spoken == version)


def find(version: str, action: str) -> Service | None:
    return SERVICES.get((version, action))


def remembered(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What services kept in non-volatile memory (`station.keep`), by name."""
    return {key[2:]: value for key, value in saved.items() if key.startswith("m/")}
