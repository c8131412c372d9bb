"""User classes and tokens as rules name them."""

from __future__ import annotations

from collections.abc import Collection

from chargekit.model.located import BadInput, Located, nearest


def one_class(node: Located, classes: Collection[str]) -> str:
    """A class's name. BadInput for one nobody defined."""
    name = node.as_text()
    if name not in classes:
        raise BadInput(node.source, f"user class {name!r} is defined nowhere", nearest(name, classes))
    return name


def named_classes(node: Located | None, classes: Collection[str]) -> tuple[str, ...]:
    """A list of classes; none without the key."""
    return tuple(one_class(one, classes) for one in node.items()) if node is not None else ()


def patterns(node: Located | None) -> tuple[str, ...]:
    """A list of patterns for tokens or stations; none without the key."""
    return tuple(one.as_text() for one in node.items()) if node is not None else ()
