"""Which limit follows from which profiles: rows with literal amperes for the clauses `test_schedule` has no row for.

`16` is a section of OCPP 1.6, `E3.x` an item of its errata; the rest are clauses of OCPP 2.1 part 2 with its errata.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from chargekit.model.calendar import Calendar
from chargekit.model.profile import ABSENT, ChargingProfile, Kind, Mode, Period, Purpose, V2x
from chargekit.model.profile_rules import RULES
from chargekit.model.profile_store import ProfileStore
from chargekit.model.schedule import delayed

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
TX, DEFAULT, MOST, EXTERNAL, MORE = Purpose.TX, Purpose.TX_DEFAULT, Purpose.STATION_MAX, Purpose.EXTERNAL, Purpose.GENERATION
NONE = math.inf
DAILY: dict[str, Any] = {"kind": Kind.RECURRING, "recurrency": "Daily"}
WEEKLY: dict[str, Any] = {"kind": Kind.RECURRING, "recurrency": "Weekly"}
SATURDAY = datetime(2026, 3, 28, tzinfo=UTC)
"""The clocks in Berlin go forward an hour on Sunday at 01:00 UTC, 90,000 s later."""


def made(purpose: Purpose, *periods: tuple[float, float] | Period, id: int = 1, **more: Any) -> ChargingProfile:
    rows = tuple(one if isinstance(one, Period) else Period(*one) for one in periods)
    start = {} if more.get("kind") in (Kind.RELATIVE, Kind.DYNAMIC) else {"start": 0.0}
    return ChargingProfile(id, purpose, rows, **{**start, **more})


def store(*installed: tuple[int, ChargingProfile], version: str = "2.1") -> ProfileStore:
    found = ProfileStore([1, 2], rules=RULES[version], calendar=Calendar(SATURDAY, "Europe/Berlin"))
    for evse, profile in installed:
        found.set(evse, profile)
    return found


def limit(found: ProfileStore, at: float, *, started: float = 0.0, soc: float | None = None, evse: int = 1) -> float:
    return found.limit_at(evse, at, transaction="t", started=started, soc_percent=soc).limit_a


ABOVE = (1, made(TX, (0, 14), id=2, stack_level=3))
STEPS = ((0.0, 8.0), (60.0, 12.0))
Row = tuple[str, ProfileStore, list[tuple[float, float]]]
ROWS: list[Row] = [
    # clause, what is installed, (second, amperes)
    ("16 §3.13.2, E3.7: a top level without duration never gives way", store((1, made(TX, (0, 9))), ABOVE), [(1, 14), (1e7, 14)]),
    ("16 §3.13.2: level 0 is the lowest", store((1, made(TX, (0, 9))), (1, made(TX, (0, 7), id=2, stack_level=1))), [(1, 7)]),
    ("K01.FR.11: a period at or after the end is never executed", store((1, made(TX, *STEPS, duration_s=60.0))), [(59, 8), (60, NONE)]),
    ("16 §5.16.4: the last value holds to the end", store((1, made(TX, *STEPS, duration_s=600.0))), [(599, 12), (600, NONE)]),
    ("16 §7.13: no duration, no end", store((1, made(TX, *STEPS))), [(59, 8), (1e8, 12)]),
    ("E3.43: after its duration a daily one gives way to the lower level",
     store((1, made(DEFAULT, (0, 6))), (1, made(DEFAULT, (0, 14), id=2, stack_level=1, duration_s=HOUR, **DAILY))),
     [(HOUR - 1, 14), (HOUR, 6), (DAY, 14), (DAY + HOUR, 6)]),
    ("E3.44: what lies beyond the day is not executed",
     store((1, made(DEFAULT, (0, 6), (90_000, 14), duration_s=100_000.0, **DAILY))), [(DAY - 1, 6), (90_000, 6), (DAY + 90_000, 6)]),
    ("16 §7.9, 16 §7.37: weekly, at the same weekday",
     store((1, made(DEFAULT, (0, 6), (DAY, 10), **WEEKLY))), [(DAY, 10), (WEEK - 1, 10), (WEEK, 6), (WEEK + DAY, 10), (9 * WEEK, 6)]),
    ("E3.65, E3.66: validFrom and validTo of a TxProfile",
     store((1, made(TX, (0, 9), valid_from=50.0, valid_to=70.0))), [(49, NONE), (50, 9), (69, 9), (70, NONE)]),
    ("K01.FR.10: neither set, valid until replaced", store((1, made(TX, (0, 9)))), [(0, 9), (1e9, 9)]),
    ("E3.56: a recurrencyKind without kind Recurring repeats nothing",
     store((1, made(DEFAULT, (0, 6), (HOUR, 10), recurrency="Daily"))), [(DAY, 10), (DAY + 60, 10)]),
    ("16 §3.13.3: the lowest of maximum, external limit and profile",
     store((0, made(MOST, (0, 20), (100, 10), id=1)), (0, made(EXTERNAL, (0, 18), (50, 11), id=2)), (1, made(TX, (0, 16), (60, 12), id=3))),
     [(49, 16), (50, 11), (60, 11), (100, 10)]),
    ("K02.FR.08: after its TxProfile the lower of default and maximum",
     store((0, made(MOST, (0, 8), id=1)), (0, made(DEFAULT, (0, 10), id=2)), (1, made(TX, (0, 6), id=3, duration_s=60.0))),
     [(59, 6), (60, 8)]),
    ("16 §7.12, E3.69: amperes are of each phase", store((1, made(TX, (0, 10)))), [(1, 10)]),
    ("16 §7.14: 6,900 W without numberPhases", store((1, made(TX, (0, 6900), unit="W"))), [(1, 10)]),
    ("E3.34: W for three phases are not rescaled where one is used",
     store((1, made(TX, Period(0.0, 6900.0, 3), unit="W"))), [(1, 10)]),
    ("K01.FR.50: numberPhases 1", store((1, made(TX, Period(0.0, 2300.0, 1), unit="W"))), [(1, 10)]),
    ("K01.FR.147: one pilot for three limits", store((1, made(TX, Period(0.0, 16.0, limit_l2=10.0, limit_l3=12.0)))), [(1, 10)]),
    ("datatype 2.18: in W each of three limits is of one phase",
     store((1, made(TX, Period(0.0, 3680.0, limit_l2=2300.0, limit_l3=2760.0), unit="W"))), [(1, 10)]),
    ("K01.FR.21, 16 §7.13: minChargingRate is only a hint", store((1, made(TX, (0, 8), min_rate=10.0))), [(1, 8)]),
    ("K27.FR.01: 5 kW and 2 kW of the sun are 7 kW",
     store((1, made(DEFAULT, (0, 5000), unit="W")), (0, made(MORE, (0, 2000), id=2, unit="W"))), [(1, 7000 / 690)]),
    ("K04.FR.05: and the sun comes on top of the maximum, too",
     store((1, made(DEFAULT, (0, 20))), (0, made(MOST, (0, 10), id=2)), (0, made(MORE, (0, 3), id=3))), [(1, 13)]),
    ("K28.FR.13, FR.15: a dynamic profile is over its duration after its update",
     store((1, made(DEFAULT, (0, 6))), (1, made(TX, (0, 12), id=2, kind=Kind.DYNAMIC, dyn_updated=100.0, duration_s=60.0))),
     [(159, 12), (160, 6)]),
    ("K01.FR.90: a local start is read off the wall: 00:00 in Berlin is 23:00 UTC",
     store((1, made(DEFAULT, (0, 9), start=DAY, local_time=True))), [(DAY - HOUR - 1, NONE), (DAY - HOUR, 9)]),
    ("K01.FR.91: from 02:00 to 03:00 there is no night: the period of 02:30 is in force at once",
     store((1, made(DEFAULT, (0, 10), (9000, 12), (14_400, 14), start=DAY, local_time=True))),
     [(89_999, 10), (90_000, 12), (93_599, 12), (93_600, 14)]),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "found", "expected"), ROWS, ids=[r[0] for r in ROWS])
def test_a_row(clause: str, found: ProfileStore, expected: list[tuple[float, float]]) -> None:
    assert [(at, limit(found, at)) for at, _ in expected] == [(at, pytest.approx(amps)) for at, amps in expected]


def test_a_relative_default_of_1_6_counts_from_the_start_of_charging() -> None:
    """16 §7.13, §3.13.2: an absolute schedule without its start, too."""
    found = store((1, made(DEFAULT, *STEPS, start=None)), version="1.6")
    assert [limit(found, 1000.0 + into, started=1000.0) for into in (0, 59, 60, 9999)] == [8, 8, 12, 12]


def test_replaced_by_one_that_is_not_valid_yet_nothing_limits() -> None:
    """16 §3.13.2: default behaviour until its validFrom."""
    found = store((1, made(DEFAULT, (0, 8))), version="1.6")
    found.set(1, made(DEFAULT, (0, 10), id=2, valid_from=1000.0))
    assert [limit(found, at) for at in (999.0, 1000.0)] == [NONE, 10]


def test_an_outlets_own_default_replaces_that_of_all_there_alone() -> None:
    """16 §3.13.1, §5.16.3: connector 0 for connector 2 still."""
    found = store((0, made(DEFAULT, (0, 8))), (1, made(DEFAULT, (0, 10), id=2)), version="1.6")
    assert (limit(found, 1.0), limit(found, 1.0, evse=2)) == (10, 8)


def test_a_tx_profile_goes_with_its_transaction() -> None:
    """K02.FR.04, K02.FR.05."""
    found = store((1, made(DEFAULT, (0, 8))), (1, made(TX, (0, 14), id=2, transaction="t")))
    assert limit(found, 1.0) == 14
    found.end_transaction(1)
    assert limit(found, 1.0) == 8
    assert [one.profile.id for one in found.installed] == [1]


def test_the_vehicles_charge_caps() -> None:
    """K01.FR.100: at 80 % and above 10 A at most, and none where it is not known."""
    found = store((1, made(TX, (0, 16), limit_at_soc=(80.0, 10.0))))
    assert [limit(found, 1.0, soc=soc) for soc in (79.9, 80.0, 95.0, None)] == [16, 10, 10, 16]


def test_a_delayed_period_that_begins_after_the_next_is_left_out() -> None:
    """K01.FR.97 with the figures of its own example: 300+753 s, 600+123 s, 900+87 s."""

    class Told(random.Random):
        left = [753.0, 123.0, 87.0]

        def uniform(self, a: float, b: float) -> float:
            return self.left.pop(0)

    late = delayed(made(TX, (0, 16), (300, 14), (600, 12), (900, 10), random_delay_s=900.0), Told())
    assert [(p.start_s, p.limit) for p in late.periods] == [(0, 16), (723, 12), (987, 10)]


def test_a_later_update_revives_a_dynamic_profile() -> None:
    """K28.FR.06, FR.09, FR.14: over at 160 s, updated at 200 s, over at 260 s."""
    found = store((1, made(DEFAULT, (0, 6))), (1, made(TX, (0, 12), id=2, kind=Kind.DYNAMIC, dyn_updated=100.0, duration_s=60.0)))
    assert limit(found, 170.0) == 6
    assert found.update(2, {"limit": 9.0}, 200.0) == ""
    assert [limit(found, at) for at in (200.0, 259.0, 260.0)] == [9, 9, 6]


def test_what_the_csms_may_not_update() -> None:
    """K28.FR.11: what is not dynamic; K01.FR.22: what is another's."""
    period = Period(0.0, 9.0, v2x=V2x(Mode.EXTERNAL_LIMITS))
    found = store((1, made(DEFAULT, (0, 6))), (0, made(EXTERNAL, period, id=-1, kind=Kind.DYNAMIC, dyn_updated=0.0)))
    assert [found.update(id, {"limit": 16.0}, 5.0) for id in (1, -1, 7)] == ["InvalidProfile"] * 3
    assert limit(found, 10.0) == 6


