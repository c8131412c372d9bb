"""Priority order: who gets the power when there is not enough."""

from chargekit.judge import Arena, Bench, Charger, Measured, SiteUnder, case


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
