"""Priority order: who gets the power when there is not enough."""

from chargekit.judge import Arena, Bench, Charger, Measured, NotApplicable, SiteUnder, case
from chargekit.judge.hours import Hours, shortly_before
from chargekit.judge.people import hours, of_class, when


async def contest(
    bench: Bench, site: SiteUnder, arena: Arena, first: tuple[Charger, str], second: tuple[Charger, str], winner: Charger
) -> None:
    """Two equal cars under a cap that feeds one: the winner's share of what it could draw, over five minutes."""
    await site.settle([first, second])
    loser = second[0] if winner is first[0] else first[0]
    drawable_a = max(winner.meter.now_a(), loser.meter.now_a())
    bench.check_bound(winner.meter.now_a() + loser.meter.now_a(), drawable_a + 6, "a cap")
    idle_a = (await arena.meter.fresh()).most_a - winner.meter.now_a() - loser.meter.now_a()
    await site.set_cap(drawable_a + 6 + max(0.0, idle_a) + site.rules.margin_a.value, arena.circuit.name)
    await bench.sleep(60)
    before, lost = (await winner.meter.fresh()).energy_wh, loser.meter.last().energy_wh
    began = bench.now
    await bench.sleep(300)
    hours = (bench.now - began) / 3600
    possible_wh = drawable_a * 3 * winner.profile.voltage_v * hours
    share = ((await winner.meter.fresh()).energy_wh - before) / possible_wh * 100
    bench.measure(Measured(f"share of its drawable energy that {winner.name} got", share, "%", at_least=95), [winner.meter.last().seq])
    other = (loser.meter.last().energy_wh - lost) / possible_wh * 100
    bench.measure(Measured(f"share that {loser.name} got", other, "%", at_most=60), [loser.meter.last().seq])


@case("CK-PRI-101", scope="site", covers={"priority order"}, area="priority", limit_s=14400)
async def test_the_higher_class_is_served_first(bench: Bench) -> None:
    """Under a cap for one car and 6 A, the higher class gets at least 95 % of what it can draw, though it came last."""
    site = bench.site()
    arena = site.arena()
    one, two = arena.chargers
    await contest(bench, site, arena, (one, site.last()), (two, site.first()), winner=two)


@case("CK-PRI-102", scope="site", covers={"priority order"}, area="priority", limit_s=14400)
async def test_priority_follows_the_token_and_not_the_bay(bench: Bench) -> None:
    """With tokens swapped and arrival reversed, the higher class still wins: neither bay nor arrival decides."""
    site = bench.site()
    arena = site.arena()
    one, two = arena.chargers
    await contest(bench, site, arena, (two, site.last()), (one, site.first()), winner=one)


async def capped(bench: Bench, site: SiteUnder, arena: Arena, room_a: float) -> float:
    """A cap under which the two cars of the arena have so much between them; what one of them drew before it."""
    drawn_a = [c.meter.now_a() for c in arena.chargers]
    bench.check_bound(sum(drawn_a), room_a, "a cap")
    idle_a = (await arena.meter.fresh()).most_a - sum(drawn_a)
    await site.set_cap(room_a + max(0.0, idle_a) + site.rules.margin_a.value, arena.circuit.name)
    return max(drawn_a)


async def leads(one: Charger, other: Charger, *, full_a: float) -> None:
    """`one` comes to draw nearly all a car can, `other` clearly less."""
    await other.meter.settles(at_most_a=full_a - 4.0, within=90)
    await one.meter.draws(at_least_a=full_a * 0.9, within_s=150)
    await other.meter.holds(at_most_a=full_a - 4.0, for_s=30)


@case("CK-PRI-103", scope="site", covers={"session rotation"}, area="priority", limit_s=14400)
async def test_who_had_its_turn_goes_behind_its_peers(bench: Bench) -> None:
    """Two equal cars of a class that takes turns, under a cap that lets one of them charge: it charges for one turn, then the other."""
    site = bench.site()
    rotation = site.rules.priority.rotation
    if rotation is None or rotation.after_s > 3600.0:
        raise NotApplicable("no class of this site takes turns of an hour or less")
    arena = site.arena()
    one, two = arena.chargers
    await site.settle([(one, of_class(site, rotation.classes[0], 1)), (two, of_class(site, rotation.classes[0], 2))])
    await capped(bench, site, arena, 10.0)
    began = bench.now
    await bench.sleep(90)
    early, late = (one, two) if one.meter.now_a() > two.meter.now_a() else (two, one)
    await early.meter.draws(at_least_a=8, within_s=30)
    with bench.resting():
        await late.meter.holds(at_most_a=1, for_s=rotation.after_s / 2)
    await bench.rest(max(0.0, began + rotation.after_s - bench.now) + 30)
    await late.meter.draws(at_least_a=8, within_s=150)
    await early.meter.settles(at_most_a=1, within=60)
    await late.meter.holds(at_most_a=13, for_s=300, at_least_a=8)


LEAD_S = 540.0


def swapping(ahead: Hours) -> tuple[str, str, float]:
    """Two classes of which the first ranks above the second, until an hour at which they change places; and that."""
    rules = ahead.rules.priority
    spans = [one.span for one in rules.windows if one.span is not None]
    changes = ahead.changes(spans, lambda one, other: rules.order_at(one).classes != rules.order_at(other).classes)
    if changes is None:
        raise NotApplicable("the ranks of this site do not change within the time a case waits")
    before, after = rules.order_at(ahead.at(changes - 1.0)).classes, rules.order_at(ahead.at(changes)).classes
    people = [name for name in before if any(c == name for _, c in ahead.rules.tokens)]
    swapped = [(a, b) for a in people for b in people if before.index(a) < before.index(b) and after.index(b) < after.index(a)]
    if not swapped:
        raise NotApplicable("no two classes of this site change places with the hour")
    return *swapped[-1], changes


