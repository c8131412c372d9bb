"""Clock-aligned meter values: every EVSE at the multiples of an interval, inside and outside transactions (1.6 section 9.1.3, J01)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chargekit.emulator.services import job, ready, setter
from chargekit.wire.messages import Metered
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

KEY = "ClockAlignedDataInterval"
TIMER = "job/aligned"


@ready
@setter(KEY)
def plan(station: Station, now: float, out: list[Effect]) -> None:
    """The next multiple on the station's own clock, counted from midnight UTC; 0 seconds: never."""
    every = float(station.keys[KEY])
    station.timers.pop(TIMER, None)
    if every > 0:
        midnight = station.calendar.utc(0.0).replace(hour=0, minute=0, second=0, microsecond=0)
        since = station.own(now) - station.calendar.now_of(midnight)
        station.timers[TIMER] = now + every - since % every


@job("aligned")
def tell(station: Station, now: float, out: list[Effect]) -> None:
    for number, outlet in station.outlets.items():
        sample = replace(station.reported(outlet, station.taps[number].read(now)), t=station.own(now))
        tx = outlet.tx
        if tx is not None:
            fact = Metered(number, (sample,), tx.id or tx.ref, "Sample.Clock", seq=tx.seq)
            if station.generation.charging_state:
                tx.seq += 1
                out.append(Save(f"tx/{number}", tx.to_json()))
            station.enqueue(tx.ref, fact, now, out)
        elif station.online and station.accepted:
            station.call(Metered(number, (sample,), None, "Sample.Clock"), now, "meter")
    plan(station, now, out)
