"""The shared figures of a site: what they rest on is true, so that sites can be compared by them."""

from collections.abc import Callable

from chargekit.judge import Bench, Charger, Failed, Measured, NotApplicable, SiteUnder, Unclear, case
from chargekit.judge.contest import manager, put_first
from chargekit.judge.hours import Hours, shortly_before
from chargekit.judge.kpi import quarter_hours
from chargekit.judge.kpi_facts import Facts, Visit
from chargekit.judge.kpi_faults import outages
from chargekit.judge.kpi_review import Trigger, triggers
from chargekit.judge.kpi_spans import jain
from chargekit.judge.people import hours, of_class
from chargekit.judge.reckoning import facts_of, reckoned, reviewed

SHARE_PERCENT = 3.0
"""Two meters of class 1 may differ by 2 %; one of the two readings is a moment older."""
QUARTER_S = 900.0
VEHICLE = "compact-3ph"


async def stays(bench: Bench, site: SiteUnder, chargers: list[Charger], for_s: float) -> list[str]:
    """A vehicle of one class after the other charges, for a while, and leaves. Who came."""
    who = [site.someone(number) for number in range(len(chargers))]
    for charger, token in zip(chargers, who, strict=True):
        await site.charge(charger, token, vehicle=VEHICLE)
    await bench.rest(for_s)
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
    grid, base_a, demand_a = await site.demand()
    cap_a = float(round(base_a + demand_a * 0.6))
    await site.set_cap(cap_a)
    await bench.sleep(60)
    capped = bench.now
    await bench.rest(2.2 * QUARTER_S)
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
    await bench.rest(600)
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


# --- off-peak -----------------------------------------------------------------------------------------------------

LEAD_S = 420.0
SLOW_A = 8.0


def off_peak(ahead: Hours) -> float:
    """When the portfolio's off-peak hours begin."""
    review = ahead.bundle.review
    begin, end = review.off_peak_from_s, review.off_peak_to_s
    inside: Callable[[float], bool] = (lambda s: begin <= s < end) if begin < end else (lambda s: s >= begin or s < end)
    at = ahead.becomes(lambda moment: inside(moment.minute * 60.0))
    if at is None:
        raise NotApplicable("the portfolio's off-peak hours do not begin within two hours")
    return at


async def leaves(charger: Charger) -> None:
    """Its user ends the session and drives off."""
    await charger.press_stop()
    await charger.bench.seen.until(lambda: charger.transaction is None, 60)
    await charger.unplug()


@case(
    "CK-KPI-105", scope="site", covers={"off-peak share"}, area="figures", limit_s=14400, starts=shortly_before(off_peak, LEAD_S)
)  # fmt: skip
async def test_the_off_peak_share_is_what_the_meters_counted(bench: Bench) -> None:
    """A vehicle charges slowly before the off-peak hours begin, and with all it can draw from then on: the share told is what the meter
    beside its station counted."""
    site = bench.site()
    at, arena = off_peak(hours(site, LEAD_S - 60.0)), site.arena(1)
    charger = arena.chargers[0]
    await bench.rest(max(0.0, at - bench.now - LEAD_S))
    await charger.booted()
    first = await charger.meter.fresh()
    idle_a = (await arena.meter.fresh()).most_a
    await site.set_cap(SLOW_A + idle_a + site.rules.margin_a.value, arena.circuit.name)
    await site.charge(charger, site.first(), vehicle=VEHICLE)
    await bench.rest(max(0.0, at - bench.now))
    middle = await charger.meter.fresh()
    await site.set_cap(site.limit_a(arena.circuit.name), arena.circuit.name)
    await bench.rest(at + LEAD_S - bench.now)
    await leaves(charger)
    await bench.sleep(30)
    last = await charger.meter.fresh()
    standby_w = charger.profile.standby_w
    early_wh, late_wh = (b.energy_wh - a.energy_wh - standby_w * (b.t - a.t) / 3600.0 for a, b in ((first, middle), (middle, last)))
    metered = late_wh / (early_wh + late_wh) * 100
    if not 55.0 < metered < 95.0:
        raise Unclear(f"{metered:.0f} % were drawn off-peak: a share that says nothing of the hours proves nothing")
    told = reckoned(bench)["off_peak_share"].value or 0.0
    apart = Measured("off-peak share told against the meter", abs(told - metered), "% of all", at_most=SHARE_PERCENT)
    bench.measure(apart, [first.seq, middle.seq, last.seq])


