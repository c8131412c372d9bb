"""Security profiles over real TLS on loopback, both roles in one lab: who connects to whom, and how refusals are told."""

import asyncio
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.lab.pki import CA, Pair, expired, rsa_key, self_signed
from tests.lab.secure import NEW, OLD, OTHER, WORD, Place, booted, kinds, logged, play, told, until

from chargekit.lab.assemble import Lab
from chargekit.lab.tls import server_context


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


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
