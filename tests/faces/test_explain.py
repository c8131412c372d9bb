"""`chargekit explain`: what stands on the screen, how a run, a time and a station are named, and what is said of what can't be used."""

import os
import random
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from tests.controller.explained import Small

from chargekit.controller.decisions_log import KIND
from chargekit.faces.explain import explain, moment, record_file
from chargekit.faces.kpi import RUN_FILE
from chargekit.lab.recorder import Recorder
from chargekit.lab.sitefile import load_site
from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput

CHARGEKIT = Path(sys.executable).with_name("chargekit")
EPOCH = datetime(2026, 3, 2, 7, tzinfo=UTC)
NASTY = "\x1b[2J[bold]\u202egpj.exe\r\nFAKE\ud800"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with one record: 41 A, a resident at `a`, a guest at `b` who leads by an override from 60 s to 300 s."""
    folder = tmp_path_factory.mktemp("run")
    before = Path.cwd()
    os.chdir(folder)
    try:
        site = Small(folder, 41)
    finally:
        os.chdir(before)
    recorder = Recorder(folder / "records" / "one.jsonl", site.lab.history)
    site.come(20, "a", "RES-1")
    site.come(30, "b", "GST-1")
    site.lever(60, "create_override", id=NASTY, token="GST-1", until=300.0, who="operations", why=NASTY)
    site.at(400)
    recorder.end({})
    return folder


def chargekit(folder, *args):
    return subprocess.run([CHARGEKIT, "explain", *args], cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_whole_of_an_explanation(run):
    ended = chargekit(run, ".", "--at", "08:00:58", "b")
    assert (ended.returncode, ended.stderr) == (0, "")
    revision = ended.stdout.partition("rules ")[2].partition(";")[0]
    assert ended.stdout == (
        "b/1 gets 8 A of 32 A: phase L1 of circuit grid is full: of 41 A (import limit, policy.yaml:4), 1 A are kept as margin, "
        "32 A go to a/1 of a higher rank.\n\n"
        f"decision    4 of 08:00:47 (47.586 s), unchanged up to 08:00:58, rules {revision}; made again, byte for byte the same\n"
        "session     token GST-1, class guest, since 08:00:32\n"
        "rank        rank 4 of 4: class guest (site_types/mixed_use.yaml:6, site type layer)\n"
        "limit       8 A granted; 6 to 32 A wanted, the outlet gives 32 A; 8 A in force\n"
        "bound by    phase L1 of circuit grid\n"
        "              41 A import limit (site layer, policy.yaml:4)\n"
        "             − 1 A margin: site_types/mixed_use.yaml:16\n"
        "            − 32 A to higher ranks: a/1: rank 2 of 4: class resident (site_types/mixed_use.yaml:6)\n"
        "             − 8 A to itself: b/1: rank 4 of 4: class guest (site_types/mixed_use.yaml:6)\n"
        "             = 0 A left\n"
        "may change  08:15:35: its lease ends: 6 A, unless it is renewed before\n"
        "may change  09:00:00: window every day 09:00-18:00 begins: route_critical, then guest, then employee, then resident "
        "(site_types/mixed_use.yaml:8)\n"
        "if          grid with 6 A more → up to +6 A\n"
    )


def test_after_the_end_of_a_record_nothing_is_said_to_be_unchanged(run, capsys):
    assert explain(run, "07:59", "a") == 0
    assert re.search(r", the last before the record ends at 08:06:\d\d, rules ", capsys.readouterr().out)


def test_the_same_question_has_the_same_answer(run, capsys):
    def answer():
        assert explain(run / "records" / "one.jsonl", "100", "a/1") == 0
        return capsys.readouterr().out

    assert answer() == answer()


def test_hostile_texts_are_inert(run):
    ended = chargekit(run, ".", "--at", "100", "a")
    assert ended.returncode == 0
    assert "32 A go to b/1 of a higher rank" in ended.stdout
    assert "override \ufffd[2J[bold]\ufffdgpj.exe FAKE? gone → up to +" in ended.stdout
    assert not set("\x1b\u202e\r\ud800") & set(ended.stdout)
    assert "\nFAKE" not in ended.stdout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("754", 754.0), ("754.5", 754.5), ("0", 0.0),
        ("08:15", 900.0), ("8:15", 900.0), ("08:15:30", 930.0),
        ("07:59", 86_340.0), ("00:00", 16 * 3600.0),
        ("2026-03-02T08:15", 900.0), ("2026-03-02T07:15:00Z", 900.0), ("2026-03-02 08:15:00+01:00", 900.0), ("2026-03-03T08:00", 86_400.0),
    ],
)  # fmt: skip
def test_a_time_is_run_seconds_a_time_of_day_or_a_date(text, seconds):
    assert moment(text, Calendar(EPOCH, "Europe/Amsterdam"), 1.0) == seconds


@pytest.mark.parametrize("text", ["", "noon", "25:00", "08:75", "2026-13-01T00:00", "nan", "inf", "1e99", "8.15.30"])
def test_any_other_time_is_refused(text):
    with pytest.raises(BadInput, match="--at: run seconds, HH:MM"):
        moment(text, Calendar(EPOCH), 1.0)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((".", "--at", "58", "d"), "'d' is no station of small (known: a, a/1, b, b/1, c, c/1)"),
        ((".", "--at", "58", "a/2"), "'a/2' is no station of small (did you mean 'a/1'?)"),
        ((".", "--at", "0.5", "a"), "--at: nothing was decided by 0.5 (the first decision is of 08:00:01, 1 s)"),
        ((".", "--at", "soon", "a"), "--at: run seconds, HH:MM[:SS] or a date and time expected, found 'soon'"),
        (("nowhere", "--at", "58", "a"), "nowhere is neither a record file nor a run folder"),
        (("policy.yaml", "--at", "58", "a"), "policy.yaml holds no decisions"),
        ((".", "a"), "Missing option '--at'"),
    ],
)
def test_what_cannot_be_meant_ends_with_one_line_and_64(run, args, text):
    ended = chargekit(run, *args)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert text in ended.stderr and len(ended.stderr.strip().splitlines()) == 1


def test_of_several_records_one_is_to_be_named(run, tmp_path):
    (tmp_path / "records").mkdir()
    text = (run / "records" / "one.jsonl").read_bytes()
    for name in ("one", "two"):
        (tmp_path / "records" / f"{name}.jsonl").write_bytes(text)
    (tmp_path / "records" / "none.jsonl").write_text('{"end":{}}\n')
    with pytest.raises(BadInput, match=r"holds 2 records with decisions: name one \(.*one\.jsonl, .*two\.jsonl\)"):
        record_file(tmp_path)
    (tmp_path / "records" / "two.jsonl").unlink()
    assert record_file(tmp_path) == tmp_path / "records" / "one.jsonl"
    (tmp_path / "records" / "one.jsonl").unlink()
    with pytest.raises(BadInput, match="holds no record with decisions"):
        record_file(tmp_path)


def tampered(run, tmp_path, change):
    """The record with one decision, that of the guest's session, changed; the file and the line."""
    lines = (run / "records" / "one.jsonl").read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines):
        row = orjson.loads(line)
        if row.get("kind") == KIND and "b/1" in row["body"].get("demands", {}) and not row["body"]["full"]:
            change(row)
            lines[number] = orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
            break
    path = tmp_path / "tampered.jsonl"
    path.write_bytes(b"".join(lines))
    return path, number + 1


