"""Where `fleets/` and `conformance/` are: beside the sources in a checkout, inside the package in a wheel."""

from __future__ import annotations

from pathlib import Path

import chargekit


def _folder(name: str) -> Path:
    package = Path(chargekit.__file__).resolve().parent
    checkout = package.parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    return package / "_bundled" / name


def fleets_folder() -> Path:
    """The bundled sites and catalogue."""
    return _folder("fleets")


def conformance_folder() -> Path:
    """The bundled cases."""
    return _folder("conformance")


def bundled_sites() -> list[str]:
    """Names of the sites that come along."""
    return sorted(p.parent.name for p in fleets_folder().glob("*/fleet.yaml"))
