"""What the CSMS answers to everything a station may send: one row an action, the only place where that is said.

Rows without `answer` are facts of the vocabulary: the CSMS learns from them and the codec writes what it found. Actions without a row are
those only a CSMS sends: a station that sends one is told NotSupported by the Session. This CSMS has no OCSP responder, no pool of contract
certificates, no register of companies and no schedules for ISO 15118: it says so in the words of the schema.

Rows must stand whatever a payload holds, for the CSMS delivers invalid ones, too; what is kept of a station (`Told`) is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from chargekit.controller.security_desk import csr
from chargekit.model.calendar import Calendar
from chargekit.model.profile import ChargingProfile, Kind
from chargekit.wire import Unreadable, codec
from chargekit.wire.fields import iso, moment
from chargekit.wire.messages import ClearProfile, Command, OtherCommand, RemoteStart, SetProfile

Payload = dict[str, Any]
MOST_STREAMS: Final = 16
MOST_VALUES: Final = 20
LONGEST_VALUE: Final = 100
MOST_DYNAMIC: Final = 32
MOST_CHECKED: Final = 4
OLD, ALL, TWO, NEW = ("1.6",), ("1.6", "2.0.1", "2.1"), ("2.0.1", "2.1"), ("2.1",)
_HASHES: Final = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
_UPDATES: Final = tuple(
    f"{name}{phase}" for name in ("limit", "dischargeLimit", "setpoint", "setpointReactive") for phase in ("", "_L2", "_L3")
)


@dataclass(slots=True)
class Stream:
    """A periodic event stream a station opened: its monitor, and its last values as (run seconds by its clock, text)."""

    monitor: int
    pending: int = 0
    values: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_VALUES))


@dataclass(slots=True)
class Told:
    """What is kept of one station for the sake of its answers: open streams by id, and the dynamic profiles it took, by id, with what a
    pull is answered."""

    streams: dict[int, Stream] = field(default_factory=dict)
    dynamic: dict[int, tuple[int | None, ChargingProfile, Payload]] = field(default_factory=dict)

    def taken(self, command: Command, version: str, calendar: Calendar) -> None:
        """A station accepted a command: the dynamic profiles it has now (K28)."""
        match command:
            case SetProfile() | RemoteStart() if command.profile is not None:
                profile = command.profile
                self.dynamic.pop(profile.id, None)
                if profile.kind is Kind.DYNAMIC and len(self.dynamic) < MOST_DYNAMIC:
                    _, written = codec(version).write_command(command, calendar)
                    period = written["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]
                    self.dynamic[profile.id] = (command.evse, profile, {k: period[k] for k in _UPDATES if k in period})
            case ClearProfile():
                for gone in [i for i, (evse, profile, _) in self.dynamic.items() if _clears(command, evse, profile)]:
                    del self.dynamic[gone]
            case OtherCommand("UpdateDynamicSchedule", payload) if payload.get("chargingProfileId") in self.dynamic:
                ident = payload["chargingProfileId"]
                assert isinstance(ident, int)
                evse, profile, update = self.dynamic[ident]
                self.dynamic[ident] = (evse, profile, update | _some(payload.get("scheduleUpdate"), _UPDATES))
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Asked:
    """One message of a station. `now` is run seconds; `certifies`: somebody behind this CSMS signs certificates."""

    version: str
    payload: Payload
    told: Told
    now: float
    calendar: Calendar
    certifies: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`how`: the answer in words."""

    action: str
    versions: tuple[str, ...]
    clause: str
    how: str
    answer: Callable[[Asked], Payload] | None = None


def answer_to(action: str, asked: Asked) -> Payload:
    """The response payload for an action outside the vocabulary (or one of it that told nothing new). KeyError without a row."""
    answer = _rows(asked.version)[action].answer
    return answer(asked) if answer is not None else {}


@cache
def answered(version: str) -> frozenset[str]:
    """Every action of a version this CSMS takes from a station, SENDs included."""
    return frozenset(_rows(version))


def row_of(version: str, action: str) -> Row:
    """KeyError for an action stations do not send."""
    return _rows(version)[action]


@cache
def _rows(version: str) -> dict[str, Row]:
    return {row.action: row for row in ROWS if version in row.versions}


# --- what is done ------------------------------------------------------------------------------------------------


def _nothing(asked: Asked) -> Payload:
    return {}


