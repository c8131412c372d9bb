"""docs/protocol.md: every message of every version, who sends and answers it here, and which cases and tests have to do with it.

`--write` renews it, `--check` (in `make lint`) fails where it is stale. Nothing in it is kept by hand: what is sent and answered comes
from the tables the machines run on; cases are run in memory and what went over their wires is read off; tests are searched for the
message's name, or the word of the vocabulary that stands for it in the version.
"""

import ast
import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

from chargekit.controller import answers
from chargekit.emulator import capabilities
from chargekit.faces.capabilities import lines
from chargekit.judge.catalogue import known_cases
from chargekit.judge.trial import Setting, plan_of, trial_on
from chargekit.judge.verdict import Verdict
from chargekit.lab.assemble import build
from chargekit.lab.sitefile import load_site
from chargekit.model.metering import MeterSample
from chargekit.model.profile import ChargingProfile, Period, Purpose
from chargekit.wire import VERSIONS, codec, schemas
from chargekit.wire import messages as m

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/protocol.md"
HARDWARE = {
    "dc": ("campus", "rapid-01"), "shared_modules": ("campus", "rapid-01"), "shared_supply": ("campus", "visitor-01"),
    "phase_switching": ("campus", "staff-01"), "phase_selection": ("campus", "staff-01"),
}  # fmt: skip
PROFILE = ChargingProfile(1, Purpose.TX_DEFAULT, (Period(0.0, 16.0),))
SAMPLE = MeterSample(0.0, (0.0, 0.0, 0.0), (230.0, 230.0, 230.0), 0.0, 0.0)
OF_THE_LIST = "test_capabilities.py"
"""Tests of what this page is made of name messages without testing them."""
COMMANDS = (
    m.SetProfile(1, PROFILE), m.ClearProfile(1), m.GetComposite(1, 60), m.RemoteStart("T", 1), m.RemoteStop("1"), m.Reset(hard=True),
    m.Trigger("Heartbeat"), m.SetAvailability(1, True), m.GetKeys(("A.B",)), m.SetKey("A.B", "1"), m.Unlock(1),
    m.ReserveNow(1, 1, "T", 60.0), m.CancelReservation(1), m.SendLocalList(1), m.GetLocalListVersion(), m.ClearCache(),
)  # fmt: skip
FACTS = (
    m.Booted("v", "m"), m.Alive(), m.StatusChanged(1, 1, m.Status.AVAILABLE, 0.0), m.AuthorizeAsked("T"),
    m.TransactionStarted(1, "T", "1", 0.0, 0.0), m.Metered(1, (SAMPLE,)), m.Metered(1, (SAMPLE,), "1"),
    m.ChargingStateChanged(1, "1", m.Status.CHARGING, 0.0), m.TransactionEnded(1, "1", 0.0, 0.0),
)  # fmt: skip
INTRO = """# Messages

Made by `python ci/protocol_table.py --write`; `ci/check` fails where it is stale.

*Sent by* is what the texts say. *Station* is the emulated one: what makes it send, or which module of `chargekit.emulator` answers.
*Controller* is the reference CSMS: `chargekit.controller.answers` is where its answers are. *Cases* are those over whose wires the message
went when they were run in memory for this page: charger cases once in each version, cases of the site with the stations' versions mixed.
*Tests* are modules under `tests/` that write the message's name or the word of the vocabulary that stands for it. Beside these,
`tests/emulator/test_capabilities.py` calls the station and `tests/controller/test_answers.py` the controller with every message of every
schema, and check the answer against its schema.

`chargekit station --capabilities` prints the station's part.
"""


# --- cases ---------------------------------------------------------------------------------------------------------


def exchanged() -> dict[str, dict[str, set[str]]]:
    """By version and message: the cases that have it on a wire. SystemExit when a healthy station it applies to does not pass."""
    found: dict[str, dict[str, set[str]]] = {version: {} for version in VERSIONS}
    runs = [
        (case.id, versions)
        for case in sorted(known_cases(), key=lambda case: (case.scope != "site", case.id))  # the long ones first
        for versions in ([[v] for v in VERSIONS] if case.scope == "charger" else [list(VERSIONS)])
    ]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        for (ident, _), messages in zip(runs, pool.map(over_the_wire, *zip(*runs, strict=True)), strict=True):
            for version, action in messages:
                found[version].setdefault(action, set()).add(ident)
    return found


