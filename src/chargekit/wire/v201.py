"""OCPP 2.0.1 and 2.1: the slice that boots, authorises, meters, limits and stops, both roles (see `protocol.Codec`).

Transactions go through TransactionEvent: Started is TransactionStarted, Ended is TransactionEnded, Updated is
ChargingStateChanged where it tells one, else Metered, else Other. Connector statuses between Available and
Unavailable fold to Occupied; a NotifyEvent that tells one (G01.FR.03) is StatusChanged too. Keys are written
`Component.Variable` or `Component.Variable.Instance`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from chargekit.model.calendar import Calendar

from . import samples, schemas, settings, tokens
from .fields import (
    iso,
    moment,
    no_nones,
    one_of,
    opt_bounded,
    opt_moment,
    opt_table,
    opt_text,
    opt_whole,
    rows,
    seconds,
    shown,
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
    SetSetting,
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
from .profiles import UNITS, Dialect, read_periods, read_profile, write_period, write_profile
from .protocol import Payload, Unreadable
from .v2 import DIFFERENCES, Differences
from .v201_events import id_token, read_event, tx_id, write_event
from .v201_more import READERS, read_reserve, write_more, write_news

_BOOTS: Final = {"Accepted": "Accepted", "Pending": "Pending", "Rejected": "Rejected"}
_BOOT_REASONS: Final = schemas.words("2.0.1", "BootNotification", "req", "reason")
_STATUSES: Final = {
    "Available": Status.AVAILABLE,
    "Occupied": Status.OCCUPIED,
    "Reserved": Status.OCCUPIED,
    "Unavailable": Status.UNAVAILABLE,
    "Faulted": Status.FAULTED,
}
_OWN_STATUSES: Final = frozenset({Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED})

# What a reply's status becomes when the response has no such word.
_ELSE: Final[dict[type, tuple[str, str]]] = {
    SetProfile: ("SetChargingProfile", "Rejected"),
    ClearProfile: ("ClearChargingProfile", "Unknown"),
    RemoteStart: ("RequestStartTransaction", "Rejected"),
    RemoteStop: ("RequestStopTransaction", "Rejected"),
    Reset: ("Reset", "Rejected"),
    Trigger: ("TriggerMessage", "Rejected"),
    SetAvailability: ("ChangeAvailability", "Rejected"),
    Unlock: ("UnlockConnector", "UnlockFailed"),
    ReserveNow: ("ReserveNow", "Rejected"),
    CancelReservation: ("CancelReservation", "Rejected"),
}
_SET_WORDS: Final = schemas.words("2.0.1", "SetVariables", "conf", "attributeStatus")


# --- facts ------------------------------------------------------------------------------------------------------


def _read_boot(payload: Payload, cal: Calendar) -> Fact:
    station = opt_table(payload, "chargingStation") or {}
    return Booted(
        opt_text(station, "vendorName") or "",
        opt_text(station, "model") or "",
        opt_text(station, "firmwareVersion") or "",
        opt_text(station, "serialNumber") or "",
        opt_text(payload, "reason") or "Unknown",
    )


def _read_status(payload: Payload, cal: Calendar) -> Fact:
    status = one_of(payload, "connectorStatus", _STATUSES)
    at = opt_moment(payload, "timestamp", cal)
    return StatusChanged(whole(payload, "evseId", 0), whole(payload, "connectorId", 0), status, at)


def _read_event_data(payload: Payload, cal: Calendar) -> Fact:
    """The state of a connector where a NotifyEvent tells that alone; any other is Other."""
    try:
        (row,) = rows(payload, "eventData")
        component, variable = table(row, "component"), table(row, "variable")
        if (text(component, "name"), text(variable, "name")) != ("Connector", "AvailabilityState"):
            return Other("NotifyEvent", payload)
        place, status = table(component, "evse"), one_of(row, "actualValue", _STATUSES)
        return StatusChanged(whole(place, "id", 0), whole(place, "connectorId", 0), status, moment(row, "timestamp", cal))
    except (Unreadable, ValueError):
        return Other("NotifyEvent", payload)


def _read_meter(payload: Payload, cal: Calendar) -> Fact:
    found, context = samples.read(payload, cal)
    return Metered(whole(payload, "evseId", 0), found, None, context)


_FACTS: Final[dict[str, Any]] = {
    "BootNotification": _read_boot,
    "Heartbeat": lambda payload, cal: Alive(),
    "StatusNotification": _read_status,
    "Authorize": lambda payload, cal: AuthorizeAsked(text(table(payload, "idToken"), "idToken")),
    "TransactionEvent": read_event,
    "MeterValues": _read_meter,
    "NotifyEvent": _read_event_data,
    **READERS,
}


# --- answers ----------------------------------------------------------------------------------------------------


_PLAINLY_ANSWERED: Final = (
    Metered,
    StatusChanged,
    ChargingStateChanged,
    TransactionStarted,
    TransactionEnded,
    LimitImposed,
    LimitReleased,
    ReservationEnded,
)


# --- commands ---------------------------------------------------------------------------------------------------


def _read_clear(payload: Payload, cal: Calendar, how: Differences) -> Command:
    criteria = opt_table(payload, "chargingProfileCriteria") or {}
    return ClearProfile(
        opt_whole(payload, "chargingProfileId"),
        opt_whole(criteria, "evseId", 0),
        one_of(criteria, "chargingProfilePurpose", how.profile.purposes, None),
        opt_whole(criteria, "stackLevel", 0),
    )


def _read_remote_start(payload: Payload, cal: Calendar, how: Differences) -> Command:
    profile = opt_table(payload, "chargingProfile")
    return RemoteStart(
        text(table(payload, "idToken"), "idToken"),
        opt_whole(payload, "evseId", 1),
        whole(payload, "remoteStartId"),
        read_profile(profile, cal, how.profile) if profile is not None else None,
    )


def _read_reset(payload: Payload, cal: Calendar, how: Differences) -> Command:
    """A reset of one EVSE is outside the vocabulary."""
    if payload.get("evseId") is not None:
        return OtherCommand("Reset", payload)
    reset: Reset = one_of(payload, "type", how.resets)
    return reset


def _read_set_key(payload: Payload, cal: Calendar, how: Differences) -> Command:
    """Several variables at once are outside the vocabulary."""
    data = rows(payload, "setVariableData")
    if len(data) != 1:
        return OtherCommand("SetVariables", payload)
    return SetKey(_key(data[0]), text(data[0], "attributeValue"))


_AVAILABILITY: Final = {"Operative": True, "Inoperative": False}
_COMMANDS: Final[dict[str, Any]] = {
    "SetChargingProfile": lambda p, cal, how: SetProfile(
        whole(p, "evseId", 0), read_profile(table(p, "chargingProfile"), cal, how.profile)
    ),
    "ClearChargingProfile": _read_clear,
    "GetCompositeSchedule": lambda p, cal, how: GetComposite(
        whole(p, "evseId", 0), whole(p, "duration", 0), one_of(p, "chargingRateUnit", UNITS, None)
    ),
    "RequestStartTransaction": _read_remote_start,
    "RequestStopTransaction": lambda p, cal, how: RemoteStop(text(p, "transactionId")),
    "Reset": _read_reset,
    "TriggerMessage": lambda p, cal, how: Trigger(text(p, "requestedMessage"), _read_evse(p)),
    "ChangeAvailability": lambda p, cal, how: SetAvailability(_read_evse(p) or 0, one_of(p, "operationalStatus", _AVAILABILITY)),
    "GetVariables": lambda p, cal, how: GetKeys(tuple(_key(row) for row in rows(p, "getVariableData"))),
    "SetVariables": _read_set_key,
    "UnlockConnector": lambda p, cal, how: Unlock(whole(p, "evseId", 0), whole(p, "connectorId", 0)),
    "ReserveNow": read_reserve,
    "CancelReservation": lambda p, cal, how: CancelReservation(whole(p, "reservationId")),
}


# --- replies ----------------------------------------------------------------------------------------------------


def _with_reason(status: str, reply: Reply) -> Payload:
    return {"status": status} | ({"statusInfo": {"reasonCode": reply.reason[:20]}} if reply.reason else {})


def _write_composite(command: GetComposite, reply: CompositeReply, cal: Calendar, how: Dialect) -> Payload:
    if not reply.accepted or not reply.periods:
        return {"status": "Accepted" if reply.accepted else "Rejected"}
    if reply.start is None:
        raise ValueError("a 2.x composite schedule needs its start")
    return {
        "status": "Accepted",
        "schedule": {
            "evseId": command.evse,
            "duration": seconds(reply.duration_s),
            "scheduleStart": iso(cal, reply.start),
            "chargingRateUnit": reply.unit,
            "chargingSchedulePeriod": [write_period(period, how) for period in reply.periods],
        },
    }


# --- words ------------------------------------------------------------------------------------------------------


def _evse(evse: int | None) -> Payload | None:
    return None if evse is None else {"id": evse}


def _read_evse(payload: Payload) -> int | None:
    place = opt_table(payload, "evse")
    return whole(place, "id", 0) if place is not None else None


def _variable(key: str) -> Payload:
    component, dot, rest = key.partition(".")
    variable, _, instance = rest.partition(".")
    if not dot or not component or not variable:
        raise ValueError(f"variable {key!r} is not written Component.Variable")
    return {"component": {"name": component}, "variable": no_nones(name=variable, instance=instance or None)}


def _key(row: Payload) -> str:
    """Names that are empty or have a dot in them can't be written so."""
    variable = table(row, "variable")
    words = [text(table(row, "component"), "name"), text(variable, "name")]
    if any(not word or "." in word for word in words):
        raise Unreadable("property", f"name: {shown('.'.join(words))} is not the name of a component and its variable")
    instance = opt_text(variable, "instance")
    return ".".join([*words, instance] if instance else words)


