"""Charging profiles beside setting and clearing them: reading back (K09), dynamic updates (K28) and priority charging (K21)."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import Payload, Refusal, heard, job, ready, service, setter
from chargekit.model.profile import Kind, Purpose
from chargekit.wire.profiles import write_profile
from chargekit.wire.v2 import DIFFERENCES
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

MOST_IN_ONE: Final = 10
_VALUES: Final = {
    f"{wire}{tail}": f"{ours}{tail.lower()}"
    for wire, ours in (("limit", "limit"), ("dischargeLimit", "discharge"), ("setpoint", "setpoint"), ("setpointReactive", "reactive"))
    for tail in ("", "_L2", "_L3")
}
"""Fields of ChargingScheduleUpdateType, and what `ProfileStore.update` calls them."""


@service("GetChargingProfiles", "2.0.1", "2.1")
def get_charging_profiles(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """K09.FR.01 to FR.06: what is installed and matches is reported afterwards, by EVSE and source, the last part without `tbc`."""
    asked = payload["chargingProfile"]
    purpose = asked.get("chargingProfilePurpose")
    if purpose is not None and purpose not in set(Purpose):
        return {"status": "NoProfiles"}
    found = station.store.find(
        frozenset(asked.get("chargingProfileId", ())), payload.get("evseId"), Purpose(purpose) if purpose is not None else None,
        asked.get("stackLevel"), frozenset(asked.get("chargingLimitSource", ())),
    )  # fmt: skip
    if not found:
        return {"status": "NoProfiles"}
    dialect = DIFFERENCES[station.spec.ocpp].profile
    parts: list[Payload] = []
    for (evse, source), group in groupby(sorted(found, key=lambda one: (one.evse, one.source)), key=lambda one: (one.evse, one.source)):
        rows = [write_profile(one.profile, station.calendar, dialect) for one in group]
        for at in range(0, len(rows), MOST_IN_ONE):
            part = {"evseId": evse, "chargingLimitSource": source, "chargingProfile": rows[at : at + MOST_IN_ONE]}
            parts.append({"requestId": payload["requestId"], **part})

    def report(now: float, out: list[Effect]) -> None:
        for number, part in enumerate(parts):
            station.ask("ReportChargingProfiles", part | ({"tbc": True} if number < len(parts) - 1 else {}), now)

    station.soon.append(report)
    return {"status": "Accepted"}


def _refresh(station: Station, now: float, out: list[Effect]) -> None:
    for outlet in station.outlets.values():
        station.refresh(outlet, now, out)


@setter("SmartChargingCtrlr.SetpointPriority")
@ready
def prefer(station: Station, now: float, out: list[Effect]) -> None:
    """Whose setpoint goes first (Q06.FR.20 to FR.22)."""
    first = station.keys["SmartChargingCtrlr.SetpointPriority"] == "CSMS"
    if station.store.csms_first != first:
        station.store.csms_first = first
        _refresh(station, now, out)


def _taken(station: Station, id: int, update: Payload, now: float, out: list[Effect]) -> str:
    """Apply an update; the reason it can't be, or nothing (K28.FR.06, FR.09, FR.11)."""
    values = {ours: float(update[wire]) for wire, ours in _VALUES.items() if wire in update}
    why = station.store.update(id, values, station.own(now))
    if not why:
        out.append(Save("profiles", station.store.to_json()))
        station.soon.append(lambda now, out: _refresh(station, now, out))
        plan_pull(station, now)
    return why


@service("UpdateDynamicSchedule", "2.1")
def update_dynamic_schedule(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """K28.FR.06: applied at once; FR.11: Rejected for what is no dynamic profile here."""
    why = _taken(station, payload["chargingProfileId"], payload["scheduleUpdate"], now, out)
    return {"status": "Rejected", "statusInfo": {"reasonCode": why[:20]}} if why else {"status": "Accepted"}


def plan_pull(station: Station, now: float) -> None:
    """When a dynamic profile asks for news next (K28.FR.10)."""
    pulls = station.store.pulls()
    station.timers.pop("job/pull", None)
    if pulls:
        station.timers["job/pull"] = max(pulls[0][0] - station.offset, now + 1.0)


@ready
def replan(station: Station, now: float, out: list[Effect]) -> None:
    """After a start: a profile asks on at the times it did before; what fell into the dark is asked at once (K28.FR.10, K01.FR.27)."""
    plan_pull(station, now)


@job("pull")
def pull(station: Station, now: float, out: list[Effect]) -> None:
    """Ask for news of every dynamic profile that is due, one after the other; what fails is asked again an interval later."""
    for at, id in station.store.pulls():
        if at <= station.own(now) + 0.001:
            station.ask("PullDynamicScheduleUpdate", {"chargingProfileId": id}, now, "pulled")
            waits = next(p.dyn_interval_s for p in (one.profile for one in station.store.find([id])) if p.kind is Kind.DYNAMIC)
            station.timers["job/pull"] = now + (waits or 60.0)
            return


@heard("pulled")
def pulled(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """The answer to a pull (K28.FR.07, FR.08)."""
    if payload is None or payload.get("status") != "Accepted":
        return
    due = [id for at, id in station.store.pulls() if at <= station.own(now) + 0.001]
    if due:
        _taken(station, due[0], payload.get("scheduleUpdate") or {}, now, out)
        station.do_soon(now, out)


def _running(station: Station, tx: Any) -> Outlet | None:
    return next((o for o in station.outlets.values() if o.tx is not None and (o.tx.id or o.tx.ref) == tx), None)


@service("UsePriorityCharging", "2.1")
def use_priority_charging(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """K21.FR.01 to FR.08: the PriorityCharging profile takes the place of the transaction's own and the default, or gives it back."""
    outlet = _running(station, payload["transactionId"])
    if outlet is None:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "TxNotFound"}}
    if payload["activate"] and not station.store.may_prioritise(outlet.evse.id):
        return {"status": "NoProfile"}
    station.store.prioritise(outlet.evse.id, payload["transactionId"], payload["activate"])

    def tell(now: float, out: list[Effect]) -> None:
        _refresh(station, now, out)
        body = {"transactionId": payload["transactionId"], "activated": payload["activate"]}
        station.ask("NotifyPriorityCharging", body, now)

    station.soon.append(tell)
    return {"status": "Accepted"}
