"""The most energy a day's visits could have got: a linear program that shares no code with the allocator or the plant.

For each visit at most what its battery, its curve and its outlet allow within its stay; for each circuit and phase, in each slot, at most
the rating less the building load. Nobody waits, nothing is kept in reserve, everything is known beforehand: a bound, not a plan.
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
    stored, wh, most, step = vehicle.usable_kwh * soc_percent / 100.0, 0.0, 0.0, 60.0
    amps = min(evse.max_a, vehicle.ac_max_a, vehicle.cable_a)
    for _ in range(int(seconds / step)):
        soc = 100.0 * stored / vehicle.usable_kwh
        if soc >= 100.0:
            break
        if evse.max_kw is not None:
            kw = min(evse.max_kw, vehicle.dc_max_kw, curve(vehicle.dc_curve, soc))
            share = 1.0
        else:
            kw = min(evse.phases, vehicle.ac_phases) * amps * volts / 1000.0 * curve(vehicle.tail, soc)
            share = curve(vehicle.ac_efficiency, amps)
        most, wh = max(most, kw), wh + kw * step / 3.6
        stored += kw * share * step / 3600.0
    return wh / 1000.0, most


def optimum_kwh(site, arrivals, end, building_a):
    """kWh at the outlets over all visits. `building_a(t)`: amperes by circuit and phase."""
    stations = {s.id: s for s in site.stations}
    paths = {name: [c.name for c in site.path(name)] for name in site.circuits}
    slots = math.ceil(end / SLOT_S)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
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
        per_kw = 1000.0 / station.model.voltage_v / phases
        if evse.max_kw is not None:
            per_kw = 1000.0 / NOMINAL_V / 3.0 / max(y for _, y in station.model.efficiency)
        mine = []
        for slot in range(int(one.at // SLOT_S), min(slots, math.ceil(leaves / SLOT_S))):
            share = (min(leaves, (slot + 1) * SLOT_S) - max(one.at, slot * SLOT_S)) / SLOT_S
            if share <= 0.0:
                continue
            solver.addCol(-hours, 0.0, most * share, 0, [], [])
            mine.append(columns)
            for name in paths[station.circuit]:
                for phase in station.rotation[:phases]:
                    used.setdefault((name, phase, slot), []).append((columns, per_kw))
            columns += 1
        solver.addRow(-inf, energy / hours, len(mine), mine, [1.0] * len(mine))
    for (name, phase, slot), parts in used.items():
        room = site.circuits[name].rating_a
        room -= max(0.0, sum(amps[phase] for at, amps in building_a((slot + 0.5) * SLOT_S).items() if name in paths[at]))
        solver.addRow(-inf, max(0.0, room), len(parts), [c for c, _ in parts], [f for _, f in parts])
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return -solver.getInfo().objective_function_value
