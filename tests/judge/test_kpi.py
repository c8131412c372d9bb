"""The shared figures on small records written by hand; every expected figure is worked out by hand, too."""

from __future__ import annotations

from typing import Any

import pytest
from tests.judge.runs import EPOCH, Run, head

from chargekit.judge.kpi import figures
from chargekit.judge.kpi_facts import NoHead, head_from
from chargekit.judge.kpi_spans import jain, percentile, windows
from chargekit.model.calendar import Calendar
from chargekit.wire import VERSIONS

both = pytest.mark.parametrize("version", VERSIONS)


def near(value: float) -> Any:
    return pytest.approx(value, abs=1e-6)


@both
def test_session_success_counts_attempts_as_chargex_does(version: str) -> None:
    run = Run(5, version)
    run.stay(0, "a", "EMP-1", "employee", 3600, 8000)  # good
    run.plug(0, "b", "EMP-2", "employee")  # charged, then the power failed
    run.start(30, "b", "EMP-2")
    run.status(40, "b", "Charging")
    run.stop(1000, "b", 500, "PowerLoss")
    run.unplug(1010, "b")
    never = run.plug(0, "c", "EMP-3", "employee")  # never got anything
    run.unplug(900, "c")
    refused = run.plug(0, "d", "XXX-1", "")  # not admitted: no failed charge
    run.present(10, "d", "XXX-1", "Invalid")
    run.unplug(60, "d")
    run.plug(3500, "e", "EMP-4", "employee")  # still trying
    got = run.end(3600).figures()
    success = got["session_success"]
    assert (success.numerator, success.denominator, success.value) == (1, 3, near(100 / 3))
    assert never in success.records and len(success.records) == 2
    assert (got["charge_start_success"].numerator, got["charge_start_success"].denominator) == (2, 3)
    assert (got["charge_end_success"].numerator, got["charge_end_success"].denominator) == (1, 2)
    assert (got["access_refused"].value, got["access_refused"].records) == (1, (refused,))
    assert "10.2172/2377347" in success.source


@both
@pytest.mark.parametrize(
    ("reason", "valid"),
    [("Local", 1), ("Remote", 1), ("EVDisconnected", 1), ("DeAuthorized", 0), ("EmergencyStop", 0), ("PowerLoss", 0)],
)
def test_which_stops_are_valid(version: str, reason: str, valid: int) -> None:
    run = Run(1, version)
    run.plug(0, "a", "EMP-1", "employee")
    run.start(10, "a", "EMP-1")
    run.status(20, "a", "Charging")
    run.stop(100, "a", 100, reason)
    run.unplug(110, "a")
    assert run.end(200).figures()["session_success"].numerator == valid


@both
def test_charge_start_time_runs_from_the_later_of_plug_and_token(version: str) -> None:
    run = Run(4, version)
    for station, presented, charging in (("a", 10, 30), ("b", 10, 50), ("c", 60, 90), ("d", 5, 105)):
        run.plug(0, station, "EMP-1", "employee")
        run.present(presented, station, "EMP-1")
        run.start(presented, station, "EMP-1")
        run.status(charging, station, "Charging")
    got = run.end(200).figures()
    # 20, 40, 30 and 100 s.
    assert [got[f"charge_start_time[P{n}]"].value for n in (50, 90, 95)] == [30, 100, 100]


@both
def test_energy_by_class_and_what_was_asked_for(version: str) -> None:
    run = Run(3, version)
    run.stay(0, "a", "EMP-1", "employee", 3600, 8000, kwh=10)
    run.stay(4000, "a", "EMP-2", "employee", 3600, 12000, kwh=10)  # its 2 kWh more make up for nobody
    run.stay(0, "b", "RES-1", "resident", 3600, 5000, kwh=5)
    run.plug(8000, "c", "RES-2", "resident", kwh=9)  # still charging: its energy counts, its request not yet
    run.start(8000, "c", "RES-2")
    run.sample(8500, "c", 1500)
    got = run.end(9000).figures()
    assert {of: got[f"energy[{of}]"].value for of in ("employee", "resident", "all")} == {"employee": 20, "resident": 6.5, "all": 26.5}
    assert (got["energy_delivered[employee]"].numerator, got["energy_delivered[employee]"].denominator) == (18, 20)
    assert got["energy_delivered[employee]"].value == near(90)
    assert got["energy_delivered[all]"].value == near(100 * 23 / 25)


