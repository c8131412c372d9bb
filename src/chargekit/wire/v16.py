"""OCPP 1.6J: core and smart charging, both roles (see `protocol.Codec`). One connector per EVSE: connector n is EVSE n.

1.6 has no place for some of the vocabulary: a start carries no transaction id and no `offline`, a stop no EVSE (read as
0: look it up by `tx`), a boot no reason. Transaction ids are whole numbers here.
"""

from __future__ import annotations

from typing import Any, Final

from chargekit.model.calendar import Calendar
from chargekit.model.profile import Purpose

from . import samples, schemas, settings, tokens
from .fields import (
    iso,
    moment,
    no_nones,
    number,
    one_of,
    opt_bounded,
    opt_moment,
    opt_table,
    opt_text,
    opt_whole,
    rows,
    seconds,
    table,
    text,
    whole,
)
from .messages import (
    Alive,
    AliveAnswer,
    Answer,
    AuthorizeAsked,
    BootAnswer,
    Booted,
    CancelReservation,
    ChargingStateChanged,
    ClearProfile,
    Command,
    CommandReply,
    CompositeReply,
    CoreCommand,
    Done,
    Fact,
    GetComposite,
    GetKeys,
    GetSetting,
    KeysReply,
    LimitImposed,
    LimitReleased,
    Metered,
    Other,
    OtherCommand,
    RemoteStart,
    RemoteStop,
    Reply,
    ReservationEnded,
    ReserveNow,
    Reset,
    SetAvailability,
    SetKey,
    SetProfile,
    SettingCommand,
    Status,
    StatusChanged,
    TokenAnswer,
    TokenCommand,
    TransactionEnded,
    TransactionStarted,
    Trigger,
    Unlock,
)
from .profiles import UNITS, Dialect, read_periods, read_profile, tx_number, write_period, write_profile
from .protocol import Payload, Unreadable

VERSION: Final[str] = "1.6"
TELLS_OFFLINE: Final = False

