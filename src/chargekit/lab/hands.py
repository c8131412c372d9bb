"""Checking a hand that came from outside, before a machine sees it: machines trust their hands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from chargekit.emulator.external import SOURCES
from chargekit.emulator.meter_faults import FAULTS
from chargekit.lab.rig import BENCH_HANDS, LINK_HANDS, STATION_HANDS, VEHICLE_HANDS
from chargekit.model.site import ChargingStation, Site

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "plug": ("station", "evse", "vehicle"), "unplug": ("station", "evse"), "set_building_a": ("circuit", "amps"),
    "set_voltage": ("volts",), "set_cp_state": ("station", "evse", "state"), "meter_fault": ("meter", "fault"),
    "open_breaker": ("circuit",), "close_breaker": ("circuit",), "present": ("token", "evse"), "press_stop": ("evse",),
    "ev_certificate": ("action", "exi"), "external_limit": ("limit_a",),
    "authorise": ("token",), "set_cap": ("circuit", "limit_a"), "create_override": ("id", "until", "who", "why"),
    "revoke_override": ("id", "who"), "list_overrides": (), "report_fault": ("kind", "subject", "who", "why"),
    "clear_fault": ("kind", "subject", "who"), "set_class": ("token", "user_class"),
    "set_departure": ("departs",), "signal": ("id", "kind", "until"),
    "power_off": (), "power_on": (), "link_cut": (), "link_mended": (), "csms_off": (), "csms_on": (),
}  # fmt: skip
TEXTS: Final = frozenset(
    {
        "token",
        "id",
        "who",
        "why",
        "user_class",
        "status",
        "group",
        "vehicle",
        "circuit",
        "station",
        "meter",
        "fault",
        "action",
        "schema",
        "role",
        "category",
        "scope",
        "kind",
        "subject",
    }
)
FIGURES: Final = frozenset({"soc_percent", "limit_a", "until", "rank", "departs", "needs_kwh", "limit_kw", "level"})
LONGEST: Final = 500
LONGEST_EXI: Final = 5600
SHORTEST_TOKEN: Final = 20
"""Characters every version has room for in a token (1.6 section 7.28)."""
FARTHEST_S: Final = 1e10


def complaint(site: Site, plant: str, csms: str, to: str, verb: str, args: Mapping[str, Any]) -> str | None:
    """What is wrong with a hand, in words; None if a machine may have it."""
    if verb not in NEEDS:
        return f"{verb!r} is no hand that can be asked for from outside"
    missing = [name for name in NEEDS[verb] if name not in args]
    if missing:
        return f"{verb}: {', '.join(missing)} missing"
    if verb == "set_departure" and "token" not in args and not ("station" in args and "evse" in args):
        return "set_departure: token, or station and evse, missing"
    stations = {s.id: s for s in site.stations}
    if verb in STATION_HANDS | BENCH_HANDS | LINK_HANDS:
        if to not in stations:
            return f"{verb}: {to!r} is no station of this site"
    elif to != (plant if verb in VEHICLE_HANDS else csms):
        return f"{verb}: {plant if verb in VEHICLE_HANDS else csms} takes it, not {to!r}"
    given = dict(args)
    if verb == "external_limit":
        # EVSE 0 is the whole station, and no limit releases it.
        given = {k: v for k, v in args.items() if not (k == "evse" and type(v) is int and v == 0) and not (k == "limit_a" and v is None)}
    for name, value in given.items():
        if name in ("generated", "forget") and not isinstance(value, bool):
            return f"{verb}: {name}: true or false expected"
        if (why := _wrong(site, to, name, value, args)) is not None:
            return f"{verb}: {why}"
    return None


def _wrong(site: Site, to: str, name: str, value: Any, args: Mapping[str, Any]) -> str | None:
    stations = {s.id: s for s in site.stations}
    if name in TEXTS and not (isinstance(value, str) and len(value) <= LONGEST):
        return f"{name}: text expected"
    if name == "exi" and not (isinstance(value, str) and len(value) <= LONGEST_EXI):
        return f"exi: text of at most {LONGEST_EXI} characters expected"
    if name in FIGURES and not _figure(value):
        return f"{name}: a number expected"
    if name == "group" and len(value) > SHORTEST_TOKEN:
        return f"group: at most {SHORTEST_TOKEN} characters expected"
    if name in ("until", "departs") and not -FARTHEST_S <= value <= FARTHEST_S:
        return f"{name}: seconds of this run expected"
    if name in ("limit_a", "limit_kw", "level", "needs_kwh") and value < 0:
        return f"{name}: at least 0 expected"
    if name == "amps" and not (isinstance(value, list) and len(value) == 3 and all(_figure(v) for v in value)):
        return "amps: three numbers expected"
    if name == "volts" and not (isinstance(value, list) and len(value) == 3 and all(_figure(v) and 0 <= v <= 500 for v in value)):
        return "volts: three numbers up to 500 expected"
    if name in ("factor", "late_s", "percent", "at_kwh") and not (_figure(value) and -1000 <= value <= 100_000):
        return f"{name}: a number expected"
    if name == "fault" and value in FAULTS:
        unknown = [k for k in args if k not in ("meter", "fault", *FAULTS[value].parameters)]
        return f"{value} takes {', '.join(FAULTS[value].parameters) or 'no parameters'}, not {unknown[0]}" if unknown else None
    known: Mapping[str, Any] = {
        "station": stations, "vehicle": site.vehicles, "circuit": site.circuits, "fault": ("none",),
        "meter": [m.id for m in site.meters], "source": SOURCES, "state": ("E", "none"),
    }  # fmt: skip
    if name in known and value not in known[name]:
        return f"{name}: {value!r} is not known here"
    return _elsewhere(stations, to, name, value, args)


def _elsewhere(stations: Mapping[str, ChargingStation], to: str, name: str, value: Any, args: Mapping[str, Any]) -> str | None:
    """An EVSE or a connector that is not there."""
    station = stations.get(args.get("station", to))
    evses = station.model.evses if station is not None else ()
    there = {"evse": [e.id for e in evses], "connector": [c.id for e in evses if e.id == args.get("evse") for c in e.connectors]}
    if name in there and (isinstance(value, bool) or value not in there[name]):
        return f"{name}: one of {there[name]} expected"
    return None


def _figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
