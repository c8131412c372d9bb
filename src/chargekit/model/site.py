"""A site: circuit tree, charging stations, meters and arrivals. Amperes are per phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .calendar import Calendar
from .located import BUILT_IN, Source
from .vehicle import Points, Vehicle
from .visits import VisitPlan

OcppVersion = Literal["1.6", "2.0.1", "2.1"]
OCPP_VERSIONS: tuple[OcppVersion, ...] = ("1.6", "2.0.1", "2.1")


@dataclass(frozen=True, slots=True)
class Circuit:
    """A node of the tree. `rating_a` per phase; over it for longer than `grace_s` is a violation (and trips).

    `resistance_ohm`: of each conductor, for its losses. `unbalance_a`: the most two phases may differ by.
    """

    name: str
    parent: str | None
    rating_a: float
    phases: int = 3
    limit_kw: float | None = None
    grace_s: float = 10.0
    resistance_ohm: float = 0.0
    source: Source = BUILT_IN
    unbalance_a: float | None = None


@dataclass(frozen=True, slots=True)
class Connector:
    id: int
    type: str = "cType2"


@dataclass(frozen=True, slots=True)
class Evse:
    """One EVSE (OCPP 2.x; in 1.6 its number is the connector's). `max_a` per phase from the grid; `max_kw`, `max_dc_a` for DC output.

    Without `connectors` it has one of the usual type.
    """

    id: int
    connectors: tuple[Connector, ...] = ()
    max_a: float = 32.0
    phases: int = 3
    max_kw: float | None = None
    max_dc_a: float | None = None

    def __post_init__(self) -> None:
        if not self.connectors:
            object.__setattr__(self, "connectors", (Connector(1, "cCCS2" if self.dc else "cType2"),))

    @property
    def dc(self) -> bool:
        return self.max_kw is not None

    def connector(self, number: int) -> Connector:
        """The connector with this id; KeyError if there is none."""
        for connector in self.connectors:
            if connector.id == number:
                return connector
        raise KeyError(number)

    def connector_for(self, vehicle: Vehicle) -> Connector | None:
        """The first connector that fits the vehicle's inlet; None: it can't be plugged in here. Any vehicle takes AC."""
        if not self.dc:
            return self.connectors[0]
        if vehicle.dc_max_kw <= 0.0:
            return None
        return next((c for c in self.connectors if c.type == vehicle.dc_inlet), None)


@dataclass(frozen=True, slots=True)
class StationModel:
    """A catalogue product: what it can do, and how fast.

    `capabilities` are the words cases require; `settle_s` is the time from an accepted limit to metered
    compliance; `standby_w` its own consumption; `below_min` what it does with a limit in (0, 6) A. `supply_a`: what all its
    EVSEs may draw together per phase; `shared_kw`: the DC modules they share, `module_kw` the size of one (0: any split).
    `efficiency` of a DC station is over its load (share of an outlet's `max_kw`). `pwm_step_a`: the pilot's grain; `pulse_after_s`: a
    vehicle that does not answer an offer for so long gets a wake-up pulse. `meter_class_percent`: its own meter's class;
    `phase_switching`: it can charge on one phase of three.
    """

    id: str
    vendor: str
    model: str
    evses: tuple[Evse, ...] = (Evse(1),)
    capabilities: frozenset[str] = frozenset()
    settle_s: float = 15.0
    power_up_s: float = 5.0
    pilot_latency_s: float = 0.5
    contactor_s: float = 0.1
    standby_w: float = 8.0
    voltage_v: float = 230.0
    below_min: Literal["pause", "reject"] = "pause"
    rate_units: tuple[str, ...] = ("A", "W")
    shared_kw: float | None = None
    module_kw: float = 0.0
    supply_a: float | None = None
    efficiency: Points = ((0.0, 1.0),)
    pwm_step_a: float = 0.1
    pulse_after_s: float | None = None
    meter_class_percent: float = 0.0
    phase_switching: bool = False
    source: Source = BUILT_IN


@dataclass(frozen=True, slots=True)
class ChargingStation:
    """A station of a site. `rotation[i]` is the site phase (0..2) on its own terminal i; `link` says who is behind it."""

    id: str
    model: StationModel
    circuit: str
    ocpp: OcppVersion = "1.6"
    rotation: tuple[int, int, int] = (0, 1, 2)
    link: Literal["emulated", "listen"] = "emulated"
    rig: str = "emulated"
    defects: tuple[str, ...] = ()
    source: Source = BUILT_IN

    def evse(self, number: int) -> Evse:
        """The EVSE with this id; KeyError if there is none."""
        for evse in self.model.evses:
            if evse.id == number:
                return evse
        raise KeyError(number)

    @property
    def max_a(self) -> float:
        """The most it can draw per phase, all EVSEs together."""
        total = sum(e.max_a for e in self.model.evses)
        return total if self.model.supply_a is None else min(total, self.model.supply_a)


@dataclass(frozen=True, slots=True)
class MeterFault:
    """An emulated meter's fault by name, from so many run seconds on, with its parameters."""

    name: str
    after_s: float = 0.0
    parameters: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class MeterPoint:
    """A meter: on a circuit (everything below it) or at a station's own supply; read as `unit` over Modbus.

    `uncertainty_a` is what one phase reading may be off by (class and transformer together).
    """

    id: str
    model: str
    circuit: str | None = None
    station: str | None = None
    unit: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    uncertainty_a: float = 0.1
    source: Source = BUILT_IN
    framing: Literal["tcp", "rtu-over-tcp"] = "tcp"
    fault: MeterFault | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A vehicle that arrives: when (run seconds), where, whose token, and how long it stays.

    `needs_kwh` is what the driver came for, at the EVSE's meter; `leaves` is when it goes, `leaves_stated` when the driver said it
    would. `joined`: when it came to the site, if it had to wait for the EVSE.
    """

    at: float
    station: str
    evse: int
    vehicle: str
    token: str
    soc_percent: float = 20.0
    leaves: float | None = None
    source: Source = BUILT_IN
    needs_kwh: float | None = None
    user_class: str = ""
    leaves_stated: float | None = None
    joined: float | None = None


@dataclass(frozen=True, slots=True)
class Building:
    """What else is fed from a circuit: a building of a kind with its yearly peak, and photovoltaics."""

    circuit: str
    kind: Literal["office", "hotel", "retail", "residential", "warehouse"]
    peak_kw: float
    pv_kwp: float = 0.0
    source: Source = BUILT_IN


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a run needs. `circuits` lists parents before children; the first is the grid connection."""

    id: str
    type: str
    calendar: Calendar
    circuits: Mapping[str, Circuit]
    stations: tuple[ChargingStation, ...]
    meters: tuple[MeterPoint, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    vehicles: Mapping[str, Vehicle] = field(default_factory=dict)
    source: Source = BUILT_IN
    buildings: tuple[Building, ...] = ()
    visits: VisitPlan | None = None

    def station(self, name: str) -> ChargingStation:
        for station in self.stations:
            if station.id == name:
                return station
        raise KeyError(name)

    @property
    def root(self) -> Circuit:
        return next(iter(self.circuits.values()))

    def path(self, circuit: str | None) -> Iterator[Circuit]:
        """The circuit and all above it, upwards."""
        while circuit is not None:
            node = self.circuits[circuit]
            yield node
            circuit = node.parent

    def below(self, circuit: str) -> tuple[ChargingStation, ...]:
        """The stations fed through a circuit."""
        return tuple(s for s in self.stations if any(c.name == circuit for c in self.path(s.circuit)))
