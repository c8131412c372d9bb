"""Every quirk by name: what it does, and that a plain car does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.emulator.kit import AC, Kit

from chargekit.emulator.battery import lower, next_piece, segments
from chargekit.emulator.modules import split_w
from chargekit.lab.sitefile import catalogue_vehicles
from chargekit.model.pilot import ControlPilot
from chargekit.model.site import Evse, StationModel

PLAIN = "compact-3ph"


def charging(vehicle: str, soc: float = 50.0, amps: float = 16.0, kit: Kit | None = None) -> Kit:
    kit = kit or Kit()
    kit.plug("ac", vehicle, soc)
    kit.offer("ac", amps)
    kit.run(60.0)
    return kit


def cycle(kit: Kit, pause_s: float, amps: float = 16.0) -> None:
    kit.offer("ac", 0.0)
    kit.run(pause_s)
    kit.offer("ac", amps)
    kit.run(60.0)


@pytest.mark.parametrize(("vehicle", "share"), [(PLAIN, 1.0), ("quirk-draws-95-percent", 0.95)])
def test_it_draws_its_share_of_the_pilot(vehicle: str, share: float) -> None:
    assert charging(vehicle).amps("ac") == pytest.approx((16 * share,) * 3)


@pytest.mark.parametrize(("vehicle", "least"), [(PLAIN, 6.0), ("quirk-minimum-8a", 8.0), ("quirk-minimum-10a", 10.0)])
def test_below_its_minimum_it_draws_nothing(vehicle: str, least: float) -> None:
    kit = charging(vehicle, amps=least)
    assert max(kit.amps("ac")) == pytest.approx(least)
    kit.offer("ac", least - 0.2)
    kit.run(30.0)
    assert kit.amps("ac") == (0.0, 0.0, 0.0)
    assert kit.plant.bays[("ac", 1)].pilot is ControlPilot.B


def test_a_three_phase_minimum_does_not_hold_on_one_phase() -> None:
    one_phase = Kit({"ac": replace(AC, evses=(Evse(1, phases=1),))})
    assert charging("quirk-minimum-10a", amps=6.5, kit=one_phase).amps("ac") == pytest.approx((6.5, 0, 0))


def test_a_sleeper_needs_a_pilot_pulse() -> None:
    kit = charging("quirk-falls-asleep")
    cycle(kit, 700.0)
    assert kit.power_w("ac") == 0.0
    cycle(kit, 1.0)
    assert kit.power_w("ac") == 0.0, "a second without pilot is no pulse"
    cycle(kit, 4.0)
    assert kit.power_w("ac") > 10_000


@pytest.mark.parametrize("vehicle", [PLAIN, "quirk-falls-asleep"])
def test_a_short_pause_puts_nobody_to_sleep(vehicle: str) -> None:
    kit = charging(vehicle)
    cycle(kit, 500.0)
    assert kit.power_w("ac") > 10_000


def test_a_deep_sleeper_needs_a_replug() -> None:
    kit = charging("quirk-falls-asleep-for-good")
    cycle(kit, 3700.0)
    cycle(kit, 4.0)
    assert kit.power_w("ac") == 0.0
    kit.hand("unplug", station="ac", evse=1)
    charging("quirk-falls-asleep-for-good", kit=kit)
    assert kit.power_w("ac") > 10_000


@pytest.mark.parametrize(("vehicle", "most"), [("quirk-gives-up-after-5", 5), ("quirk-gives-up-after-10", 10)])
def test_it_gives_up_after_so_many_interruptions(vehicle: str, most: int) -> None:
    kit = charging(vehicle)
    for _ in range(most - 1):
        cycle(kit, 20.0)
    assert kit.power_w("ac") > 10_000
    cycle(kit, 20.0)
    assert kit.power_w("ac") == 0.0


def test_the_second_module_comes_late() -> None:
    kit = charging("quirk-second-module-late", amps=32)
    assert max(kit.amps("ac")) == pytest.approx(16.0)
    kit.run(180.0)
    assert max(kit.amps("ac")) == pytest.approx(32.0)


def phases_used(kit: Kit) -> int:
    return sum(a > 1.0 for a in kit.amps("ac"))


@pytest.mark.parametrize(
    ("vehicle", "on_one", "back"), [(PLAIN, 1, 3), ("quirk-faults-on-phase-switch", 0, 0), ("quirk-stuck-on-one-phase", 1, 1)]
)
def test_a_live_phase_switch(vehicle: str, on_one: int, back: int) -> None:
    kit = charging(vehicle)
    assert phases_used(kit) == 3
    kit.offer("ac", 16.0, phases=1)
    kit.run(60.0)
    assert phases_used(kit) == on_one
    kit.offer("ac", 16.0, phases=3)
    kit.run(60.0)
    assert phases_used(kit) == back


def test_it_pauses_to_cool() -> None:
    kit = charging("quirk-pauses-to-cool", soc=20.0)
    bay = kit.plant.bays[("ac", 1)]
    rests = 0
    for _ in range(3600):
        kit.run(1.0)
        rests += bay.output_w(kit.world.now) == 0.0
    assert 5 * 20 <= rests <= 6 * 40
    assert bay.pilot is ControlPilot.C


@pytest.mark.parametrize(
    ("vehicle", "after_s", "watts"),
    [
        (PLAIN, 60.0, 0.0), ("quirk-draws-asleep", 3600.0, 1.3 * 3 * 230), ("quirk-balances", 900.0, 400.0),
        ("quirk-preheats", 900.0, 3000.0),
    ],
)  # fmt: skip
def test_what_flows_after_it_is_full(vehicle: str, after_s: float, watts: float) -> None:
    kit = charging(vehicle, soc=99.0)
    kit.until_full("ac")
    stored = kit.plant.bays[("ac", 1)].stored_wh(kit.world.now)
    kit.run(after_s)
    assert kit.power_w("ac") == pytest.approx(watts)
    assert kit.plant.bays[("ac", 1)].stored_wh(kit.world.now) == stored


@pytest.mark.parametrize("vehicle", ["quirk-balances", "quirk-preheats"])
def test_what_flows_after_full_ends(vehicle: str) -> None:
    kit = charging(vehicle, soc=99.0)
    kit.until_full("ac")
    kit.run(4000.0)
    assert kit.power_w("ac") == 0.0
    assert kit.plant.bays[("ac", 1)].pilot is ControlPilot.B


def test_it_starts_after_its_own_delay_and_ramps() -> None:
    kit = Kit()
    kit.plug("ac", "tesla-model-3-lr", 50.0)
    kit.offer("ac", 16.0)
    bay = kit.plant.bays[("ac", 1)]
    assert bay.car is not None
    assert 10 <= bay.car.start_delay_s <= 40
    kit.run(bay.car.start_delay_s + 2.0 + 2.0)
    assert kit.power_w("ac") == pytest.approx(4000, rel=0.01), "two seconds at 2 kW/s"
    kit.run(10.0)
    assert kit.power_w("ac") == pytest.approx(16 * 3 * 230)
    kit.offer("ac", 6.0)
    kit.run(2.0 + 1.0)
    assert kit.power_w("ac") == pytest.approx(16 * 3 * 230 - 3000, rel=0.01), "a second at 3 kW/s"


def test_opening_the_contactor_stops_everything_at_once() -> None:
    kit = charging(PLAIN)
    kit.offer("ac", 16.0, closed=False)
    assert kit.power_w("ac") == 0.0


# --- DC -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "total", "module", "given"),
    [
        ({1: 80.0, 2: 80.0}, 100.0, 0.0, {1: 50.0, 2: 50.0}),
        ({1: 80.0, 2: 20.0}, 100.0, 0.0, {1: 80.0, 2: 20.0}),
        ({1: 30.0, 2: 20.0}, 100.0, 0.0, {1: 80.0, 2: 20.0}),
        ({1: 80.0}, 100.0, 0.0, {1: 100.0}),
        ({1: 80.0, 2: 80.0}, 90.0, 30.0, {1: 60.0, 2: 30.0}),
        ({1: 80.0, 2: 20.0}, 120.0, 30.0, {1: 90.0, 2: 30.0}),
        ({}, 100.0, 0.0, {}),
    ],
)
def test_modules_are_split_max_min(wants: dict[int, float], total: float, module: float, given: dict[int, float]) -> None:
    assert split_w(wants, total, module) == pytest.approx(given)
    assert sum(split_w(wants, total, module).values()) <= total + 1e-9


def test_the_connector_carries_no_more_than_its_current() -> None:
    """50 kW, 125 A: an 800 V pack gets its 50 kW, a 400 V pack what 125 A give at its voltage."""
    slow = StationModel("dc", "v", "m", (Evse(1, max_a=100.0, max_kw=50.0, max_dc_a=125.0),), standby_w=0.0)
    for vehicle, least, most in (("hyundai-ioniq-5-2021", 50_000, 50_000), ("compact-3ph", 330 * 125, 410 * 125)):
        kit = Kit({"dc": slow})
        kit.plug("dc", vehicle, 30.0)
        kit.offer("dc", kw=50)
        kit.run(120.0)
        assert least - 1 <= kit.power_w("dc") <= most + 1


def test_part_load_costs_efficiency() -> None:
    model = replace(AC, evses=(Evse(1, max_a=100.0, max_kw=100.0),), efficiency=((0.1, 0.80), (0.5, 0.94), (1.0, 0.95)))
    kit = Kit({"dc": model})
    kit.plug("dc", "compact-3ph", 20.0)
    shares = []
    for kw in (10, 50):
        kit.offer("dc", kw=kw)
        kit.run(60.0)
        shares.append(kit.power_w("dc") / kit.plant.read_station("dc", kit.world.now).power_w)
    assert shares == pytest.approx([0.80, 0.94])


def test_curves_meet() -> None:
    met = lower(((0.0, 100.0), (100.0, 0.0)), ((0.0, 0.0), (100.0, 100.0)))
    assert met == ((0.0, 0.0), (50.0, 50.0), (100.0, 0.0))


def test_a_curve_that_ends_at_nothing_is_finished_in_finite_time() -> None:
    curve = segments(58_000, ((0.0, 50_000.0), (100.0, 0.0)), lambda w: 1.0)
    stored, seconds, power = 0.0, 0.0, 50_000.0
    while (piece := next_piece(curve, stored, 1e9, power, 1e5, 1e5, lambda w: 1.0)) is not None:
        stored += piece.energy_wh(piece.seconds)
        seconds += piece.seconds
        power = piece.power_w(piece.seconds)
    assert stored == pytest.approx(58_000)
    assert seconds < 24 * 3600


def test_every_quirk_of_the_catalogue_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    quirky = [v for v in catalogue_vehicles() if v.startswith("quirk-")]
    assert [v for v in quirky if v not in text] == []
