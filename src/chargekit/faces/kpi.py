"""`chargekit kpi`: the shared figures of runs and sites side by side, and the review triggers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargekit import __version__
from chargekit.faces.plain import one_line
from chargekit.judge.kpi import by_key, figures
from chargekit.judge.kpi_facts import Facts, NoHead, head_from
from chargekit.judge.kpi_figure import Figure
from chargekit.judge.kpi_review import Trigger, triggers
from chargekit.lab.recorder import lines_of
from chargekit.model.located import BadInput, Source
from chargekit.world.history import Record

RUN_FILE: Final = "run.jsonl.gz"
"""What a simulation leaves in its folder."""
COUNTS: Final = ("events", "visits", "faults", "sessions")
"""Units of figures that are whole numbers."""
LONGEST_LINE: Final = 32 << 20
KINDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "seq": ((int,), "a whole number"), "t": ((int, float), "run seconds"), "witness": ((str,), "text"), "subject": ((str,), "text"),
    "kind": ((str,), "text"), "body": ((dict,), "a table"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One run: its file, a name to head its column with, what was folded, and its figures."""

    file: str
    name: str
    facts: Facts
    made: tuple[Figure, ...]


def compare(runs: Sequence[Path], as_json: Path | None, *, console: Console) -> list[Trigger]:
    """Read the runs, show the table and the triggers, write the JSON file; the triggers of all sites."""
    columns = columns_of(runs)
    told = [one for chain in chains(columns) for one in triggers([(c.file, c.facts) for c in chain], chain[-1].name)]
    if as_json is not None:
        data = {"chargekit": __version__, "runs": [plain(column) for column in columns], "triggers": [one.plain() for one in told]}
        try:
            as_json.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        except OSError as why:
            raise BadInput(None, f"--json: {as_json} can't be written: {why.strerror}") from None
    console.print(table(columns))
    show_triggers(console, told)
    return told


def columns_of(runs: Sequence[Path]) -> list[Column]:
    """The runs' figures; a name for each that tells them apart."""
    files = [file for run in runs for file in files_of(run)]
    read = [(file, read_facts(file)) for file in files]
    names = _apart([(file, facts.head.site) for file, facts in read])
    return [Column(str(file), name, facts, figures(facts)) for name, (file, facts) in zip(names, read, strict=True)]


def _apart(runs: Sequence[tuple[Path, str]]) -> list[str]:
    """A name for each run: its site; with its folder or case where sites are the same, and with as much of its path as tells it apart."""
    names = [site for _, site in runs]
    inner = [
        file.parent.name if file.name == RUN_FILE else file.name.removesuffix(".jsonl").removesuffix(f"--{site}") for file, site in runs
    ]
    for more in range(4):
        same = [n for n, name in enumerate(names) if names.count(name) > 1]
        for n in same:
            above = runs[n][0].parent if runs[n][0].name != RUN_FILE else runs[n][0].parent.parent
            folders = [part for part in above.parts if part != "records"][-more:] if more else []
            names[n] = f"{runs[n][1]} ({'/'.join([*folders, inner[n]])})"
    return [f"{name} #{n + 1}" if names.count(name) > 1 else name for n, name in enumerate(names)]


def chains(columns: Sequence[Column]) -> list[list[Column]]:
    """Runs of one site that follow each other in time, to be reviewed as one; runs of the same days stay apart."""
    found: list[list[Column]] = []
    for column in sorted(columns, key=lambda c: (c.facts.head.site, c.facts.head.calendar.epoch)):
        head = column.facts.head
        for chain in found:
            last = chain[-1].facts
            if last.head.site == head.site and head.calendar.epoch >= last.head.calendar.utc(last.end):
                chain.append(column)
                break
        else:
            found.append([column])
    return found


def files_of(run: Path) -> list[Path]:
    """A record file, a simulation's, or those of a judged run that are of a whole site. BadInput for anything else."""
    if not run.is_dir():
        if not run.exists():
            raise BadInput(None, f"{run} is not there", "a run folder or a record file expected")
        return [run]
    if (run / RUN_FILE).is_file():
        return [run / RUN_FILE]
    found = [file for file in sorted((run / "records").glob("*.jsonl")) if _whole(file)]
    if not found:
        raise BadInput(None, f"{run} holds no records of a whole site", "a folder that `chargekit simulate` or `run` made expected")
    return found


