"""The security block, credentials files and the command line: what is taken, and what is said of what is not."""

import asyncio
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.lab.pki import CA, START

import chargekit
from chargekit.faces import cli
from chargekit.faces.credentials import Asked
from chargekit.lab.assemble import Plan, build
from chargekit.lab.hands import complaint
from chargekit.lab.rig import LocalRig
from chargekit.lab.site_security import credentials, resolve, warnings
from chargekit.lab.sitefile import SiteBundle, load_site
from chargekit.lab.tap import HUSHED, hushed
from chargekit.model.located import BadInput
from chargekit.world.driver import World

WORD = "a-good-long-password"
SITE = """site: s
type: mixed_use
circuits:
  grid: {limit: 100 A}
stations:
  - {id: "cp-{1..2}", model: generic-ac-22, circuit: grid}
"""
PASSWORD = "  password_file: word.txt\n"
CERT = "  certificate: csms.pem\n  key: csms.key\n"
OF_STATIONS = "  station_certificate: '{id}.pem'\n  station_key: '{id}.key'\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    ca = CA()
    (tmp_path / "ca.pem").write_text(ca.pem)
    (tmp_path / "word.txt").write_text(WORD + "\n")
    (tmp_path / "short.txt").write_text("short\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "no.pem").write_text("hello")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    ca.server().write(tmp_path, "csms")
    ca.server(begin=START, end=datetime.now(UTC) - timedelta(days=3)).write(tmp_path, "old")
    ca.server(begin=datetime.now(UTC) + timedelta(days=3)).write(tmp_path, "young")
    for name in ("cp-1", "cp-2"):
        ca.issue(name).write(tmp_path, name)
    return tmp_path


def site(place: Path, block: str) -> SiteBundle:
    (place / "site.yaml").write_text(SITE + ("security:\n" + block if block else ""))
    return load_site(str(place / "site.yaml"))


def test_a_whole_block(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CP2", "another-long-password")
    each = "  stations:\n    cp-2: {profile: 3, password_env: CP2, serial: SN-2}\n"
    block = "  profile: 2\n  ca: ca.pem\n  organisation: Oak\n  additional_root_check: true\n" + CERT + PASSWORD + OF_STATIONS + each
    bundle = site(place, block)
    assert bundle.security is not None
    held = resolve(bundle.security, bundle.site.stations, csms=True, fleet=True)
    one, two = held.stations["cp-1"], held.stations["cp-2"]
    assert (one.profile, one.password, two.profile, two.password, two.serial) == (2, WORD, 3, "another-long-password", "SN-2")
    assert "BEGIN CERTIFICATE" in two.certificate and "PRIVATE KEY" in two.key and len(held.pairs) == 1 and held.root_check
    rule = held.doors(bundle.site.stations).rules["cp-2"]
    assert (rule.profile, rule.serial, rule.organisation) == (3, "SN-2", "Oak")
    assert WORD not in repr(held) + repr(bundle) and "PRIVATE" not in repr(held)
    saved = held.memory("cp-1")
    assert saved["m/security"]["profile"] == 2 and saved["m/security/roots"][0]["type"] == "CSMSRootCertificate"


def test_inline_is_allowed_with_a_warning(place: Path):
    bundle = site(place, f"  profile: 1\n  password: {WORD}\n")
    assert warnings(bundle.security) and "for a lab only" in warnings(bundle.security)[0] and WORD not in warnings(bundle.security)[0]
    assert warnings(site(place, "  profile: 1\n" + PASSWORD).security) == [] == warnings(None)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("  profil: 1\n", "site.yaml:8: unknown key 'profil' (did you mean 'profile'?)"),
        ("  profile: 4\n", "site.yaml:8: profile: 0, 1, 2 or 3 expected, found 4"),
        ("  profile: two\n", "site.yaml:8: a whole number expected"),
        ("  stations:\n    cp-3: {profile: 1}\n", "site.yaml:9: station 'cp-3' is not known"),
        ("  stations:\n    cp-1: {ca: x}\n", "site.yaml:9: unknown key 'ca'"),
        ("  profile: 1\n", "station cp-1 has security profile 1 and no password (password_file:"),
        ("  profile: 1\n  password: short\n", "site.yaml:9: the password of cp-1 can't be one for OCPP 1.6: 16 to 40 characters expected"),
        ("  profile: 1\n  password_file: none.txt\n", "site.yaml:9: password file "),
        ("  profile: 1\n  password_file: empty.txt\n", "is empty (one line with the password)"),
        ("  profile: 1\n  password_env: NOT_THERE_AT_ALL\n", "site.yaml:9: the environment has no NOT_THERE_AT_ALL"),
        ("  profile: 2\n" + PASSWORD, "security profile 2 needs the certificate and the key of the CSMS"),
        ("  profile: 2\n  certificate: csms.pem\n" + PASSWORD, "site.yaml:9: as many keys as certificates expected"),
        ("  profile: 2\n  certificate: none.pem\n  key: csms.key\n" + PASSWORD, "none.pem can't be read: No such file or directory (check"),
        ("  profile: 2\n  certificate: no.pem\n  key: csms.key\n" + PASSWORD, "no.pem is no PEM file (openssl x509"),
        ("  profile: 2\n  certificate: broken.pem\n  key: csms.key\n" + PASSWORD, "broken.pem holds no readable certificate"),
        ("  profile: 2\n  certificate: old.pem\n  key: old.key\n" + PASSWORD, "expired on "),
        ("  profile: 2\n  certificate: young.pem\n  key: young.key\n" + PASSWORD, "is valid only from "),
        ("  profile: 2\n  certificate: csms.pem\n  key: old.key\n" + PASSWORD, "the key is not the certificate's"),
        ("  profile: 2\n  certificate: csms.pem\n  key: csms.pem\n" + PASSWORD, "csms.pem holds no private key"),
        (
            "  profile: 3\n  certificate: csms.pem\n  key: csms.key\n  ca: ca.pem\n",
            "cp-1 has security profile 3 and no certificate with key",
        ),
        (
            "  profile: 3\n  certificate: csms.pem\n  key: csms.key\n  station_certificate: '{id}.pem'\n  station_key: '{id}.key'\n",
            "needs the CA",
        ),
        ("  profile: 0\n  authority_certificate: ca.pem\n", "site.yaml:9: authority_certificate needs authority_key"),
    ],
)
def test_what_can_not_be_is_said(place: Path, monkeypatch: pytest.MonkeyPatch, block: str, text: str):
    monkeypatch.chdir(place)

    def read() -> None:
        bundle = site(Path(), block)
        assert bundle.security is not None
        resolve(bundle.security, bundle.site.stations, csms=True, fleet=True)

    with pytest.raises(BadInput) as told:
        read()
    assert text in str(told.value)


