"""`power.signals`: limits from the grid that come as a signal, how each kind is taken, and what a signal may ask.

`dimming` (as section 14a of the German EnWG has it) limits what the chargers below a circuit draw together, in kW or A, and never to less
than `floor` for each that charges. `level` (as in OpenADR) leaves a share of the import limit. `external` is what a station tells that
somebody imposed on it (NotifyChargingLimit), or that somebody else knows of.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chargekit.model.located import BadInput, Located, Source, nearest
from chargekit.policy.people import named_classes

KINDS: Final = ("dimming", "level", "external")
KEYS_OF: Final = {
    "dimming": ("longest", "floor", "exempt", "first"),
    "level": ("longest", "shares", "floor", "exempt", "first"),
    "external": ("longest",),
}
FLOOR_KW: Final = 4.2
"""What a controllable device keeps when a network operator dims it (BNetzA BK6-22-300, annex 1)."""
NOMINAL_V: Final = 230.0


@dataclass(frozen=True, slots=True)
class SignalRule:
    """How one kind of signal is taken. `longest_s`: how long one may last at most. `floor_kw`: what each session keeps, where the limits
    allow it. `exempt`: classes it takes nothing from; `first`: those who give first. `shares`: of a level, of the import limit."""

    kind: str
    longest_s: float
    floor_kw: float
    exempt: tuple[str, ...]
    first: tuple[str, ...]
    shares: tuple[float, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal in force from `begun` until `until` (run seconds), and not at it. Of a circuit, or (`station`, `evse`; 0: the station) of
    an EVSE; exactly one of `limit_kw` (all phases together), `limit_a` (per phase) and `level` says how much."""

    id: str
    kind: str
    who: str
    begun: float
    until: float
    circuit: str = ""
    station: str = ""
    evse: int = 0
    limit_kw: float | None = None
    limit_a: float | None = None
    level: int | None = None

    @property
    def asks(self) -> str:
        """What it asks for, in words."""
        if self.level is not None:
            return f"level {self.level}"
        return f"{self.limit_kw:g} kW" if self.limit_kw is not None else f"{self.limit_a:g} A"


def parse_signals(node: Located | None, classes: Collection[str]) -> dict[str, SignalRule]:
    """By kind. BadInput for one that has no longest time, for shares that rise, and classes that are not there."""
    found = {}
    for kind, one in (node.table() if node is not None else {}).items():
        if kind not in KINDS:
            raise BadInput(one.source, f"no kind of signal is named {kind!r}", nearest(kind, KINDS))
        one.only(*KEYS_OF[kind])
        if not one.has("longest"):
            raise BadInput(one.source, f"{kind} without 'longest': a signal whose end got lost would hold for ever", "longest: 2 h")
        shares = tuple(s.as_number("%", least=0, most=100) / 100.0 for s in one.list("shares")) if kind == "level" else ()
        if kind == "level" and (len(shares) < 2 or list(shares) != sorted(shares, reverse=True)):
            raise BadInput(one.source, "the shares of the levels, 0 first, from high to low expected", "shares: [100 %, 75 %, 50 %, 25 %]")
        exempt, first = (named_classes(one.get(key), classes) for key in ("exempt", "first"))
        both = [name for name in exempt if name in first]
        if both:
            raise BadInput(one.source, f"{both[0]} can't give first and be exempt")
        floor = one.number("floor", "kW", FLOOR_KW if kind == "dimming" else 0.0, least=0)
        found[kind] = SignalRule(kind, one.number("longest", "s", least=60), floor, exempt, first, shares, one.source)
    return found


def taken(rules: Mapping[str, SignalRule], args: Mapping[str, Any], now: float, circuits: Collection[str], root: str) -> Signal:
    """A signal from a lever's arguments. ValueError says why it is refused."""
    kind, until = str(args.get("kind", "")), args.get("until")
    rule = rules.get(kind)
    if rule is None:
        raise ValueError(f"no rule of this site takes signals of kind {kind!r} (power: signals:)")
    if not args.get("id"):
        raise ValueError("a signal needs an id: it is ended and replaced by it")
    if not isinstance(until, int | float) or not _figure(until):
        raise ValueError("a signal needs an end: until")
    end = float(until)
    if not now < end <= now + rule.longest_s:
        raise ValueError(f"a {kind} lasts at most {rule.longest_s / 3600:g} h ({rule.source})")
    given = [name for name in ("limit_kw", "limit_a", "level") if args.get(name) is not None]
    if given != (["level"] if kind == "level" else given[:1]) or not given or (kind != "level" and given == ["level"]):
        wanted = "its level" if kind == "level" else "either limit_kw or limit_a"
        raise ValueError(f"a {kind} says {wanted}, found {', '.join(given) or 'none'}")
    amount = args[given[0]]
    if not _figure(amount) or amount < 0:
        raise ValueError(f"{given[0]}: a figure of at least 0 expected")
    if kind == "level" and amount not in range(len(rule.shares)):
        raise ValueError(f"level {amount:g} is not known: 0 to {len(rule.shares) - 1} are ({rule.source})")
    circuit, station = str(args.get("circuit") or ("" if args.get("station") else root)), str(args.get("station", ""))
    if kind != "external" and (station or circuit not in circuits):
        raise ValueError(f"a {kind} is for a circuit of this site")
    if circuit and circuit not in circuits:
        raise ValueError(f"circuit {circuit!r} is not known")
    figures: dict[str, Any] = {given[0]: int(amount) if kind == "level" else float(amount)}
    # Reasons are clauses parted by semicolons: nobody's name may add one.
    who = str(args.get("who", "")).replace(";", ",")
    return Signal(str(args["id"]), kind, who, now, end, circuit, station, int(args.get("evse") or 0), **figures)


def floor_a(rule: SignalRule, phases: int) -> float:
    """A rule's floor as A per phase, up to the next tenth: a tenth less would be below it."""
    return math.ceil(rule.floor_kw * 1000.0 / (NOMINAL_V * phases) * 10.0 - 1e-6) / 10.0


def _figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
