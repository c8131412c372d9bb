"""`power.holds`: how long a session keeps current, how long one that lost it waits, and turns where not all can charge.

Timers never stand against a limit: what a circuit can't carry is taken away at once, whatever was held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chargekit.model.located import BUILT_IN, BadInput, Located, Source

AGAINST: Final = ("peers", "all")
TIMES: Final[Mapping[str, float]] = {"on": 600.0, "off": 300.0, "overcurrent": 60.0, "turn": 1800.0}
COUNTS: Final[Mapping[str, int]] = {"pauses": 3}
MOST_COUNT: Final = 1000


@dataclass(frozen=True, slots=True)
class Holds:
    """Times in seconds. `on_s`: a session given current keeps at least its minimum so long; 0: no hold. `off_s`: one that was paused for
    the second time is not admitted again before, and as much later with each further pause. `overcurrent_s`: nobody is admitted below
    a circuit over its rating before so long after. `turn_s`: the first turn where not all of a rank can have their minimum, each as long
    as all before and once more; 0: no turns. `pauses`: after so many a session keeps its minimum. `against`: whom a hold stands against:
    `peers` of its rank, or `all`, as a floor does."""

    on_s: float = TIMES["on"]
    off_s: float = TIMES["off"]
    overcurrent_s: float = TIMES["overcurrent"]
    turn_s: float = TIMES["turn"]
    pauses: int = COUNTS["pauses"]
    against: str = AGAINST[0]
    sources: Mapping[str, Source] = field(default_factory=dict)

    def source(self, name: str) -> Source:
        """Where a figure was written."""
        return self.sources.get(name, BUILT_IN)


def parse_holds(node: Located | None) -> Holds:
    """The rules of holds. BadInput for what is no time or count, and for a turn shorter than the time a session keeps what it has."""
    if node is None:
        return Holds()
    node.only(*TIMES, *COUNTS, "against")
    times = {name: node.number(name, "s", default, least=0, most=86_400) for name, default in TIMES.items()}
    counts = {name: _count(node, name, default) for name, default in COUNTS.items()}
    if not node.has("turn"):
        times["turn"] = max(times["turn"], times["on"])
    if 0 < times["turn"] < times["on"]:
        raise BadInput(
            node.need("turn").source,
            f"a turn of {times['turn'] / 60:g} min is shorter than the {times['on'] / 60:g} min a session keeps what it was given",
            "turn: at least as long as on, or 0 for none",
        )
    sources = {name: one.source for name, one in node.table().items()}
    return Holds(
        times["on"], times["off"], times["overcurrent"], times["turn"], counts["pauses"],
        node.one_of("against", AGAINST, AGAINST[0]), sources,
    )  # fmt: skip


def _count(node: Located, name: str, default: int) -> int:
    count = node.integer(name, default)
    if not 0 <= count <= MOST_COUNT:
        raise BadInput(node.need(name).source, f"{name}: 0 to {MOST_COUNT} expected, found {count}")
    return count
