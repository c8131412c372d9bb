"""Local list, authorisation cache and what they decide, on both versions. Each row cites its clause."""

from typing import Any

import pytest
from tests.emulator.kit import VERSIONS, Talk

LATER, PAST = "2026-03-03T00:00:00Z", "2026-03-01T00:00:00Z"
BOTH = pytest.mark.parametrize("version", VERSIONS)


def info(version: str, status: str = "Accepted", group: str = "", until: str = "") -> dict[str, Any]:
    if version == "1.6":
        return {"status": status} | ({"parentIdTag": group} if group else {}) | ({"expiryDate": until} if until else {})
    told = {"groupIdToken": {"idToken": group, "type": "Central"}} if group else {}
    return {"status": status} | told | ({"cacheExpiryDateTime": until} if until else {})


def answer(version: str, *args: str) -> dict[str, Any]:
    return {"idTagInfo" if version == "1.6" else "idTokenInfo": info(version, *args)}


def entry(version: str, token: str, *args: str, remove: bool = False) -> dict[str, Any]:
    named = {"idTag": token} if version == "1.6" else {"idToken": {"idToken": token, "type": "ISO14443"}}
    return named if remove else named | answer(version, *args)


def send_list(talk: Talk, number: int, kind: str, *entries: dict[str, Any]) -> str:
    name = "listVersion" if talk.version == "1.6" else "versionNumber"
    payload = {name: number, "updateType": kind} | ({"localAuthorizationList": list(entries)} if entries else {})
    return str(talk.ask("SendLocalList", payload)["status"])


def list_version(talk: Talk) -> int:
    return int(next(iter(talk.ask("GetLocalListVersion", {}).values())))


# --- the list -----------------------------------------------------------------------------------------------------


@BOTH
def test_a_list_is_replaced_updated_and_survives_a_power_cut(version: str) -> None:
    """1.6 section 5.15; D01.FR.04, FR.10, FR.15 to FR.17; D02.FR.01, FR.02."""
    talk = Talk(version)
    assert list_version(talk) == 0
    assert send_list(talk, 3, "Full", entry(version, "A"), entry(version, "B", "Blocked")) == "Accepted"
    assert send_list(talk, 5, "Differential", entry(version, "B", remove=True), entry(version, "c")) == "Accepted"
    assert set(talk.station.tokens.listed) == {"A", "C"} and list_version(talk) == 5
    talk.power_cut()
    assert set(talk.station.tokens.listed) == {"A", "C"} and list_version(talk) == 5
    assert send_list(talk, 6, "Full", entry(version, "D")) == "Accepted"
    assert set(talk.station.tokens.listed) == {"D"}
    assert send_list(talk, 7, "Full") == "Accepted"
    assert not talk.station.tokens.listed
    assert list_version(talk) == (0 if version == "1.6" else 7)


@BOTH
@pytest.mark.parametrize(
    ("number", "kind", "tokens", "status"),
    [
        pytest.param(4, "Differential", ["B"], "VersionMismatch", id="same version (1.6 section 7.43; D01.FR.19)"),
        pytest.param(2, "Differential", ["B"], "VersionMismatch", id="older version (D01.FR.19)"),
        pytest.param(2, "Full", ["B"], "Accepted", id="a full list may be older (D01.FR.15)"),
        pytest.param(9, "Differential", [], "Accepted", id="nothing to change, but the version (D01.FR.05)"),
        pytest.param(9, "Full", ["B", "b"], "Failed", id="twice the same token (D01.FR.06)"),
        pytest.param(0, "Full", ["B"], "Failed", id="version 0 means no list (D01.FR.18)"),
        pytest.param(9, "Full", [f"T{i}" for i in range(51)], "Failed", id="more than a message may hold (D01.FR.11)"),
    ],
)
def test_what_an_update_is_answered(version: str, number: int, kind: str, tokens: list[str], status: str) -> None:
    talk = Talk(version)
    assert send_list(talk, 4, "Full", entry(version, "A")) == "Accepted"
    assert send_list(talk, number, kind, *(entry(version, t) for t in tokens)) == status
    changed = status == "Accepted" and kind == "Full"
    assert ("A" in talk.station.tokens.listed) is not changed
    assert list_version(talk) == (number if status == "Accepted" else 4)


