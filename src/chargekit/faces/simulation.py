"""`chargekit simulate`: a site lives for some days; what became of it as records, a table, `simulation.json` and a report with plots."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chargekit import __version__
from chargekit.emulator.visits import DAYS
from chargekit.faces.figures import Mark, Series, chart
from chargekit.faces.kpi import RUN_FILE, amount
from chargekit.faces.plain import markup
from chargekit.faces.report import STYLE
from chargekit.judge.kpi import by_key, figures, peak_limit_kw, quarter_hours
from chargekit.judge.kpi_facts import Facts, head_from
from chargekit.judge.kpi_figure import Figure
from chargekit.lab.life import BIN_S, Life, live
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput, nearest
from chargekit.world.history import Record

COLUMNS: Final = ("class", "energy kWh", "requested kWh", "delivered of it kWh", "departures", "need met")
NOMINAL_V: Final = 230.0
MOST_DAYS: Final = 366


def simulate(site: str, days: int, seed: int, day: str | None, stations: int | None, out: Path | None, *, quiet: bool) -> Path:
    """Let the site live and write what became of it; the folder."""
    if day is not None and day not in DAYS:
        raise BadInput(None, f"--day: no day is named {day!r}", nearest(day, DAYS))
    if not 1 <= days <= MOST_DAYS:
        raise BadInput(None, f"--days: 1 to {MOST_DAYS} expected, found {days}")
    if stations is not None and not 1 <= stations <= 20_000:
        raise BadInput(None, f"--stations: 1 to 20000 expected, found {stations}")
    bundle = load_site(site, stations)
    folder = out or Path("runs") / f"{bundle.site.id}-{len(bundle.site.stations)}-{days}d-seed{seed}{f'-{day}' if day else ''}"
    if (folder / "records").is_dir():
        raise BadInput(None, f"{folder} holds a judged run", "take another --out")
    kind, facts = DAYS[day] if day else None, Folded()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / RUN_FILE
    if quiet or not sys.stderr.isatty():
        life = live(bundle, days, seed, kind, _Lines(quiet), record=kept, hear=facts)
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(f"{bundle.site.id}: {len(bundle.site.stations)} stations, {days} days", total=1.0)
            life = live(bundle, days, seed, kind, lambda share: bar.update(task, completed=share), record=kept, hear=facts)
    summary = summed(life, seed, facts.figures())
    (folder / "simulation.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    (folder / "report.html").write_text(page(life, summary, facts.quarters()), encoding="utf-8")
    if not quiet:
        show(Console(highlight=False, soft_wrap=True), life, summary, folder)
    return folder


class Folded:
    """Folds what a simulation records while it runs, as `chargekit kpi` does from the file."""

    def __init__(self) -> None:
        self.facts: Facts | None = None

    def __call__(self, record: Record) -> None:
        if self.facts is None:
            self.facts = Facts(head_from(record.body))
        else:
            self.facts.take(record)

    def figures(self) -> tuple[Figure, ...]:
        return figures(self.facts) if self.facts is not None else ()

    def quarters(self) -> list[Series]:
        """The 15-minute means that peak-demand events are counted in, and the threshold; nothing without a grid meter."""
        means = quarter_hours(self.facts) if self.facts is not None else []
        if self.facts is None or not means:
            return []
        limit = peak_limit_kw(self.facts)
        return [Series("15-minute mean", means, step=True), Series("threshold", [(0.0, limit), (means[-1][0], limit)], cap=True)]


class _Lines:
    """A line for each tenth, where there is no terminal."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.said = quiet, 0

    def __call__(self, share: float) -> None:
        tenth = int(share * 10 + 1e-9)
        if not self.quiet and tenth > self.said:
            self.said = tenth
            print(f"{tenth * 10} % of the time simulated", file=sys.stderr, flush=True)