def test_offline_what_is_installed_goes_on() -> None:
    """K06.FR.01, FR.02, K07.FR.01, 16 §3.13.6: the TxProfile, else the default and the maximum, else nothing."""
    for installed, amps in (
        ((), NONE),
        (((1, made(DEFAULT, (0, 9))),), 9),
        (((1, made(DEFAULT, (0, 9))), (1, made(TX, (0, 14), id=2))), 14),
    ):
        found = store(*installed)
        found.offline(10.0)
        assert limit(found, 5000.0) == amps


# --- setpoints ------------------------------------------------------------------------------------------------------


def set_to(watts: float, least: float | None = None, most: float = ABSENT) -> Period:
    return Period(0.0, most, v2x=V2x(Mode.CENTRAL_SETPOINT, (watts, None, None), (least, None, None)))


def outside(setpoint: float | None = None, least: float | None = None, most: float = ABSENT) -> ChargingProfile:
    mode = Mode.EXTERNAL_LIMITS if setpoint is None else Mode.EXTERNAL_SETPOINT
    v2x = V2x(mode, (setpoint, None, None), (least, None, None))
    return made(EXTERNAL, Period(0.0, most, v2x=v2x), id=-1, unit="W", kind=Kind.DYNAMIC)


SETPOINTS: list[tuple[str, ProfileStore, float]] = [
    ("K08.FR.08, V2X.03: 2,000 W under a maximum of 1,000 W",
     store((1, made(TX, set_to(2000.0), unit="W")), (0, made(MOST, (0, 1000), id=2, unit="W"))), 1000),
    ("V2X.04: -2,000 W over a discharge limit of -1,000 W",
     store((1, made(TX, set_to(-2000.0), unit="W")), (0, outside(least=-1000.0))), -1000),
    ("V2X.04: and within it", store((1, made(TX, set_to(-500.0), unit="W")), (0, outside(least=-1000.0))), -500),
    ("Q06.FR.20, FR.21: the external setpoint goes first", store((1, made(TX, set_to(2000.0), unit="W")), (0, outside(1400.0))), 1400),
    ("Q06.FR.03: alone it counts as well", store((1, made(DEFAULT, (0, 9000), unit="W")), (0, outside(1400.0))), 1400),
    ("Q03.FR.02, Q07.FR.03: a limit beside a setpoint", store((1, made(TX, set_to(2000.0, -500.0, 1800.0), unit="W"))), 1800),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "found", "watts"), SETPOINTS, ids=[r[0] for r in SETPOINTS])
