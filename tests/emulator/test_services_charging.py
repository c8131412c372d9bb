"""Profiles read back, updated and put aside for priority charging. Each test cites its clause; amperes are literal."""

import pytest
from tests.emulator.kit import Talk

SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def profile(number: int, purpose: str, amps: float, level: int = 0, kind: str = "Absolute", tx: str = "", **more: object) -> dict:
    start = {} if kind in ("Relative", "Dynamic") else {"startSchedule": "2026-03-01T00:00:00Z"}
    period = {"startPeriod": 0, "limit": amps}
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [period], **start}
    named = {"transactionId": tx} if tx else {}
    return {
        "id": number, "stackLevel": level, "chargingProfilePurpose": purpose, "chargingProfileKind": kind, "chargingSchedule": [schedule],
        **named, **more,
    }  # fmt: skip


def install(talk: Talk, evse: int, one: dict) -> str:
    return talk.ask("SetChargingProfile", {"evseId": evse, "chargingProfile": one})["status"]


def charging(version: str) -> tuple[Talk, str]:
    talk = Talk(version)
    talk.plug(1)
    talk.present("A", 1, run_s=60)
    return talk, talk.of("TransactionEvent")[0]["transactionInfo"]["transactionId"]


def amps(talk: Talk) -> float:
    return talk.plant.read_evse("s", 1, talk.world.now).current_a[0]


@SECOND
@pytest.mark.parametrize(
    ("asked", "evse", "ids"),
    [
        ({"chargingProfilePurpose": "TxDefaultProfile"}, None, [1, 2]),  # K09.FR.06
        ({"chargingProfilePurpose": "TxDefaultProfile"}, 1, [2]),  # K09.FR.04
        ({"stackLevel": 0}, 0, [1, 3]),  # K09.FR.05
        ({"chargingProfileId": [3, 2]}, None, [2, 3]),  # K09.FR.03
        ({"chargingProfileId": [77]}, None, None),
        ({"chargingLimitSource": ["EMS"]}, None, None),
    ],
)
def test_profiles_are_read_back(version: str, asked: dict, evse: int | None, ids: list[int] | None) -> None:
    talk = Talk(version)
    for where, one in (
        (0, profile(1, "TxDefaultProfile", 10)), (1, profile(2, "TxDefaultProfile", 8, level=1)),
        (0, profile(3, "ChargingStationMaxProfile", 20)),
    ):  # fmt: skip
        assert install(talk, where, one) == "Accepted"
    answer = talk.ask("GetChargingProfiles", {"requestId": 5, "chargingProfile": asked} | ({} if evse is None else {"evseId": evse}))
    talk.run(2)
    told = talk.of("ReportChargingProfiles")
    if ids is None:
        assert answer["status"] == "NoProfiles" and told == []
        return
    assert answer["status"] == "Accepted"
    assert sorted(p["id"] for part in told for p in part["chargingProfile"]) == ids
    assert [part.get("tbc", False) for part in told] == [True] * (len(told) - 1) + [False]
    assert all(part["requestId"] == 5 for part in told)


def test_a_dynamic_profile_follows_its_updates() -> None:
    """K28.FR.05, FR.06, FR.11."""
    talk, tx = charging("2.1")
    assert install(talk, 1, profile(4, "TxProfile", 9, kind="Dynamic", tx=tx)) == "Accepted"
    talk.run(20)
    assert amps(talk) == pytest.approx(9.0)
    assert talk.ask("UpdateDynamicSchedule", {"chargingProfileId": 4, "scheduleUpdate": {"limit": 7.0}}) == {"status": "Accepted"}
    talk.run(20)
    assert amps(talk) == pytest.approx(7.0)
    assert talk.ask("UpdateDynamicSchedule", {"chargingProfileId": 5, "scheduleUpdate": {"limit": 6.0}})["status"] == "Rejected"


def test_a_dynamic_profile_pulls_its_updates() -> None:
    """K28.FR.08, FR.10: asked for when dynUpdateInterval has passed, and applied."""
    talk, tx = charging("2.1")
    talk.answers["PullDynamicScheduleUpdate"] = {"status": "Accepted", "scheduleUpdate": {"limit": 8.0}}
    assert install(talk, 1, profile(4, "TxProfile", 12, kind="Dynamic", tx=tx, dynUpdateInterval=60)) == "Accepted"
    talk.run(50)
    assert amps(talk) == pytest.approx(12.0) and talk.of("PullDynamicScheduleUpdate") == []
    talk.run(40)
    assert talk.of("PullDynamicScheduleUpdate") == [{"chargingProfileId": 4}]
    assert amps(talk) == pytest.approx(8.0)
    talk.run(60)
    assert len(talk.of("PullDynamicScheduleUpdate")) == 2


def test_priority_charging_takes_the_place_of_the_transactions_profile() -> None:
    """K21.FR.01 to FR.08: the maximum still holds."""
    talk, tx = charging("2.1")
    ask = {"transactionId": tx, "activate": True}
    assert install(talk, 1, profile(4, "TxProfile", 8, tx=tx)) == "Accepted"
    assert talk.ask("UsePriorityCharging", ask)["status"] == "NoProfile"
    assert install(talk, 0, profile(5, "PriorityCharging", 16)) == "Accepted"
    assert install(talk, 0, profile(6, "ChargingStationMaxProfile", 14)) == "Accepted"
    assert talk.ask("UsePriorityCharging", {**ask, "transactionId": "other"})["status"] == "Rejected"
    assert talk.ask("UsePriorityCharging", ask)["status"] == "Accepted"
    talk.run(20)
    assert amps(talk) == pytest.approx(14.0)
    assert talk.ask("UsePriorityCharging", {**ask, "activate": False})["status"] == "Accepted"
    talk.run(20)
    assert amps(talk) == pytest.approx(8.0)
    assert [p["activated"] for p in talk.of("NotifyPriorityCharging")] == [True, False]
