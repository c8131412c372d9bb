"""The smart-charging rules evaluated second by second, written from the specifications alone: it shares nothing with the resolver but
the plain data of a profile. Slow and simple; clauses as in OCPP 2.1 part 2."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chargekit.model.profile import ChargingProfile, Kind, Mode, Period, Purpose

VOLTS = 230.0


@dataclass
class Station:
    """What a station knows. `zone` and `epoch` for local time; `prioritised`: EVSEs with priority charging on."""

    profiles: list[tuple[int, ChargingProfile]] = field(default_factory=list)
    offline_since: int | None = None
    soc: float | None = None
    prioritised: set[int] = field(default_factory=set)
    epoch: datetime = datetime(2026, 3, 28, tzinfo=UTC)
    zone: str = "Europe/Berlin"

    def put_16(self, evse: int, profile: ChargingProfile) -> None:
        """1.6 section 5.16.3: the same id, or the same level and purpose on the same connector, is replaced."""
        left = []
        for where, old in self.profiles:
            if old.id == profile.id:
                continue
            if where == evse and old.purpose == profile.purpose and old.stack_level == profile.stack_level:
                continue
            left.append((where, old))
        self.profiles = [*left, (evse, profile)]

    def put_2(self, evse: int, profile: ChargingProfile) -> None:
        """K01.FR.05: the same id is replaced."""
        self.profiles = [(w, p) for w, p in self.profiles if p.id != profile.id] + [(evse, profile)]


def valid(station: Station, profile: ChargingProfile, t: int) -> bool:
    if profile.valid_from is not None and t < profile.valid_from:
        return False  # K01.FR.36
    if profile.valid_to is not None and not t < profile.valid_to:
        return False  # K01.FR.37
    if profile.max_offline_s is not None and station.offline_since is not None:
        return not t - station.offline_since >= profile.max_offline_s  # K01.FR.101
    return True


def seconds_in(station: Station, profile: ChargingProfile, t: int, tx_started: int) -> float | None:
    """Seconds since the schedule last began; None before it."""
    if profile.kind is Kind.RELATIVE or profile.start is None:
        passed: float = t - tx_started
    elif profile.local_time:
        # K01.FR.90: what the clock on the wall shows, without any offset.
        shows = (station.epoch + timedelta(seconds=t)).astimezone(ZoneInfo(station.zone)).replace(tzinfo=None)
        begins = (station.epoch + timedelta(seconds=profile.start)).replace(tzinfo=None)
        if shows < begins:
            return None
        if profile.kind is Kind.RECURRING:
            while begins + timedelta(days=7 if profile.recurrency == "Weekly" else 1) <= shows:
                begins += timedelta(days=7 if profile.recurrency == "Weekly" else 1)
        return (shows - begins).total_seconds()
    else:
        passed = t - profile.start
    if passed < 0:
        return None  # K01.FR.30
    if profile.kind is Kind.RECURRING:
        week = profile.recurrency == "Weekly"
        while passed >= (604_800 if week else 86_400):
            passed -= 604_800 if week else 86_400
    return passed


def period(station: Station, profile: ChargingProfile, t: int, tx_started: int) -> Period | None:
    if not valid(station, profile, t):
        return None
    if profile.kind is Kind.DYNAMIC:
        if profile.start is not None and t < profile.start:
            return None
        if profile.duration_s is not None and profile.dyn_updated is not None and t >= profile.dyn_updated + profile.duration_s:
            return None  # K28.FR.13
        return profile.periods[0]
    passed = seconds_in(station, profile, t, tx_started)
    if passed is None or (profile.duration_s is not None and passed >= profile.duration_s):
        return None  # K01.FR.13
    return [p for p in profile.periods if p.start_s <= passed][-1]


def in_amps(profile: ChargingProfile, one: Period, value: float) -> float:
    """K01.FR.49 to K01.FR.51."""
    if profile.unit == "A":
        return value
    phases = 3 if one.number_phases is None else one.number_phases
    return value / (VOLTS * phases)


def limit_of(station: Station, profile: ChargingProfile, one: Period) -> float:
    limits = [one.limit]
    if profile.limit_at_soc is not None and station.soc is not None and station.soc >= profile.limit_at_soc[0]:
        limits.append(profile.limit_at_soc[1])  # K01.FR.100
    return in_amps(profile, one, min(limits))


def top(station: Station, found: list[ChargingProfile], t: int, tx_started: int) -> tuple[ChargingProfile, Period] | None:
    """Section 3.6: of those with a period now, the highest level."""
    best = None
    for profile in found:
        one = period(station, profile, t, tx_started)
        if one is not None and (best is None or profile.stack_level > best[0].stack_level):
            best = (profile, one)
    return best


def on(station: Station, purpose: Purpose, evse: int) -> list[ChargingProfile]:
    return [p for where, p in station.profiles if p.purpose is purpose and where == evse]


def with_station(station: Station, purpose: Purpose, evse: int) -> list[ChargingProfile]:
    """K01.FR.14/15: those of EVSE 0 apply to every EVSE, unless it has its own at that level."""
    own = on(station, purpose, evse)
    return own + [p for p in on(station, purpose, 0) if p.stack_level not in [o.stack_level for o in own]]


@dataclass
class Found:
    limit: float
    phases: int | None
    setpoint: float | None
    mode: Mode


def at(station: Station, evse: int, t: int, transaction: str | None, tx_started: int, generation: bool = True) -> Found:
    """What holds for one EVSE in this second."""
    base = None
    if transaction is not None and evse in station.prioritised:
        base = top(station, with_station(station, Purpose.PRIORITY, evse), t, tx_started)  # K21.FR.04
    if base is None and transaction is not None:
        own = [p for p in on(station, Purpose.TX, evse) if p.transaction is None or p.transaction == transaction]
        base = top(station, own, t, tx_started)  # K02.FR.04
    if base is None:
        base = top(station, with_station(station, Purpose.TX_DEFAULT, evse), t, tx_started)  # K02.FR.08
    caps = [
        top(station, on(station, Purpose.STATION_MAX, 0), t, tx_started),
        top(station, on(station, Purpose.EXTERNAL, 0), t, tx_started),
        top(station, on(station, Purpose.EXTERNAL, evse), t, tx_started),
    ]
    leads = [lead for lead in (base, *caps) if lead is not None]
    limit = min((limit_of(station, p, one) for p, one in leads), default=math.inf)  # SC.01
    if generation:
        for where in (0, evse):
            extra = top(station, on(station, Purpose.GENERATION, where), t, tx_started)
            limit += limit_of(station, *extra) if extra else 0.0  # K27
    phases = min((one.number_phases for _, one in leads if one.number_phases is not None), default=None)  # K01.FR.140
    setpoint, least = None, None
    if base is not None and base[1].v2x is not None and base[1].v2x.setpoint[0] is not None:
        wanted = base[1].v2x.setpoint[0]
        if base[0].limit_at_soc is not None and station.soc is not None and station.soc >= base[0].limit_at_soc[0]:
            wanted = min(wanted, base[0].limit_at_soc[1])
        setpoint = in_amps(base[0], base[1], wanted)
    if base is not None and base[1].v2x is not None and base[1].v2x.discharge[0] is not None:
        least = in_amps(base[0], base[1], base[1].v2x.discharge[0])
    if setpoint is not None and setpoint > limit:
        setpoint = limit if setpoint > 0 else setpoint  # V2X.03
    if setpoint is not None and least is not None and setpoint < least:
        setpoint = least  # V2X.04
    return Found(limit, phases, setpoint, Mode.CHARGING_ONLY if base is None else base[1].mode)


def expected(found: Found, hardware: float) -> float:
    """What a composite tells of one EVSE, A per phase."""
    return 0.0 if found.mode is Mode.IDLE else min(found.limit, hardware)


def of_all(station: Station, t: int, running: dict[int, tuple[str, int]], hardware: dict[int, float], now: int) -> float:
    """K08.FR.03, K08.FR.06, K04.FR.05: the sum of the EVSEs under the station's maximum, and what is generated once on top."""
    total = 0.0
    for evse, most in hardware.items():
        tx, started = running.get(evse, (None, now))
        total += min(at(station, evse, t, tx, started, generation=False).limit + own(station, evse, t, started), most)
    caps = [top(station, on(station, purpose, 0), t, now) for purpose in (Purpose.STATION_MAX, Purpose.EXTERNAL)]
    most = min((limit_of(station, *cap) for cap in caps if cap), default=math.inf)
    shared = top(station, on(station, Purpose.GENERATION, 0), t, now)
    more = limit_of(station, *shared) if shared else 0.0
    with_it = 0.0
    for evse, hard in hardware.items():
        tx, started = running.get(evse, (None, now))
        with_it += expected(at(station, evse, t, tx, started), hard)
    return min(total + more, most + more, with_it)


def own(station: Station, evse: int, t: int, started: int) -> float:
    extra = top(station, on(station, Purpose.GENERATION, evse), t, started)
    return limit_of(station, *extra) if extra else 0.0
