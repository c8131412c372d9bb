"""What is recorded of decisions is enough to make each again, byte for byte, and shows when it was tampered with."""

import copy
import json
import math
import random
from dataclasses import replace

import orjson
import pytest
from tests.controller.explained import decided

from chargekit.controller import decisions_log
from chargekit.controller.decisions_log import KIND
from chargekit.controller.explaining import explain
from chargekit.controller.replaying import Malformed, Recorded, replayed, situation_at
from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.recorder import line_of
from chargekit.lab.sitefile import load_site

SITE = """site: chaotic
type: mixed_use
circuits:
  grid: {limit: 63 A, limit_kw: 40 kW}
  east: {parent: grid, limit: 32 A}
  west: {parent: grid, limit: 50 A}
stations:
  - {id: "e-{1..3}", model: generic-ac-22, circuit: east, ocpp: "1.6"}
  - {id: "w-{1..3}", model: generic-ac-22-dual, circuit: west, ocpp: "2.0.1", rotation: L2L3L1}
meters:
  - {id: grid-meter, circuit: grid, model: eastron-sdm630, unit: 1}
  - {id: west-meter, circuit: west, model: eastron-sdm630, unit: 2}
"""
SECONDS = 1500.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chaotic")
    (folder / "fleet.yaml").write_text(SITE)
    tokens = '{"RES-*": resident, "EMP-*": employee, "GST-*": guest}'
    (folder / "policy.yaml").write_text(f"access: {{tokens: {tokens}}}\npower: {{lease: 4 min}}\n")
    made = load_site(str(folder))
    uneven = replace(made.site.circuits["east"], unbalance_a=20.0)
    return replace(made, site=replace(made.site, circuits={**made.site.circuits, "east": uneven}))


def chaos(bundle, seed):
    """Comings and goings, lost frames, cuts, caps, overrides, classes, a building and a silent meter. The lab after it, and what the
    operator shared out at each decision recorded."""
    rng = random.Random(seed)
    lab = build(bundle, Plan(seed=f"chaotic/{seed}", operate=True))
    for link in lab.links.values():
        link.loss, link.delay_s = rng.choice([0.0, 0.02]), rng.choice([0.0, 0.5, 2.0])
    for number, (name, evse) in enumerate(lab.controller.operator.places):
        where, at = {"station": name, "evse": evse}, 20.0 + rng.random() * 500
        lab._later(at, PLANT, "plug", {**where, "vehicle": rng.choice(["compact-3ph", "small-22kw"]), "soc_percent": rng.uniform(5, 98)})
        lab._later(at + 5, name, "present", {"token": f"{('RES', 'EMP', 'GST')[number % 3]}-{number}", "evse": evse})
        if rng.random() < 0.5:
            lab._later(at + 500, name, "press_stop", {"evse": evse})
        if rng.random() < 0.6:
            cut, (down, up) = rng.random() * SECONDS, rng.choice([("link_cut", "link_mended"), ("power_off", "power_on")])
            lab._later(cut, name, down, {})
            lab._later(cut + rng.uniform(10, 400), name, up, {})
    lab._later(400.0, CSMS, "set_cap", {"circuit": "west", "limit_a": rng.choice([0.0, 7.5, 25.0])})
    for n, (until, user_class) in enumerate(((800.0, "resident"), (900.0, ""))):
        args = {"id": f"o{n}", "token": f"GST-{2 + 3 * n}", "user_class": user_class, "until": until, "who": "operations", "why": "test"}
        lab._later(500.0 + 50 * n, CSMS, "create_override", args)
    lab._later(700.0, CSMS, "revoke_override", {"id": "o0"})
    lab._later(950.0, CSMS, "set_class", {"token": "EMP-4", "user_class": "guest"})
    lab._later(1000.0, PLANT, "set_building_a", {"circuit": "grid", "amps": [12.0, 9.0, 2.0]})
    lab.world.call(1200.0, lambda: setattr(lab.lines["csms/grid-meter"], "silent", True))
    shared = {}

    def hear(record):
        if record.kind == KIND:
            shared[record.body["id"]] = lab.controller.operator._last

    lab.history.subscribe(hear)
    lab.world.run_until(SECONDS)
    return lab, shared


