"""Probe 5: a power cut after every single effect of a session loses no transaction, register or profile."""

import pytest

from chargekit.judge.checks import About, judge_records
from chargekit.judge.verdict import Verdict
from chargekit.judge.witnessed import Witnessed
from chargekit.lab.assemble import CSMS, PLANT, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.world.events import Save

BUNDLE = load_site("mixed-use")
DEFAULT = {"id": 9, "purpose": "TxDefaultProfile", "kind": "Absolute", "start": 0.0, "periods": [{"start_s": 0.0, "limit": 10.0}]}


def session(name, cut_after):
    """One session with a profile and a stop; the station loses power after its effect number `cut_after`. Lab and effects seen."""
    lab = build(BUNDLE, Plan(seed=f"cut/{name}", stations=(name,)))
    world, count = lab.world, 0

    def hand(at, to, verb, **args):
        world.call(at, lambda: lab.rig.act(to, verb, args))

    def after(machine, effect):
        nonlocal count
        if machine == name:
            count += 1
            if count == cut_after:
                world.cut(name)
                world.call(world.now + 10.0, lambda: world.restore(name))

    world.after_effect = after
    where = {"station": name, "evse": 1}
    hand(20.0, CSMS, "command", station=name, ask="p", command={"kind": "SetProfile", "evse": 1, "profile": DEFAULT})
    hand(25.0, PLANT, "plug", **where, vehicle="compact-3ph", soc_percent=30.0)
    hand(26.0, name, "present", token="RES-1", evse=1)
    hand(200.0, name, "press_stop", evse=1)
    seen = Witnessed(lab)
    world.run_until(520.0)
    return lab, seen, count


@pytest.mark.parametrize("name", ["ac-01", "ac-11"])
def test_nothing_is_lost_wherever_the_power_goes(name):
    _, _, total = session(name, 0)
    assert total > 30
    for cut_after in range(1, total + 1):
        lab, seen, _ = session(name, cut_after)
        here = f"{name}, cut after effect {cut_after}"
        station = seen.stations[name]
        assert station.online, here
        assert all(tx.over for tx in station.transactions), here
        named = [tx.tx for tx in station.transactions]
        assert len(set(named)) == len(named), here
        assert lab.world.saved[name].get("tx/1") is None, here
        assert not [key for key in lab.world.saved[name] if key.startswith("q/")], here
        known = lab.controller.peers[name].evses[1].session
        assert known is None, here
        about = About(lab.site, lab.calendar)
        broken = [r.reason for r in judge_records(lab.history.records, about, name) if r.verdict is Verdict.FAIL]
        assert not broken, f"{here}: {broken}"
        if seen.replies.get("p", {}).get("status") == "Accepted":
            assert any(one["profile"]["id"] == 9 for one in lab.world.saved[name]["profiles"]), here


def test_what_is_sent_of_a_transaction_was_saved_before():
    lab = build(BUNDLE, Plan(seed="order", stations=("ac-01",)))
    order = []
    lab.world.after_effect = lambda name, effect: order.append(effect) if name == "ac-01" else None
    lab.world.call(25.0, lambda: lab.rig.act(PLANT, "plug", {"station": "ac-01", "evse": 1, "vehicle": "compact-3ph"}))
    lab.world.call(26.0, lambda: lab.rig.act("ac-01", "present", {"token": "RES-1", "evse": 1}))
    lab.world.run_until(60.0)
    sent = next(i for i, e in enumerate(order) if "StartTransaction" in getattr(e, "text", ""))
    saved = [e.key for e in order[:sent] if isinstance(e, Save)]
    assert "tx/1" in saved
    assert any(key.startswith("q/") for key in saved)
