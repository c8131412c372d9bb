"""What a station of each version sends and answers, message by message, and which CALLERROR the rest gets.

What is answered follows from the services and the vocabulary themselves; what is sent is said here, and a test holds it against the source.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from chargekit.emulator import services_all  # noqa: F401  (registers them)
from chargekit.emulator.services import find, offered
from chargekit.emulator.services_table import ROWS
from chargekit.wire import codec, schemas

SENDS: Final[dict[str, str]] = {
    "Authorize": "a token is presented that it does not know",
    "BootNotification": "after power-up, until accepted; when triggered",
    "Heartbeat": "every interval; when triggered",
    "StatusNotification": "a connector's status changes; when triggered",
    "MeterValues": "sampled and clock-aligned values, in 2.x only outside transactions; when triggered",
    "StartTransaction": "a transaction begins",
    "StopTransaction": "a transaction ends",
    "TransactionEvent": "a transaction begins, changes, is metered, ends; when triggered",
    "NotifyChargingLimit": "somebody outside limits it by more than LimitChangeSignificance",
    "ClearedChargingLimit": "somebody outside releases a limit",
    "DiagnosticsStatusNotification": "after GetDiagnostics; when triggered",
    "FirmwareStatusNotification": "after UpdateFirmware; when triggered",
    "SignedFirmwareStatusNotification": "after SignedUpdateFirmware; when triggered",
    "LogStatusNotification": "after GetLog; when triggered",
    "SecurityEventNotification": "a critical security event",
    "SignCertificate": "its certificate ends soon; when triggered",
    "GetCertificateStatus": "its V2G certificate names an OCSP responder",
    "Get15118EVCertificate": "the hand `ev_certificate`",
    "NotifyReport": "after GetBaseReport, GetReport",
    "NotifyMonitoringReport": "after GetMonitoringReport",
    "NotifyEvent": "a monitor fires",
    "NotifyCustomerInformation": "after CustomerInformation",
    "NotifyDisplayMessages": "after GetDisplayMessages",
    "ReportChargingProfiles": "after GetChargingProfiles",
    "ReservationStatusUpdate": "a reservation expires or is removed",
    "PublishFirmwareStatusNotification": "after PublishFirmware; when triggered",
    "PullDynamicScheduleUpdate": "a dynamic profile is due",
    "NotifyPriorityCharging": "after UsePriorityCharging",
    "NotifyDERStartStop": "a DER control begins or ends",
    "ReportDERControl": "after GetDERControl",
    "OpenPeriodicEventStream": "a monitor is set with a stream",
    "ClosePeriodicEventStream": "its monitor goes",
    "NotifyPeriodicEventStream": "an open stream has values (a SEND)",
}
"""When a message is sent, by name; of which versions, their schemas say."""
_SERVED: Final = frozenset({"GetConfiguration", "ChangeConfiguration", "GetVariables", "SetVariables"})
"""Commands of the vocabulary that services carry out."""


@cache
def sent(version: str) -> frozenset[str]:
    """The messages of a version that a station sends by itself. ValueError for another version."""
    return frozenset(SENDS) & schemas.actions(version)


@cache
def answered(version: str) -> frozenset[str]:
    """The calls it answers with a CALLRESULT (or says what is wrong with them): what its Session lets pass."""
    return codec(version).COMMANDS | offered(version)


def answered_by(version: str, action: str) -> str:
    """Where an answer comes from: the module, and for what is never granted the reason. KeyError for what is not answered."""
    for row in ROWS:
        if row.action == action and version == "2.1":
            return f"services_table: {row.clause}"
    service = find(version, action)
    if service is not None and (action not in codec(version).COMMANDS or action in _SERVED):
        return service.__module__.rpartition(".")[2]
    if action in codec(version).COMMANDS:
        return "orders" if service is None else f"orders, {service.__module__.rpartition('.')[2]}"
    raise KeyError(action)


@cache
def refused(version: str) -> dict[str, str]:
    """The CALLERROR for each message of the version's schemas that it does not answer; any other action is NotImplemented."""
    sends = schemas.sends(version)
    rest = schemas.actions(version) - answered(version)
    return {action: "NotImplemented" if action in sends else "NotSupported" for action in sorted(rest)}
