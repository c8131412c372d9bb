"""Every defect that can be planted: ours, and those of other projects through the entry point group `chargekit.defects`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from chargekit.model.located import BadInput, nearest
from chargekit.model.points import Defect

GROUP = "chargekit.defects"
_registered: dict[str, type[Defect]] = {}


def register(defect: type[Defect]) -> type[Defect]:
    """Make a defect known to this process (a conftest's way); usable as a decorator."""
    _registered[defect.name] = defect
    return defect


@cache
def _installed() -> dict[str, type[Defect]]:
    from chargekit.controller.defects import CONTROLLER_DEFECTS
    from chargekit.controller.hold_defects import HOLD_DEFECTS
    from chargekit.controller.incident_defects import INCIDENT_DEFECTS
    from chargekit.controller.rule_defects import RULE_DEFECTS
    from chargekit.controller.steering_defects import STEERING_DEFECTS
    from chargekit.emulator.frame_defects import FRAME_DEFECTS
    from chargekit.emulator.grid_defects import GRID_DEFECTS
    from chargekit.emulator.plant_defects import PLANT_DEFECTS
    from chargekit.emulator.profile_defects import PROFILE_DEFECTS
    from chargekit.emulator.reservation_defects import RESERVATION_DEFECTS
    from chargekit.emulator.restart_defects import RESTART_DEFECTS
    from chargekit.emulator.security_defects import SECURITY_DEFECTS
    from chargekit.emulator.service_defects import SERVICE_DEFECTS
    from chargekit.emulator.station_defects import STATION_DEFECTS
    from chargekit.emulator.token_defects import TOKEN_DEFECTS

    stations = (
        *STATION_DEFECTS, *PROFILE_DEFECTS, *SERVICE_DEFECTS, *SECURITY_DEFECTS, *FRAME_DEFECTS, *RESTART_DEFECTS, *GRID_DEFECTS,
        *RESERVATION_DEFECTS, *TOKEN_DEFECTS,
    )  # fmt: skip
    rules = (*RULE_DEFECTS, *INCIDENT_DEFECTS, *STEERING_DEFECTS, *HOLD_DEFECTS)
    found = {one.name: one for one in (*stations, *PLANT_DEFECTS, *CONTROLLER_DEFECTS, *rules)}
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        one = point.load()
        if not (isinstance(one, type) and issubclass(one, Defect)):
            raise BadInput(None, f"entry point {point.name!r} in {GROUP} is not a Defect class")
        found[one.name] = one
    return found


def known_defects() -> dict[str, type[Defect]]:
    """Name to class, sorted by name."""
    return dict(sorted({**_installed(), **_registered}.items()))


def defect(name: str) -> type[Defect]:
    """The defect of that name; BadInput with the nearest known name otherwise."""
    known = known_defects()
    if name not in known:
        raise BadInput(None, f"defect {name!r} is not known", nearest(name, known))
    return known[name]
