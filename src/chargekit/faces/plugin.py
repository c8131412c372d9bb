"""The pytest plugin: runs cases over subjects, records each trial, and sums up.

Loaded into every pytest session where chargekit is installed, so it imports nothing heavy until a case is met, and touches no test
that is not a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from chargekit.faces.credentials import Asked
    from chargekit.judge.case import Case
    from chargekit.judge.trial import Setting, Trial
    from chargekit.lab.assemble import Plan
    from chargekit.lab.sitefile import SiteBundle

SETTING = "_chargekit_setting"
ROWS = "_chargekit_rows"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chargekit", "EV charger conformance")
    add = group.addoption
    add("--chargekit-site", metavar="SITE", help="bundled site or site file (default: ini chargekit_site, or mixed-use)")
    add("--chargekit-seed", type=int, default=1, help="everything random follows from it")
    add("--chargekit-out", metavar="DIR", help="run folder for records and verdicts.json")
    add("--chargekit-rate", type=float, default=float("inf"), help="times real time: inf, 60 or 1")
    add("--chargekit-transport", choices=("memory", "sockets"), default="memory")
    add("--chargekit-case", action="append", default=[], metavar="ID", help="only this case")
    add("--chargekit-covers", metavar="TEXT", help="only cases that cover this clause or topic")
    add("--chargekit-subject", action="append", default=[], metavar="NAME", help="only this station or site")
    add("--chargekit-defect", action="append", default=[], metavar="NAME", help="plant this defect")
    add("--chargekit-csms", metavar="URL", help="judge the controller at this URL")
    add("--chargekit-listen", metavar="HOST:PORT", help="judge chargers that connect here")
    add("--chargekit-rig", action="append", default=[], metavar="HOST:PORT", help="where others lend us their hands")
    add("--chargekit-meters", metavar="HOST:PORT", help="where outside meters are read")
    add("--chargekit-modbus", metavar="HOST:PORT", help="where our emulated meters are served")
    add("--chargekit-listen-tls", metavar="HOST:PORT", help="where chargers connect over TLS")
    add("--chargekit-security-profile", type=int, metavar="0..3", help="OCPP security profile of all stations")
    add("--chargekit-security-password-file", metavar="FILE", help="the stations' password")
    add("--chargekit-security-ca", metavar="FILE", help="what the other side's certificates must lead to")
    add("--chargekit-security-cert", action="append", default=[], metavar="FILE", help="our certificate")
    add("--chargekit-security-key", action="append", default=[], metavar="FILE", help="its key")
    add("--chargekit-security-credentials", metavar="FILE", help="credentials of each station")
    add("--chargekit-resume", action="store_true", help="do not repeat trials whose record file is complete")
    add("--chargekit-reverse", action="store_true", help="run in reverse order")
    add("--chargekit-strip-truth", action="store_true", help="judge without the emulator's own knowledge")
    parser.addini("chargekit_site", "bundled site or site file", default="mixed-use")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chargekit(id): a conformance case")


HARDWARE: Final = frozenset({"dc", "shared_modules", "shared_supply", "phase_switching"})


def _setting(config: pytest.Config) -> Setting:
    """What the user chose, checked once. A UsageError for a site or defect that can't be."""
    found: Setting | None = getattr(config, SETTING, None)
    if found is None:
        from chargekit.judge.trial import Setting
        from chargekit.lab.defects import defect
        from chargekit.lab.sitefile import load_site
        from chargekit.model.located import BadInput

        option = config.getoption
        name = option("--chargekit-site") or config.getini("chargekit_site")
        defects = tuple(sorted(set(option("--chargekit-defect"))))
        try:
            bundle = load_site(str(name))
            for one in defects:
                defect(one)
        except BadInput as error:
            raise pytest.UsageError(str(error)) from None
        out = option("--chargekit-out")
        asked = _asked(config)
        found = Setting(
            bundle, option("--chargekit-seed"), option("--chargekit-rate"), option("--chargekit-transport"), defects,
            Path(out) if out else None, option("--chargekit-csms"), option("--chargekit-strip-truth"),
            _outside(config, bundle, asked), _again(config, asked),
        )  # fmt: skip
        setattr(config, SETTING, found)
    return found


def _asked(config: pytest.Config) -> Asked:
    """The options of security."""
    from chargekit.faces.credentials import Asked

    def file(name: str) -> Path | None:
        text = config.getoption(f"--chargekit-security-{name}")
        return Path(text) if text else None

    certs, keys = ([Path(p) for p in config.getoption(f"--chargekit-security-{name}")] for name in ("cert", "key"))
    return Asked(config.getoption("--chargekit-security-profile"), file("password-file"), file("ca"), certs, keys, file("credentials"))


def _again(config: pytest.Config, asked: Asked) -> tuple[str, ...]:
    """Who is outside and with which credentials, as words of `chargekit run`."""
    words: list[str] = []
    for name in ("listen", "meters", "modbus", "listen-tls"):
        text = config.getoption(f"--chargekit-{name}")
        words += [f"--{name}", text] if text else []
    for text in config.getoption("--chargekit-rig"):
        words += ["--rig", text]
    return (*words, *asked.words())


