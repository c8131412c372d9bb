"""Sites made from one number, their visits and buildings, the statistics they name, and what is said when one of these is wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chargekit.lab.site_scale import FUSES_A, draw_a, fuse_a
from chargekit.lab.site_statistics import catalogue_statistics, parse_statistics
from chargekit.lab.sitefile import catalogue_stations, load_site, parse_site
from chargekit.lab.yamlfile import parse
from chargekit.model.located import BadInput

SITES = ("depot", "workplace", "destination", "multifamily", "campus")
LINES = """\
site: yard
type: mixed_use
stations: 20
scale:
  grid: {diversity: 0.5}
  meters: {grid: eastron-sdm630, circuits: eastron-sdm630, stations: eastron-sdm630}
  groups:
    - {name: ac, share: 0.8, model: generic-ac-22, max_a: 16, feeder: 8, diversity: 0.6, ocpp: ["1.6", "2.0.1"]}
    - {name: one, share: 0.1, model: generic-ac-22, phases: 1}
    - {name: dc, share: 0.1, model: toy-dc-dual-100, feeder: 4}
building:
  - {circuit: grid, kind: office, peak_kw: 40, pv_kwp: 20}
visits:
  stated_sd: 10 min
  early: 5 %
  streams:
    - {name: staff, class: employee, token: EMP, statistics: workplace, stations: ["ac-*"], vehicles: {car: 3, compact-3ph: 1}}
    - {name: fast, token: GST, statistics: rapid-50, current: dc, per_evse: 4, vehicles: {phev: 1, car: 1}, waits: 5 min}
