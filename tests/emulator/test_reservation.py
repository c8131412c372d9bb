"""Reservations over every version: taken, minded, used, let go. Each test cites its clause."""

import pytest
from tests.emulator.kit import Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


def reserve(talk: Talk, number: int, token: str, evse: int = 1, minutes: int = 10) -> str:
    until = talk.calendar.iso(talk.world.now + 60 * minutes)
    if talk.version == "1.6":
        return talk.ask("ReserveNow", {"connectorId": evse, "expiryDate": until, "idTag": token, "reservationId": number})["status"]
    where = {"evseId": evse} if evse else {}
    named = {"idToken": token, "type": "ISO14443"}
    return talk.ask("ReserveNow", {"id": number, "expiryDateTime": until, "idToken": named, **where})["status"]


@ALL
def test_a_reserved_outlet_serves_its_token_alone(version: str) -> None:
    """1.6 section 5.13; H01.FR.04, H03.FR.01: Reserved is told; another token gets nothing, the right one uses the reservation up."""
    talk = Talk(version)
    assert reserve(talk, 7, "MINE") == "Accepted"
    talk.run(1)
    assert talk.statuses(1)[-1] == "Reserved"
    talk.plug(1)
    talk.present("OTHER", 1, run_s=10)
    assert talk.started() == 0
    talk.present("MINE", 1, run_s=30)
    assert talk.started() == 1
    assert 7 not in talk.station.reservations


@ALL
def test_a_reservation_ends_by_itself_or_by_command(version: str) -> None:
    """1.6 section 5.1; H01.FR.18, H02.FR.01, H04.FR.01: Available again; unknown reservations can't be cancelled."""
    talk = Talk(version)
    assert reserve(talk, 1, "A", minutes=1) == "Accepted"
    talk.run(70)
    assert talk.statuses(1)[-1] == "Available"
    if version != "1.6":
        assert talk.of("ReservationStatusUpdate")[-1] == {"reservationId": 1, "reservationUpdateStatus": "Expired"}
    assert reserve(talk, 2, "A") == "Accepted"
    assert talk.ask("CancelReservation", {"reservationId": 2}) == {"status": "Accepted"}
    talk.run(1)
    assert talk.statuses(1)[-1] == "Available"
    assert talk.ask("CancelReservation", {"reservationId": 2}) == {"status": "Rejected"}


@ALL
def test_what_is_occupied_or_out_of_service_can_not_be_reserved(version: str) -> None:
    """1.6 section 5.13; H01.FR.11, FR.14."""
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    assert reserve(talk, 3, "B", 1) == "Occupied"
    where = {"connectorId": 2, "type": "Inoperative"} if version == "1.6" else {"evse": {"id": 2}, "operationalStatus": "Inoperative"}
    assert talk.ask("ChangeAvailability", where)["status"] == "Accepted"
    assert reserve(talk, 4, "B", 2) == "Unavailable"


@ALL
def test_a_reservation_survives_a_power_cut(version: str) -> None:
    talk = Talk(version)
    assert reserve(talk, 9, "MINE") == "Accepted"
    talk.power_cut()
    talk.run(30)
    assert list(talk.station.reservations) == [9]
    talk.plug(1)
    talk.present("OTHER", 1, run_s=10)
    assert talk.started() == 0