LOW = "low off-peak share despite dwell"


def expects(told: Trigger, fires: bool, when: str, seq: int) -> None:
    """Failed, with what the trigger says, unless it fires, or is silent, as it should."""
    if told.fired is not fires:
        raise Failed(f"{when}: the records show {told.because}, and the trigger {'fires' if told.fired else 'is silent'}", [seq])


@case(
    "CK-REV-102", scope="site", covers={"review trigger", "low off-peak share despite dwell"}, area="figures", limit_s=14400,
    starts=shortly_before(off_peak, LEAD_S),
)  # fmt: skip
async def test_a_low_off_peak_share_is_seen_where_there_was_room(bench: Bench) -> None:
    """A vehicle charges before the off-peak hours: nothing is said as long as it could not have waited for them. Once it stayed so long
    that it could, the trigger fires; and is silent again once another has charged off-peak."""
    site = bench.site()
    at, (one, other) = off_peak(hours(site, LEAD_S - 60.0)), site.arena().chargers
    review = bench.lab.bundle.review
    await bench.rest(max(0.0, at - bench.now - LEAD_S))
    await site.charge(one, site.first(1), vehicle=VEHICLE)
    await bench.rest(max(0.0, at - bench.now - 20.0))
    await one.press_stop()
    await one.expect(lambda: one.transaction is None, 60, "the end its user asked for")
    await bench.sleep(max(0.0, at - bench.now))
    kwh = (reckoned(bench)["energy[all]"].value or 0.0) or 1.0
    expects(reviewed(LOW, facts_of(bench)), False, f"{kwh:.1f} kWh were charged and the off-peak hours only begin", bench.seen.last_seq)
    port_kw = one.max_a * one.phases * one.profile.voltage_v / 1000.0
    await bench.rest(kwh * review.off_peak_possible / port_kw * 3600.0 * 1.1 + 60.0)
    when = f"{kwh:.1f} kWh were charged, none off-peak, though the vehicle stayed"
    expects(reviewed(LOW, facts_of(bench)), True, when, bench.seen.last_seq)
    await site.charge(other, site.first(2), vehicle=VEHICLE)
    needed_wh = kwh * 1000.0 * review.off_peak_share / max(0.05, 1.0 - review.off_peak_share) * 1.2
    had_wh = (await other.meter.fresh()).energy_wh
    with bench.resting():
        if not await bench.seen.until(lambda: other.meter.last().energy_wh - had_wh >= needed_wh, 3600.0):
            raise Unclear(f"{other.name} charged less than {needed_wh / 1000.0:.1f} kWh within an hour")
    await bench.sleep(60)
    told = reviewed(LOW, facts_of(bench))
    expects(told, False, f"{needed_wh / 1000.0:.1f} kWh more were charged off-peak", bench.seen.last_seq)
    share = dict(told.figures)["share"] * 100
    seqs = [other.meter.last().seq]
    bench.measure(Measured("off-peak share after it", share, "%", at_least=review.off_peak_share * 100), seqs)


# --- departures, and what was promised ----------------------------------------------------------------------------

NEEDS_KWH = 5.0
LONGS_FOR_KWH = 20.0
STATED_S = 120.0


