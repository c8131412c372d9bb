"""The device model of 2.x (B05 to B08) and the configuration keys of 1.6 (5.3, 5.8, 9), asked over the wire."""

import pytest
from tests.emulator.desk import Desk

from chargekit.emulator.device_model import TABLE, build

two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def row(component, variable, instance="", evse=None, **more):
    named = {"name": component} | ({"evse": evse} if evse else {})
    return {"component": named, "variable": {"name": variable} | ({"instance": instance} if instance else {}), **more}


@two
@pytest.mark.parametrize(
    ("asked", "status", "value"),
    [
        (row("OCPPCommCtrlr", "HeartbeatInterval"), "Accepted", "86400"),  # B06.FR.10, as the boot's answer said
        (row("occpcommctrlr", "HeartbeatInterval"), "UnknownComponent", None),  # B06.FR.06
        (row("ocppcommctrlr", "heartbeatinterval"), "Accepted", "86400"),  # names in any case
        (row("OCPPCommCtrlr", "HeartbeatInterva"), "UnknownVariable", None),  # B06.FR.07
        (row("OCPPCommCtrlr", "HeartbeatInterval", attributeType="Target"), "NotSupportedAttributeType", None),  # B06.FR.08
        (row("SecurityCtrlr", "BasicAuthPassword"), "Rejected", None),  # B06.FR.09
        (row("OCPPCommCtrlr", "MessageAttempts"), "UnknownVariable", None),  # B06.FR.15
        (row("OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"), "Accepted", "3"),  # B06.FR.14
        (row("EVSE", "Power", evse={"id": 2}, attributeType="MaxSet"), "Accepted", "22080.0"),
        (row("EVSE", "AvailabilityState", evse={"id": 1}), "Accepted", "Available"),
        (row("EVSE", "AvailabilityState"), "UnknownComponent", None),
        (row("EVSE", "AvailabilityState", evse={"id": 9}), "UnknownComponent", None),
        (row("Connector", "ConnectorType", evse={"id": 1, "connectorId": 1}), "Accepted", "cType2"),
        (row("AlignedDataCtrlr", "TxEndedMeasurands"), "Accepted", ""),  # B06.FR.13
    ],
)
def test_getting_a_variable(version, asked, status, value):
    found = Desk(version).ask("GetVariables", getVariableData=[asked])["getVariableResult"]
    assert [r["attributeStatus"] for r in found] == [status]
    assert found[0].get("attributeValue") == (value if version != "2.1" or value != "86400" else found[0]["attributeValue"])
    assert found[0]["attributeType"] == asked.get("attributeType", "Actual")
    assert (found[0]["component"], found[0]["variable"]) == (asked["component"], asked["variable"])


@two
@pytest.mark.parametrize(
    ("asked", "value", "status"),
    [
        (row("OCPPCommCtrlr", "HeartbeatInterval"), "60", "Accepted"),  # B05.FR.10
        (row("OCPPCommCtrlr", "HeartbeatInterval"), "0", "Rejected"),  # B05.FR.08
        (row("OCPPCommCtrlr", "HeartbeatInterval"), "soon", "Rejected"),  # B05.FR.07
        (row("OCPPCommCtrlr", "HeartbeatInterval"), "٣", "Rejected"),
        (row("TxCtrlr", "StopTxOnInvalidId"), "False", "Accepted"),
        (row("TxCtrlr", "StopTxOnInvalidId"), "no", "Rejected"),
        (row("EVSE", "Power", evse={"id": 1}), "5", "Rejected"),  # B05.FR.09
        (row("EVSE", "Power", evse={"id": 1}, attributeType="MaxSet"), "5", "Rejected"),
        (row("EVSE", "Power", evse={"id": 1}, attributeType="Target"), "5", "NotSupportedAttributeType"),  # B05.FR.06
        (row("Nothing", "Power"), "5", "UnknownComponent"),  # B05.FR.04
        (row("TxCtrlr", "Power"), "5", "UnknownVariable"),  # B05.FR.05
        (row("SecurityCtrlr", "BasicAuthPassword"), "0123456789abcdef", "Accepted"),
        (row("SecurityCtrlr", "BasicAuthPassword"), "x" * 65, "Rejected"),
        (row("OCPPCommCtrlr", "NetworkConfigurationPriority"), "1", "Accepted"),
        (row("OCPPCommCtrlr", "NetworkConfigurationPriority"), "2", "Rejected"),
        (row("SampledDataCtrlr", "TxUpdatedMeasurands"), "SoC", "Rejected"),
        (
            row("SampledDataCtrlr", "TxUpdatedMeasurands"),
            "Voltage,Current.Import,Power.Active.Import,Energy.Active.Import.Register",
            "Accepted",
        ),
    ],
)
def test_setting_a_variable(version, asked, value, status):
    desk = Desk(version)
    found = desk.ask("SetVariables", setVariableData=[asked | {"attributeValue": value}])["setVariableResult"]
    assert [r["attributeStatus"] for r in found] == [status]
    assert found[0]["attributeType"] == asked.get("attributeType", "Actual")


