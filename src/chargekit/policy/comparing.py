"""What differs between two sets of effective values.

An entry of a list is the same as another by what it is about (whom, when, where), not by its number: one that comes in between moves none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from chargekit.model.located import amount
from chargekit.policy.layers import Effective

FIRST_LEADS: Final = frozenset({"priority.windows", "priority.triggers", "priority.contracts"})
"""Lists whose order means something: the first entry that holds leads."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key, or an entry `key[what it is about]` of a list, that two rulebooks answer differently; None: it says nothing there."""

    key: str
    one: Effective | None
    other: Effective | None

    @property
    def change(self) -> Literal["added", "removed", "changed"]:
        """What becomes of it from the one to the other."""
        if self.one is None:
            return "added"
        return "removed" if self.other is None else "changed"


def differences(one: Iterable[Effective], other: Iterable[Effective]) -> Iterator[Difference]:
    """Every key and entry whose value differs, in the order of the rulebook, the one's first."""
    left, right = _by_key(one), _by_key(other)
    for key in dict.fromkeys((*left, *right)):
        yield from _entries(key, left.get(key, []), right.get(key, []))


def _by_key(rows: Iterable[Effective]) -> dict[str, list[Effective]]:
    """The rows of each key. What several layers say together is one value; the entries of a list stay apart."""
    found: dict[str, list[Effective]] = {}
    for row in rows:
        before = found.setdefault(row.listed or row.key, [])
        if before and not row.listed:
            before[0] = replace(before[0], value=f"{before[0].value} + {row.value}", meaning=f"{_meaning(before[0])} + {_meaning(row)}")
        else:
            before.append(row)
    return found


def _entries(key: str, left: Sequence[Effective], right: Sequence[Effective]) -> Iterator[Difference]:
    same = list(_pairs(left, right, _meaning))
    taken = {id(row) for pair in same for row in pair}
    rest = [[row for row in side if id(row) not in taken] for side in (left, right)]
    changed = list(_pairs(rest[0], rest[1], lambda row: row.about))
    counterpart: dict[int, Effective] = {id(a): b for a, b in changed}
    found = {id(b) for _, b in changed}
    for a in rest[0]:
        yield Difference(_called(key, a), a, counterpart.get(id(a)))
    yield from (Difference(_called(key, b), None, b) for b in rest[1] if id(b) not in found)
    if key in FIRST_LEADS:
        yield from _moved(key, left, right, [*same, *changed])


def _meaning(row: Effective) -> str:
    return row.meaning or amount(row.value)


def _pairs(left: Iterable[Effective], right: Iterable[Effective], by: Callable[[Effective], str]) -> Iterator[tuple[Effective, Effective]]:
    """Rows of both sides that agree in this, each once, in order."""
    waiting: dict[str, list[Effective]] = {}
    for row in right:
        waiting.setdefault(by(row), []).append(row)
    for row in left:
        if waiting.get(by(row)):
            yield row, waiting[by(row)].pop(0)


def _moved(
    key: str, left: Sequence[Effective], right: Sequence[Effective], both: Sequence[tuple[Effective, Effective]]
) -> Iterator[Difference]:
    """Entries that both have, in another order."""
    place = {id(row): number for number, row in enumerate((*left, *right))}
    mine = sorted((a for a, _ in both), key=lambda row: place[id(row)])
    theirs = [b for _, b in sorted(both, key=lambda pair: place[id(pair[0])])]
    if sorted(theirs, key=lambda row: place[id(row)]) != theirs:
        ordered = sorted(theirs, key=lambda row: place[id(row)])
        names = [", then ".join(row.about for row in rows) for rows in (mine, ordered)]
        yield Difference(f"{key} (order)", replace(mine[0], value=names[0]), replace(ordered[0], value=names[1]))


def _called(key: str, row: Effective) -> str:
    return f"{key}[{row.about}]" if row.listed else key
