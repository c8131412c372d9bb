"""Tables for a terminal, a pipe or a file: as wide as a person's window, or as wide as the words where nobody folds them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargekit.faces.plain import one_line

PIPED = 250
"""Columns where nothing says how wide the other end is."""


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Print rows of untrusted words under their columns; the first column is never folded."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title=title, title_justify="left")
    for number, name in enumerate(columns):
        shown.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(escape(one_line(word, 2000)) for word in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED)
    console.print(shown)
