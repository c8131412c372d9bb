"""A whole site under judgement: who may charge there, which circuit a contest is held on, and the levers of whoever leads it.

A site case is written once for all sites: it asks here for people of the first and the last class, for vehicles that fit an outlet,
and for a circuit whose own load stands still.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chargekit.judge.bench import DC_VEHICLE, VEHICLE, Charger, Instrument
from chargekit.judge.verdict import Failed, Measured, NotApplicable, Unclear
from chargekit.lab.assemble import CSMS
from chargekit.model.site import Circuit
from chargekit.policy.windows import Moment, moment

if TYPE_CHECKING:
    from chargekit.judge.bench import Bench

EQUAL_A: Final = 16.0
"""What the vehicle of a contest draws on each of three phases."""
BIG: Final = "small-22kw"
BIG_A: Final = 32.0
"""The vehicle that asks an AC outlet for all it has."""
REACTION_S: Final = 30.0
"""How soon after a change of the building's load a circuit has to be within its cap again."""
LENGTHS: Final = 20
NOMINAL_V: Final = 230.0
LEAST_DEMAND_A: Final = 40.0
"""So much must vehicles draw beside the building for a cap to show."""


@dataclass(frozen=True, slots=True)
class Arena:
    """A metered circuit and chargers on it that can be set against each other."""

    circuit: Circuit
    meter: Instrument
    chargers: Sequence[Charger]


