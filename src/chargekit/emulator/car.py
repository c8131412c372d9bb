"""A vehicle while it is plugged in: what it has stored, how warm it is, and which of its quirks is at work."""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.emulator.battery import Segment, Share, lower, segments
from chargekit.model.site import Evse
from chargekit.model.vehicle import Points, Vehicle, at

WARM_C = 25.0
"""Battery temperature of a car that nobody said anything about: warm enough for its full curve."""
THERMAL_S = 10.0
"""Battery temperature is held for so long."""
MEASURED_KWH = 77.4
"""Pack of the car whose temperature was measured; others warm in proportion to their own."""
PULSE_S = (2.5, 60.0)
"""A pilot that is off for so long (least, most) and comes back is a wake-up pulse (IEC 61851-1 A.5.3: about 4 s)."""


@dataclass(slots=True)
class Car:
    """State of one visit. Times are run seconds; what a quirk has not set is None."""

    vehicle: Vehicle
    stored_wh: float
    start_delay_s: float
    cable_a: float
    temperature_c: float = WARM_C
    ambient_c: float = 20.0
    warmed_at: float = 0.0
    charging_s: float = 0.0
    hot: bool = False
    paused_since: float | None = None
    asleep: bool = False
    pilot_off_at: float | None = None
    interruptions: int = 0
    refuses: str = ""
    phases_seen: int = 0
    stuck: bool = False
    second_in: bool = False
    cooling: bool = False
    after_full: str = ""
    curve: tuple[Segment, ...] = ()
    slept_at: float = 0.0
    timers: dict[str, float] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.stored_wh >= self.vehicle.capacity_wh * (1 - 1e-9)

    @property
    def willing(self) -> bool:
        """Would it charge if it were offered enough?"""
        return not self.full and not self.asleep and not self.refuses

    def phases(self, offered: int) -> int:
        return 1 if self.stuck else min(offered, self.vehicle.ac_phases)

    # --- what it can take ---------------------------------------------------------------------------------------

    def ac_a(self, offer_a: float, phases: int) -> float:
        """A per phase it aims at under this pilot; 0 below its minimum."""
        vehicle, quirks = self.vehicle, self.vehicle.quirks
        if offer_a < vehicle.least_a(phases) - 1e-9 or self.cooling:
            return 0.0
        amps = min(offer_a * quirks.pilot_fraction, vehicle.ac_max_a, self.cable_a)
        if quirks.second_module_a is not None and not self.second_in:
            amps = min(amps, quirks.second_module_a)
        return amps

    def dc_w(self) -> float:
        """W at the connector it may ask for now, apart from its curve."""
        if self.cooling:
            return 0.0
        return min(self.vehicle.dc_max_kw, self.warm_kw()) * 1000.0

    def warm_kw(self) -> float:
        thermal = self.vehicle.thermal
        if thermal is None:
            return self.vehicle.dc_max_kw
        return min(at(thermal.power_kw, self.temperature_c), thermal.hot_kw if self.hot else float("inf"))

    def warm(self, power_w: float, now: float) -> None:
        """Hold the battery's temperature anew: dT/dt of the measured car (Caldera_ICM), at the power that flowed since."""
        dt, thermal = now - self.warmed_at, self.vehicle.thermal
        self.warmed_at = now
        if thermal is None or dt <= 0.0:
            return
        self.charging_s += dt
        per_s = 4.31e-4 * (self.ambient_c - self.temperature_c)
        per_s += 1.736e-4 * power_w / 1000.0 * MEASURED_KWH / self.vehicle.usable_kwh
        if power_w > 0.0:
            per_s += 2.6e-6 * self.charging_s + 3.2e-6 * self.stored_wh / self.vehicle.capacity_wh * 100.0
        self.temperature_c += per_s * dt
        if thermal.hot_from_c is not None:
            self.hot = self.temperature_c >= (thermal.hot_until_c if self.hot else thermal.hot_from_c)

    @property
    def warms(self) -> bool:
        """Does its temperature bear on what it takes?"""
        thermal = self.vehicle.thermal
        return thermal is not None and (thermal.hot_from_c is not None or self.temperature_c < thermal.power_kw[-1][0])

    def share(self, evse: Evse, volts: float, phases: int) -> Share:
        """Wh stored per Wh at this EVSE's meter."""
        vehicle = self.vehicle
        if evse.dc:
            return vehicle.stored_share
        return lambda watts: vehicle.ac_share(watts / (volts * max(phases, 1)))

    def shape(self, evse: Evse, volts: float, phases: int) -> None:
        """Work out its curve at this EVSE: in DC the vehicle's, under the current the connector can carry at the pack's voltage."""
        vehicle = self.vehicle
        if evse.dc:
            watts: Points = tuple((s, kw * 1000.0) for s, kw in vehicle.dc_curve) or (
                (0.0, vehicle.dc_max_kw * 1000.0),
                (100.0, vehicle.dc_max_kw * 1000.0),
            )
            if evse.max_dc_a is not None:
                empty_v, full_v = vehicle.pack_v
                watts = lower(watts, ((0.0, evse.max_dc_a * empty_v), (100.0, evse.max_dc_a * full_v)))
        else:
            most = vehicle.ac_max_a * volts * max(phases, 1)
            watts = tuple((s, share * most) for s, share in vehicle.tail)
        self.curve = segments(vehicle.capacity_wh, watts, self.share(evse, volts, phases))

    # --- what surprises ------------------------------------------------------------------------------------------

    def pilot(self, offer: float, before: float, now: float) -> bool:
        """The pilot changed; True when that woke it."""
        if offer <= 0.0 < before:
            self.pilot_off_at = now
        if not self.asleep or offer <= 0.0 or before > 0.0 or self.pilot_off_at is None or self.vehicle.quirks.wakes_by != "pulse":
            return False
        if self.slept_at < self.pilot_off_at and PULSE_S[0] <= now - self.pilot_off_at <= PULSE_S[1]:
            self.asleep = False
            return True
        return False

    def switched(self, phases: int, charging: bool) -> None:
        """The supply's number of phases changed."""
        before, self.phases_seen = self.phases_seen, phases
        if before == 3 and phases == 1:
            if self.vehicle.quirks.faults_on_phase_switch and charging:
                self.refuses = "fault: phases changed under load"
            if self.vehicle.quirks.stuck_on_one_phase:
                self.stuck = True

    def interrupted(self) -> None:
        """The station took the energy away."""
        self.interruptions += 1
        most = self.vehicle.quirks.gives_up_after
        if most is not None and self.interruptions >= most:
            self.refuses = f"gave up after {self.interruptions} interruptions"
