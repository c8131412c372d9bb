"""The CSMS end as stations meet it: what it shows of itself, what it asks for, and who knocked. Of a server on sockets and in memory.

In memory a station that dials over TLS shakes hands with the server in buffers: the same contexts, the same OpenSSL and the same
refusals as over sockets, in no time at all.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection

from chargekit.controller.admission import Caller, Doors
from chargekit.emulator.certificates import chain_fault, read
from chargekit.lab.authority import HOST, faulty
from chargekit.lab.site_security import SiteSecurity
from chargekit.lab.tls import allow, client_context, diagnosis, loaded, server_context, subject_of
from chargekit.model.calendar import Calendar
from chargekit.model.located import BadInput
from chargekit.model.security import Access
from chargekit.world.events import Fault
from chargekit.world.history import History

GOOD: Final = "good"
OTHER: Final = "no-station-has-this-one"
HELLO_S: Final = 1.0
_ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class Shaken:
    """How a handshake in memory ended: `error` is what the station met. `peer`: the client's verified certificate."""

    error: BaseException | None
    version: str = ""
    peer: Any = None


def shake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> Shaken:
    """A whole TLS handshake between two contexts, in memory. Never raises for what either of them does not like."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    done: dict[int, BaseException | None] = {}
    for _ in range(_ROUNDS):
        for number, end in enumerate(ends):
            if number not in done:
                try:
                    end.do_handshake()
                    done[number] = None
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError as why:
                    done[number] = why
        if len(done) == 2 or done.get(0) is not None:
            break
    if done.get(0) is None and done.get(1) is not None:
        # With TLS 1.3 the client is done before the server has seen its certificate: the alert comes with the first read.
        try:
            ends[0].read(1)
        except ssl.SSLError as why:
            return Shaken(why)
    error = done.get(0) or done.get(1) or (None if len(done) == 2 else ssl.SSLError(1, "the handshake did not end"))
    return Shaken(error) if error is not None else Shaken(None, ends[0].version() or "", ends[1].getpeercert())


class Entrance:
    """What the CSMS shows and asks for; changed by hands, told to the History as `controller` records.

    `hello` (subject csms): somebody connected to where TLS is spoken. `admitted` (subject station): with `secure`, `tls` (the version),
    `shown` (`nothing`, `password` or `certificate`) and `resumed` (an earlier TLS session went on, so no certificate was shown again).
    """

    def __init__(self, security: SiteSecurity, doors: Doors, history: History, now: Callable[[], float], csms: str) -> None:
        self.security, self.doors, self.history, self.now, self.csms = security, doors, history, now, csms
        self.context = server_context(security.pairs, security.ca, security.source) if security.pairs else None
        self._known: dict[str, tuple[str, ...]] = {}
        self._refused: dict[str, str] = {}
        self._greeted = -HELLO_S
        if self.context is not None:
            # A session taken up again would not show the certificate again.
            self.context.options |= ssl.OP_NO_TICKET
            self.context.num_tickets = 0

    # --- hands --------------------------------------------------------------------------------------------------

    def show(self, certificate: str = GOOD, tls: str = GOOD) -> None:
        """From the next connection on: the right certificate or one of `authority.FAULTS`; `tls` good or `old` (1.1 and before).
        LookupError, saying why, for what can't be shown here."""
        if self.context is None:
            raise LookupError("this CSMS has no certificate: it is not reached over TLS")
        pairs = self.security.pairs if certificate == GOOD else faulty(certificate, self.security.pairs, self.security.authority)
        for pem, key in pairs:
            loaded(self.context, pem, key, self.security.source)
        if tls == GOOD:
            allow(self.context, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        else:
            allow(self.context, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)

    def expect(self, station: str, password: str) -> None:
        """`right`: the station's password; `other`: one it does not have; `any`: every one it ever had, so that none is locked out."""
        rule = self.doors.rules[station]
        if rule.passwords != (OTHER,):
            before = [word for word in self._known.get(station, ()) if word not in rule.passwords]
            self._known[station] = (*before, *rule.passwords)
        known = self._known.get(station, ())
        choice = {"right": known[-1:], "other": (OTHER,), "any": known}
        self.doors.rules[station] = replace(rule, passwords=choice[password])

    def act(self, verb: str, args: Mapping[str, Any]) -> None:
        """A hand: `csms_shows` (certificate, tls) or `csms_expects` (station, password)."""
        if verb == "csms_shows":
            self.show(str(args.get("certificate", GOOD)), str(args.get("tls", GOOD)))
        else:
            self.expect(str(args["station"]), str(args["password"]))

    # --- what a bench may ask -----------------------------------------------------------------------------------

    def profile(self, station: str) -> int:
        """The security profile expected of a station now."""
        return self.doors.rules[station].profile

    def root(self, calendar: Calendar) -> str:
        """The root certificate that the server's leads to, as PEM; "" where none is at hand."""
        chain = read(self.security.pairs[0][0]) if self.security.pairs else ()
        texts = [self.security.authority[0]] if self.security.authority is not None else []
        roots = [one for text in (*texts, self.security.ca) for one in read(text) if one.ca]
        return next((one.pem for one in roots if chain and not chain_fault(chain, [one], calendar.utc(self.now()))), "")

    # --- knocking -----------------------------------------------------------------------------------------------

    def hello(self) -> None:
        """Note that somebody came to where TLS is spoken, before it is known who and whether they agree; not more than once a second,
        for anybody may come."""
        now = self.now()
        if now - self._greeted >= HELLO_S:
            self._greeted = now
            self.history.add(now, "controller", self.csms, "hello", {})

    def line(self, *args: Any, **kwargs: Any) -> ServerConnection:
        """A connection to a TLS port, made by its server before the handshake."""
        self.hello()
        return ServerConnection(*args, **kwargs)

    def admitted(self, caller: Caller, tls: str, resumed: bool = False) -> None:
        """Note who was let in, and with what."""
        shown = "certificate" if caller.subject is not None else "password" if caller.authorization is not None else "nothing"
        body = {"secure": caller.secure, "tls": tls, "shown": shown, "resumed": resumed}
        self.history.add(self.now(), "controller", caller.identity, "admitted", body)

    def knock(self, station: str, access: Access) -> tuple[str, Fault] | None:
        """A station dials in memory: None when it is let in, else what it hears. `access.url` must be of HOST."""
        parts = urlsplit(access.url or ("wss" if access.secure else "ws") + f"://{HOST}")
        if parts.hostname != HOST:
            return f"no such host: {parts.hostname}", ""
        shaken = Shaken(None)
        secure = parts.scheme == "wss"
        if secure:
            if self.context is None:
                return "the CSMS does not speak TLS here", ""
            self.hello()
            try:
                shaken = shake(client_context(access), self.context, HOST)
            except BadInput as why:
                return str(why)[:200], ""
            if shaken.error is not None:
                return diagnosis(shaken.error)
        caller = Caller(station, secure, _basic(station, access), subject_of(shaken.peer))
        found = self.doors.admit(caller)
        if found.admitted:
            self._refused.pop(station, None)
            self.admitted(caller, shaken.version)
            return None
        if self._refused.get(station) != found.reason:
            self._refused[station] = found.reason
            body = {"event": found.event, "reason": found.reason, "status": found.status}
            self.history.add(self.now(), "controller", station, "refused", body)
        return f"HTTP {found.status}: the CSMS refused the credentials", "credentials"


def _basic(station: str, access: Access) -> str | None:
    from base64 import b64encode

    if access.profile not in (1, 2):
        return None
    return "Basic " + b64encode(f"{station}:".encode() + access.password).decode()
