"""What real peers send: understood where it can be, Unreadable (never anything else) where it cannot."""

from __future__ import annotations

import json as stdlib_json
import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.model.profile import ChargingProfile, Period, Purpose
from chargekit.wire import Unreadable, codec, schemas
from chargekit.wire.messages import (
    AuthorizeAsked,
    Booted,
    ChargingStateChanged,
    ClearProfile,
    GetComposite,
    GetKeys,
    Metered,
    Other,
    OtherCommand,
    RemoteStart,
    SetKey,
    SetProfile,
    Status,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
)
from chargekit.wire.session import Session

CAL = Calendar(datetime(2026, 1, 1, tzinfo=UTC))
PROFILE = ChargingProfile(1, Purpose.TX_DEFAULT, (Period(0.0, 16.0),), start=0.0)
T0 = "2026-01-01T00:00:10Z"
quick = settings(derandomize=True, deadline=None, max_examples=150)


def sample(*values: dict[str, Any], version: str = "1.6") -> Any:
    place = {"connectorId": 1} if version == "1.6" else {"evseId": 1}
    rows = [{"timestamp": T0, "sampledValue": list(values)}]
    fact = codec(version).read_fact("MeterValues", {**place, "meterValue": rows}, CAL)
    assert isinstance(fact, Metered)
    return fact.samples[0]


def current(value: object, phase: str | None = None, **more: object) -> dict[str, object]:
    return {"value": value, "measurand": "Current.Import"} | ({"phase": phase} if phase else {}) | more


def test_a_current_without_a_phase_is_on_all_three() -> None:
    assert sample(current("16.0", unit="A")).current_a == (16.0, 16.0, 16.0)


def test_a_single_phase_leaves_the_others_without_current() -> None:
    assert sample(current("16.0", "L2")).current_a == (0.0, 16.0, 0.0)


def test_a_figure_not_sent_is_no_number() -> None:
    found = sample({"value": "1234"})
    assert found.energy_wh == 1234.0 and found.t == 10.0
    assert math.isnan(found.power_w) and all(math.isnan(a) for a in found.current_a) and found.soc_percent is None


def test_units_are_brought_to_ours() -> None:
    found = sample(
        current("16000", "L1", unit="mA"),
        {"value": "11.5", "measurand": "Power.Active.Import", "unit": "kW"},
        {"value": "1.5", "measurand": "Energy.Active.Import.Register", "unit": "kWh"},
        {"value": 55, "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": "0.4", "measurand": "Voltage", "phase": "L1-N", "unit": "kV"},
        {"value": "abc", "measurand": "Temperature", "unit": "Celsius"},
        {"value": "0A0B", "format": "SignedData"},
    )
    assert (found.current_a[0], found.power_w, found.energy_wh, found.soc_percent) == (16.0, 11500.0, 1500.0, 55.0)
    assert found.voltage_v == (400.0, 0.0, 0.0)


def test_the_201_multiplier_counts() -> None:
    value = {"value": 1.5, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}}
    assert sample(value, version="2.0.1").power_w == 1500.0


def test_power_is_summed_over_phases_or_taken_from_current_and_voltage() -> None:
    power = [{"value": "100", "measurand": "Power.Active.Import", "phase": f"L{n}"} for n in (1, 2, 3)]
    assert sample(*power).power_w == 300.0
    volts = [{"value": "230", "measurand": "Voltage", "phase": "L1"}]
    assert sample(current("10", "L1"), *volts).power_w == 2300.0


