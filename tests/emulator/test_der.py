"""DER controls (R04), and the messages of 2.1 answered by the table."""

import pytest
from tests.emulator.desk import Desk, at

from chargekit.emulator.services_der import in_force
from chargekit.emulator.services_table import ROWS

SOFT = {"controlType": "Gradients", "gradient": {"priority": 1, "gradient": 1, "softGradient": 1}}
CURVE = {"curveData": [{"x": 1, "y": 2}], "yUnit": "PctMaxW"}


def curve(desk, ident, priority, start=None, duration=None, kind="VoltVar", *, default=False, **more):
    body = {**CURVE, "priority": priority} | ({"startTime": at(start)} if start is not None else {})
    body |= {"duration": duration} if duration is not None else {}
    return desk.ask("SetDERControl", isDefault=default, controlId=ident, controlType=kind, curve=body, **more)


def started(desk):
    return [(p["controlId"], p["started"], p.get("supersededIds")) for p in desk.said("NotifyDERStartStop")]


def force(desk, kind="VoltVar"):
    found = in_force(desk.station, kind)
    return found["id"] if found else None


def test_a_better_default_takes_the_place_of_the_old_one():
    """R04.FR.02, FR.03, FR.09, FR.11."""
    desk = Desk("2.1")
    assert curve(desk, "a", 5, default=True) == {"status": "Accepted"}
    assert curve(desk, "b", 2, default=True) == {"status": "Accepted", "supersededIds": ["a"]}
    assert curve(desk, "c", 9, default=True) == {"status": "Accepted", "supersededIds": ["c"]}
    assert force(desk) == "b"
    assert started(desk) == []


def test_a_scheduled_control_starts_ends_and_is_forgotten():
    """R04.FR.05, FR.10, FR.20, FR.22; meanwhile the default rests (FR.04, FR.11)."""
    desk = Desk("2.1")
    curve(desk, "d", 5, default=True)
    assert curve(desk, "s", 5, 100.0, 50.0) == {"status": "Accepted"}
    assert force(desk) == "d"
    desk.run(110.0)
    assert (started(desk), force(desk)) == ([("s", True, None)], "s")
    desk.run(50.0)
    assert (started(desk), force(desk)) == ([("s", False, None)], "d")
    assert [c["id"] for c in desk.station.memory["der"]] == ["d"]


def test_a_default_that_comes_while_a_scheduled_one_runs_waits():
    """R04.FR.04: accepted, and the scheduled one goes on."""
    desk = Desk("2.1")
    curve(desk, "s", 5, 10.0, 100.0)
    desk.run(20.0)
    assert curve(desk, "d", 1, default=True) == {"status": "Accepted"}
    assert force(desk) == "s"
    desk.run(100.0)
    assert force(desk) == "d"


def test_one_that_has_not_begun_is_superseded_at_once():
    """R04.FR.06."""
    desk = Desk("2.1")
    curve(desk, "a", 5, 100.0, 50.0)
    assert curve(desk, "b", 1, 120.0, 50.0)["supersededIds"] == ["a"]
    desk.run(105.0)
    assert started(desk) == []
    desk.run(10.0)
    assert started(desk) == [("b", True, None)]


def test_a_running_one_goes_on_until_the_better_one_begins():
    """R04.FR.07, FR.21; the worse is superseded when it comes (R04.FR.08)."""
    desk = Desk("2.1")
    curve(desk, "a", 5, 10.0, 500.0)
    desk.run(20.0)
    assert "supersededIds" not in curve(desk, "b", 1, 100.0, 50.0)
    assert curve(desk, "c", 9, 40.0, 50.0) == {"status": "Accepted", "supersededIds": ["c"]}
    started(desk)
    desk.run(50.0)
    assert force(desk) == "a"
    desk.run(40.0)
    assert (started(desk), force(desk)) == ([("b", True, ["a"])], "b")


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"controlType": "VoltVar", "curve": {**CURVE, "priority": 1, "startTime": at(5.0)}, "isDefault": True}, "Rejected"),  # FR.12
        ({"controlType": "VoltVar", "curve": {**CURVE, "priority": 1, "duration": 5}, "isDefault": True}, "Rejected"),  # FR.13
        (
            {**SOFT, "isDefault": False},
            "Rejected",
        ),  # FR.15
        ({**SOFT, "isDefault": True}, "Accepted"),
        ({"controlType": "FixedVar", "curve": {**CURVE, "priority": 1}, "isDefault": True}, "Rejected"),  # FR.16
        ({"controlType": "VoltVar", "isDefault": True}, "Rejected"),  # FR.17
    ],
)
def test_what_is_malformed_is_rejected(payload, status):
    """R04.FR.12 to FR.17."""
    assert Desk("2.1").ask("SetDERControl", controlId="x", **payload)["status"] == status