def test_a_key_with_a_passphrase_is_refused_without_asking(place: Path):
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    pair = CA().server()
    sealed = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    (place / "csms.key").write_bytes(sealed)
    bundle = site(place, "  profile: 2\n  certificate: csms.pem\n  key: csms.key\n" + PASSWORD)
    assert bundle.security is not None
    with pytest.raises(BadInput, match="has a passphrase"):
        resolve(bundle.security, bundle.site.stations, csms=True, fleet=True)


NAMES = ["cp-1", "cp-2"]


@pytest.mark.parametrize("kind", ["yaml", "csv"])
def test_credentials_of_each_station(place: Path, kind: str):
    rows = {
        "yaml": f"cp-1: {{password: {WORD}, profile: 2}}\ncp-2: {{profile: 3, certificate: cp-2.pem, key: cp-2.key}}\n",
        "csv": f"station,profile,password,certificate,key\ncp-1,2,{WORD},,\ncp-2,3,,cp-2.pem,cp-2.key\n",
    }
    path = place / f"each.{kind}"
    path.write_text(rows[kind])
    found = credentials(path, NAMES)
    assert found["cp-1"].password is not None and found["cp-1"].password.text == WORD and found["cp-1"].profile == 2
    bundle = site(place, "  profile: 0\n")
    settings = Asked(credentials=path).settings(bundle, server=False)
    assert settings is not None
    held = resolve(settings.over(bundle.security), bundle.site.stations, csms=False, fleet=True)
    assert [held.stations[n].profile for n in NAMES] == [2, 3] and "PRIVATE KEY" in held.stations["cp-2"].key


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "station,pass\ncp-1,x\n", "a.csv:1: unknown column 'pass' (did you mean 'password'?)"),
        ("a.csv", "password\nx\n", "a.csv:1: no column 'station'"),
        ("a.csv", "", "a.csv:1: no column 'station'"),
        ("a.csv", "station\ncp-9\n", "a.csv:2: station 'cp-9' is not known"),
        ("a.csv", "station\ncp-1\ncp-1\n", "a.csv:3: station 'cp-1' stands here twice"),
        ("a.csv", "station,profile\ncp-1,x\n", "a.csv:2: profile: 0, 1, 2 or 3 expected, found 'x'"),
        ("a.csv", "station,profile\ncp-1,7\n", "a.csv:2: profile: 0, 1, 2 or 3 expected, found 7"),
        ("a.csv", "station\ncp-1,2,3\n", "a.csv:2: more values than columns"),
        ("a.csv", 'station\n"cp-1\n', "no CSV"),
        ("a.yaml", "cp-9: {}\n", "a.yaml:1: station 'cp-9' is not known"),
        ("a.yaml", "- cp-1\n", "a table expected, found a list"),
        ("a.yaml", "cp-1: {colour: red}\n", "a.yaml:1: unknown key 'colour'"),
    ],
)
def test_credentials_that_can_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(BadInput) as told:
        credentials(Path(name), NAMES)
    assert words in str(told.value)


