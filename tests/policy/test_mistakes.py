"""The common mistakes as policies: each loads, or is refused with what will happen; and simulated, it shows worse figures."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from chargekit.judge.kpi import Figure
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput

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
        assert {p.name for p in (FOLDER / name).iterdir()} == {"template.yaml", "mistake.yaml"}
        assert load_site(pair.site, pair.stations, FOLDER / name / "template.yaml").site.type == name


@pytest.mark.parametrize("name", [name for name in MISTAKES.PAIRS if name != "multifamily"])
def test_a_mistake_is_another_policy(name: str) -> None:
    pair = MISTAKES.PAIRS[name]
    both = [load_site(pair.site, pair.stations, FOLDER / name / f"{one}.yaml").rulebook for one in ("template", "mistake")]
    assert both[0].revision != both[1].revision
    assert both[0].fallback_a.value == both[1].fallback_a.value


def test_more_guaranteed_than_the_building_has_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        load_site("multifamily", 16, FOLDER / "multifamily/mistake.yaml")
    assert "mistake.yaml:5: 16 × 13 A = 208 A is over the 125 A of grid" in str(refused.value)


@pytest.mark.parametrize(
    ("better", "value", "is_worse"), [("less", 2.0, True), ("less", 0.5, False), ("more", 0.5, True), ("more", None, False)]
)
def test_what_is_worse(better: str, value: float | None, is_worse: bool) -> None:
    template, mistake = (Figure("x", "", v, "d", better=better) for v in (1.0, value))
    assert MISTAKES.worse(template, mistake) is is_worse


@pytest.mark.deep
@pytest.mark.parametrize("name", list(MISTAKES.PAIRS))
def test_the_figures_suffer(name: str) -> None:
    ended = subprocess.run([sys.executable, ROOT / "ci/mistakes.py", name], capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
