from pathlib import Path

import pytest

from chargekit.lab.bundled import bundled_sites, conformance_folder, fleets_folder
from chargekit.lab.sitefile import load_site, parse_site, spread
from chargekit.lab.yamlfile import parse
from chargekit.model.located import BadInput

GOOD = """\
site: depot
type: mixed_use
circuits:
  grid: {limit: 100 A}
  feeder: {parent: grid, limit: 63 A}
stations:
  - {id: "bay-{01..03}", model: generic-ac-22, circuit: feeder, ocpp: "1.6", rotation: L2L3L1}
meters:
  - {id: main, circuit: grid, model: eastron-sdm630, unit: 100}
  - {id: "m-{01..03}", station: "bay-{01..03}", model: eastron-sdm630, unit: "{1..3}"}
arrivals:
  - {at: 5 min, station: bay-02, vehicle: compact-3ph, token: RES-1, soc: 40, leaves: 1 h}
"""


def test_the_default_site():
    site = load_site("mixed-use").site
    assert [s.id for s in site.stations] == [f"ac-{n:02}" for n in range(1, 13)]
    assert [s.id for s in site.stations if s.ocpp == "2.0.1"] == ["ac-11", "ac-12"]
    assert {c.name: (c.parent, c.rating_a) for c in site.circuits.values()} == {
        "grid": (None, 100.0), "feeder-a": ("grid", 63.0), "feeder-b": ("grid", 63.0),
    }  # fmt: skip
    assert [m.station for m in site.meters if m.station] == [s.id for s in site.stations]
    assert len({m.unit for m in site.meters}) == len(site.meters)
    assert str(site.circuits["feeder-a"].source).startswith("mixed-use/fleet.yaml:")


def test_a_site_file():
    site = parse_site(parse(GOOD, "fleet.yaml"))
    assert [s.id for s in site.stations] == ["bay-01", "bay-02", "bay-03"]
    assert site.stations[0].rotation == (1, 2, 0)
    assert [(m.id, m.unit, m.station) for m in site.meters][1:] == [(f"m-0{n}", n, f"bay-0{n}") for n in (1, 2, 3)]
    arrival = site.arrivals[0]
    assert (arrival.at, arrival.leaves, arrival.soc_percent) == (300.0, 3600.0, 40.0)
    assert str(site.stations[0].source) == "fleet.yaml:7"


def test_spans():
    node = parse("x", "f")
    assert spread("bay-{08..11}", node) == ["bay-08", "bay-09", "bay-10", "bay-11"]
    assert spread("dc-{1..2}x", node) == ["dc-1x", "dc-2x"]
    assert spread("one", node) == ["one"]
    for text in ("a{3..2}", "a{1..999999}"):
        with pytest.raises(BadInput, match="empty or too long"):
            spread(text, node)


REFUSED = [
    ("type: mixed_use\n", "type: mixed_use\ncolour: red\n", "fleet.yaml:3: ", "colour"),
    ("grid: {limit: 100 A}", "grid: {limit: 100 A, parent: feeder}", "fleet.yaml:", "circle"),
    ("parent: grid", "parent: gird", "fleet.yaml:5: ", "'gird'"),
    (", circuit: feeder, ocpp", ", ocpp", "fleet.yaml:7: ", "is on no circuit"),
    ("circuit: feeder, ocpp", "circuit: feder, ocpp", "fleet.yaml:7: ", "feeder"),
    ("generic-ac-22", "generic-ac-21", "fleet.yaml:7: ", "generic-ac-22"),
    ("limit: 63 A", "limit: 0 A", "fleet.yaml:5: ", "0"),
    ("limit: 63 A", "limit: -4 A", "fleet.yaml:5: ", "-4"),
    ("limit: 63 A", "limit: 63 kg", "fleet.yaml:5: ", "63 kg"),
    ("grid: {limit: 100 A}", "grid: {limit: 100 A, phases: 1}", "fleet.yaml:5: ", "more phases than its parent"),
    ('"bay-{01..03}", model', '"bay {01..03}", model', "fleet.yaml:7: ", "can't be named"),
    ("circuit: grid, model: eastron-sdm630", "circuit: grid, model: eastron-sdm63", "fleet.yaml:9: ", "eastron-sdm630"),
    ('"m-{01..03}"', '"m-{01..04}"', "fleet.yaml:10: ", "must count the same number"),
    ('"m-{01..03}"', '"bay-{01..03}"', "fleet.yaml:10: ", "is taken"),
    ('station: "bay-{01..03}"', 'station: "bax-{01..03}"', "fleet.yaml:10: ", "bay-01"),
    ("compact-3ph", "compact-3h", "fleet.yaml:12: ", "compact-3ph"),
    ("station: bay-02, vehicle", "station: bay-09, vehicle", "fleet.yaml:12: ", "'bay-09' is not known"),
    ("soc: 40", "soc: 140", "fleet.yaml:12: ", "140"),
    ("rotation: L2L3L1", "rotation: L9", "fleet.yaml:7: ", "'L9' is not known"),
    ('ocpp: "1.6"', 'ocpp: "1.5"', "fleet.yaml:7: ", "'1.5' is not known"),
    ("site: depot\n", "site: depot\nzone: Mars/Base\n", "fleet.yaml:2: ", "time zone 'Mars/Base' is not known"),
    ("site: depot\n", "site: depot\nepoch: soon\n", "fleet.yaml:2: ", "a date and time expected"),
]


@pytest.mark.parametrize(("old", "new", "where", "what"), REFUSED, ids=[f"{n[:30]}-{w}" for _, n, _, w in REFUSED])
def test_what_is_wrong_is_said_with_file_and_line(old: str, new: str, where: str, what: str):
    assert old in GOOD
    with pytest.raises(BadInput) as caught:
        parse_site(parse(GOOD.replace(old, new, 1), "fleet.yaml"))
    assert where in str(caught.value) and what in str(caught.value)


def test_two_stations_of_one_name():
    twice = GOOD.replace("meters:", "  - {id: bay-02, model: generic-ac-22, circuit: grid}\nmeters:", 1)
    with pytest.raises(BadInput) as caught:
        parse_site(parse(twice, "fleet.yaml"))
    assert "fleet.yaml:8: station 'bay-02' is named twice" in str(caught.value)


def test_a_site_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "depot").mkdir()
    (tmp_path / "depot/fleet.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    for name in ("depot", "depot/fleet.yaml", str(tmp_path / "depot")):
        assert load_site(name).site.id == "depot"
    (tmp_path / "depot/fleet.yaml").write_text(GOOD.replace("type: mixed_use", "type: airport"))
    with pytest.raises(BadInput) as caught:
        load_site("depot")
    assert "depot/fleet.yaml:2: site type 'airport' is not known" in str(caught.value)


def test_no_such_site():
    with pytest.raises(BadInput) as caught:
        load_site("mixed-us")
    assert "no site is named 'mixed-us'" in str(caught.value) and "mixed-use" in str(caught.value)


def test_what_comes_along_is_found():
    assert "mixed-use" in bundled_sites()
    assert (fleets_folder() / "catalogue/meters/eastron-sdm630.yaml").is_file()
    assert conformance_folder().name == "conformance"