@BOTH
def test_a_full_list_needs_what_it_says_of_each_token(version: str) -> None:
    """1.6 section 7.1: idTagInfo is required in a full update; D01.FR.15, FR.17."""
    talk = Talk(version)
    assert send_list(talk, 4, "Full", entry(version, "A", remove=True)) == "Failed"


@BOTH
def test_a_list_grows_to_its_length_and_no_further(version: str) -> None:
    """LocalAuthListMaxLength, LocalAuthListEntries (1.6 section 9.2; D01.FR.12)."""
    talk = Talk(version)
    for i in range(4):
        assert send_list(talk, i + 1, "Differential", *(entry(version, f"{i}-{n}") for n in range(50))) == "Accepted"
    assert send_list(talk, 9, "Differential", entry(version, "one more")) == "Failed"
    assert len(talk.station.tokens.listed) == 200


@BOTH
def test_a_list_that_is_off(version: str) -> None:
    """1.6 sections 5.10, 5.15; D02.FR.03."""
    talk = Talk(version)
    talk.set("LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled", "false")
    assert send_list(talk, 4, "Full", entry(version, "A")) == ("NotSupported" if version == "1.6" else "Failed")
    assert list_version(talk) == (-1 if version == "1.6" else 0)


# --- who may start ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("listed", "cached", "settings", "starts"),
    [
        pytest.param("Accepted", "", {}, True, id="listed (1.6 3.5.2, C13.FR.02; TC_037_1, TC_C_21)"),
        pytest.param("", "Accepted", {}, True, id="cached (1.6 3.5.1, C12; TC_007_1)"),
        pytest.param("Blocked", "Accepted", {}, False, id="the list outranks the cache (C13.FR.01; TC_C_25)"),
        pytest.param("Accepted", "Blocked", {}, True, id="the list outranks the cache, the other way"),
        pytest.param("Blocked", "", {"unknown": "true"}, False, id="listed as blocked is not unknown (1.6 3.5.4, C13.FR.04)"),
        pytest.param("", "Invalid", {"unknown": "true"}, False, id="cached as invalid is not unknown (C13.FR.04)"),
        pytest.param("", "", {}, False, id="unknown (C13.FR.02)"),
        pytest.param("", "", {"unknown": "true"}, True, id="unknown, allowed (1.6 3.5.4, C15.FR.08; TC_C_26)"),
        pytest.param("Accepted", "Accepted", {"offline": "false"}, False, id="LocalAuthorizeOffline off (1.6 9.1.12)"),
        pytest.param("", "Accepted", {"cache": "false"}, False, id="cache off (C10.FR.11)"),
        pytest.param("Accepted", "", {"list": "false"}, False, id="list off (D01.FR.13)"),
        pytest.param("expired", "", {}, False, id="listed, expired (C13.FR.05)"),
        pytest.param("", "expired", {}, False, id="cached, expired (C10.FR.10, FR.13)"),
    ],
)
def test_who_may_start_offline(version: str, listed: str, cached: str, settings: dict[str, str], starts: bool) -> None:
    talk = Talk(version)

    def said(status: str) -> dict[str, Any]:
        return answer(version, "Accepted", "", PAST) if status == "expired" else answer(version, status)

    if cached:
        talk.answers["Authorize"] = said(cached)
        talk.present("T")
        talk.run(70.0)
    if listed:
        assert send_list(talk, 1, "Full", entry(version, "T") | said(listed)) == "Accepted"
    for name, value in settings.items():
        talk.set(*NAMES[name], value)
    begun = talk.started()
    talk.offline()
    talk.present("t")
    talk.plug(run_s=20.0)
    assert talk.charging() is starts
    talk.online()
    assert talk.started() - begun == (1 if starts else 0)


