"""Restarts and losses: resets on command, links and answers that fail, power that goes. Nothing that happened is lost or told wrongly."""

from itertools import pairwise

from chargekit.judge import Bench, Charger, Failed, Measured, NotApplicable, Unclear, case
from chargekit.judge.witnessed import Message, TxSeen
from chargekit.wire.messages import ChargingStateChanged, Metered, StatusChanged, TransactionEnded, TransactionStarted

SLACK_S = 5.0
"""Between a station's clock, its timers and the wire."""
OF_A_TRANSACTION = (TransactionStarted, Metered, ChargingStateChanged, TransactionEnded)


def happened(told: Message) -> float:
    """When it happened by the station's own word, run seconds."""
    fact = told.fact
    if isinstance(fact, Metered):
        return fact.samples[0].t if fact.samples else told.t
    at = getattr(fact, "at", None)
    return told.t if at is None else at


def facts(charger: Charger, kind: type | tuple[type, ...], since: float) -> list[Message]:
    """What it told since then, of a kind; of meter values only those of a transaction."""
    found = [one for one in charger.seen.facts if one.t >= since and isinstance(one.fact, kind)]
    return [one for one in found if not isinstance(one.fact, Metered) or one.fact.tx is not None]


def running(charger: Charger) -> TxSeen:
    if charger.transaction is None:
        raise Unclear(f"{charger.name} ended its transaction by itself")
    return charger.transaction


async def booted_again(charger: Charger, boots: int) -> None:
    within_s = charger.profile.power_up_s + 120
    await charger.expect(lambda: charger.seen.boots > boots and charger.seen.boot_accepted, within_s, "a boot")


async def back(charger: Charger, within_s: float = 400) -> None:
    await charger.expect(lambda: charger.seen.online, within_s, "a reconnection")


# --- resets -----------------------------------------------------------------------------------------------------


@case("CK-RST-010", covers={"TC_014_CS", "B_20", "B11.FR.01", "1.6 5.14"}, area="availability")
async def test_a_soft_reset_restarts_an_idle_station(bench: Bench) -> None:
    """A soft (2.x: OnIdle) reset of a station where nobody charges is accepted, and the station boots."""
    charger = await bench.reach("Booted")
    boots = charger.seen.boots
    reply = await charger.ask("Reset", hard=False)
    if reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to a soft reset while idle", [bench.seen.last_seq])
    await booted_again(charger, boots)


@case("CK-RST-011", requires={"local_start"}, covers={"TC_015_CS", "B_21", "B12.FR.01", "B12.FR.03", "1.6 5.14"}, area="availability")
async def test_a_soft_reset_in_a_transaction_is_orderly(bench: Bench) -> None:
    """Scheduled: the vehicle charges on until its transaction ends, then the station boots and says why. Accepted: the transaction is
    ended and told, then it boots."""
    charger = await bench.reach("EnergyTransferStarted")
    transaction, boots, asked = running(charger), charger.seen.boots, bench.now
    reply = await charger.ask("Reset", hard=False)
    if reply["status"] == "Scheduled":
        await charger.meter.holds(at_most_a=charger.max_a, for_s=120)
        if transaction.over or charger.seen.boots > boots:
            raise Failed(f"{charger.name} answered Scheduled and did not wait for the end of the transaction", [bench.seen.last_seq])
        await charger.meter.draws(at_least_a=1, within_s=30)
        await charger.press_stop()
    elif reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to a soft reset", [bench.seen.last_seq])
    await booted_again(charger, boots)
    await charger.expect(lambda: transaction.over, 120, "the end of the transaction")
    boot = charger.seen.last_boot
    if reply["status"] == "Scheduled" and (boot is None or boot.reason != "ScheduledReset"):
        raise Failed(
            f"{charger.name} gave {boot.reason if boot else 'nothing'} as the reason of a scheduled restart", [bench.seen.last_seq]
        )
    if reply["status"] == "Accepted" and any(one.fact.seq for one in facts(charger, OF_A_TRANSACTION, 0)):
        # Who numbers its messages knows the answer Scheduled.
        raise Failed(f"{charger.name} accepted at {bench.seen.clock(asked)} what it should have scheduled", [bench.seen.last_seq])


