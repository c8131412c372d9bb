"""The domain priority as it is read from its layers."""

from __future__ import annotations

from collections.abc import Collection

from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput, Located, Source
from chargekit.policy.layers import Layers
from chargekit.policy.people import named_classes, one_class, patterns
from chargekit.policy.priority import Contract, Fairness, NearDeparture, Order, PriorityRules, Rotation, Trigger
from chargekit.policy.schema import TRIGGERS
from chargekit.policy.windows import parse_date, parse_instant, parse_span

NEEDED = {
    "dispatch_risk": ("within", "lasts"), "under_allocation": ("below", "days", "lasts"),
    "few_free_chargers": ("free_below", "days", "lasts"), "event": ("name", "from", "to"),
}  # fmt: skip
"""What each trigger needs: its threshold, and its end."""


def parse_priority(layers: Layers, classes: Collection[str], order: Order, calendar: Calendar) -> PriorityRules:
    """The domain from its layers. BadInput with file and line. `order`: the ranks as read already."""
    windows, contracts, triggers = (layers.lowest("priority", name) for name in ("windows", "contracts", "triggers"))
    rotation, fairness = layers.lowest("priority", "rotation"), layers.lowest("priority", "fairness")
    return PriorityRules(
        order,
        tuple(_window(one, order.classes) for one in windows) if windows else (),
        _near(layers.lowest("priority", "near_departure"), classes),
        tuple(_contract(one, classes) for one in contracts) if contracts else (),
        _rotation(rotation, classes) if rotation else None,
        _fairness(fairness, classes) if fairness else None,
        tuple(_trigger(one, classes, calendar) for one in triggers) if triggers else (),
    )


def ranked(node: Located, classes: Collection[str]) -> dict[str, Source]:
    """Every class once, first to last. BadInput for one that is missing, unknown or named twice."""
    order: dict[str, Source] = {}
    for one in node:
        name = one_class(one, classes)
        if name in order:
            raise BadInput(one.source, f"user class {name!r} is ranked twice", f"first at {order[name]}")
        order[name] = one.source
    return order


def _window(node: Located, classes: tuple[str, ...]) -> Order:
    node.only("days", "from", "to", "ranks")
    ranks = node.need("ranks")
    order = ranked(ranks, classes)
    missing = [name for name in classes if name not in order]
    if missing:
        raise BadInput(ranks.source, f"no rank for {', '.join(missing)}", "a window ranks every class")
    return Order(tuple(order), node.source, parse_span(node))


def _promote(node: Located, classes: Collection[str]) -> str:
    return one_class(node.need("as"), classes) if node.has("as") else ""


def _near(node: Located | None, classes: Collection[str]) -> NearDeparture | None:
    if node is None:
        return None
    node.only("within", "below_soc", "classes", "as")
    below = node.number("below_soc", "%", least=0, most=100) if node.has("below_soc") else None
    named = named_classes(node.need("classes"), classes)
    return NearDeparture(node.number("within", "s", least=60), below, named, _promote(node, classes), node.source)


def _contract(node: Located, classes: Collection[str]) -> Contract:
    node.only("tokens", "as", "until")
    until = parse_date(node.need("until")) if node.has("until") else None
    return Contract(patterns(node.need("tokens")), one_class(node.need("as"), classes), until, node.source)


def _rotation(node: Located, classes: Collection[str]) -> Rotation:
    node.only("after", "classes")
    return Rotation(node.number("after", "s", least=60), named_classes(node.need("classes"), classes), node.source)


def _days(node: Located) -> int:
    days = node.integer("days")
    if not 1 <= days <= 366:
        raise BadInput(node.need("days").source, f"days: 1 to 366 expected, found {days}")
    return days


def _fairness(node: Located, classes: Collection[str]) -> Fairness:
    node.only("days", "classes")
    return Fairness(_days(node), named_classes(node.need("classes"), classes), node.source)


def _trigger(node: Located, classes: Collection[str], calendar: Calendar) -> Trigger:
    kind = node.one_of("when", TRIGGERS)
    node.only("when", "classes", "as", *NEEDED[kind])
    for key in NEEDED[kind]:
        if not node.has(key):
            what = "an end" if key in ("lasts", "to") else "a threshold"
            raise BadInput(node.source, f"trigger {kind} has no {key!r}: what puts a class forward needs {what}", f"{key}: ...")
    free = node.integer("free_below", 0)
    begin, end = (parse_instant(node.need(key), calendar.zone) if node.has(key) else None for key in ("from", "to"))
    if begin is not None and end is not None and not begin < end:
        raise BadInput(node.need("to").source, "the event ends before it begins", "to: after from")
    return Trigger(
        kind, named_classes(node.need("classes"), classes), _promote(node, classes), node.source,
        node.number("lasts", "s", 0.0, least=0), node.number("within", "s", 0.0, least=0),
        node.number("below", "kWh", 0.0, least=0) * 1000.0, free, _days(node) if node.has("days") else 0, node.text("name", ""), begin, end,
    )  # fmt: skip
