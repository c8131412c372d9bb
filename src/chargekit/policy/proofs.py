"""Policy tests as data: at a time, given a session and a state of the site, what the rules are expected to say, and because of what.

```yaml
- at: 2026-03-02 20:15
  given: {token: EMP-1, station: ac-01, soc: 40 %, departs_in: 30 min}
  expect: {class: employee, access: NotAtThisTime, rank: 3}
  because: mon-fri 07:00-19:00
```
`given: {fault: meter_silent, lasted: 6 min}` is an incident: `category`, `severity`, who was `told` by then, the `response`, and by it
the `standing` of the token's session (first, behind, even, suspended, as before). Times are on the site's clock. `rank` is counted from
1; `first` is before every class. `because` has to stand in one of the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chargekit.model.located import BadInput, Located, Source, nearest
from chargekit.model.site import Site
from chargekit.policy.access import SiteState, decide
from chargekit.policy.incidents import Response
from chargekit.policy.overrides import create
from chargekit.policy.priority import AHEAD, DAY_S, Ranked, SessionFacts, SiteFacts, rank
from chargekit.policy.proofs_power import POWER, PowerProofs, wanted
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.schema import KINDS
from chargekit.policy.windows import Moment, moment, parse_instant

GIVEN: Final = (
    "token", "station", "incident", "load", "departs_in", "soc", "served", "started", "past", "least_free", "override", "fault",
    "lasted", "idle", "signal",
)  # fmt: skip
EXPECT: Final = (
    "class", "access", "rank", "before", "behind", "floor", "limits", "override", "response", "standing", "category", "severity", "told",
    *POWER,
)  # fmt: skip
ASKED: Final = ("who", "role", "for", "why", "category", "user_class", "station", "circuit", "scope")
OF_TOKEN: Final = ("class", "access", "rank", "before", "behind", "floor", "standing", "idle", "held", "throttled", "min_first", "shift")


@dataclass(frozen=True, slots=True)
class Proof:
    """One expectation of a row: what it is about, where it is written, what was expected and what the rules say."""

    source: Source
    what: str
    expected: str
    found: str
    because: str = ""

    @property
    def ok(self) -> bool:
        return self.expected == self.found


def prove(rules: Rulebook, site: Site, rows: Located) -> Iterator[Proof]:
    """Every expectation of a test file, in its order. BadInput for rows that can't be understood."""
    if not rows.items():
        raise BadInput(rows.source, "a policy test without rows proves nothing")
    for row in rows:
        yield from _Row(rules, site, row.only("at", "given", "expect", "because")).proofs()


