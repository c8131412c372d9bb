"""Certificates as a station sees them: text from a peer, to be read, judged, hashed; and its own keys and signing requests.

Functions of their arguments alone: keys come from the generator they are given, so a run repeats byte for byte. That makes them keys for
a lab, never for anything else. Whatever can't be read is empty or None, nothing is raised for it.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

LONGEST_CHAIN: Final = 10
HASHES: Final = {"SHA256": hashlib.sha256, "SHA384": hashlib.sha384, "SHA512": hashlib.sha512}
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a station needs of one. `fault`: why its key is too weak (A00.FR.502, 503); `ocsp`: where its status is told;
    `ca`: whether it may sign others."""

    pem: str
    common_name: str
    organisation: str
    not_before: datetime
    not_after: datetime
    fault: str = ""
    ocsp: str = ""
    ca: bool = False
    parsed: Any = field(default=None, repr=False, compare=False)


def read(text: str) -> tuple[Certificate, ...]:
    """The certificates of a PEM text, in its order; none if it holds too many or one can't be read."""
    blocks = _BLOCK.findall(text)
    if not 0 < len(blocks) <= LONGEST_CHAIN:
        return ()
    try:
        return tuple(_read(block) for block in blocks)
    except Exception:
        # A parser of hostile bytes: what it raises is not to be listed.
        return ()


def _read(pem: str) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

    one = x509.load_pem_x509_certificate(pem.encode("ascii"))
    names = {oid: one.subject.get_attributes_for_oid(oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)}
    cn, o = (str(found[0].value) if found else "" for found in names.values())
    key = one.public_key()
    fault = ""
    if isinstance(key, rsa.RSAPublicKey):
        fault = "" if key.key_size >= 2048 else f"an RSA key of {key.key_size} bits"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fault = "" if key.curve.key_size >= 224 else f"a key of {key.curve.key_size} bits"
    else:
        fault = f"a key that is neither RSA nor ECDSA ({type(key).__name__})"
    ocsp = ""
    try:
        told = one.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        places = [d.access_location.value for d in told if d.access_method == AuthorityInformationAccessOID.OCSP]
        ocsp = str(places[0])[:512] if places else ""
    except x509.ExtensionNotFound:
        pass
    try:
        ca = one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        ca = False
    return Certificate(pem, cn, o, one.not_valid_before_utc, one.not_valid_after_utc, fault, ocsp, ca, one)


def time_fault(one: Certificate, at: datetime) -> str:
    """Whether it is out of its time; "" when valid."""
    if at > one.not_after:
        return f"expired on {one.not_after:%Y-%m-%d}"
    return f"not valid before {one.not_before:%Y-%m-%d}" if at < one.not_before else ""


def issued(one: Certificate, issuer: Certificate) -> bool:
    """Whether the one was signed with the other's key."""
    try:
        one.parsed.verify_directly_issued_by(issuer.parsed)
    except Exception:
        # Also for algorithms it does not know.
        return False
    return True


def chain_fault(chain: Sequence[Certificate], roots: Sequence[Certificate], at: datetime) -> str:
    """Why a chain, leaf first, does not lead to one of the roots; "" when it does and all are valid but for a leaf yet to come."""
    for number, one in enumerate(chain):
        why = one.fault or time_fault(one, at) or ("a certificate that is no CA's signed another" if number and not one.ca else "")
        if why and not (number == 0 and at < one.not_before):
            return why
        if any(issued(one, root) and not time_fault(root, at) for root in roots):
            return ""
        if number + 1 < len(chain) and not issued(one, chain[number + 1]):
            return "the chain is not in order, or a signature is wrong"
    return "no installed root certificate leads to it"


def hash_data(one: Certificate, store: Sequence[Certificate], algorithm: str = "SHA256") -> dict[str, str]:
    """CertificateHashDataType: the issuer's name and key hashed, the serial number in hexadecimal. The issuer is looked for in `store`;
    where it is not there, the certificate's own key stands for it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    digest = HASHES[algorithm]
    issuer = next((i for i in (one, *store) if i.parsed.subject == one.parsed.issuer), one)
    key = issuer.parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": digest(one.parsed.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": digest(_bit_string(key)).hexdigest(),
        "serialNumber": f"{one.parsed.serial_number:x}"[:40],
    }


def _bit_string(spki: bytes) -> bytes:
    """The key of a SubjectPublicKeyInfo without tag, length and unused bits, as RFC 6960 hashes it."""
    at = _header(spki, 0)[0]
    start, size = _header(spki, at)
    at = start + size
    start, size = _header(spki, at)
    return spki[start + 1 : start + size]


def _header(der: bytes, at: int) -> tuple[int, int]:
    """Where a DER element's content starts, and its length."""
    length = der[at + 1]
    if length < 0x80:
        return at + 2, length
    size = length & 0x7F
    return at + 2 + size, int.from_bytes(der[at + 2 : at + 2 + size], "big")


def new_key(rng: random.Random) -> str:
    """A private key on P-256 as PEM, from the generator."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.derive_private_key(rng.randrange(1, _P256_ORDER), ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signing_request(key: str, common_name: str, organisation: str) -> str:
    """A PKCS #10 request as PEM (A02.FR.03), the subject as A00.FR.509 and 511 want it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import NameOID

    private = load_pem_private_key(key.encode(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("a station signs its requests with a P-256 key")
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]), x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64])]
    )
    asked = x509.CertificateSigningRequestBuilder().subject_name(name)
    return asked.sign(private, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.PEM).decode()


def belongs(one: Certificate, key: str) -> bool:
    """Whether a certificate is for this private key."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return bool(load_pem_private_key(key.encode(), None).public_key() == one.parsed.public_key())
    except (ValueError, TypeError):
        return False
