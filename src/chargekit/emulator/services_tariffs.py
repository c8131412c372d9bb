"""Default tariffs of 2.1 and the change of a running transaction's (I07, I09 to I11).

Tariffs are checked, kept and told; cost is not calculated from them, and conditions are not supported
(`TariffCostCtrlr.ConditionsSupported`). Of each EVSE the tariff in force and those still to come are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import Payload, Refusal, service
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

MOST_ELEMENTS: Final = 20
PARTS: Final = ("energy", "chargingTime", "idleTime", "fixedFee", "reservationTime", "reservationFixed")
Tariff = dict[str, Any]


def installed(station: Station) -> dict[str, list[Tariff]]:
    """Default tariffs by EVSE."""
    kept: dict[str, list[Tariff]] = station.memory.get("tariffs", {})
    return kept


def in_use(station: Station, evse: int, now: float) -> Tariff | None:
    """The default tariff in force: the latest that has begun (I07.FR.19 to FR.21)."""
    begun = [t for t in installed(station).get(str(evse), ()) if _from(station, t) <= station.own(now)]
    return max(begun, key=lambda t: _from(station, t), default=None)


def _from(station: Station, tariff: Tariff) -> float:
    try:
        return station.calendar.parse(tariff["validFrom"]) if "validFrom" in tariff else float("-inf")
    except (ValueError, OverflowError):
        return float("-inf")


def _off(station: Station) -> bool:
    return station.keys.get("TariffCostCtrlr.Enabled.Tariff") == "false"


def _fault(tariff: Tariff) -> str:
    """I07.FR.02, FR.03, FR.05; the same for I11."""
    prices = [price for part in PARTS if part in tariff for price in tariff[part]["prices"]]
    if len(prices) > MOST_ELEMENTS:
        return "TooManyElements"
    if any("conditions" in price for price in prices):
        return "ConditionNotSupported"
    return "" if prices else "Rejected"


@service("SetDefaultTariff", "2.1")
def set_default(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """I07.FR.01 to FR.13: on one EVSE, or with 0 on each."""
    tariff, evse = payload["tariff"], payload["evseId"]
    if _off(station):
        return Refusal("NotSupported", "no local cost calculation (I07.FR.01)")
    fault = _fault(tariff)
    if fault:
        return {"status": fault} | ({"statusInfo": {"reasonCode": "InvalidValue"}} if fault == "Rejected" else {})
    if evse and evse not in station.outlets:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}}
    if any(t["tariffId"] == tariff["tariffId"] for kept in installed(station).values() for t in kept):
        return {"status": "DuplicateTariffId"}
    begins, own = _from(station, tariff), station.own(now)
    everywhere = dict(installed(station))
    for number in [evse] if evse else list(station.outlets):
        before = everywhere.get(str(number), [])
        # A tariff that is in force, or begins later than this one is said to, gives way (I07.FR.20 to FR.23).
        kept = [t for t in before if begins > own or _from(station, t) > own]
        everywhere[str(number)] = sorted([*kept, tariff], key=lambda t: _from(station, t))
    station.keep("tariffs", everywhere, out)
    return {"status": "Accepted"}


@service("GetTariffs", "2.1")
def get_tariffs(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """I09.FR.01 to FR.07."""
    evse = payload["evseId"]
    if _off(station):
        return Refusal("NotSupported", "no local cost calculation")
    if evse and evse not in station.outlets:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}}
    rows: dict[str, Payload] = {}
    for number, kept in installed(station).items():
        for tariff in kept if evse in (0, int(number)) else ():
            row = rows.setdefault(tariff["tariffId"], {"tariffId": tariff["tariffId"], "tariffKind": "DefaultTariff", "evseIds": []})
            row["evseIds"].append(int(number))
            if "validFrom" in tariff:
                row["validFrom"] = tariff["validFrom"]
    return {"status": "Accepted", "tariffAssignments": list(rows.values())} if rows else {"status": "NoTariff"}


@service("ClearTariffs", "2.1")
def clear_tariffs(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Those that match both, by id; a running transaction keeps its own (I10.FR.01 to FR.07)."""
    if _off(station):
        return Refusal("NotSupported", "no local cost calculation")
    ids, evse = payload.get("tariffIds"), payload.get("evseId", 0)
    gone: dict[str, None] = {}
    left: dict[str, list[Tariff]] = {}
    for number, kept in installed(station).items():
        for tariff in kept:
            if (ids is None or tariff["tariffId"] in ids) and evse in (0, int(number)):
                gone[tariff["tariffId"]] = None
            else:
                left.setdefault(number, []).append(tariff)
    station.keep("tariffs", left or None, out)
    missing = [{"tariffId": i, "status": "NoTariff"} for i in ids or () if i not in gone]
    results = [{"tariffId": i, "status": "Accepted"} for i in gone] + missing
    return {"clearTariffsResult": results or [{"status": "NoTariff"}]}


@service("ChangeTransactionTariff", "2.1")
def change(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """I11.FR.01 to FR.08."""
    if _off(station):
        return Refusal("NotSupported", "no local cost calculation (I11.FR.01)")
    tariff = payload["tariff"]
    fault = _fault(tariff)
    if fault:
        return {"status": fault}
    outlet = next((o for o in station.outlets.values() if o.tx is not None and (o.tx.id or o.tx.ref) == payload["transactionId"]), None)
    if outlet is None or outlet.tx is None:
        return {"status": "TxNotFound"}
    mine = station.memory.get("tx_tariffs", {})
    old = mine.get(payload["transactionId"]) or in_use(station, outlet.evse.id, now)
    if old is not None and old["currency"] != tariff["currency"]:
        return {"status": "NoCurrencyChange"}
    running = {o.tx.id or o.tx.ref for o in station.outlets.values() if o.tx is not None}
    kept = {k: v for k, v in mine.items() if k in running} | {payload["transactionId"]: tariff}
    station.keep("tx_tariffs", kept, out)
    _tell(station, outlet, tariff["tariffId"], now, out)
    return {"status": "Accepted"}


def _tell(station: Station, outlet: Outlet, tariff: str, now: float, out: list[Effect]) -> None:
    """TransactionEvent with triggerReason TariffChanged (I11.FR.07)."""
    station.event(outlet, "TariffChanged", now, out, {"transactionInfo": {"tariffId": tariff}})
