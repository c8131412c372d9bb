"""Why a station refuses a charging profile, as reason codes (OCPP 2.1 appendix); what differs between the versions is in `Rules`.

Clauses are those of OCPP 2.1 part 2 with its errata (1.6: section 3.13 and 5.16).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from chargekit.model.profile import ABSENT, NO_THREE, ChargingProfile, Kind, Mode, Period, Purpose, ThreeFold, V2x

CHARGING: Final = frozenset({Mode.CHARGING_ONLY})
EVERY_MODE: Final = frozenset(Mode)
COMMON_MODES: Final = EVERY_MODE - {Mode.LOCAL_FREQUENCY, Mode.LOCAL_BALANCING}
"""What a station without a frequency meter or a load signal can do."""
FEATURES: Final = frozenset({"dynamic", "offline", "local_time", "random_delay", "limit_at_soc"})
_OLD: Final = frozenset({Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX})


@dataclass(frozen=True, slots=True)
class Rules:
    """A version's rules and what a station supports.

    `replaces_level`: the same purpose and stack level on the same EVSE is replaced (1.6); otherwise refused. `strict`: the clauses of 2.x
    that 1.6 lacks. `news`: those of 2.1. `phases`: what an AC EVSE can use, by its number; DC EVSEs are in `dc`. `features`: the optional
    fields of 2.1 it supports. `highest_external_id`: MaxExternalConstraintsId.
    """

    version: str
    replaces_level: bool = False
    strict: bool = True
    news: bool = False
    units: tuple[str, ...] = ("A", "W")
    levels: int = 64
    periods: int = 24
    profiles: int = 64
    purposes: frozenset[Purpose] = _OLD
    modes: frozenset[Mode] = CHARGING
    features: frozenset[str] = frozenset()
    sleeps: bool = False
    phases: Mapping[int, int] = field(default_factory=dict)
    dc: frozenset[int] = frozenset()
    phase_switching: bool = False
    dc_phase_control: bool = False
    highest_external_id: int | None = None
    balances_load: bool = False


RULES: Final[Mapping[str, Rules]] = {
    "1.6": Rules("1.6", replaces_level=True, strict=False),
    "2.0.1": Rules("2.0.1"),
    "2.1": Rules(
        "2.1", news=True, purposes=_OLD | {Purpose.PRIORITY, Purpose.GENERATION}, modes=COMMON_MODES, features=FEATURES, sleeps=True,
    ),
}  # fmt: skip
"""By version, for a station that supports everything it can do without further hardware."""


def rules_of(
    version: str, phases: Mapping[int, int], phase_switching: bool, units: Sequence[str] = ("A", "W"), dc: Iterable[int] = ()
) -> Rules:
    """The rules of a version for a station with these AC and DC EVSEs."""
    return replace(RULES[version], phases=dict(phases), dc=frozenset(dc), phase_switching=phase_switching, units=tuple(units))


def refusal(
    evse: int,
    profile: ChargingProfile,
    active_tx: str | None,
    rules: Rules,
    evses: Sequence[int],
    installed: Iterable[tuple[int, ChargingProfile]],
) -> str:
    """Why the CSMS can't set this profile, as a reason code; empty when it can. `active_tx`: the transaction on that EVSE."""
    installed = list(installed)
    if evse != 0 and evse not in evses:
        return "UnknownEvse"  # K01.FR.28
    if profile.purpose is Purpose.EXTERNAL:
        return "InvalidValue"  # K01.FR.22
    if profile.purpose not in rules.purposes:
        return "UnsupportedPurpose"  # K01.FR.120
    if rules.highest_external_id is not None and profile.id <= rules.highest_external_id:
        return "InvalidProfileId"  # K01.FR.81
    if any(p.id == profile.id and p.purpose is Purpose.EXTERNAL for _, p in installed):
        return "InvalidProfileId"  # K01.FR.05
    if profile.purpose is Purpose.STATION_MAX and evse != 0:
        return "InvalidProfile"  # K04.FR.03
    if why := _transaction(evse, profile, active_tx, rules):
        return why
    return flaw(evse, profile, rules) or _beside(evse, profile, rules, installed)


def _transaction(evse: int, profile: ChargingProfile, active_tx: str | None, rules: Rules) -> str:
    if profile.purpose is not Purpose.TX:
        return ""
    if evse == 0:
        return "InvalidProfile"  # K01.FR.16
    if active_tx is None:
        return "TxNotFound"  # K01.FR.09
    if profile.transaction is None:
        return "MissingParam" if rules.strict else ""  # K01.FR.03
    return "" if profile.transaction == active_tx else "TxNotFound"  # K01.FR.33


