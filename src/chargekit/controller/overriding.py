"""Overrides as the operator keeps them: given, listed, revoked and run out, each on record with who, why and by which rule.

| record `override` | body |
|---|---|
| given | `id`, `who`, `role`, `category`, `why`, `created`, `until`, `scope` and what that names, `rule` |
| over | `id`, `category`, `ended`, `by` (`expiry`, or who revoked it), `role`, `why`, `for_s` |
| not given, not revoked | `refused`: why, with file and line; `id`, `asked_by` |

A list asked for is a record `overrides`: `open`, every override in force as it was given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from chargekit.controller.operating import Operating
from chargekit.model.points import point
from chargekit.policy.overrides import Override, audit, authorised, create
from chargekit.world.events import Effect, Note

LONGEST: Final = 120


class Overriding(Operating):
    """The part of the operator that keeps overrides."""

    @point("controller.override")
    def overriding(self, args: Mapping[str, Any], now: float) -> Override:
        """The override that is asked for. ValueError for one the rules do not allow."""
        return create(self.rules, args, now, self.site, (one.id for one in self.overrides))

    def _create_override(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> bool:
        try:
            made = self.overriding(args, now)
        except ValueError as why:
            self._refused("override", args, why, out)
            return False
        self.overrides = [*self.overrides, made]
        out.append(Note("controller", self.site.id, "override", self.on_record(made)))
        return True

    @point("controller.override_record")
    def on_record(self, made: Override) -> dict[str, Any]:
        """What is put on record of an override: who, in which role, why, for whom, until when."""
        return audit(made, self.rules.overrides.get(made.category))

    def _revoke_override(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> bool:
        one = next((o for o in self.overrides if o.id == str(args["id"])), None)
        try:
            if one is None:
                raise ValueError(f"no override {str(args['id'])[:40]!r} is in force ({self.rules.override_rule.source})")
            who, role = authorised(self.rules, self.rules.overrides.get(one.category, self.rules.override_rule), args, "revoke overrides")
        except ValueError as why:
            self._refused("override", args, why, out)
            return False
        self.revokes(one)
        self._over(one, {"by": who, "role": role, "why": str(args.get("why") or "")}, now, out)
        self._changed = dict(self.places)
        return True

    @point("controller.revocation")
    def revokes(self, one: Override) -> None:
        """An override that was revoked leads no more."""
        self.overrides = [o for o in self.overrides if o is not one]

    def _refused(self, kind: str, args: Mapping[str, Any], why: ValueError, out: list[Effect]) -> None:
        body = {"refused": str(why), "id": str(args.get("id", ""))[:LONGEST], "asked_by": str(args.get("who") or "")[:LONGEST]}
        out.append(Note("controller", self.site.id, kind, body))

    def _list_overrides(self, now: float, out: list[Effect]) -> None:
        listed = [audit(one, self.rules.overrides.get(one.category)) for one in self.overrides if self.override_leads(one, now)]
        out.append(Note("controller", self.site.id, "overrides", {"open": listed}))

    def _run_out(self, now: float, out: list[Effect]) -> float:
        """End those whose time is over; when the next one's is."""
        for one in [o for o in self.overrides if o.until <= now]:
            if not self.override_leads(one, now):
                self.overrides = [o for o in self.overrides if o is not one]
                self._over(one, {"by": "expiry", "role": "", "why": "its time is over"}, now, out)
        return min((o.until for o in self.overrides if o.until > now), default=math.inf)

    def _over(self, one: Override, how: dict[str, Any], now: float, out: list[Effect]) -> None:
        self.forgiven(one.created)
        body = {"id": one.id, "category": one.category, "ended": True, "for_s": round(now - one.created, 1), **how}
        out.append(Note("controller", self.site.id, "override", body))

    @point("controller.override_leads")
    def override_leads(self, one: Override, now: float) -> bool:
        """An override leads until its expiry, and not at it."""
        return now < one.until

    @point("controller.override_recalled")
    def recalled(self, one: Override) -> Override:
        """An override of an earlier life, as it goes on in this one: until when it was given, not a moment longer."""
        return one
