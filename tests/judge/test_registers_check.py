"""Registers are compared by the times they tell: what was kept while a link was down may arrive behind newer readings."""

import pytest

from chargekit.judge.checks import About, registers
from chargekit.lab.sitefile import load_site
from chargekit.world.history import Record


@pytest.fixture(scope="module")
def about():
    site = load_site("mixed-use").site
    return About(site, site.calendar)


def told(seq, t, *readings):
    """MeterValues as a 1.6 station sends them: (minute told, Wh)."""
    values = [
        {"timestamp": f"2026-03-02T08:{minute:02}:00Z", "sampledValue": [{"value": str(wh), "measurand": "Energy.Active.Import.Register"}]}
        for minute, wh in readings
    ]
    payload = {"connectorId": 1, "transactionId": 7, "meterValue": values}
    return Record(seq, t, "wire", "ac-01", "MeterValues.req", {"dir": "up", "id": str(seq), "payload": payload})


def opened():
    return Record(0, 0.0, "wire", "ac-01", "opened", {"version": "1.6"})


def reasons(about, *records):
    return [one.reason for one in registers([opened(), *records], about)]


def test_a_kept_reading_behind_a_newer_one_is_no_fall(about):
    assert reasons(about, told(1, 100, (1, 500)), told(2, 900, (15, 5000)), told(3, 901, (5, 800)), told(4, 902, (6, 900))) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_a_register_that_fell_is_found_whatever_arrived_in_between(about, order):
    """The reading of minute 9 is below that of minute 5."""
    readings = [told(1, 100, (5, 800)), told(2, 200, (15, 5000)), told(3, 300, (9, 700))]
    found = reasons(about, *(readings[n] for n in order))
    assert found == ["the register it reports fell from 800 Wh to 700 Wh"]


def test_a_fall_within_one_message(about):
    assert reasons(about, told(1, 100, (1, 500), (2, 400))) == ["the register it reports fell from 500 Wh to 400 Wh"]
