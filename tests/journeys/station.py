"""The real station: `runstation --simulate` in a process group and a data folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.journeys.story import Story
from tests.journeys.wire import STATION_ENDED, STATION_STARTED

PROJECT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30.0

Provision = Mapping[str, Mapping[str, object]]


def until(condition: Callable[[], Any], timeout_s: float, what: str | Callable[[], str], every_s: float = 0.03) -> Any:
    """Ask again and again until the answer is true; returns it."""
    poll, deadline = threading.Event(), time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        poll.wait(every_s)
    return value


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def to_toml(tables: Provision) -> str:
    """The provisioning file: tables of strings, numbers, booleans and lists of them."""

    def value(item: object) -> str:
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, (int, float)):
            return repr(item)
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(value(i) for i in item) + "]"
        return json.dumps(str(item), ensure_ascii=False)  # JSON's escapes are TOML's

    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {value(item)}" for key, item in table.items()), ""]
    return "\n".join(lines)


def merge(base: Provision, over: Provision) -> dict[str, dict[str, object]]:
    """Both tables; where both name a value, the second counts."""
    return {name: {**base.get(name, {}), **over.get(name, {})} for name in {**base, **over}}


class Simulator:
    """Client of the simulator's control (design.md section 5); every call returns the new state."""

    def __init__(self, port: int) -> None:
        self.port = port

    def request(self, method: str, path: str, body: dict | None = None, timeout_s: float = 5) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            raise AssertionError(f"{method} {path} {body} → {error.code}: {text[:500]}") from None

    def state(self) -> dict:
        return self.request("GET", "/state")

    def plug(self, **ev: object) -> dict:
        """Put the cable into the car; `ev` are the car's properties."""
        return self.request("POST", "/plug", {"plugged": True, **({"ev": ev} if ev else {})})

    def unplug(self) -> dict:
        return self.request("POST", "/plug", {"plugged": False})

    def swipe(self, uid: str) -> dict:
        return self.request("POST", "/swipe", {"uid": uid})

    def fault(self, name: str, active: bool = True) -> dict:
        return self.request("POST", "/fault", {"name": name, "active": active})

    def link(self, port: str, mode: str, **options: object) -> dict:
        """Disturb (or heal, mode "ok") the line of board, meter or reader."""
        return self.request("POST", "/link", {"port": port, "mode": mode, **options})

    def power_cut(self, seconds: float) -> dict:
        return self.request("POST", "/power_cut", {"seconds": seconds})

    def speed(self, factor: float) -> dict:
        return self.request("POST", "/speed", {"factor": factor})

    def log(self) -> Any:
        return self.request("GET", "/log")

    def wait(self, where: Callable[[dict], object], timeout_s: float = 10, what: str = "") -> dict:
        """Wait until the state satisfies the predicate; returns that state."""
        last: dict = {}

        def found() -> dict | None:
            nonlocal last
            last = self.state()
            return last if where(last) else None

        return until(found, timeout_s, lambda: f"{what or 'the wanted state of the simulator'}; it is {last}")


class LoneSimulator:
    """The simulated box as a process of its own: it lives on when the station is killed.

    Args:
        folder: for its memory and the links to its ports.
        options: of its command line.
    """

    def __init__(self, folder: Path, **options: object) -> None:
        self.control = Simulator(free_port())
        self.ports = folder / "box" / "ports"
        self._log = (folder / "simulator.log").open("ab")
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "hardware.simulator", f"--data-dir={folder / 'box'}"),
                *(f"--http=127.0.0.1:{self.control.port}", *words),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            start_new_session=True,
        )

    def provision(self) -> dict[str, dict[str, object]]:
        """The part of the provisioning file that tells where its ports are."""
        return {"hardware": {f"{name}_port": str(self.ports / name) for name in ("board", "meter", "reader")}}

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._log.close()


