"""Room on the disk for what must not be lost: a ballast file that goes when the disk is full, and who has to wait.

SQLite cannot even delete on a full disk, so a running session could neither be kept nor sent. Order: what can be made
again goes first, then no session may start any more, at last the ballast goes, which is enough for a session to finish
and the queue to drain. With room again everything comes back.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from station.errors import EX_CANTCREAT, StartupError
from station.log_files import FOLDER as LOGS
from station.memory_watch import MIB

log = logging.getLogger("station.disk")

BALLAST = "ballast"
#: Below so much free space no session may start; from twice as much on one may.
FLOOR_MIB = 32
#: Below this part of the floor the ballast goes.
LAST = 8
#: On a small disk the floor is this part of it at most, and the ballast twice that.
SMALL = 16
#: Without so many free bytes a start makes no sense: the first commit would fail.
NEEDED = MIB // 2
#: What can be made again is looked for at most so often, seconds.
TIDY_S = 60.0


class DiskRoom:
    """Belongs to one thread, which looks before it writes; a look costs microseconds.

    Args:
        folder: the data folder.
        ballast_bytes: as the factory wants it; 0: none.
        monotonic: seconds.
        measure: (free, total) bytes of the disk.
    """

    def __init__(
        self,
        folder: Path,
        ballast_bytes: int,
        monotonic: Callable[[], float],
        measure: Callable[[Path], tuple[int, int]] | None = None,
    ) -> None:
        self._folder = folder
        self._path = folder / BALLAST
        self._monotonic = monotonic
        self._measure = measure or of_disk
        total = self._measure(folder)[1]
        self.floor = floor_of(total)
        self.ballast = min(ballast_bytes, 2 * self.floor)
        self._tidied_at: float | None = None
        self._has_room: bool | None = None
        self._held = self._path.exists() and self._path.stat().st_size == self.ballast
        if not self._held:
            self._make(self._measure(folder)[0])

    def look(self) -> bool | None:
        """Whether there is room for a whole session, when that changed; None: as before."""
        free, _ = self._measure(self._folder)
        if free < self.floor:
            free = self._make_room(free)
        elif not self._held:
            self._make(free)
        has_room = self._held and free >= (2 * self.floor if self._has_room is False else self.floor)
        if has_room == self._has_room:
            return None
        is_first, self._has_room = self._has_room is None, has_room
        if not has_room:
            log.error("The disk is nearly full (%d MiB left): no session may start", free // MIB)
        elif not is_first:
            log.info("The disk has room again")
        return None if is_first and has_room else has_room

    def _make_room(self, free: int) -> int:
        """Give up what can be made again, and the ballast when that was not enough."""
        now = self._monotonic()
        if self._tidied_at is None or now - self._tidied_at >= TIDY_S:
            self._tidied_at = now
            if tidy(self._folder):
                free, _ = self._measure(self._folder)
        if free < self.floor // LAST and self._held:
            free_ballast(self._folder)
            self._held = False
            free, _ = self._measure(self._folder)
        return free

    def _make(self, free: int) -> None:
        """Reserve the ballast when there is room for it and for sessions besides."""
        if free < self.ballast + 2 * self.floor:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                if self.ballast:
                    os.posix_fallocate(handle, 0, self.ballast)
            finally:
                os.close(handle)
            self._held = True
        except OSError as error:
            log.warning("The ballast could not be reserved: %s", error)
            self._path.unlink(missing_ok=True)


def of_disk(folder: Path) -> tuple[int, int]:
    """Free bytes for this user and all bytes of the disk that the folder is on."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def floor_of(total: int) -> int:
    """Below so many free bytes of a disk no session may start."""
    return min(FLOOR_MIB * MIB, total // SMALL)


def free_ballast(folder: Path) -> None:
    """Give the ballast up."""
    try:
        (folder / BALLAST).unlink()
        log.error("The disk is full: its reserve is in use now")
    except FileNotFoundError:
        pass
    except OSError as error:
        log.error("The reserve of the disk could not be freed: %s", error)


def at_start(folder: Path) -> None:
    """Before the database is opened, which needs some room: give up what is necessary.

    Raises:
        StartupError: 73 nothing helped.
    """
    free, total = of_disk(folder)
    if free < floor_of(total) // LAST:
        tidy(folder)
        free_ballast(folder)
        free, _ = of_disk(folder)
    if free < NEEDED:
        raise StartupError(
            f"The disk of {folder} is full ({free // 1024} KiB left), and its reserve is used up. Nothing was changed. "
            "Remove files that are not the station's, or use a larger disk, and start again.",
            EX_CANTCREAT,
        )


def tidy(folder: Path) -> bool:
    """Remove what can be made again or is kept for comfort; True when something went.

    All nightly copies but the newest, logs that were rotated away, and the database of a failed trial.
    """
    copies = sorted(folder.glob("copies/station-*.sqlite3"))[:-1]
    rotated = [path for path in (folder / LOGS).glob("*.log.*") if path.is_file()]
    rest = [*folder.glob("*.sqlite3.failed"), *folder.glob("copies/*.part")]
    gone = False
    for path in (*rotated, *rest, *copies):
        try:
            path.unlink()
            gone = True
        except OSError as error:
            log.warning("%s could not be removed: %s", path.name, error)
    if gone:
        log.warning("The disk is nearly full: old logs and copies were removed")
    return gone
