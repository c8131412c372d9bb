"""What the CSMS answers to every message a station may send, in every version: valid by its schema, the words of the clause, bounded."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire import payloads as made
from tests.wire.origins import OF_A_CSMS, SENT
from tests.wire.payloads import payloads

from chargekit.controller import answers
from chargekit.controller.answers import MOST_STREAMS, MOST_VALUES
from chargekit.controller.csms import MOST_STARTED, Controller
from chargekit.lab.sitefile import load_site
from chargekit.model.profile import ChargingProfile, Kind, Period, Purpose
from chargekit.wire import VERSIONS, schemas
from chargekit.wire.messages import ClearProfile, OtherCommand, SetProfile
from chargekit.world.events import Frame, Note, Opened, Send, Wake

SITE = """site: three
type: mixed_use
circuits:
  grid: {limit: 60 A}
stations:
  - {id: "s-1.6", model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: "s-2.0.1", model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: "s-2.1", model: generic-ac-22, circuit: grid, ocpp: "2.1"}
"""
EACH = [(version, action) for version in VERSIONS for action in SENT[version]]
NO_LEAST_EVSE = ("NotifyChargingLimit", "ClearedChargingLimit")
"""2.0.1 forgot to say that an EVSE is not below 0."""
UNREADABLE = ("MeterValues", "StartTransaction", "StopTransaction", "TransactionEvent", "StatusNotification", *NO_LEAST_EVSE)
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def least(version, action, kind):
    """The least payload; a measured value is a figure."""
    return orjson.loads(orjson.dumps(made.least(version, action, kind)).replace(b'"value":"x"', b'"value":"1"'))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    (folder / "fleet.yaml").write_text(SITE)
    (folder / "policy.yaml").write_text('access: {tokens: {"RES-*": resident}}\n')
    return load_site(str(folder))


class Line:
    """A station's end that writes its frames itself, so that they may be anything."""

    def __init__(self, bundle, version, *, signs=False):
        self.version, self.name, self.count = version, f"s-{version}", 0
        self.csms = Controller(bundle.site, bundle.site.calendar, random.Random(1))
        if signs:
            self.csms.certify = lambda station, request, now: f"chain for {station}"
        self.csms.on(Opened(self.name, version), 0.0)
        self.notes = []

    def frames(self, *frame, now=10.0):
        """What comes back for a frame, decoded."""
        effects = self.csms.on(Frame(self.name, orjson.dumps(frame).decode()), now)
        self.notes += [(e.kind, e.body) for e in effects if isinstance(e, Note)]
        return [orjson.loads(e.text) for e in effects if isinstance(e, Send)]

    def ask(self, action, payload, now=10.0):
        """The payload of the answer, or the error code."""
        self.count += 1
        (_, ident, *rest), *_ = self.frames(2, f"m{self.count}", action, payload, now=now)
        assert ident == f"m{self.count}"
        return rest[0]

    def send(self, payload):
        self.count += 1
        return self.frames(6, f"m{self.count}", "NotifyPeriodicEventStream", payload)

    @property
    def told(self):
        return self.csms.peers[self.name].told


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_has_exactly_what_stations_send(version):
    sends = {"NotifyPeriodicEventStream"} if version == "2.1" else set()
    assert answers.answered(version) == set(SENT[version]) | sends
    assert schemas.actions(version) == set(SENT[version]) | set(OF_A_CSMS[version]) | sends
    assert not set(SENT[version]) & set(OF_A_CSMS[version])


@pytest.mark.parametrize(("version", "action"), EACH)
def test_the_least_message_has_a_valid_answer(bundle, version, action):
    answer = Line(bundle, version).ask(action, least(version, action, "req"))
    assert isinstance(answer, dict), f"{action} of {version} was refused with {answer}"
    assert schemas.check(version, action, "conf", answer) == []


@pytest.mark.parametrize(("version", "action"), EACH)
def test_whatever_is_valid_has_a_valid_answer(bundle, version, action):
    """An error only where the codec can't read what the schema lets pass: a stamp out of range, an id nobody could send back."""

    @quick
    @given(payloads(version, action, "req"))
    def answered(payload):
        line = Line(bundle, version)
        answer = line.ask(action, payload)
        if isinstance(answer, str):
            assert answer.endswith("ConstraintViolation") and action in UNREADABLE, (answer, payload)
        else:
            assert schemas.check(version, action, "conf", answer) == []

    answered()


