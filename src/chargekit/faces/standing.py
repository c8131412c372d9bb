"""`fleet up` and `serve`: one side on its own, until stopped."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Any

from chargekit.lab.assemble import Lab, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput

Address = tuple[str, int]


def stand_fleet(
    site: str, csms: str, *, rate: float, rig: Address | None, modbus: Address | None, seed: int, seconds: float | None
) -> None:
    """The emulated fleet against a CSMS. The site file's arrivals come; hands are taken at `rig`, meters served at `modbus`."""
    if not csms.startswith(("ws://", "wss://")):
        raise BadInput(None, f"--csms: a ws:// or wss:// address expected, found {csms!r}")
    lab = build(load_site(site), Plan(seed=str(seed), rate=_finite(rate), csms_url=csms, serve_rig=rig, serve_meters=modbus))
    if rig is None:
        lab.play_arrivals()
    _stand(lab, [f"{len(lab.stations)} stations connect to {csms}"], {"rig": "hands at ws://", "meters": "meters at "}, seconds)


def stand_controller(
    site: str, listen: Address, *, meters: Address | None, rig: Address | None, rate: float, seed: int, seconds: float | None
) -> None:
    """The reference controller for stations that connect here; the site's meters are read at `meters`."""
    plan = Plan(seed=str(seed), rate=_finite(rate), listen=listen, meters_at=meters, serve_rig=rig, operate=True)
    _stand(build(load_site(site), plan), [], {"csms": "listening on ws://", "rig": "levers at ws://"}, seconds)


def _finite(rate: float) -> float:
    if rate == float("inf"):
        raise BadInput(None, "--rate: sockets need a finite rate", "1, or 60 against another chargekit")
    return rate


def _stand(lab: Lab, lines: list[str], addresses: dict[str, str], seconds: float | None) -> None:
    try:
        lab.run(_up(lab, lines, addresses, seconds))
    except OSError as error:
        raise BadInput(None, f"can't listen or connect: {error}") from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        lab.close()


def _up(lab: Lab, lines: list[str], addresses: dict[str, str], seconds: float | None) -> Coroutine[Any, Any, None]:
    async def stand() -> None:
        for what, text in addresses.items():
            if what in lab.listening:
                host, port = lab.address(what)
                print(f"{text}{host}:{port}", flush=True)
        for line in lines:
            print(line, flush=True)
        await lab.stand(seconds)

    return stand()
