"""What 2.x asks about transactions and single EVSEs beside the vocabulary (E14; B11, B12 with an evseId)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.services import Payload, Refusal, service
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


@service("GetTransactionStatus", "2.0.1", "2.1")
def get_transaction_status(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """E14.FR.01 to FR.08."""
    return station.transaction_status(payload.get("transactionId"))


@service("Reset", "2.0.1", "2.1")
def reset_evse(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """A reset of one EVSE; one of the station is a neutral command."""
    evse = int(payload["evseId"])
    hard = payload["type"] == "Immediate"
    reply = station.reset_verdict(hard, evse)
    if reply.status == "Accepted":
        station.soon.append(lambda now, out: station.reset_evse(evse, now, out))
    elif reply.status == "Scheduled":
        station.soon.append(lambda now, out: station.schedule_reset(evse, now, out))
    return {"status": reply.status} | ({"statusInfo": {"reasonCode": reply.reason}} if reply.reason else {})
