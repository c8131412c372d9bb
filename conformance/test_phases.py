"""Charging on fewer phases than there are, by profile: only asked of stations that can switch them."""

from chargekit.judge import Bench, Failed, Measured, NotApplicable, Unclear, case
from chargekit.judge.bench import Charger

BUSY_A = 1.0
STARTS_S = 60.0
"""What a vehicle may take to start anew after its supply was switched."""


def _busy(charger: Charger) -> int:
    """How many phases carry a vehicle's current."""
    return len([a for a in charger.meter.last().current_a if a > BUSY_A])


@case("CK-PHS-001", requires={"smart_charging", "phase_switching"}, covers={"K01.FR.43", "K01.FR.50", "1.6 7.14"}, area="profiles")
async def test_a_limit_for_one_phase_is_drawn_on_one_phase(bench: Bench) -> None:
    """A limit of 2,760 W on one phase, with a vehicle on three: 12 A on one of them and nothing on the others."""
    charger = await bench.reach("EnergyTransferStarted")
    if "W" not in charger.profile.rate_units:
        raise NotApplicable(f"{charger.name} takes no limits in watts")
    await _on_three(bench, charger)
    await charger.set_profile(id=95, unit="W", periods=[(0, 12 * charger.profile.voltage_v)], number_phases=1)
    await charger.meter.settles(at_most_a=12, within=charger.profile.settle_s)
    await charger.meter.draws(at_least_a=11, within_s=charger.profile.settle_s + STARTS_S)
    await charger.meter.holds(at_most_a=12, for_s=60, at_least_a=11)
    bench.measure(Measured("phases in use on a limit for one", float(_busy(charger)), "", at_most=1.0), [charger.meter.last().seq])


@case("CK-PHS-002", requires={"smart_charging", "phase_switching"}, covers={"K01.FR.43", "IEC 61851-1", "Phases3to1"}, area="profiles")
async def test_phases_are_not_switched_under_load(bench: Bench) -> None:
    """From three phases to one and back, each time the current stops before it flows on the others; in between both limits hold."""
    charger = await bench.reach("EnergyTransferStarted")
    await _on_three(bench, charger)
    for phases, amps in ((1, 10.0), (3, 8.0)):
        await charger.set_profile(id=96, periods=[(0, amps)], number_phases=phases)
        if not await bench.seen.until(lambda: charger.meter.now_a() <= 0.3 + charger.meter.uncertainty_a, charger.profile.settle_s):
            now_a, shown = charger.meter.now_a(), charger.meter.last()
            raise Failed(f"{charger.name} did not stop the current to switch phases; last {now_a:.1f} A", [shown.seq])
        await charger.meter.draws(at_least_a=amps - 1.0, within_s=charger.profile.settle_s + STARTS_S)
        await charger.meter.holds(at_most_a=amps, for_s=60, at_least_a=amps - 1.0)
        shown = charger.meter.last()
        bench.measure(Measured(f"phases in use on a limit for {phases}", float(_busy(charger)), "", at_least=phases, at_most=phases))


async def _on_three(bench: Bench, charger: Charger) -> None:
    await charger.meter.draws(at_least_a=13, within_s=60)
    await bench.sleep(5)
    if _busy(charger) < 3:
        raise Unclear(f"only {_busy(charger)} of three phases carried current before the limit: it would prove nothing")
