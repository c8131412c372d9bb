"""The resolver against the second-by-second evaluation of `brute`: the same amperes, exactly, over random sets of profiles."""

from __future__ import annotations

import itertools
import math
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.model import brute

from chargekit.model.calendar import Calendar
from chargekit.model.profile import ABSENT, ChargingProfile, Kind, Mode, Period, Purpose, V2x
from chargekit.model.profile_rules import RULES
from chargekit.model.profile_store import ProfileStore, Running

EPOCH = datetime(2026, 3, 28, tzinfo=UTC)
"""A day before the clocks in Berlin go forward."""
VERSIONS = ("1.6", "2.0.1", "2.1")
DAY = 86_400


def moment(rng: random.Random, most_days: int = 9) -> float:
    """Seconds near the beginning of some day of the first ten."""
    return float(rng.choice((0, 1, 2, rng.randint(0, most_days))) * DAY + rng.choice((rng.randint(-300, 1500), rng.randint(-1500, 9000))))


def v2x_period(rng: random.Random, start_s: int, scale: float) -> Period:
    mode = rng.choice((Mode.CHARGING_ONLY, Mode.CENTRAL_SETPOINT, Mode.CENTRAL_SETPOINT, Mode.IDLE))
    if mode is Mode.IDLE:
        return Period(float(start_s), v2x=V2x(Mode.IDLE))
    if mode is Mode.CHARGING_ONLY:
        return Period(float(start_s), rng.randint(0, 32) * scale, v2x=V2x())
    limit, least = rng.choice((None, rng.randint(8, 32))), rng.choice((None, rng.randint(-32, -8)))
    setpoint = rng.randint(least or -32, limit or 32)
    return Period(
        float(start_s), ABSENT if limit is None else limit * scale,
        v2x=V2x(mode, (setpoint * scale, None, None), (None if least is None else least * scale, None, None)),
    )  # fmt: skip


def placed(rng: random.Random, id: int, version: str) -> tuple[int, ChargingProfile]:
    """A profile and its EVSE, of those that a version allows (the store refuses the rest)."""
    old = [Purpose.TX, Purpose.TX, Purpose.TX_DEFAULT, Purpose.TX_DEFAULT, Purpose.STATION_MAX]
    new = [Purpose.EXTERNAL, Purpose.EXTERNAL, Purpose.PRIORITY, Purpose.GENERATION, Purpose.GENERATION]
    purpose = rng.choice(old + new if version == "2.1" else [*old, Purpose.EXTERNAL] if version == "2.0.1" else old)
    kinds = [Kind.ABSOLUTE, Kind.RECURRING, Kind.RECURRING, Kind.RELATIVE] + ([Kind.DYNAMIC] if version == "2.1" else [])
    outer = purpose in (Purpose.EXTERNAL, Purpose.GENERATION)
    kind = rng.choice([k for k in kinds if k is not Kind.RECURRING] if outer else kinds)
    if purpose is Purpose.STATION_MAX and kind is Kind.RELATIVE:
        kind = Kind.ABSOLUTE
    unit: Any = rng.choice(("A", "W"))
    scale = 690.0 if unit == "W" else 1.0
    lasting = outer and kind is Kind.RELATIVE  # a single value that holds, as a station makes of an external limit
    starts = [0] if kind is Kind.DYNAMIC or lasting else [0, *sorted({rng.randint(1, 1200) for _ in range(rng.randint(0, 3))})]
    if version == "2.1" and purpose in (Purpose.TX, Purpose.TX_DEFAULT) and rng.random() < 0.4:
        periods = tuple(v2x_period(rng, s, scale) for s in starts)
    else:
        phases = (None,) if purpose is Purpose.GENERATION else (None, None, 1, 3)
        periods = tuple(Period(float(s), rng.randint(0, 32) * scale, rng.choice(phases)) for s in starts)
    news: dict[str, Any] = {}
    if version == "2.1":
        news["max_offline_s"] = rng.choice((None, None, 0.0, float(rng.randint(0, 3000))))
        news["limit_at_soc"] = rng.choice((None, None, (50.0, rng.randint(6, 20) * scale), (80.0, rng.randint(6, 20) * scale)))
        news["local_time"] = kind in (Kind.ABSOLUTE, Kind.RECURRING) and rng.random() < 0.4
    duration = rng.choice((None, None, rng.randint(1, 1500), rng.randint(1, 90_000)))
    if kind is Kind.DYNAMIC:
        news["dyn_updated"] = moment(rng)
    profile = ChargingProfile(
        id, purpose, periods, rng.randint(0, 2), kind, unit,
        start=None if kind is Kind.RELATIVE or (kind is Kind.DYNAMIC and rng.random() < 0.7) else moment(rng),
        duration_s=None if duration is None or purpose is Purpose.PRIORITY or lasting else float(duration),
        valid_from=rng.choice((None, None, None, moment(rng))), valid_to=rng.choice((None, None, None, moment(rng))),
        recurrency=rng.choice(("Daily", "Daily", "Weekly")) if kind is Kind.RECURRING else None,
        transaction="t" if purpose is Purpose.TX else None, **news,
    )  # fmt: skip
    evse = 1 if purpose is Purpose.TX else 0 if purpose is Purpose.STATION_MAX else rng.choice((0, 1, 1, 2))
    return evse, profile


