"""Rigs: hands on chargers and vehicles, levers on a controller. The emulated one acts on the World of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from chargekit.lab.links import MemoryLink, MemoryMeter
from chargekit.world.driver import World
from chargekit.world.events import Hand

VEHICLE_HANDS = frozenset({"plug", "unplug", "set_building_a", "open_breaker", "close_breaker"})
STATION_HANDS = frozenset({"present", "press_stop"})
BENCH_HANDS = frozenset({"power_off", "power_on"})
LINK_HANDS = frozenset({"link_cut", "link_mended"})
LEVERS = frozenset({"set_cap", "create_override", "revoke_override", "set_class"})
CSMS_HANDS = frozenset({"command", "authorise"})


class Rig(Protocol):
    """Somebody's or something's hands. `can` names the verbs; `do` raises LookupError for one it can't."""

    can: frozenset[str]

    async def do(self, to: str, verb: str, args: Mapping[str, Any]) -> None: ...


class LocalRig:
    """Hands on the machines of this process's World. Every hand is recorded, by witness `rig`, before it acts."""

    def __init__(
        self, world: World, links: Mapping[str, MemoryLink | Any], meters: Mapping[str, MemoryMeter], can: frozenset[str]
    ) -> None:
        self.world, self.links, self.meters, self.can = world, links, meters, can

    async def do(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        self.act(to, verb, args)

    def act(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        """Do it now. `to` is a machine's name; a station's id for power and link."""
        if verb not in self.can:
            raise LookupError(f"this rig can't {verb}")
        self.world.history.add(self.world.now, "rig", to, verb, args)
        match verb:
            case "power_off":
                self.world.cut(to)
            case "power_on":
                self.world.restore(to)
            case "link_cut":
                self.links[to].cut()
            case "link_mended":
                self.links[to].mend()
            case _:
                self.world.post(to, Hand(verb, args))
