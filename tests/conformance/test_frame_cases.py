"""The cases of odd frames beyond the kill matrix: every version, each defect against every case, chargers outside."""

from dataclasses import replace
from functools import cache

import orjson
import pytest
from tests.lab.test_lab_outside import TWO, beside, free_port

from chargekit.judge.catalogue import known_case, known_cases
from chargekit.judge.checks import About, correlation
from chargekit.judge.standing import StandingBench
from chargekit.judge.trial import Setting, run_trial
from chargekit.judge.verdict import Verdict
from chargekit.lab.assemble import Plan
from chargekit.lab.defects import known_defects
from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.wire import VERSIONS, odd_frames, schemas
from chargekit.wire.session import Called, Garbled, Session, Strange
from chargekit.world.history import Record

CASES = [c.id for c in known_cases() if c.area == "frames"]
CAUGHT = {
    "hangs-up-on-garbage": "CK-FRM-001", "ignores-garbage": "CK-FRM-001", "ignores-unknown-actions": "CK-FRM-002",
    "drops-mistyped-calls": "CK-FRM-003", "deaf-to-repeats": "CK-FRM-004", "hangs-up-on-unasked-result": "CK-FRM-005",
    "restarts-on-unknown-type": "CK-FRM-006",
}  # fmt: skip
SUBJECTS = {"ac-01": "1.6", "ac-11": "2.0.1", "ac-12": "2.1"}


@cache
def bundle() -> SiteBundle:
    found = load_site("mixed-use")
    stations = tuple(replace(s, ocpp=SUBJECTS.get(s.id, s.ocpp)) for s in found.site.stations)  # type: ignore[arg-type]
    return replace(found, site=replace(found.site, stations=stations))


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("defect", ["", *CAUGHT])
def test_a_defect_fails_its_case_and_no_other(subject: str, defect: str):
    assert len(CASES) == 6
    found = {c: run_trial(Setting(bundle(), defects=(defect,) if defect else ()), known_case(c), subject).verdict.value for c in CASES}
    wanted = CAUGHT.get(defect)
    if defect == "ignores-garbage" and subject == "ac-01":
        # 1.6 has no answer for what can't be read.
        wanted = None
    assert found == {c: "fail" if c == wanted else "pass" for c in CASES}


def test_every_defect_of_frames_is_looked_at():
    assert set(CAUGHT) == {d.name for d in known_defects().values() if d.area == "frames"}


def test_chargers_outside_without_hands_on_vehicles():
    """Nothing charges there: the link and the answers are judged."""
    port = free_port()
    setting = Setting(load_site("mixed-use"), rate=60.0, plan=Plan(listen=("127.0.0.1", port), stations=TWO))
    bench = StandingBench(setting)
    with beside(Plan(csms_url=f"ws://127.0.0.1:{port}", rate=60.0, stations=TWO)):
        try:
            found = [bench.trial(setting, known_case(c), TWO[n % 2]) for n, c in enumerate(CASES)]
        finally:
            bench.close()
    assert [t.verdict for t in found] == [Verdict.PASS] * 6, [t.reasons for t in found]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_frames_are_what_they_say(version: str):
    good = orjson.loads(odd_frames.call(version, "x-1"))
    assert good[:2] == [2, "x-1"] and schemas.check(version, good[2], "req", good[3]) == []
    wrong = orjson.loads(odd_frames.odd(version, "mistyped", "x-1"))
    assert [p.code for p in schemas.check(version, wrong[2], "req", wrong[3])] == ["type"]
    assert odd_frames.KNOWN_TO_NOBODY not in schemas.actions(version)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(odd_frames.odd(version, "unreadable", "x-1"))
    assert orjson.loads(odd_frames.odd(version, "unasked result", "x-1")) == [3, "x-1", {}]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["unreadable", "unknown action", "mistyped", "unasked result", "unknown type"])
def test_the_session_of_a_station_answers_what_is_wanted(version: str, kind: odd_frames.Odd):
    """The table of the judge and the session's own conduct were written apart; they agree."""
    station = Session("station", version)
    happened = station.receive(odd_frames.odd(version, kind, "x-1"), 0.0)
    want = odd_frames.wanted(version, kind, "x-1")
    answers = [orjson.loads(text) for text in station.outgoing()]
    assert isinstance(happened[0], Garbled | Strange)
    assert len(answers) <= 1 and (answers or want.silence)
    for answer in answers:
        assert answer[0] == 4 and answer[1] in want.ids and answer[2] in want.codes
    assert isinstance(station.receive(odd_frames.call(version, "x-2"), 0.0)[0], Called)


def test_what_1_6_may_leave_unanswered():
    assert [odd_frames.wanted(v, "unreadable", "a").silence for v in VERSIONS] == [True, False, False]
    assert [odd_frames.wanted(v, "unknown type", "a").silence for v in VERSIONS] == [True, False, True]
    assert not any(odd_frames.wanted(v, kind, "a").silence for v in VERSIONS for kind in ("unknown action", "mistyped"))  # type: ignore[arg-type]


def test_an_error_may_answer_what_was_no_message_and_a_result_may_not():
    """CK-ALW-002: the id of a garbled frame of the CSMS may come back in an error, under no other form and no other id."""

    def broken(kind: str, ident: str) -> list[str]:
        rows = [
            Record(1, 0.0, "wire", "ac-11", "opened", {"version": "2.0.1"}),
            Record(2, 1.0, "wire", "ac-11", "garbled", {"dir": "down", "text": '[9,"odd-1",{}]'}),
            Record(3, 2.0, "wire", "ac-11", kind, {"dir": "up", "id": ident, "code": "MessageTypeNotSupported", "payload": {}}),
        ]
        return [one.reason for one in correlation(rows, About(bundle().site, bundle().site.calendar))]

    assert broken("Unknown.err", "odd-1") == []
    assert broken("Unknown.err", "-1") == []
    assert broken("Unknown.err", "odd-2") == ["a reply came under id 'odd-2', under which nothing was asked"]
    assert broken("Unknown.conf", "odd-1") == ["a reply came under id 'odd-1', under which nothing was asked"]
