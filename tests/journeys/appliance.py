"""The processes of the appliance beside the worker: Redis, the web, and who plays systemd for them."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

from tests.journeys.station import PROJECT, Station, until


class Systemd:
    """The socket that a service tells how it is; its watchdog waits `watchdog_s`."""

    def __init__(self, folder: Path, name: str, watchdog_s: float = 3.0) -> None:
        path = folder / f"{name}.notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    def _read(self) -> None:
        """All the time, as systemd does: the socket holds few datagrams."""
        while text := self._socket.recv(1000).decode():
            self._told.put(text)

    def next(self, timeout_s: float) -> str:
        """The next state that it is told."""
        return self._told.get(timeout=timeout_s)

    def wait(self, state: str, timeout_s: float = 30.0) -> list[str]:
        """All states up to this one."""
        heard = [self.next(timeout_s)]
        while heard[-1] != state:
            heard.append(self.next(timeout_s))
        return heard

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.environment["NOTIFY_SOCKET"])
        self._reader.join(5)
        self._socket.close()


class RedisServer:
    """Redis with the appliance's own configuration, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisServer:
        program = shutil.which("redis-server")
        assert program, "redis-server is missing; `make test` installs it"
        config = self._folder / "redis.conf"
        text = (PROJECT / "deploy/redis/redis.conf").read_text()
        config.write_text(text.replace("/run/station-redis", str(self._folder)))
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen([program, str(config)], stdout=subprocess.DEVNULL)
        until(self.socket.exists, 20, "Redis listens")
        return self

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


class Beside:
    """What an appliance runs beside its worker: Redis, the pages and the jobs."""

    def __init__(self, folder: Path, station: Station) -> None:
        self.redis = RedisServer(folder)
        station.environment["STATION_REDIS_URL"] = self.redis.url
        self.web, self.jobs = Web(station, {}), Web(station, {}, "runjobs")

    def start_redis(self) -> None:
        """Before the worker, as systemd does."""
        self.redis.start()

    def start(self) -> None:
        """After the worker has made the database."""
        self.web.start()
        self.jobs.start()
        self.web.wait()

    def close(self) -> None:
        self.web.kill()
        self.jobs.kill()
        self.redis.kill()


class Web:
    """`manage.py runweb`, or another command beside it, on the data of a station.

    `releases`: of the current release in that folder, started by the launcher; else of this checkout.
    """

    def __init__(
        self, station: Station, environment: dict[str, str], command: str = "runweb", releases: Path | None = None
    ) -> None:
        launcher = [str(PROJECT / "deploy/launcher.py"), "--follow", str(releases)]
        self._command = [*(launcher if releases else [str(PROJECT / "manage.py")]), command]
        self._log_path = station.folder / f"{command}.log"
        self.url = f"http://127.0.0.1:{station.http_port}"
        self._environment = {**station.environment, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Web:
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=PROJECT,
                env=self._environment,
                start_new_session=True,
            )
        return self

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page; (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait(self, timeout_s: float = 30.0) -> Web:
        """Until the pages answer."""
        until(lambda: self.get("/healthz")[0] == 200, timeout_s, lambda: f"the web answers; log:\n{self.log()}")
        return self

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGTERM)
        return self.wait_end()

    def wait_end(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(20)

    def kill(self) -> None:
        """SIGKILL, the launcher's child as well."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
