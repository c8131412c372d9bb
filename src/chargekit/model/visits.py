"""Who comes when: statistics of visits, the streams of a site that follow them, and unusual days. Data only; `emulator.visits` draws.

Hours count from local midnight of the day a visit begins (04..28: what comes after midnight belongs to the evening before);
energies are kWh at the EVSE's meter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .located import BUILT_IN, Source

KINDS: Final = ("car", "van", "truck", "bus", "phev")


@dataclass(frozen=True, slots=True)
class Component:
    """One Gaussian over (arrival_h, ln dwell_h, ln energy_kwh); `root` is the lower Cholesky factor of its covariance."""

    weight: float
    mean: tuple[float, float, float]
    root: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Mixture:
    """A Gaussian mixture; weights add up to 1."""

    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal distribution, drawn again outside [least, most]."""

    mean: float
    sd: float
    least: float = float("-inf")
    most: float = float("inf")


@dataclass(frozen=True, slots=True)
class Quantiles:
    """An inverse CDF through (p, x) points: linear between them over the normal score of p, in x or (`log`) in ln x.

    Beyond the outer points the outermost slope goes on, but not outside [least, most].
    """

    points: tuple[tuple[float, float], ...]
    log: bool = False
    least: float = float("-inf")
    most: float = float("inf")


Marginal = Normal | Quantiles


@dataclass(frozen=True, slots=True)
class Marginals:
    """Three distributions; `dwell_energy` correlates the normal scores of the last two (a Gaussian copula)."""

    arrival_h: Marginal
    dwell_h: Marginal
    energy_kwh: Marginal
    dwell_energy: float = 0.0


@dataclass(frozen=True, slots=True)
class Shift:
    """A vehicle that works by day: it departs, is away, comes back and stays until its next departure on a working day."""

    depart_h: Normal
    away_h: Normal
    distance_km: Normal
    kwh_per_km: float


Pattern = Mixture | Marginals | Shift


@dataclass(frozen=True, slots=True)
class Statistics:
    """How one kind of site is visited.

    `dow_share`: share of the week's visits from Monday to Sunday (adds up to 1); without it the weekend has `weekend_factor` visits
    for each of a weekday. `arrival_soc`: Beta parameters of the state of charge on arrival, where it was measured.
    `holdout_ks`: of arrival, dwell and energy, weekday, as published.
    """

    id: str
    weekday: Pattern
    weekend: Pattern | None = None
    dow_share: tuple[float, ...] = ()
    weekend_factor: float = 1.0
    arrival_soc: tuple[float, float] | None = None
    holdout_ks: tuple[float, ...] = ()
    publisher: str = ""
    licence: str = ""
    source: Source = BUILT_IN

    def day_factor(self, weekday: int) -> float:
        """Visits on a day (0 is Monday) for each one on an average weekday."""
        if self.dow_share:
            return self.dow_share[weekday] / (sum(self.dow_share[:5]) / 5)
        return self.weekend_factor if weekday > 4 else 1.0

    def pattern(self, weekday: int) -> Pattern:
        """The pattern of a day, 0 is Monday."""
        return self.weekend if weekday > 4 and self.weekend is not None else self.weekday


@dataclass(frozen=True, slots=True)
class Stream:
    """Visits of one user class to some EVSEs of a site.

    `evses`: (station, evse) in the order they are tried. `per_evse`: visits per EVSE on an average weekday. `people`: how many share
    one EVSE. `regular`: each of them comes at most once a day and has one bay to prefer; otherwise visits are Poisson.
    `vehicles`: (vehicle id, weight). `waits_s`: how long one waits for a free EVSE before leaving.
    """

    name: str
    user_class: str
    token: str
    statistics: Statistics
    evses: tuple[tuple[str, int], ...]
    per_evse: float
    vehicles: tuple[tuple[str, float], ...]
    people: int = 4
    regular: bool = False
    waits_s: float = 600.0
    source: Source = BUILT_IN


@dataclass(frozen=True, slots=True)
class VisitPlan:
    """What `visits:` of a site file says. `stated_sd_s`: how far off drivers are with the departure they state; `early_share`: of
    visits that leave well before it; `moves_share`: of drivers who go within ten minutes when they are asked to make room."""

    streams: tuple[Stream, ...]
    stated_sd_s: float = 1200.0
    early_share: float = 0.03
    moves_share: float = 0.0
    source: Source = BUILT_IN


@dataclass(frozen=True, slots=True)
class Day:
    """A kind of day. `like`: the day of the week it is like (0 is Monday; `weekdays` and `weekends` keep their own day if it
    fits); `within_s`: everybody arrives within so many seconds; `fills`: every EVSE is visited at least once; `early_share`: None
    leaves the plan's; `energy_factor` and `visit_factor` scale."""

    name: str
    like: int | Literal["weekday", "weekend"] | None = None
    ambient_c: float = 15.0
    visit_factor: float = 1.0
    energy_factor: float = 1.0
    within_s: float | None = None
    fills: bool = False
    early_share: float | None = None
