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


@case(
    "CK-AVL-002",
    requires={"local_start"},
    covers={"TC_041_CS", "1.6 4.9", "B04.FR.01", "E06.FR.16", "fault behaviour"},
    area="availability",
)
async def test_a_fault_of_the_pilot_is_told_and_stops_the_current(bench: Bench) -> None:
    """When the vehicle's side of the control pilot fails, the current stops and the outlet is told as Faulted; mended and plugged anew, it
    charges again."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.pilot_fault(True)
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.FAULTED, 30, "the status Faulted")
    await charger.meter.stays_off(for_s=60)
    await charger.pilot_fault(False)
    await charger.unplug()
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.AVAILABLE, 60, "the status Available")
    await bench.reach("EnergyTransferStarted", charger=charger)


@case("CK-AVL-003", requires={"remote_start", "smart_charging"}, covers={"TC_060_CS", "F01.FR.23", "1.6 5.11"}, area="availability")
async def test_an_outlet_out_of_service_is_not_started_by_remote(bench: Bench) -> None:
    """A remote start with a charging profile on an EVSE out of service is rejected and gives no energy."""
    charger = await bench.reach("EVConnected")
    await charger.ask("SetAvailability", evse=charger.evse, operative=False)
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.UNAVAILABLE, 30, "the status Unavailable")
    profile = {"id": 65, "purpose": "TxProfile", "kind": "Relative", "start": None, "periods": [{"start_s": 0, "limit": 8}]}
    reply = await charger.ask("RemoteStart", evse=charger.evse, token=charger.token, profile=profile)
    if reply["status"] != "Rejected":
        raise Failed(f"{charger.name} answered {reply['status']} to a remote start of an EVSE out of service", [bench.seen.last_seq])
    await charger.meter.stays_off(for_s=60)


@case("CK-RST-002", covers={"TC_013_CS", "B11.FR.01", "1.6 5.14"}, area="availability")
async def test_a_hard_reset_restarts_an_idle_station(bench: Bench) -> None:
    """A hard (2.x: immediate) reset of a station where nobody charges is accepted, and the station boots."""
    charger = await bench.reach("Booted")
    boots = charger.seen.boots
    reply = await charger.ask("Reset", hard=True)
    if reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to a hard reset while idle", [bench.seen.last_seq])
    await charger.expect(lambda: charger.seen.boots > boots and charger.seen.online, charger.profile.power_up_s + 120, "a boot")
