"""The shared figures: one definition for all sites, computed from a run's records and nothing else.

Published definitions are used where there are any and cited; the others are our own and say so. A figure without anything to count has no
value: that is not zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from chargekit.judge.kpi_facts import Facts, Port, Visit
from chargekit.judge.kpi_faults import availability, faults
from chargekit.judge.kpi_figure import ATLAS, CHARGEX, CHARGING, Figure, minutes, share_of
from chargekit.judge.kpi_spans import Spans, jain, overlap, percentile, seconds, union, windows
from chargekit.wire.messages import Status

VALID_STOPS: Final = frozenset(
    {
        "EnergyLimitReached", "SOCLimitReached", "Local", "Remote", "StoppedByEV", "LocalOutOfCredit", "TimeLimitReached",
        "EVDisconnected",
    }
)  # fmt: skip
HELD: Final = frozenset({Status.SUSPENDED_EVSE})
PEAK_S: Final = 900.0
SLACK_KWH: Final = 0.1
SLACK_SHARE: Final = 0.02
FLOWED_WH: Final = 50.0
"""So much on a register is a charge, even if no state told of it."""
EARLY_S: Final = 300.0
"""Who leaves so much before the stated time can't be late."""


def figures(facts: Facts) -> tuple[Figure, ...]:
    """All figures of a run, in a fixed order."""
    made: list[Figure] = []
    for part in (
        _sessions, _start_times, _energy, _peaks, _queue, availability, _off_peak, faults, _departures, _residents, _occupancy,
    ):  # fmt: skip
        made += part(facts)
    return tuple(made)


def by_key(made: Iterable[Figure]) -> dict[str, Figure]:
    return {one.key: one for one in made}


# --- helpers ----------------------------------------------------------------------------------------------------


def first_flow(facts: Facts, visit: Visit) -> float | None:
    """When a visit's port first charged: at least the minimum current flowed."""
    spans = facts.ports[visit.port].spans(CHARGING, visit.began, visit.left if visit.left is not None else facts.end)
    if spans:
        return spans[0][0]
    # A station that was cut off tells its registers later, and no states.
    risen = (t0 for tx in visit.txs for (t0, a), (_, b) in pairwise(tx.curve) if b - a >= FLOWED_WH)
    return next(risen, None)


def target_kwh(facts: Facts, visit: Visit) -> float | None:
    """What was to be delivered. A vehicle that stopped drawing by itself (from Charging to SuspendedEV) wanted no more than it took."""
    if visit.requested_kwh is None or visit.left is None:
        return None
    there = facts.ports[visit.port].states
    # What an idle session's end makes of its port says nothing of what the vehicle wanted.
    states = [s for t, s, _ in there if visit.began <= t < visit.left and s is not Status.FINISHING]
    full = len(states) > 1 and states[-1] is Status.SUSPENDED_EV and states[-2] is Status.CHARGING
    return min(visit.requested_kwh, visit.kwh) if full else visit.requested_kwh


def missed(facts: Facts, visit: Visit) -> bool | None:
    """Whether it left with less than was to be delivered; None where nobody can say: nothing was asked for, or it left early."""
    target = target_kwh(facts, visit)
    if target is None or visit.left is None or (visit.stated is not None and visit.left < visit.stated - EARLY_S):
        return None
    return visit.kwh < target - max(SLACK_KWH, SLACK_SHARE * target)


def wait_s(facts: Facts, visit: Visit) -> float:
    """From joining the queue, or plugging in, to the first current; up to leaving where none came."""
    flow = first_flow(facts, visit)
    return (flow if flow is not None else visit.left if visit.left is not None else facts.end) - visit.joined


def classes(facts: Facts) -> list[str]:
    return sorted({v.user_class or "(none)" for v in facts.visits})


def _class(visit: Visit) -> str:
    return visit.user_class or "(none)"


# --- sessions ---------------------------------------------------------------------------------------------------


