"""Logs: GetDiagnostics of 1.6 (5.9, 6.10), GetLog of 2.x and of the 1.6 security whitepaper (N01, use case N01 there).

Nothing is uploaded: see `remote` for what comes of which location. An upload cut off by a power cut begins again; how it ended (`end`)
is kept until the CSMS has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator import remote
from chargekit.emulator.services import Payload, Refusal, heard, job, ready, service
from chargekit.emulator.triggering import triggered as when_triggered
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

UPLOAD_S: Final = 15.0
ENDS: Final = {
    "unreachable": "UploadFailure",
    "denied": "PermissionDenied",
    "bad message": "BadMessage",
    "unsupported": "NotSupportedOperation",
}
"""How an upload fails (N01.FR.10)."""
MOST_RETRIES, RETRY_S = 10, 60.0


@service("GetDiagnostics", "1.6")
def get_diagnostics(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """The name of the file that will come; none where the period holds nothing (6.11)."""
    name = _file(station, "diagnostics", payload.get("startTime"), payload.get("stopTime"), now)
    if name is None:
        return {}
    _begin(station, "diagnostics", payload, payload["location"], None, now, out)
    return {"fileName": name}


@service("GetLog", "1.6", "2.0.1", "2.1")
def get_log(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """A second request cancels the first (N01.FR.12, FR.20); a log this station does not keep is Rejected (N01.FR.05)."""
    log, kind = payload["log"], payload["logType"]
    name = _file(station, kind, log.get("oldestTimestamp"), log.get("latestTimestamp"), now)
    if name is None or kind not in ("DiagnosticsLog", "SecurityLog"):
        return {"status": "Rejected"}
    old = station.memory.get("log")
    if old is not None and "end" in old:
        old = None
    if old is not None and station.spec.ocpp != "1.6":
        _tell(station, "log", old, "AcceptedCanceled", now, out)
    _begin(station, "log", payload, log["remoteLocation"], payload["requestId"], now, out)
    return {"status": "AcceptedCanceled" if old is not None else "Accepted", "filename": name}


def _file(station: Station, kind: str, oldest: str | None, latest: str | None, now: float) -> str | None:
    """The file's name; None where its period ends before it begins, or can't be read."""
    try:
        since, until = (station.calendar.parse(t) if t else None for t in (oldest, latest))
    except (ValueError, OverflowError):
        return None
    if since is not None and (since > station.own(now) or (until is not None and until < since)):
        return None
    stamp = station.calendar.utc(station.own(now)).strftime("%Y%m%dT%H%M%S")
    return f"{station.spec.id}-{kind}-{stamp}.log"[-255:]


def _begin(station: Station, what: str, payload: Payload, url: str, request: int | None, now: float, out: list[Effect]) -> None:
    retries = max(0, min(payload.get("retries", 0), MOST_RETRIES))
    wait = max(1.0, float(payload.get("retryInterval", RETRY_S)))
    upload = {"url": url, "request": request, "retries": retries, "wait_s": wait}
    station.keep(what, upload, out)
    _tell(station, what, upload, "Uploading", now, out)
    station.timers[f"job/{what}"] = now + UPLOAD_S


@job("log")
def log_over(station: Station, now: float, out: list[Effect]) -> None:
    _over(station, "log", now, out)


@job("diagnostics")
def diagnostics_over(station: Station, now: float, out: list[Effect]) -> None:
    _over(station, "diagnostics", now, out)


def _over(station: Station, what: str, now: float, out: list[Effect]) -> None:
    upload = station.memory.get(what)
    if upload is None:
        return
    if "end" in upload:
        _tell_end(station, what, upload, now)
        return
    status = ENDS.get(remote.outcome(upload["url"]), "Uploaded")
    if status == "UploadFailure" and upload["retries"] > 0:
        station.keep(what, {**upload, "retries": upload["retries"] - 1}, out)
        station.timers[f"job/{what}"] = now + upload["wait_s"] + UPLOAD_S
        return
    over = {**upload, "end": status}
    station.keep(what, over, out)
    _tell_end(station, what, over, now)


def _tell_end(station: Station, what: str, upload: Payload, now: float) -> None:
    """The last status, again until it is heard."""
    if not station.ask(*_said(what, upload, upload["end"]), now, what):
        station.timers[f"job/{what}"] = now + RETRY_S


def _end_heard(station: Station, what: str, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """Answered or refused, the CSMS has it; else the link went."""
    if "end" not in station.memory.get(what, {}):
        return
    if payload is not None or station.online:
        station.keep(what, None, out)
    else:
        station.timers[f"job/{what}"] = now + RETRY_S


@heard("log")
def log_heard(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    _end_heard(station, "log", payload, now, out)


@heard("diagnostics")
def diagnostics_heard(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    _end_heard(station, "diagnostics", payload, now, out)


@ready
def resume(station: Station, now: float, out: list[Effect]) -> None:
    for what in ("log", "diagnostics"):
        if what in station.memory:
            station.timers[f"job/{what}"] = now + (1.0 if "end" in station.memory[what] else UPLOAD_S)


def _tell(station: Station, what: str, upload: Payload, status: str, now: float, out: list[Effect]) -> None:
    station.ask(*_said(what, upload, status), now)


def _said(what: str, upload: Payload, status: str) -> tuple[str, Payload]:
    if what == "diagnostics":
        return "DiagnosticsStatusNotification", {"status": status if status in ("Uploading", "Uploaded") else "UploadFailed"}
    return "LogStatusNotification", {"status": status, "requestId": upload["request"]}


def triggered(station: Station, action: str) -> tuple[str, Payload]:
    """What TriggerMessage for LogStatusNotification or DiagnosticsStatusNotification is answered with (N01.FR.13, 1.6 5.17)."""
    upload: dict[str, Any] | None = station.memory.get("diagnostics" if action == "DiagnosticsStatusNotification" else "log")
    if upload is None or "end" in upload:
        return action, {"status": "Idle"}
    return action, {"status": "Uploading"} | ({"requestId": upload["request"]} if action == "LogStatusNotification" else {})


@when_triggered("LogStatusNotification", "2.0.1", "2.1")
def _tell_log(station: Station, now: float, out: list[Effect]) -> None:
    station.ask(*triggered(station, "LogStatusNotification"), now)


@when_triggered("DiagnosticsStatusNotification", "1.6")
def _tell_diagnostics(station: Station, now: float, out: list[Effect]) -> None:
    station.ask(*triggered(station, "DiagnosticsStatusNotification"), now)