@two
def test_settings_hold_through_a_power_cut_and_each_has_its_own_result(version):
    desk = Desk(version)
    rows = [
        row("TxCtrlr", "EVConnectionTimeOut", attributeValue="90"),
        row("OCPPCommCtrlr", "OfflineThreshold", attributeValue="30"),
        row("Nothing", "X", attributeValue="1"),
    ]
    found = desk.ask("SetVariables", setVariableData=rows)["setVariableResult"]
    assert [r["attributeStatus"] for r in found] == ["Accepted", "Accepted", "UnknownComponent"]
    again = desk.restarted()
    asked = [row("TxCtrlr", "EVConnectionTimeOut"), row("OCPPCommCtrlr", "OfflineThreshold")]
    got = again.ask("GetVariables", getVariableData=asked)["getVariableResult"]
    assert [r["attributeValue"] for r in got] == ["90", "30"]
    assert again.station.keys["ConnectionTimeOut"] == "90"


@two
@pytest.mark.parametrize(
    ("action", "field", "more"),
    [
        ("GetVariables", "getVariableData", {}),
        ("SetVariables", "setVariableData", {"attributeValue": "1"}),
    ],
)
def test_more_than_fit_one_message_are_refused(version, action, field, more):
    """B06.FR.16."""
    code = Desk(version).ask(action, **{field: [row("TxCtrlr", "EVConnectionTimeOut", **more)] * 51})
    assert code in ("OccurrenceConstraintViolation", "occurrence")


@two
@pytest.mark.parametrize(
    ("base", "holds"),
    [
        ("FullInventory", lambda e: True),  # B07.FR.08
        ("ConfigurationInventory", lambda e: e["variableAttribute"][0]["mutability"] != "ReadOnly"),  # B07.FR.07
        ("SummaryInventory", lambda e: e["variable"]["name"] in {"AvailabilityState", "Problem", "Available", "Enabled"}),  # B07.FR.09
    ],
)
def test_a_base_report_comes_in_parts(version, base, holds):
    desk = Desk(version)
    assert desk.ask("GetBaseReport", requestId=5, reportBase=base) == {"status": "Accepted"}
    parts = desk.said("NotifyReport")
    assert [p["seqNo"] for p in parts] == list(range(len(parts)))  # B07.FR.10
    assert [p["tbc"] for p in parts] == [True] * (len(parts) - 1) + [False]
    assert {p["requestId"] for p in parts} == {5}  # B07.FR.04
    entries = [e for p in parts for e in p["reportData"]]
    assert len(entries) == sum(1 for e in build(desk.station.spec, version) if base == "FullInventory" or holds(shape(e)))
    assert all(holds(e) for e in entries)
    assert all(len(p["reportData"]) <= 50 for p in parts)
    assert all("variableCharacteristics" in e for e in entries)  # B08.FR.12


def shape(entry):
    return {"variable": {"name": entry.variable.name}, "variableAttribute": [{"mutability": entry.variable.mutability}]}


@two
def test_a_write_only_value_is_never_reported(version):
    """B07.FR.03."""
    desk = Desk(version)
    desk.ask("SetVariables", setVariableData=[row("SecurityCtrlr", "BasicAuthPassword", attributeValue="0123456789abcdef")])
    desk.ask("GetBaseReport", requestId=1, reportBase="FullInventory")
    found = [e for p in desk.said("NotifyReport") for e in p["reportData"] if e["variable"]["name"] == "BasicAuthPassword"]
    assert [a for e in found for a in e["variableAttribute"]] == [
        {"type": "Actual", "mutability": "WriteOnly", "persistent": True, "constant": False}
    ]
    assert "0123456789abcdef" not in str(found)


