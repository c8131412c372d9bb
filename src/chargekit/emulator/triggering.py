"""TriggerMessage: which messages a station sends on demand (1.6 section 5.17; F06). Services register their own with `triggered`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.services_security import KINDS, sign
from chargekit.model.points import point
from chargekit.wire.messages import Alive, Metered, Reply, Trigger
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

Sends = Callable[["Station", float, list[Effect]], None]
TRIGGERED: Final[dict[tuple[str, str], Sends]] = {}
"""Messages of services that can be asked for, by (version, requestedMessage)."""


def triggered(message: str, *versions: str) -> Callable[[Sends], Sends]:
    """Register what sends a message when it is asked for; the answer has been given by then."""

    def register(sends: Sends) -> Sends:
        for version in versions:
            TRIGGERED[version, message] = sends
        return sends

    return register


class Triggering:
    """Mixed into Station."""

    @point("station.trigger_verdict")
    def trigger_verdict(self: Station, message: str, evse: int | None, connector: int | None) -> Reply:  # type: ignore[misc]
        """NotImplemented for what it can't send, Rejected for what it can't send now (F06.FR.05, FR.08, FR.17)."""
        two = self.generation.charging_state
        known = {"BootNotification", "Heartbeat", "StatusNotification", "MeterValues"} | ({"TransactionEvent"} if two else set())
        if message not in known and (self.spec.ocpp, message) not in TRIGGERED:
            return Reply("NotImplemented")
        if message in ("StatusNotification", "MeterValues", "TransactionEvent") and evse not in (None, 0, *self.outlets):
            return Reply("Rejected", "UnknownEvse")
        if two and message == "StatusNotification" and evse in self.outlets:
            connectors = (None, *(c.id for c in self.outlets[evse].evse.connectors))
            if connector not in connectors:
                return Reply("Rejected", "UnknownConnectorId")
        if two and message == "BootNotification" and self.accepted:
            return Reply("Rejected")
        if message == "TransactionEvent" and not any(o.tx is not None and o.tx.told for o in self._meant(evse)):
            return Reply("Rejected", "TxNotFound")
        return Reply("Accepted")

    def _meant(self: Station, evse: int | None) -> list[Outlet]:  # type: ignore[misc]
        return [o for n, o in self.outlets.items() if evse in (None, 0, n)]

    def _triggered(self: Station, command: Trigger, payload: Mapping[str, Any], now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Send it, also before the station is accepted (B02.FR.02)."""
        message, meant = command.message, self._meant(command.evse)
        if message in KINDS:
            sign(self, KINDS[message], now, out)
            return
        if (self.spec.ocpp, message) in TRIGGERED:
            TRIGGERED[self.spec.ocpp, message](self, now, out)
            return
        match message:
            case "BootNotification":
                self._boot(now, out)
            case "Heartbeat":
                self.call(Alive(), now, "beat")
            case "StatusNotification":
                self._tell_statuses(command.evse, (payload.get("evse") or {}).get("connectorId"), now)
            case "MeterValues":
                key = "MeterValuesSampledData" if self.generation.assigned else "MeterValuesAlignedData"  # 1.6 section 5.17; F06.FR.06
                for outlet in meant:
                    tx, sample = outlet.tx.id if outlet.tx and self.generation.assigned else None, self.chosen(outlet, key, now)
                    if sample is not None:
                        self.call(Metered(outlet.evse.id, (sample,), tx, "Trigger"), now, "meter")
            case _:  # TransactionEvent
                for outlet in meant:
                    more = {"transactionInfo": {"chargingState": outlet.charging_state}, "triggerReason": "Trigger"}
                    self._tell_values(outlet, "Trigger", now, out, more)

    def _tell_statuses(self: Station, evse: int | None, connector: int | None, now: float) -> None:  # type: ignore[misc]
        """1.6: connector 0 too, where none is named."""
        if not evse:
            self.tell_station(now)
        if evse == 0 and self.generation.assigned:
            return
        for outlet in self._meant(evse):
            for one in outlet.evse.connectors if self.generation.charging_state else outlet.evse.connectors[:1]:
                if connector in (None, one.id):
                    self.tell_status(outlet, one.id, now)
