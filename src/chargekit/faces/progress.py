"""How a run looks while it goes on, and the table at its end. Everything shown comes from pytest's reports and verdicts.json."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chargekit.faces.plain import inert, one_line

COLOUR: Final = {
    "pass": "green",
    "fail": "bold red",
    "inconclusive": "yellow",
    "error": "magenta",
    "not applicable": "dim",
}
Row = Mapping[str, Any]


class Shown:
    """A pytest plugin that shows progress: a live bar on a terminal, a line per tenth elsewhere."""

    def __init__(self, out: TextIO, *, quiet: bool) -> None:
        self.console = Console(file=out, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.total = 0
        self.done = 0
        self.failed: list[str] = []
        self.broken: list[str] = []
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: Any = None

    # --- hooks, called by pytest by their names -----------------------------------------------------------------

    def pytest_collection_finish(self, session: Any) -> None:
        self._collected(len(session.items))

    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        self._collected(len(ids))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken.append(inert(report.longrepr))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.done += 1
            if report.failed:
                self.failed.append(report.nodeid)
            self._show()

    # --- showing ------------------------------------------------------------------------------------------------

    def _collected(self, count: int) -> None:
        if self.total or self.quiet:
            self.total = max(self.total, count)
            return
        self.total = count
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[bad]}"),
                TimeElapsedColumn(), console=self.console, transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("judging", total=count, bad="")
            self._bar.start()
        else:
            self.console.print(f"judging: {count} verdicts to reach")

    def _show(self) -> None:
        if self.quiet:
            return
        if self._bar is not None:
            bad = f"[red]{len(self.failed)} not passed[/red]" if self.failed else ""
            self._bar.update(self._task, completed=self.done, bad=bad)
        elif self.total and (self.done * 10 // self.total) != ((self.done - 1) * 10 // self.total):
            seconds = time.monotonic() - self._began
            self.console.print(f"judging: {self.done} of {self.total}, {len(self.failed)} not passed, {seconds:.0f} s")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def table(console: Console, rows: Sequence[Row]) -> None:
    """A line per case: how many subjects passed, failed, …; then each verdict that is not a pass, with its reason."""
    cases: dict[str, Counter[str]] = {}
    for row in rows:
        cases.setdefault(row["case"], Counter())[row["verdict"]] += 1
    words = [word for word in COLOUR if any(word in count for count in cases.values())]
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("case", no_wrap=True)
    shown.add_column("title", overflow="ellipsis", max_width=64)
    for word in words:
        shown.add_column(word, justify="right", style=COLOUR[word])
    titles = {row["case"]: row.get("title", "") for row in rows}
    for case, count in sorted(cases.items()):
        cells = [str(count[word]) if count[word] else "·" for word in words]
        shown.add_row(escape(one_line(case, 40)), escape(one_line(titles[case], 100)), *cells)
    console.print(shown)
    bad = [row for row in rows if row["verdict"] in ("fail", "error", "inconclusive")]
    for row in bad[:20]:
        head = f"{one_line(row['case'], 40)} {one_line(row['subject'], 60)}: {row['verdict']}"
        console.print(f"\n[{COLOUR[row['verdict']]}]{escape(head)}[/]")
        console.print("  " + escape(one_line(row["reason"], 600)))
        if row.get("reproduce"):
            console.print("  again: " + escape(one_line(row["reproduce"], 2000)))
    if len(bad) > 20:
        console.print(f"\nand {len(bad) - 20} more: see the report")


def stdout_copy() -> TextIO:
    """Stdout as it was before pytest captures it."""
    import os

    try:
        return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace")
    except (OSError, ValueError, AttributeError):
        return sys.stdout
