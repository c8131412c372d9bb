"""Boot: how a station presents itself after power-up."""

from chargekit.judge import Bench, Failed, case


@case("CK-BOOT-001", requires={"power_cut"}, covers={"B01", "1.6 4.2", "TC_001_CS"}, area="boot")
async def test_a_station_presents_itself_after_power_up(bench: Bench) -> None:
    """After a power cut a station sends one BootNotification with vendor and model, then the status of every connector."""
    charger = await bench.reach("Booted")
    boots = charger.seen.boots
    await charger.power_cut(for_s=30)
    charger.seen.status.clear()
    within_s = charger.profile.power_up_s + 120
    await charger.expect(lambda: charger.seen.boots > boots, within_s, "a BootNotification after power-up")
    boot = charger.seen.last_boot
    if boot is None or not boot.vendor or not boot.model:
        raise Failed(f"{charger.name} presents itself without vendor or model")
    await charger.expect(lambda: charger.seen.boot_accepted, 30, "an accepted boot")
    await charger.expect(lambda: len(charger.seen.status) >= len(charger.spec.model.evses), 30, "the status of every connector")


@case("CK-BOOT-002", covers={"1.6J 5.4", "B57"}, area="boot")
async def test_a_station_comes_back_after_a_lost_link(bench: Bench) -> None:
    """After a lost link a station reconnects by itself and tells its status; it need not boot again."""
    charger = await bench.reach("Booted")
    await charger.cut_link()
    await charger.expect(lambda: not charger.seen.online, 30, "the loss of the link")
    await bench.sleep(60)
    charger.seen.status.clear()
    await charger.mend_link()
    await charger.expect(lambda: charger.seen.online, 300, "a reconnection")
    await charger.expect(lambda: bool(charger.seen.status), 60, "a status after reconnecting")
