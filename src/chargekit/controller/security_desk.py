"""What the CSMS answers stations in matters of certificates. It signs nothing itself: it passes requests on (A02.FR.04)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chargekit.wire.messages import Other, OtherCommand

Certify = Callable[[str, str, float], str | None]
"""Station, signing request (PEM), run time: the chain as PEM, or None."""
_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "GetCertificateStatus": {"status": "Failed"},
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
}
"""There is no OCSP responder and no contract certificate pool behind this CSMS (M06.FR.04, M01)."""
LONGEST_CSR: Final = 5500


def answer_to(fact: Other, *, certifies: bool) -> dict[str, Any] | None:
    """The answer to a message about certificates; None for any other."""
    if fact.action == "SignCertificate":
        return {"status": "Accepted" if certifies and _csr(fact) else "Rejected"}
    found = _ANSWERS.get(fact.action)
    return dict(found) if found is not None else None


def certificate_for(station: str, version: str, fact: Other, certify: Certify, now: float) -> OtherCommand | None:
    """The signed certificate, to be sent to the station; None where the request was not granted (A02.FR.14: the kind it asked for)."""
    chain = certify(station, _csr(fact), now) if _csr(fact) else None
    if chain is None:
        return None
    payload: dict[str, object] = {"certificateChain": chain}
    if version != "1.6" and isinstance(fact.payload.get("certificateType"), str):
        payload["certificateType"] = fact.payload["certificateType"]
    if isinstance(fact.payload.get("requestId"), int):
        payload["requestId"] = fact.payload["requestId"]
    return OtherCommand("CertificateSigned", payload)


def _csr(fact: Other) -> str:
    text = fact.payload.get("csr")
    return text if isinstance(text, str) and len(text) <= LONGEST_CSR else ""
