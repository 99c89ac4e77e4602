"""The simulator as a child process: the station holds its standard input, so it ends with the station."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hardware.interfaces import HardwareConfig
from station.supervisor import Ended, until

log = logging.getLogger("station.simulator")

PORTS = ("board", "meter", "reader", "panel")
#: Carries a running simulator over a restart of the application ("<pid>:<file descriptor of its standard input>:<digest
#: of the devices it plays>"): a soft Reset is no power cut of the box.
HANDOVER = "STATION_SIM_HANDOVER"
_POLL_S = 0.1
#: `simulated_lock` of [hardware]: what keeps the simulated OpenEVSE board safe after a power cut.
_LOCKS = {"boot": [], "authorisation": ["--no-boot-lock", "--auth-lock"], "none": ["--no-boot-lock"]}


class SimulatedBox:
    """Starts, watches and ends the simulator.

    Args:
        config: which devices it plays; `with_ports` has the paths to talk to them.
        data_dir: of the station; the simulator's folder lies in it.
        http: `host:port` of its control.
        car: "keep", "plugged" or "unplugged", at the first start.
    """

    def __init__(self, config: HardwareConfig, data_dir: Path, http: str, car: str) -> None:
        self._folder = data_dir / "simulator"
        self._links = {name: self._folder / "ports" / name for name in PORTS}
        board, meter, reader, panel = (str(self._links[name]) for name in PORTS)
        # a simulated world may hurry (`/speed`): how fast energy rises then proves nothing about the meter
        options = {"energy_rate_factor": "1000000", **config.options}
        self.with_ports = replace(
            config,
            board_port=board,
            meter_port=board if config.share_a_port else meter,
            reader_port=reader,
            panel=config.panel or "gpiod",
            panel_port=panel,
            options=options,
        )
        self.url = f"http://{http}/"
        self._command = _command(config, self._folder, http)
        self._devices = zlib.crc32(" ".join(self._command).encode())
        self._car = car
        self._pid = 0
        self._exit_code = 0
        self._stdin = -1

    def adopt(self) -> bool:
        """Take over the simulator of the former application, if there is one and it plays the same devices."""
        words = os.environ.pop(HANDOVER, "").split(":")
        if len(words) != 3 or not all(word.isdecimal() for word in words):
            return False
        self._pid, self._stdin, devices = map(int, words)
        with suppress(OSError):
            os.set_inheritable(self._stdin, False)
        if devices != self._devices and self.running:
            log.info("The simulator ends: other devices were chosen")
            os.kill(self._pid, signal.SIGTERM)
            os.waitpid(self._pid, 0)
            self._pid = 0
            self._close_stdin()
        return self.running

    def start(self) -> None:
        """Start it; returns at once."""
        for link in self._links.values():
            link.unlink(missing_ok=True)  # left by a simulator that was killed
        theirs, self._stdin = os.pipe()
        try:
            # The same process group: a power cut of the host (SIGKILL of the group) takes both.
            child = subprocess.Popen(
                [*self._command, "--car", self._car], stdin=theirs, stdout=subprocess.DEVNULL, cwd=_root()
            )
        finally:
            os.close(theirs)
        self._pid = child.pid
        child.returncode = 0  # we wait for it by its pid, also after a handover
        self._car = "keep"
        log.info("The simulator starts: %s", self.url)

    @property
    def running(self) -> bool:
        """It has not ended yet."""
        if self._pid:
            try:
                ended, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = self._pid, 0
            if ended:
                self._pid, self._exit_code = 0, os.waitstatus_to_exitcode(status)
                self._close_stdin()
        return bool(self._pid)

    async def run(self) -> None:
        """Keep it running: raises `Ended` when it has ended, starts it when it does not run."""
        if not self.running:
            self.start()
        await until(lambda: not self.running, _POLL_S)
        raise Ended(f"the simulator ended with code {self._exit_code}")

    async def ports_ready(self) -> None:
        """Wait until its serial ports are there."""
        await until(lambda: all(link.exists() for link in self._links.values()), 0.01)

    async def stop(self, timeout_s: float) -> None:
        """End it: SIGTERM, then SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.running:
                break
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await until(lambda: not self.running, 0.01)
        self._close_stdin()

    def handover(self) -> Mapping[str, str]:
        """Environment for the next application, which adopts the running simulator."""
        if not self.running:
            return {}
        os.set_inheritable(self._stdin, True)
        return {HANDOVER: f"{self._pid}:{self._stdin}:{self._devices}"}

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1


def _command(config: HardwareConfig, folder: Path, http: str) -> list[str]:
    options: dict[str, object] = {
        "--data-dir": folder,
        "--http": http,
        "--board": config.board,
        "--board-unit": config.board_unit,
        "--meter": config.meter,
        "--meter-unit": config.meter_unit,
        "--reader": config.reader,
        "--phases": config.phases,
        "--nominal-voltage": config.nominal_voltage_v,
        "--max-current": config.max_current_a,
    }
    flags = ["--enable-line"] if config.options.get("panel_enable") else []
    flags += ["--shared-line"] if config.share_a_port else []
    flags += _LOCKS[config.options.get("simulated_lock", "boot")]
    given = [text for name, value in options.items() if value != "" for text in (name, str(value))]
    return [sys.executable, "-m", "hardware.simulator", "--die-with-parent", *flags, *given]


def _root() -> Path:
    return Path(__file__).resolve().parent.parent