def _beside(evse: int, profile: ChargingProfile, rules: Rules, installed: list[tuple[int, ChargingProfile]]) -> str:
    """What speaks against it in the profiles that are there already."""
    others = [(where, p) for where, p in installed if p.id != profile.id]
    if not rules.replaces_level:
        twins = [(where, p) for where, p in others if p.purpose is profile.purpose and p.stack_level == profile.stack_level]
        if any(where == evse and (profile.purpose is Purpose.TX or _overlap(p, profile)) for where, p in twins):
            return "DuplicateProfile"  # K01.FR.06, K01.FR.39
        if profile.purpose is Purpose.TX_DEFAULT and any((where == 0) != (evse == 0) for where, _ in twins):
            return "DuplicateProfile"  # K01.FR.52, K01.FR.53
    elif any(_replaces(where, p, evse, profile) for where, p in others):
        others = [(where, p) for where, p in others if not _replaces(where, p, evse, profile)]
    wanted = _phase(profile)
    if rules.news and wanted is not None:
        for where, p in others:
            if (where in (0, evse) or evse == 0) and _phase(p) not in (None, wanted) and _overlap(p, profile):
                return "PhaseConflict"  # K01.FR.141
    return "OutOfStorage" if len(others) >= rules.profiles else ""


def _replaces(where: int, old: ChargingProfile, evse: int, new: ChargingProfile) -> bool:
    return where == evse and old.purpose is new.purpose and old.stack_level == new.stack_level


def _overlap(a: ChargingProfile, b: ChargingProfile) -> bool:
    def starts(p: ChargingProfile) -> float:
        return -math.inf if p.valid_from is None else p.valid_from

    def ends(p: ChargingProfile) -> float:
        return math.inf if p.valid_to is None else p.valid_to

    return starts(a) < ends(b) and starts(b) < ends(a)


def _phase(profile: ChargingProfile) -> int | None:
    return next((p.phase_to_use for p in profile.periods if p.phase_to_use is not None), None)


# --- the profile in itself ------------------------------------------------------------------------------------------


def flaw(evse: int, profile: ChargingProfile, rules: Rules) -> str:
    """What is wrong with a profile, whatever runs and whatever else is installed; empty when nothing is."""
    if profile.unit not in rules.units:
        return "UnsupportedRateUnit"  # K01.FR.26
    if profile.kind is Kind.DYNAMIC and "dynamic" not in rules.features:
        return "UnsupportedKind"  # K01.FR.121
    if len(profile.periods) > rules.periods:
        return "TooManyElements"
    if why := _schedule(profile, rules):
        return why
    if not 0 <= profile.stack_level <= rules.levels:
        return "InvalidStackLevel"
    if rules.strict and (why := _phases(evse, profile, rules)):
        return why
    return _news(profile, rules)


def _schedule(profile: ChargingProfile, rules: Rules) -> str:
    starts = [p.start_s for p in profile.periods]
    if not starts or starts[0] != 0 or any(not b > a for a, b in itertools.pairwise(starts)):
        return "InvalidSchedule"  # K01.FR.31, K01.FR.35, K28.FR.03
    if profile.kind is Kind.DYNAMIC and len(starts) != 1:
        return "InvalidSchedule"  # K28.FR.03
    if profile.kind is Kind.RELATIVE and profile.start is not None:
        return "InvalidSchedule"  # K01.FR.41
    needs_start = profile.kind is Kind.RECURRING or (profile.kind is Kind.ABSOLUTE and rules.strict)
    if needs_start and profile.start is None:
        return "InvalidSchedule"  # K01.FR.40
    if rules.strict and profile.kind is Kind.RELATIVE and profile.purpose is Purpose.STATION_MAX:
        return "InvalidProfile"  # K01.FR.38
    for period in profile.periods:
        if why := _limit(period, rules):
            return why
    return ""


def _limit(period: Period, rules: Rules) -> str:
    values = [period.limit, period.limit_l2, period.limit_l3]
    if any(v is not None and (math.isnan(v) or v < 0.0) for v in values):
        return "InvalidSchedule"
    if any(v is not None and math.isinf(v) for v in values[1:]) or (period.v2x is None and period.limit == ABSENT):
        return "InvalidSchedule"
    if period.v2x is not None and not rules.news:
        return "InvalidSchedule"
    return ""


def _phases(evse: int, profile: ChargingProfile, rules: Rules) -> str:
    """Whether the phases asked for can be had (K01.FR.19, K01.FR.43 to K01.FR.48)."""
    asked = [p for p in profile.periods if p.number_phases is not None or p.phase_to_use is not None]
    if any(p.phase_to_use is not None and p.number_phases != 1 for p in asked):
        return "InvalidSchedule"  # K01.FR.19
    if any(not 1 <= (p.number_phases or 3) <= 3 or not 1 <= (p.phase_to_use or 1) <= 3 or p.number_phases == 0 for p in asked):
        return "InvalidSchedule"
    if asked and evse in rules.dc and rules.news and not rules.dc_phase_control:
        return "NoPhaseForDC"  # K01.FR.44
    for usable in [n for e, n in rules.phases.items() if evse in (0, e)]:
        for period in asked:
            if period.number_phases is not None and period.number_phases < usable and not rules.phase_switching:
                return "InvalidSchedule"  # K01.FR.43
            if period.phase_to_use is not None and not rules.phase_switching and (usable, period.phase_to_use) != (1, 1):
                return "InvalidSchedule"  # K01.FR.48
    return ""


