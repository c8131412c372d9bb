"""OCPP-J framing and correlation, message codecs per version, schemas and Modbus register maps. Sans-I/O.

`codec(version)` gives the module that translates between `messages` and the payloads of that version.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from .protocol import Codec, Payload, Unreadable

__all__ = ["SUBPROTOCOLS", "VERSIONS", "Codec", "Payload", "Unreadable", "codec"]

VERSIONS: Final = ("1.6", "2.0.1", "2.1")
"""The OCPP versions spoken here, as sites write them."""

SUBPROTOCOLS: Final = {version: f"ocpp{version}" for version in VERSIONS}
"""The WebSocket subprotocol of each version."""


@cache
def codec(version: str) -> Codec:
    """The codec of "1.6", "2.0.1" or "2.1". ValueError for another version."""
    from . import v16, v201

    if version == v16.VERSION:
        return v16
    if version in VERSIONS:
        return v201.V2(version)
    raise ValueError(f"OCPP version {version!r} is not known here (known: {', '.join(VERSIONS)})")
