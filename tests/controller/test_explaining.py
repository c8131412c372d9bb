"""Why somebody got what it got: the reasons, in literal sentences, of small sites led by the operator."""

from dataclasses import replace
from datetime import datetime

import pytest
from tests.controller.explained import Small

from chargekit.controller.allocator import Concurrent, Demand
from chargekit.controller.explaining import explain, layer_of
from chargekit.controller.replaying import Line, Seated, Shared, Situation, Standing, replayed
from chargekit.model.calendar import Calendar
from chargekit.model.limit import Limit
from chargekit.model.located import BUILT_IN, Source
from chargekit.model.site import Circuit

RESIDENT = "rank 2 of 4: class resident (site_types/mixed_use.yaml:6)"
GUEST = "rank 4 of 4: class guest (site_types/mixed_use.yaml:6)"
WINDOW = "window every day 09:00-18:00 begins: route_critical, then guest, then employee, then resident (site_types/mixed_use.yaml:8)"


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda limit_a, **plan: Small(tmp_path, limit_a, **plan)


def test_the_cap_binds(small):
    site = small(20)
    site.come(20, "a", "RES-1")
    why = site.at(60).why("a/1")
    assert why.sentence == (
        "a/1 gets 19 A of 32 A: phase L1 of circuit grid is full: of 20 A (import limit, policy.yaml:4), 1 A are kept as margin."
    )
    assert why.rank == RESIDENT
    assert (why.session.token, why.session.user_class, why.session.source) == ("RES-1", "resident", "site_types/mixed_use.yaml:6")
    assert (why.binding.rule, why.binding.source, layer_of(why.binding.source)) == ("import limit", Source("policy.yaml", 4), "site")
    assert (why.granted_a, why.most_a, why.rating_a, why.in_force_a, why.binding.left) == (19.0, 32.0, 32.0, 19.0, 0.0)
    assert str(why.instead) == "grid with 6 A more → up to +6 A"
    assert [what for _, what in why.next_changes] == ["its lease ends: 6 A, unless it is renewed before", WINDOW]


def test_a_phase_binds_for_the_building_on_it(small):
    site = small(31)
    site.building(5, 0.0, 10.0, 0.0)
    site.come(20, "a", "RES-1")
    why = site.at(80).why("a/1")
    assert why.sentence == (
        "a/1 gets 20 A of 32 A: phase L2 of circuit grid is full: of 31 A (import limit, policy.yaml:4), 1 A are kept as margin, "
        "10 A flow beside the sessions."
    )
    assert [(p.use, p.who, p.amount) for p in why.binding.parts] == [
        ("margin", "margin", 1.0),
        ("base", "grid", 10.0),
        ("own", "a/1", 20.0),
    ]


def test_the_building_takes_it_on_every_phase(small):
    site = small(31)
    site.building(5, 24.5, 12.0, 12.0)
    site.come(20, "a", "RES-1")
    assert site.at(80).why("a/1").sentence == (
        "a/1 gets nothing: 6 A, the least it takes, do not fit on phase L1 of circuit grid with 5 A left: "
        "of 31 A (import limit, policy.yaml:4), 1 A are kept as margin, 25 A flow beside the sessions."
    )


def test_a_higher_rank_takes_it(small):
    site = small(41)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.at(58)
    assert site.why("a/1").sentence == "a/1 gets 32 A, all its outlet gives."
    why = site.why("b/1")
    assert why.sentence == (
        "b/1 gets 8 A of 32 A: phase L1 of circuit grid is full: of 41 A (import limit, policy.yaml:4), 1 A are kept as margin, "
        "32 A go to a/1 of a higher rank."
    )
    assert [(p.who, p.amount, p.why) for p in why.binding.of("above")] == [("a/1", 32.0, RESIDENT)]
    assert why.rank == GUEST


def test_nothing_is_explained_too(small):
    site = small(36)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    why = site.at(58).why("b/1")
    assert why.sentence == (
        "b/1 gets nothing: 6 A, the least it takes, do not fit on phase L1 of circuit grid with 3 A left: "
        "of 36 A (import limit, policy.yaml:4), 1 A are kept as margin, 32 A go to a/1 of a higher rank."
    )
    assert (why.granted_a, why.least_a, str(why.instead)) == (0.0, 6.0, "grid with 6 A more → up to +9 A")


