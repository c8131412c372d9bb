"""One station per OCPP version on one site, led by the reference controller: each boots, authorises, charges, obeys and stops."""

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from chargekit.emulator.station import Station
from chargekit.judge.checks import About, correlation, judge_records, schema
from chargekit.judge.verdict import Verdict
from chargekit.lab.assemble import PLANT, Lab, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.lab.tap import WireTap
from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.model.site import Site
from chargekit.wire import VERSIONS
from chargekit.world.events import Event, Frame, Opened, Send, Wake
from chargekit.world.history import History, Record

SITE = """site: generations
type: mixed_use
circuits: {grid: {limit: 60 A}}
stations:
  - {id: s-1.6, model: generic-ac-22, circuit: grid, ocpp: 1.6}
  - {id: s-2.0.1, model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: s-2.1, model: generic-ac-22, circuit: grid, ocpp: 2.1}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 9}
  - {id: m-1.6, station: s-1.6, model: eastron-sdm630, unit: 1}
  - {id: m-2.0.1, station: s-2.0.1, model: eastron-sdm630, unit: 2}
  - {id: m-2.1, station: s-2.1, model: eastron-sdm630, unit: 3}
"""
SESSION = {
    "1.6": ("StartTransaction.conf", "MeterValues.conf", "StopTransaction.conf"),
    "2.0.1": ("TransactionEvent.conf",),
    "2.1": ("TransactionEvent.conf",),
}


@pytest.fixture
def bundle(tmp_path: Path):
    (tmp_path / "fleet.yaml").write_text(SITE)
    (tmp_path / "policy.yaml").write_text('access: {tokens: {"RES-*": resident}}\n')
    return load_site(str(tmp_path))


def of(lab: Lab, version: str) -> list[Record]:
    return [r for r in lab.history.records if r.subject == f"s-{version}" and r.witness == "wire"]


def wire(lab: Lab, version: str) -> list[str]:
    return [r.kind for r in of(lab, version)]


def flowing_a(lab: Lab, version: str) -> float:
    shown = [r for r in lab.history.records if r.subject == f"m-{version}" and r.kind == "sample"]
    return max(shown[-1].body["current_a"])


async def live(lab: Lab, seen: dict[str, dict[str, float]], settle_s: float) -> None:
    """A charging session at each station: freely, under a cap on the circuit, and after the driver stopped it."""
    await asyncio.sleep(20.0)
    for version in VERSIONS:
        await lab.rig.do(PLANT, "plug", {"station": f"s-{version}", "evse": 1, "vehicle": "compact-3ph", "soc_percent": 30.0})
        await lab.rig.do(f"s-{version}", "present", {"token": f"RES-{version}", "evse": 1})
    await asyncio.sleep(settle_s)
    seen["free"] = {version: flowing_a(lab, version) for version in VERSIONS}
    await lab.rig.do("csms", "set_cap", {"circuit": "grid", "limit_a": 24.0})
    await asyncio.sleep(settle_s)
    seen["capped"] = {version: flowing_a(lab, version) for version in VERSIONS}
    for version in VERSIONS:
        await lab.rig.do(f"s-{version}", "press_stop", {"evse": 1})
    await asyncio.sleep(20.0)
    seen["stopped"] = {version: flowing_a(lab, version) for version in VERSIONS}


