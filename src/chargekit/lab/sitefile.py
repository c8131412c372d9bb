"""Site files: circuits, stations, meters, arrivals, with the catalogue they name. Errors carry file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

from chargekit.emulator.meter_faults import FAULTS
from chargekit.lab.bundled import bundled_sites, fleets_folder
from chargekit.lab.site_scale import expanded
from chargekit.lab.site_security import Settings, parse_security
from chargekit.lab.site_visits import check_classes, parse_buildings, parse_visits
from chargekit.lab.yamlfile import load
from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput, Located, nearest
from chargekit.model.site import (
    OCPP_VERSIONS,
    Arrival,
    ChargingStation,
    Circuit,
    Connector,
    Evse,
    MeterFault,
    MeterPoint,
    OcppVersion,
    Site,
    StationModel,
)  # fmt: skip
from chargekit.model.vehicle import Points, Vehicle
from chargekit.model.vehicle_file import parse_vehicle
from chargekit.policy.review import USUAL, Review, parse_review
from chargekit.policy.rulebook import Rulebook, rulebook
from chargekit.wire.registers import MAPS

SPAN: Final = re.compile(r"\{(\d+)\.\.(\d+)\}")
NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$")
ROTATIONS: Final = {
    "L1L2L3": (0, 1, 2), "L2L3L1": (1, 2, 0), "L3L1L2": (2, 0, 1),
    "L1L3L2": (0, 2, 1), "L2L1L3": (1, 0, 2), "L3L2L1": (2, 1, 0),
}  # fmt: skip
DEFAULT_EPOCH: Final = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
MOST_STATIONS: Final = 20_000


@dataclass(frozen=True, slots=True)
class SiteBundle:
    """A site with its rulebook, and the argument it was loaded by. `security`: what its file says of it, not yet read. `review`: what
    the portfolio measures its sites against."""

    name: str
    site: Site
    rulebook: Rulebook
    security: Settings | None = None
    review: Review = USUAL


def load_site(name: str, stations: int | None = None, policy: Path | None = None) -> SiteBundle:
    """A site file or its folder by path, or a bundled site by name; a folder here goes before a bundled site of its name.
    BadInput names what is wrong and where.

    `stations` sets the number of stations of a site that has a `scale:` section. `policy`: a site policy to try instead of the site's own;
    it may see its visitors otherwise than they see themselves.
    """
    path = _find(name)
    node = load(path)
    site = parse_site(node, stations)
    rules = _rules(site, path, node, policy)
    if site.visits is not None and policy is None:
        check_classes(site.visits, rules)
    wanted = node.get("security")
    security = parse_security(wanted, [s.id for s in site.stations], path.parent) if wanted is not None else None
    return SiteBundle(name, site, rules, security, parse_review(load(_beside(path, "portfolio.yaml"))))


def _find(name: str) -> Path:
    path = Path(name)
    own = (path / "fleet.yaml").is_file()
    if NAME.match(name) and not own and (fleets_folder() / name / "fleet.yaml").is_file():
        return fleets_folder() / name / "fleet.yaml"
    if path.is_dir():
        path = path / "fleet.yaml"
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        raise BadInput(None, f"no site is named {name!r}", nearest(name, bundled_sites()))
    return path


def _rules(site: Site, path: Path, node: Located, tried: Path | None) -> Rulebook:
    """The three layers: the folder's own files where they stand, the bundled ones otherwise."""
    own = path.parent / "policy.yaml" if tried is None else tried
    type_file = _beside(path, f"site_types/{site.type}.yaml")
    if not type_file.is_file():
        types = [p.stem for p in (fleets_folder() / "site_types").glob("*.yaml")]
        raise BadInput(node.need("type").source, f"site type {site.type!r} is not known", nearest(site.type, types))
    policy = load(own) if tried is not None or own.is_file() else None
    return rulebook(load(_beside(path, "portfolio.yaml")), load(type_file), policy, site)


