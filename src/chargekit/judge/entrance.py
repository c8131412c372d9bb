"""The way in, as a security case sees it: what the CSMS end shows and asks for, what the station presented, and whether it got in."""

from __future__ import annotations

import contextlib
import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from chargekit.judge.doorway import Doorway, Entry
from chargekit.judge.verdict import Failed, NotApplicable, NotPassed, Unclear
from chargekit.lab.assemble import CSMS
from chargekit.lab.authority import password
from chargekit.wire import credentials
from chargekit.wire.messages import OtherCommand, SetKey

if TYPE_CHECKING:
    from chargekit.judge.bench import Charger

BACK_S: Final = 900.0
"""A station's own back-off may grow long."""
SETTLE_S: Final = 30.0
"""How long a connection that was begun is given to be complete."""
TOLD_S: Final = 180.0
REDIAL_S: Final = 60.0
"""How long a station may keep its old connection after its credentials changed; then the link is dropped."""
NOT_OURS: Final = "the CSMS end has no security, or is not ours: what it shows and asks for can't be chosen"
DONE: Final = ("Accepted", "RebootRequired")
SHORT: Final = "only-15-letters"
WORDS: Final = {
    "self-signed": "a certificate it signed itself", "stranger": "a certificate of an unknown authority",
    "expired": "an expired certificate", "other-host": "a certificate of another host",
}  # fmt: skip