def ended(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr(sys, "argv", ["chargekit", *args])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["serve", "site.yaml", "--security-profile", "5"], "--security-profile: 0, 1, 2 or 3 expected, found 5"),
        (["serve", "site.yaml", "--security-profile", "1"], "station cp-1 has security profile 1 and no password"),
        (["serve", "site.yaml", "--cert", "csms.pem"], "--cert and --key go together"),
        (["serve", "site.yaml", "--listen-tls", "127.0.0.1:0"], "--listen-tls needs the certificate"),
        (["serve", "site.yaml", "--password-file", "none", "--security-profile", "1"], "password file none can't be read"),
        (["serve", "site.yaml", "--credentials", "mixed.csv", "--cert", "csms.pem", "--key", "csms.key"], "they can't share a port"),
        (["fleet", "up", "site.yaml", "--security-profile", "2", "--password-file", "word.txt"], "'ws://127.0.0.1:9000' has none (wss://"),
        (
            ["fleet", "up", "site.yaml", "--csms", "wss://x", "--security-profile", "1", "--password-file", "word.txt"],
            "security profile 1 is without TLS",
        ),
        (["fleet", "up", "site.yaml", "--csms", "wss://x", "--ca", "none.pem"], "ca none.pem can't be read"),
        (["run", "site.yaml", "--security-profile", "1", "--password-file", "word.txt"], "links in memory know no security"),
        (["run", "site.yaml", "--listen", "127.0.0.1:0", "--security-profile", "2", "--password-file", "word.txt"], "the certificate"),
    ],
)  # fmt: skip
def test_the_command_line_ends_with_64(place: Path, monkeypatch, capsys, args: list[str], text: str):
    site(place, "")
    (place / "mixed.csv").write_text(f"station,profile,password\ncp-1,1,{WORD}\ncp-2,2,{WORD}\n")
    monkeypatch.chdir(place)
    assert ended(monkeypatch, *args) == 64
    said = capsys.readouterr().err
    assert text in said and WORD not in said and "Traceback" not in said


