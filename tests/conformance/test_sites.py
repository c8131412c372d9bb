"""The site cases on every bundled site: our own controller passes them, and each still fails on the defect it is there for."""

from functools import cache

import pytest

from chargekit.judge.catalogue import known_case, known_cases
from chargekit.judge.trial import Setting, run_trial
from chargekit.judge.verdict import Verdict
from chargekit.lab.sitefile import load_site

SITES = ("depot", "workplace", "destination", "multifamily", "campus")
CASES = [c.id for c in known_cases() if c.scope == "site"]
KILLERS = {
    "CK-CAP-101": "cap-ten-percent-over",
    "CK-CAP-102": "gives-nothing",
    "CK-CAP-103": "ignores-circuit-limits",
    "CK-PRI-101": "first-come-first-served",
    "CK-OVR-101": "override-never-ends",
    "CK-MTR-101": "trusts-a-silent-meter",
    "CK-MTR-102": "believes-an-implausible-meter",
    "CK-EXT-101": "keeps-what-nobody-draws",
    "CK-FBK-101": "lease-without-fallback",
    "CK-ACC-105": "takes-in-strangers",
    "CK-OVR-102": "revoked-in-word-only",
    "CK-OVR-103": "overrides-without-bound",
    "CK-OVR-104": "anybody-overrides",
    "CK-OVR-105": "overrides-begin-anew",
    "CK-INC-101": "incidents-never-close",
    "CK-INC-102": "escalates-to-nobody",
    "CK-INC-103": "an-incident-each-time",
}
BY_RULE = {
    "CK-ACC-101": (("workplace",), "no access window of this site closes"),
    "CK-ACC-102": ((), "no rule of this site binds anybody to some of its AC stations"),
    "CK-ACC-103": ((), "no token is blocked at this site"),
    "CK-ACC-104": (("campus",), "no class is kept out of this site by an incident"),
    "CK-ACC-105": (("depot", "workplace", "multifamily", "campus"), "this site takes in strangers"),
    "CK-OVR-106": (("depot", "campus"), "is answered by protect_critical"),
    "CK-RSP-101": (("depot", "campus"), "is answered by protect_critical"),
    "CK-RSP-102": (("workplace", "multifamily", "campus"), "is answered by reduce_evenly"),
    "CK-RSP-103": (("destination", "campus"), "is answered by suspend_lower"),
    "CK-PRI-103": ((), "no class of this site takes turns of an hour or less"),
    "CK-PRI-104": (("campus",), "the ranks of this site do not change"),
    "CK-PRI-105": (("campus",), ""),
    "CK-PRI-106": ((), "no class of this site shares by what was got in the last days alone"),
    "CK-PRI-107": (("multifamily", "campus"), "no class of this site is put forward for getting too little"),
    "CK-IDL-101": (("destination", "workplace", "campus"), "no rule of this site ends idle sessions"),
    "CK-IDL-102": (("destination", "workplace", "campus"), "no rule of this site ends idle sessions"),
    "CK-IDL-103": (("destination", "workplace", "campus"), "no rule of this site ends idle sessions"),
    "CK-SIG-101": (("multifamily",), "takes no signals of kind dimming"),
    "CK-SIG-102": ((), ""),
    "CK-SIG-103": ((), "takes no signals of kind level"),
    "CK-SIG-104": ((), "takes no signals of kind level"),
    "CK-SIG-105": (("multifamily",), "takes no signals of kind dimming"),
    "CK-SIG-106": (("campus",), "takes no signals of kind external"),
    "CK-SIG-107": (("campus",), "takes no signals of kind external"),
    "CK-CST-101": ((), "capped by a price that comes to hold within two hours"),
    "CK-CST-102": ((), "paused by a price that comes to hold within two hours"),
    "CK-CST-103": ((), "no demand target"),
    "CK-CST-104": (("depot",), "planned into cheap hours"),
    "CK-KPI-107": (("multifamily", "campus"), "no token of class resident may charge"),
    "CK-THR-101": ((), "throttled before one that ranks lower"),
    "CK-THR-102": ((), "has its minimum first"),
    "CK-BUD-101": (("campus",), "no budget of AC or DC"),
    "CK-STB-101": (("depot", "workplace", "destination", "multifamily"), ""),
}
"""Cases about rules not every site has: where they apply, and what is said elsewhere."""


@cache
def bundle(site):
    return load_site(site, stations=12)


def pairs():
    """Every case at one of the living sites, in turn; at all of them in `make deep`."""
    for number, case in enumerate(CASES):
        for site in SITES:
            here = site == SITES[number % len(SITES)]
            yield pytest.param(site, case, marks=() if here else pytest.mark.deep, id=f"{case}-{site}")


@pytest.mark.parametrize(("site", "case"), list(pairs()))
def test_a_good_controller_passes_on_every_site(site, case):
    found = run_trial(Setting(bundle(site)), known_case(case), bundle(site).site.id)
    there, why = BY_RULE.get(case, (SITES, ""))
    if site not in there:
        assert found.result.verdict is Verdict.NOT_APPLICABLE and why in found.result.reason
        return
    assert found.verdict is Verdict.PASS, found.reasons
    assert found.result.measured


@pytest.mark.parametrize("case", sorted(KILLERS))
def test_a_case_still_fails_on_its_defect_away_from_the_default_site(case):
    site = SITES[sorted(KILLERS).index(case) % len(SITES)]
    found = run_trial(Setting(bundle(site), defects=(KILLERS[case],)), known_case(case), bundle(site).site.id)
    assert found.result.verdict is Verdict.FAIL, found.reasons
