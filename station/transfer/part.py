"""A download that may be unfinished: its bytes so far, and what tells whether the server still has the same file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ocppclient.sentence import Sentence
from station.transfer.address import TransferFailed

#: So often the room on the disk is looked at, bytes.
_LOOK_EVERY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Part:
    """`<name>.part` and `<name>.mark` in a folder that nobody else writes.

    Args:
        folder: the staging folder.
        name: without any path in it.
        keep_free: bytes of the disk that stay free.
    """

    folder: Path
    name: str
    keep_free: int = 0

    def __post_init__(self) -> None:
        if Path(self.name).name != self.name or self.name in ("", ".", ".."):
            raise ValueError(Sentence("{name!r} is not the name of a file in the staging folder", name=self.name))

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.part"

    @property
    def _mark_path(self) -> Path:
        return self.folder / f"{self.name}.mark"

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def mark(self) -> str:
        """What the server said about the file the beginning came from (its ETag, or size and time); "" if unknown."""
        try:
            text: str = json.loads(self._mark_path.read_text())["mark"]
        except (OSError, ValueError, KeyError):
            return ""
        return text

    def open(self, offset: int, mark: str) -> BinaryIO:
        """To be continued from `offset`; the mark is kept for the next attempt."""
        self._mark_path.write_text(json.dumps({"mark": mark}))
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        file = os.fdopen(handle, "wb")
        file.truncate(offset)
        file.seek(offset)
        return file

    def room_for(self, size: int) -> None:
        """Raises TransferFailed when the disk has no room for so many bytes more."""
        free = shutil.disk_usage(self.folder).free
        if free - size < self.keep_free:
            raise TransferFailed(
                "space",
                Sentence(
                    "the disk has no room for it: {free} MiB are free, {keep_free} stay so",
                    free=free // 2**20,
                    keep_free=self.keep_free // 2**20,
                ),
            )

    def room_at(self, offset: int, piece: int) -> None:
        """The same for the next piece, looked at now and then."""
        if offset // _LOOK_EVERY != (offset + piece) // _LOOK_EVERY:
            self.room_for(piece)

    def finish(self) -> tuple[Path, str]:
        """Everything came: make it last; returns its path and its SHA-256 in hexadecimal."""
        target = self.folder / f"{self.name}.file"
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        self.path.rename(target)
        self._mark_path.unlink(missing_ok=True)
        sync_folder(self.folder)
        return target, digest

    def forget(self) -> None:
        """What came so far is of no use."""
        self.path.unlink(missing_ok=True)
        self._mark_path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
