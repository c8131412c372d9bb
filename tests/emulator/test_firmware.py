"""Firmware and logs: the statuses in their order, for every version and every location that fails (L01 to L04, N01, 1.6 6.10 and 6.19)."""

import pytest
from tests.emulator.desk import Desk, at

from chargekit.world.events import Closed

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
SIGNED = {"signingCertificate": PEM, "signature": "c2lnbmF0dXJl"}
all_versions = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
TELLS = {"UpdateFirmware": "FirmwareStatusNotification", "SignedUpdateFirmware": "SignedFirmwareStatusNotification"}

UNVERIFIED = ["Downloading", "Downloaded", "Installing", "InstallVerificationFailed"]
GOOD = ["Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed"]
WAY = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed"]
CASES = [
    ("UpdateFirmware", "1.6", "ftp://host/fw-1.2.3.bin", {}, ["Downloading", "Downloaded", "Installing", "Installed"]),
    ("UpdateFirmware", "1.6", "ftp://files.invalid/fw.bin", {}, ["Downloading", "DownloadFailed"]),
    ("UpdateFirmware", "1.6", "gopher://host/fw.bin", {}, ["Downloading", "DownloadFailed"]),
    ("UpdateFirmware", "1.6", "ftp://unverified.host/fw.bin", {}, ["Downloading", "Downloaded", "Installing", "InstallationFailed"]),
    ("SignedUpdateFirmware", "1.6", "https://host/fw-1.2.3.bin", SIGNED, WAY),
    ("SignedUpdateFirmware", "1.6", "https://badsignature.host/fw.bin", SIGNED, ["Downloading", "Downloaded", "InvalidSignature"]),
    ("UpdateFirmware", "2.0.1", "https://host/fw-1.2.3.bin", {}, GOOD),
    ("UpdateFirmware", "2.0.1", "https://host/fw-1.2.3.bin", SIGNED, WAY),  # L01.FR.01
    ("UpdateFirmware", "2.0.1", "https://host/fw.bin", {**SIGNED, "signature": "???"}, ["Downloading", "Downloaded", "InvalidSignature"]),
    ("UpdateFirmware", "2.0.1", "https://files.invalid/fw.bin", SIGNED, ["Downloading", "DownloadFailed"]),  # L01.FR.30
    (
        "UpdateFirmware",
        "2.0.1",
        "https://unverified.host/f.bin",
        {},
        ["Downloading", "Downloaded", "Installing", "InstallVerificationFailed"],
    ),
    ("UpdateFirmware", "2.0.1", "https://uninstallable.host/f.bin", {}, ["Downloading", "Downloaded", "Installing", "InstallationFailed"]),
    ("UpdateFirmware", "2.1", "https://files.invalid/fw.bin", {}, ["Downloading", "DownloadFailed"]),
]


def ask(desk, action, url, more=None, retrieve=0.0, **top):
    if action == "UpdateFirmware" and desk.version == "1.6":
        return desk.ask(action, location=url, retrieveDate=at(retrieve), **top)
    firmware = {"location": url, "retrieveDateTime": at(retrieve), **(more or {})}
    return desk.ask(action, requestId=11, firmware=firmware, **top)


def statuses(desk):
    return [p["status"] for a in TELLS.values() for p in desk.said(a)]


@pytest.mark.parametrize(("action", "version", "url", "more", "way"), CASES)
def test_an_update_goes_its_way(action, version, url, more, way):
    desk = Desk(version)
    answer = ask(desk, action, url, more)
    assert answer == ({} if (action, version) == ("UpdateFirmware", "1.6") else {"status": "Accepted"})
    desk.heard.clear()
    desk.run(200.0)
    told = [(a, p) for a, p in desk.heard if a == TELLS[action]]
    assert [p["status"] for _, p in told] == way
    if answer:
        assert {p["requestId"] for _, p in told} == {11}  # L01.FR.10
    boots = desk.said("BootNotification")
    if way[-1] == "Installed":
        boot = boots[-1]
        assert boot.get("firmwareVersion", boot.get("chargingStation", {}).get("firmwareVersion")) == "1.2.3"
        assert boot.get("reason") == (None if version == "1.6" else "FirmwareUpdate")
    else:
        assert boots == []
    events = [p["type"] for p in desk.said("SecurityEventNotification")]
    expected = {"Installed": ["FirmwareUpdated"], "InvalidSignature": ["InvalidFirmwareSignature"]}.get(way[-1], [])
    assert events == ([] if (action, version) == ("UpdateFirmware", "1.6") else expected)  # L01.FR.03, FR.31


@all_versions
def test_the_new_version_stays(version):
    desk = Desk(version)
    ask(desk, "UpdateFirmware", "https://host/fw-2.0.bin")
    if desk.wired:
        desk.run(200.0)
        assert desk.station.memory["firmware_version"] == "2.0"
        boot = desk.restarted().said("BootNotification")[0]
        assert boot.get("firmwareVersion", boot.get("chargingStation", {}).get("firmwareVersion")) == "2.0"