def test_peak_demand_events_are_quarter_hours_of_the_grid_meter() -> None:
    run = Run()
    wh = 0.0
    run.grid(0, 0)
    # 80 % of 207 kW are 165.6 kW: two quarters over it are one event, one more later is another.
    for n, kw in enumerate((100, 200, 180, 50, 170)):
        wh += kw * 250
        run.grid(900 * (n + 1), wh)
    got = run.end(4500).figures()
    assert got["peak_demand_events"].value == 2
    assert got["peak_demand"].value == near(200)
    assert got["peak_demand_over"].value == near((34.4 + 14.4 + 4.4) / 4)


def test_readings_between_the_quarters_are_joined_straight() -> None:
    run = Run()
    for t, wh in ((10, 0), (1200, 119_000), (2000, 199_000), (2800, 199_000)):
        run.grid(t, wh)
    # Quarters from 900 to 1800 (100 Wh a second all along) and to 2700 (100 Wh a second for 200 s).
    assert run.end(2800).figures()["peak_demand"].value == near(360)


def test_nothing_to_count_is_no_value() -> None:
    got = Run().end(100).figures()
    for key in ("session_success", "wait[P90]", "peak_demand", "peak_demand_events", "off_peak_share", "guarantee_met[resident]"):
        assert got[key].value is None, key
    assert got["fault_resolution[mean]"].value is None
    assert got["faults_open"].value == 0


@both
def test_waits_are_split_into_queue_policy_and_pauses(version: str) -> None:
    run = Run(2, version)
    run.plug(600, "a", "EMP-1", "employee", joined=0)
    run.start(610, "a", "EMP-1")
    run.status(620, "a", "SuspendedEVSE")
    run.status(1220, "a", "Charging")
    run.status(3000, "a", "SuspendedEVSE")
    run.status(3360, "a", "Charging")
    run.stop(4000, "a", 3000)
    run.unplug(4000, "a")
    run.plug(0, "b", "EMP-2", "employee")
    run.unplug(1800, "b")
    away = run.add(100, "rig", "one", "turned_away", {"at": 100, "token": "EMP-3", "class": "employee"})
    got = run.end(4000).figures()
    assert got["wait_time[queue]"].value == near(600 / 3600)
    assert got["wait_time[policy]"].value == near(600 / 3600)
    assert got["wait_time[pauses]"].value == near(360 / 3600)
    # 1220 s from joining to the first current; 1800 s for the one who left without any.
    assert (got["wait[P50]"].value, got["wait[P90]"].value) == (near(1220 / 60), 30)
    assert (got["turned_away"].numerator, got["turned_away"].denominator, got["turned_away"].records) == (1, 3, (away,))


def test_availability_is_by_port_and_outages_that_overlap_count_once() -> None:
    run = Run(2)
    run.add(1000, "wire", "a", "closed", {"code": 1006, "reason": ""})
    run.add(2000, "wire", "a", "opened", {"version": "1.6"})
    run.status(2000, "a", "Faulted")
    run.status(2500, "a", "Available")
    got = run.end(10_000).figures()
    assert got["availability[lowest port]"].value == near(85)
    assert got["availability[mean]"].value == near(92.5)
    assert got["availability[mean]"].source == "23 CFR 680.116(b)"
    assert got["outage_time[mean]"].value == 25


