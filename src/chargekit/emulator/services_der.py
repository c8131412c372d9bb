"""DER controls of 2.1 (R04): which control of a type is in force, which are superseded, and what is told of it.

Controls are kept, scheduled and told; the power of the emulated electronics does not follow them. A control is plain data: id, type,
isDefault, superseded, the field of its type with `priority`, begin and end on the station's own clock (None where it has none),
`running`, and `after` when it takes a running control's place. The lower number of `priority` is the better.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.device_model import DER_MODES
from chargekit.emulator.services import Payload, Refusal, job, ready, service
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

FIELDS: Final = {
    "EnterService": "enterService",
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "FreqDroop": "freqDroop",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limitMaxDischarge",
}
"""The field each type of control comes in; every other type is a curve (R04.FR.16, FR.17)."""
ALL_FIELDS: Final = frozenset({*FIELDS.values(), "curve"})
ONLY_DEFAULT: Final = frozenset({"EnterService", "Gradients"})
INNER: Final = {"fixedPFAbsorb": "fixedPF", "fixedPFInject": "fixedPF"}
MOST: Final = 24
PART: Final = 4
TIMER: Final = "job/der"
Control = dict[str, Any]


def controls(station: Station) -> list[Control]:
    """In the order they came."""
    kept: list[Control] = station.memory.get("der", [])
    return kept


def field_of(kind: str) -> str:
    return FIELDS.get(kind, "curve")


def in_force(station: Station, kind: str) -> Control | None:
    """The control of a type that is executed: the running scheduled one, else the default (R04.FR.09, FR.11)."""
    found = [c for c in controls(station) if c["type"] == kind and not c["superseded"]]
    return next((c for c in found if c["running"]), next((c for c in found if c["isDefault"]), None))


@service("SetDERControl", "2.1")
def set_control(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """R04.FR.01 to FR.08, FR.12 to FR.17."""
    kind = payload["controlType"]
    if kind not in DER_MODES:
        return {"status": "NotSupported"}
    fault = _fault(station, payload)
    if fault:
        return {"status": "Rejected", "statusInfo": {"reasonCode": fault}}
    name = field_of(kind)
    body = payload[name]
    begin = _time(station, body.get("startTime"))
    if not payload["isDefault"] and begin is None:
        begin = station.own(now)
    made: Control = {
        "id": payload["controlId"], "type": kind, "isDefault": payload["isDefault"], "body": body, "begin": begin,
        "end": begin + body["duration"] if begin is not None and "duration" in body else None,
        "superseded": False, "running": False,
    }  # fmt: skip
    kept = [dict(c) for c in controls(station) if c["id"] != made["id"]]
    if len(kept) >= MOST:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "TooManyElements"}}
    losers = []
    for other in [c for c in kept if (c["type"], c["isDefault"]) == (kind, made["isDefault"]) and not c["superseded"]]:
        if other["body"]["priority"] < body["priority"]:
            made["superseded"] = True  # R04.FR.03, FR.08
        elif not other["running"]:
            losers.append(other)  # R04.FR.06; a running one goes on until the new one begins (FR.07)
    if made["superseded"]:
        losers = [made]
    for loser in losers:
        loser["superseded"] = True
    station.keep("der", [*kept, made], out)
    _turn(station, now, out)
    return {"status": "Accepted"} | ({"supersededIds": [c["id"] for c in losers]} if losers else {})


def _fault(station: Station, payload: Payload) -> str:
    """A default with a time (R04.FR.12, FR.13), what is only a default (FR.14, FR.15), not exactly the type's own field (FR.16, FR.17)."""
    kind, name = payload["controlType"], field_of(payload["controlType"])
    if {f for f in ALL_FIELDS if f in payload} != {name}:
        return "InvalidValue"
    body = payload[name]
    if payload["isDefault"]:
        return "InvalidValue" if "startTime" in body or "duration" in body else ""
    if kind in ONLY_DEFAULT:
        return "InvalidValue"
    if "startTime" in body and _time(station, body["startTime"]) is None:
        return "InvalidValue"
    return "InvalidValue" if body.get("duration", 1) <= 0 else ""