def _news(profile: ChargingProfile, rules: Rules) -> str:
    """The optional fields of 2.1."""
    if profile.kind is not Kind.DYNAMIC and (profile.dyn_interval_s is not None or profile.dyn_updated is not None):
        return "InvalidProfile"  # K28.FR.04, K01.FR.122
    if profile.local_time and "local_time" not in rules.features:
        return "InvalidSchedule"  # K01.FR.123
    if profile.random_delay_s > 0.0 and "random_delay" not in rules.features:
        return "InvalidSchedule"  # K01.FR.124
    if profile.random_delay_s > 0.0 and profile.purpose not in (Purpose.TX, Purpose.TX_DEFAULT):
        return "InvalidSchedule"  # K01.FR.95
    if profile.limit_at_soc is not None and "limit_at_soc" not in rules.features:
        return "InvalidSchedule"  # K01.FR.125
    if (profile.max_offline_s is not None or profile.invalid_after_offline) and "offline" not in rules.features:
        return "InvalidProfile"
    if profile.purpose is Purpose.PRIORITY and profile.duration_s is not None:
        return "InvalidSchedule"  # K01.FR.70
    for period in profile.periods:
        if why := _phase_limits(profile, period) or _mode(profile, period, rules):
            return why
    return ""


def _phase_limits(profile: ChargingProfile, period: Period) -> str:
    """Separate values of L2 and L3: beside that of L1, and only in a TxProfile (K01.FR.143 to K01.FR.146, V2X.07 to V2X.10)."""
    v2x = period.v2x or V2x()
    limits: ThreeFold = (None if period.limit == ABSENT else period.limit, period.limit_l2, period.limit_l3)
    for base, *tails in (limits, v2x.setpoint, v2x.discharge, v2x.reactive):
        if any(tail is not None for tail in tails) and (base is None or profile.purpose is not Purpose.TX):
            return "PhaseConflict"
    return ""


ALLOWED: Final[Mapping[Purpose, frozenset[Mode]]] = {
    Purpose.STATION_MAX: CHARGING,
    Purpose.PRIORITY: CHARGING,
    Purpose.EXTERNAL: frozenset({Mode.CHARGING_ONLY, Mode.EXTERNAL_LIMITS, Mode.EXTERNAL_SETPOINT}),
    Purpose.GENERATION: frozenset({Mode.CHARGING_ONLY, Mode.EXTERNAL_LIMITS}),
    Purpose.TX: EVERY_MODE,
    Purpose.TX_DEFAULT: EVERY_MODE,
}
"""Table 95."""


def _mode(profile: ChargingProfile, period: Period, rules: Rules) -> str:
    """A period's operation mode and the fields that go with it (table 95, and the table of fields of block Q)."""
    v2x, mode = period.v2x, period.mode
    if v2x is None:
        return ""
    if mode not in ALLOWED[profile.purpose]:
        return "InvalidSchedule" if profile.purpose is Purpose.PRIORITY else "InvalidOperationMode"  # K01.FR.71, K01.FR.114
    if mode is Mode.LOCAL_BALANCING and mode not in rules.modes:
        return "UnsupportedParam"  # Q09.FR.01
    if mode not in rules.modes:
        return "InvalidOperationMode"  # K01.FR.115
    if v2x.sleep and not (mode is Mode.IDLE and rules.sleeps):
        return "InvalidSchedule"  # K01.FR.126
    bare = period.limit == ABSENT and v2x.setpoint == v2x.discharge == v2x.reactive == NO_THREE
    match mode:
        case Mode.CHARGING_ONLY:
            fits = period.limit != ABSENT and v2x.setpoint == v2x.discharge == v2x.reactive == NO_THREE  # Q02.FR.02
        case Mode.IDLE:
            fits = bare
        case Mode.LOCAL_FREQUENCY:
            if v2x.baseline is None or len(v2x.freq_watt) < 2:
                return "NoFreqWattCurve"  # Q08.FR.03
            fits = bare and profile.unit == "W"  # Q08.FR.04, Q08.FR.05
        case Mode.LOCAL_BALANCING:
            if not rules.balances_load:
                return "MissingDevModelInfo"  # Q09.FR.02
            fits = v2x.setpoint == v2x.reactive == NO_THREE
        case Mode.CENTRAL_SETPOINT:
            fits = v2x.setpoint[0] is not None
        case Mode.CENTRAL_FREQUENCY:
            fits = v2x.setpoint[0] is not None and v2x.reactive == NO_THREE
        case _:
            fits = True
    return "" if fits and _ranges(period, v2x) else "InvalidSchedule"


def _ranges(period: Period, v2x: V2x) -> bool:
    """Whether every setpoint lies within its limits (V2X.05), and every discharge limit at or below 0."""
    values = [v for three in (v2x.setpoint, v2x.discharge, v2x.reactive) for v in three if v is not None]
    if any(not math.isfinite(v) for v in values) or any(v is not None and v > 0.0 for v in v2x.discharge):
        return False
    most = (period.limit, period.limit_l2, period.limit_l3)
    for setpoint, least, limit in zip(v2x.setpoint, v2x.discharge, most, strict=True):
        if setpoint is not None and not (least is None or least <= setpoint):
            return False
        if setpoint is not None and not (limit is None or setpoint <= limit):
            return False
    return True