def drawn(rng: random.Random, version: str) -> tuple[ProfileStore, brute.Station]:
    """A station of this version with profiles, twice."""
    store = ProfileStore([1, 2], rules=RULES[version], calendar=Calendar(EPOCH, "Europe/Berlin"))
    slow = brute.Station(epoch=EPOCH)
    for number in range(rng.randint(2, 9)):
        evse, profile = placed(rng, rng.randint(max(1, number - 1), number + 1), version)
        outer = profile.purpose is Purpose.EXTERNAL
        if not outer and store.refusal(evse, profile, "t" if evse == 1 else None):
            continue
        if outer and any(p.purpose is profile.purpose and p.stack_level == profile.stack_level for _, p in slow.profiles):
            continue
        store.set(evse, profile)
        (slow.put_16 if version == "1.6" else slow.put_2)(evse, profile)
    if version == "2.1" and rng.random() < 0.4:
        since = moment(rng)
        store.offline(since)
        slow.offline_since = int(since)
    slow.soc = rng.choice((None, 49.0, 50.0, 80.0)) if version == "2.1" else None
    if version == "2.1" and rng.random() < 0.5:
        store.prioritise(1, "t", True)
        slow.prioritised.add(1)
    return store, slow


seeds = st.integers(0, 2**32).map(random.Random)
EACH = 8
"""Stations per example."""


@pytest.mark.parametrize("version", VERSIONS)
@given(seeds)
def test_a_limit_is_that_of_the_rules_and_holds_as_long_as_it_says(version: str, rng: random.Random) -> None:
    for _ in range(EACH):
        store, slow = drawn(rng, version)
        begun, tx = moment(rng, 1), rng.choice(("t", "t", "t", None))
        for t in sorted(int(moment(rng)) for _ in range(8)):
            if t < begun:
                continue
            force = store.limit_at(1, float(t), transaction=tx, started=begun, soc_percent=slow.soc)
            found = brute.at(slow, 1, t, tx, int(begun))
            assert (force.limit_a, force.phases, force.setpoint_a, force.mode) == (found.limit, found.phases, found.setpoint, found.mode)
            assert force.until > t
            last = math.ceil(force.until) - 1 if math.isfinite(force.until) else t + 40 * DAY
            for later in {t + 1, (t + last) // 2, last}:
                if t < later < force.until:
                    assert brute.at(slow, 1, later, tx, int(begun)) == found
            then = int(force.until) if math.isfinite(force.until) else t
            after = store.limit_at(1, float(then), transaction=tx, started=begun, soc_percent=slow.soc)
            assert after.limit_a == brute.at(slow, 1, then, tx, int(begun)).limit, "at the very second of the change"


@pytest.mark.parametrize("version", VERSIONS)
@given(seeds)
def test_a_composite_is_the_limit_at_every_second(version: str, rng: random.Random) -> None:
    """K08.FR.02, K08.FR.06."""
    store, slow = drawn(rng, version)
    now, tx = moment(rng), rng.choice(("t", None))
    begun = now - 100.0
    told = store.composite(1, now, 1500.0, transaction=tx, started=begun if tx else None, hardware_a=24.0, soc_percent=slow.soc)
    assert told[0].start_s == 0.0
    index = 0
    for into in range(1500):
        while index + 1 < len(told) and told[index + 1].start_s <= into:
            index += 1
        found = brute.at(slow, 1, int(now) + into, tx, int(begun if tx else now))
        assert told[index].limit == brute.expected(found, 24.0), into
        assert told[index].number_phases == (found.phases or 3)
        setpoint = None if told[index].v2x is None else told[index].v2x.setpoint[0]
        assert setpoint == (None if found.setpoint is None else min(found.setpoint, 24.0))
    assert all(a.start_s < b.start_s for a, b in itertools.pairwise(told))


@pytest.mark.parametrize("version", VERSIONS)
@given(seeds)
def test_the_composite_of_a_station_is_its_evses_under_its_maximum(version: str, rng: random.Random) -> None:
    """K08.FR.03, K04.FR.05."""
    for _ in range(EACH):
        store, slow = drawn(rng, version)
        now = moment(rng)
        running = {1: ("t", int(now) - 100)} if rng.random() < 0.7 else {}
        hardware = {1: 16.0, 2: 32.0}
        slow.soc = None
        told = store.composite_of_all(now, 1500.0, {n: Running(t, float(s)) for n, (t, s) in running.items()}, hardware, {1: 3, 2: 3})
        edges = {int(p.start_s) + beside for p in told for beside in (-1, 0, 1)}
        for into in sorted({*range(0, 1500, 17), *edges} & set(range(1500))):
            now_told = [p.limit for p in told if p.start_s <= into][-1]
            assert now_told == brute.of_all(slow, int(now) + into, running, hardware, int(now)), into


@pytest.mark.parametrize("version", VERSIONS)
def test_profiles_survive_being_kept(version: str) -> None:
    store = ProfileStore([1], rules=RULES[version])
    store.set(1, ChargingProfile(1, Purpose.TX, (Period(0.0, 9.0, 1, 2), Period(60.0, v2x=V2x(Mode.IDLE, sleep=True)))))
    store.set(
        0,
        ChargingProfile(
            2, Purpose.EXTERNAL, (Period(0.0, 9.0, v2x=V2x(Mode.LOCAL_FREQUENCY, freq_watt=((49.8, 1.0), (50.2, 2.0)))),),
            kind=Kind.DYNAMIC, limit_at_soc=(80.0, 10.0), dyn_updated=5.0,
        ),
        source="EMS",
    )  # fmt: skip
    again = ProfileStore([1], rules=RULES[version])
    again.load(store.to_json())
    assert again.installed == store.installed
