"""OCPP-J framing and correlation, message codecs per version, schemas and Modbus register maps. Sans-I/O.

`codec(version)` gives the module that translates between `messages` and the payloads of that version.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from .protocol import Codec, Payload, Unreadable

__all__ = ["SUBPROTOCOLS", "VERSIONS", "Codec", "Payload", "Unreadable", "codec"]

VERSIONS: Final = ("1.6", "2.0.1")
"""The OCPP versions spoken here, as sites write them."""

SUBPROTOCOLS: Final = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1"}
"""The WebSocket subprotocol of each version."""


@cache
def codec(version: str) -> Codec:
    """The codec of "1.6" or "2.0.1". ValueError for another version."""
    from . import v16, v201

    if version == v16.VERSION:
        return v16
    if version == v201.VERSION:
        return v201
    raise ValueError(f"OCPP version {version!r} is not known here (known: {', '.join(VERSIONS)})")
