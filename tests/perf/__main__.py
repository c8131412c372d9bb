"""`make perf`: how fast a fleet with the full OCPP path runs in virtual time. A benchmark, never a test: compare ratios in one run."""

from __future__ import annotations

import gc
import math
import sys
import time

from tests.emulator.kit import AC, DC, Kit
from tests.perf import allocator, calls, capdrop, planner
from tests.perf.fleet import charge_everybody, fleet_of

from chargekit.lab.sitefile import catalogue_vehicles
from chargekit.model.site import Circuit
from chargekit.wire import schemas
from chargekit.world.events import Load

SAMPLE = {
    "connectorId": 1,
    "transactionId": 7,
    "meterValue": [
        {
            "timestamp": "2026-03-02T07:00:00.000Z",
            "sampledValue": [{"value": "16.0", "measurand": "Current.Import", "phase": p, "unit": "A"} for p in ("L1", "L2", "L3")],
        }
    ],
}


def fleet(count: int, hours: float) -> float:
    """Run `count` stations for `hours`; the real-time factor."""
    lab = fleet_of(count)
    charge_everybody(lab)
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    lab.world.run_until(hours * 3600.0)
    took = time.perf_counter() - began
    calls = lab.calls
    factor = hours * 3600.0 / took
    print(
        f"{count:>6} stations × {hours:g} h: {took:6.2f} s, {factor:>8,.0f} × real time, {calls:>8,} messages, "
        f"{took / max(1, calls) * 1e6:5.0f} µs a message, {took / lab.world.delivered * 1e6:5.1f} µs an event",
        flush=True,
    )
    return factor * count


def vehicles(count: int, hours: float) -> float:
    """`count` vehicles, a quarter of them on DC, charging in the plant alone, each with a new limit a quarter of an hour; vehicle-hours
    simulated per second. Few vehicles are simulated again and again, so that every figure is of a second's work or more."""
    names = [v for v in catalogue_vehicles() if not v.startswith("quirk-")]
    times, took = max(1, 1000 // count), 0.0
    for _ in range(times):
        kit = Kit(
            {f"{'dc' if n % 4 == 0 else 'ac'}{n}": DC if n % 4 == 0 else AC for n in range(count)},
            circuits=feeders(count),
            circuit_of=on(count),
        )
        for n, station in enumerate(kit.plant.stations):
            kit.plug(station, names[n % len(names)], 5.0 + n % 60)
        gc.collect()
        began = time.perf_counter()
        for quarter in range(int(hours * 4)):
            for n, station in enumerate(kit.plant.stations):
                kit.world.post("plant", Load(1, True, 6.0 + (n + quarter) % 26, 20_000.0 + 5_000.0 * ((n + quarter) % 20), station))
            kit.run(900.0)
        took += time.perf_counter() - began
    rate = count * hours * times / took
    print(f"{count:>6} vehicles × {hours:g} h: {took / times:6.2f} s, {rate:>9,.0f} vehicle-hours a second", flush=True)
    return rate


def feeders(count: int) -> dict[str, Circuit]:
    tree = {"grid": Circuit("grid", None, 1e6)}
    return tree | {f"f{n}": Circuit(f"f{n}", "grid", 1e5) for n in range((count + 19) // 20)}


def on(count: int) -> dict[str, str]:
    return {f"{'dc' if n % 4 == 0 else 'ac'}{n}": f"f{n // 20}" for n in range(count)}


def validator() -> None:
    schemas.check("1.6", "MeterValues", "req", SAMPLE)
    began = time.perf_counter()
    for _ in range(20_000):
        schemas.check("1.6", "MeterValues", "req", SAMPLE)
    print(f"schema check of one MeterValues: {(time.perf_counter() - began) / 20_000 * 1e6:.1f} µs")


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    validator()
    calls.report()
    allocator.report()
    planner.report()
    capdrop.report()
    speeds = [vehicles(count, 8.0) for count in (10, 100, 1000, 10_000)]
    growth = 1.0 + math.log(speeds[0] / speeds[3]) / math.log(1000.0)
    print(
        f"vehicle-hours a second, 10,000 vehicles against 10: {speeds[3] / speeds[0]:.2f}; cost grows as n^{growth:.2f} (n^1.00 is linear)"
    )
    rates = [fleet(count, hours) for count in (10, 100, 1000)]
    print(f"station-hours per hour, 1,000 stations against 100: {rates[2] / rates[1]:.2f} (1.00 is linear)")


if __name__ == "__main__":
    main()
