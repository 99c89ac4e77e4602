"""The launcher with real processes in a scratch folder: trials, their ends, and a power cut at every step (F26)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from station.releases import Releases

LAUNCHER = Path(__file__).resolve().parents[2] / "deploy" / "launcher.py"

#: Releases in few words. Each notes its start in `started`, in the folder of the releases.
START = """
import os, sys, time, signal
home = os.environ["STATION_RELEASES"]
me = os.environ["STATION_SLOT"]
with open(home + "/started", "a") as file:
    file.write(me + " " + " ".join(sys.argv[1:]) + "\\n")
def confirm():
    os.unlink(home + "/fallback")
"""
BLOCK = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
WAIT = "signal.sigwait({signal.SIGTERM})\n"
RUNS = START + BLOCK + WAIT
GOOD = START + BLOCK + "confirm()\n" + WAIT
CRASHES = START + "sys.exit(70)\n"
STUBBORN = START + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()\n"
ENDS = START + "sys.exit(0)\n"
#: Restarts once, then runs.
RESTARTS = START + "sys.exit(79 if open(home + '/started').read().count(me) == 1 else 0)\n"


def module() -> Any:
    if str(LAUNCHER.parent) not in sys.path:
        sys.path.append(str(LAUNCHER.parent))
    spec = importlib.util.spec_from_file_location("launcher", LAUNCHER)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def slot(folder: Path, name: str, code: str = RUNS) -> None:
    (folder / "slots" / name).mkdir(parents=True)
    (folder / "slots" / name / "manage.py").write_text(code)
    (folder / "slots" / name / "release.json").write_text(json.dumps({"version": name, "schema": "1"}))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The release "old" is the current one."""
    slot(tmp_path, "old")
    (tmp_path / "current").symlink_to("slots/old")
    return tmp_path


Launch = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def launch(home: Path) -> Iterator[Launch]:
    started: list[subprocess.Popen[bytes]] = []

    def start(trial_s: float = 60.0, end_s: float = 5.0, how: str = "run", **more: str) -> subprocess.Popen[bytes]:
        code = (
            f"import sys; sys.path.insert(0, {str(LAUNCHER.parent)!r}); import launcher; from pathlib import Path; "
            f"launcher.PAUSE_S = launcher._LOOK_S = 0.01; launcher.END_S = {end_s}; "
            f"sys.exit(launcher.Launcher(Path({str(home)!r}), ['runstation', '--no-web']).{how}())"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "STATION_TRIAL_S": str(trial_s), **more},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)


def until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    pause, deadline = threading.Event(), time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


def starts(home: Path) -> list[str]:
    path = home / "started"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def current(home: Path) -> str:
    return os.readlink(home / "current")


def begin_trial(home: Path, name: str, code: str) -> None:
    slot(home, name, code)
    Releases(home, "old").switch(name)


def test_the_current_release_runs_with_the_arguments_and_a_signal_reaches_it(home: Path, launch: Launch):
    process = launch()
    until(lambda: starts(home), "it starts")
    assert (home / "started").read_text() == "old runstation --no-web\n"
    process.terminate()
    assert process.wait(10) == 0


def test_the_end_of_a_release_is_the_end_of_the_launcher_with_its_code(home: Path, launch: Launch):
    (home / "slots/old/manage.py").write_text(START + "sys.exit(75)\n")
    assert launch().wait(20) == 75
    (home / "slots/old/manage.py").write_text(ENDS)
    assert launch().wait(20) == 0


def test_a_release_that_asks_for_it_is_started_anew(home: Path, launch: Launch):
    (home / "slots/old/manage.py").write_text(RESTARTS)
    assert launch().wait(20) == 0
    assert starts(home) == ["old", "old"]


def test_a_release_that_confirms_itself_stays(home: Path, launch: Launch):
    begin_trial(home, "new", GOOD)
    process = launch(trial_s=1.0)
    until(lambda: not (home / "fallback").is_symlink(), "it confirms")
    threading.Event().wait(1.5)  # longer than a trial
    process.terminate()
    assert process.wait(10) == 0
    assert current(home) == "slots/new"
    assert starts(home) == ["new"]


