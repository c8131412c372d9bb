"""What only some hardware has: DC outlets, and outlets that share modules or a supply. Stations without it are not asked."""

from chargekit.judge import Bench, Measured, case
from chargekit.judge.bench import DC_VEHICLE, Charger
from chargekit.model.vehicle import at

STARTS_PERCENT, ENDS_PERCENT = 84.0, 94.0
"""Where the vehicle's request falls steadily, from a third of its peak to a sixth."""


async def _both(bench: Bench, vehicle: str) -> tuple[Charger, Charger]:
    """A vehicle charging on each of the first two outlets."""
    first = await bench.reach("Booted")
    second = Charger(bench, bench.subject)
    second.evse = first.spec.model.evses[1].id
    for charger, token in ((first, "CK-ONE"), (second, "CK-TWO")):
        await bench.answer_token(token, "Accepted")
        await charger.charging(vehicle, token, 20)
    await bench.sleep(90)
    return first, second


@case("CK-DC-001", requires={"dc", "smart_charging"}, covers={"K01.FR.07", "DC"}, area="dc")
async def test_a_limit_on_a_dc_outlet_shows_at_its_supply(bench: Bench) -> None:
    """A limit in amperes on a DC outlet bounds what the station draws from the grid, conversion losses included."""
    charger = await bench.reach("EnergyTransferStarted", vehicle=DC_VEHICLE)
    await bench.sleep(20)
    bench.check_bound(charger.meter.now_a(), 40, "a limit")
    await charger.set_limit(amps=40)
    await charger.meter.settles(at_most_a=40, within=charger.profile.settle_s)
    await charger.meter.holds(at_most_a=40, for_s=60, at_least_a=32)


@case("CK-DC-002", requires={"dc"}, covers={"DC", "IEC 61851-23", "power over state of charge"}, area="dc", limit_s=3600)
async def test_a_dc_outlet_follows_the_vehicles_request(bench: Bench) -> None:
    """Towards the end of its charge a vehicle asks for less and less: the outlet gives no more than that, and nearly all of it."""
    vehicle = bench.lab.site.vehicles[DC_VEHICLE]
    charger = await bench.reach("EnergyTransferStarted", vehicle=DC_VEHICLE, soc_percent=STARTS_PERCENT)
    outlet, model = charger.spec.evse(charger.evse), charger.profile
    most_w = (outlet.max_kw or 0.0) * 1000.0
    stored_wh, before = vehicle.capacity_wh * STARTS_PERCENT / 100, await charger.meter.fresh()
    began = bench.now
    while stored_wh < vehicle.capacity_wh * ENDS_PERCENT / 100 and bench.now - began < 1800:
        await bench.sleep(20)
        reading = await charger.meter.fresh()
        drawn_w = max(0.0, reading.power_w - model.standby_w)
        given_w = drawn_w * at(model.efficiency, drawn_w / most_w)
        taken_wh = reading.energy_wh - before.energy_wh - model.standby_w * (reading.t - before.t) / 3600
        stored_wh += taken_wh * at(model.efficiency, drawn_w / most_w) * vehicle.stored_share(given_w)
        before = reading
        if bench.now - began < 60:
            continue
        asked_w = min(at(vehicle.dc_curve, stored_wh / vehicle.capacity_wh * 100) * 1000, most_w)
        share = given_w / asked_w * 100
        bench.measure(Measured("power against what the vehicle asks for", share, "%", at_most=108, at_least=85), [reading.seq])
    soc = stored_wh / vehicle.capacity_wh * 100
    bench.measure(Measured("state of charge reached, by the meter", soc, "%", at_least=ENDS_PERCENT), [before.seq])


@case("CK-SHR-001", requires={"dc", "shared_modules"}, covers={"shared power modules"}, area="dc", limit_s=3600)
async def test_outlets_never_draw_more_than_their_modules(bench: Bench) -> None:
    """With a vehicle on each outlet the station draws what its shared modules can put out, no more, and most of it."""
    first, _ = await _both(bench, DC_VEHICLE)
    model = first.profile
    most_w = (model.shared_kw or 0.0) * 1000.0 / at(model.efficiency, 0.6) + model.standby_w
    for _ in range(10):
        reading = await first.meter.fresh()
        share = reading.power_w / most_w * 100.0
        bench.measure(Measured("power against what the shared modules put out", share, "%", at_most=103.0, at_least=70.0), [reading.seq])
        await bench.sleep(15)


@case("CK-SHR-002", requires={"shared_supply"}, covers={"shared supply"}, area="profiles", limit_s=3600)
async def test_outlets_never_draw_more_than_their_supply(bench: Bench) -> None:
    """With a vehicle on each outlet the station stays within its supply, and uses it."""
    first, _ = await _both(bench, "small-22kw")
    supply_a = first.profile.supply_a or 0.0
    await first.meter.holds(at_most_a=supply_a, for_s=300, at_least_a=supply_a * 0.9)


@case("CK-SHR-003", requires={"shared_supply", "smart_charging"}, covers={"K04.FR.05", "1.6 3.13.3"}, area="profiles", limit_s=3600)
async def test_the_stations_maximum_is_for_all_its_outlets_together(bench: Bench) -> None:
    """A ChargingStationMaxProfile of 20 A with a vehicle on each outlet: both together draw no more, and most of it."""
    first, _ = await _both(bench, "small-22kw")
    bench.check_bound(first.meter.now_a(), 20, "a maximum")
    await first.set_profile(id=81, purpose="ChargingStationMaxProfile", periods=[(0, 20)])
    await first.meter.settles(at_most_a=20, within=first.profile.settle_s)
    await first.meter.holds(at_most_a=20, for_s=120, at_least_a=17)
