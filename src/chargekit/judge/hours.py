"""The hours of a site as cases need them: what the rules say at a time of day, and when that comes to change.

A case that needs such a change lets its clock start shortly before it (`@case(…, starts=…)`) where the clock is ours; where it is the real
one, the case waits as long as it has patience.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from chargekit.judge.verdict import NotApplicable
from chargekit.lab.sitefile import SiteBundle
from chargekit.model.calendar import Calendar
from chargekit.policy.windows import Moment, Span, moment, next_change

AHEAD_S: Final = 2 * 86_400.0
"""How far ahead the clock may be put: every hour of a working day and of the day after."""
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Hours:
    """A site's rules and clock from run time `now` on. A change counts where it comes `soonest_s` to `latest_s` from now."""

    bundle: SiteBundle
    calendar: Calendar
    now: float
    soonest_s: float
    latest_s: float

    @property
    def rules(self) -> Any:
        return self.bundle.rulebook

    def at(self, when: float) -> Moment:
        """A run time on the site's clock."""
        return moment(self.calendar, when, self.rules.access.holidays)

    def becomes(self, holds: Callable[[Moment], bool]) -> float | None:
        """The first run time, on a whole minute of the site's clock, at which this comes to hold; None if it does not."""
        local = self.calendar.local(self.now)
        at = self.now + -(local.second + local.microsecond / 1e6) % MINUTE_S
        before = holds(self.at(at))
        while at <= self.now + self.latest_s:
            now_it = holds(self.at(at))
            if now_it and not before and at >= self.now + self.soonest_s:
                return at
            before, at = now_it, at + MINUTE_S
        return None

    def changes(self, spans: Iterable[Span], changed: Callable[[Moment, Moment], bool]) -> float | None:
        """The first run time at which one of the spans begins or ends and `changed` holds of the moments before and at it; None if there
        is none."""
        all_spans, at = list(spans), self.now
        while all_spans:
            at = next_change(all_spans, self.calendar, at)
            if at > self.now + self.latest_s:
                break
            if at >= self.now + self.soonest_s and changed(self.at(at - 1.0), self.at(at)):
                return at
        return None


def shortly_before(find: Callable[[Hours], float], lead_s: float) -> Callable[[SiteBundle], float]:
    """Where a case's clock starts, s after the site's epoch: so long before the time `find` gives; at the epoch where it finds none."""

    def starts(bundle: SiteBundle) -> float:
        try:
            return find(Hours(bundle, bundle.site.calendar, 0.0, lead_s, AHEAD_S)) - lead_s
        except NotApplicable:
            return 0.0

    return starts
