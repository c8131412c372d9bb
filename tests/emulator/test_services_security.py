"""The station's security services on the machine alone: what it accepts, refuses, keeps and asks, whatever the CSMS sends."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.lab.pki import CA, rsa_key

from chargekit.emulator import certificates
from chargekit.emulator.certificates import belongs, chain_fault, hash_data, new_key, read, signing_request, time_fault
from chargekit.emulator.services_security import KINDS
from chargekit.emulator.station import Station
from chargekit.lab.sitefile import load_site
from chargekit.model.calendar import Calendar
from chargekit.world.events import Closed, Dial, Frame, Hangup, Opened, Save, Send, Wake

AT = datetime(2026, 3, 2, tzinfo=UTC)
ROOT = CA()
SITE = load_site("mixed-use").site


class Rig:
    """A station machine on a desk: effects are carried out by hand, time moves by `wait`."""

    def __init__(self, version: str, saved: dict[str, Any] | None = None) -> None:
        self.spec = SITE.station("ac-01" if version == "1.6" else "ac-11")
        self.saved: dict[str, Any] = dict(saved or {})
        self.now = 0.0
        self.sent: list[list[Any]] = []
        self.dialled: list[Dial] = []
        self.hung: list[Hangup] = []
        self.power()

    def power(self) -> None:
        class Meter:
            def read(self, now: float) -> Any:
                raise AssertionError("nothing charges here")

        taps = {e.id: Meter() for e in self.spec.model.evses}
        self.station = Station(self.spec, taps, Calendar(AT), random.Random(7), self.saved, start_s=self.now)
        self.wait(20.0)

    def carry(self, effects: Any) -> None:
        for one in effects:
            match one:
                case Save():
                    if one.value is None:
                        self.saved.pop(one.key, None)
                    else:
                        self.saved[one.key] = orjson.loads(orjson.dumps(one.value))
                case Send():
                    self.sent.append(orjson.loads(one.text))
                case Dial():
                    self.dialled.append(one)
                case Hangup():
                    self.hung.append(one)
                case _:
                    pass

    def on(self, event: Any) -> None:
        self.carry(self.station.on(event, self.now))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.station.due) is not None and due <= end:
            self.now = max(self.now, due)
            self.on(Wake())
            assert self.station.due is None or self.station.due > self.now, "it does not let time pass"
            self.answer_all()
        self.now = end

    def answer_all(self) -> None:
        """The CSMS answers what it understands at once."""
        answers = {
            "BootNotification": {"status": "Accepted", "currentTime": Calendar(AT).iso(self.now), "interval": 3600},
            "SignCertificate": {"status": "Accepted"}, "StatusNotification": {}, "SecurityEventNotification": {},
            "Heartbeat": {"currentTime": Calendar(AT).iso(self.now)}, "GetCertificateStatus": {"status": "Accepted", "ocspResult": "MII="},
        }  # fmt: skip
        for frame in [f for f in self.sent if f[0] == 2 and f[1] not in self.done]:
            self.done.add(frame[1])
            if frame[2] in answers:
                self.on(Frame("csms", orjson.dumps([3, frame[1], answers[frame[2]]]).decode()))
                self.answer_all()

    done: set[str] = set()

    def up(self) -> "Rig":
        self.done = set()
        self.on(Opened("csms", self.spec.ocpp))
        self.answer_all()
        self.wait(5.0)
        return self

    def ask(self, action: str, payload: dict[str, Any]) -> Any:
        """The station's answer to a call; the error's code where it refuses."""
        ident = f"t{len(self.sent)}"
        self.on(Frame("csms", orjson.dumps([2, ident, action, payload]).decode()))
        self.answer_all()
        return next(f[2] for f in self.sent if f[1] == ident)

    def requests(self, action: str) -> list[Any]:
        return [f[3] for f in self.sent if f[0] == 2 and f[2] == action]


def rig(version: str, profile: int = 0, **more: Any) -> Rig:
    held = {"profile": profile, "password": "a-good-long-password", **more}
    return Rig(version, {"m/security": held}).up()


BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])


def root_kind(version: str) -> str:
    return "CentralSystemRootCertificate" if version == "1.6" else "CSMSRootCertificate"


def install(one: Rig, pem: str) -> Any:
    return one.ask("InstallCertificate", {"certificateType": root_kind(one.spec.ocpp), "certificate": pem})["status"]


def ids(one: Rig) -> list[dict[str, str]]:
    kind = root_kind(one.spec.ocpp)
    found = one.ask("GetInstalledCertificateIds", {"certificateType": kind if one.spec.ocpp == "1.6" else [kind]})
    if found["status"] == "NotFound":
        return []
    if one.spec.ocpp == "1.6":
        return list(found["certificateHashData"])
    return [row["certificateHashData"] for row in found["certificateHashDataChain"]]


@BOTH
def test_roots_are_installed_listed_and_deleted(version: str):
    """M03 to M05, for both versions."""
    one = rig(version)
    assert ids(one) == []
    other = CA("Elm", key=rsa_key(5))
    assert install(one, ROOT.pem) == install(one, ROOT.pem) == install(one, other.pem) == "Accepted"
    rows = ids(one)
    assert len(rows) == 2 and {row["hashAlgorithm"] for row in rows} == {"SHA256"}
    one.power()
    one.up()
    assert ids(one) == rows
    wrong = rows[0] | {"serialNumber": "abc"}
    assert one.ask("DeleteCertificate", {"certificateHashData": wrong}) == {"status": "NotFound"}
    longer = hash_data(read(other.pem)[0], [], "SHA512")
    assert one.ask("DeleteCertificate", {"certificateHashData": longer}) == {"status": "Accepted"}
    shouted = rows[0] | {k: rows[0][k].upper() for k in ("issuerNameHash", "issuerKeyHash")}
    assert one.ask("DeleteCertificate", {"certificateHashData": shouted}) == {"status": "Accepted"}
    assert ids(one) == []


def test_hashes_are_those_of_the_specification():
    """RFC 6960: of the issuer's name in DER, and of the bits of its key; checked against another reader of the same."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import ocsp

    for ca in (ROOT, CA("R", key=rsa_key(6))):
        leaf = ca.issue("x")
        asked = ocsp.OCSPRequestBuilder().add_certificate(leaf.certificate, ca.certificate, hashes.SHA256()).build()
        found = hash_data(read(leaf.pem)[0], list(read(ca.pem)))
        assert found["issuerNameHash"] == asked.issuer_name_hash.hex() and found["issuerKeyHash"] == asked.issuer_key_hash.hex()
        assert int(found["serialNumber"], 16) == asked.serial_number


