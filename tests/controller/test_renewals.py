"""Renewals of a site of 200 stations: apart in time, one call in flight at a station, and no more writes than an EVSE's flash bears."""

from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import pytest

from chargekit.controller.leasing import DAY_S, LONGEST_S, RAISE_A, SPARING_A, Leasing
from chargekit.controller.operator import GOLDEN
from chargekit.controller.places import Place
from chargekit.lab.assemble import PLANT, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.wire.messages import SetProfile

STATIONS = 200
SITE = f"""site: wide
type: workplace
circuits: {{grid: {{limit: 7000 A}}}}
stations:
  - {{id: "e-{{1..{STATIONS}}}", model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}}
"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """When each profile was sent, (t, station), and the most calls in flight at a station at once, of 200 stations that start in the same
    ten seconds and charge through three leases of 10 minutes."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "fleet.yaml").write_text(SITE)
    (folder / "policy.yaml").write_text('access: {tokens: {"EMP-*": employee}}\npower: {lease: 10 min}\n')
    plan = Plan(seed="wide", operate=True, keep=False, sample_s=600, grid_every_s=60.0, meter_every_s=1e6)
    lab = build(load_site(str(folder)), plan)
    for number, name in enumerate(lab.stations):
        lab._later(30.0, PLANT, "plug", {"station": name, "evse": 1, "vehicle": "small-22kw", "soc_percent": 1.0})
        lab._later(32.0 + number / 20.0, name, "present", {"token": f"EMP-{number}", "evse": 1})
    profiles, flying, most = [], Counter(), [0]
    command, replied = lab.controller.command, lab.controller._tell

    def commanded(peer, one, now, out, context=None):
        done = command(peer, one, now, out, context)
        if isinstance(one, SetProfile) and done and context[0] == "lease":
            profiles.append((now, peer.spec.id))
        return done

    for name, link in lab.links.items():
        carry = link.send

        def send(way, text, now, name=name, carry=carry):
            if text.startswith("[2,") and way == "down":
                flying[name] += 1
                most[0] = max(most[0], flying[name])
            elif text.startswith("[3,") and way == "up":
                flying[name] -= 1
            carry(way, text, now)

        link.send = send
    lab.controller.command = commanded
    lab.world.run_until(1900.0)
    assert len(lab.controller.operator.places) == STATIONS and replied is not None
    return profiles, most[0]


def test_no_second_carries_more_than_a_few_renewals(sent):
    """Granted within ten seconds, twenty a second, they are due within two minutes: 1.7 a second on average, and never five times that."""
    steady = [t for t, _ in sent[0] if t > 240.0]
    assert len({name for t, name in sent[0] if t > 240.0}) == STATIONS, "all were renewed"
    mean = STATIONS / (0.2 * 600.0)
    busiest = max(Counter(int(t) for t in steady).values())
    assert busiest <= 5.0 * mean, f"{busiest} in one second, {mean:.2f} on average"
    assert max(Counter(int(t) for t, _ in sent[0] if t < 60.0).values()) > 5.0 * mean, "the grants themselves were close together"


def test_each_is_renewed_when_60_to_80_percent_of_its_lease_are_over(sent):
    last = {}
    for t, name in sent[0]:
        if name in last and last[name] > 240.0:
            assert 0.6 * 600.0 <= t - last[name] <= 0.8 * 600.0 + 6.0
        last[name] = t


def test_one_call_is_in_flight_at_a_station(sent):
    assert sent[1] == 1


def test_neighbours_have_moments_far_apart():
    spread = sorted(number * GOLDEN % 1.0 for number in range(STATIONS))
    gaps = [b - a for a, b in pairwise(spread)]
    assert max(gaps) < 3.0 / STATIONS and min(gaps) > 0.3 / STATIONS


def place_of():
    known, outgoing = SimpleNamespace(evse=SimpleNamespace(dc=False)), SimpleNamespace(rating_a=32.0)
    return Place(("a", 1), None, known, outgoing, ("grid",), (0, 1, 2))


# --- writes a day -----------------------------------------------------------------------------------------------


def lease_s(used, now, lease=300.0, writes=200):
    rules = SimpleNamespace(lease_s=SimpleNamespace(value=lease), writes=SimpleNamespace(value=float(writes)))
    sender, place = Leasing(), place_of()
    sender.rules, sender.reached, place.day, place.count = rules, {}, int(now // DAY_S), used
    return sender.lease_s(place, now), sender.worth_a(place, now)


def test_leases_grow_once_half_of_a_days_writes_are_used():
    assert lease_s(100, 3600.0) == (300.0, RAISE_A)
    longer, worth_a = lease_s(150, 3600.0)
    assert longer == pytest.approx((DAY_S - 3600.0) / 50 + 120.0) and RAISE_A < worth_a < SPARING_A
    assert lease_s(200, 3600.0) == (LONGEST_S, SPARING_A)
    assert lease_s(150, 20 * 3600.0)[1] == RAISE_A, "it is within its share of the day"


def test_a_day_of_leases_stays_within_the_writes_of_a_day():
    """An EVSE that charges from midnight to midnight with leases of 5 minutes: 411 renewals, were they not counted."""
    now, used = 0.0, 0
    while now < DAY_S:
        lasts_s, _ = lease_s(used, now)
        used += 1
        now += lasts_s - 300.0 * 0.3
    assert used <= 210


def test_a_new_day_begins_with_none():
    place = place_of()
    place.writes(10.0)
    place.writes(DAY_S - 1.0)
    assert (place.written(DAY_S - 0.5), place.written(DAY_S)) == (2, 0)
    place.writes(DAY_S + 5.0)
    assert place.written(DAY_S + 6.0) == 1
