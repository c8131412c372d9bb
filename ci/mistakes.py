"""Each site type's template against its common mistake: the same site, visitors and seed, two policies; the figures that suffer.

`python ci/mistakes.py [TYPE ...] [--days N] [--seed N] [--stations N] [--markdown] [--draw FOLDER]`.
Exit code 1 when the linter does not see a mistake, or its figure is no worse.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from chargekit.faces.figures import Series, chart  # noqa: E402
from chargekit.faces.kpi import amount  # noqa: E402
from chargekit.faces.simulation import Folded  # noqa: E402
from chargekit.judge.kpi import by_key, figures, first_flow, quarter_hours  # noqa: E402
from chargekit.judge.kpi_facts import Facts  # noqa: E402
from chargekit.judge.kpi_figure import Figure  # noqa: E402
from chargekit.lab.life import live  # noqa: E402
from chargekit.lab.sitefile import load_site  # noqa: E402
from chargekit.policy.lint import lint  # noqa: E402

FOLDER = ROOT / "fleets" / "mistakes"


WEEK = 7


@dataclass(frozen=True)
class Pair:
    """A site type: its bundled site or a site's file, the mistake in a sentence, the figures that show it (the first decides), the stations
    of the run, and what is drawn of it."""

    site: str
    mistake: str
    figures: tuple[str, ...]
    stations: int
    drawn: str = "wait"


PAIRS = {
    "fleet_depot": Pair(
        "depot", "all vehicles charge at once on return", ("peak_demand", "off_peak_share", "missed_departures[all]"), 8, "power",
    ),
    "workplace": Pair(
        str(FOLDER / "workplace/fleet.yaml"), "early arrivals occupy chargers all day",
        ("turned_away", "wait_time[queue]", "idle_occupancy", "energy[employee]"), 8, "away",
    ),
    "destination": Pair(
        "destination", "visitor charging treated like reserved long-dwell parking",
        ("idle_occupancy", "turned_away", "wait[P90]", "energy_delivered[guest]"), 8, "away",
    ),
    "multifamily": Pair(
        "multifamily", "promising more guaranteed power than the building has",
        ("wait[P90]", "wait[P50]", "session_success", "fairness[resident]"), 14,
    ),
    "mixed_use": Pair(
        str(FOLDER / "mixed_use/fleet.yaml"), "one access rule for all users at all times",
        ("guarantee_met[resident]", "missed_departures[resident]", "turned_away"), 16, "away",
    ),
}  # fmt: skip


STYLE = (
    "<style>text{font:12px sans-serif;fill:#444}.grid{stroke:#ddd}.tick{stroke:#888}.line,.cap{fill:none;stroke-width:1.6}"
    ".c0{stroke:#1b7f5c}.c1{stroke:#c0392b}.cap{stroke:#888;stroke-dasharray:4 3}</style>"
)
DRAWN = {
    "power": ("15-minute mean at the grid meter", "kW"), "wait": ("vehicles that wait for their first current", "vehicles"),
    "away": ("vehicles turned away since the first day", "vehicles"),
}  # fmt: skip
STEP_S = 900.0


def lived(pair: Pair, policy: Path, days: int, seed: int, stations: int) -> Facts:
    """What was witnessed of the site under a policy. BadInput for one that may not run at all."""
    heard = Folded()
    live(load_site(pair.site, stations, policy), days, seed, grid_every_s=60.0, hear=heard)
    assert heard.facts is not None
    return heard.facts


def waiting(facts: Facts) -> list[tuple[float, float]]:
    """How many plugged-in vehicles have had no current yet, every quarter of an hour."""
    spans = []
    for visit in facts.visits:
        if not visit.refused:
            flow = first_flow(facts, visit)
            spans.append((visit.began, flow if flow is not None else visit.left if visit.left is not None else facts.end))
    return [(n * STEP_S, float(sum(a <= n * STEP_S < b for a, b in spans))) for n in range(int(facts.end / STEP_S) + 1)]


def turned_away(facts: Facts) -> list[tuple[float, float]]:
    """How many have found no bay so far."""
    return [(0.0, 0.0), *((one.t, n + 1.0) for n, one in enumerate(facts.turned_away)), (facts.end, float(len(facts.turned_away)))]


def drawing(pair: Pair, both: list[Facts]) -> str:
    """The template against the mistake over the run, as an SVG file of its own."""
    what, unit = DRAWN[pair.drawn]
    made = [{"power": quarter_hours, "wait": waiting, "away": turned_away}[pair.drawn](one) for one in both]
    series = [Series(name, points, step=True) for name, points in zip(("template", "mistake"), made, strict=True)]
    found = chart(f"{pair.mistake}: {what}", unit, series, days=True)
    return found.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace("</title>", f"</title>{STYLE}", 1) + "\n"


def worse(template: Figure, mistake: Figure) -> bool:
    if template.value is None or mistake.value is None:
        return False
    return mistake.value > template.value if template.better == "less" else mistake.value < template.value


def flagged(name: str, pair: Pair, stations: int) -> str:
    """What lint says of the mistake; empty if it does not see it."""
    bundle = load_site(pair.site, stations, FOLDER / name / "mistake.yaml")
    return next((one.message for one in lint(bundle.rulebook, bundle.site) if one.kind == "mistake"), "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("types", nargs="*", choices=[[], *PAIRS], help="site types; default all")
    parser.add_argument("--days", type=int, default=WEEK)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stations", type=int)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="leave a figure of each mistake there")
    asked = parser.parse_args()
    rows, good = [], True
    for name in asked.types or PAIRS:
        pair = PAIRS[name]
        stations = asked.stations or pair.stations
        good = bool(flagged(name, pair, stations)) and good
        both = [lived(pair, FOLDER / name / f"{one}.yaml", asked.days, asked.seed, stations) for one in ("template", "mistake")]
        made = [by_key(figures(one)) for one in both]
        for n, key in enumerate(pair.figures):
            one, other = (each[key] for each in made)
            rows.append((name if n == 0 else "", pair.mistake if n == 0 else "", key, amount(one), amount(other)))
            good = good and (n > 0 or worse(one, other))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
        if asked.draw is not None:
            asked.draw.mkdir(parents=True, exist_ok=True)
            (asked.draw / f"mistake-{name}.svg").write_text(drawing(pair, both))
    head = ("site type", "mistake", "figure", "template", "mistake's")
    if asked.markdown:
        print("|" + "|".join(head) + "|\n" + "|---" * len(head) + "|")
        for row in rows:
            print("|" + "|".join(f" {cell} " for cell in row) + "|")
    else:
        widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
        for row in (head, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