def test_peers_share_and_first_come_does_not_matter(small):
    site = small(31)
    site.come(20, "a", "EMP-1")
    site.come(30, "b", "EMP-2")
    why = site.at(58).why("a/1")
    assert why.sentence == (
        "a/1 gets 15 A of 32 A: phase L1 of circuit grid is full: of 31 A (import limit, policy.yaml:4), 1 A are kept as margin, "
        "15 A go to b/1 of its own rank."
    )


def test_a_station_cut_off_keeps_its_reserve(small):
    site = small(39)
    site.come(20, "b", "RES-1")
    site.lab._later(60, "b", "link_cut", {})
    site.come(62, "a", "GST-1")
    site.at(90)
    why = site.why("a/1")
    assert why.sentence == (
        "a/1 gets 6 A of 32 A: phase L1 of circuit grid is full: of 39 A (import limit, policy.yaml:4), 1 A are kept as margin, "
        "32 A are reserved for b/1 (offline); held at its minimum until 08:11:19: on for 0 of 10 min (power.holds.on, built-in:0)."
    )
    assert str(why.instead) == "b online at 6 A → up to +26 A"
    assert why.instead.limit_a == 32.0
    cut = site.why("b/1")
    assert (
        cut.sentence == "b/1 is told nothing: its station is offline and its session goes on without us; 32 A stay reserved for it on grid."
    )
    assert (cut.state, cut.session.token, cut.granted_a) == ("offline", "RES-1", None)


def test_an_override_puts_rules_aside(small):
    site = small(41)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.lever(50, "create_override", id="o1", token="GST-1", until=3600.0, who="operations", why="to the airport")
    site.at(70)
    why = site.why("a/1")
    assert why.sentence == (
        "a/1 gets 8 A of 32 A: phase L1 of circuit grid is full: of 41 A (import limit, policy.yaml:4), 1 A are kept as margin, "
        "32 A go to b/1 of a higher rank."
    )
    assert why.overrides == (f"o1 for b/1, by operations until 09:00:00: to the airport; without it {GUEST}",)
    assert (3600.0, "override o1 ends") in why.next_changes
    assert str(why.instead) == "override o1 gone → up to +24 A"
    assert site.why("b/1").rank == "override o1 by operations: to the airport"
    assert site.why("b/1").overrides == why.overrides


def test_before_and_after_an_override_nothing_of_it_is_told(small):
    site = small(41)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.lever(50, "create_override", id="o1", token="GST-1", until=120.0, who="operations", why="to the airport")
    site.at(200)
    assert "higher rank" in site.why("a/1", 60.0).sentence
    for t in (49.0, 121.0, 200.0):
        why = site.why("a/1", t)
        assert why.granted_a > 15.0 and why.overrides == () and why.rank == RESIDENT


def test_a_pause_for_an_override_counts_for_nothing_once_it_is_over(small):
    site = small(36)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.lever(60, "create_override", id="o1", token="GST-1", until=150.0, who="operations", why="to the airport")
    site.at(200)
    assert site.why("a/1", 149.0).granted_a == 0.0
    assert site.why("b/1", 149.0).granted_a == 32.0
    for t in (151.0, 200.0):
        assert site.why("a/1", t).granted_a == 32.0
    hold = site.lab.controller.operator.holds["a", 1]
    assert (hold.off_since, hold.pauses) == (None, 0)


