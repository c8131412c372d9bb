"""Tokens a station knows by itself: its cache and its local list, online and offline; groups; tokens that turn out invalid.

What counts is the current on the independent meter and what is told, with the times it is told to have happened at.
"""

from chargekit.judge import Bench, Charger, Failed, Measured, case
from chargekit.judge.access import back_online, clear_cache, gets_to_know, list_number, listed, send_list, settings
from chargekit.judge.witnessed import TxSeen
from chargekit.wire.messages import Setting

CACHE = {Setting.AUTH_CACHE: "true"}
LIST = {Setting.LOCAL_LIST: "true"}
AT_ONCE = {Setting.LOCAL_PREAUTHORISE: "true"}
OFFLINE = {Setting.LOCAL_AUTHORISE_OFFLINE: "true"}
STRANGERS = {Setting.OFFLINE_TX_FOR_UNKNOWN: "true"}
NO_STRANGERS = {Setting.OFFLINE_TX_FOR_UNKNOWN: "false"}
MINIMUM_WH = 1000.0
CLOCK_S = 10.0
"""What a time that is told may be off by: the station's clock, and the time it takes to act on a card."""


async def _present_offline(charger: Charger, token: str) -> None:
    """The link goes, a vehicle comes, a card is shown."""
    await charger.cut_link()
    await charger.expect(lambda: not charger.seen.online, 60, "the loss of its link")
    await charger.plug()
    await charger.present(token)


async def _started(charger: Charger, token: str, within_s: float = 60.0, *, before: int = 0) -> TxSeen:
    """The transaction of that token, once it is told and has its id; `before`: how many were known before it."""

    def known() -> TxSeen | None:
        return next((t for t in reversed(charger.seen.transactions[before:]) if t.token == token and t.tx is not None), None)

    await charger.expect(lambda: known() is not None, within_s, f"the start of a transaction by {token}")
    found = known()
    assert found is not None
    return found


async def _over(charger: Charger, transaction: TxSeen, within_s: float = 60.0) -> None:
    await charger.expect(lambda: transaction.over, within_s, "the end of the transaction")


def _at(bench: Bench, what: str, told: float | None, happened: float, record: int) -> None:
    """A time that is told is the time it happened at."""
    off = abs((told if told is not None else 0.0) - happened)
    bench.measure(Measured(f"told time of the {what} against when it happened", off, "s", at_most=CLOCK_S), [record])


async def _nothing_flows(charger: Charger, token: str, because: str) -> None:
    """A card shown while the link is down starts nothing: no current, and no transaction is told afterwards."""
    await charger.meter.stays_off(for_s=60)
    restored = charger.bench.now
    await back_online(charger)
    await charger.bench.sleep(30)
    for one in charger.seen.transactions:
        if one.token == token and not one.over and one.at < restored:
            raise Failed(f"{charger.name} tells of a transaction it began offline by {token}, {because}", [one.began_seq])


# --- known tokens, online -----------------------------------------------------------------------------------------


@case(
    "CK-AUTH-004", requires={"authorise", "local_start", "auth_cache"}, covers={"TC_007_1_CS", "C12.FR.02", "C12.FR.04", "1.6 3.5.1"},
    area="authorise",
)  # fmt: skip
async def test_a_cached_token_starts_without_being_asked_about(bench: Bench) -> None:
    """With local pre-authorisation, a token the station knows from an earlier session gets energy and is not asked about again."""
    charger = await bench.reach("Booted")
    async with settings(charger, CACHE | AT_ONCE):
        await gets_to_know(charger, "CK-CACHED")
        asked, before = len(charger.seen.asked), len(charger.seen.transactions)
        await charger.plug()
        await charger.present("CK-CACHED")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await _started(charger, "CK-CACHED", before=before)
        if "CK-CACHED" in charger.seen.asked[asked:]:
            raise Failed(f"{charger.name} asked about a token it has in its cache", [bench.seen.last_seq])


