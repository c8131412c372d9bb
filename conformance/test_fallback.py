"""Fault fallback: what a charger does when nobody leads it any more."""

from chargekit.judge import Bench, case


@case("CK-FBK-001", requires={"smart_charging"}, covers={"K06.FR.01", "1.6 3.13.6"}, area="fallback")
async def test_a_lost_link_keeps_the_limit(bench: Bench) -> None:
    """While the link is down the TxProfile stays in force, on the meter."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 9, "a limit")
    await charger.set_limit(amps=9)
    await charger.meter.settles(at_most_a=9, within=charger.profile.settle_s)
    await charger.cut_link()
    await charger.meter.holds(at_most_a=9, for_s=120, at_least_a=8)
    await charger.mend_link()
    await charger.expect(lambda: charger.seen.online, 300, "a reconnection")
    await charger.meter.holds(at_most_a=9, for_s=60)


@case("CK-FBK-002", requires={"smart_charging"}, covers={"K01.FR.12", "in-profile safe period"}, area="fallback")
async def test_a_lease_falls_to_its_safe_value_offline(bench: Bench) -> None:
    """A schedule of two periods moves to its second one on time while the link is down."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(periods=[(0, 14), (120, 6)])
    bench.check_bound(charger.meter.now_a(), 6, "a safe value")
    await charger.cut_link()
    await bench.sleep(110)
    await charger.meter.settles(at_most_a=6, within=charger.profile.settle_s + 10)
    await charger.meter.holds(at_most_a=6, for_s=120, at_least_a=5)


@case("CK-FBK-101", scope="site", covers={"fault fallback", "K06"}, area="fallback", limit_s=14400)
async def test_a_station_cut_off_falls_to_the_sites_fallback(bench: Bench) -> None:
    """A station that loses its link falls to the fallback of the rulebook within lease and settling time, on its meter."""
    site = bench.site()
    fallback_a, lease_s = site.rules.fallback_a.value, site.rules.lease_s.value
    charger = await bench.reach("EnergyTransferStarted", charger=site.ac[0] if site.ac else None, token=site.first())
    await charger.meter.draws(at_least_a=fallback_a + 3, within_s=120)
    bench.check_bound(charger.meter.now_a(), fallback_a, "a fallback")
    await charger.cut_link()
    await charger.meter.settles(at_most_a=fallback_a, within=lease_s + charger.profile.settle_s + 5)
    await charger.meter.holds(at_most_a=fallback_a, for_s=300)
