"""Display messages (O01 to O06), cost (I02), customers (N09, N10) and tariffs (I07 to I11)."""

import pytest
from tests.emulator.desk import Desk, at

from chargekit.emulator.services_display import shown
from chargekit.emulator.services_tariffs import in_use
from chargekit.emulator.tokens import TokenInfo
from chargekit.world.events import Wake

two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def message(ident, content="hello", priority="NormalCycle", form="UTF8", **more):
    return {"id": ident, "priority": priority, "message": {"format": form, "content": content}, **more}


def put(desk, *rows):
    return [desk.ask("SetDisplayMessage", message=row)["status"] for row in rows]


@two
@pytest.mark.parametrize(
    ("row", "status"),
    [
        (message(1), "Accepted"),
        (message(1, form="HTML"), "NotSupportedMessageFormat"),
        (message(1, state="Charging"), "Accepted"),
        (message(1, transactionId="nobody"), "UnknownTransaction"),
        (message(1, transactionId="tx-1"), "Accepted"),
        (message(1, endDateTime=at(1.0)), "Rejected"),
        (message(1, startDateTime=at(900.0), endDateTime=at(800.0)), "Rejected"),
    ],
)
def test_setting_a_message(version, row, status):
    desk = Desk(version)
    desk.charge()
    assert put(desk, row) == [status]


def test_what_only_2_1_can_say():
    desk = Desk("2.1")
    assert put(desk, message(1, state="Discharging")) == ["NotSupportedState"]
    row = message(1)
    row["message"]["language"] = "xx"
    assert put(desk, row) == ["LanguageNotSupported"]


@two
def test_which_message_is_shown(version):
    """The best priority that state, time and transaction allow; AlwaysFront gives way to a newer one."""
    desk = Desk(version)
    tx = desk.charge(1)
    put(desk, message(1, "cycle"), message(2, "idle", "InFront", state="Idle"), message(3, "mine", "InFront", transactionId=tx))
    assert (shown(desk.station, 1, desk.now), shown(desk.station, 2, desk.now)) == (["mine"], ["idle"])
    put(desk, message(4, "first", "AlwaysFront"), message(5, "second", "AlwaysFront"))
    assert shown(desk.station, 1, desk.now) == ["second"]
    assert "4" not in desk.station.memory["display"]
    put(desk, message(6, "later", "AlwaysFront", startDateTime=at(500.0)))
    assert shown(desk.station, 1, desk.now) == ["mine"]
    desk.stop(1)
    assert "3" not in desk.station.memory["display"]


@two
def test_a_message_expires_and_outlives_a_power_cut_until_then(version):
    desk = Desk(version)
    put(desk, message(1, endDateTime=at(100.0)), message(2))
    again = desk.restarted()
    assert set(again.station.memory["display"]) == {"1", "2"}
    again.run(110.0)
    assert set(again.station.memory["display"]) == {"2"}


@two
@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, {1, 2, 3}),
        ({"priority": "InFront"}, {2}),
        ({"state": "Idle"}, {3}),
        ({"id": [1, 9]}, {1}),
        ({"id": [9]}, set()),
    ],
)
def test_getting_messages(version, more, ids):
    """O03, O04."""
    desk = Desk(version)
    put(desk, message(1), message(2, "x", "InFront"), message(3, state="Idle"))
    assert desk.ask("GetDisplayMessages", requestId=5, **more)["status"] == ("Accepted" if ids else "Unknown")
    told = desk.said("NotifyDisplayMessages")
    assert {m["id"] for p in told for m in p["messageInfo"]} == ids
    assert {p["requestId"] for p in told} <= {5}


@two
def test_many_messages_come_in_parts_and_too_many_are_refused(version):
    desk = Desk(version)
    assert put(desk, *(message(n) for n in range(17))) == ["Accepted"] * 16 + ["Rejected"]
    desk.ask("GetDisplayMessages", requestId=5)
    assert [p["tbc"] for p in desk.said("NotifyDisplayMessages")] == [True, False]
    assert [desk.ask("ClearDisplayMessage", id=n)["status"] for n in (3, 3)] == ["Accepted", "Unknown"]  # O05.FR.01, FR.02


@two
def test_the_cost_is_shown_while_its_transaction_runs(version):
    """I02.FR.02, FR.03."""
    desk = Desk(version)
    tx = desk.charge()
    assert desk.ask("CostUpdated", totalCost=3.5, transactionId=tx) == {}
    assert desk.station.memory["costs"] == {tx: 3.5}
    assert desk.ask("CostUpdated", totalCost=9.0, transactionId="nobody") == {}
    assert desk.station.memory["costs"] == {tx: 3.5}


TOKEN = {"idToken": {"idToken": "tok", "type": "Central"}}


@two
@pytest.mark.parametrize(
    ("more", "status", "text", "kept"),
    [
        ({**TOKEN, "report": True, "clear": False}, "Accepted", "Authorization cache: Accepted\nTransaction", True),  # N09.FR.05
        ({**TOKEN, "report": True, "clear": True}, "Accepted", "Authorization cache: Accepted", False),  # N10.FR.03
        ({**TOKEN, "report": False, "clear": True}, "Accepted", "The data was cleared.", False),  # N10.FR.06
        ({"customerIdentifier": "nobody", "report": True, "clear": False}, "Accepted", "No data found.", True),  # N09.FR.06
        ({**TOKEN, "report": False, "clear": False}, "Rejected", None, True),  # N09.FR.07
        ({"report": True, "clear": False}, "Invalid", None, True),  # N09.FR.09
        ({**TOKEN, "customerIdentifier": "tok", "report": True, "clear": False}, "Invalid", None, True),
    ],
)
def test_customer_information(version, more, status, text, kept):
    desk = Desk(version)
    desk.charge()
    desk.station.tokens.cache("tok", TokenInfo("Accepted"))
    assert desk.ask("CustomerInformation", requestId=6, **more)["status"] == status
    told = desk.said("NotifyCustomerInformation")
    assert [p["seqNo"] for p in told] == list(range(len(told)))
    assert "".join(p["data"] for p in told).startswith(text) if text else told == []
    assert ("TOK" in desk.station.tokens.cached) == kept


