import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from chargekit.lab.recorder import Recorder, read_end, read_records
from chargekit.lab.tap import WireTap
from chargekit.world.history import History


def test_what_is_recorded_is_read_again(tmp_path: Path):
    history = History()
    recorder = Recorder(tmp_path / "deep/r.jsonl", history)
    history.add(1.25, "wire", "cs", "opened", {"version": "1.6"})
    history.add(2.0, "meter", "m", "sample", {"b": [1, 2], "a": math.inf, "c": math.nan})
    path = tmp_path / "deep/r.jsonl"
    assert path.read_bytes().splitlines()[1] == (
        b'{"body":{"a":null,"b":[1,2],"c":null},"kind":"sample","seq":1,"subject":"m","t":2.0,"witness":"meter"}'
    )
    assert read_records(path)[1] is None
    recorder.end({"verdict": "pass"})
    history.add(3.0, "rig", "cs", "plug", {})
    records, end = read_records(path)
    assert [(r.seq, r.t, r.kind) for r in records] == [(0, 1.25, "opened"), (1, 2.0, "sample")]
    assert end == read_end(path) == {"verdict": "pass"}


def test_whatever_a_station_says_can_be_written(tmp_path: Path):
    history = History()
    recorder = Recorder(tmp_path / "r.jsonl", history)
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"x": deep}
    tap = WireTap(history, "cs")
    for text in (
        "\ud800",
        '[2,"\ud800","A",{}]',
        '[2,"1","\\ud800",{}]',
        "[" * 2000,
        '[2,"1","A",' + "[" * 900 + "]" * 900 + "]",
        "\x00",
    ):
        tap.frame(0.0, "up", text)
    for body in (deep, {"x": 1 << 70}, {"x": "\ud800"}, {1: 2}, {"x": object}):
        history.add(0.0, "truth", "cs", "odd", body)  # type: ignore[arg-type]
    recorder.end({})
    records, end = read_records(tmp_path / "r.jsonl")
    assert len(records) == 11 and end == {}
    assert records[6].body == {"unwritable": "nested too deeply"}
    assert (tmp_path / "r.jsonl").read_bytes().count(b"\n") == 12


def test_a_torn_last_line_is_left_out(tmp_path: Path):
    history = History()
    recorder = Recorder(tmp_path / "r.jsonl", history)
    history.add(1.0, "wire", "cs", "opened", {})
    recorder.end({"verdict": "pass"})
    whole = (tmp_path / "r.jsonl").read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(len(whole)):
        (tmp_path / "r.jsonl").write_bytes(whole[:length])
        records, end = read_records(tmp_path / "r.jsonl")
        assert end is None
        assert len(records) == (1 if length >= first - 1 else 0)
    assert read_end(tmp_path / "none.jsonl") is None


CHILD = """
import sys
from pathlib import Path
from chargekit.lab.recorder import Recorder
from chargekit.world.history import History
history = History()
recorder = Recorder(Path(sys.argv[1]), history)
n = 0
while True:
    history.add(float(n), "wire", "cs", "n", {"n": n})
    n += 1
    print(n, flush=True)
"""


def test_kill_9_loses_nothing_that_was_recorded(tmp_path: Path):
    path = tmp_path / "r.jsonl"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = b""
        limit = time.monotonic() + 20
        while said.count(b"\n") < 50 and time.monotonic() < limit:
            said += os.read(child.stdout.fileno(), 65536)
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read()
    told = said.count(b"\n")
    records, end = read_records(path)
    assert end is None and told >= 50
    assert len(records) >= told and [r.body["n"] for r in records] == list(range(len(records)))
