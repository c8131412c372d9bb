"""Local authorisation list and authorisation cache, as the CSMS manages them (1.6 sections 3.5, 5.4, 5.10, 5.15; D01, D02, C11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chargekit.emulator.services import Payload, Refusal, service
from chargekit.emulator.tokens import TokenInfo, name_of, read_info
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

Entry = tuple[str, TokenInfo | None]


@service("SendLocalList", "1.6", "2.0.1", "2.1")
def send_local_list(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    if station.keys["LocalAuthListEnabled"] != "true":
        return {"status": "NotSupported" if station.generation.assigned else "Failed"}
    version = int(payload["listVersion"] if station.generation.assigned else payload["versionNumber"])
    full = payload["updateType"] == "Full"
    entries = [_entry(station, row, now) for row in payload.get("localAuthorizationList") or ()]
    status = station.list_verdict(version, full, entries)
    if status != "Accepted":
        return {"status": status}
    book = station.tokens
    if full:
        book.listed.clear()
    for token, info in entries:
        if info is None:
            book.listed.pop(token, None)
        else:
            book.listed[token] = info
    book.version = version
    station.keep("list", book.list_json(), out)
    return {"status": "Accepted"}


def _entry(station: Station, row: Mapping[str, Any], now: float) -> Entry:
    token = row.get("idTag")
    if token is None:
        token = row["idToken"]["idToken"]
    info = row.get("idTagInfo", row.get("idTokenInfo"))
    return name_of(str(token)), None if info is None else read_info(info, station.calendar, station.own(now))


@service("GetLocalListVersion", "1.6", "2.0.1", "2.1")
def get_local_list_version(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """1.6 says -1 for a list that is not supported and 0 for an empty one (5.10); 2.x says 0 for none (D02.FR.02, FR.03)."""
    name = "listVersion" if station.generation.assigned else "versionNumber"
    if station.keys["LocalAuthListEnabled"] != "true":
        return {name: -1 if station.generation.assigned else 0}
    if station.generation.assigned and not station.tokens.listed:
        return {name: 0}
    return {name: station.tokens.version}


@service("ClearCache", "1.6", "2.0.1", "2.1")
def clear_cache(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Rejected where there is no cache (C11.FR.04; 1.6 section 5.4)."""
    if station.keys["AuthorizationCacheEnabled"] != "true":
        return {"status": "Rejected"}
    if station.clears_cache():
        station.tokens.cached.clear()
        out.append(Save("cache", None))
    return {"status": "Accepted"}
