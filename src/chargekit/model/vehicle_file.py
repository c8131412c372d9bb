"""A catalogue vehicle from its file."""

from __future__ import annotations

import itertools
from dataclasses import fields
from typing import Any, Final

from chargekit.model.located import BadInput, Located
from chargekit.model.vehicle import AC_RAMP, DC_RAMP, Points, Quirks, Ramp, Thermal, Vehicle

KINDS: Final = ("car", "van", "truck", "bus", "phev")
INLETS: Final = ("cCCS1", "cCCS2", "cG105", "cGBT-DC", "cChaoJi", "cMCS", "cNACS", "cNACS-CCS1", "cTesla")
"""DC connectors by their OCPP names (ConnectorEnumType of 2.0.1 and 2.1); cG105 is CHAdeMO."""
TAIL: Final[Points] = ((0.0, 1.0), (97.0, 1.0), (100.0, 0.25))
"""Without a tail of its own a car tapers over the last 3 % of its battery."""

ALIKE: Final[Points] = ((0.0, 0.92),)

QUIRKS: Final[dict[str, tuple[str, ...]]] = {
    "pilot_fraction": ("share",),
    "sleeps": ("after_s", "wakes_by"),
    "gives_up": ("after",),
    "second_module": ("above_a", "late_s"),
    "faults_on_phase_switch": (),
    "stuck_on_one_phase": (),
    "cools": ("every_s", "for_s"),
    "preheats": ("power_w", "for_s", "later_s"),
    "draws_asleep": ("amps",),
    "balances": ("power_w", "for_s"),
}
"""A quirk's name in a vehicle file, and its parameters."""

_PLACE: Final = {
    ("pilot_fraction", "share"): "pilot_fraction", ("sleeps", "after_s"): "sleeps_after_s", ("sleeps", "wakes_by"): "wakes_by",
    ("gives_up", "after"): "gives_up_after", ("second_module", "above_a"): "second_module_a",
    ("second_module", "late_s"): "second_module_s", ("cools", "every_s"): "cools_every_s", ("cools", "for_s"): "cools_for_s",
    ("preheats", "power_w"): "preheats_w", ("preheats", "for_s"): "preheats_s", ("preheats", "later_s"): "preheats_later_s",
    ("draws_asleep", "amps"): "asleep_a", ("balances", "power_w"): "balances_w", ("balances", "for_s"): "balances_s",
}  # fmt: skip


def parse_vehicle(node: Located) -> Vehicle:
    """The vehicle a catalogue file describes. BadInput on anything unknown or out of range."""
    node.only(
        "id", "name", "kind", "usable_kwh", "wh_per_km", "ac", "dc", "battery_efficiency", "quirks", "start_delay_s", "source", "licence"
    )
    ac = node.need("ac").only("phases", "max_a", "min_a", "min_3ph_a", "efficiency", "tail", "cable_a", "ramp")
    phases = ac.integer("phases")
    if phases not in (1, 2, 3):
        raise BadInput(ac.need("phases").source, f"phases: 1, 2 or 3 expected, found {phases}")
    least = ac.number("min_a", "A", 6.0, least=6, most=16)
    dc = node.get("dc")
    given: dict[str, Any] = {}
    if dc is not None:
        dc.only("max_kw", "inlet", "curve", "pack_v", "ramp", "thermal")
        given = {
            "dc_max_kw": dc.number("max_kw", "kW", least=0), "dc_inlet": dc.one_of("inlet", INLETS, "cCCS2"),
            "dc_curve": _points(dc, "curve", "kW", 5000.0),
            "dc_ramp": _ramp(dc.get("ramp"), DC_RAMP), "thermal": _thermal(dc.get("thermal")),
        }  # fmt: skip
        if dc.has("pack_v"):
            given["pack_v"] = _pair(dc.need("pack_v"), "V", 100, 1600)
    return Vehicle(
        id=node.text("id"),
        name=node.text("name", ""),
        kind=node.one_of("kind", KINDS, "car"),  # type: ignore[arg-type]
        usable_kwh=node.number("usable_kwh", "kWh", least=0.5, most=2000),
        wh_per_km=node.number("wh_per_km", "Wh/km", 0.0, least=0, most=5000),
        ac_phases=phases,
        ac_max_a=ac.number("max_a", "A", least=6, most=80),
        ac_min_a=least,
        ac_min_3ph_a=ac.number("min_3ph_a", "A", least, least=6, most=16),
        ac_efficiency=_points(ac, "efficiency", "", 1.0) if ac.has("efficiency") else ALIKE,
        tail=_points(ac, "tail", "", 1.0) if ac.has("tail") else TAIL,
        cable_a=ac.number("cable_a", "A", 32.0, least=6, most=80),
        ac_ramp=_ramp(ac.get("ramp"), AC_RAMP),
        start_delay_s=_pair(node.need("start_delay_s"), "s", 0.1, 600) if node.has("start_delay_s") else (5.0, 5.0),
        battery_efficiency=_slope(node.get("battery_efficiency")),
        quirks=_quirks(node.get("quirks")),
        source=node.text("source"),
        licence=node.text("licence"),
        **given,
    )


