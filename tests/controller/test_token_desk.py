"""What the controller tells stations of tokens: groups, how things stand at the end, and the local list of the site's own tokens."""

import random

import pytest

from chargekit.controller.csms import Controller
from chargekit.controller.operator import Operator
from chargekit.lab.sitefile import load_site
from chargekit.model.located import BadInput
from chargekit.wire import codec
from chargekit.wire.messages import (
    AuthorizeAsked,
    Booted,
    GetLocalListVersion,
    ListedToken,
    ListVersionReply,
    Reply,
    SendLocalList,
    SetProfile,
    TokenAnswer,
    TransactionEnded,
    TransactionStarted,
)
from chargekit.wire.session import Answered, Called, Session
from chargekit.world.events import Closed, Frame, Hand, Note, Opened, Send

SITE = """site: two
type: mixed_use
circuits:
  grid: {limit: 60 A}
stations:
  - {id: "s-1.6", model: generic-ac-22, circuit: grid, ocpp: "1.6"}
  - {id: "s-2.0.1", model: generic-ac-22, circuit: grid, ocpp: "2.0.1"}
  - {id: "s-2.1", model: generic-ac-22, circuit: grid, ocpp: "2.1"}
"""
POLICY = """access:
  tokens: {"RES-*": resident, "VAN-1": route_critical, "van-2": route_critical}
  groups: {VANS: [VAN-1, van-2], FLAT-3: [RES-31, RES-32, GONE-1]}
"""
LISTED = (
    ListedToken("RES-31", group="FLAT-3"),
    ListedToken("RES-32", group="FLAT-3"),
    ListedToken("VAN-1", group="VANS"),
    ListedToken("van-2", group="VANS"),
)
every = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


def site(tmp_path, policy=POLICY):
    (tmp_path / "fleet.yaml").write_text(SITE)
    (tmp_path / "policy.yaml").write_text(policy)
    return load_site(str(tmp_path))


class Station:
    """One station's end of the link. `has`: the version of the list it says it has; `takes`: what it answers to one."""

    def __init__(self, bundle, version, *, operate=True):
        self.version, self.name, self.calendar = version, f"s-{version}", bundle.site.calendar
        self.csms = Controller(bundle.site, self.calendar, random.Random(1))
        if operate:
            self.csms.operator = Operator(bundle.site, bundle.rulebook, self.csms)
        self.has, self.takes, self.notes, self.answers, self.commands = 0, "Accepted", [], {}, []
        self.connect()

    def connect(self):
        self.end = Session("station", self.version, prefix="t-", supported=codec(self.version).COMMANDS)
        self.commands = []
        self.tell(Opened(self.name, self.version))
        self.say(Booted("Emu", "AC 22"))

    def tell(self, event):
        for effect in self.csms.on(event, 1.0):
            if isinstance(effect, Note):
                self.notes.append(effect)
            if isinstance(effect, Send):
                for one in self.end.receive(effect.text, 1.0):
                    if isinstance(one, Called):
                        self.obey(one)
                    elif isinstance(one, Answered):
                        self.answers[one.context] = codec(self.version).read_answer(one.action, one.payload, self.calendar)
        for text in self.end.outgoing():
            self.tell(Frame(self.name, text))

    def obey(self, call):
        command = codec(self.version).read_command(call.action, call.payload, self.calendar)
        self.commands.append(command)
        reply = Reply("Accepted")
        if isinstance(command, GetLocalListVersion):
            reply = ListVersionReply(self.has)
        elif isinstance(command, SendLocalList):
            reply = Reply(self.takes)
            self.has = command.version if self.takes == "Accepted" else self.has
        self.end.answer(call.id, codec(self.version).write_reply(command, reply, self.calendar))

    def say(self, fact):
        action, payload = codec(self.version).write_fact(fact, self.calendar)
        self.end.call(action, payload, 1.0, fact)
        for text in self.end.outgoing():
            self.tell(Frame(self.name, text))
        return self.answers.get(fact)

    @property
    def lists(self):
        return [c for c in self.commands if isinstance(c, SendLocalList)]


@every
def test_the_plain_csms_answers_with_the_group_and_expiry_it_was_told(tmp_path, version):
    station = Station(site(tmp_path), version, operate=False)
    station.tell(Hand("authorise", {"token": "A", "status": "Accepted", "group": "G", "until": 60}))
    assert station.say(AuthorizeAsked("A")) == TokenAnswer("Accepted", None, "G", 60.0)
    started = station.say(TransactionStarted(1, "A", "t-1", 1.0, 0.0, tx=None if version == "1.6" else "t-1"))
    assert (started.status, started.group, started.until) == ("Accepted", "G", 60.0)