def test_a_release_that_crashes_is_tried_four_times_and_then_the_former_one_runs(home: Path, launch: Launch):
    begin_trial(home, "new", CRASHES)
    process = launch()
    until(lambda: "old" in starts(home), "the former release runs")
    assert starts(home) == ["new"] * 4 + ["old"]
    assert current(home) == "slots/old"
    assert not (home / "fallback").is_symlink()
    told = json.loads((home / "rolled_back.json").read_text())
    assert (told["slot"], told["reason"]) == ("new", "the new release ended with code 70")
    process.terminate()
    process.wait(10)
    facts = Releases(home, "old").facts()
    assert (facts.on_trial, facts.rolled_back, facts.reason) == (False, "new", "the new release ended with code 70.")


@pytest.mark.parametrize("code", [RUNS, STUBBORN])
def test_a_release_that_never_confirms_is_ended_and_the_former_one_runs(home: Path, launch: Launch, code: str):
    begin_trial(home, "new", code)
    launch(trial_s=1.0, end_s=0.5)
    until(lambda: "old" in starts(home), "the former release runs")
    assert starts(home) == ["new", "old"]
    assert "did not prove itself within 1 s" in (home / "rolled_back.json").read_text()


def test_a_release_that_ends_by_itself_on_trial_is_no_success(home: Path, launch: Launch):
    begin_trial(home, "new", ENDS)
    launch()
    until(lambda: "old" in starts(home), "the former release runs")


def test_starts_are_counted_over_power_cuts(home: Path, launch: Launch):
    """A release that takes the whole machine down."""
    begin_trial(home, "new", RUNS)
    for number in range(4):
        process = launch()
        until(lambda: len(starts(home)) == number + 1, "it starts")  # noqa: B023
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    launch()
    until(lambda: "old" in starts(home), "the former release runs")
    assert starts(home) == ["new"] * 4 + ["old"]


def test_the_launcher_being_stopped_in_a_trial_decides_nothing(home: Path, launch: Launch):
    begin_trial(home, "new", RUNS)
    process = launch()
    until(lambda: starts(home), "it starts")
    threading.Event().wait(0.3)
    process.terminate()
    process.wait(10)
    assert (current(home), os.readlink(home / "fallback")) == ("slots/new", "slots/old")


def test_a_current_release_without_its_files_gives_way_to_the_former_one(home: Path, launch: Launch):
    begin_trial(home, "new", GOOD)
    (home / "slots/new/manage.py").unlink()
    launch()
    until(lambda: starts(home) == ["old"], "the former release runs")


def test_without_any_release_it_says_what_to_do(tmp_path: Path):
    found = subprocess.run([sys.executable, LAUNCHER, tmp_path, "runstation"], capture_output=True, text=True)
    assert found.returncode == 1
    assert "install one first" in found.stderr


def test_it_needs_nothing_but_the_standard_library():
    listed = subprocess.run(
        [sys.executable, "-S", str(LAUNCHER)], capture_output=True, text=True, timeout=20
    )  # -S: no packages
    assert "Usage" in listed.stderr


# --- beside the station: pages and jobs -------------------------------------------------------------------------------


def test_a_follower_starts_the_current_release_and_takes_the_next_one_when_it_is_current(home: Path, launch: Launch):
    """A release on trial has its own pages and jobs at once; the follower counts no start and decides no trial."""
    process = launch(how="follow")
    until(lambda: starts(home) == ["old"], "it starts")
    begin_trial(home, "new", RUNS)
    until(lambda: starts(home) == ["old", "new"], "it takes the new release")
    module().Launcher(home, [])._roll_back("test")
    until(lambda: starts(home) == ["old", "new", "old"], "it goes back with the others")
    assert not (home / "trial.json").exists()
    process.terminate()
    assert process.wait(10) == 0


def test_a_follower_ends_with_its_release_and_leaves_the_rest_to_systemd(home: Path, launch: Launch):
    (home / "slots/old/manage.py").write_text(START + "sys.exit(70)\n")
    assert launch(how="follow").wait(20) == 70


def test_a_follower_ends_a_release_that_does_not_want_to(home: Path, launch: Launch):
    (home / "slots/old/manage.py").write_text(STUBBORN)
    launch(how="follow", end_s=0.5)
    until(lambda: starts(home) == ["old"], "it starts")
    begin_trial(home, "new", RUNS)
    until(lambda: starts(home) == ["old", "new"], "it takes the new release")


