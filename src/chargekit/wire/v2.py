"""What differs between OCPP 2.0.1 and 2.1 in our vocabulary, as one table; the rest `v201` does alike for both.

2.1 only adds: purposes and kinds of profiles (read where `model.profile` has them), tokens of up to 255 characters of any
type (C01), Reset ImmediateAndResume (B13), trigger reasons for limits of a transaction (E16), and words in messages outside
the vocabulary. StatusNotification stays allowed beside NotifyEvent (G01).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chargekit.model.profile import Purpose

from . import schemas
from .messages import Reset
from .profiles import Dialect

_RESETS: Final = {
    "Immediate": Reset(True),
    "OnIdle": Reset(False),
    "ImmediateAndResume": Reset(True, resume=True),
}


@dataclass(frozen=True)
class Differences:
    """`resets`: words of Reset; `stopped`: words of a transaction's stoppedReason; `triggers`: words of triggerReason."""

    version: str
    profile: Dialect
    longest_token: int
    resets: dict[str, Reset]
    stopped: frozenset[str]
    triggers: frozenset[str]


def _differences(version: str, longest_token: int) -> Differences:
    purposes = schemas.words(version, "SetChargingProfile", "req", "chargingProfilePurpose")
    resets = schemas.words(version, "Reset", "req", "type")
    return Differences(
        version,
        Dialect(version, "id", {p.value: p for p in Purpose if p.value in purposes}, numeric_tx=False, many_schedules=True),
        longest_token,
        {word: meant for word, meant in _RESETS.items() if word in resets},
        schemas.words(version, "TransactionEvent", "req", "stoppedReason"),
        schemas.words(version, "TransactionEvent", "req", "triggerReason"),
    )


DIFFERENCES: Final = {version: _differences(version, longest) for version, longest in (("2.0.1", 36), ("2.1", 255))}
