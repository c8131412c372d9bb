"""Limits from outside OCPP: an energy manager or grid operator limits the station itself. It binds on the meter, and only downwards."""

from chargekit.judge import Bench, Failed, Measured, Unclear, case
from chargekit.judge.bench import Charger
from chargekit.judge.premises import REACTION_S


async def _shows(charger: Charger, amps: float) -> None:
    await charger.meter.settles(at_most_a=amps, within=charger.profile.settle_s)
    await charger.meter.draws(at_least_a=amps - 1.0, within_s=charger.profile.settle_s)
    await charger.meter.holds(at_most_a=amps, for_s=30, at_least_a=amps - 1.0)


@case("CK-EXT-001", requires={"smart_charging"}, covers={"K11.FR.01", "K13.FR.01", "SC.01", "external limit"}, area="external")
async def test_an_external_limit_binds_and_its_release_frees(bench: Bench) -> None:
    """An external limit of 9 A below a profile of 13 A leads at once; when it is released 13 A flow again."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_limit(amps=13)
    await _shows(charger, 13)
    await charger.limit_outside(9)
    await _shows(charger, 9)
    await charger.limit_outside(None)
    await _shows(charger, 13)


@case("CK-EXT-002", requires={"smart_charging"}, covers={"K11.FR.01", "SC.01", "K08.FR.04", "external limit"}, area="external")
async def test_an_external_limit_never_raises_what_a_profile_allows(bench: Bench) -> None:
    """Under a profile of 8 A an external limit of 13 A changes nothing, and the composite schedule goes on telling 8 A; with the
    profile gone it tells, and the meter shows, 13 A."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 13, "an external limit")
    await charger.set_profile(id=90, periods=[(0, 8)])
    await _shows(charger, 8)
    await charger.limit_outside(13)
    await charger.meter.holds(at_most_a=8, for_s=60, at_least_a=7)
    await _tells(charger, 8.0)
    await charger.clear(id=90)
    await _shows(charger, 13)
    await _tells(charger, 13.0)


async def _tells(charger: Charger, amps: float) -> None:
    reply = await charger.ask("GetComposite", evse=charger.evse, duration_s=300, unit="A")
    told = [limit for _, limit in reply.get("periods", [])]
    if told != [amps]:
        raise Failed(f"{charger.name} told the composite schedule {told} where {amps:g} A apply", [charger.bench.seen.last_seq])


@case("CK-EXT-003", requires={"smart_charging"}, covers={"K12.FR.01", "external limit"}, area="external")
async def test_an_external_limit_set_before_holds_for_the_next_transaction(bench: Bench) -> None:
    """An external limit of 8 A set while nobody charges limits the transaction that starts later, from its beginning."""
    charger = await bench.reach("Booted")
    await charger.limit_outside(8)
    await bench.reach("EnergyTransferStarted", charger=charger)
    await charger.meter.holds(at_most_a=8, for_s=120, at_least_a=7)


@case("CK-EXT-004", requires={"smart_charging"}, covers={"K11.FR.02", "K11.FR.04", "K13.FR.02", "external limit"}, area="external")
async def test_an_external_limit_is_told_and_so_is_its_release(bench: Bench) -> None:
    """Where the protocol has words for it, an external limit that cuts the rate by more than a fifth is told with its source, and so is
    its release; where it has none, the current alone shows both."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 10, "an external limit")
    await charger.limit_outside(10, source="SO")
    await _shows(charger, 10)
    told = charger.seen.limits
    if charger.tells_limits:
        await charger.expect(lambda: told.get(0) == "SO", 10, "the news of an external limit")
    await charger.limit_outside(None, source="SO")
    await charger.meter.draws(at_least_a=12, within_s=charger.profile.settle_s)
    if charger.tells_limits:
        await charger.expect(lambda: told.get(0) == "", 10, "the news that the external limit is gone")


@case("CK-EXT-101", scope="site", covers={"external limit", "K11", "what one may not use"}, area="external", limit_s=14400)
async def test_what_a_station_may_not_use_goes_to_the_others(bench: Bench) -> None:
    """Two equal vehicles under a cap for one and a half: an external limit of 6 A on one station gives the other all it can draw, the
    cap holds throughout, and after the release both have their share again."""
    site = bench.site()
    arena = site.arena()
    first, second = arena.chargers
    await site.settle([(first, site.first(1)), (second, site.first(2))])
    cap_a = 26.0
    await site.set_cap(cap_a, arena.circuit.name)
    await arena.meter.settles(at_most_a=cap_a, within=REACTION_S)
    await bench.sleep(180)
    before_a = second.meter.now_a()
    if before_a > 15.0:
        raise Unclear(f"the cap of {cap_a:g} A never bound: the second vehicle drew {before_a:.1f} A")
    await first.limit_outside(6)
    await first.meter.settles(at_most_a=6, within=first.profile.settle_s)
    await site.keeps(arena.circuit.name, at_most_a=cap_a, for_s=240)
    reading = await second.meter.fresh()
    bench.measure(Measured("current of the vehicle that was not limited", second.meter.now_a(), "A", at_least=15.0), [reading.seq])
    await first.limit_outside(None)
    await site.keeps(arena.circuit.name, at_most_a=cap_a, for_s=240)
    reading = await first.meter.fresh()
    bench.measure(Measured("current of the vehicle after the release", first.meter.now_a(), "A", at_least=9.0), [reading.seq])
