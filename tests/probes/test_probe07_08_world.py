"""Probe 7: shared DC modules, a breaker that trips, readings that change nothing. Probe 8: a lease under a wrong clock."""

import pytest

from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site

TOY = """site: toy
type: mixed_use
circuits:
  grid: {limit: 250 A}
  small: {parent: grid, limit: 20 A}
stations:
  - {id: dc, model: toy-dc-dual-100, circuit: grid}
  - {id: "ac-{1..2}", model: generic-ac-22, circuit: small}
"""


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(TOY)
    (tmp_path / "policy.yaml").write_text("incidents: {fallback: 6 A}\n")
    return build(load_site(str(path)), Plan(seed="toy"))


def charge(lab, at, station, evse, vehicle="compact-3ph", soc=20.0):
    plug = {"station": station, "evse": evse, "vehicle": vehicle, "soc_percent": soc}
    lab.world.call(at, lambda: lab.rig.act(PLANT, "plug", plug))
    lab.world.call(at + 1, lambda: lab.rig.act(station, "present", {"token": "RES-1", "evse": evse}))


def test_two_outlets_share_the_modules_and_one_takes_what_is_left(toy):
    charge(toy, 20, "dc", 1)
    toy.world.run_until(120)
    alone = toy.plant.read_evse("dc", 1, 120).power_w
    charge(toy, 121, "dc", 2)
    toy.world.run_until(300)
    both = [toy.plant.read_evse("dc", n, 300).power_w for n in (1, 2)]
    assert 60_000 < alone <= 80_000
    assert min(both) > 20_000
    assert sum(both) <= 100_000 * 1.0001
    shown = toy.plant.read_station("dc", 300)
    assert shown.power_w == pytest.approx(sum(both) / 0.94 + 120, rel=1e-6)


def test_a_sustained_overload_opens_the_breaker_and_the_record_says_why(toy):
    charge(toy, 20, "ac-1", 1, "small-22kw")
    charge(toy, 20, "ac-2", 1, "small-22kw")
    toy.world.run_until(600)
    trips = [r for r in toy.history.records if r.kind == "breaker"]
    assert [(r.subject, r.body["closed"]) for r in trips] == [("small", False)]
    assert trips[0].body["because"] == "overload: 64.1 A on a rating of 20 A"
    assert "ac-1" not in toy.world.machines
    assert toy.plant.read_circuit("small", 600).current_a == (0.0, 0.0, 0.0)
    assert "dc" in toy.world.machines


def test_extra_meter_readings_change_no_other_record():
    def story(every_s):
        lab = build(load_site("mixed-use"), Plan(seed="7", operate=True, meter_every_s=every_s))
        for n, one in enumerate(lab.site.arrivals):
            charge(lab, 20 + 30 * n, one.station, one.evse, one.vehicle, one.soc_percent)
        lab.world.run_until(900)
        return [r[1:] for r in lab.history.records if r.witness != "meter"]

    assert story(1.0) == story(0.25)


@pytest.mark.parametrize("offset_s", [-120.0, 0.0, 120.0])
def test_a_lease_ends_on_time_whatever_the_stations_clock_shows(offset_s):
    bundle = load_site("mixed-use")
    lab = build(bundle, Plan(seed="8", operate=True, keeps_clock=True, clock_offset_s={"ac-01": offset_s}))
    charge(lab, 20, "ac-01", 1)
    lab.world.run_until(200)
    assert lab.plant.read_evse("ac-01", 1, 200).current_a[0] == pytest.approx(16.0)
    leases = [r for r in lab.history.records if r.subject == "ac-01" and r.kind == "SetChargingProfile.req" and r.body["dir"] == "down"]
    last = leases[-1].t
    lab.rig.act("ac-01", "link_cut", {})
    ends = last + bundle.rulebook.lease_s.value
    lab.world.run_until(ends - 30)
    assert lab.plant.read_evse("ac-01", 1, ends - 30).current_a[0] == pytest.approx(16.0)
    lab.world.run_until(ends + 10)
    assert lab.plant.read_evse("ac-01", 1, ends + 10).current_a[0] <= bundle.rulebook.fallback_a.value
    assert CSMS in lab.world.machines