def test_a_tampered_record_is_explained_as_such_with_code_3(run, tmp_path, capsys):
    path, line = tampered(run, tmp_path, lambda row: row["body"]["grants"].__setitem__("b/1", [20.0, 0]))
    assert explain(path, "58", "b") == 3
    shown = capsys.readouterr()
    assert "NOT the same when made again" in shown.out
    assert f"line {line}: decision 3 was altered, or one before it: its digest does not fit" in shown.err
    assert "b/1: recorded 20 A, demand; replayed 8 A, circuit grid 40 A (policy.yaml:4, import limit), phase L1" in shown.err
    assert "is not the one recorded" in shown.err
    # What was decided before it is as it was.
    assert explain(path, "30", "a") == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda row: row["body"].__setitem__("demands", 5), "a decision expected: AttributeError"),
        (
            lambda row: row["body"]["demands"]["b/1"].__setitem__(0, "attic"),
            "a decision expected: ValueError: circuit 'attic'",
        ),
        (lambda row: row.__setitem__("t", "later"), "a decision with `t` in run seconds and a table `body` expected"),
    ],
)
def test_a_record_no_operator_wrote_is_refused_with_its_line(run, tmp_path, change, text):
    path, line = tampered(run, tmp_path, change)
    at_s = orjson.loads((run / "records" / "one.jsonl").read_bytes().splitlines()[line - 1])["t"]
    with pytest.raises(BadInput) as refused:
        explain(path, str(at_s), "b")
    assert str(refused.value).startswith(f"{path}:{line}: {text}")


