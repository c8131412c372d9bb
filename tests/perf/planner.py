"""How long a plan of the day takes: cold, and planned anew a quarter-hour later with what the solver still knows.

A site of two and three levels with one- and three-phase sessions of four classes, most of the day's cheap hours contested; half of the
figures with a demand charge. `all day`: everybody is there for all 96 slots, the largest program there is for so many.
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from chargekit.controller.planner import Plan, Planner
from chargekit.controller.planner_model import SLOT_S, Outlook, Wish
from chargekit.model.site import Circuit


def site(count: int, scarce: float = 1.0) -> dict[str, Circuit]:
    tree = {"grid": Circuit("grid", None, count * 5.0 * scarce)}
    tree |= {f"h{n}": Circuit(f"h{n}", "grid", 600.0) for n in range((count + 99) // 100)}
    return tree | {f"f{n}": Circuit(f"f{n}", f"h{n // 5}", 180.0) for n in range((count + 19) // 20)}


def sessions(count: int, all_day: bool) -> list[Wish]:
    rng, found = random.Random(1), []
    for n in range(count):
        phases = (0, 1, 2) if rng.random() < 0.7 else (rng.randrange(3),)
        stay_h = 24.0 if all_day else rng.uniform(3.0, 24.0)
        amps = rng.choice([16.0, 32.0])
        needs = min(amps * len(phases) * 0.23 * stay_h * 0.8, rng.uniform(5.0, 45.0 if len(phases) == 3 else 20.0))
        leaves = math.inf if all_day else stay_h * 3600.0
        found.append(Wish.ac(f"s{n:05}", f"f{n // 20}", phases, amps, needs, leaves, rank=rng.randrange(4)))
    return found


def outlook(count: int, slot: int, charge: float) -> Outlook:
    """The day from so many quarter-hours on; the building takes a little more than was thought, which fades as the forecast's does."""
    hour = (np.arange(96) + slot) / 4.0 % 24.0
    base = count * (0.6 + 0.4 * np.sin((hour - 9.0) / 12.0 * math.pi)) * (1.0 + 0.03 * slot * np.exp(-np.arange(96) / 8.0))
    price = np.where((hour >= 17) & (hour < 20), 0.40, np.where((hour < 6) | (hour >= 22), 0.15, 0.25))
    begins = slot * SLOT_S
    return Outlook(begins, begins, base_a={"grid": base[:, None]}, price=price, demand_charge=charge, peak_kw=count * 0.3)


def later(wishes: list[Wish], plan: Plan) -> list[Wish]:
    """The same sessions a quarter-hour on, none having drawn quite what was planned."""
    rng = random.Random(2)
    left = [max(0.0, w.needs_kwh - float(plan.energy_kwh[w.id][0]) * rng.uniform(0.8, 1.2)) for w in wishes]
    return [
        Wish(w.id, w.circuit, w.phases, w.most_kw, w.least_kw, kwh, w.departs, w.rank) for w, kwh in zip(wishes, left, strict=True)
    ]  # fmt: skip


def measured(count: int, all_day: bool, charge: float, scarce: float = 1.0) -> dict[str, Any]:
    """Seconds of the process, cold and warm, and the size of the program."""
    planner, wishes, took = Planner(site(count, scarce), time_s=60.0), sessions(count, all_day), []
    plan = None
    gc.collect()
    for slot in range(4):
        day = outlook(count, slot, charge)
        if plan is not None:
            wishes = later(wishes, plan)
        began = time.process_time()
        plan = planner.plan(wishes, day)
        took.append(time.process_time() - began)
    assert plan is not None and plan.how == "optimal" and plan.warm and planner.program is not None
    return {"cold": took[0], "warm": sorted(took[1:])[1], "columns": planner.program.column_count, "missing": len(plan.missing)}


def report(say: Callable[[str], None] = print) -> None:
    measured(10, False, 0.0)
    for all_day in (False, True):
        for charge in (0.0, 12.0):
            cold = {}
            for count in (50, 500):
                found = measured(count, all_day, charge)
                cold[count] = found["cold"]
                say(
                    f"plan of {count:>4} sessions × 96 slots, {'all day  ' if all_day else '3 to 24 h'}, demand charge {charge:>2g}: "
                    f"cold {found['cold']:6.3f} s, warm {found['warm']:6.3f} s, {found['columns']:>6,} columns, {found['missing']} short"
                )
            say(f"     the time grows as n^{math.log10(cold[500] / cold[50]):.2f}")
    found = measured(500, False, 0.0, 0.25)
    say(
        f"plan of  500 sessions where not all can be met, rank by rank: cold {found['cold']:6.3f} s, warm {found['warm']:6.3f} s, "
        f"{found['missing']} short"
    )


if __name__ == "__main__":
    report()
