"""Signals from the grid: they bind, leave every vehicle its floor and the exempt all they need, and end by themselves."""

from chargekit.judge import Arena, Bench, Charger, Measured, NotApplicable, SiteUnder, case
from chargekit.judge.people import of_class, when
from chargekit.judge.premises import REACTION_S
from chargekit.policy.signals import SignalRule, floor_a

FOR_S = 600.0
LIMIT_A = 16.0


def rule_of(site: SiteUnder, kind: str) -> SignalRule:
    rule: SignalRule | None = site.rules.power.signals.get(kind)
    if rule is None or rule.longest_s < FOR_S:
        raise NotApplicable(f"this site takes no signals of kind {kind} (power: signals:)")
    return rule


def someone(site: SiteUnder, rule: SignalRule, *, exempt: bool, number: int = 1) -> str:
    """A token of a class the rule exempts, or does not."""
    names = [n for n in site.rules.classes if (n in rule.exempt) == exempt and any(c == n for _, c in site.rules.tokens)]
    if not names:
        raise NotApplicable(f"nobody at this site is {'exempt from' if exempt else 'meant by'} a {rule.kind}")
    return of_class(site, names[-1], number)


async def two_cars(bench: Bench, site: SiteUnder, one: str, two: str) -> tuple[Arena, Charger, Charger, float]:
    """Two equal cars at full power; what one of them draws."""
    arena = site.arena()
    first, second = arena.chargers
    await site.settle([(first, one), (second, two)])
    await bench.sleep(90)
    return arena, first, second, max(first.meter.now_a(), second.meter.now_a())


@case("CK-SIG-101", scope="site", covers={"dimming", "signal floor", "signal expiry"}, area="signals", limit_s=14400)
async def test_a_dimming_leaves_the_floor_and_ends_by_itself(bench: Bench) -> None:
    """Dimmed to next to nothing, every vehicle falls to the floor that the rule leaves it and not below; when the time the signal named is
    over, all charge at full power again without anybody's doing."""
    site = bench.site()
    rule = rule_of(site, "dimming")
    _, one, two, full_a = await two_cars(bench, site, someone(site, rule, exempt=False), someone(site, rule, exempt=False, number=2))
    floor = floor_a(rule, 3)
    bench.check_bound(full_a, floor, "a dimming")
    until = bench.now + FOR_S
    await site.lever("signal", id="ck-dim", kind="dimming", who="grid operator", until=until, limit_kw=0.5)
    for charger in (one, two):
        await charger.meter.settles(at_most_a=floor, within=REACTION_S)
    for charger in (one, two):
        await charger.meter.holds(at_most_a=floor, for_s=120, at_least_a=floor * 0.97)
    await bench.sleep(max(0.0, until - bench.now))
    for charger in (one, two):
        await charger.meter.draws(at_least_a=full_a * 0.95, within_s=120)


@case("CK-SIG-102", scope="site", covers={"dimming", "signal exemption"}, area="signals", limit_s=14400)
async def test_the_exempt_are_not_dimmed(bench: Bench) -> None:
    """While others are dimmed to their floor, a vehicle of a class the rule exempts goes on charging at full power."""
    site = bench.site()
    rule = rule_of(site, "dimming")
    spared, meant = someone(site, rule, exempt=True), someone(site, rule, exempt=False)
    _, one, two, full_a = await two_cars(bench, site, spared, meant)
    floor = floor_a(rule, 3)
    bench.check_bound(full_a, floor, "a dimming")
    await site.lever("signal", id="ck-dim", kind="dimming", who="grid operator", until=bench.now + FOR_S, limit_kw=0.5)
    await two.meter.settles(at_most_a=floor, within=REACTION_S)
    await two.meter.holds(at_most_a=floor, for_s=120, at_least_a=floor * 0.97)
    bench.measure(Measured(f"current of {spared}, which is exempt", one.meter.now_a(), "A", at_least=full_a * 0.95), [one.meter.last().seq])


async def levelled(bench: Bench, site: SiteUnder, rule: SignalRule, one: str, two: str) -> tuple[Arena, Charger, Charger, float, float]:
    """Two cars under the highest level that still lets one of them charge, with the limit that is; None binds: NotApplicable."""
    limit_a, level = site.limit_a(site.grid.name), len(rule.shares) - 1
    left_a = rule.shares[level] * limit_a
    arena = site.arena()
    if arena.circuit.name != site.grid.name or not 13.0 <= left_a < 30.0:
        raise NotApplicable("the highest level leaves this site more, or less, than what two vehicles show")
    arena, first, second, full_a = await two_cars(bench, site, one, two)
    bench.check_bound((await arena.meter.fresh()).most_a, left_a, "a level")
    await site.lever("signal", id="ck-level", kind="level", who="aggregator", until=bench.now + FOR_S, level=level)
    return arena, first, second, full_a, left_a


@case("CK-SIG-103", scope="site", covers={"demand response level", "signal expiry"}, area="signals", limit_s=14400)
async def test_a_level_leaves_its_share_of_the_import_limit(bench: Bench) -> None:
    """At the highest level the grid meter comes down to the share of the import limit that the level leaves, which is used; when the signal
    ends, so does that."""
    site = bench.site()
    rule = rule_of(site, "level")
    arena, one, two, full_a, left_a = await levelled(bench, site, rule, site.first(), site.last())
    until = bench.now + FOR_S
    await arena.meter.settles(at_most_a=left_a, within=REACTION_S)
    await arena.meter.holds(at_most_a=left_a, for_s=180)
    bench.measure(Measured("share of the level that is used", (await arena.meter.fresh()).most_a / left_a * 100, "%", at_least=75))
    await bench.sleep(max(0.0, until - bench.now))
    for charger in (one, two):
        await charger.meter.draws(at_least_a=full_a * 0.95, within_s=150)