NAMES = {
    "unknown": ("AllowOfflineTxForUnknownId", "AuthCtrlr.OfflineTxForUnknownIdEnabled"),
    "offline": ("LocalAuthorizeOffline", "AuthCtrlr.LocalAuthorizeOffline"),
    "cache": ("AuthorizationCacheEnabled", "AuthCacheCtrlr.Enabled"),
    "list": ("LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled"),
    "pre": ("LocalPreAuthorize", "AuthCtrlr.LocalPreAuthorize"),
    "stop": ("StopTransactionOnInvalidId", "TxCtrlr.StopTxOnInvalidId"),
    "energy": ("MaxEnergyOnInvalidId", "TxCtrlr.MaxEnergyOnInvalidId"),
}


@BOTH
@pytest.mark.parametrize(
    ("status", "pre", "asks"),
    [
        pytest.param("Accepted", "true", False, id="LocalPreAuthorize (1.6 3.5.3, C14.FR.02; TC_008_1)"),
        pytest.param("Accepted", "false", True, id="no LocalPreAuthorize"),
        pytest.param("Blocked", "true", True, id="listed and not accepted: ask (C14.FR.03)"),
        pytest.param("expired", "true", True, id="listed and expired: ask (C14.FR.05)"),
    ],
)
def test_whether_it_asks_online(version: str, status: str, pre: str, asks: bool) -> None:
    talk = Talk(version)
    said = answer(version, "Accepted", "", PAST) if status == "expired" else answer(version, status)
    send_list(talk, 1, "Full", entry(version, "T") | said)
    talk.set(*NAMES["pre"], pre)
    talk.plug()
    talk.present("T", run_s=20.0)
    assert bool(talk.of("Authorize")) is asks
    assert talk.charging(), "the CSMS accepts it anyway"


@BOTH
def test_nobody_answers_the_question(version: str) -> None:
    """An Authorize without answer is decided as offline: by the cache."""
    talk = Talk(version)
    talk.present("T")
    talk.run(70.0)
    talk.answers["Authorize"] = None
    talk.plug()
    talk.present("T", run_s=10.0)
    assert not talk.charging()
    talk.run(40.0)
    assert talk.charging()


@BOTH
def test_the_cache_keeps_the_latest_and_is_cleared(version: str) -> None:
    """1.6 sections 3.5.1, 5.4; C10.FR.01, FR.02, FR.04, FR.05; C11.FR.03, FR.04."""
    talk = Talk(version)
    talk.answers["Authorize"] = answer(version, "Blocked")
    talk.present("T")
    assert talk.station.tokens.cached["T"].status == "Blocked"
    del talk.answers["Authorize"]
    talk.plug()
    start = "StartTransaction" if version == "1.6" else "TransactionEvent"
    friendly = talk._friendly

    def expires(payload: dict[str, Any]) -> dict[str, Any]:
        return friendly(start, payload) | (answer(version, "Expired", "FAM") if "idToken" in payload or version == "1.6" else {})

    talk.answers[start] = expires
    talk.present("T")
    assert (talk.station.tokens.cached["T"].status, talk.station.tokens.cached["T"].group) == ("Expired", "FAM")
    talk.power_cut()
    assert talk.station.tokens.cached["T"].status == "Expired"
    assert talk.ask("ClearCache", {}) == {"status": "Accepted"}
    assert not talk.station.tokens.cached
    talk.power_cut()
    assert not talk.station.tokens.cached
    talk.set(*NAMES["cache"], "false")
    assert talk.ask("ClearCache", {}) == {"status": "Rejected"}


def test_a_cached_token_lives_for_its_lifetime() -> None:
    """C10.FR.08: from its last use."""
    talk = Talk("2.0.1")
    talk.set("", "AuthCacheCtrlr.LifeTime", "600")
    talk.present("T")
    talk.run(590.0)
    assert talk.station.known_token("T", talk.world.now).accepted  # type: ignore[union-attr]
    talk.run(20.0)
    assert talk.station.known_token("T", talk.world.now).status == "Expired"  # type: ignore[union-attr]


