"""Certificate and network services of a station: install, list, delete, sign, renew (use cases A02, A03, B09, M03 to M06; WP "security
white paper for 1.6"). Certificates are hostile text until `certificates.read` has read them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from chargekit.emulator import certificates
from chargekit.emulator.certificates import Certificate, chain_fault, hash_data, issued, read, time_fault
from chargekit.emulator.securing import CSMS_ROOT, LONGEST_CHAIN, MOST_ROOTS, SLOTS, SOON_S
from chargekit.emulator.services import Payload, Refusal, heard, job, service
from chargekit.model.security import password_fault
from chargekit.wire.messages import Trigger
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

ALL: Final = ("1.6", "2.0.1", "2.1")
TWO: Final = ("2.0.1", "2.1")
OWN, V2G = "ChargingStationCertificate", "V2GCertificate"
KINDS: Final = {
    "SignChargePointCertificate": OWN, "SignChargingStationCertificate": OWN, "SignV2GCertificate": V2G, "SignCombinedCertificate": OWN,
}  # fmt: skip
"""What a trigger asks to be signed. A combined certificate is the station's own, used to both sides."""
RENEW: Final = timedelta(days=30)
"""A03.FR.02: one month before it expires."""
OCSP_S: Final = 7 * 86_400.0
"""M06.FR.10: at least once a week."""
_OLD_NAMES: Final = {"CentralSystemRootCertificate": CSMS_ROOT}
_NOT_FOUND: Final[Payload] = {"status": "NotFound"}


def _status(station: Station, status: str, why: str = "", info: str = "") -> Payload:
    """A status, with its reason where the version has a place for it."""
    if not why or station.spec.ocpp == "1.6":
        return {"status": status}
    more = {"additionalInfo": info[:512]} if info else {}
    return {"status": status, "statusInfo": {"reasonCode": why[:20], **more}}


# --- roots ------------------------------------------------------------------------------------------------------


