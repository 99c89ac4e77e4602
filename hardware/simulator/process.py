"""The simulator as a process: pseudo-terminals, HTTP and time on one selector, in one thread."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hardware.simulator.control import Control, Reply
from hardware.simulator.http_server import HttpServer
from hardware.simulator.nvram import NonVolatileMemory
from hardware.simulator.pty_port import PtyPort
from hardware.simulator.simulation import PORTS, Simulation, SimulationConfig

PATIENCE_S = 3.0  # for a predecessor that is just dying
_RETRY_S = 0.05
_STDIN = 0
T = TypeVar("T")


class CannotStart(Exception):
    """The simulator cannot start; the message is one sentence that names the cure."""


class SimulatorProcess:
    """Owns every descriptor. `start`, then `run` until a signal (or the parent's death), then `close`."""

    def __init__(
        self, data_dir: Path, host: str, port: int, config: SimulationConfig, *, die_with_parent: bool
    ) -> None:
        self._data_dir = data_dir
        self._host, self._port = host, port
        self._config = config
        self._die_with_parent = die_with_parent
        self._selector = selectors.DefaultSelector()
        self._ports = {name: PtyPort(data_dir / "ports" / name) for name in PORTS}
        self._stopping = False
        self._waker, self._woken = socket.socketpair()

    @property
    def ports_dir(self) -> Path:
        """Where the pseudo-terminals are linked."""
        return self._data_dir / "ports"

    @property
    def url(self) -> str:
        """Of the control."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._http.port}"

    def start(self) -> None:
        """Take the address and the data folder, then load the memory and open the ports. Raises CannotStart."""
        try:
            self.ports_dir.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._data_dir / "simulator.lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CannotStart(f"The data folder {self._data_dir} cannot be used ({error.strerror}).") from error
        self._http = _patiently(lambda: HttpServer(self._host, self._port, self._call), self._address_taken)
        # The predecessor's last words to the memory file must be behind us before it is read.
        _patiently(lambda: fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB), self._folder_taken)
        memory = NonVolatileMemory(self._data_dir / "nvram.json")
        self._simulation = Simulation(
            self._config, memory.load(), lambda sections, sync: memory.store(sections, sync=sync), time.monotonic()
        )
        self._control = Control(self._simulation)
        for name in PORTS:
            self._plug_in(name)
        self._http.register(self._selector)
        if self._die_with_parent:
            try:
                self._selector.register(_STDIN, selectors.EVENT_READ, self._on_stdin)
            except OSError as error:
                raise CannotStart("--die-with-parent needs a pipe from the parent as standard input.") from error
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._on_wake)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping = True

    def run(self) -> None:
        """Serve until stopped."""
        while not self._stopping:
            wait_s = self._simulation.next_at() - time.monotonic()
            ready = self._selector.select(max(0.0, wait_s))
            now = time.monotonic()
            self._simulation.advance(now)
            for key, events in ready:
                key.data(key.fd, events, now)
            self._serve_lines()
            self._http.drop_idle(now)

    def close(self) -> None:
        """Store the memory, then let go of everything a successor may want."""
        self._simulation.store_now()
        for port in self._ports.values():
            port.close()
        self._http.close()
        self._selector.close()
        os.close(self._lock)

    def _serve_lines(self) -> None:
        for name, line in self._simulation.lines.items():
            port = self._ports[name]
            if line.connected != (port.fd is not None):
                if line.connected:
                    self._plug_in(name)
                else:
                    self._selector.unregister(port.fd)  # type: ignore[arg-type]
                    port.close()
            if data := self._simulation.take(name):
                port.write(data)

    def _plug_in(self, name: str) -> None:
        def on_ready(fd: int, events: int, now: float) -> None:
            if data := self._ports[name].read():
                self._simulation.receive(name, data, now)

        self._selector.register(self._ports[name].open(), selectors.EVENT_READ, on_ready)

    def _call(self, method: str, target: str, body: bytes) -> Reply:
        return self._control.call(method, target, body)

    def _on_stdin(self, fd: int, events: int, now: float) -> None:
        if not os.read(_STDIN, 4096):  # the station holds the other end of this pipe; it is gone
            self.stop()

    def _on_wake(self, fd: int, events: int, now: float) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def _address_taken(self, error: OSError) -> str:
        return (
            f"The simulator cannot listen on {self._host}:{self._port} ({error.strerror}): "
            "set STATION_SIM_HTTP to a free host:port, or stop what uses this one."
        )

    def _folder_taken(self, error: OSError) -> str:
        return f"Another simulator uses {self._data_dir}: stop it, or set STATION_DATA_DIR to another folder."


def _patiently(attempt: Callable[[], T], sentence: Callable[[OSError], str]) -> T:
    deadline = time.monotonic() + PATIENCE_S
    waiting = selectors.DefaultSelector()
    while True:
        try:
            return attempt()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise CannotStart(sentence(error)) from error
            waiting.select(_RETRY_S)
