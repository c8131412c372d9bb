"""Settings of what stands around charging: tokens, transactions, reservations, links. Names are 1.6's words where 1.6 has one."""

from __future__ import annotations

from typing import Final

KEYS: Final[dict[str, str]] = {
    "AuthorizationCacheEnabled": "true",
    "AuthCacheLifeTime": "0",
    "LocalAuthListEnabled": "true",
    "LocalPreAuthorize": "false",
    "AllowOfflineTxForUnknownId": "false",
    "AuthorizeRemoteTxRequests": "false",
    "MaxEnergyOnInvalidId": "0",
    "MasterPassGroupId": "",
    "StopTransactionOnEVSideDisconnect": "true",
    "TxStartPoint": "PowerPathClosed",
    "TxStopPoint": "PowerPathClosed",
    "TxBeforeAcceptedEnabled": "true",
    "ClockAlignedDataInterval": "0",
    "AlignedDataSendDuringIdle": "false",
    "StopTxnAlignedData": "",
    "StopTxnSampledData": "",
    "ReserveConnectorZeroSupported": "true",
    "OfflineThreshold": "60",
    "RetryBackOffWaitMinimum": "5",
    "RetryBackOffRandomRange": "5",
    "RetryBackOffRepeatTimes": "4",
}
"""AuthCacheLifeTime 0: a cached token stays. MaxEnergyOnInvalidId 0: not implemented."""

READ_ONLY: Final[dict[str, str]] = {"LocalAuthListMaxLength": "200", "SendLocalListMaxLength": "50"}

NOT_IN_16: Final = frozenset(
    {
        "AuthCacheLifeTime",
        "MasterPassGroupId",
        "TxStartPoint",
        "TxStopPoint",
        "TxBeforeAcceptedEnabled",
        "AlignedDataSendDuringIdle",
        "OfflineThreshold",
        "RetryBackOffWaitMinimum",
        "RetryBackOffRandomRange",
        "RetryBackOffRepeatTimes",
    }
)
"""Settings only 2.x knows."""

POINTS: Final = frozenset({"EVConnected", "Authorized", "PowerPathClosed", "EnergyTransfer"})
"""Where a transaction of this station can start or stop: it has no parking bay detector and signs no data (TxStartStopPointEnumType)."""

MEMBERS: Final = {"TxStartPoint": POINTS, "TxStopPoint": POINTS}
"""Settings that are lists, and of what."""

VARIABLES: Final = {
    "AuthCacheCtrlr.Enabled": "AuthorizationCacheEnabled",
    "AuthCacheCtrlr.LifeTime": "AuthCacheLifeTime",
    "LocalAuthListCtrlr.Enabled": "LocalAuthListEnabled",
    "LocalAuthListCtrlr.ItemsPerMessage": "SendLocalListMaxLength",
    "AuthCtrlr.LocalPreAuthorize": "LocalPreAuthorize",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "AllowOfflineTxForUnknownId",
    "AuthCtrlr.AuthorizeRemoteStart": "AuthorizeRemoteTxRequests",
    "AuthCtrlr.MasterPassGroupId": "MasterPassGroupId",
    "TxCtrlr.MaxEnergyOnInvalidId": "MaxEnergyOnInvalidId",
    "TxCtrlr.StopTxOnEVSideDisconnect": "StopTransactionOnEVSideDisconnect",
    "TxCtrlr.TxStartPoint": "TxStartPoint",
    "TxCtrlr.TxStopPoint": "TxStopPoint",
    "TxCtrlr.TxBeforeAcceptedEnabled": "TxBeforeAcceptedEnabled",
    "AlignedDataCtrlr.Interval": "ClockAlignedDataInterval",
    "AlignedDataCtrlr.SendDuringIdle": "AlignedDataSendDuringIdle",
    "ReservationCtrlr.NonEvseSpecific": "ReserveConnectorZeroSupported",
    "OCPPCommCtrlr.OfflineThreshold": "OfflineThreshold",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "RetryBackOffWaitMinimum",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "RetryBackOffRandomRange",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "RetryBackOffRepeatTimes",
    "OCPPCommCtrlr.MessageAttempts.TransactionEvent": "TransactionMessageAttempts",
    "OCPPCommCtrlr.MessageAttemptInterval.TransactionEvent": "TransactionMessageRetryInterval",
}
"""2.x variables and the settings they stand for."""


def acceptable(key: str, value: str, default: str) -> bool:
    """Whether a setting can take this value: truth, whole numbers and lists keep their kind."""
    if default in ("true", "false"):
        return value in ("true", "false")
    if default.isdigit():
        return value.isascii() and value.isdigit() and len(value) < 8
    if key in MEMBERS:
        words = [word.strip() for word in value.split(",") if word.strip()]
        return bool(words) and set(words) <= MEMBERS[key]
    return len(value) <= 500
