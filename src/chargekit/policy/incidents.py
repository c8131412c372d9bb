"""Incidents: what goes wrong, who is told when it lasts, and what becomes of the sessions meanwhile.

A kind of incident belongs to one category, which says how grave it is and who hears of it after how long. A response says what is done
with the demands on the circuit concerned while an incident of a kind is open. Pure: trees in, rules out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from chargekit.model.located import BUILT_IN, BadInput, Located, Source, nearest, shown
from chargekit.policy.layers import Layers
from chargekit.policy.people import a_name, named_classes
from chargekit.policy.schema import CAPACITY, KINDS, REPORTABLE, RESPONSES, SEVERITIES

__all__ = ["CAPACITY", "GRAVE", "KINDS", "REPORTABLE", "RESPONSES", "Category", "IncidentRules", "Response", "Step", "parse_incidents"]

PROTECT, EVENLY, SUSPEND, NONE = RESPONSES
GRAVE: Final = ("meter_silent", "meter_implausible", "unruly", "circuit_lost")
"""Kinds that are major where no category says otherwise."""
DEFAULT: Final = "default"
SETTINGS: Final = ("critical", "suspend")
LONGEST_S: Final = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Step:
    """Once an incident has lasted for `after_s`, `to` is told."""

    after_s: float
    to: str
    source: Source


@dataclass(frozen=True, slots=True)
class Category:
    """Kinds of incident that are handled alike. `steps`: who is told, soonest first."""

    name: str
    severity: str
    kinds: tuple[str, ...]
    steps: tuple[Step, ...]
    source: Source

    @property
    def grave(self) -> bool:
        return self.severity != "minor"


@dataclass(frozen=True, slots=True)
class Response:
    """What becomes of the demands once an incident has lasted for `after_s`, where as many as `subjects` have one of its kind at a time.

    `protect_critical`: the `critical` classes come before everybody, and nobody else's floor is kept. `reduce_evenly`: all ranks are one,
    floors stay. `suspend_lower`: the classes in `suspend` get `keep_a` at most. On the circuit concerned and all below it; `site_wide`:
    everywhere.
    """

    kind: str
    how: str
    source: Source
    critical: tuple[str, ...] = ()
    suspend: tuple[str, ...] = ()
    keep_a: float = 0.0
    after_s: float = 0.0
    subjects: int = 1
    site_wide: bool = False

    def says(self, user_class: str, *, holds: bool = False) -> str:
        """What becomes of a session of a class: `first`, `behind` (what it was promised is not kept), `even`, `suspended`, `as before`.
        `holds`: it is led by an override that holds."""
        if self.how == PROTECT:
            return "first" if holds or user_class in self.critical else "behind"
        if holds or not user_class:
            return "as before"
        if self.how == EVENLY:
            return "even"
        return "suspended" if self.how == SUSPEND and user_class in self.suspend else "as before"


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """The domain at one site. `roles`: who has a role, by name; none are checked where nobody is named at all."""

    categories: tuple[Category, ...] = ()
    responses: Mapping[str, Response] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def category_of(self, kind: str) -> Category:
        """The first category that holds a kind; where none does, one of nobody's concern."""
        usual = Category("", "major" if kind in GRAVE else "minor", (kind,), (), BUILT_IN)
        return next((one for one in self.categories if kind in one.kinds), usual)

    def response_to(self, kind: str) -> Response | None:
        """What is done about a kind, its own response first, then, where capacity is at stake, the default; None for nothing."""
        found = self.responses.get(kind) or (self.responses.get(DEFAULT) if kind in CAPACITY else None)
        return None if found is None or found.how == NONE else found


def parse_incidents(layers: Layers, classes: Collection[str]) -> IncidentRules:
    """The domain from its layers. BadInput, with file and line, for what can't be. `classes` in their order, the first leading."""
    return IncidentRules(
        _categories(layers.find("incidents", "categories", "portfolio")), _responses(layers, tuple(classes)), _roles(layers)
    )