@pytest.mark.parametrize("transport", ["memory", "sockets"])
def test_a_session_at_each_version(bundle, transport: str):
    rate = float("inf") if transport == "memory" else 60.0
    lab = build(bundle, Plan(operate=True, transport=transport, rate=rate))  # type: ignore[arg-type]
    seen: dict[str, dict[str, float]] = {}
    lab.run(live(lab, seen, 60.0))
    opened = {r.subject: r.body["version"] for r in lab.history.records if r.kind == "opened"}
    assert opened == {f"s-{version}": version for version in VERSIONS}
    for version in VERSIONS:
        kinds = wire(lab, version)
        for kind in ("BootNotification.conf", "Authorize.conf", "SetChargingProfile.conf", *SESSION[version]):
            assert kind in kinds, (version, kind)
        assert not [kind for kind in kinds if kind.endswith(("err", "garbled"))], version
        assert 15.0 < seen["free"][version] < 16.6, (version, seen)
        assert 5.5 < seen["capped"][version] <= 8.1, (version, seen)
        assert seen["stopped"][version] < 0.5, (version, seen)
    findings = [r for r in lab.history.records if r.kind in ("finding", "incident")]
    assert findings == []
    about = About(lab.site, lab.calendar)
    for version in VERSIONS:
        checks = judge_records(lab.history.records, about, f"s-{version}", file="", reproduce="")
        assert {c.verdict for c in checks} == {Verdict.PASS}, [c.to_json() for c in checks]
    lab.close()


def test_the_two_of_2x_say_the_same(bundle):
    """A station of 2.1 sends what one of 2.0.1 sends; only a changed rate is told in 2.1 where somebody else than the CSMS changed it."""
    lab = build(bundle, Plan(operate=True))
    lab.run(live(lab, {}, 60.0))
    rates = [r for r in lab.history.records if str(r.body.get("payload", {})).count("ChargingRateChanged")]
    assert {r.subject for r in rates} == {"s-2.0.1"}
    answered = {(r.subject, r.body["id"]) for r in rates}
    said = {version: [r.kind for r in of(lab, version) if (r.subject, r.body.get("id")) not in answered] for version in ("2.0.1", "2.1")}
    assert said["2.0.1"] == said["2.1"]
    lab.close()


def test_commands_by_hand_at_each_version(bundle):
    """A profile is obeyed, a composite schedule told, keys read, an unknown vendor's data answered; a reset that resumes is 2.1's."""
    lab = build(bundle, Plan())
    names = {"1.6": "HeartbeatInterval", "2.0.1": "OCPPCommCtrlr.HeartbeatInterval", "2.1": "OCPPCommCtrlr.HeartbeatInterval"}

    async def work() -> None:
        await asyncio.sleep(20.0)
        for version in VERSIONS:
            await lab.rig.do(PLANT, "plug", {"station": f"s-{version}", "evse": 1, "vehicle": "compact-3ph", "soc_percent": 30.0})
            await lab.rig.do(f"s-{version}", "present", {"token": "RES-1", "evse": 1})
        await asyncio.sleep(30.0)
        profile = {"id": 1, "purpose": "TxDefaultProfile", "kind": "Absolute", "start": 0.0, "periods": [{"start_s": 0.0, "limit": 9.0}]}
        orders: list[dict[str, Any]] = [
            {"kind": "SetProfile", "evse": 1, "profile": profile},
            {"kind": "GetComposite", "evse": 1, "duration_s": 600},
            {"kind": "OtherCommand", "action": "DataTransfer", "payload": {"vendorId": "v"}},
        ]
        for version in VERSIONS:
            more: list[dict[str, Any]] = [{"kind": "GetKeys", "keys": (names[version], "No.Such")}]
            more += [{"kind": "Reset", "hard": True, "resume": True}] if version == "2.1" else []
            for n, command in enumerate(orders + more):
                await lab.rig.do("csms", "command", {"station": f"s-{version}", "command": command, "ask": f"{version}/{n}"})
                await asyncio.sleep(5.0)
        await asyncio.sleep(30.0)

    lab.run(work())
    for version in VERSIONS:
        replies = [r.body["payload"] for r in lab.history.records if r.subject == f"s-{version}" and r.body.get("dir") == "up" and r.kind in
                   ("SetChargingProfile.conf", "GetCompositeSchedule.conf", "DataTransfer.conf")]  # fmt: skip
        assert [reply["status"] for reply in replies] == ["Accepted", "Accepted", "UnknownVendorId"], version
        assert flowing_a(lab, version) == pytest.approx(9.0, abs=0.2)
        (keys,) = [r.body for r in lab.history.records if r.kind == "reply" and r.body["ask"] == f"{version}/3"]
        assert (keys["values"], keys["unknown"]) == ({names[version]: "300"}, ["No.Such"])
    (reset,) = [r.body["payload"] for r in lab.history.records if r.kind == "Reset.conf"]
    assert reset == {"status": "Rejected"} and wire(lab, "2.1").count("opened") == 1
    lab.close()


