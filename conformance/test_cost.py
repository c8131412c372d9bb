"""Costs: dear hours cap or pause the classes they are meant for and nobody else, and the mean of a quarter-hour stays below its target."""

from typing import Any

from chargekit.judge import Bench, Measured, NotApplicable, SiteUnder, Unclear, case
from chargekit.judge.hours import Hours, shortly_before
from chargekit.judge.people import hours, of_class, when

QUARTER_S = 900.0
LEAD_S = 480.0
TARGET_LEAD_S = 420.0


def named(book: Any, name: str) -> bool:
    """Whether somebody at the site can be of a class."""
    return any(c == name for _, c in book.tokens)


def costly(ahead: Hours, key: str) -> tuple[str, Any, float]:
    """A class whose rule has this key, the rule, and when a kWh comes to cost so much that it holds."""
    book = ahead.rules
    for name, rule in book.costing.classes.items():
        limit = rule.pause_above if key == "pause_above" else rule.above if rule.cap_a is not None else None
        if limit is not None and named(book, name) and name not in book.costing.opt_out:
            at = ahead.becomes(lambda moment, limit=limit: book.cost.price_at(int(moment.minute)) > limit)
            if at is not None:
                return name, rule, at
    what = "paused" if key == "pause_above" else "capped"
    raise NotApplicable(f"no class of this site is {what} by a price that comes to hold within two hours")


@case(
    "CK-CST-101", scope="site", covers={"cost cap by class", "time of use"}, area="cost", limit_s=14400,
    starts=shortly_before(lambda ahead: costly(ahead, "cap")[2], LEAD_S),
)  # fmt: skip
async def test_a_class_is_capped_while_energy_is_dear(bench: Bench) -> None:
    """From the minute at which a kWh costs more than its rule says, a class charges with its cap and no more; another goes on as before."""
    site = bench.site()
    name, rule, at = costly(hours(site, LEAD_S - 60.0), "cap")
    spared = [n for n in site.rules.classes if n not in site.rules.costing.classes and named(site.rules, n)]
    first, last = site.arena().chargers
    await bench.rest(max(0.0, at - bench.now - 420.0))
    people = [(first, of_class(site, name))] + ([(last, of_class(site, spared[0]))] if spared else [])
    await site.settle(people)
    await bench.sleep(max(0.0, at - bench.now - 60.0))
    before_a = first.meter.now_a()
    bench.check_bound(before_a, rule.cap_a, "the cap of a class")
    full_a = last.meter.now_a()
    await bench.sleep(max(0.0, at - bench.now))
    await first.meter.settles(at_most_a=rule.cap_a, within=60)
    await first.meter.holds(at_most_a=rule.cap_a, for_s=300, at_least_a=rule.cap_a - 1.0)
    if spared:
        bench.measure(Measured(f"current of class {spared[0]}, which no price caps", last.meter.now_a(), "A", at_least=full_a * 0.95))


@case(
    "CK-CST-102", scope="site", covers={"cost pause by class", "departure"}, area="cost", limit_s=14400,
    starts=shortly_before(lambda ahead: costly(ahead, "pause_above")[2], LEAD_S),
)  # fmt: skip
async def test_a_class_waits_while_energy_is_dear_unless_it_has_to_leave(bench: Bench) -> None:
    """While a kWh costs more than its rule says, a class waits; one of it that said it leaves soon charges on."""
    site = bench.site()
    name, rule, at = costly(hours(site, LEAD_S - 60.0), "pause_above")
    if rule.unless_leaves_s < 1800.0:
        raise NotApplicable("no class of this site is spared a pause because it has to leave")
    first, last = site.arena().chargers
    await bench.rest(max(0.0, at - bench.now - 420.0))
    waits, leaves = of_class(site, name, 1), of_class(site, name, 2)
    await site.settle([(first, waits), (last, leaves)])
    await site.lever("set_departure", token=leaves, departs=at + rule.unless_leaves_s - 300.0)
    await bench.sleep(max(0.0, at - bench.now - 60.0))
    bench.check_bound(first.meter.now_a(), 1.0, "a pause")
    await bench.sleep(max(0.0, at - bench.now))
    await first.meter.settles(at_most_a=0.5, within=60)
    await first.meter.holds(at_most_a=0.5, for_s=300)
    await last.meter.draws(at_least_a=8.0, within_s=30)


async def quarter(bench: Bench, site: SiteUnder) -> tuple[float, list[int]]:
    """The mean of the next whole quarter of an hour at the grid meter, kW."""
    local = when(site, bench.now).local
    await bench.rest(QUARTER_S - (local.minute % 15 * 60 + local.second + local.microsecond / 1e6))
    meter = site.meter(site.grid.name)
    began, at = (await meter.fresh()).energy_wh, bench.now
    await bench.rest(QUARTER_S - 10.0)
    ended = await meter.fresh()
    return (ended.energy_wh - began) * 3.6 / (bench.now - at), [ended.seq]


def targeted(ahead: Hours) -> float:
    """When a demand target comes to hold."""
    target = ahead.rules.costing.target
    if target is None:
        raise NotApplicable("this site has no demand target (cost: demand_target:)")
    at = ahead.becomes(target.span.holds)
    if at is None:
        raise NotApplicable("the demand target does not come to hold within two hours")
    return at


