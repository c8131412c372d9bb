"""One trial: a case against a subject, from a fresh lab to a result with its always-on checks."""

from __future__ import annotations

import asyncio
import math
import re
import shlex
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from chargekit.judge.bench import Bench
from chargekit.judge.case import Case
from chargekit.judge.checks import About, judge_records
from chargekit.judge.verdict import Failed, NotApplicable, NotPassed, Result, Unclear, Verdict, worst
from chargekit.lab.assemble import Lab, Plan, build
from chargekit.lab.defects import defect
from chargekit.lab.head import head_of
from chargekit.lab.recorder import Recorder, read_end
from chargekit.lab.sitefile import SiteBundle
from chargekit.world.history import Record


@dataclass(frozen=True, slots=True)
class Setting:
    """How trials are run: the site and everything a user can choose. `options`: words of the command line that stand for parts of the
    plan, to be repeated where a command is printed; never a secret."""

    bundle: SiteBundle
    seed: int = 1
    rate: float = math.inf
    transport: str = "memory"
    defects: tuple[str, ...] = ()
    out: Path | None = None
    csms_url: str | None = None
    strip_truth: bool = False
    plan: Plan = field(default_factory=Plan)
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """What one trial brought: the case's result and those of the always-on checks."""

    result: Result
    checks: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        return worst([self.result.verdict, *(c.verdict for c in self.checks)])

    @property
    def reasons(self) -> list[str]:
        """Everything that is not a pass, in a line each."""
        rows = [self.result, *self.checks]
        return [f"{r.case} {r.subject}: {r.verdict}: {r.reason}" for r in rows if r.verdict is not Verdict.PASS]


def record_name(case: str, subject: str) -> str:
    """The record file of a case and a subject."""
    clean = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{case}--{subject}")
    return f"{clean}.jsonl"


def reproduce(setting: Setting, case: str, subject: str) -> str:
    """The one command that runs this trial again."""
    words = ["chargekit", "run", setting.bundle.name, "--case", case, "--subject", subject, "--seed", str(setting.seed)]
    for name in setting.defects:
        words += ["--defect", name]
    if setting.transport == "sockets":
        words.append("--sockets")
    if not math.isinf(setting.rate):
        words += ["--rate", f"{setting.rate:g}"]
    if setting.csms_url:
        words += ["--csms", without_secrets(setting.csms_url)]
    return shlex.join([*words, *setting.options])


def without_secrets(url: str) -> str:
    """A URL whose user and password, if it has them, are replaced by ***."""
    start, mark, rest = url.partition("//")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, at, bare = host.rpartition("@")
    return f"{start}{mark}***@{bare}{rest[len(host) :]}" if at else url


def plan_of(setting: Setting, case: Case, subject: str) -> Plan:
    """The lab a trial needs: one station for a charger case, the whole site under its operator for a site case."""
    whole = case.scope == "site"
    return replace(
        setting.plan,
        seed=f"{setting.seed}/{case.id}/{subject}",
        rate=setting.rate,
        transport="sockets" if setting.transport == "sockets" else "memory",
        operate=whole,
        defects=tuple(defect(name) for name in setting.defects),
        stations=None if whole else (subject,),
        secured=case.security,
        starts_s=case.starts(setting.bundle) if case.starts is not None else 0.0,
    )


def finished(setting: Setting, case: Case, subject: str) -> Trial | None:
    """A trial whose record file is complete."""
    if setting.out is None:
        return None
    end = read_end(setting.out / "records" / record_name(case.id, subject))
    return Trial(result_of(end["result"]), tuple(result_of(c) for c in end["checks"])) if end else None


def result_of(data: dict[str, Any]) -> Result:
    """A result from what `to_json` wrote."""
    from chargekit.judge.verdict import Measured

    measured = tuple(Measured(**{k: v for k, v in m.items() if k != "marginal"}) for m in data["measured"])
    return Result(
        data["case"], data["subject"], Verdict(data["verdict"]), data["reason"], data["title"], data["expectation"],
        tuple(data["covers"]), measured, data["evidence"]["file"], tuple(data["evidence"]["records"]), data["reproduce"],
    )  # fmt: skip


def not_declared(setting: Setting, case: Case, subject: str) -> Trial | None:
    """Not applicable, naming it, where the subject's device profile lacks what the case requires."""
    if case.scope == "site":
        return None
    missing = sorted(case.requires - setting.bundle.site.station(subject).model.capabilities)
    if not missing:
        return None
    return not_applicable(setting, case, subject, f"the device profile of {subject} does not declare {', '.join(missing)}")


def not_applicable(setting: Setting, case: Case, subject: str, reason: str) -> Trial:
    """A trial that was not held, and why."""
    return Trial(_result(case, subject, Verdict.NOT_APPLICABLE, reason, (), (), "", reproduce(setting, case.id, subject)), ())


