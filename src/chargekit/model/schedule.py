"""Which charging profile leads, and what limit follows: the smart-charging rules of OCPP as pure functions.

Clauses are those of OCPP 2.0.1 part 2, block K (1.6: section 3.13). Times are run seconds on the station's own clock; limits are
amperes per phase.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chargekit.model.profile import ChargingProfile, Kind, Period, Purpose

CYCLE_S: Final = {"Daily": 86400.0, "Weekly": 604800.0}
NEVER: Final = math.inf
LEVELS: Final = 64
PERIODS: Final = 24


@dataclass(frozen=True, slots=True)
class InForce:
    """The limit now: A per phase (infinity when nothing limits), the profiles that lead, and until when that holds."""

    limit_a: float
    leading: tuple[ChargingProfile, ...]
    until: float


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile where it was set: EVSE 0 is the whole station."""

    evse: int
    profile: ChargingProfile


def period_at(profile: ChargingProfile, now: float, tx_started: float | None) -> tuple[Period | None, float]:
    """The period in force and when that changes; None where the profile has none at this instant.

    validFrom <= now < validTo (K01.FR.36/37); nothing before startSchedule (K01.FR.30); a period lasts until the next one
    or the duration ends (K01.FR.12); Recurring restarts each day or week and ends with its duration (K01.FR.13).
    """
    if profile.valid_from is not None and now < profile.valid_from:
        return None, profile.valid_from
    end = NEVER if profile.valid_to is None else profile.valid_to
    if now >= end:
        return None, NEVER
    start = profile.start if profile.kind is not Kind.RELATIVE and profile.start is not None else tx_started
    if start is None:
        start = now if tx_started is None else tx_started
    if now < start:
        return None, min(start, end)
    lasts = NEVER if profile.duration_s is None else profile.duration_s
    again = NEVER
    if profile.kind is Kind.RECURRING:
        cycle = CYCLE_S[profile.recurrency or "Daily"]
        start += math.floor((now - start) / cycle) * cycle
        again, lasts = start + cycle, min(lasts, cycle)
    into = now - start
    if into >= lasts:
        return None, min(again, end)
    current: Period | None = None
    for period in profile.periods:
        if period.start_s > into:
            return current, min(start + period.start_s, start + lasts, end)
        current = period
    return current, min(start + lasts, end)


def amps(profile: ChargingProfile, period: Period, nominal_v: float) -> float:
    """A per phase of a period. W are shared by its phases at nominal voltage (K01.FR.50; absent phases: 3, K01.FR.49)."""
    if profile.unit == "A":
        return period.limit
    return period.limit / (nominal_v * (period.number_phases or 3))


def leader(
    profiles: Iterable[ChargingProfile], now: float, tx_started: float | None
) -> tuple[ChargingProfile | None, Period | None, float]:
    """The highest stack level that has a period now (K01.FR.17, section 3.6), and until when it can be relied on."""
    best: tuple[ChargingProfile, Period] | None = None
    until = NEVER
    for profile in profiles:
        period, changes = period_at(profile, now, tx_started)
        until = min(until, changes)
        if period is not None and (best is None or profile.stack_level > best[0].stack_level):
            best = (profile, period)
    return (best[0], best[1], until) if best else (None, None, until)


