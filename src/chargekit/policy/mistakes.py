"""The common mistake of each site type, as it shows in its rules. A multifamily house's is in `guarantees`."""

from __future__ import annotations

from collections.abc import Iterator

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


def _outlets(site: Site) -> int:
    return sum(len(s.model.evses) for s in site.stations)


def _all_at_once(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Everybody plugs in on return, and nothing says who leaves first."""
    priority = rules.priority
    if priority.near is not None or priority.windows or any(t.kind == "dispatch_risk" for t in priority.triggers):
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
    if rules.priority.rotation is not None and rules.power.idle is not None:
        return
    if rules.priority.rotation is not None:
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
    turned = rules.priority.rotation is not None and visitors in rules.priority.rotation.classes
    if turned or any(visitors in w.classes for w in rules.access.windows):
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
    if len(groups) < 2 or access.windows or access.entitlements or restricted or rules.priority.windows:
        return
    text = (
        f"one access rule for all users at all times: {', '.join(groups)} may all charge everywhere at any hour and rank alike day "
        "and night, so visitors fill the bays residents come home to (access: windows: or guests:, priority: windows:)"
    )
    yield Finding("mistake", rules.priority.order.source, text)