def test_a_silent_meter_holds_its_circuit_to_what_needs_none(small):
    site = small(90)
    for at, station, token in ((20, "a", "RES-1"), (22, "b", "RES-2"), (24, "c", "RES-3")):
        site.come(at, station, token)
    site.at(40).lab.lines["csms/grid-meter"].silent = True
    why = site.at(85).why("a/1")
    # Two of three minima fit: the third waits.
    assert why.sentence == (
        "a/1 gets 8.5 A of 32 A: phase L1 of circuit grid is full: of 18 A (grid-meter is silent or not believed), "
        "1 A are kept as margin, 8.5 A go to b/1 of its own rank."
    )
    assert site.why("c/1").sentence == (
        "c/1 gets nothing: 6 A, the least it takes, do not fit on phase L1 of circuit grid with 0 A left: of 18 A (grid-meter is silent or "
        "not believed), 1 A are kept as margin, 17 A go to a/1, b/1 of its own rank."
    )
    # Then all three share 89 A: 29.7, 29.7 and 29.6 A.
    assert str(why.instead) == "without the limit of 18 A on grid (grid-meter is silent or not believed) → up to +21.2 A"


def test_a_vehicle_that_takes_less_is_given_what_it_uses(small):
    site = small(90)
    site.come(20, "a", "RES-1", vehicle="compact-3ph")
    why = site.at(150).why("a/1")
    assert why.sentence == "a/1 gets 18 A, all its vehicle was seen to use (the outlet gives 32 A)."
    assert str(why.instead) == "its vehicle taking the outlet's 32 A → up to +14 A"


def test_a_raise_waits_for_room_on_the_wire(small):
    site = small(41)
    site.come(20, "a", "GST-1")
    site.come(60, "b", "RES-1")
    site.at(64)
    assert site.why("b/1").sentence == (
        "b/1 is granted 32 A, all its outlet gives; a limit of 8 A was sent and is not answered yet, its default holds till then."
    )
    why = site.at(66).why("b/1")
    assert why.sentence == (
        "b/1 is granted 32 A, all its outlet gives; 8 A holds, waiting for room on phase L1 of circuit grid "
        "while others may still draw more than they are granted: a/1 (32 A, granted 8 A)."
    )
    assert (why.granted_a, why.in_force_a) == (32.0, 8.0)


def test_who_has_no_session_or_was_never_seen(small):
    site = small(90)
    assert site.at(1.1).why("a/1").sentence == "a/1 is told nothing: its station was not seen in this run yet."
    why = site.at(30).why("a/1")
    assert (why.sentence, why.state) == ("a/1 gets nothing: no session runs there.", "idle")


def test_a_station_that_ignores_its_limit_is_not_led(small):
    from chargekit.lab.defects import known_defects

    site = small(41, defects=(known_defects()["ignores-limit"],), defective=("a",))
    site.come(20, "a", "GST-1")
    site.come(60, "b", "RES-1")
    site.at(520)
    unruly = site.why("a/1")
    assert unruly.sentence == "a/1 is not led: it draws more than it was told; 32 A stay reserved for it on grid."
    why = site.why("b/1")
    assert [(p.who, p.amount, p.why) for p in why.binding.of("reserved")] == [("a/1", 32.0, "drawing more than it was told")]
    assert str(why.instead) == "a doing as it is told at 6 A → up to +24 A"


# --- limits no small site has -----------------------------------------------------------------------------------


def situation(demands, *, tree=None, limits=(), reserved=None, base=None, concurrent=(), lines=None, margin=1.0):
    tree = tree or {"grid": Circuit("grid", None, 100.0, source=Source("fleet.yaml", 3))}
    tight = tuple(Limit(o.circuit, o.limit_a - margin, o.source, o.limit_kw, o.rule) for o in limits)
    given = Shared(tree, tight, tuple(demands), reserved or {}, tuple(concurrent))
    grants = given.allocate().grants
    led = {d.id: Line("led", grants[d.id].amps, grants[d.id].amps, grants[d.id].amps, "accepted", None) for d in demands}
    places = {d.id: Standing(d.circuit, d.phases, 32.0) for d in demands}
    places |= {key: Standing("grid", (0, 1, 2), 32.0) for key in lines or {}}
    return Situation(
        1, 10.0, "rev", given, tuple(o.limit_a for o in limits), base or {}, (),
        {d.id: Seated(f"T-{d.id}", "employee", "rules.yaml:1", 1.0, "", None, "") for d in demands}, led | (lines or {}),
        {key: (g.amps, g.bound_by) for key, g in grants.items()}, places,
        {name: (figure, BUILT_IN) for name, figure in (("margin", margin), ("fallback", 6.0), ("default", 0.0), ("lease", 900.0))},
        "site", Calendar(datetime.fromisoformat("2026-03-02T07:00:00+00:00")), "",
    )  # fmt: skip