@case(
    "CK-AUTH-005", requires={"authorise", "local_start", "local_list"}, covers={"TC_008_1_CS", "C14.FR.02", "D01", "1.6 3.5.2"},
    area="authorise",
)  # fmt: skip
async def test_a_listed_token_starts_without_being_asked_about(bench: Bench) -> None:
    """With local pre-authorisation, a token on the local list gets energy and is not asked about."""
    charger = await bench.reach("Booted")
    async with settings(charger, LIST | AT_ONCE), listed(charger, {"token": "CK-LISTED"}):
        asked = len(charger.seen.asked)
        await charger.plug()
        await charger.present("CK-LISTED")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await _started(charger, "CK-LISTED")
        if "CK-LISTED" in charger.seen.asked[asked:]:
            raise Failed(f"{charger.name} asked about a token on its local list", [bench.seen.last_seq])


@case(
    "CK-AUTH-006", requires={"authorise", "local_start", "local_list", "auth_cache"}, covers={"C_25", "C13.FR.01", "1.6 3.5.3"},
    area="authorise",
)  # fmt: skip
async def test_the_local_list_outranks_the_cache(bench: Bench) -> None:
    """Offline, a token that is Accepted in the cache and Blocked on the list gets nothing; without the list it gets energy."""
    charger = await bench.reach("Booted")
    async with settings(charger, CACHE | LIST | OFFLINE | NO_STRANGERS):
        await gets_to_know(charger, "CK-TWICE")
        async with listed(charger, {"token": "CK-TWICE", "status": "Blocked"}):
            await _present_offline(charger, "CK-TWICE")
            await _nothing_flows(charger, "CK-TWICE", "which is Blocked on its local list")
            await charger.unplug()
        await _present_offline(charger, "CK-TWICE")
        await charger.meter.draws(at_least_a=5, within_s=90)


@case(
    "CK-AUTH-007", requires={"authorise", "local_start", "auth_cache"}, covers={"E05.FR.10", "C12.FR.03", "1.6 4.8", "1.6 9.1.24"},
    area="authorise",
)  # fmt: skip
async def test_a_known_token_that_is_no_longer_valid_is_stopped(bench: Bench) -> None:
    """A cached token that the CSMS answers Invalid once the transaction is told: no more current, and the end is told as DeAuthorized."""
    charger = await bench.reach("Booted")
    async with settings(charger, CACHE | AT_ONCE | {Setting.STOP_ON_INVALID: "true"}):
        await gets_to_know(charger, "CK-TURNED")
        await bench.answer_token("CK-TURNED", "Invalid")
        before = len(charger.seen.transactions)
        await charger.plug()
        await charger.present("CK-TURNED")
        await charger.expect(lambda: len(charger.seen.transactions) > before, 60, "the start of a transaction")
        transaction = charger.seen.transactions[-1]
        await _over(charger, transaction)
        if transaction.reason != "DeAuthorized":
            raise Failed(f"{charger.name} gave {transaction.reason} for the end, DeAuthorized expected", [transaction.ended_seq])
        await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
        await charger.meter.stays_off(for_s=60)


@case(
    "CK-AUTH-008", requires={"authorise", "local_start", "auth_cache"}, covers={"C_15", "E05.FR.03", "C15.FR.07", "1.6 3.5.4"},
    area="authorise",
)  # fmt: skip
async def test_an_invalid_token_gets_the_minimum_of_energy_and_no_more(bench: Bench) -> None:
    """With 1 kWh as the maximum energy for an invalid token, a cached token answered Invalid gets that much, and then nothing."""
    charger = await bench.reach("Booted")
    energy = {Setting.STOP_ON_INVALID: "false", Setting.MAX_ENERGY_ON_INVALID_WH: f"{MINIMUM_WH:.0f}"}
    async with settings(charger, CACHE | AT_ONCE | energy):
        await gets_to_know(charger, "CK-MINIMUM")
        await bench.answer_token("CK-MINIMUM", "Invalid")
        await charger.plug()
        before, count = await charger.meter.fresh(), len(charger.seen.transactions)
        await charger.present("CK-MINIMUM")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await bench.sleep(15)
        power_w = (await charger.meter.fresh()).power_w
        await charger.meter.settles(at_most_a=0, within=2 * MINIMUM_WH * 3600 / power_w + 60)
        await charger.meter.stays_off(for_s=60)
        after = await charger.meter.fresh()
        standby_wh = charger.profile.standby_w * (after.t - before.t) / 3600
        given_wh = after.energy_wh - before.energy_wh - standby_wh
        overshoot_wh = power_w * charger.profile.settle_s / 3600 + 10
        # A DC outlet's register is behind the converter: up to a third is lost on the way.
        lost = 0.35 if charger.spec.evse(charger.evse).dc else 0.02
        bench.measure(
            Measured(
                "energy for an invalid token", given_wh, "Wh", at_most=MINIMUM_WH * (1 + lost) + overshoot_wh, at_least=MINIMUM_WH * 0.9
            ),
            [before.seq, after.seq],
        )  # fmt: skip
        if any(t.over for t in charger.seen.transactions[count:]):
            raise Failed(f"{charger.name} ended a transaction that was only to go on without energy", [bench.seen.last_seq])


