"""Overrides: somebody puts sessions first, always with a reason and an expiry. Who may is a matter of role; all of it goes on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chargekit.model.site import Site
from chargekit.policy.override_rules import GENERAL, OverrideRule, scope_of
from chargekit.policy.rulebook import Rulebook
from chargekit.policy.schema import SCOPES

MOST: Final = 256
"""Overrides in force at a time."""


@dataclass(frozen=True, slots=True)
class Override:
    """Leads until `until` (run seconds) and not at it. For a token, a station, a circuit with all below it, or, with none of them named,
    for the whole site; `user_class` empty: before every class. `holds`: it leads on while capacity is lost."""

    id: str
    who: str
    why: str
    created: float
    until: float
    token: str = ""
    station: str = ""
    user_class: str = ""
    role: str = ""
    category: str = GENERAL
    circuit: str = ""
    holds: bool = False

    @property
    def scope(self) -> str:
        return "token" if self.token else "station" if self.station else "circuit" if self.circuit else "site"

    @property
    def by(self) -> str:
        """Who, with the role where that is another name."""
        return self.who if self.role in ("", self.who) else f"{self.who} ({self.role})"

    def covers(self, station: str, token: str, path: Iterable[str]) -> bool:
        """Whether it is for a session of this token at this station, whose circuit and all above it are `path`."""
        match self.scope:
            case "token":
                return self.token == token
            case "station":
                return self.station == station
            case "circuit":
                return self.circuit in path
            case _:
                return True

    @property
    def precedes(self) -> tuple[int, float, str]:
        """The key by which of several the first leads: the narrowest, then the oldest."""
        return (SCOPES.index(self.scope), self.created, self.id)


def authorised(rules: Rulebook, rule: OverrideRule, args: Mapping[str, Any], what: str) -> tuple[str, str]:
    """(who, role) of whoever may do `what`. ValueError, with the rule's file and line, for anybody else.

    A role's own name is its account. Anybody else says a role, or has one by the rulebook; where the rulebook names the people of a role,
    only they have it.
    """
    who, role = str(args.get("who") or ""), str(args.get("role") or "")
    roles = rules.incidents.roles
    if not role:
        role = who if who in rule.who or not rule.who else next((r for r in rule.who if who in roles.get(r, ())), "")
    allowed = ", ".join(rule.who)
    if not who or (rule.who and role not in rule.who):
        may = f": {allowed} may" if allowed else ""
        raise ValueError(f"{who or 'nobody'}{f' as {role}' if role else ''} may not {what} ({rule.source}){may}")
    named = roles.get(role, ())
    if who != role and named and who not in named:
        raise ValueError(f"{who} is no {role} and may not {what} ({rule.source}): {', '.join(named)} may")
    return who, role


def create(rules: Rulebook, args: Mapping[str, Any], now: float, site: Site | None = None, held: Iterable[str] = ()) -> Override:
    """An override from a lever's arguments. ValueError says what is missing or not allowed, with the rule's file and line.

    `held`: the ids of those in force; `site`: to know its stations and circuits.
    """
    rule = scope_of(rules.overrides, str(args.get("category") or GENERAL))
    until, ident = args.get("until"), str(args["id"])
    taken = list(held)
    if isinstance(until, bool) or not isinstance(until, (int, float)):
        raise ValueError(f"an override needs an expiry: until ({rule.source})")
    if not within(rule, until, now):
        kind = "an override" if rule.name == GENERAL else f"an override of category {rule.name}"
        raise ValueError(f"{kind} lasts at most {rule.max_duration_s / 3600:g} h ({rule.source})")
    who, role = authorised(rules, rule, args, "authorise overrides")
    if not args.get("why"):
        raise ValueError(f"an override needs a reason: why ({rule.source})")
    if ident in taken:
        raise ValueError(f"override {ident[:40]!r} is in force: it is revoked before it is given anew ({rule.source})")
    if len(taken) >= MOST:
        raise ValueError(f"{MOST} overrides are in force: one has to end before another begins")
    user_class = str(args.get("user_class") or "")
    if user_class and user_class not in rules.classes:
        raise ValueError(f"user class {user_class!r} is defined nowhere")
    made = Override(
        ident, who, str(args["why"]), now, float(until), str(args.get("token") or ""), str(args.get("station") or ""), user_class, role,
        rule.name,
        str(args.get("circuit") or ""), rule.holds,
    )  # fmt: skip
    _scoped(made, rule, args, site)
    return made


def within(rule: OverrideRule, until: float, now: float) -> bool:
    """Whether an expiry is one its rule allows."""
    return now < until <= now + rule.max_duration_s


def _scoped(made: Override, rule: OverrideRule, args: Mapping[str, Any], site: Site | None) -> None:
    if made.scope == "site" and args.get("scope") != "site":
        raise ValueError(f"an override is for a token or a station, a circuit, or says scope: site ({rule.source})")
    if made.scope not in rule.scope:
        raise ValueError(f"an override of category {rule.name} is not for a {made.scope} ({rule.source}): {', '.join(rule.scope)}")
    if site is not None and made.scope == "station" and made.station not in {one.id for one in site.stations}:
        raise ValueError(f"no station is named {made.station[:40]!r}")
    if site is not None and made.scope == "circuit" and made.circuit not in site.circuits:
        raise ValueError(f"no circuit is named {made.circuit[:40]!r}")


def audit(made: Override, rule: OverrideRule | None) -> dict[str, Any]:
    """What is put on record of an override: who, role, why, since and until when, for what, and by which rule."""
    body: dict[str, Any] = {
        "id": made.id, "who": made.who, "role": made.role, "category": made.category, "why": made.why, "created": round(made.created, 3),
        "until": made.until, "scope": made.scope,
    }  # fmt: skip
    body |= {name: getattr(made, name) for name in ("token", "station", "circuit", "user_class") if getattr(made, name)}
    return body | ({"rule": str(rule.source)} if rule is not None else {})
