"""Policy tests as data: every bundled site's rows hold; a row that does not says where, what was expected and what was found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chargekit.faces.cli import app
from chargekit.lab.bundled import bundled_sites, fleets_folder
from chargekit.lab.policies import proved
from chargekit.lab.sitefile import load_site
from chargekit.lab.yamlfile import parse
from chargekit.model.located import BadInput
from chargekit.policy.proofs import EXPECT, Proof, prove
from chargekit.policy.proofs_power import POWER


@pytest.mark.parametrize("site", bundled_sites())
def test_the_rules_of_a_bundled_site_say_what_its_tests_expect(site: str) -> None:
    proofs = proved(site)
    assert len(proofs) >= 10
    assert [f"{p.source}: {p.what}: expected {p.expected}, found {p.found}" for p in proofs if not p.ok] == []


def test_the_bundled_tests_use_every_kind_of_expectation() -> None:
    said = {p.what.split()[0] for site in bundled_sites() for p in proved(site)}
    assert {"class", "access", "rank", "floor", "limit", "override", "because", "response", "category", "severity", "told"} <= said
    assert set(POWER) <= said
    assert len(EXPECT) == 13 + len(POWER)


def outcome(row: str) -> list[Proof]:
    bundle = load_site("mixed-use")
    return list(prove(bundle.rulebook, bundle.site, parse(row, "t.yaml")))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("[{at: 2026-03-02 08:00, given: {token: GST-1}, expect: {class: resident}}]", "guest"),
        ("[{at: 2026-03-02 09:00, given: {token: CLN-1}, expect: {access: Accepted}}]", "NotAtThisTime"),
        ("[{at: 2026-03-02 08:00, given: {token: GST-1}, expect: {rank: 1}}]", "4"),
        ("[{at: 2026-03-02 08:00, given: {token: EMP-1, departs_in: 5 min}, expect: {rank: 3}}]", "first"),
        ("[{at: 2026-03-02 08:00, expect: {limits: {grid: 91 A}}}]", "90 A"),
        ("[{at: 2026-03-02 08:00, given: {token: GST-1}, expect: {floor: 6 A}}]", "0 A"),
        ("[{at: 2026-03-02 08:00, given: {token: A, override: {who: dispatcher, why: x}}, expect: {override: accepted}}]", "refused"),
    ],
)
def test_a_row_that_does_not_hold_says_what_was_found(row: str, found: str) -> None:
    wrong = [p for p in outcome(row) if not p.ok]
    assert [(p.found, str(p.source)) for p in wrong] == [(found, "t.yaml:1")]


def test_a_wrong_reason_fails_although_the_figure_is_right() -> None:
    row = "- at: 2026-03-02 08:00\n  given: {token: GST-1}\n  expect: {rank: 4}\n  because: by contract\n"
    wrong = [p for p in outcome(row) if not p.ok]
    assert [(p.what, p.expected, p.source.line) for p in wrong] == [("because", "by contract", 4)]
    assert "rank 4 of 4: class guest" in wrong[0].found


def test_a_peer_it_does_not_stand_before_is_named_with_both_reasons() -> None:
    wrong = [p for p in outcome("[{at: 2026-03-02 08:00, given: {token: GST-1}, expect: {before: [GST-2, RES-1]}}]") if not p.ok]
    assert [p.expected for p in wrong] == ["GST-2", "RES-1"]
    assert "rank 4 of 4: class guest" in wrong[1].found and "rank 2 of 4: class resident" in wrong[1].found


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("[]", "a policy test without rows proves nothing"),
        ("[{at: 2026-03-02, given: {token: A}, expect: {}}]", "nothing is expected here"),
        ("[{at: 2026-03-02, expect: {rank: 1}}]", "whose session is it?"),
        ("[{at: soon, expect: {rank: 1}}]", "a date and time expected, found 'soon'"),
        ("[{at: 2026-03-02, given: {tokn: A}, expect: {rank: 1}}]", "unknown key 'tokn' (did you mean 'token'?)"),
        ("[{at: 2026-03-02, given: {token: A}, expect: {rank: 1}}]", "A has no class, so no rank"),
        ("[{at: 2026-03-02, given: {token: RES-1, station: ac-99}, expect: {access: Accepted}}]", "station 'ac-99' is not known"),
        ("[{at: 2026-03-02, given: {token: RES-1}, expect: {limits: {roof: 1 A}}}]", "circuit 'roof' is not known"),
    ],
)
def test_a_row_that_can_not_be_understood_says_where(row: str, text: str) -> None:
    with pytest.raises(BadInput) as told:
        outcome(row)
    assert text in str(told.value) and str(told.value).startswith("t.yaml:1: ")


def test_the_command_prints_the_line_and_ends_with_one(tmp_path: Path) -> None:
    run = CliRunner().invoke
    good = run(app, ["policy", "test"])
    assert good.exit_code == 0 and all(f"{site}: " in good.output for site in bundled_sites())
    shutil.copytree(fleets_folder() / "depot", tmp_path / "depot")
    path = tmp_path / "depot/policy_test.yaml"
    path.write_text(path.read_text().replace("rank: 1, before: [EMP-1]", "rank: 2"))
    bad = run(app, ["policy", "test", str(tmp_path / "depot")])
    assert bad.exit_code == 1
    assert "depot/policy_test.yaml:4: rank of FLT-001: expected 2, found 1" in bad.output
    path.unlink()
    assert run(app, ["policy", "test", str(tmp_path / "depot")]).exit_code == 64
