"""ACN-Sim's earliest-deadline-first on the same tree and sessions, where its package is installed: one session after another gets the most
that fits, by bisection, without minima, ranks or reasons.

It is no dependency of ours, and has a top-level package `tests` that would hide this one: it goes into a folder of its own, named by
CHARGEKIT_ACNSIM.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from chargekit.controller.allocator import Demand
from chargekit.model.site import Circuit

FOLDER = "CHARGEKIT_ACNSIM"
INSTALL = f"pip install --target FOLDER acnportal, then {FOLDER}=FOLDER"


def installed() -> bool:
    folder = os.environ.get(FOLDER)
    if folder and folder not in sys.path:
        sys.path.append(folder)
    return find_spec("acnportal") is not None


class _Interface:
    """As much of its interface as the algorithm asks for."""

    period = 5

    def __init__(self, infrastructure: Any) -> None:
        self.infrastructure = infrastructure

    def infrastructure_info(self) -> Any:
        return self.infrastructure

    def remaining_amp_periods(self, session: Any) -> float:
        return float(session.remaining_demand * 1000 / 230 * 60 / self.period)


def _on(tree: Mapping[str, Circuit], demand: Demand) -> list[tuple[str, int]]:
    """The circuits and phases a demand uses."""
    found, at = [], tree[demand.circuit]
    while True:
        found += [(at.name, phase) for phase in demand.phases]
        if at.parent is None:
            return found
        at = tree[at.parent]


def edf(tree: Mapping[str, Circuit], demands: Sequence[Demand]) -> Callable[[], float]:
    """One decision: all amperes granted. A constraint per circuit and phase, as the allocator has them; every EVSE continuous."""
    interface, algorithms = import_module("acnportal.acnsim.interface"), import_module("acnportal.algorithms")
    rows = {(name, phase): n * 3 + phase for n, name in enumerate(tree) for phase in range(3)}
    matrix = np.zeros((len(rows), len(demands)))
    for column, demand in enumerate(demands):
        for row in _on(tree, demand):
            matrix[rows[row], column] = 1.0
    count = len(demands)
    site = interface.InfrastructureInfo(
        matrix, np.array([tree[name].rating_a for name, _ in rows]), np.zeros(count), np.full(count, 230.0), [str(row) for row in rows],
        [d.id for d in demands], np.full(count, 63.0), np.zeros(count), [np.array([0.0, 63.0])] * count, np.ones(count, dtype=bool),
    )  # fmt: skip
    sessions = [interface.SessionInfo(d.id, d.id, 40.0, 0.0, 0, 20 + n % 100, max_rates=d.most_a) for n, d in enumerate(demands)]
    algorithm = algorithms.SortedSchedulingAlgo(algorithms.earliest_deadline_first)
    algorithm.register_interface(_Interface(site))
    return lambda: float(sum(rates[0] for rates in algorithm.schedule(sessions).values()))


def took_s(tree: Mapping[str, Circuit], demands: Sequence[Demand], times: int) -> float:
    """CPU seconds of the quickest of so many decisions."""
    decide, found = edf(tree, demands), []
    gc.collect()
    for _ in range(times):
        began = time.process_time()
        decide()
        found.append(time.process_time() - began)
    return min(found)
