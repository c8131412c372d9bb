"""What a case works with: a charger and its meter, or a whole site, behind words that name no version and no transport."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chargekit.judge.verdict import Failed, Measured, NotApplicable, Unclear, Verdict
from chargekit.judge.witnessed import Reading, StationSeen, TxSeen, Witnessed
from chargekit.lab.assemble import CSMS, PLANT, Lab
from chargekit.model.site import ChargingStation, MeterPoint, StationModel
from chargekit.wire.messages import LimitImposed, Setting
from chargekit.wire.settings import key_of

if TYPE_CHECKING:
    from chargekit.judge.entrance import Entrance
    from chargekit.judge.premises import SiteUnder

PILOT_TOLERANCE_A = 0.3
"""Pilot duty tolerance, in amperes (IEC 61851-1)."""
FLOWS_A = 1.0
VEHICLE = "compact-3ph"
DC_VEHICLE = "hyundai-ioniq-5-2021"
TOKEN = "RES-1"
REPLY_S = 20.0
READ_S = 10.0
REST_EVERY_S = 5.0


class Instrument:
    """An independent meter, and what can be asserted of it. `standby_a`: what the station itself draws on one phase."""

    def __init__(self, bench: Bench, point: MeterPoint | None, name: str, standby_a: float = 0.0) -> None:
        self.bench, self.point, self.name, self.standby_a = bench, point, name, standby_a

    @property
    def id(self) -> str:
        if self.point is None:
            raise NotApplicable(f"{self.name} has no independent meter")
        return self.point.id

    @property
    def uncertainty_a(self) -> float:
        return self.point.uncertainty_a if self.point else 0.0

    def last(self) -> Reading:
        """The newest reading; Unclear when the meter has shown nothing."""
        found = self.bench.seen.meters.get(self.id)
        if found is None or self.id in self.bench.seen.silent:
            raise Unclear(f"meter {self.id} does not answer")
        return found

    def now_a(self) -> float:
        """The highest phase, without standby, A."""
        return max(0.0, self.last().most_a - self.standby_a)

    async def draws(self, at_least_a: float, within_s: float) -> Reading:
        """Wait until at least this much flows on some phase; Failed when it does not."""
        seen = self.bench.seen
        await self.fresh()
        began = self.bench.now
        if not await seen.until(lambda: self.now_a() >= at_least_a, within_s):
            last = self.last()
            raise Failed(
                f"{self.name} did not reach {at_least_a:g} A within {within_s:g} s; last {self.now_a():.1f} A at {seen.clock(last.t)}",
                [last.seq],
            )
        self.bench.measure(Measured(f"time until {self.name} drew {at_least_a:g} A", self.bench.now - began, "s", at_most=within_s))
        return self.last()

    async def settles(self, at_most_a: float, within: float) -> float:
        """Wait until no phase shows more than the limit; the seconds it took. Failed after `within` seconds."""
        await self.fresh()
        seen, began = self.bench.seen, self.bench.now
        ceiling = at_most_a + PILOT_TOLERANCE_A
        if not await seen.until(lambda: self.now_a() <= ceiling + self.uncertainty_a, within):
            last = self.last()
            raise Failed(
                f"{self.name} did not fall below {ceiling:.1f} A within {within:g} s; last {self.now_a():.1f} A at {seen.clock(last.t)}",
                [last.seq],
            )
        took = self.bench.now - began
        self.bench.measure(Measured(f"time until {self.name} kept {at_most_a:g} A", took, "s", at_most=within))
        return took

    async def holds(self, at_most_a: float, for_s: float, *, at_least_a: float | None = None) -> None:
        """For a while no phase shows more than the limit (with tolerance), nor, if given, less than `at_least_a`."""
        await self.fresh()
        seen, ceiling = self.bench.seen, at_most_a + PILOT_TOLERANCE_A
        most, least, worst_seq = 0.0, float("inf"), 0

        def broken() -> bool:
            nonlocal most, least, worst_seq
            value = self.now_a()
            if value > most:
                most, worst_seq = value, self.last().seq
            least = min(least, value)
            return most > ceiling + self.uncertainty_a

        if await seen.until(broken, for_s):
            last = self.last()
            raise Failed(f"{self.name} showed {most:.1f} A at {seen.clock(last.t)} on a limit of {at_most_a:g} A", [worst_seq])
        self.bench.measure(
            Measured(f"highest current of {self.name}", most, "A", at_most=ceiling, uncertainty=self.uncertainty_a), [worst_seq]
        )
        if at_least_a is not None:
            self.bench.measure(Measured(f"lowest current of {self.name}", least, "A", at_least=at_least_a), [self.last().seq])

    async def stays_off(self, for_s: float) -> None:
        """No phase shows more than standby for a while."""
        await self.fresh()
        seen = self.bench.seen
        if await seen.until(lambda: self.now_a() > 0.3 + self.uncertainty_a, for_s):
            last = self.last()
            raise Failed(f"{self.name} showed {self.now_a():.1f} A at {seen.clock(last.t)} where nothing may flow", [last.seq])
        self.bench.measure(
            Measured(f"current of {self.name}", self.now_a(), "A", at_most=0.3, uncertainty=self.uncertainty_a), [self.last().seq]
        )

    async def fresh(self) -> Reading:
        """Wait for a reading taken from now on."""
        seen, after = self.bench.seen, seen_seq(self.bench)
        if not await seen.until(lambda: self.id in seen.meters and seen.meters[self.id].seq > after, READ_S):
            raise Unclear(f"meter {self.id} does not answer")
        return self.last()


def seen_seq(bench: Bench) -> int:
    return bench.seen.last_seq


class Charger:
    """One station under judgement, its meter beside it. Asks and hands are version-neutral."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.spec: ChargingStation = bench.lab.site.station(name)
        self.evse = self.spec.model.evses[0].id
        point = next((m for m in bench.lab.meters if m.station == name), None)
        self.meter = Instrument(bench, point, name, self.spec.model.standby_w / self.spec.model.voltage_v)
        self.token = TOKEN

    @property
    def dc(self) -> bool:
        return self.spec.evse(self.evse).dc

    @property
    def phases(self) -> int:
        return self.spec.evse(self.evse).phases

    @property
    def max_a(self) -> float:
        """The most its outlet may draw, A per phase."""
        return min(self.spec.evse(self.evse).max_a, self.spec.max_a)

    @property
    def profile(self) -> StationModel:
        """The device profile: declared capabilities and tolerances."""
        return self.spec.model

    @property
    def seen(self) -> StationSeen:
        return self.bench.seen.stations[self.name]

    @property
    def spoken(self) -> str:
        """The OCPP version it spoke last, before it ever did the one declared."""
        return self.seen.version or self.spec.ocpp

    @property
    def entrance(self) -> Entrance:
        """How it gets in: the words of security cases."""
        from chargekit.judge.entrance import Entrance

        return Entrance(self)

    @property
    def transaction(self) -> TxSeen | None:
        return self.seen.running(self.evse)

    # --- hands --------------------------------------------------------------------------------------------------

    async def hand(self, to: str, verb: str, **args: Any) -> None:
        await self.bench.hand(to, verb, **args)

    async def plug(self, vehicle: str = VEHICLE, soc_percent: float = 20.0) -> None:
        await self.hand(PLANT, "plug", station=self.name, evse=self.evse, vehicle=vehicle, soc_percent=soc_percent)

    async def unplug(self) -> None:
        await self.hand(PLANT, "unplug", station=self.name, evse=self.evse)

    async def present(self, token: str | None = None) -> None:
        self.token = token or self.token
        await self.hand(self.name, "present", token=self.token, evse=self.evse)

    async def pilot_fault(self, fault: bool) -> None:
        """Let the vehicle's side of the control pilot fail, or mend it."""
        await self.hand(PLANT, "set_cp_state", station=self.name, evse=self.evse, state="E" if fault else "none")

    async def press_stop(self) -> None:
        await self.hand(self.name, "press_stop", evse=self.evse)

    async def power_cut(self, for_s: float = 20.0) -> None:
        await self.hand(self.name, "power_off")
        await self.bench.seen.sleep(for_s)
        await self.hand(self.name, "power_on")

    async def cut_link(self) -> None:
        await self.hand(self.name, "link_cut")

    async def mend_link(self) -> None:
        await self.hand(self.name, "link_mended")

    async def refuse(self, message: str, times: int) -> None:
        """The CSMS answers the next so many messages of a kind of `wire.messages` with an error."""
        if "refuse" not in self.bench.lab.rig.can:
            raise NotApplicable("the controller is not ours: its answers can't be chosen")
        await self.hand(CSMS, "refuse", station=self.name, message=message, times=times)

    async def limit_outside(self, amps: float | None, source: str = "EMS", evse: int = 0) -> None:
        """Set an external limit, A per phase, on an EVSE or (0) the station; None releases it."""
        await self.hand(self.name, "external_limit", evse=evse, limit_a=amps, source=source)

    @property
    def tells_limits(self) -> bool:
        """Whether its protocol has words for external limits."""
        return self.seen.tells(LimitImposed)

    # --- asks ---------------------------------------------------------------------------------------------------

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a command (a name of `wire.messages`) and wait for its outcome. Failed when none comes."""
        if "command" not in self.bench.lab.rig.can:
            raise NotApplicable("the controller is not ours: no command can be sent")
        ask = f"ask-{self.bench.count}"
        self.bench.count += 1
        await self.hand(CSMS, "command", station=self.name, ask=ask, command={"kind": kind, **fields})
        replies = self.bench.seen.replies
        if not await self.bench.seen.until(lambda: ask in replies, REPLY_S):
            raise Failed(f"{self.name} did not answer {kind} within {REPLY_S:g} s")
        reply = replies[ask]
        if reply.get("unsaid"):
            raise NotApplicable(f"the version of {self.name} can't say it: {reply['why']}")
        if not reply["status"]:
            raise Failed(f"{self.name} did not answer {kind}: {reply.get('why', '')}")
        return reply

    async def set_profile(
        self, *, periods: Sequence[tuple[float, float]], purpose: str = "TxProfile", id: int = 1, number_phases: int | None = None,
        evse: int | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Install a profile that starts now; `periods` are (start s, A per phase), `evse` the charger's own unless given. Failed unless it
        is accepted."""
        profile: dict[str, Any] = {
            "id": id, "purpose": purpose, "kind": "Absolute", "start": self.bench.now - 2.0,
            "periods": [{"start_s": s, "limit": a, "number_phases": number_phases} for s, a in periods], **more,
        }  # fmt: skip
        if purpose == "TxProfile":
            profile["transaction"] = "current"
        evse = 0 if purpose == "ChargingStationMaxProfile" else self.evse if evse is None else evse
        reply = await self.ask("SetProfile", evse=evse, profile=profile)
        if reply["status"] != "Accepted":
            raise Failed(f"{self.name} answered {reply['status']} to a {purpose} it should accept", [self.bench.seen.last_seq])

    async def clear(self, **which: Any) -> None:
        """Clear profiles by `id`, or by `evse`, `purpose` and `stack_level`. Failed unless it is accepted."""
        reply = await self.ask("ClearProfile", **which)
        if reply["status"] != "Accepted":
            raise Failed(f"{self.name} answered {reply['status']} to clearing a profile it has", [self.bench.seen.last_seq])

    async def configure(self, **settings: float) -> None:
        """Change settings by the names of `Setting`, in lower case. NotApplicable, naming it, where the version has none."""
        for name, value in settings.items():
            key = key_of(self.seen.version, Setting[name.upper()])
            if not key:
                raise NotApplicable(f"the version {self.name} speaks has no setting {name}")
            reply = await self.ask("SetKey", key=key, value=f"{value:g}")
            if reply["status"] not in ("Accepted", "RebootRequired"):
                raise Unclear(f"{self.name} answered {reply['status']} to the setting {key}, which this case needs")

    async def set_limit(self, amps: float) -> None:
        """Limit the running transaction, from now on."""
        await self.set_profile(periods=[(0.0, amps)])

    async def reserve(self, id: int, token: str, for_s: float) -> None:
        """Reserve the EVSE for a token, from now on for so many seconds. Failed unless it is accepted."""
        reply = await self.ask("ReserveNow", evse=self.evse, id=id, token=token, until=self.bench.now + for_s)
        if reply["status"] != "Accepted":
            raise Failed(f"{self.name} answered {reply['status']} to a reservation of a free EVSE", [self.bench.seen.last_seq])

    # --- states -------------------------------------------------------------------------------------------------

    async def expect(self, holds: Any, within_s: float, what: str) -> None:
        """Failed, saying what was expected and the status last seen, unless it comes true in time."""
        if not await self.bench.seen.until(holds, within_s):
            status = self.seen.status.get(self.evse)
            shown = f"status {status}" if status else "no status"
            link = "online" if self.seen.online else "offline"
            raise Failed(f"{self.name}: {what} did not come within {within_s:g} s; last seen {link}, {shown}", [self.bench.seen.last_seq])

    async def booted(self) -> None:
        await self.expect(
            lambda: self.seen.online and len(self.seen.status) >= len(self.spec.model.evses),
            self.profile.power_up_s + 120.0,
            "a connection and the status of every connector",
        )
        await self.bench.seen.sleep(1.0)

    async def charging(self, vehicle: str, token: str, soc_percent: float) -> None:
        await self.plug(vehicle, soc_percent)
        await self.present(token)
        await self.expect(lambda: self.transaction is not None, 60.0, "the start of a transaction")
        await self.expect(lambda: self.seen.running(self.evse) is not None and self.transaction.tx is not None, 30.0, "its id")  # type: ignore[union-attr]


