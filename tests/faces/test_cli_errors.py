"""Bad input: one clear message with file and line, exit code 64, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

CHARGEKIT = Path(sys.executable).with_name("chargekit")
GOOD = """site: s
type: mixed_use
circuits:
  grid: {limit: 100 A}
  feeder: {parent: grid, limit: 63 A}
stations:
  - {id: a, model: generic-ac-22, circuit: feeder}
"""


def run(folder, *args):
    return subprocess.run([CHARGEKIT, *args], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("change", "policy", "text"),
    [
        (("limit: 63 A", "limt: 63 A"), None, "site.yaml:5: unknown key 'limt' (did you mean 'limit'?)"),
        (("grid: {limit", "grid: {parent: feeder, limit"), None, "site.yaml:4: circuits feed each other in a circle: grid, feeder"),
        ((", circuit: feeder}", "}"), None, "site.yaml:7: station a is on no circuit (circuit: one of grid, feeder)"),
        (("circuit: feeder}", "circuit: feedr}"), None, "site.yaml:7: circuit 'feedr' is not known (did you mean 'feeder'?)"),
        (("generic-ac-22", "generic-ac-2"), None, "site.yaml:7: station model 'generic-ac-2' is not in the catalogue"),
        (("limit: 63 A", "limit: 63 V"), None, "site.yaml:5: a figure in A expected, found '63 V'"),
        (("circuits:", "circuits: ["), None, "no YAML"),
        (("", ""), 'access: {tokens: {"X-*": king}}', "policy.yaml:1: user class 'king' is defined nowhere"),
        (("", ""), "access: {classes: {king: {}}}", "policy.yaml:1: access.classes is fixed by the portfolio at portfolio.yaml:3"),
        (("", ""), "power: {limits: {roof: 5 A}}", "policy.yaml:1: circuit 'roof' is not known"),
        (("", ""), "power: {limits: {grid: 5 A}}", "1 × 6 A = 6 A is over the 5 A of grid"),
    ],
)
def test_a_site_that_cannot_be_ends_with_one_line_and_64(tmp_path, change, policy, text):
    (tmp_path / "site.yaml").write_text(GOOD.replace(*change, 1) if change[0] else GOOD)
    if policy:
        (tmp_path / "policy.yaml").write_text(policy + "\n")
    ended = run(tmp_path, "run", "site.yaml")
    assert ended.returncode == 64, ended.stderr
    assert text in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["run", "nowhere"], "no site is named 'nowhere' (known: campus, depot, destination, mixed-use, multifamily, workplace)"),
        (["run", "missing.yaml"], "missing.yaml can't be read: No such file or directory"),
        (["run", "--defect", "ignore-limit"], "--defect: 'ignore-limit' is not known (did you mean 'ignores-limit'?)"),
        (["run", "--case", "CK-PRO-01"], "--case: 'CK-PRO-01' is not known"),
        (["run", "--rate", "fast"], "--rate: inf, 60 or 1 expected, found 'fast'"),
        (["run", "--listen", "9000"], "--listen: HOST:PORT expected, found '9000'"),
        (["run", "--resume", "."], "--resume: . is no run folder"),
        (["simulate", "nowhere"], "no site is named 'nowhere'"),
        (["simulate", "mixed-use"], "mixed-use says nothing of its visitors"),
        (["simulate", "depot", "--day", "holidy"], "--day: no day is named 'holidy' (did you mean 'holiday'?)"),
        (["simulate", "depot", "--days", "0"], "--days: 1 to 366 expected, found 0"),
        (["simulate", "depot", "--stations", "0"], "--stations: 1 to 20000 expected, found 0"),
        (["run", "--no-such"], "No such option"),
        (["report", "."], ". has no verdicts.json"),
        (["fleet", "up", "--csms", "localhost"], "--csms: a ws:// or wss:// address expected"),
    ],
)
def test_a_wrong_argument_ends_with_one_line_and_64(tmp_path, args, text):
    ended = run(tmp_path, *args)
    assert ended.returncode == 64, (ended.stdout, ended.stderr)
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_planted_defect_fails_and_says_how_to_see_it_again(tmp_path):
    args = ["run", "--case", "CK-PRO-001", "--subject", "ac-01", "--defect", "ignores-limit", "--out", "out"]
    ended = run(tmp_path, *args)
    assert ended.returncode == 1
    assert "ac-01 did not fall below 8.3 A within 15 s; last 16.0 A" in ended.stdout
    assert "chargekit run mixed-use --case CK-PRO-001 --subject ac-01 --seed 1 --defect ignores-limit" in ended.stdout
    assert "did not fall below" in (tmp_path / "out" / "junit.xml").read_text()
    assert "did not fall below" in (tmp_path / "out" / "report.html").read_text()


def test_nothing_to_judge_is_inconclusive(tmp_path):
    ended = run(tmp_path, "run", "--covers", "no such clause", "--out", "out")
    assert ended.returncode == 2
    assert "nothing was judged" in ended.stderr
