"""Frames a CSMS should not send, sent on purpose: what the station answers, and whether its session goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chargekit.judge.verdict import Failed, NotApplicable
from chargekit.lab.assemble import CSMS
from chargekit.wire import odd_frames
from chargekit.wire.odd_frames import Odd

if TYPE_CHECKING:
    from chargekit.judge.bench import Bench, Charger

REPLY_S: Final = 20.0
WATCHED_S: Final = 20.0
FLOWS_A: Final = 1.0
VEHICLES: Final = frozenset({"plug", "present"})


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply to a frame: `code` of an error, "" for a result."""

    seq: int
    id: str
    code: str


async def at_work(bench: Bench) -> Charger:
    """A station that charges, where the bench has hands for that; else one that is ready."""
    charging = bench.lab.rig.can >= VEHICLES
    return await bench.reach("EnergyTransferStarted" if charging else "Booted")


class Oddities:
    """Odd frames to one charger. Every message id is used once."""

    def __init__(self, charger: Charger) -> None:
        self.charger, self.bench, self.name = charger, charger.bench, charger.name
        self.version = charger.spoken
        self.lost_after = self._mark()

    def _mark(self) -> int:
        return len(self.bench.lab.history.records)

    def _id(self) -> str:
        return f"ck-odd-{self._mark()}"

    async def _raw(self, text: str) -> None:
        if "send_raw" not in self.bench.lab.rig.can:
            raise NotApplicable("the controller is not ours: no frame can be sent as it is")
        await self.bench.hand(CSMS, "send_raw", station=self.name, text=text)

    def _replies(self, ids: frozenset[str], since: int) -> list[Heard]:
        found = []
        for r in self.bench.lab.history.records[since:]:
            if r.witness == "wire" and r.subject == self.name and r.body.get("dir") == "up" and r.body.get("id") in ids:
                if r.kind.endswith(".err"):
                    found.append(Heard(r.seq, str(r.body["id"]), str(r.body.get("code"))))
                elif r.kind.endswith(".conf"):
                    found.append(Heard(r.seq, str(r.body["id"]), ""))
        return found

    async def sends(self, kind: Odd) -> None:
        """Send an odd frame; Failed unless the answer is one the version allows for it."""
        ident, since = self._id(), self._mark()
        want = odd_frames.wanted(self.version, kind, ident)
        await self._raw(odd_frames.odd(self.version, kind, ident))
        ids = want.ids | {ident}
        if not await self.bench.seen.until(lambda: bool(self._replies(ids, since)), REPLY_S):
            if not want.silence:
                raise Failed(f"{self.name} did not answer a frame with {_SAID[kind]} within {REPLY_S:g} s", [self.bench.seen.last_seq])
            return
        heard = self._replies(ids, since)[0]
        if heard.id not in want.ids or heard.code not in want.codes:
            answer = f"the error {heard.code}" if heard.code else "a result"
            allowed = ", ".join(sorted(want.codes)) or "nothing"
            raise Failed(f"{self.name} answered {answer} to a frame with {_SAID[kind]}, expected: {allowed}", [heard.seq])

    async def sends_twice(self) -> None:
        """Send a good call, and the same again once it was answered, as a CSMS does that missed the answer. Failed without a result to
        the first, or without any answer to the second."""
        ident = self._id()
        for time in ("first", "second"):
            since = self._mark()
            await self._raw(odd_frames.call(self.version, ident))
            if not await self.bench.seen.until(lambda since=since: bool(self._replies(frozenset({ident}), since)), REPLY_S):  # type: ignore[misc]
                raise Failed(f"{self.name} did not answer the {time} of two calls with one message id", [self.bench.seen.last_seq])
            heard = self._replies(frozenset({ident}), since)[0]
            if time == "first" and heard.code:
                raise Failed(f"{self.name} answered the error {heard.code} to a good call", [heard.seq])

    async def goes_on(self) -> None:
        """The link was never lost, what was charging charges on, and a good call has a result. Failed otherwise."""
        charging = self.charger.transaction is not None
        if charging:
            await self.charger.meter.fresh()
            if await self.bench.seen.until(lambda: self.charger.meter.now_a() < FLOWS_A, WATCHED_S):
                raise Failed(f"{self.name} stopped charging after it", [self.charger.meter.last().seq])
        else:
            await self.bench.sleep(WATCHED_S)
        for r in self.bench.lab.history.records[self.lost_after :]:
            if r.witness == "wire" and r.subject == self.name and r.kind == "closed":
                raise Failed(f"{self.name} lost its link after it: {r.body.get('code')} {r.body.get('reason')}".rstrip(), [r.seq])
        ident, since = self._id(), self._mark()
        await self._raw(odd_frames.call(self.version, ident))
        if not await self.bench.seen.until(lambda: bool(self._replies(frozenset({ident}), since)), REPLY_S):
            raise Failed(f"{self.name} answered nothing any more after it", [self.bench.seen.last_seq])
        heard = self._replies(frozenset({ident}), since)[0]
        if heard.code:
            raise Failed(f"{self.name} answered the error {heard.code} to a good call after it", [heard.seq])


_SAID: Final[dict[Odd, str]] = {
    "unreadable": "text that is cut off", "unknown action": "an action nobody knows", "mistyped": "a number where a list belongs",
    "unasked result": "a result it did not ask for", "unknown type": "a message type nobody knows",
}  # fmt: skip
