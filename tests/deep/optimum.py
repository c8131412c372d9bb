"""The most energy a day's visits could have got: a linear program that shares no code with the allocator or the plant.

For each visit at most what its battery, its curve and its outlet allow within its stay; for each circuit and phase, in each slot, at most
the rating less the building load; for each budget of the rulebook, what it gives one kind of current. Nobody waits, nothing is kept in
reserve, everything is known beforehand: a bound, not a plan.

That optimum lets a visitor who leaves soon go before staff who stay, whatever the rulebook says. `ordered_kwh` is what can be had in the
rulebook's order, kept at every moment and without knowing who leaves when: nothing is lost on the way there, either.
"""

import itertools
import math

import highspy

SLOT_S = 600.0
NOMINAL_V = 230.0


def curve(points, x):
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * max(0.0, x - x0) / (x1 - x0)
    return points[-1][1]


def alone_kwh(vehicle, evse, volts, soc_percent, seconds):
    """What a vehicle takes at an outlet by itself in so many seconds, kWh at the outlet, and the most power, kW."""
    visit, wh, most, step = Visit(vehicle, evse, volts, soc_percent), 0.0, 0.0, 60.0
    for _ in range(int(seconds / step)):
        kw = visit.kw
        if kw <= 0.0:
            break
        most, wh = max(most, kw), wh + kw * step / 3.6
        visit.takes(kw, step)
    return wh / 1000.0, most


class Visit:
    """A vehicle at an outlet: what it would take now, and how that changes as it fills."""

    def __init__(self, vehicle, evse, volts, soc_percent):
        self.vehicle, self.evse = vehicle, evse
        self.stored = vehicle.usable_kwh * soc_percent / 100.0
        self.amps = min(evse.max_a, vehicle.ac_max_a, vehicle.cable_a)
        self.phases = 3 if evse.max_kw is not None else min(evse.phases, vehicle.ac_phases)
        self.full_kw = self.phases * self.amps * volts / 1000.0

    @property
    def kw(self):
        soc = 100.0 * self.stored / self.vehicle.usable_kwh
        if soc >= 100.0:
            return 0.0
        if self.evse.max_kw is not None:
            return min(self.evse.max_kw, self.vehicle.dc_max_kw, curve(self.vehicle.dc_curve, soc))
        return self.full_kw * curve(self.vehicle.tail, soc)

    def takes(self, kw, seconds):
        share = 1.0 if self.evse.max_kw is not None else curve(self.vehicle.ac_efficiency, self.amps * kw / self.full_kw)
        self.stored += kw * share * seconds / 3600.0


def amps_per_kw(site, station, evse, phases):
    """On each phase it uses, at the grid side."""
    if evse.max_kw is not None:
        return 1000.0 / NOMINAL_V / 3.0 / max(y for _, y in station.model.efficiency)
    return 1000.0 / station.model.voltage_v / phases


def rows_of(site, paths, budgets, station, evse, phases):
    """What bounds an outlet, by phase: its circuits, by name, and the budgets of its kind of current, by circuit and kind."""
    kind = "dc" if evse.max_kw is not None else "ac"
    bounds = [*paths[station.circuit], *(key for key in budgets if key[0] in paths[station.circuit] and key[1] == kind)]
    return [(bound, phase) for bound in bounds for phase in station.rotation[:phases]]


