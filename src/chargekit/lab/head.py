"""The head of a record file: the site, so that figures can be made from the file alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from chargekit import __version__
from chargekit.lab.sitefile import SiteBundle
from chargekit.model.site import ChargingStation, Evse, MeterPoint, Site

NOMINAL_V = 230.0


def head_of(bundle: SiteBundle, meters: Iterable[MeterPoint], *, whole: bool, site: Site | None = None) -> dict[str, Any]:
    """The body of the record `site`: circuits with what they may carry, EVSEs, meters, whose tokens are whose, calendar, and what the
    portfolio measures against. `site`: where it is not the bundle's own (its clock was moved)."""
    site, rules = site or bundle.site, bundle.rulebook
    caps: dict[str, float] = {}
    for limit in rules.limits:
        caps[limit.circuit] = min(limit.limit_a, caps.get(limit.circuit, math.inf))
    circuits = {
        c.name: {"rating_a": c.rating_a, "limit_a": caps.get(c.name, c.rating_a), "parent": c.parent} for c in site.circuits.values()
    }
    stations = {s.id: {"circuit": s.circuit, "evses": {str(e.id): {"kw": _kw(s, e)} for e in s.model.evses}} for s in site.stations}
    return {
        "site": site.id, "type": site.type, "zone": site.calendar.zone, "epoch": site.calendar.iso(0.0), "chargekit": __version__,
        "circuits": circuits, "stations": stations, "meters": {m.id: {"circuit": m.circuit, "station": m.station} for m in meters},
        "whole_site": whole, "voltage_v": NOMINAL_V, "policy": rules.revision,
        "tokens": [list(one) for one in rules.narrow_first], "default_class": rules.default_class, "review": bundle.review.plain(),
    }  # fmt: skip


def _kw(station: ChargingStation, evse: Evse) -> float:
    """The most an EVSE gives."""
    return evse.max_kw if evse.max_kw is not None else round(station.model.voltage_v * evse.phases * evse.max_a / 1000.0, 3)