@service("InstallCertificate", *ALL)
def install(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """M05: a root the station is to trust. Replaced when it is there already; only in its old one's line with the additional check."""
    kind = _OLD_NAMES.get(payload["certificateType"], payload["certificateType"])
    found = read(payload["certificate"])
    if len(found) != 1:
        return _status(station, "Rejected", "InvalidCertificate", "one certificate in PEM expected")
    one, at = found[0], station.calendar.utc(station.own(now))
    why = one.fault or time_fault(one, at) or ("" if one.ca else "not the certificate of a CA")
    if why:
        return _status(station, "Rejected", "InvalidCertificate", why)
    rows: list[dict[str, Any]] = station.memory.get("security/roots", [])
    others = [row for row in rows if not (row["type"] == kind and row["pem"] == one.pem)]
    if station.security()["root_check"] and kind == CSMS_ROOT and (before := station.roots()):
        if not any(issued(one, old) for old in before):
            return _status(station, "Rejected", "InvalidCertificate", "not signed by the present root")
        # M05.FR.12: the old one stays until the new one has worked.
        kept = [row | {"fallback": True} for row in others if row["type"] == CSMS_ROOT and not row.get("fallback")]
        others = [row for row in others if row["type"] != CSMS_ROOT] + kept
    elif len(others) >= MOST_ROOTS:
        return _status(station, "Rejected", "OutOfStorage")
    station.keep("security/roots", [*others, {"type": kind, "pem": one.pem}], out)
    station.security_event("ReconfigurationOfSecurityParameters", f"{kind} installed", now, out)
    return {"status": "Accepted"}


@service("GetInstalledCertificateIds", *ALL)
def list_installed(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """M03: the hash data of what is installed, by kind; V2G chains with their sub CAs under them (M03.FR.05)."""
    wanted = payload.get("certificateType")
    rows = station.memory.get("security/roots", [])
    store = station.roots("")
    if station.spec.ocpp == "1.6":
        kind = _OLD_NAMES.get(str(wanted), str(wanted))
        found = [hash_data(one, store) for row in rows if row["type"] == kind for one in read(row["pem"])[:1]]
        return {"status": "Accepted", "certificateHashData": found} if found else _NOT_FOUND
    chains: list[Payload] = [
        {"certificateType": row["type"], "certificateHashData": hash_data(one, store)}
        for row in rows
        if not wanted or row["type"] in wanted
        for one in read(row["pem"])[:1]
    ]
    chain = read(station.memory.get("security/v2g", {}).get("certificate", ""))
    if chain and (not wanted or "V2GCertificateChain" in wanted):
        known = [*chain, *store]
        entry: Payload = {"certificateType": "V2GCertificateChain", "certificateHashData": hash_data(chain[0], known)}
        if len(chain) > 1:
            entry["childCertificateHashData"] = [hash_data(one, known) for one in chain[1:5]]
        chains.append(entry)
    return {"status": "Accepted", "certificateHashDataChain": chains} if chains else _NOT_FOUND


@service("DeleteCertificate", *ALL)
def delete(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """M04: not the station's own certificate (M04.FR.06), and not the root the present connection hangs on (WP M04.FR.06)."""
    wanted = payload["certificateHashData"]
    rows: list[dict[str, Any]] = station.memory.get("security/roots", [])
    store = station.roots("")
    for name in ("security/identity", "security/v2g"):
        chain = read(station.memory.get(name, {}).get("certificate", ""))
        if chain and _same(wanted, chain[0], [*chain, *store]):
            if name == "security/identity":
                return _status(station, "Failed", "UnsupportedRequest", "the station's own certificate")
            station.keep(name, None, out)
            return {"status": "Accepted"}
    for row in rows:
        if not any(_same(wanted, one, store) for one in read(row["pem"])[:1]):
            continue
        last = [r["type"] for r in rows].count(CSMS_ROOT) == 1
        if row["type"] == CSMS_ROOT and last and station.security()["profile"] >= 2:
            return _status(station, "Failed", "UnsupportedRequest", "the last root of the CSMS")
        station.keep("security/roots", [other for other in rows if other is not row] or None, out)
        station.security_event("ReconfigurationOfSecurityParameters", f"{row['type']} deleted", now, out)
        return {"status": "Accepted"}
    return _NOT_FOUND


def _same(wanted: Payload, one: Certificate, store: list[Certificate]) -> bool:
    found = hash_data(one, store, wanted["hashAlgorithm"])
    return all(str(wanted[key]).lower().lstrip("0") == found[key].lstrip("0") for key in found if key != "hashAlgorithm")


# --- the station's own certificate ------------------------------------------------------------------------------


@service("ExtendedTriggerMessage", "1.6")
def extended_trigger(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """WP 5.5: the messages of TriggerMessage, and the request to have the certificate signed."""
    command = Trigger(payload["requestedMessage"], payload.get("connectorId"))
    if command.message in KINDS:
        sign(station, KINDS[command.message], now, out)
        return {"status": "Accepted"}
    answer = getattr(station.carry_out(command, {}, now, out), "status", "NotImplemented")
    if answer == "Accepted":
        station.timers["job/triggered"] = now + SOON_S
        station.triggered = command
    return {"status": answer}


@job("triggered")
def extended(station: Station, now: float, out: list[Effect]) -> None:
    command, station.triggered = station.triggered, None
    if command is not None:
        station._triggered(command, {}, now, out)


def sign(station: Station, kind: str, now: float, out: list[Effect]) -> None:
    """A02.FR.02, 03: a new key, and the request for its certificate. The key never leaves (A02.FR.05)."""
    held = station.security()
    key = certificates.new_key(station.rng)
    csr = certificates.signing_request(key, station.spec.id, held["organisation"])
    station.keep("security/signing", {"key": key, "csr": csr, "kind": kind, "tries": 0}, out)
    station.timers["job/sign"] = now + SOON_S


@job("sign")
def ask_to_sign(station: Station, now: float, out: list[Effect]) -> None:
    """Ask, and again with doubled waits while no certificate comes (A02.FR.17 to 19)."""
    pending = station.memory.get("security/signing")
    if pending is None:
        return
    body: Payload = {"csr": pending["csr"]}
    if station.spec.ocpp != "1.6":
        body["certificateType"] = pending["kind"]
    held = station.security()
    if not station.ask("SignCertificate", body, now, "sign"):
        station.timers["job/sign"] = now + held["sign_wait_s"]
        return
    if pending["tries"] < held["sign_times"]:
        station.timers["job/sign"] = now + held["sign_wait_s"] * 2.0 ** pending["tries"]
        station.keep("security/signing", pending | {"tries": pending["tries"] + 1}, out)


@heard("sign")
def sign_answered(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """A CSMS that does not want to is not asked again until it asks."""
    if payload is not None and payload.get("status") != "Accepted":
        station.timers.pop("job/sign", None)


@service("CertificateSigned", *ALL)
def signed(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """A02.FR.06 to 09: taken when it is for our key and leads to a root we trust; used as soon as it is valid."""
    pending = station.memory.get("security/signing")
    kind = payload.get("certificateType") or (pending or {}).get("kind", OWN)
    at = station.calendar.utc(station.own(now))
    text = payload["certificateChain"]
    chain = read(text) if len(text) <= LONGEST_CHAIN else ()
    if pending is None or kind != pending["kind"]:
        why = "nothing was asked to be signed"
    elif not chain:
        why = "no certificates in PEM"
    elif not certificates.belongs(chain[0], pending["key"]):
        why = "not for the key that was asked for"
    elif kind == OWN and chain[0].common_name != station.spec.id:
        why = f"its CN is {chain[0].common_name[:48]!r}"
    else:
        # The V2G hierarchy is another one (A02.FR.06 speaks of the operator's).
        why = chain_fault(chain, station.roots(CSMS_ROOT if kind == OWN else "V2GRootCertificate"), at)
    if why:
        # A02.FR.07, and A02.FR.20: it does not ask again by itself.
        station.timers.pop("job/sign", None)
        station.security_event("InvalidChargingStationCertificate", why, now, out)
        return _status(station, "Rejected", "InvalidCertificate", why)
    assert pending is not None
    new = {"certificate": "\n".join(one.pem for one in chain), "key": pending["key"]}
    station.timers.pop("job/sign", None)
    station.keep("security/signing", None, out)
    if kind == OWN:
        station.keep("security/next", new, out)
        station.timers["job/switch"] = now + SOON_S
    else:
        station.keep("security/v2g", new, out)
        station.timers["job/ocsp"] = now + SOON_S
    return {"status": "Accepted"}


@job("switch")
def switch(station: Station, now: float, out: list[Effect]) -> None:
    """A02.FR.08: the new certificate is valid now, so it is used; the old one is kept until it has worked."""
    new = station.memory.get("security/next")
    chain = read(new["certificate"]) if new is not None else ()
    if new is None or not chain:
        return
    begins = station.calendar.now_of(chain[0].not_before) - station.offset
    if begins > now:
        station.timers["job/switch"] = begins
        return
    if station.security()["profile"] == 3:
        station.on_trial(out)
        station.redial(now)
    station.keep("security/identity", new, out)
    station.keep("security/next", None, out)
    station.security_event("ReconfigurationOfSecurityParameters", "new certificate of the station", now, out)
    station.timers["job/renew"] = now + SOON_S


@job("renew")
def renew(station: Station, now: float, out: list[Effect]) -> None:
    """A03.FR.02: ask for a new certificate a month before the present one expires."""
    own = station.own_certificate() if station.security()["profile"] == 3 else None
    if own is None or "security/signing" in station.memory or "security/next" in station.memory:
        return
    begins = station.calendar.now_of(own.not_after - RENEW) - station.offset
    if begins > now:
        station.timers["job/renew"] = begins
    else:
        sign(station, OWN, now, out)


# --- V2G --------------------------------------------------------------------------------------------------------


@job("ocsp")
def ask_status(station: Station, now: float, out: list[Effect]) -> None:
    """M06: ask the CSMS for the status of the V2G certificate where that says who tells it; again within the week."""
    if station.spec.ocpp == "1.6":
        return
    chain = read(station.memory.get("security/v2g", {}).get("certificate", ""))
    if not chain or not chain[0].ocsp:
        return
    data = hash_data(chain[0], [*chain, *station.roots("")])
    asked = station.ask("GetCertificateStatus", {"ocspRequestData": data | {"responderURL": chain[0].ocsp}}, now, "ocsp")
    station.timers["job/ocsp"] = now + (OCSP_S if asked else 60.0)


@heard("ocsp")
def status_told(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """M06.FR.06: keep the answer for vehicles that ask."""
    if payload is not None and payload.get("status") == "Accepted":
        station.keep("security/ocsp", str(payload.get("ocspResult", ""))[:5500], out)


def ask_ev_certificate(station: Station, action: str, exi: str, schema: str, now: float) -> bool:
    """M01, M02: a vehicle's certificate request, passed on as it is. False: no link, or 1.6, which has no such message."""
    if station.spec.ocpp == "1.6":
        return False
    body = {"iso15118SchemaVersion": schema[:50], "action": "Update" if action == "Update" else "Install", "exiRequest": exi[:5600]}
    return station.ask("Get15118EVCertificate", body, now, "ev_certificate")


@heard("ev_certificate")
def ev_certificate_told(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """What the vehicle is given: the CSMS's answer, or that there was none."""
    status, response = (payload or {}).get("status", "Failed"), (payload or {}).get("exiResponse", "")
    station.keep("ev_certificate", {"status": str(status), "exiResponse": str(response)}, out)


# --- networks ---------------------------------------------------------------------------------------------------


@service("SetNetworkProfile", *TWO)
def set_network_profile(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """B09: kept for the next reboot. Refused: another slot (FR.05), a lower profile (FR.04), what this station does not speak (FR.02)."""
    # JSON's 1.0 is a whole number too.
    slot = str(int(payload["configurationSlot"]))
    data = payload["connectionData"] | {"securityProfile": int(payload["connectionData"]["securityProfile"])}
    held = station.security()
    why = "" if slot in SLOTS else "InvalidConfSlot"
    if data["securityProfile"] < held["profile"] and not station.goes_down(data["securityProfile"]):
        why = why or "NoSecurityDowngrade"
    why = why or _network_fault(data, station.spec.ocpp)
    if why:
        return _status(station, "Rejected", why)
    taken = {k: data[k] for k in ("securityProfile", "ocppCsmsUrl", "messageTimeout", "basicAuthPassword") if k in data}
    station.keep("security", held | {"slots": held["slots"] | {slot: taken}}, out)
    return {"status": "Accepted"}


def _network_fault(data: Payload, version: str) -> str:
    """What is wrong with a network profile, as a reason code; "" if nothing is."""
    speaks = {"2.0.1": ("OCPP20", "OCPP201"), "2.1": ("OCPP21", "OCPP201")}[version]
    profile, url = data["securityProfile"], data["ocppCsmsUrl"]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "InvalidURL"
    if not host or parts.scheme != ("wss" if profile >= 2 else "ws") or not url.isascii() or not url.isprintable() or " " in url:
        return "InvalidURL"
    if profile not in (0, 1, 2, 3) or data["ocppTransport"] != "JSON" or data.get("ocppVersion", speaks[0]) not in speaks:
        return "InvalidNetworkConf"
    password = data.get("basicAuthPassword")
    if (password is not None and password_fault(password, version)) or data.get("identity"):
        # Its identity is its name in the site: it does not take another.
        return "InvalidNetworkConf"
    return ""
