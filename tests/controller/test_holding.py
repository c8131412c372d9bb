"""Holds in a running site: turns that survive the controller, strictness across ranks, renewals apart, writes counted, sleepers let go."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site

SITE = """site: turns
type: multifamily
epoch: "2026-03-02T07:00:00Z"
circuits: {grid: {limit: 50 A}}
stations:
  - {id: "a-{1..%d}", model: generic-ac-22, circuit: grid, ocpp: "%s"}
meters: [{id: m, circuit: grid, model: eastron-sdm630}]
"""
TOKENS = 'access:\n  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}\n'


def site_of(folder, policy="", count=3, ocpp="2.0.1"):
    (folder / "fleet.yaml").write_text(SITE % (count, ocpp))
    (folder / "policy.yaml").write_text(TOKENS + policy)
    return load_site(str(folder))


def living(bundle, who, cap_a, vehicle="truck-hd-600kwh", seed="1", **plan):
    """Stations with a vehicle each that takes all day, and a cap from the 10th minute on."""
    lab = build(bundle, Plan(seed=f"holding/{seed}", operate=True, sample_s=30, grid_every_s=15.0, meter_every_s=1e6, **plan))
    for number, (name, token) in enumerate(zip(lab.stations, who, strict=True)):
        at = 15.0 + 10.0 * number
        lab._later(at, PLANT, "plug", {"station": name, "evse": 1, "vehicle": vehicle, "soc_percent": 5.0})
        lab._later(at + 3, name, "present", {"token": token, "evse": 1})
    lab._later(600.0, CSMS, "set_cap", {"circuit": "grid", "limit_a": cap_a})
    return lab


def drawing(lab):
    return [name for name in lab.stations if max(lab.plant.bays[name, 1].current_a(lab.world.now)) > 4.0]


def spans(lab, until, step=15.0):
    """Who draws, looked at every `step`, until a time: (t, names)."""
    found = []
    while lab.world.now < until:
        lab.world.run_until(lab.world.now + step)
        found.append((lab.world.now, tuple(drawing(lab))))
    return found


def notes(lab, kind):
    return [r for r in lab.history.records if r.witness == "controller" and r.kind == kind]


@settings(max_examples=max(2, settings.default.max_examples // 50))
@given(count=st.integers(2, 4), room=st.integers(1, 3), seed=st.integers(0, 9))
def test_over_a_long_scarcity_peers_differ_by_at_most_one_turn(tmp_path_factory, count, room, seed):
    """Whoever has had fewer turns goes first: no two peers' time of current differs by more than the turn that is running."""
    room = min(room, count - 1)
    turn_s = 1200.0
    bundle = site_of(tmp_path_factory.mktemp("turns"), "power: {holds: {turn: 20 min, pauses: 50}}\n", count)
    lab = living(bundle, [f"RES-{n}" for n in range(count)], 7.0 * room + 1.5, "school-bus-180kwh", seed)
    lab.world.run_until(660.0)
    for _ in range(10):
        lab.world.run_until(lab.world.now + 900.0)
        assert len(drawing(lab)) == room or lab.world.now % turn_s < 400.0
        served = sorted(lab.controller.operator.desk.served.values())
        assert len(served) == count
        least = min(served)
        running_s = turn_s
        while running_s - turn_s < least:
            running_s *= 2
        assert served[-1] - served[0] <= running_s + 330.0 + 45.0, f"{served} at {lab.world.now}"
    assert min(served) > 0.4 * lab.world.now * room / count


def test_turns_never_reach_across_ranks(tmp_path):
    """A guest has no turn while two residents can use the room, however long they had it."""
    lab = living(site_of(tmp_path), ["RES-1", "RES-2", "GST-1"], 14.5, "school-bus-180kwh")
    lab.world.run_until(660.0)
    for _, names in spans(lab, 2.0 * 3600.0, 60.0):
        assert names == ("a-1", "a-2")


def test_a_hold_against_all_keeps_a_guests_minimum_from_a_resident_and_against_peers_it_does_not(tmp_path):
    for against, kept in (("all", True), ("peers", False)):
        folder = tmp_path / against
        folder.mkdir()
        bundle = site_of(folder, f"power: {{holds: {{against: {against}}}}}\n", 2)
        lab = build(bundle, Plan(seed="against", operate=True))
        lab._later(1.0, CSMS, "set_cap", {"circuit": "grid", "limit_a": 12.0})
        for at, name, token in ((20.0, "a-1", "GST-1"), (200.0, "a-2", "RES-1")):
            lab._later(at, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0})
            lab._later(at + 3, name, "present", {"token": token, "evse": 1})
        lab.world.run_until(360.0)
        assert drawing(lab) == (["a-1"] if kept else ["a-2"])
        lab.world.run_until(900.0)
        assert drawing(lab) == ["a-2"], "the hold is over"


