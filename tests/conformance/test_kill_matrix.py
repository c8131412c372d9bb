"""Every case and every always-on check fails on at least one defect; every defect is caught in its area; good firmware passes."""

from functools import cache

import pytest

from chargekit.faces.plugin import HARDWARE
from chargekit.judge.catalogue import known_case, known_cases
from chargekit.judge.checks import CHECKS
from chargekit.judge.trial import Setting, run_trial
from chargekit.judge.verdict import Verdict
from chargekit.lab.defects import known_defects
from chargekit.lab.sitefile import load_site

SITE = "mixed-use"
KILLS = {
    "ignores-limit": ("CK-PRO-001", "ac-01", "did not fall below"),
    "five-percent-over": ("CK-PRO-001", "ac-11", "did not fall below"),
    "limit-late": ("CK-PRO-001", "ac-01", "within 15 s"),
    "limit-is-sum-of-phases": ("CK-PRO-001", "ac-01", "did not fall below"),
    "clamps-to-6": ("CK-PRO-003", "ac-01", "did not fall below"),
    "resume-ignores-limit": ("CK-PRO-003", "ac-11", "on a limit of 7 A"),
    "expiry-unlimited": ("CK-PRO-002", "ac-01", "did not fall below"),
    "rejects-profiles": ("CK-PRO-001", "ac-01", "Rejected to a TxProfile it should accept"),
    "loses-profiles-on-power-cut": ("CK-PRO-004", "ac-01", "on a limit of 9 A"),
    "accepts-any-profile": ("CK-PRO-005", "ac-11", "although no transaction runs"),
    "ignores-default": ("CK-PRO-006", "ac-01", "did not fall below"),
    "default-waits-for-next-transaction": ("CK-PRO-007", "ac-11", "did not fall below"),
    "ignores-station-maximum": ("CK-PRO-008", "ac-01", "did not fall below"),
    "raised-limit-not-applied": ("CK-PRO-009", "ac-11", "did not reach 11 A"),
    "lowest-stack-leads": ("CK-PRO-010", "ac-01", "did not reach 11 A"),
    "default-caps-txprofile": ("CK-PRO-011", "ac-11", "did not reach 11 A"),
    "ignores-validity": ("CK-PRO-012", "ac-01", "expected"),
    "starts-schedule-at-once": ("CK-PRO-013", "ac-11", "at least 14 A expected"),
    "cleared-profile-still-limits": ("CK-PRO-014", "ac-01", "did not reach 12 A"),
    "drops-remote-start-profile": ("CK-PRO-016", "ac-01", "on a limit of 8 A"),
    "maximum-per-outlet": ("CK-SHR-003", "visitor-01", "did not fall below"),
    "composite-says-hardware": ("CK-PRO-017", "ac-11", "told the composite schedule"),
    "watts-per-phase": ("CK-PRO-018", "ac-11", "did not fall below"),
    "recurs-once": ("CK-PRO-019", "ac-01", "did not fall below"),
    "relative-never-moves-on": ("CK-PRO-020", "ac-11", "did not fall below"),
    "car-ignores-pilot": ("CK-PRO-001", "ac-01", "did not fall below"),
    "reconnect-drops-txprofile": ("CK-FBK-001", "ac-01", "on a limit of 9 A"),
    "ignores-second-period": ("CK-FBK-002", "ac-01", "did not fall below"),
    "charges-on-invalid-token": ("CK-AUTH-001", "ac-01", "where nothing may flow"),
    "asks-about-known-tokens": ("CK-AUTH-004", "ac-01", "asked about a token it has in its cache"),
    "ignores-local-list": ("CK-AUTH-005", "ac-11", "asked about a token on its local list"),
    "cache-outranks-local-list": ("CK-AUTH-006", "ac-01", "where nothing may flow"),
    "ignores-invalid-answer": ("CK-AUTH-007", "ac-11", "the end of the transaction did not come"),
    "no-energy-for-invalid-tokens": ("CK-AUTH-008", "ac-01", "did not reach 5 A"),
    "any-card-stops": ("CK-AUTH-009", "ac-01", "for a token of another group"),
    "clears-cache-in-word-only": ("CK-AUTH-010", "ac-11", "where nothing may flow"),
    "takes-older-local-list": ("CK-AUTH-011", "ac-01", "answered Accepted to an older change"),
    "cached-tokens-never-expire": ("CK-AUTH-012", "ac-11", "where nothing may flow"),
    "unplug-stops-nothing": ("CK-AUTH-013", "ac-01", "where nothing may flow"),
    "refuses-everybody-offline": ("CK-OFF-001", "ac-11", "did not reach 5 A"),
    "caches-nothing": ("CK-OFF-002", "ac-01", "did not reach 5 A"),
    "starts-anybody-offline": ("CK-OFF-003", "ac-11", "where nothing may flow"),
    "refuses-unknown-tokens-offline": ("CK-OFF-004", "ac-01", "did not reach 5 A"),
    "stops-instead-of-suspending": ("CK-OFF-005", "ac-11", "only to go on without energy"),
    "suspends-instead-of-stopping": ("CK-OFF-006", "ac-01", "the end of the transaction did not come"),
    "no-stop-offline": ("CK-OFF-007", "ac-11", "did not fall below"),
    "knows-no-groups": ("CK-OFF-008", "ac-01", "did not fall below"),
    "stamps-when-sent": ("CK-OFF-009", "ac-01", "told time of the start against when it happened"),
    "never-marks-offline": ("CK-OFF-009", "ac-11", "that it was offline"),
    "refuses-valid-token": ("CK-AUTH-002", "ac-11", "the start of a transaction did not come"),
    "skips-boot": ("CK-BOOT-001", "ac-01", "a BootNotification after power-up did not come"),
    "stays-offline": ("CK-BOOT-002", "ac-01", "a reconnection did not come"),
    "forgets-stop": ("CK-TX-001", "ac-01", "the end of the transaction did not come"),
    "loses-transaction-on-power-cut": ("CK-TX-002", "ac-11", "the end of the transaction, or its next meter values did not come"),
    "replays-newest-first": ("CK-TX-003", "ac-01", "told none of the readings"),
    "forgets-unavailability": ("CK-AVL-001", "ac-11", "where nothing may flow"),
    "ignores-default-of-station": ("CK-PRO-021", "ac-01", "did not fall below"),
    "ignores-hard-reset-when-idle": ("CK-RST-002", "ac-01", "a boot did not come"),
    "remote-start-despite-unavailable": ("CK-AVL-003", "ac-01", "answered Accepted to a remote start"),
    "hides-faults": ("CK-AVL-002", "ac-01", "the status Faulted did not come"),
    "refuses-hard-reset": ("CK-RST-001", "ac-01", "answered Rejected to a hard reset"),
    "no-meter-values": ("CK-TX-003", "ac-01", "told none of the readings"),
    "boot-lacks-model": ("CK-ALW-001", "ac-01", "breaks its schema"),
    "answers-wrong-id": ("CK-ALW-002", "ac-01", "under which nothing was asked"),
    "register-goes-back": ("CK-ALW-003", "ac-01", "the register it reports fell"),
    "register-resets": ("CK-ALW-003", "ac-11", "fell from"),
    "welded-contactor": ("CK-ALW-004", "ac-01", "nobody was authorised"),
    "ignores-soft-reset": ("CK-RST-010", "ac-01", "a boot did not come"),
    "scheduled-reset-at-once": ("CK-RST-011", "ac-11", "did not wait for the end of the transaction"),
    "scheduled-reset-never": ("CK-RST-011", "ac-11", "a boot did not come"),
    "evse-reset-boots-station": ("CK-RST-012", "ac-11", "restarted as a whole"),
    "tells-only-changes": ("CK-BOOT-010", "ac-11", "the status of every connector after an outage above the threshold did not come"),
    "tells-all-after-a-blink": ("CK-BOOT-011", "ac-11", "told a status again that had not changed"),
    "dials-without-back-off": ("CK-BOOT-012", "ac-01", "longest wait against the first"),
    "dials-in-step": ("CK-BOOT-012", "ac-01", "random part of the waits"),
    "clock-after-power-cut": ("CK-BOOT-013", "ac-01", "error of the times told after a power cut"),
    "retries-without-end": ("CK-TX-010", "ac-01", "3 attempts were set"),
    "retries-at-a-steady-interval": ("CK-TX-011", "ac-11", "wait before attempt 3"),
    "gives-up-at-once": ("CK-TX-011", "ac-01", "gave a message up after 1 attempts"),
    "queue-poisoned": ("CK-TX-014", "ac-01", "the end of the transaction behind a refused message did not come"),
    "stamps-replay-time": ("CK-TX-012", "ac-01", "readings told of 240 s offline was 0"),
    "drops-offline-readings": ("CK-TX-012", "ac-11", "readings told of 240 s offline was 0"),
    "forgets-offline-flag": ("CK-TX-012", "ac-11", "did not say that readings were of a time offline"),
    "skips-sequence-numbers": ("CK-TX-012", "ac-11", "left out number 1"),
    "loses-queue-on-power-cut": ("CK-TX-015", "ac-01", "the start of what ran offline before a power cut did not come"),
    "power-loss-told-as-local": ("CK-TX-013", "ac-11", "gave Local as the reason"),
    "power-loss-without-energy": ("CK-TX-013", "ac-01", "energy told less energy metered"),
    "cap-ten-percent-over": ("CK-CAP-101", SITE, "grid"),
    "ignores-circuit-limits": ("CK-CAP-103", SITE, "grid"),
    "gives-nothing": ("CK-CAP-102", SITE, "share of the limit of grid that is used"),
    "first-come-first-served": ("CK-PRI-101", SITE, "share of its drawable energy"),
    "early-birds-keep": ("CK-PRI-103", SITE, "did not reach 8 A"),
    "one-order-all-day": ("CK-PRI-104", SITE, "ac-01 did not fall below"),
    "deaf-to-departures": ("CK-PRI-105", SITE, "ac-01 did not fall below"),
    "remembers-no-session": ("CK-PRI-106", SITE, "did not fall below 1.3 A"),
    "flaps": ("CK-STB-101", SITE, "interruptions of ac-03 within half an hour"),
    "starves-the-last": ("CK-STB-102", SITE, "energy of ac-02 in two turns"),
    "keeps-amps-for-sleepers": ("CK-STB-103", SITE, "ac-02 did not reach 4 A"),
    "lets-sleepers-lie": ("CK-STB-104", SITE, "ac-01 did not reach 4 A"),
    "open-all-hours": ("CK-ACC-101", SITE, "was answered Accepted at"),
    "every-bay-for-everybody": ("CK-ACC-102", SITE, "was answered Accepted at"),
    "always-says-invalid": ("CK-ACC-102", SITE, "was answered Invalid at ac-12, NotAtThisLocation expected"),
    "blocked-tokens-pass": ("CK-ACC-103", SITE, "was answered Accepted at"),
    "guests-whatever-happens": ("CK-ACC-104", SITE, "was answered Accepted at"),
    "takes-in-strangers": ("CK-ACC-105", SITE, "was answered Accepted at"),
    "override-never-ends": ("CK-OVR-101", SITE, "did not fall below"),
    "revoked-in-word-only": ("CK-OVR-102", SITE, "did not reach"),
    "says-charging-while-held": ("CK-REV-103", SITE, "the trigger is silent"),
    "one-of-each-class": ("CK-REV-104", SITE, "the trigger is silent"),
    "overrides-off-the-record": ("CK-REV-101", SITE, "the trigger is silent"),
    "overrides-without-bound": ("CK-OVR-103", SITE, "ac-01 showed"),
    "anybody-overrides": ("CK-OVR-104", SITE, "ac-01 showed"),
    "overrides-begin-anew": ("CK-OVR-105", SITE, "did not reach"),
    "emergencies-give-way": ("CK-OVR-106", SITE, "ac-02 showed"),
    "protects-nobody": ("CK-RSP-101", SITE, "ac-02 did not reach"),
    "reduces-by-rank": ("CK-RSP-102", SITE, "ac-02 did not fall below"),
    "suspends-nobody": ("CK-RSP-103", SITE, "ac-01 did not fall below"),
    "incidents-never-close": ("CK-INC-101", SITE, "the end of the incident of ac-01 was not noted"),
    "escalates-to-nobody": ("CK-INC-102", SITE, "whom ac-01 is told to was not noted"),
    "an-incident-each-time": ("CK-INC-103", SITE, "incidents of 5 failures of one link was"),
    "dc-forgets-losses": ("CK-DC-001", "rapid-01", "did not fall below"),
    "dc-holds-its-power": ("CK-DC-002", "rapid-01", "power against what the vehicle asks for"),
    "modules-oversold": ("CK-SHR-001", "rapid-01", "power against what the shared modules put out"),
    "outlets-oversell-supply": ("CK-SHR-002", "visitor-01", "on a limit of 32 A"),
    "tells-five-percent-less": ("CK-MTR-001", "ac-01", "told energy against the independent meter"),
    "tells-one-phase-thrice": ("CK-MTR-002", "ac-11", "told current of L2 against the meter"),
    "trusts-a-silent-meter": ("CK-MTR-101", SITE, "while the meter of grid is silent"),
    "believes-an-implausible-meter": ("CK-MTR-102", SITE, "while the meter of grid is frozen"),
    "phase-arithmetic": ("CK-PHS-001", "staff-01", "did not reach 11 A"),
    "ignores-number-of-phases": ("CK-PHS-001", "staff-03", "phases in use on a limit for one was 3.00"),
    "switches-phases-under-load": ("CK-PHS-002", "staff-03", "did not stop the current to switch phases"),
    "reservation-binds-nobody": ("CK-RSV-001", "ac-01", "where nothing may flow"),
    "reservation-refuses-its-holder": ("CK-RSV-001", "ac-11", "the start of a transaction did not come"),
    "reserved-shown-as-available": ("CK-RSV-002", "ac-01", "a status that is not Available did not come"),
    "reservation-never-expires": ("CK-RSV-002", "ac-01", "the status Available did not come"),
    "reservation-end-not-told": ("CK-RSV-002", "ac-11", "the news that the reservation expired did not come"),
    "cancelled-reservation-stays": ("CK-RSV-003", "ac-11", "Accepted to a cancelled reservation, Rejected expected"),
    "forgets-reservations-on-power-cut": ("CK-RSV-004", "ac-01", "where nothing may flow"),
    "reserves-occupied-outlet": ("CK-RSV-005", "ac-11", "answered Accepted to a reservation of an occupied EVSE"),
    "reservation-never-used-up": ("CK-RSV-006", "ac-01", "the status Available did not come"),
    "ignores-external-limit": ("CK-EXT-001", "ac-11", "did not fall below"),
    "external-limit-never-released": ("CK-EXT-001", "ac-01", "did not reach 12 A"),
    "external-limit-raises": ("CK-EXT-002", "ac-01", "on a limit of 8 A"),
    "external-limit-only-while-charging": ("CK-EXT-003", "ac-01", "on a limit of 8 A"),
    "external-limit-not-told": ("CK-EXT-004", "ac-11", "the news of an external limit did not come"),
    "base-load-lags": ("CK-CAP-104", SITE, "grid showed"),
    "six-amperes-are-enough": ("CK-CAP-105", SITE, "current of"),
    "keeps-what-nobody-draws": ("CK-EXT-101", SITE, "current of the vehicle that was not limited"),
    "lease-without-fallback": ("CK-FBK-101", SITE, "did not fall below"),
    "end-waits-for-the-link": ("CK-FBK-003", "ac-01", "did not fall below"),
    "validity-lost-on-power-cut": ("CK-FBK-004", "ac-11", "did not fall below"),
    "leads-nobody-it-finds": ("CK-FBK-103", SITE, "did not fall below"),
    "sends-no-password": ("CK-SEC-001", "ac-01", "last refused: no Authorization header"),
    "ignores-new-password": ("CK-SEC-002", "ac-11", "last refused: wrong password"),
    "cuts-password": ("CK-SEC-002", "ac-01", "last refused: wrong password"),
    "accepts-short-password": ("CK-SEC-003", "ac-11", "answered Accepted to a password of 15 characters"),
    "dials-in-the-clear": ("CK-SEC-004", "ac-01", "connected without TLS, security profile 2 is expected"),
    "trusts-any-csms": ("CK-SEC-005", "ac-01", "although the CSMS showed a certificate it signed itself"),
    "ignores-expiry": ("CK-SEC-011", "ac-01", "although the CSMS showed an expired certificate"),
    "ignores-host-name": ("CK-SEC-011", "ac-11", "although the CSMS showed a certificate of another host"),
    "tells-no-security-event": ("CK-SEC-005", "ac-11", "told no security event InvalidCsmsCertificate"),
    "takes-old-tls": ("CK-SEC-006", "ac-01", "although the CSMS spoke no TLS from 1.2 on"),
    "shows-no-certificate": ("CK-SEC-007", "ac-11", "last refused: no client certificate"),
    "upgrades-on-paper": ("CK-SEC-008", "ac-01", "accepted security profile 2 and connected without TLS"),
    "hangs-up-on-garbage": ("CK-FRM-001", "ac-01", "lost its link after it: 1002"),
    "ignores-garbage": ("CK-FRM-001", "ac-11", "did not answer a frame with text that is cut off"),
    "ignores-unknown-actions": ("CK-FRM-002", "ac-01", "did not answer a frame with an action nobody knows"),
    "drops-mistyped-calls": ("CK-FRM-003", "ac-11", "did not answer a frame with a number where a list belongs"),
    "deaf-to-repeats": ("CK-FRM-004", "ac-01", "did not answer the second of two calls with one message id"),
    "hangs-up-on-unasked-result": ("CK-FRM-005", "ac-11", "lost its link after it: 1002"),
    "restarts-on-unknown-type": ("CK-FRM-006", "ac-01", "after it"),
    "upgrades-without-root": ("CK-SEC-010", "ac-01", "answered Accepted to security profile 2 without a root certificate"),
    "never-gives-up-network": ("CK-SEC-012", "ac-11", "did not go back to the security profile that worked"),
    "takes-lower-profile": ("CK-SEC-009", "ac-11", "answered Accepted to a security profile below its own"),
    "ends-no-idle-session": ("CK-IDL-101", SITE, "the end of GST-CK1's session did not come"),
    "ends-everybodys-session": ("CK-IDL-101", SITE, "which no rule ends, was ended"),
    "asks-nobody-to-move": ("CK-IDL-102", SITE, "a message that asks to move did not come"),
    "takes-waiting-for-idle": ("CK-IDL-103", SITE, "a session that waited for power at ac-01 was ended"),
    "deaf-to-signals": ("CK-SIG-103", SITE, "did not fall below 22.8 A"),
    "dims-below-the-floor": ("CK-SIG-101", SITE, "at least 5.917 A expected"),
    "signal-never-ends": ("CK-SIG-101", SITE, "did not reach 15.2 A"),
    "dims-the-exempt": ("CK-SIG-102", SITE, "which is exempt was 6.10 A"),
    "signals-without-end": ("CK-SIG-105", SITE, "lowest current of ac-01 was 6.10 A"),
    "deaf-to-external-limits": ("CK-SIG-106", SITE, "lowest current of ac-07"),
    "limits-each-outlet": ("CK-SIG-107", "campus", "did not fall below 16.3 A"),
    "throttles-by-rank": ("CK-THR-101", SITE, "did not reach 14.4 A"),
    "guarantees-no-minimum": ("CK-THR-102", SITE, "did not reach 5.5 A"),
    "one-budget-for-all": ("CK-BUD-101", SITE, "current of AC of feeder-b"),
    "deaf-to-prices": ("CK-CST-101", SITE, "did not fall below 8.3 A"),
    "pauses-who-has-to-leave": ("CK-CST-102", SITE, "did not reach 8 A"),
    "overruns-the-demand-target": ("CK-CST-103", SITE, "mean of a quarter of an hour"),
    "charges-at-once": ("CK-CST-104", "depot", "did not fall below"),
    "waits-for-cheap-hours": ("CK-CST-104", "depot", "share of its need that"),
    "opts-nobody-out": ("CK-CST-103", SITE, "current of the protected vehicle"),
}
"""Defect: the case or check that must catch it, on which subject, and what its reason says."""

