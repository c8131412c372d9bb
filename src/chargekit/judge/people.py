"""People at a site, as cases about access and ranks need them: tokens a rule names, and when a rule's window opens or closes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from chargekit.judge.bench import Charger
from chargekit.judge.hours import Hours
from chargekit.judge.premises import SiteUnder, token
from chargekit.judge.verdict import Failed, NotApplicable
from chargekit.policy.access import fits
from chargekit.policy.windows import Moment
from chargekit.wire.tokens import said

PATIENCE_S: Final = 7200.0
"""How long a case waits for a window to open or close, or for anything else that comes with the hour."""


def hours(site: SiteUnder, soonest_s: float = 0.0) -> Hours:
    """The hours a case waits for."""
    lab = site.bench.lab
    return Hours(lab.bundle, lab.site.calendar, lab.world.now, soonest_s, PATIENCE_S)


def when(site: SiteUnder, at: float) -> Moment:
    """A run time on the site's clock."""
    return hours(site).at(at)


def of_class(site: SiteUnder, user_class: str, number: int = 1) -> str:
    """A token of a class that may charge now. NotApplicable where nobody of it can be told by a token."""
    for pattern, name in site.rules.tokens:
        made = token(pattern, number)
        if name == user_class and not site.rules.access.windows_of(made, name) and not site.rules.access.entitlements_of(made, name):
            return made
    raise NotApplicable(f"no token of class {user_class} may charge everywhere at any time here")


def named(book: Any, rules: Iterable[Any]) -> list[tuple[Any, str]]:
    """Each rule of access of a rulebook with a token it binds: one of its patterns', or of its classes'."""
    found = []
    for rule in rules:
        patterns = [*rule.tokens, *(p for p, name in book.tokens if name in rule.classes)]
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
