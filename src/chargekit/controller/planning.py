"""Planning for the operator: who wants what until when, what the day will be like, and what of the plan reaches the demands.

Only sessions somebody told a departure for are shaped, and only once seen to draw for a while: before, nobody knows on how many phases
and how strongly a vehicle charges. All others are planned with their full power for the hour to come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chargekit.controller.allocator import Demand
from chargekit.controller.forecast import Forecast
from chargekit.controller.places import Key, Place, id_of
from chargekit.controller.planner import Guide, Plan, Planner
from chargekit.controller.planner_model import SLOT_S, SLOTS, Floats, Outlook, Wish, kw
from chargekit.model.limit import NO_AMPS
from chargekit.model.session import Session
from chargekit.world.events import Effect, Note

if TYPE_CHECKING:
    from chargekit.controller.operator import Operator

KNOWN_S: Final = 120.0
"""How long a vehicle is watched drawing before it is shaped."""
DRAWS_A: Final = 2.0
UNTOLD_S: Final = 3600.0
DC_EFFICIENCY: Final = 0.94
OTHER_A: Final = 1.0
"""What a plan means then and now differs by at least so much, to be worth telling."""
_FLOORS: Final = "floor_a" in {field.name for field in fields(Demand)}
"""Whether the allocator knows floors."""


@dataclass(slots=True)
class Promise:
    """What was told of a session: when it leaves, and what it wants in all at the EVSE's meter. `tx`: the session it came to be of."""

    departs: float
    needs_kwh: float
    tx: str | None = None


