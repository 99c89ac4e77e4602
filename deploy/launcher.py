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

Outside of a trial failed boots are counted: after FAILED_BOOTS of them in a row the station is in safe mode
(`safe_mode.py`), and the recovery page takes the place of the followers' pages. A boot has failed when the release
ended by itself before it told that it works (`station/boot_proof.py`). The count lives as long as this program: a power
cut is a fresh start, never a failed one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import safe_mode
from boot import Boot, manifest, notify, python_of, say
from recovery_page import Page

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
#: So many failed boots in a row lead to safe mode; a boot may take so long, seconds (systemd is asked for more time).
FAILED_BOOTS, BOOT_S = 3, 300.0
#: Ends that are no failed boot: by request, and a port or data folder that somebody else uses.
NO_FAILURE = {0, 75}
#: Ends of which manage.py says in one sentence what is wrong and what cures it (station/errors.py).
SENTENCES = {64, 65, 66, 73, 75, 78}


class Launcher:
    """One run of this program."""

    def __init__(self, releases: Path, arguments: list[str]) -> None:
        self._releases = releases
        self._arguments = arguments
        self._trial_s = float(os.environ.get("STATION_TRIAL_S", TRIAL_S))
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._boot_s = float(os.environ.get("STATION_BOOT_S", BOOT_S))
        self._fed_until: float | None = None

    def follow(self) -> int:
        """Run the current release, whichever it is, until it ends or this program is asked to; its exit code."""
        self._listen()
        while True:
            self._sit_out_safe_mode()
            if self._stopping:
                return 0
            slot = self._current()
            self._start(slot, "")
            code = self._wait(_LOOK_S)
            while code is None and self._target("current") in (slot, None) and not self._is_safe():
                code = self._wait(_LOOK_S)
            if code is None:
                why = "the station is in safe mode" if self._is_safe() else "another release is current"
                say(f"{why}; {slot.name} ends")
                code = self._end_child()
                if not self._stopping:
                    continue
            return code

    def run(self) -> int:
        """Until the station ends by request, or by a failure after a good boot; its exit code."""
        self._listen()
        safe_mode.leave(self._releases)  # of a run that was cut off
        failed = 0
        while True:
            slot = self._choose()
            boot = Boot(self._boot_s)
            code = self._run_slot(slot, self._on_trial(), boot)
            if self._stopping:
                return code
            if code == EX_RESTART:
                continue
            if self._on_trial():
                self._note(f"the new release ended with code {code}")
            elif boot.good or (code in NO_FAILURE and not boot.overdue):
                return code  # an init system starts this program again
            else:
                failed += 1
                say(f"release {slot.name} did not get through its start (code {code}), {failed} of {FAILED_BOOTS}")
            if failed >= FAILED_BOOTS:
                self._stay_safe(slot, code, boot)
                failed -= 1  # one try
            else:
                select.select([], [], [], PAUSE_S)
            if self._stopping:
                return code

    # --- safe mode -----------------------------------------------------------------------------------------------

    def _stay_safe(self, slot: Path, code: int, boot: Boot) -> None:
        """Until it is time to try again."""
        former = self._target("previous")
        facts = {
            "reason": boot.reason(code),
            "public": boot.overdue or code in SENTENCES,
            "code": code,
            "lines": list(boot.lines),
            "slot": slot.name,
            "release": manifest(slot).get("version", slot.name),
            "former": former.name if former and self._can_go_back(slot, former) else "",
            "former_release": manifest(former).get("version", "") if former else "",
        }
        say(f"safe mode: {facts['reason']}")
        safe = safe_mode.SafeMode(self._releases, facts, python_of(slot), slot)
        action = ""
        with safe, nullcontext() if "--no-web" in self._arguments else Page(self._releases, lambda: safe.facts):
            notify("READY=1")
            while not self._stopping and not (action := safe.look()):
                notify("WATCHDOG=1")
                select.select([], [], [], _POLL_S)
        if action == safe_mode.GO_BACK and facts["former"] and former:
            say(f"a person wants release {former.name} back")
            link(self._releases, "fallback", slot.name)
            link(self._releases, "current", former.name)

    @staticmethod
    def _can_go_back(present: Path, former: Path) -> bool:
        """An older release does not know tables that a newer one has changed."""
        return former != present and manifest(former).get("schema") == manifest(present).get("schema")

    def _is_safe(self) -> bool:
        return safe_mode.state(self._releases) is not None

    def _sit_out_safe_mode(self) -> None:
        """A follower: the pages give way to the recovery page, jobs wait."""
        if not self._is_safe():
            return
        page = Page(self._releases, lambda: safe_mode.state(self._releases) or {})
        with page if self._arguments[0] == "runweb" else nullcontext():
            notify("READY=1")
            while not self._stopping and self._is_safe():
                notify("WATCHDOG=1")
                select.select([], [], [], _POLL_S)

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

    def _run_slot(self, slot: Path, on_trial: bool, boot: Boot) -> int:
        deadline = time.monotonic() + self._trial_s
        notify(f"EXTEND_TIMEOUT_USEC={int((self._boot_s + END_S) * 1e6)}")
        self._start(slot, " on trial" if on_trial else "", boot)
        while (code := self._wait(_POLL_S if on_trial or not boot.good else None)) is None:
            on_trial = self._on_trial()
            if self._stopping:
                continue
            if on_trial and time.monotonic() >= deadline:
                self._end_child()
                self._roll_back(f"it did not prove itself within {self._trial_s:g} s")
                code = EX_RESTART
                break
            if not on_trial and boot.overdue:
                code = self._end_child()
                break
        boot.ended()
        return code

    def _start(self, slot: Path, how: str, boot: Boot | None = None) -> None:
        command = [python_of(slot), "manage.py", *self._arguments]
        environment = {
            **os.environ,
            "STATION_RELEASES": str(self._releases.absolute()),
            "STATION_SLOT": slot.name,
        }
        say(f"release {slot.name} starts{how}")
        # The watchdog does not count before systemd heard of the first start; in a later one nobody feeds it but us.
        self._fed_until = 0.0 if self._fed_until is None else time.monotonic() + START_S
        start = boot.start if boot else subprocess.Popen
        self._child = start(command, cwd=slot, env=environment)
        if self._stopping:  # the signal came while it was being started
            self._child.terminate()

    def _wait(self, timeout_s: float | None) -> int | None:
        """The exit code of the release; None: it runs on after so long, or a little earlier."""
        assert self._child is not None
        if self._fed_until and time.monotonic() < self._fed_until:
            notify("WATCHDOG=1")
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


if __name__ == "__main__":
    given = sys.argv[1:]
    follows = given[:1] == ["--follow"]
    if len(given) < 2 + follows:
        raise SystemExit(__doc__)
    launcher = Launcher(Path(given[follows]), given[follows + 1 :])
    raise SystemExit(launcher.follow() if follows else launcher.run())
