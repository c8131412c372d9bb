"""Kinds of days by name: ordinary ones and those that show what a site's rules are worth."""

from __future__ import annotations

from typing import Final

from chargekit.model.visits import Day

DAYS: Final = {
    d.name: d
    for d in (
        Day("weekday", "weekday"),
        Day("weekend", "weekend"),
        Day("everyone-at-once", "weekday", within_s=900.0, fills=True),
        Day("holiday", 6),
        Day("cold-morning", "weekday", ambient_c=-8.0, energy_factor=1.25),
        Day("early-departures", "weekday", early_share=0.4),
    )
}
"""A holiday is like a Sunday. A quarter more energy in the cold is an assumption (cabin heat, cold tyres and packs)."""


def day(name: str) -> Day:
    """The day of this name. KeyError naming those there are."""
    try:
        return DAYS[name]
    except KeyError:
        raise KeyError(f"no day is named {name!r}; there are {', '.join(DAYS)}") from None


def weekday_of(own: int, kind: Day | None) -> int:
    """The weekday (0 is Monday) a date counts as that falls on `own`."""
    match kind.like if kind else None:
        case None:
            return own
        case "weekday":
            return own if own < 5 else 2
        case "weekend":
            return own if own > 4 else 5
        case int(like):
            return like
