"""Run every ```bash block of the README and the guide that stands behind `<!-- check -->`, against the wheel.

The wheel goes alone into a fresh environment, whose other packages come from the main one by a .pth file; the blocks of
one document run in order, in one empty folder.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- check(?: exit=(\d+))? -->\n```bash\n(.*?)```", re.S)


def install(into: Path) -> Path:
    """A virtual environment with chargekit from its wheel; returns its bin folder."""
    run = subprocess.run
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)], cwd=ROOT, check=True, stdout=-3)
    wheel = next(into.glob("*.whl"))
    run([sys.executable, "-m", "venv", str(into / "env")], check=True)
    python = into / "env/bin/python"
    run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", str(wheel)], check=True)
    site = next((into / "env/lib").glob("python*/site-packages"))
    ours = next(Path(sys.prefix, "lib").glob("python*/site-packages"))
    (site / "zz_locked.pth").write_text(f"{ours}\n")
    return python.parent


def main() -> int:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("guide*.md"))]
    done = 0
    with tempfile.TemporaryDirectory() as temp:
        scripts = install(Path(temp))
        env = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
        for document in documents:
            folder = Path(temp, document.stem)
            folder.mkdir()
            for found in BLOCK.finditer(document.read_text()):
                line = document.read_text()[: found.start()].count("\n") + 1
                ended = subprocess.run(["bash", "-euo", "pipefail", "-c", found[2]], cwd=folder, env=env, timeout=600)
                if ended.returncode != int(found[1] or 0):
                    print(f"{document.relative_to(ROOT)}:{line}: the block ended with {ended.returncode}")
                    return 1
                done += 1
    print(f"documents: {done} blocks run against the wheel")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