def _time(station: Station, text: str | None) -> float | None:
    try:
        return station.calendar.parse(text) if text else None
    except (ValueError, OverflowError):
        return None


# --- time goes on -----------------------------------------------------------------------------------------------


@job("der")
@ready
def _turn(station: Station, now: float, out: list[Effect]) -> None:
    """Start, take over, end and forget (R04.FR.07, FR.10, FR.20 to FR.22); plan the next look."""
    own = station.own(now)
    kept = [dict(c) for c in controls(station)]
    for c in [c for c in kept if c["end"] is not None and c["end"] <= own + 1e-6]:
        kept.remove(c)
        if c["running"]:
            _tell(station, c, False, now)
    for c in kept:
        if not c["isDefault"] and not c["superseded"] and not c["running"] and c["begin"] <= own + 1e-6:
            before = [o for o in kept if o["running"] and o["type"] == c["type"] and o is not c]
            for other in before:
                other["running"], other["superseded"] = False, True
            c["running"] = True
            _tell(station, c, True, now, [o["id"] for o in before])
    if kept != controls(station):
        station.keep("der", kept or None, out)
    times = [t for c in kept for t in (c["begin"] if not c["superseded"] else None, c["end"]) if t is not None and t > own + 1e-6]
    station.timers.pop(TIMER, None)
    if times:
        station.timers[TIMER] = max(min(times) - station.offset, now + 0.001)


def _tell(station: Station, control: Control, started: bool, now: float, over: Iterable[str] = ()) -> None:
    body: Payload = {"controlId": control["id"], "started": started, "timestamp": station.calendar.iso(station.own(now))}
    station.ask("NotifyDERStartStop", body | ({"supersededIds": list(over)} if over else {}), now)


# --- what there is ----------------------------------------------------------------------------------------------


def _chosen(station: Station, payload: Payload) -> list[Control]:
    return [
        c
        for c in controls(station)
        if payload.get("isDefault", c["isDefault"]) == c["isDefault"]
        and payload.get("controlType", c["type"]) == c["type"]
        and payload.get("controlId", c["id"]) == c["id"]
    ]


@service("GetDERControl", "2.1")
def get_controls(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """R04.FR.30 to FR.37; ReportDERControl in parts, each control in the field of its type."""
    if payload.get("controlType") is not None and payload["controlType"] not in DER_MODES:
        return {"status": "NotSupported"}
    found = _chosen(station, payload)
    if not found:
        return {"status": "NotFound"}
    for at in range(0, len(found), PART):
        body: Payload = {"requestId": payload["requestId"], "tbc": at + PART < len(found)}
        for c in found[at : at + PART]:
            name = field_of(c["type"])
            row: Payload = {"id": c["id"], INNER.get(name, name): c["body"]}
            if name not in ("enterService", "gradient"):
                row |= {"isDefault": c["isDefault"], "isSuperseded": c["superseded"]}
            if name == "curve":
                row["curveType"] = c["type"]
            body.setdefault(name, []).append(row)
        station.ask("ReportDERControl", body, now)
    return {"status": "Accepted"}


@service("ClearDERControl", "2.1")
def clear_controls(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """R04.FR.41 to FR.46; with neither type nor id all of that kind, also when there are none (FR.44). A running one is told to end."""
    if payload.get("controlType") is not None and payload["controlType"] not in DER_MODES:
        return {"status": "NotSupported"}
    gone = _chosen(station, payload)
    if not gone and ("controlType" in payload or "controlId" in payload):
        return {"status": "NotFound"}
    station.keep("der", [c for c in controls(station) if c not in gone] or None, out)
    for c in gone:
        if c["running"]:
            _tell(station, c, False, now)
    _turn(station, now, out)
    return {"status": "Accepted"}