class SiteUnder:
    """The site: its chargers, circuits, meters, people and levers."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.chargers = [Charger(bench, name) for name in bench.lab.stations]
        self.grid: Circuit = bench.lab.site.root

    @property
    def rules(self) -> Any:
        return self.bench.lab.bundle.rulebook

    def meter(self, circuit: str) -> Instrument:
        point = next((m for m in self.bench.lab.meters if m.circuit == circuit), None)
        return Instrument(self.bench, point, circuit)

    # --- levers -------------------------------------------------------------------------------------------------

    async def lever(self, verb: str, **args: Any) -> None:
        """Pull a policy lever; NotApplicable where the controller has none."""
        if verb not in self.bench.lab.rig.can:
            raise NotApplicable(f"the controller under test has no lever {verb!r} (a policy adapter would bring it)")
        await self.bench.hand(CSMS, verb, **args)

    async def without_controller(self, for_s: float, *, forget: bool = False) -> None:
        """The controller dies, and is back after a while; with `forget`, without what it had written."""
        if "csms_off" not in self.bench.lab.rig.can:
            raise NotApplicable("nobody can switch off the controller under test (a rig on its supply would)")
        await self.bench.hand(CSMS, "csms_off")
        await self.bench.rest(for_s)
        await self.bench.hand(CSMS, "csms_on", forget=forget)

    async def set_cap(self, limit_a: float, circuit: str | None = None) -> None:
        await self.lever("set_cap", circuit=circuit or self.grid.name, limit_a=limit_a)

    # --- people -------------------------------------------------------------------------------------------------

    def people(self) -> list[str]:
        """A token pattern for each user class that can be told by its tokens and may charge now, highest rank first."""
        patterns: dict[str, str] = {}
        for pattern, name in self.rules.tokens:
            patterns.setdefault(name, pattern)
        default = self.rules.default_class
        if default is not None:
            patterns.setdefault(default, "*")
        when = moment(self.bench.lab.site.calendar, self.bench.now, self.rules.access.holidays)
        order = self.rules.priority.order_at(when).classes
        admitted = [name for name in patterns if self._open(patterns[name], name, when)]
        return [patterns[name] for name in sorted(admitted, key=order.index)]

    def _open(self, pattern: str, user_class: str, when: Moment) -> bool:
        """Whether somebody of a class may charge at this time of day."""
        windows = self.rules.access.windows_of(token(pattern, 1), user_class)
        return not windows or any(one.span.holds(when) for one in windows)

    def first(self, number: int = 1) -> str:
        """A token of the highest class."""
        return token(self.people()[0], number)

    def last(self, number: int = 1) -> str:
        """A token of the lowest class; NotApplicable where there is only one."""
        people = self.people()
        if len(people) < 2:
            raise NotApplicable("the rulebook tells only one class of users by their tokens: nobody stands above anybody")
        return token(people[-1], number)

    def someone(self, number: int) -> str:
        """A token of one class after the other."""
        people = self.people()
        return token(people[number % len(people)], number)

    # --- places -------------------------------------------------------------------------------------------------

    @property
    def ac(self) -> list[Charger]:
        """The AC chargers."""
        return [c for c in self.chargers if not c.dc]

    def below(self, circuit: str) -> list[Charger]:
        names = {s.id for s in self.bench.lab.site.below(circuit)}
        return [c for c in self.chargers if c.name in names]

    def moves(self, circuit: str) -> bool:
        """Whether something beside the chargers hangs on the circuit, so that its load moves by itself."""
        site = self.bench.lab.site
        return any(any(c.name == circuit for c in site.path(b.circuit)) for b in site.buildings)

    def sun_a(self, circuit: str) -> float:
        """What the solar panels below a circuit may give, A per phase."""
        site = self.bench.lab.site
        return sum(b.pv_kwp for b in site.buildings if any(c.name == circuit for c in site.path(b.circuit))) * 1000.0 / (3.0 * NOMINAL_V)

    def limit_a(self, circuit: str) -> float:
        """The lowest limit the rulebook sets on a circuit."""
        return float(min(limit.limit_a for limit in self.rules.limits if limit.circuit == circuit))

    def arena(self, cars: int = 2) -> Arena:
        """A circuit with room for `cars` equal vehicles and no load of its own: the grid connection where it is one, else a feeder."""
        for circuit in self.bench.lab.site.circuits.values():
            equal = [c for c in self.below(circuit.name) if self._fit(c)]
            # All on one feeder: what a cap on the grid takes away must not be a feeder's doing.
            equal = [c for c in equal if c.spec.circuit == equal[0].spec.circuit]
            meter = self.meter(circuit.name)
            still = meter.point is not None and not self.moves(circuit.name)
            if len(equal) >= cars and still and self.limit_a(circuit.name) >= cars * EQUAL_A + 4.0:
                return Arena(circuit, meter, equal[:cars])
        raise NotApplicable(f"no metered circuit of this site has {cars} three-phase AC chargers and no other load")

    def _fit(self, charger: Charger) -> bool:
        return not charger.dc and charger.phases == 3 and charger.max_a >= EQUAL_A and charger.meter.point is not None

    def contested(self) -> tuple[Circuit, list[Charger], float]:
        """A metered circuit whose AC chargers can draw clearly more than its fallbacks together, and may; and that sum, A."""
        site = self.bench.lab.site
        for circuit in site.circuits.values():
            chargers = [c for c in self.below(circuit.name) if not c.dc]
            safe_a = self.rules.fallback_a.value * sum(len(s.model.evses) for s in site.below(circuit.name))
            load_a = sum(b.peak_kw for b in site.buildings if any(c.name == circuit.name for c in site.path(b.circuit))) / 0.69
            could_a = sum(min(c.max_a, BIG_A) * c.phases / 3.0 for c in chargers)
            enough_a = safe_a * 1.2 + 2.0
            if self.meter(circuit.name).point is not None and min(could_a, self.limit_a(circuit.name) - load_a) > enough_a:
                return circuit, chargers, safe_a
        raise NotApplicable("no metered circuit of this site lets its chargers draw clearly more than their fallbacks")

    async def base_a(self) -> float:
        """What the building draws before anybody charges, the highest phase."""
        await self.bench.sleep(30)
        return (await self.meter(self.grid.name).fresh()).most_a

    async def charge(self, charger: Charger, who: str, soc_percent: float = 20.0, vehicle: str = "") -> None:
        """A vehicle that fits the outlet starts to charge."""
        await self.bench.reach("Booted", charger=charger)
        await charger.charging(vehicle or (DC_VEHICLE if charger.dc else BIG), who, soc_percent)

    async def visit(self, charger: Charger, who: str, *, needs_kwh: float, leaves: float) -> None:
        """A vehicle comes and charges whose driver said what it needs and when it is to leave: on record, as a driveway would have it."""
        rule = self.rules.class_of(who)
        await self.bench.reach("Booted", charger=charger)
        now = self.bench.now
        said = {
            "evse": charger.evse, "token": who, "class": rule.name if rule is not None else "", "requested_kwh": needs_kwh,
            "joined": now, "stated": leaves,
        }  # fmt: skip
        self.bench.lab.history.add(now, "rig", charger.name, "arrival", said)
        await self.charge(charger, who)

    async def settle(self, chargers: Sequence[tuple[Charger, str]]) -> None:
        """Equal vehicles start one after the other, each once the last draws what it can."""
        for charger, who in chargers:
            await self.charge(charger, who, vehicle=VEHICLE)
            await self.bench.sleep(45)

    async def demand(self) -> tuple[Instrument, float, float]:
        """Vehicles charge at the first AC chargers, more of them where the building moves: the grid meter, what the building drew before
        they came, and what they draw. Unclear where that is too little for a cap to show on."""
        grid, base_a = self.meter(self.grid.name), await self.base_a()
        for number, charger in enumerate(self.ac[:6] if self.moves(self.grid.name) else self.ac[:4]):
            await self.charge(charger, self.first(number), vehicle=VEHICLE)
        await self.bench.rest(240)
        demand_a = (await grid.fresh()).most_a - base_a
        if demand_a < LEAST_DEMAND_A:
            raise Unclear(f"only {demand_a:.1f} A of demand could be raised: a cap would prove nothing")
        return grid, base_a, demand_a

    async def busy(self, what: str) -> tuple[Circuit, list[Charger], float, float]:
        """Everybody charges on the contested circuit: it, its chargers, the sum of their fallbacks, and what they draw, A. Unclear where
        `what` holds them to their fallbacks and they draw hardly more."""
        circuit, chargers, safe_a = self.contested()
        for number, charger in enumerate(chargers):
            await self.charge(charger, self.someone(number), soc_percent=15)
        await self.bench.sleep(120)
        before_a, _ = await self.flows_a(chargers)
        self.bench.check_bound(before_a, safe_a, what)
        return circuit, chargers, safe_a, before_a

    async def flows_a(self, chargers: Sequence[Charger]) -> tuple[float, list[int]]:
        """What the chargers draw together by their own meters, the highest phase of the site, without standby; and the records."""
        total, records = [0.0, 0.0, 0.0], []
        for charger in chargers:
            if charger.meter.point is None:
                continue
            reading = charger.meter.last()
            records.append(reading.seq)
            for terminal, phase in enumerate(charger.spec.rotation):
                total[phase] += reading.current_a[terminal]
        standby_a = max((c.meter.standby_a for c in chargers), default=0.0) * len(chargers)
        return max(0.0, max(total) - standby_a), records

    async def keeps(self, circuit: str, at_most_a: float, for_s: float) -> None:
        """For a while the circuit is within the cap; where a building moves, it may be over it for REACTION_S at a time."""
        meter = self.meter(circuit)
        if not self.moves(circuit):
            await meter.holds(at_most_a=at_most_a, for_s=for_s)
            return
        await meter.fresh()
        ceiling = at_most_a + 0.3 + meter.uncertainty_a
        since, longest, most = math.inf, 0.0, 0.0

        def broken() -> bool:
            nonlocal since, longest, most
            now, shown = self.bench.now, meter.now_a()
            most = max(most, shown)
            since = min(since, now) if shown > ceiling else math.inf
            longest = max(longest, now - since if since < math.inf else 0.0)
            return longest > REACTION_S

        if await self.bench.seen.until(broken, for_s):
            last = meter.last()
            raise Failed(f"{circuit} showed up to {most:.1f} A for {longest:.0f} s on a limit of {at_most_a:g} A", [last.seq])
        figure = Measured(f"longest time of {circuit} over {at_most_a:g} A (most: {most:.1f} A)", longest, "s", at_most=REACTION_S)
        self.bench.measure(figure, [meter.last().seq])

    async def mean_a(self, circuit: str, for_s: float = 60.0) -> float:
        """The highest phase of a circuit, averaged over a while."""
        meter, shown = self.meter(circuit), []
        for _ in range(max(1, int(for_s // 5))):
            shown.append((await meter.fresh()).most_a)
            await self.bench.sleep(5)
        return sum(shown) / len(shown)


def token(pattern: str, number: int) -> str:
    """A token that matches a pattern of the rulebook, at most 20 characters (1.6 idTag). A pattern without `*` stands for itself."""
    made = pattern.replace("*", f"CK{number}", 1).replace("*", "").replace("?", "0")
    return made[:LENGTHS]