def wants(name, rank=0, phases=(0, 1, 2), **more):
    return Demand(name, "grid", rank, (name,), phases, 6.0, more.pop("most_a", 32.0), f"rank {rank}", **more)


def why(one, evse):
    return explain(one, replayed(one)[0], evse)


def test_a_cap_in_kw_binds():
    tree = {"grid": Circuit("grid", None, 100.0, limit_kw=13.8, source=Source("fleet.yaml", 3))}
    one = situation([wants("a/1"), wants("b/1", rank=1)], tree=tree, limits=[Limit("grid", 100.0, Source("fleet.yaml", 3), 13.8)])
    told = why(one, "a/1")
    assert told.sentence == "a/1 gets 20 A of 32 A: the kW cap of circuit grid is full: it has 13.8 kW (rating, fleet.yaml:3)."
    assert [(p.use, p.who, round(p.amount, 6)) for p in told.binding.parts] == [("own", "a/1", 13.8)]
    assert str(told.instead) == "grid with 4.1 kW more → up to +6 A"
    assert why(one, "b/1").sentence == (
        "b/1 gets nothing: 6 A, the least it takes, do not fit on the kW cap of circuit grid with 0 kW left: "
        "of 13.8 kW (rating, fleet.yaml:3), 13.8 kW go to a/1 of a higher rank."
    )


def test_a_cap_on_sessions_binds():
    gate = Concurrent("grid", 1, Source("policy.yaml", 9))
    one = situation([wants("a/1"), wants("b/1", rank=1)], concurrent=[gate])
    told = why(one, "b/1")
    assert told.sentence == (
        "b/1 gets nothing: the cap on sessions of circuit grid is full: of 1 (sessions at a time, policy.yaml:9), "
        "1 go to a/1 of a higher rank."
    )
    assert str(told.instead) == "one more session at a time on grid → up to +32 A"


def test_phases_that_may_not_run_apart_bind():
    tree = {"grid": Circuit("grid", None, 100.0, source=Source("fleet.yaml", 3), unbalance_a=16.0)}
    told = why(situation([wants("a/1", phases=(1,))], tree=tree), "a/1")
    assert told.sentence == (
        "a/1 gets 16 A of 32 A: phase L2 of circuit grid is full: it has 16 A (phases at most 16 A apart, fleet.yaml:3)."
    )


def test_a_protected_floor_of_a_lower_rank_is_named():
    one = situation([wants("a/1"), wants("b/1", rank=1, floor_a=10.0)], limits=[Limit("grid", 31.0, Source("policy.yaml", 4))])
    assert why(one, "a/1").sentence == (
        "a/1 gets 20 A of 32 A: phase L1 of circuit grid is full: of 31 A (rating, policy.yaml:4), 1 A are kept as margin, "
        "10 A go to b/1 of a lower rank, by a protected floor."
    )


def test_a_vehicle_that_wants_less_than_the_least_is_told_so():
    told = why(situation([wants("a/1", most_a=4.0)]), "a/1")
    assert told.sentence == "a/1 gets nothing: it can use 4 A at most, and 6 A is the least a vehicle takes."


@pytest.mark.parametrize(
    ("planned_a", "sentence"),
    [(0.0, "a/1 gets nothing: its plan has it wait."), (10.0, "a/1 gets 10 A, all its plan asks for now.")],
)
def test_a_plan_that_asks_for_less_is_told(planned_a, sentence):
    one = replace(situation([wants("a/1", most_a=planned_a)]), own_most_a={"a/1": 32.0})
    told = why(one, "a/1")
    assert told.sentence == sentence
    assert str(told.instead) == f"its plan asking for 32 A now → up to +{32 - planned_a:g} A"


