"""Monitoring of variables (N02 to N08) and periodic event streams (N11 to N15)."""

import pytest
from tests.emulator.desk import Desk

from chargekit.world.events import Closed, Opened, Wake

two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
STATE = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AvailabilityState"}}
PROBLEM = {"component": {"name": "ChargingStation"}, "variable": {"name": "Problem"}}


def monitor(about, kind, value, severity=5, **more):
    return {**about, "type": kind, "value": value, "severity": severity, **more}


def setting(desk, *rows):
    return desk.ask("SetVariableMonitoring", setMonitoringData=list(rows))["setMonitoringResult"]


def events(desk):
    return [e for p in desk.said("NotifyEvent") for e in p["eventData"]]


@two
@pytest.mark.parametrize(
    ("row", "status"),
    [
        (monitor(POWER, "UpperThreshold", 5000), "Accepted"),  # N04.FR.08
        (monitor({**POWER, "component": {"name": "Nothing"}}, "UpperThreshold", 1), "UnknownComponent"),  # N04.FR.03
        (monitor({**POWER, "variable": {"name": "Nothing"}}, "UpperThreshold", 1), "UnknownVariable"),  # N04.FR.04
        (monitor(STATE, "UpperThreshold", 1), "UnsupportedMonitorType"),  # N04.FR.05
        (monitor({"component": {"name": "ClockCtrlr"}, "variable": {"name": "DateTime"}}, "Delta", 1), "UnsupportedMonitorType"),
        (monitor(POWER, "LowerThreshold", -1), "Rejected"),  # N04.FR.06
        (monitor(POWER, "Delta", -1), "Rejected"),  # N04.FR.14
        (monitor(POWER, "Periodic", 0), "Rejected"),
        (monitor(POWER, "Delta", 1, severity=10), "Rejected"),
        (monitor(POWER, "Delta", 1, id=77), "Rejected"),  # N04.FR.13
    ],
)
def test_setting_a_monitor(version, row, status):
    found = setting(Desk(version), row)
    assert [(r["status"], r["type"], r["severity"]) for r in found] == [(status, row["type"], row["severity"])]
    assert ("id" in found[0]) == (status == "Accepted" or "id" in row)  # N04.FR.11


@two
def test_the_same_monitor_twice_is_a_duplicate_and_an_id_replaces_its_own(version):
    desk = Desk(version)
    ident = setting(desk, monitor(POWER, "Delta", 100))[0]["id"]
    assert setting(desk, monitor(POWER, "Delta", 50))[0]["status"] == "Duplicate"  # N04.FR.10
    assert setting(desk, monitor(POWER, "Delta", 50, id=ident))[0]["status"] == "Accepted"  # N04.FR.12
    assert setting(desk, monitor(STATE, "Delta", 1, id=ident))[0]["status"] == "Rejected"  # N04.FR.16
    assert list(desk.restarted().station.memory["monitors"]) == [str(ident)]  # N07.FR.13


@two
def test_a_threshold_fires_once_and_is_cleared_once(version):
    """N07.FR.16, N07.FR.02, N07.FR.06; a measured value is looked at every ten seconds."""
    desk = Desk(version)
    ident = setting(desk, monitor(POWER, "UpperThreshold", 5000))[0]["id"]
    desk.taps[1].power_w = 6000.0
    desk.run(30.0)
    (event,) = events(desk)
    assert (event["trigger"], event["actualValue"], event["variableMonitoringId"]) == ("Alerting", "6000.0", ident)
    assert event["eventNotificationType"] == "CustomMonitor" and "cleared" not in event
    assert event.get("severity") == (5 if version == "2.1" else None)  # N07.FR.20
    desk.taps[1].power_w = 0.0
    desk.run(30.0)
    assert [(e["trigger"], e["cleared"]) for e in events(desk)] == [("Alerting", True)]
    desk.taps[1].power_w = 6000.0
    desk.run(10.0)
    events(desk)
    desk.ask("ClearVariableMonitoring", id=[ident])
    desk.taps[1].power_w = 0.0
    desk.run(30.0)
    assert events(desk) == []  # N07.FR.12