async def two_stays(bench: Bench, site: SiteUnder, one: str, other: str) -> tuple[Visit, Visit, list[float]]:
    """Two vehicles charge until one of them has what it came for, and leave after the time they had said, the other with far less: their
    visits on record, and what the meters beside their stations counted for each, kWh."""
    pair = list(site.arena().chargers)
    for charger in pair:
        await charger.booted()
        await charger.meter.fresh()
    before = [c.meter.last() for c in pair]
    for charger, who, kwh in zip(pair, (one, other), (NEEDS_KWH, LONGS_FOR_KWH), strict=True):
        await site.visit(charger, who, needs_kwh=kwh, leaves=bench.now + STATED_S)

    def had_kwh(number: int) -> float:
        reading = pair[number].meter.last()
        standby_wh = pair[number].profile.standby_w * (reading.t - before[number].t) / 3600.0
        return (reading.energy_wh - before[number].energy_wh - standby_wh) / 1000.0

    with bench.resting():
        if not await bench.seen.until(lambda: had_kwh(0) >= NEEDS_KWH * 1.01, 3600.0):
            raise Unclear(f"{pair[0].name} gave less than {NEEDS_KWH:g} kWh within an hour")
    await bench.sleep(max(0.0, before[0].t + STATED_S * 2 - bench.now))
    for charger in pair:
        await leaves(charger)
    await bench.sleep(30)
    got = [had_kwh(0), had_kwh(1)]
    if got[1] > LONGS_FOR_KWH / 2:
        raise Unclear(f"{pair[1].name} gave {got[1]:.1f} kWh: a departure that is not missed proves nothing")
    seen = facts_of(bench)
    visits = [next((v for v in seen.ports[c.name, c.evse].visits if v.left is not None), None) for c in pair]
    if visits[0] is None or visits[1] is None:
        raise Failed("two vehicles came and left, and the records do not show it", [bench.seen.last_seq])
    return visits[0], visits[1], got


@case("CK-KPI-106", scope="site", covers={"missed departures"}, area="figures", limit_s=14400)
async def test_who_left_short_missed_its_departure_and_nobody_else(bench: Bench) -> None:
    """Of two vehicles that leave after the time they had said, one with all it needs and one with a part of it, just the second counts as
    having missed its departure."""
    site = bench.site()
    had, short, got = await two_stays(bench, site, site.first(1), site.first(2))
    told = reckoned(bench)["missed_departures[all]"]
    records = [had.left_seq or had.seq, short.left_seq or short.seq]
    said = f"{got[0]:.2f} of {NEEDS_KWH:g} kWh and {got[1]:.2f} of {LONGS_FOR_KWH:g} kWh were metered"
    if told.denominator != 2 or list(told.records) != records[1:]:
        whose = ["whose need was met" if seq == records[0] else "who left short" for seq in told.records]
        raise Failed(f"{said}, and of {told.denominator:g} departures these count as missed: {', '.join(whose) or 'none'}", records)
    bench.measure(Measured("missed departures", told.value or 0.0, "%", at_least=50, at_most=50), records)


@case("CK-KPI-107", scope="site", covers={"resident allocation performance", "fairness"}, area="figures", limit_s=14400)
async def test_what_residents_were_allocated_is_what_the_meters_counted(bench: Bench) -> None:
    """Of two stays of the class that is promised an energy, one had what it asked for and one left with less than the promise: one of two
    counts as kept, and the index of fairness is that of the meters."""
    site, review = bench.site(), bench.lab.bundle.review
    name = review.guarantee_class
    if review.guarantee_kwh < 1.2 * NEEDS_KWH:
        raise NotApplicable(f"this portfolio promises {review.guarantee_kwh:g} kWh: less than a case can tell from nothing")
    had, short, got = await two_stays(bench, site, of_class(site, name, 1), of_class(site, name, 2))
    told, records = reckoned(bench), [had.seq, short.seq]
    if got[1] > review.guarantee_kwh * 0.9:
        raise Unclear(f"the second stay had {got[1]:.1f} kWh, hardly less than what is promised")
    kept = told[f"guarantee_met[{name}]"]
    if kept.denominator != 2 or list(kept.records) != [short.seq]:
        said = f"{got[0]:.2f} and {got[1]:.2f} kWh were metered, {NEEDS_KWH:g} and {review.guarantee_kwh:g} kWh were due"
        raise Failed(f"{said}, and {kept.numerator:g} of {kept.denominator:g} promises count as kept", records)
    bench.measure(Measured("promises kept", kept.value or 0.0, "%", at_least=50, at_most=50), records)
    metered = jain([min(1.0, got[0] / NEEDS_KWH), got[1] / LONGS_FOR_KWH]) or 0.0
    off = abs((told[f"fairness[{name}]"].value or 0.0) - metered) / metered * 100
    bench.measure(Measured("index of fairness against that of the meters", off, "%", at_most=SHARE_PERCENT), records)


# --- what shows over days -----------------------------------------------------------------------------------------

QUEUES = "queue conflicts or missed windows"
GROWTH = "growth of a user group"
MOST_DAYS = 31


