import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from chargekit.emulator.station_defects import STATION_DEFECTS
from chargekit.lab.assemble import BENCH, CSMS, PLANT, Lab, Plan, build
from chargekit.lab.recorder import Recorder
from chargekit.lab.sitefile import load_site

TWO = ("ac-01", "ac-11")


async def charge(lab: Lab, station: str, seconds: float = 60.0) -> None:
    await lab.rig.do(PLANT, "plug", {"station": station, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 30.0})
    await lab.rig.do(station, "present", {"token": "RES-1", "evse": 1})
    await asyncio.sleep(seconds)


def last_a(lab: Lab, meter: str) -> float:
    return max([r for r in lab.history.records if r.subject == meter and r.kind == "sample"][-1].body["current_a"])


def kinds(lab: Lab, subject: str, witness: str = "wire") -> list[str]:
    return [r.kind for r in lab.history.records if r.subject == subject and r.witness == witness]


def test_a_session_in_memory_shows_on_the_wire_and_on_the_meter():
    lab = build(load_site("mixed-use"), Plan(operate=True))

    async def work() -> None:
        await asyncio.sleep(20.0)
        await charge(lab, "ac-01")
        await charge(lab, "ac-11")

    lab.run(work())
    assert {lab.rig.can >= {"plug", "power_off", "link_cut", "command", "set_cap"}} == {True}
    for station, start in (("ac-01", "StartTransaction.conf"), ("ac-11", "TransactionEvent.conf")):
        assert start in kinds(lab, station)
        assert 6.0 < last_a(lab, f"m-{station[3:]}") < 17.0
    assert last_a(lab, "grid-meter") > 12.0
    assert kinds(lab, "ac-01", "rig") == ["present"] and kinds(lab, PLANT, "rig") == ["plug", "plug"]
    samples = [r.t for r in lab.history.records if r.subject == "m-05"]
    assert len(samples) == 140 and samples[0] == pytest.approx(0.02) and samples[1] == pytest.approx(1.02)
    lab.close()
    lab.close()


def bytes_of(tmp_path: Path, plan: Plan) -> bytes:
    lab = build(load_site("mixed-use"), plan)
    recorder = Recorder(tmp_path / "r.jsonl", lab.history)

    async def work() -> None:
        await asyncio.sleep(20.0)
        await charge(lab, "ac-01", 30.0)
        await lab.rig.do("ac-01", "power_off", {})
        await asyncio.sleep(10.0)
        await lab.rig.do("ac-01", "power_on", {})
        await lab.rig.do("ac-11", "link_cut", {})
        await asyncio.sleep(30.0)
        await lab.rig.do("ac-11", "link_mended", {})
        await asyncio.sleep(60.0)

    lab.run(work())
    recorder.end({})
    lab.close()
    return (tmp_path / "r.jsonl").read_bytes()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path):
    plan = Plan(seed="7", operate=True, stations=TWO)
    once = bytes_of(tmp_path, plan)
    assert once == bytes_of(tmp_path, plan)
    assert once != bytes_of(tmp_path, replace(plan, seed="8"))


def test_a_power_cut_and_a_lost_link_are_survived():
    lab = build(load_site("mixed-use"), Plan(stations=TWO))

    async def work() -> None:
        await asyncio.sleep(20.0)
        await lab.rig.do("ac-01", "power_off", {})
        await lab.rig.do("ac-11", "link_cut", {})
        await asyncio.sleep(30.0)
        await lab.rig.do("ac-01", "power_on", {})
        await lab.rig.do("ac-11", "link_mended", {})
        await asyncio.sleep(60.0)

    lab.run(work())
    boots = kinds(lab, "ac-01").count("BootNotification.conf")
    assert boots == 2 and kinds(lab, "ac-01").count("opened") == 2
    assert kinds(lab, "ac-11").count("BootNotification.conf") == 1 and kinds(lab, "ac-11").count("opened") == 2
    with pytest.raises(LookupError, match="this rig can't set_cap"):
        lab.run(lab.rig.do(CSMS, "set_cap", {"circuit": "grid", "limit_a": 10.0}))
    lab.close()


def test_a_part_of_a_site_has_its_meters_only():
    lab = build(load_site("mixed-use"), Plan(stations=("ac-03",)))
    assert [m.id for m in lab.meters] == ["grid-meter", "feeder-a-meter", "feeder-b-meter", "m-03"]
    assert sorted(lab.world.machines) == ["ac-03", BENCH, CSMS, PLANT]
    lab.close()


def test_a_silent_meter_is_noted_once_until_it_speaks_again():
    lab = build(load_site("mixed-use"), Plan(stations=("ac-01",)))
    lab.run(asyncio.sleep(10.0))
    lab.lines["m-01"].silent = True
    lab.run(asyncio.sleep(10.0))
    lab.lines["m-01"].silent = False
    lab.run(asyncio.sleep(10.0))
    seen = [r.kind for r in lab.history.records if r.subject == "m-01"]
    assert seen.count("silent") == 1 and seen[-1] == "sample"
    lab.close()


def test_defects_are_planted_where_they_are_wanted():
    one = STATION_DEFECTS[0]
    lab = build(load_site("mixed-use"), Plan(defects=(one,), defective=("ac-01",), stations=TWO))
    assert {n for n in TWO if isinstance(lab.world.machines[n], one)} == {"ac-01"}
    lab.close()


def test_clocks_may_be_wrong():
    lab = build(load_site("mixed-use"), Plan(stations=("ac-01",), clock_offset_s={"ac-01": 100.0}, keeps_clock=True))
    assert lab.world.machines["ac-01"].own(5.0) == 105.0  # type: ignore[attr-defined]
    lab.close()


def test_arrivals_come_by_themselves():
    lab = build(load_site("mixed-use"), Plan(operate=True))
    lab.play_arrivals()
    lab.run(lab.stand(1200.0))
    started = [s for s in lab.stations if "StartTransaction.conf" in kinds(lab, s) or s == "ac-11"]
    assert started == ["ac-01", "ac-02", "ac-07", "ac-11"]
    assert all(last_a(lab, f"m-{s[3:]}") > 5.0 for s in started)
    lab.close()


def test_a_lab_can_not_be_both_ends():
    with pytest.raises(ValueError, match="not both"):
        build(load_site("mixed-use"), Plan(csms_url="ws://x", listen=("127.0.0.1", 0), rate=60))