ALSO = {
    "CK-SIG-104": ("throttles-by-rank", SITE),
    "CK-FBK-102": ("lease-without-fallback", SITE),
    "CK-PRI-107": ("remembers-no-session", SITE),
    "CK-AUTH-003": ("welded-contactor", "ac-01"),
    "CK-TX-001": ("no-meter-values", "ac-01"),
    "CK-PRO-015": ("accepts-any-profile", "ac-01"),
    "CK-PRI-102": ("first-come-first-served", SITE),
    "CK-ALW-005": ("ignores-circuit-limits", SITE),
    "CK-KPI-101": ("tells-five-percent-less", SITE),
    "CK-KPI-102": ("forgets-stop", SITE),
    "CK-KPI-103": ("cap-ten-percent-over", SITE),
    "CK-KPI-104": ("stays-offline", SITE),
    "CK-KPI-105": ("no-meter-values", SITE),
    "CK-KPI-106": ("tells-five-percent-less", SITE),
    "CK-KPI-107": ("tells-five-percent-less", SITE),
    "CK-REV-102": ("no-meter-values", SITE),
    "CK-MTR-103": ("believes-an-implausible-meter", SITE),
    "CK-MTR-104": ("believes-an-implausible-meter", SITE),
}
"""Cases that share their killer with another."""

