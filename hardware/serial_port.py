"""Serial lines: one port, one thread, re-opened for ever (hardware.md, section 7). The only importer of pyserial.

A device's logic is synchronous code against `Line` and a clock; `Port` gives it its thread and a line to talk on.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import serial
import serial.tools.list_ports

from hardware.interfaces import PortHealth
from hardware.sentence import NOTHING, Sentence, quoted
from hardware.waiter import Wait, Waiter

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 2.0
_WRITE_TIMEOUT_S = 1.0
_QUALITY_WINDOW_S = 60.0
_QUALITY_LIMIT = 0.2


class LineLost(Exception):
    """The line cannot be opened or is gone: device unplugged, other end closed, I/O error."""


@dataclass(frozen=True)
class FoundPort:
    """A serial port of this computer: `path` is the most lasting name it has, `device` the present one."""

    path: str
    device: str
    description: str


def found_ports(
    folders: tuple[Path, ...] = (Path("/dev/serial/by-id"), Path("/dev/serial/by-path")),
) -> list[FoundPort]:
    """The serial ports, each by its name in /dev/serial/by-id, else by-path, else as the kernel calls it."""
    lasting: dict[str, str] = {}
    for folder in reversed(folders):
        for link in sorted(folder.glob("*")):
            lasting[str(link.resolve())] = str(link)
    return [
        FoundPort(lasting.get(port.device, port.device), port.device, port.description or "")
        for port in sorted(serial.tools.list_ports.comports())
    ]


class Line(Protocol):
    """An open serial line. One thread reads and writes; any thread may `wake`."""

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises LineLost."""

    def read(self, timeout_s: float) -> bytes:
        """Whatever arrived, as soon as anything did; b"" after `timeout_s` or when woken. Raises LineLost."""

    def wake(self) -> None:
        """Make the present or the next `read` return at once."""

    def close(self) -> None:
        """Release the port; harmless when repeated."""


def drain(line: Line, clock: Callable[[], float], idle_s: float, at_most_s: float = 1.0) -> None:
    """Throw away what arrives until the line was silent for `idle_s` (a babbling device: for `at_most_s`)."""
    started = quiet_since = clock()
    while (now := clock()) - quiet_since < idle_s and now - started < at_most_s:
        if line.read(quiet_since + idle_s - now):
            quiet_since = clock()


