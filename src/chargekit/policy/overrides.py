"""Overrides: somebody puts one session first, always with a reason and an expiry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chargekit.policy.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Override:
    """Leads until `until` (run seconds) and not at it. For a token or a station; `user_class` empty: before every class."""

    id: str
    who: str
    why: str
    created: float
    until: float
    token: str = ""
    station: str = ""
    user_class: str = ""


def create(rules: Rulebook, args: Mapping[str, Any], now: float) -> Override:
    """An override from a lever's arguments. ValueError says what is missing or not allowed."""
    until, who = args.get("until"), str(args.get("who", ""))
    rule = rules.override_rule
    if not isinstance(until, (int, float)):
        raise ValueError("an override needs an expiry: until")
    if not now < until <= now + rule.max_duration_s:
        raise ValueError(f"an override lasts at most {rule.max_duration_s / 3600:g} h ({rule.source})")
    if rule.who and who not in rule.who:
        raise ValueError(f"{who or 'nobody'} may not authorise overrides ({rule.source}): {', '.join(rule.who)} may")
    if not args.get("why"):
        raise ValueError("an override needs a reason: why")
    token, station = str(args.get("token", "")), str(args.get("station", ""))
    if not token and not station:
        raise ValueError("an override is for a token or a station")
    user_class = str(args.get("user_class", ""))
    if user_class and user_class not in rules.classes:
        raise ValueError(f"user class {user_class!r} is defined nowhere")
    return Override(str(args["id"]), who, str(args["why"]), now, float(until), token, station, user_class)
