"""Limits of a transaction that the CSMS sets in 2.1: energy, time, state of charge and cost (E16); and a rate that changed (K11, K13)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.outlet import Outlet, Transaction
from chargekit.model.points import point
from chargekit.wire.messages import Status
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

LOOK_S: Final = 30.0
"""The longest between two looks at energy, state of charge and cost."""
REACHED: Final = {
    "maxEnergy": ("EnergyLimitReached", "EnergyLimitReached"), "maxTime": ("TimeLimitReached", "TimeLimitReached"),
    "maxSoC": ("SoCLimitReached", "SOCLimitReached"), "maxCost": ("CostLimitReached", "LocalOutOfCredit"),
}  # fmt: skip
"""A limit: its trigger reason, and the reason why a transaction ends (TriggerReasonEnumType, ReasonEnumType)."""


class Limiting:
    """Mixed into Station."""

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.limit_reached")
    def limit_reached(self: Station, outlet: Outlet, tx: Transaction, now: float) -> str:  # type: ignore[misc]
        """Which limit of a transaction is reached; empty: none. Time counts from its start (E16.FR.09)."""
        shown = self._toward(outlet, tx, now)
        return next((name for name, most in tx.limits.items() if shown[name] >= most), "")

    @point("station.tells_rate")
    def tells_rate(self: Station, outlet: Outlet, before_a: float, after_a: float) -> bool:  # type: ignore[misc]
        """Whether a changed offer is told as ChargingRateChanged: beyond LimitChangeSignificance, in 2.1 only where somebody beside the
        CSMS limits (K11.FR.04, K13.FR.03; TriggerReasonEnumType of each version)."""
        if not self.generation.charging_state or before_a <= 0.0:
            return False
        return self.significant(before_a, after_a) and (self.spec.ocpp == "2.0.1" or outlet.external)

    # --- what is set --------------------------------------------------------------------------------------------

    def supported_limits(self: Station, outlet: Outlet) -> tuple[str, ...]:  # type: ignore[misc]
        """State of charge is only known of vehicles on DC."""
        return tuple(name for name in REACHED if name != "maxSoC" or outlet.evse.dc)

    def take_limits(self: Station, outlet: Outlet, answer: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Limits in the answer to a TransactionEvent: kept, confirmed once, in force at once (E16.FR.03, FR.10, FR.13, FR.14)."""
        tx, told = outlet.tx, answer.get("transactionLimit")
        if tx is None or self.spec.ocpp == "2.0.1" or not isinstance(told, Mapping):
            return
        known = self.supported_limits(outlet)
        new = {name: float(told[name]) for name in known if isinstance(told.get(name), int | float) and math.isfinite(told[name])}
        if not new:
            return
        tx.limits = {**tx.limits, **new}
        self.event(outlet, "LimitSet", now, out, {"transactionInfo": {"transactionLimit": {k: told[k] for k in new}}})
        if tx.reached and not self.limit_reached(outlet, tx, now):
            tx.reached = ""
            self.refresh(outlet, now, out)
        out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))
        self.look_at_limits(outlet, now, out)

    # --- when they are reached ----------------------------------------------------------------------------------

    def _toward(self: Station, outlet: Outlet, tx: Transaction, now: float) -> dict[str, float]:  # type: ignore[misc]
        """How far it is: Wh, s, percent, money."""
        sample = self.taps[outlet.evse.id].read(now)
        cost = self.memory.get("costs", {}).get(tx.id or tx.ref)
        return {
            "maxEnergy": sample.energy_wh - tx.begin_wh,
            "maxTime": self.own(now) - tx.started,
            "maxSoC": -math.inf if sample.soc_percent is None else sample.soc_percent,
            "maxCost": max((c for c in (cost, tx.cost) if c is not None), default=-math.inf),
        }

    def look_at_limits(self: Station, outlet: Outlet, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Act on a limit that is reached (E16.FR.05, FR.06); else look again when one may be."""
        tx = outlet.tx
        self.timers.pop(f"most/{outlet.evse.id}", None)
        if tx is None or not tx.limits or tx.reached:
            return
        reached = self.limit_reached(outlet, tx, now)
        if not reached:
            self.timers[f"most/{outlet.evse.id}"] = now + self._next_look_s(outlet, tx, now)
            return
        trigger, reason = REACHED[reached]
        if "EnergyTransfer" in self.stop_points():
            self.end(outlet, reason, now, out, trigger)
            return
        tx.reached = reached
        self._withdraw(outlet, now, out)
        self.event(outlet, trigger, now, out)
        out.append(Save(f"tx/{outlet.evse.id}", tx.to_json()))
        self._show(outlet, now, out)

    def _next_look_s(self: Station, outlet: Outlet, tx: Transaction, now: float) -> float:  # type: ignore[misc]
        """Soon enough that at full power no more than a Wh flows beyond an energy limit (E16.FR.19)."""
        waits = [LOOK_S]
        shown = self._toward(outlet, tx, now)
        if "maxTime" in tx.limits:
            waits.append(tx.limits["maxTime"] - shown["maxTime"])
        if "maxEnergy" in tx.limits:
            most_w = max(outlet.evse.max_a * 3 * self.spec.model.voltage_v * 1.15, 1000.0 * (outlet.evse.max_kw or 0.0))
            waits.append((tx.limits["maxEnergy"] - shown["maxEnergy"]) * 3600.0 / most_w)
        return max(0.2, min(waits))

    # --- a rate that changed ------------------------------------------------------------------------------------

    def rate_changed(self: Station, outlet: Outlet, was: Status, before_a: float, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """An outlet that charged and charges on does so at another rate."""
        charges_on = was is Status.CHARGING and outlet.status() is Status.CHARGING
        if charges_on and self.tells_rate(outlet, before_a, outlet.offer_a):
            self.event(outlet, "ChargingRateChanged", now, out)
