"""Holds: what a session was given and lost before, as far as it bears on what it asks for next. The allocator knows nothing of it.

A `Hold` is one session's past: since when a limit of at least 6 A has led, when it was paused, how often, whether its vehicle draws.
`moved` takes what a decision sees; `standing` says which hold that makes now. Both are pure. Only a vehicle that was drawing is
interrupted when its limit falls; only then it counts as a pause and time off begins.

A vehicle that is offered current and draws none is woken: its limit goes to 0 for a few seconds and comes back, which a vehicle sees as
a pilot that was off (IEC 61851-1 A.5.3). The last time it is offered more, as some take nothing below 8 or 10 A. If it goes on drawing
nothing it is released: it stands behind all others, and gets what they leave, until it draws. Where they leave nothing it is tried again
later.
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
ANSWER_S: Final = 120.0
"""From an offer to the vehicle's answer: 40 s of its own, and three pulses of a station that wakes by itself."""
IDLE_S: Final = 600.0
"""A vehicle that drew before and stops so long by itself is full, or has other plans."""
PULSE_S: Final = 8.0
"""How long a limit of 0 A stands to wake a vehicle; with the way there and back it sees more than 3 s and less than 30."""
WAKE_A: Final = 10.0
"""Offered at least at the last try: the highest minimum of vehicles known."""
AGAIN_S: Final = 1800.0
TRIES: Final = 3
RELEASED: Final = 97
"""The rank of a session whose vehicle does not draw: behind all classes, before tokens of no class."""

Kind = Literal["on", "pauses", "off", "overcurrent", "ramp", "released"]
KEEPS: Final[tuple[Kind, ...]] = ("on", "pauses", "ramp")
WAITS: Final[tuple[Kind, ...]] = ("off", "overcurrent")
CAPS: Final[tuple[Kind, ...]] = ("off", "overcurrent", "ramp")
"""Those that keep a demand below what it can use."""
RULES: Final[Mapping[Kind, str]] = {
    "on": "on", "pauses": "pauses", "off": "off", "overcurrent": "overcurrent", "ramp": "overcurrent", "released": "wakes",
}  # fmt: skip
"""The key of `power.holds` each kind follows from."""


class Standing(NamedTuple):
    """A hold in force: its kind, since when, until when (None: until something happens), and its figure (pauses so far, wakes, A asked at
    most) or the circuit it is about."""

    kind: Kind
    since: float
    until: float | None
    figure: float = 0.0
    about: str = ""


@dataclass(slots=True)
class Hold:
    """The past of one session, run seconds. `drew`: in this time on; `draws`: by its last reading; `quiet_since`: of the first reading
    that showed nothing. `ramp_a`: what it may ask for while its circuit recovers;
    `needs_a`: what it was offered at the last try;
    `uses_a`: what it was seen to use at most, where that is less than its outlet gives."""

    tx: str
    on_since: float | None = None
    off_since: float | None = None
    pauses: int = 0
    drew: bool = False
    draws: bool = False
    quiet_since: float | None = None
    wakes: int = 0
    woken_at: float | None = None
    released_at: float | None = None
    tries: int = 0
    ramp_a: float | None = None
    needs_a: float | None = None
    uses_a: float | None = None

    @property
    def least_a(self) -> float:
        """What its vehicle takes at the least, as far as anybody knows."""
        return self.needs_a if self.needs_a is not None else SERVED_A

    def pulsing(self, now: float) -> bool:
        """Whether its limit is down to wake it."""
        return self.woken_at is not None and now < self.woken_at + PULSE_S


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
    dc: bool


def moved(hold: Hold, seen: Seen, rules: Holds, now: float) -> str:
    """Take what is seen. Says what it came to, if anybody should know: `paused`, `wake`, `asleep`, `idle`, `again` or `awake`."""
    if seen.given and hold.on_since is None:
        hold.on_since, hold.off_since = now, None
        hold.drew = hold.draws = False
        hold.quiet_since = None
    elif not seen.given and hold.on_since is not None and not hold.pulsing(now):
        hold.on_since, hold.quiet_since, hold.ramp_a = None, None, None
        if hold.draws:
            hold.off_since, hold.pauses, hold.draws = now, hold.pauses + 1, False
            return "paused"
    if seen.given and seen.drawn_a is not None and seen.drawn_a >= DRAWS_A:
        slept = hold.wakes > 0 or hold.released_at is not None
        hold.drew = hold.draws = True
        hold.quiet_since = hold.woken_at = hold.released_at = None
        hold.wakes = hold.tries = 0
        _ramps(hold, seen, rules, now)
        return "awake" if slept else ""
    if seen.given and seen.drawn_a is not None and not hold.pulsing(now):
        hold.draws = False
        hold.quiet_since = now if hold.quiet_since is None else hold.quiet_since
    return _rests(hold, rules, now) if not seen.dc else ""


def _ramps(hold: Hold, seen: Seen, rules: Holds, now: float) -> None:
    """Up by a quarter of what is open with each fresh reading, while a circuit above recovers."""
    if now >= seen.over_at + 2.0 * rules.overcurrent_s:
        hold.ramp_a = None
    elif seen.fresh or hold.ramp_a is None:
        hold.ramp_a = round(seen.lead_a + max(1.0, (seen.rating_a - seen.lead_a) / 4.0), 1)


def _rests(hold: Hold, rules: Holds, now: float) -> str:
    """Its vehicle takes nothing: wake it, let its amps go, or try again."""
    if hold.released_at is not None:
        if hold.on_since is None and hold.tries < TRIES and now >= hold.released_at + AGAIN_S * 2**hold.tries:
            hold.tries, hold.wakes, hold.released_at, hold.woken_at = hold.tries + 1, 0, None, None
            return "again"
        return ""
    if hold.drew:
        if not hold.draws and hold.quiet_since is not None and now >= hold.quiet_since + IDLE_S and hold.on_since is not None:
            hold.released_at = now
            return "idle"
        return ""
    since = max(hold.on_since or 0.0, hold.woken_at or 0.0)
    waited = (hold.quiet_since is not None or hold.woken_at is not None) and now >= since + ANSWER_S
    if not waited or hold.pulsing(now):
        return ""
    if hold.wakes < rules.wakes and hold.on_since is not None:
        hold.wakes, hold.woken_at = hold.wakes + 1, now
        # Of those that take nothing at 6 A the last try finds out.
        hold.needs_a = WAKE_A if hold.wakes == rules.wakes else hold.needs_a
        return "wake"
    hold.released_at, hold.woken_at, hold.needs_a = now, None, None
    return "asleep"


def standing(hold: Hold, rules: Holds, on_s: float, over: tuple[float, str], now: float, *, led: bool = False) -> Standing | None:
    """The hold in force now, the one that binds most first. `on_s`: what its class keeps current for; `over`: when a circuit above it
    was over its rating last, and which; `led`: an override leads for it, or the rules put it before all classes: it waits for no timer."""
    if hold.released_at is not None:
        until = hold.released_at + AGAIN_S * 2**hold.tries if hold.on_since is None and hold.tries < TRIES else None
        return Standing("released", hold.released_at, until, hold.wakes)
    if hold.on_since is None:
        if led:
            return None
        waits_s = rules.off_s * max(1, min(hold.pauses, max(1, rules.pauses)))
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
