"""From one number of stations to a whole site: circuits, stations and meters of a site file's `scale:` section.

The tree is grid, one or more panels per group, and feeders. Every rating is the sum of what hangs below times a diversity factor,
with the building on top at the grid connection, rounded up to a standard fuse. What is made here goes through the same checks as
what is written by hand, and is located at the lines it was made from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chargekit.model.located import BadInput, Located, Source, nearest
from chargekit.model.site import OCPP_VERSIONS, StationModel
from chargekit.model.vehicle import at

FUSES_A: Final = (
    16, 20, 25, 32, 35, 40, 50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000,
    5000, 6300, 8000, 10000,
)  # fmt: skip
"""The preferred series of IEC 60269 and, above 1250 A, of IEC 60947-2."""
TURNS: Final = ("L1L2L3", "L2L3L1", "L3L1L2")
FEEDERS_PER_PANEL: Final = 12
UNITS: Final = 247
MOST: Final = 5000
VOLTS: Final = 230.0


@dataclass(frozen=True, slots=True)
class Group:
    """Stations of one kind. `share` of all stations; `feeder`: at most so many on one feeder; `diversity` of a feeder."""

    name: str
    share: float
    model: str
    ocpp: tuple[str, ...]
    feeder: int
    diversity: float
    max_a: float | None
    phases: int | None
    draw_a: float
    peak_a: float
    source: Source


def fuse_a(amps: float) -> float:
    """The standard rating that carries so many amperes; above the series the next thousand."""
    return next((float(f) for f in FUSES_A if f >= amps - 1e-9), math.ceil(amps / 1000.0) * 1000.0)


def draw_a(model: StationModel, max_a: float | None = None, phases: int | None = None) -> float:
    """What a station draws from its feeder at most, A per phase, single-phase ones spread over the three."""
    if any(e.dc for e in model.evses):
        output = sum(e.max_kw or 0.0 for e in model.evses)
        return min(output, model.shared_kw or output) * 1000.0 / at(model.efficiency, 1.0) / (3 * VOLTS)
    drawn = sum(min(e.max_a, max_a or e.max_a) * min(e.phases, phases or 3) / 3.0 for e in model.evses)
    return drawn if model.supply_a is None else min(drawn, model.supply_a)


def peak_a(model: StationModel, max_a: float | None = None) -> float:
    """What a station may draw on one phase: its feeder carries that, however few stations are on it."""
    if any(e.dc for e in model.evses):
        return draw_a(model)
    return max(min(e.max_a, max_a or e.max_a) for e in model.evses)


def expanded(node: Located, models: Mapping[str, StationModel], stations: int | None = None) -> Located:
    """The site's tree with `circuits`, `stations` and `meters` in place of `scale`; a tree without `scale` as it is.

    `stations` overrides the file's number; buildings and photovoltaics are scaled along.
    """
    scale = node.get("scale")
    if scale is None:
        if stations is not None:
            raise BadInput(node.source, "this site has a fixed number of stations", "a `scale:` section lets it have any")
        if node.has("stations") and isinstance(node.need("stations").value, int):
            raise BadInput(node.need("stations").source, "a number of stations needs a `scale:` section", "or list the stations")
        return node
    for key in ("circuits", "meters"):
        if node.has(key):
            raise BadInput(node.need(key).source, f"`{key}` and `scale` don't go together", "remove one of them")
    base = node.need("stations").as_int()
    count = base if stations is None else stations
    for number in (base, count):
        if not 1 <= number <= MOST:
            raise BadInput(node.need("stations").source, f"1 to {MOST} stations expected, found {number}")
    scale.only("grid", "groups", "meters")
    groups = list(_groups(scale.need("groups"), models))
    buildings = [_scaled(one, count / base) for one in node.list("building")]
    made = _Maker(scale, count, groups, sum(b.number("peak_kw", "kW", 0.0, least=0) for b in buildings))
    table = {**node.table(), **made.sections(), "building": Located(buildings, scale.source)}
    del table["scale"]
    return Located(table, node.source)


def _scaled(node: Located, factor: float) -> Located:
    table = dict(node.table())
    for key in ("peak_kw", "pv_kwp"):
        if node.has(key):
            table[key] = Located(round(node.number(key, "kW", least=0) * factor, 3), node.need(key).source)
    return Located(table, node.source)


def _groups(node: Located, models: Mapping[str, StationModel]) -> Iterator[Group]:
    seen: dict[str, Located] = {}
    for one in node:
        one.only("name", "share", "model", "ocpp", "feeder", "diversity", "max_a", "phases")
        name, model = one.text("name"), one.text("model")
        if name in seen:
            raise BadInput(one.source, f"group {name!r} is named twice", f"first at {seen[name].source}")
        seen[name] = one
        if model not in models:
            raise BadInput(one.need("model").source, f"station model {model!r} is not in the catalogue", nearest(model, models))
        versions = tuple(v.as_text() for v in one.list("ocpp")) or ("1.6",)
        for version in versions:
            if version not in OCPP_VERSIONS:
                raise BadInput(one.need("ocpp").source, f"ocpp: {version!r} is not known", nearest(version, OCPP_VERSIONS))
        feeder = one.integer("feeder", 16)
        if not 1 <= feeder <= 100:
            raise BadInput(one.need("feeder").source, f"1 to 100 stations on a feeder expected, found {feeder}")
        max_a = one.number("max_a", "A", least=6, most=500) if one.has("max_a") else None
        phases = one.integer("phases") if one.has("phases") else None
        yield Group(
            name, one.number("share", "", least=0, most=1), model, versions, feeder,
            one.number("diversity", "", 1.0, least=0.05, most=1), max_a, phases, draw_a(models[model], max_a, phases),
            peak_a(models[model], max_a), one.source,
        )  # fmt: skip
    if not seen:
        raise BadInput(node.source, "at least one group of stations expected")


def shared_out(count: int, groups: Sequence[Group], node: Located) -> list[int]:
    """Stations per group: largest remainders, and none of the groups empty while there are stations enough."""
    total = sum(g.share for g in groups)
    if abs(total - 1.0) > 0.005:
        raise BadInput(node.source, f"shares add up to {total:g}, not to 1")
    exact = [count * g.share / total for g in groups]
    whole = [int(x) for x in exact]
    for index in sorted(range(len(groups)), key=lambda i: (whole[i] - exact[i], i))[: count - sum(whole)]:
        whole[index] += 1
    for index, group in enumerate(groups):
        if whole[index] == 0 and group.share > 0 and count >= len(groups):
            whole[whole.index(max(whole))] -= 1
            whole[index] = 1
    return whole


class _Maker:
    """Builds the three sections."""

    def __init__(self, scale: Located, count: int, groups: Sequence[Group], building_kw: float) -> None:
        self.scale, self.groups = scale, groups
        self.counts = shared_out(count, groups, scale.need("groups"))
        self.circuits: dict[str, Located] = {}
        self.stations: list[Located] = []
        self.ids: list[str] = []
        grid = scale.need("grid").only("diversity", "least")
        self.grid_source = grid.source
        amps = sum(n * g.draw_a for n, g in zip(self.counts, groups, strict=True)) * grid.number("diversity", "", least=0.05, most=1)
        largest = max(g.draw_a for n, g in zip(self.counts, groups, strict=True) if n)
        building = building_kw * 1000.0 / (3 * VOLTS)
        self.grid_a = fuse_a(max(max(amps, largest) + building, grid.number("least", "A", 35.0, least=1)))

    def sections(self) -> dict[str, Located]:
        self._circuit("grid", None, self.grid_a, self.grid_source)
        for group, count in zip(self.groups, self.counts, strict=True):
            self._group(group, count)
        return {
            "circuits": Located(self.circuits, self.scale.source),
            "stations": Located(self.stations, self.scale.source),
            "meters": Located(list(self._meters()), self.scale.source),
        }

    def _circuit(self, name: str, parent: str | None, limit_a: float, source: Source) -> str:
        if parent is not None:
            limit_a = min(limit_a, self.grid_a)
        self.circuits[name] = _located({"limit": limit_a, **({"parent": parent} if parent else {})}, source)
        return name

    def _group(self, group: Group, count: int) -> None:
        """Panels of at most twelve feeders; a group of one feeder hangs from the grid."""
        feeders = -(-count // group.feeder)
        panels = -(-feeders // FEEDERS_PER_PANEL) if feeders > 1 else 0
        amps = [0.0] * panels
        width = max(2, len(str(count)))
        parts: list[tuple[str, int, range]] = []
        for index in range(feeders):
            members = range(index * count // feeders, (index + 1) * count // feeders)
            parts.append((f"{group.name}-f{index + 1}", index * panels // feeders, members))
            if panels:
                amps[index * panels // feeders] += len(members) * group.draw_a * group.diversity
        for panel, sum_a in enumerate(amps):
            self._circuit(f"{group.name}-p{panel + 1}", "grid", fuse_a(max(group.peak_a, sum_a)), group.source)
        for name, panel, members in parts:
            rating = fuse_a(max(group.peak_a, len(members) * group.draw_a * group.diversity, 16.0))
            self._circuit(name, f"{group.name}-p{panel + 1}" if panels else "grid", rating, group.source)
            for number in members:
                self._station(group, number, f"{group.name}-{number + 1:0{width}}", name)

    def _station(self, group: Group, number: int, name: str, circuit: str) -> None:
        table: dict[str, Any] = {
            "id": name, "model": group.model, "circuit": circuit, "ocpp": group.ocpp[number % len(group.ocpp)],
            "rotation": TURNS[number % 3],
        }  # fmt: skip
        if group.max_a is not None:
            table["max_a"] = group.max_a
        if group.phases is not None:
            table["phases"] = group.phases
        self.ids.append(name)
        self.stations.append(_located(table, group.source))

    def _meters(self) -> Iterator[Located]:
        """One at the grid and on every panel and feeder; the stations' own as long as there are Modbus unit numbers for all."""
        node = self.scale.get("meters")
        if node is None:
            return
        node.only("grid", "circuits", "stations")
        unit = 0
        for circuit in self.circuits:
            key = "grid" if circuit == "grid" else "circuits"
            if node.has(key):
                unit += 1
                yield _located({"id": f"{circuit}-meter", "circuit": circuit, "model": node.text(key), "unit": unit}, node.source)
        if node.has("stations") and unit + len(self.ids) <= UNITS:
            for number, station in enumerate(self.ids, unit + 1):
                yield _located({"id": f"m-{station}", "station": station, "model": node.text("stations"), "unit": number}, node.source)


def _located(table: Mapping[str, Any], source: Source) -> Located:
    return Located({key: Located(value, source) for key, value in table.items()}, source)