@two
@pytest.mark.parametrize(
    ("certificate", "url", "status", "event"),
    [
        ("nonsense", "https://host/f", "InvalidCertificate", ["InvalidFirmwareSigningCertificate"]),  # L01.FR.22, FR.02
        (PEM.replace("MIIB", "REVOKED"), "https://host/f", "RevokedCertificate", ["InvalidFirmwareSigningCertificate"]),
        (PEM, "nonsense", "Rejected", []),
        (PEM, "https://[bad/f", "Rejected", []),
    ],
)
def test_what_is_turned_down(version, certificate, url, status, event):
    desk = Desk(version)
    answer = ask(desk, "UpdateFirmware", url, {"signingCertificate": certificate, "signature": "AAAA"})
    assert answer["status"] == status
    desk.run(100.0)
    assert statuses(desk) == []
    assert [p["type"] for p in desk.said("SecurityEventNotification")] == event


@two
def test_it_is_retrieved_and_installed_when_asked(version):
    """L01.FR.13, L01.FR.16."""
    desk = Desk(version)
    ask(desk, "UpdateFirmware", "https://host/f-1.1.bin", {"installDateTime": at(500.0)}, retrieve=100.0)
    desk.run(90.0)
    assert statuses(desk) == ["DownloadScheduled"]
    desk.run(100.0)
    assert statuses(desk) == ["Downloading", "Downloaded", "InstallScheduled"]
    desk.run(320.0)
    assert statuses(desk) == ["Installing"]


@all_versions
def test_it_waits_for_transactions_and_lets_no_new_one_begin(version):
    """L01.FR.06, FR.07, FR.34."""
    desk = Desk(version)
    desk.charge(1)
    ask(desk, "UpdateFirmware", "https://uninstallable.host/f-1.1.bin")
    desk.run(300.0)
    assert statuses(desk) == ["Downloading", "Downloaded"] + (["InstallScheduled"] if version != "1.6" else [])
    assert [o.operative for o in desk.station.outlets.values()] == [True, False]
    desk.stop(1)
    desk.run(60.0)
    assert statuses(desk) == ["Installing", "InstallationFailed"]
    assert all(o.operative for o in desk.station.outlets.values())


@two
def test_retries_are_made_before_it_fails(version):
    desk = Desk(version)
    ask(desk, "UpdateFirmware", "https://files.invalid/f", retries=2, retryInterval=50)
    desk.run(189.0)
    assert statuses(desk) == ["Downloading"]
    desk.run(2.0)
    assert statuses(desk) == ["DownloadFailed"]


@two
def test_a_second_update_cancels_the_first_until_it_installs(version):
    """L01.FR.24, FR.27."""
    desk = Desk(version)
    ask(desk, "UpdateFirmware", "https://uninstallable.host/f")
    desk.run(10.0)
    assert ask(desk, "UpdateFirmware", "https://uninstallable.host/f")["status"] == "AcceptedCanceled"
    desk.run(35.0)
    assert ask(desk, "UpdateFirmware", "https://uninstallable.host/f")["status"] == "Rejected"
    desk.run(60.0)
    assert ask(desk, "UpdateFirmware", "https://uninstallable.host/f")["status"] == "Accepted"


@two
def test_an_update_goes_on_after_a_power_cut(version):
    desk = Desk(version)
    ask(desk, "UpdateFirmware", "https://uninstallable.host/f")
    desk.run(10.0)
    again = desk.restarted()
    again.run(100.0)
    assert statuses(again)[-2:] == ["Installing", "InstallationFailed"]


def test_what_a_trigger_is_answered_with():
    """L01.FR.25, FR.26, N01.FR.13."""
    from chargekit.emulator import services_firmware, services_logs, services_publish

    desk = Desk("2.0.1")
    assert services_firmware.triggered(desk.station) == ("FirmwareStatusNotification", {"status": "Idle"})
    ask(desk, "UpdateFirmware", "https://files.invalid/f")
    desk.run(10.0)
    assert services_firmware.triggered(desk.station)[1] == {"status": "Downloading", "requestId": 11}
    desk.run(100.0)
    assert services_firmware.triggered(desk.station)[1] == {"status": "DownloadFailed", "requestId": 11}
    assert services_logs.triggered(desk.station, "LogStatusNotification")[1] == {"status": "Idle"}
    assert services_publish.triggered(desk.station)[1] == {"status": "Idle"}


# --- publishing ---------------------------------------------------------------------------------------------------

MD5 = "0123456789abcdef0123456789abcdef"


