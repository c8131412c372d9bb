"""Text a charger sent, made harmless before a person sees it."""

from __future__ import annotations

import html
import re
from typing import Final

_BIDI: Final = "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_UNSEEN: Final = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff\ufffe\uffff]")


def inert(text: object, most: int = 2000) -> str:
    """`text` without control, escape, bidirectional and surrogate characters (each shown as U+FFFD), at most `most` long."""
    clean = _UNSEEN.sub("\ufffd", str(text).replace("\r\n", "\n"))
    return clean if len(clean) <= most else clean[:most] + " …"


def one_line(text: object, most: int = 300) -> str:
    """`inert`, with line breaks and tabs folded into spaces."""
    return " ".join(inert(text, most).split())


def markup(text: object, most: int = 2000) -> str:
    """`inert` text, escaped for HTML text and quoted attributes."""
    return html.escape(inert(text, most), quote=True)