@case(
    "CK-PRI-104", scope="site", covers={"ranks by time window"}, area="priority", limit_s=14400,
    starts=shortly_before(lambda ahead: swapping(ahead)[2], LEAD_S),
)  # fmt: skip
async def test_the_ranks_change_with_the_hour(bench: Bench) -> None:
    """Two equal cars under a cap for one and 6 A: the class that ranks first leads, until the hour at which the other does."""
    site = bench.site()
    leader, follower, changes = swapping(hours(site, LEAD_S - 60.0))
    arena = site.arena()
    one, two = arena.chargers
    await bench.rest(max(0.0, changes - bench.now - LEAD_S))
    await site.settle([(two, of_class(site, follower)), (one, of_class(site, leader))])
    full_a = max(one.meter.now_a(), two.meter.now_a())
    await capped(bench, site, arena, full_a + 6)
    await leads(one, two, full_a=full_a)
    await bench.sleep(max(0.0, changes - bench.now - 60))
    await leads(one, two, full_a=full_a)
    await bench.sleep(max(0.0, changes - bench.now))
    await leads(two, one, full_a=full_a)


@case("CK-PRI-105", scope="site", covers={"departure time", "state-of-charge threshold"}, area="priority", limit_s=14400)
async def test_who_leaves_soon_and_is_low_goes_first(bench: Bench) -> None:
    """Two equal cars under a cap for one and 6 A: the lower class leads once its departure is near and its charge low, and stands behind
    again when it turns out to be full enough."""
    site = bench.site()
    near = site.rules.priority.near
    if near is None or near.below_soc is None:
        raise NotApplicable("this site does not rank by departure and state of charge")
    order = site.rules.priority.order_at(when(site, bench.now)).classes
    people = [name for name in order if any(c == name for _, c in site.rules.tokens)]
    pairs = [(a, b) for b in people if b in near.classes for a in people if order.index(a) < order.index(b) and a not in near.classes]
    if not pairs:
        raise NotApplicable("no class that may be put forward stands behind another at this hour")
    arena = site.arena()
    high, low = arena.chargers
    driver = of_class(site, pairs[0][1])
    await site.settle([(high, of_class(site, pairs[0][0])), (low, driver)])
    full_a = max(high.meter.now_a(), low.meter.now_a())
    await capped(bench, site, arena, full_a + 6)
    await leads(high, low, full_a=full_a)
    departs = bench.now + near.within_s - 60
    await site.lever("set_departure", token=driver, departs=departs, soc_percent=near.below_soc - 20)
    await leads(low, high, full_a=full_a)
    await site.lever("set_departure", token=driver, departs=departs, soc_percent=near.below_soc + 20)
    await leads(high, low, full_a=full_a)


async def back_again(
    bench: Bench, site: SiteUnder, who: str, peer: str, for_s: float, *, last: bool
) -> tuple[Charger, Charger]:  # fmt: skip
    """`who` charges for a while and leaves; then it comes back, before or after its peer, and a cap lets one of them charge.
    The charger of `who`, and its peer's."""
    arena = site.arena()
    one, two = arena.chargers
    await site.settle([(one, who)])
    await bench.rest(for_s)
    await one.press_stop()
    await one.expect(lambda: one.transaction is None, 60, "the end its user asked for")
    await one.unplug()
    await bench.sleep(30)
    await site.settle([(two, peer), (one, who)] if last else [(one, who), (two, peer)])
    await capped(bench, site, arena, 10.0)
    return one, two


@case("CK-PRI-106", scope="site", covers={"fairness over days"}, area="priority", limit_s=14400)
async def test_who_got_less_in_the_last_days_goes_first(bench: Bench) -> None:
    """Two equal cars of a class that shares by days, under a cap that lets one of them charge: who charged before and came back stands
    behind the one that had nothing yet, though it comes first."""
    site = bench.site()
    fairness = site.rules.priority.fairness
    taken = {name for one in site.rules.priority.triggers for name in one.classes}
    names = [name for name in fairness.classes if name not in taken] if fairness is not None else []
    if not names:
        raise NotApplicable("no class of this site shares by what was got in the last days alone")
    before, fresh = of_class(site, names[0], 1), of_class(site, names[0], 2)
    one, two = await back_again(bench, site, before, fresh, 900, last=False)
    await one.meter.settles(at_most_a=1, within=90)
    await two.meter.draws(at_least_a=8, within_s=150)
    await one.meter.holds(at_most_a=1, for_s=120)


@case("CK-PRI-107", scope="site", covers={"persistent under-allocation"}, area="priority", limit_s=14400)
async def test_who_got_too_little_is_put_forward(bench: Bench) -> None:
    """Two equal cars of one class under a cap that lets one of them charge: who came in the last days and got less than its class is
    meant to get comes first, though it comes last."""
    site = bench.site()
    rules = [one for one in site.rules.priority.triggers if one.kind == "under_allocation" and one.below_wh >= 1000.0]
    if not rules:
        raise NotApplicable("no class of this site is put forward for getting too little")
    name = rules[0].classes[0]
    short, peer = await back_again(bench, site, of_class(site, name, 1), of_class(site, name, 2), 60, last=True)
    await peer.meter.settles(at_most_a=1, within=90)
    await short.meter.draws(at_least_a=8, within_s=150)
    await peer.meter.holds(at_most_a=1, for_s=120)