@case("CK-RST-012", requires={"local_start"}, covers={"B_26", "B_27", "B11.FR.08", "B12.FR.07", "B12.FR.08"}, area="availability")
async def test_one_evse_restarts_alone(bench: Bench) -> None:
    """An immediate reset of one EVSE ends its transaction and its current; the station neither boots nor loses its link, and the EVSE
    can be used again."""
    charger = await bench.reach("EnergyTransferStarted")
    transaction, boots = running(charger), charger.seen.boots
    reply = await charger.ask("Reset", hard=True, evse=charger.evse)
    if reply["status"] == "Rejected":
        raise NotApplicable(f"{charger.name} has no evse_reset: it rejected the reset of one EVSE (B12.FR.09)")
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
    await charger.expect(lambda: transaction.over, 60, "the end of the transaction")
    await bench.sleep(charger.profile.power_up_s + 60)
    if charger.seen.boots > boots or not charger.seen.online:
        raise Failed(f"{charger.name} restarted as a whole for the reset of one EVSE", [bench.seen.last_seq])
    await charger.unplug()
    await bench.sleep(5)
    await charger.plug()
    await charger.present()
    await charger.meter.draws(at_least_a=5, within_s=90)


# --- the link ---------------------------------------------------------------------------------------------------


@case("CK-BOOT-010", covers={"B_51", "B04.FR.01"}, area="boot")
async def test_every_status_is_told_after_a_long_outage(bench: Bench) -> None:
    """After longer without a link than OfflineThreshold, the status of every connector is told, changed or not."""
    charger = await bench.reach("Booted")
    await charger.configure(offline_threshold_s=30)
    await charger.cut_link()
    await bench.sleep(90)
    since = bench.now
    await charger.mend_link()
    await back(charger)
    wanted = {evse.id for evse in charger.spec.model.evses}
    await charger.expect(
        lambda: {one.fact.evse for one in facts(charger, StatusChanged, since)} >= wanted,
        30,
        "the status of every connector after an outage above the threshold",
    )


@case("CK-BOOT-011", covers={"B_52", "B04.FR.02"}, area="boot")
async def test_only_changes_are_told_after_a_short_outage(bench: Bench) -> None:
    """After shorter without a link than OfflineThreshold, connectors that changed are told, and no others."""
    charger = await bench.reach("Booted")
    await charger.configure(offline_threshold_s=600)
    await bench.sleep(5)
    for changes in (False, True):
        await charger.cut_link()
        await bench.sleep(15)
        if changes:
            await charger.plug()
        since = bench.now
        await charger.mend_link()
        await back(charger)
        await bench.sleep(30)
        told = facts(charger, StatusChanged, since)
        for one in told:
            if not changes or one.fact.evse != charger.evse:
                raise Failed(f"{charger.name} told a status again that had not changed in a short outage", [one.seq])
        if changes and not told:
            raise Failed(f"{charger.name} did not tell the status that changed while it was offline", [bench.seen.last_seq])


