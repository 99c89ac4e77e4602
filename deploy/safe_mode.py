"""Safe mode: what the launcher does after failed boots. No energy, the data as they are, a page with the reason.

`safe_mode.json` in the folder of the releases says so to whoever serves the page; what a person there wants is an empty
file in the data folder, which the pages may write, and which a full disk still takes. Each file has one writer. Needs
only Python's standard library: the release may be broken in any way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

STATE, HARDWARE = "safe_mode.json", "hardware.json"
#: What the last stay was about, for the dashboard (station/releases.py).
LAST = "last_safe_mode.json"
#: What a person may want; the names of files.
TRY_AGAIN, GO_BACK = "wish-try-again", "wish-go-back"
#: Without a person the start is tried again after so long, seconds: what hindered it may be over.
RETRY_S = 3600.0
#: Between two starts of the program that keeps the contactor open, seconds.
_HOLD_AGAIN_S = 30.0


def state(releases: Path) -> dict[str, Any] | None:
    """What safe mode is about; None while there is none."""
    return _read(releases / STATE)


def data_folder(releases: Path) -> Path:
    """What lasts of the station, as its settings say (station/settings.py)."""
    return Path(os.environ.get("STATION_DATA_DIR", "").strip() or releases / "current" / "var")


def wish(releases: Path, action: str) -> None:
    """A person wants TRY_AGAIN or GO_BACK. Raises OSError."""
    (data_folder(releases) / action).touch(mode=0o600)


def leave(releases: Path) -> None:
    """No safe mode (any more)."""
    data = data_folder(releases)
    for path in (releases / STATE, data / TRY_AGAIN, data / GO_BACK):
        with suppress(OSError):
            path.unlink(missing_ok=True)


class SafeMode:
    """One stay in safe mode.

    Args:
        facts: `reason`, `public` (anybody may read it), `code`, `lines`, `slot`, `release`, `former` (a slot to go
            back to, or ""), `former_release`.
        python: the interpreter of the release, which may have what drives the board.
        slot: where that release lies.
    """

    def __init__(self, releases: Path, facts: Mapping[str, Any], python: str, slot: Path) -> None:
        self._releases = releases
        now = time.time()
        #: As the page shows them.
        self.facts = {**facts, "since": now, "retry_at": now + RETRY_S, "contactor": ""}
        self._until = time.monotonic() + RETRY_S
        self._command = [python, "-m", "hardware.hold_open", str(releases / HARDWARE)]
        self._slot = slot
        self._holder: subprocess.Popen[str] | None = None
        self._hold_at = 0.0
        self._lock = threading.Lock()  # between what is told and the end
        self._over = False

    def __enter__(self) -> SafeMode:
        """Say it to the page."""
        leave(self._releases)
        self._tell()
        return self

    def __exit__(self, *_: object) -> None:
        """The holder lets go of the serial ports before anybody else opens them."""
        if self._holder is not None:
            assert self._holder.stdin is not None
            self._holder.stdin.close()
            try:
                self._holder.wait(5)
            except subprocess.TimeoutExpired:
                self._holder.kill()
                self._holder.wait()
        with self._lock:
            self._over = True
            leave(self._releases)
            with suppress(OSError):
                write(self._releases / LAST, {"reason": self.facts["reason"], "until": time.time()})

    def look(self) -> str:
        """Keep the contactor open, a few times a second; TRY_AGAIN or GO_BACK when it is time for it, else ""."""
        self._hold()
        data = data_folder(self._releases)
        wanted = next((action for action in (GO_BACK, TRY_AGAIN) if (data / action).exists()), "")
        if wanted:
            return wanted
        return TRY_AGAIN if time.monotonic() >= self._until else ""

    def _hold(self) -> None:
        """A board whose host died may still charge: the drivers of the release tell it that there is no energy."""
        if self._holder is not None and self._holder.poll() is None:
            return
        if not (self._releases / HARDWARE).exists() or time.monotonic() < self._hold_at:
            return
        self._hold_at = time.monotonic() + _HOLD_AGAIN_S
        self._holder = subprocess.Popen(
            self._command, cwd=self._slot, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._hear, args=(self._holder,), daemon=True).start()

    def _hear(self, holder: subprocess.Popen[str]) -> None:
        assert holder.stdout is not None
        for line in holder.stdout:
            self.facts["contactor"] = line.strip()
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            if self._over:
                return
            try:
                write(self._releases / STATE, self.facts)
            except OSError as error:
                sys.stderr.write(f"launcher: safe mode cannot be told to the page ({error})\n")


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file in one step that lasts."""
    draft = path.with_name(f"{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