def _points(parent: Located, key: str, unit: str, most: float) -> Points:
    node = parent.need(key)
    pairs = []
    for one in parent.list(key):
        pair = one.items()
        if len(pair) != 2:
            raise BadInput(one.source, f"a point of {key} is two numbers")
        pairs.append((pair[0].as_number("", least=-60, most=100), pair[1].as_number(unit, least=0, most=most)))
    if len(pairs) < 1 or any(b[0] <= a[0] for a, b in itertools.pairwise(pairs)):
        raise BadInput(node.source, f"the points of {key} must rise from point to point")
    return tuple(pairs)


def _pair(node: Located, unit: str, least: float, most: float) -> tuple[float, float]:
    pair = node.items()
    if len(pair) != 2:
        raise BadInput(node.source, "two numbers expected: [least, most]")
    low, high = (one.as_number(unit, least=least, most=most) for one in pair)
    if high < low:
        raise BadInput(node.source, f"the first must not be over the second, found {low:g} and {high:g}")
    return low, high


def _slope(node: Located | None) -> tuple[float, float]:
    if node is None:
        return (0.0, 1.0)
    pair = node.items()
    if len(pair) != 2:
        raise BadInput(node.source, "two numbers expected: [per C, at no current]")
    return pair[0].as_number("", least=-0.05, most=0), pair[1].as_number("", least=0.8, most=1)


def _ramp(node: Located | None, base: Ramp) -> Ramp:
    if node is None:
        return base
    node.only("delay_s", "up_kw_per_s", "down_kw_per_s")
    return Ramp(
        node.number("delay_s", "s", base.delay_s, least=0, most=60),
        node.number("up_kw_per_s", "kW/s", base.up_kw_per_s, least=0.01, most=1000),
        node.number("down_kw_per_s", "kW/s", base.down_kw_per_s, least=0.01, most=1000),
    )


def _thermal(node: Located | None) -> Thermal | None:
    if node is None:
        return None
    node.only("power_kw", "hot_from_c", "hot_until_c", "hot_kw")
    found = Thermal(
        _points(node, "power_kw", "kW", 5000.0),
        node.number("hot_from_c", "°C", least=20, most=90) if node.has("hot_from_c") else None,
        node.number("hot_until_c", "°C", 39.0, least=10, most=90),
        node.number("hot_kw", "kW", 70.0, least=0),
    )
    if found.hot_from_c is not None and found.hot_until_c >= found.hot_from_c:
        raise BadInput(node.source, "hot_until_c must be below hot_from_c")
    return found


def _quirks(node: Located | None) -> Quirks:
    """Quirks by name; one without parameters is `true`."""
    if node is None:
        return Quirks()
    node.only(*QUIRKS)
    given: dict[str, Any] = {}
    for name, one in node.table().items():
        if not QUIRKS[name]:
            if one.value is not True:
                raise BadInput(one.source, f"{name}: true expected")
            given[name] = True
            continue
        one.only(*QUIRKS[name])
        for key in one.table():
            place = _PLACE[(name, key)]
            if key == "wakes_by":
                given[place] = one.one_of(key, ("pulse", "replug"))
            elif key == "after":
                given[place] = one.integer(key)
            else:
                given[place] = one.number(key, _unit(key), least=0)
        if not one.table():
            raise BadInput(one.source, f"{name} needs {' and '.join(QUIRKS[name])}")
    if given.get("pilot_fraction", 1.0) > 1.0:
        raise BadInput(node.need("pilot_fraction").source, "a car draws at most what the pilot allows: share up to 1")
    assert set(given) <= {f.name for f in fields(Quirks)}
    return Quirks(**given)


def _unit(key: str) -> str:
    return {"_s": "s", "_a": "A", "_w": "W"}.get(key[-2:], "A" if key == "amps" else "")
