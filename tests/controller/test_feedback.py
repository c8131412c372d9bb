"""The control loop over its meters: a small site whose building steps, second by second against the plant's own currents."""

from functools import cache

import pytest

from chargekit.controller.dispatch import Claim, Outgoing
from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.defects import defect
from chargekit.lab.sitefile import load_site

SITE = """site: office
type: workplace
circuits:
  grid: {limit: 100 A}
  deck: {parent: grid, limit: 80 A}
stations:
  - {id: "d-{1..6}", model: generic-ac-11, circuit: deck, ocpp: "1.6"}
  - {id: "g-{1..2}", model: generic-ac-22, circuit: grid, ocpp: "2.0.1", rotation: L2L3L1}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}
  - {id: deck-meter, circuit: deck, model: eastron-sdm630, unit: 2}
"""
POLICY = "access: {tokens: {'EMP-*': employee}}\n"
BUILDING_A, STEP_A, EVERY_S = 20.0, 25.0, 300.0
VEHICLE_S = 5.0
"""From a reading to less current: the message, the pilot, the vehicle's delay and its ramp."""
NO_STEPS = 4


@cache
def bundle():
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "fleet.yaml").write_text(SITE)
        (Path(name) / "policy.yaml").write_text(POLICY)
        return load_site(name)


class Office:
    """Eight vehicles from the start; `vehicles` overrides single ones as (vehicle, SoC %). The building steps up and down by turns."""

    def __init__(self, vehicles=None, *, grid_every_s=5.0, sample_s=10, steps=NO_STEPS, defects=()):
        plan = Plan(seed="office", operate=True, sample_s=sample_s, grid_every_s=grid_every_s, meter_every_s=1e6, defects=defects)
        self.lab = build(bundle(), plan)
        self.world, self.over, self.used_a = self.lab.world, [], []
        for number, name in enumerate(self.lab.stations):
            vehicle, soc = (vehicles or {}).get(name, ("compact-3ph", 10.0))
            plug = {"station": name, "evse": 1, "vehicle": vehicle, "soc_percent": soc}
            self.lab._later(20.0 + 3 * number, PLANT, "plug", plug)
            self.lab._later(30.0 + 3 * number, name, "present", {"token": f"EMP-{number}", "evse": 1})
        self.builds(0.0, BUILDING_A)
        for number in range(steps):
            self.builds(600.0 + EVERY_S * number + 1.7, BUILDING_A + (STEP_A if number % 2 == 0 else 0.0))

    def builds(self, at, amps):
        self.lab._later(at, PLANT, "set_building_a", {"circuit": "grid", "amps": [amps] * 3})

    def run(self, until, settled_at=300.0):
        """Second by second. `over`: (when it ended, seconds, A·s) for every time a circuit was over its rating."""
        began = {}
        while self.world.now < until:
            self.world.run_until(self.world.now + 1.0)
            for name, circuit in self.lab.site.circuits.items():
                amps = max(self.lab.plant.network.branches[name].amps_at(self.world.now))
                if amps > circuit.rating_a + 1e-3:
                    began.setdefault(name, [0.0, 0.0])
                    began[name][0] += 1.0
                    began[name][1] += amps - circuit.rating_a
                elif name in began:
                    self.over.append((self.world.now, *began.pop(name)))
                if name == "grid" and self.world.now > settled_at:
                    self.used_a.append(amps)
        return self

    @property
    def used(self):
        return sum(self.used_a) / len(self.used_a) / self.lab.site.root.rating_a

    def draws(self, station):
        return max(self.lab.plant.bays[station, 1].current_a(self.world.now))

    def limit(self, station):
        lead = self.lab.controller.operator.places[station, 1].outgoing.leading
        return lead.amps if lead else None


