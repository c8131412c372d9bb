"""Charging profiles on the wire: what both versions share, and the few names in which they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chargekit.model.calendar import Calendar
from chargekit.model.profile import ChargingProfile, Kind, Period, Purpose

from .fields import (
    bounded,
    iso,
    limit_down,
    no_nones,
    one_of,
    opt_bounded,
    opt_moment,
    opt_seconds,
    opt_text,
    opt_whole,
    rows,
    seconds,
    whole,
)
from .protocol import Payload, Unreadable

UNITS: Final = {"A": "A", "W": "W"}
_KINDS: Final = {kind.value: kind for kind in Kind}
_RECURRENCIES: Final = {"Daily": "Daily", "Weekly": "Weekly"}


@dataclass(frozen=True)
class Dialect:
    """How one version writes a profile: the name of its id, its purposes, whether transactions are whole numbers and
    whether schedules come in a list and carry ids."""

    version: str
    id_key: str
    purposes: dict[str, Purpose]
    numeric_tx: bool
    many_schedules: bool

    def purpose(self, purpose: Purpose) -> str:
        """The word for a purpose. ValueError for one the version doesn't have."""
        for word, meant in self.purposes.items():
            if meant is purpose:
                return word
        raise ValueError(f"OCPP {self.version} has no purpose {purpose.value}")


def tx_number(tx: str) -> int:
    """A transaction id of 1.6. ValueError for one that is no whole number."""
    try:
        return int(tx)
    except ValueError:
        raise ValueError(f"transaction {tx!r} is not a whole number, as 1.6 needs") from None


def write_period(period: Period) -> Payload:
    """A schedule period: whole seconds and a limit with one decimal, both rounded down."""
    return no_nones(startPeriod=seconds(period.start_s), limit=limit_down(period.limit), numberPhases=period.number_phases)


def read_periods(schedule: Payload) -> tuple[Period, ...]:
    """At least one period."""
    found = tuple(
        Period(bounded(row, "startPeriod"), bounded(row, "limit"), opt_whole(row, "numberPhases", 1))
        for row in rows(schedule, "chargingSchedulePeriod")
    )
    if not found:
        raise Unreadable("occurrence", "chargingSchedulePeriod: at least one period expected")
    return found


def write_profile(profile: ChargingProfile, cal: Calendar, how: Dialect) -> Payload:
    tx = profile.transaction
    schedule = no_nones(
        id=profile.id if how.many_schedules else None,
        startSchedule=iso(cal, profile.start),
        duration=opt_seconds(profile.duration_s),
        chargingRateUnit=profile.unit,
        chargingSchedulePeriod=[write_period(period) for period in profile.periods],
        minChargingRate=None if profile.min_rate is None else limit_down(profile.min_rate),
    )
    written = no_nones(
        stackLevel=profile.stack_level,
        chargingProfilePurpose=how.purpose(profile.purpose),
        chargingProfileKind=profile.kind.value,
        recurrencyKind=profile.recurrency,
        validFrom=iso(cal, profile.valid_from),
        validTo=iso(cal, profile.valid_to),
        transactionId=tx_number(tx) if tx is not None and how.numeric_tx else tx,
        chargingSchedule=[schedule] if how.many_schedules else schedule,
    )
    return {how.id_key: profile.id} | written


def read_profile(payload: Payload, cal: Calendar, how: Dialect) -> ChargingProfile:
    """Several schedules in one profile need ISO 15118 (K01.FR.34), which is not spoken here: Unreadable."""
    schedules = rows(payload, "chargingSchedule")
    if len(schedules) != 1:
        raise Unreadable("property", f"chargingSchedule: one schedule expected, found {len(schedules)}")
    schedule = schedules[0]
    numbered = how.numeric_tx and payload.get("transactionId") is not None
    return ChargingProfile(
        id=whole(payload, how.id_key),
        purpose=one_of(payload, "chargingProfilePurpose", how.purposes),
        periods=read_periods(schedule),
        stack_level=whole(payload, "stackLevel", 0),
        kind=one_of(payload, "chargingProfileKind", _KINDS),
        unit=one_of(schedule, "chargingRateUnit", UNITS),
        start=opt_moment(schedule, "startSchedule", cal),
        duration_s=opt_bounded(schedule, "duration"),
        valid_from=opt_moment(payload, "validFrom", cal),
        valid_to=opt_moment(payload, "validTo", cal),
        recurrency=one_of(payload, "recurrencyKind", _RECURRENCIES, None),
        transaction=str(whole(payload, "transactionId")) if numbered else opt_text(payload, "transactionId"),
        min_rate=opt_bounded(schedule, "minChargingRate"),
    )