def summed(life: Life, seed: int, made: Sequence[Figure]) -> dict[str, Any]:
    """The figures of a life as plain data, deterministic: `simulation.json`. What visitors got is by the shared definitions."""
    of = by_key(made)
    classes: dict[str, dict[str, Any]] = {}
    for one in made:
        if one.name == "energy" and one.of != "all":
            got, late = of[f"energy_delivered[{one.of}]"], of[f"missed_departures[{one.of}]"]
            classes[one.of] = {
                "energy_kwh": round(one.value or 0.0, 3), "requested_kwh": round(got.denominator or 0.0, 3),
                "delivered_kwh": round(got.numerator or 0.0, 3), "departures": int(late.denominator or 0),
                "missed": int(late.numerator or 0),
            }  # fmt: skip
    visits = life.visits
    return {
        "chargekit": __version__, "site": life.site, "stations": life.stations, "first_day": life.first_day.isoformat(),
        "days": life.days, "day": life.day, "seed": seed, "cap_a": life.cap_a, "rating_a": life.rating_a,
        "grid_kwh": round(sum(b.grid_kw for b in life.bins) * BIN_S / 3600.0, 3),
        "peak_kw": round(max(b.grid_kw for b in life.bins), 3), "highest_a": round(max(b.highest_a for b in life.bins), 2),
        "classes": classes, "figures": [one.plain() for one in made],
        "visits": {"all": visits.visits, "waited": visits.waited, "turned_away": len(visits.turned_away)},
        "highest_use": {name: {"share": round(s, 4), "t": t} for name, (s, t) in sorted(life.used.items())},
        "over_rating_s": life.over_s, "breaker_trips": [{"t": round(t, 1), "circuit": c, "because": w} for t, c, w in life.trips],
        "incidents": dict(sorted(life.incidents.items())), "messages": life.messages,
    }  # fmt: skip


def show(console: Console, life: Life, summary: Mapping[str, Any], folder: Path) -> None:
    """The outcome for a person at a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in class_rows(summary):
        table.add_row(*row)
    console.print(table)
    console.print(f"\n{site_line(life, summary)}")
    for trip in summary["breaker_trips"]:
        console.print(f"[bold red]breaker {trip['circuit']} opened[/] at {when(trip['t'], life)}: {trip['because']}")
    console.print(f"\nreport   {folder / 'report.html'}\nfigures  {folder / 'simulation.json'}\nrecords  {folder / RUN_FILE}")


def class_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Who got what, as text."""
    rows = []
    for name, one in summary["classes"].items():
        met = f"{1 - one['missed'] / one['departures']:.0%}" if one["departures"] else "–"
        rows.append((name, *(f"{one[k]:,.1f}" for k in ("energy_kwh", "requested_kwh", "delivered_kwh")), str(one["departures"]), met))
    return rows


def site_line(life: Life, summary: Mapping[str, Any]) -> str:
    """Grid energy and peak against the cap, and the circuit that was nearest its rating, in a sentence or two."""
    name, (share, at) = max(life.used.items(), key=lambda one: one[1][0])
    visits = summary["visits"]
    return (
        f"{summary['grid_kwh']:,.0f} kWh from the grid, peak {summary['peak_kw']:,.0f} kW; highest phase {summary['highest_a']:,.0f} A "
        f"of {life.cap_a:,.0f} A allowed. Nearest its rating: {name}, {share:.0%}, {when(at, life)}. "
        f"{visits['all']} visits, {visits['waited']} waited for a bay, {visits['turned_away']} found none."
    )


def when(t: float, life: Life) -> str:
    """A moment as day and time of day from the run's start (its zone's midnight)."""
    day, rest = divmod(int(t), 86_400)
    return f"day {day + 1} {rest // 3600:02}:{rest % 3600 // 60:02}"


def page(life: Life, summary: Mapping[str, Any], quarters: Sequence[Series] = ()) -> str:
    """The report, self-contained. `quarters`: the means of the grid meter, from the records."""
    site, bins = markup(life.site), life.bins
    hours = [(b.t, b) for b in bins]
    cap_kw = life.cap_a * 3 * NOMINAL_V / 1000.0
    span = [(0.0, cap_kw), (bins[-1].t, cap_kw)]
    power = [
        Series("site", [(t, b.grid_kw) for t, b in hours], step=True),
        Series("buildings, less sun", [(t, b.building_kw) for t, b in hours], step=True),
        Series("vehicles", [(t, b.grid_kw - b.building_kw) for t, b in hours], step=True),
        Series("cap", span, cap=True),
    ]
    amps = [
        Series("highest phase", [(t, b.highest_a) for t, b in hours], step=True),
        Series("cap", [(0.0, life.cap_a), (bins[-1].t, life.cap_a)], cap=True),
    ]
    bays = [
        Series("plugged in", [(t, float(b.plugged)) for t, b in hours], step=True),
        Series("charging", [(t, float(b.charging)) for t, b in hours], step=True),
    ]
    marks = [Mark(trip["t"], f"breaker {trip['circuit']}: {trip['because']}") for trip in summary["breaker_trips"]]
    title = f"{life.stations} stations, {life.days} {'day' if life.days == 1 else 'days'} from {life.first_day.isoformat()}"
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>chargekit: {site} simulated</title><style>{STYLE}</style></head><body>",
            f'<p class="soft">chargekit {markup(__version__)}: simulation</p><h1>{site}</h1>',
            f'<p class="soft">{title}{f", each {markup(life.day)}" if life.day else ""}; seed {summary["seed"]}. '
            "A simulation, not a verdict: plots by the plant's own figures, what visitors got from the records.</p>",
            f"<p>{markup(site_line(life, summary), 600)}</p>", _classes(summary),
            _figure("Site power against its cap", "kW", power, marks), _figure("Highest phase current at the grid", "A", amps, marks),
            _figure("Peak demand at the grid meter", "kW", quarters, ()), _figure("Bays", "vehicles", bays, ()),
            _served(summary), _circuits(life), _trips(summary, life),
            _shared(summary["figures"]), "</body></html>",
        ]
    )  # fmt: skip