def _result(key: str, status: str) -> Payload:
    return {"attributeStatus": status} | _variable(key)


def _taken(row: Payload) -> bool:
    return opt_text(row, "attributeStatus") == "Accepted"


# --- the codec --------------------------------------------------------------------------------------------------


class V2:
    """One of the 2.x versions (see `protocol.Codec`); what they differ in is `v2.DIFFERENCES`."""

    TELLS_OFFLINE = True

    def __init__(self, version: str) -> None:
        self.VERSION = version
        self.FACTS, self.COMMANDS = frozenset(_FACTS), frozenset(_COMMANDS) | frozenset(tokens.COMMANDS)
        self.LACKS: frozenset[type] = frozenset()
        self._how = DIFFERENCES[version]

    def write_fact(self, fact: Fact, cal: Calendar) -> tuple[str, Payload]:
        match fact:
            case Booted():
                station = no_nones(
                    model=fact.model[:20],
                    vendorName=fact.vendor[:50],
                    firmwareVersion=fact.firmware[:50] or None,
                    serialNumber=fact.serial[:25] or None,
                )
                reason = fact.reason if fact.reason in _BOOT_REASONS else "Unknown"
                return "BootNotification", {"reason": reason, "chargingStation": station}
            case Alive():
                return "Heartbeat", {}
            case StatusChanged():
                if fact.at is None:
                    raise ValueError(f"a {self.VERSION} StatusNotification needs its time")
                status = fact.status if fact.status in _OWN_STATUSES else Status.OCCUPIED
                return "StatusNotification", {
                    "timestamp": iso(cal, fact.at),
                    "connectorStatus": status.value,
                    "evseId": fact.evse,
                    "connectorId": fact.connector,
                }
            case AuthorizeAsked():
                return "Authorize", {"idToken": id_token(fact.token, self._how)}
            case Metered() if fact.tx is None:
                values = samples.write(fact.samples, fact.context, cal, samples.as_number)
                return "MeterValues", {"evseId": fact.evse, "meterValue": values}
            case TransactionStarted() | Metered() | ChargingStateChanged() | TransactionEnded():
                return "TransactionEvent", write_event(fact, cal, self._how)
            case LimitImposed() | LimitReleased() | ReservationEnded() | Other():
                return write_news(fact)

    def read_fact(self, action: str, payload: Payload, cal: Calendar) -> Fact:
        reader = _FACTS.get(action)
        return reader(payload, cal) if reader else Other(action, payload)

    def write_answer(self, fact: Fact, answer: Answer, cal: Calendar, payload: Payload | None = None) -> Payload:
        if payload is not None:
            return payload
        if isinstance(answer, Done) and isinstance(fact, _PLAINLY_ANSWERED):
            return {}
        match fact, answer:
            case Booted(), BootAnswer():
                return {"status": answer.status, "currentTime": iso(cal, answer.at), "interval": answer.interval_s}
            case Alive(), AliveAnswer():
                return {"currentTime": iso(cal, answer.at)}
            case ((AuthorizeAsked() | TransactionStarted() | TransactionEnded()), TokenAnswer()):
                return {"idTokenInfo": tokens.write_info(answer, cal, self.VERSION)}
            case Other(), Done():
                return {}
        raise ValueError(f"{type(answer).__name__} is no answer to {type(fact).__name__}")

    def read_answer(self, action: str, payload: Payload, cal: Calendar) -> Answer:
        if action == "BootNotification":
            return BootAnswer(one_of(payload, "status", _BOOTS), moment(payload, "currentTime", cal), whole(payload, "interval"))
        if action == "Heartbeat":
            return AliveAnswer(moment(payload, "currentTime", cal))
        if action == "Authorize":
            return tokens.info_of(payload, "idTokenInfo", cal)
        info = opt_table(payload, "idTokenInfo") if action == "TransactionEvent" else None
        return tokens.read_info(info, cal) if info else Done()

    def write_command(self, command: Command, cal: Calendar) -> tuple[str, Payload]:
        if isinstance(command, TokenCommand):
            return tokens.write_command(command, cal, self.VERSION)
        return self._write_core(settings.keyed(self.VERSION, command) if isinstance(command, SettingCommand) else command, cal)

    def _write_core(self, command: CoreCommand, cal: Calendar) -> tuple[str, Payload]:
        match command:
            case SetProfile():
                profile = write_profile(command.profile, cal, self._how.profile)
                return "SetChargingProfile", {"evseId": command.evse, "chargingProfile": profile}
            case ClearProfile():
                criteria = no_nones(
                    evseId=command.evse,
                    chargingProfilePurpose=self._how.profile.purpose(command.purpose) if command.purpose else None,
                    stackLevel=command.stack_level,
                )
                return "ClearChargingProfile", no_nones(
                    chargingProfileId=command.id, chargingProfileCriteria=criteria or None if command.id is None else None
                )
            case GetComposite():
                return "GetCompositeSchedule", no_nones(evseId=command.evse, duration=command.duration_s, chargingRateUnit=command.unit)
            case RemoteStart():
                return "RequestStartTransaction", no_nones(
                    idToken=id_token(command.token, self._how, "Central"),
                    remoteStartId=command.remote_start_id,
                    evseId=command.evse,
                    chargingProfile=write_profile(command.profile, cal, self._how.profile) if command.profile else None,
                )
            case RemoteStop():
                return "RequestStopTransaction", {"transactionId": tx_id(command.tx)}
            case Reset():
                return "Reset", no_nones(type=self._reset_word(replace(command, evse=0)), evseId=command.evse or None)
            case Trigger():
                return "TriggerMessage", no_nones(requestedMessage=command.message, evse=_evse(command.evse))
            case SetAvailability():
                word = "Operative" if command.operative else "Inoperative"
                return "ChangeAvailability", no_nones(operationalStatus=word, evse=_evse(command.evse or None))
            case GetKeys():
                if not command.keys:
                    raise ValueError(f"{self.VERSION} GetVariables needs the names of the variables")
                return "GetVariables", {"getVariableData": [_variable(key) for key in command.keys]}
            case SetKey():
                return "SetVariables", {"setVariableData": [{"attributeValue": command.value} | _variable(command.key)]}
            case Unlock():
                return "UnlockConnector", {"evseId": command.evse, "connectorId": command.connector}
            case ReserveNow() | CancelReservation() | OtherCommand():
                return write_more(command, cal, self._how)

    def _reset_word(self, reset: Reset) -> str:
        for word, meant in self._how.resets.items():
            if meant == reset:
                return word
        raise ValueError(f"{self.VERSION} has no reset after which transactions go on")

    def read_command(self, action: str, payload: Payload, cal: Calendar) -> Command:
        if action in tokens.COMMANDS:
            return tokens.COMMANDS[action](payload, cal)  # type: ignore[no-any-return]
        reader = _COMMANDS.get(action)
        return reader(payload, cal, self._how) if reader else OtherCommand(action, payload)

    def write_reply(self, command: Command, reply: CommandReply, cal: Calendar) -> Payload:
        if isinstance(command, TokenCommand):
            return tokens.write_reply(command, reply, self.VERSION)
        match command, reply:
            case GetComposite(), CompositeReply():
                return _write_composite(command, reply, cal, self._how.profile)
            case GetComposite(), Reply():
                return _with_reason("Accepted" if reply.accepted else "Rejected", reply)
            case GetKeys(), KeysReply():
                known = [_result(key, "Accepted") | {"attributeValue": value[:2500]} for key, value in reply.values.items()]
                return {"getVariableResult": known + [_result(key, "UnknownVariable") for key in reply.unknown]}
            case SetKey(), Reply():
                status = "UnknownVariable" if reply.status == "NotSupported" else reply.status
                return {"setVariableResult": [_result(command.key, status if status in _SET_WORDS else "Rejected")]}
            case OtherCommand(), Reply():
                return _with_reason(reply.status, reply)
            case _, Reply() if type(command) in _ELSE:
                action, otherwise = _ELSE[type(command)]
                status = "Unlocked" if isinstance(command, Unlock) and reply.accepted else reply.status
                words = schemas.words(self.VERSION, action, "conf", "status")
                return _with_reason(status if status in words else otherwise, reply)
        raise ValueError(f"{type(reply).__name__} is no reply to {type(command).__name__}")

    def read_reply(self, command: Command, payload: Payload, cal: Calendar) -> CommandReply:
        if isinstance(command, TokenCommand):
            return tokens.read_reply(command, payload)
        if isinstance(command, (GetKeys, GetSetting)):
            found = rows(payload, "getVariableResult")
            known = {_key(row): opt_text(row, "attributeValue") or "" for row in found if _taken(row)}
            reply = KeysReply(known, tuple(_key(row) for row in found if not _taken(row)))
            return settings.named(command, reply) if isinstance(command, GetSetting) else reply
        if isinstance(command, (SetKey, SetSetting)):
            results = rows(payload, "setVariableResult")
            if not results:
                raise Unreadable("occurrence", "setVariableResult: at least one result expected")
            return Reply(text(results[0], "attributeStatus"))
        if isinstance(command, OtherCommand):
            return Reply(opt_text(payload, "status") or "")
        status = text(payload, "status")
        if not isinstance(command, GetComposite):
            return Reply(status, opt_text(opt_table(payload, "statusInfo") or {}, "reasonCode") or "")
        schedule = opt_table(payload, "schedule")
        if schedule is None:
            return CompositeReply(status)
        return CompositeReply(
            status,
            opt_moment(schedule, "scheduleStart", cal),
            read_periods(schedule, self._how.profile),
            one_of(schedule, "chargingRateUnit", UNITS),
            opt_bounded(schedule, "duration") or 0.0,
        )
