"""docs/brief.md: every row of the policy brief, the keys that say it, a test and the conformance cases that hold it.

`--write` renews it from docs/brief.yaml, `--check` fails where it is stale, where a cell is empty, and where a key, a test or a case is
named that is not there.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from chargekit.judge.catalogue import known_cases
from chargekit.judge.checks import CHECKS
from chargekit.policy.schema import KEYS

ROOT = Path(__file__).resolve().parents[1]
DATA, PAGE = ROOT / "docs/brief.yaml", ROOT / "docs/brief.md"
PARTS = {
    "The five domains": 5, "The three layers": 6, "User classes and what may override their rank": 8, "Power": 10, "Exceptions": 8,
    "Shared figures": 10, "When a policy no longer does its job": 5, "Templates, and the mistake each is there to prevent": 5,
}  # fmt: skip
"""So many rows each part has at least: what was there is not dropped."""
INTRO = """# The policy brief, row by row

Made by `python ci/brief_table.py --write` from `brief.yaml`; `ci/check` fails where it is stale, where a cell is empty, and where a key, a
test or a case is named that is not there. Keys are those of `chargekit policy show` and the schemas under `fleets/schemas/`; cases those of
`chargekit list`. A figure or trigger that is computed has the case that holds what it rests on.
"""


@cache
def functions(file: str) -> frozenset[str]:
    """The test functions of a module; none where there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    return frozenset(n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def wrong(parts: list[dict[str, object]]) -> Iterator[str]:
    """What is empty, missing or named and not there."""
    keys = {f"{key.domain}.{key.name}" for key in KEYS}
    cases = {case.id for case in known_cases()} | set(CHECKS)
    found = {part["part"]: len(part["rows"]) for part in parts}
    for name, least in PARTS.items():
        if found.get(name, 0) < least:
            yield f"{name}: {found.get(name, 0)} rows, {least} expected"
    used: set[str] = set()
    for part in parts:
        for row in part["rows"]:
            what = str(row.get("what", "")).strip()
            at = f"{part['part']}: {what[:60]}"
            if not what or set(row) != {"what", "keys", "test", "cases"}:
                yield f"{at}: what, keys, test and cases expected"
                continue
            for cell in ("keys", "test", "cases"):
                if not row[cell]:
                    yield f"{at}: {cell} is empty"
            yield from (f"{at}: no rule is named {key}" for key in row["keys"] if key not in keys)
            yield from (f"{at}: no case is named {case}" for case in row["cases"] if case not in cases)
            file, _, function = str(row["test"]).partition("::")
            if function.partition("[")[0] not in functions(file):
                yield f"{at}: no test is named {row['test']}"
            used |= set(row["keys"])
    unused = [key for key in keys - used if key not in UNROWED]
    if unused:
        yield f"no row says where {', '.join(sorted(unused))} is tested and judged"


UNROWED = {"access.holidays", "access.groups", "power.holds", "power.writes", "cost.demand_target", "cost.opt_out"}
"""Keys that carry out rows of others."""


def page(parts: list[dict[str, object]]) -> str:
    lines = [INTRO]
    for part in parts:
        lines += [f"## {part['part']}\n", "| what | rule keys | test | cases |", "|---|---|---|---|"]
        for row in part["rows"]:
            file, _, name = str(row["test"]).partition("::")
            where = file.removeprefix("tests/").removesuffix(".py")
            cells = (row["what"], ", ".join(f"`{key}`" for key in row["keys"]), f"{where}: {name}", ", ".join(row["cases"]))
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parts = yaml.safe_load(DATA.read_text())
    problems, text = list(wrong(parts)), page(parts)
    if "--write" in sys.argv:
        PAGE.write_text(text)
    elif "--check" in sys.argv and (PAGE.read_text() if PAGE.is_file() else "") != text:
        problems.append(f"{PAGE.relative_to(ROOT)} is stale: python ci/brief_table.py --write")
    elif "--check" not in sys.argv:
        print(text, end="")
    for problem in problems:
        print(f"brief: {problem}", file=sys.stderr)
    print(f"brief: {sum(len(part['rows']) for part in parts)} rows, {len(problems)} problems", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