HOSTILE = [
    "", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----", "\x00" * 50,
    "-----BEGIN CERTIFICATE-----\n" + "A" * 5000 + "\n-----END CERTIFICATE-----", ROOT.pem.replace("M", "N", 3), ROOT.pem * 11,
    ROOT.pem.replace("CERTIFICATE", "PRIVATE KEY"), "é" * 20,
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_certificate(version: str, text: str):
    one = rig(version, 2)
    assert read(text) == ()
    assert one.ask("InstallCertificate", {"certificateType": root_kind(version), "certificate": text[:5500]})["status"] == "Rejected"
    assert one.ask("CertificateSigned", {"certificateChain": text[:10_000]})["status"] == "Rejected"


@BOTH
def test_certificates_that_are_not_taken(version: str):
    one = rig(version)
    ended = datetime(2026, 3, 1, tzinfo=UTC)
    for pem in (
        ROOT.issue("leaf").pem, CA("R", key=rsa_key(7, 1024)).pem,
        ROOT.issue("old", end=ended).pem, ROOT.issue("new", begin=AT + timedelta(days=5)).pem,
    ):  # fmt: skip
        assert install(one, pem) == "Rejected"
    for number in range(10):
        assert install(one, CA(f"R{number}").pem) == "Accepted"
    assert install(one, CA("R11").pem) == "Rejected"


@BOTH
def test_the_root_in_use_and_the_own_certificate_stay(version: str):
    """WP M04.FR.05, 06; 2.0.1 M04.FR.03, 06."""
    own = ROOT.issue("ac-01" if version == "1.6" else "ac-11")
    one = rig(version, 2)
    install(one, ROOT.pem)
    assert one.ask("DeleteCertificate", {"certificateHashData": ids(one)[0]})["status"] == "Failed"
    one.station.memory["security/identity"] = {"certificate": own.pem, "key": own.key_pem}
    mine = hash_data(read(own.pem)[0], list(read(ROOT.pem)))
    assert one.ask("DeleteCertificate", {"certificateHashData": mine})["status"] == "Failed"


@BOTH
def test_the_additional_root_check(version: str):
    """M05.FR.09 to 14: only in line, the old one as a fallback until the new one worked, and the fallback when it does not."""
    one = rig(version, 2, root_check=True)
    assert install(one, ROOT.pem) == "Accepted"
    assert install(one, CA("Elm").pem) == "Rejected"
    new = CA("Oak Root 2", parent=ROOT)
    assert install(one, new.pem) == "Accepted" and len(ids(one)) == 2
    one.on(Closed("csms"))
    one.wait(30.0)
    access = one.dialled[-1].access
    assert access is not None and access.roots == (new.pem.strip(),)
    one.on(Closed("csms", 1006, "expired", "certificate"))
    one.wait(60.0)
    access = one.dialled[-1].access
    assert access is not None and access.roots == (ROOT.pem.strip(),)
    one.up()
    assert len(ids(one)) == 2
    one.on(Closed("csms"))
    one.wait(60.0)
    one.up()
    assert len(ids(one)) == 1


def signed(one: Rig, ca: CA, **more: Any) -> str:
    """A certificate for what the station asked to be signed."""
    from cryptography import x509

    csr = x509.load_pem_x509_csr(one.requests("SignCertificate")[-1]["csr"].encode())

    class Key:
        def public_key(self) -> Any:
            return csr.public_key()

    return ca.issue(more.pop("cn", one.spec.id), key=Key(), **more).certificate.public_bytes(certificates_pem()).decode()


def certificates_pem() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def triggered(one: Rig, word: str = "") -> Any:
    old = one.spec.ocpp == "1.6"
    word = word or ("SignChargePointCertificate" if old else "SignChargingStationCertificate")
    found = one.ask("ExtendedTriggerMessage" if old else "TriggerMessage", {"requestedMessage": word})["status"]
    one.wait(1.0)
    return found


@BOTH
def test_a_certificate_is_asked_for_and_taken(version: str):
    one = rig(version, 3)
    install(one, ROOT.pem)
    assert triggered(one) == "Accepted"
    asked = one.requests("SignCertificate")[-1]
    assert asked.get("certificateType", "-") == ("-" if version == "1.6" else "ChargingStationCertificate")
    for pem, why in (
        (ROOT.issue(one.spec.id).pem, "not for the key"), (signed(one, ROOT, cn="ac-99"), "CN is 'ac-99'"),
        (signed(one, CA("Elm")), "no installed root"), (signed(one, ROOT, end=AT - timedelta(days=1)), "expired"),
        (signed(one, ROOT) + signed(one, ROOT) * 12, "no certificates"),
    ):  # fmt: skip
        assert one.ask("CertificateSigned", {"certificateChain": pem})["status"] == "Rejected"
        told = one.requests("SecurityEventNotification")[-1]
        assert told["type"] == ("InvalidChargePointCertificate" if version == "1.6" else "InvalidChargingStationCertificate")
        assert why in told["techInfo"]
    middle = CA("Oak Sub", parent=ROOT)
    assert one.ask("CertificateSigned", {"certificateChain": signed(one, middle) + middle.pem})["status"] == "Accepted"
    one.wait(3.0)
    assert one.hung and "BEGIN" in one.saved["m/security/identity"]["certificate"] and "m/security/signing" not in one.saved
    assert one.ask("CertificateSigned", {"certificateChain": ROOT.pem})["status"] == "Rejected"


def test_a_leaf_can_not_sign_another():
    """A certificate of one station must not vouch for another's."""
    leaf, key = ROOT.issue("ac-01"), new_key(random.Random(1))
    fake = CA("x")
    fake.key, fake.name = leaf.key, leaf.certificate.subject
    forged = fake.issue("ac-02")
    chain = [*read(forged.pem), *read(leaf.pem)]
    assert "no CA" in chain_fault(chain, read(ROOT.pem), AT)
    assert not belongs(chain[0], key) and not belongs(chain[0], "nonsense")


def test_a_certificate_for_later_is_used_later():
    """A02.FR.08: from the moment it is valid, also when the power went in between."""
    one = rig("2.0.1", 3)
    install(one, ROOT.pem)
    triggered(one)
    assert one.ask("CertificateSigned", {"certificateChain": signed(one, ROOT, begin=AT + timedelta(hours=2))})["status"] == "Accepted"
    one.wait(600.0)
    assert "m/security/identity" not in one.saved and not one.hung
    one.power()
    one.up()
    one.wait(7200.0)
    assert "m/security/identity" in one.saved and one.hung


def test_it_asks_again_with_doubled_waits():
    """A02.FR.17 to 19."""
    one = rig("2.0.1", 3, sign_wait_s=60, sign_times=3)
    triggered(one)
    counts = []
    for seconds in (50.0, 20.0, 120.0, 240.0, 5000.0):
        one.wait(seconds)
        counts.append(len(one.requests("SignCertificate")))
    assert counts == [1, 2, 3, 4, 4]


def test_it_renews_before_its_certificate_expires():
    """A03.FR.02: a month before."""
    own = ROOT.issue("ac-11", end=AT + timedelta(days=31))
    one = Rig("2.0.1", {
        "m/security": {"profile": 3}, "m/security/roots": [{"type": "CSMSRootCertificate", "pem": ROOT.pem}],
        "m/security/identity": {"certificate": own.pem, "key": own.key_pem},
    }).up()  # fmt: skip
    one.wait(3600.0)
    assert one.requests("SignCertificate") == []
    one.wait(86_400.0)
    assert len(one.requests("SignCertificate")) >= 1


def test_a_v2g_certificate_and_its_status():
    """M03.FR.05, M06: the chain is listed, and its status asked for where it says who tells it."""
    one = rig("2.0.1", 1)
    one.ask("InstallCertificate", {"certificateType": "V2GRootCertificate", "certificate": ROOT.pem})
    assert triggered(one, "SignV2GCertificate") == "Accepted"
    assert one.requests("SignCertificate")[-1]["certificateType"] == "V2GCertificate"
    chain = signed(one, ROOT, ocsp="http://ocsp.lab/")
    wrong = {"certificateChain": chain, "certificateType": "ChargingStationCertificate"}
    assert one.ask("CertificateSigned", wrong)["status"] == "Rejected"
    assert one.ask("CertificateSigned", wrong | {"certificateType": "V2GCertificate"})["status"] == "Accepted"
    one.wait(2.0)
    assert one.requests("GetCertificateStatus")[0]["ocspRequestData"]["responderURL"] == "http://ocsp.lab/"
    assert one.saved["m/security/ocsp"] == "MII=" and not one.hung
    found = one.ask("GetInstalledCertificateIds", {})
    assert {row["certificateType"] for row in found["certificateHashDataChain"]} == {"V2GRootCertificate", "V2GCertificateChain"}
    one.wait(7 * 86_400.0 + 100.0)
    assert len(one.requests("GetCertificateStatus")) == 2


def test_events_wait_for_the_link_and_outlive_power():
    """A04.FR.02: queued, told in order, forgotten only when answered; the same one once."""
    one = Rig("2.0.1", {"m/security": {"profile": 2, "password": "a-good-long-password"}})
    for _ in range(4):
        one.on(Closed("csms", 1006, "self-signed certificate", "certificate"))
        one.wait(120.0)
    one.on(Closed("csms", 1006, "HTTP 401", "credentials"))
    one.on(Closed("csms", 1006, "connection refused"))
    one.power()
    one.up()
    kinds = [row["type"] for row in one.requests("SecurityEventNotification")]
    assert kinds == ["StartupOfTheDevice", "InvalidCsmsCertificate", "FailedToAuthenticateAtCsms"]
    assert "m/security/events" not in one.saved
    assert len([row for row in one.saved["m/security/log"] if row["type"] == "InvalidCsmsCertificate"]) == 4


def test_a_station_without_security_dials_and_tells_as_ever():
    one = Rig("1.6").up()
    assert one.dialled == [Dial("csms")] and one.requests("SecurityEventNotification") == []
    found = one.ask("GetConfiguration", {"key": ["SecurityProfile", "AuthorizationKey", "CpoName"]})
    assert [row["key"] for row in found["configurationKey"]] == ["SecurityProfile", "AuthorizationKey", "CpoName"]
    assert ["value" in row for row in found["configurationKey"]] == [True, False, True]


@pytest.mark.parametrize("word", ["BootNotification", "Heartbeat", "StatusNotification", "LogStatusNotification", "MeterValues"])
def test_the_extended_trigger_of_1_6(word: str):
    one = rig("1.6")
    before = len(one.requests(word))
    status = one.ask(
        "ExtendedTriggerMessage", {"requestedMessage": word, "connectorId": 7} if word == "MeterValues" else {"requestedMessage": word}
    )
    one.wait(1.0)
    if word == "LogStatusNotification":
        assert status == {"status": "NotImplemented"}
    elif word == "MeterValues":
        assert status == {"status": "Rejected"}  # there is no connector 7
    else:
        assert status == {"status": "Accepted"}
        assert len(one.requests(word)) > before
    assert "SignChargePointCertificate" in KINDS


@pytest.mark.parametrize(
    ("change", "slot"),
    [
        ({"securityProfile": -1}, 1), ({"securityProfile": 9}, 1), ({"ocppTransport": "SOAP"}, 1), ({"ocppVersion": "OCPP16"}, 1),
        ({"ocppCsmsUrl": "wss://x"}, 1), ({"ocppCsmsUrl": "ws://x:y"}, 1), ({"ocppCsmsUrl": "ws://\u00e9"}, 1), ({}, 0), ({}, 4), ({}, -1),
        ({"ocppCsmsUrl": ""}, 1), ({"ocppCsmsUrl": "ws://x\ny"}, 1),
    ],
)  # fmt: skip
def test_network_profiles_that_are_refused(change: dict[str, Any], slot: int):
    good = {
        "ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": "ws://x", "messageTimeout": 30, "securityProfile": 1,
        "ocppInterface": "Wired0",
    }  # fmt: skip
    one = rig("2.0.1", 1)
    assert one.ask("SetNetworkProfile", {"configurationSlot": 2, "connectionData": good}) == {"status": "Accepted"}
    assert (
        one.ask("SetNetworkProfile", {"configurationSlot": 3.0, "connectionData": good | {"securityProfile": 1.0}})["status"] == "Accepted"
    )
    held = one.saved["m/security"]
    assert repr(held["slots"]["3"]["securityProfile"]) == "1"
    assert one.ask("SetNetworkProfile", {"configurationSlot": slot, "connectionData": good | change})["status"] == "Rejected"
    assert one.saved["m/security"] == held


def test_keys_and_requests_repeat_byte_for_byte():
    first, again = (new_key(random.Random(5)) for _ in range(2))
    assert first == again != new_key(random.Random(6))
    assert signing_request(first, "ac-1", "Oak") == signing_request(first, "ac-1", "Oak")
    with pytest.raises(ValueError, match="P-256"):
        signing_request(ROOT.issue("x", key=rsa_key(5)).key_pem, "x", "y")
    assert time_fault(read(ROOT.pem)[0], datetime(2050, 1, 1, tzinfo=UTC)).startswith("expired")
    assert certificates.read(ROOT.pem)[0].organisation == "Oak Charging"
