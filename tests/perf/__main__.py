"""`make perf`: how fast a fleet with the full OCPP path runs in virtual time. A benchmark, never a test: compare ratios in one run."""

from __future__ import annotations

import gc
import sys
import time

from tests.perf.fleet import charge_everybody, fleet_of

from chargekit.wire import schemas

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


def validator() -> None:
    schemas.check("1.6", "MeterValues", "req", SAMPLE)
    began = time.perf_counter()
    for _ in range(20_000):
        schemas.check("1.6", "MeterValues", "req", SAMPLE)
    print(f"schema check of one MeterValues: {(time.perf_counter() - began) / 20_000 * 1e6:.1f} µs")


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    validator()
    rates = [fleet(count, hours) for count in (10, 100, 1000)]
    print(f"station-hours per hour, 1,000 stations against 100: {rates[2] / rates[1]:.2f} (1.00 is linear)")


if __name__ == "__main__":
    main()
