"""Monitoring of variables in 2.x (N02 to N08): monitors are kept through power cuts, and tell by NotifyEvent when they fire.

The factory base of this station is HardWiredOnly, and it has no hard-wired monitors: who wants events asks for them. All and
FactoryDefault bring the two of FACTORY. Measured variables are looked at every POLL_S, all others after every event of the station.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator import services_streams
from chargekit.emulator.device_model import Entry, build
from chargekit.emulator.services import Payload, Refusal, heard, job, ready, service, watcher
from chargekit.emulator.services_device import ITEMS, find, in_parts, named, value_of
from chargekit.emulator.services_streams import Monitor, close_stream, monitors, open_stream, put
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

POLL_S: Final = 10.0
MEASURED: Final = frozenset({"power", "current"})
NUMERIC: Final = frozenset({"integer", "decimal"})
WORST, MILDEST = 0, 9
THRESHOLDS: Final = frozenset({"UpperThreshold", "LowerThreshold"})
PERIODIC: Final = frozenset({"Periodic", "PeriodicClockAligned"})
CRITERIA: Final = {"ThresholdMonitoring": THRESHOLDS, "DeltaMonitoring": frozenset({"Delta"}), "PeriodicMonitoring": PERIODIC}
FIRST_CUSTOM: Final = 100
MOST_QUEUED: Final = 100
TIMER: Final = "job/monitor"

_WHOLE: Final = {"name": "ChargingStation"}
FACTORY: Final = (
    {"id": 1, "component": _WHOLE, "variable": {"name": "Problem"}, "type": "Delta", "value": 1, "severity": 3},
    {"id": 2, "component": _WHOLE, "variable": {"name": "AvailabilityState"}, "type": "Delta", "value": 1, "severity": 6},
)
"""The preconfigured monitors."""


# --- what the CSMS sets -----------------------------------------------------------------------------------------


@service("SetMonitoringBase", "2.0.1", "2.1")
def set_base(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """N03.FR.03 to FR.05."""
    base = payload["monitoringBase"]
    kept = dict(monitors(station)) if base == "All" else {}
    for gone in [m for n, m in monitors(station).items() if n not in kept]:
        close_stream(station, gone, now)
    if base != "HardWiredOnly":
        for row in FACTORY:
            if str(row["id"]) not in kept:
                kept[str(row["id"])] = _made(station, row, "PreconfiguredMonitor", now)
    station.keep("monitoring_base", base, out)
    _keep(station, kept, now, out)
    return {"status": "Accepted"}


@service("SetMonitoringLevel", "2.0.1", "2.1")
def set_level(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Only events of this severity and worse are told from now on (N05)."""
    if not WORST <= payload["severity"] <= MILDEST:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "ValueOutOfRange"}}
    station.keep("monitoring_level", payload["severity"], out)
    return {"status": "Accepted"}


