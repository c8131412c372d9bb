"""What a bench can make a CSMS refuse: messages by kind, and connections; and what a version has no word for."""

from chargekit.judge.witnessed import Witnessed
from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.wire.messages import Metered

BUNDLE = load_site("mixed-use")


def hand(lab, to, verb, **args):
    lab.rig.act(to, verb, args)


def test_so_many_messages_of_a_kind_are_answered_with_an_error():
    lab = build(BUNDLE, Plan(seed="refuse", stations=("ac-01",)))
    seen = Witnessed(lab)
    lab.world.run_until(20.0)
    hand(lab, CSMS, "refuse", station="ac-01", message="Metered", times=2)
    hand(lab, PLANT, "plug", station="ac-01", evse=1, vehicle="compact-3ph", soc_percent=30.0)
    lab.world.run_until(23.0)
    hand(lab, "ac-01", "present", token="RES-1", evse=1)
    lab.world.run_until(300.0)
    told = [one for one in seen.stations["ac-01"].facts if isinstance(one.fact, Metered)]
    assert [one.outcome for one in told[:4]] == ["refused", "refused", "answered", "answered"]
    assert told[0].fact == told[1].fact == told[2].fact != told[3].fact
    errors = [r.body["code"] for r in lab.history.records if r.kind == "MeterValues.err"]
    assert errors == ["InternalError", "InternalError"]


def test_connections_that_are_refused_are_witnessed():
    lab = build(BUNDLE, Plan(seed="dials", stations=("ac-11",)))
    seen = Witnessed(lab)
    lab.world.run_until(20.0)
    assert seen.stations["ac-11"].dials == []
    hand(lab, "ac-11", "link_cut")
    lab.world.run_until(80.0)
    times = [at for at, _ in seen.stations["ac-11"].dials]
    records = [r.t for r in lab.history.records if (r.witness, r.subject, r.kind) == ("wire", "ac-11", "refused")]
    assert times == records and len(times) >= 2
    assert 25.0 <= times[0] <= 30.1
    hand(lab, "ac-11", "link_mended")
    lab.world.run_until(200.0)
    assert seen.stations["ac-11"].online


def test_what_a_version_has_no_word_for_is_no_error_of_the_controller():
    lab = build(BUNDLE, Plan(seed="unsaid", stations=("ac-01", "ac-11")))
    seen = Witnessed(lab)
    lab.world.run_until(20.0)
    for name in lab.stations:
        hand(lab, CSMS, "command", station=name, ask=name, command={"kind": "Reset", "hard": True, "evse": 1})
    lab.world.run_until(25.0)
    assert seen.replies["ac-01"]["unsaid"] is True and seen.replies["ac-01"]["why"] == "1.6 has no reset of one EVSE"
    assert seen.replies["ac-11"]["status"] == "Accepted" and "unsaid" not in seen.replies["ac-11"]