def _beside(path: Path, name: str) -> Path:
    own = path.parent.parent / name
    return own if own.is_file() else fleets_folder() / name


def parse_site(node: Located, stations_wanted: int | None = None) -> Site:
    """The site a file describes, with so many stations if it scales."""
    node.only(
        "site", "type", "zone", "epoch", "circuits", "stations", "scale", "meters", "building", "visits", "arrivals", "security"
    )  # fmt: skip
    node = expanded(node, catalogue_stations(), stations_wanted)
    calendar = _calendar(node)
    circuits = _circuits(node.need("circuits"))
    stations = tuple(_stations(node.need("stations"), circuits))
    if not stations:
        raise BadInput(node.need("stations").source, "a site needs at least one station")
    meters = tuple(_meters(node.list("meters"), circuits, {s.id for s in stations}))
    vehicles = catalogue_vehicles()
    arrivals = tuple(_arrivals(node.list("arrivals"), stations, vehicles))
    visits = parse_visits(node.need("visits"), stations, vehicles) if node.has("visits") else None
    return Site(
        node.text("site"), node.text("type"), calendar, circuits, stations, meters, arrivals, dict(vehicles), node.source,
        tuple(parse_buildings(node.list("building"), circuits)), visits,
    )  # fmt: skip


def _calendar(node: Located) -> Calendar:
    zone = node.text("zone", "UTC")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise BadInput(node.need("zone").source, f"time zone {zone!r} is not known", "for example Europe/Amsterdam") from None
    at = node.get("epoch")
    if at is None:
        return Calendar(DEFAULT_EPOCH, zone)
    try:
        found = at.value if isinstance(at.value, (datetime, date)) else datetime.fromisoformat(str(at.value))
    except ValueError:
        raise BadInput(at.source, f"a date and time expected, found {at.value!r}", "for example 2026-03-02T07:00:00Z") from None
    if not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day)
    return Calendar(found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone)), zone)


def _circuits(node: Located) -> dict[str, Circuit]:
    table = node.table()
    raw: dict[str, Circuit] = {}
    for name, one in table.items():
        if not NAME.match(name):
            raise BadInput(one.source, f"a circuit can't be named {name!r}", "letters, digits, dot, dash")
        one.only("parent", "limit", "limit_kw", "phases", "grace", "resistance", "unbalance")
        parent = one.text("parent", "") or None
        if parent is not None and parent not in table:
            raise BadInput(one.need("parent").source, f"parent {parent!r} of {name!r} is no circuit", nearest(parent, table))
        phases = one.integer("phases", 3)
        if phases not in (1, 3):
            raise BadInput(one.need("phases").source, f"phases: 1 or 3 expected, found {phases}")
        limit = one.number("limit", "A", least=0.1, most=100_000)
        cap = one.number("limit_kw", "kW", least=0) if one.has("limit_kw") else None
        ohm = one.number("resistance", "Ohm", 0.0, least=0, most=10)
        apart = one.number("unbalance", "A", least=0, most=100_000) if one.has("unbalance") else None
        raw[name] = Circuit(name, parent, limit, phases, cap, one.number("grace", "s", 10.0, least=0), ohm, one.source, apart)
    return dict(_ordered(raw, node))


def _ordered(raw: dict[str, Circuit], node: Located) -> Iterator[tuple[str, Circuit]]:
    """Parents before children; one root; no cycle."""
    done: dict[str, Circuit] = {}
    while len(done) < len(raw):
        ready = [c for c in raw.values() if c.name not in done and (c.parent is None or c.parent in done)]
        if not ready:
            rest = [c for c in raw.values() if c.name not in done]
            ring = ", ".join(c.name for c in rest)
            raise BadInput(rest[0].source, f"circuits feed each other in a circle: {ring}", "one of them needs another parent")
        for circuit in ready:
            done[circuit.name] = circuit
    roots = [c for c in done.values() if c.parent is None]
    if not roots:
        raise BadInput(node.source, "a site needs a circuit")
    if len(roots) > 1:
        raise BadInput(roots[1].source, f"{roots[1].name!r} has no parent, but {roots[0].name!r} is the grid connection")
    for circuit in done.values():
        if circuit.parent is not None and circuit.phases > done[circuit.parent].phases:
            raise BadInput(circuit.source, f"{circuit.name!r} has more phases than its parent {circuit.parent!r}")
    yield from done.items()