def planned(folder):
    """Two cars in a dear evening, led by a plan; the second without a departure. The lab after two hours."""
    (folder / "fleet.yaml").write_text(SITE.replace("site: chaotic", 'site: planned\nepoch: "2026-03-02T15:00:00Z"\nzone: Europe/Berlin'))
    tariff = '{from: "16:00", to: "19:00", price: 0.40}'
    (folder / "policy.yaml").write_text(
        f'access: {{tokens: {{"RES-*": resident}}}}\ncost: {{plan: true, price: 0.10, tariff: [{tariff}]}}\n'
    )
    lab = build(load_site(str(folder)), Plan(seed="planned", operate=True, meter_every_s=60.0))
    for n, name in enumerate(("e-1", "e-2")):
        lab._later(60.0 + n, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 60.0})
        lab._later(70.0 + n, name, "present", {"token": f"RES-{n}", "evse": 1})
    lab._later(75.0, CSMS, "set_departure", {"token": "RES-0", "departs": 6.5 * 3600.0, "needs_kwh": 8.0})
    lab.world.run_until(7200.0)
    return lab


def test_what_a_plan_makes_of_demands_is_made_again(tmp_path):
    records = read_back(planned(tmp_path).history.records)
    for one in records:
        assert replayed(situation_at(records, one.t))[1] == ()
    told = situation_at(records, 3000.0)
    again, _ = replayed(told)
    assert explain(told, again, "e-1/1").sentence.startswith("e-1/1 gets nothing: its plan has it wait")
    assert "its plan" not in explain(told, again, "e-2/1").sentence
    # Without a departure it stands behind those that are pressed for time.
    assert next(d for d in told.given.demands if d.id == "e-2/1").tie[1] == math.inf


def read_back(records):
    """Decisions as they come back from a file."""
    rows = [orjson.loads(line_of(r)) for r in records if r.kind == KIND]
    return [Recorded(n, row["t"], row["body"]) for n, row in enumerate(rows, 1)]


@pytest.mark.parametrize("seed", range(6))
def test_every_decision_of_a_chaotic_run_is_made_again_to_the_byte(bundle, seed, monkeypatch):
    monkeypatch.setattr(decisions_log, "FULL_EVERY", 7)
    lab, shared = chaos(bundle, seed)
    records = read_back(lab.history.records)
    assert len(records) > 40
    assert [r.body["id"] for r in records] == list(range(len(records)))
    assert [r.body["full"] for r in records] == [n % 7 == 0 for n in range(len(records))]
    sentences = set()
    for one in records:
        told = situation_at(records, one.t) if records[-1] is one or records[one.line].t > one.t else None
        if told is None:
            # Several decisions of one instant: the last of them holds.
            continue
        demands, tight, reserved, allocation = shared[told.number]
        assert told.given.demands == tuple(sorted(demands, key=lambda d: [row.id for row in told.given.demands].index(d.id)))
        assert told.given.limits == tuple(tight)
        assert told.given.reserved == {name: amps for name, amps in reserved.items() if any(amps)}
        again, faults = replayed(told)
        assert faults == ()
        assert again == allocation
        sentences |= {explain(told, again, evse).sentence for evse in told.lines}
    wanted = ("all its outlet gives", "do not fit", "is full", "no session runs there", "is offline", "waiting for room", "by hand")
    assert sum(any(words in sentence for sentence in sentences) for words in wanted) >= 5, sentences


def test_the_record_of_a_run_is_the_same_bytes_every_time(bundle):
    first, second = ([line_of(r) for r in chaos(bundle, 1)[0].history.records if r.kind == KIND] for _ in range(2))
    assert first == second


