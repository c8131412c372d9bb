"""Certificates made on the fly. RSA keys are made once: they are slow."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def name_of(cn: str, o: str = "Oak Charging") -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn), x509.NameAttribute(NameOID.ORGANIZATION_NAME, o)])


@dataclass
class Pair:
    key: Any
    certificate: x509.Certificate
    chain: str = ""

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode() + self.chain

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_text(self.pem)
        key.write_text(self.key_pem)
        return cert, key


class CA:
    def __init__(self, name: str = "Oak Root", key: Any = None, parent: "CA | None" = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(name)
        self.parent = parent
        signer, issuer = (parent.key, parent.name) if parent else (self.key, self.name)
        self.certificate = self._build(self.name, self.key.public_key(), issuer, START, END, True).sign(signer, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def pair(self) -> Pair:
        return Pair(self.key, self.certificate)

    def issue(
        self, cn: str, *, o: str = "Oak Charging", key: Any = None, san: str = "", begin: datetime = START, end: datetime = END,
        ocsp: str = "",
    ) -> Pair:  # fmt: skip
        key = key or ec.generate_private_key(ec.SECP256R1())
        built = self._build(name_of(cn, o), key.public_key(), self.name, begin, end, False)
        if san:
            try:
                name: x509.GeneralName = x509.IPAddress(ip_address(san))
            except ValueError:
                name = x509.DNSName(san)
            built = built.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        if ocsp:
            told = x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
            built = built.add_extension(x509.AuthorityInformationAccess([told]), critical=False)
        return Pair(key, built.sign(self.key, hashes.SHA256()), self.pem if self.parent else "")

    def server(self, **more: Any) -> Pair:
        return self.issue("csms.lab", **{"san": "127.0.0.1", **more})

    @staticmethod
    def _build(subject: x509.Name, key: Any, issuer: x509.Name, begin: datetime, end: datetime, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )  # fmt: skip


def self_signed() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = name_of("csms.lab")
    built = CA._build(name, key.public_key(), name, START, END, False)
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    return Pair(key, built.sign(key, hashes.SHA256()))


def expired(ca: CA) -> Pair:
    return ca.server(begin=START, end=NOW - timedelta(days=1))
