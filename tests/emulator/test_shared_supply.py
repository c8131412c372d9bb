"""A post with two outlets on one supply of 32 A: never more than that, at any second, and nothing left unused for long."""

from __future__ import annotations

import pytest

from chargekit.lab.assemble import CSMS, PLANT, Lab, Plan, build
from chargekit.lab.sitefile import load_site

SITE = """site: post
type: mixed_use
circuits: {grid: {limit: 250 A}}
stations: [{id: post, model: generic-ac-22-dual, circuit: grid, ocpp: "%s"}]
"""


@pytest.fixture(params=["1.6", "2.0.1"])
def lab(request, tmp_path) -> Lab:  # type: ignore[no-untyped-def]
    path = tmp_path / "fleet.yaml"
    path.write_text(SITE % request.param)
    return build(load_site(str(path)), Plan(seed="post"))


def comes(lab: Lab, at: float, evse: int, vehicle: str = "small-22kw") -> None:
    lab._later(at, PLANT, "plug", {"station": "post", "evse": evse, "vehicle": vehicle, "soc_percent": 20.0})
    lab._later(at + 3, "post", "present", {"token": f"RES-{evse}", "evse": evse})


def drawn(lab: Lab, until: float) -> list[float]:
    """Runs second by second; the most that was drawn together, and each outlet's current at the end."""
    assert lab.plant is not None
    most = 0.0
    while lab.world.now < until:
        lab.world.run_until(lab.world.now + 1.0)
        most = max(most, sum(max(lab.plant.bays[("post", n)].current_a(lab.world.now)) for n in (1, 2)))
    return [most, *(max(lab.plant.bays[("post", n)].current_a(lab.world.now)) for n in (1, 2))]


def test_two_outlets_share_and_one_takes_all(lab: Lab) -> None:
    comes(lab, 30, 1)
    assert drawn(lab, 120) == pytest.approx([32.0, 32.0, 0.0], abs=0.2)
    comes(lab, 121, 2)
    assert drawn(lab, 240) == pytest.approx([32.0, 16.0, 16.0], abs=0.2)
    lab._later(241, PLANT, "unplug", {"station": "post", "evse": 1})
    assert drawn(lab, 330) == pytest.approx([32.0, 0.0, 32.0], abs=0.2)


def test_what_a_limited_neighbour_leaves_is_free(lab: Lab) -> None:
    comes(lab, 30, 1)
    comes(lab, 31, 2)
    drawn(lab, 150)
    profile = {
        "id": 5, "purpose": "TxProfile", "kind": "Absolute", "start": 148.0, "transaction": "current",
        "periods": [{"start_s": 0, "limit": 8}],
    }  # fmt: skip
    lab.rig.act(CSMS, "command", {"station": "post", "ask": "a", "command": {"kind": "SetProfile", "evse": 1, "profile": profile}})
    assert drawn(lab, 260) == pytest.approx([32.0, 8.0, 24.0], abs=0.3)
