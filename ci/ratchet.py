"""Size ratchet: no module of ours over 500 lines."""

import sys
from pathlib import Path

MOST = 500
ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    modules = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "conformance").rglob("*.py"))]
    long = {path: lines for path in modules if (lines := len(path.read_text().splitlines())) > MOST}
    for path, lines in long.items():
        print(f"{path.relative_to(ROOT)}: {lines} lines, {MOST} at most: is it still one thing?")
    print(f"size: {len(modules)} modules, {len(long)} over {MOST} lines")
    sys.exit(bool(long))
