"""Import caps: kept, and used."""

from chargekit.judge import Bench, Measured, Unclear, case
from chargekit.judge.premises import REACTION_S

TICK_S = 300.0
"""Where the building moves by itself it does so every five minutes."""


@case("CK-CAP-101", scope="site", covers={"site import limit", "K04.FR.05"}, area="caps", limit_s=14400)
async def test_a_lowered_cap_is_kept_and_used(bench: Bench) -> None:
    """With a cap that leaves the vehicles 60 % of their demand the grid meter shows no more than the cap, and at least 85 % of it."""
    site = bench.site()
    grid, base_a, demand_a = await site.demand()
    cap_a = float(round(base_a + demand_a * 0.6))
    await site.set_cap(cap_a)
    await grid.settles(at_most_a=cap_a, within=REACTION_S)
    await site.keeps(site.grid.name, at_most_a=cap_a, for_s=600)
    delivered = await site.mean_a(site.grid.name)
    bench.measure(Measured("share of the cap that is used", delivered / cap_a * 100, "%", at_least=85), [grid.last().seq])


@case("CK-CAP-102", scope="site", covers={"feeder limit", "limits at every level"}, area="caps", limit_s=14400)
async def test_a_feeder_and_the_import_limit_hold_under_full_demand(bench: Bench) -> None:
    """With every outlet busy, the feeders and the grid stay within their limits, and the tightest is used."""
    site = bench.site()
    base_a = await site.base_a()
    for number, charger in enumerate(site.chargers):
        await site.charge(charger, site.someone(number))
    limits = {name: site.limit_a(name) for name in bench.lab.site.circuits}
    await bench.sleep(180)
    could, used = {}, {}
    for circuit in limits:
        chargers = site.below(circuit)
        could[circuit] = sum(c.max_a * c.phases / 3.0 for c in chargers) + (base_a if circuit == site.grid.name else 0.0)
        used[circuit] = 0.0
    for _ in range(20):
        for circuit, limit_a in limits.items():
            meter = site.meter(circuit)
            reading = await meter.fresh()
            used[circuit] = max(used[circuit], reading.most_a / limit_a)
            if site.moves(circuit):
                continue
            bench.measure(
                Measured(f"current of {circuit}", reading.most_a, "A", at_most=limit_a + 0.3, uncertainty=meter.uncertainty_a),
                [reading.seq],
            )
        await bench.sleep(30)
    for circuit in [name for name in limits if site.moves(name)]:
        await site.keeps(circuit, at_most_a=limits[circuit], for_s=600)
    # A circuit is a bottleneck where its vehicles could draw more than it and none above or below takes the power from it.
    tight = [name for name in limits if could[name] > limits[name] * 1.05]
    if not tight:
        raise Unclear("all vehicles together could not draw more than any circuit's limit: the limits prove nothing")
    best = max(tight, key=lambda name: used[name])
    bench.measure(Measured(f"share of the limit of {best} that is used", used[best] * 100, "%", at_least=85), [site.meter(best).last().seq])


@case("CK-CAP-103", scope="site", covers={"decrease before increase", "site import limit"}, area="caps", limit_s=14400)
async def test_power_changes_hands_within_the_cap(bench: Bench) -> None:
    """When an override moves power from one car to another, the meter of their circuit stays within the cap in between."""
    site = bench.site()
    arena = site.arena()
    guest, resident = arena.chargers
    base_a = (await arena.meter.fresh()).most_a
    await site.settle([(resident, site.first()), (guest, site.last())])
    before_a = (await arena.meter.fresh()).most_a
    cap_a = float(round(base_a + (before_a - base_a) * 0.7))
    bench.check_bound(before_a, cap_a, "a cap")
    await site.set_cap(cap_a, arena.circuit.name)
    await arena.meter.settles(at_most_a=cap_a, within=REACTION_S)
    await bench.sleep(15)
    lent_a = (await guest.meter.fresh()).most_a
    until = bench.now + 600
    await site.lever("create_override", id="ovr-2", token=site.last(), until=until, who="dispatcher", why="departure moved up")
    await arena.meter.holds(at_most_a=cap_a, for_s=120)
    bench.measure(Measured(f"current {guest.name} gained", guest.meter.now_a() - lent_a, "A", at_least=2), [guest.meter.last().seq])


@case("CK-CAP-104", scope="site", covers={"building load step", "site import limit"}, area="caps", limit_s=14400)
async def test_the_vehicles_make_room_for_the_building_and_take_it_back(bench: Bench) -> None:
    """When the building takes more, the grid meter is within the cap again within half a minute and stays there; what the building leaves
    again is used again."""
    site = bench.site()
    grid, base_a, demand_a = await site.demand()
    cap_a, step_a = float(round(base_a + demand_a * 0.7)), demand_a * 0.2
    await site.set_cap(cap_a)
    await grid.settles(at_most_a=cap_a, within=REACTION_S)
    await bench.sleep(TICK_S * 2 - bench.now % TICK_S + 10)
    await bench.hand("plant", "set_building_a", circuit=site.grid.name, amps=[base_a + step_a] * 3)
    await bench.sleep(REACTION_S)
    await site.keeps(site.grid.name, at_most_a=cap_a, for_s=60)
    used_a = await site.mean_a(site.grid.name)
    shared = Measured("share of the cap that is used beside more building load", used_a / cap_a * 100, "%", at_least=85)
    bench.measure(shared, [grid.last().seq])
    await bench.hand("plant", "set_building_a", circuit=site.grid.name, amps=[base_a] * 3)
    await bench.sleep(90)
    used_a = await site.mean_a(site.grid.name)
    bench.measure(Measured("share of the cap that is used after it", used_a / cap_a * 100, "%", at_least=85), [grid.last().seq])


@case("CK-CAP-105", scope="site", covers={"minimum current of a vehicle", "limits at every level"}, area="caps", limit_s=14400)
async def test_a_vehicle_that_takes_nothing_at_six_amperes_is_offered_more(bench: Bench) -> None:
    """Two equal users share a cap that leaves each less than 10 A. The vehicle of one draws nothing below 10 A: it is given that, the other
    the rest, and the cap holds."""
    site = bench.site()
    arena = site.arena()
    first, second = arena.chargers
    base_a = (await arena.meter.fresh()).most_a
    cap_a = float(round(base_a + 19.0))
    await site.set_cap(cap_a, arena.circuit.name)
    await site.charge(first, site.first(1), vehicle="compact-3ph")
    await bench.sleep(90)
    await site.charge(second, site.first(2), vehicle="quirk-minimum-10a")
    await arena.meter.holds(at_most_a=cap_a, for_s=420)
    for charger, least_a in ((second, 9.0), (first, 5.0)):
        reading = await charger.meter.fresh()
        bench.measure(Measured(f"current of {charger.name}", charger.meter.now_a(), "A", at_least=least_a), [reading.seq])
