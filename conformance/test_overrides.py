"""Overrides: they lead, and they end; who may not give one gives none."""

from chargekit.judge import Bench, NotApplicable, case
from chargekit.judge.contest import LESS_A, contest, manager, prepare, put_first, response, somebody


@case("CK-OVR-101", scope="site", covers={"override expiry"}, area="overrides", limit_s=14400)
async def test_an_override_leads_and_ends_on_time(bench: Bench) -> None:
    """An override puts the lowest class before the highest until its expiry; then the lower layer leads again, on both meters."""
    held = await contest(bench)
    until = bench.now + held.rest_s + 120
    await put_first(held.site, "ovr-1", held.lower.token, until - bench.now)
    await held.leads(held.lower)
    await bench.sleep(max(0.0, until - bench.now))
    await held.lower.meter.settles(at_most_a=held.full_a - LESS_A, within=60)
    await held.leads(held.upper, rested=True)
    await held.lower.meter.holds(at_most_a=held.full_a - LESS_A, for_s=120)


@case("CK-OVR-102", scope="site", covers={"override revocation", "incidents.overrides"}, area="overrides", limit_s=14400)
async def test_a_revoked_override_leads_no_more(bench: Bench) -> None:
    """An override that is revoked long before its expiry leads no more: the lower layer is back at once, on both meters, and stays."""
    held = await contest(bench)
    await put_first(held.site, "ovr-r", held.lower.token, 1800)
    await held.leads(held.lower)
    await bench.sleep(held.rest_s)
    await held.site.lever("revoke_override", id="ovr-r", who=manager(held.site), why="the flight was cancelled")
    await held.leads(held.upper, rested=True)
    await held.lower.meter.holds(at_most_a=held.full_a - LESS_A, for_s=120)


@case("CK-OVR-103", scope="site", covers={"override bound", "incidents.overrides", "max_duration"}, area="overrides", limit_s=14400)
async def test_an_override_beyond_its_bound_is_refused(bench: Bench) -> None:
    """An override asked for beyond the longest its category may last does not lead at all."""
    held = await contest(bench)
    most_s = held.site.rules.override_rule.max_duration_s
    await put_first(held.site, "ovr-l", held.lower.token, most_s + 3600)
    await held.lower.meter.holds(at_most_a=held.full_a - LESS_A, for_s=120)
    await held.leads(held.upper)


@case("CK-OVR-104", scope="site", covers={"override role", "incidents.overrides", "may_authorise"}, area="overrides", limit_s=14400)
async def test_an_override_by_somebody_else_is_refused(bench: Bench) -> None:
    """An override by somebody without a role that may authorise it does not lead; nor can somebody without one revoke another's."""
    held = await contest(bench)
    if not held.site.rules.override_rule.who:
        raise NotApplicable("anybody may authorise an override at this site")
    await put_first(held.site, "ovr-w", held.lower.token, 600, who="passer-by")
    await held.lower.meter.holds(at_most_a=held.full_a - LESS_A, for_s=60)
    await put_first(held.site, "ovr-g", held.lower.token, 1800)
    await held.leads(held.lower)
    await bench.sleep(held.rest_s)
    await held.site.lever("revoke_override", id="ovr-g", who="passer-by", why="I want to charge")
    await held.upper.meter.holds(at_most_a=held.full_a - LESS_A, for_s=60)


@case("CK-OVR-105", scope="site", covers={"override expiry", "controller restart"}, area="overrides", limit_s=14400)
async def test_an_override_that_ends_while_the_controller_is_away_is_over(bench: Bench) -> None:
    """The controller loses its power while an override leads, and is back after its expiry: the lower layer leads, on both meters."""
    held = await contest(bench)
    lasts_s = held.rest_s + 240
    until = bench.now + lasts_s
    await put_first(held.site, "ovr-d", held.lower.token, lasts_s)
    await held.leads(held.lower)
    await held.site.without_controller(120)
    await bench.sleep(max(0.0, until - bench.now))
    await held.leads(held.upper, rested=True)
    await held.lower.meter.holds(at_most_a=held.full_a - LESS_A, for_s=120)


@case("CK-OVR-106", scope="site", covers={"emergency session", "incidents.overrides", "holds"}, area="overrides", limit_s=14400)
async def test_an_emergency_leads_on_while_capacity_is_lost(bench: Bench) -> None:
    """Where capacity is lost and critical sessions are protected, an override of a category that holds still leads, until its expiry."""
    site = bench.site()
    kind, answer = response(site, "protect_critical")
    rules = [one for one in site.rules.overrides.values() if one.holds and "token" in one.scope]
    if not rules:
        raise NotApplicable("no category of overrides holds at this site while capacity is lost")
    critical, other = (somebody(site, answer.critical, among=among) for among in (True, False))
    held = await contest(bench, critical, other)
    lasts_s = min(held.rest_s + 480.0, rules[0].max_duration_s)
    until = bench.now + lasts_s
    await put_first(site, "ovr-e", held.lower.token, lasts_s, who=manager(site, rules[0].name), category=rules[0].name, why="an ambulance")
    await held.leads(held.lower)
    await bench.sleep(held.rest_s)
    await (await prepare(held.arena, site, kind, answer)).begin()
    await bench.sleep(site.rules.meter_stale_s.value + answer.after_s + 60)
    await held.upper.meter.holds(at_most_a=held.full_a - LESS_A, for_s=120)
    await held.leads(held.lower)
    await bench.sleep(max(0.0, until - bench.now))
    await held.leads(held.upper, rested=True)