def run_trial(setting: Setting, case: Case, subject: str) -> Trial:
    """Build a lab, run the case, judge what was witnessed, write the record file's end."""
    missing = not_declared(setting, case, subject)
    if missing is not None:
        return missing
    name = record_name(case.id, subject)
    again = reproduce(setting, case.id, subject)
    lab = build(setting.bundle, plan_of(setting, case, subject))
    try:
        return trial_on(lab, setting, case, subject, file=f"records/{name}", again=again)
    finally:
        lab.close()


def trial_on(lab: Lab, setting: Setting, case: Case, subject: str, *, file: str, again: str) -> Trial:
    """Run a case on a lab that is there already."""
    recorder = Recorder(setting.out / file, lab.history) if setting.out is not None else None
    began = len(lab.history.records)
    lab.history.add(lab.world.now, "rig", lab.site.id, "site", about_site(lab, whole=case.scope == "site"))
    bench = Bench(lab, subject, case.requires)
    verdict, reason, records = _carry_out(lab, bench, case)
    bench.seen.close()
    result = _result(case, subject, verdict, reason, tuple(bench.measured), (*bench.evidence, *records), file, again)
    seen: Sequence[Record] = [*_links_before(lab.history.records[:began]), *lab.history.records[began:]]
    if setting.strip_truth:
        seen = [r for r in seen if r.witness != "truth"]
    checks = tuple(judge_records(seen, About(lab.site, lab.calendar), subject, file=file, reproduce=again))
    if recorder is not None:
        recorder.end({"result": result.to_json(), "checks": [c.to_json() for c in checks]})
    return Trial(result, checks)


def _links_before(records: Sequence[Record]) -> list[Record]:
    """The last thing known of each link, so that checks of a later trial know the version spoken."""
    last = {r.subject: r for r in records if r.witness == "wire" and r.kind in ("opened", "closed")}
    return list(last.values())


def _carry_out(lab: Lab, bench: Bench, case: Case) -> tuple[Verdict, str, tuple[int, ...]]:
    try:
        lab.run(_limited(bench, case))
    except NotPassed as ended:
        return ended.verdict, ended.reason, ended.records
    except KeyboardInterrupt:
        raise
    except Exception as error:
        # Whatever else goes wrong is ours, never the subject's.
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Verdict.ERROR, f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})", ()
    marginal = [m for m in bench.measured if m.verdict is not Verdict.PASS]
    if marginal:
        return Verdict.INCONCLUSIVE, f"{marginal[0].name} is marginal: {marginal[0].value:.2f} {marginal[0].unit}", ()
    return Verdict.PASS, "", ()


async def _limited(bench: Bench, case: Case) -> None:
    """The case with its time limit in bench time: a wait without end never shows while machines live."""
    work = asyncio.ensure_future(case.work(bench))
    done, _ = await asyncio.wait({work}, timeout=case.limit_s)
    if not done:
        work.cancel()
        raise TimeoutError(f"{case.id} did not end within {case.limit_s:g} s")
    await work


def _result(
    case: Case,
    subject: str,
    verdict: Verdict,
    reason: str,
    measured: tuple[Any, ...],
    records: tuple[int, ...],
    file: str,
    again: str,
) -> Result:
    records = tuple(sorted({int(r) for r in records}))
    return Result(
        case.id, subject, verdict, reason, case.title, case.expectation, tuple(sorted(case.covers)), measured, file, records, again
    )


def about_site(lab: Lab, *, whole: bool) -> dict[str, Any]:
    """The site as figures and evidence need it."""
    return head_of(lab.bundle, lab.meters, whole=whole, site=lab.site)


def dumps(trial: Trial) -> bytes:
    """A trial as bytes, for comparing."""
    return orjson.dumps([trial.result.to_json(), *(c.to_json() for c in trial.checks)], option=orjson.OPT_SORT_KEYS)


__all__ = ["Failed", "NotApplicable", "Setting", "Trial", "Unclear", "finished", "run_trial", "trial_on"]


def sum_up(setting: Setting) -> list[dict[str, Any]]:
    """Write `verdicts.json` of a run folder from the ends of its record files; the rows."""
    import chargekit
    from chargekit.judge.verdict import merge_checks, write_verdicts

    assert setting.out is not None
    rows: list[dict[str, Any]] = []
    checks: list[dict[str, Any]] = []
    for path in sorted((setting.out / "records").glob("*.jsonl")):
        end = read_end(path)
        if end is not None:
            rows.append(end["result"])
            checks.extend(end["checks"])
    rows += merge_checks(checks)
    head = {
        "site": setting.bundle.site.id,
        "seed": setting.seed,
        "chargekit": chargekit.__version__,
        "defects": list(setting.defects),
    }
    setting.out.mkdir(parents=True, exist_ok=True)
    write_verdicts(setting.out / "verdicts.json", head, rows)
    return rows