@pytest.mark.parametrize("how", ["run", "follow"])
def test_in_a_restart_the_launcher_feeds_the_watchdog_until_the_release_can(
    home: Path, launch: Launch, tmp_path: Path, how: str
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        if how == "run":
            text = START + "if open(home + '/started').read().count(me) == 1:\n    sys.exit(79)\n"
            (home / "slots/old/manage.py").write_text(text + BLOCK + WAIT)
        launch(how=how, NOTIFY_SOCKET=str(tmp_path / "notify"))
        until(lambda: starts(home), "it starts")
        if how == "follow":
            with pytest.raises(BlockingIOError):  # systemd does not count before it heard of the start
                systemd.recv(100)
            begin_trial(home, "new", RUNS)
        systemd.settimeout(20)
        told = systemd.recv(100)
        while how == "run" and told.startswith(b"EXTEND_TIMEOUT_USEC="):  # failed boots may take longer than one start
            told = systemd.recv(100)
        assert told == b"WATCHDOG=1"


# --- a power cut at every step ---------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing after it happens."""


@pytest.fixture
def cut_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """After that many changes of the folder the power is gone."""

    def arm(step: int) -> None:
        left = [step]
        for name in ("rename", "unlink", "symlink_to"):
            real = getattr(Path, name)

            def counted(self: Path, *args: Any, _real: Any = real, **options: Any) -> Any:
                if left[0] <= 0:
                    raise PowerCut
                left[0] -= 1
                return _real(self, *args, **options)

            monkeypatch.setattr(Path, name, counted)

    return arm


def survives(monkeypatch: pytest.MonkeyPatch, home: Path, work: Callable[[], object], step: int, cut: Any) -> bool:
    """Do something with the power going after so many steps; True when it got to its end."""
    with monkeypatch.context():
        cut(step)
        try:
            work()
        except PowerCut:
            return False
        finally:
            monkeypatch.undo()
    return True


@pytest.mark.parametrize("work", ["switch", "confirm", "roll_back"])
def test_whenever_the_power_goes_one_of_the_two_releases_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, cut_at: Callable[[int], None], work: str
):
    """F26: never neither; and what comes next can be done as if nothing had happened"""
    launcher = module()
    slot(home, "new")
    for step in range(20):
        for name in (
            "fallback",
            "fallback.new",
            "current.new",
            "previous",
            "previous.new",
            "trial.json",
            "rolled_back.json",
        ):
            (home / name).unlink(missing_ok=True)
        (home / "current").unlink()
        (home / "current").symlink_to("slots/old")
        if work != "switch":
            Releases(home, "old").switch("new")
        actions: dict[str, Callable[[], object]] = {
            "switch": lambda: Releases(home, "old").switch("new"),
            "confirm": lambda: Releases(home, "new").confirm(),
            "roll_back": lambda: launcher.Launcher(home, [])._roll_back("test"),
        }
        whole = survives(monkeypatch, home, actions[work], step, cut_at)
        runs = launcher.Launcher(home, [])._choose()
        assert runs.name in ("old", "new"), step
        assert (runs / "manage.py").is_file()
        again = launcher.Launcher(home, [])._choose()
        assert again == runs
        if whole:
            assert runs.name == {"switch": "new", "confirm": "new", "roll_back": "old"}[work]
            break
    else:
        pytest.fail("it never came to its end")
    assert step > 2


def test_the_facts_of_a_trial_are_those_of_the_launcher(home: Path):
    slot(home, "new")
    ours = Releases(home, "old")
    assert (ours.facts().slot, ours.facts().on_trial) == ("old", False)
    ours.switch("new")
    theirs = Releases(home, "new")
    assert theirs.facts().on_trial
    assert not ours.facts().on_trial
    assert module().Launcher(home, [])._on_trial()
    theirs.confirm()
    assert not theirs.facts().on_trial
    assert not module().Launcher(home, [])._on_trial()
    assert os.readlink(home / "previous") == "slots/old"
    assert [(found.slot, found.current) for found in theirs.installed()] == [("new", True), ("old", False)]


def test_making_room_keeps_what_runs_and_the_one_before(home: Path):
    for name in ("new", "older", "newest"):
        slot(home, name)
    (home / "slots" / ".unpacking-x").mkdir()
    Releases(home, "old").switch("new")
    Releases(home, "new").confirm()
    Releases(home, "new").make_room()
    assert sorted(path.name for path in (home / "slots").iterdir()) == ["new", "old"]


def test_a_slot_that_holds_nothing_is_not_switched_to(home: Path):
    (home / "slots" / "empty").mkdir()
    with pytest.raises(FileNotFoundError):
        Releases(home, "old").switch("empty")
    assert current(home) == "slots/old"
    assert not (home / "fallback").is_symlink()
