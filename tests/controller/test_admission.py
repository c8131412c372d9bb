import base64

import pytest

from chargekit.controller.admission import Admission, Caller, Doors, Rule, Subject, admit
from chargekit.model.security import event_name, password_fault, spoken_password, upgrade_fault
from chargekit.wire.messages import OtherCommand, Reply, SetKey

WORD = "a-good-long-password"
HEX = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"


def basic(user: str, password: str | bytes) -> str:
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()


def test_the_header_of_the_specification():
    """OCPP-J 1.6 section 6.2 has this example."""
    key = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
    header = "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    rule = Rule(1, (key,), version="1.6")
    assert admit(Caller("AL1000", authorization=header), rule).admitted
    assert not admit(Caller("AL1001", authorization=header), rule).admitted


ONE, TWO, THREE = Rule(1, (WORD,)), Rule(2, (WORD,)), Rule(3, organisation="Oak")
GOOD = basic("cp-1", WORD)


@pytest.mark.parametrize(
    ("caller", "rule", "status", "words"),
    [
        (Caller("cp-1"), Rule(), 0, ""),
        (Caller("cp-1", authorization="nonsense"), Rule(), 0, ""),
        (Caller("cp-1", authorization=GOOD), ONE, 0, ""),
        (Caller("cp-1", authorization="bAsIc  " + GOOD[6:]), ONE, 0, ""),
        (Caller("cp-1"), ONE, 401, "no Authorization header"),
        (Caller("cp-1", authorization="Bearer abc"), ONE, 401, "no readable"),
        (Caller("cp-1", authorization="Basic ????"), ONE, 401, "no readable"),
        (Caller("cp-1", authorization="Basic \u00e9"), ONE, 401, "no readable"),
        (Caller("cp-1", authorization="Basic " + "A" * 4000), ONE, 401, "no readable"),
        (Caller("cp-1", authorization="Basic " + base64.b64encode(b"cp-1").decode()), ONE, 401, "no readable"),
        (Caller("cp-1", authorization=basic("cp-2", WORD)), ONE, 401, "not the station's identity"),
        (Caller("cp-1", authorization=basic("cp-1", WORD + "x")), ONE, 401, "wrong password"),
        (Caller("cp-1", authorization=basic("cp-1", "")), ONE, 401, "wrong password"),
        (Caller("cp-1", authorization=basic("cp-1", "")), Rule(1), 401, "no password is set"),
        (Caller("a:b", authorization=basic("a:b", WORD)), ONE, 0, ""),
        (Caller("cp-1", authorization=basic("cp-1", HEX)), Rule(1, (HEX,), version="1.6"), 0, ""),
        (Caller("cp-1", authorization=basic("cp-1", bytes.fromhex(HEX))), Rule(1, (HEX,), version="1.6"), 0, ""),
        (Caller("cp-1", authorization=basic("cp-1", bytes.fromhex(HEX))), Rule(1, (HEX,)), 401, "wrong password"),
        (Caller("cp-1", True, GOOD), ONE, 403, "over TLS"),
        (Caller("cp-1", False, GOOD), TWO, 403, "without TLS"),
        (Caller("cp-1", True, GOOD), TWO, 0, ""),
        (Caller("cp-1", True), TWO, 401, "no Authorization header"),
        (Caller("cp-1", True, None, Subject("cp-1")), TWO, 401, "no Authorization header"),
        (Caller("cp-1", True, GOOD), THREE, 401, "no client certificate"),
        (Caller("cp-1", True, None, Subject("cp-1", "Oak Charging")), THREE, 0, ""),
        (Caller("cp-1", True, None, Subject("cp-2", "Oak Charging")), THREE, 403, "of 'cp-2'"),
        (Caller("cp-1", True, None, Subject("cp-1", "Elm")), THREE, 403, "O is 'Elm'"),
        (Caller("cp-1", True, None, Subject("SN9")), Rule(3, serial="SN9"), 0, ""),
        (Caller("cp-1", False, None, Subject("cp-1", "Oak")), THREE, 403, "without TLS"),
        (Caller("cp-1", True, GOOD), Rule(1, (WORD,), raised=2), 0, ""),
        (Caller("cp-1", False, GOOD), Rule(1, (WORD,), raised=2), 0, ""),
        (Caller("cp-1", True, GOOD), Rule(2, (WORD,), raised=3), 0, ""),
    ],
)
def test_who_may_connect(caller: Caller, rule: Rule, status: int, words: str):
    found = admit(caller, rule)
    assert found.status == status and words in found.reason
    assert bool(found.event) == (status != 0)


