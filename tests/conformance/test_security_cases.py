"""The security cases beyond the kill matrix: every version, real sockets, chargers outside, and what a bench can't judge."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.lab.test_lab_outside import beside, free_port
from tests.lab.test_lab_tls import NEW, OLD, Place

from chargekit.judge.catalogue import known_case, known_cases
from chargekit.judge.standing import StandingBench
from chargekit.judge.trial import Setting, Trial, dumps, run_trial
from chargekit.judge.verdict import Verdict
from chargekit.lab.assemble import Plan
from chargekit.lab.authority import own_security
from chargekit.lab.defects import known_defects
from chargekit.lab.sitefile import SiteBundle, load_site

CASES = [c.id for c in known_cases() if c.area == "security"]
CAUGHT = {
    "sends-no-password": "1 2 3 8 10 12", "ignores-new-password": "2", "cuts-password": "2", "accepts-short-password": "3",
    "dials-in-the-clear": "4 5 6 8 9 11", "trusts-any-csms": "5 7 11 12", "ignores-host-name": "11", "ignores-expiry": "11",
    "tells-no-security-event": "5 6 7 11",
    "upgrades-without-root": "10", "never-gives-up-network": "12",
    "takes-old-tls": "6", "shows-no-certificate": "7", "upgrades-on-paper": "8", "takes-lower-profile": "9",
}  # fmt: skip
"""Which cases a defect fails: those it is for, and those it can't begin with."""
UNCLEAR = {("dials-in-the-clear", "12"), ("upgrades-on-paper", "12")}
"""Nothing is proven where a station never tried."""
RATE = 60.0


@cache
def bundle() -> SiteBundle:
    """`ac-01` speaks 1.6, `ac-11` 2.0.1, `ac-12` 2.1."""
    found = load_site("mixed-use")
    stations = tuple(replace(s, ocpp="2.1") if s.id == "ac-12" else s for s in found.site.stations)
    return replace(found, site=replace(found.site, stations=stations))


def verdicts(subject: str, *defects: str) -> dict[str, str]:
    return {c: run_trial(Setting(bundle(), defects=defects), known_case(c), subject).verdict.value for c in CASES}


@pytest.mark.parametrize("subject", ["ac-01", "ac-11", "ac-12"])
def test_a_good_station_passes_in_every_version(subject: str):
    assert len(CASES) == 12
    assert verdicts(subject) == dict.fromkeys(CASES, "pass")


@pytest.mark.parametrize("defect", sorted(CAUGHT))
@pytest.mark.parametrize("subject", ["ac-01", "ac-12"])
def test_a_defect_fails_its_cases_and_no_other(subject: str, defect: str):
    wanted = {f"CK-SEC-{int(n):03}": "fail" for n in CAUGHT[defect].split()}
    wanted |= {f"CK-SEC-{int(n):03}": "inconclusive" for name, n in UNCLEAR if name == defect}
    if defect == "never-gives-up-network" and subject == "ac-01":
        # 1.6 only recommends to fall back.
        wanted = {"CK-SEC-012": "inconclusive"}
    assert verdicts(subject, defect) == dict.fromkeys(CASES, "pass") | wanted


def test_every_defect_of_security_is_looked_at():
    assert set(CAUGHT) == {d.name for d in known_defects().values() if d.area == "security"}


def test_a_trial_repeats_to_the_byte():
    first, second = (run_trial(Setting(bundle()), known_case("CK-SEC-005"), NEW) for _ in range(2))
    assert dumps(first) == dumps(second)


@pytest.mark.parametrize("defects", [(), ("trusts-any-csms",)])
def test_the_same_over_real_sockets(defects: tuple[str, ...]):
    found = run_trial(Setting(bundle(), transport="sockets", rate=300.0, defects=defects), known_case("CK-SEC-005"), OLD)
    assert found.verdict is (Verdict.FAIL if defects else Verdict.PASS), found.reasons