def _figure(title: str, unit: str, series: Sequence[Series], marks: Sequence[Mark]) -> str:
    drawn = chart(title, unit, series, marks, height=270, days=True)
    return f"<figure><figcaption>{markup(title)}</figcaption>{drawn}</figure>" if drawn else ""


def _classes(summary: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr>{''.join(f'<td>{markup(cell, 40)}</td>' for cell in row)}</tr>" for row in class_rows(summary))
    head = "".join(f"<th>{t}</th>" for t in COLUMNS)
    return f"<h2>Who got what</h2><table><tr>{head}</tr>{rows}</table>"


def _shared(made: Sequence[Mapping[str, Any]]) -> str:
    """The shared figures with their definitions."""
    rows = "".join(
        f"<tr><td>{markup(one['name'].replace('_', ' '), 40)}{' ' + markup(one['of'], 40) if one['of'] else ''}</td>"
        f"<td>{markup(amount(Figure(**{**one, 'records': ()})))}</td>"
        f"<td class='soft'>{markup(one['definition'], 400)} ({markup(one['source'], 80)})</td></tr>"
        for one in made
        if one["value"] is not None
    )
    return f"<h2>Shared figures, from the records</h2><table><tr><th>figure</th><th></th><th>definition</th></tr>{rows}</table>"


def _bars(title: str, rows: Sequence[tuple[str, float, str]], most: float) -> str:
    """Horizontal bars: (name, value, label); the scale ends at `most`."""
    height = 26 * len(rows) + 10
    out = [f'<svg viewBox="0 0 860 {height}" role="img" aria-label="{markup(title)}"><title>{markup(title)}</title>']
    for n, (name, value, label) in enumerate(rows):
        y, width = 6 + 26 * n, max(0.0, min(value / (most or 1.0), 1.0)) * 480
        out.append(f'<text x="150" y="{y + 13}" text-anchor="end">{markup(name, 24)}</text>')
        out.append(f'<rect x="158" y="{y}" width="{width:.1f}" height="17" rx="3" fill="#3f7fd9" opacity="0.8"/>')
        out.append(f'<text x="{166 + width:.1f}" y="{y + 13}">{markup(label, 60)}</text>')
    return f"<figure><figcaption>{markup(title)}</figcaption>{''.join(out)}</svg></figure>" if rows else ""


def _served(summary: Mapping[str, Any]) -> str:
    rows = [
        (name, one["energy_kwh"], f"{one['energy_kwh']:,.0f} kWh, {one['requested_kwh'] - one['delivered_kwh']:,.0f} kWh unmet")
        for name, one in summary["classes"].items()
    ]
    return _bars("Energy delivered per class", rows, max((r[1] for r in rows), default=1.0))


def _circuits(life: Life) -> str:
    busiest = sorted(life.used.items(), key=lambda one: -one[1][0])[:16]
    rows = [(name, share, f"{share:.0%}, {when(at, life)}") for name, (share, at) in busiest]
    return _bars("Circuits nearest their rating (highest phase, share of rating)", rows, max(1.0, *(r[1] for r in rows)))


def _trips(summary: Mapping[str, Any], life: Life) -> str:
    rows = "".join(
        f"<li>{markup(t['circuit'], 60)}, {when(t['t'], life)}: {markup(t['because'], 200)}</li>" for t in summary["breaker_trips"]
    )
    incidents = "".join(f"<li>{markup(name, 60)}: {count}</li>" for name, count in summary["incidents"].items())
    return (f"<h2>Breakers that opened</h2><ul>{rows}</ul>" if rows else "") + (
        f"<h2>Incidents</h2><ul>{incidents}</ul>" if incidents else ""
    )
