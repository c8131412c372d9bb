"""Always-on checks: pure functions of a run's records. They read wire, meter and rig, never truth."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from chargekit.judge.verdict import Measured, Result, Verdict
from chargekit.model.calendar import Calendar
from chargekit.model.site import Site
from chargekit.wire import Unreadable, codec, schemas
from chargekit.wire.messages import Metered, SetKey, Setting, TransactionEnded, TransactionStarted
from chargekit.wire.settings import name_of as setting_of
from chargekit.world.history import Record

UNAUTHORISED_GRACE_S: Final = 10.0
UNAUTHORISED_A: Final = 0.5
REGISTER_SLACK_WH: Final = 1.0
HOLDS: Final = 1.05
"""Share of its rating that no breaker trips at (conventional non-tripping current, IEC 60947-2, 8.3.3.1.3)."""
HOLDS_S: Final = 60.0
"""How long a circuit may carry up to that, when the load beside the chargers moves."""


@dataclass(frozen=True, slots=True)
class About:
    """What a check may know beside the records: the site's circuits and meters, and the calendar."""

    site: Site
    calendar: Calendar

    @property
    def moving(self) -> frozenset[str]:
        """Circuits with a load beside the chargers."""
        return frozenset(c.name for b in self.site.buildings for c in self.site.path(b.circuit))


@dataclass(frozen=True, slots=True)
class Broken:
    """The first time a rule was broken for a subject."""

    subject: str
    reason: str
    records: tuple[int, ...]
    measured: tuple[Measured, ...] = ()


Check = Callable[[Sequence[Record], About], Iterable[Broken]]


def _firsts(found: Iterable[Broken]) -> list[Broken]:
    """The first of each subject."""
    seen: dict[str, Broken] = {}
    for one in found:
        seen.setdefault(one.subject, one)
    return list(seen.values())


def _versions(records: Sequence[Record]) -> dict[str, str]:
    return {r.subject: r.body["version"] for r in records if r.witness == "wire" and r.kind == "opened"}


def schema(records: Sequence[Record], about: About) -> Iterable[Broken]:
    """Every message satisfies its official schema."""
    versions = _versions(records)
    for r in records:
        if r.witness != "wire" or r.body.get("dir") != "up":
            continue
        if r.kind == "garbled":
            yield Broken(r.subject, f"a frame is no OCPP-J message: {str(r.body.get('text'))[:80]}", (r.seq,))
            continue
        action, _, form = r.kind.rpartition(".")
        version = versions.get(r.subject, "")
        if form not in ("req", "conf", "send") or action == "Unknown" or not version:
            continue
        if action not in schemas.actions(version) or (action in schemas.sends(version)) != (form == "send"):
            yield Broken(r.subject, f"{action} is no OCPP {version} message", (r.seq,))
            continue
        problems = schemas.check(version, action, "conf" if form == "conf" else "req", r.body.get("payload"))
        if problems:
            where = problems[0].path or "the payload"
            yield Broken(r.subject, f"{action}.{form} breaks its schema at {where}: {problems[0].message[:160]}", (r.seq,))


def correlation(records: Sequence[Record], about: About) -> Iterable[Broken]:
    """Every reply answers an open call under its own id, once, and one call is in flight per direction."""
    open_calls: dict[tuple[str, str], dict[str, tuple[str, int]]] = {}
    odd: dict[str, list[str]] = {}
    for r in records:
        if r.witness != "wire":
            continue
        if r.kind == "garbled" and r.body.get("dir") == "down":
            # What is no message of its version may have an id all the same, and an error is an answer to it.
            odd.setdefault(r.subject, []).append(str(r.body.get("text")))
            continue
        if r.kind in ("opened", "closed"):
            open_calls.pop((r.subject, "up"), None)
            open_calls.pop((r.subject, "down"), None)
            continue
        way, ident = str(r.body.get("dir")), str(r.body.get("id"))
        action, _, form = r.kind.rpartition(".")
        if form == "req":
            mine = open_calls.setdefault((r.subject, way), {})
            if way == "up" and mine:
                other, seq = next(iter(mine.values()))
                yield Broken(r.subject, f"{action} was sent while {other} was still unanswered", (seq, r.seq))
            mine[ident] = (action, r.seq)
        elif form in ("conf", "err") and way == "up":
            theirs = open_calls.setdefault((r.subject, "down"), {})
            known = ident in theirs or ident == "-1" or (form == "err" and any(f'"{ident}"' in text for text in odd.get(r.subject, ())))
            if not known:
                yield Broken(r.subject, f"a reply came under id {ident[:40]!r}, under which nothing was asked", (r.seq,))
            theirs.pop(ident, None)
        elif form in ("conf", "err"):
            open_calls.setdefault((r.subject, "up"), {}).pop(ident, None)
        elif form == "conferr" and way == "up" and action == "Unknown":
            yield Broken(r.subject, f"an error came about an answer under id {ident[:40]!r}, under which nothing was answered", (r.seq,))


