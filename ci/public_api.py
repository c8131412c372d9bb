"""What users would notice: signatures, CLI help, cases, defects, decision points, verdict rows, and events per charger case.

`python ci/public_api.py --write` renews the snapshot; a test compares it. Events per case are the deterministic cost.
"""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

import chargekit.judge
import chargekit.model
import chargekit.world
from chargekit.faces.cli import app
from chargekit.judge.catalogue import known_cases
from chargekit.judge.trial import Setting, plan_of, trial_on
from chargekit.lab.assemble import build
from chargekit.lab.defects import known_defects
from chargekit.lab.sitefile import load_site
from chargekit.world.events import WITNESSES

SNAPSHOT = Path(__file__).resolve().parents[1] / "tests/snapshots/public_api.txt"


def signatures() -> Iterator[str]:
    for room in (chargekit.model, chargekit.world, chargekit.judge):
        for found in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
            module = importlib.import_module(found.name)
            for name, thing in sorted(vars(module).items()):
                if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
                    continue
                if inspect.isclass(thing):
                    methods = sorted(n for n, m in vars(thing).items() if not n.startswith("_") and callable(m))
                    yield f"{module.__name__}.{name}: {', '.join(methods)}"
                elif inspect.isfunction(thing):
                    yield f"{module.__name__}.{name}{inspect.signature(thing)}"


def options() -> Iterator[str]:
    def walk(command: object, path: str) -> Iterator[str]:
        for name, sub in sorted(getattr(command, "commands", {}).items()):
            yield from walk(sub, f"{path} {name}")
        if not hasattr(command, "commands"):
            yield f"{path}: " + " ".join(sorted(o for p in command.params for o in p.opts))  # type: ignore[attr-defined]

    yield from walk(get_command(app), "chargekit")


def costs() -> Iterator[str]:
    bundle = load_site("mixed-use")
    for case in known_cases():
        if case.scope == "site":
            # Hours of a whole site each: too dear for a snapshot.
            yield f"{case.id} [{case.scope}, {case.area}]"
            continue
        subject = "ac-01"
        lab = build(bundle, plan_of(Setting(bundle), case, subject))
        trial_on(lab, Setting(bundle), case, subject, file="", again="")
        yield f"{case.id} [{case.scope}, {case.area}]: {lab.world.delivered} events"
        lab.close()


def text() -> str:
    parts = {
        "signatures": signatures(),
        "commands": options(),
        "witnesses": iter(WITNESSES),
        "defects": (f"{d.name} at {d.point}, caught by {d.area}" for d in known_defects().values()),
        "cases and their cost": costs(),
    }
    return "\n".join(f"# {name}\n" + "\n".join(lines) + "\n" for name, lines in parts.items())


if __name__ == "__main__":
    if "--write" in sys.argv:
        SNAPSHOT.parent.mkdir(parents=True, exist_ok=True)
        SNAPSHOT.write_text(text())
    else:
        print(text())
