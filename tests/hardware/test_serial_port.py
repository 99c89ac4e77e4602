"""Serial lines on real pseudo-terminals: wake-ups, unplugging, re-plugging; and the thread that owns a port."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware import serial_port
from hardware.serial_port import FIRST_RETRY_S, LAST_RETRY_S, Counters, Line, LineLost, Port, SerialLine, drain
from tests.hardware.fakes import FakeBoard, FakeLine, VirtualTime

PATIENCE_S = 10.0  # only ever waited for in full by a failing test


class Plug:
    """The far end of a serial cable, behind a stable link, that can be pulled and put back."""

    def __init__(self, folder: Path) -> None:
        self.link = folder / "port"
        self.put_in()

    def put_in(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.link.symlink_to(os.ttyname(self._near))

    def pull(self) -> None:
        self.link.unlink()
        os.close(self.far)
        os.close(self._near)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.pull()


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    plug = Plug(tmp_path)
    yield plug
    plug.close()


@pytest.fixture
def line(plug: Plug) -> Iterator[SerialLine]:
    line = SerialLine(str(plug.link), 115200)
    yield line
    line.close()


def test_bytes_go_both_ways(plug: Plug, line: SerialLine) -> None:
    line.write(b"$GS^30\r")
    assert os.read(plug.far, 100) == b"$GS^30\r"
    os.write(plug.far, b"\x00\xff\r\n$OK")
    assert line.read(PATIENCE_S) == b"\x00\xff\r\n$OK"


def test_a_read_ends_empty_at_its_timeout(line: SerialLine) -> None:
    assert line.read(0.0) == b""
    assert line.read(-1.0) == b""
    assert line.read(0.01) == b""


def test_a_wake_up_from_another_thread_ends_a_blocking_read(line: SerialLine) -> None:
    reading = threading.Event()
    answers: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        reading.set()
        answers.put(line.read(60.0))

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(PATIENCE_S)
    line.wake()
    assert answers.get(timeout=PATIENCE_S) == b""
    thread.join(PATIENCE_S)


def test_a_wake_up_before_the_read_is_not_lost_and_ends_only_one(plug: Plug, line: SerialLine) -> None:
    for _ in range(100_000):  # more than a pipe can hold
        line.wake()
    assert line.read(60.0) == b""
    os.write(plug.far, b"x")
    assert line.read(PATIENCE_S) == b"x"


def test_a_wake_up_does_not_swallow_bytes(plug: Plug, line: SerialLine) -> None:
    os.write(plug.far, b"x")
    line.wake()
    data = b""
    while not data:
        data = line.read(PATIENCE_S)
    assert data == b"x"


def test_a_pulled_plug_is_a_lost_line_for_reader_and_writer(plug: Plug, line: SerialLine) -> None:
    plug.pull()
    with pytest.raises(LineLost):
        line.read(PATIENCE_S)
    with pytest.raises(LineLost):
        line.write(b"x")


def test_a_pulled_plug_ends_a_blocking_read(plug: Plug, line: SerialLine) -> None:
    reading = threading.Event()
    errors: queue.Queue[BaseException] = queue.Queue()

    def read() -> None:
        reading.set()
        try:
            line.read(60.0)
        except LineLost as lost:
            errors.put(lost)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(PATIENCE_S)
    plug.pull()
    assert isinstance(errors.get(timeout=PATIENCE_S), LineLost)
    thread.join(PATIENCE_S)


@pytest.mark.parametrize("path", ["", "/nowhere/port", "/dev/null"])
def test_what_cannot_be_opened_is_a_lost_line(path: str) -> None:
    with pytest.raises(LineLost):
        SerialLine(path, 9600)


def test_a_port_has_one_owner(plug: Plug, line: SerialLine) -> None:
    with pytest.raises(LineLost):
        SerialLine(str(plug.link), 9600)
    line.close()
    SerialLine(str(plug.link), 9600).close()


def test_closing_twice_and_waking_a_closed_line_are_harmless(line: SerialLine) -> None:
    line.close()
    line.close()
    line.wake()


def test_a_line_that_takes_no_more_bytes_is_lost(line: SerialLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "_WRITE_TIMEOUT_S", 0.01)
    with pytest.raises(LineLost, match="no more bytes"):
        line.write(b"x" * 1_000_000)


def test_parity_and_odd_speeds_are_accepted_on_a_pseudo_terminal(plug: Plug) -> None:
    for baud, parity in ((2400, "N"), (9600, "E"), (19200, "O"), (921600, "N")):
        SerialLine(str(plug.link), baud, parity).close()


def test_draining_throws_away_what_comes_until_silence_but_not_for_ever() -> None:
    clock = VirtualTime()
    line = FakeLine(clock, FakeBoard(clock))
    for at in (0.01, 0.05, 0.09, 0.3):
        line.deliver(b"late", at)
    drain(line, clock, 0.05)
    assert clock() - 1000.0 == pytest.approx(0.14, abs=0.002)
    assert line.read(1.0) == b"late"
    for n in range(1000):
        line.deliver(b"babble", n * 0.01)
    drain(line, clock, 0.05, at_most_s=0.5)
    assert clock() < 1002.0


# --- the thread of a port ---------------------------------------------------------------------------------------------
class Log:
    """A device that writes down what happens to it."""

    def __init__(self, step: Callable[[Line], None] | None = None) -> None:
        self.events: queue.Queue[str] = queue.Queue()
        self.line: Line | None = None
        self._step = step

    def attach(self, line: Line) -> None:
        self.line = line
        self.events.put("attach")

    def step(self) -> None:
        assert self.line is not None
        if self._step:
            self._step(self.line)
            return
        data = self.line.read(60.0)
        if data:
            self.events.put(data.decode())

    def lost(self, reason: str) -> None:
        self.events.put("lost")

    def farewell(self) -> None:
        self.events.put("farewell")

    def next(self) -> str:
        return self.events.get(timeout=PATIENCE_S)


def test_a_port_serves_its_device_and_says_farewell(plug: Plug) -> None:
    device = Log()
    counters = Counters()
    port = Port("board", str(plug.link), device, lambda: SerialLine(str(plug.link), 115200), counters)
    port.start()
    assert device.next() == "attach"
    os.write(plug.far, b"hello")
    assert device.next() == "hello"
    assert counters.is_open
    port.ask_to_stop()
    assert device.next() == "farewell"
    assert port.join(PATIENCE_S)
    assert not counters.is_open


def test_a_replugged_port_is_opened_again_by_its_path(plug: Plug) -> None:
    device = Log()
    counters = Counters(last_frame_at=1.0)
    port = Port("board", str(plug.link), device, lambda: SerialLine(str(plug.link), 115200), counters)
    port.start()
    assert device.next() == "attach"
    plug.pull()
    assert device.next() == "lost"
    plug.put_in()
    while (event := device.next()) == "lost":
        pass
    assert event == "attach"
    os.write(plug.far, b"again")
    assert device.next() == "again"
    assert counters.reconnects >= 1
    port.ask_to_stop()
    assert port.join(PATIENCE_S)


def run_with(open_line: Callable[[], Line], device: Log, waits: int, **options: object) -> list[float]:
    """Run a port in this thread until it has waited so often; the times it waited."""
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) >= waits

    Port("meter", "/dev/x", device, open_line, Counters(), **options).run(wait)  # type: ignore[arg-type]
    return waited


def test_attempts_to_open_back_off_to_two_seconds_and_the_device_hears_of_each() -> None:
    def refuse() -> Line:
        raise LineLost("gone")

    device = Log()
    waited = run_with(refuse, device, 7)
    assert waited == pytest.approx([FIRST_RETRY_S, 0.4, 0.8, 1.6, LAST_RETRY_S, LAST_RETRY_S, LAST_RETRY_S])
    assert device.events.qsize() == 7


def test_a_crashing_driver_is_reported_and_started_afresh_on_a_new_line() -> None:
    clock = VirtualTime()
    lines: list[FakeLine] = []
    crashes: list[tuple[str, str]] = []

    def open_line() -> Line:
        lines.append(FakeLine(clock, FakeBoard(clock)))
        return lines[-1]

    def crash(line: Line) -> None:
        raise ZeroDivisionError("oops")

    device = Log(crash)
    run_with(open_line, device, 3, on_crash=lambda name, error: crashes.append((name, str(error))))
    assert crashes == [("meter", "oops")] * 3
    assert [line.is_closed for line in lines] == [True] * 3


def test_a_crash_that_cannot_even_be_reported_does_not_end_the_thread() -> None:
    clock = VirtualTime()

    def crash(line: Line) -> None:
        raise ZeroDivisionError

    def report(name: str, error: BaseException) -> None:
        raise RuntimeError("nobody listens")

    waited = run_with(lambda: FakeLine(clock, FakeBoard(clock)), Log(crash), 3, on_crash=report)
    assert len(waited) == 3


# --- link quality -----------------------------------------------------------------------------------------------------
def test_more_than_a_fifth_of_damaged_frames_in_a_minute_is_a_poor_link() -> None:
    counters = Counters()
    for second in range(130):
        counters.good(float(second), 3)
        counters.damaged(float(second), 1)
    assert "poor link: 25%" in counters.health("meter", "sdm230", "/dev/x").error
    for second in range(130, 260):
        counters.good(float(second), 9)
        counters.damaged(float(second), 1)
    assert counters.health("meter", "sdm230", "/dev/x").error == ""


def test_health_shows_the_last_error_until_a_frame_comes_and_a_warning_when_there_is_none() -> None:
    counters = Counters()
    counters.timeout(1.0, "no answer")
    assert counters.health("board", "x", "/dev/x", "a warning").error == "no answer"
    counters.good(2.0)
    health = counters.health("board", "x", "/dev/x", "a warning")
    assert (health.error, health.frames, health.timeouts, health.last_frame_at) == ("a warning", 1, 1, 2.0)


def test_a_port_that_cannot_be_opened_says_why_and_what_to_do(
    plug: Plug, line: SerialLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LineLost, match=r"nowhere does not exist; plug the adapter in"):
        SerialLine(str(tmp_path / "nowhere"), 115200)
    with pytest.raises(LineLost, match=r"another program uses .*port; end that program"):
        SerialLine(str(plug.link), 115200)
    with pytest.raises(LineLost, match="Is a directory"):  # no cure of ours: the system's own words
        SerialLine(str(tmp_path), 115200)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serial_port.serial, "Serial", refused)
    with pytest.raises(LineLost, match=r"may not use .*port; its user has to be in the group dialout"):
        SerialLine(str(plug.link), 115200)