def registers(records: Sequence[Record], about: About) -> Iterable[Broken]:
    """Energy registers never go back: neither those a station reports nor those of independent meters. A reading is held against the one
    before it by the times they tell: what was kept while a link was down may be overtaken by newer ones."""
    versions = _versions(records)
    told: dict[tuple[str, object], list[tuple[float, float, int]]] = {}
    owners = {m.id: m.station or m.circuit or m.id for m in about.site.meters}
    evses: dict[tuple[str, str], int] = {}
    for r in records:
        if r.witness == "meter" and r.kind == "sample":
            figures: list[tuple[tuple[str, object], float, float]] = [((r.subject, "meter"), r.t, float(r.body["energy_wh"]))]
            subject, name = str(owners.get(r.subject, r.subject)), f"meter {r.subject}"
        elif r.witness == "wire" and r.kind.endswith(".req") and r.body.get("dir") == "up":
            figures = [((r.subject, evse), at, wh) for evse, at, wh in _reported(r, versions, about, evses)]
            subject, name = r.subject, "the register it reports"
        else:
            continue
        for key, at, wh in figures:
            series = told.setdefault(key, [])
            place = bisect_right(series, at, key=itemgetter(0))
            _, most, seq = series[place - 1] if place else (at, wh, r.seq)
            if wh < most - REGISTER_SLACK_WH:
                yield Broken(subject, f"{name} fell from {most:.0f} Wh to {wh:.0f} Wh", (seq, r.seq))
            series.insert(place, (at, max(wh, most), r.seq))


def _reported(r: Record, versions: dict[str, str], about: About, evses: dict[tuple[str, str], int]) -> Iterable[tuple[int, float, float]]:
    """(EVSE, its time, register) of each figure in a message. `evses` remembers where a transaction runs: a 1.6 stop does not say."""
    version, payload = versions.get(r.subject), r.body.get("payload")
    if version is None or not isinstance(payload, dict):
        return
    try:
        fact = codec(version).read_fact(r.kind[: -len(".req")], payload, about.calendar)
    except (Unreadable, ValueError):
        return
    if not isinstance(fact, (Metered, TransactionStarted, TransactionEnded)):
        return
    evse = fact.evse or evses.get((r.subject, str(fact.tx)), 0) or _only_evse(about, r.subject)
    if not evse:
        return
    if fact.tx is not None:
        evses[(r.subject, fact.tx)] = evse
    figures = [(s.t, s.energy_wh) for s in fact.samples] if isinstance(fact, Metered) else [(fact.at, fact.register_wh)]
    for at, wh in figures:
        if math.isfinite(wh):
            yield evse, at, wh


def _only_evse(about: About, name: str) -> int:
    """The station's EVSE where it has just one, else 0."""
    evses = [e.id for s in about.site.stations if s.id == name for e in s.model.evses]
    return evses[0] if len(evses) == 1 else 0


def unauthorised(records: Sequence[Record], about: About) -> Iterable[Broken]:
    """Beyond standby, nothing flows at a station without an accepted authorisation."""
    versions = _versions(records)
    meters = {m.id: m.station for m in about.site.meters if m.station is not None}
    standby = {s.id: s.model.standby_w / s.model.voltage_v for s in about.site.stations}
    allowed: dict[str, set[object]] = {name: set() for name in standby}
    asked: dict[tuple[str, str], Any] = {}
    offline: set[str] = set()
    lenient: set[str] = set()
    forbidden: dict[str, float] = {}
    for r in records:
        name = r.subject
        if r.witness == "wire" and name in allowed:
            if r.kind in ("opened", "closed"):
                (offline.discard if r.kind == "opened" else offline.add)(name)
            else:
                _authorisation(r, versions, about, asked, allowed[name], lenient)
        elif r.witness == "meter" and r.kind == "sample" and r.subject in meters:
            name = str(meters[r.subject])
            amps = max(r.body["current_a"]) - standby[name]
            # What an offline station may start is judged when its queued messages arrive.
            if amps <= UNAUTHORISED_A or allowed[name] or name in offline:
                forbidden.pop(name, None)
                continue
            since = forbidden.setdefault(name, r.t)
            if r.t - since > UNAUTHORISED_GRACE_S:
                figure = Measured("current without authorisation", amps, "A", at_most=UNAUTHORISED_A)
                yield Broken(name, f"{amps:.1f} A flowed for {r.t - since:.0f} s and nobody was authorised", (r.seq,), (figure,))


