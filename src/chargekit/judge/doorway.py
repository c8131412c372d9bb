"""Who knocked at the CSMS and with what, and which security events stations told: a fold of controller and wire records."""

from __future__ import annotations

from dataclasses import dataclass, field

from chargekit.model.security import neutral_event
from chargekit.world.history import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """A connection that was let in. `shown`: `nothing`, `password` or `certificate`; `resumed`: certificates were not shown anew."""

    seq: int
    secure: bool
    shown: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    seq: int
    reason: str


@dataclass(slots=True)
class Doorway:
    """Everything by station, in order. `hellos`: handshakes begun by anybody."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    events: dict[str, list[str]] = field(default_factory=dict)
    hellos: int = 0

    def take(self, record: Record) -> None:
        """Fold one record in."""
        body = record.body
        if record.witness == "controller" and record.kind == "admitted":
            entry = Entry(record.seq, bool(body["secure"]), str(body["shown"]), bool(body["resumed"]))
            self.entries.setdefault(record.subject, []).append(entry)
        elif record.witness == "controller" and record.kind == "refused":
            self.refusals.setdefault(record.subject, []).append(Refusal(record.seq, str(body["reason"])))
        elif record.witness == "controller" and record.kind == "hello":
            self.hellos += 1
        elif record.witness == "wire" and record.kind == "SecurityEventNotification.req" and body.get("dir") == "up":
            payload = body.get("payload")
            name = payload.get("type") if isinstance(payload, dict) else None
            self.events.setdefault(record.subject, []).append(neutral_event(str(name)))