def test_reserves_and_lines_say_who_keeps_what(bundle):
    """What stations that can't be led keep, and the base load, come to what the allocator was told to leave alone."""
    records = read_back(chaos(bundle, 2)[0].history.records)
    checked = 0
    for one in records[:: max(1, len(records) // 25)]:
        told = situation_at(records, one.t)
        own = dict.fromkeys(told.given.tree, (0.0, 0.0, 0.0))
        for key, line in told.lines.items():
            if line.state != "led":
                at = told.places[key]
                own[at.circuit] = tuple(a + line.could_a * (p in at.phases) for p, a in enumerate(own[at.circuit]))
        for circuit, amps in told.base.items():
            own[circuit] = tuple(a + b for a, b in zip(own[circuit], amps, strict=True))
        for circuit, amps in own.items():
            # A decision sends limits after it was made: only what stations not led could draw may differ, and it may not.
            assert told.given.reserved.get(circuit, (0.0, 0.0, 0.0)) == pytest.approx(amps), (one.t, circuit)
            checked += max(amps) > 0
    assert checked > 5


def find(records, section):
    """The last decision in which rows of this section are other ones."""
    rows = ((r, r.body.get(section, ())) for r in reversed(records))
    return next(r for r, found in rows if (any(found.values()) if isinstance(found, dict) else found))


def altered(records, line, change):
    one = records[line - 1]
    body = copy.deepcopy(one.body)
    change(body)
    return [*records[: line - 1], Recorded(one.line, one.t, body), *records[line:]]


@pytest.fixture(scope="module")
def records(bundle):
    return read_back(chaos(bundle, 3)[0].history.records)


def test_an_altered_grant_is_found(records):
    line = find(records, "grants").line
    key = next(k for k, row in records[line - 1].body["grants"].items() if row is not None)

    def change(body):
        body["grants"][key] = [body["grants"][key][0] + 3.0, body["grants"][key][1]]

    again, faults = replayed(situation_at(altered(records, line, change), records[line - 1].t))
    assert again is not None
    assert faults[0] == f"line {line}: decision {line - 1} was altered, or one before it: its digest does not fit"
    assert any(fault.startswith(f"{key}: recorded ") for fault in faults)


def test_an_altered_reason_is_found(records):
    line = find(records, "demands").line
    key = next(k for k, row in records[line - 1].body["demands"].items() if row is not None)

    def change(body):
        body["demands"][key][6] = "because I say so"

    _, faults = replayed(situation_at(altered(records, line, change), records[line - 1].t))
    assert len(faults) >= 1 and "its digest does not fit" in faults[0]


def test_a_digest_made_anew_does_not_hide_another_outcome(records):
    """Whoever corrects the sum too still has to make the allocator agree."""
    line = find(records, "limits").line
    made = copy.deepcopy(altered(records, line, lambda body: body["limits"][0].__setitem__(1, 6.0)))
    chain = ""
    for one in made:
        chain = decisions_log.chained("" if one.body["full"] else chain, one.t, one.body)
        one.body["sum"] = chain
    _, faults = replayed(situation_at(made, records[line - 1].t))
    assert faults and not any("digest does not fit" in fault for fault in faults)


def test_a_decision_taken_out_is_missed(records):
    without = [r for r in records if r.body["id"] != 5]
    told = situation_at(without, records[-1].t if len(records) < 200 else records[150].t)
    assert told.faults[0] == "line 7: decision 5 is missing"
    with pytest.raises(Malformed, match="the first decision of a file stands in full"):
        situation_at(records[3:], records[5].t)


def test_nothing_is_told_of_a_time_before_the_first_decision(records):
    assert situation_at(records, records[0].t - 0.001) is None
    assert situation_at([], 100.0) is None


def test_whatever_is_altered_is_found_or_refused(records):
    """Each value of a full record and a difference replaced by what does not belong there: never a traceback, never unnoticed."""
    rng = random.Random(5)
    tried = 0
    for line in (1, 4):
        places = list(paths(records[line - 1].body))
        for path in rng.sample(places, min(120, len(places))):
            for odd in (None, -1, "x", 1e300, [], {}, "\ud800"):

                def change(body, path=path, odd=odd):
                    at = body
                    for step in path[:-1]:
                        at = at[step]
                    at[path[-1]] = odd

                made = altered(records, line, change)
                if made[line - 1].body == records[line - 1].body:
                    continue
                tried += 1
                try:
                    told = situation_at(made, records[line - 1].t)
                except Malformed:
                    continue
                assert told is None or replayed(told)[1], (path, odd)
    assert tried > 500


def paths(value, at=()):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths(one, (*at, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from paths(one, (*at, number))
    if at:
        yield at


def test_hostile_text_is_recorded_and_made_again(bundle):
    """Lone surrogates and control characters in what a lever says: the record is still JSON, and its decision made again."""
    lab = build(bundle, Plan(seed="hostile", operate=True))
    lab._later(20.0, PLANT, "plug", {"station": "e-1", "evse": 1, "vehicle": "small-22kw", "soc_percent": 20.0})
    lab._later(22.0, "e-1", "present", {"token": "GST-1", "evse": 1})
    nasty = "\x1b[31m\ud800[bold]\u202e</b>"
    lab._later(60.0, CSMS, "create_override", {"id": nasty, "token": "GST-1", "until": 900.0, "who": "operations", "why": nasty})
    lab.world.run_until(80.0)
    records = read_back(lab.history.records)
    told = situation_at(records, 80.0)
    again, faults = replayed(told)
    assert faults == ()
    assert told.overrides[0].why == "\x1b[31m?[bold]\u202e</b>"
    assert "by operations: \x1b[31m?[bold]" in explain(told, again, "e-1/1").rank


def test_a_quiet_site_records_nothing(bundle):
    lab = build(bundle, Plan(seed="quiet", operate=True))
    lab.world.run_until(100.0)
    before = len(decided(lab.history.records))
    lab.world.run_until(2000.0)
    assert len(decided(lab.history.records)) == before > 0
    assert json.loads(line_of([r for r in lab.history.records if r.kind == KIND][-1]))["body"]["sum"]
