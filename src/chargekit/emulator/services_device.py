"""The device model's services of 2.x: GetVariables, SetVariables, GetBaseReport, GetReport (B05 to B08), and what live variables show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.configuration import READINGS, measurable
from chargekit.emulator.device_model import SUMMARY, Attribute, Entry, at_place, build, is_variable
from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import Payload, Refusal, service
from chargekit.emulator.services_configuration import store
from chargekit.model.metering import MeterSample
from chargekit.model.site import Evse
from chargekit.wire.messages import SetKey, Status
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

ITEMS: Final = 50
"""ItemsPerMessage of every message here, and variables in one part of a report."""
LONGEST_SETTING, LONGEST_VALUE = 1000, 2500
FACTORY_FIRMWARE: Final = "1.0.0"
Reads = Callable[["Station", Entry, float], str]


# --- what live variables show -----------------------------------------------------------------------------------


def _outlets(station: Station, entry: Entry) -> list[Outlet]:
    return [o for n, o in station.outlets.items() if entry.evse in (0, n)]


def _state_of(outlet: Outlet) -> str:
    status = outlet.status()
    return status.value if status in (Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED) or status.value == "Reserved" else "Occupied"


def _state(station: Station, entry: Entry, now: float) -> str:
    """Of several outlets: Faulted where one is, else the first of Available, Reserved, Occupied that one shows."""
    shown = {_state_of(o) for o in _outlets(station, entry)}
    return next((s for s in ("Faulted", "Available", "Reserved", "Occupied") if s in shown), "Unavailable")


def _problem(station: Station, entry: Entry, now: float) -> str:
    return _flag(any(o.status() is Status.FAULTED for o in _outlets(station, entry)))


def _operative(station: Station, entry: Entry, now: float) -> str:
    return _flag(any(o.operative for o in _outlets(station, entry)))


def _samples(station: Station, entry: Entry, now: float) -> list[MeterSample]:
    return [station.reported(o, station.taps[o.evse.id].read(now)) for o in _outlets(station, entry)]


def _power(station: Station, entry: Entry, now: float) -> str:
    return f"{sum(s.power_w for s in _samples(station, entry, now)):.1f}"


def _current(station: Station, entry: Entry, now: float) -> str:
    """The largest phase."""
    return f"{max((max(s.current_a) for s in _samples(station, entry, now)), default=0.0):.2f}"


def _evse(station: Station, entry: Entry) -> Evse:
    return station.spec.evse(entry.evse)


def _phases(station: Station, entry: Entry, now: float) -> str:
    return str(max(e.phases for e in station.spec.model.evses if entry.evse in (0, e.id)))


def _type(station: Station, entry: Entry, now: float) -> str:
    return next((c.type for c in _evse(station, entry).connectors if c.id == entry.connector), "")


def _transaction(station: Station, entry: Entry, now: float) -> str:
    tx = station.outlets[entry.evse].tx
    return (tx.id or tx.ref) if tx is not None else ""


def _list_entries(station: Station, entry: Entry, now: float) -> str:
    return str(len(station.tokens.listed))


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _plain(station: Station, entry: Entry, now: float) -> str:
    """What needs no looking around."""
    model = station.spec.model
    match entry.variable.reads:
        case "model":
            return model.model
        case "vendor":
            return model.vendor
        case "serial":
            return station.spec.id[:25]
        case "id":
            return station.spec.id
        case "firmware":
            return firmware(station)
        case "rate_units":
            return ",".join(model.rate_units)
        case "phase_switching":
            return _flag(model.phase_switching)
        case "profiles":
            return str(len(station.store.to_json()))
        case "base":
            return str(station.memory.get("monitoring_base", "HardWiredOnly"))
        case "level":
            return str(station.memory.get("monitoring_level", 9))
        case "messages":
            return str(len(station.memory.get("display", ())))
        case _:
            return station.calendar.iso(station.own(now))


LIVE: Final[dict[str, Reads]] = {
    "state": _state,
    "problem": _problem,
    "operative": _operative,
    "power": _power,
    "current": _current,
    "phases": _phases,
    "type": _type,
    "transaction": _transaction,
    "list_entries": _list_entries,
}
"""What `Variable.reads` names; the rest is `_plain`. A module of services may put its own in."""


def firmware(station: Station) -> str:
    """The firmware installed, as BootNotification tells it."""
    return str(station.memory.get("firmware_version", FACTORY_FIRMWARE))


def value_of(station: Station, entry: Entry, now: float, attribute: Attribute = "Actual") -> str:
    """The value of an attribute the entry has, whatever its mutability."""
    v = entry.variable
    if attribute == "MaxSet":
        return _most(station, entry)
    if v.reads:
        return LIVE.get(v.reads, _plain)(station, entry, now)
    return station.keys.get(v.key, v.default) if v.key else v.value


def _most(station: Station, entry: Entry) -> str:
    v = entry.variable
    if v.reads not in ("power", "current"):
        return str(int(v.high or 0))
    evse = _evse(station, entry)
    if v.reads == "current":
        return f"{evse.max_a:.2f}"
    return f"{evse.max_kw * 1000.0 if evse.max_kw is not None else evse.max_a * evse.phases * station.spec.model.voltage_v:.1f}"


# --- one variable -----------------------------------------------------------------------------------------------


def find(station: Station, row: Payload) -> Entry | str:
    """The one variable a row names; else UnknownComponent or UnknownVariable (B05.FR.04/05, B06.FR.06/07, B06.FR.15)."""
    component, variable = row["component"], row["variable"]
    there = [e for e in build(station.spec, station.spec.ocpp) if at_place(e, component, wide=False)]
    if not there:
        return "UnknownComponent"
    return next((e for e in there if is_variable(e, variable, wide=False)), "UnknownVariable")


def _about(row: Payload) -> Payload:
    """What a result repeats of its question; the attribute type is said even where it was left out (B05.FR.12, B06.FR.11)."""
    return {"component": row["component"], "variable": row["variable"], "attributeType": row.get("attributeType", "Actual")}


@service("GetVariables", "2.0.1", "2.1")
def get_variables(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """One result a question (B06)."""
    rows = payload["getVariableData"]
    if len(rows) > ITEMS:
        return Refusal("occurrence", f"getVariableData: at most {ITEMS} (B06.FR.16)")
    return {"getVariableResult": [_about(row) | _got(station, row, now) for row in rows]}


def _name(row: Payload) -> str:
    """`Component.Variable`, as settings of security are known by."""
    return f"{row['component']['name']}.{row['variable']['name']}"


def _got(station: Station, row: Payload, now: float) -> Payload:
    secured = station.security_keys().get(_name(row))
    if secured is not None and row.get("attributeType", "Actual") == "Actual":
        return {"attributeStatus": "Accepted", "attributeValue": secured[:LONGEST_VALUE]}
    entry = find(station, row)
    attribute = row.get("attributeType", "Actual")
    if isinstance(entry, str):
        return {"attributeStatus": entry}
    if attribute not in entry.attributes:
        return {"attributeStatus": "NotSupportedAttributeType"}
    if entry.variable.mutability == "WriteOnly":
        return {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": "WriteOnly"}}
    return {"attributeStatus": "Accepted", "attributeValue": value_of(station, entry, now, attribute)[:LONGEST_VALUE]}


@service("SetVariables", "2.0.1", "2.1")
def set_variables(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """One result a variable; each is set or not on its own (B05)."""
    rows = payload["setVariableData"]
    if len(rows) > ITEMS:
        return Refusal("occurrence", f"setVariableData: at most {ITEMS} (B05.FR.11)")
    return {"setVariableResult": [_about(row) | _put(station, row, now, out) for row in rows]}


def _put(station: Station, row: Payload, now: float, out: list[Effect]) -> Payload:
    secured = station.set_security(SetKey(_name(row), row["attributeValue"]), now, out)
    if secured is not None:
        return {"attributeStatus": secured.status} if secured.accepted or not secured.reason else _rejected(secured.reason)
    entry = find(station, row)
    attribute = row.get("attributeType", "Actual")
    if isinstance(entry, str):
        return {"attributeStatus": entry}
    if attribute not in entry.attributes:
        return {"attributeStatus": "NotSupportedAttributeType"}
    v = entry.variable
    if v.mutability == "ReadOnly" or attribute != "Actual":
        return _rejected("ReadOnly")
    text = row["attributeValue"]
    value = v.rule.read(text) if len(text) <= LONGEST_SETTING else None
    if value is None or (v.values == READINGS and not measurable(value, dc=station.dc)):
        return _rejected("InvalidValue")
    store(station, v.key, value, now, out)
    return {"attributeStatus": "RebootRequired" if v.reboot else "Accepted"}


def _rejected(reason: str) -> Payload:
    return {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": reason}}


# --- reports ----------------------------------------------------------------------------------------------------


@service("GetBaseReport", "2.0.1", "2.1")
def get_base_report(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Configuration: what can be set; Full: everything; Summary: availability and condition (B07.FR.07 to 09)."""
    entries = build(station.spec, station.spec.ocpp)
    base = payload["reportBase"]
    if base == "ConfigurationInventory":
        entries = tuple(e for e in entries if e.variable.mutability != "ReadOnly")
    elif base == "SummaryInventory":
        entries = tuple(e for e in entries if e.variable.name in SUMMARY)
    report(station, payload["requestId"], entries, now)
    return {"status": "Accepted"}