def _refused(reason: str = "", status: str = "Rejected") -> Callable[[Asked], Payload]:
    def answer(asked: Asked) -> Payload:
        return {"status": status} | ({"statusInfo": {"reasonCode": reason}} if reason and asked.version != "1.6" else {})

    return answer


def _sign(asked: Asked) -> Payload:
    return {"status": "Accepted" if asked.certifies and csr(asked.payload) else "Rejected"}


def _ev_certificate(asked: Asked) -> Payload:
    return {"status": "Failed", "exiResponse": ""}


def _chain_status(asked: Asked) -> Payload:
    """Nothing is downloaded, so every certificate's status is Failed, and not for keeping: the next update is now."""
    found, at = asked.payload.get("certificateStatusRequests"), iso(asked.calendar, asked.now)
    rows = [row for row in found[:MOST_CHECKED] if isinstance(row, dict)] if isinstance(found, list) else []
    return {"certificateStatus": [_unchecked(row, at) for row in rows]}


def _unchecked(row: Payload, at: str | None) -> Payload:
    data = _some(row.get("certificateHashData"), _HASHES)
    return {"certificateHashData": data, "source": row.get("source"), "status": "Failed", "nextUpdate": at}


def _charging_needs(asked: Asked) -> Payload:
    """No schedule follows: Rejected in ISO 15118-2, NoChargingProfile in ISO 15118-20, the only one with a control mode."""
    needs = asked.payload.get("chargingNeeds")
    new = asked.version == "2.1" and isinstance(needs, dict) and needs.get("controlMode") is not None
    return {"status": "NoChargingProfile" if new else "Rejected"}


def _ev_schedule(asked: Asked) -> Payload:
    return {"status": "Accepted"}


def _vat_number(asked: Asked) -> Payload:
    number, evse = asked.payload.get("vatNumber"), asked.payload.get("evseId")
    return {"vatNumber": number, "status": "Rejected"} | ({"evseId": evse} if evse is not None else {})


def _pull(asked: Asked) -> Payload:
    ident = asked.payload.get("chargingProfileId")
    kept = asked.told.dynamic.get(ident) if isinstance(ident, int) else None
    if kept is None:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}
    return {"status": "Accepted", "scheduleUpdate": kept[2]}


def _open_stream(asked: Asked) -> Payload:
    """Opened anew (a station that lost its power) it starts empty."""
    data = _some(asked.payload.get("constantStreamData"), ("id", "variableMonitoringId"))
    ident, monitor = data.get("id"), data.get("variableMonitoringId")
    if not isinstance(ident, int) or not isinstance(monitor, int):
        return {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidValue"}}
    if ident not in asked.told.streams and len(asked.told.streams) >= MOST_STREAMS:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "OutOfMemory"}}
    asked.told.streams[ident] = Stream(monitor)
    return {"status": "Accepted"}


def _close_stream(asked: Asked) -> Payload:
    ident = asked.payload.get("id")
    if isinstance(ident, int):
        asked.told.streams.pop(ident, None)
    return {}


def hear_stream(asked: Asked) -> str:
    """Keep the last values of a valid NotifyPeriodicEventStream; nobody answers it (N15.FR.02). What is wrong with it, or nothing."""
    payload = asked.payload
    stream = asked.told.streams.get(payload["id"])
    if stream is None:
        return f"stream {payload['id']} is not open"
    try:
        base = moment(payload, "basetime", asked.calendar)
    except Unreadable as why:
        return why.text
    stream.pending = payload["pending"]
    for one in payload["data"][-MOST_VALUES:]:
        stream.values.append((base + one["t"], one["v"][:LONGEST_VALUE]))
    return ""


def _some(data: object, names: tuple[str, ...]) -> Payload:
    return {name: data[name] for name in names if name in data} if isinstance(data, dict) else {}


def _clears(command: ClearProfile, evse: int | None, profile: ChargingProfile) -> bool:
    if command.id is not None:
        return profile.id == command.id
    wanted = ((command.evse, evse), (command.purpose, profile.purpose), (command.stack_level, profile.stack_level))
    return all(want is None or want == has for want, has in wanted)


# --- the table -------------------------------------------------------------------------------------------------

