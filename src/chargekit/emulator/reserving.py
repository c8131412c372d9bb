"""Reservations: of one EVSE, or of any (1.6 sections 3.11, 5.1, 5.13; H01 to H04). They survive power cuts (B01.FR.13)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import Payload, heard
from chargekit.emulator.tokens import name_of
from chargekit.model.pilot import ControlPilot
from chargekit.model.points import point
from chargekit.wire.messages import Status
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


@dataclass(frozen=True, slots=True)
class Reservation:
    """`evse` 0: any; `connector`: of this type only. `token` and `group` in upper case; `until` on the station's own clock."""

    id: int
    evse: int
    token: str
    group: str
    until: float
    connector: str = ""

    def matches(self, token: str, group: str) -> bool:
        return name_of(token) == self.token or bool(self.group and group and self.group == name_of(group))


class Reserving:
    """The reservations of a Station; mixed into it."""

    @point("station.reservations_at_start")
    def reservations_at_start(self: Station) -> dict[int, Reservation]:  # type: ignore[misc]
        """Those found in memory after power-up (B01.FR.13)."""
        found = [Reservation(**one) for one in self.memory.get("reservations", ())]
        return {one.id: one for one in found}

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.reservation_verdict")
    def reservation_verdict(self: Station, asked: Reservation, now: float) -> str:  # type: ignore[misc]
        """What ReserveNow is answered (1.6 section 5.13; H01.FR.02 to FR.19)."""
        if asked.evse and asked.evse not in self.outlets:
            return "Rejected"
        if not asked.evse and self.keys.get("ReserveConnectorZeroSupported", "true") != "true":
            return "Rejected"
        chosen = [o for o in self.outlets.values() if asked.evse in (0, o.evse.id) and _fits(asked, o)]
        if not chosen or asked.until <= self.own(now):
            return "Rejected"
        others = {i: r for i, r in self.reservations.items() if i != asked.id}
        states = [self._state(o, others) for o in chosen]
        free = [o for o, state in zip(chosen, states, strict=True) if state == "Available"]
        if asked.evse and free:
            room = len([o for o in self.outlets.values() if self._state(o, others) == "Available"]) - 1
            return "Accepted" if room >= len([r for r in others.values() if not r.evse]) else "Occupied"
        if len(free) > len([r for r in others.values() if not r.evse and (not r.connector or _fits(r, chosen[0]))]):
            return "Accepted"
        if free or "Occupied" in states:
            return "Occupied"
        return states[0]

    def _state(self: Station, outlet: Outlet, reservations: dict[int, Reservation]) -> str:  # type: ignore[misc]
        if outlet.pilot in (ControlPilot.E, ControlPilot.F):
            return "Faulted"
        if outlet.tx is None and not outlet.operative:
            return "Unavailable"
        taken = any(r.evse == outlet.evse.id for r in reservations.values())
        return "Occupied" if taken or outlet.status() is not Status.AVAILABLE else "Available"

    @point("station.admits")
    def admits(self: Station, outlet: Outlet, token: str, group: str) -> bool:  # type: ignore[misc]
        """Whether no reservation of somebody else stands in the way (1.6 section 5.13; H03.FR.01 to FR.06)."""
        here = [r for r in self.reservations.values() if r.evse == outlet.evse.id]
        if here:
            return any(r.matches(token, group) for r in here)
        anywhere = [r for r in self.reservations.values() if not r.evse and _fits(r, outlet)]
        if not anywhere or any(r.matches(token, group) for r in anywhere):
            return True
        free = [o for o in self.outlets.values() if _fits(anywhere[0], o) and self._bare(o)]
        return len([o for o in free if o is not outlet]) >= len(anywhere)

    def _bare(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Neither used, waited for, reserved by itself, unavailable nor broken."""
        reserved = any(r.evse == outlet.evse.id for r in self.reservations.values())
        broken = outlet.pilot in (ControlPilot.E, ControlPilot.F)
        return outlet.tx is None and outlet.token is None and not outlet.ended and outlet.operative and not reserved and not broken

    @point("station.reserved")
    def reserved(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Whether the outlet is held for somebody and shows it (H01.FR.20, FR.23, FR.24; G03.FR.09)."""
        if not self._bare(outlet) and not any(r.evse == outlet.evse.id for r in self.reservations.values()):
            return False
        if outlet.tx is not None or outlet.token is not None or outlet.ended or not outlet.operative:
            return False
        if any(r.evse == outlet.evse.id for r in self.reservations.values()):
            return True
        anywhere = [r for r in self.reservations.values() if not r.evse and _fits(r, outlet)]
        return bool(anywhere) and len([o for o in self.outlets.values() if self._bare(o) and _fits(anywhere[0], o)]) <= len(anywhere)

    @point("station.uses_reservation")
    def uses_reservation(self: Station, outlet: Outlet, token: str, group: str) -> int | None:  # type: ignore[misc]
        """The reservation a token uses up here, its own EVSE's first (H03.FR.09)."""
        fitting = [r for r in self.reservations.values() if r.evse in (0, outlet.evse.id) and _fits(r, outlet) and r.matches(token, group)]
        return max(fitting, key=lambda r: r.evse).id if fitting else None

    @point("station.cancel_reservation")
    def cancel_reservation(self: Station, ident: int) -> bool:  # type: ignore[misc]
        """Let go of one by command; False where there is none (H02.FR.01)."""
        return self.reservations.pop(ident, None) is not None

    # --- changes ------------------------------------------------------------------------------------------------

    def use_reservation(self: Station, outlet: Outlet, token: str, group: str, now: float, out: list[Effect]) -> int | None:  # type: ignore[misc]
        ident = self.uses_reservation(outlet, token, group)
        if ident is not None:
            del self.reservations[ident]
            self.reservations_changed(now, out)
        return ident

    def reservations_changed(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Keep what is left, wait for the next to expire."""
        self.keep("reservations", [asdict(r) for r in self.reservations.values()] or None, out)
        self.plan_expiry(now)

    @point("station.plan_expiry")
    def plan_expiry(self: Station, now: float) -> None:  # type: ignore[misc]
        """Wake when the next one ends (H04.FR.01)."""
        self.timers.pop("reserve", None)
        if self.reservations:
            self.timers["reserve"] = max(now + 0.001, min(r.until for r in self.reservations.values()) - self.offset)

    def _expire_reservations(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """H04.FR.01 to FR.03; 1.6 section 5.13."""
        gone = [r for r in self.reservations.values() if r.until <= self.own(now) + 1e-6]
        for one in gone:
            del self.reservations[one.id]
        self.reservations_changed(now, out)
        for one in gone:
            self.tell_reservation(one.id, "Expired", now, out)
        for outlet in self.outlets.values():
            self._show(outlet, now, out)

    def drop_reservations(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """An EVSE that became Faulted or Unavailable loses its reservation (H01.FR.16, FR.17; 1.6 section 5.13)."""
        gone = [r.id for r in self.reservations.values() if r.evse == outlet.evse.id]
        for ident in gone:
            del self.reservations[ident]
        if gone:
            self.reservations_changed(now, out)
        for ident in gone:
            self.tell_reservation(ident, "Removed", now, out)

    @point("station.tell_reservation")
    def tell_reservation(self: Station, ident: int, status: str, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """ReservationStatusUpdate, which only 2.x has; what happens offline is told once there is a link."""
        if self.generation.assigned:
            return
        payload: Payload = {"reservationId": ident, "reservationUpdateStatus": status}
        owed: list[Any] = [*self.memory.get("owed", ()), payload]
        self.keep("owed", owed[-50:], out)
        self.tell_owed(now, out)

    def tell_owed(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The first that waits; each is kept until it is heard."""
        owed = self.memory.get("owed")
        if owed and "owed" not in self.in_flight and self.ask("ReservationStatusUpdate", owed[0], now, "owed"):
            self.in_flight["owed"] = None


@heard("owed")
def owed_heard(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    station.in_flight.pop("owed", None)
    if payload is not None or station.online:
        station.keep("owed", station.memory.get("owed", [])[1:] or None, out)
        station.tell_owed(now, out)


def _fits(reservation: Reservation, outlet: Outlet) -> bool:
    return not reservation.connector or any(c.type == reservation.connector for c in outlet.evse.connectors)
