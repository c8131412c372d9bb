"""The station's link: it registers, keeps alive, sets its clock, and comes back after a loss (1.6 section 4.2; B01 to B04)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chargekit.model.points import point
from chargekit.wire.messages import Alive, BootAnswer
from chargekit.world.events import Closed, Effect, Hangup, Load, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

CSMS = "csms"
BOOT_RETRY_S = 30.0
BOOT_OWN_S = 60.0
"""How long it waits when the CSMS names no interval (B02.FR.07, B03.FR.05)."""
DRAIN_S = 10.0
"""How long a restart waits for the last messages to be delivered (B12.FR.04, FR.05)."""


class Linking:
    """The link of a Station; mixed into it."""

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.dial_wait_s")
    def dial_wait_s(self: Station) -> float:  # type: ignore[misc]
        """How long it waits before it dials again: a minimum, doubled with every failure so many times, and a random part (OCPP 2.0.1
        part 4, 5.3)."""
        doubled = min(self.dialled, int(self.keys["RetryBackOffRepeatTimes"]), 30)
        waits = max(0.1, float(self.keys["RetryBackOffWaitMinimum"]))
        return waits * 2.0**doubled + self.rng.random() * float(self.keys["RetryBackOffRandomRange"])

    @point("station.boot_again_s")
    def boot_again_s(self: Station, interval_s: int) -> float:  # type: ignore[misc]
        """How long it waits with its next boot when it was not accepted (B02.FR.04, FR.07, FR.08; 1.6 section 4.2)."""
        return float(interval_s) if interval_s > 0 else BOOT_OWN_S

    @point("station.tells_all_statuses")
    def tells_all_statuses(self: Station, offline_s: float) -> bool:  # type: ignore[misc]
        """Back online: every connector after more than OfflineThreshold, else those that changed (B04.FR.01, FR.02; 1.6 section 4.9)."""
        return offline_s > float(self.keys["OfflineThreshold"])

    @point("station.answers_rejected")
    def answers_rejected(self: Station) -> bool:  # type: ignore[misc]
        """Whether it obeys a CSMS that rejected it: no (B03.FR.08; 1.6 section 4.2)."""
        return self.registration != "Rejected"

    @point("station.clock_at_start")
    def clock_at_start(self: Station, saved: Mapping[str, Any], factory_s: float) -> tuple[float, bool]:  # type: ignore[misc]
        """How far its clock is ahead of UTC after power-up, s, and whether it was ever set: it runs on in the dark."""
        return float(saved.get("offset", factory_s)), "offset" in saved

    @point("station.corrects_times")
    def corrects_times(self: Station) -> bool:  # type: ignore[misc]
        """Whether what happened before its clock was first set gets its right time (B01.FR.06, E04)."""
        return not self.clock_set

    # --- opening and losing -------------------------------------------------------------------------------------

    def _up(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Powered and awake: sense every outlet, end what a power cut interrupted, call the CSMS."""
        for number, saved in list(self.left.items()):
            self._resume(number, saved, now, out)
        self.left.clear()
        for ref in [ref for ref in self.txids if not self.queue.about(ref)]:
            # Its last message was delivered, and the power went before that was noted.
            del self.txids[ref]
            out.append(Save(f"id/{ref}", None))
        for number in self.outlets:
            out.append(Load(number, False, 0.0))
        self.plan_aligned(now)
        self.plan_expiry(now)
        if "security" in self.memory:
            self.security_event("StartupOfTheDevice" if self.reason == "PowerUp" else "ResetOrReboot", "", now, out)
            self.choose_network(out)
        self.dial_out(now, out)

    def _opened(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self.online, self.dialled, self.sending = True, 0, False
        self.timers.pop("dial", None)
        self._aged(self.store.online(self.own(now)), now, out)
        self.came_through(now, out)
        if not self.accepted:
            if self.boot_at > now:
                self.timers["boot"] = self.boot_at
            else:
                self._boot(now, out)
            return
        if self.tells_all_statuses(now - self.offline_since):
            for outlet in self.outlets.values():
                outlet.shown.clear()
        self._greet(now, out)

    def _greet(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self.show_changed(now, out)
        self.tell_owed(now, out)
        self.tell_external(now, out)
        self._next_message(now, out)
        self._plan_beat(now)
        self.resume(now)

    def _closed(self: Station, event: Closed, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if not self.online:
            self.not_reached(event, now, out)
        else:
            self.online = False
            self.offline_since = now
            self._happened(self.session.lost(now), now, out)
            self.sending = False
            for name in ("beat", "boot", "retry"):
                self.timers.pop(name, None)
            self.link_lost(now, out)
            self.store.offline(self.own(now))
            self._aged(False, now, out)
        self.timers["dial"] = now + self.dial_wait_s()
        self.dialled += 1

    # --- registering --------------------------------------------------------------------------------------------

    def _boot(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if not self.online:
            return
        fact = self.boot_fact(self.reason)
        if fact is None:
            self.accepted, self.registration = True, "Accepted"
            self._greet(now, out)
            return
        self.timers.pop("boot", None)
        self.call(fact, now, "boot")

    def _booted(self: Station, answer: BootAnswer, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self._set_clock(answer.at, now, out)
        self.registration = answer.status
        if answer.status != "Accepted":
            self.accepted = False
            self.boot_at = self.timers["boot"] = now + self.boot_again_s(answer.interval_s)
            return
        if answer.interval_s > 0:
            self.keys["HeartbeatInterval"] = str(answer.interval_s)
        again, self.accepted, self.boot_at = self.accepted, True, 0.0
        self.reason = "PowerUp"
        out.append(Save("reason", None))
        if not again:
            for outlet in self.outlets.values():
                outlet.shown.clear()
            if not self.flag("0"):
                self.tell_station(now)
        self._greet(now, out)
        self.readied(now, out)

    def _beat(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        if self.online and self.accepted:
            self.call(Alive(), now, "beat")
            self._plan_beat(now)

    def _plan_beat(self: Station, now: float) -> None:  # type: ignore[misc]
        self.timers["beat"] = now + max(1.0, float(self.keys["HeartbeatInterval"]))

    def _set_clock(self: Station, at: float, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        first, self.clock_set = self.corrects_times(), True
        shift = at - self.own(now)
        if self.keeps_clock or abs(shift) <= 1.0:
            return
        self.offset = at - now
        out.append(Save("offset", self.offset))
        if first:
            out.extend(self.queue.shift(shift))
            for outlet in self.outlets.values():
                if outlet.tx is not None:
                    outlet.tx.started += shift
                    for row in outlet.tx.kept:
                        row["timestamp"] = self.calendar.iso(self.calendar.parse(row["timestamp"]) + shift)
                    out.append(Save(f"tx/{outlet.evse.id}", outlet.tx.to_json()))
        self.plan_aligned(now)
        self.plan_expiry(now)
        for outlet in self.outlets.values():
            self.refresh(outlet, now, out)

    # --- restarting ---------------------------------------------------------------------------------------------

    def reboot(self: Station, reason: str, now: float, out: list[Effect], *, boot: str = "RemoteReset", wait: bool = True) -> None:  # type: ignore[misc]
        """Restart by command: transactions end, their last messages are delivered, then the link closes and everything starts anew.
        Without `wait` they are only kept, and delivered after the start."""
        self.sending = self.sending or not wait
        for outlet in self.outlets.values():
            self.end(outlet, reason, now, out, "ResetCommand")
        self.closing, self.reason = True, boot
        out.append(Save("reason", boot))
        for name in [n for n in self.timers if n not in ("retry", "dial")]:
            del self.timers[name]
        self.timers["reboot"] = now + DRAIN_S
        if not wait:
            self._restart(now, out)

    def drained(self: Station) -> bool:  # type: ignore[misc]
        """Whether a restart has nothing more to wait for."""
        return not self.online or not self.accepted or (not self.queue.entries and self.session.idle)

    def _restart(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        self._flush(out)
        self.session.lost(now)
        self.in_flight.clear()
        self.online = self.accepted = self.sending = self.closing = False
        self.registration, self.boot_at = "", 0.0
        self.forget_reset()
        for outlet in self.outlets.values():
            outlet.resetting = False
            outlet.shown.clear()
            self.settle(outlet, now, out)
        out.append(Hangup(CSMS, 1001, "restart"))
        self.timers = {"up": now + self.spec.model.power_up_s}