@two
def test_a_delta_fires_on_change(version):
    """N07.FR.18 for numbers, N07.FR.19 for the rest."""
    desk = Desk(version)
    setting(desk, monitor(POWER, "Delta", 1000), monitor(STATE, "Delta", 1), monitor(PROBLEM, "Delta", 1))
    desk.taps[1].power_w = 900.0
    desk.run(10.0)
    assert events(desk) == []
    desk.taps[1].power_w = 1001.0
    desk.run(10.0)
    assert [e["actualValue"] for e in events(desk)] == ["1001.0"]
    desk.plug()
    assert [(e["trigger"], e["actualValue"]) for e in events(desk)] == [("Delta", "Occupied")]
    desk.plug(fault=True)
    assert {(e["variable"]["name"], e["actualValue"]) for e in events(desk)} == {("AvailabilityState", "Faulted"), ("Problem", "true")}


@two
@pytest.mark.parametrize(("kind", "when"), [("Periodic", [60.0, 120.0]), ("PeriodicClockAligned", [54.0, 114.0])])
def test_a_periodic_monitor_fires_by_the_clock(version, kind, when):
    """N08.FR.05 to FR.07: set at 6 s of the day."""
    desk = Desk(version)
    setting(desk, monitor(POWER, kind, 60))
    desk.run(125.0)
    found = events(desk)
    assert [e["trigger"] for e in found] == ["Periodic", "Periodic"]
    assert [e["timestamp"][14:19] for e in found] == [f"{int((6 + w) // 60):02}:{int((6 + w) % 60):02}" for w in when]


@two
def test_severity_and_transactions_hold_events_back(version):
    """N05.FR.03, N07.FR.15; a monitor for transactions sleeps outside one."""
    desk = Desk(version)
    setting(desk, monitor(STATE, "Delta", 1, severity=6))
    assert desk.ask("SetMonitoringLevel", severity=5) == {"status": "Accepted"}
    assert desk.ask("SetMonitoringLevel", severity=10)["status"] == "Rejected"  # N05.FR.02
    desk.plug()
    assert events(desk) == []
    desk.ask("SetMonitoringLevel", severity=9)
    setting(desk, monitor(POWER, "UpperThreshold", 1, transaction=True))
    desk.taps[1].power_w = 100.0
    desk.run(20.0)
    assert events(desk) == []
    tx = desk.charge()
    desk.run(20.0)
    assert [e["transactionId"] for e in events(desk)] == [tx]


@two
@pytest.mark.parametrize(("severity", "told"), [(4, 1), (5, 0)])
def test_offline_events_wait_by_severity(version, severity, told):
    """N07.FR.04, OfflineQueuingSeverity 4."""
    desk = Desk(version)
    setting(desk, monitor(STATE, "Delta", 1, severity=severity))
    desk.event(Closed("csms"))
    desk.plug()
    desk.event(Opened("csms", version))
    desk.event(Wake())
    assert len(events(desk)) == told


@two
def test_clearing_answers_every_id(version):
    """N06.FR.01, FR.02, FR.05."""
    desk = Desk(version)
    ident = setting(desk, monitor(POWER, "Delta", 100))[0]["id"]
    found = desk.ask("ClearVariableMonitoring", id=[ident, 9])["clearMonitoringResult"]
    assert found == [{"id": ident, "status": "Accepted"}, {"id": 9, "status": "NotFound"}]


@two
def test_the_monitoring_base(version):
    """N03.FR.03 to FR.05, N04.FR.15."""
    desk = Desk(version)
    setting(desk, monitor(POWER, "Delta", 100))
    for base, ids in [("All", {"1", "2", "100"}), ("FactoryDefault", {"1", "2"}), ("HardWiredOnly", set())]:
        assert desk.ask("SetMonitoringBase", monitoringBase=base) == {"status": "Accepted"}
        assert set(desk.station.memory.get("monitors", ())) == ids
    desk.ask("SetMonitoringBase", monitoringBase="All")
    assert desk.station.memory["monitors"]["1"]["kind"] == "PreconfiguredMonitor"
    assert setting(desk, monitor(PROBLEM, "Delta", 1, severity=1, id=1))[0]["status"] == "Accepted"
    assert desk.station.memory["monitors"]["1"]["kind"] == "CustomMonitor"