class _Row:
    def __init__(self, rules: Rulebook, site: Site, node: Located) -> None:
        self.rules, self.site, self.node = rules, site, node
        now = site.calendar.now_of(parse_instant(node.need("at"), site.calendar.zone))
        self.when: Moment = moment(site.calendar, now, rules.access.holidays)
        self.given = (node.get("given") or Located({}, node.source)).only(*GIVEN)
        self.expect = node.need("expect").only(*EXPECT)
        self.token = self.given.text("token", "")
        self.reasons: list[str] = []

    def proofs(self) -> Iterator[Proof]:
        if not self.expect.table():
            raise BadInput(self.expect.source, "nothing is expected here", f"one of {', '.join(EXPECT)}")
        if not self.token and any(self.expect.has(key) for key in OF_TOKEN):
            raise BadInput(self.given.source, "whose session is it?", "given: {token: ...}")
        for key, node in self.expect.table().items():
            if key not in POWER:
                yield from getattr(self, f"_{key}")(node)
                continue
            found, why = self._power().found(key, node)
            self.reasons += [why] if why else []
            yield Proof(node.source, f"{key} of {self.token}" if self.token else key, wanted(key, node), found, why)
        because = self.node.get("because")
        if because is not None:
            held = any(because.as_text() in reason for reason in self.reasons)
            found = because.as_text() if held else "; ".join(self.reasons) or "no reason"
            yield Proof(because.source, "because", because.as_text(), found)

    def _power(self) -> PowerProofs:
        departs = self.given.number("departs_in", "s") if self.given.has("departs_in") else None
        return PowerProofs(self.rules, self.site, self.when, self._name(self.token) or "" if self.token else "", self.given, departs)

    def _proof(self, node: Located, what: str, found: str, because: str = "") -> Iterator[Proof]:
        self.reasons += [because] if because else []
        yield Proof(node.source, what, node.as_text(), found, because)

    def _name(self, token: str) -> str | None:
        found = self.rules.class_of(token)
        return found.name if found is not None else None

    def _class(self, node: Located) -> Iterator[Proof]:
        yield from self._proof(node, f"class of {self.token}", self._name(self.token) or "none")

    def _access(self, node: Located) -> Iterator[Proof]:
        names = [s.id for s in self.site.stations]
        station = self.given.text("station", names[0])
        if station not in names:
            raise BadInput(self.given.need("station").source, f"station {station!r} is not known", nearest(station, names))
        load = self.given.number("load", "%", 0.0, least=0) / 100.0
        state = SiteState(self.given.flag("incident"), load)
        said = decide(self.rules.access, self.token, self._name(self.token), station, self.when, state)
        yield from self._proof(node, f"access of {self.token} at {station}", said.status, said.because)

    def _facts(self, name: str) -> SessionFacts:
        given, now = self.given, self.when.now
        departs = now + given.number("departs_in", "s") if given.has("departs_in") else None
        soc = given.number("soc", "%", least=0, most=100) if given.has("soc") else None
        past = tuple(
            (now - one.only("days_ago", "kwh").number("days_ago", "", least=0) * DAY_S, one.number("kwh", "kWh", least=0) * 1000.0)
            for one in given.list("past")
        )
        started = now - given.number("started", "s", 0.0, least=0)
        return SessionFacts(self.token, name, started, departs, soc, given.number("served", "s", 0.0, least=0), past)

    def _stands(self, node: Located) -> Ranked:
        name = self._name(self.token)
        if name is None:
            raise BadInput(node.source, f"{self.token} has no class, so no rank")
        free = SiteFacts(tuple(one.as_int() for one in self.given.list("least_free")))
        return rank(self.rules.priority, self._facts(name), self.when, free)

    def _rank(self, node: Located) -> Iterator[Proof]:
        stands = self._stands(node)
        found = "first" if stands.rank == AHEAD else str(stands.rank + 1)
        yield from self._proof(node, f"rank of {self.token}", found, stands.because)

    def _peers(self, node: Located, word: str, before: bool) -> Iterator[Proof]:
        """Others, of whom nothing is told, that it stands before or behind at the same time."""
        mine = self._stands(node)
        self.reasons.append(mine.because)
        for one in node:
            name = self._name(one.as_text())
            if name is None:
                raise BadInput(one.source, f"{one.as_text()} has no class, so no rank")
            other = rank(self.rules.priority, SessionFacts(one.as_text(), name, self.when.now), self.when, SiteFacts())
            a, b = (mine.rank, mine.tie), (other.rank, other.tie)
            held = a < b if before else a > b
            found = one.as_text() if held else f"not {one.as_text()}: {mine.because}; {other.because}"
            yield Proof(one.source, f"{self.token} stands {word}", one.as_text(), found)

    def _before(self, node: Located) -> Iterator[Proof]:
        yield from self._peers(node, "before", True)

    def _behind(self, node: Located) -> Iterator[Proof]:
        yield from self._peers(node, "behind", False)

    def _floor(self, node: Located) -> Iterator[Proof]:
        floor = self.rules.floors.get(self._name(self.token) or "")
        wanted = f"{node.as_number('A', least=0):g} A"
        yield Proof(node.source, f"floor of {self.token}", wanted, f"{floor.value if floor else 0.0:g} A")

    def _limits(self, node: Located) -> Iterator[Proof]:
        for name, one in node.table().items():
            if name not in self.site.circuits:
                raise BadInput(one.source, f"circuit {name!r} is not known", nearest(name, self.site.circuits))
            lowest = min((limit for limit in self.rules.limits if limit.circuit == name), key=lambda limit: limit.limit_a)
            self.reasons.append(f"{lowest.rule} ({lowest.source})")
            yield Proof(one.source, f"limit of {name}", f"{one.as_number('A', least=0):g} A", f"{lowest.limit_a:g} A")

    def _override(self, node: Located) -> Iterator[Proof]:
        """`given: {override: {who, for, why, category, …}}`."""
        asked = self.given.need("override").only(*ASKED)
        args: dict[str, object] = {name: one.as_text() for name, one in asked.table().items() if name != "for"}
        args = {"id": "test", "token": "" if asked.has("circuit") or asked.has("scope") else self.token, **args}
        if asked.has("for"):
            args["until"] = self.when.now + asked.number("for", "s")
        try:
            create(self.rules, args, self.when.now, self.site)
        except ValueError as why:
            yield from self._proof(node, "override", "refused", str(why))
        else:
            yield from self._proof(node, "override", "accepted", f"override by {args['who']} until its expiry")

    # --- incidents ----------------------------------------------------------------------------------------------

    def _fault(self) -> str:
        """The kind of incident that is open."""
        return self.given.one_of("fault", KINDS)

    def _answer(self) -> Response | None:
        """What the rules do about it by now, with the reason."""
        kind, lasted_s = self._fault(), self.given.number("lasted", "s", 0.0, least=0)
        found = self.rules.incidents.response_to(kind)
        if found is None or lasted_s < found.after_s:
            later = f" after {found.after_s:g} s ({found.source})" if found is not None else ""
            self.reasons.append(f"nothing is done about {kind}{later}")
            return None
        self.reasons.append(f"{found.how} ({found.source})")
        return found

    def _response(self, node: Located) -> Iterator[Proof]:
        found = self._answer()
        yield from self._proof(node, f"response to {self._fault()}", found.how if found is not None else "none")

    def _standing(self, node: Located) -> Iterator[Proof]:
        found = self._answer()
        says = found.says(self._name(self.token) or "") if found is not None else "as before"
        yield from self._proof(node, f"{self.token} while {self._fault()} is open", says)

    def _category(self, node: Located) -> Iterator[Proof]:
        found = self.rules.incidents.category_of(self._fault())
        yield from self._proof(node, f"category of {self._fault()}", found.name or "none", f"{found.name} ({found.source})")

    def _severity(self, node: Located) -> Iterator[Proof]:
        yield from self._proof(node, f"severity of {self._fault()}", self.rules.incidents.category_of(self._fault()).severity)

    def _told(self, node: Located) -> Iterator[Proof]:
        lasted_s = self.given.number("lasted", "s", 0.0, least=0)
        steps = [one for one in self.rules.incidents.category_of(self._fault()).steps if one.after_s <= lasted_s]
        self.reasons += [f"{one.to} after {one.after_s / 60:g} min ({one.source})" for one in steps]
        expected = ", ".join(one.as_text() for one in node)
        yield Proof(node.source, f"told of {self._fault()} after {lasted_s / 60:g} min", expected, ", ".join(one.to for one in steps))