@case("CK-AUTH-009", requires={"authorise", "local_start"}, covers={"TC_069_CS", "C09.FR.03", "E_07", "1.6 3.10"}, area="authorise")
async def test_a_token_of_the_same_group_stops_the_transaction(bench: Bench) -> None:
    """A valid token of another group stops nothing; one of the group of the token that started ends the transaction."""
    charger = await bench.reach("Booted")
    for token, group in (("CK-MINE", "CK-FAMILY"), ("CK-HERS", "CK-FAMILY"), ("CK-OTHER", "CK-OTHERS")):
        await bench.answer_token(token, "Accepted", group=group)
    await charger.plug()
    await charger.present("CK-MINE")
    transaction = await _started(charger, "CK-MINE")
    await charger.meter.draws(at_least_a=5, within_s=90)
    await bench.sleep(10)
    await charger.present("CK-OTHER")
    await bench.sleep(20)
    if transaction.over:
        raise Failed(f"{charger.name} ended a transaction for a token of another group", [transaction.ended_seq])
    await charger.meter.draws(at_least_a=5, within_s=10)
    await charger.present("CK-HERS")
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s + 30)
    await _over(charger, transaction)


# --- the list and the cache as the CSMS manages them --------------------------------------------------------------


@case("CK-AUTH-010", requires={"authorise", "local_start", "auth_cache"}, covers={"TC_061_CS", "C11.FR.01", "1.6 5.4"}, area="authorise")
async def test_a_cleared_cache_knows_nobody(bench: Bench) -> None:
    """After ClearCache a token the station knew gets nothing offline."""
    charger = await bench.reach("Booted")
    async with settings(charger, CACHE | OFFLINE | NO_STRANGERS):
        await gets_to_know(charger, "CK-FORGOTTEN")
        await clear_cache(charger)
        await _present_offline(charger, "CK-FORGOTTEN")
        await _nothing_flows(charger, "CK-FORGOTTEN", "which was cleared from its cache")


@case(
    "CK-AUTH-011", requires={"authorise", "local_start", "local_list"},
    covers={"TC_042_CS", "TC_043_CS", "D01.FR.16", "D01.FR.19", "D02", "1.6 5.15"}, area="authorise",
)  # fmt: skip
async def test_changes_to_the_local_list_count_and_old_ones_do_not(bench: Bench) -> None:
    """A newer change takes a token off the list, an older one is a VersionMismatch and puts nobody on it: neither gets energy offline."""
    charger = await bench.reach("Booted")
    async with (
        settings(charger, LIST | OFFLINE | NO_STRANGERS),
        listed(charger, {"token": "CK-STAYS"}, {"token": "CK-LEAVES"}) as number,
    ):
        status = await send_list(charger, number + 2, [{"token": "CK-LEAVES", "status": None}], full=False)
        if status != "Accepted":
            raise Failed(f"{charger.name} answered {status} to a change of its local list", [bench.seen.last_seq])
        status = await send_list(charger, number + 1, [{"token": "CK-LATE"}], full=False)
        if status != "VersionMismatch":
            raise Failed(f"{charger.name} answered {status} to an older change of its local list", [bench.seen.last_seq])
        if (told := await list_number(charger)) != number + 2:
            raise Failed(f"{charger.name} tells version {told} of its local list, {number + 2} expected", [bench.seen.last_seq])
        for token in ("CK-LEAVES", "CK-LATE"):
            await _present_offline(charger, token)
            await _nothing_flows(charger, token, "which is not on its local list")
            await charger.unplug()
            await bench.sleep(5)
        await _present_offline(charger, "CK-STAYS")
        await charger.meter.draws(at_least_a=5, within_s=90)


