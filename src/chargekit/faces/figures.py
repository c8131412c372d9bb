"""Line charts as inline SVG, drawn from (time, value) points. No script; every text is made inert."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chargekit.faces.plain import markup

WIDTH: Final = 860
LEFT: Final = 56
RIGHT: Final = 16
TOP: Final = 26
POINTS: Final = 600
"""At most this many points of a series are drawn; extremes are kept."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One line. `step`: the value holds until the next point. `cap`: a limit, drawn dashed."""

    name: str
    points: Sequence[Point]
    cap: bool = False
    step: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at `t`, shown as a thin vertical line with a label."""

    t: float
    label: str


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """The points, or the lowest and highest of each of `most / 2` equal slices, in their order."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most / 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        pair = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
        kept.extend(sorted(pair))
    return kept


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round figures covering low..high (1, 2 or 5 times a power of ten apart)."""
    span = max(high - low, 1e-9)
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def clock(seconds: float) -> str:
    """Run time as m:ss or h:mm:ss."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day_clock(seconds: float) -> str:
    """Run time from a midnight: the hour, or at midnight the day."""
    day, rest = divmod(round(seconds), 86_400)
    return f"{rest // 3600:02}:{rest % 3600 // 60:02}" if rest else f"day {day + 1}"


def _time_ticks(low: float, high: float) -> list[float]:
    for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800):
        if (high - low) / step <= 9:
            return [step * i for i in range(math.ceil(low / step), int(high // step) + 1)]
    return [low, high]


def _path(points: Sequence[Point], x: Scale, y: Scale, step: bool) -> str:
    parts: list[str] = []
    for index, (t, value) in enumerate(points):
        at = f"{x(t):.1f}"
        if index and step:
            parts.append(f"H{at}")
        parts.append(f"{'L' if index else 'M'}{at} {y(value):.1f}")
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Scale:
    """A value's place in pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low or 1.0) * (self.end - self.start)


def chart(title: str, unit: str, series: Sequence[Series], marks: Sequence[Mark] = (), *, height: int = 230, days: bool = False) -> str:
    """An SVG line chart of values in `unit` over run time; an empty string when there is nothing to draw.

    `days`: run time counts from a midnight, so days and hours are written.
    """
    drawn = [Series(s.name, thinned([p for p in s.points if math.isfinite(p[1])]), s.cap, s.step) for s in series]
    drawn = [s for s in drawn if s.points]
    if not any(not s.cap for s in drawn):
        return ""
    times = [t for s in drawn if not s.cap for t, _ in s.points]
    values = [v for s in drawn for _, v in s.points]
    t0, t1 = min(times), max(max(times), min(times) + 1.0)
    low, high = min(0.0, *values), max(values) * 1.06 + 1e-6
    legend_rows = math.ceil(len(drawn) / 5)
    bottom = height - 34 - 18 * legend_rows
    x, y = Scale(t0, t1, LEFT, WIDTH - RIGHT), Scale(low, high, bottom, TOP)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{markup(title)}"><title>{markup(title)}</title>']
    for value in ticks(low, high):
        at = y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<text x="{LEFT - 44}" y="{TOP - 14}" class="unit">{markup(unit)}</text>')
    for t in _time_ticks(t0, t1):
        parts.append(f'<line class="tick" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text x="{x(t):.1f}" y="{bottom + 17}" text-anchor="middle">{day_clock(t) if days else clock(t)}</text>')
    for mark in marks[:24]:
        if t0 <= mark.t <= t1:
            at = x(mark.t)
            parts.append(f'<g class="mark"><line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>')
            parts.append(f"<title>{clock(mark.t)} {markup(mark.label, 120)}</title></g>")
    for number, one in enumerate(drawn):
        held = [*one.points, (t1, one.points[-1][1])] if one.cap or one.step else list(one.points)
        held = [(min(max(t, t0), t1), v) for t, v in held] if one.cap else held
        kind = "cap" if one.cap else f"line c{number % 12}"
        parts.append(f'<path class="{kind}" d="{_path(held, x, y, one.step or one.cap)}"/>')
    for number, one in enumerate(drawn):
        at_x, at_y = LEFT + (number % 5) * 158, bottom + 34 + 18 * (number // 5)
        kind = "cap" if one.cap else f"line c{number % 12}"
        parts.append(f'<path class="{kind}" d="M{at_x} {at_y - 4}h18"/>')
        parts.append(f'<text x="{at_x + 23}" y="{at_y}">{markup(one.name, 24)}</text>')
    parts.append("</svg>")
    return "".join(parts)
