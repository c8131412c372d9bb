"""Values that remember the file and line they came from, and the one error for bad input.

Nothing here reads a file: `chargekit.lab.yamlfile` turns YAML text into `Located` trees.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

type_names: Final = {
    dict: "a table",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}

_QUANTITY = re.compile(r"^\s*([-+]?\d+(?:\.\d+)?)\s*([A-Za-z%°][\w/%]*)?\s*$", re.ASCII)
_SCALE: Final[dict[str, dict[str, float]]] = {
    "A": {"A": 1.0},
    "kW": {"kW": 1.0, "W": 1e-3, "MW": 1e3},
    "W": {"W": 1.0, "kW": 1e3},
    "kWh": {"kWh": 1.0, "Wh": 1e-3},
    "V": {"V": 1.0},
    "s": {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "%": {"%": 1.0},
    "°C": {"°C": 1.0, "C": 1.0},
    "Ohm": {"Ohm": 1.0, "mOhm": 1e-3},
    "Wh/km": {"Wh/km": 1.0},
    "kW/s": {"kW/s": 1.0},
    "": {"": 1.0},
}
_BASE: Final = {unit: (base, scale) for base, units in reversed(_SCALE.items()) for unit, scale in units.items()}
"""Of a unit that several figures take, the first."""

_BEYOND: Final = 10**9
"""No figure of a file is larger, in its unit: what is, is a slip, and would be none of a clock's or a meter's figures."""


def amount(text: str) -> str:
    """An amount in the base unit of its kind: `15 min` is `900 s`, `500 W` is `0.5 kW`. Any other text as it is."""
    found = _QUANTITY.match(text)
    if not found or found[2] not in _BASE:
        return text
    base, scale = _BASE[found[2]]
    return f"{float(found[1]) * scale:.10g} {base}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value was written. `str()` gives `file:line`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


BUILT_IN: Final = Source("built-in", 0)


class BadInput(Exception):
    """A user's input that can't be used: where, what was expected, what to do. Exit code 64."""

    def __init__(self, source: Source | None, message: str, hint: str = "") -> None:
        self.source, self.message, self.hint = source, message, hint
        where = f"{source}: " if source else ""
        super().__init__(f"{where}{message}" + (f" ({hint})" if hint else ""))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint naming the closest known word, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(names)


def shown(value: object) -> str:
    """A file's value as a message may repeat it: short, and without what a terminal would obey."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of dozens of digits"
    text = str(value)
    return repr(text if len(text) <= 40 else text[:40] + "…")


@dataclass(frozen=True, slots=True)
class Located:
    """One node of a loaded file: a scalar, a table of nodes or a list of nodes, with its source."""

    value: object
    source: Source

    def _is(self, kind: type, what: str) -> None:
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            raise BadInput(self.source, f"{what} expected, found {type_names.get(type(self.value), 'nothing')}")

    def table(self) -> dict[str, Located]:
        self._is(dict, "a table")
        return self.value  # type: ignore[return-value]

    def items(self) -> list[Located]:
        self._is(list, "a list")
        return self.value  # type: ignore[return-value]

    def __iter__(self) -> Iterator[Located]:
        return iter(self.items())

    def only(self, *known: str) -> Located:
        """Refuse any key outside `known`; returns self."""
        for key, node in self.table().items():
            if key not in known:
                raise BadInput(node.source, f"unknown key {key!r}", nearest(key, known))
        return self

    def has(self, key: str) -> bool:
        return key in self.table() and self.table()[key].value is not None

    def get(self, key: str) -> Located | None:
        return self.table()[key] if self.has(key) else None

    def need(self, key: str) -> Located:
        node = self.get(key)
        if node is None:
            raise BadInput(self.source, f"{key!r} is missing here")
        return node

    def as_text(self) -> str:
        if isinstance(self.value, (dict, list, bool)) or self.value is None:
            raise BadInput(self.source, f"text expected, found {type_names.get(type(self.value), 'nothing')}")
        return str(self.value)

    def as_flag(self) -> bool:
        self._is(bool, "true or false")
        return bool(self.value)

    def as_int(self) -> int:
        self._is(int, "a whole number")
        return int(self.value)  # type: ignore[call-overload, no-any-return]

    def as_number(self, unit: str, *, least: float | None = None, most: float | None = None) -> float:
        """A figure in `unit` ("A", "kW", "kWh", "V", "s", "%", ""); accepts `250`, `250 A`, `5 min` for seconds."""
        scales = _SCALE[unit]
        if isinstance(self.value, (int, float)) and not isinstance(self.value, bool):
            # Python's whole numbers have no largest; a figure has.
            figure = float(max(-2 * _BEYOND, min(2 * _BEYOND, self.value)))
        else:
            found = _QUANTITY.match(str(self.value))
            if not found or (found[2] or unit) not in scales:
                wanted = f"a figure in {' or '.join(scales)}" if unit else "a number"
                raise BadInput(self.source, f"{wanted} expected, found {shown(self.value)}")
            figure = float(found[1]) * scales[found[2] or unit]
        if not abs(figure) <= _BEYOND:
            raise BadInput(self.source, f"a figure of at most {_BEYOND:.0e} {unit}".rstrip() + f" expected, found {shown(self.value)}")
        if (least is not None and figure < least) or (most is not None and figure > most):
            bounds = " and ".join(
                b
                for b in (
                    f"at least {least:g}" if least is not None else "",
                    f"at most {most:g}" if most is not None else "",
                )
                if b
            )
            raise BadInput(self.source, f"{figure:g} {unit}".strip() + f" is out of range: {bounds} expected")
        return figure

    def text(self, key: str, default: str | None = None) -> str:
        node = self.get(key)
        return node.as_text() if node else self._default(key, default)

    def one_of(self, key: str, known: Iterable[str], default: str | None = None) -> str:
        node = self.get(key)
        word = node.as_text() if node else self._default(key, default)
        names = list(known)
        if word not in names:
            raise BadInput(node.source if node else self.source, f"{key}: {word!r} is not known", nearest(word, names))
        return word

    def number(
        self,
        key: str,
        unit: str,
        default: float | None = None,
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> float:
        node = self.get(key)
        return node.as_number(unit, least=least, most=most) if node else self._default(key, default)

    def integer(self, key: str, default: int | None = None) -> int:
        node = self.get(key)
        return node.as_int() if node else self._default(key, default)

    def flag(self, key: str, default: bool = False) -> bool:
        node = self.get(key)
        return node.as_flag() if node else default

    def list(self, key: str) -> list[Located]:
        node = self.get(key)
        return node.items() if node else []

    def _default(self, key: str, default: T | None) -> T:
        if default is None:
            raise BadInput(self.source, f"{key!r} is missing here")
        return default