@case("CK-BOOT-012", covers={"B_57", "part 4 5.3", "reconnect storms"}, area="boot")
async def test_reconnecting_backs_off_and_is_spread(bench: Bench) -> None:
    """While every connection is refused, the waits between attempts grow, up to a bound, and have a random part."""
    charger = await bench.reach("Booted")
    bounds: list[tuple[float, float]] = []
    try:
        await charger.configure(back_off_minimum_s=8, back_off_random_s=6, back_off_repeats=3)
        # Each wait at least the minimum doubled so often; at most twice the longest one before, and another random part.
        bounds = [(8, 14), (16, 34), (32, 74), (64, 154), (64, 154)]
    except NotApplicable:
        pass  # without the settings, the waits must still grow and spread
    before, lost = len(charger.seen.dials), bench.now
    await charger.cut_link()
    await charger.expect(lambda: len(charger.seen.dials) >= before + 7, 3600, "a seventh attempt to reconnect")
    tries = charger.seen.dials[before : before + 7]
    waits = [later - sooner for sooner, later in pairwise([lost, *(at for at, _ in tries)])]
    records = [seq for _, seq in tries]
    for number, ((least, most), wait) in enumerate(zip(bounds, waits, strict=False), start=1):
        figure = Measured(f"wait before attempt {number}", wait, "s", at_least=least - 0.5, at_most=most + SLACK_S)
        bench.measure(figure, records)
    bench.measure(Measured("longest wait against the first", max(waits) / waits[0], "times", at_least=2.0), records)
    # Without a random part, waits are held, grow by steps, or by steps that double; how far is the least regular one from all that?
    steps = [later - sooner for sooner, later in pairwise(waits[1:])]
    odd = max(min(abs(b), abs(b - a), abs(b - 2 * a)) for a, b in pairwise(steps))
    bench.measure(Measured("random part of the waits", odd, "s", at_least=0.3), records)
    await charger.mend_link()
    await back(charger, within_s=max(waits) * 2 + 60)


# --- answers ----------------------------------------------------------------------------------------------------


