"""Round trips through both versions: what is written keeps the official schemas and reads back as it was meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargekit.model.calendar import Calendar
from chargekit.model.metering import MeterSample
from chargekit.model.profile import ChargingProfile, Kind, Period, Purpose
from chargekit.wire import Unreadable, codec, schemas
from chargekit.wire.messages import (
    Alive,
    AliveAnswer,
    AuthorizeAsked,
    BootAnswer,
    Booted,
    CancelReservation,
    ChargingStateChanged,
    ClearProfile,
    CompositeReply,
    Done,
    GetComposite,
    GetKeys,
    KeysReply,
    LimitImposed,
    LimitReleased,
    Metered,
    Other,
    OtherCommand,
    RemoteStart,
    RemoteStop,
    Reply,
    ReservationEnded,
    ReserveNow,
    Reset,
    SetAvailability,
    SetKey,
    SetProfile,
    Status,
    StatusChanged,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
    Trigger,
    Unlock,
)

CAL = Calendar(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Europe/Berlin")
VERSIONS = ["1.6", "2.0.1", "2.1"]
quick = settings(derandomize=True, deadline=None, max_examples=60)

times = st.integers(-(10**9), 10**10).map(lambda ms: ms / 1000)
amps = st.integers(0, 800_000).map(lambda m: m / 1000)
figures = st.integers(-(10**9), 10**9).map(lambda m: m / 1000)
ids = st.integers(0, 2**31 - 1)
evses = st.integers(1, 99)
small = st.integers(0, 9)
txs = st.integers(1, 2**31 - 1).map(str)
tokens = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
samples = st.builds(
    MeterSample,
    times,
    st.tuples(amps, amps, amps),
    st.tuples(amps, amps, amps),
    figures,
    figures,
    st.none() | st.integers(0, 1000).map(lambda p: p / 10),
)
contexts = st.sampled_from(["Sample.Periodic", "Sample.Clock", "Transaction.Begin", "Transaction.End", "Trigger"])
metered = st.builds(Metered, evses, st.lists(samples, min_size=1, max_size=3).map(tuple), st.none() | txs, contexts)
limits = st.integers(0, 10**6).map(lambda d: d / 10)
periods = st.lists(st.builds(Period, st.integers(0, 10**6).map(float), limits, st.none() | st.integers(1, 3)), min_size=1, max_size=4).map(
    tuple
)
spans = st.none() | st.integers(0, 10**6).map(float)
profiles = st.builds(
    ChargingProfile,
    id=ids,
    purpose=st.sampled_from([Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX]),
    periods=periods,
    stack_level=small,
    kind=st.sampled_from([Kind.ABSOLUTE, Kind.RECURRING, Kind.RELATIVE]),
    unit=st.sampled_from(["A", "W"]),
    start=st.none() | times,
    duration_s=spans,
    valid_from=st.none() | times,
    valid_to=st.none() | times,
    recurrency=st.sampled_from([None, "Daily", "Weekly"]),
    transaction=st.none() | txs,
    min_rate=st.none() | limits,
)
plain = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
shared_statuses = [Status.AVAILABLE, Status.UNAVAILABLE, Status.FAULTED]
exact_facts = st.one_of(
    st.builds(Booted, plain, plain, plain, plain),
    st.just(Alive()),
    st.builds(AuthorizeAsked, tokens),
    metered,
    st.builds(StatusChanged, evses, st.just(1), st.sampled_from(shared_statuses), times),
)
commands = st.one_of(
    st.builds(SetProfile, small, profiles),
    st.builds(ClearProfile, ids),
    st.builds(ClearProfile, st.none(), st.none() | small, st.none() | st.just(Purpose.TX), st.none() | small),
    st.builds(GetComposite, small, ids, st.sampled_from([None, "A", "W"])),
    st.builds(RemoteStart, tokens, st.none() | evses, st.just(0), st.none() | profiles),
    st.builds(RemoteStop, txs),
    st.builds(Reset, st.booleans()),
    st.builds(Trigger, st.sampled_from(["BootNotification", "Heartbeat", "MeterValues"]), st.none() | evses),
    st.builds(SetAvailability, small, st.booleans()),
    st.builds(GetKeys, st.lists(st.sampled_from(["A.B", "A.C", "A.B.D"]), min_size=1, unique=True).map(tuple)),
    st.builds(SetKey, st.sampled_from(["A.B", "A.B.D"]), plain),
    st.builds(Unlock, evses),
    st.builds(ReserveNow, ids, small, tokens, times, st.just("") | tokens),
    st.builds(CancelReservation, ids),
    st.just(OtherCommand("DataTransfer", {"vendorId": "v"})),
)


def sent(payload: object) -> dict[str, object]:
    return orjson.loads(orjson.dumps(payload))  # type: ignore[no-any-return]


def told(version: str, fact: object) -> object:
    """A fact after its way over the wire, its payload checked against the official schema."""
    action, payload = codec(version).write_fact(fact, CAL)  # type: ignore[arg-type]
    assert schemas.check(version, action, "req", payload) == []
    return codec(version).read_fact(action, sent(payload), CAL)


def ordered(version: str, command: object) -> object:
    action, payload = codec(version).write_command(command, CAL)  # type: ignore[arg-type]
    assert schemas.check(version, action, "req", payload) == []
    return codec(version).read_command(action, sent(payload), CAL)


def replied(version: str, command: object, reply: object) -> object:
    module = codec(version)
    action, _ = module.write_command(command, CAL)  # type: ignore[arg-type]
    payload = module.write_reply(command, reply, CAL)  # type: ignore[arg-type]
    assert schemas.check(version, action, "conf", payload) == []
    return module.read_reply(command, sent(payload), CAL)  # type: ignore[arg-type]


def answered(version: str, fact: object, answer: object) -> object:
    module = codec(version)
    action, _ = module.write_fact(fact, CAL)  # type: ignore[arg-type]
    payload = module.write_answer(fact, answer, CAL)  # type: ignore[arg-type]
    assert schemas.check(version, action, "conf", payload) == []
    return module.read_answer(action, sent(payload), CAL)


@pytest.mark.parametrize("version", VERSIONS)
@quick
@given(exact_facts)
def test_facts_come_back_as_they_went(version: str, fact: object) -> None:
    assert told(version, fact) == fact


NEWS = [LimitImposed(0, "EMS"), LimitImposed(2, "SO"), LimitReleased(0, "Other"), LimitReleased(1, "EMS"), ReservationEnded(7, "Expired")]


@pytest.mark.parametrize("fact", NEWS, ids=str)
def test_what_16_has_no_word_for_comes_back_in_2x(fact: object) -> None:
    """K11.FR.02, K13.FR.02, H04.FR.01."""
    for version in ("2.0.1", "2.1"):
        assert told(version, fact) == fact
        assert type(fact) not in codec(version).LACKS
    assert type(fact) in codec("1.6").LACKS
    with pytest.raises(ValueError, match=r"1\.6 has no message about"):
        codec("1.6").write_fact(fact, CAL)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", VERSIONS)
@quick
@given(commands)
def test_commands_come_back_as_they_went(version: str, command: object) -> None:
    assert ordered(version, command) == command


starts = st.builds(
    TransactionStarted,
    evses,
    tokens,
    st.just("r1"),
    times,
    st.integers(0, 10**9).map(float),
    remote_start_id=st.none() | ids,
)
ends = st.builds(
    TransactionEnded,
    evses,
    txs,
    times,
    st.integers(0, 10**9).map(float),
    st.sampled_from(["Local", "EVDisconnected", "DeAuthorized", "Remote", "PowerLoss", "Reboot", "Other"]),
    st.none() | tokens,
)


@quick
@given(starts, ends)
def test_a_16_transaction_keeps_its_times_and_registers(start: TransactionStarted, end: TransactionEnded) -> None:
    assert told("1.6", start) == replace(start, ref="", remote_start_id=None)
    assert told("1.6", end) == replace(end, evse=0)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@quick
@given(starts, ends, st.booleans(), ids)
def test_a_2x_transaction_keeps_everything(version: str, start: TransactionStarted, end: TransactionEnded, offline: bool, seq: int) -> None:
    start, end = replace(start, offline=offline, seq=seq), replace(end, offline=offline, seq=seq)
    assert told(version, start) == replace(start, tx=start.ref)
    assert told(version, end) == end


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_2x_start_and_end_carry_their_meter_values(version: str) -> None:
    start = TransactionStarted(1, "T", "r1", 5.0, 1234.5, connector=2, remote_start_id=3)
    _, payload = codec(version).write_fact(start, CAL)
    assert payload["triggerReason"] == "RemoteStart" and payload["evse"] == {"id": 1, "connectorId": 2}
    assert payload["idToken"] == {"idToken": "T", "type": "ISO14443"}
    (value,) = payload["meterValue"][0]["sampledValue"]
    assert (value["value"], value["context"]) == (1234.5, "Transaction.Begin")
    _, payload = codec(version).write_fact(TransactionEnded(1, "r1", 9.0, 2000.0, "HardReset"), CAL)
    assert payload["meterValue"][0]["sampledValue"][0]["context"] == "Transaction.End"
    assert payload["transactionInfo"] == {"transactionId": "r1", "stoppedReason": "ImmediateReset"}
    assert payload["triggerReason"] == "ResetCommand"


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_its_word(status: Status) -> None:
    fact = StatusChanged(2, 1, status, 7.0, "GroundFailure")
    if status is Status.OCCUPIED:
        with pytest.raises(ValueError, match=r"1\.6 has no status Occupied"):
            codec("1.6").write_fact(fact, CAL)
    else:
        assert told("1.6", fact) == fact
    folded = status if status in shared_statuses else Status.OCCUPIED
    assert told("2.0.1", fact) == told("2.1", fact) == replace(fact, status=folded, error="NoError")


@pytest.mark.parametrize("status", [Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.PREPARING])
def test_a_charging_state_goes_by_the_means_of_its_version(status: Status) -> None:
    fact = ChargingStateChanged(2, "17", status, 7.0)
    assert told("2.0.1", fact) == told("2.1", fact) == fact
    assert told("1.6", fact) == StatusChanged(2, 1, status, 7.0)


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_come_back(version: str) -> None:
    start = TransactionStarted(1, "T", "r1", 0.0, 0.0)
    end = TransactionEnded(1, "17", 0.0, 0.0, token="T")
    boot = BootAnswer("Accepted", 12.5, 300)
    assert answered(version, Booted("v", "m"), boot) == boot
    assert answered(version, Alive(), AliveAnswer(3.25)) == AliveAnswer(3.25)
    assert answered(version, AuthorizeAsked("T"), TokenAnswer("Blocked")) == TokenAnswer("Blocked")
    tx = "17" if version == "1.6" else None
    assert answered(version, start, TokenAnswer("Accepted", "17")) == TokenAnswer("Accepted", tx)
    assert answered(version, end, TokenAnswer("Expired")) == TokenAnswer("Expired")
    assert answered(version, end, Done()) == Done()
    assert answered(version, StatusChanged(1, 1, Status.AVAILABLE, 0.0), Done()) == Done()
    assert answered(version, Other("FirmwareStatusNotification", {"status": "Idle"}), Done()) == Done()


def test_a_word_of_the_other_version_becomes_the_nearest() -> None:
    assert answered("1.6", AuthorizeAsked("T"), TokenAnswer("NoCredit")) == TokenAnswer("Invalid")
    assert replied("2.0.1", SetProfile(1, PROFILE), Reply("NotSupported")) == Reply("Rejected")
    assert replied("1.6", SetKey("A.B", "1"), Reply("UnknownVariable")) == Reply("NotSupported")
    assert replied("2.0.1", SetKey("A.B", "1"), Reply("NotSupported")) == Reply("UnknownVariable")
    assert replied("1.6", ClearProfile(), Reply("Rejected")) == Reply("Unknown")


@pytest.mark.parametrize(
    ("reason", "stopped", "in_201", "in_21"),
    [
        ("SOCLimitReached", "SOCLimitReached", "AbnormalCondition", "SoCLimitReached"),
        ("LocalOutOfCredit", "LocalOutOfCredit", "AbnormalCondition", "CostLimitReached"),
        ("EnergyLimitReached", "EnergyLimitReached", "EnergyLimitReached", "EnergyLimitReached"),
        ("PowerLoss", "PowerLoss", "AbnormalCondition", "AbnormalCondition"),
    ],
)
def test_what_ended_a_transaction_in_the_words_of_the_version(reason: str, stopped: str, in_201: str, in_21: str) -> None:
    end = TransactionEnded(1, "r1", 9.0, 2000.0, reason)
    for version, trigger in (("2.0.1", in_201), ("2.1", in_21)):
        assert told(version, end) == end
        _, payload = codec(version).write_fact(end, CAL)
        assert (payload["triggerReason"], payload["transactionInfo"]["stoppedReason"]) == (trigger, stopped)


def test_a_reason_only_21_knows_is_other_before() -> None:
    end = TransactionEnded(1, "r1", 9.0, 2000.0, "ReqEnergyTransferRejected")
    assert told("2.1", end) == end
    assert told("2.0.1", end) == replace(end, reason="Other") == replace(told("1.6", replace(end, tx="1")), evse=1, tx="r1")  # type: ignore[type-var]


def test_a_token_of_21_may_be_longer_and_of_any_type() -> None:
    asked = AuthorizeAsked("x" * 255)
    assert told("2.1", asked) == asked
    payload = {"idToken": {"idToken": "HUBJ", "type": "EVCCID"}}
    assert schemas.check("2.1", "Authorize", "req", payload) == []
    assert codec("2.1").read_fact("Authorize", payload, CAL) == AuthorizeAsked("HUBJ")


def test_a_reset_after_which_transactions_go_on_is_of_21_alone() -> None:
    reset = Reset(True, resume=True)
    assert ordered("2.1", reset) == reset
    assert replied("2.1", reset, Reply("Rejected")) == Reply("Rejected")
    for version in ("1.6", "2.0.1"):
        with pytest.raises(ValueError, match=f"{version} has no reset after which transactions go on"):
            codec(version).write_command(reset, CAL)
    with pytest.raises(Unreadable, match="type: 'ImmediateAndResume' is not one of Immediate, OnIdle"):
        codec("2.0.1").read_command("Reset", {"type": "ImmediateAndResume"}, CAL)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_an_availability_state_told_as_an_event_is_a_status(version: str) -> None:
    row = {
        "eventId": 1, "timestamp": "2026-03-29T00:30:07Z", "trigger": "Delta", "actualValue": "Occupied",
        "eventNotificationType": "HardWiredNotification", "variable": {"name": "AvailabilityState"},
        "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
    }  # fmt: skip
    payload = {"generatedAt": "2026-03-29T00:30:07Z", "seqNo": 0, "eventData": [row]}
    assert schemas.check(version, "NotifyEvent", "req", payload) == []
    assert codec(version).read_fact("NotifyEvent", payload, CAL) == StatusChanged(2, 1, Status.OCCUPIED, 7.0)
    assert codec(version).write_answer(StatusChanged(2, 1, Status.OCCUPIED, 7.0), Done(), CAL) == {}
    for other in ([row, row], [row | {"actualValue": "Odd"}], [row | {"variable": {"name": "Problem"}}], [row | {"timestamp": 5}]):
        assert codec(version).read_fact("NotifyEvent", payload | {"eventData": other}, CAL) == Other(
            "NotifyEvent", payload | {"eventData": other}
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_what_others_are_answered_is_empty_unless_somebody_says_otherwise(version: str) -> None:
    for action in sorted(schemas.actions(version) - schemas.sends(version)):
        assert codec(version).write_answer(Other(action, {}), Done(), CAL) == {}
        assert codec(version).write_answer(Other(action, {}), Done(), CAL, {"status": "Failed"}) == {"status": "Failed"}


PROFILE = ChargingProfile(1, Purpose.TX_DEFAULT, (Period(0.0, 16.0),))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (SetProfile(1, PROFILE), "Rejected"),
        (ClearProfile(3), "Unknown"),
        (RemoteStart("T"), "Accepted"),
        (RemoteStop("3"), "Rejected"),
        (Reset(True), "Accepted"),
        (Trigger("Heartbeat"), "NotImplemented"),
        (SetAvailability(0, True), "Scheduled"),
        (SetKey("A.B", "1"), "RebootRequired"),
        (Unlock(1), "Unlocked"),
        (GetComposite(1, 60), "Rejected"),
    ],
)
def test_replies_come_back(version: str, command: object, status: str) -> None:
    found = replied(version, command, Reply(status))
    assert found.status == status  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_reason_travels_in_2x(version: str) -> None:
    assert replied(version, SetProfile(1, PROFILE), Reply("Rejected", "TxNotFound")) == Reply("Rejected", "TxNotFound")


@pytest.mark.parametrize("version", VERSIONS)
@quick
@given(times, periods, st.sampled_from(["A", "W"]), st.integers(0, 86400).map(float))
def test_composite_schedules_come_back(version: str, start: float, rows: tuple[Period, ...], unit: str, span: float) -> None:
    reply = CompositeReply("Accepted", start, rows, unit, span)  # type: ignore[arg-type]
    assert replied(version, GetComposite(2, 60), reply) == reply


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_come_back(version: str) -> None:
    reply = KeysReply({"A.B": "1", "A.C": ""}, ("X.Y",))
    assert replied(version, GetKeys(("A.B", "A.C", "X.Y")), reply) == reply


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("limit", "written"),
    [(16.1, 16.1), (15.99, 15.9), (0.09, 0.0), (5.999999, 5.9), (0.3 - 1e-17, 0.3), (16.0, 16.0), (0.1 + 0.2, 0.3)],
)
def test_limits_are_rounded_down_to_one_decimal(version: str, limit: float, written: float) -> None:
    command = SetProfile(1, replace(PROFILE, periods=(Period(0.0, limit),)))
    assert ordered(version, command).profile.periods == (Period(0.0, written),)  # type: ignore[attr-defined]


def test_the_words_of_a_16_profile() -> None:
    profile = replace(PROFILE, purpose=Purpose.STATION_MAX, start=0.0)
    assert codec("1.6").write_command(SetProfile(0, profile), CAL) == (
        "SetChargingProfile",
        {
            "connectorId": 0,
            "csChargingProfiles": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "ChargePointMaxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {
                    "startSchedule": "2026-03-29T00:30:00.000Z",
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
                },
            },
        },
    )


@pytest.mark.parametrize(
    ("version", "write", "message"),
    [
        ("1.6", AuthorizeAsked("x" * 21), "longer than the 20 characters of 1.6"),
        ("1.6", TransactionEnded(1, "r-1", 0.0, 0.0), "transaction 'r-1' is not a whole number, as 1.6 needs"),
        ("1.6", Metered(1, ()), "meter values without a figure"),
        ("2.0.1", AuthorizeAsked("x" * 37), "longer than the 36 characters of 2.0.1"),
        ("2.1", AuthorizeAsked("x" * 256), "longer than the 255 characters of 2.1"),
        ("2.0.1", TransactionEnded(1, "", 0.0, 0.0), "transaction '' is not 1 to 36 characters long"),
        ("2.0.1", StatusChanged(1, 1, Status.AVAILABLE), "needs its time"),
        ("1.6", AuthorizeAsked, None),
    ],
)
def test_what_has_no_place_on_the_wire_is_our_bug(version: str, write: object, message: str | None) -> None:
    if message is None:
        with pytest.raises(ValueError, match=r"OCPP version '2\.2' is not known here"):
            codec("2.2")
        return
    with pytest.raises(ValueError, match=message):
        codec(version).write_fact(write, CAL)  # type: ignore[arg-type]


def test_commands_without_a_place_are_our_bug() -> None:
    with pytest.raises(ValueError, match=r"OCPP 1\.6 has no purpose ChargingStationExternalConstraints"):
        codec("1.6").write_command(SetProfile(1, replace(PROFILE, purpose=Purpose.EXTERNAL)), CAL)
    with pytest.raises(ValueError, match=r"'HeartbeatInterval' is not written Component\.Variable"):
        codec("2.0.1").write_command(SetKey("HeartbeatInterval", "5"), CAL)
    with pytest.raises(ValueError, match="needs the names"):
        codec("2.0.1").write_command(GetKeys(), CAL)
    with pytest.raises(ValueError, match="needs a limit"):
        codec("1.6").write_command(SetProfile(1, replace(PROFILE, periods=(Period(0.0, float("inf")),))), CAL)
    with pytest.raises(ValueError, match=r"OCPP 2\.0\.1 has no profile kind Dynamic"):
        codec("2.0.1").write_command(SetProfile(1, replace(PROFILE, kind=Kind.DYNAMIC)), CAL)
    with pytest.raises(ValueError, match="Done is no answer to Alive"):
        codec("1.6").write_answer(Alive(), Done(), CAL)
