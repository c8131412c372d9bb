"""The allocator on large trees: one decision over a thousand and ten thousand sessions, reasons included; beside it, where it is installed,
ACN-Sim's earliest-deadline-first on the same trees in the same run."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable
from dataclasses import replace

from tests.perf import acnsim

from chargekit.controller.allocator import Demand, allocate, in_order
from chargekit.model.site import Circuit

PHASES = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0,), (1,), (2,))


def large(count: int, seed: int = 1) -> tuple[dict[str, Circuit], list[Demand]]:
    """Three levels, feeders of 250 and boards of 25 sessions, mixed phases, four ranks; everybody wants another figure, and the grid, some
    feeders and most boards are scarce."""
    rng = random.Random(seed)
    tree = {"grid": Circuit("grid", None, count * 16.0)}
    feeders = [f"f{n}" for n in range(max(1, count // 250))]
    tree |= {name: Circuit(name, "grid", 250 * 16.0) for name in feeders}
    boards = [f"b{n}" for n in range(max(1, count // 25))]
    tree |= {name: Circuit(name, feeders[n % len(feeders)], 25 * 32 * rng.uniform(0.25, 0.7)) for n, name in enumerate(boards)}
    demands = [
        Demand(
            f"d{n}", boards[n % len(boards)], rng.randrange(4), (n,), rng.choice(PHASES), 6.0, round(rng.uniform(6, 32), 1), "employee"
        )
        for n in range(count)
    ]  # fmt: skip
    return tree, sorted(demands, key=in_order)


def report(say: Callable[[str], None] = print) -> None:
    took: dict[int, float] = {}
    for count in (100, 1000, 10_000):
        tree, demands = large(count)
        took[count] = best(tree, demands, max(5, 2000 // count))
        # Circuits that are other objects, though the same figures: nothing is known of them.
        first = min(best({name: replace(one) for name, one in tree.items()}, demands, 1) for _ in range(3))
        total = sum(grant.amps for grant in allocate(tree, [], demands).grants.values())
        say(
            f"{count:>6} sessions allocated in {took[count] * 1e3:6.2f} ms at best, {first * 1e3:6.2f} ms on a tree never seen before "
            f"({total:,.0f} A granted, with reasons)"
        )
    growth = math.log10(took[10_000] / took[1000])
    say(f"10,000 sessions against 1,000: {took[10_000] / took[1000]:.1f} ×, n^{growth:.2f} (n log n is 13.3)")
    beside(say)


def best(tree: dict[str, Circuit], demands: list[Demand], times: int) -> float:
    """CPU seconds of the quickest of so many decisions."""
    found = []
    gc.collect()
    for _ in range(times):
        began = time.process_time()
        allocate(tree, [], demands)
        found.append(time.process_time() - began)
    return min(found)


def beside(say: Callable[[str], None]) -> None:
    """The same sites under ACN-Sim's earliest-deadline-first, in the same run."""
    if not acnsim.installed():
        say(f"ACN-Sim's earliest-deadline-first beside it: not installed ({acnsim.INSTALL})")
        return
    for count, times in ((41, 3), (159, 2), (400, 1)):
        tree, demands = large(count)
        ours, theirs = best(tree, demands, 20), acnsim.took_s(tree, demands, times)
        say(f"{count:>6} sessions: {ours * 1e3:6.2f} ms; ACN-Sim's earliest-deadline-first {theirs * 1e3:8.1f} ms: {theirs / ours:5.0f} ×")


if __name__ == "__main__":
    report()
