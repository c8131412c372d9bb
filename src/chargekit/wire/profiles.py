"""Charging profiles on the wire: what both versions share, and the few names in which they differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from chargekit.model.calendar import Calendar
from chargekit.model.profile import ABSENT, ChargingProfile, Kind, Mode, Period, Purpose, ThreeFold, V2x

from .fields import (
    bounded,
    flag,
    iso,
    limit_down,
    no_nones,
    one_of,
    opt_bounded,
    opt_moment,
    opt_seconds,
    opt_table,
    opt_text,
    opt_whole,
    rows,
    seconds,
    whole,
)
from .protocol import Payload, Unreadable

_PHASES: Final = ("", "_L2", "_L3")
UNITS: Final = {"A": "A", "W": "W"}
_KINDS: Final = {kind.value: kind for kind in Kind if kind is not Kind.DYNAMIC}
_KINDS_21: Final = {kind.value: kind for kind in Kind}
_MODES: Final = {mode.value: mode for mode in Mode}
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


def write_period(period: Period, how: Dialect | None = None) -> Payload:
    """A schedule period: whole seconds and limits with one decimal, all rounded down.

    What a version lacks is left out; ValueError without a limit where the version needs one.
    """
    if period.limit == ABSENT and (how is None or how.version != "2.1"):
        raise ValueError("a period needs a limit before OCPP 2.1")
    written = no_nones(
        startPeriod=seconds(period.start_s),
        limit=None if period.limit == ABSENT else limit_down(period.limit),
        numberPhases=period.number_phases,
    )
    if how is None or how.version == "1.6":
        return written
    if period.phase_to_use is not None:
        written["phaseToUse"] = period.phase_to_use
    return written | _write_v2x(period) if how.version == "2.1" else written


def _write_v2x(period: Period) -> Payload:
    written = no_nones(limit_L2=_down(period.limit_l2), limit_L3=_down(period.limit_l3))
    v2x = period.v2x
    if v2x is None:
        return written
    for name, value in (("dischargeLimit", v2x.discharge), ("setpoint", v2x.setpoint), ("setpointReactive", v2x.reactive)):
        written |= {f"{name}{phase}": one for phase, one in zip(_PHASES, value, strict=True) if one is not None}
    if v2x.mode is not Mode.CHARGING_ONLY:
        written["operationMode"] = v2x.mode.value
    if v2x.baseline is not None:
        written["v2xBaseline"] = v2x.baseline
    if v2x.sleep:
        written["evseSleep"] = True
    if v2x.freq_watt:
        written["v2xFreqWattCurve"] = [{"frequency": x, "power": y} for x, y in v2x.freq_watt]
    if v2x.signal_watt:
        written["v2xSignalWattCurve"] = [{"signal": int(x), "power": y} for x, y in v2x.signal_watt]
    return written


def _down(limit: float | None) -> float | None:
    return None if limit is None else limit_down(limit)


def read_periods(schedule: Payload, how: Dialect | None = None) -> tuple[Period, ...]:
    """At least one period."""
    found = tuple(_read_period(row, how) for row in rows(schedule, "chargingSchedulePeriod"))
    if not found:
        raise Unreadable("occurrence", "chargingSchedulePeriod: at least one period expected")
    return found


def _read_period(row: Payload, how: Dialect | None) -> Period:
    version = how.version if how is not None else "1.6"
    limit = opt_bounded(row, "limit") if version == "2.1" else bounded(row, "limit")
    period = Period(bounded(row, "startPeriod"), ABSENT if limit is None else limit, opt_whole(row, "numberPhases", 1))
    if version == "1.6":
        return period
    period = replace(period, phase_to_use=opt_whole(row, "phaseToUse", 1))
    if version != "2.1":
        return period
    v2x = V2x(
        one_of(row, "operationMode", _MODES, Mode.CHARGING_ONLY),
        _three(row, "setpoint"),
        _three(row, "dischargeLimit"),
        _three(row, "setpointReactive"),
        opt_bounded(row, "v2xBaseline"),
        tuple((bounded(p, "frequency"), bounded(p, "power")) for p in _points(row, "v2xFreqWattCurve")),
        tuple((float(whole(p, "signal")), bounded(p, "power")) for p in _points(row, "v2xSignalWattCurve")),
        flag(row, "evseSleep"),
    )
    return replace(
        period, limit_l2=opt_bounded(row, "limit_L2"), limit_l3=opt_bounded(row, "limit_L3"), v2x=None if v2x == V2x() else v2x
    )  # fmt: skip


def _points(row: Payload, key: str) -> list[Payload]:
    return rows(row, key) if row.get(key) is not None else []


def _three(row: Payload, key: str) -> ThreeFold:
    return (opt_bounded(row, key), opt_bounded(row, f"{key}_L2"), opt_bounded(row, f"{key}_L3"))


def write_profile(profile: ChargingProfile, cal: Calendar, how: Dialect) -> Payload:
    tx = profile.transaction
    news = how.version == "2.1"
    if profile.kind is Kind.DYNAMIC and not news:
        raise ValueError(f"OCPP {how.version} has no profile kind {profile.kind.value}")
    soc = profile.limit_at_soc
    schedule = no_nones(
        id=profile.id if how.many_schedules else None,
        startSchedule=iso(cal, profile.start),
        duration=opt_seconds(profile.duration_s),
        chargingRateUnit=profile.unit,
        chargingSchedulePeriod=[write_period(period, how) for period in profile.periods],
        minChargingRate=None if profile.min_rate is None else limit_down(profile.min_rate),
        useLocalTime=True if news and profile.local_time else None,
        randomizedDelay=seconds(profile.random_delay_s) if news and profile.random_delay_s else None,
        limitAtSoC={"soc": int(soc[0]), "limit": limit_down(soc[1])} if news and soc is not None else None,
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
        maxOfflineDuration=opt_seconds(profile.max_offline_s) if news else None,
        invalidAfterOfflineDuration=True if news and profile.invalid_after_offline else None,
        dynUpdateInterval=opt_seconds(profile.dyn_interval_s) if news else None,
        dynUpdateTime=iso(cal, profile.dyn_updated) if news else None,
    )
    return {how.id_key: profile.id} | written


def read_profile(payload: Payload, cal: Calendar, how: Dialect) -> ChargingProfile:
    """Several schedules in one profile need ISO 15118 (K01.FR.34), which is not spoken here: Unreadable."""
    schedules = rows(payload, "chargingSchedule")
    if len(schedules) != 1:
        raise Unreadable("property", f"chargingSchedule: one schedule expected, found {len(schedules)}")
    schedule = schedules[0]
    numbered = how.numeric_tx and payload.get("transactionId") is not None
    read = ChargingProfile(
        id=whole(payload, how.id_key),
        purpose=one_of(payload, "chargingProfilePurpose", how.purposes),
        periods=read_periods(schedule, how),
        stack_level=whole(payload, "stackLevel", 0),
        kind=one_of(payload, "chargingProfileKind", _KINDS_21 if how.version == "2.1" else _KINDS),
        unit=one_of(schedule, "chargingRateUnit", UNITS),
        start=opt_moment(schedule, "startSchedule", cal),
        duration_s=opt_bounded(schedule, "duration"),
        valid_from=opt_moment(payload, "validFrom", cal),
        valid_to=opt_moment(payload, "validTo", cal),
        recurrency=one_of(payload, "recurrencyKind", _RECURRENCIES, None),
        transaction=str(whole(payload, "transactionId")) if numbered else opt_text(payload, "transactionId"),
        min_rate=opt_bounded(schedule, "minChargingRate"),
    )
    if how.version != "2.1":
        return read
    soc = opt_table(schedule, "limitAtSoC")
    return replace(
        read,
        max_offline_s=opt_bounded(payload, "maxOfflineDuration"),
        invalid_after_offline=flag(payload, "invalidAfterOfflineDuration"),
        dyn_interval_s=opt_bounded(payload, "dynUpdateInterval"),
        dyn_updated=opt_moment(payload, "dynUpdateTime", cal),
        local_time=flag(schedule, "useLocalTime"),
        random_delay_s=opt_bounded(schedule, "randomizedDelay") or 0.0,
        limit_at_soc=None if soc is None else (bounded(soc, "soc"), bounded(soc, "limit")),
    )