def spread(text: str, source: Located) -> list[str]:
    """`bay-{01..12}` as twelve names; a text without a span as itself."""
    found = SPAN.search(text)
    if found is None:
        return [text]
    low, high = int(found[1]), int(found[2])
    if high < low or high - low >= MOST_STATIONS:
        raise BadInput(source.source, f"the span {found[0]} is empty or too long")
    width = len(found[1])
    return [text[: found.start()] + str(n).zfill(width) + text[found.end() :] for n in range(low, high + 1)]


def _stations(node: Located, circuits: dict[str, Circuit]) -> Iterator[ChargingStation]:
    models = catalogue_stations()
    seen: dict[str, Located] = {}
    for one in node.items():
        one.only("id", "model", "circuit", "ocpp", "rotation", "link", "rig", "max_a", "phases")
        model = one.text("model")
        if model not in models:
            raise BadInput(one.need("model").source, f"station model {model!r} is not in the catalogue", nearest(model, models))
        circuit = one.get("circuit")
        if circuit is None:
            raise BadInput(one.source, f"station {one.text('id')} is on no circuit", f"circuit: one of {', '.join(circuits)}")
        if circuit.as_text() not in circuits:
            raise BadInput(circuit.source, f"circuit {circuit.as_text()!r} is not known", nearest(circuit.as_text(), circuits))
        version = one.one_of("ocpp", OCPP_VERSIONS, "1.6")
        turn = ROTATIONS[one.one_of("rotation", ROTATIONS, "L1L2L3")]
        link = one.one_of("link", ("emulated", "listen"), "emulated")
        rig = one.text("rig", "emulated" if link == "emulated" else "none")
        installed = _installed(models[model], one)
        for name in spread(one.text("id"), one.need("id")):
            if not NAME.match(name):
                hint = "letters, digits, dot, dash; at most 48"
                raise BadInput(one.need("id").source, f"a station can't be named {name!r}", hint)
            if name in seen:
                raise BadInput(one.source, f"station {name!r} is named twice", f"first at {seen[name].source}")
            seen[name] = one
            yield ChargingStation(
                name, installed, circuit.as_text(), cast(OcppVersion, version), turn,
                "listen" if link == "listen" else "emulated", rig, (), one.source,
            )  # fmt: skip


def _installed(model: StationModel, node: Located) -> StationModel:
    """The model as the installer set it: on fewer amperes or one phase."""
    if not node.has("max_a") and not node.has("phases"):
        return model
    if any(e.dc for e in model.evses):
        where = node.need("max_a" if node.has("max_a") else "phases").source
        raise BadInput(where, f"{model.id} is a DC station", "max_a and phases are for AC stations")
    phases = node.integer("phases", 3)
    if phases not in (1, 3):
        raise BadInput(node.need("phases").source, f"phases: 1 or 3 expected, found {phases}")
    max_a = node.number("max_a", "A", 500.0, least=6, most=500)
    return replace(model, evses=tuple(replace(e, max_a=min(e.max_a, max_a), phases=min(e.phases, phases)) for e in model.evses))


