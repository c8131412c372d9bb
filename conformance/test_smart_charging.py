"""Which profile leads, from when, and how profiles of several purposes add up: always on the meter."""

from chargekit.judge import Bench, Failed, NotApplicable, case
from chargekit.judge.bench import TOKEN, VEHICLE, Charger

DAY_S = 86400.0
DEFAULT, MAXIMUM = "TxDefaultProfile", "ChargingStationMaxProfile"


async def _shows(charger: Charger, amps: float, for_s: float = 30.0) -> None:
    """The vehicle, which would take more, draws what it is limited to: no more, and no less than a little below it."""
    await charger.meter.settles(at_most_a=amps, within=charger.profile.settle_s)
    await charger.meter.draws(at_least_a=amps - 1.0, within_s=charger.profile.settle_s)
    await charger.meter.holds(at_most_a=amps, for_s=for_s, at_least_a=amps - 1.0)


@case("CK-PRO-006", requires={"smart_charging"}, covers={"K01.FR.15", "K_01", "TC_056_CS"}, area="profiles")
async def test_a_default_limits_the_next_transaction(bench: Bench) -> None:
    """A TxDefaultProfile set while nothing charges limits the transaction that starts later."""
    charger = await bench.reach("Booted")
    await charger.set_profile(id=51, purpose=DEFAULT, periods=[(0, 8)])
    await bench.reach("EnergyTransferStarted", charger=charger)
    await _shows(charger, 8, 60)


@case("CK-PRO-007", requires={"smart_charging"}, covers={"K01.FR.32", "K_28", "TC_082_CS"}, area="profiles")
async def test_a_default_applies_to_a_running_transaction_at_once(bench: Bench) -> None:
    """A TxDefaultProfile set in the midst of a transaction without a profile of its own limits it at once."""
    charger = await bench.reach("EnergyTransferStarted")
    bench.check_bound(charger.meter.now_a(), 9, "a default")
    await charger.set_profile(id=52, purpose=DEFAULT, periods=[(0, 9)])
    await _shows(charger, 9)


@case("CK-PRO-008", requires={"smart_charging"}, covers={"K04.FR.01", "K_03", "K04.FR.05"}, area="profiles")
async def test_the_stations_maximum_caps_a_transactions_profile(bench: Bench) -> None:
    """A ChargingStationMaxProfile below the TxProfile leads, and the TxProfile does again when it is gone."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_limit(amps=13)
    await _shows(charger, 13)
    await charger.set_profile(id=53, purpose=MAXIMUM, periods=[(0, 8)])
    await _shows(charger, 8)
    await charger.clear(id=53)
    await _shows(charger, 13)


@case("CK-PRO-009", requires={"smart_charging"}, covers={"K01.FR.05", "K_04", "1.6 5.16.3"}, area="profiles")
async def test_a_profile_of_the_same_id_replaces_the_old_one(bench: Bench) -> None:
    """A second profile with the id of the first takes its place, also when it allows more."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(id=54, periods=[(0, 7)])
    await _shows(charger, 7)
    await charger.set_profile(id=54, periods=[(0, 12)])
    await _shows(charger, 12)


@case("CK-PRO-010", requires={"smart_charging"}, covers={"K01.FR.17", "K_40", "TC_072_CS", "1.6 3.13.2"}, area="profiles")
async def test_the_highest_stack_level_leads(bench: Bench) -> None:
    """Of two TxProfiles the one with the higher stack level leads, lower or not; when it ends the other one does."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(id=55, periods=[(0, 8)], stack_level=1)
    await _shows(charger, 8)
    began = bench.now
    await charger.set_profile(id=56, periods=[(0, 12)], stack_level=3, duration_s=150)
    await _shows(charger, 12)
    await bench.sleep(max(0.0, began + 150 - bench.now))
    await _shows(charger, 8)


@case("CK-PRO-011", requires={"smart_charging"}, covers={"SC.01", "K02.FR.04", "K_41", "TC_066_CS", "1.6 3.13.3"}, area="profiles")
async def test_purposes_combine_to_the_lowest_maximum(bench: Bench) -> None:
    """With a maximum of 12 A, a default of 7 A and a TxProfile of 14 A, 12 A flow: the TxProfile overrules the default, not the maximum."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(id=57, purpose=MAXIMUM, periods=[(0, 12)])
    await charger.set_profile(id=58, purpose=DEFAULT, periods=[(0, 7)])
    await _shows(charger, 7)
    await charger.set_profile(id=59, periods=[(0, 14)])
    await charger.meter.draws(at_least_a=11, within_s=charger.profile.settle_s)
    await _shows(charger, 12, 60)