_EMPTY = "empty"
ROWS: Final = (
    Row("Authorize", ALL, "1.6 section 4.1; C01.FR.07", "the token's status"),
    Row("BootNotification", ALL, "1.6 section 4.2; B01.FR.04", "Accepted, time, heartbeat interval"),
    Row("Heartbeat", ALL, "1.6 section 4.6; G02.FR.03", "the time"),
    Row("StatusNotification", ALL, "1.6 section 4.9; G01", f"read; {_EMPTY}"),
    Row("MeterValues", ALL, "1.6 section 4.7; J01.FR.18", f"read; {_EMPTY}"),
    Row("StartTransaction", OLD, "1.6 section 4.8", "transaction id, the token's status"),
    Row("StopTransaction", OLD, "1.6 section 4.10", "the token's status where one was told, else empty"),
    Row("TransactionEvent", TWO, "E01 to E06; J02.FR.19", "the token's status where one was told, else empty"),
    Row("NotifyEvent", TWO, "N07.FR.03; G01.FR.03", f"a connector's state is read; {_EMPTY}"),
    Row("DataTransfer", ALL, "1.6 section 4.3; P02.FR.06", "UnknownVendorId", _refused(status="UnknownVendorId")),
    Row("DiagnosticsStatusNotification", OLD, "1.6 section 4.4", _EMPTY, _nothing),
    Row("FirmwareStatusNotification", ALL, "1.6 section 4.5; L01", _EMPTY, _nothing),
    Row("SignedFirmwareStatusNotification", OLD, "security whitepaper L01", _EMPTY, _nothing),
    Row("LogStatusNotification", ALL, "security whitepaper N01; N01", _EMPTY, _nothing),
    Row("SecurityEventNotification", ALL, "security whitepaper A04; A04.FR.03", f"noted; {_EMPTY}", _nothing),
    Row("SignCertificate", ALL, "A02.FR.11, FR.12", "Accepted, then CertificateSigned, where there is a CA; else Rejected", _sign),
    Row("GetCertificateStatus", TWO, "M06.FR.04", "Failed: no OCSP", _refused(status="Failed")),
    Row("GetCertificateChainStatus", NEW, "M07.FR.02, FR.05", "Failed for each certificate: no OCSP, no CRL", _chain_status),
    Row("Get15118EVCertificate", TWO, "M01, M02", "Failed: no contract certificates", _ev_certificate),
    Row("NotifyEVChargingNeeds", TWO, "K15.FR.04; K18.FR.04, K19.FR.04", "Rejected, or NoChargingProfile in ISO 15118-20", _charging_needs),
    Row("NotifyEVChargingSchedule", TWO, "K15.FR.11", "Accepted", _ev_schedule),
    Row("NotifyReport", TWO, "B07.FR.03", _EMPTY, _nothing),
    Row("NotifyMonitoringReport", TWO, "N02", _EMPTY, _nothing),
    Row("NotifyCustomerInformation", TWO, "N09", _EMPTY, _nothing),
    Row("NotifyDisplayMessages", TWO, "O03", _EMPTY, _nothing),
    Row("NotifyChargingLimit", TWO, "K11, K12", _EMPTY, _nothing),
    Row("ClearedChargingLimit", TWO, "K13", _EMPTY, _nothing),
    Row("ReportChargingProfiles", TWO, "K09", _EMPTY, _nothing),
    Row("ReservationStatusUpdate", TWO, "H04", _EMPTY, _nothing),
    Row("PublishFirmwareStatusNotification", TWO, "L03", _EMPTY, _nothing),
    Row("PullDynamicScheduleUpdate", NEW, "K28.FR.07, FR.12", "the values of a dynamic profile the station took; else Rejected", _pull),
    Row("NotifyPriorityCharging", NEW, "K21.FR.09, K22.FR.06", _EMPTY, _nothing),
    Row("NotifyDERAlarm", NEW, "R05", _EMPTY, _nothing),
    Row("NotifyDERStartStop", NEW, "R04", _EMPTY, _nothing),
    Row("ReportDERControl", NEW, "R04", _EMPTY, _nothing),
    Row("NotifySettlement", NEW, "C21.FR.04", "empty: receipts are the station's", _nothing),
    Row("VatNumberValidation", NEW, "part 2 section 1.91", "Rejected: no register of companies", _vat_number),
    Row("BatterySwap", NEW, "S03", _EMPTY, _nothing),
    Row("OpenPeriodicEventStream", NEW, "N11.FR.04 to FR.06", f"Accepted for up to {MOST_STREAMS} streams; else Rejected", _open_stream),
    Row("ClosePeriodicEventStream", NEW, "N13.FR.02", _EMPTY, _close_stream),
    Row("NotifyPeriodicEventStream", NEW, "N15.FR.02", f"a SEND: not answered; the last {MOST_VALUES} values are kept"),
)
