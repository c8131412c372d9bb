"""`chargekit policy …`: the rules of a site, where each was written, how sites differ, what is wrong with them, and their tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargekit.faces.errors import FAIL, told
from chargekit.faces.plain import one_line
from chargekit.faces.tables import show_table
from chargekit.model.located import BadInput

if TYPE_CHECKING:
    from chargekit.policy.layers import Effective

policy = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The rulebook: show, compare, lint and test it.")
SiteName = Annotated[str, typer.Argument(metavar="SITE", help="A bundled site's name, or the path of a site file.")]
Sites = Annotated[list[str] | None, typer.Argument(metavar="[SITE]...", help="Sites by name or path; default: the bundled ones.")]
AsJson = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there, too.")]


def _sites(names: list[str] | None) -> list[str]:
    from chargekit.lab.bundled import bundled_sites

    return names or bundled_sites()


def _said(row: Effective | None) -> tuple[str, str]:
    return (row.value, str(row.source)) if row else ("-", "-")


def _write(path: Path | None, data: object) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    except OSError as why:
        raise BadInput(None, f"--json: {path} can't be written: {why.strerror}") from None


@policy.command()
def show(site: SiteName, as_json: AsJson = None) -> None:
    """The rules in force at a site: each value, the layer that says it, file and line, and which layer locked it; then the circuits
    with their ratings, and the limits below them."""
    from chargekit.lab.policies import circuit_rows, locked_rows, plain
    from chargekit.lab.sitefile import load_site

    with told():
        bundle = load_site(site)
        _write(as_json, plain(bundle))
        show_table(("rule", "value", "layer", "written at", "locked by"), locked_rows(bundle.rulebook))
        print()
        columns = ("circuit", "fed by", "EVSEs", "rating", "written at", "limit", "written at")
        show_table(columns, circuit_rows(bundle.rulebook, bundle.site))
        print(f"\nrevision {bundle.rulebook.revision}")


@policy.command()
def diff(one: SiteName, other: SiteName, as_json: AsJson = None) -> None:
    """Where two sites' rules differ: what the second adds to the first, removes and changes."""
    from chargekit.lab.policies import differences, plain_differences
    from chargekit.lab.sitefile import load_site

    with told():
        a, b = load_site(one), load_site(other)
        _write(as_json, {"one": a.site.id, "other": b.site.id, "differences": plain_differences(a, b)})
        rows = [(d.key, d.change, *_said(d.one), *_said(d.other)) for d in differences(a, b)]
        if rows:
            show_table(("rule", "change", a.site.id, "written at", b.site.id, "written at"), rows)
        else:
            print(f"no difference: {one_line(a.site.id, 60)} and {one_line(b.site.id, 60)} have the same rules")


@policy.command()
def drift(sites: Sites = None) -> None:
    """Where sites say otherwise than the template of their type."""
    from chargekit.lab.policies import drift as drifting
    from chargekit.lab.sitefile import load_site

    with told():
        rows = []
        for name in _sites(sites):
            bundle = load_site(name)
            rows += [(bundle.site.id, d.key, d.change, *_said(d.one), *_said(d.other)) for d in drifting(bundle)]
        if rows:
            show_table(("site", "rule", "change", "template", "written at", "site says", "written at"), rows)
        else:
            print("no drift: every site follows its template")


@policy.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: where the bundled ones stand.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; 1 if a file is not current.")] = False,
) -> None:
    """Write the JSON Schemas of the three layers' files."""
    from chargekit.lab.policies import schema_files, schemas_folder

    with told():
        folder = out or schemas_folder()
        stale = [name for name, text in schema_files().items() if not (folder / name).is_file() or (folder / name).read_text() != text]
        if check:
            for name in stale:
                print(f"{folder / name} is not current")
            raise typer.Exit(FAIL if stale else 0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in schema_files().items():
                (folder / name).write_text(text)
                print(folder / name)
        except OSError as error:
            raise BadInput(None, f"{folder} can't be written: {error.strerror or error}") from None


@policy.command("test")
def run_tests(sites: Sites = None) -> None:
    """Run the policy tests beside the policies: each row's expectations against the rules in force. Exit code 1 if one fails."""
    from chargekit.lab.policies import proved

    with told():
        failed = 0
        for name in _sites(sites):
            proofs = proved(name)
            wrong = [one for one in proofs if not one.ok]
            for one in wrong:
                print(one_line(f"{one.source}: {one.what}: expected {one.expected}, found {one.found}", 1000))
                if one.because:
                    print(one_line(f"    because {one.because}", 1000))
            failed += len(wrong)
            print(f"{name}: {len(proofs)} expectations, {len(wrong)} failed")
        raise typer.Exit(FAIL if failed else 0)


@policy.command("lint")
def run_lint(sites: Sites = None) -> None:
    """Rules that never apply, promise too much or have no end, and the common mistake of each site type. Exit code 1 if there are any."""
    from chargekit.lab.policies import findings

    with told():
        found = findings(_sites(sites))
        for one in found:
            print(one_line(one, 1000))
        if not found:
            print("nothing found")
        raise typer.Exit(FAIL if found else 0)