def _sessions(facts: Facts) -> Iterator[Figure]:
    over = [v for v in facts.visits if not v.refused]
    started = [v for v in over if first_flow(facts, v) is not None]
    decided = [v for v in over if v.left is not None or v in started]
    delivering = [v for v in started if v.left is not None]
    ended = [v for v in delivering if v.txs and v.txs[-1].ended is not None and v.txs[-1].reason in VALID_STOPS]
    finished = [v for v in decided if v.left is not None]
    bad = [v.seq for v in finished if v not in ended]
    yield share_of(
        "session_success", len(ended), len(finished), "attempts that reached Charging and ended with a valid stop ÷ attempts that are "
        "over; an attempt is a vehicle plugged in, without those the access rules refused", CHARGEX, records=bad,
    )  # fmt: skip
    yield share_of(
        "charge_start_success", len(started), len(decided), "attempts that reached Charging ÷ attempts", CHARGEX,
        records=[v.seq for v in decided if v not in started],
    )  # fmt: skip
    yield share_of(
        "charge_end_success", len(ended), len(delivering), f"valid stops ({', '.join(sorted(VALID_STOPS))}) ÷ attempts that charged",
        CHARGEX,
        records=[v.seq for v in delivering if v not in ended],
    )  # fmt: skip
    refused = [v for v in facts.visits if v.refused]
    yield Figure(
        "access_refused", "visits", float(len(refused)), "vehicles plugged in whose token the rules refused", better="",
        records=tuple(v.seq for v in refused),
    )  # fmt: skip


def _start_times(facts: Facts) -> Iterator[Figure]:
    times = []
    for visit in facts.visits:
        flow = first_flow(facts, visit)
        if flow is not None and not visit.refused:
            times.append(max(0.0, flow - max(visit.began, visit.presented or visit.began)))
    for share in (0.5, 0.9, 0.95):
        yield Figure(
            "charge_start_time", "s", percentile(times, share),
            "from the later of plugging in and presenting a token to Charging; nearest rank",
            CHARGEX, f"P{share * 100:.0f}", denominator=float(len(times)), better="less",
        )  # fmt: skip


# --- energy -----------------------------------------------------------------------------------------------------


def _energy(facts: Facts) -> Iterator[Figure]:
    every = list(facts.visits)
    for name in [*classes(facts), ""]:
        mine = [v for v in every if not name or _class(v) == name]
        said = "registers of the ports' own meters over their transactions"
        yield Figure("energy", "kWh", sum(v.kwh for v in mine), said, of=name or "all")
    for name in [*classes(facts), ""]:
        asked = [v for v in every if (not name or _class(v) == name) and v.requested_kwh is not None and v.left is not None]
        targets = [(v.kwh, target_kwh(facts, v) or 0.0) for v in asked]
        yield share_of(
            "energy_delivered", sum(min(got, want) for got, want in targets), sum(want for _, want in targets),
            "delivered ÷ requested over visits that are over; what one got beyond its request does not make up for another; a vehicle that "
            "stopped by itself requested what it took", of=name or "all",
        )  # fmt: skip


def quarter_hours(facts: Facts) -> list[tuple[float, float]]:
    """(begin in run s, mean kW) of each whole quarter of an hour of the grid meter, by its register; straight between readings."""
    curve = facts.grid
    found = []
    place = 0
    if len(curve) < 2:
        return []

    def at(t: float) -> float:
        nonlocal place
        while place + 2 < len(curve) and curve[place + 1][0] < t:
            place += 1
        (t0, a), (t1, b) = curve[place], curve[place + 1]
        return a + (b - a) * (t - t0) / (t1 - t0) if t1 > t0 else b

    first, last = math.ceil(curve[0][0] / PEAK_S - 1e-3), math.floor(curve[-1][0] / PEAK_S + 1e-3)
    marks = [(n * PEAK_S, at(n * PEAK_S)) for n in range(first, last + 1)]
    for (t, a), (_, b) in pairwise(marks):
        found.append((t, (b - a) / (PEAK_S / 3600.0) / 1000.0))
    return found


