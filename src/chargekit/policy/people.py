"""User classes and tokens as rules name them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from chargekit.model.located import BadInput, Located, nearest, shown, type_names

LONGEST_NAME: Final = 60
_ANY_OF: Final = re.compile(r"\[!?.[^]]*\]")
"""One character of a set, as `fnmatch` reads it."""


def narrowness(pattern: str) -> tuple[int, int, str]:
    """What puts the narrower of two token patterns first, whatever their order in the file: characters that stand for themselves, then
    `?` and sets; at last the text, so that no two stand alike."""
    sets = len(_ANY_OF.findall(pattern))
    rest = _ANY_OF.sub("", pattern)
    singles = sets + rest.count("?")
    return -sum(c not in "*?" for c in rest), -singles, pattern


def one_class(node: Located, classes: Collection[str]) -> str:
    """A class's name. BadInput for one nobody defined."""
    name = node.as_text()
    if name not in classes:
        raise BadInput(node.source, f"user class {name!r} is defined nowhere", nearest(name, classes))
    return name


def named_classes(node: Located | None, classes: Collection[str]) -> tuple[str, ...]:
    """A list of classes, at least one; none without the key."""
    return tuple(one_class(one, classes) for one in _some(node, "class"))


def patterns(node: Located | None) -> tuple[str, ...]:
    """A list of patterns for tokens or stations, at least one; none without the key."""
    return tuple(a_pattern(one) for one in _some(node, "pattern"))


def a_pattern(node: Located) -> str:
    """A token, or a pattern for tokens or stations. BadInput for a number: YAML reads 0123 as 83, which is another token."""
    if not isinstance(node.value, str) or not node.value:
        raise BadInput(
            node.source, f"text expected, found {type_names.get(type(node.value), 'nothing')}", 'a token is written in quotes: "0123"'
        )
    return node.value


def a_name(node: Located) -> str:
    """A role or somebody who has one. BadInput for what is no plain text."""
    name = node.value
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadInput(node.source, f"a name of 1 to {LONGEST_NAME} printable characters expected, found {shown(name)}")
    return name


def _some(node: Located | None, what: str) -> list[Located]:
    if node is not None and not node.items():
        raise BadInput(node.source, f"a list of at least one {what} expected, found none", "leave the key out")
    return node.items() if node is not None else []