def test_a_setpoint(clause: str, found: ProfileStore, watts: float) -> None:
    force = found.limit_at(1, 10.0, transaction="t", started=0.0)
    assert force.setpoint_a is not None
    assert force.setpoint_a * 690.0 == pytest.approx(watts)


def test_the_setpoint_of_the_csms_first() -> None:
    """Q06.FR.22: SetpointPriority CSMS."""
    found = store((1, made(TX, set_to(2000.0), unit="W")), (0, outside(1400.0)))
    found.csms_first = True
    setpoint = found.limit_at(1, 10.0, transaction="t", started=0.0).setpoint_a
    assert setpoint is not None and setpoint * 690.0 == pytest.approx(2000.0)


def test_an_idle_period_gives_nothing() -> None:
    """Q10, table of modes: Idle."""
    found = store((1, made(TX, Period(0.0, v2x=V2x(Mode.IDLE)))))
    assert found.limit_at(1, 1.0, transaction="t", started=0.0).flow_a == 0.0


# --- composites -----------------------------------------------------------------------------------------------------


def composite(found: ProfileStore, **more: Any) -> list[tuple[float, float, int | None]]:
    told = found.composite(1, 0.0, 300.0, **{"transaction": "t", "started": 0.0, "hardware_a": 32.0, **more})
    return [(p.start_s, p.limit, p.number_phases) for p in told]