class SerialLine:
    """A real port (or pseudo-terminal), opened exclusively: 8 data bits, no flow control.

    Raises LineLost when the port cannot be opened.
    """

    def __init__(self, path: str, baud: int, parity: str = "N") -> None:
        if not path:
            raise LineLost(Sentence("no port configured"))
        try:
            # The Serial object must be kept: its finaliser closes the descriptor.
            self._serial = serial.Serial(path, baud, parity=parity, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise LineLost(_why_not(path, error)) from error
        self._fd = self._serial.fileno()
        self._waiter = Waiter(self._fd)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                if not select.select([], [self._fd], [], _WRITE_TIMEOUT_S)[1]:
                    raise LineLost(Sentence("the line takes no more bytes")) from None
            except OSError as error:
                raise LineLost(Sentence("write failed: {error}", error=str(error.strerror))) from error

    def read(self, timeout_s: float) -> bytes:
        if self._waiter.wait(timeout_s) is not Wait.READY:
            return b""
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LineLost(Sentence("read failed: {error}", error=str(error.strerror))) from error
        if not data:  # ready, yet nothing to read: the other end is gone
            raise LineLost(Sentence("the device has disappeared"))
        return data

    def wake(self) -> None:
        self._waiter.wake()

    def close(self) -> None:
        self._waiter.close(self._serial.close)


def _why_not(path: str, error: OSError | ValueError) -> Sentence:
    """Why a port cannot be opened, with the cure."""
    match getattr(error, "errno", None):
        case errno.ENOENT:
            return Sentence("{path} does not exist; plug the adapter in, or choose its right name", path=path)
        case errno.EACCES | errno.EPERM:
            return Sentence("the station may not use {path}; its user has to be in the group dialout", path=path)
        case errno.EBUSY | errno.EAGAIN:
            return Sentence("another program uses {path}; end that program", path=path)
    return quoted(error)


@dataclass
class Counters:
    """Link quality of one line. Written by the line's thread only, read by any."""

    frames: int = 0
    checksum_errors: int = 0
    timeouts: int = 0
    reconnects: int = 0
    last_frame_at: float | None = None
    is_open: bool = False
    error: Sentence = NOTHING
    _window_at: float = -math.inf
    _window_good: int = 0
    _window_bad: int = 0
    _quality: Sentence = NOTHING

    def good(self, now: float, frames: int = 1) -> None:
        """Count valid frames."""
        self.frames += frames
        self._window_good += frames
        self.last_frame_at = now
        self.error = NOTHING
        self._judge(now)

    def damaged(self, now: float, frames: int) -> None:
        """Count frames with a wrong checksum."""
        self.checksum_errors += frames
        self._window_bad += frames
        self._judge(now)

    def timeout(self, now: float, error: Sentence) -> None:
        """Count a request without an answer."""
        self.timeouts += 1
        self._window_bad += 1
        self.error = error
        self._judge(now)

    def _judge(self, now: float) -> None:
        if now - self._window_at < _QUALITY_WINDOW_S:
            return
        share = self._window_bad / max(self._window_good + self._window_bad, 1)
        first = self._window_at == -math.inf
        self._quality = (
            Sentence("poor link: {share:.0%} of the frames were lost or damaged", share=share)
            if share > _QUALITY_LIMIT and not first
            else NOTHING
        )
        self._window_at, self._window_good, self._window_bad = now, 0, 0

    def health(
        self, name: str, device: str, path: str, warning: Sentence = NOTHING, line: Counters | None = None
    ) -> PortHealth:
        """The counters as they are now; `warning` is shown when there is no worse news.

        `line`: the counters that know whether the line is open, where another device shares it.
        """
        line = line or self
        return PortHealth(
            name=name,
            device=device,
            path=path,
            is_open=line.is_open,
            frames=self.frames,
            checksum_errors=self.checksum_errors,
            timeouts=self.timeouts,
            reconnects=line.reconnects,
            last_frame_at=self.last_frame_at,
            error=(NOTHING if line.is_open else line.error) or self.error or self._quality or warning,
        )


class _TimeIsUp(Exception):
    """Ends a driver in the middle of whatever it does."""


class _LineUntil:
    """A line that nobody can wait on any longer than until a moment."""

    def __init__(self, line: Line, clock: Callable[[], float], until: float) -> None:
        self._line = line
        self._clock = clock
        self._until = until

    def write(self, data: bytes) -> None:
        self._line.write(data)

    def read(self, timeout_s: float) -> bytes:
        left_s = self._until - self._clock()
        if left_s <= 0:
            raise _TimeIsUp
        return self._line.read(min(timeout_s, left_s))

    def wake(self) -> None:
        self._line.wake()

    def close(self) -> None:
        self._line.close()


class Device(Protocol):
    """What lives on a line. All methods are called by the port's thread, one at a time."""

    def attach(self, line: Line) -> None:
        """A freshly opened line: forget what was half heard, say hello. Raises LineLost."""

    def step(self) -> None:
        """Do what is due, or wait for bytes for a second at most. Raises LineLost."""

    def lost(self, reason: str) -> None:
        """There is no line. Called when it is lost and after every attempt to open it, so that time is noticed."""

    def farewell(self) -> None:
        """Last words before the line is closed on purpose. Raises LineLost."""


class Port:
    """The thread that owns one line and the device on it: opens, serves, re-opens with back-off, never dies silently.

    `open_line` raises LineLost while there is none. An unexpected exception goes to `on_crash(name, exception)`; the
    line is closed and opened again, so the device starts afresh.
    """

    def __init__(
        self,
        name: str,
        path: str,
        device: Device,
        open_line: Callable[[], Line],
        counters: Counters,
        on_crash: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.counters = counters
        self._device = device
        self._open_line = open_line
        self._on_crash = on_crash
        self._line: Line | None = None
        self.was_open = False  # in `run_for`
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.run, name=f"port-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread; returns at once."""
        self._thread.start()

    def wake(self) -> None:
        """Make the device look at what is wanted of it at once. Any thread."""
        line = self._line
        if line is not None:
            line.wake()

    @property
    def is_stopping(self) -> bool:
        """It was asked to stop."""
        return self._stopping.is_set()

    def ask_to_stop(self) -> None:
        """Let the thread say its last words and close the line; returns at once."""
        self._stopping.set()
        self.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; False when it did not end in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def run(self, wait: Callable[[float], bool] | None = None) -> None:
        """The life of the thread. `wait(seconds)` ends early, with True, when the port shall stop."""
        wait = wait or self._stopping.wait
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            frames = self.counters.frames
            try:
                self._serve()
            except LineLost as lost:
                self._note(quoted(lost))
            except Exception as error:
                logger.exception("%s: the driver crashed and is started again", self.name)
                self._note(Sentence("driver crashed: {error}", error=repr(error)))
                self._report(error)
            if self.counters.frames > frames:
                retry_s = FIRST_RETRY_S
            if self._stopping.is_set() or wait(retry_s):
                return
            retry_s = min(retry_s * 2, LAST_RETRY_S)

    def run_for(self, seconds: float, clock: Callable[[], float], enough: Callable[[Counters], bool]) -> None:
        """Serve the line once in the caller's thread: until `enough`, or for `seconds` at most. Raises nothing."""
        until = clock() + seconds
        try:
            line = self._open_line()
        except LineLost as lost:
            self._note(quoted(lost))
            return
        self.was_open = True
        try:
            self._device.attach(_LineUntil(line, clock, until))
            while not enough(self.counters):
                self._device.step()
        except _TimeIsUp:
            pass
        except LineLost as lost:
            self._note(quoted(lost))
        finally:
            line.close()

    def _serve(self) -> None:
        """Open the line and serve it until it is lost (LineLost) or the port shall stop."""
        try:
            line = self._open_line()
            self.counters.reconnects += self.counters.last_frame_at is not None
            self.counters.is_open = True
            self.counters.error = NOTHING
            logger.info("%s: %s is open", self.name, self.path)
            self._line = line
            try:
                self._device.attach(line)
                while not self._stopping.is_set():
                    self._device.step()
                self._device.farewell()
            finally:
                self._line = None
                self.counters.is_open = False
                line.close()
        except LineLost as lost:
            self._device.lost(quoted(lost))
            raise

    def _note(self, error: Sentence) -> None:
        if error != self.counters.error:
            logger.warning("%s: %s", self.name, error)
        self.counters.error = error

    def _report(self, error: BaseException) -> None:
        if self._on_crash is None:
            return
        try:
            self._on_crash(self.name, error)
        except Exception:
            logger.exception("%s: the crash could not be reported", self.name)
