"""One EVSE as the plant sees it: contactor, pilot, vehicle and what flows. Anchored at events; reading never moves it."""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.emulator.battery import Piece, next_piece
from chargekit.emulator.car import Car
from chargekit.model.limit import NO_AMPS, PhaseAmps
from chargekit.model.pilot import ControlPilot
from chargekit.model.site import ChargingStation, Evse
from chargekit.model.vehicle import at


@dataclass(slots=True)
class Bay:
    """State of one EVSE. `drawn` is what the vehicle heads for, `steps` what it will, (time, target): A per phase (AC) or W (DC).

    `connector`: where the cable is. `armed`: the wake-up that waits."""

    station: ChargingStation
    evse: Evse
    volts: float
    closed: bool = False
    offer: float = 0.0
    supply: int = 3
    phase: int = 1
    pilot: ControlPilot = ControlPilot.A
    car: Car | None = None
    connector: int = 0
    since: float = 0.0
    register_wh: float = 0.0
    taken_wh: float = 0.0
    drawn: float = 0.0
    steps: list[tuple[float, float]] = field(default_factory=list)
    turns_c: float | None = None
    turns_b: float | None = None
    piece: Piece | None = None
    ends: float | None = None
    armed: float | None = None

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def phases(self) -> int:
        if self.evse.dc:
            return 3
        return self.car.phases(min(self.evse.phases, self.supply)) if self.car else 0

    @property
    def terminals(self) -> range:
        """The station's own terminals (0 to 2) that feed the vehicle; L1's where there is none."""
        first = self.phase - 1 if self.supply == 1 and not self.evse.dc else 0
        return range(first, first + max(1, self.phases))

    @property
    def full(self) -> bool:
        return self.car is not None and self.car.full

    def output_w(self, now: float) -> float:
        """Power at the EVSE's meter: AC as drawn, DC as delivered."""
        return self.piece.power_w(now - self.since) if self.piece else 0.0

    def output_wh(self, now: float) -> float:
        """The EVSE's import register."""
        return self.register_wh + (self.piece.energy_wh(now - self.since) if self.piece else 0.0)

    def input_wh(self, now: float) -> float:
        """Energy taken from the grid."""
        return self.taken_wh + (self.piece.energy_wh(now - self.since) * self.grid_factor() if self.piece else 0.0)

    def grid_factor(self) -> float:
        """W drawn from the grid per W at the EVSE's meter, held over a piece."""
        if not self.evse.dc or self.piece is None:
            return 1.0
        load = (self.piece.watts + self.piece.power_w(min(self.piece.seconds, 1e9))) / 2000.0 / (self.evse.max_kw or 1.0)
        return 1.0 / at(self.station.model.efficiency, load)

    def current_a(self, now: float) -> PhaseAmps:
        """Amperes per phase on the station's own terminals."""
        watts = self.output_w(now) * self.grid_factor()
        return tuple(one * watts for one in self.per_watt())  # type: ignore[return-value]

    def per_watt(self) -> PhaseAmps:
        """Amperes on each terminal for a watt from the grid."""
        count = self.phases
        if not count:
            return NO_AMPS
        amps, on = 1.0 / (count * self.volts), self.terminals
        return (amps if 0 in on else 0.0, amps if 1 in on else 0.0, amps if 2 in on else 0.0)

    def stored_wh(self, now: float) -> float:
        if self.car is None:
            return 0.0
        return self.car.stored_wh + (self.piece.energy_wh(now - self.since) * self.piece.efficiency if self.piece else 0.0)

    def soc_percent(self, now: float) -> float | None:
        return None if self.car is None else min(100.0, self.stored_wh(now) / self.car.vehicle.capacity_wh * 100.0)

    # --- moving -------------------------------------------------------------------------------------------------

    def anchor(self, now: float) -> None:
        """Move the anchor to `now`. Only an event may do this."""
        if self.piece is not None:
            gained = self.piece.energy_wh(now - self.since)
            self.register_wh += gained
            self.taken_wh += gained * self.grid_factor()
            if self.car is not None:
                self.car.stored_wh = min(self.car.vehicle.capacity_wh, self.car.stored_wh + gained * self.piece.efficiency)
        self.since = now

    def flow(self, drawn: float, now: float, *, from_w: float | None = None) -> None:
        """From `now` on the vehicle heads for `drawn`, until the next event or the piece's end."""
        was = self.output_w(now) if from_w is None else from_w
        self.anchor(now)
        self.drawn = drawn
        self.piece, self.ends = None, None
        car = self.car
        if car is None or drawn <= 0.0:
            return
        phases = self.phases
        cap_w = drawn if self.evse.dc else drawn * self.volts * phases
        ramp = car.vehicle.dc_ramp if self.evse.dc else car.vehicle.ac_ramp
        share = car.share(self.evse, self.volts, phases)
        self.piece = next_piece(car.curve, car.stored_wh, cap_w, was, ramp.up_kw_per_s * 1000.0, ramp.down_kw_per_s * 1000.0, share)
        self.ends = now + self.piece.seconds if self.piece else None

    def use(self, watts: float, now: float) -> None:
        """From `now` on the vehicle uses up `watts` without storing any of it."""
        self.anchor(now)
        self.drawn, self.ends = 0.0, None
        self.piece = Piece(float("inf"), watts, 0.0) if watts > 0.0 else None

    def wakes(self) -> float | None:
        """When something happens here by itself."""
        times = [t for t in (self.turns_c, self.turns_b, self.ends, self.steps[0][0] if self.steps else None) if t is not None]
        if self.car is not None:
            times += self.car.timers.values()
        return min(times, default=None)