class Station:
    """One station: its data folder, its provisioning file, its process group.

    Args:
        folder: an empty folder for everything the station writes.
        provision: the provisioning file as a dict of tables.
        story: gets a note at each start and end.
        speed: factor of the simulated world's time, set at every start (1 leaves it alone).
        web: with the web server (otherwise --no-web).
        box: the simulator that it is connected to; None: it starts its own (--simulate), which dies with it.
        command: replaces `manage.py runstation …` (tests of this harness).
    """

    def __init__(
        self,
        folder: Path,
        provision: Provision,
        story: Story | None = None,
        *,
        speed: float = 1.0,
        web: bool = False,
        box: LoneSimulator | None = None,
        command: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.story = story or Story()
        self.speed = speed
        self.data = folder / "data"
        self.log_path = folder / "station.log"
        self.provision_path = folder / "provision.toml"
        self.provision_path.write_text(to_toml(provision), "utf-8")
        self.http_port = free_port()
        self.sim = box.control if box else Simulator(free_port())
        self.process: subprocess.Popen[bytes] | None = None
        #: Processes of the group that outlived the main process after the last `terminate`.
        self.left_over: list[int] = []
        self.command = command or [
            *(sys.executable, str(PROJECT / "manage.py"), "runstation"),
            *([] if box else ["--simulate"]),
            *([] if web else ["--no-web"]),
        ]
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("STATION_", "DJANGO_", "PYTEST_"))},
            "STATION_DATA_DIR": str(self.data),
            "STATION_PROVISION": str(self.provision_path),
            "STATION_HTTP": f"127.0.0.1:{self.http_port}",
            "STATION_SIM_HTTP": f"127.0.0.1:{self.sim.port}",
            "STATION_LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }

    # --- lifetime --------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start the processes, without waiting for anything."""
        assert not self.running, "the station runs already"
        self.story.note(STATION_STARTED)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PROJECT,
                env=self.environment,
                start_new_session=True,
            )

    def start(self, timeout_s: float = START_TIMEOUT_S) -> Station:
        """Start, and wait until the simulator says that the station has opened its ports."""
        self.launch()
        self.wait_simulator(timeout_s)
        self.wait_ready(timeout_s)
        return self

    def wait_simulator(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the simulator answers, and give its world the wanted speed."""

        def answers() -> dict | None:
            assert self.running, f"the station ended with code {self.process.returncode}:\n{self.log_tail()}"
            with contextlib.suppress(OSError):
                return self.sim.state()

        until(answers, timeout_s, lambda: f"the simulator answers; log:\n{self.log_tail()}", every_s=0.05)
        if self.speed != 1.0:
            self.sim.speed(self.speed)

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> dict:
        """Wait until the station has opened the ports of its hardware."""

        def ready() -> dict | None:
            assert self.running, f"the station ended with code {self.process.returncode}:\n{self.log_tail()}"
            state = self.sim.state()
            return state if state["ready"] else None

        return until(ready, timeout_s, lambda: f"the station is ready; log:\n{self.log_tail()}")

    def kill(self) -> None:
        """SIGKILL of the whole process group: a power cut of the station's computer."""
        self._end(signal.SIGKILL, 10)

    def terminate(self, timeout_s: float = 10) -> int:
        """SIGTERM to the main process, as an init system sends it; returns the exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        assert self.running, f"the station has ended before: {self.process and self.process.returncode}"
        os.kill(self.process.pid, signal.SIGTERM)
        code = self.process.wait(timeout_s)
        self.story.note(f"{STATION_ENDED} by SIGTERM with code {code}")
        self.left_over = self.members()
        self._kill_leftovers()
        return code

    def restart(self, between: Callable[[], None] | None = None) -> Station:
        """Power cut of the computer and its return; `between` runs while it is dark."""
        self.kill()
        if between is not None:
            between()
        return self.start()

    def close(self) -> None:
        """End of the test: nothing of this station runs any more."""
        if self.process is not None:
            self._end(signal.SIGKILL, 10)

    def _end(self, sign: signal.Signals, timeout_s: float) -> None:
        # The group may outlive its leader, so it is signalled even when the main process has ended.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, sign)
        if self.process.returncode is None:
            self.process.wait(timeout_s)
            self.story.note(f"{STATION_ENDED} by {sign.name}")
        self._kill_leftovers()

    def _kill_leftovers(self) -> None:
        """Wait until the group is empty, so that ports and locks are free for the next start."""

        def gone() -> bool:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
            return not self.members()

        until(gone, 10, "the process group is gone", every_s=0.005)

    def members(self) -> list[int]:
        """Process ids of the group that are alive (zombies not counted)."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[2]) == self.process.pid and fields[0] != "Z":
                        found.append(int(entry.name))
        return found

    # --- what it says ----------------------------------------------------------------------------------------------

    def log(self) -> str:
        """All output of all processes so far."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 60) -> str:
        return "\n".join(self.log().splitlines()[-lines:])