@case("CK-SIG-104", scope="site", covers={"demand response level", "who gives first"}, area="signals", limit_s=14400)
async def test_who_is_to_give_first_gives_first(bench: Bench) -> None:
    """While a level binds, a class that is to give first falls to its minimum although it ranks higher, and another charges on."""
    site = bench.site()
    rule = rule_of(site, "level")
    people = [name for name in site.rules.priority.order_at(when(site, bench.now)).classes if any(c == name for _, c in site.rules.tokens)]
    pairs = [(a, b) for a in people if a in rule.first for b in people if b not in rule.first and people.index(a) < people.index(b)]
    if not pairs:
        raise NotApplicable("no class that gives first at a signal ranks above another at this hour")
    giver, taker = pairs[-1]
    _, one, two, full_a, left_a = await levelled(bench, site, rule, of_class(site, giver), of_class(site, taker))
    await bench.sleep(60)
    await one.meter.settles(at_most_a=7.0, within=60)
    await two.meter.draws(at_least_a=min(full_a, left_a - 7.0 - 4.0), within_s=60)
    await one.meter.holds(at_most_a=7.0, for_s=60, at_least_a=5.5)


@case("CK-SIG-105", scope="site", covers={"signal expiry", "mandatory end"}, area="signals", limit_s=14400)
async def test_a_signal_that_lasts_too_long_is_refused(bench: Bench) -> None:
    """A signal whose end is later than the rules allow changes nothing."""
    site = bench.site()
    rule = rule_of(site, "dimming")
    _, one, two, full_a = await two_cars(bench, site, someone(site, rule, exempt=False), someone(site, rule, exempt=False, number=2))
    bench.check_bound(full_a, floor_a(rule, 3), "a dimming")
    await site.lever("signal", id="ck-long", kind="dimming", who="grid operator", until=bench.now + rule.longest_s + 3600.0, limit_kw=0.5)
    for charger in (one, two):
        await charger.meter.holds(at_most_a=full_a + 1.0, for_s=90, at_least_a=full_a * 0.95)


@case("CK-SIG-106", scope="site", covers={"external limit", "K12.FR.02", "K13.FR.02"}, area="signals", limit_s=14400)
async def test_what_an_external_limit_leaves_unused_is_not_taken_from_others(bench: Bench) -> None:
    """A charger tells that somebody outside limits it. When a vehicle of the first class comes to it, one of the last class keeps what that
    one can't use, from the beginning; when the limit is released, the first class has its power."""
    site = bench.site()
    rule_of(site, "external")
    arena = site.arena()
    chargers = [c for c in site.below(arena.circuit.name) if not c.dc and c.phases == 3 and c.meter.point is not None]
    for charger in chargers:
        await charger.booted()
    one = next((c for c in chargers if c.tells_limits), None)
    two = next((c for c in chargers if c is not one and one is not None and c.spec.circuit == one.spec.circuit), None)
    if one is None or two is None:
        raise NotApplicable("no charger of this site tells what limits it from outside")
    await site.settle([(two, site.last())])
    full_a = two.meter.now_a()
    idle_a = (await arena.meter.fresh()).most_a - full_a
    await one.limit_outside(8.0)
    await site.set_cap(full_a + 10.0 + max(0.0, idle_a) + site.rules.margin_a.value, arena.circuit.name)
    await bench.sleep(90)
    await site.charge(one, site.first(), vehicle="compact-3ph")
    await one.meter.draws(at_least_a=7.0, within_s=60)
    await one.meter.holds(at_most_a=8.0, for_s=40)
    await two.meter.holds(at_most_a=full_a + 1.0, for_s=30, at_least_a=full_a * 0.85)
    await one.limit_outside(None)
    await one.meter.draws(at_least_a=full_a * 0.9, within_s=120)


@case("CK-SIG-107", scope="site", covers={"external limit", "limit of a whole station", "signal expiry"}, area="signals", limit_s=14400)
async def test_a_limit_on_a_whole_station_is_for_its_outlets_together(bench: Bench) -> None:
    """Somebody outside limits a station of two outlets, a vehicle on each: both together draw no more, and use it; when the limit ends, so
    does that."""
    site = bench.site()
    rule_of(site, "external")
    one = next((c for c in site.chargers if len(c.spec.model.evses) > 1 and not c.dc and c.meter.point is not None), None)
    if one is None:
        raise NotApplicable("no AC station of this site has two outlets and a meter")
    two = Charger(bench, one.name)
    two.evse = one.spec.model.evses[1].id
    await site.settle([(one, site.last()), (two, site.last(2))])
    await bench.sleep(60)
    full_a = one.meter.now_a()
    bench.check_bound(full_a, LIMIT_A, "a limit from outside")
    until = bench.now + FOR_S
    await site.lever("signal", id="ck-post", kind="external", who="EMS", until=until, station=one.name, limit_a=LIMIT_A)
    await one.meter.settles(at_most_a=LIMIT_A, within=REACTION_S)
    await one.meter.holds(at_most_a=LIMIT_A, for_s=120, at_least_a=LIMIT_A * 0.75)
    await bench.sleep(max(0.0, until - bench.now))
    await one.meter.draws(at_least_a=full_a * 0.95, within_s=150)