@service("SetVariableMonitoring", "2.0.1", "2.1")
def set_monitors(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """One result a monitor (N04)."""
    rows = payload["setMonitoringData"]
    if len(rows) > ITEMS:
        return Refusal("occurrence", f"setMonitoringData: at most {ITEMS} (N04.FR.09)")
    results = []
    for row in rows:
        status = _fault(station, row)
        ident = row.get("id")
        if not status:
            ident = _install(station, row, now, out)
            status = "Accepted"
        about = {"component": row["component"], "variable": row["variable"], "type": row["type"], "severity": row["severity"]}
        results.append({"status": status, **about} | ({"id": ident} if ident is not None else {}))
    return {"setMonitoringResult": results}


def _fault(station: Station, row: Payload) -> str:
    """The status of a monitor that cannot be set; empty for one that can (N04.FR.03 to FR.18)."""
    entry = find(station, row)
    if isinstance(entry, str):
        return entry
    v, kind, value = entry.variable, row["type"], row["value"]
    if not v.watched or (kind in THRESHOLDS and v.data not in NUMERIC) or kind not in THRESHOLDS | PERIODIC | {"Delta"}:
        return "UnsupportedMonitorType"
    outside = (v.low is not None and value < v.low) or (v.high is not None and value > v.high)
    if (kind in THRESHOLDS and outside) or (kind == "Delta" and value < 0) or (kind in PERIODIC and value <= 0):
        return "Rejected"
    if not WORST <= row["severity"] <= MILDEST:
        return "Rejected"
    place = (entry.component, entry.named)
    if "id" in row:
        old = monitors(station).get(str(row["id"]))
        if old is None or (old["component"], old["variable"]) != place:
            return "Rejected"
    for m in monitors(station).values():
        if m["id"] != row.get("id") and (m["component"], m["variable"], m["type"], m["severity"]) == (*place, kind, row["severity"]):
            return "Duplicate"
    return ""


def _install(station: Station, row: Payload, now: float, out: list[Effect]) -> int:
    kept = dict(monitors(station))
    ident: int = row.get("id") or max([FIRST_CUSTOM - 1, *(m["id"] for m in kept.values())]) + 1
    old = kept.get(str(ident))
    monitor = _made(station, {**row, "id": ident}, "CustomMonitor", now)
    if old is not None:
        # N07.FR.11: what the new threshold no longer holds is told as cleared, what it newly holds as an alert.
        monitor["set"] = old["set"] and not _beyond(monitor, monitor["last"])
        if "periodicEventStream" not in row:
            close_stream(station, old, now)
        else:
            monitor["stream"] = old.get("stream")
    kept[str(ident)] = monitor
    station.memory["monitors"] = kept
    if "periodicEventStream" in row and monitor["stream"] is None and row["type"] in PERIODIC:
        open_stream(station, monitor, row["periodicEventStream"], now)
    _keep(station, kept, now, out)
    return ident


def _made(station: Station, row: Payload, kind: str, now: float) -> Monitor:
    entry = find(station, row)
    assert isinstance(entry, Entry)
    made: Monitor = {
        "id": row["id"], "component": entry.component, "variable": entry.named, "type": row["type"], "value": row["value"],
        "severity": row["severity"], "transaction": row.get("transaction", False), "kind": kind,
        "last": value_of(station, entry, now), "set": False, "next": None, "stream": None,
    }  # fmt: skip
    made["next"] = _next(station, made, now)
    return made


@service("ClearVariableMonitoring", "2.0.1", "2.1")
def clear_monitors(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """One result an id (N06.FR.05); a threshold that was exceeded is not told as cleared (N07.FR.12)."""
    if len(payload["id"]) > ITEMS:
        return Refusal("occurrence", f"id: at most {ITEMS} (N06.FR.06)")
    kept, results = dict(monitors(station)), []
    for ident in payload["id"]:
        gone = kept.pop(str(ident), None)
        if gone is not None:
            close_stream(station, gone, now)
        results.append({"id": ident, "status": "Accepted" if gone is not None else "NotFound"})
    _keep(station, kept, now, out)
    return {"clearMonitoringResult": results}


@service("GetMonitoringReport", "2.0.1", "2.1")
def get_report(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """The monitors that meet one of the criteria and are named, by variable (N02)."""
    asked = payload.get("componentVariable") or ()
    if len(asked) > ITEMS:
        return Refusal("occurrence", f"componentVariable: at most {ITEMS} (N02.FR.07)")
    wanted = frozenset().union(*(CRITERIA.get(c, frozenset()) for c in payload.get("monitoringCriteria") or ()))
    rows: list[Payload] = []
    for entry in build(station.spec, station.spec.ocpp):
        if asked and not any(named(entry, row) for row in asked):
            continue
        here = [m for m in monitors(station).values() if (m["component"], m["variable"]) == (entry.component, entry.named)]
        found = [_told(station, m) for m in here if "monitoringCriteria" not in payload or m["type"] in wanted]
        if found:
            rows.append({"component": entry.component, "variable": entry.named, "variableMonitoring": found})
    if not rows:
        return {"status": "EmptyResultSet"}
    in_parts(station, "NotifyMonitoringReport", "monitor", {"requestId": payload["requestId"]}, rows, now)
    return {"status": "Accepted"}


def _told(station: Station, m: Monitor) -> Payload:
    told = {k: m[k] for k in ("id", "transaction", "value", "type", "severity")}
    return told | ({"eventNotificationType": m["kind"]} if station.spec.ocpp != "2.0.1" else {})


def _keep(station: Station, kept: dict[str, Monitor], now: float, out: list[Effect]) -> None:
    station.keep("monitors", kept or None, out)
    plan(station, now)


# --- when they fire ---------------------------------------------------------------------------------------------


@watcher("monitors")
def watch(station: Station, now: float, out: list[Effect]) -> None:
    """Thresholds and deltas (N07.FR.16 to FR.19)."""
    fired = False
    entries: dict[str, Entry] = {}
    for m in monitors(station).values():
        if m["type"] in PERIODIC or not _in_force(station, m):
            continue
        entry = find(station, m)
        if isinstance(entry, str):
            continue
        entries[str(m["id"])] = entry
        value = value_of(station, entry, now)
        if m["type"] == "Delta":
            if _moved(entry, m, value):
                m["last"], fired = value, True
                tell(station, m, "Delta", value, now, out)
        elif _beyond(m, value) != m["set"]:
            m["set"], fired = not m["set"], True
            tell(station, m, "Alerting", value, now, out, cleared=not m["set"])
    if fired:
        station.keep("monitors", monitors(station), out)


@job("monitor")
def periodic(station: Station, now: float, out: list[Effect]) -> None:
    """Periodic monitors and streams that are due (N08, N15.FR.06)."""
    for m in monitors(station).values():
        if m["next"] is not None and m["next"] <= now:
            m["next"] = _next(station, m, now)
            entry = find(station, m)
            if _in_force(station, m) and not isinstance(entry, str):
                value = value_of(station, entry, now)
                if not put(station, m, value, now):
                    tell(station, m, "Periodic", value, now, out)
        services_streams.turn(station, m, now)
    plan(station, now)


@ready
def resume(station: Station, now: float, out: list[Effect]) -> None:
    """After a start: periods begin anew, and streams are closed with the link (N07.FR.13, N07.FR.14)."""
    for m in monitors(station).values():
        m["next"], m["stream"] = _next(station, m, now), None
    plan(station, now)


def plan(station: Station, now: float) -> None:
    """The next look at periodic monitors, streams and measured values."""
    station.timers.pop(TIMER, None)
    times: list[float] = []
    for m in monitors(station).values():
        times += [t for t in (m["next"], services_streams.due(m)) if t is not None]
        if m["type"] not in PERIODIC and m["variable"]["name"] in ("Power", "ACCurrent"):
            times.append(now + POLL_S)
    if times:
        station.timers[TIMER] = max(min(times), now + 0.001)


def _next(station: Station, m: Monitor, now: float) -> float | None:
    every = float(m["value"])
    if m["type"] == "Periodic":
        return now + every
    if m["type"] == "PeriodicClockAligned":
        midnight = station.calendar.utc(0.0).replace(hour=0, minute=0, second=0, microsecond=0)
        since = station.own(now) - station.calendar.now_of(midnight)
        return now + every - since % every
    return None


def _in_force(station: Station, m: Monitor) -> bool:
    """A monitor for transactions sleeps where none runs."""
    if station.keys.get("MonitoringCtrlr.Enabled") == "false":
        return False
    evse = m["component"].get("evse", {}).get("id")
    return not m["transaction"] or any(o.tx is not None for n, o in station.outlets.items() if evse in (None, n))


def _beyond(m: Monitor, value: str) -> bool:
    if m["type"] not in THRESHOLDS:
        return False
    return bool(float(value) > m["value"] if m["type"] == "UpperThreshold" else float(value) < m["value"])


def _moved(entry: Entry, m: Monitor, value: str) -> bool:
    if entry.variable.data in NUMERIC:
        return bool(abs(float(value) - float(m["last"])) > m["value"])
    return bool(value != m["last"])


def tell(station: Station, m: Monitor, trigger: str, value: str, now: float, out: list[Effect], *, cleared: bool = False) -> None:
    """NotifyEvent; offline it waits where its severity is worth it (N05.FR.03, N07.FR.04, N07.FR.06)."""
    if m["severity"] > station.memory.get("monitoring_level", MILDEST):
        return
    number = int(station.memory.get("event_id", 0))
    station.keep("event_id", number + 1, out)
    event: dict[str, Any] = {
        "eventId": number, "timestamp": station.calendar.iso(station.own(now)), "trigger": trigger, "actualValue": value[:2500],
        "component": m["component"], "variable": m["variable"], "variableMonitoringId": m["id"], "eventNotificationType": m["kind"],
    }  # fmt: skip
    evse = m["component"].get("evse", {}).get("id")
    tx = station.outlets[evse].tx if evse in station.outlets else None
    event |= {"cleared": True} if cleared else {}
    event |= {"transactionId": (tx.id or tx.ref)[:36]} if tx is not None else {}
    event |= {"severity": m["severity"]} if station.spec.ocpp != "2.0.1" else {}
    if station.online and station.accepted and "events" not in station.memory:
        _send(station, [event], now)
    elif (station.online and station.accepted) or m["severity"] <= int(station.keys["MonitoringCtrlr.OfflineQueuingSeverity"]):
        station.keep("events", [*station.memory.get("events", ()), event][-MOST_QUEUED:], out)


@watcher("events")
def deliver(station: Station, now: float, out: list[Effect]) -> None:
    """What happened offline, once the CSMS is there again: one after the other, each kept until it is heard."""
    if station.online and station.accepted and "events" not in station.in_flight:
        station.in_flight["events"] = None
        _send(station, station.memory["events"][:1], now, "events")


@heard("events")
def delivered(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    station.in_flight.pop("events", None)
    if payload is not None or station.online:
        station.keep("events", station.memory.get("events", [])[1:] or None, out)


def _send(station: Station, events: list[Payload], now: float, hearer: str = "") -> None:
    payload = {"generatedAt": station.calendar.iso(station.own(now)), "tbc": False, "seqNo": 0, "eventData": events}
    station.ask("NotifyEvent", payload, now, hearer)
