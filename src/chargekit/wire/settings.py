"""Settings that cases ask for by one name each, and what every version calls them (1.6 section 9; the 2.x device model)."""

from __future__ import annotations

from typing import Final

SPELLED: Final[dict[str, tuple[str, str]]] = {
    "message_attempts": ("TransactionMessageAttempts", "OCPPCommCtrlr.MessageAttempts.TransactionEvent"),
    "message_interval_s": ("TransactionMessageRetryInterval", "OCPPCommCtrlr.MessageAttemptInterval.TransactionEvent"),
    "sample_interval_s": ("MeterValueSampleInterval", "SampledDataCtrlr.TxUpdatedInterval"),
    "offline_threshold_s": ("", "OCPPCommCtrlr.OfflineThreshold"),
    "back_off_minimum_s": ("", "OCPPCommCtrlr.RetryBackOffWaitMinimum"),
    "back_off_random_s": ("", "OCPPCommCtrlr.RetryBackOffRandomRange"),
    "back_off_repeats": ("", "OCPPCommCtrlr.RetryBackOffRepeatTimes"),
}
"""Name: the key of 1.6 (empty where it has none), and the variable of 2.x."""


def spelled(version: str, name: str) -> str:
    """The key of a setting as `SetKey` wants it; empty where the version has none. KeyError for a name not listed."""
    first, second = SPELLED[name]
    return first if version == "1.6" else second
