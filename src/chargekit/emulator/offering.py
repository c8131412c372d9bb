"""From limit to pilot: what a station resolves, aims at and offers on each outlet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.outlet import Outlet
from chargekit.model.profile import Purpose
from chargekit.world.events import Effect, Load, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


class Offering:
    """The limits and offers of a Station; mixed into it."""

    def refresh(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Resolve the limit again and aim the pilot at it; outlets on one supply make room for each other."""
        before = outlet.mode
        self._resolve(outlet, now)
        if outlet.mode is not before and outlet.tx is not None:
            self.event(outlet, "OperationModeChanged", now, out)  # 2.1 K01.FR.110
        if (self.spec.model.supply_a is not None and not outlet.evse.dc) or (len(self.outlets) > 1 and self.store.wide):
            for other in self.outlets.values():
                if other is not outlet:
                    self._resolve(other, now)

    def _aged(self: Station, gone: bool, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The link came or went: profiles with a time for being offline count again, or stop counting (2.1 K01.FR.101, K01.FR.102)."""
        if gone:
            out.append(Save("profiles", self.store.to_json()))
        if any(one.profile.max_offline_s is not None for one in self.store.installed) or gone:
            for outlet in self.outlets.values():
                self.refresh(outlet, now, out)

    def _resolve(self: Station, outlet: Outlet, now: float) -> None:  # type: ignore[misc]
        number = outlet.evse.id
        self.timers.pop(f"limit/{number}", None)
        if outlet.tx is None:
            return
        force = self.limit_in_force(outlet, now)
        if force.until != float("inf"):
            self.timers[f"limit/{number}"] = max(force.until - self.offset, now + 0.001)
        outlet.external = any(profile.purpose is Purpose.EXTERNAL for profile in (*force.leading, *outlet.led_by))
        outlet.led_by = force.leading
        outlet.mode = force.mode
        outlet.limit_a = min(force.flow_a, outlet.evse.max_a) if outlet.tx.delivers else 0.0
        if len(self.outlets) > 1 and self.store.wide:
            outlet.limit_a = min(outlet.limit_a, self.station_share_a(outlet, now))
        target = self.offered_a(outlet, min(outlet.limit_a, self.supply_a(outlet)), now)
        aimed = outlet.aim[1] if outlet.aim else outlet.offer_a
        before, outlet.wanted = outlet.wanted, self.phases_of(outlet, force)
        if target != aimed or outlet.wanted != before:
            outlet.aim = (now + self.latency_s(outlet) + self.room_s(outlet, target), target)
            self.timers[f"aim/{number}"] = outlet.aim[0]

    def _apply(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if outlet.aim is None or outlet.tx is None:
            return
        if self._switching(outlet, now, out):
            return
        was, before_a = outlet.status(), outlet.offer_a
        outlet.offer_a, outlet.aim = outlet.aim[1], None
        self._await_vehicle(outlet, now)
        self._contactor(outlet, now, out, force=True)
        self._show(outlet, now, out)
        self.rate_changed(outlet, was, before_a, now, out)

    def _switching(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> bool:  # type: ignore[misc]
        """Whether the offer has to wait for other phases: the pilot goes off and the contactor opens before anything is switched."""
        number = outlet.evse.id
        if f"switch/{number}" in self.timers:
            return True
        if outlet.wanted == outlet.wired:
            return False
        if not outlet.closed and outlet.offer_a <= 0.0:
            outlet.wired = outlet.wanted
            return False
        self._load(outlet, False, 0.0, out)
        self.timers[f"switch/{number}"] = now + self.switch_s(outlet)
        self._show(outlet, now, out)
        return True

    def _switched(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        outlet.wired = outlet.wanted
        self._apply(outlet, now, out)

    def _contactor(self: Station, outlet: Outlet, now: float, out: list[Effect], *, force: bool = False) -> None:  # type: ignore[misc]
        closed = self.may_close(outlet) and outlet.pilot.wants_energy
        if force or closed != outlet.closed:
            self._load(outlet, closed, outlet.offer_a, out)

    def _load(self: Station, outlet: Outlet, closed: bool, offer_a: float, out: list[Effect]) -> None:  # type: ignore[misc]
        outlet.closed, outlet.offer_a = closed, offer_a
        share = outlet.evse.max_kw
        watts = None if share is None else min(share * 1000.0, self.output_w(outlet, offer_a))
        out.append(Load(outlet.evse.id, closed, offer_a, watts, phases=outlet.wired[0], phase=outlet.wired[1]))