@case("CK-PRO-012", requires={"smart_charging"}, covers={"K01.FR.36", "K01.FR.37", "K_21", "K_22"}, area="profiles")
async def test_a_profile_leads_only_while_it_is_valid(bench: Bench) -> None:
    """A profile leads from its validFrom on and not before, and no longer at its validTo."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(id=60, purpose=DEFAULT, periods=[(0, 13)])
    await _shows(charger, 13)
    now = bench.now
    await charger.set_profile(id=61, periods=[(0, 8)], valid_from=now + 90, valid_to=now + 240)
    await charger.meter.holds(at_most_a=13, for_s=60, at_least_a=12)
    await bench.sleep(max(0.0, now + 90 - bench.now))
    await _shows(charger, 8)
    await bench.sleep(max(0.0, now + 240 - bench.now))
    await charger.meter.draws(at_least_a=12, within_s=charger.profile.settle_s)
    await _shows(charger, 13)


@case("CK-PRO-013", requires={"smart_charging"}, covers={"K01.FR.30", "K_23"}, area="profiles")
async def test_a_schedule_imposes_nothing_before_it_starts(bench: Bench) -> None:
    """A profile whose startSchedule lies two minutes ahead changes nothing until then."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.meter.draws(at_least_a=14, within_s=60)
    starts = bench.now + 120
    await charger.set_profile(id=62, periods=[(0, 8)], start=starts)
    await charger.meter.holds(at_most_a=charger.max_a, for_s=90, at_least_a=14)
    await bench.sleep(max(0.0, starts - bench.now))
    await _shows(charger, 8)


@case("CK-PRO-014", requires={"smart_charging"}, covers={"K10.FR.05", "K10.FR.07", "K_09", "TC_067_CS"}, area="profiles")
async def test_a_cleared_default_limits_no_longer(bench: Bench) -> None:
    """When a TxDefaultProfile is cleared the running transaction goes on without it; clearing again finds nothing."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(id=63, purpose=DEFAULT, periods=[(0, 8)])
    await _shows(charger, 8)
    await charger.clear(purpose=DEFAULT)
    await charger.meter.draws(at_least_a=12, within_s=charger.profile.settle_s)
    reply = await charger.ask("ClearProfile", id=63)
    if reply["status"] != "Unknown":
        raise Failed(f"{charger.name} answered {reply['status']} to clearing a profile it no longer has, Unknown expected")


@case("CK-PRO-015", requires={"smart_charging"}, covers={"K01.FR.33", "K_16", "TC_058_2_CS"}, area="profiles")
async def test_a_profile_for_another_transaction_is_refused(bench: Bench) -> None:
    """A TxProfile that names another transaction than the running one is rejected, and changes nothing."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.meter.draws(at_least_a=12, within_s=60)
    profile = {"id": 64, "purpose": "TxProfile", "kind": "Absolute", "start": bench.now - 2, "periods": [{"start_s": 0, "limit": 8}]}
    reply = await charger.ask("SetProfile", evse=charger.evse, profile={**profile, "transaction": "987654"})
    if reply["status"] == "Accepted":
        raise Failed(f"{charger.name} accepted a TxProfile for a transaction that does not run")
    await charger.meter.holds(at_most_a=charger.max_a, for_s=30, at_least_a=12)


@case("CK-PRO-016", requires={"smart_charging", "remote_start"}, covers={"K05.FR.02", "K_37", "TC_059_CS"}, area="profiles")
async def test_a_profile_of_a_remote_start_limits_its_transaction(bench: Bench) -> None:
    """A TxProfile that comes with a remote start limits the transaction from its beginning."""
    charger = await bench.reach("EVConnected", vehicle=VEHICLE)
    profile = {"id": 65, "purpose": "TxProfile", "kind": "Relative", "start": None, "periods": [{"start_s": 0, "limit": 8}]}
    await bench.answer_token(TOKEN, "Accepted")
    reply = await charger.ask("RemoteStart", evse=charger.evse, token=TOKEN, profile=profile)
    if reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to a remote start with a profile")
    await charger.expect(lambda: charger.transaction is not None, 90, "the start of a transaction")
    await charger.meter.draws(at_least_a=6, within_s=90)
    await charger.meter.holds(at_most_a=8, for_s=120, at_least_a=7)


