"""What a station does when the CSMS calls: one handler per command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import find
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Purpose
from chargekit.wire import Unreadable
from chargekit.wire.messages import (
    ClearProfile,
    Command,
    CommandReply,
    CompositeReply,
    GetComposite,
    GetKeys,
    Metered,
    OtherCommand,
    RemoteStart,
    RemoteStop,
    Reply,
    Reset,
    SetAvailability,
    SetKey,
    SetProfile,
    Trigger,
    Unlock,
)  # fmt: skip
from chargekit.wire.session import Called
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

ACCEPTED, REJECTED = Reply("Accepted"), Reply("Rejected")


class Orders:
    """The commands of a Station; mixed into it."""

    def obey(self: Station, called: Called, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        try:
            command = self.codec.read_command(called.action, called.payload, self.calendar)
        except Unreadable as why:
            self.session.refuse(called.id, why.code, why.text[:200])
            return
        if isinstance(command, OtherCommand) or find(self.spec.ocpp, called.action) is not None:
            self.serve(called, now, out)
            return
        after: list[Effect] = []
        reply = self.carry_out(command, now, out, after)
        self.session.answer(called.id, self.codec.write_reply(command, reply, self.calendar))
        self._flush(out)
        out.extend(after)
        if isinstance(command, Reset) and reply == ACCEPTED:
            self.reboot("HardReset" if command.hard else "SoftReset", now, out)
        if isinstance(command, Trigger) and reply == ACCEPTED:
            self._triggered(command, now, out)
        if isinstance(command, (SetProfile, ClearProfile)):
            for outlet in self.outlets.values():
                self.refresh(outlet, now, out)
        if isinstance(command, RemoteStart) and reply == ACCEPTED:
            self._remote_start(command, now, out)
        if isinstance(command, RemoteStop) and reply == ACCEPTED:
            running = self._running(command.tx)
            if running is not None:
                self.end(running, "Remote", now, out)

    def carry_out(self: Station, command: Command, now: float, out: list[Effect], after: list[Effect]) -> CommandReply:  # type: ignore[misc]
        """Do what can be done before the reply; the reply."""
        match command:
            case SetProfile():
                return self._set_profile(command, now, out)
            case ClearProfile():
                gone = self.store.clear(command.id, command.evse, command.purpose, command.stack_level)
                out.append(Save("profiles", self.store.to_json()))
                return ACCEPTED if gone else Reply("Unknown")
            case GetComposite():
                return self._composite(command, now)
            case RemoteStart():
                return ACCEPTED if self._free(command.evse) is not None else REJECTED
            case RemoteStop():
                return ACCEPTED if self._running(command.tx) is not None else REJECTED
            case Reset():
                return ACCEPTED
            case Trigger():
                known = ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues")
                return ACCEPTED if command.message in known else Reply("NotImplemented")
            case SetAvailability():
                return self._availability(command, now, out)
            case Unlock():
                return Reply("Unlocked") if command.evse in self.outlets else Reply("NotSupported")
            case GetKeys() | SetKey() | OtherCommand():
                return Reply("NotSupported")

    @point("station.refusal")
    def refusal(self: Station, evse: int, profile: ChargingProfile) -> str:  # type: ignore[misc]
        """Why a profile is rejected; empty when it is accepted."""
        outlet = self.outlets.get(evse)
        tx = outlet.tx if outlet else None
        below = [p for p in profile.periods if profile.unit == "A" and 0 < p.limit < 6]
        if below and self.spec.model.below_min == "reject":
            return "InvalidSchedule"
        return self.store.refusal(evse, profile, (tx.id or tx.ref) if tx else None)

    def _set_profile(self: Station, command: SetProfile, now: float, out: list[Effect]) -> Reply:  # type: ignore[misc]
        why = self.refusal(command.evse, command.profile)
        if why:
            return Reply("Rejected", why)
        self.store.set(command.evse, command.profile)
        out.append(Save("profiles", self.store.to_json()))
        return ACCEPTED

    def _composite(self: Station, command: GetComposite, now: float) -> CompositeReply:  # type: ignore[misc]
        outlet = self.outlets.get(command.evse or next(iter(self.outlets)))
        if outlet is None or (command.unit or "A") not in self.spec.model.rate_units:
            return CompositeReply("Rejected")
        tx = outlet.tx
        periods = self.store.composite(
            outlet.evse.id, self.own(now), command.duration_s, transaction=(tx.id or tx.ref) if tx else None,
            started=tx.started if tx else None, hardware_a=outlet.evse.max_a,
        )  # fmt: skip
        return CompositeReply("Accepted", self.own(now), periods, "A", command.duration_s)

    def _free(self: Station, evse: int | None) -> Outlet | None:  # type: ignore[misc]
        for outlet in self.outlets.values():
            if evse in (None, 0, outlet.evse.id) and outlet.tx is None and outlet.token is None and outlet.operative:
                return outlet
        return None

    def _running(self: Station, tx: str) -> Outlet | None:  # type: ignore[misc]
        for outlet in self.outlets.values():
            if outlet.tx is not None and outlet.tx.id == tx:
                return outlet
        return None

    def _remote_start(self: Station, command: RemoteStart, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        outlet = self._free(command.evse)
        if outlet is None:
            return
        outlet.ended = False
        self.admit(outlet, command.token, now, out, command.remote_start_id)
        profile = command.profile
        if profile is None or profile.purpose is not Purpose.TX or outlet.tx is None:
            return
        if not self.refusal(outlet.evse.id, profile):
            self.store.set(outlet.evse.id, profile)
            out.append(Save("profiles", self.store.to_json()))
            self.refresh(outlet, now, out)

    def _triggered(self: Station, command: Trigger, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if command.message == "BootNotification":
            self._boot(now, out)
        elif command.message == "Heartbeat":
            self._beat(now, out)
        elif command.message == "StatusNotification":
            self.show_all(now, out)
        else:
            for number, outlet in self.outlets.items():
                if command.evse in (None, 0, number):
                    sample = self.reported(outlet, self.taps[number].read(now))
                    tx = outlet.tx.id if outlet.tx and self.generation.assigned else None
                    self.call(Metered(number, (sample,), tx, "Trigger"), now, "meter")

    def _availability(self: Station, command: SetAvailability, now: float, out: list[Effect]) -> Reply:  # type: ignore[misc]
        chosen = [o for n, o in self.outlets.items() if command.evse in (0, n)]
        if not chosen:
            return REJECTED
        for outlet in chosen:
            outlet.operative = command.operative
            out.append(Save(f"operative/{outlet.evse.id}", command.operative))
            self._show(outlet, now, out)
        return Reply("Scheduled") if any(o.tx for o in chosen) and not command.operative else ACCEPTED
