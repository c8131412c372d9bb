"""How each version is told about credentials and security profiles: neutral asks as the commands that version has for them."""

from __future__ import annotations

from typing import Final

from .messages import OtherCommand, SetKey

PRIORITY: Final = "OCPPCommCtrlr.NetworkConfigurationPriority"
_SPOKEN: Final = {"2.0.1": "OCPP20", "2.1": "OCPP21"}


def new_password(version: str, password: str) -> SetKey:
    """The station's password for HTTP Basic authentication (A01; WP A01)."""
    return SetKey("AuthorizationKey" if version == "1.6" else "SecurityCtrlr.BasicAuthPassword", password)


def new_root(version: str, pem: str) -> OtherCommand:
    """A root certificate the station is to trust its CSMS by (M05; WP M05)."""
    kind = "CentralSystemRootCertificate" if version == "1.6" else "CSMSRootCertificate"
    return OtherCommand("InstallCertificate", {"certificateType": kind, "certificate": pem})


def known_roots(version: str) -> OtherCommand:
    """Which roots of its CSMS a station has installed: NotFound, or Accepted with their hashes (M03; WP M03)."""
    if version == "1.6":
        return OtherCommand("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"})
    return OtherCommand("GetInstalledCertificateIds", {"certificateType": ["CSMSRootCertificate"]})


def slots(version: str) -> tuple[str, ...]:
    """The keys that tell which network slots are in use; none in 1.6, which has no slots."""
    return () if version == "1.6" else (PRIORITY,)


def new_profile(version: str, profile: int, url: str, slot: int, order: str) -> tuple[SetKey | OtherCommand, ...]:
    """The steps to another security profile (A05; B09 and B10). `url`: where the CSMS is then; `slot`: a free one; `order`: the slots
    in use. In 1.6 the address stays as it is; 2.x takes the profile up after a reboot."""
    if version == "1.6":
        return (SetKey("SecurityProfile", str(profile)),)
    data: dict[str, object] = {
        "ocppVersion": _SPOKEN[version], "ocppTransport": "JSON", "ocppCsmsUrl": url, "messageTimeout": 30, "securityProfile": profile,
        "ocppInterface": "Wired0",
    }  # fmt: skip
    first = OtherCommand("SetNetworkProfile", {"configurationSlot": slot, "connectionData": data})
    return first, SetKey(PRIORITY, ",".join([str(slot), *(one for one in order.split(",") if one)]))


def must_fall_back(version: str) -> bool:
    """Whether a station has to leave a network that can't be reached (B10.FR.03); in 1.6 it only should (WP A05.FR.08)."""
    return version != "1.6"


def needs_reboot(version: str) -> bool:
    """Whether a new profile is only taken up after a reboot (A05.FR.05); 1.6 reconnects by itself (WP A05.FR.06)."""
    return version != "1.6"