def test_a_full_cache_drops_what_is_worth_least() -> None:
    """C10.FR.07."""
    talk = Talk("2.0.1")
    talk.answers["Authorize"] = lambda p: answer("2.0.1", "Blocked" if p["idToken"]["idToken"] == "B" else "Accepted")
    for token in ("A", "B", *(f"T{i}" for i in range(100))):
        talk.present(token)
    cached = talk.station.tokens.cached
    assert len(cached) == 100 and "B" not in cached and "A" not in cached and "T0" in cached


# --- who may stop -------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("token", "status", "group", "where", "stops", "asks"),
    [
        pytest.param("T", "", "", "", True, False, id="its own (E07.FR.01)"),
        pytest.param("t", "", "", "", True, False, id="its own, in other letters (CiString)"),
        pytest.param("U", "Accepted", "FAM", "csms", True, True, id="same group, asked (1.6 3.10; C09.FR.05; TC_069)"),
        pytest.param("U", "Accepted", "fam", "list", True, False, id="same group, listed (C09.FR.07)"),
        pytest.param("U", "Blocked", "FAM", "csms", False, True, id="same group, blocked (C09.FR.11)"),
        pytest.param("U", "Accepted", "OTHER", "csms", False, True, id="another group"),
        pytest.param("U", "Accepted", "", "csms", False, True, id="no group"),
        pytest.param("U", "Accepted", "FAM", "offline list", True, False, id="same group, offline, listed (E08.FR.02; TC_E_45)"),
        pytest.param("U", "Accepted", "FAM", "offline", False, False, id="same group, offline, nobody knows"),
        pytest.param("T", "", "", "offline", True, False, id="its own, offline (E08.FR.01; TC_038, TC_E_44)"),
    ],
)
def test_who_may_stop_a_transaction(version: str, token: str, status: str, group: str, where: str, stops: bool, asks: bool) -> None:
    talk = Talk(version)
    talk.answers["Authorize"] = answer(version, "Accepted", "FAM")
    if "list" in where:
        send_list(talk, 1, "Full", entry(version, "U", status, group))
    talk.plug()
    talk.present("T", run_s=30.0)
    assert talk.charging()
    talk.answers["Authorize"] = answer(version, status or "Accepted", group)
    if "offline" in where:
        talk.offline()
    before = talk.world.now
    talk.present(token)
    assert talk.charging() is not stops
    assert bool(talk.of("Authorize", before)) is asks
    if "offline" in where:
        talk.online()
    ended = [kind for kind, _ in talk.events() if kind == "Ended"]
    assert len(ended) == (1 if stops else 0)
    if stops:
        last = talk.of("StopTransaction" if version == "1.6" else "TransactionEvent")[-1]
        assert talk.reasons() == ["Local"]
        assert (last["idTag"] if version == "1.6" else last["idToken"]["idToken"]) == token, "E07.FR.02"
        assert version == "1.6" or last["triggerReason"] == "StopAuthorized", "E07.FR.02"


@pytest.mark.parametrize("known", [True, False], ids=["listed", "asked"])
def test_a_master_pass_stops_all_and_starts_nothing(known: bool) -> None:
    """C16.FR.02 to FR.05."""
    talk = Talk("2.0.1")
    talk.set("", "AuthCtrlr.MasterPassGroupId", "MASTER")
    for evse in (1, 2):
        talk.plug(evse)
        talk.present(f"T{evse}", evse, run_s=20.0)
    talk.answers["Authorize"] = answer("2.0.1", "Accepted", "master")
    if known:
        send_list(talk, 1, "Full", entry("2.0.1", "M", "Accepted", "Master"))
    talk.present("M")
    assert talk.reasons() == ["MasterPass", "MasterPass"]
    assert talk.events()[-1] == ("Ended", "StopAuthorized")
    talk.unplug()
    talk.plug()
    talk.present("M", run_s=10.0)
    assert talk.started() == 2


