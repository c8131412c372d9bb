"""The rules of access and priority in a running site: what the controller has to know for them, and what it does by them."""

from dataclasses import replace

import pytest

from chargekit.controller.precedence import FIRST
from chargekit.lab.assemble import CSMS, PLANT, Lab, Plan
from chargekit.lab.hands import complaint
from chargekit.lab.sitefile import load_site
from chargekit.policy.priority import AHEAD
from chargekit.wire.messages import TransactionEnded

SITE = """site: three
type: multifamily
zone: Europe/Amsterdam
epoch: "2026-03-02T07:00:00Z"
circuits: {grid: {limit: 40 A}}
stations:
  - {id: a-1, model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: a-2, model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: a-3, model: generic-ac-22, circuit: grid, ocpp: "2.1"}
meters: [{id: m, circuit: grid, model: eastron-sdm630}]
"""
TOKENS = 'access:\n  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}\n'


@pytest.fixture
def lab_of(tmp_path):
    labs = []

    def make(policy):
        (tmp_path / "fleet.yaml").write_text(SITE)
        (tmp_path / "policy.yaml").write_text(policy)
        labs.append(Lab(load_site(str(tmp_path)), Plan(operate=True)))
        labs[-1].world.run_until(60.0)
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


def comes(lab, station, token, vehicle="compact-3ph"):
    lab.rig.act(PLANT, "plug", {"station": station, "evse": 1, "vehicle": vehicle, "soc_percent": 20.0})
    lab.rig.act(station, "present", {"token": token, "evse": 1})
    lab.world.run_until(lab.world.now + 90.0)


def amps(lab, station):
    return max(lab.plant.tap(station, 1).read(lab.world.now).current_a)


def access_notes(lab):
    return [(r.subject, r.body["token"], r.body["status"], r.body["rule"]) for r in lab.history.records if r.kind == "access"]


def desk(lab):
    return lab.controller.operator.desk


def test_a_refusal_is_recorded_once_with_its_rule_and_sentence(lab_of):
    lab = lab_of(TOKENS + '  entitlements: [{classes: [guest], stations: ["a-1"]}]\n')
    comes(lab, "a-2", "GST-1")
    assert amps(lab, "a-2") == 0.0
    assert access_notes(lab) == [("a-2", "GST-1", "NotAtThisLocation", "place")]
    body = next(r.body for r in lab.history.records if r.kind == "access")
    assert body["because"].startswith("GST-1 of class guest may charge at a-1, not at a-2 (") and "policy.yaml:3" in body["because"]
    assert 60.0 <= body["at"] <= 70.0


def test_guests_are_refused_over_a_share_of_the_limit(lab_of):
    lab = lab_of(TOKENS + "  guests: {classes: [guest], when: restricted, load_above: 30 %}\n")
    comes(lab, "a-1", "GST-1")
    assert amps(lab, "a-1") > 12.0
    comes(lab, "a-2", "GST-2")
    assert amps(lab, "a-2") == 0.0
    assert access_notes(lab) == [("a-2", "GST-2", "NotAtThisTime", "guests")]
    comes(lab, "a-3", "RES-1")
    assert amps(lab, "a-3") > 12.0


def test_who_charges_may_be_heard_after_its_window_and_others_of_its_group_too(lab_of):
    policy = TOKENS + '  groups: {FLAT: [GST-1, GST-2]}\n  windows: [{classes: [guest], from: "08:00", to: "08:03"}]\n'
    lab = lab_of(policy)
    comes(lab, "a-1", "GST-1")
    lab.world.run_until(400.0)
    rules = lab.controller.operator
    assert rules.admitted("a-1", "GST-1", 400.0).rule == "running" and rules.admitted("a-1", "GST-2", 400.0).accepted
    assert rules.admitted("a-1", "GST-3", 400.0).status == "NotAtThisTime"
    assert rules.admitted("a-2", "GST-1", 400.0).status == "NotAtThisTime"
    assert amps(lab, "a-1") > 12.0


def test_a_floor_is_kept_before_a_higher_class_gets_its_surplus(lab_of):
    floor = lab_of(TOKENS + "power:\n  floors: {guest: 6 A}\n  limits: {grid: 21 A}\n")
    plain = lab_of(TOKENS + "power: {limits: {grid: 21 A}}\n")
    for lab in (floor, plain):
        comes(lab, "a-1", "GST-1")
        comes(lab, "a-2", "RES-1")
        lab.world.run_until(400.0)
    # 20 A after the margin: with the floor 6 A and 14 A, without it 16 A, and the 4 A left are too few for anybody.
    assert 5.0 < amps(floor, "a-1") <= 6.3 and 12.5 < amps(floor, "a-2") <= 14.3
    assert amps(plain, "a-1") == 0.0 and 15.0 < amps(plain, "a-2") <= 16.3


