"""Whether what is promised can be kept: the floors of all who may charge at a time, summed over the circuit tree by phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from chargekit.model.located import Source
from chargekit.model.site import ChargingStation, Site
from chargekit.policy.access import fits
from chargekit.policy.findings import Finding, people
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.schema import DAY_NAMES
from chargekit.policy.windows import DAY_MIN, clock

NOMINAL_V: Final = 230.0
PHASE: Final = ("L1", "L2", "L3")


class Promise(NamedTuple):
    """What one circuit and phase is to carry at the worst time of the week, and what it can."""

    promised_a: float
    sessions: int
    minute: int
    circuit: str
    phase: int
    room_a: float
    limit_a: float
    building_a: float
    limit_source: Source


def worst(rules: Rulebook, site: Site) -> Promise | None:
    """The promise that exceeds its circuit by most; None if all can be kept."""
    there = people(rules)
    floors = {name: floor.value for name, floor in rules.floors.items() if name in there and floor.value > 0.0}
    if not floors:
        return None
    found: list[Promise] = []
    for minute in _changes(rules):
        open_now = {name: amps for name, amps in floors.items() if _open(rules, name, minute)}
        for circuit in site.circuits.values():
            sums, sessions = [0.0, 0.0, 0.0], 0
            for station in site.below(circuit.name):
                amps = max((a for name, a in open_now.items() if _may_use(rules, name, station.id)), default=0.0)
                sessions += _add(sums, station, amps) if amps else 0
            limit = min((one for one in rules.limits if one.circuit == circuit.name), key=lambda one: one.limit_a)
            building_a = _building_a(site, circuit.name)
            room_a = max(0.0, limit.limit_a - rules.margin_a.value - building_a)
            phase = max(range(3), key=lambda p: sums[p])
            if sums[phase] > room_a + 1e-9:
                found.append(Promise(sums[phase], sessions, minute, circuit.name, phase, room_a, limit.limit_a, building_a, limit.source))
    return max(found, key=lambda one: one.promised_a - one.room_a, default=None)


def _add(sums: list[float], station: ChargingStation, amps: float) -> int:
    for evse in station.model.evses:
        for phase in station.rotation[: evse.phases]:
            sums[phase] += min(amps, evse.max_a)
    return len(station.model.evses)


def _changes(rules: Rulebook) -> list[int]:
    """The minutes of the week at which somebody's window opens."""
    return sorted({0} | {begin for w in rules.access.windows for begin, _ in w.span.week()})


def _open(rules: Rulebook, name: str, minute: int) -> bool:
    mine = [w for w in rules.access.windows if name in w.classes]
    return not mine or any(begin <= minute < end for w in mine for begin, end in w.span.week())


def _may_use(rules: Rulebook, name: str, station: str) -> bool:
    mine = [e for e in rules.access.entitlements if name in e.classes]
    return not mine or any(fits(station, e.stations) for e in mine)


def _building_a(site: Site, circuit: str) -> float:
    """What the buildings below a circuit draw at their peak, A per phase."""
    peak_kw = sum(b.peak_kw for b in site.buildings if any(c.name == circuit for c in site.path(b.circuit)))
    return peak_kw * 1000.0 / (3.0 * NOMINAL_V)


def guarantees(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """More promised than the site has: how much, when, and how many go without. At a house with many flats it is the common mistake."""
    one = worst(rules, site)
    if one is None:
        return
    least = min(floor.value for floor in rules.floors.values() if floor.value > 0.0)
    without = min(one.sessions, -int(-(one.promised_a - one.room_a) // least))
    at = f"{DAY_NAMES[one.minute // DAY_MIN]} {clock(one.minute % DAY_MIN)}"
    building = f", {one.building_a:.0f} A of the building at its peak" if one.building_a else ""
    text = (
        f"{one.promised_a:g} A are promised to {one.sessions} sessions on {PHASE[one.phase]} of {one.circuit} from {at} on, and it has "
        f"{one.room_a:.4g} A ({one.limit_a:g} A ({one.limit_source}) less {rules.margin_a.value:g} A margin{building}): "
        f"{without} of them get less than they were promised"
    )
    first = min((floor.source for floor in rules.floors.values()), key=lambda s: s.line)
    yield Finding("mistake" if site.type == "multifamily" else "guarantee", first, text)
