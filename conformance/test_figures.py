"""The shared figures of a site: what they rest on is true, so that sites can be compared by them."""

from chargekit.judge import Bench, Charger, Failed, Measured, NotApplicable, SiteUnder, Unclear, case
from chargekit.judge.contest import manager, put_first
from chargekit.judge.kpi import quarter_hours
from chargekit.judge.kpi_facts import Facts
from chargekit.judge.kpi_faults import outages
from chargekit.judge.kpi_review import Trigger, triggers
from chargekit.judge.reckoning import facts_of, reckoned

SHARE_PERCENT = 3.0
"""Two meters of class 1 may differ by 2 %; one of the two readings is a moment older."""
QUARTER_S = 900.0
VEHICLE = "compact-3ph"


async def stays(bench: Bench, site: SiteUnder, chargers: list[Charger], for_s: float) -> list[str]:
    """A vehicle of one class after the other charges, for a while, and leaves. Who came."""
    who = [site.someone(number) for number in range(len(chargers))]
    for charger, token in zip(chargers, who, strict=True):
        await site.charge(charger, token, vehicle=VEHICLE)
    await bench.sleep(for_s)
    for charger in chargers:
        await charger.press_stop()
        await bench.seen.until(lambda charger=charger: charger.transaction is None, 60)
        await charger.unplug()
    await bench.sleep(30)
    return who


def some(site: SiteUnder) -> list[Charger]:
    found = [c for c in site.ac if c.meter.point is not None][:2]
    if not found:
        raise NotApplicable("no AC charger of this site has a meter of its own")
    return found


@case("CK-KPI-101", scope="site", covers={"energy by user class"}, area="figures", limit_s=14400)
async def test_energy_by_class_is_what_the_meters_counted(bench: Bench) -> None:
    """The figure of each class, from the stations' registers, is what the independent meters of its sessions counted."""
    site = bench.site()
    chargers = some(site)
    for charger in chargers:
        await charger.booted()
        await charger.meter.fresh()
    before = {c.name: c.meter.last() for c in chargers}
    await stays(bench, site, chargers, 1200)
    by_class: dict[str, float] = {}
    for visit in facts_of(bench).visits:
        charger = next(c for c in chargers if c.name == visit.port[0])
        after, start = await charger.meter.fresh(), before[charger.name]
        standby_wh = charger.profile.standby_w * (after.t - start.t) / 3600.0
        name = visit.user_class or "(none)"
        by_class[name] = by_class.get(name, 0.0) + after.energy_wh - start.energy_wh - standby_wh
    if len(by_class) < min(2, len(site.people())):
        raise Failed(f"the records tell of sessions of {', '.join(by_class) or 'nobody'} only", [bench.seen.last_seq])
    told = reckoned(bench)
    for name, metered_wh in by_class.items():
        off = abs((told[f"energy[{name}]"].value or 0.0) * 1000 - metered_wh) / metered_wh * 100
        bench.measure(Measured(f"energy of class {name} against its meters", off, "%", at_most=SHARE_PERCENT), [bench.seen.last_seq])


@case("CK-KPI-102", scope="site", covers={"session success rate", "queue and wait"}, area="figures", limit_s=14400)
async def test_every_session_that_was_served_counts_as_a_success(bench: Bench) -> None:
    """Where there is enough for all, every vehicle that comes is an attempt, gets current soon and ends with a valid stop."""
    site = bench.site()
    chargers = some(site)
    who = await stays(bench, site, chargers, 300)
    told, records = reckoned(bench), [bench.seen.last_seq]
    attempts = told["session_success"].denominator or 0.0
    if attempts != len(who):
        raise Failed(f"{len(who)} vehicles came and left, and the records tell of {attempts:g} attempts that are over", records)
    bench.measure(Measured("session success", told["session_success"].value or 0.0, "%", at_least=100), records)
    waited = told["wait[P90]"].value
    bench.measure(Measured("wait for the first current, P90", 99.0 if waited is None else waited, "min", at_most=5), records)


