"""Who gives and who keeps when power is short: the order of throttling, guaranteed minima, and AC and DC apart."""

from chargekit.judge import Arena, Bench, Charger, Measured, NotApplicable, SiteUnder, Unclear, case
from chargekit.judge.bench import PILOT_TOLERANCE_A
from chargekit.judge.people import of_class, when
from chargekit.judge.premises import BIG_A, REACTION_S


def ranked(site: SiteUnder) -> list[str]:
    """The classes somebody can be, first to last at this hour."""
    order = site.rules.priority.order_at(when(site, site.bench.now)).classes
    return [name for name in order if any(c == name for _, c in site.rules.tokens)]


async def short(bench: Bench, site: SiteUnder, one: str, two: str, more_a: float) -> tuple[Arena, Charger, Charger, float]:
    """Two equal cars under a cap for one of them and so much more; what one drew before."""
    arena = site.arena()
    first, second = arena.chargers
    await site.settle([(first, one), (second, two)])
    await bench.sleep(90)
    full_a = max(first.meter.now_a(), second.meter.now_a())
    idle_a = (await arena.meter.fresh()).most_a - first.meter.now_a() - second.meter.now_a()
    bench.check_bound(first.meter.now_a() + second.meter.now_a(), full_a + more_a, "a cap")
    await site.set_cap(full_a + more_a + max(0.0, idle_a) + site.rules.margin_a.value, arena.circuit.name)
    await bench.sleep(REACTION_S + 60.0)
    return arena, first, second, full_a


@case("CK-THR-101", scope="site", covers={"who is throttled first"}, area="throttling", limit_s=14400)
async def test_who_is_throttled_first_gives_first_and_keeps_its_minimum(bench: Bench) -> None:
    """Under a cap for one car and the minimum of another, a class that is throttled first falls to its minimum although it ranks
    higher, and the other charges on."""
    site = bench.site()
    throttle = site.rules.power.throttle
    people = ranked(site)
    pairs = [
        (a, b) for a in people for b in people
        if throttle is not None and throttle.turn(a) > throttle.turn(b) and people.index(a) < people.index(b)
    ]  # fmt: skip
    if not pairs:
        raise NotApplicable("no class of this site is throttled before one that ranks lower at this hour (power: throttle:)")
    giver, taker = pairs[0]
    _, one, two, full_a = await short(bench, site, of_class(site, giver), of_class(site, taker), 9.0)
    await two.meter.draws(at_least_a=full_a * 0.9, within_s=90)
    await one.meter.settles(at_most_a=full_a - 4.0, within=60)
    await one.meter.holds(at_most_a=full_a - 4.0, for_s=180, at_least_a=5.5)


@case("CK-THR-102", scope="site", covers={"minimum protected level", "min_first"}, area="throttling", limit_s=14400)
async def test_a_guaranteed_minimum_comes_before_anybodys_surplus(bench: Bench) -> None:
    """Under a cap for little more than one car, a class whose minimum comes first charges with it although another ranks higher and could
    use all there is."""
    site = bench.site()
    first = site.rules.power.min_first
    people = ranked(site)
    pairs = [(a, b) for a in people for b in people if first is not None and b in first.classes and a not in first.classes]
    pairs = [(a, b) for a, b in pairs if people.index(a) < people.index(b)]
    if not pairs:
        raise NotApplicable("no class of this site has its minimum first (power: guarantee:)")
    high, low = pairs[0]
    _, one, two, full_a = await short(bench, site, of_class(site, high), of_class(site, low), 1.0)
    await two.meter.draws(at_least_a=5.5, within_s=90)
    await two.meter.holds(at_most_a=full_a, for_s=180, at_least_a=5.5)
    had = Measured("current of the higher class", one.meter.now_a(), "A", at_least=5.5, at_most=full_a - 3.0)
    bench.measure(had, [one.meter.last().seq])


@case("CK-BUD-101", scope="site", covers={"AC and DC apart"}, area="budgets", limit_s=14400)
async def test_a_kind_of_current_keeps_to_its_budget_and_uses_it(bench: Bench) -> None:
    """With every outlet of one kind of current below a circuit busy, they draw together no more than its budget, and most of it."""
    site = bench.site()
    for budget in site.rules.power.budgets:
        chargers = [c for c in site.below(budget.circuit) if c.dc == (budget.current == "dc") and c.meter.point is not None]
        circuit_a = min(site.limit_a(c.name) for c in bench.lab.site.path(budget.circuit))
        could_a = sum(c.max_a if c.dc else min(c.max_a, BIG_A) * c.phases / 3.0 for c in chargers)
        if could_a > budget.limit_a * 1.1 and circuit_a > budget.limit_a * 1.05:
            break
    else:
        raise NotApplicable("no budget of AC or DC at this site is less than its chargers, and its circuit, could carry (power: budgets:)")
    for number, charger in enumerate(chargers):
        await site.charge(charger, site.someone(number))
    await bench.sleep(240)
    most, records = 0.0, []
    for _ in range(20):
        drawn_a, records = await site.flows_a(chargers)
        most = max(most, drawn_a)
        await bench.sleep(15)
    if most < 6.0:
        raise Unclear("hardly anything flowed: the budget proves nothing")
    name = f"{budget.current.upper()} of {budget.circuit}"
    tolerance_a = PILOT_TOLERANCE_A * len(chargers)
    bench.measure(Measured(f"current of {name}", most, "A", at_most=budget.limit_a + tolerance_a), records)
    bench.measure(Measured(f"share of the budget of {name} that is used", most / budget.limit_a * 100, "%", at_least=80), records)
