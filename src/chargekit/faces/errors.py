"""Exit codes and how an error reaches a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from chargekit.faces.plain import one_line
from chargekit.model.located import BadInput

PASS: Final = 0
FAIL: Final = 1
INCONCLUSIVE: Final = 2
BENCH_ERROR: Final = 3
USAGE: Final = 64


def complain(message: object) -> None:
    """One line on stderr, harmless."""
    print(f"chargekit: {one_line(message, 1000)}", file=sys.stderr)


@contextmanager
def told() -> Iterator[None]:
    """Bad input ends the command with its one clear message and exit code 64, without a traceback."""
    try:
        yield
    except BadInput as error:
        complain(error)
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        complain("stopped; what was recorded so far is kept (chargekit run --resume DIR goes on)")
        raise typer.Exit(130) from None
