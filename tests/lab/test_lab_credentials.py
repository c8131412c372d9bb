"""Credentials and security profiles that change while stations run, over real TLS: passwords, certificates, upgrades, networks."""

import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from tests.lab.pki import CA
from tests.lab.secure import NEW, OLD, OTHER, RATE, WORD, Place, again, booted, command, kinds, play, profile, told, until
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chargekit.lab.sockets import patience


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_password_changes_while_running(place: Place):
    """A01, both versions: reconnect with the new one, the old one is no longer taken, and neither is recorded."""
    lab = place.lab(2)
    keys = {OLD: "AuthorizationKey", NEW: "SecurityCtrlr.BasicAuthPassword"}

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        for name, key in keys.items():
            assert (await command(lab, name, "SetKey", key=key, value="short"))["status"] == "Rejected"
            assert (await command(lab, name, "SetKey", key=key, value=OTHER))["status"] == "Accepted"
            await again(lab, name, 2)
            seen = (await command(lab, name, "GetKeys", keys=[key]))["values"]
            assert OTHER not in repr(seen)
        host, port = lab.address("csms")
        trust = ssl.create_default_context(cadata=place.ca.pem)
        for name in keys:
            header = {"Authorization": "Basic " + b64encode(f"{name}:{WORD}".encode()).decode()}
            with pytest.raises(InvalidStatus, match="401"):
                await connect(
                    f"wss://{host}:{port}/{name}", ssl=trust, additional_headers=header, proxy=None, subprotocols=None, **patience(RATE)
                )
        lab.world.cut(NEW)
        lab.world.restore(NEW)
        await again(lab, NEW, 3)
        await until(lambda: all("ReconfigurationOfSecurityParameters" in told(lab, name) for name in keys), "the events")

    play(lab, work())
    assert OTHER not in repr([r.body for r in lab.history.records])


def test_a_hexadecimal_authorization_key(place: Place):
    lab = place.lab(1, OLD)

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        value = "00ff" * 10
        assert (await command(lab, OLD, "SetKey", key="AuthorizationKey", value=value))["status"] == "Accepted"
        await again(lab, OLD, 2)
        station: Any = lab.world.machines[OLD]
        assert station.access().password == bytes.fromhex(value)

    play(lab, work())


def authority(place: Place) -> dict[str, Any]:
    return {"authority_certificate": place.given("authority.pem"), "authority_key": place.given("authority.key")}


def trigger(name: str) -> tuple[str, dict[str, Any]]:
    if name == OLD:
        return "OtherCommand", {"action": "ExtendedTriggerMessage", "payload": {"requestedMessage": "SignChargePointCertificate"}}
    return "Trigger", {"message": "SignChargingStationCertificate"}


@pytest.mark.parametrize("name", [OLD, NEW])
def test_the_certificate_changes_while_running(place: Place, name: str):
    """A02: triggered, a new key, signed by the CSMS's authority, and reconnected with it. The key is never on the wire."""
    lab = place.lab(3, name, settings=authority(place))

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        before = dict(lab.world.saved[name]["m/security/identity"])
        kind, fields = trigger(name)
        assert (await command(lab, name, kind, **fields))["status"] == "Accepted"
        await again(lab, name, 2)
        after = lab.world.saved[name]["m/security/identity"]
        assert after["key"] != before["key"] and after["certificate"] != before["certificate"]
        assert "m/security/trial" not in lab.world.saved[name]
        peer = next(c for c in lab.listening["csms"].lines.values()).wire.ws.transport.get_extra_info("ssl_object").getpeercert(True)
        assert ssl.DER_cert_to_PEM_cert(peer).strip() in after["certificate"]

    play(lab, work())
    assert "PRIVATE KEY" not in repr([r.body for r in lab.history.records])


def test_a_certificate_that_does_not_work_is_given_up(place: Place):
    """The station goes back to its old certificate when the CSMS refuses the new one."""
    lab = place.lab(3, NEW, settings=authority(place))

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        before = dict(lab.world.saved[NEW]["m/security/identity"])
        station: Any = lab.world.machines[NEW]
        other = CA("Elm").issue(NEW)
        station.keep("security/next", {"certificate": other.pem, "key": other.key_pem}, out := [])
        for effect in out:
            lab.world._do(NEW, effect)
        station.timers["job/switch"] = lab.world.now
        lab.world._arm(NEW, station.due)
        await until(lambda: "security/trial" in station.memory, "the trial")
        await until(lambda: "security/trial" not in station.memory, "its end")
        await again(lab, NEW, 2)
        assert lab.world.saved[NEW]["m/security/identity"] == before
        await until(lambda: "FailedToAuthenticateAtCsms" in told(lab, NEW), "the event")

    play(lab, work())