def _whole(file: Path) -> bool:
    with file.open("rb") as opened:
        line = opened.readline(LONGEST_LINE)
    try:
        first = orjson.loads(line)
        return bool(first["kind"] == "site" and first["body"]["whole_site"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False


def read_facts(file: Path) -> Facts:
    """A record file folded. BadInput with file and line for what is no record; a torn last line is left out."""
    facts: Facts | None = None
    number = 0
    try:
        for number, line, whole in lines_of(file):
            at = Source(str(file), number)
            if len(line) > LONGEST_LINE:
                raise BadInput(at, "a record of at most 32 MiB expected")
            try:
                data = orjson.loads(line)
            except orjson.JSONDecodeError as why:
                if not whole and facts is not None:
                    break
                raise BadInput(at, f"a record as JSON expected: {why}") from None
            if isinstance(data, dict) and set(data) == {"end"} and facts is not None:
                continue
            facts = _taken(facts, record_of(data, at), at)
    except OSError as why:
        raise BadInput(None, f"{file} can't be read: {why.strerror or why}") from None
    if facts is None:
        raise BadInput(Source(str(file), max(number, 1)), "a record file expected, found nothing")
    return facts


def record_of(data: Any, at: Source) -> Record:
    """A line as a record; BadInput for one that is none."""
    if not isinstance(data, dict):
        raise BadInput(at, f"a record (a table) expected, found {type(data).__name__}")
    for name, (kinds, words) in KINDS.items():
        value = data.get(name)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise BadInput(at, f"a record with {name!r} ({words}) expected, found {one_line(str(value), 60) if name in data else 'none'}")
    if not 0.0 <= data["t"] < 1e11:
        raise BadInput(at, f"'t' of at least 0 expected, found {data['t']:g}")
    return Record(data["seq"], float(data["t"]), data["witness"], data["subject"], data["kind"], data["body"])


def _taken(facts: Facts | None, record: Record, at: Source) -> Facts:
    if facts is None:
        if (record.witness, record.kind) != ("rig", "site"):
            raise BadInput(at, f"the run's site (rig, site) expected first, found {one_line(f'{record.witness}, {record.kind}', 80)}")
        try:
            return Facts(head_from(record.body))
        except NoHead as why:
            raise BadInput(at, f"this head says too little of its site: {one_line(str(why), 200)}", "made by another version?") from None
    try:
        facts.take(record)
    except (KeyError, TypeError, ValueError, AttributeError) as why:
        what = one_line(f"{record.witness} {record.kind}", 80)
        raise BadInput(at, f"this is no record {what!r}: {type(why).__name__} {one_line(str(why), 120)}") from None
    return facts


def plain(column: Column) -> dict[str, Any]:
    """One run as plain data."""
    head = column.facts.head
    return {
        "file": column.file, "site": head.site, "type": head.type, "policy": head.policy, "seed": head.seed,
        "hours": round(column.facts.end / 3600.0, 4), "records": column.facts.records, "figures": [one.plain() for one in column.made],
    }  # fmt: skip


def amount(figure: Figure | None) -> str:
    """A figure for a cell; a dash for nothing to count."""
    if figure is None or figure.value is None:
        return "–"
    if figure.unit in COUNTS:
        return f"{figure.value:,.0f} {figure.unit.removesuffix('s') if figure.value == 1 else figure.unit}"
    return f"{figure.value:,.2f} {figure.unit}".strip()


def table(columns: Sequence[Column]) -> Table:
    """Figures down, runs across."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("figure", no_wrap=True)
    for column in columns:
        shown.add_column(escape(one_line(column.name, 60)), justify="right", overflow="fold")
    maps = [by_key(column.made) for column in columns]
    names: dict[str, int] = {}
    order: dict[str, int] = {}
    for keys in maps:
        within: dict[str, int] = {}
        for key, one in keys.items():
            names.setdefault(one.name, len(names))
            # By its place among those of its name: what is last in one column, as `all`, is last.
            within[one.name] = within.get(one.name, 0) + 1
            order[key] = max(order.get(key, 0), within[one.name])
    for key in sorted(order, key=lambda k: (names[k.partition("[")[0]], order[k], k)):
        cells = [amount(one.get(key)) for one in maps]
        if any(cell != "–" for cell in cells):
            shown.add_row(escape(one_line(key, 60)), *cells)
    return shown


def show_triggers(console: Console, told: Sequence[Trigger]) -> None:
    """The triggers that fired, with what fired them; a line for those that did not."""
    console.print()
    for one in told:
        if one.fired:
            console.print(f"[bold red]review[/] {escape(one_line(f'{one.site}: {one.name}: {one.because}', 400))}", highlight=False)
            console.print(f"       threshold {escape(one_line(one.threshold, 200))}", highlight=False)
            if one.evidence:
                files: dict[str, list[int]] = {}
                for file, seq in one.evidence:
                    files.setdefault(file, []).append(seq)
                for file, seqs in files.items():
                    console.print(f"       {escape(one_line(file, 200))}: records {', '.join(map(str, seqs))}", highlight=False)
    quiet = sum(not one.fired for one in told)
    console.print(f"{quiet} of {len(told)} review triggers did not fire")
