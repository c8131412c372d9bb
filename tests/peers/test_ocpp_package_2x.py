"""The `ocpp` package's ChargePoint of 2.0.1 and 2.1 as an independent peer over a real socket, against both of our sides."""

import asyncio
import socket
from datetime import UTC, datetime
from types import ModuleType

import ocpp.v21
import ocpp.v21.call
import ocpp.v21.call_result
import ocpp.v201
import ocpp.v201.call
import ocpp.v201.call_result
import pytest
from ocpp.routing import on
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.sitefile import load_site

RATE = 30.0
SITE = """site: one
type: mixed_use
circuits: {{grid: {{limit: 60 A}}}}
stations:
  - {{id: s, model: generic-ac-22, circuit: grid, ocpp: "{version}"}}
"""
PEERS: dict[str, ModuleType] = {"2.0.1": ocpp.v201, "2.1": ocpp.v21}
versions = pytest.mark.parametrize("version", PEERS)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def stamp() -> str:
    return datetime.now(UTC).isoformat()


async def until(holds, seconds=20.0 * RATE):  # type: ignore[no-untyped-def]
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(seconds / 400)
    raise AssertionError("it did not come")


def site(tmp_path, version: str):  # type: ignore[no-untyped-def]
    (tmp_path / "fleet.yaml").write_text(SITE.format(version=version))
    (tmp_path / "policy.yaml").write_text('access: {tokens: {"RES-*": resident}}\n')
    return load_site(str(tmp_path))


def central_system(version: str) -> type:
    """The package's ChargePoint in the role of a central system."""
    result = PEERS[version].call_result

    class CentralSystem(PEERS[version].ChargePoint):  # type: ignore[misc,name-defined]
        def __init__(self, *args):  # type: ignore[no-untyped-def]
            super().__init__(*args)
            self.heard, self.events = [], []

        @on("BootNotification")
        def boot(self, **more):  # type: ignore[no-untyped-def]
            self.heard.append("BootNotification")
            return result.BootNotification(stamp(), 300, "Accepted")

        @on("StatusNotification")
        def status(self, **more):  # type: ignore[no-untyped-def]
            self.heard.append("StatusNotification")
            return result.StatusNotification()

        @on("Heartbeat")
        def heartbeat(self, **more):  # type: ignore[no-untyped-def]
            return result.Heartbeat(stamp())

        @on("TransactionEvent")
        def transaction(self, event_type, trigger_reason, transaction_info, **more):  # type: ignore[no-untyped-def]
            self.events.append((event_type, trigger_reason, transaction_info["transaction_id"]))
            return result.TransactionEvent()

    return CentralSystem


