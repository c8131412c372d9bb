"""Idle sessions: who has finished is asked to make room and then ended; who waits for power is neither."""

from collections.abc import Sequence
from contextlib import suppress

from chargekit.judge import Bench, Charger, Measured, NotApplicable, SiteUnder, case
from chargekit.judge.people import of_class
from chargekit.judge.verdict import Failed
from chargekit.policy.idle import IdleRule

LONGEST_S = 3600.0
FULL_SOC = 99.9


def ruled(site: SiteUnder) -> tuple[IdleRule, str]:
    """The site's rule on idle sessions, with the last release a case waits for, and a class it holds for."""
    rule: IdleRule | None = site.rules.power.idle
    if rule is None or rule.release_s is None or rule.release_s > LONGEST_S:
        raise NotApplicable("no rule of this site ends idle sessions within an hour (power: idle: release:)")
    for name in reversed(rule.classes or tuple(site.rules.classes)):
        with suppress(NotApplicable):
            of_class(site, name)
            return rule, name
    raise NotApplicable("nobody who may charge here at any time is of a class whose idle sessions are ended")


async def full(bench: Bench, site: SiteUnder, who: Sequence[tuple[Charger, str]]) -> float:
    """Vehicles that are all but full come, charge and have done; when the last of them had."""
    for charger, token in who:
        await site.charge(charger, token, soc_percent=FULL_SOC, vehicle="compact-3ph")
        await charger.meter.draws(at_least_a=1.0, within_s=180)
    with bench.resting():
        for charger, _ in who:
            await charger.meter.settles(at_most_a=0.5, within=900)
    return bench.now


@case("CK-IDL-101", scope="site", covers={"idle sessions", "F03.FR.01"}, area="idle", limit_s=14400)
async def test_a_session_that_is_over_is_ended_after_its_release(bench: Bench) -> None:
    """A vehicle that has finished and stays: its session goes on until the release of its class's rule, and is then ended from afar.
    That of a class without such a rule goes on."""
    site = bench.site()
    rule, name = ruled(site)
    assert rule.release_s is not None
    others = [n for n in site.rules.classes if not rule.of(n) and any(c == n for _, c in site.rules.tokens)]
    first, last = site.ac[0], site.ac[-1]
    spared = site.ac[1]
    people = [(first, of_class(site, name, 1)), (last, of_class(site, name, 2))]
    people += [(spared, of_class(site, others[0], 3))] if others else []
    began = bench.now
    done = await full(bench, site, people)
    # Whoever finished first was done at the earliest when it came.
    await bench.rest(max(0.0, rule.release_s - (done - began) - 60.0))
    running = [charger.transaction for charger, _ in people]
    for (charger, token), tx in zip(people, running, strict=True):
        if tx is None:
            raise Failed(f"the session of {token} at {charger.name} was ended before its release", [bench.seen.last_seq])
    for (charger, token), tx in zip(people[:2], running, strict=False):
        left_s = done + rule.release_s + 120.0 - bench.now
        await charger.expect(lambda c=charger: c.transaction is None, left_s, f"the end of {token}'s session")
        assert tx is not None
        if tx.reason != "Remote":
            raise Failed(f"{charger.name} told the reason {tx.reason} for an end ordered from afar", [tx.ended_seq])
        bench.measure(Measured(f"idle time of {token} at its end", bench.now - done, "s", at_most=rule.release_s + 120.0), [tx.ended_seq])
    if others:
        await bench.rest(max(0.0, done + rule.release_s + 300.0 - bench.now))
        if spared.transaction is None:
            raise Failed(f"the session of class {others[0]}, which no rule ends, was ended", [bench.seen.last_seq])


@case("CK-IDL-102", scope="site", covers={"idle notification", "O01"}, area="idle", limit_s=14400)
async def test_who_has_finished_is_asked_to_move(bench: Bench) -> None:
    """At a charger whose protocol has messages for its display, a vehicle that has finished is asked to move once its grace is over."""
    site = bench.site()
    rule, name = ruled(site)
    for charger in site.ac:
        await charger.booted()
    able = [c for c in site.ac if c.seen.shows_messages]
    if not able or not rule.notify:
        raise NotApplicable("no charger of this site shows messages, or nobody is to be told")
    charger = able[-1]
    done = await full(bench, site, [(charger, of_class(site, name))])
    before = len(charger.seen.shown)
    with bench.resting():
        await charger.expect(lambda: len(charger.seen.shown) > before, rule.grace_s + 120.0, "a message that asks to move")
    took_s, grace_s = bench.now - done, rule.grace_s
    took = Measured("time from having finished to being asked", took_s, "s", at_least=grace_s - 60.0, at_most=grace_s + 120.0)
    bench.measure(took, [bench.seen.last_seq])
    if charger.transaction is None:
        raise Failed("the session was ended when its user was asked", [bench.seen.last_seq])


@case("CK-IDL-103", scope="site", covers={"idle sessions", "waiting is not idle"}, area="idle", limit_s=14400)
async def test_who_waits_for_power_is_not_idle(bench: Bench) -> None:
    """A session that gets no current because there is none is not ended, however long it waits, and charges once there is some again."""
    site = bench.site()
    rule, name = ruled(site)
    assert rule.release_s is not None
    arena = site.arena()
    one, two = arena.chargers
    await site.settle([(one, of_class(site, name, 1)), (two, of_class(site, name, 2))])
    full_a = max(one.meter.now_a(), two.meter.now_a())
    bench.check_bound(full_a, 1.0, "a cap")
    await site.set_cap(4.0 + site.rules.margin_a.value, arena.circuit.name)
    for charger in (one, two):
        await charger.meter.settles(at_most_a=0.5, within=60)
    await bench.rest(rule.release_s + 300.0)
    for charger in (one, two):
        if charger.transaction is None:
            raise Failed(f"a session that waited for power at {charger.name} was ended", [bench.seen.last_seq])
    await site.set_cap(site.limit_a(arena.circuit.name), arena.circuit.name)
    for charger in (one, two):
        await charger.meter.draws(at_least_a=full_a * 0.9, within_s=180)
