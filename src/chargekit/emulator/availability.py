"""Availability, resets and unlocking (1.6 sections 5.2, 5.14, 5.18; G03, G04, B11, B12, F05). What is set survives power cuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.model.points import point
from chargekit.wire.messages import Reply, Reset, SetAvailability, TransactionEnded, TransactionStarted, Unlock
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

EVSE_RESET_S = 3.0
ACCEPTED, REJECTED, SCHEDULED = Reply("Accepted"), Reply("Rejected"), Reply("Scheduled")


class Availability:
    """Mixed into Station."""

    later_reset: int | None

    # --- availability -------------------------------------------------------------------------------------------

    def flag(self: Station, place: str) -> bool:  # type: ignore[misc]
        """What a place was set to: `0` the station, `2` an EVSE, `2/1` a connector."""
        return self.flags.get(place, True)

    def connector_operative(self: Station, outlet: Outlet, connector: int) -> bool:  # type: ignore[misc]
        return outlet.operative and self.flag(f"{outlet.evse.id}/{connector}")

    def operative(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Whether an outlet can be used by what was set: the station, the EVSE and one of its connectors (G03.FR.06, G04.FR.07)."""
        number = outlet.evse.id
        connectors = any(self.flag(f"{number}/{c.id}") for c in outlet.evse.connectors)
        return self.flag("0") and self.flag(str(number)) and connectors and not outlet.resetting and self.later_reset not in (0, number)

    @point("station.settles")
    def settles(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Whether what was set applies now: during a transaction it waits for its end (1.6 section 5.2; G03.FR.05)."""
        return outlet.tx is None

    def settle(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Let an outlet be what it was set to, once it can."""
        if self.settles(outlet):
            was, outlet.operative = outlet.operative, self.operative(outlet)
            if was and not outlet.operative and not self._set_aside(outlet):
                self.drop_reservations(outlet, now, out)

    def _set_aside(self: Station, outlet: Outlet) -> bool:  # type: ignore[misc]
        """Unusable for a reset only, which keeps reservations (B11.FR.05)."""
        return outlet.resetting or self.later_reset in (0, outlet.evse.id)

    @point("station.flags_at_start")
    def flags_at_start(self: Station, saved: Mapping[str, Any]) -> dict[str, bool]:  # type: ignore[misc]
        """The availability found in memory after power-up (B01.FR.07, G03.FR.08, G04.FR.09; 1.6 section 4.9)."""
        return {key[10:]: bool(value) for key, value in saved.items() if key.startswith("operative/")}

    def _availability(  # type: ignore[misc]
        self: Station, command: SetAvailability, payload: Mapping[str, Any], now: float, out: list[Effect]
    ) -> Reply:
        chosen = [o for n, o in self.outlets.items() if command.evse in (0, n)]
        place, connector = str(command.evse), (payload.get("evse") or {}).get("connectorId")
        if not chosen:
            return Reply("Rejected", "UnknownEvse")
        if connector is not None and command.evse:
            if connector not in [c.id for c in chosen[0].evse.connectors]:
                return Reply("Rejected", "UnknownConnectorId")
            place = f"{place}/{connector}"
        if command.operative:
            self.flags.pop(place, None)
        else:
            self.flags[place] = False
        out.append(Save(f"operative/{place}", None if command.operative else False))
        waiting = any(not self.settles(o) and o.operative != self.operative(o) for o in chosen)

        def apply(now: float, out: list[Effect]) -> None:
            for outlet in chosen:
                self.settle(outlet, now, out)
            if not command.evse and self.online and self.accepted:
                self.tell_station(now)
            self.show_changed(now, out)

        self.soon.append(apply)
        return SCHEDULED if waiting else ACCEPTED

    # --- reset --------------------------------------------------------------------------------------------------

    @point("station.reset_verdict")
    def reset_verdict(self: Station, hard: bool, evse: int) -> Reply:  # type: ignore[misc]
        """Whether a reset is done now or after the transactions (B11, B12.FR.01, FR.02). 1.6 ends them in either case (section 5.14)."""
        if evse and evse not in self.outlets:
            return Reply("Rejected", "UnknownEvse")
        busy = any(o.tx is not None for n, o in self.outlets.items() if evse in (0, n))
        return SCHEDULED if busy and not hard and self.generation.charging_state else ACCEPTED

    @point("station.obeys_reset")
    def obeys_reset(self: Station, hard: bool) -> bool:  # type: ignore[misc]
        """Whether a reset that was accepted is done (B11.FR.01, 1.6 section 5.14)."""
        return True

    @point("station.reset_is_due")
    def reset_is_due(self: Station, evse: int) -> bool:  # type: ignore[misc]
        """Whether a scheduled reset can be done now: the transactions have ended (B12.FR.01, FR.03, FR.07). It is not kept over a power
        cut, which ends them and restarts the station itself."""
        return not any(o.tx is not None for n, o in self.outlets.items() if evse in (0, n))

    def _reset(self: Station, command: Reset, reply: Reply, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if not self.obeys_reset(command.hard):
            return
        if reply.status == "Scheduled":
            self.schedule_reset(0, now, out)
            return
        reason = "HardReset" if command.hard else "SoftReset"
        if self.generation.charging_state:
            reason = "ImmediateReset"
        self.reboot(reason, now, out, wait=not (command.hard and self.generation.assigned))

    def schedule_reset(self: Station, evse: int, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Reset when the transactions have ended; until then nothing new starts there."""
        self.later_reset = evse if self.later_reset is None or self.later_reset == evse else 0
        for outlet in self.outlets.values():
            self.settle(outlet, now, out)
        self.show_changed(now, out)

    def reset_when_idle(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Do a scheduled reset once it can be done (B12.FR.03, FR.07)."""
        evse = self.later_reset
        if evse is None or not self.reset_is_due(evse):
            return
        self.forget_reset()
        if evse:
            self.reset_evse(evse, now, out)
        else:
            self.reboot("ImmediateReset", now, out, boot="ScheduledReset")

    def forget_reset(self: Station) -> None:  # type: ignore[misc]
        none: int | None = None
        self.later_reset = none

    @point("station.reset_evse")
    def reset_evse(self: Station, evse: int, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """One EVSE restarts: its transaction ends, it is Unavailable for a moment (B11.FR.08, B12.FR.08)."""
        outlet = self.outlets[evse]
        self.end(outlet, "ImmediateReset", now, out, "ResetCommand")
        outlet.resetting, outlet.token = True, None
        self.settle(outlet, now, out)
        self._load(outlet, False, 0.0, out)
        self._show(outlet, now, out)
        self.timers[f"evse/{evse}"] = now + EVSE_RESET_S

    def _evse_back(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        outlet.resetting = False
        self.settle(outlet, now, out)
        self._show(outlet, now, out)

    @point("station.cut_reason")
    def cut_reason(self: Station) -> str:  # type: ignore[misc]
        """Why a transaction ended that a power cut interrupted (1.6 section 7.36; ReasonEnumType)."""
        return "PowerLoss"

    # --- after a power cut --------------------------------------------------------------------------------------

    def _resume(self: Station, number: int, saved: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """End a transaction that a power cut interrupted. What waits in the queue says how far it got: a start that was never kept never
        happened, an end that was kept is not told twice."""
        tx = self.interrupted(Transaction.load(saved))
        if tx is None:
            return
        waiting = self.queue.about(tx.ref)
        begun = tx.seq > 0 or any(isinstance(f, TransactionStarted) for f in waiting)
        if not begun or any(isinstance(f, TransactionEnded) for f in waiting):
            out.append(Save(f"tx/{number}", None))
            return
        tx.seq = max([tx.seq, *(f.seq + 1 for f in waiting)])
        tx.told = True
        if self.generation.assigned:
            tx.id = self.txids.get(tx.ref, tx.id)
        self.outlets[number].tx = tx
        self.end(self.outlets[number], self.cut_reason(), now, out, "AbnormalCondition")

    # --- unlocking ----------------------------------------------------------------------------------------------

    @point("station.unlock_verdict")
    def unlock_verdict(self: Station, evse: int, connector: int) -> str:  # type: ignore[misc]
        """1.6 ends a transaction to unlock (section 5.18); 2.x does not touch an authorised one (F05.FR.02, FR.03)."""
        outlet = self.outlets.get(evse)
        if outlet is None or (self.generation.charging_state and connector not in [c.id for c in outlet.evse.connectors]):
            return "UnknownConnector"
        if self.generation.charging_state and outlet.tx is not None and outlet.tx.authorised:
            return "OngoingAuthorizedTransaction"
        return "Unlocked"

    def _unlocked(self: Station, command: Unlock, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self.end(self.outlets[command.evse], "UnlockCommand", now, out, "UnlockCommand")