def test_the_outlet_goes_before_other_places() -> None:
    assert sample(current("10", "L1"), current("99", "L1", location="Inlet")).current_a[0] == 10.0


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("NaN", "value: a finite number expected, found 'NaN'"),
        ("inf", "value: a finite number expected, found 'inf'"),
        ("1e999", "value: a finite number expected, found '1e999'"),
        ("sixteen", "value: a number expected, found 'sixteen'"),
        ("", "value: a number expected, found ''"),
        (True, "value: a number expected, found True"),
        ([], "value: a number expected, found a list"),
        (None, "value is missing"),
        ("9" * 400, "value: a finite number expected"),
    ],
)
def test_a_figure_that_is_none_is_unreadable(value: object, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        sample(current(value, "L1"))
    assert caught.value.text.startswith(says)


def test_the_grid_meter_of_the_premises_is_not_the_outlet() -> None:
    upstream = {"unitOfMeasure": {"unit": "A"}, "location": "Upstream"}
    found = sample(current(99.0, "L1", **upstream), current(16.0, "L2", unitOfMeasure={"unit": "A"}), version="2.1")
    assert found.current_a == (0.0, 16.0, 0.0)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(("component", "variable"), [("", "V"), ("C", ""), ("C.D", "V"), ("C", ".V")])
def test_a_variable_that_cannot_be_named_is_unreadable(version: str, component: str, variable: str) -> None:
    row = {"component": {"name": component}, "variable": {"name": variable}}
    with pytest.raises(Unreadable, match="is not the name of a component and its variable"):
        codec(version).read_command("GetVariables", {"getVariableData": [row]}, CAL)


def test_a_wrong_unit_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"unit: 'kWh' does not measure Current\.Import"):
        sample(current("1", "L1", unit="kWh"))


def test_dirty_16_messages_are_understood() -> None:
    read = codec("1.6").read_fact
    boot = {"chargePointVendor": "V" * 99, "chargePointModel": "M", "extra": 1}
    assert read("BootNotification", boot, CAL) == Booted("V" * 99, "M")
    status = {"connectorId": "1", "status": "Charging", "errorCode": "", "timestamp": "2026-01-01T00:00:10"}
    assert read("StatusNotification", status, CAL) == StatusChanged(1, 1, Status.CHARGING, 10.0)
    assert read("StatusNotification", {"connectorId": 0, "status": "Reserved"}, CAL) == StatusChanged(0, 0, Status.OCCUPIED)
    start = {"connectorId": 1.0, "idTag": 42, "meterStart": "17.5", "timestamp": "2026-01-01 01:00:10+01:00"}
    assert read("StartTransaction", start, CAL) == TransactionStarted(1, "42", "", 10.0, 17.5)
    meter = {"connectorId": 1, "transactionId": -1, "meterValue": {"timestamp": T0, "sampledValue": {"value": "5"}}}
    found = read("MeterValues", meter, CAL)
    assert isinstance(found, Metered) and found.tx is None and found.samples[0].energy_wh == 5.0
    assert read("DataTransfer", {"vendorId": "v"}, CAL) == Other("DataTransfer", {"vendorId": "v"})


def event(kind: str, **more: object) -> Any:
    payload = {"eventType": kind, "timestamp": T0, "transactionInfo": {"transactionId": "t"}} | more
    return codec("2.0.1").read_fact("TransactionEvent", payload, CAL)


def test_lean_201_events_are_understood() -> None:
    started = event("Started")
    assert (started.tx, started.token, started.evse) == ("t", "", 0) and math.isnan(started.register_wh)
    state = {"transactionId": "t", "chargingState": "SuspendedEV"}
    assert event("Updated", transactionInfo=state) == ChargingStateChanged(0, "t", Status.SUSPENDED_EV, 10.0)
    assert isinstance(event("Updated"), Other)
    value = {"value": 5, "context": "Sample.Periodic"}
    end = {"value": 9, "context": "Transaction.End"}
    rows = [{"timestamp": T0, "sampledValue": [value, end, value]}]
    assert event("Ended", meterValue=rows).register_wh == 9.0


