"""Record files: one JSON line per record, written as it happens, so that a killed process loses nothing it had recorded."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from chargekit.world.history import History, Record

MOST_SHOWN = 2000
FLUSHED = 500
"""Records after which a compressed file is readable up to here."""
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
    """Appends a History to a file, or `only` some of it. Each record is handed to the system at once; a file named `.gz` is
    compressed, a few hundred records at a time."""

    def __init__(self, path: Path, history: History, only: Callable[[Record], bool] = lambda record: True) -> None:
        self._only = only
        self._packer = zlib.compressobj(1, wbits=31) if path.suffix == ".gz" else None
        self._packed = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._stop = history.subscribe(self._write)

    def _write(self, record: Record) -> None:
        if self._only(record):
            self._put(line_of(record))

    def _put(self, line: bytes) -> None:
        if self._packer is not None:
            self._packed += 1
            line = self._packer.compress(line) + (self._packer.flush(zlib.Z_SYNC_FLUSH) if self._packed % FLUSHED == 0 else b"")
        os.write(self._file, line)

    def end(self, result: Mapping[str, Any]) -> None:
        """The last line: the file is complete. `result` is what the judge found."""
        self._put(orjson.dumps({"end": result}, option=_OPTIONS))
        self.close()

    def close(self) -> None:
        """Stop recording; without `end`, the file counts as cut short."""
        self._stop()
        if self._packer is not None:
            os.write(self._file, self._packer.flush())
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


def lines_of(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """The lines of a record file, compressed or not: number from 1, bytes without the line's end, and whether it was written whole.
    OSError if it can't be read."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip(b"\r\n"), line.endswith(b"\n")
        except EOFError:
            # A compressed file that was cut short: what was flushed was read.
            return
        except zlib.error as why:
            raise OSError(f"not compressed as its name says: {why}") from None


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