@pytest.mark.parametrize(("version", "action"), EACH)
def test_whatever_is_invalid_has_a_valid_answer_or_a_code_of_the_version(bundle, version, action):
    junk = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9) | st.floats(allow_nan=False, allow_infinity=False)
    junk = junk | st.lists(junk, max_size=5) | st.dictionaries(st.sampled_from(["id", "evse", "csr", "status"]), junk, max_size=3)
    names = sorted(schemas.schema(version, action, "req").get("properties", {})) or ["x"]

    @quick
    @given(st.dictionaries(st.sampled_from(names), junk, max_size=4))
    def answered(wrong):
        answer = Line(bundle, version).ask(action, {**least(version, action, "req"), **wrong})
        if isinstance(answer, str):
            assert answer in ("FormationViolation", "FormatViolation") or answer.endswith("ConstraintViolation")
        else:
            assert schemas.check(version, action, "conf", answer) == []

    answered()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_only_a_csms_sends_is_not_supported(bundle, version):
    line = Line(bundle, version)
    got = {action: line.ask(action, least(version, action, "req")) for action in OF_A_CSMS[version]}
    assert got == dict.fromkeys(OF_A_CSMS[version], "NotSupported")
    assert line.ask("NotifyPeriodicEventStream", {}) == "NotImplemented"
    assert line.ask("Nonsense", {}) == "NotImplemented"
    news = ["NotifySettlement", "TransactionEvent"] if version == "1.6" else ["StartTransaction", "GetConfiguration"]
    assert [line.ask(action, {}) for action in news] == ["NotImplemented", "NotImplemented"]


STATUSES = [
    ("DataTransfer", VERSIONS, "UnknownVendorId"),
    ("SignCertificate", VERSIONS, "Rejected"),
    ("GetCertificateStatus", ("2.0.1", "2.1"), "Failed"),
    ("Get15118EVCertificate", ("2.0.1", "2.1"), "Failed"),
    ("NotifyEVChargingNeeds", ("2.0.1", "2.1"), "Rejected"),
    ("NotifyEVChargingSchedule", ("2.0.1", "2.1"), "Accepted"),
    ("PullDynamicScheduleUpdate", ("2.1",), "Rejected"),
    ("VatNumberValidation", ("2.1",), "Rejected"),
    ("OpenPeriodicEventStream", ("2.1",), "Accepted"),
]


@pytest.mark.parametrize(("action", "version", "status"), [(a, v, s) for a, versions, s in STATUSES for v in versions])
def test_what_the_csms_has_nothing_for_it_says_so(bundle, action, version, status):
    assert Line(bundle, version).ask(action, least(version, action, "req"))["status"] == status


EMPTY = {
    "BatterySwap", "ClearedChargingLimit", "ClosePeriodicEventStream", "DiagnosticsStatusNotification", "FirmwareStatusNotification",
    "LogStatusNotification", "MeterValues", "NotifyChargingLimit", "NotifyCustomerInformation", "NotifyDERAlarm", "NotifyDERStartStop",
    "NotifyDisplayMessages", "NotifyEvent", "NotifyMonitoringReport", "NotifyPriorityCharging", "NotifyReport", "NotifySettlement",
    "PublishFirmwareStatusNotification", "ReportChargingProfiles", "ReportDERControl", "ReservationStatusUpdate",
    "SecurityEventNotification", "SignedFirmwareStatusNotification", "StatusNotification", "StopTransaction", "TransactionEvent",
}  # fmt: skip
"""Messages whose least form asks for nothing but an empty response."""


@pytest.mark.parametrize("version", VERSIONS)
def test_what_only_tells_something_is_answered_empty(bundle, version):
    got = {action for action in SENT[version] if Line(bundle, version).ask(action, least(version, action, "req")) == {}}
    assert got == EMPTY & set(SENT[version])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_for_a_certificate_is_passed_on(bundle, version):
    """A02.FR.04, FR.14."""
    line = Line(bundle, version, signs=True)
    answer, sent = line.frames(2, "a", "SignCertificate", {"csr": "-----BEGIN"})
    assert answer == [3, "a", {"status": "Accepted"}]
    assert sent[2:] == ["CertificateSigned", {"certificateChain": f"chain for s-{version}"}]
    assert line.frames(2, "b", "SignCertificate", {"csr": "x" * 5501}) == [[3, "b", {"status": "Rejected"}]]


