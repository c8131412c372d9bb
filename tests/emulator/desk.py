"""A station on its own with somebody at a desk for a CSMS: asks it anything, hears everything, checks every payload against its schema."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import jsonschema_rs
import orjson

from chargekit.emulator.outlet import Transaction
from chargekit.emulator.services import Refusal, find
from chargekit.emulator.station import Station
from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.model.pilot import ControlPilot
from chargekit.model.site import ChargingStation, Connector, Evse, StationModel
from chargekit.wire import VERSIONS
from chargekit.wire.session import Answered, Called, Refused, Session
from chargekit.world.events import Dial, Frame, Hangup, Opened, Save, Send, Supply, Wake

CALENDAR = Calendar(datetime(2026, 3, 2, tzinfo=UTC))
FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}


@cache
def schema(version: str, action: str, kind: str) -> jsonschema_rs.Validator:
    folder = files("ocpp") / FOLDERS[version] / "schemas"
    ends = ("", "Request") if kind == "req" else ("Response",)
    found = next(f for end in ends if (f := folder / f"{action}{end}.json").is_file())
    return jsonschema_rs.validator_for(orjson.loads(found.read_text("utf-8-sig")), validate_formats=True)


def valid(version: str, action: str, kind: str, payload: object) -> None:
    problems = [f"{e.instance_path}: {e.message}" for e in schema(version, action, kind).iter_errors(payload)]
    assert not problems, f"{action}.{kind} of {version}: {problems[:3]}"


class Tap:
    def __init__(self) -> None:
        self.power_w, self.current_a = 0.0, (0.0, 0.0, 0.0)

    def read(self, now: float) -> MeterSample:
        return MeterSample(now, self.current_a, (230.0, 230.0, 230.0), self.power_w, 1000.0)


class Desk:
    """`heard` is what the station sent by itself: (action, payload). What the version's wire does not know goes past it."""

    def __init__(self, version: str, *, evses: int = 2, saved: dict | None = None, now: float = 0.0, accept: str = "Accepted") -> None:
        self.version, self.saved, self.now, self.accept = version, dict(saved or {}), now, accept
        self.wired = version in VERSIONS
        spoken = version if self.wired else "2.0.1"
        model = StationModel("m", "Emu", "M1", tuple(Evse(n, (Connector(1),)) for n in range(1, evses + 1)))
        self.taps = {n: Tap() for n in range(1, evses + 1)}
        spec = ChargingStation("s1", model, "grid", spoken)
        self.heard: list[tuple[str, dict]] = []
        self.replies: dict[str, dict] = {}
        self.station = Station(spec, self.taps, CALENDAR, random.Random(1), self.saved)
        if not self.wired:
            self.station.spec = replace(spec, ocpp=version)
            self.station.ask = self._past
            self.station.session.send = self._sent
        self.end = Session("csms", spoken, prefix="d-")
        self.outcomes: list[object] = []
        self.effects: list[object] = []
        self.run(6.0)

    def _past(self, action: str, payload: dict, now: float, hearer: str = "") -> bool:
        if not (self.station.online and self.station.accepted):
            return False
        valid(self.version, action, "req", payload)
        self.heard.append((action, payload))
        from chargekit.emulator.services import HEARD

        if hearer:
            reply = self.replies.get(action, {})
            HEARD[hearer](self.station, reply, now, self._after)
        return True

    def _sent(self, action: str, payload: dict) -> None:
        valid(self.version, action, "req", payload)
        self.heard.append((action, payload))

    _after: list = []

    def event(self, event: object) -> None:
        """One event, and everything that follows from it."""
        self._done(self.station.on(event, self.now))

    def _done(self, effects) -> None:
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect, Save):
                if effect.value is None:
                    self.saved.pop(effect.key, None)
                else:
                    self.saved[effect.key] = orjson.loads(orjson.dumps(effect.value))
            if isinstance(effect, Hangup):
                self.end.lost(self.now)
            if isinstance(effect, Dial):
                self.event(Opened("csms", self.end.version))
            if isinstance(effect, Send):
                for one in self.end.receive(effect.text, self.now):
                    self._got(one)
        for text in self.end.outgoing():
            self.event(Frame("csms", text))

    def _got(self, one: object) -> None:
        if isinstance(one, Called):
            assert not one.problems, one.problems
            self.heard.append((one.action, one.payload))
            self.end.answer(one.id, self._reply(one.action))
        elif isinstance(one, (Answered, Refused)):
            if isinstance(one, Answered):
                assert not one.problems, one.problems
            self.outcomes.append(one)
        elif hasattr(one, "payload") and hasattr(one, "action"):
            self.heard.append((one.action, one.payload))

    def _reply(self, action: str) -> dict:
        if action == "BootNotification":
            return {"status": self.accept, "currentTime": CALENDAR.iso(self.now), "interval": 86_400}
        if action == "Heartbeat":
            return {"currentTime": CALENDAR.iso(self.now)}
        if action == "StartTransaction":
            return {"idTagInfo": {"status": "Accepted"}, "transactionId": 7}
        if action == "Authorize":
            return {"idTagInfo": {"status": "Accepted"}} if self.version == "1.6" else {"idTokenInfo": {"status": "Accepted"}}
        return self.replies.get(action, {})

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.station.due is not None and self.station.due <= until:
            self.now = max(self.now, self.station.due)
            self.event(Wake())
        self.now = until

    def ask(self, action: str, **payload: object) -> dict | str:
        """The answer, or the error code it was refused with."""
        valid(self.version, action, "req", payload)
        if self.wired:
            self.end.call(action, payload, self.now, "desk")
            self._done(())
            one = self.outcomes.pop()
            return one.payload if isinstance(one, Answered) else one.code
        handler = find(self.version, action)
        assert handler is not None, f"{self.version} has no {action}"
        out: list = []
        answer = handler(self.station, orjson.loads(orjson.dumps(payload)), self.now, out)
        if isinstance(answer, Refusal):
            return answer.code
        valid(self.version, action, "conf", answer)
        self._done(out)
        return answer

    def said(self, action: str) -> list[dict]:
        """The payloads of what it sent under this name; they are taken away."""
        found = [p for a, p in self.heard if a == action]
        self.heard = [(a, p) for a, p in self.heard if a != action]
        return found

    def plug(self, evse: int = 1, *, fault: bool = False) -> None:
        self.event(Supply(evse, ControlPilot.E if fault else ControlPilot.B))

    def unplug(self, evse: int = 1) -> None:
        self.event(Supply(evse, ControlPilot.A))

    def charge(self, evse: int = 1, token: str = "tok") -> str:
        """A running transaction; its id."""
        outlet = self.station.outlets[evse]
        outlet.pilot = ControlPilot.C
        outlet.tx = Transaction(f"tx-{evse}", token, self.now, 1000.0, id="7" if self.version == "1.6" else f"tx-{evse}")
        return outlet.tx.id or ""

    def stop(self, evse: int = 1) -> None:
        """The transaction is over."""
        self.station.outlets[evse].tx = None
        self.event(Wake())

    def restarted(self) -> Desk:
        """The same station after a power cut."""
        return Desk(self.version, evses=len(self.taps), saved=self.saved, now=self.now)


def at(now: float) -> str:
    return CALENDAR.iso(now)
