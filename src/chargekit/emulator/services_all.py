"""Imports every module of services, so that they are registered; and the services too small for a module of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator import (  # noqa: F401
    services_aligned,
    services_charging,
    services_configuration,
    services_customer,
    services_der,
    services_device,
    services_display,
    services_firmware,
    services_logs,
    services_monitoring,
    services_publish,
    services_reservation,
    services_security,
    services_table,
    services_tariffs,
    services_tokens,
    services_transactions,
)
from chargekit.emulator.services import Payload, Refusal, service
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


@service("DataTransfer", "1.6", "2.0.1", "2.1")
def data_transfer(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """No vendor's extension is known here (1.6 section 5.6, P01.FR.03)."""
    return {"status": "UnknownVendorId"}