def _authorisation(
    r: Record, versions: dict[str, str], about: About, asked: dict[tuple[str, str], Any], allowed: set[object], lenient: set[str]
) -> None:
    """Follow what the wire said about who may charge: accepted tokens, running transactions. `lenient`: stations that were told to give
    invalid tokens some energy (1.6 section 3.5.4, C15.FR.07)."""
    version, payload, ident = versions.get(r.subject), r.body.get("payload"), str(r.body.get("id"))
    action, _, form = r.kind.rpartition(".")
    if version is None or not isinstance(payload, dict):
        return
    try:
        if r.body.get("dir") == "up" and form == "req":
            fact = codec(version).read_fact(action, payload, about.calendar)
            asked[(r.subject, ident)] = fact
            if isinstance(fact, TransactionEnded):
                allowed.discard(("tx", fact.tx))
        elif r.body.get("dir") == "down" and form == "req":
            command = codec(version).read_command(action, payload, about.calendar)
            if isinstance(command, SetKey) and setting_of(version, command.key) is Setting.MAX_ENERGY_ON_INVALID_WH:
                (lenient.discard if command.value == "0" else lenient.add)(r.subject)
        elif r.body.get("dir") == "down" and form == "conf":
            fact = asked.pop((r.subject, ident), None)
            answer = codec(version).read_answer(action, payload, about.calendar)
            if isinstance(fact, TransactionStarted) and (getattr(answer, "accepted", True) or r.subject in lenient):
                allowed.add(("tx", getattr(answer, "tx", None) or fact.tx))
    except (Unreadable, ValueError):
        return


def circuits(records: Sequence[Record], about: About) -> Iterable[Broken]:
    """No circuit is over its rating for longer than its grace; a load beside the chargers may take it to 105 % for a minute."""
    meters = {m.id: about.site.circuits[m.circuit] for m in about.site.meters if m.circuit is not None}
    uncertainty = {m.id: m.uncertainty_a for m in about.site.meters}
    over: dict[str, tuple[float, int]] = {}
    moving = about.moving
    for r in records:
        circuit = meters.get(r.subject)
        if r.witness != "meter" or r.kind != "sample" or circuit is None:
            continue
        amps = max(r.body["current_a"])
        if amps <= circuit.rating_a + uncertainty[r.subject]:
            over.pop(r.subject, None)
            continue
        since, seq = over.setdefault(r.subject, (r.t, r.seq))
        moved = circuit.name in moving and amps <= circuit.rating_a * HOLDS
        if r.t - since > (max(HOLDS_S, circuit.grace_s) if moved else circuit.grace_s):
            figure = Measured(f"current of {circuit.name}", amps, "A", at_most=circuit.rating_a, uncertainty=uncertainty[r.subject])
            reason = f"{amps:.1f} A on a rating of {circuit.rating_a:g} A ({circuit.source}) for {r.t - since:.0f} s"
            yield Broken(circuit.name, reason, (seq, r.seq), (figure,))


CHECKS: Final[dict[str, tuple[str, Check]]] = {
    "CK-ALW-001": ("Every message satisfies its official schema", schema),
    "CK-ALW-002": ("Every reply answers its call, one call at a time", correlation),
    "CK-ALW-003": ("Energy registers never go back", registers),
    "CK-ALW-004": ("Nothing flows beyond standby without authorisation", unauthorised),
    "CK-ALW-005": ("No circuit is over its rating past its grace", circuits),
}


def judge_records(records: Sequence[Record], about: About, subject: str, *, file: str = "", reproduce: str = "") -> list[Result]:
    """A result per check: for each subject that broke it, or one pass for `subject`."""
    witnessed = [r for r in records if r.witness != "truth"]
    results = []
    for ident, (title, check) in CHECKS.items():
        broken = _firsts(check(witnessed, about))
        for one in broken:
            results.append(
                Result(
                    ident, one.subject, Verdict.FAIL, one.reason, title, str(check.__doc__), ("always",), one.measured, file,
                    one.records, reproduce,
                )
            )  # fmt: skip
        if not any(one.subject == subject for one in broken):
            results.append(Result(ident, subject, Verdict.PASS, "", title, str(check.__doc__), ("always",), (), file, (), reproduce))
    return results