def test_the_change_that_helps_most_is_told():
    cut = {"c/1": Line("offline", 20.0, 20.0, 20.0, "accepted", None), "d/1": Line("offline", 8.0, 8.0, 8.0, "accepted", None)}
    one = situation(
        [wants("a/1")], limits=[Limit("grid", 40.0, Source("policy.yaml", 4))], reserved={"grid": (28.0, 28.0, 28.0)}, lines=cut
    )
    told = why(one, "a/1")
    assert told.sentence == (
        "a/1 gets 11 A of 32 A: phase L1 of circuit grid is full: of 40 A (rating, policy.yaml:4), 1 A are kept as margin, "
        "28 A are reserved for c/1 (offline), d/1 (offline)."
    )
    # Nobody charges at c, so nothing need be kept for it once it is back.
    assert str(told.instead) == "c online → up to +20 A"


@pytest.mark.parametrize(
    ("file", "line", "layer"),
    [
        ("portfolio.yaml", 3, "portfolio"),
        ("site_types/depot.yaml", 4, "site type"),
        ("depot/policy.yaml", 9, "site"),
        ("built-in", 0, "built in"),
    ],
)
def test_every_file_is_of_a_layer(file, line, layer):
    assert layer_of(Source(file, line)) == layer


# --- what comes next, and what an override sets aside -----------------------------------------------------------------

LATER = """  windows:
    - {days: mon-fri, from: "08:05", to: "08:10", ranks: [guest, resident, employee, route_critical]}
"""


def test_the_next_window_is_told_until_it_is_there_and_then_its_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    site = Small(tmp_path, 41, more="priority:\n" + LATER)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")

    def windows(evse):
        return [(t, what) for t, what in site.why(evse).next_changes if what.startswith("window")]

    site.at(100)
    assert windows("a/1") == [
        (300.0, "window mon-fri 08:05-08:10 begins: guest, then resident, then employee, then route_critical (policy.yaml:7)")
    ]
    # Who is not there waits for no window.
    assert windows("c/1") == []
    site.at(330)
    ranks = "route_critical, then resident, then employee, then guest (site_types/mixed_use.yaml:6)"
    assert windows("b/1") == [(600.0, f"window mon-fri 08:05-08:10 ends: {ranks}")]
    site.at(640)
    # Tomorrow's.
    assert windows("b/1")[0][0] == 86_700.0


def test_a_price_is_told_to_whom_it_moves_and_a_signal_to_whom_it_reaches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cost = """  signals: {dimming: {longest: 2 h}}
cost:
  price: 0.2
  tariff: [{from: "08:15", to: "09:00", price: 0.5}]
  classes: {guest: {cap: 8 A, above: 0.3}}
  demand_target: {below: 60 kW, from: "08:30", to: "09:00"}
"""
    site = Small(tmp_path, 80, more=cost)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.lever(60, "signal", id="dso", kind="dimming", who="DSO", until=500.0, limit_kw=30)
    site.at(100)
    dimmed = (500.0, "dimming dso of DSO to 30 kW ends, unless it ended before (policy.yaml:5)")
    target = (1800.0, "the demand target of 60 kW begins (policy.yaml:10)")
    dear = (900.0, "a kWh costs 0.5 from then on (policy.yaml:8), 0.2 till then")
    assert [row for row in site.why("b/1").next_changes if row[1].startswith(("dimming", "the demand", "a kWh"))] == [dimmed, dear, target]
    told = site.why("a/1").next_changes
    assert dimmed in told and target in told and dear not in told
    site.at(1000)
    assert (3600.0, "a kWh costs 0.2 from then on, 0.5 till then") in site.why("b/1").next_changes


def test_beside_an_override_stands_the_rank_of_the_hour(tmp_path, monkeypatch):
    """With the window in force, and the turns it had: what it would have were the override gone."""
    monkeypatch.chdir(tmp_path)
    site = Small(tmp_path, 41, more="  holds: {turn: 1 min, on: 1 min, off: 1 min}\npriority:\n" + LATER)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.lever(50, "create_override", id="o1", token="RES-1", until=3600.0, who="operations", why="to the airport")
    (before,) = site.at(80).why("a/1").overrides
    assert before == f"o1 for a/1, by operations until 09:00:00: to the airport; without it {RESIDENT}"
    site.at(330)
    (told,) = site.why("a/1").overrides
    assert "without it rank 2 of 4 mon-fri 08:05-08:10: class resident (policy.yaml:8), behind peers with fewer turns: " in told
    # In the window the guest goes before the resident: that is what the override's end would bring.
    assert str(site.why("b/1").instead).startswith("override o1 gone → up to +")


