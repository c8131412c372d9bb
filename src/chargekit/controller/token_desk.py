"""What stations are told of tokens: the group a token belongs to, and the local list by which a station cut off still knows the site's own.

The list holds the tokens that the policy, or a hand, names one by one; patterns have no place on it, and where no token is named stations
keep the list they have. Its version follows from what is on it, so a station that kept it is not sent it again. Stations that do not
declare `local_list` are not asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from chargekit.controller.csms import Controller
from chargekit.controller.peer import Peer
from chargekit.policy.rulebook import Rulebook
from chargekit.wire.messages import (
    CommandReply,
    GetLocalListVersion,
    ListedToken,
    ListVersionReply,
    Reply,
    SendLocalList,
    TokenAnswer,
)
from chargekit.world.events import Effect, Note

AT_ONCE = 20
"""Tokens in one message: few enough for any station (SendLocalListMaxLength, ItemsPerMessage are at least that in practice)."""
LONGEST = 20
"""Characters every version has room for in a token (1.6 section 7.28)."""
_VERSIONS = 10_000_000
_PARTS = 100
_PATTERN = frozenset("*?[")


class TokenDesk:
    """The tokens of a site led by its rulebook. `classes`: tokens that hands gave a class, read live."""

    def __init__(self, rules: Rulebook, csms: Controller, classes: Mapping[str, str]) -> None:
        self.rules, self.csms, self.classes = rules, csms, classes
        self.groups = {token.upper(): group for token, group in rules.groups}

    def accepted(self, token: str) -> TokenAnswer:
        """The answer for a token that may charge."""
        return TokenAnswer("Accepted", group=self.groups.get(token.upper(), ""))

    # --- the list -----------------------------------------------------------------------------------------------

    def listed(self) -> list[ListedToken]:
        """The tokens named one by one; of two that differ in case only, one: identifiers know no case."""
        grouped = [t for t, _ in self.rules.groups if self.rules.class_of(t) is not None]
        named = {t.upper(): t for t in (*(t for t, _ in self.rules.tokens), *grouped, *self.classes)}
        fit = [t for _, t in sorted(named.items()) if not _PATTERN & set(t) and 0 < len(t) <= LONGEST]
        fit = [t for t in fit if not self.blocked(t)]
        return [ListedToken(t, group=self.groups.get(t.upper(), "")) for t in fit[: AT_ONCE * _PARTS]]

    def blocked(self, token: str) -> bool:
        """Whether the policy blocks a token: it is on no list then."""
        return any(fnmatchcase(token, pattern) for pattern, _ in self.rules.access.blocked)

    def parts(self) -> list[SendLocalList]:
        """The list as it is sent: a full one, then additions, each a version on. Empty where no token is named."""
        rows = self.listed()
        digest = hashlib.sha256(repr([(one.token, one.group) for one in rows]).encode()).hexdigest()
        first = (int(digest[:12], 16) % _VERSIONS) * _PARTS + 1
        found = [SendLocalList(first, tuple(rows[i : i + AT_ONCE]), full=i == 0) for i in range(0, len(rows), AT_ONCE)]
        return [replace(one, version=first + n) for n, one in enumerate(found)]

    def greet(self, peer: Peer, now: float, out: list[Effect]) -> None:
        """See whether the station has the list as it stands."""
        if "local_list" in peer.spec.model.capabilities and self.listed():
            self.csms.command(peer, GetLocalListVersion(), now, out, ("list", 0))

    def changed(self, now: float, out: list[Effect]) -> None:
        """A hand named a token: every station that is there gets the new list."""
        for peer in self.csms.peers.values():
            if peer.online:
                self.greet(peer, now, out)

    def replied(self, peer: Peer, version: int, reply: CommandReply | None, now: float, out: list[Effect]) -> None:
        """The outcome of asking for the version (`version` 0), or of a part of the list. What got lost waits for the next connection."""
        parts = self.parts()
        match reply:
            case ListVersionReply() if parts and reply.version != parts[-1].version:
                self._send(peer, parts[0], now, out)
            case Reply() if reply.accepted:
                # A list that changed meanwhile has other versions: then this part was the last of the old one.
                following = next((one for one in parts if one.version == version + 1 and not one.full), None)
                if following is not None:
                    self._send(peer, following, now, out)
            case Reply():
                body = {"kind": "local list refused", "because": reply.status}
                out.append(Note("controller", peer.spec.id, "incident", body))
            case _:
                pass

    def _send(self, peer: Peer, part: SendLocalList, now: float, out: list[Effect]) -> None:
        self.csms.command(peer, part, now, out, ("list", part.version))
