"""Checks payloads against the official JSON schemas, which come with the `ocpp` package; compiled on first use.

Reading them is reading package data, the one thing this room takes from outside; it happens once per message kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Literal

import jsonschema_rs
import orjson

Kind = Literal["req", "conf"]
Code = Literal["formation", "property", "occurrence", "type"]

_FOLDERS: Final = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
_CODES: Final[dict[str, Code]] = {
    "required": "occurrence",
    "minItems": "occurrence",
    "maxItems": "occurrence",
    "type": "type",
    "maxLength": "type",
    "minLength": "type",
    "additionalProperties": "formation",
}
_MOST_PROBLEMS: Final = 20
_MOST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which a payload breaks its schema. `code` is the OCPP-J error code without its version's spelling
    (`formation`: structure or unknown field; `occurrence`: missing or too many; `type`; `property`: value not
    allowed); `path` is like `$.meterValue[0].timestamp`."""

    code: Code
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def _folder(version: str) -> Traversable:
    if version not in _FOLDERS:
        raise ValueError(f"OCPP version {version!r} is not known here (known: {', '.join(_FOLDERS)})")
    return files("ocpp") / _FOLDERS[version] / "schemas"


def _file(version: str, action: str, kind: Kind) -> str:
    if action in sends(version):
        return f"{action}.json"
    asked = "" if version == "1.6" else "Request"
    return f"{action}{asked if kind == 'req' else 'Response'}.json"


@cache
def actions(version: str) -> frozenset[str]:
    """Every action of a version ("1.6", "2.0.1", "2.1"). ValueError for another version."""
    return _answered(version) | sends(version)


@cache
def sends(version: str) -> frozenset[str]:
    """The actions that go as SEND (2.1, P4 §4.2.4): a request without a response. None before 2.1."""
    if version == "1.6":
        return frozenset()
    names = [entry.name for entry in _folder(version).iterdir() if entry.name.endswith(".json")]
    return frozenset(name.removesuffix(".json") for name in names if not name.endswith(("Request.json", "Response.json")))


def _answered(version: str) -> frozenset[str]:
    names = [entry.name for entry in _folder(version).iterdir() if entry.name.endswith("Response.json")]
    return frozenset(name.removesuffix("Response.json") for name in names)


def schema(version: str, action: str, kind: Kind) -> dict[str, Any]:
    """The JSON schema of a message, read anew. ValueError for an unknown version or action."""
    if action not in actions(version):
        raise ValueError(f"OCPP {version} has no action {action!r}")
    if kind == "conf" and action in sends(version):
        return {"not": {}}  # whatever answers it is wrong
    found: dict[str, Any] = orjson.loads((_folder(version) / _file(version, action, kind)).read_text("utf-8-sig"))
    return found


@cache
def _validator(version: str, action: str, kind: Kind) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema(version, action, kind), validate_formats=True)


@cache
def words(version: str, action: str, kind: Kind, field: str) -> frozenset[str]:
    """The words allowed for the field of that name, wherever it stands in the message. KeyError if there is none."""
    whole = schema(version, action, kind)
    waiting: list[Any] = [whole]
    while waiting:
        node = waiting.pop()
        waiting += [child for child in node.values() if isinstance(child, dict)]
        found = node.get("properties", {}).get(field, {})
        found = whole["definitions"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found
        if "enum" in found:
            return frozenset(found["enum"])
    raise KeyError(f"{action}.{kind} of OCPP {version} has no list of words for {field}")


def check(version: str, action: str, kind: Kind, payload: object) -> list[Problem]:
    """The problems of a payload, in the schema's order; an empty list means valid. At most 20.

    Never raises for a payload that was JSON. ValueError for an unknown version or action.
    """
    validator = _validator(version, action, kind)
    try:
        if validator.is_valid(payload):
            return []
        found: list[Problem] = []
        for error in validator.iter_errors(payload):
            if len(found) == _MOST_PROBLEMS:
                break
            found.append(_problem(error))
        return found
    except (ValueError, RecursionError) as why:  # deeper than the validator goes, or not JSON at all
        return [Problem("formation", "$", _shorter(f"can't be checked: {why}"))]


def _problem(error: jsonschema_rs.ValidationError) -> Problem:
    path = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    return Problem(_CODES.get(keyword, "property"), path[:_MOST_TEXT], _shorter(error.message))


def _shorter(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"
