"""What a station does when the CSMS calls: one handler per command."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chargekit.emulator import services_firmware, services_logs, services_publish
from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import find
from chargekit.emulator.services_security import KINDS, sign
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Period, Purpose, RateUnit
from chargekit.model.profile_store import Running
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

_COMMON = ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues", "FirmwareStatusNotification")
TRIGGERED = ((*_COMMON, "DiagnosticsStatusNotification"), (*_COMMON, "LogStatusNotification", "PublishFirmwareStatusNotification"))
"""What may be triggered, in 1.6 and from 2.0.1 on, beside certificates."""
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
                return REJECTED if command.resume else ACCEPTED  # transactions can't be resumed here (B13.FR.01)
            case Trigger():
                known = command.message in TRIGGERED[not self.generation.assigned]
                signs = command.message in KINDS and not self.generation.assigned
                return ACCEPTED if known or signs else Reply("NotImplemented")
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
        self.store.set(command.evse, command.profile, self.own(now), self.rng)
        out.append(Save("profiles", self.store.to_json()))
        return ACCEPTED

    def _composite(self: Station, command: GetComposite, now: float) -> CompositeReply:  # type: ignore[misc]
        unit = command.unit or ("A" if "A" in self.spec.model.rate_units else "W")
        if unit not in self.spec.model.rate_units or (command.evse and command.evse not in self.outlets):
            return CompositeReply("Rejected")  # K08.FR.05, K08.FR.07
        return CompositeReply(
            "Accepted", self.own(now), self.composite(command.evse, now, command.duration_s, unit), unit, command.duration_s
        )

    @point("station.composite")
    def composite(self: Station, evse: int, now: float, duration_s: float, unit: RateUnit) -> tuple[Period, ...]:  # type: ignore[misc]
        """What it expects to draw from now on (K08); EVSE 0 is the whole station."""
        running = {n: Running(o.tx.id or o.tx.ref, o.tx.started) for n, o in self.outlets.items() if o.tx is not None}
        if evse == 0:
            most_a = {n: o.evse.max_a for n, o in self.outlets.items()}
            phases = {n: o.evse.phases for n, o in self.outlets.items()}
            supply_a = self.spec.model.supply_a or math.inf
            return self.store.composite_of_all(self.own(now), duration_s, running, most_a, phases, unit, supply_a)
        outlet, tx = self.outlets[evse], running.get(evse)
        return self.store.composite(
            evse, self.own(now), duration_s, transaction=tx.transaction if tx else None, started=tx.started if tx else None,
            hardware_a=outlet.evse.max_a, unit=unit, phases=outlet.evse.phases,
        )  # fmt: skip

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
        if command.profile is None or command.profile.purpose is not Purpose.TX or outlet.tx is None:
            return
        profile = self.start_profile(command.profile, outlet.tx)
        if profile is not None and not self.refusal(outlet.evse.id, profile):
            self.store.set(outlet.evse.id, profile, self.own(now), self.rng)
            out.append(Save("profiles", self.store.to_json()))
            self.refresh(outlet, now, out)

    def _triggered(self: Station, command: Trigger, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if command.message == "BootNotification":
            self._boot(now, out)
        elif command.message == "Heartbeat":
            self._beat(now, out)
        elif command.message in KINDS:
            sign(self, KINDS[command.message], now, out)
        elif command.message == "StatusNotification":
            self.show_all(now, out)
        elif command.message == "FirmwareStatusNotification":
            self.ask(*services_firmware.triggered(self), now)
        elif command.message == "PublishFirmwareStatusNotification":
            self.ask(*services_publish.triggered(self), now)
        elif command.message in ("LogStatusNotification", "DiagnosticsStatusNotification"):
            self.ask(*services_logs.triggered(self, command.message), now)
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