def _meters(nodes: list[Located], circuits: dict[str, Circuit], stations: set[str]) -> Iterator[MeterPoint]:
    seen: set[str] = set()
    known = catalogue_meters()
    for one in nodes:
        one.only("id", "model", "circuit", "station", "unit", "host", "port", "framing", "fault")
        names = spread(one.text("id"), one.need("id"))
        points = spread(one.text("station"), one.need("station")) if one.has("station") else []
        units = [int(u) for u in spread(one.text("unit", "1"), one)]
        if len({len(x) for x in (names, points or names, units if len(units) > 1 else names)}) > 1:
            raise BadInput(one.source, "id, station and unit must count the same number of meters")
        model = one.text("model")
        if model not in known:
            raise BadInput(one.need("model").source, f"meter model {model!r} is not in the catalogue", nearest(model, known))
        circuit = one.text("circuit") if one.has("circuit") else None
        if (circuit is None) == (not points):
            raise BadInput(one.source, "a meter needs a circuit or a station, one of them")
        if circuit is not None and circuit not in circuits:
            raise BadInput(one.need("circuit").source, f"circuit {circuit!r} is not known", nearest(circuit, circuits))
        framing = cast(Literal["tcp", "rtu-over-tcp"], one.one_of("framing", ("tcp", "rtu-over-tcp"), "tcp"))
        fault = _meter_fault(one.get("fault"))
        for index, name in enumerate(names):
            station = points[index] if points else None
            if station is not None and station not in stations:
                raise BadInput(one.need("station").source, f"station {station!r} is not known", nearest(station, stations))
            if name in seen or name in stations:
                raise BadInput(one.source, f"the name {name!r} is taken")
            seen.add(name)
            unit = units[index] if len(units) > 1 else units[0]
            yield MeterPoint(
                name, model, circuit, station, unit, one.text("host", "127.0.0.1"), one.integer("port", 0),
                known[model], one.source, framing, fault,
            )  # fmt: skip


def _meter_fault(node: Located | None) -> MeterFault | None:
    """`fault: {name: wrong-scale, after: 10 min, factor: 0.1}` of an emulated meter."""
    if node is None:
        return None
    name = node.one_of("name", FAULTS)
    node.only("name", "after", *FAULTS[name].parameters)
    given = tuple((key, node.number(key, "")) for key in FAULTS[name].parameters if node.has(key))
    return MeterFault(name, node.number("after", "s", 0.0, least=0), given)


def _arrivals(nodes: list[Located], stations: tuple[ChargingStation, ...], vehicles: dict[str, Vehicle]) -> Iterator[Arrival]:
    by_name = {s.id: s for s in stations}
    for one in nodes:
        one.only("at", "station", "evse", "vehicle", "token", "soc", "leaves", "needs_kwh", "class", "leaves_stated")
        station, vehicle = one.text("station"), one.text("vehicle")
        if station not in by_name:
            raise BadInput(one.need("station").source, f"station {station!r} is not known", nearest(station, by_name))
        if vehicle not in vehicles:
            raise BadInput(one.need("vehicle").source, f"vehicle {vehicle!r} is not in the catalogue", nearest(vehicle, vehicles))
        evse = next((e for e in by_name[station].model.evses if e.id == one.integer("evse", 1)), None)
        if evse is not None and evse.connector_for(vehicles[vehicle]) is None:
            has = ", ".join(c.type for c in evse.connectors)
            raise BadInput(one.need("vehicle").source, f"{vehicle!r} can't be plugged in at {station}, which has {has}")
        leaves = one.number("leaves", "s", least=0) if one.has("leaves") else None
        yield Arrival(
            one.number("at", "s", least=0), station, one.integer("evse", 1), vehicle, one.text("token"),
            one.number("soc", "%", 20.0, least=0, most=100), leaves, one.source,
            one.number("needs_kwh", "kWh", least=0) if one.has("needs_kwh") else None, one.text("class", ""),
            one.number("leaves_stated", "s", least=0) if one.has("leaves_stated") else None,
        )  # fmt: skip


# --- catalogue --------------------------------------------------------------------------------------------------


@cache
def catalogue_vehicles() -> dict[str, Vehicle]:
    """Every catalogue vehicle by id."""
    found = [parse_vehicle(load(p)) for p in sorted((fleets_folder() / "catalogue/vehicles").glob("*.yaml"))]
    return {v.id: v for v in found}