def test_upgrades_of_1_6_by_the_key(place: Place):
    """WP A05: 1 to 2 to 3 over OCPP alone, from a station that knows no certificate; never down again."""
    bare = {"ca": place.given("ca.pem"), **authority(place)}
    lab = place.lab(1, OLD, settings=bare)
    station: Any = lab.world.machines[OLD]
    station.memory.pop("security/roots")

    async def key(value: str) -> str:
        return str((await command(lab, OLD, "SetKey", key="SecurityProfile", value=value))["status"])

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        for value in ("2", "1", "0", "-1", "9", "two", ""):
            assert await key(value) == "Rejected"
        root = {"certificateType": "CentralSystemRootCertificate", "certificate": place.ca.pem}
        assert (await command(lab, OLD, "OtherCommand", action="InstallCertificate", payload=root))["status"] == "Accepted"
        assert await key("3") == "Rejected"
        assert await key("2") == "Accepted"
        await again(lab, OLD, 2)
        assert profile(lab, OLD) == 2
        assert await key("1") == "Rejected" and await key("2") == "Rejected"
        kind, fields = trigger(OLD)
        await command(lab, OLD, kind, **fields)
        await until(lambda: "m/security/identity" in lab.world.saved[OLD], "its certificate")
        assert await key("3") == "Accepted"
        await again(lab, OLD, 3)
        assert profile(lab, OLD) == 3 and await key("2") == "Rejected"
        host, port = lab.address("csms")
        header = {"Authorization": "Basic " + b64encode(f"{OLD}:{WORD}".encode()).decode()}
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"ws://{host}:{port}/{OLD}", additional_headers=header, proxy=None, **patience(RATE))

    play(lab, work())


def network(level: int, url: str) -> dict[str, Any]:
    data = {
        "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": url, "messageTimeout": 30, "securityProfile": level,
        "ocppInterface": "Wired0",
    }  # fmt: skip
    return {"configurationSlot": 2 if level != 3 else 3, "connectionData": data}


def test_upgrades_of_2_0_1_by_network_profiles(place: Place):
    """B09, A05: kept, chosen, used after a reboot; a lower profile is refused, and the old slots go."""
    lab = place.lab(1, NEW, settings=authority(place))

    async def set_network(level: int, url: str) -> str:
        reply = await command(lab, NEW, "OtherCommand", action="SetNetworkProfile", payload=network(level, url))
        return str(reply["status"])

    async def priority(value: str) -> str:
        return str((await command(lab, NEW, "SetKey", key="OCPPCommCtrlr.NetworkConfigurationPriority", value=value))["status"])

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        host, port = lab.listening["csms"].secure_address
        secure = f"wss://{host}:{port}"
        assert await priority("2,1") == "Rejected"
        for url in ("ws://127.0.0.1:1", "wss://", "wss://[", "http://x", "wss://a b", "wss://x:99999"):
            assert await set_network(2, url) == "Rejected"
        assert await set_network(0, "ws://127.0.0.1:1") == "Rejected"
        assert await set_network(2, secure) == "Accepted"
        assert profile(lab, NEW) == 1
        assert await priority("2,1") == "Accepted"
        assert (await command(lab, NEW, "Reset", hard=True))["status"] == "Accepted"
        await again(lab, NEW, 2)
        assert profile(lab, NEW) == 2 and await priority("1,2") == "Rejected"
        kind, fields = trigger(NEW)
        assert await set_network(3, secure) == "Accepted"
        assert await priority("3,2") == "Rejected"
        await command(lab, NEW, kind, **fields)
        await until(lambda: "m/security/identity" in lab.world.saved[NEW], "its certificate")
        assert await priority("3,2") == "Accepted"
        await command(lab, NEW, "Reset", hard=True)
        await again(lab, NEW, 3)
        assert profile(lab, NEW) == 3
        assert await set_network(2, secure) == "Rejected"
        held = (await command(lab, NEW, "GetKeys", keys=["OCPPCommCtrlr.NetworkConfigurationPriority"]))["values"]
        assert list(held.values()) == ["3"]
        await until(lambda: "ResetOrReboot" in told(lab, NEW), "the event")

    play(lab, work())


def test_a_network_that_does_not_answer_is_left_again(place: Place):
    """B10.FR.07: after its attempts the station goes back to the network that worked."""
    lab = place.lab(1, NEW)

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        await command(lab, NEW, "OtherCommand", action="SetNetworkProfile", payload=network(2, "wss://127.0.0.1:1"))
        value = "2,1"
        assert (await command(lab, NEW, "SetKey", key="OCPPCommCtrlr.NetworkConfigurationPriority", value=value))["status"] == "Accepted"
        await command(lab, NEW, "Reset", hard=True)
        await again(lab, NEW, 2)
        assert profile(lab, NEW) == 1

    play(lab, work())


def test_a_vehicles_request_is_passed_on(place: Place):
    lab = place.lab(0, NEW)

    async def work() -> None:
        await until(lambda: booted(lab), "boot")
        await lab.rig.do(NEW, "ev_certificate", {"evse": 1, "action": "Install", "exi": "gJgC", "schema": "urn:iso:15118:2:2013:MsgDef"})
        await until(lambda: "Get15118EVCertificate.conf" in kinds(lab, NEW), "the answer")

    play(lab, work())
    assert lab.world.saved[NEW]["m/ev_certificate"] == {"status": "Failed", "exiResponse": ""}
