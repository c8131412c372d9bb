"""Incidents and their lives: opened once by subject and kind, told to more people the longer they last, closed when their cause is gone.

| record | about | body |
|---|---|---|
| `incident` | the subject | `id`, `kind`, `category`, `severity`, `because`; `by` where somebody reported it |
| `incident` | the subject | the same, when its cause came back: `again`, how often |
| `incident` | the subject | the same `id`, `kind`, `category`, `severity`, with `ended`, `for_s` since it was opened first, `because` |
| `escalation` | the subject | `id`, `kind`, `category`, `severity`, `to`, `after_s`, `because` |

What comes back within `AGAIN_S` is the same incident, opened again; from then on it ends only after `CALM_S` without its cause. So
whoever makes a cause come and go, however fast, brings two records in `CALM_S` at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chargekit.policy.incidents import IncidentRules
from chargekit.world.events import Effect, Note

AGAIN_S: Final = 300.0
CALM_S: Final = 60.0
MOST_ENDED: Final = 1024

About = tuple[str, str]
"""Kind and subject."""


@dataclass(slots=True)
class Incident:
    """Open since `since`. `circuit`: where its capacity is missed. `told`: how many steps of its category are done; `gone_at`: since when
    its cause is gone, where it has yet to be calm; `again`: how often it came back; `by`: who reported it."""

    id: str
    kind: str
    subject: str
    circuit: str
    since: float
    because: str
    told: int = 0
    gone_at: float | None = None
    again: int = 0
    by: str = ""

    @property
    def about(self) -> About:
        return self.kind, self.subject


class Incidents:
    """Those that are open, by kind and subject, in the order they were opened. `stamp` counts the changes."""

    def __init__(self, rules: IncidentRules) -> None:
        self.rules = rules
        self.open: dict[About, Incident] = {}
        self.number = 0
        self.stamp = 0
        self._ended: dict[About, tuple[float, Incident]] = {}

    # --- lives --------------------------------------------------------------------------------------------------

    def begin(self, kind: str, subject: str, circuit: str, because: str, now: float, out: list[Effect], by: str = "") -> None:
        """Its cause is there: open it, unless it is open."""
        known = self.open.get((kind, subject))
        if known is not None:
            known.gone_at = None
            return
        self.stamp += 1
        ended_at, before = self._ended.pop((kind, subject), (-math.inf, None))
        if before is not None and now - ended_at < AGAIN_S:
            before.again, before.gone_at = before.again + 1, None
            self.open[kind, subject] = before
            out.append(Note("controller", subject, "incident", self._body(before) | {"again": before.again, "because": because}))
            return
        self.number += 1
        made = Incident(f"inc-{self.number}", kind, subject, circuit, now, because, by=by)
        self.open[made.about] = made
        out.append(Note("controller", subject, "incident", self._body(made) | {"because": because} | ({"by": by} if by else {})))

    def gone(self, about: About, because: str, now: float, out: list[Effect]) -> None:
        """Its cause is gone: close it, at once the first time (or when somebody said so), after a while of calm once it
        came back."""
        one = self.open.get(about)
        if one is None:
            return
        if one.again and not one.by:
            one.gone_at = now if one.gone_at is None else one.gone_at
            if now < one.gone_at + CALM_S:
                return
        del self.open[about]
        self.stamp += 1
        self._ended[about] = now, one
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        body = self._body(one) | {"ended": True, "for_s": round(now - one.since, 1), "because": because}
        out.append(Note("controller", one.subject, "incident", body))

    def escalate(self, one: Incident, now: float, out: list[Effect]) -> None:
        """Tell whoever is to know by now that it is still open."""
        category = self.rules.category_of(one.kind)
        for step in category.steps[one.told :]:
            if now < one.since + step.after_s:
                return
            one.told += 1
            self.stamp += 1
            because = f"open for {(now - one.since) / 60:g} min, told after {step.after_s / 60:g} min ({step.source}): {one.because}"
            out.append(
                Note(
                    "controller", one.subject, "escalation", self._body(one) | {"to": step.to, "after_s": step.after_s, "because": because}
                )
            )

    def due(self, now: float) -> float:
        """When something about these is to be done by itself: a step of escalation, a response that begins, calm that is long enough."""
        found = [math.inf]
        for one in self.open.values():
            steps = self.rules.category_of(one.kind).steps
            found += [one.since + step.after_s for step in steps[one.told : one.told + 1]]
            response = self.rules.response_to(one.kind)
            found += [one.since + response.after_s] if response is not None and one.since + response.after_s > now else []
            found += [one.gone_at + CALM_S] if one.gone_at is not None else []
        return min(found)

    @property
    def grave(self) -> bool:
        """Whether one more than minor is open."""
        return any(self.rules.category_of(one.kind).grave for one in self.open.values())

    def _body(self, one: Incident) -> dict[str, Any]:
        category = self.rules.category_of(one.kind)
        return {"id": one.id, "kind": one.kind, "category": category.name, "severity": category.severity}

    def forget(self) -> None:
        """What ended is forgotten: the same again is another."""
        self._ended.clear()

    # --- over the controller's death ----------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """As plain data."""
        return {"number": self.number, "open": [asdict(one) for one in self.open.values()]}

    def recall(self, data: Mapping[str, Any]) -> None:
        """What was open in an earlier life goes on, with what was told of it."""
        self.number = int(data.get("number", 0))
        self.open = {one.about: one for one in (Incident(**row) for row in data.get("open", ()))}
