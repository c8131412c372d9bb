"""What the peers say and answer, written here by hand for each version of OCPP: payloads as they stand on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Payload = dict[str, Any]
OCPP2 = ("2.0.1", "2.1")


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def periods(*limits: float) -> list[Payload]:
    return [{"startPeriod": 300 * n, "limit": limit} for n, limit in enumerate(limits)]


class V16:
    """1.6 as a CSMS and as a station say it."""

    version = "1.6"
    tx = 77
    started, updated, stopped = "StartTransaction", "MeterValues", "StopTransaction"

    def csms_answers(self) -> dict[str, Payload]:
        tag = {"idTagInfo": {"status": "Accepted"}}
        return {
            "BootNotification": {"status": "Accepted", "interval": 300, "currentTime": "$now"},
            "Heartbeat": {"currentTime": "$now"},
            "StatusNotification": {},
            "Authorize": tag,
            "StartTransaction": {"transactionId": self.tx, **tag},
            "MeterValues": {},
            "StopTransaction": {},
        }

    def remote_start(self) -> tuple[str, Payload]:
        return "RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}

    def limit(self, tx: Any, amps: float) -> tuple[str, Payload]:
        schedule = {"chargingRateUnit": "A", "startSchedule": "2020-01-01T00:00:00Z", "chargingSchedulePeriod": periods(amps)}
        profile = {
            "chargingProfileId": 1, "transactionId": tx, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute", "chargingSchedule": schedule,
        }  # fmt: skip
        return "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}

    def remote_stop(self, tx: Any) -> tuple[str, Payload]:
        return "RemoteStopTransaction", {"transactionId": tx}

    def began(self, action: str, payload: Payload) -> Any:
        """The transaction's id if this message begins it."""
        return self.tx if action == self.started else None

    def went_on(self, action: str, payload: Payload) -> bool:
        return action == self.updated

    def ended(self, action: str, payload: Payload) -> Any:
        return payload["transactionId"] if action == self.stopped else None

    # --- as a station -------------------------------------------------------------------------------------------

    def station_answers(self) -> dict[str, Payload]:
        return {"SetChargingProfile": {"status": "Accepted"}, "ChangeConfiguration": {"status": "Accepted"}}

    def boot(self) -> tuple[str, Payload]:
        return "BootNotification", {"chargePointModel": "Model", "chargePointVendor": "Vendor"}

    def occupied(self) -> tuple[str, Payload]:
        return "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}

    def authorize(self, token: str) -> tuple[str, Payload]:
        return "Authorize", {"idTag": token}

    def token_status(self, answer: Payload) -> str:
        return str(answer["idTagInfo"]["status"])

    def start(self, token: str) -> tuple[str, Payload]:
        return self.started, {"connectorId": 1, "idTag": token, "meterStart": 1000, "timestamp": stamp()}

    def id_of(self, answer: Payload) -> Any:
        return answer["transactionId"]

    def profile(self, payload: Payload) -> Payload:
        found: Payload = payload["csChargingProfiles"]
        return {**found, "limits": [p["limit"] for p in found["chargingSchedule"]["chargingSchedulePeriod"]]}

    def metered(self, tx: Any) -> tuple[str, Payload]:
        value = {"timestamp": stamp(), "sampledValue": [{"value": "1200", "measurand": "Energy.Active.Import.Register"}]}
        return "MeterValues", {"connectorId": 1, "transactionId": tx, "meterValue": [value]}

    def stop(self, tx: Any) -> tuple[str, Payload]:
        return self.stopped, {"transactionId": tx, "meterStop": 1500, "timestamp": stamp()}


