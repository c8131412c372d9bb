"""The command line. `chargekit run` drives pytest over the conformance cases; there is no second runner."""

from __future__ import annotations

import math
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from chargekit import __version__
from chargekit.faces.credentials import Asked, CaOpt, CertOpt, FileOpt, KeyOpt, ListenTlsOpt, PasswordOpt, ProfileOpt, check
from chargekit.faces.errors import INCONCLUSIVE, USAGE, complain, told
from chargekit.faces.policy import policy
from chargekit.model.located import BadInput, nearest

if TYPE_CHECKING:
    from chargekit.lab.sitefile import SiteBundle

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="EV charger emulator and conformance test kit with hardware in the loop.",
)
fleet = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The emulated fleet on its own.")
app.add_typer(fleet, name="fleet")
app.add_typer(policy, name="policy")

DEFAULT_SITE = "mixed-use"
SiteArg = Annotated[str, typer.Argument(metavar="[SITE]", help="A bundled site's name, or the path of a site file.")]
SeedOpt = Annotated[int, typer.Option(help="Everything random follows from it.")]
RateOpt = Annotated[str, typer.Option(help="Times real time: inf (virtual, no sockets), 60 or 1.")]
ForOpt = Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="Stop after this many site seconds.")]


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(f"chargekit {__version__}")
        raise typer.Exit


def rate_of(text: str) -> float:
    """The rate a user wrote; BadInput unless it is inf or a positive number."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not rate > 0:
        raise BadInput(None, f"--rate: inf, 60 or 1 expected, found {text!r}")
    return rate


def address_of(text: str, what: str) -> tuple[str, int]:
    """HOST:PORT as (host, port); port 0 takes a free one. BadInput otherwise."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadInput(None, f"{what}: HOST:PORT expected, found {text!r}", "for example 127.0.0.1:9000")
    return host.strip("[]"), int(port)


@app.command()
def run(
    site: SiteArg = DEFAULT_SITE,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    covers: Annotated[str | None, typer.Option(help="Only cases that cover this clause or topic.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Only this station or site; may be repeated.")] = None,
    defect: Annotated[list[str] | None, typer.Option(help="Plant this defect in the emulated side.")] = None,
    seed: SeedOpt = 1,
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/<time>-<site>.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with a run folder; nothing finished is repeated.")] = None,
    rate: RateOpt = "inf",
    sockets: Annotated[bool, typer.Option("--sockets", help="Real WebSockets and Modbus TCP on loopback.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes to judge with.")] = 1,
    reverse: Annotated[bool, typer.Option("--reverse", help="Judge in reverse order.")] = False,
    csms: Annotated[str | None, typer.Option(metavar="URL", help="Judge the controller at this URL.")] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Judge chargers that connect here.")] = None,
    rig: Annotated[list[str] | None, typer.Option(metavar="HOST:PORT", help="Hands lent by another process.")] = None,
    meters: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where outside meters are read.")] = None,
    modbus: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where our meters are served.")] = None,
    security_profile: ProfileOpt = None,
    password_file: PasswordOpt = None,
    ca: CaOpt = None,
    cert: CertOpt = None,
    key: KeyOpt = None,
    credentials: FileOpt = None,
    listen_tls: ListenTlsOpt = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the outcome.")] = False,
) -> None:
    """Judge a site: every case against every subject, with a verdict and its evidence for each."""
    with told():
        outside: dict[str, Any] = {
            "csms": csms,
            "listen": listen,
            "rig": rig or [],
            "meters": meters,
            "modbus": modbus,
            "listen_tls": listen_tls,
        }
        outside["security"] = Asked(security_profile, password_file, ca, cert or (), key or (), credentials)
        options = _options(site, case, covers, subject, defect, seed, out, resume, rate, sockets, workers, reverse, outside)
        raise typer.Exit(_judge(options, quiet=quiet))


