"""The version-neutral vocabulary: what a station tells (facts), what it is told (commands), and the answers.

`v16` and `v201` (2.0.1 and 2.1) translate between these and the payloads of the wire; nothing above `wire/` branches on a version.
All times are run seconds, energies Wh, currents amperes per phase. A `tx` is the transaction's id on the wire as
text; in 1.6 the central system assigns it in the answer to the start, so a starting station leaves it None there.
`ref` is the station's own handle for a transaction, never sent in 1.6 and equal to `tx` in 2.x.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from chargekit.model.metering import MeterSample
from chargekit.model.profile import ChargingProfile, Period, Purpose, RateUnit


class Status(StrEnum):
    """Connector status with the finer grain of 1.6; 2.x folds the middle ones into Occupied."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    OCCUPIED = "Occupied"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


# --- facts: station to CSMS -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booted:
    vendor: str
    model: str
    firmware: str = ""
    serial: str = ""
    reason: str = "PowerUp"


@dataclass(frozen=True, slots=True)
class Alive:
    """A heartbeat."""


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """`evse` 0 is the station itself (1.6 connector 0)."""

    evse: int
    connector: int
    status: Status
    at: float | None = None
    error: str = "NoError"


@dataclass(frozen=True, slots=True)
class AuthorizeAsked:
    token: str


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """`sample`: all that is told of the meter, where that is more than its register (2.x; written only)."""

    evse: int
    token: str
    ref: str
    at: float
    register_wh: float
    tx: str | None = None
    connector: int = 1
    offline: bool = False
    remote_start_id: int | None = None
    seq: int = 0
    sample: MeterSample | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """Meter values; `tx` None outside a transaction."""

    evse: int
    samples: tuple[MeterSample, ...]
    tx: str | None = None
    context: Literal["Sample.Periodic", "Sample.Clock", "Transaction.Begin", "Transaction.End", "Trigger"] = "Sample.Periodic"
    offline: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True)
class ChargingStateChanged:
    """Only 2.x sends this inside a transaction (TransactionEvent Updated); 1.6 tells it by StatusChanged."""

    evse: int
    tx: str
    status: Status
    at: float
    offline: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """`sample`: as of TransactionStarted."""

    evse: int
    tx: str
    at: float
    register_wh: float
    reason: str = "Local"
    token: str | None = None
    offline: bool = False
    seq: int = 0
    sample: MeterSample | None = None


@dataclass(frozen=True, slots=True)
class LimitImposed:
    """Something outside OCPP limits the station (`evse` 0) or an EVSE; `source` as on the wire (EMS, SO, Other, ...). Not in 1.6.
    `limit_a`: to what, where it tells; `generates`: what is generated there comes on top instead (2.1). Both are read only."""

    evse: int
    source: str
    limit_a: float | None = None
    generates: bool = False


@dataclass(frozen=True, slots=True)
class LimitReleased:
    """It no longer does. Not in 1.6."""

    evse: int
    source: str


@dataclass(frozen=True, slots=True)
class ReservationEnded:
    """A reservation ended by itself: `why` as on the wire (Expired, Removed, ...). 1.6 tells it by StatusChanged alone."""

    id: int
    why: str


@dataclass(frozen=True, slots=True)
class Other:
    """A message understood by name only; `payload` as received."""

    action: str
    payload: dict[str, object]


Fact = (
    Booted
    | Alive
    | StatusChanged
    | AuthorizeAsked
    | TransactionStarted
    | Metered
    | ChargingStateChanged
    | TransactionEnded
    | LimitImposed
    | LimitReleased
    | ReservationEnded
    | Other
)


# --- answers of the CSMS to facts -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BootAnswer:
    status: Literal["Accepted", "Pending", "Rejected"]
    at: float
    interval_s: int


@dataclass(frozen=True, slots=True)
class AliveAnswer:
    at: float


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """Authorize, and the token part of a transaction's start or end. `status` as on the wire: Accepted, Blocked,
    Expired, Invalid, ConcurrentTx, ... `tx` is set in the answer to a 1.6 start. `group`: parentIdTag or groupIdToken;
    `until`: when the token expires."""

    status: str
    tx: str | None = None
    group: str = ""
    until: float | None = None

    @property
    def accepted(self) -> bool:
        return self.status == "Accepted"


@dataclass(frozen=True, slots=True)
class Done:
    """An answer without content."""


Answer = BootAnswer | AliveAnswer | TokenAnswer | Done


# --- commands: CSMS to station ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetProfile:
    evse: int
    profile: ChargingProfile


@dataclass(frozen=True, slots=True)
class ClearProfile:
    """Absent fields match anything; `id` given means the others are ignored."""

    id: int | None = None
    evse: int | None = None
    purpose: Purpose | None = None
    stack_level: int | None = None


@dataclass(frozen=True, slots=True)
class GetComposite:
    evse: int
    duration_s: int
    unit: RateUnit | None = None


@dataclass(frozen=True, slots=True)
class RemoteStart:
    token: str
    evse: int | None = None
    remote_start_id: int = 0
    profile: ChargingProfile | None = None


