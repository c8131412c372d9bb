"""`chargekit kpi`: runs side by side, what `simulate` leaves behind, and one line with 64 for files that are none of ours."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from tests.judge.runs import EPOCH, Run

from chargekit.faces.kpi import RUN_FILE, columns_of, compare, read_facts
from chargekit.faces.simulation import simulate
from chargekit.judge.kpi import by_key, figures
from chargekit.model.located import BadInput

CHARGEKIT = Path(sys.executable).with_name("chargekit")


def shown(runs: list[Path], as_json: Path | None = None) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    compare(runs, as_json, console=console)
    return console.export_text()


def small(path: Path, kwh: float = 10, **more: object) -> Path:
    run = Run(**more)  # type: ignore[arg-type]
    run.stay(0, "a", "EMP-1", "employee", 3600, 8000, kwh=kwh, stated=3600)
    return run.end(7200).write(path)


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    one, other = small(tmp_path / "one.jsonl", kwh=8), small(tmp_path / "other.jsonl", kwh=10)
    text = shown([one, other], tmp_path / "out.json")
    line = next(line for line in text.splitlines() if line.startswith("missed_departures[all]"))
    assert line.split() == ["missed_departures[all]", "0.00", "%", "100.00", "%"]
    assert "one (one)" in text and "one (other)" in text
    data = json.loads((tmp_path / "out.json").read_text())
    assert [run["file"] for run in data["runs"]] == [str(one), str(other)]
    found = {f["name"]: f for f in data["runs"][1]["figures"] if f["of"] in ("", "all")}
    assert (found["energy"]["value"], found["energy"]["unit"]) == (8.0, "kWh")
    assert found["energy_delivered"]["numerator"] == 8.0
    assert len(data["triggers"]) == 10  # two runs of the same day are two policies, not two days


def test_runs_that_follow_each_other_share_their_review(tmp_path: Path) -> None:
    one = small(tmp_path / "one.jsonl")
    other = small(tmp_path / "other.jsonl", epoch=EPOCH + timedelta(days=1))
    shown([other, one], tmp_path / "out.json")
    assert len(json.loads((tmp_path / "out.json").read_text())["triggers"]) == 5


def test_what_fired_is_shown_with_its_records(tmp_path: Path) -> None:
    text = shown([small(tmp_path / "one.jsonl", queue_days=1, sources={"queue": "portfolio.yaml:14"})])
    assert "review one: queue conflicts or missed windows: on 1 of 1 days" in text
    assert "threshold 1 days (portfolio.yaml:14)" in text
    assert f"{tmp_path / 'one.jsonl'}: records " in text
    assert "4 of 5 review triggers did not fire" in text


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    whole = small(tmp_path / "one.jsonl")
    (tmp_path / "torn.jsonl").write_bytes(whole.read_bytes() + b'{"seq": 99, "t": 7')
    assert figures(read_facts(tmp_path / "torn.jsonl")) == figures(read_facts(whole))


def test_a_compressed_file_cut_short_shows_what_it_has(tmp_path: Path) -> None:
    packed = gzip.compress(small(tmp_path / "one.jsonl").read_bytes())
    (tmp_path / RUN_FILE).write_bytes(packed[:-20])
    assert read_facts(tmp_path / RUN_FILE).records > 1


LINE = '{"seq": 1, "t": 1.0, "witness": "rig", "subject": "one", "kind": "plug", "body": {}}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: a record file expected, found nothing"),
        ("hello\n", ":1: a record as JSON expected"),
        ("[1, 2]\n", ":1: a record (a table) expected, found list"),
        ('{"verdicts": []}\n', ":1: a record with 'seq' (a whole number) expected, found none"),
        (LINE, ":1: the run's site (rig, site) expected first, found rig, plug"),
        (LINE.replace("plug", "site"), ":1: this head says too little of its site: KeyError: 'circuits'"),
        ("HEAD" + LINE.replace("1.0", "true"), ":2: a record with 't' (run seconds) expected, found True"),
        ("HEAD" + LINE.replace("1.0", "-4"), ":2: 't' of at least 0 expected, found -4"),
        ("HEAD" + LINE, ":2: this is no record 'rig plug': KeyError 'station'"),
        (
            "HEAD" + LINE.replace('"plug"', '"turned_away"').replace("{}", '{"at": "x", "class": 1}'),
            ":2: this is no record 'rig turned_away'",
        ),
        ("HEADnonsense\n", ":2: a record as JSON expected"),
    ],
)
def test_a_foreign_file_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    head = small(tmp_path / "good.jsonl").read_text().splitlines()[0] + "\n"
    (tmp_path / "bad.jsonl").write_text(text.replace("HEAD", head))
    with pytest.raises(BadInput) as refused:
        read_facts(tmp_path / "bad.jsonl")
    assert f"bad.jsonl{says}" in str(refused.value)


def test_the_command_ends_with_one_line_and_64(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("hello\n")
    (tmp_path / "packed.jsonl.gz").write_bytes(b"hello")
    (tmp_path / "empty").mkdir()
    for name, says in (
        ("bad.jsonl", "bad.jsonl:1: a record as JSON expected"), ("packed.jsonl.gz", "can't be read"), ("empty", "holds no records"),
        ("missing", "is not there"),
    ):  # fmt: skip
        ended = subprocess.run([CHARGEKIT, "kpi", name], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stdout) == (64, ""), ended
        assert says in ended.stderr and len(ended.stderr.strip().splitlines()) == 1


def test_what_a_simulation_sums_up_is_what_its_records_say(tmp_path: Path) -> None:
    folder = simulate("multifamily", 1, 3, None, 6, tmp_path / "run", quiet=True)
    summary = json.loads((folder / "simulation.json").read_text())
    (column,) = columns_of([folder])
    assert summary["figures"] == json.loads(json.dumps([one.plain() for one in column.made]))
    got = by_key(column.made)
    assert (got["energy[resident]"].value or 0.0) > 1.0
    assert summary["classes"]["resident"]["energy_kwh"] == round(got["energy[resident]"].value or 0.0, 3)
    assert got["session_success"].value is not None
    plugs = gzip.decompress((folder / RUN_FILE).read_bytes()).count(b'"kind":"plug"')
    assert sum(1 for _ in column.facts.visits) == plugs
    again = simulate("multifamily", 1, 3, None, 6, tmp_path / "again", quiet=True)
    assert (again / RUN_FILE).read_bytes() == (folder / RUN_FILE).read_bytes()
    assert "Shared figures, from the records" in (folder / "report.html").read_text()


def test_runs_of_one_site_have_names_that_tell_them_apart(tmp_path: Path) -> None:
    files = []
    for folder in ("one", "two"):
        (tmp_path / folder / "records").mkdir(parents=True)
        for case in ("CK-A-1", "CK-B-2"):
            files.append(Run().end(100).write(tmp_path / folder / "records" / f"{case}--one.jsonl"))
    assert [column.name for column in columns_of(files[:1])] == ["one"]
    assert [column.name for column in columns_of(files[:2])] == ["one (CK-A-1)", "one (CK-B-2)"]
    assert [column.name for column in columns_of([files[0], files[2]])] == ["one (one/CK-A-1)", "one (two/CK-A-1)"]
    assert columns_of([files[0], files[0]])[0].name.endswith("#1")


def test_rows_of_one_figure_stand_in_their_own_order_and_counts_are_whole(tmp_path: Path) -> None:
    one, two = Run(), Run()
    one.stay(0, "a", "EMP-1", "employee", 100, 2000)
    one.add(20, "controller", "a", "idle", {"class": "employee", "what": "asked"})
    two.stay(0, "a", "X-1", "guest", 100, 2000)
    lines = shown([run.end(1000).write(tmp_path / f"{n}.jsonl") for n, run in enumerate((one, two))]).splitlines()
    rows = [line.split()[0] for line in lines if line.startswith(("energy[", "fault"))]
    assert rows == ["energy[employee]", "energy[guest]", "energy[all]", "faults[all]", "faults_open"]
    assert next(line for line in lines if line.startswith("idle_asked")).split()[1:] == ["1", "session", "–"]