# --- a token that turns out invalid -------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("stop", "energy", "what"),
    [
        pytest.param("true", "0", "stops", id="1.6 3.5.4, C15.FR.04 (TC_037_3)"),
        pytest.param("true", "500", "stops", id="the energy is for those that go on (C15.FR.04)"),
        pytest.param("false", "0", "suspends", id="1.6 3.5.4, C15.FR.06 (TC_037_2)"),
        pytest.param("false", "500", "caps", id="C15.FR.07 (TC_C_15)"),
    ],
)
@pytest.mark.parametrize("offline", [True, False], ids=["started offline", "started online"])
def test_an_invalid_token_after_the_start(version: str, stop: str, energy: str, what: str, offline: bool) -> None:
    talk = Talk(version)
    send_list(talk, 1, "Full", entry(version, "T"))
    talk.set(*NAMES["pre"], "true")
    talk.set(*NAMES["stop"], stop)
    talk.set(*NAMES["energy"], energy)
    start = "StartTransaction" if version == "1.6" else "TransactionEvent"
    friendly = talk._friendly

    def invalid(payload: dict[str, Any]) -> dict[str, Any]:
        first = version == "1.6" or payload["eventType"] == "Started"
        return friendly(start, payload) | (answer(version, "Invalid") if first else {})

    talk.answers[start] = invalid
    if offline:
        talk.offline()
    talk.plug()
    talk.present("T", run_s=40.0)
    if offline:
        assert talk.charging()
        talk.online(40.0)
    used = talk.energy_wh()
    if what == "stops":
        assert talk.reasons() == ["DeAuthorized"]
        assert version == "1.6" or talk.events()[-1] == ("Ended", "Deauthorized")
    elif what == "suspends":
        assert not talk.reasons() and not talk.charging()
        if version == "1.6":
            assert talk.statuses()[-1] == "SuspendedEVSE"
        else:
            states = [p["transactionInfo"]["chargingState"] for p in talk.of("TransactionEvent") if "chargingState" in p["transactionInfo"]]
            assert states[-1] == "SuspendedEVSE"
        talk.run(600.0)
        assert talk.energy_wh() == used
    else:
        talk.run(1200.0)
        assert not talk.reasons() and not talk.charging()
        assert talk.energy_wh() == pytest.approx(500.0, abs=15.0)
    if what != "stops":
        talk.present("T")
        assert talk.reasons() == ["Local"], "its owner may still end it"


def test_an_invalid_token_where_the_cable_ends_the_transaction() -> None:
    """C15.FR.03, E05.FR.09: Updated and Deauthorized, no energy; Ended when the cable is out."""
    talk = Talk("2.0.1", keys={"TxStartPoint": "EVConnected", "TxStopPoint": "EVConnected"})
    talk.answers["TransactionEvent"] = lambda p: answer("2.0.1", "Invalid") if "idToken" in p else {}
    talk.plug()
    talk.present("T", run_s=10.0)
    told = talk.of("TransactionEvent")
    fallen = next(p for p in told if p["triggerReason"] == "Deauthorized")
    assert (fallen["eventType"], fallen["transactionInfo"]["chargingState"]) == ("Updated", "EVConnected")
    assert not talk.charging() and not talk.reasons()
    talk.unplug()
    assert talk.reasons() == ["DeAuthorized"]
    assert [p["seqNo"] for p in talk.of("TransactionEvent")] == list(range(len(talk.of("TransactionEvent"))))


def test_the_list_is_counted_in_the_device_model() -> None:
    """LocalAuthListCtrlr.Entries tells how many tokens are on the list (D01.FR.19)."""
    talk = Talk("2.0.1")
    assert send_list(talk, 1, "Full", entry("2.0.1", "A"), entry("2.0.1", "B")) == "Accepted"
    where = {"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": "Entries"}}
    assert talk.ask("GetVariables", {"getVariableData": [where]})["getVariableResult"][0]["attributeValue"] == "2"