class Bench:
    """Everything a case may touch. `measure` collects typed figures; the verdict follows from them and from what is raised."""

    def __init__(self, lab: Lab, subject: str, requires: frozenset[str]) -> None:
        self.lab, self.subject, self.requires = lab, subject, requires
        self.seen = Witnessed(lab)
        self.measured: list[Measured] = []
        self.evidence: list[int] = []
        # On a bench that stands, replies to earlier cases were witnessed, too.
        self.count = len(self.seen.replies) and len(lab.history.records)

    @property
    def now(self) -> float:
        return self.lab.world.now

    async def sleep(self, seconds: float) -> None:
        await self.seen.sleep(seconds)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Meanwhile the bench reads stations' meters every 5 s: for long stretches in which none of their seconds is judged."""
        self.lab.read_every(REST_EVERY_S)
        try:
            yield
        finally:
            self.lab.read_every(self.lab.plan.meter_every_s)

    async def rest(self, seconds: float) -> None:
        """Sleep so long, resting, and awake for the last seconds: readings are fresh at its end."""
        with self.resting():
            await self.sleep(max(0.0, seconds - REST_EVERY_S))
        await self.sleep(min(seconds, REST_EVERY_S))

    async def hand(self, to: str, verb: str, **args: Any) -> None:
        try:
            await self.lab.rig.do(to, verb, args)
        except LookupError as why:
            raise NotApplicable(str(why)) from None

    def measure(self, one: Measured, records: Sequence[int] = ()) -> None:
        """Keep a figure with the records it rests on. Failed at once when it is out of bounds beyond uncertainty."""
        self.measured.append(one)
        self.evidence.extend(records)
        if one.verdict is Verdict.FAIL:
            bound = f"at most {one.at_most:g}" if one.at_most is not None and one.value > one.at_most else f"at least {one.at_least:g}"
            raise Failed(f"{one.name} was {one.value:.2f} {one.unit}, {bound} {one.unit} expected", records)

    def check_bound(self, before_a: float, limit_a: float, what: str) -> None:
        """Unclear unless the limit is well below what flowed: a limit that never bound proves nothing."""
        if before_a < limit_a + 1.0:
            raise Unclear(f"{what} of {limit_a:g} A never bound: only {before_a:.1f} A flowed before it")

    async def reach(
        self, state: str, *, vehicle: str = VEHICLE, token: str = TOKEN, soc_percent: float = 20.0, charger: Charger | None = None
    ) -> Charger:
        """Bring a charger to a reusable state (OCPP 2.0.1 part 6): Booted, EVConnected, Authorized or EnergyTransferStarted."""
        one = charger or Charger(self, self.subject)
        await one.booted()
        if state == "EVConnected":
            await one.plug(vehicle, soc_percent)
        elif state == "Authorized":
            await one.present(token)
            await one.expect(lambda: token in one.seen.tokens, 30.0, "an Authorize request")
        elif state == "EnergyTransferStarted":
            await one.charging(vehicle, token, soc_percent)
            await one.meter.draws(FLOWS_A, 90.0)
            await self.sleep(5.0)
        elif state != "Booted":
            raise ValueError(f"no reusable state is named {state!r}")
        return one

    async def answer_token(self, token: str, status: str, *, group: str = "", until: float | None = None) -> None:
        """What the CSMS is to answer for a token: its status, the group it belongs to, when it expires (run s)."""
        if "authorise" not in self.lab.rig.can:
            raise NotApplicable("the controller is not ours: its answers can't be chosen")
        more = ({"group": group} if group else {}) | ({} if until is None else {"until": until})
        await self.hand(CSMS, "authorise", token=token, status=status, **more)

    def site(self) -> SiteUnder:
        from chargekit.judge.premises import SiteUnder

        return SiteUnder(self)
