"""Metering: what a station tells agrees with an independent meter, and a site does not rest on a meter that fails."""

from chargekit.judge import Bench, Charger, Failed, Measured, NotApplicable, SiteUnder, case

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


async def _within_safe_budget(bench: Bench, site: SiteUnder, chargers: list[Charger], safe_a: float, what: str) -> None:
    """The stations of a circuit together stay within the sum of their fallbacks."""
    for _ in range(10):
        flows_a, records = await site.flows_a(chargers)
        bench.measure(Measured(f"current of the stations {what}", flows_a, "A", at_most=safe_a + 0.5, uncertainty=0.3), records)
        await bench.sleep(30)


async def _fails(bench: Bench, fault: str, late_s: float = 240.0, **parameters: float) -> None:
    """A circuit's meter fails while its stations draw more than their fallbacks: they go down to the safe budget in time."""
    site = bench.site()
    circuit, chargers, safe_a, before_a = await site.busy("a safe budget")
    hidden_a = before_a * (1.0 - parameters.get("factor", -1.0))
    if site.sun_a(circuit.name) > hidden_a * 0.8:
        raise NotApplicable(
            f"the sun below {circuit.name} may give {site.sun_a(circuit.name):.0f} A: that may be why the meter shows so little"
        )
    await bench.hand("plant", "meter_fault", meter=site.meter(circuit.name).id, fault=fault, **parameters)
    await bench.sleep(site.rules.meter_stale_s.value + late_s)
    await _within_safe_budget(bench, site, chargers, safe_a, f"while the meter of {circuit.name} is {fault}")


@case("CK-MTR-101", scope="site", covers={"untrusted meter", "silent meter"}, area="metering", limit_s=14400)
async def test_a_silent_meter_leads_to_the_safe_budget(bench: Bench) -> None:
    """When a circuit's meter does not answer any more, its stations are held to what needs no feedback: the sum of their fallbacks."""
    await _fails(bench, "silent", late_s=60)


@case("CK-MTR-102", scope="site", covers={"untrusted meter", "frozen meter", "implausible meter"}, area="metering", limit_s=14400)
async def test_a_frozen_meter_is_not_believed(bench: Bench) -> None:
    """A meter that shows less than the sessions draw, or power that its register does not count, is not believed."""
    site = bench.site()
    circuit, chargers, safe_a = site.contested()
    await site.charge(chargers[0], site.first(), soc_percent=15)
    await bench.sleep(60)
    await bench.hand("plant", "meter_fault", meter=site.meter(circuit.name).id, fault="frozen")
    for number, charger in enumerate(chargers[1:]):
        await site.charge(charger, site.someone(number), soc_percent=15)
    await bench.sleep(site.rules.meter_stale_s.value + 240)
    await _within_safe_budget(bench, site, chargers, safe_a, f"while the meter of {circuit.name} is frozen")


@case("CK-MTR-103", scope="site", covers={"untrusted meter", "wrong scale", "implausible meter"}, area="metering", limit_s=14400)
async def test_a_meter_at_a_tenth_of_its_scale_is_not_believed(bench: Bench) -> None:
    """A meter that shows a tenth of what flows, as after a wrong current transformer ratio, is not believed."""
    await _fails(bench, "wrong-scale", factor=0.1)


@case("CK-MTR-104", scope="site", covers={"untrusted meter", "sign flipped", "implausible meter"}, area="metering", limit_s=14400)
async def test_a_meter_with_its_sign_flipped_is_not_believed(bench: Bench) -> None:
    """A meter that shows import as export, as with its transformers turned round, is not believed."""
    await _fails(bench, "sign-flipped")