def test_of_one_that_draws_nothing_that_is_said(small):
    """Woken once, tried, and then left at the least until it is tried again."""
    site = small(60)
    site.come(20, "a", "RES-1", vehicle="compact-3ph", soc=99.9)
    said = {}
    for t in range(60, 2400, 2):
        sentence = site.at(t).why("a/1").sentence
        said.setdefault(next((words for words in ("to wake", "to see whether", "now it draws nothing") if words in sentence), ""), sentence)
    assert said["to wake"].startswith("a/1 gets nothing for a moment, to wake its vehicle: it draws nothing")
    assert " A, to see whether its vehicle draws again: it drew nothing before (the outlet gives 32 A)" in said["to see whether"]
    assert " A, the least its vehicle was seen to take, for when it draws again: now it draws nothing (" in said["now it draws nothing"]


def test_who_is_throttled_is_told_so_and_others_stand_by_the_order_of_service(tmp_path, monkeypatch):
    """A resident ranks above the guest and gives first: nobody is said to be of a higher rank who is not."""
    monkeypatch.chdir(tmp_path)
    site = Small(tmp_path, 41, more="  throttle: [resident]\n")
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    why = site.at(200).why("a/1")
    assert "a/1 gets 8 A of 32 A: phase L1 of circuit grid is full: " in why.sentence
    assert "32 A go to b/1 (served before it); it is throttled first (policy.yaml:5)" in why.sentence
    assert why.binding.turned and "higher rank" not in why.sentence


def test_of_a_signal_that_binds_it_is_told_what_its_withdrawal_would_bring(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    site = Small(tmp_path, 80, more="  signals: {dimming: {longest: 2 h}}\n")
    site.come(20, "a", "RES-1")
    site.lever(60, "signal", id="dso", kind="dimming", who="DSO", until=500.0, limit_kw=9)
    why = site.at(100).why("a/1")
    assert str(why.instead) == "dimming dso to 9 kW withdrawn → up to +19 A"


def test_what_a_rule_holds_back_is_not_put_down_to_a_plan_or_a_vehicle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cost = "cost:\n  price: 0.5\n  classes: {guest: {cap: 8 A, above: 0.3}, employee: {pause_above: 0.4}}\n"
    site = Small(tmp_path, 80, more=cost)
    site.come(20, "a", "GST-1")
    site.come(30, "b", "EMP-1")
    site.at(100)
    assert str(site.why("a/1").instead) == "no longer held to 8 A: a kWh costs 0.5, above 0.3 (policy.yaml:7) → up to +24 A"
    assert str(site.why("b/1").instead) == "no longer held to 0 A: a kWh costs 0.5, above 0.4 (policy.yaml:7) → up to +32 A"


def test_whose_turns_put_it_behind_its_peers_is_told_so(tmp_path, monkeypatch):
    """Room for one of two; who had its turn waits for the other's, and the sentence says why."""
    monkeypatch.chdir(tmp_path)
    rotation = "  holds: {turn: 0, on: 1 min, off: 1 min}\npriority:\n  rotation: {after: 5 min, classes: [resident]}\n"
    rotation += "incidents: {fallback: 0 A}\n"
    site = Small(tmp_path, 12, more=rotation)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "RES-2")
    told = []
    for t in range(300, 1200, 30):
        site.at(t)
        told += [why.sentence for why in (site.why("a/1"), site.why("b/1")) if why.granted_a == 0.0]
    assert any("; it stands behind its peers, as it had 1 turn of 5 min (policy.yaml:7)" in sentence for sentence in told), told
    # With as many turns as its peer nobody is behind for them.
    assert any("do not fit" in sentence and "stands behind" not in sentence for sentence in told), told