def test_a_vehicle_that_speaks_iso_15118_20_is_told_there_is_no_profile(bundle):
    """K18.FR.04, K19.FR.04; K15.FR.04 for ISO 15118-2, which has no control mode."""
    needs = least("2.1", "NotifyEVChargingNeeds", "req")
    needs["chargingNeeds"]["controlMode"] = "ScheduledControl"
    assert Line(bundle, "2.1").ask("NotifyEVChargingNeeds", needs) == {"status": "NoChargingProfile"}


def test_the_status_of_a_chain_is_failed_for_each_certificate_and_not_for_keeping(bundle):
    """M07.FR.02, FR.05, FR.08."""
    data = {"hashAlgorithm": "SHA256", "issuerNameHash": "a1", "issuerKeyHash": "b2", "serialNumber": "c3"}
    rows = [{"certificateHashData": data, "source": source, "urls": ["https://x.example"]} for source in ("OCSP", "CRL")]
    line = Line(bundle, "2.1")
    answer = line.ask("GetCertificateChainStatus", {"certificateStatusRequests": rows})
    at = bundle.site.calendar.iso(10.0)
    assert answer == {
        "certificateStatus": [{"certificateHashData": data, "source": s, "status": "Failed", "nextUpdate": at} for s in ("OCSP", "CRL")]
    }
    assert line.ask("GetCertificateChainStatus", {"certificateStatusRequests": []}) == "OccurrenceConstraintViolation"
    many = [{"certificateHashData": data | {"more": "x" * 1000}, "source": "OCSP", "urls": []}] * 500
    assert len(line.ask("GetCertificateChainStatus", {"certificateStatusRequests": many})["certificateStatus"]) == 4


def test_a_vat_number_comes_back(bundle):
    line = Line(bundle, "2.1")
    assert line.ask("VatNumberValidation", {"vatNumber": "DE123", "evseId": 1}) == {"vatNumber": "DE123", "evseId": 1, "status": "Rejected"}
    assert line.ask("VatNumberValidation", {"vatNumber": "x" * 21}) == "TypeConstraintViolation"
    assert (
        line.ask("VatNumberValidation", {}) == "TypeConstraintViolation" or line.notes[-1][1]["kind"] == "VatNumberValidation: occurrence"
    )


def dynamic(ident, limit, kind=Kind.DYNAMIC):
    return ChargingProfile(
        ident, Purpose.TX_DEFAULT, (Period(0.0, limit),), kind=kind, dyn_interval_s=60.0 if kind is Kind.DYNAMIC else None
    )


def test_a_dynamic_profile_the_station_took_can_be_pulled(bundle):
    """K28.FR.07, FR.12: only one that was accepted and is not cleared; a pushed update counts from then on."""
    line = Line(bundle, "2.1")
    peer = line.csms.peers["s-2.1"]

    def obey(command, status="Accepted"):
        out = []
        assert line.csms.command(peer, command, 11.0, out)
        (call,) = [orjson.loads(e.text) for e in out if isinstance(e, Send)]
        line.frames(3, call[1], {"status": status})

    def pull(ident):
        return line.ask("PullDynamicScheduleUpdate", {"chargingProfileId": ident})

    rejected = {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}
    obey(SetProfile(1, dynamic(7, 16.0)))
    obey(SetProfile(1, dynamic(8, 10.0, Kind.ABSOLUTE)))
    obey(SetProfile(1, dynamic(9, 12.0)), "Rejected")
    assert pull(7) == {"status": "Accepted", "scheduleUpdate": {"limit": 16.0}}
    assert pull(8) == pull(9) == rejected
    obey(OtherCommand("UpdateDynamicSchedule", {"chargingProfileId": 7, "scheduleUpdate": {"limit": 9.5, "limit_L2": 8.0}}))
    assert pull(7) == {"status": "Accepted", "scheduleUpdate": {"limit": 9.5, "limit_L2": 8.0}}
    obey(ClearProfile(evse=2))
    assert pull(7)["status"] == "Accepted"
    obey(ClearProfile(evse=1, purpose=Purpose.TX_DEFAULT))
    assert pull(7) == rejected


