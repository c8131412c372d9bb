"""How a station keeps its security profile: with what it dials, what it tells of failures, and how it changes profile or credentials.

In non-volatile memory, by name (a lab may put them there before the first power-up, A00.FR.004):
`security`: profile, url, password, organisation, root_check, slots, priority, active; `security/roots`: list of {type, pem};
`security/identity`: {certificate, key}, `security/v2g` likewise; `security/events`: what is still to be told; `security/log`;
`security/trial`: what to go back to when new credentials do not work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from chargekit.emulator import certificates
from chargekit.emulator.certificates import Certificate, time_fault
from chargekit.emulator.services import Payload, heard, job
from chargekit.model.points import point
from chargekit.model.security import Access, event_name, password_fault, spoken_password, upgrade_fault
from chargekit.wire.fields import iso
from chargekit.wire.messages import Reply, SetKey
from chargekit.world.events import Closed, Dial, Effect, Hangup

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

CSMS: Final = "csms"
ATTEMPTS: Final = 3
"""NetworkProfileConnectionAttempts where nothing else was set; also for new credentials of 1.6."""
MOST_EVENTS, MOST_LOGGED, MOST_ROOTS, LONGEST_CHAIN = 50, 200, 10, 10_000
SLOTS: Final = ("1", "2", "3")
SOON_S: Final = 0.1
"""A job begun by another: time must pass between the two."""
LATER_S: Final = 1.0
"""Between the answer to a change and the new connection."""
ORGANISATION: Final = "chargekit lab"
CSMS_ROOT: Final = "CSMSRootCertificate"
_FAULTS: Final = {
    "certificate": "InvalidCsmsCertificate", "version": "InvalidTLSVersion", "cipher": "InvalidTLSCipherSuite",
    "credentials": "FailedToAuthenticateAtCsms",
}  # fmt: skip
_ACCEPTED, _REJECTED = Reply("Accepted"), Reply("Rejected")


class Securing:
    """Mixed into Station."""

    # --- decisions ----------------------------------------------------------------------------------------------

    @point("station.presents")
    def presents(self: Station, access: Access) -> Access:  # type: ignore[misc]
        """With what it dials where it has a security profile: all that the profile asks for (A00.FR.204, 307, 402)."""
        return access

    @point("station.new_password_fault")
    def new_password_fault(self: Station, value: str) -> str:  # type: ignore[misc]
        """Why it does not take a new password; "" if it does (A00.FR.205)."""
        return password_fault(value, self.spec.ocpp)

    @point("station.kept_password")
    def kept_password(self: Station, value: str) -> str:  # type: ignore[misc]
        """What it keeps of a password it acknowledged (A01.FR.02)."""
        return value

    @point("station.goes_down")
    def goes_down(self: Station, wanted: int) -> bool:  # type: ignore[misc]
        """Whether it goes to a lower security profile when it is told to: no (A05.FR.02, B09.FR.04)."""
        return False

    @point("station.network_taken")
    def network_taken(self: Station, change: dict[str, Any]) -> dict[str, Any]:  # type: ignore[misc]
        """What it uses of a security profile, and of a network, that it acknowledged (A05.FR.05)."""
        return change

    @point("station.gives_up")
    def gives_up(self: Station, attempts_left: int) -> bool:  # type: ignore[misc]
        """Whether it leaves a network that does not answer for the next one, or for what worked before (B10.FR.03; WP A05.FR.08)."""
        return attempts_left < 1

    @point("station.tells_event")
    def tells_event(self: Station, event: str) -> bool:  # type: ignore[misc]
        """Whether the CSMS hears of a security event (A04.FR.02)."""
        return True

    # --- what it holds ------------------------------------------------------------------------------------------

    def security(self: Station) -> dict[str, Any]:  # type: ignore[misc]
        """A copy of the settings, whole: what was never set has its default."""
        held: Mapping[str, Any] = self.memory.get("security", {})
        base = {
            "profile": 0, "url": "", "password": "", "organisation": ORGANISATION, "root_check": False, "priority": "1", "active": "1",
            "slots": {"1": {"securityProfile": held.get("profile", 0), "ocppCsmsUrl": held.get("url", "")}},
            "attempts": ATTEMPTS, "sign_wait_s": 60, "sign_times": 3,
        }  # fmt: skip
        return {**base, **held}

    def roots(self: Station, kind: str = CSMS_ROOT) -> list[Certificate]:  # type: ignore[misc]
        """The installed certificates of a kind ("" for all), as read."""
        held = self.memory.get("security/roots", [])
        return [one for row in held if kind in ("", row["type"]) for one in certificates.read(row["pem"])[:1]]

    def own_certificate(self: Station) -> Certificate | None:  # type: ignore[misc]
        found = certificates.read(self.memory.get("security/identity", {}).get("certificate", ""))
        return found[0] if found else None

    # --- dialling -----------------------------------------------------------------------------------------------

    def access(self: Station) -> Access | None:  # type: ignore[misc]
        """With what it dials; None without any security, to where it always did."""
        held = self.security()
        profile = held["profile"]
        rows = [row for row in self.memory.get("security/roots", []) if row["type"] == CSMS_ROOT]
        if profile == 0 and not held["url"] and not rows:
            return None
        new = [row["pem"] for row in rows if not row.get("fallback")]
        # M05.FR.14: the old root only after the new one failed.
        pems = [row["pem"] for row in rows if row.get("fallback")] if self.on_fallback and len(new) < len(rows) else new
        own = self.memory.get("security/identity", {}) if profile == 3 else {}
        password = spoken_password(held["password"], self.spec.ocpp) if profile in (1, 2) else b""
        return Access(profile, held["url"], password, tuple(pems), own.get("certificate", ""), own.get("key", ""))

    def dial_out(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        access = self.access()
        out.append(Dial(CSMS, self.presents(access) if access is not None else None))

    def came_through(self: Station, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """The link is up: what was on trial stays, what was kept to go back to goes (A05.FR.06, M05.FR.13)."""
        if "security/trial" in self.memory:
            self.keep("security/trial", None, out)
            held = self.security()
            slots = {s: d for s, d in held["slots"].items() if d["securityProfile"] >= held["profile"]}
            order = [s for s in held["priority"].split(",") if s in slots]
            self.keep("security", held | {"slots": slots, "priority": ",".join(order) or held["active"]}, out)
        rows = self.memory.get("security/roots", [])
        if not self.on_fallback and any(row.get("fallback") for row in rows) and self.security()["profile"] >= 2:
            self.keep("security/roots", [row for row in rows if not row.get("fallback")], out)
        self.on_fallback = False

    def not_reached(self: Station, event: Closed, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Dialling failed: a security event where security was why, and back to what worked after so many attempts."""
        if event.fault:
            self.security_event(_FAULTS[event.fault], event.reason, now, out)
        if event.fault == "certificate" and any(row.get("fallback") for row in self.memory.get("security/roots", [])):
            self.on_fallback = not self.on_fallback
        trial = self.memory.get("security/trial")
        if trial is None:
            return
        left = trial["left"] - 1
        if not self.gives_up(left):
            self.keep("security/trial", trial | {"left": left}, out)
        elif trial["next"]:
            self._take_slot(trial["next"][0], trial | {"next": trial["next"][1:]}, out)
        else:
            # A05.FR.08 of the white paper, B10.FR.07.
            self.keep("security", trial["security"], out)
            self.keep("security/identity", trial["identity"], out)
            self.keep("security/trial", None, out)

    def on_trial(self: Station, out: list[Effect], *, following: tuple[str, ...] = ()) -> None:  # type: ignore[misc]
        """Remember what works, before it is changed."""
        before = {"security": self.security(), "identity": self.memory.get("security/identity")}
        self.keep("security/trial", before | {"left": self.security()["attempts"], "next": list(following)}, out)

    def choose_network(self: Station, out: list[Effect]) -> None:  # type: ignore[misc]
        """After a reboot the first entry of NetworkConfigurationPriority is tried first (A05.FR.05, B10.FR.04)."""
        held = self.security()
        order = [s for s in held["priority"].split(",") if s in held["slots"]]
        if self.spec.ocpp != "1.6" and order and order[0] != held["active"] and "security/trial" not in self.memory:
            self.on_trial(out)
            self._take_slot(order[0], self.memory["security/trial"] | {"next": order[1:]}, out)

    def _take_slot(self: Station, slot: str, trial: dict[str, Any], out: list[Effect]) -> None:  # type: ignore[misc]
        held = self.security()
        data = held["slots"].get(slot, {})
        change = {"profile": data.get("securityProfile", held["profile"]), "url": data.get("ocppCsmsUrl", ""), "active": slot}
        if data.get("basicAuthPassword"):
            change["password"] = data["basicAuthPassword"]
        self.keep("security", held | self.network_taken(change), out)
        self.keep("security/trial", trial | {"left": held["attempts"]}, out)

    def resume(self: Station, now: float) -> None:  # type: ignore[misc]
        """What security had in hand before the power or the link went."""
        self.telling = False
        for name, timer in (("next", "switch"), ("signing", "sign"), ("identity", "renew"), ("v2g", "ocsp")):
            if f"security/{name}" in self.memory:
                self.timers.setdefault(f"job/{timer}", now + SOON_S)
        self.tell_events(now)

    def redial(self: Station, now: float) -> None:  # type: ignore[misc]
        """Reconnect with what is set now, once the answer is out."""
        self.timers["job/redial"] = now + LATER_S

    # --- settings -----------------------------------------------------------------------------------------------

    def security_keys(self: Station) -> dict[str, str]:  # type: ignore[misc]
        """The settings that can be read; the password can't (WP 7.2, BasicAuthPassword is WriteOnly)."""
        held = self.security()
        check, entries = ("true" if held["root_check"] else "false"), str(len(self.memory.get("security/roots", [])))
        if self.spec.ocpp == "1.6":
            return {
                "SecurityProfile": str(held["profile"]), "CpoName": held["organisation"], "AdditionalRootCertificateCheck": check,
                "CertificateStoreMaxLength": str(MOST_ROOTS), "CertificateSignedMaxChainSize": str(LONGEST_CHAIN),
            }  # fmt: skip
        return {
            "SecurityCtrlr.SecurityProfile": str(held["profile"]), "SecurityCtrlr.OrganizationName": held["organisation"],
            "SecurityCtrlr.Identity": self.spec.id, "SecurityCtrlr.AdditionalRootCertificateCheck": check,
            "SecurityCtrlr.CertificateEntries": entries, "SecurityCtrlr.MaxCertificateChainSize": str(LONGEST_CHAIN),
            "SecurityCtrlr.CertSigningWaitMinimum": str(held["sign_wait_s"]),
            "SecurityCtrlr.CertSigningRepeatTimes": str(held["sign_times"]),
            "OCPPCommCtrlr.NetworkConfigurationPriority": held["priority"], "OCPPCommCtrlr.ActiveNetworkProfile": held["active"],
            "OCPPCommCtrlr.NetworkProfileConnectionAttempts": str(held["attempts"]),
        }  # fmt: skip

    def set_security(self: Station, command: SetKey, now: float, out: list[Effect]) -> Reply | None:  # type: ignore[misc]
        """Change a setting of security; None: it is none."""
        old = self.spec.ocpp == "1.6"
        value = command.value
        match command.key:
            case "AuthorizationKey" if old:
                return self._set_password(value, now, out)
            case "SecurityCtrlr.BasicAuthPassword" if not old:
                return self._set_password(value, now, out)
            case "SecurityProfile" if old:
                return self._set_profile_16(value, now, out)
            case "CpoName" if old:
                return self._set_text("organisation", value, out)
            case "SecurityCtrlr.OrganizationName" if not old:
                return self._set_text("organisation", value, out)
            case "OCPPCommCtrlr.NetworkConfigurationPriority" if not old:
                return self._set_priority(value, now, out)
            case "OCPPCommCtrlr.NetworkProfileConnectionAttempts" if not old:
                return self._set_whole("attempts", value, 1, 100, out)
            case "SecurityCtrlr.CertSigningWaitMinimum" if not old:
                return self._set_whole("sign_wait_s", value, 1, 86_400, out)
            case "SecurityCtrlr.CertSigningRepeatTimes" if not old:
                return self._set_whole("sign_times", value, 0, 100, out)
            case key if key in self.security_keys():
                return _REJECTED
            case _:
                return None

    def _set_text(self: Station, name: str, value: str, out: list[Effect]) -> Reply:  # type: ignore[misc]
        if not (0 < len(value) <= 64 and value.isprintable()):
            return _REJECTED
        self.keep("security", self.security() | {name: value}, out)
        return _ACCEPTED

    def _set_whole(self: Station, name: str, value: str, least: int, most: int, out: list[Effect]) -> Reply:  # type: ignore[misc]
        if not (value.isascii() and value.isdigit() and len(value) < 8 and least <= int(value) <= most):
            return _REJECTED
        self.keep("security", self.security() | {name: int(value)}, out)
        return _ACCEPTED

    def _set_password(self: Station, value: str, now: float, out: list[Effect]) -> Reply:  # type: ignore[misc]
        """A01: kept, told nowhere, and used from the next connection on, which comes at once."""
        if self.new_password_fault(value):
            return _REJECTED
        held = self.security()
        self.keep("security", held | {"password": self.kept_password(value)}, out)
        self.security_event("ReconfigurationOfSecurityParameters", "password changed", now, out)
        if held["profile"] in (1, 2):
            self.redial(now)
        return _ACCEPTED

    def _set_profile_16(self: Station, value: str, now: float, out: list[Effect]) -> Reply:  # type: ignore[misc]
        """WP A05: only upwards, only with everything it needs, back again if it does not work."""
        held = self.security()
        wanted = int(value) if value.isascii() and value.isdigit() and len(value) == 1 else -1
        if wanted == held["profile"] or self.upgrade_fault(wanted, now):
            return _REJECTED
        self.on_trial(out)
        taken = {"profile": wanted, "slots": {"1": {"securityProfile": wanted, "ocppCsmsUrl": held["url"]}}}
        self.keep("security", held | self.network_taken(taken), out)
        self.security_event("ReconfigurationOfSecurityParameters", f"security profile {wanted}", now, out)
        self.redial(now)
        return _ACCEPTED

    def _set_priority(self: Station, value: str, now: float, out: list[Effect]) -> Reply:  # type: ignore[misc]
        """A05.FR.02 to 04, B10.FR.01 and 02: every slot named is there, not lower, and has what it needs."""
        held = self.security()
        order = [s.strip() for s in value.split(",")]
        if len(set(order)) != len(order) or any(s not in held["slots"] for s in order):
            return Reply("Rejected", "InvalidConfSlot")
        for slot in order:
            data = held["slots"][slot]
            if self.upgrade_fault(data["securityProfile"], now, data.get("basicAuthPassword", "")):
                return Reply("Rejected", "InvalidNetworkConf")
        self.keep("security", held | {"priority": ",".join(order)}, out)
        self.security_event("ReconfigurationOfSecurityParameters", f"network configuration priority {','.join(order)}", now, out)
        return _ACCEPTED

    @point("station.upgrade_fault")
    def upgrade_fault(self: Station, wanted: int, now: float, password: str = "") -> str:  # type: ignore[misc]
        """Why it can't use a profile; "" if it can."""
        held, at = self.security(), self.calendar.utc(self.own(now))
        own = self.own_certificate()
        down = wanted < held["profile"] and self.goes_down(wanted)
        return upgrade_fault(
            wanted if down else held["profile"], wanted,
            password=not password_fault(password or held["password"], self.spec.ocpp),
            root=any(not time_fault(root, at) for root in self.roots()),
            certificate=own is not None and not time_fault(own, at),
        )  # fmt: skip

    # --- events -------------------------------------------------------------------------------------------------

    def security_event(self: Station, event: str, info: str, now: float, out: list[Effect]) -> None:  # type: ignore[misc]
        """Log an event and tell it as soon as there is a link (A04.FR.02, 04); the same one still waiting is not told twice."""
        name = event_name(event, self.spec.ocpp)
        stamp = iso(self.calendar, self.own(now))
        row = {"type": name, "timestamp": stamp, "techInfo": info[:255]}
        self.keep("security/log", [*self.memory.get("security/log", []), row][-MOST_LOGGED:], out)
        waiting = self.memory.get("security/events", [])
        if not self.tells_event(event):
            return
        if len(waiting) >= MOST_EVENTS or any(e["type"] == name and e["techInfo"] == row["techInfo"] for e in waiting):
            return
        self.keep("security/events", [*waiting, row], out)
        self.tell_events(now)

    def tell_events(self: Station, now: float) -> None:  # type: ignore[misc]
        """Tell the first event that waits."""
        waiting = self.memory.get("security/events")
        if waiting and not self.telling and self.ask("SecurityEventNotification", _said(waiting[0]), now, "security_event"):
            self.telling = True


def _said(row: Payload) -> Payload:
    return row if row["techInfo"] else {"type": row["type"], "timestamp": row["timestamp"]}


@heard("security_event")
def told(station: Station, payload: Payload | None, now: float, out: list[Effect]) -> None:
    """An event is delivered when it was answered; otherwise it waits for the next connection."""
    station.telling = False
    if payload is not None:
        station.keep("security/events", station.memory.get("security/events", [])[1:] or None, out)
        station.tell_events(now)


@job("redial")
def redial(station: Station, now: float, out: list[Effect]) -> None:
    if station.online:
        out.append(Hangup(CSMS, 1000, "new credentials"))
