"""One start of a release by the launcher: its environment, whether it told that it works, and what it said last."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

#: What a release said last, lines.
LAST_LINES = 60


class Boot:
    """One start of a release: whether it told that it works, and what it said last.

    Args:
        boot_s: how long it may take.
    """

    def __init__(self, boot_s: float) -> None:
        self._deadline = time.monotonic() + boot_s
        self._boot_s = boot_s
        self._proof, self._told = os.pipe()
        self._good = False
        self._reader: threading.Thread | None = None
        self.lines: deque[str] = deque(maxlen=LAST_LINES)

    def start(self, command: list[str], cwd: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start it; its standard error goes on to ours."""
        env = {**env, "STATION_PROOF_FD": str(self._told)}
        child = subprocess.Popen(command, cwd=cwd, env=env, stderr=subprocess.PIPE, pass_fds=(self._told,))
        os.close(self._told)
        self._reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        self._reader.start()
        return child

    @property
    def good(self) -> bool:
        """It told that it works."""
        if not self._good and self._proof >= 0 and select.select([self._proof], [], [], 0)[0]:
            self._good = os.read(self._proof, 1) != b""
        return self._good

    @property
    def overdue(self) -> bool:
        """It had its time and did not."""
        return not self.good and time.monotonic() >= self._deadline

    def ended(self) -> None:
        """Its last words are here in a moment (a grandchild may keep the line open)."""
        assert self._reader is not None
        self._reader.join(1.0)
        self._good = self.good
        os.close(self._proof)
        self._proof = -1

    def reason(self, code: int) -> str:
        """Why it failed, in one sentence."""
        if self.overdue:
            return f"It was not up within {self._boot_s:g} s."
        last = next((line.strip() for line in reversed(self.lines) if line.strip()), "")
        return last or f"It ended with code {code} and said nothing."

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stderr is not None
        for line in child.stderr:
            with suppress(OSError):
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
            self.lines.append(line.decode("utf-8", "replace").rstrip()[:1000])


def python_of(slot: Path) -> str:
    """The release's own interpreter, or ours."""
    own = slot / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def manifest(slot: Path) -> dict[str, Any]:
    """What a release says about itself; {} when it says nothing."""
    try:
        return dict(json.loads((slot / "release.json").read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def notify(state: str) -> None:
    """Tell systemd, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def say(text: str) -> None:
    """One line for the journal."""
    sys.stderr.write(f"launcher: {text}\n")
    sys.stderr.flush()
