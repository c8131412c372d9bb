"""Where a session stands: by class and hour, departure and charge, contract, turns, energy of the last days, triggers with an end."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.model.located import BadInput
from chargekit.policy.priority import DAY_S, Ranked, SessionFacts, SiteFacts, rank
from chargekit.policy.windows import moment

FLEET = """site: one
type: multifamily
zone: Europe/Amsterdam
epoch: 2026-03-02
circuits: {grid: {limit: 63 A}}
stations: [{id: "a-{1..3}", model: generic-ac-22, circuit: grid}]
"""
POLICY = """access:
  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest, "FLT-*": route_critical}
priority:
  ranks: [route_critical, resident, employee, guest]
  windows:
    - {days: [mon-fri], from: "09:00", to: "18:00", ranks: [guest, employee, resident, route_critical]}
    - {days: all, from: "12:00", to: "23:00", ranks: [employee, guest, resident, route_critical]}
  near_departure: {within: 60 min, below_soc: 60 %, classes: [route_critical, resident]}
  contracts:
    - {tokens: ["GST-P*"], as: resident, until: 2026-03-31}
  rotation: {after: 2 h, classes: [employee]}
  fairness: {days: 3, classes: [resident]}
  triggers:
    - {when: under_allocation, classes: [resident], below: 5 kWh, days: 3, lasts: 12 h, as: route_critical}
    - {when: few_free_chargers, classes: [employee], free_below: 2, days: 3, lasts: 1 h, as: resident}
    - {when: event, name: dinner, classes: [guest], from: 2026-03-02T19:00, to: 2026-03-02T22:00, as: route_critical}
    - {when: dispatch_risk, classes: [employee], within: 30 min, lasts: 15 min}