def peak_limit_kw(facts: Facts) -> float:
    """Over this a 15-minute mean is a peak-demand event."""
    return facts.head.review.peak_above * facts.head.rating_kw


def _peaks(facts: Facts) -> Iterator[Figure]:
    limit = peak_limit_kw(facts)
    means = quarter_hours(facts)
    events, over = 0, False
    for _, kw in means:
        events += kw > limit and not over
        over = kw > limit
    said = f"15-minute mean at the grid meter over {limit:.1f} kW ({facts.head.review.peak_above:.0%} of the connection's rating)"
    value = float(events) if means else None
    yield Figure("peak_demand_events", "events", value, f"runs of quarter hours with a {said}", better="less")
    highest = max((kw for _, kw in means), default=None)
    yield Figure("peak_demand", "kW", highest, "the highest 15-minute mean at the grid meter", better="less")
    excess = sum(max(0.0, kw - limit) for _, kw in means) * PEAK_S / 3600.0
    above = f"energy above the threshold in quarter hours with a {said}"
    yield Figure("peak_demand_over", "kWh", excess if means else None, above, better="less")


# --- queue ------------------------------------------------------------------------------------------------------


def _queue(facts: Facts) -> Iterator[Figure]:
    kept = [v for v in facts.visits if not v.refused]
    waits = [wait_s(facts, v) for v in kept]
    held, paused = 0.0, 0.0
    for visit in kept:
        end = visit.left if visit.left is not None else facts.end
        flow = first_flow(facts, visit)
        spans = facts.ports[visit.port].spans(HELD, visit.began, end)
        held += overlap(spans, [(visit.began, flow if flow is not None else end)])
        paused += overlap(spans, [(flow if flow is not None else end, end)])
    said = "from joining the queue, or plugging in, to the first current of at least the minimum; to leaving where none came"
    for share in (0.5, 0.9):
        middle, count = minutes(percentile(waits, share)), float(len(waits))
        yield Figure("wait", "min", middle, f"{said}; nearest rank", of=f"P{share * 100:.0f}", denominator=count, better="less")
    queued = sum(v.began - v.joined for v in kept)
    for of, total, what in (
        ("queue", queued, "waiting for a port, from joining the queue to plugging in"),
        ("policy", held, "held without current (SuspendedEVSE) before the first"),
        ("pauses", paused, "held without current (SuspendedEVSE) after the first"),
    ):
        yield Figure("wait_time", "h", total / 3600.0, f"all visits together: {what}", of=of, better="less")
    came = len(kept) + len(facts.turned_away)
    yield share_of(
        "turned_away", len(facts.turned_away), came, "visitors who found no port in time ÷ all who came", better="less",
        records=[e.seq for e in facts.turned_away],
    )  # fmt: skip


# --- cost, departures, residents --------------------------------------------------------------------------------


def off_peak_spans(facts: Facts) -> Spans:
    review = facts.head.review
    return windows(facts.head.calendar, 0.0, facts.end, review.off_peak_from_s, review.off_peak_to_s)


def off_peak_kwh(facts: Facts, visit: Visit, spans: Spans) -> tuple[float, float]:
    """What a visit got in these spans, and what it could have got: its stay in them at the port's power, at most all it got."""
    end = visit.left if visit.left is not None else facts.end
    got = 0.0
    for tx in visit.txs:
        until = tx.ended if tx.ended is not None else end
        bounds = [(max(low, tx.began), min(high, until)) for low, high in spans]
        got += sum(tx.wh_at(high + 1e-6) - tx.wh_at(low) for low, high in bounds if high > low)
    could = overlap([(visit.began, end)], spans) / 3600.0 * facts.head.ports[visit.port]
    return got / 1000.0, min(visit.kwh, max(could, got / 1000.0))


