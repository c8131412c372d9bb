"""What goes wrong at the site, by the wire and the meters alone, or as somebody reported it: incidents begin here, and end.

A link that was away for a moment is none, and of a circuit without supply its stations' silence is a part. How a kind of incident shows:

| kind | subject | begins | ends |
|---|---|---|---|
| communications_lost | station | its link has been away for `AWAY_S` | it is back |
| meter_silent, meter_implausible | meter | it shows nothing, or what can't be, for `incidents.meter_stale` | it is believed again |
| unruly | station | it draws more than it was told | it does as it is told, or its session is over |
| circuit_lost | circuit | its meter shows no voltage; or all its stations fell silent together, no others | it is fed, or one is back |
| controller_restart | site | the controller is back | it decides again |
| profile_refused, default_refused | station | it refuses a limit | it takes one, or (a session's) there is nobody to limit |
| infeasible | circuit | for `INFEASIBLE_S` more could flow than it carries | no more |
| station_fault | station | an EVSE says Faulted | none does |
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chargekit.controller.incidents import About, Incident, Incidents
from chargekit.controller.meters import DOUBTS
from chargekit.controller.operating import Operating
from chargekit.controller.peer import Peer
from chargekit.model.points import point
from chargekit.policy.overrides import authorised
from chargekit.policy.schema import REPORTABLE
from chargekit.wire.messages import Status
from chargekit.world.events import Effect, Note

AWAY_S: Final = 15.0
SOON_S: Final = 0.001
INFEASIBLE_S: Final = 60.0
TOGETHER_S: Final = 10.0
"""Stations that fall silent within so long of each other fell silent together."""
BACK_S: Final = 120.0
"""How long stations have to come back once their circuit is fed again."""
DEAD_V, DEAD_A = 23.0, 1.0
"""A meter that shows less than that on every phase hangs on a dead circuit."""
MOST_REPORTS: Final = 64


@dataclass(slots=True)
class Watched:
    """What is remembered of causes. `below`: the stations of each circuit; `away`: since when a station's link is gone (or, for one known
    before the controller died, from when on that counts); `refused`: who refused what; `reports`: until when, by whom; `fed`: circuits
    whose meter has shown voltage; `mute`, `dark`: meters that can't be gone by, and circuits without supply, as looked at last; `at`: when
    to look again."""

    below: Mapping[str, Sequence[str]]
    away: dict[str, float] = field(default_factory=dict)
    refused: dict[About, str] = field(default_factory=dict)
    reports: dict[About, tuple[float, str]] = field(default_factory=dict)
    fed: dict[str, None] = field(default_factory=dict)
    mute: dict[str, str] = field(default_factory=dict)
    dark: dict[str, str] = field(default_factory=dict)
    at: float = math.inf


class Watching(Operating):
    """The part of the operator that keeps the incidents."""

    incidents: Incidents
    watched: Watched

    # --- causes that come with an event -------------------------------------------------------------------------

    def _incident(self, station: str, kind: str, why: str, out: list[Effect], now: float) -> None:
        """Something went wrong at a station."""
        if kind in ("profile_refused", "default_refused"):
            self.watched.refused[kind, station] = why
        self.incident_begins(kind, station, self._circuit(station), why, now, out)

    @point("controller.incident")
    def incident_begins(self, kind: str, subject: str, circuit: str, why: str, now: float, out: list[Effect], by: str = "") -> None:
        """A cause is there: one incident by subject and kind, however often it comes back."""
        self.incidents.begin(kind, subject, circuit, why, now, out, by)
        self.watched.at = min(self.watched.at, now + SOON_S)

    def _link(self, peer: Peer, up: bool, now: float) -> None:
        if up:
            self.watched.away.pop(peer.spec.id, None)
        else:
            self.watched.away[peer.spec.id] = now
        self.watched.at = min(self.watched.at, now + (SOON_S if up else AWAY_S))

    def _status(self, peer: Peer, status: Status, evse: int, now: float, out: list[Effect]) -> None:
        if status is Status.FAULTED and evse in peer.evses:
            self._incident(peer.spec.id, "station_fault", f"EVSE {evse} says Faulted", out, now)

    # --- looking ------------------------------------------------------------------------------------------------

    def watch(self, now: float, out: list[Effect]) -> None:
        """Look for what comes without an event, end what is over, tell whoever is to know."""
        watched = self.watched
        watched.reports = {about: said for about, said in watched.reports.items() if said[0] > now}
        watched.mute, watched.dark = self._mute(now), {}
        watched.dark = self._dark(now)
        for kind, subject, circuit, why in self._found(now):
            if (kind, subject) not in self.incidents.open:
                self.incident_begins(kind, subject, circuit, why, now, out)
        for one in list(self.incidents.open.values()):
            over = self.incident_over(one, now)
            if not over:
                one.gone_at = None
                continue
            self.incidents.gone(one.about, over, now, out)
            if one.kind == "circuit_lost":
                self._coming_back(one.subject, now)
        for one in list(self.incidents.open.values()):
            self.escalates(one, now, out)
        waiting = [since + AWAY_S for since in watched.away.values() if since + AWAY_S > now]
        watched.at = max(min([self.incidents.due(now), *waiting, *(until for until, _ in watched.reports.values())]), now + 1.0)

    def _found(self, now: float) -> Iterator[tuple[str, str, str, str]]:
        """(kind, subject, circuit, why) of what has no event of its own."""
        watched = self.watched
        for name, why in watched.dark.items():
            yield "circuit_lost", name, self.site.circuits[name].parent or name, why
        for name in watched.dark:
            # What its stations drew last, they draw no more.
            for station in watched.below[name]:
                for known in self.csms.peers[station].evses.values() if station in watched.away else ():
                    known.sample = None
        lost = {*watched.dark, *(subject for kind, subject in self.incidents.open if kind == "circuit_lost")}
        for station, since in watched.away.items():
            if now >= since + AWAY_S and not lost.intersection(self._above(station)):
                yield "communications_lost", station, self._circuit(station), "its link closed and has not come back"
        for meter, kind in watched.mute.items():
            circuit = self.meters.points[meter].circuit
            if circuit is not None and not lost.intersection(c.name for c in self.site.path(circuit)):
                why = (
                    "it shows nothing"
                    if kind == "meter_silent"
                    else "it shows less than the sessions draw, or power that it does not count"
                )
                yield kind, meter, circuit, f"{why}, for {self._stale_s():g} s"
        for (name, _), excess in self.infeasible.open.items():
            if now - excess.since >= INFEASIBLE_S:
                yield "infeasible", name, name, f"for {INFEASIBLE_S:g} s more could flow than {name} may carry"

    def _circuit(self, station: str) -> str:
        return self.csms.peers[station].spec.circuit

    def _above(self, station: str) -> list[str]:
        """A station's circuit and all above it."""
        return [c.name for c in self.site.path(self._circuit(station))]

    def _stale_s(self) -> float:
        return max(self.rules.meter_stale_s.value, 2.5 * self.every_s)

    def _mute(self, now: float) -> dict[str, str]:
        """The meters that can't be gone by, and the kind of incident that is. One has the time to show something first."""
        if now < self.watched_from + self._stale_s():
            return {}
        doubted = self.meters.doubted
        stale = self.meters.stale(now, self._stale_s())
        return {m.id: "meter_implausible" if doubted.get(m.id, 0) >= DOUBTS else "meter_silent" for m in stale}

    def _dark(self, now: float) -> dict[str, str]:
        """Circuits without supply, the topmost only, and how that shows."""
        shows: dict[str, str] = {}
        fed = self.watched.fed
        for name, (volts, amps) in self.meters.supply.items():
            if not all(volt < DEAD_V for volt in volts):
                fed[name] = None
            elif name in fed and max(amps) < DEAD_A:
                shows[name] = f"its meter shows {max(volts):.0f} V"
        for name in self._together(now):
            shows.setdefault(name, "all its stations fell silent together, others did not")
        return {name: why for name, why in shows.items() if not any(c.name in shows for c in list(self.site.path(name))[1:])}

    def _together(self, now: float) -> Iterator[str]:
        """Circuits all of whose stations fell silent together a while ago, while others are there."""
        away = self.watched.away
        if len(away) < 2 or not any(peer.online for peer in self.csms.peers.values()):
            return
        mute = {self.meters.points[name].circuit for name in self.watched.mute}
        gone = Counter(name for station in away for name in self._above(station))
        for name in (one for one in self.site.circuits if gone[one] >= 2):
            seen = [one for one in self.watched.below[name] if self.csms.peers[one].lives or one in away]
            times = [away[one] for one in seen if one in away]
            if len(times) < len(seen):
                continue
            apart = now < max(times) + TOGETHER_S or max(times) - min(times) > TOGETHER_S
            if apart and ("circuit_lost", name) not in self.incidents.open:
                continue
            if name in mute or name not in self.meters.supply or max(self.meters.supply[name][1]) < DEAD_A:
                yield name

    def _coming_back(self, circuit: str, now: float) -> None:
        """The stations of a circuit that is fed again start up now, and have the time to."""
        for station in self.watched.below[circuit]:
            if station in self.watched.away:
                self.watched.away[station] = now + BACK_S - AWAY_S

    # --- what is over -------------------------------------------------------------------------------------------

    @point("controller.incident_over")
    def incident_over(self, one: Incident, now: float) -> str:
        """Why an incident is over; "" while its cause is there."""
        if one.about in self.watched.reports:
            return ""
        over = self._over_now(one, now)
        return over and "it is no longer reported" if one.by else over

    def _over_now(self, one: Incident, now: float) -> str:
        peer = self.csms.peers.get(one.subject)
        match one.kind:
            case "communications_lost" if peer is not None and peer.online:
                return "its link is back"
            case "communications_lost" if peer is not None and (part := self._part_of(one.subject)):
                return f"it is a part of {part}"
            case "communications_lost" if peer is not None:
                return "" if one.subject in self.watched.away else "it is no longer reported"
            case "meter_silent" | "meter_implausible" if one.subject in self.meters.points:
                young = now < self.watched_from + self._stale_s()
                return "" if young or self.watched.mute.get(one.subject) == one.kind else "it is believed again"
            case "unruly":
                return "" if any(p.outgoing.unruly for p in self._of(one.subject)) else "it does as it is told, or its session is over"
            case "circuit_lost":
                return "" if one.subject in self.watched.dark else "it is fed again"
            case "controller_restart":
                return "" if now < self.hold_until else "decisions are made again"
            case "profile_refused":
                charges = any(p.known.session is not None for p in self._of(one.subject))
                return "" if one.about in self.watched.refused and charges else "it took a limit, or has no session any more"
            case "default_refused":
                return "" if one.about in self.watched.refused else "it took its default"
            case "infeasible":
                return "" if any(name == one.subject for name, _ in self.infeasible.open) else "what could flow is within the limit again"
            case "station_fault" if peer is not None:
                return "" if any(k.status is Status.FAULTED for k in peer.evses.values()) else "no EVSE says Faulted any more"
            case _:
                return "it is no longer reported"

    def _part_of(self, station: str) -> str:
        """The lost circuit a station hangs on, with the incident's id; "" for none."""
        above = self._above(station)
        lost = (one for one in self.incidents.open.values() if one.kind == "circuit_lost" and one.subject in above)
        return next((f"{one.id}: circuit {one.subject} is lost" for one in lost), "")

    def _of(self, station: str) -> list[Any]:
        return [self.places[station, n] for n in self.csms.peers[station].evses] if station in self.csms.peers else []

    @point("controller.escalation")
    def escalates(self, one: Incident, now: float, out: list[Effect]) -> None:
        """Whoever is to know by now that an incident is open is told."""
        self.incidents.escalate(one, now, out)

    # --- levers -------------------------------------------------------------------------------------------------

    def report(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> None:
        """Somebody reports a fault that can't be seen from here, with a reason and an end: `until`, or as long as an override may last."""
        rule = self.rules.override_rule
        kind, subject = str(args.get("kind") or ""), str(args.get("subject") or "")
        try:
            who, role = authorised(self.rules, rule, args, "report faults")
            circuit = self._reportable(kind, subject)
            until = args.get("until", now + rule.max_duration_s)
            if isinstance(until, bool) or not isinstance(until, (int, float)) or not now < until <= now + rule.max_duration_s:
                raise ValueError(f"a report lasts at most {rule.max_duration_s / 3600:g} h ({rule.source})")
            if not args.get("why"):
                raise ValueError(f"a report needs a reason: why ({rule.source})")
            if len(self.watched.reports) >= MOST_REPORTS and (kind, subject) not in self.watched.reports:
                raise ValueError(f"{MOST_REPORTS} reported faults are open")
        except ValueError as why:
            out.append(Note("controller", self.site.id, "report", {"refused": str(why), "kind": kind[:40], "subject": subject[:40]}))
            return
        by = who if role in ("", who) else f"{who} ({role})"
        self.watched.reports[kind, subject] = (float(until), by)
        self.incident_begins(kind, subject, circuit, f"reported by {by}: {args['why']}", now, out, by)

    def _reportable(self, kind: str, subject: str) -> str:
        """The circuit where a fault's capacity is missed. ValueError for a kind or subject that is not there."""
        if kind not in REPORTABLE:
            raise ValueError(f"{kind[:40]!r} can't be reported: {', '.join(REPORTABLE)}")
        if kind == "circuit_lost":
            if subject not in self.site.circuits:
                raise ValueError(f"no circuit is named {subject[:40]!r}")
            return self.site.circuits[subject].parent or subject
        if kind.startswith("meter"):
            if subject not in self.meters.points or self.meters.points[subject].circuit is None:
                raise ValueError(f"no circuit's meter is named {subject[:40]!r}")
            return str(self.meters.points[subject].circuit)
        if subject not in self.csms.peers:
            raise ValueError(f"no station is named {subject[:40]!r}")
        return self._circuit(subject)

    def clear(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> None:
        """Somebody says that a reported fault is over."""
        about = str(args.get("kind") or ""), str(args.get("subject") or "")
        try:
            authorised(self.rules, self.rules.override_rule, args, "clear faults")
            if about not in self.watched.reports:
                raise ValueError(f"no {about[0][:40]} of {about[1][:40]!r} is reported")
        except ValueError as why:
            out.append(Note("controller", self.site.id, "report", {"refused": str(why), "kind": about[0][:40], "subject": about[1][:40]}))
            return
        del self.watched.reports[about]
        self.watch(now, out)