"""
HOUR = 3600.0


def site(tmp_path: Path, policy: str = POLICY) -> SiteBundle:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "policy.yaml").write_text(policy)
    return load_site(str(tmp_path))


def stands(bundle: SiteBundle, token: str, local: str, least_free: tuple[int, ...] = (), **facts: Any) -> Ranked:
    rules, calendar = bundle.rulebook, bundle.site.calendar
    now = calendar.now_of(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Amsterdam")))
    found = rules.class_of(token)
    assert found is not None
    for key in ("departs", "started"):
        if key in facts:
            facts[key] += now
    if "past" in facts:
        facts["past"] = tuple((now + t, wh) for t, wh in facts["past"])
    known = SessionFacts(token, found.name, **{"started": now, **facts})
    return rank(rules.priority, known, moment(calendar, now, rules.access.holidays), SiteFacts(least_free))


EARLY = "2026-03-02 06:00"


@pytest.mark.parametrize(
    ("token", "local", "place", "line"),
    [
        ("FLT-1", EARLY, 0, 4), ("RES-1", EARLY, 1, 4), ("EMP-1", EARLY, 2, 4), ("GST-1", EARLY, 3, 4),
        # From nine on visitors lead; the first window that fits wins, so noon changes nothing on a working day.
        ("GST-1", "2026-03-02 09:00", 0, 6), ("GST-1", "2026-03-02 08:59", 3, 4), ("GST-1", "2026-03-02 12:30", 0, 6),
        ("GST-1", "2026-03-07 12:30", 1, 7), ("EMP-1", "2026-03-07 12:30", 0, 7),
        # By contract a guest is a resident, up to and including the last day.
        ("GST-P1", EARLY, 1, 10), ("GST-P1", "2026-03-31 23:59", 1, 10), ("GST-P1", "2026-04-01 00:00", 3, 4),
    ],
)  # fmt: skip
def test_the_rank_by_class_hour_and_contract(tmp_path: Path, token: str, local: str, place: int, line: int) -> None:
    found = stands(site(tmp_path), token, local)
    assert (found.rank, found.source.line) == (place, line)
    assert found.because.startswith(f"rank {place + 1} of 4")


@pytest.mark.parametrize(
    ("token", "facts", "place", "line"),
    [
        ("RES-1", {"departs": 1 * HOUR, "soc_percent": 59.0}, -1, 8),
        ("RES-1", {"departs": 1 * HOUR + 1, "soc_percent": 59.0}, 1, 4),
        ("RES-1", {"departs": 1 * HOUR, "soc_percent": 60.0}, 1, 4),
        ("RES-1", {"departs": 600.0}, -1, 8),
        ("RES-1", {"departs": -1.0, "soc_percent": 10.0}, 1, 4),
        ("GST-1", {"departs": 600.0, "soc_percent": 10.0}, 3, 4),
        # Under-allocation: came in the last three days and got less than 5 kWh together.
        ("RES-1", {"past": ((-DAY_S, 2000.0), (-2 * DAY_S, 2900.0))}, 0, 14),
        ("RES-1", {"past": ((-DAY_S, 2000.0), (-2 * DAY_S, 3000.0))}, 1, 4),
        ("RES-1", {"past": ((-4 * DAY_S, 100.0),)}, 1, 4),
        ("RES-1", {"past": ((-DAY_S, 100.0),), "started": -12 * HOUR}, 1, 4),
        # Few free chargers on each of three days, for an hour from the start.
        ("EMP-1", {"least_free": (1, 0, 1)}, 1, 15),
        ("EMP-1", {"least_free": (1, 2, 1)}, 2, 4),
        ("EMP-1", {"least_free": (1, 1)}, 2, 4),
        ("EMP-1", {"least_free": (1, 0, 1), "started": -HOUR}, 2, 4),
        # Dispatch at risk: from half an hour before departure to a quarter of an hour after it.
        ("EMP-1", {"departs": 1800.0}, -1, 17),
        ("EMP-1", {"departs": 1801.0}, 2, 4),
        ("EMP-1", {"departs": -899.0}, -1, 17),
        ("EMP-1", {"departs": -900.0}, 2, 4),
    ],
)  # fmt: skip
def test_what_puts_a_session_forward_has_a_threshold_and_an_end(
    tmp_path: Path, token: str, facts: dict[str, Any], place: int, line: int
) -> None:
    found = stands(site(tmp_path), token, EARLY, **dict(facts))
    assert (found.rank, found.source.line) == (place, line)


@pytest.mark.parametrize(("local", "place"), [("2026-03-02 18:59", 1), ("2026-03-02 19:00", 3), ("2026-03-02 22:00", 1)])
def test_an_event_leads_from_its_beginning_to_its_end(tmp_path: Path, local: str, place: int) -> None:
    policy = POLICY.replace("as: route_critical}\n    - {when: dispatch", "as: employee}\n    - {when: dispatch")
    found = stands(site(tmp_path, policy), "GST-1", local)
    # In the evening the order is employee, guest, resident, route-critical.
    assert found.rank == (0 if place == 3 else 1)
    assert ("event dinner" in found.because) is (place == 3)


def test_a_rule_that_would_put_a_session_back_does_nothing(tmp_path: Path) -> None:
    found = stands(site(tmp_path), "GST-1", "2026-03-02 19:30")
    assert found.rank == 1 and "event" not in found.because


def test_turns_and_energy_order_peers_and_never_change_the_class(tmp_path: Path) -> None:
    bundle = site(tmp_path)
    fresh, once = stands(bundle, "EMP-1", EARLY, served_s=7199.0), stands(bundle, "EMP-2", EARLY, served_s=7200.0)
    thrice = stands(bundle, "EMP-3", EARLY, served_s=6 * HOUR)
    assert fresh.rank == once.rank == thrice.rank == 2
    assert fresh.tie < once.tie < thrice.tie
    assert "behind its peers: had 1 turn of 120 min" in once.because and "had 3 turns" in thrice.because
    little, much = (stands(bundle, "RES-1", EARLY, past=((-DAY_S, wh),)) for wh in (6000.0, 30000.0))
    assert little.rank == much.rank == 1 and little.tie < much.tie
    assert "got 30 kWh in 3 days" in much.because
    # Turns are not counted for other classes.
    assert stands(bundle, "RES-1", EARLY, served_s=9 * HOUR).tie == stands(bundle, "RES-1", EARLY).tie


def test_who_leaves_first_goes_first_among_those_put_forward(tmp_path: Path) -> None:
    bundle = site(tmp_path)
    soon, later = (stands(bundle, "FLT-1", EARLY, departs=d, soc_percent=30.0) for d in (600.0, 1200.0))
    assert soon.rank == later.rank == -1 and soon.tie < later.tie < stands(bundle, "FLT-1", EARLY).tie
    assert "put forward before every class: leaves in 10 min at 30 %" in soon.because


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("triggers: [{when: dispatch_risk, classes: [guest], within: 5 min}]", "trigger dispatch_risk has no 'lasts': what puts a class"),
        ("triggers: [{when: few_free_chargers, classes: [guest], days: 3, lasts: 1 h}]", "has no 'free_below'"),
        ("triggers: [{when: event, name: x, classes: [guest], from: 2026-03-02}]", "trigger event has no 'to'"),
        ("triggers: [{when: event, name: x, classes: [guest], from: 2026-03-02, to: 2026-03-01}]", "ends before it begins"),
        ("triggers: [{when: boredom, classes: [guest]}]", "when: 'boredom' is not known"),
        ("windows: [{days: all, ranks: [guest]}]", "no rank for"),
        ("contracts: [{tokens: [A], as: vip}]", "user class 'vip' is defined nowhere"),
        ("rotation: {after: 5 s, classes: [guest]}", "5 s is out of range: at least 60 expected"),
        ("fairness: {days: 0, classes: [guest]}", "days: 1 to 366 expected, found 0"),
        ("near_departure: {within: 1 h, below_soc: 120 %, classes: [guest]}", "120 % is out of range"),
    ],
)
def test_what_can_not_be_says_where(tmp_path: Path, rule: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        site(tmp_path, f"priority: {{{rule}}}\n")
    assert text in str(told.value) and "policy.yaml:1: " in str(told.value)
