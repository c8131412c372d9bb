"""Modbus blocks: what is asked of a meter. Register maps live in `registers.py`."""

from __future__ import annotations

from typing import NamedTuple


class Block(NamedTuple):
    """A read request: function code (3 holding, 4 input), first address as sent on the wire, count of registers (`words`), unit id."""

    fc: int
    addr: int
    words: int
    unit: int = 1
