"""`chargekit station --capabilities`, and the page of all messages: what they say is what the machines do."""

from __future__ import annotations

import random
import re

import orjson
import pytest
from ci import protocol_table
from tests.wire.origins import OF_A_CSMS, SENT
from tests.wire.payloads import least
from typer.testing import CliRunner

from chargekit.controller.csms import Controller
from chargekit.faces.capabilities import lines, sender_of
from chargekit.faces.cli import app
from chargekit.lab.sitefile import load_site
from chargekit.wire import VERSIONS
from chargekit.world.events import Hand, Opened, Send

COUNTS = {"1.6": 39, "2.0.1": 64, "2.1": 91}
PAGE = protocol_table.PAGE.read_text()


def rows(version):
    """The rows of the page for a version, by message."""
    part = PAGE.partition(f"## OCPP {version}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in part.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in cells[1:]}


@pytest.mark.parametrize("version", VERSIONS)
def test_who_sends_what_is_as_the_texts_say(version):
    found = {line.action: line.sender for line in lines(version)}
    own = {*SENT[version], *({"NotifyPeriodicEventStream"} if version == "2.1" else ())} - {"DataTransfer"}
    assert found == dict.fromkeys(own, "station") | dict.fromkeys(OF_A_CSMS[version], "CSMS") | {"DataTransfer": "both"}
    assert len(found) == COUNTS[version]


def test_lines_say_what_each_side_does():
    by = {line.action: line for line in lines("2.1")}
    assert by["Heartbeat"].station == "sends: every interval; when triggered; called, NotSupported"
    assert by["Heartbeat"].csms == "answers: the time (1.6 section 4.6; G02.FR.03)"
    assert by["GetLog"].station == "answers: services_logs"
    assert by["GetLog"].csms == "sends the payload it is given; called, NotSupported"
    assert by["Reset"].csms == "sends; called, NotSupported"
    assert by["BatterySwap"].station == "never sends; called, NotSupported"
    assert by["NotifyPeriodicEventStream"].station.endswith("called, NotImplemented")
    assert by["NotifyPeriodicEventStream"].csms == "a SEND: not answered; the last 20 values are kept (N15.FR.02)"
    assert by["DataTransfer"].station == "never sends; answers: services_all"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_controller_sends_every_message_of_a_csms(version):
    """Those outside the vocabulary as payloads it is given."""
    site = load_site("mixed-use").site
    csms = Controller(site, site.calendar, random.Random(1))
    for action in [*OF_A_CSMS[version], "DataTransfer"]:
        assert sender_of(version, action) != "station"
        csms.on(Opened("ac-01", version), 0.0)
        payload = least(version, action, "req")
        command = {"kind": "OtherCommand", "action": action, "payload": payload}
        (sent,) = [e for e in csms.on(Hand("command", {"station": "ac-01", "command": command, "ask": "1"}), 1.0) if isinstance(e, Send)]
        assert orjson.loads(sent.text)[2:] == [action, payload]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_command_prints_one_version(version):
    got = CliRunner().invoke(app, ["station", "--capabilities", "--ocpp", version], env={"COLUMNS": "200"})
    assert got.exit_code == 0
    title, head, *shown = got.stdout.splitlines()
    assert title.strip() == f"OCPP {version}" and head.split()[:3] == ["message", "sent", "by"]
    assert [line.split()[0] for line in shown] == sorted({*SENT[version], *OF_A_CSMS[version]} | (
        {"NotifyPeriodicEventStream"} if version == "2.1" else set()
    ))  # fmt: skip


def test_the_command_prints_all_versions_and_refuses_others(capsys):
    got = CliRunner().invoke(app, ["station", "--capabilities"], env={"COLUMNS": "200"})
    assert [line.strip() for line in got.stdout.splitlines() if line.startswith("OCPP")] == ["OCPP 1.6", "OCPP 2.0.1", "OCPP 2.1"]
    assert CliRunner().invoke(app, ["station", "--capabilities", "--ocpp", "3"]).exit_code == 64
    assert CliRunner().invoke(app, ["station"]).exit_code == 64


@pytest.mark.parametrize("version", VERSIONS)
def test_the_page_has_a_row_for_every_message(version):
    found = rows(version)
    assert set(found) == {line.action for line in lines(version)}
    assert found["BootNotification"][0] == "station" and found["BootNotification"][3].startswith("all")
    reset = found["Reset"]
    assert reset[3].startswith("CK-RST-001") and "emulator/test_availability_reset" in reset[4].split(", ")
    assert found["GetLog"][3] == "–" and "emulator/test_firmware" in found["GetLog"][4].split(", ")
    assert [action for action, row in found.items() if row[4] == "–"] == [], "messages no test names"


def test_the_page_lists_what_is_left():
    left = PAGE.partition("## What is left\n")[2]
    for version in VERSIONS:
        assert f"* {version}: calls of a CSMS the station does not answer: none." in left
        assert f"* {version}, the controller, NotSupported: {', '.join(sorted(OF_A_CSMS[version]))}." in left
        refused = sorted({*SENT[version]} - {"DataTransfer"})
        assert f"* {version}, the station, NotSupported: {', '.join(refused)}." in left
    assert "* 1.6: messages the station never sends: DataTransfer." in left
    assert "* 2.1, the station, NotImplemented: NotifyPeriodicEventStream." in left


def test_cases_are_shown_by_what_is_shorter():
    ids = {case.id for case in protocol_table.known_cases()}
    assert protocol_table.which(ids) == "all"
    assert protocol_table.which(ids - {"CK-TX-001", "CK-TX-002", "CK-BOOT-001"}) == "all but CK-BOOT-001, CK-TX-001 to 002"
    assert protocol_table.which({"CK-TX-003", "CK-TX-001"}) == "CK-TX-001, CK-TX-003"
    assert protocol_table.which(set()) == ""
