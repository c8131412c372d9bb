"""Import caps: kept, and used."""

from chargekit.judge import Bench, Measured, SiteUnder, Unclear, case

REACTION_S = 30


async def _base_a(bench: Bench, site: SiteUnder) -> float:
    """What the building draws before anybody charges, the highest phase."""
    await bench.sleep(30)
    return (await site.meter(site.grid.name).fresh()).most_a


@case("CK-CAP-101", scope="site", covers={"site import limit", "K04.FR.05"}, area="caps", limit_s=14400)
async def test_a_lowered_cap_is_kept_and_used(bench: Bench) -> None:
    """With a cap that leaves the vehicles 60 % of their demand the grid meter shows no more than the cap, and at least 85 % of it."""
    site = bench.site()
    grid = site.meter(site.grid.name)
    base_a = await _base_a(bench, site)
    for number, charger in enumerate(site.chargers[:4]):
        await bench.reach("Booted", charger=charger)
        await charger.charging("compact-3ph", f"EMP-{number}", 20)
    await bench.sleep(240)
    demand_a = (await grid.fresh()).most_a - base_a
    if demand_a < 40:
        raise Unclear(f"only {demand_a:.1f} A of demand could be raised: a cap would prove nothing")
    cap_a = float(round(base_a + demand_a * 0.6))
    await site.set_cap(cap_a)
    await grid.settles(at_most_a=cap_a, within=REACTION_S)
    await grid.holds(at_most_a=cap_a, for_s=600)
    delivered = (await grid.fresh()).most_a
    bench.measure(Measured("share of the cap that is used", delivered / cap_a * 100, "%", at_least=85), [grid.last().seq])


@case("CK-CAP-102", scope="site", covers={"feeder limit", "limits at every level"}, area="caps", limit_s=14400)
async def test_a_feeder_and_the_import_limit_hold_under_full_demand(bench: Bench) -> None:
    """With every outlet busy, the feeders and the grid stay within their limits, and the tightest is used."""
    site = bench.site()
    for number, charger in enumerate(site.chargers):
        await bench.reach("Booted", charger=charger)
        await charger.charging("small-22kw", f"{('RES', 'EMP', 'GST')[number % 3]}-{number}", 20)
    limits = {limit.circuit: limit.limit_a for limit in site.rules.limits}
    await bench.sleep(180)
    for _ in range(20):
        for circuit, limit_a in limits.items():
            meter = site.meter(circuit)
            reading = await meter.fresh()
            bench.measure(
                Measured(f"current of {circuit}", reading.most_a, "A", at_most=limit_a + 0.3, uncertainty=meter.uncertainty_a),
                [reading.seq],
            )
        await bench.sleep(30)
    grid = site.meter(site.grid.name)
    could_a = sum(min(charger.spec.max_a, 32.0) for charger in site.chargers)
    if could_a < limits[site.grid.name]:
        raise Unclear(f"all vehicles together could draw {could_a:.0f} A: an import limit of {limits[site.grid.name]:g} A proves nothing")
    share = (await grid.fresh()).most_a / limits[site.grid.name] * 100
    bench.measure(Measured("share of the import limit that is used", share, "%", at_least=85), [grid.last().seq])


@case("CK-CAP-103", scope="site", covers={"decrease before increase", "site import limit"}, area="caps", limit_s=14400)
async def test_power_changes_hands_within_the_cap(bench: Bench) -> None:
    """When an override moves power from one car to another, the grid meter stays within the cap in between."""
    site = bench.site()
    base_a = await _base_a(bench, site)
    guest, resident = site.chargers[0], site.chargers[1]
    for charger, token in ((resident, "RES-1"), (guest, "GST-1")):
        await bench.reach("Booted", charger=charger)
        await charger.charging("compact-3ph", token, 20)
        await bench.sleep(45)
    grid = site.meter(site.grid.name)
    before_a = (await grid.fresh()).most_a
    cap_a = float(round(base_a + (before_a - base_a) * 0.7))
    bench.check_bound(before_a, cap_a, "a cap")
    await site.set_cap(cap_a)
    await grid.settles(at_most_a=cap_a, within=REACTION_S)
    await bench.sleep(15)
    lent_a = (await guest.meter.fresh()).most_a
    await site.lever("create_override", id="ovr-2", token="GST-1", until=bench.now + 600, who="dispatcher", why="departure moved up")
    await grid.holds(at_most_a=cap_a, for_s=120)
    bench.measure(Measured("current the guest gained", guest.meter.now_a() - lent_a, "A", at_least=2), [guest.meter.last().seq])
