"""The record of decisions: everything an allocation followed from, what came of it and what was sent, so that it can be done again.

One record of kind `decided` per decision in which anything relevant changed: as differences from the one before, and in full every
`FULL_EVERY` records. `controller.replaying` puts them together again. What is gone from a table by EVSE
is None in a difference. A body holds

| key | what |
|---|---|
| `id`, `full`, `rules` | the decision's number, whether it stands alone, the rulebook's revision |
| `limits` | `[circuit, A less the margin, kW, file, line, rule, A]` each, whole when anything in it changed; so are the next three |
| `reserved` | `[circuit, A on L1, L2, L3]`: what nobody can be given |
| `base` | the same, of that only what meters show beside the sessions |
| `concurrent` | caps on sessions `[circuit, most, file, line, groups]` |
| `budgets`, `reserved_by` | of AC and DC `[circuit, A, kind, file, line, rule]`, of a station's EVSEs `[…, ids, kW]` with `station <id>` |
| | for the kind; what of `reserved` is of a kind `[circuit, kind, A…]` |
| `next` | what the clock alone changes next `[run s, what, circuit, station, classes]` (`controller.upcoming`), whole as well |
| `overrides` | `[id, who, why, created, until, token, station, class, role, category, circuit, holds]`, whole as well |
| `demands` | by EVSE `[circuit, rank, tie, phases, least A, most A, because, weight, floor A, step A, group, A it can use, AC or DC]` |
| `sessions` | by EVSE `[token, class, rank's source, started, override, own rank, own because]` |
| `holds` | by EVSE with a hold in force `[kind, since, until, figure, about, its rule, file, line]` (`controller.holds`) |
| `responses` | by EVSE whose demand an incident changes `[incident, kind, subject, response, file, line,` and, before it, `rank, floor A, |
| | most A, weight]` |
| `lines` | by EVSE `[state, A it could draw, A in force, A said last, answer, lease's end]` |
| `grants`, `bounds` | by EVSE `[A, number of what bound it]`; the texts of those numbers |
| `tree`, `places`, `about` | in full ones only: circuits, EVSEs, and the figures and the clock all this refers to |
| `out`, `sum` | digests: of all the allocator returned; of this record and those it builds on |
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from chargekit.controller.allocator import Allocation, Budget, Concurrent, Demand
from chargekit.controller.feedback import LAST
from chargekit.controller.holds import RULES, Standing
from chargekit.controller.places import Answered, Place, id_of
from chargekit.controller.upcoming import Upcoming
from chargekit.model.limit import Limit, PhaseAmps
from chargekit.policy.layers import Sourced
from chargekit.policy.overrides import Override
from chargekit.world.events import Effect, Note

if TYPE_CHECKING:
    from chargekit.controller.operator import Operator

KIND: Final = "decided"
FULL_EVERY: Final = 200
WHOLE: Final = ("limits", "reserved", "base", "concurrent", "budgets", "reserved_by", "overrides", "next")
KEYED: Final = ("demands", "sessions", "responses", "holds", "lines", "grants", "bounds")
FIXED: Final = ("tree", "places", "about")

ENDLESS: Final = "infinity"

Row = list[Any]


class DecisionLog:
    """Notes what changed since the decision noted last. Compares values, never who holds them: what is kept elsewhere for speed only says
    where nothing can have changed."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.number = 0
        self._since_full = FULL_EVERY
        self._chain = ""
        self._out = ""
        self._whole: dict[str, list[Row]] = {name: [] for name in WHOLE}
        self._keyed: dict[str, dict[str, Row]] = {name: {} for name in KEYED}
        self._texts: dict[str, int] = {}
        self._seen: dict[str, object] = {}
        self._ruled: tuple[list[Override], dict[str, str]] = ([], {})
        self._demands: Sequence[Demand] | None = None
        self._rows: dict[str, Demand] = {}
        self._allocation: Allocation | None = None
        self._standings: dict[str, Standing | None] = {}
        self._upcoming = Upcoming(operator)

    def decided(
        self,
        now: float,
        demands: Sequence[Demand],
        tight: Sequence[Limit],
        reserved: Mapping[str, PhaseAmps],
        allocation: Allocation,
        out: list[Effect],
        concurrent: Sequence[Concurrent] = (),
    ) -> None:
        """Append the Note of a decision just dispatched, if it differs from the last one noted."""
        changed: dict[str, dict[str, Row | None]] = {name: {} for name in KEYED}
        dirty = self._touched(now)
        if demands is not self._demands:
            self._compare_demands(demands, changed, dirty)
        for key, place in dirty.items():
            self._put("lines", key, self._line(place, now), changed)
            self._put("sessions", key, self._session(place, now), changed)
        self._compare_holds(changed)
        if allocation is not self._allocation:
            self._compare_grants(allocation, changed)
        whole = self._compare_whole(now, tight, reserved, concurrent)
        if whole or any(changed.values()) or self.number == 0:
            self._note(now, whole, {name: rows for name, rows in changed.items() if rows}, out)

    # --- what changed -------------------------------------------------------------------------------------------

    def _touched(self, now: float) -> dict[str, Place]:
        """The EVSEs whose claims, link or session may have changed: those on circuits whose sums of reserves were made anew."""
        reserves = self.operator.reserves
        reserves.refresh(self.operator.reserve, now)
        found = {}
        ruled = (list(self.operator.overrides), dict(self.operator.classes))
        # Overrides and classes set by hand count for sessions that can't be led, too.
        every, self._ruled = ruled != self._ruled or bool(ruled[0]), ruled
        for name, places in reserves.at.items():
            held = reserves.held(name)
            if every or self._seen.get(name) is not held:
                self._seen[name] = held
                found.update({id_of(place.key): place for place in places})
        return found

    def _compare_demands(self, demands: Sequence[Demand], changed: dict[str, dict[str, Row | None]], dirty: dict[str, Place]) -> None:
        self._demands, before = demands, self._rows
        self._rows = {one.id: one for one in demands}
        known, by_id = self._keyed["demands"], self.operator.demanding
        for key, one in self._rows.items():
            old = before.get(key)
            if old is not one and old != one:
                place = dirty[key] = by_id(key)
                changed["demands"][key] = known[key] = _demand_row(one, self.operator.most_a(place))
                self._put("responses", key, _response_row(place.answered), changed)
        for key in before.keys() - self._rows.keys():
            del known[key]
            changed["demands"][key] = None
            self._put("responses", key, None, changed)

    def _compare_holds(self, changed: dict[str, dict[str, Row | None]]) -> None:
        before, self._standings = self._standings, {id_of(key): one for key, one in self.operator.standings.items()}
        for key, one in self._standings.items():
            if before.get(key) is not one:
                self._put("holds", key, self._hold(one) if one is not None else None, changed)
        for key in before.keys() - self._standings.keys():
            self._put("holds", key, None, changed)

    def _hold(self, one: Standing) -> Row:
        source = self.operator.rules.holds.source(RULES[one.kind])
        until = None if one.until is None else round(one.until, 3)
        return [one.kind, round(one.since, 3), until, one.figure, one.about, RULES[one.kind], source.file, source.line]

    def _put(self, section: str, key: str, row: Row | None, changed: dict[str, dict[str, Row | None]]) -> None:
        known = self._keyed[section]
        if known.get(key) != row:
            changed[section][key] = row
            if row is None:
                del known[key]
            else:
                known[key] = row

    def _compare_grants(self, allocation: Allocation, changed: dict[str, dict[str, Row | None]]) -> None:
        self._allocation, known, texts = allocation, self._keyed["grants"], self._texts
        for key, grant in allocation.grants.items():
            number = texts.get(grant.bound_by)
            if number is None:
                number = texts[grant.bound_by] = len(texts)
                self._put("bounds", str(number), [grant.bound_by], changed)
            row = known.get(key)
            if row is None or row[0] != grant.amps or row[1] != number:
                known[key] = changed["grants"][key] = [grant.amps, number]
        for key in known.keys() - allocation.grants.keys():
            del known[key]
            changed["grants"][key] = None
        self._out = digest_of(allocation)

    def _compare_whole(
        self, now: float, tight: Sequence[Limit], reserved: Mapping[str, PhaseAmps], concurrent: Sequence[Concurrent]
    ) -> dict[str, list[Row]]:
        operator = self.operator
        limits = zip(tight, operator.limits_at(now), strict=True)
        rows: dict[str, list[Row]] = {
            "limits": [[o.circuit, o.limit_a, o.limit_kw, o.source.file, o.source.line, o.rule, was.limit_a] for o, was in limits],
            "reserved": [[name, *amps] for name, amps in reserved.items() if any(amps)],
            "base": [[name, *amps] for name, amps in operator.meters.unexplained().items() if any(amps)],
            "concurrent": [[o.circuit, o.most, o.source.file, o.source.line, sorted(o.groups)] for o in concurrent],
            "budgets": [_budget_row(one) for one in operator.budgets],
            "reserved_by": [[name, current, *amps] for (name, current), amps in operator.spent_by.items()],
            "overrides": [_override_row(one) for one in operator.overrides],
            "next": self._upcoming.rows(now),
        }
        found = {name: rows[name] for name in WHOLE if rows[name] != self._whole[name]}
        self._whole.update(found)
        return found

    # --- rows ---------------------------------------------------------------------------------------------------

    def _line(self, place: Place, now: float) -> Row:
        """How an EVSE stands: whether it is led, what it could draw, what was said to it and what it said."""
        outgoing = place.outgoing
        lead, newest = outgoing.leading, outgoing.claims[-1] if outgoing.claims else None
        answer = "" if newest is None else "accepted" if newest.accepted else "lost" if newest.lost else "pending"
        return [
            self._state(place), finite(self.operator.reserve(outgoing, place.peer, now)), lead.amps if lead else None,
            newest.amps if newest else None, answer, finite(round(newest.until, 3)) if newest else None,
        ]  # fmt: skip

    def _state(self, place: Place) -> str:
        if place.peer.session is None:
            return "offline" if place.peer.lives else "unseen"
        if place.outgoing.unruly:
            return "unruly"
        if place.known.session is not None:
            return "led"
        return "unconfirmed" if place.outgoing.default_a is None else "idle"

    def _session(self, place: Place, now: float) -> Row | None:
        """Whose session runs there, and where its rank comes from; with an override, the rank it would have without."""
        session, operator = place.known.session, self.operator
        if session is None:
            return None
        name = operator.class_name(session.token)
        rule = operator.rules.classes.get(name) if name is not None else None
        source = str(rule.rank_source) if rule is not None else ""
        row: Row = [session.token, name or "", source, session.started, "", None, ""]
        override = operator.leading(place.key[0], session.token, now)
        if override is not None and (stands := operator.standing(place.key[0], session.token, now)) is not None:
            turns = operator.turns_clause(operator.turns(place, name or ""))
            row[4:] = [override.id, LAST if place.appetite.last else stands.rank, f"{stands.because}{turns}"]
        return row

    # --- writing ------------------------------------------------------------------------------------------------

    def _note(self, now: float, whole: dict[str, list[Row]], changed: Mapping[str, Mapping[str, Row | None]], out: list[Effect]) -> None:
        body: dict[str, Any] = {"id": self.number, "rules": self.operator.rules.revision, "full": False, **whole, **changed}
        if self._since_full >= FULL_EVERY:
            # Texts nobody is bound by any more are forgotten here.
            self._renumber()
            body |= {"full": True, **self._whole, **{name: dict(rows) for name, rows in self._keyed.items()}, **self._fixed()}
            self._since_full, self._chain = 0, ""
        body["out"] = self._out
        self.number += 1
        self._since_full += 1
        body = writable(body)
        self._chain = body["sum"] = chained(self._chain, now, body)
        out.append(Note("controller", self.operator.site.id, KIND, body))

    def _renumber(self) -> None:
        grants, bounds = self._keyed["grants"], self._keyed["bounds"]
        # By the grants and not by when each text came up: a record in full shows nothing of what was before it.
        used = list(dict.fromkeys(grants[key][1] for key in sorted(grants)))
        number = {old: new for new, old in enumerate(used)}
        texts = [bounds[str(old)][0] for old in used]
        self._keyed["grants"] = {key: [amps, number[old]] for key, (amps, old) in grants.items()}
        self._keyed["bounds"] = {str(n): [text] for n, text in enumerate(texts)}
        self._texts = {text: n for n, text in enumerate(texts)}

    def _fixed(self) -> dict[str, Any]:
        operator = self.operator
        site, rules = operator.site, operator.rules
        circuits = site.circuits.values()
        tree = [[c.name, c.parent, finite(c.rating_a), c.limit_kw, c.unbalance_a, c.source.file, c.source.line] for c in circuits]
        places = {id_of(p.key): [p.circuit, list(p.phases), p.outgoing.rating_a] for p in operator.places.values()}
        figures = {"margin": rules.margin_a, "fallback": rules.fallback_a, "default": rules.default_a, "lease": rules.lease_s}
        about: dict[str, Any] = {name: _sourced(figure) for name, figure in figures.items()}
        about |= {"site": site.id, "type": site.type, "epoch": site.calendar.iso(0.0), "zone": site.calendar.zone}
        return {"tree": tree, "places": places, "about": about}


