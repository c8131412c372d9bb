"""Availability, faults and how long they took: from what the wire showed of ports and links, and from the incidents on record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chargekit.judge.kpi_facts import Facts, IncidentSeen, Port
from chargekit.judge.kpi_figure import CFR, CHARGING, NEVI, OURS, Figure, minutes
from chargekit.judge.kpi_spans import Spans, overlap, percentile, seconds, union
from chargekit.policy.schema import SEVERITIES
from chargekit.wire.messages import Status


def _offline(facts: Facts, name: str) -> Spans:
    """When a station had no link. Before its first one it is down, too."""
    spans: Spans = []
    since: float | None = 0.0
    for t, up, _ in facts.links[name]:
        if up and since is not None:
            spans.append((since, t))
            since = None
        elif not up and since is None:
            since = t
    return [*spans, (since, facts.end)] if since is not None else spans


def outages(facts: Facts, port: Port) -> tuple[Spans, Spans]:
    """When a port was down, and what of it is excluded: Unavailable after ChangeAvailability, which is scheduled maintenance."""
    seen = facts.ports[port]
    faulted = seen.spans(frozenset({Status.FAULTED}), 0.0, facts.end)
    shut = seen.spans(frozenset({Status.UNAVAILABLE}), 0.0, facts.end)
    by_order = {(port[0], 0), port} & facts.maintenance
    offline = _offline(facts, port[0])
    return union([*offline, *faulted, *shut]), union(shut) if by_order else []


def availability(facts: Facts) -> Iterator[Figure]:
    said = (
        "(T − (T_outage − T_excluded)) ÷ T per port over the run; down: without a link, Faulted or Unavailable; excluded: Unavailable by "
        "order. The rule asks for more than 97 % over twelve months"
    )
    ups: list[float] = []
    for port in facts.ports:
        down, excluded = outages(facts, port)
        if facts.end > 0:
            ups.append((facts.end - (seconds(down) - overlap(down, excluded))) / facts.end)
    hours = facts.end / 3600.0
    yield Figure("availability", "%", 100.0 * sum(ups) / len(ups) if ups else None, said, CFR, "mean", sum(ups) * hours, len(ups) * hours)
    yield Figure("availability", "%", 100.0 * min(ups) if ups else None, said, CFR, "lowest port", min(ups, default=0.0) * hours, hours)


# --- faults -----------------------------------------------------------------------------------------------------

SHOWN_AS_OUTAGE: Final = ("communications_lost", "station_fault", "circuit_lost")
"""Kinds of incident that the ports' own states and links show, too: one fault, not two."""
UNRECORDED: Final = "not recorded"


@dataclass(frozen=True, slots=True)
class Fault:
    """From `detected` until `over` (None: it is not). `ports`: those that are to deliver again for it to be resolved; of what is wrong
    elsewhere (a meter, a limit) there are none. `category`, `severity` are the incident's; of an outage on no record UNRECORDED and ""."""

    category: str
    severity: str
    detected: float
    over: float | None
    ports: tuple[Port, ...]
    records: tuple[int, ...]

    def resolved(self, facts: Facts) -> float | None:
        """When the first of its ports charged once it was over; None if none did. A port that never stopped delivers again at once."""
        over = self.over
        if over is None or not self.ports:
            return over
        later = (max(low, over) for port in self.ports for low, high in facts.ports[port].spans(CHARGING, 0.0, facts.end) if high > over)
        return min(later, default=None)


def faults_of(facts: Facts) -> list[Fault]:
    """Every fault once: the incidents on record, each with the outages of its ports that it is about, and the other outages."""
    lost = {port: _detections(facts, port) for port in facts.ports}
    found: list[Fault] = []
    covered: set[tuple[Port, float]] = set()
    for one in facts.incidents:
        ports = _ports(facts, one)
        detected, over, seqs = one.began, one.over, list(one.seqs)
        for port in ports if one.kind in SHOWN_AS_OUTAGE else ():
            for begin, end, seq in lost[port]:
                if begin <= (one.over if one.over is not None else facts.end) and (end is None or end >= one.began - BEFORE_S):
                    covered.add((port, begin))
                    seqs.append(seq)
                    detected = min(detected, begin)
                    over = None if over is None or end is None else max(over, end)
        found.append(Fault(one.category, one.severity, detected, over, ports, tuple(sorted(seqs))))
    for port, rows in lost.items():
        found += [Fault(UNRECORDED, "", t, end, (port,), (seq,)) for t, end, seq in rows if (port, t) not in covered]
    return sorted(found, key=lambda fault: (fault.detected, fault.records))


