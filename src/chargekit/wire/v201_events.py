"""TransactionEvent of OCPP 2.x: the one message for a transaction's start, meter values, charging states and end."""

from __future__ import annotations

from typing import Final

from chargekit.model.calendar import Calendar

from . import samples
from .fields import flag, iso, moment, no_nones, one_of, opt_table, opt_text, opt_whole, table, text
from .messages import ChargingStateChanged, Fact, Metered, Other, Status, TransactionEnded, TransactionStarted
from .protocol import Payload, Unreadable
from .v2 import Differences

_STATES: Final = {
    "Charging": Status.CHARGING,
    "SuspendedEV": Status.SUSPENDED_EV,
    "SuspendedEVSE": Status.SUSPENDED_EVSE,
    "EVConnected": Status.PREPARING,
    "Idle": Status.AVAILABLE,
}
_STATE_WORDS: Final = {status: word for word, status in _STATES.items()} | {
    Status.FINISHING: "EVConnected",
    Status.OCCUPIED: "EVConnected",
    Status.UNAVAILABLE: "SuspendedEVSE",
    Status.FAULTED: "SuspendedEVSE",
}
_REASONS_OF_16: Final = {"HardReset": "ImmediateReset", "SoftReset": "ImmediateReset"}
_END_TRIGGERS: Final = {
    "Local": "StopAuthorized",
    "EVDisconnected": "EVDeparted",
    "DeAuthorized": "Deauthorized",
    "Remote": "RemoteStop",
    "HardReset": "ResetCommand",
    "SoftReset": "ResetCommand",
    "ImmediateReset": "ResetCommand",
    "UnlockCommand": "UnlockCommand",
    "EnergyLimitReached": "EnergyLimitReached",
    "TimeLimitReached": "TimeLimitReached",
    "SOCLimitReached": "SoCLimitReached",
    "LocalOutOfCredit": "CostLimitReached",
}
"""What ended a transaction, by its reason; in 2.0.1 a few of these are no trigger (E16.FR.06 of 2.1)."""
_KINDS: Final = {"Started": 1, "Updated": 2, "Ended": 3}
_METER_TRIGGERS: Final = {"Sample.Clock": "MeterValueClock", "Trigger": "Trigger"}


def write_event(fact: TransactionStarted | Metered | ChargingStateChanged | TransactionEnded, cal: Calendar, how: Differences) -> Payload:
    common = no_nones(seqNo=fact.seq, offline=True if fact.offline else None)
    match fact:
        case TransactionStarted():
            tx = fact.tx or fact.ref
            return common | {
                "eventType": "Started",
                "timestamp": iso(cal, fact.at),
                "triggerReason": "Authorized" if fact.remote_start_id is None else "RemoteStart",
                "transactionInfo": no_nones(transactionId=tx_id(tx), remoteStartId=fact.remote_start_id),
                "evse": {"id": fact.evse, "connectorId": fact.connector},
                "idToken": id_token(fact.token, how),
                "meterValue": _values(fact, "Transaction.Begin", cal),
            }
        case Metered():
            values = samples.write(fact.samples, fact.context, cal, samples.as_number)
            return common | {
                "eventType": "Updated",
                "timestamp": values[-1]["timestamp"],
                "triggerReason": _METER_TRIGGERS.get(fact.context, "MeterValuePeriodic"),
                "transactionInfo": {"transactionId": tx_id(fact.tx or "")},
                "evse": {"id": fact.evse},
                "meterValue": values,
            }
        case ChargingStateChanged():
            return common | {
                "eventType": "Updated",
                "timestamp": iso(cal, fact.at),
                "triggerReason": "ChargingStateChanged",
                "transactionInfo": {"transactionId": tx_id(fact.tx), "chargingState": _STATE_WORDS[fact.status]},
                "evse": {"id": fact.evse},
            }
        case TransactionEnded():
            reason = _REASONS_OF_16.get(fact.reason, fact.reason)
            trigger = _END_TRIGGERS.get(fact.reason, "")
            return common | no_nones(
                eventType="Ended",
                timestamp=iso(cal, fact.at),
                triggerReason=trigger if trigger in how.triggers else "AbnormalCondition",
                transactionInfo={
                    "transactionId": tx_id(fact.tx),
                    "stoppedReason": reason if reason in how.stopped else "Other",
                },
                evse={"id": fact.evse},
                idToken=id_token(fact.token, how) if fact.token else None,
                meterValue=_values(fact, "Transaction.End", cal),
            )


def _values(fact: TransactionStarted | TransactionEnded, context: str, cal: Calendar) -> list[Payload]:
    """The register alone, or the sample that came with it."""
    if fact.sample is None:
        return samples.write_register(fact.register_wh, fact.at, context, cal, samples.as_number)
    return samples.write((fact.sample,), context, cal, samples.as_number)


def read_event(payload: Payload, cal: Calendar) -> Fact:
    kind = one_of(payload, "eventType", _KINDS)
    info = table(payload, "transactionInfo")
    tx, at = _known_tx(info), moment(payload, "timestamp", cal)
    place = opt_table(payload, "evse") or {}
    evse = opt_whole(place, "id", 0) or 0
    bearer = opt_table(payload, "idToken")
    token = opt_text(bearer, "idToken") if bearer else None
    offline, seq = flag(payload, "offline"), opt_whole(payload, "seqNo") or 0
    if kind == 1:
        register = samples.read_register(payload, "Transaction.Begin")
        connector = opt_whole(place, "connectorId", 0)
        return TransactionStarted(
            evse,
            token or "",
            tx,
            at,
            register,
            tx,
            1 if connector is None else connector,
            offline,
            opt_whole(info, "remoteStartId"),
            seq,
        )
    if kind == 3:
        register = samples.read_register(payload, "Transaction.End")
        return TransactionEnded(evse, tx, at, register, opt_text(info, "stoppedReason") or "Local", token, offline, seq)
    state = one_of(info, "chargingState", _STATES, None)
    told = payload.get("triggerReason") == "ChargingStateChanged" or payload.get("meterValue") is None
    if state is not None and told:
        return ChargingStateChanged(evse, tx, state, at, offline, seq)
    if payload.get("meterValue") is None:
        return Other("TransactionEvent", payload)
    found, context = samples.read(payload, cal)
    return Metered(evse, found, tx, context, offline, seq)


def _known_tx(info: Payload) -> str:
    """A transaction id that can be sent back."""
    tx = text(info, "transactionId")
    if not 0 < len(tx) <= 36:
        raise Unreadable("type", f"transactionId: 1 to 36 characters expected, found {len(tx)}")
    return tx


def id_token(token: str, how: Differences, kind: str = "ISO14443") -> Payload:
    if len(token) > how.longest_token:
        raise ValueError(f"token {token!r} is longer than the {how.longest_token} characters of {how.version}")
    return {"idToken": token, "type": kind if token else "NoAuthorization"}


def tx_id(tx: str) -> str:
    if not 0 < len(tx) <= 36:
        raise ValueError(f"transaction {tx!r} is not 1 to 36 characters long")
    return tx