@case(
    "CK-AUTH-012", requires={"authorise", "local_start", "auth_cache"}, covers={"C10.FR.10", "1.6 3.5.1", "expiry"}, area="authorise",
    limit_s=10800,
)  # fmt: skip
async def test_a_cached_token_is_good_until_it_expires(bench: Bench) -> None:
    """A token cached with an expiry half an hour ahead gets energy offline before it, and nothing after it."""
    charger = await bench.reach("Booted")
    async with settings(charger, CACHE | OFFLINE | NO_STRANGERS):
        expires = bench.now + 1800
        await gets_to_know(charger, "CK-EXPIRES", until=expires)
        await _present_offline(charger, "CK-EXPIRES")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await charger.present("CK-EXPIRES")
        await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
        await charger.unplug()
        await bench.sleep(max(0.0, expires + 2 * CLOCK_S - bench.now))
        expired = bench.now
        await charger.plug()
        await charger.present("CK-EXPIRES")
        await charger.meter.stays_off(for_s=60)
        await back_online(charger)
        await bench.sleep(60)
        if late := [t for t in charger.seen.transactions if t.token == "CK-EXPIRES" and t.at >= expired]:
            raise Failed(f"{charger.name} tells of a transaction by a token that had expired", [late[0].began_seq])


@case("CK-AUTH-013", requires={"authorise", "local_start"}, covers={"TC_005_1_CS", "E09.FR.01", "1.6 4.10", "1.6 9.1.23"}, area="authorise")
async def test_who_unplugs_is_authorised_no_longer(bench: Bench) -> None:
    """The cable pulled at the vehicle ends the transaction as EVDisconnected; the next vehicle gets nothing without a card."""
    charger = await bench.reach("Booted")
    async with settings(charger, {Setting.STOP_ON_UNPLUG: "true"}):
        await bench.answer_token("CK-LEAVES-US", "Accepted")
        await charger.plug()
        await charger.present("CK-LEAVES-US")
        transaction = await _started(charger, "CK-LEAVES-US")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await bench.sleep(30)
        await charger.unplug()
        await bench.sleep(10)
        await charger.plug("small-22kw")
        await charger.meter.stays_off(for_s=60)
        await _over(charger, transaction)
        if transaction.reason != "EVDisconnected":
            raise Failed(f"{charger.name} gave {transaction.reason} for the end, EVDisconnected expected", [transaction.ended_seq])


# --- offline ------------------------------------------------------------------------------------------------------


@case(
    "CK-OFF-001", requires={"authorise", "local_start", "local_list"}, covers={"C_21", "TC_037_1_CS", "C13.FR.02", "1.6 3.5.2"},
    area="authorise",
)  # fmt: skip
async def test_a_listed_token_starts_offline(bench: Bench) -> None:
    """With the link down a token on the local list gets energy; the transaction is told afterwards with the time it began."""
    charger = await bench.reach("Booted")
    async with settings(charger, LIST | OFFLINE), listed(charger, {"token": "CK-LISTED-2"}):
        await _present_offline(charger, "CK-LISTED-2")
        began = bench.now
        await charger.meter.draws(at_least_a=5, within_s=90)
        await bench.sleep(90)
        await back_online(charger)
        transaction = await _started(charger, "CK-LISTED-2", 120)
        _at(bench, "start", transaction.at, began, transaction.began_seq)
        await charger.meter.draws(at_least_a=5, within_s=10)


@case(
    "CK-OFF-002", requires={"authorise", "local_start", "auth_cache"}, covers={"TC_007_1_CS", "C10.FR.01", "C12", "1.6 3.5.1"},
    area="authorise",
)  # fmt: skip
async def test_a_cached_token_starts_offline(bench: Bench) -> None:
    """With the link down a token known from an earlier session gets energy, and the transaction is told afterwards."""
    charger = await bench.reach("Booted")
    async with settings(charger, CACHE | OFFLINE | NO_STRANGERS):
        await gets_to_know(charger, "CK-CACHED-2")
        known = len(charger.seen.transactions)
        await _present_offline(charger, "CK-CACHED-2")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await back_online(charger)
        await charger.expect(lambda: len(charger.seen.transactions) > known, 120, "the start of a transaction")


@case("CK-OFF-003", requires={"authorise", "local_start"}, covers={"C_26", "C13.FR.04", "1.6 3.5.4"}, area="authorise")
async def test_an_unknown_token_gets_nothing_offline(bench: Bench) -> None:
    """With the link down a token nobody knows starts nothing where unknown tokens are not allowed."""
    charger = await bench.reach("Booted")
    async with settings(charger, NO_STRANGERS):
        await _present_offline(charger, "CK-STRANGER")
        await _nothing_flows(charger, "CK-STRANGER", "which it can't know")