def test_controls_hold_through_a_power_cut():
    """R01.FR.03."""
    desk = Desk("2.1")
    curve(desk, "s", 5, 100.0, 50.0)
    again = desk.restarted()
    again.run(110.0)
    assert force(again) == "s"


def test_getting_controls():
    """R04.FR.30 to FR.37."""
    desk = Desk("2.1")
    assert desk.ask("GetDERControl", requestId=1) == {"status": "NotFound"}
    for number in range(5):
        curve(desk, f"c{number}", number, 500.0, 5.0)
    pf = {"priority": 1, "displacement": 0.9, "excitation": True}
    desk.ask("SetDERControl", isDefault=True, controlId="pf", controlType="FixedPFInject", fixedPFInject=pf)
    service = {"priority": 1, "highVoltage": 1, "lowVoltage": 1, "highFreq": 1, "lowFreq": 1}
    desk.ask("SetDERControl", isDefault=True, controlId="es", controlType="EnterService", enterService=service)
    assert desk.ask("GetDERControl", requestId=2) == {"status": "Accepted"}
    parts = desk.said("ReportDERControl")
    assert [(p["requestId"], p["tbc"]) for p in parts] == [(2, True), (2, False)]
    assert {row["id"] for p in parts for f in ("curve", "fixedPFInject", "enterService") for row in p.get(f, ())} == {
        *(f"c{n}" for n in range(5)), "pf", "es",
    }  # fmt: skip
    assert [row["isSuperseded"] for p in parts for row in p.get("curve", ())] == [False, True, True, True, True]
    desk.ask("GetDERControl", requestId=3, controlType="FixedPFInject", isDefault=True)
    assert [list(p) for p in desk.said("ReportDERControl")] == [["requestId", "tbc", "fixedPFInject"]]


@pytest.mark.parametrize(
    ("more", "status", "left"),
    [
        ({"isDefault": False}, "Accepted", {"d"}),  # FR.44
        ({"isDefault": True, "controlType": "VoltVar"}, "Accepted", {"s"}),  # FR.45
        ({"isDefault": False, "controlId": "s"}, "Accepted", {"d"}),
        ({"isDefault": True, "controlId": "s"}, "NotFound", {"d", "s"}),  # FR.42
        ({"isDefault": True, "controlType": "WattVar"}, "NotFound", {"d", "s"}),  # FR.41
    ],
)
def test_clearing_controls(more, status, left):
    """R04.FR.41 to FR.46."""
    desk = Desk("2.1")
    curve(desk, "d", 1, default=True)
    curve(desk, "s", 1, 5.0, 500.0)
    assert started(desk) == [("s", True, None)]
    assert desk.ask("ClearDERControl", **more) == {"status": status}
    assert {c["id"] for c in desk.station.memory["der"]} == left
    assert started(desk) == ([("s", False, None)] if "s" not in left else [])


TOKEN = {"idToken": "t", "type": "Central"}
ASKED = {
    "AFRRSignal": ({"timestamp": at(0.0), "signal": 3}, ("Rejected", "NoSignalWattCurve")),
    "NotifyAllowedEnergyTransfer": ({"transactionId": "tx-1", "allowedEnergyTransfer": ["DC"]}, ("Accepted", None)),
    "NotifyWebPaymentStarted": ({"evseId": 1, "timeout": 60}, (None, None)),
    "RequestBatterySwap": ({"requestId": 1, "idToken": TOKEN}, ("Rejected", "NoBatteryAvailable")),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.action)
def test_the_table_answers_by_the_spec(row):
    """Q08.FR.11 and others: each row names its clause."""
    payload, expected = ASKED[row.action]
    desk = Desk("2.1")
    desk.charge()
    answer = desk.ask(row.action, **payload)
    assert (answer.get("status"), answer.get("statusInfo", {}).get("reasonCode")) == expected, row.clause
