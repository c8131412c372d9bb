"""Signals from the grid as the operator carries them out: which lead, what limits they are, and what each session keeps or is held to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from chargekit.controller.places import Place, id_of
from chargekit.controller.room import STATION, Budget
from chargekit.model.limit import Limit
from chargekit.policy.signals import NOMINAL_V, Signal, SignalRule, floor_a
from chargekit.wire.messages import LimitImposed
from chargekit.world.events import Effect, Note

if TYPE_CHECKING:
    from chargekit.controller.peer import Peer
    from chargekit.controller.steering import Steering

MOST_SIGNALS: Final = 1000
"""Kept at a time; stations may tell as many as they like."""


class SignalDesk:
    """The signals in force. `desk.held` by id, as saved over the controller's death."""

    def __init__(self, operator: Steering) -> None:
        self.operator = operator
        self.rules: Mapping[str, SignalRule] = operator.rules.power.signals
        self.held: dict[str, Signal] = {}

    # --- coming and going ---------------------------------------------------------------------------------------

    def take(self, args: Mapping[str, Any], now: float, out: list[Effect]) -> bool:
        """The lever `signal`: a new one, one that replaces that of the same id, or the early end of one (`until` not after now).
        True if what leads may be another now."""
        known, until = self.held.get(str(args.get("id", ""))), args.get("until")
        if known is not None and isinstance(until, int | float) and until <= now:
            self._ends(known, "withdrawn", out)
            return True
        site = self.operator.site
        try:
            signal = self.operator.signal_taken(args, now)
            if signal.station and (signal.station not in {s.id for s in site.stations}):
                raise ValueError(f"station {signal.station!r} is not known")
            if len(self.held) >= MOST_SIGNALS and signal.id not in self.held:
                raise ValueError(f"{MOST_SIGNALS} signals are in force already")
        except ValueError as why:
            said = {name: str(args.get(name, "")) for name in ("id", "kind", "who")}
            out.append(Note("controller", site.id, "signal", said | {"refused": str(why)}))
            return False
        self.held.pop(signal.id, None)
        self.held[signal.id] = signal
        rule = self.rules.get(signal.kind)
        body: dict[str, Any] = {name: value for name, value in asdict(signal).items() if value not in (None, "")}
        where = f" ({rule.source})" if rule is not None else ""
        body |= {"because": f"{signal.kind} to {signal.asks}{where}", "rules": self.operator.rules.revision}
        out.append(Note("controller", site.id, "signal", body))
        return True

    def imposed(self, peer: Peer, fact: LimitImposed, now: float, out: list[Effect]) -> bool:
        """A station tells that somebody limits it. What it draws is its own affair; what it can't use goes to others at once."""
        rule = self.rules.get("external")
        if rule is None or fact.limit_a is None or fact.generates:
            return False
        ident = _id_of(peer, fact.evse, fact.source)
        until = now + rule.longest_s
        known = self.held.get(ident)
        if known is not None and known.limit_a == fact.limit_a:
            self.held[ident] = replace(known, until=until)
            return False
        args = {"id": ident, "kind": "external", "who": fact.source, "until": until, "station": peer.spec.id, "evse": fact.evse}
        return self.take(args | {"limit_a": fact.limit_a}, now, out)

    def released(self, peer: Peer, evse: int, source: str, out: list[Effect]) -> bool:
        """It no longer does. True if it was known to."""
        known = self.held.get(_id_of(peer, evse, source))
        if known is not None:
            self._ends(known, "released", out)
        return known is not None

    def tick(self, now: float, out: list[Effect]) -> bool:
        """End what is over; True if anything was."""
        over = [one for one in self.held.values() if one.until <= now and not self.operator.signal_leads(one, now)]
        for one in over:
            self._ends(one, "over", out)
        return bool(over)

    def due(self, now: float) -> float:
        """When the next one ends."""
        return min((one.until for one in self.held.values() if one.until > now), default=math.inf)

    def _ends(self, one: Signal, why: str, out: list[Effect]) -> None:
        del self.held[one.id]
        out.append(Note("controller", self.operator.site.id, "signal", {"id": one.id, "kind": one.kind, "ended": why}))

    # --- what they come to --------------------------------------------------------------------------------------

    def leading(self, now: float) -> list[tuple[Signal, SignalRule]]:
        """Those in force, with their rules, in the order they came."""
        found = [(one, self.rules.get(one.kind)) for one in self.held.values() if self.operator.signal_leads(one, now)]
        return [(one, rule) for one, rule in found if rule is not None]

    def limits(self, now: float) -> list[Limit]:
        """The limits on circuits that follow."""
        return [self._limit(one, rule) for one, rule in self.leading(now) if one.circuit]

    def stations(self, now: float) -> tuple[Budget, ...]:
        """What those for a whole station leave its EVSEs together, the lowest of each unit; that of a station of one binds it alone."""
        lowest: dict[tuple[str, bool], tuple[float, Signal, SignalRule]] = {}
        for one, rule in self.leading(now):
            if one.station and not one.evse:
                key, amount = (one.station, one.limit_kw is None), one.limit_a if one.limit_kw is None else one.limit_kw
                if amount is not None and (key not in lowest or amount < lowest[key][0]):
                    lowest[key] = amount, one, rule
        members: dict[str, list[Place]] = {}
        for place in self.operator.places.values() if lowest else ():
            members.setdefault(place.key[0], []).append(place)
        found = []
        for (station, in_amps), (amount, one, rule) in lowest.items():
            places = members.get(station, [])
            if len(places) > 1:
                idents, name = frozenset(id_of(p.key) for p in places), f"{STATION}{station}"
                why = f"{one.who or 'somebody'} limits it"
                amps, kw = (amount, None) if in_amps else (math.inf, amount)
                found.append(Budget(places[0].circuit, amps, name, rule.source, why, idents, kw))
        return tuple(found)

    def _limit(self, one: Signal, rule: SignalRule) -> Limit:
        circuit = self.operator.site.circuits[one.circuit]
        name = f"{one.kind} {one.id} to {one.asks}"
        match one.kind:
            case "dimming":
                return self._dimmed(one, rule, name)
            case "level":
                assert one.level is not None
                lowest = min(limit.limit_a for limit in self.operator.rules.limits if limit.circuit == one.circuit)
                least = self._floors_a(one, rule)
                kept = f", not below the {rule.floor_kw:g} kW each keeps" if least > rule.shares[one.level] * lowest else ""
                return Limit(one.circuit, max(rule.shares[one.level] * lowest, least), rule.source, rule=name + kept)
            case _:
                amps = circuit.rating_a if one.limit_a is None else one.limit_a
                return Limit(one.circuit, amps, rule.source, one.limit_kw, name)

    def _dimmed(self, one: Signal, rule: SignalRule, name: str) -> Limit:
        """What is dimmed is what the chargers draw: what flows beside them comes on top, and so does what exempt sessions can use."""
        least_kw = exempt_kw = 0.0
        count = 0
        for place, user_class in self._under(one):
            kw = len(place.phases) * NOMINAL_V / 1000.0
            if self.operator.exempt(user_class, rule):
                exempt_kw += self.operator.most_a(place) * kw
            else:
                least_kw, count = least_kw + floor_a(rule, len(place.phases)) * kw, count + 1
        asked_kw = one.limit_kw if one.limit_kw is not None else (one.limit_a or 0.0) * 3 * NOMINAL_V / 1000.0
        kept_kw = self.operator.dimmed_kw(asked_kw, least_kw)
        more = f", {rule.floor_kw:g} kW kept for each of {count}" if kept_kw > asked_kw else ""
        more += f", {exempt_kw:.4g} kW exempt" if exempt_kw else ""
        beside_kw = sum(map(sum, self._beside(one.circuit))) * NOMINAL_V / 1000.0
        # Up to the next watt: a little less would be a tenth of an ampere less for somebody.
        total_kw = math.ceil((kept_kw + exempt_kw + beside_kw) * 1000.0 - 1e-6) / 1000.0
        return Limit(one.circuit, self.operator.site.circuits[one.circuit].rating_a, rule.source, total_kw, name + more)

    def _floors_a(self, one: Signal, rule: SignalRule) -> float:
        """The highest phase of a circuit, were all its sessions at their floor beside what else flows there; 0 without a floor."""
        if not rule.floor_kw:
            return 0.0
        amps = [sum(row[p] for row in self._beside(one.circuit)) + self.operator.rules.margin_a.value for p in range(3)]
        for place, _ in self._under(one):
            for phase in place.phases:
                amps[phase] += min(floor_a(rule, len(place.phases)), place.outgoing.rating_a)
        return max(amps)

    def _under(self, one: Signal) -> list[tuple[Place, str]]:
        """The sessions below a signal's circuit that can be led, with their classes."""
        operator = self.operator
        found = [place for place in operator.places.values() if place.session is not None and one.circuit in place.path]
        return [(place, operator.class_name(place.session.token) or "") for place in found if place.session is not None]

    def _beside(self, circuit: str) -> list[tuple[float, float, float]]:
        """What meters show beside the sessions, at the circuit and below it."""
        site, shown = self.operator.site, self.operator.meters.unexplained()
        return [amps for name, amps in shown.items() if any(c.name == circuit for c in site.path(name))]

    def at(self, place: Place, now: float) -> list[tuple[Signal, SignalRule]]:
        """Those in force that reach an EVSE."""
        station, number = place.key
        return [
            (one, rule) for one, rule in self.leading(now)
            if one.circuit in place.path or (one.station == station and one.evse in (0, number))
        ]  # fmt: skip


def _id_of(peer: Peer, evse: int, source: str) -> str:
    return f"{peer.spec.id}/{evse}/{source}".replace(";", ",")