TOLD = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "230.4"}]}


def judged(version: str, *frames: tuple[str, list[object]]) -> tuple[list[str], list[str]]:
    """The record kinds of frames that pass by, and what the checks of messages find."""
    history = History()
    tap = WireTap(history, "s")
    tap.opened(0.0, version)
    for way, frame in frames:
        tap.frame(1.0, way, orjson.dumps(frame).decode())  # type: ignore[arg-type]
    calendar = Calendar(datetime(2026, 1, 1, tzinfo=UTC))
    about = About(Site("x", "t", calendar, {}, ()), calendar)
    broken = [*schema(history.records, about), *correlation(history.records, about)]
    return [r.kind for r in history.records][1:], [one.reason for one in broken]


def test_what_21_adds_is_recorded_and_judged():
    beat = ("up", [2, "a", "Heartbeat", {}]), ("down", [3, "a", {"currentTime": "now"}])
    refused = ("up", [5, "a", "PropertyConstraintViolation", "", {}])
    send = ("up", [6, "b", "NotifyPeriodicEventStream", TOLD])
    kinds = ["Heartbeat.req", "Heartbeat.conf", "Heartbeat.conferr", "NotifyPeriodicEventStream.send"]
    assert judged("2.1", *beat, refused, send) == (kinds, [])
    kinds, broken = judged("2.0.1", *beat, refused, send)
    assert kinds[2:] == ["garbled", "garbled"] and len(broken) == 2


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ([6, "b", "NotifyPeriodicEventStream", {}], "NotifyPeriodicEventStream.send breaks its schema at $"),
        ([6, "b", "Heartbeat", {}], "Heartbeat is no OCPP 2.1 message"),
        ([2, "b", "NotifyPeriodicEventStream", TOLD], "NotifyPeriodicEventStream is no OCPP 2.1 message"),
        ([5, "b", "GenericError", "", {}], "an error came about an answer under id 'b', under which nothing was answered"),
    ],
)
def test_what_breaks_the_rules_of_21_is_found(frame: list[object], says: str):
    _, (broken,) = judged("2.1", ("up", frame))
    assert broken.startswith(says)


class Still:
    """A station's meter with nothing connected."""

    def read(self, now: float) -> MeterSample:
        return MeterSample(now, (0.0, 0.0, 0.0), (230.0, 230.0, 230.0), 0.0, 0.0)


@pytest.mark.parametrize(("version", "says"), [("1.6", []), ("2.0.1", []), ("2.1", [5, "1-1", "OccurrenceConstraintViolation"])])
def test_a_station_that_cannot_use_an_answer_says_so_in_21_and_boots_again(bundle, version: str, says: list[object]):
    """P4 §4.2.3; what the answer meant stays unknown, so the boot is told once more."""
    spec = bundle.site.station(f"s-{version}")
    station = Station(spec, {1: Still()}, bundle.site.calendar, random.Random(1), {})

    def sent(event: Event, now: float) -> list[list[object]]:
        return [orjson.loads(effect.text) for effect in station.on(event, now) if isinstance(effect, Send)]

    sent(Wake(), 0.0)
    sent(Wake(), 60.0)
    (boot,) = sent(Opened("csms", version), 61.0)
    assert boot[:3] == [2, "1-1", "BootNotification"]
    back = sent(Frame("csms", '[3,"1-1",{"status":"Accepted"}]'), 62.0)
    assert [frame[:3] for frame in back] == ([says] if says else [])
    assert not station.accepted
    assert [frame[:3] for frame in sent(Wake(), 93.0)] == [[2, "1-2", "BootNotification"]]