def _outside(config: pytest.Config, bundle: SiteBundle, asked: Asked) -> Plan:
    """Who is outside, and where, and with which credentials."""
    from chargekit.lab.assemble import Plan
    from chargekit.model.located import BadInput

    def at(name: str) -> tuple[str, int] | None:
        text = config.getoption(name)
        return _address(text) if text else None

    try:
        security = asked.settings(bundle, server=config.getoption("--chargekit-csms") is None)
    except BadInput as error:
        raise pytest.UsageError(str(error)) from None
    return Plan(
        security=security,
        listen_tls=at("--chargekit-listen-tls"),
        csms_url=config.getoption("--chargekit-csms"),
        listen=at("--chargekit-listen"),
        meters_at=at("--chargekit-meters"),
        serve_meters=at("--chargekit-modbus"),
        rigs_at=tuple(_address(text) for text in config.getoption("--chargekit-rig")),
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise pytest.UsageError(f"HOST:PORT expected, found {text!r}")
    return host.strip("[]"), int(port)


def _subjects(info: Case, config: pytest.Config) -> list[str]:
    setting = _setting(config)
    names = [setting.bundle.site.id] if info.scope == "site" else [s.id for s in setting.bundle.site.stations]
    chosen = config.getoption("--chargekit-subject")
    if chosen:
        return [n for n in names if n in chosen]
    if info.scope == "site":
        return names
    # Hardware a station does not have is nothing it could fail or lack.
    return [s.id for s in setting.bundle.site.stations if info.requires & HARDWARE <= s.model.capabilities]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    info: Case | None = getattr(metafunc.function, "case", None)
    if info is None or type(info).__name__ != "Case":
        return
    option = metafunc.config.getoption
    wanted, covers = option("--chargekit-case"), option("--chargekit-covers")
    subjects = _subjects(info, metafunc.config)
    if (wanted and info.id not in wanted) or (covers and not any(covers.lower() in c.lower() for c in info.covers)):
        subjects = []
    metafunc.parametrize("bench", subjects, indirect=True, ids=[f"{info.id}-{s}" for s in subjects])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = [item for item in items if hasattr(getattr(item, "function", None), "case")]
    if not cases:
        return
    # A case nobody is the subject of is no test that was skipped.
    gone = [item for item in cases if not hasattr(item, "callspec") or "NOTSET" in item.nodeid]
    items[:] = [item for item in items if item not in gone]
    if config.getoption("--chargekit-reverse"):
        items.reverse()


class Request:
    """What a case test gets as `bench`: runs the case, keeps the results, tells pytest the verdict."""

    def __init__(self, config: pytest.Config, subject: str) -> None:
        self.config, self.subject = config, subject

    def judge(self, info: Case) -> None:
        from chargekit.judge.trial import finished, run_trial

        setting = _setting(self.config)
        resume = self.config.getoption("--chargekit-resume")
        trial = finished(setting, info, self.subject) if resume else None
        if trial is None:
            standing = _standing(self.config, setting)
            trial = standing.trial(setting, info, self.subject) if standing else run_trial(setting, info, self.subject)
        _keep(setting, trial)
        tell(trial)


def _standing(config: pytest.Config, setting: Setting) -> Any:
    """The bench that stays up over all cases, where chargers or a controller outside are judged."""
    if config.getoption("--chargekit-listen") is None and setting.csms_url is None:
        return None
    from chargekit.judge.standing import StandingBench

    found = getattr(config, "_chargekit_standing", None)
    if found is None:
        found = StandingBench(setting)
        config._chargekit_standing = found  # type: ignore[attr-defined]
    return found


def _keep(setting: Setting, trial: Trial) -> None:
    """A trial that has no record file (not applicable) still needs its row: a file of its own."""
    if setting.out is None or trial.result.file:
        return
    from chargekit.judge.trial import record_name
    from chargekit.lab.recorder import Recorder
    from chargekit.world.history import History

    path = setting.out / "records" / record_name(trial.result.case, trial.result.subject)
    Recorder(path, History()).end({"result": trial.result.to_json(), "checks": []})


def tell(trial: Trial) -> None:
    """The verdict in pytest's words; the text ends with the command that runs it again."""
    from chargekit.judge.verdict import Verdict

    verdict = trial.verdict
    if verdict is Verdict.PASS:
        return
    if trial.result.verdict is Verdict.NOT_APPLICABLE and verdict is Verdict.NOT_APPLICABLE:
        pytest.skip(trial.result.reason)
    text = "\n".join([*trial.reasons, f"again: {trial.result.reproduce}"])
    pytest.fail(text, pytrace=False)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Request:
    """The bench of a conformance case; only a function made by `@case` can use it."""
    subject = getattr(request, "param", None)
    if subject is None:
        raise pytest.UsageError("the fixture `bench` is for functions made by chargekit.judge.case")
    return Request(request.config, subject)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Sum up: verdicts.json from the ends of all record files, by the process that leads."""
    config = session.config
    standing = getattr(config, "_chargekit_standing", None)
    if standing is not None:
        standing.close()
    out = config.getoption("--chargekit-out")
    if out is None or hasattr(config, "workerinput"):
        return
    from chargekit.judge.trial import sum_up

    sum_up(_setting(config))


def pytest_report_header(config: pytest.Config) -> Iterator[str] | list[str]:
    out = config.getoption("--chargekit-out")
    return [f"chargekit: records in {out}"] if out else []
