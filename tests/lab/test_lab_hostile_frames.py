"""Every odd frame there is, to a controller and to a station while cars charge: both go on, and the neighbour notices nothing."""

import asyncio
from pathlib import Path

import pytest
from tests.wire.frames import ROWS

from chargekit.lab.assemble import CSMS, PLANT, Lab, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.wire import VERSIONS
from chargekit.world.events import Frame

SITE = """site: pair
type: mixed_use
circuits: {{grid: {{limit: 60 A}}}}
stations:
  - {{id: bad, model: generic-ac-22, circuit: grid, ocpp: "{version}"}}
  - {{id: good, model: generic-ac-22, circuit: grid, ocpp: "{version}"}}
meters:
  - {{id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 9}}
  - {{id: m-bad, station: bad, model: eastron-sdm630, unit: 1}}
  - {{id: m-good, station: good, model: eastron-sdm630, unit: 2}}
"""


def charging(tmp_path: Path, version: str, *hostile: Frame) -> Lab:
    """Two stations charge for two minutes; from 40 s on, the hostile frames arrive one a second, then both drivers stop."""
    (tmp_path / "fleet.yaml").write_text(SITE.format(version=version))
    (tmp_path / "policy.yaml").write_text('access: {tokens: {"RES-*": resident}}\n')
    lab = build(load_site(str(tmp_path)), Plan(operate=True, seed="5"))

    async def work() -> None:
        await asyncio.sleep(20.0)
        for n, station in enumerate(("good", "bad")):
            await lab.rig.do(PLANT, "plug", {"station": station, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 30.0})
            await lab.rig.do(station, "present", {"token": f"RES-{n}", "evse": 1})
        await asyncio.sleep(20.0)
        for frame in hostile:
            lab.world.post(CSMS if frame.peer != CSMS else "bad", frame)
            await asyncio.sleep(0.5)
        await asyncio.sleep(160.0 - lab.world.now)
        for station in ("good", "bad"):
            await lab.rig.do(station, "press_stop", {"evse": 1})
        await asyncio.sleep(20.0)

    lab.run(work())
    lab.close()
    return lab


def of(lab: Lab, subject: str, witness: str) -> list[tuple[float, str, object]]:
    return [(r.t, r.kind, r.body) for r in lab.history.records if r.subject == subject and r.witness == witness]


ENDS = {"1.6": "StopTransaction.conf", "2.0.1": "TransactionEvent.conf", "2.1": "TransactionEvent.conf"}


@pytest.mark.parametrize("to", ["the controller", "the station"])
@pytest.mark.parametrize("version", VERSIONS)
def test_hostile_frames_end_nothing(tmp_path: Path, version: str, to: str):
    peer = "bad" if to == "the controller" else CSMS
    plain = charging(tmp_path, version)
    lab = charging(tmp_path, version, *(Frame(peer, row.text) for row in ROWS))
    # What is sent to one station shifts the random delays of its link, and so by milliseconds when room is given to the other.
    assert [kind for _, kind, _ in of(lab, "good", "wire")] == [kind for _, kind, _ in of(plain, "good", "wire")]
    flows = [[max(body["current_a"]) for _, _, body in of(each, "m-good", "meter")] for each in (lab, plain)]  # type: ignore[index]
    assert sum(abs(one - other) > 0.01 for one, other in zip(*flows, strict=True)) <= 2
    assert flows[0][90] > 15.0 and flows[0][-1] < 0.5
    mine = [kind for _, kind, _ in of(lab, "bad", "wire")]
    assert mine.count("opened") == 1 and "closed" not in mine
    assert ENDS[version] in mine[-4:]
    last = of(lab, "m-bad", "meter")
    assert max(last[90][2]["current_a"]) > 6.0 and max(last[-1][2]["current_a"]) < 0.5  # type: ignore[index]
    found = [body["kind"] for _, kind, body in of(lab, "bad", "controller") if kind == "finding"]  # type: ignore[index]
    # The station answers what nobody asked, and the controller notes that once too.
    assert len(found) == len(set(found)) and {"stray frame", "garbled frame"} - set(found) == (
        set() if to == "the controller" else {"garbled frame"}
    )
