"""Holds in a running site: what is seen of every session, and what its hold makes of its demand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from chargekit.controller.allocator import Demand
from chargekit.controller.holds import (
    KEEPS,
    RULES,
    SERVED_A,
    WAITS,
    Hold,
    Seen,
    Standing,
    figures,
    hold_data,
    hold_of,
    moved,
    standing,
    turns_had,
)
from chargekit.controller.operating import Operating
from chargekit.controller.places import Key, Place
from chargekit.model.points import point

NEVER: Final = (-math.inf, "")


class Holding(Operating):
    """The part of the operator that remembers what a session had."""

    holds: dict[Key, Hold]
    standings: dict[Key, Standing | None]
    over_at: dict[str, float]
    """When a circuit was over its rating last."""
    _turned: dict[Key, int]
    _heard: dict[Key, float]
    _appetites: dict[Key, list[Any]]

    def _begin_holds(self) -> None:
        self.holds, self.standings, self.over_at, self._turned, self._heard, self._appetites = {}, {}, {}, {}, {}, {}

    def _look_back(self, now: float) -> None:
        """Before a decision: what became of what was given, and whose demand that changes."""
        for key, place in self.places.items():
            session, hold = place.known.session, self.holds.get(key)
            if session is None:
                if hold is not None:
                    del self.holds[key]
                    self.standings.pop(key, None)
                    self.notebook[f"hold/{key[0]}/{key[1]}"] = None
                continue
            if hold is None or hold.tx != session.tx:
                hold = self.holds[key] = Hold(session.tx)
            before = figures(hold)
            moved(hold, self._seen(place, hold, now), self.rules.holds, now)
            if figures(hold) != before:
                self.notebook[f"hold/{key[0]}/{key[1]}"] = hold_data(hold)
            self._note_appetite(place, session.tx)
            turns = self._turns_of(place, session.tx, self.class_name(session.token))
            if self._turned.get(key) != turns or self.standings.get(key) != self._standing(place, hold, now):
                self._turned[key] = turns
                self._changed[key] = place

    def _seen(self, place: Place, hold: Hold, now: float) -> Seen:
        lead, sample, read_at = place.outgoing.leading, place.known.sample, place.known.read_at
        lead_a = lead.most_a(now) if lead is not None else 0.0
        known = sample is not None and hold.on_since is not None and read_at > hold.on_since
        fresh = known and read_at > self._heard.get(place.key, -math.inf)
        if fresh:
            self._heard[place.key] = read_at
        drawn_a = max(sample.current_a) if known and sample is not None else None
        return Seen(lead_a >= SERVED_A - 1e-9, drawn_a, lead_a, place.outgoing.rating_a, self._over_rating(place)[0], fresh)

    def _over_rating(self, place: Place) -> tuple[float, str]:
        """When a circuit above was over its rating last, and which."""
        return max(((self.over_at[name], name) for name in place.path if name in self.over_at), default=NEVER) if self.over_at else NEVER

    def _standing(self, place: Place, hold: Hold, now: float, rank: int | None = None) -> Standing | None:
        session = place.known.session
        assert session is not None
        if rank is None:
            rank = place.demand.rank if place.demand is not None else 0
        rotation, on_s = self.rules.priority.rotation, self.rules.holds.on_s
        if rotation is not None and self.class_name(session.token) in rotation.classes:
            on_s = min(on_s, rotation.after_s)
        led = rank < 0 or self.leading(place.key[0], session.token, now) is not None
        return standing(hold, self.rules.holds, on_s, self._over_rating(place), now, led=led)

    def forgiven(self, since: float) -> None:
        """An override is over that led since then: who was paused meanwhile waits for no timer, and the pause counts for nothing."""
        for key, hold in self.holds.items():
            if hold.off_since is not None and hold.off_since >= since:
                hold.off_since, hold.pauses = None, max(0, hold.pauses - 1)
                self.notebook[f"hold/{key[0]}/{key[1]}"] = hold_data(hold)
                self._changed[key] = self.places[key]

    # --- what it makes of a demand ------------------------------------------------------------------------------

    @point("controller.hold")
    def held(self, place: Place, demand: Demand, now: float) -> Demand:
        """A demand as its hold has it: who keeps its minimum comes first among its peers, who waits asks for nothing yet."""
        hold = self.holds.get(place.key)
        stands = self._standing(place, hold, now, demand.rank) if hold is not None else None
        self.standings[place.key] = stands
        if stands is None or place.appetite.last:
            # One that draws nothing keeps nothing, and must be let off to be woken.
            return replace(demand, tie=(1, *demand.tie))
        change: dict[str, Any] = {"tie": (0 if stands.kind in KEEPS else 1, *demand.tie)}
        if stands.kind in WAITS:
            change |= {"most_a": 0.0, "floor_a": 0.0}
        elif stands.kind == "ramp":
            change["most_a"] = min(demand.most_a, max(demand.least_a, stands.figure))
        else:
            # What its plan, too, would take away in between.
            change["most_a"] = max(demand.most_a, demand.least_a)
        if stands.kind in KEEPS and self.rules.holds.against == "all":
            change["floor_a"] = max(demand.floor_a, demand.least_a)
        if stands.kind != "on":
            # That it keeps what it has for a while is as usual, and stands in the record of holds.
            change["because"] = f"{demand.because}, {self._clause(stands)}"
        return replace(demand, **change)

    @point("controller.turns")
    def turns(self, place: Place, user_class: str) -> int:
        """How many turns a session had, where no rule of its class says how turns are taken: who had more goes behind its peers."""
        session = place.known.session
        return self._turns_of(place, session.tx, user_class) if session is not None else 0

    def _turns_of(self, place: Place, tx: str, user_class: str | None) -> int:
        rotation = self.rules.priority.rotation
        if rotation is not None and user_class in rotation.classes:
            return 0
        return turns_had(self.desk.served.get((place.key[0], tx), 0.0), self.rules.holds.turn_s)

    def turns_clause(self, turns: int) -> str:
        """Why turns put somebody behind, for a `because`."""
        if not turns:
            return ""
        minutes = self.rules.holds.turn_s * (2**turns - 1) / 60
        had = f"{turns} turn{'s' if turns > 1 else ''}, {minutes:g} min of current"
        return f", behind peers with fewer turns: had {had} ({self._rule('turn')})"

    def _clause(self, stands: Standing) -> str:
        until = f" until {self._clock(stands.until)}" if stands.until is not None else ""
        match stands.kind:
            case "pauses":
                what = f"keeps its minimum: paused {stands.figure:g} times"
            case "off":
                what = f"waits{until}: paused at {self._clock(stands.since)}"
            case "overcurrent":
                what = f"waits{until}: {stands.about} was over its rating"
            case _:
                what = f"up by quarters{until}: {stands.about} was over its rating"
        return f"{what} ({self._rule(RULES[stands.kind])})"

    def _rule(self, name: str) -> str:
        return f"power.holds.{name}, {self.rules.holds.source(name)}"

    def _clock(self, t: float) -> str:
        return f"{self.csms.calendar.local(t):%H:%M:%S}"

    # --- over a death of the controller -------------------------------------------------------------------------

    def recall_holds(self, saved: Mapping[str, Any]) -> None:
        """What was written in an earlier life; of sessions that are over, nothing."""
        for key, place in self.places.items():
            data, session = saved.get(f"hold/{key[0]}/{key[1]}"), place.known.session
            if data is not None and session is not None and data.get("tx") == session.tx:
                self.holds[key] = hold_of(data)
            data = saved.get(f"appetite/{key[0]}/{key[1]}")
            if data is not None and session is not None and data[0] == session.tx:
                self._appetites[key] = data
                appetite = place.appetite
                appetite.least_a, appetite.used_a, appetite.took_a = (math.inf if a is None else float(a) for a in data[1:])

    def _note_appetite(self, place: Place, tx: str) -> None:
        """What a vehicle was seen to use goes to memory: not to ask for all its outlet gives again, and pause others for it."""
        appetite = place.appetite
        learned = [tx, appetite.least_a, *(None if math.isinf(a) else a for a in (appetite.used_a, appetite.took_a))]
        if self._appetites.get(place.key) != learned:
            self._appetites[place.key] = learned
            self.notebook[f"appetite/{place.key[0]}/{place.key[1]}"] = learned
