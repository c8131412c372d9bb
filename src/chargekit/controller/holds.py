"""Holds: what a session was given and lost before, as far as it bears on what it asks for next. The allocator knows nothing of it.

A `Hold` is one session's past: since when a limit of at least 6 A has led, when it was paused, how often, whether its vehicle draws.
`moved` takes what a decision sees; `standing` says which hold that makes now. Both are pure. Only a vehicle that was drawing is
interrupted when its limit falls; only then it counts as a pause and time off begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from chargekit.policy.holds import Holds

SERVED_A: Final = 6.0
DRAWS_A: Final = 2.0
"""A vehicle that draws less is at rest: asleep it may take 1.3 A."""

Kind = Literal["on", "pauses", "off", "overcurrent", "ramp"]
KEEPS: Final[tuple[Kind, ...]] = ("on", "pauses", "ramp")
WAITS: Final[tuple[Kind, ...]] = ("off", "overcurrent")
CAPS: Final[tuple[Kind, ...]] = ("off", "overcurrent", "ramp")
"""Those that keep a demand below what it can use."""
RULES: Final[Mapping[Kind, str]] = {
    "on": "on", "pauses": "pauses", "off": "off", "overcurrent": "overcurrent", "ramp": "overcurrent",
}  # fmt: skip
"""The key of `power.holds` each kind follows from."""


class Standing(NamedTuple):
    """A hold in force: its kind, since when, until when (None: until something happens), and its figure (pauses so far, A asked at most)
    or the circuit it is about."""

    kind: Kind
    since: float
    until: float | None
    figure: float = 0.0
    about: str = ""


@dataclass(slots=True)
class Hold:
    """The past of one session, run seconds. `draws`: its vehicle did by the last reading of this time on. `ramp_a`: what it may ask for
    while a circuit above recovers."""

    tx: str
    on_since: float | None = None
    off_since: float | None = None
    pauses: int = 0
    draws: bool = False
    ramp_a: float | None = None


class Seen(NamedTuple):
    """What a decision sees of a session. `given`: a limit of at least 6 A leads; `drawn_a`: by a reading taken since it does, None if
    there is none; `fresh`: not seen before; `lead_a`: that limit; `rating_a`: its outlet's; `over_at`: when a circuit above it was over
    its rating last."""

    given: bool
    drawn_a: float | None
    lead_a: float
    rating_a: float
    over_at: float
    fresh: bool


def moved(hold: Hold, seen: Seen, rules: Holds, now: float) -> None:
    """Take what a decision sees."""
    if seen.given and hold.on_since is None:
        hold.on_since, hold.off_since, hold.draws = now, None, False
    elif not seen.given and hold.on_since is not None:
        hold.on_since = hold.ramp_a = None
        if hold.draws:
            hold.off_since, hold.pauses, hold.draws = now, hold.pauses + 1, False
    if seen.given and seen.drawn_a is not None:
        hold.draws = seen.drawn_a >= DRAWS_A
        _ramps(hold, seen, rules, now)


def _ramps(hold: Hold, seen: Seen, rules: Holds, now: float) -> None:
    """Up by a quarter of what is open with each fresh reading, while a circuit above recovers."""
    if now >= seen.over_at + 2.0 * rules.overcurrent_s:
        hold.ramp_a = None
    elif seen.fresh or hold.ramp_a is None:
        hold.ramp_a = round(seen.lead_a + max(1.0, (seen.rating_a - seen.lead_a) / 4.0), 1)


def standing(hold: Hold, rules: Holds, on_s: float, over: tuple[float, str], now: float, *, led: bool = False) -> Standing | None:
    """The hold in force now, the one that binds most first. `on_s`: what its class keeps current for; `over`: when a circuit above it
    was over its rating last, and which; `led`: an override leads for it, or the rules put it before all classes: it waits for no timer."""
    if hold.on_since is None:
        if led:
            return None
        # One pause is no flapping: a session that made room for another comes back as soon as it leads again.
        waits_s = rules.off_s * min(hold.pauses - 1, max(1, rules.pauses))
        if hold.off_since is not None and now < hold.off_since + waits_s:
            return Standing("off", hold.off_since, hold.off_since + waits_s, hold.pauses)
        if now < over[0] + rules.overcurrent_s:
            return Standing("overcurrent", over[0], over[0] + rules.overcurrent_s, about=over[1])
        return None
    if hold.ramp_a is not None and now < over[0] + 2.0 * rules.overcurrent_s:
        return Standing("ramp", over[0], over[0] + 2.0 * rules.overcurrent_s, hold.ramp_a, over[1])
    if now < hold.on_since + on_s:
        return Standing("on", hold.on_since, hold.on_since + on_s)
    if hold.pauses >= rules.pauses:
        return Standing("pauses", hold.on_since, None, hold.pauses)
    return None


def turns_had(served_s: float, turn_s: float) -> int:
    """Whole turns in so much time of current. Each is as long as all before it and one first turn more: 1, 2, 4, 8 ... first turns."""
    turns = 0
    while turn_s > 0 and served_s >= turn_s * (2 ** (turns + 1) - 1):
        turns += 1
    return turns


NAMES: Final = tuple(field.name for field in fields(Hold))
figures: Final = attrgetter(*NAMES)
"""All of a hold, to see whether it moved."""


def hold_data(hold: Hold) -> dict[str, Any]:
    """As plain data."""
    return dict(zip(NAMES, figures(hold), strict=True))


def hold_of(data: Mapping[str, Any]) -> Hold:
    """From plain data."""
    return Hold(**{name: data[name] for name in NAMES if name in data})