def test_an_override_waits_for_no_timer(tmp_path):
    lab = living(site_of(tmp_path, count=2), ["RES-1", "RES-2"], 8.0, "compact-3ph")
    lab.world.run_until(690.0)
    assert drawing(lab) == ["a-1"]
    args = {"id": "o", "token": "RES-2", "until": 5000.0, "who": "site_manager", "why": "has to leave"}
    lab.rig.act(CSMS, "create_override", args)
    lab.world.run_until(760.0)
    assert drawing(lab) == ["a-2"]


@pytest.mark.parametrize("at", [1500.0, 3300.0])
def test_a_controller_that_dies_in_the_middle_of_a_turn_goes_on_with_the_order(tmp_path, at):
    """The same site twice, once with a controller that dies: the same vehicles charge, but for a minute around its death."""
    bundle = site_of(tmp_path, "power: {holds: {turn: 20 min}}\n")
    who = ["RES-1", "RES-2", "RES-3"]
    plain, dying = (living(bundle, who, 15.0, "school-bus-180kwh", fallback) for fallback in ("same", "same"))

    def back():
        dying.world.saved[CSMS].update(json.loads(json.dumps(dying.world.saved[CSMS])))
        dying.world.restore(CSMS)

    dying.world.call(at, lambda: dying.world.cut(CSMS))
    dying.world.call(at + 30.0, back)
    one, two = spans(plain, 5400.0), spans(dying, 5400.0)
    same = sum(a == b for (_, a), (_, b) in zip(one, two, strict=True))
    assert same > 0.93 * len(one)
    mine, its = plain.controller.operator, dying.controller.operator
    for key, served_s in mine.desk.served.items():
        assert its.desk.served[key] == pytest.approx(served_s, abs=240.0)
    assert {k: h.pauses for k, h in mine.holds.items()} == {k: h.pauses for k, h in its.holds.items()}


def test_without_its_memory_the_order_is_another(tmp_path):
    """The test above would notice: without what was saved the turns had are gone."""
    bundle = site_of(tmp_path, "power: {holds: {turn: 20 min}}\n")
    lab = living(bundle, ["RES-1", "RES-2", "RES-3"], 15.0, "school-bus-180kwh")
    lab.world.run_until(2700.0)
    lab.world.cut(CSMS)
    lab.world.saved[CSMS].clear()
    lab.world.restore(CSMS)
    lab.world.run_until(2900.0)
    assert max(lab.controller.operator.desk.served.values(), default=0.0) < 300.0


def test_energy_had_promises_and_free_chargers_survive(tmp_path):
    policy = "priority: {triggers: [{when: few_free_chargers, classes: [resident], free_below: 2, days: 3, lasts: 1 h, as: resident}]}\n"
    lab = living(site_of(tmp_path, policy), ["RES-1", "EMP-2", "GST-3"], 40.0, "compact-3ph")
    lab._later(400.0, "a-3", "press_stop", {"evse": 1})
    lab._later(500.0, CSMS, "set_departure", {"token": "EMP-2", "departs": 9000.0, "soc_percent": 40.0, "needs_kwh": 12.0})
    lab._later(501.0, CSMS, "set_departure", {"station": "a-1", "evse": 1, "departs": 9500.0, "needs_kwh": 5.0})
    lab.world.run_until(700.0)
    before = lab.controller.operator
    lab.world.cut(CSMS)
    lab.world.saved[CSMS].update(json.loads(json.dumps(lab.world.saved[CSMS])))
    lab.world.restore(CSMS)
    lab.world.run_until(720.0)
    after = lab.controller.operator
    assert after is not before
    assert after.desk.past == before.desk.past and "GST-3" in after.desk.past
    assert after.desk.planned == before.desk.planned == {"EMP-2": (9000.0, 40.0)}
    assert after.desk._least_free == before.desk._least_free and after.desk._least_free
    assert after.planning.promises == before.planning.promises and len(after.planning.promises) == 2
    assert {p.key: p.count for p in after.places.values()} == {p.key: p.count for p in before.places.values()}


def test_what_is_saved_is_bounded(tmp_path, monkeypatch):
    from chargekit.controller import rules_desk

    monkeypatch.setattr(rules_desk, "MOST_TOKENS", 5)
    lab = living(site_of(tmp_path), ["RES-1", "RES-2", "RES-3"], 40.0, "compact-3ph")
    lab.world.run_until(300.0)
    for number in range(20):
        lab.rig.act(CSMS, "set_departure", {"token": f"EMP-{number}", "departs": 9000.0})
        lab.world.run_until(lab.world.now + 1.0)
    kept = [key for key in lab.world.saved[CSMS] if key.startswith("planned/")]
    assert kept == [f"planned/EMP-{number}" for number in range(15, 20)]