@case("CK-OFF-004", requires={"authorise", "local_start"}, covers={"E_43", "C15.FR.02", "C15.FR.08", "1.6 3.5.4"}, area="authorise")
async def test_an_unknown_token_starts_offline_where_that_is_allowed(bench: Bench) -> None:
    """With the link down and unknown tokens allowed, one gets energy; the CSMS accepts it afterwards and the energy goes on flowing."""
    charger = await bench.reach("Booted")
    async with settings(charger, STRANGERS):
        await bench.answer_token("CK-WELCOME", "Accepted")
        await _present_offline(charger, "CK-WELCOME")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await back_online(charger)
        transaction = await _started(charger, "CK-WELCOME", 120)
        await bench.sleep(60)
        await charger.meter.draws(at_least_a=5, within_s=10)
        if transaction.over:
            raise Failed(f"{charger.name} ended a transaction whose token was accepted", [transaction.ended_seq])


@case("CK-OFF-005", requires={"authorise", "local_start"}, covers={"TC_037_2_CS", "C15.FR.06", "1.6 3.5.4"}, area="authorise")
async def test_an_invalid_token_started_offline_is_suspended(bench: Bench) -> None:
    """Started offline, answered Invalid afterwards, and not to be stopped: the current stops, the transaction goes on without it."""
    charger = await bench.reach("Booted")
    async with settings(charger, STRANGERS | {Setting.STOP_ON_INVALID: "false", Setting.MAX_ENERGY_ON_INVALID_WH: "0"}):
        await bench.answer_token("CK-UNPAID", "Invalid")
        await _present_offline(charger, "CK-UNPAID")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await back_online(charger)
        transaction = await _started(charger, "CK-UNPAID", 120)
        await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
        await charger.meter.stays_off(for_s=120)
        if transaction.over:
            raise Failed(f"{charger.name} ended a transaction that was only to go on without energy", [transaction.ended_seq])


@case("CK-OFF-006", requires={"authorise", "local_start"}, covers={"TC_037_3_CS", "C15.FR.04", "1.6 9.1.24"}, area="authorise")
async def test_an_invalid_token_started_offline_is_stopped(bench: Bench) -> None:
    """Started offline, answered Invalid afterwards, and to be stopped: the current stops and the transaction ends as DeAuthorized."""
    charger = await bench.reach("Booted")
    async with settings(charger, STRANGERS | {Setting.STOP_ON_INVALID: "true"}):
        await bench.answer_token("CK-UNPAID-2", "Invalid")
        await _present_offline(charger, "CK-UNPAID-2")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await back_online(charger)
        transaction = await _started(charger, "CK-UNPAID-2", 120)
        await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
        await _over(charger, transaction)
        if transaction.reason != "DeAuthorized":
            raise Failed(f"{charger.name} gave {transaction.reason} for the end, DeAuthorized expected", [transaction.ended_seq])


@case("CK-OFF-007", requires={"authorise", "local_start"}, covers={"TC_038_CS", "E_44", "E07", "C07", "1.6 4.10"}, area="authorise")
async def test_a_token_stops_its_transaction_offline(bench: Bench) -> None:
    """With the link down the card that started also stops: no more current, and the end is told afterwards with its own time."""
    charger = await bench.reach("EnergyTransferStarted", token="CK-OWNER")
    transaction = charger.transaction
    assert transaction is not None
    await charger.cut_link()
    await charger.expect(lambda: not charger.seen.online, 60, "the loss of its link")
    await bench.sleep(60)
    await charger.present("CK-OWNER")
    stopped = bench.now
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
    await charger.meter.stays_off(for_s=60)
    await back_online(charger)
    await _over(charger, transaction, 120)
    _at(bench, "end", transaction.ended_at, stopped, transaction.ended_seq)


