"""`fleet up` and `serve`: one side on its own, until stopped."""

from __future__ import annotations

import gc
import sys
from collections.abc import Coroutine
from typing import Any

from chargekit.faces.credentials import Asked, check
from chargekit.lab.assemble import Lab, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput

Address = tuple[str, int]
NOTHING = Asked()


def stand_fleet(
    site: str, csms: str, *, rate: float, rig: Address | None, modbus: Address | None, seed: int, seconds: float | None,
    asked: Asked = NOTHING,
) -> None:  # fmt: skip
    """The emulated fleet against a CSMS. The site file's arrivals come; hands are taken at `rig`, meters served at `modbus`."""
    if not csms.startswith(("ws://", "wss://")):
        raise BadInput(None, f"--csms: a ws:// or wss:// address expected, found {csms!r}")
    bundle = load_site(site)
    security = asked.settings(bundle, server=False)
    check(bundle, security, csms, None, None)
    plan = Plan(seed=str(seed), rate=_finite(rate), csms_url=csms, serve_rig=rig, serve_meters=modbus, security=security)
    lab = build(bundle, plan)
    if rig is None:
        lab.play_arrivals()
    _stand(lab, [f"{len(lab.stations)} stations connect to {csms}"], {"rig": "hands at ws://", "meters": "meters at "}, seconds)


def stand_controller(
    site: str, listen: Address, *, meters: Address | None, rig: Address | None, rate: float, seed: int, seconds: float | None,
    asked: Asked = NOTHING, listen_tls: Address | None = None,
) -> None:  # fmt: skip
    """The reference controller for stations that connect here; the site's meters are read at `meters`."""
    bundle = load_site(site)
    security = asked.settings(bundle, server=True)
    check(bundle, security, None, listen, listen_tls)
    plan = Plan(
        seed=str(seed), rate=_finite(rate), listen=listen, meters_at=meters, serve_rig=rig, operate=True, security=security,
        listen_tls=listen_tls,
    )  # fmt: skip
    _stand(build(bundle, plan), [], {"csms": "listening on ws://", "rig": "levers at ws://"}, seconds)


def _finite(rate: float) -> float:
    if rate == float("inf"):
        raise BadInput(None, "--rate: sockets need a finite rate", "1, or 60 against another chargekit")
    return rate


def _stand(lab: Lab, lines: list[str], addresses: dict[str, str], seconds: float | None) -> None:
    # What is built stays: looking through all of it for garbage stops a large site for tenths of a second.
    gc.collect()
    gc.freeze()
    try:
        lab.run(_up(lab, lines, addresses, seconds))
    except OSError as error:
        raise BadInput(None, f"can't listen or connect: {error}") from None
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        lab.close()


def _addresses(lab: Lab, what: str, text: str) -> list[tuple[str, Address]]:
    """Where something listens; the CSMS in the clear, over TLS, or both."""
    server = lab.listening[what]
    if what != "csms" or server.tls is None:
        return [(text, lab.address(what))]
    plain = [(text, server.address)] if server.listen is not None else []
    return [*plain, (text.replace("ws://", "wss://"), server.secure_address)]


def _up(lab: Lab, lines: list[str], addresses: dict[str, str], seconds: float | None) -> Coroutine[Any, Any, None]:
    async def stand() -> None:
        for what, text in addresses.items():
            if what in lab.listening:
                for shown, (host, port) in _addresses(lab, what, text):
                    print(f"{shown}{host}:{port}", flush=True)
        for line in lines:
            print(line, flush=True)
        await lab.stand(seconds)

    return stand()
