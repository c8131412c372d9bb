"""The CSMS as a machine, told by a station's own end of the wire: boot, authorise, start, stop, and what it makes of odd peers.

Each case runs for every version: what it says is written by the codec of the version and read by it.
"""

import random

import orjson
import pytest

from chargekit.controller.csms import CALL_TIMEOUT_S, HEARTBEAT_S, Controller
from chargekit.controller.operator import SAMPLE_KEY, Operator
from chargekit.lab.sitefile import load_site
from chargekit.model.metering import MeterSample
from chargekit.wire import codec
from chargekit.wire.messages import (
    Alive,
    AuthorizeAsked,
    Booted,
    Metered,
    Reply,
    SetProfile,
    Status,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
)
from chargekit.wire.session import Answered, Called, Refused, Session
from chargekit.world.events import Closed, Frame, Hand, Hangup, Note, Opened, Send, Wake

SITE = """site: two
type: mixed_use
circuits:
  grid: {limit: 60 A}
stations:
  - {id: "s-1.6", model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: "s-2.0.1", model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: "s-2.1", model: generic-ac-22, circuit: grid, ocpp: "2.1"}
"""
every = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    (folder / "fleet.yaml").write_text(SITE)
    (folder / "policy.yaml").write_text('access: {tokens: {"RES-*": resident}}\n')
    return load_site(str(folder))


class Wire:
    """The CSMS and one station's end of its link, carrying frames at once. `takes`: what the station answers to profiles."""

    def __init__(self, bundle, version, *, operate=False):
        self.calendar, self.version, self.name = bundle.site.calendar, version, f"s-{version}"
        self.csms = Controller(bundle.site, self.calendar, random.Random(1))
        if operate:
            self.csms.operator = Operator(bundle.site, bundle.rulebook, self.csms)
        self.end = Session("station", version, prefix="t-", supported=codec(version).COMMANDS)
        self.takes = "Accepted"
        self.holds = False
        self.asked, self.notes, self.answers, self.effects = [], [], {}, []

    def tell(self, event, now):
        self.effects = list(self.csms.on(event, now))
        for effect in self.effects:
            if isinstance(effect, Note):
                self.notes.append(effect)
            if isinstance(effect, Send):
                for one in self.end.receive(effect.text, now):
                    self._got(one, now)
        self.deliver(now)

    def _got(self, one, now):
        match one:
            case Called():
                command = codec(self.version).read_command(one.action, one.payload, self.calendar)
                self.asked.append(command)
                if isinstance(command, SetProfile) and self.holds:
                    self.open = (one.id, command)
                else:
                    status = self.takes if isinstance(command, SetProfile) else "Accepted"
                    self.reply(one.id, command, status)
            case Answered():
                self.answers[one.context] = codec(self.version).read_answer(one.action, one.payload, self.calendar)
            case Refused():
                self.answers[one.context] = one

    def reply(self, ident, command, status):
        self.end.answer(ident, codec(self.version).write_reply(command, Reply(status), self.calendar))

    def deliver(self, now):
        for text in self.end.outgoing():
            self.tell(Frame(self.name, text), now)

    def say(self, fact, now, context):
        """Tell the CSMS a fact; its answer, or None while it holds it back."""
        action, payload = codec(self.version).write_fact(fact, self.calendar)
        self.end.call(action, payload, now, context)
        self.deliver(now)
        return self.answers.get(context)

    def join(self, now=0.0):
        self.tell(Opened(self.name, self.version), now)
        return self.say(Booted("Emu", "AC 22", "1", "1", "PowerUp"), now, "boot")

    def start(self, token, now, context="start"):
        tx = None if self.version == "1.6" else "tx-1"
        return self.say(TransactionStarted(1, token, "tx-1", now, 100.0, tx=tx), now, context)

    def wake(self, now):
        assert self.csms.due is not None and self.csms.due <= now
        self.tell(Wake(), now)

    @property
    def peer(self):
        return self.csms.peers[self.name]


@every
def test_a_boot_is_accepted_with_the_time(bundle, version):
    wire = Wire(bundle, version)
    answer = wire.join(5.0)
    assert (answer.status, answer.interval_s) == ("Accepted", HEARTBEAT_S)
    assert answer.at == pytest.approx(5.0, abs=1e-3)
    assert wire.peer.booted and wire.peer.online and wire.peer.lives == 1
    assert wire.say(Alive(), 9.0, "beat").at == pytest.approx(9.0, abs=1e-3)


