"""Availability and resets: what the CSMS took out of service stays so, and a restart loses nothing."""

from chargekit.judge import Bench, Failed, case
from chargekit.wire.messages import Status


@case("CK-AVL-001", requires={"local_start", "power_cut"}, covers={"TC_034_CS", "B_23", "G03.FR.08", "1.6 4.9"}, area="availability")
async def test_an_outlet_out_of_service_stays_so_over_a_power_cut(bench: Bench) -> None:
    """An EVSE made inoperative tells Unavailable and gives nothing to a valid token, before and after a power cut."""
    charger = await bench.reach("Booted")
    reply = await charger.ask("SetAvailability", evse=charger.evse, operative=False)
    if reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to being made inoperative", [bench.seen.last_seq])
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.UNAVAILABLE, 30, "the status Unavailable")
    await charger.power_cut(for_s=30)
    await charger.expect(lambda: charger.seen.online, charger.profile.power_up_s + 120, "a reconnection")
    await bench.sleep(30)
    await charger.plug()
    await charger.present()
    await bench.sleep(60)
    await charger.meter.stays_off(for_s=60)
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.UNAVAILABLE, 1, "the status Unavailable")
    await charger.unplug()
    await charger.ask("SetAvailability", evse=charger.evse, operative=True)
    await bench.reach("EnergyTransferStarted", charger=charger)


@case("CK-RST-001", requires={"local_start"}, covers={"TC_016_CS", "B_22", "B12.FR.04", "1.6 5.14"}, area="availability")
async def test_a_hard_reset_ends_the_transaction_and_boots(bench: Bench) -> None:
    """A hard (2.x: immediate) reset is accepted while a vehicle charges: the current stops, the end is told, the station boots."""
    charger = await bench.reach("EnergyTransferStarted")
    transaction, boots = charger.transaction, charger.seen.boots
    assert transaction is not None
    await bench.sleep(60)
    reply = await charger.ask("Reset", hard=True)
    if reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to a hard reset, Accepted expected", [bench.seen.last_seq])
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s + 15)
    await charger.expect(lambda: charger.seen.boots > boots and charger.seen.online, charger.profile.power_up_s + 120, "a boot")
    await charger.expect(lambda: transaction.over, 120, "the end of the transaction")
