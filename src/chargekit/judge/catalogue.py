"""The bundled cases, found by importing the conformance files."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache

from chargekit.judge.case import Case
from chargekit.lab.bundled import conformance_folder


@cache
def known_cases() -> tuple[Case, ...]:
    """Every bundled case, by id. ValueError when two share an id."""
    found: dict[str, Case] = {}
    for path in sorted(conformance_folder().glob("test_*.py")):
        name = f"_chargekit_conformance_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        for thing in vars(module).values():
            info = getattr(thing, "case", None)
            if isinstance(info, Case):
                if info.id in found:
                    raise ValueError(f"two cases are named {info.id}")
                found[info.id] = info
    return tuple(found[i] for i in sorted(found))


def known_case(ident: str) -> Case:
    """The case of that id; KeyError if there is none."""
    return {c.id: c for c in known_cases()}[ident]