@pytest.mark.parametrize(
    ("version", "action", "payload", "code", "says"),
    [
        ("1.6", "StatusNotification", {"status": "Charging"}, "occurrence", "connectorId is missing"),
        ("1.6", "StatusNotification", {"connectorId": -1}, "property", "connectorId: at least 0 expected, found -1"),
        ("1.6", "StatusNotification", {"connectorId": 1.5}, "type", "connectorId: a whole number expected, found 1.5"),
        ("1.6", "StatusNotification", {"connectorId": 1e300}, "type", "connectorId: a whole number expected"),
        ("1.6", "StatusNotification", {"connectorId": 1, "status": "Odd"}, "property", "status: 'Odd' is not one of"),
        ("1.6", "MeterValues", {"connectorId": 1}, "occurrence", "meterValue is missing"),
        ("1.6", "Authorize", {"idTag": {}}, "type", "idTag: text expected, found an object"),
        ("1.6", "StartTransaction", {"connectorId": 0}, "property", "connectorId: at least 1 expected"),
        ("2.0.1", "TransactionEvent", {"eventType": "Ended"}, "occurrence", "transactionInfo is missing"),
        ("2.0.1", "Authorize", {"idToken": "x"}, "type", "idToken: an object expected, found 'x'"),
    ],
)
def test_what_cannot_be_understood_says_why(version: str, action: str, payload: Any, code: str, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        codec(version).read_fact(action, payload, CAL)
    assert (caught.value.code, caught.value.text[: len(says)]) == (code, says)


def test_a_bad_time_is_named() -> None:
    for bad, says in (("yesterday", "'yesterday'"), ("2026-13-01T00:00:00Z", "'2026-13"), (5, "5")):
        with pytest.raises(Unreadable, match=f"timestamp: a date and time expected, found {says}"):
            codec("1.6").read_fact("StatusNotification", {"connectorId": 1, "status": "Available", "timestamp": bad}, CAL)


def test_profiles_that_cannot_be_obeyed_are_unreadable() -> None:
    words = {"chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Absolute", "stackLevel": 0}
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}
    two = {"id": 1, "chargingSchedule": [schedule, schedule]} | words
    with pytest.raises(Unreadable, match="chargingSchedule: one schedule expected, found 2"):
        codec("2.0.1").read_command("SetChargingProfile", {"evseId": 1, "chargingProfile": two}, CAL)
    none = {"chargingProfileId": 1, "chargingSchedule": schedule | {"chargingSchedulePeriod": []}} | words
    with pytest.raises(Unreadable, match="at least one period expected"):
        codec("1.6").read_command("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": none}, CAL)
    with pytest.raises(Unreadable, match="connectorId: at least 0 expected, found -1"):
        codec("1.6").read_command("SetChargingProfile", {"connectorId": -1, "csChargingProfiles": none}, CAL)


def test_what_is_outside_the_vocabulary_stays_whole() -> None:
    read = codec("2.0.1").read_command
    assert read("Reset", {"type": "OnIdle", "evseId": 1}, CAL) == OtherCommand("Reset", {"type": "OnIdle", "evseId": 1})
    assert read("SetVariables", {"setVariableData": []}, CAL) == OtherCommand("SetVariables", {"setVariableData": []})
    assert codec("1.6").read_command("GetConfiguration", {}, CAL) == GetKeys()


KEYS = st.sampled_from(
    [
        "connectorId", "evseId", "status", "timestamp", "meterValue", "sampledValue", "value", "unit",
        "measurand", "phase", "transactionId", "transactionInfo", "eventType", "chargingState", "evse",
        "id", "idToken", "idTag", "idTagInfo", "meterStart", "meterStop", "csChargingProfiles",
        "chargingProfile", "chargingSchedule", "chargingSchedulePeriod", "startPeriod", "limit",
        "chargingRateUnit", "stackLevel", "chargingProfilePurpose", "unitOfMeasure", "multiplier", "key",
        "component", "variable", "name", "getVariableData", "setVariableData", "configurationKey",
        "schedule", "unknownKey", "getVariableResult", "setVariableResult", "currentTime", "interval",
        "duration", "type", "chargingStation",
    ]
)  # fmt: skip
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["Started", "Updated", "Ended", T0, "Charging", "Current.Import", "L1", "A", "1", "Absolute"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)  # fmt: skip
payloads = st.dictionaries(KEYS, json, max_size=8)


CODES = ("formation", "occurrence", "property", "type")


def reading(read: Any, action: str, payload: object) -> object:
    try:
        return read(action, payload, CAL)
    except Unreadable as why:
        return why


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@quick
@given(payloads)
def test_reading_anything_gives_a_meaning_or_unreadable(version: str, payload: Any) -> None:
    module = codec(version)
    for read, names in ((module.read_fact, module.FACTS), (module.read_command, module.COMMANDS)):
        for action in sorted(names):
            outcome = reading(read, action, payload)
            assert not isinstance(outcome, Unreadable) or (outcome.code in CODES and len(outcome.text) < 400)
    for action in sorted(module.FACTS):
        with suppress(Unreadable):
            module.read_answer(action, payload, CAL)
    for command in (GetKeys(("A.B",)), SetKey("A.B", ""), GetComposite(1, 1), OtherCommand("ClearCache", {})):
        with suppress(Unreadable):
            module.read_reply(command, payload, CAL)


