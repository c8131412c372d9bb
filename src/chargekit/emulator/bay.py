"""One EVSE as the plant sees it: contactor, pilot, vehicle and what flows. Anchored at events; reading never moves it."""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.emulator.battery import Piece, pieces
from chargekit.model.limit import NO_AMPS, PhaseAmps
from chargekit.model.pilot import ControlPilot
from chargekit.model.site import ChargingStation, Evse
from chargekit.model.vehicle import Vehicle


@dataclass(slots=True)
class Bay:
    """State of one EVSE. `steps` are current changes still to come, (time, target) in A (AC) or W (DC output)."""

    station: ChargingStation
    evse: Evse
    volts: float
    closed: bool = False
    offer: float = 0.0
    pilot: ControlPilot = ControlPilot.A
    vehicle: Vehicle | None = None
    stored_wh: float = 0.0
    since: float = 0.0
    register_wh: float = 0.0
    drawn: float = 0.0
    steps: list[tuple[float, float]] = field(default_factory=list)
    turns_c: float | None = None
    turns_b: float | None = None
    piece: Piece | None = None
    ends: float | None = None

    # --- reading ------------------------------------------------------------------------------------------------

    @property
    def phases(self) -> int:
        vehicle_phases = self.vehicle.ac_phases if self.vehicle else 0
        return 3 if self.evse.dc else min(self.evse.phases, vehicle_phases)

    @property
    def efficiency(self) -> float:
        """Battery Wh per Wh at the EVSE's meter."""
        return 1.0 if self.evse.dc or self.vehicle is None else self.vehicle.ac_efficiency

    def output_w(self, now: float) -> float:
        """Power at the EVSE's meter: AC as drawn, DC as delivered."""
        return self.piece.power_w(max(0.0, now - self.since)) / self.efficiency if self.piece else 0.0

    def output_wh(self, now: float) -> float:
        """The EVSE's import register."""
        gone = self.piece.energy_wh(max(0.0, now - self.since)) / self.efficiency if self.piece else 0.0
        return self.register_wh + gone

    def grid_factor(self) -> float:
        """W drawn from the grid per W at the EVSE's meter."""
        return 1.0 / self.station.model.efficiency if self.evse.dc else 1.0

    def current_a(self, now: float) -> PhaseAmps:
        """Amperes per phase on the station's own terminals."""
        watts = self.output_w(now) * self.grid_factor()
        count = self.phases
        if watts <= 0.0 or not count:
            return NO_AMPS
        amps = watts / (count * self.volts)
        return (amps, amps if count > 1 else 0.0, amps if count > 2 else 0.0)

    def soc_percent(self, now: float) -> float | None:
        if self.vehicle is None:
            return None
        stored = self.stored_wh + (self.piece.energy_wh(max(0.0, now - self.since)) if self.piece else 0.0)
        return min(100.0, stored / (self.vehicle.usable_kwh * 10.0))

    @property
    def full(self) -> bool:
        return self.vehicle is not None and self.stored_wh >= self.vehicle.usable_kwh * 1000.0 * (1 - 1e-9)

    # --- moving -------------------------------------------------------------------------------------------------

    def anchor(self, now: float) -> None:
        """Move the anchor to `now`. Only an event may do this."""
        if self.piece is not None:
            gained = self.piece.energy_wh(now - self.since)
            self.register_wh += gained / self.efficiency
            self.stored_wh += gained
        self.since = now

    def flow(self, drawn: float, now: float) -> None:
        """From `now` on `drawn` flows (A per phase, or W output for DC), until the next event or the piece's end."""
        self.anchor(now)
        self.drawn = drawn
        self.piece, self.ends = None, None
        if self.vehicle is None or drawn <= 0.0:
            return
        watts = drawn if self.evse.dc else drawn * self.volts * self.phases
        self.piece = next(pieces(self.vehicle, self.stored_wh, watts * self.efficiency, dc=self.evse.dc), None)
        self.ends = now + self.piece.seconds if self.piece else None

    def wakes(self) -> float | None:
        """When something happens here by itself."""
        times = [t for t in (self.turns_c, self.turns_b, self.ends, self.steps[0][0] if self.steps else None) if t is not None]
        return min(times, default=None)
