"""What differs between the firmware generations beyond the codec, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chargekit.emulator.configuration import DEFAULTS, KEYS_OF_16
from chargekit.emulator.device_model import SETTINGS
from chargekit.wire.messages import Status


@dataclass(frozen=True, slots=True)
class Generation:
    """`assigned`: the CSMS names transactions (1.6). `charging_state`: transactions tell their charging state themselves, and
    connectors know only Available, Occupied, Unavailable, Faulted (2.x). `boot_each_link`: never in either (1.6J 5.4)."""

    assigned: bool
    charging_state: bool

    def connector(self, status: Status) -> Status:
        """A connector status in this generation's grain."""
        if not self.charging_state or status in (Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED):
            return status
        return Status.OCCUPIED


_SECOND: Final = Generation(False, True)
GENERATIONS: Final = {"1.6": Generation(True, False), "2.0.1": _SECOND, "2.1": _SECOND}

KEYS: Final[dict[str, str]] = {
    **DEFAULTS,
    **SETTINGS,
}
"""Settings a CSMS can change, in 1.6's words, with what they are from the factory; those 1.6 does not know have a dot in their name."""

READ_ONLY: Final[dict[str, str]] = {name: key.default for name, key in KEYS_OF_16.items() if key.readonly}
"""Keys of 1.6 that only tell something."""