def test_two_processes_over_tls(place: Path, monkeypatch: pytest.MonkeyPatch):
    """`serve` and `fleet up` by their options alone, profile 3."""
    site(place, "")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    start = [sys.executable, "-c", "from chargekit.faces.cli import main; main()"]
    where = {**os.environ, "PYTHONPATH": str(Path(chargekit.__file__).parents[1])}
    common = ["--security-profile", "3", "--ca", "ca.pem"]
    server = subprocess.Popen(
        [*start, "serve", "site.yaml", "--listen", f"127.0.0.1:{port}", "--cert", "csms.pem", "--key", "csms.key", "--for", "400",
         "--rate", "60", "--rig", "127.0.0.1:0", *common],
        cwd=place, env=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == f"listening on wss://127.0.0.1:{port}"
        fleet = subprocess.run(
            [*start, "fleet", "up", "site.yaml", "--csms", f"wss://127.0.0.1:{port}", "--cert", "{id}.pem", "--key", "{id}.key",
             "--rate", "60", "--for", "60", *common],
            cwd=place, env=where, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert fleet.returncode == 0 and "2 stations connect" in fleet.stdout, fleet.stderr
        monkeypatch.chdir(place)
        asked = Asked(3, None, Path("ca.pem"), [Path("{id}.pem")], [Path("{id}.key")])
        bundle = load_site("site.yaml")
        settings = asked.settings(bundle, server=False)
        lab = build(bundle, Plan(csms_url=f"wss://127.0.0.1:{port}", rate=60.0, security=settings))
        lab.run(asyncio.sleep(40.0))
        booted = {r.subject for r in lab.history.records if r.kind == "BootNotification.conf"}
        lab.close()
        assert booted == {"cp-1", "cp-2"}
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_stations_of_both_kinds_on_two_ports(place: Path):
    block = (
        "  ca: ca.pem\n  certificate: csms.pem\n  key: csms.key\n"
        + PASSWORD
        + "  stations:\n    cp-1: {profile: 1}\n    cp-2: {profile: 2}\n"
    )
    bundle = site(place, block)
    free = ("127.0.0.1", 0)
    with pytest.raises(BadInput, match="can't share a port"):
        build(bundle, Plan(listen=free, rate=60.0))
    lab = build(bundle, Plan(listen=free, listen_tls=free, rate=60.0))
    lab.run(lab.start())
    server = lab.listening["csms"]
    assert server.address[1] != server.secure_address[1] != 0
    lab.close()


ROW = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": WORD}
NET = {
    "configurationSlot": 1,
    "connectionData": {"ocppCsmsUrl": "ws://x", "basicAuthPassword": WORD, "vpn": {"server": "v", "password": WORD, "key": WORD}},
}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": WORD}),
        ("SetVariables", {"setVariableData": [ROW, {"attributeValue": "5"}, 7]}),
        ("SetNetworkProfile", NET),
    ],
)
def test_passwords_are_not_recorded(action: str, payload: dict[str, object]):
    found = repr(hushed(action, payload))
    assert WORD not in found and HUSHED in found
    world = World()
    LocalRig(world, {}, frozenset({"command"})).act("csms", "command", {"command": {"action": action, "payload": payload}})
    LocalRig(world, {}, frozenset({"command"})).act("csms", "command", {"command": {"key": "AuthorizationKey", "value": WORD}})
    assert WORD not in repr([r.body for r in world.history.records])


@pytest.mark.parametrize("payload", [None, 5, [], {"key": "X", "value": "y"}, {"setVariableData": {}}, {"connectionData": []}])
def test_other_payloads_stay_as_they_are(payload: object):
    for action in ("ChangeConfiguration", "SetVariables", "SetNetworkProfile", "Other"):
        assert hushed(action, payload) == payload


def test_a_vehicles_request_from_outside_is_checked():
    some = load_site("mixed-use").site
    good = {"evse": 1, "action": "Install", "exi": "gA==", "schema": "urn:x"}

    def ask(args: dict[str, object]) -> str | None:
        return complaint(some, "plant", "csms", "ac-11", "ev_certificate", args)

    assert ask(good) is None
    assert ask({**good, "exi": "x" * 5601}) == "ev_certificate: exi: text of at most 5600 characters expected"
    assert ask({"action": "Install"}) == "ev_certificate: exi missing"
