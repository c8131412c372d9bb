"""Reservations, and limits from outside OCPP, in 2.0.1 and 2.1 (H01, H02, H04; K11 to K13)."""

from __future__ import annotations

from typing import Any, Final

from chargekit.model.calendar import Calendar

from .fields import iso, moment, no_nones, opt_table, opt_text, opt_whole, table, text, whole
from .messages import CancelReservation, Command, LimitImposed, LimitReleased, Other, OtherCommand, ReservationEnded, ReserveNow
from .protocol import Payload
from .v2 import Differences
from .v201_events import id_token

NOMINAL_V: Final = 230.0
MOST: Final = 1e9
News = LimitImposed | LimitReleased | ReservationEnded
READERS: Final[dict[str, Any]] = {
    "NotifyChargingLimit": lambda payload, cal: LimitImposed(
        opt_whole(payload, "evseId", 0) or 0, text(table(payload, "chargingLimit"), "chargingLimitSource"), _imposed_a(payload),
        table(payload, "chargingLimit").get("isLocalGeneration") is True,
    ),
    "ClearedChargingLimit": lambda payload, cal: LimitReleased(opt_whole(payload, "evseId", 0) or 0, text(payload, "chargingLimitSource")),
    "ReservationStatusUpdate": lambda payload, cal: ReservationEnded(
        whole(payload, "reservationId"), text(payload, "reservationUpdateStatus")
    ),
}  # fmt: skip


def _imposed_a(payload: Payload) -> float | None:
    """The first period of the schedule of an external limit, A per phase; None where none can be made out."""
    schedules = payload.get("chargingSchedule")
    first: Any = schedules[0] if isinstance(schedules, list) and schedules else schedules
    periods: Any = first.get("chargingSchedulePeriod") if isinstance(first, dict) else None
    period: Any = periods[0] if isinstance(periods, list) and periods else None
    limit, phases = (period.get("limit"), period.get("numberPhases", 3)) if isinstance(period, dict) else (None, 3)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= MOST or phases not in (1, 2, 3):
        return None
    return float(limit) if first.get("chargingRateUnit") == "A" else float(limit) / (NOMINAL_V * phases)


def write_news(fact: News | Other) -> tuple[str, Payload]:
    match fact:
        case LimitImposed():
            return "NotifyChargingLimit", no_nones(chargingLimit={"chargingLimitSource": fact.source}, evseId=fact.evse or None)
        case LimitReleased():
            return "ClearedChargingLimit", no_nones(chargingLimitSource=fact.source, evseId=fact.evse or None)
        case ReservationEnded():
            return "ReservationStatusUpdate", {"reservationId": fact.id, "reservationUpdateStatus": fact.why}
        case Other():
            return fact.action, fact.payload


def read_reserve(payload: Payload, cal: Calendar, how: Differences) -> Command:
    """A reservation for a type of connector is outside the vocabulary."""
    if payload.get("connectorType") is not None:
        return OtherCommand("ReserveNow", payload)
    return ReserveNow(
        whole(payload, "id"),
        opt_whole(payload, "evseId", 0) or 0,
        text(table(payload, "idToken"), "idToken"),
        moment(payload, "expiryDateTime", cal),
        opt_text(opt_table(payload, "groupIdToken") or {}, "idToken") or "",
    )


def write_more(command: ReserveNow | CancelReservation | OtherCommand, cal: Calendar, how: Differences) -> tuple[str, Payload]:
    match command:
        case ReserveNow():
            return "ReserveNow", no_nones(
                id=command.id,
                expiryDateTime=iso(cal, command.until),
                idToken=id_token(command.token, how),
                evseId=command.evse or None,
                groupIdToken=id_token(command.group, how, "Central") if command.group else None,
            )
        case CancelReservation():
            return "CancelReservation", {"reservationId": command.id}
        case OtherCommand():
            return command.action, command.payload
