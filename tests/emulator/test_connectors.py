"""An EVSE with two connectors: one vehicle at a time, at the connector that fits it or the one chosen."""

import pytest
from tests.emulator.kit import Kit, Talk

from chargekit.lab.hands import complaint
from chargekit.lab.sitefile import catalogue_stations
from chargekit.model.site import Connector, Evse, StationModel

BOTH = Evse(1, (Connector(1, "cCCS2"), Connector(2, "cG105")), max_a=79.0, max_kw=50.0, max_dc_a=125.0)
RAPID = StationModel("rapid", "Test", "Rapid", (BOTH,))


@pytest.mark.parametrize(("vehicle", "connector"), [("tesla-model-3-lr", 1), ("nissan-leaf-40-kwh-2018", 2), ("bmw-330e-2016", None)])
def test_a_vehicle_takes_the_connector_that_fits(vehicle: str, connector: int | None) -> None:
    kit = Kit({"dc": RAPID})
    kit.plug("dc", vehicle, 20.0)
    bay = kit.plant.bays[("dc", 1)]
    assert (bay.connector if bay.car is not None else None) == connector


@pytest.mark.parametrize(("connector", "plugged"), [(1, False), (2, True)])
def test_a_connector_that_does_not_fit_is_not_plugged(connector: int, plugged: bool) -> None:
    kit = Kit({"dc": RAPID})
    kit.plug("dc", "nissan-leaf-40-kwh-2018", 20.0, connector=connector)
    assert (kit.plant.bays[("dc", 1)].car is not None) is plugged


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(("vehicle", "used", "beside"), [("tesla-model-3-lr", 1, 2), ("nissan-leaf-40-kwh-2018", 2, 1)])
def test_what_is_told_names_the_connector_in_use(version: str, vehicle: str, used: int, beside: int) -> None:
    """E01/E02 with evse.connectorId; the connector beside it can't be used (B04)."""
    talk = Talk(version, model=catalogue_stations()["generic-dc-50"])
    talk.run(30.0)  # its power-up
    talk.plug(vehicle=vehicle)
    talk.present("T")
    talk.run(120.0)
    started = next(p for p in talk.of("TransactionEvent") if p["eventType"] == "Started")
    told = {p["evse"]["connectorId"] for p in talk.of("TransactionEvent") if "connectorId" in p.get("evse", {})}
    assert told == {used} and started["evse"] == {"id": 1, "connectorId": used}
    last = {p["connectorId"]: p["connectorStatus"] for p in talk.of("StatusNotification")}
    assert last == {used: "Occupied", beside: "Unavailable"}
    talk.press_stop()
    talk.unplug()
    last = {p["connectorId"]: p["connectorStatus"] for p in talk.of("StatusNotification")}
    assert last == {1: "Available", 2: "Available"}


def test_a_hand_from_outside_names_a_connector_there_is() -> None:
    site = Kit({"dc": RAPID}).site
    plug = {"station": "dc", "evse": 1, "vehicle": "tesla-model-3-lr"}
    assert complaint(site, "plant", "csms", "plant", "plug", {**plug, "connector": 2}) is None
    for wrong in (3, 0, True, "1", None):
        assert complaint(site, "plant", "csms", "plant", "plug", {**plug, "connector": wrong}) == "plug: connector: one of [1, 2] expected"
