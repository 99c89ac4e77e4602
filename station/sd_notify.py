"""What systemd is told (sd_notify(3)): ready, alive, stopping; without systemd nothing happens."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable

log = logging.getLogger("station.systemd")

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"
#: A sign of life is due three times within systemd's WatchdogSec.
SIGNS = 3
#: So often a sign of life of the worker includes a write to the database, seconds: 1,440 small writes a day.
WRITE_EVERY_S = 60.0


def notify(state: str) -> None:
    """Send one state to NOTIFY_SOCKET; a failure is logged, systemd notices it by itself."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # the domain does not wait for a systemd that does not read
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(state.encode())
    except OSError as error:
        log.warning("systemd could not be told %s: %s", state, error)


def watchdog_s() -> float:
    """WatchdogSec of the unit, 0 without one. WATCHDOG_PID is not compared: the unit may start us by a launcher."""
    try:
        return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0


class Pulse:
    """Feeds systemd's watchdog from the domain's ticks: only a domain that goes on, and can write, is alive.

    Args:
        write: commits a row; it raises when the database cannot be written. No sign of life is given then.
        monotonic: seconds.
        watchdog_s: see `watchdog_s`; 0 does nothing.
        tell: sends a state to systemd.
    """

    def __init__(
        self,
        write: Callable[[], None],
        monotonic: Callable[[], float],
        watchdog_s: float,
        tell: Callable[[str], None] = notify,
    ) -> None:
        self._write = write
        self._monotonic = monotonic
        self._every_s = watchdog_s / SIGNS
        self._tell = tell
        self._due = self._write_due = monotonic()

    def tick(self) -> None:
        """On the domain thread, after the domain's own tick; raises what `write` raises."""
        now = self._monotonic()
        if self._every_s <= 0 or now < self._due:
            return
        self._due = now + self._every_s
        if now >= self._write_due:
            self._write()
            self._write_due = now + WRITE_EVERY_S
        self._tell(ALIVE)


class Signs:
    """Feeds systemd's watchdog when it is called by something that goes on; as often as that is needed, not more.

    Args:
        watchdog_s: see `watchdog_s`; 0 does nothing.
    """

    def __init__(
        self, watchdog_s: float, monotonic: Callable[[], float] = time.monotonic, tell: Callable[[str], None] = notify
    ) -> None:
        self.every_s = watchdog_s / SIGNS
        self._monotonic = monotonic
        self._tell = tell
        self._due = monotonic()

    def __call__(self) -> None:
        """Something went on."""
        now = self._monotonic()
        if self.every_s > 0 and now >= self._due:
            self._due = now + self.every_s
            self._tell(ALIVE)
