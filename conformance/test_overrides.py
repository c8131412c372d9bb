"""Overrides: they lead, and they end."""

from chargekit.judge import Bench, case


@case("CK-OVR-101", scope="site", covers={"override expiry"}, area="overrides", limit_s=14400)
async def test_an_override_leads_and_ends_on_time(bench: Bench) -> None:
    """An override puts a guest before a resident until its expiry; then the lower layer leads again, on both meters."""
    site = bench.site()
    guest, resident = site.chargers[0], site.chargers[1]
    for charger, token in ((resident, "RES-1"), (guest, "GST-1")):
        await bench.reach("Booted", charger=charger)
        await charger.charging("compact-3ph", token, 20)
        await bench.sleep(45)
    full_a = resident.meter.now_a()
    bench.check_bound(full_a + guest.meter.now_a(), full_a + 6, "a cap")
    idle_a = (await site.meter(site.grid.name).fresh()).most_a - full_a - guest.meter.now_a()
    await site.set_cap(full_a + 6 + max(0.0, idle_a) + site.rules.margin_a.value)
    await guest.meter.settles(at_most_a=full_a - 4, within=60)
    until = bench.now + 300
    await site.lever(
        "create_override", id="ovr-1", token="GST-1", until=until, who="site_manager", why="a guest has to leave for the airport"
    )
    await guest.meter.draws(at_least_a=full_a * 0.95, within_s=60)
    await resident.meter.settles(at_most_a=full_a - 4, within=60)
    await bench.sleep(max(0.0, until - bench.now))
    await guest.meter.settles(at_most_a=full_a - 4, within=60)
    await resident.meter.draws(at_least_a=full_a * 0.95, within_s=60)
    await guest.meter.holds(at_most_a=full_a - 4, for_s=120)
