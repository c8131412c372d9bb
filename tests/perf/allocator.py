"""The allocator on large trees: one decision over a thousand and ten thousand sessions, reasons included."""

from __future__ import annotations

import gc
import random
import time

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


def report() -> None:
    took: dict[int, float] = {}
    for count in (100, 1000, 10_000):
        tree, demands = large(count)
        times = []
        gc.collect()
        for _ in range(max(5, 2000 // count)):
            began = time.perf_counter()
            found = allocate(tree, [], demands)
            times.append(time.perf_counter() - began)
        took[count] = min(times)
        total = sum(grant.amps for grant in found.grants.values())
        print(f"{count:>6} sessions allocated in {took[count] * 1e3:6.2f} ms at best ({total:,.0f} A granted, with reasons)", flush=True)
    print(f"10,000 sessions against 1,000: {took[10_000] / took[1000]:.1f} × (n log n is 13.3)")


if __name__ == "__main__":
    report()
