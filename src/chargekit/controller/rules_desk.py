"""The rules of access and priority as the operator asks them: what they need to know of sessions and site, from what was told and metered.

A turn is counted while a limit of at least 6 A leads. Energy of past sessions is by the registers told at their ends.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from chargekit.controller.csms import Controller
from chargekit.controller.meters import CircuitMeters
from chargekit.controller.places import Key, Place
from chargekit.model.limit import Limit
from chargekit.model.session import Session
from chargekit.model.site import Site
from chargekit.policy.access import Access, SiteState, decide
from chargekit.policy.priority import Ranked, SessionFacts, SiteFacts, rank
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.windows import Moment, moment, next_change
from chargekit.wire.messages import TransactionEnded
from chargekit.world.events import Effect, Json, Note

SERVED_A: Final = 6.0
LOOK_S: Final = 60.0
MOST_PAST, MOST_TOKENS, MOST_DAYS, MOST_REFUSED = 64, 20_000, 366, 256
"""What is kept: sessions of a token, tokens, days, refusals not yet noted."""


class RulesDesk:
    """`places`, `meters`: those of the operator, read live. What is to be known after a death of the controller goes into `notebook`."""

    def __init__(
        self, site: Site, rules: Rulebook, csms: Controller, meters: CircuitMeters, places: Mapping[Key, Place], notebook: dict[str, Json]
    ) -> None:
        self.notebook = notebook
        self.site, self.rules, self.csms, self.meters, self.places = site, rules, csms, meters, places
        self.groups = {token.upper(): group for token, group in rules.groups}
        self.served: dict[tuple[str, str], float] = {}
        """Seconds of current, by station and transaction."""
        self.past: dict[str, deque[tuple[float, float]]] = {}
        self.planned: dict[str, tuple[float, float | None]] = {}
        self._running: dict[tuple[str, str], Session] = {}
        self._least_free: dict[date, int] = {}
        self._refused: deque[tuple[float, str, str, Access]] = deque(maxlen=MOST_REFUSED)
        self._told: dict[str, tuple[str, Access]] = {}
        self._classes: dict[str, str | None] = {}
        self._ticked = self._again = 0.0
        self._written: dict[Key, tuple[str, float]] = {}
        self._moment: Moment | None = None

    def when(self, now: float) -> Moment:
        """The instant as the rules see it."""
        if self._moment is None or self._moment.now != now:
            self._moment = self.moment_at(now)
        return self._moment

    def moment_at(self, t: float) -> Moment:
        """Any other instant."""
        return moment(self.csms.calendar, t, self.rules.access.holidays)

    # --- access -------------------------------------------------------------------------------------------------

    def admitted(
        self, station: str, token: str, user_class: str | None, limits: Sequence[Limit], now: float, *, incident: bool = False
    ) -> Access:
        """Whether a token may charge at a station. Who charges there already may always be heard: to stop, too, takes an Authorize."""
        said = decide(self.rules.access, token, user_class, station, self.when(now), self.state(limits, incident=incident))
        if said.rule in ("place", "window", "guests") and self._charges(station, token):
            return Access("Accepted", "running", f"{token} charges at {station} already", said.source)
        if not said.accepted and self._told.get(station) != (token, said):
            self._told[station] = (token, said)
            self._refused.append((now, station, token, said))
        return said

    def _charges(self, station: str, token: str) -> bool:
        """Whether a session of this token, or of its group, runs at the station."""
        group = self.groups.get(token.upper())
        for known in self.csms.peers[station].evses.values():
            running = known.session.token.upper() if known.session is not None else ""
            if running and (running == token.upper() or (group is not None and self.groups.get(running) == group)):
                return True
        return False

    def state(self, limits: Sequence[Limit], *, incident: bool = False) -> SiteState:
        """How the site is. `incident`: one more than minor is open; a silent meter and an unruly station count at once."""
        incident = incident or any("silent" in one.rule for one in limits) or any(p.outgoing.unruly for p in self.places.values())
        root = self.site.root.name
        lowest = min((one.limit_a for one in limits if one.circuit == root), default=math.inf)
        drawn = max(self.meters.flows.get(root, (0.0,)))
        return SiteState(incident, drawn / lowest if lowest > 0 else 1.0)

    # --- priority -----------------------------------------------------------------------------------------------

    def standing(self, station: str, token: str, user_class: str | None, now: float) -> Ranked | None:
        """Where a session stands among all; None for a token of no class."""
        if user_class is None:
            return None
        sessions = [k.session for k in self.csms.peers[station].evses.values() if k.session is not None and k.session.token == token]
        started, served_s = now, 0.0
        if sessions:
            started = min(one.started for one in sessions)
            served_s = max(self.served.get((station, one.tx), 0.0) for one in sessions)
        departs, soc_percent = self.planned.get(token, (None, None))
        facts = SessionFacts(token, user_class, started, departs, soc_percent, served_s, tuple(self.past.get(token, ())))
        return rank(self.rules.priority, facts, self.when(now), self._site_facts(now))

    def again(self, now: float) -> bool:
        """Whether ranks may have moved by time alone: at the bounds of windows, and once a minute for departures, turns and triggers."""
        priority = self.rules.priority
        if not priority.timed or now < self._again:
            return False
        spans = [one.span for one in priority.windows if one.span is not None]
        self._again = min(now + LOOK_S, next_change(spans, self.csms.calendar, now))
        return True

    def class_of(self, token: str) -> str | None:
        """The class the rules give a token."""
        if token not in self._classes:
            if len(self._classes) >= MOST_TOKENS:
                self._classes.clear()
            found = self.rules.class_of(token)
            self._classes[token] = found.name if found is not None else None
        return self._classes[token]

    def place_of(self, user_class: str, now: float) -> int:
        """A class's place in the order in force, 0 first."""
        return self.rules.priority.order_at(self.when(now)).classes.index(user_class)

    def _site_facts(self, now: float) -> SiteFacts:
        if not self.rules.priority.triggers:
            return SiteFacts()
        today = self.when(now).local.date()
        return SiteFacts(tuple(self._least_free[day] for day in sorted(self._least_free, reverse=True) if day < today))

    def floor_a(self, user_class: str | None) -> float:
        """What a session of a class is promised, A per phase."""
        floor = self.rules.floors.get(user_class or "")
        return floor.value if floor is not None else 0.0

    # --- what is learned ----------------------------------------------------------------------------------------

    def departs(self, args: Mapping[str, Any]) -> None:
        """Dispatch says when a token's vehicle leaves, and how full it was, if it knows."""
        soc, token = args.get("soc_percent"), str(args["token"])
        self.planned[token] = told = (float(args["departs"]), float(soc) if soc is not None else None)
        self.notebook[f"planned/{token}"] = list(told)
        if len(self.planned) > MOST_TOKENS:
            del self.planned[oldest := next(iter(self.planned))]
            self.notebook[f"planned/{oldest}"] = None

    def tick(self, now: float, out: list[Effect]) -> None:
        """Time went by: turns and free EVSEs are counted, refusals noted."""
        took_s, self._ticked = now - self._ticked, now
        free = 0
        for place in self.places.values():
            session = place.known.session
            if session is None:
                free += 1
                continue
            at = (place.key[0], session.tx)
            self._running[at] = session
            if len(self._running) > 4 * len(self.places) + 8:
                # Ends that were never told.
                oldest = next(iter(self._running))
                del self._running[oldest]
                self.served.pop(oldest, None)
            lead = place.outgoing.leading
            if lead is not None and lead.most_a(now) >= SERVED_A:
                self.served[at] = self.served.get(at, 0.0) + took_s
                self._write(place.key, session.tx, self.served[at], now)
            elif at in self.served:
                self._write(place.key, session.tx, self.served[at], now, paused=True)
        if self.rules.priority.triggers:
            self._count_free(free, now)
        while self._refused:
            at_s, station, token, said = self._refused.popleft()
            body = {"token": token, "status": said.status, "rule": said.rule, "because": said.because, "at": round(at_s, 3)}
            out.append(Note("controller", station, "access", body))

    def _count_free(self, free: int, now: float) -> None:
        today = self.when(now).local.date()
        before = self._least_free.get(today)
        self._least_free[today] = least = free if before is None else min(free, before)
        if len(self._least_free) > MOST_DAYS:
            del self._least_free[min(self._least_free)]
        if least != before:
            self.notebook["least_free"] = {day.isoformat(): count for day, count in self._least_free.items()}

    def _write(self, key: Key, tx: str, served_s: float, now: float, *, paused: bool = False) -> None:
        """Time served goes to memory once a minute of it, and when it stands still."""
        before = self._written.get(key)
        if before is None or before[0] != tx or served_s - before[1] >= (0.001 if paused else LOOK_S):
            self._written[key] = (tx, served_s)
            self.notebook[f"served/{key[0]}/{key[1]}"] = [tx, round(served_s, 3), now]

    def ended(self, station: str, fact: TransactionEnded, now: float) -> None:
        """A transaction is over: what its token got is remembered."""
        session = self._running.pop((station, fact.tx), None)
        self.served.pop((station, fact.tx), None)
        if session is None:
            return
        got = fact.register_wh - session.start_register_wh
        if math.isfinite(got) and got >= 0.0:
            had = self.past.setdefault(session.token, deque(maxlen=MOST_PAST))
            had.append((now, got))
            self.notebook[f"past/{session.token}"] = [list(one) for one in had]
            if len(self.past) > MOST_TOKENS:
                del self.past[oldest := next(iter(self.past))]
                self.notebook[f"past/{oldest}"] = None

    # --- over a death of the controller -------------------------------------------------------------------------

    def recall(self, saved: Mapping[str, Any], now: float) -> None:
        """What was written in earlier lives. Who goes on by a limit that was known to lead was served meanwhile, too."""
        self._ticked = now
        for name, value in saved.items():
            kind, _, of = name.partition("/")
            if kind == "past":
                self.past[of] = deque(((float(at), float(wh)) for at, wh in value), maxlen=MOST_PAST)
            elif kind == "planned":
                self.planned[of] = (float(value[0]), None if value[1] is None else float(value[1]))
        self._least_free = {date.fromisoformat(day): int(count) for day, count in saved.get("least_free", {}).items()}
        for key, place in self.places.items():
            session, data = place.known.session, saved.get(f"served/{key[0]}/{key[1]}")
            if data is None or session is None or data[0] != session.tx:
                continue
            tx, served_s, at = data
            lead = place.outgoing.leading
            away_s = now - at if lead is not None and lead.most_a(now) >= SERVED_A else 0.0
            self.served[key[0], tx] = served_s + away_s
            self._written[key] = (tx, served_s)
