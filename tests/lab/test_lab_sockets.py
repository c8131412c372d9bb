"""Over real sockets on loopback, at sixty times real time."""

import asyncio
import time

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.protocol import State

from chargekit.lab.assemble import Lab, Plan, build
from chargekit.lab.sitefile import load_site
from chargekit.lab.sockets import identity_of, patience
from chargekit.lab.ws import Wire, goodbye
from chargekit.model.located import BadInput

RATE = 60.0
FREE = ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/ac-01", "ac-01"), ("/ocpp/ac-01", "ac-01"), ("/ocpp/ac-01/", "ac-01"), ("/a%2Db?x=/y", "a-b"), ("/caf%C3%A9", "café"),
        ("/a%2Fb", "a/b"), ("/", None), ("//", None), ("/" + "x" * 48, "x" * 48), ("/" + "x" * 49, None), ("/%FF", None),
        ("", None),
    ],
)  # fmt: skip
def test_identity_in_a_path(path: str, name: str | None):
    assert identity_of(path) == name


def test_goodbyes_that_may_be_sent():
    assert goodbye(1001, "restart") == (1001, "restart")
    assert goodbye(1006, "") == (1000, "")
    assert goodbye(4000, "é" * 100)[1] == "é" * 60


def listening(**more: object) -> Lab:
    return build(load_site("mixed-use"), Plan(listen=FREE, rate=RATE, stations=("ac-01", "ac-11"), **more))  # type: ignore[arg-type]


async def dial(lab: Lab, path: str = "/ac-01", subprotocols: tuple[str, ...] = ("ocpp1.6",), **more: object) -> ClientConnection:
    host, port = lab.address("csms")
    return await connect(f"ws://{host}:{port}{path}", subprotocols=list(subprotocols) or None, proxy=None, **{**patience(RATE), **more})  # type: ignore


def wire(lab: Lab, station: str = "ac-01") -> list[str]:
    return [r.kind for r in lab.history.records if r.subject == station and r.witness == "wire"]


def test_the_handshake():
    lab = listening()

    async def work() -> None:
        for path in ("/nobody", "/", "/" + "x" * 60, "/%FF"):
            with pytest.raises(InvalidStatus, match="404"):
                await dial(lab, path)
        without = await dial(lab, subprotocols=("ocpp1.5",))
        assert without.subprotocol is None
        with pytest.raises(ConnectionClosed):
            await without.recv()
        assert (without.close_code, without.close_reason) == (1002, "no common subprotocol")
        bare = await dial(lab, subprotocols=())
        with pytest.raises(ConnectionClosed):
            await bare.recv()
        assert wire(lab) == []
        both = await dial(lab, "/some/base/ac-11/", ("ocpp1.6", "ocpp2.0.1"))
        assert both.subprotocol == "ocpp2.0.1"
        other = await dial(lab, "/ac-11", ("ocpp1.6",))
        assert other.subprotocol == "ocpp1.6"
        await asyncio.sleep(1.0)

    lab.run(work())
    assert [r.body.get("version") for r in lab.history.records if r.kind == "opened"] == ["2.0.1", "1.6"]
    lab.close()


def test_frames_replacement_and_what_is_not_text():
    lab = listening()

    async def work() -> None:
        ws = await dial(lab)
        await ws.send('[2,"1","Heartbeat",{}]')
        assert '"currentTime"' in await ws.recv()
        again = await dial(lab)
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        await again.send('[2,"2","Heartbeat",{}]')
        assert '"currentTime"' in await again.recv()
        await again.send(b"\x00")
        with pytest.raises(ConnectionClosed):
            await again.recv()
        assert again.close_code == 1003
        big = await dial(lab)
        await big.send('"' + "x" * (1 << 20) + '"')
        with pytest.raises(ConnectionClosed):
            await big.recv()
        assert big.close_code == 1009
        await asyncio.sleep(5.0)

    lab.run(work())
    seen = [k for k in wire(lab) if "." not in k]
    assert seen == ["opened", "closed", "opened", "closed", "opened", "closed"]
    assert [r.body["reason"] for r in lab.history.records if r.kind == "closed"][:2] == ["replaced", "text frames expected"]
    lab.close()


def test_a_cut_at_the_controllers_end():
    lab = listening()
    assert "link_cut" in lab.rig.can and "plug" not in lab.rig.can

    async def work() -> None:
        ws = await dial(lab)
        await asyncio.sleep(1.0)
        await lab.rig.do("ac-01", "link_cut", {})
        with pytest.raises(ConnectionClosed):
            await ws.recv()
        with pytest.raises(InvalidStatus, match="503"):
            await dial(lab)
        await lab.rig.do("ac-01", "link_mended", {})
        await (await dial(lab)).close()
        await asyncio.sleep(5.0)

    lab.run(work())
    assert wire(lab) == ["opened", "closed", "refused", "opened", "closed"]
    lab.close()


@pytest.mark.parametrize("compression", [False, True])
def test_compression_is_a_switch(compression: bool):
    lab = listening(compression=compression)

    async def work() -> list[str]:
        ws = await dial(lab, compression="deflate")
        return [type(e).__name__ for e in ws.protocol.extensions]

    assert lab.run(work()) == (["PerMessageDeflate"] if compression else [])
    lab.close()


def test_an_address_that_is_taken_is_said():
    lab = listening()
    lab.run(lab.start())
    other = build(load_site("mixed-use"), Plan(listen=lab.address("csms"), rate=RATE, stations=("ac-01",)))
    with pytest.raises(OSError, match="address already in use"):
        other.run(asyncio.sleep(1.0))
    other.close()
    lab.close()