class V2:
    """2.0.1 and 2.1."""

    def __init__(self, version: str) -> None:
        self.version = version

    def csms_answers(self) -> dict[str, Payload]:
        return {
            "BootNotification": {"status": "Accepted", "interval": 300, "currentTime": "$now"},
            "Heartbeat": {"currentTime": "$now"},
            "StatusNotification": {},
            "Authorize": {"idTokenInfo": {"status": "Accepted"}},
            "TransactionEvent": {"idTokenInfo": {"status": "Accepted"}},
            "MeterValues": {},
        }

    def remote_start(self) -> tuple[str, Payload]:
        return "RequestStartTransaction", {"idToken": {"idToken": "TAG", "type": "ISO14443"}, "remoteStartId": 5, "evseId": 1}

    def limit(self, tx: Any, amps: float) -> tuple[str, Payload]:
        schedule = {
            "id": 1, "chargingRateUnit": "A", "startSchedule": "2020-01-01T00:00:00Z", "chargingSchedulePeriod": periods(amps),
        }  # fmt: skip
        profile = {
            "id": 1, "transactionId": tx, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Absolute",
            "chargingSchedule": [schedule],
        }  # fmt: skip
        return "SetChargingProfile", {"evseId": 1, "chargingProfile": profile}

    def remote_stop(self, tx: Any) -> tuple[str, Payload]:
        return "RequestStopTransaction", {"transactionId": tx}

    def _event(self, kind: str, action: str, payload: Payload) -> Any:
        return payload["transactionInfo"]["transactionId"] if action == "TransactionEvent" and payload["eventType"] == kind else None

    def began(self, action: str, payload: Payload) -> Any:
        return self._event("Started", action, payload)

    def went_on(self, action: str, payload: Payload) -> bool:
        return self._event("Updated", action, payload) is not None and "meterValue" in payload

    def ended(self, action: str, payload: Payload) -> Any:
        return self._event("Ended", action, payload)

    # --- as a station -------------------------------------------------------------------------------------------

    def station_answers(self) -> dict[str, Payload]:
        result = {"attributeStatus": "Accepted", "component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
        return {"SetChargingProfile": {"status": "Accepted"}, "SetVariables": {"setVariableResult": [result]}}

    def boot(self) -> tuple[str, Payload]:
        return "BootNotification", {"reason": "PowerUp", "chargingStation": {"model": "Model", "vendorName": "Vendor"}}

    def occupied(self) -> tuple[str, Payload]:
        return "StatusNotification", {"timestamp": stamp(), "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}

    def authorize(self, token: str) -> tuple[str, Payload]:
        return "Authorize", {"idToken": {"idToken": token, "type": "ISO14443"}}

    def token_status(self, answer: Payload) -> str:
        return str(answer["idTokenInfo"]["status"])

    def _told(self, kind: str, reason: str, seq: int, wh: float, **more: Any) -> tuple[str, Payload]:
        value = {
            "timestamp": stamp(), "sampledValue": [{"value": wh, "measurand": "Energy.Active.Import.Register"}],
        }  # fmt: skip
        return "TransactionEvent", {
            "eventType": kind, "timestamp": stamp(), "triggerReason": reason, "seqNo": seq,
            "transactionInfo": {"transactionId": "tx-1", "chargingState": "Charging"}, "evse": {"id": 1, "connectorId": 1},
            "meterValue": [value], **more,
        }  # fmt: skip

    def start(self, token: str) -> tuple[str, Payload]:
        return self._told("Started", "Authorized", 0, 1000, idToken={"idToken": token, "type": "ISO14443"})

    def id_of(self, answer: Payload) -> Any:
        return "tx-1"

    def profile(self, payload: Payload) -> Payload:
        found: Payload = payload["chargingProfile"]
        return {**found, "limits": [p["limit"] for p in found["chargingSchedule"][0]["chargingSchedulePeriod"]]}

    def metered(self, tx: Any) -> tuple[str, Payload]:
        return self._told("Updated", "MeterValuePeriodic", 1, 1200)

    def stop(self, tx: Any) -> tuple[str, Payload]:
        return self._told("Ended", "StopAuthorized", 2, 1500)


def words(version: str) -> V16 | V2:
    return V16() if version == "1.6" else V2(version)