def _categories(node: Located | None) -> tuple[Category, ...]:
    """The gravest first, then by name: of two that hold a kind, that one leads, wherever it was written."""
    found = [_category(name, one) for name, one in (node.table() if node is not None else {}).items()]
    return tuple(sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), one.name)))


def _category(name: str, node: Located) -> Category:
    node.only("severity", "kinds", "escalate")
    kinds = []
    for one in node.need("kinds"):
        kind = one.as_text()
        if kind not in KINDS:
            raise BadInput(one.source, f"no kind of incident is named {shown(kind)}", nearest(kind, KINDS))
        if kind in kinds:
            raise BadInput(one.source, f"{kind} is named twice")
        kinds.append(kind)
    if not kinds:
        raise BadInput(node.source, f"category {name} holds no kind of incident", f"kinds: one of {', '.join(KINDS)}")
    steps = []
    for one in node.list("escalate"):
        one.only("after", "to")
        steps.append(Step(one.need("after").as_number("s", least=0, most=LONGEST_S), a_name(one.need("to")), one.source))
        if len(steps) > 1 and steps[-1].after_s <= steps[-2].after_s:
            raise BadInput(
                one.source, "escalation goes on with time: later than the step before expected", f"{steps[-2].after_s:g} s there"
            )
    return Category(name, node.one_of("severity", SEVERITIES), tuple(kinds), tuple(steps), node.source)


def _responses(layers: Layers, classes: tuple[str, ...]) -> dict[str, Response]:
    """By kind, of the lowest layer that names it; what a response leaves out is as the lowest layer says for all."""
    said: dict[str, Located] = {}
    for _, node in layers.said("incidents", "responses"):
        for name, one in node.table().items():
            if name not in (*KINDS, DEFAULT, *SETTINGS):
                raise BadInput(one.source, f"no kind of incident is named {shown(name)}", nearest(name, (*KINDS, DEFAULT, *SETTINGS)))
            if one.value is not None:
                said.setdefault(name, one)
    critical = named_classes(said.pop("critical", None), classes) or classes[:1]
    suspend = named_classes(said.pop("suspend", None), classes) or classes[-1:]
    return {kind: _response(kind, said[kind], critical, suspend, classes) for kind in (*KINDS, DEFAULT) if kind in said}


def _response(kind: str, node: Located, critical: tuple[str, ...], suspend: tuple[str, ...], classes: tuple[str, ...]) -> Response:
    table = Located({"response": node}, node.source) if not isinstance(node.value, dict) else node
    table.only("response", "critical", "suspend", "keep", "after", "subjects", "where")
    table.need("response")
    how = table.one_of("response", RESPONSES)
    for name, needs in (("critical", PROTECT), ("suspend", SUSPEND), ("keep", SUSPEND)):
        if table.has(name) and how != needs:
            raise BadInput(table.need(name).source, f"{name} says nothing here: it belongs to {needs}, and this is {how}")
    subjects = table.integer("subjects", 1)
    if not 1 <= subjects <= 10_000:
        raise BadInput(table.need("subjects").source, f"a count of at least 1 expected, found {subjects}")
    return Response(
        kind, how, node.source, named_classes(table.get("critical"), classes) or critical,
        named_classes(table.get("suspend"), classes) or suspend,
        table.number("keep", "A", 0.0, least=0), table.number("after", "s", 0.0, least=0, most=LONGEST_S), subjects,
        table.one_of("where", ("circuit", "site"), "circuit") == "site",
    )  # fmt: skip


def _roles(layers: Layers) -> dict[str, tuple[str, ...]]:
    """Everybody who has a role, of all layers together, the portfolio's first."""
    found: dict[str, dict[str, None]] = {}
    for _, node in reversed(list(layers.said("incidents", "roles"))):
        for role, people in node.table().items():
            found.setdefault(role, {}).update(dict.fromkeys(a_name(one) for one in people))
    return {role: tuple(found[role]) for role in sorted(found)}