def opened(line, ident, monitor=5):
    return line.ask(
        "OpenPeriodicEventStream", {"constantStreamData": {"id": ident, "variableMonitoringId": monitor, "params": {"interval": 1}}}
    )


def stream(ident, values, basetime="2026-03-02T00:00:00Z", pending=0):
    return {"id": ident, "pending": pending, "basetime": basetime, "data": [{"t": t, "v": v} for t, v in values]}


def test_a_stream_is_kept_while_it_is_open(bundle):
    """N11.FR.04 to FR.06, N13.FR.02, N15.FR.02."""
    line = Line(bundle, "2.1")
    assert opened(line, 3) == {"status": "Accepted"}
    base = bundle.site.calendar.iso(100.0)
    assert line.send(stream(3, [(0, "1.5"), (2.5, "1.6")], base, pending=4)) == []
    kept = line.told.streams[3]
    assert (kept.monitor, kept.pending, list(kept.values)) == (5, 4, [(100.0, "1.5"), (102.5, "1.6")])
    assert line.ask("ClosePeriodicEventStream", {"id": 3}) == {} and line.told.streams == {}
    assert line.send(stream(3, [(0, "1")], base)) == []
    assert line.notes[-1] == ("finding", {"kind": "NotifyPeriodicEventStream: unusable", "detail": "stream 3 is not open"})
    assert line.ask("ClosePeriodicEventStream", {"id": 3}) == {}


def test_streams_are_bounded(bundle):
    line = Line(bundle, "2.1")
    assert [opened(line, n)["status"] for n in range(MOST_STREAMS)] == ["Accepted"] * 16
    assert opened(line, 999) == {"status": "Rejected", "statusInfo": {"reasonCode": "OutOfMemory"}}
    assert opened(line, 0) == {"status": "Accepted"}
    for n in range(50):
        assert line.send(stream(0, [(n, "9" * 2500)] * 100)) == []
    assert len(line.told.streams[0].values) == MOST_VALUES == 20
    assert {len(text) for _, text in line.told.streams[0].values} == {100}
    line.send({"id": 0, "pending": 1, "basetime": "soon", "data": [{"t": 1, "v": "no stamp"}]})
    line.send({"id": 0})
    assert all(text == "9" * 100 for _, text in line.told.streams[0].values)


def test_an_invalid_stream_is_not_opened(bundle):
    line = Line(bundle, "2.1")
    for data in (None, [], {"id": "a", "variableMonitoringId": 1}, {"id": 1}):
        answer = line.ask("OpenPeriodicEventStream", {"constantStreamData": data})
        assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidValue"}}
    assert line.told.streams == {}


def test_starts_of_a_hostile_station_are_bounded_and_each_has_its_id(bundle):
    line = Line(bundle, "1.6")
    start = {"connectorId": 1, "idTag": "x", "timestamp": "2026-03-02T00:00:00Z"}
    ids = [line.ask("StartTransaction", start | {"meterStart": n})["transactionId"] for n in range(MOST_STARTED + 44)]
    assert ids == list(range(1, 301))
    assert len(line.csms.peers["s-1.6"].started) == 256
    assert line.ask("StartTransaction", start | {"meterStart": 299})["transactionId"] == 300
    assert line.ask("StartTransaction", start | {"meterStart": 0})["transactionId"] == 301


class Hesitating:
    """An operator that never makes up its mind about a token."""

    due = None

    def linked(self, *_):
        pass

    def told(self, *_):
        pass

    def token_answer(self, *_):
        return None


@pytest.mark.parametrize("version", VERSIONS)
def test_authorisations_held_back_are_bounded(bundle, version):
    """Those over 32 are answered at once; those held, after ten seconds."""
    line = Line(bundle, version)
    line.csms.operator = Hesitating()
    answered = [bool(line.frames(2, f"h{n}", "Authorize", least(version, "Authorize", "req"))) for n in range(40)]
    assert answered == [False] * 32 + [True] * 8
    late = [orjson.loads(e.text) for e in line.csms.on(Wake(), 20.0) if isinstance(e, Send)]
    assert [frame[1] for frame in late] == [f"h{n}" for n in range(32)]
    info = "idTagInfo" if version == "1.6" else "idTokenInfo"
    assert {frame[2][info]["status"] for frame in late} == {"Blocked"} and line.csms.held == []
