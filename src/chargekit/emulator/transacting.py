"""When a transaction starts, what is told while it runs, and when it ends (1.6 sections 3.6, 4.8, 4.10; E01 to E12)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from chargekit.emulator.configuration import REGISTER
from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.queue import More, overlaid
from chargekit.model.pilot import ControlPilot
from chargekit.model.points import point
from chargekit.model.profile import Mode
from chargekit.wire.messages import ChargingStateChanged, Status, TransactionEnded, TransactionStarted
from chargekit.world.events import Effect, Save, Supply

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

Edge = TypeVar("Edge", TransactionStarted, TransactionEnded)
_ENDS_AUTHORISED = frozenset({"Authorized", "PowerPathClosed", "EnergyTransfer"})
_ENDS_UNPLUGGED = frozenset({"EVConnected", "PowerPathClosed", "EnergyTransfer"})


class Transacting:
    """The transactions of a Station; mixed into it."""

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.start_points")
    def start_points(self: Station) -> frozenset[str]:  # type: ignore[misc]
        """TxStartPoint; 1.6 starts when token and cable are there."""
        return _words(self.keys["TxStartPoint"]) if self.generation.charging_state else frozenset({"PowerPathClosed"})

    @point("station.stop_points")
    def stop_points(self: Station) -> frozenset[str]:  # type: ignore[misc]
        """TxStopPoint (E06). 1.6: the end of the authorisation, and the cable's with StopTransactionOnEVSideDisconnect."""
        if self.generation.charging_state:
            return _words(self.keys["TxStopPoint"])
        return frozenset({"Authorized"})

    @point("station.stops_on_unplug")
    def stops_on_unplug(self: Station) -> bool:  # type: ignore[misc]
        """Whether pulling the cable at the vehicle ends the authorisation (1.6 section 4.10; E09.FR.01)."""
        return bool(self.keys["StopTransactionOnEVSideDisconnect"] == "true")

    @point("station.end_wh")
    def end_wh(self: Station, tx: Transaction, shown_wh: float, reason: str) -> float:  # type: ignore[misc]
        """The register told at the end of a transaction: what its meter shows, which counts on through power cuts."""
        return shown_wh

    @point("station.next_seq")
    def next_seq(self: Station, tx: Transaction) -> int:  # type: ignore[misc]
        """The number of a transaction's next message: without gaps (E01.FR.07)."""
        tx.seq += 1
        return tx.seq - 1

    # --- start --------------------------------------------------------------------------------------------------

    def admit(  # type: ignore[misc]
        self: Station, outlet: Outlet, token: str, now: float, out: list[Effect], remote: int | None = None, *, group: str = ""
    ) -> bool:
        """The token may charge here: start when the cable is in, within ConnectionTimeOut. False: the outlet is not for it."""
        tx = outlet.tx
        if (tx is not None and (tx.authorised or tx.stopped)) or not outlet.operative or not self.admits(outlet, token, group):
            return False
        used = self.use_reservation(outlet, token, group, now, out)
        if tx is not None:
            tx.token, tx.group, tx.authorised, tx.reservation = token, group, True, used
            tx.remote_start_id = remote
            self.event(outlet, "Authorized" if remote is None else "RemoteStart", now, out, _bearer(token))
            self._with_profile(outlet, now, out)
            self.refresh(outlet, now, out)
            return True
        outlet.token, outlet.group, outlet.remote_start_id, outlet.reservation = token, group, remote, used
        self.timers[f"token/{outlet.evse.id}"] = now + float(self.keys["ConnectionTimeOut"])
        self._start(outlet, "Authorized", now, out)
        self._show(outlet, now, out)
        return True

    def _start(self: Station, outlet: Outlet, trigger: str, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if outlet.tx is not None or outlet.ended or self.closing or not outlet.operative:
            return
        points, here, plugged = self.start_points(), outlet.token is not None, outlet.pilot.connected
        early = ("Authorized" in points and here) or ("EVConnected" in points and plugged and not self.reserved(outlet))
        if not (here and plugged) and not early:
            return
        number = outlet.evse.id
        self.count += 1
        ref = f"{self.boots}-{self.count}-{self.spec.id}"[:36]
        begin = self.reported(outlet, self.taps[number].read(now)).energy_wh
        tx = Transaction(ref, outlet.token or "", self.own(now), begin, None if self.generation.assigned else ref)
        tx.remote_start_id, tx.group, tx.reservation = outlet.remote_start_id, outlet.group, outlet.reservation
        tx.authorised, tx.told = here, bool(points - {"EnergyTransfer"})
        outlet.tx, outlet.token, outlet.group, outlet.reservation, outlet.flowed = tx, None, "", None, False
        outlet.mode = Mode.CHARGING_ONLY
        if plugged:
            self.timers.pop(f"token/{number}", None)
        out.append(Save(f"tx/{number}", tx.to_json()))
        self._keep_values(outlet, "Transaction.Begin", now)
        if tx.told:
            self._tell_start(outlet, trigger, now, out)
        self._with_profile(outlet, now, out)
        self._plan_meter(now)
        self.refresh(outlet, now, out)

    def _tell_start(self: Station, outlet: Outlet, trigger: str, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The first message of a transaction. It is kept before the transaction counts it."""
        tx, number = outlet.tx, outlet.evse.id
        assert tx is not None
        tx.told = True
        fact = TransactionStarted(
            number, tx.token, tx.ref, tx.started, tx.begin_wh, tx=tx.id, remote_start_id=tx.remote_start_id, seq=self.next_seq(tx)
        )
        more: More = {} if tx.reservation is None else {"reservationId": tx.reservation}
        fact = self._with_values(outlet, fact, "SampledDataCtrlr.TxStartedMeasurands", now, more)
        if self.generation.charging_state:
            more |= {
                "triggerReason": trigger if tx.remote_start_id is None else "RemoteStart",
                "transactionInfo": {"chargingState": outlet.charging_state},
                "evse": {"connectorId": self.connector_of(outlet) if outlet.pilot.connected else None},
            }
            if not tx.token:
                more["idToken"] = None
        tx.reservation, tx.remote_start_id = None, None
        outlet.charging_shown = outlet.status()
        self.enqueue(tx.ref, fact, now, out, more)
        out.append(Save(f"tx/{number}", tx.to_json()))

    def _with_values(self: Station, outlet: Outlet, fact: Edge, key: str, now: float, more: More) -> Edge:  # type: ignore[misc]
        """A transaction's first or last message with the measurands that are set for it (E01.FR.09, E06.FR.11). Where the register is
        all, the message has it already."""
        if not self.generation.charging_state or self.measurands(key) == {REGISTER}:
            return fact
        sample = self.chosen(outlet, key, now)
        if sample is None:
            more["meterValue"] = None
            return fact
        energy_wh = fact.register_wh if sample.energy_wh == sample.energy_wh else sample.energy_wh
        return replace(fact, sample=replace(sample, t=fact.at, energy_wh=energy_wh))

    def _with_profile(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The profile that came with a remote start belongs to this transaction (F01.FR.10, F02.FR.18)."""
        came, outlet.profile = outlet.profile, None
        if came is None or outlet.tx is None or not outlet.tx.authorised:
            return
        profile = self.start_profile(came, outlet.tx)
        if profile is not None and not self.refusal(outlet.evse.id, profile):
            self.store.set(outlet.evse.id, profile, self.own(now), self.rng)
            out.append(Save("profiles", self.store.to_json()))

    # --- while it runs ------------------------------------------------------------------------------------------

    def event(self: Station, outlet: Outlet, trigger: str, now: float, out: list[Effect], more: More | None = None) -> None:  # type: ignore[misc]
        """Tell what happened in a transaction, with its charging state (2.x TransactionEvent Updated). 1.6 tells it by status alone."""
        tx, number = outlet.tx, outlet.evse.id
        if tx is None or not tx.told or not self.generation.charging_state:
            return
        outlet.charging_shown = outlet.status()
        fact = ChargingStateChanged(number, tx.ref, outlet.charging_shown, self.own(now), seq=self.next_seq(tx))
        info: dict[str, Any] = {"chargingState": outlet.charging_state, "remoteStartId": tx.remote_start_id}
        if outlet.mode is not Mode.CHARGING_ONLY or trigger == "OperationModeChanged":
            info["operationMode"] = outlet.mode.value
        body: More = {
            "triggerReason": trigger,
            "transactionInfo": {k: v for k, v in info.items() if v is not None},
            "evse": {"connectorId": self.connector_of(outlet) if outlet.pilot.connected else None},
        }
        if more:
            body = overlaid(body, more)
        if tx.reservation is not None:
            body["reservationId"] = tx.reservation
        tx.reservation, tx.remote_start_id = None, None
        self.enqueue(tx.ref, fact, now, out, body)
        out.append(Save(f"tx/{number}", tx.to_json()))

    def _sensed(self: Station, supply: Supply, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        outlet = self.outlets.get(supply.evse)
        if outlet is None:
            return
        was, outlet.pilot, outlet.live = outlet.pilot, supply.pilot, supply.live
        outlet.connector = supply.connector or outlet.connector
        if was is outlet.pilot:
            return
        if outlet.pilot in (ControlPilot.E, ControlPilot.F):
            self.faulted(outlet, now, out)
        elif not outlet.pilot.connected:
            outlet.ended = False
            self._unplugged(outlet, now, out)
        elif not was.connected:
            if outlet.tx is not None:
                self.timers.pop(f"token/{outlet.evse.id}", None)
            self.event(outlet, "CablePluggedIn", now, out)
            self._start(outlet, "CablePluggedIn", now, out)
            if outlet.tx is not None:
                self.refresh(outlet, now, out)
        self._contactor(outlet, now, out)
        self._show(outlet, now, out)

    def _unplugged(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        tx = outlet.tx
        if tx is None:
            return
        if self.stop_points() & _ENDS_UNPLUGGED:
            self.end(outlet, tx.stopped or "EVDisconnected", now, out, "EVCommunicationLost")
        elif self.stops_on_unplug():
            self.stop(outlet, "EVDisconnected", "EVCommunicationLost", now, out)
        else:
            self._withdraw(outlet, now, out)
            self.event(outlet, "EVCommunicationLost", now, out)
            self.timers[f"token/{outlet.evse.id}"] = now + float(self.keys["ConnectionTimeOut"])

    @point("station.faulted")
    def faulted(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """A fault ends the transaction (E06.FR.16) and the reservation (H01.FR.16)."""
        self.end(outlet, "Other", now, out, "AbnormalCondition")
        self.drop_reservations(outlet, now, out)

    def _no_cable(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """ConnectionTimeOut is over (E03.FR.05, E10.FR.02, F02.FR.07; 1.6 keeps a transaction whose cable was pulled)."""
        outlet.token, outlet.profile, outlet.reservation = None, None, None
        if outlet.tx is not None and not outlet.pilot.connected and self.generation.charging_state:
            self.end(outlet, "Timeout", now, out, "EVConnectTimeout")
        self._show(outlet, now, out)

    # --- end ----------------------------------------------------------------------------------------------------

    def stop(self: Station, outlet: Outlet, reason: str, trigger: str, now: float, out: list[Effect], token: str = "") -> None:  # type: ignore[misc]
        """The authorisation ends, and the transaction with it where TxStopPoint says so; otherwise it goes on without energy
        (E06.FR.03, FR.06, F03.FR.02, C15.FR.03)."""
        tx = outlet.tx
        if tx is None or tx.stopped:
            return
        if self.stop_points() & _ENDS_AUTHORISED or not tx.told:
            self.end(outlet, reason, now, out, trigger, token)
            return
        tx.authorised, tx.stopped = False, reason
        self._withdraw(outlet, now, out)
        self.event(outlet, trigger, now, out, _bearer(token))
        self._show(outlet, now, out)

    def _withdraw(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """No more energy, at once."""
        number = outlet.evse.id
        self._load(outlet, False, 0.0, out)
        outlet.aim, outlet.limit_a = None, 0.0
        for name in ("aim", "limit", "pulse", "pulsed", "switch"):
            self.timers.pop(f"{name}/{number}", None)

    def end(  # type: ignore[misc]
        self: Station, outlet: Outlet, reason: str, now: float, out: list[Effect], trigger: str = "", token: str = ""
    ) -> None:
        """End the transaction: no more energy first, then its last message, then forget it."""
        tx = outlet.tx
        if tx is None:
            return
        number = outlet.evse.id
        self._withdraw(outlet, now, out)
        wh = self.end_wh(tx, self.reported(outlet, self.taps[number].read(now)).energy_wh, reason)
        self._keep_values(outlet, "Transaction.End", now)
        outlet.tx, outlet.ended = None, outlet.pilot.connected
        fact = TransactionEnded(number, tx.id or "", self.own(now), wh, reason, token or None, seq=self.next_seq(tx))
        more: More = {}
        if self.generation.charging_state:
            more = {"transactionInfo": {"chargingState": outlet.charging_state}}
            fact = self._with_values(outlet, fact, "SampledDataCtrlr.TxEndedMeasurands", now, more)
            if trigger:
                more["triggerReason"] = trigger
        elif tx.kept:
            more = {"transactionData": tx.kept}
        if tx.told and self.tells_end(tx):
            self.enqueue(tx.ref, fact, now, out, more)
        out.append(Save(f"tx/{number}", None))
        self.timers.pop(f"cap/{number}", None)
        self.timers.pop(f"most/{number}", None)
        self.timers.pop(f"token/{number}", None)
        self.store.end_transaction(number)
        if self.spec.model.supply_a is not None:
            self.refresh(outlet, now, out)
        out.append(Save("profiles", self.store.to_json()))
        self.settle(outlet, now, out)
        self._show(outlet, now, out)

    def _watch_flow(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """TxStartPoint and TxStopPoint EnergyTransfer (E01.FR.06, E06.FR.07)."""
        tx, status = outlet.tx, outlet.status()
        if tx is None:
            return
        if status is Status.CHARGING:
            if not tx.told:
                tx.started = self.own(now)
                tx.begin_wh = self.reported(outlet, self.taps[outlet.evse.id].read(now)).energy_wh
                self._tell_start(outlet, "ChargingStateChanged", now, out)
            outlet.flowed = True
        elif outlet.flowed and "EnergyTransfer" in self.stop_points():
            by_vehicle = status is Status.SUSPENDED_EV
            self.end(outlet, "StoppedByEV" if by_vehicle else "Other", now, out, "ChargingStateChanged")


def _words(listed: str) -> frozenset[str]:
    return frozenset(word.strip() for word in listed.split(",") if word.strip())


def _bearer(token: str) -> More:
    return {"idToken": {"idToken": token, "type": "ISO14443"}} if token else {}