class Outside:
    """A bench for chargers outside, and how it judges the fleet beside it."""

    def __init__(self, place: Place, profile: int, *, bench: dict[str, Any] | None = None, tls: bool = False) -> None:
        self.port, self.secure = free_port(), free_port() if tls else 0
        security = place.settings(profile, **(bench or {}))
        listen_tls = ("127.0.0.1", self.secure) if tls else None
        plan = Plan(listen=("127.0.0.1", self.port), listen_tls=listen_tls, security=security, stations=(OLD, NEW))
        self.setting = Setting(load_site("mixed-use"), rate=RATE, plan=plan)
        self.fleet = Plan(
            csms_url=f"{'wss' if profile >= 2 else 'ws'}://127.0.0.1:{self.port}/ocpp", rate=RATE, security=place.settings(profile),
            stations=(OLD, NEW),
        )  # fmt: skip

    def judge(self, *rows: tuple[str, str]) -> list[Trial]:
        bench = StandingBench(self.setting)
        with beside(self.fleet):
            try:
                return [bench.trial(self.setting, known_case(case), subject) for case, subject in rows]
            finally:
                bench.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_chargers_outside_with_profile_2(place: Place):
    """Without the authority that the chargers trust, there is no expired certificate of it; other profiles are for other benches."""
    rows = [("CK-SEC-005", OLD), ("CK-SEC-006", NEW), ("CK-SEC-009", OLD), ("CK-SEC-011", OLD), ("CK-SEC-004", NEW), ("CK-SEC-001", OLD)]
    found = Outside(place, 2).judge(*rows)
    words = ["pass", "pass", "pass", "not applicable", "pass", "not applicable"]
    assert [t.verdict.value for t in found] == words, [t.reasons for t in found]
    assert "authority_certificate: and authority_key: in the site file's security: block" in found[3].result.reason
    assert found[-1].result.reason == (
        "ac-01 is set up with security profile 2 on this bench, the case begins with profile 1 (--security-profile 1)"
    )


def test_chargers_outside_with_an_authority_are_shown_every_fault(place: Place):
    both = {"authority_certificate": place.given("authority.pem"), "authority_key": place.given("authority.key")}
    outside = Outside(place, 2, bench=both)
    found = outside.judge(("CK-SEC-011", NEW), ("CK-SEC-011", OLD))
    assert [t.verdict for t in found] == [Verdict.PASS] * 2, [t.reasons for t in found]


def test_chargers_outside_with_profile_3(place: Place):
    found = Outside(place, 3).judge(("CK-SEC-007", OLD), ("CK-SEC-007", NEW))
    assert [t.verdict for t in found] == [Verdict.PASS] * 2, [t.reasons for t in found]


def test_a_new_password_outside_and_no_upgrade_that_nobody_allowed(place: Place):
    """After the case the charger has its first password again."""
    found = Outside(place, 1, tls=True).judge(("CK-SEC-002", NEW), ("CK-SEC-008", NEW), ("CK-SEC-001", NEW), ("CK-SEC-003", NEW))
    assert [t.verdict.value for t in found] == ["pass", "not applicable", "pass", "pass"], [t.reasons for t in found]
    assert "this bench does not allow it (may_raise: true in the site file's security: block)" in found[1].result.reason


def test_an_upgrade_outside_is_for_good(place: Place):
    outside = Outside(place, 1, bench={"may_raise": True}, tls=True)
    found = outside.judge(("CK-SEC-010", NEW), ("CK-SEC-008", NEW), ("CK-SEC-009", NEW), ("CK-SEC-001", NEW))
    assert [t.verdict.value for t in found] == ["not applicable", "pass", "pass", "not applicable"], [t.reasons for t in found]
    assert found[0].result.reason == "ac-11 has a root certificate of its CSMS installed already, or does not say (Accepted)"


def test_a_bench_without_security_says_so():
    setting = Setting(load_site("mixed-use"), rate=RATE, plan=Plan(listen=("127.0.0.1", free_port()), stations=(OLD,)))
    bench = StandingBench(setting)
    try:
        found = bench.trial(setting, known_case("CK-SEC-004"), OLD)
    finally:
        bench.close()
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert found.result.reason.startswith("ac-01 is set up with no security on this bench")


def test_a_csms_outside_shows_what_it_wants():
    with beside(Plan(listen=("127.0.0.1", 0), rate=RATE, stations=(OLD,))) as theirs:
        host, port = theirs.address("csms")
        setting = Setting(load_site("mixed-use"), rate=RATE, csms_url=f"ws://{host}:{port}")
        setting = replace(setting, plan=Plan(csms_url=setting.csms_url, stations=(OLD,)))
        bench = StandingBench(setting)
        try:
            found = bench.trial(setting, known_case("CK-SEC-005"), OLD)
        finally:
            bench.close()
    assert found.result.reason == "the CSMS end has no security, or is not ours: what it shows and asks for can't be chosen"


def test_a_charger_without_declared_security_is_not_asked():
    stations = tuple(replace(s, model=replace(s.model, capabilities=s.model.capabilities - {"security"})) for s in bundle().site.stations)
    bare = replace(bundle(), site=replace(bundle().site, stations=stations))
    found = run_trial(Setting(bare), known_case("CK-SEC-005"), OLD)
    assert found.result.reason == "the device profile of ac-01 does not declare security"


def test_no_password_is_recorded(tmp_path: Path):
    run_trial(Setting(bundle(), out=tmp_path), known_case("CK-SEC-002"), OLD)
    text = "".join(p.read_text() for p in (tmp_path / "records").iterdir())
    word = own_security(1, [bundle().site.station(OLD)], f"1/CK-SEC-002/{OLD}").stations[OLD].password
    assert len(word) == 20 and word not in text and "PRIVATE KEY" not in text