"""


def site_of(text: str = LINES, stations: int | None = None):
    return parse_site(parse(text, "fleet.yaml"), stations)


def test_one_number_makes_a_tree():
    site = site_of()
    assert Counter(s.id.split("-")[0] for s in site.stations) == {"ac": 16, "one": 2, "dc": 2}
    assert {c.name: c.parent for c in site.circuits.values()} == {
        "grid": None, "ac-p1": "grid", "ac-f1": "ac-p1", "ac-f2": "ac-p1", "one-f1": "grid", "dc-f1": "grid",
    }  # fmt: skip
    assert site.circuits["ac-f1"].rating_a == fuse_a(8 * 16 * 0.6) == 80.0
    assert site.circuits["ac-p1"].rating_a == fuse_a(16 * 16 * 0.6) == 160.0
    assert [s.ocpp for s in site.stations[:4]] == ["1.6", "2.0.1", "1.6", "2.0.1"]
    assert Counter(s.rotation[0] for s in site.stations if s.id.startswith("one")) == {0: 1, 1: 1}
    assert site.station("one-01").evse(1).phases == 1 and site.station("ac-01").evse(1).max_a == 16.0
    assert str(site.station("ac-16").source) == "fleet.yaml:8" == str(site.circuits["ac-f2"].source)


def test_the_grid_carries_the_diverse_sum_and_the_building():
    site = site_of()
    dc = 100_000.0 / 0.94 / 690
    total = 16 * 16 + 2 * 32 / 3 + 2 * dc
    assert site.root.rating_a == fuse_a(total * 0.5 + 40_000 / 690) == 400.0
    double = site_of(stations=40)
    assert double.buildings[0].peak_kw == 80.0 and double.buildings[0].pv_kwp == 40.0
    assert double.root.rating_a == fuse_a(2 * (total * 0.5 + 40_000 / 690)) == 800.0


@pytest.mark.parametrize("stations", [1, 2, 3, 7, 19, 64, 333, 1000])
def test_any_number_of_stations_is_shared_out(stations: int):
    site = site_of(LINES[: LINES.index("visits:")], stations)
    assert len(site.stations) == stations == len({s.id for s in site.stations})
    groups = Counter(s.id.split("-")[0] for s in site.stations)
    if stations >= 3:
        assert set(groups) == {"ac", "one", "dc"} and groups["ac"] == max(groups.values())
    for circuit in site.circuits.values():
        assert circuit.rating_a in FUSES_A or circuit.rating_a % 1000 == 0
        below = site.below(circuit.name)
        assert below and circuit.rating_a >= max(draw_a(s.model) for s in below)
        if circuit.parent == "grid":
            assert circuit.rating_a <= site.root.rating_a
    feeders = Counter(s.circuit for s in site.stations)
    assert max(n for name, n in feeders.items() if name.startswith("ac")) <= 8


def test_meters_have_unit_numbers_of_their_own_and_stations_get_theirs_while_these_last():
    small, large = site_of(stations=100), site_of(stations=400)
    for site in (small, large):
        units = [m.unit for m in site.meters]
        assert len(set(units)) == len(units) and max(units) <= 247
        assert {m.circuit for m in site.meters if m.circuit} == set(site.circuits)
    assert {m.station for m in small.meters if m.station} == {s.id for s in small.stations}
    assert not [m for m in large.meters if m.station]


@pytest.mark.parametrize(
    ("amps", "rating"), [(0.1, 16), (16, 16), (16.1, 20), (6300, 6300), (9000, 10_000), (10_001, 11_000), (45_100, 46_000)]
)
def test_standard_ratings(amps: float, rating: float):
    assert fuse_a(amps) == rating


def test_what_a_station_draws():
    models = catalogue_stations()
    assert draw_a(models["generic-ac-22"]) == 32.0
    assert draw_a(models["generic-ac-22"], 16.0) == 16.0
    assert draw_a(models["generic-ac-22"], None, 1) == pytest.approx(32 / 3)
    assert draw_a(models["toy-dc-dual-100"]) == pytest.approx(100_000 / 0.94 / 690)


def test_visits_of_a_file():
    plan = site_of().visits
    assert plan is not None
    staff, fast = plan.streams
    assert (plan.stated_sd_s, plan.early_share) == (600.0, 0.05)
    assert (staff.user_class, staff.token, staff.statistics.id, len(staff.evses)) == ("employee", "EMP", "workplace", 16)
    assert fast.evses == (("dc-01", 1), ("dc-01", 2), ("dc-02", 1), ("dc-02", 2)) and fast.waits_s == 300.0
    vehicles = site_of().vehicles
    assert all(vehicles[v].dc_max_kw > 0 for v, _ in fast.vehicles)
    shares = dict(staff.vehicles)
    cars = {n for n, v in vehicles.items() if v.kind == "car"}
    assert set(shares) == cars and sum(shares.values()) == pytest.approx(4.0)
    assert sum(w for n, w in shares.items() if n.startswith("quirk-")) == pytest.approx(3 * 0.05)
    assert shares["compact-3ph"] > 1.0


@pytest.mark.parametrize("name", SITES)
def test_the_living_sites(name: str):
    bundle = load_site(name)
    site, rules = bundle.site, bundle.rulebook
    assert site.id == name and site.visits is not None and site.buildings
    assert site.calendar.local(0.0).hour == 0 and site.calendar.local(0.0).weekday() == 0
    covered = {station for stream in site.visits.streams for station, _ in stream.evses}
    assert covered == {s.id for s in site.stations}
    for stream in site.visits.streams:
        given = rules.class_of(f"{stream.token}-001")
        assert given is not None and given.name == stream.user_class
    assert {s.ocpp for s in site.stations} == {"1.6", "2.0.1"}
    turns = Counter(s.rotation for s in site.stations)
    assert len(turns) == 3 and max(turns.values()) - min(turns.values()) <= 5


def test_every_file_of_statistics_says_where_it_is_from():
    found = catalogue_statistics()
    assert {"workplace", "campus", "destination-ac", "rapid-50", "rapid-170", "multifamily", "depot-vans"} <= set(found)
    for one in found.values():
        assert one.publisher and one.licence, one.id
        assert not one.dow_share or sum(one.dow_share) == pytest.approx(1.0, abs=0.01)
        assert all(ks <= 0.1 for ks in one.holdout_ks)


def changed(old: str, new: str) -> str:
    assert old in LINES
    return LINES.replace(old, new, 1)


REFUSED = [
    ("stations: 20", "stations: 0", "fleet.yaml:3: ", "1 to 5000 stations expected, found 0"),
    ("stations: 20", "stations: many", "fleet.yaml:3: ", "a whole number expected"),
    ("stations: 20", "stations: 20\ncircuits: {grid: {limit: 9 A}}", "fleet.yaml:4: ", "`circuits` and `scale` don't go together"),
    ("grid: {diversity: 0.5}", "grid: {diversity: 2}", "fleet.yaml:5: ", "at most 1"),
    ("grid: {diversity: 0.5}", "grid: {limit: 2}", "fleet.yaml:5: ", "'limit'"),
    ("  meters: {grid", "  meters: {gird", "fleet.yaml:6: ", "'gird'"),
    ("circuits: eastron-sdm630", "circuits: eastron-sdm63", "fleet.yaml:6: ", "eastron-sdm630"),
    ("share: 0.8", "share: 0.7", "fleet.yaml:7: ", "shares add up to 0.9"),
    ("name: one", "name: ac", "fleet.yaml:9: ", "group 'ac' is named twice"),
    ("model: toy-dc-dual-100", "model: toy-dc-dual-10", "fleet.yaml:10: ", "toy-dc-dual-100"),
    ("feeder: 4", "feeder: 0", "fleet.yaml:10: ", "1 to 100 stations on a feeder"),
    ("feeder: 4", "phases: 1", "fleet.yaml:10: ", "is a DC station"),
    ("phases: 1", "phases: 2", "fleet.yaml:9: ", "phases: 1 or 3 expected"),
    ('["1.6", "2.0.1"]', '["1.6", "2.0"]', "fleet.yaml:8: ", "'2.0' is not known"),
    ("circuit: grid, kind", "circuit: gird, kind", "fleet.yaml:12: ", "'gird' is not known"),
    ("kind: office", "kind: castle", "fleet.yaml:12: ", "'castle' is not known"),
    ("peak_kw: 40", "peak_kw: -4", "fleet.yaml:12: ", "-4"),
    ("early: 5 %", "early: 105 %", "fleet.yaml:15: ", "105"),
    ("statistics: workplace", "statistics: workplce", "fleet.yaml:17: ", "'workplace'"),
    ('"ac-*"', '"ax-*"', "fleet.yaml:17: ", "no station is named like 'ax-*'"),
    ("token: EMP", 'token: "E M"', "fleet.yaml:17: ", "can't begin with"),
    ("car: 3", "cart: 3", "fleet.yaml:17: ", "neither a catalogue vehicle nor a kind"),
    ("{car: 3, compact-3ph: 1}", "{car: 0}", "fleet.yaml:17: ", "nobody could come"),
    ("{phev: 1, car: 1}", "{bmw-330e-2016: 1}", "fleet.yaml:18: ", "no vehicle with a DC inlet"),
    ("current: dc", 'current: dc, stations: ["ac-*"]', "fleet.yaml:18: ", "none of its stations is DC"),
    ("name: fast", "name: staff", "fleet.yaml:18: ", "stream 'staff' is named twice"),
    ("per_evse: 4", "people: 0", "fleet.yaml:18: ", "people: 1 to 1000 expected"),
    ("waits: 5 min", "waits: 5 kW", "fleet.yaml:18: ", "5 kW"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "what"), REFUSED, ids=[f"{n[:28]}" for _, n, _, _ in REFUSED])
def test_what_is_wrong_is_said_with_file_and_line(old: str, new: str, where: str, what: str):
    with pytest.raises(BadInput) as caught:
        site_of(changed(old, new))
    assert str(caught.value).startswith(where) and what in str(caught.value)


def test_a_number_needs_a_scale_and_a_scale_a_number():
    with pytest.raises(BadInput) as caught:
        site_of("site: a\ntype: mixed_use\nstations: 4\ncircuits: {grid: {limit: 16 A}}\n")
    assert "fleet.yaml:3: a number of stations needs a `scale:` section" in str(caught.value)
    with pytest.raises(BadInput, match="fixed number of stations"):
        load_site("mixed-use", stations=40)
    with pytest.raises(BadInput, match="1 to 5000 stations expected, found 6000"):
        load_site("depot", stations=6000)


def own(folder: Path, text: str, policy: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "fleet.yaml").write_text(text)
    (folder / "policy.yaml").write_text(policy)
    return str(folder)


def test_a_stream_and_the_policy_agree_about_its_class(tmp_path: Path):
    policy = 'access:\n  tokens: {"EMP-*": %s, "GST-*": guest}\n'
    assert load_site(own(tmp_path / "a", LINES, policy % "employee")).site.visits is not None
    for text, given, what in (
        (LINES, "resident", "the policy gives 'EMP-001' class resident, this stream says employee"),
        (changed("class: employee", "class: employe"), "employee", "user class 'employe' is defined nowhere (did you mean 'employee'?)"),
        (changed("token: EMP", "token: XYZ"), "employee", "the policy gives 'XYZ-001' no class, this stream says employee"),
        (changed("token: GST", "token: ABCDEFGHIJKL"), "employee", None),
    ):
        name = own(tmp_path / "b", text, policy % given)
        if what is None:
            load_site(name)
            continue
        with pytest.raises(BadInput) as caught:
            load_site(name)
        assert ":17: " in str(caught.value) and what in str(caught.value)


def test_a_folder_here_goes_before_a_bundled_site_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_site("depot").site.id == "depot"
    own(tmp_path / "depot", LINES, 'access: {tokens: {"EMP-*": employee}}')
    monkeypatch.chdir(tmp_path)
    assert load_site("depot").site.id == "yard"


STATISTICS = """\
id: x
source: somebody
licence: CC0
dow_share: [0.2, 0.2, 0.2, 0.2, 0.2, 0, 0]
weekday:
  mixture:
    - {weight: 0.5, mean: [8, 1, 2], cov: [[1, 0, 0], [0, 1, 0.5], [0, 0.5, 1]]}
    - {weight: 0.5, mean: [9, 1, 2], cov: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
weekend:
  arrival_h: {quantiles: [[0.25, 10], [0.75, 14]]}
  dwell_h: {scale: log, quantiles: [[0.25, 1], [0.75, 4]]}
  energy_kwh: {mean: 12, sd: 3}
"""


def test_statistics_of_a_file():
    found = parse_statistics(parse(STATISTICS, "s.yaml"))
    assert found.pattern(0) is found.weekday and found.pattern(6) is found.weekend
    root = found.weekday.components[0].root  # type: ignore[union-attr]
    assert [[round(sum(root[i][k] * root[j][k] for k in range(min(i, j) + 1)), 9) for j in range(3)] for i in range(3)] == [
        [1, 0, 0], [0, 1, 0.5], [0, 0.5, 1],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("0.2, 0, 0]", "0.2, 0.1, 0]", "s.yaml:4: ", "seven shares that add up to 1"),
        ("[0.2, 0.2, 0.2, 0.2, 0.2, 0, 0]", "[0, 0, 0, 0, 0, 0.5, 0.5]", "s.yaml:4: ", "from Monday to Friday"),
        ("weight: 0.5, mean: [8", "weight: 0.1, mean: [8", "s.yaml:6: ", "weights add up to 0.6"),
        ("mean: [8, 1, 2]", "mean: [8, 1]", "s.yaml:7: ", "three figures expected"),
        ("[0, 1, 0.5]", "[0, 1, 0.6]", "s.yaml:7: ", "symmetric covariance"),
        ("[0, 1, 0.5], [0, 0.5, 1]", "[0, 1, 2], [0, 2, 1]", "s.yaml:7: ", "not positive definite"),
        ("[0.75, 14]", "[0.75, 9]", "s.yaml:10: ", "rise in both"),
        ("[0.75, 14]", "[1.75, 14]", "s.yaml:10: ", "1.75"),
        ("[0.25, 1]", "[0.25, -1]", "s.yaml:11: ", "above 0"),
        ("sd: 3", "sd: -3", "s.yaml:12: ", "-3"),
        ("sd: 3", "sd: 3, least: 20", "s.yaml:12: ", "outside of 20"),
        ("licence: CC0", "license: CC0", "s.yaml:3: ", "'licence'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_statistics(old: str, new: str, where: str, what: str):
    assert old in STATISTICS
    with pytest.raises(BadInput) as caught:
        parse_statistics(parse(STATISTICS.replace(old, new, 1), "s.yaml"))
    assert str(caught.value).startswith(where) and what in str(caught.value)
