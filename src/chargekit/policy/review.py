"""`review:` of the portfolio: what the shared figures measure against, and when a policy is no longer doing its job.

Only the portfolio says it, so every site is measured by the same. Pure: a tree in, figures with their file and line out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chargekit.model.located import BUILT_IN, BadInput, Located, Source

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "queue": ("share", "wait", "days"), "peak_demand": ("above", "rise", "days"), "overrides": ("count", "days"),
    "off_peak": ("from", "to", "share", "possible"), "growth": ("share", "least", "days"), "guarantee": ("class", "energy"),
}  # fmt: skip
_CLOCK: Final = re.compile(r"^([01]\d|2[0-4]):([0-5]\d)$")
LONGEST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Review:
    """Shares are 0 to 1, times s, energies kWh; a day's windows are s after local midnight.

    `queue_share`: of a day's visits that waited longer than `queue_wait_s`, were turned away or missed their departure, on
    `queue_days` days. `peak_above`: of the grid connection's rating, over which a 15-minute mean is an event; `peak_rise` of the daily
    peaks over `peak_days` days against the days before. `overrides_count` in `overrides_days` days. `off_peak_share`: less is
    low, where `off_peak_possible` or more of the energy could have been off-peak. `growth_share` of a class's visits in `growth_days` days
    against the days before, from `growth_least` visits on. `guarantee_kwh`: what a stay of `guarantee_class` is promised, or
    what it asks for where that is less. `sources`: where each was written.
    """

    queue_share: float = 0.1
    queue_wait_s: float = 900.0
    queue_days: int = 3
    peak_above: float = 0.8
    peak_rise: float = 0.15
    peak_days: int = 7
    overrides_count: int = 5
    overrides_days: int = 7
    off_peak_from_s: float = 22 * 3600.0
    off_peak_to_s: float = 6 * 3600.0
    off_peak_share: float = 0.3
    off_peak_possible: float = 0.6
    growth_share: float = 0.5
    growth_least: int = 10
    growth_days: int = 7
    guarantee_class: str = "resident"
    guarantee_kwh: float = 8.0
    sources: tuple[tuple[str, Source], ...] = ()

    def source(self, trigger: str) -> Source:
        """Where a trigger's thresholds were written."""
        return dict(self.sources).get(trigger, BUILT_IN)

    def plain(self) -> dict[str, Any]:
        """As plain data, for a run's head."""
        data = {name: getattr(self, name) for name in self.__slots__ if name != "sources"}
        return {**data, "sources": {name: str(source) for name, source in self.sources}}


USUAL: Final = Review()
"""The figures of a portfolio that says nothing."""


def review_of(data: Mapping[str, Any]) -> Review:
    """A review from a run's head. ValueError for what is none: a figure missing, of another kind or below 0."""
    given: dict[str, Any] = {}
    for name, usual in ((n, getattr(USUAL, n)) for n in Review.__slots__ if n != "sources"):
        value = data.get(name)
        right = isinstance(value, str) if isinstance(usual, str) else isinstance(value, (int, float)) and not isinstance(value, bool)
        if not right or (isinstance(value, (int, float)) and not 0 <= value < 1e9):
            raise ValueError(f"review: {name}: {'text' if isinstance(usual, str) else 'a figure of at least 0'} expected")
        given[name] = int(value) if isinstance(usual, int) else value  # type: ignore[arg-type]
    written = data.get("sources")
    found = []
    for name, text in (written if isinstance(written, Mapping) else {}).items():
        file, _, line = str(text).rpartition(":")
        found.append((str(name), Source(file, int(line) if line.isascii() and line.isdigit() else 0)))
    return Review(**given, sources=tuple(found))


def parse_review(portfolio: Located) -> Review:
    """The portfolio's `review:`; the usual figures for what it leaves out. BadInput, with file and line, for what can't be."""
    node = portfolio.get("review")
    if node is None:
        return USUAL
    node.only(*KEYS)
    given: dict[str, Any] = {}
    for name, part in node.table().items():
        if part.value is not None:
            part.only(*KEYS[name])
            for key, one in part.table().items():
                field, read = _FIELDS[name, key]
                given[field] = read(one)
    known = portfolio.get("access")
    classes = known.get("classes") if known is not None else None
    promised = given.get("guarantee_class")
    if promised is not None and classes is not None and promised not in classes.table():
        raise BadInput(node.need("guarantee").need("class").source, f"user class {promised!r} is defined nowhere")
    sources = tuple((name, part.source) for name, part in node.table().items())
    return Review(**given, sources=sources)


def _share(node: Located) -> float:
    return node.as_number("%", least=0, most=1000) / 100.0


def _count(node: Located) -> int:
    found = node.as_int()
    if not 1 <= found <= 1_000_000:
        raise BadInput(node.source, f"a count of at least 1 expected, found {found}")
    return found


def _days(node: Located) -> int:
    found = node.as_int()
    if not 1 <= found <= LONGEST_DAYS:
        raise BadInput(node.source, f"1 to {LONGEST_DAYS} days expected, found {found}")
    return found


def _clock(node: Located) -> float:
    if isinstance(node.value, int) and not isinstance(node.value, bool) and 0 <= node.value <= 1440:
        # YAML reads 22:00 without quotes as a number to the base of sixty.
        return node.value * 60.0
    found = _CLOCK.match(str(node.value))
    if found is None or (found[1] == "24" and found[2] != "00"):
        raise BadInput(node.source, f"a time of day expected, found {str(node.value)[:40]!r}", 'for example "22:00"')
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0


_FIELDS: Final[Mapping[tuple[str, str], tuple[str, Callable[[Located], Any]]]] = {
    ("queue", "share"): ("queue_share", _share),
    ("queue", "wait"): ("queue_wait_s", lambda node: node.as_number("s", least=0, most=86_400)),
    ("queue", "days"): ("queue_days", _days),
    ("peak_demand", "above"): ("peak_above", _share),
    ("peak_demand", "rise"): ("peak_rise", _share),
    ("peak_demand", "days"): ("peak_days", _days),
    ("overrides", "count"): ("overrides_count", _count),
    ("overrides", "days"): ("overrides_days", _days),
    ("off_peak", "from"): ("off_peak_from_s", _clock),
    ("off_peak", "to"): ("off_peak_to_s", _clock),
    ("off_peak", "share"): ("off_peak_share", _share),
    ("off_peak", "possible"): ("off_peak_possible", _share),
    ("growth", "share"): ("growth_share", _share),
    ("growth", "least"): ("growth_least", _count),
    ("growth", "days"): ("growth_days", _days),
    ("guarantee", "class"): ("guarantee_class", lambda node: node.as_text()),
    ("guarantee", "energy"): ("guarantee_kwh", lambda node: node.as_number("kWh", least=0, most=1000)),
}
