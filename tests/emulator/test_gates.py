"""The gates of the physics: every catalogue vehicle against a small-step integration written here from the equations.

Shares no code with the emulator: it reads the vehicle's figures and steps time by a quarter of a second.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right

import pytest
from tests.emulator.kit import Kit

from chargekit.lab.sitefile import catalogue_vehicles
from chargekit.model.vehicle import Vehicle

STEP_S = 0.25
VEHICLES = catalogue_vehicles()
DC_VEHICLES = [v for v in VEHICLES.values() if v.dc_curve and v.quirks.cools_every_s is None]


def line(points: tuple[tuple[float, float], ...], x: float) -> float:
    at = bisect_right([p[0] for p in points], x)
    if at == 0:
        return points[0][1]
    if at == len(points):
        return points[-1][1]
    (x0, y0), (x1, y1) = points[at - 1], points[at]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


class Stepped:
    """DC at no limit but the vehicle's own: P = ramp(min(curve(SoC), P(T))), stored P * (a C + b), dT/dt of the measured car."""

    def __init__(self, vehicle: Vehicle, soc: float, battery_c: float, delay_s: float) -> None:
        self.seen: list[tuple[float, float, float]] = []
        self.drawn_wh = self.lost_wh = 0.0
        stored, t, power, warm = soc / 100 * vehicle.usable_kwh * 1000, 0.0, 0.0, battery_c
        hot, charging = False, 0.0
        thermal = vehicle.thermal
        least = max(k for _, k in vehicle.dc_curve) * 0.002
        while stored < vehicle.usable_kwh * 1000 and t < 200_000:
            soc = stored / vehicle.usable_kwh / 10
            kw = min(max(line(vehicle.dc_curve, soc), least), vehicle.dc_max_kw)
            if thermal is not None:
                kw = min(kw, line(thermal.power_kw, warm), thermal.hot_kw if hot else 1e9)
            step = (vehicle.dc_ramp.up_kw_per_s if kw > power else vehicle.dc_ramp.down_kw_per_s) * STEP_S
            power = min(kw, power + step) if kw > power else max(kw, power - step)
            a, b = vehicle.battery_efficiency
            share = a * power / vehicle.usable_kwh + b
            wh = power * 1000 * STEP_S / 3600
            stored, t, charging = stored + wh * share, t + STEP_S, charging + STEP_S
            self.drawn_wh += wh
            self.lost_wh += wh * (1 - share)
            warm += STEP_S * (4.31e-4 * (20 - warm) + 1.736e-4 * power * 77.4 / vehicle.usable_kwh + 2.6e-6 * charging + 3.2e-6 * soc)
            if thermal is not None and thermal.hot_from_c is not None:
                hot = warm >= (thermal.hot_until_c if hot else thermal.hot_from_c)
            self.seen.append((t + delay_s, soc, power))

    def minutes(self, low: float, high: float) -> float:
        return (next(t for t, s, _ in self.seen if s >= high) - next(t for t, s, _ in self.seen if s >= low)) / 60


@pytest.mark.parametrize("battery_c", [25.0, 10.0], ids=["warm", "cold"])
@pytest.mark.parametrize("vehicle", DC_VEHICLES, ids=lambda v: v.id)
def test_power_over_soc_time_and_energy_agree_with_a_small_step_integration(vehicle: Vehicle, battery_c: float) -> None:
    if battery_c < 25 and vehicle.thermal is None:
        battery_c = 24.0
    kit = Kit()
    kit.plug("dc", vehicle.id, 2.0, battery_c=battery_c)
    kit.offer("dc", kw=4000)
    bay = kit.plant.bays[("dc", 1)]
    seen: list[tuple[float, float, float]] = []
    while not bay.full and kit.world.now < 200_000:
        kit.run(5.0)
        seen.append((kit.world.now, bay.soc_percent(kit.world.now) or 0.0, bay.output_w(kit.world.now) / 1000))
    assert bay.full
    truth = Stepped(vehicle, 2.0, battery_c, bay.car.start_delay_s if bay.car else 0.0)

    peak = max(p for _, _, p in truth.seen)
    curve = tuple((s, p) for _, s, p in truth.seen if s > 2.0)
    inside = [(s, p) for _, s, p in seen if 5 <= s <= 95]
    # Weighted by SoC, not by time: the mean over the curve.
    width = [(b[0] - a[0]) for a, b in itertools.pairwise(inside)]
    error = sum(abs(p - line(curve, s)) * w for (s, p), w in zip(inside, width, strict=False)) / sum(width) / peak
    assert error <= 0.03, f"power over SoC is off by {error:.2%} of peak"

    def minutes(low: float, high: float) -> float:
        return (next(t for t, s, _ in seen if s >= high) - next(t for t, s, _ in seen if s >= low)) / 60

    assert minutes(10, 80) == pytest.approx(truth.minutes(10, 80), rel=0.05, abs=0.15)
    stored = vehicle.usable_kwh * 1000 * 0.98
    assert bay.register_wh == pytest.approx(truth.drawn_wh, rel=1e-3)
    assert bay.register_wh - stored == pytest.approx(truth.lost_wh, rel=0.05, abs=1e-3 * stored)


@pytest.mark.parametrize("vehicle", VEHICLES.values(), ids=lambda v: v.id)
def test_ac_energy_balance(vehicle: Vehicle) -> None:
    """Energy at the meter, times the inlet's efficiency at the current that flowed, is what was stored; and the tail tapers."""
    kit = Kit()
    kit.plug("ac", vehicle.id, 60.0)
    kit.offer("ac", amps=32)
    kit.run(60.0)
    bay = kit.plant.bays[("ac", 1)]
    register, stored = bay.output_wh(kit.world.now), bay.stored_wh(kit.world.now)
    kit.run(240.0)
    if bay.drawn and bay.piece and bay.piece.steady and not bay.full:
        share = line(vehicle.ac_efficiency, max(kit.amps("ac")))
        gained = bay.stored_wh(kit.world.now) - stored
        assert gained == pytest.approx((bay.output_wh(kit.world.now) - register) * share, rel=1e-3)
    else:
        pytest.fail(f"{vehicle.id} does not charge at 32 A")


def test_the_catalogue_holds_what_it_promises() -> None:
    kinds = {k: [v for v in VEHICLES.values() if v.kind == k] for k in ("car", "van", "truck", "bus", "phev")}
    assert all(kinds.values()), {k: len(v) for k, v in kinds.items()}
    assert len([v for v in VEHICLES.values() if not v.id.startswith("quirk-")]) >= 40
    for vehicle in VEHICLES.values():
        assert vehicle.source, vehicle.id
        assert "MIT" in vehicle.licence or "Apache" in vehicle.licence, vehicle.id
