"""Visits against the published fits, computed here from the figures in the files alone; and visits as they are placed on a site."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

import pytest
import yaml

from chargekit.emulator.visits import day, draw_one, played
from chargekit.lab.bundled import fleets_folder
from chargekit.lab.site_statistics import catalogue_statistics
from chargekit.lab.sitefile import load_site

FOLDER = fleets_folder() / "catalogue/statistics"
FILES = sorted(FOLDER.glob("*.yaml"))
SITES = ("depot", "workplace", "destination", "multifamily", "campus")
MONDAY = date(2026, 3, 2)
Cdf = Callable[[float], float]


def raw(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def ks(values: Sequence[float], cdf: Cdf) -> float:
    """Kolmogorov and Smirnov's distance."""
    ordered, n = sorted(values), len(values)
    return max(max(abs(cdf(x) - i / n), abs(cdf(x) - (i + 1) / n)) for i, x in enumerate(ordered))


def mixture_cdf(parts: list[dict[str, Any]], axis: int) -> Cdf:
    """The marginal of a Gaussian mixture; arrivals are cut to the day the fit was made on."""
    whole = sum(p["weight"] for p in parts)

    def plain(x: float) -> float:
        return sum(p["weight"] / whole * NormalDist(p["mean"][axis], math.sqrt(p["cov"][axis][axis])).cdf(x) for p in parts)

    if axis:
        return plain
    low, high = plain(4.0), plain(28.0)
    return lambda x: (plain(x) - low) / (high - low)


@pytest.mark.parametrize("part", ["weekday", "weekend"])
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_visits_agree_with_the_published_fit(path: Path, part: str) -> None:
    spec, statistics = raw(path), catalogue_statistics()[path.stem]
    if part not in spec:
        pytest.skip("the same as on weekdays")
    pattern, rng = statistics.pattern(0 if part == "weekday" else 6), Random(f"ks/{path.stem}")
    drawn = [draw_one(pattern, rng) for _ in range(6000)]
    axes = ([v.at / 3600.0 for v in drawn], [math.log(v.dwell_s / 3600.0) for v in drawn], [math.log(v.energy_wh / 1000.0) for v in drawn])
    one = spec[part]
    if "mixture" in one:
        for axis, values in enumerate(axes):
            assert ks(values, mixture_cdf(one["mixture"], axis)) <= 0.06, ("arrival", "dwell", "energy")[axis]
    elif "arrival_h" in one:
        for values, name in zip(axes, ("arrival_h", "dwell_h", "energy_kwh"), strict=True):
            for share, x in one[name]["quantiles"]:
                x = math.log(x) if name != "arrival_h" else x
                assert sum(v <= x for v in values) / len(values) == pytest.approx(share, abs=0.03), (name, share)
    else:
        back = NormalDist(one["depart_h"]["mean"] + one["away_h"]["mean"], math.hypot(one["depart_h"]["sd"], one["away_h"]["sd"]))
        assert ks(axes[0], back.cdf) <= 0.06
        used = NormalDist(one["distance_km"]["mean"] * one["kwh_per_km"], one["distance_km"]["sd"] * one["kwh_per_km"])
        low, high = (used.cdf(one["distance_km"][k] * one["kwh_per_km"]) for k in ("least", "most"))
        assert ks([math.exp(e) for e in axes[2]], lambda x: min(max((used.cdf(x) - low) / (high - low), 0.0), 1.0)) <= 0.06


