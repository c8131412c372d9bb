"""Messages on the station's display in 2.x (O01 to O06) and the running cost (I02)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator.services import Payload, Refusal, job, ready, service, watcher
from chargekit.wire.messages import Status
from chargekit.world.events import Effect

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

FORMATS: Final = frozenset({"ASCII", "UTF8", "URI"})
STATES: Final = frozenset({"Charging", "Faulted", "Idle", "Unavailable"})
LANGUAGES: Final = frozenset({"en", "de", "fr", "nl"})
RANK: Final = {"AlwaysFront": 0, "InFront": 1, "NormalCycle": 2}
MOST, PART, TIMER = 16, 8, "job/display"
Message = dict[str, Any]


def messages(station: Station) -> dict[str, Message]:
    kept: dict[str, Message] = station.memory.get("display", {})
    return kept


@service("SetDisplayMessage", "2.0.1", "2.1")
def set_message(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """A message of the same id is replaced (O06.FR.01), so is the one that was always in front (MessagePriorityEnumType)."""
    message = payload["message"]
    status, reason = _fault(station, message, now)
    if status:
        return {"status": status} | ({"statusInfo": {"reasonCode": reason}} if reason else {})
    kept = {n: m for n, m in messages(station).items() if message["priority"] != "AlwaysFront" or m["priority"] != "AlwaysFront"}
    kept[str(message["id"])] = message
    if len(kept) > MOST:
        return {"status": "Rejected", "statusInfo": {"reasonCode": "OutOfStorage"}}
    _keep(station, kept, now, out)
    return {"status": "Accepted"}


def _fault(station: Station, message: Message, now: float) -> tuple[str, str]:
    texts = [message["message"], *message.get("messageExtra", ())]
    if any(text["format"] not in FORMATS for text in texts):
        return "NotSupportedMessageFormat", ""
    if message.get("state", "Idle") not in STATES:
        return "NotSupportedState", ""
    if station.spec.ocpp != "2.0.1" and any(text.get("language", "en")[:2].lower() not in LANGUAGES for text in texts):
        return "LanguageNotSupported", ""
    if "transactionId" in message and message["transactionId"] not in _running(station):
        return "UnknownTransaction", ""
    start, end = (_time(station, message.get(name)) for name in ("startDateTime", "endDateTime"))
    if end is not None and (end <= station.own(now) or (start is not None and end <= start)):
        return "Rejected", "InvalidValue"
    return "", ""


def _running(station: Station) -> set[str]:
    return {o.tx.id or o.tx.ref for o in station.outlets.values() if o.tx is not None}


def _time(station: Station, text: str | None) -> float | None:
    try:
        return station.calendar.parse(text) if text else None
    except (ValueError, OverflowError):
        return None


def _keep(station: Station, kept: dict[str, Message], now: float, out: list[Effect]) -> None:
    station.keep("display", kept or None, out)
    plan(station, now, out)


@ready
def plan(station: Station, now: float, out: list[Effect]) -> None:
    """The next message to expire."""
    station.timers.pop(TIMER, None)
    ends = [t for m in messages(station).values() if (t := _time(station, m.get("endDateTime"))) is not None]
    if ends:
        station.timers[TIMER] = max(min(ends) - station.offset, now + 0.001)


@job("display")
def expire(station: Station, now: float, out: list[Effect]) -> None:
    """A message past its end is forgotten (O01.FR.07)."""
    own = station.own(now)
    _keep(station, {n: m for n, m in messages(station).items() if (_time(station, m.get("endDateTime")) or own + 1) > own}, now, out)


@watcher("display")
def unbind(station: Station, now: float, out: list[Effect]) -> None:
    """A message for a transaction goes with it (O02.FR.02)."""
    running = _running(station)
    kept = {n: m for n, m in messages(station).items() if m.get("transactionId") is None or m["transactionId"] in running}
    if len(kept) < len(messages(station)):
        _keep(station, kept, now, out)


def shown(station: Station, evse: int, now: float) -> list[str]:
    """What an EVSE's display cycles through now: the messages of the best priority that its state and time allow (O01.FR.06)."""
    own, outlet = station.own(now), station.outlets[evse]
    status = outlet.status()
    state = {Status.FAULTED: "Faulted", Status.UNAVAILABLE: "Unavailable"}.get(status, "Charging" if outlet.tx is not None else "Idle")
    tx = (outlet.tx.id or outlet.tx.ref) if outlet.tx is not None else None
    fits = [
        m
        for m in messages(station).values()
        if m.get("state", state) == state and m.get("transactionId", tx) == tx and (_time(station, m.get("startDateTime")) or own) <= own
    ]
    best = min((RANK[m["priority"]] for m in fits), default=0)
    return [m["message"]["content"] for m in fits if RANK[m["priority"]] == best]


@service("GetDisplayMessages", "2.0.1", "2.1")
def get_messages(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Those that meet every criterion given, in NotifyDisplayMessages; none is Unknown (O03, O04)."""
    found = [
        m
        for m in messages(station).values()
        if ("id" not in payload or m["id"] in payload["id"])
        and payload.get("priority", m["priority"]) == m["priority"]
        and ("state" not in payload or m.get("state") == payload["state"])
    ]
    if not found:
        return {"status": "Unknown"}
    for at in range(0, len(found), PART):
        body = {"requestId": payload["requestId"], "messageInfo": found[at : at + PART], "tbc": at + PART < len(found)}
        station.ask("NotifyDisplayMessages", body, now)
    return {"status": "Accepted"}


@service("ClearDisplayMessage", "2.0.1", "2.1")
def clear_message(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """O05.FR.01, FR.02."""
    kept = dict(messages(station))
    if kept.pop(str(payload["id"]), None) is None:
        return {"status": "Unknown"}
    _keep(station, kept, now, out)
    return {"status": "Accepted"}


@service("CostUpdated", "2.0.1", "2.1")
def cost_updated(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """The running cost, shown as long as its transaction runs (I02.FR.02, FR.03); of another transaction it is passed over."""
    costs = {k: v for k, v in station.memory.get("costs", {}).items() if k in _running(station)}
    if payload["transactionId"] in _running(station):
        costs[payload["transactionId"]] = payload["totalCost"]
    station.keep("costs", costs or None, out)
    for outlet in station.outlets.values():
        station.soon.append(lambda now, out, outlet=outlet: station.look_at_limits(outlet, now, out))  # type: ignore[misc]  # E16.FR.15
    return {}
