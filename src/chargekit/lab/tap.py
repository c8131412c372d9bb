"""One tap per link: frames as wire records, replies named after the calls they answer."""

from __future__ import annotations

from typing import Final, Literal

import orjson

from chargekit.world.history import History

Direction = Literal["up", "down"]
MOST: Final = 1 << 20
KEPT: Final = 2000
_REMEMBERED: Final = 256


SECRETS: Final = frozenset({"AuthorizationKey", "BasicAuthPassword"})
HUSHED: Final = "(not recorded)"


def hushed(action: str, payload: object) -> object:
    """A request's payload without the passwords in it: those are recorded nowhere (A01.FR.09, 12)."""
    if not isinstance(payload, dict):
        return payload
    if action == "ChangeConfiguration" and payload.get("key") in SECRETS:
        return payload | {"value": HUSHED}
    rows = payload.get("setVariableData")
    if action == "SetVariables" and isinstance(rows, list):
        return payload | {"setVariableData": [_hushed_row(row) for row in rows]}
    data = payload.get("connectionData")
    if action == "SetNetworkProfile" and isinstance(data, dict):
        return payload | {"connectionData": _masked(data)}
    return payload


def _hushed_row(row: object) -> object:
    variable = row.get("variable") if isinstance(row, dict) else None
    secret = isinstance(variable, dict) and variable.get("name") in SECRETS
    return {**row, "attributeValue": HUSHED} if secret and isinstance(row, dict) else row


def _masked(data: dict[str, object]) -> dict[str, object]:
    """A network profile without its passwords, PIN and keys."""
    secret = ("basicAuthPassword", "apnPassword", "simPin", "password", "key")
    return {k: HUSHED if k in secret else _masked(v) if isinstance(v, dict) else v for k, v in data.items()}


class WireTap:
    """Records what passes between one station and its CSMS. `up` is station to CSMS. In 2.1 a SEND is `<Action>.send` and a
    CALLRESULTERROR `<Action>.conferr`; before, both are garbled."""

    def __init__(self, history: History, station: str) -> None:
        self.history, self.station = history, station
        self._asked: dict[tuple[str, str], str] = {}
        self._answered: dict[tuple[str, str], str] = {}
        self._more_types = False

    def opened(self, now: float, version: str) -> None:
        self._asked.clear()
        self._answered.clear()
        self._more_types = version == "2.1"
        self.history.add(now, "wire", self.station, "opened", {"version": version})

    def closed(self, now: float, code: int, reason: str) -> None:
        self.history.add(now, "wire", self.station, "closed", {"code": code, "reason": reason[:200]})

    def refused(self, now: float) -> None:
        """A connection was asked for and not given."""
        self.history.add(now, "wire", self.station, "refused", {})

    def frame(self, now: float, way: Direction, text: str) -> None:
        kind, body = self._read(way, text)
        self.history.add(now, "wire", self.station, kind, body)

    def _read(self, way: Direction, text: str) -> tuple[str, dict[str, object]]:
        try:
            frame = orjson.loads(text) if len(text) <= MOST else None
        except ValueError:
            frame = None
        match frame:
            case [3, str(ident), payload]:
                return f"{self._named(way, ident)}.conf", {"dir": way, "id": ident, "payload": payload}
            case [2, str(ident), str(action), payload]:
                if len(self._asked) > _REMEMBERED:
                    self._asked.pop(next(iter(self._asked)))
                self._asked[(way, ident)] = action
                return f"{action[:64]}.req", {"dir": way, "id": ident, "payload": hushed(action, payload)}
            case [4, str(ident), code, description, *_]:
                return f"{self._named(way, ident)}.err", {"dir": way, "id": ident, "code": code, "description": description}
            case [6, str(ident), str(action), payload] if self._more_types:
                return f"{action[:64]}.send", {"dir": way, "id": ident, "payload": payload}
            case [5, str(ident), code, description, *_] if self._more_types:
                action = self._answered.pop((way, ident), "Unknown")
                return f"{action}.conferr", {"dir": way, "id": ident, "code": code, "description": description}
            case _:
                return "garbled", {"dir": way, "text": text[:KEPT].encode("utf-8", "replace").decode()}

    def _named(self, way: Direction, ident: str) -> str:
        """The action a reply belongs to; `Unknown` when nothing with this id was asked."""
        asked = ("down" if way == "up" else "up", ident)
        action = self._asked.pop(asked, "Unknown")
        if self._more_types:
            if len(self._answered) > _REMEMBERED:
                self._answered.pop(next(iter(self._answered)))
            self._answered[asked] = action
        return action
