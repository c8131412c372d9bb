"""Lint of idle sessions, signals, budgets, throttling and costs: rules that never come to anything, promise too much, or contradict each
other, each with what will happen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chargekit.model.limit import Limit
from chargekit.model.located import Source
from chargekit.model.site import Site
from chargekit.policy.findings import Finding, people
from chargekit.policy.rulebook import Rulebook

NOMINAL_V: Final = 230.0
LEAST_A: Final = 6.0


def lint_power(rules: Rulebook, site: Site) -> Iterator[Finding]:
    """Everything of these domains."""
    yield from _throttling(rules)
    yield from _budgets(rules, site)
    yield from _signals(rules, site)
    yield from _prices(rules)
    yield from _target(rules, site)


def named_in_power(rules: Rulebook) -> list[tuple[str, tuple[str, ...], tuple[str, ...], Source]]:
    """Every rule here that names classes: what it is, its classes, no tokens, and where."""
    power, cost = rules.power, rules.costing
    found: list[tuple[str, tuple[str, ...], tuple[str, ...], Source]] = []
    if power.idle is not None and power.idle.classes:
        found.append(("idle rule", power.idle.classes, (), power.idle.source))
    if power.throttle is not None:
        found.append(("throttling", power.throttle.classes, (), power.throttle.source))
    if power.min_first is not None:
        found.append(("guarantee", power.min_first.classes, (), power.min_first.source))
    for one in power.signals.values():
        both = (("exemption", one.exempt), ("first", one.first))
        found += [(f"{what} of a {one.kind}", names, (), one.source) for what, names in both if names]
    found += [("cost rule", (name,), (), rule.source) for name, rule in cost.classes.items()]
    if cost.opt_out:
        found.append(("opt-out of costs", cost.opt_out, (), cost.source))
    return found


def _lowest(rules: Rulebook, circuit: str) -> Limit:
    return min((one for one in rules.limits if one.circuit == circuit), key=lambda one: one.limit_a)


def _throttling(rules: Rulebook) -> Iterator[Finding]:
    throttle, order, there = rules.power.throttle, rules.priority.order, people(rules)
    if throttle is None:
        return
    ranked = [name for name in order.classes if name in there]
    named = [name for name in throttle.classes if name in there]
    if named and named == list(reversed(ranked))[: len(named)] and not rules.priority.windows:
        text = f"{', '.join(named)} rank last anyway ({order.source}): who is served last gives first without this rule"
        yield Finding("unreachable", throttle.source, text)
    if named and len(ranked) > 1 and named[0] == ranked[0]:
        text = (
            f"class {named[0]} ranks first ({order.source}) and is throttled first: it is let in before everybody and then held to "
            f"{LEAST_A:g} A for the sake of all others"
        )
        yield Finding("contradiction", throttle.source, text)


def _budgets(rules: Rulebook, site: Site) -> Iterator[Finding]:
    for one in rules.power.budgets:
        evses = [e for s in site.below(one.circuit) for e in s.model.evses if e.dc == (one.current == "dc")]
        limit = _lowest(rules, one.circuit)
        kind = one.current.upper()
        if not evses:
            yield Finding("never", one.source, f"no {kind} outlet hangs on {one.circuit}: this budget holds nobody")
        elif one.limit_a >= limit.limit_a:
            text = f"{one.limit_a:g} A for {kind} on {one.circuit} never bind: the circuit has {limit.limit_a:g} A ({limit.source})"
            yield Finding("never", one.source, text)
        elif one.limit_a < LEAST_A:
            text = f"{one.limit_a:g} A for {kind} on {one.circuit} let nobody charge there: {LEAST_A:g} A is the least"
            yield Finding("guarantee", one.source, text)


def _signals(rules: Rulebook, site: Site) -> Iterator[Finding]:
    for one in rules.power.signals.values():
        limit = _lowest(rules, site.root.name)
        evses = sum(len(s.model.evses) for s in site.stations)
        kw = limit.limit_a * 3 * NOMINAL_V / 1000.0
        if one.floor_kw * evses > kw:
            text = (
                f"{evses} outlets × {one.floor_kw:g} kW = {one.floor_kw * evses:.4g} kW are over the {kw:.4g} kW of {site.root.name} "
                f"({limit.source}): with all of them busy a {one.kind} leaves some below their floor, the lowest ranks first"
            )
            yield Finding("guarantee", one.source, text)
        if one.shares and one.shares[0] < 1.0:
            yield Finding("contradiction", one.source, f"level 0 means no restriction, and leaves {one.shares[0] * 100:g} %")
        low = next((n for n, share in enumerate(one.shares) if share * limit.limit_a < LEAST_A + rules.margin_a.value), None)
        if low is not None and not one.floor_kw:
            text = f"from level {low} on {one.shares[low] * limit.limit_a:g} A are left on {site.root.name}: every session stops"
            yield Finding("guarantee", one.source, text)


def _prices(rules: Rulebook) -> Iterator[Finding]:
    cost, costing = rules.cost, rules.costing
    prices = [cost.price_at(minute) for minute in range(0, 1440, 15)]
    most, least = max(prices), min(prices)
    for name, rule in costing.classes.items():
        if name in costing.opt_out:
            text = f"class {name} opts out of all costs ({costing.source}): this rule never touches it"
            yield Finding("unreachable", rule.source, text)
            continue
        thresholds = [("paused", rule.pause_above)] if rule.pause_above is not None else []
        thresholds += [("capped", rule.above)] if rule.cap_a is not None else []
        for what, above in thresholds:
            assert above is not None
            if most <= above:
                text = f"class {name} is never {what}: no kWh costs more than {most:g}, the threshold is {above:g}"
                yield Finding("never", rule.source, text)
            elif least > above:
                yield Finding("contradiction", rule.source, f"class {name} is {what} all day: every kWh costs more than {above:g}")
        if rule.pause_above is not None and rule.cap_a is not None and rule.above >= rule.pause_above:
            text = f"class {name} is paused above {rule.pause_above:g} before it is capped above {rule.above:g}"
            yield Finding("unreachable", rule.source, text)
        if rule.unless_leaves_s and rule.pause_above is None:
            yield Finding("never", rule.source, f"class {name} is never paused, so nobody of it is spared a pause")
        if rule.shift and not cost.plan:
            yield Finding("never", rule.source, f"class {name} is never shifted: the day is not planned (cost: plan: true)")


def _target(rules: Rulebook, site: Site) -> Iterator[Finding]:
    target = rules.costing.target
    if target is None:
        return
    limit = _lowest(rules, site.root.name)
    kw = limit.limit_a * 3 * NOMINAL_V / 1000.0
    if target.limit_kw >= kw:
        text = f"a demand target of {target.limit_kw:g} kW never binds: {site.root.name} carries {kw:.4g} kW ({limit.source})"
        yield Finding("never", target.source, text)
    least_kw = LEAST_A * NOMINAL_V / 1000.0
    if target.limit_kw < least_kw:
        text = f"a demand target of {target.limit_kw:g} kW lets nobody charge: {least_kw:.3g} kW is the least"
        yield Finding("guarantee", target.source, text)
