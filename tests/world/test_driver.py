"""The World: order, time, power cuts between effects, and machines that would stop time."""

from dataclasses import dataclass, field

import pytest

from chargekit.world.driver import NotAdvancing, World
from chargekit.world.events import Closed, Feed, Hand, Load, Note, Save, Send, Supply, Wake


@dataclass
class Scripted:
    """Answers each event with the effects `reply` gives; remembers what it saw."""

    reply: object = None
    due: float | None = None
    seen: list = field(default_factory=list)

    def on(self, event, now):
        self.seen.append((now, event))
        if isinstance(event, Wake):
            self.due = None
        return self.reply(event, now) if self.reply else ()


def test_events_of_one_instant_come_in_the_order_they_were_posted():
    world, machine = World(), Scripted()
    world.add("m", machine)
    for n in (3, 1, 2):
        world.post("m", Hand(str(n)), at=5.0)
    world.post("m", Hand("first"), at=4.0)
    world.run_until(5.0)
    assert [event.verb for _, event in machine.seen] == ["first", "3", "1", "2"]


def test_a_late_call_runs_after_everything_of_its_instant():
    world, machine, order = World(), Scripted(), []
    world.add("m", machine)
    world.call(5.0, lambda: order.append(len(machine.seen)), late=True)
    world.post("m", Hand("at the deadline"), at=5.0)
    world.run_until(10.0)
    assert order == [1]


def test_time_jumps_to_what_is_due_and_ends_where_asked():
    world, machine = World(), Scripted(due=0.3)
    world.add("m", machine)
    assert world.next() == 0.3
    world.run_until(0.2)
    assert world.now == 0.2
    assert machine.seen == []
    world.run_until(1.0)
    assert machine.seen == [(0.3, Wake())]
    assert world.now == 1.0


def test_an_earlier_due_replaces_a_later_one_and_the_stale_wake_is_silent():
    world, machine = World(), Scripted(due=10.0)
    machine.reply = lambda event, now: setattr(machine, "due", 5.0) or () if isinstance(event, Hand) else ()
    world.add("m", machine)
    world.post("m", Hand("sooner"), at=1.0)
    world.run_until(20.0)
    assert [(t, type(e)) for t, e in machine.seen] == [(1.0, Hand), (5.0, Wake)]


def test_a_machine_that_would_stop_time_is_named():
    class Stuck(Scripted):
        def on(self, event, now):
            return ()

    world = World()
    world.add("stuck", Stuck(due=2.0))
    with pytest.raises(NotAdvancing, match=r"stuck was woken at 2\.0"):
        world.run_until(3.0)


def test_notes_are_appended_and_saves_kept_in_order():
    world = World()
    machine = Scripted(lambda e, n: [Save("a", 1), Note("controller", "s", "k", {"x": 1}), Save("a", None), Save("b", 2)])
    world.add("m", machine)
    world.post("m", Hand("go"))
    world.run_until(0.0)
    assert world.saved["m"] == {"b": 2}
    assert [(r.seq, r.witness, r.kind, r.body) for r in world.history.records] == [(0, "controller", "k", {"x": 1})]


def test_a_cut_between_two_effects_keeps_the_first_and_loses_the_second():
    world, plant = World(), Scripted()
    machine = Scripted(lambda e, n: [Save("first", True), Save("second", True)])
    rebuilt = []
    world.add("plant", plant)
    world.add("m", machine, lambda saved: rebuilt.append(dict(saved)) or Scripted())
    world.after_effect = lambda name, effect: world.cut(name)
    world.post("m", Hand("go"), at=1.0)
    world.run_until(2.0)
    assert world.saved["m"] == {"first": True}
    assert plant.seen == [(1.0, Load(0, False, 0.0, None, "m"))]
    world.post("m", Hand("lost"), at=3.0)
    world.run_until(4.0)
    world.restore("m")
    assert rebuilt == [{"first": True}]


def test_a_cut_tells_every_port():
    @dataclass
    class Line:
        cuts: list = field(default_factory=list)

        def take(self, effect, now):
            pass

        def cut(self, now):
            self.cuts.append(now)

    world, line = World(), Line()
    world.add("m", Scripted())
    world.connect("m", "csms", line)
    world.run_until(7.0)
    world.cut("m")
    world.cut("m")
    assert line.cuts == [7.0]


def test_loads_reach_the_plant_with_the_stations_name_and_feeds_come_back():
    world = World()
    plant = Scripted(lambda e, n: [Feed(e.station, Supply(e.evse, "B"))] if isinstance(e, Load) else ())
    station = Scripted(lambda e, n: [Load(1, True, 16.0)] if isinstance(e, Hand) else ())
    world.add("plant", plant)
    world.add("bay", station)
    world.post("bay", Hand("go"))
    world.run_until(0.0)
    assert plant.seen[0][1] == Load(1, True, 16.0, None, "bay")
    assert station.seen[-1][1] == Supply(1, "B")


def test_a_send_without_a_port_is_our_error():
    world = World()
    world.add("m", Scripted(lambda e, n: [Send("nobody", "x")]))
    world.post("m", Closed("csms"))
    with pytest.raises(LookupError, match="m has no port to 'nobody' for Send"):
        world.run_until(0.0)


def test_the_history_hands_on_each_record_until_unsubscribed():
    world, heard = World(), []
    stop = world.history.subscribe(heard.append)
    world.history.add(0.0, "rig", "s", "plug", {})
    stop()
    world.history.add(1.0, "rig", "s", "unplug", {})
    assert [r.kind for r in heard] == ["plug"]
    assert [r.kind for r in world.history.records] == ["plug", "unplug"]