@service("GetReport", "2.0.1", "2.1")
def get_report(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """What is named, of the components that meet one of the criteria (B08.FR.05 to 25); nothing found is EmptyResultSet."""
    asked = payload.get("componentVariable") or ()
    if len(asked) > ITEMS:
        return Refusal("occurrence", f"componentVariable: at most {ITEMS} (B08.FR.17)")
    entries = [e for e in build(station.spec, station.spec.ocpp) if not asked or any(named(e, row) for row in asked)]
    criteria = payload.get("componentCriteria") or ()
    if criteria:
        entries = [e for e in entries if any(_meets(station, e, word, now) for word in criteria)]
    if not entries:
        return {"status": "EmptyResultSet"}
    report(station, payload["requestId"], entries, now)
    return {"status": "Accepted"}


def named(entry: Entry, row: Payload) -> bool:
    """Whether a ComponentVariableType names an entry: what it leaves out matches all (B08.FR.20 to 25, N02.FR.16 to 21)."""
    if not at_place(entry, row["component"], wide=True):
        return False
    return "variable" not in row or is_variable(entry, row["variable"], wide=True)


def _meets(station: Station, entry: Entry, word: str, now: float) -> bool:
    """Active, Available and Enabled hold also where a component has no such variable; Problem only where it is true (B08.FR.07 to 10)."""
    for other in build(station.spec, station.spec.ocpp):
        v = other.variable
        if v.name == word and v.component == entry.variable.component and (other.evse, other.connector) == (entry.evse, entry.connector):
            return value_of(station, other, now) == "true"
    return word != "Problem"


def report(station: Station, request: int, entries: Sequence[Entry], now: float) -> None:
    """NotifyReport in parts (B07.FR.10, B08.FR.14)."""
    rows = [_reported(station, entry, now) for entry in entries]
    in_parts(station, "NotifyReport", "reportData", {"requestId": request}, rows, now)


def in_parts(station: Station, action: str, field: str, head: Payload, rows: Sequence[Any], now: float) -> None:
    """Send rows in parts of ITEMS, numbered from 0, all but the last to be continued."""
    parts = [rows[at : at + ITEMS] for at in range(0, len(rows), ITEMS)] or [()]
    for number, part in enumerate(parts):
        body = {**head, "generatedAt": station.calendar.iso(station.own(now)), "seqNo": number, "tbc": number < len(parts) - 1}
        station.ask(action, body | ({field: list(part)} if part else {}), now)


def _reported(station: Station, entry: Entry, now: float) -> Payload:
    return {
        "component": entry.component,
        "variable": entry.named,
        "variableAttribute": list(_attributes(station, entry, now)),
        "variableCharacteristics": entry.characteristics(),
    }


def _attributes(station: Station, entry: Entry, now: float) -> Iterable[Payload]:
    """Every attribute that is supported, with or without a value (B07.FR.11); a WriteOnly one never with (B07.FR.03)."""
    v = entry.variable
    for attribute in entry.attributes:
        mutability = v.mutability if attribute == "Actual" else "ReadOnly"
        row: Payload = {"type": attribute, "mutability": mutability, "persistent": not v.reads, "constant": not (v.reads or v.key)}
        if mutability != "WriteOnly":
            row["value"] = value_of(station, entry, now, attribute)[:LONGEST_VALUE]
        yield row
