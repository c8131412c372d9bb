"""A large emulated fleet under the reference controller, for benchmarks and for the probe of the full path."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chargekit.lab.assemble import PLANT, Lab, Plan
from chargekit.lab.sitefile import load_site

BUSY_S = 120.0


def site_text(count: int, each_a: float = 8.0) -> str:
    """A site file of `count` stations on feeders of fifty, with a grid meter and `each_a` per phase for each."""
    feeders = "\n".join(f"  f{n}: {{parent: grid, limit: {max(400, round(50 * each_a))} A}}" for n in range((count + 49) // 50))
    stations = "\n".join(
        f'  - {{id: "s-{{{n * 50}..{min(count, n * 50 + 50) - 1}}}", '
        f'model: generic-ac-22, circuit: f{n}, ocpp: "{("1.6", "2.0.1")[n % 2]}"}}'
        for n in range((count + 49) // 50)
    )
    return f"""site: large
type: mixed_use
circuits:
  grid: {{limit: {max(100, round(count * each_a))} A}}
{feeders}
stations:
{stations}
meters:
  - {{id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}}
"""


def fleet_of(count: int, seed: str = "perf") -> Lab:
    """A site of `count` stations; one reading a minute."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fleet.yaml")
        path.write_text(site_text(count))
        bundle = load_site(str(path))
    plan = Plan(seed=seed, operate=True, sample_s=60, grid_every_s=60.0, meter_every_s=60.0, keep=False, start_spread_s=60.0)
    return Counted(bundle, plan)


class Counted(Lab):
    """A lab that counts the messages on its wires."""

    calls = 0

    def __init__(self, bundle, plan):  # type: ignore[no-untyped-def]
        super().__init__(bundle, plan)
        self.history.subscribe(self._count)

    def _count(self, record) -> None:  # type: ignore[no-untyped-def]
        if record.witness == "wire":
            self.calls += 1


def charge_everybody(lab: Lab) -> None:
    """A vehicle at every station, its token presented, over two minutes."""
    charge(lab, 90.0, BUSY_S)


def charge(lab: Lab, begins: float, busy_s: float) -> None:
    """A vehicle at every station, its token presented ten seconds later, over `busy_s` from `begins` on."""
    for number, name in enumerate(lab.stations):
        at = begins + busy_s * number / len(lab.stations)
        plug = {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0}
        lab._later(at, PLANT, "plug", plug)
        lab._later(at + 10.0, name, "present", {"token": f"EMP-{number}", "evse": 1})