def _sourced(figure: Sourced) -> Row:
    return [figure.value, figure.source.file, figure.source.line]


def _demand_row(one: Demand, own_a: float) -> Row:
    return [
        one.circuit, one.rank, _lists(one.tie), list(one.phases), one.least_a, one.most_a, one.because, one.weight, one.floor_a,
        one.step_a, one.group, own_a, one.current,
    ]  # fmt: skip


def _budget_row(one: Budget) -> Row:
    row: Row = [one.circuit, finite(one.limit_a), one.current, one.source.file, one.source.line, one.rule]
    return [*row, sorted(one.members), one.limit_kw] if one.members else row


def _override_row(one: Override) -> Row:
    row: Row = [one.id, one.who, one.why, one.created, one.until, one.token, one.station, one.user_class]
    return [*row, one.role, one.category, one.circuit, one.holds]


def _response_row(one: Answered | None) -> Row | None:
    if one is None:
        return None
    rank, floor_a, most_a, weight = one.before
    return [one.incident, one.kind, one.subject, one.how, one.source.file, one.source.line, rank, floor_a, most_a, weight]


def _lists(value: Any) -> Any:
    """Tuples as lists, at every depth, as they come back from a file; infinity, which JSON does not know, in a table."""
    if isinstance(value, float) and math.isinf(value):
        return {ENDLESS: math.copysign(1.0, value)}
    return [_lists(one) for one in value] if isinstance(value, (tuple, list)) else value


def finite(value: float) -> float | None:
    """JSON knows no infinity: None stands for it."""
    return value if math.isfinite(value) else None


# --- bytes ------------------------------------------------------------------------------------------------------


def digest_of(allocation: Allocation) -> str:
    """Of every byte of what the allocator returned."""
    grants: Iterable[Any] = map(list, allocation.grants.values())
    return _hash(dumped([list(grants), {name: list(amps) for name, amps in allocation.left.items()}]))


def chained(before: str, t: float, body: Mapping[str, Any]) -> str:
    """The digest of a record's body without its own `sum`, its time, and all records it builds on."""
    return _hash(before.encode() + dumped([round(t, 6), {name: value for name, value in body.items() if name != "sum"}]))


def dumped(value: Any) -> bytes:
    return orjson.dumps(writable(value), option=orjson.OPT_SORT_KEYS)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def writable(value: Any) -> Any:
    """The same, without the lone surrogates of hostile text that UTF-8 can't hold; the very same object if there are none."""
    try:
        orjson.dumps(value)
    except TypeError:
        return _clean(value)
    return value


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, (list, tuple)) else value
