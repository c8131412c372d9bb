"""Security profiles over real TLS on loopback, both roles in one lab: the emulated stations against the reference controller."""

import asyncio
import ssl
import warnings
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.lab.pki import CA, Pair, expired, rsa_key, self_signed
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chargekit.lab.assemble import CSMS, Lab, Plan, build
from chargekit.lab.site_security import Given, Settings
from chargekit.lab.sitefile import load_site
from chargekit.lab.sockets import patience
from chargekit.lab.tls import server_context

RATE = 300.0
WORD, OTHER = "a-good-long-password", "another-long-password"
OLD, NEW = "ac-01", "ac-11"
"""A 1.6 and a 2.0.1 station."""


class Place:
    """A folder of certificates, and labs made with them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ca = folder, CA()
        (folder / "ca.pem").write_text(self.ca.pem)
        self.ca.server().write(folder, "csms")
        self.ca.pair.write(folder, "authority")

    def given(self, text: str) -> Given:
        return Given(text, None, self.folder)

    def settings(self, profile: int, **more: Any) -> Settings:
        base: dict[str, Any] = {
            "profile": profile, "password": Given(WORD), "ca": self.given("ca.pem"),
            "certificate": (self.given("csms.pem"),), "key": (self.given("csms.key"),), "organisation": Given("Oak"),
        }  # fmt: skip
        if profile == 3:
            for name in (OLD, NEW):
                if not (self.folder / f"{name}.pem").exists():
                    self.ca.issue(name).write(self.folder, name)
            base |= {"station_certificate": self.given("{id}.pem"), "station_key": self.given("{id}.key")}
        return Settings(**(base | more))

    def lab(self, profile: int, *stations: str, settings: dict[str, Any] | None = None, **more: Any) -> Lab:
        plan: dict[str, Any] = {"security": self.settings(profile, **(settings or {})), "rate": RATE, "transport": "sockets"}
        return build(load_site("mixed-use"), Plan(stations=stations or (OLD, NEW), **(plan | more)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def until(condition: Callable[[], object], what: str = "", limit_s: float = 1500.0) -> None:
    """Wait in site seconds; fail when it never comes."""
    for _ in range(int(limit_s)):
        if condition():
            return
        await asyncio.sleep(1.0)
    raise AssertionError(f"never came: {what}")


def play(lab: Lab, work: Any) -> None:
    try:
        lab.run(work)
    finally:
        lab.close()


def kinds(lab: Lab, station: str) -> list[str]:
    return [r.kind for r in lab.history.records if r.subject == station and r.witness == "wire"]


def booted(lab: Lab, *stations: str) -> bool:
    return all("BootNotification.conf" in kinds(lab, name) for name in stations or lab.stations)


def told(lab: Lab, station: str) -> list[str]:
    """The security events a station told, in order."""
    rows = [r for r in lab.history.records if r.subject == station and r.kind == "SecurityEventNotification.req"]
    return [str(r.body["payload"]["type"]) for r in rows]


def logged(lab: Lab, station: str) -> list[dict[str, str]]:
    return list(lab.world.saved[station].get("m/security/log", []))


def profile(lab: Lab, station: str) -> int:
    return int(lab.world.machines[station].security()["profile"])  # type: ignore[attr-defined]


async def command(lab: Lab, station: str, kind: str, **fields: Any) -> dict[str, Any]:
    """Let the CSMS send a command; its reply."""
    ask = f"{kind}-{len(lab.history.records)}"
    await lab.rig.do(CSMS, "command", {"station": station, "ask": ask, "command": {"kind": kind, **fields}})

    def reply() -> list[Any]:
        return [r.body for r in lab.history.records if r.kind == "reply" and r.body.get("ask") == ask]

    await until(reply, f"reply to {kind}")
    return dict(reply()[0])


async def again(lab: Lab, station: str, count: int) -> None:
    await until(lambda: kinds(lab, station).count("opened") >= count, f"connection {count} of {station}")
    await until(lambda: lab.world.machines[station].online, "its own end")  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_each_profile_connects_and_boots(place: Place, number: int):
    lab = place.lab(number)
    server = lab.listening["csms"]
    used: list[str] = []
    context = server.tls

    async def work() -> None:
        await until(lambda: all(told(lab, name) for name in lab.stations), "boot and its event")
        for name in lab.stations:
            ws = lab.links[name].wire.ws
            shaken = ws.transport.get_extra_info("ssl_object")
            used.append(shaken.version() if shaken else "")

    play(lab, work())
    assert used == ["TLSv1.3" if number >= 2 else ""] * 2
    assert (context is not None) and (server.listen is None) == (number >= 2)
    assert all(told(lab, name) == ["StartupOfTheDevice"] for name in lab.stations)
    assert not [r for r in lab.history.records if r.kind == "refused"]


@pytest.mark.parametrize(
    "suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES256-GCM-SHA384"]
)
def test_the_cipher_suites_of_the_specification(place: Place, suite: str):
    """A00.FR.318: a server with an RSA and an ECDSA certificate speaks all four with TLS 1.2."""
    place.ca.server(key=rsa_key(1)).write(place.folder, "rsa")
    both = {"certificate": (place.given("csms.pem"), place.given("rsa.pem")), "key": (place.given("csms.key"), place.given("rsa.key"))}
    lab = place.lab(2, OLD, settings=both)

    async def work() -> tuple[str, str]:
        client = ssl.create_default_context(cadata=place.ca.pem)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers(suite)
        host, port = lab.address("csms")
        _, writer = await asyncio.open_connection(host, port, ssl=client)
        found = writer.get_extra_info("cipher")
        writer.close()
        return found[0], found[1]

    try:
        assert lab.run(work()) == (suite, "TLSv1.2")
    finally:
        lab.close()


@pytest.mark.parametrize("which", ["rsa", "ecdsa"])
def test_client_certificates_of_both_kinds(place: Place, which: str):
    for number, name in enumerate((OLD, NEW)):
        place.ca.issue(name, key=rsa_key(number) if which == "rsa" else None).write(place.folder, name)
    lab = place.lab(3)
    play(lab, until(lambda: booted(lab), "boot"))


def swapped(lab: Lab, pair: Pair) -> None:
    """The server gets another certificate; what was listening goes on with it."""
    server = lab.listening["csms"]
    fresh = server_context([(pair.pem, pair.key_pem)], lab.security.ca if lab.security else "")
    server.tls = fresh


def mended(lab: Lab, place: Place) -> None:
    lab.listening["csms"].tls.load_cert_chain(place.folder / "csms.pem", place.folder / "csms.key")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("expired", "certificate has expired"), ("host", "IP address mismatch"), ("self-signed", "self-signed certificate"),
        ("unknown", "unable to get local issuer certificate"),
    ],
)  # fmt: skip
def test_a_server_certificate_that_is_wrong_is_refused_and_told_later(place: Place, bad: str, words: str):
    pairs = {
        "expired": lambda: expired(place.ca), "host": lambda: place.ca.server(san="127.0.0.2"), "self-signed": self_signed,
        "unknown": lambda: CA("Elm Root").server(),
    }  # fmt: skip
    lab = place.lab(2)
    swapped(lab, pairs[bad]())

    async def work() -> None:
        await until(lambda: all(len(logged(lab, name)) >= 2 for name in lab.stations), "a refusal")
        await asyncio.sleep(60.0)
        assert all(kinds(lab, name) == [] for name in lab.stations)
        mended(lab, place)
        await until(lambda: all(len(told(lab, name)) >= 2 for name in lab.stations), "the events")

    play(lab, work())
    assert words in logged(lab, OLD)[1]["techInfo"]
    # Once, however often it failed (A00.FR.316, note).
    assert told(lab, OLD) == ["StartupOfTheDevice", "InvalidCentralSystemCertificate"]
    assert told(lab, NEW) == ["StartupOfTheDevice", "InvalidCsmsCertificate"]


def test_a_server_that_speaks_only_an_old_tls_is_refused(place: Place):
    lab = place.lab(2, NEW)
    context = lab.listening["csms"].tls
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def work() -> None:
        await until(lambda: len(logged(lab, NEW)) >= 2, "a refusal")
        assert kinds(lab, NEW) == []
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        await until(lambda: len(told(lab, NEW)) >= 2, "the event")

    play(lab, work())
    assert told(lab, NEW)[1] == "InvalidTLSVersion"
    assert "no TLS version from 1.2 on" in logged(lab, NEW)[1]["techInfo"]


def test_a_server_with_nothing_but_weak_cipher_suites_is_refused(place: Place):
    lab = place.lab(2, NEW)
    context = lab.listening["csms"].tls
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")

    async def work() -> None:
        await until(lambda: len(logged(lab, NEW)) >= 2, "a refusal")
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        await until(lambda: len(told(lab, NEW)) >= 2, "the event")

    play(lab, work())
    assert told(lab, NEW)[1] == "InvalidTLSCipherSuite"


@pytest.mark.parametrize("bad", ["missing", "of another", "unknown CA", "of another operator", "expired"])
def test_a_client_certificate_that_is_wrong_is_refused(place: Place, bad: str):
    """One station is refused; the other one's session goes on undisturbed."""
    pairs = {
        "of another": lambda: place.ca.issue("ac-07"), "unknown CA": lambda: CA("Elm").issue(NEW), "missing": lambda: None,
        "of another operator": lambda: place.ca.issue(NEW, o="Elm"),
        "expired": lambda: place.ca.issue(NEW, end=datetime.now(UTC) - timedelta(days=1)),
    }  # fmt: skip
    pair = pairs[bad]()
    lab = place.lab(3)
    own = {"certificate": pair.pem, "key": pair.key_pem} if pair else {}
    station: Any = lab.world.machines[NEW]
    good = station.memory["security/identity"]
    if pair is None:
        station.memory["security"] = {**station.memory["security"], "profile": 2}
    else:
        station.memory["security/identity"] = own

    async def work() -> None:
        await until(lambda: booted(lab, OLD), "the good one")
        await until(lambda: len(logged(lab, NEW)) >= 2, "a refusal")
        await asyncio.sleep(100.0)
        assert kinds(lab, NEW) == [] and kinds(lab, OLD).count("opened") == 1 and "closed" not in kinds(lab, OLD)
        station.memory["security"] = {**station.memory["security"], "profile": 3}
        station.memory["security/identity"] = good
        await until(lambda: "FailedToAuthenticateAtCsms" in told(lab, NEW), "the event")

    play(lab, work())
    assert kinds(lab, OLD).count("opened") == 1


def test_a_wrong_password_is_401_and_told_later(place: Place):
    lab = place.lab(1)
    station: Any = lab.world.machines[NEW]
    good = station.memory["security"]
    station.memory["security"] = {**good, "password": OTHER}

    async def work() -> None:
        await until(lambda: booted(lab, OLD), "the good one")
        await until(lambda: len(logged(lab, NEW)) >= 2, "a refusal")
        await asyncio.sleep(100.0)
        assert kinds(lab, NEW) == []
        station.memory["security"] = good
        await until(lambda: len(told(lab, NEW)) >= 2, "the event")

    play(lab, work())
    assert told(lab, NEW)[1] == "FailedToAuthenticateAtCsms" and "HTTP 401" in logged(lab, NEW)[1]["techInfo"]
    refused = [r.body for r in lab.history.records if r.kind == "refused"]
    assert refused == [{"event": "FailedToAuthenticateAtCsms", "reason": "wrong password", "status": 401}]
    assert kinds(lab, OLD).count("opened") == 1
    text = repr([r.body for r in lab.history.records])
    assert WORD not in text and OTHER not in text


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
