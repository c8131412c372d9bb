"""Whether a token may charge: asked of the CSMS, or decided from the local list and the cache; and whose transaction it may stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chargekit.emulator.configuration import KEYS_OF_16
from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.tokens import TokenInfo, found_info, name_of
from chargekit.model.points import point
from chargekit.wire.messages import AuthorizeAsked
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


class Authorising:
    """The tokens of a Station; mixed into it."""

    # --- what is known ------------------------------------------------------------------------------------------

    @point("station.known_token")
    def known_token(self: Station, token: str, now: float) -> TokenInfo | None:  # type: ignore[misc]
        """What it knows of a token by itself: the local list goes before the cache (1.6 section 3.5.3; C13.FR.01, C14.FR.01)."""
        name, own = name_of(token), self.own(now)
        if self.keys["LocalAuthListEnabled"] == "true" and name in self.tokens.listed:
            return self.tokens.listed[name].at(own)
        if self.keys["AuthorizationCacheEnabled"] == "true" and name in self.tokens.cached:
            return self.tokens.cached[name].at(own, float(self.keys["AuthCacheLifeTime"]))
        return None

    @point("station.caches")
    def caches(self: Station, token: str, info: TokenInfo) -> bool:  # type: ignore[misc]
        """Whether what an answer said of a token is kept: always, whatever its status (C10.FR.01, FR.04, FR.05)."""
        return bool(self.keys["AuthorizationCacheEnabled"] == "true")

    @point("station.clears_cache")
    def clears_cache(self: Station) -> bool:  # type: ignore[misc]
        """Whether ClearCache empties the cache (C11.FR.01)."""
        return True

    @point("station.list_verdict")
    def list_verdict(self: Station, version: int, full: bool, entries: Sequence[tuple[str, TokenInfo | None]]) -> str:  # type: ignore[misc]
        """The status for an update of the local list (1.6 section 5.15; D01.FR.06, FR.11, FR.18, FR.19)."""
        tokens = [token for token, _ in entries]
        if version <= 0 or len(set(tokens)) != len(tokens) or len(tokens) > int(KEYS_OF_16["SendLocalListMaxLength"].default):
            return "Failed"
        if not full and version <= self.tokens.version:
            return "VersionMismatch"
        if full and any(info is None for _, info in entries):
            return "Failed"
        left = set() if full else set(self.tokens.listed)
        left = (left | {t for t, info in entries if info is not None}) - {t for t, info in entries if info is None}
        return "Accepted" if len(left) <= int(KEYS_OF_16["LocalAuthListMaxLength"].default) else "Failed"

    def learn_token(self: Station, token: str, payload: Mapping[str, Any], now: float, out: list[Effect]) -> TokenInfo | None:  # type: ignore[misc]
        """What an answer says of a token; kept in the cache."""
        info = found_info(payload, self.calendar, self.own(now))
        if info is not None and token and self.caches(token, info):
            self.tokens.cache(token, info)
            out.append(Save("cache", self.tokens.cache_json()))
        return info

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.preauthorises")
    def preauthorises(self: Station, token: str, known: TokenInfo | None) -> bool:  # type: ignore[misc]
        """Online: whether it starts without asking (LocalPreAuthorize; C12.FR.02, C14.FR.02). What is known and not Accepted is asked
        (C10.FR.03)."""
        return self.keys["LocalPreAuthorize"] == "true" and known is not None and known.accepted

    @point("station.authorises_offline")
    def authorises_offline(self: Station, token: str, known: TokenInfo | None) -> bool:  # type: ignore[misc]
        """Offline: tokens known as Accepted with LocalAuthorizeOffline; tokens not known at all with AllowOfflineTxForUnknownId
        (1.6 sections 3.5, 3.5.4; C13.FR.02, FR.04, C15.FR.08)."""
        if not self.accepted and self.keys["TxBeforeAcceptedEnabled"] != "true":
            return False
        if known is None:
            return self.keys["AllowOfflineTxForUnknownId"] == "true"
        return known.accepted and bool(self.keys["LocalAuthorizeOffline"] == "true")

    @point("station.may_stop")
    def may_stop(self: Station, tx: Transaction, token: str, info: TokenInfo | None) -> bool:  # type: ignore[misc]
        """Whether this token ends that transaction: its own, or an accepted one of its group (1.6 section 3.10; C09.FR.03, FR.11)."""
        if name_of(token) == name_of(tx.token):
            return True
        return info is not None and info.accepted and bool(tx.group) and info.group == tx.group

    @point("station.is_master_pass")
    def is_master_pass(self: Station, info: TokenInfo | None) -> bool:  # type: ignore[misc]
        """A token that stops everything and starts nothing (C16)."""
        master = name_of(self.keys["MasterPassGroupId"])
        return bool(master) and info is not None and info.accepted and info.group == master

    # --- presenting ---------------------------------------------------------------------------------------------

    def _presented(self: Station, outlet: Outlet, token: str, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        known = self.known_token(token, now)
        if self.is_master_pass(known):
            self._stop_all(token, now, out)
            return
        tx = outlet.tx
        running = tx is not None and tx.authorised
        if running and tx is not None and self.may_stop(tx, token, known):
            self.stop(outlet, "Local", "StopAuthorized", now, out, token)
            return
        online = self.online and self.accepted
        if online and (running or not self.preauthorises(token, known)):
            self.call(AuthorizeAsked(token), now, ("auth", outlet.evse.id, token, tx.ref if tx is not None and running else ""))
            return
        if running:
            return
        good = known is not None and known.accepted if online else self.authorises_offline(token, known)
        if self.may_start(token, good):
            self.admit(outlet, token, now, out, group=known.group if known is not None else "")

    def _authorised(self: Station, context: tuple[Any, ...], payload: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The answer to an Authorize: start, or stop what runs there since before it was asked."""
        _, number, token, ref, *more = context
        outlet = self.outlets[number]
        info = self.learn_token(token, payload, now, out)
        if self.is_master_pass(info):
            self._stop_all(token, now, out)
            return
        if ref:
            if outlet.tx is not None and outlet.tx.ref == ref and self.may_stop(outlet.tx, token, info):
                self.stop(outlet, "Local", "StopAuthorized", now, out, token)
            return
        if self.may_start(token, info is not None and info.accepted):
            self.admit(outlet, token, now, out, more[0] if more else None, group=info.group if info is not None else "")

    def _unasked(self: Station, context: tuple[Any, ...], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Nobody answered an Authorize: decide as when offline."""
        _, number, token, ref, *more = context
        known = self.known_token(token, now)
        if not ref and not self.closing and self.may_start(token, self.authorises_offline(token, known)):
            self.admit(self.outlets[number], token, now, out, more[0] if more else None, group=known.group if known is not None else "")

    def _stop_all(self: Station, token: str, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """A station without a screen ends every transaction (C16.FR.02)."""
        for outlet in self.outlets.values():
            if outlet.tx is not None:
                self.stop(outlet, "MasterPass", "StopAuthorized", now, out, token)

    # --- a token that turns out invalid -------------------------------------------------------------------------

    @point("station.after_invalid")
    def after_invalid(self: Station, outlet: Outlet) -> str:  # type: ignore[misc]
        """What follows when the CSMS does not accept the token of a running transaction: `stop`, `suspend`, or `cap`, which lets energy
        flow up to MaxEnergyOnInvalidId; any other word: nothing (1.6 section 3.5.4; C15.FR.03 to FR.07, E05.FR.02 to FR.10)."""
        if self.keys["StopTransactionOnInvalidId"] == "true":
            return "stop"
        return "cap" if int(self.keys["MaxEnergyOnInvalidId"]) > 0 else "suspend"

    def invalidated(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        tx = outlet.tx
        if tx is None or not tx.authorised:
            return
        match self.after_invalid(outlet):
            case "stop":
                self.stop(outlet, "DeAuthorized", "Deauthorized", now, out)
            case "cap":
                tx.cap_wh = float(self.keys["MaxEnergyOnInvalidId"])
                out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))
                self._capped(outlet, now, out)
            case "suspend":
                self._suspend(outlet, now, out)

    def _capped(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Look whether the energy allowed has flowed; else look again when it may have."""
        tx = outlet.tx
        if tx is None or tx.cap_wh is None or tx.held:
            return
        sample = self.taps[outlet.evse.id].read(now)
        left = tx.cap_wh - (sample.energy_wh - tx.begin_wh)
        if left <= 0.5:
            self._suspend(outlet, now, out)
            return
        power = max(sample.power_w, outlet.evse.max_a * 3 * self.spec.model.voltage_v * 0.1)
        self.timers[f"cap/{outlet.evse.id}"] = now + min(30.0, max(0.5, left * 3600.0 / power))

    def _suspend(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """No more energy, and the transaction goes on (C15.FR.06)."""
        tx = outlet.tx
        assert tx is not None
        tx.held = True
        out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))
        self.refresh(outlet, now, out)
