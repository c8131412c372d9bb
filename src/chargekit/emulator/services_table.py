"""Messages of 2.1 the kit does not judge and that need no memory: one row an action, with its clause.

A station of this kit has no battery slots, no payment terminal, no ISO 15118 with energy transfer service renegotiation beyond what it
offers, and no signal curve: it says so in the words of the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chargekit.emulator.services import Payload, Refusal, service
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

Answer = Callable[["Station", Payload], Payload]


@dataclass(frozen=True, slots=True)
class Row:
    action: str
    clause: str
    answer: Answer


def _transfer(station: Station, payload: Payload) -> Payload:
    """Accepted for a transaction that runs here; there is no other transfer to change to, so nothing follows (Q02.FR.06)."""
    running = any(o.tx is not None and (o.tx.id or o.tx.ref) == payload["transactionId"] for o in station.outlets.values())
    return {"status": "Accepted"} if running else {"status": "Rejected", "statusInfo": {"reasonCode": "TxNotFound"}}


def _refused(reason: str) -> Answer:
    def answer(station: Station, payload: Payload) -> Payload:
        return {"status": "Rejected", "statusInfo": {"reasonCode": reason}}

    return answer


def _done(station: Station, payload: Payload) -> Payload:
    return {}


ROWS: Final = (
    Row("AFRRSignal", "Q08.FR.11: no LocalFrequency period with a v2xSignalWattCurve is active", _refused("NoSignalWattCurve")),
    Row("NotifyAllowedEnergyTransfer", "Q02.FR.06", _transfer),
    Row("NotifyWebPaymentStarted", "C25.FR.27: answered without parameters; there is no QR code to lock", _done),
    Row("RequestBatterySwap", "S02.FR.04: no batteries to swap", _refused("NoBatteryAvailable")),
)


def _register(row: Row) -> None:
    def handler(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
        return row.answer(station, payload)

    service(row.action, "2.1")(handler)


for _row in ROWS:
    _register(_row)
