"""TLS for both roles: contexts from files or PEM texts, what is wrong with a file, and what a failed handshake means.

TLS 1.2 and 1.3 only, no compression, the cipher suites of A00.FR.318 with the forward-secret ones for RSA beside them; a station
verifies path, validity and name of the CSMS's certificate (A00.FR.308, 309), a CSMS those of client certificates.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import InvalidStatus

from chargekit.controller.admission import Subject
from chargekit.controller.security_desk import Certify
from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput, Source
from chargekit.model.security import Access
from chargekit.world.events import Fault

SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256", "AES256-GCM-SHA384",
)  # fmt: skip
"""For TLS 1.2: the spec's four, and ECDHE-RSA, because plain TLS_RSA has no forward secrecy."""
MOST_BYTES: Final = 1 << 20
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name."""
_VERSION: Final = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "WRONG_SSL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW")
_CIPHER: Final = ("HANDSHAKE_FAILURE", "NO_SHARED_CIPHER", "INSUFFICIENT_SECURITY", "WRONG_CIPHER_RETURNED", "NO_CIPHERS_AVAILABLE")
_CLIENT: Final = (
    "ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "ALERT_UNSUPPORTED_CERTIFICATE", "ALERT_ACCESS_DENIED",
    "ALERT_DECRYPT_ERROR", "CERTIFICATE_REQUIRED",
)  # fmt: skip


# --- files ------------------------------------------------------------------------------------------------------


def pem_text(path: Path, what: str, source: Source | None) -> str:
    """The text of a PEM file. BadInput names the file and what to do."""
    try:
        raw = path.read_bytes()[: MOST_BYTES + 1]
    except OSError as error:
        hint = "check the path; it counts from the file it stands in, or from the current folder"
        raise BadInput(source, f"{what} {path} can't be read: {error.strerror or error}", hint) from None
    if len(raw) > MOST_BYTES:
        raise BadInput(source, f"{what} {path} has more than {MOST_BYTES} bytes", "a PEM file expected")
    text = raw.decode("latin-1")
    if "-----BEGIN " not in text:
        raise BadInput(source, f"{what} {path} is no PEM file", "openssl x509 -inform der -in FILE -out FILE.pem makes one of DER")
    return text


def certificates(path: Path, what: str, source: Source | None, *, now: datetime | None = None) -> str:
    """The certificates of a file as PEM, each valid now. BadInput otherwise."""
    from cryptography import x509

    text = pem_text(path, what, source)
    try:
        found = x509.load_pem_x509_certificates(text.encode("latin-1"))
    except ValueError as error:
        raise BadInput(source, f"{what} {path} holds no readable certificate: {str(error)[:120]}", "X.509 in PEM expected") from None
    moment = now or datetime.now(UTC)
    for one in found:
        name = one.subject.rfc4514_string()[:80]
        if one.not_valid_after_utc < moment:
            why = f"{what} {path}: {name} expired on {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            raise BadInput(source, why, "renew the certificate")
        if one.not_valid_before_utc > moment:
            why = f"{what} {path}: {name} is valid only from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            raise BadInput(source, why, "is the clock of this machine right?")
    return text


def private_key(path: Path, source: Source | None) -> str:
    """A private key without a passphrase, as PEM."""
    text = pem_text(path, "key", source)
    if "PRIVATE KEY-----" not in text:
        raise BadInput(source, f"key {path} holds no private key", "a PEM file with BEGIN PRIVATE KEY expected")
    if "ENCRYPTED" in text:
        raise BadInput(source, f"key {path} has a passphrase", "openssl pkey -in FILE -out FILE.plain takes it away")
    return text


def loaded(context: ssl.SSLContext, certificate: str, key: str, source: Source | None, what: str = "certificate") -> None:
    """Give a context its own certificate and key, from texts. BadInput if they do not belong together."""
    with _file(certificate + "\n" + key) as path:
        try:
            context.load_cert_chain(path, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or str(error)
            why = "the key is not the certificate's" if "MISMATCH" in str(reason) else f"can't be used: {str(reason)[:120]}"
            raise BadInput(source, f"{what} and key: {why}", "take the pair that was made together") from None


def _no_passphrase() -> str:
    """Without this, OpenSSL would ask on the terminal."""
    raise ValueError("the key has a passphrase")


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    """OpenSSL reads keys from files alone: one that only we can read, gone afterwards."""
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w", encoding="latin-1") as file:
            file.write(text)
        yield path
    finally:
        os.unlink(path)


# --- contexts ---------------------------------------------------------------------------------------------------


def _common(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def allow(context: ssl.SSLContext, least: ssl.TLSVersion, most: ssl.TLSVersion) -> None:
    """Only these TLS versions; those before 1.2 need old signatures and cipher suites, too."""
    old = least < ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0" if old else ":".join(SUITES))
    # The bounds are never crossed on the way from one pair to the other.
    context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.MAXIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = least, most


def server_context(pairs: Sequence[tuple[str, str]], client_roots: str = "", source: Source | None = None) -> ssl.SSLContext:
    """A CSMS's side. `pairs`: (certificate chain, key) as PEM, one of RSA and one of ECDSA if both are wanted (A00.FR.318).

    With `client_roots`, client certificates are asked for and verified against them; whether one is needed is for the admission.
    """
    context = _common(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    for certificate, key in pairs:
        loaded(context, certificate, key, source, "the server's certificate")
    if client_roots:
        context.verify_mode = ssl.CERT_OPTIONAL
        _trust(context, client_roots, source)
    return context


def client_context(access: Access) -> ssl.SSLContext:
    """A station's side. Without roots it trusts what this machine trusts. BadInput for texts that are none."""
    context = _common(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname, context.verify_mode = not access.lax & {"name", "path"}, ssl.CERT_REQUIRED
    if "path" in access.lax:
        context.verify_mode = ssl.CERT_NONE
    if "time" in access.lax:
        context.verify_flags |= _NO_CHECK_TIME
    if "version" in access.lax:
        allow(context, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3)
    if access.roots:
        _trust(context, "\n".join(access.roots), None)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if access.profile == 3:
        if not access.certificate or not access.key:
            raise BadInput(None, "security profile 3 needs the station's certificate and key")
        loaded(context, access.certificate, access.key, None, "the station's certificate")
    return context


def _trust(context: ssl.SSLContext, roots: str, source: Source | None) -> None:
    # What is installed is trusted, a root or not (WP 7.1 wants a partial chain to do).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=roots)
    except (ssl.SSLError, ValueError) as error:
        raise BadInput(source, f"CA certificates can't be used: {str(error)[:120]}", "X.509 in PEM expected") from None


# --- signing ----------------------------------------------------------------------------------------------------


def certifier(certificate: str, key: str, calendar: Calendar, days: int = 365) -> Certify:
    """A certificate authority for a lab: signs a station's request if it is for that station (A02.FR.04 asks for one of its own).

    It returns the chain as PEM, None for a request that can't be granted. Valid by the wall clock and by the run's.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import NameOID

    issuer = x509.load_pem_x509_certificate(certificate.encode())
    signer = load_pem_private_key(key.encode(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise BadInput(None, "the authority's key is neither RSA nor ECDSA")

    def certify(station: str, csr: str, now: float) -> str | None:
        try:
            asked = x509.load_pem_x509_csr(csr.encode("ascii"))
            names = asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            public = asked.public_key()
            if not asked.is_signature_valid or [n.value for n in names] != [station]:
                return None
            if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) or public.key_size < 224:
                return None
            begin, end = sorted((datetime.now(UTC), calendar.utc(now)))
            made = (
                x509.CertificateBuilder().subject_name(asked.subject).issuer_name(issuer.subject).public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(max(begin - timedelta(days=1), issuer.not_valid_before_utc))
                .not_valid_after(min(end + timedelta(days=days), issuer.not_valid_after_utc))
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .sign(signer, hashes.SHA256())
            )  # fmt: skip
        except Exception:
            # A parser of hostile bytes: what it raises is not to be listed.
            return None
        return made.public_bytes(Encoding.PEM).decode() + certificate

    return certify


# --- what went wrong --------------------------------------------------------------------------------------------


def subject_of(peer: Any) -> Subject | None:
    """CN and O of the certificate a handshake verified (what `getpeercert()` gives); None without one."""
    if not isinstance(peer, dict) or not peer:
        return None
    parts: dict[str, str] = {}
    for group in peer.get("subject", ()):
        for name, value in group:
            parts.setdefault(str(name), str(value))
    return Subject(parts.get("commonName", ""), parts.get("organizationName", ""))


def diagnosis(error: BaseException) -> tuple[str, Fault]:
    """Why a station could not connect: in words, and which security event it is a case of ("" for none)."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        match one:
            case ssl.SSLCertVerificationError():
                return f"the CSMS's certificate was refused: {one.verify_message or one.reason}"[:200], "certificate"
            case ssl.SSLError():
                return _tls_fault(one)
            case InvalidStatus() if one.response.status_code in (401, 403):
                body = (one.response.body or b"").decode("utf-8", "replace").strip()
                return f"HTTP {one.response.status_code}: the CSMS refused the credentials: {body}"[:200].rstrip(": "), "credentials"
        one = one.__cause__ or one.__context__
    return f"{type(error).__name__}: {error}"[:200], ""


def _tls_fault(error: ssl.SSLError) -> tuple[str, Fault]:
    reason = error.reason or str(error)
    if any(word in reason for word in _CLIENT):
        return f"the CSMS refused the station's certificate: {reason}"[:200], "credentials"
    if any(word in reason for word in _VERSION):
        return f"the CSMS allows no TLS version from 1.2 on: {reason}"[:200], "version"
    if any(word in reason for word in _CIPHER):
        return f"no cipher suite in common with the CSMS: {reason}"[:200], "cipher"
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
        return f"the CSMS does not speak TLS here: {reason}"[:200], ""
    return f"TLS: {reason}"[:200], ""
