"""The common mistakes as policies: each loads, the linter says what will happen to whom, and over a week its figures are worse."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from chargekit.judge.kpi_figure import Figure
from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.model.located import BadInput
from chargekit.policy.lint import lint

ROOT = Path(__file__).parents[2]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mistakes", ROOT / "ci/mistakes.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mistakes"] = module
    spec.loader.exec_module(module)
    return module


MISTAKES = _script()
FOLDER = ROOT / "fleets" / "mistakes"


def test_every_folder_is_a_pair_of_the_type_of_its_site() -> None:
    assert {p.name for p in FOLDER.iterdir()} == set(MISTAKES.PAIRS)
    for name, pair in MISTAKES.PAIRS.items():
        assert {p.name for p in (FOLDER / name).iterdir()} - {"refused.yaml", "fleet.yaml"} == {"template.yaml", "mistake.yaml"}
        assert tried(name, "template").site.type == name and pair.figures


def tried(name: str, policy: str) -> SiteBundle:
    pair = MISTAKES.PAIRS[name]
    return load_site(pair.site, pair.stations, FOLDER / name / f"{policy}.yaml")


@pytest.mark.parametrize("name", list(MISTAKES.PAIRS))
def test_a_mistake_is_another_policy(name: str) -> None:
    both = [tried(name, one).rulebook for one in ("template", "mistake")]
    assert both[0].revision != both[1].revision
    assert both[0].fallback_a.value == both[1].fallback_a.value


@pytest.mark.parametrize("name", list(MISTAKES.PAIRS))
def test_the_linter_flags_the_mistake_and_not_the_template(name: str) -> None:
    found = {one: lint(tried(name, one).rulebook, tried(name, one).site) for one in ("template", "mistake")}
    assert found["template"] == []
    said = [one.message for one in found["mistake"] if one.kind == "mistake"]
    assert len(said) == 1 and SAID[name] in said[0]


SAID = {
    "fleet_depot": "all vehicles charge at once on return: 8 outlets share",
    "workplace": "early arrivals occupy chargers all day: nobody ever goes behind",
    "destination": "visitor charging is treated like reserved long-dwell parking: a guest keeps first claim to its bay",
    "multifamily": "A are promised to 14 sessions on L1 of grid",
    "mixed_use": "one access rule for all users at all times: everybody is guest",
}
"""What will happen, and to whom."""


def test_more_guaranteed_than_the_building_has_is_refused_where_it_would_be_drawn() -> None:
    with pytest.raises(BadInput) as refused:
        load_site("multifamily", 16, FOLDER / "multifamily/refused.yaml")
    assert "refused.yaml:5: 16 × 13 A = 208 A is over the 125 A of grid" in str(refused.value)


@pytest.mark.parametrize(
    ("better", "value", "is_worse"), [("less", 2.0, True), ("less", 0.5, False), ("more", 0.5, True), ("more", None, False)]
)
def test_what_is_worse(better: str, value: float | None, is_worse: bool) -> None:
    template, mistake = (Figure("x", "", v, "d", better=better) for v in (1.0, value))
    assert MISTAKES.worse(template, mistake) is is_worse


@pytest.mark.deep
@pytest.mark.parametrize("name", list(MISTAKES.PAIRS))
def test_the_figures_suffer(name: str) -> None:
    ended = subprocess.run([sys.executable, ROOT / "ci/mistakes.py", name], capture_output=True, text=True, timeout=1800)
    assert ended.returncode == 0, ended.stdout + ended.stderr
