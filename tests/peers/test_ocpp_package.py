"""The `ocpp` package's own ChargePoint as an independent peer over a real socket, against both of our sides."""

import asyncio
import socket
from datetime import UTC, datetime

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import AuthorizationStatus, ChargingProfileStatus, RegistrationStatus
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.sitefile import load_site

RATE = 30.0


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def stamp():
    return datetime.now(UTC).isoformat()


class CentralSystem(ChargePoint):
    """The package's ChargePoint in the role of a central system."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = []
        self.stopped = None

    @on("BootNotification")
    def boot(self, charge_point_vendor, charge_point_model, **more):
        self.heard.append("BootNotification")
        return call_result.BootNotification(stamp(), 300, RegistrationStatus.accepted)

    @on("StatusNotification")
    def status(self, **more):
        self.heard.append("StatusNotification")
        return call_result.StatusNotification()

    @on("Heartbeat")
    def heartbeat(self):
        return call_result.Heartbeat(stamp())

    @on("Authorize")
    def authorize(self, id_tag):
        return call_result.Authorize({"status": AuthorizationStatus.accepted})

    @on("StartTransaction")
    def transaction_started(self, **more):
        self.heard.append("StartTransaction")
        return call_result.StartTransaction(77, {"status": AuthorizationStatus.accepted})

    @on("MeterValues")
    def meter(self, **more):
        self.heard.append("MeterValues")
        return call_result.MeterValues()

    @on("StopTransaction")
    def transaction_stopped(self, transaction_id, **more):
        self.stopped = transaction_id
        return call_result.StopTransaction()


async def until(holds, seconds=20.0 * RATE):
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(seconds / 400)
    raise AssertionError("it did not come")


def test_a_foreign_central_system_boots_starts_limits_and_stops_our_station():
    port = free_port()
    plan = Plan(rate=RATE, transport="sockets", csms_url=f"ws://127.0.0.1:{port}", stations=("ac-01",))
    lab = build(load_site("mixed-use"), plan)
    peers = []

    async def arrived(ws):
        peers.append(CentralSystem("ac-01", ws, 30))
        await peers[-1].start()

    async def drive():
        async with serve(arrived, "127.0.0.1", port, subprotocols=["ocpp1.6"]):
            await until(lambda: peers and "StatusNotification" in peers[0].heard)
            peer = peers[0]
            assert peer.heard[0] == "BootNotification"
            lab.rig.act(PLANT, "plug", {"station": "ac-01", "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20})
            await asyncio.sleep(2)
            started = await peer.call(call.RemoteStartTransaction("TAG", 1))
            assert started.status == "Accepted"
            await until(lambda: lab.plant.read_evse("ac-01", 1, lab.world.now).current_a[0] > 15)
            profile = {
                "charging_profile_id": 1, "transaction_id": 77, "stack_level": 0, "charging_profile_purpose": "TxProfile",
                "charging_profile_kind": "Absolute",
                "charging_schedule": {
                    "charging_rate_unit": "A", "start_schedule": "2020-01-01T00:00:00Z",
                    "charging_schedule_period": [{"start_period": 0, "limit": 8.0}],
                },
            }  # fmt: skip
            limited = await peer.call(call.SetChargingProfile(1, profile))
            assert limited.status == ChargingProfileStatus.accepted
            await until(lambda: lab.plant.read_evse("ac-01", 1, lab.world.now).current_a[0] == pytest.approx(8.0))
            await until(lambda: "MeterValues" in peer.heard)
            stopped = await peer.call(call.RemoteStopTransaction(77))
            assert stopped.status == "Accepted"
            await until(lambda: peer.stopped == 77)
            assert lab.plant.read_evse("ac-01", 1, lab.world.now).current_a[0] == 0.0

    try:
        lab.run(drive())
    finally:
        lab.close()


class Charger(ChargePoint):
    """The package's ChargePoint as a charge point."""

    def __init__(self, *args):
        super().__init__(*args)
        self.profiles = []

    @on("SetChargingProfile")
    def set_profile(self, connector_id, cs_charging_profiles, **more):
        self.profiles.append(cs_charging_profiles)
        return call_result.SetChargingProfile(ChargingProfileStatus.accepted)

    @on("ChangeConfiguration")
    def change(self, **more):
        return call_result.ChangeConfiguration("Accepted")


def test_a_foreign_charge_point_runs_a_session_under_our_controller():
    lab = build(load_site("mixed-use"), Plan(rate=RATE, transport="sockets", listen=("127.0.0.1", 0), operate=True))

    async def drive():
        host, port = lab.address("csms")
        async with connect(f"ws://{host}:{port}/ac-01", subprotocols=["ocpp1.6"], proxy=None) as ws:
            charger = Charger("ac-01", ws, 30)
            listening = asyncio.ensure_future(charger.start())
            try:
                booted = await charger.call(call.BootNotification("Model", "Vendor"))
                assert booted.status == RegistrationStatus.accepted
                status = {"connector_id": 1, "error_code": "NoError"}
                await charger.call(call.StatusNotification(status="Preparing", **status))
                await until(lambda: charger.profiles)
                assert charger.profiles[0]["charging_profile_purpose"] == "TxDefaultProfile"
                asked = await charger.call(call.Authorize("RES-1"))
                assert asked.id_tag_info["status"] == "Accepted"
                stranger = await charger.call(call.Authorize("NOBODY"))
                assert stranger.id_tag_info["status"] == "Invalid"
                started = await charger.call(call.StartTransaction(1, "RES-1", 1000, stamp()))
                assert started.id_tag_info["status"] == "Accepted"
                await until(lambda: charger.profiles[-1]["charging_profile_purpose"] == "TxProfile")
                lease = charger.profiles[-1]
                assert lease["transaction_id"] == started.transaction_id
                assert [p["limit"] for p in lease["charging_schedule"]["charging_schedule_period"]] == [32.0, 6.0]
                value = {"timestamp": stamp(), "sampled_value": [{"value": "1200", "measurand": "Energy.Active.Import.Register"}]}
                await charger.call(call.MeterValues(1, [value], started.transaction_id))
                await charger.call(call.StopTransaction(1500, stamp(), started.transaction_id))
                assert lab.controller.peers["ac-01"].evses[1].session is None
            finally:
                listening.cancel()

    try:
        lab.run(drive())
    finally:
        lab.close()
