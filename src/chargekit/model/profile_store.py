"""The profiles installed on a station: setting, clearing, finding, keeping, and what they come to on each EVSE.

It keeps what the rules ask a station to remember: the random delays it drew, since when its link is down, and where a driver's priority
charging is on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chargekit.model.calendar import Calendar
from chargekit.model.profile import ChargingProfile, Kind, Mode, Period, Purpose, RateUnit, V2x, profile_data, profile_of
from chargekit.model.profile_rules import RULES, Rules, flaw, refusal
from chargekit.model.schedule import NEVER, Conditions, InForce, Instant, Stack, delayed, resolve, schedule_of, share_a

CSO: Final = "CSO"
"""Who set a limit: the operator (2.x chargingLimitSource)."""
_KEPT: Final = frozenset({Purpose.EXTERNAL, Purpose.GENERATION})
_STEP_S: Final = 0.001
_MOST_STEPS: Final = 2000
_LIMITS: Final = ("limit", "limit_l2", "limit_l3")


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile where it was set: EVSE 0 is the whole station. `source` as in chargingLimitSource."""

    evse: int
    profile: ChargingProfile
    source: str = CSO


@dataclass(frozen=True, slots=True)
class Running:
    """A transaction: its id, and when its profile's time began (K01.FR.42), on the station's own clock."""

    transaction: str
    started: float
    soc_percent: float | None = None


