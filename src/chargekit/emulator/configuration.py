"""The configuration keys of a 1.6 station as one table (1.6 section 9; the security whitepaper, section 3), and how a value is checked.

Settings whose name has a dot are variables of 2.x that 1.6 has no word for (`device_model`); they live in the same memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["whole", "bool", "text", "all", "some", "one", "rotation", "decimal"]

MEASURANDS: Final = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage"
"""What a station's own meter shows."""
READINGS: Final = f"{MEASURANDS},SoC"
"""What a list of measurands may name; the state of charge is told where the vehicle tells it."""
REGISTER: Final = "Energy.Active.Import.Register"
LONGEST: Final = 500
ROTATION: Final = re.compile(r"\d{1,3}\.(NotApplicable|Unknown|RST|RTS|SRT|STR|TRS|TSR)")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a setting may be. `all`: the whole list `words` in any order, or nothing; `some`: any of the list; `one`: one word of it."""

    kind: Kind = "text"
    low: float | None = None
    high: float | None = None
    words: str = ""

    def read(self, value: str) -> str | None:
        """The value as it is kept; None when it is not allowed."""
        match self.kind:
            case "bool":
                return value.lower() if value.lower() in ("true", "false") else None
            case "whole" | "decimal":
                return self._number(value)
            case "all" | "some":
                named = [w.strip() for w in value.split(",") if w.strip()]
                known = self.words.split(",")
                if len(set(named)) != len(named) or not set(named) <= set(known) or (self.kind == "all" and 0 < len(named) < len(known)):
                    return None
                return ",".join(named)
            case "one":
                return value if value in self.words.split(",") else None
            case "rotation":
                named = [w.strip() for w in value.split(",")]
                return ",".join(named) if all(ROTATION.fullmatch(w) for w in named) else None
            case _:
                return value if len(value) <= (self.high or LONGEST) else None

    def _number(self, value: str) -> str | None:
        pattern = r"-?\d{1,9}" if self.kind == "whole" else r"-?\d{1,9}(\.\d{1,9})?"
        if not value.isascii() or not re.fullmatch(pattern, value):
            return None
        number = float(value)
        inside = (self.low is None or number >= self.low) and (self.high is None or number <= self.high)
        return value if inside else None


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `hidden`: written, never read (security whitepaper A00.FR.507). `reboot`: in force after a reboot."""

    default: str
    rule: Rule = Rule()
    readonly: bool = False
    reboot: bool = False
    hidden: bool = False


def _whole(default: int, low: int = 0, high: int = 2**31 - 1) -> Key:
    return Key(str(default), Rule("whole", low, min(high, 999_999_999)))


def _bool(default: bool) -> Key:
    return Key(str(default).lower(), Rule("bool"))


def _fixed(value: str) -> Key:
    return Key(value, readonly=True)


KEYS_OF_16: Final[dict[str, Key]] = {
    # Core (9.1)
    "AllowOfflineTxForUnknownId": _bool(False),
    "AuthorizationCacheEnabled": _bool(True),
    "AuthorizeRemoteTxRequests": _bool(False),
    "ClockAlignedDataInterval": _whole(0, 0, 86_400),
    "ConnectionTimeOut": _whole(60),
    "ConnectorPhaseRotation": Key("0.RST", Rule("rotation"), reboot=True),
    "ConnectorPhaseRotationMaxLength": _fixed("20"),
    "GetConfigurationMaxKeys": _fixed("100"),
    "HeartbeatInterval": _whole(300),
    "LocalAuthorizeOffline": _bool(True),
    "LocalPreAuthorize": _bool(False),
    "MaxEnergyOnInvalidId": _whole(0),
    "MeterValuesAlignedData": Key(MEASURANDS, Rule("some", words=READINGS)),
    "MeterValuesAlignedDataMaxLength": _fixed("5"),
    "MeterValuesSampledData": Key(MEASURANDS, Rule("some", words=READINGS)),
    "MeterValuesSampledDataMaxLength": _fixed("5"),
    "MeterValueSampleInterval": _whole(60, 0, 86_400),
    "NumberOfConnectors": _fixed("1"),
    "ResetRetries": _whole(0, 0, 10),
    "StopTransactionOnEVSideDisconnect": _bool(True),
    "StopTransactionOnInvalidId": _bool(True),
    "StopTxnAlignedData": Key("", Rule("some", words=READINGS)),
    "StopTxnAlignedDataMaxLength": _fixed("5"),
    "StopTxnSampledData": Key("", Rule("some", words=READINGS)),
    "StopTxnSampledDataMaxLength": _fixed("5"),
    "SupportedFeatureProfiles": _fixed("Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"),
    "SupportedFeatureProfilesMaxLength": _fixed("6"),
    "TransactionMessageAttempts": _whole(3, 1, 100),
    "TransactionMessageRetryInterval": _whole(10),
    "UnlockConnectorOnEVSideDisconnect": _bool(True),
    "WebSocketPingInterval": _whole(0),
    # Local authorization lists (9.2)
    "LocalAuthListEnabled": _bool(True),
    "LocalAuthListMaxLength": _fixed("200"),
    "SendLocalListMaxLength": _fixed("50"),
    # Reservation (9.3)
    "ReserveConnectorZeroSupported": _fixed("true"),
    # Smart charging (9.4)
    "ChargeProfileMaxStackLevel": _fixed("64"),
    "ChargingScheduleAllowedChargingRateUnit": _fixed("Current,Power"),
    "ChargingScheduleMaxPeriods": _fixed("24"),
    "ConnectorSwitch3to1PhaseSupported": _fixed("false"),
    "MaxChargingProfilesInstalled": _fixed("64"),
    # Security whitepaper, 3
    "AdditionalRootCertificateCheck": _fixed("false"),
    "AuthorizationKey": Key("", Rule("text", high=40), hidden=True),
    "CertificateSignedMaxChainSize": _fixed("10000"),
    "CertificateStoreMaxLength": _fixed("20"),
    "CpoName": Key("chargekit", Rule("text", high=50)),
    "SecurityProfile": _whole(0, 0, 3),
    "SupportedFileTransferProtocols": _fixed("FTP,FTPS,HTTP,HTTPS,SFTP"),
}

DEFAULTS: Final = {name: key.default for name, key in KEYS_OF_16.items() if not key.readonly}

SAMPLED: Final = ("MeterValuesAlignedData", "MeterValuesSampledData")
"""Lists that hold the state of charge too from the factory, where a station can know it."""


def factory(keys: dict[str, str], *, dc: bool) -> dict[str, str]:
    """The settings a station comes with."""
    return {**keys, **dict.fromkeys(SAMPLED, READINGS)} if dc else keys


def measurable(value: str, *, dc: bool) -> bool:
    """Whether a station can measure what a list names: the state of charge only with vehicles on DC, which tell it."""
    return dc or "SoC" not in value.split(",")