THREE = store((0, made(MOST, (0, 20), (100, 10), id=1)), (1, made(TX, (0, 16), (60, 12), id=2)))
COMPOSITES: list[tuple[str, Callable[[], list[tuple[float, float, int | None]]], list[tuple[float, float, int | None]]]] = [
    ("SC.01, 16 §3.13.3: the union of all boundaries", lambda: composite(THREE), [(0, 16, 3), (60, 12, 3), (100, 10, 3)]),
    ("16 §5.7: nothing beyond the duration asked for", lambda: composite(THREE)[-1:], [(100, 10, 3)]),
    ("no profile is the hardware's own limit", lambda: composite(store()), [(0, 32, 3)]),
    ("K08.FR.06: without a transaction as if one began", lambda: composite(store((1, made(DEFAULT, *STEPS, kind=Kind.RELATIVE))),
     transaction=None, started=None), [(0, 8, 3), (60, 12, 3)]),
    ("K01.FR.140: the lowest number of phases", lambda: composite(store((0, made(MOST, Period(0.0, 20.0, 1), id=1)),
     (1, made(TX, Period(0.0, 12.0, 3), id=2)))), [(0, 12, 1)]),
    ("16 §7.12: 10 A on three phases in W", lambda: composite(store((1, made(TX, (0, 10)))), unit="W"), [(0, 6900, 3)]),
    ("E3.34: 10 A as given on the one phase there is", lambda: composite(store((1, made(TX, Period(0.0, 10.0, 3)))), phases=1, unit="W"),
     [(0, 2300, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "told", "expected"), COMPOSITES, ids=[r[0] for r in COMPOSITES])
def test_a_composite(clause: str, told: Callable[[], object], expected: list[tuple[float, float, int | None]]) -> None:
    assert told() == [(start, pytest.approx(amps), phases) for start, amps, phases in expected]


# --- what is found --------------------------------------------------------------------------------------------------

PLACED = store(
    (0, made(DEFAULT, (0, 10), id=1)), (1, made(DEFAULT, (0, 9), id=2, stack_level=1)), (2, made(DEFAULT, (0, 8), id=3, stack_level=2)),
    (0, made(MOST, (0, 20), id=4)), (1, made(TX, (0, 7), id=5, transaction="t")),
)  # fmt: skip
PLACED.set(0, made(EXTERNAL, (0, 15), id=-1), source="EMS")
PLACED.set(2, made(EXTERNAL, (0, 16), id=-3), source="SO")
FINDS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4, 5, -1, -3]),  # K09.FR.06
    ({"evse": 0}, [1, 4, -1]),  # K09.FR.05
    ({"evse": 1}, [2, 5]),  # K09.FR.04
    ({"ids": [5, 1, 99]}, [1, 5]),  # K09.FR.03
    ({"ids": [5, 1], "evse": 1}, [5]),
    ({"ids": [5], "purpose": MOST}, [5]),  # ids, or all else
    ({"purpose": DEFAULT}, [1, 2, 3]),
    ({"purpose": EXTERNAL}, [-1, -3]),
    ({"stack_level": 0}, [1, 4, 5, -1, -3]),
    ({"stack_level": 1, "purpose": DEFAULT}, [2]),
    ({"sources": ["EMS"]}, [-1]),
    ({"sources": ["EMS", "SO"], "evse": 2}, [-3]),
    ({"sources": ["CSO"], "purpose": DEFAULT, "evse": 0}, [1]),
    ({"sources": ["Other"]}, []),
    ({"evse": 9}, []),
]


@pytest.mark.parametrize(("criteria", "ids"), FINDS, ids=[str(c) for c, _ in FINDS])
def test_what_is_found(criteria: dict[str, Any], ids: list[int]) -> None:
    """K09.FR.03 to FR.06: an EVSE, and ids or else every other criterion."""
    assert [one.profile.id for one in PLACED.find(**criteria)] == ids
