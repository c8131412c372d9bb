"""What lint finds, as it is told."""

from __future__ import annotations

from dataclasses import dataclass

from chargekit.model.located import Source
from chargekit.policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong (`unreachable`, `never`, `nobody`, `gap`, `expiry`, `guarantee`, `contradiction`, `mistake`,
    `response`), where, and what it leads to."""

    kind: str
    source: Source
    message: str

    def __str__(self) -> str:
        return f"{self.source}: {self.kind}: {self.message}"


def people(rules: Rulebook) -> set[str]:
    """The classes somebody can be at the site."""
    return {name for _, name in rules.tokens} | ({rules.default_class} if rules.default_class else set())
