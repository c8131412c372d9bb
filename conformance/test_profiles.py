"""Charging profiles, judged on the meter and not by the reply."""

from chargekit.judge import Bench, Failed, case


@case("CK-PRO-001", requires={"smart_charging"}, covers={"K01.FR.07", "TC_057_CS", "K_60"}, area="profiles")
async def test_a_lowered_limit_shows_on_the_meter(bench: Bench) -> None:
    """An accepted limit is an ampere figure on an independent meter, not a reply."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 8, "a limit")
    await charger.set_limit(amps=8)
    await charger.meter.settles(at_most_a=8, within=charger.profile.settle_s)
    await charger.meter.holds(at_most_a=8, for_s=60, at_least_a=6)


@case("CK-PRO-002", requires={"smart_charging"}, covers={"K02.FR.08", "K01.FR.12"}, area="profiles")
async def test_an_ended_profile_gives_way_to_the_default(bench: Bench) -> None:
    """When a TxProfile's duration is over, the TxDefaultProfile leads, on the meter."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 10, "a default")
    await charger.set_profile(id=11, purpose="TxDefaultProfile", periods=[(0, 10)])
    await charger.meter.settles(at_most_a=10, within=charger.profile.settle_s)
    await charger.set_profile(id=12, periods=[(0, 13)], duration_s=60)
    await charger.meter.draws(at_least_a=12.5, within_s=charger.profile.settle_s)
    await bench.sleep(50)
    await charger.meter.settles(at_most_a=10, within=charger.profile.settle_s + 10)
    await charger.meter.holds(at_most_a=10, for_s=60, at_least_a=9)


@case("CK-PRO-003", requires={"smart_charging"}, covers={"K01.FR.07", "SC.01"}, area="profiles")
async def test_a_pause_ends_at_the_new_limit(bench: Bench) -> None:
    """A limit of 0 A stops the current; the limit after it is kept as well."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_limit(amps=0)
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
    await charger.meter.holds(at_most_a=0, for_s=60)
    await charger.set_limit(amps=7)
    await charger.meter.draws(at_least_a=5.5, within_s=90)
    await charger.meter.holds(at_most_a=7, for_s=60)


@case("CK-PRO-004", requires={"smart_charging", "power_cut"}, covers={"K01.FR.27", "K_13"}, area="profiles")
async def test_a_default_survives_a_power_cut(bench: Bench) -> None:
    """A TxDefaultProfile is still in force after a power cut."""
    charger = await bench.reach("Booted")
    await charger.set_profile(id=21, purpose="TxDefaultProfile", periods=[(0, 9)])
    await charger.power_cut(for_s=30)
    await charger.expect(lambda: charger.seen.online, charger.profile.power_up_s + 120, "a reconnection")
    await bench.sleep(30)
    await bench.reach("EnergyTransferStarted", charger=charger)
    await charger.meter.holds(at_most_a=9, for_s=60, at_least_a=8)


@case("CK-PRO-005", requires={"smart_charging"}, covers={"K01.FR.09", "K_02", "TC_058_1_CS"}, area="profiles")
async def test_a_profile_for_no_transaction_is_refused(bench: Bench) -> None:
    """A TxProfile while no transaction runs is rejected."""
    charger = await bench.reach("Booted")
    profile = {"id": 31, "purpose": "TxProfile", "kind": "Absolute", "start": bench.now, "periods": [{"start_s": 0, "limit": 8}]}
    reply = await charger.ask("SetProfile", evse=charger.evse, profile={**profile, "transaction": "1"})
    if reply["status"] == "Accepted":
        raise Failed(f"{charger.name} accepted a TxProfile although no transaction runs")
