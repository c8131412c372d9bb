"""Firmware updates: UpdateFirmware of 1.6 (6.19) and 2.x (L01, L02), SignedUpdateFirmware of the 1.6 security whitepaper (L01 there).

Nothing is really downloaded or installed: see `remote` for what comes of which location. The update is kept through power cuts step
by step; a status that could not be told for want of a link is told when there is one. The update waits for transactions to end
(L01.FR.06) and lets no new one begin (L01.FR.07). After the installation the station restarts and boots with the new version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator import remote
from chargekit.emulator.services import Payload, Refusal, heard, job, ready, service, watcher
from chargekit.emulator.triggering import triggered as when_triggered
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

DOWNLOAD_S, VERIFY_S, INSTALL_S, REBOOT_S = 30.0, 2.0, 20.0, 5.0
TIMER: Final = "job/firmware"
ALLOW: Final = "ChargingStation.AllowNewSessionsPendingFirmwareUpdate"
OF_16: Final = frozenset({"Downloaded", "DownloadFailed", "Downloading", "Idle", "InstallationFailed", "Installing", "Installed"})
"""What 1.6 without the security whitepaper can say (7.25)."""
UNSTOPPABLE: Final = frozenset({"installing", "rebooting", "rebooted"})
MOST_RETRIES, RETRY_S = 10, 60.0
Update = dict[str, Any]


# --- what is asked ----------------------------------------------------------------------------------------------


@service("UpdateFirmware", "1.6")
def update_16(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """The answer says nothing; a new request takes the place of one not yet installing."""
    when = _time(station, payload["retrieveDate"])
    if when is None:
        return Refusal("type", "retrieveDate can't be read")
    old = station.memory.get("firmware")
    if old is None or old["step"] not in UNSTOPPABLE:
        _begin(station, payload, payload["location"], when, None, "FirmwareStatusNotification", now, out)
    return {}


@service("SignedUpdateFirmware", "1.6")
def update_signed(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    return _update(station, payload, "SignedFirmwareStatusNotification", now, out)


@service("UpdateFirmware", "2.0.1", "2.1")
def update(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    return _update(station, payload, "FirmwareStatusNotification", now, out)


def _update(station: Station, payload: Payload, tells: str, now: float, out: list[Effect]) -> Payload | Refusal:
    """The certificate is looked at first (L01.FR.21, FR.22); an update not yet installing gives way (L01.FR.24, FR.27)."""
    firmware = payload["firmware"]
    retrieve = _time(station, firmware["retrieveDateTime"])
    install = _time(station, firmware["installDateTime"]) if "installDateTime" in firmware else None
    if retrieve is None or ("installDateTime" in firmware and install is None):
        return Refusal("type", "firmware: a time can't be read")
    wrong = remote.certificate(firmware["signingCertificate"]) if "signingCertificate" in firmware else ""
    if wrong:
        station.security_event("InvalidFirmwareSigningCertificate", f"{wrong} signing certificate", now, out)
        return {"status": f"{wrong}Certificate"}
    if not remote.usable(firmware["location"]):
        return {"status": "Rejected"} | _why(station, "InvalidURL")
    old = station.memory.get("firmware")
    if old is not None and old["step"] in UNSTOPPABLE:
        return {"status": "Rejected"} | _why(station, "FwUpdateInProgress")
    _begin(station, payload, firmware["location"], retrieve, install, tells, now, out, firmware.get("signature"))
    return {"status": "AcceptedCanceled" if old is not None and old["step"] != "over" else "Accepted"}


def _why(station: Station, reason: str) -> Payload:
    return {"statusInfo": {"reasonCode": reason}} if station.spec.ocpp != "1.6" else {}


def _time(station: Station, text: str) -> float | None:
    """Seconds of the station's own clock; None for what is no time."""
    try:
        return station.calendar.parse(text)
    except (ValueError, OverflowError):
        return None


