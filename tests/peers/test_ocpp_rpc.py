"""The npm package ocpp-rpc, in its strict mode, as an independent peer over a real socket, against both of our sides, in every version."""

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest
from tests.peers.flows import STATION, be_led_through_a_session, lead_a_session, our_controller, our_station, run, until
from tests.peers.words import words

from chargekit.wire import SUBPROTOCOLS, VERSIONS

HERE = Path(__file__).parent / "node"
REQUIRED = os.environ.get("CHARGEKIT_REQUIRE_PEERS") == "1"
PATIENCE_S = 20.0


def missing(why):
    if REQUIRED:
        pytest.fail(f"{why}, and CHARGEKIT_REQUIRE_PEERS=1")
    pytest.skip(why)


@pytest.fixture(scope="module")
def node():
    """The program `node`, with ocpp-rpc installed from its lock file beside the tests."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        missing("node is not installed")
    with (Path(tempfile.gettempdir()) / "chargekit-peers.lock").open("w") as one:
        fcntl.flock(one, fcntl.LOCK_EX)
        if not (HERE / "node_modules" / "ocpp-rpc").is_dir():
            done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                missing(f"ocpp-rpc can't be installed: {done.stderr.strip().splitlines()[-1:]}")
    return program


class NodePeer:
    """One process of peer.mjs. What it reports comes in by a thread of its own."""

    def __init__(self, node, *args):
        self.heard, self.broken, self.told, self._asks = [], [], {}, itertools.count(1)
        self.process = subprocess.Popen(
            [node, str(HERE / "peer.mjs"), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "heard" in said:
                self.heard.append((said["heard"], said["payload"]))
            elif "broken" in said:
                self.broken.append(said["broken"])
            elif "ask" in said:
                self.told[said["ask"]] = said
            else:
                self.told.update(said)

    def say(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def wait(self, key):
        waited = threading.Event()
        for _ in range(int(PATIENCE_S / 0.02)):
            if key in self.told:
                return self.told[key]
            if self.process.poll() is not None:
                break
            waited.wait(0.02)
        raise AssertionError(f"the node peer did not report {key}")

    async def call(self, action, payload):
        ask = next(self._asks)
        self.say(call=action, payload=payload, ask=ask)
        await until(lambda: ask in self.told)
        said = self.told[ask]
        assert "error" not in said, said
        return said["payload"]

    def close(self):
        self.process.kill()
        self.process.wait(5)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_csms_boots_starts_limits_and_stops_our_station(node, version):
    peer = NodePeer(node, "csms", SUBPROTOCOLS[version])
    try:
        peer.say(answers=words(version).csms_answers())
        lab = our_station(version, f"ws://127.0.0.1:{peer.wait('port')}")
        run(lab, lambda: lead_a_session(lab, peer, version))
    finally:
        peer.close()
    assert peer.told["open"] == STATION
    assert not peer.broken


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_station_runs_a_session_under_our_controller(node, version):
    lab = our_controller(version)
    peers = []

    async def drive():
        host, port = lab.address("csms")
        peer = NodePeer(node, "station", SUBPROTOCOLS[version], f"ws://{host}:{port}", STATION)
        peers.append(peer)
        peer.say(answers=words(version).station_answers())
        await until(lambda: "open" in peer.told)
        await be_led_through_a_session(lab, peer, version)

    try:
        run(lab, drive)
    finally:
        for peer in peers:
            peer.close()
    assert peers
    assert not peers[0].broken
