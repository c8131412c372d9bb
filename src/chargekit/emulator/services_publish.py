"""PublishFirmware and UnpublishFirmware of 2.x (L03, L04): what a local controller does for the stations behind it.

Nothing is downloaded (`remote`); a checksum that is no MD5 of 32 hexadecimal digits does not match.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from chargekit.emulator import remote
from chargekit.emulator.services import Payload, Refusal, job, ready, service
from chargekit.emulator.triggering import triggered as when_triggered
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

DOWNLOAD_S: Final = 30.0
TIMER: Final = "job/publish"
ACTION: Final = "PublishFirmwareStatusNotification"


@service("PublishFirmware", "2.0.1", "2.1")
def publish(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """One at a time."""
    if station.memory.get("publishing") is not None or not remote.usable(payload["location"]):
        reason = "FwUpdateInProgress" if remote.usable(payload["location"]) else "InvalidURL"
        return {"status": "Rejected", "statusInfo": {"reasonCode": reason}}
    kept = {k: payload[k] for k in ("location", "checksum", "requestId")} | {"wait_s": payload.get("retryInterval", 60)}
    station.keep("publishing", {**kept, "tries": max(0, min(payload.get("retries", 0), 10))}, out)
    _tell(station, "Downloading", payload["requestId"], now, out)
    station.timers[TIMER] = now + DOWNLOAD_S
    return {"status": "Accepted"}


@job("publish")
def advance(station: Station, now: float, out: list[Effect]) -> None:
    """L03.FR.06 to FR.09."""
    work = station.memory.get("publishing")
    if work is None:
        return
    comes = remote.outcome(work["location"])
    if comes in ("unreachable", "denied", "unsupported", "bad message"):
        if work["tries"] > 0:
            station.keep("publishing", {**work, "tries": work["tries"] - 1}, out)
            station.timers[TIMER] = now + max(1.0, float(work["wait_s"])) + DOWNLOAD_S
            return
        _tell(station, "DownloadFailed", work["requestId"], now, out)
    else:
        _tell(station, "Downloaded", work["requestId"], now, out)
        if comes == "bad checksum" or not re.fullmatch("[0-9a-fA-F]{32}", work["checksum"]):
            _tell(station, "InvalidChecksum", work["requestId"], now, out)
        else:
            _tell(station, "ChecksumVerified", work["requestId"], now, out)
            places = [f"{scheme}://{station.spec.id[:48]}.local/{work['checksum']}" for scheme in ("http", "https", "ftp")]
            station.keep("published", {**station.memory.get("published", {}), work["checksum"]: places}, out)
            _tell(station, "Published", work["requestId"], now, out, places)
    station.keep("publishing", None, out)


@ready
def resume(station: Station, now: float, out: list[Effect]) -> None:
    if station.memory.get("publishing") is not None:
        station.timers[TIMER] = now + DOWNLOAD_S


@service("UnpublishFirmware", "2.0.1", "2.1")
def unpublish(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """L04.FR.01 to FR.04."""
    work = station.memory.get("publishing")
    if work is not None and work["checksum"] == payload["checksum"]:
        return {"status": "DownloadOngoing"}
    kept = dict(station.memory.get("published", {}))
    if kept.pop(payload["checksum"], None) is None:
        return {"status": "NoFirmware"}
    station.keep("published", kept or None, out)
    return {"status": "Unpublished"}


def _tell(station: Station, status: str, request: int, now: float, out: list[Effect], places: list[str] | None = None) -> None:
    station.keep("publish_told", [status, request], out)
    station.ask(ACTION, {"status": status, "requestId": request} | ({"location": places} if places else {}), now)


def triggered(station: Station) -> tuple[str, Payload]:
    """What TriggerMessage for it is answered with (L03.FR.10, FR.11)."""
    status, request = station.memory.get("publish_told", ["Idle", None])
    if status in ("Published", "Idle"):
        return ACTION, {"status": "Idle"}
    return ACTION, {"status": status, "requestId": request}


@when_triggered("PublishFirmwareStatusNotification", "2.0.1", "2.1")
def _tell_again(station: Station, now: float, out: list[Effect]) -> None:
    station.ask(*triggered(station), now)