class ProfileStore:
    """`evses`: the EVSEs of the station. `nominal_v`: line to neutral. `rules`: those of its OCPP version and what it supports. `fixed`:
    EVSEs that draw on three phases whatever a profile says: what they draw in W is shared by three."""

    def __init__(
        self,
        evses: Sequence[int],
        nominal_v: float = 230.0,
        units: Sequence[str] = ("A", "W"),
        rules: Rules | None = None,
        calendar: Calendar | None = None,
        fixed: Collection[int] = (),
    ) -> None:
        self.evses, self.fixed = tuple(evses), frozenset(fixed)
        self.rules = replace(RULES["1.6"] if rules is None else rules, units=tuple(units))
        self.priority: dict[int, str] = {}
        self._delays: dict[tuple[int, int], ChargingProfile] = {}
        self._installed: list[Installed] = []
        self._stacks: dict[tuple[int, str | None, bool], Stack] = {}
        self._given = Conditions(nominal_v, None, None, calendar)

    @property
    def installed(self) -> list[Installed]:
        """To be replaced, not to be changed in place."""
        return self._installed

    @installed.setter
    def installed(self, found: list[Installed]) -> None:
        self._installed = found
        self._stacks.clear()

    @property
    def nominal_v(self) -> float:
        return self._given.nominal_v

    @property
    def csms_first(self) -> bool:
        """Whether a setpoint of the CSMS goes before an external one (Q06.FR.22)."""
        return self._given.csms_first

    @csms_first.setter
    def csms_first(self, value: bool) -> None:
        self._given = self._given._replace(csms_first=value)

    # --- setting and clearing -----------------------------------------------------------------------------------

    def refusal(self, evse: int, profile: ChargingProfile, active_tx: str | None, rules: Rules | None = None) -> str:
        """Why this profile can't be set, as a reason code; empty when it can. `active_tx`: the transaction on that EVSE."""
        placed = [(one.evse, one.profile) for one in self._installed]
        return refusal(evse, profile, active_tx, rules or self.rules, self.evses, placed)

    def set(
        self,
        evse: int,
        profile: ChargingProfile,
        now: float | None = None,
        rng: random.Random | None = None,
        source: str = CSO,
    ) -> None:
        """Install; replaces the same id (K01.FR.05), and what has the same purpose and stack level on the same EVSE (1.6 section 5.16.3;
        2.x refused those beforehand). With `now` a Dynamic profile is stamped (K28.FR.05), with `rng` delays are drawn (K01.FR.93)."""
        if profile.kind is Kind.DYNAMIC and profile.dyn_updated is None and now is not None:
            profile = replace(profile, dyn_updated=now)
        level = self.rules.replaces_level
        kept = [one for one in self._installed if not self._gives_way(one, evse, profile, level)]
        self.installed = [*kept, Installed(evse, profile, source)]
        if rng is not None:
            self.draw(rng, [evse] if evse else self.evses, profile.id)

    @staticmethod
    def _gives_way(one: Installed, evse: int, profile: ChargingProfile, level: bool) -> bool:
        if one.profile.id == profile.id:
            return True
        same = one.evse == evse and one.profile.purpose is profile.purpose and one.profile.stack_level == profile.stack_level
        return same and level

    def draw(self, rng: random.Random, evses: Iterable[int], id: int | None = None) -> None:
        """Draw the random delays of profiles anew, for these EVSEs (K01.FR.93)."""
        for number in evses:
            for one in self._installed:
                if one.profile.random_delay_s > 0.0 and one.evse in (0, number) and id in (None, one.profile.id):
                    self._delays[one.profile.id, number] = delayed(one.profile, rng)
        self._stacks.clear()

    def clear(
        self,
        id: int | None = None,
        evse: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
    ) -> int:
        """Remove what matches (an id alone, or all other criteria together: K10.FR.03/04); how many went. What an external system set
        stays (K10.FR.06)."""

        def goes(one: Installed) -> bool:
            if one.profile.purpose in _KEPT:
                return False
            if id is not None:
                return one.profile.id == id
            return (
                (evse is None or one.evse == evse)
                and (purpose is None or one.profile.purpose is purpose)
                and (stack_level is None or one.profile.stack_level == stack_level)
            )

        before = len(self._installed)
        self.installed = [one for one in self._installed if not goes(one)]
        return before - len(self._installed)

    def remove(self, id: int) -> Installed | None:
        """Take out one profile, whoever set it."""
        found = next((one for one in self._installed if one.profile.id == id), None)
        self.installed = [one for one in self._installed if one.profile.id != id]
        return found

    def find(
        self,
        ids: Collection[int] = (),
        evse: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
        sources: Collection[str] = (),
    ) -> list[Installed]:
        """What is installed and matches (K09.FR.03 to K09.FR.06): an EVSE (0: the station itself; None: anywhere), and ids or all else."""
        return [
            one
            for one in self._installed
            if (evse is None or one.evse == evse)
            and (
                one.profile.id in ids
                if ids
                else (purpose is None or one.profile.purpose is purpose)
                and (stack_level is None or one.profile.stack_level == stack_level)
                and (not sources or one.source in sources)
            )
        ]

    # --- what happens -------------------------------------------------------------------------------------------

    def end_transaction(self, evse: int) -> None:
        """A TxProfile goes with its transaction (K02.FR.05), and so does priority charging."""
        self.priority.pop(evse, None)
        for key in [k for k in self._delays if k[1] == evse]:
            del self._delays[key]
        self.installed = [one for one in self._installed if not (one.evse == evse and one.profile.purpose is Purpose.TX)]

    def prioritise(self, evse: int, transaction: str, on: bool) -> None:
        """Priority charging for a transaction (K21.FR.04, K21.FR.07)."""
        if on:
            self.priority[evse] = transaction
        else:
            self.priority.pop(evse, None)
        self._stacks.clear()

    def may_prioritise(self, evse: int) -> bool:
        """Whether a PriorityCharging profile is there for it (K21.FR.01)."""
        return any(one.profile.purpose is Purpose.PRIORITY and one.evse in (0, evse) for one in self._installed)

    def offline(self, now: float) -> None:
        """The link is down (K01.FR.101)."""
        if self._given.offline_since is None:
            self._given = self._given._replace(offline_since=now)

    def online(self, now: float) -> bool:
        """The link is back: what was invalid counts again, or goes for good (K01.FR.102). Whether anything went."""
        since = self._given.offline_since
        self._given = self._given._replace(offline_since=None)
        if since is None:
            return False
        kept = [
            one
            for one in self._installed
            if not (
                one.profile.invalid_after_offline and one.profile.max_offline_s is not None and now >= since + one.profile.max_offline_s
            )
        ]
        gone = len(kept) < len(self._installed)
        if gone:
            self.installed = kept
        return gone

    def update(self, id: int, values: Mapping[str, float], now: float) -> str:
        """New values for a Dynamic profile (K28.FR.06, K28.FR.09), as a reason code: empty when taken.

        `values`: `limit`, `setpoint`, `discharge`, `reactive`, each also with `_l2` or `_l3`; what is not named stays.
        """
        found = next((one for one in self._installed if one.profile.id == id), None)
        if found is None or found.profile.kind is not Kind.DYNAMIC or found.profile.purpose is Purpose.EXTERNAL:
            return "InvalidProfile"  # K28.FR.11
        period = found.profile.periods[0]
        v2x = period.v2x or V2x()
        for name in ("setpoint", "discharge", "reactive"):
            old = getattr(v2x, name)
            new = tuple(values.get(name + tail, was) for tail, was in zip(("", "_l2", "_l3"), old, strict=True))
            if new != old:
                v2x = replace(v2x, **{name: new})  # type: ignore[arg-type]
        limits = {name: values[name] for name in _LIMITS if name in values}
        made = replace(period, **limits, v2x=v2x if v2x != V2x() else period.v2x)  # type: ignore[arg-type]
        changed = replace(found.profile, periods=(made,), dyn_updated=now)
        if why := flaw(found.evse, changed, self.rules):
            return why
        self.installed = [replace(one, profile=changed) if one is found else one for one in self._installed]
        return ""

    def pulls(self) -> list[tuple[float, int]]:
        """When which Dynamic profile wants news, (own clock, id), soonest first (K28.FR.10)."""
        return sorted(
            (one.profile.dyn_updated + one.profile.dyn_interval_s, one.profile.id)
            for one in self._installed
            if one.profile.kind is Kind.DYNAMIC and one.profile.dyn_interval_s and one.profile.dyn_updated is not None
        )

    # --- resolving ----------------------------------------------------------------------------------------------

    def _stack(self, evse: int, transaction: str | None, plain: bool) -> Stack:
        found = self._stacks.get((evse, transaction, plain))
        if found is None:
            found = self._stacks[evse, transaction, plain] = self._built(evse, transaction, plain)
        return found

    def _built(self, evse: int, transaction: str | None, plain: bool) -> Stack:
        """What applies to an EVSE (`plain`: without random delays). Its own default hides the station-wide one of its level (K01.FR.15)."""
        own: dict[Purpose, list[ChargingProfile]] = {}
        wide: dict[Purpose, list[ChargingProfile]] = {}
        for one in self._installed:
            profile = one.profile
            if profile.purpose is Purpose.TX and (transaction is None or profile.transaction not in (None, transaction)):
                continue
            if one.evse not in (0, evse):
                continue
            if profile.random_delay_s > 0.0 and not plain:
                profile = self._delays.get((profile.id, evse), profile)
            if self.fixed and (evse in self.fixed or (evse == 0 and self.fixed == set(self.evses))):
                profile = _on_three(profile)
            (wide if one.evse == 0 else own).setdefault(profile.purpose, []).append(profile)
        main: list[list[ChargingProfile]] = []
        if evse:
            if transaction is not None and self.priority.get(evse) == transaction:
                main.append(_merged(own, wide, Purpose.PRIORITY))
            main.append(own.get(Purpose.TX, []))
            main.append(_merged(own, wide, Purpose.TX_DEFAULT))
        caps = [wide.get(Purpose.STATION_MAX, []), wide.get(Purpose.EXTERNAL, []), own.get(Purpose.EXTERNAL, [])]
        more = [wide.get(Purpose.GENERATION, []), own.get(Purpose.GENERATION, [])]
        return Stack(_sorted(main), _sorted(caps), _sorted(more))

    def limit_at(
        self,
        evse: int,
        now: float,
        *,
        transaction: str | None,
        started: float | None,
        soc_percent: float | None = None,
        plain: bool = False,
    ) -> InForce:
        """The limit of one EVSE as if it were alone on the station; EVSE 0: what all of them may draw together."""
        given = self._given if soc_percent is None else self._given._replace(soc_percent=soc_percent)
        return resolve(self._stack(evse, transaction, plain), now, started, given)

    @property
    def wide(self) -> bool:
        """Whether something limits all EVSEs together."""
        stack = self._stack(0, None, False)
        return bool(stack.caps or stack.more)

    def together_at(self, now: float, alone: Mapping[int, InForce], most_a: Mapping[int, float]) -> tuple[float, float]:
        """What the EVSEs in `alone` may draw together in A per phase, and until when (section 3.6, K04.FR.05): the station's maximum
        plus what is generated on the spot, which each of them counted for itself."""
        whole = self.limit_at(0, now, transaction=None, started=None)
        extra, until = self._generated(now)
        drawn = sum(min(force.limit_a - extra, most_a[n]) for n, force in alone.items()) + extra
        return min(whole.limit_a, drawn), min(whole.until, until)

    def _generated(self, now: float) -> tuple[float, float]:
        """LocalGeneration of the whole station: A per phase, until when."""
        stack = self._stack(0, None, False)
        if not stack.more:
            return 0.0, NEVER
        force = resolve(Stack(main=stack.more), now, None, self._given)
        return (force.limit_a if force.leading else 0.0), force.until

    def shares(self, now: float, running: Mapping[int, Running], most_a: Mapping[int, float], least_a: float = 0.0) -> dict[int, float]:
        """What each EVSE with a transaction may draw, A per phase: its own limit and its part of the station's (`share_a`), by what it may
        use at most. `most_a`: hardware. Those named first go first where there is not `least_a` for all."""
        alone = {
            n: self.limit_at(n, now, transaction=tx.transaction, started=tx.started, soc_percent=tx.soc_percent)
            for n, tx in running.items()
        }
        total, _ = self.together_at(now, alone, most_a)
        return share_a(total, {n: min(force.flow_a, most_a[n]) for n, force in alone.items()}, least_a)

    # --- composite schedules ------------------------------------------------------------------------------------

    def composite(
        self,
        evse: int,
        now: float,
        duration_s: float,
        *,
        transaction: str | None,
        started: float | None,
        hardware_a: float,
        unit: RateUnit = "A",
        phases: int = 3,
        soc_percent: float | None = None,
    ) -> tuple[Period, ...]:
        """The composite schedule of one EVSE from `now` (K08.FR.02); no limit shows as the hardware's own.

        Without a transaction as if one began now, on the TxDefaultProfile without random delays (K08.FR.06).
        """
        since, plain = now if started is None else started, transaction is None

        def look(at: float) -> tuple[Instant, float]:
            force = self.limit_at(evse, at, transaction=transaction, started=since, soc_percent=soc_percent, plain=plain)
            return self._instant(force, hardware_a, phases), force.until

        return schedule_of(_walk(now, duration_s, look), unit)

    def composite_of_all(
        self,
        now: float,
        duration_s: float,
        running: Mapping[int, Running],
        most_a: Mapping[int, float],
        phases: Mapping[int, int],
        unit: RateUnit = "A",
        supply_a: float = NEVER,
    ) -> tuple[Period, ...]:
        """The composite schedule of the station (K08.FR.03): the sum of its EVSEs, with or without a transaction, under what limits all of
        them together. `most_a`, `phases`: hardware by EVSE; `supply_a`: what their common supply can give."""

        def look(at: float) -> tuple[Instant, float]:
            alone = {}
            for n in most_a:
                tx = running.get(n)
                alone[n] = self.limit_at(
                    n, at, transaction=tx.transaction if tx else None, started=tx.started if tx else now,
                    soc_percent=tx.soc_percent if tx else None, plain=tx is None,
                )  # fmt: skip
            total, until = self.together_at(at, alone, most_a)
            parts = {n: self._instant(force, most_a[n], phases[n]) for n, force in alone.items()}
            whole = self.limit_at(0, at, transaction=None, started=None)
            flow = min(sum(one.flow for one in parts.values()), total, supply_a)
            used = max((one.phases for one in parts.values()), default=3)
            watts = min(sum(one.watts for one in parts.values()), flow * self.nominal_v * 3)
            return Instant(whole, flow, watts, used, self.nominal_v * used), min(until, *(f.until for f in alone.values()))

        return schedule_of(_walk(now, duration_s, look), unit)

    def _instant(self, force: InForce, hardware_a: float, phases: int) -> Instant:
        used = phases if force.phases is None else min(force.phases, phases)
        flow = 0.0 if force.mode is Mode.IDLE else min(force.limit_a, hardware_a)
        if force.setpoint_a is not None and force.setpoint_a > hardware_a:
            force = replace(force, setpoint_a=hardware_a)
        return Instant(force, flow, flow * self.nominal_v * used, used, self.nominal_v * used)

    # --- keeping ------------------------------------------------------------------------------------------------

    def to_json(self) -> list[Any]:
        return [
            {"evse": one.evse, "profile": profile_data(one.profile)} | ({} if one.source == CSO else {"source": one.source})
            for one in self._installed
        ]

    def load(self, saved: Iterable[Mapping[str, Any]]) -> None:
        self.installed = [Installed(int(one["evse"]), profile_of(one["profile"]), str(one.get("source", CSO))) for one in saved]


