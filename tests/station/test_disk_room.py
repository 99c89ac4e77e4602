"""The reserve of the disk: what goes when, and what comes back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from station import disk_room
from station.disk_room import BALLAST, DiskRoom
from station.errors import StartupError
from station.memory_watch import MIB

GIB = 1024 * MIB


class Disk:
    """A disk of which a part is used by others; what lies in the data folder is counted."""

    def __init__(self, folder: Path, total: int = 8 * GIB, others: int = 0) -> None:
        self.folder, self.total, self.others, self.now = folder, total, others, 0.0

    def measure(self, folder: Path) -> tuple[int, int]:
        own = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return max(self.total - self.others - own, 0), self.total

    def room(self, ballast: int = 16 * MIB) -> DiskRoom:
        return DiskRoom(self.folder, ballast, lambda: self.now, self.measure)

    def leave(self, free: int) -> None:
        """Others use the rest."""
        self.others = 0
        self.others = self.measure(self.folder)[0] - free

    @property
    def ballast(self) -> int | None:
        path = self.folder / BALLAST
        return path.stat().st_size if path.exists() else None


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_the_ballast_is_reserved_as_it_was_wanted_and_kept_over_a_restart(disk: Disk) -> None:
    room = disk.room()
    assert disk.ballast == 16 * MIB
    assert room.look() is None
    made_at = (disk.folder / BALLAST).stat().st_ino
    disk.room()
    assert (disk.folder / BALLAST).stat().st_ino == made_at
    assert disk.room(4 * MIB).look() is None
    assert disk.ballast == 4 * MIB


def test_a_small_disk_gets_a_smaller_reserve(disk: Disk) -> None:
    disk.total = 64 * MIB
    assert disk.room().floor == 4 * MIB
    assert disk.ballast == 8 * MIB


def test_first_no_session_may_start_then_the_ballast_goes_and_both_come_back(disk: Disk) -> None:
    """F5"""
    room = disk.room()
    assert room.look() is None
    disk.leave(room.floor)
    assert room.look() is None
    disk.leave(room.floor - 1)
    assert room.look() is False
    assert room.look() is None
    assert disk.ballast is not None
    disk.leave(room.floor // disk_room.LAST - 1)
    assert room.look() is None
    assert disk.ballast is None
    disk.leave(room.floor)
    assert room.look() is None
    disk.leave(2 * room.floor + 16 * MIB)
    assert room.look() is True  # and not before: a station does not flap
    assert disk.ballast == 16 * MIB


def test_what_can_be_made_again_goes_first(disk: Disk) -> None:
    room = disk.room()
    for name in ("logs/station.log", "logs/station.log.1", "copies/station-1.sqlite3", "copies/station-2.sqlite3"):
        (disk.folder / name).parent.mkdir(exist_ok=True)
        (disk.folder / name).write_bytes(bytes(20 * MIB))
    (disk.folder / "station.sqlite3").touch()
    disk.leave(room.floor - 1)
    assert room.look() is None  # 40 MiB came of it
    left = sorted(str(path.relative_to(disk.folder)) for path in disk.folder.rglob("*") if path.is_file())
    assert left == [BALLAST, "copies/station-2.sqlite3", "logs/station.log", "station.sqlite3"]


def test_a_start_on_a_full_disk_gives_the_ballast_up_before_the_database_is_opened(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.room()
    monkeypatch.setattr(disk_room, "of_disk", lambda folder: (100 * MIB, 8 * GIB))
    disk_room.at_start(disk.folder)
    assert disk.ballast is not None
    monkeypatch.setattr(disk_room, "of_disk", disk.measure)
    disk.leave(0)
    disk_room.at_start(disk.folder)
    assert disk.ballast is None
    assert disk.room().look() is False


def test_a_start_without_any_room_says_so(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_room, "of_disk", disk.measure)
    disk.leave(disk_room.NEEDED - 1)
    with pytest.raises(StartupError, match="is full \\(511 KiB left\\)") as told:
        disk_room.at_start(disk.folder)
    assert told.value.exit_code == 73


def test_a_disk_that_cannot_reserve_it_lets_no_session_start(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "posix_fallocate", full)
        room = disk.room()
    assert room.look() is None  # the next look makes it
    assert disk.ballast == 16 * MIB
