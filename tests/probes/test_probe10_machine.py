"""Probe 10: a short Hypothesis machine on the World finds a planted defect and shrinks it to its three steps."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.defects import defect
from chargekit.lab.sitefile import load_site

BUNDLE = load_site("mixed-use")
EIGHT = [{"start_s": 0.0, "limit": 8.0}]
PROFILE = {"id": 1, "purpose": "TxProfile", "kind": "Absolute", "start": 0.0, "periods": EIGHT, "transaction": "current"}
LIMIT = {"kind": "SetProfile", "evse": 1, "profile": PROFILE}


class Charging(RuleBasedStateMachine):
    """A user at one station whose firmware drops its TxProfile when the link goes."""

    defects = (defect("reconnect-drops-txprofile"),)

    def __init__(self):
        super().__init__()
        self.lab = build(BUNDLE, Plan(seed="10", stations=("ac-01",), defects=self.defects))
        self.limited = False
        self.lab.world.run_until(30.0)

    def do(self, to, verb, **args):
        self.lab.rig.act(to, verb, args)
        self.lab.world.run_until(self.lab.world.now + 40.0)

    @rule()
    def charge(self):
        self.lab.rig.act(PLANT, "plug", {"station": "ac-01", "evse": 1, "vehicle": "compact-3ph"})
        if self.lab.controller.peers["ac-01"].evses[1].session is None:
            self.do("ac-01", "present", token="RES-1", evse=1)

    @rule()
    def limit(self):
        self.do(CSMS, "command", station="ac-01", ask="a", command=LIMIT)
        last = [r.body["status"] for r in self.lab.history.records if r.kind == "reply"][-1]
        self.limited = self.limited or last == "Accepted"

    @rule()
    def lose_the_link(self):
        self.do("ac-01", "link_cut")

    @rule()
    def mend_the_link(self):
        self.do("ac-01", "link_mended")

    @invariant()
    def an_accepted_limit_holds(self):
        now = self.lab.world.now
        assert not self.limited or self.lab.plant.read_evse("ac-01", 1, now).current_a[0] <= 8.0


TRY = settings(max_examples=150, stateful_step_count=6, derandomize=True, deadline=None, phases=[Phase.generate, Phase.shrink])


def test_the_planted_defect_is_found_and_shrunk_to_three_steps():
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(Charging, settings=TRY)
    steps = [line for line in "\n".join(found.value.__notes__).splitlines() if "state." in line and "teardown" not in line]
    steps = [s.strip().removeprefix("state.") for s in steps if "()" in s and "invariant" not in s]
    assert [s.split("(")[0] for s in steps if not s.startswith("an_")] == ["charge", "limit", "lose_the_link"]


def test_good_firmware_survives_the_same_machine():
    class Good(Charging):
        defects = ()

    run_state_machine_as_test(Good, settings=settings(TRY, max_examples=25))
