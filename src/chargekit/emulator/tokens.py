"""Who may charge: a station's local authorisation list and its authorisation cache. Plain data, by token in upper case
(identifiers are case-insensitive in every version)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chargekit.model.calendar import Calendar

MOST_CACHED: Final = 100


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What is known of a token. `group`: parentIdTag or groupIdToken, in upper case. `until`: when it expires; `used`: when it was last
    seen; both on the station's own clock."""

    status: str
    group: str = ""
    until: float | None = None
    used: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.status == "Accepted"

    def at(self, own: float, lifetime_s: float = 0.0) -> TokenInfo:
        """As it stands at a time: past its expiry, or its life in the cache, it is Expired (C10.FR.10)."""
        until = self.until if self.until is not None else (self.used + lifetime_s if lifetime_s > 0 else None)
        return self if until is None or own < until else replace(self, status="Expired")


def name_of(token: str) -> str:
    return token.upper()


def read_info(payload: Mapping[str, Any], calendar: Calendar, own: float) -> TokenInfo | None:
    """The idTagInfo or idTokenInfo itself; None if it can't be read."""
    status = payload.get("status")
    if not isinstance(status, str):
        return None
    group = payload.get("parentIdTag")
    told = payload.get("groupIdToken")
    if isinstance(told, Mapping):
        group = told.get("idToken")
    when = payload.get("expiryDate", payload.get("cacheExpiryDateTime"))
    until = None
    if isinstance(when, str):
        try:
            until = calendar.parse(when)
        except (ValueError, OverflowError):
            until = None
    return TokenInfo(status, name_of(group) if isinstance(group, str) else "", until, own)


def found_info(answer: Mapping[str, Any], calendar: Calendar, own: float) -> TokenInfo | None:
    """The token part of an answer of either version; None if there is none."""
    inner = answer.get("idTagInfo", answer.get("idTokenInfo"))
    return read_info(inner, calendar, own) if isinstance(inner, Mapping) else None


class TokenBook:
    """List and cache. Changes are made here; the station saves what `cache_json` and `list_json` give."""

    def __init__(self, cache: Mapping[str, Any], listed: Mapping[str, Any]) -> None:
        self.cached = {token: TokenInfo(**info) for token, info in cache.items() if isinstance(info, Mapping)}
        self.version = int(listed.get("version", 0))
        self.listed = {token: TokenInfo(**info) for token, info in listed.get("tokens", {}).items()}

    def cache(self, token: str, info: TokenInfo) -> None:
        """Keep the latest that was told of a token; when full, what is not Accepted goes first, then the oldest (C10.FR.07)."""
        self.cached[name_of(token)] = info
        while len(self.cached) > MOST_CACHED:
            del self.cached[min(self.cached, key=lambda t: (self.cached[t].accepted, self.cached[t].used))]

    def cache_json(self) -> dict[str, Any]:
        return {token: asdict(info) for token, info in self.cached.items()}

    def list_json(self) -> dict[str, Any]:
        return {"version": self.version, "tokens": {token: asdict(info) for token, info in self.listed.items()}}
