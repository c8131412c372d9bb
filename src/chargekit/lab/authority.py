"""Certificates a lab makes for itself: a whole set for a trial, and server certificates with one thing wrong with them.

Dates, serial numbers and keys follow from names and seeds alone, so that runs repeat byte for byte. Valid from 2000 on, because the clock
of a station may be dead.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chargekit.emulator import certificates
from chargekit.lab.site_security import SiteSecurity, StationSecurity
from chargekit.model.site import ChargingStation

HOST: Final = "csms.lab"
"""What the CSMS of a lab in memory is called."""
LOOPBACK: Final = "127.0.0.1"
BEGIN, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
GONE = datetime(2001, 1, 1, tzinfo=UTC)
OPERATOR: Final = "chargekit lab"
FAULTS: Final = ("self-signed", "stranger", "expired", "other-host")
"""What can be wrong with a CSMS's certificate; the last two need the authority that stations trust."""
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"


def password(rng: random.Random, length: int = 20) -> str:
    """A password that every version takes (A00.FR.205)."""
    return "".join(rng.choice(_ALPHABET) for _ in range(length))


def own_security(profile: int, stations: Iterable[ChargingStation], seed: str) -> SiteSecurity:
    """Credentials for a trial: each station set up with this security profile, the CSMS able to be any, with an authority of its own."""
    root_key = certificates.new_key(random.Random(f"{seed}/authority"))
    root = _made(root_key, "chargekit lab root", root_key, None, ca=True)
    server_key = certificates.new_key(random.Random(f"{seed}/server"))
    server = _made(server_key, HOST, root_key, root, hosts=(HOST, LOOPBACK))
    each = {}
    for spec in stations:
        key = certificates.new_key(random.Random(f"{seed}/{spec.id}/own"))
        word = password(random.Random(f"{seed}/{spec.id}/password"))
        each[spec.id] = StationSecurity(profile, word if profile else "", _pem(_made(key, spec.id, root_key, root)), key)
    text = _pem(root)
    return SiteSecurity(each, text, ((_pem(server), server_key),), (text, root_key), OPERATOR, may_raise=True, roots_from=2)


def faulty(fault: str, pairs: Sequence[tuple[str, str]], authority: tuple[str, str] | None) -> tuple[tuple[str, str], ...]:
    """The server's pairs with a fault: the same keys, names and kinds of key, and one thing wrong. LookupError without the authority
    that some need, ValueError for an unknown fault."""
    if fault not in FAULTS:
        raise ValueError(f"no fault of a certificate is named {fault!r}")
    if fault in ("expired", "other-host") and authority is None:
        raise LookupError(
            f"a certificate with the fault {fault!r} needs the authority that stations trust (authority_certificate: and "
            "authority_key: in the site file's security: block)"
        )
    return tuple((_faulty(fault, pem, key, authority), key) for pem, key in pairs)


def _faulty(fault: str, pem: str, key: str, authority: tuple[str, str] | None) -> str:
    from cryptography import x509

    good = x509.load_pem_x509_certificate(pem.encode("latin-1"))
    if fault == "self-signed":
        return _pem(_like(good, key, None, good.subject))
    if fault == "stranger":
        other_key = certificates.new_key(random.Random("stranger"))
        other = _made(other_key, "Elsewhere Root", other_key, None, ca=True)
        return _pem(_like(good, other_key, other, good.subject))
    assert authority is not None
    issuer = x509.load_pem_x509_certificate(authority[0].encode("latin-1"))
    if fault == "expired":
        return _pem(_like(good, authority[1], issuer, good.subject, end=GONE)) + authority[0]
    return _pem(_like(good, authority[1], issuer, _name("elsewhere.invalid"), hosts=("elsewhere.invalid",))) + authority[0]


def _like(good: Any, key: str, issuer: Any, subject: Any, *, end: datetime = END, hosts: Sequence[str] = ()) -> Any:
    """A certificate for the same public key, with the same names unless `hosts` are given."""
    from cryptography import x509

    try:
        names = good.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    return _signed(good.public_key(), subject, key, issuer, _hosts(hosts) if hosts else names, ca=False, end=end)


def _made(key: str, name: str, signer: str, issuer: Any, *, hosts: Sequence[str] = (), ca: bool = False) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    public = load_pem_private_key(key.encode(), None).public_key()
    return _signed(public, _name(name), signer, issuer, _hosts(hosts) if hosts else None, ca=ca, end=END)


def _signed(public: Any, subject: Any, signer: str, issuer: Any, names: Any, *, ca: bool, end: datetime) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Any = load_pem_private_key(signer.encode("latin-1"), None)
    by = issuer.subject if issuer is not None else subject
    number = int.from_bytes(hashlib.sha256(f"{by}{subject}{end}".encode()).digest()[:15], "big") + 1
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(public).serial_number(number)
        .not_valid_before(BEGIN).not_valid_after(end).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )  # fmt: skip
    if names is not None:
        built = built.add_extension(names, critical=False)
    return built.sign(key, hashes.SHA256(), ecdsa_deterministic=True if isinstance(key, ec.EllipticCurvePrivateKey) else None)


def _name(common_name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, OPERATOR)])


def _hosts(names: Sequence[str]) -> Any:
    from ipaddress import ip_address

    from cryptography import x509

    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(found)


def _pem(one: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return str(one.public_bytes(Encoding.PEM).decode())
