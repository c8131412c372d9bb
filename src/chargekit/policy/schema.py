"""One table of every key a policy may hold: in which layer, in what shape. Loading and the JSON Schemas both follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from chargekit.policy.holds import AGAINST, COUNTS, MOST_COUNT, TIMES
from chargekit.policy.review import KEYS as REVIEW

PORTFOLIO, TYPE, SITE = "portfolio", "site type", "site"
LAYERS: Final = (PORTFOLIO, TYPE, SITE)
DOMAINS: Final = ("access", "priority", "power", "cost", "incidents", "review")
DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SIGNALS: Final = ("dimming", "level", "external")
MOST_SESSIONS: Final = 1_000_000
TRIGGERS: Final = ("dispatch_risk", "under_allocation", "few_free_chargers", "event")
SEVERITIES: Final = ("minor", "major", "critical")
KINDS: Final = (
    "communications_lost", "meter_silent", "meter_implausible", "unruly", "circuit_lost", "controller_restart", "profile_refused",
    "default_refused", "infeasible", "station_fault",
)  # fmt: skip
"""Kinds of incident."""
CAPACITY: Final = ("communications_lost", "meter_silent", "meter_implausible", "unruly", "circuit_lost", "infeasible")
"""Those by which capacity is lost: what the default response answers."""
REPORTABLE: Final = ("communications_lost", "meter_silent", "meter_implausible", "unruly", "circuit_lost", "station_fault")
"""Those an operator may report, too."""
LASTS_S: Final = {"controller_restart": 60.0}
"""Kinds that end by themselves, and after how long at most, s."""
RESPONSES: Final = ("protect_critical", "reduce_evenly", "suspend_lower", "none")
SCOPES: Final = ("token", "station", "circuit", "site")
"""What an override may be for, narrowest first."""

Shape = dict[str, Any]


def _quantity(*units: str) -> Shape:
    pattern = rf"^\s*\d+(\.\d+)?\s*({'|'.join(units)})?\s*$"
    return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": pattern}]}


def _table(required: tuple[str, ...] = (), **keys: Shape) -> Shape:
    return {"type": "object", "properties": keys, "additionalProperties": False, **({"required": list(required)} if required else {})}


def _list(item: Shape, least: int = 0) -> Shape:
    return {"type": "array", "items": item, **({"minItems": least} if least else {})}


def _named(item: Shape) -> Shape:
    return {"type": "object", "additionalProperties": item}


TEXT: Final[Shape] = {"type": "string", "minLength": 1}
FLAG: Final[Shape] = {"type": "boolean"}
NAMES: Final = _list(TEXT, 1)
AMPS, SECONDS, ENERGY = _quantity("A"), _quantity("ms", "s", "min", "h", "d"), _quantity("kWh", "Wh")
PERCENT: Final = _quantity("%")
POWER: Final = _quantity("kW", "W", "MW")
PRICE: Final[Shape] = {"type": "number"}
ANY: Final[Shape] = {"type": ["number", "string"]}
COUNT: Final[Shape] = {"type": "integer", "minimum": 1}
DAYS_COUNT: Final[Shape] = {"type": "integer", "minimum": 1, "maximum": 366}
CLOCK: Final[Shape] = {
    "anyOf": [{"type": "string", "pattern": r"^([01]?\d|2[0-4]):[0-5]\d$"}, {"type": "integer", "minimum": 0, "maximum": 1440}],
    "description": "HH:MM on the site's clock; 24:00 is the end of the day",
}
SESSIONS: Final[Shape] = {"type": "integer", "minimum": 0, "maximum": MOST_SESSIONS}
DATE: Final[Shape] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
INSTANT: Final[Shape] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?.*)?$"}
_DAY: Final = f"({'|'.join(DAY_NAMES)})"
_DAYS: Final[Shape] = {"type": "string", "pattern": rf"^({_DAY}(-{_DAY})?|holidays|all)$"}
DAYS: Final[Shape] = {
    "anyOf": [_DAYS, _list(_DAYS, 1)],
    "description": "mon-fri, sat, holidays; a holiday is no weekday; all: every day, holidays too",
}
CLOCKS: Final[dict[str, Shape]] = {"from": CLOCK, "to": CLOCK}
SPAN: Final[dict[str, Shape]] = {"days": DAYS, "from": CLOCK, "to": CLOCK}
GUESTS: Final[dict[str, Shape]] = {
    "classes": NAMES, "when": {"enum": ["normal", "restricted"]}, "on_incident": FLAG, "load_above": PERCENT,
}  # fmt: skip
NEAR: Final[dict[str, Shape]] = {"within": SECONDS, "below_soc": PERCENT, "classes": NAMES, "as": TEXT}
TRIGGER: Final[dict[str, Shape]] = {
    "when": {"enum": list(TRIGGERS)}, "classes": NAMES, "as": TEXT, "lasts": SECONDS, "within": SECONDS, "below": ENERGY,
    "free_below": {"type": "integer", "minimum": 1}, "days": DAYS_COUNT, "name": TEXT, "from": INSTANT, "to": INSTANT,
}  # fmt: skip
WRITES: Final[Shape] = {"type": "integer", "minimum": 1}
HOW_OFTEN: Final[Shape] = {"type": "integer", "minimum": 0, "maximum": MOST_COUNT}
HOLDS: Final[dict[str, Shape]] = {**dict.fromkeys(TIMES, SECONDS), **dict.fromkeys(COUNTS, HOW_OFTEN), "against": {"enum": list(AGAINST)}}


IDLE: Final[dict[str, Shape]] = {"grace": SECONDS, "release": SECONDS, "below": AMPS, "notify": FLAG, "classes": NAMES}
SIGNAL: Final[dict[str, Shape]] = {"longest": SECONDS, "floor": POWER, "exempt": NAMES, "first": NAMES, "shares": _list(PERCENT, 2)}
COST_CLASS: Final[dict[str, Shape]] = {
    "cap": AMPS, "above": PRICE, "pause_above": PRICE, "unless_departs_within": SECONDS, "shift": FLAG,
}  # fmt: skip
GUARANTEE: Final[Shape] = {"anyOf": [{"const": "strict"}, _table(("min_first",), min_first=NAMES)]}
MAY: Final[dict[str, Shape]] = {
    "may_authorise": _list(TEXT), "max_duration": SECONDS, "scope": _list({"enum": list(SCOPES)}, 1), "holds": FLAG,
}  # fmt: skip
OVERRIDES: Final[Shape] = {**_table((), **MAY), "additionalProperties": _table((), **MAY)}
CATEGORY: Final = _table(
    ("severity", "kinds"), severity={"enum": list(SEVERITIES)}, kinds=_list({"enum": list(KINDS)}, 1),
    escalate=_list(_table(("after", "to"), after=SECONDS, to=TEXT)),
)  # fmt: skip
RESPONSE: Final[Shape] = {"anyOf": [{"enum": list(RESPONSES)}, _table(
    ("response",), response={"enum": list(RESPONSES)}, critical=NAMES, suspend=NAMES, keep=AMPS, after=SECONDS, subjects=COUNT,
    where={"enum": ["circuit", "site"]},
)]}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """`domain.name`: the layers that may say it, lowest leading, and its shape as JSON Schema."""

    domain: str
    name: str
    layers: tuple[str, ...]
    shape: Shape
    about: str


def _key(path: str, layers: tuple[str, ...], shape: Shape, about: str) -> Key:
    domain, _, name = path.partition(".")
    return Key(domain, name, layers, shape, about)


LOWER: Final = (TYPE, SITE)
KEYS: Final[tuple[Key, ...]] = (
    _key("access.classes", (PORTFOLIO,), _named(_table((), goal=TEXT)), "every user class with its goal"),
    _key("access.blocked", (PORTFOLIO, SITE), _list(TEXT), "token patterns nobody may charge with, of both layers together"),
    _key("access.holidays", LAYERS, _list(DATE), "dates that are holidays at the site"),
    _key("access.default_class", LOWER, TEXT, "the class of tokens no pattern fits; without it they are refused"),
    _key("access.tokens", (SITE,), _named(TEXT), "token patterns and their class; an exact token first, then the narrowest pattern"),
    _key("access.groups", (SITE,), _named(_list(TEXT)), "tokens that may stop each other's transactions"),
    _key("access.windows", LOWER, _list(_table((), classes=NAMES, tokens=NAMES, **SPAN)), "when classes or tokens may charge"),
    _key(
        "access.entitlements", LOWER, _list(_table(("stations",), classes=NAMES, tokens=NAMES, stations=NAMES)),
        "at which stations only classes or tokens may charge",
    ),
    _key("access.guests", LOWER, _table(("classes", "when"), **GUESTS), "guests, and the states of the site that keep them out"),
    _key("priority.ranks", LOWER, NAMES, "all classes, first to last"),
    _key("priority.windows", LOWER, _list(_table(("ranks",), ranks=NAMES, **SPAN)), "other ranks at some times; the first that fits leads"),
    _key("priority.near_departure", LOWER, _table(("within", "classes"), **NEAR), "who leaves soon and is low goes first"),
    _key(
        "priority.contracts", (SITE,), _list(_table(("tokens", "as"), tokens=NAMES, **{"as": TEXT, "until": DATE})),
        "tokens that are ranked as another class, by contract",
    ),
    _key("priority.rotation", LOWER, _table(("after", "classes"), after=SECONDS, classes=NAMES), "who had its turn goes behind its peers"),
    _key("priority.fairness", LOWER, _table(("days", "classes"), days=DAYS_COUNT, classes=NAMES), "who got less in these days goes first"),
    _key("priority.triggers", LOWER, _list(_table(("when", "classes"), **TRIGGER)), "what puts a class forward, with threshold and end"),
    _key("power.limits", (SITE,), _named(AMPS), "limits by circuit, A per phase, below their ratings"),
    _key("power.floors", LOWER, _named(AMPS), "the least a session of a class is promised, A per phase"),
    _key(
        "power.sessions", LOWER, _list(_table(("most",), circuit=TEXT, most=SESSIONS, classes=NAMES)),
        "how many may charge at a time on a circuit (default: the whole site), of these classes only if any are named",
    ),
    _key("power.weights", LOWER, _named({"type": "number", "exclusiveMinimum": 0}), "by class, its share of a surplus against its peers'"),
    _key(
        "power.throttle", LOWER, NAMES,
        "who gives up what is above its minimum first, second, and so on, whatever the ranks; the ranks say who is admitted first",
    ),
    _key("power.guarantee", LOWER, GUARANTEE, "strict: by rank; min_first: these classes have their minimum before anybody has more"),
    _key(
        "power.budgets", (SITE,), _named(_table((), ac=AMPS, dc=AMPS)),
        "by circuit, what AC and what DC sessions may have together, A per phase",
    ),
    _key(
        "power.idle", LOWER, _table(("grace",), **IDLE),
        "sessions that are over while the vehicle stays: who is asked to move, who is ended",
    ),
    _key(
        "power.signals", LOWER, _table((), **dict.fromkeys(SIGNALS, _table(("longest",), **SIGNAL))),
        "how limits from the grid are taken: floor, longest duration, who is exempt, who gives first",
    ),
    _key("power.lease", LOWER, SECONDS, "how long a limit stands without renewal"),
    _key("power.writes", LOWER, WRITES, "profiles a day an EVSE may be sent: from half of it on renewals and raises get rarer"),
    _key("power.holds", LOWER, _table((), **HOLDS), "how long a session keeps current, waits for it, and how turns are taken"),
    _key("power.margin", LOWER, AMPS, "kept free on every circuit"),
    _key("cost.plan", LOWER, FLAG, "whether the coming day is planned by price, departures and limits"),
    _key("cost.price", LOWER, PRICE, "the price of a kWh outside the bands of the tariff"),
    _key("cost.tariff", LOWER, _list(_table(("from", "to", "price"), price=PRICE, **CLOCKS)), "prices by time of day"),
    _key("cost.demand_charge", LOWER, PRICE, "what a kW of the highest quarter of an hour costs"),
    _key("cost.classes", LOWER, _named(_table((), **COST_CLASS)), "by class: planned into cheap hours, capped or paused above a price"),
    _key(
        "cost.demand_target", LOWER, {"anyOf": [*POWER["anyOf"], _table(("below",), below=POWER, **SPAN)]},
        "what the mean of a quarter-hour at the grid is kept below",
    ),
    _key("cost.opt_out", LOWER, NAMES, "classes no rule of cost ever touches"),
    *(_key(f"review.{name}", (PORTFOLIO,), _table((), **dict.fromkeys(parts, ANY)), "of the review") for name, parts in REVIEW.items()),
    _key("incidents.categories", (PORTFOLIO,), _named(CATEGORY), "kinds of incident by category: how grave, and who is told when"),
    _key(
        "incidents.responses", LAYERS, _table((), critical=NAMES, suspend=NAMES, **dict.fromkeys((*KINDS, "default"), RESPONSE)),
        "what becomes of the sessions while an incident of a kind is open; critical and suspend: who, where a response names nobody",
    ),
    _key("incidents.roles", (PORTFOLIO, SITE), _named(_list(TEXT)), "who has a role, of both layers together"),
    _key(
        "incidents.overrides", (PORTFOLIO, SITE), OVERRIDES,
        "who may authorise an override, for whom, and how long it lasts at most; by category, too. A site may add or narrow, not widen",
    ),
    _key("incidents.fallback", LOWER, AMPS, "what an EVSE may draw once its station is cut off"),
    _key("incidents.default", LOWER, AMPS, "what an EVSE may draw before it was told anything"),
    _key("incidents.meter_stale", LOWER, SECONDS, "after how long without a reading a meter counts as silent"),
)  # fmt: skip
BY_PATH: Final = {(key.domain, key.name): key for key in KEYS}


def keys_of(layer: str, domain: str) -> tuple[str, ...]:
    """What a layer may say in a domain."""
    return tuple(key.name for key in KEYS if key.domain == domain and layer in key.layers)


def json_schema(layer: str) -> Shape:
    """The JSON Schema of one layer's file, for editors and checkers."""
    domains: dict[str, Shape] = {}
    for domain in DOMAINS:
        keys = {key.name: {**key.shape, "description": key.about} for key in KEYS if key.domain == domain and layer in key.layers}
        table: Shape = {"type": ["object", "null"], "properties": keys, "additionalProperties": False}
        domains[domain] = table
    if layer != SITE:
        fixable = [f"{key.domain}.{key.name}" for key in KEYS if any(low in key.layers for low in LAYERS[LAYERS.index(layer) + 1 :])]
        domains["fixed"] = {"type": "array", "items": {"enum": fixable}, "description": "keys no lower layer may touch"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"chargekit policy: {layer}",
        "type": "object", "properties": domains, "additionalProperties": False,
    }  # fmt: skip
