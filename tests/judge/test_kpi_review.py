"""The five review triggers: each fires with its evidence, and does not fire just below its threshold."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.judge.runs import EPOCH, Run

from chargekit.judge.kpi_review import Trigger, days_of, triggers

DAY = 86_400
QUEUE, PEAK, OVERRIDES, OFF_PEAK, GROWTH = range(5)


def asked(run: Run, which: int) -> Trigger:
    return triggers([("one.jsonl", run.facts())])[which]


@pytest.mark.parametrize(("bad_days", "fires"), [(3, True), (2, False)])
def test_repeated_queue_conflicts(bad_days: int, fires: bool) -> None:
    run = Run(queue_share=0.1, queue_wait_s=900.0, queue_days=3)
    proofs = []
    for day in range(4):
        for n in range(4):
            run.stay(day * DAY + n * 7200, "a", f"EMP-{n}", "employee", 3600, 5000)
        if day < bad_days:
            at = day * DAY + 36_000
            run.plug(at, "b", "EMP-9", "employee")
            proofs.append(run.unplug(at + 1000, "b"))  # 1000 s without current
    got = asked(run.end(4 * DAY - 1), QUEUE)
    assert got.fired is fires
    assert got.evidence == (tuple(("one.jsonl", seq) for seq in proofs) if fires else ())
    assert f"on {bad_days} of 4 days" in got.because
    assert dict(got.figures)["highest share"] == pytest.approx(0.2)


def test_missed_windows_and_visitors_turned_away_count_too() -> None:
    run = Run(queue_days=1)
    gone = run.stay(0, "a", "EMP-1", "employee", 3600, 5000, kwh=10, stated=3600)
    away = run.add(5000, "rig", "one", "turned_away", {"at": 5000, "token": "GST-1", "class": "guest"})
    got = asked(run.end(DAY - 1), QUEUE)
    assert got.fired
    assert got.evidence == (("one.jsonl", gone), ("one.jsonl", away))


@pytest.mark.parametrize(
    ("peaks", "fires"),
    [
        ([100, 100, 100, 120, 120, 120], True),
        ([100, 100, 100, 114, 114, 114], False),  # 14 %, 15 % are the threshold
        ([100, 100, 100, 90, 90, 250], False),  # one day's peak is no sustained rise
        ([120, 120, 120], False),  # nothing to compare with
    ],
)
def test_sustained_rise_in_peak_exposure(peaks: list[float], fires: bool) -> None:
    run = Run(peak_days=3, peak_rise=0.15)
    wh = 0.0
    for day, kw in enumerate(peaks):
        run.grid(day * DAY, wh)
        run.grid(day * DAY + 900, wh + kw * 250)
        wh += kw * 250
    got = asked(run.end(len(peaks) * DAY - 1), PEAK)
    assert got.fired is fires
    if fires:
        assert dict(got.figures) == {"before kW": 100, "after kW": pytest.approx(120), "days above": 3}
        assert "100.0 to 120.0 kW" in got.because


@pytest.mark.parametrize(("at", "fires"), [([0, 1, 2, 3, 6], True), ([0, 1, 2, 3], False), ([0, 1, 2, 3, 7], False)])
def test_chronic_overrides(at: list[int], fires: bool) -> None:
    run = Run(overrides_count=5, overrides_days=7)
    body = {"why": "a visitor", "until": 9e6}
    seqs = [run.add(day * DAY + 60, "controller", "one", "override", body | {"id": f"o{day}", "who": "site_manager"}) for day in at]
    run.add(100, "controller", "one", "override", {"refused": "somebody may not"})
    run.add(200, "controller", "one", "override", {"id": "o0", "ended": True})
    got = asked(run.end(10 * DAY), OVERRIDES)
    assert got.fired is fires
    assert got.evidence == (tuple(("one.jsonl", seq) for seq in seqs) if fires else ())
    if fires:
        assert "5 by site_manager" in got.because


@pytest.mark.parametrize(
    ("begins_h", "stays_h", "fires"),
    [
        (18, 10, True),  # charges until 20:00, stays until four: all of it had room at night
        (22, 4, False),  # it is off-peak
        (12, 4, False),  # there was no room for it at night
    ],
)
def test_low_off_peak_share_despite_dwell(begins_h: int, stays_h: int, fires: bool) -> None:
    run = Run(off_peak_share=0.3, off_peak_possible=0.6)
    at = begins_h * 3600
    run.plug(at, "a", "RES-1", "resident")
    run.start(at, "a", "RES-1")
    run.status(at, "a", "Charging")
    run.sample(at + 7200, "a", 20_000)
    run.status(at + 7200, "a", "SuspendedEV")
    run.stop(at + stays_h * 3600, "a", 20_000)
    run.unplug(at + stays_h * 3600, "a")
    got = asked(run.end(2 * DAY - 1), OFF_PEAK)
    assert got.fired is fires
    assert dict(got.figures)["kWh"] == pytest.approx(20)
    if fires:
        assert "0% of 20.0 kWh were delivered off-peak; the stays had room for 100%" in got.because


@pytest.mark.parametrize(
    ("before", "after", "fires"),
    [(4, 10, True), (7, 10, False), (0, 10, True), (2, 9, False)],  # by 43 % only; too few to say
)
def test_growth_of_a_group(before: int, after: int, fires: bool) -> None:
    run = Run(growth_days=2, growth_share=0.5, growth_least=10)
    for count, first in ((before, 0), (after, 2 * DAY)):
        for n in range(count):
            run.stay(first + n * 9000, "a", f"GST-{n}", "guest", 600, 500)
    for n in range(16):
        run.stay(n * DAY // 4, "b", "EMP-1", "employee", 600, 500)
    got = asked(run.end(4 * DAY - 1), GROWTH)
    assert got.fired is fires
    if fires:
        assert got.because == f"guest: {before} visits, then {after}"
        assert dict(got.figures) == {"guest before": before, "guest after": after}


def test_runs_that_follow_each_other_are_reviewed_as_one() -> None:
    first, second = Run(growth_days=1), Run(epoch=EPOCH + timedelta(days=1), growth_days=1)
    first.stay(0, "a", "GST-1", "guest", 600, 500)
    for n in range(12):
        second.stay(n * 3600, "a", "GST-1", "guest", 600, 500)
    runs = [("first", first.end(DAY - 1).facts()), ("second", second.end(DAY - 1).facts())]
    assert [day.came for day in days_of(runs).values()] == [1, 12]
    assert triggers(runs)[GROWTH].fired
    assert not triggers(runs[1:])[GROWTH].fired


def test_each_threshold_names_its_line() -> None:
    run = Run(sources={"queue": "portfolio.yaml:14", "growth": "portfolio.yaml:18"})
    told = triggers([("one", run.end(10).facts())])
    assert "portfolio.yaml:14" in told[QUEUE].threshold
    assert "portfolio.yaml:18" in told[GROWTH].threshold
    assert "built-in" in told[PEAK].threshold
    assert not any(one.fired for one in told)
    assert triggers([]) == ()
