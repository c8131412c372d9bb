"""Each site type's template against its common mistake: the same site, visitors and seed, two policies; the figures that suffer.

`python ci/mistakes.py [TYPE ...] [--days N] [--seed N] [--stations N] [--markdown]`. Exit code 1 when a mistake's figure is no worse.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from chargekit.emulator.visits import DAYS  # noqa: E402
from chargekit.faces.kpi import amount  # noqa: E402
from chargekit.faces.simulation import Folded  # noqa: E402
from chargekit.judge.kpi import Figure, by_key  # noqa: E402
from chargekit.lab.life import live  # noqa: E402
from chargekit.lab.sitefile import load_site  # noqa: E402
from chargekit.model.located import BadInput  # noqa: E402

FOLDER = ROOT / "fleets" / "mistakes"


@dataclass(frozen=True)
class Pair:
    """A site type: its bundled site, the mistake in a sentence, the figures that show it (the first decides), and the run."""

    site: str
    mistake: str
    figures: tuple[str, ...]
    stations: int
    days: int = 1
    day: str | None = None


PAIRS = {
    "fleet_depot": Pair(
        "depot", "all vehicles charge at once on return", ("peak_demand", "off_peak_share", "missed_departures[all]"), 12, 3,
    ),
    "destination": Pair(
        "destination", "visitor charging treated like reserved long-dwell parking",
        ("energy_delivered[guest]", "missed_departures[guest]", "energy_delivered[employee]"), 12, 2,
    ),
    "multifamily": Pair(
        "multifamily", "promising more guaranteed power than the building has", ("guarantee_met[resident]",), 16,
    ),
    "mixed_use": Pair(
        "campus", "one access rule for all users at all times",
        ("energy_delivered[resident]", "guarantee_met[resident]", "missed_departures[resident]"), 24, 2,
    ),
    "workplace": Pair(
        "workplace", "early arrivals occupy chargers all day", ("turned_away", "idle_occupancy", "energy[employee]", "wait[P90]"), 16, 2,
    ),
}  # fmt: skip


def figures_of(pair: Pair, policy: Path, days: int, seed: int, stations: int) -> dict[str, Figure]:
    """The figures of the site under a policy. BadInput for one that may not run at all."""
    heard = Folded()
    live(load_site(pair.site, stations, policy), days, seed, DAYS[pair.day] if pair.day else None, hear=heard)
    return by_key(heard.figures())


def worse(template: Figure, mistake: Figure) -> bool:
    if template.value is None or mistake.value is None:
        return False
    return mistake.value > template.value if template.better == "less" else mistake.value < template.value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("types", nargs="*", choices=[[], *PAIRS], help="site types; default all")
    parser.add_argument("--days", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stations", type=int)
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    rows, good = [], True
    for name in asked.types or PAIRS:
        pair = PAIRS[name]
        days, stations = asked.days or pair.days, asked.stations or pair.stations
        try:
            both = [figures_of(pair, FOLDER / name / f"{one}.yaml", days, asked.seed, stations) for one in ("mistake", "template")][::-1]
        except BadInput as why:
            # It never runs: the rules are refused, which is better than a figure that suffers.
            rows.append((name, pair.mistake, "", "runs", f"refused: {why}"))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
            load_site(pair.site, stations, FOLDER / name / "template.yaml")
            continue
        for n, key in enumerate(pair.figures):
            one, other = (made[key] for made in both)
            rows.append((name if n == 0 else "", pair.mistake if n == 0 else "", key, amount(one), amount(other)))
            good = good and (n > 0 or worse(one, other))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
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
