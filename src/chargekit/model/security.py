"""Security profiles 0 to 3: what both roles agree on. Passwords, what an upgrade needs, and how each version names its security events.

Profile 0 is no security at all, 1 a password in the clear, 2 a password over TLS, 3 a client certificate over TLS (2.0.1 A00, and the
security white paper for 1.6, edition 3, "WP" below).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

PROFILES: Final = (0, 1, 2, 3)
SHORTEST_PASSWORD: Final = 16
LONGEST_PASSWORD: Final = {"1.6": 40, "2.0.1": 40, "2.1": 64}
"""WP A00.FR.205, 2.0.1 A00.FR.205, 2.1 BasicAuthPassword."""
_PASSWORD: Final = re.compile(r"[A-Za-z0-9*\-_=:+|@.]*")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")

_NAMES_16: Final = {
    "FailedToAuthenticateAtCsms": "FailedToAuthenticationAtCentralSystem",  # sic, WP section 8
    "CsmsFailedToAuthenticate": "CentralSystemFailedToAuthentication",  # sic
    "InvalidCsmsCertificate": "InvalidCentralSystemCertificate",
    "InvalidChargingStationCertificate": "InvalidChargePointCertificate",
}


def event_name(event: str, version: str) -> str:
    """A security event of 2.x's appendix as a version writes it."""
    return _NAMES_16.get(event, event) if version == "1.6" else event


def neutral_event(name: str) -> str:
    """A security event as 2.x's appendix writes it, from either spelling."""
    return next((new for new, old in _NAMES_16.items() if old == name), name)


@dataclass(frozen=True, slots=True)
class Access:
    """With what a station dials. `url`: the base address, "" for the one its port knows. `roots`, `certificate`: PEM texts; `roots`
    empty: those the port knows. `key`, `password`: secrets, never shown. `lax`: what bad firmware leaves unchecked of its CSMS: the
    `path` of its certificate, its `time`, the `name` in it, the `version` of TLS; good firmware nothing."""

    profile: int = 0
    url: str = ""
    password: bytes = field(default=b"", repr=False)
    roots: tuple[str, ...] = field(default=(), repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    lax: frozenset[str] = frozenset()

    @property
    def secure(self) -> bool:
        return self.profile >= 2


def password_fault(password: str, version: str) -> str:
    """Why a text can't be a station's password; "" when it can. 1.6 also takes 16 to 20 bytes in hexadecimal."""
    longest = LONGEST_PASSWORD.get(version, 40)
    if not SHORTEST_PASSWORD <= len(password) <= longest:
        return f"{SHORTEST_PASSWORD} to {longest} characters expected, found {len(password)}"
    if version == "1.6":
        return "" if password.isascii() and password.isprintable() else "printable ASCII expected"
    return "" if _PASSWORD.fullmatch(password) else "only letters, digits and *-_=:+|@. expected"


def spoken_password(password: str, version: str) -> bytes:
    """The bytes that stand for it in HTTP Basic authentication: 1.6 keeps binary passwords in hexadecimal (OCPP-J 1.6 section 6.2)."""
    if version == "1.6" and _HEX.fullmatch(password):
        return bytes.fromhex(password)
    return password.encode("utf-8", "replace")


def upgrade_fault(current: int, wanted: int, *, password: bool, root: bool, certificate: bool) -> str:
    """Why a station may not go from one profile to another; "" when it may (WP A05.FR.02 to 04, 2.0.1 A05.FR.02 to 04, B09.FR.04).

    `password`, `root`, `certificate`: whether it holds one that is valid. The same profile again needs what that profile needs.
    """
    if wanted not in PROFILES:
        return f"there is no security profile {wanted}"
    if wanted < current:
        return f"security profile {wanted} is lower than {current}"
    if wanted in (1, 2) and not password:
        return "no password is set"
    if wanted >= 2 and not root:
        return "no root certificate of the CSMS is installed"
    if wanted == 3 and not certificate:
        return "no certificate of the station is installed"
    return ""
