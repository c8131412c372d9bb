"""What differs between the firmware generations beyond the codec, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chargekit.emulator import settings
from chargekit.wire.messages import Status


@dataclass(frozen=True, slots=True)
class Generation:
    """`assigned`: the CSMS names transactions (1.6). `charging_state`: transactions tell their charging state themselves, and
    connectors know only Available, Occupied, Unavailable, Faulted (2.0.1). `boot_each_link`: never in either (1.6J 5.4)."""

    assigned: bool
    charging_state: bool

    def connector(self, status: Status) -> Status:
        """A connector status in this generation's grain."""
        if not self.charging_state or status in (Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED):
            return status
        return Status.OCCUPIED


GENERATIONS: Final = {"1.6": Generation(True, False), "2.0.1": Generation(False, True)}

KEYS: Final[dict[str, str]] = {
    "HeartbeatInterval": "300",
    "MeterValueSampleInterval": "60",
    "ConnectionTimeOut": "60",
    "StopTransactionOnInvalidId": "true",
    "LocalAuthorizeOffline": "true",
    "WebSocketPingInterval": "0",
    "TransactionMessageAttempts": "3",
    "TransactionMessageRetryInterval": "10",
    **settings.KEYS,
}
"""Settings a CSMS can change, in 1.6's words."""

READ_ONLY: Final[dict[str, str]] = {
    "NumberOfConnectors": "",
    "ChargeProfileMaxStackLevel": "64",
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "ChargingScheduleMaxPeriods": "24",
    "MaxChargingProfilesInstalled": "64",
    "SupportedFeatureProfiles": "Core,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
    **settings.READ_ONLY,
}

VARIABLES: Final = {
    "OCPPCommCtrlr.HeartbeatInterval": "HeartbeatInterval",
    "SampledDataCtrlr.TxUpdatedInterval": "MeterValueSampleInterval",
    "TxCtrlr.EVConnectionTimeOut": "ConnectionTimeOut",
    "TxCtrlr.StopTxOnInvalidId": "StopTransactionOnInvalidId",
    "AuthCtrlr.LocalAuthorizeOffline": "LocalAuthorizeOffline",
    "OCPPCommCtrlr.WebSocketPingInterval": "WebSocketPingInterval",
    "OCPPCommCtrlr.MessageAttempts": "TransactionMessageAttempts",
    "OCPPCommCtrlr.MessageAttemptInterval": "TransactionMessageRetryInterval",
    "SmartChargingCtrlr.ProfileStackLevel": "ChargeProfileMaxStackLevel",
    "SmartChargingCtrlr.PeriodsPerSchedule": "ChargingScheduleMaxPeriods",
    "SmartChargingCtrlr.RateUnit": "ChargingScheduleAllowedChargingRateUnit",
    **settings.VARIABLES,
}
"""2.0.1 variables and the settings they stand for."""