def _begin(
    station: Station, payload: Payload, location: str, retrieve: float, install: float | None, tells: str, now: float,
    out: list[Effect], signature: str | None = None,
) -> None:  # fmt: skip
    _open_again(station, now, out)
    update: Update = {
        "request": payload.get("requestId"), "tells": tells, "url": location, "step": "retrieve", "install": install,
        "retries": max(0, min(payload.get("retries", 0), MOST_RETRIES)), "wait_s": max(1.0, float(payload.get("retryInterval", RETRY_S))),
        "tries": 0, "signature": signature, "told": "", "untold": [], "closed": [],
    }  # fmt: skip
    station.memory["firmware"] = update
    own = station.own(now)
    if retrieve > own:
        _tell(station, update, "DownloadScheduled", now)
    _step(station, update, "retrieve", max(0.0, retrieve - own), now, out)


# --- step by step -----------------------------------------------------------------------------------------------


def _step(station: Station, update: Update, step: str, after_s: float, now: float, out: list[Effect]) -> None:
    """Go to a step, which is done so many seconds from now."""
    update["step"] = step
    # Time must pass between two jobs, also where there is nothing to wait for.
    station.timers[TIMER] = now + max(after_s, 0.01)
    station.keep("firmware", update, out)


@job("firmware")
def advance(station: Station, now: float, out: list[Effect]) -> None:
    update = station.memory.get("firmware")
    if update is None:
        return
    comes = remote.outcome(update["url"])
    match update["step"]:
        case "retrieve":
            _tell(station, update, "Downloading", now)
            _step(station, update, "downloading", DOWNLOAD_S, now, out)
        case "downloading":
            _downloaded(station, update, comes, now, out)
        case "verifying":
            _verified(station, update, now, out)
        case "scheduled":
            update["step"] = "waiting"
            _await_transactions(station, now, out)
        case "installing":
            _installed(station, update, comes, now, out)
        case "rebooting":
            station.keep("firmware_version", remote.version_of(update["url"]), out)
            update["step"] = "rebooted"
            station.keep("firmware", update, out)
            station.reboot("Reboot", now, out)
            station.reason = "FirmwareUpdate"
            out.append(Save("reason", station.reason))
        case _:
            pass


def _downloaded(station: Station, update: Update, comes: str, now: float, out: list[Effect]) -> None:
    """Retries stay in the state Downloading; DownloadFailed when all are used (L01.FR.30)."""
    if comes in ("unreachable", "denied", "unsupported", "bad message"):
        update["tries"] += 1
        if update["tries"] <= update["retries"]:
            _step(station, update, "downloading", update["wait_s"] + DOWNLOAD_S, now, out)
        else:
            _finish(station, update, "DownloadFailed", now, out)
        return
    _tell(station, update, "Downloaded", now)
    if update["signature"] is not None:
        _step(station, update, "verifying", VERIFY_S, now, out)
    else:
        _schedule(station, update, now, out)


def _verified(station: Station, update: Update, now: float, out: list[Effect]) -> None:
    if not remote.signed(update["signature"], update["url"]):
        _finish(station, update, "InvalidSignature", now, out)
        station.security_event("InvalidFirmwareSignature", "", now, out)  # L01.FR.03
        return
    _tell(station, update, "SignatureVerified", now)
    _schedule(station, update, now, out)


def _schedule(station: Station, update: Update, now: float, out: list[Effect]) -> None:
    """At the time asked for (L01.FR.16), else at once (L01.FR.05)."""
    wait = max(0.0, update["install"] - station.own(now)) if update["install"] is not None else 0.0
    if wait > 0:
        _tell(station, update, "InstallScheduled", now)
    _step(station, update, "scheduled", wait, now, out)


@watcher("firmware")
def _await_transactions(station: Station, now: float, out: list[Effect]) -> None:
    """Tell what could not be told; install once no transaction runs, and let none begin until then (L01.FR.06, FR.07)."""
    update = station.memory["firmware"]
    if update["untold"] and station.online and station.accepted:
        waiting, update["untold"] = update["untold"], []
        for status in waiting:
            _tell(station, update, status, now)
        station.keep("firmware", update, out)
    if update["step"] != "waiting":
        return
    if all(outlet.tx is None for outlet in station.outlets.values()):
        _tell(station, update, "Installing", now)
        _close(station, update, now, out)
        _step(station, update, "installing", INSTALL_S, now, out)
        return
    if update["told"] != "InstallScheduled":
        _tell(station, update, "InstallScheduled", now)  # L01.FR.34
    if station.keys.get(ALLOW) != "true":
        _close(station, update, now, out)