@two
@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, {1, 2, 100, 101}),  # N02.FR.11
        ({"monitoringCriteria": ["ThresholdMonitoring"]}, {100}),  # N02.FR.12
        ({"monitoringCriteria": ["PeriodicMonitoring", "ThresholdMonitoring"]}, {100, 101}),
        ({"componentVariable": [{"component": {"name": "EVSE"}}]}, {100, 101}),  # N02.FR.16
        ({"componentVariable": [{"component": {"name": "Connector"}}]}, set()),  # N02.FR.10
    ],
)
def test_a_monitoring_report(version, more, ids):
    desk = Desk(version)
    desk.ask("SetMonitoringBase", monitoringBase="All")
    setting(desk, monitor(POWER, "UpperThreshold", 100), monitor(STATE, "Periodic", 100))
    status = desk.ask("GetMonitoringReport", requestId=8, **more)["status"]
    parts = desk.said("NotifyMonitoringReport")
    assert status == ("Accepted" if ids else "EmptyResultSet")
    assert {m["id"] for p in parts for row in p["monitor"] for m in row["variableMonitoring"]} == ids
    assert [p["seqNo"] for p in parts] == list(range(len(parts)))  # N02.FR.09


# --- streams ------------------------------------------------------------------------------------------------------


def streaming(answer="Accepted", **params):
    desk = Desk("2.1")
    desk.replies["OpenPeriodicEventStream"] = {"status": answer}
    ident = setting(desk, monitor(POWER, "Periodic", 10, periodicEventStream=params))[0]["id"]
    return desk, ident


def test_a_stream_is_opened_filled_and_closed():
    """N11.FR.02, N15.FR.04, N15.FR.08, N15.FR.09, N13.FR.03, N13.FR.05."""
    desk, ident = streaming(values=3)
    (opened,) = desk.said("OpenPeriodicEventStream")
    assert opened["constantStreamData"] == {"id": 1, "params": {"values": 3}, "variableMonitoringId": ident}
    desk.run(45.0)
    (told,) = desk.said("NotifyPeriodicEventStream")
    assert [d["t"] for d in told["data"]] == [0, 10, 20] and told["pending"] == 0
    assert events(desk) == []
    desk.heard.clear()
    desk.ask("ClearVariableMonitoring", id=[ident])
    assert [a for a, _ in desk.heard] == ["NotifyPeriodicEventStream", "ClosePeriodicEventStream"]
    assert desk.ask("GetPeriodicEventStream") == {}


def test_a_stream_by_interval_sends_no_more_than_its_values():
    """N15.FR.06, N15.FR.07, N15.FR.04."""
    desk, _ = streaming(interval=60)
    desk.run(61.0)
    (told,) = desk.said("NotifyPeriodicEventStream")
    assert len(told["data"]) in (5, 6)
    assert desk.ask("AdjustPeriodicEventStream", id=1, params={"interval": 30}) == {"status": "Accepted"}  # N14.FR.03
    desk.run(61.0)
    assert len(desk.said("NotifyPeriodicEventStream")) == 2


@pytest.mark.parametrize(("ident", "params"), [(9, {"interval": 5}), (1, {})])
def test_a_stream_is_not_adjusted_to_nothing(ident, params):
    """N14.FR.02."""
    desk, _ = streaming(interval=60)
    assert desk.ask("AdjustPeriodicEventStream", id=ident, params=params)["status"] == "Rejected"
    assert desk.ask("GetPeriodicEventStream")["constantStreamData"][0]["params"] == {"interval": 60}  # N12.FR.01


def test_a_stream_the_csms_refuses_is_told_by_events():
    """N11.FR.07."""
    desk, _ = streaming("Rejected", values=3)
    desk.run(25.0)
    assert [e["trigger"] for e in events(desk)] == ["Periodic", "Periodic"]
    assert desk.said("NotifyPeriodicEventStream") == []


def test_a_monitor_set_again_without_a_stream_closes_it():
    """N13.FR.06."""
    desk, ident = streaming(values=3)
    setting(desk, monitor(POWER, "Periodic", 10, id=ident))
    assert desk.said("ClosePeriodicEventStream") == [{"id": 1}]
    desk.run(15.0)
    assert len(events(desk)) == 1
