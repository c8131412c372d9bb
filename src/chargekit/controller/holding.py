"""Holds in a running site: what is seen of every session, and what its hold makes of its demand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from chargekit.controller.allocator import Demand
from chargekit.controller.holds import (
    KEEPS,
    RELEASED,
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
from chargekit.world.events import Effect, Note

NEVER: Final = (-math.inf, "")
PULSE_LOOK_S: Final = 0.5
WORDS: Final[Mapping[str, str]] = {
    "wake": "offered current since {since} and draws nothing: its limit goes to 0 A for some seconds and comes back",
    "asleep": "offered current, woken {wakes} times, and draws nothing: it gets what all others leave until it draws",
    "idle": "draws nothing any more since {quiet}: it gets what all others leave until it draws",
    "awake": "draws again",
    "again": "tried again: it drew nothing when it was offered current last",
}  # fmt: skip


class Holding(Operating):
    """The part of the operator that remembers what a session had."""

    holds: dict[Key, Hold]
    standings: dict[Key, Standing | None]
    over_at: dict[str, float]
    """When a circuit was over its rating last."""
    _turned: dict[Key, int]
    _heard: dict[Key, float]

    def _begin_holds(self) -> None:
        self.holds, self.standings, self.over_at, self._turned, self._heard = {}, {}, {}, {}, {}

    def _look_back(self, now: float, out: list[Effect]) -> None:
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
            before, hold.uses_a = figures(hold), self.learned.get(key)
            since, quiet = hold.on_since, hold.quiet_since
            came_to = moved(hold, self._seen(place, hold, now), self.rules.holds, now)
            if came_to:
                self._came_to(place, hold, came_to, since or now, quiet or now, now, out)
            if figures(hold) != before:
                self.notebook[f"hold/{key[0]}/{key[1]}"] = hold_data(hold)
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
        return Seen(
            lead_a >= SERVED_A - 1e-9, drawn_a, lead_a, place.outgoing.rating_a, self._over(place)[0], fresh, place.known.evse.dc
        )  # fmt: skip

    def _over(self, place: Place) -> tuple[float, str]:
        """When a circuit above was over its rating last, and which."""
        return max(((self.over_at[name], name) for name in place.path if name in self.over_at), default=NEVER) if self.over_at else NEVER

    def _came_to(self, place: Place, hold: Hold, what: str, since: float, quiet: float, now: float, out: list[Effect]) -> None:
        if what == "paused":
            return
        if what == "wake":
            self.decide_at = min(self.decide_at, now + PULSE_LOOK_S)
        because = WORDS[what].format(since=self._clock(since), quiet=self._clock(quiet), wakes=hold.wakes)
        session = place.known.session
        token = session.token if session is not None else ""
        out.append(Note("controller", place.key[0], "sleeper", {"evse": place.key[1], "token": token, "what": what, "because": because}))

    def _standing(self, place: Place, hold: Hold, now: float, rank: int | None = None) -> Standing | None:
        session = place.known.session
        assert session is not None
        if rank is None:
            rank = place.demand.rank if place.demand is not None else 0
        rotation, on_s = self.rules.priority.rotation, self.rules.holds.on_s
        if rotation is not None and self.class_name(session.token) in rotation.classes:
            on_s = min(on_s, rotation.after_s)
        led = rank < 0 or self.leading_override(place.key[0], session.token, now) is not None
        return standing(hold, self.rules.holds, on_s, self._over(place), now, led=led)

    # --- what it makes of a demand ------------------------------------------------------------------------------

    @point("controller.hold")
    def held(self, place: Place, demand: Demand, now: float) -> Demand:
        """A demand as its hold has it: who keeps its minimum comes first among its peers, who waits asks for nothing yet."""
        hold = self.holds.get(place.key)
        stands = self._standing(place, hold, now, demand.rank) if hold is not None else None
        self.standings[place.key] = stands
        if hold is not None and hold.least_a > demand.least_a:
            demand = replace(demand, least_a=hold.least_a, most_a=max(demand.most_a, min(hold.least_a, place.outgoing.rating_a)))
        if stands is None:
            return replace(demand, tie=(1, *demand.tie))
        if stands.kind == "released":
            return self.released(place, replace(demand, tie=(1, *demand.tie)), stands)
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

    @point("controller.release")
    def released(self, place: Place, demand: Demand, stands: Standing) -> Demand:
        """A vehicle that draws nothing keeps nothing from anybody: behind all, without its floor."""
        return replace(demand, rank=RELEASED, floor_a=0.0, because=f"{demand.because}, {self._clause(stands)}")

    @point("controller.wake")
    def woken(self, place: Place, amps: float, now: float) -> float:
        """What is sent of a grant: nothing for some seconds, to wake a vehicle that does not answer."""
        hold = self.holds.get(place.key)
        return 0.0 if hold is not None and hold.pulsing(now) else amps

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
        return f", behind peers with fewer turns: had {turns}, {minutes:g} min ({self._rule('turn')})"

    def _clause(self, stands: Standing) -> str:
        until = f" until {self._clock(stands.until)}" if stands.until is not None else ""
        match stands.kind:
            case "pauses":
                what = f"keeps its minimum: paused {stands.figure:g} times"
            case "off":
                what = f"waits{until}: paused at {self._clock(stands.since)}"
            case "overcurrent":
                what = f"waits{until}: {stands.about} was over its rating"
            case "ramp":
                what = f"up by quarters{until}: {stands.about} was over its rating"
            case _:
                what = "behind all until it draws: offered current, it took none"
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
                self.holds[key] = hold = hold_of(data)
                if hold.uses_a is not None:
                    self.learned[key] = hold.uses_a
