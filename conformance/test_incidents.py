"""Incidents: each is opened once, told to whoever is to know, and closed. Judged by what the controller notes, beside wire and meters."""

from collections.abc import Callable
from typing import Any

from chargekit.judge import Bench, Failed, Measured, NotApplicable, case
from chargekit.judge.contest import ours

FLAPS = 5


def noted(bench: Bench, kind: str, subject: str, since: float) -> list[Any]:
    """What the controller noted of a subject."""
    return [one for one in bench.seen.noted[kind] if one.subject == subject and one.t >= since]


async def comes(bench: Bench, find: Callable[[], list[Any]], within_s: float, what: str) -> Any:
    if not await bench.seen.until(lambda: bool(find()), within_s):
        raise Failed(f"{what} was not noted within {within_s:g} s", [bench.seen.last_seq])
    return find()[0]


@case(
    "CK-INC-101",
    scope="site",
    covers={"incident life-cycle", "incidents.categories", "lost communications"},
    area="incidents",
    limit_s=14400,
)
async def test_an_incident_is_opened_and_closed(bench: Bench) -> None:
    """A station's link is cut: an incident of the category the rules give it is opened within a minute; once the link is back it is closed,
    and says how long it was open."""
    ours(bench)
    site = bench.site()
    charger = await bench.reach("Booted", charger=site.chargers[0])
    category = site.rules.incidents.category_of("communications_lost")
    since = bench.now
    await charger.cut_link()
    opened = await comes(bench, lambda: noted(bench, "incident", charger.name, since), 60, f"an incident of {charger.name}")
    bench.measure(Measured("time until the incident was opened", opened.t - since, "s", at_most=60), [opened.seq])
    said = {name: opened.body.get(name) for name in ("kind", "category", "severity")}
    expected = {"kind": "communications_lost", "category": category.name, "severity": category.severity}
    if said != expected:
        raise Failed(f"the incident of {charger.name} says {said}, {expected} expected", [opened.seq])
    await bench.sleep(60)
    await charger.mend_link()
    await charger.expect(lambda: charger.seen.online, 300, "a reconnection")
    back = bench.now
    over = [one for one in noted(bench, "incident", charger.name, since) if one.body.get("ended")]
    over = over or [
        await comes(
            bench, lambda: [one for one in noted(bench, "incident", charger.name, since) if one.body.get("ended")], 60,
            f"the end of the incident of {charger.name}",
        )
    ]  # fmt: skip
    if over[0].body["id"] != opened.body["id"]:
        raise Failed(f"another incident was closed than opened: {over[0].body['id']}, {opened.body['id']}", [over[0].seq])
    bench.measure(Measured("time until the incident was closed", over[0].t - back, "s", at_most=60), [over[0].seq])
    lasted = Measured("duration told less duration seen", over[0].body["for_s"] - (over[0].t - opened.t), "s", at_most=1, at_least=-1)
    bench.measure(lasted, [opened.seq, over[0].seq])


@case("CK-INC-102", scope="site", covers={"escalation", "incidents.categories"}, area="incidents", limit_s=14400)
async def test_an_incident_that_lasts_is_escalated(bench: Bench) -> None:
    """An incident that lasts is told to whom the rules name, after as long as they say and not before; once closed it is told to nobody."""
    ours(bench)
    site = bench.site()
    steps = site.rules.incidents.category_of("communications_lost").steps
    if not steps or steps[0].after_s > 1800:
        raise NotApplicable("nobody is told of a lost link within half an hour at this site")
    charger = await bench.reach("Booted", charger=site.chargers[0])
    since = bench.now
    await charger.cut_link()
    opened = await comes(bench, lambda: noted(bench, "incident", charger.name, since), 60, f"an incident of {charger.name}")
    told = await comes(
        bench, lambda: noted(bench, "escalation", charger.name, since), steps[0].after_s + 60, f"whom {charger.name} is told to"
    )
    after = Measured(
        "time from the incident to its escalation", told.t - opened.t, "s", at_least=steps[0].after_s - 1, at_most=steps[0].after_s + 30
    )
    bench.measure(after, [opened.seq, told.seq])
    if (told.body.get("to"), told.body.get("id")) != (steps[0].to, opened.body["id"]):
        raise Failed(f"{told.body.get('to')} was told of {told.body.get('id')}, {steps[0].to} of {opened.body['id']} expected", [told.seq])
    await charger.mend_link()
    await charger.expect(lambda: charger.seen.online, 300, "a reconnection")
    await bench.sleep(30)
    count = len(noted(bench, "escalation", charger.name, since))
    await bench.sleep(120)
    more = noted(bench, "escalation", charger.name, since)[count:]
    bench.measure(Measured("escalations of a closed incident", len(more), "records", at_most=0), [one.seq for one in more])


@case("CK-INC-103", scope="site", covers={"incident life-cycle", "no spam", "lost communications"}, area="incidents", limit_s=14400)
async def test_what_comes_and_goes_is_one_incident(bench: Bench) -> None:
    """A link that fails again and again within minutes is one incident, not one each time."""
    ours(bench)
    site = bench.site()
    charger = await bench.reach("Booted", charger=site.chargers[0])
    since = bench.now
    for _ in range(FLAPS):
        await charger.cut_link()
        await bench.sleep(30)
        await charger.mend_link()
        await charger.expect(lambda: charger.seen.online, 280, "a reconnection")
        await bench.sleep(5)
    records = noted(bench, "incident", charger.name, since)
    if not records:
        raise Failed(f"no incident of {charger.name} was noted", [bench.seen.last_seq])
    opened = dict.fromkeys(one.body["id"] for one in records)
    bench.measure(Measured(f"incidents of {FLAPS} failures of one link", len(opened), "incidents", at_most=1), [one.seq for one in records])
