"""`python -m tests.deep --minutes 1700000 --seed 1`: so many station-minutes of chaos over the five sites, and what came of it.

One case alone takes seconds: `python -m tests.deep --rounds 1 --sites workplace --stations 20 --days everyone-at-once --kinds calm steps`.
"""

import argparse
import sys
import time
from collections import defaultdict
from statistics import median

from tests.deep.chaos import SITES, TIGHT, Chaos, NoTree

DAYS = ("everyone-at-once", TIGHT, "weekday", "cold-morning")
KINDS = ("calm", "steps", "chaos", "bad")


def main():
    told = argparse.ArgumentParser(prog="tests.deep")
    told.add_argument("--minutes", type=float, default=1_700_000.0, help="both loaded days at every site, and more than a million")
    told.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    told.add_argument("--rounds", type=int, default=sys.maxsize, help="stop after so many of all sites and days")
    told.add_argument("--seed", type=int, default=1)
    told.add_argument("--stations", type=int, help="at each site; as many as it has if not told")
    told.add_argument("--sites", nargs="*", default=list(SITES))
    told.add_argument("--days", nargs="*", default=list(DAYS))
    told.add_argument("--kinds", nargs="*", default=list(KINDS), help="in the first round; later ones are chaos")
    asked = told.parse_args()
    began, done, runs = time.time(), 0.0, defaultdict(list)
    for site, seed, day, kind in cases(asked):
        if done >= asked.minutes or time.time() - began >= asked.seconds:
            break
        bad = kind == "bad"
        one = Chaos(site, seed, "chaos" if bad else kind, day, stations=asked.stations, defects=(NoTree,) if bad else ())
        one.ran.kind = kind
        runs[site, day, kind].append(one.run())
        if kind != "bad":
            done += one.ran.station_minutes
        rate = done / (time.time() - began)
        line = f"{done:,.0f} of {asked.minutes:,.0f} station-minutes, {rate:,.0f} a second, {site} seed {seed} {kind}, {day}"
        ordered, over = share([one.ran], "ordered_kwh"), max(one.ran.worst_as.values(), default=0.0)
        figures = f"{share([one.ran]):.1f} % of the optimum, {ordered:.1f} % of that in the rulebook's order, at worst {over:.0f} A·s over"
        print(f"{line}: {len(one.ran.trips)} trips, {figures}", file=sys.stderr, flush=True)
        if kind != "bad" and one.ran.trips:
            print(f"TRIP {site} seed {seed} {kind} {day}: {one.ran.trips}", flush=True)
    return report(runs, asked.sites, asked.days, done, time.time() - began)


def cases(asked):
    """Site, seed, day and kind: every kind of every day at every site once, then chaos with other seeds."""
    for number in range(asked.rounds):
        for day in asked.days:
            for site in asked.sites:
                for kind in asked.kinds if number == 0 else ("chaos",):
                    yield site, asked.seed + number, day, kind


def share(runs, of="optimum_kwh"):
    return 100.0 * sum(r.energy_kwh for r in runs) / max(1e-9, sum(getattr(r, of) for r in runs))


def report(runs, sites, days, done, took_s):
    """The figures, and 1 where something is not as it must be: a breaker opened, or no controller could have opened one."""
    print(f"{done:,.0f} station-minutes in {took_s:,.0f} s: {done / took_s:,.0f} a second")
    for site in sites:
        found = {key[1:]: some for key, some in runs.items() if key[0] == site}
        chaos = [r for (_, kind), some in found.items() if kind == "chaos" for r in some]
        print(f"{site}: {sum(r.sessions for r in chaos)} sessions under chaos, {sum(r.restarts for r in chaos)} controller deaths")
        print(f"  {'':17}{'% of the optimum':>27}{'% in the order':>20}{'worst A·s over a rating':>28}{'breakers opened':>24}")
        columns = ("calm", 9), ("chaos", 9), ("worst", 9), ("calm", 11), ("chaos", 9), ("calm", 10), ("steps", 9), ("chaos", 9)
        print(" " * 19 + "".join(f"{name:>{width}}" for name, width in (*columns, ("calm", 9), ("steps", 8), ("chaos", 7))))
        for day in days:
            calm, steps, some = (found.get((day, kind), []) for kind in ("calm", "steps", "chaos"))
            if not calm + steps + some:
                continue
            least = min((share([one]) for one in some), default=0.0)
            over = [max((max(r.worst_as.values(), default=0.0) for r in part), default=0.0) for part in (calm, steps, some)]
            opened = [sum(len(r.trips) for r in part) for part in (calm, steps, some)]
            print(f"  {day:17}{share(calm):9.1f}{share(some):9.1f}{least:9.1f}"
                  f"{share(calm, 'ordered_kwh'):11.1f}{share(some, 'ordered_kwh'):9.1f}{over[0]:10.0f}{over[1]:9.0f}{over[2]:9.0f}"
                  f"{opened[0]:9}{opened[1]:8}{opened[2]:7}")  # fmt: skip
        for day in days:
            after(day, [s for r in found.get((day, "steps"), []) for s in r.steps])
        for day in days:
            unled(day, found.get((day, "bad"), []), found.get((day, "calm"), []))
        infeasible = {kind: sum(r.infeasible for (_, k), some in found.items() if k == kind for r in some) for kind in ("calm", "chaos")}
        print(f"  infeasible on record: {infeasible['calm']} fault-free, {infeasible['chaos']} under chaos")
    good = [t for (_, _, kind), some in runs.items() if kind != "bad" for r in some for t in r.trips]
    bad = {site: [r for (where, _, kind), some in runs.items() if (where, kind) == (site, "bad") for r in some] for site in sites}
    tame = [site for site, some in bad.items() if some and not any(r.trips for r in some)]
    for site in tame:
        print(f"NOTHING PROVED at {site}: not even a controller that ignores limits opened a breaker there")
    return 1 if good or tame else 0


def after(day, steps):
    """A·s and seconds over a rating after the building stepped, over all steps and over those that left the site no room."""
    if not steps:
        return
    over = [s for s in steps if s[1]] or [(0.0, 0.0)]
    parts = [f"{what} median {median(s[n] for s in over):.0f}, worst {max(s[n] for s in over):.0f}" for n, what in ((0, "A·s"), (1, "s"))]
    print(f"  {day}: {sum(1 for s in steps if s[1])} of {len(steps)} steps of the building went over; of these {'; '.join(parts)}")


def unled(day, bad, calm):
    """What a controller that ignores limits does to the same plant, with the same visits and faults."""
    for one in bad:
        circuit, share_of = max(one.peak.items(), key=lambda item: item[1], default=("", 0.0))
        led = max((max(r.peak.values(), default=0.0) for r in calm), default=0.0)
        what = f"opened {', '.join(name for _, name, _ in one.trips)}" if one.trips else "opened none: too few come for that"
        print(f"  {day}: a controller that ignores limits {what}; {circuit} at {share_of:.0%} of its rating (ours, calm: {led:.0%})")


if __name__ == "__main__":
    sys.exit(main())
