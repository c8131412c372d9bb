"""Incidents: the life of one by itself; what shows at a site by wire and meters; what a response makes of demands, and that it leaves
nothing behind."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.controller.explained import FLEET, Small

from chargekit.controller.allocator import Demand
from chargekit.controller.incidents import AGAIN_S, CALM_S, Incident, Incidents
from chargekit.controller.recovery import SYNC_S
from chargekit.controller.responses import BEFORE, Answer, answered
from chargekit.lab.assemble import CSMS, PLANT
from chargekit.model.located import BUILT_IN, Source
from chargekit.policy.incidents import Category, IncidentRules, Response, Step
from chargekit.policy.schema import LASTS_S

LINE = Source("portfolio.yaml", 7)
RULES = IncidentRules(
    (Category("links", "minor", ("communications_lost",), (Step(300.0, "manager", LINE), Step(1800.0, "desk", LINE)), LINE),)
)
ABOUT = ("communications_lost", "a")


class Life:
    """Incidents of one station, and what was noted of them."""

    def __init__(self):
        self.ones, self.out = Incidents(RULES), []

    def begin(self, now):
        self.ones.begin(*ABOUT, "grid", "its link closed", now, self.out)

    def gone(self, now):
        self.ones.gone(ABOUT, "its link is back", now, self.out)

    def escalate(self, now):
        for one in self.ones.open.values():
            self.ones.escalate(one, now, self.out)

    def said(self, *keys):
        return [tuple(note.body.get(key) for key in keys) for note in self.out]


def test_an_incident_is_opened_once_and_says_how_long_it_lasted():
    life = Life()
    for now in (10.0, 11.0, 12.0):
        life.begin(now)
    life.gone(70.0)
    life.gone(80.0)
    assert [note.kind for note in life.out] == ["incident", "incident"]
    assert life.out[0].body == {
        "id": "inc-1", "kind": "communications_lost", "category": "links", "severity": "minor", "because": "its link closed",
    }  # fmt: skip
    assert life.said("id", "ended", "for_s") == [("inc-1", None, None), ("inc-1", True, 60.0)]


def test_the_longer_it_lasts_the_more_are_told_each_once_and_in_order():
    life = Life()
    life.begin(0.0)
    for now in (299.9, 300.0, 301.0, 1799.0, 1801.0, 9000.0):
        life.escalate(now)
    told = [note for note in life.out if note.kind == "escalation"]
    assert [(n.body["to"], n.body["after_s"], n.body["id"]) for n in told] == [("manager", 300.0, "inc-1"), ("desk", 1800.0, "inc-1")]
    assert told[0].body["because"] == "open for 5 min, told after 5 min (portfolio.yaml:7): its link closed"
    life.gone(9100.0)
    life.escalate(9200.0)
    assert len([note for note in life.out if note.kind == "escalation"]) == 2


def test_it_is_due_for_its_next_step_and_for_its_calm():
    life = Life()
    assert life.ones.due(0.0) == float("inf")
    life.begin(0.0)
    assert life.ones.due(0.0) == 300.0
    life.escalate(300.0)
    assert life.ones.due(300.0) == 1800.0


def test_what_comes_back_is_the_same_incident_and_needs_calm_to_end():
    life = Life()
    life.begin(0.0)
    life.gone(20.0)
    life.begin(20.0 + AGAIN_S - 1)
    life.gone(400.0)
    life.gone(400.0 + CALM_S - 0.1)
    assert life.ones.open
    life.gone(400.0 + CALM_S)
    assert life.said("id", "again", "ended") == [("inc-1", None, None), ("inc-1", None, True), ("inc-1", 1, None), ("inc-1", None, True)]
    life.begin(400.0 + CALM_S + AGAIN_S + 1)
    assert life.out[-1].body["id"] == "inc-2"


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 30.0)), min_size=1, max_size=300))
def test_however_fast_a_cause_comes_and_goes_the_records_stay_few(moves):
    life, now = Life(), 0.0
    for there, wait_s in moves:
        now += wait_s
        if there:
            life.begin(now)
        else:
            life.gone(now)
    assert len(life.out) <= 4 + 2 * now / CALM_S
    assert len(life.ones.open) <= 1


def test_what_was_open_goes_on_in_the_next_life_of_the_controller():
    life = Life()
    life.begin(0.0)
    life.escalate(300.0)
    later = Life()
    later.ones.recall(life.ones.saved())
    later.escalate(301.0)
    assert later.out == []
    later.gone(600.0)
    assert later.said("id", "for_s") == [("inc-1", 600.0)]
    later.ones.begin("unruly", "b", "grid", "draws too much", 700.0, later.out)
    assert later.out[-1].body["id"] == "inc-2"


# --- what a response makes of a demand ----------------------------------------------------------------------------

DEMAND = Demand("a/1", "grid", 2, (1, 5.0), (0, 1, 2), 6.0, 32.0, "rank 3", weight=2.0, floor_a=8.0)


def under(how, user_class="guest", holds=False, **more):
    response = Response("meter_silent", how, LINE, ("resident",), ("guest",), **more)
    answer = Answer(Incident("inc-4", "meter_silent", "gm", "grid", 0.0, "why"), response)
    return answered(DEMAND, answer, user_class, holds=holds)


@pytest.mark.parametrize(
    ("how", "user_class", "holds", "change"),
    [
        ("protect_critical", "resident", False, {"rank": 2 - BEFORE}),
        ("protect_critical", "guest", True, {"rank": 2 - BEFORE}),
        ("protect_critical", "guest", False, {"floor_a": 0.0}),
        ("reduce_evenly", "guest", False, {"rank": 0, "weight": 1.0}),
        ("reduce_evenly", "guest", True, {}),
        ("reduce_evenly", "", False, {}),
        ("suspend_lower", "guest", False, {"most_a": 0.0, "floor_a": 0.0}),
        ("suspend_lower", "guest", True, {}),
        ("suspend_lower", "resident", False, {}),
    ],
)
def test_what_each_response_changes_and_what_it_leaves(how, user_class, holds, change):
    changed, noted = under(how, user_class, holds)
    assert replace(changed, because=DEMAND.because) == replace(DEMAND, **change)
    assert (noted is None) == (not change)
    if noted is not None:
        assert noted.before == (2, 8.0, 32.0, 2.0) and noted.incident == "inc-4"
        assert f"while inc-4 is open: meter_silent of gm ({how}, portfolio.yaml:7)" in changed.because


def test_what_is_kept_for_the_suspended():
    changed, _ = under("suspend_lower", keep_a=10.0)
    assert (changed.most_a, changed.floor_a) == (10.0, 8.0)
    assert "held to 10 A while" in changed.because


def test_lint_knows_how_long_a_restart_takes():
    assert LASTS_S["controller_restart"] == SYNC_S


# --- at a site ----------------------------------------------------------------------------------------------------

TWO = FLEET.replace('  - {id: a, model: generic-ac-22, circuit: grid}', '  - {id: a, model: generic-ac-22, circuit: east}').replace(
    "  grid: {limit: 100 A}\n", "  grid: {limit: 100 A}\n  east: {parent: grid, limit: 63 A}\n"
)  # fmt: skip
TWO = TWO.replace("  - {id: b, model: generic-ac-22, circuit: grid}", "  - {id: b, model: generic-ac-22, circuit: east}")


def incidents(site, *keys):
    found = [r for r in site.lab.history.records if r.kind == "incident"]
    return [(r.subject, *(r.body.get(key) for key in ("kind", *keys))) for r in found]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("metered", [True, False])
def test_a_circuit_that_is_lost_is_one_incident_and_its_stations_are_a_part_of_it(folder, metered):
    meter = "  - {id: east-meter, circuit: east, model: eastron-sdm630, unit: 2}\n" if metered else ""
    site = Small(folder, 90, fleet=TWO + meter)
    site.come(20, "c", "RES-1")
    site.lab._later(100, PLANT, "open_breaker", {"circuit": "east"})
    site.lab._later(300, PLANT, "close_breaker", {"circuit": "east"})
    site.at(500)
    lost = [one for one in incidents(site, "ended") if one[1] == "circuit_lost"]
    assert lost == [("east", "circuit_lost", None), ("east", "circuit_lost", True)]
    assert len([one for one in incidents(site) if one[1] == "communications_lost"]) == 0
    assert site.lab.controller.operator.incidents.open == {}


def test_a_station_that_stays_away_after_its_circuit_is_back_is_an_incident_then(folder):
    site = Small(folder, 90, fleet=TWO + "  - {id: east-meter, circuit: east, model: eastron-sdm630, unit: 2}\n")
    site.lab._later(100, PLANT, "open_breaker", {"circuit": "east"})
    site.lab._later(110, "b", "link_cut", {})
    site.lab._later(300, PLANT, "close_breaker", {"circuit": "east"})
    site.at(600)
    assert list(site.lab.controller.operator.incidents.open) == [("communications_lost", "b")]


def test_all_stations_away_at_once_is_our_own_network_not_a_circuit(folder):
    site = Small(folder, 90)
    for name in ("a", "b", "c"):
        site.lab._later(100, name, "link_cut", {})
    site.at(200)
    assert {one[1] for one in incidents(site)} == {"communications_lost"}


def test_a_fault_and_a_refused_limit_are_incidents_of_their_station(folder):
    site = Small(folder, 90)
    site.come(20, "a", "RES-1")
    site.lab._later(100, PLANT, "set_cp_state", {"station": "a", "evse": 1, "state": "E"})
    site.lab._later(200, PLANT, "set_cp_state", {"station": "a", "evse": 1, "state": "none"})
    site.at(320)
    assert [one for one in incidents(site, "ended") if one[1] == "station_fault"] == [
        ("a", "station_fault", None), ("a", "station_fault", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"who": "passer-by"}, "passer-by may not report faults (portfolio.yaml:"),
        ({"kind": "controller_restart"}, "'controller_restart' can't be reported"),
        ({"subject": "z"}, "no station is named 'z'"),
        ({"why": ""}, "a report needs a reason"),
        ({"until": 1e6}, "a report lasts at most 12 h (portfolio.yaml:"),
        ({"kind": "circuit_lost"}, "no circuit is named 'a'"),
        ({"kind": "meter_silent"}, "no circuit's meter is named 'a'"),
    ],
)
def test_a_report_without_role_subject_reason_or_end_is_refused_on_record(folder, change, why):
    site = Small(folder, 90)
    site.lever(50, "report_fault", **{"kind": "unruly", "subject": "a", "who": "operations", "why": "a hot cable", **change})
    site.at(60)
    refused = [r.body["refused"] for r in site.lab.history.records if r.kind == "report"]
    assert len(refused) == 1 and why in refused[0]
    assert site.lab.controller.operator.incidents.open == {}


def test_a_report_ends_when_it_was_said_to_and_when_somebody_clears_it(folder):
    site = Small(folder, 90)
    for n, until in enumerate((120.0, 900.0)):
        site.lever(50, "report_fault", kind="unruly", subject="ab"[n], who="operations", why="a hot cable", until=until)
    site.lever(150, "clear_fault", kind="unruly", subject="b", who="nobody")
    site.lever(160, "clear_fault", kind="unruly", subject="b", who="operations")
    site.at(200)
    over = [(r.subject, r.t, r.body["because"]) for r in site.lab.history.records if r.kind == "incident" and r.body.get("ended")]
    assert over == [("a", 120.0, "it is no longer reported"), ("b", 160.0, "it is no longer reported")]
    assert next(r.body["refused"] for r in site.lab.history.records if r.kind == "report").startswith("nobody may not clear faults")


def test_every_end_of_an_override_is_on_record_with_who_and_why(folder):
    site = Small(folder, 90)
    args = {"who": "operations", "why": "to the airport"}
    site.lever(50, "create_override", id="o1", token="GST-1", until=100.0, **args)
    site.lever(60, "create_override", id="o2", token="GST-2", until=500.0, **args)
    site.lever(65, "create_override", id="o2", token="GST-3", until=500.0, **args)
    site.lever(70, "revoke_override", id="o9", who="operations")
    site.lever(80, "revoke_override", id="o2", who="passer-by")
    site.lever(85, "list_overrides")
    site.lever(90, "revoke_override", id="o2", who="dispatcher", why="he left by bus")
    site.at(120)
    bodies = [r.body for r in site.lab.history.records if r.kind == "override"]
    assert [(b.get("id"), b.get("by"), b.get("role"), b.get("ended"), "refused" in b) for b in bodies] == [
        ("o1", None, "operations", None, False), ("o2", None, "operations", None, False), ("o2", None, None, None, True),
        ("o9", None, None, None, True), ("o2", None, None, None, True), ("o2", "dispatcher", "dispatcher", True, False),
        ("o1", "expiry", "", True, False),
    ]  # fmt: skip
    assert bodies[0]["rule"].startswith("portfolio.yaml:") and bodies[5]["why"] == "he left by bus"
    listed = next(r.body["open"] for r in site.lab.history.records if r.kind == "overrides")
    assert [one["id"] for one in listed] == ["o1", "o2"]


def test_a_response_is_explained_with_its_rule_and_its_incident(folder):
    """Two cars on one phase set; the grid meter falls silent, and residents are protected: the guest that was put first stands back."""
    site = Small(folder, 40)
    site.come(20, "a", "RES-1", "compact-3ph")
    site.come(25, "b", "GST-1", "compact-3ph")
    site.lever(120, "set_cap", circuit="grid", limit_a=24.0)
    site.lever(130, "create_override", id="o1", token="GST-1", until=3000.0, who="operations", why="to the airport")
    site.lab._later(300, PLANT, "meter_fault", {"meter": "grid-meter", "fault": "silent"})
    site.at(500)
    told = site.why("a/1")
    assert told.response.startswith("protect_critical (site_types/mixed_use.yaml:")
    assert "while inc-1 is open: meter_silent of grid-meter; without it rank 2" in told.response
    assert "critical, before everybody while inc-1 is open" in told.rank
    assert told.granted_a > 12
    assert "of a higher rank" in site.why("b/1").sentence
    site.lab.rig.act(PLANT, "meter_fault", {"meter": "grid-meter", "fault": "none"})
    site.at(700)
    assert site.why("a/1").response == "" and "critical" not in site.why("a/1").rank
    assert site.why("b/1").granted_a > 12


def test_a_suspension_is_explained_and_the_plan_is_not_blamed(folder):
    site = Small(folder, 90)
    for n, name in enumerate("abc"):
        site.come(20 + n, name, ("GST-1", "RES-1", "EMP-1")[n], "city-1ph")
    for name in ("b", "c"):
        site.lab._later(200, name, "link_cut", {})
    site.at(300)
    told = site.why("a/1")
    assert told.granted_a == 0.0
    assert told.sentence.startswith("a/1 gets nothing: suspended by suspend_lower (site_types/mixed_use.yaml:")
    assert "while inc-1 is open: communications_lost of b" in told.sentence
    assert str(told.instead).startswith("inc-1 (communications_lost of b) over, and no suspend_lower")


# --- no trace -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A site with three sessions of three classes, at rest."""
    folder = tmp_path_factory.mktemp("busy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        site = Small(folder, 40)
        for n, name in enumerate("abc"):
            site.come(20 + n, name, ("GST-1", "RES-1", "EMP-1")[n], "compact-3ph")
        site.at(400)
    return site


FAULTS = st.sampled_from([("unruly", "a"), ("meter_silent", "grid-meter"), ("circuit_lost", "grid"), ("communications_lost", "b")])
GIVEN = st.fixed_dictionaries({}, optional={"token": st.sampled_from(["GST-1", "EMP-1", "RES-9"]), "station": st.sampled_from(["a", "c"])})
CLASS = st.sampled_from(["", "resident", "guest"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(GIVEN, CLASS, st.sampled_from(["general", "emergency"]), st.booleans()), max_size=4), st.lists(FAULTS, max_size=3)
)
def test_what_lapsed_was_revoked_or_is_over_leaves_no_trace(busy, overrides, faults):
    """Any overrides and reported faults, each revoked, cleared or run out: then every demand is what it was before, to the last bit."""
    operator, now, out = busy.lab.controller.operator, busy.lab.world.now, []

    def demands(at):
        operator.decide_at = at
        operator._decide(at, out)
        return list(operator._demands), list(operator.limits_at(at))

    def hand(verb, at, **args):
        operator.hand(busy_hand(verb, args), at, out)

    operator.incidents.open.clear()
    operator.incidents.forget()
    before = demands(now)
    for n, (what, user_class, category, revoked) in enumerate(overrides):
        scope = what or {"scope": "site"}
        args = {"id": f"o{n}", "category": category, "until": now + 2.0, "who": "operations", "why": "x", "user_class": user_class, **scope}
        hand("create_override", now, **args)
        if revoked:
            hand("revoke_override", now + 1.0, id=f"o{n}", who="operations")
    for kind, subject in faults:
        hand("report_fault", now, kind=kind, subject=subject, who="operations", why="x", until=now + 2.0)
    hand("list_overrides", now)
    after = demands(now + 2.0)
    assert operator.overrides == [] and after == before


def busy_hand(verb, args):
    from chargekit.world.events import Hand

    return Hand(verb, args)


def test_an_incident_outlives_the_controller_and_is_closed_by_the_next(folder):
    site = Small(folder, 90)
    site.come(20, "a", "RES-1")
    site.lab._later(100, "b", "link_cut", {})
    site.lab._later(200, CSMS, "csms_off", {})
    site.lab._later(230, CSMS, "csms_on", {})
    site.lab._later(500, "b", "link_mended", {})
    site.at(700)
    found = [(r.t, r.subject, r.body["id"], r.body.get("ended")) for r in site.lab.history.records if r.kind == "incident"]
    assert [one[1:] for one in found if one[1] == "b"] == [("b", "inc-1", None), ("b", "inc-1", True)]
    assert found[-1][1] == "b" and found[-1][0] > 500
    restart = [one for one in found if one[1] == "small"]
    assert [one[3] for one in restart] == [None, True]
    told = [(r.t, r.body["to"]) for r in site.lab.history.records if r.kind == "escalation" and r.body["id"] == "inc-1"]
    assert len(told) == 1 and 414 <= told[0][0] <= 430 and told[0][1] == "site_manager"


def test_the_built_in_rules_have_no_line():
    assert IncidentRules().category_of("unruly").source == BUILT_IN
