"""What the controller keeps over its own death, and how it comes back.

Written before it is sent: every change of a claim, a session or a lever is a `Save` carried out ahead of the messages of the same event.
A controller that returns knows what it promised, not what became of it. So a claim whose reply it missed counts as lost, and decisions
wait until the stations that were charging have been heard, or `SYNC_S`. Without any memory every EVSE counts with its rating until it is
seen idle or a new limit is seen to hold; what it may have been told is cleared and its transaction taken over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from chargekit.controller.dispatch import REACTION_S, SEEN_A, Claim
from chargekit.controller.peer import Peer
from chargekit.controller.places import Key, Place
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.model.profile import Purpose
from chargekit.model.session import Session as ChargingSession
from chargekit.policy.overrides import Override
from chargekit.policy.signals import Signal
from chargekit.wire.messages import (
    ChargingStateChanged,
    ClearProfile,
    Command,
    CommandReply,
    CompositeReply,
    Fact,
    GetComposite,
    Metered,
    Reply,
    Status,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    Trigger,
)  # fmt: skip
from chargekit.world.events import Closed, Effect, Event, Frame, Hand, Note, Opened, Save, Wake, Words

if TYPE_CHECKING:
    from chargekit.controller.csms import Controller
    from chargekit.controller.operator import Operator

SYNC_S: Final = 60.0
"""How long a controller that came back waits for those it knew to be charging, before it decides without them."""
ASK_S: Final = 30.0
IDLE: Final = frozenset({Status.AVAILABLE, Status.PREPARING, Status.FINISHING, Status.UNAVAILABLE, Status.FAULTED})
"""No energy flows and none may, until a transaction starts (1.6 section 4.9; 2.x: no cable, or out of order)."""


def claim_data(claim: Claim) -> list[Any]:
    """A claim as plain data; None for a lease without end."""
    until = None if math.isinf(claim.until) else claim.until
    return [claim.amps, until, claim.after_a, claim.accepted, claim.gone_after, claim.lost]


def claim_of(data: list[Any]) -> Claim:
    """A claim from plain data. One whose reply was still out is lost: nobody knows whether it leads."""
    amps, until, after_a, accepted, gone_after, lost = data
    return Claim(amps, math.inf if until is None else until, after_a, accepted, gone_after, lost or accepted is None)


class Memory:
    """The non-volatile memory of a controller, and its way back. `saved`: what it wrote in earlier lives. `back_at`: when it came back;
    None in the first life of a site, in which nothing was ever sent."""

    def __init__(self, csms: Controller, operator: Operator, saved: Mapping[str, Any], back_at: float | None) -> None:
        self.csms, self.operator, self.back_at = csms, operator, back_at
        self.boots = int(saved.get("boots", 0)) + 1
        self.blank = back_at is not None and "boots" not in saved
        self.before = str(saved.get("rules", ""))
        self.unheard: dict[Key, None] = {}
        """EVSEs that were charging when it died, and have not been heard since."""
        self.unproven: dict[Key, float] = {}
        """EVSEs of which nothing is known, and when they were asked last."""
        self._noted: dict[Key, None] = {}
        """Those that are written down as unproven: who dies before it knows more must not come back as if nothing had ever been sent."""
        self.asked: dict[str, None] = {}
        self.over: dict[tuple[str, str], None] = {}
        self._touched: dict[Key, Place] = {}
        self._sessions: dict[Key, ChargingSession | None] = dict.fromkeys(operator.places)
        self._levers: dict[str, Any] = {}
        self._incidents: tuple[int, dict[Any, Any]] = (0, {})
        self._next_tx = csms.next_tx
        self._base: dict[str, PhaseAmps] = {}
        self._begun = False
        for place in operator.places.values():
            place.outgoing.tell = partial(self._moved, place.outgoing.tell, place)
        if back_at is not None:
            self._return(saved, back_at)

    def _moved(self, tell: Any, place: Place) -> None:
        self._touched[place.key] = place
        tell()

    # --- remembering --------------------------------------------------------------------------------------------

    def _return(self, saved: Mapping[str, Any], now: float) -> None:
        operator, csms = self.operator, self.csms
        operator.returned, operator.hold_until = True, now + SYNC_S
        operator.decide_at, operator.poll_at = now + SYNC_S, now
        # A wall clock that was never the same twice gives transaction numbers nobody had, where memory has none.
        csms.next_tx = self._next_tx = int(saved.get("next_tx", 1 + int(now * 10.0)))
        operator.caps = {name: Limit(name, amps, rule="cap set by hand") for name, amps in saved.get("caps", {}).items()}
        operator.classes = dict(saved.get("classes", {}))
        operator.overrides = [operator.recalled(Override(**one)) for one in saved.get("overrides", ())]
        operator.signals.held = {name: Signal(**one) for name, one in saved.get("signals", {}).items()}
        operator.idle.recall(saved.get("idle", {}))
        self._levers = {name: saved[name] for name in ("caps", "classes", "overrides", "signals", "idle") if name in saved}
        for key, place in operator.places.items():
            data, name = saved.get(f"evse/{key[0]}/{key[1]}"), f"unproven/{key[0]}/{key[1]}"
            if self.blank or (name in saved and (data is None or data["session"] is None)):
                self.unproven[key] = -math.inf
            if name in saved:
                self._noted[key] = None
            if data is not None:
                self._recall(place, data)
            elif key in self.unproven:
                rating = place.outgoing.rating_a
                place.outgoing.recalled([Claim(rating, math.inf, rating, None, None, True)], None, False)
        self._recall_incidents(saved.get("incidents", {}), now)
        self._touched.clear()
        self._base = {name: (float(a), float(b), float(c)) for name, (a, b, c) in saved.get("base", {}).items()}
        operator.meters.recall(self._base, now)
        operator.desk.recall(saved, now)
        operator.recall_holds(saved)
        operator.planning.recall(saved)

    def _recall_incidents(self, saved: Mapping[str, Any], now: float) -> None:
        """What was open goes on. Stations that were known have the time to come back before they count as gone."""
        operator, watched = self.operator, self.operator.watched
        operator.incidents.recall(saved.get("incidents", {}))
        watched.reports = {(kind, subject): (until, by) for kind, subject, until, by in saved.get("reports", ())}
        watched.refused = {one.about: one.because for one in operator.incidents.open.values() if one.kind.endswith("_refused")}
        known = dict.fromkeys(key[0] for key, place in operator.places.items() if place.outgoing.default_a is not None)
        watched.away = dict.fromkeys(known, now + SYNC_S)
        for kind, subject in operator.incidents.open:
            if kind == "communications_lost":
                watched.away[subject] = now
            elif kind == "circuit_lost":
                watched.fed[subject] = None
        watched.at = now

    def _recall(self, place: Place, data: Mapping[str, Any]) -> None:
        place.outgoing.recalled([claim_of(one) for one in data["claims"]], data["default_a"], data["unruly"])
        place.peer.offset_s = data["offset_s"]
        place.day, place.count = data.get("day", 0), data.get("count", 0)
        if data["session"] is not None:
            session = ChargingSession(**data["session"])
            place.known.session = self._sessions[place.key] = session
            place.outgoing.running = True
            self.unheard[place.key] = None
            began = (session.evse, session.token, round(session.started, 3), data["register_wh"])
            self.csms.peers[session.station].started[began] = session.tx

    def saves(self, event: Event) -> list[Effect]:
        """What changed with this event, to be written before anything of it is sent."""
        out: list[Effect] = []
        if not self._begun:
            # Before it is known that there was a life: a death in between is one without memory.
            out += [Save(f"unproven/{name}/{number}", True) for name, number in self.unproven]
            self._noted = dict.fromkeys(self.unproven)
            out += self._begin()
        if isinstance(event, (Frame, Opened, Closed)) and event.peer in self.csms.peers:
            for number, known in self.csms.peers[event.peer].evses.items():
                key = event.peer, number
                if known.session is not self._sessions[key]:
                    self._sessions[key] = known.session
                    self._touched[key] = self.operator.places[key]
        for (name, number), place in self._touched.items():
            out.append(Save(f"evse/{name}/{number}", self._data(place)))
        self._touched.clear()
        # After what was learned of them: a death in between asks once more, it forgets nobody.
        for name, number in [key for key in self._noted if key not in self.unproven]:
            del self._noted[name, number]
            out.append(Save(f"unproven/{name}/{number}", None))
        if self.csms.next_tx != self._next_tx:
            self._next_tx = self.csms.next_tx
            out.append(Save("next_tx", self._next_tx))
        if isinstance(event, (Hand, Wake)):
            out += self._changed_levers()
        if isinstance(event, (Words, Wake)) and self.operator.meters.base != self._base:
            self._base = dict(self.operator.meters.base)
            out.append(Save("base", {name: list(amps) for name, amps in self._base.items()}))
        notebook = self.operator.notebook
        out += [Save(key, value) for key, value in notebook.items()]
        notebook.clear()
        return out + self._changed_incidents()

    def _changed_incidents(self) -> list[Effect]:
        stamp, reports = self.operator.incidents.stamp, self.operator.watched.reports
        if (stamp, reports) == self._incidents:
            return []
        self._incidents = stamp, dict(reports)
        rows = [[*about, until, by] for about, (until, by) in reports.items()]
        return [Save("incidents", {"incidents": self.operator.incidents.saved(), "reports": rows})]

    def _begin(self) -> list[Effect]:
        self._begun = True
        rules = self.operator.rules.revision
        out: list[Effect] = [Save("boots", self.boots), Save("rules", rules)]
        if self.back_at is not None:
            body: dict[str, Any] = {"boots": self.boots, "memory": not self.blank, "rules": rules, "sessions": len(self.unheard)}
            if self.before and self.before != rules:
                body["rules_before"] = self.before
            site, began = self.operator.site, list[Effect]()
            self.operator.incident_begins("controller_restart", site.id, site.root.name, "the controller was away", self.back_at, began)
            out += began
            out.append(Note("controller", self.operator.site.id, "restarted", body))
        return out

    @staticmethod
    def _data(place: Place) -> dict[str, Any]:
        outgoing, session = place.outgoing, place.known.session
        register = session.start_register_wh if session is not None else None
        return {
            "claims": [claim_data(one) for one in outgoing.claims], "default_a": outgoing.default_a, "unruly": outgoing.unruly,
            "session": None if session is None else {name: getattr(session, name) for name in ChargingSession.__slots__},
            "register_wh": register, "offset_s": place.peer.offset_s, "day": place.day, "count": place.count,
        }  # fmt: skip

    def _changed_levers(self) -> list[Effect]:
        operator, out = self.operator, list[Effect]()
        caps = {name: limit.limit_a for name, limit in operator.caps.items()}
        levers: dict[str, Any] = {
            "caps": caps, "classes": operator.classes, "overrides": operator.overrides, "signals": operator.signals.held,
            "idle": operator.idle.saved(),
        }  # fmt: skip
        if not any(levers.values()) and not self._levers:
            return out
        levers["overrides"] = [asdict(one) for one in operator.overrides]
        levers["signals"] = {name: asdict(one) for name, one in operator.signals.held.items()}
        for name, value in levers.items():
            if self._levers.get(name) != value:
                self._levers[name] = value.copy()
                out.append(Save(name, self._levers[name]))
        return out

    # --- coming back --------------------------------------------------------------------------------------------

    def linked(self, peer: Peer, now: float, out: list[Effect]) -> None:
        """A station is here again. Ask once what it does: status, reading, the limit in force; where nothing is known of it,
        its transaction, too, and take away what it was told by whoever was here before."""
        name = peer.spec.id
        if self.back_at is None or name in self.asked:
            return
        self.asked[name] = None
        for number in peer.evses:
            key = name, number
            blank = key in self.unproven
            if not blank and key not in self.unheard:
                continue
            self._ask(peer, Trigger("StatusNotification", number), number, now, out)
            if blank:
                self._ask(peer, ClearProfile(evse=number, purpose=Purpose.TX), number, now, out)
            else:
                self._ask(peer, GetComposite(number, 60, "A"), number, now, out)
            self._ask_reading(peer, number, now, out)

    def _ask(self, peer: Peer, command: Command, number: int, now: float, out: list[Effect]) -> None:
        self.csms.command(peer, command, now, out, ("recover", number, type(command).__name__))

    def _ask_reading(self, peer: Peer, number: int, now: float, out: list[Effect]) -> None:
        if (peer.spec.id, number) in self.unproven:
            self.unproven[peer.spec.id, number] = now
        # 1.6 names the transaction in its MeterValues, 2.x only in its TransactionEvent (F06.FR.07).
        if peer.version != "1.6":
            self._ask(peer, Trigger("TransactionEvent", number), number, now, out)
        self._ask(peer, Trigger("MeterValues", number), number, now, out)

    def replied(self, peer: Peer, number: int, asked: str, reply: CommandReply | None, now: float, out: list[Effect]) -> None:
        """What a station answered to a question of `linked`."""
        place = self.operator.places[(peer.spec.id, number)]
        match reply:
            case CompositeReply() if reply.accepted and reply.periods and reply.unit == "A":
                leads = reply.periods[0].limit
                known = place.outgoing.could_draw(now)
                if leads > known + SEEN_A and place.known.session is not None:
                    leads = min(leads, place.outgoing.rating_a)
                    place.outgoing.sent(Claim(leads, math.inf, leads, None, None, True))
                    why = f"says {leads:g} A lead; {known:g} A were known"
                    out.append(Note("controller", peer.spec.id, "incident", {"kind": "unknown limit", "because": why}))
                    self.operator.stir(None, now)
            case Reply() if asked == "ClearProfile" and reply.status in ("Accepted", "Unknown") and place.key in self.unproven:
                default = self.operator.rules.default_a.value
                if place.known.session is None and place.outgoing.default_a is not None:
                    cleared = Claim(default, math.inf, default)
                    place.outgoing.sent(cleared)
                    place.outgoing.accepted(cleared, now)
            case _:
                pass

    def told(self, peer: Peer, fact: Fact, now: float, out: list[Effect]) -> None:
        """What stations tell is held against what was remembered."""
        if self.back_at is None or not (self.unheard or self.unproven):
            return
        match fact:
            case StatusChanged():
                self._status(peer, fact, now, out)
            case Metered() | ChargingStateChanged():
                key = peer.spec.id, fact.evse
                if key in self.unproven:
                    self._meets(peer, fact, now, out)
                if isinstance(fact, Metered) and not fact.offline:
                    self._heard(key, now)
            case TransactionStarted():
                # Its profiles are of this controller's life: what leads is the default, then what is sent now.
                self._heard((peer.spec.id, fact.evse), now)
                self._idle((peer.spec.id, fact.evse), now)
            case TransactionEnded():
                for number, known in peer.evses.items():
                    if known.session is None:
                        self._heard((peer.spec.id, number), now)
            case _:
                pass

    def _status(self, peer: Peer, fact: StatusChanged, now: float, out: list[Effect]) -> None:
        key = peer.spec.id, fact.evse
        known = peer.evses.get(fact.evse)
        if known is None:
            return
        if key in self.unproven and fact.status in IDLE and known.session is None:
            self._idle(key, now)
        if key in self.unheard and fact.status is Status.AVAILABLE and known.session is not None:
            body = {"kind": "ended unseen", "because": f"nothing is plugged in any more; session of {known.session.token}"}
            out.append(Note("controller", peer.spec.id, "incident", body))
            known.session = known.sample = None
            self.operator.places[key].outgoing.ended()
            self.operator.stir(peer, now)
            self._heard(key, now)

    def _heard(self, key: Key, now: float) -> None:
        if key not in self.unheard:
            return
        del self.unheard[key]
        if not (self.unheard or self.blank or self.unproven):
            self.release(now)

    def _idle(self, key: Key, now: float) -> None:
        """Seen idle: nothing of what it was told before is left."""
        if self.unproven.pop(key, None) is not None:
            place = self.operator.places[key]
            outgoing = place.outgoing
            outgoing.recalled([c for c in outgoing.claims if not (c.lost and math.isinf(c.until))], outgoing.default_a, outgoing.unruly)
            self.operator.stir(None, now)

    def _meets(self, peer: Peer, fact: Metered | ChargingStateChanged, now: float, out: list[Effect]) -> None:
        """A reading of an EVSE nothing is known of: take over its transaction, or see that nothing flows."""
        key = peer.spec.id, fact.evse
        known, place = peer.evses[fact.evse], self.operator.places[key]
        if fact.tx and known.session is None and not fact.offline and (peer.spec.id, fact.tx) not in self.over:
            known.session = ChargingSession(peer.spec.id, fact.evse, "", fact.tx, now, 0.0)
            if fact.tx.isdigit():
                self.csms.next_tx = max(self.csms.next_tx, int(fact.tx) + 1)
            out.append(
                Note("controller", peer.spec.id, "incident", {"kind": "taken over", "because": f"transaction {fact.tx} was running"})
            )
            place.outgoing.running = True
            self.operator.stir(peer, now)
            self.operator.stir(None, now)
        if known.session is not None:
            # From here on the claim of its rating goes as every claim goes: by a newer one, accepted and seen.
            self.unproven.pop(key, None)
        elif isinstance(fact, Metered) and known.sample is not None:
            lead = place.outgoing.leading
            after = known.read_at > place.outgoing.settled_at + REACTION_S / 2
            if lead is not None and after and max(known.sample.current_a) <= lead.amps + SEEN_A:
                place.outgoing.ended()
                self.unproven.pop(key, None)
                self.operator.stir(None, now)

    def ended(self, peer: Peer, fact: TransactionEnded) -> None:
        """A transaction that is over is not taken over by a late reading."""
        if self.blank or self.unproven:
            self.over[(peer.spec.id, fact.tx)] = None

    def ask_again(self, now: float, out: list[Effect]) -> None:
        """Those still unknown are asked for another reading now and then."""
        for (name, number), at in list(self.unproven.items()):
            peer = self.csms.peers[name]
            if peer.online and now - at >= ASK_S:
                self._ask(peer, Trigger("StatusNotification", number), number, now, out)
                self._ask(peer, ClearProfile(evse=number, purpose=Purpose.TX), number, now, out)
                self._ask_reading(peer, number, now, out)

    def release(self, now: float) -> None:
        """Enough is known: decide."""
        self.operator.hold_until = min(self.operator.hold_until, now)
        self.operator.stir(None, now)
