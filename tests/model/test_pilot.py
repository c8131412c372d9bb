"""Control pilot of IEC 61851-1: transitions, duty cycle and current."""

import pytest

from chargekit.model.pilot import TRANSITIONS, ControlPilot, current_of_duty, duty_percent, moved


@pytest.mark.parametrize(("limit_a", "duty"), [(0, 100), (5.9, 100), (6, 10), (16, 26.6667), (32, 53.3333), (51, 85), (63, 89.2), (80, 96)])
def test_duty_of_a_limit(limit_a, duty):
    assert duty_percent(limit_a) == pytest.approx(duty, abs=1e-3)


@pytest.mark.parametrize(
    ("duty", "limit_a"),
    [
        (5, 0),
        (7.9, 0),
        (8, 6),
        (9.9, 6),
        (10, 6),
        (26.6667, 16),
        (85, 51),
        (90, 65),
        (96, 80),
        (97, 80),
        (98, 0),
        (100, 0),
    ],
)
def test_current_of_a_duty(duty, limit_a):
    assert current_of_duty(duty) == pytest.approx(limit_a, abs=1e-3)


def test_every_state_has_its_row_and_none_leads_to_itself():
    assert set(TRANSITIONS) == set(ControlPilot)
    assert all(state not in row for state, row in TRANSITIONS.items())


def test_a_vehicle_cannot_charge_before_it_is_connected():
    with pytest.raises(ValueError, match="control pilot can't go from A to C"):
        moved(ControlPilot.A, ControlPilot.C)
    assert moved(ControlPilot.B, ControlPilot.C) is ControlPilot.C
    assert moved(ControlPilot.B, ControlPilot.B) is ControlPilot.B