_PURPOSES: Final = {
    "ChargePointMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}
_PROFILE: Final = Dialect(VERSION, "chargingProfileId", _PURPOSES, numeric_tx=True, many_schedules=False)
_BOOTS: Final = {"Accepted": "Accepted", "Pending": "Pending", "Rejected": "Rejected"}
_STATUSES: Final = {s.value: s for s in Status if s is not Status.OCCUPIED} | {"Reserved": Status.OCCUPIED}
_ERRORS: Final = schemas.words(VERSION, "StatusNotification", "req", "errorCode")
_REASONS: Final = schemas.words(VERSION, "StopTransaction", "req", "reason")
_REASONS_OF_2: Final = {"ImmediateReset": "HardReset", "StoppedByEV": "EVDisconnected"}

# What a reply's status becomes when the response has no such word (and no alias).
_ELSE: Final[dict[type, str]] = {
    SetProfile: "Rejected",
    ClearProfile: "Unknown",
    RemoteStart: "Rejected",
    RemoteStop: "Rejected",
    Reset: "Rejected",
    Trigger: "Rejected",
    SetAvailability: "Rejected",
    SetKey: "Rejected",
    Unlock: "UnlockFailed",
    ReserveNow: "Rejected",
    CancelReservation: "Rejected",
}
_ALIASES: Final = {
    (SetKey, "UnknownComponent"): "NotSupported",
    (SetKey, "UnknownVariable"): "NotSupported",
    (SetKey, "NotSupportedAttributeType"): "NotSupported",
    (Reset, "Scheduled"): "Accepted",
    (Unlock, "Accepted"): "Unlocked",
    (Unlock, "UnknownConnector"): "NotSupported",
}


# --- facts ------------------------------------------------------------------------------------------------------


def write_fact(fact: Fact, cal: Calendar) -> tuple[str, Payload]:
    match fact:
        case Booted():
            return "BootNotification", no_nones(
                chargePointVendor=fact.vendor[:20],
                chargePointModel=fact.model[:20],
                firmwareVersion=fact.firmware[:50] or None,
                chargePointSerialNumber=fact.serial[:25] or None,
            )
        case Alive():
            return "Heartbeat", {}
        case StatusChanged() | ChargingStateChanged():
            return "StatusNotification", _write_status(fact, cal)
        case AuthorizeAsked():
            return "Authorize", {"idTag": _token(fact.token)}
        case TransactionStarted():
            return "StartTransaction", {
                "connectorId": fact.evse,
                "idTag": _token(fact.token),
                "meterStart": round(fact.register_wh),
                "timestamp": iso(cal, fact.at),
            }
        case Metered():
            return "MeterValues", no_nones(
                connectorId=fact.evse,
                transactionId=tx_number(fact.tx) if fact.tx is not None else None,
                meterValue=samples.write(fact.samples, fact.context, cal, samples.as_text),
            )
        case TransactionEnded():
            return "StopTransaction", no_nones(
                transactionId=tx_number(fact.tx),
                meterStop=round(fact.register_wh),
                timestamp=iso(cal, fact.at),
                reason=_reason(fact.reason),
                idTag=_token(fact.token) if fact.token else None,
            )
        case LimitImposed() | LimitReleased():
            raise ValueError("1.6 has no message about limits from outside")
        case ReservationEnded():
            raise ValueError("1.6 has no message about the end of a reservation")
        case Other():
            return fact.action, fact.payload


def _write_status(fact: StatusChanged | ChargingStateChanged, cal: Calendar) -> Payload:
    if fact.status is Status.OCCUPIED:
        raise ValueError("1.6 has no status Occupied: say Preparing, Charging, Suspended* or Finishing")
    error = fact.error if isinstance(fact, StatusChanged) else "NoError"
    return no_nones(
        connectorId=fact.evse,
        errorCode=error if error in _ERRORS else "OtherError",
        status=fact.status.value,
        timestamp=iso(cal, fact.at),
    )


def read_fact(action: str, payload: Payload, cal: Calendar) -> Fact:
    reader = _FACTS.get(action)
    return reader(payload, cal) if reader else Other(action, payload)


def _read_boot(payload: Payload, cal: Calendar) -> Fact:
    serial = opt_text(payload, "chargePointSerialNumber") or opt_text(payload, "chargeBoxSerialNumber")
    return Booted(
        opt_text(payload, "chargePointVendor") or "",
        opt_text(payload, "chargePointModel") or "",
        opt_text(payload, "firmwareVersion") or "",
        serial or "",
    )


def _read_status(payload: Payload, cal: Calendar) -> Fact:
    evse = whole(payload, "connectorId", 0)
    status = one_of(payload, "status", _STATUSES)
    at = opt_moment(payload, "timestamp", cal)
    return StatusChanged(evse, min(evse, 1), status, at, opt_text(payload, "errorCode") or "NoError")


def _read_start(payload: Payload, cal: Calendar) -> Fact:
    return TransactionStarted(
        whole(payload, "connectorId", 1),
        text(payload, "idTag"),
        "",
        moment(payload, "timestamp", cal),
        number(payload, "meterStart"),
    )


def _read_stop(payload: Payload, cal: Calendar) -> Fact:
    return TransactionEnded(
        0,
        str(whole(payload, "transactionId")),
        moment(payload, "timestamp", cal),
        number(payload, "meterStop"),
        opt_text(payload, "reason") or "Local",
        opt_text(payload, "idTag"),
    )


def _read_meter(payload: Payload, cal: Calendar) -> Fact:
    evse = whole(payload, "connectorId", 0)
    tx = opt_whole(payload, "transactionId")
    found, context = samples.read(payload, cal)
    # Chargers outside a transaction send 0 or -1 where they should send nothing.
    return Metered(evse, found, str(tx) if tx is not None and tx > 0 else None, context)


_FACTS: Final[dict[str, Any]] = {
    "BootNotification": _read_boot,
    "Heartbeat": lambda payload, cal: Alive(),
    "StatusNotification": _read_status,
    "Authorize": lambda payload, cal: AuthorizeAsked(text(payload, "idTag")),
    "StartTransaction": _read_start,
    "StopTransaction": _read_stop,
    "MeterValues": _read_meter,
}
FACTS: Final = frozenset(_FACTS)
LACKS: Final[frozenset[type]] = frozenset({LimitImposed, LimitReleased, ReservationEnded})


# --- answers ----------------------------------------------------------------------------------------------------


_PLAINLY_ANSWERED: Final = (Metered, StatusChanged, ChargingStateChanged, TransactionEnded)


def write_answer(fact: Fact, answer: Answer, cal: Calendar, payload: Payload | None = None) -> Payload:
    if payload is not None:
        return payload
    if isinstance(answer, Done) and isinstance(fact, _PLAINLY_ANSWERED):
        return {}
    match fact, answer:
        case Booted(), BootAnswer():
            return {"status": answer.status, "currentTime": iso(cal, answer.at), "interval": answer.interval_s}
        case Alive(), AliveAnswer():
            return {"currentTime": iso(cal, answer.at)}
        case AuthorizeAsked(), TokenAnswer():
            return {"idTagInfo": tokens.write_info(answer, cal, VERSION)}
        case TransactionStarted(), TokenAnswer():
            if answer.tx is None:
                raise ValueError("the answer to a 1.6 StartTransaction needs the transaction's id")
            return {"idTagInfo": tokens.write_info(answer, cal, VERSION), "transactionId": tx_number(answer.tx)}
        case TransactionEnded(), TokenAnswer():
            return {"idTagInfo": tokens.write_info(answer, cal, VERSION)}
        case Other(), Done():
            return {}
    raise ValueError(f"{type(answer).__name__} is no answer to {type(fact).__name__}")


def read_answer(action: str, payload: Payload, cal: Calendar) -> Answer:
    if action == "BootNotification":
        return BootAnswer(one_of(payload, "status", _BOOTS), moment(payload, "currentTime", cal), whole(payload, "interval"))
    if action == "Heartbeat":
        return AliveAnswer(moment(payload, "currentTime", cal))
    if action == "Authorize":
        return tokens.info_of(payload, "idTagInfo", cal)
    if action == "StartTransaction":
        return tokens.info_of(payload, "idTagInfo", cal, str(whole(payload, "transactionId")))
    if action == "StopTransaction":
        info = opt_table(payload, "idTagInfo")
        return tokens.read_info(info, cal) if info else Done()
    return Done()


# --- commands ---------------------------------------------------------------------------------------------------


def write_command(command: Command, cal: Calendar) -> tuple[str, Payload]:
    if isinstance(command, TokenCommand):
        return tokens.write_command(command, cal, VERSION)
    return _write_core(settings.keyed(VERSION, command) if isinstance(command, SettingCommand) else command, cal)


def _write_core(command: CoreCommand, cal: Calendar) -> tuple[str, Payload]:
    match command:
        case SetProfile():
            profile = write_profile(command.profile, cal, _PROFILE)
            return "SetChargingProfile", {"connectorId": command.evse, "csChargingProfiles": profile}
        case ClearProfile():
            return "ClearChargingProfile", no_nones(
                id=command.id,
                connectorId=command.evse,
                chargingProfilePurpose=_PROFILE.purpose(command.purpose) if command.purpose else None,
                stackLevel=command.stack_level,
            )
        case GetComposite():
            return "GetCompositeSchedule", no_nones(connectorId=command.evse, duration=command.duration_s, chargingRateUnit=command.unit)
        case RemoteStart():
            return "RemoteStartTransaction", no_nones(
                idTag=_token(command.token),
                connectorId=command.evse,
                chargingProfile=write_profile(command.profile, cal, _PROFILE) if command.profile else None,
            )
        case RemoteStop():
            return "RemoteStopTransaction", {"transactionId": tx_number(command.tx)}
        case Reset():
            return "Reset", _write_reset(command)
        case Trigger():
            return "TriggerMessage", no_nones(requestedMessage=command.message, connectorId=command.evse)
        case SetAvailability():
            word = "Operative" if command.operative else "Inoperative"
            return "ChangeAvailability", {"connectorId": command.evse, "type": word}
        case GetKeys():
            return "GetConfiguration", {"key": list(command.keys)} if command.keys else {}
        case SetKey():
            return "ChangeConfiguration", {"key": command.key, "value": command.value}
        case Unlock():
            return "UnlockConnector", {"connectorId": command.evse}
        case ReserveNow() | CancelReservation() | OtherCommand():
            return _write_more(command, cal)


def _write_more(command: ReserveNow | CancelReservation | OtherCommand, cal: Calendar) -> tuple[str, Payload]:
    match command:
        case ReserveNow():
            return "ReserveNow", no_nones(
                connectorId=command.evse,
                expiryDate=iso(cal, command.until),
                idTag=_token(command.token),
                parentIdTag=_token(command.group) if command.group else None,
                reservationId=command.id,
            )
        case CancelReservation():
            return "CancelReservation", {"reservationId": command.id}
        case OtherCommand():
            return command.action, command.payload


def _write_reset(command: Reset) -> Payload:
    if command.resume:
        raise ValueError("1.6 has no reset after which transactions go on")
    if command.evse:
        raise ValueError("1.6 has no reset of one EVSE")
    return {"type": "Hard" if command.hard else "Soft"}


def read_command(action: str, payload: Payload, cal: Calendar) -> Command:
    reader = _COMMANDS.get(action)
    return reader(payload, cal) if reader else OtherCommand(action, payload)


def _read_remote_start(payload: Payload, cal: Calendar) -> Command:
    profile = opt_table(payload, "chargingProfile")
    return RemoteStart(
        text(payload, "idTag"),
        opt_whole(payload, "connectorId", 1),
        profile=read_profile(profile, cal, _PROFILE) if profile is not None else None,
    )


def _read_get_keys(payload: Payload, cal: Calendar) -> Command:
    keys = payload.get("key") or []
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Unreadable("type", "key: a list of texts expected")
    return GetKeys(tuple(keys))


_AVAILABILITY: Final = {"Operative": True, "Inoperative": False}
_COMMANDS: Final[dict[str, Any]] = {
    "SetChargingProfile": lambda p, cal: SetProfile(
        whole(p, "connectorId", 0), read_profile(table(p, "csChargingProfiles"), cal, _PROFILE)
    ),
    "ClearChargingProfile": lambda p, cal: ClearProfile(
        opt_whole(p, "id"),
        opt_whole(p, "connectorId", 0),
        one_of(p, "chargingProfilePurpose", _PURPOSES, None),
        opt_whole(p, "stackLevel", 0),
    ),
    "GetCompositeSchedule": lambda p, cal: GetComposite(
        whole(p, "connectorId", 0), whole(p, "duration", 0), one_of(p, "chargingRateUnit", UNITS, None)
    ),
    "RemoteStartTransaction": _read_remote_start,
    "RemoteStopTransaction": lambda p, cal: RemoteStop(str(whole(p, "transactionId"))),
    "Reset": lambda p, cal: Reset(one_of(p, "type", {"Hard": True, "Soft": False})),
    "TriggerMessage": lambda p, cal: Trigger(text(p, "requestedMessage"), opt_whole(p, "connectorId", 0)),
    "ChangeAvailability": lambda p, cal: SetAvailability(whole(p, "connectorId", 0), one_of(p, "type", _AVAILABILITY)),
    "GetConfiguration": _read_get_keys,
    "ChangeConfiguration": lambda p, cal: SetKey(text(p, "key"), text(p, "value")),
    "UnlockConnector": lambda p, cal: Unlock(whole(p, "connectorId", 0)),
    "ReserveNow": lambda p, cal: ReserveNow(
        whole(p, "reservationId"),
        whole(p, "connectorId", 0),
        text(p, "idTag"),
        moment(p, "expiryDate", cal),
        opt_text(p, "parentIdTag") or "",
    ),
    "CancelReservation": lambda p, cal: CancelReservation(whole(p, "reservationId")),
    **tokens.COMMANDS,
}
COMMANDS: Final = frozenset(_COMMANDS)
_ACTIONS: Final[dict[type, str]] = {
    SetProfile: "SetChargingProfile",
    ClearProfile: "ClearChargingProfile",
    RemoteStart: "RemoteStartTransaction",
    RemoteStop: "RemoteStopTransaction",
    Reset: "Reset",
    Trigger: "TriggerMessage",
    SetAvailability: "ChangeAvailability",
    SetKey: "ChangeConfiguration",
    Unlock: "UnlockConnector",
    ReserveNow: "ReserveNow",
    CancelReservation: "CancelReservation",
}


# --- replies ----------------------------------------------------------------------------------------------------


def write_reply(command: Command, reply: CommandReply, cal: Calendar) -> Payload:
    if isinstance(command, TokenCommand):
        return tokens.write_reply(command, reply, VERSION)
    match command, reply:
        case GetComposite(), CompositeReply():
            return _write_composite(command, reply, cal)
        case GetComposite(), Reply():
            return {"status": "Accepted" if reply.accepted else "Rejected"}
        case GetKeys(), KeysReply():
            known = [{"key": key, "readonly": False, "value": value} for key, value in reply.values.items()]
            return {"configurationKey": known} | ({"unknownKey": list(reply.unknown)} if reply.unknown else {})
        case OtherCommand(), Reply():
            return {"status": reply.status}
        case _, Reply() if type(command) in _ELSE:
            words = schemas.words(VERSION, _ACTIONS[type(command)], "conf", "status")
            status = _ALIASES.get((type(command), reply.status), reply.status)
            return {"status": status if status in words else _ELSE[type(command)]}
    raise ValueError(f"{type(reply).__name__} is no reply to {type(command).__name__}")


def _write_composite(command: GetComposite, reply: CompositeReply, cal: Calendar) -> Payload:
    if not reply.accepted:
        return {"status": "Rejected"}
    written = no_nones(status="Accepted", connectorId=command.evse, scheduleStart=iso(cal, reply.start))
    if reply.periods:
        written["chargingSchedule"] = {
            "duration": seconds(reply.duration_s),
            "chargingRateUnit": reply.unit,
            "chargingSchedulePeriod": [write_period(period) for period in reply.periods],
        }
    return written


def read_reply(command: Command, payload: Payload, cal: Calendar) -> CommandReply:
    if isinstance(command, TokenCommand):
        return tokens.read_reply(command, payload)
    if isinstance(command, (GetKeys, GetSetting)):
        found = rows(payload, "configurationKey") if payload.get("configurationKey") is not None else []
        unknown = payload.get("unknownKey") or []
        names = tuple(str(name) for name in unknown) if isinstance(unknown, list) else ()
        reply = KeysReply({text(row, "key"): opt_text(row, "value") or "" for row in found}, names)
        return settings.named(command, reply) if isinstance(command, GetSetting) else reply
    if not isinstance(command, GetComposite):
        return Reply(opt_text(payload, "status") or "" if isinstance(command, OtherCommand) else text(payload, "status"))
    status, schedule = text(payload, "status"), opt_table(payload, "chargingSchedule")
    start = opt_moment(payload, "scheduleStart", cal)
    if schedule is None:
        return CompositeReply(status, start)
    return CompositeReply(
        status,
        opt_moment(schedule, "startSchedule", cal) if start is None else start,
        read_periods(schedule),
        one_of(schedule, "chargingRateUnit", UNITS),
        opt_bounded(schedule, "duration") or 0.0,
    )


# --- words ------------------------------------------------------------------------------------------------------


def _reason(reason: str) -> str:
    reason = _REASONS_OF_2.get(reason, reason)
    return reason if reason in _REASONS else "Other"


def _token(token: str) -> str:
    return tokens.checked(token, VERSION)
