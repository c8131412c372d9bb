"""The table of the mistakes in the docs: every site type with the figures its script prints, the first of them worse, and a drawing."""

from __future__ import annotations

import re
from pathlib import Path

from tests.policy.test_mistakes import MISTAKES, ROOT

PAGE = ROOT / "docs/policies.md"
LESS = frozenset({"peak_demand", "turned_away", "idle_occupancy", "wait"})
"""Figures of which less is better."""


def rows() -> dict[str, list[tuple[str, float, float]]]:
    """By site type: figure, the template's and the mistake's."""
    found: dict[str, list[tuple[str, float, float]]] = {}
    name = ""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and (cells[0] in MISTAKES.PAIRS or (not cells[0] and name)):
            name = cells[0] or name
            one, other = (float(re.sub(r"[^\d.]", "", cell)) for cell in cells[3:])
            found.setdefault(name, []).append((cells[2], one, other))
        elif not line.startswith("|"):
            name = ""
    return found


def test_the_page_has_what_the_script_prints() -> None:
    assert {name: tuple(row[0] for row in some) for name, some in rows().items()} == {n: p.figures for n, p in MISTAKES.PAIRS.items()}


def test_every_mistake_suffers_in_the_figure_that_decides() -> None:
    for name, some in rows().items():
        figure, template, mistake = some[0]
        assert (mistake > template) is (figure.partition("[")[0] in LESS) and mistake != template, name


def test_every_mistake_is_drawn() -> None:
    text = PAGE.read_text()
    for name in MISTAKES.PAIRS:
        drawing = Path("figures") / f"mistake-{name}.svg"
        assert f"({drawing})" in text
        assert (ROOT / "docs" / drawing).read_text().startswith("<svg")