@case("CK-KPI-103", scope="site", covers={"peak-demand events"}, area="figures", limit_s=14400)
async def test_a_cap_shows_in_the_quarter_hours(bench: Bench) -> None:
    """Under a cap of 60 % of the demand, no 15-minute mean of the grid meter's register is above it, and the lowest comes near."""
    site = bench.site()
    grid = site.meter(site.grid.name)
    base_a = await site.base_a()
    for number, charger in enumerate(site.ac[:4]):
        await site.charge(charger, site.first(number), vehicle=VEHICLE)
    await bench.sleep(240)
    demand_a = (await grid.fresh()).most_a - base_a
    if demand_a < 20:
        raise Unclear(f"only {demand_a:.1f} A of demand could be raised: a cap would prove nothing")
    cap_a = float(round(base_a + demand_a * 0.6))
    await site.set_cap(cap_a)
    await bench.sleep(60)
    capped = bench.now
    await bench.sleep(2.2 * QUARTER_S)
    means = [kw for begin, kw in quarter_hours(facts_of(bench)) if begin >= capped]
    if not means:
        raise Unclear("the grid meter's register shows no whole quarter of an hour")
    share = max(means) / (cap_a * 3 * site.ac[0].profile.voltage_v / 1000) * 100
    unsure = grid.uncertainty_a / cap_a * 100 + 1.0
    bench.measure(Measured("highest 15-minute mean against the cap", share, "%", at_most=100, uncertainty=unsure), [grid.last().seq])


@case("CK-KPI-104", scope="site", covers={"charger availability", "fault resolution time"}, area="figures", limit_s=14400)
async def test_an_outage_counts_once_and_is_over(bench: Bench) -> None:
    """A port whose link is cut counts as down for that time, as up again after it, and its fault as resolved once it charges."""
    site = bench.site()
    one = some(site)[0]
    await site.charge(one, site.first())
    await bench.sleep(300)
    port = (one.name, one.evse)
    before = _down_s(facts_of(bench), port)
    cut = bench.now
    await one.cut_link()
    await bench.sleep(120)
    await one.mend_link()
    back = await bench.seen.until(lambda: one.seen.online, 600)
    outage_s = bench.now - cut
    await bench.sleep(600)
    told, records = reckoned(bench), [bench.seen.last_seq]
    if not back:
        raise Failed(f"{one.name} counts as down for {_down_s(facts_of(bench), port) / 60:.0f} min: its link never came back", records)
    down_s = _down_s(facts_of(bench), port) - before
    bench.measure(Measured("downtime told of the port against its outage", abs(down_s - outage_s), "s", at_most=15), records)
    bench.measure(Measured("faults without an end", told["faults_open"].value or 0.0, "faults", at_most=0), records)
    took = told["fault_resolution[P90]"].value
    bench.measure(Measured("resolution of the fault, P90", 99.0 if took is None else took, "min", at_most=outage_s / 60 + 5), records)


def _down_s(facts: Facts, port: tuple[str, int]) -> float:
    return sum(high - low for low, high in outages(facts, port)[0])


def _habit(bench: Bench) -> Trigger:
    return next(one for one in triggers([("", facts_of(bench))]) if one.name == "chronic manual overrides")


@case("CK-REV-101", scope="site", covers={"review trigger", "chronic manual overrides"}, area="figures", limit_s=14400)
async def test_overrides_that_became_a_habit_are_seen(bench: Bench) -> None:
    """One override less than the portfolio's threshold is no habit; with the next the trigger fires, and names whose they were."""
    site = bench.site()
    await bench.sleep(60)
    count = facts_of(bench).head.review.overrides_count
    if count > 40:
        raise NotApplicable(f"this portfolio calls {count} overrides a habit: more than a case gives")
    for number in range(1, count + 1):
        await put_first(site, f"ovr-{number}", site.someone(number), 60)
        await bench.sleep(90)
        told = _habit(bench)
        if told.fired is not (number == count):
            at = f"{number} overrides were given, {count} are a habit"
            raise Failed(
                f"{at}: the records show {told.because}, and the trigger {'fires' if told.fired else 'is silent'}", [bench.seen.last_seq]
            )
    records = [seq for _, seq in told.evidence]
    whose = f"{count} by {manager(site)}"
    if whose not in told.because:
        raise Failed(f"the records show {told.because}; {whose} expected", records)
    bench.measure(Measured("overrides on record with who gave them", float(len(records)), "overrides", at_least=min(count, 12)), records)
