"""Probe 6: two chargers judged at once, killed in the middle; `--resume` finishes without repeating."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from chargekit.lab.recorder import read_end

CHARGEKIT = Path(sys.executable).with_name("chargekit")
WHAT = ["run", "mixed-use", "--subject", "ac-01", "--subject", "ac-11", "--quiet", "--seed", "5"]


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}


def finished(folder):
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("records/*.jsonl") if read_end(p) is not None}


def test_a_killed_run_goes_on_and_repeats_nothing(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    run = subprocess.Popen(
        [CHARGEKIT, *WHAT, "--workers", "2", "--out", killed], env=environment(), start_new_session=True, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        limit = time.monotonic() + 60
        while len(finished(killed)) < 4 and run.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.02)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait(10)
    before = finished(killed)
    assert before
    again = subprocess.run([CHARGEKIT, *WHAT, "--resume", killed], env=environment(), cwd=tmp_path, timeout=120)
    assert again.returncode == 0
    after = finished(killed)
    assert {name: after[name] for name in before} == before
    assert subprocess.run([CHARGEKIT, *WHAT, "--out", whole], env=environment(), cwd=tmp_path, timeout=120).returncode == 0
    assert (killed / "verdicts.json").read_bytes() == (whole / "verdicts.json").read_bytes()
    assert {n: b for n, (_, b) in finished(killed).items()} == {n: b for n, (_, b) in finished(whole).items()}
