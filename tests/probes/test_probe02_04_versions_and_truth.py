"""Probe 2: no case knows a version. Probe 4: removing what only the emulator knows changes no verdict."""

import ast

import pytest

from chargekit.faces.plugin import HARDWARE
from chargekit.judge.catalogue import known_case, known_cases
from chargekit.judge.checks import About, judge_records
from chargekit.judge.trial import Setting, dumps, run_trial
from chargekit.judge.verdict import Verdict
from chargekit.lab.bundled import conformance_folder
from chargekit.lab.recorder import read_records
from chargekit.lab.sitefile import load_site
from chargekit.wire import VERSIONS

NOT_IN_16 = frozenset({"CK-BOOT-010", "CK-BOOT-011", "CK-RST-012"})
"""Cases of what 1.6 has no words for: OfflineThreshold, and the reset of one EVSE."""
CHARGER = [c.id for c in known_cases() if c.scope == "charger"]


@pytest.mark.parametrize("path", sorted(conformance_folder().glob("test_*.py")), ids=lambda p: p.stem)
def test_no_case_branches_on_a_version(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.If, ast.IfExp, ast.Match, ast.Compare)):
            text = ast.unparse(node.test if isinstance(node, (ast.If, ast.IfExp)) else node)
            assert not any(word in text for word in ("version", "ocpp", "1.6", "2.0.1", "2.1")), f"{path.name}:{node.lineno}: {text}"


SITE = """site: versions
type: mixed_use
circuits: {grid: {limit: 2000 A}}
stations:
  - {id: one-1.6, model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: one-2.0.1, model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: one-2.1, model: generic-ac-22, circuit: grid, ocpp: "2.1"}
  - {id: ac-1.6, model: generic-ac-22-dual, circuit: grid, ocpp: "1.6"}
  - {id: ac-2.0.1, model: generic-ac-22-dual, circuit: grid, ocpp: "2.0.1"}
  - {id: ac-2.1, model: generic-ac-22-dual, circuit: grid, ocpp: "2.1"}
  - {id: dc-1.6, model: generic-dc-dual-180, circuit: grid, ocpp: "1.6"}
  - {id: dc-2.0.1, model: generic-dc-dual-180, circuit: grid, ocpp: "2.0.1"}
  - {id: dc-2.1, model: generic-dc-dual-180, circuit: grid, ocpp: "2.1"}
  - {id: ph-1.6, model: generic-ac-11, circuit: grid, ocpp: "1.6"}
  - {id: ph-2.0.1, model: generic-ac-11, circuit: grid, ocpp: "2.0.1"}
  - {id: ph-2.1, model: generic-ac-11, circuit: grid, ocpp: "2.1"}
meters:
  - {id: m-10, station: ph-1.6, model: eastron-sdm630, unit: 10}
  - {id: m-11, station: ph-2.0.1, model: eastron-sdm630, unit: 11}
  - {id: m-12, station: ph-2.1, model: eastron-sdm630, unit: 12}
  - {id: m-1, station: one-1.6, model: eastron-sdm630, unit: 1}
  - {id: m-2, station: one-2.0.1, model: eastron-sdm630, unit: 2}
  - {id: m-3, station: one-2.1, model: eastron-sdm630, unit: 3}
  - {id: m-4, station: ac-1.6, model: carlo-gavazzi-em340, unit: 4}
  - {id: m-5, station: ac-2.0.1, model: schneider-iem3155, unit: 5}
  - {id: m-6, station: ac-2.1, model: carlo-gavazzi-em340, unit: 6}
  - {id: m-7, station: dc-1.6, model: sunspec-203, unit: 7}
  - {id: m-8, station: dc-2.0.1, model: sunspec-213, unit: 8}
  - {id: m-9, station: dc-2.1, model: sunspec-203, unit: 9}
"""


@pytest.mark.parametrize("case", CHARGER)
def test_every_version_reaches_the_same_verdict(case, tmp_path):
    (tmp_path / "fleet.yaml").write_text(SITE)
    bundle, needs = load_site(str(tmp_path)), known_case(case).requires
    kind = ("dc" if "dc" in needs else "ac") if needs & HARDWARE else "one"
    kind = "ph" if needs & {"phase_switching", "phase_selection"} else kind
    names = [f"{kind}-{version}" for version in VERSIONS]
    assert [bundle.site.station(n).ocpp for n in names] == list(VERSIONS)
    old, *newer = (run_trial(Setting(bundle), known_case(case), name) for name in names)
    assert [(new.verdict, new.reasons) for new in newer] == [(Verdict.PASS, [])] * 2
    assert old.result.verdict is (Verdict.NOT_APPLICABLE if case in NOT_IN_16 else Verdict.PASS), old.reasons


@pytest.mark.parametrize(
    ("case", "subject", "defects"),
    [
        ("CK-PRO-001", "ac-01", ()),
        ("CK-PRO-001", "ac-01", ("ignores-limit",)),
        ("CK-TX-001", "ac-11", ("welded-contactor",)),
        ("CK-CAP-102", "mixed-use", ("ignores-circuit-limits",)),
    ],
)
def test_without_truth_the_verdicts_are_the_same(case, subject, defects, tmp_path):
    bundle = load_site("mixed-use")
    good = run_trial(Setting(bundle, defects=defects, out=tmp_path / "a"), known_case(case), subject)
    bare = run_trial(Setting(bundle, defects=defects, out=tmp_path / "b", strip_truth=True), known_case(case), subject)
    assert dumps(good) == dumps(bare)
    records, _ = read_records(tmp_path / "a" / good.result.file)
    assert any(r.witness == "truth" for r in records)
    left = [r for r in records if r.witness != "truth"]
    about = About(bundle.site, bundle.site.calendar)
    again = judge_records(left, about, subject, file=good.result.file, reproduce=good.result.reproduce)
    assert [r.to_json() for r in again] == [r.to_json() for r in good.checks]
