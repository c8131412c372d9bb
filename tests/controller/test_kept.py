"""What the operator keeps between decisions (demands, sums of reserves, the last allocation, EVSEs at rest) changes no decision.

The same eventful site is led twice: once as it is, once by an operator that forgets everything before each decision. Every record of the
two runs must be the same.
"""

import math
import random

import pytest

from chargekit.controller.operator import Operator
from chargekit.controller.places import Reserves
from chargekit.lab import assemble
from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site

SITE = """site: kept
type: mixed_use
circuits:
  grid: {limit: 60 A}
  east: {parent: grid, limit: 32 A}
  west: {parent: grid, limit: 50 A}
stations:
  - {id: "e-{1..3}", model: generic-ac-22, circuit: east, ocpp: "1.6"}
  - {id: "w-{1..4}", model: generic-ac-22, circuit: west, ocpp: "2.0.1", rotation: L2L3L1}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}
"""
SECONDS = 2000.0


class Forgetful(Operator):
    """Works everything out anew, every time."""

    def _decide(self, now, out):
        self._changed = dict(self.places)
        self.reserves = Reserves(self.site.circuits, self.places.values())
        self._last = None
        for place in self.places.values():
            place.quiet_until = -math.inf
            place.outgoing._known = (math.inf, -math.inf, 0.0)
        super()._decide(now, out)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    (folder / "fleet.yaml").write_text(SITE)
    tokens = '{"RES-*": resident, "EMP-*": employee, "GST-*": guest}'
    (folder / "policy.yaml").write_text(f"access: {{tokens: {tokens}}}\npower: {{lease: 4 min}}\n")
    return load_site(str(folder))


def live(bundle, seed):
    """A day's work in half an hour: comings and goings, lost frames, cuts, caps, classes, overrides, a silent meter. Its records."""
    rng = random.Random(seed)
    lab = build(bundle, Plan(seed=f"kept/{seed}", operate=True))
    for link in lab.links.values():
        link.loss, link.delay_s = rng.choice([0.0, 0.0, 0.02]), rng.choice([0.0, 0.5, 2.0])
    for number, name in enumerate(lab.stations):
        where, token = {"station": name, "evse": 1}, f"{('RES', 'EMP', 'GST')[number % 3]}-{number}"
        at = 20.0 + rng.random() * 500
        vehicle = rng.choice(["compact-3ph", "small-22kw", "city-1ph"])
        lab._later(at, PLANT, "plug", {**where, "vehicle": vehicle, "soc_percent": rng.uniform(5, 98)})
        lab._later(at + 5, name, "present", {"token": token, "evse": 1})
        if rng.random() < 0.5:
            lab._later(at + 600, name, "press_stop", {"evse": 1})
        if rng.random() < 0.6:
            cut = rng.random() * SECONDS
            down, up = rng.choice([("link_cut", "link_mended"), ("power_off", "power_on")])
            lab._later(cut, name, down, {})
            lab._later(cut + rng.uniform(10, 400), name, up, {})
    lab._later(700.0, CSMS, "set_cap", {"circuit": "west", "limit_a": 25.0})
    override = {"id": "o1", "token": "GST-2", "user_class": "resident", "until": 1150.0, "who": "operations", "why": "test"}
    lab._later(900.0, CSMS, "create_override", override)
    lab._later(1200.0, CSMS, "set_class", {"token": "EMP-4", "user_class": "guest"})
    lab._later(1300.0, PLANT, "set_building_a", {"circuit": "grid", "amps": [12.0, 9.0, 2.0]})
    lab.world.call(1500.0, lambda: setattr(lab.lines["csms/grid-meter"], "silent", True))
    lab.world.run_until(SECONDS)
    return lab.history.records


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_changes_no_decision(bundle, seed, monkeypatch):
    kept = live(bundle, seed)
    monkeypatch.setattr(assemble, "Operator", Forgetful)
    assert live(bundle, seed) == kept
    kinds = {r.kind for r in kept}
    assert {"decision", "incident", "SetChargingProfile.req"} <= kinds
    assert [r.body.get("who", r.body.get("ended")) for r in kept if r.kind == "override"] == ["operations", True]
    assert len([r for r in kept if r.kind == "decision"]) > 20
