"""The safety invariant under faults: lost and late messages, stations cut off and powered down, sessions coming and going on a tight site.

Every circuit stays within its rating at every second, as the plant itself knows it.
"""

import random

import pytest

from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.sitefile import load_site

TIGHT = """site: tight
type: mixed_use
circuits:
  grid: {limit: 50 A}
  east: {parent: grid, limit: 32 A}
stations:
  - {id: "e-{1..3}", model: generic-ac-22, circuit: east, ocpp: "1.6"}
  - {id: "w-{1..3}", model: generic-ac-22, circuit: grid, ocpp: "2.0.1", rotation: L2L3L1}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}
"""
SECONDS = 2400


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tight")
    (folder / "fleet.yaml").write_text(TIGHT)
    tokens = '{"RES-*": resident, "EMP-*": employee, "GST-*": guest}'
    (folder / "policy.yaml").write_text(f"access: {{tokens: {tokens}}}\npower: {{lease: 4 min}}\n")
    return load_site(str(folder))


@pytest.mark.parametrize("seed", range(12))
def test_no_circuit_is_over_its_rating_whatever_is_lost(bundle, seed):
    rng = random.Random(seed)
    lab = build(bundle, Plan(seed=f"dispatch/{seed}", operate=True))
    for link in lab.links.values():
        link.loss, link.delay_s = rng.choice([0.0, 0.02, 0.1]), rng.choice([0.0, 0.5, 3.0])
    for number, name in enumerate(lab.stations):
        at = 20.0 + rng.random() * 600
        vehicle = rng.choice(["compact-3ph", "small-22kw", "city-1ph"])
        plug = {"station": name, "evse": 1, "vehicle": vehicle, "soc_percent": rng.uniform(5, 60)}
        lab._later(at, PLANT, "plug", plug)
        for again in range(4):
            # A lost answer leaves a user standing: present the token again, which ends a session that did start.
            token = {"token": f"{('RES', 'EMP', 'GST')[number % 3]}-{number}", "evse": 1}
            lab._later(at + 5 + again * rng.choice([35, 300]), name, "present", token)
        for _ in range(2):
            cut = rng.random() * SECONDS
            hand = rng.choice([("link_cut", "link_mended"), ("power_off", "power_on")])
            lab._later(cut, name, hand[0], {})
            lab._later(cut + rng.uniform(10, 600), name, hand[1], {})
    delivered = 0.0
    for t in range(SECONDS):
        lab.world.run_until(float(t))
        for name, circuit in bundle.site.circuits.items():
            shown = max(lab.plant.read_circuit(name, float(t)).current_a)
            assert shown <= circuit.rating_a + 0.1, f"seed {seed}: {name} carries {shown:.1f} A at {t} s"
        delivered = max(delivered, max(lab.plant.read_circuit("grid", float(t)).current_a))
    assert delivered > 15.0


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_one_lost_profile_keeps_nothing_waiting(bundle, lost):
    """A lowered cap whose message, or whose answer, is lost is said again and shows on the meter; so is the raise that follows."""
    lab = build(bundle, Plan(seed="lost", operate=True))
    lab._later(20, PLANT, "plug", {"station": "e-1", "evse": 1, "vehicle": "compact-3ph", "soc_percent": 20.0})
    lab._later(25, "e-1", "present", {"token": "RES-1", "evse": 1})
    lab._later(110, "csms", "set_cap", {"circuit": "grid", "limit_a": 8})
    lab._later(400, "csms", "set_cap", {"circuit": "grid", "limit_a": 40})
    link, dropped = lab.links["e-1"], []
    for at in (110, 400):
        lab.world.call(at - 0.5, dropped.clear)
    carry = link.send

    def lossy(way, text, now):
        ours = "SetChargingProfile" in text if lost == "request" else (way == "up" and text.startswith("[3") and dropped == ["asked"])
        if "SetChargingProfile" in text and lost == "reply" and not dropped and now > 100:
            dropped.append("asked")
        elif ours and now > 100 and len(dropped) < 2:
            dropped[:] = ["asked", "dropped"]
            return
        carry(way, text, now)

    link.send = lossy

    def drawn(t):
        lab.world.run_until(t)
        return max(lab.plant.read_circuit("east", t).current_a)

    assert drawn(100.0) > 15.5
    assert drawn(200.0) < 8.1, "the cap never reached the station"
    assert drawn(500.0) > 15.5, "the raise never reached the station"
