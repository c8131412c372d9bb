"""Lint: each fault on a small policy that has just that one, with what will happen and to whom; and none at the bundled sites."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chargekit.faces.cli import app
from chargekit.lab.bundled import bundled_sites
from chargekit.lab.policies import findings
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput
from chargekit.policy.lint import lint

FLEET = """site: one
type: {kind}
zone: Europe/Amsterdam
epoch: 2026-03-02
circuits: {{grid: {{limit: 40 A}}, side: {{parent: grid, limit: 32 A}}}}
stations: [{{id: "a-{{1..3}}", model: generic-ac-22, circuit: side}}]
"""
PORTFOLIO = """access:
  classes: {resident: {goal: a}, employee: {goal: b}, guest: {goal: c}}
incidents:
  overrides: {may_authorise: [manager], max_duration: 2 h}
"""
TYPE = "priority:\n  ranks: [resident, employee, guest]\n"
TOKENS = 'access:\n  tokens: {"RES-*": resident, "EMP-*": employee, "GST-*": guest}\n'


def folder(tmp_path: Path, policy: str, kind: str = "other", portfolio: str = PORTFOLIO, fleet: str = FLEET) -> str:
    (tmp_path / "site_types").mkdir()
    (tmp_path / "portfolio.yaml").write_text(portfolio)
    (tmp_path / f"site_types/{kind}.yaml").write_text(TYPE)
    (tmp_path / "one").mkdir()
    (tmp_path / "one/fleet.yaml").write_text(fleet.format(kind=kind))
    (tmp_path / "one/policy.yaml").write_text(policy)
    return str(tmp_path / "one")


def found(tmp_path: Path, policy: str, kind: str = "other", portfolio: str = PORTFOLIO, fleet: str = FLEET) -> list[tuple[str, str, str]]:
    """Kind, file:line and message."""
    bundle = load_site(folder(tmp_path, policy, kind, portfolio, fleet))
    return [(f.kind, str(f.source).rpartition("/")[2], f.message) for f in lint(bundle.rulebook, bundle.site)]


def access(more: str) -> str:
    return TOKENS + f"  {more}\n"


def priority(more: str) -> str:
    return TOKENS + f"priority:\n  {more}\n"


@pytest.mark.parametrize(
    ("policy", "kind", "line", "text"),
    [
        (
            'access:\n  tokens:\n    "RES-*": resident\n    "RES-**": guest\n', "unreachable", 4,
            "tokens like RES-** never become class guest: RES-* goes before it and makes them resident",
        ),
        (
            'access:\n  tokens:\n    "RES-*": resident\n    "RES-7*": guest\n  blocked: ["RES-7*"]\n', "unreachable", 4,
            "nobody with a token like RES-7* ever charges as guest: RES-7* is blocked",
        ),
        (
            priority("windows:\n    - {days: all, ranks: [guest, resident, employee]}\n"
                     '    - {days: [mon], from: "08:00", to: "09:00", ranks: [employee, guest, resident]}'),
            "unreachable", 6, "the ranks of mon 08:00-09:00 never apply",
        ),
        (
            access('windows:\n    - {classes: [guest], days: all}\n    - {classes: [guest], days: [sat], from: "10:00"}'),
            "unreachable", 5, "the window sat 10:00-24:00 adds nothing: guest may charge then already",
        ),
        (
            access("windows:\n    - {tokens: [RES-1], days: holidays}"), "never", 4,
            "the window holidays 00:00-24:00 never holds: no layer names a holiday",
        ),
        (
            access("entitlements:\n    - {classes: [guest], stations: [b-1]}"), "never", 4,
            "no station is named like b-1: guest can charge nowhere",
        ),
        (
            priority("contracts: [{tokens: [GST-1], as: resident, until: 2026-03-01}]"), "never", 4,
            "this contract ended on 2026-03-01, before the site's first day: it ranks nobody",
        ),
        (
            priority("triggers: [{when: event, name: gala, classes: [guest], from: 2026-01-01, to: 2026-01-02}]"), "never", 4,
            "event gala is over before the site's first day",
        ),
        (
            'access:\n  tokens: {"RES-*": resident, "EMP-*": employee}\npriority:\n  rotation: {after: 1 h, classes: [guest]}\n',
            "nobody", 4,
            "this rotation is for nobody: no token of this site gets class guest",
        ),
        (
            access("windows: [{tokens: [VIP-1]}]"), "nobody", 3,
            "this access window is for nobody: tokens like VIP-1 have no class here and are refused",
        ),
        (
            access('windows:\n    - {classes: [guest], days: [mon-fri], from: "07:00", to: "12:00"}\n'
                   '    - {classes: [guest], days: [mon-fri], from: "13:00", to: "19:00"}'),
            "gap", 4, "class guest is refused from mon 12:00 to 13:00 between two of its windows (and 4 more such gaps in a week)",
        ),
        (
            access('holidays: [2026-12-25]\n  windows: [{classes: [guest], days: [mon-sun], from: "07:00", to: "19:00"}]'), "gap", 4,
            "class guest may charge every day of the week, but is refused on holidays, as on 2026-12-25",
        ),
        (
            priority("contracts: [{tokens: [GST-1], as: resident}]"), "expiry", 4,
            "this contract has no end: GST-1 go on as resident when nobody pays for it any more",
        ),
        (
            TOKENS + "power:\n  floors: {resident: 11 A}\n", "guarantee", 4,
            "33 A are promised to 3 sessions on L1 of side from mon 00:00 on, and it has 31 A",
        ),
    ],
)  # fmt: skip
def test_a_policy_with_one_fault_has_one_finding(tmp_path: Path, policy: str, kind: str, line: int, text: str) -> None:
    rows = found(tmp_path, policy)
    assert [(k, at) for k, at, _ in rows] == [(kind, f"policy.yaml:{line}")], rows
    assert text in rows[0][2]


@pytest.mark.parametrize(
    "policy",
    [
        TOKENS,
        'access:\n  tokens: {"RES-*": resident, "RES-7": guest, "EMP-*": employee}\n',
        'access:\n  tokens: {"RES-?": resident, "RES-*": guest}\n',
        'access:\n  tokens: {"RES-*": resident, "RES-7*": guest}\n  blocked: ["RES-77*", "RES-?"]\n',
        access('windows: [{classes: [guest], days: [mon-fri], from: "07:00", to: "19:00"}]'),
        access('windows: [{classes: [guest], from: "22:00", to: "06:00"}, {classes: [guest], from: "06:00", to: "09:00"}]'),
        access('windows: [{tokens: ["GST-V*"]}]\n  entitlements: [{tokens: ["G*"], stations: ["a-*"]}]'),
        TOKENS + "power:\n  floors: {resident: 10 A}\n",
        'access:\n  default_class: guest\n  windows: [{tokens: ["ANY*"], days: [mon]}]\n',
    ],
)
def test_a_sound_policy_has_none(tmp_path: Path, policy: str) -> None:
    assert found(tmp_path, policy) == []


def test_a_guarantee_counts_only_those_who_may_charge_there_then(tmp_path: Path) -> None:
    base = TOKENS + "  windows: [{classes: [resident], from: '19:00', to: '23:00'}]\n"
    rows = found(tmp_path, base + "power:\n  floors: {resident: 11 A}\n")
    assert "from mon 19:00 on" in rows[0][2]
    assert "1 of them get less than they were promised" in rows[0][2]


def test_a_guarantee_is_kept_by_fewer_bays(tmp_path: Path) -> None:
    policy = TOKENS + '  entitlements: [{classes: [resident], stations: ["a-[12]"]}]\npower:\n  floors: {resident: 15 A}\n'
    assert found(tmp_path, policy) == []


def test_a_guarantee_leaves_room_for_the_building(tmp_path: Path) -> None:
    fleet = FLEET + "building: [{{circuit: grid, kind: office, peak_kw: 13.8}}]\n"
    rows = found(tmp_path, TOKENS + "power:\n  floors: {resident: 7 A}\n", fleet=fleet)
    assert [k for k, _, _ in rows] == ["guarantee"]
    assert "21 A are promised to 3 sessions on L1 of grid" in rows[0][2] and "20 A of the building at its peak" in rows[0][2]


SOUND = {
    "fleet_depot": "  near_departure: {within: 1 h, classes: [resident]}\n",
    "workplace": "  rotation: {after: 2 h, classes: [employee]}\npower:\n  idle: {grace: 15 min, release: 1 h}\n",
    "destination": "  rotation: {after: 2 h, classes: [guest]}\n",
    "mixed_use": '  windows: [{from: "09:00", to: "18:00", ranks: [guest, employee, resident]}]\n',
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("fleet_depot", "all vehicles charge at once on return: 3 outlets share 40 A of grid, 13.3 A each"),
        ("workplace", "early arrivals occupy chargers all day: nobody ever goes behind, so the first 3 who plug in keep their place"),
        ("destination", "visitor charging is treated like reserved long-dwell parking: a guest keeps first claim to its bay"),
        ("mixed_use", "one access rule for all users at all times: employee, guest, resident may all charge everywhere at any hour"),
    ],
)
def test_the_common_mistake_of_a_site_type_and_its_cure(tmp_path: Path, kind: str, text: str) -> None:
    rows = found(tmp_path, TOKENS, kind)
    assert [(k, at) for k, at, _ in rows] == [("mistake", f"{kind}.yaml:2")]
    assert text in rows[0][2]
    (tmp_path / "one/policy.yaml").write_text(TOKENS + "priority:\n" + SOUND[kind])
    assert findings([str(tmp_path / "one")]) == []


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("fleet_depot", TOKENS.replace('"EMP-*": employee, ', "") + "priority:\n  near_departure: {within: 1 h, classes: [employee]}\n"),
        ("workplace", TOKENS + "priority:\n  rotation: {after: 7 h, classes: [employee]}\n"),
        ("workplace", TOKENS.replace('"EMP-*": employee, ', "") + "priority:\n  rotation: {after: 1 h, classes: [employee]}\n"),
        ("destination", TOKENS + "priority:\n  rotation: {after: 5 h, classes: [guest]}\n"),
        ("mixed_use", 'access:\n  tokens: {"*": guest}\n  windows: [{classes: [guest], days: [mon-fri]}]\n'),
    ],
)
def test_a_cure_that_reaches_nobody_is_none(tmp_path: Path, kind: str, policy: str) -> None:
    assert "mistake" in [found for found, _, _ in found(tmp_path, policy, kind)]


def test_the_mistake_of_a_house_is_to_promise_more_than_it_has(tmp_path: Path) -> None:
    rows = found(tmp_path, TOKENS + "power:\n  floors: {resident: 12 A}\n", "multifamily")
    assert [(k, at) for k, at, _ in rows] == [("mistake", "policy.yaml:4")]
    assert "36 A are promised to 3 sessions" in rows[0][2] and "1 of them get less than they were promised" in rows[0][2]


@pytest.mark.parametrize(
    ("policy", "portfolio", "text"),
    [
        (TOKENS + "incidents: {fallback: 12 A}\n", PORTFOLIO, "policy.yaml:3: 3 × 12 A = 36 A is over the 32 A of side"),
        (TOKENS, PORTFOLIO.replace(", max_duration: 2 h", ""), "portfolio.yaml:4: overrides without expiry"),
        (access('windows: [{classes: [guest], from: "09:00", to: "09:00"}]'), PORTFOLIO, "policy.yaml:3: a window from 09:00 to 09:00"),
        (priority("triggers: [{when: dispatch_risk, classes: [guest], within: 1 h}]"), PORTFOLIO, "has no 'lasts'"),
    ],
)
def test_what_can_not_be_carried_out_is_refused_at_load(tmp_path: Path, policy: str, portfolio: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        load_site(folder(tmp_path, policy, portfolio=portfolio))
    assert text in str(told.value)


def test_a_class_nobody_can_be_at_any_site_is_found_over_the_portfolio(tmp_path: Path) -> None:
    first = folder(tmp_path, TOKENS.replace(', "GST-*": guest', ""))
    second = tmp_path / "two"
    second.mkdir()
    (second / "fleet.yaml").write_text(FLEET.format(kind="other").replace("site: one", "site: two"))
    (second / "policy.yaml").write_text('access:\n  tokens: {"EMP-*": employee}\n')
    rows = findings([first, str(second)])
    assert [(f.kind, f.message) for f in rows] == [("nobody", "nobody can be guest at any of 2 sites: no token gets this class")]
    assert str(rows[0].source).endswith("portfolio.yaml:2")


def test_the_bundled_sites_have_nothing_to_find_and_the_command_ends_with_one_otherwise(tmp_path: Path) -> None:
    assert findings(bundled_sites()) == []
    run = CliRunner().invoke
    assert run(app, ["policy", "lint"]).exit_code == 0
    bad = run(app, ["policy", "lint", folder(tmp_path, TOKENS, "workplace")])
    assert bad.exit_code == 1 and "workplace.yaml:2: mistake: early arrivals occupy chargers all day" in bad.output
