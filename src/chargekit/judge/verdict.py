"""Verdicts and how they combine; what a run ends with.

`pass < inconclusive < fail`; `error` is ours, never the subject's; `not applicable` names the missing capability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import orjson


class Verdict(StrEnum):
    PASS = "pass"
    NOT_APPLICABLE = "not applicable"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAIL = "fail"


ORDER: Final = tuple(Verdict)
EXIT: Final = {Verdict.FAIL: 1, Verdict.ERROR: 3, Verdict.INCONCLUSIVE: 2}
"""Exit codes, in their precedence: fail, bench error, inconclusive."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A typed measurement: what, how much, the bound it stands against and what the instrument may be off by."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    uncertainty: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Pass needs the value with its uncertainty inside the bounds; a value outside even without it fails."""
        words = [Verdict.PASS]
        for excess in (
            None if self.at_most is None else self.value - self.at_most,
            None if self.at_least is None else self.at_least - self.value,
        ):
            if excess is not None and excess > self.uncertainty:
                words.append(Verdict.FAIL)
            elif excess is not None and excess > -self.uncertainty:
                words.append(Verdict.INCONCLUSIVE)
        return worst(words)

    @property
    def marginal(self) -> bool:
        return self.verdict is Verdict.INCONCLUSIVE

    def to_json(self) -> dict[str, Any]:
        rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {**rounded, "marginal": self.marginal}


class NotPassed(Exception):
    """Ends a case with a verdict and its reason, in the words of the one who has to mend it."""

    verdict = Verdict.FAIL

    def __init__(self, reason: str, records: Sequence[int] = ()) -> None:
        self.reason, self.records = reason, tuple(records)
        super().__init__(reason)


class Failed(NotPassed):
    """The subject did what it must not."""


class Unclear(NotPassed):
    """Nothing was proven: a limit that never bound, a marginal figure, an instrument that was silent."""

    verdict = Verdict.INCONCLUSIVE


class NotApplicable(NotPassed):
    """The subject, the rig or the bench lacks what the case needs; the reason names it."""

    verdict = Verdict.NOT_APPLICABLE


@dataclass(frozen=True, slots=True)
class Result:
    """What one case, or one always-on check, found about one subject."""

    case: str
    subject: str
    verdict: Verdict
    reason: str
    title: str = ""
    expectation: str = ""
    covers: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    file: str = ""
    records: tuple[int, ...] = ()
    reproduce: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case, "subject": self.subject, "verdict": self.verdict.value, "reason": self.reason,
            "title": self.title, "expectation": self.expectation, "covers": sorted(self.covers),
            "measured": [m.to_json() for m in self.measured],
            "evidence": {"file": self.file, "records": list(self.records)}, "reproduce": self.reproduce,
        }  # fmt: skip


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that counts; pass when there is none."""
    return max(verdicts, key=ORDER.index, default=Verdict.PASS)


def exit_code(rows: Sequence[Mapping[str, Any]]) -> int:
    """A run's exit code: fail 1 over bench error 3 over inconclusive 2 over pass 0; nothing judged is inconclusive."""
    words = {row["verdict"] for row in rows}
    for verdict, code in EXIT.items():
        if verdict.value in words:
            return code
    return 0 if Verdict.PASS.value in words else EXIT[Verdict.INCONCLUSIVE]


def merge_checks(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per check and subject: the worst it met, the first such by file."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda r: (r["case"], r["subject"], r["evidence"]["file"])):
        key = (row["case"], row["subject"])
        old = merged.get(key)
        if old is None or ORDER.index(Verdict(row["verdict"])) > ORDER.index(Verdict(old["verdict"])):
            merged[key] = dict(row)
    return list(merged.values())


def write_verdicts(path: Path, head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
    """`verdicts.json`: the head (site, seed, chargekit) and the rows under `verdicts`, sorted; the same bytes for the same rows."""
    ordered = sorted(rows, key=lambda r: (r["case"], r["subject"]))
    data = orjson.dumps({**head, "verdicts": ordered}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    path.write_bytes(data + b"\n")


def read_verdicts(path: Path) -> dict[str, Any]:
    return dict(orjson.loads(path.read_bytes()))
