"""Statistics of visits from their catalogue files."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Final

from chargekit.lab.bundled import fleets_folder
from chargekit.lab.yamlfile import load
from chargekit.model.located import BadInput, Located
from chargekit.model.visits import Component, Marginal, Marginals, Mixture, Normal, Pattern, Quantiles, Shift, Statistics

BOUNDS: Final = {"arrival_h": (4.0, 28.0), "dwell_h": (0.05, 72.0), "energy_kwh": (0.1, 400.0)}


@cache
def catalogue_statistics() -> dict[str, Statistics]:
    """Every catalogue file of visit statistics by id."""
    found = [parse_statistics(load(p)) for p in sorted((fleets_folder() / "catalogue/statistics").glob("*.yaml"))]
    return {s.id: s for s in found}


def parse_statistics(node: Located) -> Statistics:
    """What a file says about the visits of one kind of site. BadInput on anything that is no distribution."""
    node.only(
        "id", "about", "weekday", "weekend", "dow_share", "weekend_factor", "arrival_soc_beta", "source", "licence", "notice", "assumed"
    )
    shares = tuple(one.as_number("", least=0, most=1) for one in node.list("dow_share"))
    if shares and (len(shares) != 7 or abs(sum(shares) - 1.0) > 0.01):
        raise BadInput(node.need("dow_share").source, "seven shares that add up to 1 expected, from Monday to Sunday")
    if shares and sum(shares[:5]) <= 0:
        raise BadInput(node.need("dow_share").source, "some share must fall on the days from Monday to Friday")
    beta = tuple(one.as_number("", least=0.1) for one in node.list("arrival_soc_beta"))
    if beta and len(beta) != 2:
        raise BadInput(node.need("arrival_soc_beta").source, "two Beta parameters expected")
    weekday = node.need("weekday")
    weekend = node.get("weekend")
    return Statistics(
        node.text("id"), _pattern(weekday), _pattern(weekend) if weekend else None, shares,
        node.number("weekend_factor", "", 1.0, least=0), (beta[0], beta[1]) if beta else None,
        tuple(one.as_number("", least=0, most=1) for one in weekday.list("holdout_ks")),
        node.text("source"), node.text("licence"), node.source,
    )  # fmt: skip


def _pattern(node: Located) -> Pattern:
    if node.has("mixture"):
        node.only("n", "mixture", "holdout_ks", "observed")
        return _mixture(node.need("mixture"))
    if node.has("depart_h"):
        node.only("depart_h", "away_h", "distance_km", "kwh_per_km")
        return Shift(
            _normal(node.need("depart_h")), _normal(node.need("away_h")), _normal(node.need("distance_km")),
            node.number("kwh_per_km", "", least=0),
        )  # fmt: skip
    node.only("arrival_h", "dwell_h", "energy_kwh", "dwell_energy")
    one, two, three = (_marginal(node.need(key), *bounds) for key, bounds in BOUNDS.items())
    return Marginals(one, two, three, node.number("dwell_energy", "", 0.0, least=-0.99, most=0.99))


def _mixture(node: Located) -> Mixture:
    """Components (weight, mean, cov) over (arrival_h, ln dwell_h, ln energy_kwh); rounded weights are made to add up to 1."""
    parts = [one.only("weight", "mean", "cov") for one in node]
    weights = [one.number("weight", "", least=0, most=1) for one in parts]
    if abs(sum(weights) - 1.0) > 0.01:
        raise BadInput(node.source, f"weights add up to {sum(weights):g}, not to 1")
    return Mixture(tuple(_component(one, w / sum(weights)) for one, w in zip(parts, weights, strict=True)))


def _component(node: Located, weight: float) -> Component:
    mean, cov = _three(node.need("mean")), node.need("cov")
    rows = [_three(row) for row in cov]
    if len(rows) != 3 or any(abs(rows[i][j] - rows[j][i]) > 1e-9 for i in range(3) for j in range(i)):
        raise BadInput(cov.source, "a symmetric covariance of three rows expected")
    return Component(weight, mean, _root(rows, cov))


def _three(node: Located) -> tuple[float, float, float]:
    found = [one.as_number("") for one in node]
    if len(found) != 3:
        raise BadInput(node.source, f"three figures expected (arrival_h, ln dwell_h, ln energy_kwh), found {len(found)}")
    return found[0], found[1], found[2]


def _root(rows: list[tuple[float, float, float]], node: Located) -> tuple[tuple[float, ...], ...]:
    """The lower Cholesky factor."""
    out: list[list[float]] = []
    for i in range(3):
        row: list[float] = []
        for j in range(i):
            row.append((rows[i][j] - sum(a * b for a, b in zip(row, out[j], strict=False))) / out[j][j])
        left = rows[i][i] - sum(a * a for a in row)
        if left <= 0:
            raise BadInput(node.source, "no covariance: not positive definite")
        out.append([*row, math.sqrt(left)])
    return tuple(tuple(row) for row in out)


def _normal(node: Located) -> Normal:
    node.only("mean", "sd", "least", "most")
    what = Normal(
        node.number("mean", ""), node.number("sd", "", least=0),
        node.number("least", "", -math.inf), node.number("most", "", math.inf),
    )  # fmt: skip
    if not what.least <= what.mean <= what.most:
        raise BadInput(node.source, f"the mean {what.mean:g} is outside of {what.least:g} to {what.most:g}")
    return what


def _marginal(node: Located, low: float, high: float) -> Marginal:
    if node.has("mean"):
        what = _normal(node)
        return Normal(what.mean, what.sd, max(low, what.least), min(high, what.most))
    node.only("quantiles", "scale")
    log = node.one_of("scale", ("linear", "log"), "linear") == "log"
    points = tuple(_point(one) for one in node.need("quantiles"))
    if len(points) < 2 or any(b[0] <= a[0] or b[1] <= a[1] for a, b in itertools.pairwise(points)):
        raise BadInput(node.need("quantiles").source, "two or more points [p, x] expected that rise in both")
    if log and points[0][1] <= 0:
        raise BadInput(node.need("quantiles").source, "on a log scale every figure must be above 0")
    return Quantiles(points, log, low, high)


def _point(node: Located) -> tuple[float, float]:
    pair = node.items()
    if len(pair) != 2:
        raise BadInput(node.source, "a point [p, x] expected")
    return pair[0].as_number("", least=0.001, most=0.999), pair[1].as_number("")
