"""Which charging profile leads, and what limit follows: the smart-charging rules of OCPP as pure functions.

Clauses are those of OCPP 2.1 part 2, block K, where 2.0.1 has them too (1.6: section 3.13). Times are run seconds on the station's own
clock; limits are amperes per phase. Where 2.1 says "after more than", a limit ends at that instant: all intervals are half open.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from chargekit.model.calendar import Calendar
from chargekit.model.profile import ChargingProfile, Kind, Mode, Period, Purpose, RateUnit, V2x

CYCLE_S: Final = {"Daily": 86400.0, "Weekly": 604800.0}
NEVER: Final = math.inf
_MOST_PERIODS: Final = 500


@dataclass(frozen=True, slots=True)
class InForce:
    """The limit now: A per phase (infinity when nothing limits), the profiles that lead, and until when that holds.

    `phases`: the lowest number of phases any of them allows, None where none says (3). A `setpoint_a` (2.1; below 0 to discharge) lies
    within `discharge_a` and `limit_a` already.
    """

    limit_a: float
    leading: tuple[ChargingProfile, ...]
    until: float
    phases: int | None = None
    phase_to_use: int | None = None
    mode: Mode = Mode.CHARGING_ONLY
    setpoint_a: float | None = None
    discharge_a: float | None = None

    @property
    def flow_a(self) -> float:
        """The most a vehicle that can only charge may draw."""
        if self.mode is Mode.IDLE:
            return 0.0
        return self.limit_a if self.setpoint_a is None else max(0.0, min(self.limit_a, self.setpoint_a))


class Conditions(NamedTuple):
    """What beside the time decides: nominal V, since when the link is down, the vehicle's charge, the site's calendar, and whether a
    setpoint of the CSMS goes before an external one (2.1 SetpointPriority)."""

    nominal_v: float = 230.0
    offline_since: float | None = None
    soc_percent: float | None = None
    calendar: Calendar | None = None
    csms_first: bool = False


class Stack(NamedTuple):
    """The profiles that apply to one EVSE, each group by falling stack level.

    `main`: groups in the order in which they replace each other (PriorityCharging, TxProfile, TxDefaultProfile). `caps`: of each the
    leader limits. `more`: of each the leader's capacity comes on top (LocalGeneration).
    """

    main: tuple[tuple[ChargingProfile, ...], ...] = ()
    caps: tuple[tuple[ChargingProfile, ...], ...] = ()
    more: tuple[tuple[ChargingProfile, ...], ...] = ()


# --- one profile ----------------------------------------------------------------------------------------------------


def period_at(
    profile: ChargingProfile, now: float, tx_started: float | None, calendar: Calendar | None = None
) -> tuple[Period | None, float]:
    """The period in force and when that changes; None where the profile has none at this instant.

    validFrom <= now < validTo (K01.FR.36/37); nothing before startSchedule (K01.FR.30); a period lasts until the next one
    or the duration ends (K01.FR.12); Recurring restarts each day or week and ends with its duration (K01.FR.13). A local-time schedule
    is read against the wall clock of `calendar` (K01.FR.90/91).
    """
    if profile.valid_from is not None and now < profile.valid_from:
        return None, profile.valid_from
    end = NEVER if profile.valid_to is None else profile.valid_to
    if now >= end:
        return None, NEVER
    kind = profile.kind
    if kind is Kind.DYNAMIC:
        return _dynamic(profile, now, end)
    begin = profile.start if kind is not Kind.RELATIVE else None
    shown = now
    if begin is None:
        start = now if tx_started is None else tx_started
    else:
        start = begin
        if profile.local_time and calendar is not None:
            shown = now + calendar.offset_s(now)
            shift = calendar.next_shift(now)
            end = shift if shift < end else end
    if shown < start:
        return None, min(now + (start - shown), end) if shown != now else min(start, end)
    lasts = NEVER if profile.duration_s is None else profile.duration_s
    again = NEVER
    if kind is Kind.RECURRING:
        cycle = CYCLE_S[profile.recurrency or "Daily"]
        start += math.floor((shown - start) / cycle) * cycle
        again, lasts = start + cycle, min(lasts, cycle)
    into = shown - start
    ahead = shown - now
    if into >= lasts:
        return None, min(again - ahead, end)
    current: Period | None = None
    for period in profile.periods:
        if period.start_s > into:
            return current, min(start + period.start_s - ahead, start + lasts - ahead, end)
        current = period
    return current, min(start + lasts - ahead, end)


def _dynamic(profile: ChargingProfile, now: float, end: float) -> tuple[Period | None, float]:
    """Its one period, until `duration` after the last update (K28.FR.13/15)."""
    if profile.start is not None and now < profile.start:
        return None, min(profile.start, end)
    if profile.duration_s is not None:
        since = profile.dyn_updated if profile.dyn_updated is not None else profile.start
        if since is not None:
            if now >= since + profile.duration_s:
                return None, NEVER
            end = min(end, since + profile.duration_s)
    return (profile.periods[0] if profile.periods else None), end


def delayed(profile: ChargingProfile, rng: random.Random) -> ChargingProfile:
    """The profile with the random delay of each period but the first drawn (K01.FR.92); what thereby begins no sooner than its
    successor, or after the end, is left out (K01.FR.97)."""
    drawn = [p.start_s if n == 0 else p.start_s + rng.uniform(0.0, profile.random_delay_s) for n, p in enumerate(profile.periods)]
    end = NEVER if profile.duration_s is None else profile.duration_s
    after = [min(drawn[n + 1 :], default=NEVER) for n in range(len(drawn))]
    kept = tuple(
        replace(p, start_s=at) for p, at, then in zip(profile.periods, drawn, after, strict=True) if at < then and (at < end or at == 0.0)
    )
    return replace(profile, periods=kept, random_delay_s=0.0)


# --- figures --------------------------------------------------------------------------------------------------------


def amps(profile: ChargingProfile, period: Period, nominal_v: float, soc_percent: float | None = None) -> float:
    """A per phase of a period. W are shared by its phases at nominal voltage (K01.FR.50; absent phases: 3, K01.FR.49).

    Separate limits of phases become the lowest, which a pilot can hold (K01.FR.147); from its charge on, a vehicle gets `limit_at_soc`
    at most (K01.FR.100).
    """
    limit = period.limit
    if profile.limit_at_soc is not None and soc_percent is not None and soc_percent >= profile.limit_at_soc[0]:
        limit = min(limit, profile.limit_at_soc[1])
    if period.limit_l2 is None and period.limit_l3 is None:
        return limit if profile.unit == "A" else limit / (nominal_v * (period.number_phases or 3))
    least = min(limit, *(x for x in (period.limit_l2, period.limit_l3) if x is not None))
    return least if profile.unit == "A" else least / nominal_v


def _signed_a(profile: ChargingProfile, period: Period, value: float, nominal_v: float) -> float:
    return value if profile.unit == "A" else value / (nominal_v * (period.number_phases or 3))


def leader(
    profiles: Iterable[ChargingProfile], now: float, tx_started: float | None, given: Conditions = Conditions()
) -> tuple[ChargingProfile | None, Period | None, float]:
    """The first that has a period now (K01.FR.17, section 3.6), and until when it can be relied on.

    `profiles` by falling stack level. One that may be without a link only for so long does not count after that (K01.FR.101/103).
    """
    until = NEVER
    for profile in profiles:
        if profile.max_offline_s is not None and given.offline_since is not None:
            over = given.offline_since + profile.max_offline_s
            if now >= over:
                continue
            until = min(until, over)
        period, changes = period_at(profile, now, tx_started, given.calendar)
        if changes < until:
            until = changes
        if period is not None:
            return profile, period, until
    return None, None, until


# --- all together ---------------------------------------------------------------------------------------------------


def resolve(stack: Stack, now: float, tx_started: float | None, given: Conditions = Conditions()) -> InForce:
    """The limit of one EVSE (SC.01, K08.FR.04): what leads for the transaction (K02.FR.04, K02.FR.08, K21.FR.04), never above a
    maximum, plus what is generated on the spot; setpoints within the limits (V2X.03, V2X.04)."""
    limit, until = NEVER, NEVER
    leading: list[ChargingProfile] = []
    parts: list[tuple[ChargingProfile, Period]] = []
    for group in stack.main:
        first, period, changes = leader(group, now, tx_started, given)
        if changes < until:
            until = changes
        if first is not None and period is not None:
            limit = amps(first, period, given.nominal_v, given.soc_percent)
            leading.append(first)
            parts.append((first, period))
            break
    for group in stack.caps:
        first, period, changes = leader(group, now, tx_started, given)
        if changes < until:
            until = changes
        if first is not None and period is not None:
            most = amps(first, period, given.nominal_v, given.soc_percent)
            if most < limit:
                limit = most
            leading.append(first)
            parts.append((first, period))
    for group in stack.more:
        first, period, changes = leader(group, now, tx_started, given)
        if changes < until:
            until = changes
        if first is not None and period is not None:
            limit += amps(first, period, given.nominal_v, given.soc_percent)
            leading.append(first)
    force = InForce(limit, tuple(leading), until, *_phases(parts))
    return _with_setpoint(force, parts, given) if any(period.v2x is not None for _, period in parts) else force


def _phases(parts: Sequence[tuple[ChargingProfile, Period]]) -> tuple[int | None, int | None]:
    """The lowest number of phases that is said (K01.FR.140), and the phase to use."""
    lowest = use = None
    for _, period in parts:
        if period.number_phases is not None and (lowest is None or period.number_phases < lowest):
            lowest = period.number_phases
        if period.phase_to_use is not None and use is None:
            use = period.phase_to_use
    return lowest, use


def _with_setpoint(force: InForce, parts: Sequence[tuple[ChargingProfile, Period]], given: Conditions) -> InForce:
    """An external setpoint goes before that of the CSMS, unless SetpointPriority says otherwise (Q06.FR.20 to FR.22)."""
    mode, setpoint, discharge = Mode.CHARGING_ONLY, None, None
    for profile, period in parts:
        if profile.purpose in (Purpose.TX, Purpose.TX_DEFAULT, Purpose.PRIORITY):
            mode = period.mode
        v2x = period.v2x
        if v2x is None:
            continue
        outer = profile.purpose is Purpose.EXTERNAL and v2x.mode is Mode.EXTERNAL_SETPOINT and not given.csms_first
        if v2x.setpoint[0] is not None and (setpoint is None or outer):
            setpoint = _signed_a(profile, period, v2x.setpoint[0], given.nominal_v)
            over = profile.limit_at_soc
            if over is not None and given.soc_percent is not None and given.soc_percent >= over[0]:
                setpoint = min(setpoint, _signed_a(profile, period, over[1], given.nominal_v))
        if v2x.discharge[0] is not None:
            one = _signed_a(profile, period, v2x.discharge[0], given.nominal_v)
            discharge = one if discharge is None else max(discharge, one)
    if setpoint is not None:
        setpoint = min(setpoint, force.limit_a) if setpoint > 0.0 else max(setpoint, discharge if discharge is not None else setpoint)
    return replace(force, mode=mode, setpoint_a=setpoint, discharge_a=discharge)


def share_a(total_a: float, wants: Mapping[int, float], least_a: float = 0.0) -> dict[int, float]:
    """Split what the whole station may draw over its EVSEs, by what each may use at most: equal parts, and what one does not use is the
    others' (section 3.6: the sum must not exceed the maximum).

    Where an equal part would be less than `least_a`, those named first go first; who wants less than that gets nothing.
    """
    given = dict.fromkeys(wants, 0.0)
    open_ = {n: w for n, w in wants.items() if w >= least_a - 1e-9 and w > 0.0}
    if least_a > 0.0 and total_a < least_a * len(open_):
        count = int(total_a / least_a + 1e-9)
        open_ = dict(list(open_.items())[:count])
    left = total_a
    while open_:
        part = left / len(open_)
        small = {n: w for n, w in open_.items() if w <= part}
        if not small:
            given.update(dict.fromkeys(open_, max(0.0, part)))
            break
        for number, want in small.items():
            given[number] = want
            left -= want
            del open_[number]
    return given


class Instant(NamedTuple):
    """What is expected at one instant: `flow` in A per phase, `watts` over all phases, `w_per_a` W for each A per phase."""

    force: InForce
    flow: float
    watts: float
    phases: int
    w_per_a: float


def schedule_of(instants: Iterable[tuple[float, Instant]], unit: RateUnit) -> tuple[Period, ...]:
    """Periods of a composite from (start_s, instant): equal neighbours become one."""
    out: list[Period] = []
    for start_s, one in instants:
        v2x = _told(one.force, 1.0 if unit == "A" else one.w_per_a)
        made = Period(round(start_s, 3), one.flow if unit == "A" else one.watts, one.phases, one.force.phase_to_use, v2x=v2x)
        if not out or replace(out[-1], start_s=made.start_s) != made:
            out.append(made)
        if len(out) >= _MOST_PERIODS:
            break
    return tuple(out)


def _told(force: InForce, factor: float) -> V2x | None:
    if force.mode is Mode.CHARGING_ONLY and force.setpoint_a is None and force.discharge_a is None:
        return None
    setpoint = None if force.setpoint_a is None else force.setpoint_a * factor
    discharge = None if force.discharge_a is None else force.discharge_a * factor
    return V2x(force.mode, (setpoint, None, None), (discharge, None, None))
