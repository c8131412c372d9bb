"""The sections `visits:` and `building:` of a site file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal, cast

from chargekit.lab.site_statistics import catalogue_statistics
from chargekit.model.located import BadInput, Located, nearest
from chargekit.model.site import Building, ChargingStation, Circuit
from chargekit.model.vehicle import Vehicle
from chargekit.model.visits import KINDS, Stream, VisitPlan
from chargekit.policy.rulebook import Rulebook

BUILDINGS: Final = ("office", "hotel", "retail", "residential", "warehouse")
PREFIX: Final = re.compile(r"^[A-Za-z0-9]{1,12}$")
QUIRKY: Final = "quirk-"
QUIRKY_SHARE: Final = 0.05
"""An assumption: the catalogue shows each habit once, the streets do so more seldom."""
ID_TOKEN: Final = 20
"""OCPP 1.6 caps an idTag at 20 characters."""


def parse_buildings(nodes: list[Located], circuits: Mapping[str, Circuit]) -> Iterator[Building]:
    """What else the circuits feed."""
    for one in nodes:
        one.only("circuit", "kind", "peak_kw", "pv_kwp")
        circuit = one.text("circuit")
        if circuit not in circuits:
            raise BadInput(one.need("circuit").source, f"circuit {circuit!r} is not known", nearest(circuit, circuits))
        kind = cast(Literal["office", "hotel", "retail", "residential", "warehouse"], one.one_of("kind", BUILDINGS))
        yield Building(
            circuit, kind, one.number("peak_kw", "kW", least=0), one.number("pv_kwp", "kW", 0.0, least=0), one.source
        )  # fmt: skip


def parse_visits(node: Located, stations: tuple[ChargingStation, ...], vehicles: Mapping[str, Vehicle]) -> VisitPlan:
    """Who comes to the site. BadInput for streams that name nobody, nothing or no place."""
    node.only("stated_sd", "early", "moves", "streams")
    streams: dict[str, Stream] = {}
    for one in node.need("streams"):
        stream = _stream(one, stations, vehicles)
        if stream.name in streams:
            raise BadInput(one.source, f"stream {stream.name!r} is named twice", f"first at {streams[stream.name].source}")
        streams[stream.name] = stream
    if not streams:
        raise BadInput(node.need("streams").source, "at least one stream expected")
    return VisitPlan(
        tuple(streams.values()), node.number("stated_sd", "s", 1200.0, least=0),
        node.number("early", "%", 3.0, least=0, most=100) / 100.0,
        node.number("moves", "%", 0.0, least=0, most=100) / 100.0, node.source,
    )  # fmt: skip


def _stream(node: Located, stations: tuple[ChargingStation, ...], vehicles: Mapping[str, Vehicle]) -> Stream:
    node.only(
        "name", "class", "token", "statistics", "stations", "current", "per_evse", "people", "regular", "vehicles", "waits"
    )  # fmt: skip
    known = catalogue_statistics()
    name = node.text("statistics")
    if name not in known:
        raise BadInput(node.need("statistics").source, f"statistics {name!r} are not in the catalogue", nearest(name, known))
    token = node.text("token")
    if not PREFIX.match(token):
        raise BadInput(node.need("token").source, f"a token can't begin with {token!r}", "one to twelve letters or digits")
    people = node.integer("people", 4)
    if not 1 <= people <= 1000:
        raise BadInput(node.need("people").source, f"people: 1 to 1000 expected, found {people}")
    evses = _evses(node, stations)
    return Stream(
        node.text("name"), node.text("class", ""), token, known[name], evses,
        node.number("per_evse", "", 1.0, least=0, most=100), _mix(node.need("vehicles"), vehicles, _all_dc(evses, stations)),
        people, node.flag("regular"), node.number("waits", "s", 600.0, least=0), node.source,
    )  # fmt: skip


def _evses(node: Located, stations: tuple[ChargingStation, ...]) -> tuple[tuple[str, int], ...]:
    """The EVSEs of the stations whose id fits one of the patterns, of AC or DC only if `current` says so."""
    patterns = node.list("stations") or [Located("*", node.source)]
    current = node.one_of("current", ("any", "ac", "dc"), "any")
    for pattern in patterns:
        if not any(fnmatchcase(s.id, pattern.as_text()) for s in stations):
            hint = nearest(pattern.as_text(), (s.id for s in stations)) if len(stations) < 50 else ""
            raise BadInput(pattern.source, f"no station is named like {pattern.as_text()!r}", hint)
    found = tuple(
        (s.id, e.id) for s in stations if any(fnmatchcase(s.id, p.as_text()) for p in patterns)
        for e in s.model.evses if current == "any" or e.dc == (current == "dc")
    )  # fmt: skip
    if not found:
        raise BadInput(node.source, f"stream {node.text('name')!r} has no EVSE: none of its stations is {current.upper()}")
    return found


def _all_dc(evses: tuple[tuple[str, int], ...], stations: tuple[ChargingStation, ...]) -> bool:
    models = {s.id: s for s in stations}
    return all(models[name].evse(number).dc for name, number in evses)


def _mix(node: Located, vehicles: Mapping[str, Vehicle], dc: bool) -> tuple[tuple[str, float], ...]:
    """Vehicle ids with their weights. A kind stands for all catalogue vehicles of it, and for cars where there is none.

    Where there is only DC, vehicles without a DC inlet stay away.
    """
    mix: dict[str, float] = {}
    for name, one in node.table().items():
        weight = one.as_number("", least=0)
        if name not in vehicles and name not in KINDS:
            raise BadInput(one.source, f"{name!r} is neither a catalogue vehicle nor a kind", nearest(name, (*KINDS, *vehicles)))
        shares = {name: 1.0} if name in vehicles else _of_kind(name, vehicles)
        shares = {v: share for v, share in shares.items() if not dc or vehicles[v].dc_max_kw > 0.0}
        for each, share in shares.items():
            mix[each] = mix.get(each, 0.0) + weight * share / sum(shares.values())
    if sum(mix.values()) <= 0.0:
        raise BadInput(node.source, "nobody could come: no vehicle" + (" with a DC inlet" if dc else "") + " has a weight above 0")
    return tuple(sorted((name, weight) for name, weight in mix.items() if weight > 0.0))


def _of_kind(kind: str, vehicles: Mapping[str, Vehicle]) -> dict[str, float]:
    """The vehicles of a kind with their shares; those with a habit are together one in twenty."""
    found = [n for n, v in vehicles.items() if v.kind == kind] or [n for n, v in vehicles.items() if v.kind == "car"]
    odd = [n for n in found if n.startswith(QUIRKY)]
    if not odd or len(odd) == len(found):
        return dict.fromkeys(found, 1.0 / len(found))
    return {n: QUIRKY_SHARE / len(odd) if n in odd else (1.0 - QUIRKY_SHARE) / (len(found) - len(odd)) for n in found}


def check_classes(plan: VisitPlan, rules: Rulebook) -> None:
    """The class a stream says its tokens have is the one the policy gives them; a stream without one brings strangers."""
    for stream in plan.streams:
        token = f"{stream.token}-001"
        if len(f"{stream.token}-{len(stream.evses) * stream.people:03}") > ID_TOKEN:
            raise BadInput(stream.source, f"tokens of stream {stream.name!r} would be longer than {ID_TOKEN} characters")
        if not stream.user_class:
            continue
        if stream.user_class not in rules.classes:
            hint = nearest(stream.user_class, rules.classes)
            raise BadInput(stream.source, f"user class {stream.user_class!r} is defined nowhere", hint)
        given = rules.class_of(token)
        if given is None or given.name != stream.user_class:
            what = f"class {given.name}" if given else "no class"
            raise BadInput(stream.source, f"the policy gives {token!r} {what}, this stream says {stream.user_class}", "access: tokens:")