def over_the_wire(ident: str, versions: list[str]) -> set[tuple[str, str]]:
    """The messages of one run: all stations speak the versions in turn."""
    case = next(one for one in known_cases() if one.id == ident)
    site, station = next((HARDWARE[need] for need in sorted(case.requires) if need in HARDWARE), ("mixed-use", "ac-01"))
    bundle = load_site(site)
    stations = tuple(replace(s, ocpp=versions[n % len(versions)]) for n, s in enumerate(bundle.site.stations))
    bundle = replace(bundle, site=replace(bundle.site, stations=stations))
    setting = Setting(bundle)
    subject = bundle.site.id if case.scope == "site" else station
    lab = build(bundle, plan_of(setting, case, subject))
    try:
        trial = trial_on(lab, setting, case, subject, file="", again="")
        if trial.verdict is Verdict.NOT_APPLICABLE:
            return set()
        if trial.verdict is not Verdict.PASS:
            sys.exit(f"{case.id} on {subject} over {', '.join(versions)}: {trial.verdict}: {trial.reasons}")
        spoken = {s.id: s.ocpp for s in stations}
        wire = [r for r in lab.history.records if r.witness == "wire" and r.kind.endswith((".req", ".send"))]
        return {(spoken[r.subject], r.kind.rpartition(".")[0]) for r in wire}
    finally:
        lab.close()


def which(ids: set[str]) -> str:
    """The cases of a cell: by what is missing where that is shorter."""
    rest = {case.id for case in known_cases()} - ids
    if len(rest) < len(ids) / 4:
        return f"all but {ranges(rest)}" if rest else "all"
    return ranges(ids)


def ranges(ids: Iterable[str]) -> str:
    """`CK-PRO-001 to 004, CK-TX-002`."""
    words = []
    split = sorted((ident.rpartition("-")[0], int(ident.rpartition("-")[2])) for ident in ids)
    for (area, _), run in groupby(enumerate(split), key=lambda pair: (pair[1][0], pair[1][1] - pair[0])):
        numbers = [number for _, (_, number) in run]
        words.append(f"{area}-{numbers[0]:03}" + (f" to {numbers[-1]:03}" if len(numbers) > 1 else ""))
    return ", ".join(words)


# --- tests ---------------------------------------------------------------------------------------------------------


def named() -> dict[str, set[str]]:
    """By word: the test modules in whose code it stands, as a text of its own (also `Word.req` and its like) or as a name."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.name == OF_THE_LIST:
            continue
        words = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value.partition(".")[0])
            elif isinstance(node, ast.Name):
                words.add(node.id)
        for word in words:
            found.setdefault(word, set()).add(path.relative_to(ROOT / "tests").with_suffix("").as_posix())
    return found


def words_for(version: str) -> dict[str, set[str]]:
    """By message: its own name and those of the vocabulary's classes that are written as it."""
    calendar, found = load_site("mixed-use").site.calendar, {line.action: {line.action} for line in lines(version)}
    for command in COMMANDS:
        found[codec(version).write_command(command, calendar)[0]].add(type(command).__name__)
    for fact in FACTS:
        found[codec(version).write_fact(fact, calendar)[0]].add(type(fact).__name__)
    return found


# --- the page ------------------------------------------------------------------------------------------------------


def page() -> Iterator[str]:
    cases, modules = exchanged(), named()
    yield INTRO
    for version in VERSIONS:
        words = words_for(version)
        yield f"## OCPP {version}\n"
        yield "| message | sent by | station | controller | cases | tests |\n|---|---|---|---|---|---|"
        for line in lines(version):
            tests = set().union(*(modules.get(word, set()) for word in words[line.action]))
            cells = (
                line.action,
                line.sender,
                line.station,
                line.csms,
                which(cases[version].get(line.action, set())),
                ", ".join(sorted(tests)),
            )
            yield "| " + " | ".join(cell.replace("|", "\\|") or "–" for cell in cells) + " |"
        yield ""
    yield from unsupported()


def unsupported() -> Iterator[str]:
    yield "## What is left\n"
    for version in VERSIONS:
        every = lines(version)
        missing = [one.action for one in every if one.sender != "station" and one.action not in capabilities.answered(version)]
        never = [one.action for one in every if one.sender != "CSMS" and one.action not in capabilities.SENDS]
        yield f"* {version}: calls of a CSMS the station does not answer: {', '.join(missing) or 'none'}."
        yield f"* {version}: messages the station never sends: {', '.join(never)}."
    yield "\nWho is called with a message that is his own to send answers with a CALLERROR:\n"
    for version in VERSIONS:
        for code in ("NotSupported", "NotImplemented"):
            rest = [action for action, got in capabilities.refused(version).items() if got == code]
            if rest:
                yield f"* {version}, the station, {code}: {', '.join(rest)}."
        rest = sorted(schemas.actions(version) - answers.answered(version))
        yield f"* {version}, the controller, NotSupported: {', '.join(rest)}."
    yield "\nAn action that the version does not have, or has as SEND only, gets NotImplemented from either."


def main() -> int:
    text = "\n".join(page()) + "\n"
    if "--write" in sys.argv:
        PAGE.write_text(text)
    elif "--check" in sys.argv:
        kept = PAGE.read_text() if PAGE.is_file() else ""
        changes = [
            d for d in difflib.unified_diff(kept.splitlines(), text.splitlines(), lineterm="", n=0) if d[:2] not in ("--", "++", "@@")
        ]
        for change in changes[:10]:
            print(change[:200])
        print(f"protocol: {PAGE.relative_to(ROOT)} is " + ("stale: python ci/protocol_table.py --write" if changes else "as the code says"))
        return bool(changes)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
