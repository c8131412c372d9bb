"""Decision points: the named places where firmware or a controller decides, and defects that decide wrongly.

A machine marks a method with `@point("station.limit_in_force")`; a defect is a mixin that overrides it.
`reached` on the machine collects the points a good run went through, so that a defect is only tried where it can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def point(name: str) -> Callable[[F], F]:
    """Mark a method as the decision point `name`."""

    def mark(method: F) -> F:
        @wraps(method)
        def reach(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.reached[name] = None
            return method(self, *args, **kwargs)

        reach.point = name  # type: ignore[attr-defined]
        return reach  # type: ignore[return-value]

    return mark


def points_of(machine: type) -> dict[str, str]:
    """Decision point name to method name, for a machine class."""
    found: dict[str, str] = {}
    for name in dir(machine):
        mark = getattr(getattr(machine, name, None), "point", None)
        if isinstance(mark, str):
            found[mark] = name
    return dict(sorted(found.items()))


class Defect:
    """A named way in which real firmware (or a controller, or a plant) goes wrong: a mixin put before the good machine.

    name: kebab-case, unique. seen: where it shows and how, in a firmware engineer's words. area: the conformance area
    that must catch it (`caps`, `priority`, `overrides`, `fallback`, `boot`, `authorise`, `transaction`, `profiles`,
    `stability`, `always`). point: the decision point it overrides. part: `station`, `controller`, `plant` or `meter`.
    """

    name: ClassVar[str]
    seen: ClassVar[str]
    area: ClassVar[str]
    point: ClassVar[str]
    part: ClassVar[str] = "station"


def with_defects(machine: type, defects: Iterable[type[Defect]]) -> type:
    """The machine class with the defects mixed in, first one outermost. Defects override methods by plain Python
    inheritance and may call super()."""
    mixins = tuple(defects)
    return type("+".join([*(d.name for d in mixins), machine.__name__]), (*mixins, machine), {}) if mixins else machine
