"""Probe 1: the same case at rates inf, 60 and 1, over memory and over sockets. Probe 11: a fleet with the full OCPP path."""

import math

import pytest
from tests.perf.fleet import charge_everybody, fleet_of

from chargekit.judge import case
from chargekit.judge.catalogue import known_case
from chargekit.judge.trial import Setting, run_trial
from chargekit.judge.verdict import Verdict
from chargekit.lab.sitefile import load_site


@pytest.mark.parametrize("case_id", ["CK-PRO-001", "CK-FBK-001"])
@pytest.mark.parametrize(("rate", "transport"), [(math.inf, "memory"), (60.0, "memory"), (60.0, "sockets")])
def test_one_case_at_every_rate_and_over_every_transport(case_id, rate, transport):
    found = run_trial(Setting(load_site("mixed-use"), rate=rate, transport=transport), known_case(case_id), "ac-11")
    assert found.verdict is Verdict.PASS, found.reasons


@case("TEST-RATE-1", area="boot", limit_s=40)
async def brief(bench):
    """A station connects, and current flows within the time a test may take at real time."""
    charger = await bench.reach("Booted")
    await charger.plug()
    await charger.present()
    await charger.expect(lambda: charger.transaction is not None, 10, "a transaction")


@pytest.mark.parametrize("transport", ["memory", "sockets"])
def test_a_brief_case_in_real_time(transport):
    found = run_trial(Setting(load_site("mixed-use"), rate=1.0, transport=transport), brief.case, "ac-01")
    assert found.verdict is Verdict.PASS, found.reasons


def test_fifty_stations_live_through_ten_minutes_with_the_full_path():
    lab = fleet_of(50)
    charge_everybody(lab)
    lab.world.run_until(600.0)
    assert all(k.session is not None for p in lab.controller.peers.values() for k in p.evses.values())
    assert lab.calls > 50 * 20
    assert 200 < lab.plant.read_circuit("grid", 600.0).current_a[0] <= 400
