"""How outlets share the power modules of one DC station."""

from __future__ import annotations

import math
from collections.abc import Mapping


def split_w(wants: Mapping[int, float], total_w: float, module_w: float = 0.0) -> dict[int, float]:
    """What each outlet may take, by EVSE number: equal parts, and what one leaves is free to the others (max-min).

    With modules of `module_w` an outlet gets whole ones, the lower number first where they don't come out even. The sum is at
    most `total_w`.
    """
    if not wants:
        return {}
    if module_w > 0.0:
        return _modules(wants, int(total_w / module_w + 1e-9), module_w)
    given: dict[int, float] = {}
    left, open_ = total_w, dict(wants)
    while open_:
        part = left / len(open_)
        small = {n: w for n, w in open_.items() if w <= part}
        if not small:
            given.update(dict.fromkeys(open_, part))
            break
        for number, want in small.items():
            given[number] = want
            left -= want
            del open_[number]
    # Power nobody asked for may be taken by anyone, but only by one of them: the split is only looked at again on a tick.
    spare = total_w - sum(given.values())
    if spare > 0.0:
        first = max(given, key=lambda n: (wants[n], -n))
        given[first] += spare
    return {n: given[n] for n in wants}


def _modules(wants: Mapping[int, float], count: int, module_w: float) -> dict[int, float]:
    need = {n: math.ceil(w / module_w - 1e-9) for n, w in wants.items()}
    given = dict.fromkeys(wants, 0)
    for _ in range(count):
        hungry = [n for n in wants if given[n] < need[n]]
        if not hungry:
            break
        given[min(hungry, key=lambda n: (given[n], n))] += 1
    return {n: g * module_w for n, g in given.items()}