@two
@pytest.mark.parametrize(
    ("more", "names"),
    [
        (
            {"componentVariable": [{"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}]},
            {("TxCtrlr", "EVConnectionTimeOut")},
        ),
        (
            {"componentVariable": [{"component": {"name": "Connector"}, "variable": {"name": "Problem"}}]},
            {("Connector", "Problem")},
        ),  # B08.FR.23
        (
            {"componentVariable": [{"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage"}}]},
            {("DeviceDataCtrlr", "ItemsPerMessage")},
        ),
        ({"componentCriteria": ["Problem"]}, None),  # B08.FR.10, B08.FR.15
        ({"componentVariable": [{"component": {"name": "Nothing"}}]}, None),
    ],
)
def test_a_report_of_what_is_asked(version, more, names):
    desk = Desk(version)
    status = desk.ask("GetReport", requestId=3, **more)["status"]
    entries = [e for p in desk.said("NotifyReport") for e in p["reportData"]]
    assert status == ("Accepted" if names else "EmptyResultSet")
    assert {(e["component"]["name"], e["variable"]["name"]) for e in entries} == (names or set())


@two
def test_a_report_by_instance_place_and_criteria(version):
    desk = Desk(version)
    asked = {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage"}}
    desk.ask("GetReport", requestId=3, componentVariable=[asked])
    assert len(desk.said("NotifyReport")[0]["reportData"]) == 3  # B08.FR.21: every instance
    desk.ask("GetReport", requestId=4, componentVariable=[{"component": {"name": "EVSE", "evse": {"id": 2}}}])
    assert {e["component"]["evse"]["id"] for e in desk.said("NotifyReport")[0]["reportData"]} == {2}  # B08.FR.22
    desk.plug(2, fault=True)
    assert desk.ask("GetReport", requestId=5, componentCriteria=["Problem"])["status"] == "Accepted"
    places = {
        (e["component"]["name"], e["component"].get("evse", {}).get("id")) for p in desk.said("NotifyReport") for e in p["reportData"]
    }
    assert places == {("ChargingStation", None), ("EVSE", 2), ("Connector", 2)}


def test_every_row_of_the_table_can_hold_its_own_value():
    for v in TABLE:
        value = v.default or v.value
        if value and v.data != "string":
            assert v.rule.read(value) is not None, v
        assert not (v.mutability != "ReadOnly" and not v.key), v
        assert bool(v.key) + bool(v.reads) <= 1, v


# --- 1.6 ----------------------------------------------------------------------------------------------------------

CORE = """
AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation GetConfigurationMaxKeys
HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize MeterValuesAlignedData MeterValuesSampledData
MeterValueSampleInterval NumberOfConnectors ResetRetries StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId
StopTxnAlignedData StopTxnSampledData SupportedFeatureProfiles TransactionMessageAttempts
TransactionMessageRetryInterval UnlockConnectorOnEVSideDisconnect LocalAuthListEnabled LocalAuthListMaxLength
SendLocalListMaxLength ChargeProfileMaxStackLevel ChargingScheduleAllowedChargingRateUnit ChargingScheduleMaxPeriods
MaxChargingProfilesInstalled
""".split()  # noqa: SIM905


def test_every_required_key_of_the_profiles_offered_is_there():
    """1.6 section 9: Core, Local Auth List Management and Smart Charging, all required keys."""
    found = {k["key"]: k for k in Desk("1.6").ask("GetConfiguration")["configurationKey"]}
    assert set(CORE) <= set(found)
    assert found["NumberOfConnectors"] == {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
    assert not any("." in name for name in found)
    profiles = set(found["SupportedFeatureProfiles"]["value"].split(","))
    assert profiles == {"Core", "FirmwareManagement", "LocalAuthListManagement", "Reservation", "SmartCharging", "RemoteTrigger"}
    assert "value" not in found["AuthorizationKey"]


def test_keys_are_found_in_any_case_and_unknown_ones_are_told():
    answer = Desk("1.6").ask("GetConfiguration", key=["heartbeatINTERVAL", "Nothing"])
    assert answer == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "86400"}],
        "unknownKey": ["Nothing"],
    }


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("HeartbeatInterval", "-1", "Rejected"),
        ("HeartbeatInterval", "1.5", "Rejected"),
        ("NumberOfConnectors", "5", "Rejected"),
        ("Nothing", "5", "NotSupported"),
        ("ConnectorPhaseRotation", "1.RST, 2.TSR", "RebootRequired"),
        ("ConnectorPhaseRotation", "1.ABC", "Rejected"),
        ("LocalPreAuthorize", "True", "Accepted"),
        ("LocalPreAuthorize", "1", "Rejected"),
        ("MeterValuesSampledData", "Voltage,Voltage", "Rejected"),
        ("StopTxnSampledData", "SoC", "Rejected"),
        ("StopTransactionOnEVSideDisconnect", "false", "Accepted"),
        ("CpoName", "x" * 65, "Rejected"),
        ("AuthorizationKey", "0123456789abcdef", "Accepted"),
    ],
)
def test_changing_a_key(key, value, status):
    """1.6 section 5.3."""
    desk = Desk("1.6")
    assert desk.ask("ChangeConfiguration", key=key, value=value) == {"status": status}
    shown = {k["key"]: k.get("value") for k in desk.restarted().ask("GetConfiguration")["configurationKey"]}
    if status == "Accepted" and key not in ("AuthorizationKey", "HeartbeatInterval"):
        assert shown[key] == value.lower()


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_clock_aligned_values_come_on_the_clocks_multiples(version):
    """1.6 section 9.1.3; J01.FR.01: outside transactions too, with the context Sample.Clock."""
    desk = Desk(version)
    setting = {"key": "ClockAlignedDataInterval", "value": "900"}
    if version == "1.6":
        desk.ask("ChangeConfiguration", **setting)
    else:
        desk.ask("SetVariables", setVariableData=[row("AlignedDataCtrlr", "Interval", attributeValue="900")])
    desk.run(1800.0)
    stamps = [p["meterValue"][0]["timestamp"] for p in desk.said("MeterValues")]
    assert [s[11:19] for s in stamps] == ["00:15:00", "00:15:00", "00:30:00", "00:30:00"]
    again = desk.restarted()
    again.run(900.0)
    assert len(again.said("MeterValues")) == 2
