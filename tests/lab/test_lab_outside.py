"""The subject in another process (here: another thread with a loop of its own), both ways, and hands between them."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chargekit.lab.assemble import CSMS, PLANT, Lab, Plan, build
from chargekit.lab.hands import complaint
from chargekit.lab.sitefile import load_site
from chargekit.lab.sockets import patience

RATE = 60.0
FREE = ("127.0.0.1", 0)
TWO = ("ac-01", "ac-11")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(FREE)
        return int(one.getsockname()[1])


@contextmanager
def beside(plan: Plan) -> Iterator[Lab]:
    """A lab that stands in a thread of its own until left."""
    lab = build(load_site("mixed-use"), plan)
    up, errors = threading.Event(), []

    async def stand() -> None:
        up.set()
        await lab.stand(1200.0)

    def run() -> None:
        try:
            lab.run(stand())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            errors.append(error)
        finally:
            up.set()
            lab.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert up.wait(10.0)
        yield lab
    finally:
        lab.loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(lab.loop)])
        thread.join(20.0)
    assert not thread.is_alive()
    assert errors == []


def finish(lab: Lab, work: Coroutine[Any, Any, None]) -> None:
    try:
        lab.run(asyncio.wait_for(work, 900.0))
    finally:
        lab.close()


def last_a(lab: Lab, meter: str) -> float:
    return max([r for r in lab.history.records if r.subject == meter and r.kind == "sample"][-1].body["current_a"])


def wire(lab: Lab, station: str) -> list[str]:
    return [r.kind for r in lab.history.records if r.subject == station and r.witness == "wire"]


async def until(holds: Any) -> None:
    while not holds():
        await asyncio.sleep(1.0)


async def plug_and_present(lab: Lab, station: str) -> None:
    await lab.rig.do(PLANT, "plug", {"station": station, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 30.0})
    await lab.rig.do(station, "present", {"token": "RES-1", "evse": 1})


def test_our_fleet_under_their_controller():
    """We play the stations, dial out, serve the meters, and pull the controller's levers over its rig."""
    meters = ("127.0.0.1", free_port())
    with beside(Plan(listen=FREE, operate=True, rate=RATE, meters_at=meters, serve_rig=FREE, stations=TWO)) as theirs:
        host, port = theirs.address("csms")
        ours = build(
            load_site("mixed-use"),
            Plan(csms_url=f"ws://{host}:{port}/ocpp", rate=RATE, serve_meters=meters, stations=TWO, rigs_at=(theirs.address("rig"),)),
        )

        async def work() -> None:
            assert {"plug", "link_cut", "power_off"} <= ours.rig.can and "set_cap" in ours.rig.can and "command" not in ours.rig.can
            await until(lambda: all("BootNotification.conf" in wire(ours, s) for s in TWO))
            for station in TWO:
                await plug_and_present(ours, station)
            await until(lambda: last_a(ours, "m-01") > 8 and last_a(ours, "m-11") > 8)
            await ours.rig.do(CSMS, "set_cap", {"circuit": "grid", "limit_a": 14.0})
            await until(lambda: last_a(ours, "grid-meter") < 14.0)
            with pytest.raises(LookupError, match=r"set_cap: circuit: 'grit' is not known here"):
                await ours.rig.do(CSMS, "set_cap", {"circuit": "grit", "limit_a": 14.0})

        finish(ours, work())
        assert [r.kind for r in ours.history.records if r.witness == "rig" and r.subject == CSMS] == ["set_cap", "set_cap"]
        assert [r for r in theirs.history.records if r.subject == "grid-meter" and r.kind == "sample"]
        assert not [r for r in ours.history.records if r.kind in ("garbled", "silent")]
        assert {"StartTransaction.conf", "SetChargingProfile.conf"} <= set(wire(ours, "ac-01"))


def test_their_chargers_under_our_controller():
    """We play the controller, read their meters over Modbus, and lay hands on their chargers over their rig."""
    mine, meters = free_port(), ("127.0.0.1", free_port())
    fleet = Plan(csms_url=f"ws://127.0.0.1:{mine}", rate=RATE, serve_meters=meters, serve_rig=FREE, stations=TWO)
    with beside(fleet) as theirs:
        plan = Plan(listen=("127.0.0.1", mine), rate=RATE, meters_at=meters, rigs_at=(theirs.address("rig"),), stations=TWO)
        ours = build(load_site("mixed-use"), plan)

        async def work() -> None:
            assert {"plug", "power_off", "command", "link_cut"} <= ours.rig.can
            await until(lambda: all("BootNotification.conf" in wire(ours, s) for s in TWO))
            await plug_and_present(ours, "ac-11")
            await until(lambda: last_a(ours, "m-11") > 8)
            await ours.rig.do("ac-11", "power_off", {})
            await until(lambda: last_a(ours, "m-11") < 0.1 and wire(ours, "ac-11")[-1] == "closed")
            await ours.rig.do("ac-11", "power_on", {})
            await until(lambda: wire(ours, "ac-11").count("BootNotification.conf") == 2)
            with pytest.raises(LookupError, match=r"plug: vehicle: 'bus' is not known here"):
                await ours.rig.do(PLANT, "plug", {"station": "ac-01", "evse": 1, "vehicle": "bus"})

        finish(ours, work())
        assert abs((ours.calendar.epoch - theirs.calendar.epoch).total_seconds()) < 30
        assert "TransactionEvent.req" in wire(ours, "ac-11")


