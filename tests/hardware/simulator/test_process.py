"""The real process: pseudo-terminals, HTTP, signals, kills; pymodbus and nfcpy as independent judges of the bytes."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hardware import rapi
from hardware.simulator.client import SimulatorClient, SimulatorError


class Running:
    """A simulator process with its client."""

    def __init__(self, data_dir: Path, *options: str, http_at: str = "127.0.0.1:0", **popen: Any) -> None:
        command = [sys.executable, "-m", "hardware.simulator", "--data-dir", str(data_dir), "--http", http_at]
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [*command, "--post-s", "0.1", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen
        )
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline()
        if self.greeting:
            self.client = SimulatorClient(self.greeting.split()[2])

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def path(self, port: str) -> str:
        return str(self.data_dir / "ports" / port)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path) as simulator:
        yield simulator


def wait_for(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        select.select([], [], [], 0.01)


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    termios.tcflush(fd, termios.TCIOFLUSH)
    try:
        yield fd
    finally:
        os.close(fd)


def ask(fd: int, command: str, seconds: float = 2.0) -> str:
    os.write(fd, rapi.encode_command(command))
    decoder, deadline = rapi.HostDecoder(), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            for frame in decoder.feed(os.read(fd, 4096)):
                if isinstance(frame, rapi.Response):
                    return " ".join(("OK" if frame.ok else "NK", *frame.params))
    return ""


def test_it_greets_answers_and_ends_cleanly_on_sigterm(running: Running):
    url = f"http://127.0.0.1:{running.greeting.split('127.0.0.1:')[1].split()[0]}"
    assert running.greeting == f"simulator ready {url} ports={running.data_dir / 'ports'}\n"
    wait_for(lambda: running.client.state()["mode"] == "locked")
    assert not running.client.state()["ready"]
    with opened(running.path("board")) as board:
        assert ask(board, "GV") == "OK 8.2.3 5.2.1"
    assert running.client.state()["ready"]
    assert {"$GV^35.", "$OK 8.2.3 5.2.1^2F."} <= {entry["text"] for entry in running.client.log()}
    running.client.plug(soc=70)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(3) == 0
    assert json.loads((running.data_dir / "nvram.json").read_text())["car"]["plugged"]
    assert list((running.data_dir / "ports").iterdir()) == []
    with pytest.raises(SimulatorError, match="STATION_SIM_HTTP"):
        running.client.state()


def test_pymodbus_reads_the_meter(running: Running):
    from pymodbus.client import ModbusSerialClient

    client = ModbusSerialClient(running.path("meter"), baudrate=9600, timeout=1)
    try:
        assert client.connect()
        reply = client.read_input_registers(0x0000, count=2, device_id=1)
        volts = client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32)
        assert isinstance(volts, float)
        assert volts == pytest.approx(230, abs=5)
        energy = client.read_input_registers(0x0046, count=6, device_id=1)
        hertz, imported, exported = client.convert_from_registers(energy.registers, client.DATATYPE.FLOAT32)
        assert hertz == pytest.approx(50, abs=0.1)
        assert (imported, exported) == (0, 0)
        assert client.read_input_registers(0x5000, count=2, device_id=1).exception_code == 2
    finally:
        client.close()


def test_nfcpy_drives_the_reader(running: Running):
    transport = pytest.importorskip("nfc.clf.transport")
    driver = pytest.importorskip("nfc.clf.pn532")
    from nfc.clf import RemoteTarget

    tty_port = transport.TTY(running.path("reader"))
    device = driver.init(tty_port)
    try:
        assert device.chipset_name == "PN532v1.6"
        assert device.sense_tta(RemoteTarget("106A")) is None
        running.client.swipe("04A2245A1C2880", hold_ms=3000)
        found = device.sense_tta(RemoteTarget("106A"))
        assert found is not None
        assert bytes(found.sdd_res) == bytes.fromhex("04A2245A1C2880")
    finally:
        device.close()


def test_an_unplugged_line_ends_the_client_and_comes_back_under_the_same_name(running: Running):
    with opened(running.path("board")) as board:
        running.client.link("board", "unplugged")
        wait_for(lambda: not os.path.lexists(running.path("board")))
        with contextlib.suppress(OSError):  # EIO on Linux
            assert os.read(board, 100) == b""
    running.client.link("board", "ok")
    wait_for(lambda: os.path.lexists(running.path("board")))
    with opened(running.path("board")) as board:
        assert ask(board, "GV") == "OK 8.2.3 5.2.1"


def test_it_dies_with_its_parent(tmp_path: Path):
    with Running(tmp_path, "--die-with-parent", stdin=subprocess.PIPE) as simulator:
        simulator.client.plug()
        assert simulator.process.stdin is not None
        simulator.process.stdin.close()
        assert simulator.process.wait(2) == 0
    assert json.loads((tmp_path / "nvram.json").read_text())["car"]["plugged"]


def test_a_taken_address_is_waited_for_and_then_refused_with_the_cure(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        started = time.monotonic()
        with Running(tmp_path, http_at=address) as simulator:
            _, errors = simulator.process.communicate(timeout=6)
            assert simulator.process.returncode == 75
    assert time.monotonic() - started >= 3
    assert "STATION_SIM_HTTP" in errors
    assert address in errors
    assert len(errors.splitlines()) == 1


def test_a_successor_takes_over_while_the_predecessor_is_dying(tmp_path: Path):
    with Running(tmp_path) as first:
        first.client.plug()
        address = first.greeting.split("http://")[1].split()[0]
        first.process.send_signal(signal.SIGTERM)
        with Running(tmp_path, http_at=address) as second:
            assert second.client.state()["plugged"]


def test_kills_at_any_moment_leave_a_readable_memory_and_a_register_that_never_runs_backwards(tmp_path: Path):
    shown = 0
    for round_number in range(4):
        with Running(
            tmp_path, "--speed", "600", "--no-boot-lock", "--car", "plugged", "--gfi-test-s", "0.1"
        ) as simulator:
            state = simulator.client.state()
            assert state["energy_wh"] >= shown
            assert not (tmp_path / "nvram.json.bad").exists()
            reached = state["energy_wh"] + 50

            def counted(at_least: int = reached, client: SimulatorClient = simulator.client) -> bool:
                return bool(client.state()["energy_wh"] >= at_least)

            wait_for(counted)
            shown = simulator.client.state()["energy_wh"]
            select.select([], [], [], 0.013 * round_number)
            simulator.process.kill()
            simulator.process.wait()
    assert json.loads((tmp_path / "nvram.json").read_text())["meter"]["energy_wh"] >= shown


def test_http_refuses_what_is_no_call_and_survives_it(running: Running):
    host, port = running.greeting.split("http://")[1].split()[0].split(":")

    def raw(data: bytes) -> bytes:
        with socket.create_connection((host, int(port)), timeout=2) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            received = b""
            while piece := sock.recv(4096):
                received += piece
            return received

    assert raw(b"GET /state HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw(b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")
    assert b" 400 " in raw(b"nonsense\r\n\r\n")
    assert b" 413 " in raw(b"POST /plug HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
    assert raw(b"POST /plug HTTP/1.1\r\nContent-Length: 10\r\n\r\n{") == b""  # half a request
    connection = http.client.HTTPConnection(host, int(port), timeout=2)
    connection.request("POST", "/plug", b"{")
    response = connection.getresponse()
    assert response.status == 400
    assert "JSON" in json.loads(response.read())["error"]
    connection.close()
    with pytest.raises(SimulatorError, match="There is no fault"):
        running.client.fault("gremlin")
    assert running.client.fault("weld")["faults"] == ["weld"]
    assert running.client.clear("weld")["faults"] == []
    assert running.client.speed(5)["speed"] == 5
    assert running.client.power_cut(0.1)["mode"] == "power_cut"
    assert running.client.ev("full")["soc"] == 100


def test_it_stays_small(running: Running):
    running.client.state()
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    resident_kb = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kb <= 22 * 1024
