"""Tokens on the wire, in every version: what is said of one (idTagInfo, idTokenInfo), the local authorisation list and the cache
(1.6 sections 5.4, 5.10, 5.15 and 7; C10, C11, D01, D02)."""

from __future__ import annotations

from typing import Any, Final

from chargekit.model.calendar import Calendar

from . import schemas
from .fields import iso, moment, no_nones, opt_table, opt_text, rows, table, text, whole
from .messages import (
    ClearCache,
    CommandReply,
    GetLocalListVersion,
    ListedToken,
    ListVersionReply,
    Reply,
    SendLocalList,
    TokenAnswer,
    TokenCommand,
)
from .protocol import Payload, Unreadable

_LONGEST: Final = {"1.6": 20, "2.0.1": 36, "2.1": 255}
_STATUSES: Final = {version: schemas.words(version, "Authorize", "conf", "status") for version in _LONGEST}
_ELSE: Final = {"SendLocalList": "Failed", "ClearCache": "Rejected"}


def checked(token: str, version: str) -> str:
    """A token as it stands; ValueError for one that is longer than the version has room for."""
    if len(token) > _LONGEST[version]:
        raise ValueError(f"token {token!r} is longer than the {_LONGEST[version]} characters of {version}")
    return token


def said(status: str, version: str) -> str:
    """A status as this version says it: NotAtThisTime and the like are Invalid where there is no such word (1.6 section 7.2)."""
    return status if status in _STATUSES[version] else "Invalid"


def write_info(answer: TokenAnswer | ListedToken, cal: Calendar, version: str) -> Payload:
    """idTagInfo or idTokenInfo. A status the version has no word for is Invalid."""
    status = said(answer.status or "", version)
    group = checked(answer.group, version) or None
    if version == "1.6":
        return no_nones(status=status, expiryDate=iso(cal, answer.until), parentIdTag=group)
    bearer = {"idToken": group, "type": "Central"} if group else None
    return no_nones(status=status, cacheExpiryDateTime=iso(cal, answer.until), groupIdToken=bearer)


def read_info(info: Payload, cal: Calendar, tx: str | None = None) -> TokenAnswer:
    """What an answer says of a token. A group or expiry that can't be read counts as none: the status is what matters."""
    bearer = info.get("groupIdToken")
    group = bearer.get("idToken") if isinstance(bearer, dict) else info.get("parentIdTag")
    return TokenAnswer(text(info, "status"), tx, group if isinstance(group, str) else "", _until(info, cal))


def _until(info: Payload, cal: Calendar) -> float | None:
    for field in ("expiryDate", "cacheExpiryDateTime"):
        if info.get(field) is not None:
            try:
                return moment(info, field, cal)
            except Unreadable:
                return None
    return None


# --- commands ---------------------------------------------------------------------------------------------------


def write_command(command: TokenCommand, cal: Calendar, version: str) -> tuple[str, Payload]:
    match command:
        case SendLocalList():
            entries = [_write_entry(one, cal, version) for one in command.tokens]
            number = {"listVersion" if version == "1.6" else "versionNumber": command.version}
            kind = {"updateType": "Full" if command.full else "Differential"}
            return "SendLocalList", number | kind | ({"localAuthorizationList": entries} if entries else {})
        case GetLocalListVersion():
            return "GetLocalListVersion", {}
        case ClearCache():
            return "ClearCache", {}


def _write_entry(one: ListedToken, cal: Calendar, version: str) -> Payload:
    name = checked(one.token, version)
    info = write_info(one, cal, version) if one.status is not None else None
    if version == "1.6":
        return no_nones(idTag=name, idTagInfo=info)
    return no_nones(idToken={"idToken": name, "type": "ISO14443"}, idTokenInfo=info)


def _read_list(payload: Payload, cal: Calendar) -> SendLocalList:
    version = whole(payload, "listVersion" if "listVersion" in payload else "versionNumber")
    entries = rows(payload, "localAuthorizationList") if payload.get("localAuthorizationList") is not None else []
    return SendLocalList(version, tuple(_read_entry(row, cal) for row in entries), text(payload, "updateType") == "Full")


def _read_entry(row: Payload, cal: Calendar) -> ListedToken:
    bearer = opt_table(row, "idToken")
    token = text(bearer, "idToken") if bearer is not None else text(row, "idTag")
    info = opt_table(row, "idTagInfo") or opt_table(row, "idTokenInfo")
    if info is None:
        return ListedToken(token, None)
    said = read_info(info, cal)
    return ListedToken(token, said.status, said.group, said.until)


COMMANDS: Final[dict[str, Any]] = {
    "SendLocalList": _read_list,
    "GetLocalListVersion": lambda payload, cal: GetLocalListVersion(),
    "ClearCache": lambda payload, cal: ClearCache(),
}
"""Readers by action."""


def write_reply(command: TokenCommand, reply: CommandReply, version: str) -> Payload:
    if isinstance(command, GetLocalListVersion) and isinstance(reply, ListVersionReply):
        return {"listVersion" if version == "1.6" else "versionNumber": reply.version}
    if isinstance(reply, Reply) and not isinstance(command, GetLocalListVersion):
        action = type(command).__name__
        status = reply.status if reply.status in schemas.words(version, action, "conf", "status") else _ELSE[action]
        return {"status": status} | ({"statusInfo": {"reasonCode": reply.reason[:20]}} if reply.reason and version != "1.6" else {})
    raise ValueError(f"{type(reply).__name__} is no reply to {type(command).__name__}")


def read_reply(command: TokenCommand, payload: Payload) -> CommandReply:
    if isinstance(command, GetLocalListVersion):
        return ListVersionReply(whole(payload, "listVersion" if "listVersion" in payload else "versionNumber"))
    info = payload.get("statusInfo")
    return Reply(text(payload, "status"), opt_text(info, "reasonCode") or "" if isinstance(info, dict) else "")


def info_of(payload: Payload, field: str, cal: Calendar, tx: str | None = None) -> TokenAnswer:
    """The token part of an answer, which must be there."""
    return read_info(table(payload, field), cal, tx)
