"""The device model of a 2.x station as one table: components, variables and what is said of them (2.0.1 part 2, B05 to B08 and the
referenced components of the appendices; part 1, section 4).

`build(spec, version)` lays the table out for a station: once for the station, once for each EVSE, once for each connector. Values are
not kept here: a variable has a constant, a setting (`key`, in the station's memory) or something live (`reads`, see `services_device`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from chargekit.emulator.configuration import KEYS_OF_16, READINGS, REGISTER, Rule
from chargekit.model.site import ChargingStation, StationModel

Attribute = Literal["Actual", "Target", "MinSet", "MaxSet"]
Mutability = Literal["ReadOnly", "WriteOnly", "ReadWrite"]
DataType = Literal["string", "decimal", "integer", "dateTime", "boolean", "OptionList", "SequenceList", "MemberList"]
Where = Literal["station", "evse", "connector"]

ATTRIBUTES: Final[tuple[Attribute, ...]] = ("Actual", "Target", "MinSet", "MaxSet")
_KINDS: Final = {
    "integer": "whole", "decimal": "decimal", "boolean": "bool", "OptionList": "one", "MemberList": "some", "SequenceList": "some",
}  # fmt: skip
SUMMARY: Final = frozenset({"AvailabilityState", "Problem", "Available", "Enabled", "Active"})
"""Variables of a SummaryInventory: availability and condition (B07.FR.09)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a component. `values`: what it may be, comma separated. `default`: of its setting, where 1.6 has no such key.
    `more`: attributes beside Actual. `whole`: a list is only taken as a whole. `since`: the version that brought it."""

    component: str
    name: str
    data: DataType = "string"
    instance: str = ""
    value: str = ""
    key: str = ""
    reads: str = ""
    unit: str = ""
    values: str = ""
    low: float | None = None
    high: float | None = None
    mutability: Mutability = "ReadOnly"
    default: str = ""
    reboot: bool = False
    whole: bool = False
    watched: bool = False
    more: tuple[Attribute, ...] = ()
    where: Where = "station"
    since: str = "2.0.1"

    @property
    def rule(self) -> Rule:
        """What may be set."""
        kind: Any = "all" if self.whole else _KINDS.get(self.data, "text")
        return Rule(kind, self.low, self.high, self.values)


def _set(component: str, name: str, data: DataType, key: str = "", **more: Any) -> Variable:
    """A setting. Without a key of 1.6 it is kept under its own name."""
    instance = more.get("instance", "")
    own = ".".join(word for word in (component, name, instance) if word)
    return Variable(component, name, data, key=key or own, mutability=more.pop("mutability", "ReadWrite"), **more)


def _live(component: str, name: str, data: DataType, reads: str, **more: Any) -> Variable:
    return Variable(component, name, data, reads=reads, watched=more.pop("watched", True), **more)


def _const(component: str, name: str, data: DataType, value: str, **more: Any) -> Variable:
    return Variable(component, name, data, value=value, **more)


_STATES: Final = "Available,Occupied,Reserved,Unavailable,Faulted"
_TX_POINTS: Final = "Authorized,EVConnected,PowerPathClosed,EnergyTransfer"
_TX_LIMITS: Final = "maxCost,maxEnergy,maxTime,maxSoC"
_DER_MODES: Final = (
    "EnterService,FreqDroop,FreqWatt,FixedPFAbsorb,FixedPFInject,FixedVar,Gradients,HFMustTrip,HFMayTrip,HVMustTrip,HVMomCess,HVMayTrip,"
    "LimitMaxDischarge,LFMustTrip,LVMustTrip,LVMomCess,LVMayTrip,PowerMonitoringMustTrip,VoltVar,VoltWatt,WattPF,WattVar"
)
_TX_MESSAGES: Final = {"instance": "TransactionEvent"}
_REPORTING: Final = ("GetReport", "GetVariables", "SetVariables")
_MONITORING: Final = ("SetVariableMonitoring", "ClearVariableMonitoring")
_PERSISTENT: Final = ("TxProfile", "LocalGeneration", "ChargingStationExternalConstraints")
_PRIORITIES: Final = "AlwaysFront,InFront,NormalCycle"
_DISPLAY_STATES: Final = "Charging,Faulted,Idle,Unavailable"

TABLE: Final[tuple[Variable, ...]] = (
    # The station, its EVSEs and their connectors
    _live("ChargingStation", "AvailabilityState", "OptionList", "state", values=_STATES),
    _const("ChargingStation", "Available", "boolean", "true"),
    _live("ChargingStation", "Enabled", "boolean", "operative", watched=False),
    _live("ChargingStation", "Problem", "boolean", "problem"),
    _live("ChargingStation", "Model", "string", "model", watched=False),
    _live("ChargingStation", "VendorName", "string", "vendor", watched=False),
    _live("ChargingStation", "SerialNumber", "string", "serial", watched=False),
    _live("ChargingStation", "FirmwareVersion", "string", "firmware", watched=False),
    _live("ChargingStation", "SupplyPhases", "integer", "phases", watched=False),
    _set("ChargingStation", "AllowNewSessionsPendingFirmwareUpdate", "boolean", default="false"),
    _live("EVSE", "AvailabilityState", "OptionList", "state", values=_STATES, where="evse"),
    _const("EVSE", "Available", "boolean", "true", where="evse"),
    _live("EVSE", "Enabled", "boolean", "operative", where="evse", watched=False),
    _live("EVSE", "Problem", "boolean", "problem", where="evse"),
    _const("EVSE", "AllowReset", "boolean", "true", where="evse"),
    _live("EVSE", "Power", "decimal", "power", unit="W", low=0.0, more=("MaxSet",), where="evse"),
    _live("EVSE", "ACCurrent", "decimal", "current", unit="A", low=0.0, more=("MaxSet",), where="evse"),
    _live("EVSE", "SupplyPhases", "integer", "phases", where="evse", watched=False),
    _live("EVSE", "ActiveTransactionId", "string", "transaction", where="evse", since="2.1"),
    _live("Connector", "AvailabilityState", "OptionList", "state", values=_STATES, where="connector"),
    _const("Connector", "Available", "boolean", "true", where="connector"),
    _live("Connector", "Enabled", "boolean", "operative", where="connector", watched=False),
    _live("Connector", "Problem", "boolean", "problem", where="connector"),
    _live("Connector", "ConnectorType", "string", "type", where="connector", watched=False),
    _live("Connector", "SupplyPhases", "integer", "phases", where="connector", watched=False),
    # Communication
    _set("OCPPCommCtrlr", "HeartbeatInterval", "integer", "HeartbeatInterval", unit="s", low=1),
    _set("OCPPCommCtrlr", "WebSocketPingInterval", "integer", "WebSocketPingInterval", unit="s", low=0),
    _set("OCPPCommCtrlr", "MessageAttempts", "integer", "TransactionMessageAttempts", **_TX_MESSAGES, low=1, high=100),
    _set("OCPPCommCtrlr", "MessageAttemptInterval", "integer", "TransactionMessageRetryInterval", **_TX_MESSAGES, unit="s", low=0),
    _const("OCPPCommCtrlr", "MessageTimeout", "integer", "30", instance="Default", unit="s"),
    _set("OCPPCommCtrlr", "OfflineThreshold", "integer", "OfflineThreshold", default="60", unit="s", low=0),
    _set("OCPPCommCtrlr", "ResetRetries", "integer", "ResetRetries", low=0, high=10),
    _set("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "boolean", "UnlockConnectorOnEVSideDisconnect"),
    _set("OCPPCommCtrlr", "NetworkConfigurationPriority", "SequenceList", default="1", values="1", reboot=True),
    _const("OCPPCommCtrlr", "ActiveNetworkProfile", "string", "1"),
    _set("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "integer", default="3", low=1, high=100),
    _const("OCPPCommCtrlr", "FileTransferProtocols", "MemberList", "FTP,FTPS,HTTP,HTTPS,SFTP", values="FTP,FTPS,HTTP,HTTPS,SFTP"),
    _set("OCPPCommCtrlr", "RetryBackOffWaitMinimum", "integer", "RetryBackOffWaitMinimum", default="5", unit="s", low=0, high=86_400),
    _set("OCPPCommCtrlr", "RetryBackOffRandomRange", "integer", "RetryBackOffRandomRange", default="5", unit="s", low=0, high=86_400),
    _set("OCPPCommCtrlr", "RetryBackOffRepeatTimes", "integer", "RetryBackOffRepeatTimes", default="4", low=0, high=30),
    _const("OCPPCommCtrlr", "QueueAllMessages", "boolean", "false"),
    # Tokens
    _const("AuthCtrlr", "Enabled", "boolean", "true"),
    _set("AuthCtrlr", "AuthorizeRemoteStart", "boolean", "AuthorizeRemoteTxRequests"),
    _set("AuthCtrlr", "LocalAuthorizeOffline", "boolean", "LocalAuthorizeOffline"),
    _set("AuthCtrlr", "LocalPreAuthorize", "boolean", "LocalPreAuthorize"),
    _set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "boolean", "AllowOfflineTxForUnknownId"),
    _const("AuthCacheCtrlr", "Available", "boolean", "true"),
    _set("AuthCacheCtrlr", "Enabled", "boolean", "AuthorizationCacheEnabled"),
    _set("AuthCacheCtrlr", "LifeTime", "integer", "AuthCacheLifeTime", default="0", unit="s", low=0),
    _const("LocalAuthListCtrlr", "Available", "boolean", "true"),
    _set("LocalAuthListCtrlr", "Enabled", "boolean", "LocalAuthListEnabled"),
    _live("LocalAuthListCtrlr", "Entries", "integer", "list_entries", high=1000, more=("MaxSet",)),
    _const("LocalAuthListCtrlr", "ItemsPerMessage", "integer", "100"),
    _const("LocalAuthListCtrlr", "BytesPerMessage", "integer", "65536"),
    # Transactions and meter values
    _set("TxCtrlr", "EVConnectionTimeOut", "integer", "ConnectionTimeOut", unit="s", low=0),
    _set("TxCtrlr", "StopTxOnInvalidId", "boolean", "StopTransactionOnInvalidId"),
    _set("TxCtrlr", "StopTxOnEVSideDisconnect", "boolean", "StopTransactionOnEVSideDisconnect"),
    _set("TxCtrlr", "MaxEnergyOnInvalidId", "integer", "MaxEnergyOnInvalidId", unit="Wh", low=0),
    _set("TxCtrlr", "TxBeforeAcceptedEnabled", "boolean", "TxBeforeAcceptedEnabled", default="true"),
    _set("TxCtrlr", "TxStartPoint", "MemberList", "TxStartPoint", default="PowerPathClosed", values=_TX_POINTS),
    _set("TxCtrlr", "TxStopPoint", "MemberList", "TxStopPoint", default="PowerPathClosed", values=_TX_POINTS),
    _const("TxCtrlr", "SupportedLimits", "MemberList", _TX_LIMITS, values=_TX_LIMITS, since="2.1"),
    _set("AuthCtrlr", "MasterPassGroupId", "string", "MasterPassGroupId", default="", high=36),
    _set("AlignedDataCtrlr", "SendDuringIdle", "boolean", "AlignedDataSendDuringIdle", default="false"),
    _const("SampledDataCtrlr", "Available", "boolean", "true"),
    _const("SampledDataCtrlr", "Enabled", "boolean", "true"),
    _set("SampledDataCtrlr", "TxUpdatedInterval", "integer", "MeterValueSampleInterval", unit="s", low=0, high=86_400),
    _set("SampledDataCtrlr", "TxUpdatedMeasurands", "MemberList", "MeterValuesSampledData", values=READINGS),
    _set("SampledDataCtrlr", "TxStartedMeasurands", "MemberList", default=REGISTER, values=READINGS),
    _set("SampledDataCtrlr", "TxEndedMeasurands", "MemberList", default=REGISTER, values=READINGS),
    _const("SampledDataCtrlr", "TxEndedInterval", "integer", "0", unit="s"),
    _const("AlignedDataCtrlr", "Available", "boolean", "true"),
    _const("AlignedDataCtrlr", "Enabled", "boolean", "true"),
    _set("AlignedDataCtrlr", "Interval", "integer", "ClockAlignedDataInterval", unit="s", low=0, high=86_400),
    _set("AlignedDataCtrlr", "Measurands", "MemberList", "MeterValuesAlignedData", values=READINGS),
    _const("AlignedDataCtrlr", "TxEndedInterval", "integer", "0", unit="s"),
    _const("AlignedDataCtrlr", "TxEndedMeasurands", "MemberList", "", values=READINGS),
    # Smart charging and reservation
    _const("SmartChargingCtrlr", "Available", "boolean", "true"),
    _const("SmartChargingCtrlr", "Enabled", "boolean", "true"),
    _const("SmartChargingCtrlr", "ProfileStackLevel", "integer", KEYS_OF_16["ChargeProfileMaxStackLevel"].default),
    _live("SmartChargingCtrlr", "RateUnit", "MemberList", "rate_units", values="A,W", watched=False),
    _const("SmartChargingCtrlr", "PeriodsPerSchedule", "integer", KEYS_OF_16["ChargingScheduleMaxPeriods"].default),
    _live("SmartChargingCtrlr", "Entries", "integer", "profiles", instance="ChargingProfiles", more=("MaxSet",), high=64),
    _set("SmartChargingCtrlr", "LimitChangeSignificance", "decimal", default="5", unit="Percent", low=0, high=100),
    _const("SmartChargingCtrlr", "ExternalControlSignalsEnabled", "boolean", "true"),
    _set("SmartChargingCtrlr", "NotifyChargingLimitWithSchedules", "boolean", default="false"),
    _set("SmartChargingCtrlr", "ExternalConstraintsProfileDisallowed", "boolean", default="false", since="2.1"),
    _set("SmartChargingCtrlr", "SetpointPriority", "OptionList", default="ExternalSystem", values="ExternalSystem,CSMS", since="2.1"),
    *(_const("SmartChargingCtrlr", "ChargingProfilePersistence", "boolean", "true", instance=i, since="2.1") for i in _PERSISTENT),
    _live("SmartChargingCtrlr", "ACPhaseSwitchingSupported", "boolean", "phase_switching", watched=False),
    _live("SmartChargingCtrlr", "Phases3to1", "boolean", "phase_switching", watched=False),
    _const("ReservationCtrlr", "Available", "boolean", "true"),
    _const("ReservationCtrlr", "Enabled", "boolean", "true"),
    _const("ReservationCtrlr", "NonEvseSpecific", "boolean", "true"),
    # The device model itself
    *(_const("DeviceDataCtrlr", "ItemsPerMessage", "integer", "50", instance=i) for i in _REPORTING),
    *(_const("DeviceDataCtrlr", "BytesPerMessage", "integer", "65536", instance=i) for i in _REPORTING),
    _const("DeviceDataCtrlr", "ConfigurationValueSize", "integer", "1000"),
    _const("DeviceDataCtrlr", "ReportingValueSize", "integer", "2500"),
    _const("MonitoringCtrlr", "Available", "boolean", "true"),
    _set("MonitoringCtrlr", "Enabled", "boolean", default="true"),
    *(_const("MonitoringCtrlr", "ItemsPerMessage", "integer", "50", instance=i) for i in _MONITORING),
    *(_const("MonitoringCtrlr", "BytesPerMessage", "integer", "65536", instance=i) for i in _MONITORING),
    _set("MonitoringCtrlr", "OfflineQueuingSeverity", "integer", default="4", low=0, high=9),
    _live("MonitoringCtrlr", "ActiveMonitoringBase", "OptionList", "base", values="All,FactoryDefault,HardWiredOnly", watched=False),
    _live("MonitoringCtrlr", "ActiveMonitoringLevel", "integer", "level", watched=False),
    _const("MonitoringCtrlr", "MaxPeriodicEventStreams", "integer", "8", since="2.1"),
    # Clock and security
    _live("ClockCtrlr", "DateTime", "dateTime", "clock", watched=False),
    _const("ClockCtrlr", "TimeSource", "SequenceList", "Heartbeat", values="Heartbeat"),
    _set("SecurityCtrlr", "OrganizationName", "string", "CpoName", high=50),
    _set("SecurityCtrlr", "SecurityProfile", "integer", "SecurityProfile", mutability="ReadOnly"),
    _const("SecurityCtrlr", "CertificateEntries", "integer", "0", high=20, more=("MaxSet",)),
    _set("SecurityCtrlr", "BasicAuthPassword", "string", "AuthorizationKey", mutability="WriteOnly", high=40),
    _const("SecurityCtrlr", "AdditionalRootCertificateCheck", "boolean", "false"),
    _live("SecurityCtrlr", "Identity", "string", "id", watched=False),
    # Display and cost
    _const("DisplayMessageCtrlr", "Available", "boolean", "true"),
    _const("DisplayMessageCtrlr", "Enabled", "boolean", "true"),
    _live("DisplayMessageCtrlr", "DisplayMessages", "integer", "messages", high=16, more=("MaxSet",)),
    _const("DisplayMessageCtrlr", "SupportedFormats", "MemberList", "ASCII,UTF8,URI", values="ASCII,HTML,URI,UTF8,QRCODE"),
    _const("DisplayMessageCtrlr", "SupportedPriorities", "MemberList", _PRIORITIES, values=_PRIORITIES),
    _const("DisplayMessageCtrlr", "SupportedStates", "MemberList", _DISPLAY_STATES, values=_DISPLAY_STATES),
    _const("DisplayMessageCtrlr", "Language", "OptionList", "en", values="en,de,fr,nl", since="2.1"),
    *(_const("TariffCostCtrlr", "Available", "boolean", "true", instance=i) for i in ("Tariff", "Cost")),
    *(_set("TariffCostCtrlr", "Enabled", "boolean", instance=i, default="true") for i in ("Tariff", "Cost")),
    _set("TariffCostCtrlr", "Currency", "string", default="EUR", high=3),
    _set("TariffCostCtrlr", "TariffFallbackMessage", "string", default="Please ask the operator for the tariff.", high=255),
    _set("TariffCostCtrlr", "TotalCostFallbackMessage", "string", default="Your operator will tell you the cost.", high=255),
    _const("TariffCostCtrlr", "MaxElements", "integer", "20", instance="Tariff", since="2.1"),
    _const("TariffCostCtrlr", "ConditionsSupported", "boolean", "false", instance="Tariff", since="2.1"),
    # Distributed energy resources: kept and scheduled, see services_der
    _const("ACDERCtrlr", "ModesSupported", "MemberList", _DER_MODES, values=_DER_MODES, since="2.1"),
)  # fmt: skip

SETTINGS: Final[dict[str, str]] = {v.key: v.default for v in TABLE if v.key and v.key not in KEYS_OF_16}
"""Settings 1.6 has no key for, with their defaults; their names have a dot."""
DER_MODES: Final = frozenset(_DER_MODES.split(","))


@dataclass(frozen=True, slots=True)
class Entry:
    """A variable at its place. `evse` 0 and `connector` 0: the station."""

    variable: Variable
    evse: int = 0
    connector: int = 0

    @property
    def component(self) -> dict[str, Any]:
        """ComponentType."""
        found: dict[str, Any] = {"name": self.variable.component}
        if self.evse:
            found["evse"] = {"id": self.evse} | ({"connectorId": self.connector} if self.connector else {})
        return found

    @property
    def named(self) -> dict[str, Any]:
        """VariableType."""
        return {"name": self.variable.name} | ({"instance": self.variable.instance} if self.variable.instance else {})

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return ("Actual", *self.variable.more)

    def characteristics(self) -> dict[str, Any]:
        """VariableCharacteristicsType."""
        v = self.variable
        found: dict[str, Any] = {"dataType": v.data, "supportsMonitoring": v.watched}
        for name, value in (("unit", v.unit), ("minLimit", v.low), ("maxLimit", v.high), ("valuesList", v.values)):
            if value not in ("", None):
                found[name] = value
        if v.data == "string":
            found.pop("maxLimit", None)
            if v.high is not None:
                found["maxLimit"] = v.high
        return found


@cache
def _rows(model: StationModel, version: str) -> tuple[Entry, ...]:
    return tuple(_lay(model, version))


def _lay(model: StationModel, version: str) -> Iterator[Entry]:
    for v in TABLE:
        if v.since > version:
            continue
        if v.where == "station":
            yield Entry(v)
        for evse in model.evses:
            if v.where == "evse":
                yield Entry(v, evse.id)
            if v.where == "connector":
                for connector in evse.connectors:
                    yield Entry(v, evse.id, connector.id)


def build(spec: ChargingStation, version: str) -> tuple[Entry, ...]:
    """Every variable of a station, in the table's order."""
    return _rows(spec.model, version)


def same(left: str, right: object) -> bool:
    """Names are compared without regard to case (part 1, 4.1.1: CaseInsensitive)."""
    return isinstance(right, str) and left.lower() == right.lower()


def at_place(entry: Entry, component: Mapping[str, Any], *, wide: bool) -> bool:
    """Whether an entry belongs to a component asked for. `wide`: what is left out matches all (reports), else nothing is left out."""
    if not same(entry.variable.component, component.get("name")) or component.get("instance"):
        return False
    evse = component.get("evse")
    if not isinstance(evse, Mapping):
        return wide or entry.evse == 0
    if evse.get("id") != entry.evse:
        return False
    connector = evse.get("connectorId")
    return (wide and connector is None) or (connector or 0) == entry.connector


def is_variable(entry: Entry, variable: Mapping[str, Any], *, wide: bool) -> bool:
    """Whether an entry is a variable asked for; `wide`: a missing instance matches every instance (B08.FR.21)."""
    if not same(entry.variable.name, variable.get("name")):
        return False
    instance = variable.get("instance") or ""
    return (wide and not instance) or same(entry.variable.instance, instance)