def test_no_websocket_address():
    with pytest.raises(BadInput, match="no WebSocket address: 'http://x'"):
        build(load_site("mixed-use"), Plan(csms_url="http://x", rate=RATE))


def test_a_site_over_sockets_charges_and_survives_cuts():
    lab = build(load_site("mixed-use"), Plan(operate=True, rate=RATE, transport="sockets", stations=("ac-01", "ac-11")))

    async def work() -> None:
        await asyncio.sleep(15.0)
        for station in lab.stations:
            await lab.rig.do("plant", "plug", {"station": station, "evse": 1, "vehicle": "compact-3ph", "soc_percent": 30.0})
            await lab.rig.do(station, "present", {"token": "RES-1", "evse": 1})
        await asyncio.sleep(30.0)
        await lab.rig.do("ac-01", "power_off", {})
        await lab.rig.do("ac-11", "link_cut", {})
        await asyncio.sleep(10.0)
        await lab.rig.do("ac-01", "power_on", {})
        await lab.rig.do("ac-11", "link_mended", {})
        await asyncio.sleep(40.0)

    began = time.monotonic()
    lab.run(work())
    lab.close()
    assert time.monotonic() - began < 10.0
    assert "StartTransaction.conf" in wire(lab) and "TransactionEvent.conf" in wire(lab, "ac-11")
    assert wire(lab).count("opened") == 2 and wire(lab).count("BootNotification.conf") == 2
    assert wire(lab, "ac-11").count("opened") == 2 and wire(lab, "ac-11").count("BootNotification.conf") == 1
    assert "garbled" not in wire(lab) + wire(lab, "ac-11")
    before = [r for r in lab.history.records if r.subject == "m-11" and r.kind == "sample" and r.t < 40.0]
    assert max(before[-1].body["current_a"]) > 6.0
    assert not [r for r in lab.history.records if r.kind == "silent"]
    times = [r.t for r in lab.history.records]
    assert times == sorted(times)


def test_a_station_meets_servers_that_refuse_it():
    """It neither follows a redirect nor speaks without a subprotocol; each failure is a Closed, and it dials again."""
    asked: list[str] = []

    def refuse(ws: ServerConnection, request: Request) -> Response | None:
        asked.append(request.path)
        if len(asked) == 1:
            answer = ws.respond(302, "over there\n")
            answer.headers["Location"] = "/elsewhere"
            return answer
        return ws.respond(401, "no\n") if len(asked) == 2 else None

    async def silent(ws: ServerConnection) -> None:
        await ws.wait_closed()

    lab = build(load_site("mixed-use"), Plan(csms_url="ws://127.0.0.1:1/x y", rate=600.0, stations=("ac-01",)))
    closed: list[str] = []
    machine = lab.world.machines["ac-01"]
    before = machine.on

    def spy(event, now):  # type: ignore[no-untyped-def]
        if type(event).__name__ == "Closed":
            closed.append(event.reason)
        return before(event, now)

    machine.on = spy  # type: ignore[method-assign]

    async def work() -> None:
        async with serve(silent, *FREE, process_request=refuse) as server:
            port = server.sockets[0].getsockname()[1]
            lab.links["ac-01"].url = lambda: f"ws://127.0.0.1:{port}/base/"
            while len(closed) < 3:
                await asyncio.sleep(5.0)

    lab.run(asyncio.wait_for(work(), 6000.0))
    lab.close()
    assert asked[:3] == ["/base/ac-01"] * 3
    assert "302" in closed[0] and "401" in closed[1] and closed[2] == "no common subprotocol"
    assert wire(lab) == []


class Slow:
    """A WebSocket whose kernel takes so many frames at once, and the rest when it is told to drain."""

    def __init__(self, room: int) -> None:
        self.room, self.wrote, self.closing = room, [], False
        self.protocol, self.transport, self.state = self, self, State.OPEN
        self.frames: list[bytes] = []

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return max(0, len(self.wrote) - self.room)

    def send_text(self, data: bytes) -> None:
        self.frames.append(data)

    def data_to_send(self) -> list[bytes]:
        frames, self.frames = self.frames, []
        return frames

    def write(self, data: bytes) -> None:
        self.wrote.append(data)

    async def send(self, text: str) -> None:
        self.room += 1
        self.wrote.append(text.encode())
        await asyncio.sleep(0)


@pytest.mark.parametrize("room", [0, 3, 100])
def test_frames_go_out_at_once_and_in_order_however_slow_the_peer_is(room):
    slow, texts = Slow(room), [f"frame {n}" for n in range(20)]

    async def run() -> int:
        wire = Wire(asyncio.get_running_loop(), slow, print)
        for text in texts[:10]:
            wire.send(text)
        at_once = len(slow.wrote)
        writer = asyncio.create_task(wire._write())
        for text in texts[10:]:
            wire.send(text)
            await asyncio.sleep(0)
        for _ in range(40):
            await asyncio.sleep(0)
        writer.cancel()
        return at_once

    assert asyncio.run(run()) == min(room + 1, 10)
    assert slow.wrote == [text.encode() for text in texts]


def test_a_frame_no_utf_8_can_hold_is_not_written_at_once():
    slow = Slow(9)
    wire = Wire(None, slow, print)
    wire.send("\ud800")
    assert slow.wrote == [] and list(wire._out) == ["\ud800"]
    slow.closing = True
    assert not wire._at_once("late")
