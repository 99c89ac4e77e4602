"""The real process: how it starts, what it says when it cannot, and how it ends (exit codes of sysexits.h)."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.backend import ScriptedBackend
from tests.journeys.station import Station, free_port, until

PROVISION = {
    "backend": {"charge_point_id": "CP1"},
    "web": {"admin_password": "correct horse battery"},
    "factory": {"reconnect_min_s": 0.1, "reconnect_max_s": 0.3},
}
Make = Callable[..., Station]


@pytest.fixture
def backend() -> Iterator[ScriptedBackend]:
    backend = ScriptedBackend()
    yield backend
    backend.close()


@pytest.fixture
def make(tmp_path: Path, backend: ScriptedBackend) -> Iterator[Make]:
    """Makes stations that are ended after the test; several of them get folders of their own."""
    stations: list[Station] = []

    def make(**options: Any) -> Station:
        folder = tmp_path / f"station{len(stations)}"
        folder.mkdir()
        tables = {**PROVISION, "backend": {**PROVISION["backend"], "url": backend.url}, **options.pop("provision", {})}
        station = Station(folder, tables, backend.story, web=options.pop("web", True), **options)
        stations.append(station)
        return station

    yield make
    for station in stations:
        station.close()


def ended(station: Station, timeout_s: float = 20) -> tuple[int, str]:
    """Start a station that has to refuse: its exit code and everything it said."""
    station.launch()
    assert station.process is not None
    code = station.process.wait(timeout_s)
    return code, station.log()


def refuses(station: Station, code: int, *words: str) -> None:
    got, said = ended(station)
    assert got == code, said
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, said
    assert station.members() == []


def listens(station: Station) -> None:
    until(lambda: "  Backend " in station.log(), 20, station.log_tail)


# --- the ordinary life


def test_a_station_boots_serves_its_pages_and_leaves_with_a_goodbye(make: Make, backend: ScriptedBackend) -> None:
    station = make().start()
    backend.next("BootNotification")
    listens(station)
    with urllib.request.urlopen(f"http://127.0.0.1:{station.http_port}/", timeout=10) as page:
        assert page.status == 200
    backend.wait_status("Available")
    assert station.terminate(8) == 0
    assert station.left_over == []
    backend.wait_disconnected(5)
    assert "Traceback" not in station.log()
    assert "SIGTERM was received" in station.log()


def test_the_first_start_shows_where_to_go_and_the_one_time_password_once(make: Make) -> None:
    station = make(provision={"web": {"admin_user": "installer"}}).start()
    listens(station)
    said = station.log()
    assert f"http://127.0.0.1:{station.http_port}/" in said
    assert re.search(r"installer with the one-time password \w{4}-\w{4}-\w{4}-\w{4}", said)
    assert "manage.py sim plug" in said
    assert station.terminate(8) == 0
    station.start()
    until(lambda: station.log().count("Try next") == 2, 10, station.log_tail)
    assert station.log().count("one-time password") == 1
    assert station.terminate(8) == 0


@pytest.mark.parametrize("web", [True, False])
def test_the_station_is_small_and_its_backend_does_not_wait_for_the_hardware(
    make: Make, backend: ScriptedBackend, web: bool
) -> None:
    station = make(web=web)
    station.launch()
    backend.next("BootNotification", 20)
    station.wait_simulator()
    station.wait_ready()
    sizes_kib = []
    for pid in station.members():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        sizes_kib.append(int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE).group(1)))  # type: ignore[union-attr]
    assert len(sizes_kib) == 2
    assert sum(sizes_kib) < 150 * 1024
    assert station.terminate(8) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_with_code_0_also_when_they_come_twice(make: Make, number: signal.Signals) -> None:
    station = make().start()
    assert station.process is not None
    station.process.send_signal(number)
    station.process.send_signal(number)
    with suppress(ProcessLookupError):
        station.process.send_signal(signal.SIGTERM)
    assert station.process.wait(8) == 0
    until(lambda: not station.members(), 5, "nothing is left")


def test_a_view_that_never_comes_back_does_not_hold_the_end_up(make: Make) -> None:
    station = make(environment={"DJANGO_SETTINGS_MODULE": "tests.slow_pages.settings"}).start()
    listens(station)
    with socket.create_connection(("127.0.0.1", station.http_port)) as browser:
        browser.sendall(f"GET /slow HTTP/1.1\r\nHost: 127.0.0.1:{station.http_port}\r\n\r\n".encode())
        threading.Event().wait(0.5)  # the view is running now
        assert station.terminate(8) == 0
    assert "Segmentation" not in station.log()


def test_it_ends_while_the_backend_is_deaf(make: Make, backend: ScriptedBackend) -> None:
    station = make().start()
    backend.next("BootNotification")
    backend.freeze()
    assert station.terminate(9) == 0


def test_a_soft_reset_restarts_the_application_but_not_the_box(make: Make, backend: ScriptedBackend) -> None:
    station = make().start()
    backend.next("BootNotification")
    backend.wait_status("Available")
    before = sorted(station.members())
    uptime_s = station.sim.state()["uptime_s"]
    assert backend.call("Reset", {"type": "Soft"}) == {"status": "Accepted"}
    backend.next("BootNotification", 20)
    station.wait_ready()
    assert sorted(station.members()) == before
    assert station.sim.state()["uptime_s"] > uptime_s
    assert station.terminate(8) == 0
    assert station.left_over == []


def test_a_hard_reset_restarts_the_board_as_well(make: Make, backend: ScriptedBackend) -> None:
    station = make().start()
    backend.next("BootNotification")
    backend.wait_status("Available")
    assert backend.call("Reset", {"type": "Hard"}) == {"status": "Accepted"}
    backend.next("BootNotification", 20)
    assert "the board is told to restart" in station.log()
    station.wait_ready()
    assert station.terminate(8) == 0


def test_a_simulator_that_is_killed_comes_back(make: Make, backend: ScriptedBackend) -> None:
    station = make().start()
    backend.next("BootNotification")
    backend.wait_status("Available")
    assert station.process is not None
    (simulator,) = set(station.members()) - {station.process.pid}
    os.kill(simulator, signal.SIGKILL)
    until(lambda: "the simulator ended with code -9" in station.log(), 10, station.log_tail)

    def back() -> bool:
        with suppress(OSError):
            return bool(station.sim.state()["ready"])
        return False

    until(back, 20, station.log_tail)
    assert station.terminate(8) == 0
    assert station.left_over == []


def test_when_memory_and_database_may_differ_the_process_ends_with_70(make: Make, backend: ScriptedBackend) -> None:
    station = make().start()
    backend.next("BootNotification")
    with closing(sqlite3.connect(station.data / "station.sqlite3")) as database:
        database.execute("DROP TABLE station_reason")  # the why log of the next refusal cannot be written
    backend.send_call("NoSuchAction")
    assert station.process is not None
    assert station.process.wait(10) == 70
    until(lambda: not station.members(), 10, "the simulator ends with its station")
    assert "The station crashed" in station.log()


# --- refusals: one message with the cure, no traceback


@pytest.mark.parametrize("variable", ["STATION_HTTP", "STATION_SIM_HTTP"])
def test_a_taken_port_is_75(make: Make, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refuses(make(environment={variable: address}), 75, address, f"Set {variable} to a free host:port")


def test_a_second_station_on_the_same_folder_is_75_and_leaves_the_first_alone(make: Make) -> None:
    first = make().start()
    refuses(make(environment={"STATION_DATA_DIR": str(first.data)}), 75, "Another station runs on the data folder")
    assert first.running
    assert first.terminate(8) == 0


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("[backend]\nurl = 'http://h/'\ncharge_point_id = 'CP1'\n", 78, "ws://"),
        ("[backend]\nurl = 'ws://h/'\n", 78, "charge_point_id"),
        ("[bakend]\nurl = 'ws://h/'\n", 78, "did you mean [backend]"),
        ("[ocpp]\nHartbeatInterval = 5\n", 78, "did you mean HeartbeatInterval"),
        ("this is not TOML", 78, "not valid TOML"),
        (None, 66, "cannot be read"),
    ],
)
def test_a_wrong_provisioning_file_is_refused_and_changes_nothing(
    make: Make, content: str | None, code: int, words: str
) -> None:
    station = make()
    if content is None:
        station.provision_path.unlink()
    else:
        station.provision_path.write_text(content)
    refuses(station, code, words, str(station.provision_path))
    with closing(sqlite3.connect(station.data / "station.sqlite3")) as database:  # the folder counts as new still
        assert database.execute("SELECT count(*) FROM station_setting").fetchone() == (0,)


def test_a_damaged_database_is_65_and_is_not_touched(make: Make) -> None:
    station = make()
    station.data.mkdir()
    database = station.data / "station.sqlite3"
    database.write_bytes(b"this is not a database" * 100)
    refuses(station, 65, "is damaged", "Put a backup in its place")
    assert database.read_bytes() == b"this is not a database" * 100


def test_a_data_folder_that_cannot_be_made_is_73(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refuses(make(environment={"STATION_DATA_DIR": str(tmp_path / "file" / "data")}), 73, "STATION_DATA_DIR")


def test_real_hardware_needs_its_serial_ports(make: Make, tmp_path: Path) -> None:
    command = [*make().command]
    command.remove("--simulate")
    refuses(make(command=command), 78, "board_port", "--simulate")
    ports = {"hardware": {"board_port": str(tmp_path / "ttyBoard"), "meter": "", "reader": ""}}
    refuses(make(command=command, provision=ports), 66, str(tmp_path / "ttyBoard"), "is not there")


def test_a_wrong_environment_is_78(make: Make) -> None:
    refuses(make(environment={"STATION_HTTP": "8080"}), 78, "STATION_HTTP", "host:port")
    refuses(make(environment={"STATION_SIM_CAR": "flying"}), 78, "STATION_SIM_CAR", "PLUGGED")


# --- the demo of `make run`


def demo(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    known = {name: text for name, text in os.environ.items() if not name.startswith(("STATION_", "DJANGO_"))}
    return subprocess.Popen(
        [os.sys.executable, str(root / "tools" / "run_demo.py"), *arguments],  # type: ignore[attr-defined]
        env={**known, "STATION_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1", **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Everything it said until the words came."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"{words!r} never came:\n{said}")


def test_make_run_brings_a_backend_of_its_own_and_ends_both(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    for _ in range(2):  # the second start uses what the first one made
        process = demo(folder)
        said = read_until(process, "connector 1 is Available")
        assert "Backend ready: ws://127.0.0.1:" in said
        assert "Try next" in said
        process.terminate()
        rest, _ = process.communicate(timeout=15)
        assert process.returncode == 0, said + rest
        port = int(re.search(r"Backend ready: ws://127.0.0.1:(\d+)", said).group(1))  # type: ignore[union-attr]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))  # nobody listens any more


def test_make_run_with_a_real_backend_uses_it_and_refuses_to_change_an_old_folder(
    tmp_path: Path, backend: ScriptedBackend
) -> None:
    folder = tmp_path / "var"
    process = demo(folder, "--backend", backend.url, "--id", "MY-ID")
    backend.next("BootNotification", 20)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=15)
    assert process.returncode == 0
    process = demo(folder, "--backend", "wss://another.example/ocpp", "--id", "MY-ID")
    said, _ = process.communicate(timeout=15)
    assert process.returncode == 78
    assert "belongs to the backend" in said
    assert "Start afresh" in said


def test_make_run_takes_other_ports_when_the_usual_ones_are_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else may have it: as good
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        process = demo(tmp_path / "var", STATION_SIM_HTTP=f"127.0.0.1:{free_port()}")
        said = read_until(process, "Try next")
        assert "Port 8080 is taken; the web uses" in said
        process.terminate()
        process.communicate(timeout=15)
        assert process.returncode == 0