def _options(
    site: str, case: list[str] | None, covers: str | None, subject: list[str] | None, defect: list[str] | None, seed: int,
    out: Path | None, resume: Path | None, rate: str, sockets: bool, workers: int, reverse: bool, outside: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Everything a run needs, checked before anything starts."""
    from chargekit.judge.catalogue import known_cases
    from chargekit.lab.defects import known_defects
    from chargekit.lab.sitefile import load_site

    bundle = load_site(site)
    pace = rate_of(rate)
    if (sockets or outside["csms"] or outside["listen"]) and math.isinf(pace):
        # Sockets need real time; what is outside may be real.
        pace = 60.0 if sockets else 1.0
    for name in defect or ():
        if name not in known_defects():
            raise BadInput(None, f"--defect: {name!r} is not known", nearest(name, known_defects()))
    cases = {c.id for c in known_cases()}
    for name in case or ():
        if name not in cases:
            raise BadInput(None, f"--case: {name!r} is not known", nearest(name, cases))
    subjects = {bundle.site.id, *(s.id for s in bundle.site.stations)}
    for name in subject or ():
        if name not in subjects:
            raise BadInput(None, f"--subject: {name!r} is not of this site", nearest(name, subjects))
    _check_outside(outside)
    _check_security(bundle, outside, sockets=sockets)
    if workers > 1 and (outside["csms"] or outside["listen"]):
        raise BadInput(None, "--workers: one process at a time can hold the chargers or the controller", "leave it out")
    if resume is not None and not (resume / "records").is_dir():
        raise BadInput(None, f"--resume: {resume} is no run folder", "a folder with records/ in it expected")
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = resume or out or Path("runs") / f"{stamp}-{bundle.site.id}"
    if resume is None and (folder / "records").is_dir() and any((folder / "records").iterdir()):
        raise BadInput(None, f"{folder} holds a run already", "take another --out, or --resume it")
    return {
        "site": site, "case": case or [], "covers": covers, "subject": subject or [], "defect": defect or [],
        "seed": seed, "out": folder, "resume": resume is not None, "rate": pace,
        "transport": "sockets" if sockets else "memory", "workers": workers, "reverse": reverse,
        **outside,
    }  # fmt: skip


def _check_outside(outside: dict[str, Any]) -> None:
    for key in ("listen", "meters", "modbus", "listen_tls"):
        if outside[key]:
            address_of(outside[key], f"--{key.replace('_', '-')}")
    for text in outside["rig"]:
        address_of(text, "--rig")


def _check_security(bundle: SiteBundle, outside: dict[str, Any], *, sockets: bool) -> None:
    if outside["csms"] or outside["listen"] or sockets:
        security = outside["security"].settings(bundle, server=not outside["csms"])
        check(bundle, security, outside["csms"], outside["listen"], outside["listen_tls"])
    elif outside["security"] or outside["listen_tls"]:
        raise BadInput(None, "links in memory know no security", "--sockets, --listen or --csms")


def _judge(options: dict[str, Any], *, quiet: bool) -> int:
    """Run pytest over the cases, show progress and the table, make the report; the run's exit code."""
    import pytest

    from chargekit.faces.progress import Shown, stdout_copy, table
    from chargekit.faces.report import write_report
    from chargekit.judge.verdict import exit_code, read_verdicts
    from chargekit.lab.bundled import conformance_folder

    folder: Path = options["out"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdicts.json").unlink(missing_ok=True)
    shown = Shown(stdout_copy(), quiet=quiet)
    try:
        ended = pytest.main(_pytest_args(options, conformance_folder()), plugins=[shown])
    finally:
        shown.close()
    if shown.broken or not (folder / "verdicts.json").is_file():
        for text in shown.broken[:3]:
            complain(text)
        complain(f"the run did not come to its verdicts (pytest ended with {int(ended)})")
        return USAGE if int(ended) == 4 else 3
    rows = read_verdicts(folder / "verdicts.json")["verdicts"]
    report = write_report(folder)
    console = Console(file=shown.console.file, highlight=False, soft_wrap=not shown.console.is_terminal)
    if not quiet:
        table(console, rows)
        console.print(f"\nreport   {report}\nverdicts {folder / 'verdicts.json'}")
    if not rows:
        complain("nothing was judged: no case fits these options")
        return INCONCLUSIVE
    return exit_code(rows)


def _pytest_args(options: dict[str, Any], cases: Path) -> list[str]:
    folder: Path = options["out"]
    args = [
        str(cases), "-p", "no:terminal", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={cases}",
        "--import-mode=importlib", "-W", "ignore", f"--junitxml={folder / 'junit.xml'}", "-o", "junit_family=xunit2",
        f"--chargekit-site={options['site']}", f"--chargekit-seed={options['seed']}", f"--chargekit-out={folder}",
        f"--chargekit-rate={options['rate']}", f"--chargekit-transport={options['transport']}",
    ]  # fmt: skip
    for key in ("case", "subject", "defect", "rig"):
        args += [f"--chargekit-{key}={value}" for value in options[key]]
    for key in ("covers", "csms", "listen", "meters", "modbus", "listen_tls"):
        if options[key]:
            args.append(f"--chargekit-{key.replace('_', '-')}={options[key]}")
    asked: Asked = options["security"]
    for name in ("profile", "password_file", "ca", "credentials", "cert", "key"):
        value = getattr(asked, name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None:
                args.append(f"--chargekit-security-{name.replace('_', '-')}={one}")
    for key in ("resume", "reverse"):
        if options[key]:
            args.append(f"--chargekit-{key}")
    if options["workers"] > 1:
        args += ["-n", str(options["workers"])]
    return args


@app.command()
def simulate(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A bundled site's name, or the path of a site file.")],
    days: Annotated[int, typer.Option(help="How many days it lives.")] = 1,
    day: Annotated[str | None, typer.Option(help="Make every day one of these: everyone-at-once, holiday, cold-morning, …")] = None,
    stations: Annotated[int | None, typer.Option(help="How many stations; default as the site file says.")] = None,
    seed: SeedOpt = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; default runs/<site>-…")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Let a site live under the reference controller in virtual time: who came, what they got, power against the cap."""
    from chargekit.faces.simulation import simulate as go

    with told():
        go(site, days, seed, day, stations, out, quiet=quiet)


@app.command()
def explain(
    record: Annotated[Path, typer.Argument(metavar="RUN", help="A record file, or a run folder with one that holds decisions.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="Run seconds, HH:MM[:SS] on the site's clock, or a date and time.")],
    station: Annotated[str, typer.Argument(metavar="STATION[/EVSE]", help="Whose limit is to be explained.")],
) -> None:
    """Make a recorded decision again and say why a station got what it got; exit code 3 if it comes out differently."""
    from chargekit.faces.explain import explain as go

    with told():
        raise typer.Exit(go(record, at, station))


@app.command()
def kpi(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders or record files.")],
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there, too.")] = None,
) -> None:
    """The shared figures of runs and sites side by side, by one definition, and the review triggers with their evidence."""
    from chargekit.faces.kpi import compare
    from chargekit.faces.tables import PIPED

    with told():
        piped = not sys.stdout.isatty()
        compare(runs, as_json, console=Console(highlight=False, soft_wrap=piped, width=PIPED if piped else None))


@app.command()
def cases(
    covers: Annotated[str | None, typer.Option(help="Only cases that cover this clause or topic.")] = None,
) -> None:
    """List the conformance cases: id, area, what it judges, what it covers and what a subject must be able to do."""
    from chargekit.faces.tables import show_table
    from chargekit.judge.catalogue import known_cases

    chosen = [one for one in known_cases() if not covers or any(covers.lower() in topic.lower() for topic in one.covers)]
    rows = [(one.id, one.scope, one.title, ", ".join(sorted(one.covers)), ", ".join(sorted(one.requires))) for one in chosen]
    show_table(("case", "judges", "title", "covers", "requires"), rows)


@app.command()
def station(
    capabilities: Annotated[
        bool, typer.Option("--capabilities", help="List every message: sent, answered (by which module) or refused.")
    ] = False,
    ocpp: Annotated[str | None, typer.Option(metavar="VERSION", help="Only 1.6, 2.0.1 or 2.1.")] = None,
) -> None:
    """What the emulated station can do, message by message."""
    from chargekit.faces.capabilities import show
    from chargekit.wire import VERSIONS

    with told():
        if not capabilities:
            raise BadInput(None, "station: nothing is asked for", "--capabilities")
        if ocpp is not None and ocpp not in VERSIONS:
            raise BadInput(None, f"--ocpp: {ocpp!r} is no version spoken here", f"{', '.join(VERSIONS)}")
        show(ocpp)


@app.command()
def defects() -> None:
    """List the defects that can be planted with `run --defect`: name, the area that catches it, what is seen."""
    from chargekit.faces.tables import show_table
    from chargekit.lab.defects import known_defects

    rows = [(one.name, one.part, one.area, one.point, one.seen) for one in known_defects().values()]
    show_table(("defect", "on", "caught by", "point", "seen"), rows)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Make `report.html` of a run folder anew, from its records and verdicts alone."""
    from chargekit.faces.report import write_report

    with told():
        if not (folder / "verdicts.json").is_file():
            raise BadInput(None, f"{folder} has no verdicts.json", "a folder that `chargekit run` made expected")
        print(write_report(folder))


@fleet.command("up")
def fleet_up(
    site: SiteArg = DEFAULT_SITE,
    csms: Annotated[str, typer.Option(metavar="URL", help="Where the stations connect.")] = "ws://127.0.0.1:9000",
    rate: RateOpt = "1",
    rig: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Take hands (plug, present, …) here.")] = None,
    modbus: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve the meters here.")] = None,
    seed: SeedOpt = 1,
    seconds: ForOpt = None,
    security_profile: ProfileOpt = None,
    password_file: PasswordOpt = None,
    ca: CaOpt = None,
    cert: CertOpt = None,
    key: KeyOpt = None,
    credentials: FileOpt = None,
) -> None:
    """Bring an emulated fleet up against any CSMS, until stopped."""
    from chargekit.faces.standing import stand_fleet

    with told():
        hands = address_of(rig, "--rig") if rig else None
        meters = address_of(modbus, "--modbus") if modbus else None
        asked = Asked(security_profile, password_file, ca, cert or (), key or (), credentials)
        stand_fleet(site, csms, rate=rate_of(rate), rig=hands, modbus=meters, seed=seed, seconds=seconds, asked=asked)


@app.command()
def serve(
    site: SiteArg = DEFAULT_SITE,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where stations connect.")] = "127.0.0.1:9000",
    meters: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where the site's meters are read.")] = None,
    rig: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Take policy levers here.")] = None,
    rate: RateOpt = "1",
    seed: SeedOpt = 1,
    seconds: ForOpt = None,
    security_profile: ProfileOpt = None,
    password_file: PasswordOpt = None,
    ca: CaOpt = None,
    cert: CertOpt = None,
    key: KeyOpt = None,
    credentials: FileOpt = None,
    listen_tls: ListenTlsOpt = None,
) -> None:
    """Run the reference controller for a site's stations, until stopped."""
    from chargekit.faces.standing import stand_controller

    with told():
        at = address_of(listen, "--listen")
        hands = address_of(rig, "--rig") if rig else None
        read = address_of(meters, "--meters") if meters else None
        asked = Asked(security_profile, password_file, ca, cert or (), key or (), credentials)
        secure = address_of(listen_tls, "--listen-tls") if listen_tls else None
        stand_controller(site, at, meters=read, rig=hands, rate=rate_of(rate), seed=seed, seconds=seconds, asked=asked, listen_tls=secure)


def main() -> None:
    """Entry point: usage errors end with 64."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as ended:
        code = ended.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        # Typer raises click's usage errors here; they carry their own exit code 2.
        if not hasattr(error, "format_message"):
            raise
        complain(error.format_message())
        code = USAGE
    sys.exit(code if isinstance(code, int) else 0)
