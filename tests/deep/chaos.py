"""Seeded chaos over a living site, in virtual time: what its circuits bore, what was on record, and how much energy its visitors got.

The fault model, all by the seed: on every link one message in two hundred lost and some late; every station twice a day cut off for up to
half an hour, every other one without power for up to twenty minutes; the controller three times a day dead for up to five minutes, once in
five times without its memory; a circuit's meter twice a day silent or frozen for up to half an hour; the building's load four times a day
up by an eighth of the grid's rating, until its next tick (five minutes at most). Where only the building steps, it does so twelve times
a day, within two hours of an arrival: while the site is busy.
"""

import random
import time
from dataclasses import dataclass, field, replace

from chargekit.controller.allocator import Allocation, Grant
from chargekit.controller.defects import IgnoresCap
from chargekit.emulator.visits import played
from chargekit.emulator.visits_days import DAYS
from chargekit.lab.assemble import CSMS, PLANT, PRESENTS_S, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.policy.windows import moment


class NoTree(IgnoresCap):
    """Gives everybody all they can take: neither caps nor ratings are looked at."""

    name = "gives-everybody-all"

    def _allocate(self, now):
        return Allocation({d.id: Grant(d.id, d.most_a, "demand", "all get all") for d in self._demanded(now)}, {})


SITES = ("depot", "workplace", "destination", "multifamily", "campus")
DAY_S = 86_400.0
TIGHT, SMALLER = "a-third-smaller", 2.0 / 3.0
"""Everyone at once, where every circuit is a third smaller than planned: who ignores limits trips one."""
LOOK_S = 10.0
STEP_SHARE = 0.125
WATCH_S = 240.0
"""How long after a step of the building the site is looked at every second."""


@dataclass
class Ran:
    """One site's day. `worst_as`: by circuit, the most A·s over the rating in one go; `steps`: (A·s, s) over the rating after each step;
    `peak`: by circuit, the highest current seen, as a share of the rating."""

    site: str
    seed: int
    kind: str
    station_minutes: float
    took_s: float = 0.0
    energy_kwh: float = 0.0
    optimum_kwh: float = 0.0
    ordered_kwh: float = 0.0
    worst_as: dict = field(default_factory=dict)
    peak: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    infeasible: int = 0
    trips: list = field(default_factory=list)
    restarts: int = 0
    sessions: int = 0


def smaller(bundle):
    """The site with every circuit a third smaller."""
    site = bundle.site
    circuits = {name: replace(one, rating_a=one.rating_a * SMALLER) for name, one in site.circuits.items()}
    limits = tuple(replace(one, limit_a=min(one.limit_a, circuits[one.circuit].rating_a)) for one in bundle.rulebook.limits)
    return replace(bundle, site=replace(site, circuits=circuits), rulebook=replace(bundle.rulebook, limits=limits))


