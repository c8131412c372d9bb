"""The common mistake of each site type, as it shows in its rules. A multifamily house's is in `guarantees`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chargekit.model.site import Site
from chargekit.policy.findings import Finding, people
from chargekit.policy.rulebook import Rulebook


def mistakes(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """What goes wrong at this type of site, with whom it hits."""
    match site.type:
        case "fleet_depot":
            yield from _all_at_once(rules, site)
        case "workplace":
            yield from _all_day(rules, site)
        case "destination":
            yield from _parking(rules, site)
        case "mixed_use":
            yield from _one_rule(rules)
        case _:
            return


LONGEST_TURN_S: Final = 6 * 3600.0
LONGEST_VISIT_S: Final = 4 * 3600.0
"""A turn longer than this is none: half a working day and more, an afternoon's visit."""


def _turns(rules: Rulebook, user_class: str, longest_s: float) -> bool:
    """Whether a class takes turns that come round while people are there."""
    rotation = rules.priority.rotation
    return rotation is not None and user_class in rotation.classes and rotation.after_s <= longest_s


def _outlets(site: Site) -> int:
    return sum(len(s.model.evses) for s in site.stations)


def _all_at_once(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Everybody plugs in on return, and nothing says who leaves first."""
    priority, there = rules.priority, people(rules)
    asked = [t.classes for t in priority.triggers if t.kind == "dispatch_risk"]
    asked += [priority.near.classes] if priority.near is not None else []
    if priority.windows or any(there & set(classes) for classes in asked):
        return
    outlets, wanted_a = _outlets(site), sum(s.max_a for s in site.stations)
    limit = min((one for one in rules.limits if one.circuit == site.root.name), key=lambda one: one.limit_a)
    if wanted_a <= limit.limit_a:
        return
    first = priority.order.classes[0]
    text = (
        f"all vehicles charge at once on return: {outlets} outlets share {limit.limit_a:g} A of {site.root.name}, "
        f"{limit.limit_a / outlets:.1f} A each, and a {first} vehicle "
        "that leaves next gets no more than one that stays until noon (priority: near_departure:)"
    )
    yield Finding("mistake", priority.order.source, text)


def _all_day(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Who comes first keeps the charger until the evening."""
    turns = any(_turns(rules, name, LONGEST_TURN_S) for name in people(rules))
    moved = rules.power.idle is not None and rules.power.idle.grace_s <= LONGEST_TURN_S
    if turns and moved:
        return
    if turns:
        text = (
            f"early arrivals occupy chargers all day: they take turns at the power, but nobody is asked to move when full, so the first "
            f"{_outlets(site)} who plug in keep their bays and whoever comes later finds none (power: idle:)"
        )
        yield Finding("mistake", rules.priority.order.source, text)
        return
    text = (
        f"early arrivals occupy chargers all day: nobody ever goes behind, so the first {_outlets(site)} who plug in keep their place and "
        "whoever comes later gets what they leave (priority: rotation:, power: idle:)"
    )
    yield Finding("mistake", rules.priority.order.source, text)


def _parking(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Visitors who stay as long as they like."""
    visitors = rules.default_class or rules.priority.order.classes[-1]
    if _turns(rules, visitors, LONGEST_VISIT_S) or any(visitors in w.classes for w in rules.access.windows):
        return
    text = (
        f"visitor charging is treated like reserved long-dwell parking: a {visitors} keeps first claim to its bay however long it stays, "
        f"and the next {visitors} waits (priority: rotation: or access: windows: for {visitors})"
    )
    yield Finding("mistake", rules.priority.order.source, text)


def _one_rule(rules: Rulebook) -> Iterator[Finding]:
    """One access rule for all users at all times."""
    access = rules.access
    groups = sorted(people(rules))
    restricted = access.guests is not None and access.guests.restricted
    if len(groups) == 1:
        text = (
            f"one access rule for all users at all times: everybody is {groups[0]}, so nobody who lives or works here comes before "
            "a visitor, at whatever hour (access: tokens: with a class for each group)"
        )
        yield Finding("mistake", rules.priority.order.source, text)
        return
    if not groups or access.windows or access.entitlements or restricted or rules.priority.windows:
        return
    text = (
        f"one access rule for all users at all times: {', '.join(groups)} may all charge everywhere at any hour and rank alike day "
        "and night, so visitors fill the bays residents come home to (access: windows: or guests:, priority: windows:)"
    )
    yield Finding("mistake", rules.priority.order.source, text)
