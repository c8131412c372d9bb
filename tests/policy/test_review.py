"""`review:` of the portfolio: read with its lines, refused where it can't be, and nobody else's to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargekit.lab.sitefile import load_site
from chargekit.lab.yamlfile import load
from chargekit.model.located import BadInput
from chargekit.policy.review import KEYS, USUAL, Review, parse_review, review_of

TEXT = """access:
  classes: {tenant: {goal: sleep}}
review:
  queue: {share: 5 %, wait: 30 min, days: 4}
  off_peak: {from: "23:30", to: "05:00"}
  guarantee: {class: tenant, energy: 6 kWh}
"""


def review(tmp_path: Path, text: str) -> Review:
    (tmp_path / "portfolio.yaml").write_text(text)
    return parse_review(load(tmp_path / "portfolio.yaml"))


def test_figures_are_read_and_the_usual_ones_hold_for_the_rest(tmp_path: Path) -> None:
    found = review(tmp_path, TEXT)
    assert (found.queue_share, found.queue_wait_s, found.queue_days) == (0.05, 1800.0, 4)
    assert (found.off_peak_from_s, found.off_peak_to_s, found.off_peak_share) == (84_600.0, 18_000.0, USUAL.off_peak_share)
    assert (found.guarantee_class, found.guarantee_kwh) == ("tenant", 6.0)
    assert str(found.source("queue")).endswith("portfolio.yaml:4")
    assert str(found.source("growth")) == "built-in:0"


def test_the_bundled_portfolio_names_every_trigger() -> None:
    found = load_site("depot").review
    assert {name for name, _ in found.sources} == set(KEYS)
    assert found == Review(sources=found.sources)


def test_a_time_of_day_needs_no_quotes(tmp_path: Path) -> None:
    assert review(tmp_path, TEXT.replace('"23:30"', "23:30")) == review(tmp_path, TEXT)


def test_a_head_carries_it_unchanged(tmp_path: Path) -> None:
    found = review(tmp_path, TEXT)
    assert review_of(found.plain()) == found


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("share: 5 %", "shar: 5 %", "portfolio.yaml:4: unknown key 'shar' (did you mean 'share'?)"),
        ("  queue:", "  qeue:", "portfolio.yaml:4: unknown key 'qeue' (did you mean 'queue'?)"),
        ("days: 4", "days: 0", "portfolio.yaml:4: 1 to 366 days expected, found 0"),
        ("days: 4", "days: soon", "portfolio.yaml:4: a whole number expected"),
        ("30 min", "30 A", "portfolio.yaml:4: a figure in s or ms or min or h or d expected, found '30 A'"),
        ('"23:30"', "half past", "portfolio.yaml:5: a time of day expected, found 'half past' (for example"),
        ('"23:30"', "1441", "portfolio.yaml:5: a time of day expected"),
        ('"23:30"', '"24:30"', "portfolio.yaml:5: a time of day expected"),
        ("class: tenant", "class: king", "portfolio.yaml:6: user class 'king' is defined nowhere"),
        ("energy: 6 kWh", "energy: -1 kWh", "portfolio.yaml:6: -1 kWh is out of range"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(BadInput) as refused:
        review(tmp_path, TEXT.replace(old, new))
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "change", [{"queue_days": "3"}, {"queue_share": None}, {"peak_above": -1}, {"guarantee_class": 4}, {"growth_days": True}]
)
def test_a_head_that_was_tampered_with_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="review"):
        review_of(USUAL.plain() | change)


@pytest.mark.parametrize("file", ["policy.yaml", "site_types/mixed_use.yaml"])
def test_a_lower_layer_cannot_touch_it(tmp_path: Path, file: str) -> None:
    bundled = Path(__file__).parents[2] / "fleets"
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "site_types").mkdir()
    kind = (bundled / "site_types/mixed_use.yaml").read_text()
    more = "review: {queue: {days: 30}}\n"
    (tmp_path / "portfolio.yaml").write_text((bundled / "portfolio.yaml").read_text())
    (tmp_path / "site_types/mixed_use.yaml").write_text(kind + (more if "types" in file else ""))
    (here / "policy.yaml").write_text("access: {tokens: {'RES-*': resident}}\n" + (more if "types" not in file else ""))
    (here / "fleet.yaml").write_text(
        "site: one\ntype: mixed_use\ncircuits: {grid: {limit: 63 A}}\nstations: [{id: a, model: generic-ac-22, circuit: grid}]\n"
    )
    with pytest.raises(BadInput) as refused:
        load_site(str(here))
    assert "review.queue is fixed by the portfolio at" in str(refused.value)
    assert Path(file).name in str(refused.value)


def test_a_policy_can_be_tried_in_place_of_the_sites_own(tmp_path: Path) -> None:
    (tmp_path / "try.yaml").write_text('access: {tokens: {"*": guest}}\n')
    tried = load_site("workplace", 4, tmp_path / "try.yaml")
    found = tried.rulebook.class_of("EMP-001")
    assert found is not None and found.name == "guest"
    assert tried.rulebook.revision != load_site("workplace", 4).rulebook.revision
    with pytest.raises(BadInput, match="can't be read"):
        load_site("workplace", 4, tmp_path / "missing.yaml")