@cache
def catalogue_meters() -> dict[str, float]:
    """Meter model to what one phase reading may be off by, A."""
    out = {}
    for path in sorted((fleets_folder() / "catalogue/meters").glob("*.yaml")):
        node = load(path).only("id", "uncertainty_a", "name", "class", "transport", "source")
        if node.text("id") not in MAPS:
            raise BadInput(node.need("id").source, f"no register map for {node.text('id')!r}", nearest(node.text("id"), MAPS))
        out[node.text("id")] = node.number("uncertainty_a", "A", least=0)
    return out


@cache
def catalogue_stations() -> dict[str, StationModel]:
    """Every catalogue station by id."""
    found = [_model(load(p)) for p in sorted((fleets_folder() / "catalogue/stations").glob("*.yaml"))]
    return {m.id: m for m in found}


def _model(node: Located) -> StationModel:
    node.only(
        "id", "vendor", "model", "evses", "capabilities", "settle_s", "power_up_s", "pilot_latency_s", "contactor_s",
        "standby_w", "voltage_v", "below_min", "rate_units", "shared_kw", "module_kw", "supply_a", "efficiency", "pwm_step_a",
        "pulse_after_s", "meter_class_percent", "phase_switching",
    )  # fmt: skip
    base = StationModel("", "", "")
    return StationModel(
        node.text("id"), node.text("vendor"), node.text("model"),
        tuple(_evse(one) for one in node.list("evses")),
        frozenset(one.as_text() for one in node.list("capabilities")),
        node.number("settle_s", "s", base.settle_s, least=0), node.number("power_up_s", "s", base.power_up_s, least=0),
        node.number("pilot_latency_s", "s", base.pilot_latency_s, least=0),
        node.number("contactor_s", "s", base.contactor_s, least=0),
        node.number("standby_w", "W", base.standby_w, least=0), node.number("voltage_v", "V", base.voltage_v, least=100, most=500),
        "reject" if node.one_of("below_min", ("pause", "reject"), "pause") == "reject" else "pause",
        tuple(one.as_text() for one in node.list("rate_units")) or base.rate_units,
        node.number("shared_kw", "kW") if node.has("shared_kw") else None, node.number("module_kw", "kW", 0.0, least=0),
        node.number("supply_a", "A", least=6) if node.has("supply_a") else None, _efficiency(node),
        node.number("pwm_step_a", "A", base.pwm_step_a, least=0.01, most=2),
        node.number("pulse_after_s", "s", least=5) if node.has("pulse_after_s") else None,
        node.number("meter_class_percent", "%", 0.0, least=0, most=5), node.flag("phase_switching"), node.source,
    )  # fmt: skip


def _efficiency(node: Located) -> Points:
    """A number, or points over the load (share of the rated output)."""
    one = node.get("efficiency")
    if one is None:
        return ((0.0, 1.0),)
    if not isinstance(one.value, list):
        return ((0.0, one.as_number("", least=0.5, most=1)),)
    points = []
    for pair in one.items():
        load, share = (x.as_number("", least=0, most=1) for x in pair.items())
        points.append((load, max(share, 0.05)))
    if not points or any(b[0] <= a[0] for a, b in pairwise(points)):
        raise BadInput(one.source, "efficiency: points [load, share] with rising load expected")
    return tuple(points)


def _evse(node: Located) -> Evse:
    node.only("id", "max_a", "phases", "max_kw", "max_dc_a", "connectors")
    connectors = tuple(Connector(n + 1, one.as_text()) for n, one in enumerate(node.list("connectors")))
    max_kw = node.number("max_kw", "kW", least=1) if node.has("max_kw") else None
    max_dc_a = node.number("max_dc_a", "A", least=1) if node.has("max_dc_a") else None
    phases = node.integer("phases", 3)
    if phases not in (1, 3):
        raise BadInput(node.need("phases").source, f"phases: 1 or 3 expected, found {phases}")
    return Evse(node.integer("id"), connectors, node.number("max_a", "A", 32.0, least=6), phases, max_kw, max_dc_a)