def test_a_torn_file_is_read_up_to_where_it_is_torn(run, tmp_path, capsys):
    text = (run / "records" / "one.jsonl").read_bytes()
    at = text.rindex(b'"kind":"decided"')
    (tmp_path / "torn.jsonl").write_bytes(text[: at + 20])
    assert explain(tmp_path / "torn.jsonl", "9999", "a") == 0
    assert capsys.readouterr().out.startswith("a/1 ")
    broken = text.replace(b'"kind":"decided"', b'"kind":"decided",,', 1)
    (tmp_path / "broken.jsonl").write_bytes(broken)
    with pytest.raises(BadInput, match=r"broken\.jsonl:\d+: a JSON record expected"):
        explain(tmp_path / "broken.jsonl", "58", "a")


ODD = [
    b"0",
    b"-7",
    b"1e308",
    b"null",
    b'""',
    b'"x"',
    b"[]",
    b"{}",
    b"true",
    b'"Europe"',
    b'"\\u001b[31m"',
    b"123456789012345678901234567890",
]


def test_whatever_stands_in_a_file_there_is_no_traceback(run, tmp_path, capsys):
    """Values of the decisions replaced by others, at random: explained, explained as altered, or refused with file and line."""
    rng = random.Random(11)
    lines = (run / "records" / "one.jsonl").read_bytes().splitlines(keepends=True)
    where = [n for n, line in enumerate(lines) if b'"kind":"decided"' in line]
    path, outcomes = tmp_path / "odd.jsonl", set()
    for _ in range(400):
        made = [lines[n] for n in where]
        number = rng.randrange(len(made))
        values = list(re.finditer(rb'(?<=[\[,:])("(?:[^"\\]|\\.)*"|-?[\d.e+]+|null|true|false)(?=[,\]}])', made[number]))
        value = rng.choice(values)
        made[number] = made[number][: value.start()] + rng.choice(ODD) + made[number][value.end() :]
        path.write_bytes(b"".join(made))
        complaint = f"{path}:"
        try:
            outcomes.add(explain(path, rng.choice(["58", "100", "08:06:30"]), rng.choice("abc")))
        except BadInput as refused:
            outcomes.add("refused")
            complaint = str(refused)
        assert complaint.startswith((f"{path}:", "'", "--at: nothing was decided", f"{path} holds"))
        assert not set("\x1b\u202e") & set(capsys.readouterr().out)
    assert outcomes == {0, 3, "refused"}


def test_a_judged_run_of_a_site_can_be_explained(tmp_path):
    ended = subprocess.run(
        [CHARGEKIT, "run", "mixed-use", "--subject", "mixed-use", "--case", "CK-PRI-101", "--out", "judged", "-q"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = chargekit(tmp_path, "judged", "--at", "08:00:20", "ac-01")
    assert told.returncode == 0 and told.stdout.startswith("ac-01/1 "), told.stderr
    assert "byte for byte the same" in told.stdout


def test_a_simulated_site_can_be_explained(tmp_path, capsys):
    from chargekit.lab.life import live

    life = live(load_site("multifamily", 4), 1, 3, record=tmp_path / RUN_FILE)
    one = next(a for a in life.visits.arrivals if (a.leaves or 0) - a.at > 1800 and a.at < 80_000)
    assert explain(tmp_path, f"{one.at + 600}", f"{one.station}/{one.evse}") == 0
    assert f"token {one.token}, class {one.user_class}" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_said_in_one_line(tmp_path):
    (tmp_path / "run.jsonl.gz").write_bytes(b"not compressed at all")
    with pytest.raises(BadInput, match=r"run\.jsonl\.gz can't be read: "):
        record_file(tmp_path)
    with pytest.raises(BadInput, match=r"run\.jsonl\.gz can't be read: "):
        explain(tmp_path / "run.jsonl.gz", "58", "a")