ELSEWHERE = {"CK-CST-104": "depot", "CK-SIG-107": "campus"}
"""Cases about rules the default site has not: where they are held."""

NOT_IN_16 = frozenset({"CK-BOOT-010", "CK-BOOT-011", "CK-RST-012"})
"""Cases of what 1.6 has no words for: not applicable to ac-01, by name of what is missing."""

CARRIER = {
    "CK-ALW-001": "CK-BOOT-002",
    "CK-ALW-002": "CK-PRO-005",
    "CK-ALW-003": "CK-TX-001",
    "CK-ALW-004": "CK-TX-001",
    "CK-ALW-005": "CK-CAP-102",
}
"""The case under which a check is provoked."""


@cache
def trial(case: str, subject: str, *defects: str):
    site = subject if subject in ELSEWHERE.values() else "campus" if subject.startswith(("rapid", "visitor", "staff")) else SITE
    bundle = load_site(site, stations=12 if site == subject != SITE else None)
    return run_trial(Setting(bundle, defects=defects), known_case(case), subject)


@pytest.mark.parametrize("defect", sorted(KILLS))
def test_a_defect_is_caught_in_its_area(defect):
    wanted, subject, text = KILLS[defect]
    found = trial(CARRIER.get(wanted, wanted), subject, defect)
    rows = [r for r in (found.result, *found.checks) if r.case == wanted and r.verdict is Verdict.FAIL]
    assert rows, found.reasons
    assert any(text in row.reason for row in rows), [row.reason for row in rows]
    assert f"--defect {defect}" in rows[0].reproduce
    area = known_defects()[defect].area
    assert area == ("always" if wanted in CHECKS else known_case(wanted).area)


