"""`power.sessions` and `power.weights`: how many may charge at a time, and who has how much of a surplus."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from chargekit.model.located import BadInput, Located, Source, nearest, shown
from chargekit.model.site import Site
from chargekit.policy.people import named_classes
from chargekit.policy.schema import MOST_SESSIONS


@dataclass(frozen=True, slots=True)
class SessionCap:
    """At most `most` sessions at a time on a circuit and below it; of these classes only, if any are named."""

    circuit: str
    most: int
    classes: frozenset[str]
    source: Source


def parse_sessions(node: Located | None, classes: Collection[str], site: Site) -> tuple[SessionCap, ...]:
    """The caps on concurrent sessions. BadInput for a circuit or class that is not there, or a count below 0."""
    found = []
    for one in node.items() if node is not None else ():
        one.only("circuit", "most", "classes")
        circuit = one.text("circuit", site.root.name)
        if circuit not in site.circuits:
            raise BadInput(one.need("circuit").source, f"circuit {circuit!r} is not known", nearest(circuit, site.circuits))
        most = one.integer("most")
        if not 0 <= most <= MOST_SESSIONS:
            raise BadInput(one.need("most").source, f"most: 0 or more sessions expected, at most {MOST_SESSIONS}, found {shown(most)}")
        found.append(SessionCap(circuit, most, frozenset(named_classes(one.get("classes"), classes)), one.source))
    return tuple(found)


def parse_weights(node: Located | None, classes: Collection[str]) -> dict[str, float]:
    """By class. BadInput for a class that is not there, or a weight that is not above 0."""
    found = {}
    for name, one in (node.table() if node is not None else {}).items():
        if name not in classes:
            raise BadInput(one.source, f"user class {name!r} is defined nowhere", nearest(name, classes))
        weight = one.as_number("", most=1000)
        if weight <= 0:
            raise BadInput(one.source, f"a weight above 0 expected, found {weight:g}")
        found[name] = weight
    return found