# --- tariffs ------------------------------------------------------------------------------------------------------


def tariff(ident, count=1, currency="EUR", **more):
    return {"tariffId": ident, "currency": currency, "energy": {"prices": [{"priceKwh": 0.4}] * count}, **more}


CONDITION = {"energy": {"prices": [{"priceKwh": 0.4, "conditions": {"dayOfWeek": ["Monday"]}}]}}


@pytest.mark.parametrize(
    ("row", "evse", "status"),
    [
        (tariff("a"), 0, "Accepted"),  # I07.FR.12
        (tariff("a"), 2, "Accepted"),  # I07.FR.11
        (tariff("a"), 9, "Rejected"),  # I07.FR.06
        (tariff("a", 21), 0, "TooManyElements"),  # I07.FR.02
        (tariff("a") | CONDITION, 0, "ConditionNotSupported"),  # I07.FR.03
        ({"tariffId": "a", "currency": "EUR"}, 0, "Rejected"),  # I07.FR.05
        (tariff("old"), 0, "DuplicateTariffId"),  # I07.FR.04
    ],
)
def test_setting_a_default_tariff(row, evse, status):
    desk = Desk("2.1")
    desk.ask("SetDefaultTariff", evseId=1, tariff=tariff("old"))
    assert desk.ask("SetDefaultTariff", evseId=evse, tariff=row)["status"] == status
    kept = [t["tariffId"] for t in desk.restarted().station.memory["tariffs"]["1"]]
    assert ("a" in kept) == (status == "Accepted" and evse == 0)  # I07.FR.13


def test_tariffs_follow_one_another():
    """I07.FR.19 to FR.23."""
    desk = Desk("2.1")
    for row in (tariff("a"), tariff("b", validFrom=at(100.0)), tariff("c", validFrom=at(50.0))):
        assert desk.ask("SetDefaultTariff", evseId=1, tariff=row)["status"] == "Accepted"
    found = [in_use(desk.station, 1, now)["tariffId"] for now in (10.0, 60.0, 110.0)]
    assert found == ["a", "c", "b"]
    assert in_use(desk.station, 2, 10.0) is None


def test_getting_and_clearing_tariffs():
    """I09.FR.01 to FR.07, I10.FR.01 to FR.06."""
    desk = Desk("2.1")
    assert desk.ask("GetTariffs", evseId=0) == {"status": "NoTariff"}
    assert desk.ask("ClearTariffs") == {"clearTariffsResult": [{"status": "NoTariff"}]}
    desk.ask("SetDefaultTariff", evseId=0, tariff=tariff("a"))
    desk.ask("SetDefaultTariff", evseId=2, tariff=tariff("b", validFrom=at(900.0)))
    rows = desk.ask("GetTariffs", evseId=2)["tariffAssignments"]
    assert [(r["tariffId"], r["evseIds"], "validFrom" in r) for r in rows] == [("a", [2], False), ("b", [2], True)]
    assert desk.ask("GetTariffs", evseId=9)["status"] == "Rejected"
    found = desk.ask("ClearTariffs", tariffIds=["a", "x"], evseId=1)["clearTariffsResult"]
    assert found == [{"tariffId": "a", "status": "Accepted"}, {"tariffId": "x", "status": "NoTariff"}]
    assert {r["tariffId"] for r in desk.ask("ClearTariffs")["clearTariffsResult"]} == {"a", "b"}
    assert desk.ask("GetTariffs", evseId=0) == {"status": "NoTariff"}


@pytest.mark.parametrize(
    ("row", "tx", "status"),
    [
        (tariff("new"), "tx-1", "Accepted"),  # I11.FR.06
        (tariff("new"), "nobody", "TxNotFound"),  # I11.FR.04
        (tariff("new", currency="USD"), "tx-1", "NoCurrencyChange"),  # I11.FR.05
        (tariff("new", 21), "tx-1", "TooManyElements"),  # I11.FR.02
        (tariff("new") | CONDITION, "tx-1", "ConditionNotSupported"),  # I11.FR.03
    ],
)
def test_changing_a_transactions_tariff(row, tx, status):
    desk = Desk("2.1")
    desk.charge(1)
    desk.ask("SetDefaultTariff", evseId=0, tariff=tariff("a"))
    assert desk.ask("ChangeTransactionTariff", transactionId=tx, tariff=row)["status"] == status
    told = [(p["triggerReason"], p["transactionInfo"].get("tariffId")) for p in desk.said("TransactionEvent")]
    assert told == ([("TariffChanged", "new")] if status == "Accepted" else [])  # I11.FR.07


def test_without_local_cost_calculation_tariffs_are_not_supported():
    """I07.FR.01, I11.FR.01."""
    desk = Desk("2.1")
    desk.station.keys["TariffCostCtrlr.Enabled.Tariff"] = "false"
    assert desk.ask("SetDefaultTariff", evseId=0, tariff=tariff("a")) == "NotSupported"
    assert desk.ask("ChangeTransactionTariff", transactionId="x", tariff=tariff("a")) == "NotSupported"
    desk.event(Wake())
