"""The `ocpp` package's own ChargePoint as an independent peer over a real socket, against both of our sides, in every version."""

import asyncio
import socket
from dataclasses import is_dataclass
from importlib import import_module

import pytest
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.routing import on
from tests.peers.flows import STATION, be_led_through_a_session, lead_a_session, our_controller, our_station, run, until
from tests.peers.words import stamp, words
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from chargekit.wire import SUBPROTOCOLS, VERSIONS

PACKAGES = {"1.6": "ocpp.v16", "2.0.1": "ocpp.v201", "2.1": "ocpp.v21"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def plain(data):
    return remove_nones(snake_to_camel_case(serialize_as_dict(data) if is_dataclass(data) else data))


def peer_of(version, answers, ws):
    """The package's ChargePoint of a version, that answers calls as it is told and remembers them."""
    package = import_module(PACKAGES[version])

    class Foreign(package.ChargePoint):
        def __init__(self):
            self.heard = []
            super().__init__(STATION, ws, 30)

        async def call(self, action, payload):
            return plain(await super().call(getattr(package.call, action)(**camel_to_snake_case(payload))))

    def handler(action, answer):
        def answered(self, **payload):
            self.heard.append((action, plain(payload)))
            filled = {k: stamp() if v == "$now" else v for k, v in answer.items()}
            return getattr(package.call_result, action)(**camel_to_snake_case(filled))

        answered.__name__ = f"on_{action}"  # by which the package finds it
        return on(action)(answered)

    for action, answer in answers.items():
        setattr(Foreign, f"on_{action}", handler(action, answer))
    return Foreign()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_central_system_boots_starts_limits_and_stops_our_station(version):
    port = free_port()
    lab = our_station(version, f"ws://127.0.0.1:{port}")
    peers = []

    async def arrived(ws):
        peers.append(peer_of(version, words(version).csms_answers(), ws))
        await peers[-1].start()

    async def drive():
        async with serve(arrived, "127.0.0.1", port, subprotocols=[SUBPROTOCOLS[version]]):
            await until(lambda: peers)
            await lead_a_session(lab, peers[0], version)

    run(lab, drive)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_charge_point_runs_a_session_under_our_controller(version):
    lab = our_controller(version)

    async def drive():
        host, port = lab.address("csms")
        async with connect(f"ws://{host}:{port}/{STATION}", subprotocols=[SUBPROTOCOLS[version]], proxy=None) as ws:
            peer = peer_of(version, words(version).station_answers(), ws)
            listening = asyncio.ensure_future(peer.start())
            try:
                await be_led_through_a_session(lab, peer, version)
            finally:
                listening.cancel()

    run(lab, drive)