@pytest.mark.parametrize(("grid_every_s", "sample_s"), [(5.0, 10), (15.0, 60)])
def test_a_step_of_the_building_is_over_when_a_meter_has_shown_it_and_vehicles_have_followed(grid_every_s, sample_s):
    office = Office(grid_every_s=grid_every_s, sample_s=sample_s).run(1500.0)
    assert len(office.over) == 2 and [round(end // 300) for end, *_ in office.over] == [2, 4]
    assert max(seconds for _, seconds, _ in office.over) <= grid_every_s + VEHICLE_S
    assert max(amp_s for *_, amp_s in office.over) <= STEP_A * (grid_every_s + VEHICLE_S)
    assert office.used >= 0.95


def test_a_controller_whose_base_load_lags_stays_over_for_minutes():
    office = Office(defects=(defect("base-load-lags"),), steps=1).run(900.0)
    assert max(seconds for _, seconds, _ in office.over) > 30.0


def test_one_correction_for_one_step():
    office = Office(steps=1)
    office.run(600.0)
    told = []
    office.lab.history.subscribe(lambda r: told.append(r) if r.kind == "SetChargingProfile.req" and r.t > 600.0 else None)
    office.run(700.0)
    lowered = {r.subject for r in told}
    assert len(lowered) >= 6 and len(told) <= len(lowered) + 2
    limits = [office.limit(name) for name in office.lab.stations]
    assert sum(limits) >= 54.0 - 4.0


def test_a_vehicle_that_draws_nothing_at_six_amperes_is_offered_what_it_needs():
    office = Office({"d-3": ("quirk-minimum-10a", 20.0)}, steps=0)
    office.builds(0.5, 45.0)
    office.run(900.0)
    assert office.draws("d-3") >= 9.5 and office.over == []


def test_what_a_full_vehicle_leaves_is_used_and_it_is_tried_again():
    # Without the amperes of those that are full, all others can have 12 A; with them they would get 9.
    full = dict.fromkeys(("d-1", "d-2"), ("compact-3ph", 99.7))
    office = Office(full, steps=0)
    office.builds(0.5, 34.0)
    office.run(1100.0)
    assert office.lab.plant.bays["d-1", 1].full and office.lab.plant.bays["d-2", 1].full
    assert (office.limit("d-1"), office.limit("d-2")) == (0.0, 0.0)
    assert min(office.draws(f"d-{n}") for n in (3, 4, 5, 6)) >= 10.0
    tried = []
    office.lab.history.subscribe(
        lambda r: tried.append(r.body["limit_a"]) if (r.kind, r.subject) == ("decision", "d-1") and r.body["limit_a"] >= 6.0 else None
    )
    office.run(2400.0)
    assert tried and office.over == []


def test_a_vehicle_asleep_is_woken():
    office = Office({"d-2": ("quirk-falls-asleep", 20.0)}, steps=0)
    office.run(200.0)
    car = office.lab.plant.bays["d-2", 1].car
    car.asleep, car.slept_at = True, office.world.now
    office.lab.plant.bays["d-2", 1].flow(0.0, office.world.now)
    office.run(600.0)
    assert not car.asleep and office.draws("d-2") >= 6.0


@pytest.mark.parametrize(
    ("claims", "settled_at", "drawn_a", "read_at", "now", "expected_a"),
    [
        ([(10.0, True)], 0.0, 10.0, 50.0, 60.0, 10.0),
        ([(10.0, True)], 0.0, 4.0, 50.0, 60.0, 4.0),  # it is known to draw less than it may
        ([(10.0, True)], 0.0, 5.0, 50.0, 60.0, 10.0),  # nobody knows why it draws less: it may be about to draw more
        ([(10.0, True), (16.0, True)], 58.0, 10.0, 50.0, 60.0, 16.0),  # raised since: it is expected to follow
        ([(16.0, True), (8.0, True)], 64.0, 16.0, 50.0, 60.0, 16.0),  # lowered, but it has not had the time
        ([(16.0, True), (8.0, True)], 58.0, 16.0, 50.0, 60.0, 8.0),  # and here it has
        ([(16.0, True), (8.0, None)], 0.0, 16.0, 50.0, 60.0, 16.0),  # nobody knows whether the lower one arrived
        ([], 0.0, 3.0, 50.0, 60.0, 3.0),
    ],
)
def test_what_a_vehicle_is_expected_to_draw_now(claims, settled_at, drawn_a, read_at, now, expected_a):
    outgoing = Outgoing(32.0, 6.0)
    for amps, accepted in claims:
        claim = Claim(amps, 1e9, 6.0)
        outgoing.sent(claim)
        if accepted:
            outgoing.accepted(claim, 0.0)
    outgoing.settled_at = settled_at
    assert outgoing.expects(drawn_a, read_at, now, steady=drawn_a < 5.0) == expected_a
