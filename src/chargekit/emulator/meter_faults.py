"""Ways in which meters go wrong, by name and with parameters.

A fault knows what the meter showed when it began; from that and what it would show now it says what is seen. It keeps nothing else,
so that reading never changes what is read.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import ClassVar, Final

from chargekit.model.limit import PhaseAmps
from chargekit.model.metering import MeterSample


class Fault:
    """A fault since `since` of the meter `meter`, which showed `first` then."""

    name: ClassVar[str]
    seen: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ()
    swaps_words: ClassVar[bool] = False

    def __init__(self, meter: str, since: float, first: MeterSample) -> None:
        self.meter, self.since, self.first = meter, since, first

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        """What is seen of what is right."""
        return good

    @property
    def delay_s(self) -> float | None:
        return 0.0


class Silent(Fault):
    name, seen = "silent", "does not answer"

    @property
    def delay_s(self) -> float | None:
        return None


class Frozen(Fault):
    name, seen = "frozen", "answers, with the figures of the moment it froze"

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        return replace(self.first, t=good.t)


class SignFlipped(Fault):
    name, seen = "sign-flipped", "its current transformers are the wrong way round: import counts as export"

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        gained, given = good.energy_wh - self.first.energy_wh, good.export_wh - self.first.export_wh
        return replace(
            good, current_a=_scaled(good.current_a, -1.0), power_w=-good.power_w,
            energy_wh=self.first.energy_wh + given, export_wh=self.first.export_wh + gained,
        )  # fmt: skip


class WrongScale(Fault):
    name, seen = "wrong-scale", "its transformer ratio is set wrong: currents, power and energy are `factor` times what they are"
    parameters = ("factor",)

    def __init__(self, meter: str, since: float, first: MeterSample, factor: float = 0.1) -> None:
        super().__init__(meter, since, first)
        self.factor = factor

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        return replace(
            good, current_a=_scaled(good.current_a, self.factor), power_w=good.power_w * self.factor,
            energy_wh=self.first.energy_wh + (good.energy_wh - self.first.energy_wh) * self.factor,
            export_wh=self.first.export_wh + (good.export_wh - self.first.export_wh) * self.factor,
        )  # fmt: skip


class SwappedPhases(Fault):
    name, seen = "swapped-phases", "L1 and L2 are exchanged"

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        (a, b, c), (u, v, w) = good.current_a, good.voltage_v
        return replace(good, current_a=(b, a, c), voltage_v=(v, u, w))


class SwappedWords(Fault):
    name, seen = "swapped-words", "the words of every figure come in the other order"
    swaps_words = True


class Slow(Fault):
    name, seen = "slow", "answers `late_s` late, with what it shows when asked"
    parameters = ("late_s",)

    def __init__(self, meter: str, since: float, first: MeterSample, late_s: float = 2.0) -> None:
        super().__init__(meter, since, first)
        self.late_s = late_s

    @property
    def delay_s(self) -> float | None:
        return self.late_s


class Jitter(Fault):
    name, seen = "jitter", "currents and power are off by up to `percent` at random, anew every second"
    parameters = ("percent",)

    def __init__(self, meter: str, since: float, first: MeterSample, percent: float = 5.0) -> None:
        super().__init__(meter, since, first)
        self.percent = percent

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        digest = hashlib.blake2b(f"{self.meter}/{int(now)}".encode(), digest_size=4).digest()
        off = 1.0 + (int.from_bytes(digest, "big") / 2**31 - 1.0) * self.percent / 100.0
        return replace(good, current_a=_scaled(good.current_a, off), power_w=good.power_w * off)


class RegisterWrap(Fault):
    name, seen = "register-wrap", "its energy register starts again at zero after `at_kwh`"
    parameters = ("at_kwh",)

    def __init__(self, meter: str, since: float, first: MeterSample, at_kwh: float = 1.0) -> None:
        super().__init__(meter, since, first)
        self.at_kwh = at_kwh

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        most = self.at_kwh * 1000.0
        return replace(good, energy_wh=good.energy_wh % most, export_wh=good.export_wh % most)


class ResetToZero(Fault):
    name, seen = "reset-to-zero", "its energy registers fell to zero and go on from there"

    def sample(self, good: MeterSample, now: float) -> MeterSample:
        return replace(good, energy_wh=good.energy_wh - self.first.energy_wh, export_wh=good.export_wh - self.first.export_wh)


def _scaled(amps: PhaseAmps, factor: float) -> PhaseAmps:
    return (amps[0] * factor, amps[1] * factor, amps[2] * factor)


FAULTS: Final[dict[str, type[Fault]]] = {
    one.name: one
    for one in (
        Silent, Frozen, SignFlipped, WrongScale, SwappedPhases, SwappedWords, Slow, Jitter, RegisterWrap, ResetToZero,
    )
}  # fmt: skip
"""Every fault by name."""
