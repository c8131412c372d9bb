"""The CSMS end as stations meet it: handshakes in memory, certificates with one fault, and what is expected of a station."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from tests.lab.pki import CA, expired, rsa_key

from chargekit.controller.admission import Caller
from chargekit.emulator.certificates import read
from chargekit.lab.assemble import Plan, build
from chargekit.lab.authority import FAULTS, HOST, faulty, own_security
from chargekit.lab.entrance import Entrance, shake
from chargekit.lab.sitefile import load_site
from chargekit.lab.tls import allow, client_context, diagnosis, server_context
from chargekit.model.security import Access, event_name, neutral_event
from chargekit.wire import credentials, schemas
from chargekit.wire.messages import OtherCommand, Reply
from chargekit.world.history import History

SITE = load_site("mixed-use").site
AUTHORITY = CA()
ROOT = (AUTHORITY.pem,)


def meet(server: ssl.SSLContext, *, host: str = HOST, **access: object) -> tuple[str, str]:
    """The TLS version agreed on, or the fault and the words a station has for it."""
    found = shake(client_context(Access(2, "", b"", ROOT, **access)), server, host)  # type: ignore[arg-type]
    return (found.version, "") if found.error is None else (diagnosis(found.error)[1], diagnosis(found.error)[0])


def shown(pair: object) -> ssl.SSLContext:
    return server_context([(pair.pem, pair.key_pem)], AUTHORITY.pem)  # type: ignore[attr-defined]


def test_a_handshake_in_memory_ends_as_one_over_sockets():
    good = AUTHORITY.server(san=HOST)
    assert meet(shown(good)) == ("TLSv1.3", "")
    assert meet(shown(good), host="csms.elsewhere")[0] == "certificate"
    assert meet(shown(expired(AUTHORITY)))[0] == "certificate"
    context = shown(good)
    allow(context, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    assert meet(context) == ("TLSv1.2", "")
    allow(context, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    assert meet(context)[0] == "version"
    assert meet(context, lax=frozenset({"version"})) == ("TLSv1.1", "")
    allow(context, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert meet(context) == ("TLSv1.3", "")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    assert meet(context)[0] == "cipher"


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_nobody_trusts_is_the_stations_fault(most: ssl.TLSVersion):
    """With TLS 1.3 the station hears of it only after its own handshake is done."""
    context, other = shown(AUTHORITY.server(san=HOST)), CA("Elm").issue("ac-01")
    context.maximum_version = most
    found = shake(client_context(Access(3, "", b"", ROOT, other.pem, other.key_pem)), context, HOST)
    assert found.error is not None and diagnosis(found.error)[1] == "credentials"
    own = AUTHORITY.issue("ac-01")
    found = shake(client_context(Access(3, "", b"", ROOT, own.pem, own.key_pem)), context, HOST)
    assert found.error is None and dict(p[0] for p in found.peer["subject"])["commonName"] == "ac-01"


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize("fault", FAULTS)
def test_one_thing_is_wrong_with_a_certificate_and_the_rest_is_right(kind: str, fault: str):
    good = AUTHORITY.server(san=HOST, key=rsa_key(1) if kind == "rsa" else None)
    ((pem, key),) = faulty(fault, [(good.pem, good.key_pem)], (AUTHORITY.pem, AUTHORITY.pair.key_pem))
    made = x509.load_pem_x509_certificate(pem.encode())
    assert key == good.key_pem and made.public_key() == good.certificate.public_key()
    assert (made.issuer == AUTHORITY.name) == (fault in ("expired", "other-host"))
    assert (made.not_valid_after_utc < datetime.now(UTC)) == (fault == "expired")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == (["elsewhere.invalid"] if fault == "other-host" else [HOST])
    words = {
        "self-signed": "self-signed certificate", "stranger": "unable to get local issuer", "expired": "has expired",
        "other-host": "Hostname mismatch",
    }  # fmt: skip
    found = meet(server_context([(pem, key)]))
    assert found[0] == "certificate" and words[fault] in found[1]


def test_some_faults_need_the_authority_that_stations_trust():
    good = AUTHORITY.server(san=HOST)
    for fault in ("expired", "other-host"):
        with pytest.raises(LookupError, match="authority_certificate"):
            faulty(fault, [(good.pem, good.key_pem)], None)
    with pytest.raises(ValueError, match="'odd'"):
        faulty("odd", [], None)


def test_credentials_of_a_trial_follow_from_its_seed():
    one, same, other = (own_security(3, SITE.stations[:2], seed) for seed in ("a", "a", "b"))
    assert one == same and one.stations != other.stations and one.ca != other.ca
    assert [c.common_name for c in read(one.stations["ac-02"].certificate)] == ["ac-02"]
    assert own_security(0, SITE.stations[:1], "a").stations["ac-01"].password == ""
    assert one.stations["ac-01"].password != one.stations["ac-02"].password


def entrance(profile: int) -> tuple[Entrance, History]:
    specs, history = SITE.stations[:1], History()
    held = own_security(profile, specs, "x")
    return Entrance(held, held.doors(specs), history, lambda: 7.0, "csms"), history


def access(end: Entrance, **more: object) -> Access:
    held = end.security.stations["ac-01"]
    base = {"profile": held.profile, "password": held.password.encode(), "roots": (end.security.ca,)}
    return Access(**(base | more))  # type: ignore[arg-type]


def test_a_station_in_memory_is_let_in_or_told_why_not():
    end, history = entrance(2)
    assert end.knock("ac-01", access(end)) is None
    wrong = access(end, password=b"not-the-right-one")
    assert end.knock("ac-01", wrong) == ("HTTP 401: the CSMS refused the credentials", "credentials")
    assert end.knock("ac-01", wrong) is not None
    assert end.knock("ac-01", access(end, profile=1)) == ("HTTP 403: the CSMS refused the credentials", "credentials")
    assert end.knock("ac-01", access(end, url="wss://elsewhere/ocpp")) == ("no such host: elsewhere", "")
    assert end.knock("ac-01", access(end, roots=(CA("Elm").pem,)))[1] == "certificate"  # type: ignore[index]
    rows = [(r.t, r.subject, r.kind, r.body) for r in history.records if r.kind != "hello"]
    assert rows[0] == (7.0, "ac-01", "admitted", {"secure": True, "tls": "TLSv1.3", "shown": "password", "resumed": False})
    assert [row[3]["reason"] for row in rows[1:]] == ["wrong password", "connected without TLS, security profile 2 is expected"]
    # Four came within one second.
    assert sum(r.kind == "hello" for r in history.records) == 1


def test_another_password_and_back():
    end, _ = entrance(1)
    right = end.doors.rules["ac-01"].passwords
    end.act("csms_expects", {"station": "ac-01", "password": "other"})
    end.act("csms_expects", {"station": "ac-01", "password": "other"})
    assert end.knock("ac-01", access(end)) is not None
    end.act("csms_expects", {"station": "ac-01", "password": "right"})
    assert end.doors.rules["ac-01"].passwords == right and end.knock("ac-01", access(end)) is None
    # A new password, then the first one again: the newest is right, and nobody is locked out.
    new = credentials.new_password("1.6", "a-new-long-password")
    for command in (new, credentials.new_password("1.6", right[0])):
        end.act("csms_expects", {"station": "ac-01", "password": "right"})
        end.doors.asked("ac-01", command)
        end.doors.told("ac-01", command, Reply("Accepted"))
    end.act("csms_expects", {"station": "ac-01", "password": "any"})
    assert end.doors.rules["ac-01"].passwords == ("a-new-long-password", right[0])
    end.act("csms_expects", {"station": "ac-01", "password": "right"})
    assert end.doors.rules["ac-01"].passwords == right
    assert end.doors.admit(Caller("ac-01")).status == 401


def test_the_root_a_station_needs_is_found():
    end, _ = entrance(1)
    assert end.root(SITE.calendar) == read(end.security.ca)[0].pem


def test_what_a_csms_without_a_certificate_can_not_show():
    specs, held = SITE.stations[:1], own_security(1, SITE.stations[:1], "x")
    end = Entrance(replace(held, pairs=()), held.doors(specs), History(), lambda: 0.0, "csms")
    with pytest.raises(LookupError, match="not reached over TLS"):
        end.show("expired")
    assert end.root(SITE.calendar) == "" and end.knock("ac-01", access(end, profile=2)) == ("the CSMS does not speak TLS here", "")


def test_a_lab_in_memory_has_security_only_when_it_makes_it_itself():
    lab = build(load_site("mixed-use"), Plan(stations=("ac-01",), secured=2))
    assert {"csms_shows", "csms_expects"} <= lab.rig.can
    assert lab.url("ac-01", secure=True) == f"wss://{HOST}" and lab.security is not None and lab.security.may_raise
    lab.close()
    bare = build(load_site("mixed-use"), Plan(stations=("ac-01",)))
    assert bare.entrance is None and "csms_shows" not in bare.rig.can
    bare.close()


def test_security_events_have_one_name_for_all_versions():
    for name in ("InvalidCsmsCertificate", "FailedToAuthenticateAtCsms", "InvalidTLSVersion"):
        assert neutral_event(event_name(name, "1.6")) == neutral_event(event_name(name, "2.1")) == name


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_the_steps_to_another_profile_are_messages_of_the_version(version: str):
    first, second = credentials.new_profile(version, 2, "wss://csms.lab/ocpp", 2, "1")
    assert isinstance(first, OtherCommand) and first.payload["configurationSlot"] == 2
    assert schemas.check(version, "SetNetworkProfile", "req", first.payload) == []
    assert (second.key, second.value) == ("OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")  # type: ignore[union-attr]
    root = credentials.new_root(version, AUTHORITY.pem)
    assert schemas.check(version, "InstallCertificate", "req", root.payload) == []


def test_the_step_of_1_6_is_a_key():
    (only,) = credentials.new_profile("1.6", 2, "", 2, "")
    assert (only.key, only.value) == ("SecurityProfile", "2")  # type: ignore[union-attr]
    assert schemas.check("1.6", "InstallCertificate", "req", credentials.new_root("1.6", AUTHORITY.pem).payload) == []
    assert not credentials.slots("1.6") and not credentials.needs_reboot("1.6")