def _on_three(profile: ChargingProfile) -> ChargingProfile:
    """The profile for an EVSE that can't use fewer phases: 1.6 has no clause by which it would be refused (2.x: K01.FR.43)."""
    if all(period.number_phases in (None, 3) for period in profile.periods):
        return profile
    return replace(profile, periods=tuple(replace(period, number_phases=None, phase_to_use=None) for period in profile.periods))


def _merged(
    own: Mapping[Purpose, list[ChargingProfile]], wide: Mapping[Purpose, list[ChargingProfile]], purpose: Purpose
) -> list[ChargingProfile]:
    mine, others = own.get(purpose, []), wide.get(purpose)
    if not others:
        return mine
    levels = {p.stack_level for p in mine}
    return mine + [p for p in others if p.stack_level not in levels]


def _sorted(groups: list[list[ChargingProfile]]) -> tuple[tuple[ChargingProfile, ...], ...]:
    """The groups that have any, each by falling stack level."""
    return tuple(tuple(sorted(g, key=_falling)) if len(g) > 1 else tuple(g) for g in groups if g)


def _falling(profile: ChargingProfile) -> int:
    return -profile.stack_level


def _walk(now: float, duration_s: float, look: Callable[[float], tuple[Instant, float]]) -> Iterator[tuple[float, Instant]]:
    """The instants of so many seconds at which something may change, (s after `now`, instant); `look` says until when one holds."""
    at = now
    for _ in range(_MOST_STEPS):
        if at >= now + duration_s:
            return
        one, until = look(at)
        yield at - now, one
        at = max(until, at + _STEP_S)
