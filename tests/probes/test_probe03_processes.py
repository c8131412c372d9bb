"""Probe 3: the subject in a separate process, both ways, over loopback."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

CHARGEKIT = Path(sys.executable).with_name("chargekit")
SITE = """site: pair
type: mixed_use
circuits:
  grid: {{limit: 63 A}}
stations:
  - {{id: one, model: generic-ac-22, circuit: grid, ocpp: "1.6"{link}}}
  - {{id: two, model: generic-ac-22, circuit: grid, ocpp: "2.0.1"{link}}}
meters:
  - {{id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 9}}
  - {{id: m-one, station: one, model: eastron-sdm630, unit: 1}}
  - {{id: m-two, station: two, model: eastron-sdm630, unit: 2}}
"""


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


@contextmanager
def standing(args, cwd):
    process = subprocess.Popen([CHARGEKIT, *args], cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ws://" in line or "meters at" in line, line
        yield process
    finally:
        process.kill()
        process.wait(10)


def judged(args, cwd):
    ended = subprocess.run(
        [CHARGEKIT, "run", *args, "--out", "out"], cwd=cwd, env=environment(), timeout=200, capture_output=True, text=True
    )
    rows = json.loads((cwd / "out" / "verdicts.json").read_text())["verdicts"]
    return ended, {(r["case"], r["subject"]): (r["verdict"], r["reason"]) for r in rows}


@pytest.fixture
def folder(tmp_path):
    # Strangers are employees here: guests are kept out while the meters have not been heard, as they are when one process is up first.
    (tmp_path / "ours.yaml").write_text(SITE.format(link=""))
    (tmp_path / "theirs.yaml").write_text(SITE.format(link=", link: listen"))
    (tmp_path / "policy.yaml").write_text('access: {tokens: {"RES-*": resident, "GST-*": guest}, default_class: employee}\n')
    return tmp_path


def test_a_fleet_in_another_process_is_judged(folder):
    csms, rig, meters = free(), free(), free()
    up = ["fleet", "up", "ours.yaml", "--csms", f"ws://{csms}", "--rig", rig, "--modbus", meters, "--rate", "60", "--for", "9000"]
    with standing(up, folder):
        cases = ["--case", "CK-AUTH-002", "--case", "CK-PRO-001", "--case", "CK-AUTH-001"]
        outside = ["--listen", csms, "--rig", rig, "--meters", meters, "--rate", "60"]
        ended, rows = judged(["theirs.yaml", *cases, *outside], folder)
    assert ended.returncode == 0, (ended.stdout, ended.stderr, rows)
    assert rows[("CK-PRO-001", "one")][0] == rows[("CK-PRO-001", "two")][0] == "pass"


def test_a_controller_in_another_process_is_judged(folder):
    csms, rig, meters = free(), free(), free()
    up = ["serve", "theirs.yaml", "--listen", csms, "--rig", rig, "--meters", meters, "--rate", "60", "--for", "9000"]
    with standing(up, folder):
        cases = ["--case", "CK-AUTH-002", "--case", "CK-PRO-001", "--case", "CK-PRI-101"]
        outside = ["--csms", f"ws://{csms}", "--rig", rig, "--modbus", meters, "--rate", "60"]
        ended, rows = judged(["ours.yaml", *cases, *outside], folder)
    assert rows[("CK-AUTH-002", "one")][0] == rows[("CK-AUTH-002", "two")][0] == "pass", (ended.stdout, ended.stderr, rows)
    assert rows[("CK-PRI-101", "pair")] == ("pass", "")
    assert rows[("CK-PRO-001", "one")][0] == "not applicable"
    assert "the controller is not ours" in rows[("CK-PRO-001", "one")][1]
    assert ended.returncode == 0
