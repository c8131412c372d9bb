"""What only some hardware has: DC outlets, and outlets that share modules or a supply. Stations without it are not asked."""

from chargekit.judge import Bench, Measured, case
from chargekit.judge.bench import DC_VEHICLE, Charger
from chargekit.model.vehicle import at


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
