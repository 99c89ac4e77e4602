#!/usr/bin/env python3
"""Starts the current release of the station, and goes back to the former one when a new one does not prove itself.

Usage: launcher.py [--follow] RELEASES [argument of manage.py]...   for example: launcher.py /opt/station runstation

With --follow (pages and jobs, beside the station itself) it only keeps to the current release: trials are decided by
the launcher of `runstation`, and when it changes the release, the followers end theirs and start the new one.

RELEASES holds `slots/<name>/` (one unpacked release each) and two links, which are the whole truth:
    current   the release that runs
    fallback  the one that ran before, while `current` is on trial; no such link (or the same target): no trial
    previous  the one before the last confirmed change, for going back by hand
A station makes a trial by writing `fallback`, then `current`; it confirms one by removing `fallback`. Each is one
rename or unlink, so a power cut leaves either release, never none. This program needs only Python's standard library.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

#: A release ends with this code to be started anew, perhaps as another release.
EX_RESTART = 79
#: A trial: how long it may take, how often the release may start in it, and the pause between two starts, seconds.
TRIAL_S, TRIAL_STARTS, PAUSE_S = 600.0, 4, 2.0
#: A release that is asked to end gets so long before it is killed, seconds.
END_S = 15.0
_POLL_S = 0.2
#: So soon a follower notices another release, seconds.
_LOOK_S = 1.0
#: A restart gets so long before systemd's watchdog counts again, seconds: a migration on a slow card takes its time.
START_S = 180.0


class Launcher:
    """One run of this program."""

    def __init__(self, releases: Path, arguments: list[str]) -> None:
        self._releases = releases
        self._arguments = arguments
        self._trial_s = float(os.environ.get("STATION_TRIAL_S", TRIAL_S))
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._fed_until: float | None = None

    def follow(self) -> int:
        """Run the current release, whichever it is, until it ends or this program is asked to; its exit code."""
        self._listen()
        while True:
            slot = self._current()
            self._start(slot, "")
            code = self._wait(_LOOK_S)
            while code is None and self._target("current") in (slot, None):
                code = self._wait(_LOOK_S)
            if code is None:
                say(f"another release is current; {slot.name} ends")
                code = self._end_child()
                if not self._stopping:
                    continue
            return code

    def run(self) -> int:
        """Until the station ends by request, or by a failure outside a trial; its exit code."""
        self._listen()
        while True:
            slot = self._choose()
            on_trial = self._on_trial()
            code = self._run_slot(slot, on_trial)
            if self._stopping:
                return code
            if code == EX_RESTART:
                continue
            if not self._on_trial():
                return code  # an init system starts this program again
            self._note(f"the new release ended with code {code}")
            select.select([], [], [], PAUSE_S)
            if self._stopping:
                return code

    # --- which release -------------------------------------------------------------------------------------------

    def _choose(self) -> Path:
        """The slot to start now; a trial that has used up its starts ends here."""
        if self._target("current") is None and self._target("fallback") is not None:
            self._roll_back("its files are gone")
        elif self._on_trial():
            record = self._record()
            if record["starts"] >= TRIAL_STARTS:
                self._roll_back(record["note"] or f"it started {TRIAL_STARTS} times without success")
            else:
                record["starts"] += 1  # written before the start: a release that kills the machine is counted too
                self._write_record(record)
        elif self._target("fallback") is not None:
            (self._releases / "fallback").unlink()  # a power cut came between the two links, or after a roll-back
            self._sync()
        return self._current()

    def _current(self) -> Path:
        slot = self._target("current")
        if slot is None:
            raise SystemExit(f"{self._releases}/current does not name a release; install one first")
        return slot

    def _on_trial(self) -> bool:
        fallback = self._target("fallback")
        return fallback is not None and fallback != self._target("current")

    def _target(self, link: str) -> Path | None:
        """The slot that a link names, if it is there."""
        try:
            slot = self._releases / os.readlink(self._releases / link)
        except OSError:
            return None
        return slot if (slot / "manage.py").exists() else None

    def _roll_back(self, reason: str) -> None:
        failed, former = self._target("current"), self._target("fallback")
        assert former is not None
        name = failed.name if failed else os.readlink(self._releases / "current").rpartition("/")[2]
        say(f"release {name} failed its trial ({reason}); {former.name} runs again")
        self._write("rolled_back.json", {"slot": name, "reason": reason, "at": time.time()})
        link(self._releases, "current", former.name)  # this is the moment
        (self._releases / "fallback").unlink()
        (self._releases / "trial.json").unlink(missing_ok=True)
        self._sync()

    # --- one start -----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)

    def _run_slot(self, slot: Path, on_trial: bool) -> int:
        deadline = time.monotonic() + self._trial_s
        self._start(slot, " on trial" if on_trial else "")
        while (code := self._wait(_POLL_S if on_trial else None)) is None:
            on_trial = self._on_trial()
            if on_trial and not self._stopping and time.monotonic() >= deadline:
                self._end_child()
                self._roll_back(f"it did not prove itself within {self._trial_s:g} s")
                return EX_RESTART
        return code

    def _start(self, slot: Path, how: str) -> None:
        own = slot / ".venv" / "bin" / "python"
        command = [str(own) if own.exists() else sys.executable, "manage.py", *self._arguments]
        environment = {
            **os.environ,
            "STATION_RELEASES": str(self._releases.absolute()),
            "STATION_SLOT": slot.name,
        }
        say(f"release {slot.name} starts{how}")
        # The watchdog does not count before systemd heard of the first start; in a later one nobody feeds it but us.
        self._fed_until = 0.0 if self._fed_until is None else time.monotonic() + START_S
        self._child = subprocess.Popen(command, cwd=slot, env=environment)
        if self._stopping:  # the signal came while it was being started
            self._child.terminate()

    def _wait(self, timeout_s: float | None) -> int | None:
        """The exit code of the release; None: it runs on after so long, or a little earlier."""
        assert self._child is not None
        if self._fed_until and time.monotonic() < self._fed_until:
            feed_watchdog()
            timeout_s = min(timeout_s or _LOOK_S, _LOOK_S)
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def _end_child(self) -> int:
        assert self._child is not None
        self._child.terminate()
        try:
            return self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        self._stopping = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    # --- what is written -----------------------------------------------------------------------------------------

    def _record(self) -> dict[str, Any]:
        """How often the release on trial was started; of another trial it says nothing."""
        slot = os.readlink(self._releases / "current").rpartition("/")[2]
        try:
            record = json.loads((self._releases / "trial.json").read_text())
            if record["slot"] == slot:
                return {"slot": slot, "starts": int(record["starts"]), "note": str(record["note"])}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # the first start, or a file that a power cut left empty
        return {"slot": slot, "starts": 0, "note": ""}

    def _note(self, text: str) -> None:
        self._write_record({**self._record(), "note": text})

    def _write_record(self, record: dict[str, Any]) -> None:
        self._write("trial.json", record)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        draft = self._releases / f"{name}.new"
        with draft.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._releases / name)
        self._sync()

    def _sync(self) -> None:
        sync(self._releases)


def link(releases: Path, name: str, slot: str) -> None:
    """Make a link name a slot, in one step that lasts."""
    draft = releases / f"{name}.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(f"slots/{slot}")
    draft.rename(releases / name)
    sync(releases)


def sync(folder: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def feed_watchdog() -> None:
    """Tell systemd that we are alive (sd_notify(3)); without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
            channel.setblocking(False)
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(b"WATCHDOG=1")


def say(text: str) -> None:
    """One line for the journal."""
    sys.stderr.write(f"launcher: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    given = sys.argv[1:]
    follows = given[:1] == ["--follow"]
    if len(given) < 2 + follows:
        raise SystemExit(__doc__)
    launcher = Launcher(Path(given[follows]), given[follows + 1 :])
    raise SystemExit(launcher.follow() if follows else launcher.run())
