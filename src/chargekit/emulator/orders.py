"""What a station does when the CSMS calls: one handler per command."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chargekit.emulator import services_charging
from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services_security import KINDS
from chargekit.model.points import point
from chargekit.model.profile import ChargingProfile, Period, Purpose, RateUnit
from chargekit.model.profile_rules import flaw
from chargekit.model.profile_store import Running
from chargekit.wire import Unreadable
from chargekit.wire.messages import (
    AuthorizeAsked,
    CancelReservation,
    ClearProfile,
    Command,
    CommandReply,
    CompositeReply,
    GetComposite,
    GetKeys,
    OtherCommand,
    RemoteStart,
    RemoteStop,
    Reply,
    ReserveNow,
    Reset,
    SetAvailability,
    SetKey,
    SetProfile,
    Status,
    TokenCommand,
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
        if not self.answers_rejected():
            if not self.generation.assigned:
                self.session.refuse(called.id, "SecurityError", "this station was not accepted")
            return
        try:
            command = self.codec.read_command(called.action, called.payload, self.calendar)
        except Unreadable as why:
            self.session.refuse(called.id, why.code, why.text[:200])
            return
        if isinstance(command, (GetKeys, SetKey, ReserveNow, CancelReservation, OtherCommand, TokenCommand)):
            self.serve(called, now, out)
            return
        if isinstance(command, SetProfile) and self.generation.assigned and command.evse not in (0, *self.outlets):
            self.session.refuse(called.id, "property", f"connectorId {command.evse} is not here")  # 1.6 errata 3.39
            return
        reply = self.carry_out(command, called.payload, now, out)
        payload = self.codec.write_reply(command, reply, self.calendar)
        if isinstance(command, RemoteStart) and reply == ACCEPTED:
            payload |= self._already(command)
        self.session.answer(called.id, payload)
        self._flush(out)
        self.do_soon(now, out)
        self._follow(command, reply, called.payload, now, out)

    def _follow(self: Station, command: Command, reply: CommandReply, payload: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """What is done after the reply."""
        match command:
            case Reset() if isinstance(reply, Reply) and reply.status in ("Accepted", "Scheduled"):
                self._reset(command, reply, now, out)
            case Trigger() if reply == ACCEPTED:
                self._triggered(command, payload, now, out)
            case SetProfile() | ClearProfile():
                for outlet in self.outlets.values():
                    self.refresh(outlet, now, out)
            case RemoteStart() if reply == ACCEPTED:
                self._remote_start(command, payload, now, out)
            case RemoteStop() if reply == ACCEPTED:
                running = self._running(command.tx)
                if running is not None:
                    self.stop(running, "Remote", "RemoteStop", now, out)
            case Unlock() if reply == Reply("Unlocked"):
                self._unlocked(command, now, out)

    def carry_out(self: Station, command: Command, payload: Mapping[str, Any], now: float, out: list[Effect]) -> CommandReply:  # type: ignore[misc]
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
                return self.remote_start_verdict(command, _group_of(payload))
            case RemoteStop():
                return ACCEPTED if self._running(command.tx) is not None and self.registration != "Pending" else REJECTED
            case Reset():
                if command.resume:
                    return REJECTED  # transactions can't be resumed here (B13.FR.01)
                return self.reset_verdict(command.hard, 0)
            case Trigger():
                if command.message in KINDS and not self.generation.assigned:
                    return ACCEPTED
                return self.trigger_verdict(command.message, command.evse, (payload.get("evse") or {}).get("connectorId"))
            case SetAvailability():
                return self._availability(command, payload, now, out)
            case Unlock():
                return Reply(self.unlock_verdict(command.evse, command.connector))
            case _:
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
        services_charging.plan_pull(self, now)
        if "external" in self.memory:
            self.apply_external(now, out)
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

    @point("station.remote_start_verdict")
    def remote_start_verdict(self: Station, command: RemoteStart, group: str) -> Reply:  # type: ignore[misc]
        """Rejected while Pending (B02.FR.05), where nothing is free, or where it is reserved for somebody else (1.6 section 5.11;
        F01.FR.21 to FR.26)."""
        if self.registration == "Pending" or self.closing:
            return REJECTED
        profile = command.profile
        wrong = profile is not None and (profile.purpose is not Purpose.TX or profile.transaction is not None)
        if wrong and self.generation.charging_state:
            return Reply("Rejected", "InvalidProfile")
        if profile is not None and self.generation.charging_state and (why := flaw(command.evse or 1, profile, self.store.rules)):
            return Reply("Rejected", why)  # K05.FR.05
        return ACCEPTED if self._free(command.evse, command.token, group) is not None else REJECTED

    def _free(self: Station, evse: int | None, token: str, group: str) -> Outlet | None:  # type: ignore[misc]
        """The outlet a remote start would use, one with a cable in first where none is named."""
        found = [
            o for o in self.outlets.values()
            if evse in (None, 0, o.evse.id) and (o.tx is None or not (o.tx.authorised or o.tx.stopped)) and o.token is None
            and o.operative and o.status() is not Status.FAULTED and self.admits(o, token, group)
        ]  # fmt: skip
        return min(found, key=lambda o: (not o.pilot.connected or o.ended, o.evse.id), default=None)

    def _already(self: Station, command: RemoteStart) -> dict[str, str]:  # type: ignore[misc]
        """The transaction that runs there without authorisation already (F01.FR.13)."""
        outlet = self._free(command.evse, command.token, "")
        return {"transactionId": outlet.tx.ref} if outlet is not None and outlet.tx is not None and outlet.tx.told else {}

    def _running(self: Station, tx: str) -> Outlet | None:  # type: ignore[misc]
        for outlet in self.outlets.values():
            if outlet.tx is not None and outlet.tx.id == tx and not outlet.tx.stopped:
                return outlet
        return None

    def _remote_start(self: Station, command: RemoteStart, payload: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Like a token presented: with AuthorizeRemoteTxRequests it is asked about first (1.6 section 5.11; F02.FR.09, FR.10)."""
        outlet = self._free(command.evse, command.token, _group_of(payload))
        if outlet is None:
            return
        profile = command.profile
        outlet.ended, outlet.profile = False, profile if profile is not None and profile.purpose is Purpose.TX else None
        known = self.known_token(command.token, now)
        group = _group_of(payload) or (known.group if known is not None else "")
        if self.keys["AuthorizeRemoteTxRequests"] == "true" and not self.preauthorises(command.token, known):
            context = ("auth", outlet.evse.id, command.token, "", command.remote_start_id)
            self.call(AuthorizeAsked(command.token), now, context)
            return
        self.admit(outlet, command.token, now, out, command.remote_start_id, group=group)


def _group_of(payload: Mapping[str, Any]) -> str:
    """groupIdToken of a 2.x remote start."""
    told = payload.get("groupIdToken")
    return str(told.get("idToken", "")) if isinstance(told, Mapping) else ""
