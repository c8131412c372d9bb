"""The brief's table: what is empty, dropped, or named and not there, is told."""

import copy
import importlib.util
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("brief_table", ROOT / "ci/brief_table.py")
BRIEF = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(BRIEF)
PARTS = yaml.safe_load((ROOT / "docs/brief.yaml").read_text())
ROW = {"what": "x", "keys": ["power.limits"], "test": "tests/policy/test_brief.py::test_what_is_wrong_is_told", "cases": ["CK-CAP-101"]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keys": []}, "x: keys is empty"),
        ({"cases": []}, "x: cases is empty"),
        ({"test": ""}, "x: test is empty"),
        ({"what": " "}, "what, keys, test and cases expected"),
        ({"keys": ["power.limit"]}, "x: no rule is named power.limit"),
        ({"cases": ["CK-CAP-999"]}, "x: no case is named CK-CAP-999"),
        ({"test": "tests/policy/test_brief.py::test_nothing"}, "x: no test is named tests/policy/test_brief.py::test_nothing"),
        ({"test": "tests/policy/test_none.py::test_x"}, "x: no test is named tests/policy/test_none.py::test_x"),
    ],
)
def test_what_is_wrong_is_told(change, told):
    parts = copy.deepcopy(PARTS)
    parts[0]["rows"].append({**ROW, **change})
    assert any(told in one for one in BRIEF.wrong(parts))
    parts[0]["rows"][-1] = ROW
    assert not any("x: " in one for one in BRIEF.wrong(parts) if one.startswith(f"{parts[0]['part']}: x:"))


def test_a_row_that_is_dropped_is_missed():
    parts = copy.deepcopy(PARTS)
    del parts[-1]["rows"][0]
    assert any("4 rows, 5 expected" in one for one in BRIEF.wrong(parts))


def test_the_page_is_made_of_the_data():
    assert (ROOT / "docs/brief.md").read_text() == BRIEF.page(PARTS)
