"""Flaws of real stations in front of frames that should not be there."""

from __future__ import annotations

from typing import Any

import orjson

from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.wire import schemas
from chargekit.world.events import Effect, Hangup

_Base = Station
CSMS = "csms"


def _read(text: str) -> list[Any]:
    """The frame; empty for what is none."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


class HangsUpOnGarbage(Defect, _Base):
    name = "hangs-up-on-garbage"
    seen = "closes the link when it can't read a frame"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        if _read(text):
            return super().first_look(text, now, out)
        out.append(Hangup(CSMS, 1002, "protocol error"))
        return None


class IgnoresGarbage(Defect, _Base):
    name = "ignores-garbage"
    seen = "says nothing to a frame it can't read, where the version has an answer for it"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        return super().first_look(text, now, out) if _read(text) else None


class IgnoresUnknownActions(Defect, _Base):
    name = "ignores-unknown-actions"
    seen = "leaves a call of an action it does not know unanswered"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        match _read(text):
            case [2, _, str(action), _] if action not in schemas.actions(self.spec.ocpp):
                return None
        return super().first_look(text, now, out)


class DropsMistypedCalls(Defect, _Base):
    name = "drops-mistyped-calls"
    seen = "leaves a call unanswered when it can't parse the payload"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        match _read(text):
            case [2, _, str(action), payload] if action in schemas.actions(self.spec.ocpp):
                if schemas.check(self.spec.ocpp, action, "req", payload):
                    return None
        return super().first_look(text, now, out)


class DeafToRepeats(Defect, _Base):
    name = "deaf-to-repeats"
    seen = "takes no call under a message id it has seen before, and says nothing to it"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        self.heard_ids: dict[str, None] = getattr(self, "heard_ids", {})
        match _read(text):
            case [2, str(ident), *_]:
                if ident in self.heard_ids:
                    return None
                self.heard_ids[ident] = None
        return super().first_look(text, now, out)


class HangsUpOnUnaskedResult(Defect, _Base):
    name = "hangs-up-on-unasked-result"
    seen = "closes the link when a result comes that it did not ask for"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        match _read(text):
            case [3, *_] if self.session.idle:
                out.append(Hangup(CSMS, 1002, "protocol error"))
                return None
        return super().first_look(text, now, out)


class RestartsOnUnknownType(Defect, _Base):
    name = "restarts-on-unknown-type"
    seen = "its message handler dies on a message type it does not know, and the station restarts"
    area, point = "frames", "station.first_look"

    def first_look(self, text: str, now: float, out: list[Effect]) -> str | None:
        match _read(text):
            case [int(kind), *_] if kind not in (2, 3, 4, 5, 6):
                self.reboot("Reboot", now, out, boot="Watchdog", wait=False)
                return None
        return super().first_look(text, now, out)


FRAME_DEFECTS: tuple[type[Defect], ...] = (
    HangsUpOnGarbage, IgnoresGarbage, IgnoresUnknownActions, DropsMistypedCalls, DeafToRepeats, HangsUpOnUnaskedResult,
    RestartsOnUnknownType,
)  # fmt: skip
