"""Idle sessions: over of the vehicle's own accord while it stays plugged in. Its user is asked to move, then the session is ended.

What counts as evidence: the vehicle drew, or was offered at least 6 A from the start, and then drew less than the rule says while that
offer stood and its station told that the vehicle does not want any (SuspendedEV). A session that waits for power is offered none; one that
was paused and does not come back may be asleep: neither is idle until it has drawn again and stopped by itself. Who was asked stays idle
through a pause; whoever draws again is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chargekit.controller.places import Key, Place
from chargekit.wire.messages import CommandReply, OtherCommand, RemoteStop, Reply, Status
from chargekit.world.events import Effect, Note

if TYPE_CHECKING:
    from chargekit.controller.peer import Peer
    from chargekit.controller.steering import Steering

OFFER_A: Final = 6.0
SETTLE_S: Final = 60.0
"""A vehicle has so long to begin to draw what it is newly offered."""
STARTING_S: Final = 120.0
"""So long after its start a session may be without an offer, and its vehicle be awake for sure."""
AGAIN_S: Final = 300.0
TRIES: Final = 3
"""An end that is refused, or not answered, is asked for so often."""
MESSAGE_ID: Final = 7000
STAYS: Final = frozenset({Status.FINISHING, Status.OCCUPIED, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.PREPARING})


@dataclass(slots=True)
class Stay:
    """A vehicle at an EVSE. `offered`: since when at least 6 A have led without a gap; `over`: since when it has not wanted them;
    `fresh`: whether it can't be asleep by our doing; `asked`: when that was done; `tries` to end it, the last at `tried`. `ended`: its
    session is over, so only moving is left to ask for."""

    tx: str
    token: str
    offered: float | None = None
    over: float | None = None
    fresh: bool = True
    asked: float | None = None
    tries: int = 0
    tried: float = 0.0
    ended: bool = False


class IdleDesk:
    """The stays at a site's EVSEs, looked at whenever the operator decides. Does nothing without `power.idle`."""

    def __init__(self, operator: Steering) -> None:
        self.operator, self.rule = operator, operator.rules.power.idle
        self.stays: dict[Key, Stay] = {}
        self.dark: dict[str, None] = {}
        """Stations without a display that takes messages."""

    def tick(self, now: float, out: list[Effect]) -> None:
        """Look at everybody; ask and end whom it is due."""
        if self.rule is None:
            return
        for key, place in self.operator.places.items():
            stay = self._stay(place, now)
            if stay is None:
                continue
            if not stay.ended:
                stay.over = self.operator.over_since(place, stay, now)
            if stay.over is None:
                stay.asked = None
                continue
            self._act(key, place, stay, now, out)

    def _stay(self, place: Place, now: float) -> Stay | None:
        """Whose stay it is: that of the session, or of a vehicle that stays after its session's end."""
        session, stay = place.known.session, self.stays.get(place.key)
        if session is not None:
            if stay is None or stay.tx != session.tx:
                # One that was running before this controller's life may have been put to sleep in it.
                stay = self.stays[place.key] = Stay(session.tx, session.token, fresh=not self.operator.returned)
            return stay
        if stay is None:
            return None
        if place.known.status not in STAYS or stay.tries:
            del self.stays[place.key]
            return None
        if not stay.ended:
            stay.ended, stay.over = True, stay.over if stay.over is not None else now
        return stay

    def over_since(self, place: Place, stay: Stay, now: float) -> float | None:
        """Since when a running session has been over of its own accord; None while it is not, or nobody can tell."""
        assert self.rule is not None
        lead, sample, known = place.outgoing.leading, place.known.sample, place.known
        if place.peer.session is None or sample is None or place.outgoing.unruly:
            # Not heard: what was known stays known.
            return stay.over
        if max(sample.current_a) >= self.rule.below_a:
            stay.fresh, stay.over = True, None
        offered = lead is not None and lead.most_a(now) >= OFFER_A
        if not offered and place.appetite.mood != "asks":
            # It took nothing when it was offered; a pulse to wake it, or a rest, says nothing new.
            return stay.over
        if not offered:
            # Paused by us: who was asked before stays idle, of the others nothing can be said any more.
            stay.offered = None
            if stay.asked is None:
                began = known.session.started if known.session is not None else now
                stay.over, stay.fresh = None, stay.fresh and now - began <= STARTING_S
            return stay.over
        stay.offered = now if stay.offered is None else stay.offered
        if stay.over is not None or max(sample.current_a) >= self.rule.below_a:
            return stay.over
        wants_none = known.status is Status.SUSPENDED_EV and stay.fresh
        return known.read_at if wants_none and now - stay.offered >= SETTLE_S else None

    def saved(self) -> dict[str, list[object]]:
        """What is known of stays, as plain data, by `station/evse`."""
        return {f"{k[0]}/{k[1]}": [s.tx, s.token, s.over, s.fresh, s.asked, s.tries, s.tried, s.ended] for k, s in self.stays.items()}

    def recall(self, saved: Mapping[str, list[Any]]) -> None:
        """What was known before the controller died."""
        for key in self.operator.places:
            row = saved.get(f"{key[0]}/{key[1]}")
            if row is not None:
                tx, token, over, fresh, asked, tries, tried, ended = row
                self.stays[key] = Stay(tx, token, None, over, fresh, asked, tries, tried, ended)

    # --- what is done -------------------------------------------------------------------------------------------

    def _act(self, key: Key, place: Place, stay: Stay, now: float, out: list[Effect]) -> None:
        assert self.rule is not None and stay.over is not None
        user_class = self.operator.class_name(stay.token) or ""
        departs, _ = self.operator.desk.planned.get(stay.token, (None, None))
        idle_s = now - stay.over
        due = self.operator.idle_due(user_class, idle_s, None if departs is None else departs - now)
        if due and stay.asked is None:
            stay.asked = now
            how = self._show(place, stay, now, out) if self.rule.notify else "nobody is told at the station"
            self._note(place, stay, "asked", f"{how}; idle for {idle_s / 60:.0f} min, grace of {self.rule.grace_s / 60:g} min", now, out)
        if due == "released" and not stay.ended and self._may_try(stay, now):
            stay.tries, stay.tried = stay.tries + 1, now
            self.operator.csms.command(place.peer, RemoteStop(stay.tx), now, out, ("release", key[1], stay.tx))
            why = f"idle for {idle_s / 60:.0f} min, ended after {(self.rule.release_s or 0.0) / 60:g} min"
            self._note(place, stay, "released", why, now, out)

    @staticmethod
    def _may_try(stay: Stay, now: float) -> bool:
        return stay.tries == 0 or (stay.tries < TRIES and now - stay.tried >= AGAIN_S)

    def _show(self, place: Place, stay: Stay, now: float, out: list[Effect]) -> str:
        """On the station's display, where it may have one; in words, how its user was told."""
        peer = place.peer
        if peer.session is None or peer.version == "1.6" or peer.spec.id in self.dark:
            return "told by this record alone, the station shows no messages"
        minutes = self.rule.release_s / 60 if self.rule is not None and self.rule.release_s is not None and not stay.ended else None
        text = "Your vehicle has finished charging. Please move it: others are waiting."
        text += f" The session ends {minutes:g} minutes after it finished." if minutes is not None else ""
        message = {"id": MESSAGE_ID + place.key[1], "priority": "InFront", "message": {"format": "UTF8", "language": "en", "content": text}}
        message |= {} if stay.ended else {"transactionId": stay.tx}
        command = OtherCommand("SetDisplayMessage", {"message": message})
        self.operator.csms.command(peer, command, now, out, ("display", place.key[1]))
        return "asked on its display"

    def replied(self, peer: Peer, context: Sequence[object], reply: CommandReply | None, now: float, out: list[Effect]) -> None:
        """What a station said to a message for its display, or to the end of a session."""
        good = isinstance(reply, Reply) and reply.accepted
        if context[0] == "display" and reply is not None and not good:
            self.dark[peer.spec.id] = None
        if context[0] == "release" and not good:
            status = getattr(reply, "status", "") or "no answer"
            body = {"kind": "release refused", "because": f"transaction {context[2]}: {status}"}
            out.append(Note("controller", peer.spec.id, "incident", body))

    def _note(self, place: Place, stay: Stay, what: str, why: str, now: float, out: list[Effect]) -> None:
        assert self.rule is not None and stay.over is not None
        body = {
            "evse": place.key[1], "what": what, "token": stay.token, "class": self.operator.class_name(stay.token) or "",
            "since": round(stay.over, 3), "because": f"{why} ({self.rule.source})", "rules": self.operator.rules.revision,
        }  # fmt: skip
        out.append(Note("controller", place.key[0], "idle", body))
