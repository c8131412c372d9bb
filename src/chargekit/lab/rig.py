"""Rigs: hands on chargers and vehicles, levers on a controller. `LocalRig` acts on the World of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from chargekit.lab.tap import HUSHED, SECRETS, hushed
from chargekit.world.driver import World
from chargekit.world.events import Hand

VEHICLE_HANDS = frozenset(
    {"plug", "unplug", "set_building_a", "open_breaker", "close_breaker", "meter_fault", "set_voltage", "set_cp_state"}
)
STATION_HANDS = frozenset({"present", "press_stop", "ev_certificate", "external_limit"})
BENCH_HANDS = frozenset({"power_off", "power_on"})
LINK_HANDS = frozenset({"link_cut", "link_mended"})
LEVERS = frozenset(
    {"set_cap", "create_override", "revoke_override", "list_overrides", "set_class", "set_departure", "report_fault", "clear_fault"}
    | {"signal"}
)
CSMS_HANDS = frozenset({"command", "authorise", "refuse", "send_raw"})
ENTRANCE_HANDS = frozenset({"csms_shows", "csms_expects"})
CSMS_POWER = frozenset({"csms_off", "csms_on"})
"""The controller dies and comes back; with `forget`, without what it had written."""


class Link(Protocol):
    """What a rig can do to a link."""

    def cut(self) -> None: ...
    def mend(self) -> None: ...


class Door(Protocol):
    """What a rig can do to the CSMS end that stations connect to (`lab.entrance`). LookupError for what it can't."""

    def act(self, verb: str, args: Mapping[str, Any]) -> None: ...


class Rig(Protocol):
    """Somebody's or something's hands. `can` names the verbs; `do` raises LookupError, which says why, for one it can't."""

    @property
    def can(self) -> frozenset[str]: ...

    async def do(self, to: str, verb: str, args: Mapping[str, Any]) -> None: ...


class LocalRig:
    """Hands on the machines of this process's World. Every hand is recorded, by witness `rig`, before it acts."""

    def __init__(self, world: World, links: Mapping[str, Link], can: frozenset[str], door: Door | None = None) -> None:
        self.world, self.links, self.can, self.door = world, links, can, door

    async def do(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        self.act(to, verb, args)

    def act(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        """Do it now. `to` is a machine's name; a station's id for power and link."""
        if verb not in self.can:
            raise LookupError(f"this rig can't {verb}")
        self.world.history.add(self.world.now, "rig", to, verb, _recorded(verb, args))
        match verb:
            case "power_off":
                self.world.cut(to)
            case "power_on":
                self.world.restore(to)
            case "link_cut":
                self.links[to].cut()
            case "link_mended":
                self.links[to].mend()
            case "csms_off":
                self.world.cut(to)
            case "csms_on":
                if args.get("forget"):
                    self.world.saved[to].clear()
                self.world.restore(to)
            case "csms_shows" | "csms_expects" if self.door is not None:
                self.door.act(verb, args)
            case _:
                self.world.post(to, Hand(verb, args))


def _recorded(verb: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """A hand as it is recorded: without passwords."""
    command = args.get("command")
    if verb != "command" or not isinstance(command, Mapping):
        return args
    if str(command.get("key", "")).rpartition(".")[2] in SECRETS:
        return {**args, "command": {**command, "value": HUSHED}}
    if "payload" in command:
        return {**args, "command": {**command, "payload": hushed(str(command.get("action")), command["payload"])}}
    return args


class JointRig:
    """The hands of this process first, those of others for what is left."""

    def __init__(self, local: LocalRig, others: list[Rig]) -> None:
        self.local, self.others = local, others

    @property
    def can(self) -> frozenset[str]:
        return self.local.can.union(*(rig.can for rig in self.others))

    async def do(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        if verb not in self.local.can:
            for rig in self.others:
                if verb in rig.can:
                    await rig.do(to, verb, args)
                    return
        self.local.act(to, verb, args)

    def act(self, to: str, verb: str, args: Mapping[str, Any]) -> None:
        """A hand of this process, at once."""
        self.local.act(to, verb, args)
