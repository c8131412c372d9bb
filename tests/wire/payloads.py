"""Valid payloads from a message's JSON schema: a compact strategy for the keywords the official schemas use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from hypothesis import strategies as st

from chargekit.wire import schemas

T = TypeVar("T")
MOST_ITEMS = 2
"""More than the least of a list."""
LARGE = 2**53

stamps = st.sampled_from(
    [
        "2026-01-01T00:00:10Z",
        "2026-03-29T02:30:00.123+02:00",
        "2024-02-29T23:59:59.999999Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
    ]
) | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)
anything = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.lists(st.just({}), max_size=1)


def payloads(version: str, action: str, kind: schemas.Kind) -> st.SearchStrategy[dict[str, Any]]:
    """Payloads that satisfy the schema."""
    whole = schemas.schema(version, action, kind)
    return st.composite(lambda draw: _value(draw, whole, whole.get("definitions", {}), 0))()


def least(version: str, action: str, kind: schemas.Kind) -> dict[str, Any]:
    """The smallest payload that satisfies the schema: required fields alone, the first word of each list of words."""
    whole = schemas.schema(version, action, kind)
    found: dict[str, Any] = _least(whole, whole.get("definitions", {}))
    return found


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _value(draw: Any, node: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    node = _resolved(node, definitions)
    if "enum" in node:
        return draw(st.sampled_from(node["enum"]))
    match node.get("type"):
        case "object":
            return _object(draw, node, definitions, depth)
        case "array":
            fewest = node.get("minItems", 0)
            count = draw(st.integers(fewest, min(node.get("maxItems", LARGE), fewest + (MOST_ITEMS if depth < 4 else 0))))
            return [_value(draw, node["items"], definitions, depth + 1) for _ in range(count)]
        case "string":
            return draw(_text(node))
        case "integer":
            return draw(_between(node, st.integers))
        case "number" if "multipleOf" in node:
            return draw(st.integers(0, 10**6)) / round(1 / node["multipleOf"])
        case "number":
            return draw(_between(node, st.integers) | _between(node, st.floats))
        case "boolean":
            return draw(st.booleans())
        case _:
            return draw(anything)


def _object(draw: Any, node: dict[str, Any], definitions: dict[str, Any], depth: int) -> dict[str, Any]:
    required, found = node.get("required", []), {}
    optional = [name for name in node.get("properties", {}) if name not in required]
    chosen = draw(st.sets(st.sampled_from(optional), max_size=4 if depth < 3 else 1)) if optional else set()
    for name, inner in node.get("properties", {}).items():
        if name in required or name in chosen:
            found[name] = _value(draw, inner, definitions, depth + 1)
    if node.get("additionalProperties", True) and draw(st.booleans()):
        found["extension"] = draw(anything)
    return found


def _text(node: dict[str, Any]) -> st.SearchStrategy[str]:
    if node.get("format") == "date-time":
        return stamps
    if node.get("format") == "uri":
        return st.just("https://example.org/a?b=c")
    longest = node.get("maxLength", 300)
    return st.text(max_size=min(longest, 12)) | st.just("x" * longest) | st.sampled_from(["1", "16.5", "Wh"]).map(lambda t: t[:longest])


def _between(node: dict[str, Any], of: Any) -> st.SearchStrategy[Any]:
    low, high = int(node.get("minimum", -LARGE)), int(node.get("maximum", LARGE))
    return of(low, high) | of(max(low, 0), min(high, 99)) if low <= 99 and high >= 0 else of(low, high)


def _least(node: dict[str, Any], definitions: dict[str, Any]) -> Any:
    node = _resolved(node, definitions)
    if "enum" in node:
        return node["enum"][0]
    match node.get("type"):
        case "object":
            return {name: _least(node["properties"][name], definitions) for name in node.get("required", [])}
        case "array":
            return [_least(node["items"], definitions) for _ in range(node.get("minItems", 0))]
        case "string":
            return {"date-time": "2026-01-01T00:00:10Z", "uri": "https://example.org"}.get(node.get("format", ""), "x")
        case "boolean":
            return True
        case _:
            return max(1, int(node.get("minimum", 1)))
