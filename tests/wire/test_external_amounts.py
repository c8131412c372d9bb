"""How much an external limit is, as a station may tell it; what can't be made out is not told. Hostile payloads never raise."""

from __future__ import annotations

from typing import Any

import pytest

from chargekit.wire.messages import LimitImposed
from chargekit.wire.v201_more import READERS


def told(schedule: Any, **limit: Any) -> LimitImposed:
    payload = {"chargingLimit": {"chargingLimitSource": "EMS", **limit}, "evseId": 2, "chargingSchedule": schedule}
    found = READERS["NotifyChargingLimit"](payload, None)
    assert isinstance(found, LimitImposed) and (found.evse, found.source) == (2, "EMS")
    return found


def schedule(limit: Any, unit: str = "A", **more: Any) -> list[dict[str, Any]]:
    return [{"id": 1, "chargingRateUnit": unit, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit, **more}]}]


@pytest.mark.parametrize(
    ("rows", "amps"),
    [
        (schedule(8.0), 8.0), (schedule(0), 0.0), (schedule(11_040.0, "W"), 16.0), (schedule(3680.0, "W", numberPhases=1), 16.0),
        (schedule(8.0, numberPhases=1), 8.0), (schedule(-1), None), (schedule(True), None), (schedule("8"), None), (schedule(1e12), None),
        (schedule(8.0, numberPhases=7), None), ([], None), (None, None), ("x", None), ([{"chargingSchedulePeriod": []}], None),
        ([{"chargingSchedulePeriod": {}}], None), ([7], None),
    ],
)  # fmt: skip
def test_the_first_period_says_how_much(rows: Any, amps: float | None) -> None:
    found = told(rows).limit_a
    assert found == (pytest.approx(amps) if amps is not None else None)


def test_what_is_generated_on_the_spot_is_no_limit() -> None:
    assert told(schedule(8.0), isLocalGeneration=True).generates and not told(schedule(8.0)).generates