@case("CK-REV-103", scope="site", covers={"review trigger", "repeated queue conflicts"}, area="figures", limit_s=14400)
async def test_waiting_day_after_day_is_seen(bench: Bench) -> None:
    """A vehicle waits for its first current longer than the portfolio lets anybody wait. One day less like this one than the threshold is
    no conflict that repeats; with the next the trigger fires and shows the visit. Days on which everybody was served at once are none."""
    site, review = bench.site(), bench.lab.bundle.review
    if review.queue_wait_s > 3600.0 or review.queue_days > MOST_DAYS or review.queue_share >= 0.5:
        raise NotApplicable("this portfolio calls a conflict what no case waits for")
    arena = site.arena()
    served, waits = arena.chargers
    await site.charge(served, site.first(1), vehicle=VEHICLE)
    await served.meter.draws(at_least_a=5, within_s=120)
    await bench.sleep(60)
    good = facts_of(bench)
    idle_a = max(0.0, (await arena.meter.fresh()).most_a - served.meter.now_a())
    await site.set_cap(idle_a + site.rules.margin_a.value + 2.0, arena.circuit.name)
    await served.meter.settles(at_most_a=0.5, within=60)
    await site.charge(waits, site.first(2), vehicle=VEHICLE)
    with bench.resting():
        await waits.meter.holds(at_most_a=0.5, for_s=review.queue_wait_s + 60.0)
    await site.set_cap(site.limit_a(arena.circuit.name), arena.circuit.name)
    await waits.meter.draws(at_least_a=5, within_s=180)
    for charger in (served, waits):
        await leaves(charger)
    await bench.sleep(30)
    bad, count, seq = facts_of(bench), review.queue_days, bench.seen.last_seq
    expects(reviewed(QUEUES, *[good] * count), False, f"{count} days on which everybody was served", seq)
    waited = f"{waits.name} waited for {review.queue_wait_s / 60 + 1:g} min"
    expects(reviewed(QUEUES, *[good] * count, *[bad] * (count - 1)), False, f"{waited} on {count - 1} days, {count} are too many", seq)
    told = reviewed(QUEUES, *[good] * count, *[bad] * count)
    expects(told, True, f"{waited} on {count} days, {count} are too many", seq)
    visit = bad.ports[waits.name, waits.evse].visits[-1]
    shown = {seq for _, seq in told.evidence}
    if shown != {visit.left_seq or visit.seq}:
        raise Failed(f"{waited}, and the trigger shows the records {sorted(shown)}: another visit", sorted(shown))
    bench.measure(Measured("days with conflicts", dict(told.figures)["days"], "days", at_least=count, at_most=count), sorted(shown))


@case("CK-REV-104", scope="site", covers={"review trigger", "growth of a group"}, area="figures", limit_s=14400)
async def test_a_group_that_grows_is_seen(bench: Bench) -> None:
    """One member of a class comes, and then more of it than the portfolio lets a class grow by. Days like the first say nothing; as many
    days like the second after them fire the trigger, which names the class and both counts."""
    site, review = bench.site(), bench.lab.bundle.review
    days = review.growth_days
    more = 1 + next((n for n in range(1, 9) if n > review.growth_share and (n + 1) * days >= review.growth_least), 9)
    if more > 8 or days > MOST_DAYS:
        raise NotApplicable("this portfolio lets a class grow by more than a case can bring")
    name, charger = site.rules.class_of(site.last()).name, some(site)[0]
    for number in range(1, more + 1):
        await bench.reach("Booted", charger=charger)
        await charger.plug(VEHICLE)
        await charger.present(of_class(site, name, number))
        await bench.sleep(45)
        await leaves(charger)
        await bench.sleep(15)
        if number == 1:
            few = facts_of(bench)
    many, seq = facts_of(bench), bench.seen.last_seq
    expects(reviewed(GROWTH, *[few] * (2 * days)), False, f"one {name} came on each of {2 * days} days", seq)
    told = reviewed(GROWTH, *[few] * days, *[many] * days)
    expects(told, True, f"one {name} came on each of {days} days, and then {more}", seq)
    grown = dict(told.figures).get(f"{name} after", 0.0)
    bench.measure(Measured(f"visits of {name} in the last {days} days", grown, "", at_least=more * days, at_most=more * days), [seq])
