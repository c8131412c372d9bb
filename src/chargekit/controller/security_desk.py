"""What the CSMS does about requests for certificates. It signs nothing itself: it passes them on (A02.FR.04)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from chargekit.wire.messages import Other, OtherCommand

Certify = Callable[[str, str, float], str | None]
"""Station, signing request (PEM), run time: the chain as PEM, or None."""
LONGEST_CSR: Final = 5500


def certificate_for(station: str, version: str, fact: Other, certify: Certify, now: float) -> OtherCommand | None:
    """The signed certificate, to be sent to the station; None where the request was not granted (A02.FR.14: the kind it asked for)."""
    asked = csr(fact.payload)
    chain = certify(station, asked, now) if asked else None
    if chain is None:
        return None
    payload: dict[str, object] = {"certificateChain": chain}
    if version != "1.6" and isinstance(fact.payload.get("certificateType"), str):
        payload["certificateType"] = fact.payload["certificateType"]
    if isinstance(fact.payload.get("requestId"), int):
        payload["requestId"] = fact.payload["requestId"]
    return OtherCommand("CertificateSigned", payload)


def csr(payload: Mapping[str, Any]) -> str:
    """The signing request in a SignCertificate; empty where there is none that could be one."""
    text = payload.get("csr")
    return text if isinstance(text, str) and len(text) <= LONGEST_CSR else ""
