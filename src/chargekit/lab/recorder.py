"""Record files: one JSON line per record, written as it happens, so that a killed process loses nothing it had recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from chargekit.world.history import History, Record

MOST_SHOWN = 2000
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


def line_of(record: Record) -> bytes:
    """A record as its line. What JSON can't hold is written as text."""
    data = {
        "seq": record.seq, "t": round(record.t, 6), "witness": record.witness, "subject": record.subject,
        "kind": record.kind, "body": record.body,
    }  # fmt: skip
    try:
        return orjson.dumps(data, option=_OPTIONS)
    except TypeError:
        try:
            text = repr(record.body)[:MOST_SHOWN]
        except RecursionError:
            text = "nested too deeply"
        inert = {"kind": _plain(record.kind), "body": {"unwritable": _plain(text)}}
        return orjson.dumps({**data, **inert}, option=_OPTIONS)


def _plain(text: str) -> str:
    """Text without the lone surrogates that UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode()


class Recorder:
    """Appends a History to a file, or `only` some of it. Each record is handed to the system at once."""

    def __init__(self, path: Path, history: History, only: Callable[[Record], bool] = lambda record: True) -> None:
        self._only = only
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._stop = history.subscribe(self._write)

    def _write(self, record: Record) -> None:
        if self._only(record):
            os.write(self._file, line_of(record))

    def end(self, result: Mapping[str, Any]) -> None:
        """The last line: the file is complete. `result` is what the judge found."""
        os.write(self._file, orjson.dumps({"end": result}, option=_OPTIONS))
        self.close()

    def close(self) -> None:
        """Stop recording; without `end`, the file counts as cut short."""
        self._stop()
        os.close(self._file)


def read_end(path: Path) -> dict[str, Any] | None:
    """The result a complete file ends with; None for a file that is missing or was cut short."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - (1 << 18)))
            tail = file.read()
    except OSError:
        return None
    if not tail.endswith(b"\n"):
        return None
    try:
        last = orjson.loads(tail[:-1].rsplit(b"\n", 1)[-1])
    except orjson.JSONDecodeError:
        return None
    end = last.get("end") if isinstance(last, dict) else None
    return end if isinstance(end, dict) else None


def read_records(path: Path) -> tuple[list[Record], dict[str, Any] | None]:
    """The records of a file and the result it ends with; a torn last line is left out."""
    records = []
    for line in path.read_bytes().split(b"\n"):
        try:
            data = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(data, dict) and "witness" in data:
            records.append(Record(data["seq"], data["t"], data["witness"], data["subject"], data["kind"], data["body"]))
    return records, read_end(path)
