"""Two equal cars under a cap for one and a half: who comes first shows on both meters. And faults, as cases about responses need them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from chargekit.judge.bench import Bench, Charger
from chargekit.judge.premises import Arena, SiteUnder, token
from chargekit.judge.verdict import NotApplicable
from chargekit.lab.assemble import PLANT

SMALL: Final = "ford-kuga-2020"
MORE_A: Final = 9.0
"""What the cap leaves beside one car: the least of another, and what the first is given more than it draws. Nobody is paused."""
LESS_A: Final = 4.0
SOON_S: Final = 60.0
LATE_S: Final = 240.0
PROVOKED: Final = ("meter_silent", "circuit_lost", "communications_lost")
"""Kinds of incident a bench can bring about."""


@dataclass(frozen=True, slots=True)
class Contest:
    """`upper` and `lower`: the cars of whoever stands above and below; `full_a`: what one draws alone."""

    site: SiteUnder
    arena: Arena
    upper: Charger
    lower: Charger
    full_a: float

    @property
    def rest_s(self) -> float:
        """How long one that was paused waits, by the rules."""
        return float(self.site.rules.holds.off_s)

    async def leads(self, one: Charger, within_s: float = SOON_S, *, rested: bool = False) -> None:
        """One draws all it can, the other what is left. One that was paused may wait as long as the rules say, unless it `rested`."""
        other = self.lower if one is self.upper else self.upper
        if not rested and one.meter.now_a() < 1.0:
            within_s += self.rest_s * max(1, self.site.rules.holds.pauses)
        await one.meter.draws(at_least_a=self.full_a * 0.95, within_s=within_s)
        await other.meter.settles(at_most_a=self.full_a - LESS_A, within=within_s)


async def contest(bench: Bench, upper: str = "", lower: str = "") -> Contest:
    """A cap for one car and `MORE_A`, under which whoever stands above leads. `upper`, `lower`: tokens; the first and the last class's if
    empty."""
    site = bench.site()
    arena = site.arena()
    below, above = arena.chargers
    await site.settle([(above, upper or site.first()), (below, lower or site.last())])
    full_a = above.meter.now_a()
    bench.check_bound(full_a + below.meter.now_a(), full_a + MORE_A, "a cap")
    idle_a = (await arena.meter.fresh()).most_a - full_a - below.meter.now_a()
    await site.set_cap(full_a + MORE_A + max(0.0, idle_a) + site.rules.margin_a.value, arena.circuit.name)
    await below.meter.settles(at_most_a=full_a - LESS_A, within=SOON_S)
    return Contest(site, arena, above, below, full_a)


def manager(site: SiteUnder, category: str = "general") -> str:
    """Somebody who may authorise an override of a category."""
    who = site.rules.overrides[category].who
    return str(who[0]) if who else "site_manager"


async def put_first(site: SiteUnder, ident: str, token: str, for_s: float, **more: Any) -> None:
    """An override for a token, by somebody who may; `more` over that."""
    args = {"until": site.bench.now + for_s, "who": manager(site), "why": "has to leave for the airport", **more}
    await site.lever("create_override", id=ident, token=token, **args)


def somebody(site: SiteUnder, classes: Collection[str], *, among: bool) -> str:
    """A token of one of these classes, or (`among` False) of another. NotApplicable where nobody is."""
    for pattern in site.people():
        rule = site.rules.class_of(token(pattern, 1))
        if rule is not None and (rule.name in classes) is among:
            return token(pattern, 1)
    raise NotApplicable(f"everybody who may charge now is {'none' if among else 'one'} of {', '.join(classes)}")


# --- faults ------------------------------------------------------------------------------------------------------


def response(site: SiteUnder, how: str) -> Any:
    """A fault this site answers so, of those a bench can bring about. NotApplicable where there is none."""
    if "set_cap" not in site.bench.lab.rig.can:
        raise NotApplicable("the controller under test knows nothing of this rulebook (a policy adapter would tell it)")
    rules = site.rules.incidents
    found = [(kind, rules.response_to(kind)) for kind in PROVOKED]
    for kind, one in found:
        if one is not None and one.how == how:
            return kind, one
    raise NotApplicable(f"no fault a bench can bring about is answered by {how} at this site")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault ready to be brought about: what begins it, and what ends it."""

    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]


async def prepare(contested: Arena, site: SiteUnder, kind: str, answer: Any) -> Fault:
    """A fault of a kind that is answered on the contest's circuit. Where capacity is lost with silent stations, some charge from now on."""
    bench, circuit = site.bench, contested.chargers[0].spec.circuit
    if kind == "meter_silent":
        meter = contested.meter.id
        return Fault(
            lambda: bench.hand(PLANT, "meter_fault", meter=meter, fault="silent"),
            lambda: bench.hand(PLANT, "meter_fault", meter=meter, fault="none"),
        )
    if kind == "circuit_lost":
        beside = _beside(site, circuit)
        return Fault(
            lambda: bench.hand(PLANT, "open_breaker", circuit=beside),
            lambda: bench.hand(PLANT, "close_breaker", circuit=beside),
        )
    mine = {one.name for one in contested.chargers}
    silent = [c for c in site.chargers if not c.dc and c.spec.circuit == circuit and c.name not in mine][: answer.subjects]
    if len(silent) < answer.subjects:
        raise NotApplicable(f"{answer.subjects} more chargers on {circuit} are needed to lose their links")
    for number, charger in enumerate(silent):
        await site.charge(charger, site.first(7 + number), vehicle=SMALL)
        await charger.meter.draws(at_least_a=5, within_s=180)
    # Until what they can use is known, they may be given more, and who was paused for it waits.
    await bench.rest(150 + len(silent) * site.rules.holds.off_s)

    async def each(hand: Callable[[Charger], Awaitable[None]]) -> None:
        for charger in silent:
            await hand(charger)

    return Fault(lambda: each(Charger.cut_link), lambda: each(Charger.mend_link))


def _beside(site: SiteUnder, circuit: str) -> str:
    """A circuit under the same parent, with stations and a meter of its own."""
    circuits = site.bench.lab.site.circuits
    parent = circuits[circuit].parent
    for one in circuits.values():
        if one.parent == parent and one.name != circuit and site.meter(one.name).point is not None and site.below(one.name):
            return one.name
    raise NotApplicable(f"no metered circuit with stations beside {circuit} can be lost")


def ours(bench: Bench) -> None:
    """NotApplicable unless the controller's own records can be seen."""
    if bench.lab.controller is None or "create_override" not in bench.lab.rig.can:
        raise NotApplicable("the controller under test keeps its incidents to itself (a policy adapter would tell them)")
