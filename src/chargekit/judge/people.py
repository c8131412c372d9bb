"""People at a site, as cases about access and ranks need them: tokens a rule names, and when a rule's window opens or closes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from chargekit.judge.bench import Charger
from chargekit.judge.premises import SiteUnder, token
from chargekit.judge.verdict import Failed, NotApplicable
from chargekit.policy.access import fits
from chargekit.policy.windows import Moment, Span, moment, next_change
from chargekit.wire.tokens import said

PATIENCE_S: Final = 5400.0
"""How long a case waits for a window to open or close."""


def when(site: SiteUnder, at: float) -> Moment:
    """A run time on the site's clock."""
    return moment(site.bench.lab.site.calendar, at, site.rules.access.holidays)


def until(site: SiteUnder, spans: Iterable[Span], changed: Callable[[Moment], bool]) -> float | None:
    """The first run time within PATIENCE_S at which `changed` holds; None if none does."""
    at, end, all_spans = site.bench.now, site.bench.now + PATIENCE_S, list(spans)
    while at < end:
        at = next_change(all_spans, site.bench.lab.site.calendar, at)
        if at < end and changed(when(site, at)):
            return at
    return None


def of_class(site: SiteUnder, user_class: str, number: int = 1) -> str:
    """A token of a class that may charge now. NotApplicable where nobody of it can be told by a token."""
    for pattern, name in site.rules.tokens:
        made = token(pattern, number)
        if name == user_class and not site.rules.access.windows_of(made, name) and not site.rules.access.entitlements_of(made, name):
            return made
    raise NotApplicable(f"no token of class {user_class} may charge everywhere at any time here")


def named(site: SiteUnder, rules: Iterable[Any]) -> list[tuple[Any, str]]:
    """Each rule of access with a token it binds: one of its patterns', or of its classes'."""
    found = []
    for rule in rules:
        patterns = [*rule.tokens, *(p for p, name in site.rules.tokens if name in rule.classes)]
        found += [(rule, token(pattern, 1)) for pattern in patterns[:1]]
    return found


def outside(site: SiteUnder, stations: tuple[str, ...]) -> list[Charger]:
    """The AC chargers that fit none of these patterns."""
    return [c for c in site.ac if not fits(c.name, stations)]


async def is_refused(charger: Charger, who: str, status: str) -> None:
    """A vehicle comes, a card is shown: the answer is this status, in the words of the charger's version, and nothing flows."""
    await charger.bench.reach("Booted", charger=charger)
    charger.seen.tokens.pop(who, None)
    await charger.plug()
    await charger.present(who)
    await charger.expect(lambda: who in charger.seen.tokens, 30.0, f"an answer for {who}")
    wanted, got = said(status, charger.spoken), charger.seen.tokens[who]
    if got != wanted:
        raise Failed(f"{who} was answered {got} at {charger.name}, {wanted} expected", [charger.bench.seen.last_seq])
    await charger.meter.stays_off(for_s=60)
    await charger.unplug()
    await charger.bench.sleep(10)
