"""Authorisation: who gets energy."""

from chargekit.judge import Bench, Failed, case


@case("CK-AUTH-001", requires={"authorise", "local_start"}, covers={"C01", "TC_023_4_CS", "C_26"}, area="authorise")
async def test_a_refused_token_gets_no_energy(bench: Bench) -> None:
    """A token the CSMS answers Invalid starts nothing: the meter stays at standby."""
    await bench.answer_token("STRANGER", "Invalid")
    charger = await bench.reach("EVConnected")
    await charger.present("STRANGER")
    await charger.expect(lambda: "STRANGER" in charger.seen.tokens, 30, "an Authorize request")
    await charger.meter.stays_off(for_s=60)


@case("CK-AUTH-002", requires={"authorise", "local_start"}, covers={"C01", "E02"}, area="authorise")
async def test_an_accepted_token_gets_energy(bench: Bench) -> None:
    """A token the CSMS accepts starts a transaction, and current flows on an independent meter."""
    charger = await bench.reach("EVConnected")
    await charger.present("GUEST-7")
    await charger.expect(lambda: charger.transaction is not None, 60, "the start of a transaction")
    transaction = charger.transaction
    if transaction is None or transaction.token != "GUEST-7":
        raise Failed(f"{charger.name} started a transaction for another token")
    await charger.meter.draws(at_least_a=5, within_s=90)


@case("CK-AUTH-003", requires={"authorise", "remote_start"}, covers={"F01", "1.6 5.11"}, area="authorise")
async def test_a_remote_start_charges_and_a_remote_stop_ends_it(bench: Bench) -> None:
    """An accepted remote start leads to current on the meter; a remote stop ends the current and the transaction."""
    charger = await bench.reach("EVConnected")
    reply = await charger.ask("RemoteStart", token="REMOTE-1", evse=charger.evse)
    if reply["status"] != "Accepted":
        raise Failed(f"{charger.name} answered {reply['status']} to a remote start on a free, connected EVSE")
    await charger.meter.draws(at_least_a=5, within_s=90)
    await charger.expect(lambda: charger.transaction is not None and charger.transaction.tx is not None, 30, "its transaction")
    await charger.ask("RemoteStop", tx="current")
    await charger.meter.settles(at_most_a=0, within=charger.profile.settle_s)
    await charger.expect(lambda: charger.transaction is None, 30, "the end of the transaction")
