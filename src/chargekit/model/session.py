"""A charging session as users see it: a token at an EVSE, from plug-in to departure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `tx` is the transaction as its messages name it; times are run seconds; energy is Wh."""

    station: str
    evse: int
    token: str
    tx: str
    started: float
    start_register_wh: float
    user_class: str = ""
    departs: float | None = None
    needs_wh: float | None = None