@versions
def test_a_foreign_central_system_boots_starts_limits_and_stops_our_station(tmp_path, version: str):
    port, foreign = free_port(), central_system(version)
    call = PEERS[version].call
    lab = build(site(tmp_path, version), Plan(rate=RATE, transport="sockets", csms_url=f"ws://127.0.0.1:{port}"))
    peers = []

    async def arrived(ws):  # type: ignore[no-untyped-def]
        peers.append(foreign("s", ws, 30))
        await peers[-1].start()

    def flows() -> float:
        return float(lab.plant.read_evse("s", 1, lab.world.now).current_a[0])  # type: ignore[union-attr]

    async def drive() -> None:
        async with serve(arrived, "127.0.0.1", port, subprotocols=[f"ocpp{version}"]):  # type: ignore[list-item]
            await until(lambda: peers and "StatusNotification" in peers[0].heard)
            peer = peers[0]
            assert peer.heard[0] == "BootNotification"
            lab.rig.act(PLANT, "plug", {"station": "s", "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20})
            await asyncio.sleep(2)
            token = {"id_token": "TAG", "type": "Central"}
            started = await peer.call(call.RequestStartTransaction(id_token=token, remote_start_id=7, evse_id=1))
            assert started.status == "Accepted"
            await until(lambda: flows() > 15)
            assert peer.events[0][:2] == ("Started", "RemoteStart")
            tx = peer.events[0][2]
            profile = {
                "id": 1, "transaction_id": tx, "stack_level": 0, "charging_profile_purpose": "TxProfile",
                "charging_profile_kind": "Absolute",
                "charging_schedule": [{
                    "id": 1, "charging_rate_unit": "A", "start_schedule": "2020-01-01T00:00:00Z",
                    "charging_schedule_period": [{"start_period": 0, "limit": 8.0}],
                }],
            }  # fmt: skip
            limited = await peer.call(call.SetChargingProfile(evse_id=1, charging_profile=profile))
            assert limited.status == "Accepted"
            await until(lambda: flows() == pytest.approx(8.0))
            await until(lambda: ("Updated", "MeterValuePeriodic", tx) in peer.events)
            stopped = await peer.call(call.RequestStopTransaction(transaction_id=tx))
            assert stopped.status == "Accepted"
            await until(lambda: ("Ended", "RemoteStop", tx) in peer.events)
            assert flows() == 0.0

    try:
        lab.run(drive())
    finally:
        lab.close()


def charger_of(version: str) -> type:
    result = PEERS[version].call_result

    class Charger(PEERS[version].ChargePoint):  # type: ignore[misc,name-defined]
        def __init__(self, *args):  # type: ignore[no-untyped-def]
            super().__init__(*args)
            self.profiles = []

        @on("SetChargingProfile")
        def set_profile(self, evse_id, charging_profile, **more):  # type: ignore[no-untyped-def]
            self.profiles.append(charging_profile)
            return result.SetChargingProfile("Accepted")

        @on("SetVariables")
        def change(self, set_variable_data, **more):  # type: ignore[no-untyped-def]
            (row,) = set_variable_data
            return result.SetVariables([{"attribute_status": "Accepted", "component": row["component"], "variable": row["variable"]}])

    return Charger


@versions
def test_a_foreign_charge_point_runs_a_session_under_our_controller(tmp_path, version: str):
    lab = build(site(tmp_path, version), Plan(rate=RATE, transport="sockets", listen=("127.0.0.1", 0), operate=True))
    call = PEERS[version].call

    def event(kind: str, trigger: str, number: int, **more: object) -> object:
        info = {"transaction_id": "tx-1", **({"stopped_reason": "Local"} if kind == "Ended" else {})}
        return call.TransactionEvent(
            event_type=kind, timestamp=stamp(), trigger_reason=trigger, seq_no=number, transaction_info=info, **more
        )  # fmt: skip

    async def drive() -> None:
        host, port = lab.address("csms")
        async with connect(f"ws://{host}:{port}/s", subprotocols=[f"ocpp{version}"], proxy=None) as ws:  # type: ignore[list-item]
            charger = charger_of(version)("s", ws, 30)
            listening = asyncio.ensure_future(charger.start())
            try:
                station = {"model": "Model", "vendor_name": "Vendor"}
                booted = await charger.call(call.BootNotification(charging_station=station, reason="PowerUp"))
                assert booted.status == "Accepted"
                await charger.call(call.StatusNotification(timestamp=stamp(), connector_status="Occupied", evse_id=1, connector_id=1))
                await until(lambda: charger.profiles)
                assert charger.profiles[0]["charging_profile_purpose"] == "TxDefaultProfile"
                token = {"id_token": "RES-1", "type": "ISO14443"}
                asked = await charger.call(call.Authorize(id_token=token))
                assert asked.id_token_info["status"] == "Accepted"
                stranger = await charger.call(call.Authorize(id_token={"id_token": "NOBODY", "type": "ISO14443"}))
                assert stranger.id_token_info["status"] == "Invalid"
                started = await charger.call(event("Started", "Authorized", 0, evse={"id": 1, "connector_id": 1}, id_token=token))
                assert started.id_token_info["status"] == "Accepted"
                await until(lambda: charger.profiles[-1]["charging_profile_purpose"] == "TxProfile")
                lease = charger.profiles[-1]
                assert lease["transaction_id"] == "tx-1"
                assert [p["limit"] for p in lease["charging_schedule"][0]["charging_schedule_period"]] == [32.0, 6.0]
                value = {"timestamp": stamp(), "sampled_value": [{"value": 1200.0, "measurand": "Energy.Active.Import.Register"}]}
                await charger.call(event("Updated", "MeterValuePeriodic", 1, evse={"id": 1}, meter_value=[value]))
                await charger.call(event("Ended", "StopAuthorized", 2, evse={"id": 1}))
                assert lab.controller.peers["s"].evses[1].session is None  # type: ignore[union-attr]
            finally:
                listening.cancel()

    try:
        lab.run(drive())
    finally:
        lab.close()
