"""Flaws of real stations in what stands around charging: availability, resets, the message queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chargekit.emulator.outlet import Outlet
from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.wire.messages import RemoteStart, Reply

_Base = Station


class ForgetsUnavailable(Defect, _Base):
    name = "forgets-unavailability"
    seen = "is back in service after a power cut although the CSMS took it out"
    area, point = "availability", "station.flags_at_start"

    def flags_at_start(self, saved: Mapping[str, Any]) -> dict[str, bool]:
        super().flags_at_start(saved)
        return {}


class ResetNever(Defect, _Base):
    name = "refuses-hard-reset"
    seen = "rejects a hard reset while a vehicle charges"
    area, point = "availability", "station.reset_verdict"

    def reset_verdict(self, hard: bool, evse: int) -> Reply:
        good = super().reset_verdict(hard, evse)
        return Reply("Rejected") if any(o.tx is not None for o in self.outlets.values()) else good


class NewestFirst(Defect, _Base):
    name = "replays-newest-first"
    seen = "sends what it kept while offline in the wrong order: the end of a transaction before its readings"
    area, point = "transaction", "station.next_in_queue"

    def next_in_queue(self) -> int:
        super().next_in_queue()
        return len(self.queue.entries) - 1


class ResetsOnlyTheBusy(Defect, _Base):
    name = "ignores-hard-reset-when-idle"
    seen = "accepts a hard reset and restarts only where a vehicle charges"
    area, point = "availability", "station.obeys_reset"

    def obeys_reset(self, hard: bool) -> bool:
        return super().obeys_reset(hard) and not (hard and all(o.tx is None for o in self.outlets.values()))


class StartsTheClosed(Defect, _Base):
    name = "remote-start-despite-unavailable"
    seen = "accepts a remote start for an outlet that is out of service"
    area, point = "availability", "station.remote_start_verdict"

    def remote_start_verdict(self, command: RemoteStart, group: str) -> Reply:
        good = super().remote_start_verdict(command, group)
        return good if all(o.operative for o in self.outlets.values()) else Reply("Accepted")


class HidesFaults(Defect, _Base):
    name = "hides-faults"
    seen = "goes on telling what it told before when the pilot of an outlet fails"
    area, point = "availability", "station.connector_word"

    def connector_word(self, outlet: Outlet, connector: int) -> str:
        good = super().connector_word(outlet, connector)
        return outlet.shown.get(connector, good) if good == "Faulted" else good


class NeverSaysHeld(Defect, _Base):
    name = "says-charging-while-held"
    seen = "tells that a vehicle charges while it is given no current: nobody sees that it waits"
    area, point = "figures", "station.connector_word"

    def connector_word(self, outlet: Outlet, connector: int) -> str:
        good = super().connector_word(outlet, connector)
        return "Charging" if good == "SuspendedEVSE" else good


SERVICE_DEFECTS: tuple[type[Defect], ...] = (
    ForgetsUnavailable, ResetNever, NewestFirst, ResetsOnlyTheBusy, StartsTheClosed, HidesFaults,
    NeverSaysHeld,
)  # fmt: skip
