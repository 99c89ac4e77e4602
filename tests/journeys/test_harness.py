"""The journeys' own tools are tested first: a check that cannot turn red proves nothing."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.journeys.backend import (
    NULL,
    AnswerThenCut,
    Cut,
    Error,
    Late,
    Raw,
    RemoteError,
    ScriptedBackend,
    Silence,
    matches,
)
from tests.journeys.ledger import check_ledger, read_ledger
from tests.journeys.station import Station, merge, to_toml, until
from tests.journeys.story import Entry, Story, decode
from tests.journeys.wire import check_wire


@pytest.fixture
def backend() -> Iterator[ScriptedBackend]:
    backend = ScriptedBackend()
    yield backend
    backend.close()


def dial(backend: ScriptedBackend, **options: object) -> ClientConnection:
    return connect(
        f"{backend.url}/CP1", subprotocols=["ocpp1.6"], compression=None, open_timeout=2, close_timeout=0.2, **options
    )


def ask(client: ClientConnection, action: str, payload: dict, call_id: str = "1", timeout_s: float = 2) -> str:
    client.send(json.dumps([2, call_id, action, payload]))
    return client.recv(timeout_s)


BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
AVAILABLE = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def test_the_backend_answers_every_action_by_default(backend):
    with dial(backend) as client:
        assert client.subprotocol == "ocpp1.6"
        boot = json.loads(ask(client, "BootNotification", BOOT))
        assert boot[:2] == [3, "1"]
        assert boot[2]["status"] == "Accepted"
        start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
        first = json.loads(ask(client, "StartTransaction", start, "2"))[2]["transactionId"]
        second = json.loads(ask(client, "StartTransaction", start, "3"))[2]["transactionId"]
        assert second == first + 1
        assert json.loads(ask(client, "StatusNotification", AVAILABLE, "4")) == [3, "4", {}]
    assert not check_wire(backend.story.entries())


def test_scripted_answers_are_used_in_order_and_then_the_default_again(backend):
    backend.answer_next("Heartbeat", NULL, Error("GenericError"), Raw("garbage {id}"))
    with dial(backend) as client:
        assert ask(client, "Heartbeat", {}, "a") == '[3,"a",null]'
        assert json.loads(ask(client, "Heartbeat", {}, "b"))[:3] == [4, "b", "GenericError"]
        assert ask(client, "Heartbeat", {}, "c") == "garbage c"
        assert "currentTime" in ask(client, "Heartbeat", {}, "d")
        backend.answer_always("Heartbeat", lambda call: {"currentTime": call.id})
        assert ask(client, "Heartbeat", {}, "e") == '[3, "e", {"currentTime": "e"}]'


def test_an_answer_can_be_missing_or_late(backend):
    backend.answer_next("Heartbeat", Silence(), Late(0.2, {"currentTime": "late"}))
    with dial(backend) as client:
        with pytest.raises(TimeoutError):
            ask(client, "Heartbeat", {}, "a", timeout_s=0.1)
        with pytest.raises(TimeoutError):
            ask(client, "Heartbeat", {}, "b", timeout_s=0.1)
        assert client.recv(2) == '[3, "b", {"currentTime": "late"}]'


def test_a_late_answer_goes_to_the_newest_connection(backend):
    backend.answer_next("Heartbeat", Late(0.3, {"currentTime": "late"}))
    with dial(backend) as client:
        client.send('[2,"a","Heartbeat",{}]')
        backend.next("Heartbeat")
    with dial(backend) as client:
        assert json.loads(client.recv(2))[1] == "a"


def test_the_connection_is_cut_instead_of_or_after_the_answer(backend):
    backend.answer_next("Heartbeat", Cut(), AnswerThenCut({"currentTime": "x"}))
    with dial(backend) as client, pytest.raises(ConnectionClosed):
        ask(client, "Heartbeat", {})
    with dial(backend) as client:
        client.send('[2,"b","Heartbeat",{}]')
        with contextlib.suppress(ConnectionClosed):
            assert client.recv(2) == '[3, "b", {"currentTime": "x"}]'
        with pytest.raises(ConnectionClosed):
            client.recv(2)
    backend.wait_disconnected(2)


def test_the_backend_goes_down_and_comes_back_on_the_same_port(backend):
    port = backend.port
    with dial(backend) as client:
        backend.go_down()
        with pytest.raises(ConnectionClosed):
            client.recv(2)
        with pytest.raises(OSError, match="refused"):
            dial(backend)
    backend.come_up()
    assert backend.port == port
    with dial(backend) as client:
        assert "Accepted" in ask(client, "BootNotification", BOOT)


def test_a_mute_backend_answers_pings_only(backend):
    backend.mute()
    with dial(backend) as client:
        with pytest.raises(TimeoutError):
            ask(client, "Heartbeat", {}, timeout_s=0.2)
        assert client.ping().wait(2)
        backend.unmute()
        assert "currentTime" in ask(client, "Heartbeat", {}, "2")


def test_a_frozen_backend_is_half_open(backend):
    with dial(backend) as client:
        connection = backend.wait_connected()
        backend.freeze()
        client.send('[2,"a","Heartbeat",{}]')
        assert not client.ping().wait(0.3)
        assert not backend.wait_hung_up(connection, 0.1)
        client.close_socket()
        assert backend.wait_hung_up(connection, 2)
        with pytest.raises(TimeoutError):
            connect(f"{backend.url}/CP1", open_timeout=0.3).close()
        backend.thaw()
        with pytest.raises(ConnectionClosed):
            client.recv(2)
    assert backend.calls("Heartbeat") == []
    with dial(backend) as client:
        assert "currentTime" in ask(client, "Heartbeat", {})


def test_a_handshake_is_refused_with_a_status(backend):
    backend.refuse_with = 401
    with pytest.raises(InvalidStatus, match="401"):
        dial(backend)


def test_calls_of_the_backend_wait_for_their_own_answer(backend):
    with dial(backend) as client:
        result = backend.send_call("Reset", {"type": "Soft"})
        error = backend.send_call("ClearCache")
        for _ in range(2):
            call = json.loads(client.recv(2))
            answer = (
                [3, call[1], {"status": "Accepted"}] if call[2] == "Reset" else [4, call[1], "NotSupported", "", {}]
            )
            client.send(json.dumps(answer))
        assert backend.wait_answer(result).message[2] == {"status": "Accepted"}
        assert backend.wait_answer(error).message[2] == "NotSupported"
        with pytest.raises(AssertionError, match="no answer to backend-3"):
            backend.call("ClearCache", timeout_s=0.1)
    assert issubclass(RemoteError, Exception)


def test_waiting_consumes_each_action_in_order_and_fails_with_the_whole_story(backend):
    backend.log_tail = lambda: "last words of the station"
    with dial(backend) as client:
        for number, status in enumerate(["Preparing", "Charging", "Finishing"]):
            ask(client, "StatusNotification", {**AVAILABLE, "status": status}, str(number))
        ask(client, "Heartbeat", {}, "9")
    assert backend.wait_status("Charging").payload["status"] == "Charging"
    assert backend.next("Heartbeat").id == "9"
    with pytest.raises(AssertionError, match=r"(?s)Preparing.*story.*\"Finishing\".*last words of the station"):
        backend.wait_status("Preparing", timeout_s=0.05)
    with pytest.raises(AssertionError, match="unexpected StatusNotification"):
        backend.expect_no("StatusNotification", 0.05, where=matches({"status": "Finishing"}))
    backend.expect_no("StatusNotification", 0.05, where=matches({"status": "Charging"}))
    backend.skip()
    backend.expect_no("StatusNotification", 0.05)


# --- the rules of the wire, each seen red -------------------------------------------------------------------------


def story_of(*lines: tuple) -> list[Entry]:
    """Entries from (source, frame or text[, connection[, at]]); frames are given as lists."""
    entries = []
    for position, (source, what, *rest) in enumerate(lines):
        text = what if isinstance(what, str) else json.dumps(what)
        connection = rest[0] if rest else 1
        at = rest[1] if len(rest) > 1 else position * 0.01
        entries.append(Entry(at, connection, source, text, None if source == "note" else decode(text)))
    return entries


def station_call(action: str, payload: dict, call_id: str = "s1") -> tuple:
    return ("station", [2, call_id, action, payload])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([("station", "nonsense")], "not a frame"),
        ([("station", [2, "a", "Heartbeat"])], "not a frame"),
        ([("station", [2, 7, "Heartbeat", {}])], "not a frame"),
        ([("station", [2, "a" * 37, "Heartbeat", {}])], "37 characters"),
        ([("station", [4, "a", "FormatViolation", "", {}])], "no error code"),
        ([("station", [4, "a", "GenericError", "", None])], "not a frame"),
        ([station_call("Heartbeats", {})], "no message of OCPP 1.6"),
        ([station_call("Heartbeat", {"extra": 1})], "Heartbeat"),
        ([station_call("StatusNotification", {**AVAILABLE, "info": "x" * 51})], "StatusNotification"),
        ([("backend", [2, "b", "Reset", {"type": "Soft"}]), ("station", [3, "b", {"status": "Maybe"}])], "ResetResp"),
        ([("station", [3, "b", {}])], "an answer to nothing"),
        (
            [
                ("backend", [2, "b", "ClearCache", {}]),
                ("station", [3, "b", {"status": "Accepted"}]),
                ("station", [3, "b", {"status": "Accepted"}]),
            ],
            "nothing on this connection asked for",
        ),
        ([station_call("Heartbeat", {}), ("backend", [3, "s1", {}]), station_call("Heartbeat", {})], "used before"),
        (
            [station_call("Heartbeat", {}), ("station", [2, "s1", "Authorize", {"idTag": "A"}], 2)],
            "used for another frame",
        ),
        ([station_call("Heartbeat", {}), station_call("Heartbeat", {}, "s2")], "after an unanswered Heartbeat"),
        (
            [("backend", [2, "b", "ClearCache", {}], 1, 0.0), ("backend", [2, "c", "ClearCache", {}], 1, 11.0)],
            "not answered within 10 s",
        ),
        ([("note", "station started", 0), station_call("Heartbeat", {})], "before BootNotification was Accepted"),
        (
            [
                ("note", "station started", 0),
                station_call("BootNotification", BOOT),
                ("backend", [3, "s1", {"status": "Pending", "currentTime": "", "interval": 1}]),
                station_call("Heartbeat", {}, "s2"),
            ],
            "before BootNotification was Accepted",
        ),
        (
            [
                station_call("StatusNotification", {**AVAILABLE, "status": "Finishing"}),
                ("backend", [3, "s1", {}]),
                station_call("StatusNotification", {**AVAILABLE, "status": "Charging"}, "s2"),
            ],
            "from Finishing to Charging",
        ),
        ([station_call("StatusNotification", {**AVAILABLE, "connectorId": 0, "status": "Charging"})], "connector 0"),
    ],
)
def test_a_broken_rule_of_the_wire_is_named(lines, words):
    violations = check_wire(story_of(*lines))
    assert any(words in violation for violation in violations), violations


def test_a_clean_story_breaks_no_rule():
    assert not check_wire(
        story_of(
            ("note", "station started", 0),
            station_call("BootNotification", BOOT),
            ("backend", [3, "s1", {"status": "Accepted", "currentTime": "", "interval": 1}]),
            station_call("StatusNotification", AVAILABLE, "s2"),
            ("backend", [2, "b", "ClearCache", {}]),
            ("station", [3, "b", {"status": "Accepted"}]),
            ("backend", [3, "s2", {}]),
            station_call("Heartbeat", {}, "s3"),
        )
    )


# --- the ledger, each promise seen broken -------------------------------------------------------------------------


def start(meter: int = 100, second: int = 0, call_id: str = "start", connection: int = 1, at: float = 0.0) -> tuple:
    stamp = f"2026-01-01T00:00:{second:02d}.000Z"
    payload = {"connectorId": 1, "idTag": "A", "meterStart": meter, "timestamp": stamp}
    return ("station", [2, call_id, "StartTransaction", payload], connection, at)


def stop(
    meter: int = 200,
    second: int = 30,
    transaction_id: int = 7,
    call_id: str = "stop",
    at: float = 1.0,
    connection: int = 1,
) -> tuple:
    payload = {"meterStop": meter, "timestamp": f"2026-01-01T00:00:{second:02d}Z", "transactionId": transaction_id}
    return ("station", [2, call_id, "StopTransaction", payload], connection, at)


def values(meter: int, second: int = 10, transaction_id: int = 7, call_id: str = "values", at: float = 0.5) -> tuple:
    value = {"timestamp": f"2026-01-01T00:00:{second:02d}Z", "sampledValue": [{"value": str(meter)}]}
    return (
        "station",
        [2, call_id, "MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]}],
        1,
        at,
    )


def started(transaction_id: int = 7, call_id: str = "start", connection: int = 1, at: float = 0.1) -> tuple:
    payload = {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
    return ("backend", [3, call_id, payload], connection, at)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([start(), started()], "1 transactions without StopTransaction"),
        ([start(), started(), start(110, 1, "start2"), stop()], "second StartTransaction of different content"),
        ([start(), started(), stop(), stop(201, 31, call_id="stop2")], "while no transaction is open"),
        ([start(), started(), stop(transaction_id=8)], "transactionId 8"),
        ([start(), started(), stop(transaction_id=-1)], "transactionId -1"),
        ([start(), started(), stop(), values(200, 40)], "MeterValues while no transaction is open"),
        ([start(), started(), values(150), values(140, 20, call_id="v2"), stop()], "register went back"),
        ([start(), started(), values(250), stop()], "register went back"),
        ([start(), started(), stop(99)], "register went back"),
        ([start(), started(), values(150, 20), values(160, 10, call_id="v2"), stop()], "older than"),
        ([start(), started(), stop(), start(call_id="again")], "old message came again"),
        ([start(), started(), start(call_id="again", at=0.3), stop()], "on the connection that brought the answer"),
        (
            [
                start(),
                started(),
                ("note", "disconnected", 1, 5.0),
                start(call_id="start", connection=2, at=6.0),
                stop(),
            ],
            "had 4.9 s to arrive",
        ),
        (
            [
                (
                    "station",
                    [2, "x", "StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 1, "timestamp": t}],
                )
                for t in ["2026-01-01T00:00:00+01:00"]
            ],
            "not ISO 8601 in UTC",
        ),
    ],
)
def test_a_broken_promise_is_named(lines, words):
    with pytest.raises(AssertionError, match=words):
        check_ledger(story_of(*lines))


def test_a_start_that_may_not_have_arrived_may_come_again_byte_for_byte():
    ledger = check_ledger(
        story_of(
            start(),
            started(7),
            ("note", "disconnected (cut)", 1, 0.2),
            start(connection=2, at=0.6),
            started(8, connection=2, at=0.7),
            values(150, transaction_id=8, at=0.8),
            stop(transaction_id=8, connection=2),
        )
    )
    [transaction] = ledger.transactions
    assert transaction.transaction_ids == {7, 8}
    assert transaction.copies == 1
    assert transaction.energy_wh == 100


def test_a_copy_with_another_byte_is_a_second_start():
    ledger = read_ledger(story_of(start(), ("note", "disconnected", 1, 0.2), start(second=1, connection=2, at=0.6)))
    assert "second StartTransaction" in ledger.violations[0]


def test_triggered_meter_values_are_no_part_of_the_ledger():
    triggered = values(10)
    triggered[1][3]["meterValue"][0]["sampledValue"][0]["context"] = "Trigger"
    check_ledger(story_of(start(), started(), triggered, stop()))


# --- the launcher -------------------------------------------------------------------------------------------------

FAKE_STATION = """
import http.server, json, os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("provisioned with", open(os.environ["STATION_PROVISION"]).read(), flush=True)
def end(*_):
    child.kill(); child.wait(); print("ended politely", flush=True); os._exit(0)
