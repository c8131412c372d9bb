"""Flaws of real stations in how they get in: what they present, what they check, and what they make of new credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chargekit.emulator.station import Station
from chargekit.model.points import Defect
from chargekit.model.security import Access

_Base = Station


class SendsNoPassword(Defect, _Base):
    name = "sends-no-password"
    seen = "dials without an Authorization header although it has a password"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        good = super().presents(access)
        return replace(good, profile=0) if good.profile == 1 else good


class DialsInTheClear(Defect, _Base):
    name = "dials-in-the-clear"
    seen = "with security profile 2 it dials without TLS, password and all"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        good = super().presents(access)
        return replace(good, profile=1, url="") if good.profile == 2 else good


class TrustsAnyCsms(Defect, _Base):
    name = "trusts-any-csms"
    seen = "takes whatever certificate the CSMS shows: the verification was left off after development"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        return replace(super().presents(access), lax=frozenset({"path"}))


class IgnoresHostName(Defect, _Base):
    name = "ignores-host-name"
    seen = "takes any certificate of the right authority, whichever host it is for"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        return replace(super().presents(access), lax=frozenset({"name"}))


class IgnoresExpiry(Defect, _Base):
    name = "ignores-expiry"
    seen = "takes an expired certificate, because its clock can't be trusted anyway"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        return replace(super().presents(access), lax=frozenset({"time"}))


class TakesOldTls(Defect, _Base):
    name = "takes-old-tls"
    seen = "connects to a CSMS that speaks only TLS 1.1"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        return replace(super().presents(access), lax=frozenset({"version"}))


class TellsNoSecurityEvent(Defect, _Base):
    name = "tells-no-security-event"
    seen = "keeps security events in its own log and never tells them"
    area, point = "security", "station.tells_event"

    def tells_event(self, event: str) -> bool:
        super().tells_event(event)
        return False


class ShowsNoCertificate(Defect, _Base):
    name = "shows-no-certificate"
    seen = "with security profile 3 it dials over TLS without its certificate"
    area, point = "security", "station.presents"

    def presents(self, access: Access) -> Access:
        good = super().presents(access)
        return replace(good, profile=2, password=b"") if good.profile == 3 else good


class IgnoresNewPassword(Defect, _Base):
    name = "ignores-new-password"
    seen = "accepts a new password and goes on with the old one"
    area, point = "security", "station.kept_password"

    def kept_password(self, value: str) -> str:
        super().kept_password(value)
        return str(self.security()["password"])


class CutsPassword(Defect, _Base):
    name = "cuts-password"
    seen = "keeps only the first 20 characters of a longer password"
    area, point = "security", "station.kept_password"

    def kept_password(self, value: str) -> str:
        return super().kept_password(value)[:20]


class AcceptsShortPassword(Defect, _Base):
    name = "accepts-short-password"
    seen = "takes any password, however short"
    area, point = "security", "station.new_password_fault"

    def new_password_fault(self, value: str) -> str:
        super().new_password_fault(value)
        return ""


class UpgradesOnPaper(Defect, _Base):
    name = "upgrades-on-paper"
    seen = "accepts a higher security profile and goes on connecting as before"
    area, point = "security", "station.network_taken"

    def network_taken(self, change: dict[str, Any]) -> dict[str, Any]:
        held = self.security()
        return {key: held[key] for key in super().network_taken(change)}


class UpgradesWithoutRoot(Defect, _Base):
    name = "upgrades-without-root"
    seen = "accepts a security profile with TLS although it has no root certificate to verify its CSMS by"
    area, point = "security", "station.upgrade_fault"

    def upgrade_fault(self, wanted: int, now: float, password: str = "") -> str:
        good = super().upgrade_fault(wanted, now, password)
        return "" if "no root certificate" in good else good


class NeverGivesUpNetwork(Defect, _Base):
    name = "never-gives-up-network"
    seen = "dials a new network that does not work for ever, and is lost to the old one"
    area, point = "security", "station.gives_up"

    def gives_up(self, attempts_left: int) -> bool:
        super().gives_up(attempts_left)
        return False


class TakesLowerProfile(Defect, _Base):
    name = "takes-lower-profile"
    seen = "goes down to a lower security profile when it is told to"
    area, point = "security", "station.goes_down"

    def goes_down(self, wanted: int) -> bool:
        super().goes_down(wanted)
        return True


SECURITY_DEFECTS: tuple[type[Defect], ...] = (
    SendsNoPassword, DialsInTheClear, TrustsAnyCsms, IgnoresHostName, IgnoresExpiry, TakesOldTls, TellsNoSecurityEvent,
    ShowsNoCertificate,    IgnoresNewPassword, CutsPassword, AcceptsShortPassword, UpgradesOnPaper, UpgradesWithoutRoot, TakesLowerProfile,
    NeverGivesUpNetwork,
)  # fmt: skip
