"""The cases about tokens one by one: which defects each of them finds, what they say where a station lacks a setting, and that they leave
a station as they found it."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import pytest

from chargekit.emulator.token_defects import TOKEN_DEFECTS
from chargekit.judge.access import listed, settings
from chargekit.judge.bench import Bench
from chargekit.judge.catalogue import known_case, known_cases
from chargekit.judge.checks import About, unauthorised
from chargekit.judge.trial import Setting, plan_of, run_trial, trial_on
from chargekit.judge.verdict import Failed, NotApplicable, Verdict
from chargekit.lab.assemble import build
from chargekit.lab.sitefile import load_site
from chargekit.wire.messages import Setting as Name
from chargekit.world.history import Record

CASES = [f"CK-AUTH-{n:03}" for n in range(4, 14)] + [f"CK-OFF-{n:03}" for n in range(1, 10)]
FINDS = {
    "asks-about-known-tokens": "AUTH-004 AUTH-005 AUTH-007 AUTH-008",
    "ignores-local-list": "AUTH-005 AUTH-006 AUTH-011 OFF-001 OFF-008 OFF-009",
    "cache-outranks-local-list": "AUTH-006",
    "cached-tokens-never-expire": "AUTH-012",
    "caches-nothing": "AUTH-004 AUTH-006 AUTH-007 AUTH-008 AUTH-012 OFF-002",
    "clears-cache-in-word-only": "AUTH-010",
    "takes-older-local-list": "AUTH-011",
    "refuses-everybody-offline": "AUTH-006 AUTH-011 AUTH-012 OFF-001 OFF-002 OFF-004 OFF-005 OFF-006 OFF-009",
    "starts-anybody-offline": "AUTH-006 AUTH-010 AUTH-011 AUTH-012 OFF-003",
    "refuses-unknown-tokens-offline": "OFF-004 OFF-005 OFF-006",
    "any-card-stops": "AUTH-009 OFF-008",
    "knows-no-groups": "AUTH-009 OFF-008",
    "no-stop-offline": "AUTH-012 OFF-007 OFF-008 OFF-009",
    "unplug-stops-nothing": "AUTH-013",
    "ignores-invalid-answer": "AUTH-007 AUTH-008 OFF-005 OFF-006",
    "stops-instead-of-suspending": "AUTH-008 OFF-005",
    "suspends-instead-of-stopping": "AUTH-007 OFF-006",
    "no-energy-for-invalid-tokens": "AUTH-008",
    "never-marks-offline": "OFF-009",
    "stamps-when-sent": "AUTH-012 OFF-001 OFF-007 OFF-008 OFF-009",
}
"""Defect: the cases that fail on it and no others, on the 2.0.1 station; `unplug-stops-nothing` shows where the cable is no stop point."""
ON_16 = {"unplug-stops-nothing", "knows-no-groups"}
SITE = """site: two
type: mixed_use
circuits: {grid: {limit: 63 A}}
stations:
  - {id: old, model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: new, model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
meters:
  - {id: m-old, station: old, model: eastron-sdm630, unit: 1}
  - {id: m-new, station: new, model: eastron-sdm630, unit: 2}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    (folder / "fleet.yaml").write_text(SITE)
    return load_site(str(folder))


def test_every_case_about_tokens_is_looked_at():
    assert set(CASES) <= {c.id for c in known_cases()}
    assert set(FINDS) == {d.name for d in TOKEN_DEFECTS}
    assert {f"CK-{c}" for found in FINDS.values() for c in found.split()} == set(CASES)


@pytest.mark.parametrize("defect", sorted(FINDS))
def test_a_defect_fails_these_cases_and_no_others(bundle, defect):
    subject = "old" if defect in ON_16 else "new"
    failed = [c for c in CASES if run_trial(Setting(bundle, defects=(defect,)), known_case(c), subject).result.verdict is Verdict.FAIL]
    assert " ".join(c.removeprefix("CK-") for c in failed) == FINDS[defect]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("subject", ["old", "new"])
@pytest.mark.parametrize("defects", [(), ("ignores-local-list", "caches-nothing")], ids=["passed", "failed"])
def test_a_station_is_left_as_it_was_found(bundle, case, subject, defects):
    """Settings and local list, also after a case that failed in its midst."""
    info = known_case(case)
    lab = build(bundle, plan_of(Setting(bundle, defects=defects), info, subject))
    station = lab.world.machines[subject]
    keys = {**station.keys, "HeartbeatInterval": ""}
    trial_on(lab, Setting(bundle), info, subject, file="", again="")
    station = lab.world.machines[subject]
    assert {**station.keys, "HeartbeatInterval": ""} == keys
    assert not station.tokens.listed
    lab.close()


# --- what a station answers ---------------------------------------------------------------------------------------


class Scripted:
    """A charger that answers from a script: `keys` are its settings, `answers` what it says to other commands."""

    name = "ac-x"

    def __init__(self, keys=(), **answers):
        self.keys, self.answers, self.sent = dict(keys), answers, []

        async def until(holds, within_s):
            return holds()

        self.bench = SimpleNamespace(
            seen=SimpleNamespace(last_seq=1, until=until), lab=SimpleNamespace(rig=SimpleNamespace(can=frozenset()))
        )
        self.seen = SimpleNamespace(online=True)

    async def ask(self, kind, **fields):
        self.sent.append((kind, *fields.values()))
        if kind == "GetSetting":
            found = {n: v for n, v in self.keys.items() if n == fields["name"]}
            return {"status": "Accepted", "values": found}
        if kind == "SetSetting" and "SetSetting" not in self.answers:
            self.keys[fields["name"]] = fields["value"]
            return {"status": "Accepted"}
        return self.answers[kind]


def within(block, *, fails=False):
    async def work():
        async with block:
            if fails:
                raise Failed("in the midst")

    asyncio.run(work())


def test_a_setting_that_is_not_there_is_named():
    with pytest.raises(NotApplicable, match="ac-x has no setting LocalPreAuthorise"):
        within(settings(Scripted(), {Name.LOCAL_PREAUTHORISE: "true"}))


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("Rejected", "does not let LocalPreAuthorise be set to true while it runs: it answered Rejected"),
        ("RebootRequired", "while it runs: it answered RebootRequired"),
        ("UnknownVariable", "has no setting LocalPreAuthorise"),
    ],
)
def test_a_setting_that_cannot_be_changed_is_named(status, why):
    charger = Scripted({"LocalPreAuthorise": "false"}, SetSetting={"status": status})
    with pytest.raises(NotApplicable, match=why):
        within(settings(charger, {Name.LOCAL_PREAUTHORISE: "true"}))


