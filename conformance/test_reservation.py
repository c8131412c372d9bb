"""Reservations: held for whom they were made, until they end, over a power cut; nobody else gets energy meanwhile."""

from chargekit.judge import Bench, Failed, case
from chargekit.judge.bench import VEHICLE, Charger
from chargekit.wire.messages import ReservationEnded, Status

HOLDER, OTHER = "CK-HOLDER", "CK-OTHER"
HOUR_S = 3600.0


async def _free(bench: Bench) -> Charger:
    charger = await bench.reach("Booted")
    for token in (HOLDER, OTHER):
        await bench.answer_token(token, "Accepted")
    return charger


async def _refused(charger: Charger) -> None:
    """Somebody else plugs in and presents a token the CSMS would accept: nothing flows."""
    await charger.plug(VEHICLE)
    await charger.present(OTHER)
    await charger.meter.stays_off(for_s=60)


async def _served(charger: Charger, token: str) -> None:
    await charger.present(token)
    await charger.expect(lambda: charger.transaction is not None, 60, "the start of a transaction")
    await charger.meter.draws(at_least_a=6, within_s=90)


@case("CK-RSV-001", requires={"local_start", "reservation"}, covers={"H01.FR.04", "H03.FR.01", "1.6 5.13"}, area="reservation")
async def test_a_reserved_outlet_serves_its_holder_alone(bench: Bench) -> None:
    """While an EVSE is reserved another valid token gets no energy there; the holder's starts."""
    charger = await _free(bench)
    await charger.reserve(11, HOLDER, HOUR_S)
    await _refused(charger)
    await _served(charger, HOLDER)


@case("CK-RSV-002", requires={"local_start", "reservation"}, covers={"H04.FR.01", "H01.FR.18", "1.6 5.13"}, area="reservation")
async def test_a_reservation_ends_by_itself_and_is_told(bench: Bench) -> None:
    """A reserved connector shows as taken; at its expiry it is available again, the end is told where the protocol has a message for
    it, and anybody may charge."""
    charger = await _free(bench)
    await charger.reserve(12, HOLDER, 120)
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.OCCUPIED, 15, "a status that is not Available")
    await bench.sleep(90)
    if charger.seen.status.get(charger.evse) is not Status.OCCUPIED:
        raise Failed(f"{charger.name} gave up a reservation half a minute before its expiry", [bench.seen.last_seq])
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.AVAILABLE, 60, "the status Available")
    if charger.seen.tells(ReservationEnded):
        await charger.expect(lambda: charger.seen.reservations.get(12) == "Expired", 15, "the news that the reservation expired")
    await charger.plug(VEHICLE)
    await _served(charger, OTHER)


@case("CK-RSV-003", requires={"local_start", "reservation"}, covers={"H02.FR.01", "H01.FR.18", "1.6 5.1"}, area="reservation")
async def test_a_cancelled_reservation_frees_the_outlet(bench: Bench) -> None:
    """A reservation that is cancelled binds nobody any more; cancelling it again is rejected."""
    charger = await _free(bench)
    await charger.reserve(13, HOLDER, HOUR_S)
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.OCCUPIED, 15, "a status that is not Available")
    for expected in ("Accepted", "Rejected"):
        reply = await charger.ask("CancelReservation", id=13)
        if reply["status"] != expected:
            raise Failed(
                f"{charger.name} answered {reply['status']} to a cancelled reservation, {expected} expected", [bench.seen.last_seq]
            )
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.AVAILABLE, 15, "the status Available")
    await charger.plug(VEHICLE)
    await _served(charger, OTHER)


@case("CK-RSV-004", requires={"local_start", "reservation", "power_cut"}, covers={"B01.FR.13", "1.6 3.11"}, area="reservation")
async def test_a_reservation_survives_a_power_cut(bench: Bench) -> None:
    """After a power cut an EVSE is still reserved: another token gets nothing, the holder's starts."""
    charger = await _free(bench)
    await charger.reserve(14, HOLDER, HOUR_S)
    await charger.power_cut(for_s=30)
    await charger.expect(lambda: charger.seen.online, charger.profile.power_up_s + 120, "a reconnection")
    await bench.sleep(30)
    await _refused(charger)
    await _served(charger, HOLDER)


@case("CK-RSV-005", requires={"local_start", "reservation"}, covers={"H01.FR.11", "1.6 5.13"}, area="reservation")
async def test_an_occupied_outlet_can_not_be_reserved(bench: Bench) -> None:
    """While a vehicle charges, a reservation of its EVSE is answered Occupied, and the vehicle goes on charging."""
    charger = await bench.reach("EnergyTransferStarted")
    reply = await charger.ask("ReserveNow", evse=charger.evse, id=15, token=HOLDER, until=bench.now + HOUR_S)
    if reply["status"] != "Occupied":
        raise Failed(f"{charger.name} answered {reply['status']} to a reservation of an occupied EVSE", [bench.seen.last_seq])
    await charger.meter.holds(at_most_a=charger.max_a, for_s=60, at_least_a=6)


@case("CK-RSV-006", requires={"local_start", "reservation"}, covers={"H03.FR.09", "H01.FR.19", "1.6 5.13"}, area="reservation")
async def test_a_reservation_is_used_up_by_its_holder(bench: Bench) -> None:
    """Once its holder has charged and left, the reservation is gone: the next one, whoever it is, may charge."""
    charger = await _free(bench)
    await charger.reserve(16, HOLDER, HOUR_S)
    await charger.plug(VEHICLE)
    await _served(charger, HOLDER)
    await charger.press_stop()
    await charger.expect(lambda: charger.transaction is None, 60, "the end of the transaction")
    await charger.unplug()
    await charger.expect(lambda: charger.seen.status.get(charger.evse) is Status.AVAILABLE, 30, "the status Available")
    await charger.plug(VEHICLE)
    await _served(charger, OTHER)
