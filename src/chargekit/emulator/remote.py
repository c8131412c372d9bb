"""What comes of a file transfer. A pure machine has no network: nothing is fetched or uploaded, the outcome follows from the URL alone.

The first part of the host that is a word of WORDS says how it ends; every other location of a known scheme works. So
`ftp://files.invalid/fw.bin` can't be reached, and `https://badsignature.example/fw.bin` brings a file whose signature is wrong.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = frozenset({"ftp", "ftps", "http", "https", "sftp"})
WORDS: Final = {
    "invalid": "unreachable",
    "badsignature": "bad signature",
    "badchecksum": "bad checksum",
    "unverified": "not verified",
    "uninstallable": "not installed",
    "denied": "denied",
    "badmessage": "bad message",
    "unsupported": "unsupported",
}


def usable(url: str) -> bool:
    """Whether it is a location at all: a known scheme and a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in SCHEMES and bool(parts.hostname)
    except ValueError:
        return False


def outcome(url: str) -> str:
    """A word of WORDS' values; empty where all goes well."""
    if not usable(url):
        return "unreachable"
    host = urlsplit(url).hostname or ""
    return next((WORDS[part] for part in host.lower().split(".") if part in WORDS), "")


def version_of(url: str) -> str:
    """The firmware version a file is taken for: the numbers of its name, else the name."""
    try:
        name = urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        name = ""
    found = re.search(r"\d+(\.\d+)+", name, re.ASCII)
    return (found.group() if found else name.partition(".")[0])[:50] or "unnamed"


def certificate(pem: str) -> str:
    """What is wrong with a signing certificate: Invalid where it is no PEM, Revoked where it says REVOKED; empty: nothing."""
    if "REVOKED" in pem:
        return "Revoked"
    return "" if "-----BEGIN CERTIFICATE-----" in pem and "-----END CERTIFICATE-----" in pem else "Invalid"


def signed(signature: str, url: str) -> bool:
    """Whether the signature holds: base64, and not of a host that says otherwise."""
    try:
        return bool(base64.b64decode(signature, validate=True)) and outcome(url) != "bad signature"
    except (ValueError, binascii.Error):
        return False
