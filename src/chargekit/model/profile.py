"""OCPP charging profiles, in the words of OCPP 2.0.1. Times are run seconds (see Calendar); limits are A per phase or W."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Purpose(StrEnum):
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"
    EXTERNAL = "ChargingStationExternalConstraints"


class Kind(StrEnum):
    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


RateUnit = Literal["A", "W"]


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` after the schedule's start: `limit` in the schedule's unit, on `number_phases` (absent: 3)."""

    start_s: float
    limit: float
    number_phases: int | None = None


@dataclass(frozen=True, slots=True)
class ChargingProfile:
    """One profile with one schedule. `start` None with kind Relative (or absent in 1.6) counts from the transaction.

    `transaction` only for TxProfile; `recurrency` only for Recurring.
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
