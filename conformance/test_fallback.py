"""Fault fallback: what a charger does when nobody leads it any more."""

from chargekit.judge import Bench, Measured, case
from chargekit.judge.premises import REACTION_S


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


@case(
    "CK-FBK-003", requires={"smart_charging"}, covers={"K01.FR.12", "K02.FR.08", "K06.FR.01", "1.6 3.13.6", "limit expiry"}, area="fallback"
)
async def test_a_limit_that_ends_offline_gives_way_to_the_default(bench: Bench) -> None:
    """A profile's end comes on time without anybody to say so: while the link is down the default beneath it leads from then on."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 13, "a limit")
    await charger.set_profile(periods=[(0, 8)], purpose="TxDefaultProfile", id=2)
    await charger.set_profile(periods=[(0, 13)], duration_s=180)
    ends = bench.now + 178
    await charger.meter.settles(at_most_a=13, within=charger.profile.settle_s)
    await charger.meter.draws(at_least_a=11, within_s=30)
    await charger.cut_link()
    await charger.meter.holds(at_most_a=13, for_s=max(0.0, ends - bench.now - 10), at_least_a=11)
    await bench.sleep(max(0.0, ends - bench.now))
    await charger.meter.settles(at_most_a=8, within=charger.profile.settle_s + 10)
    await charger.meter.holds(at_most_a=8, for_s=120, at_least_a=7)


@case(
    "CK-FBK-004", requires={"smart_charging", "power_cut", "local_start"}, covers={"K01.FR.27", "K01.FR.37", "K_22", "limit expiry"},
    area="fallback",
)  # fmt: skip
async def test_a_limit_ends_on_time_after_a_power_cut(bench: Bench) -> None:
    """A default that is valid for so long keeps its end over a power cut: then the lower level leads."""
    charger = await bench.reach("EVConnected")
    # A start with every default: on a clock that is a little slow one without a start would not hold yet.
    await charger.set_profile(periods=[(0, 8)], purpose="TxDefaultProfile", id=2, stack_level=0)
    until = bench.now + 600
    await charger.set_profile(periods=[(0, 13)], purpose="TxDefaultProfile", id=3, stack_level=1, valid_to=until)
    await charger.power_cut()
    await charger.expect(lambda: charger.seen.online, 300, "a reconnection")
    await bench.sleep(5)
    if charger.transaction is None:
        await charger.present()
    await charger.meter.draws(at_least_a=11, within_s=180)
    await charger.meter.holds(at_most_a=13, for_s=30)
    await bench.sleep(max(0.0, until - bench.now))
    await charger.meter.settles(at_most_a=8, within=charger.profile.settle_s + 10)
    await charger.meter.holds(at_most_a=8, for_s=120, at_least_a=7)


@case("CK-FBK-101", scope="site", covers={"fault fallback", "K06"}, area="fallback", limit_s=14400)
async def test_a_station_cut_off_falls_to_the_sites_fallback(bench: Bench) -> None:
    """A station that loses its link falls to the fallback of the rulebook within lease and settling time, on its meter."""
    site = bench.site()
    fallback_a, lease_s = site.rules.fallback_a.value, site.rules.lease_s.value
    charger = await bench.reach("EnergyTransferStarted", charger=site.ac[0] if site.ac else None, token=site.first())
    await charger.meter.draws(at_least_a=fallback_a + 3, within_s=120)
    bench.check_bound(charger.meter.now_a(), fallback_a, "a fallback")
    await charger.cut_link()
    # Before its lease is over it may fall back, and need not.
    await bench.rest(max(0.0, lease_s - 30.0))
    await charger.meter.settles(at_most_a=fallback_a, within=min(lease_s, 30.0) + charger.profile.settle_s + 5)
    await charger.meter.holds(at_most_a=fallback_a, for_s=300)


@case("CK-FBK-102", scope="site", covers={"fault fallback", "controller restart", "K06"}, area="fallback", limit_s=14400)
async def test_without_a_controller_the_site_falls_to_its_fallback(bench: Bench) -> None:
    """While the controller is dead every station of a circuit falls to its fallback; once it is back they charge as before."""
    site = bench.site()
    circuit, chargers, safe_a, before_a = await site.busy("a fallback")
    await site.without_controller(site.rules.lease_s.value + chargers[0].profile.settle_s + 10)
    flows_a, records = await site.flows_a(chargers)
    figure = f"current of the stations of {circuit.name}, their controller dead for longer than a lease"
    bench.measure(Measured(figure, flows_a, "A", at_most=safe_a + 0.5, uncertainty=0.3), records)
    await bench.sleep(240)
    again_a, records = await site.flows_a(chargers)
    bench.measure(Measured("share of what they drew before, once it is back", again_a / before_a * 100, "%", at_least=85), records)


@case("CK-FBK-103", scope="site", covers={"controller restart", "site import limit"}, area="fallback", limit_s=14400)
async def test_a_controller_that_comes_back_leads_the_sessions_it_finds(bench: Bench) -> None:
    """A session that was running while the controller died follows a cap that is lowered afterwards, and gets its current back."""
    site = bench.site()
    arena = site.arena()
    one, two = arena.chargers
    await site.settle([(one, site.first(1)), (two, site.first(2))])
    full_a = one.meter.now_a() + two.meter.now_a()
    idle_a = max(0.0, (await arena.meter.fresh()).most_a - full_a) + site.rules.margin_a.value
    bench.check_bound(full_a, full_a * 0.6, "a cap")
    await site.without_controller(20)
    await arena.meter.holds(at_most_a=full_a + idle_a, for_s=90)
    await site.set_cap(full_a * 0.6 + idle_a, arena.circuit.name)
    await arena.meter.settles(at_most_a=full_a * 0.6 + idle_a, within=REACTION_S)
    await arena.meter.holds(at_most_a=full_a * 0.6 + idle_a, for_s=60)
    await site.set_cap(site.limit_a(arena.circuit.name), arena.circuit.name)
    await bench.sleep(120)
    drawn_a = one.meter.now_a() + two.meter.now_a()
    bench.measure(Measured("share of what both drew before", drawn_a / full_a * 100, "%", at_least=90), [two.meter.last().seq])
