"""Who may charge, as a case arranges it: settings by neutral name, the local list, the cache. What was changed is put back afterwards,
for a charger outside stands there for the next case."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chargekit.judge.bench import VEHICLE, Charger
from chargekit.judge.verdict import Failed, NotApplicable, NotPassed
from chargekit.wire.messages import Setting

BACK_S = 300.0
_UNKNOWN = frozenset({"NotSupported", "UnknownVariable", "UnknownComponent", "NotSupportedAttributeType"})

_ABSENT = {Setting.OFFLINE_TX_FOR_UNKNOWN: "false", Setting.MAX_ENERGY_ON_INVALID_WH: "0"}
"""What it means that an optional setting is not there (1.6 section 9.1; C15)."""


@asynccontextmanager
async def settings(charger: Charger, wanted: Mapping[Setting, str]) -> AsyncIterator[None]:
    """Settings for the length of a block. NotApplicable, naming it, for one the station does not have or does not let be changed."""
    before: dict[Setting, str] = {}
    try:
        for name, value in wanted.items():
            reply = await charger.ask("GetSetting", name=name.value)
            if name.value not in reply["values"]:
                if _ABSENT.get(name) == value:
                    continue
                raise NotApplicable(f"{charger.name} has no setting {name.value}")
            old = str(reply["values"][name.value])
            if old.lower() != value.lower():
                await _change(charger, name, value)
                before[name] = old
        yield
    except NotPassed:
        await _put_back(charger, before)
        raise
    await _put_back(charger, before)


async def _change(charger: Charger, name: Setting, value: str) -> None:
    status = str((await charger.ask("SetSetting", name=name.value, value=value))["status"])
    if status in _UNKNOWN:
        raise NotApplicable(f"{charger.name} has no setting {name.value}")
    if status != "Accepted":
        raise NotApplicable(f"{charger.name} does not let {name.value} be set to {value} while it runs: it answered {status}")


async def _put_back(charger: Charger, before: Mapping[Setting, str]) -> None:
    """As it was found, as far as the station can be reached."""
    if before and await _reachable(charger):
        for name, value in before.items():
            try:
                await _change(charger, name, value)
            except NotPassed:
                continue


@asynccontextmanager
async def listed(charger: Charger, *tokens: Mapping[str, Any]) -> AsyncIterator[int]:
    """A local list of these tokens (fields of `ListedToken`) for the length of a block; its version. Failed unless it is accepted."""
    version = max(0, await list_number(charger)) + 1
    try:
        status = await send_list(charger, version, tokens)
        if status != "Accepted":
            raise Failed(f"{charger.name} answered {status} to a full local list of {len(tokens)}", [charger.bench.seen.last_seq])
        yield version
    except NotPassed:
        await _empty(charger, version)
        raise
    await _empty(charger, version)


async def _empty(charger: Charger, version: int) -> None:
    if await _reachable(charger):
        try:
            await send_list(charger, version + 9, ())
        except NotPassed:
            return


async def send_list(charger: Charger, version: int, tokens: Sequence[Mapping[str, Any]], *, full: bool = True) -> str:
    """Send a local list or changes to it; the status it is answered."""
    rows = [dict(one) for one in tokens]
    return str((await charger.ask("SendLocalList", version=version, tokens=rows, full=full))["status"])


async def list_number(charger: Charger) -> int:
    """What the station says its local list's version is."""
    return int((await charger.ask("GetLocalListVersion"))["version"])


async def clear_cache(charger: Charger) -> None:
    """Failed unless it is accepted."""
    status = (await charger.ask("ClearCache"))["status"]
    if status != "Accepted":
        raise Failed(f"{charger.name} answered {status} to ClearCache", [charger.bench.seen.last_seq])


async def _reachable(charger: Charger) -> bool:
    if "link_mended" in charger.bench.lab.rig.can:
        await charger.mend_link()
    return await charger.bench.seen.until(lambda: charger.seen.online, BACK_S)


async def back_online(charger: Charger) -> None:
    """Mend the link and wait until the station is there again."""
    await charger.mend_link()
    await charger.expect(lambda: charger.seen.online, BACK_S, "a reconnection")


async def gets_to_know(charger: Charger, token: str, vehicle: str = VEHICLE, *, until: float | None = None) -> None:
    """A short session by an accepted token, from plug to unplug: a station with a cache knows the token from then on, or up to the run
    second `until`."""
    await charger.bench.answer_token(token, "Accepted", until=until)
    await charger.plug(vehicle)
    await charger.present(token)
    await charger.expect(lambda: charger.transaction is not None and charger.transaction.tx is not None, 60, "the start of a transaction")
    transaction = charger.transaction
    assert transaction is not None
    await charger.meter.draws(at_least_a=5, within_s=90)
    await charger.present(token)
    await charger.expect(lambda: transaction.over, 60, "the end of the transaction by its own token")
    await charger.unplug()
    await charger.bench.sleep(5)
