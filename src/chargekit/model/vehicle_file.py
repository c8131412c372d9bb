"""A catalogue vehicle from its file."""

from __future__ import annotations

import itertools

from chargekit.model.located import BadInput, Located
from chargekit.model.vehicle import Vehicle


def parse_vehicle(node: Located) -> Vehicle:
    """The vehicle a catalogue file describes. BadInput on anything unknown or out of range."""
    node.only("id", "name", "usable_kwh", "ac", "dc", "quirks", "source", "licence")
    ac = node.need("ac").only("phases", "max_a", "min_a", "efficiency")
    quirks = node.get("quirks")
    if quirks is not None:
        quirks.only("pilot_fraction", "start_delay_s", "reaction_s")
    dc = node.get("dc")
    curve: tuple[tuple[float, float], ...] = ()
    if dc is not None:
        dc.only("max_kw", "curve")
        curve = tuple(_point(p) for p in dc.list("curve"))
        if any(b[0] <= a[0] for a, b in itertools.pairwise(curve)):
            raise BadInput(dc.need("curve").source, "a curve's SoC must rise from point to point")
    phases = ac.integer("phases")
    if phases not in (1, 2, 3):
        raise BadInput(ac.need("phases").source, f"phases: 1, 2 or 3 expected, found {phases}")
    return Vehicle(
        id=node.text("id"),
        usable_kwh=node.number("usable_kwh", "kWh", least=0.5, most=2000),
        ac_phases=phases,
        ac_max_a=ac.number("max_a", "A", least=6, most=80),
        ac_min_a=ac.number("min_a", "A", 6.0, least=6, most=16),
        ac_efficiency=ac.number("efficiency", "", 0.92, least=0.5, most=1),
        pilot_fraction=quirks.number("pilot_fraction", "", 1.0, least=0.5, most=1) if quirks else 1.0,
        start_delay_s=quirks.number("start_delay_s", "s", 5.0, least=0.1, most=600) if quirks else 5.0,
        reaction_s=quirks.number("reaction_s", "s", 2.0, least=0, most=5) if quirks else 2.0,
        dc_max_kw=dc.number("max_kw", "kW", least=0) if dc else 0.0,
        dc_curve=curve,
        source=node.text("source"),
        licence=node.text("licence"),
    )


def _point(node: Located) -> tuple[float, float]:
    pair = node.items()
    if len(pair) != 2:
        raise BadInput(node.source, "a point [SoC %, kW] expected")
    return (pair[0].as_number("%", least=0, most=100), pair[1].as_number("kW", least=0))
