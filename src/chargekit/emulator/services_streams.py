"""Periodic event streams of 2.1 (N11 to N15): values of a periodic monitor sent many at a time, as SEND messages nobody answers.

A stream belongs to a monitor (`services_monitoring`) and lies in its `stream`: id, params, whether the CSMS opened it, the values not
sent yet (run seconds and text) and when the next message is due. Values of a stream that is not open go as NotifyEvent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.services import Payload, Refusal, heard, service
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

Monitor = dict[str, Any]
MOST_STREAMS: Final = 8
MOST_KEPT: Final = 1000


def send_stream(station: Station, payload: Payload) -> None:
    """The one place where a NotifyPeriodicEventStream leaves: a SEND of the Session (N15.FR.01)."""
    station.session.send("NotifyPeriodicEventStream", payload)


def monitors(station: Station) -> dict[str, Monitor]:
    kept: dict[str, Monitor] = station.memory.get("monitors", {})
    return kept


def streams(station: Station) -> list[Monitor]:
    """The monitors whose stream the CSMS opened."""
    return [m for m in monitors(station).values() if (m.get("stream") or {}).get("open")]


def open_stream(station: Station, monitor: Monitor, params: Payload, now: float) -> None:
    """Ask the CSMS to open one for a monitor (N11.FR.02); beyond MaxPeriodicEventStreams it stays with NotifyEvent."""
    taken = {m["stream"]["id"] for m in monitors(station).values() if m.get("stream")}
    if len(taken) >= MOST_STREAMS:
        return
    ident = next(n for n in range(1, MOST_STREAMS + 1) if n not in taken)
    monitor["stream"] = {"id": ident, "params": _params(params), "open": False, "kept": [], "next": None}
    station.ask("OpenPeriodicEventStream", {"constantStreamData": _data(monitor)}, now, "stream")


@heard("stream")
def _opened(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """One call is in flight at a time, so the answer is for the first that waits; not Accepted: no stream (N11.FR.07)."""
    waiting = next((m for m in monitors(station).values() if m.get("stream") and not m["stream"]["open"]), None)
    if waiting is None:
        return
    if payload is None or payload.get("status") != "Accepted":
        waiting["stream"] = None
    else:
        stream = waiting["stream"]
        stream["open"], stream["next"] = True, _next(stream, now)


def close_stream(station: Station, monitor: Monitor, now: float) -> None:
    """Send what is left, then say it is over (N13.FR.01, N13.FR.03)."""
    stream = monitor.get("stream")
    if not stream:
        return
    while stream["open"] and stream["kept"]:
        _flush(station, stream)
    monitor["stream"] = None
    station.ask("ClosePeriodicEventStream", {"id": stream["id"]}, now)


def put(station: Station, monitor: Monitor, value: str, now: float) -> bool:
    """Add a value; full, it leaves at once (N15.FR.08). False: no stream is open, say it another way."""
    stream = monitor.get("stream")
    if not stream or not stream["open"]:
        return False
    stream["kept"] = [*stream["kept"], [station.own(now), value]][-MOST_KEPT:]
    values = stream["params"].get("values", 0)
    if values and len(stream["kept"]) >= values:
        _flush(station, stream)
    return True


def turn(station: Station, monitor: Monitor, now: float) -> None:
    """Send the message that is due (N15.FR.06)."""
    stream = monitor.get("stream")
    if stream and stream["open"] and stream["next"] is not None and stream["next"] <= now:
        _flush(station, stream)
        stream["next"] = _next(stream, now)


def due(monitor: Monitor) -> float | None:
    stream = monitor.get("stream")
    found: float | None = stream["next"] if stream and stream["open"] else None
    return found


def _flush(station: Station, stream: Payload) -> None:
    if not (station.online and station.accepted) or not stream["kept"]:
        return
    most = stream["params"].get("values") or len(stream["kept"])
    now_sent, stream["kept"] = stream["kept"][:most], stream["kept"][most:]
    base = now_sent[0][0]
    send_stream(station, {
        "id": stream["id"], "pending": len(stream["kept"]), "basetime": station.calendar.iso(base),
        "data": [{"t": round(t - base, 3), "v": v[:2500]} for t, v in now_sent],
    })  # fmt: skip


def _params(params: Payload) -> Payload:
    return {k: params[k] for k in ("interval", "values") if params.get(k)}


def _next(stream: Payload, now: float) -> float | None:
    every = stream["params"].get("interval", 0)
    return now + every if every else None


def _data(monitor: Monitor) -> Payload:
    stream = monitor["stream"]
    return {"id": stream["id"], "params": stream["params"], "variableMonitoringId": monitor["id"]}


@service("GetPeriodicEventStream", "2.1")
def get_streams(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Every open stream (N12.FR.01)."""
    found = [_data(m) for m in streams(station)]
    return {"constantStreamData": found} if found else {}


@service("AdjustPeriodicEventStream", "2.1")
def adjust_stream(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Another rate (N14); Rejected for an unknown stream, or where neither interval nor values would ever send anything."""
    params = _params(payload["params"])
    monitor = next((m for m in streams(station) if m["stream"]["id"] == payload["id"]), None)
    if monitor is None or not params:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "NotFound" if monitor is None else "InvalidValue"}}
    monitor["stream"]["params"] = params
    monitor["stream"]["next"] = _next(monitor["stream"], now)
    station.keep("monitors", monitors(station), out)
    from chargekit.emulator.services_monitoring import plan

    plan(station, now)
    return {"status": "Accepted"}
