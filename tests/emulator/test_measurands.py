"""Which measurands meter values hold, by where they are told: each list is honoured, and an empty one means silence. Each test cites its
clause."""

from typing import Any

import pytest
from tests.emulator.kit import DC, Talk

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
ENERGY, POWER, CURRENT, VOLTAGE = "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage"


def named(rows: list[dict[str, Any]], context: str) -> set[str]:
    """The measurands in meter values of a context."""
    return {v["measurand"] for row in rows for v in row["sampledValue"] if v["context"] == context}


def told(talk: Talk, since: float, kind: str = "Updated") -> list[dict[str, Any]]:
    """Meter values of transactions."""
    if talk.version == "1.6":
        return [row for p in talk.of("MeterValues", since) if "transactionId" in p for row in p["meterValue"]]
    return [row for p in talk.of("TransactionEvent", since) if p["eventType"] == kind for row in p.get("meterValue", ())]


@ALL
@pytest.mark.parametrize(
    "listed", [f"{ENERGY},{POWER},{CURRENT},{VOLTAGE}", POWER, f"{CURRENT},{ENERGY}", ""], ids=["all", "power", "two", "none"]
)
def test_periodic_values_hold_what_is_listed(version: str, listed: str) -> None:
    """1.6 MeterValuesSampledData (9.1.17); J02.FR.11 TxUpdatedMeasurands."""
    talk = Talk(version)
    talk.set("MeterValuesSampledData", "SampledDataCtrlr.TxUpdatedMeasurands", listed)
    talk.plug(1)
    talk.present("A", 1, run_s=200)
    rows = told(talk, 0.0)
    assert named(rows, "Sample.Periodic") == {word for word in listed.split(",") if word}
    assert bool(rows) is bool(listed)
    if version != "1.6":
        numbers = [p["seqNo"] for p in talk.of("TransactionEvent")]
        assert numbers == list(range(len(numbers)))


@ALL
def test_aligned_values_have_a_list_of_their_own(version: str) -> None:
    """1.6 MeterValuesAlignedData (9.1.15); J01.FR.11 AlignedDataCtrlr.Measurands: in a transaction and outside."""
    talk = Talk(version)
    talk.set("MeterValuesAlignedData", "AlignedDataCtrlr.Measurands", VOLTAGE)
    talk.set("MeterValuesSampledData", "SampledDataCtrlr.TxUpdatedMeasurands", POWER)
    talk.set("ClockAlignedDataInterval", "AlignedDataCtrlr.Interval", "300")
    talk.plug(1)
    talk.present("A", 1, run_s=620)
    rows = told(talk, 0.0)
    assert named(rows, "Sample.Clock") == {VOLTAGE} and named(rows, "Sample.Periodic") == {POWER}
    idle = [row for p in talk.of("MeterValues") if p.get("connectorId", p.get("evseId")) == 2 for row in p["meterValue"]]
    assert named(idle, "Sample.Clock") == {VOLTAGE}


@SECOND
@pytest.mark.parametrize("listed", [ENERGY, f"{ENERGY},{VOLTAGE}", POWER, ""])
def test_the_first_and_last_message_have_lists_of_their_own(version: str, listed: str) -> None:
    """E01.FR.09, E06.FR.11: TxStartedMeasurands with Transaction.Begin, TxEndedMeasurands with Transaction.End."""
    talk = Talk(version)
    for name in ("TxStartedMeasurands", "TxEndedMeasurands"):
        talk.set("", f"SampledDataCtrlr.{name}", listed)
    talk.plug(1)
    talk.present("A", 1, run_s=100)
    talk.press_stop(1)
    wanted = {word for word in listed.split(",") if word}
    for kind, context in (("Started", "Transaction.Begin"), ("Ended", "Transaction.End")):
        assert named(told(talk, 0.0, kind), context) == wanted
        assert [p for p in talk.of("TransactionEvent") if p["eventType"] == kind and "meterValue" in p] != [] or not wanted


@SECOND
def test_a_long_first_message_survives_a_power_cut(version: str) -> None:
    """E04.FR.06: kept offline as JSON, figures left out and all."""
    talk = Talk(version)
    talk.set("", "SampledDataCtrlr.TxStartedMeasurands", f"{ENERGY},{CURRENT}")
    talk.set("", "SampledDataCtrlr.TxUpdatedMeasurands", POWER)
    talk.plug(1)
    talk.present("A", 1, run_s=20)
    talk.press_stop(1)
    talk.unplug(1)
    talk.offline(5)
    since = talk.world.now
    talk.plug(1)
    talk.present("A", 1, run_s=130)
    talk.power_cut()
    talk.online(200)
    assert named(told(talk, since, "Started"), "Transaction.Begin") == {ENERGY, CURRENT}
    assert named(told(talk, since), "Sample.Periodic") == {POWER}
    assert [kind for kind, _ in talk.events(since)].count("Ended") == 1


@pytest.mark.parametrize("listed", ["", ENERGY, f"{POWER},{CURRENT}"])
def test_a_stop_holds_the_values_listed_for_it(listed: str) -> None:
    """1.6 section 4.10, StopTxnSampledData (9.1.24): Begin, Periodic and End, each with its own time."""
    talk = Talk("1.6")
    talk.set("StopTxnSampledData", "", listed)
    talk.plug(1)
    talk.present("A", 1, run_s=200)
    talk.press_stop(1)
    (stop,) = talk.of("StopTransaction")
    rows = stop.get("transactionData", [])
    wanted = {word for word in listed.split(",") if word}
    for context in ("Transaction.Begin", "Sample.Periodic", "Transaction.End"):
        assert named(rows, context) == wanted
    assert bool(rows) is bool(listed)
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)


@ALL
def test_what_is_no_measurand_here_is_rejected(version: str) -> None:
    """1.6 section 5.3; B05.FR.09: the list stays as it was."""
    talk = Talk(version)
    if version == "1.6":
        assert talk.ask("ChangeConfiguration", {"key": "MeterValuesSampledData", "value": "Frequency"}) == {"status": "Rejected"}
        held = talk.ask("GetConfiguration", {"key": ["MeterValuesSampledData"]})["configurationKey"][0]["value"]
    else:
        where = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedMeasurands"}}
        answer = talk.ask("SetVariables", {"setVariableData": [{"attributeValue": "Frequency", **where}]})
        assert answer["setVariableResult"][0]["attributeStatus"] == "Rejected"
        held = talk.ask("GetVariables", {"getVariableData": [where]})["getVariableResult"][0]["attributeValue"]
    assert held == f"{ENERGY},{POWER},{CURRENT},{VOLTAGE}"


@ALL
def test_the_state_of_charge_is_told_where_it_is_known_and_listed(version: str) -> None:
    """MeasurandEnumType SoC: of a vehicle on DC, unless its list leaves it out."""
    talk = Talk(version, DC)
    talk.plug(1, vehicle="hyundai-ioniq-5-2021", soc=30.0)
    talk.present("A", 1, run_s=130)
    assert "SoC" in named(told(talk, 0.0), "Sample.Periodic")
    since = talk.world.now
    talk.set("MeterValuesSampledData", "SampledDataCtrlr.TxUpdatedMeasurands", POWER)
    talk.run(130)
    assert named(told(talk, since), "Sample.Periodic") == {POWER}
