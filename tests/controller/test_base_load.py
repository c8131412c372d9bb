"""The base load over a row of readings: what a circuit's meter shows beside the sessions, and how fast that is believed."""

from __future__ import annotations

import pytest
from tests.controller.headless import site_of

from chargekit.controller.meters import CircuitMeters

FLEET = {
    "site": "any", "type": "mixed_use", "circuits": {"grid": {"limit": 300}},
    "stations": [{"id": "s-1", "model": "generic-ac-11", "circuit": "grid", "ocpp": "2.0.1"}],
}  # fmt: skip
TELLS_S, EVERY_S = 60.0, 15.0


def followed(rows: list[tuple[float, ...]], may_a: float = 300.0) -> list[float]:
    """The base load on L1 after each reading of (A shown, A the stations told last, A they are expected to draw if that is another)."""
    meters = CircuitMeters(site_of(FLEET), {}, lambda *_: True)
    meters.told_every_s = TELLS_S
    found = []
    for n, (shown, ours, *due) in enumerate(rows):
        expected = due[0] if due else ours
        three = (shown, shown, shown), (ours, ours, ours), (expected, expected, expected), (may_a, may_a, may_a)
        meters._take("grid", *three, n * EVERY_S)
        found.append(meters.base["grid"][0])
    return found


STEADY: list[tuple[float, ...]] = [(220.0, 200.0)] * 6
"""20 A beside 200 A that are told."""


@pytest.mark.parametrize(
    ("rows", "base_a"),
    [
        # A truck draws 6 A less with every reading; its station tells once a minute.
        ([(220.0 - 6.0 * n, 200.0 - 24.0 * (n // 4)) for n in range(13)], 20.0),
        # The building uses 10 A less, and goes on so.
        ([(210.0, 200.0)] * 4, 20.0),
        ([(210.0, 200.0)] * 6, 10.0),
        # It uses less for half a minute only.
        ([(210.0, 200.0)] * 2 + [(220.0, 200.0)], 20.0),
        # More counts once a vehicle's beginning would have been told, and at once what nobody may draw.
        ([(230.0, 200.0)] * 2, 20.0),
        ([(230.0, 200.0)] * 6, 30.0),
        ([(335.0, 200.0)], 135.0),
        # Over what it may carry: what vehicles are not expected to draw counts at once; what is still over once they followed, too.
        ([(310.0, 290.0)], 20.0),
        ([(310.0, 290.0)] * 2, 20.0),
        ([(310.0, 270.0), (310.0, 270.0)], 40.0),
        ([(310.0, 250.0, 290.0), (306.0, 250.0, 290.0)], 26.0),
    ],
)
def test_base_load_follows_what_lasts(rows: list[tuple[float, ...]], base_a: float) -> None:
    assert followed(STEADY + rows)[-1] == base_a
