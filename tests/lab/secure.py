"""A lab with real TLS on loopback: certificates in a folder, both roles, and what the tests of security wait for and look at."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.pki import CA

from chargekit.lab.assemble import CSMS, Lab, Plan, build
from chargekit.lab.site_security import Given, Settings
from chargekit.lab.sitefile import load_site

RATE = 300.0
WORD, OTHER = "a-good-long-password", "another-long-password"
OLD, NEW = "ac-01", "ac-11"
"""A 1.6 and a 2.0.1 station."""


class Place:
    """A folder of certificates, and labs made with them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ca = folder, CA()
        (folder / "ca.pem").write_text(self.ca.pem)
        self.ca.server().write(folder, "csms")
        self.ca.pair.write(folder, "authority")

    def given(self, text: str) -> Given:
        return Given(text, None, self.folder)

    def settings(self, profile: int, **more: Any) -> Settings:
        base: dict[str, Any] = {
            "profile": profile, "password": Given(WORD), "ca": self.given("ca.pem"),
            "certificate": (self.given("csms.pem"),), "key": (self.given("csms.key"),), "organisation": Given("Oak"),
        }  # fmt: skip
        if profile == 3:
            for name in (OLD, NEW):
                if not (self.folder / f"{name}.pem").exists():
                    self.ca.issue(name).write(self.folder, name)
            base |= {"station_certificate": self.given("{id}.pem"), "station_key": self.given("{id}.key")}
        return Settings(**(base | more))

    def lab(self, profile: int, *stations: str, settings: dict[str, Any] | None = None, **more: Any) -> Lab:
        plan: dict[str, Any] = {"security": self.settings(profile, **(settings or {})), "rate": RATE, "transport": "sockets"}
        return build(load_site("mixed-use"), Plan(stations=stations or (OLD, NEW), **(plan | more)))


async def until(condition: Callable[[], object], what: str = "", limit_s: float = 1500.0) -> None:
    """Wait in site seconds; fail when it never comes."""
    for _ in range(int(limit_s)):
        if condition():
            return
        await asyncio.sleep(1.0)
    raise AssertionError(f"never came: {what}")


def play(lab: Lab, work: Any) -> None:
    try:
        lab.run(work)
    finally:
        lab.close()


def kinds(lab: Lab, station: str) -> list[str]:
    return [r.kind for r in lab.history.records if r.subject == station and r.witness == "wire"]


def booted(lab: Lab, *stations: str) -> bool:
    return all("BootNotification.conf" in kinds(lab, name) for name in stations or lab.stations)


def told(lab: Lab, station: str) -> list[str]:
    """The security events a station told, in order."""
    rows = [r for r in lab.history.records if r.subject == station and r.kind == "SecurityEventNotification.req"]
    return [str(r.body["payload"]["type"]) for r in rows]


def logged(lab: Lab, station: str) -> list[dict[str, str]]:
    return list(lab.world.saved[station].get("m/security/log", []))


def profile(lab: Lab, station: str) -> int:
    return int(lab.world.machines[station].security()["profile"])  # type: ignore[attr-defined]


async def command(lab: Lab, station: str, kind: str, **fields: Any) -> dict[str, Any]:
    """Let the CSMS send a command; its reply."""
    ask = f"{kind}-{len(lab.history.records)}"
    await lab.rig.do(CSMS, "command", {"station": station, "ask": ask, "command": {"kind": kind, **fields}})

    def reply() -> list[Any]:
        return [r.body for r in lab.history.records if r.kind == "reply" and r.body.get("ask") == ask]

    await until(reply, f"reply to {kind}")
    return dict(reply()[0])


async def again(lab: Lab, station: str, count: int) -> None:
    await until(lambda: kinds(lab, station).count("opened") >= count, f"connection {count} of {station}")
    await until(lambda: lab.world.machines[station].online, "its own end")  # type: ignore[attr-defined]