@pytest.mark.parametrize(("ordered", "percent"), [(True, 100), (False, 80)])
def test_unavailable_by_order_is_maintenance_and_excluded(ordered: bool, percent: float) -> None:
    run = Run(1)
    if ordered:
        body = {"dir": "down", "id": "9", "payload": {"connectorId": 1, "type": "Inoperative"}}
        run.add(900, "wire", "a", "ChangeAvailability.req", body)
    run.status(1000, "a", "Unavailable")
    run.status(3000, "a", "Available")
    assert run.end(10_000).figures()["availability[mean]"].value == near(percent)


def test_a_station_that_never_came_is_down() -> None:
    run = Run(2)
    run.records = [r for r in run.records if r.subject != "b"]
    assert run.end(1000).figures()["availability[lowest port]"].value == 0


def test_a_port_that_went_on_charging_is_resolved_when_its_link_is_back() -> None:
    """A 1.6 station that was cut off says nothing new of a port that charges on."""
    run = Run()
    run.plug(100, "a", "EMP-1", "employee")
    run.start(110, "a", "EMP-1")
    run.status(120, "a", "Charging")
    run.add(1000, "wire", "a", "closed", {"code": 1006, "reason": ""})
    run.add(1120, "wire", "a", "opened", {"version": "1.6"})
    got = run.end(5000).figures()
    assert got["fault_resolution[mean]"].value == near(2)
    assert got["faults_open"].value == 0


@both
def test_fault_resolution_ends_with_the_next_delivery(version: str) -> None:
    run = Run(2, version)
    first = run.status(100, "a", "Faulted")
    run.status(400, "a", "Available")
    run.stay(700, "a", "EMP-1", "employee", 100, 200)
    second = run.status(1000, "a", "Faulted")
    run.status(1060, "a", "Available")
    run.stay(4000, "a", "EMP-1", "employee", 100, 200)
    run.status(4500, "b", "Faulted")
    got = run.end(5000).figures()
    assert got["fault_resolution[mean]"].value == (600 + 3000) / 2 / 60
    assert got["fault_resolution[P90]"].value == 50
    assert got["faults_open"].value == 1
    assert set(got["fault_resolution[mean]"].records) > {first, second}
    assert got["outage_time[mean]"].value == 3


@both
def test_off_peak_share_and_what_was_possible(version: str) -> None:
    run = Run(2, version)
    evening = 20 * 3600
    run.plug(evening, "a", "RES-1", "resident")
    run.start(evening, "a", "RES-1")
    run.status(evening, "a", "Charging")
    for hour in range(1, 4):
        run.sample(evening + hour * 3600, "a", hour * 2000)
    run.stop(evening + 4 * 3600, "a", 8000)
    run.unplug(evening + 4 * 3600, "a")
    run.stay(12 * 3600, "b", "EMP-1", "employee", 3600, 2000)
    got = run.end(24 * 3600).figures()
    # 4 of 10 kWh after 22:00; two hours of 11 kW would have held all 8.
    assert (got["off_peak_share"].numerator, got["off_peak_share"].value) == (near(4), near(40))
    assert got["off_peak_possible"].value == near(80)


def test_the_off_peak_window_follows_the_clock_through_the_change_to_summer_time() -> None:
    calendar = Calendar(EPOCH.replace(day=28), "Europe/Amsterdam")
    begin, end = 11 * 3600.0, 36 * 3600.0
    # From 22:00 (21:00 UTC) to 06:00 (04:00 UTC): an hour is skipped that night.
    assert windows(calendar, begin, end, 22 * 3600.0, 6 * 3600.0) == [(21 * 3600.0, 28 * 3600.0)]


