"""Limits from outside OCPP: an energy manager, a grid operator, a relay contact (K11 to K13, K29); and what is generated there (K27).

A limit is of one EVSE, or (EVSE 0) of the whole station. Each source may set one of each; the lowest counts. What is generated on the spot
comes on top, of all sources together; only 2.1 knows of it. Both are kept over a power cut: 2.1 says so in
SmartChargingCtrlr.ChargingProfilePersistence, 2.0.1 and 1.6 leave it open. 1.6 has no message for a limit; it binds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services import Payload
from chargekit.model.points import point
from chargekit.model.profile import ABSENT, ChargingProfile, Kind, Mode, Period, Purpose, V2x
from chargekit.wire.messages import Status
from chargekit.wire.profiles import write_profile
from chargekit.wire.v2 import DIFFERENCES
from chargekit.world.events import Effect, Hand, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

KEPT: Final = "external"
MORE: Final = "more"
"""Marks what is generated on the spot in the names of `memory["external"]`."""
SOURCES: Final = ("EMS", "SO", "CSO", "Other")
"""chargingLimitSource of 2.0.1."""
DISALLOWED: Final = "SmartChargingCtrlr.ExternalConstraintsProfileDisallowed"
WITH_SCHEDULES: Final = "SmartChargingCtrlr.NotifyChargingLimitWithSchedules"
SIGNIFICANCE: Final = "SmartChargingCtrlr.LimitChangeSignificance"


class External:
    """The external limits of a Station; mixed into it. `memory["external"]`: by `<evse>/<source>/`, what is set and what was told last, A;
    None for neither."""

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.external_limits")
    def external_limits(self: Station, evse: int) -> list[tuple[float, str]]:  # type: ignore[misc]
        """(A, source) of the limits on an EVSE, 0 the whole station; the lowest first (K11.FR.01, K12.FR.01, K13.FR.01)."""
        return self._held(evse, "")

    @point("station.significant")
    def significant(self: Station, before_a: float, after_a: float) -> bool:  # type: ignore[misc]
        """Whether a change is worth telling: by more than LimitChangeSignificance percent (K11.FR.02, FR.04)."""
        percent = float(self.keys[SIGNIFICANCE])
        return abs(after_a - before_a) > before_a * percent / 100.0 + 1e-9

    @point("station.tell_limit")
    def tell_limit(self: Station, evse: int, source: str, more: str, limit_a: float | None, now: float) -> bool:  # type: ignore[misc]
        """NotifyChargingLimit (K11.FR.02, FR.03, FR.05; K12.FR.02 to FR.04; K27.FR.03 to FR.05) or ClearedChargingLimit (K13.FR.02);
        False: not sent."""
        where = {"evseId": evse} if evse else {}
        said = "Other" if source == "CSO" or (more and source == "SO") else source
        if limit_a is None:
            return self.ask("ClearedChargingLimit", {"chargingLimitSource": said, **where}, now)
        local = {"isLocalGeneration": True} if more else {}
        payload: Payload = {"chargingLimit": {"chargingLimitSource": said, **local}, **where}
        if self.keys[WITH_SCHEDULES] == "true":
            profile = self.external_profile(evse, limit_a, now, more)
            payload["chargingSchedule"] = write_profile(profile, self.calendar, DIFFERENCES[self.spec.ocpp].profile)["chargingSchedule"]
        return self.ask("NotifyChargingLimit", payload, now)

    # --- what happens -------------------------------------------------------------------------------------------

    def limited(self: Station, hand: Hand, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Somebody outside set a limit, or released it."""
        evse, limit_a, source = int(hand.args.get("evse", 0)), hand.args["limit_a"], str(hand.args.get("source", "EMS"))
        more = MORE if hand.args.get("generated") else ""
        if more and Purpose.GENERATION not in self.store.rules.purposes:
            return
        disallowed = self.keys[DISALLOWED] == "true" and not self._awaits_external()
        if (evse and evse not in self.outlets) or (disallowed and limit_a is not None and not more):
            return  # K11.FR.07
        held: dict[str, list[Any]] = dict(self.memory.get(KEPT, {}))
        key = f"{evse}/{source}/{more}"
        was = held.get(key)
        if limit_a is None and (was is None or was[0] is None):
            return
        held[key] = [None if limit_a is None else float(limit_a), was[1] if was is not None else None]
        self.keep(KEPT, held, out)
        before = {n: self._rate_a(o) for n, o in self.outlets.items()}
        self.apply_external(now, out)
        for outlet in self.outlets.values():
            self.refresh(outlet, now, out)
        self.tell_external(now, out)
        for number, outlet in self.outlets.items():
            changed = outlet.tx is not None and outlet.tx.delivers and self.significant(before[number], self._rate_a(outlet))
            if changed and outlet.status() is not Status.CHARGING:
                # One that charges tells it once its pilot has changed.
                self.event(outlet, "ChargingRateChanged", now, out)  # K11.FR.04, K13.FR.03

    def apply_external(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Make what is set the limits that hold: a profile for each EVSE (K12.FR.05), or the value of a dynamic one that awaits it
        (K29.FR.03 to FR.06)."""
        awaits = self._awaits_external()
        own = self.own(now)
        for evse in (0, *self.outlets):
            limits = self.external_limits(evse)
            ident = -1 - evse
            if not limits or awaits:
                self.store.remove(ident)
                continue
            limit_a, source = limits[0]
            self.store.set(evse, self.external_profile(evse, limit_a, now), own, source=source)
        for evse in (0, *self.outlets):
            self.store.remove(-1001 - evse)
            if extra := self._held(evse, MORE):
                profile = self.external_profile(evse, sum(a for a, _ in extra), now, MORE)
                self.store.set(evse, profile, own, source=extra[0][1])  # K27.FR.01
        for id in awaits:
            self._hand_on(id, own)
        out.append(Save("profiles", self.store.to_json()))

    def external_profile(self: Station, evse: int, limit_a: float, now: float, more: str = "") -> ChargingProfile:  # type: ignore[misc]
        """The limit as a profile. Dynamic where the version has that (K29.FR.04), else Relative: neither waits for a clock."""
        if "dynamic" in self.store.rules.features:
            period = Period(0.0, limit_a, v2x=V2x(Mode.EXTERNAL_LIMITS))
            ident, purpose = (-1001 - evse, Purpose.GENERATION) if more else (-1 - evse, Purpose.EXTERNAL)
            return ChargingProfile(ident, purpose, (period,), kind=Kind.DYNAMIC, dyn_updated=self.own(now))
        return ChargingProfile(-1 - evse, Purpose.EXTERNAL, (Period(0.0, limit_a),), kind=Kind.RELATIVE)

    def tell_external(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Tell the CSMS what it does not know yet; what was set without a link is told when there is one."""
        if self.generation.assigned or KEPT not in self.memory:
            return
        held: dict[str, list[Any]] = {}
        for key, (limit_a, told_a) in self.memory[KEPT].items():
            number, source, more = key.split("/")
            evse = int(number)
            if limit_a is None:
                told = told_a is None or self.tell_limit(evse, source, more, None, now)
                if not told:
                    held[key] = [None, told_a]
                continue
            known_a = told_a if told_a is not None else 0.0 if more else self._most_a(evse)
            news = self.significant(known_a, limit_a)
            held[key] = [limit_a, limit_a if news and self.tell_limit(evse, source, more, limit_a, now) else told_a]
        if held != self.memory[KEPT]:
            self.keep(KEPT, held or None, out)

    def _held(self: Station, evse: int, more: str) -> list[tuple[float, str]]:  # type: ignore[misc]
        """(A, source) of what is set on an EVSE, the lowest first."""
        found = []
        for key, (limit_a, _) in self.memory.get(KEPT, {}).items():
            number, source, marked = key.split("/")
            if int(number) == evse and marked == more and limit_a is not None:
                found.append((float(limit_a), source))
        return sorted(found)

    # --- figures ------------------------------------------------------------------------------------------------

    def _most_a(self: Station, evse: int) -> float:  # type: ignore[misc]
        return self.outlets[evse].evse.max_a if evse else self.spec.max_a

    @staticmethod
    def _rate_a(outlet: Outlet) -> float:
        """What the outlet offers, or is about to."""
        return outlet.aim[1] if outlet.aim is not None else outlet.offer_a

    def _awaits_external(self: Station) -> list[int]:  # type: ignore[misc]
        """Dynamic profiles of the CSMS that leave their limit to the external system (K29.FR.03)."""
        wanted = (Purpose.TX, Purpose.TX_DEFAULT)
        return [
            one.profile.id for one in self.store.installed
            if one.profile.purpose in wanted and one.profile.kind is Kind.DYNAMIC
            and one.profile.periods[0].mode is Mode.EXTERNAL_LIMITS
        ]  # fmt: skip

    def _hand_on(self: Station, id: int, own: float) -> None:  # type: ignore[misc]
        """The value from outside as that of a dynamic profile."""
        (one,) = self.store.find([id])
        places = {0, one.evse} if one.evse else {0}
        limit_a = min((a for evse in places for a, _ in self.external_limits(evse)), default=math.inf)
        factor = 1.0 if one.profile.unit == "A" else self.store.nominal_v * (one.profile.periods[0].number_phases or 3)
        self.store.update(id, {"limit": limit_a * factor if limit_a < math.inf else ABSENT}, own)
