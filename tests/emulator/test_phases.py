"""Phases under a profile: how many feed the vehicle, which, and how they are switched. Each test cites its clause."""

from dataclasses import replace
from typing import Any

import pytest
from tests.emulator.kit import Talk

from chargekit.model.site import Connector, Evse, StationModel

ALL = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
SECOND = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
SWITCHES = StationModel("sw", "v", "m", (Evse(1, max_a=32.0), Evse(2, max_a=32.0)), standby_w=0.0, phase_switching=True, pwm_step_a=0.1)
FIXED = replace(SWITCHES, phase_switching=False)
DC = StationModel("dc", "v", "m", (Evse(1, (Connector(1, "cCCS2"),), max_a=80.0, max_kw=50.0),), standby_w=0.0)


def charging(version: str, model: StationModel = SWITCHES, vehicle: str = "small-22kw") -> Talk:
    talk = Talk(version, model)
    talk.plug(1, vehicle)
    talk.present("TOK", 1, run_s=60)
    return talk


def amps(talk: Talk, evse: int = 1) -> tuple[float, ...]:
    return tuple(round(a, 1) for a in talk.plant.bays[("s", evse)].current_a(talk.world.now))


def profile(talk: Talk, limit: float, unit: str = "A", **period: int) -> str:
    """A default for EVSE 1 with one period; the answer's status."""
    row = {"startPeriod": 0, "limit": limit, **period}
    schedule: dict[str, Any] = {"chargingRateUnit": unit, "startSchedule": "2026-03-02T00:00:00Z", "chargingSchedulePeriod": [row]}
    made = {"stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    if talk.version == "1.6":
        named = {"connectorId": 1, "csChargingProfiles": made | {"chargingProfileId": 5, "chargingSchedule": schedule}}
    else:
        named = {"evseId": 1, "chargingProfile": made | {"id": 5, "chargingSchedule": [schedule | {"id": 1}]}}
    status: str = talk.ask("SetChargingProfile", named)["status"]
    return status


@ALL
def test_one_phase_of_three_and_back(version: str) -> None:
    """1.6 section 7.14, K01.FR.43: with numberPhases 1 one phase flows; without, three again."""
    talk = charging(version)
    assert amps(talk) == (32.0, 32.0, 32.0)
    assert profile(talk, 20.0, numberPhases=1) == "Accepted"
    talk.run(60)
    assert amps(talk) == (20.0, 0.0, 0.0)
    assert profile(talk, 20.0) == "Accepted"
    talk.run(60)
    assert amps(talk) == (20.0, 20.0, 20.0)


@ALL
def test_watts_on_one_phase_are_not_shared(version: str) -> None:
    """K01.FR.50: 2,300 W with numberPhases 1 are 10 A; shared by three they would be 3.3 A, which nobody can draw."""
    talk = charging(version)
    assert profile(talk, 2300.0, "W", numberPhases=1) == "Accepted"
    talk.run(60)
    assert amps(talk) == (10.0, 0.0, 0.0)


@ALL
def test_two_phases_become_one(version: str) -> None:
    """K01.FR.43, FR.45: no more than two; this station's contactor knows one or three."""
    talk = charging(version)
    assert profile(talk, 20.0, numberPhases=2) == "Accepted"
    talk.run(60)
    assert amps(talk) == (20.0, 0.0, 0.0)


@SECOND
@pytest.mark.parametrize(("phase", "flows"), [(1, (12.0, 0.0, 0.0)), (2, (0.0, 12.0, 0.0)), (3, (0.0, 0.0, 12.0))])
def test_the_phase_asked_for_is_used(version: str, phase: int, flows: tuple[float, ...]) -> None:
    """K01.FR.20, FR.46."""
    talk = charging(version)
    assert profile(talk, 12.0, numberPhases=1, phaseToUse=phase) == "Accepted"
    talk.run(60)
    assert amps(talk) == flows


@SECOND
def test_a_station_that_can_not_switch_refuses(version: str) -> None:
    """K01.FR.43, FR.48: InvalidSchedule, and three phases go on."""
    talk = charging(version, FIXED)
    for period in ({"numberPhases": 1}, {"numberPhases": 1, "phaseToUse": 2}):
        assert profile(talk, 10.0, **period) == "Rejected"
    talk.run(60)
    assert amps(talk) == (32.0, 32.0, 32.0)


def test_1_6_without_switching_keeps_the_watts() -> None:
    """1.6 section 7.14 has no word of refusal: 6,900 W on the three phases it uses are 10 A each, not 30 A."""
    talk = charging("1.6", FIXED)
    assert profile(talk, 6900.0, "W", numberPhases=1) == "Accepted"
    talk.run(60)
    assert amps(talk) == (10.0, 10.0, 10.0)
    answer = talk.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"})
    assert answer["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6900.0, "numberPhases": 3}]


def test_dc_ignores_the_number_of_phases_in_2_0_1() -> None:
    """K01.FR.44 (2.0.1): accepted and ignored; 13,800 W are 20 A on each of three phases."""
    talk = Talk("2.0.1", DC)
    assert profile(talk, 13_800.0, "W", numberPhases=1) == "Accepted"
    talk.plug(1, "hyundai-ioniq-5-2021")
    talk.present("TOK", run_s=90)
    assert max(amps(talk)) == pytest.approx(20.0, abs=0.8)
    assert Talk("2.1", DC).ask("SetChargingProfile", _of_2_1())["statusInfo"]["reasonCode"] == "NoPhaseForDC"


def _of_2_1() -> dict[str, Any]:
    row = {"startPeriod": 0, "limit": 9.0, "numberPhases": 1}
    schedule = {"id": 1, "chargingRateUnit": "A", "startSchedule": "2026-03-02T00:00:00Z", "chargingSchedulePeriod": [row]}
    made = {"id": 5, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    return {"evseId": 1, "chargingProfile": made | {"chargingSchedule": [schedule]}}


@ALL
def test_the_pilot_is_off_while_phases_are_switched(version: str) -> None:
    """IEC 61851-1: nothing is switched under load; the vehicle is told to stop, and starts anew. Even one that faults when phases go under
    load survives it."""
    talk = charging(version)
    assert profile(talk, 20.0, numberPhases=1) == "Accepted"
    seen = []
    for _ in range(60):
        talk.run(0.5)
        bay = talk.plant.bays[("s", 1)]
        seen.append((bay.offer, bay.closed, bay.supply, amps(talk)))
    off = [(offer, closed) for offer, closed, _, flows in seen if flows == (0.0, 0.0, 0.0)]
    assert (0.0, False) in off
    assert len([1 for offer, closed, *_ in seen if not closed]) >= 9
    assert {supply for _, closed, supply, _ in seen if closed and _[0] > 1.0} <= {1, 3}
    assert all(flows[1] == 0.0 for *_, supply, flows in seen if supply == 1)
    assert amps(talk) == (20.0, 0.0, 0.0)


@ALL
def test_between_transactions_nothing_has_to_stop(version: str) -> None:
    """A transaction that begins under numberPhases 1 begins on one phase, the next one without it on three."""
    talk = Talk(version, SWITCHES)
    assert profile(talk, 16.0, numberPhases=1) == "Accepted"
    talk.plug(1, "small-22kw")
    talk.present("TOK", 1, run_s=40)
    assert amps(talk) == (16.0, 0.0, 0.0)
    talk.press_stop()
    talk.unplug()
    assert talk.ask("ClearChargingProfile", {"id": 5} if version == "1.6" else {"chargingProfileId": 5})["status"] == "Accepted"
    talk.plug(1, "small-22kw")
    talk.present("TOK", 1, run_s=40)
    assert amps(talk) == (32.0, 32.0, 32.0)


@ALL
def test_a_stop_while_switching_stays_a_stop(version: str) -> None:
    talk = charging(version)
    profile(talk, 20.0, numberPhases=1)
    talk.run(2.0)
    talk.press_stop()
    talk.run(30)
    assert amps(talk) == (0.0, 0.0, 0.0)
    assert not talk.plant.bays[("s", 1)].closed


@SECOND
def test_it_says_so(version: str) -> None:
    """SmartChargingCtrlr.ACPhaseSwitchingSupported and Phases3to1."""
    for model, value in ((SWITCHES, "true"), (FIXED, "false")):
        talk = Talk(version, model)
        for name in ("ACPhaseSwitchingSupported", "Phases3to1"):
            where = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": name}}
            (found,) = talk.ask("GetVariables", {"getVariableData": [where]})["getVariableResult"]
            assert found["attributeValue"] == value, name


def test_1_6_says_so() -> None:
    for model, value in ((SWITCHES, "true"), (FIXED, "false")):
        answer = Talk("1.6", model).ask("GetConfiguration", {"key": ["ConnectorSwitch3to1PhaseSupported"]})
        assert answer["configurationKey"][0]["value"] == value
