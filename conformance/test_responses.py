"""Lost capacity: what was decided beforehand is what happens, on the meters, and it is over with the fault."""

from chargekit.judge import Bench, Measured, Unclear, case
from chargekit.judge.contest import LATE_S, LESS_A, MORE_A, contest, prepare, put_first, response, somebody


@case("CK-RSP-101", scope="site", covers={"capacity loss", "protect_critical", "incidents.responses"}, area="responses", limit_s=14400)
async def test_critical_sessions_are_protected_when_capacity_is_lost(bench: Bench) -> None:
    """A critical session stands behind one that somebody put first. With the fault the critical one has all it can draw and the other what
    is left; once the fault is over it is as it was."""
    site = bench.site()
    kind, answer = response(site, "protect_critical")
    critical, other = somebody(site, answer.critical, among=True), somebody(site, answer.critical, among=False)
    held = await contest(bench, critical, other)
    await put_first(site, "rsp-1", other, 3600)
    await held.leads(held.lower)
    fault = await prepare(held.arena, site, kind, answer)
    await fault.begin()
    await held.leads(held.upper, within_s=LATE_S + answer.after_s)
    await held.lower.meter.holds(at_most_a=held.full_a - LESS_A, for_s=60)
    await fault.end()
    await held.leads(held.lower, within_s=LATE_S)


@case("CK-RSP-102", scope="site", covers={"capacity loss", "reduce_evenly", "incidents.responses"}, area="responses", limit_s=14400)
async def test_all_share_evenly_when_capacity_is_lost(bench: Bench) -> None:
    """Two equal cars, the first class above the last under a cap for one and a half. With the fault both draw the same; once it is over the
    first class leads again."""
    site = bench.site()
    kind, answer = response(site, "reduce_evenly")
    held = await contest(bench)
    await held.leads(held.upper)
    fault = await prepare(held.arena, site, kind, answer)
    await fault.begin()
    share_a = (held.full_a + MORE_A) / 2
    await held.upper.meter.settles(at_most_a=share_a + 1.5, within=LATE_S + answer.after_s)
    await held.lower.meter.draws(at_least_a=share_a - 1.5, within_s=LATE_S)
    apart_a = abs((await held.upper.meter.fresh()).most_a - (await held.lower.meter.fresh()).most_a)
    records = [held.upper.meter.last().seq, held.lower.meter.last().seq]
    bench.measure(Measured("current of the first class less that of the last", apart_a, "A", at_most=1.5, uncertainty=0.3), records)
    await fault.end()
    await held.leads(held.upper, within_s=LATE_S)


@case("CK-RSP-103", scope="site", covers={"capacity loss", "suspend_lower", "incidents.responses"}, area="responses", limit_s=14400)
async def test_lower_classes_are_suspended_when_capacity_is_lost(bench: Bench) -> None:
    """Two cars charge. With the fault the one of a suspended class gets what is kept for it, or nothing, and the other goes on; once the
    fault is over both charge again, without a hand."""
    site = bench.site()
    kind, answer = response(site, "suspend_lower")
    arena = site.arena()
    lower, upper = arena.chargers
    low, high = somebody(site, answer.suspend, among=True), somebody(site, answer.suspend, among=False)
    await site.settle([(upper, high), (lower, low)])
    fault = await prepare(arena, site, kind, answer)
    before_a = (await lower.meter.fresh()).most_a
    if before_a < answer.keep_a + 5:
        raise Unclear(f"only {before_a:.1f} A flowed before anybody was suspended")
    await fault.begin()
    await lower.meter.settles(at_most_a=answer.keep_a, within=LATE_S + answer.after_s)
    await lower.meter.holds(at_most_a=answer.keep_a, for_s=90)
    await upper.meter.draws(at_least_a=6, within_s=30)
    await fault.end()
    rest_s = site.rules.holds.off_s * max(1, site.rules.holds.pauses)
    await lower.meter.draws(at_least_a=5, within_s=LATE_S + rest_s)