@both
@pytest.mark.parametrize(
    ("asked", "got", "stated", "last", "judged", "late"),
    [
        (10, 9790, 3600, "Charging", 1, 1),  # 2 % are 0.2 kWh
        (10, 9810, 3600, "Charging", 1, 0),
        (1, 890, 3600, "Charging", 1, 1),  # 0.1 kWh is more than 2 %
        (1, 910, 3600, "Charging", 1, 0),
        (10, 9000, 3600, "SuspendedEV", 1, 0),  # full: it wanted no more
        (10, 9000, 3600, "SuspendedEVSE", 1, 1),
        (10, 9000, 4200, "Charging", 0, 0),  # left ten minutes early
        (None, 9000, 3600, "Charging", 0, 0),
    ],
)
def test_missed_departures(version: str, asked: float | None, got: float, stated: float, last: str, judged: int, late: int) -> None:
    run = Run(1, version)
    gone = run.stay(0, "a", "FLT-1", "route_critical", 3600, got, kwh=asked, stated=stated, last=last)
    made = run.end(5000).figures()["missed_departures[route_critical]"]
    assert (made.denominator, made.numerator) == (judged, late)
    assert made.records == ((gone,) if late else ())


@both
def test_resident_guarantee_and_fairness(version: str) -> None:
    run = Run(3, version, guarantee_kwh=8.0)
    run.stay(0, "a", "RES-1", "resident", 3600, 10_000, kwh=10)
    short = run.plug(0, "b", "RES-2", "resident", kwh=10)
    run.start(0, "b", "RES-2")
    run.status(0, "b", "Charging")
    run.stop(3600, "b", 5000)
    run.unplug(3600, "b")
    run.stay(0, "c", "EMP-2", "employee", 3600, 10, kwh=10)
    got = run.end(4000).figures()
    assert (got["guarantee_met[resident]"].numerator, got["guarantee_met[resident]"].denominator) == (1, 2)
    assert got["guarantee_met[resident]"].records == (short,)
    # Shares 1 and 0.5: 1.5² ÷ (2 · 1.25).
    assert got["fairness[resident]"].value == near(0.9)


@both
def test_who_was_asked_to_move_and_whose_session_was_ended_is_counted_by_class(version: str) -> None:
    run = Run(2, version)
    told = {"evse": 1, "token": "EMP-1", "since": 60.0, "because": "full"}
    first = run.add(900, "controller", "a", "idle", told | {"what": "asked", "class": "employee"})
    run.add(1000, "controller", "b", "idle", told | {"what": "asked", "class": ""})
    ended = run.add(2700, "controller", "a", "idle", told | {"what": "released", "class": "employee"})
    got = run.end(3600).figures()
    assert (got["idle_asked[employee]"].value, got["idle_asked[employee]"].records) == (1.0, (first,))
    assert (got["idle_released[employee]"].value, got["idle_released[employee]"].records) == (1.0, (ended,))
    assert (got["idle_asked[(none)]"].value, got["idle_released[(none)]"].value) == (1.0, 0.0)


@both
def test_what_an_idle_sessions_end_makes_of_its_port_is_no_wish(version: str) -> None:
    run = Run(1, version)
    run.plug(0, "a", "EMP-1", "employee", kwh=20)
    run.start(0, "a", "EMP-1")
    run.status(10, "a", "Charging")
    run.status(600, "a", "SuspendedEV")
    run.stop(1800, "a", 3000, "Remote")
    run.status(1801, "a", "Finishing")
    run.unplug(3600, "a")
    made = run.end(3700).figures()["missed_departures[employee]"]
    assert (made.denominator, made.numerator) == (1, 0)


@both
def test_idle_occupancy_and_congestion(version: str) -> None:
    run = Run(2, version)
    run.stay(0, "a", "EMP-1", "employee", 3600, 2000, last="SuspendedEV")  # half of it idle
    run.stay(2700, "b", "EMP-2", "employee", 900, 1000)
    got = run.end(7200).figures()
    assert got["idle_occupancy"].value == near(100 * 1800 / (2 * 7200))
    assert got["congestion"].value == near(100 * 900 / 7200)