def _off_peak(facts: Facts) -> Iterator[Figure]:
    spans, review = off_peak_spans(facts), facts.head.review
    pairs = [off_peak_kwh(facts, v, spans) for v in facts.visits]
    total = sum(v.kwh for v in facts.visits)
    when = f"{_clock(review.off_peak_from_s)} to {_clock(review.off_peak_to_s)} by the site's clock"
    yield share_of("off_peak_share", sum(a for a, _ in pairs), total, f"energy delivered from {when} ÷ all delivered")
    yield share_of(
        "off_peak_possible", sum(b for _, b in pairs), total,
        f"energy that the stays from {when} had room for, at the ports' power ÷ all delivered",
        better="",
    )  # fmt: skip


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02}:{int(seconds) % 3600 // 60:02}"


def _departures(facts: Facts) -> Iterator[Figure]:
    said = "left with less than requested less the greater of 0.1 kWh and 2 % ÷ visits with a request that left at the stated time or later"
    for name in [*classes(facts), ""]:
        judged = [(v, missed(facts, v)) for v in facts.visits if not name or _class(v) == name]
        late = [v.left_seq or v.seq for v, is_missed in judged if is_missed]
        yield share_of(
            "missed_departures", len(late), sum(m is not None for _, m in judged), said, of=name or "all", better="less", records=late
        )


def _residents(facts: Facts) -> Iterator[Figure]:
    review = facts.head.review
    mine = [
        (v, min(target, review.guarantee_kwh)) for v in facts.visits
        if v.user_class == review.guarantee_class and (target := target_kwh(facts, v)) is not None and missed(facts, v) is not None
    ]  # fmt: skip
    met = [v for v, due in mine if v.kwh >= due - max(SLACK_KWH, SLACK_SHARE * due)]
    promise = f"{review.guarantee_kwh:g} kWh a stay, or the request where that is less"
    yield share_of(
        "guarantee_met", len(met), len(mine), f"stays that got what is guaranteed ({promise}) ÷ stays", of=review.guarantee_class,
        records=[v.seq for v, _ in mine if v not in met],
    )  # fmt: skip
    shares: dict[str, list[float]] = {}
    for visit, _ in mine:
        want = target_kwh(facts, visit) or 0.0
        both = shares.setdefault(visit.token, [0.0, 0.0])
        both[0] += min(visit.kwh, want)
        both[1] += want
    index = jain([got / want for got, want in shares.values() if want > 0])
    yield Figure(
        "fairness", "", index, "Jain's index of delivered ÷ requested by token; 1 is even",
        "Jain, Chiu and Hawe 1984", review.guarantee_class,
        denominator=float(len(shares)),
    )  # fmt: skip


# --- occupancy --------------------------------------------------------------------------------------------------


def _occupancy(facts: Facts) -> Iterator[Figure]:
    occupied: dict[Port, Spans] = {}
    idle = 0.0
    for port, seen in facts.ports.items():
        stays = union((v.began, v.left if v.left is not None else facts.end) for v in seen.visits)
        occupied[port] = stays
        idle += seconds(stays) - overlap(stays, seen.spans(CHARGING, 0.0, facts.end))
    hours, count = facts.end / 3600.0, len(facts.ports)
    said = "time occupied without charging ÷ open hours of all ports"
    yield share_of("idle_occupancy", idle / 3600.0, hours * count, said, ATLAS, better="less")
    for name in sorted({e.who or "(none)" for e in facts.idle}):
        mine = [e for e in facts.idle if (e.who or "(none)") == name]
        for what, meant in (("asked", "users of idle sessions asked to make room"), ("released", "idle sessions ended")):
            rows = [e.seq for e in mine if e.what == what]
            yield Figure(f"idle_{what}", "sessions", float(len(rows)), meant, of=name, better="", records=tuple(rows))
    edges: dict[float, int] = {}
    for spans in occupied.values():
        for low, high in spans:
            edges[low] = edges.get(low, 0) + 1
            edges[high] = edges.get(high, 0) - 1
    full, taken, since = 0.0, 0, 0.0
    for t in sorted(edges):
        full += t - since if taken == count else 0.0
        taken, since = taken + edges[t], t
    yield share_of("congestion", full / 3600.0, hours, "time in which all ports are occupied ÷ open hours", ATLAS, better="less")