@case("CK-PRO-017", requires={"smart_charging"}, covers={"K08.FR.02", "K08.FR.04", "TC_066_CS", "composite"}, area="profiles")
async def test_the_composite_schedule_tells_what_will_be(bench: Bench) -> None:
    """Under a maximum of 12 A, a TxProfile of 14 A that falls to 7 A after two minutes is told as 12 A and then 7 A, and comes true."""
    charger = await bench.reach("EnergyTransferStarted")
    await charger.set_profile(id=70, purpose=MAXIMUM, periods=[(0, 12)])
    began = bench.now
    await charger.set_profile(id=71, periods=[(0, 14), (120, 7)], start=began)
    reply = await charger.ask("GetComposite", evse=charger.evse, duration_s=300, unit="A")
    told = [(round(start_s), limit) for start_s, limit in reply.get("periods", [])]
    expected = [(0, 12.0), (120, 7.0)]
    if len(told) != 2 or any(abs(t - e) > 5 or amps != limit for (t, amps), (e, limit) in zip(told, expected, strict=True)):
        raise Failed(f"{charger.name} told the composite schedule {told} where (s, A) {expected} apply", [bench.seen.last_seq])
    await _shows(charger, 12)
    await bench.sleep(max(0.0, began + 120 - bench.now))
    await _shows(charger, 7)


@case("CK-PRO-018", requires={"smart_charging"}, covers={"K01.FR.49", "K01.FR.50", "1.6 7.14"}, area="profiles")
async def test_a_limit_in_watts_is_shared_by_the_phases(bench: Bench) -> None:
    """5,520 W without a number of phases are 8 A on each of three phases at 230 V."""
    charger = await bench.reach("EnergyTransferStarted")
    if "W" not in charger.profile.rate_units:
        raise NotApplicable(f"{charger.name} takes no limits in watts")
    bench.check_bound(charger.meter.now_a(), 8, "a limit")
    volts = charger.profile.voltage_v
    await charger.set_profile(id=66, unit="W", periods=[(0, 3 * volts * 8)])
    await _shows(charger, 8, 60)


@case("CK-PRO-019", requires={"smart_charging"}, covers={"K01.FR.13", "1.6 7.37", "recurring"}, area="profiles", limit_s=14400)
async def test_a_daily_schedule_begins_anew(bench: Bench) -> None:
    """A daily schedule that began almost a day ago is in its last period, and goes back to its first when the day is over."""
    charger = await bench.reach("EnergyTransferStarted")
    began = bench.now + 120 - DAY_S
    await charger.set_profile(
        id=67, purpose=DEFAULT, kind="Recurring", recurrency="Daily", start=began, periods=[(0, 8), (3600, 13)]
    )  # fmt: skip
    await _shows(charger, 13)
    await bench.sleep(max(0.0, began + DAY_S - bench.now))
    await _shows(charger, 8, 60)


@case("CK-PRO-020", requires={"smart_charging"}, covers={"K01.FR.42", "relative"}, area="profiles")
async def test_a_relative_schedule_counts_from_the_transaction(bench: Bench) -> None:
    """A relative default's second period comes as long after the transaction began as it says."""
    charger = await bench.reach("Booted")
    await charger.set_profile(id=68, purpose=DEFAULT, kind="Relative", start=None, periods=[(0, 13), (180, 8)])
    await bench.sleep(200)
    await bench.reach("EnergyTransferStarted", charger=charger)
    await charger.meter.holds(at_most_a=13, for_s=60, at_least_a=12)
    began = charger.transaction.at if charger.transaction is not None else bench.now
    await bench.sleep(max(0.0, began + 180 - bench.now))
    await _shows(charger, 8, 60)


@case("CK-PRO-021", requires={"smart_charging"}, covers={"K01.FR.14", "K_10", "1.6 5.16.1"}, area="profiles")
async def test_a_default_for_the_whole_station_limits_each_outlet(bench: Bench) -> None:
    """A TxDefaultProfile for EVSE 0 limits the next transaction of an EVSE that has none of its own."""
    charger = await bench.reach("Booted")
    await charger.set_profile(id=75, purpose=DEFAULT, periods=[(0, 9)], evse=0)
    await bench.reach("EnergyTransferStarted", charger=charger)
    await _shows(charger, 9, 60)
