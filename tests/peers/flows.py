"""The two sessions every peer runs: as a CSMS with our station, as a station under our controller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

import pytest
from tests.peers.words import Payload, words

from chargekit.lab.assemble import PLANT, Lab, Plan, build
from chargekit.lab.sitefile import SiteBundle, load_site

RATE = 30.0
STATION = "ac-01"


class Peer(Protocol):
    """`heard`: the calls that came, (action, payload)."""

    heard: list[tuple[str, Payload]]

    async def call(self, action: str, payload: Payload) -> Payload: ...


async def until(holds: Callable[[], Any], seconds: float = 20.0 * RATE) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(seconds / 400)
    raise AssertionError("it did not come")


def speaking(version: str) -> SiteBundle:
    """The default site, with its first station on this version."""
    bundle = load_site("mixed-use")
    stations = tuple(replace(s, ocpp=version) if s.id == STATION else s for s in bundle.site.stations)
    return replace(bundle, site=replace(bundle.site, stations=stations))


def our_station(version: str, url: str) -> Lab:
    return build(speaking(version), Plan(rate=RATE, transport="sockets", csms_url=url, stations=(STATION,)))


def our_controller(version: str) -> Lab:
    return build(speaking(version), Plan(rate=RATE, transport="sockets", listen=("127.0.0.1", 0), operate=True))


async def lead_a_session(lab: Lab, peer: Peer, version: str) -> None:
    """The peer is the CSMS: our station boots, starts by remote, obeys a limit, tells its meter, stops by remote."""
    say = words(version)

    def current_a() -> float:
        return lab.plant.read_evse(STATION, 1, lab.world.now).current_a[0]

    def found(what: Callable[[str, Payload], Any]) -> Any:
        return next((hit for hit in (what(a, p) for a, p in peer.heard) if hit), None)

    await until(lambda: any(a == "StatusNotification" for a, _ in peer.heard))
    assert peer.heard[0][0] == "BootNotification"
    lab.rig.act(PLANT, "plug", {"station": STATION, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20})
    await asyncio.sleep(2)
    assert (await peer.call(*say.remote_start()))["status"] == "Accepted"
    await until(lambda: current_a() > 15)
    tx = found(say.began)
    assert tx
    assert (await peer.call(*say.limit(tx, 8.0)))["status"] == "Accepted"
    await until(lambda: current_a() == pytest.approx(8.0))
    await until(lambda: found(say.went_on))
    assert (await peer.call(*say.limit("999" if version != "1.6" else 999, 6.0)))["status"] == "Rejected"
    assert (await peer.call(*say.remote_stop(tx)))["status"] == "Accepted"
    await until(lambda: found(say.ended) == tx)
    assert current_a() == 0.0


async def be_led_through_a_session(lab: Lab, peer: Peer, version: str) -> None:
    """The peer is a station: our controller takes its boot, knows its tokens, sends it a default and a lease, lets it go."""
    say = words(version)

    def profiles() -> list[Payload]:
        return [say.profile(p) for a, p in peer.heard if a == "SetChargingProfile"]

    assert (await peer.call(*say.boot()))["status"] == "Accepted"
    await peer.call(*say.occupied())
    await until(profiles)
    assert profiles()[0]["chargingProfilePurpose"] == "TxDefaultProfile"
    assert say.token_status(await peer.call(*say.authorize("RES-1"))) == "Accepted"
    assert say.token_status(await peer.call(*say.authorize("NOBODY"))) == "Invalid"
    answer = await peer.call(*say.start("RES-1"))
    assert say.token_status(answer) == "Accepted"
    await until(lambda: profiles()[-1]["chargingProfilePurpose"] == "TxProfile")
    lease = profiles()[-1]
    assert lease["transactionId"] == say.id_of(answer)
    assert lease["limits"] == [32.0, 6.0]
    await peer.call(*say.metered(say.id_of(answer)))
    await peer.call(*say.stop(say.id_of(answer)))
    assert lab.controller is not None
    assert lab.controller.peers[STATION].evses[1].session is None


def run(lab: Lab, drive: Callable[[], Awaitable[None]]) -> None:
    try:
        lab.run(drive())
    finally:
        lab.close()
