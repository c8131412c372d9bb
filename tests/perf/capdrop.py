"""From a cap drop to the last affected station's acknowledged limit, on real sockets, and to the meter that shows it.

Two processes on loopback at the pace of real time: the reference controller (as `chargekit serve`) and the emulated fleet (as `chargekit
fleet up`), a connection each per station, the grid meter over Modbus. When everybody charges, the cap is lowered to half; every session
must draw less. Both processes read the same monotonic clock. What is timed begins with the lever and ends, by station, with its
`Accepted` for the first profile sent after it; beside it, when the grid meter is below the cap and stays there.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.perf.fleet import charge, site_text

from chargekit.lab.assemble import CSMS, Lab, Plan
from chargekit.lab.sitefile import load_site

EACH_A: Final = 20.0
"""A per phase and session before the drop; half of it after."""
EVERY_S: Final = 0.25
"""How often the bench reads the grid meter."""
DROP_S: Final = 60.0
"""Limits not acknowledged by then never will be."""
AFTER_S: Final = 15.0
"""How long the meter is looked at after the drop."""
SETTLE_S: Final = 12.0
PATIENCE_S: Final = 120.0
"""A fleet that is not there, or does not charge, by then never will."""


def busy_s(count: int) -> float:
    """Over how long the vehicles come."""
    return 2.0 + count / 40.0


def cap_a(count: int) -> float:
    return count * EACH_A / 2.0


# --- the controller -----------------------------------------------------------------------------------------------


class Timeline:
    """By station: when a profile was sent first after the drop, with its limit, and when it was accepted."""

    def __init__(self, lab: Lab) -> None:
        self.limits: dict[str, float] = {}
        self.sent: dict[str, tuple[float, float, str]] = {}
        self.accepted: dict[str, float] = {}
        self.dropped = math.inf
        self.messages = 0
        self.decided_cpu = 0.0
        lab.history.subscribe(self.take)

    def take(self, record: Any) -> None:
        if record.witness != "wire":
            return
        self.messages += 1
        name, now = record.subject, time.monotonic()
        if record.kind == "SetChargingProfile.req":
            profile = record.body["payload"].get("csChargingProfiles") or record.body["payload"]["chargingProfile"]
            if profile["chargingProfilePurpose"] == "TxProfile":
                schedule = profile["chargingSchedule"]
                period = (schedule[0] if isinstance(schedule, list) else schedule)["chargingSchedulePeriod"][0]
                self.limits[name] = float(period["limit"])
                if now >= self.dropped and name not in self.sent:
                    self.sent[name] = now, self.limits[name], str(record.body["id"])
                    self.decided_cpu = time.process_time()
        elif record.kind == "SetChargingProfile.conf" and name in self.sent and record.body["id"] == self.sent[name][2]:
            assert record.body["payload"]["status"] == "Accepted", record.body
            self.accepted.setdefault(name, now)


def control(site: str, listen: int, meters: int, count: int) -> dict[str, Any]:
    """Lead the fleet until everybody charges, lower the cap, and tell what came of it."""
    at, meters_at = ("127.0.0.1", listen), ("127.0.0.1", meters)
    lab = Lab(load_site(site), Plan(seed="drop", rate=1.0, listen=at, meters_at=meters_at, operate=True, keep=False))
    line = Timeline(lab)
    assert lab.controller is not None and lab.controller.operator is not None
    operator = lab.controller.operator

    async def until(there: Callable[[], int], what: str) -> None:
        began = time.monotonic()
        while there() < count:
            if time.monotonic() > began + busy_s(count) + PATIENCE_S:
                why = Counter(because for _, because in operator.told_limits.values()).most_common(3)
                raise TimeoutError(f"only {there()} of {count} stations {what}; told last: {why}")
            await asyncio.sleep(0.2)

    def led(least_a: float) -> int:
        leading = [place.outgoing.leading for place in operator.places.values()]
        return sum(one is not None and one.amps >= least_a for one in leading)

    async def drive() -> dict[str, Any]:
        print("listening", flush=True)
        await until(lambda: sum(p.outgoing.default_a is not None for p in operator.places.values()), "have their default")
        print("ready", flush=True)
        await until(lambda: led(EACH_A * 0.75), "charge")
        # Their readings show it, and the meter is believed.
        await asyncio.sleep(SETTLE_S)
        before, cpu, messages = dict(line.limits), time.process_time(), line.messages
        line.dropped = dropped = time.monotonic()
        lab.rig.act(CSMS, "set_cap", {"circuit": "grid", "limit_a": cap_a(count)})
        while len(line.accepted) < count and time.monotonic() < dropped + DROP_S:
            await asyncio.sleep(0.02)
        told = time.monotonic(), time.process_time() - cpu, line.messages - messages
        await asyncio.sleep(max(0.0, dropped + AFTER_S - time.monotonic()))
        after = {name: line.limits[name] for name in line.sent}
        return {
            "dropped": dropped,
            "before_a": sum(before.values()),
            "after_a": sum(line.limits.values()),
            "lowered": sum(after[name] < before[name] for name in after),
            "sent": sorted(at - dropped for at, _, _ in line.sent.values()),
            "accepted": sorted(at - dropped for at in line.accepted.values()),
            "cpu_s": told[1],
            "decided_cpu_s": line.decided_cpu - cpu,
            "messages": told[2],
        }

    return standing(lab, drive())


# --- the fleet ----------------------------------------------------------------------------------------------------


def emulate(site: str, csms: int, meters: int, count: int) -> dict[str, Any]:
    """The stations and their vehicles, until standard input ends: the grid meter's readings, as it showed them when."""
    url, serve = f"ws://127.0.0.1:{csms}/ocpp", ("127.0.0.1", meters)
    spread = busy_s(count) / 2.0
    plan = Plan(seed="drop", rate=1.0, csms_url=url, serve_meters=serve, keep=False, start_spread_s=spread, meter_every_s=EVERY_S)
    lab = Lab(load_site(site), plan)
    readings: list[tuple[float, float]] = []
    costs: list[tuple[float, float]] = []

    def take(record: Any) -> None:
        if record.witness == "meter" and record.kind == "sample":
            readings.append((time.monotonic(), max(record.body["current_a"])))
        elif record.kind == "SetChargingProfile.conf" or record.kind == "SetChargingProfile.req":
            costs.append((time.monotonic(), time.process_time()))

    lab.history.subscribe(take)

    async def drive() -> dict[str, Any]:
        loop, most = asyncio.get_running_loop(), busy_s(count) + PATIENCE_S
        await asyncio.wait_for(loop.run_in_executor(None, sys.stdin.readline), most)
        charge(lab, lab.world.now + 1.0, busy_s(count))
        await asyncio.wait_for(loop.run_in_executor(None, sys.stdin.read), 2.0 * most + SETTLE_S + DROP_S + AFTER_S)
        return {"readings": readings, "costs": costs}

    return standing(lab, drive())


