"""OCPP charging profiles, in the words of OCPP 2.x. Times are run seconds (see Calendar); limits are A per phase or W."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final, Literal


class Purpose(StrEnum):
    """The last two are of OCPP 2.1."""

    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"
    EXTERNAL = "ChargingStationExternalConstraints"
    PRIORITY = "PriorityCharging"
    GENERATION = "LocalGeneration"


class Kind(StrEnum):
    """Dynamic is of OCPP 2.1."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"
    DYNAMIC = "Dynamic"


class Mode(StrEnum):
    """What a period of OCPP 2.1 asks for (part 2, use cases Q)."""

    IDLE = "Idle"
    CHARGING_ONLY = "ChargingOnly"
    CENTRAL_SETPOINT = "CentralSetpoint"
    EXTERNAL_SETPOINT = "ExternalSetpoint"
    EXTERNAL_LIMITS = "ExternalLimits"
    CENTRAL_FREQUENCY = "CentralFrequency"
    LOCAL_FREQUENCY = "LocalFrequency"
    LOCAL_BALANCING = "LocalLoadBalancing"


RateUnit = Literal["A", "W"]
Curve = tuple[tuple[float, float], ...]
ThreeFold = tuple[float | None, float | None, float | None]
NO_THREE: Final[ThreeFold] = (None, None, None)
ABSENT: Final = math.inf
"""The limit of a period that has none (2.1 only)."""


@dataclass(frozen=True, slots=True)
class V2x:
    """What OCPP 2.1 adds to a period. Setpoints and discharge limits (at most 0) are in the schedule's unit, on L1, L2, L3 where they
    differ; `freq_watt` and `signal_watt` are points (Hz or signal, W)."""

    mode: Mode = Mode.CHARGING_ONLY
    setpoint: ThreeFold = NO_THREE
    discharge: ThreeFold = NO_THREE
    reactive: ThreeFold = NO_THREE
    baseline: float | None = None
    freq_watt: Curve = ()
    signal_watt: Curve = ()
    sleep: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` after the schedule's start: `limit` in the schedule's unit, on `number_phases` (absent: 3).

    `phase_to_use` (1 to 3) only with one phase. Where `limit_l2` or `limit_l3` is given, `limit` is that of L1.
    """

    start_s: float
    limit: float = ABSENT
    number_phases: int | None = None
    phase_to_use: int | None = None
    limit_l2: float | None = None
    limit_l3: float | None = None
    v2x: V2x | None = None

    @property
    def mode(self) -> Mode:
        return Mode.CHARGING_ONLY if self.v2x is None else self.v2x.mode


@dataclass(frozen=True, slots=True)
class ChargingProfile:
    """One profile with one schedule. `start` None with kind Relative (or absent in 1.6) counts from the transaction.

    `transaction` only for TxProfile; `recurrency` only for Recurring. From `max_offline_s` on are the additions of 2.1:
    invalid after so long without a link, and for good with `invalid_after_offline`; a Dynamic profile was updated at `dyn_updated` and
    asks for news every `dyn_interval_s`; with `local_time`, `start` is what the wall clock reads, as if the zone were UTC; every period
    but the first begins up to `random_delay_s` late; `limit_at_soc` is (percent, limit from there on).
    """

    id: int
    purpose: Purpose
    periods: tuple[Period, ...]
    stack_level: int = 0
    kind: Kind = Kind.ABSOLUTE
    unit: RateUnit = "A"
    start: float | None = None
    duration_s: float | None = None
    valid_from: float | None = None
    valid_to: float | None = None
    recurrency: Literal["Daily", "Weekly"] | None = None
    transaction: str | None = None
    min_rate: float | None = None
    max_offline_s: float | None = None
    invalid_after_offline: bool = False
    dyn_interval_s: float | None = None
    dyn_updated: float | None = None
    local_time: bool = False
    random_delay_s: float = 0.0
    limit_at_soc: tuple[float, float] | None = None


# --- as plain data --------------------------------------------------------------------------------------------------


def _unlike_default(thing: Any) -> dict[str, Any]:
    return {f.name: getattr(thing, f.name) for f in fields(thing) if getattr(thing, f.name) != f.default}


def period_data(period: Period) -> dict[str, Any]:
    data = _unlike_default(period)
    if period.v2x is not None:
        data["v2x"] = _unlike_default(period.v2x)
    return data


def profile_data(profile: ChargingProfile) -> dict[str, Any]:
    """A profile as plain data, for `profile_of`."""
    data = {name: getattr(profile, name) for name in ChargingProfile.__slots__}
    data["periods"] = [period_data(period) for period in profile.periods]
    return data


def _v2x_of(data: Mapping[str, Any]) -> V2x:
    made: dict[str, Any] = {k: tuple(v) if k in ("setpoint", "discharge", "reactive") else v for k, v in data.items()}
    for name in ("freq_watt", "signal_watt"):
        if name in made:
            made[name] = tuple((float(x), float(y)) for x, y in made[name])
    return V2x(**{**made, "mode": Mode(made.get("mode", Mode.CHARGING_ONLY))})


def _period_of(data: Mapping[str, Any]) -> Period:
    if data.get("v2x") is not None:
        return Period(**{**data, "v2x": _v2x_of(data["v2x"])})
    return Period(**data)


def profile_of(data: Mapping[str, Any]) -> ChargingProfile:
    """A profile from plain data: that of `profile_data`, with absent fields at their defaults."""
    soc = data.get("limit_at_soc")
    made = {
        "purpose": Purpose(data["purpose"]),
        "kind": Kind(data.get("kind", Kind.ABSOLUTE)),
        "periods": tuple(_period_of(p) for p in data["periods"]),
        "limit_at_soc": None if soc is None else (soc[0], soc[1]),
    }
    return ChargingProfile(**{**data, **made})
