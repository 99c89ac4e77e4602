"""What `make run` does: a station with simulated hardware, and a loopback backend unless a real one is named."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
BACKEND_READY_S = 20.0
EX_TEMPFAIL, EX_CONFIG = 75, 78
DEMO_ID = "DEMO-1"


def main() -> int:
    """Run until the station ends; its exit code."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--backend", default="", help="ws:// or wss:// address of a real backend")
    parser.add_argument("--id", default="", help=f"charge point id there (default {DEMO_ID})")
    options = parser.parse_args()

    environment = dict(os.environ)
    folder = Path(environment.get("STATION_DATA_DIR", "").strip() or ROOT / "var").absolute()
    taken: set[int] = set()
    for variable, port, purpose in (("STATION_HTTP", 8080, "web"), ("STATION_SIM_HTTP", 8081, "simulator")):
        if not environment.get(variable, "").strip():
            chosen = free_port(port, taken)
            taken.add(chosen)
            environment[variable] = f"127.0.0.1:{chosen}"
            if chosen != port:
                tell(f"Port {port} is taken; the {purpose} uses {chosen} ({variable} sets it).")

    stored = stored_backend(folder)
    own_provision = environment.get("STATION_PROVISION", "").strip()
    if stored and options.backend and (stored[0], stored[1]) != (options.backend, options.id or stored[1]):
        tell(
            f"The data folder {shown(folder)} belongs to the backend {stored[0] or '(none)'} as {stored[1] or '-'}: "
            "existing settings are never overwritten.\n"
            f"Start afresh with  rm -r {shown(folder)}  (its transactions and settings are lost then),\n"
            "or keep it and use another folder:  STATION_DATA_DIR=/some/new/folder make run BACKEND=… ID=…"
        )
        return EX_CONFIG

    backend: subprocess.Popen[str] | None = None
    if stored:
        url, identity = stored
        own = urlsplit(url)
        if own.hostname == "127.0.0.1" and own.path == "/ocpp" and identity == DEMO_ID and own.port:
            if can_listen(own.port):
                backend = start_backend(own.port, environment)
            else:
                tell(f"Something listens on {own.netloc} already; it is taken as the backend of the demo.")
        else:
            tell(f"The data folder {shown(folder)} is used as it is: backend {url or '(none)'} as {identity or '-'}.")
    elif not own_provision:
        url = options.backend
        if not url:
            port = free_port(9000, taken)
            url = f"ws://127.0.0.1:{port}/ocpp"
            backend = start_backend(port, environment)
        environment["STATION_PROVISION"] = str(provision_file(folder, url, options.id or DEMO_ID))
    return run_station(environment, backend)


def run_station(environment: dict[str, str], backend: subprocess.Popen[str] | None) -> int:
    """The station in the foreground; signals go on to it, and the backend ends after it."""
    station: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _: object) -> None:
        if station is None:
            early.append(number)
        elif station.poll() is None:
            station.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    try:
        command = [sys.executable, "manage.py", "runstation", "--simulate"]
        station = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
        for number in early:
            station.send_signal(number)
        code = station.wait()
    finally:
        if backend is not None and backend.poll() is None:
            backend.terminate()
            try:
                backend.wait(5)
            except subprocess.TimeoutExpired:
                backend.kill()
                backend.wait()
    return code if code >= 0 else 128 - code


def start_backend(port: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start the loopback backend and wait until it is ready; its story goes on to our standard output."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "backendsim", "--port", str(port)],
        cwd=ROOT,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends the station first: it says goodbye to its backend
    )
    ready = threading.Event()

    def pass_on() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            tell(f"backend | {line.rstrip()}")
            if "Backend ready" in line:
                ready.set()
        ready.set()

    threading.Thread(target=pass_on, daemon=True).start()
    ready.wait(BACKEND_READY_S)
    if process.poll() is not None or not ready.is_set():
        process.kill()
        tell("The loopback backend did not start; its message stands above.")
        sys.exit(EX_TEMPFAIL)
    return process


def provision_file(folder: Path, url: str, identity: str) -> Path:
    """The settings of a new demo station."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "demo.toml"
    # JSON's strings are TOML's
    path.write_text(f"[backend]\nurl = {json.dumps(url)}\ncharge_point_id = {json.dumps(identity)}\n", "utf-8")
    return path


def stored_backend(folder: Path) -> tuple[str, str] | None:
    """Address and id that the data folder was provisioned with; None when it is new."""
    database = folder / "station.sqlite3"
    if not database.exists():
        return None
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = dict(connection.execute("SELECT section || '.' || name, value FROM station_setting").fetchall())
        if not rows:
            return None
        return json.loads(rows.get("backend.url", '""')), json.loads(rows.get("backend.charge_point_id", '""'))
    return None


def free_port(wanted: int, taken: set[int]) -> int:
    """The wanted port of the loopback, or the next one that nobody uses."""
    return next(port for port in range(wanted, 65536) if port not in taken and can_listen(port))


def can_listen(port: int) -> bool:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def shown(folder: Path) -> str:
    """A folder as a person in this directory writes it."""
    return str(folder.relative_to(ROOT)) + "/" if folder.is_relative_to(ROOT) else str(folder)


def tell(text: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