frames = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(), max_size=30),
    st.lists(json, max_size=6).map(stdlib_json.dumps),
    st.tuples(st.sampled_from([2, 3, 4, 5, 6]), st.sampled_from("a12"), st.sampled_from(["Reset", "X"]) | json, json)
    .map(stdlib_json.dumps),
)  # fmt: skip


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("role", ["station", "csms"])
@quick
@given(st.lists(frames, max_size=6))
def test_receiving_anything_never_raises_and_keeps_the_session_going(version: str, role: Any, texts: list[str]) -> None:
    session = Session(role, version)
    session.call("ClearCache", {}, 0.0)
    session.call("Heartbeat", {}, 0.0)
    for n, text in enumerate(texts):
        session.receive(text, float(n))
    session.expire(1e6)
    session.expire(2e6)
    assert session.idle
    assert all(len(frame) < 2**20 for frame in session.outgoing())


def test_every_official_action_is_in_a_vocabulary_or_other() -> None:
    for version in ("1.6", "2.0.1", "2.1"):
        assert schemas.actions(version) >= codec(version).FACTS | codec(version).COMMANDS
        assert codec(version).read_fact("FirmwareStatusNotification", {}, CAL) == Other("FirmwareStatusNotification", {})
    assert codec("1.6").read_fact("Authorize", {"idTag": "x"}, CAL) == AuthorizeAsked("x")


def mutated(payload: Any, draw: Any) -> Any:
    """The payload with one node, chosen by draw, replaced by anything or left out."""
    if isinstance(payload, (dict, list)) and payload and draw(st.integers(0, 3)):
        copy = payload.copy()
        key = draw(st.sampled_from(sorted(copy) if isinstance(copy, dict) else range(len(copy))))
        if isinstance(copy, dict) and not draw(st.integers(0, 5)):
            del copy[key]
        else:
            copy[key] = mutated(copy[key], draw)
        return copy
    return draw(json)


SEEDS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    version: [
        codec(version).write_fact(fact, CAL)
        for fact in (
            TransactionStarted(1, "T", "r", 1.0, 2.0),
            TransactionEnded(1, "3", 1.0, 2.0, token="T"),
            Metered(1, (MeterSample(1.0, (1.0, 2.0, 3.0), (230.0, 230.0, 230.0), 5.0, 6.0, 7.0),), "3"),
            StatusChanged(1, 1, Status.AVAILABLE, 1.0),
            ChargingStateChanged(1, "3", Status.CHARGING, 1.0),
        )
    ]
    + [
        codec(version).write_command(command, CAL)
        for command in (
            SetProfile(1, PROFILE),
            RemoteStart("T", 1, 2, PROFILE),
            ClearProfile(None, 1, Purpose.TX, 2),
            GetKeys(("A.B", "C.D.E")),
            SetKey("A.B", "1"),
        )
    ]
    for version in ("1.6", "2.0.1", "2.1")
}


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@quick
@given(st.data())
def test_a_nearly_right_payload_is_read_or_unreadable_and_can_be_written_again(version: str, data: Any) -> None:
    module = codec(version)
    action, payload = data.draw(st.sampled_from(SEEDS[version]))
    payload = mutated(payload, data.draw)
    if not isinstance(payload, dict):
        return
    if action in module.FACTS:
        reading(module.read_fact, action, payload)
        return
    command = reading(module.read_command, action, payload)
    if not isinstance(command, Unreadable) and not schemas.check(version, action, "req", payload):
        again, written = module.write_command(command, CAL)  # type: ignore[arg-type]
        assert (again, schemas.check(version, action, "req", written)) == (action, [])


def test_figures_too_large_to_write_again_are_unreadable() -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1e300}]}
    words = {"chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Absolute", "stackLevel": 0}
    profile = {"chargingProfileId": 1, "chargingSchedule": schedule} | words
    with pytest.raises(Unreadable, match="limit: 1e\\+300 is out of range"):
        codec("1.6").read_command("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}, CAL)
    with pytest.raises(Unreadable, match="transactionId: 1 to 36 characters expected, found 37"):
        event("Updated", transactionInfo={"transactionId": "t" * 37})
    with pytest.raises(Unreadable, match="value: 1e\\+300 is too large"):
        sample(current(1e300))
