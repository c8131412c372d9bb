"""A small site under the operator, and its explanations: three stations `a`, `b`, `c` of 32 A on three phases behind one grid meter."""

from chargekit.controller.decisions_log import KIND
from chargekit.controller.explaining import explain
from chargekit.controller.replaying import Recorded, replayed, situation_at
from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site

FLEET = """site: small
type: mixed_use
zone: Europe/Amsterdam
epoch: "2026-03-02T07:00:00Z"
circuits:
  grid: {limit: 100 A}
stations:
  - {id: a, model: generic-ac-22, circuit: grid}
  - {id: b, model: generic-ac-22, circuit: grid}
  - {id: c, model: generic-ac-22, circuit: grid}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}
"""
POLICY = """access: {tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}}
power:
  limits:
    grid: %s A
"""


class Small:
    """The site as a lab, with what a test does to it."""

    def __init__(self, folder, limit_a, seed="1", fleet=FLEET, more="", **plan):
        (folder / "fleet.yaml").write_text(fleet)
        (folder / "policy.yaml").write_text(POLICY % limit_a + more)
        self.lab = build(load_site("fleet.yaml"), Plan(seed=seed, operate=True, **plan))

    def come(self, at, station, token, vehicle="small-22kw", soc=20.0):
        self.lab._later(at, PLANT, "plug", {"station": station, "evse": 1, "vehicle": vehicle, "soc_percent": soc})
        self.lab._later(at + 2, station, "present", {"token": token, "evse": 1})

    def lever(self, at, verb, **args):
        self.lab._later(at, CSMS, verb, args)

    def building(self, at, *amps):
        self.lab._later(at, PLANT, "set_building_a", {"circuit": "grid", "amps": list(amps)})

    def at(self, t):
        self.lab.world.run_until(t)
        return self

    def why(self, evse, t=None):
        """The explanation at `t`, now by default; the replay must be the recorded one."""
        one = situation_at(decided(self.lab.history.records), self.lab.world.now if t is None else t)
        again, faults = replayed(one)
        assert faults == ()
        return explain(one, again, evse)


def decided(records):
    """The decisions among records, numbered as lines."""
    return [Recorded(n, r.t, r.body) for n, r in enumerate(records, 1) if r.kind == KIND]