class Chaos:
    """One run. `kind`: calm (nothing goes wrong), steps (only the building's load), chaos (everything)."""

    def __init__(self, name, seed, kind="chaos", day="weekday", hours=24.0, defects=(), stations=None, optimum=True):
        self.end = hours * 3600.0
        self.bundle = load_site(name, stations)
        if day == TIGHT:
            self.bundle, day = smaller(self.bundle), "everyone-at-once"
        plan = Plan(seed=str(seed), operate=True, keep=False, sample_s=60, grid_every_s=15.0, meter_every_s=1e6, start_spread_s=20.0,
                    defects=defects)  # fmt: skip
        self.lab = build(self.bundle, plan)
        self.site, self.plant, self.world = self.lab.site, self.lab.plant, self.lab.world
        self.rng = random.Random(f"{seed}/{name}/chaos")
        self.ran = Ran(name, seed, kind, len(self.site.stations) * hours * 60.0)
        first = self.site.calendar.local(0.0).date()
        days = 1 + int(self.end // DAY_S)
        self.arrivals = [a for a in played(self.site, self.site.visits, first, days, seed, DAYS[day]).arrivals if a.at < self.end]
        self.begun, self.run_as, self.step_at = {}, {}, []
        self.last = 0.0
        self.lab.history.subscribe(self.noted)
        for one in self.arrivals:
            self.visit(one)
        if kind != "calm":
            self.building_steps()
        if kind == "chaos":
            self.faults()
        if optimum:
            around = self.plant.around
            building = around.building_a if around else lambda t: {}
            self.ran.optimum_kwh, self.ran.ordered_kwh = optimum_of(self.bundle, self.arrivals, self.end, building, self.rank_of)

    def rank_of(self, token, t):
        """A token's place in the rulebook's order at a time; whoever has no class comes last."""
        rules = self.bundle.rulebook
        found = rules.class_of(token)
        order = rules.priority.order_at(moment(self.site.calendar, t, rules.access.holidays)).classes
        return order.index(found.name) if found is not None and found.name in order else len(order)

    # --- what happens -------------------------------------------------------------------------------------------

    def act(self, to, verb, **args):
        self.lab.rig.act(to, verb, args)

    def visit(self, one):
        key = (one.station, one.evse)
        where = {"station": one.station, "evse": one.evse}

        def comes():
            self.begun[key] = self.plant.bays[key].output_wh(self.world.now)
            self.act(PLANT, "plug", **where, vehicle=one.vehicle, soc_percent=one.soc_percent)

        def presents():
            # Who gets no answer tries again, as people do.
            bay = self.plant.bays[key]
            machine = self.world.machines.get(one.station)
            if bay.car is None or not (one.leaves is None or self.world.now < one.leaves):
                return
            if machine is None or machine.outlets[one.evse].tx is None:
                self.act(one.station, "present", token=one.token, evse=one.evse)
                self.world.call(self.world.now + 120.0, presents)

        def leaves():
            self.count(key)
            self.act(PLANT, "unplug", **where)

        self.world.call(one.at, comes)
        self.world.call(one.at + PRESENTS_S, presents)
        if one.leaves is not None and one.leaves < self.end:
            self.world.call(one.leaves, leaves)

    def count(self, key):
        before = self.begun.pop(key, None)
        if before is not None:
            self.ran.energy_kwh += (self.plant.bays[key].output_wh(self.world.now) - before) / 1000.0
            self.ran.sessions += 1

    def times(self, per_day):
        """So many moments a day on average."""
        count = int(per_day * self.end / DAY_S + self.rng.random())
        return sorted(self.rng.random() * self.end for _ in range(count))

    def building_steps(self):
        root, rng = self.site.root, self.rng
        some = self.times(4)
        if self.ran.kind == "steps":
            busy = [one.at for one in self.arrivals if one.at < self.end - 7200.0] or [0.0]
            some = sorted(rng.choice(busy) + rng.uniform(300.0, 7200.0) for _ in range(12))
            some = [at for n, at in enumerate(some) if n == 0 or at - some[n - 1] > 600.0]
        for at in some:
            # Just after a tick of the building's own load, so that the step stands for a while.
            at = at // 300.0 * 300.0 + self.rng.uniform(5.0, 100.0)
            self.step_at.append(at)
            self.world.call(at, lambda: self.step(root))

    def step(self, root):
        now = self.plant.building_a.get(root.name, (0.0, 0.0, 0.0))
        self.act(PLANT, "set_building_a", circuit=root.name, amps=[a + STEP_SHARE * root.rating_a for a in now])

    def faults(self):
        rng, world = self.rng, self.world
        for name, link in self.lab.links.items():
            link.loss, link.delay_s = 0.005, rng.choice([0.0, 0.0, 0.5, 2.0])
            for at in self.times(2):
                world.call(at, link.cut)
                world.call(at + rng.uniform(30, 1800), link.mend)
            for at in self.times(0.5):
                world.call(at, lambda name=name: self.act(name, "power_off"))
                world.call(at + rng.uniform(10, 1200), lambda name=name: self.act(name, "power_on"))
        for at in self.times(3):
            world.call(at, lambda: world.cut(CSMS))
            world.call(at + rng.uniform(5, 300), lambda blank=rng.random() < 0.2: self.back(blank))
        meters = [m.id for m in self.site.meters if m.circuit is not None]
        for at in self.times(2):
            meter, fault = rng.choice(meters), rng.choice(["silent", "frozen"])
            world.call(at, lambda meter=meter, fault=fault: self.act(PLANT, "meter_fault", meter=meter, fault=fault))
            world.call(at + rng.uniform(60, 1800), lambda meter=meter: self.act(PLANT, "meter_fault", meter=meter, fault="none"))

    def back(self, blank):
        if CSMS not in self.world.machines:
            if blank:
                self.world.saved[CSMS].clear()
            self.ran.restarts += 1
            self.world.restore(CSMS)

    # --- what is seen -------------------------------------------------------------------------------------------

    def noted(self, record):
        if record.kind == "breaker" and not record.body["closed"]:
            self.ran.trips.append((record.t, record.subject, record.body["because"]))
        elif record.kind == "infeasible" and "ended" not in record.body:
            self.ran.infeasible += 1

    def look(self):
        now = self.world.now
        passed, self.last = now - self.last, now
        over_all = 0.0
        for name, circuit in self.site.circuits.items():
            amps = max(self.plant.network.branches[name].amps_at(now))
            over = amps - circuit.rating_a
            self.ran.peak[name] = max(self.ran.peak.get(name, 0.0), amps / circuit.rating_a)
            if over > 1e-6:
                self.run_as[name] = self.run_as.get(name, 0.0) + over * passed
                self.ran.worst_as[name] = max(self.ran.worst_as.get(name, 0.0), self.run_as[name])
                over_all = max(over_all, over)
            else:
                self.run_as.pop(name, None)
        return over_all * passed, passed if over_all else 0.0

    def run(self):
        began, world, steps = time.process_time(), self.world, list(self.step_at)
        while world.now < self.end and not (self.ran.trips and self.ran.kind == "bad"):
            until = min(self.end, (int(world.now / LOOK_S + 1e-9) + 1) * LOOK_S)
            if steps and steps[0] <= until:
                self.after_step(steps.pop(0))
                continue
            world.run_until(until)
            self.look()
        for key in list(self.begun):
            self.count(key)
        self.ran.took_s = time.process_time() - began
        self.lab.close()
        return self.ran

    def after_step(self, at):
        """A·s and seconds over the rating until the building's next tick."""
        world, amp_s, seconds = self.world, 0.0, 0.0
        if at < world.now:
            return
        world.run_until(at)
        self.look()
        until = min(self.end, at + WATCH_S, (at // 300.0 + 1) * 300.0 - 0.5)
        while world.now < until:
            world.run_until(min(until, world.now + 1.0))
            a, s = self.look()
            amp_s, seconds = amp_s + a, seconds + s
        self.ran.steps.append((amp_s, seconds))


_OPTIMA: dict = {}


def optimum_of(bundle, arrivals, end, building_a, rank_of):
    from tests.deep.optimum import optimum_kwh, ordered_kwh

    site = bundle.site
    key = (site.id, len(site.stations), site.root.rating_a, end, tuple(arrivals))
    if key not in _OPTIMA:
        _OPTIMA.clear()
        budgets = {(one.circuit, one.current): one.limit_a for one in bundle.rulebook.power.budgets}
        plain = site, arrivals, end, building_a, budgets
        _OPTIMA[key] = optimum_kwh(*plain), ordered_kwh(*plain, rank_of)
    return _OPTIMA[key]
