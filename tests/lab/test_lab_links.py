import random
from collections.abc import Sequence

from chargekit.lab.links import DETECT_S, DIAL_TIMEOUT_S, METER_TIMEOUT_S, MemoryLink, MemoryMeter
from chargekit.lab.tap import WireTap
from chargekit.wire.modbus import Block
from chargekit.world.driver import World
from chargekit.world.events import Closed, Dial, Effect, Event, Frame, Hand, Hangup, Opened, Poll, Send, Words

BLOCK = Block(4, 0, 2, 1)


class Puppet:
    """Keeps what it hears; does what a hand carries."""

    due: float | None = None

    def __init__(self) -> None:
        self.heard: list[tuple[float, Event]] = []

    def on(self, event: Event, now: float) -> Sequence[Effect]:
        if isinstance(event, Hand):
            return event.args["effects"]  # type: ignore[no-any-return]
        self.heard.append((now, event))
        return ()

    def texts(self) -> list[str]:
        return [e.text for _, e in self.heard if isinstance(e, Frame)]

    def kinds(self) -> list[str]:
        return [type(e).__name__ for _, e in self.heard]


def pair() -> tuple[World, Puppet, Puppet, MemoryLink]:
    world, station, csms = World(), Puppet(), Puppet()
    world.add("cs", station, lambda saved: station)
    world.add("csms", csms)
    return world, station, csms, MemoryLink(world, "cs", "csms", "1.6", random.Random("1/cs"), WireTap(world.history, "cs"))


def do(world: World, who: str, *effects: Effect) -> None:
    world.post(who, Hand("do", {"effects": effects}))


def opened() -> tuple[World, Puppet, Puppet, MemoryLink]:
    world, station, csms, link = pair()
    do(world, "cs", Dial("csms"))
    world.run_until(1.0)
    return world, station, csms, link


def test_dialling_opens_both_ends_and_frames_keep_their_order():
    world, station, csms, _ = opened()
    assert [e for _, e in csms.heard] == [Opened("cs", "1.6")]
    assert [e for _, e in station.heard] == [Opened("csms", "1.6")]
    do(world, "cs", *[Send("csms", f"[{n}]") for n in range(200)])
    do(world, "csms", *[Send("cs", f"[{n}]") for n in range(200)])
    world.run_until(2.0)
    assert csms.texts() == station.texts() == [f"[{n}]" for n in range(200)]
    arrived = [t for t, e in csms.heard if isinstance(e, Frame)]
    assert arrived[0] >= 1.005 and arrived[-1] <= 1.05 and arrived == sorted(arrived)


def test_goodbye_comes_after_what_was_said_before():
    for who, other, hears in (("cs", "csms", 2), ("csms", "cs", 1)):
        world, station, csms, _ = opened()
        do(world, who, Send(other, "[1]"), Send(other, "[2]"), Hangup(other, 1001, "restart"))
        world.run_until(2.0)
        far, near = (csms, station) if hears == 2 else (station, csms)
        assert far.texts() == ["[1]", "[2]"]
        assert far.heard[-1][1] == Closed(who, 1001, "restart")
        assert near.heard[-1] == (1.0, Closed(other, 1001, "restart"))
        assert [r.kind for r in world.history.records].count("closed") == 1


def test_a_cut_closes_both_ends_loses_what_is_under_way_and_refuses_dialling():
    world, station, csms, link = opened()
    do(world, "cs", Send("csms", "[1]"))
    world.run_until(1.001)
    link.cut()
    do(world, "cs", Send("csms", "[2]"), Dial("csms"))
    world.run_until(2.0)
    assert csms.texts() == []
    assert csms.kinds() == ["Opened", "Closed"] and station.kinds() == ["Opened", "Closed"]
    world.run_until(10.0)
    assert station.heard[-1] == (1.001 + DIAL_TIMEOUT_S, Closed("csms", 1006, "no route"))
    link.mend()
    do(world, "cs", Dial("csms"))
    world.run_until(11.0)
    assert station.kinds()[-1] == csms.kinds()[-1] == "Opened"


def test_a_cut_while_dialling_is_told():
    world, station, csms, link = pair()
    do(world, "cs", Dial("csms"))
    world.run_until(0.001)
    link.cut()
    world.run_until(20.0)
    assert station.kinds() == ["Closed"] and csms.kinds() == []


def test_a_station_without_power_is_missed_later_and_replaced_when_it_is_back():
    world, _, csms, _ = opened()
    world.cut("cs")
    world.run_until(2.0)
    assert csms.kinds() == ["Opened"]
    world.run_until(1.0 + DETECT_S)
    assert csms.heard[-1] == (1.0 + DETECT_S, Closed("cs", 1006, ""))

    world, station, csms, _ = opened()
    world.cut("cs")
    world.restore("cs")
    do(world, "cs", Dial("csms"))
    world.run_until(20.0)
    assert [e for _, e in csms.heard] == [Opened("cs", "1.6"), Closed("cs", 1006, "replaced"), Opened("cs", "1.6")]
    assert station.kinds() == ["Opened", "Opened"]