def standing(lab: Lab, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """As the command line does it."""
    gc.collect()
    gc.freeze()
    try:
        return lab.run(work)
    finally:
        lab.close()


# --- both ---------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def dropped(count: int) -> dict[str, Any]:
    """What a cap drop over so many stations was: both processes' tellings."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "fleet.yaml")
        site.write_text(site_text(count, EACH_A))
        ports = [str(free_port()), str(free_port())]

        def start(role: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "tests.perf.capdrop", role, str(site), *ports, str(count)]
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        controller = fleet = start("control")
        running = [controller]
        watchdog = threading.Timer(3.0 * (busy_s(count) + PATIENCE_S) + SETTLE_S + DROP_S + AFTER_S, lambda: [p.kill() for p in running])
        watchdog.start()
        try:
            assert controller.stdout is not None and controller.stdout.readline() == "listening\n", "the controller did not start"
            running.append(fleet := start("emulate"))
            assert controller.stdout.readline() == "ready\n" and fleet.stdin is not None, "the fleet did not connect"
            fleet.stdin.write("go\n")
            fleet.stdin.flush()
            told, seen = controller.communicate()[0], fleet.communicate()[0]
        finally:
            watchdog.cancel()
            for one in running:
                one.kill()
                one.wait()
    assert controller.returncode == 0 and fleet.returncode == 0, "a process failed: see above"
    return json.loads(told) | json.loads(seen)


def below_after(readings: list[tuple[float, float]], dropped: float, cap: float) -> float:
    """Seconds from the drop to the reading from which on the meter shows no more than the cap."""
    above = [at for at, amps in readings if at >= dropped and amps > cap]
    stays = [at for at, _ in readings if at >= dropped and (not above or at > max(above))]
    return min(stays) - dropped if stays else math.inf


def measured(count: int, say: Callable[[str], None]) -> float:
    """The 99th percentile of the time to an acknowledged limit, s."""
    found = dropped(count)
    accepted, sent = np.array(found["accepted"]), np.array(found["sent"])
    assert len(accepted) == found["lowered"] == count, f"{len(accepted)} answered, {found['lowered']} lowered, of {count}"
    assert found["after_a"] <= cap_a(count), f"{found['after_a']:g} A are still allowed under a cap of {cap_a(count):g} A"
    p50, p99 = np.quantile(accepted, [0.5, 0.99])
    fleet = [cpu for at, cpu in found["costs"] if found["dropped"] <= at <= found["dropped"] + accepted.max()]
    metered = below_after(found["readings"], found["dropped"], cap_a(count))
    say(
        f"{count:>6} stations on sockets, cap halved: limits acknowledged after p50 {p50:6.3f} s, p99 {p99:6.3f} s, at most "
        f"{accepted.max():6.3f} s (sent after at most {sent.max():6.3f} s); the grid meter is below the cap after {metered:4.1f} s; CPU: "
        f"{found['decided_cpu_s']:5.3f} s to decide and send, {found['cpu_s']:5.3f} s with the answers, the fleet's "
        f"{fleet[-1] - fleet[0]:5.3f} s, {found['messages']:,} messages"
    )
    return float(p99)


def report(say: Callable[[str], None] = print) -> None:
    found = {count: measured(count, say) for count in (10, 100, 1000)}
    say(f"p99 over 1,000 stations against 100: {found[1000] / found[100]:.1f} × (10 is linear)")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["control", site, listen, meters, count]:
            print(json.dumps(control(site, int(listen), int(meters), int(count))))
        case ["emulate", site, csms, meters, count]:
            print(json.dumps(emulate(site, int(csms), int(meters), int(count))))
        case [count]:
            measured(int(count), print)
        case _:
            report()