BEFORE_S: Final = 60.0
"""An outage that was over so long before an incident opened is another matter."""


def _ports(facts: Facts, one: IncidentSeen) -> tuple[Port, ...]:
    if one.subject in facts.of:
        return tuple(facts.of[one.subject])
    if one.kind != "circuit_lost":
        return ()
    return tuple(port for port in facts.ports if one.subject in facts.head.above.get(port[0], ()))


def _detections(facts: Facts, port: Port) -> list[tuple[float, float | None, int]]:
    """The outages of a port that begin with a link lost or Faulted: from, until (None: not over), and the record. One that was down from
    the beginning was never up."""
    seen = facts.ports[port]
    signs = [(t, seq) for t, up, seq in facts.links[port[0]] if not up]
    signs += [(t, seq) for t, status, seq in seen.states if status is Status.FAULTED]
    ends = dict(union(span for span in outages(facts, port)[0] if span[0] > 0.0))
    first: dict[float, int] = {}
    for t, seq in sorted(signs):
        first.setdefault(t, seq)
    return [(t, ends[t] if ends[t] < facts.end else None, seq) for t, seq in first.items() if t in ends]


def faults(facts: Facts) -> Iterator[Figure]:
    every = faults_of(facts)
    said = (
        "from the detection of a fault to the first Charging once it is over, or, where no port is concerned, to its end; a fault is an "
        "incident on record, or an outage (Faulted, link lost) that no incident is about"
    )
    times = [(fault, at - fault.detected) for fault in every if (at := fault.resolved(facts)) is not None]
    seqs = tuple(seq for fault in every for seq in fault.records)
    solved = [took for _, took in times]
    count = float(len(solved))
    yield Figure("fault_resolution", "min", minutes(_mean(solved)), said, OURS, "mean", None, count, "less", seqs)
    yield Figure("fault_resolution", "min", minutes(percentile(solved, 0.9)), f"{said}; nearest rank", OURS, "P90", None, count, "less")
    for name, mine in _kinds(every).items():
        took = [s for fault, s in times if fault in mine]
        records = tuple(seq for fault in mine for seq in fault.records)
        mean = minutes(_mean(took))
        yield Figure("fault_resolution", "min", mean, f"{said}; mean", OURS, name, None, float(len(took)), "less", records)
        yield Figure("faults", "faults", float(len(mine)), "faults detected in the run", OURS, name, better="less", records=records)
    yield Figure("faults", "faults", float(len(every)), "faults detected in the run", OURS, "all", better="less")
    open_ = [fault for fault in every if fault.resolved(facts) is None]
    unsolved = tuple(seq for fault in open_ for seq in fault.records)
    meant = "faults that are not over, or without a Charging after them, in the run"
    yield Figure("faults_open", "faults", float(len(open_)), meant, better="less", records=unsolved)
    down = [high - low for port in facts.ports for low, high in union(s for s in outages(facts, port)[0] if s[0] > 0.0) if high < facts.end]
    yield Figure("outage_time", "min", minutes(_mean(down)), "minutes per outage, until the port is up again", NEVI, "mean", better="less")


def _kinds(every: Sequence[Fault]) -> dict[str, list[Fault]]:
    """By category, then by severity, gravest first."""
    found: dict[str, list[Fault]] = {}
    for name in sorted({fault.category for fault in every}):
        found[f"category {name}" if name != UNRECORDED else name] = [fault for fault in every if fault.category == name]
    for severity in reversed(SEVERITIES):
        if mine := [fault for fault in every if fault.severity == severity]:
            found[f"severity {severity}"] = mine
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