class ProfileStore:
    """The profiles installed on a station, and the rules for setting, clearing and combining them."""

    def __init__(self, evses: Sequence[int], nominal_v: float = 230.0, units: Sequence[str] = ("A", "W")) -> None:
        self.evses = tuple(evses)
        self.nominal_v = nominal_v
        self.units = tuple(units)
        self.installed: list[Installed] = []

    # --- setting and clearing -----------------------------------------------------------------------------------

    def refusal(self, evse: int, profile: ChargingProfile, active_tx: str | None) -> str:
        """Why this profile can't be set, as a reason code; empty when it can."""
        if evse != 0 and evse not in self.evses:
            return "UnknownEvse"  # K01.FR.28
        if profile.purpose is Purpose.EXTERNAL:
            return "InvalidValue"  # K01.FR.22
        if profile.purpose is Purpose.STATION_MAX and evse != 0:
            return "InvalidProfile"  # K04.FR.03
        if profile.purpose is Purpose.TX:
            if evse == 0:
                return "InvalidProfile"  # K01.FR.16
            if active_tx is None:
                return "TxNotFound"  # K01.FR.09
            if profile.transaction is not None and profile.transaction != active_tx:
                return "TxNotFound"  # K01.FR.33
        if profile.unit not in self.units:
            return "UnsupportedRateUnit"  # K01.FR.26
        return self._malformed(profile)

    @staticmethod
    def _malformed(profile: ChargingProfile) -> str:
        starts = [p.start_s for p in profile.periods]
        if not starts or len(starts) > PERIODS or starts[0] != 0 or any(b <= a for a, b in itertools.pairwise(starts)):
            return "InvalidSchedule"  # K01.FR.31, K01.FR.35
        if any(not math.isfinite(p.limit) or p.limit < 0 for p in profile.periods):
            return "InvalidSchedule"
        if profile.kind is Kind.RELATIVE and profile.start is not None:
            return "InvalidSchedule"  # K01.FR.41
        if profile.kind is Kind.RECURRING and profile.start is None:
            return "InvalidSchedule"  # K01.FR.40
        if not 0 <= profile.stack_level <= LEVELS:
            return "InvalidStackLevel"
        return ""

    def set(self, evse: int, profile: ChargingProfile) -> None:
        """Install; replaces the same id, and the same purpose and stack level on the same EVSE (1.6 section 5.16.3)."""
        self.installed = [
            one
            for one in self.installed
            if not (
                one.profile.id == profile.id
                or (one.evse == evse and one.profile.purpose is profile.purpose and one.profile.stack_level == profile.stack_level)
            )
        ]
        self.installed.append(Installed(evse, profile))

    def clear(
        self,
        id: int | None = None,
        evse: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
    ) -> int:
        """Remove what matches (an id alone, or all other criteria together: K10.FR.03/04); how many went."""

        def goes(one: Installed) -> bool:
            if one.profile.purpose is Purpose.EXTERNAL:
                return False  # K10.FR.06
            if id is not None:
                return one.profile.id == id
            return (
                (evse is None or one.evse == evse)
                and (purpose is None or one.profile.purpose is purpose)
                and (stack_level is None or one.profile.stack_level == stack_level)
            )

        before = len(self.installed)
        self.installed = [one for one in self.installed if not goes(one)]
        return before - len(self.installed)

    def end_transaction(self, evse: int) -> None:
        """A TxProfile goes with its transaction (K02.FR.05)."""
        self.installed = [one for one in self.installed if not (one.evse == evse and one.profile.purpose is Purpose.TX)]

    # --- resolving ----------------------------------------------------------------------------------------------

    def of(self, purpose: Purpose, evse: int) -> list[ChargingProfile]:
        """Profiles of a purpose that apply to an EVSE; its own TxDefault at a level hides the station-wide one (K01.FR.14/15)."""
        own = [one.profile for one in self.installed if one.profile.purpose is purpose and one.evse == evse]
        if evse == 0 or purpose is Purpose.TX:
            return own
        levels = {p.stack_level for p in own}
        wide = [
            one.profile
            for one in self.installed
            if one.profile.purpose is purpose and one.evse == 0 and one.profile.stack_level not in levels
        ]
        return own + wide

    def limit_at(self, evse: int, now: float, *, transaction: str | None, started: float | None) -> InForce:
        """The limit of one EVSE: TxProfile over TxDefaultProfile (K02.FR.04, K02.FR.08), and never above a maximum."""
        limit, until = NEVER, NEVER
        leading: list[ChargingProfile] = []
        if transaction is not None:
            mine = [p for p in self.of(Purpose.TX, evse) if p.transaction in (None, transaction)]
            first, period, changes = leader(mine, now, started)
            until = min(until, changes)
            if first is not None and period is not None:
                limit = amps(first, period, self.nominal_v)
                leading.append(first)
        if not leading:
            first, period, changes = leader(self.of(Purpose.TX_DEFAULT, evse), now, started)
            until = min(until, changes)
            if first is not None and period is not None:
                limit = amps(first, period, self.nominal_v)
                leading.append(first)
        for purpose in (Purpose.STATION_MAX, Purpose.EXTERNAL):
            first, period, changes = leader(self.of(purpose, 0), now, started)
            until = min(until, changes)
            if first is not None and period is not None:
                limit = min(limit, amps(first, period, self.nominal_v))
                leading.append(first)
        return InForce(limit, tuple(leading), until)

    def composite(
        self,
        evse: int,
        now: float,
        duration_s: float,
        *,
        transaction: str | None,
        started: float | None,
        hardware_a: float,
    ) -> tuple[Period, ...]:
        """The composite schedule in A per phase from `now` (K08); no limit shows as the hardware's own."""
        out: list[Period] = []
        at = now
        while at < now + duration_s and len(out) < 500:
            force = self.limit_at(evse, at, transaction=transaction or "", started=now if started is None else started)
            limit = min(force.limit_a, hardware_a)
            if not out or out[-1].limit != limit:
                out.append(Period(round(at - now, 3), limit, 3))
            at = force.until
        return tuple(out)

    # --- keeping ------------------------------------------------------------------------------------------------

    def to_json(self) -> list[Any]:
        return [{"evse": one.evse, "profile": profile_data(one.profile)} for one in self.installed]

    def load(self, saved: Iterable[Mapping[str, Any]]) -> None:
        self.installed = [Installed(int(one["evse"]), profile_of(one["profile"])) for one in saved]


def profile_data(profile: ChargingProfile) -> dict[str, Any]:
    """A profile as plain data, for `profile_of`."""
    data = {name: getattr(profile, name) for name in ChargingProfile.__slots__}
    data["periods"] = [{"start_s": p.start_s, "limit": p.limit, "number_phases": p.number_phases} for p in profile.periods]
    return data


def profile_of(data: Mapping[str, Any]) -> ChargingProfile:
    """A profile from `dataclasses.asdict` data."""
    periods = tuple(Period(**p) for p in data["periods"])
    return replace(
        ChargingProfile(**{**data, "purpose": Purpose(data["purpose"]), "kind": Kind(data["kind"]), "periods": ()}),
        periods=periods,
    )
