"""What policy tests may expect of idle sessions, signals, costs, throttling and budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chargekit.model.located import BadInput, Located
from chargekit.model.site import Site
from chargekit.policy.power import CURRENTS
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.signals import taken
from chargekit.policy.windows import Moment

POWER: Final = ("idle", "held", "shift", "throttled", "min_first", "budgets", "demand_target", "signal")
"""`idle: asked, released or nothing`, given `idle: 20 min`; `held: 8 A` by the price of the hour, or nothing; `shift`, `min_first`: yes or
no; `throttled: first, second, …` or last; `budgets: {grid: {dc: 180 A}}`; `demand_target: 50 kW` or none; `signal: accepted` or refused,
given `signal: {kind, for, limit_kw, limit_a, level}`."""
_TURNS: Final = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class PowerProofs:
    """The answers of the rules at a moment, for somebody of a class who leaves in `departs_s`; `given` as the row says."""

    rules: Rulebook
    site: Site
    when: Moment
    user_class: str
    given: Located
    departs_s: float | None

    def found(self, key: str, node: Located) -> tuple[str, str]:
        """What the rules say, as the row would write it, and why."""
        row: Callable[[Located], tuple[str, str]] = getattr(self, f"_{key}")
        return row(node)

    def _idle(self, node: Located) -> tuple[str, str]:
        rule = self.rules.power.idle
        if rule is None:
            return "nothing", ""
        due = rule.due(self.user_class, self.given.number("idle", "s", 0.0, least=0), leaves_s=self.departs_s)
        return due or "nothing", f"idle sessions are asked after {rule.grace_s / 60:g} min ({rule.source})"

    def _held(self, node: Located) -> tuple[str, str]:
        held = self.rules.costing.held(self.rules.cost, self.user_class, int(self.when.minute), self.departs_s)
        return ("nothing", "") if held is None else (f"{held.most_a:g} A", held.because)

    def _shift(self, node: Located) -> tuple[str, str]:
        shifted = self.rules.cost.plan and self.rules.costing.shifts(self.user_class)
        return "yes" if shifted else "no", f"costs ({self.rules.costing.source})"

    def _throttled(self, node: Located) -> tuple[str, str]:
        throttle = self.rules.power.throttle
        if throttle is None or not throttle.turn(self.user_class):
            return "last", ""
        place = throttle.classes.index(self.user_class)
        return _TURNS[min(place, len(_TURNS) - 1)], f"throttling ({throttle.source})"

    def _min_first(self, node: Located) -> tuple[str, str]:
        first = self.rules.power.min_first
        if first is None:
            return "no", ""
        return "yes" if self.user_class in first.classes else "no", f"minima first ({first.source})"

    def _budgets(self, node: Located) -> tuple[str, str]:
        """All that are expected, in their order, and what they are."""
        rows = [(name, kind, amps) for name, kinds in node.table().items() for kind, amps in kinds.only(*CURRENTS).table().items()]
        there = {(one.circuit, one.current): one for one in self.rules.power.budgets}
        wrong = [(n, k) for n, k, amps in rows if (n, k) not in there or there[n, k].limit_a != amps.as_number("A")]
        if not rows:
            raise BadInput(node.source, "no budget is expected here", "budgets: {grid: {dc: 180 A}}")
        why = "; ".join(f"budget ({one.source})" for one in there.values())
        said = [f"{n} {k}: {there[n, k].limit_a:g} A" if (n, k) in there else f"{n} {k}: none" for n, k in wrong]
        return (node_text(node) if not wrong else ", ".join(said)), why

    def _demand_target(self, node: Located) -> tuple[str, str]:
        target = self.rules.costing.target_at(self.when)
        return ("none", "") if target is None else (f"{target.limit_kw:g} kW", f"demand target ({target.source})")

    def _signal(self, node: Located) -> tuple[str, str]:
        asked = self.given.need("signal").only("kind", "for", "limit_kw", "limit_a", "level", "circuit")
        args: dict[str, object] = {"id": "test", "kind": asked.text("kind"), "who": "test"}
        args |= {name: asked.number(name, "") for name in ("limit_kw", "limit_a", "level") if asked.has(name)}
        args |= {"circuit": asked.text("circuit")} if asked.has("circuit") else {}
        if asked.has("for"):
            args["until"] = self.when.now + asked.number("for", "s")
        try:
            one = taken(self.rules.power.signals, args, self.when.now, self.site.circuits, self.site.root.name)
        except ValueError as why:
            return "refused", str(why)
        return "accepted", f"{one.kind} to {one.asks} ({self.rules.power.signals[one.kind].source})"


def wanted(key: str, node: Located) -> str:
    """What a row expects, as it is compared."""
    if key == "budgets":
        return node_text(node)
    return {True: "yes", False: "no"}[node.value] if isinstance(node.value, bool) else node.as_text()


def node_text(node: Located) -> str:
    """A table as a proof compares it."""
    return str({name: {k: str(a.value) for k, a in kinds.table().items()} for name, kinds in node.table().items()})