@case(
    "CK-OFF-008", requires={"authorise", "local_start", "local_list"}, covers={"E_45", "TC_069_CS", "C09.FR.11", "1.6 3.10"},
    area="authorise",
)  # fmt: skip
async def test_a_listed_token_of_the_same_group_stops_offline(bench: Bench) -> None:
    """With the link down a listed token of another group stops nothing; one of the group of the token that started does."""
    charger = await bench.reach("Booted")
    family = [{"token": t, "group": "CK-FAMILY"} for t in ("CK-MINE-2", "CK-HERS-2")]
    async with settings(charger, LIST | OFFLINE), listed(charger, *family, {"token": "CK-OTHER-2", "group": "CK-OTHERS"}):
        for token in ("CK-MINE-2", "CK-HERS-2"):
            await bench.answer_token(token, "Accepted", group="CK-FAMILY")
        await charger.plug()
        await charger.present("CK-MINE-2")
        transaction = await _started(charger, "CK-MINE-2")
        await charger.meter.draws(at_least_a=5, within_s=90)
        await charger.cut_link()
        await charger.expect(lambda: not charger.seen.online, 60, "the loss of its link")
        await charger.present("CK-OTHER-2")
        await bench.sleep(20)
        await charger.meter.draws(at_least_a=5, within_s=10)
        await charger.present("CK-HERS-2")
        stopped = bench.now
        await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
        await bench.sleep(60)
        await back_online(charger)
        await _over(charger, transaction, 120)
        _at(bench, "end", transaction.ended_at, stopped, transaction.ended_seq)


@case(
    "CK-OFF-009", requires={"authorise", "local_start", "local_list", "meter_values"},
    covers={"TC_039_CS", "E_43", "E04.FR.02", "E04.FR.03", "E12", "1.6 3.7"}, area="transaction",
)  # fmt: skip
async def test_a_whole_transaction_offline_is_replayed_as_it_happened(bench: Bench) -> None:
    """Start, readings and end of a transaction with the link down come afterwards in their order, with their own times, marked as offline
    where the version has a word for that, and with the energy the meter counted."""
    charger = await bench.reach("Booted")
    interval = {Setting.SAMPLE_INTERVAL_S: "60"}
    async with settings(charger, LIST | OFFLINE | interval), listed(charger, {"token": "CK-ALONE"}):
        await charger.cut_link()
        await charger.expect(lambda: not charger.seen.online, 60, "the loss of its link")
        await charger.plug()
        await bench.sleep(3)
        before = await charger.meter.fresh()
        await charger.present("CK-ALONE")
        began = bench.now
        await charger.meter.draws(at_least_a=5, within_s=90)
        await bench.sleep(300)
        await charger.present("CK-ALONE")
        ended = bench.now
        await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
        await bench.sleep(5)
        after = await charger.meter.fresh()
        await charger.unplug()
        await bench.sleep(60)
        await back_online(charger)
        transaction = await _started(charger, "CK-ALONE", 120)
        await _over(charger, transaction, 120)
        _as_it_happened(bench, charger, transaction, began, ended)
        lost = 0.35 if charger.spec.evse(charger.evse).dc else 0.0
        metered_wh = after.energy_wh - before.energy_wh - charger.profile.standby_w * (after.t - before.t) / 3600
        bench.measure(
            Measured(
                "energy told less energy metered", (transaction.ended_wh or 0.0) - transaction.began_wh - metered_wh, "Wh",
                at_most=0.02 * metered_wh + 5, at_least=-(0.02 + lost) * metered_wh - 5,
            ),
            [transaction.began_seq, transaction.ended_seq, before.seq, after.seq],
        )  # fmt: skip


def _as_it_happened(bench: Bench, charger: Charger, transaction: TxSeen, began: float, ended: float) -> None:
    """Its messages in order, with their own times, marked as offline."""
    _at(bench, "start", transaction.at, began, transaction.began_seq)
    _at(bench, "end", transaction.ended_at, ended, transaction.ended_seq)
    if transaction.readings < 3:
        raise Failed(
            f"{charger.name} told {transaction.readings} readings of five minutes offline, one a minute expected", [transaction.ended_seq]
        )
    for earlier, later in zip(transaction.told, transaction.told[1:], strict=False):
        if later.at < earlier.at - 1.0:
            raise Failed(
                f"{charger.name} told {later.what} of {bench.seen.clock(later.at)} after {earlier.what} of {bench.seen.clock(earlier.at)}",
                [earlier.record, later.record],
            )
    for one in transaction.told:
        if one.offline is False:
            raise Failed(f"{charger.name} does not say of {one.what} that it was offline", [one.record])
