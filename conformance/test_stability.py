"""Stability: nobody is switched on and off, nobody is left out for ever, and nobody keeps what it does not draw."""

from chargekit.judge import Bench, Charger, Measured, NotApplicable, SiteUnder, case
from chargekit.judge.people import of_class

FLOWS_A = 4.0
"""A vehicle drawing so much charges; one below 1 A does not."""
TENDER = "quirk-gives-up-after-5"
SLEEPER = "quirk-falls-asleep"


def peers(site: SiteUnder, count: int) -> list[str]:
    """Tokens of one class without turns of its own, whose members nothing puts before each other."""
    rules = site.rules.priority
    own = {name for one in (rules.rotation, rules.fairness) if one is not None for name in one.classes}
    for name in rules.order.classes:
        if name not in own and any(n == name for _, n in site.rules.tokens):
            try:
                return [of_class(site, name, number + 1) for number in range(count)]
            except NotApplicable:
                continue
    raise NotApplicable("no class of this site is told by its tokens and has no turns of its own")


async def cap_for(bench: Bench, site: SiteUnder, circuit: str, idle_a: float, room_a: float) -> None:
    """A cap under which the vehicles of a circuit have so much between them, A per phase."""
    await site.set_cap(room_a + idle_a + site.rules.margin_a.value, circuit)


def interruptions(chargers: list[Charger], charges: dict[str, bool], counted: dict[str, int]) -> None:
    """Count who was charging and is not any more."""
    for one in chargers:
        amps = one.meter.now_a()
        if charges[one.name] and amps < 1.0:
            charges[one.name], counted[one.name] = False, counted[one.name] + 1
        elif amps >= FLOWS_A:
            charges[one.name] = True


@case("CK-STB-101", scope="site", covers={"minimum on and off times", "pause budget"}, area="stability", limit_s=14400)
async def test_a_marginal_cap_interrupts_nobody_often(bench: Bench) -> None:
    """Three equal vehicles under a cap that for half an hour now feeds all and now one less, changing every 40 s: no session is interrupted
    more often than a vehicle bears, and one that gives up after five interruptions still charges in the end."""
    site = bench.site()
    arena = site.arena(3)
    chargers = list(arena.chargers)
    who = peers(site, 3)
    for number, charger in enumerate(chargers):
        await site.charge(charger, who[number], vehicle=TENDER if number == 2 else "compact-3ph")
        await bench.sleep(45)
    idle_a = max(0.0, (await arena.meter.fresh()).most_a - sum(c.meter.now_a() for c in chargers))
    most = max(1, site.rules.holds.pauses)
    charges, counted = dict.fromkeys((c.name for c in chargers), True), dict.fromkeys((c.name for c in chargers), 0)
    used, looks = 0.0, 0
    with bench.resting():
        for turn in range(45):
            await cap_for(bench, site, arena.circuit.name, idle_a, 14.0 if turn % 2 == 0 else 20.0)
            for _ in range(4):
                await bench.sleep(10)
                interruptions(chargers, charges, counted)
                used, looks = used + sum(c.meter.now_a() for c in chargers), looks + 1
    seqs = [c.meter.last().seq for c in chargers]
    for name, count in counted.items():
        bench.measure(Measured(f"interruptions of {name} within half an hour", count, "", at_most=most), seqs)
    bench.measure(Measured("mean current of all three", used / looks, "A", at_least=9.0), seqs)
    await cap_for(bench, site, arena.circuit.name, idle_a, 60.0)
    tender = chargers[2]
    await tender.meter.draws(at_least_a=FLOWS_A, within_s=site.rules.holds.off_s * most + 120)


@case("CK-STB-102", scope="site", covers={"session rotation", "strict priority"}, area="stability", limit_s=28800)
async def test_peers_take_turns_where_not_all_can_charge(bench: Bench) -> None:
    """Two equal vehicles of a class without turns of its own, under a cap that feeds one: within two turns and some time to change over
    each has charged, and none was interrupted more often than that takes."""
    site = bench.site()
    turn_s = site.rules.holds.turn_s
    if not 0 < turn_s <= 7200:
        raise NotApplicable("this site takes no turns of two hours or less")
    arena = site.arena()
    chargers, who = list(arena.chargers), peers(site, 2)
    await site.settle([(chargers[0], who[0]), (chargers[1], who[1])])
    idle_a = max(0.0, (await arena.meter.fresh()).most_a - sum(c.meter.now_a() for c in chargers))
    await cap_for(bench, site, arena.circuit.name, idle_a, 10.0)
    await bench.rest(120)
    before = [(await c.meter.fresh()).energy_wh for c in chargers]
    charges, counted = dict.fromkeys((c.name for c in chargers), False), dict.fromkeys((c.name for c in chargers), 0)
    with bench.resting():
        for _ in range(int((2 * turn_s + 300) // 20)):
            await bench.sleep(20)
            interruptions(chargers, charges, counted)
    half_wh = 6.0 * 3 * 230.0 * turn_s / 3600 / 2
    for charger, had_wh in zip(chargers, before, strict=True):
        reading = await charger.meter.fresh()
        bench.measure(Measured(f"energy of {charger.name} in two turns", reading.energy_wh - had_wh, "Wh", at_least=half_wh), [reading.seq])
        bench.measure(Measured(f"interruptions of {charger.name} in two turns", counted[charger.name], "", at_most=2), [reading.seq])


@case("CK-STB-103", scope="site", covers={"vehicles that draw nothing", "what nobody draws"}, area="stability", limit_s=14400)
async def test_a_vehicle_that_draws_nothing_keeps_nothing_from_others(bench: Bench) -> None:
    """Under a cap that feeds one, a full vehicle came first and draws nothing: what was kept for it goes to one of its own class."""
    site = bench.site()
    arena = site.arena()
    full, wants = arena.chargers
    first, last = peers(site, 2)
    idle_a = (await arena.meter.fresh()).most_a
    await cap_for(bench, site, arena.circuit.name, idle_a, 10.0)
    await bench.reach("Booted", charger=full)
    await full.charging("compact-3ph", first, 100.0)
    await bench.sleep(60)
    await site.charge(wants, last, vehicle="compact-3ph")
    rules = site.rules.holds
    await wants.meter.draws(at_least_a=FLOWS_A, within_s=900.0 + rules.off_s)
    await wants.meter.holds(at_most_a=12.0, for_s=300, at_least_a=FLOWS_A)


@case("CK-STB-104", scope="site", covers={"vehicles asleep", "wake-up"}, area="stability", limit_s=14400)
async def test_a_vehicle_that_fell_asleep_over_a_pause_is_woken(bench: Bench) -> None:
    """A vehicle that falls asleep when it is paused for ten minutes, and wakes when its pilot goes off and on again, is paused by a cap for
    a quarter of an hour: once the cap is gone it charges again within a few minutes, at stations that wake nobody by themselves too."""
    site = bench.site()
    arena = site.arena()
    charger = arena.chargers[0]
    idle_a = (await arena.meter.fresh()).most_a
    await site.charge(charger, site.first(), vehicle=SLEEPER)
    await bench.sleep(120)
    bench.check_bound(charger.meter.now_a(), 4.0, "a cap")
    await cap_for(bench, site, arena.circuit.name, idle_a, 0.0)
    await charger.meter.settles(at_most_a=0.5, within=60)
    with bench.resting():
        await charger.meter.holds(at_most_a=0.5, for_s=900)
    await cap_for(bench, site, arena.circuit.name, idle_a, 30.0)
    await charger.meter.draws(at_least_a=FLOWS_A, within_s=420)