@dataclass(frozen=True, slots=True)
class RemoteStop:
    tx: str


@dataclass(frozen=True, slots=True)
class Reset:
    """`hard`: 1.6 Hard / 2.x Immediate; otherwise Soft / OnIdle. `resume`: transactions are to go on afterwards (2.1
    ImmediateAndResume, B13); the other versions have no word for it. `evse`: that one alone (2.x); written only, a station reads
    it as OtherCommand."""

    hard: bool
    resume: bool = False
    evse: int = 0


@dataclass(frozen=True, slots=True)
class Trigger:
    """Ask for BootNotification, Heartbeat, StatusNotification or MeterValues by that name."""

    message: str
    evse: int | None = None


@dataclass(frozen=True, slots=True)
class SetAvailability:
    evse: int
    operative: bool


@dataclass(frozen=True, slots=True)
class GetKeys:
    """Configuration keys (1.6) or variables written `Component.Variable` (2.x); empty asks for all."""

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetKey:
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Unlock:
    evse: int
    connector: int = 1


class Setting(StrEnum):
    """Settings by neutral name: configuration keys in 1.6, variables in 2.x (see `settings`)."""

    LOCAL_PREAUTHORISE = "LocalPreAuthorise"
    LOCAL_AUTHORISE_OFFLINE = "LocalAuthoriseOffline"
    OFFLINE_TX_FOR_UNKNOWN = "OfflineTxForUnknownToken"
    AUTH_CACHE = "AuthorisationCache"
    LOCAL_LIST = "LocalAuthorisationList"
    STOP_ON_INVALID = "StopOnInvalidToken"
    MAX_ENERGY_ON_INVALID_WH = "MaxEnergyOnInvalidTokenWh"
    STOP_ON_UNPLUG = "StopOnUnplug"
    CONNECTION_TIMEOUT_S = "ConnectionTimeoutS"
    SAMPLE_INTERVAL_S = "SampleIntervalS"
    MESSAGE_ATTEMPTS = "MessageAttempts"
    MESSAGE_INTERVAL_S = "MessageIntervalS"
    OFFLINE_THRESHOLD_S = "OfflineThresholdS"
    BACK_OFF_MINIMUM_S = "BackOffMinimumS"
    BACK_OFF_RANDOM_S = "BackOffRandomS"
    BACK_OFF_REPEATS = "BackOffRepeats"


@dataclass(frozen=True, slots=True)
class SetSetting:
    """A station reads it as the SetKey it is on the wire."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class GetSetting:
    """Answered by a KeysReply under the neutral name. A station reads it as the GetKeys it is on the wire."""

    name: str


@dataclass(frozen=True, slots=True)
class ListedToken:
    """An entry of a local authorisation list; without status it takes the token off the list (in a differential update)."""

    token: str
    status: str | None = "Accepted"
    group: str = ""
    until: float | None = None


@dataclass(frozen=True, slots=True)
class SendLocalList:
    """`full` replaces the list by these tokens, otherwise they are changes to it."""

    version: int
    tokens: tuple[ListedToken, ...] = ()
    full: bool = True


@dataclass(frozen=True, slots=True)
class GetLocalListVersion:
    """Answered by a ListVersionReply."""


@dataclass(frozen=True, slots=True)
class ClearCache:
    """Forget the authorisation cache."""


TokenCommand = SendLocalList | GetLocalListVersion | ClearCache
SettingCommand = SetSetting | GetSetting


@dataclass(frozen=True, slots=True)
class ReserveNow:
    """Hold an EVSE (0: any) for a token, or whoever is of its group, until a run second."""

    id: int
    evse: int
    token: str
    until: float
    group: str = ""


@dataclass(frozen=True, slots=True)
class CancelReservation:
    id: int


@dataclass(frozen=True, slots=True)
class OtherCommand:
    action: str
    payload: dict[str, object]


CoreCommand = (
    SetProfile
    | ClearProfile
    | GetComposite
    | RemoteStart
    | RemoteStop
    | Reset
    | Trigger
    | SetAvailability
    | GetKeys
    | SetKey
    | Unlock
    | ReserveNow
    | CancelReservation
    | OtherCommand
)
Command = CoreCommand | TokenCommand | SettingCommand


# --- answers of the station to commands -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` is the wire's word (Accepted, Rejected, Unknown, NotSupported, Scheduled, ...)."""

    status: str
    reason: str = ""

    @property
    def accepted(self) -> bool:
        return self.status == "Accepted"


@dataclass(frozen=True, slots=True)
class CompositeReply:
    status: str
    start: float | None = None
    periods: tuple[Period, ...] = ()
    unit: RateUnit = "A"
    duration_s: float = 0.0

    @property
    def accepted(self) -> bool:
        return self.status == "Accepted"


@dataclass(frozen=True, slots=True)
class KeysReply:
    values: dict[str, str]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListVersionReply:
    """The version of the local list: 0 where it is empty or, in 2.x, there is none; -1 where 1.6 has none (1.6 section 5.10; D02)."""

    version: int


CommandReply = Reply | CompositeReply | KeysReply | ListVersionReply