def test_a_setting_that_is_right_already_is_not_touched():
    charger = Scripted({"LocalPreAuthorise": "True"})
    within(settings(charger, {Name.LOCAL_PREAUTHORISE: "true"}))
    assert charger.sent == [("GetSetting", "LocalPreAuthorise")]


def test_an_optional_setting_that_is_not_there_means_its_absence():
    """AllowOfflineTxForUnknownId and MaxEnergyOnInvalidId are optional (1.6 sections 9.1.1, 9.1.14)."""
    within(settings(Scripted(), {Name.OFFLINE_TX_FOR_UNKNOWN: "false", Name.MAX_ENERGY_ON_INVALID_WH: "0"}))
    with pytest.raises(NotApplicable, match="has no setting OfflineTxForUnknownToken"):
        within(settings(Scripted(), {Name.OFFLINE_TX_FOR_UNKNOWN: "true"}))


@pytest.mark.parametrize("fails", [False, True])
def test_settings_are_put_back(fails):
    charger = Scripted({"LocalPreAuthorise": "false"})
    with suppress(Failed):
        within(settings(charger, {Name.LOCAL_PREAUTHORISE: "true"}), fails=fails)
    assert charger.sent[1:] == [("SetSetting", "LocalPreAuthorise", "true"), ("SetSetting", "LocalPreAuthorise", "false")]
    assert charger.keys == {"LocalPreAuthorise": "false"}


@pytest.mark.parametrize("fails", [False, True])
def test_a_list_is_emptied_afterwards(fails):
    charger = Scripted(GetLocalListVersion={"version": 4, "status": "Accepted"}, SendLocalList={"status": "Accepted"})
    with suppress(Failed):
        within(listed(charger, {"token": "A"}), fails=fails)
    lists = [sent[1:] for sent in charger.sent if sent[0] == "SendLocalList"]
    assert lists == [(5, [{"token": "A"}], True), (14, [], True)]


def test_a_list_that_is_refused_is_a_failure():
    charger = Scripted(GetLocalListVersion={"version": -1, "status": "Accepted"}, SendLocalList={"status": "Failed"})
    with pytest.raises(Failed, match="answered Failed to a full local list of 1"):
        within(listed(charger, {"token": "A"}))


# --- what was witnessed -------------------------------------------------------------------------------------------


def test_a_transaction_tells_when_and_whether_it_was_offline(bundle):
    for subject, marked in (("old", None), ("new", True)):
        info = known_case("CK-OFF-009")
        lab = build(bundle, plan_of(Setting(bundle), info, subject))
        trial_on(lab, Setting(bundle), info, subject, file="", again="")
        seen = Bench(lab, subject, frozenset()).seen.stations[subject]
        told = seen.transactions[-1].told
        assert {one.offline for one in told} == {marked}
        assert (told[0].what, told[-1].what) == ("TransactionStarted", "TransactionEnded")
        assert [one.at for one in told] == sorted(one.at for one in told)
        assert told[-1].at - told[0].at > 300.0
        lab.close()


def _records(energy):
    """A 1.6 station of the site that goes on charging on an invalid token."""
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-03-02T07:00:01Z"}
    setting = {"key": "MaxEnergyOnInvalidId", "value": energy}
    rows = [
        (0.0, "wire", "old", "opened", {"version": "1.6"}),
        (1.0, "wire", "old", "ChangeConfiguration.req", {"dir": "down", "id": "c", "payload": setting}),
        (2.0, "wire", "old", "StartTransaction.req", {"dir": "up", "id": "s", "payload": start}),
        (3.0, "wire", "old", "StartTransaction.conf",
         {"dir": "down", "id": "s", "payload": {"idTagInfo": {"status": "Invalid"}, "transactionId": 5}}),
        *((5.0 + t, "meter", "m-old", "sample", {"current_a": [16.0] * 3, "voltage_v": [230.0] * 3, "power_w": 11040.0, "energy_wh": 0.0})
          for t in (0.0, 10.0, 20.0)),
    ]  # fmt: skip
    return [Record(n, t, witness, subject, kind, body) for n, (t, witness, subject, kind, body) in enumerate(rows)]


@pytest.mark.parametrize(("energy", "broken"), [("0", 1), ("500", 0)])
def test_energy_without_authorisation_is_a_fault_unless_it_was_allowed(bundle, energy, broken):
    """1.6 section 3.5.4, C15.FR.07: how much an invalid token may get is a setting."""
    assert len(list(unauthorised(_records(energy), About(bundle.site, bundle.site.calendar)))) == broken
