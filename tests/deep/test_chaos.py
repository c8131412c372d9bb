"""A few thousand station-minutes of what `python -m tests.deep` runs for a million."""

import pytest
from tests.deep.chaos import Chaos, NoTree
from tests.deep.optimum import alone_kwh, curve


def test_no_breaker_opens_and_energy_flows_whatever_fails():
    calm = Chaos("workplace", 1, "calm", stations=10).run()
    chaos = Chaos("workplace", 1, "chaos", stations=10).run()
    assert calm.trips == chaos.trips == []
    assert chaos.restarts >= 1 and calm.sessions == chaos.sessions >= 10
    assert calm.energy_kwh >= 0.95 * calm.optimum_kwh > 100.0
    assert chaos.energy_kwh >= 0.80 * chaos.optimum_kwh
    assert calm.energy_kwh <= 1.002 * calm.optimum_kwh


def test_a_controller_that_ignores_limits_trips_the_same_plant_under_the_same_seed():
    bad = Chaos("workplace", 2, "chaos", "everyone-at-once", hours=11.0, stations=20, defects=(NoTree,), optimum=False)
    bad.ran.kind = "bad"
    assert bad.run().trips


@pytest.mark.parametrize(("soc", "seconds", "kwh"), [(0.0, 3600.0, 11.04), (0.0, 7200.0, 22.08), (99.0, 36_000.0, 0.8)])
def test_what_a_vehicle_takes_alone(soc, seconds, kwh):
    class Car:
        usable_kwh, ac_max_a, ac_phases, cable_a = 76.0, 16.0, 3, 32.0
        tail, ac_efficiency = ((0.0, 1.0), (100.0, 1.0)), ((0.0, 0.92),)

    class Outlet:
        max_a, max_kw, phases = 32.0, None, 3

    got, most = alone_kwh(Car, Outlet, 230.0, soc, seconds)
    assert got == pytest.approx(kwh, abs=0.2)
    assert most == pytest.approx(11.04)
    assert curve(((0.0, 1.0), (80.0, 1.0), (100.0, 0.0)), 90.0) == 0.5
