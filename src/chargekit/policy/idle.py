"""`power.idle`: what becomes of a session that is over while its vehicle stays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from chargekit.model.located import BadInput, Located, Source
from chargekit.policy.people import named_classes

BELOW_A: Final = 1.0


@dataclass(frozen=True, slots=True)
class IdleRule:
    """A session of these classes (of all, if none are named) that draws less than `below_a` of its own accord is idle. After `grace_s` its
    user is asked to move, after `release_s` (None: never) it is ended; both count from when it became idle. `notify`: whether the
    station's display asks."""

    grace_s: float
    release_s: float | None
    classes: tuple[str, ...]
    notify: bool
    below_a: float
    source: Source

    def of(self, user_class: str) -> bool:
        """Whether it holds for a class."""
        return not self.classes or user_class in self.classes

    def due(self, user_class: str, idle_s: float, *, leaves_s: float | None = None) -> str:
        """What is due for a session idle for so long: `asked`, `released` or nothing yet, which is empty. `leaves_s`: when its user said
        it leaves, counted from now: who goes within the grace is left in peace."""
        if not self.of(user_class):
            return ""
        if self.release_s is not None and idle_s >= self.release_s:
            return "released"
        soon = leaves_s is not None and 0.0 <= leaves_s <= self.grace_s
        return "asked" if idle_s >= self.grace_s and not soon else ""


def parse_idle(node: Located | None, classes: Collection[str]) -> IdleRule | None:
    """BadInput for a class that is not there, or a release that comes before anybody was asked."""
    if node is None:
        return None
    node.only("grace", "release", "classes", "notify", "below")
    grace = node.number("grace", "s", least=60)
    release = node.number("release", "s", least=60) if node.has("release") else None
    if release is not None and release < grace:
        early = f"sessions would be ended {release / 60:g} min after they are over, before anybody is asked at {grace / 60:g} min"
        raise BadInput(node.need("release").source, early, "release: no shorter than grace")
    below = node.number("below", "A", BELOW_A, least=0.1, most=5.9)
    return IdleRule(grace, release, named_classes(node.get("classes"), classes), node.flag("notify", True), below, node.source)
