"""Every smart-charging clause is cited by a test or a case, or it is said here why there is none.

`E3` are items of the 1.6 errata, `16` sections of OCPP 1.6; the rest are requirement ids of OCPP 2.0.1 and 2.1 with the errata of 2025-09.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CASES = TESTS.parent / "conformance"

CLAUSES = """
E3: 7 8 24-26 34 37-39 43-45 51 56 57 65 66 69 70
16: 3.13.1 3.13.2 3.13.3 3.13.6 5.7 5.11 5.16.3 5.16.4 7.9 7.12 7.13 7.14 7.37
K01: 3 5-7 9-17 19-22 26-38 40-57 70 71 80-82 90-95 97 100-103 110 114 115 120-126 140 141 143-147
K02: 4 5 8
K04: 3 5
K05: 2 4 5
K06: 1 2
K07: 1
K08: 2-9
K09: 1-6
K10: 1-9
K11: 1-7
K12: 1-5
K13: 1-3
K14: 6
K15: 3-5 7 8 12 13 15 17 20
K16: 2
K18: 15 17 22 23
K19: 4 11 13 15 16
K21: 1-8
K27: 1-5
K28: 1-15
K29: 3-6
Q01: 31
Q03: 2
Q06: 1 3 20-22
Q07: 3
Q08: 1-7 10 11
Q09: 1 2 4 5
Q10: 3-5
R01: 3
R04: 1-17 20-22 30-37 41-46
R05: 1-4
SC: 1-4
V2X: 3-5 7-10
"""

_ISO = "no ISO 15118 session with schedules of the vehicle"
_OTHER_SIDE = "asks something of the CSMS, not of a station"
NOT_HERE = {
    "K01.FR.29": "every emulated station has smart charging",
    "K05.FR.04": "every emulated station has smart charging",
    "K01.FR.56": "a station MAY refuse frequent updates; this one does not",
    "K01.FR.57": "a station MAY refuse frequent updates; this one does not",
    "K08.FR.09": "a composite tells the one limit a pilot can hold, not three",
    "K14.FR.06": "no local controller",
    **dict.fromkeys(
        [
            *(f"K15.FR.{n:02d}" for n in (3, 5, 7, 8, 12, 13, 15, 17, 20)), "K16.FR.02",
            *(f"K18.FR.{n}" for n in (15, 17, 22, 23)), *(f"K19.FR.{n:02d}" for n in (11, 13, 15, 16)), "SC.04",
        ], _ISO,
    ),
    "Q01.FR.31": "no vehicle discharges",
    "Q06.FR.01": "an external limit is one value here, not a schedule",
    "Q08.FR.06": "no frequency meter: LocalFrequency is refused",
    "Q08.FR.07": "no frequency meter: LocalFrequency is refused",
    "Q08.FR.10": "no frequency meter: LocalFrequency is refused",
    "Q09.FR.04": "no load signal: LocalLoadBalancing is refused",
    "Q10.FR.04": "the electronics do not sleep",
    "Q10.FR.05": "the electronics do not sleep",
    "R04.FR.01": "every type of control is supported",
    "R05.FR.01": "the emulated grid raises no DER alarms",
    "R05.FR.02": "the emulated grid raises no DER alarms",
    "R05.FR.03": "the emulated grid raises no DER alarms",
    "R05.FR.04": "the emulated grid raises no DER alarms",
}  # fmt: skip


def clauses() -> Iterator[str]:
    for line in CLAUSES.strip().splitlines():
        family, _, listed = line.partition(": ")
        for one in listed.split():
            if family == "16":
                yield f"16 §{one}"
                continue
            first, _, last = one.partition("-")
            for number in range(int(first), int(last or first) + 1):
                dotted = f"{number:02d}" if family in ("SC", "V2X") else f"FR.{number:02d}"
                yield f"E3.{number}" if family == "E3" else f"{family}.{dotted}"


def cited(text: str) -> set[str]:
    """What a text cites: `K01.FR.36/37`, `K10.FR.03, FR.04`, `K11.FR.01 to FR.03`, `1.6 section 5.16`."""
    found = set()
    for match in re.finditer(r"\b([KQR]\d\d)\.(FR\.\d+(?:(?:/| to |, | and )(?:\1\.)?(?:FR\.)?\d+\b)*)", text):
        family, last = match[1], None
        for join, number in re.findall(r"(/| to |, | and |^)(?:[KQR]\d\d\.)?(?:FR\.)?(\d+)", match[2]):
            for n in range(last + 1 if join == " to " and last is not None else int(number), int(number) + 1):
                found.add(f"{family}.FR.{n:02d}")
            last = int(number)
    for match in re.finditer(r"\b(SC|V2X)\.(\d\d)(?: to (?:\1\.)?(\d\d))?", text):
        found |= {f"{match[1]}.{n:02d}" for n in range(int(match[2]), int(match[3] or match[2]) + 1)}
    found |= {f"E3.{number}" for number in re.findall(r"\bE3\.(\d+)", text)}
    return found | {f"16 §{section}" for section in re.findall(r"(?:16 |1\.6 section |1\.6 )§?(\d+(?:\.\d+)+)", text)}


def test_every_clause_is_cited_or_said_to_be_left_out() -> None:
    files = [path for folder in (TESTS, CASES) for path in folder.rglob("*.py") if path != Path(__file__).resolve()]
    by_tests = set().union(*(cited(path.read_text()) for path in files))
    every = set(clauses())
    assert len(every) > 280
    assert sorted(every - by_tests - set(NOT_HERE)) == []
    assert sorted(set(NOT_HERE) - every) == [], "no clause of the list"
    assert sorted(set(NOT_HERE) & by_tests) == [], "said to be left out, and cited all the same"


def test_citations_are_read_as_they_are_written() -> None:
    assert cited("K01.FR.36/37") == {"K01.FR.36", "K01.FR.37"}
    assert cited("K10.FR.03, FR.04; E3.25") == {"K10.FR.03", "K10.FR.04", "E3.25"}
    assert cited("K11.FR.01 to FR.03, K12.FR.05") == {"K11.FR.01", "K11.FR.02", "K11.FR.03", "K12.FR.05"}
    assert cited("1.6 section 5.16.3; 16 §7.9; SC.01, V2X.03") == {"16 §5.16.3", "16 §7.9", "SC.01", "V2X.03"}
