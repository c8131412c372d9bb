"""Metering: what a station tells agrees with an independent meter, and a site does not rest on a meter that fails."""

from chargekit.judge import Bench, Failed, Measured, NotApplicable, SiteUnder, Unclear, case

SHARE_PERCENT = 3.0
"""Two meters of class 1 may differ by 2 %; one of the two readings is a moment older."""


@case("CK-MTR-001", requires={"meter_values"}, covers={"J01.FR.07", "E06", "MID"}, area="metering")
async def test_told_energy_is_the_energy_of_an_independent_meter(bench: Bench) -> None:
    """The transaction's energy, from its first to its last register, is what the meter beside the station counted."""
    charger = await bench.reach("EVConnected")
    if charger.spec.evse(charger.evse).dc:
        raise NotApplicable("the energy of a DC outlet is counted behind its losses, that of the meter beside it before them")
    await charger.meter.fresh()
    before = charger.meter.last()
    await charger.present()
    await charger.meter.draws(at_least_a=5, within_s=120)
    await bench.sleep(900)
    transaction = charger.transaction
    if transaction is None:
        raise Failed(f"{charger.name} ended its transaction by itself", [bench.seen.last_seq])
    await charger.press_stop()
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
    await charger.expect(lambda: transaction.over, 60, "the end of the transaction")
    after = await charger.meter.fresh()
    standby_wh = charger.profile.standby_w * (after.t - before.t) / 3600.0
    metered_wh = after.energy_wh - before.energy_wh - standby_wh
    told_wh = (transaction.ended_wh or 0.0) - transaction.began_wh
    off = abs(told_wh - metered_wh) / metered_wh * 100
    bench.measure(
        Measured("told energy against the independent meter", off, "%", at_most=SHARE_PERCENT),
        [before.seq, after.seq, transaction.began_seq, transaction.ended_seq],
    )


@case("CK-MTR-002", requires={"meter_values"}, covers={"J02", "phases of a single-phase vehicle"}, area="metering")
async def test_a_single_phase_vehicle_is_told_on_its_phase(bench: Bench) -> None:
    """While a single-phase vehicle charges, the told currents are those of the meter, phase by phase."""
    charger = await bench.reach("EnergyTransferStarted", vehicle="city-1ph")
    told = charger.seen.told
    await bench.sleep(60)
    told.pop(charger.evse, None)
    await charger.expect(lambda: charger.evse in told, 300, "meter values with currents")
    sample, meter = told[charger.evse], await charger.meter.fresh()
    for phase, (said, shown) in enumerate(zip(sample.current_a, meter.current_a, strict=True)):
        bench.measure(
            Measured(f"told current of L{phase + 1} against the meter", abs(said - shown), "A", at_most=0.6 + 0.03 * shown),
            [meter.seq, bench.seen.last_seq],
        )


async def _crowd(bench: Bench, site: SiteUnder, first: int, last: int) -> None:
    for number, charger in enumerate(site.chargers[first:last]):
        await bench.reach("Booted", charger=charger)
        await charger.charging("small-22kw", f"{('RES', 'EMP', 'GST')[number % 3]}-{first + number}", 15)


async def _feeders_a(bench: Bench, site: SiteUnder) -> tuple[float, list[int]]:
    """What flows to all the feeders, the highest phase, by their own meters."""
    names = [c.name for c in bench.lab.site.circuits.values() if c.parent == site.grid.name]
    readings = [await site.meter(name).fresh() for name in names]
    return max(sum(r.current_a[phase] for r in readings) for phase in range(3)), [r.seq for r in readings]


async def _within_safe_budget(bench: Bench, site: SiteUnder, what: str) -> None:
    """All controllable stations together stay within the sum of their fallbacks."""
    safe_a = site.rules.fallback_a.value * len(site.chargers)
    for _ in range(10):
        flows_a, records = await _feeders_a(bench, site)
        bench.measure(Measured(f"current of the stations {what}", flows_a, "A", at_most=safe_a + 0.5, uncertainty=0.3), records)
        await bench.sleep(30)


@case("CK-MTR-101", scope="site", covers={"untrusted meter", "silent meter"}, area="metering", limit_s=14400)
async def test_a_silent_grid_meter_leads_to_the_safe_budget(bench: Bench) -> None:
    """When the grid meter does not answer any more, the stations are held to what needs no feedback: the sum of their fallbacks."""
    site = bench.site()
    await _crowd(bench, site, 0, 8)
    await bench.sleep(120)
    before_a, _ = await _feeders_a(bench, site)
    bench.check_bound(before_a, site.rules.fallback_a.value * len(site.chargers), "a safe budget")
    await bench.hand("plant", "meter_fault", meter=site.meter(site.grid.name).id, fault="silent")
    await bench.sleep(site.rules.meter_stale_s.value + 60)
    await _within_safe_budget(bench, site, "while the grid meter is silent")


@case("CK-MTR-102", scope="site", covers={"untrusted meter", "implausible meter"}, area="metering", limit_s=14400)
async def test_a_frozen_grid_meter_is_not_believed(bench: Bench) -> None:
    """A grid meter that shows less than the sessions draw is not believed: the stations are held to what needs no feedback."""
    site = bench.site()
    if any(building.pv_kwp for building in bench.lab.site.buildings):
        raise Unclear("with the sun on the circuit a grid meter may well show less than the vehicles draw")
    await _crowd(bench, site, 0, 1)
    await bench.sleep(60)
    await bench.hand("plant", "meter_fault", meter=site.meter(site.grid.name).id, fault="frozen")
    await _crowd(bench, site, 1, 8)
    await bench.sleep(site.rules.meter_stale_s.value + 120)
    await _within_safe_budget(bench, site, "while the grid meter is frozen")