@pytest.mark.parametrize("wanted", sorted(ALSO))
def test_what_shares_its_killer_fails_too(wanted):
    defect, subject = ALSO[wanted]
    found = trial(CARRIER.get(wanted, wanted), subject, defect)
    assert any(r.case == wanted and r.verdict is Verdict.FAIL for r in (found.result, *found.checks)), found.reasons


def test_every_case_every_check_and_every_defect_has_its_row():
    killed = {case for case, _, _ in KILLS.values()} | set(ALSO)
    assert killed == {c.id for c in known_cases()} | set(CHECKS)
    assert set(KILLS) == set(known_defects())


@pytest.mark.parametrize("case", [c.id for c in known_cases()])
def test_good_firmware_and_a_good_controller_pass(case):
    subjects = ("ac-01", "ac-11") if known_case(case).scope == "charger" else (ELSEWHERE.get(case, SITE),)
    if known_case(case).requires & HARDWARE:
        subjects = ("visitor-01",) if "shared_supply" in known_case(case).requires else ("rapid-01",)
        if "phase_switching" in known_case(case).requires:
            subjects = ("staff-01", "staff-03")
    for subject in subjects:
        found = trial(case, subject)
        if case in NOT_IN_16 and subject == "ac-01":
            assert found.result.verdict is Verdict.NOT_APPLICABLE
            assert any(word in found.result.reason for word in ("offline_threshold_s", "reset of one EVSE"))
            continue
        assert found.verdict is Verdict.PASS, found.reasons
        assert len(found.checks) == len(CHECKS)


def test_a_defects_point_is_reached_by_good_runs():
    from chargekit.controller.operator import Operator
    from chargekit.emulator.plant import Plant
    from chargekit.emulator.station import Station
    from chargekit.model.points import points_of

    points = {**points_of(Station), **points_of(Plant), **points_of(Operator)}
    assert {d.point for d in known_defects().values()} <= set(points)
