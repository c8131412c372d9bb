"""Pure rooms fetch nothing: no global random, no wall clock, no files. What import-linter can't see.

`random.Random` is allowed as a type and with a seed; `importlib.resources` is allowed in wire/schemas.py, which reads
the schemas of the `ocpp` package.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("model", "wire", "world", "emulator", "controller", "policy")
CLOCK = {"now", "utcnow", "today"}


def faults(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, what is wrong) for each impure call in a module."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id="open" | "input" | "print" as name):
                found.append((node.lineno, f"{name}()"))
            case ast.Attribute(value=ast.Name(id="random"), attr=name) if name != "Random" or not node.args:
                found.append((node.lineno, f"random.{name}() without a seed"))
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=name) if name in CLOCK:
                found.append((node.lineno, f"datetime.{name}() reads the wall clock"))
            case ast.Attribute(attr="read_text" | "read_bytes" | "write_text" | "write_bytes" as name):
                found.append((node.lineno, f".{name}() touches a file"))
    return found


def main() -> int:
    bad = 0
    checked = 0
    for room in ROOMS:
        for path in sorted((ROOT / "src/chargekit" / room).rglob("*.py")):
            checked += 1
            for line, what in faults(ast.parse(path.read_text())):
                if path.name == "schemas.py" and "touches a file" in what:
                    continue
                bad += 1
                print(f"{path.relative_to(ROOT)}:{line}: {what} in a pure room")
    print(f"purity: {checked} modules, {bad} faults")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
