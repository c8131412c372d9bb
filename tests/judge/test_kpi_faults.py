"""Faults once each: the incidents on record, and the outages that no incident is about."""

from __future__ import annotations

import pytest
from tests.judge.runs import Run

from chargekit.judge.kpi_faults import faults_of

CATEGORY = {
    "communications_lost": ("communications", "minor"), "station_fault": ("equipment", "minor"), "meter_silent": ("metering", "major"),
    "unruly": ("conduct", "major"), "circuit_lost": ("supply", "critical"),
}  # fmt: skip


def incident(run: Run, t: float, subject: str, kind: str, **more: object) -> int:
    category, severity = CATEGORY[kind]
    body = {"id": f"inc-{subject}-{kind}", "kind": kind, "category": category, "severity": severity, "because": "it was seen"}
    return run.add(t, "controller", subject, "incident", body | more)


def over(run: Run, t: float, subject: str, kind: str) -> int:
    return incident(run, t, subject, kind, ended=True, for_s=1.0)


def cut(run: Run, t: float, station: str, back: float) -> None:
    run.add(t, "wire", station, "closed", {"code": 1006, "reason": ""})
    run.add(back, "wire", station, "opened", {"version": run.version})


def test_an_incident_and_the_outage_it_is_about_are_one_fault() -> None:
    """Detected when the link closed, over when both are, resolved with the first delivery after it."""
    run = Run()
    run.add(1000, "wire", "a", "closed", {"code": 1006, "reason": ""})
    first = incident(run, 1030, "a", "communications_lost")
    run.add(1500, "wire", "a", "opened", {"version": "1.6"})
    last = over(run, 1510, "a", "communications_lost")
    run.stay(1600, "a", "EMP-1", "employee", 100, 200)
    (fault,) = faults_of(run.facts())
    assert (fault.category, fault.severity, fault.detected, fault.over) == ("communications", "minor", 1000, 1510)
    got = run.end(3000).figures()
    assert got["fault_resolution[mean]"].value == got["fault_resolution[category communications]"].value == 10
    assert got["faults[all]"].value == got["faults[category communications]"].value == got["faults[severity minor]"].value == 1
    assert {first, last} < set(got["fault_resolution[mean]"].records)
    assert got["faults_open"].value == 0 and "faults[not recorded]" not in got


@pytest.mark.parametrize("kind", ["taken over", "local list refused", "unknown limit"])
def test_what_is_only_noted_is_no_fault(kind: str) -> None:
    run = Run()
    run.add(100, "controller", "a", "incident", {"kind": kind, "because": "in passing"})
    assert list(faults_of(run.facts())) == [] and run.end(900).figures()["faults_open"].value == 0


def test_what_is_wrong_elsewhere_is_resolved_when_it_is_over() -> None:
    run = Run()
    incident(run, 100, "gm", "meter_silent")
    over(run, 700, "gm", "meter_silent")
    got = run.end(900).figures()
    assert got["fault_resolution[category metering]"].value == got["fault_resolution[severity major]"].value == 10
    assert got["faults_open"].value == 0


def test_an_incident_that_comes_again_is_the_same_fault() -> None:
    run = Run()
    incident(run, 100, "gm", "meter_silent")
    over(run, 200, "gm", "meter_silent")
    incident(run, 300, "gm", "meter_silent", again=1)
    over(run, 400, "gm", "meter_silent")
    # The same again, but later than a controller takes for the same: another one.
    incident(run, 4000, "gm", "meter_silent")
    over(run, 4100, "gm", "meter_silent")
    got = run.end(5000).figures()
    assert got["faults[category metering]"].value == 2
    assert got["fault_resolution[category metering]"].value == pytest.approx((300 + 100) / 2 / 60)


def test_a_controller_without_memory_opens_no_second_fault() -> None:
    run = Run()
    incident(run, 100, "gm", "meter_silent")
    incident(run, 200, "gm", "meter_silent")
    over(run, 400, "gm", "meter_silent")
    assert [(f.detected, f.over) for f in faults_of(run.end(500).facts())] == [(100, 400)]


def test_a_dead_circuit_is_one_fault_of_all_its_ports() -> None:
    run = Run()
    cut(run, 1000, "a", 1600)
    cut(run, 1001, "b", 1630)
    incident(run, 1005, "grid", "circuit_lost")
    over(run, 1620, "grid", "circuit_lost")
    run.stay(1900, "b", "EMP-1", "employee", 100, 200)
    got = run.end(3000).figures()
    assert got["faults[all]"].value == got["faults[severity critical]"].value == 1
    assert got["fault_resolution[category supply]"].value == 15


def test_an_outage_too_short_for_an_incident_counts_as_not_recorded() -> None:
    run = Run()
    run.plug(100, "a", "EMP-1", "employee")
    run.start(110, "a", "EMP-1")
    run.status(120, "a", "Charging")
    cut(run, 1000, "a", 1012)
    incident(run, 2000, "a", "unruly")
    over(run, 2060, "a", "unruly")
    got = run.end(5000).figures()
    assert got["fault_resolution[not recorded]"].value == pytest.approx(0.2)
    # An unruly port charges all along: it delivers as it should the moment it is none any more.
    assert got["fault_resolution[category conduct]"].value == 1
    assert got["faults[all]"].value == 2 and got["fault_resolution[mean]"].value == pytest.approx(0.6)


def test_what_is_not_over_or_delivers_to_nobody_is_open() -> None:
    run = Run()
    incident(run, 100, "gm", "meter_silent")
    incident(run, 200, "a", "station_fault")
    over(run, 300, "a", "station_fault")
    got = run.end(1000).figures()
    assert got["faults_open"].value == 2 and len(got["faults_open"].records) == 3
    assert got["fault_resolution[category metering]"].value is None and got["faults[category metering]"].value == 1