def test_a_higher_profile_once_used_is_the_only_one():
    """A05.FR.07: after the upgrade the lower one is refused."""
    doors = Doors({"cp-1": ONE})
    low, high = Caller("cp-1", False, GOOD), Caller("cp-1", True, GOOD)
    assert doors.admit(high).status == 403
    doors.told("cp-1", SetKey("SecurityProfile", "2"), Reply("Rejected"))
    assert doors.admit(high).status == 403
    doors.told("cp-1", SetKey("SecurityProfile", "2"), Reply("Accepted"))
    assert doors.admit(low) == Admission(profile=1)
    assert doors.admit(high) == Admission(profile=2)
    assert doors.admit(low).status == 403
    doors.told("cp-1", SetKey("SecurityProfile", "1"), Reply("Accepted"))
    assert doors.admit(low).status == 403


def test_an_upgrade_by_network_profile():
    doors = Doors({"cp-1": ONE})
    data = {"securityProfile": 3, "ocppCsmsUrl": "wss://x"}
    doors.told("cp-1", OtherCommand("SetNetworkProfile", {"configurationSlot": 2, "connectionData": data}), Reply("Accepted"))
    certified = Caller("cp-1", True, None, Subject("cp-1"))
    assert doors.admit(certified).status == 403
    doors.told("cp-1", SetKey("OCPPCommCtrlr.NetworkConfigurationPriority", "2,1"), Reply("RebootRequired"))
    assert doors.admit(certified) == Admission(profile=3)
    assert not doors.admit(Caller("cp-1", False, GOOD)).admitted


def test_a_password_changes_hands():
    """A01.FR.03 and 04: accepted, only the new one holds; refused, only the old; unanswered, both."""
    new = SetKey("AuthorizationKey", "another-long-password")
    old_call, new_call = Caller("cp-1", False, GOOD), Caller("cp-1", False, basic("cp-1", new.value))
    doors = Doors({"cp-1": ONE})
    doors.asked("cp-1", new)
    assert doors.admit(old_call).admitted and doors.admit(new_call).admitted
    doors.told("cp-1", new, None)
    assert doors.admit(old_call).admitted and doors.admit(new_call).admitted
    doors.told("cp-1", new, Reply("Rejected"))
    assert doors.admit(old_call).admitted and not doors.admit(new_call).admitted
    doors.asked("cp-1", new)
    doors.told("cp-1", new, Reply("Accepted"))
    assert not doors.admit(old_call).admitted and doors.admit(new_call).admitted
    row = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": WORD}
    many = OtherCommand("SetVariables", {"setVariableData": [row, 5, {}]})
    doors.asked("cp-1", many)
    doors.told("cp-1", many, Reply("Accepted"))
    assert doors.admit(old_call).admitted


def test_a_station_without_a_rule_is_none_of_our_business():
    doors = Doors()
    doors.asked("cp-9", SetKey("AuthorizationKey", WORD))
    doors.told("cp-9", SetKey("AuthorizationKey", WORD), Reply("Accepted"))
    assert doors.admit(Caller("cp-9")).admitted and doors.rules == {}


@pytest.mark.parametrize(
    ("password", "version", "words"),
    [
        (WORD, "1.6", ""), (HEX, "1.6", ""), ("short", "1.6", "16 to 40"), ("x" * 41, "2.0.1", "16 to 40"), ("x" * 64, "2.1", ""),
        ("with a space inside", "2.0.1", "only letters"), ("with a space inside", "1.6", ""), ("caf\u00e9" * 5, "1.6", "ASCII"),
    ],
)  # fmt: skip
def test_passwords(password: str, version: str, words: str):
    fault = password_fault(password, version)
    assert words in fault and bool(fault) == bool(words)


def test_what_is_said_of_a_password():
    assert spoken_password(HEX, "1.6") == bytes.fromhex(HEX)
    assert spoken_password(HEX, "2.0.1") == HEX.encode()
    assert spoken_password("abcdef0123456789", "1.6") == b"abcdef0123456789"


HAS = {"password": True, "root": True, "certificate": True}


@pytest.mark.parametrize(
    ("current", "wanted", "holds", "words"),
    [
        (1, 2, {}, ""), (2, 2, {}, ""), (2, 1, {}, "lower than 2"), (3, 0, {}, "lower"), (0, 4, {}, "no security profile 4"),
        (0, -1, {}, "no security profile"), (0, 1, {"password": False}, "no password"), (1, 2, {"root": False}, "no root"),
        (2, 3, {"certificate": False}, "no certificate"), (2, 3, {"password": False}, ""), (0, 3, {"root": False}, "no root"),
    ],
)  # fmt: skip
def test_upgrades(current: int, wanted: int, holds: dict[str, bool], words: str):
    fault = upgrade_fault(current, wanted, **{**HAS, **holds})
    assert words in fault and bool(fault) == bool(words)


def test_events_are_spelled_as_each_version_does():
    assert event_name("InvalidCsmsCertificate", "1.6") == "InvalidCentralSystemCertificate"
    assert event_name("InvalidCsmsCertificate", "2.1") == "InvalidCsmsCertificate"
    assert event_name("InvalidTLSVersion", "1.6") == "InvalidTLSVersion"
