"""What a meter shows at one instant."""

from __future__ import annotations

from dataclasses import dataclass

from .limit import PhaseAmps


@dataclass(frozen=True, slots=True)
class MeterSample:
    """One reading. Positive power is import (towards the vehicles). `t` is run time in seconds.

    `current_a` and `voltage_v` are by the meter's own terminals L1, L2, L3; `energy_wh` is the import register.
    """

    t: float
    current_a: PhaseAmps
    voltage_v: PhaseAmps
    power_w: float
    energy_wh: float
    soc_percent: float | None = None
    export_wh: float = 0.0
