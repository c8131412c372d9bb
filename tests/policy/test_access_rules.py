"""Who may charge, where, when and in which state of the site: the status, the rule that gave it, and its line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.model.located import BadInput
from chargekit.policy.access import Access, SiteState, decide
from chargekit.policy.windows import moment

FLEET = """site: one
type: fleet_depot
zone: Europe/Amsterdam
circuits: {grid: {limit: 63 A}}
stations: [{id: "a-{1..3}", model: generic-ac-22, circuit: grid}]
"""
POLICY = """access:
  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}
  holidays: [2026-12-25]
  blocked: ["RES-6*"]
  windows:
    - {classes: [employee], days: [mon-fri], from: "07:00", to: "19:00"}
    - {classes: [employee], days: [holidays], from: "10:00", to: "12:00"}
    - {tokens: ["EMP-9*"], days: all}
  entitlements:
    - {classes: [guest], stations: ["a-1"]}
    - {tokens: ["GST-V*"], stations: ["a-1", "a-[23]"]}
  guests: {classes: [guest], when: restricted, on_incident: true, load_above: 80 %}
"""


def site(tmp_path: Path, policy: str = POLICY) -> SiteBundle:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "policy.yaml").write_text(policy)
    return load_site(str(tmp_path))


def ask(bundle: SiteBundle, token: str, local: str, station: str = "a-1", state: SiteState | None = None) -> Access:
    rules, calendar = bundle.rulebook, bundle.site.calendar
    found = rules.class_of(token)
    now = calendar.now_of(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Amsterdam")))
    when = moment(calendar, now, rules.access.holidays)
    return decide(rules.access, token, found.name if found else None, station, when, state or SiteState())


@pytest.mark.parametrize(
    ("token", "local", "station", "state", "status", "rule", "line"),
    [
        ("EMP-1", "2026-03-02 07:00", "a-1", None, "Accepted", "class", 6),
        ("EMP-1", "2026-03-02 06:59", "a-1", None, "NotAtThisTime", "window", 6),
        ("EMP-1", "2026-03-07 10:00", "a-1", None, "NotAtThisTime", "window", 6),
        ("EMP-1", "2026-12-25 09:00", "a-1", None, "NotAtThisTime", "window", 6),
        ("EMP-1", "2026-12-25 10:30", "a-1", None, "Accepted", "class", 7),
        ("EMP-9", "2026-03-07 03:00", "a-1", None, "Accepted", "class", 8),
        # The same hour of UTC, in summer.
        ("EMP-1", "2026-07-01 07:00", "a-1", None, "Accepted", "class", 6),
        ("RES-1", "2026-03-07 03:00", "a-2", None, "Accepted", "class", None),
        ("RES-66", "2026-03-02 12:00", "a-1", None, "Blocked", "blocked", 4),
        ("XYZ-1", "2026-03-02 12:00", "a-1", None, "Invalid", "class", None),
        ("GST-1", "2026-03-02 12:00", "a-1", None, "Accepted", "class", 10),
        ("GST-1", "2026-03-02 12:00", "a-2", None, "NotAtThisLocation", "place", 10),
        ("GST-V1", "2026-03-02 12:00", "a-2", None, "Accepted", "class", 11),
        ("GST-1", "2026-03-02 12:00", "a-1", SiteState(incident=True), "NotAtThisTime", "guests", 12),
        ("GST-1", "2026-03-02 12:00", "a-1", SiteState(load_share=0.81), "NotAtThisTime", "guests", 12),
        ("GST-1", "2026-03-02 12:00", "a-1", SiteState(load_share=0.8), "Accepted", "class", 10),
        ("RES-1", "2026-03-02 12:00", "a-1", SiteState(incident=True, load_share=2.0), "Accepted", "class", None),
    ],
)  # fmt: skip
def test_the_answer_and_its_rule(
    tmp_path: Path, token: str, local: str, station: str, state: SiteState | None, status: str, rule: str, line: int | None
) -> None:
    said = ask(site(tmp_path), token, local, station, state)
    assert (said.status, said.rule, said.source.line if said.source else None) == (status, rule, line)
    assert token in said.because or "class guest" in said.because


def test_the_sentences(tmp_path: Path) -> None:
    bundle = site(tmp_path)
    late = ask(bundle, "EMP-1", "2026-03-02 20:15").because
    assert late.startswith("EMP-1 of class employee may charge mon-fri 07:00-19:00 (") and late.endswith("; it is mon 20:15")
    full = ask(bundle, "GST-1", "2026-03-02 12:00", state=SiteState(load_share=0.9)).because
    assert "may not begin to charge while the site draws 90% of its limit, more than 80%" in full


def test_a_normal_guest_rule_keeps_nobody_out(tmp_path: Path) -> None:
    bundle = site(tmp_path, POLICY.replace("when: restricted", "when: normal"))
    assert ask(bundle, "GST-1", "2026-03-02 12:00", state=SiteState(incident=True)).accepted


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ('access: {windows: [{days: all, from: "07:00"}]}', "policy.yaml:1: this rule is for nobody"),
        ("access: {windows: [{classes: [vip]}]}", "policy.yaml:1: user class 'vip' is defined nowhere"),
        ("access: {windows: [{classes: [guest], form: 7}]}", "policy.yaml:1: unknown key 'form' (did you mean 'from'?)"),
        ("access: {entitlements: [{classes: [guest]}]}", "policy.yaml:1: 'stations' is missing here"),
        ("access: {guests: {classes: [guest], when: never}}", "policy.yaml:1: when: 'never' is not known"),
        ("access: {holidays: [2026-02-30]}", "policy.yaml:1:"),
        ("access: {blocked: RES-1}", "policy.yaml:1: a list expected"),
    ],
)
def test_what_can_not_be_says_where(tmp_path: Path, policy: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        site(tmp_path, policy + "\n")
    assert text in str(told.value)
