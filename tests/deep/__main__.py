"""`python -m tests.deep --minutes 1000000 --seed 1`: so many station-minutes of chaos over the five sites, and what came of it."""

import argparse
import sys
import time
from collections import defaultdict
from statistics import median

from tests.deep.chaos import SITES, Chaos, NoTree

DAYS = ("weekday", "everyone-at-once", "cold-morning")


def main():
    told = argparse.ArgumentParser(prog="tests.deep")
    told.add_argument("--minutes", type=float, default=1_000_000.0)
    told.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    told.add_argument("--seed", type=int, default=1)
    told.add_argument("--sites", nargs="*", default=list(SITES))
    asked = told.parse_args()
    began, done, runs, number = time.time(), 0.0, defaultdict(list), 0
    while done < asked.minutes and time.time() - began < asked.seconds:
        site, seed = asked.sites[number % len(asked.sites)], asked.seed + number // len(asked.sites)
        day = DAYS[(seed - asked.seed) % len(DAYS)]
        kinds = ("calm", "steps", "chaos", "bad") if seed - asked.seed < len(DAYS) else ("chaos",)
        for kind in kinds:
            defects = (NoTree,) if kind == "bad" else ()
            one = Chaos(site, seed, "chaos" if kind == "bad" else kind, day, defects=defects)
            one.ran.kind = kind
            runs[site, kind].append(one.run())
            if kind != "bad":
                done += one.ran.station_minutes
            rate = done / (time.time() - began)
            line = f"{done:,.0f} of {asked.minutes:,.0f} station-minutes, {rate:,.0f} a second, {site} seed {seed} {kind}, {day}"
            figures = f"{share([one.ran]):.1f} % of the optimum, at worst {max(one.ran.worst_as.values(), default=0.0):.0f} A·s over"
            print(f"{line}: {len(one.ran.trips)} trips, {figures}", file=sys.stderr, flush=True)
            if kind in ("calm", "steps", "chaos") and one.ran.trips:
                print(f"TRIP {site} seed {seed} {kind} {day}: {one.ran.trips}", flush=True)
        number += 1
    report(runs, asked.sites, done, time.time() - began)
    good = [t for (_, kind), all_ in runs.items() if kind != "bad" for r in all_ for t in r.trips]
    return 1 if good else 0


def share(runs):
    return 100.0 * sum(r.energy_kwh for r in runs) / max(1e-9, sum(r.optimum_kwh for r in runs))


def report(runs, sites, done, took_s):
    print(f"{done:,.0f} station-minutes in {took_s:,.0f} s: {done / took_s:,.0f} a second")

    def worst(runs):
        return min((share([one]) for one in runs), default=0.0)

    for site in sites:
        calm, steps, chaos, bad = (runs[site, kind] for kind in ("calm", "steps", "chaos", "bad"))
        print(f"{site}: {sum(r.sessions for r in chaos)} sessions under chaos, {sum(r.restarts for r in chaos)} controller deaths")
        print(f"  energy: {share(calm):.1f} % of the optimum fault-free, {share(chaos):.1f} % under chaos "
              f"(worst day {worst(calm):.1f} and {worst(chaos):.1f} %)")  # fmt: skip
        trips = [sum(len(r.trips) for r in some) for some in (calm, steps, chaos)]
        print(f"  breakers opened: {trips[0]} fault-free, {trips[1]} with steps, {trips[2]} under chaos; "
              f"with a controller that ignores limits on {sum(bool(r.trips) for r in bad)} of {len(bad)} days")  # fmt: skip
        highest = defaultdict(float)
        for r in calm + steps + chaos:
            for name, a in r.worst_as.items():
                highest[name] = max(highest[name], a)
        print("  worst A·s over a rating: " + (", ".join(f"{n} {a:.0f}" for n, a in sorted(highest.items())) or "none"))
        print(f"  infeasible on record: {sum(r.infeasible for r in calm)} fault-free, {sum(r.infeasible for r in chaos)} under chaos")
        found = [s for r in steps for s in r.steps]
        over = [s for s in found if s[1]]
        for what, which in (("A·s", 0), ("s", 1)):
            some = [s[which] for s in over] or [0.0]
            print(f"  after {len(found)} steps of the building, {len(over)} over, {what}: median {median(some):.0f}, worst {max(some):.0f}")


if __name__ == "__main__":
    sys.exit(main())
