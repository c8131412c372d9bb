"""The command that runs a trial again: every option that made it what it was, files of secrets by name, never a secret."""

import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from chargekit.faces.credentials import Asked
from chargekit.judge.trial import Setting, reproduce, without_secrets
from chargekit.lab.sitefile import load_site

CHARGEKIT = Path(sys.executable).with_name("chargekit")
WORD = "a-good-long-password"


def run(folder, *args):
    return subprocess.run([CHARGEKIT, *args], cwd=folder, capture_output=True, text=True, timeout=120)


def test_the_options_of_security_are_said_again():
    asked = Asked(3, Path("pw"), Path("ca.pem"), [Path("a.pem"), Path("b.pem")], [Path("a.key"), Path("b.key")], Path("all.yaml"))
    assert shlex.join(asked.words()) == (
        "--security-profile 3 --password-file pw --ca ca.pem --cert a.pem --cert b.pem --key a.key --key b.key --credentials all.yaml"
    )
    assert Asked().words() == []
    assert Asked(0).words() == ["--security-profile", "0"]


@pytest.mark.parametrize(
    ("more", "ends"),
    [
        ({}, "--seed 7"),
        ({"rate": 60.0, "transport": "sockets"}, "--seed 7 --sockets --rate 60"),
        ({"defects": ("ignores-limit",)}, "--seed 7 --defect ignores-limit"),
        ({"rate": 1.0, "csms_url": "wss://x.example:9/ocpp"}, "--seed 7 --rate 1 --csms wss://x.example:9/ocpp"),
        ({"options": ("--listen", "127.0.0.1:9000", "--password-file", "my words")}, "--listen 127.0.0.1:9000 --password-file 'my words'"),
    ],
)
def test_a_trial_is_said_again(more, ends):
    text = reproduce(Setting(load_site("mixed-use"), seed=7, **more), "CK-BOOT-002", "ac-01")
    assert text.startswith("chargekit run mixed-use --case CK-BOOT-002 --subject ac-01 --seed 7") and text.endswith(ends)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://127.0.0.1:9000", "ws://127.0.0.1:9000"),
        ("wss://me:secret@x.example/ocpp?a=b@c", "wss://***@x.example/ocpp?a=b@c"),
        ("wss://me:se@cret@x.example", "wss://***@x.example"),
        ("ws://x.example/a@b", "ws://x.example/a@b"),
        ("nonsense", "nonsense"),
    ],
)
def test_no_secret_of_a_url_is_printed(url, shown):
    assert without_secrets(url) == shown


def test_the_printed_command_runs_the_same_trial_with_the_same_security(tmp_path):
    (tmp_path / "pw").write_text(f"{WORD}\n")
    asked = ["--sockets", "--rate", "300", "--security-profile", "1", "--password-file", "pw"]
    ended = run(tmp_path, "run", "mixed-use", "--case", "CK-BOOT-002", "--subject", "ac-01", *asked, "--out", "first")
    assert ended.returncode == 0, ended.stderr
    (row, *_) = orjson.loads((tmp_path / "first/verdicts.json").read_bytes())["verdicts"]
    again = shlex.split(row["reproduce"])
    assert again == ["chargekit", "run", "mixed-use", "--case", "CK-BOOT-002", "--subject", "ac-01", "--seed", "1", *asked]
    ended = run(tmp_path, *again[1:], "--out", "second")
    assert ended.returncode == 0, ended.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "pw":
            assert WORD not in path.read_text(), path
