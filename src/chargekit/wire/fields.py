"""Reading and writing the fields of payloads. Readers take what a dirty peer may have meant (`"3"` or `3.0` for 3) and
raise Unreadable, naming the field, for what cannot be understood. Writers raise ValueError for our own mistakes."""

from __future__ import annotations

import math
from typing import Any, Final

from chargekit.model.calendar import Calendar

from .protocol import Payload, Unreadable

_LARGEST_INT: Final = 2**53
_LARGEST: Final = 1e9
_MISSING: Final = object()


def _missing(key: str) -> Unreadable:
    return Unreadable("occurrence", f"{key} is missing")


def _wrong(key: str, wanted: str, value: object) -> Unreadable:
    return Unreadable("type", f"{key}: {wanted} expected, found {shown(value)}")


def shown(value: object) -> str:
    """A short, printable form of anything a peer sent, for messages."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value)[:40]


def table(payload: Payload, key: str) -> Payload:
    found = opt_table(payload, key)
    if found is None:
        raise _missing(key)
    return found


def opt_table(payload: Payload, key: str) -> Payload | None:
    value = payload.get(key)
    if value is None or isinstance(value, dict):
        return value
    raise _wrong(key, "an object", value)


def rows(payload: Payload, key: str) -> list[Payload]:
    """A list of objects; a single object counts as a list of one."""
    value = payload.get(key)
    if value is None:
        raise _missing(key)
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise _wrong(key, "a list", value)
    for row in value:
        if not isinstance(row, dict):
            raise _wrong(key, "a list of objects", row)
    return value


def text(payload: Payload, key: str) -> str:
    found = opt_text(payload, key)
    if found is None:
        raise _missing(key)
    return found


def opt_text(payload: Payload, key: str) -> str | None:
    value = payload.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _wrong(key, "text", value)


def flag(payload: Payload, key: str) -> bool:
    """False when absent."""
    value = payload.get(key, False)
    return value if isinstance(value, bool) else str(value).lower() == "true"


def number(payload: Payload, key: str) -> float:
    """A finite number, or text that holds one."""
    value = payload.get(key)
    if value is None:
        raise _missing(key)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _wrong(key, "a number", value)
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise _wrong(key, "a number", value) from None
    if not math.isfinite(found):
        raise Unreadable("property", f"{key}: a finite number expected, found {shown(value)}")
    return found


def bounded(payload: Payload, key: str) -> float:
    """A number that can be written again, as a limit or as seconds: at most 1e9 either way."""
    found = number(payload, key)
    if abs(found) > _LARGEST:
        raise Unreadable("property", f"{key}: {shown(payload[key])} is out of range")
    return found


def opt_bounded(payload: Payload, key: str) -> float | None:
    return None if payload.get(key) is None else bounded(payload, key)


def whole(payload: Payload, key: str, least: int | None = None) -> int:
    """A whole number, at least `least`."""
    found = number(payload, key)
    if found != math.floor(found) or abs(found) > _LARGEST_INT:
        raise Unreadable("type", f"{key}: a whole number expected, found {shown(payload[key])}")
    if least is not None and found < least:
        raise Unreadable("property", f"{key}: at least {least} expected, found {shown(payload[key])}")
    return int(found)


def opt_whole(payload: Payload, key: str, least: int | None = None) -> int | None:
    return None if payload.get(key) is None else whole(payload, key, least)


def moment(payload: Payload, key: str, cal: Calendar) -> float:
    """Run time of an RFC 3339 text; one without a zone counts as UTC."""
    value = payload.get(key)
    if value is None:
        raise _missing(key)
    if not isinstance(value, str):
        raise _wrong(key, "a date and time", value)
    try:
        return cal.parse(value.strip().upper())
    except (ValueError, OverflowError):
        raise Unreadable("property", f"{key}: a date and time expected, found {shown(value)}") from None


def opt_moment(payload: Payload, key: str, cal: Calendar) -> float | None:
    return None if payload.get(key) is None else moment(payload, key, cal)


def one_of(payload: Payload, key: str, known: dict[str, Any], default: object = _MISSING) -> Any:
    """What `known` says for the word at `key`; `default` (itself a value) when the field is absent."""
    word = opt_text(payload, key)
    if word is None:
        if default is _MISSING:
            raise _missing(key)
        return default
    if word not in known:
        raise Unreadable("property", f"{key}: {shown(word)} is not one of {', '.join(known)}")
    return known[word]


def no_nones(**fields: Any) -> Payload:
    """The fields that are not None: an absent field is left out of the payload (P4 §4.1.5)."""
    return {key: value for key, value in fields.items() if value is not None}


def iso(cal: Calendar, at: float | None) -> str | None:
    """An instant as OCPP writes it; None stays None. ValueError outside the years 1 to 9999."""
    if at is None:
        return None
    try:
        return cal.iso(at)
    except OverflowError:
        raise ValueError(f"run time {at} has no date") from None


def seconds(value: float) -> int:
    """Whole seconds, rounded down."""
    return math.floor(value)


def opt_seconds(value: float | None) -> int | None:
    return None if value is None else seconds(value)


def limit_down(limit: float) -> float:
    """A limit with the one decimal OCPP allows, rounded down and never up; float noise below 1e-9 is not a loss."""
    if not abs(limit) <= _LARGEST:
        raise ValueError(f"a limit of {limit} can't be written")
    return math.floor(limit * 10.0 + 1e-8) / 10.0


def figure(value: float) -> float:
    """A metered figure with three decimals. ValueError for one that is no number."""
    if not math.isfinite(value):
        raise ValueError(f"a metered figure of {value} can't be written")
    return round(value, 3) + 0.0
