"""The interval of clock-aligned meter values takes hold at once when it is set (1.6 section 9.1.3, J01)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.services import setter
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station


@setter("ClockAlignedDataInterval")
def plan(station: Station, now: float, out: list[Effect]) -> None:
    station.plan_aligned(now)