def test_a_rig_takes_nothing_it_does_not_understand():
    with beside(Plan(csms_url="ws://127.0.0.1:9", rate=RATE, serve_rig=FREE, stations=TWO)) as theirs:
        host, port = theirs.address("rig")

        async def asks() -> list[dict[str, Any]]:
            out = []
            async with connect(f"ws://{host}:{port}", proxy=None) as ws:
                out.append(orjson.loads(await ws.recv()))
                for text in ("{", "[]", '{"to":"plant","verb":"plug","args":[]}', '{"to":"ac-01","verb":"power_off","args":{}}'):
                    await ws.send(text)
                    out.append(orjson.loads(await ws.recv()))
            with pytest.raises(InvalidStatus, match="403"):
                await connect(f"ws://{host}:{port}", proxy=None, origin="http://page.example")  # type: ignore[arg-type]
            return out

        hello, *replies = asyncio.run(asks())
    assert "plug" in hello["can"] and "set_cap" not in hello["can"]
    shape = 'an object with "to", "verb" and "args" expected'
    assert [r["why"] for r in replies] == ["JSON expected", shape, shape, ""]
    assert [r["done"] for r in replies] == [False, False, False, True]
    assert "ac-01" not in theirs.world.machines


def test_nobody_at_the_rig():
    lab = build(load_site("mixed-use"), Plan(listen=FREE, rate=RATE, rigs_at=(("127.0.0.1", 9),), stations=TWO))
    with pytest.raises(OSError, match="9"):
        lab.run(asyncio.sleep(1.0))
    lab.close()


COMPLAINTS = [
    (PLANT, "plug", {"station": "ac-01", "evse": 1, "vehicle": "compact-3ph", "soc_percent": 10}, None),
    (PLANT, "plug", {"station": "ac-01", "evse": 1}, "plug: vehicle missing"),
    (PLANT, "plug", {"station": "ac-99", "evse": 1, "vehicle": "compact-3ph"}, "plug: station: 'ac-99' is not known here"),
    (PLANT, "plug", {"station": "ac-01", "evse": 2, "vehicle": "compact-3ph"}, "plug: evse: one of [1] expected"),
    (PLANT, "plug", {"station": ["ac-01"], "evse": 1, "vehicle": "compact-3ph"}, "plug: station: text expected"),
    (PLANT, "unplug", {"station": "ac-01", "evse": True}, "unplug: evse: one of [1] expected"),
    (PLANT, "unplug", {"station": "ac-01", "evse": [1]}, "unplug: evse: one of [1] expected"),
    (CSMS, "plug", {"station": "ac-01", "evse": 1, "vehicle": "compact-3ph"}, "plug: plant takes it, not 'csms'"),
    (PLANT, "set_building_a", {"circuit": "grid", "amps": [1, 2]}, "set_building_a: amps: three numbers expected"),
    (PLANT, "set_building_a", {"circuit": "grid", "amps": [1, 2, float("nan")]}, "set_building_a: amps: three numbers expected"),
    ("ac-01", "present", {"token": "T", "evse": 1}, None),
    ("ac-01", "present", {"token": 5, "evse": 1}, "present: token: text expected"),
    ("plant", "power_off", {}, "power_off: 'plant' is no station of this site"),
    (CSMS, "set_cap", {"circuit": "grid", "limit_a": "10"}, "set_cap: limit_a: a number expected"),
    (CSMS, "set_cap", {"circuit": "grid", "limit_a": -1}, "set_cap: limit_a: at least 0 expected"),
    ("ac-01", "external_limit", {"limit_a": 10.0}, None),
    ("ac-01", "external_limit", {"limit_a": None, "evse": 0, "source": "SO"}, None),
    ("ac-01", "external_limit", {"evse": 1}, "external_limit: limit_a missing"),
    ("ac-01", "external_limit", {"limit_a": -1}, "external_limit: limit_a: at least 0 expected"),
    ("ac-01", "external_limit", {"limit_a": float("nan")}, "external_limit: limit_a: a number expected"),
    ("ac-01", "external_limit", {"limit_a": 10, "evse": 2}, "external_limit: evse: one of [1] expected"),
    ("ac-01", "external_limit", {"limit_a": 10, "evse": False}, "external_limit: evse: one of [1] expected"),
    ("ac-01", "external_limit", {"limit_a": 10, "source": "Sun"}, "external_limit: source: 'Sun' is not known here"),
    ("ac-01", "external_limit", {"limit_a": 10, "source": ["EMS"]}, "external_limit: source: ['EMS'] is not known here"),
    ("ac-01", "external_limit", {"limit_a": 10, "generated": True}, None),
    ("ac-01", "external_limit", {"limit_a": 10, "generated": 1}, "external_limit: generated: true or false expected"),
    (CSMS, "external_limit", {"limit_a": 10}, "external_limit: 'csms' is no station of this site"),
    (CSMS, "authorise", {"token": "T", "status": "Accepted", "group": "G", "until": 60}, None),
    (CSMS, "authorise", {"token": "T", "group": 5}, "authorise: group: text expected"),
    (CSMS, "authorise", {"token": "T", "group": "g" * 21}, "authorise: group: at most 20 characters expected"),
    (CSMS, "authorise", {"token": "T", "until": "soon"}, "authorise: until: a number expected"),
    (CSMS, "authorise", {"token": "T", "until": 1e30}, "authorise: until: seconds of this run expected"),
    (CSMS, "command", {"station": "ac-01"}, "'command' is no hand that can be asked for from outside"),
    (CSMS, "explode", {}, "'explode' is no hand that can be asked for from outside"),
]


@pytest.mark.parametrize(("to", "verb", "args", "why"), COMPLAINTS, ids=[f"{v}-{w}"[:60] for _, v, _, w in COMPLAINTS])
def test_complaints(to: str, verb: str, args: dict[str, Any], why: str | None):
    assert complaint(load_site("mixed-use").site, PLANT, CSMS, to, verb, args) == why


def test_patience_is_real_time():
    assert patience(60.0)["open_timeout"] == 60 * patience(1.0)["open_timeout"]
