"""CustomerInformation of 2.x (N09, N10): what is stored about a customer is the cache, running transactions and the local list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chargekit.emulator.services import Payload, Refusal, service
from chargekit.emulator.tokens import name_of
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

WAYS: Final = ("idToken", "customerCertificate", "customerIdentifier")
LONGEST: Final = 512


@service("CustomerInformation", "2.0.1", "2.1")
def customer(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Exactly one way to name the customer (N09.FR.09); neither report nor clear is Rejected (N09.FR.07). What is told is told before it
    is cleared (N10.FR.03); the local list is never cleared here (N10.FR.06)."""
    if sum(way in payload for way in WAYS) != 1:
        return {"status": "Invalid"}
    if not (payload["report"] or payload["clear"]):
        return {"status": "Rejected"}
    token = payload["idToken"]["idToken"] if "idToken" in payload else payload.get("customerIdentifier", "")
    lines = _known(station, token)
    if payload["clear"] and name_of(token) in station.tokens.cached:
        del station.tokens.cached[name_of(token)]
        out.append(Save("cache", station.tokens.cache_json()))
    text = "\n".join(lines) or "No data found."
    if not payload["report"]:
        text = "The data was cleared." if lines else "No data found."
    parts = [text[at : at + LONGEST] for at in range(0, len(text), LONGEST)]
    for number, part in enumerate(parts):
        body = {"data": part, "seqNo": number, "tbc": number < len(parts) - 1, "requestId": payload["requestId"]}
        station.ask("NotifyCustomerInformation", body | {"generatedAt": station.calendar.iso(station.own(now))}, now)
    return {"status": "Accepted"}


def _known(station: Station, token: str) -> list[str]:
    found = [f"Authorization cache: {station.tokens.cached[name_of(token)].status}"] if name_of(token) in station.tokens.cached else []
    for number, outlet in station.outlets.items():
        tx = outlet.tx
        if token and tx is not None and tx.token == token:
            found.append(f"Transaction {tx.id or tx.ref} at EVSE {number} since {station.calendar.iso(tx.started)}")
    return found
