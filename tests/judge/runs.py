"""Small runs written by hand: record lines as a recorder leaves them, frames as the versions write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chargekit.judge.kpi import by_key, figures
from chargekit.judge.kpi_facts import Facts, fold, head_from
from chargekit.judge.kpi_figure import Figure
from chargekit.policy.review import USUAL
from chargekit.world.history import Record

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


def head(stations: int = 2, epoch: datetime = EPOCH, **review: Any) -> dict[str, Any]:
    """A site of so many 11 kW ports `a`, `b`, ... behind 300 A (207 kW), in UTC."""
    names = [chr(ord("a") + n) for n in range(stations)]
    return {
        "site": "one", "type": "workplace", "zone": "UTC", "epoch": epoch.isoformat(), "voltage_v": 230.0, "whole_site": True,
        "circuits": {"grid": {"rating_a": 300.0, "limit_a": 300.0, "parent": None}},
        "stations": {name: {"circuit": "grid", "evses": {"1": {"kw": 11.0}}} for name in names},
        "meters": {"gm": {"circuit": "grid", "station": None}}, "tokens": [["RES-*", "resident"], ["EMP-*", "employee"]],
        "default_class": "guest", "review": USUAL.plain() | review, "policy": "abc",
    }  # fmt: skip


class Run:
    """Records as they are added. Stations speak `version`."""

    def __init__(self, stations: int = 2, version: str = "1.6", epoch: datetime = EPOCH, **review: Any) -> None:
        self.records: list[Record] = []
        self.version, self.epoch, self.calls, self.tx = version, epoch, 0, 0
        self.add(0, "rig", "one", "site", head(stations, epoch, **review))
        for n in range(stations):
            self.add(0, "wire", chr(ord("a") + n), "opened", {"version": version})

    def add(self, t: float, witness: Any, subject: str, kind: str, body: dict[str, Any]) -> int:
        self.records.append(Record(len(self.records), float(t), witness, subject, kind, body))
        return len(self.records) - 1

    def iso(self, t: float) -> str:
        return (self.epoch + timedelta(seconds=t)).isoformat().replace("+00:00", "Z")

    def asks(self, t: float, station: str, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> int:
        self.calls += 1
        seq = self.add(t, "wire", station, f"{action}.req", {"dir": "up", "id": str(self.calls), "payload": payload})
        self.add(t, "wire", station, f"{action}.conf", {"dir": "down", "id": str(self.calls), "payload": answer})
        return seq

    def plug(
        self, t: float, station: str, token: str, user_class: str, *, kwh: float | None = None, stated: float | None = None,
        joined: float | None = None,
    ) -> int:  # fmt: skip
        said = {
            "evse": 1,
            "token": token,
            "class": user_class,
            "requested_kwh": kwh,
            "stated": stated,
            "joined": t if joined is None else joined,
        }
        self.add(t, "rig", station, "arrival", said)
        return self.add(t, "rig", "plant", "plug", {"station": station, "evse": 1, "vehicle": "van", "soc_percent": 20})

    def unplug(self, t: float, station: str) -> int:
        return self.add(t, "rig", "plant", "unplug", {"station": station, "evse": 1})

    def present(self, t: float, station: str, token: str, status: str = "Accepted") -> None:
        self.add(t, "rig", station, "present", {"token": token, "evse": 1})
        if self.version == "1.6":
            self.asks(t, station, "Authorize", {"idTag": token}, {"idTagInfo": {"status": status}})
        else:
            self.asks(t, station, "Authorize", {"idToken": {"idToken": token, "type": "ISO14443"}}, {"idTokenInfo": {"status": status}})

    def status(self, t: float, station: str, word: str, evse: int = 1) -> int:
        if self.version == "1.6":
            said = {"connectorId": evse, "status": word, "errorCode": "NoError", "timestamp": self.iso(t)}
            return self.asks(t, station, "StatusNotification", said, {})
        if word in ("Charging", "SuspendedEV", "SuspendedEVSE"):
            return self._event(t, station, "Updated", "ChargingStateChanged", {"chargingState": word})
        said = {"evseId": evse, "connectorId": 1, "connectorStatus": word, "timestamp": self.iso(t)}
        return self.asks(t, station, "StatusNotification", said, {})

    def _event(self, t: float, station: str, kind: str, why: str, info: dict[str, Any], **more: Any) -> int:
        said = {
            "eventType": kind, "timestamp": self.iso(t), "triggerReason": why, "seqNo": 0,
            "transactionInfo": {"transactionId": f"tx{self.tx}"} | info, "evse": {"id": 1, "connectorId": 1},
        }  # fmt: skip
        return self.asks(t, station, "TransactionEvent", said | more, {"idTokenInfo": {"status": "Accepted"}} if "idToken" in more else {})

    def _value(self, t: float, wh: float, context: str) -> list[dict[str, Any]]:
        value: Any = str(wh) if self.version == "1.6" else wh
        unit = {"unit": "Wh"} if self.version == "1.6" else {"unitOfMeasure": {"unit": "Wh"}}
        return [{"timestamp": self.iso(t), "sampledValue": [
            {"value": value, "context": context, "measurand": "Energy.Active.Import.Register"} | unit
        ]}]  # fmt: skip

    def start(self, t: float, station: str, token: str, wh: float = 0) -> int:
        self.tx += 1
        if self.version == "1.6":
            said = {"connectorId": 1, "idTag": token, "meterStart": int(wh), "timestamp": self.iso(t)}
            return self.asks(t, station, "StartTransaction", said, {"transactionId": self.tx, "idTagInfo": {"status": "Accepted"}})
        values = self._value(t, wh, "Transaction.Begin")
        return self._event(t, station, "Started", "Authorized", {}, idToken={"idToken": token, "type": "ISO14443"}, meterValue=values)

    def sample(self, t: float, station: str, wh: float) -> int:
        values = self._value(t, wh, "Sample.Periodic")
        if self.version == "1.6":
            return self.asks(t, station, "MeterValues", {"connectorId": 1, "transactionId": self.tx, "meterValue": values}, {})
        return self._event(t, station, "Updated", "MeterValuePeriodic", {}, meterValue=values)

    def stop(self, t: float, station: str, wh: float, reason: str = "EVDisconnected") -> int:
        if self.version == "1.6":
            said = {"transactionId": self.tx, "meterStop": int(wh), "timestamp": self.iso(t), "reason": reason}
            return self.asks(t, station, "StopTransaction", said, {})
        values = self._value(t, wh, "Transaction.End")
        return self._event(t, station, "Ended", "EVDeparted", {"stoppedReason": reason}, meterValue=values)

    def stay(
        self, t: float, station: str, token: str, user_class: str, seconds: float, wh: float, *, kwh: float | None = None,
        stated: float | None = None, joined: float | None = None, last: str = "Charging",
    ) -> int:  # fmt: skip
        """A whole visit: plugged in, charging at once, gone. `last`: its state before it left. The seq of its leaving."""
        self.plug(t, station, token, user_class, kwh=kwh, stated=stated, joined=joined)
        self.start(t, station, token)
        self.status(t, station, "Charging")
        if last != "Charging":
            self.status(t + seconds / 2, station, last)
        self.stop(t + seconds, station, wh)
        gone = self.unplug(t + seconds, station)
        self.status(t + seconds, station, "Available")
        return gone

    def grid(self, t: float, wh: float) -> int:
        body = {"current_a": [0, 0, 0], "voltage_v": [230, 230, 230], "power_w": 0, "energy_wh": wh}
        return self.add(t, "meter", "gm", "sample", body)

    def end(self, t: float) -> Run:
        self.add(t, "rig", "one", "end", {})
        return self

    def facts(self) -> Facts:
        return fold(head_from(self.records[0].body), self.records[1:])

    def figures(self) -> dict[str, Figure]:
        return by_key(figures(self.facts()))

    def write(self, path: Path) -> Path:
        path.write_text("".join(json.dumps(one._asdict()) + "\n" for one in self.records))
        return path
