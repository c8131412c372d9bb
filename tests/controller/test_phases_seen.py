"""Which phases a session uses: all that are wired, until its station's readings show fewer; what can't be counts as all."""

from __future__ import annotations

import pytest
from tests.controller.headless import Led, rules_of, site_of

from chargekit.controller.places import PHASE_READINGS
from chargekit.model.limit import PhaseAmps
from chargekit.model.metering import MeterSample

FLEET = {
    "site": "any", "type": "mixed_use", "circuits": {"grid": {"limit": 40}},
    "stations": [
        {"id": "one", "model": "generic-ac-7", "circuit": "grid", "ocpp": "2.0.1"},
        {"id": "three", "model": "generic-ac-22", "circuit": "grid", "ocpp": "2.0.1", "rotation": "L2L3L1"},
    ],
}  # fmt: skip
RANKS = ["route_critical", "resident", "employee", "guest"]
VOLTS = (230.0, 230.0, 230.0)


@pytest.mark.parametrize(
    ("station", "shown", "phases"),
    [
        ("three", (16.0, 0.0, 0.0), (1,)),
        ("three", (16.0, 16.0, 0.0), (1, 2)),
        ("three", (16.0, 16.0, 16.0), (1, 2, 0)),
        ("one", (16.0, 0.0, 0.0), (0,)),
        # A one-phase station that names its line L2, or L3: it is wired to L1, and may draw there.
        ("one", (0.0, 16.0, 0.0), (0,)),
        ("one", (0.0, 0.0, 16.0), (0,)),
    ],
)
def test_a_session_is_on_what_its_readings_show_of_what_is_wired(station: str, shown: PhaseAmps, phases: tuple[int, ...]) -> None:
    site = site_of(FLEET)
    made = Led(site, rules_of(site, {"access": {"tokens": {"RES-*": "resident"}}}, {"priority": {"ranks": RANKS}}))
    made.seat(station, "RES-1")
    place = made.operator.places[station, 1]
    for n in range(PHASE_READINGS + 1):
        place.sees(MeterSample(float(n), shown, VOLTS, 3680.0, 0.0))
    assert place.phases == phases
    assert made.amps(60.0)[f"{station}/1"] >= 6.0
