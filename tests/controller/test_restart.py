"""A controller killed at any moment comes back, with what it saved or with nothing at all, and every circuit stays within its rating,
as the plant knows it, at every second."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargekit.controller.dispatch import Claim
from chargekit.controller.recovery import SYNC_S, claim_data, claim_of
from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.world.events import Save

TIGHT = """site: tight
type: mixed_use
circuits:
  grid: {limit: 50 A}
  east: {parent: grid, limit: 32 A}
stations:
  - {id: "e-{1..3}", model: generic-ac-22, circuit: east, ocpp: "1.6"}
  - {id: "w-{1..3}", model: generic-ac-22, circuit: grid, ocpp: "2.0.1", rotation: L2L3L1}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}
"""
POLICY = """access: {tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}}
power: {lease: 4 min}
"""
VEHICLES = ("compact-3ph", "small-22kw", "city-1ph")
SECONDS = 900
EXAMPLES = max(6, settings.default.max_examples // 10)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tight")
    (folder / "fleet.yaml").write_text(TIGHT)
    (folder / "policy.yaml").write_text(POLICY)
    return load_site(str(folder))


def living(bundle, seed, within_s=200.0):
    """Six stations whose drivers come within so many seconds; some leave again."""
    lab = build(bundle, Plan(seed=f"restart/{seed}", operate=True))
    rng = random.Random(seed)
    for number, name in enumerate(lab.stations):
        at = 15.0 + rng.random() * within_s
        plug = {"station": name, "evse": 1, "vehicle": rng.choice(VEHICLES), "soc_percent": rng.uniform(5, 60)}
        lab._later(at, PLANT, "plug", plug)
        lab._later(at + 5, name, "present", {"token": f"{('RES', 'EMP', 'GST')[number % 3]}-{number}", "evse": 1})
        if rng.random() < 0.3:
            away = at + rng.uniform(60, SECONDS)
            lab._later(away, name, "press_stop", {"evse": 1})
            lab._later(away + 5, PLANT, "unplug", {"station": name, "evse": 1})
    return lab


def kill(lab, at, down_s, memory=True):
    """The controller dies, and is back a while later, with what it wrote or with nothing."""

    def back():
        if not memory:
            lab.world.saved[CSMS].clear()
        else:
            lab.world.saved[CSMS].update(json.loads(json.dumps(lab.world.saved[CSMS])))
        lab.world.restore(CSMS)

    lab.world.call(at, lambda: lab.world.cut(CSMS))
    lab.world.call(at + down_s, back)


def holds(lab, until, limits=None):
    """Run, and look at every circuit every second. The most seen at the grid, A."""
    most = 0.0
    while lab.world.now < until:
        lab.world.run_until(lab.world.now + 1.0)
        for name, circuit in lab.site.circuits.items():
            shown = max(lab.plant.read_circuit(name, lab.world.now).current_a)
            assert shown <= circuit.rating_a + 0.1, f"{name} carries {shown:.1f} A at {lab.world.now} s"
        most = max(most, shown)
    return most


def drawn(lab, station):
    bay = lab.plant.bays[(station, 1)]
    return bay.drawn


@settings(max_examples=EXAMPLES)
@given(
    seed=st.integers(0, 999),
    at=st.floats(0.5, SECONDS * 0.7),
    down_s=st.floats(0.1, 150.0),
    again=st.floats(0.1, 200.0),
    memory=st.booleans(),
)
def test_no_circuit_is_over_its_rating_whenever_the_controller_dies(bundle, seed, at, down_s, again, memory):
    lab = living(bundle, seed)
    kill(lab, at, down_s, memory)
    kill(lab, at + down_s + again, 20.0)
    holds(lab, SECONDS)


@pytest.mark.parametrize("lives_s", [0.1, 1.0, 5.0, 30.0, 70.0])
def test_who_lost_its_memory_and_dies_again_still_knows_that_it_knows_nothing(bundle, lives_s):
    """A session that charges was known to the first life alone; the third must not take its station for idle."""
    lab = living(bundle, 600)
    kill(lab, 42.0, 1.0, memory=False)
    kill(lab, 43.0 + lives_s, 20.0)
    holds(lab, SECONDS)


@pytest.mark.parametrize(("seed", "which"), [(3, 3), (7, 2), (7, 3), (600, 1)])
def test_it_may_die_while_it_writes_down_whom_it_knows_again(bundle, seed, which):
    lab = living(bundle, seed)
    kill(lab, 150.0, 1.0, memory=False)
    known = [0]

    def after(name, one):
        if name == CSMS and isinstance(one, Save) and one.key.startswith("unproven/") and one.value is None:
            known[0] += 1
            if known[0] == which:
                lab.world.cut(CSMS)
                lab.world.call(lab.world.now + 20.0, lambda: lab.world.restore(CSMS))

    lab.world.after_effect = after
    holds(lab, SECONDS)
    assert known[0] >= which


@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 999), effect=st.integers(1, 600), down_s=st.floats(0.1, 60.0))
def test_it_may_die_between_any_two_effects(bundle, seed, effect, down_s):
    """What is written is written before anything of it is sent: a death in between loses no promise."""
    lab = living(bundle, seed)
    count = [0]

    def after(name, one):
        if name == CSMS:
            count[0] += 1
            if count[0] == effect:
                lab.world.cut(CSMS)
                lab.world.call(lab.world.now + down_s, lambda: lab.world.restore(CSMS))

    lab.world.after_effect = after
    holds(lab, SECONDS * 0.8)


@pytest.mark.parametrize("memory", [True, False])
def test_running_sessions_are_led_again(bundle, memory):
    """Two sessions charge on the east feeder; the controller dies. Back again it lowers the cap, which shows on both."""
    lab = build(bundle, Plan(seed="led", operate=True))
    for name, token in (("e-1", "RES-1"), ("w-1", "EMP-1")):
        lab._later(20, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0})
        lab._later(25, name, "present", {"token": token, "evse": 1})
    holds(lab, 150)
    assert drawn(lab, "e-1") > 15.5 and drawn(lab, "w-1") > 15.5
    before = {name: lab.controller.peers[name].evses[1].session for name in ("e-1", "w-1")}
    kill(lab, 150, 30, memory)
    holds(lab, 180 + 3 * SYNC_S)
    for name, session in before.items():
        known = lab.controller.peers[name].evses[1].session
        assert known.tx == session.tx
        assert (known.token == session.token) is memory
        assert drawn(lab, name) > 15.5, f"{name} is not charging again"
    lab._later(400, CSMS, "set_cap", {"circuit": "grid", "limit_a": 20})
    holds(lab, 460)
    assert drawn(lab, "e-1") + drawn(lab, "w-1") < 20.0


def test_caps_and_overrides_survive_with_their_expiry(bundle):
    lab = build(bundle, Plan(seed="kept", operate=True))
    for name, token in (("w-1", "RES-1"), ("w-2", "GST-1")):
        lab._later(20, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0})
        lab._later(25, name, "present", {"token": token, "evse": 1})
    lab._later(100, CSMS, "set_cap", {"circuit": "grid", "limit_a": 18})
    override = {"id": "ov-1", "token": "GST-1", "until": 600.0, "who": "site_manager", "why": "has to leave"}
    lab._later(101, CSMS, "create_override", override)
    holds(lab, 200)
    kill(lab, 200, 25)
    holds(lab, 500)
    operator = lab.controller.operator
    assert operator.caps["grid"].limit_a == 18.0
    assert [(o.id, o.until) for o in operator.overrides] == [("ov-1", 600.0)]
    assert drawn(lab, "w-2") > 15.0 and drawn(lab, "w-1") < 6.0, "the override does not lead any more"
    holds(lab, 800)
    assert operator.overrides == []
    assert drawn(lab, "w-1") > 10.0 and drawn(lab, "w-2") < 6.0, "the override leads beyond its expiry"


def test_a_session_that_ended_meanwhile_is_noticed(bundle):
    """Its last message arrives late, or never: then its status says so."""
    lab = build(bundle, Plan(seed="ended", operate=True))
    for name in ("e-1", "e-2"):
        lab._later(20, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0})
        lab._later(25, name, "present", {"token": f"RES-{name}", "evse": 1})
        lab._later(125, name, "press_stop", {"evse": 1})
        lab._later(128, PLANT, "unplug", {"station": name, "evse": 1})
    carry = lab.links["e-2"].send
    lab.links["e-2"].send = lambda way, text, now: None if "StopTransaction" in text else carry(way, text, now)
    kill(lab, 120, 20)
    holds(lab, 240)
    for name in ("e-1", "e-2"):
        assert lab.controller.peers[name].evses[1].session is None
        assert lab.controller.operator.places[name, 1].outgoing.could_draw(240.0) == 0.0
    seen = [r for r in lab.history.records if r.kind == "incident" and r.body["kind"] == "ended unseen"]
    assert "e-2" in [r.subject for r in seen]


def test_without_memory_everything_counts_with_its_rating_until_it_is_seen(bundle):
    lab = living(bundle, 3, within_s=30)
    holds(lab, 200)
    for name in lab.stations:
        lab.links[name].cut()
    kill(lab, 200, 5, memory=False)
    holds(lab, 300)
    operator = lab.controller.operator
    assert {p.outgoing.could_draw(300.0) for p in operator.places.values()} == {32.0}
    record = [r for r in lab.history.records if r.kind == "restarted"]
    assert record[0].body["memory"] is False
    for name in lab.stations:
        lab.links[name].mend()
    holds(lab, 700)
    assert sum(p.outgoing.could_draw(700.0) for p in operator.places.values()) < 150.0


def test_message_and_transaction_ids_are_never_used_twice(bundle):
    lab = living(bundle, 5)
    for at in (60, 150, 240):
        kill(lab, at, 8, memory=at != 150)
    holds(lab, 500)
    sent = [
        (r.subject, r.body["id"])
        for r in lab.history.records
        if r.witness == "wire" and r.kind.endswith(".req") and r.body["dir"] == "down"
    ]
    assert len(sent) > 50
    assert len(set(sent)) == len(sent)


def test_a_claim_in_flight_is_lost_and_the_others_are_as_they_were():
    assert claim_of(claim_data(Claim(16.0, 900.0, 6.0))) == Claim(16.0, 900.0, 6.0, None, None, True)
    assert claim_of(claim_data(Claim(6.0, float("inf"), 6.0, True, 44.0))) == Claim(6.0, float("inf"), 6.0, True, 44.0)


def test_a_cap_below_what_stations_cut_off_may_draw_is_recorded_with_its_ampere_seconds(bundle):
    """Two stations cut off while charging on leases of 18 A each; a cap of 20 A can't hold before the leases end."""
    lab = build(bundle, Plan(seed="infeasible", operate=True))
    for name in ("w-1", "w-2"):
        lab._later(20, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0})
        lab._later(25, name, "present", {"token": f"RES-{name}", "evse": 1})
        lab.world.call(150, lab.links[name].cut)
    lab._later(160, CSMS, "set_cap", {"circuit": "grid", "limit_a": 20})
    holds(lab, 600)
    found = [r for r in lab.history.records if r.kind == "infeasible" and r.t > 155]
    began, ended = found[0], next(r for r in found if "ended" in r.body)
    assert (began.t, began.body["circuit"], began.body["phase"], began.body["over_a"]) == (160.0, "grid", "L1", 16.0)
    assert "not led: w-1/1, w-2/1" in began.body["because"]
    assert 200.0 < ended.t < 160 + 240 + 30, "leases of 4 minutes end by then"
    assert ended.body["over_as"] == pytest.approx(16.0 * ended.body["for_s"], rel=0.15)
    assert not lab.controller.operator.infeasible.open