def optimum_kwh(site, arrivals, end, building_a, budgets):
    """kWh at the outlets over all visits. `building_a(t)`: amperes by circuit and phase; `budgets`: A per phase by circuit and current."""
    stations = {s.id: s for s in site.stations}
    paths = {name: [c.name for c in site.path(name)] for name in site.circuits}
    slots = math.ceil(end / SLOT_S)
    solver = quiet()
    used = {}
    inf = highspy.kHighsInf
    hours, columns = SLOT_S / 3600.0, 0
    for one in arrivals:
        station = stations[one.station]
        evse, vehicle = station.evse(one.evse), site.vehicles[one.vehicle]
        leaves = min(one.leaves if one.leaves is not None else end, end)
        if one.at >= leaves:
            continue
        energy, most = alone_kwh(vehicle, evse, station.model.voltage_v, one.soc_percent, leaves - one.at)
        phases = 3 if evse.max_kw is not None else min(evse.phases, vehicle.ac_phases)
        per_kw = amps_per_kw(site, station, evse, phases)
        mine, rows = [], rows_of(site, paths, budgets, station, evse, phases)
        for slot in range(int(one.at // SLOT_S), min(slots, math.ceil(leaves / SLOT_S))):
            share = (min(leaves, (slot + 1) * SLOT_S) - max(one.at, slot * SLOT_S)) / SLOT_S
            if share <= 0.0:
                continue
            solver.addCol(-hours, 0.0, most * share, 0, [], [])
            mine.append(columns)
            for bound, phase in rows:
                used.setdefault((bound, phase, slot), []).append((columns, per_kw))
            columns += 1
        solver.addRow(-inf, energy / hours, len(mine), mine, [1.0] * len(mine))
    for (bound, phase, slot), parts in used.items():
        room = budgets[bound] if bound in budgets else room_a(site, paths, building_a((slot + 0.5) * SLOT_S), bound, phase)
        solver.addRow(-inf, room, len(parts), [c for c, _ in parts], [f for _, f in parts])
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return -solver.getInfo().objective_function_value


def room_a(site, paths, building, name, phase):
    """What the building leaves of a circuit."""
    return max(0.0, site.circuits[name].rating_a - max(0.0, sum(amps[phase] for at, amps in building.items() if name in paths[at])))


def quiet():
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    return solver


def ordered_kwh(site, arrivals, end, building_a, budgets, rank_of):
    """kWh at the outlets over all visits, minute by minute, rank by rank. `rank_of(token, t)`: 0 first."""
    paths = {name: [c.name for c in site.path(name)] for name in site.circuits}
    stations = {s.id: s for s in site.stations}
    coming = sorted((one for one in arrivals), key=lambda one: one.at)
    here, done, step = [], 0.0, 60.0
    for minute in range(int(end / step)):
        t = minute * step
        if minute % 5 == 0:
            building = building_a(t + 150.0)
            rooms = {(name, phase): room_a(site, paths, building, name, phase) for name in site.circuits for phase in range(3)}
            rooms |= {(key, phase): limit_a for key, limit_a in budgets.items() for phase in range(3)}
        while coming and coming[0].at <= t:
            one = coming.pop(0)
            station = stations[one.station]
            visit = Visit(site.vehicles[one.vehicle], station.evse(one.evse), station.model.voltage_v, one.soc_percent)
            rows = rows_of(site, paths, budgets, station, visit.evse, visit.phases)
            here.append((one, visit, rows, amps_per_kw(site, station, visit.evse, visit.phases)))
        here = [x for x in here if (x[0].leaves is None or x[0].leaves > t) and x[1].kw > 0.0]
        ranks = {}
        for x in here:
            ranks.setdefault(rank_of(x[0].token, t), []).append(x)
        left = dict(rooms)
        for _, some in sorted(ranks.items(), key=lambda item: item[0]):
            for (_, visit, rows, per_kw), kw in zip(some, served(some, left), strict=True):
                for row in rows:
                    left[row] -= kw * per_kw
                done += kw * step / 3600.0
                visit.takes(kw, step)
    return done


def served(some, left):
    """The most power those of one rank can have of what is left, kW each."""
    used = {}
    for n, (_, _, rows, per_kw) in enumerate(some):
        for row in rows:
            used.setdefault(row, []).append((n, per_kw))
    most = [visit.kw for _, visit, _, _ in some]
    tight = {row: parts for row, parts in used.items() if sum(most[n] * f for n, f in parts) > left[row]}
    if not tight:
        return most
    solver = quiet()
    for kw in most:
        solver.addCol(-1.0, 0.0, kw, 0, [], [])
    for row, parts in tight.items():
        solver.addRow(-highspy.kHighsInf, max(0.0, left[row]), len(parts), [n for n, _ in parts], [f for _, f in parts])
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return [min(kw, max(0.0, x)) for kw, x in zip(most, solver.getSolution().col_value, strict=True)]
