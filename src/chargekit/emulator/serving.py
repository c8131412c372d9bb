"""How a station runs its services: asks, hears, keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chargekit.emulator import services_all  # noqa: F401  (registers them)
from chargekit.emulator.services import HEARD, READY, WATCHERS, Payload, Refusal, find
from chargekit.wire.messages import Other
from chargekit.wire.session import Called
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


class Serving:
    """The services of a Station; mixed into it."""

    def serve(self: Station, called: Called, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Answer an action that has a service. What it keeps is kept before the answer; its other effects follow it."""
        handler = find(self.spec.ocpp, called.action)
        if handler is None:
            self.session.refuse(called.id, "NotSupported", f"{called.action} is not supported")
            return
        after: list[Effect] = []
        found = handler(self, called.payload, now, after)
        if isinstance(found, Refusal):
            self.session.refuse(called.id, found.code, found.text[:200])
        else:
            self.session.answer(called.id, found)
        out.extend(effect for effect in after if isinstance(effect, Save))
        self._flush(out)
        out.extend(effect for effect in after if not isinstance(effect, Save))
        self.do_soon(now, out)

    def do_soon(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """What a handler left for after its answer (`station.soon`)."""
        while self.soon:
            self.soon.pop(0)(now, out)

    def ask(self: Station, action: str, payload: Payload, now: float, hearer: str = "") -> bool:  # type: ignore[misc]
        """Send a message outside the vocabulary; the service registered as `hearer` is told the answer. False: no link, nothing sent."""
        if not (self.online and self.accepted):
            return False
        self.call(Other(action, payload), now, ("service", hearer))
        return True

    def told_service(self: Station, context: object, payload: Payload | None, now: float, out: list[Effect]) -> bool:  # type: ignore[misc]
        """Whether an outcome was a service's; then its hearer was told."""
        if not (isinstance(context, tuple) and context[0] == "service"):
            return False
        hearer = HEARD.get(context[1])
        if hearer is not None:
            hearer(self, payload, now, out)
        return True

    def keep(self: Station, name: str, value: Any, out: list[Effect]) -> None:  # type: ignore[misc]
        """Keep plain data in non-volatile memory, found again as `station.memory[name]`; None forgets it."""
        if value is None:
            self.memory.pop(name, None)
        else:
            self.memory[name] = value
        out.append(Save(f"m/{name}", value))

    def watch(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Let services look at what an event changed."""
        for name, work in WATCHERS:
            if name in self.memory:
                work(self, now, out)

    def readied(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The CSMS accepted the station after a start."""
        for work in READY:
            work(self, now, out)