@every
def test_a_status_is_known_and_its_stamp_tells_the_clocks_offset(bundle, version):
    wire = Wire(bundle, version)
    wire.join()
    wire.say(StatusChanged(1, 1, Status.FAULTED if version == "1.6" else Status.OCCUPIED, 12.0), 10.0, "status")
    assert wire.peer.evses[1].status in (Status.FAULTED, Status.OCCUPIED)
    assert wire.peer.offset_s == pytest.approx(2.0, abs=1e-3)


@every
@pytest.mark.parametrize(("token", "hand", "status"), [
    ("anything", None, "Accepted"),
    ("lost-card", "Blocked", "Blocked"),
    ("old-card", "Expired", "Expired"),
])  # fmt: skip
def test_the_plain_csms_answers_tokens_as_it_was_told_to(bundle, version, token, hand, status):
    wire = Wire(bundle, version)
    wire.join()
    if hand is not None:
        wire.tell(Hand("authorise", {"token": token, "status": hand}), 1.0)
    assert wire.say(AuthorizeAsked(token), 2.0, "auth").status == status
    assert wire.start(token, 3.0).status == status


@every
def test_a_session_lives_from_start_to_stop_and_its_readings_count(bundle, version):
    wire = Wire(bundle, version)
    wire.join()
    answer = wire.start("RES-1", 10.0)
    session = wire.peer.evses[1].session
    assert answer.accepted
    assert (session.token, session.started, session.evse) == ("RES-1", pytest.approx(10.0, abs=1e-3), 1)
    assert session.tx == (answer.tx if version == "1.6" else "tx-1")
    sample = MeterSample(20.0, (7.0, 7.1, 7.2), (230.0, 231.0, 229.0), 4900.0, 150.0)
    wire.say(Metered(1, (sample,), session.tx), 20.5, "meter")
    assert wire.peer.evses[1].sample.current_a == (7.0, 7.1, 7.2)
    assert wire.peer.evses[1].read_at == pytest.approx(20.0, abs=1e-3)
    wire.say(TransactionEnded(1, session.tx, 30.0, 200.0, "Local", "RES-1"), 30.0, "stop")
    assert wire.peer.evses[1].session is None
    assert wire.peer.evses[1].sample is None


@every
def test_a_start_told_twice_is_one_session(bundle, version):
    wire = Wire(bundle, version)
    wire.join()
    first = wire.start("RES-1", 10.0, "one")
    tx = wire.peer.evses[1].session.tx
    again = wire.start("RES-1", 10.0, "two")
    assert (again.status, wire.peer.evses[1].session.tx) == (first.status, tx)


@every
def test_a_stop_of_another_session_ends_nothing(bundle, version):
    wire = Wire(bundle, version)
    wire.join()
    wire.start("RES-1", 10.0)
    wire.say(TransactionEnded(1, "77", 30.0, 200.0, "Local"), 30.0, "stop")
    assert wire.peer.evses[1].session is not None


@every
def test_a_station_is_greeted_with_its_default_and_its_meter_interval(bundle, version):
    wire = Wire(bundle, version, operate=True)
    wire.join(5.0)
    profile, key = wire.asked
    assert profile.evse == 1
    assert [(p.start_s, p.limit) for p in profile.profile.periods] == [(0.0, bundle.rulebook.default_a.value)]
    assert (key.key, key.value) == (SAMPLE_KEY[version], "10")


@every
@pytest.mark.parametrize(("token", "status"), [("RES-1", "Accepted"), ("nobody", "Invalid")])
def test_a_token_is_answered_by_the_rulebook_once_the_default_is_confirmed(bundle, version, token, status):
    wire = Wire(bundle, version, operate=True)
    wire.join()
    assert wire.say(AuthorizeAsked(token), 2.0, "auth").status == status


@every
def test_a_token_is_held_until_the_default_is_confirmed(bundle, version):
    wire = Wire(bundle, version, operate=True)
    wire.holds = True
    wire.join()
    assert wire.say(AuthorizeAsked("RES-1"), 2.0, "auth") is None
    wire.reply(*wire.open, "Accepted")
    wire.deliver(3.0)
    assert wire.answers["auth"].status == "Accepted"


@every
def test_a_token_that_waited_too_long_is_turned_down(bundle, version):
    wire = Wire(bundle, version, operate=True)
    wire.holds = True
    wire.join()
    assert wire.say(AuthorizeAsked("RES-1"), 2.0, "auth") is None
    wire.wake(12.0)
    assert wire.answers["auth"].status == "Blocked"


@every
def test_an_unknown_token_does_not_wait_for_anything(bundle, version):
    wire = Wire(bundle, version, operate=True)
    wire.holds = True
    wire.join()
    assert wire.say(AuthorizeAsked("nobody"), 2.0, "auth").status == "Invalid"


