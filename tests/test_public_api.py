"""The one snapshot of what users would notice: renew it with `python ci/public_api.py --write` and look at the diff."""

import subprocess
import sys

from ci.public_api import SNAPSHOT


def test_the_public_face_is_that_of_the_snapshot():
    script = SNAPSHOT.parents[2] / "ci/public_api.py"
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.rstrip("\n") == SNAPSHOT.read_text().rstrip("\n"), "renew: python ci/public_api.py --write"
