"""What must hold in the plant whatever happens: bounds, sums, monotony, and that reading changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.emulator.kit import Kit

from chargekit.emulator.building import Surroundings
from chargekit.lab.sitefile import catalogue_vehicles
from chargekit.model.limit import add
from chargekit.model.site import Building, Circuit, Evse, StationModel

CIRCUITS = {
    "grid": Circuit("grid", None, 400.0, resistance_ohm=0.01),
    "left": Circuit("left", "grid", 160.0, resistance_ohm=0.05),
    "right": Circuit("right", "grid", 300.0),
}
AC22 = StationModel("ac", "v", "m", (Evse(1),), standby_w=8.0)
AC7 = StationModel("ac7", "v", "m", (Evse(1, phases=1),), standby_w=4.0)
PAIR = StationModel(
    "dc", "v", "m", (Evse(1, max_kw=100.0, max_a=160.0, max_dc_a=250.0), Evse(2, max_kw=100.0, max_a=160.0)),
    standby_w=120.0, shared_kw=150.0, module_kw=30.0, efficiency=((0.1, 0.85), (0.6, 0.95)),
)  # fmt: skip
STATIONS = {"a": AC22, "b": AC7, "c": AC22, "d": PAIR}
ON = {"a": "left", "b": "left", "c": "right", "d": "right"}
BAYS = (("a", 1), ("b", 1), ("c", 1), ("d", 1), ("d", 2))
OFFERS = (0.0, 5.9, 6.0, 10.0, 16.0, 32.0)
CARS = ("compact-3ph", "city-1ph", "small-22kw", "hyundai-ioniq-5-2021", "polestar-2-2020")
NAMES = tuple(catalogue_vehicles())


def site(surroundings: Surroundings | None = None) -> Kit:
    return Kit(STATIONS, circuits=CIRCUITS, rotation={"b": (1, 2, 0), "c": (2, 0, 1)}, circuit_of=ON, surroundings=surroundings)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("plug"), st.sampled_from(BAYS), st.sampled_from(NAMES), st.floats(0, 99.9)),
        st.tuples(st.just("unplug"), st.sampled_from(BAYS)),
        st.tuples(st.just("offer"), st.sampled_from(BAYS), st.sampled_from(OFFERS), st.booleans(), st.sampled_from((1, 3))),
        st.tuples(st.just("building"), st.sampled_from(("left", "grid")), st.floats(-60, 60)),
        st.tuples(st.just("volts"), st.floats(215, 250)),
        st.tuples(st.just("run"), st.floats(0.1, 3000)),
    ),
    min_size=4, max_size=24,
)  # fmt: skip


def play(kit: Kit, step: Sequence[Any]) -> None:
    match step:
        case ("plug", (station, evse), vehicle, soc):
            kit.plug(station, vehicle, soc, evse=evse)
        case ("unplug", (station, evse)):
            kit.hand("unplug", station=station, evse=evse)
        case ("offer", (station, evse), amps, closed, phases):
            kit.offer(station, amps, kw=amps * 4.0, evse=evse, closed=closed, phases=phases)
        case ("building", circuit, amps):
            kit.hand("set_building_a", circuit=circuit, amps=[amps, amps / 2, -amps / 3])
        case ("volts", volts):
            kit.hand("set_voltage", volts=[volts, volts + 1, volts - 1])
        case ("run", seconds):
            kit.run(seconds)


def holds(kit: Kit, before: dict[Any, tuple[float, float]]) -> None:
    now, plant = kit.world.now, kit.plant
    for key, bay in plant.bays.items():
        soc, register = bay.soc_percent(now), plant.read_evse(*key, now).energy_wh
        power = bay.output_w(now)
        old_soc, old_register = before.get(key, (-1.0, 0.0))
        assert register >= old_register - 1e-9
        if soc is not None and bay.car is not None:
            if old_soc >= 0:
                assert soc >= old_soc - 1e-9
            assert 0.0 <= soc <= 100.0
            vehicle = bay.car.vehicle
            if bay.evse.dc:
                assert power <= max(vehicle.dc_max_kw, 0.001) * 1000 * 1.001 + 1
                assert power <= (bay.evse.max_kw or 0) * 1000 * 1.001
            elif not bay.car.full:
                assert max(bay.current_a(now)) <= min(vehicle.ac_max_a, bay.evse.max_a, vehicle.cable_a) * 1.001
        if not bay.closed or bay.car is None:
            assert power == 0.0
            assert bay.current_a(now) == (0.0, 0.0, 0.0)
        before[key] = (soc if soc is not None else -1.0, register)
    both = [plant.bays[("d", n)] for n in (1, 2)]
    settled = all(not b.steps and (b.piece is None or not b.piece.ramp_w_per_s) for b in both)
    if settled and "d" not in plant._ticking:
        assert sum(b.output_w(now) for b in both) <= 150_000 * 1.001
    nodes(kit)


def nodes(kit: Kit) -> None:
    """Every node is the sum of its children, its own loads and its losses: amperes by phase, watts, and Wh."""
    now, plant = kit.world.now, kit.plant
    for name, circuit in CIRCUITS.items():
        shown = plant.read_circuit(name, now)
        parts = [plant.read_circuit(c, now) for c in CIRCUITS if CIRCUITS[c].parent == name]
        for station in plant.site.stations:
            if station.circuit == name:
                one = plant.read_station(station.id, now)
                parts.append(replace(one, current_a=plant._rotated(station, one.current_a)))
        building = plant.building_a.get(name, (0.0, 0.0, 0.0))
        amps = building
        for part in parts:
            amps = add(amps, part.current_a)
        assert shown.current_a == pytest.approx(amps, abs=1e-6)
        held = plant.network.branches[name].held_a
        loss = circuit.resistance_ohm * sum(a * a for a in held)
        assert shown.power_w == pytest.approx(sum(p.power_w for p in parts) + sum(building) * 230 + loss, abs=1e-3)


@given(steps)
def test_the_laws_hold_whatever_happens(story: list[Sequence[Any]]) -> None:
    kit, before = site(), {}
    for step in story:
        if step[0] == "unplug":
            before.pop(step[1], None)
        was = {k: b.car for k, b in kit.plant.bays.items()}
        play(kit, step)
        for key, bay in kit.plant.bays.items():
            if bay.car is not was[key] and key in before:
                before[key] = (-1.0, before[key][1])
        holds(kit, before)


def busy() -> Kit:
    kit = site()
    for (station, evse), vehicle in zip(
        BAYS, ("compact-3ph", "city-1ph", "small-22kw", "hyundai-ioniq-5-2021", "polestar-2-2020"), strict=True
    ):
        kit.plug(station, vehicle, 30.0, evse=evse, battery_c=12.0)
        kit.offer(station, 20.0, kw=100.0, evse=evse)
    return kit


def everything(kit: Kit) -> list[object]:
    now, plant = kit.world.now, kit.plant
    return [
        *(plant.read_evse(*key, now) for key in BAYS),
        *(plant.read_station(s, now) for s in STATIONS),
        *(plant.read_circuit(c, now) for c in CIRCUITS),
    ]


def test_five_thousand_readings_leave_every_figure_bit_identical() -> None:
    watched, alone = busy(), busy()
    for _ in range(5000):
        watched.run(0.36)
        everything(watched)
    alone.run(0.0)
    alone.world.run_until(watched.world.now)
    assert everything(watched) == everything(alone)


def test_energy_at_every_meter_is_the_integral_of_its_power() -> None:
    """Simpson over a fine grid, to 0.01 %, on AC, DC and circuits, while curves fall and modules are shared."""
    kit = busy()
    kit.run(60.0)
    start, step_s, sums = everything(kit), 0.25, [0.0] * len(everything(kit))
    last = [m.power_w for m in start]  # type: ignore[attr-defined]
    for _ in range(2400 * 2):
        kit.run(step_s)
        now = [m.power_w for m in everything(kit)]  # type: ignore[attr-defined]
        sums = [s + (a + b) / 2 * step_s / 3600 for s, a, b in zip(sums, last, now, strict=True)]
        last = now
    for total, before, after in zip(sums, start, everything(kit), strict=True):
        assert after.energy_wh - before.energy_wh == pytest.approx(total, rel=1e-4)  # type: ignore[attr-defined]


def test_the_sun_turns_the_meter_backwards_and_neither_register_ever_falls() -> None:
    around = Surroundings(site().site.calendar, (Building("left", "office", 20.0, pv_kwp=60.0),), "seed")
    kit = site(around)
    kit.plug("d", "polestar-2-2020", 5.0)
    kit.offer("d", kw=100.0)
    last, seen, total = kit.plant.read_circuit("grid", 0.0), [], 0.0
    for _ in range(24 * 360):
        kit.run(10.0)
        sample = kit.plant.read_circuit("grid", kit.world.now)
        assert sample.energy_wh >= last.energy_wh - 1e-6
        assert sample.export_wh >= last.export_wh - 1e-6
        total += (sample.power_w + last.power_w) / 2 / 360
        seen.append(sample.power_w)
        last = sample
    assert last.energy_wh - last.export_wh == pytest.approx(total, rel=2e-3)
    assert min(seen) < -10_000 < 10_000 < max(seen)
    assert last.export_wh > 50_000


def test_single_phase_cars_land_on_their_rotated_phase() -> None:
    kit = Kit({"x": AC7, "y": AC7, "z": AC7}, rotation={"y": (1, 2, 0), "z": (2, 0, 1)})
    for n, name in enumerate("xyz"):
        kit.plug(name, "city-1ph", 20.0)
        kit.offer(name, 10.0 + n)
    kit.run(60.0)
    standby = 4.0 / 230.0
    assert kit.plant.read_circuit("grid", 60.0).current_a == pytest.approx((10 + standby, 11 + standby, 12 + standby))


def test_voltage_moves_power_and_not_current() -> None:
    kit = Kit()
    kit.plug("ac", "compact-3ph", 20.0)
    kit.offer("ac", 16.0)
    kit.run(60.0)
    assert kit.power_w("ac") == pytest.approx(16 * 3 * 230)
    kit.hand("set_voltage", volts=[240.0, 240.0, 240.0])
    assert kit.power_w("ac") == pytest.approx(16 * 3 * 240)
    assert kit.amps("ac") == pytest.approx((16, 16, 16))
    assert kit.plant.read_evse("ac", 1, kit.world.now).voltage_v == (240.0, 240.0, 240.0)


@pytest.mark.parametrize(("over", "least_s", "most_s"), [(1.13, 3600.0, 1e9), (1.45, 0.0, 3600.0), (2.55, 1.0, 120.0), (8.0, 0.0, 0.1)])
def test_a_breaker_opens_by_its_curve(over: float, least_s: float, most_s: float) -> None:
    """IEC 60898-1, type C."""
    kit = Kit(circuits={"grid": Circuit("grid", None, 100.0)})
    kit.hand("set_building_a", circuit="grid", amps=[100 * over, 0, 0])
    opened = None
    for _ in range(7300):
        if not kit.plant.network.branches["grid"].breaker.closed:
            opened = kit.world.now
            break
        kit.run(1.0)
    if most_s > 1e8:
        assert opened is None or opened >= least_s
    else:
        assert opened is not None
        assert least_s <= opened <= most_s + 1.0


def test_a_dead_circuit_draws_nothing_and_takes_its_building_from_the_parent() -> None:
    kit = busy()
    kit.hand("set_building_a", circuit="left", amps=[30, 30, 30])
    kit.run(100.0)
    kit.hand("open_breaker", circuit="left")
    kit.run(1.0)
    assert kit.plant.read_circuit("left", kit.world.now).current_a == pytest.approx((0, 0, 0), abs=1e-9)
    nodes_after = kit.plant.read_circuit("grid", kit.world.now).current_a
    right = kit.plant.read_circuit("right", kit.world.now).current_a
    assert nodes_after == pytest.approx(right, abs=1e-6)
    kit.hand("close_breaker", circuit="left")
    assert max(kit.plant.read_circuit("left", kit.world.now).current_a) >= 30.0
