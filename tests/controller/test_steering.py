"""Signals from the grid, idle sessions, costs by class, who is throttled first: carried out in a running site, recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargekit.controller.explaining import Explanation, explain
from chargekit.controller.replaying import Recorded, replayed, situation_at
from chargekit.lab.assemble import CSMS, PLANT, Lab, Plan
from chargekit.lab.hands import complaint
from chargekit.lab.sitefile import load_site

SITE = """site: three
type: multifamily
zone: Europe/Amsterdam
epoch: "2026-03-02T07:00:00Z"
circuits: {grid: {limit: 63 A}}
stations:
  - {id: a-1, model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: a-2, model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: a-3, model: generic-ac-22, circuit: grid, ocpp: "2.1"}
meters: [{id: m, circuit: grid, model: eastron-sdm630}]
"""
TOKENS = 'access:\n  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}\n'
LabOf = Callable[[str], Lab]


@pytest.fixture
def lab_of(tmp_path: Path) -> Iterator[LabOf]:
    labs = []

    def make(policy: str) -> Lab:
        (tmp_path / "fleet.yaml").write_text(SITE)
        (tmp_path / "policy.yaml").write_text(TOKENS + policy)
        labs.append(Lab(load_site(str(tmp_path)), Plan(operate=True)))
        labs[-1].world.run_until(60.0)
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


def comes(lab: Lab, station: str, token: str, soc: float = 20.0, vehicle: str = "compact-3ph", wait: float = 180.0, evse: int = 1) -> None:
    lab.rig.act(PLANT, "plug", {"station": station, "evse": evse, "vehicle": vehicle, "soc_percent": soc})
    lab.rig.act(station, "present", {"token": token, "evse": evse})
    lab.world.run_until(lab.world.now + wait)


def passes(lab: Lab, seconds: float) -> None:
    lab.world.run_until(lab.world.now + seconds)


def amps(lab: Lab, station: str) -> float:
    return max(lab.plant.tap(station, 1).read(lab.world.now).current_a)


def notes(lab: Lab, kind: str) -> list[dict[str, Any]]:
    return [dict(r.body) for r in lab.history.records if r.witness == "controller" and r.kind == kind]


def told(lab: Lab, station: str) -> str:
    """How an EVSE stands now, in a sentence."""
    return explained(lab, station).sentence


def explained(lab: Lab, station: str) -> Explanation:
    """The explanation of how an EVSE stands now, from the record alone; the replay has to be the same to the byte."""
    records = [Recorded(n, r.t, r.body) for n, r in enumerate(lab.history.records) if r.kind == "decided"]
    one = situation_at(records, lab.world.now)
    assert one is not None
    again, wrong = replayed(one)
    assert again is not None and wrong == ()
    return explain(one, again, f"{station}/1")


def signals(lab: Lab, **args: Any) -> None:
    lab.rig.act(CSMS, "signal", args)


# --- signals --------------------------------------------------------------------------------------------------------

DIMMING = "power:\n  signals:\n    dimming: {longest: 2 h, floor: 4.2 kW}\n"


def test_a_dimming_holds_all_sessions_together_and_ends_by_itself(lab_of: LabOf) -> None:
    lab = lab_of(DIMMING)
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    now = lab.world.now
    signals(lab, id="dso-1", kind="dimming", who="DSO", until=now + 600.0, limit_kw=12.0)
    passes(lab, 60.0)
    # 12 kW together: the resident's 16 A would be 11 kW, but each keeps 4.2 kW, 6.1 A.
    assert amps(lab, "a-2") == pytest.approx(6.1, abs=0.1) and amps(lab, "a-1") == pytest.approx(11.2, abs=0.2)
    sentence = told(lab, "a-1")
    assert "gets 11.2 A" in sentence and "the kW cap of circuit grid is full: of 12 kW (dimming dso-1 to 12 kW, " in sentence
    assert "policy.yaml:5" in sentence
    passes(lab, 600.0)
    assert amps(lab, "a-1") > 15.0 and amps(lab, "a-2") > 15.0
    first, last = notes(lab, "signal")
    assert first["who"] == "DSO" and first["until"] == now + 600.0 and "dimming to 12 kW (" in first["because"]
    assert last == {"id": "dso-1", "kind": "dimming", "ended": "over"}


def test_a_dimming_never_goes_below_what_each_keeps_unless_the_connection_does(lab_of: LabOf) -> None:
    lab = lab_of(DIMMING)
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    signals(lab, id="dso-1", kind="dimming", who="DSO", until=lab.world.now + 600.0, limit_kw=0.0)
    passes(lab, 60.0)
    assert [amps(lab, n) for n in ("a-1", "a-2")] == pytest.approx([6.1, 6.1], abs=0.15)
    assert "8.418 kW" in str([r.body for r in lab.history.records if r.kind == "decided"][-1]) or "4.2 kW kept for each of 2" in told(
        lab, "a-1"
    )
    lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": 8.0})
    passes(lab, 60.0)
    assert amps(lab, "a-1") == pytest.approx(6.1, abs=0.2) and amps(lab, "a-2") == 0.0


@pytest.mark.parametrize(("asked_kw", "a_1"), [(0.0, 6.0), (9.0, 6.5)])
def test_what_each_keeps_is_rounded_up_to_what_its_station_knows_where_that_fits(tmp_path: Path, asked_kw: float, a_1: float) -> None:
    """Steps of half an ampere: 4.2 kW are 6.5 A, and 6 A where the grid asked for no more than 4.2 kW each."""
    site = SITE.replace("a-1, model: generic-ac-22", "a-1, model: generic-ac-11").replace(
        "a-2, model: generic-ac-22", "a-2, model: generic-ac-7"
    )
    (tmp_path / "fleet.yaml").write_text(site)
    (tmp_path / "policy.yaml").write_text(TOKENS + DIMMING)
    lab = Lab(load_site(str(tmp_path)), Plan(operate=True))
    lab.world.run_until(60.0)
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "RES-2", vehicle="small-22kw")
    signals(lab, id="dso-1", kind="dimming", who="DSO", until=lab.world.now + 600.0, limit_kw=asked_kw)
    passes(lab, 60.0)
    grants = lab.controller.operator._last[3].grants
    found = {key: grant.amps for key, grant in grants.items()}
    assert found["a-1/1"] == a_1 and found["a-2/1"] >= 18.3
    assert sum(found[key] * phases * 0.23 for key, phases in (("a-1/1", 3), ("a-2/1", 1))) <= max(asked_kw, 2 * 4.21)
    assert amps(lab, "a-1") == pytest.approx(a_1, abs=0.1) and amps(lab, "a-2") == pytest.approx(found["a-2/1"], abs=0.2)
    lab.close()


def test_exempt_sessions_are_not_dimmed_and_do_not_count(lab_of: LabOf) -> None:
    lab = lab_of(DIMMING.replace("floor: 4.2 kW", "floor: 4.2 kW, exempt: [resident]"))
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    signals(lab, id="dso-1", kind="dimming", who="DSO", until=lab.world.now + 600.0, limit_kw=0.0)
    passes(lab, 120.0)
    assert amps(lab, "a-1") > 15.0
    assert amps(lab, "a-2") == pytest.approx(6.1, abs=0.15)
    assert "kW exempt" in told(lab, "a-2")


def test_a_level_leaves_its_share_and_who_gives_first_gives_first(lab_of: LabOf) -> None:
    policy = "priority:\n  ranks: [route_critical, guest, resident, employee]\npower:\n  limits: {grid: 60 A}\n  signals:\n"
    lab = lab_of(policy + "    level: {longest: 2 h, shares: [100 %, 50 %], first: [guest]}\n")
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    signals(lab, id="adr", kind="level", who="aggregator", until=lab.world.now + 600.0, level=1)
    passes(lab, 60.0)
    # 30 A less the margin: the guest ranks first and gives first.
    assert amps(lab, "a-1") > 15.0 and amps(lab, "a-2") == pytest.approx(11.0, abs=0.6)
    assert "gives first while level adr lasts" in explain_row(lab, "a-2")
    signals(lab, id="adr", kind="level", until=lab.world.now)
    passes(lab, 60.0)
    assert amps(lab, "a-2") > 15.0
    assert notes(lab, "signal")[-1]["ended"] == "withdrawn"


def explain_row(lab: Lab, station: str) -> str:
    records = [Recorded(n, r.t, r.body) for n, r in enumerate(lab.history.records) if r.kind == "decided"]
    one = situation_at(records, lab.world.now)
    assert one is not None
    return next(d.because for d in one.given.demands if d.id == f"{station}/1")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"kind": "dimming", "limit_kw": 5.0}, "a signal needs an end: until"),
        ({"kind": "dimming", "limit_kw": 5.0, "until": 60.0 + 7201.0}, "a dimming lasts at most 2 h ("),
        ({"kind": "dimming", "limit_kw": 5.0, "until": 60.0}, "a dimming lasts at most 2 h ("),
        ({"kind": "dimming", "until": 600.0}, "a dimming says either limit_kw or limit_a, found none"),
        ({"kind": "dimming", "limit_kw": 5.0, "limit_a": 6.0, "until": 600.0}, "found limit_kw, limit_a"),
        ({"kind": "dimming", "level": 1, "until": 600.0}, "a dimming says either limit_kw or limit_a"),
        ({"kind": "level", "level": 1, "until": 600.0}, "no rule of this site takes signals of kind 'level'"),
        ({"kind": "dimming", "limit_kw": 5.0, "circuit": "roof", "until": 600.0}, "a dimming is for a circuit of this site"),
    ],
)
def test_what_can_not_be_is_refused_and_recorded(lab_of: LabOf, args: dict[str, Any], why: str) -> None:
    lab = lab_of(DIMMING)
    signals(lab, id="x", who="DSO", **args)
    passes(lab, 1.0)
    (body,) = notes(lab, "signal")
    assert why in body["refused"] and body["id"] == "x" and body["who"] == "DSO"
    assert lab.controller.operator.signals.held == {}


def test_a_station_that_tells_its_external_limit_leaves_the_rest_to_others(lab_of: LabOf) -> None:
    lab = lab_of("power:\n  limits: {grid: 28 A}\n  signals: {external: {longest: 1 h}}\n")
    comes(lab, "a-3", "RES-1")
    comes(lab, "a-1", "GST-1")
    assert amps(lab, "a-3") > 15.0 and 6.0 <= amps(lab, "a-1") < 9.5
    lab.rig.act("a-3", "external_limit", {"evse": 1, "limit_a": 8.0, "source": "EMS"})
    passes(lab, 40.0)
    assert amps(lab, "a-1") > 15.0
    assert "held to 8 A: EMS limits a-3 (" in explain_row(lab, "a-3")
    lab.rig.act("a-3", "external_limit", {"evse": 1, "limit_a": None, "source": "EMS"})
    passes(lab, 60.0)
    assert amps(lab, "a-3") > 15.0
    assert [n.get("ended") for n in notes(lab, "signal")] == [None, "released"]


DUAL = SITE.replace("a-3, model: generic-ac-22,", "a-3, model: generic-ac-22-dual,")


@pytest.mark.parametrize(("args", "limit"), [({"limit_a": 16.0}, "16 A"), ({"limit_kw": 11.04}, "11 kW"), ({}, "16 A")])
def test_a_limit_on_a_whole_station_binds_the_sum_of_its_evses(tmp_path: Path, args: dict[str, float], limit: str) -> None:
    """Signalled in amperes or kW, or told by the station itself (NotifyChargingLimit)."""
    (tmp_path / "fleet.yaml").write_text(DUAL)
    (tmp_path / "policy.yaml").write_text(TOKENS + "power:\n  limits: {grid: 28 A}\n  signals: {external: {longest: 1 h}}\n")
    lab = Lab(load_site(str(tmp_path)), Plan(operate=True))
    lab.world.run_until(60.0)
    comes(lab, "a-1", "GST-1")
    comes(lab, "a-3", "RES-1")
    comes(lab, "a-3", "RES-2", evse=2)
    both = [lab.plant.tap("a-3", evse) for evse in (1, 2)]
    together = sum(max(tap.read(lab.world.now).current_a) for tap in both)
    assert together > 25.0 and amps(lab, "a-1") == 0.0
    if args:
        signals(lab, id="ems", kind="external", who="EMS", station="a-3", until=lab.world.now + 900.0, **args)
    else:
        lab.rig.act("a-3", "external_limit", {"evse": 0, "limit_a": 16.0, "source": "EMS"})
    passes(lab, 420.0)
    # 16 A are for both: not for each, and what they may not have is the visitor's.
    assert [max(tap.read(lab.world.now).current_a) for tap in both] == pytest.approx([8.0, 8.0], abs=0.3)
    assert amps(lab, "a-1") == pytest.approx(11.0, abs=0.6)
    sentence = told(lab, "a-3")
    assert "gets 8 A of" in sentence and f"the limit on station a-3 is full: of {limit} (EMS limits it, " in sentence
    assert "go to a-3/2 of its own rank" in sentence and "policy.yaml:5" in sentence
    assert str(explained(lab, "a-3").instead).startswith("the limit on station a-3 released (EMS limits it) → up to +")
    assert any(what.startswith("the limit of EMS on a-3 to ") for _, what in explained(lab, "a-3").next_changes)
    if args:
        signals(lab, id="ems", kind="external", station="a-3", until=lab.world.now)
    else:
        lab.rig.act("a-3", "external_limit", {"evse": 0, "limit_a": None, "source": "EMS"})
    passes(lab, 120.0)
    assert sum(max(tap.read(lab.world.now).current_a) for tap in both) > 25.0
    lab.close()


def test_a_signal_outlives_the_controller(lab_of: LabOf) -> None:
    lab = lab_of(DIMMING)
    comes(lab, "a-1", "RES-1")
    until = lab.world.now + 900.0
    signals(lab, id="dso-1", kind="dimming", who="DSO", until=until, limit_kw=0.0)
    passes(lab, 60.0)
    lab.world.cut(CSMS)
    passes(lab, 5.0)
    lab.world.restore(CSMS)
    passes(lab, 200.0)
    assert amps(lab, "a-1") == pytest.approx(6.1, abs=0.15)
    lab.world.run_until(until + 60.0)
    assert amps(lab, "a-1") > 15.0


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"id": "x", "kind": "dimming", "until": 900.0, "limit_kw": 4.2}, None),
        ({"id": "x", "kind": "dimming", "limit_kw": 4.2}, "signal: until missing"),
        ({"id": "x", "kind": 7, "until": 900.0}, "signal: kind: text expected"),
        ({"id": "x", "kind": "level", "until": 900.0, "level": -1}, "signal: level: at least 0 expected"),
        ({"id": "x", "kind": "level", "until": "soon", "level": 1}, "signal: until: a number expected"),
    ],
)
def test_a_signal_from_outside_is_checked(args: dict[str, Any], why: str | None) -> None:
    assert complaint(load_site("mixed-use").site, PLANT, CSMS, CSMS, "signal", args) == why


# --- idle sessions --------------------------------------------------------------------------------------------------

IDLE = "power:\n  limits: {grid: 40 A}\n  idle: {grace: 5 min, release: 15 min, classes: [guest, employee]}\n"


def test_who_is_done_is_asked_and_then_ended(lab_of: LabOf) -> None:
    lab = lab_of(IDLE)
    comes(lab, "a-2", "GST-1", soc=99.9)
    comes(lab, "a-1", "RES-1", soc=99.9)
    passes(lab, 1500.0)
    found = [(n["what"], n["evse"], n["token"], n["class"]) for n in notes(lab, "idle")]
    assert found == [("asked", 1, "GST-1", "guest"), ("released", 1, "GST-1", "guest")]
    asked, released = notes(lab, "idle")
    assert asked["because"].startswith("asked on its display; idle for 5 min, grace of 5 min (") and "policy.yaml:5)" in asked["because"]
    assert "idle for 15 min, ended after 15 min (" in released["because"]
    peers = lab.controller.peers
    assert peers["a-2"].evses[1].session is None and peers["a-1"].evses[1].session is not None
    shown = [r for r in lab.history.records if r.witness == "wire" and r.kind == "SetDisplayMessage.req"]
    assert len(shown) == 1 and "Please move it" in str(shown[0].body)
    ends = [
        r.body["payload"] for r in lab.history.records if r.kind == "TransactionEvent.req" and r.body["payload"]["eventType"] == "Ended"
    ]
    assert ends[-1]["transactionInfo"]["stoppedReason"] == "Remote"


def test_who_waits_for_power_is_not_idle(lab_of: LabOf) -> None:
    lab = lab_of(IDLE)
    comes(lab, "a-1", "GST-1")
    lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": 5.0})
    passes(lab, 1800.0)
    assert amps(lab, "a-1") == 0.0
    lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": 40.0})
    passes(lab, 120.0)
    assert notes(lab, "idle") == [] and amps(lab, "a-1") > 15.0


def test_who_fell_asleep_is_not_idle(lab_of: LabOf) -> None:
    lab = lab_of(IDLE)
    sleepy = next(n for n, v in lab.site.vehicles.items() if v.quirks.sleeps_after_s is not None and v.ac_phases == 3)
    comes(lab, "a-1", "GST-1", vehicle=sleepy)
    lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": 5.0})
    passes(lab, 3600.0)
    lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": 40.0})
    passes(lab, 1800.0)
    assert notes(lab, "idle") == []


def test_a_vehicle_that_stays_after_its_user_stopped_is_asked_to_move(lab_of: LabOf) -> None:
    lab = lab_of(IDLE)
    comes(lab, "a-1", "GST-1")
    lab.rig.act("a-1", "press_stop", {"evse": 1})
    passes(lab, 1200.0)
    assert [n["what"] for n in notes(lab, "idle")] == ["asked"]
    lab.rig.act(PLANT, "unplug", {"station": "a-1", "evse": 1})
    passes(lab, 900.0)
    assert [n["what"] for n in notes(lab, "idle")] == ["asked"]


def test_what_was_asked_of_an_idle_session_outlives_the_controller(lab_of: LabOf) -> None:
    lab = lab_of(IDLE)
    comes(lab, "a-2", "GST-1", soc=99.9)
    passes(lab, 600.0)
    assert [n["what"] for n in notes(lab, "idle")] == ["asked"]
    lab.world.cut(CSMS)
    passes(lab, 5.0)
    lab.world.restore(CSMS)
    passes(lab, 900.0)
    assert [n["what"] for n in notes(lab, "idle")] == ["asked", "released"]


# --- costs ----------------------------------------------------------------------------------------------------------

COST = """cost:
  price: 0.20
  tariff: [{from: "08:15", to: "09:00", price: 0.42}]
  classes: {guest: {cap: 8 A, above: 0.35}, employee: {pause_above: 0.40, unless_departs_within: 2 h}}
