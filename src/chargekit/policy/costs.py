"""`cost.classes`, `cost.demand_target` and `cost.opt_out`: whom the price of a kWh and of a peak moves, caps or pauses, and whom never."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from chargekit.model.located import BUILT_IN, BadInput, Located, Source
from chargekit.policy.people import named_classes
from chargekit.policy.tariff import CostRules
from chargekit.policy.windows import Moment, Span, parse_span

LEAST_A = 6.0


@dataclass(frozen=True, slots=True)
class ClassCost:
    """What costs do to a class. While a kWh costs more than `above` it gets at most `cap_a`; above `pause_above` nothing, unless it leaves
    within `unless_leaves_s`. `shift`: the plan moves it into cheap hours; without any class that says so, it moves all."""

    cap_a: float | None
    above: float
    pause_above: float | None
    unless_leaves_s: float
    shift: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Held:
    """The most a session may have for the sake of costs, A per phase, why in a clause, and where that is written."""

    most_a: float
    because: str
    source: Source


@dataclass(frozen=True, slots=True)
class DemandTarget:
    """The mean of a quarter-hour at the grid connection is to stay below; while `span` holds."""

    limit_kw: float
    span: Span
    source: Source


@dataclass(frozen=True, slots=True)
class Costing:
    """The rules of cost by class. Nothing in them touches a class of `opt_out`."""

    classes: Mapping[str, ClassCost] = field(default_factory=dict)
    target: DemandTarget | None = None
    opt_out: tuple[str, ...] = ()
    source: Source = BUILT_IN

    def shifts(self, user_class: str) -> bool:
        """Whether the plan may move this class."""
        if user_class in self.opt_out:
            return False
        named = [name for name, one in self.classes.items() if one.shift]
        return user_class in named if named else True

    def held(self, cost: CostRules, user_class: str, minute: int, leaves_s: float | None) -> Held | None:
        """What the price holds a session of a class to at a minute of the local day; None: nothing. `leaves_s`: until its departure."""
        rule = self.classes.get(user_class)
        if rule is None or user_class in self.opt_out:
            return None
        price = cost.price_at(minute)
        costs = f"a kWh costs {price:g}, above"
        pressed = leaves_s is not None and leaves_s <= rule.unless_leaves_s
        if rule.pause_above is not None and price > rule.pause_above and not pressed:
            return Held(0.0, f"{costs} {rule.pause_above:g} ({rule.source})", rule.source)
        if rule.cap_a is not None and price > rule.above:
            return Held(rule.cap_a, f"{costs} {rule.above:g} ({rule.source})", rule.source)
        return None

    def target_at(self, when: Moment) -> DemandTarget | None:
        """The target in force."""
        return self.target if self.target is not None and self.target.span.holds(when) else None


def parse_costing(known: Mapping[str, object], classes: Located | None, target: Located | None, opt_out: Located | None) -> Costing:
    """BadInput for classes that are not there, a cap no vehicle can follow, and a rule that says nothing."""
    found = {name: _one(name, node, known) for name, node in (classes.table() if classes is not None else {}).items()}
    source = next((node.source for node in (opt_out, classes, target) if node is not None), BUILT_IN)
    return Costing(found, _target(target), named_classes(opt_out, known), source)


def _one(name: str, node: Located, known: Collection[str]) -> ClassCost:
    named_classes(Located([Located(name, node.source)], node.source), known)
    node.only("cap", "above", "pause_above", "unless_departs_within", "shift")
    if node.has("cap") != node.has("above"):
        raise BadInput(node.source, f"{name}: a cap holds above a price", "cap: 8 A, above: 0.35")
    cap = node.number("cap", "A", least=0) if node.has("cap") else None
    if cap is not None and 0.0 < cap < LEAST_A:
        raise BadInput(node.need("cap").source, f"no vehicle charges with {cap:g} A: below {LEAST_A:g} A a cap is a pause", "pause_above:")
    pause = node.need("pause_above").as_number("") if node.has("pause_above") else None
    if cap is None and pause is None and not node.has("shift"):
        raise BadInput(node.source, f"nothing is said of {name}", "cap: and above:, pause_above: or shift:")
    return ClassCost(
        cap, node.need("above").as_number("") if node.has("above") else 0.0, pause,
        node.number("unless_departs_within", "s", 0.0, least=0), node.flag("shift"), node.source,
    )  # fmt: skip


def _target(node: Located | None) -> DemandTarget | None:
    if node is None:
        return None
    if isinstance(node.value, dict):
        node.only("below", "days", "from", "to")
        return DemandTarget(node.number("below", "kW", least=0), parse_span(node), node.source)
    whole = parse_span(Located({}, node.source))
    return DemandTarget(node.as_number("kW", least=0), whole, node.source)
