"""A plant on its own: vehicles, one charger of each kind, and a clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from chargekit.emulator.building import Surroundings
from chargekit.emulator.plant import Plant
from chargekit.emulator.station import Station
from chargekit.lab.sitefile import catalogue_vehicles
from chargekit.model.calendar import Calendar
from chargekit.model.site import ChargingStation, Circuit, Connector, Evse, Site, StationModel
from chargekit.model.vehicle import Vehicle
from chargekit.wire import schemas
from chargekit.world.driver import World
from chargekit.world.events import Closed, Dial, Frame, Hand, Hangup, Load, Opened, Send

AC = StationModel("ac", "v", "m", (Evse(1, max_a=80.0),), standby_w=0.0)
ANY_DC = (Connector(1, "cCCS2"), Connector(2, "cG105"))
DC = StationModel("dc", "v", "m", (Evse(1, ANY_DC, max_a=8000.0, max_kw=4000.0),), standby_w=0.0)


class Kit:
    """A World with nothing but a plant in it."""

    def __init__(
        self,
        stations: dict[str, StationModel] | None = None,
        vehicles: dict[str, Vehicle] | None = None,
        circuits: dict[str, Circuit] | None = None,
        rotation: dict[str, tuple[int, int, int]] | None = None,
        circuit_of: dict[str, str] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        turns, on = rotation or {}, circuit_of or {}
        tree = circuits or {"grid": Circuit("grid", None, 20_000.0)}
        root = next(iter(tree))
        made = tuple(
            ChargingStation(name, model, on.get(name, root), rotation=turns.get(name, (0, 1, 2)))
            for name, model in (stations or {"ac": AC, "dc": DC}).items()
        )
        self.site = Site("kit", "t", Calendar(datetime(2026, 3, 2, tzinfo=UTC)), tree, made, vehicles=vehicles or catalogue_vehicles())
        self.world = World()
        self.plant = Plant(self.site, random.Random(1), surroundings)
        self.world.add("plant", self.plant)
        for station in made:
            self.world.add(station.id, _Deaf(), lambda saved: _Deaf())

    def plug(self, station: str, vehicle: str, soc: float, evse: int = 1, **more: float) -> None:
        self.hand("plug", station=station, evse=evse, vehicle=vehicle, soc_percent=soc, **more)

    def hand(self, verb: str, **args: object) -> None:
        self.world.post("plant", Hand(verb, args))
        self.world.run_until(self.world.now)

    def offer(self, station: str, amps: float = 0.0, *, kw: float = 0.0, evse: int = 1, closed: bool = True, phases: int = 3) -> None:
        self.world.post("plant", Load(evse, closed, amps, kw * 1000.0, station, phases))
        self.world.run_until(self.world.now)

    def run(self, seconds: float) -> None:
        self.world.run_until(self.world.now + seconds)

    def until_full(self, station: str, most_s: float = 400_000.0) -> float:
        """Runs until the vehicle is full; when that was."""
        bay = self.plant.bays[(station, 1)]
        end = self.world.now + most_s
        while not bay.full and self.world.now < end and self.world.next() < math.inf:
            self.world.step()
        assert bay.full, f"{station}: not full after {most_s} s, {bay.soc_percent(self.world.now)} %"
        return self.world.now

    def power_w(self, station: str, evse: int = 1) -> float:
        return self.plant.bays[(station, evse)].output_w(self.world.now)

    def amps(self, station: str, evse: int = 1) -> tuple[float, float, float]:
        return self.plant.bays[(station, evse)].current_a(self.world.now)


class _Deaf:
    """A station nobody asks anything of."""

    due = None

    def on(self, event: object, now: float) -> tuple[()]:
        return ()


def swift(vehicle: Vehicle, **more: object) -> Vehicle:
    """The vehicle without delays, for tests of everything else."""
    return replace(vehicle, start_delay_s=(0.1, 0.1), **more)  # type: ignore[arg-type]


VERSIONS = ("1.6", "2.0.1")
TWO = StationModel("two", "v", "m", (Evse(1), Evse(2)), standby_w=0.0)


class Talk:
    """A station at a plant, and this test as its CSMS: what it sent is in `sent` as (action, payload, time), what it answered is
    returned by `ask`.

    Every call of the station is answered at once: as `answers[action]` says (a payload, a function of the payload, an error code as
    text, or None for silence), else as a friendly CSMS would.
    """

    def __init__(
        self,
        version: str,
        model: StationModel = TWO,
        *,
        keys: Mapping[str, str] | None = None,
        clock_offset_s: float = 0.0,
        up: bool = True,
        machine: type[Station] = Station,
    ) -> None:
        self.version, self.model = version, model
        self.calendar = Calendar(datetime(2026, 3, 2, tzinfo=UTC))
        spec = ChargingStation("s", model, "grid", version)  # type: ignore[arg-type]
        site = Site("kit", "t", self.calendar, {"grid": Circuit("grid", None, 20_000.0)}, (spec,), vehicles=catalogue_vehicles())
        self.world = World()
        self.plant = Plant(site, random.Random(1), None)
        self.world.add("plant", self.plant)
        taps = {e.id: self.plant.tap("s", e.id) for e in model.evses}
        self.answers: dict[str, Any] = {}
        self.sent: list[tuple[str, dict[str, Any], float]] = []
        self.errors: list[str] = []
        self.heard: list[list[Any]] = []
        self.dials: list[float] = []
        self.open, self.reachable = False, up
        self.count = self.txs = 0

        def powered(saved: Mapping[str, Any]) -> Station:
            rng = random.Random(f"1/{saved.get('boots', 0)}")
            return machine(spec, taps, self.calendar, rng, saved, clock_offset_s=clock_offset_s, start_s=self.world.now)

        self.world.saved["s"] = {"keys": dict(keys)} if keys else {}
        self.world.add("s", powered(self.world.saved["s"]), powered)
        self.world.connect("s", "csms", self)
        self.run(10.0)

    @property
    def station(self) -> Station:
        return self.world.machines["s"]  # type: ignore[return-value]

    # --- the CSMS' end of the link (a Port) ---------------------------------------------------------------------

    def take(self, effect: object, now: float) -> None:
        match effect:
            case Dial():
                self.dials.append(now)
                self.open = self.reachable
                self.world.post("s", Opened("csms", self.version) if self.open else Closed("csms"), now + 0.1)
            case Hangup():
                if self.open:
                    self.world.post("s", Closed("csms", effect.code, effect.reason), now)
                self.open = False
            case Send() if self.open:
                self._heard(orjson.loads(effect.text), now)

    def cut(self, now: float) -> None:
        self.open = False

    def _heard(self, frame: list[Any], now: float) -> None:
        if frame[0] != 2:
            self.heard.append(frame)
            return
        _, ident, action, payload = frame
        assert not schemas.check(self.version, action, "req", payload), (action, payload)
        self.sent.append((action, payload, now))
        answer = self.answers.get(action, self._friendly(action, payload))
        if callable(answer):
            answer = answer(payload)
        if isinstance(answer, str):
            self.post([4, ident, answer, "", {}])
        elif answer is not None:
            assert not schemas.check(self.version, action, "conf", answer), (action, answer)
            self.post([3, ident, answer])

    def _friendly(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        good = {"status": "Accepted"}
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": self.calendar.iso(self.world.now), "interval": 3600}
            case "Heartbeat":
                return {"currentTime": self.calendar.iso(self.world.now)}
            case "Authorize":
                return {"idTagInfo": good} if self.version == "1.6" else {"idTokenInfo": good}
            case "StartTransaction":
                self.txs += 1
                return {"idTagInfo": good, "transactionId": self.txs}
            case "TransactionEvent" if "idToken" in payload:
                return {"idTokenInfo": good}
            case _:
                return {}

    def post(self, frame: list[Any]) -> None:
        self.world.post("s", Frame("csms", orjson.dumps(frame).decode()), self.world.now + 0.01)

    # --- what a test does ---------------------------------------------------------------------------------------

    def ask(self, action: str, payload: dict[str, Any]) -> Any:
        """Call the station; its answer's payload, its error code as text, or None if it was silent."""
        self.count += 1
        ident = f"c{self.count}"
        assert not schemas.check(self.version, action, "req", payload), schemas.check(self.version, action, "req", payload)
        self.post([2, ident, action, payload])
        self.run(0.1)
        for frame in self.heard:
            if frame[1] == ident:
                if frame[0] == 3:
                    assert not schemas.check(self.version, action, "conf", frame[2]), frame
                return frame[2]
        return None

    def set(self, key16: str, key2: str, value: str) -> None:
        """Set a configuration key or variable, which must be accepted."""
        if self.version == "1.6":
            assert self.ask("ChangeConfiguration", {"key": key16, "value": value}) == {"status": "Accepted"}, key16
            return
        component, variable, *instance = key2.split(".")
        where = {"component": {"name": component}, "variable": {"name": variable} | ({"instance": instance[0]} if instance else {})}
        answer = self.ask("SetVariables", {"setVariableData": [{"attributeValue": value} | where]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted", key2

    def run(self, seconds: float) -> None:
        self.world.run_until(self.world.now + seconds)

    def plug(self, evse: int = 1, vehicle: str = "compact-3ph", soc: float = 30.0, run_s: float = 2.0) -> None:
        self.hand("plant", "plug", station="s", evse=evse, vehicle=vehicle, soc_percent=soc)
        self.run(run_s)

    def unplug(self, evse: int = 1) -> None:
        self.hand("plant", "unplug", station="s", evse=evse)
        self.run(1.0)

    def present(self, token: str, evse: int = 1, run_s: float = 2.0) -> None:
        self.hand("s", "present", token=token, evse=evse)
        self.run(run_s)

    def press_stop(self, evse: int = 1) -> None:
        self.hand("s", "press_stop", evse=evse)
        self.run(1.0)

    def hand(self, to: str, verb: str, **args: object) -> None:
        self.world.post(to, Hand(verb, args))

    def offline(self, seconds: float = 0.0) -> None:
        """The network goes."""
        self.reachable = self.open = False
        self.world.post("s", Closed("csms"))
        self.run(max(seconds, 0.01))

    def online(self, run_s: float = 120.0) -> None:
        """The network is back; the station finds it by itself."""
        self.reachable = True
        self.run(run_s)

    def power_cut(self, dark_s: float = 5.0, run_s: float = 20.0) -> None:
        self.world.cut("s")
        self.run(dark_s)
        self.world.restore("s")
        self.run(run_s)

    # --- what it saw --------------------------------------------------------------------------------------------

    def of(self, action: str, since: float = 0.0) -> list[dict[str, Any]]:
        return [payload for name, payload, at in self.sent if name == action and at >= since]

    def actions(self, since: float = 0.0) -> list[str]:
        return [name for name, _, at in self.sent if at >= since]

    def statuses(self, evse: int = 1, since: float = 0.0) -> list[str]:
        if self.version == "1.6":
            return [p["status"] for p in self.of("StatusNotification", since) if p["connectorId"] == evse]
        return [p["connectorStatus"] for p in self.of("StatusNotification", since) if p["evseId"] == evse]

    def events(self, since: float = 0.0) -> list[tuple[str, str]]:
        """2.x: (eventType, triggerReason) of what was told of transactions; 1.6: (Started or Ended, reason)."""
        if self.version != "1.6":
            return [(p["eventType"], p["triggerReason"]) for p in self.of("TransactionEvent", since)]
        named = {"StartTransaction": "Started", "StopTransaction": "Ended"}
        return [(named[a], p.get("reason", "")) for a, p, at in self.sent if a in named and at >= since]

    def started(self) -> int:
        return len([kind for kind, _ in self.events() if kind == "Started"])

    def reasons(self) -> list[str]:
        """Why transactions ended."""
        if self.version == "1.6":
            return [p.get("reason", "Local") for p in self.of("StopTransaction")]
        return [p["transactionInfo"].get("stoppedReason", "Local") for p in self.of("TransactionEvent") if p["eventType"] == "Ended"]

    def charging(self, evse: int = 1) -> bool:
        return self.plant.bays[("s", evse)].output_w(self.world.now) > 500.0

    def energy_wh(self, evse: int = 1) -> float:
        return self.plant.bays[("s", evse)].output_wh(self.world.now)


Answering = Callable[[dict[str, Any]], Any]