@both
def test_without_hands_visits_are_those_of_transactions(version: str) -> None:
    run = Run(1, version)
    for t, token in ((100, "EMP-1"), (5000, "RES-9")):
        run.status(t - 5, "a", "Preparing" if version == "1.6" else "Occupied")
        run.start(t, "a", token)
        run.status(t + 5, "a", "Charging")
        run.stop(t + 1000, "a", 3000)
        run.status(t + 1010, "a", "Available")
    visits = list(run.end(9000).facts().visits)
    assert [(v.user_class, v.began, v.left, v.kwh) for v in visits] == [("employee", 100, 1110, 3), ("resident", 5000, 6010, 3)]


@both
def test_a_station_that_was_cut_off_tells_its_transaction_later(version: str) -> None:
    run = Run(1, version)
    run.plug(0, "a", "EMP-1", "employee", kwh=5, stated=3600)
    run.unplug(3600, "a")
    # Told at 9000, when the link is there again, with the times at which it happened.
    run.start(100, "a", "EMP-1")
    run.stop(3500, "a", 5000)
    run.records = [r._replace(t=9000.0) if r.witness == "wire" and r.kind != "opened" else r for r in run.records]
    facts = run.end(10_000).facts()
    assert [(v.began, v.left, v.kwh) for v in facts.visits] == [(0, 3600, 5)]
    got = run.figures()
    assert (got["session_success"].numerator, got["session_success"].denominator) == (1, 1)
    assert got["missed_departures[all]"].numerator == 0


@pytest.mark.parametrize(
    "payload",
    [{}, {"connectorId": "x"}, {"connectorId": 1, "idTag": 5, "meterStart": -1e308, "timestamp": "yesterday"},
     {"connectorId": 99, "idTag": "A", "meterStart": 0, "timestamp": "2026-03-02T00:00:00Z"}],
)  # fmt: skip
@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction", "MeterValues", "StatusNotification", "Authorize", "Nonsense"])
def test_a_stations_nonsense_changes_nothing(action: str, payload: dict[str, Any]) -> None:
    run = Run(1)
    run.stay(0, "a", "EMP-1", "employee", 3600, 8000, kwh=10)
    before = run.figures()
    run.asks(3000, "a", action, payload, {})
    run.add(3000, "wire", "a", "garbled", {"dir": "up", "text": "[["})
    run.add(3000, "meter", "gm", "sample", {"energy_wh": None})
    after = run.figures()
    assert {k: v.value for k, v in after.items()} == {k: v.value for k, v in before.items()}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7], 0.9, 7), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 11)), 0.9, 9), (list(range(1, 12)), 0.9, 10)],
)
def test_percentiles_are_nearest_ranks(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize(("shares", "expected"), [([], None), ([0, 0], None), ([1, 1, 1], 1), ([1, 0, 0, 0], 0.25)])
def test_jain(shares: list[float], expected: float | None) -> None:
    assert jain(shares) == expected


def test_truth_changes_no_figure_and_the_same_records_give_the_same_figures() -> None:
    run = Run()
    run.stay(0, "a", "EMP-1", "employee", 3600, 8000, kwh=10)
    plain = figures(run.facts())
    run.add(10, "truth", "a", "energy", {"wh": 1e9})
    assert figures(run.facts()) == plain
    assert figures(run.facts()) == plain


def test_every_figure_says_its_unit_definition_and_source() -> None:
    run = Run()
    run.stay(0, "a", "RES-1", "resident", 3600, 8000, kwh=10)
    for one in figures(run.end(4000).facts()):
        assert one.definition and one.source and (one.unit or one.name == "fairness"), one.key


@pytest.mark.parametrize("key", ["circuits", "stations", "epoch", "zone", "review", "tokens", "meters"])
def test_a_head_without_its_site_is_refused(key: str) -> None:
    with pytest.raises(NoHead):
        head_from({k: v for k, v in head().items() if k != key})
