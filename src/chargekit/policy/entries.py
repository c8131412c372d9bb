"""Entries of lists of tables, as text: how one reads, what it is about, and what it means however it was written."""

from __future__ import annotations

from typing import Final

from chargekit.model.located import BadInput, Located, amount
from chargekit.policy.windows import parse_span

SPAN: Final = ("days", "from", "to")
UNORDERED: Final = ("classes", "tokens", "stations")
ABOUT: Final[dict[str, tuple[str, ...]]] = {
    "access.windows": ("classes", "tokens"),
    "access.entitlements": ("classes", "tokens"),
    "priority.windows": SPAN,
    "priority.contracts": ("tokens",),
    "priority.triggers": ("when", "name", "classes"),
    "power.sessions": ("circuit", "classes"),
    "cost.tariff": ("from", "to"),
    "escalate": ("to",),
}
"""By a list's key, or its last part: what an entry is about. The rest is what it says of that."""


def words(node: Located) -> str:
    """A value as it reads on one line."""
    if isinstance(node.value, dict):
        return ", ".join(f"{name}: {words(one)}" for name, one in sorted(node.table().items()))
    if isinstance(node.value, list):
        return "[" + ", ".join(words(one) for one in node.items()) + "]"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    return str(node.value)


def about(path: str, node: Located) -> str:
    """What an entry is about, in a few words."""
    names = ABOUT.get(path) or ABOUT.get(path.rpartition(".")[2])
    if names is None or not isinstance(node.value, dict):
        return words(node)
    if "from" in names:
        span = _span(node)
        return span.removeprefix("every day ") if "days" not in names else span
    return ", ".join(_plain(node.need(name), name) for name in names if node.has(name)) or "all"


def meaning(node: Located) -> str:
    """The same text for all ways to write the same: amounts, clock times, days, and names whose order says nothing."""
    if not isinstance(node.value, dict):
        return _plain(node)
    parts = [f"{name}: {_plain(node.need(name), name)}" for name in sorted(node.table()) if name not in SPAN and node.has(name)]
    return "; ".join([*parts, _span(node)])


def _plain(node: Located, name: str = "") -> str:
    if not isinstance(node.value, list):
        return amount(words(node))
    inside = [_plain(each) for each in node.items()]
    return ", ".join(sorted(inside) if name in UNORDERED else inside)


def _span(node: Located) -> str:
    """An entry's days and times; the words of one that has dates for times."""
    try:
        return str(parse_span(node))
    except BadInput:
        return ", ".join(f"{name} {words(node.need(name))}" for name in SPAN if node.has(name))
