"""Overrides: they lead, and they end."""

from chargekit.judge import Bench, case


@case("CK-OVR-101", scope="site", covers={"override expiry"}, area="overrides", limit_s=14400)
async def test_an_override_leads_and_ends_on_time(bench: Bench) -> None:
    """An override puts the lowest class before the highest until its expiry; then the lower layer leads again, on both meters."""
    site = bench.site()
    arena = site.arena()
    guest, resident = arena.chargers
    await site.settle([(resident, site.first()), (guest, site.last())])
    full_a = resident.meter.now_a()
    bench.check_bound(full_a + guest.meter.now_a(), full_a + 6, "a cap")
    idle_a = (await arena.meter.fresh()).most_a - full_a - guest.meter.now_a()
    await site.set_cap(full_a + 6 + max(0.0, idle_a) + site.rules.margin_a.value, arena.circuit.name)
    await guest.meter.settles(at_most_a=full_a - 4, within=60)
    until = bench.now + 300
    await site.lever(
        "create_override", id="ovr-1", token=site.last(), until=until, who="site_manager", why="a guest has to leave for the airport"
    )
    await guest.meter.draws(at_least_a=full_a * 0.95, within_s=60)
    await resident.meter.settles(at_most_a=full_a - 4, within=60)
    await bench.sleep(max(0.0, until - bench.now))
    await guest.meter.settles(at_most_a=full_a - 4, within=60)
    await resident.meter.draws(at_least_a=full_a * 0.95, within_s=60)
    await guest.meter.holds(at_most_a=full_a - 4, for_s=120)
