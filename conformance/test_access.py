"""Access: who may charge, where, when and in which state of the site. Judged by the answer to the card, and by the current."""

from chargekit.judge import Bench, NotApplicable, case
from chargekit.judge.hours import Hours, shortly_before
from chargekit.judge.people import hours, is_refused, named, of_class, outside
from chargekit.policy.access import AccessWindow, fits

LEAD_S = 300.0


def closing(ahead: Hours) -> tuple[AccessWindow, str, float]:
    """A window that is open and soon closes, a token it binds, and when it closes."""
    for window, who in named(ahead.rules, ahead.rules.access.windows):
        at = ahead.changes([window.span], lambda before, after, span=window.span: span.holds(before) and not span.holds(after))
        if at is not None and window.span.holds(ahead.at(at - ahead.soonest_s)):
            return window, who, at
    raise NotApplicable("no access window of this site closes within the time a case waits")


@case(
    "CK-ACC-101", scope="site", covers={"access windows", "C01.FR.02", "1.6 4.1"}, area="access", limit_s=14400,
    starts=shortly_before(lambda ahead: closing(ahead)[2], LEAD_S),
)  # fmt: skip
async def test_a_token_is_refused_once_its_window_has_closed(bench: Bench) -> None:
    """Inside its window a token charges. Once the window is over it is refused (NotAtThisTime where the version has the word) and gets no
    current at another charger, while the session that runs goes on and its user can end it."""
    site = bench.site()
    _, who, closes = closing(hours(site, LEAD_S - 60.0))
    first, *others = [c for c in site.ac if c.meter.point is not None]
    await site.charge(first, who, vehicle="compact-3ph")
    await first.meter.draws(at_least_a=5, within_s=120)
    await bench.sleep(max(0.0, closes - bench.now) + 5)
    for charger in {others[0].name: others[0], others[-1].name: others[-1]}.values():
        await is_refused(charger, who, "NotAtThisTime")
    await first.meter.draws(at_least_a=5, within_s=10)
    await first.present(who)
    await first.expect(lambda: first.transaction is None, 60, "the end its user asked for after the window")


@case("CK-ACC-102", scope="site", covers={"entitlements", "C01.FR.02", "NotAtThisLocation"}, area="access", limit_s=14400)
async def test_a_token_charges_where_it_is_entitled_to_and_nowhere_else(bench: Bench) -> None:
    """At a station its entitlement does not name a token is refused (NotAtThisLocation where the version has the word); at one it names
    it charges."""
    site = bench.site()
    bound = [(who, rule.stations) for rule, who in named(site.rules, site.rules.access.entitlements) if outside(site, rule.stations)]
    if not bound:
        raise NotApplicable("no rule of this site binds anybody to some of its AC stations")
    who, stations = bound[0]
    inside, elsewhere = [c for c in site.ac if fits(c.name, stations)], outside(site, stations)
    for charger in {elsewhere[0].name: elsewhere[0], elsewhere[-1].name: elsewhere[-1]}.values():
        await is_refused(charger, who, "NotAtThisLocation")
    await site.charge(inside[0], who)
    await inside[0].meter.draws(at_least_a=5, within_s=120)


@case("CK-ACC-103", scope="site", covers={"blocked tokens", "C01.FR.02", "1.6 4.1"}, area="access", limit_s=14400)
async def test_a_blocked_token_is_refused_and_its_peers_are_not(bench: Bench) -> None:
    """A blocked token is answered Blocked and gets nothing, though its class may charge; another token of that class charges."""
    site = bench.site()
    if not site.rules.access.blocked:
        raise NotApplicable("no token is blocked at this site")
    who = site.rules.access.blocked[0][0].replace("*", "1")
    rule = site.rules.class_of(who)
    chargers = site.ac
    for charger in {chargers[0].name: chargers[0], chargers[-1].name: chargers[-1]}.values():
        await is_refused(charger, who, "Blocked")
    await site.charge(chargers[0], of_class(site, rule.name))
    await chargers[0].meter.draws(at_least_a=5, within_s=120)


@case("CK-ACC-104", scope="site", covers={"guest restriction", "incident"}, area="access", limit_s=14400)
async def test_guests_are_kept_out_while_an_incident_is_open(bench: Bench) -> None:
    """While the grid meter is silent no guest is admitted (NotAtThisTime where the version has the word); others are, and guests again
    once the meter is back."""
    site = bench.site()
    guests = site.rules.access.guests
    if guests is None or not guests.restricted or not guests.on_incident:
        raise NotApplicable("no class is kept out of this site by an incident")
    guest = of_class(site, guests.classes[0])
    other = next((n for n in site.rules.classes if n not in guests.classes and any(c == n for _, c in site.rules.tokens)), None)
    if other is None:
        raise NotApplicable("everybody at this site is a guest")
    first, last = site.ac[0], site.ac[-1]
    await bench.reach("Booted", charger=first)
    await bench.reach("Booted", charger=last)
    await bench.hand("plant", "meter_fault", meter=site.meter(site.grid.name).id, fault="silent")
    await bench.sleep(60)
    for charger in (first, last):
        await is_refused(charger, guest, "NotAtThisTime")
    await site.charge(last, of_class(site, other))
    await last.meter.draws(at_least_a=1, within_s=120)
    await bench.hand("plant", "meter_fault", meter=site.meter(site.grid.name).id, fault="none")
    await bench.sleep(90)
    await site.charge(first, guest)
    await first.meter.draws(at_least_a=5, within_s=180)


@case("CK-ACC-105", scope="site", covers={"strangers", "C01.FR.02", "1.6 4.1"}, area="access", limit_s=14400)
async def test_a_stranger_is_refused(bench: Bench) -> None:
    """Where no class takes in strangers, a token no rule knows is answered Invalid and gets nothing."""
    site = bench.site()
    if site.rules.default_class is not None or site.rules.class_of("CK-STRANGER") is not None:
        raise NotApplicable("this site takes in strangers")
    for charger in (site.ac[0], site.ac[-1]):
        await is_refused(charger, "CK-STRANGER", "Invalid")