class Planning:
    """The operator's plan. Does nothing unless the site's rules say `cost: {plan: true}`; what is told is kept all the same."""

    def __init__(self, operator: Operator) -> None:
        self.operator, self.on = operator, operator.rules.cost.plan
        self.planner = Planner(operator.site.circuits) if self.on else None
        self.forecast = Forecast()
        self.promises: dict[Key | str, Promise] = {}
        self.plan: Plan | None = None
        self.peak_kw = 0.0
        self._guides: dict[Key, Guide] = {}
        self._drew: dict[Key, tuple[str, float, tuple[int, ...]]] = {}
        self._planned: tuple[object, ...] = ()
        self._quarter = (-1, 0.0, 0)
        self._lacking: dict[str, int] = {}
        epoch = operator.site.calendar.epoch.timestamp()
        self._ahead_s = epoch % SLOT_S

    def promised(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> None:
        """The lever `set_departure`; what can't be is refused with a note."""
        departs, needs = args.get("departs"), args.get("needs_kwh")
        figures = [v for v in (departs, needs) if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
        key: Key | str | None = str(args["token"]) if args.get("token") else None
        if key is None and (args.get("station"), args.get("evse")) in self.operator.places:
            key = str(args["station"]), int(args["evse"])
        why = "a departure (run s) and an energy (kWh) are figures" if len(figures) < 2 else None
        why = why or ("a departure is for a token, or an EVSE of this site" if key is None else None)
        why = why or ("the departure has passed" if figures[0] <= now else "the energy is below 0" if figures[1] < 0 else None)
        body: dict[str, Any] = {"departs": departs, "needs_kwh": needs}
        if why is not None or key is None:
            out.append(Note("controller", self.operator.site.id, "departure", {"refused": why}))
            return
        for gone in [of for of, one in self.promises.items() if one.departs <= now]:
            self._write(gone, self.promises.pop(gone), gone=True)
        self.promises[key] = Promise(float(figures[0]), float(figures[1]))
        self._write(key, self.promises[key])
        out.append(Note("controller", self.operator.site.id, "departure", body | {"of": key if isinstance(key, str) else list(key)}))

    def _write(self, of: Key | str, one: Promise, *, gone: bool = False) -> None:
        """To memory: a promise survives the controller."""
        name = f"promise/token/{of}" if isinstance(of, str) else f"promise/evse/{of[0]}/{of[1]}"
        self.operator.notebook[name] = None if gone else [one.departs, one.needs_kwh, one.tx]

    def recall(self, saved: Mapping[str, Any]) -> None:
        """The promises written in earlier lives."""
        for name, value in saved.items():
            if not name.startswith("promise/"):
                continue
            _, kind, of = name.split("/", 2)
            station, _, evse = of.rpartition("/")
            key: Key | str = of if kind == "token" else (station, int(evse))
            if isinstance(key, str) or key in self.operator.places:
                self.promises[key] = Promise(float(value[0]), float(value[1]), value[2])

    def guided(self, place: Place, demand: Demand) -> Demand:
        """A demand as the plan would have it. Without a plan for it, as it is, behind those that are pressed for time."""
        if not self.on:
            return demand
        guide = self._guides.get(place.key)
        if guide is None:
            return replace(demand, tie=(math.inf, *demand.tie))
        urgency = math.floor(guide.urgency_s / SLOT_S) if guide.urgency_s < math.inf else math.inf
        most = min(demand.most_a, guide.most_a)
        change: dict[str, Any] = {"tie": (urgency, *demand.tie), "most_a": most}
        if _FLOORS:
            change["floor_a"] = min(guide.floor_a, most)
        change["because"] = f"{demand.because}; planned {guide.planned_a:.1f} A now" if demand.because else demand.because
        return replace(demand, **change)

    def look(self, now: float, out: list[Effect]) -> dict[Key, Place]:
        """Take what meters show, plan anew when it is time or somebody's wishes changed; the places whose guide is another now."""
        if self.planner is None:
            return {}
        self._see(now)
        starts = math.floor((now + self._ahead_s) / SLOT_S) * SLOT_S - self._ahead_s
        wishes, state = self._wishes(now)
        if state == self._planned and self.plan is not None and self.plan.starts == starts:
            return {}
        self._planned = state
        before, self._guides = self._guides, {}
        told = [key for key in self.operator.places if self._promise(key, now) is not None and self._shifts(key)]
        if told or self._lacking:
            # Where nobody said when it leaves there is nobody to guide, and a plan is for nothing.
            plan = self.plan = self.planner.plan(wishes, self.outlook(now, starts))
            self._tell(plan, out)
            self._guides = {key: plan.guides[id_of(key)] for key in told if self._known(key, now)}
        else:
            self.plan = None
        moved = [key for key in {**before, **self._guides} if before.get(key) != self._guides.get(key)]
        return {key: self.operator.places[key] for key in moved}

    def ahead(self) -> Iterator[tuple[str, float, float, float]]:
        """Of each session with a plan its next other figure: (EVSE, when, A per phase now, then), from the plan as it stands."""
        plan = self.plan
        for key in self._guides if plan is not None else ():
            assert plan is not None
            place, ident = self.operator.places[key], id_of(key)
            amps = (plan.power_kw(ident) / kw(1.0, place.phases)).tolist()
            other = next((n for n, one in enumerate(amps) if abs(one - amps[0]) >= OTHER_A), None)
            if other is not None:
                yield ident, plan.starts + other * SLOT_S, amps[0], amps[other]

    # --- who wants what -----------------------------------------------------------------------------------------

    def _promise(self, key: Key, now: float) -> Promise | None:
        """What is known of the session here; what was told of an EVSE holds for one session, of a token for each."""
        session = self.operator.places[key].session
        if session is None:
            return None
        if (of_place := self.promises.get(key)) is not None:
            if of_place.tx is None:
                of_place.tx = session.tx
                self._write(key, of_place)
            if of_place.tx != session.tx:
                self._write(key, self.promises.pop(key), gone=True)
        found = self.promises.get(key) or self.promises.get(session.token)
        return found if found is not None and found.departs > now else None

    def _shifts(self, key: Key) -> bool:
        """Whether the rules of cost let the plan move its class."""
        session = self.operator.places[key].session
        return session is not None and self.operator.shifts(self.operator.class_name(session.token) or "")

    def _known(self, key: Key, now: float) -> bool:
        return key in self._drew and now - self._drew[key][1] >= KNOWN_S

    def _wishes(self, now: float) -> tuple[list[Wish], tuple[object, ...]]:
        """The sessions as wishes, and all that makes another plan needed before the quarter-hour is over."""
        wishes: list[Wish] = []
        state: list[object] = []
        for key, place in self.operator.places.items():
            session = place.session
            if session is None:
                self._drew.pop(key, None)
                continue
            phases = self._phases(key, place, session, now)
            most_a = min(place.outgoing.rating_a, place.appetite.used_a)
            rank, _ = self.operator.rank_of(key[0], session.token, now)
            efficiency = DC_EFFICIENCY if place.known.evse.dc else 1.0
            promise = self._promise(key, now) if self._shifts(key) else None
            if promise is None:
                most_kw = kw(most_a, phases)
                wish = Wish(id_of(key), place.circuit, phases, most_kw, kw(6.0, phases), most_kw * UNTOLD_S / 3600.0, now + UNTOLD_S, rank)
                state.append((key, session.tx, rank))
            else:
                had = max(0.0, place.known.sample.energy_wh - session.start_register_wh) / 1000.0 if place.known.sample else 0.0
                left = max(0.0, promise.needs_kwh - had) / efficiency
                wish = Wish.ac(id_of(key), place.circuit, phases, most_a, left, promise.departs, rank=rank)
                told = promise.departs, promise.needs_kwh, self._known(key, now), left <= 0.0
                state.append((key, session.tx, rank, phases, round(most_a), *told))
            wishes.append(wish)
        return wishes, (*state, *((c, limit.limit_a) for c, limit in sorted(self.operator.caps.items())))

    def _phases(self, key: Key, place: Place, session: Session, now: float) -> tuple[int, ...]:
        """The site phases a vehicle was seen to use; all that are wired until then."""
        drew, sample = self._drew.get(key), place.known.sample
        if drew is not None and drew[0] != session.tx:
            drew = None
        if sample is not None and max(sample.current_a) >= DRAWS_A:
            used = tuple(p for n, p in enumerate(place.phases) if sample.current_a[n] >= 1.0)
            if drew is None or drew[2] != used:
                drew = session.tx, drew[1] if drew is not None else now, used or place.phases
        if drew is None:
            self._drew.pop(key, None)
            return place.phases
        self._drew[key] = drew
        return drew[2]

    # --- what the day will be like ------------------------------------------------------------------------------

    def _see(self, now: float) -> None:
        """What the meters show now: for the forecast, and the mean of this quarter-hour for the peak."""
        meters = self.operator.meters
        for circuit, (_, beside) in meters.shown.items():
            # What stations tell is older than what the meter shows: less than nothing is only believed where the sun could give it.
            sun, held = self.operator.sun_a[circuit], meters.base.get(circuit, NO_AMPS)
            one, two, three = (max(b, -sun) if b < 0.0 < sun else h for b, h in zip(beside, held, strict=True))
            self.forecast.take(circuit, now, (one, two, three))
        root = self.operator.site.root.name
        if root not in meters.shown:
            return
        quarter, total, count = self._quarter
        this = int((now + self._ahead_s) // SLOT_S)
        if this != quarter:
            if count:
                self.peak_kw = max(self.peak_kw, total / count)
            total, count = 0.0, 0
        self._quarter = this, total + meters.shown[root][0] / 1000.0, count + 1

    def outlook(self, now: float, starts: float) -> Outlook:
        """The day ahead: limits less the margin, the forecast, the tariff by local time."""
        operator, cost, calendar = self.operator, self.operator.rules.cost, self.operator.site.calendar
        limits: dict[str, float] = {}
        caps_kw: dict[str, float] = {}
        for limit in operator._tight(now):
            limits[limit.circuit] = min(limit.limit_a, limits.get(limit.circuit, math.inf))
            if limit.limit_kw is not None:
                caps_kw[limit.circuit] = min(limit.limit_kw, caps_kw.get(limit.circuit, math.inf))
        local = [calendar.local(starts + n * SLOT_S) for n in range(SLOTS)]
        price = np.array([cost.price_at(at.hour * 60 + at.minute) for at in local])
        base = {name: self._base(name, now, starts) for name in operator.site.circuits}
        return Outlook(now, starts, limits, base, {}, caps_kw, price, cost.demand_charge, self.peak_kw)

    def _base(self, circuit: str, now: float, starts: float) -> Floats:
        """What a circuit will carry beside our sessions: by its meter, or by those below it."""
        if circuit in self.operator.meters.shown:
            return self.forecast.ahead(circuit, now, starts, SLOTS)
        below = [c.name for c in self.operator.site.circuits.values() if c.parent == circuit]
        return sum((self._base(name, now, starts) for name in below), start=np.zeros((SLOTS, 3)))

    def _tell(self, plan: Plan, out: list[Effect]) -> None:
        """The plan, and every session that will go short, once for each kWh it changes by."""
        body = {"sessions": len(plan.energy_kwh), "how": plan.how, "cost": round(plan.cost, 4), "peak_kw": round(plan.peak_kw, 3)}
        out.append(Note("controller", self.operator.site.id, "plan", body))
        told, self._lacking = self._lacking, {}
        for one in plan.missing:
            key = next(k for k in self.operator.places if id_of(k) == one.id)
            session = self.operator.places[key].session
            if session is None or (key not in self.promises and session.token not in self.promises):
                continue
            self._lacking[one.id] = round(one.missing_wh / 1000.0)
            if told.get(one.id) != self._lacking[one.id]:
                lack = {"evse": key[1], "missing_wh": round(one.missing_wh), "because": one.because, "rules": self.operator.rules.revision}
                out.append(Note("controller", key[0], "unmet", lack))