@two
@pytest.mark.parametrize(
    ("url", "checksum", "way"),
    [
        ("https://host/f", MD5, ["Downloading", "Downloaded", "ChecksumVerified", "Published"]),  # L03.FR.09
        ("https://host/f", "short", ["Downloading", "Downloaded", "InvalidChecksum"]),  # L03.FR.07
        ("https://badchecksum.host/f", MD5, ["Downloading", "Downloaded", "InvalidChecksum"]),
        ("https://files.invalid/f", MD5, ["Downloading", "DownloadFailed"]),  # L03.FR.06
    ],
)
def test_publishing(version, url, checksum, way):
    desk = Desk(version)
    assert desk.ask("PublishFirmware", location=url, checksum=checksum, requestId=4) == {"status": "Accepted"}
    assert desk.ask("UnpublishFirmware", checksum=checksum) == {"status": "DownloadOngoing"}  # L04.FR.04
    desk.run(60.0)
    told = desk.said("PublishFirmwareStatusNotification")
    assert [p["status"] for p in told] == way
    if way[-1] == "Published":
        assert len(told[-1]["location"]) == 3  # L03.FR.04
        assert desk.ask("UnpublishFirmware", checksum=checksum) == {"status": "Unpublished"}  # L04.FR.02
    assert desk.ask("UnpublishFirmware", checksum=checksum) == {"status": "NoFirmware"}  # L04.FR.03


# --- logs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "end"), [("ftp://host/up/", "Uploaded"), ("ftp://files.invalid/", "UploadFailed")])
def test_diagnostics(url, end):
    """1.6 section 6.10."""
    desk = Desk("1.6")
    name = desk.ask("GetDiagnostics", location=url)["fileName"]
    assert name.startswith("s1-diagnostics-20260302T000006")
    desk.run(60.0)
    assert [p["status"] for p in desk.said("DiagnosticsStatusNotification")] == ["Uploading", end]
    assert desk.ask("GetDiagnostics", location=url, startTime=at(9e6)) == {}


@all_versions
@pytest.mark.parametrize(
    ("url", "end"),
    [
        ("https://host/", "Uploaded"),  # N01.FR.08, FR.09
        ("https://files.invalid/", "UploadFailure"),  # N01.FR.10
        ("https://denied.host/", "PermissionDenied"),
        ("https://badmessage.host/", "BadMessage"),
        ("https://unsupported.host/", "NotSupportedOperation"),
        ("nonsense", "UploadFailure"),
    ],
)
def test_a_log(version, url, end):
    desk = Desk(version)
    answer = desk.ask("GetLog", requestId=9, logType="SecurityLog", log={"remoteLocation": url})
    assert answer["status"] == "Accepted" and answer["filename"]
    desk.run(60.0)
    assert desk.said("LogStatusNotification") == [{"status": s, "requestId": 9} for s in ("Uploading", end)]


@all_versions
def test_a_second_log_cancels_the_first(version):
    """N01.FR.12, FR.20: 1.6 has no such status to tell."""
    desk = Desk(version)
    for number, status in [(1, "Accepted"), (2, "AcceptedCanceled")]:
        answer = desk.ask("GetLog", requestId=number, logType="DiagnosticsLog", log={"remoteLocation": "https://host/"})
        assert answer["status"] == status
    desk.run(60.0)
    told = [(p["requestId"], p["status"]) for p in desk.said("LogStatusNotification")]
    canceled = [(1, "AcceptedCanceled")] if version != "1.6" else []
    assert told == [(1, "Uploading"), *canceled, (2, "Uploading"), (2, "Uploaded")]


def test_a_log_that_is_not_there():
    """N01.FR.05."""
    log = {"remoteLocation": "https://host/"}
    assert Desk("2.1").ask("GetLog", requestId=1, logType="DataCollectorLog", log=log)["status"] == "Rejected"
    turned = {**log, "oldestTimestamp": at(5.0), "latestTimestamp": at(1.0)}
    assert Desk("2.0.1").ask("GetLog", requestId=1, logType="SecurityLog", log=turned)["status"] == "Rejected"


@two
def test_a_bad_signature_found_without_a_link_is_told_when_it_is_back(version):
    """A04.FR.02: queued like every security event, through a power cut, and logged once; it names no place and no secret."""
    desk = Desk(version)
    ask(desk, "UpdateFirmware", "https://user:secret@badsignature.host/fw.bin", SIGNED)
    desk.run(31.0)
    desk.event(Closed("csms"))
    desk.station.timers.pop("dial", None)
    desk.run(10.0)
    assert desk.said("SecurityEventNotification") == []
    assert [row["type"] for row in desk.station.memory["security/events"]] == ["InvalidFirmwareSignature"]
    desk = desk.restarted()
    told = desk.said("SecurityEventNotification")
    assert [p["type"] for p in told] == ["InvalidFirmwareSignature"] and "secret" not in str(told)
    assert "security/events" not in desk.station.memory
    assert [row["type"] for row in desk.station.memory["security/log"]] == ["InvalidFirmwareSignature"]