@pytest.mark.parametrize("name", SITES)
def test_what_a_site_gets_is_what_its_streams_draw(name: str) -> None:
    """As placed on 400 stations in a fortnight: arrivals and stays of each stream that follows a mixture, at KS 0.06."""
    site = load_site(name, stations=400).site
    assert site.visits is not None
    arrivals = played(site, site.visits, MONDAY, 14, 1).arrivals
    seen = 0
    for stream in site.visits.streams:
        spec = raw(FOLDER / f"{stream.statistics.id}.yaml")
        mine = [a for a in arrivals if a.token.startswith(stream.token + "-") and a.at > 3600.0 and a.at % (7 * 86_400) < 5 * 86_400]
        if "mixture" not in spec["weekday"] or len(mine) < 1500:
            continue
        seen += 1
        hours = [(a.at / 3600.0 - 4.0) % 24.0 + 4.0 for a in mine]
        assert ks(hours, mixture_cdf(spec["weekday"]["mixture"], 0)) <= 0.06, stream.name
        stays = [math.log(((a.leaves_stated or 0.0) - a.at) / 3600.0) for a in mine]
        assert ks(stays, mixture_cdf(spec["weekday"]["mixture"], 1)) <= 0.10, stream.name
    assert seen or name in ("depot", "multifamily")


@pytest.mark.parametrize("stations", [10, 100, 1000])
@pytest.mark.parametrize("name", SITES)
def test_a_site_scales_by_one_number(name: str, stations: int) -> None:
    site = load_site(name, stations=stations).site
    assert len(site.stations) == stations
    per_feeder: dict[str, int] = {}
    for station in site.stations:
        per_feeder[station.circuit] = per_feeder.get(station.circuit, 0) + 1
    assert max(per_feeder.values()) <= 20
    assert all(c.rating_a >= 16 for c in site.circuits.values())
    assert {m.circuit for m in site.meters} >= {site.root.name}


@pytest.mark.parametrize("name", SITES)
def test_nobody_stands_where_somebody_stands(name: str) -> None:
    site = load_site(name).site
    assert site.visits is not None
    until: dict[tuple[str, int], float] = {}
    arrivals = played(site, site.visits, MONDAY, 5, 3).arrivals
    for one in arrivals:
        key = (one.station, one.evse)
        assert one.at >= until.get(key, -1.0), one
        assert one.leaves is not None and one.leaves > one.at
        assert 0.0 < (one.needs_kwh or 0.0) <= site.vehicles[one.vehicle].usable_kwh * 1.3
        assert not (site.station(one.station).evse(one.evse).dc and site.vehicles[one.vehicle].dc_max_kw == 0.0)
        until[key] = one.leaves
    assert len(arrivals) > 20


def test_the_same_seed_gives_the_same_visits_and_more_days_only_add() -> None:
    site = load_site("workplace").site
    assert site.visits is not None
    short, same = (played(site, site.visits, MONDAY, 2, 7).arrivals for _ in range(2))
    longer = played(site, site.visits, MONDAY, 4, 7).arrivals
    assert short == same
    assert longer[: len(short)] == short
    assert played(site, site.visits, MONDAY, 2, 8).arrivals != short


def test_unusual_days_are_unusual() -> None:
    site = load_site("workplace", stations=200).site
    assert site.visits is not None
    plan = site.visits

    def of(name: str | None) -> list[Any]:
        return [a for a in played(site, plan, MONDAY, 1, 1, day(name) if name else None).arrivals if a.at > 3600.0]

    usual, rush, holiday, cold, early = (of(n) for n in (None, "everyone-at-once", "holiday", "cold-morning", "early-departures"))

    def spread(arrivals: list[Any]) -> float:
        hours = sorted(a.at for a in arrivals)
        return hours[int(len(hours) * 0.9)] - hours[int(len(hours) * 0.1)]

    def left_early(arrivals: list[Any]) -> float:
        return sum(a.leaves < (a.leaves_stated or 0.0) * 1.0 - 3600 for a in arrivals) / len(arrivals)

    assert spread(rush) < 1800 < spread(usual)
    assert len(holiday) < len(usual) / 4
    assert sum(a.needs_kwh for a in cold) / len(cold) > sum(a.needs_kwh for a in usual) / len(usual) * 1.1
    assert left_early(early) > left_early(usual) + 0.2
    with pytest.raises(KeyError, match="no day is named 'birthday'; there are"):
        day("birthday")