async def _refused_reading(bench: Bench, times: int) -> tuple[Charger, list[Message]]:
    """Readings of a transaction refused so often from now on, three attempts allowed ten seconds apart; all attempts at the first."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.configure(message_attempts=3, message_interval_s=10, sample_interval_s=60)
    await bench.sleep(65)
    await charger.refuse("Metered", times)
    since = bench.now
    await charger.expect(lambda: bool(facts(charger, Metered, since)), 150, "a reading of the transaction")
    at = happened(facts(charger, Metered, since)[0])
    await bench.sleep(150)
    return charger, [one for one in facts(charger, Metered, since) if abs(happened(one) - at) < 0.5]


def _waits(bench: Bench, attempts: list[Message], expected: list[float]) -> None:
    for number, ((sooner, later), wait) in enumerate(zip(pairwise(attempts), expected, strict=False), start=2):
        figure = Measured(f"wait before attempt {number}", later.t - sooner.t, "s", at_least=wait - 2, at_most=wait + SLACK_S)
        bench.measure(figure, [sooner.seq, later.seq])


@case("CK-TX-010", requires={"local_start", "meter_values"}, covers={"E_41", "E13.FR.02", "E13.FR.03", "1.6 3.7.1"}, area="transaction")
async def test_a_message_refused_for_good_is_given_up(bench: Bench) -> None:
    """A transaction message that is refused every time is tried as often as was set, each time an interval later, and then given up."""
    charger, attempts = await _refused_reading(bench, 1000)
    _waits(bench, attempts, [10, 20])
    if len(attempts) != 3:
        raise Failed(f"{charger.name} sent a refused message {len(attempts)} times, 3 attempts were set", [attempts[-1].seq])
    since = bench.now
    await charger.refuse("Metered", 0)
    await charger.expect(
        lambda: any(one.outcome == "answered" for one in facts(charger, Metered, since)), 200, "a reading after those it gave up"
    )


@case("CK-TX-011", requires={"local_start", "meter_values"}, covers={"E_42", "E13.FR.03", "1.6 3.7.1"}, area="transaction")
async def test_a_message_refused_twice_gets_through(bench: Bench) -> None:
    """A transaction message that is refused twice is accepted at its third attempt, as it was, and not sent again."""
    charger, attempts = await _refused_reading(bench, 2)
    if len(attempts) < 3:
        raise Failed(f"{charger.name} gave a message up after {len(attempts)} attempts, 3 were set", [attempts[-1].seq])
    _waits(bench, attempts, [10, 20])
    if len(attempts) > 3 or attempts[-1].outcome != "answered" or any(one.fact != attempts[0].fact for one in attempts):
        raise Failed(f"{charger.name} did not repeat its message as it was until it was accepted", [one.seq for one in attempts])


@case("CK-TX-014", requires={"local_start", "meter_values"}, covers={"queue-poisoned", "E13.FR.02", "1.6 3.7.1"}, area="transaction")
async def test_one_refused_message_does_not_block_the_others(bench: Bench) -> None:
    """Where the oldest message kept while offline is refused, those behind it are told all the same, up to the end of the transaction."""
    charger = await bench.reach("EnergyTransferStarted")
    transaction = running(charger)
    await charger.configure(message_attempts=3, message_interval_s=5, sample_interval_s=60)
    await charger.cut_link()
    await bench.sleep(200)
    await charger.press_stop()
    await bench.sleep(10)
    await charger.refuse("Metered", 1)
    since = bench.now
    await charger.mend_link()
    await back(charger)
    await charger.expect(
        lambda: any(one.outcome == "refused" for one in facts(charger, Metered, since)), 60, "the reading at the head of its queue"
    )
    await charger.expect(lambda: transaction.over, 120, "the end of the transaction behind a refused message")


# --- what happens offline ---------------------------------------------------------------------------------------


@case(
    "CK-TX-012",
    requires={"local_start", "meter_values"},
    covers={"TC_036_CS", "E_40", "E04.FR.02", "E12.FR.02", "1.6 3.7"},
    area="transaction",
)
async def test_readings_taken_offline_are_complete_in_order_and_dated(bench: Bench) -> None:
    """A transaction that goes on over a lost link has its readings told afterwards: every interval, in order, with their own times;
    where messages are numbered, without gaps and marked as offline."""
    charger = await bench.reach("EnergyTransferStarted")
    transaction = running(charger)
    await charger.configure(sample_interval_s=30)
    await bench.sleep(70)
    await charger.cut_link()
    lost = bench.now
    await bench.sleep(240)
    mended = bench.now
    await charger.mend_link()
    await back(charger)
    await bench.sleep(60)
    told = [one for one in facts(charger, Metered, mended) if lost + 2 < happened(one) < mended - 2]
    records = [one.seq for one in told]
    bench.measure(Measured("readings told of 240 s offline", len(told), "readings", at_least=6), records)
    times = [happened(one) for one in told]
    if times != sorted(times):
        raise Failed(f"{charger.name} told its readings out of order", records)
    gaps = [later - sooner for sooner, later in pairwise([lost, *times, mended])]
    bench.measure(Measured("longest time offline without a reading", max(gaps), "s", at_most=45 + SLACK_S), records)
    numbered = {one.fact.seq: one for one in facts(charger, OF_A_TRANSACTION, 0)}
    if any(numbered):
        missing = sorted(set(range(max(numbered) + 1)) - set(numbered))
        if missing:
            raise Failed(f"{charger.name} left out number {missing[0]} of the messages of {transaction.tx}", [numbered[max(numbered)].seq])
        unsaid = [one.seq for one in told if not one.fact.offline]
        if unsaid:
            raise Failed(f"{charger.name} did not say that readings were of a time offline", unsaid)


@case(
    "CK-TX-013", requires={"local_start", "power_cut"}, covers={"TC_032_1_CS", "TC_032_2_CS", "E06.FR.08", "1.6 4.10"}, area="transaction"
)
async def test_a_power_cut_is_told_with_reason_and_energy(bench: Bench) -> None:
    """A transaction that a power cut ended is told as PowerLoss, with the energy the independent meter counted until then; or it goes
    on."""
    charger = await bench.reach("EVConnected")
    await bench.sleep(3)
    before = await charger.meter.fresh()
    await charger.present()
    await charger.meter.draws(at_least_a=5, within_s=120)
    await bench.sleep(300)
    transaction = running(charger)
    await charger.power_cut(for_s=30)
    after = charger.meter.last()
    await back(charger, charger.profile.power_up_s + 120)
    readings = transaction.readings
    await charger.expect(
        lambda: transaction.over or transaction.readings > readings, 180, "the end of the transaction, or its next reading"
    )
    if not transaction.over:
        return
    if transaction.reason != "PowerLoss":
        raise Failed(f"{charger.name} gave {transaction.reason} as the reason after a power cut", [transaction.ended_seq])
    metered = after.energy_wh - before.energy_wh - charger.profile.standby_w * (after.t - before.t) / 3600
    told = (transaction.ended_wh or 0.0) - transaction.began_wh
    lost = 0.35 if charger.dc else 0.0
    figure = Measured(
        "energy told less energy metered", told - metered, "Wh", at_most=0.02 * metered + 5, at_least=-(0.02 + lost) * metered - 5
    )
    bench.measure(figure, [transaction.began_seq, transaction.ended_seq, before.seq, after.seq])


@case("CK-TX-015", requires={"local_start", "power_cut"}, covers={"TC_037_1_CS", "E_43", "E04.FR.06", "1.6 3.7"}, area="transaction")
async def test_what_waits_to_be_told_survives_a_power_cut(bench: Bench) -> None:
    """A transaction that was begun and ended without a link, before a power cut, is told whole afterwards, with its own times."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.press_stop()
    await charger.unplug()
    await bench.sleep(30)
    count = len(charger.seen.transactions)
    await charger.cut_link()
    await bench.sleep(20)
    began = bench.now
    await charger.plug()
    await charger.present()
    try:
        await charger.meter.draws(at_least_a=5, within_s=120)
    except Failed:
        raise NotApplicable(f"{charger.name} has no offline_start: it did not start a known token without a link") from None
    await bench.sleep(90)
    await charger.press_stop()
    await bench.sleep(10)
    ended = bench.now
    await charger.power_cut(for_s=30)
    await bench.sleep(charger.profile.power_up_s + 5)
    await charger.mend_link()
    await back(charger)
    await charger.expect(lambda: len(charger.seen.transactions) > count, 120, "the start of what ran offline before a power cut")
    transaction = charger.seen.transactions[-1]
    await charger.expect(lambda: transaction.over, 120, "its end")
    for told in facts(charger, (TransactionStarted, TransactionEnded), ended):
        if not began - SLACK_S <= happened(told) <= ended + SLACK_S:
            raise Failed(f"{charger.name} dated what ran offline {happened(told) - ended:+.0f} s from its end", [told.seq])


@case("CK-BOOT-013", requires={"local_start", "power_cut"}, covers={"clock-after-power-cut", "B01.FR.06", "E04"}, area="boot")
async def test_times_are_right_after_a_power_cut(bench: Bench) -> None:
    """What a station tells after a power cut, once its boot is accepted, carries the time at which it happened."""
    charger = await bench.reach("EnergyTransferStarted")
    await bench.sleep(60)
    boots, cut = charger.seen.boots, bench.now
    await charger.power_cut(for_s=60)
    await booted_again(charger, boots)
    since = bench.now
    await bench.sleep(120)
    dated = facts(charger, (StatusChanged, *OF_A_TRANSACTION), since)
    if not dated:
        raise Unclear(f"{charger.name} told nothing with a time after its boot")
    off = 0.0
    worst = dated[0]
    for told in dated:
        at = happened(told)
        wrong = abs(told.t - at) if isinstance(told.fact, StatusChanged) else max(cut - 60 - at, at - told.t, 0.0)
        if wrong > off:
            off, worst = wrong, told
    bench.measure(Measured("error of the times told after a power cut", off, "s", at_most=10), [worst.seq])
