"""Flaws of real stations with reservations, each as an override of one decision point."""

from __future__ import annotations

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.reserving import Reservation
from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.world.events import Effect

_Base = Station


class ReservesOccupied(Defect, _Base):
    name = "reserves-occupied-outlet"
    seen = "accepts a reservation of an outlet where somebody charges"
    area, point = "reservation", "station.reservation_verdict"

    def reservation_verdict(self, asked: Reservation, now: float) -> str:
        good = super().reservation_verdict(asked, now)
        return "Accepted" if good == "Occupied" else good


class AdmitsAnybody(Defect, _Base):
    name = "reservation-binds-nobody"
    seen = "shows a reservation and serves every valid token all the same"
    area, point = "reservation", "station.admits"

    def admits(self, outlet: Outlet, token: str, group: str) -> bool:
        super().admits(outlet, token, group)
        return True


class RefusesHolder(Defect, _Base):
    name = "reservation-refuses-its-holder"
    seen = "a reserved outlet serves nobody, not even whom it is reserved for"
    area, point = "reservation", "station.admits"

    def admits(self, outlet: Outlet, token: str, group: str) -> bool:
        return super().admits(outlet, token, group) and not any(r.evse == outlet.evse.id for r in self.reservations.values())


class ForgetsReservations(Defect, _Base):
    name = "forgets-reservations-on-power-cut"
    seen = "reservations are gone after a power cut"
    area, point = "reservation", "station.reservations_at_start"

    def reservations_at_start(self) -> dict[int, Reservation]:
        super().reservations_at_start()
        return {}


class NeverUsedUp(Defect, _Base):
    name = "reservation-never-used-up"
    seen = "a reservation goes on after its holder has charged, until it expires"
    area, point = "reservation", "station.uses_reservation"

    def uses_reservation(self, outlet: Outlet, token: str, group: str) -> int | None:
        super().uses_reservation(outlet, token, group)
        return None


class HidesReservation(Defect, _Base):
    name = "reserved-shown-as-available"
    seen = "a reserved outlet tells the status Available"
    area, point = "reservation", "station.reserved"

    def reserved(self, outlet: Outlet) -> bool:
        super().reserved(outlet)
        return False


class HushesReservation(Defect, _Base):
    name = "reservation-end-not-told"
    seen = "a reservation expires without a word about it"
    area, point = "reservation", "station.tell_reservation"

    def tell_reservation(self, ident: int, status: str, now: float, out: list[Effect]) -> None:
        return None


class NeverExpires(Defect, _Base):
    name = "reservation-never-expires"
    seen = "a reservation stays until it is used or cancelled"
    area, point = "reservation", "station.plan_expiry"

    def plan_expiry(self, now: float) -> None:
        super().plan_expiry(now)
        self.timers.pop("reserve", None)


class KeepsCancelled(Defect, _Base):
    name = "cancelled-reservation-stays"
    seen = "accepts the cancellation of a reservation and keeps it"
    area, point = "reservation", "station.cancel_reservation"

    def cancel_reservation(self, ident: int) -> bool:
        kept = self.reservations.get(ident)
        good = super().cancel_reservation(ident)
        if kept is not None:
            self.reservations[ident] = kept
        return good


RESERVATION_DEFECTS: tuple[type[Defect], ...] = (
    ReservesOccupied, AdmitsAnybody, RefusesHolder, ForgetsReservations, NeverUsedUp, HidesReservation, HushesReservation, NeverExpires,
    KeepsCancelled,
)  # fmt: skip
