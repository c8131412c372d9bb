"""A shared figure, and whose definitions the figures follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from chargekit.wire.messages import Status

CHARGEX: Final = "ChargeX, doi 10.2172/2377347 and 10.2172/2513383"
CFR: Final = "23 CFR 680.116(b)"
ATLAS: Final = "Atlas Public Policy/NESCAUM"
NEVI: Final = "23 CFR 680.112(a)(8)"
OURS: Final = "chargekit"

CHARGING: Final = frozenset({Status.CHARGING})


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `of`: the class or percentile it is for; `value` None: there was nothing to count. `value` is `numerator` by
    `denominator` where it is a share, in %; `records`: the seqs of what it was counted from, where that is a few."""

    name: str
    unit: str
    value: float | None
    definition: str
    source: str = OURS
    of: str = ""
    numerator: float | None = None
    denominator: float | None = None
    better: str = "more"
    records: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.name}[{self.of}]" if self.of else self.name

    def plain(self) -> dict[str, Any]:
        """As plain data, floats to six places."""
        data: dict[str, Any] = {n: getattr(self, n) for n in self.__slots__}
        data["records"] = list(self.records)
        return {n: round(v, 6) if isinstance(v, float) else v for n, v in data.items()}


def share_of(
    name: str, part: float, whole: float, definition: str, source: str = OURS, of: str = "", better: str = "more",
    records: Iterable[int] = (),
) -> Figure:  # fmt: skip
    value = 100.0 * part / whole if whole > 0 else None
    return Figure(name, "%", value, definition, source, of, float(part), float(whole), better, tuple(records))


def minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60.0