def test_a_turn_is_time_with_current_and_what_a_session_got_is_remembered(lab_of):
    lab = lab_of(TOKENS + "priority:\n  rotation: {after: 5 min, classes: [guest]}\npower: {limits: {grid: 19 A}}\n")
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    lab.world.run_until(900.0)
    served = {station: seconds for (station, _), seconds in desk(lab).served.items()}
    # The guest was given something for the moments before the resident's share was known, at most.
    assert 700.0 < served["a-1"] < 900.0 and served.get("a-2", 0.0) < 60.0
    lab.rig.act("a-1", "press_stop", {"evse": 1})
    lab.world.run_until(1000.0)
    ((ended, got),) = desk(lab).past["RES-1"]
    assert 900.0 < ended < 1000.0 and 1500.0 < got < 3000.0
    assert all(station != "a-1" for station, _ in desk(lab).served)


def test_a_register_nobody_can_believe_is_not_remembered(lab_of):
    lab = lab_of(TOKENS)
    comes(lab, "a-1", "RES-1")
    tx = lab.controller.peers["a-1"].evses[1].session.tx
    lab.world.run_until(lab.world.now + 30.0)
    for register in (float("nan"), -5.0, float("inf")):
        desk(lab)._running["a-1", tx] = lab.controller.peers["a-1"].evses[1].session
        desk(lab).ended("a-1", TransactionEnded(1, tx, lab.world.now, register), lab.world.now)
    assert desk(lab).past == {}


def test_transactions_that_are_never_ended_do_not_pile_up(lab_of):
    lab = lab_of(TOKENS)
    comes(lab, "a-1", "RES-1")
    place = lab.controller.operator.places["a-1", 1]
    for number in range(500):
        place.known.session = replace(place.known.session, tx=str(number))
        desk(lab).tick(lab.world.now + number, [])
    assert len(desk(lab)._running) <= 20 and len(desk(lab).served) <= 20
    assert ("a-1", "499") in desk(lab)._running


def test_few_free_chargers_are_counted_by_the_sites_own_days(lab_of):
    trigger = "{when: few_free_chargers, classes: [employee], free_below: 4, days: 3, lasts: 1 h, as: resident}"
    lab = lab_of(TOKENS + f"priority: {{triggers: [{trigger}]}}\n")
    one = desk(lab)
    before = one.standing("a-1", "EMP-1", "employee", 70.0)
    for day in range(4):
        one.tick(day * 86400.0 + 100.0, [])
    after = one.standing("a-1", "EMP-1", "employee", 3 * 86400.0 + 100.0)
    assert (before.rank, after.rank) == (2, 0)
    assert "fewer than 4 chargers were free on each of the last 3 days" in after.because


def test_an_override_stands_before_all_that_rules_put_forward(lab_of):
    lab = lab_of(TOKENS + "priority: {near_departure: {within: 1 h, classes: [guest]}}\n")
    comes(lab, "a-1", "GST-1")
    now = lab.world.now
    lab.rig.act(CSMS, "set_departure", {"token": "GST-1", "departs": now + 600.0})
    lab.world.run_until(now + 0.5)
    rank, because = lab.controller.operator.rank_of("a-1", "GST-1", now)
    assert rank == AHEAD and "leaves in 10 min" in because
    args = {"id": "o", "token": "GST-2", "until": now + 600.0, "who": "dispatcher", "why": "ferry"}
    lab.rig.act(CSMS, "create_override", args)
    lab.world.run_until(now + 1.0)
    assert lab.controller.operator.rank_of("a-2", "GST-2", now + 1.0)[0] == FIRST < AHEAD


def test_an_override_as_a_class_ranks_as_that_class_does_at_this_hour(lab_of):
    lab = lab_of(TOKENS + 'priority: {windows: [{from: "08:00", to: "09:00", ranks: [guest, employee, resident, route_critical]}]}\n')
    args = {"id": "o", "token": "RES-1", "until": 7000.0, "who": "dispatcher", "why": "ferry", "user_class": "employee"}
    lab.rig.act(CSMS, "create_override", args)
    lab.world.run_until(100.0)
    rules = lab.controller.operator
    assert [rules.rank_of("a-1", "RES-1", at)[0] for at in (100.0, 3601.0)] == [1, 2]
    assert [rules.rank_of("a-1", "RES-2", at)[0] for at in (100.0, 3601.0)] == [2, 0]


def test_a_blocked_token_is_on_no_local_list(lab_of):
    lab = lab_of('access:\n  tokens: {RES-1: resident, RES-2: resident}\n  blocked: ["RES-2"]\n')
    assert [t.token for t in lab.controller.operator.tokens.listed()] == ["RES-1"]


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"token": "A"}, "set_departure: departs missing"),
        ({"token": "A", "departs": "soon"}, "set_departure: departs: a number expected"),
        ({"token": "A", "departs": 1e12}, "set_departure: departs: seconds of this run expected"),
        ({"token": 7, "departs": 5.0}, "set_departure: token: text expected"),
        ({"token": "A", "departs": 5.0, "soc_percent": 40.0}, None),
    ],
)
def test_a_departure_from_outside_is_checked(args, why):
    assert complaint(load_site("mixed-use").site, PLANT, CSMS, CSMS, "set_departure", args) == why
