"""Who may connect: a station's credentials against the security profile it is expected to use.

Pure: the server shell shows what a caller presented; `Doors` says yes or no, and learns new passwords and profiles from the commands
the CSMS sends and the stations' replies.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chargekit.model.security import spoken_password
from chargekit.wire.messages import Command, CommandReply, OtherCommand, Reply, SetKey

LONGEST_HEADER: Final = 1024
PASSWORD_KEYS: Final = frozenset({"AuthorizationKey", "SecurityCtrlr.BasicAuthPassword"})
PROFILE_KEY: Final = "SecurityProfile"
PRIORITY_KEY: Final = "OCPPCommCtrlr.NetworkConfigurationPriority"
_DONE: Final = ("Accepted", "RebootRequired")


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a client certificate whose path was verified: its CN and O."""

    common_name: str
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """What somebody who wants to connect presents. `secure`: over TLS; `authorization`: the header's value."""

    identity: str
    secure: bool = False
    authorization: str | None = field(default=None, repr=False)
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is expected of one station. `passwords`: any of them will do (two while a change is under way). `serial`: its certificate's
    CN, the identity where empty; `organisation`: what its O must contain, anything where empty. `raised`: a higher profile it was
    told to use and was not seen with yet."""

    profile: int = 0
    passwords: tuple[str, ...] = field(default=(), repr=False)
    serial: str = ""
    organisation: str = ""
    version: str = "2.0.1"
    raised: int | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """`status`: the HTTP status to refuse with, 0 when admitted with `profile`. `event`: the security event to log."""

    status: int = 0
    profile: int = 0
    reason: str = ""
    event: str = ""

    @property
    def admitted(self) -> bool:
        return self.status == 0


def admit(caller: Caller, rule: Rule) -> Admission:
    """Whether a caller is who it says, with the profile expected of it (A00.FR.002); nothing lower, and nothing higher unasked.

    With an upgrade under way the higher profile is tried first, then the present one (A05.FR.06, WP A05.FR.08).
    """
    refused = Admission(403, 0, "no security profile is expected")
    for profile in dict.fromkeys(p for p in (rule.raised, rule.profile) if p is not None):
        refused = _checked(caller, rule, profile)
        if refused.admitted:
            break
    return refused


def _checked(caller: Caller, rule: Rule, profile: int) -> Admission:
    if profile == 0:
        return Admission(profile=0)
    if caller.secure != (profile >= 2):
        found = "over TLS" if caller.secure else "without TLS"
        return Admission(403, 0, f"connected {found}, security profile {profile} is expected", "FailedToAuthenticateAtCsms")
    return _certified(caller, rule) if profile == 3 else _authorised(caller, rule, profile)


def _authorised(caller: Caller, rule: Rule, profile: int) -> Admission:
    """HTTP Basic authentication: the user is the identity, the password one of those set (A00.FR.204, 207, 303, 324)."""
    given = _basic(caller.authorization)
    if given is None:
        why = "no Authorization header" if caller.authorization is None else "no readable Basic authorization"
        return Admission(401, 0, why, "FailedToAuthenticateAtCsms")
    # An identity may hold a colon itself, so it is not split at the first one.
    user, password = caller.identity.encode() + b":", given
    named = hmac.compare_digest(given[: len(user)], user)
    password = given[len(user) :]
    good = 0
    for secret in (s for text in rule.passwords for s in {text.encode(), spoken_password(text, rule.version)}):
        good += hmac.compare_digest(password, secret)
    if not named:
        return Admission(401, 0, "the user is not the station's identity", "FailedToAuthenticateAtCsms")
    if not good:
        return Admission(401, 0, "wrong password" if rule.passwords else "no password is set for it", "FailedToAuthenticateAtCsms")
    return Admission(profile=profile)


def _certified(caller: Caller, rule: Rule) -> Admission:
    """The client certificate names the station in its CN and the operator in its O (A00.FR.404, 405)."""
    subject = caller.subject
    if subject is None:
        return Admission(401, 0, "no client certificate", "InvalidChargingStationCertificate")
    wanted = rule.serial or caller.identity
    if not hmac.compare_digest(subject.common_name.encode(), wanted.encode()):
        return Admission(403, 0, f"the certificate is of {subject.common_name[:48]!r}", "InvalidChargingStationCertificate")
    if rule.organisation and rule.organisation not in subject.organisation:
        return Admission(403, 0, f"the certificate's O is {subject.organisation[:48]!r}", "InvalidChargingStationCertificate")
    return Admission(profile=3)


def _basic(header: str | None) -> bytes | None:
    """`user:password` of a Basic authorization; None if that is not what it is."""
    if header is None or len(header) > LONGEST_HEADER:
        return None
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        found = base64.b64decode(coded.strip().encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if b":" in found else None


class Doors:
    """The rules of all stations. A station without one is let in as before: profile 0."""

    def __init__(self, rules: Mapping[str, Rule] | None = None) -> None:
        self.rules: dict[str, Rule] = dict(rules or {})
        self.slots: dict[tuple[str, int], tuple[int, str]] = {}

    def admit(self, caller: Caller) -> Admission:
        """Judge a caller. One admitted with the profile it was told to use is bound to that profile (A05.FR.07, WP A05.FR.09)."""
        rule = self.rules.get(caller.identity, Rule())
        found = admit(caller, rule)
        if found.admitted and rule.raised is not None and found.profile == rule.raised:
            self.rules[caller.identity] = replace(rule, profile=rule.raised, raised=None)
        return found

    def asked(self, station: str, command: Command) -> None:
        """A command is on its way: until the reply the old password holds beside the new one."""
        rule = self.rules.get(station)
        if rule is not None and (new := _passwords(command)):
            self.rules[station] = replace(rule, passwords=tuple(dict.fromkeys((*rule.passwords, *new))))

    def told(self, station: str, command: Command, reply: CommandReply | None) -> None:
        """The outcome. Accepted: only the new password holds (A01.FR.03); refused: only the old (A01.FR.04); lost: both do."""
        rule = self.rules.get(station)
        if rule is None or not isinstance(reply, Reply) or not reply.status:
            # A reply without one status for all (several variables at once) settles nothing.
            return
        done = reply.status in _DONE
        for password in _passwords(command):
            others = tuple(p for p in rule.passwords if p != password)
            rule = replace(rule, passwords=(password,) if done else others or rule.passwords)
        if done:
            rule = self._raised(station, rule, command)
        self.rules[station] = rule

    def _raised(self, station: str, rule: Rule, command: Command) -> Rule:
        wanted: int | None = None
        match command:
            case SetKey(key=key, value=value) if key == PROFILE_KEY and value.isascii() and value.isdigit():
                wanted = int(value)
            case SetKey(key=key, value=value) if key == PRIORITY_KEY:
                first = value.partition(",")[0].strip()
                if first.isascii() and first.isdigit() and (station, int(first)) in self.slots:
                    wanted, password = self.slots[station, int(first)]
                    if password and password not in rule.passwords:
                        rule = replace(rule, passwords=(*rule.passwords, password))
            case OtherCommand(action="SetNetworkProfile", payload=payload):
                slot, data = payload.get("configurationSlot"), payload.get("connectionData")
                if isinstance(slot, int) and isinstance(data, dict) and isinstance(data.get("securityProfile"), int):
                    self.slots[station, slot] = (data["securityProfile"], str(data.get("basicAuthPassword") or ""))
            case _:
                pass
        return replace(rule, raised=wanted) if wanted is not None and wanted > rule.profile else rule


def _passwords(command: Command) -> tuple[str, ...]:
    """The passwords a command sets."""
    match command:
        case SetKey(key=key, value=value) if key in PASSWORD_KEYS:
            return (value,)
        case OtherCommand(action="SetVariables", payload=payload):
            rows: Any = payload.get("setVariableData")
            found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
            return tuple(str(row.get("attributeValue")) for row in found if _variable(row) in PASSWORD_KEYS)
        case _:
            return ()


def _variable(row: Mapping[str, Any]) -> str:
    component, variable = row.get("component"), row.get("variable")
    names = [one.get("name") if isinstance(one, dict) else "" for one in (component, variable)]
    return ".".join(str(name) for name in names)
