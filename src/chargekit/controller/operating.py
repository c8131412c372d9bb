"""What the parts of the operator share: its state, and what one part asks of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chargekit.controller.allocator import Allocation, Budget, Concurrent, Demand
from chargekit.controller.csms import Controller
from chargekit.controller.incidents import Incidents
from chargekit.controller.infeasible import Infeasible
from chargekit.controller.meters import CircuitMeters
from chargekit.controller.peer import Peer
from chargekit.controller.places import Key, Place, Reserves
from chargekit.controller.rules_desk import RulesDesk
from chargekit.controller.token_desk import TokenDesk
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.site import Circuit, Site
from chargekit.policy.overrides import Override
from chargekit.policy.rulebook import Rulebook
from chargekit.world.events import Effect, Json

if TYPE_CHECKING:
    from chargekit.controller.dispatch import Outgoing
    from chargekit.controller.headroom import Headroom
    from chargekit.controller.planning import Planning


class Operating:
    """The state every part of the operator reads. `told_limits`: what was recorded last of an EVSE, so that a decision is noted once."""

    site: Site
    rules: Rulebook
    csms: Controller
    places: dict[Key, Place]
    reserves: Reserves
    meters: CircuitMeters
    desk: RulesDesk
    tokens: TokenDesk
    planning: Planning
    overrides: list[Override]
    classes: dict[str, str]
    told_limits: dict[Key, tuple[float, str]]
    concurrent: tuple[Concurrent, ...]
    ruled: tuple[Budget, ...]
    budgets: tuple[Budget, ...]
    spent_by: Mapping[tuple[str, str], PhaseAmps]
    shares: bool
    sample_s: int
    returned: bool
    decide_at: float
    _last: tuple[Sequence[Demand], list[Limit], dict[str, PhaseAmps], Allocation] | None
    notebook: dict[str, Json]
    """What has to survive a death of the controller and was not written yet; None erases."""
    incidents: Incidents
    infeasible: Infeasible
    every_s: float
    hold_until: float
    watched_from: float
    _changed: dict[Key, Place]
    _demands: list[Demand]
    _by_id: dict[str, Place]

    if TYPE_CHECKING:

        def limits_at(self, now: float) -> Sequence[Limit]:
            """Every cap in force, with its source."""
            ...

        def _tight(self, now: float) -> list[Limit]:
            """The limits less the margin."""
            ...

        def could_flow(self) -> dict[str, PhaseAmps]:
            """What could flow through every circuit."""
            ...

        def at_worst(self) -> dict[str, PhaseAmps]:
            """What could flow, with all that the last readings show."""
            ...

        def reserve(self, outgoing: Outgoing, peer: Peer, now: float) -> float:
            """What an EVSE could draw, A per phase."""
            ...

        def headroom(self, flows: Mapping[str, PhaseAmps], now: float) -> Headroom:
            """What kW caps and budgets leave for raises."""
            ...

        def most_a(self, place: Place) -> float:
            """What a session can use at most, A per phase."""
            ...

        def steered(self, place: Place, demand: Demand, now: float) -> Demand:
            """A demand as signals, costs and guarantees leave it."""
            ...

        def tree(self) -> Mapping[str, Circuit]:
            """The circuits with their ratings."""
            ...

        def look(self, now: float, out: list[Effect]) -> None:
            """Record what no decision can keep within the limits."""
            ...

        def wanting(self, place: Place, demand: Demand) -> Demand:
            """What its readings make of a demand."""
            ...

        def leading(self, station: str, token: str, now: float) -> Override | None:
            """The override that leads a session."""
            ...

        def forgiven(self, since: float) -> None:
            """Pauses since then leave nothing behind."""
            ...

        def held(self, place: Place, demand: Demand, now: float) -> Demand:
            """A demand as its hold has it."""
            ...

        def turns(self, place: Place, user_class: str) -> int:
            """How many turns a session had."""
            ...

        def turns_clause(self, turns: int) -> str:
            """Why turns put somebody behind."""
            ...

        def _soon(self, now: float) -> None:
            """Decide soon."""
            ...

        def _incident(self, station: str, kind: str, why: str, out: list[Effect], now: float) -> None:
            """Something went wrong at a station."""
            ...

        def override_leads(self, one: Override, now: float) -> bool:
            """Whether an override is in force."""
            ...

        def class_name(self, token: str) -> str | None:
            """The class of a token."""
            ...

        def held_first(self, station: str, token: str, now: float) -> bool:
            """Whether an override that holds leads a session."""
            ...
