"""The list of what a station sends, answers and refuses, held against the source and against a station that is asked everything."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import orjson
import pytest
from tests.emulator.desk import Desk
from tests.wire.origins import OF_A_CSMS, SENT
from tests.wire.payloads import least

import chargekit.emulator
from chargekit.emulator.capabilities import SENDS, answered, answered_by, refused, sent
from chargekit.wire import VERSIONS, codec, schemas
from chargekit.world.events import Frame, Send

NEVER_SENT = {
    "1.6": {"DataTransfer"},
    "2.0.1": {"DataTransfer", "NotifyEVChargingNeeds", "NotifyEVChargingSchedule"},
}
NEVER_SENT["2.1"] = NEVER_SENT["2.0.1"] | {
    "BatterySwap", "GetCertificateChainStatus", "NotifyDERAlarm", "NotifySettlement", "VatNumberValidation"
}  # fmt: skip
"""What a station might send and this one never does."""
AMISS = {("1.6", "SetChargingProfile"): "OccurenceConstraintViolation"}
"""CALLERRORs of answered calls whose least payload makes no sense (a schedule without periods); anything else is a CALLRESULT."""


@cache
def literals() -> frozenset[str]:
    """Every text in the emulator's source that stands by itself, but for what services are registered for and the list itself."""
    found = set()
    for path in Path(chargekit.emulator.__file__).parent.glob("*.py"):
        if path.stem == "capabilities":
            continue
        tree = ast.parse(path.read_text())
        registered = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for d in f.decorator_list for n in ast.walk(d)}
        found |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in registered}
    return frozenset(found)


def outcome(version: str, action: str) -> tuple[str, dict]:
    """The code, or an empty one and the answer."""
    desk = Desk(version)
    (back,) = back_of(desk, [2, "ask", action, least(version, action, "req")])
    assert back[1] == "ask"
    return (back[2], {}) if back[0] == 4 else ("", back[2])


def back_of(desk: Desk, frame: list) -> list[list]:
    """What answers a frame; what the station calls by itself is left out."""
    effects = desk.station.on(Frame("csms", orjson.dumps(frame).decode()), desk.now)
    frames = [orjson.loads(e.text) for e in effects if isinstance(e, Send)]
    return [f for f in frames if f[0] in (3, 4, 5)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_of_the_schemas_is_sent_by_somebody_and_answered_or_refused(version):
    sends = {"NotifyPeriodicEventStream"} if version == "2.1" else set()
    assert answered(version) == {*OF_A_CSMS[version], "DataTransfer"}
    assert refused(version) == dict.fromkeys(sorted({*SENT[version]} - {"DataTransfer"}), "NotSupported") | dict.fromkeys(
        sends, "NotImplemented"
    )
    assert answered(version) | set(refused(version)) == schemas.actions(version)
    assert sent(version) == {*SENT[version], *sends} - NEVER_SENT[version]


def test_what_is_sent_stands_in_the_source_and_nothing_else_does():
    facts = {action for version in VERSIONS for action in codec(version).FACTS}
    sendable = {action for version in VERSIONS for action in SENT[version]} | {"NotifyPeriodicEventStream"}
    assert set(SENDS) == {action for action in sendable if action in literals() or action in facts}
    assert all(not action[0].islower() and when for action, when in SENDS.items())


@pytest.mark.parametrize(("version", "action"), [(v, a) for v in VERSIONS for a in sorted({*OF_A_CSMS[v], "DataTransfer"})])
def test_what_a_csms_may_ask_is_answered(version, action):
    code, answer = outcome(version, action)
    assert code == AMISS.get((version, action), ""), answer
    if not code:
        assert schemas.check(version, action, "conf", answer) == []
    assert answered_by(version, action)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_rest_gets_exactly_the_error_of_the_list(version):
    desk = Desk(version)
    got = {}
    for number, action in enumerate(refused(version)):
        ((kind, ident, got[action], *_),) = back_of(desk, [2, f"r{number}", action, least(version, action, "req")])
        assert (kind, ident) == (4, f"r{number}")
    assert got == refused(version)
    for number, action in enumerate(["Nonsense", "RemoteStartTransaction" if version != "1.6" else "RequestStartTransaction"]):
        ((kind, _, code, *_),) = back_of(desk, [2, f"n{number}", action, {}])
        assert (kind, code) == (4, "NotImplemented")


def test_a_send_is_never_answered():
    told = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "230.4"}]}
    assert back_of(Desk("2.1"), [6, "s", "NotifyPeriodicEventStream", told]) == []


def test_where_an_answer_comes_from_is_said():
    assert answered_by("1.6", "SetChargingProfile") == "orders"
    assert answered_by("1.6", "GetConfiguration") == "services_configuration"
    assert answered_by("2.0.1", "GetVariables") == "services_device"
    assert answered_by("2.0.1", "Reset") == "orders, services_transactions"
    assert answered_by("2.1", "RequestBatterySwap") == "services_table: S02.FR.04: no batteries to swap"
    with pytest.raises(KeyError):
        answered_by("1.6", "Heartbeat")