signal.signal(signal.SIGTERM, end)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"ready": True, "pid": os.getpid()}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body)))
        self.end_headers(); self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); self.send_error(400, "no such thing")
    def log_message(self, *_): pass
host, port = os.environ["STATION_SIM_HTTP"].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def fake_station(tmp_path: Path) -> Iterator[Station]:
    (tmp_path / "fake.py").write_text(FAKE_STATION)
    tables = {"backend": {"charge_point_id": 'CP "1"'}, "ocpp": {"Interval": 3, "Flag": True}}
    station = Station(tmp_path, tables, Story(), command=[sys.executable, str(tmp_path / "fake.py")])
    yield station
    station.close()


def test_a_station_is_started_killed_and_started_again_on_its_ports(fake_station):
    first = fake_station.start().sim.state()["pid"]
    assert len(fake_station.members()) == 2
    fake_station.restart()
    assert fake_station.sim.state()["pid"] != first
    fake_station.kill()
    assert fake_station.members() == []
    assert not fake_station.running
    assert fake_station.log().count('charge_point_id = "CP \\"1\\""') == 2
    assert [e.text for e in fake_station.story.entries()] == [
        *("station started", f"station ended by {signal.SIGKILL.name}"),
        *("station started", f"station ended by {signal.SIGKILL.name}"),
    ]