def test_half_open_swallows_and_says_nothing():
    world, station, csms, link = opened()
    link.half_open = True
    do(world, "cs", Send("csms", "[1]"))
    do(world, "csms", Send("cs", "[1]"))
    world.run_until(100.0)
    assert csms.kinds() == station.kinds() == ["Opened"]
    link.mend()
    do(world, "cs", Send("csms", "[2]"))
    world.run_until(101.0)
    assert csms.texts() == ["[2]"]


def test_loss_and_delay():
    world, _, csms, link = opened()
    link.delay_s = 2.0
    do(world, "cs", Send("csms", "[1]"))
    world.run_until(2.9)
    assert csms.texts() == []
    world.run_until(4.0)
    assert csms.texts() == ["[1]"]
    link.delay_s, link.loss = 0.0, 0.5
    do(world, "cs", *[Send("csms", str(n)) for n in range(1000)])
    world.run_until(6.0)
    assert 400 < len(csms.texts()) < 600


def test_the_tap_names_replies_and_stands_at_the_csms():
    world, _, _, _ = opened()
    do(world, "cs", Send("csms", '[2,"1","Heartbeat",{}]'))
    world.run_until(2.0)
    do(world, "csms", Send("cs", '[3,"1",{"currentTime":"x"}]'), Send("cs", '[2,"1","Reset",{"type":"Soft"}]'), Send("cs", "hello"))
    world.run_until(3.0)
    do(world, "cs", Send("csms", '[4,"1","NotSupported","no",{}]'), Send("csms", '[3,"9",{}]'))
    world.run_until(4.0)
    records = [(r.kind, dict(r.body)) for r in world.history.records]
    assert records == [
        ("opened", {"version": "1.6"}),
        ("Heartbeat.req", {"dir": "up", "id": "1", "payload": {}}),
        ("Heartbeat.conf", {"dir": "down", "id": "1", "payload": {"currentTime": "x"}}),
        ("Reset.req", {"dir": "down", "id": "1", "payload": {"type": "Soft"}}),
        ("garbled", {"dir": "down", "text": "hello"}),
        ("Reset.err", {"dir": "up", "id": "1", "code": "NotSupported", "description": "no"}),
        ("Unknown.conf", {"dir": "up", "id": "9", "payload": {}}),
    ]
    assert all(r.witness == "wire" and r.subject == "cs" for r in world.history.records)


class Source:
    def words(self, block: Block, now: float) -> Sequence[int] | None:
        return [int(now), block.addr] if block.fc == 4 else None


def test_a_meter_in_memory():
    world, bench = World(), Puppet()
    world.add("bench", bench)
    line = MemoryMeter(world, "bench", "m", Source())
    world.run_until(7.0)
    do(world, "bench", Poll("m", BLOCK), Poll("m", BLOCK._replace(fc=3)))
    world.run_until(8.0)
    assert [e for _, e in bench.heard] == [Words("m", BLOCK, (7, 0)), Words("m", BLOCK._replace(fc=3), None)]
    line.silent = True
    do(world, "bench", Poll("m", BLOCK))
    world.run_until(20.0)
    assert bench.heard[-1] == (8.0 + METER_TIMEOUT_S, Words("m", BLOCK, None))


def test_frames_arrive_twice_or_out_of_order_where_that_is_asked_for():
    world, station, csms, link = opened()
    link.twice = 1.0
    do(world, "cs", *[Send("csms", f"[{n}]") for n in range(20)])
    world.run_until(10.0)
    assert sorted(csms.texts()) == sorted([f"[{n}]" for n in range(20)] * 2)
    link.twice, link.astray = 0.0, 0.5
    do(world, "csms", *[Send("cs", f"[{n}]") for n in range(50)])
    world.run_until(20.0)
    assert sorted(station.texts()) == sorted(f"[{n}]" for n in range(50))
    assert station.texts() != [f"[{n}]" for n in range(50)]


def test_a_csms_that_goes_down_is_noticed_and_not_reached_until_it_is_back():
    world, station, csms, link = opened()
    world._rebuild["csms"] = lambda saved: csms
    world.cut("csms")
    do(world, "cs", Send("csms", "[lost]"))
    world.run_until(1.0 + DETECT_S + 0.1)
    assert station.kinds()[-1] == "Closed" and csms.texts() == []
    do(world, "cs", Dial("csms"))
    world.run_until(20.0)
    assert station.heard[-1][1] == Closed("csms", 1006, "no route")
    world.restore("csms")
    do(world, "cs", Dial("csms"))
    world.run_until(30.0)
    assert station.heard[-1][1] == Opened("csms", "1.6") and link.csms_open
