"""Meter faults by name: what is seen of what is right, and that reading never changes it."""

from __future__ import annotations

from typing import Any

import pytest

from chargekit.emulator.meter_faults import FAULTS
from chargekit.emulator.meters import Meter
from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput
from chargekit.model.metering import MeterSample
from chargekit.wire.modbus import Block
from chargekit.wire.registers import register_map

V = (230.0, 231.0, 232.0)


def good(now: float) -> MeterSample:
    """10 A, 6 A, 2 A rising by an ampere a minute; 4 kW."""
    up = now / 60.0
    return MeterSample(now, (10.0 + up, 6.0 + up, 2.0 + up), V, 4000.0, 1000.0 + 4000.0 * now / 3600.0, export_wh=50.0)


def failing(name: str, **parameters: float) -> Meter:
    meter = Meter("m", 1, register_map("eastron-sdm630"), good)
    meter.fail(FAULTS[name], 60.0, **parameters)
    return meter


TABLE: list[tuple[str, dict[str, float], dict[str, Any]]] = [
    ("frozen", {}, {"current_a": (11.0, 7.0, 3.0), "energy_wh": 1000.0 + 4000 / 60}),
    ("sign-flipped", {}, {"current_a": (-12.0, -8.0, -4.0), "power_w": -4000.0, "export_wh": 50 + 4000 / 60}),
    ("sign-flipped", {}, {"energy_wh": 1000 + 4000 / 60}),
    ("wrong-scale", {"factor": 0.1}, {"current_a": (1.2, 0.8, 0.4), "power_w": 400.0, "energy_wh": 1000.0 + 4400 / 60}),
    ("wrong-scale", {"factor": 10}, {"current_a": (120.0, 80.0, 40.0)}),
    ("swapped-phases", {}, {"current_a": (8.0, 12.0, 4.0), "voltage_v": (231.0, 230.0, 232.0), "power_w": 4000.0}),
    ("register-wrap", {"at_kwh": 1.1}, {"energy_wh": (1000 + 8000 / 60) - 1100, "power_w": 4000.0}),
    ("reset-to-zero", {}, {"energy_wh": 4000 / 60, "current_a": (12.0, 8.0, 4.0)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters", "seen"), TABLE, ids=[f"{t[0]}-{n}" for n, t in enumerate(TABLE)])
def test_what_is_seen_a_minute_later(name: str, parameters: dict[str, float], seen: dict[str, Any]) -> None:
    shown = failing(name, **parameters).sample(120.0)
    for figure, value in seen.items():
        assert getattr(shown, figure) == pytest.approx(value), figure


def test_jitter_is_bounded_and_the_same_for_every_reader() -> None:
    meter = failing("jitter", percent=5.0)
    offs = [meter.sample(float(t)).current_a[0] / good(float(t)).current_a[0] - 1 for t in range(60, 660)]
    assert max(map(abs, offs)) <= 0.05
    assert max(offs) > 0.03 and min(offs) < -0.03
    assert offs == [meter.sample(float(t)).current_a[0] / good(float(t)).current_a[0] - 1 for t in range(60, 660)]


def test_swapped_words_swap_every_figure() -> None:
    right = Meter("m", 1, register_map("eastron-sdm630"), good).words(Block(4, 0, 6), 120.0)
    wrong = failing("swapped-words").words(Block(4, 0, 6), 120.0)
    assert right is not None and wrong is not None
    assert wrong == [right[1], right[0], right[3], right[2], right[5], right[4]]


@pytest.mark.parametrize(("name", "parameters", "delay"), [("silent", {}, None), ("slow", {"late_s": 3.0}, 3.0), ("frozen", {}, 0.0)])
def test_how_long_it_takes_to_answer(name: str, parameters: dict[str, float], delay: float | None) -> None:
    assert failing(name, **parameters).delay_s(100.0) == delay


@pytest.mark.parametrize("name", FAULTS)
def test_reading_changes_nothing_and_mending_does(name: str) -> None:
    meter = failing(name)
    first = [meter.sample(300.0), meter.words(Block(4, 0, 12), 300.0)]
    for t in (100.0, 200.0, 1000.0):
        meter.sample(t)
    assert [meter.sample(300.0), meter.words(Block(4, 0, 12), 300.0)] == first
    meter.mend()
    assert meter.sample(300.0) == good(300.0)
    assert meter.delay_s(300.0) == 0.0


@pytest.mark.parametrize("transport", ["memory", "sockets"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_reaches_whoever_reads(tmp_path, name: str, transport: str) -> None:  # type: ignore[no-untyped-def]
    """By hand, in a lab, over memory and over Modbus TCP: seen from then on, and gone when it is mended."""
    import asyncio

    path = tmp_path / "fleet.yaml"
    path.write_text(
        "site: one\ntype: mixed_use\ncircuits: {grid: {limit: 100 A}}\nstations: [{id: ac-1, model: generic-ac-22, circuit: grid}]\n"
        "meters: [{id: m1, circuit: grid, model: eastron-sdm630, unit: 1}]\n"
    )
    lab = build(load_site(str(path)), Plan(seed="f", transport=transport, rate=60.0 if transport == "sockets" else float("inf")))  # type: ignore[arg-type]

    def seen(since: float) -> list[tuple[str, Any, float]]:
        return [
            (r.kind, r.body.get("current_a"), r.body.get("energy_wh", 0.0))
            for r in lab.history.records
            if r.witness == "meter" and r.t > since
        ]

    async def work() -> tuple[list[Any], list[Any], list[Any]]:
        lab.rig.act(PLANT, "set_building_a", {"circuit": "grid", "amps": [20, 10, 5]})
        await asyncio.sleep(30)
        before = seen(10)
        more = {"wrong-scale": {"factor": 0.1}, "slow": {"late_s": 4.0}, "jitter": {"percent": 20.0}, "register-wrap": {"at_kwh": 0.01}}
        lab.rig.act(PLANT, "meter_fault", {"meter": "m1", "fault": name, **more.get(name, {})})
        lab.rig.act(PLANT, "set_building_a", {"circuit": "grid", "amps": [26, 10, 5]})
        start = lab.world.now
        await asyncio.sleep(120)
        during = seen(start + 12)
        lab.rig.act(PLANT, "meter_fault", {"meter": "m1", "fault": "none"})
        after_t = lab.world.now
        await asyncio.sleep(45)
        return before, during, seen(after_t + 20)

    try:
        before, during, after = lab.run(work())
    finally:
        lab.close()
    assert before and all(kind == "sample" for kind, _, _ in before)
    assert [k for k, a, _ in after if k == "sample" and max(a) == pytest.approx(26.03, abs=0.1)]
    shown = [a for kind, a, _ in during if kind == "sample"]
    match name:
        case "silent":
            assert shown == []
        case "frozen":
            assert {round(max(a), 1) for a in shown} == {20.0}
        case "sign-flipped":
            assert all(min(a) < -25 for a in shown)
        case "wrong-scale":
            assert all(max(a) == pytest.approx(2.6, abs=0.1) for a in shown)
        case "swapped-phases":
            assert all(a[1] == pytest.approx(26.03, abs=0.1) for a in shown)
        case "swapped-words":
            assert all(max(a) != pytest.approx(26.03, abs=1.0) for a in shown)
        case "slow":
            assert len(shown) < 0.7 * 120
        case "jitter":
            assert max(max(a) for a in shown) - min(max(a) for a in shown) > 1.0
        case _:
            energies = [e for kind, _, e in during if kind == "sample"]
            assert min(energies) < max(e for _, _, e in before)


def test_a_site_file_may_break_a_meter(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "fleet.yaml"
    text = (
        "site: one\ntype: mixed_use\ncircuits: {grid: {limit: 100 A}}\nstations: [{id: ac-1, model: generic-ac-22, circuit: grid}]\n"
        "meters: [{id: m1, circuit: grid, model: eastron-sdm630, fault: {name: wrong-scale, after: 1 min, factor: 5}}]\n"
    )
    path.write_text(text)
    lab = build(load_site(str(path)), Plan(seed="f"))
    lab.rig.act(PLANT, "set_building_a", {"circuit": "grid", "amps": [10, 10, 10]})
    lab.world.run_until(120.0)
    shown = [r.body["current_a"][0] for r in lab.history.records if r.kind == "sample"]
    assert shown[5] == pytest.approx(10.03, abs=0.05)
    assert shown[-1] == pytest.approx(50.2, abs=0.3)
    path.write_text(text.replace("wrong-scale", "wrong-scal"))
    with pytest.raises(BadInput, match="wrong-scal"):
        load_site(str(path))