def test_sigterm_gives_the_exit_code_and_leaves_nothing(fake_station):
    fake_station.start()
    assert fake_station.terminate() == 0
    assert "ended politely" in fake_station.log_tail()
    assert fake_station.left_over == []
    assert fake_station.story.entries()[-1].text == "station ended by SIGTERM with code 0"


def test_a_refused_control_call_shows_the_reason(fake_station):
    fake_station.start()
    with pytest.raises(AssertionError, match=r"POST /plug .* 400"):
        fake_station.sim.plug()
    with pytest.raises(AssertionError, match="the wanted state"):
        fake_station.sim.wait(lambda s: s["pid"] == 0, 0.1)


def test_a_station_that_dies_at_start_shows_its_log(tmp_path):
    (tmp_path / "fake.py").write_text("raise SystemExit('no database')")
    station = Station(tmp_path, {}, command=[sys.executable, str(tmp_path / "fake.py")])
    with pytest.raises(AssertionError, match="code 1:\nno database"):
        station.start()


def test_the_provisioning_file_is_toml_of_the_dict():
    tables = {"a": {"text": 'quote " and \\ and é', "number": 1.5, "yes": True, "list": ["x", "y"]}, "b": {"n": 1}}
    assert tomllib.loads(to_toml(tables)) == tables
    assert merge(tables, {"b": {"n": 2}, "c": {}})["b"] == {"n": 2}


def test_waiting_gives_up_with_words():
    with pytest.raises(AssertionError, match=r"not within 0.05 s: the impossible"):
        until(lambda: False, 0.05, "the impossible")


def test_a_cut_reaches_the_other_side_as_a_reset(backend):
    with socket.create_connection(("127.0.0.1", backend.port)) as sock:
        until(lambda: backend._connections, 2, "accepted")
        backend.drop()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
