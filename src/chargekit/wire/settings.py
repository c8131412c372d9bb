"""Neutral settings as the versions name them: configuration keys of 1.6 (section 9), variables of 2.x (part 2, referenced components)."""

from __future__ import annotations

from typing import Final

from .messages import GetKeys, GetSetting, KeysReply, SetKey, SetSetting, Setting, SettingCommand

_WORDS: Final[dict[Setting, tuple[str, str]]] = {
    Setting.LOCAL_PREAUTHORISE: ("LocalPreAuthorize", "AuthCtrlr.LocalPreAuthorize"),
    Setting.LOCAL_AUTHORISE_OFFLINE: ("LocalAuthorizeOffline", "AuthCtrlr.LocalAuthorizeOffline"),
    Setting.OFFLINE_TX_FOR_UNKNOWN: ("AllowOfflineTxForUnknownId", "AuthCtrlr.OfflineTxForUnknownIdEnabled"),
    Setting.AUTH_CACHE: ("AuthorizationCacheEnabled", "AuthCacheCtrlr.Enabled"),
    Setting.LOCAL_LIST: ("LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled"),
    Setting.STOP_ON_INVALID: ("StopTransactionOnInvalidId", "TxCtrlr.StopTxOnInvalidId"),
    Setting.MAX_ENERGY_ON_INVALID_WH: ("MaxEnergyOnInvalidId", "TxCtrlr.MaxEnergyOnInvalidId"),
    Setting.STOP_ON_UNPLUG: ("StopTransactionOnEVSideDisconnect", "TxCtrlr.StopTxOnEVSideDisconnect"),
    Setting.CONNECTION_TIMEOUT_S: ("ConnectionTimeOut", "TxCtrlr.EVConnectionTimeOut"),
    Setting.SAMPLE_INTERVAL_S: ("MeterValueSampleInterval", "SampledDataCtrlr.TxUpdatedInterval"),
    Setting.MESSAGE_ATTEMPTS: ("TransactionMessageAttempts", "OCPPCommCtrlr.MessageAttempts.TransactionEvent"),
    Setting.MESSAGE_INTERVAL_S: ("TransactionMessageRetryInterval", "OCPPCommCtrlr.MessageAttemptInterval.TransactionEvent"),
    Setting.OFFLINE_THRESHOLD_S: ("", "OCPPCommCtrlr.OfflineThreshold"),
    Setting.BACK_OFF_MINIMUM_S: ("", "OCPPCommCtrlr.RetryBackOffWaitMinimum"),
    Setting.BACK_OFF_RANDOM_S: ("", "OCPPCommCtrlr.RetryBackOffRandomRange"),
    Setting.BACK_OFF_REPEATS: ("", "OCPPCommCtrlr.RetryBackOffRepeatTimes"),
}
"""The key of 1.6 (empty where it has none) and the variable of 2.x."""


def key_of(version: str, name: str) -> str:
    """The key or variable a setting is in a version, empty where it has none. ValueError for a setting nobody knows."""
    old, new = _WORDS[Setting(name)]
    return old if version == "1.6" else new


def name_of(version: str, key: str) -> Setting | None:
    """The setting a key or variable is, whatever its case; None for one outside the vocabulary."""
    wanted = key.lower()
    return next((name for name in _WORDS if wanted and key_of(version, name).lower() == wanted), None)


def keyed(version: str, command: SettingCommand) -> SetKey | GetKeys:
    """The command in the version's own names."""
    key = key_of(version, command.name)
    if not key:
        raise ValueError(f"{version} has no setting {command.name}")
    return SetKey(key, command.value) if isinstance(command, SetSetting) else GetKeys((key,))


def named(command: GetSetting, reply: KeysReply) -> KeysReply:
    """What was read of one setting, under its neutral name."""
    values = list(reply.values.values())
    return KeysReply({command.name: values[0]}) if values else KeysReply({}, (command.name,))