class Entrance:
    """How one charger gets in. Certificate faults are words of `lab.authority`; passwords are never shown to a case."""

    def __init__(self, charger: Charger) -> None:
        self.charger, self.bench, self.name = charger, charger.bench, charger.name
        self.seen: Doorway = self.bench.seen.doorway

    # --- what is there ------------------------------------------------------------------------------------------

    @property
    def entries(self) -> list[Entry]:
        return self.seen.entries.get(self.name, [])

    def _why(self) -> str:
        refusals = self.seen.refusals.get(self.name, [])
        after = self.entries[-1].seq if self.entries else 0
        return f"; last refused: {refusals[-1].reason}" if refusals and refusals[-1].seq > after else ""

    # --- the CSMS end -------------------------------------------------------------------------------------------

    async def shows(self, certificate: str = "good", tls: str = "good") -> None:
        """From the next connection on, what the CSMS end shows of itself: a certificate good or with a fault, TLS good or `old`."""
        self._ours()
        await self.bench.hand(CSMS, "csms_shows", certificate=certificate, tls=tls)

    async def expects(self, password: str) -> None:
        """Which of the station's passwords is taken from now on: `right`, `other` (none of its own) or `any` it ever had."""
        self._ours()
        await self.bench.hand(CSMS, "csms_expects", station=self.name, password=password)

    def _ours(self) -> None:
        if "csms_shows" not in self.bench.lab.rig.can:
            raise NotApplicable(NOT_OURS)

    # --- getting in ---------------------------------------------------------------------------------------------

    async def came(self, *, after: int = 0, within_s: float = BACK_S) -> Entry:
        """Wait until it is connected, by a connection later than the first `after`. Failed, with the last refusal, when it never is."""
        seen = self.charger.seen
        if not await self.bench.seen.until(lambda: seen.online and len(self.entries) > after, within_s):
            raise Failed(f"{self.name} did not connect within {within_s:g} s{self._why()}", [self.bench.seen.last_seq])
        return self.entries[-1]

    async def drops(self) -> None:
        """The link is lost for a moment: the station has to connect anew."""
        await self.charger.cut_link()
        await self.bench.seen.until(lambda: not self.charger.seen.online, SETTLE_S)
        await self.charger.mend_link()

    async def again(self) -> Entry:
        """Drop the link; the station comes back."""
        before = len(self.entries)
        await self.drops()
        return await self.came(after=before)

    async def kept_out(self, what: str, *, by_us: bool = False) -> None:
        """Drop the link; the station tries to connect, and does not get in while the CSMS does `what`. Unclear when it never tried.
        `by_us`: the CSMS refuses it, so it is known who tried; where the station turns away, anybody may have begun the handshake that
        was seen."""
        before, hellos, refusals = len(self.entries), self.seen.hellos, len(self.seen.refusals.get(self.name, []))
        await self.drops()

        def came() -> bool:
            return len(self.entries) > before

        def tried() -> bool:
            greeted = self.seen.hellos > hellos and not by_us
            return came() or greeted or len(self.seen.refusals.get(self.name, [])) > refusals

        if not await self.bench.seen.until(tried, BACK_S):
            raise Unclear(f"{self.name} did not try to connect within {BACK_S:g} s while the CSMS {what}")
        if await self.bench.seen.until(came, SETTLE_S):
            if self.entries[-1].resumed:
                raise Unclear(f"{self.name} took up an earlier TLS session, and looked at nothing anew while the CSMS {what}")
            raise Failed(f"{self.name} connected although the CSMS {what}", [self.entries[-1].seq])

    async def verifies(self, fault: str) -> None:
        """While the CSMS shows a certificate with this fault the station stays out; once it is good again, the station comes back and
        tells the event. NotApplicable where the bench can't make such a certificate."""
        told, came = self.told("InvalidCsmsCertificate"), len(self.entries)
        await self.shows(certificate=fault)
        await self.kept_out(f"showed {WORDS[fault]}")
        await self.shows()
        await self.came(after=came)
        await self.tells("InvalidCsmsCertificate", told)

    async def tells(self, event: str, before: int) -> None:
        """The station tells a security event (2.x's name) once more than `before` times. Failed when it does not."""
        if not await self.bench.seen.until(lambda: self.told(event) > before, TOLD_S):
            raise Failed(f"{self.name} told no security event {event} within {TOLD_S:g} s of its return", [self.bench.seen.last_seq])

    def told(self, event: str) -> int:
        """How often it told a security event so far."""
        return self.seen.events.get(self.name, []).count(event)

    # --- credentials --------------------------------------------------------------------------------------------

    async def _send(self, command: SetKey | OtherCommand) -> str:
        reply = await self.charger.ask(type(command).__name__, **asdict(command))
        return str(reply["status"])

    async def new_password(self, word: str | None = None) -> str:
        """Have the station's password changed to a fresh one, or to `word`; what it answered."""
        fresh = password(random.Random(f"{self.bench.lab.plan.seed}/{self.name}/new password"), 24)
        return await self._send(credentials.new_password(self.charger.spoken, fresh if word is None else word))

    async def first_password(self) -> str:
        """Give the station the password back that it was set up with."""
        assert self.bench.lab.security is not None
        return await self.new_password(self.bench.lab.security.stations[self.name].password)

    async def gives_back(self) -> None:
        """After a change that failed: let the station in with any password it ever had, and give it its first one back if it comes."""
        await self.expects("any")
        seen = self.charger.seen
        if await self.bench.seen.until(lambda: seen.online and seen.boot_accepted, BACK_S):
            with contextlib.suppress(NotPassed):
                await self.first_password()

    async def renewed(self, before: int) -> Entry:
        """After a change of credentials: it connects anew by itself, or when its link is dropped."""
        if not await self.bench.seen.until(lambda: self.charger.seen.online and len(self.entries) > before, REDIAL_S):
            if self.charger.seen.online:
                await self.drops()
            return await self.came(after=before)
        return self.entries[-1]

    async def move(self, profile: int) -> str:
        """Tell the station to use another security profile; the first answer that is a refusal, or Accepted."""
        lab, version = self.bench.lab, self.charger.spoken
        order = ""
        for key in credentials.slots(version):
            order = str((await self.charger.ask("GetKeys", keys=[key]))["values"].get(key, ""))
        slot = next((n for n in (2, 3, 1) if str(n) not in order.split(",")), 3)
        for command in credentials.new_profile(version, profile, lab.url(self.name, secure=profile >= 2), slot, order):
            status = await self._send(command)
            if status not in DONE:
                return status
        return "Accepted"

    def may_be_raised(self) -> None:
        """NotApplicable unless the bench allows what can't be undone over OCPP: `may_raise: true` in the site file's `security:`."""
        security = self.bench.lab.security
        if security is None or not security.may_raise:
            raise NotApplicable(
                "raising a security profile can't be undone over OCPP, and this bench does not allow it "
                "(may_raise: true in the site file's security: block)"
            )

    async def knows_no_root(self) -> None:
        """NotApplicable where the station has a root certificate of a CSMS installed."""
        if (status := await self._send(credentials.known_roots(self.charger.spoken))) != "NotFound":
            raise NotApplicable(f"{self.name} has a root certificate of its CSMS installed already, or does not say ({status})")

    async def raised(self, profile: int) -> Entry:
        """Raise the security profile where the bench allows it, with the CSMS's root installed before; the connection that follows."""
        before = len(self.entries)
        await self._raise(profile)
        return await self.came(after=before) if credentials.needs_reboot(self.charger.spoken) else await self.renewed(before)

    async def _raise(self, profile: int) -> None:
        lab, version = self.bench.lab, self.charger.spoken
        self.may_be_raised()
        root = lab.entrance.root(lab.calendar) if lab.entrance is not None else ""
        if not root:
            raise NotApplicable("the bench has no root certificate that its CSMS's leads to (ca: in the site file's security: block)")
        if (status := await self._send(credentials.new_root(version, root))) != "Accepted":
            raise Failed(f"{self.name} answered {status} to the root certificate of its CSMS", [self.bench.seen.last_seq])
        if (status := await self.move(profile)) != "Accepted":
            raise Failed(f"{self.name} answered {status} to security profile {profile}, for which it has all it needs")
        if credentials.needs_reboot(version):
            await self.charger.ask("Reset", hard=True)

    async def raised_in_vain(self, profile: int) -> Entry:
        """Raise the security profile while the CSMS's certificate can't be verified; the connection that follows all the same. Failed when
        the station does not fall back, Unclear where its version only recommends that. The CSMS is as it was afterwards."""
        self.may_be_raised()
        before, hellos = len(self.entries), self.seen.hellos
        await self.shows(certificate="stranger")
        await self._raise(profile)
        came = await self.bench.seen.until(lambda: self.charger.seen.online and len(self.entries) > before, BACK_S)
        await self.shows()
        if came and self.seen.hellos == hellos:
            raise Unclear(f"{self.name} came back without having tried security profile {profile}")
        if came:
            return self.entries[-1]
        why = f"{self.name} did not go back to the security profile that worked within {BACK_S:g} s"
        # Not to lose it: now the new profile works.
        await self.bench.seen.until(lambda: len(self.entries) > before, BACK_S)
        if credentials.must_fall_back(self.charger.spoken):
            raise Failed(why, [self.bench.seen.last_seq])
        raise Unclear(f"{why}; its version only recommends it")


def unsecured(needed: int, found: int | None, name: str) -> str:
    """Why a bench that stands is no place for a case that begins with a security profile; "" when it is."""
    if found == needed:
        return ""
    has = "no security" if found is None else f"security profile {found}"
    return f"{name} is set up with {has} on this bench, the case begins with profile {needed} (--security-profile {needed})"