@every
@pytest.mark.parametrize("takes", ["Rejected", "silence"])
def test_a_default_not_taken_keeps_its_rating_reserved(bundle, version, takes):
    wire = Wire(bundle, version, operate=True)
    wire.takes, wire.holds = takes, takes == "silence"
    wire.join()
    if wire.holds:
        wire.wake(CALL_TIMEOUT_S)
    evse = wire.csms.operator.places[(wire.name, 1)]
    assert evse.outgoing.could_draw(20.0) == evse.known.evse.max_a
    assert [n.body["kind"] for n in wire.notes if n.kind == "incident"] == (["default_refused"] if takes == "Rejected" else [])


@every
def test_a_session_gets_a_lease_of_two_periods(bundle, version):
    wire = Wire(bundle, version, operate=True)
    wire.join()
    wire.start("RES-1", 10.0)
    wire.asked.clear()
    wire.wake(wire.csms.due + 1.0)
    wire.wake(wire.csms.due + 1.0)
    leases = [c.profile for c in wire.asked if isinstance(c, SetProfile) and c.profile.transaction is not None]
    rules, session = bundle.rulebook, wire.peer.evses[1].session
    assert leases
    assert leases[-1].transaction == session.tx
    assert [p.limit for p in leases[-1].periods] == [32.0, rules.fallback_a.value]
    assert leases[-1].periods[1].start_s == pytest.approx(rules.lease_s.value, abs=3.0)


@every
def test_a_link_that_closes_takes_held_tokens_and_open_calls_along(bundle, version):
    wire = Wire(bundle, version, operate=True)
    wire.holds = True
    wire.join()
    wire.say(AuthorizeAsked("RES-1"), 2.0, "auth")
    wire.tell(Closed(wire.name), 3.0)
    assert not wire.peer.online
    assert wire.csms.held == []
    assert not any(n.kind == "incident" for n in wire.notes), "a link may be away for a moment"
    wire.tell(Wake(), 20.0)
    assert [n.body["kind"] for n in wire.notes if n.kind == "incident"] == ["communications_lost"]
    assert not any(isinstance(e, Send) for e in wire.effects)


@pytest.mark.parametrize(("peer", "version"), [("stranger", "1.6"), ("s-1.6", "2.2"), ("s-1.6", "")])
def test_who_is_not_known_is_hung_up_on(bundle, peer, version):
    csms = Controller(bundle.site, bundle.site.calendar, random.Random(1))
    assert csms.on(Opened(peer, version), 0.0) == [Hangup(peer, 1002, "not known here")]
    assert not any(p.online for p in csms.peers.values())


@every
@pytest.mark.parametrize("text", ["", "{}", "[]", "[2]", '[9,"x"]', '[3,"nobody-asked",{}]', "[" * 60 + "]" * 60])
def test_garbage_is_noted_once_and_never_raises(bundle, version, text):
    wire = Wire(bundle, version)
    wire.join()
    for now in (1.0, 2.0):
        notes = [e for e in wire.csms.on(Frame(wire.name, text), now) if isinstance(e, Note)]
        assert len(notes) == (1 if now == 1.0 else 0)


def test_what_21_adds_is_taken_in_silence(bundle):
    """A SEND is never answered; one that breaks its schema, and an error about an answer of ours, are noted once each."""
    wire = Wire(bundle, "2.1")
    wire.join()
    data = {"id": 1, "variableMonitoringId": 2, "params": {"interval": 5}}
    wire.csms.on(Frame(wire.name, orjson.dumps([2, "o", "OpenPeriodicEventStream", {"constantStreamData": data}]).decode()), 4.0)
    told = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "230.4"}]}
    assert wire.csms.on(Frame(wire.name, orjson.dumps([6, "e1", "NotifyPeriodicEventStream", told]).decode()), 5.0) == []
    for ident in ("e2", "e3"):
        effects = wire.csms.on(Frame(wire.name, orjson.dumps([6, ident, "NotifyPeriodicEventStream", {}]).decode()), 6.0)
        assert [e.body["kind"] for e in effects] == (["NotifyPeriodicEventStream: occurrence"] if ident == "e2" else [])
    (answer,) = wire.csms.on(Frame(wire.name, '[2,"h1","Heartbeat",{}]'), 7.0)
    assert answer.text.startswith('[3,"h1"')
    (note,) = wire.csms.on(Frame(wire.name, '[5,"h1","FormatViolation","no time",{}]'), 8.0)
    assert note.body == {"kind": "Heartbeat answer refused", "detail": "FormatViolation: no time"}
    assert wire.csms.peers[wire.name].online
