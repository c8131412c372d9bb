"""Flaws of real stations in who may charge: cache and local list, offline starts and stops, tokens that turn out invalid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.emulator.queue import Queued
from chargekit.emulator.station import Station
from chargekit.emulator.tokens import TokenInfo, name_of
from chargekit.model.points import Defect
from chargekit.wire.messages import Metered

_Base = Station


class AsksAnyway(Defect, _Base):
    name = "asks-about-known-tokens"
    seen = "waits for the CSMS also for tokens it knows, with local pre-authorisation on"
    area, point = "authorise", "station.preauthorises"

    def preauthorises(self, token: str, known: TokenInfo | None) -> bool:
        super().preauthorises(token, known)
        return False


class IgnoresList(Defect, _Base):
    name = "ignores-local-list"
    seen = "accepts a local list and never looks at it"
    area, point = "authorise", "station.known_token"

    def known_token(self, token: str, now: float) -> TokenInfo | None:
        kept, self.tokens.listed = self.tokens.listed, {}
        try:
            return super().known_token(token, now)
        finally:
            self.tokens.listed = kept


class CacheFirst(Defect, _Base):
    name = "cache-outranks-local-list"
    seen = "looks into its cache before its local list: a blocked card goes on charging"
    area, point = "authorise", "station.known_token"

    def known_token(self, token: str, now: float) -> TokenInfo | None:
        kept = self.tokens.listed
        if name_of(token) in self.tokens.cached:
            self.tokens.listed = {}
        try:
            return super().known_token(token, now)
        finally:
            self.tokens.listed = kept


class NeverExpires(Defect, _Base):
    name = "cached-tokens-never-expire"
    seen = "keeps the expiry of a cached token and does not look at it"
    area, point = "authorise", "station.known_token"

    def known_token(self, token: str, now: float) -> TokenInfo | None:
        good = super().known_token(token, now)
        return good if name_of(token) in self.tokens.listed else self.tokens.cached.get(name_of(token), good)


class UnplugStopsNothing(Defect, _Base):
    name = "unplug-stops-nothing"
    seen = "keeps an authorisation when the cable is pulled: the next vehicle charges on it"
    area, point = "authorise", "station.stops_on_unplug"

    def stops_on_unplug(self) -> bool:
        super().stops_on_unplug()
        return False


class CachesNothing(Defect, _Base):
    name = "caches-nothing"
    seen = "says it has a cache and keeps no token in it"
    area, point = "authorise", "station.caches"

    def caches(self, token: str, info: TokenInfo) -> bool:
        super().caches(token, info)
        return False


class ClearsInWordOnly(Defect, _Base):
    name = "clears-cache-in-word-only"
    seen = "answers Accepted to ClearCache and goes on knowing everybody"
    area, point = "authorise", "station.clears_cache"

    def clears_cache(self) -> bool:
        super().clears_cache()
        return False


class TakesOldList(Defect, _Base):
    name = "takes-older-local-list"
    seen = "carries out a change of its local list that is older than the list"
    area, point = "authorise", "station.list_verdict"

    def list_verdict(self, version: int, full: bool, entries: Sequence[tuple[str, TokenInfo | None]]) -> str:
        good = super().list_verdict(version, full, entries)
        return "Accepted" if good == "VersionMismatch" else good


class RefusesOffline(Defect, _Base):
    name = "refuses-everybody-offline"
    seen = "starts nothing while its link is down, whatever its list and cache say"
    area, point = "authorise", "station.authorises_offline"

    def authorises_offline(self, token: str, known: TokenInfo | None) -> bool:
        super().authorises_offline(token, known)
        return False


class StartsAnybodyOffline(Defect, _Base):
    name = "starts-anybody-offline"
    seen = "gives energy to every card while its link is down"
    area, point = "authorise", "station.authorises_offline"

    def authorises_offline(self, token: str, known: TokenInfo | None) -> bool:
        super().authorises_offline(token, known)
        return True


class RefusesStrangers(Defect, _Base):
    name = "refuses-unknown-tokens-offline"
    seen = "takes the setting that allows unknown tokens offline and does not mind it"
    area, point = "authorise", "station.authorises_offline"

    def authorises_offline(self, token: str, known: TokenInfo | None) -> bool:
        return super().authorises_offline(token, known) and known is not None


class AnyCardStops(Defect, _Base):
    name = "any-card-stops"
    seen = "ends a transaction for whoever shows a card"
    area, point = "authorise", "station.may_stop"

    def may_stop(self, tx: Transaction, token: str, info: TokenInfo | None) -> bool:
        super().may_stop(tx, token, info)
        return True


class KnowsNoGroups(Defect, _Base):
    name = "knows-no-groups"
    seen = "lets only the very card that started end a transaction, not another one of its group"
    area, point = "authorise", "station.may_stop"

    def may_stop(self, tx: Transaction, token: str, info: TokenInfo | None) -> bool:
        return super().may_stop(tx, token, info) and name_of(token) == name_of(tx.token)


class NoStopOffline(Defect, _Base):
    name = "no-stop-offline"
    seen = "does not end a transaction by its card while the link is down"
    area, point = "authorise", "station.may_stop"

    def may_stop(self, tx: Transaction, token: str, info: TokenInfo | None) -> bool:
        return super().may_stop(tx, token, info) and self.online


class IgnoresInvalid(Defect, _Base):
    name = "ignores-invalid-answer"
    seen = "goes on charging when the CSMS does not accept the token of a transaction"
    area, point = "authorise", "station.after_invalid"

    def after_invalid(self, outlet: Outlet) -> str:
        super().after_invalid(outlet)
        return ""


class StopsInstead(Defect, _Base):
    name = "stops-instead-of-suspending"
    seen = "ends a transaction whose token is not accepted although it is only to stop the energy"
    area, point = "authorise", "station.after_invalid"

    def after_invalid(self, outlet: Outlet) -> str:
        super().after_invalid(outlet)
        return "stop"


class SuspendsInstead(Defect, _Base):
    name = "suspends-instead-of-stopping"
    seen = "keeps a transaction whose token is not accepted open although it is to end"
    area, point = "authorise", "station.after_invalid"

    def after_invalid(self, outlet: Outlet) -> str:
        good = super().after_invalid(outlet)
        return "suspend" if good == "stop" else good


class NoMinimum(Defect, _Base):
    name = "no-energy-for-invalid-tokens"
    seen = "takes the setting of a maximum energy for invalid tokens and gives them none"
    area, point = "authorise", "station.after_invalid"

    def after_invalid(self, outlet: Outlet) -> str:
        good = super().after_invalid(outlet)
        return "suspend" if good == "cap" else good


class NeverOffline(Defect, _Base):
    name = "never-marks-offline"
    seen = "replays what happened offline without saying that it was offline"
    area, point = "transaction", "station.marks_offline"

    def marks_offline(self, fact: Queued) -> bool:
        super().marks_offline(fact)
        return False


class StampsWhenSent(Defect, _Base):
    name = "stamps-when-sent"
    seen = "gives what it kept while offline the time at which it is sent"
    area, point = "transaction", "station.as_sent"

    def as_sent(self, fact: Queued, now: float) -> Queued:
        good, own = super().as_sent(fact, now), self.own(now)
        if isinstance(good, Metered):
            return replace(good, samples=tuple(replace(one, t=own) for one in good.samples))
        return replace(good, at=own)


TOKEN_DEFECTS: tuple[type[Defect], ...] = (
    AsksAnyway, IgnoresList, CacheFirst, NeverExpires, CachesNothing, ClearsInWordOnly, TakesOldList, RefusesOffline,
    StartsAnybodyOffline, RefusesStrangers, AnyCardStops, KnowsNoGroups, NoStopOffline, UnplugStopsNothing, IgnoresInvalid,
    StopsInstead, SuspendsInstead, NoMinimum, NeverOffline, StampsWhenSent,
)  # fmt: skip