def _close(station: Station, update: Update, now: float, out: list[Effect]) -> None:
    for number, outlet in station.outlets.items():
        if outlet.tx is None and outlet.operative:
            outlet.operative, outlet.token = False, None
            update["closed"].append(number)
            station._show(outlet, now, out)


def _open_again(station: Station, now: float, out: list[Effect]) -> None:
    update = station.memory.get("firmware")
    for number in update["closed"] if update is not None else ():
        station.outlets[number].operative = True
        station._show(station.outlets[number], now, out)
    if update is not None:
        update["closed"] = []


def _installed(station: Station, update: Update, comes: str, now: float, out: list[Effect]) -> None:
    """L01.FR.29; else a restart makes the new firmware run (L01.FR.32)."""
    if comes in ("not verified", "not installed"):
        _finish(station, update, "InstallVerificationFailed" if comes == "not verified" else "InstallationFailed", now, out)
        return
    _tell(station, update, "InstallRebooting", now)
    _step(station, update, "rebooting", REBOOT_S, now, out)


@ready
def resume(station: Station, now: float, out: list[Effect]) -> None:
    """After a start: the new firmware says it is installed (L01.FR.28, FR.31); what was interrupted goes on."""
    update = station.memory.get("firmware")
    if update is None:
        return
    if update["step"] == "rebooted":
        _finish(station, update, "Installed", now, out)
        if update["tells"] == "SignedFirmwareStatusNotification" or station.spec.ocpp != "1.6":
            station.security_event("FirmwareUpdated", str(station.memory.get("firmware_version", "")), now, out)
    elif update["step"] != "over":
        update["closed"] = []
        station.timers[TIMER] = now + 1.0
    elif not update["untold"]:
        _tell(station, update, update["told"], now)


@heard("firmware")
def over_heard(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """The last status was answered or refused: the update is forgotten. With the link gone it is told again."""
    update = station.memory.get("firmware")
    if update is None or update["step"] != "over":
        return
    if payload is None and not station.online:
        update["untold"] = [update["told"]]
    station.keep("firmware", update if update["untold"] else None, out)


def _finish(station: Station, update: Update, status: str, now: float, out: list[Effect]) -> None:
    """The last status; the update is over, and kept only until the CSMS has heard this."""
    _open_again(station, now, out)
    station.timers.pop(TIMER, None)
    update["step"] = "over"
    _tell(station, update, status, now)
    station.keep("firmware_told", [update["tells"], update["told"], update["request"]], out)
    station.keep("firmware", update, out)


# --- what is told -----------------------------------------------------------------------------------------------


def _tell(station: Station, update: Update, status: str, now: float) -> None:
    """A status the version has; every one with the request's id (L01.FR.10)."""
    if status not in OF_16 and station.spec.ocpp == "1.6" and update["tells"] == "FirmwareStatusNotification":
        if status == "InstallVerificationFailed":
            status = "InstallationFailed"
        else:
            return
    update["told"] = status
    if not station.ask(update["tells"], _status(status, update["request"]), now, "firmware" if update["step"] == "over" else ""):
        update["untold"].append(status)


def _status(status: str, request: int | None) -> Payload:
    return {"status": status} | ({"requestId": request} if request is not None and status != "Idle" else {})


def triggered(station: Station) -> tuple[str, Payload]:
    """What TriggerMessage for FirmwareStatusNotification is answered with: action and payload (L01.FR.25, FR.26; 1.6 5.17)."""
    update = station.memory.get("firmware")
    tells, status, request = station.memory.get("firmware_told", ["FirmwareStatusNotification", "Idle", None])
    if update is not None and update["told"]:
        tells, status, request = update["tells"], update["told"], update["request"]
    return tells, _status("Idle" if status == "Installed" else status, request)


@when_triggered("FirmwareStatusNotification", "1.6", "2.0.1", "2.1")
def _tell_again(station: Station, now: float, out: list[Effect]) -> None:
    station.ask(*triggered(station), now)