@every
def test_what_ends_a_transaction_is_answered_as_it_stands(tmp_path, version):
    """A station caches what it is told of the token in its last message (C10.FR.04; 1.6 section 5.20)."""
    station = Station(site(tmp_path), version, operate=False)
    station.tell(Hand("authorise", {"token": "BAD", "status": "Blocked"}))
    assert station.say(TransactionEnded(1, "7", 1.0, 5.0, token="BAD")).status == "Blocked"
    assert station.say(TransactionEnded(1, "8", 1.0, 5.0, token="GOOD")).status == "Accepted"


@every
def test_tokens_are_answered_with_the_group_the_policy_knows(tmp_path, version):
    station = Station(site(tmp_path), version)
    assert station.say(AuthorizeAsked("RES-31")) == TokenAnswer("Accepted", group="FLAT-3")
    assert station.say(AuthorizeAsked("VAN-1")) == TokenAnswer("Accepted", group="VANS")
    assert station.say(AuthorizeAsked("RES-9")) == TokenAnswer("Accepted")
    assert station.say(AuthorizeAsked("GONE-1")) == TokenAnswer("Invalid")


@every
def test_a_station_is_sent_the_tokens_the_policy_names_once(tmp_path, version):
    station = Station(site(tmp_path), version)
    (sent,) = station.lists
    assert sent.full and sent.tokens == LISTED and sent.version > 0
    station.tell(Closed(station.name, 1006, ""))
    station.connect()
    assert GetLocalListVersion() in station.commands and not station.lists, "it has this list already"
    station.has = 0
    station.tell(Closed(station.name, 1006, ""))
    station.connect()
    assert station.lists == [sent], "it lost its list"


@every
def test_a_token_named_by_hand_joins_the_list(tmp_path, version):
    station = Station(site(tmp_path), version)
    old = station.lists[0].version
    station.tell(Hand("set_class", {"token": "NEW-1", "user_class": "guest"}))
    assert [t.token for t in station.lists[-1].tokens] == ["NEW-1", "RES-31", "RES-32", "VAN-1", "van-2"]
    assert station.lists[-1].version != old
    station.tell(Hand("set_class", {"token": "x" * 60, "user_class": "guest"}))
    assert len(station.lists) == 2, "what no version has room for stays off it"


@every
def test_a_long_list_goes_in_parts_of_twenty(tmp_path, version):
    tokens = ", ".join(f'"T-{n:02}": resident' for n in range(45))
    station = Station(site(tmp_path, f"access: {{tokens: {{{tokens}}}}}\n"), version)
    assert [(one.full, len(one.tokens)) for one in station.lists] == [(True, 20), (False, 20), (False, 5)]
    first = station.lists[0].version
    assert [one.version for one in station.lists] == [first, first + 1, first + 2]
    assert [t.token for one in station.lists for t in one.tokens] == [f"T-{n:02}" for n in range(45)]


@every
def test_a_station_that_refuses_the_list_is_noted_and_left_alone(tmp_path, version):
    bundle = site(tmp_path)
    station = Station(bundle, version)
    station.has, station.takes = 0, "Failed"
    station.tell(Closed(station.name, 1006, ""))
    station.connect()
    assert len(station.lists) == 1
    assert [n.body for n in station.notes if n.body.get("kind") == "local list refused"] == [
        {"kind": "local list refused", "because": "Failed"}
    ]
    assert any(isinstance(c, SetProfile) for c in station.commands), "it is led all the same"


@every
def test_a_site_that_names_only_patterns_sends_no_list(tmp_path, version):
    station = Station(site(tmp_path, 'access: {tokens: {"RES-*": resident}}\n'), version)
    assert GetLocalListVersion() not in station.commands and not station.lists


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("access: {groups: {A: [T], B: [t]}}\n", "token 't' is in group 'A' already"),
        (f"access: {{groups: {{{'g' * 21}: [T]}}}}\n", "a group's id has 1 to 20 characters, this one 21"),
    ],
)
def test_groups_that_cannot_be(tmp_path, policy, message):
    with pytest.raises(BadInput, match=message):
        site(tmp_path, policy)


def test_groups_are_part_of_the_rules_revision(tmp_path):
    bare = site(tmp_path, 'access: {tokens: {"RES-*": resident}}\n').rulebook.revision
    grouped = site(tmp_path, 'access: {tokens: {"RES-*": resident}, groups: {A: [RES-1]}}\n').rulebook.revision
    assert bare != grouped
