"""The hours a case waits for, where its clock starts, and instruments that rest."""

import time

import pytest

from chargekit.judge.bench import Bench
from chargekit.judge.catalogue import known_case
from chargekit.judge.hours import AHEAD_S, Hours, shortly_before
from chargekit.judge.trial import Setting, plan_of
from chargekit.judge.verdict import NotApplicable
from chargekit.lab.assemble import Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BUILT_IN
from chargekit.policy.windows import DAY_MIN, KINDS, Span

HOUR_S = 3600.0


def hours(now=0.0, soonest_s=0.0, latest_s=AHEAD_S):
    bundle = load_site("mixed-use")
    return Hours(bundle, bundle.site.calendar, now, soonest_s, latest_s)


@pytest.mark.parametrize(
    ("now", "soonest_s", "latest_s", "found"),
    [
        (0.0, 0.0, AHEAD_S, HOUR_S),
        (12.5, 0.0, AHEAD_S, HOUR_S),
        (0.0, HOUR_S, AHEAD_S, HOUR_S),
        (0.0, HOUR_S + 1.0, AHEAD_S, 25 * HOUR_S),
        (HOUR_S, 0.0, AHEAD_S, 25 * HOUR_S),
        (0.0, 0.0, HOUR_S - 60.0, None),
    ],
)
def test_what_comes_to_hold_is_found_on_its_minute(now, soonest_s, latest_s, found):
    """The site's epoch is 08:00 on its clock; nine o'clock is an hour on."""
    assert hours(now, soonest_s, latest_s).becomes(lambda moment: 9 * 60 <= moment.minute < 12 * 60) == found


def test_a_change_counts_at_a_spans_bound_and_only_there():
    span = Span(KINDS, 9 * 60, 18 * 60, BUILT_IN)
    assert hours().changes([span], lambda one, other: span.holds(other) and not span.holds(one)) == HOUR_S
    assert hours().changes([span], lambda one, other: span.holds(one) and not span.holds(other)) == 10 * HOUR_S
    assert hours(soonest_s=2 * HOUR_S).changes([span], lambda one, other: span.holds(other)) == 10 * HOUR_S + 15 * HOUR_S
    assert hours().changes([Span(KINDS, 0, DAY_MIN, BUILT_IN)], lambda one, other: False) is None
    assert hours().changes([], lambda one, other: True) is None


def test_the_clock_starts_shortly_before_and_at_the_epoch_where_nothing_is_found():
    def never(ahead):
        raise NotApplicable("no such hour")

    bundle = load_site("mixed-use")
    found = shortly_before(lambda ahead: ahead.becomes(lambda moment: moment.minute >= 9 * 60), 600.0)
    assert found(bundle) == HOUR_S - 600.0
    assert shortly_before(never, 600.0)(bundle) == 0.0


def test_a_trial_starts_its_clock_where_the_case_says_and_never_against_the_real_one():
    """09:30 is when a kWh of the default site becomes dear: eight minutes before it."""
    bundle, case = load_site("mixed-use"), known_case("CK-CST-101")
    plan = plan_of(Setting(bundle), case, "mixed-use")
    lab = build(bundle, plan)
    assert f"{lab.calendar.local(0.0):%H:%M}" == "09:22"
    assert lab.site.calendar == lab.calendar
    assert bundle.site.calendar.local(0.0).hour == 8
    lab.close()
    outside = build(bundle, Plan(starts_s=plan.starts_s, csms_url="ws://127.0.0.1:9", rate=60))
    assert abs(outside.calendar.epoch.timestamp() - time.time()) < 60.0
    outside.close()


def test_a_resting_bench_reads_stations_every_five_seconds_circuits_as_ever_and_is_awake_at_the_end():
    lab = build(load_site("mixed-use"), Plan(operate=True, stations=("ac-01",)))
    bench = Bench(lab, "mixed-use", frozenset())

    async def rest():
        await bench.sleep(10.0)
        await bench.rest(60.0)

    lab.run(rest())
    samples = [(r.t, r.subject) for r in lab.history.records if r.witness == "meter" and r.kind == "sample"]
    single = next(m.id for m in lab.meters if m.circuit is None)
    for meter, resting in ((single, 10), ("grid-meter", 51)):
        shown = [t for t, subject in samples if subject == meter]
        assert sum(t < 10.0 for t in shown) >= 9
        assert resting <= sum(12.0 < t < 64.0 for t in shown) <= resting + 1
        assert max(shown) >= lab.world.now - 1.5
    lab.close()
