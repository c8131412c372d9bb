"""Tokens, local lists and neutral settings on the wire of every version: the words they get there, and how they come back."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargekit.model.calendar import Calendar
from chargekit.wire import Unreadable, codec, schemas
from chargekit.wire.messages import (
    AuthorizeAsked,
    ClearCache,
    GetKeys,
    GetLocalListVersion,
    GetSetting,
    KeysReply,
    ListedToken,
    ListVersionReply,
    Reply,
    SendLocalList,
    SetKey,
    SetSetting,
    Setting,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
)
from chargekit.wire.settings import key_of, name_of

CAL = Calendar(datetime(2026, 3, 2, 12, 0, tzinfo=UTC), "Europe/Berlin")
every = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
moments = st.none() | st.integers(-(10**9), 10**10).map(lambda ms: ms / 1000)
statuses = st.sampled_from(["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
entries = st.builds(ListedToken, words, statuses, st.just("") | words, moments) | st.builds(ListedToken, words, st.none())
lists = st.builds(SendLocalList, st.integers(-(2**31), 2**31 - 1), st.lists(entries, max_size=4).map(tuple), st.booleans())


def over(payload: object) -> dict[str, object]:
    return orjson.loads(orjson.dumps(payload))  # type: ignore[no-any-return]


@every
@settings(derandomize=True, deadline=None, max_examples=80)
@given(lists | st.just(GetLocalListVersion()) | st.just(ClearCache()))
def test_commands_come_back_as_they_went(version: str, command: object) -> None:
    action, payload = codec(version).write_command(command, CAL)  # type: ignore[arg-type]
    assert schemas.check(version, action, "req", payload) == []
    assert codec(version).read_command(action, over(payload), CAL) == command


def test_a_list_in_the_words_of_the_versions() -> None:
    """1.6 sections 6.43, 7.1; D01, AuthorizationData: a removed token has no info at all."""
    command = SendLocalList(7, (ListedToken("A", "Blocked", "G", 60.0), ListedToken("B", None)), full=False)
    assert codec("1.6").write_command(command, CAL) == (
        "SendLocalList",
        {
            "listVersion": 7,
            "updateType": "Differential",
            "localAuthorizationList": [
                {"idTag": "A", "idTagInfo": {"status": "Blocked", "expiryDate": "2026-03-02T12:01:00.000Z", "parentIdTag": "G"}},
                {"idTag": "B"},
            ],
        },
    )
    info = {"status": "Blocked", "cacheExpiryDateTime": "2026-03-02T12:01:00.000Z", "groupIdToken": {"idToken": "G", "type": "Central"}}
    assert codec("2.0.1").write_command(command, CAL) == (
        "SendLocalList",
        {
            "versionNumber": 7,
            "updateType": "Differential",
            "localAuthorizationList": [
                {"idToken": {"idToken": "A", "type": "ISO14443"}, "idTokenInfo": info},
                {"idToken": {"idToken": "B", "type": "ISO14443"}},
            ],
        },
    )
    assert "localAuthorizationList" not in codec("2.1").write_command(SendLocalList(7), CAL)[1]


@every
@pytest.mark.parametrize(
    ("command", "reply", "back"),
    [
        (SendLocalList(1), Reply("VersionMismatch"), Reply("VersionMismatch")),
        (SendLocalList(1), Reply("Nonsense"), Reply("Failed")),
        (ClearCache(), Reply("Accepted"), Reply("Accepted")),
        (ClearCache(), Reply("Failed"), Reply("Rejected")),
        (GetLocalListVersion(), ListVersionReply(12), ListVersionReply(12)),
    ],
)
def test_replies_come_back(version: str, command: object, reply: object, back: object) -> None:
    action, _ = codec(version).write_command(command, CAL)  # type: ignore[arg-type]
    payload = codec(version).write_reply(command, reply, CAL)  # type: ignore[arg-type]
    assert schemas.check(version, action, "conf", payload) == []
    assert codec(version).read_reply(command, over(payload), CAL) == back  # type: ignore[arg-type]


def test_a_reason_travels_where_there_is_a_place_for_it() -> None:
    for version, back in (("1.6", Reply("Failed")), ("2.0.1", Reply("Failed", "TooMany"))):
        payload = codec(version).write_reply(SendLocalList(1), Reply("Failed", "TooMany"), CAL)
        assert codec(version).read_reply(SendLocalList(1), payload, CAL) == back


@every
@settings(derandomize=True, deadline=None, max_examples=40)
@given(statuses, st.just("") | words, moments)
def test_what_is_said_of_a_token_comes_back(version: str, status: str, group: str, until: float | None) -> None:
    """Status, group and expiry in the answers to Authorize, to a start and to an end."""
    said = TokenAnswer(status, group=group, until=until)
    started = TransactionStarted(1, "T", "r", 0.0, 0.0)
    tx = "17" if version == "1.6" else None
    for fact, answer in (
        (AuthorizeAsked("T"), said),
        (started, TokenAnswer(status, tx, group, until)),
        (TransactionEnded(1, "17", 0.0, 0.0, token="T"), said),
    ):
        action, _ = codec(version).write_fact(fact, CAL)
        payload = codec(version).write_answer(fact, answer, CAL)
        assert schemas.check(version, action, "conf", payload) == []
        assert codec(version).read_answer(action, over(payload), CAL) == answer


@pytest.mark.parametrize(
    ("info", "read"),
    [
        ({"status": "Accepted", "expiryDate": "soon"}, TokenAnswer("Accepted")),
        ({"status": "Accepted", "cacheExpiryDateTime": 7}, TokenAnswer("Accepted")),
        ({"status": "Accepted", "parentIdTag": ["G"]}, TokenAnswer("Accepted")),
        ({"status": "Accepted", "groupIdToken": {"type": "Central"}}, TokenAnswer("Accepted")),
        ({"status": "Accepted", "groupIdToken": "G", "parentIdTag": "P"}, TokenAnswer("Accepted", group="P")),
    ],
)
def test_a_group_or_expiry_that_cannot_be_read_is_none(info: dict[str, object], read: TokenAnswer) -> None:
    assert codec("1.6").read_answer("Authorize", {"idTagInfo": info}, CAL) == read
    assert codec("2.0.1").read_answer("Authorize", {"idTokenInfo": info}, CAL) == read


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"updateType": "Full"}, "versionNumber"),
        ({"versionNumber": "x", "updateType": "Full"}, "versionNumber"),
        ({"versionNumber": 1}, "updateType"),
        ({"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [7]}, "localAuthorizationList"),
        ({"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [{}]}, "idTag"),
        ({"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [{"idToken": {}}]}, "idToken"),
    ],
)
def test_a_list_that_cannot_be_understood_is_unreadable(payload: dict[str, object], text: str) -> None:
    with pytest.raises(Unreadable) as why:
        codec("2.1").read_command("SendLocalList", payload, CAL)
    assert text in why.value.text


@pytest.mark.parametrize(
    ("version", "command", "message"),
    [
        ("1.6", SendLocalList(1, (ListedToken("x" * 21),)), "longer than the 20 characters of 1.6"),
        ("1.6", SendLocalList(1, (ListedToken("A", group="x" * 21),)), "longer than the 20 characters of 1.6"),
        ("2.0.1", SendLocalList(1, (ListedToken("x" * 37),)), "longer than the 36 characters of 2.0.1"),
        ("2.1", SetSetting("Colour", "red"), "'Colour' is not a valid Setting"),
    ],
)
def test_what_has_no_place_on_the_wire_is_our_bug(version: str, command: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        codec(version).write_command(command, CAL)  # type: ignore[arg-type]


@every
@pytest.mark.parametrize("name", list(Setting))
def test_a_setting_is_the_key_it_is_in_the_version(version: str, name: Setting) -> None:
    key = key_of(version, name)
    if not key:
        with pytest.raises(ValueError, match="has no setting"):
            codec(version).write_command(SetSetting(name.value, "1"), CAL)
        return
    for command, read in ((SetSetting(name.value, "1"), SetKey(key, "1")), (GetSetting(name.value), GetKeys((key,)))):
        action, payload = codec(version).write_command(command, CAL)
        assert schemas.check(version, action, "req", payload) == []
        assert codec(version).read_command(action, over(payload), CAL) == read
    assert name_of(version, key.upper()) is name


def test_settings_by_their_names_in_the_documents() -> None:
    """1.6 section 9.1; AuthCtrlr, AuthCacheCtrlr, LocalAuthListCtrlr and TxCtrlr of 2.x."""
    assert key_of("1.6", "OfflineTxForUnknownToken") == "AllowOfflineTxForUnknownId"
    assert key_of("2.0.1", "OfflineTxForUnknownToken") == "AuthCtrlr.OfflineTxForUnknownIdEnabled"
    assert key_of("1.6", "StopOnInvalidToken") == "StopTransactionOnInvalidId"
    assert key_of("2.1", "StopOnInvalidToken") == "TxCtrlr.StopTxOnInvalidId"
    assert key_of("1.6", "AuthorisationCache") == "AuthorizationCacheEnabled"
    assert key_of("2.1", "LocalAuthorisationList") == "LocalAuthListCtrlr.Enabled"
    assert name_of("1.6", "HeartbeatInterval") is None


@every
def test_what_is_read_of_a_setting_comes_under_its_neutral_name(version: str) -> None:
    asked, key = GetSetting("MaxEnergyOnInvalidTokenWh"), key_of(version, "MaxEnergyOnInvalidTokenWh")
    for reply, read in (
        (KeysReply({key: "500"}), KeysReply({"MaxEnergyOnInvalidTokenWh": "500"})),
        (KeysReply({}, (key,)), KeysReply({}, ("MaxEnergyOnInvalidTokenWh",))),
    ):
        payload = codec(version).write_reply(GetKeys((key,)), reply, CAL)
        assert codec(version).read_reply(asked, over(payload), CAL) == read
    payload = codec(version).write_reply(SetKey(key, "1"), Reply("Rejected"), CAL)
    assert codec(version).read_reply(SetSetting(asked.name, "1"), over(payload), CAL) == Reply("Rejected")
