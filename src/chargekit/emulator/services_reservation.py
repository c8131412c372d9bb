"""ReserveNow and CancelReservation (1.6 sections 5.1, 5.13; H01, H02)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.reserving import Reservation
from chargekit.emulator.services import Payload, Refusal, service
from chargekit.emulator.tokens import name_of
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


@service("ReserveNow", "1.6", "2.0.1", "2.1")
def reserve_now(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    try:
        asked = _read(station, payload)
    except (ValueError, OverflowError):
        return Refusal("property", "a time of day expected")
    status = station.reservation_verdict(asked, now)
    if status == "Accepted":
        station.reservations[asked.id] = asked
        station.reservations_changed(now, out)
        station.soon.append(station.show_changed)
    return {"status": status}


def _read(station: Station, payload: Payload) -> Reservation:
    if station.generation.assigned:
        return Reservation(
            payload["reservationId"], payload["connectorId"], name_of(payload["idTag"]), name_of(payload.get("parentIdTag") or ""),
            station.calendar.parse(payload["expiryDate"]),
        )  # fmt: skip
    group = (payload.get("groupIdToken") or {}).get("idToken", "")
    return Reservation(
        payload["id"], payload.get("evseId") or 0, name_of(payload["idToken"]["idToken"]), name_of(group),
        station.calendar.parse(payload["expiryDateTime"]), payload.get("connectorType") or "",
    )  # fmt: skip


@service("CancelReservation", "1.6", "2.0.1", "2.1")
def cancel_reservation(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Rejected where there is none of that id (1.6 section 5.1; H02.FR.01)."""
    if not station.cancel_reservation(payload["reservationId"]):
        return {"status": "Rejected"}
    station.reservations_changed(now, out)
    station.soon.append(station.show_changed)
    return {"status": "Accepted"}