@case(
    "CK-CST-103", scope="site", covers={"demand charge", "demand target", "cost opt-out"}, area="cost", limit_s=14400,
    starts=shortly_before(targeted, TARGET_LEAD_S),
)  # fmt: skip
async def test_the_quarter_hour_stays_below_its_target_and_the_protected_keep_theirs(bench: Bench) -> None:
    """With more vehicles than the demand target has room for, the mean of a whole quarter of an hour at the grid meter stays below it and
    uses it, and a protected vehicle charges at full power all the while, though it came last."""
    site = bench.site()
    at, costing = targeted(hours(site, TARGET_LEAD_S - 60.0)), site.rules.costing
    target_kw = costing.target.limit_kw
    others = [n for n in site.rules.classes if named(site.rules, n) and n not in costing.opt_out]
    protected = [n for n in reversed(site.rules.classes) if named(site.rules, n) and n in costing.opt_out]
    room = [c for c in site.ac if c.meter.point is not None and c.phases == 3]
    if not others or not protected or len(room) < 4:
        raise NotApplicable("nobody is held, or protected, from the demand target, or there is no room to overrun it")
    await bench.rest(max(0.0, at - bench.now - 300.0))
    one = room.pop(len(room) // 2)
    half = [c for pair in zip(room[: len(room) // 2], reversed(room), strict=False) for c in pair][:7]
    for number, charger in enumerate(half):
        await site.charge(charger, of_class(site, others[0], number + 1), vehicle="compact-3ph")
    await bench.sleep(60)
    await site.charge(one, of_class(site, protected[0]), vehicle="compact-3ph")
    await bench.sleep(60)
    could_kw = (len(half) + 1) * 16.0 * 0.69
    if could_kw < target_kw * 1.1:
        raise Unclear(f"{len(half) + 1} vehicles could not draw more than {target_kw:g} kW: the target proves nothing")
    await bench.sleep(max(0.0, at - bench.now))
    mean_kw, records = await quarter(bench, site)
    bench.measure(Measured("mean of a quarter of an hour", mean_kw, "kW", at_most=target_kw * 1.01), records)
    bench.measure(Measured("share of the target that is used", mean_kw / target_kw * 100, "%", at_least=80), records)
    bench.measure(Measured("current of the protected vehicle", one.meter.now_a(), "A", at_least=15.0), [one.meter.last().seq])


SHIFT_LEAD_S = 1500.0
HOUR_S = 3600.0
REPLAN_S = 60.0


def shifted(ahead: Hours) -> tuple[str, float]:
    """A class the plan moves into cheap hours, and when such hours begin."""
    book = ahead.rules
    names = [name for name in book.classes if book.costing.classes.get(name) is not None and book.costing.shifts(name)]
    names = [name for name in names if book.costing.classes[name].shift and named(book, name)]
    if not book.cost.plan or not names:
        raise NotApplicable("no class of this site is planned into cheap hours (cost: plan: true, classes: ... shift: true)")
    cheapest = min((book.cost.price, *(band.price for band in book.cost.bands)))
    at = ahead.becomes(lambda moment: book.cost.price_at(int(moment.minute)) <= cheapest)
    if at is None:
        raise NotApplicable("no cheap hours of this site begin within two hours")
    return names[0], at


@case(
    "CK-CST-104", scope="site", covers={"load shifting", "time of use", "departure"}, area="cost", limit_s=14400,
    starts=shortly_before(lambda ahead: shifted(ahead)[1], SHIFT_LEAD_S),
)  # fmt: skip
async def test_a_shifted_class_waits_for_the_cheap_hours_where_it_can(bench: Bench) -> None:
    """Two vehicles of a shifted class say when they leave and what they need. One can have it all in the cheap hours to come: it stops
    charging as soon as the rules let it, waits, and charges once they have begun. The other leaves as they begin: it charges in the dear
    ones, and has what it needs."""
    site = bench.site()
    name, at = shifted(hours(site, SHIFT_LEAD_S - 60.0))
    waits, leaves = site.arena().chargers
    patient, pressed = of_class(site, name, 1), of_class(site, name, 2)
    await bench.rest(max(0.0, at - bench.now - SHIFT_LEAD_S))
    await site.settle([(waits, patient), (leaves, pressed)])
    full_kw = min(waits.meter.now_a(), leaves.meter.now_a()) * waits.phases * waits.profile.voltage_v / 1000.0
    bench.check_bound(waits.meter.now_a(), 1.0, "a shift into cheap hours")
    had_wh, since = (await leaves.meter.fresh()).energy_wh, bench.now
    needs_kwh = full_kw * (at - since) / HOUR_S * 0.8
    begun = leaves.transaction
    assert begun is not None
    # A need is told for the whole of a session: what was charged before counts.
    told_kwh = needs_kwh + (had_wh - begun.began_wh) / 1000.0
    await site.lever("set_departure", token=pressed, departs=at, needs_kwh=told_kwh)
    await site.lever("set_departure", token=patient, departs=at + 2.0 * HOUR_S, needs_kwh=full_kw)
    # Who charges is not interrupted at once.
    await waits.meter.settles(at_most_a=0.5, within=site.rules.holds.on_s + 3.0 * REPLAN_S)
    with bench.resting():
        await waits.meter.holds(at_most_a=0.5, for_s=max(0.0, at - bench.now - 10.0))
    got = (await leaves.meter.fresh()).energy_wh - had_wh
    figure = f"share of its need that {leaves.name} had as it was to leave"
    bench.measure(Measured(figure, got / needs_kwh / 10.0, "%", at_least=95), [leaves.meter.last().seq])
    await bench.sleep(max(0.0, at - bench.now))
    await waits.meter.draws(at_least_a=8.0, within_s=site.rules.holds.off_s + 2.0 * REPLAN_S)