"""


def test_a_price_caps_one_class_and_pauses_another(lab_of: LabOf) -> None:
    lab = lab_of(COST)
    for station, token in (("a-1", "GST-1"), ("a-2", "EMP-1"), ("a-3", "RES-1")):
        comes(lab, station, token)
    assert min(amps(lab, n) for n in ("a-1", "a-2", "a-3")) > 15.0
    lab.world.run_until(960.0)
    assert [round(amps(lab, n)) for n in ("a-1", "a-2", "a-3")] == [8, 0, 16]
    assert "gets 8 A, all a rule allows it now: a kWh costs 0.42, above 0.35 (" in told(lab, "a-1") and "policy.yaml:6)" in told(lab, "a-1")
    assert "gets nothing: held to 0 A: a kWh costs 0.42, above 0.4 (" in told(lab, "a-2")
    lab.world.run_until(3660.0)
    assert min(amps(lab, n) for n in ("a-1", "a-2", "a-3")) > 15.0


def test_who_leaves_soon_is_not_paused_and_who_is_protected_neither(lab_of: LabOf) -> None:
    lab = lab_of(COST + "  opt_out: [guest]\n")
    comes(lab, "a-1", "GST-1")
    comes(lab, "a-2", "EMP-1")
    lab.rig.act(CSMS, "set_departure", {"token": "EMP-1", "departs": 3 * 3600.0})
    lab.world.run_until(960.0)
    assert amps(lab, "a-1") > 15.0 and amps(lab, "a-2") == 0.0
    lab.world.run_until(3 * 3600.0 - 7200.0 - 60.0)
    assert amps(lab, "a-2") > 15.0 or lab.world.now < 3600.0
    lab.rig.act(CSMS, "set_departure", {"token": "EMP-1", "departs": lab.world.now + 3600.0})
    passes(lab, 90.0)
    assert amps(lab, "a-2") > 15.0


def test_the_mean_of_the_quarter_hour_stays_below_its_target(lab_of: LabOf) -> None:
    lab = lab_of('cost:\n  opt_out: [resident]\n  demand_target: {below: 20 kW, from: "08:00", to: "09:00"}\n')
    for station, token in (("a-1", "GST-1"), ("a-2", "EMP-1"), ("a-3", "RES-1")):
        comes(lab, station, token)
    lab.world.run_until(900.0)
    began = lab.plant.read_circuit("grid", 900.0).energy_wh
    lab.world.run_until(1800.0)
    mean_kw = (lab.plant.read_circuit("grid", 1800.0).energy_wh - began) * 4.0 / 1000.0
    assert 17.0 < mean_kw <= 20.2
    assert amps(lab, "a-3") > 15.0
    assert "demand target of 20 kW" in told(lab, "a-1")
    lab.world.run_until(3720.0)
    assert min(amps(lab, n) for n in ("a-1", "a-2", "a-3")) > 15.0


def test_a_peak_so_far_is_made_up_for_in_the_rest_of_the_quarter(lab_of: LabOf) -> None:
    lab = lab_of("cost:\n  demand_target: 20 kW\n")
    desk = lab.controller.operator.costing
    desk._mean = (desk._quarter(450.0), 20.0 / 8.0 + 1.0, 450.0)
    (limit,) = desk.limits(450.0)
    assert limit.limit_kw == 12.0 and limit.rule == "demand target of 20 kW, 28 kW so far in this quarter of an hour"


# --- guarantees and throttling --------------------------------------------------------------------------------------


def test_min_first_gives_a_class_its_minimum_before_anybody_has_more(lab_of: LabOf) -> None:
    lab = lab_of("power:\n  limits: {grid: 20 A}\n  guarantee: {min_first: [guest]}\n")
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    assert amps(lab, "a-2") == pytest.approx(6.0, abs=0.1) and amps(lab, "a-1") == pytest.approx(13.0, abs=0.3)
    assert "keeps 6 A: its minimum comes first (" in explain_row(lab, "a-2")


def test_strict_serves_the_higher_rank_in_full(lab_of: LabOf) -> None:
    lab = lab_of("power:\n  limits: {grid: 20 A}\n  guarantee: strict\n")
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    assert amps(lab, "a-2") == 0.0 and amps(lab, "a-1") > 15.0


def test_who_is_throttled_first_keeps_its_minimum_and_its_place(lab_of: LabOf) -> None:
    lab = lab_of("power:\n  limits: {grid: 28 A}\n  throttle: [resident]\n")
    comes(lab, "a-1", "RES-1")
    comes(lab, "a-2", "GST-1")
    assert amps(lab, "a-2") > 15.0 and 6.0 <= amps(lab, "a-1") < 9.5
    assert "throttled first (" in explain_row(lab, "a-1")
    told(lab, "a-1")
    lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": 10.0})
    passes(lab, 60.0)
    assert amps(lab, "a-2") == 0.0 and 6.0 <= amps(lab, "a-1") < 9.5


def test_only_who_may_be_shifted_waits_for_the_cheap_hours(lab_of: LabOf) -> None:
    tariff = '  price: 0.5\n  tariff: [{from: "09:00", to: "12:00", price: 0.1}]\n'
    lab = lab_of(f"cost:\n  plan: true\n{tariff}  classes: {{guest: {{shift: true}}}}\n")
    comes(lab, "a-1", "GST-1", wait=60.0)
    comes(lab, "a-2", "RES-1", wait=60.0)
    for token in ("GST-1", "RES-1"):
        lab.rig.act(CSMS, "set_departure", {"token": token, "departs": 5 * 3600.0, "needs_kwh": 8.0})
    # What charges already keeps its minimum for ten minutes, and then rests for five (power.holds).
    passes(lab, 1200.0)
    assert amps(lab, "a-1") < 1.0 and amps(lab, "a-2") > 15.0
    assert "its plan has it wait" in told(lab, "a-1")
    lab.world.run_until(3600.0 + 300.0)
    assert amps(lab, "a-1") > 6.0
