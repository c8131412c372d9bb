from __future__ import annotations

import pytest

from chargekit.wire import schemas
from chargekit.wire.schemas import Problem, check


def test_every_schema_compiles() -> None:
    assert [len(schemas.actions(version)) for version in ("1.6", "2.0.1", "2.1")] == [39, 64, 91]
    for version in ("1.6", "2.0.1", "2.1"):
        for action in sorted(schemas.actions(version)):
            for kind in ("req", "conf"):
                assert isinstance(check(version, action, kind, {}), list)


def test_what_goes_as_send_has_no_answer() -> None:
    assert [schemas.sends(version) for version in ("1.6", "2.0.1", "2.1")] == [set(), set(), {"NotifyPeriodicEventStream"}]
    told = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "230.4"}]}
    assert check("2.1", "NotifyPeriodicEventStream", "req", told) == []
    (problem,) = check("2.1", "NotifyPeriodicEventStream", "conf", {})
    assert problem.path == "$"


def limit(value: object) -> object:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": value}]}
    words = {"chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Absolute"}
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingSchedule": schedule} | words
    return {"connectorId": 1, "csChargingProfiles": profile}


def test_limits_with_one_decimal_pass_and_others_do_not() -> None:
    bad = [k / 10 for k in range(0, 4000) if check("1.6", "SetChargingProfile", "req", limit(k / 10))]
    assert bad == []
    (problem,) = check("1.6", "SetChargingProfile", "req", limit(16.15))
    assert problem.code == "property" and problem.path.endswith("chargingSchedulePeriod[0].limit")


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"connectorId": 1}, Problem("occurrence", "$", '"meterValue" is a required property')),
        ({"connectorId": 1, "meterValue": []}, Problem("occurrence", "$.meterValue", "[] has less than 1 item")),
        (5, Problem("type", "$", '5 is not of type "object"')),
    ],
)
def test_problems_say_code_path_and_what(payload: object, problem: Problem) -> None:
    assert check("1.6", "MeterValues", "req", payload) == [problem]


def test_every_problem_is_found_up_to_a_bound() -> None:
    row = {"timestamp": "yesterday", "sampledValue": [{"value": 1, "unit": "furlong", "extra": 1}]}
    found = check("1.6", "MeterValues", "req", {"connectorId": 1, "meterValue": [row] * 50})
    assert len(found) == 20
    assert {p.code for p in found} == {"property", "type", "formation"}


def test_deep_and_huge_values_are_problems() -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    assert [p.code for p in check("1.6", "Heartbeat", "req", deep)]
    assert all(len(p.message) <= 300 for p in check("1.6", "Authorize", "req", {"idTag": "x" * 10**6}))


def test_unknown_versions_and_actions_are_named() -> None:
    with pytest.raises(ValueError, match=r"OCPP 1\.6 has no action 'TransactionEvent'"):
        check("1.6", "TransactionEvent", "req", {})
    with pytest.raises(ValueError, match="version '3' is not known"):
        check("3", "Heartbeat", "req", {})


def test_words_come_from_the_schemas() -> None:
    assert schemas.words("1.6", "Reset", "req", "type") == {"Hard", "Soft"}
    assert schemas.words("2.0.1", "Reset", "req", "type") == {"Immediate", "OnIdle"}
    with pytest.raises(KeyError):
        schemas.words("1.6", "Reset", "req", "colour")
